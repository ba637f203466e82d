//! Writing mail: drafts, changes, sending, deleting. Bodies are checked against the closed models before
//! anything changes. An answer of 202 means accepted and nothing more; what was refused must never have had
//! an effect.

use super::context::Context;
use super::error::GraphError;
use super::model::{self, Kind, MESSAGE, Model};
use super::odata::Expand;
use super::{attachments, filter, mail_view};
use crate::mailbox::{Address, Message};
use crate::tenant::{Directory, User};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value};

/// The most recipients that one mail may have.
const MAX_RECIPIENTS: usize = 500;

const SEND_MAIL: Model = Model {
    name: "microsoft.graph.sendMail",
    fields: &[
        ("message", Kind::One(&MESSAGE)),
        ("Message", Kind::One(&MESSAGE)),
        ("saveToSentItems", Kind::Flag),
        ("SaveToSentItems", Kind::Flag),
    ],
    required: &[],
};

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn address(value: &Value) -> Address {
    let inner = value.get("emailAddress");
    let part = |name: &str| inner.and_then(|i| i.get(name)).and_then(Value::as_str).unwrap_or_default();
    let (name, address) = (part("name"), part("address"));
    Address { name: if name.is_empty() { address.into() } else { name.into() }, address: address.into() }
}

/// Recipients of a checked body.
pub fn addresses(value: &Value) -> Vec<Address> {
    value.as_array().into_iter().flatten().map(address).collect()
}

/// Internet headers of one's own must begin with `x-`.
fn headers(value: &Value) -> Result<Vec<(String, String)>, GraphError> {
    let mut list = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let name = part("name");
        if !name.to_ascii_lowercase().starts_with("x-") {
            let message =
                format!("The internet message header name '{name}' should start with 'x-' or 'X-'.");
            return Err(GraphError::bad("InvalidInternetMessageHeader", message));
        }
        list.push((name, part("value")));
    }
    Ok(list)
}

/// The extended properties of a body, as pairs of id and value.
pub fn extended(value: &Value) -> Result<Vec<(String, String)>, GraphError> {
    let mut list = Vec::new();
    for item in value.as_array().into_iter().flatten() {
        let part = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        list.push((filter::extended_id(&part("id"))?, part("value")));
    }
    Ok(list)
}

/// Takes one property of a checked body over into a message.
pub fn take_over(message: &mut Message, name: &str, value: &Value) -> Result<(), GraphError> {
    let flag = value.as_bool().unwrap_or_default();
    match name {
        "subject" => message.subject = value.as_str().unwrap_or_default().into(),
        "body" => {
            let kind = value.get("contentType").and_then(Value::as_str).unwrap_or("text");
            message.body_is_html = kind.eq_ignore_ascii_case("html");
            message.body = value.get("content").and_then(Value::as_str).unwrap_or_default().into();
        }
        "toRecipients" => message.to = addresses(value),
        "ccRecipients" => message.cc = addresses(value),
        "bccRecipients" => message.bcc = addresses(value),
        "replyTo" => message.reply_to = addresses(value),
        "from" | "sender" if value.is_null() => {}
        "from" | "sender" => message.from = Some(address(value)),
        "importance" => message.importance = value.as_str().unwrap_or("normal").to_ascii_lowercase(),
        "categories" => {
            let list = value.as_array().into_iter().flatten();
            message.categories = list.filter_map(Value::as_str).map(str::to_owned).collect();
        }
        "flag" => message.flag = Some(value.clone()).filter(|v| !v.is_null()),
        "isRead" => message.is_read = flag,
        "isDeliveryReceiptRequested" => message.wants_delivery_receipt = flag,
        "isReadReceiptRequested" => message.wants_read_receipt = flag,
        "internetMessageId" => message.internet_message_id = value.as_str().unwrap_or_default().into(),
        "internetMessageHeaders" => message.internet_headers = headers(value)?,
        "singleValueExtendedProperties" => {
            for (id, value) in extended(value)? {
                message.extended.retain(|(have, _)| *have != id);
                message.extended.push((id, value));
            }
        }
        "attachments" => {
            let list = value.as_array().into_iter().flatten().enumerate();
            let id = |n: usize| format!("AAMkAttachment{}=", n + 1);
            message.attachments = list.map(|(n, item)| attachments::stored(&id(n), item, 0)).collect();
        }
        _ => {}
    }
    Ok(())
}

