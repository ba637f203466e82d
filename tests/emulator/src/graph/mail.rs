//! The mail workload's table of paths, single messages and folders. Lists are in `mail_list.rs`, writes in
//! `mail_write.rs`. A path that is not in the table must never be answered as if it were a near one: Graph
//! names the unknown segment, and so does this.

use super::Routed;
use super::context::Context;
use super::error::GraphError;
use super::odata::{self, MESSAGE_PROPERTIES, MESSAGE_TYPE};
use super::{mail_list, mail_view, mail_write};
use crate::mailbox::FOLDERS;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

/// What can be selected on a folder.
const FOLDER_PROPERTIES: [&str; 8] = [
    "id",
    "displayName",
    "parentFolderId",
    "childFolderCount",
    "unreadItemCount",
    "totalItemCount",
    "sizeInBytes",
    "isHidden",
];

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
    let mailbox = world.mailboxes.get(context.user.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, world.now_ms()).ok_or_else(GraphError::item_not_found)?;
    let message = mailbox.messages.get(index).ok_or_else(GraphError::item_not_found)?;
    let mut body = mail_view::message(message, context, select.as_deref(), &expand);
    let suffix = select.map_or(String::new(), |list| format!("({})", list.join(",")));
    let root = context.origin(world);
    let meta = format!("{root}/$metadata#users('{}')/messages{suffix}/$entity", context.user.oid);
    body.insert("@odata.context".into(), meta.into());
    let etag = body.get("@odata.etag").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Reply::json(200, &Value::Object(body)).with("etag", etag))
}

fn pick(folder: Value, select: Option<&[String]>) -> Value {
    let Value::Object(map) = folder else { return folder };
    let kept = |name: &str| name == "id" || select.is_none_or(|list| list.iter().any(|s| s == name));
    Value::Object(map.into_iter().filter(|(name, _)| kept(name)).collect())
}

fn folders(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    context.allow_options(&["$select", "$top", "$skip", "$count", "includeHiddenFolders"])?;
    let select = odata::select(context, &FOLDER_PROPERTIES, "microsoft.graph.mailFolder")?;
    let number = |name: &str, default: usize| {
        let invalid = |_| GraphError::bad_request(format!("Invalid value for {name} query option found."));
        context.option(name).map_or(Ok(default), |text| text.parse::<usize>().map_err(invalid))
    };
    let (top, skip) = (number("$top", 10)?, number("$skip", 0)?);
    if !(1..=1000).contains(&top) {
        return Err(GraphError::bad_request("Invalid page size specified."));
    }
    let hidden_too = context.option("includeHiddenFolders") == Some("true");
    let mailbox = world.mailboxes.get(context.user.oid).ok_or_else(GraphError::item_not_found)?;
    let now_ms = world.now_ms();
    let all: Vec<Value> = FOLDERS
        .iter()
        .map(|(name, display)| mail_view::folder(mailbox, context.user.oid, name, display, now_ms))
        .filter(|folder| hidden_too || folder.get("isHidden") != Some(&Value::Bool(true)))
        .collect();
    let total = all.len();
    let page: Vec<Value> = all.into_iter().skip(skip).take(top).map(|f| pick(f, select.as_deref())).collect();
    let root = context.origin(world);
    let end = skip.saturating_add(page.len());
    let mut body = json!({
        "@odata.context": format!("{root}/$metadata#users('{}')/mailFolders", context.user.oid),
        "value": page,
    });
    if let Some(map) = body.as_object_mut() {
        if end < total {
            let link = format!("{root}/me/mailFolders?%24top={top}&%24skip={end}");
            map.insert("@odata.nextLink".into(), link.into());
        }
        if context.option("$count") == Some("true") {
            map.insert("@odata.count".into(), total.into());
        }
    }
    Ok(Reply::json(200, &body))
}

fn get_folder(world: &World, context: &Context<'_>, segment: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    context.allow_options(&["$select"])?;
    let select = odata::select(context, &FOLDER_PROPERTIES, "microsoft.graph.mailFolder")?;
    let name = folder(context, segment)?;
    let mailbox = world.mailboxes.get(context.user.oid).ok_or_else(GraphError::item_not_found)?;
    let display = FOLDERS.iter().find(|(known, _)| *known == name).map_or("", |(_, display)| *display);
    let body =
        pick(mail_view::folder(mailbox, context.user.oid, name, display, world.now_ms()), select.as_deref());
    Ok(Reply::json(200, &body))
}

fn folder(context: &Context<'_>, segment: &str) -> Result<&'static str, GraphError> {
    mail_view::folder_of(context.user.oid, segment).ok_or_else(|| {
        if segment.starts_with("AQMk") || segment.starts_with("AAMk") {
            GraphError::item_not_found()
        } else {
            GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed.")
        }
    })
}

/// An id that Exchange could not even have made is malformed, not absent.
fn message_id(id: &str) -> Result<&str, GraphError> {
    let alphabet = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    if alphabet && id.len() >= 40 && id.len().is_multiple_of(4) {
        return Ok(id);
    }
    Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."))
}

/// Routes the mail paths.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "messages"]) => mail_list::list(world, context, None),
        ("POST", ["me", "messages"]) => mail_write::create(world, context),
        ("GET", ["me", "messages", id]) => message_id(id).and_then(|id| get_message(world, context, id)),
        ("PATCH", ["me", "messages", id]) => {
            message_id(id).and_then(|id| mail_write::update(world, context, id))
        }
        ("DELETE", ["me", "messages", id]) => {
            message_id(id).and_then(|id| mail_write::delete(world, context, id))
        }
        ("POST", ["me", "messages", id, "send"]) => {
            message_id(id).and_then(|id| mail_write::send_draft(world, context, id))
        }
        ("POST", ["me", "sendMail"]) => mail_write::send_mail(world, context),
        ("GET", ["me", "mailFolders"]) => folders(world, context),
        ("GET", ["me", "mailFolders", segment]) => get_folder(world, context, segment),
        ("GET", ["me", "mailFolders", segment, "messages"]) => {
            folder(context, segment).and_then(|name| mail_list::list(world, context, Some(name)))
        }
        (_, ["me", "messages" | "sendMail" | "mailFolders"] | ["me", "messages" | "mailFolders", _])
        | (_, ["me", "messages", _, "send"] | ["me", "mailFolders", _, "messages"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
