//! The zone of the mailbox: who asks for it, who waits for that, and what is answered without it.
//!
//! What holds here: what is counted are the calls that leave. Zones have made-up rules without summer time.

use protocol::limits::{MAILBOX_ZONE_KEPT_FOR, MAILBOX_ZONE_PAUSE, MAILBOX_ZONE_STORED_FOR};
use protocol::operator::{Action, Order};

use super::*;

const GRANTED: [&str; 5] =
    ["Mail.Read", "MailboxSettings.Read", "Files.ReadWrite.All", "Calendars.ReadWrite", "ChatMessage.Send"];
const ZONES: Zones = Zones::new(|zone, _| match zone {
    "Europe/Zurich" => Some(3_600),
    "Asia/Tokyo" => Some(32_400),
    _ => None,
});
const SETTINGS: &str = "/me/mailboxSettings?$select=timeZone";

/// What a mailbox answers when it is asked for its zone.
fn says(status: u16, body: &Value) -> CallResult {
    let body = body.to_string().into_bytes();
    CallResult::Answered(Answer { status, body, ..Answer::default() })
}

fn zone(name: &str) -> CallResult {
    says(200, &json!({ "timeZone": name }))
}

fn refusal(status: u16) -> CallResult {
    says(status, &json!({"error": {"code": "MailboxNotEnabledForRESTAPI", "message": "x"}}))
}

/// An object, and Microsoft behind it.
struct Served {
    object: Object,
    /// Calls that were answered.
    answered: usize,
    /// The same of the token endpoint.
    renewed: usize,
    next_id: u64,
}

impl Served {
    fn new() -> Self {
        Self::with(&GRANTED)
    }

    fn with(granted: &[&str]) -> Self {
        let mut object = Object::with(Some(granted));
        object.core =
            UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap().with_zones(ZONES);
        Self { object, answered: 0, renewed: 0, next_id: 0 }
    }

    /// The object loses its memory.
    fn evict(&mut self) {
        let now = self.object.now;
        self.object.core =
            UserSession::recover(Rc::new(config()), &self.object.rows, now).unwrap().with_zones(ZONES);
        self.answered = self.object.sent.len();
    }

    fn call(&mut self, tool: &str, arguments: Value) -> u64 {
        self.next_id += 1;
        self.object.call(self.next_id, tool, arguments);
        self.next_id
    }

    fn mails(&mut self) -> u64 {
        let count = self.next_id % 50 + 1;
        self.call("getEmails", json!({ "count": count }))
    }

    /// Answers every call that left, the mailbox's zone like this.
    fn serve(&mut self, settings: &CallResult) {
        while let Some((op, call)) = self.object.sent.get(self.answered).cloned() {
            self.answered += 1;
            let at = "2026-01-02T10:00:00Z";
            let result = match call.path.as_str() {
                SETTINGS => settings.clone(),
                path if path.contains("/chats/") => says(201, &json!({"id": "1", "createdDateTime": at})),
                path if path.contains("/events") => says(201, &json!({"id": "E="})),
                path if path.contains("drive") => says(200, &json!({"value": [], "id": "D="})),
                _ => says(200, &json!({"value": [{"id": "M=", "receivedDateTime": at}]})),
            };
            self.object.turn(Input::CallDone { op, result });
        }
    }

    /// How often the mailbox was asked so far.
    fn asked(&self) -> usize {
        self.object.sent.iter().filter(|(_, call)| call.path == SETTINGS).count()
    }

    fn structured(&self, id: u64) -> Value {
        let answer = self.object.answer_to(id);
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        answer["result"]["structuredContent"].clone()
    }

    /// Reads mail; yields the zone, the local time if there is one, and the note if there is one.
    fn shown(&mut self, settings: &CallResult) -> (String, Option<String>, Option<String>) {
        let id = self.mails();
        self.serve(settings);
        let shown = self.structured(id);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let local = text(&shown["messages"][0]["receivedLocal"]);
        (text(&shown["timeZone"]).unwrap(), local, text(&shown["timeZoneNote"]))
    }

    /// Time passes, after which there is a fresh token.
    fn passes(&mut self, span: DurationMs) {
        self.object.now = self.object.now.plus(span);
        self.object.turn(Input::Alarm);
        self.renew();
    }

