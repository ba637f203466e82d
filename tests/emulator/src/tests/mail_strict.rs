//! What Graph refuses, and how it says so: queries, bodies, media types, paths, tokens, scopes. Each case
//! names the status and the code; none may look at a message's text.

use super::*;

async fn refused(rig: &Rig, token: &str, method: &str, target: &str, body: Value) -> (u16, String) {
    let reply = rig.graph(token, method, target, body).await;
    let inner = reply.value()["error"]["innerError"].clone();
    assert_eq!(inner["request-id"].as_str(), reply.headers.get("request-id"), "{target}");
    (reply.status, code(&reply))
}

#[tokio::test]
async fn wrong_queries_are_refused() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    for (query, expected) in [
        ("$top=0", "BadRequest"),
        ("$top=1001", "BadRequest"),
        ("$top=ten", "BadRequest"),
        ("$skip=-1", "BadRequest"),
        ("$select=subject,isJunk", "RequestBroker--ParseUri"),
        ("$orderby=body", "ErrorInvalidUrlQuery"),
        ("$orderby=nothing", "RequestBroker--ParseUri"),
        ("$orderby=subject%20down", "BadRequest"),
        ("$apply=groupby", "BadRequest"),
        ("limit=5", "BadRequest"),
        ("$top=5&$top=6", "BadRequest"),
        ("$filter=isRead%20eq%20false&$orderby=receivedDateTime%20desc", "InefficientFilter"),
        ("$search=word", "BadRequest"),
        ("$search=%22a%22&$filter=isRead%20eq%20false", "SearchWithFilter"),
        ("$search=%22a%22&$orderby=subject", "SearchWithOrderBy"),
        ("$search=%22a%22&$skip=5", "SearchWithSkip"),
        ("$expand=singleValueExtendedProperties", "ErrorInvalidUrlQuery"),
        ("$expand=everything", "RequestBroker--ParseUri"),
    ] {
        let got = refused(&rig, &token, "GET", &format!("/me/messages?{query}"), Value::Null).await;
        assert_eq!(got, (400, expected.to_owned()), "{query}");
    }
    let endless = format!("/me/messages?$filter={}", "not%20".repeat(5_000));
    assert_eq!(refused(&rig, &token, "GET", &endless, Value::Null).await.0, 414);
    let deep = format!("/me/messages?$filter={}isRead%20eq%20true", "isRead%20eq%20true%20or%20".repeat(600));
    assert_eq!(rig.graph(&token, "GET", &deep, Value::Null).await.status, 200);
    let fine = "/me/messages?$filter=receivedDateTime%20ge%202020-01-01%20and%20isRead%20eq%20false&$orderby=receivedDateTime%20desc";
    assert_eq!(rig.graph(&token, "GET", fine, Value::Null).await.status, 200);
}

#[tokio::test]
async fn wrong_bodies_are_refused_and_nothing_happens() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let good = || mail(&address("bob"), "strict");
    let with = |name: &str, value: Value| {
        let mut message = good();
        message[name] = value;
        message
    };
    for (target, body, expected) in [
        ("/me/sendMail", json!({ "message": with("unknown", json!(1)) }), "RequestBodyRead"),
        ("/me/sendMail", json!({ "message": good(), "extra": 1 }), "RequestBodyRead"),
        ("/me/sendMail", json!({ "saveToSentItems": true }), "BadRequest"),
        ("/me/sendMail", json!({ "message": good(), "saveToSentItems": false }), "ErrorInvalidRequest"),
        ("/me/sendMail", json!({ "message": with("toRecipients", json!([])) }), "ErrorInvalidRecipients"),
        ("/me/sendMail", json!({ "message": mail("not an address", "strict") }), "ErrorInvalidRecipients"),
        ("/me/messages", with("isDraft", json!(true)), "ErrorInvalidPropertySet"),
        (
            "/me/messages",
            with("internetMessageHeaders", json!([{ "name": "Date", "value": "x" }])),
            "InvalidInternetMessageHeader",
        ),
        (
            "/me/messages",
            with("singleValueExtendedProperties", json!([{ "id": "x", "value": "y" }])),
            "ErrorInvalidExtendedProperty",
        ),
    ] {
        let got = refused(&rig, &token, "POST", target, body.clone()).await;
        assert_eq!(got, (400, expected.to_owned()), "{target} {body}");
    }
    let foreign = with("from", json!({ "emailAddress": { "address": address("bob") } }));
    assert_eq!(refused(&rig, &token, "POST", "/me/messages", foreign).await.0, 403);
    assert_eq!(count(&rig.folder("bob", "inbox").await, "strict"), 0);
    assert_eq!(rig.folder("alice", "drafts").await.len(), 0);
}

