//! What is done with mails that are there: folders, moving, copying, answering, forwarding, marking, attachments
//! small and large; and what is refused on the way.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

async fn inbox_id(rig: &Rig, user: &str, subject: &str) -> String {
    let list = rig.folder(user, "inbox").await;
    list.iter().find(|mail| mail["subject"] == subject).unwrap()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn folders_are_made_renamed_filled_and_deleted() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let post = async |target: &str, body: Value| rig.graph(&token, "POST", target, body).await;
    let made = post("/me/mailFolders", json!({ "displayName": "Projects" })).await;
    assert_eq!((made.status, made.value()["childFolderCount"].as_u64()), (201, Some(0)));
    let projects = id(&made);
    let below =
        post(&format!("/me/mailFolders/{projects}/childFolders"), json!({ "displayName": "North" })).await;
    let again = post("/me/mailFolders", json!({ "displayName": "projects" })).await;
    assert_eq!((below.status, again.status, code(&again).as_str()), (201, 409, "ErrorFolderExists"));
    let bad = post("/me/mailFolders", json!({ "name": "x" })).await;
    assert_eq!((bad.status, code(&bad).as_str()), (400, "RequestBodyRead"));
    let mail = inbox_id(&rig, "alice", "Laptop replacement").await;
    let moved = post(&format!("/me/messages/{mail}/move"), json!({ "destinationId": id(&below) })).await;
    assert_eq!((moved.status, moved.value()["parentFolderId"].as_str()), (201, Some(id(&below).as_str())));
    assert_ne!(id(&moved), mail, "a moved mail has a new id");
    assert_eq!(rig.graph(&token, "GET", &format!("/me/messages/{mail}"), Value::Null).await.status, 404);
    let inside =
        rig.graph(&token, "GET", &format!("/me/mailFolders/{}/messages", id(&below)), Value::Null).await;
    assert_eq!(inside.value()["value"].as_array().unwrap().len(), 1);
    let copied =
        post(&format!("/me/messages/{}/copy", id(&moved)), json!({ "destinationId": "archive" })).await;
    assert_eq!((copied.status, rig.folder("alice", "archive").await.len()), (201, 1));
    let nowhere =
        post(&format!("/me/messages/{}/move", id(&moved)), json!({ "destinationId": "nowhere" })).await;
    assert_eq!((nowhere.status, code(&nowhere).as_str()), (400, "ErrorInvalidIdMalformed"));
    let rename = async |segment: &str| {
        let target = format!("/me/mailFolders/{segment}");
        rig.graph(&token, "PATCH", &target, json!({ "displayName": "Old" })).await.status
    };
    assert_eq!((rename(&projects).await, rename("inbox").await), (200, 403));
    let gone = rig.graph(&token, "DELETE", &format!("/me/mailFolders/{projects}"), Value::Null).await;
    let list =
        rig.graph(&token, "GET", "/me/mailFolders/deleteditems/childFolders", Value::Null).await.value();
    assert_eq!((gone.status, list["value"][0]["displayName"].as_str()), (204, Some("Old")));
    let fixed = rig.graph(&token, "DELETE", "/me/mailFolders/inbox", Value::Null).await;
    assert_eq!((fixed.status, code(&fixed).as_str()), (403, "ErrorDeleteDistinguishedFolder"));
}

#[tokio::test]
async fn an_immutable_id_survives_a_move() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let mail = rig.folder("alice", "inbox").await[0]["immutableId"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("prefer", "IdType=\"ImmutableId\""),
    ];
    let target = format!("/graph/v1.0/me/messages/{mail}/move");
    let moved = rig.call("POST", &target, &headers, br#"{"destinationId":"deleteditems"}"#).await;
    assert_eq!((moved.status, id(&moved)), (201, mail.clone()));
    let gone = rig.graph(&token, "POST", &format!("/me/messages/{mail}/permanentDelete"), Value::Null).await;
    assert_eq!((gone.status, rig.folder("alice", "deleteditems").await.len()), (204, 0));
}

