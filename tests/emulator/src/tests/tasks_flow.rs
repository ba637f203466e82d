//! To Do and Planner, and contacts: what is made, changed, completed and deleted, and the tags that Planner wants.

use super::*;

#[tokio::test]
async fn tasks_are_completed_and_taken_up_again() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Tasks.ReadWrite"]).await;
    let lists = rig.graph(&token, "GET", "/me/todo/lists", Value::Null).await.value();
    let list = lists["value"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(lists["value"][0]["wellknownListName"], "defaultList");
    let base = format!("/me/todo/lists/{list}/tasks");
    let due = json!({ "dateTime": "2026-12-24T00:00:00", "timeZone": "Europe/Zurich" });
    let made = rig.graph(&token, "POST", &base, json!({ "title": "Buy a tree", "dueDateTime": due })).await;
    assert_eq!((made.status, made.value()["status"].as_str()), (201, Some("notStarted")));
    let task = format!("{base}/{}", id(&made));
    let patch = async |body: Value| rig.graph(&token, "PATCH", &task, body).await;
    let done = patch(json!({ "status": "completed" })).await;
    assert!(done.status == 200 && done.value()["completedDateTime"].is_object());
    assert!(patch(json!({ "status": "inProgress" })).await.value().get("completedDateTime").is_none());
    for bad in [
        json!({ "title": "" }),
        json!({ "status": "finished" }),
        json!({ "dueDateTime": { "dateTime": "2026-12-24T00:00:00+01:00", "timeZone": "UTC" } }),
        json!({ "dueDateTime": { "dateTime": "2026-12-24T00:00:00", "timeZone": "Mars" } }),
        json!({ "due": due }),
    ] {
        assert_eq!(patch(bad.clone()).await.status, 400, "{bad}");
    }
    let open = format!("{base}?$filter=status%20ne%20'completed'&$orderby=dueDateTime/dateTime");
    assert_eq!(
        rig.graph(&token, "GET", &open, Value::Null).await.value()["value"].as_array().unwrap().len(),
        3
    );
    assert_eq!(rig.graph(&token, "DELETE", &task, Value::Null).await.status, 204);
    assert_eq!(rig.graph(&token, "GET", &task, Value::Null).await.status, 404);
    let fixed = rig.graph(&token, "DELETE", &format!("/me/todo/lists/{list}"), Value::Null).await;
    assert_eq!(fixed.status, 400, "the default list stays");
    let reader = rig.token("alice", &["Tasks.Read"]).await;
    assert_eq!(rig.graph(&reader, "POST", &base, json!({ "title": "x" })).await.status, 403);
}

#[tokio::test]
async fn planner_wants_the_tag_of_what_changes() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Tasks.ReadWrite"]).await;
    let plans = rig.graph(&token, "GET", "/me/planner/plans", Value::Null).await.value();
    let plan = plans["value"][0]["id"].as_str().unwrap().to_owned();
    let made = rig.graph(&token, "POST", "/planner/tasks", json!({ "planId": plan, "title": "New" })).await;
    assert_eq!(made.status, 201);
    let task = format!("/graph/v1.0/planner/tasks/{}", id(&made));
    let bearer = format!("Bearer {token}");
    let patch = async |tag: Option<&str>| {
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        rig.call("PATCH", &task, &headers, br#"{"percentComplete":50}"#).await.status
    };
    let tag = made.value()["@odata.etag"].as_str().unwrap().to_owned();
    assert_eq!((patch(None).await, patch(Some(&tag)).await, patch(Some(&tag)).await), (428, 204, 412));
}

#[tokio::test]
async fn contacts_are_made_changed_and_deleted() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Contacts.ReadWrite"]).await;
    let body = json!({
        "givenName": "Jo", "surname": "Doe", "emailAddresses": [{ "address": "jo@x.example", "name": "Jo" }],
    });
    let made = rig.graph(&token, "POST", "/me/contacts", body).await;
    assert_eq!((made.status, made.value()["displayName"].as_str()), (201, Some("Jo Doe")));
    let target = format!("/me/contacts/{}", id(&made));
    let changed = rig.graph(&token, "PATCH", &target, json!({ "jobTitle": "Baker" })).await;
    assert_eq!((changed.status, changed.value()["jobTitle"].as_str()), (200, Some("Baker")));
    assert_ne!(changed.value()["changeKey"], made.value()["changeKey"]);
    let found = "/me/contacts?$filter=emailAddresses/any(a:a/address%20eq%20'jo@x.example')";
    assert_eq!(
        rig.graph(&token, "GET", found, Value::Null).await.value()["value"].as_array().unwrap().len(),
        1
    );
    assert_eq!(rig.graph(&token, "PATCH", &target, json!({ "email": "x" })).await.status, 400);
    assert_eq!(rig.graph(&token, "DELETE", &target, Value::Null).await.status, 204);
    assert_eq!(rig.graph(&token, "GET", &target, Value::Null).await.status, 404);
    let reader = rig.token("alice", &["Contacts.Read"]).await;
    assert_eq!(rig.graph(&reader, "POST", "/me/contacts", json!({ "givenName": "x" })).await.status, 403);
}
