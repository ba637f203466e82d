//! The settings of a mailbox and what is near to them: categories, time zones, MailTips. What somebody else may
//! know of a mailbox is what MailTips say; automatic replies must never be read from its settings.

use super::Routed;
use super::collection::{self, Spec};
use super::condition::Grammar;
use super::context::Context;
use super::error::GraphError;
use super::model::{DATE_TIME_ZONE, Kind, Model, check};
use super::odata::select;
use crate::tenant::{self, User};
use crate::wire::Reply;
use crate::world::World;
use crate::zones;
use serde_json::{Map, Value, json};

const REPLIES: Model = Model {
    name: "microsoft.graph.automaticRepliesSetting",
    fields: &[
        ("status", Kind::Word(&["disabled", "alwaysEnabled", "scheduled"])),
        ("externalAudience", Kind::Word(&["none", "contactsOnly", "all"])),
        ("internalReplyMessage", Kind::Text),
        ("externalReplyMessage", Kind::Text),
        ("scheduledStartDateTime", Kind::One(&DATE_TIME_ZONE)),
        ("scheduledEndDateTime", Kind::One(&DATE_TIME_ZONE)),
    ],
    required: &[],
};

const LANGUAGE: Model = Model {
    name: "microsoft.graph.localeInfo",
    fields: &[("locale", Kind::Text), ("displayName", Kind::Text)],
    required: &[],
};

const HOURS: Model = Model {
    name: "microsoft.graph.workingHours",
    fields: &[
        ("daysOfWeek", Kind::Texts),
        ("startTime", Kind::Text),
        ("endTime", Kind::Text),
        ("timeZone", Kind::Open),
    ],
    required: &[],
};

const SETTINGS: Model = Model {
    name: "microsoft.graph.mailboxSettings",
    fields: &[
        ("automaticRepliesSetting", Kind::One(&REPLIES)),
        ("dateFormat", Kind::Text),
        (
            "delegateMeetingMessageDeliveryOptions",
            Kind::Word(&[
                "sendToDelegateAndInformationToPrincipal",
                "sendToDelegateAndPrincipal",
                "sendToDelegateOnly",
            ]),
        ),
        ("language", Kind::One(&LANGUAGE)),
        ("timeFormat", Kind::Text),
        ("timeZone", Kind::Text),
        ("workingHours", Kind::One(&HOURS)),
        ("archiveFolder", Kind::ReadOnly),
        ("userPurpose", Kind::ReadOnly),
    ],
    required: &[],
};

const CATEGORIES: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.outlookCategory",
        properties: &["id", "displayName", "color"],
        fields: &[],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 100,
    most: 1000,
    by_token: false,
    options: &["$select", "$top", "$skip"],
};

const TIPS: Model = Model {
    name: "microsoft.graph.getMailTips",
    fields: &[("EmailAddresses", Kind::Texts), ("MailTipsOptions", Kind::Text)],
    required: &["EmailAddresses", "MailTipsOptions"],
};

/// What MailTips can be asked for.
const OPTIONS: [&str; 9] = [
    "automaticReplies",
    "mailboxFullStatus",
    "customMailTip",
    "externalMemberCount",
    "totalMemberCount",
    "maxMessageSize",
    "deliveryRestriction",
    "moderationStatus",
    "recipientScope",
];

/// The settings of somebody's mailbox.
pub fn settings(world: &World, user: &User) -> Map<String, Value> {
    let all = json!({
        "archiveFolder": null,
        "automaticRepliesSetting": {
            "status": "disabled", "externalAudience": "none", "internalReplyMessage": "", "externalReplyMessage": "",
            "scheduledStartDateTime": { "dateTime": "2026-01-01T08:00:00.0000000", "timeZone": "UTC" },
            "scheduledEndDateTime": { "dateTime": "2026-01-02T08:00:00.0000000", "timeZone": "UTC" },
        },
        "dateFormat": "dd.MM.yyyy",
        "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
        "language": { "locale": user.language, "displayName": user.language },
        "timeFormat": "HH:mm",
        "timeZone": user.time_zone,
        "userPurpose": "user",
        "workingHours": {
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
            "timeZone": { "name": user.time_zone },
        },
    });
    let mut out = all.as_object().cloned().unwrap_or_default();
    out.extend(world.preferences.get(user.oid).cloned().unwrap_or_default());
    out
}

fn get(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["MailboxSettings.Read", "MailboxSettings.ReadWrite"])?;
    context.allow_options(&["$select"])?;
    answer(world, context)
}

fn answer(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let all = settings(world, context.owner);
    let known: Vec<&str> = all.keys().map(String::as_str).collect();
    let selected = select(context, &known, "microsoft.graph.mailboxSettings")?;
    let mut body = Map::new();
    let root = context.origin(world);
    body.insert(
        "@odata.context".into(),
        format!("{root}/$metadata#users('{}')/mailboxSettings", context.owner.oid).into(),
    );
    body.extend(collection::pick(all, selected.as_deref(), &[]));
    Ok(Reply::json(200, &Value::Object(body)))
}

