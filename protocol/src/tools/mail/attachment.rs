//! `getAttachment`: one attachment, as text where that is sensible.
//!
//! What holds here: an attachment is somebody else's file, so that it is never executed, rendered or fetched from
//! anywhere; a link is told and not followed. What has no text is described, and comes as base64 only when that is asked
//! for, in parts that fit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use compute::json;
use serde_json::{Map, Value, json};

use super::{BY_SENDERS, message};
use crate::graph::{IMMUTABLE_IDS, query};
use crate::office::text_of;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::{Budget, fitting, fitting_base64};
use crate::tools::catalogue::{MAIL_READ, Tool};
use crate::tools::collection::{read, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

/// What the attachment is asked for as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    Base64,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GetAttachment {
    path: String,
    form: Form,
    budget: Budget,
    /// Whether the item inside is asked for: what it is was not known before.
    wants_item: bool,
}

impl GetAttachment {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["messageId", "attachmentId", "format", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::GetAttachment, values, &known)?;
        around.require(&MAIL_READ)?;
        let message = arguments.required_identifier("messageId")?;
        let attachment = arguments.required_identifier("attachmentId")?;
        let form =
            arguments.choice("format", &[("text", Form::Text), ("base64", Form::Base64)], Form::Text)?;
        let budget = Budget::read(&arguments, around)?;
        let path = format!("/me/messages/{message}/attachments/{attachment}");
        Ok(Self { path, form, budget, wants_item: false })
    }

    /// The text of the attachment, if it has one.
    fn text_of(&self, item: &Value) -> Option<String> {
        if let Some(inner) = item.get("item") {
            let subject = text(inner, "/subject").unwrap_or_default();
            let from = text(inner, "/from/emailAddress/address").unwrap_or_default();
            let (body, _) = message::body(inner, true);
            return Some(format!("Subject: {subject}\nFrom: {from}\n\n{body}"));
        }
        let bytes = STANDARD.decode(text(item, "/contentBytes")?).ok()?;
        let (name, kind) = (text(item, "/name"), text(item, "/contentType"));
        text_of(name.unwrap_or_default(), kind.unwrap_or_default(), &bytes)
    }

    fn finished(&self, item: &Value) -> Finished {
        let mut shown = match message::attachment(item) {
            Value::Object(shown) => shown,
            _ => Map::new(),
        };
        let kind = text(item, "/@odata.type").unwrap_or_default().rsplit('.').next().unwrap_or_default();
        let kind = kind.strip_suffix("Attachment").filter(|kind| !kind.is_empty()).unwrap_or("file");
        shown.insert("kind".to_owned(), kind.into());
        let content = match self.form {
            Form::Text => self.text_of(item).map(|content| ("text", content)),
            Form::Base64 => text(item, "/contentBytes").map(|content| ("base64", content.to_owned())),
        };
        let mut goes_on = None;
        if let Some((name, content)) = content {
            let from = usize::try_from(self.budget.from.offset).unwrap_or(usize::MAX);
            let rest = content.get(from..).unwrap_or_default();
            let frame = json::members_bytes(&shown);
            let room = self.budget.left().saturating_sub(frame);
            let part = match self.form {
                Form::Base64 => fitting_base64(rest, room),
                Form::Text => fitting(rest, room),
            };
            if part.len() < rest.len() {
                let offset = u64::try_from(from + part.len()).unwrap_or_default();
                goes_on = Some(self.budget.goes_on("", offset));
            }
            shown.insert(name.to_owned(), part.into());
        } else {
            let note = match (kind, self.form) {
                ("reference", _) => "It is a link to a file in the cloud, not a file in the mail.",
                (_, Form::Text) => "It is no text. With format=base64 it comes as it is.",
                (_, Form::Base64) => "It has no bytes of its own. With format=text its content is read.",
            };
            shown.insert("note".to_owned(), note.into());
        }
        Finished::from_outside(json!({ "attachment": shown }), BY_SENDERS).going_on(goes_on)
    }
}

