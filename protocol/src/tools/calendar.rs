//! The calendar tools.
//!
//! What holds here: every time is read as local in a zone or as an instant, and shown as both; what changes an event that
//! exists reads it first, so that a lost answer can be told from a write that never arrived.

mod change;
mod create;
mod creation;
mod edit;
mod event;
mod ground;
mod list;
mod read;
mod recurrence;
mod times;
mod view;

use serde_json::{Map, Value};

pub(super) use create::draft;
pub(super) use creation::{CreateEvent, Draft, instant};
pub(super) use event::{FIELDS, ends_too_early, moment, summary, times};

use super::error::ToolError;
use super::plan::{Planned, Writing};
use super::{Surroundings, Tool, WriteIntent};
use crate::ids::RequestId;

/// Whom the content of events is by, as every result with some says it.
const BY_ORGANISERS: &str = "events, written by their organisers";

/// The permission without which nothing is written.
const WRITE: [&str; 1] = ["Calendars.ReadWrite"];

/// Makes the plan of a calendar tool.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    match tool {
        Tool::ListCalendars => list::ListCalendars::new(values, around).map(Planned::read),
        Tool::ReadEvent => read::ReadEvent::new(values, around).map(Planned::read),
        Tool::FindTimes => times::FindTimes::new(values, around).map(Planned::read),
        Tool::CreateCalendarEvent => create::new(values, around).map(Planned::write),
        Tool::UpdateCalendarEvent => change::update(values, around).map(Planned::write),
        Tool::RespondToEvent => change::respond(values, around).map(Planned::write),
        Tool::CancelEvent => change::cancel(values, around).map(Planned::write),
        _ => view::GetCalendarEvents::new(values, around).map(Planned::read),
    }
}

/// The plan that finds out about a write whose request is gone.
pub(super) fn recovered(intent: WriteIntent, operation: RequestId) -> Box<dyn Writing> {
    match intent {
        WriteIntent::ChangeEvent { event, version, ends } => {
            Box::new(change::Change::recovered(event, version, ends))
        }
        WriteIntent::CreateEvent { calendar } => Box::new(CreateEvent::recovered(calendar, operation)),
        _ => Box::new(CreateEvent::recovered(None, operation)),
    }
}
