//! Messages and folders as Graph shows them: property selection, ids of the preferred kind, bodies of the
//! preferred type. A token with `Mail.ReadBasic` alone must never see a body, a preview or an attachment.

use super::context::Context;
use super::odata::Expand;
use crate::clock::iso;
use crate::ids::base64_url;
use crate::mailbox::{Address, FOLDERS, Mailbox, Message, strip_tags};
use crate::wire::{html_escape, percent_encode};
use serde_json::{Map, Value, json};

/// What `Mail.ReadBasic` hides.
pub const NOT_BASIC: [&str; 5] =
    ["body", "bodyPreview", "uniqueBody", "internetMessageHeaders", "attachments"];

/// A folder's id in one mailbox.
pub fn folder_id(oid: &str, folder: &str) -> String {
    let owner = oid.get(24..).unwrap_or_default();
    format!("AQMkAGVm{owner}{folder}AAA=")
}

/// The well-known folder for a path segment: its name, or its id in this mailbox.
pub fn folder_of(oid: &str, segment: &str) -> Option<&'static str> {
    crate::mailbox::well_known(segment)
        .or_else(|| FOLDERS.iter().map(|(name, _)| *name).find(|name| folder_id(oid, name) == segment))
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
        "hasAttachments" => (!message.attachments.is_empty()).into(),
        "importance" => message.importance.clone().into(),
        "inferenceClassification" => "focused".into(),
        "internetMessageHeaders" => {
            let list = message.internet_headers.iter().map(|(n, v)| json!({ "name": n, "value": v }));
            Value::Array(list.collect())
        }
        "internetMessageId" => message.internet_message_id.clone().into(),
        "isDeliveryReceiptRequested" => message.wants_delivery_receipt.into(),
        "isReadReceiptRequested" => message.wants_read_receipt.into(),
        "isDraft" => message.is_draft.into(),
        "isRead" => message.is_read.into(),
        "parentFolderId" => folder_id(context.user.oid, message.folder).into(),
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
        out.insert("attachments".into(), Value::Array(message.attachments.clone()));
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

/// A folder as JSON.
pub fn folder(mailbox: &Mailbox, oid: &str, name: &str, display: &str, now_ms: u64) -> Value {
    let inside = || mailbox.messages.iter().filter(|m| m.folder == name && m.visible_at_ms <= now_ms);
    json!({
        "id": folder_id(oid, name),
        "displayName": display,
        "parentFolderId": folder_id(oid, "msgfolderroot"),
        "childFolderCount": 0,
        "unreadItemCount": inside().filter(|m| !m.is_read).count(),
        "totalItemCount": inside().count(),
        "sizeInBytes": inside().map(|m| m.body.len()).sum::<usize>(),
        "isHidden": name == "conversationhistory",
    })
}
