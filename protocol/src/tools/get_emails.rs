//! `getEmails`: the latest mails of a folder.
//!
//! What holds here: one read, newest first, without bodies; the folder is a well-known name or an identifier and
//! nothing else can become part of the path.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::{Description, person_schema};
use super::error::{Fault, ToolError};
use super::{Finished, Step};
use crate::graph::{IMMUTABLE_IDS, query, segment};
use crate::outbound::{Answer, GraphCall, Lane};

/// The tool's name.
pub const NAME: &str = "getEmails";

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 10;
const FIELDS: &str = "id,subject,from,receivedDateTime,isRead,hasAttachments,bodyPreview";

/// Names that Graph knows for folders of every mailbox.
const WELL_KNOWN: [&str; 7] =
    ["inbox", "drafts", "sentitems", "deleteditems", "archive", "junkemail", "outbox"];

pub(super) fn describe() -> Description {
    Description {
        title: "List email",
        description: "List the newest emails of a folder: sender, subject, time, a short preview. Use it to \
                      see what came in.",
        input: json!({
            "type": "object",
            "properties": {
                "folder": {
                    "type": "string",
                    "description": "inbox (default), sentitems, drafts, deleteditems, archive, junkemail, \
                                    outbox, or a folder id"
                },
                "count": {"type": "integer", "minimum": 1, "maximum": COUNT_MAX, "default": COUNT_DEFAULT}
            },
            "additionalProperties": false
        }),
        output: json!({
            "type": "object",
            "properties": {
                "folder": {"type": "string"},
                "messages": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "id": {"type": "string"},
                            "subject": {"type": "string"},
                            "from": person_schema(),
                            "receivedAt": {"type": "string"},
                            "isRead": {"type": "boolean"},
                            "hasAttachments": {"type": "boolean"},
                            "preview": {"type": "string"}
                        },
                        "required": ["id"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["folder", "messages"],
            "additionalProperties": false
        }),
        destructive: false,
    }
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetEmails {
    folder: String,
    folder_segment: String,
    count: u64,
}

impl GetEmails {
    pub(super) fn new(values: &Map<String, Value>) -> Result<Self, ToolError> {
        let arguments = Arguments::new(NAME, values, &["folder", "count"])?;
        let folder = arguments.optional_text("folder", 1_024)?.unwrap_or("inbox");
        let lower = folder.to_ascii_lowercase();
        let folder = if WELL_KNOWN.contains(&lower.as_str()) { lower } else { folder.to_owned() };
        let folder_segment = segment(&folder).map_err(|_| {
            ToolError::argument(format!(
                "The argument `folder` of `{NAME}` must be one of {} or a folder id.",
                WELL_KNOWN.join(", ")
            ))
        })?;
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        Ok(Self { folder, folder_segment, count })
    }

    pub(super) fn call(&self) -> GraphCall {
        let parameters = query(&[
            ("$select", FIELDS),
            ("$top", &self.count.to_string()),
            ("$orderby", "receivedDateTime desc"),
        ]);
        let path = format!("/me/mailFolders/{}/messages{parameters}", self.folder_segment);
        GraphCall::get(Lane::Mailbox, path).preferring(&[IMMUTABLE_IDS])
    }

    pub(super) fn answered(&self, answer: &Answer) -> Result<Step, ToolError> {
        let page: Page = serde_json::from_slice(&answer.body).map_err(|_| {
            ToolError::new(
                Fault::Microsoft,
                "unexpected_answer",
                "Microsoft's list of mails has an unexpected form. Nothing was changed.",
            )
        })?;
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let messages: Vec<Value> = page.value.into_iter().take(count).map(Message::shown).collect();
        Ok(Step::Done(Finished { structured: json!({ "folder": self.folder, "messages": messages }) }))
    }
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: String,
    subject: Option<String>,
    from: Option<Recipient>,
    received_date_time: Option<String>,
    is_read: Option<bool>,
    has_attachments: Option<bool>,
    body_preview: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: Option<EmailAddress>,
}

#[derive(Deserialize)]
struct EmailAddress {
    name: Option<String>,
    address: Option<String>,
}

impl Message {
    /// The message as the output schema has it: absent members stay absent.
    fn shown(self) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                out.insert(name.to_owned(), value);
            }
        };
        put("id", Some(self.id.into()));
        put("subject", self.subject.map(Value::from));
        put("from", self.from.and_then(|from| from.email_address).map(EmailAddress::shown));
        put("receivedAt", self.received_date_time.map(Value::from));
        put("isRead", self.is_read.map(Value::from));
        put("hasAttachments", self.has_attachments.map(Value::from));
        put("preview", self.body_preview.map(Value::from));
        Value::Object(out)
    }
}

impl EmailAddress {
    fn shown(self) -> Value {
        let mut out = Map::new();
        if let Some(name) = self.name {
            out.insert("name".to_owned(), name.into());
        }
        if let Some(address) = self.address {
            out.insert("address".to_owned(), address.into());
        }
        Value::Object(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(arguments: Value) -> Result<GetEmails, ToolError> {
        GetEmails::new(arguments.as_object().unwrap())
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
    fn a_page_is_shown_by_the_output_schema() {
        let plan = plan(json!({"count": 1})).unwrap();
        let body = json!({"value": [
            {"id": "A=", "subject": "Hi", "from": {"emailAddress": {"name": "B", "address": "b@x.example"}},
             "isRead": false, "unexpected": 1},
            {"id": "B="},
        ]});
        let answer = Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() };
        let Step::Done(finished) = plan.answered(&answer).unwrap() else { panic!("not done") };
        assert_eq!(
            finished.structured,
            json!({"folder": "inbox", "messages": [
                {"id": "A=", "subject": "Hi", "from": {"name": "B", "address": "b@x.example"}, "isRead": false}
            ]})
        );
        let odd = Answer { status: 200, body: b"[]".to_vec(), ..Answer::default() };
        assert_eq!(plan.answered(&odd).unwrap_err().fault, Fault::Microsoft);
    }
}
