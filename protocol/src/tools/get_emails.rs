//! `getEmails`: the latest mails of a folder.
//!
//! What holds here: one read, newest first, without bodies; the folder is a well-known name or an identifier and
//! nothing else can become part of the path.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::{MAIL_READ, Tool};
use super::collection::Page;
use super::error::ToolError;
use super::{Finished, Step, Surroundings, message};
use crate::graph::{IMMUTABLE_IDS, query, segment};
use crate::outbound::{Answer, GraphCall, Lane};

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 10;

/// Names that Graph knows for folders of every mailbox.
const WELL_KNOWN: [&str; 7] =
    ["inbox", "drafts", "sentitems", "deleteditems", "archive", "junkemail", "outbox"];

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEmails {
    folder: String,
    folder_segment: String,
    count: u64,
}

impl GetEmails {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::GetEmails, values, &["folder", "count"])?;
        around.require(&MAIL_READ)?;
        let folder = arguments.optional_text("folder", 1_024)?.unwrap_or("inbox");
        let lower = folder.to_ascii_lowercase();
        let folder = if WELL_KNOWN.contains(&lower.as_str()) { lower } else { folder.to_owned() };
        let folder_segment = segment(&folder).map_err(|_| {
            arguments.must_be("folder", &format!("one of {} or a folder id", WELL_KNOWN.join(", ")))
        })?;
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        Ok(Self { folder, folder_segment, count })
    }

    pub(super) fn call(&self) -> GraphCall {
        let parameters = query(&[
            ("$select", message::FIELDS),
            ("$top", &self.count.to_string()),
            ("$orderby", "receivedDateTime desc"),
        ]);
        let path = format!("/me/mailFolders/{}/messages{parameters}", self.folder_segment);
        GraphCall::get(Lane::Mailbox, path).preferring(&[IMMUTABLE_IDS])
    }

    pub(super) fn answered(&self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let messages = message::list(&page.value, self.count);
        Ok(Step::Done(Finished { structured: json!({ "folder": self.folder, "messages": messages }) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Fault;
    use crate::tools::testing::{answer, with_granted};

    fn plan(arguments: Value) -> Result<GetEmails, ToolError> {
        with_granted(&["Mail.ReadWrite"], |around| GetEmails::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn the_call_is_one_encoded_read() {
        let call = plan(json!({"folder": "SentItems", "count": 3})).unwrap().call();
        assert_eq!(
            call.path,
            "/me/mailFolders/sentitems/messages?$select=id%2Csubject%2Cfrom%2CreceivedDateTime%2CisRead%2ChasAttachments%2CbodyPreview&$top=3&$orderby=receivedDateTime%20desc"
        );
    }

    #[test]
    fn a_folder_cannot_leave_its_place() {
        for folder in ["x/../../../users?$top=1&a=", "..", "a%2fb", "a?b"] {
            assert_eq!(plan(json!({ "folder": folder })).unwrap_err().code, "bad_argument");
        }
    }

    #[test]
    fn the_missing_permission_is_named() {
        let refused = with_granted(&["Mail.Send"], |around| GetEmails::new(&Map::new(), around)).unwrap_err();
        assert!(refused.message.contains("Mail.Read "), "{refused}");
    }

    #[test]
    fn a_page_is_shown_by_the_output_schema() {
        let plan = plan(json!({"count": 1})).unwrap();
        let body = json!({"value": [
            {"id": "A=", "subject": "Hi", "from": {"emailAddress": {"name": "B", "address": "b@x.example"}},
             "isRead": false, "hasAttachments": "odd", "unexpected": 1},
            {"id": "B="},
        ]});
        let Step::Done(finished) = plan.answered(&answer(200, &body)).unwrap() else { panic!("not done") };
        assert_eq!(
            finished.structured,
            json!({"folder": "inbox", "messages": [
                {"id": "A=", "subject": "Hi", "from": {"name": "B", "address": "b@x.example"}, "isRead": false}
            ]})
        );
        assert_eq!(plan.answered(&answer(200, &json!([]))).unwrap_err().fault, Fault::Microsoft);
    }
}
