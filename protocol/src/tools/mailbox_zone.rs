//! The zone in which a person's local times are meant and shown: the one that was asked for, else the mailbox's own.
//!
//! What holds here: a result has each of its times as local time and in UTC. One whose times nobody can place in a zone has
//! them in UTC and says why; nothing fails for that. When the mailbox is asked, and for whom, is decided by whoever sends.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::collection::{read, text};
use super::error::{Fault, ToolError};
use super::{Finished, Surroundings, is_granted};
use crate::civil::{When, read as read_time};
use crate::gateway::{Refuser, read_refusal};
use crate::graph::query;
use crate::outbound::{Answer, CallResult, GraphCall, Lane, Method};
use crate::time::UnixMs;
use crate::zones::{Zone, Zones};

/// What a mailbox said of its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This is its zone.
    Zone(Zone),
    /// It has one that nobody here knows.
    Unknown,
    /// Microsoft does not tell.
    Refused,
    /// There was no answer to go by, which may be otherwise soon.
    Nothing,
}

/// The members of results that are instants in UTC, and those that say the same as local times with their offset.
const TIMES: [(&str, &str); 9] = [
    ("receivedAt", "receivedLocal"),
    ("sentAt", "sentLocal"),
    ("editedAt", "editedLocal"),
    ("deletedAt", "deletedLocal"),
    ("lastMessageAt", "lastMessageLocal"),
    ("modifiedAt", "modifiedLocal"),
    ("reminder", "reminderLocal"),
    ("expires", "expiresLocal"),
    ("utc", "local"),
];

/// What a local time takes beside its name: `,"":"2026-01-31T14:30:00+01:00"`.
const LOCAL_BYTES: usize = 31;

/// The code of an error: the mailbox has a zone that nobody here knows.
const ZONE_UNKNOWN: &str = "zone_unknown";

/// The permissions of which one suffices to read the mailbox's zone.
const SETTINGS_READ: [&str; 2] = ["MailboxSettings.Read", "MailboxSettings.ReadWrite"];

/// Finds the zone by the arguments alone; `None` means that the mailbox has to be asked.
///
/// # Errors
/// The argument names no zone, or the mailbox's is needed and may not be read.
pub(super) fn choose(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
    is_needed: bool,
) -> Result<Option<Zone>, ToolError> {
    if let Some(name) = arguments.optional_text("timeZone", 64)? {
        let zone = around.zones.zone(name);
        return zone.map(Some).ok_or_else(|| {
            arguments.must_be("timeZone", "a zone such as Europe/Zurich or W. Europe Standard Time")
        });
    }
    match of_mailbox(around) {
        Ok(zone) => Ok(zone),
        Err(_) if !is_needed => Ok(Some(Zone::utc())),
        Err(mut missing) => {
            missing.message.push_str(" Or give the argument `timeZone`.");
            Err(missing)
        }
    }
}

/// The mailbox's zone; `None` means that it has to be asked.
///
/// # Errors
/// It may not be read.
pub(super) fn of_mailbox(around: Surroundings<'_>) -> Result<Option<Zone>, ToolError> {
    around.require(&SETTINGS_READ)?;
    Ok(around.mailbox_zone.cloned())
}

/// Whether a mailbox's zone may be read with these permissions.
#[must_use]
pub fn may_be_read(granted: &[String]) -> bool {
    SETTINGS_READ.iter().any(|permission| is_granted(granted, permission))
}

/// Whether a call asks for the mailbox's zone and for nothing else, so that one answer serves all who ask.
#[must_use]
pub fn is_asked_by(asks: &GraphCall) -> bool {
    asks.method == Method::Get && asks.path == call().path
}

