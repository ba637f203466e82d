//! The realistic tenant: that it is there on demand, the same from the same seed, as large as promised, and that
//! what tests name can be found in it through Graph.

use super::*;
use crate::options::Tenant;
use std::collections::BTreeSet;

async fn realistic() -> Rig {
    let rig = Rig::new();
    rig.control("POST", "/tenant", json!({ "kind": "realistic", "seed": 7 })).await;
    rig
}

const READS: &[&str] = &[
    "User.Read",
    "User.ReadBasic.All",
    "User.Read.All",
    "Mail.ReadWrite",
    "Calendars.ReadWrite",
    "Contacts.Read",
    "Files.Read.All",
    "Tasks.Read",
    "Chat.Read",
    "Team.ReadBasic.All",
];

/// All subjects of a mailbox with their folders, which no moment can change.
fn outline(world: &World) -> Vec<(String, String)> {
    let alice = world.directory.by_address("alice@contoso.example").unwrap();
    let messages = &world.mailboxes.get(alice.oid).unwrap().messages;
    let mut list: Vec<_> = messages.iter().map(|m| (m.subject.clone(), m.body.clone())).collect();
    list.sort();
    list
}

#[test]
fn the_same_seed_makes_the_same_tenant() {
    let make = |seed| {
        let options = Options { tenant: Tenant::Realistic, seed, ..Options::default() };
        World::new(options, "http://127.0.0.1:1".into())
    };
    let (one, again, other) = (make(7), make(7), make(8));
    assert_eq!(outline(&one), outline(&again));
    assert_ne!(outline(&one), outline(&other));
    assert_eq!(outline(&one).len(), 3000);
}

#[tokio::test]
async fn it_is_as_large_as_promised() {
    let rig = realistic().await;
    let token = rig.token("alice", READS).await;
    let list = async |target: &str| rig.graph(&token, "GET", target, Value::Null).await.value();
    let all = list("/me/messages?$top=1000&$select=receivedDateTime&$count=true").await;
    assert_eq!(all["@odata.count"], 3000);
    let oldest = list("/me/messages?$top=1&$orderby=receivedDateTime").await;
    let now_ms = rig.shared.lock().now_ms();
    let age_ms =
        now_ms - crate::clock::parse_iso(oldest["value"][0]["receivedDateTime"].as_str().unwrap()).unwrap();
    assert!(age_ms > 700 * crate::clock::DAY_MS, "two years");
    let folders = list("/me/mailFolders/inbox/childFolders").await;
    assert!(folders["value"].as_array().unwrap().len() >= 6);
    assert_eq!(list("/users?$top=999").await["value"].as_array().unwrap().len(), 48);
    assert!(list("/me/contacts?$top=1000").await["value"].as_array().unwrap().len() > 100);
    assert_eq!(list("/me/joinedTeams").await["value"].as_array().unwrap().len(), 6);
    assert!(list("/me/chats?$top=50").await["value"].as_array().unwrap().len() >= 9);
    assert_eq!(list("/me/calendars").await["value"].as_array().unwrap().len(), 3);
    assert_eq!(list("/me/manager").await["displayName"], "Helena Hartmann");
    assert_eq!(list("/me/directReports").await["value"].as_array().unwrap().len(), 8);
    assert_eq!(list("/me/todo/lists").await["value"].as_array().unwrap().len(), 4);
    let one = rig.control("GET", "/state?user=alice@contoso.example", Value::Null).await;
    assert_eq!(one["users"].as_array().unwrap().len(), 1);
    assert!(one["users"][0]["folders"]["inbox/Projects/Northwind"].as_array().unwrap().len() > 10);
}

#[tokio::test]
async fn what_tests_name_is_there_once() {
    let rig = realistic().await;
    let token = rig.token("alice", READS).await;
    for (search, hits) in [
        ("subject:\\\"Offsite in Lugano: final programme\\\"", 1),
        ("subject:\\\"Warehouse move: the date\\\"", 14),
        ("subject:\\\"Zero width and friends\\\"", 1),
        ("attachment:site-plan.pdf", 1),
        ("from:bobb@contoso.example subject:Tailspin", 1),
    ] {
        let query = crate::wire::percent_encode(&format!("\"{search}\""));
        let found =
            rig.graph(&token, "GET", &format!("/me/messages?$top=50&$search={query}"), Value::Null).await;
        assert_eq!(found.value()["value"].as_array().unwrap().len(), hits, "{search}");
    }
    let drafts = rig.graph(&token, "GET", "/me/mailFolders/drafts/messages", Value::Null).await.value();
    assert_eq!(drafts["value"].as_array().unwrap().len(), 3);
    let flagged =
        "/me/messages?$filter=flag/flagStatus%20eq%20'flagged'%20and%20importance%20eq%20'high'&$top=50";
    let flagged = rig.graph(&token, "GET", flagged, Value::Null).await.value();
    let subjects: BTreeSet<&str> =
        flagged["value"].as_array().unwrap().iter().filter_map(|m| m["subject"].as_str()).collect();
    assert!(subjects.contains("Signature needed: lease addendum"));
    let hidden = landmark_body(&rig, "Zero width and friends");
    assert!(hidden.contains('\u{200b}') && hidden.chars().any(|c| ('\u{e0000}'..='\u{e007f}').contains(&c)));
}

fn landmark_body(rig: &Rig, subject: &str) -> String {
    let world = rig.shared.lock();
    let alice = world.directory.by_address("alice@contoso.example").unwrap();
    let messages = &world.mailboxes.get(alice.oid).unwrap().messages;
    messages.iter().find(|m| m.subject == subject).unwrap().body.clone()
}

#[tokio::test]
async fn series_have_changed_and_deleted_days() {
    let rig = realistic().await;
    let token = rig.token("alice", READS).await;
    let (from, to) = {
        let now_ms = rig.shared.lock().now_ms();
        let at = |days: u64| crate::clock::iso(now_ms + days * crate::clock::DAY_MS);
        (at(0), at(40))
    };
    let target = format!("/me/calendarView?startDateTime={from}&endDateTime={to}&$top=1000");
    let view = rig.graph(&token, "GET", &target, Value::Null).await.value();
    let events = view["value"].as_array().unwrap();
    let kinds = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert!(events.len() > 60 && kinds("occurrence") > 20 && kinds("singleInstance") > 20);
    let huddles: Vec<&Value> =
        events.iter().filter(|e| e["subject"].as_str().unwrap().starts_with("Operations huddle")).collect();
    assert_eq!(huddles.iter().filter(|e| e["type"] == "exception").count(), 1);
    assert!((4..=5).contains(&huddles.len()), "one of five or six weeks is left out: {}", huddles.len());
    assert!(events.iter().any(|e| e["isAllDay"] == true && e["subject"] == "Offsite in Lugano"));
    assert!(events.iter().any(|e| e["responseStatus"]["response"] == "notResponded"));
}

#[tokio::test]
async fn a_reset_keeps_the_tenant_and_the_small_one_comes_back() {
    let rig = realistic().await;
    rig.control("POST", "/reset", Value::Null).await;
    let people = async |kind: &str| {
        let answer = rig.control("POST", "/tenant", json!({ "kind": kind })).await;
        answer["people"].as_array().unwrap().len()
    };
    assert_eq!(rig.shared.lock().directory.people().count(), 40);
    assert_eq!((people("small").await, people("realistic").await), (4, 40));
}
