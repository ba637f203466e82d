//! What changes of events must send and refuse, and that a lost answer never brings anything about twice.

use super::*;
use crate::outbound::Safety;
use crate::tools::testing::{answer, assert_conforms, body_of, operation, with_granted};
use crate::tools::{Plan, Tool};

const GRANTED: [&str; 2] = ["Calendars.ReadWrite", "MailboxSettings.Read"];

fn planned(tool: Tool, arguments: Value) -> Result<Change, ToolError> {
    with_granted(&GRANTED, |around| {
        let values = arguments.as_object().unwrap();
        match tool {
            Tool::RespondToEvent => respond(values, around),
            Tool::CancelEvent => cancel(values, around),
            _ => update(values, around),
        }
    })
}

/// An event of the person's own: Thursday evening before the clocks change in Zurich on the twenty-ninth of March.
fn event() -> Value {
    json!({
        "id": "E=", "changeKey": "v1", "isOrganizer": true, "isAllDay": false, "type": "singleInstance",
        "isOnlineMeeting": false,
        "start": {"dateTime": "2026-03-26T17:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-26T18:30:00.0000000", "timeZone": "UTC"},
        "attendees": [{"emailAddress": {"name": "A", "address": "a@x.example"}, "type": "required",
                       "status": {"response": "accepted"}}],
        "body": {"contentType": "html", "content": "<p>Old</p>"},
    })
}

