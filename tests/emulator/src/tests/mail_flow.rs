//! Mail on its way: drafts, sending, Sent Items in time, reports of non-delivery, deleting. Time is moved,
//! never slept.

use super::*;

const IMMUTABLE: (&str, &str) = ("prefer", "IdType=\"ImmutableId\"");

#[tokio::test]
async fn a_draft_that_is_sent_lands_on_both_sides() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let draft = rig.graph(&token, "POST", "/me/messages", mail(&address("bob"), "plan")).await;
    assert_eq!(draft.status, 201);
    assert_eq!(draft.value()["isDraft"], true);
    assert_eq!(count(&rig.folder("alice", "drafts").await, "plan"), 1);
    let sent = rig.graph(&token, "POST", &format!("/me/messages/{}/send", id(&draft)), Value::Null).await;
    assert_eq!((sent.status, sent.body.len()), (202, 0));
    assert!(sent.headers.get("content-type").is_none());
    assert_eq!(count(&rig.folder("alice", "drafts").await, "plan"), 0);
    assert_eq!(count(&rig.folder("alice", "sentitems").await, "plan"), 1);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "plan"), 1);
    let again = rig.graph(&token, "POST", &format!("/me/messages/{}/send", id(&draft)), Value::Null).await;
    assert_eq!((again.status, code(&again).as_str()), (404, "ErrorItemNotFound"));
    assert_eq!(count(&rig.folder("bob", "inbox").await, "plan"), 1);
}

#[tokio::test]
async fn an_immutable_id_finds_the_sent_mail_when_its_time_has_come() {
    let rig = Rig::new();
    rig.control("POST", "/settings", json!({ "sentItemsDelayMs": 60_000 })).await;
    let token = rig.token("alice", ALL_MAIL).await;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), IMMUTABLE];
    let body = mail(&address("bob"), "later").to_string();
    let draft = rig.call("POST", "/graph/v1.0/me/messages", &headers, body.as_bytes()).await;
    assert_eq!(draft.headers.get("preference-applied"), Some("IdType=\"ImmutableId\""));
    let path = format!("/me/messages/{}", id(&draft));
    assert_eq!(rig.graph(&token, "GET", &path, Value::Null).await.status, 200);
    assert_eq!(rig.graph(&token, "POST", &format!("{path}/send"), Value::Null).await.status, 202);
    let early = rig.graph(&token, "GET", &path, Value::Null).await;
    assert_eq!((early.status, code(&early).as_str()), (404, "ErrorItemNotFound"));
    assert_eq!(count(&rig.folder("bob", "inbox").await, "later"), 1, "the recipient has it at once");
    rig.control("POST", "/clock", json!({ "advanceMs": 60_001 })).await;
    let found = rig.graph(&token, "GET", &path, Value::Null).await;
    assert_eq!(found.value()["isDraft"], false);
}

