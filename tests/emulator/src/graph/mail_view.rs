//! Messages as Graph shows them: property selection, ids of the preferred kind, bodies of the
//! preferred type. A token with `Mail.ReadBasic` alone must never see a body, a preview or an attachment.

use super::condition::Fields;
use super::context::Context;
use super::odata::Expand;
use crate::clock::iso;
use crate::ids::base64_url;
use crate::mailbox::{Address, Message, strip_tags};
use crate::wire::{html_escape, percent_encode};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What `Mail.ReadBasic` hides.
pub const NOT_BASIC: [&str; 5] =
    ["body", "bodyPreview", "uniqueBody", "internetMessageHeaders", "attachments"];

/// A folder's id in one mailbox; of those that the owner made, the key is the id.
pub fn folder_id(oid: &str, folder: &str) -> String {
    if folder.starts_with("AQMk") {
        return folder.to_owned();
    }
    let owner = oid.get(24..).unwrap_or_default();
    format!("AQMkAGVm{owner}{folder}AAA=")
}

fn recipient(address: &Address) -> Value {
    json!({ "emailAddress": { "name": address.name, "address": address.address } })
}

fn recipients(list: &[Address]) -> Value {
    Value::Array(list.iter().map(recipient).collect())
}

/// The preview: the first 255 characters of the text on one line.
fn preview(message: &Message) -> String {
    let text = message.body_text().replace("\r\n", " ").replace('\n', " ");
    text.chars().take(255).collect()
}

/// A body of the preferred type. Exchange turns plain text into markup when the caller did not ask for text.
pub fn item_body(content: &str, is_html: bool, text_wanted: bool) -> Value {
    if text_wanted {
        let text = if is_html { strip_tags(content) } else { content.to_owned() };
        return json!({ "contentType": "text", "content": text });
    }
    if is_html {
        return json!({ "contentType": "html", "content": content });
    }
    let content = html_escape(content).replace("\r\n", "<br>\r\n");
    let html = format!(
        "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>\
         <div class=\"PlainText\">{content}</div></body></html>"
    );
    json!({ "contentType": "html", "content": html })
}

fn body(message: &Message, text_wanted: bool) -> Value {
    if message.is_draft && !message.body_is_html {
        return json!({ "contentType": "text", "content": message.body });
    }
    item_body(&message.body, message.body_is_html, text_wanted)
}

impl Fields for Message {
    fn field(&self, path: &str) -> Cow<'_, Value> {
        let from = self.from.clone().unwrap_or_default();
        Cow::Owned(match path {
            "receivedDateTime" => iso(self.received_ms).into(),
            "sentDateTime" => iso(self.sent_ms).into(),
            "createdDateTime" => iso(self.created_ms).into(),
            "lastModifiedDateTime" => iso(self.modified_ms).into(),
            "isRead" => self.is_read.into(),
            "isDraft" => self.is_draft.into(),
            "hasAttachments" => self.has_attachments().into(),
            "subject" => self.subject.clone().into(),
            "importance" => self.importance.clone().into(),
            "inferenceClassification" => self.classification().into(),
            "conversationId" => self.conversation_id.clone().into(),
            "internetMessageId" => self.internet_message_id.clone().into(),
            "parentFolderId" => self.folder.clone().into(),
            "categories" => json!(self.categories),
            "flag/flagStatus" => {
                let status = self.flag.as_ref().and_then(|flag| flag.get("flagStatus"));
                status.cloned().unwrap_or_else(|| "notFlagged".into())
            }
            "from/emailAddress/address" | "sender/emailAddress/address" => from.address.into(),
            "from/emailAddress/name" | "sender/emailAddress/name" => from.name.into(),
            _ => Value::Null,
        })
    }

    fn extended(&self) -> &[(String, String)] {
        &self.extended
    }
}

