//! `createCalendarEvent`: an event with its invitations, created at most once.
//!
//! What holds here: invitations leave as soon as the event is there, so everything about it is checked before.

use serde_json::{Map, Value, json};

use super::WRITE;
use super::creation::{CreateEvent, Draft, Span};
use super::ground::Ground;
use super::recurrence::Recurrence;
use crate::limits::{EVENT_BODY_BYTES_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};
use crate::tools::arguments::Arguments;
use crate::tools::collection::recipient;
use crate::tools::{Surroundings, Tool, ToolError};

const LOCATION_CHARS_MAX: usize = 255;
const REMINDER_MINUTES_MAX: u64 = 4 * 7 * 24 * 60;

/// How busy somebody is during an event, as the calendars of others show it.
const SHOWN_AS: [(&str, &str); 5] = [
    ("free", "free"),
    ("tentative", "tentative"),
    ("busy", "busy"),
    ("oof", "oof"),
    ("workingElsewhere", "workingElsewhere"),
];

const KNOWN: [&str; 17] = [
    "subject",
    "start",
    "end",
    "timeZone",
    "attendees",
    "optionalAttendees",
    "rooms",
    "location",
    "body",
    "isAllDay",
    "isOnlineMeeting",
    "recurrence",
    "showAs",
    "reminderMinutes",
    "calendarId",
    "calendar",
    "idempotencyKey",
];

pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<CreateEvent, ToolError> {
    let arguments = Arguments::of(Tool::CreateCalendarEvent, values, &KNOWN)?;
    around.require(&WRITE)?;
    let is_all_day = arguments.flag("isAllDay")?.unwrap_or(false);
    let is_online = arguments.flag("isOnlineMeeting")?.unwrap_or(false);
    let mut draft = draft(&arguments, around, is_all_day, is_online)?;
    details(&arguments, &mut draft.members)?;
    CreateEvent::new(draft, around.request)
}

/// Reads what a new event and one that is changed have in common.
pub(super) fn details(arguments: &Arguments<'_>, members: &mut Map<String, Value>) -> Result<(), ToolError> {
    if let Some(location) = arguments.line("location", LOCATION_CHARS_MAX)? {
        members.insert("location".to_owned(), json!({ "displayName": location }));
    }
    // Without the argument the mailbox's own default holds, which no number stands for.
    let none = REMINDER_MINUTES_MAX + 1;
    let reminder = arguments.integer("reminderMinutes", 0..=REMINDER_MINUTES_MAX, none)?;
    if reminder != none {
        members.insert("isReminderOn".to_owned(), true.into());
        members.insert("reminderMinutesBeforeStart".to_owned(), reminder.into());
    }
    let shown_as = arguments.choice("showAs", &SHOWN_AS, "")?;
    if !shown_as.is_empty() {
        members.insert("showAs".to_owned(), shown_as.into());
    }
    Ok(())
}

/// Reads what an event and a meeting have in common.
pub(in crate::tools) fn draft(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
    is_all_day: bool,
    is_online: bool,
) -> Result<Draft, ToolError> {
    arguments.check_idempotency_key()?;
    let subject = arguments.line("subject", SUBJECT_CHARS_MAX)?;
    let subject = subject.ok_or_else(|| arguments.must_be("subject", "a line of text"))?;
    let start = arguments.when("start")?;
    let start = start.ok_or_else(|| arguments.must_be("start", "a date or a time"))?;
    let end = match arguments.when("end")? {
        None if is_all_day => start,
        end => end.ok_or_else(|| arguments.must_be("end", "a time later than `start`"))?,
    };
    let span = Span { start, end, is_all_day };
    let lists = [("attendees", "required"), ("optionalAttendees", "optional"), ("rooms", "resource")];
    let attendees = invited(arguments, &lists)?;
    let mut members = Map::new();
    members.insert("subject".to_owned(), subject.into());
    members.insert("isAllDay".to_owned(), is_all_day.into());
    let people = attendees.iter().filter(|(_, kind)| *kind != "resource").count();
    // A room is a place as well as somebody who answers.
    if let Some((room, _)) = attendees.iter().find(|(_, kind)| *kind == "resource") {
        members.insert("location".to_owned(), place(room));
    }
    if !attendees.is_empty() {
        let attendees: Vec<Value> = attendees.iter().map(|(address, kind)| attendee(address, kind)).collect();
        members.insert("attendees".to_owned(), attendees.into());
    }
    if let Some(body) = arguments.optional_text("body", EVENT_BODY_BYTES_MAX)? {
        members.insert("body".to_owned(), json!({"contentType": "text", "content": body}));
    }
    if is_online {
        members.insert("isOnlineMeeting".to_owned(), true.into());
        members.insert("onlineMeetingProvider".to_owned(), "teamsForBusiness".into());
    }
    let recurrence = Recurrence::read(arguments)?;
    let ground = Ground::read(arguments, around, span.needs_zone() || recurrence.is_some())?;
    Ok(Draft { members, span, recurrence, ground, invited: people })
}

/// A room as the place of an event.
pub(super) fn place(room: &str) -> Value {
    json!({"displayName": room, "locationEmailAddress": room, "locationType": "conferenceRoom"})
}

/// Somebody who is invited, as Graph wants it.
pub(super) fn attendee(address: &str, kind: &str) -> Value {
    let mut attendee = recipient(address);
    if let Some(members) = attendee.as_object_mut() {
        members.insert("type".to_owned(), kind.into());
    }
    attendee
}

/// Everybody whom some arguments name, with the kind that each argument stands for.
pub(super) fn invited<'a>(
    arguments: &Arguments<'a>,
    lists: &[(&str, &'static str)],
) -> Result<Vec<(&'a str, &'static str)>, ToolError> {
    let mut out = Vec::new();
    for (argument, kind) in lists {
        out.extend(arguments.addresses(argument)?.into_iter().map(|address| (address, *kind)));
    }
    let count = out.len();
    if count > RECIPIENTS_MAX {
        let message = format!("At most {RECIPIENTS_MAX} people can be invited at once; got {count}.");
        return Err(ToolError::argument(message));
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
