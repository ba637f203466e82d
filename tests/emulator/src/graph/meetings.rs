//! Online meetings that stand alone: they are on nobody's calendar and nobody is invited by mail. The classic
//! mistake, an e-mail address where an object id belongs, is refused here although it fits the schema.

use super::Routed;
use super::calendar_write::join_url;
use super::chat_message::require_scope;
use super::collection::{self, Item};
use super::context::Context;
use super::error::GraphError;
use super::model::{ITEM_BODY, Kind, Model, check};
use crate::clock::{iso, parse_iso};
use crate::ids::base64_url;
use crate::teamwork::Meeting;
use crate::tenant::{self, Directory};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value, json};

const IDENTITY: Model = Model {
    name: "microsoft.graph.identity",
    fields: &[("id", Kind::Text), ("displayName", Kind::Text), ("tenantId", Kind::Text)],
    required: &[],
};

const IDENTITY_SET: Model = Model {
    name: "microsoft.graph.identitySet",
    fields: &[
        ("user", Kind::One(&IDENTITY)),
        ("application", Kind::One(&IDENTITY)),
        ("device", Kind::One(&IDENTITY)),
    ],
    required: &[],
};

const PARTICIPANT: Model = Model {
    name: "microsoft.graph.meetingParticipantInfo",
    fields: &[
        ("identity", Kind::One(&IDENTITY_SET)),
        ("role", Kind::Word(&["attendee", "presenter", "producer", "coorganizer"])),
        ("upn", Kind::Text),
    ],
    required: &[],
};

const PARTICIPANTS: Model = Model {
    name: "microsoft.graph.meetingParticipants",
    fields: &[("attendees", Kind::Many(&PARTICIPANT)), ("organizer", Kind::One(&PARTICIPANT))],
    required: &[],
};

const LOBBY: Model = Model {
    name: "microsoft.graph.lobbyBypassSettings",
    fields: &[
        ("isDialInBypassEnabled", Kind::Flag),
        (
            "scope",
            Kind::Word(&[
                "organizer",
                "organization",
                "organizationAndFederated",
                "everyone",
                "invited",
                "organizationExcludingGuests",
            ]),
        ),
    ],
    required: &[],
};

const JOIN_SETTINGS: Model = Model {
    name: "microsoft.graph.joinMeetingIdSettings",
    fields: &[
        ("isPasscodeRequired", Kind::Flag),
        ("joinMeetingId", Kind::ReadOnly),
        ("passcode", Kind::ReadOnly),
    ],
    required: &[],
};

const MEETING: Model = Model {
    name: "microsoft.graph.onlineMeeting",
    fields: &[
        ("allowAttendeeToEnableCamera", Kind::Flag),
        ("allowAttendeeToEnableMic", Kind::Flag),
        ("allowBreakoutRooms", Kind::Flag),
        ("allowMeetingChat", Kind::Word(&["enabled", "disabled", "limited"])),
        ("allowParticipantsToChangeName", Kind::Flag),
        ("allowPowerPointSharing", Kind::Flag),
        ("allowRecording", Kind::Flag),
        ("allowTeamworkReactions", Kind::Flag),
        ("allowTranscription", Kind::Flag),
        ("allowWhiteboard", Kind::Flag),
        ("allowedPresenters", Kind::Word(&["everyone", "organization", "roleIsPresenter", "organizer"])),
        ("endDateTime", Kind::Instant),
        ("externalId", Kind::Text),
        ("isEndToEndEncryptionEnabled", Kind::Flag),
        ("isEntryExitAnnounced", Kind::Flag),
        ("joinInformation", Kind::One(&ITEM_BODY)),
        ("joinMeetingIdSettings", Kind::One(&JOIN_SETTINGS)),
        ("lobbyBypassSettings", Kind::One(&LOBBY)),
        ("meetingSpokenLanguageTag", Kind::Text),
        ("meetingTemplateId", Kind::Text),
        ("participants", Kind::One(&PARTICIPANTS)),
        ("recordAutomatically", Kind::Flag),
        ("startDateTime", Kind::Instant),
        ("subject", Kind::Text),
        ("id", Kind::ReadOnly),
        ("audioConferencing", Kind::ReadOnly),
        ("creationDateTime", Kind::ReadOnly),
        ("joinWebUrl", Kind::ReadOnly),
        ("videoTeleconferenceId", Kind::ReadOnly),
    ],
    required: &[],
};

const CREATE_OR_GET: Model = Model {
    name: "microsoft.graph.createOrGet",
    fields: &[
        ("chatInfo", Kind::Open),
        ("endDateTime", Kind::Instant),
        ("externalId", Kind::Text),
        ("participants", Kind::One(&PARTICIPANTS)),
        ("startDateTime", Kind::Instant),
        ("subject", Kind::Text),
    ],
    required: &["externalId"],
};

