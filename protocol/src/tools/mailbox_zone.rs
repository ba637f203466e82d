//! The zone in which a person's local times are meant and shown: the one that was asked for, else the mailbox's own.
//!
//! What holds here: the mailbox is asked once, before the first plan whose result has times, and what it said counts for a
//! while. A result whose times nobody can place in a zone has them in UTC and says why; no reading fails for that.

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::collection::{read, text};
use super::error::{Fault, ToolError};
use super::mail::FoldersOff;
use super::plan::Reading;
use super::{Finished, Step, Surroundings};
use crate::civil::{When, read as read_time};
use crate::gateway::{Refuser, read_refusal};
use crate::graph::query;
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::time::UnixMs;
use crate::zones::{Zone, Zones};

/// The zone of a mailbox, or why it cannot be known.
pub type Known = Result<Zone, &'static str>;

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
    match around.require(&SETTINGS_READ) {
        Ok(()) => Ok(around.mailbox_zone.and_then(|known| known.as_ref().ok()).cloned()),
        Err(_) if !is_needed => Ok(Some(Zone::utc())),
        Err(mut missing) => {
            missing.message.push_str(" Or give the argument `timeZone`.");
            Err(missing)
        }
    }
}

/// What a call that asked for the mailbox's zone, alone or among other settings, found out about it; none where there may
/// be another answer soon.
#[must_use]
pub fn learnt(call: &GraphCall, answer: &Answer, zones: Zones) -> Option<Known> {
    if call.method != Method::Get || !call.path.starts_with(&self::call().path) {
        return None;
    }
    match answer.status {
        200 => Some(
            answered(answer, zones)
                .map_err(|_| "The time zone of this mailbox is not one that this server knows."),
        ),
        401 | 429 => None,
        400..500 if read_refusal(&answer.body).refuser == Refuser::Graph => {
            Some(Err("Microsoft does not tell the time zone of this mailbox."))
        }
        _ => None,
    }
}

/// The call that asks the mailbox.
pub(super) fn call() -> GraphCall {
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
            "zone_unknown",
            "The time zone of this mailbox is not one that this server knows. Give the argument `timeZone`, such \
             as Europe/Zurich.",
        )
    })
}

/// A plan whose result has times, after the reading of the mailbox's zone where that is not known yet and may be read.
pub(super) fn before(plan: Box<dyn Reading>, around: Surroundings<'_>) -> Box<dyn Reading> {
    let is_settled = around.mailbox_zone.is_some() || around.require(&SETTINGS_READ).is_err();
    // What needs the zone for itself asks for it first.
    if is_settled || plan.call().path == call().path {
        return plan;
    }
    Box::new(Before { has_asked: false, plan })
}

/// A plan, and the reading of the zone before it. What the zone is, is learnt by whoever sends the call.
#[derive(Debug)]
struct Before {
    has_asked: bool,
    plan: Box<dyn Reading>,
}

impl Before {
    fn go_on(&mut self) -> Step {
        self.has_asked = true;
        Step::Call(self.plan.call())
    }
}

impl Reading for Before {
    fn call(&self) -> GraphCall {
        if self.has_asked { self.plan.call() } else { call() }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.has_asked { self.plan.answered(answer) } else { Ok(self.go_on()) }
    }

    fn is_long(&self) -> bool {
        self.plan.is_long()
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        if self.has_asked { self.plan.took_refusal(refusal) } else { Some(self.go_on()) }
    }

    fn opened(&mut self, answer: Answer) -> Answer {
        if self.has_asked { self.plan.opened(answer) } else { answer }
    }

    fn learnt(&mut self) -> Option<FoldersOff> {
        self.plan.learnt()
    }
}

/// Says the times of a result in a zone too, and which one that is; a result that names its zone has said all. `known` is
/// what is known of the mailbox's zone. A change does not wait for it, so that its receipt may have UTC alone.
pub fn add_local_times(finished: &mut Finished, known: Option<&Known>, writes: bool) {
    let asked_for = finished.zone.take().map(|zone| Ok(*zone));
    let (zone, note) = match asked_for.as_ref().or(known) {
        Some(Ok(zone)) => (zone, None),
        _ if writes => return,
        Some(Err(why)) => (&Zone::utc(), Some(*why)),
        None => (&Zone::utc(), Some("The mailbox's time zone takes the permission MailboxSettings.Read.")),
    };
    if finished.structured.get("timeZone").is_some() || local_bytes(&finished.structured) == 0 {
        return;
    }
    if note.is_none() {
        add(&mut finished.structured, zone);
    }
    if let Some(members) = finished.structured.as_object_mut() {
        members.insert("timeZone".to_owned(), zone.name().into());
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