/// What came of a call that asked for the mailbox's zone, alone or among other settings; none of any other call, and none
/// where the token was refused, which says nothing about the mailbox.
#[must_use]
pub fn heard(asked: &GraphCall, result: &CallResult, zones: Zones) -> Option<Heard> {
    if asked.method != Method::Get || !asked.path.starts_with(&call().path) {
        return None;
    }
    let CallResult::Answered(answer) = result else { return Some(Heard::Nothing) };
    match answer.status {
        200 => Some(match answered(answer, zones) {
            Ok(zone) => Heard::Zone(zone),
            Err(error) if error.code == ZONE_UNKNOWN => Heard::Unknown,
            Err(_) => Heard::Nothing,
        }),
        401 => None,
        400..500 if answer.status != 429 && read_refusal(&answer.body).refuser == Refuser::Graph => {
            Some(Heard::Refused)
        }
        _ => Some(Heard::Nothing),
    }
}

/// The answer of a mailbox that has this zone, for those who would ask it what is known already.
#[must_use]
pub fn told(zone: &Zone) -> Answer {
    let body = serde_json::json!({ "timeZone": zone.name() }).to_string();
    Answer { status: 200, body: body.into_bytes(), ..Answer::default() }
}

/// The call that asks the mailbox.
#[must_use]
pub fn call() -> GraphCall {
    let parameters = query(&[("$select", "timeZone")]);
    GraphCall::get(Lane::Mailbox, format!("/me/mailboxSettings{parameters}"))
}

/// Reads its answer.
///
/// # Errors
/// The mailbox has a zone of its own making, whose rules nobody else knows.
pub(super) fn answered(answer: &Answer, zones: Zones) -> Result<Zone, ToolError> {
    let settings: Value = read(answer)?;
    // A mailbox that was never opened has no zone yet, and Outlook shows it in UTC.
    let Some(name) = text(&settings, "/timeZone") else { return Ok(Zone::utc()) };
    zones.zone(name).ok_or_else(|| {
        ToolError::new(
            Fault::Caller,
            ZONE_UNKNOWN,
            "The time zone of this mailbox is not one that this server knows. Give the argument `timeZone`, such \
             as Europe/Zurich.",
        )
    })
}

/// Says the times of a result in a zone too, and which one that is; a result that names its zone has said all. `known` is
/// the mailbox's zone, or why there is none. The receipt of a change does not say why.
pub fn add_local_times(finished: &mut Finished, known: Result<&Zone, &'static str>, writes: bool) {
    let asked_for = finished.zone.take();
    let (zone, note) = match (&asked_for, known) {
        (Some(zone), _) => (&**zone, None),
        (None, Ok(zone)) => (zone, None),
        (None, Err(why)) => (&Zone::utc(), Some(why)),
    };
    if finished.structured.get("timeZone").is_some() || local_bytes(&finished.structured) == 0 {
        return;
    }
    if note.is_none() {
        add(&mut finished.structured, zone);
    }
    if let Some(members) = finished.structured.as_object_mut() {
        members.insert("timeZone".to_owned(), zone.name().into());
        let note = note.filter(|_| !writes);
        members.extend(note.map(|note| ("timeZoneNote".to_owned(), note.into())));
    }
}

fn add(value: &mut Value, zone: &Zone) {
    match value {
        Value::Object(members) => {
            let local: Vec<_> =
                instants(members).map(|(name, at)| (name.to_owned(), zone.local_text(at).into())).collect();
            members.extend(local);
            members.values_mut().for_each(|member| add(member, zone));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| add(item, zone)),
        _ => {}
    }
}

/// How many bytes the local times of a result take, where its zone is known.
pub(super) fn local_bytes(value: &Value) -> usize {
    match value {
        Value::Object(members) => {
            let own: usize = instants(members).map(|(name, _)| name.len() + LOCAL_BYTES).sum();
            own + members.values().map(local_bytes).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(local_bytes).sum(),
        _ => 0,
    }
}

/// The instants among the members of an object, with the names of their local times.
fn instants(members: &Map<String, Value>) -> impl Iterator<Item = (&'static str, UnixMs)> {
    TIMES.iter().filter_map(|(utc, local)| match read_time(members.get(*utc)?.as_str()?)? {
        When::Instant(at) => Some((*local, at)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
