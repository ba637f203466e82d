//! `createCalendarEvent`: an event with its invitations, created at most once.
//!
//! What holds here: invitations leave as soon as the event is there, so everything about it is checked before.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::Tool;
use super::collection::recipient;
use super::event::{CreateEvent, Draft};
use super::{Surroundings, ToolError, mailbox_zone};
use crate::civil::When;
use crate::limits::{EVENT_BODY_BYTES_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};

const LOCATION_CHARS_MAX: usize = 255;
const REMINDER_MINUTES_MAX: u64 = 4 * 7 * 24 * 60;

const KNOWN: [&str; 13] = [
    "subject",
    "start",
    "end",
    "timeZone",
    "attendees",
    "optionalAttendees",
    "location",
    "body",
    "isAllDay",
    "isOnlineMeeting",
    "reminderMinutes",
    "calendarId",
    "idempotencyKey",
];

pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<CreateEvent, ToolError> {
    let arguments = Arguments::of(Tool::CreateCalendarEvent, values, &KNOWN)?;
    around.require(&["Calendars.ReadWrite"])?;
    let is_all_day = arguments.flag("isAllDay")?.unwrap_or(false);
    let is_online = arguments.flag("isOnlineMeeting")?.unwrap_or(false);
    let mut draft = draft(&arguments, around, is_all_day, is_online)?;
    if let Some(location) = arguments.line("location", LOCATION_CHARS_MAX)? {
        draft.members.insert("location".to_owned(), json!({ "displayName": location }));
    }
    // Without the argument the mailbox's own default holds, which no number stands for.
    let none = REMINDER_MINUTES_MAX + 1;
    let reminder = arguments.integer("reminderMinutes", 0..=REMINDER_MINUTES_MAX, none)?;
    if reminder != none {
        draft.members.insert("isReminderOn".to_owned(), true.into());
        draft.members.insert("reminderMinutesBeforeStart".to_owned(), reminder.into());
    }
    draft.calendar = arguments.identifier("calendarId")?;
    CreateEvent::new(draft, around.request)
}

/// Reads what an event and a meeting have in common.
pub(super) fn draft(
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
    let (attendees, invited) = attendees(arguments)?;
    let mut members = Map::new();
    members.insert("subject".to_owned(), subject.into());
    members.insert("isAllDay".to_owned(), is_all_day.into());
    if !attendees.is_empty() {
        members.insert("attendees".to_owned(), attendees.into());
    }
    if let Some(body) = arguments.optional_text("body", EVENT_BODY_BYTES_MAX)? {
        members.insert("body".to_owned(), json!({"contentType": "text", "content": body}));
    }
    if is_online {
        members.insert("isOnlineMeeting".to_owned(), true.into());
        members.insert("onlineMeetingProvider".to_owned(), "teamsForBusiness".into());
    }
    let needs_zone = is_all_day || ![start, end].iter().all(|when| matches!(when, When::Instant(_)));
    let zone = mailbox_zone::choose(arguments, around, needs_zone)?;
    Ok(Draft { members, start, end, is_all_day, zone, zones: around.zones, calendar: None, invited })
}

fn attendees(arguments: &Arguments<'_>) -> Result<(Vec<Value>, usize), ToolError> {
    let mut out = Vec::new();
    for (argument, kind) in [("attendees", "required"), ("optionalAttendees", "optional")] {
        for address in arguments.addresses(argument)? {
            let mut attendee = recipient(address);
            if let Some(members) = attendee.as_object_mut() {
                members.insert("type".to_owned(), kind.into());
            }
            out.push(attendee);
        }
    }
    let count = out.len();
    if count > RECIPIENTS_MAX {
        let message = format!("At most {RECIPIENTS_MAX} people can be invited at once; got {count}.");
        return Err(ToolError::argument(message));
    }
    Ok((out, count))
}

#[cfg(test)]
mod tests;
