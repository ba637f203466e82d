//! `listFiles`: what is in a folder, which libraries a site has, or which sites there are.

use serde_json::{Map, Value, json};

use super::{BY_OTHERS, FIELDS, FILES_READ, item, own_drive};
use crate::graph::{query, segment};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, Page, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const WORDS_CHARS_MAX: usize = 100;

const SITES_READ: [&str; 2] = ["Sites.Read.All", "Sites.ReadWrite.All"];

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Sites,
    Drives,
    Items,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListFiles {
    listed: Listed,
    /// The folder in the person's own drive, as a segment, whose drive has to be found first.
    own_folder: Option<String>,
    path: String,
    budget: Budget,
}

impl ListFiles {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["driveId", "folder", "siteId", "sites", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::ListFiles, values, &known)?;
        let (drive, folder) = (arguments.identifier("driveId")?, arguments.identifier("folder")?);
        let site = arguments.identifier("siteId")?;
        let words = arguments.line("sites", WORDS_CHARS_MAX)?;
        let budget = Budget::read(&arguments, around)?;
        let is_folder = drive.is_some() || folder.is_some();
        let mut own_folder = None;
        let (listed, path) = match (words, site) {
            (Some(_), Some(_)) => return Err(arguments.must_be("siteId", "left out with `sites`")),
            (Some(_), None) | (None, Some(_)) if is_folder => {
                return Err(
                    arguments.must_be("driveId", "left out, with `folder`, beside `sites` and `siteId`")
                );
            }
            (Some(words), None) => {
                around.require(&SITES_READ)?;
                let select = "id,name,displayName,description,webUrl";
                let parameters = query(&[("search", words), ("$select", select), ("$top", "50")]);
                (Listed::Sites, format!("/sites{parameters}"))
            }
            (None, Some(site)) => {
                around.require(&SITES_READ)?;
                let parameters = query(&[("$select", "id,name,driveType,webUrl"), ("$top", "50")]);
                (Listed::Drives, format!("/sites/{site}/drives{parameters}"))
            }
            (None, None) => {
                around.require(&FILES_READ)?;
                let folder = folder.unwrap_or_else(|| "root".to_owned());
                match drive {
                    Some(drive) => (Listed::Items, children(&drive, &folder)),
                    None => {
                        own_folder = Some(folder);
                        (Listed::Items, String::new())
                    }
                }
            }
        };
        let path = if own_folder.is_some() { path } else { budget.path(path) };
        Ok(Self { listed, own_folder, path, budget })
    }
}

fn children(drive: &str, folder: &str) -> String {
    let parameters = query(&[("$select", FIELDS), ("$top", "100"), ("$orderby", "name")]);
    format!("/drives/{drive}/items/{folder}/children{parameters}")
}

fn site(found: &Value) -> Option<Value> {
    const SHOWN: [Field; 4] = [
        ("siteId", "/id", Kind::Text),
        ("name", "/displayName", Kind::Text),
        ("description", "/description", Kind::Text),
        ("webUrl", "/webUrl", Kind::Text),
    ];
    let mut out = shown(found, &SHOWN);
    out.insert("kind".to_owned(), "site".into());
    out.contains_key("siteId").then_some(Value::Object(out))
}

fn drive(found: &Value) -> Option<Value> {
    const SHOWN: [Field; 3] =
        [("driveId", "/id", Kind::Text), ("name", "/name", Kind::Text), ("webUrl", "/webUrl", Kind::Text)];
    let mut out = shown(found, &SHOWN);
    out.insert("kind".to_owned(), "drive".into());
    out.contains_key("driveId").then_some(Value::Object(out))
}

