//! `listMailFolders`: the folders of the mailbox, or those inside of one, with their counts.

use serde_json::{Map, Value, json};

use super::folder;
use crate::graph::{IMMUTABLE_IDS, query};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{MAIL_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, shown};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const FIELDS: &str = "id,displayName,childFolderCount,unreadItemCount,totalItemCount";

const SHOWN: [Field; 2] = [("id", "/id", Kind::Text), ("name", "/displayName", Kind::Text)];

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListFolders {
    path: String,
    budget: Budget,
}

impl ListFolders {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ListMailFolders, values, &["parent", "maxTokens", "cursor"])?;
        around.require(&MAIL_READ)?;
        let parameters = query(&[("$select", FIELDS), ("$top", "100")]);
        let path = match folder(&arguments, "parent", around)? {
            Some((_, parent)) => format!("/me/mailFolders/{parent}/childFolders{parameters}"),
            None => format!("/me/mailFolders{parameters}"),
        };
        let budget = Budget::read(&arguments, around)?;
        Ok(Self { path: budget.path(path), budget })
    }
}

impl Reading for ListFolders {
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Mailbox, self.path.clone()).preferring(&[IMMUTABLE_IDS])
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let (folders, goes_on) = self.budget.page(
            &page,
            &self.path,
            |item| {
                let mut out = shown(item, &SHOWN);
                for (name, member) in [
                    ("unread", "unreadItemCount"),
                    ("total", "totalItemCount"),
                    ("subfolders", "childFolderCount"),
                ] {
                    if let Some(count) = item.get(member).and_then(Value::as_u64) {
                        out.insert(name.to_owned(), count.into());
                    }
                }
                out.contains_key("id").then_some(Value::Object(out))
            },
            true,
        );
        Ok(Step::Done(Finished::new(json!({ "folders": folders })).going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<ListFolders, ToolError> {
        with_granted(&["Mail.Read"], |around| ListFolders::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn folders_are_listed_at_the_top_and_inside_of_one() {
        let mut top = plan(json!({})).unwrap();
        assert!(top.call().path.starts_with("/me/mailFolders?$select=id%2CdisplayName"));
        let inside = plan(json!({"parent": "AQMk="})).unwrap();
        assert!(inside.call().path.starts_with("/me/mailFolders/AQMk=/childFolders?"));
        let body = json!({"value": [{"id": "A=", "displayName": "Inbox", "unreadItemCount": 3, "totalItemCount": 9,
                                     "childFolderCount": 0}, {"displayName": "no id"}]});
        let Step::Done(done) = top.answered(&answer(200, &body)).unwrap() else { panic!() };
        let expected = json!([{"id": "A=", "name": "Inbox", "unread": 3, "total": 9, "subfolders": 0}]);
        assert_eq!(done.structured["folders"], expected);
        assert_conforms(Tool::ListMailFolders, &done);
        assert!(plan(json!({"parent": "../x"})).is_err());
    }
}