fn from_body(context: &Context<'_>, body: &Value) -> Result<Message, GraphError> {
    let object = model::check(&MESSAGE, body, "")?;
    let mut message =
        Message { is_draft: true, is_read: true, folder: "drafts".into(), ..Message::default() };
    for (name, value) in object {
        take_over(&mut message, name, value)?;
    }
    check_sender(context, &message)?;
    Ok(message)
}

/// A person may write in the own name, or in that of a mailbox that was opened to them.
pub fn check_sender(context: &Context<'_>, message: &Message) -> Result<(), GraphError> {
    let Some(from) = &message.from else { return Ok(()) };
    let lent =
        |user: &User| user.lets_in(context.user) && context.scopes.iter().any(|s| s == "Mail.Send.Shared");
    let known = Directory::realistic().by_address(&from.address);
    if known.is_some_and(|user| user.oid == context.owner.oid || user.oid == context.user.oid || lent(user)) {
        return Ok(());
    }
    let text = "The user account which was used to submit this request does not have the right to send mail on \
                behalf of the specified sending account.";
    Err(GraphError::new(403, "ErrorSendAsDenied", text))
}

/// What must be true before a mail leaves.
pub fn check_sendable(message: &Message) -> Result<(), GraphError> {
    let count = message.recipients().count();
    let resolves = |a: &Address| {
        let (local, domain) = a.address.split_once('@').unwrap_or_default();
        let clean = !a.address.chars().any(|c| c.is_whitespace() || matches!(c, ',' | ';' | '<' | '>'));
        !local.is_empty() && domain.contains('.') && !domain.contains('@') && clean
    };
    if count == 0 || !message.recipients().all(resolves) {
        let text = "At least one recipient is not valid., Recipient is not resolved.";
        return Err(GraphError::bad("ErrorInvalidRecipients", text));
    }
    if count > MAX_RECIPIENTS {
        let text = "The message can't be sent because it has too many recipients.";
        return Err(GraphError::bad("ErrorExceededMaxRecipientLimit", text));
    }
    Ok(())
}

/// `POST /me/messages`: a draft.
pub fn create(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let mut message = from_body(context, &context.json_body()?)?;
    let now_ms = world.now_ms();
    message.visible_at_ms = now_ms;
    (message.received_ms, message.sent_ms) = (now_ms, now_ms);
    message.stamp(&mut world.ids, now_ms);
    let root = context.origin(world);
    let mut body = mail_view::message(&message, context, None, &Expand::default());
    let meta = format!("{root}/$metadata#users('{}')/messages/$entity", context.owner.oid);
    body.insert("@odata.context".into(), meta.into());
    let location = format!("{root}/me/messages/{}", mail_view::id_for(&message, context));
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    mailbox.messages.push(message);
    Ok(Reply::json(201, &Value::Object(body)).with("location", location))
}

