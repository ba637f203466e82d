//! Subscriptions: what is refused, the handshake, and which changes are told to whom. The other side is a
//! listener on a free port that answers as it is told.

use super::*;
use crate::{Emulator, Options};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const MAIL_AND_CALENDAR: &[&str] = &["Mail.Read", "Calendars.Read", "Calendars.ReadWrite"];

/// How the other side behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Echoes,
    EchoesAsHtml,
    Refuses,
    /// It echoes, and refuses the first notification.
    TakesTheSecond,
}

/// A listener; every notification's items come out of the channel.
fn listener(manner: Manner) -> (String, Receiver<Value>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", socket.local_addr().unwrap());
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut notifications = 0;
        for stream in socket.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let token = first.split("validationToken=").nth(1).map(|rest| rest.split(' ').next().unwrap());
            let (status, kind, answer) = match token {
                Some(_) if manner == Manner::Refuses => (500, "text/plain", String::new()),
                Some(token) => {
                    let kind = if manner == Manner::EchoesAsHtml { "text/html" } else { "text/plain" };
                    (200, kind, crate::wire::percent_decode(token).unwrap())
                }
                None => {
                    notifications += 1;
                    let refused = manner == Manner::TakesTheSecond && notifications == 1;
                    if !refused {
                        sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
                    }
                    (if refused { 503 } else { 202 }, "text/plain", String::new())
                }
            };
            let head = format!(
                "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                answer.len()
            );
            stream.get_mut().write_all(format!("{head}{answer}").as_bytes()).unwrap();
        }
    });
    (url, receiver)
}

fn in_minutes(rig: &Rig, minutes: u64) -> String {
    crate::clock::iso(rig.shared.lock().now_ms() + minutes * 60_000)
}

fn wish(rig: &Rig, url: &str, resource: &str, changes: &str) -> Value {
    json!({ "changeType": changes, "notificationUrl": url, "lifecycleNotificationUrl": url, "resource": resource,
            "expirationDateTime": in_minutes(rig, 60), "clientState": "secret" })
}