#[tokio::test]
async fn media_types_sizes_and_paths() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let bearer = format!("Bearer {token}");
    let auth = ("authorization", bearer.as_str());
    let json_type = ("content-type", "application/json");
    let post = "/graph/v1.0/me/messages";
    let status =
        async |headers: &[(&str, &str)], body: &[u8]| rig.call("POST", post, headers, body).await.status;
    assert_eq!(status(&[auth], b"{}").await, 400);
    assert_eq!(status(&[auth, ("content-type", "text/html")], b"{}").await, 415);
    assert_eq!(status(&[auth, json_type], b"{").await, 400);
    assert_eq!(status(&[auth, json_type], b"").await, 400);
    assert_eq!(status(&[auth, json_type], &vec![b' '; 4 * 1024 * 1024 + 1]).await, 413);
    for (method, target, expected) in [
        ("GET", "/me/messages/short", (400, "ErrorInvalidIdMalformed")),
        ("GET", "/me/mailFolders/nope/messages", (400, "ErrorInvalidIdMalformed")),
        ("GET", "/me/messages%2Finbox", (400, "BadRequest")),
        ("GET", "/me/../me", (400, "BadRequest")),
        ("GET", "/me/nothing", (400, "BadRequest")),
        ("PUT", "/me/messages", (405, "Request_BadRequest")),
    ] {
        let got = refused(&rig, &token, method, target, Value::Null).await;
        assert_eq!(got, (expected.0, expected.1.to_owned()), "{method} {target}");
    }
    let absent = format!("/me/messages/{}", "A".repeat(64));
    assert_eq!(refused(&rig, &token, "GET", &absent, Value::Null).await, (404, "ErrorItemNotFound".into()));
    let real = rig.folder("alice", "inbox").await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(rig.graph(&token, "GET", &format!("/me/messages/{real}"), Value::Null).await.status, 200);
    let encoded = format!("/me/messages/{}", real.replace('=', "%3D"));
    assert_eq!(rig.graph(&token, "GET", &encoded, Value::Null).await.status, 404, "as the real service does");
}

#[tokio::test]
async fn tokens_and_scopes() {
    let rig = Rig::new();
    let none = rig.call("GET", "/graph/v1.0/me", &[], b"").await;
    assert_eq!((none.status, code(&none).as_str()), (401, "InvalidAuthenticationToken"));
    assert!(none.headers.get("www-authenticate").is_some());
    assert_eq!(rig.graph("made-up", "GET", "/me", Value::Null).await.status, 401);
    let token = rig.token("alice", &["User.Read", "Mail.ReadBasic"]).await;
    assert_eq!(rig.graph(&token, "GET", "/me", Value::Null).await.status, 200);
    let send =
        rig.graph(&token, "POST", "/me/sendMail", json!({ "message": mail(&address("bob"), "x") })).await;
    assert_eq!((send.status, code(&send).as_str()), (403, "ErrorAccessDenied"));
    let list = rig.graph(&token, "GET", "/me/messages?$top=1", Value::Null).await.value();
    let first = list["value"][0].as_object().unwrap();
    assert!(
        !first.contains_key("body") && !first.contains_key("bodyPreview") && first.contains_key("subject")
    );
    assert_eq!(rig.graph(&token, "GET", "/me/messages?$search=%22x%22", Value::Null).await.status, 403);
    rig.control("POST", "/clock", json!({ "advanceMs": 3_600_001 })).await;
    let expired = rig.graph(&token, "GET", "/me", Value::Null).await;
    assert_eq!((expired.status, code(&expired).as_str()), (401, "InvalidAuthenticationToken"));
}

#[tokio::test]
async fn the_headers_that_every_answer_carries() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let bearer = format!("Bearer {token}");
    let mine = ("client-request-id", "5f3a1a5e-0000-4000-8000-000000000001");
    let auth = ("authorization", bearer.as_str());
    let plain = rig.call("GET", "/graph/v1.0/me", &[auth, mine], b"").await;
    assert!(plain.headers.get("client-request-id").is_none());
    let echo =
        rig.call("GET", "/graph/v1.0/me", &[auth, mine, ("return-client-request-id", "true")], b"").await;
    assert_eq!(echo.headers.get("client-request-id"), Some(mine.1));
    for name in ["request-id", "date", "x-ms-ags-diagnostic"] {
        assert!(echo.headers.get(name).is_some(), "{name}");
    }
    assert!(
        echo.headers.get("content-type").unwrap().starts_with("application/json;odata.metadata=minimal;")
    );
    let records = rig.control("GET", "/records?service=graph", Value::Null).await;
    assert_eq!(records["records"][0]["clientRequestId"], mine.1);
    assert!(!records.to_string().contains(&token));
    let zone = ("prefer", "outlook.timezone=\"Mars/Olympus\"");
    let bad = rig.call("GET", "/graph/v1.0/me/messages", &[auth, zone], b"").await;
    assert_eq!(code(&bad), "TimeZoneNotSupportedException");
}