impl Reading for GetAttachment {
    fn call(&self) -> GraphCall {
        let expanded = if self.wants_item {
            query(&[("$expand", "microsoft.graph.itemAttachment/item")])
        } else {
            String::new()
        };
        GraphCall::get(Lane::Mailbox, format!("{}{expanded}", self.path)).preferring(&[IMMUTABLE_IDS])
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let item: Value = read(answer)?;
        let is_item = text(&item, "/@odata.type") == Some("#microsoft.graph.itemAttachment");
        if is_item && !self.wants_item {
            self.wants_item = true;
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(self.finished(&item)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<GetAttachment, ToolError> {
        with_granted(&["Mail.Read"], |around| GetAttachment::new(arguments.as_object().unwrap(), around))
    }

    fn shown(arguments: Value, item: Value) -> Finished {
        let Step::Done(done) = plan(arguments).unwrap().answered(&answer(200, &item)).unwrap() else {
            panic!()
        };
        assert_conforms(Tool::GetAttachment, &done);
        done
    }

    fn file(name: &str, kind: &str, content: &[u8]) -> Value {
        json!({"@odata.type": "#microsoft.graph.fileAttachment", "id": "A=", "name": name, "contentType": kind,
               "size": content.len(), "isInline": false, "contentBytes": STANDARD.encode(content)})
    }

    fn asked() -> Value {
        json!({"messageId": "M=", "attachmentId": "A="})
    }

    #[test]
    fn texts_are_shown_and_the_rest_is_described() {
        assert_eq!(plan(asked()).unwrap().call().path, "/me/messages/M=/attachments/A=");
        let done = shown(asked(), file("a.txt", "text/plain", b"hello"));
        assert_eq!(done.structured["attachment"]["text"], "hello");
        let html = b"<p>seen</p><p hidden>not</p>";
        let done = shown(asked(), file("a.html", "application/octet-stream", html));
        assert_eq!(done.structured["attachment"]["text"], "seen");
        let done = shown(asked(), file("a.zip", "application/zip", &[0, 159, 146, 150]));
        assert!(done.structured["attachment"]["note"].as_str().unwrap().contains("base64"));
        let link = json!({"@odata.type": "#microsoft.graph.referenceAttachment", "id": "A=", "name": "x"});
        assert_eq!(shown(asked(), link).structured["attachment"]["kind"], "reference");
    }

    #[test]
    fn a_long_file_comes_in_parts_that_join() {
        let content: Vec<u8> = (0..9_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut arguments = asked();
        arguments["format"] = "base64".into();
        arguments["maxTokens"] = 500.into();
        let (mut whole, mut from) = (String::new(), None);
        for _ in 0..50 {
            let mut plan = plan(arguments.clone()).unwrap();
            if let Some(from) = from.take() {
                plan.budget.from = from;
            }
            let item = file("a.bin", "application/x", &content);
            let Step::Done(done) = plan.answered(&answer(200, &item)).unwrap() else { panic!() };
            whole.push_str(done.structured["attachment"]["base64"].as_str().unwrap());
            from = done.goes_on;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(STANDARD.decode(whole).unwrap(), content);
    }

    #[test]
    fn a_mail_in_a_mail_is_asked_for_and_read() {
        let mut plan = plan(asked()).unwrap();
        let item = json!({"@odata.type": "#microsoft.graph.itemAttachment", "id": "A=", "name": "Fwd"});
        let Step::Call(call) = plan.answered(&answer(200, &item)).unwrap() else { panic!() };
        assert!(call.path.ends_with("?$expand=microsoft.graph.itemAttachment%2Fitem"), "{}", call.path);
        let inner = json!({"subject": "Inside", "from": {"emailAddress": {"address": "b@x.example"}},
                           "body": {"contentType": "html", "content": "<p>Text"}});
        let mut item = item;
        item["item"] = inner;
        let Step::Done(done) = plan.answered(&answer(200, &item)).unwrap() else { panic!() };
        assert_eq!(done.structured["attachment"]["text"], "Subject: Inside\nFrom: b@x.example\n\nText");
        assert_conforms(Tool::GetAttachment, &done);
    }
}
