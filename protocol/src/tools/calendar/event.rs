//! Events, and how one is shown.
//!
//! What holds here: an event with times has instants, which are shown in the person's zone and in UTC; an event for whole
//! days has dates, which belong to no zone.

use serde_json::{Value, json};

use crate::civil::{Civil, When, read as read_time, utc_text};
use crate::time::UnixMs;
use crate::tools::collection::{Field, Kind, list, person, shown, text};
use crate::tools::error::ToolError;
use crate::zones::Zone;

/// An instant as every result shows it.
pub(in crate::tools) fn moment(at: UnixMs, zone: &Zone) -> Value {
    json!({"local": zone.local_text(at), "utc": utc_text(at)})
}

/// Start and end of an event.
pub(in crate::tools) struct Times {
    /// The first and the last day of an event without times.
    pub days: Option<(Civil, Civil)>,
    /// Both as they are shown.
    pub start: Value,
    pub end: Value,
}

/// Reads start and end of an event that was asked for in UTC. An event for whole days belongs to no zone: Microsoft gives
/// its midnights as they are; where one is given as an instant, the day is the mailbox's.
pub(in crate::tools) fn times(event: &Value, zone: &Zone) -> Option<Times> {
    let clock = |member: &str| match read_time(text(event, &format!("/{member}/dateTime"))?)? {
        When::Local(clock) | When::Day(clock) => Some(clock),
        When::Instant(at) => Some(Civil::utc(at)),
    };
    let (start, end) = (clock("start")?, clock("end")?);
    if event["isAllDay"] == Value::Bool(true) {
        let day = |clock: Civil| match clock.as_utc() {
            Some(at) if clock.midnight() != clock => zone.local(at).0.midnight(),
            _ => clock,
        };
        // Graph names the midnight after the last day; people name the last day.
        let (first, last) = (day(start), day(end).plus_days(-1));
        let last = last.max(first);
        let shown = |day: Civil| json!({ "date": day.date() });
        return Some(Times { days: Some((first, last)), start: shown(first), end: shown(last) });
    }
    let shown = |clock: Civil| clock.as_utc().map(|at| moment(at, zone));
    Some(Times { days: None, start: shown(start)?, end: shown(end)? })
}

/// What is asked of Graph for each event of a view.
pub(in crate::tools) const FIELDS: &str = "id,subject,start,end,isAllDay,location,organizer,attendees,isOnlineMeeting,\
     onlineMeeting,showAs,isCancelled,responseStatus,seriesMasterId";

const SHOWN: [Field; 9] = [
    ("id", "/id", Kind::Text),
    ("subject", "/subject", Kind::Text),
    ("isAllDay", "/isAllDay", Kind::Flag),
    ("location", "/location/displayName", Kind::Text),
    ("joinUrl", "/onlineMeeting/joinUrl", Kind::Text),
    ("showAs", "/showAs", Kind::Text),
    ("isCancelled", "/isCancelled", Kind::Flag),
    ("myResponse", "/responseStatus/response", Kind::Text),
    ("seriesId", "/seriesMasterId", Kind::Text),
];

const ATTENDEES_SHOWN_MAX: usize = 50;

/// An event of a view as it is shown.
pub(in crate::tools) fn summary(event: &Value, times: Times) -> Value {
    let mut out = shown(event, &SHOWN);
    out.insert("start".to_owned(), times.start);
    out.insert("end".to_owned(), times.end);
    if let Some(organizer) = person(event.get("organizer")) {
        out.insert("organizer".to_owned(), organizer);
    }
    let attendees: Vec<Value> =
        list(event, "/attendees").iter().take(ATTENDEES_SHOWN_MAX).filter_map(attendee).collect();
    if !attendees.is_empty() {
        out.insert("attendees".to_owned(), attendees.into());
    }
    Value::Object(out)
}

/// Who is invited, with the answer; whoever must come has no `type`.
pub(super) fn attendee(attendee: &Value) -> Option<Value> {
    let mut shown = person(Some(attendee))?;
    let members = shown.as_object_mut()?;
    if let Some(response) = text(attendee, "/status/response") {
        members.insert("response".to_owned(), response.into());
    }
    if let Some(kind) = text(attendee, "/type").filter(|kind| *kind != "required") {
        members.insert("type".to_owned(), kind.into());
    }
    Some(shown)
}

pub(in crate::tools) fn ends_too_early() -> ToolError {
    ToolError::argument("`end` must be later than `start`.")
}
