//! What has to be known before a mail tool begins, where operators keep folders of mail out of reach or say what may be
//! attached: which folders these are in the mailbox, where the mails lie that were named, and where they would go.
//!
//! What holds here: a folder is out of reach with all folders below it; the identifiers of all of them are read once and
//! kept for a while. What cannot be found out is not let through: an unfinished list of folders, a mail that does not say
//! where it lies. That Microsoft knows no folder or no mail of a name is for the tool itself to say.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::Mailbox;
use crate::graph::{IMMUTABLE_IDS, query, segment};
use crate::ids::RequestId;
use crate::limits::{FOLDERS_KEPT_FOR, FOLDERS_OFF_MAX};
use crate::outbound::{Answer, GraphCall, Safety};
use crate::policy::{FolderRules, MailRules};
use crate::time::UnixMs;
use crate::tools::collection::{Page, list, read, text};
use crate::tools::error::{Fault, ToolError};
use crate::tools::{batch, gated};

/// The folders of a mailbox that are out of reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldersOff {
    /// Where the paths of the mailbox begin.
    root: String,
    ids: BTreeSet<String>,
}

impl FoldersOff {
    /// Remembers them among those of other mailboxes, of which the oldest go.
    pub fn remember(self, known: &mut Vec<(Self, UnixMs)>, now: UnixMs) {
        const MAILBOXES_MAX: usize = 8;
        known.retain(|(other, _)| other.root != self.root);
        if known.len() >= MAILBOXES_MAX {
            known.remove(0);
        }
        known.push((self, now));
    }

    /// What is known of a mailbox, if it was read lately.
    fn find(root: &str, known: &[(Self, UnixMs)], now: UnixMs) -> Option<Self> {
        let is_wanted =
            |(off, read_at): &&(Self, UnixMs)| off.root == root && now < read_at.plus(FOLDERS_KEPT_FOR);
        known.iter().find(is_wanted).map(|(off, _)| off.clone())
    }
}

/// What a call names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// Mails, as segments.
    pub mails: Vec<String>,
    /// A folder whose mails or folders are listed.
    pub listed: Option<String>,
    /// The folder into which mails go, as a segment.
    pub goes_to: Option<String>,
    /// What may be attached, where the attachments of the mails leave with the call.
    pub attached: Option<MailRules>,
}

/// Something that has to be found out, by one call or by several in one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    /// The identifiers of folders that are out of reach, which are named by segments.
    Folders(Vec<String>),
    /// Pages of the folders in others, by their paths.
    Children(Vec<String>),
    /// Where the mails lie.
    Mails,
    /// The identifier of the folder into which mails go.
    Destination,
}

/// What is found out before anything else, and what is then let through.
#[derive(Debug)]
pub(super) struct Gate {
    mailbox: Mailbox,
    request: RequestId,
    named: Named,
    /// The folders that are out of reach, as far as they were found.
    off: BTreeSet<String>,
    /// Whether they are found here, and nobody was told yet.
    is_new: bool,
    looks: VecDeque<Look>,
}

impl Gate {
    /// `known` is what was found before, and the time.
    pub(super) fn new(
        rules: &FolderRules,
        mailbox: Mailbox,
        named: Named,
        request: RequestId,
        (known, now): (&[(FoldersOff, UnixMs)], UnixMs),
    ) -> Result<Self, ToolError> {
        let known = FoldersOff::find(&mailbox.root, known, now);
        let is_new = known.is_none() && !rules.is_empty();
        let mut looks = VecDeque::new();
        if is_new {
            let names: Vec<String> = rules.names().filter_map(|name| segment(name).ok()).collect();
            looks.extend(names.chunks(batch::STEPS_MAX).map(|names| Look::Folders(names.to_vec())));
        }
        looks.extend((!named.mails.is_empty()).then_some(Look::Mails));
        looks.extend(named.goes_to.is_some().then_some(Look::Destination));
        let off = known.map(|known| known.ids).unwrap_or_default();
        let gate = Self { mailbox, request, named, off, is_new, looks };
        gate.check_listed().map(|()| gate)
    }

