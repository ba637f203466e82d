//! Folders of mail that operators put out of reach.
//!
//! What holds here: a folder is out of reach by its well-known name or by its identifier, with all that lie in it, and an
//! entry that could name no folder is refused, because it would protect nothing and be noticed by nobody. Which folders
//! these are in a mailbox is found out by the tools of mail.

use std::collections::BTreeSet;

use super::refused;
use crate::graph::segment;
use crate::tools::ToolError;

/// Names that Graph knows in every mailbox ("mailFolder resource type").
const WELL_KNOWN: [&str; 17] = [
    "archive",
    "clutter",
    "conflicts",
    "conversationhistory",
    "deleteditems",
    "drafts",
    "inbox",
    "junkemail",
    "localfailures",
    "msgfolderroot",
    "outbox",
    "recoverableitemsdeletions",
    "scheduled",
    "searchfolders",
    "sentitems",
    "serverfailures",
    "syncissues",
];

/// No identifier of a folder is shorter, in characters.
const IDENTIFIER_CHARS_MIN: usize = 32;

/// Which folders of mail are out of reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderRules {
    /// Well-known names in lower case, and identifiers as they are.
    off: BTreeSet<String>,
}

impl FolderRules {
    /// Reads the list of a policy; none if a member of it can name no folder.
    pub(super) fn read(list: Vec<String>) -> Option<Self> {
        let is_identifier = |name: &str| name.len() >= IDENTIFIER_CHARS_MIN && segment(name).is_ok();
        let plain = |name: String| {
            let lower = name.to_ascii_lowercase();
            match WELL_KNOWN.contains(&lower.as_str()) {
                true => Some(lower),
                false => is_identifier(&name).then_some(name),
            }
        };
        list.into_iter().map(plain).collect::<Option<_>>().map(|off| Self { off })
    }

    /// Whether every folder may be used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.off.is_empty()
    }

    /// The names and identifiers.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.off.iter()
    }

    /// Refuses a folder by how it is named.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says so.
    pub fn check(&self, folder: &str) -> Result<(), ToolError> {
        let is_off = self.off.iter().any(|off| off.eq_ignore_ascii_case(folder));
        if is_off { Err(Self::refusal()) } else { Ok(()) }
    }

    /// What is said of everything that lies in such a folder.
    pub(crate) fn refusal() -> ToolError {
        refused("folder_not_allowed", "What lies in this folder is out of reach")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_folder_or_is_refused() {
        let id = "AQMkAGVmMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzAAA=";
        let rules = FolderRules::read(vec!["Archive".to_owned(), id.to_owned()]).unwrap();
        for folder in ["archive", "ARCHIVE", id] {
            assert_eq!(rules.check(folder).unwrap_err().code, "folder_not_allowed", "{folder}");
        }
        assert_eq!((rules.check("inbox"), rules.is_empty()), (Ok(()), false));
        for bad in ["", "archives", "Secret plans", "AQMk/../../../../../../../../../../../AAA="] {
            assert_eq!(FolderRules::read(vec![bad.to_owned()]), None, "{bad}");
        }
    }
}
