//! Waiting, retrying, giving up and failing fast, as clients meet them.
//!
//! What holds here: each rule has a test of its own name; times are the turn's, so that what is asserted is when a call
//! may leave and never how long anything takes.

use protocol::limits::{
    CALL_TIMEOUT, GATEWAY_FAILURES_MAX, GATEWAY_PAUSE, QUEUED_CALLS_MAX, REQUEST_DEADLINE,
};

use super::*;

const MAIL: [&str; 3] = ["Mail.Read", "Mail.ReadWrite", "Mail.Send"];

fn connected() -> Object {
    Object::with(Some(&MAIL))
}

fn read(object: &mut Object, id: u64) -> Value {
    object.call(id, "getEmails", json!({"count": 1}))
}

fn send(object: &mut Object, id: u64) -> Value {
    object.call(id, "sendEmail", json!({"to": ["a@example.com"], "subject": "S", "body": "B"}))
}

fn graph_error(code: &str) -> Vec<u8> {
    json!({"error": {"code": code, "message": "x"}}).to_string().into_bytes()
}

fn gateway_error() -> Vec<u8> {
    json!({"success": false, "error": [{"code": 7013, "message": "x"}]}).to_string().into_bytes()
}

fn answer(status: u16, retry_after_s: Option<u64>, body: Vec<u8>) -> CallResult {
    let retry_after = retry_after_s.map(DurationMs::from_secs);
    CallResult::Answered(Answer { status, retry_after, body, ..Answer::default() })
}

