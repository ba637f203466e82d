//! What is known of a person beside the directory's entry: presence, groups, picture; and two actions on oneself,
//! ending all sessions and translating ids. Presence is made up from the calendar: who is in a meeting is busy.

use super::Routed;
use super::availability::status_of;
use super::collection::{self, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use crate::tenant::User;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

/// The most people that one request may ask for.
const MOST_PEOPLE: usize = 650;

/// The most ids that one request may translate.
const MOST_IDS: usize = 1000;

const ASKED: Model = Model {
    name: "microsoft.graph.getPresencesByUserId",
    fields: &[("ids", Kind::Texts)],
    required: &["ids"],
};

const ID_KINDS: &[&str] = &["entryId", "ewsId", "immutableEntryId", "restId", "restImmutableEntryId"];

const TRANSLATE: Model = Model {
    name: "microsoft.graph.translateExchangeIds",
    fields: &[
        ("inputIds", Kind::Texts),
        ("InputIds", Kind::Texts),
        ("sourceIdType", Kind::Word(ID_KINDS)),
        ("SourceIdType", Kind::Word(ID_KINDS)),
        ("targetIdType", Kind::Word(ID_KINDS)),
        ("TargetIdType", Kind::Word(ID_KINDS)),
    ],
    required: &[],
};

const GROUPS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.directoryObject",
        properties: &[
            "id",
            "displayName",
            "description",
            "mail",
            "groupTypes",
            "securityEnabled",
            "visibility",
        ],
        fields: &[("displayName", Sort::Text)],
        any: &[],
    },
    always: &["id", "@odata.type"],
    sortable: &["displayName"],
    top: 100,
    most: 999,
    by_token: true,
    options: &["$select", "$top", "$count", "$filter", "$orderby", "$skiptoken"],
};

fn presence(world: &World, user: &User) -> Value {
    let now_ms = i64::try_from(world.now_ms()).unwrap_or_default();
    let agenda = world.agendas.get(user.oid);
    let meets = agenda.is_some_and(|agenda| {
        let now = agenda.between(agenda.default_id(), now_ms, now_ms + 1);
        now.iter().any(|event| status_of(event) == "busy" && !event.attendees.is_empty())
    });
    let (availability, activity) = if meets { ("Busy", "InAMeeting") } else { ("Available", "Available") };
    json!({ "id": user.oid, "availability": availability, "activity": activity, "statusMessage": null })
}

fn own_presence(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let own = context.owner.oid == context.user.oid;
    let scopes: &[&str] = if own { &["Presence.Read", "Presence.Read.All"] } else { &["Presence.Read.All"] };
    super::chat_message::require_scope(context, scopes)?;
    context.allow_options(&[])?;
    Ok(Reply::json(200, &presence(world, context.owner)))
}

fn presences(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    super::chat_message::require_scope(context, &["Presence.Read.All"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let ids = check(&ASKED, &body, "")?.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
    if ids.is_empty() || ids.len() > MOST_PEOPLE {
        return Err(GraphError::bad_request("Between 1 and 650 ids are allowed."));
    }
    let known = ids.iter().filter_map(Value::as_str).filter_map(|id| world.directory.by_oid(id));
    Ok(Reply::json(200, &json!({ "value": known.map(|user| presence(world, user)).collect::<Vec<_>>() })))
}

/// The groups of a person: those of the teams.
fn member_of(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["User.Read", "GroupMember.Read.All", "Directory.Read.All"])?;
    let own = world.teamwork.teams.iter().filter(|team| team.members.contains(&context.user.oid));
    let items = own.map(|team| {
        let all = json!({
            "@odata.type": "#microsoft.graph.group", "id": team.id, "displayName": team.name,
            "description": team.description, "groupTypes": ["Unified"], "securityEnabled": false, "mail": null,
            "visibility": "Private",
        });
        all.as_object().cloned().unwrap_or_default()
    });
    collection::page(world, context, &GROUPS, items.collect(), "directoryObjects")
}

fn photo(context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["User.Read", "User.ReadBasic.All", "User.Read.All"])?;
    Err(GraphError::new(
        404,
        "ImageNotFound",
        "Exception of type 'Microsoft.Fast.Profile.Core.Exception.ImageNotFoundException' was thrown.",
    ))
}

/// Ends all of the caller's sessions; refresh tokens of before are dead.
fn end_sessions(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"])?;
    context.allow_options(&[])?;
    context.no_body()?;
    world.grants.revoke(Some(context.user.oid), true, false);
    let meta = format!("{}/$metadata#Edm.Boolean", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": true })))
}

/// Between the two kinds of ids that are played here.
fn translate(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["User.Read", "User.ReadBasic.All", "User.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&TRANSLATE, &body, "")?;
    let either = |small: &str, large: &str| object.get(small).or_else(|| object.get(large));
    let ids = either("inputIds", "InputIds").and_then(Value::as_array).cloned().unwrap_or_default();
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(GraphError::bad_request("Between 1 and 1000 ids are allowed."));
    }
    let to_immutable =
        either("targetIdType", "TargetIdType").and_then(Value::as_str) == Some("restImmutableEntryId");
    let messages = world.mailboxes.get(context.user.oid).into_iter().flat_map(|mailbox| &mailbox.messages);
    let messages = messages.map(|m| (m.rest_id.as_str(), m.immutable_id.as_str()));
    let events = world.agendas.get(context.user.oid).into_iter().flat_map(|agenda| &agenda.events);
    let known: Vec<(&str, &str)> =
        messages.chain(events.map(|e| (e.rest_id.as_str(), e.immutable_id.as_str()))).collect();
    let one = |id: &Value| {
        let text = id.as_str().unwrap_or_default();
        let found = known.iter().find(|(rest, immutable)| *rest == text || *immutable == text);
        match found {
            Some((rest, immutable)) => {
                json!({ "sourceId": text, "targetId": if to_immutable { immutable } else { rest } })
            }
            None => {
                json!({ "sourceId": text, "errorDetails": { "code": "ErrorInvalidId", "message": "The id is not valid." } })
            }
        }
    };
    Ok(Reply::json(200, &json!({ "value": ids.iter().map(one).collect::<Vec<_>>() })))
}

/// Routes the paths of presence and of what is near to it.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "presence"]) => own_presence(world, context),
        ("POST", ["communications", "getPresencesByUserId"]) => presences(world, context),
        ("GET", ["me", "memberOf"]) => member_of(world, context),
        ("GET", ["me", "photo", "$value"]) => photo(context),
        ("POST", ["me", "revokeSignInSessions"]) => end_sessions(world, context),
        ("POST", ["me", "translateExchangeIds"]) => translate(world, context),
        (_, ["me", "presence" | "memberOf" | "revokeSignInSessions" | "translateExchangeIds"])
        | (_, ["communications", "getPresencesByUserId"]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
