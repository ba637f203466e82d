//! `updateCalendarEvent`, `respondToEvent` and `cancelEvent`: an event that exists is changed, answered or called off.
//!
//! What holds here: the event is read first, and its version is remembered before the change leaves. After a lost answer
//! the event is read again: another version says that the change arrived, the same one that it did not. So nobody gets
//! the same invitation, answer or cancellation twice.

use serde_json::{Map, Value, json};

use super::WRITE;
use super::creation::date_time;
use super::edit::{self, Edits};
use super::event::{ends_too_early, times};
use super::ground::Ground;
use crate::civil::When;
use crate::graph::{IMMUTABLE_IDS, UTC_TIMES, query};
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::tools::arguments::Arguments;
use crate::tools::collection::{Field, Kind, list, read, shown, text};
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, Tool, WriteIntent};

const COMMENT_BYTES_MAX: usize = 8 * 1024;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
enum What {
    Update(Box<Edits>),
    Respond {
        /// Graph's action, and what the result says.
        action: &'static str,
        status: &'static str,
        comment: Option<String>,
        is_sent: bool,
        proposed: Option<(When, When)>,
    },
    Cancel {
        comment: Option<String>,
    },
    /// A crash left nothing but the memory that there was something.
    Forgotten,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// The zone has to be asked for, then the event.
    Prepare,
    Write,
    /// The event is read again after a lost answer.
    Look,
}

/// A change of an event at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// The event as it was named, and as a segment.
    event: (String, String),
    ground: Option<Ground>,
    what: What,
    stage: Stage,
    /// The call that changes it, once the event was read.
    write: Option<(Method, &'static str, Option<String>)>,
    /// What the event was when it was read.
    version: String,
    /// Whether the event is gone from the calendar afterwards.
    ends: bool,
    /// Whether an answer to the change was lost.
    was_lost: bool,
}

