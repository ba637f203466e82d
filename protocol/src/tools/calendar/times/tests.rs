//! What `findTimes` asks, in which zone it answers, and how rooms are found over several pages.

use super::*;
use crate::tools::testing::{answer, assert_conforms, body_of, with_granted};

const GRANTED: [&str; 4] =
    ["Calendars.ReadWrite", "MailboxSettings.Read", "Calendars.Read.Shared", "Place.Read.All"];

fn plan_with(arguments: Value, granted: &[&str]) -> Result<FindTimes, ToolError> {
    with_granted(granted, |around| FindTimes::new(arguments.as_object().unwrap(), around))
}

fn plan(arguments: Value) -> FindTimes {
    plan_with(arguments, &GRANTED).unwrap()
}

fn done(plan: &mut FindTimes, body: &Value) -> Finished {
    let Step::Done(done) = plan.answered(&answer(200, body)).unwrap() else { panic!("not done") };
    assert_conforms(Tool::FindTimes, &done);
    done
}

fn slot(start: &str, end: &str) -> Value {
    json!({"start": {"dateTime": start, "timeZone": "UTC"}, "end": {"dateTime": end, "timeZone": "UTC"}})
}

#[test]
fn calendars_of_others_are_asked_for_in_utc_and_shown_in_both_zones() {
    let mut plan = plan(json!({"attendees": ["a@x.example", "b@x.example"]}));
    assert_eq!(plan.call().path, "/me/mailboxSettings?$select=timeZone");
    let Step::Call(call) = plan.answered(&answer(200, &json!({"timeZone": "Europe/Zurich"}))).unwrap() else {
        panic!()
    };
    assert_eq!((call.path.as_str(), call.safety), ("/me/calendar/getSchedule", Safety::Read));
    // From now on, and up to midnight of the sixth day after today.
    assert_eq!(
        body_of(&call),
        json!({"schedules": ["a@x.example", "b@x.example"], "availabilityViewInterval": 30,
               "startTime": {"dateTime": "2026-01-02T10:30:00", "timeZone": "UTC"},
               "endTime": {"dateTime": "2026-01-08T23:00:00", "timeZone": "UTC"}})
    );
    let mut busy = slot("2026-01-02T12:00:00.0000000", "2026-01-02T13:00:00.0000000");
    busy["status"] = "tentative".into();
    let body = json!({"value": [
        {"scheduleId": "a@x.example", "scheduleItems": [busy], "workingHours": {
            "daysOfWeek": ["monday", "friday"], "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
            "timeZone": {"name": "W. Europe Standard Time"}}},
        {"scheduleId": "b@x.example", "error": {"message": "quotes"}},
    ]});
    let shown = done(&mut plan, &body).structured;
    assert_eq!(
        shown["schedules"],
        json!([
            {"address": "a@x.example", "workingHours": "monday,friday 08:00-17:00 W. Europe Standard Time",
             "busy": [{"status": "tentative",
                       "start": {"local": "2026-01-02T13:00:00+01:00", "utc": "2026-01-02T12:00:00Z"},
                       "end": {"local": "2026-01-02T14:00:00+01:00", "utc": "2026-01-02T13:00:00Z"}}]},
            {"address": "b@x.example", "problem": "Microsoft could not look into this calendar."},
        ])
    );
}

#[test]
fn times_are_suggested_for_a_length() {
    let arguments = json!({"attendees": ["a@x.example"], "optionalAttendees": ["b@x.example"], "durationMinutes": 45,
                           "start": "2026-10-25T00:00", "end": "2026-10-25", "timeZone": "Europe/Zurich", "anyHour": true});
    let mut plan = plan(arguments);
    let call = plan.call();
    assert_eq!((call.path.as_str(), call.safety), ("/me/findMeetingTimes", Safety::Read));
    let body = body_of(&call);
    assert_eq!((&body["meetingDuration"], &body["maxCandidates"]), (&json!("PT45M"), &json!(5)));
    assert_eq!(body["attendees"][1], json!({"emailAddress": {"address": "b@x.example"}, "type": "optional"}));
    // The day on which summer time ends has 25 hours.
    assert_eq!(
        body["timeConstraint"],
        json!({"activityDomain": "unrestricted", "timeSlots": [slot("2026-10-24T22:00:00", "2026-10-25T23:00:00")]})
    );
    let found = json!({"meetingTimeSuggestions": [{
        "confidence": 66.6, "organizerAvailability": "free", "suggestionReason": "Near.",
        "meetingTimeSlot": slot("2026-10-25T01:00:00", "2026-10-25T01:45:00"),
        "attendeeAvailability": [{"availability": "busy", "attendee": {"emailAddress": {"address": "a@x.example"}}}],
    }], "emptySuggestionsReason": ""});
    let shown = done(&mut plan, &found).structured;
    assert_eq!(
        shown["suggestions"],
        json!([{"confidence": 66, "organizer": "free", "reason": "Near.",
                "start": {"local": "2026-10-25T02:00:00+01:00", "utc": "2026-10-25T01:00:00Z"},
                "end": {"local": "2026-10-25T02:45:00+01:00", "utc": "2026-10-25T01:45:00Z"},
                "attendees": [{"address": "a@x.example", "availability": "busy"}]}])
    );
    let none = json!({"meetingTimeSuggestions": [], "emptySuggestionsReason": "AttendeesUnavailable"});
    assert_eq!(done(&mut plan, &none).structured["noneBecause"], "AttendeesUnavailable");
}