#[tokio::test]
async fn a_mail_may_never_reach_sent_items() {
    let rig = Rig::new();
    rig.control("POST", "/settings", json!({ "sentItemsDelayMs": "never" })).await;
    let token = rig.token("alice", ALL_MAIL).await;
    let sent =
        rig.graph(&token, "POST", "/me/sendMail", json!({ "message": mail(&address("bob"), "gone") })).await;
    assert_eq!((sent.status, sent.body.len()), (202, 0));
    rig.control("POST", "/clock", json!({ "advanceMs": 3_000_000 })).await;
    let list = rig.graph(&token, "GET", "/me/mailFolders/sentitems/messages", Value::Null).await;
    assert_eq!(list.value()["value"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn unknown_recipients_inside_bounce_and_outside_leave() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let mut message = mail("nobody@contoso.example", "lost");
    message["ccRecipients"] = json!([{ "emailAddress": { "address": "x@outside.example" } }]);
    message["bccRecipients"] = json!([{ "emailAddress": { "address": address("bob") } }]);
    let sent = rig
        .graph(&token, "POST", "/me/sendMail", json!({ "message": message, "saveToSentItems": true }))
        .await;
    assert_eq!(sent.status, 202);
    assert_eq!(count(&rig.folder("alice", "inbox").await, "Undeliverable: lost"), 1);
    let inbox = rig.folder("bob", "inbox").await;
    let copy = inbox.iter().find(|m| m["subject"] == "lost").unwrap();
    assert_eq!(copy["bcc"], json!([]), "nobody sees a hidden recipient");
    assert_eq!(copy["isRead"], false);
}

#[tokio::test]
async fn changes_and_deletion() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let draft = id(&rig.graph(&token, "POST", "/me/messages", mail(&address("bob"), "one")).await);
    let path = format!("/me/messages/{draft}");
    let changed = rig.graph(&token, "PATCH", &path, json!({ "subject": "two", "importance": "High" })).await;
    assert_eq!((changed.status, &changed.value()["importance"]), (200, &json!("high")));
    assert_eq!(rig.graph(&token, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(rig.graph(&token, "GET", &path, Value::Null).await.status, 404, "its changing id changed");
    assert_eq!(count(&rig.folder("alice", "deleteditems").await, "two"), 1);
    let received = rig.folder("alice", "inbox").await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/me/messages/{received}");
    assert_eq!(rig.graph(&token, "PATCH", &path, json!({ "isRead": true })).await.status, 200);
    let frozen = rig.graph(&token, "PATCH", &path, json!({ "subject": "forged" })).await;
    assert_eq!(code(&frozen), "ErrorInvalidPropertyUpdateSentMessage");
    let not_a_draft = rig.graph(&token, "POST", &format!("{path}/send"), Value::Null).await;
    assert_eq!(not_a_draft.status, 404);
}

#[tokio::test]
async fn extended_properties_find_a_mail_again() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let name = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name operation";
    let mut message = mail(&address("bob"), "marked");
    message["singleValueExtendedProperties"] = json!([{ "id": name, "value": "op-7" }]);
    rig.graph(&token, "POST", "/me/sendMail", json!({ "message": message })).await;
    let filter = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{name}' and ep/value eq 'op-7')");
    let expand = format!("singleValueExtendedProperties($filter=id eq '{name}')");
    let encode = crate::wire::percent_encode;
    let target = format!(
        "/me/mailFolders/sentitems/messages?$filter={}&$expand={}&$select=id,subject",
        encode(&filter),
        encode(&expand)
    );
    let list = rig.graph(&token, "GET", &target, Value::Null).await.value();
    assert_eq!(list["value"][0]["singleValueExtendedProperties"], json!([{ "id": name, "value": "op-7" }]));
    let first = list["value"][0].as_object().unwrap();
    assert!(!first.contains_key("body") && first.contains_key("subject"));
}

#[tokio::test]
async fn pages_follow_each_other_without_gaps() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let total = rig.folder("alice", "inbox").await.len();
    let mut target =
        "/me/mailFolders/inbox/messages?$top=4&$orderby=receivedDateTime%20desc&$count=true".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = rig.graph(&token, "GET", &target, Value::Null).await.value();
        assert_eq!(page["@odata.count"], total);
        seen.extend(page["value"].as_array().unwrap().iter().map(|m| m["receivedDateTime"].to_string()));
        match page["@odata.nextLink"].as_str() {
            Some(link) => target = link.strip_prefix("http://127.0.0.1:1/graph/v1.0").unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen.len(), total);
    assert!(seen.windows(2).all(|pair| pair[0] >= pair[1]));
}

#[tokio::test]
async fn a_search_is_continued_by_a_token() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let target = "/me/messages?$search=%22to:alice%22&$top=9&$select=subject";
    let first = rig.graph(&token, "GET", target, Value::Null).await.value();
    let link = first["@odata.nextLink"].as_str().unwrap();
    assert!(link.contains("%24skiptoken=9") && !link.contains("%24skip="));
    let rest = link.strip_prefix("http://127.0.0.1:1/graph/v1.0").unwrap();
    let second = rig.graph(&token, "GET", rest, Value::Null).await;
    assert_eq!(second.status, 200);
    assert_ne!(second.value()["value"][0]["id"], first["value"][0]["id"]);
}

#[tokio::test]
async fn searches_and_text_bodies() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let found =
        rig.graph(&token, "GET", "/me/messages?$search=%22from:fabrikam%20invoice%22", Value::Null).await;
    let list = found.value()["value"].as_array().unwrap().clone();
    assert_eq!((list.len(), list[0]["hasAttachments"].clone()), (1, json!(true)));
    let bearer = format!("Bearer {token}");
    let text = ("prefer", "outlook.body-content-type=\"text\", outlook.timezone=\"Europe/Zurich\"");
    let reply = rig.call("GET", "/graph/v1.0/me/messages", &[("authorization", &bearer), text], b"").await;
    let body = reply.value();
    assert!(body["value"].as_array().unwrap().iter().all(|m| m["body"]["contentType"] == "text"));
    assert_eq!(reply.headers.get("preference-applied"), Some(text.1));
    let html = rig.graph(&token, "GET", "/me/messages", Value::Null).await.value();
    assert!(html["value"].as_array().unwrap().iter().all(|m| m["body"]["contentType"] == "html"));
}

#[tokio::test]
async fn the_profile_and_the_folders() {
    let rig = Rig::new();
    let token = rig.token("dave", ALL_MAIL).await;
    let me = rig.graph(&token, "GET", "/me?$select=id,displayName,mail", Value::Null).await.value();
    assert_eq!(me["mail"], "dave@contoso.example");
    assert_eq!(me.as_object().unwrap().len(), 4);
    let settings = rig.graph(&token, "GET", "/me/mailboxSettings", Value::Null).await.value();
    assert_eq!(settings["timeZone"], "Pacific Standard Time");
    let folders = rig.graph(&token, "GET", "/me/mailFolders?$top=50", Value::Null).await.value();
    let inbox =
        folders["value"].as_array().unwrap().iter().find(|f| f["displayName"] == "Inbox").unwrap().clone();
    assert!(inbox["unreadItemCount"].as_u64().unwrap() > 0);
    let by_id = format!("/me/mailFolders/{}/messages?$top=1", inbox["id"].as_str().unwrap());
    assert_eq!(rig.graph(&token, "GET", &by_id, Value::Null).await.status, 200);
    rig.control(
        "POST",
        "/mail",
        json!({ "user": "dave@contoso.example", "message": { "subject": "seeded" } }),
    )
    .await;
    let newest = rig.graph(&token, "GET", "/me/messages?$top=1", Value::Null).await.value();
    assert_eq!(newest["value"][0]["subject"], "seeded");
    rig.control("POST", "/reset", Value::Null).await;
    assert_eq!(count(&rig.folder("dave", "inbox").await, "seeded"), 0);
}