impl Reading for ListFiles {
    fn call(&self) -> GraphCall {
        match self.own_folder {
            Some(_) => own_drive(),
            None => GraphCall::get(Lane::Other, self.path.clone()),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if let Some(folder) = self.own_folder.take() {
            let found: Value = read(answer)?;
            let drive = text(&found, "/id").and_then(|id| segment(id).ok());
            let drive = drive.ok_or_else(|| ToolError::not_found("This account has no OneDrive."))?;
            self.path = self.budget.path(children(&drive, &folder));
            return Ok(Step::Call(self.call()));
        }
        let page = Page::read(answer)?;
        let show = match self.listed {
            Listed::Sites => site,
            Listed::Drives => drive,
            Listed::Items => |found: &Value| item(found).map(Value::Object),
        };
        let (items, goes_on) = self.budget.page(&page, &self.path, show, true);
        Ok(Step::Done(Finished::from_outside(json!({ "items": items }), BY_OTHERS).going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<ListFiles, ToolError> {
        let granted = ["Files.ReadWrite.All", "Sites.Read.All"];
        with_granted(&granted, |around| ListFiles::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn without_arguments_the_own_drive_is_found_and_listed() {
        let mut plan = plan(json!({})).unwrap();
        assert_eq!(plan.call().path, "/me/drive?$select=id");
        let Step::Call(call) = plan.answered(&answer(200, &json!({"id": "b!D1"}))).unwrap() else { panic!() };
        assert!(call.path.starts_with("/drives/b!D1/items/root/children?$select=id%2Cname"), "{}", call.path);
        let page = json!({"value": [
            {"id": "F1", "name": "Reports", "folder": {"childCount": 2}, "size": 9,
             "parentReference": {"driveId": "b!D1", "path": "/drives/b!D1/root:"}},
            {"id": "F2", "name": "plan.txt", "file": {"mimeType": "text/plain"}, "size": 4,
             "lastModifiedBy": {"user": {"displayName": "Ann"}}, "webUrl": "https://x.example/plan.txt",
             "parentReference": {"driveId": "b!D1", "path": "/drives/b!D1/root:/Reports"}},
            {"name": "no id"},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &page)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["items"],
            json!([{"id": "F1", "driveId": "b!D1", "name": "Reports", "kind": "folder", "size": 9},
                   {"id": "F2", "driveId": "b!D1", "name": "plan.txt", "kind": "file", "size": 4, "path": "/Reports",
                    "modifiedBy": "Ann", "webUrl": "https://x.example/plan.txt"}])
        );
        assert_conforms(Tool::ListFiles, &done);
    }

    #[test]
    fn sites_lead_to_drives_and_drives_to_folders() {
        let mut sites = plan(json!({"sites": "team & co"})).unwrap();
        assert!(sites.call().path.starts_with("/sites?search=team%20%26%20co&$select="));
        let found =
            json!({"value": [{"id": "h.example,1,2", "displayName": "Team", "webUrl": "https://h.example"}]});
        let Step::Done(done) = sites.answered(&answer(200, &found)).unwrap() else { panic!() };
        assert_eq!(done.structured["items"][0]["siteId"], "h.example,1,2");
        assert_conforms(Tool::ListFiles, &done);
        let mut drives = plan(json!({"siteId": "h.example,1,2"})).unwrap();
        assert!(drives.call().path.starts_with("/sites/h.example,1,2/drives?"));
        let found = json!({"value": [{"id": "b!D2", "name": "Documents"}]});
        let Step::Done(done) = drives.answered(&answer(200, &found)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["items"],
            json!([{"driveId": "b!D2", "name": "Documents", "kind": "drive"}])
        );
        assert_conforms(Tool::ListFiles, &done);
        let folder = plan(json!({"driveId": "b!D2", "folder": "F1"})).unwrap();
        assert!(folder.call().path.starts_with("/drives/b!D2/items/F1/children?"));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (arguments, expected) in [
            (json!({"sites": "a", "siteId": "b"}), "`siteId`"),
            (json!({"sites": "a", "folder": "b"}), "`driveId`"),
            (json!({"driveId": "../me"}), "`driveId`"),
            (json!({"folder": "a/b"}), "`folder`"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
        let own = with_granted(&["Files.Read"], |around| {
            ListFiles::new(json!({"sites": "a"}).as_object().unwrap(), around)
        });
        assert!(own.unwrap_err().message.contains("Sites.Read.All"));
    }
}
