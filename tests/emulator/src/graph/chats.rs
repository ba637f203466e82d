//! Chats. Two people have one chat, however often it is created. A chat is shown to its members alone;
//! reading its list, reading its messages and sending need different scopes.

use super::Routed;
use super::chat_message::{self, Home, MESSAGES, require_scope};
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use crate::clock::iso;
use crate::teamwork::{Chat, add_note};
use crate::tenant;
use crate::wire::{Reply, percent_encode};
use crate::world::World;
use serde_json::{Map, Value, json};

const READ: [&str; 3] = ["Chat.ReadBasic", "Chat.Read", "Chat.ReadWrite"];
const READ_MESSAGES: [&str; 2] = ["Chat.Read", "Chat.ReadWrite"];

const MEMBER: Model = Model {
    name: "microsoft.graph.aadUserConversationMember",
    fields: &[
        ("roles", Kind::Words(&["owner", "guest"])),
        ("displayName", Kind::Text),
        ("email", Kind::Text),
        ("tenantId", Kind::Text),
        ("userId", Kind::Text),
        ("visibleHistoryStartDateTime", Kind::Instant),
    ],
    required: &["roles"],
};

const CHAT: Model = Model {
    name: "microsoft.graph.chat",
    fields: &[
        ("chatType", Kind::Word(&["oneOnOne", "group"])),
        ("topic", Kind::Text),
        ("members", Kind::Many(&MEMBER)),
        ("id", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("lastUpdatedDateTime", Kind::ReadOnly),
        ("webUrl", Kind::ReadOnly),
        ("tenantId", Kind::ReadOnly),
    ],
    required: &["chatType", "members"],
};

const CHATS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.chat",
        properties: &[
            "id",
            "topic",
            "createdDateTime",
            "lastUpdatedDateTime",
            "chatType",
            "webUrl",
            "tenantId",
        ],
        fields: &[("chatType", Sort::Text), ("topic", Sort::Text), ("lastUpdatedDateTime", Sort::Moment)],
        any: &[],
    },
    always: &["id"],
    sortable: &["lastMessagePreview/createdDateTime"],
    top: 20,
    most: 50,
    by_token: true,
    options: &["$expand", "$top", "$filter", "$orderby", "$skiptoken"],
};

const CHAT_MESSAGES: Spec = Spec { options: &["$top", "$orderby", "$skiptoken"], ..MESSAGES };

/// A member of a chat or a team.
pub fn member_json(oid: &str, tenant_id: &str) -> Value {
    let user = tenant::by_oid(oid);
    json!({
        "@odata.type": "#microsoft.graph.aadUserConversationMember", "id": format!("MCMjMSMjZGVtbyMj{oid}"),
        "roles": ["owner"], "displayName": user.map(|u| u.display_name), "userId": oid,
        "email": user.map(|u| u.address), "tenantId": tenant_id,
        "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z",
    })
}

fn item(world: &World, chat: &Chat, expand: &[&str]) -> Item {
    let tenant_id = &world.options.tenant_id;
    let updated = chat.notes.last().map_or(chat.created_ms, |note| note.created_ms);
    let link =
        format!("https://teams.microsoft.com/l/chat/{}/0?tenantId={tenant_id}", percent_encode(&chat.id));
    let all = json!({
        "id": chat.id, "topic": chat.topic, "createdDateTime": iso(chat.created_ms),
        "lastUpdatedDateTime": iso(updated), "chatType": chat.kind, "webUrl": link, "tenantId": tenant_id,
        "onlineMeetingInfo": null, "viewpoint": { "isHidden": false, "lastMessageReadDateTime": iso(updated) },
    });
    let mut out = all.as_object().cloned().unwrap_or_default();
    if expand.contains(&"members") {
        let members = chat.members.iter().map(|oid| member_json(oid, tenant_id)).collect();
        out.insert("members".into(), Value::Array(members));
    }
    if expand.contains(&"lastMessagePreview") {
        let preview = chat.notes.last().map_or(Value::Null, |note| {
            let shown = chat_message::shown(world, note, &Home::Chat(&chat.id));
            let part = |name: &str| shown.get(name).cloned();
            json!({
                "id": note.id, "createdDateTime": iso(note.created_ms), "isDeleted": false, "messageType": "message",
                "body": part("body"), "from": part("from"),
            })
        });
        out.insert("lastMessagePreview".into(), preview);
    }
    out
}

