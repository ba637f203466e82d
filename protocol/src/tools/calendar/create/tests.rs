//! What `createCalendarEvent` must send, refuse, and find out about a lost answer.

use super::*;
use crate::outbound::{GraphCall, Safety};
use crate::tools::plan::Writing;
use crate::tools::testing::{answer, assert_conforms, body_of, operation, with_granted};
use crate::tools::{Fault, Found, Plan, Step, WriteIntent};

const GRANTED: [&str; 2] = ["Calendars.ReadWrite", "MailboxSettings.Read"];

fn plan_with(arguments: Value, granted: &[&str]) -> Result<CreateEvent, ToolError> {
    with_granted(granted, |around| new(arguments.as_object().unwrap(), around))
}

fn in_zurich(mut more: Value) -> Value {
    let all = json!({"subject": "Lunch", "start": "2026-03-29T12:00", "end": "2026-03-29T13:00",
                     "timeZone": "Europe/Zurich"});
    for (name, value) in all.as_object().unwrap() {
        more.as_object_mut().unwrap().entry(name.clone()).or_insert_with(|| value.clone());
    }
    more
}

fn plan(more: Value) -> CreateEvent {
    plan_with(in_zurich(more), &GRANTED).unwrap()
}

fn event() -> Value {
    json!({"id": "E=", "start": {"dateTime": "2026-03-29T10:00:00.0000000", "timeZone": "UTC"},
           "end": {"dateTime": "2026-03-29T11:00:00.0000000", "timeZone": "UTC"}, "isAllDay": false,
           "webLink": "https://outlook.office.com/x", "onlineMeeting": {"joinUrl": "https://teams/j"}})
}

