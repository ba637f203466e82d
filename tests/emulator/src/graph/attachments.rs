//! Attachments of messages: small ones inside of a request, large ones through an upload session, bytes out by
//! `$value`. Only a draft takes or loses attachments; a session must never take a file that fits into a request.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check, check_attachment};
use crate::clock::iso;
use crate::mailbox::Message;
use crate::storage::{LIFE_MS, Target, Upload};
use crate::wire::Reply;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// From this size on an attachment needs a session, up to this one it may have one.
const SESSION_SIZES: (i64, i64) = (3_000_000, 150 * 1024 * 1024);

const SPEC: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.attachment",
        properties: &[
            "id",
            "contentType",
            "isInline",
            "lastModifiedDateTime",
            "name",
            "size",
            "contentId",
            "contentLocation",
            "contentBytes",
            "item",
        ],
        fields: &[("name", Sort::Text), ("contentType", Sort::Text), ("isInline", Sort::Flag)],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 100,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$top", "$skip", "$count", "$expand"],
};

const ITEM: Model = Model {
    name: "microsoft.graph.attachmentItem",
    fields: &[
        ("attachmentType", Kind::Word(&["file", "item", "reference"])),
        ("contentId", Kind::Text),
        ("contentType", Kind::Text),
        ("isInline", Kind::Flag),
        ("name", Kind::Text),
        ("size", Kind::Whole(0, i64::MAX)),
    ],
    required: &["attachmentType", "name", "size"],
};

const SESSION: Model = Model {
    name: "microsoft.graph.createUploadSession",
    fields: &[("AttachmentItem", Kind::One(&ITEM)), ("attachmentItem", Kind::One(&ITEM))],
    required: &[],
};

/// A stored attachment as lists show it; the item inside of an item is shown only when it is expanded.
pub fn shown(stored: &Value) -> Value {
    let mut out = stored.clone();
    if let Some(map) = out.as_object_mut() {
        map.remove("item");
    }
    out
}

/// An attachment as it is kept: with its id and size.
pub fn stored(id: &str, item: &Value, now_ms: u64) -> Value {
    let mut out = item.clone();
    if let Some(map) = out.as_object_mut() {
        let size = map.get("contentBytes").and_then(Value::as_str).map_or(0, |bytes| bytes.len() / 4 * 3);
        map.insert("id".into(), id.into());
        map.insert("size".into(), size.into());
        map.insert("lastModifiedDateTime".into(), iso(now_ms).into());
        for (name, empty) in
            [("isInline", false.into()), ("contentType", Value::Null), ("contentId", Value::Null)]
        {
            map.entry(name).or_insert(empty);
        }
    }
    out
}

fn message<'w>(world: &'w World, context: &Context<'_>, id: &str) -> Result<&'w Message, GraphError> {
    let mailbox = world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, world.now_ms()).ok_or_else(GraphError::item_not_found)?;
    mailbox.messages.get(index).ok_or_else(GraphError::item_not_found)
}

/// The message, for a change of its attachments.
fn draft_mut<'w>(
    world: &'w mut World,
    context: &Context<'_>,
    id: &str,
) -> Result<&'w mut Message, GraphError> {
    let now_ms = world.now_ms();
    let mailbox = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let index = mailbox.find(id, now_ms).ok_or_else(GraphError::item_not_found)?;
    let found = mailbox.messages.get_mut(index).ok_or_else(GraphError::item_not_found)?;
    if !found.is_draft {
        let text = "Update operation is invalid for property of a sent message.";
        return Err(GraphError::bad("ErrorInvalidPropertyUpdateSentMessage", text));
    }
    Ok(found)
}

fn item(stored: &Value, expands: bool) -> Item {
    let whole = if expands { stored.clone() } else { shown(stored) };
    whole.as_object().cloned().unwrap_or_default()
}

/// Whether the items inside are wanted; nothing else can be expanded.
fn expands(context: &Context<'_>) -> Result<bool, GraphError> {
    match context.option("$expand") {
        None => Ok(false),
        Some(text) if text.eq_ignore_ascii_case("microsoft.graph.itemattachment/item") => Ok(true),
        Some(other) => Err(GraphError::unknown_in_query(other, "microsoft.graph.attachment")),
    }
}

fn meta(context: &Context<'_>, id: &str) -> String {
    format!("users('{}')/messages('{id}')/attachments", context.owner.oid)
}

const READ: [&str; 2] = ["Mail.Read", "Mail.ReadWrite"];

fn list(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let with_items = expands(context)?;
    let items = message(world, context, id)?.attachments.iter().map(|one| item(one, with_items)).collect();
    collection::page(world, context, &SPEC, items, &meta(context, id))
}

fn find<'w>(world: &'w World, context: &Context<'_>, id: &str, which: &str) -> Result<&'w Value, GraphError> {
    context.require_scope(&READ)?;
    let list = &message(world, context, id)?.attachments;
    let found = list.iter().find(|one| one.get("id").and_then(Value::as_str) == Some(which));
    found.ok_or_else(GraphError::item_not_found)
}

