//! An event that is created exactly once.
//!
//! What holds here: an event is created under a `transactionId`, by which Microsoft recognises a repeat; so a lost answer
//! is found out by sending the same again, as long as somebody waits for it. Afterwards, and after a crash, which
//! leaves no content to send, the event is only looked for by the operation's property.

use serde_json::{Map, Value, json};

use super::event::{ends_too_early, times};
use super::ground::Ground;
use super::recurrence::Recurrence;
use crate::civil::{Civil, When};
use crate::gateway::read_refusal;
use crate::graph::{IMMUTABLE_IDS, OPERATION_PROPERTY, UTC_TIMES, odata_text, query};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::tools::collection::{Field, Kind, list, read, shown};
use crate::tools::error::ToolError;
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, WriteIntent};
use crate::zones::Zone;

/// Graph's code for an event whose `transactionId` it knows already.
const DUPLICATE: &str = "ErrorDuplicateTransactionId";

/// An event that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools) struct Draft {
    /// The event without its times.
    pub members: Map<String, Value>,
    pub span: Span,
    pub recurrence: Option<Recurrence>,
    /// The zone of the times, and the calendar.
    pub ground: Ground,
    pub invited: usize,
}

/// From when until when, as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools) struct Span {
    pub start: When,
    pub end: When,
    pub is_all_day: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Something has to be asked before.
    Prepare,
    Create {
        body: String,
    },
    Find {
        repeat: Repeat,
    },
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
pub(in crate::tools) struct CreateEvent {
    operation: RequestId,
    calendar: Option<String>,
    draft: Option<Box<Draft>>,
    zone: Zone,
    stage: Stage,
}

impl CreateEvent {
    pub(in crate::tools) fn new(mut draft: Draft, operation: RequestId) -> Result<Self, ToolError> {
        draft.members.insert("transactionId".to_owned(), operation.to_string().into());
        let property = json!([{"id": OPERATION_PROPERTY, "value": operation.to_string()}]);
        draft.members.insert("singleValueExtendedProperties".to_owned(), property);
        let calendar = draft.ground.calendar().map(str::to_owned);
        let zone = draft.ground.zone();
        let stage = match draft.ground.call() {
            None => Stage::Create { body: written(&draft, &zone)? },
            Some(_) => Stage::Prepare,
        };
        Ok(Self { operation, calendar, draft: Some(Box::new(draft)), zone, stage })
    }

    pub(in crate::tools) fn recovered(calendar: Option<String>, operation: RequestId) -> Self {
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
            Stage::Prepare => {
                let needed = self.draft.as_ref().and_then(|draft| draft.ground.call());
                needed.unwrap_or_else(crate::tools::mailbox_zone::call)
            }
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
        if let (Stage::Prepare, Some(draft)) = (&self.stage, &mut self.draft) {
            draft.ground.answered(answer)?;
            if draft.ground.call().is_none() {
                self.zone = draft.ground.zone();
                self.calendar = draft.ground.calendar().map(str::to_owned);
                self.stage = Stage::Create { body: written(draft, &self.zone)? };
            }
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(self.created(&read(answer).unwrap_or_default())))
    }

    /// Nothing has to be remembered before the event itself is on its way.
    fn intent(&self) -> Option<WriteIntent> {
        match self.stage {
            Stage::Prepare => None,
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
    let is_series = draft.recurrence.is_some();
    let (start, end) = draft.span.written(zone, is_series)?;
    let mut members = draft.members.clone();
    if let Some(recurrence) = &draft.recurrence {
        members.insert("recurrence".to_owned(), recurrence.written(draft.span.first_day(zone), zone)?);
    }
    members.insert("start".to_owned(), start);
    members.insert("end".to_owned(), end);
    Ok(Value::Object(members).to_string())
}

impl Span {
    /// Start and end as Graph wants them. Those of a series are local, because a series keeps its hour across a change of
    /// the clocks.
    pub(super) fn written(&self, zone: &Zone, is_series: bool) -> Result<(Value, Value), ToolError> {
        if !self.is_all_day {
            if instant(self.start, zone)? >= instant(self.end, zone)? {
                return Err(ends_too_early());
            }
            return Ok((date_time(self.start, zone, is_series), date_time(self.end, zone, is_series)));
        }
        let (When::Day(first), When::Day(last)) = (self.start, self.end) else {
            return Err(ToolError::argument(
                "An event for whole days has dates without times in `start` and `end`, such as 2026-01-31.",
            ));
        };
        if last < first {
            return Err(ends_too_early());
        }
        let day = |day: Civil| json!({"dateTime": day.text(), "timeZone": zone.name()});
        Ok((day(first), day(last.plus_days(1))))
    }

    /// The day on which it begins, on the clocks of its zone.
    pub(super) fn first_day(&self, zone: &Zone) -> Civil {
        match self.start {
            When::Day(clock) | When::Local(clock) => clock.midnight(),
            When::Instant(at) => zone.local(at).0.midnight(),
        }
    }

    /// Whether a zone is needed to know what is meant.
    pub(super) fn needs_zone(&self) -> bool {
        self.is_all_day || ![self.start, self.end].iter().all(|when| matches!(when, When::Instant(_)))
    }
}

/// The instant that an argument means.
///
/// # Errors
/// It is a day without a time.
pub(in crate::tools) fn instant(when: When, zone: &Zone) -> Result<UnixMs, ToolError> {
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

/// A time as Graph wants it: a local one as it is, because Microsoft knows the zone too; an instant in UTC, unless it must
/// be local.
pub(super) fn date_time(when: When, zone: &Zone, is_local: bool) -> Value {
    match when {
        When::Instant(at) if is_local => {
            json!({"dateTime": zone.local(at).0.text(), "timeZone": zone.name()})
        }
        When::Instant(at) => json!({"dateTime": Civil::utc(at).text(), "timeZone": "UTC"}),
        When::Local(clock) | When::Day(clock) => {
            json!({"dateTime": clock.text(), "timeZone": zone.name()})
        }
    }
}
