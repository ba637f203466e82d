//! What operators see of an object and do to it.
//!
//! What holds here: looking writes nothing; every action is done once and said twice; an export is what the verifier says.

use protocol::digest::from_hex;
use protocol::operator::record::{Checkpoint, ExportPage, Head, VerificationKey};
use protocol::operator::verify::{Export, Verified};
use protocol::operator::view::{Acted, Overview, RequestPage, RequestView, Standing};
use protocol::operator::{Action, ExportQuery, Order, RequestQuery};
use serde::de::DeserializeOwned;

use super::*;

impl Object {
    fn ordered<T: DeserializeOwned>(&mut self, order: Order) -> T {
        let before = self.replies.len();
        self.order(order);
        // Others may be answered in the same turn.
        let bodies = self.replies[before..].iter().filter_map(|reply| reply.body.as_deref());
        let mut answers = bodies.filter_map(|body| serde_json::from_str(body).ok());
        answers.next().unwrap()
    }

    pub(super) fn act(&mut self, action: Action) -> Acted {
        let acted: Acted = self.ordered(Order::Act(action));
        let line = self.lines.iter().rfind(|line| line.field("event").unwrap() == "operator_action").unwrap();
        assert_eq!(line.field("action").unwrap(), action.name());
        assert_eq!(line.field("operator").unwrap(), "olga");
        acted
    }

    /// Does an action that changes something, and the same again, which changes nothing.
    fn act_twice(&mut self, action: Action) -> Acted {
        let acted = self.act(action);
        assert!(acted.changed, "{acted:?}");
        assert!(!self.act(action).changed, "{action:?}");
        acted
    }

    fn requests_page(&mut self, query: RequestQuery) -> RequestPage {
        self.ordered(Order::Requests(query))
    }

    fn export(&mut self) -> (Export, [u8; 32]) {
        let head: Head = self.ordered(Order::ExportHead);
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let page: ExportPage =
                self.ordered(Order::Export(ExportQuery { after, up_to: head.newest.sequence }));
            lines.extend(page.lines);
            after = page.after;
            if after.is_none() {
                break;
            }
        }
        let checkpoint: Checkpoint = self.ordered(Order::ExportEnd);
        let key: VerificationKey = self.ordered(Order::VerificationKey);
        let key = from_hex(&key.key).unwrap().try_into().unwrap();
        (Export { head, lines, checkpoint }, key)
    }

    /// A read that is answered.
    pub(super) fn read(&mut self, id: u64) {
        self.call(id, "getCalendarEvents", json!({"timeZone": "UTC"}));
        self.answers(200, &json!({"value": []}));
    }

    pub(super) fn recovered(&mut self) {
        self.core = UserSession::recover(Rc::new(config()), &self.rows, self.now).unwrap();
    }
}

pub(super) const CALENDAR: &[&str] = &["Calendars.ReadWrite"];

fn all() -> RequestQuery {
    RequestQuery { limit: 100, ..RequestQuery::default() }
}

#[test]
fn an_object_that_holds_nobody_answers_404_and_stays_nobody() {
    let mut object = Object::with(None);
    object.rows = MemoryRows::default();
    object.recovered();
    for order in [Order::Look, Order::ExportHead, Order::VerificationKey, Order::Act(Action::Pause)] {
        assert_eq!(object.order(order).status, 404);
    }
    assert_eq!((object.core.user(), object.rows.rows.len()), (None, 0));
    assert_eq!((object.core.armed, object.core.last_activity), (None, UnixMs(0)));
}

#[test]
fn looking_writes_nothing_and_is_no_use_of_the_account() {
    let mut object = Object::with(Some(CALENDAR));
    object.read(1);
    // The token is due for a refresh, and an orphan is to be adopted: looking does neither.
    object.call(2, "createCalendarEvent", event());
    object.recovered();
    let (rows, activity) = (object.rows.clone(), object.core.last_activity);
    object.now = object.now.plus(DurationMs::from_secs(3_500));
    let (forms, sent) = (object.forms.len(), object.sent.len());
    let overview: Overview = object.ordered(Order::Look);
    assert_eq!(overview.microsoft.standing, Standing::Connected);
    assert_eq!((overview.grants.len(), overview.sessions_in_all), (1, 1));
    assert_eq!((overview.ledger.entries, overview.ledger.open, overview.ledger.sequence), (2, 1, 1));
    assert_eq!(overview.hours.iter().map(|hour| hour.succeeded).sum::<u64>(), 1);
    assert!(!overview.hours_are_cut && overview.timers.iter().any(|timer| timer.name == "refresh"));
    object.requests_page(all());
    object.export();
    assert_eq!((object.rows, object.core.last_activity), (rows, activity));
    assert_eq!((object.forms.len(), object.sent.len()), (forms, sent));
}

