//! Batches, the search over everything, who is free when, rooms, small things of Teams, and the switch that makes
//! every write fail.

use super::*;

#[tokio::test]
async fn a_batch_answers_each_part_by_itself() {
    let rig = Rig::new();
    let token = rig.token("alice", ALL_MAIL).await;
    let post =
        async |requests: Value| rig.graph(&token, "POST", "/$batch", json!({ "requests": requests })).await;
    let part = |id: &str, method: &str, url: &str| json!({ "id": id, "method": method, "url": url });
    let mut draft = part("3", "POST", "/me/messages");
    draft["body"] = mail(&address("bob"), "batched");
    let without_type = draft.clone();
    draft["headers"] = json!({ "Content-Type": "application/json" });
    let mut after = part("4", "GET", "/me/messages/short");
    after["dependsOn"] = json!(["2"]);
    let parts = json!([part("1", "GET", "/me?$select=id"), part("2", "GET", "/me/chats"), draft, after]);
    let all = post(parts).await;
    assert_eq!(all.status, 200);
    let answers = all.value()["responses"].as_array().unwrap().clone();
    let status = |id: &str| answers.iter().find(|a| a["id"] == id).unwrap()["status"].as_u64().unwrap();
    assert_eq!((status("1"), status("2"), status("3"), status("4")), (200, 403, 201, 424));
    assert_ne!(answers[0]["id"], "1", "no order is promised");
    assert_eq!(count(&rig.folder("alice", "drafts").await, "batched"), 1);
    let refused = post(json!([without_type])).await.value();
    assert_eq!(refused["responses"][0]["status"], 400);
    let many: Vec<Value> = (0..21).map(|n| part(&n.to_string(), "GET", "/me")).collect();
    assert_eq!(post(json!(many)).await.status, 400);
    assert_eq!(post(json!([part("1", "GET", "/me"), part("1", "GET", "/me")])).await.status, 400);
    let absolute = post(json!([part("1", "GET", "https://graph.microsoft.com/v1.0/me")])).await.value();
    assert_eq!(absolute["responses"][0]["status"], 400);
    let fault = json!({ "service": "graph", "pathContains": "/me/mailFolders", "times": 1, "action": { "throttle429": 3 } });
    rig.control("POST", "/faults", fault).await;
    let parts = json!([part("1", "GET", "/me/mailFolders"), part("2", "GET", "/me")]);
    let limited = post(parts).await.value();
    let first = limited["responses"].as_array().unwrap().iter().find(|a| a["id"] == "1").unwrap().clone();
    assert_eq!((first["status"].as_u64(), first["headers"]["retry-after"].as_str()), (Some(429), Some("3")));
    let inner = rig.control("GET", "/records?service=batch", Value::Null).await;
    assert_eq!(inner["records"].as_array().unwrap().len(), 5, "those that were carried out or throttled");
}

