//! Somebody else's mailbox and calendar: which scopes and which rights it takes, what is sent in whose name, and
//! what MailTips say of whom.

use super::*;

const SHARED: &[&str] = &["Mail.ReadWrite.Shared", "Mail.Send.Shared", "Calendars.Read.Shared", "Mail.Read"];

async fn realistic() -> Rig {
    let rig = Rig::new();
    rig.control("POST", "/tenant", json!({ "kind": "realistic" })).await;
    rig
}

#[tokio::test]
async fn a_shared_mailbox_takes_scopes_and_rights_of_its_own() {
    let rig = realistic().await;
    let target = "/users/support@contoso.example/mailFolders/inbox/messages?$top=5";
    for (user, scopes, expected) in [("alice", SHARED, 200), ("alice", ALL_MAIL, 403), ("bob", SHARED, 403)] {
        let token = rig.token(user, scopes).await;
        assert_eq!(rig.graph(&token, "GET", target, Value::Null).await.status, expected, "{user}");
    }
    let token = rig.token("alice", SHARED).await;
    let page = rig.graph(&token, "GET", target, Value::Null).await.value();
    let next = page["@odata.nextLink"].as_str().unwrap();
    assert!(next.contains("/users/support%40contoso.example/"), "{next}");
    let rest = next.split("/graph/v1.0").nth(1).unwrap();
    assert_eq!(rig.graph(&token, "GET", rest, Value::Null).await.status, 200);
    let first = page["value"][0]["id"].as_str().unwrap();
    let read = format!("/users/support@contoso.example/messages/{first}");
    assert_eq!(rig.graph(&token, "PATCH", &read, json!({ "isRead": true })).await.status, 200);
    assert_eq!(rig.graph(&token, "GET", &format!("/me/messages/{first}"), Value::Null).await.status, 404);
    let nobody = rig.graph(&token, "GET", "/users/nobody@contoso.example/messages", Value::Null).await;
    assert_eq!((nobody.status, code(&nobody).as_str()), (404, "ErrorInvalidUser"));
    let chats = rig.graph(&token, "GET", "/users/bob@contoso.example/chats", Value::Null).await;
    assert_eq!(chats.status, 400, "what is no mailbox is never the caller's own under another name");
}

#[tokio::test]
async fn mail_leaves_in_a_lent_name_only() {
    let rig = realistic().await;
    let body = json!({ "message": mail(&address("bob"), "from the support") });
    let target = "/users/support@contoso.example/sendMail";
    let send = async |user: &str, scopes: &[&str]| {
        let token = rig.token(user, scopes).await;
        rig.graph(&token, "POST", target, body.clone()).await.status
    };
    assert_eq!(
        (send("alice", SHARED).await, send("alice", ALL_MAIL).await, send("bob", SHARED).await),
        (202, 403, 403)
    );
    let got = rig.folder("bob", "inbox").await;
    let mail_of_support = got.iter().find(|m| m["subject"] == "from the support").unwrap();
    assert_eq!(mail_of_support["from"], "support@contoso.example");
    assert_eq!(count(&rig.folder("support", "sentitems").await, "from the support"), 1);
    let mut named = mail(&address("bob"), "as somebody");
    named["from"] = json!({ "emailAddress": { "address": "helena@contoso.example" } });
    let token = rig.token("alice", &["Mail.Send", "Mail.Send.Shared"]).await;
    let foreign = rig.graph(&token, "POST", "/me/sendMail", json!({ "message": named })).await;
    assert_eq!((foreign.status, code(&foreign).as_str()), (403, "ErrorSendAsDenied"));
}

#[tokio::test]
async fn calendars_are_read_by_those_whom_they_are_shared_with() {
    let rig = realistic().await;
    let window = "calendarView?startDateTime=2026-01-01T00:00:00Z&endDateTime=2027-12-31T00:00:00Z";
    let status = async |user: &str, owner: &str, scope: &str| {
        let token = rig.token(user, &[scope]).await;
        rig.graph(&token, "GET", &format!("/users/{}/{window}", address(owner)), Value::Null).await.status
    };
    assert_eq!(status("alice", "bob", "Calendars.Read.Shared").await, 200);
    assert_eq!(status("alice", "bob", "Calendars.Read").await, 403);
    assert_eq!(status("alice", "carol", "Calendars.Read.Shared").await, 403);
}

#[tokio::test]
async fn mail_tips_know_who_is_away_and_who_is_outside() {
    let rig = realistic().await;
    let token = rig.token("alice", &["Mail.Read"]).await;
    let ask = async |options: &str| {
        let addresses = ["minh@contoso.example", "x@outside.example", "nobody@contoso.example"];
        let body = json!({ "EmailAddresses": addresses, "MailTipsOptions": options });
        rig.graph(&token, "POST", "/me/getMailTips", body).await
    };
    let tips = ask("automaticReplies, mailboxFullStatus, externalMemberCount, recipientScope").await.value();
    assert!(tips["value"][0]["automaticReplies"]["message"].as_str().unwrap().contains("away"));
    assert_eq!(tips["value"][1]["recipientScope"], "external");
    assert!(tips["value"][2]["error"]["code"].is_string());
    assert_eq!(ask("everything").await.status, 400);
}

#[tokio::test]
async fn settings_change_and_zones_are_checked() {
    let rig = Rig::new();
    let token = rig.token("alice", &["MailboxSettings.ReadWrite"]).await;
    let patch = async |body: Value| rig.graph(&token, "PATCH", "/me/mailboxSettings", body).await;
    let set =
        patch(json!({ "timeZone": "Asia/Tokyo", "automaticRepliesSetting": { "status": "alwaysEnabled" } }))
            .await;
    assert_eq!((set.status, set.value()["timeZone"].as_str()), (200, Some("Asia/Tokyo")));
    assert_eq!(set.value()["automaticRepliesSetting"]["externalAudience"], "none", "what was not sent stays");
    assert_eq!(patch(json!({ "timeZone": "Mars/Olympus" })).await.status, 400);
    assert_eq!(patch(json!({ "userPurpose": "user" })).await.status, 400);
}
