//! The mail workload's table of paths and single messages. Lists are in `mail_list.rs`, folders in
//! `mail_folders.rs`, writes in `mail_write.rs` and `mail_actions.rs`. A path that is not in the table must never be answered as if it were a near one: Graph
//! names the unknown segment, and so does this.

use super::Routed;
use super::context::Context;
use super::error::GraphError;
use super::odata::{self, MESSAGE_PROPERTIES, MESSAGE_TYPE};
use super::{attachments, mail_actions, mail_folders, mail_list, mail_mime, mail_view, mail_write};
use crate::wire::Reply;
use crate::world::World;
use serde_json::Value;

const READ: [&str; 3] = ["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"];

fn get_message(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    context.allow_options(&["$select", "$expand"])?;
    let select = odata::select(context, &MESSAGE_PROPERTIES, MESSAGE_TYPE)?;
    let expand = odata::expand(context)?;
    let full = context.has_scope("Mail.Read") || context.has_scope("Mail.ReadWrite");
    let hidden = |name: &String| mail_view::NOT_BASIC.contains(&name.as_str());
    if !full && (expand.attachments || select.as_ref().is_some_and(|list| list.iter().any(hidden))) {
        return Err(GraphError::access_denied());
    }
    let mailbox = world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, world.now_ms()).ok_or_else(GraphError::item_not_found)?;
    let message = mailbox.messages.get(index).ok_or_else(GraphError::item_not_found)?;
    let mut body = mail_view::message(message, context, select.as_deref(), &expand);
    let suffix = select.map_or(String::new(), |list| format!("({})", list.join(",")));
    let root = context.origin(world);
    let meta = format!("{root}/$metadata#users('{}')/messages{suffix}/$entity", context.owner.oid);
    body.insert("@odata.context".into(), meta.into());
    let etag = body.get("@odata.etag").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Reply::json(200, &Value::Object(body)).with("etag", etag))
}

/// An id that Exchange could not even have made is malformed, not absent.
fn message_id(id: &str) -> Result<&str, GraphError> {
    let alphabet = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    if alphabet && id.len() >= 40 && id.len().is_multiple_of(4) {
        return Ok(id);
    }
    Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."))
}

/// One message and what can be done with it.
fn one_message(world: &mut World, context: &Context<'_>, id: &str, rest: &[&str]) -> Routed {
    let id = match message_id(id) {
        Ok(id) => id,
        Err(error) => return Some(Err(error)),
    };
    let result = match (context.call.method.as_str(), rest) {
        ("GET", []) => get_message(world, context, id),
        ("PATCH", []) => mail_write::update(world, context, id),
        ("DELETE", []) => mail_write::delete(world, context, id),
        ("GET", ["$value"]) => mail_mime::get(world, context, id),
        ("POST", ["send"]) => mail_write::send_draft(world, context, id),
        ("POST", ["move"]) => mail_actions::relocate(world, context, id, false),
        ("POST", ["copy"]) => mail_actions::relocate(world, context, id, true),
        ("POST", ["permanentDelete"]) => mail_actions::delete_for_good(world, context, id),
        ("POST", [action @ ("createReply" | "createReplyAll" | "createForward")]) => {
            mail_actions::draft_answer(world, context, id, action)
        }
        ("POST", [action @ ("reply" | "replyAll" | "forward")]) => {
            mail_actions::send_answer(world, context, id, action)
        }
        (_, ["attachments", rest @ ..]) => return attachments::route(world, context, id, rest),
        (
            _,
            [] | ["$value" | "send" | "move" | "copy" | "permanentDelete" | "reply" | "replyAll" | "forward"],
        )
        | (_, ["createReply" | "createReplyAll" | "createForward"]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}

/// Routes the mail paths.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "messages"]) => mail_list::list(world, context, None),
        ("POST", ["me", "messages"]) => mail_write::create(world, context),
        (_, ["me", "messages", id, rest @ ..]) => return one_message(world, context, id, rest),
        ("POST", ["me", "sendMail"]) => mail_write::send_mail(world, context),
        (_, ["me", "mailFolders", segment, "messages", id, rest @ ..]) if !id.starts_with("delta") => {
            return match mail_folders::key(world, context, segment) {
                Ok(_) => one_message(world, context, id, rest),
                Err(error) => Some(Err(error)),
            };
        }
        ("GET", ["me", "mailFolders", segment, "messages"]) => mail_folders::key(world, context, segment)
            .and_then(|key| mail_list::list(world, context, Some(&key))),
        (_, ["me", "messages" | "sendMail"] | ["me", "mailFolders", _, "messages"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return mail_folders::route(world, context),
    };
    Some(result)
}