    fn renew(&mut self) {
        let body = json!({"token_type": "Bearer", "expires_in": 3_600, "access_token": "a", "refresh_token": "r",
                          "scope": GRANTED.join(" ")});
        while let Some(op) = self.object.forms.get(self.renewed).map(|(op, _)| *op) {
            self.renewed += 1;
            self.object.turn(Input::CallDone { op, result: says(200, &body) });
        }
    }

    fn kept(&self) -> Option<KeptZone> {
        Txn::new(&self.object.rows).get::<Meta>(META_KEY).unwrap().unwrap().zone
    }
}

fn zurich() -> (String, Option<String>, Option<String>) {
    ("Europe/Zurich".into(), Some("2026-01-02T11:00:00+01:00".into()), None)
}

fn tokyo() -> (String, Option<String>, Option<String>) {
    ("Asia/Tokyo".into(), Some("2026-01-02T19:00:00+09:00".into()), None)
}

#[test]
fn of_many_calls_at_once_one_asks_and_all_others_wait_for_it() {
    let mut served = Served::new();
    let mut mails: Vec<u64> = (0..20).map(|_| served.mails()).collect();
    // These need it to understand what is asked, to show it, and for a receipt.
    let event = json!({"subject": "S", "start": "2027-02-01T10:00", "end": "2027-02-01T11:00"});
    let event = served.call("createCalendarEvent", event);
    let days = served.call("getEmails", json!({"after": "2026-01-02"}));
    mails.push(days);
    let files = served.call("listFiles", json!({}));
    let post = served.call("sendTeamsMessage", json!({"chatId": "c", "body": "x"}));
    assert_eq!((served.object.sent.len(), served.asked()), (1, 1));
    served.serve(&zone("Europe/Zurich"));
    assert_eq!(served.asked(), 1);
    for id in mails {
        let shown = served.structured(id);
        assert_eq!(shown["messages"][0]["receivedLocal"], "2026-01-02T11:00:00+01:00", "{id}");
    }
    assert_eq!(served.structured(event)["eventId"], "E=");
    assert_eq!(served.structured(post)["sentLocal"], "2026-01-02T11:00:00+01:00");
    served.structured(files);
    let body_of = |end: &str| {
        let found = served.object.sent.iter().find(|(_, call)| call.path.ends_with(end));
        found.unwrap().1.body.clone().unwrap()
    };
    assert!(body_of("/me/events").contains("Europe/Zurich"));
    let days = served
        .object
        .sent
        .iter()
        .find(|(_, call)| call.path.contains("receivedDateTime%20ge%202026"))
        .unwrap();
    assert!(days.1.path.contains("2026-01-01T23%3A00%3A00Z"), "{}", days.1.path);
    assert_eq!(served.object.core.load().open, 0);
}

#[test]
fn an_object_that_lost_its_memory_still_knows_the_zone() {
    let mut served = Served::new();
    assert_eq!(served.shown(&zone("Europe/Zurich")), zurich());
    for _ in 0..3 {
        served.passes(DurationMs::from_secs(600));
        served.evict();
        assert_eq!(served.shown(&zone("Asia/Tokyo")), zurich());
    }
    // What is asked for by local time is understood by it too.
    served.call("getCalendarEvents", json!({}));
    assert!(served.object.left().path.starts_with("/me/calendarView"), "{}", served.object.left().path);
    assert_eq!(served.asked(), 1);
}

#[test]
fn a_zone_that_was_not_read_lately_is_shown_and_not_gone_by() {
    let mut served = Served::new();
    served.shown(&zone("Europe/Zurich"));
    served.passes(MAILBOX_ZONE_KEPT_FOR);
    served.evict();
    assert_eq!((served.shown(&zone("Asia/Tokyo")), served.asked()), (zurich(), 1));
    served.call("getCalendarEvents", json!({}));
    assert_eq!(served.object.left().path, SETTINGS);
    // Showing mail waits for nobody.
    let id = served.mails();
    assert!(served.object.left().path.contains("/messages?"));
    let settings = served.object.sent.len() - 2;
    let mail = served.object.sent[settings + 1].0;
    let result = says(200, &json!({"value": [{"id": "M=", "receivedDateTime": "2026-01-02T10:00:00Z"}]}));
    served.object.turn(Input::CallDone { op: mail, result });
    assert_eq!(served.structured(id)["timeZone"], "Europe/Zurich");
    served.object.turn(Input::CallDone { op: served.object.sent[settings].0, result: zone("Asia/Tokyo") });
    served.answered = served.object.sent.len();
    assert_eq!((served.shown(&zone("UTC")), served.asked()), (tokyo(), 2));
}