/// What is there is laid over member by member; a zone must be one that Exchange knows.
fn update(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["MailboxSettings.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&SETTINGS, &body, "")?;
    if object.get("timeZone").and_then(Value::as_str).is_some_and(|name| zones::zone(name).is_none()) {
        let message = "The specified time zone isn't supported.";
        return Err(GraphError::bad("TimeZoneNotSupportedException", message));
    }
    let before = settings(world, context.owner);
    let own = world.preferences.entry(context.owner.oid).or_default();
    for (name, value) in object.iter().filter(|(name, _)| !name.contains('@')) {
        let mut whole = before.get(name).cloned().unwrap_or_default();
        match (whole.as_object_mut(), value.as_object()) {
            (Some(whole), Some(given)) => whole.extend(given.clone()),
            _ => whole = value.clone(),
        }
        own.insert(name.clone(), whole);
    }
    answer(world, context)
}

fn categories(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["MailboxSettings.Read", "MailboxSettings.ReadWrite"])?;
    let known = [
        ("Red category", "preset0"),
        ("Orange category", "preset1"),
        ("Customer", "preset7"),
        ("Private", "preset4"),
    ];
    let items = known.iter().enumerate().map(|(n, (name, color))| {
        let id = format!("de912e4d-c790-4da9-949c-{n:012}");
        let all = json!({ "id": id, "displayName": name, "color": color });
        all.as_object().cloned().unwrap_or_default()
    });
    let meta = format!("users('{}')/outlook/masterCategories", context.owner.oid);
    collection::page(world, context, &CATEGORIES, items.collect(), &meta)
}

fn time_zones(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["User.Read", "User.ReadBasic.All", "User.Read.All"])?;
    context.allow_options(&[])?;
    let one = |(name, _): &(&str, &str)| json!({ "alias": name, "displayName": name });
    let list: Vec<Value> = zones::windows::WINDOWS.iter().map(one).collect();
    let meta = format!("{}/$metadata#Collection(microsoft.graph.timeZoneInformation)", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": list })))
}

/// What is said about one address.
fn tip(world: &World, address: &str, wanted: &[&str]) -> Value {
    let has = |name: &str| wanted.contains(&name);
    let known = world.directory.by_address(address);
    let name = known.map_or("", |user| user.display_name);
    let mut out = json!({ "emailAddress": { "name": name, "address": address } });
    let Some(map) = out.as_object_mut() else { return out };
    if known.is_none() && tenant::is_internal(address) {
        let error = json!({ "code": "ErrorRecipientNotFound", "message": "The recipient was not found." });
        map.insert("error".into(), error);
        return out;
    }
    let replies = known.map(|user| settings(world, user)).unwrap_or_default();
    let replies = replies.get("automaticRepliesSetting").cloned().unwrap_or_default();
    let text = |name: &str| replies.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    if has("automaticReplies") {
        let on = !matches!(text("status").as_str(), "" | "disabled");
        let message = if on { text("internalReplyMessage") } else { String::new() };
        map.insert(
            "automaticReplies".into(),
            json!({ "message": message, "messageLanguage": { "locale": "en-US" } }),
        );
    }
    let outside = known.is_none();
    if has("mailboxFullStatus") {
        map.insert("mailboxFull".into(), false.into());
    }
    if has("externalMemberCount") {
        map.insert("externalMemberCount".into(), usize::from(outside).into());
    }
    if has("totalMemberCount") {
        map.insert("totalMemberCount".into(), 1.into());
    }
    if has("maxMessageSize") {
        map.insert("maxMessageSize".into(), 37_748_736.into());
    }
    if has("deliveryRestriction") {
        map.insert("deliveryRestricted".into(), false.into());
    }
    if has("moderationStatus") {
        map.insert("isModerated".into(), false.into());
    }
    if has("recipientScope") {
        map.insert("recipientScope".into(), if outside { "external" } else { "internal" }.into());
    }
    out
}

fn mail_tips(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.Read", "Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&TIPS, &body, "")?;
    let text = object.get("MailTipsOptions").and_then(Value::as_str).unwrap_or_default();
    let wanted: Vec<&str> = text.split(',').map(str::trim).collect();
    if let Some(unknown) = wanted.iter().find(|name| !OPTIONS.contains(name)) {
        let message = format!("Requested value '{unknown}' was not found.");
        return Err(GraphError::bad("RequestBodyRead", message));
    }
    let addresses = object.get("EmailAddresses").and_then(Value::as_array).into_iter().flatten();
    let list: Vec<Value> = addresses.filter_map(Value::as_str).map(|a| tip(world, a, &wanted)).collect();
    let meta = format!("{}/$metadata#Collection(microsoft.graph.mailTips)", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": list })))
}

/// Routes the paths of a mailbox's settings.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "mailboxSettings"]) => get(world, context),
        ("PATCH", ["me", "mailboxSettings"]) => update(world, context),
        ("GET", ["me", "outlook", "masterCategories"]) => categories(world, context),
        ("GET", ["me", "outlook", "supportedTimeZones()" | "supportedTimeZones"]) => {
            time_zones(world, context)
        }
        ("POST", ["me", "getMailTips"]) => mail_tips(world, context),
        (_, ["me", "mailboxSettings" | "getMailTips"] | ["me", "outlook", _]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
