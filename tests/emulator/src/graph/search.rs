//! `POST /search/query`: one search over mail, events, files or chat messages. Mail, events and messages are
//! searched alone; each kind needs its own scope, and nobody finds what they may not open.

use super::Routed;
use super::context::Context;
use super::drive_view;
use super::drives::is_found;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use super::odata::Expand;
use super::{event_view, kql, mail_view};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

const QUERY: Model = Model {
    name: "microsoft.graph.searchQuery",
    fields: &[("queryString", Kind::Text), ("queryTemplate", Kind::Text)],
    required: &["queryString"],
};

const REQUEST: Model = Model {
    name: "microsoft.graph.searchRequest",
    fields: &[
        (
            "entityTypes",
            Kind::Words(&[
                "message",
                "event",
                "driveItem",
                "listItem",
                "list",
                "site",
                "chatMessage",
                "person",
                "drive",
            ]),
        ),
        ("query", Kind::One(&QUERY)),
        ("from", Kind::Whole(0, 100_000)),
        ("size", Kind::Whole(1, 1000)),
        ("fields", Kind::Texts),
        ("enableTopResults", Kind::Flag),
        ("region", Kind::Text),
        ("sortProperties", Kind::Open),
        ("contentSources", Kind::Texts),
    ],
    required: &["entityTypes", "query"],
};

const BODY: Model = Model {
    name: "microsoft.graph.search",
    fields: &[("requests", Kind::Many(&REQUEST))],
    required: &["requests"],
};

fn denied() -> GraphError {
    GraphError::new(403, "Forbidden", "Access to the entity type is denied: the token lacks its scope.")
}

fn messages(world: &World, context: &Context<'_>, text: &str) -> Result<Vec<Value>, GraphError> {
    context.require_scope(&["Mail.Read", "Mail.ReadWrite"]).map_err(|_| denied())?;
    let query = kql::read(text)?;
    let now_ms = world.now_ms();
    let all = world.mailboxes.get(context.user.oid).into_iter().flat_map(|mailbox| &mailbox.messages);
    let mut found: Vec<_> = all.filter(|m| m.visible_at_ms <= now_ms && query.matches(m)).collect();
    found.sort_by_key(|m| std::cmp::Reverse(m.received_ms));
    let shown = |m: &&crate::mailbox::Message| {
        let mut item = mail_view::message(m, context, None, &Expand::default());
        let summary = item.get("bodyPreview").cloned().unwrap_or_default();
        item.remove("body");
        item.insert("@odata.type".into(), "#microsoft.graph.message".into());
        json!({ "hitId": m.rest_id, "summary": summary, "resource": item })
    };
    Ok(found.iter().map(shown).collect())
}

fn events(world: &World, context: &Context<'_>, text: &str) -> Result<Vec<Value>, GraphError> {
    context.require_scope(&["Calendars.Read", "Calendars.ReadWrite"]).map_err(|_| denied())?;
    let words = text.to_lowercase();
    let all = world.agendas.get(context.user.oid).into_iter().flat_map(|agenda| &agenda.events);
    let fits = |subject: &str| words.split_whitespace().all(|word| subject.to_lowercase().contains(word));
    let found = all.filter(|event| fits(event_view::subject_of(event)));
    let shown = found.map(|event| {
        let mut item = event_view::event(event, context);
        item.insert("@odata.type".into(), "#microsoft.graph.event".into());
        json!({ "hitId": event.rest_id, "summary": "", "resource": item })
    });
    Ok(shown.collect())
}

fn files(world: &World, context: &Context<'_>, text: &str) -> Result<Vec<Value>, GraphError> {
    let scopes = ["Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"];
    context.require_scope(&scopes).map_err(|_| denied())?;
    let mut out = Vec::new();
    for drive in world.drives.list.iter().filter(|drive| drive.is_open_to(context.user.oid)) {
        let inside = drive.items.iter().filter(|item| item.parent.is_some());
        for item in
            inside.filter(|item| !item.name.to_ascii_lowercase().ends_with(".md") && is_found(item, text))
        {
            let mut shown = drive_view::item(world, drive, item);
            shown.insert("@odata.type".into(), "#microsoft.graph.driveItem".into());
            out.push(json!({ "hitId": item.id, "summary": "", "resource": shown }));
        }
    }
    Ok(out)
}

fn chat_messages(world: &World, context: &Context<'_>, text: &str) -> Result<Vec<Value>, GraphError> {
    context.require_scope(&["Chat.Read", "Chat.ReadWrite"]).map_err(|_| denied())?;
    let words = text.to_lowercase();
    let mut out = Vec::new();
    for chat in world.teamwork.chats.iter().filter(|chat| chat.members.contains(&context.user.oid)) {
        for note in &chat.notes {
            let body = note.plain.get("body").and_then(|body| body.get("content")).and_then(Value::as_str);
            let content = body.unwrap_or_default().to_lowercase();
            if words.split_whitespace().all(|word| content.contains(word)) {
                let home = super::chat_message::Home::Chat(&chat.id);
                let mut shown = super::chat_message::shown(world, note, &home);
                shown.insert("@odata.type".into(), "#microsoft.graph.chatMessage".into());
                out.push(json!({ "hitId": note.id, "summary": body, "resource": shown }));
            }
        }
    }
    Ok(out)
}

fn one(world: &World, context: &Context<'_>, request: &Value) -> Result<Value, GraphError> {
    let text =
        request.get("query").and_then(|q| q.get("queryString")).and_then(Value::as_str).unwrap_or_default();
    let kinds: Vec<&str> = request
        .get("entityTypes")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let number = |name: &str, default: usize| {
        request.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
    };
    let (from, size) = (number("from", 0), number("size", 25));
    let of_files =
        kinds.iter().all(|kind| matches!(*kind, "driveItem" | "listItem" | "list" | "site" | "drive"));
    let hits = match kinds.as_slice() {
        _ if kinds.is_empty() => Err(GraphError::bad_request("An entity type is required.")),
        _ if of_files => files(world, context, text),
        [_, _, ..] => Err(GraphError::bad_request("These entity types cannot be searched together.")),
        _ if size > 25 => Err(GraphError::bad_request("The size of this entity type is 25 at most.")),
        ["message"] => messages(world, context, text),
        ["event"] => events(world, context, text),
        ["chatMessage"] => chat_messages(world, context, text),
        _ => Err(GraphError::new(501, "NotImplemented", "The emulator does not search this entity type.")),
    }?;
    let total = hits.len();
    let mut page: Vec<Value> = hits.into_iter().skip(from).take(size).collect();
    for (rank, hit) in page.iter_mut().enumerate() {
        if let Some(map) = hit.as_object_mut() {
            map.insert("rank".into(), (from + rank + 1).into());
        }
    }
    let more = from + page.len() < total;
    let container = json!({ "hits": page, "total": total, "moreResultsAvailable": more });
    Ok(json!({ "searchTerms": text.split_whitespace().collect::<Vec<_>>(), "hitsContainers": [container] }))
}

fn query(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let requests =
        check(&BODY, &body, "")?.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    let [request] = requests.as_slice() else {
        return Err(GraphError::bad_request("Exactly one request is allowed."));
    };
    let answer = one(world, context, request)?;
    let meta = format!("{}/$metadata#Collection(microsoft.graph.searchResponse)", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": [answer] })))
}

/// Routes the path of the search.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    match (context.call.method.as_str(), context.path().as_slice()) {
        ("POST", ["search", "query"]) => Some(query(world, context)),
        (_, ["search", "query"]) => Some(Err(GraphError::method_not_allowed())),
        _ => None,
    }
}
