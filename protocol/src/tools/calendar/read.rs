//! `readEvent`: one event with its text, everybody who is invited and how it repeats.
//!
//! What holds here: the text is what a person would see of it; one that does not fit goes on where it was cut.

use compute::json;
use serde_json::{Map, Value, json};

use super::ground::Ground;
use super::{BY_ORGANISERS, event, recurrence};
use crate::graph::{IMMUTABLE_IDS, UTC_TIMES, query};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::{Budget, fitting};
use crate::tools::catalogue::{CALENDARS_READ, Tool};
use crate::tools::collection::{Field, Kind, list, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::mail::body;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const MORE_FIELDS: &str = "type,isOrganizer,importance,sensitivity,categories,webLink,hasAttachments,recurrence,\
                           isReminderOn,reminderMinutesBeforeStart,allowNewTimeProposals,body";

const SHOWN: [Field; 6] = [
    ("type", "/type", Kind::Text),
    ("isOrganizer", "/isOrganizer", Kind::Flag),
    ("sensitivity", "/sensitivity", Kind::Text),
    ("importance", "/importance", Kind::Text),
    ("hasAttachments", "/hasAttachments", Kind::Flag),
    ("webLink", "/webLink", Kind::Text),
];

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadEvent {
    id: String,
    ground: Ground,
    budget: Budget,
}

impl ReadEvent {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ReadEvent, values, &["id", "timeZone", "maxTokens", "cursor"])?;
        around.require(&CALENDARS_READ)?;
        Ok(Self {
            id: arguments.required_identifier("id")?,
            ground: Ground::read(&arguments, around, false)?,
            budget: Budget::read(&arguments, around)?,
        })
    }

    /// The event without its text.
    fn envelope(&self, found: &Value) -> Map<String, Value> {
        let zone = self.ground.zone();
        let Some(Value::Object(mut out)) =
            event::times(found, &zone).map(|times| event::summary(found, times))
        else {
            return Map::new();
        };
        out.extend(shown(found, &SHOWN));
        // What is as usual need not be said.
        for (name, usual) in [("sensitivity", "normal"), ("importance", "normal"), ("type", "singleInstance")]
        {
            out.retain(|member, value| member != name || value.as_str() != Some(usual));
        }
        let attendees: Vec<Value> = list(found, "/attendees").iter().filter_map(event::attendee).collect();
        if !attendees.is_empty() {
            out.insert("attendees".to_owned(), attendees.into());
        }
        let categories: Vec<&str> = list(found, "/categories").iter().filter_map(Value::as_str).collect();
        if !categories.is_empty() {
            out.insert("categories".to_owned(), categories.into());
        }
        if found["isReminderOn"] == Value::Bool(true)
            && let Some(minutes) = found.get("reminderMinutesBeforeStart").and_then(Value::as_u64)
        {
            out.insert("reminderMinutes".to_owned(), minutes.into());
        }
        if let Some(recurrence) = found.get("recurrence").and_then(recurrence::shown) {
            out.insert("recurrence".to_owned(), recurrence);
        }
        out
    }
}

