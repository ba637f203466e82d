//! What the emulator holds, as JSON for tests: all of it, or what belongs to one person. It shows what is stored,
//! not what Graph would answer; nothing here may change anything.

use super::{Answer, user};
use crate::agenda::{Agenda, Attendee, Calendar, Event, Moment};
use crate::clock::iso;
use crate::mailbox::{Address, FOLDERS, Mailbox, Message};
use crate::tenant::User;
use crate::wire::{Call, pair, parse_pairs};
use crate::world::World;
use serde_json::{Map, Value, json};

fn people(list: &[Address]) -> Value {
    Value::Array(list.iter().map(|a| a.address.clone().into()).collect())
}

/// A mail as it is stored.
pub fn message_json(message: &Message, now_ms: u64) -> Value {
    json!({
        "id": message.rest_id,
        "immutableId": message.immutable_id,
        "subject": message.subject,
        "from": message.from.as_ref().map(|a| &a.address),
        "to": people(&message.to),
        "cc": people(&message.cc),
        "bcc": people(&message.bcc),
        "contentType": if message.body_is_html { "html" } else { "text" },
        "body": message.body,
        "isRead": message.is_read,
        "isDraft": message.is_draft,
        "importance": message.importance,
        "attachments": message.attachments.len(),
        "categories": message.categories,
        "receivedDateTime": iso(message.received_ms),
        "sentDateTime": iso(message.sent_ms),
        "visible": message.visible_at_ms <= now_ms,
        "internetMessageId": message.internet_message_id,
        "extendedProperties": message.extended.iter().map(|(id, v)| json!({ "id": id, "value": v })).collect::<Vec<_>>(),
    })
}

fn event_json(event: &Event) -> Value {
    let at = |moment: &Moment| u64::try_from(moment.ms()).map(iso).unwrap_or_default();
    let attendee =
        |a: &Attendee| json!({ "address": a.address.address, "type": a.kind, "response": a.response });
    let plain = |name: &str| event.plain.get(name);
    json!({
        "id": event.rest_id,
        "immutableId": event.immutable_id,
        "iCalUId": event.uid,
        "subject": plain("subject"),
        "body": plain("body"),
        "location": plain("location").and_then(|l| l.get("displayName")),
        "start": at(&event.start),
        "end": at(&event.end),
        "timeZone": event.start.zone,
        "isAllDay": event.all_day,
        "isCancelled": event.cancelled,
        "isOrganizer": event.is_organizer,
        "organizer": event.organizer.address,
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "response": event.response,
        "recurrence": event.recurrence.as_ref().map(|(_, shown)| shown),
        "exceptions": event.exceptions.iter().map(|(day, e)| json!({ "day": day.to_string(), "deleted": e.is_none() })).collect::<Vec<_>>(),
        "transactionId": event.transaction_id,
        "joinUrl": event.join_url,
    })
}

fn calendars_json(agenda: &Agenda) -> Value {
    let inside =
        |id: &str| agenda.events.iter().filter(|e| e.calendar_id == id).map(event_json).collect::<Vec<_>>();
    let one = |c: &Calendar| json!({ "id": c.id, "name": c.name, "isDefault": c.is_default, "events": inside(&c.id) });
    Value::Array(agenda.calendars.iter().map(one).collect())
}

/// The mails by folder: well-known names, and for the owner's own folders their paths.
fn folders_json(mailbox: &Mailbox, now_ms: u64) -> Value {
    let mut out = Map::new();
    let own = mailbox.folders.iter().map(|folder| (folder.key.as_str(), path_of(mailbox, &folder.key)));
    let fixed = FOLDERS.iter().map(|(name, _)| (*name, (*name).to_owned()));
    for (key, name) in fixed.chain(own) {
        let inside = mailbox.messages.iter().filter(|m| m.folder == key).map(|m| message_json(m, now_ms));
        out.insert(name, Value::Array(inside.collect()));
    }
    Value::Object(out)
}

/// `inbox/Projects/Northwind`; the top is left out.
fn path_of(mailbox: &Mailbox, key: &str) -> String {
    let Some(folder) = mailbox.folders.iter().find(|folder| folder.key == key) else { return key.to_owned() };
    let above = path_of(mailbox, &folder.parent);
    if above == crate::mailbox::ROOT { folder.name.clone() } else { format!("{above}/{}", folder.name) }
}

fn user_json(world: &World, user: &User) -> Value {
    let now_ms = world.now_ms();
    json!({
        "address": user.address, "oid": user.oid, "displayName": user.display_name,
        "timeZone": user.time_zone,
        "folders": world.mailboxes.get(user.oid).map(|mailbox| folders_json(mailbox, now_ms)),
        "calendars": world.agendas.get(user.oid).map(calendars_json),
        "contacts": world.contacts.to_json(user.oid),
        "onlineMeetings": world.teamwork.meetings_json(user.oid),
        "settings": crate::graph::mailbox_settings::settings(world, user),
        "drive": world.drives.of(user.oid).map(|drive| drive.to_json()),
        "todo": world.todo.to_json(user.oid),
    })
}

/// Everything; with `?user=` only what that person has, and the teams and chats that the person is in.
pub fn state(world: &World, call: &Call) -> Answer {
    let query = parse_pairs(&call.query).unwrap_or_default();
    let only = pair(&query, "user").map(|address| user(world, address)).transpose()?;
    let users: Vec<Value> = match only {
        Some(one) => vec![user_json(world, one)],
        None => world.directory.users().iter().map(|one| user_json(world, one)).collect(),
    };
    let oid = only.map(|one| one.oid);
    Ok(json!({
        "now": iso(world.now_ms()),
        "tenantId": world.options.tenant_id,
        "clientId": world.options.client_id,
        "gatewayId": world.options.gateway_id,
        "users": users,
        "teams": world.teamwork.teams_json(oid),
        "chats": world.teamwork.chats_json(oid),
        "sites": world.drives.sites_json(),
        "plans": world.planner.to_json(),
        "settings": world.settings,
        "refusedWrites": world.refused_writes,
        "tokens": { "access": world.grants.access.len(), "refresh": world.grants.refresh.len() },
    }))
}