    fn has_all_folders(&self) -> bool {
        !matches!(self.looks.front(), Some(Look::Folders(_) | Look::Children(_)))
    }

    /// What is read for a look.
    fn steps(&self, look: &Look) -> Vec<GraphCall> {
        let root = &self.mailbox.root;
        let get = |path: String| GraphCall::get(self.mailbox.lane, path).preferring(&[IMMUTABLE_IDS]);
        let folder =
            |folder: &String| get(format!("{root}/mailFolders/{folder}{}", query(&[("$select", "id")])));
        match look {
            Look::Folders(names) => names.iter().map(folder).collect(),
            Look::Children(paths) => paths.iter().cloned().map(get).collect(),
            Look::Destination => self.named.goes_to.iter().map(folder).collect(),
            Look::Mails => {
                let mut parameters = vec![("$select", "id,parentFolderId")];
                if self.named.attached.is_some() {
                    parameters.push(("$expand", "attachments($select=name,size)"));
                }
                let parameters = query(&parameters);
                let mails = self.named.mails.iter();
                mails.map(|mail| get(format!("{root}/messages/{mail}{parameters}"))).collect()
            }
        }
    }

    /// Notes a folder, and yields the path of those in it, unless they were asked for before.
    fn has_found(&mut self, id: &str) -> Result<Option<String>, ToolError> {
        if !self.off.insert(id.to_owned()) {
            return Ok(None);
        }
        if self.off.len() > FOLDERS_OFF_MAX {
            return Err(unfinished());
        }
        let folder = segment(id).map_err(|_| unfinished())?;
        let parameters = query(&[("$select", "id"), ("$top", "100"), ("includeHiddenFolders", "true")]);
        Ok(Some(format!("{}/mailFolders/{folder}/childFolders{parameters}", self.mailbox.root)))
    }

    fn check_listed(&self) -> Result<(), ToolError> {
        let is_off = self.named.listed.as_ref().is_some_and(|folder| self.off.contains(folder));
        if is_off && self.has_all_folders() { Err(FolderRules::refusal()) } else { Ok(()) }
    }

    fn check_mail(&self, mail: &Value) -> Result<(), ToolError> {
        if self.is_off(mail, "/parentFolderId") {
            return Err(FolderRules::refusal());
        }
        let Some(rules) = &self.named.attached else { return Ok(()) };
        let size = |item: &Value| item.get("size").and_then(Value::as_u64).unwrap_or_default();
        let attachments = list(mail, "/attachments");
        rules.check_attachments(
            attachments.iter().map(|item| (text(item, "/name").unwrap_or_default(), size(item))),
        )
    }

    /// Whether an item is out of reach by a member that names a folder; one that names none is.
    fn is_off(&self, item: &Value, pointer: &str) -> bool {
        // Where no folder is kept out of reach, only attachments are looked at.
        !self.off.is_empty() && text(item, pointer).is_none_or(|folder| self.off.contains(folder))
    }

    /// What of an answer to the call at `path` is let through: mails and folders that are not out of reach.
    ///
    /// # Errors
    /// The mail that was asked for is.
    pub(super) fn let_through<'a>(
        &self,
        path: &str,
        answer: &'a Answer,
    ) -> Result<Cow<'a, Answer>, ToolError> {
        let resource = path.split('?').next().unwrap_or_default();
        let Some(resource) = resource.strip_prefix(&self.mailbox.root) else {
            return Ok(Cow::Borrowed(answer));
        };
        let segments: Vec<&str> = resource.split('/').skip(1).collect();
        let pointer = match segments.as_slice() {
            ["messages"] | ["mailFolders", _, "messages"] => "/parentFolderId",
            ["mailFolders"] | ["mailFolders", _, "childFolders"] => "/id",
            ["messages", _] => {
                return match self.is_off(&read(answer)?, "/parentFolderId") {
                    true => Err(FolderRules::refusal()),
                    false => Ok(Cow::Borrowed(answer)),
                };
            }
            _ => return Ok(Cow::Borrowed(answer)),
        };
        let mut page: Value = read(answer)?;
        if let Some(items) = page.get_mut("value").and_then(Value::as_array_mut) {
            items.retain(|item| !self.is_off(item, pointer));
        }
        Ok(Cow::Owned(Answer { body: page.to_string().into_bytes(), ..answer.clone() }))
    }
}

