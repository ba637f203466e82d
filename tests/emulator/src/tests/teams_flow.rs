//! Teams, chats and online meetings: who sees what, what is sent, what is refused.

use super::*;

const TEAMS: &[&str] = &["Team.ReadBasic.All", "Channel.ReadBasic.All", "ChannelMessage.Send"];

/// A team's and a channel's path, by their names, as the control plane knows them.
async fn channel(rig: &Rig, team: &str, channel: &str) -> String {
    let state = rig.control("GET", "/state", Value::Null).await;
    let team = state["teams"].as_array().unwrap().iter().find(|t| t["displayName"] == team).unwrap().clone();
    let found = team["channels"].as_array().unwrap().iter().find(|c| c["displayName"] == channel).unwrap();
    format!("/teams/{}/channels/{}", team["id"].as_str().unwrap(), found["id"].as_str().unwrap())
}

fn text(content: &str) -> Value {
    json!({ "body": { "contentType": "text", "content": content } })
}

#[tokio::test]
async fn members_see_their_teams_and_send_without_reading() {
    let rig = Rig::new();
    let token = rig.token("dave", TEAMS).await;
    let joined = rig.graph(&token, "GET", "/me/joinedTeams", Value::Null).await.value();
    let names: Vec<&str> =
        joined["value"].as_array().unwrap().iter().map(|t| t["displayName"].as_str().unwrap()).collect();
    assert_eq!(names, ["Operations"]);
    assert!(joined["value"][0]["webUrl"].is_null());
    assert_eq!(rig.graph(&token, "GET", "/me/joinedTeams?$select=id", Value::Null).await.status, 400);
    let team = joined["value"][0]["id"].as_str().unwrap();
    let channels = rig.graph(&token, "GET", &format!("/teams/{team}/channels"), Value::Null).await.value();
    assert_eq!(channels["value"][1]["displayName"], "Incidents");
    let path = channel(&rig, "Operations", "Incidents").await;
    let sent = rig.graph(&token, "POST", &format!("{path}/messages"), text("All clear")).await;
    assert_eq!((sent.status, &sent.value()["body"]["content"]), (201, &json!("All clear")));
    let reply =
        rig.graph(&token, "POST", &format!("{path}/messages/{}/replies", id(&sent)), text("Really")).await;
    assert_eq!((reply.status, reply.value()["replyToId"].as_str()), (201, Some(&*id(&sent))));
    let read = rig.graph(&token, "GET", &format!("{path}/messages"), Value::Null).await;
    assert_eq!((read.status, code(&read).as_str()), (403, "Forbidden"));
    let reader = rig.token("alice", &["ChannelMessage.Read.All"]).await;
    let list = rig.graph(&reader, "GET", &format!("{path}/messages?$top=2"), Value::Null).await.value();
    assert_eq!(list["value"][0]["id"].as_str(), Some(&*id(&sent)));
    assert!(list["@odata.nextLink"].as_str().unwrap().contains("skiptoken"));
    let foreign = channel(&rig, "Finance Close", "Audit").await;
    assert_eq!(rig.graph(&token, "POST", &format!("{foreign}/messages"), text("x")).await.status, 403);
    for (target, status) in [
        ("/teams/x/channels", 400),
        ("/teams/00000000-0000-4000-8000-000000000000/channels", 404),
        (&*format!("/teams/{team}/channels/General/messages"), 405),
        (&*format!("{path}/messages/1/replies"), 405),
    ] {
        assert_eq!(rig.graph(&token, "PATCH", target, json!({})).await.status, 405, "{target}");
        if status != 405 {
            assert_eq!(rig.graph(&token, "GET", target, Value::Null).await.status, status, "{target}");
        }
    }
    let absent = rig.graph(&token, "POST", &format!("{path}/messages/1/replies"), text("x")).await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn mentions_have_to_fit_their_markers() {
    let rig = Rig::new();
    let token = rig.token("bob", TEAMS).await;
    let path = format!("{}/messages", channel(&rig, "Operations", "General").await);
    let oid = crate::tenant::USERS[0].oid;
    let message = |content: &str, id: i64, user: &str| {
        json!({
            "body": { "contentType": "html", "content": content },
            "mentions": [{
                "id": id, "mentionText": "Alice",
                "mentioned": { "user": { "id": user, "displayName": "Alice", "userIdentityType": "aadUser" } },
            }],
        })
    };
    let good = rig.graph(&token, "POST", &path, message("Hi <at id=\"0\">Alice</at>", 0, oid)).await;
    assert_eq!((good.status, &good.value()["mentions"][0]["id"]), (201, &json!(0)));
    for bad in [
        message("Hi Alice", 0, oid),
        message("Hi <at id=\"1\">Alice</at>", 0, oid),
        message("Hi <at id=\"0\">Alice</at>", 0, "alice@contoso.example"),
        json!({ "body": { "contentType": "html", "content": "Hi <at id=\"0\">Alice</at>" } }),
        json!({ "body": { "content": "" } }),
        json!({ "content": "x" }),
        json!({ "body": { "content": "x" }, "from": {} }),
        json!({ "body": { "content": "x" }, "text": "x" }),
        json!({}),
    ] {
        assert_eq!(rig.graph(&token, "POST", &path, bad.clone()).await.status, 400, "{bad}");
    }
    assert_eq!(rig.graph(&token, "POST", &path, text(&"x".repeat(28 * 1024))).await.status, 413);
    let mute = rig.token("bob", &["Team.ReadBasic.All"]).await;
    assert_eq!(rig.graph(&mute, "POST", &path, text("x")).await.status, 403);
}

#[tokio::test]
async fn chats_belong_to_their_members() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Chat.ReadWrite", "ChatMessage.Send"]).await;
    let list = rig.graph(&token, "GET", "/me/chats?$expand=members", Value::Null).await.value();
    assert_eq!(list["value"].as_array().unwrap().len(), 2);
    let existing =
        list["value"].as_array().unwrap().iter().find(|c| c["chatType"] == "oneOnOne").unwrap().clone();
    let member = |n: usize| {
        json!({
            "@odata.type": "#microsoft.graph.aadUserConversationMember", "roles": ["owner"],
            "user@odata.bind": format!("https://graph.microsoft.com/v1.0/users('{}')", crate::tenant::USERS[n].oid),
        })
    };
    let open = |members: Vec<Value>| json!({ "chatType": "oneOnOne", "members": members });
    let again = rig.graph(&token, "POST", "/chats", open(vec![member(0), member(1)])).await;
    assert_eq!((again.status, &again.value()["id"]), (201, &existing["id"]));
    let fresh = rig.graph(&token, "POST", "/chats", open(vec![member(0), member(3)])).await;
    assert_eq!(fresh.status, 201);
    for bad in [
        open(vec![member(0)]),
        open(vec![member(1), member(2)]),
        open(vec![member(0), member(0)]),
        open(vec![member(0), json!({ "roles": ["owner"] })]),
        json!({ "members": [member(0), member(1)] }),
    ] {
        assert_eq!(rig.graph(&token, "POST", "/chats", bad.clone()).await.status, 400, "{bad}");
    }
    let path = format!("/chats/{}/messages", id(&fresh));
    assert_eq!(rig.graph(&token, "POST", &path, text("Hello Dave")).await.status, 201);
    let seen = rig.graph(&token, "GET", &path, Value::Null).await.value();
    assert_eq!(seen["value"][0]["body"]["content"], "Hello Dave");
    let outsider = rig.token("bob", &["Chat.ReadWrite"]).await;
    assert_eq!(rig.graph(&outsider, "GET", &path, Value::Null).await.status, 403);
    assert_eq!(rig.graph(&outsider, "POST", &path, text("x")).await.status, 403);
    let basic = rig.token("alice", &["Chat.ReadBasic"]).await;
    assert_eq!(rig.graph(&basic, "GET", &path, Value::Null).await.status, 403);
}