#[test]
fn a_change_is_noticed_after_an_hour_by_one_call() {
    let mut served = Served::new();
    served.shown(&zone("Europe/Zurich"));
    served.passes(DurationMs(MAILBOX_ZONE_KEPT_FOR.0 - 1));
    assert_eq!((served.shown(&zone("Asia/Tokyo")), served.asked()), (zurich(), 1));
    served.passes(DurationMs(1));
    let ids: Vec<u64> = (0..3).map(|_| served.mails()).collect();
    // The first one asks; the others go on with what was known.
    assert_eq!((served.object.sent.len() - served.answered, served.asked()), (3, 2));
    served.serve(&zone("Asia/Tokyo"));
    assert_eq!((served.structured(ids[0])["timeZone"].clone(), served.asked()), (json!("Asia/Tokyo"), 2));
    served.evict();
    assert_eq!((served.shown(&zone("UTC")), served.asked()), (tokyo(), 2));
    // After a day the row says no more how it is.
    served.passes(MAILBOX_ZONE_STORED_FOR);
    served.evict();
    assert_eq!((served.shown(&zone("Europe/Zurich")), served.asked()), (zurich(), 3));
}

#[test]
fn the_row_is_written_when_the_zone_is_news_and_once_a_day() {
    let mut served = Served::new();
    let begun = served.object.now;
    let mut read_at = Vec::new();
    for _ in 0..26 {
        served.shown(&zone("Europe/Zurich"));
        read_at.push(served.kept().unwrap().read_at.since(begun).0 / MAILBOX_ZONE_KEPT_FOR.0);
        served.passes(MAILBOX_ZONE_KEPT_FOR);
    }
    assert_eq!(served.asked(), 26);
    read_at.dedup();
    assert_eq!(read_at, [0, 24]);
    served.shown(&zone("Asia/Tokyo"));
    assert_eq!(served.kept(), Some(KeptZone { name: "Asia/Tokyo".into(), read_at: served.object.now }));
}

#[test]
fn what_the_mailbox_does_not_tell_is_said_and_not_asked_again_for_a_while() {
    for (settings, expected) in [
        (zone("Customized Time Zone"), "not one that this server knows"),
        (refusal(403), "does not tell"),
        (refusal(404), "does not tell"),
        (refusal(500), "could not be read"),
        (refusal(503), "could not be read"),
        (refusal(429), "could not be read"),
        (CallResult::Lost(Lost::Timeout), "could not be read"),
    ] {
        let mut served = Served::new();
        let ids: Vec<u64> = (0..10).map(|_| served.mails()).collect();
        served.serve(&settings);
        for id in ids {
            let shown = served.structured(id);
            assert_eq!(
                (&shown["timeZone"], &shown["messages"][0]["receivedLocal"]),
                (&json!("UTC"), &Value::Null)
            );
            assert!(shown["timeZoneNote"].as_str().unwrap().contains(expected), "{shown}");
        }
        served.passes(DurationMs(MAILBOX_ZONE_PAUSE.0 - 1));
        assert_eq!((served.shown(&zone("UTC")).0, served.asked()), ("UTC".into(), 1));
        served.passes(DurationMs(1));
        assert_eq!((served.shown(&zone("Europe/Zurich")), served.asked()), (zurich(), 2));
        // From now on a failure changes nothing, unless the mailbox has another zone that nobody knows.
        served.passes(MAILBOX_ZONE_KEPT_FOR);
        let is_other = expected.contains("not one");
        assert_eq!(served.shown(&settings).1.is_none(), is_other, "{expected}");
        assert_eq!((served.asked(), served.kept().is_none()), (3, is_other));
    }
}

#[test]
fn without_the_permission_nobody_asks_and_the_answer_says_which_it_takes() {
    let mut served = Served::with(&["Mail.Read"]);
    let (zone, local, note) = served.shown(&zone("Europe/Zurich"));
    assert_eq!((zone.as_str(), local, served.asked()), ("UTC", None, 0));
    assert!(note.unwrap().contains("MailboxSettings.Read"));
}