const WRITE: [&str; 1] = ["OnlineMeetings.ReadWrite"];
const READ: [&str; 2] = ["OnlineMeetings.Read", "OnlineMeetings.ReadWrite"];

fn refuse(message: impl Into<String>) -> GraphError {
    GraphError::bad_request(message)
}

fn not_found() -> GraphError {
    GraphError::new(404, "NotFound", "The requested meeting was not found.")
}

fn attendees(body: &Value) -> impl Iterator<Item = &Value> {
    let list = body.get("participants").and_then(|p| p.get("attendees")).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// What the schema cannot say about participants.
fn check_participants(directory: Directory, body: &Value) -> Result<(), GraphError> {
    let presenters = body.get("allowedPresenters").and_then(Value::as_str).unwrap_or("everyone");
    for attendee in attendees(body) {
        let user = attendee.get("identity").and_then(|i| i.get("user"));
        let id = user.and_then(|u| u.get("id")).and_then(Value::as_str);
        let upn = attendee.get("upn").and_then(Value::as_str);
        if let Some(id) = id
            && directory.by_oid(id).is_none()
        {
            return Err(refuse(format!("The identity.user.id '{id}' is not the object id of a user.")));
        }
        if upn.is_some_and(|upn| upn.split_once('@').is_none_or(|(l, d)| l.is_empty() || !d.contains('.'))) {
            return Err(refuse("The attendee's upn is not a user principal name."));
        }
        if id.is_none() && upn.is_none() {
            return Err(refuse("An attendee needs a upn or an identity."));
        }
        let presents = attendee.get("role").and_then(Value::as_str).is_some_and(|role| role == "presenter");
        if presents && !presenters.eq_ignore_ascii_case("roleIsPresenter") {
            return Err(refuse("The presenter role needs allowedPresenters to be roleIsPresenter."));
        }
    }
    Ok(())
}

fn participant(upn: &str, oid: Option<&str>, role: &str) -> Value {
    let known = oid.and_then(tenant::by_oid).or_else(|| Directory::realistic().by_address(upn));
    let user = known.map(|u| json!({ "id": u.oid, "displayName": u.display_name }));
    json!({
        "upn": known.map_or(upn, |u| u.address), "role": role,
        "identity": user.map(|user| json!({ "user": user, "application": null, "device": null })),
    })
}

fn shown_participants(context: &Context<'_>, body: &Value) -> Value {
    let list = attendees(body).map(|attendee| {
        let text = |name: &str| attendee.get(name).and_then(Value::as_str);
        let id = attendee.get("identity").and_then(|i| i.get("user")).and_then(|u| u.get("id"));
        participant(
            text("upn").unwrap_or_default(),
            id.and_then(Value::as_str),
            text("role").unwrap_or("attendee"),
        )
    });
    json!({ "organizer": participant(context.user.address, None, "presenter"), "attendees": list.collect::<Vec<_>>() })
}

/// Start and end; without them a meeting begins now and takes an hour.
fn times(body: &Value, before: Option<&Item>, now_ms: u64) -> Result<(u64, u64), GraphError> {
    let read = |name: &str| {
        let old = before.and_then(|item| item.get(name));
        body.get(name).or(old).and_then(Value::as_str).and_then(parse_iso)
    };
    let start_ms = read("startDateTime").unwrap_or(now_ms);
    let end_ms = read("endDateTime").unwrap_or(start_ms + 3_600_000);
    if end_ms < start_ms {
        return Err(refuse("The endDateTime is before the startDateTime."));
    }
    Ok((start_ms, end_ms))
}

/// Makes a meeting from a checked body.
fn make(world: &mut World, context: &Context<'_>, body: &Value) -> Result<Meeting, GraphError> {
    let now_ms = world.now_ms();
    let (start_ms, end_ms) = times(body, None, now_ms)?;
    check_participants(world.directory, body)?;
    let thread = world.ids.uuid().replace('-', "");
    let id = format!(
        "MSo{}",
        base64_url(format!("1*{}*0**19:meeting_{thread}@thread.v2", context.user.oid).as_bytes())
    );
    let all = json!({
        "id": id, "creationDateTime": iso(now_ms), "startDateTime": iso(start_ms), "endDateTime": iso(end_ms),
        "joinWebUrl": join_url(&world.options.tenant_id, &thread, context.user.address), "subject": null,
        "externalId": null, "allowedPresenters": "everyone", "recordAutomatically": false,
        "allowMeetingChat": "enabled", "allowAttendeeToEnableCamera": true, "allowAttendeeToEnableMic": true,
        "isEntryExitAnnounced": true, "videoTeleconferenceId": null, "audioConferencing": null,
        "lobbyBypassSettings": { "scope": "organization", "isDialInBypassEnabled": false },
        "chatInfo": { "threadId": format!("19:meeting_{thread}@thread.v2"), "messageId": "0", "replyChainMessageId": null },
    });
    let mut shown = all.as_object().cloned().unwrap_or_default();
    take_over(&mut shown, body);
    shown.insert("participants".into(), shown_participants(context, body));
    let external_id = body.get("externalId").and_then(Value::as_str).map(str::to_owned);
    Ok(Meeting { id, owner: context.user.oid, external_id, shown })
}

fn take_over(shown: &mut Map<String, Value>, body: &Value) {
    const DERIVED: [&str; 4] = ["startDateTime", "endDateTime", "participants", "chatInfo"];
    for (name, value) in body.as_object().into_iter().flatten() {
        if !name.contains('@') && !DERIVED.contains(&name.as_str()) {
            shown.insert(name.clone(), value.clone());
        }
    }
}

fn meta(context: &Context<'_>) -> String {
    format!("users('{}')/onlineMeetings", context.user.oid)
}

fn create(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &WRITE)?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    check(&MEETING, &body, "")?;
    let meeting = make(world, context, &body)?;
    let reply = collection::entity(world, context, 201, meeting.shown.clone(), &meta(context));
    world.teamwork.meetings.push(meeting);
    Ok(reply)
}