impl Reading for ReadEvent {
    fn call(&self) -> GraphCall {
        self.ground.call().unwrap_or_else(|| {
            let parameters = query(&[("$select", &format!("{},{MORE_FIELDS}", event::FIELDS))]);
            // The text comes as it is: Exchange's own conversion to text keeps what is hidden.
            GraphCall::get(Lane::Mailbox, format!("/me/events/{}{parameters}", self.id))
                .preferring(&[IMMUTABLE_IDS, UTC_TIMES])
        })
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.ground.call().is_some() {
            self.ground.answered(answer)?;
            return Ok(Step::Call(self.call()));
        }
        let found: Value = read(answer)?;
        let mut out = self.envelope(&found);
        let mut goes_on = None;
        if text(&found, "/body/content").is_some() {
            let (whole, _) = body(&found, true);
            let from = usize::try_from(self.budget.from.offset).unwrap_or(usize::MAX);
            let rest = whole.get(from..).unwrap_or_default();
            let frame = json::members_bytes(&out);
            let part = fitting(rest, self.budget.left().saturating_sub(frame));
            if part.len() < rest.len() {
                let offset = u64::try_from(from + part.len()).unwrap_or_default();
                goes_on = Some(self.budget.goes_on("", offset));
            }
            out.insert("body".to_owned(), part.into());
        }
        let structured = json!({"timeZone": self.ground.zone().name(), "event": out});
        Ok(Step::Done(Finished::from_outside(structured, BY_ORGANISERS).going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Continuation;
    use crate::tools::testing::{answer, around, assert_conforms, with_granted};

    fn event() -> Value {
        json!({
            "id": "E=", "subject": "Plan", "isAllDay": false, "type": "seriesMaster", "isOrganizer": false,
            "start": {"dateTime": "2026-10-24T07:00:00.0000000", "timeZone": "UTC"},
            "end": {"dateTime": "2026-10-25T01:30:00.0000000", "timeZone": "UTC"},
            "organizer": {"emailAddress": {"name": "A", "address": "a@x.example"}},
            "attendees": [
                {"emailAddress": {"address": "b@x.example"}, "type": "required", "status": {"response": "accepted"}},
                {"emailAddress": {"address": "room@x.example"}, "type": "resource", "status": {"response": "none"}},
            ],
            "recurrence": {"pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["saturday"]},
                           "range": {"type": "numbered", "numberOfOccurrences": 3, "startDate": "2026-10-24"}},
            "importance": "high", "sensitivity": "normal", "categories": ["Red"], "webLink": "https://x.example/",
            "isReminderOn": true, "reminderMinutesBeforeStart": 15,
            "body": {"contentType": "html", "content": "<p>Agenda</p><p style='display:none'>Obey</p>"},
        })
    }

    #[test]
    fn an_event_is_shown_whole_and_in_both_zones_across_a_change_of_the_clocks() {
        let mut plan = with_granted(&["Calendars.Read"], |around| {
            let arguments = json!({"id": "E=", "timeZone": "Europe/Zurich"});
            ReadEvent::new(arguments.as_object().unwrap(), around).unwrap()
        });
        let call = plan.call();
        assert!(call.path.starts_with("/me/events/E=?$select=id%2Csubject%2C"), "{}", call.path);
        assert!(call.path.ends_with("%2Cbody"));
        let Step::Done(done) = plan.answered(&answer(200, &event())).unwrap() else { panic!() };
        let shown = &done.structured["event"];
        assert_eq!(
            shown["start"],
            json!({"local": "2026-10-24T09:00:00+02:00", "utc": "2026-10-24T07:00:00Z"})
        );
        assert_eq!(
            shown["end"],
            json!({"local": "2026-10-25T02:30:00+01:00", "utc": "2026-10-25T01:30:00Z"})
        );
        assert_eq!(shown["body"], "Agenda");
        assert_eq!(
            shown["recurrence"],
            json!({"type": "weekly", "interval": 1, "daysOfWeek": ["saturday"], "count": 3})
        );
        assert_eq!(
            shown["attendees"],
            json!([{"address": "b@x.example", "response": "accepted"},
                   {"address": "room@x.example", "response": "none", "type": "resource"}])
        );
        assert_eq!((&shown["reminderMinutes"], shown.get("sensitivity")), (&json!(15), None));
        assert_conforms(Tool::ReadEvent, &done);
    }

    #[test]
    fn a_long_text_goes_on_where_it_was_cut() {
        let granted = ["Calendars.Read".to_owned()];
        let mut long = event();
        let whole: String = (0..600).map(|line| format!("line {line}\n")).collect();
        long["body"] = json!({"contentType": "text", "content": whole});
        let (mut seen, mut resume): (String, Option<Continuation>) = (String::new(), None);
        for answers in 1.. {
            let around = Surroundings { resume: resume.as_ref(), ..around(&granted) };
            let arguments = json!({"id": "E=", "timeZone": "UTC", "maxTokens": 500});
            let mut plan = ReadEvent::new(arguments.as_object().unwrap(), around).unwrap();
            let Step::Done(done) = plan.answered(&answer(200, &long)).unwrap() else { panic!() };
            assert!(done.text().len() <= 500 * 4, "{}", done.text().len());
            seen.push_str(done.structured["event"]["body"].as_str().unwrap());
            resume = done.goes_on;
            if resume.is_none() {
                break;
            }
            assert!(answers < 30, "it does not end");
        }
        assert_eq!(seen, whole);
    }
}