/// `PATCH /me/messages/{id}`.
pub fn update(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = model::check(&MESSAGE, &body, "")?;
    let now_ms = world.now_ms();
    let root = context.origin(world);
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, now_ms).ok_or_else(GraphError::item_not_found)?;
    let slot = mailbox.messages.get_mut(index).ok_or_else(GraphError::item_not_found)?;
    let mut changed = slot.clone();
    for (name, value) in object {
        let always = ["isRead", "flag", "categories", "importance", "inferenceClassification"];
        let frozen = !slot.is_draft && !name.contains('@') && !always.contains(&name.as_str());
        if frozen && name != "singleValueExtendedProperties" {
            let text = "Update operation is invalid for property of a sent message.";
            return Err(GraphError::bad("ErrorInvalidPropertyUpdateSentMessage", text));
        }
        if name == "attachments" {
            let text = "The property 'attachments' is a navigation property and cannot be updated in place.";
            return Err(GraphError::bad_request(text));
        }
        take_over(&mut changed, name, value)?;
    }
    check_sender_of_draft(context, &changed)?;
    changed.modified_ms = now_ms;
    changed.change += 1;
    *slot = changed;
    let mut body = mail_view::message(slot, context, None, &Expand::default());
    let meta = format!("{root}/$metadata#users('{}')/messages/$entity", context.owner.oid);
    body.insert("@odata.context".into(), meta.into());
    Ok(Reply::json(200, &Value::Object(body)))
}

fn check_sender_of_draft(context: &Context<'_>, message: &Message) -> Result<(), GraphError> {
    if message.is_draft { check_sender(context, message) } else { Ok(()) }
}

/// `POST /me/messages/{id}/send`: a draft leaves. What is no draft any more is not found.
pub fn send_draft(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.Send"])?;
    context.allow_options(&[])?;
    context.no_body()?;
    let now_ms = world.now_ms();
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, now_ms).ok_or_else(GraphError::item_not_found)?;
    let draft = mailbox.messages.get(index).filter(|m| m.is_draft).ok_or_else(GraphError::item_not_found)?;
    check_sendable(draft)?;
    let message = mailbox.messages.remove(index);
    let (mailboxes, mut post) = world.post();
    mailboxes.send(context.owner, message, &mut post);
    Ok(Reply::empty(202))
}

/// `POST /me/sendMail`.
pub fn send_mail(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.Send"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = model::check(&SEND_MAIL, &body, "")?;
    let given = object.get("message").or_else(|| object.get("Message")).filter(|m| !m.is_null());
    let given = given.ok_or_else(|| {
        GraphError::bad_request("The parameter 'Message' is required by the action 'sendMail'.")
    })?;
    let save = object.get("saveToSentItems").or_else(|| object.get("SaveToSentItems"));
    if save.and_then(Value::as_bool) == Some(false) {
        // The real service takes this; here it is refused, since such a mail could never be looked up.
        return Err(GraphError::bad(
            "ErrorInvalidRequest",
            "saveToSentItems:false is refused by this tenant.",
        ));
    }
    let mut message = from_body(context, given)?;
    check_sendable(&message)?;
    let now_ms = world.now_ms();
    message.stamp(&mut world.ids, now_ms);
    let (mailboxes, mut post) = world.post();
    mailboxes.send(context.owner, message, &mut post);
    Ok(Reply::empty(202))
}

/// `DELETE /me/messages/{id}`: into Deleted Items, and out of there for good.
pub fn delete(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let now_ms = world.now_ms();
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, now_ms).ok_or_else(GraphError::item_not_found)?;
    if mailbox.messages.get(index).is_some_and(|m| m.folder == "deleteditems") {
        mailbox.messages.remove(index);
    } else {
        mailbox.relocate(index, "deleteditems", &mut world.ids, now_ms);
    }
    Ok(Reply::empty(204))
}

/// Builds a received mail from a control request: the same checks as for a draft.
pub fn seeded(body: &Map<String, Value>) -> Result<Message, GraphError> {
    let mut message = Message { folder: "inbox".into(), ..Message::default() };
    for (name, value) in model::check(&MESSAGE, &Value::Object(body.clone()), "")? {
        if name == "internetMessageHeaders" {
            let pair = |item: &Value| {
                let part = |n: &str| item.get(n).and_then(Value::as_str).unwrap_or_default().to_owned();
                (part("name"), part("value"))
            };
            message.internet_headers = value.as_array().into_iter().flatten().map(pair).collect();
        } else {
            take_over(&mut message, name, value)?;
        }
    }
    if text(body, "subject").is_none() {
        message.subject = "(no subject)".into();
    }
    Ok(message)
}
