//! Sites and libraries that operators put out of reach.
//!
//! What holds here: such a place is named by no call, and nothing that lies in it stands in a result, whatever tool found
//! it and however: items are recognised by the identifiers of their library and site.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::refused;
use crate::tools::ToolError;

/// The members by which an item, and an argument, name where something lies.
const PLACES: [&str; 2] = ["siteId", "driveId"];

/// Which sites and libraries are out of reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteRules {
    /// Identifiers of sites and drives.
    pub(super) off: BTreeSet<String>,
}

impl SiteRules {
    /// Refuses arguments that name such a place, themselves or in a list.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says so.
    pub fn check(&self, arguments: &Map<String, Value>) -> Result<(), ToolError> {
        let listed = arguments.values().filter_map(Value::as_array).flatten().filter_map(Value::as_object);
        let is_named = self.is_off(arguments) || listed.into_iter().any(|item| self.is_off(item));
        if is_named { Err(site_refused()) } else { Ok(()) }
    }

    /// Takes whatever lies in such a place out of a result.
    ///
    /// # Errors
    /// A [`ToolError`] of the account if all of the result does.
    pub fn withhold(&self, result: &mut Value) -> Result<(), ToolError> {
        if self.off.is_empty() {
            return Ok(());
        }
        if result.as_object().is_some_and(|members| self.is_off(members)) {
            return Err(site_refused());
        }
        self.clear(result);
        Ok(())
    }

    fn clear(&self, value: &mut Value) {
        match value {
            Value::Array(items) => {
                items.retain(|item| !item.as_object().is_some_and(|members| self.is_off(members)));
                items.iter_mut().for_each(|item| self.clear(item));
            }
            Value::Object(members) => {
                members.retain(|_, member| !member.as_object().is_some_and(|inner| self.is_off(inner)));
                members.values_mut().for_each(|member| self.clear(member));
            }
            _ => {}
        }
    }

    /// Refuses the drive that a call would write to without having named it.
    ///
    /// # Errors
    /// As [`SiteRules::check`].
    pub fn check_drive(&self, drive: &str) -> Result<(), ToolError> {
        if self.has(drive) { Err(site_refused()) } else { Ok(()) }
    }

    fn is_off(&self, members: &Map<String, Value>) -> bool {
        PLACES
            .iter()
            .any(|name| members.get(*name).and_then(Value::as_str).is_some_and(|place| self.has(place)))
    }

    /// SharePoint knows a place by its identifier in any case.
    fn has(&self, place: &str) -> bool {
        self.off.iter().any(|off| off.eq_ignore_ascii_case(place))
    }
}

fn site_refused() -> ToolError {
    refused("site_not_allowed", "This site or library is out of reach")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_of_a_place_that_is_off_is_named_or_shown() {
        let rules = SiteRules { off: ["h.example,1,2".to_owned(), "b!secret".to_owned()].into() };
        let check =
            |arguments: Value| rules.check(arguments.as_object().unwrap()).map_err(|error| error.code);
        assert_eq!(check(json!({"driveId": "b!open", "siteId": "h.example,1,3"})), Ok(()));
        let attached = json!({"attachments": [{"name": "a"}, {"driveId": "b!secret", "itemId": "1"}]});
        for arguments in
            [json!({"driveId": "B!secret"}), json!({"siteId": "H.example,1,2", "x": 1}), attached]
        {
            assert_eq!(check(arguments), Err("site_not_allowed"));
        }
        let mut result = json!({
            "items": [{"id": "1", "driveId": "b!secret"}, {"id": "2", "driveId": "b!open"}],
            "near": {"siteId": "h.example,1,2"}, "count": 2,
        });
        assert_eq!(rules.withhold(&mut result), Ok(()));
        assert_eq!(result, json!({"items": [{"id": "2", "driveId": "b!open"}], "count": 2}));
        assert_eq!(rules.check_drive("b!secret").unwrap_err().code, "site_not_allowed");
        assert_eq!(rules.check_drive("b!open"), Ok(()));
        let mut file = json!({"driveId": "b!secret", "text": "x"});
        assert_eq!(rules.withhold(&mut file).unwrap_err().code, "site_not_allowed");
        assert_eq!(SiteRules::default().withhold(&mut file), Ok(()));
    }
}
