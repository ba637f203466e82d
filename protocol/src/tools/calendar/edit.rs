//! What `updateCalendarEvent` makes of an event as it is: the properties that are set.
//!
//! What holds here: nobody is uninvited who was not named; a new beginning keeps the length; the part of an online meeting's
//! text by which people join stays in it.

use serde_json::{Map, Value, json};

use super::create::{attendee, details, invited, place};
use super::creation::Span;
use super::event;
use super::ground::Ground;
use super::recurrence::Recurrence;
use crate::civil::{Civil, When, read as read_time};
use crate::html::escaped;
use crate::limits::{EVENT_BODY_BYTES_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::collection::{list, text};
use crate::tools::error::{Fault, ToolError};
use crate::zones::Zone;

/// What is asked of Graph before an event is changed.
pub(super) const FIELDS: &str = "id,changeKey,start,end,isAllDay,isOrganizer,isOnlineMeeting,isCancelled,type,\
                                 attendees,body";

/// Properties that somebody who is invited may set too, because they concern nobody else.
const OWN: [&str; 3] = ["isReminderOn", "reminderMinutesBeforeStart", "showAs"];

/// What Teams draws above the part of a text by which people join.
const RULER: &str = "____________________";

/// Changes that were asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Edits {
    /// Properties that do not depend on the event as it is.
    members: Map<String, Value>,
    body: Option<String>,
    start: Option<When>,
    end: Option<When>,
    is_all_day: Option<bool>,
    recurrence: Option<Recurrence>,
    added: Vec<(String, &'static str)>,
    removed: Vec<String>,
}

impl Edits {
    pub(super) const KNOWN: [&str; 19] = [
        "id",
        "subject",
        "start",
        "end",
        "timeZone",
        "isAllDay",
        "location",
        "body",
        "isOnlineMeeting",
        "recurrence",
        "showAs",
        "reminderMinutes",
        "addAttendees",
        "addOptionalAttendees",
        "addRooms",
        "removeAttendees",
        "calendarId",
        "calendar",
        "idempotencyKey",
    ];

    pub(super) fn read(arguments: &Arguments<'_>) -> Result<Self, ToolError> {
        let mut members = Map::new();
        if let Some(subject) = arguments.line("subject", SUBJECT_CHARS_MAX)? {
            members.insert("subject".to_owned(), subject.into());
        }
        let lists =
            [("addAttendees", "required"), ("addOptionalAttendees", "optional"), ("addRooms", "resource")];
        let added: Vec<(String, &'static str)> = invited(arguments, &lists)?
            .into_iter()
            .map(|(address, kind)| (address.to_owned(), kind))
            .collect();
        if let Some((room, _)) = added.iter().find(|(_, kind)| *kind == "resource") {
            members.insert("location".to_owned(), place(room));
        }
        details(arguments, &mut members)?;
        if let Some(is_online) = arguments.flag("isOnlineMeeting")? {
            members.insert("isOnlineMeeting".to_owned(), is_online.into());
            if is_online {
                members.insert("onlineMeetingProvider".to_owned(), "teamsForBusiness".into());
            }
        }
        let edits = Self {
            members,
            body: arguments.optional_text("body", EVENT_BODY_BYTES_MAX)?.map(str::to_owned),
            start: arguments.when("start")?,
            end: arguments.when("end")?,
            is_all_day: arguments.flag("isAllDay")?,
            recurrence: Recurrence::read(arguments)?,
            added,
            removed: arguments.addresses("removeAttendees")?.into_iter().map(str::to_owned).collect(),
        };
        if edits.members.is_empty() && edits.body.is_none() && !edits.moves() && !edits.invites() {
            return Err(ToolError::argument("`updateCalendarEvent` needs at least one thing to change."));
        }
        Ok(edits)
    }

    /// Whether the times change.
    pub(super) fn moves(&self) -> bool {
        self.start.is_some() || self.end.is_some() || self.is_all_day.is_some() || self.recurrence.is_some()
    }

    fn invites(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    fn only_own(&self) -> bool {
        let are_own = self.members.keys().all(|name| OWN.contains(&name.as_str()));
        are_own && self.body.is_none() && !self.moves() && !self.invites()
    }

    /// Bytes of content.
    pub(super) fn held_bytes(&self) -> usize {
        self.body.as_ref().map_or(0, String::len)
    }

    /// The properties to be set on an event.
    ///
    /// # Errors
    /// What was asked for does not fit the event.
    pub(super) fn written(&self, found: &Value, ground: &Ground) -> Result<Value, ToolError> {
        if found["isOrganizer"] == Value::Bool(false) && !self.only_own() {
            return Err(ToolError::new(
                Fault::Caller,
                "not_organizer",
                "Only the organiser can change this event for all. Use respondToEvent, where another time can be \
                 proposed; `showAs` and `reminderMinutes` are the person's own.",
            ));
        }
        let mut members = self.members.clone();
        if self.moves() {
            self.write_times(found, &ground.zone(), &mut members)?;
        }
        if self.invites() {
            members.insert("attendees".to_owned(), self.attendees(found)?);
        }
        if let Some(body) = &self.body {
            members.insert("body".to_owned(), new_body(found, body));
        }
        Ok(Value::Object(members))
    }

    fn write_times(
        &self,
        found: &Value,
        zone: &Zone,
        members: &mut Map<String, Value>,
    ) -> Result<(), ToolError> {
        let is_series = text(found, "/type") == Some("seriesMaster") || self.recurrence.is_some();
        let span = self.span(found, zone)?;
        if self.start.is_some() || self.end.is_some() || self.is_all_day.is_some() {
            let (start, end) = span.written(zone, is_series)?;
            members.insert("isAllDay".to_owned(), span.is_all_day.into());
            members.insert("start".to_owned(), start);
            members.insert("end".to_owned(), end);
        }
        if let Some(recurrence) = &self.recurrence {
            members.insert("recurrence".to_owned(), recurrence.written(span.first_day(zone), zone)?);
        }
        Ok(())
    }

    /// From when until when the event will be.
    fn span(&self, found: &Value, zone: &Zone) -> Result<Span, ToolError> {
        let old = event::times(found, zone);
        let is_all_day =
            self.is_all_day.unwrap_or_else(|| old.as_ref().is_some_and(|old| old.days.is_some()));
        let missing = || {
            ToolError::argument(
                "Give `start` and `end` where an event becomes one for whole days, or one with times.",
            )
        };
        if is_all_day {
            let old = old.and_then(|old| old.days);
            let length = old.map_or(0, |(first, last)| (last.0 - first.0) / (24 * 60 * 60));
            let start = self.start.or_else(|| old.map(|(first, _)| When::Day(first))).ok_or_else(missing)?;
            let end = match (self.end, start) {
                (Some(end), _) => end,
                (None, When::Day(first)) => When::Day(first.plus_days(length)),
                (None, other) => other,
            };
            return Ok(Span { start, end, is_all_day });
        }
        let old = match old {
            Some(old) if old.days.is_none() => instants(found),
            _ => None,
        };
        let start = self.start.or_else(|| old.map(|(start, _)| When::Instant(start))).ok_or_else(missing)?;
        let end = match (self.end, old) {
            (Some(end), _) => end,
            (None, Some((old_start, old_end))) => {
                let begins = super::creation::instant(start, zone)?;
                When::Instant(begins.plus(old_end.since(old_start)))
            }
            (None, None) => return Err(missing()),
        };
        Ok(Span { start, end, is_all_day })
    }

    /// Everybody who will be invited: Graph replaces the whole list.
    fn attendees(&self, found: &Value) -> Result<Value, ToolError> {
        let mut out: Vec<Value> = Vec::new();
        let is = |item: &Value, address: &str| {
            text(item, "/emailAddress/address").is_some_and(|one| one.eq_ignore_ascii_case(address))
        };
        let current = list(found, "/attendees");
        for address in &self.removed {
            if !current.iter().any(|item| is(item, address)) {
                return Err(ToolError::argument(
                    "An address in `removeAttendees` is not invited to this event. readEvent shows who is.",
                ));
            }
        }
        for item in current {
            let is_removed = self.removed.iter().any(|address| is(item, address));
            // Whoever is added again changes the kind.
            let is_added = self.added.iter().any(|(address, _)| is(item, address));
            if !is_removed && !is_added {
                out.push(json!({
                    "emailAddress": item.get("emailAddress"), "type": text(item, "/type").unwrap_or("required"),
                }));
            }
        }
        out.extend(self.added.iter().map(|(address, kind)| attendee(address, kind)));
        if out.len() > RECIPIENTS_MAX.max(current.len()) {
            return Err(ToolError::argument(format!("At most {RECIPIENTS_MAX} people can be invited.")));
        }
        Ok(out.into())
    }
}

/// Start and end of an event that was asked for in UTC.
fn instants(found: &Value) -> Option<(UnixMs, UnixMs)> {
    let at = |pointer: &str| match read_time(text(found, pointer)?)? {
        When::Local(clock) | When::Day(clock) => Civil::as_utc(clock),
        When::Instant(at) => Some(at),
    };
    Some((at("/start/dateTime")?, at("/end/dateTime")?))
}

/// The new text. Of an online meeting the part by which people join stays: Microsoft takes its absence for the wish that
/// the meeting be online no more (Graph, "Update event").
fn new_body(found: &Value, body: &str) -> Value {
    let old = text(found, "/body/content").unwrap_or_default();
    let join = old.find(RULER).and_then(|at| old.get(at..));
    match (found["isOnlineMeeting"] == Value::Bool(true), join) {
        (true, Some(join)) => {
            json!({"contentType": "html", "content": format!("<div>{}</div><br>{join}", escaped(body))})
        }
        _ => json!({"contentType": "text", "content": body}),
    }
}