#[tokio::test]
async fn nothing_can_be_written_while_the_switch_is_on() {
    let rig = Rig::new();
    let token =
        rig.token("alice", &["Mail.ReadWrite", "Calendars.Read", "Mail.Send", "Files.ReadWrite"]).await;
    rig.control("POST", "/settings", json!({ "refuseWrites": true })).await;
    assert_eq!(rig.graph(&token, "GET", "/me/messages", Value::Null).await.status, 200);
    let schedule = json!({
        "schedules": ["bob@contoso.example"], "startTime": { "dateTime": "2026-11-23T08:00:00", "timeZone": "UTC" },
        "endTime": { "dateTime": "2026-11-23T10:00:00", "timeZone": "UTC" },
    });
    assert_eq!(rig.graph(&token, "POST", "/me/calendar/getSchedule", schedule).await.status, 200);
    let sent =
        rig.graph(&token, "POST", "/me/sendMail", json!({ "message": mail(&address("bob"), "x") })).await;
    assert_eq!((sent.status, code(&sent).as_str()), (500, "WriteRefusedByTest"));
    let inside = json!({ "id": "1", "method": "DELETE", "url": "/me/messages/x" });
    let batch = rig.graph(&token, "POST", "/$batch", json!({ "requests": [inside] })).await.value();
    assert_eq!(batch["responses"][0]["status"], 500);
    let state = rig.control("GET", "/state?user=alice@contoso.example", Value::Null).await;
    assert_eq!(state["refusedWrites"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn schedules_show_times_but_not_subjects() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Calendars.ReadWrite"]).await;
    let at = |hour: &str| json!({ "dateTime": format!("2027-03-01T{hour}:00:00"), "timeZone": "UTC" });
    let bob = rig.token("bob", &["Calendars.ReadWrite"]).await;
    let busy = json!({ "subject": "Secret", "start": at("09"), "end": at("10") });
    assert_eq!(rig.graph(&bob, "POST", "/me/events", busy).await.status, 201);
    let ask = |schedules: Value| json!({ "schedules": schedules, "startTime": at("08"), "endTime": at("12"), "availabilityViewInterval": 60 });
    let post = async |body: Value| rig.graph(&token, "POST", "/me/calendar/getSchedule", body).await;
    let found = post(ask(json!(["carol@contoso.example", "bob@contoso.example", "nobody@contoso.example"])))
        .await
        .value();
    assert_eq!(found["value"][1]["availabilityView"].as_str().unwrap().get(1..2), Some("2"));
    assert_eq!(found["value"][2]["error"]["responseCode"], "ErrorMailRecipientNotFound");
    let carol = json!({ "subject": "Hidden", "start": at("09"), "end": at("10") });
    let of_carol = rig.token("carol", &["Calendars.ReadWrite"]).await;
    assert_eq!(rig.graph(&of_carol, "POST", "/me/events", carol).await.status, 201);
    let found = post(ask(json!(["carol@contoso.example"]))).await.value();
    let items = found["value"][0]["scheduleItems"].as_array().unwrap();
    assert!(!items.is_empty() && items.iter().all(|item| item.get("subject").is_none()));
    let many: Vec<String> = (0..21).map(|n| format!("p{n}@contoso.example")).collect();
    assert_eq!(post(ask(json!(many))).await.status, 400);
    let finder = rig.token("alice", &["Calendars.Read.Shared"]).await;
    let wanted = json!({
        "attendees": [{ "emailAddress": { "address": "carol@contoso.example" }, "type": "required" }],
        "timeConstraint": { "activityDomain": "unrestricted", "timeSlots": [{ "start": at("09"), "end": at("11") }] },
        "meetingDuration": "PT1H", "minimumAttendeePercentage": 100,
    });
    let slots = rig.graph(&finder, "POST", "/me/findMeetingTimes", wanted.clone()).await.value();
    let first = &slots["meetingTimeSuggestions"][0]["meetingTimeSlot"]["start"]["dateTime"];
    assert_eq!(first, "2027-03-01T10:00:00.0000000");
    // The most likely one comes first, though others are earlier.
    let mut any = wanted;
    any["minimumAttendeePercentage"] = 50.into();
    let slots = rig.graph(&finder, "POST", "/me/findMeetingTimes", any).await.value();
    let shown = |at: usize| {
        let one = &slots["meetingTimeSuggestions"][at];
        json!([one["order"], one["confidence"], one["meetingTimeSlot"]["start"]["dateTime"]])
    };
    assert_eq!(shown(0), json!([1, 100, "2027-03-01T10:00:00.0000000"]));
    assert_eq!(shown(1), json!([2, 50, "2027-03-01T09:00:00.0000000"]));
}

#[tokio::test]
async fn rooms_answer_by_themselves() {
    let rig = Rig::new();
    rig.control("POST", "/tenant", json!({ "kind": "realistic" })).await;
    let token = rig.token("alice", &["Calendars.ReadWrite", "Place.Read.All"]).await;
    let rooms = rig.graph(&token, "GET", "/places/microsoft.graph.room", Value::Null).await.value();
    assert_eq!(rooms["value"].as_array().unwrap().len(), 6);
    let room = rooms["value"][3]["emailAddress"].as_str().unwrap();
    let book = async |hour: &str| {
        let at =
            |minute: &str| json!({ "dateTime": format!("2027-03-02T{hour}:{minute}:00"), "timeZone": "UTC" });
        let body = json!({
            "subject": "In a room", "start": at("00"), "end": at("45"),
            "attendees": [{ "emailAddress": { "address": room }, "type": "resource" }],
        });
        let made = rig.graph(&token, "POST", "/me/events", body).await.value();
        made["attendees"][0]["status"]["response"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        (book("20").await, book("20").await, book("21").await),
        ("accepted".into(), "declined".into(), "accepted".into())
    );
}

#[tokio::test]
async fn one_search_over_mail_and_files() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Mail.Read", "Files.Read.All"]).await;
    let ask = async |kinds: Value, text: &str| {
        let body = json!({ "requests": [{ "entityTypes": kinds, "query": { "queryString": text } }] });
        rig.graph(&token, "POST", "/search/query", body).await
    };
    let mails = ask(json!(["message"]), "subject:laptop").await.value();
    assert_eq!(mails["value"][0]["hitsContainers"][0]["total"], 1);
    let files = ask(json!(["driveItem"]), "supplier").await.value();
    assert_eq!(files["value"][0]["hitsContainers"][0]["hits"][0]["resource"]["name"], "Notes.txt");
    assert_eq!(ask(json!(["message", "driveItem"]), "x").await.status, 400);
    assert_eq!(ask(json!(["event"]), "x").await.status, 403);
}

#[tokio::test]
async fn reactions_edits_and_the_folder_of_a_channel() {
    let rig = Rig::new();
    let scopes = [
        "Channel.ReadBasic.All",
        "ChannelMessage.Send",
        "Chat.ReadWrite",
        "Files.Read.All",
        "Team.ReadBasic.All",
    ];
    let token = rig.token("alice", &scopes).await;
    let state = rig.control("GET", "/state", Value::Null).await;
    let (team, channel) = (&state["teams"][0], &state["teams"][0]["channels"][1]);
    let base =
        format!("/teams/{}/channels/{}", team["id"].as_str().unwrap(), channel["id"].as_str().unwrap());
    let note = channel["messages"][0]["id"].as_str().unwrap();
    let react = format!("{base}/messages/{note}/setReaction");
    assert_eq!(rig.graph(&token, "POST", &react, json!({ "reactionType": "👍" })).await.status, 204);
    let folder = rig.graph(&token, "GET", &format!("{base}/filesFolder"), Value::Null).await;
    assert_eq!((folder.status, folder.value()["name"].as_str()), (200, Some("Incidents")));
    let chat = &state["chats"][0];
    let of = |index: usize| {
        let note = chat["messages"][index]["id"].as_str().unwrap();
        format!("/chats/{}/messages/{note}", chat["id"].as_str().unwrap())
    };
    let edit = json!({ "body": { "contentType": "text", "content": "changed" } });
    assert_eq!(rig.graph(&token, "PATCH", &of(1), edit.clone()).await.status, 204);
    assert_eq!(rig.graph(&token, "PATCH", &of(0), edit).await.status, 403, "not one's own");
    let shown = rig.graph(&token, "GET", &of(1), Value::Null).await.value();
    assert_eq!(shown["body"]["content"], "changed");
    assert!(shown["lastEditedDateTime"].is_string());
}