fn with(more: Value) -> Value {
    let mut event = event();
    for (name, value) in more.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

/// The call that changes an event as it was read.
fn change(tool: Tool, arguments: Value, found: &Value) -> Result<(Change, GraphCall), ToolError> {
    let mut plan = planned(tool, arguments)?;
    if plan.call().path.starts_with("/me/mailboxSettings") {
        plan.answered(&answer(200, &json!({"timeZone": "Europe/Zurich"})))?;
    }
    assert_eq!((plan.call().safety, plan.intent()), (Safety::Read, None));
    assert!(plan.call().path.starts_with("/me/events/E=?$select=id%2CchangeKey%2C"), "{}", plan.call().path);
    match plan.answered(&answer(200, found))? {
        Step::Call(call) => Ok((plan, call)),
        Step::Done(done) => panic!("{done:?}"),
    }
}

fn patched(arguments: Value, found: &Value) -> Result<Value, ToolError> {
    let (_, call) = change(Tool::UpdateCalendarEvent, arguments, found)?;
    assert_eq!(
        (call.method, call.path.as_str(), call.safety),
        (Method::Patch, "/me/events/E=", Safety::Write)
    );
    Ok(body_of(&call))
}

#[test]
fn only_what_was_given_is_set() {
    assert_eq!(patched(json!({"id": "E=", "subject": "New"}), &event()).unwrap(), json!({"subject": "New"}));
    let many = json!({"id": "E=", "location": "Here", "showAs": "free", "reminderMinutes": 5, "body": "Text",
                      "isOnlineMeeting": true});
    assert_eq!(
        patched(many, &event()).unwrap(),
        json!({"location": {"displayName": "Here"}, "showAs": "free", "isReminderOn": true,
               "reminderMinutesBeforeStart": 5, "body": {"contentType": "text", "content": "Text"},
               "isOnlineMeeting": true, "onlineMeetingProvider": "teamsForBusiness"})
    );
}

#[test]
fn a_new_beginning_keeps_the_length_and_a_series_keeps_its_hour() {
    let moved = json!({"id": "E=", "start": "2026-03-29T01:00", "timeZone": "Europe/Zurich"});
    let body = patched(moved.clone(), &event()).unwrap();
    assert_eq!(body["start"], json!({"dateTime": "2026-03-29T01:00:00", "timeZone": "Europe/Zurich"}));
    // Ninety minutes later is a quarter to four on the clock, because an hour is skipped.
    assert_eq!(body["end"], json!({"dateTime": "2026-03-29T01:30:00", "timeZone": "UTC"}));
    let series = patched(moved, &with(json!({"type": "seriesMaster"}))).unwrap();
    assert_eq!(series["end"], json!({"dateTime": "2026-03-29T03:30:00", "timeZone": "Europe/Zurich"}));
    let longer =
        patched(json!({"id": "E=", "end": "2026-03-26T20:00", "timeZone": "Europe/Zurich"}), &event());
    assert_eq!(longer.unwrap()["start"], json!({"dateTime": "2026-03-26T17:00:00", "timeZone": "UTC"}));
}

#[test]
fn whole_days_are_moved_as_days() {
    let days = with(json!({
        "isAllDay": true, "start": {"dateTime": "2026-03-28T00:00:00", "timeZone": "UTC"},
        "end": {"dateTime": "2026-03-30T00:00:00", "timeZone": "UTC"},
    }));
    let body =
        patched(json!({"id": "E=", "start": "2026-10-25", "timeZone": "Europe/Zurich"}), &days).unwrap();
    assert_eq!(
        (&body["start"]["dateTime"], &body["end"]["dateTime"], &body["isAllDay"]),
        (&json!("2026-10-25T00:00:00"), &json!("2026-10-27T00:00:00"), &json!(true))
    );
    let timed = json!({"id": "E=", "isAllDay": false, "start": "2026-10-25T10:00", "timeZone": "UTC"});
    assert!(patched(timed, &days).unwrap_err().message.contains("`start` and `end`"));
    let whole = json!({"id": "E=", "isAllDay": true, "start": "2026-10-25", "timeZone": "UTC"});
    assert_eq!(patched(whole, &event()).unwrap()["end"]["dateTime"], "2026-10-26T00:00:00");
}

#[test]
fn a_recurrence_begins_on_the_day_of_the_event() {
    let weekly =
        json!({"id": "E=", "recurrence": {"type": "weekly", "count": 3}, "timeZone": "Europe/Zurich"});
    let body = patched(weekly, &event()).unwrap();
    assert_eq!(body["recurrence"]["range"]["startDate"], "2026-03-26");
    assert_eq!(body["recurrence"]["pattern"]["daysOfWeek"], json!(["thursday"]));
    assert!(body.get("start").is_none());
}

#[test]
fn people_are_added_and_taken_away_one_by_one() {
    let arguments = json!({"id": "E=", "addAttendees": ["b@x.example"], "addOptionalAttendees": ["A@x.example"],
                           "addRooms": ["room@x.example"]});
    let body = patched(arguments, &event()).unwrap();
    assert_eq!(
        body["attendees"],
        json!([{"emailAddress": {"address": "b@x.example"}, "type": "required"},
               {"emailAddress": {"address": "A@x.example"}, "type": "optional"},
               {"emailAddress": {"address": "room@x.example"}, "type": "resource"}])
    );
    assert_eq!(body["location"]["locationEmailAddress"], "room@x.example");
    let kept = patched(json!({"id": "E=", "addAttendees": ["b@x.example"]}), &event()).unwrap();
    assert_eq!(kept["attendees"][0]["emailAddress"]["address"], "a@x.example");
    let gone = patched(json!({"id": "E=", "removeAttendees": ["A@X.example"]}), &event()).unwrap();
    assert_eq!(gone["attendees"], json!([]));
    let nobody = patched(json!({"id": "E=", "removeAttendees": ["c@x.example"]}), &event()).unwrap_err();
    assert!(nobody.message.contains("not invited"), "{nobody}");
}

#[test]
fn the_part_by_which_people_join_stays() {
    let ruler = "_".repeat(80);
    let old = format!("<p>Old</p><div>{ruler}<a href=\"https://teams/j\">Join</a></div>");
    let online = with(json!({"isOnlineMeeting": true, "body": {"contentType": "html", "content": old}}));
    let body = patched(json!({"id": "E=", "body": "a < b\nc"}), &online).unwrap();
    let content = body["body"]["content"].as_str().unwrap();
    assert!(content.starts_with("<div>a &lt; b<br>c</div><br>____"), "{content}");
    assert!(content.contains("https://teams/j") && !content.contains("Old"), "{content}");
}

#[test]
fn an_answer_goes_to_the_organiser_with_comment_and_proposal() {
    let invited = with(json!({"isOrganizer": false}));
    let (mut plan, call) =
        change(Tool::RespondToEvent, json!({"id": "E=", "response": "accept", "comment": "Yes"}), &invited)
            .unwrap();
    assert_eq!((call.path.as_str(), call.safety), ("/me/events/E=/accept", Safety::Write));
    assert_eq!(body_of(&call), json!({"sendResponse": true, "comment": "Yes"}));
    let Step::Done(done) = plan.answered(&answer(202, &Value::Null)).unwrap() else { panic!() };
    assert_eq!(done.structured, json!({"status": "accepted", "eventId": "E="}));
    assert_conforms(Tool::RespondToEvent, &done);
    let proposal = json!({"id": "E=", "response": "tentative", "proposedStart": "2026-03-27T10:00",
                          "proposedEnd": "2026-03-27T11:00", "timeZone": "Europe/Zurich"});
    let (_, call) = change(Tool::RespondToEvent, proposal, &invited).unwrap();
    assert_eq!(call.path, "/me/events/E=/tentativelyAccept");
    let slot = &body_of(&call)["proposedNewTime"];
    assert_eq!(slot["start"], json!({"dateTime": "2026-03-27T10:00:00", "timeZone": "Europe/Zurich"}));
    let own = change(Tool::RespondToEvent, json!({"id": "E=", "response": "accept"}), &event()).unwrap_err();
    assert_eq!(own.code, "not_organizer");
}

#[test]
fn a_meeting_is_cancelled_and_what_nobody_is_invited_to_is_put_away() {
    let (mut plan, call) =
        change(Tool::CancelEvent, json!({"id": "E=", "comment": "Ill"}), &event()).unwrap();
    assert_eq!((call.method, call.path.as_str()), (Method::Post, "/me/events/E=/cancel"));
    assert_eq!(body_of(&call), json!({"comment": "Ill"}));
    let Step::Done(done) = plan.answered(&answer(202, &Value::Null)).unwrap() else { panic!() };
    assert_eq!(done.structured["status"], "cancelled");
    assert_conforms(Tool::CancelEvent, &done);
    let alone = with(json!({"attendees": []}));
    let (mut plan, call) = change(Tool::CancelEvent, json!({"id": "E="}), &alone).unwrap();
    assert_eq!((call.method, call.path.as_str(), call.body), (Method::Delete, "/me/events/E=", None));
    let Step::Done(done) = plan.answered(&answer(204, &Value::Null)).unwrap() else { panic!() };
    assert_eq!(done.structured["status"], "deleted");
    assert!(change(Tool::CancelEvent, json!({"id": "E=", "comment": "x"}), &alone).is_err());
    let others = with(json!({"isOrganizer": false}));
    let error = change(Tool::CancelEvent, json!({"id": "E="}), &others).unwrap_err();
    assert!(error.message.contains("respondToEvent"), "{error}");
}

#[test]
fn another_version_says_that_the_change_arrived() {
    let (mut plan, write) =
        change(Tool::UpdateCalendarEvent, json!({"id": "E=", "subject": "New", "timeZone": "UTC"}), &event())
            .unwrap();
    let intent = plan.intent();
    assert_eq!(
        intent,
        Some(WriteIntent::ChangeEvent { event: "E=".into(), version: "v1".into(), ends: false })
    );
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert!(look.safety == Safety::Read && look.path.contains("changeKey"), "{}", look.path);
    assert_eq!(plan.clone().looked(&answer(200, &event())), Found::Resume(write));
    assert_eq!(plan.clone().looked(&answer(503, &Value::Null)), Found::NotYetKnown);
    assert_eq!(plan.clone().looked(&answer(404, &Value::Null)), Found::NeverKnown);
    let Found::Happened(done) = plan.looked(&answer(200, &with(json!({"changeKey": "v2"})))) else {
        panic!()
    };
    assert_eq!(done.structured["start"]["utc"], "2026-03-26T17:00:00Z");
    assert_conforms(Tool::UpdateCalendarEvent, &done);
}

#[test]
fn what_is_called_off_is_gone_however_often_it_is_looked_for() {
    let (mut plan, write) = change(Tool::CancelEvent, json!({"id": "E="}), &event()).unwrap();
    assert_eq!(plan.took_refusal(&answer(404, &Value::Null)), None);
    plan.look_into();
    assert!(matches!(plan.clone().looked(&answer(404, &Value::Null)), Found::Happened(_)));
    assert_eq!(plan.looked(&answer(200, &event())), Found::Resume(write));
    // It arrived after all, between the look and the second attempt.
    assert!(matches!(plan.took_refusal(&answer(404, &Value::Null)), Some(Step::Done(_))));
}

#[test]
fn after_a_crash_it_is_only_looked_for() {
    let recovered = |ends: bool| {
        let intent = WriteIntent::ChangeEvent { event: "E=".into(), version: "v1".into(), ends };
        let mut plan = Plan::recovered(intent, operation()).unwrap();
        let Found::Look(look) = plan.look_into() else { panic!() };
        assert_eq!(look.safety, Safety::Read);
        plan
    };
    let Found::DidNotHappen(error) = recovered(true).looked(&answer(200, &event())) else { panic!() };
    assert_eq!(error.code, "interrupted");
    let changed = with(json!({"changeKey": "v2"}));
    assert!(matches!(recovered(false).looked(&answer(200, &changed)), Found::Happened(_)));
    let Found::Happened(done) = recovered(true).looked(&answer(404, &Value::Null)) else { panic!() };
    for tool in [Tool::UpdateCalendarEvent, Tool::RespondToEvent, Tool::CancelEvent] {
        assert_conforms(tool, &done);
    }
    assert_eq!(recovered(false).looked(&answer(404, &Value::Null)), Found::NeverKnown);
    assert_eq!(recovered(false).outcome_unknown().code, "outcome_unknown");
}

#[test]
fn somebody_who_is_invited_may_change_only_what_is_their_own() {
    let invited = with(json!({"isOrganizer": false}));
    let own = patched(json!({"id": "E=", "showAs": "free", "reminderMinutes": 0}), &invited).unwrap();
    assert_eq!(own["showAs"], "free");
    for more in [
        json!({"subject": "x"}),
        json!({"start": "2026-03-26T10:00Z"}),
        json!({"removeAttendees": ["a@x.example"]}),
    ] {
        let mut arguments = json!({"id": "E="});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(patched(arguments, &invited).unwrap_err().code, "not_organizer");
    }
}

#[test]
fn what_does_not_belong_together_is_refused() {
    use Tool::{CancelEvent, RespondToEvent, UpdateCalendarEvent};
    for (tool, arguments, expected) in [
        (UpdateCalendarEvent, json!({"id": "E="}), "at least one"),
        (UpdateCalendarEvent, json!({"subject": "x"}), "`id`"),
        (UpdateCalendarEvent, json!({"id": "../x", "subject": "x"}), "`id`"),
        (UpdateCalendarEvent, json!({"id": "E=", "showAs": "gone"}), "`showAs`"),
        (UpdateCalendarEvent, json!({"id": "E=", "calendarId": "C="}), "no argument"),
        (RespondToEvent, json!({"id": "E="}), "`response`"),
        (
            RespondToEvent,
            json!({"id": "E=", "response": "decline", "comment": "x", "sendResponse": false}),
            "`comment`",
        ),
        (
            RespondToEvent,
            json!({"id": "E=", "response": "accept", "proposedStart": "2026-01-01T10:00Z",
            "proposedEnd": "2026-01-01T11:00Z"}),
            "`proposedStart`",
        ),
        (
            RespondToEvent,
            json!({"id": "E=", "response": "decline", "proposedEnd": "2026-01-01T11:00Z"}),
            "`proposedStart`",
        ),
        (CancelEvent, json!({"id": "E=", "comment": 5}), "`comment`"),
    ] {
        let error = planned(tool, arguments).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    let earlier = json!({"id": "E=", "end": "2026-03-26T10:00Z"});
    assert!(patched(earlier, &event()).unwrap_err().message.contains("later than"));
    let refused =
        with_granted(&["Calendars.Read"], |around| cancel(json!({"id": "E="}).as_object().unwrap(), around));
    assert!(refused.unwrap_err().message.contains("Calendars.ReadWrite "));
}