fn get(world: &World, context: &Context<'_>, id: &str, which: &str) -> Result<Reply, GraphError> {
    let found = find(world, context, id, which)?;
    let whole = item(found, expands(context)?);
    context.allow_options(&["$select", "$expand"])?;
    let select = super::odata::select(context, SPEC.grammar.properties, SPEC.grammar.kind)?;
    let picked = collection::pick(whole, select.as_deref(), SPEC.always);
    Ok(collection::entity(world, context, 200, picked, &meta(context, id)))
}

/// The bytes of a file; a link has none.
fn bytes(world: &World, context: &Context<'_>, id: &str, which: &str) -> Result<Reply, GraphError> {
    let found = find(world, context, id, which)?;
    context.allow_options(&[])?;
    let text = |name: &str| found.get(name).and_then(Value::as_str);
    if text("@odata.type") == Some("#microsoft.graph.referenceAttachment") {
        let message = "The attachment is a link and has no content.";
        return Err(GraphError::new(405, "ErrorInvalidRequest", message));
    }
    let content = STANDARD.decode(text("contentBytes").unwrap_or_default()).unwrap_or_default();
    let reply = Reply { status: 200, body: content, ..Reply::default() };
    Ok(reply.with("content-type", text("contentType").unwrap_or("application/octet-stream")))
}

fn create(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    check_attachment(&body, "attachment")?;
    let (now_ms, attachment_id) = (world.now_ms(), world.ids.rest_id());
    let kept = stored(&attachment_id, &body, now_ms);
    let draft = draft_mut(world, context, id)?;
    draft.attachments.push(kept.clone());
    (draft.modified_ms, draft.change) = (now_ms, draft.change + 1);
    Ok(collection::entity(world, context, 201, item(&kept, false), &meta(context, id)))
}

fn delete(world: &mut World, context: &Context<'_>, id: &str, which: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    find(world, context, id, which)?;
    let now_ms = world.now_ms();
    let draft = draft_mut(world, context, id)?;
    draft.attachments.retain(|one| one.get("id").and_then(Value::as_str) != Some(which));
    (draft.modified_ms, draft.change) = (now_ms, draft.change + 1);
    Ok(Reply::empty(204))
}

fn create_session(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&SESSION, &body, "")?;
    let given = object.get("AttachmentItem").or_else(|| object.get("attachmentItem"));
    let given = given.and_then(Value::as_object);
    let given =
        given.ok_or_else(|| GraphError::bad_request("The parameter 'AttachmentItem' is required."))?;
    let size = given.get("size").and_then(Value::as_i64).unwrap_or_default();
    if size < SESSION_SIZES.0 {
        let message =
            "The attachment size should not be less than the minimum size of an upload session, 3 MB.";
        return Err(GraphError::bad("ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", message));
    }
    if size > SESSION_SIZES.1 {
        let message = "The attachment size exceeds the limit of 150 MB.";
        return Err(GraphError::new(413, "ErrorAttachmentSizeLimitExceeded", message));
    }
    let owner = context.owner.oid;
    let target =
        Target::Attachment(owner, draft_mut(world, context, id)?.immutable_id.clone(), given.clone());
    let now_ms = world.now_ms();
    let token = world.storage.begin(&mut world.ids, target, usize::try_from(size).ok(), now_ms);
    let session = json!({
        "@odata.context": format!("{}/$metadata#microsoft.graph.uploadSession", context.origin(world)),
        "uploadUrl": format!("{}/storage/upload/{token}", world.base),
        "expirationDateTime": iso(now_ms.saturating_add(LIFE_MS)),
        "nextExpectedRanges": ["0-"],
    });
    Ok(Reply::json(201, &session))
}

/// Puts a complete upload onto its draft; the answer is the attachment's address.
pub fn complete(world: &mut World, upload: &Upload) -> Option<String> {
    let Target::Attachment(oid, message_id, given) = &upload.target else { return None };
    let (now_ms, id) = (world.now_ms(), world.ids.rest_id());
    let mut item: Map<String, Value> = given.clone();
    item.retain(|name, _| !matches!(name.as_str(), "attachmentType" | "size"));
    item.insert("@odata.type".into(), "#microsoft.graph.fileAttachment".into());
    item.insert("contentBytes".into(), STANDARD.encode(&upload.content).into());
    let mailbox = world.mailboxes.get_mut(oid)?;
    let draft = mailbox.messages.iter_mut().find(|m| m.immutable_id == *message_id && m.is_draft)?;
    let mut kept = stored(&id, &Value::Object(item), now_ms);
    if let Some(map) = kept.as_object_mut() {
        map.insert("size".into(), upload.content.len().into());
    }
    draft.attachments.push(kept);
    (draft.modified_ms, draft.change) = (now_ms, draft.change + 1);
    Some(format!("{}/graph/v1.0/users('{oid}')/messages('{message_id}')/attachments('{id}')", world.base))
}

/// Routes what stands behind `…/attachments`.
pub fn route(world: &mut World, context: &Context<'_>, id: &str, rest: &[&str]) -> Routed {
    let result = match (context.call.method.as_str(), rest) {
        ("GET", []) => list(world, context, id),
        ("POST", []) => create(world, context, id),
        ("POST", ["createUploadSession"]) => create_session(world, context, id),
        ("GET", [which]) => get(world, context, id, which),
        ("DELETE", [which]) => delete(world, context, id, which),
        ("GET", [which, "$value"]) => bytes(world, context, id, which),
        (_, [] | [_] | [_, "$value"]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