#[test]
fn requests_are_shown_with_their_attempts_and_found_by_what_is_asked() {
    let mut object = Object::with(Some(CALENDAR));
    object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    let answer = |status| Answer {
        status,
        gateway_log_id: Some(format!("log-{status}")),
        graph_request_id: Some(format!("graph-{status}")),
        body: br#"{"value": []}"#.to_vec(),
        ..Answer::default()
    };
    object.ends(CallResult::Lost(Lost::Timeout));
    object.wait(5);
    object.now = object.now.plus(DurationMs(120));
    object.ends(CallResult::Answered(answer(200)));
    object.wait(1);
    object.read(2);
    let everything = object.requests_page(all());
    assert_eq!((everything.requests.len(), everything.next), (2, None));
    let [newer, older] = everything.requests.as_slice() else { panic!("two requests") };
    assert!(newer.received_at_ms > older.received_at_ms);
    let [first, second] = older.attempts.as_slice() else { panic!("two attempts: {older:?}") };
    assert_eq!((first.purpose.as_str(), first.result.as_deref()), ("call", Some("timeout")));
    assert_eq!(second.result.as_deref(), Some("200"));
    assert_eq!(second.ended_at_ms.unwrap().since(second.sent_at_ms), DurationMs(120));
    assert_eq!(older.gateway_log_ids, ["log-200"]);
    assert_eq!(older.graph_request_ids, ["graph-200"]);
    let (older, newer) = (older.clone(), newer.clone());
    let one: RequestView = object.ordered(Order::Request { id: older.id });
    assert_eq!(one, older);
    assert_eq!(object.order(Order::Request { id: RequestId::from_bytes([9; 16]) }).status, 404);
    let paged = object.requests_page(RequestQuery { limit: 1, ..all() });
    assert_eq!((paged.requests.as_slice(), paged.next), ([newer.clone()].as_slice(), Some(newer.id)));
    let next = object.requests_page(RequestQuery { before: paged.next, ..all() });
    assert_eq!(next.requests.first(), Some(&older));
    let later = object.requests_page(RequestQuery { from: Some(newer.received_at_ms), ..all() });
    assert_eq!((later.requests.len(), later.requests.first()), (1, Some(&newer)));
    let earlier = object.requests_page(RequestQuery { to: Some(newer.received_at_ms), ..all() });
    assert_eq!(earlier.requests, [older]);
    let text = |text: &str| Some(text.to_owned());
    for (query, found) in [
        (RequestQuery { state: text("done"), ..all() }, 2),
        (RequestQuery { state: text("failed"), ..all() }, 0),
        (RequestQuery { tool: text("getCalendarEvents"), ..all() }, 2),
        (RequestQuery { tool: text("sendEmail"), ..all() }, 0),
        (RequestQuery { client: text("client"), outcome: text("ok"), ..all() }, 2),
        (RequestQuery { outcome: text("timeout"), ..all() }, 0),
    ] {
        assert_eq!(object.requests_page(query.clone()).requests.len(), found, "{query:?}");
    }
}

#[test]
fn the_chain_goes_on_through_restarts_and_what_retention_removes() {
    let mut object = Object::with(Some(CALENDAR));
    for id in 1..=3 {
        object.read(id);
        object.wait(1);
    }
    object.recovered();
    object.read(4);
    let (export, key) = object.export();
    assert_eq!(export.verify(&key), Ok(Verified { proved: 4, unproved: 0, removed: 0 }));
    // A day later the floor has moved past all of them; the head is known from the object's own row alone.
    object.wait(24 * 60 * 60);
    object.recovered();
    assert_eq!(object.core.ledger.head().sequence, 4);
    object.wait(100 * 24 * 60 * 60);
    object.wait(1);
    let (export, again) = object.export();
    let verified = export.verify(&key).unwrap();
    assert_eq!((again, verified.removed >= 4), (key, true), "{verified:?}");
    assert!(export.lines.iter().all(|line| line.chain.unwrap().sequence > 4));
}

#[test]
fn while_it_is_paused_nothing_leaves_and_that_is_said() {
    let mut object = Object::with(Some(CALENDAR));
    object.act_twice(Action::Pause);
    object.recovered();
    let told = object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().contains("paused"), "{told}");
    // Long after the token should have been renewed the alarm has nothing to do and is not set to the past.
    object.wait(3_500);
    assert_eq!((object.sent.len(), object.forms.len()), (0, 0));
    assert!(object.core.timers.next().is_some_and(|due| due > object.now));
    assert!(!object.act(Action::RefreshNow).changed && !object.act(Action::RevokeSignIns).changed);
    let overview: Overview = object.ordered(Order::Look);
    assert_eq!(overview.paused.unwrap().by, "olga");
    assert_eq!(overview.ledger.failed, 1);
    object.act_twice(Action::Resume);
    object.call(2, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert_eq!((object.sent.len(), object.forms.len()), (1, 1), "the call, and the renewal that was due");
}