#[tokio::test]
async fn answers_stay_in_the_conversation_and_quote() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let subject = "RE: Renewal of the Northwind contract";
    let mail = inbox_id(&rig, "alice", subject).await;
    let act = async |action: &str, body: Value| {
        rig.graph(&token, "POST", &format!("/me/messages/{mail}/{action}"), body).await
    };
    let sent = act("replyAll", json!({ "comment": "Fine <with> me" })).await;
    assert_eq!((sent.status, sent.body.len()), (202, 0));
    let got = rig.folder("bob", "inbox").await;
    let answer =
        got.iter().rfind(|m| m["from"] == "alice@contoso.example" && m["subject"] == subject).unwrap();
    let body = answer["body"].as_str().unwrap();
    assert!(body.contains("Fine &lt;with&gt; me") && body.contains("divRplyFwdMsg"), "{body}");
    let draft = act("createReply", json!({})).await;
    assert_eq!((draft.status, draft.value()["isDraft"].as_bool()), (201, Some(true)));
    let original = rig.graph(&token, "GET", &format!("/me/messages/{mail}"), Value::Null).await.value();
    assert_eq!(draft.value()["conversationId"], original["conversationId"]);
    let new = json!({ "body": { "contentType": "text", "content": "Mine" }, "ccRecipients": [] });
    let patched = rig.graph(&token, "PATCH", &format!("/me/messages/{}", id(&draft)), new).await;
    let left = rig.graph(&token, "POST", &format!("/me/messages/{}/send", id(&draft)), Value::Null).await;
    assert_eq!((patched.status, left.status), (200, 202));
    for (action, body, expected) in [
        (
            "reply",
            json!({ "comment": "x", "message": { "body": { "contentType": "text", "content": "y" } } }),
            400,
        ),
        ("reply", json!({ "toRecipients": [{ "emailAddress": { "address": "x@y.example" } }] }), 400),
        ("reply", json!({ "text": "x" }), 400),
        ("forward", json!({ "comment": "x" }), 400),
    ] {
        assert_eq!(act(action, body.clone()).await.status, expected, "{action} {body}");
    }
    let to = json!([{ "emailAddress": { "address": "carol@contoso.example" } }]);
    assert_eq!(act("forward", json!({ "comment": "FYI", "toRecipients": to })).await.status, 202);
    assert_eq!(count(&rig.folder("carol", "inbox").await, &format!("FW: {subject}")), 1);
    let plain = rig.token("alice", &["Mail.ReadWrite"]).await;
    let denied =
        rig.graph(&plain, "POST", &format!("/me/messages/{mail}/reply"), json!({ "comment": "x" })).await;
    assert_eq!((denied.status, code(&denied).as_str()), (403, "ErrorAccessDenied"));
}

#[tokio::test]
async fn marks_are_set_and_filtered_by() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let mail = inbox_id(&rig, "alice", "Laptop replacement").await;
    let change = json!({ "flag": { "flagStatus": "flagged" }, "categories": ["Customer"], "isRead": true });
    assert_eq!(rig.graph(&token, "PATCH", &format!("/me/messages/{mail}"), change).await.status, 200);
    for filter in ["flag/flagStatus eq 'flagged'", "categories/any(c:c eq 'Customer')"] {
        let target = format!("/me/messages?$filter={}", crate::wire::percent_encode(filter));
        let found = rig.graph(&token, "GET", &target, Value::Null).await.value();
        assert_eq!(found["value"].as_array().unwrap().len(), 1, "{filter}");
    }
    let frozen = rig.graph(&token, "PATCH", &format!("/me/messages/{mail}"), json!({ "subject": "x" })).await;
    assert_eq!((frozen.status, code(&frozen).as_str()), (400, "ErrorInvalidPropertyUpdateSentMessage"));
}