pub(super) fn update(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Change, ToolError> {
    let known: Vec<&str> = Edits::KNOWN.into_iter().filter(|name| !name.starts_with("calendar")).collect();
    let arguments = Arguments::of(Tool::UpdateCalendarEvent, values, &known)?;
    let edits = Edits::read(&arguments)?;
    let needs_zone = edits.moves();
    Change::new(&arguments, around, needs_zone, What::Update(Box::new(edits)))
}

pub(super) fn respond(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Change, ToolError> {
    let known = [
        "id",
        "response",
        "comment",
        "sendResponse",
        "proposedStart",
        "proposedEnd",
        "timeZone",
        "idempotencyKey",
    ];
    let arguments = Arguments::of(Tool::RespondToEvent, values, &known)?;
    let responses = [
        ("accept", Some(("accept", "accepted"))),
        ("tentative", Some(("tentativelyAccept", "tentativelyAccepted"))),
        ("decline", Some(("decline", "declined"))),
    ];
    let Some((action, status)) = arguments.choice("response", &responses, None)? else {
        return Err(arguments.must_be("response", "one of: accept, tentative, decline"));
    };
    let comment = arguments.optional_text("comment", COMMENT_BYTES_MAX)?.map(str::to_owned);
    let is_sent = arguments.flag("sendResponse")?.unwrap_or(true);
    if comment.is_some() && !is_sent {
        return Err(
            arguments.must_be("comment", "left out where `sendResponse` is false: nobody would read it")
        );
    }
    let proposed = match (arguments.when("proposedStart")?, arguments.when("proposedEnd")?) {
        (None, None) => None,
        (Some(start), Some(end)) if action != "accept" && is_sent => Some((start, end)),
        _ => {
            return Err(arguments.must_be(
                "proposedStart",
                "given together with `proposedEnd`, to tentative or decline, and be sent",
            ));
        }
    };
    let is_instant = |when: When| matches!(when, When::Instant(_));
    let needs_zone = proposed.is_some_and(|(start, end)| !is_instant(start) || !is_instant(end));
    Change::new(&arguments, around, needs_zone, What::Respond { action, status, comment, is_sent, proposed })
}

pub(super) fn cancel(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Change, ToolError> {
    let arguments = Arguments::of(Tool::CancelEvent, values, &["id", "comment", "idempotencyKey"])?;
    let comment = arguments.optional_text("comment", COMMENT_BYTES_MAX)?.map(str::to_owned);
    Change::new(&arguments, around, false, What::Cancel { comment })
}

impl Change {
    fn new(
        arguments: &Arguments<'_>,
        around: Surroundings<'_>,
        needs_zone: bool,
        what: What,
    ) -> Result<Self, ToolError> {
        around.require(&WRITE)?;
        arguments.check_idempotency_key()?;
        let id = arguments.required_identifier("id")?;
        let named = arguments.text("id", 1_024)?.to_owned();
        // Without times nobody needs the mailbox's zone to understand or to show anything.
        let shows_times = matches!(what, What::Update(_));
        let ground =
            if needs_zone || shows_times { Some(Ground::read(arguments, around, needs_zone)?) } else { None };
        Ok(Self {
            event: (named, id),
            ground,
            what,
            stage: Stage::Prepare,
            write: None,
            version: String::new(),
            ends: false,
            was_lost: false,
        })
    }

    pub(super) fn recovered(event: String, version: String, ends: bool) -> Self {
        Self {
            event: (event.clone(), event),
            ground: None,
            what: What::Forgotten,
            stage: Stage::Look,
            write: None,
            version,
            ends,
            was_lost: true,
        }
    }

    /// Decides what leaves, once the event is known.
    fn decide(&mut self, found: &Value) -> Result<(), ToolError> {
        text(found, "/changeKey").unwrap_or_default().clone_into(&mut self.version);
        let is_organizer = found["isOrganizer"] != Value::Bool(false);
        let is_meeting = !list(found, "/attendees").is_empty();
        let body = |comment: &Option<String>| json!({ "comment": comment.as_deref().unwrap_or_default() });
        self.write = Some(match &self.what {
            What::Update(edits) => {
                let ground = self.ground.as_ref().ok_or_else(ToolError::interrupted)?;
                (Method::Patch, "", Some(edits.written(found, ground)?.to_string()))
            }
            What::Respond { .. } if is_organizer => {
                return Err(refused(
                    "This event has no organiser but this person, who has nothing to answer. Use \
                                    updateCalendarEvent or cancelEvent.",
                ));
            }
            What::Respond { action, comment, is_sent, proposed, .. } => {
                let mut members = Map::from_iter([("sendResponse".to_owned(), (*is_sent).into())]);
                if let Some(comment) = comment {
                    members.insert("comment".to_owned(), comment.as_str().into());
                }
                if let Some((start, end)) = proposed {
                    members.insert("proposedNewTime".to_owned(), self.slot(*start, *end)?);
                }
                self.ends = *action == "decline";
                (Method::Post, action_path(action), Some(Value::Object(members).to_string()))
            }
            What::Cancel { .. } if !is_organizer => {
                return Err(refused(
                    "Only its organiser can cancel this event. Use respondToEvent to decline it.",
                ));
            }
            What::Cancel { comment } if is_meeting => {
                self.ends = true;
                (Method::Post, "/cancel", Some(body(comment).to_string()))
            }
            What::Cancel { comment: Some(_) } => {
                return Err(ToolError::argument(
                    "Nobody is invited to this event, so that nobody would read `comment`. Leave it out.",
                ));
            }
            // It goes to Deleted Items, where it can be taken back from.
            What::Cancel { comment: None } => {
                self.ends = true;
                (Method::Delete, "", None)
            }
            What::Forgotten => return Err(ToolError::interrupted()),
        });
        self.stage = Stage::Write;
        Ok(())
    }

    fn slot(&self, start: When, end: When) -> Result<Value, ToolError> {
        let zone = self.ground.as_ref().map(Ground::zone).unwrap_or_else(crate::zones::Zone::utc);
        if super::instant(start, &zone)? >= super::instant(end, &zone)? {
            return Err(ends_too_early());
        }
        Ok(json!({"start": date_time(start, &zone, false), "end": date_time(end, &zone, false)}))
    }

    fn finished(&self, answer: &Value) -> Finished {
        let mut out = Map::from_iter([("eventId".to_owned(), self.event.0.as_str().into())]);
        let status = match &self.what {
            What::Update(_) => "updated",
            What::Respond { status, .. } => status,
            What::Cancel { .. } if matches!(self.write, Some((Method::Delete, ..))) => "deleted",
            What::Cancel { .. } => "cancelled",
            What::Forgotten => "done",
        };
        out.insert("status".to_owned(), status.into());
        if let Some(ground) = &self.ground
            && let Some(times) = times(answer, &ground.zone())
        {
            let fields: [Field; 2] =
                [("joinUrl", "/onlineMeeting/joinUrl", Kind::Text), ("webLink", "/webLink", Kind::Text)];
            out.extend(shown(answer, &fields));
            out.insert("start".to_owned(), times.start);
            out.insert("end".to_owned(), times.end);
            out.insert("timeZone".to_owned(), ground.zone().name().into());
        }
        Finished::new(Value::Object(out))
    }
}

fn refused(message: &str) -> ToolError {
    ToolError::new(Fault::Caller, "not_organizer", message)
}

fn action_path(action: &str) -> &'static str {
    match action {
        "accept" => "/accept",
        "decline" => "/decline",
        _ => "/tentativelyAccept",
    }
}

impl Writing for Change {
    fn call(&self) -> GraphCall {
        let event = format!("/me/events/{}", self.event.1);
        let get = |fields: &str| {
            GraphCall::get(Lane::Mailbox, format!("{event}{}", query(&[("$select", fields)])))
                .preferring(&[IMMUTABLE_IDS, UTC_TIMES])
        };
        match (&self.stage, &self.write) {
            (Stage::Write, Some((method, action, body))) => {
                let call = GraphCall::post(Lane::Mailbox, format!("{event}{action}"), body.clone());
                GraphCall { method: *method, ..call }.preferring(&[IMMUTABLE_IDS, UTC_TIMES])
            }
            (Stage::Look, _) => get("id,changeKey,start,end,isAllDay,onlineMeeting,webLink"),
            _ => self.ground.as_ref().and_then(Ground::call).unwrap_or_else(|| get(edit::FIELDS)),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.stage != Stage::Prepare {
            return Ok(Step::Done(self.finished(&read(answer).unwrap_or_default())));
        }
        match self.ground.as_mut().filter(|ground| ground.call().is_some()) {
            Some(ground) => ground.answered(answer)?,
            None => self.decide(&read(answer)?)?,
        }
        Ok(Step::Call(self.call()))
    }

    fn intent(&self) -> Option<WriteIntent> {
        let (event, version) = (self.event.1.clone(), self.version.clone());
        (self.stage != Stage::Prepare).then_some(WriteIntent::ChangeEvent { event, version, ends: self.ends })
    }

    fn held_bytes(&self) -> usize {
        let sent = self.write.as_ref().and_then(|(_, _, body)| body.as_ref()).map_or(0, String::len);
        match &self.what {
            What::Update(edits) => sent.max(edits.held_bytes()),
            _ => sent,
        }
    }

    fn look_into(&mut self) -> Found {
        (self.stage, self.was_lost) = (Stage::Look, true);
        Found::Look(self.call())
    }

    fn look_again(&mut self, _still_wanted: bool) -> Found {
        self.look_into()
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match answer.status {
            200 => {
                let found: Value = read(answer).unwrap_or_default();
                match text(&found, "/changeKey") {
                    Some(version) if self.version.is_empty() || version.is_empty() => Found::NeverKnown,
                    Some(version) if version != self.version => Found::Happened(self.finished(&found)),
                    Some(_) if self.what == What::Forgotten => Found::DidNotHappen(ToolError::interrupted()),
                    Some(_) => {
                        self.stage = Stage::Write;
                        Found::Resume(self.call())
                    }
                    None => Found::NotYetKnown,
                }
            }
            404 if self.ends => Found::Happened(self.finished(&Value::Null)),
            // Whether it was changed before it was deleted by somebody else is not known any more.
            404 | 400 | 403 => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    /// Gone is what it was to be, if an earlier answer was lost.
    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        let is_done = self.was_lost && self.ends && self.stage == Stage::Write && refusal.status == 404;
        is_done.then(|| Step::Done(self.finished(&Value::Null)))
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("changing this event", "into the calendar")
    }
}

#[cfg(test)]
mod tests;