#[tokio::test]
async fn meetings_stand_alone_and_are_made_once_by_their_key() {
    let rig = Rig::new();
    let token = rig.token("alice", &["OnlineMeetings.ReadWrite"]).await;
    let participants = |attendee: Value| json!({ "attendees": [attendee] });
    let body = json!({
        "subject": "Alone", "startDateTime": "2026-12-01T10:00:00+01:00", "endDateTime": "2026-12-01T11:00:00+01:00",
        "participants": participants(json!({ "upn": address("bob"), "role": "attendee" })),
    });
    let made = rig.graph(&token, "POST", "/me/onlineMeetings", body.clone()).await;
    assert_eq!((made.status, &made.value()["startDateTime"]), (201, &json!("2026-12-01T09:00:00Z")));
    assert!(made.value()["joinWebUrl"].as_str().unwrap().starts_with("https://teams.microsoft.com/"));
    for attendee in [
        json!({ "identity": { "user": { "id": address("bob") } } }),
        json!({ "upn": "bob" }),
        json!({}),
        json!({ "upn": address("bob"), "role": "presenter" }),
        json!({ "emailAddress": { "address": address("bob") } }),
    ] {
        let mut bad = body.clone();
        bad["participants"] = participants(attendee.clone());
        assert_eq!(rig.graph(&token, "POST", "/me/onlineMeetings", bad).await.status, 400, "{attendee}");
    }
    let local = json!({ "startDateTime": "2026-12-01T10:00:00" });
    assert_eq!(rig.graph(&token, "POST", "/me/onlineMeetings", local).await.status, 400);
    let keyed = json!({ "externalId": "key-1", "subject": "Keyed" });
    let first = rig.graph(&token, "POST", "/me/onlineMeetings/createOrGet", keyed.clone()).await;
    let again = rig.graph(&token, "POST", "/me/onlineMeetings/createOrGet", keyed).await;
    assert_eq!((first.status, again.status, id(&first)), (201, 200, id(&again)));
    assert_eq!(rig.graph(&token, "POST", "/me/onlineMeetings/createOrGet", json!({})).await.status, 400);
    let path = format!("/me/onlineMeetings/{}", id(&made));
    let changed = rig.graph(&token, "PATCH", &path, json!({ "subject": "Changed" })).await;
    assert_eq!((changed.status, &changed.value()["subject"]), (200, &json!("Changed")));
    let other = rig.token("bob", &["OnlineMeetings.ReadWrite"]).await;
    assert_eq!(rig.graph(&other, "GET", &path, Value::Null).await.status, 404);
    assert_eq!(rig.graph(&token, "DELETE", &path, Value::Null).await.status, 204);
    let reader = rig.token("alice", &["OnlineMeetings.Read"]).await;
    assert_eq!(rig.graph(&reader, "POST", "/me/onlineMeetings", body).await.status, 403);
    let state = rig.control("GET", "/state", Value::Null).await;
    assert!(!state["users"][1]["folders"].to_string().contains("Alone"), "nobody is invited");
}