fn expand<'c>(context: &'c Context<'_>) -> Result<Vec<&'c str>, GraphError> {
    let list: Vec<&str> =
        context.option("$expand").map_or(Vec::new(), |text| text.split(',').map(str::trim).collect());
    match list.iter().find(|name| !matches!(**name, "members" | "lastMessagePreview")) {
        Some(other) => Err(GraphError::unknown_in_query(other, "microsoft.graph.chat")),
        None => Ok(list),
    }
}

fn list(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &READ)?;
    let expand = expand(context)?;
    if let Some(order) = context.option("$orderby")
        && (order != "lastMessagePreview/createdDateTime desc" || !expand.contains(&"lastMessagePreview"))
    {
        let message =
            "$orderby supports lastMessagePreview/createdDateTime desc alone, with the preview expanded.";
        return Err(GraphError::bad_request(message));
    }
    let own = world.teamwork.chats.iter().filter(|chat| chat.members.contains(&context.user.oid));
    let mut own: Vec<&Chat> = own.collect();
    own.sort_by_key(|chat| std::cmp::Reverse(chat.notes.last().map_or(chat.created_ms, |n| n.created_ms)));
    let items = own.into_iter().map(|chat| item(world, chat, &expand)).collect();
    collection::page(world, context, &CHATS, items, "chats")
}

/// The chat, for its members; to everyone else it does not exist.
fn chat<'w>(world: &'w World, context: &Context<'_>, id: &str) -> Result<&'w Chat, GraphError> {
    if !id.starts_with("19:") {
        return Err(GraphError::bad_request("Invalid chat id."));
    }
    let found = world.teamwork.chats.iter().find(|chat| chat.id == id);
    let found = found.ok_or_else(|| GraphError::new(404, "NotFound", "The chat was not found."))?;
    if !found.members.contains(&context.user.oid) {
        let message = "The caller is not a member of the chat.";
        return Err(GraphError::new(403, "Forbidden", message));
    }
    Ok(found)
}

/// The object id in a `user@odata.bind`: `https://graph.microsoft.com/v1.0/users('id')`, or `users/id`.
fn bound(world: &World, context: &Context<'_>, member: &Value) -> Result<&'static str, GraphError> {
    let refuse =
        || GraphError::bad_request("Bad Request: the member's user@odata.bind is missing or not valid.");
    let typed = member.get("@odata.type").and_then(Value::as_str);
    if typed != Some("#microsoft.graph.aadUserConversationMember") {
        return Err(GraphError::bad_request("The member's @odata.type is missing or not valid."));
    }
    let text = member.get("user@odata.bind").and_then(Value::as_str).ok_or_else(refuse)?;
    let roots = ["https://graph.microsoft.com/v1.0".to_owned(), context.origin(world)];
    let rest = roots.iter().find_map(|root| text.strip_prefix(root.as_str())).ok_or_else(refuse)?;
    let quoted = rest.strip_prefix("/users('").and_then(|inner| inner.strip_suffix("')"));
    let id = quoted.or_else(|| rest.strip_prefix("/users/")).ok_or_else(refuse)?;
    let user = world.directory.find(id);
    let missing = || GraphError::new(404, "NotFound", "A member was not found in the directory.");
    user.map(|user| user.oid).ok_or_else(missing)
}

/// A body without the bindings, which only a chat's members have and the models do not know.
fn unbound(body: &Value) -> Value {
    let mut out = body.clone();
    let members = out.get_mut("members").and_then(Value::as_array_mut);
    for member in members.into_iter().flatten().filter_map(Value::as_object_mut) {
        member.remove("user@odata.bind");
    }
    out
}

fn create(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &["Chat.Create", "Chat.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let plain = unbound(&body);
    let object: &Map<String, Value> = check(&CHAT, &plain, "")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let kind = if text("chatType").is_some_and(|kind| kind.eq_ignore_ascii_case("oneOnOne")) {
        "oneOnOne"
    } else {
        "group"
    };
    let mut members = Vec::new();
    for member in body.get("members").and_then(Value::as_array).into_iter().flatten() {
        members.push(bound(world, context, member)?);
    }
    let (all, caller) = (members.len(), members.contains(&context.user.oid));
    members.sort_unstable();
    members.dedup();
    let fits = if kind == "oneOnOne" { members.len() == 2 } else { members.len() >= 2 };
    if !fits || !caller || members.len() != all {
        let message = "The members must be different people, the caller among them, and exactly two in a oneOnOne chat.";
        return Err(GraphError::bad_request(message));
    }
    let topic = text("topic").map(str::to_owned);
    if kind == "oneOnOne" && topic.is_some() {
        return Err(GraphError::bad_request("A oneOnOne chat has no topic."));
    }
    let now_ms = world.now_ms();
    let chat = world.teamwork.open_chat(kind, topic, members, &mut world.ids, now_ms);
    let shown = item(world, &chat, &[]);
    Ok(collection::entity(world, context, 201, shown, "chats"))
}

fn messages(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &READ_MESSAGES)?;
    let chat = chat(world, context, id)?;
    if context.option("$orderby").is_some_and(|order| !order.ends_with(" desc")) {
        return Err(GraphError::bad_request("$orderby of chat messages supports descending order alone."));
    }
    let items =
        chat.notes.iter().rev().map(|note| chat_message::shown(world, note, &Home::Chat(id))).collect();
    collection::page(
        world,
        context,
        &CHAT_MESSAGES,
        items,
        &format!("chats('{}')/messages", percent_encode(id)),
    )
}

fn send(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &["ChatMessage.Send", "Chat.ReadWrite"])?;
    context.allow_options(&[])?;
    chat(world, context, id)?;
    let plain = chat_message::read(world, context)?;
    let now_ms = world.now_ms();
    let place = world.teamwork.chats.iter_mut().find(|chat| chat.id == id);
    let place = place.ok_or_else(|| GraphError::new(404, "NotFound", "The chat was not found."))?;
    let note = add_note(&mut place.notes, context.user.oid, None, plain, now_ms);
    let shown = chat_message::shown(world, &note, &Home::Chat(id));
    let meta = format!("chats('{}')/messages", percent_encode(id));
    Ok(collection::entity(world, context, 201, shown, &meta))
}