const INBOX: &str = "me/mailFolders('inbox')/messages";

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_refused_for_what_microsoft_refuses_it() {
    let rig = Rig::new();
    let token = rig.token("alice", MAIL_AND_CALENDAR).await;
    let (url, _told) = listener(Manner::Echoes);
    let good = wish(&rig, &url, INBOX, "created");
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, expected) in [
        (with("changeType", json!("created,moved")), 400),
        (with("changeType", Value::Null), 400),
        (with("resource", json!("me/mailFolders('inbox')")), 400),
        (with("resource", json!("users")), 400),
        (with("resource", json!("me/messages")), 501),
        (with("expirationDateTime", json!(in_minutes(&rig, 10_081))), 400),
        (with("expirationDateTime", json!("2020-01-01T00:00:00Z")), 400),
        (with("clientState", json!("x".repeat(129))), 400),
        (with("notificationUrl", json!("https://x.example/hook")), 400),
        (with("notificationUrl", json!("http://x.example:80/hook")), 400),
        (with("unknown", json!(1)), 400),
        (good.clone(), 201),
    ] {
        let reply = rig.graph(&token, "POST", "/subscriptions", body.clone()).await;
        assert_eq!(reply.status, expected, "{body} {}", reply.value());
    }
    let narrow = rig.token("alice", &["Mail.Send"]).await;
    assert_eq!(rig.graph(&narrow, "POST", "/subscriptions", good.clone()).await.status, 403);
    for manner in [Manner::EchoesAsHtml, Manner::Refuses] {
        let (url, _told) = listener(manner);
        let reply = rig.graph(&token, "POST", "/subscriptions", wish(&rig, &url, INBOX, "created")).await;
        assert_eq!((reply.status, code(&reply).as_str()), (400, "ValidationError"));
    }
    let list = rig.graph(&token, "GET", "/subscriptions", Value::Null).await.value();
    assert_eq!(list["value"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_ended_and_forgotten() {
    let rig = Rig::new();
    let token = rig.token("alice", MAIL_AND_CALENDAR).await;
    let (url, _told) = listener(Manner::Echoes);
    let made = rig.graph(&token, "POST", "/subscriptions", wish(&rig, &url, INBOX, "created")).await;
    let path = format!("/subscriptions/{}", id(&made));
    let longer = in_minutes(&rig, 120);
    let renewed = rig.graph(&token, "PATCH", &path, json!({ "expirationDateTime": longer })).await;
    assert_eq!(
        (renewed.status, renewed.value()["expirationDateTime"].as_str()),
        (200, Some(longer.as_str()))
    );
    for bad in [
        json!({}),
        json!({ "resource": "me/events" }),
        json!({ "expirationDateTime": in_minutes(&rig, 10_081) }),
    ] {
        assert_eq!(rig.graph(&token, "PATCH", &path, bad.clone()).await.status, 400, "{bad}");
    }
    let other = rig.token("bob", MAIL_AND_CALENDAR).await;
    assert_eq!(rig.graph(&other, "GET", &path, Value::Null).await.status, 404);
    assert_eq!(rig.graph(&other, "DELETE", &path, Value::Null).await.status, 404);
    rig.control("POST", "/clock", json!({ "advanceMs": 121 * 60_000 })).await;
    let fresh = rig.token("alice", MAIL_AND_CALENDAR).await;
    let longer = json!({ "expirationDateTime": in_minutes(&rig, 60) });
    assert_eq!(rig.graph(&fresh, "PATCH", &path, longer).await.status, 404);
    let made = rig.graph(&fresh, "POST", "/subscriptions", wish(&rig, &url, "me/events", "deleted")).await;
    let path = format!("/subscriptions/{}", id(&made));
    assert_eq!(rig.graph(&fresh, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(rig.graph(&fresh, "GET", &path, Value::Null).await.status, 404);
}

/// The next notification's items.
fn next(told: &Receiver<Value>) -> Vec<Value> {
    told.recv_timeout(Duration::from_secs(10)).unwrap()["value"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_told_to_those_who_asked_for_them() {
    let emulator = Emulator::start(Options::default()).unwrap();
    let rig = Rig { shared: emulator.shared.clone() };
    let token = rig.token("alice", &["Mail.ReadWrite", "Calendars.ReadWrite"]).await;
    let (mail_url, mail_told) = listener(Manner::TakesTheSecond);
    let (event_url, event_told) = listener(Manner::Echoes);
    rig.graph(&token, "POST", "/subscriptions", wish(&rig, &mail_url, INBOX, "created")).await;
    rig.graph(
        &token,
        "POST",
        "/subscriptions",
        wish(&rig, &event_url, "me/events", "created,updated,deleted"),
    )
    .await;
    let bob = rig.token("bob", ALL_MAIL).await;
    let sent = json!({ "message": mail(&address("alice"), "Told") });
    assert_eq!(rig.graph(&bob, "POST", "/me/sendMail", sent).await.status, 202);
    let items = next(&mail_told);
    assert_eq!(items.len(), 1, "refused once and sent again, and still one");
    assert_eq!((&items[0]["changeType"], &items[0]["clientState"]), (&json!("created"), &json!("secret")));
    let message = items[0]["resourceData"]["id"].as_str().unwrap().to_owned();
    assert!(items[0]["resource"].as_str().unwrap().ends_with(&message));
    // What is read or deleted was not asked for.
    rig.graph(&token, "PATCH", &format!("/me/messages/{message}"), json!({ "isRead": true })).await;
    let event = json!({ "subject": "E", "start": { "dateTime": "2027-02-01T10:00:00", "timeZone": "UTC" },
                        "end": { "dateTime": "2027-02-01T11:00:00", "timeZone": "UTC" } });
    let made = rig.graph(&token, "POST", "/me/events", event).await;
    assert_eq!(next(&event_told)[0]["changeType"], "created");
    let path = format!("/me/events/{}", id(&made));
    rig.graph(&token, "PATCH", &path, json!({ "subject": "F" })).await;
    assert_eq!(next(&event_told)[0]["changeType"], "updated");
    rig.graph(&token, "DELETE", &path, Value::Null).await;
    assert_eq!(next(&event_told)[0]["changeType"], "deleted");
    rig.control("POST", "/lifecycle", json!({ "user": address("alice"), "event": "subscriptionRemoved" }))
        .await;
    assert_eq!(next(&mail_told)[0]["lifecycleEvent"], "subscriptionRemoved");
    assert_eq!(next(&event_told)[0]["lifecycleEvent"], "subscriptionRemoved");
    rig.control(
        "POST",
        "/mail",
        json!({ "user": address("alice"), "message": { "subject": "Nobody hears" } }),
    )
    .await;
    let state = rig.control("GET", "/subscriptions", Value::Null).await;
    assert_eq!(state, json!({ "subscriptions": [], "waiting": 0 }));
}
