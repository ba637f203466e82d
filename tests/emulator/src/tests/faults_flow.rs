//! Each fault action with its effect on the mailbox, and the mailbox's limit of requests in flight. An
//! action that does not execute must leave no mail behind.

use super::*;
use std::time::Duration;

async fn fault(rig: &Rig, action: Value) {
    rig.control("DELETE", "/faults", Value::Null).await;
    rig.control("POST", "/faults", json!([{ "service": "graph", "times": 1, "action": action }])).await;
}

async fn outcome(rig: &Rig, token: &str) -> Outcome {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "message": mail(&address("bob"), "fault") }).to_string();
    rig.outcome("POST", "/graph/v1.0/me/sendMail", &headers, body.as_bytes()).await
}

async fn arrived(rig: &Rig) -> usize {
    count(&rig.folder("bob", "inbox").await, "fault")
}

fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Reply(reply) => reply.status,
        _ => 0,
    }
}

#[tokio::test]
async fn each_action_does_what_it_says() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    fault(&rig, json!({ "respond": { "status": 418, "headers": { "x-a": "b" }, "body": { "c": 1 } } })).await;
    let Outcome::Reply(reply) = outcome(&rig, &token).await else { panic!() };
    assert_eq!((reply.status, reply.headers.get("x-a"), reply.value()), (418, Some("b"), json!({ "c": 1 })));
    assert_eq!(arrived(&rig).await, 0);
    fault(&rig, json!({ "dropBefore": true })).await;
    assert!(matches!(outcome(&rig, &token).await, Outcome::Drop));
    assert_eq!(arrived(&rig).await, 0);
    fault(&rig, json!({ "dropAfter": true })).await;
    assert!(matches!(outcome(&rig, &token).await, Outcome::Drop));
    assert_eq!(arrived(&rig).await, 1);
    fault(&rig, json!({ "respondAfter": { "status": 500 } })).await;
    assert_eq!(status(&outcome(&rig, &token).await), 500);
    assert_eq!(arrived(&rig).await, 2);
    fault(&rig, json!({ "truncate": 3 })).await;
    assert!(matches!(outcome(&rig, &token).await, Outcome::Truncate(_, 3)));
    assert_eq!(arrived(&rig).await, 3);
    fault(&rig, json!({ "delayMs": 30 })).await;
    let before = std::time::Instant::now();
    assert_eq!(status(&outcome(&rig, &token).await), 202);
    assert!(before.elapsed() >= Duration::from_millis(30));
    fault(&rig, json!({ "hang": true })).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), outcome(&rig, &token)).await.is_err());
    assert_eq!(arrived(&rig).await, 4, "a hanging call is not executed");
    assert_eq!(status(&outcome(&rig, &token).await), 202, "the rule is used up");
    let records = rig.control("GET", "/records?service=graph", Value::Null).await;
    let ended: Vec<&str> =
        records["records"].as_array().unwrap().iter().map(|r| r["ended"].as_str().unwrap()).collect();
    let expected =
        ["answered", "dropped", "dropped", "answered", "truncated", "answered", "abandoned", "answered"];
    assert_eq!(ended, expected);
}

#[tokio::test]
async fn the_shortcuts_speak_each_services_language() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    fault(&rig, json!({ "throttle429": 7 })).await;
    let Outcome::Reply(reply) = outcome(&rig, &token).await else { panic!() };
    assert_eq!((reply.status, reply.headers.get("retry-after")), (429, Some("7")));
    assert!(reply.value()["error"]["code"].is_string());
    fault(&rig, json!({ "outage503": true })).await;
    assert_eq!(status(&outcome(&rig, &token).await), 503);
    fault(&rig, json!({ "insufficientClaims": true })).await;
    let Outcome::Reply(reply) = outcome(&rig, &token).await else { panic!() };
    let challenge = reply.headers.get("www-authenticate").unwrap();
    assert!(reply.status == 401 && challenge.contains("error=\"insufficient_claims\", claims=\""));
    assert_eq!(arrived(&rig).await, 0);
}

#[tokio::test]
async fn the_fifth_request_to_one_mailbox_is_throttled() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let other = rig.token("bob", ALL_MAIL).await;
    rig.control("POST", "/settings", json!({ "graphLatencyMs": 60 })).await;
    let get = |token: &str, path: &str| {
        let (shared, token, path) = (rig.shared.clone(), token.to_owned(), path.to_owned());
        tokio::spawn(async move { Rig { shared }.graph(&token, "GET", &path, Value::Null).await })
    };
    let mut calls: Vec<_> = (0..6).map(|_| get(&token, "/me/messages?$top=1")).collect();
    calls.push(get(&other, "/me/messages?$top=1"));
    calls.push(get(&token, "/me"));
    let mut statuses = Vec::new();
    for call in calls {
        let reply = call.await.unwrap();
        if reply.status == 429 {
            assert_eq!(code(&reply), "ApplicationThrottled");
            assert!(reply.headers.get("retry-after").is_some());
        }
        statuses.push(reply.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 429, 429]);
    let seen = rig.control("GET", "/concurrency", Value::Null).await;
    assert_eq!(seen["mailboxes"]["alice@contoso.example"], json!({ "inFlight": 0, "maxInFlight": 4 }));
    assert_eq!(seen["mailboxRefusals"], 2);
    assert!(seen["users"]["alice@contoso.example"]["maxInFlight"].as_u64().unwrap() >= 5, "the profile too");
    assert!(seen["services"]["graph"]["maxInFlight"].as_u64().unwrap() >= 5);
}
