//! What `getCalendarEvents` asks for, in which zone it answers, and how far it follows pages.

use super::*;
use crate::outbound::Safety;
use crate::tools::testing::{answer, assert_conforms, with_granted};

const GRANTED: [&str; 2] = ["Calendars.ReadWrite", "MailboxSettings.Read"];

fn plan(arguments: Value) -> Result<GetCalendarEvents, ToolError> {
    with_granted(&GRANTED, |around| GetCalendarEvents::new(arguments.as_object().unwrap(), around))
}

fn bounds(arguments: Value) -> (String, String) {
    let path = plan(arguments).unwrap().call().path;
    let bound = |name: &str| {
        let (_, rest) = path.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().replace("%3A", ":")
    };
    (bound("startDateTime"), bound("endDateTime"))
}

fn timed(id: &str, start: &str, end: &str) -> Value {
    json!({"id": id, "subject": "S", "isAllDay": false,
           "start": {"dateTime": start, "timeZone": "UTC"}, "end": {"dateTime": end, "timeZone": "UTC"}})
}

fn done(plan: &mut GetCalendarEvents, items: &[Value]) -> Value {
    let Step::Done(done) = plan.answered(&answer(200, &json!({ "value": items }))).unwrap() else { panic!() };
    assert_conforms(Tool::GetCalendarEvents, &done);
    done.structured
}

#[test]
fn the_mailbox_is_asked_for_its_zone_and_then_for_today_and_a_week() {
    let mut plan = plan(json!({})).unwrap();
    assert_eq!(plan.call().path, "/me/mailboxSettings?$select=timeZone");
    let settings = json!({"timeZone": "W. Europe Standard Time"});
    let Step::Call(view) = plan.answered(&answer(200, &settings)).unwrap() else { panic!() };
    assert_eq!(
        view.path,
        "/me/calendarView?startDateTime=2026-01-01T23%3A00%3A00Z&endDateTime=2026-01-09T23%3A00%3A00Z&$select=id%2Csubject%2Cstart%2Cend%2CisAllDay%2Clocation%2Corganizer%2Cattendees%2CisOnlineMeeting%2ConlineMeeting%2CshowAs%2CisCancelled%2CresponseStatus%2CseriesMasterId&$orderby=start%2FdateTime&$top=100"
    );
    assert_eq!((view.prefer, view.safety), (&[IMMUTABLE_IDS, UTC_TIMES][..], Safety::Read));
    let shown = done(&mut plan, &[timed("A=", "2026-01-02T09:00:00.0000000", "2026-01-02T10:00:00.0000000")]);
    assert_eq!(shown["timeZone"], "W. Europe Standard Time");
    assert_eq!(
        shown["events"][0]["start"],
        json!({"local": "2026-01-02T10:00:00+01:00", "utc": "2026-01-02T09:00:00Z"})
    );
    assert_eq!(shown["range"]["start"]["local"], "2026-01-02T00:00:00+01:00");
    assert_eq!(shown["more"], false);
}

#[test]
fn ranges_are_local_or_with_offset_and_days_are_whole() {
    let zone =
        |start: &str, end: &str| bounds(json!({"start": start, "end": end, "timeZone": "Europe/Zurich"}));
    let both = |start: &str, end: &str| (start.to_owned(), end.to_owned());
    // The day on which summer time begins has 23 hours, that on which it ends 25.
    assert_eq!(zone("2026-03-29", "2026-03-29"), both("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"));
    assert_eq!(zone("2026-10-25", "2026-10-25"), both("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"));
    assert_eq!(
        zone("2026-01-02T08:00", "2026-01-02T18:00-05:00"),
        both("2026-01-02T07:00:00Z", "2026-01-02T23:00:00Z")
    );
}

#[test]
fn whole_days_have_dates_and_those_outside_are_left_out() {
    let mut view =
        plan(json!({"start": "2026-01-02", "end": "2026-01-03", "timeZone": "Europe/Zurich"})).unwrap();
    let day = |id: &str, start: &str, end: &str| {
        let mut event = timed(id, start, end);
        event["isAllDay"] = true.into();
        event
    };
    let shown = done(
        &mut view,
        &[
            day("yesterday", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
            day("two", "2026-01-02T00:00:00.0000000", "2026-01-04T00:00:00.0000000"),
            // An answer that gives the midnights as instants means the days of the zone.
            day("instant", "2026-01-01T23:00:00", "2026-01-02T23:00:00"),
            day("later", "2026-01-04T00:00:00", "2026-01-05T00:00:00"),
        ],
    );
    let events = shown["events"].as_array().unwrap();
    let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["two", "instant"]);
    assert_eq!(
        (&events[0]["start"], &events[0]["end"]),
        (&json!({"date": "2026-01-02"}), &json!({"date": "2026-01-03"}))
    );
    assert_eq!(
        (&events[1]["start"], &events[1]["end"]),
        (&json!({"date": "2026-01-02"}), &json!({"date": "2026-01-02"}))
    );
}

