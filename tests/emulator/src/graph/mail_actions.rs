//! What is done with a message that is there: moving, copying, answering, forwarding, deleting for good. An
//! answer quotes its message as Outlook does and stays in the conversation; a comment and a body of one's own
//! together are refused.

use super::context::Context;
use super::error::GraphError;
use super::mail_folders;
use super::mail_view;
use super::mail_write::{addresses, check_sendable, check_sender, take_over};
use super::model::{Kind, MESSAGE, Model, RECIPIENT, check};
use super::odata::Expand;
use crate::clock::http_date;
use crate::mailbox::{Address, Message};
use crate::wire::{Reply, html_escape};
use crate::world::World;
use serde_json::{Map, Value, json};

const DESTINATION: Model = Model {
    name: "microsoft.graph.move",
    fields: &[("destinationId", Kind::Text), ("DestinationId", Kind::Text)],
    required: &[],
};

const ANSWER: Model = Model {
    name: "microsoft.graph.reply",
    fields: &[
        ("comment", Kind::Text),
        ("Comment", Kind::Text),
        ("message", Kind::One(&MESSAGE)),
        ("Message", Kind::One(&MESSAGE)),
        ("toRecipients", Kind::Many(&RECIPIENT)),
        ("ToRecipients", Kind::Many(&RECIPIENT)),
    ],
    required: &[],
};

/// A parameter of an action; the first letter may be a capital.
fn parameter<'v>(object: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    let capital = name.get(..1).unwrap_or_default().to_uppercase() + name.get(1..).unwrap_or_default();
    object.get(name).or_else(|| object.get(&capital)).filter(|value| !value.is_null())
}

fn invalid(message: &str) -> GraphError {
    GraphError::bad("ErrorInvalidRequest", message)
}

/// The message as an answer, with its `@odata.context`.
fn answered(world: &World, context: &Context<'_>, status: u16, message: &Message) -> Reply {
    let mut body = mail_view::message(message, context, None, &Expand::default());
    let meta = format!("{}/$metadata#users('{}')/messages/$entity", context.origin(world), context.owner.oid);
    body.insert("@odata.context".into(), meta.into());
    Reply::json(status, &Value::Object(body))
}

fn find(world: &World, context: &Context<'_>, id: &str) -> Result<(usize, Message), GraphError> {
    let mailbox = world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, world.now_ms()).ok_or_else(GraphError::item_not_found)?;
    Ok((index, mailbox.messages.get(index).cloned().ok_or_else(GraphError::item_not_found)?))
}

/// `move` and `copy`: 201 with what is in the other folder now.
pub fn relocate(
    world: &mut World,
    context: &Context<'_>,
    id: &str,
    copies: bool,
) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&DESTINATION, &body, "")?;
    let wanted = parameter(object, "destinationId").and_then(Value::as_str);
    let wanted = wanted.ok_or_else(|| invalid("The parameter 'DestinationId' is required."))?;
    let key = mail_folders::key(world, context, wanted)?;
    let (index, mut message) = find(world, context, id)?;
    let now_ms = world.now_ms();
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    if copies {
        message.folder = key;
        message.stamp(&mut world.ids, now_ms);
        mailbox.messages.push(message.clone());
    } else {
        mailbox.relocate(index, &key, &mut world.ids, now_ms);
        message = mailbox.messages.get(index).cloned().ok_or_else(GraphError::item_not_found)?;
    }
    Ok(answered(world, context, 201, &message))
}

/// `permanentDelete`: nothing is left.
pub fn delete_for_good(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    context.no_body()?;
    let (index, _) = find(world, context, id)?;
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    mailbox.messages.remove(index);
    Ok(Reply::empty(204))
}

