//! What `createTeamsMeeting` must send in both of its forms, and what a lost answer ends with.

use super::*;
use crate::outbound::Safety;
use crate::tools::Plan;
use crate::tools::testing::{answer, assert_conforms, body_of, operation, with_granted};

const GRANTED: [&str; 3] = ["Calendars.ReadWrite", "MailboxSettings.Read", "OnlineMeetings.ReadWrite"];

fn plan_with(mut more: Value, granted: &[&str]) -> Result<Plan, ToolError> {
    let all = json!({"subject": "Plan", "start": "2026-07-01T12:00", "end": "2026-07-01T13:00",
                     "timeZone": "Europe/Zurich"});
    for (name, value) in all.as_object().unwrap() {
        more.as_object_mut().unwrap().entry(name.clone()).or_insert_with(|| value.clone());
    }
    with_granted(granted, |around| new(more.as_object().unwrap(), around)).map(|planned| match planned {
        Planned::Work(plan) => *plan,
        other => panic!("{other:?}"),
    })
}

#[test]
fn by_default_it_is_an_event_with_invitations() {
    let mut plan = plan_with(json!({"attendees": ["a@x.example"]}), &GRANTED).unwrap();
    let call = plan.call();
    assert_eq!((call.path.as_str(), call.safety), ("/me/events", Safety::Repeatable));
    let body = body_of(&call);
    assert_eq!(
        (&body["isOnlineMeeting"], &body["transactionId"]),
        (&json!(true), &json!(operation().to_string()))
    );
    let event = json!({"id": "E=", "onlineMeeting": {"joinUrl": "https://teams/j"}});
    let Step::Done(done) = plan.answered(&answer(201, &event)).unwrap() else { panic!() };
    assert_eq!(done.structured["joinUrl"], "https://teams/j");
    assert_conforms(Tool::CreateTeamsMeeting, &done);
}

#[test]
fn standalone_it_is_created_or_got_by_its_identifier() {
    let mut plan = plan_with(json!({"standalone": true}), &GRANTED).unwrap();
    let call = plan.call();
    assert_eq!((call.path.as_str(), call.safety), ("/me/onlineMeetings/createOrGet", Safety::Repeatable));
    assert_eq!(
        body_of(&call),
        json!({"externalId": operation().to_string(), "subject": "Plan",
               "startDateTime": "2026-07-01T10:00:00Z", "endDateTime": "2026-07-01T11:00:00Z"})
    );
    let meeting = json!({"id": "M", "joinWebUrl": "https://teams/m", "startDateTime": "2026-07-01T10:00:00Z",
                         "endDateTime": "2026-07-01T11:00:00Z"});
    for status in [200, 201] {
        let Step::Done(done) = plan.answered(&answer(status, &meeting)).unwrap() else { panic!() };
        assert_eq!(done.structured["start"]["local"], "2026-07-01T12:00:00+02:00");
        assert_eq!(done.structured["joinUrl"], "https://teams/m");
        assert_conforms(Tool::CreateTeamsMeeting, &done);
    }
    assert_eq!(plan.look_into(), Found::Look(call.clone()));
    assert!(matches!(plan.looked(&answer(200, &meeting)), Found::Happened(_)));
    assert_eq!(plan.look_again(true), Found::Look(call));
    assert_eq!(plan.look_again(false), Found::NeverKnown);
}

#[test]
fn after_a_crash_nothing_is_sent() {
    let mut plan = Plan::recovered(WriteIntent::CreateMeeting, operation()).unwrap();
    assert_eq!(plan.look_into(), Found::NeverKnown);
    assert_eq!(plan.call().safety, Safety::Read);
    assert_eq!(plan.outcome_unknown().code, "outcome_unknown");
}

#[test]
fn the_zone_is_read_first_where_none_is_given() {
    let mut plan = plan_with(json!({"standalone": true, "timeZone": null}), &GRANTED).unwrap();
    assert_eq!((plan.call().path.as_str(), plan.intent()), ("/me/mailboxSettings?$select=timeZone", None));
    let Step::Call(create) = plan.answered(&answer(200, &json!({"timeZone": "UTC"}))).unwrap() else {
        panic!()
    };
    assert_eq!(body_of(&create)["startDateTime"], "2026-07-01T12:00:00Z");
    assert_eq!(plan.intent(), Some(WriteIntent::CreateMeeting));
}

#[test]
fn bad_meetings_are_refused_with_a_sentence() {
    for (more, granted, expected) in [
        (json!({"standalone": true, "attendees": ["a@x.example"]}), &GRANTED[..], "invites nobody"),
        (json!({"standalone": true, "body": "x"}), &GRANTED[..], "invites nobody"),
        (json!({"standalone": true, "end": "2026-07-01T12:00"}), &GRANTED[..], "later than"),
        (json!({"standalone": "yes"}), &GRANTED[..], "true or false"),
        (json!({"isAllDay": true}), &GRANTED[..], "no argument"),
        (json!({"standalone": true}), &GRANTED[..2], "OnlineMeetings.ReadWrite "),
        (json!({}), &GRANTED[1..], "Calendars.ReadWrite "),
    ] {
        let error = plan_with(more, granted).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}