#[test]
fn pages_are_followed_to_the_count_and_only_within_the_list() {
    let zone = json!({"timeZone": "Europe/Zurich", "calendarId": "C=", "count": 2});
    let item = || timed("A=", "2026-01-02T09:00:00", "2026-01-02T10:00:00");
    let page = |count: usize, link: &str| {
        let items: Vec<Value> = (0..count).map(|_| item()).collect();
        answer(200, &json!({"value": items, "@odata.nextLink": link}))
    };
    let link = "https://graph.microsoft.com/v1.0/me/calendars/C%3D/calendarView?$skip=1";
    let mut followed = plan(zone.clone()).unwrap();
    let Step::Call(next) = followed.answered(&page(1, link)).unwrap() else { panic!() };
    assert_eq!(next.path, "/me/calendars/C=/calendarView?$skip=1");
    let Step::Done(done) = followed.answered(&page(2, link)).unwrap() else { panic!() };
    assert_eq!(
        (done.structured["events"].as_array().unwrap().len(), &done.structured["more"]),
        (2, &json!(true))
    );
    let mut hostile = plan(zone.clone()).unwrap();
    let elsewhere = "https://graph.microsoft.com/v1.0/me/messages?$skip=1";
    let Step::Done(done) = hostile.answered(&page(1, elsewhere)).unwrap() else { panic!() };
    assert_eq!(done.structured["more"], true);
    let mut endless = plan(zone).unwrap();
    let calls =
        (0..100).take_while(|_| matches!(endless.answered(&page(0, link)), Ok(Step::Call(_)))).count();
    assert_eq!(calls, 19);
}

#[test]
fn an_event_is_shown_with_people_place_and_link() {
    let mut event = timed("A=", "2026-01-02T09:00:00", "2026-01-02T10:00:00");
    for (name, value) in [
        ("location", json!({"displayName": "Here"})),
        ("organizer", json!({"emailAddress": {"name": "A", "address": "a@x.example"}})),
        (
            "attendees",
            json!([{"emailAddress": {"address": "b@x.example"}, "status": {"response": "accepted"}}]),
        ),
        ("onlineMeeting", json!({"joinUrl": "https://teams/j"})),
        ("responseStatus", json!({"response": "organizer"})),
        ("seriesMasterId", json!("M=")),
        ("showAs", json!("busy")),
        ("isCancelled", json!("odd")),
    ] {
        event[name] = value;
    }
    let shown = done(&mut plan(json!({"timeZone": "UTC"})).unwrap(), &[event, json!({"id": "no times"})]);
    let event = &shown["events"][0];
    assert_eq!(event["attendees"], json!([{"address": "b@x.example", "response": "accepted"}]));
    assert_eq!((&event["location"], &event["joinUrl"]), (&json!("Here"), &json!("https://teams/j")));
    assert_eq!(event["start"]["local"], "2026-01-02T09:00:00Z");
    assert_eq!(shown["events"].as_array().unwrap().len(), 1);
}

#[test]
fn bad_ranges_are_refused_with_a_sentence() {
    for (arguments, expected) in [
        (json!({"start": "soon"}), "`start`"),
        (json!({"start": "2026-01-02T10:00Z", "end": "2026-01-02T10:00Z"}), "later than"),
        (json!({"start": "2026-01-02T10:00Z", "end": "2027-03-02T10:00Z"}), "400 days"),
        (json!({"timeZone": "x"}), "`timeZone`"),
        (json!({"count": 0}), "`count`"),
        (json!({"top": 5}), "no argument"),
    ] {
        let arguments = arguments.as_object().unwrap().clone();
        // Where only instants are given the mailbox need not be asked, so that the range is checked at once.
        let refused =
            with_granted(&GRANTED[..1], |around| GetCalendarEvents::new(&arguments, around)).unwrap_err();
        assert!(refused.message.contains(expected), "{refused}");
    }
    for calendar in ["x/../../users", "..", "a%2fb", "a?b", "a#b", "a b"] {
        assert!(plan(json!({ "calendarId": calendar })).unwrap_err().message.contains("`calendarId`"));
    }
    let refused = with_granted(&[], |around| GetCalendarEvents::new(&Map::new(), around)).unwrap_err();
    assert!(refused.message.contains("Calendars.Read "), "{refused}");
}

/// Goes through a list to its end, as a client does that takes every cursor.
#[test]
fn every_event_is_shown_once_over_all_answers() {
    let granted = GRANTED.map(str::to_owned);
    let page = |from: usize| {
        let items: Vec<Value> = (from..from + 10)
            .map(|at| timed(&format!("E{at}="), "2026-01-02T09:00:00", "2026-01-02T10:00:00"))
            .collect();
        let mut body = json!({ "value": items });
        if from == 0 {
            body["@odata.nextLink"] = "https://graph.microsoft.com/v1.0/me/calendarView?$skip=10".into();
        }
        answer(200, &body)
    };
    let arguments = json!({"timeZone": "Europe/Zurich", "count": 7, "maxTokens": 500});
    let (mut seen, mut resume) = (Vec::new(), None);
    for answers in 1.. {
        let around = Surroundings { resume: resume.as_ref(), ..crate::tools::testing::around(&granted) };
        let mut plan = GetCalendarEvents::new(arguments.as_object().unwrap(), around).unwrap();
        let done = loop {
            let from = if plan.call().path.contains("$skip=10") { 10 } else { 0 };
            if let Step::Done(done) = plan.answered(&page(from)).unwrap() {
                break done;
            }
        };
        assert_conforms(Tool::GetCalendarEvents, &done);
        assert!(done.text().len() <= 500 * 4, "{}", done.text().len());
        let events = done.structured["events"].as_array().unwrap();
        assert!(events.len() <= 7);
        seen.extend(events.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
        assert_eq!(done.structured["more"], done.goes_on.is_some());
        resume = done.goes_on;
        if resume.is_none() {
            break;
        }
        assert!(answers < 20, "it does not end");
    }
    assert_eq!(seen, (0..20).map(|at| format!("E{at}=")).collect::<Vec<_>>());
}
