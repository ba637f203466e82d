//! Linked apps: with which credential a call leaves, and that one which can have an effect leaves once.

use protocol::tools::WriteIntent;

use super::*;
use crate::ledger::{EntryState, Ledger};

const SETTING: &str = r#"[{"name":"orders","baseUrl":"https://orders.corp.example","paths":["/api"],
    "methods":["GET","POST"],"description":"Orders."}]"#;

/// An object behind Access, whose Microsoft account is not connected.
fn linked() -> Object {
    let perimeter = [
        ("ACCESS_MODE", "perimeter"),
        ("ACCESS_TEAM_DOMAIN", "contoso.cloudflareaccess.com"),
        ("ACCESS_AUD", "a0b1"),
        ("LINKED_APPS", SETTING),
    ];
    let mut object = Object::configured(None, &perimeter);
    object.assertion = Some(Assertion("assertion-1".into()));
    object
}

impl Object {
    fn app_ends(&mut self, result: CallResult) {
        let op = self.called.last().unwrap().0;
        self.turn(Input::CallDone { op, result });
    }

    fn app_answers(&mut self, status: u16, body: &str) {
        let (body, content_type) = (body.as_bytes().to_vec(), Some("application/json".to_owned()));
        self.app_ends(CallResult::Answered(Answer { status, content_type, body, ..Answer::default() }));
    }

    fn entry_of_app(&self) -> Entry {
        let request = self.called.last().unwrap().0.request;
        Ledger::entry(&Txn::new(&self.rows), request).unwrap().unwrap()
    }
}

#[test]
fn a_read_leaves_as_the_person_and_comes_back_fenced() {
    let mut object = linked();
    let arguments = json!({"app": "orders", "path": "/api/1", "query": {"full": true}});
    assert_eq!(object.call(1, "callLinkedApp", arguments), Value::Null);
    let (_, call, credential) = object.called.last().unwrap();
    assert_eq!(
        (call.method.as_str(), call.url.as_str()),
        ("GET", "https://orders.corp.example/api/1?full=true")
    );
    assert!(matches!(credential, AppCredential::Assertion(token) if token.expose() == "assertion-1"));
    assert!(object.sent.is_empty() && object.forms.is_empty(), "Microsoft has no part in it");
    object.app_answers(200, r#"{"total":7}"#);
    let answer = object.last();
    assert_eq!(answer["result"]["structuredContent"]["untrustedContent"], r#"{"total":7}"#);
    assert_eq!((object.entry_of_app().state, object.entry_of_app().writes), (EntryState::Done, false));
    let line = object.lines.iter().find(|line| line.field("event") == Some(&json!("call"))).unwrap();
    let said = ["lane", "verb", "route", "status"].map(|name| line.field(name).unwrap().clone());
    assert_eq!(said, [json!("linked_app"), json!("GET"), json!("orders"), json!(200)]);
    assert!(object.log.iter().all(|line| !line.contains("assertion-1") && !line.contains("corp.example")));
    assert!(object.rows.rows.values().all(|value| !value.windows(11).any(|part| part == b"assertion-1")));
}

#[test]
fn without_an_identity_of_access_nothing_leaves() {
    let mut object = linked();
    object.assertion = None;
    let refused = object.call(1, "callLinkedApp", json!({"app": "orders", "path": "/api"}));
    assert_eq!(refused["result"]["_meta"], Value::Null);
    assert!(
        refused.to_string().contains("Cloudflare Access wants this person to sign in again"),
        "{refused}"
    );
    assert!(object.called.is_empty());
}

#[test]
fn a_lost_write_ends_as_unknown_and_is_never_sent_again() {
    for lost in [
        CallResult::Lost(Lost::Connection),
        CallResult::Lost(Lost::Timeout),
        CallResult::Answered(Answer { status: 502, ..Answer::default() }),
        CallResult::Answered(Answer { status: 302, ..Answer::default() }),
    ] {
        let mut object = linked();
        let arguments = json!({"app": "orders", "method": "POST", "path": "/api", "body": {"n": 1}});
        assert_eq!(object.call(1, "callLinkedApp", arguments.clone()), Value::Null);
        assert_eq!(
            object.entry_of_app().intent,
            Some(WriteIntent::CallApp),
            "it is stored before the call leaves"
        );
        // An equal call joins the one that is under way.
        object.call(2, "callLinkedApp", arguments);
        object.app_ends(lost);
        assert_eq!(object.last()["result"]["isError"], true);
        assert!(object.last().to_string().contains("was lost"), "{}", object.last());
        assert_eq!(object.entry_of_app().state, EntryState::Unknown);
        for _ in 0..20 {
            object.wait(60);
        }
        assert_eq!(object.called.len(), 1);
    }
}

#[test]
fn what_a_restart_cut_off_is_not_repeated() {
    for (method, state) in [("POST", EntryState::Unknown), ("GET", EntryState::Failed)] {
        let mut object = linked();
        object.call(1, "callLinkedApp", json!({"app": "orders", "method": method, "path": "/api"}));
        object.core = UserSession::recover(object.core.config.clone(), &object.rows, object.now).unwrap();
        object.wait(1);
        assert_eq!((object.called.len(), object.entry_of_app().state), (1, state), "{method}");
    }
}

#[test]
fn two_calls_are_in_flight_at_a_time_and_a_third_waits() {
    let mut object = linked();
    for number in 1..=3 {
        object.call(number, "callLinkedApp", json!({"app": "orders", "path": format!("/api/{number}")}));
    }
    assert_eq!(object.called.len(), 2);
    object.app_answers(204, "");
    assert_eq!(object.called.len(), 3);
}