fn value(message: &Message, property: &str, id: &str, context: &Context<'_>) -> Value {
    let from = || message.from.as_ref().map_or(Value::Null, recipient);
    match property {
        "id" => id.into(),
        "categories" => json!(message.categories),
        "changeKey" => change_key(message).into(),
        "createdDateTime" => iso(message.created_ms).into(),
        "lastModifiedDateTime" => iso(message.modified_ms).into(),
        "receivedDateTime" => iso(message.received_ms).into(),
        "sentDateTime" => iso(message.sent_ms).into(),
        "bccRecipients" => recipients(&message.bcc),
        "ccRecipients" => recipients(&message.cc),
        "toRecipients" => recipients(&message.to),
        "replyTo" => recipients(&message.reply_to),
        "body" | "uniqueBody" => body(message, context.prefer.text_bodies),
        "bodyPreview" => preview(message).into(),
        "conversationId" => message.conversation_id.clone().into(),
        "conversationIndex" => {
            base64_url(message.conversation_id.as_bytes().get(..16).unwrap_or_default()).into()
        }
        "flag" => message.flag.clone().unwrap_or_else(|| json!({ "flagStatus": "notFlagged" })),
        "from" | "sender" => from(),
        "hasAttachments" => message.has_attachments().into(),
        "importance" => message.importance.clone().into(),
        "inferenceClassification" => message.classification().into(),
        "internetMessageHeaders" => {
            let list = message.internet_headers.iter().map(|(n, v)| json!({ "name": n, "value": v }));
            Value::Array(list.collect())
        }
        "internetMessageId" => message.internet_message_id.clone().into(),
        "isDeliveryReceiptRequested" => message.wants_delivery_receipt.into(),
        "isReadReceiptRequested" => message.wants_read_receipt.into(),
        "isDraft" => message.is_draft.into(),
        "isRead" => message.is_read.into(),
        "parentFolderId" => folder_id(context.owner.oid, &message.folder).into(),
        "subject" => message.subject.clone().into(),
        "webLink" => format!(
            "https://outlook.office365.com/owa/?ItemID={}&exvsurl=1&viewmodel=ReadMessageItem",
            percent_encode(id)
        )
        .into(),
        _ => Value::Null,
    }
}

fn change_key(message: &Message) -> String {
    format!("CQAAABYAAA{}{:06x}", message.immutable_id.get(28..42).unwrap_or_default(), message.change)
}

/// The id that the caller prefers.
pub fn id_for<'m>(message: &'m Message, context: &Context<'_>) -> &'m str {
    if context.prefer.immutable_ids { &message.immutable_id } else { &message.rest_id }
}

/// A message as JSON, without its `@odata.context`.
pub fn message(
    message: &Message,
    context: &Context<'_>,
    select: Option<&[String]>,
    expand: &Expand,
) -> Map<String, Value> {
    let id = id_for(message, context);
    let basic_only = !context.has_scope("Mail.Read") && !context.has_scope("Mail.ReadWrite");
    let mut out = Map::new();
    out.insert("@odata.etag".into(), format!("W/\"{}\"", change_key(message)).into());
    out.insert("id".into(), id.into());
    for property in super::odata::MESSAGE_PROPERTIES {
        // These two are answered only to those who select them by name.
        let on_request = matches!(property, "internetMessageHeaders" | "uniqueBody");
        let wanted = select.map_or(!on_request, |list| list.iter().any(|name| name == property));
        if wanted && !(basic_only && NOT_BASIC.contains(&property)) {
            out.insert(property.into(), value(message, property, id, context));
        }
    }
    if expand.attachments && !basic_only {
        let list = message.attachments.iter().map(super::attachments::shown);
        out.insert("attachments".into(), Value::Array(list.collect()));
    }
    let extended: Vec<Value> = message
        .extended
        .iter()
        .filter(|(id, _)| expand.extended.contains(id))
        .map(|(id, value)| json!({ "id": id, "value": value }))
        .collect();
    // Graph leaves the property out when nothing fits.
    if !extended.is_empty() {
        out.insert("singleValueExtendedProperties".into(), Value::Array(extended));
    }
    out
}
