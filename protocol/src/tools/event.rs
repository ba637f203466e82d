//! Events: how one is shown, and how one is created exactly once.
//!
//! What holds here: an event is created under a `transactionId`, by which Microsoft recognises a repeat; so a lost answer
//! is found out by sending the same again, as long as somebody waits for it. Afterwards, and after a crash, which
//! leaves no content to send, the event is only looked for by the operation's property.

use serde_json::{Map, Value, json};

use super::collection::{Field, Kind, list, person, read, shown, text};
use super::error::ToolError;
use super::plan::Writing;
use super::{Finished, Found, Step, WriteIntent, mailbox_zone};
use crate::civil::{Civil, When, read as read_time, utc_text};
use crate::gateway::read_refusal;
use crate::graph::{IMMUTABLE_IDS, OPERATION_PROPERTY, UTC_TIMES, odata_text, query};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::zones::{Zone, Zones};

/// An instant as every result shows it.
pub(super) fn moment(at: UnixMs, zone: &Zone) -> Value {
    json!({"local": zone.local_text(at), "utc": utc_text(at)})
}

/// Start and end of an event.
pub(super) struct Times {
    /// The first and the last day of an event without times.
    pub days: Option<(Civil, Civil)>,
    /// Both as they are shown.
    pub start: Value,
    pub end: Value,
}

/// Reads start and end of an event that was asked for in UTC. An event for whole days belongs to no zone: Microsoft gives
/// its midnights as they are; where one is given as an instant, the day is the mailbox's.
pub(super) fn times(event: &Value, zone: &Zone) -> Option<Times> {
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
pub(super) const FIELDS: &str = "id,subject,start,end,isAllDay,location,organizer,attendees,isOnlineMeeting,\
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

/// Graph's code for an event whose `transactionId` it knows already.
const DUPLICATE: &str = "ErrorDuplicateTransactionId";

const ATTENDEES_SHOWN_MAX: usize = 50;

/// An event of a view as it is shown.
pub(super) fn summary(event: &Value, times: Times) -> Value {
    let mut out = shown(event, &SHOWN);
    out.insert("start".to_owned(), times.start);
    out.insert("end".to_owned(), times.end);
    if let Some(organizer) = person(event.get("organizer")) {
        out.insert("organizer".to_owned(), organizer);
    }
    let attendees: Vec<Value> = list(event, "/attendees")
        .iter()
        .take(ATTENDEES_SHOWN_MAX)
        .filter_map(|attendee| {
            let mut shown = person(Some(attendee))?;
            if let (Some(response), Some(members)) =
                (text(attendee, "/status/response"), shown.as_object_mut())
            {
                members.insert("response".to_owned(), response.into());
            }
            Some(shown)
        })
        .collect();
    if !attendees.is_empty() {
        out.insert("attendees".to_owned(), attendees.into());
    }
    Value::Object(out)
}

/// An event that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    /// The event without its times.
    pub members: Map<String, Value>,
    pub start: When,
    pub end: When,
    pub is_all_day: bool,
    /// The zone of the times; none if the mailbox has to be asked.
    pub zone: Option<Zone>,
    pub zones: Zones,
    /// The calendar, encoded as a segment; none for the default one.
    pub calendar: Option<String>,
    pub invited: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    ReadZone,
    Create { body: String },
    Find { repeat: Repeat },
}

/// What Microsoft said to the repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Repeat {
    /// Nothing that proves anything.
    Nothing,
    /// It would not take it. What it thinks of the first time is not known by that.
    Refused(ToolError),
    /// It has an event with this `transactionId`.
    IsThere,
}

/// An event being created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateEvent {
    operation: RequestId,
    calendar: Option<String>,
    draft: Option<Box<Draft>>,
    zone: Zone,
    stage: Stage,
}

impl CreateEvent {
    pub(super) fn new(mut draft: Draft, operation: RequestId) -> Result<Self, ToolError> {
        draft.members.insert("transactionId".to_owned(), operation.to_string().into());
        let property = json!([{"id": OPERATION_PROPERTY, "value": operation.to_string()}]);
        draft.members.insert("singleValueExtendedProperties".to_owned(), property);
        let calendar = draft.calendar.clone();
        let (zone, stage) = match &draft.zone {
            Some(zone) => (zone.clone(), Stage::Create { body: written(&draft, zone)? }),
            None => (Zone::utc(), Stage::ReadZone),
        };
        Ok(Self { operation, calendar, draft: Some(Box::new(draft)), zone, stage })
    }

    pub(super) fn recovered(calendar: Option<String>, operation: RequestId) -> Self {
        let stage = Stage::Find { repeat: Repeat::Nothing };
        Self { operation, calendar, draft: None, zone: Zone::utc(), stage }
    }

    fn created(&self, event: &Value) -> Finished {
        let fields: [Field; 3] = [
            ("eventId", "/id", Kind::Text),
            ("joinUrl", "/onlineMeeting/joinUrl", Kind::Text),
            ("webLink", "/webLink", Kind::Text),
        ];
        let mut out = shown(event, &fields);
        out.insert("status".to_owned(), "created".into());
        out.insert("timeZone".to_owned(), self.zone.name().into());
        if let Some(times) = times(event, &self.zone) {
            out.insert("start".to_owned(), times.start);
            out.insert("end".to_owned(), times.end);
        }
        if let Some(draft) = &self.draft {
            out.insert("invited".to_owned(), draft.invited.into());
        }
        Finished::new(Value::Object(out))
    }
}