#[test]
fn whoever_is_asked_to_wait_by_the_mailbox_waits_and_files_do_not() {
    let settings = CallResult::Answered(Answer {
        status: 429,
        retry_after: Some(DurationMs::from_secs(10)),
        ..Answer::default()
    });
    let mut served = Served::new();
    let (mail, files) = (served.mails(), served.call("listFiles", json!({"driveId": "D=", "folder": "F="})));
    served.serve(&settings);
    served.structured(files);
    assert_eq!((served.object.answer_to(mail), served.object.sent.len()), (Value::Null, 2));
    for _ in 0..13 {
        served.object.wait(1);
    }
    served.serve(&settings);
    assert_eq!((served.structured(mail)["timeZone"].clone(), served.asked()), (json!("UTC"), 1));
}

#[test]
fn if_the_one_that_asks_is_called_off_the_next_one_asks() {
    let mut served = Served::new();
    let (first, second) = (served.mails(), served.mails());
    served
        .object
        .say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": first}}));
    assert_eq!((served.object.sent.len(), served.asked()), (2, 2));
    served.serve(&zone("Europe/Zurich"));
    assert_eq!(served.structured(second)["timeZone"], "Europe/Zurich");
    assert_eq!(served.object.core.load().open, 0);
}

#[test]
fn a_crash_while_the_mailbox_is_asked_leaves_nobody_waiting_and_writes_nothing() {
    let mut served = Served::new();
    let post = json!({"chatId": "c", "body": "x"});
    served.call("sendTeamsMessage", post.clone());
    served.mails();
    served.evict();
    served.object.wait(1);
    // A write of which nothing left but the question is over, like a read.
    assert_eq!((served.object.sent.len(), served.object.core.load().open), (1, 0));
    let id = served.call("sendTeamsMessage", post);
    assert_eq!((served.object.left().path.as_str(), served.asked()), (SETTINGS, 2));
    served.serve(&zone("Europe/Zurich"));
    assert_eq!(served.structured(id)["sentLocal"], "2026-01-02T11:00:00+01:00");
    let posts = served.object.sent.iter().filter(|(_, call)| call.path.contains("/chats/"));
    assert_eq!(posts.count(), 1);
}

#[test]
fn a_mailbox_that_never_answers_is_given_up_and_all_go_on() {
    let mut served = Served::new();
    let ids = [served.mails(), served.mails()];
    served.answered = 1;
    for _ in 0..40 {
        served.object.wait(1);
    }
    served.serve(&zone("Europe/Zurich"));
    for id in ids {
        assert_eq!(served.structured(id)["timeZone"], "UTC");
    }
    assert_eq!(served.asked(), 1);
}

#[test]
fn a_refused_token_is_renewed_and_the_mailbox_asked_again() {
    let mut served = Served::new();
    let id = served.mails();
    let challenge = Some("Bearer error=\"invalid_token\"".to_owned());
    served.object.ends(CallResult::Answered(Answer { status: 401, challenge, ..Answer::default() }));
    served.renew();
    served.answered = 1;
    served.serve(&zone("Europe/Zurich"));
    assert_eq!((served.structured(id)["timeZone"].clone(), served.asked()), (json!("Europe/Zurich"), 2));
}

#[test]
fn an_account_that_is_disconnected_leaves_no_zone_behind() {
    let mut served = Served::new();
    served.shown(&zone("Europe/Zurich"));
    assert!(served.kept().is_some());
    served.object.order(Order::Act(Action::Disconnect));
    assert_eq!(served.kept(), None);
}

#[test]
fn an_event_that_waits_for_the_zone_is_not_on_its_way_yet() {
    let mut served = Served::new();
    served.mails();
    let local = json!({"subject": "S", "start": "2027-02-01T10:00", "end": "2027-02-01T11:00"});
    let id = served.call("createCalendarEvent", local);
    served
        .object
        .say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
    served.serve(&zone("Europe/Zurich"));
    assert!(served.object.sent.iter().all(|(_, call)| !call.path.contains("/events")));
    assert_eq!(served.object.core.load().open, 0);
}