fn text(answer: &Value) -> String {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Lets time pass second by second until another call has left; yields the seconds.
fn seconds_until_next_call(object: &mut Object) -> u64 {
    let before = object.sent.len();
    (1..=600)
        .find(|_| {
            object.wait(1);
            object.sent.len() > before
        })
        .unwrap_or(u64::MAX)
}

#[test]
fn a_full_queue_says_busy_and_when_to_come_back() {
    let mut object = connected();
    for id in 0..QUEUED_CALLS_MAX as u64 + 4 {
        assert_eq!(read(&mut object, id), Value::Null, "{id}");
    }
    let refused = read(&mut object, 1_000);
    assert!(
        text(&refused).contains("Too many calls") && text(&refused).contains("Try again in"),
        "{refused}"
    );
    assert_eq!(object.sent.len(), 4);
}

#[test]
fn a_read_is_repeated_after_what_passes_and_after_nothing_else() {
    for (status, again) in [(429, true), (502, true), (503, true), (504, true), (500, false), (501, false)] {
        let mut object = connected();
        read(&mut object, 1);
        object.ends(answer(status, None, graph_error("x")));
        let seconds = seconds_until_next_call(&mut object);
        assert_eq!(seconds <= 2, again, "{status}: {seconds}");
    }
    for status in [400, 403, 404, 409, 413] {
        let mut object = connected();
        read(&mut object, 1);
        object.ends(answer(status, None, graph_error("x")));
        assert_eq!((object.sent.len(), object.core.load().open), (1, 0), "{status}");
    }
    for lost in [Lost::Connection, Lost::Timeout] {
        let mut object = connected();
        read(&mut object, 1);
        object.ends(CallResult::Lost(lost));
        assert!(seconds_until_next_call(&mut object) <= 2);
    }
}

#[test]
fn a_write_is_repeated_after_a_429_and_otherwise_looked_into_first() {
    let mut object = connected();
    send(&mut object, 1);
    object.answers(201, &json!({"id": "D", "isDraft": true}));
    let sending = object.left().clone();
    object.ends(answer(429, Some(3), graph_error("ApplicationThrottled")));
    assert_eq!((seconds_until_next_call(&mut object), object.left()), (4, &sending));
    for lost in [answer(500, None, graph_error("x")), answer(502, None, b"<html>".to_vec())] {
        object.ends(lost);
        object.wait(0);
        assert_eq!(object.left().method, protocol::outbound::Method::Get);
        object.now = object.now.plus(CALL_TIMEOUT);
        object.answers(200, &json!({"id": "D", "isDraft": true}));
        if object.left() != &sending {
            seconds_until_next_call(&mut object);
        }
        // It is a draft still: sending it is allowed.
        assert_eq!(object.left(), &sending);
    }
    object.answers(202, &Value::Null);
    assert_eq!(object.last()["result"]["isError"], false);
}

#[test]
fn retry_after_is_obeyed_and_lengthened_by_a_quarter_at_most() {
    for status in [429, 503] {
        let mut object = connected();
        read(&mut object, 1);
        object.ends(answer(status, Some(20), graph_error("x")));
        let seconds = seconds_until_next_call(&mut object);
        assert!((20..=25).contains(&seconds), "{status}: {seconds}");
    }
}

#[test]
fn retry_after_of_a_writes_503_is_obeyed_by_the_look_and_by_the_repeat() {
    let mut object = connected();
    send(&mut object, 1);
    object.answers(201, &json!({"id": "D", "isDraft": true}));
    let sending = object.left().clone();
    object.ends(answer(503, Some(20), graph_error("ServiceUnavailable")));
    let seconds = seconds_until_next_call(&mut object);
    assert!((20..=25).contains(&seconds), "{seconds}");
    assert_eq!(object.left().method, protocol::outbound::Method::Get);
    // The look is put off too, and after it the draft is sent.
    object.ends(answer(503, Some(10), graph_error("ServiceUnavailable")));
    let seconds = seconds_until_next_call(&mut object);
    assert!((10..=13).contains(&seconds), "{seconds}");
    object.answers(200, &json!({"id": "D", "isDraft": true}));
    assert!(seconds_until_next_call(&mut object) <= 3);
    assert_eq!(object.left(), &sending);
}

#[test]
fn without_retry_after_the_wait_doubles_and_is_random() {
    let mut waits = BTreeSet::new();
    for number in 0..20 {
        let mut object = connected();
        object.count = number;
        read(&mut object, 1);
        let mut doubled = 1_000;
        for _ in 0..3 {
            object.ends(CallResult::Lost(Lost::Connection));
            let due = object.core.queue.due(object.now).unwrap().since(object.now).0;
            assert!((doubled..=doubled * 5 / 4).contains(&due), "{due}");
            waits.insert(due - doubled);
            doubled *= 2;
            object.wait(due.div_ceil(1_000));
        }
        // Four attempts are all.
        object.ends(CallResult::Lost(Lost::Connection));
        assert_eq!((object.sent.len(), object.core.load().open), (4, 0));
    }
    assert!(waits.len() > 20, "{waits:?}");
}

#[test]
fn a_lane_that_is_closed_for_longer_than_a_call_may_wait_refuses_at_once() {
    let mut object = connected();
    read(&mut object, 1);
    object.ends(answer(429, Some(200), graph_error("ApplicationThrottled")));
    assert!(text(&object.last()).contains("limiting calls"), "{}", object.last());
    let refused = read(&mut object, 2);
    assert!(text(&refused).contains("Try again in 200 s"), "{refused}");
    object.wait(200);
    assert_eq!((read(&mut object, 3), object.sent.len()), (Value::Null, 2));
}

#[test]
fn a_call_that_cannot_leave_in_time_ends_at_its_deadline() {
    let mut object = connected();
    for id in 0..5 {
        read(&mut object, id);
    }
    let replies = object.replies.len();
    // Four are in flight and never come back; the fifth waits behind them and behind their repetitions.
    for _ in 0..=REQUEST_DEADLINE.as_secs_rounded_up() + 40 {
        object.wait(1);
    }
    assert_eq!((object.replies.len() - replies, object.core.load().open), (5, 0));
}

fn cancel(object: &mut Object, id: u64) {
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    object.say(&body);
}

#[test]
fn what_has_not_left_is_called_off_and_nothing_happens() {
    let mut object = connected();
    for id in 0..4 {
        read(&mut object, id);
    }
    send(&mut object, 9);
    cancel(&mut object, 9);
    assert!(text(&object.answer_to(9)).contains("cancelled"));
    assert_eq!((object.sent.len(), object.core.load().open), (4, 4));
}

#[test]
fn a_read_in_flight_is_answered_at_once_and_its_result_is_dropped() {
    let mut object = connected();
    for id in 0..4 {
        read(&mut object, id);
    }
    cancel(&mut object, 3);
    assert!(text(&object.answer_to(3)).contains("cancelled"));
    // Microsoft is still at work on it, so its place is not free yet.
    read(&mut object, 4);
    assert_eq!((object.sent.len(), object.core.load().in_flight), (4, 4));
    let replies = object.replies.len();
    object.answers(200, &json!({"value": []}));
    assert_eq!((object.replies.len(), object.sent.len()), (replies, 5));
}

#[test]
fn the_place_of_a_dropped_read_is_free_at_the_latest_when_its_time_is_over() {
    let mut object = connected();
    read(&mut object, 1);
    cancel(&mut object, 1);
    assert_eq!(object.core.load().in_flight, 1);
    object.wait(40);
    assert_eq!(object.core.load().in_flight, 0);
}

#[test]
fn a_write_in_flight_is_left_to_end_and_its_outcome_is_kept() {
    let mut object = connected();
    send(&mut object, 1);
    let replies = object.replies.len();
    cancel(&mut object, 1);
    assert_eq!(object.replies.len(), replies + 1, "the notification is acknowledged, the call goes on");
    object.answers(201, &json!({"id": "D", "isDraft": true}));
    object.answers(202, &Value::Null);
    assert_eq!(object.answer_to(1)["result"]["structuredContent"]["status"], "sent");
}

#[test]
fn who_joined_a_write_keeps_it_when_the_first_one_cancels() {
    let mut object = connected();
    for id in 0..4 {
        read(&mut object, id);
    }
    send(&mut object, 8);
    send(&mut object, 9);
    cancel(&mut object, 8);
    assert!(text(&object.answer_to(8)).contains("cancelled"));
    object.answers(200, &json!({"value": []}));
    object.answers(201, &json!({"id": "D", "isDraft": true}));
    object.answers(202, &Value::Null);
    assert_eq!(object.answer_to(9)["result"]["structuredContent"]["status"], "sent");
}

/// An object whose gateway has just failed often enough.
fn with_gateway_down() -> Object {
    let mut object = connected();
    for id in 0..u64::from(GATEWAY_FAILURES_MAX) {
        read(&mut object, id);
        object.ends(answer(500, None, gateway_error()));
    }
    object
}

fn breaker_states(object: &Object) -> Vec<String> {
    let changes =
        object.lines.iter().filter(|line| line.field("event").is_some_and(|e| e == "gateway_breaker"));
    changes.filter_map(|line| Some(line.field("state")?.as_str()?.to_owned())).collect()
}

#[test]
fn while_the_gateway_is_down_calls_fail_fast_and_nothing_happens() {
    let mut object = with_gateway_down();
    assert_eq!(breaker_states(&object), ["open"]);
    let calls = object.sent.len();
    for refused in [read(&mut object, 100), send(&mut object, 101)] {
        let words = ["Gateway is down", "Nothing was sent", "Try again in"];
        assert!(words.iter().all(|word| text(&refused).contains(word)), "{refused}");
    }
    assert_eq!((object.sent.len(), object.core.load().open), (calls, 0));
}

#[test]
fn exactly_one_call_tries_whether_the_gateway_is_back() {
    let mut object = with_gateway_down();
    let calls = object.sent.len();
    object.wait(GATEWAY_PAUSE.as_secs_rounded_up() * 2);
    for id in 200..203 {
        assert_eq!(read(&mut object, id), Value::Null);
    }
    assert_eq!(object.sent.len(), calls + 1);
    // It fails: the others hear of it at once, and the pause is longer.
    object.ends(CallResult::Lost(Lost::Connection));
    assert_eq!((object.sent.len(), object.core.load().open), (calls + 1, 0));
    object.wait(GATEWAY_PAUSE.as_secs_rounded_up());
    assert!(text(&read(&mut object, 204)).contains("Gateway is down"));
    object.wait(GATEWAY_PAUSE.as_secs_rounded_up() * 2);
    for id in 205..208 {
        read(&mut object, id);
    }
    object.answers(200, &json!({"value": []}));
    assert_eq!(object.sent.len(), calls + 4, "the other two leave once one was answered");
    assert_eq!(breaker_states(&object), ["open", "half_open", "open", "half_open", "closed"]);
}

#[test]
fn a_write_under_way_waits_for_the_gateway_and_goes_on() {
    let mut object = connected();
    send(&mut object, 1);
    object.ends(answer(500, None, gateway_error()));
    let look = object.sent.last().unwrap().0;
    for id in 10..9 + u64::from(GATEWAY_FAILURES_MAX) {
        read(&mut object, id);
        object.ends(answer(500, None, gateway_error()));
    }
    assert_eq!((breaker_states(&object), object.core.load().open), (vec!["open".to_owned()], 1));
    // The look left before. It finds that nothing was created, so the mail is wanted still and waits.
    let calls = object.sent.len();
    let nothing = answer(200, None, json!({"value": []}).to_string().into_bytes());
    object.turn(Input::CallDone { op: look, result: nothing });
    object.wait(1);
    assert_eq!(object.sent.len(), calls);
    object.wait(GATEWAY_PAUSE.as_secs_rounded_up() * 2);
    object.answers(201, &json!({"id": "D", "isDraft": true}));
    object.answers(202, &Value::Null);
    assert_eq!(object.answer_to(1)["result"]["structuredContent"]["status"], "sent");
    assert_eq!(breaker_states(&object), ["open", "half_open", "closed"]);
}

#[test]
fn graphs_own_errors_do_not_open_the_breaker() {
    let mut object = connected();
    for id in 0..20 {
        read(&mut object, id);
        object.ends(answer(500, None, graph_error("InternalServerError")));
    }
    assert_eq!((breaker_states(&object), object.sent.len()), (Vec::new(), 20));
}
