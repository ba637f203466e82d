//! What a client meets that asks too often or not at all.
//!
//! What holds here: a refusal for the rate leaves no row, no call and one log line; an idle session is ended by the alarm,
//! without anybody asking.

use super::*;
use crate::rate::Rate;
use crate::testing::config_with;

/// Asks for a mail list in one of the two eras.
fn ask(object: &mut Object, id: u64, stateless: Option<Stateless>) {
    let params = json!({"name": "getEmails", "arguments": {"count": 1}});
    object.send(json!(id), "tools/call", params, stateless);
}

#[test]
fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    for stateless in [None, Some(Stateless::default())] {
        let mut object = Object::with(Some(&["Mail.Read"]));
        object.core.rate = Rate::new(10);
        for id in 0..10 {
            ask(&mut object, id, stateless.clone());
        }
        let (rows, answered, log) = (object.rows.clone(), object.replies.len(), object.lines.len());
        for id in 10..13 {
            ask(&mut object, id, stateless.clone());
            let reply = object.replies.last().unwrap();
            assert_eq!((reply.status, reply.retry_after), (429, Some(DurationMs::from_secs(6))));
            assert_eq!(object.last()["id"], id);
            assert_eq!(object.last()["error"]["data"]["retryAfterSeconds"], 6);
        }
        assert_eq!(object.replies.len(), answered + 3);
        assert!(object.rows == rows, "a refusal wrote a row");
        let logged: Vec<_> =
            object.lines[log..].iter().map(|line| line.field("event").unwrap().clone()).collect();
        assert_eq!(logged, [json!("rate_limited")]);
        // What lets work end is not counted.
        object
            .say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}));
        assert_eq!(object.replies.last().unwrap().status, 202);
        object.now = object.now.plus(DurationMs::from_secs(6));
        ask(&mut object, 20, stateless.clone());
        assert!(object.replies.iter().filter(|reply| reply.status == 429).count() == 3, "its time had come");
    }
}

#[test]
fn the_alarm_ends_a_session_that_nobody_uses() {
    let mut object = Object::with(None);
    let config = config_with(&[("SESSION_IDLE_MINUTES", "60")]);
    object.core = UserSession::recover(Rc::new(config), &object.rows, object.now).unwrap();
    let ping = |object: &mut Object| {
        object.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}));
        object.replies.last().unwrap().status
    };
    assert_eq!(ping(&mut object), 200);
    object.now = object.now.plus(DurationMs::from_secs(59 * 60));
    assert_eq!(ping(&mut object), 200, "its time is not over");
    object.wait(59 * 60);
    assert!(object.core.sessions.expiry_due().is_some(), "it was used in between");
    object.wait(60);
    assert!(object.core.sessions.expiry_due().is_none());
    assert_eq!(ping(&mut object), 404);
}