#[test]
fn what_waits_keeps_waiting_through_a_pause_and_ends_with_a_drain() {
    let mut object = Object::with(Some(CALENDAR));
    for id in 1..=6 {
        object.call(id, "getCalendarEvents", json!({"timeZone": "UTC"}));
    }
    let in_flight = object.sent.len();
    assert_eq!(in_flight + object.core.load().waiting, 6);
    object.act(Action::Pause);
    object.answers(200, &json!({"value": []}));
    assert_eq!((object.sent.len(), object.core.load().open), (in_flight, 5));
    object.act_twice(Action::Drain);
    assert_eq!((object.core.load().waiting, object.core.load().open), (0, in_flight - 1));
    assert!(object.answer_to(6)["result"]["content"][0]["text"].as_str().unwrap().contains("paused"));
    assert!(!object.act(Action::Pause).changed, "a drain is a pause already");
}

#[test]
fn sessions_end_and_clients_are_cut_off() {
    let mut object = Object::with(Some(CALENDAR));
    object.act_twice(Action::DropSessions);
    object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert_eq!(object.replies.last().unwrap().status, 404);
    object.open(&json!({}));
    assert!(!object.act(Action::RevokeClient { grant: GrantId::from_bytes([9; 16]) }).changed);
    object.act_twice(Action::RevokeClient { grant: GRANT });
    object.call(2, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert!(matches!(
        object.replies.last().unwrap().challenge,
        Some(protocol::object::Challenge::InvalidToken)
    ));
}

#[test]
fn a_disconnected_account_has_no_tokens_and_what_waited_is_told() {
    let mut object = Object::with(Some(CALENDAR));
    for id in 1..=6 {
        object.call(id, "getCalendarEvents", json!({"timeZone": "UTC"}));
    }
    let in_flight = object.sent.len();
    object.act_twice(Action::Disconnect);
    assert!(object.answer_to(6)["result"]["content"][0]["text"].as_str().unwrap().contains("disconnected"));
    assert_eq!(object.core.load().open, in_flight);
    object.answers(200, &json!({"value": []}));
    let overview: Overview = object.ordered(Order::Look);
    assert_eq!((overview.microsoft.standing, overview.grants.len()), (Standing::NotConnected, 0));
    assert!(!object.rows.rows.keys().any(|(table, _)| *table == Table::Tokens || *table == Table::Sessions));
    assert!(!object.act(Action::RefreshNow).changed);
}

#[test]
fn tokens_are_renewed_and_sign_ins_ended_under_requests_that_can_be_followed() {
    let mut object = Object::with(Some(CALENDAR));
    let acted = object.act_twice(Action::RefreshNow);
    assert_eq!(object.forms.len(), 1);
    let view: RequestView = object.ordered(Order::Request { id: acted.request.unwrap() });
    assert_eq!((view.tool.as_str(), view.state.as_str()), ("refresh", "in_flight"));
    assert_eq!(view.attempts.first().unwrap().purpose, "token");
    let acted = object.act_twice(Action::RevokeSignIns);
    assert_eq!(object.left().path, "/me/revokeSignInSessions");
    object.answers(403, &json!({"error": {"code": "Authorization_RequestDenied", "message": "no"}}));
    let view: RequestView = object.ordered(Order::Request { id: acted.request.unwrap() });
    assert_eq!(
        (view.tool.as_str(), view.outcome.as_deref()),
        ("revoke_sign_ins", Some("permission_missing"))
    );
    let acted = object.act(Action::RevokeSignIns);
    object.answers(200, &json!({"value": true}));
    let view: RequestView = object.ordered(Order::Request { id: acted.request.unwrap() });
    assert_eq!(view.outcome.as_deref(), Some("ok"));
    // Whether Microsoft acted is not known when the object dies with the call, and it is not asked again.
    let acted = object.act(Action::RevokeSignIns);
    object.recovered();
    object.wait(1);
    let view: RequestView = object.ordered(Order::Request { id: acted.request.unwrap() });
    assert_eq!((view.state.as_str(), object.sent.len()), ("unknown", 3));
}

#[test]
fn an_erased_object_is_as_new_and_everybody_was_answered() {
    let mut object = Object::with(Some(CALENDAR));
    object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert!(object.act(Action::Erase).changed && object.is_erased);
    assert_eq!(object.answer_to(1)["result"]["isError"], true);
    assert_eq!(object.rows.rows.len(), 0);
    let reports = object.reports.len();
    object.recovered();
    assert_eq!(object.order(Order::Look).status, 404);
    object.call(2, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert!(matches!(
        object.replies.last().unwrap().challenge,
        Some(protocol::object::Challenge::InvalidToken)
    ));
    // The answer to the call that was in flight comes to an object that knows nothing of it.
    object.answers(200, &json!({"value": []}));
    object.turn(Input::Alarm);
    assert_eq!((object.rows.rows.len(), object.core.armed, object.reports.len()), (0, None, reports));
}