#[tokio::test]
async fn small_attachments_go_in_and_out() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let draft = id(&rig.graph(&token, "POST", "/me/messages", mail(&address("bob"), "with file")).await);
    let base = format!("/me/messages/{draft}/attachments");
    let file = json!({
        "@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt", "contentType": "text/plain",
        "contentBytes": STANDARD.encode("hello"),
    });
    let made = rig.graph(&token, "POST", &base, file.clone()).await;
    assert_eq!((made.status, made.value()["contentBytes"].as_str()), (201, Some("aGVsbG8=")));
    let untyped = rig.graph(&token, "POST", &base, json!({ "name": "a", "contentBytes": "aGk=" })).await;
    assert_eq!((untyped.status, code(&untyped).as_str()), (400, "RequestBodyRead"));
    let list = rig.graph(&token, "GET", &format!("{base}?$select=name,size"), Value::Null).await.value();
    assert_eq!(list["value"][0]["name"], "a.txt");
    assert!(list["value"][0].get("contentBytes").is_none());
    let raw = rig.graph(&token, "GET", &format!("{base}/{}/$value", id(&made)), Value::Null).await;
    assert_eq!((raw.status, raw.body.as_slice()), (200, b"hello".as_slice()));
    let whole = rig.graph(&token, "GET", &format!("/me/messages/{draft}/$value"), Value::Null).await;
    assert!(String::from_utf8(whole.body).unwrap().contains("filename=\"a.txt\""));
    assert_eq!(rig.graph(&token, "DELETE", &format!("{base}/{}", id(&made)), Value::Null).await.status, 204);
    let received = inbox_id(&rig, "alice", "Invoice 2026-1187").await;
    let late = rig.graph(&token, "POST", &format!("/me/messages/{received}/attachments"), file).await;
    assert_eq!(late.status, 400, "a received mail takes none");
    let basic = rig.token("alice", &["Mail.ReadBasic"]).await;
    let hidden = rig.graph(&basic, "GET", &format!("/me/messages/{received}/attachments"), Value::Null).await;
    assert_eq!(hidden.status, 403);
}

#[tokio::test]
async fn large_attachments_need_a_session() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let draft = id(&rig.graph(&token, "POST", "/me/messages", mail(&address("bob"), "large")).await);
    let target = format!("/me/messages/{draft}/attachments/createUploadSession");
    let session = async |size: usize| {
        let item = json!({ "AttachmentItem": { "attachmentType": "file", "name": "big.bin", "size": size } });
        rig.graph(&token, "POST", &target, item).await
    };
    let small = session(1000).await;
    assert_eq!(
        (small.status, code(&small).as_str()),
        (400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    );
    let size = 3 * 1024 * 1024 + 5;
    let made = session(size).await;
    assert_eq!(made.status, 201);
    let url = made.value()["uploadUrl"].as_str().unwrap().replace("http://127.0.0.1:1", "");
    let put = async |range: String, bytes: &[u8]| {
        rig.call("PUT", &url, &[("content-range", range.as_str())], bytes).await
    };
    let first = vec![7; 6 * 320 * 1024];
    let odd = vec![7; 1_000_000];
    assert_eq!(put(format!("bytes 0-999999/{size}"), &odd).await.status, 400, "no multiple of 320 KiB");
    let whole = vec![7; 4 * 1024 * 1024];
    assert_eq!(put(format!("bytes 0-{}/{}", whole.len() - 1, whole.len()), &whole).await.status, 413);
    assert_eq!(put(format!("bytes 0-{}/{}", first.len() - 1, size + 1), &first).await.status, 416);
    let gap = put(format!("bytes 327680-{}/{size}", 327_679 + first.len()), &first).await;
    assert_eq!(gap.status, 416, "a part is missing");
    assert_eq!(put(format!("bytes 0-{}/{size}", first.len()), &first).await.status, 400, "a byte less");
    assert_eq!(rig.call("PUT", &url, &[], &first).await.status, 400, "no range");
    let one = put(format!("bytes 0-{}/{size}", first.len() - 1), &first).await;
    assert_eq!((one.status, one.value()["nextExpectedRanges"][0].as_str()), (200, Some("1966080-")));
    assert_eq!(put(format!("bytes 0-{}/{size}", first.len() - 1), &first).await.status, 416, "not twice");
    let with_token = [("authorization", "Bearer x"), ("content-range", "bytes 1966080-1966080/3145733")];
    assert_eq!(rig.call("PUT", &url, &with_token, b"x").await.status, 401);
    let rest = vec![8; size - first.len()];
    let last = put(format!("bytes {}-{}/{size}", first.len(), size - 1), &rest).await;
    assert_eq!((last.status, last.headers.get("location").is_some()), (201, true));
    let list = rig
        .graph(&token, "GET", &format!("/me/messages/{draft}/attachments?$select=size"), Value::Null)
        .await;
    assert_eq!(list.value()["value"][0]["size"], size);
}