fn people(list: &[Address]) -> String {
    let one = |a: &Address| html_escape(&format!("{} <{}>", a.name, a.address));
    list.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The body of an answer: the comment, a line, and the message that is answered.
fn quoted(comment: &str, message: &Message) -> String {
    let from: Vec<Address> = message.from.clone().into_iter().collect();
    let inner = if message.body_is_html {
        message.body.clone()
    } else {
        format!("<div class=\"PlainText\">{}</div>", html_escape(&message.body).replace("\r\n", "<br>\r\n"))
    };
    format!(
        "<html><head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\"></head><body>{}\r\n\
         <hr tabindex=\"-1\" style=\"display:inline-block; width:98%\"><div id=\"divRplyFwdMsg\" dir=\"ltr\">\
         <font face=\"Calibri, sans-serif\" style=\"font-size:11pt\"><b>From:</b> {}<br><b>Sent:</b> {}<br>\
         <b>To:</b> {}<br><b>Subject:</b> {}</font><div>&nbsp;</div></div>{inner}</body></html>",
        html_escape(comment).replace('\n', "<br>"),
        people(&from),
        http_date(message.sent_ms),
        people(&message.to),
        html_escape(&message.subject)
    )
}

fn with_prefix(prefix: &str, subject: &str) -> String {
    let has = subject.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if has { subject.to_owned() } else { format!("{prefix}{subject}") }
}

/// Who gets an answer: whoever sent, or, for one's own mail, whoever got it.
fn respondents(message: &Message, own: &str, all: bool) -> (Vec<Address>, Vec<Address>) {
    let is_own = |a: &Address| a.address.eq_ignore_ascii_case(own);
    let sender: Vec<Address> = message.from.clone().into_iter().collect();
    let mut to = if message.reply_to.is_empty() { sender.clone() } else { message.reply_to.clone() };
    if sender.iter().any(is_own) {
        to = message.to.clone();
    } else if all {
        let more = message.to.iter().filter(|a| !is_own(a) && !to.contains(a)).cloned().collect::<Vec<_>>();
        to.extend(more);
    }
    let cc = message.cc.iter().filter(|a| all && !is_own(a) && !to.contains(a)).cloned().collect();
    (to, cc)
}

/// Puts an answer together out of its message and the request.
fn compose(world: &mut World, context: &Context<'_>, id: &str, action: &str) -> Result<Message, GraphError> {
    context.allow_options(&[])?;
    let body = if context.call.body.is_empty() { json!({}) } else { context.json_body()? };
    let object = check(&ANSWER, &body, "")?;
    let forwards = action.to_ascii_lowercase().contains("forward");
    let (_, source) = find(world, context, id)?;
    if source.is_draft {
        return Err(invalid("A draft cannot be answered."));
    }
    let (comment, given) = (parameter(object, "comment"), parameter(object, "message"));
    let own_body = given.is_some_and(|message| message.get("body").is_some_and(|body| !body.is_null()));
    if comment.is_some() && own_body {
        return Err(invalid("Specify either a comment or the body property of the message, not both."));
    }
    let to = parameter(object, "toRecipients");
    let also_inside = given.and_then(|message| message.get("toRecipients")).is_some();
    if to.is_some() && (!forwards || also_inside) {
        return Err(invalid("toRecipients stands in a forward alone, and in one place only."));
    }
    let text = comment.and_then(Value::as_str).unwrap_or_default();
    let (to_all, cc) = respondents(&source, context.owner.address, action.ends_with("All"));
    let mut draft = Message {
        is_draft: true,
        is_read: true,
        folder: "drafts".into(),
        subject: with_prefix(if forwards { "FW: " } else { "RE: " }, &source.subject),
        body_is_html: true,
        body: quoted(text, &source),
        from: Some(Address {
            name: context.owner.display_name.into(),
            address: context.owner.address.into(),
        }),
        to: if forwards { to.map(addresses).unwrap_or_default() } else { to_all },
        cc: if forwards { Vec::new() } else { cc },
        conversation_id: source.conversation_id.clone(),
        attachments: if forwards { source.attachments.clone() } else { Vec::new() },
        internet_headers: vec![("In-Reply-To".into(), source.internet_message_id.clone())],
        ..Message::default()
    };
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        take_over(&mut draft, name, value)?;
    }
    check_sender(context, &draft)?;
    let now_ms = world.now_ms();
    (draft.received_ms, draft.sent_ms, draft.visible_at_ms) = (now_ms, now_ms, now_ms);
    draft.stamp(&mut world.ids, now_ms);
    Ok(draft)
}

/// `createReply`, `createReplyAll`, `createForward`: 201 with a draft.
pub fn draft_answer(
    world: &mut World,
    context: &Context<'_>,
    id: &str,
    action: &str,
) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    let draft = compose(world, context, id, action)?;
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    mailbox.messages.push(draft.clone());
    Ok(answered(world, context, 201, &draft))
}

/// `reply`, `replyAll`, `forward`: 202, and the mail is on its way.
pub fn send_answer(
    world: &mut World,
    context: &Context<'_>,
    id: &str,
    action: &str,
) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.Send"])?;
    let draft = compose(world, context, id, action)?;
    check_sendable(&draft)?;
    let (mailboxes, mut post) = world.post();
    mailboxes.send(context.owner, draft, &mut post);
    Ok(Reply::empty(202))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address { name: text.into(), address: format!("{text}@contoso.example") }
    }

    #[test]
    fn answers_go_to_the_right_people() {
        let mut mail = Message {
            from: Some(address("bob")),
            to: vec![address("alice"), address("carol")],
            cc: vec![address("dave")],
            ..Message::default()
        };
        let own = "alice@contoso.example";
        assert_eq!(respondents(&mail, own, false), (vec![address("bob")], vec![]));
        assert_eq!(
            respondents(&mail, own, true),
            (vec![address("bob"), address("carol")], vec![address("dave")])
        );
        assert_eq!(
            respondents(&mail, "bob@contoso.example", false).0,
            vec![address("alice"), address("carol")]
        );
        mail.reply_to = vec![address("erin")];
        assert_eq!(respondents(&mail, own, false).0, vec![address("erin")]);
        assert_eq!(with_prefix("RE: ", "Re: x"), "Re: x");
        assert_eq!(with_prefix("RE: ", "Für dich"), "RE: Für dich");
    }
}