fn create_or_get(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &WRITE)?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&CREATE_OR_GET, &body, "")?;
    let key = object.get("externalId").and_then(Value::as_str).filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| refuse("The externalId must not be empty."))?;
    let own = |m: &&Meeting| m.owner == context.user.oid && m.external_id.as_deref() == Some(key);
    if let Some(before) = world.teamwork.meetings.iter().find(own) {
        return Ok(collection::entity(world, context, 200, before.shown.clone(), &meta(context)));
    }
    let meeting = make(world, context, &body)?;
    let reply = collection::entity(world, context, 201, meeting.shown.clone(), &meta(context));
    world.teamwork.meetings.push(meeting);
    Ok(reply)
}

/// `$filter=JoinWebUrl eq '…'` is the one way to list.
fn list(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &READ)?;
    context.allow_options(&["$filter"])?;
    let filter = context.option("$filter").unwrap_or_default();
    let (name, rest) = filter.split_once(" eq ").unwrap_or_default();
    let url = rest.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let wanted =
        name.eq_ignore_ascii_case("JoinWebUrl") || name.eq_ignore_ascii_case("VideoTeleconferenceId");
    let Some(url) = url.filter(|url| wanted && !url.is_empty()) else {
        return Err(refuse("A $filter by JoinWebUrl or VideoTeleconferenceId is required."));
    };
    let own = world.teamwork.meetings.iter().filter(|m| m.owner == context.user.oid);
    let found = own.filter(|m| m.shown.get("joinWebUrl").and_then(Value::as_str) == Some(url));
    let value: Vec<Value> = found.map(|m| Value::Object(m.shown.clone())).collect();
    let context_url = format!("{}/$metadata#{}", context.origin(world), meta(context));
    Ok(Reply::json(200, &json!({ "@odata.context": context_url, "value": value })))
}

fn one(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    let method = context.call.method.as_str();
    require_scope(context, if method == "GET" { &READ } else { &WRITE })?;
    context.allow_options(&[])?;
    let own = |m: &Meeting| m.owner == context.user.oid && m.id == id;
    let index = world.teamwork.meetings.iter().position(own).ok_or_else(not_found)?;
    let (now_ms, directory) = (world.now_ms(), world.directory);
    let meeting = world.teamwork.meetings.get_mut(index).ok_or_else(not_found)?;
    match method {
        "GET" => {}
        "DELETE" => {
            world.teamwork.meetings.remove(index);
            return Ok(Reply::empty(204));
        }
        "PATCH" => {
            let body = context.json_body()?;
            check(&MEETING, &body, "")?;
            check_participants(directory, &body)?;
            let (start_ms, end_ms) = times(&body, Some(&meeting.shown), now_ms)?;
            take_over(&mut meeting.shown, &body);
            meeting.shown.insert("startDateTime".into(), iso(start_ms).into());
            meeting.shown.insert("endDateTime".into(), iso(end_ms).into());
            if body.get("participants").is_some() {
                meeting.shown.insert("participants".into(), shown_participants(context, &body));
            }
        }
        _ => return Err(GraphError::method_not_allowed()),
    }
    let shown = meeting.shown.clone();
    Ok(collection::entity(world, context, 200, shown, &meta(context)))
}

/// Routes the paths of online meetings.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("POST", ["me", "onlineMeetings"]) => create(world, context),
        ("GET", ["me", "onlineMeetings"]) => list(world, context),
        ("POST", ["me", "onlineMeetings", "createOrGet"]) => create_or_get(world, context),
        (_, ["me", "onlineMeetings"] | ["me", "onlineMeetings", "createOrGet"]) => {
            Err(GraphError::method_not_allowed())
        }
        (_, ["me", "onlineMeetings", id]) => one(world, context, id),
        _ => return None,
    };
    Some(result)
}