impl Writing for CreateEvent {
    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("creating this event", "into the calendar")
    }

    fn call(&self) -> GraphCall {
        let events = self
            .calendar
            .as_ref()
            .map_or_else(|| "/me/events".to_owned(), |calendar| format!("/me/calendars/{calendar}/events"));
        match &self.stage {
            Stage::ReadZone => mailbox_zone::call(),
            Stage::Create { body } => GraphCall::post_repeatable(Lane::Mailbox, events, body.clone())
                .preferring(&[IMMUTABLE_IDS, UTC_TIMES]),
            Stage::Find { .. } => {
                let filter = format!(
                    "singleValueExtendedProperties/Any(ep: ep/id eq {} and ep/value eq {})",
                    odata_text(OPERATION_PROPERTY),
                    odata_text(&self.operation.to_string()),
                );
                let select = "id,start,end,isAllDay,onlineMeeting,webLink";
                let parameters = query(&[("$select", select), ("$top", "1"), ("$filter", &filter)]);
                GraphCall::get(Lane::Mailbox, format!("{events}{parameters}"))
                    .preferring(&[IMMUTABLE_IDS, UTC_TIMES])
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if let (Stage::ReadZone, Some(draft)) = (&self.stage, &self.draft) {
            self.zone = mailbox_zone::answered(answer, draft.zones)?;
            self.stage = Stage::Create { body: written(draft, &self.zone)? };
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(self.created(&read(answer).unwrap_or_default())))
    }

    /// Nothing has to be remembered before the event itself is on its way.
    fn intent(&self) -> Option<WriteIntent> {
        match self.stage {
            Stage::ReadZone => None,
            Stage::Create { .. } | Stage::Find { .. } => {
                Some(WriteIntent::CreateEvent { calendar: self.calendar.clone() })
            }
        }
    }

    fn held_bytes(&self) -> usize {
        let text = self.draft.as_ref().and_then(|draft| draft.members.get("body")?.get("content")?.as_str());
        text.map_or(0, str::len)
    }

    /// The same again: Microsoft answers with the event that is there, or creates it now.
    fn look_into(&mut self) -> Found {
        Found::Look(self.call())
    }

    fn look_again(&mut self, still_wanted: bool) -> Found {
        if !still_wanted && matches!(self.stage, Stage::Create { .. }) {
            self.stage = Stage::Find { repeat: Repeat::Nothing };
        }
        Found::Look(self.call())
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match (&mut self.stage, answer.status) {
            (Stage::Create { .. }, 200..300) => {
                Found::Happened(self.created(&read(answer).unwrap_or_default()))
            }
            (Stage::Create { .. }, status) => {
                let is_there = status == 409 && read_refusal(&answer.body).code == DUPLICATE;
                let repeat =
                    if is_there { Repeat::IsThere } else { Repeat::Refused(ToolError::from_refusal(answer)) };
                self.stage = Stage::Find { repeat };
                Found::Look(self.call())
            }
            (Stage::Find { repeat }, 200) => {
                let Ok(page) = read::<Value>(answer) else { return Found::NotYetKnown };
                match (list(&page, "/value").first(), repeat.clone()) {
                    (Some(event), _) => Found::Happened(self.created(event)),
                    (None, Repeat::IsThere) => Found::Happened(self.created(&Value::Null)),
                    (None, Repeat::Refused(error)) => Found::DidNotHappen(error),
                    (None, Repeat::Nothing) => Found::NotYetKnown,
                }
            }
            // That it is there is known; only its details are not.
            (Stage::Find { repeat: Repeat::IsThere }, _) => Found::Happened(self.created(&Value::Null)),
            // A refusal of the look itself will be repeated, however often it is asked.
            (_, 400 | 403) => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }
}

/// The event as Graph wants it, once the zone is known.
fn written(draft: &Draft, zone: &Zone) -> Result<String, ToolError> {
    let (start, end) = if draft.is_all_day {
        let (When::Day(first), When::Day(last)) = (draft.start, draft.end) else {
            return Err(ToolError::argument(
                "An event for whole days has dates without times in `start` and `end`, such as 2026-01-31.",
            ));
        };
        if last < first {
            return Err(ends_too_early());
        }
        let day = |day: Civil| json!({"dateTime": day.text(), "timeZone": zone.name()});
        (day(first), day(last.plus_days(1)))
    } else {
        if instant(draft.start, zone)? >= instant(draft.end, zone)? {
            return Err(ends_too_early());
        }
        (date_time(draft.start, zone), date_time(draft.end, zone))
    };
    let mut members = draft.members.clone();
    members.insert("start".to_owned(), start);
    members.insert("end".to_owned(), end);
    Ok(Value::Object(members).to_string())
}

/// The instant that an argument means.
///
/// # Errors
/// It is a day without a time.
pub(super) fn instant(when: When, zone: &Zone) -> Result<UnixMs, ToolError> {
    match when {
        When::Instant(at) => Some(at),
        When::Local(clock) => zone.instant(clock),
        When::Day(_) => None,
    }
    .ok_or_else(|| {
        ToolError::argument(
            "`start` and `end` need a time, such as 2026-01-31T14:30; for whole days give `isAllDay`: true.",
        )
    })
}

pub(super) fn ends_too_early() -> ToolError {
    ToolError::argument("`end` must be later than `start`.")
}

/// A time as Graph wants it: a local one as it is, because Microsoft knows the zone too; an instant in UTC.
fn date_time(when: When, zone: &Zone) -> Value {
    match when {
        When::Local(clock) | When::Day(clock) => {
            json!({"dateTime": clock.text(), "timeZone": zone.name()})
        }
        When::Instant(at) => json!({"dateTime": Civil::utc(at).text(), "timeZone": "UTC"}),
    }
}
