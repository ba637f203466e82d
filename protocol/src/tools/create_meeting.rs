//! `createTeamsMeeting`: a Teams meeting with a link to join.
//!
//! What holds here: by default it is an event, because people expect a meeting in the calendar and invitations to those
//! who take part. A standalone meeting is a link alone; it is created under an external identifier, by which
//! Microsoft recognises a repeat.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::Tool;
use super::collection::{Field, Kind, read, shown, text};
use super::create_event::draft;
use super::error::ToolError;
use super::event::{CreateEvent, Draft, ends_too_early, instant, moment};
use super::plan::{Planned, Writing};
use super::{Finished, Found, Step, Surroundings, WriteIntent, mailbox_zone};
use crate::civil::{When, read as read_time, utc_text};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::zones::Zone;

const KNOWN: [&str; 9] = [
    "subject",
    "start",
    "end",
    "timeZone",
    "attendees",
    "optionalAttendees",
    "body",
    "standalone",
    "idempotencyKey",
];

pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Planned, ToolError> {
    let arguments = Arguments::of(Tool::CreateTeamsMeeting, values, &KNOWN)?;
    let is_standalone = arguments.flag("standalone")?.unwrap_or(false);
    around.require(if is_standalone { &["OnlineMeetings.ReadWrite"] } else { &["Calendars.ReadWrite"] })?;
    let draft = draft(&arguments, around, false, true)?;
    if !is_standalone {
        return CreateEvent::new(draft, around.request).map(Planned::write);
    }
    if draft.invited > 0 || draft.members.contains_key("body") {
        return Err(ToolError::argument(
            "A standalone meeting invites nobody and has no text. Leave `attendees`, `optionalAttendees` and \
             `body` out, or leave `standalone` out.",
        ));
    }
    CreateMeeting::new(draft, around.request).map(Planned::write)
}

/// The final word about a meeting whose fate Microsoft does not tell.
fn unknown() -> ToolError {
    let mut error = ToolError::outcome_unknown("creating this meeting", "at nothing");
    "The answer to creating this meeting was lost, and it could not be found out whether it took effect. Nobody was \
     invited and it is on no calendar, so it does no harm to create it again."
        .clone_into(&mut error.message);
    error
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    ReadZone {
        draft: Box<Draft>,
    },
    Create {
        body: String,
    },
    /// A crash left nothing to send.
    Lost,
}

/// A standalone meeting being created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMeeting {
    operation: RequestId,
    zone: Zone,
    stage: Stage,
}

impl CreateMeeting {
    fn new(draft: Draft, operation: RequestId) -> Result<Self, ToolError> {
        let (zone, stage) = match &draft.zone {
            Some(zone) => (zone.clone(), Stage::Create { body: written(&draft, zone, operation)? }),
            None => (Zone::utc(), Stage::ReadZone { draft: Box::new(draft) }),
        };
        Ok(Self { operation, zone, stage })
    }

    pub(super) fn recovered(operation: RequestId) -> Self {
        Self { operation, zone: Zone::utc(), stage: Stage::Lost }
    }

    fn created(&self, answer: &Answer) -> Finished {
        let meeting: Value = read(answer).unwrap_or_default();
        let fields: [Field; 2] = [("meetingId", "/id", Kind::Text), ("joinUrl", "/joinWebUrl", Kind::Text)];
        let mut out = shown(&meeting, &fields);
        out.insert("status".to_owned(), "created".into());
        out.insert("timeZone".to_owned(), self.zone.name().into());
        out.insert("invited".to_owned(), 0.into());
        for (name, pointer) in [("start", "/startDateTime"), ("end", "/endDateTime")] {
            if let Some(When::Instant(at)) = text(&meeting, pointer).and_then(read_time) {
                out.insert(name.to_owned(), moment(at, &self.zone));
            }
        }
        Finished::new(Value::Object(out))
    }
}

impl Writing for CreateMeeting {
    fn outcome_unknown(&self) -> ToolError {
        unknown()
    }

    fn call(&self) -> GraphCall {
        let body = match &self.stage {
            Stage::ReadZone { .. } => return mailbox_zone::call(),
            Stage::Create { body } => body.clone(),
            // Never sent, because a look ends as unknown before; and if it were, it would change nothing.
            Stage::Lost => return mailbox_zone::call(),
        };
        GraphCall::post_repeatable(Lane::Other, "/me/onlineMeetings/createOrGet".to_owned(), body)
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if let Stage::ReadZone { draft } = &self.stage {
            self.zone = mailbox_zone::answered(answer, draft.zones)?;
            self.stage = Stage::Create { body: written(draft, &self.zone, self.operation)? };
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(self.created(answer)))
    }

    /// Nothing has to be remembered before the meeting itself is on its way.
    fn intent(&self) -> Option<WriteIntent> {
        match self.stage {
            Stage::ReadZone { .. } => None,
            Stage::Create { .. } | Stage::Lost => Some(WriteIntent::CreateMeeting),
        }
    }

    fn look_into(&mut self) -> Found {
        self.look_again(true)
    }

    fn look_again(&mut self, still_wanted: bool) -> Found {
        match &self.stage {
            Stage::Create { .. } if still_wanted => Found::Look(self.call()),
            _ => Found::NeverKnown,
        }
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match answer.status {
            200..300 => Found::Happened(self.created(answer)),
            _ => Found::NeverKnown,
        }
    }
}

fn written(draft: &Draft, zone: &Zone, operation: RequestId) -> Result<String, ToolError> {
    let (start, end) = (instant(draft.start, zone)?, instant(draft.end, zone)?);
    if start >= end {
        return Err(ends_too_early());
    }
    let subject = draft.members.get("subject");
    let body = json!({
        "externalId": operation.to_string(),
        "subject": subject,
        "startDateTime": utc_text(start),
        "endDateTime": utc_text(end),
    });
    Ok(body.to_string())
}

#[cfg(test)]
mod tests;
