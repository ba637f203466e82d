//! `GET …/messages/{id}/$value`: a message as MIME (RFC 5322, RFC 2045). What holds: hidden recipients are not in
//! it, and every line of a text is carried whole.

use super::context::Context;
use super::error::GraphError;
use crate::clock::http_date;
use crate::mailbox::{Address, Message};
use crate::wire::Reply;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A header's text; what is not ASCII is an encoded word (RFC 2047).
fn word(text: &str) -> String {
    if text.is_ascii() { text.to_owned() } else { format!("=?utf-8?B?{}?=", STANDARD.encode(text)) }
}

fn people(list: &[Address]) -> String {
    let one = |a: &Address| format!("{} <{}>", word(&a.name), a.address);
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Base64 in lines of 76 characters.
fn lines(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    bytes.chunks(76).map(|line| line.iter().collect::<String>()).collect::<Vec<_>>().join("\r\n")
}

fn mime(message: &Message) -> String {
    let from: Vec<Address> = message.from.clone().into_iter().collect();
    let mut out = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: {}\r\nMIME-Version: 1.0\r\n",
        people(&from),
        people(&message.to),
        word(&message.subject),
        http_date(message.sent_ms).replace("GMT", "+0000"),
        message.internet_message_id
    );
    if !message.cc.is_empty() {
        out.push_str(&format!("Cc: {}\r\n", people(&message.cc)));
    }
    for (name, value) in &message.internet_headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    let kind = if message.body_is_html { "text/html" } else { "text/plain" };
    let body = format!(
        "Content-Type: {kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines(&STANDARD.encode(&message.body))
    );
    if message.attachments.is_empty() {
        return out + &body;
    }
    out.push_str(&format!(
        "Content-Type: multipart/mixed; boundary=\"_emulated_\"\r\n\r\n--_emulated_\r\n{body}"
    ));
    for attachment in &message.attachments {
        let text = |name: &str| attachment.get(name).and_then(Value::as_str).unwrap_or_default();
        out.push_str(&format!(
            "--_emulated_\r\nContent-Type: {}\r\nContent-Disposition: attachment; filename=\"{}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
            text("contentType"),
            word(text("name")).replace('"', ""),
            lines(text("contentBytes"))
        ));
    }
    out + "--_emulated_--\r\n"
}

/// The whole message, for those who may read bodies.
pub fn get(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.Read", "Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let mailbox = world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, world.now_ms()).ok_or_else(GraphError::item_not_found)?;
    let message = mailbox.messages.get(index).ok_or_else(GraphError::item_not_found)?;
    Ok(Reply::text(200, "text/plain", mime(message)))
}