fn one(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &READ)?;
    context.allow_options(&["$expand"])?;
    let shown = item(world, chat(world, context, id)?, &expand(context)?);
    Ok(collection::entity(world, context, 200, shown, "chats"))
}

fn members(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &READ)?;
    context.allow_options(&[])?;
    let members = &chat(world, context, id)?.members;
    let list: Vec<Value> = members.iter().map(|oid| member_json(oid, &world.options.tenant_id)).collect();
    let meta = format!("{}/$metadata#chats('{}')/members", context.origin(world), percent_encode(id));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "@odata.count": list.len(), "value": list })))
}

/// One message, and its sender's own changes to it.
fn message(world: &mut World, context: &Context<'_>, id: &str, message: &str) -> Result<Reply, GraphError> {
    let absent = || GraphError::new(404, "NotFound", "The message was not found.");
    let edits = match context.call.method.as_str() {
        "GET" => false,
        "PATCH" => true,
        _ => return Err(GraphError::method_not_allowed()),
    };
    require_scope(context, if edits { &["Chat.ReadWrite"] } else { &READ_MESSAGES })?;
    context.allow_options(&[])?;
    let found = chat(world, context, id)?.notes.iter().find(|note| note.id == message).ok_or_else(absent)?;
    if !edits {
        let shown = chat_message::shown(world, found, &Home::Chat(id));
        return Ok(collection::entity(
            world,
            context,
            200,
            shown,
            &format!("chats('{}')/messages", percent_encode(id)),
        ));
    }
    if found.from != context.user.oid {
        return Err(GraphError::new(403, "Forbidden", "Only the sender can change a message."));
    }
    let (plain, now_ms) = (chat_message::read(world, context)?, world.now_ms());
    let place = world.teamwork.chats.iter_mut().find(|chat| chat.id == id).ok_or_else(absent)?;
    let note = place.notes.iter_mut().find(|note| note.id == message).ok_or_else(absent)?;
    (note.plain, note.edited_ms) = (plain, Some(now_ms));
    Ok(Reply::empty(204))
}

/// Routes the paths of chats.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "chats"] | ["chats"]) => list(world, context),
        ("POST", ["chats"]) => create(world, context),
        ("GET", ["chats", id] | ["me", "chats", id]) => one(world, context, id),
        ("GET", ["chats", id, "members"]) => members(world, context, id),
        ("GET", ["chats", id, "messages"] | ["me", "chats", id, "messages"]) => messages(world, context, id),
        ("POST", ["chats", id, "messages"]) => send(world, context, id),
        (_, ["chats", id, "messages", note]) => message(world, context, id, note),
        (_, ["me", "chats"] | ["chats"] | ["chats", _] | ["chats", _, "members" | "messages"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