impl gated::Gate for Gate {
    /// The folders, once they were found here; they are told once.
    fn learnt(&mut self) -> Option<FoldersOff> {
        let is_told = self.is_new && self.has_all_folders();
        self.is_new &= !is_told;
        is_told.then(|| FoldersOff { root: self.mailbox.root.clone(), ids: self.off.clone() })
    }

    /// The call that it waits for; none once everything is known.
    fn call(&self) -> Option<GraphCall> {
        let steps = self.steps(self.looks.front()?);
        if let [call] = steps.as_slice() {
            return Some(call.clone());
        }
        let steps: Vec<_> = steps.into_iter().enumerate().collect();
        let call = batch::call(self.mailbox.lane, self.request, &steps);
        Some(GraphCall { safety: Safety::Read, ..call })
    }

    /// Reads the answer of the call.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says that operators keep something out of reach.
    fn answered(&mut self, answer: &Answer) -> Result<(), ToolError> {
        let Some(look) = self.looks.pop_front() else { return Ok(()) };
        let mut answers = BTreeMap::from([(0, answer.clone())]);
        if self.steps(&look).len() > 1 {
            answers = batch::answers(answer);
        }
        let mut children = Vec::new();
        // Where there is nothing of a name, nothing of it is out of reach.
        for (step, one) in answers.into_iter().filter(|(_, one)| one.status == 200) {
            match &look {
                Look::Folders(_) => children.extend(self.has_found(&id_of(&one)?)?),
                Look::Children(paths) => {
                    let page = Page::read(&one)?;
                    let path = paths.get(step).map(String::as_str).unwrap_or_default();
                    if page.has_more() {
                        children.push(page.next(path).ok_or_else(unfinished)?);
                    }
                    for folder in &page.value {
                        children.extend(self.has_found(text(folder, "/id").ok_or_else(unfinished)?)?);
                    }
                }
                Look::Mails => self.check_mail(&read(&one)?)?,
                Look::Destination if self.off.contains(&id_of(&one)?) => return Err(FolderRules::refusal()),
                Look::Destination => {}
            }
        }
        for paths in children.chunks(batch::STEPS_MAX) {
            self.looks.push_front(Look::Children(paths.to_vec()));
        }
        self.check_listed()
    }

    /// Takes a refusal that says that there is no such folder, or no such mail: then nothing of it is out of reach.
    fn took_refusal(&mut self, refusal: &Answer) -> bool {
        let is_of_one = self.looks.front().is_some_and(|look| self.steps(look).len() == 1);
        let is_taken = is_of_one && matches!(refusal.status, 400 | 404);
        if is_taken {
            self.looks.pop_front();
        }
        is_taken
    }

    /// Yields the refusal for which several things have to be asked for again, or the answer as it came.
    fn opened(&self, answer: Answer) -> Answer {
        let steps = self.looks.front().map_or(0, |look| self.steps(look).len());
        if steps < 2 || answer.status != 200 {
            return answer;
        }
        let mut answers = batch::answers(&answer);
        let longest = answers.values().filter_map(|one| one.retry_after).max();
        for step in 0..steps {
            match answers.remove(&step) {
                Some(Answer { status: 200 | 400 | 404, .. }) => {}
                Some(refusal) => return Answer { retry_after: longest, ..refusal },
                None => return Answer { status: 502, body: Vec::new(), ..answer },
            }
        }
        answer
    }
}

fn id_of(answer: &Answer) -> Result<String, ToolError> {
    let folder: Value = read(answer)?;
    text(&folder, "/id").map(str::to_owned).ok_or_else(unfinished)
}

/// Folders that cannot all be found protect nothing.
fn unfinished() -> ToolError {
    ToolError::new(
        Fault::Account,
        "folders_not_known",
        "The operators of this server keep folders of mail out of reach, and these could not all be found in this mailbox. \
         Nothing was read or changed. Ask the operators.",
    )
}

#[cfg(test)]
mod tests;
