//! `createTeamsMeeting`: a Teams meeting with a link to join.
//!
//! What holds here: by default it is an event, because people expect a meeting in the calendar and invitations to those
//! who take part. A standalone meeting is a link alone; it is created under an external identifier, by which
//! Microsoft recognises a repeat.

use serde_json::{Map, Value, json};

use crate::civil::{When, read as read_time, utc_text};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::calendar::{CreateEvent, Draft, draft, ends_too_early, instant, moment};
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::{Planned, Writing};
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent, mailbox_zone};
use crate::zones::Zone;

const KNOWN: [&str; 10] = [
    "subject",
    "start",
    "end",
    "timeZone",
    "attendees",
    "optionalAttendees",
    "body",
    "recurrence",
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
    if draft.invited > 0 || draft.members.contains_key("body") || draft.recurrence.is_some() {
        return Err(ToolError::argument(
            "A standalone meeting invites nobody, has no text and does not repeat. Leave `attendees`, \
             `optionalAttendees`, `body` and `recurrence` out, or leave `standalone` out.",
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
pub(super) struct CreateMeeting {
    operation: RequestId,
    zone: Zone,
    stage: Stage,
}

impl CreateMeeting {
    fn new(draft: Draft, operation: RequestId) -> Result<Self, ToolError> {
        let zone = draft.ground.zone();
        let stage = match draft.ground.call() {
            None => Stage::Create { body: written(&draft, &zone, operation)? },
            Some(_) => Stage::ReadZone { draft: Box::new(draft) },
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
        if let Stage::ReadZone { draft } = &mut self.stage {
            draft.ground.answered(answer)?;
            self.zone = draft.ground.zone();
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
    let (start, end) = (instant(draft.span.start, zone)?, instant(draft.span.end, zone)?);
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
