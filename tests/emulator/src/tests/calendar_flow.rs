//! Calendars as a product uses them: views, zones, paging, creating once, invitations, answers, series.

use super::*;

pub(super) const CALENDAR: &[&str] = &["User.Read", "Calendars.ReadWrite"];

/// An event of an hour on 1 December 2026 in Zurich.
pub(super) fn event(subject: &str) -> Value {
    let moment =
        |hour: &str| json!({ "dateTime": format!("2026-12-01T{hour}:00:00"), "timeZone": "Europe/Zurich" });
    json!({ "subject": subject, "start": moment("10"), "end": moment("11") })
}

const DAY: &str = "startDateTime=2026-12-01T00:00:00&endDateTime=2026-12-02T00:00:00";

impl Rig {
    /// A Graph read with a `Prefer` header.
    async fn preferring(&self, token: &str, target: &str, prefer: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("prefer", prefer)];
        self.call("GET", &format!("/graph/v1.0{target}"), &headers, b"").await
    }

    async fn subjects(&self, token: &str, target: &str) -> Vec<String> {
        let list = self.graph(token, "GET", target, Value::Null).await.value();
        let items = list["value"].as_array().unwrap_or_else(|| panic!("{list}"));
        items.iter().map(|e| e["subject"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn an_event_is_created_once_and_shown_in_every_zone() {
    let rig = Rig::new();
    let token = rig.token("carol", CALENDAR).await;
    let mut body = event("Once");
    body["transactionId"] = json!("t-1");
    body["isOnlineMeeting"] = json!(true);
    body["onlineMeetingProvider"] = json!("teamsForBusiness");
    let first = rig.graph(&token, "POST", "/me/events", body.clone()).await;
    assert_eq!(first.status, 201, "{}", first.value());
    assert!(first.value()["onlineMeeting"]["joinUrl"].as_str().unwrap().contains("meetup-join"));
    assert_eq!(
        first.value()["start"],
        json!({ "dateTime": "2026-12-01T09:00:00.0000000", "timeZone": "UTC" })
    );
    let again = rig.graph(&token, "POST", "/me/events", body.clone()).await;
    assert_eq!((again.status, id(&again)), (201, id(&first)));
    let view = format!("/me/calendarView?{DAY}&$select=subject,start&$top=50");
    let subjects = rig.subjects(&token, &view).await;
    assert_eq!(subjects.iter().filter(|s| *s == "Once").count(), 1);
    rig.control("POST", "/settings", json!({ "duplicateTransaction": "conflict" })).await;
    let conflict = rig.graph(&token, "POST", "/me/events", body).await;
    assert_eq!((conflict.status, code(&conflict).as_str()), (409, "ErrorDuplicateTransactionId"));
    for (zone, local) in [
        ("Pacific Standard Time", "2026-12-01T01:00:00.0000000"),
        ("Asia/Singapore", "2026-12-01T17:00:00.0000000"),
    ] {
        let target = format!("/me/events/{}", id(&first));
        let reply = rig.preferring(&token, &target, &format!("outlook.timezone=\"{zone}\"")).await;
        assert_eq!(reply.value()["start"], json!({ "dateTime": local, "timeZone": zone }));
        assert_eq!(reply.headers.get("preference-applied"), Some(&*format!("outlook.timezone=\"{zone}\"")));
    }
    let stable =
        rig.preferring(&token, &format!("/me/events/{}", id(&first)), "IdType=\"ImmutableId\"").await;
    assert_ne!(id(&stable), id(&first));
    let by_stable = rig.graph(&token, "GET", &format!("/me/events/{}", id(&stable)), Value::Null).await;
    assert_eq!(by_stable.value()["subject"], "Once");
}

#[tokio::test]
async fn a_view_has_pages_and_lists_recurring_events_last() {
    let rig = Rig::new();
    let token = rig.token("alice", CALENDAR).await;
    let now = rig.control("GET", "/state", Value::Null).await["now"].as_str().unwrap().to_owned();
    let from = crate::clock::parse_iso(&now).unwrap();
    let to = crate::clock::iso(from + 7 * crate::clock::DAY_MS);
    let view = format!("/me/calendarView?startDateTime={now}&endDateTime={to}&$select=subject,type,start");
    let first = rig.graph(&token, "GET", &view, Value::Null).await.value();
    let kinds: Vec<&str> =
        first["value"].as_array().unwrap().iter().map(|e| e["type"].as_str().unwrap()).collect();
    let boundary = kinds.iter().position(|k| *k == "occurrence").unwrap_or(kinds.len());
    assert!(kinds.len() == 10 && boundary > 0 && kinds[boundary..].iter().all(|k| *k == "occurrence"));
    let (mut seen, mut next) = (10, first["@odata.nextLink"].as_str().map(str::to_owned));
    while let Some(link) = next {
        let target = link.strip_prefix("http://127.0.0.1:1/graph/v1.0").unwrap();
        let page = rig.graph(&token, "GET", target, Value::Null).await.value();
        seen += page["value"].as_array().unwrap().len();
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
    }
    let whole = format!("{view}&$orderby=start/dateTime&$top=100");
    let sorted = rig.graph(&token, "GET", &whole, Value::Null).await.value();
    let starts: Vec<&str> = sorted["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["start"]["dateTime"].as_str().unwrap())
        .collect();
    assert!(starts.len() == seen && starts.is_sorted(), "{seen} {starts:?}");
}

#[tokio::test]
async fn invitations_answers_changes_and_cancellations_travel() {
    let rig = Rig::new();
    let (alice, bob) = (rig.token("alice", CALENDAR).await, rig.token("bob", CALENDAR).await);
    let mut body = event("Travels");
    body["attendees"] = json!([{ "emailAddress": { "address": address("bob") }, "type": "required" }]);
    let made = rig.graph(&alice, "POST", "/me/events", body).await;
    let view = format!("/me/calendarView?{DAY}&$filter=subject%20eq%20'Travels'");
    let copy = rig.graph(&bob, "GET", &view, Value::Null).await.value()["value"][0].clone();
    assert_eq!(
        (&copy["isOrganizer"], &copy["responseStatus"]["response"]),
        (&json!(false), &json!("notResponded"))
    );
    assert_eq!(copy["iCalUId"], made.value()["iCalUId"]);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "Travels"), 1);
    let theirs = format!("/me/events/{}", copy["id"].as_str().unwrap());
    let foreign = rig.graph(&bob, "PATCH", &theirs, json!({ "subject": "Mine" })).await;
    assert_eq!(foreign.status, 403);
    let silent = json!({ "comment": "x", "sendResponse": false });
    assert_eq!(rig.graph(&bob, "POST", &format!("{theirs}/accept"), silent).await.status, 400);
    let accepted = rig.graph(&bob, "POST", &format!("{theirs}/accept"), json!({ "comment": "Gladly" })).await;
    assert_eq!((accepted.status, accepted.body.len()), (202, 0));
    let ours = format!("/me/events/{}", id(&made));
    let seen = rig.graph(&alice, "GET", &ours, Value::Null).await.value();
    assert_eq!(seen["attendees"][0]["status"]["response"], "accepted");
    assert_eq!(rig.graph(&alice, "POST", &format!("{ours}/accept"), json!({})).await.status, 400);
    let moved = json!({ "end": { "dateTime": "2026-12-01T12:00:00", "timeZone": "Europe/Zurich" } });
    assert_eq!(rig.graph(&alice, "PATCH", &ours, moved).await.status, 200);
    let copy = rig.graph(&bob, "GET", &theirs, Value::Null).await.value();
    assert_eq!(copy["end"]["dateTime"], "2026-12-01T11:00:00.0000000");
    assert_eq!(copy["responseStatus"]["response"], "notResponded");
    assert_eq!(rig.graph(&bob, "POST", &format!("{theirs}/cancel"), json!({})).await.status, 400);
    assert_eq!(
        rig.graph(&alice, "POST", &format!("{ours}/cancel"), json!({ "comment": "Off" })).await.status,
        202
    );
    assert_eq!(rig.graph(&alice, "GET", &ours, Value::Null).await.status, 404);
    let copy = rig.graph(&bob, "GET", &theirs, Value::Null).await.value();
    assert_eq!((&copy["isCancelled"], &copy["subject"]), (&json!(true), &json!("Canceled: Travels")));
    assert_eq!(rig.graph(&bob, "DELETE", &theirs, Value::Null).await.status, 204);
}

#[tokio::test]
async fn a_series_has_occurrences_that_can_be_changed_and_deleted() {
    let rig = Rig::new();
    let token = rig.token("carol", CALENDAR).await;
    let calendars = rig.graph(&token, "GET", "/me/calendars", Value::Null).await.value();
    let second =
        calendars["value"].as_array().unwrap().iter().find(|c| c["isDefaultCalendar"] == false).unwrap();
    let calendar = format!("/me/calendars/{}", second["id"].as_str().unwrap());
    let mut body = event("Series");
    body["recurrence"] = json!({
        "pattern": { "type": "daily", "interval": 1 },
        "range": { "type": "numbered", "startDate": "2026-12-01", "numberOfOccurrences": 3 },
    });
    let made = rig.graph(&token, "POST", &format!("{calendar}/events"), body).await;
    assert_eq!((made.status, &made.value()["type"]), (201, &json!("seriesMaster")));
    let view = format!(
        "{calendar}/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-10&$filter=type%20ne%20'singleInstance'"
    );
    let days = rig.graph(&token, "GET", &view, Value::Null).await.value()["value"].clone();
    assert_eq!(days.as_array().unwrap().len(), 3);
    assert_eq!(days[1]["seriesMasterId"], made.value()["id"]);
    let day = |n: usize| format!("/me/events/{}", days[n]["id"].as_str().unwrap());
    assert_eq!(rig.graph(&token, "DELETE", &day(0), Value::Null).await.status, 204);
    let changed = rig.graph(&token, "PATCH", &day(1), json!({ "subject": "Changed" })).await;
    assert_eq!((changed.status, &changed.value()["type"]), (200, &json!("exception")));
    assert_eq!(rig.subjects(&token, &view).await, ["Changed", "Series"]);
    let default = "/me/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-10&$top=100";
    assert!(!rig.subjects(&token, default).await.contains(&"Series".to_owned()), "views are per calendar");
    let master = format!("/me/events/{}", id(&made));
    let instances = format!("{master}/instances?startDateTime=2026-12-01&endDateTime=2026-12-10");
    assert_eq!(rig.subjects(&token, &instances).await, ["Changed", "Series"]);
    assert_eq!(rig.graph(&token, "DELETE", &master, Value::Null).await.status, 204);
    assert!(rig.subjects(&token, &view).await.is_empty());
}

#[tokio::test]
async fn what_calendars_refuse() {
    let rig = Rig::new();
    let token = rig.token("alice", CALENDAR).await;
    for (target, expected) in [
        ("/me/calendarView", "ErrorInvalidParameter"),
        ("/me/calendarView?startDateTime=2026-12-01", "ErrorInvalidParameter"),
        ("/me/calendarView?startDateTime=soon&endDateTime=2026-12-01", "ErrorInvalidParameter"),
        (
            "/me/calendarView?startDateTime=2026-12-01T00:00:00+01:00&endDateTime=2026-12-02",
            "ErrorInvalidParameter",
        ),
        (
            "/me/calendarView?startDateTime=2026-12-02&endDateTime=2026-12-01",
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        ("/me/calendarView?startDateTime=2000-12-02&endDateTime=2026-12-01", "ErrorCalendarViewRangeTooBig"),
        ("/me/events?$filter=transactionId%20eq%20'x'", "ErrorInvalidUrlQueryFilter"),
        ("/me/events?$search=%22x%22", "BadRequest"),
        ("/me/events?$top=1001", "BadRequest"),
        ("/me/events?$orderby=start", "ErrorInvalidUrlQuery"),
        ("/me/events?$select=nothing", "RequestBroker--ParseUri"),
        ("/me/events/short", "ErrorInvalidIdMalformed"),
        (
            "/me/calendars/nope/calendarView?startDateTime=2026-12-01&endDateTime=2026-12-02",
            "ErrorInvalidIdMalformed",
        ),
    ] {
        let reply = rig.graph(&token, "GET", target, Value::Null).await;
        assert_eq!((reply.status, code(&reply).as_str()), (400, expected), "{target}");
    }
    let with = |name: &str, value: Value| {
        let mut body = event("Refused");
        body[name] = value;
        body
    };
    let moment = |text: &str, zone: &str| json!({ "dateTime": text, "timeZone": zone });
    for (body, expected) in [
        (with("start", moment("2026-12-01T09:00:00Z", "UTC")), "RequestBodyRead"),
        (with("start", moment("2026-12-01T09:00:00+01:00", "UTC")), "RequestBodyRead"),
        (with("start", moment("2026-12-01T09:00:00", "Mars/Olympus")), "TimeZoneNotSupportedException"),
        (with("start", json!({ "dateTime": "2026-12-01T09:00:00" })), "ErrorInvalidPropertySet"),
        (with("start", moment("2026-12-01T20:00:00", "UTC")), "ErrorCalendarEndDateIsEarlierThanStartDate"),
        (with("isAllDay", json!(true)), "ErrorPropertyValidationFailure"),
        (with("attendees", json!([{ "emailAddress": { "address": "bob" } }])), "ErrorInvalidRecipients"),
        (with("attendees", json!([{ "address": address("bob") }])), "RequestBodyRead"),
        (with("organizer", json!({})), "ErrorInvalidPropertySet"),
        (with("timeZone", json!("UTC")), "RequestBodyRead"),
        (
            with(
                "recurrence",
                json!({ "pattern": { "type": "weekly", "interval": 1 }, "range": { "type": "noEnd", "startDate": "2026-12-01" } }),
            ),
            "ErrorInvalidRecurrencePattern",
        ),
        (json!({ "subject": "Refused" }), "ErrorPropertyValidationFailure"),
    ] {
        let reply = rig.graph(&token, "POST", "/me/events", body.clone()).await;
        assert_eq!((reply.status, code(&reply).as_str()), (400, expected), "{body}");
    }
    let state = rig.control("GET", "/state", Value::Null).await;
    assert!(!state.to_string().contains("\"Refused\""));
    let reader = rig.token("alice", &["Calendars.ReadBasic"]).await;
    let list = rig.graph(&reader, "GET", "/me/events?$top=1", Value::Null).await.value();
    assert!(list["value"][0].get("subject").is_some() && list["value"][0].get("body").is_none());
    assert_eq!(rig.graph(&reader, "GET", "/me/events?$select=body", Value::Null).await.status, 403);
    let write = rig.graph(&reader, "POST", "/me/events", event("Refused")).await;
    assert_eq!((write.status, code(&write).as_str()), (403, "ErrorAccessDenied"));
    let put = rig.graph(&token, "PUT", "/me/calendarView", Value::Null).await;
    assert_eq!(put.status, 405);
}