fn room(n: usize, name: &str) -> Value {
    json!({"id": n.to_string(), "displayName": format!("{name} {n}"), "emailAddress": format!("r{n}@x.example"),
           "capacity": n, "building": "Main"})
}

#[test]
fn rooms_are_found_by_name_and_size_and_looked_into() {
    let times = json!({"start": "2026-01-05T10:00Z", "end": "2026-01-05T11:00Z", "timeZone": "UTC"});
    let mut arguments = json!({"rooms": "blue", "minCapacity": 4});
    arguments.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    let mut plan = plan(arguments);
    assert!(plan.call().path.starts_with("/places/microsoft.graph.room?$select=id%2CdisplayName"));
    let link = "https://graph.microsoft.com/v1.0/places/microsoft.graph.room?$skip=100";
    let first = json!({"value": [room(3, "Blue"), room(5, "Blue"), room(6, "Red")], "@odata.nextLink": link});
    let Step::Call(next) = plan.answered(&answer(200, &first)).unwrap() else { panic!() };
    assert_eq!(next.path, "/places/microsoft.graph.room?$skip=100");
    let second = json!({"value": [room(7, "Blue")]});
    let Step::Call(look) = plan.answered(&answer(200, &second)).unwrap() else { panic!() };
    assert_eq!(body_of(&look)["schedules"], json!(["r5@x.example", "r7@x.example"]));
    let schedules = json!({"value": [
        {"scheduleId": "R5@x.example", "scheduleItems": [slot("2026-01-05T10:00:00", "2026-01-05T10:30:00")]},
        {"scheduleId": "r7@x.example", "scheduleItems": []},
    ]});
    let shown = done(&mut plan, &schedules).structured;
    assert_eq!(
        shown["rooms"],
        json!([{"address": "r5@x.example", "name": "Blue 5", "building": "Main", "capacity": 5, "isFree": false},
               {"address": "r7@x.example", "name": "Blue 7", "building": "Main", "capacity": 7, "isFree": true}])
    );
    let arguments = json!({"rooms": "green", "timeZone": "UTC"});
    let mut none = plan_with(arguments, &GRANTED).unwrap();
    assert_eq!(done(&mut none, &json!({"value": [room(1, "Blue")]})).structured["rooms"], json!([]));
}

#[test]
fn twenty_rooms_are_looked_into_at_a_time() {
    let mut plan = plan(json!({"rooms": "*", "timeZone": "UTC"}));
    let page = json!({"value": (1..=30).map(|n| room(n, "Room")).collect::<Vec<_>>()});
    let Step::Call(look) = plan.answered(&answer(200, &page)).unwrap() else { panic!() };
    assert_eq!(body_of(&look)["schedules"].as_array().unwrap().len(), 20);
    let finished = done(&mut plan, &json!({"value": []}));
    assert_eq!(finished.structured["rooms"].as_array().unwrap().len(), 20);
    let place = finished.goes_on.unwrap();
    assert_eq!(place.offset, 20);
    let granted: Vec<String> = GRANTED.iter().map(|one| (*one).to_owned()).collect();
    let around = Surroundings { resume: Some(&place), ..crate::tools::testing::around(&granted) };
    let mut rest =
        FindTimes::new(json!({"rooms": "*", "timeZone": "UTC"}).as_object().unwrap(), around).unwrap();
    let Step::Call(look) = rest.answered(&answer(200, &page)).unwrap() else { panic!() };
    assert_eq!(body_of(&look)["schedules"].as_array().unwrap().len(), 10);
    assert_eq!(done(&mut rest, &json!({"value": []})).goes_on, None);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    for (arguments, expected) in [
        (json!({}), "`attendees`"),
        (json!({"attendees": vec!["a@x.example"; 21]}), "`attendees`"),
        (json!({"attendees": ["a@x.example"], "count": 3}), "`durationMinutes`"),
        (json!({"optionalAttendees": ["a@x.example"]}), "`durationMinutes`"),
        (json!({"durationMinutes": 4}), "`durationMinutes`"),
        (json!({"rooms": "x", "attendees": ["a@x.example"]}), "`rooms`"),
        (json!({"minCapacity": 5, "attendees": ["a@x.example"]}), "`minCapacity`"),
        (
            json!({"attendees": ["a@x.example"], "start": "2026-01-01T10:00Z", "end": "2026-03-05T10:00Z"}),
            "62 days",
        ),
        (json!({"attendees": ["a@x.example"], "timeZone": "x"}), "`timeZone`"),
    ] {
        let granted = ["Calendars.Read", "Calendars.Read.Shared", "Place.Read.All"];
        let error = plan_with(arguments, &granted).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    for (arguments, granted, missing) in [
        (json!({"attendees": ["a@x.example"]}), "Mail.Read", "Calendars.Read "),
        (json!({"durationMinutes": 30}), "Calendars.Read", "Calendars.Read.Shared "),
        (json!({"rooms": "*"}), "Calendars.Read", "Place.Read.All "),
    ] {
        let error = plan_with(arguments, &[granted]).unwrap_err();
        assert!(error.message.contains(missing), "{error}");
    }
}