fn looked_for(found: Found) -> GraphCall {
    match found {
        Found::Look(call) => call,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_event_is_one_post_under_the_operations_identifier() {
    let mut plan = plan(json!({"attendees": ["a@x.example"], "optionalAttendees": ["b@x.example"],
        "location": "Here", "body": "Hi", "isOnlineMeeting": true, "reminderMinutes": 0, "calendarId": "C="}));
    let call = plan.call();
    assert_eq!((call.path.as_str(), call.safety), ("/me/calendars/C=/events", Safety::Repeatable));
    assert_eq!(call.prefer, ["IdType=\"ImmutableId\"", "outlook.timezone=\"UTC\""]);
    let body = body_of(&call);
    assert_eq!(body["transactionId"], operation().to_string());
    assert_eq!(body["start"], json!({"dateTime": "2026-03-29T12:00:00", "timeZone": "Europe/Zurich"}));
    assert_eq!(body["attendees"][1], json!({"emailAddress": {"address": "b@x.example"}, "type": "optional"}));
    assert_eq!((&body["isReminderOn"], &body["reminderMinutesBeforeStart"]), (&json!(true), &json!(0)));
    assert_eq!(body["onlineMeetingProvider"], "teamsForBusiness");
    assert_eq!(plan.intent(), Some(WriteIntent::CreateEvent { calendar: Some("C=".into()) }));
    let Step::Done(done) = plan.answered(&answer(201, &event())).unwrap() else { panic!() };
    assert_eq!(
        done.structured,
        json!({"status": "created", "eventId": "E=", "joinUrl": "https://teams/j", "invited": 2,
               "webLink": "https://outlook.office.com/x", "timeZone": "Europe/Zurich",
               "start": {"local": "2026-03-29T12:00:00+02:00", "utc": "2026-03-29T10:00:00Z"},
               "end": {"local": "2026-03-29T13:00:00+02:00", "utc": "2026-03-29T11:00:00Z"}})
    );
    assert_conforms(Tool::CreateCalendarEvent, &done);
}

#[test]
fn without_a_zone_the_mailbox_is_asked_before_anything_is_written() {
    let mut plan = plan_with(in_zurich(json!({ "timeZone": null })), &GRANTED).unwrap();
    assert_eq!(plan.call().path, "/me/mailboxSettings?$select=timeZone");
    assert_eq!((plan.call().safety, plan.intent()), (Safety::Read, None));
    let settings = json!({"timeZone": "W. Europe Standard Time"});
    let Step::Call(create) = plan.answered(&answer(200, &settings)).unwrap() else { panic!() };
    assert_eq!(create.path, "/me/events");
    assert_eq!(body_of(&create)["start"]["timeZone"], "W. Europe Standard Time");
    let custom = json!({"timeZone": "tzone://Microsoft/Custom"});
    let mut other = plan_with(in_zurich(json!({ "timeZone": null })), &GRANTED).unwrap();
    assert_eq!(other.answered(&answer(200, &custom)).unwrap_err().code, "zone_unknown");
}

#[test]
fn times_with_an_offset_go_out_in_utc_and_whole_days_end_at_the_next_midnight() {
    let timed = plan(json!({"start": "2026-03-29T12:00-05:00", "end": "2026-03-29T19:30"}));
    let body = body_of(&timed.call());
    assert_eq!(body["start"], json!({"dateTime": "2026-03-29T17:00:00", "timeZone": "UTC"}));
    let days = plan(json!({"isAllDay": true, "start": "2026-03-29", "end": "2026-03-30"}));
    let body = body_of(&days.call());
    assert_eq!(body["start"]["dateTime"], "2026-03-29T00:00:00");
    assert_eq!(body["end"]["dateTime"], "2026-03-31T00:00:00");
}

#[test]
fn a_lost_answer_is_found_out_by_the_same_again_while_somebody_waits() {
    let mut plan = plan(json!({}));
    let first = plan.call();
    assert_eq!(looked_for(plan.look_into()), first);
    assert!(matches!(plan.clone().looked(&answer(201, &event())), Found::Happened(_)));
    assert_eq!(looked_for(plan.look_again(true)), first);
    let find = looked_for(plan.look_again(false));
    assert_eq!(find.safety, Safety::Read);
    assert!(find.path.starts_with("/me/events?$select=id%2Cstart"), "{}", find.path);
    assert!(find.path.contains(&operation().to_string()));
    assert_eq!(plan.looked(&answer(200, &json!({"value": []}))), Found::NotYetKnown);
    assert!(matches!(plan.looked(&answer(200, &json!({"value": [event()]}))), Found::Happened(_)));
    assert_eq!(plan.looked(&answer(403, &json!({}))), Found::NeverKnown);
}

#[test]
fn a_refused_repeat_proves_nothing_before_the_event_was_looked_for() {
    let refused = json!({"error": {"code": "ErrorAccessDenied", "message": "m"}});
    let mut denied = plan(json!({}));
    denied.look_into();
    assert_eq!(looked_for(denied.looked(&answer(403, &refused))).safety, Safety::Read);
    let Found::DidNotHappen(error) = denied.looked(&answer(200, &json!({"value": []}))) else { panic!() };
    assert_eq!(error.fault, Fault::Account);
    let mut duplicate = plan(json!({}));
    duplicate.look_into();
    looked_for(
        duplicate
            .looked(&answer(409, &json!({"error": {"code": "ErrorDuplicateTransactionId", "message": "m"}}))),
    );
    // It is there, whatever the look shows.
    for look in [answer(200, &json!({"value": []})), answer(400, &json!({}))] {
        let Found::Happened(done) = duplicate.clone().looked(&look) else { panic!() };
        assert_conforms(Tool::CreateCalendarEvent, &done);
    }
}

#[test]
fn after_a_crash_it_is_only_looked_for() {
    let mut plan =
        Plan::recovered(WriteIntent::CreateEvent { calendar: Some("C=".into()) }, operation()).unwrap();
    let look = looked_for(plan.look_into());
    assert!(look.path.starts_with("/me/calendars/C=/events?"), "{}", look.path);
    assert_eq!(looked_for(plan.look_again(true)).safety, Safety::Read);
    let Found::Happened(done) = plan.looked(&answer(200, &json!({"value": [event()]}))) else { panic!() };
    assert_conforms(Tool::CreateCalendarEvent, &done);
}

#[test]
fn bad_events_are_refused_with_a_sentence() {
    let cases = [
        (json!({"subject": null}), "`subject`"),
        (json!({"subject": "a\nb"}), "one line"),
        (json!({"end": null}), "`end`"),
        (json!({"end": "2026-03-29T11:59"}), "later than"),
        (json!({"end": "2026-03-29"}), "need a time"),
        (json!({"isAllDay": true}), "whole days"),
        (json!({"isAllDay": true, "start": "2026-03-29", "end": "2026-03-28"}), "later than"),
        (json!({"timeZone": "Mars/Olympus"}), "`timeZone`"),
        (json!({"timeZone": "UTC\"}, \"x\": {\""}), "`timeZone`"),
        (json!({"start": "tomorrow"}), "`start`"),
        (json!({"attendees": ["Bob <b@x.example>"]}), "not an email address"),
        (json!({"attendees": vec!["b@x.example"; 101]}), "At most 100"),
        (json!({"reminderMinutes": 40_321}), "`reminderMinutes`"),
        (json!({"recurrence": {}}), "`type`"),
        (json!({"recurrence": {"type": "daily", "until": "2026-03-28"}}), "`until`"),
        (json!({"showAs": "away"}), "`showAs`"),
        (json!({"calendar": "x", "calendarId": "C="}), "`calendar`"),
        (json!({"repeat": "daily"}), "no argument"),
    ];
    for (more, expected) in cases {
        let error = plan_with(in_zurich(more), &GRANTED).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.fault, Fault::Caller);
    }
    for calendar in ["x/../../users", "..", "a%2fb", "a?b", "a#b"] {
        let error = plan_with(in_zurich(json!({ "calendarId": calendar })), &GRANTED).unwrap_err();
        assert!(error.message.contains("`calendarId`"), "{error}");
    }
}

#[test]
fn the_missing_permission_is_named() {
    let error = plan_with(in_zurich(json!({})), &["Calendars.Read"]).unwrap_err();
    assert!(error.message.contains("Calendars.ReadWrite "), "{error}");
    let local = in_zurich(json!({ "timeZone": null }));
    let error = plan_with(local, &["Calendars.ReadWrite"]).unwrap_err();
    assert!(
        error.message.contains("MailboxSettings.Read ") && error.message.contains("`timeZone`"),
        "{error}"
    );
    let instants = json!({"timeZone": null, "start": "2026-01-01T10:00Z", "end": "2026-01-01T11:00Z"});
    assert!(plan_with(in_zurich(instants), &["Calendars.ReadWrite"]).is_ok());
}

#[test]
fn a_series_is_written_on_the_clocks_of_its_zone() {
    // 23:30 in New York is the next day in Zurich, where the series is at home.
    let weekly = json!({"start": "2026-03-25T23:30-05:00", "end": "2026-03-26T00:30-05:00",
                        "recurrence": {"type": "weekly", "interval": 2, "until": "2026-06-30"}});
    let body = body_of(&plan(weekly).call());
    assert_eq!(body["start"], json!({"dateTime": "2026-03-26T05:30:00", "timeZone": "Europe/Zurich"}));
    assert_eq!(
        body["recurrence"],
        json!({"pattern": {"type": "weekly", "interval": 2, "daysOfWeek": ["thursday"], "firstDayOfWeek": "monday"},
               "range": {"type": "endDate", "startDate": "2026-03-26", "endDate": "2026-06-30",
                         "recurrenceTimeZone": "Europe/Zurich"}})
    );
    let days = plan(json!({"isAllDay": true, "start": "2026-10-25", "end": null,
                           "recurrence": {"type": "absoluteYearly"}}));
    let body = body_of(&days.call());
    assert_eq!(
        body["recurrence"]["pattern"],
        json!({"type": "absoluteYearly", "interval": 1, "dayOfMonth": 25, "month": 10})
    );
    assert_eq!(body["end"]["dateTime"], "2026-10-26T00:00:00");
}

#[test]
fn a_room_is_invited_and_is_the_place() {
    let body = body_of(&plan(json!({"rooms": ["r@x.example"], "attendees": ["a@x.example"]})).call());
    assert_eq!(body["attendees"][1], json!({"emailAddress": {"address": "r@x.example"}, "type": "resource"}));
    assert_eq!(body["location"]["locationEmailAddress"], "r@x.example");
    let named = body_of(&plan(json!({"rooms": ["r@x.example"], "location": "Here"})).call());
    assert_eq!(named["location"], json!({"displayName": "Here"}));
}

#[test]
fn a_calendar_is_found_by_its_name_before_anything_is_written() {
    let mut plan = plan(json!({"calendar": "Travel"}));
    assert_eq!((plan.call().safety, plan.intent()), (Safety::Read, None));
    let calendars = json!({"value": [{"id": "C=", "name": "Travel"}, {"id": "D=", "name": "Other"}]});
    let Step::Call(create) = plan.answered(&answer(200, &calendars)).unwrap() else { panic!() };
    assert_eq!(create.path, "/me/calendars/C=/events");
    assert_eq!(plan.intent(), Some(WriteIntent::CreateEvent { calendar: Some("C=".into()) }));
}
