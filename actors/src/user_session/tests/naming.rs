//! What every tool gets from its object: short names, cursors, a fence, what is offered, and how much may be sent.

use protocol::limits::{CURSOR_LIFETIME, HANDLE_LIFETIME, HANDLE_PAGES_MAX};

use super::*;

const MAIL: [&str; 3] = ["Mail.Read", "Mail.ReadWrite", "Mail.Send"];
const LINK: &str = "https://graph.microsoft.com/v1.0/me/mailFolders/inbox/messages?$skip=10";

fn long(name: &str) -> String {
    format!("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{name:A<32}=")
}

/// Lists the inbox, in which there is one mail, and yields the result.
fn listed(object: &mut Object, id: u64, name: &str) -> Value {
    object.call(id, "getEmails", json!({}));
    object.answers(200, &json!({"value": [{"id": long(name), "subject": "S"}], "@odata.nextLink": LINK}));
    object.answer_to(id)["result"].clone()
}

fn handle(result: &Value) -> String {
    result["structuredContent"]["messages"][0]["id"].as_str().unwrap().to_owned()
}

fn restart(object: &mut Object) {
    object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
}

fn pages(object: &Object) -> usize {
    object.rows.range(Table::Handles, &[], None, 10_000, crate::store::Order::Ascending).unwrap().len()
}

#[test]
fn a_name_is_short_the_same_every_time_and_outlives_the_objects_memory() {
    let mut object = Object::with(Some(&MAIL));
    let name = handle(&listed(&mut object, 1, "M1"));
    assert_eq!(name.len(), 14);
    assert_eq!(handle(&listed(&mut object, 2, "M1")), name);
    assert_ne!(handle(&listed(&mut object, 3, "M2")), name);
    assert_eq!(pages(&object), 2, "the second answer named nothing anew");
    restart(&mut object);
    object.call(4, "readEmail", json!({ "id": name }));
    assert!(
        object.left().path.starts_with(&format!("/me/messages/{}?", long("M1"))),
        "{}",
        object.left().path
    );
    object.call(5, "organizeEmail", json!({ "ids": [name, long("M3")], "action": "flag" }));
    let left = object.left();
    let steps: Value = serde_json::from_str(left.body.as_deref().unwrap()).unwrap();
    assert_eq!(left.path, "/$batch");
    assert_eq!(steps["requests"][0]["url"], format!("/me/messages/{}", long("M1")));
}

#[test]
fn a_name_ends_and_another_persons_names_nothing() {
    let mut object = Object::with(Some(&MAIL));
    let name = handle(&listed(&mut object, 1, "M1"));
    let calls = object.sent.len();
    let foreign = object.call(2, "readEmail", json!({"id": "h_0123456789ab"}));
    assert!(
        foreign["result"]["content"][0]["text"].as_str().unwrap().contains("not known here"),
        "{foreign}"
    );
    object.wait(HANDLE_LIFETIME.0 / 1_000);
    object.open(&json!({}));
    let ended = object.call(3, "readEmail", json!({ "id": name }));
    assert_eq!((&ended["result"]["isError"], object.sent.len()), (&json!(true), calls));
}

#[test]
fn names_take_a_bounded_number_of_rows() {
    let mut object = Object::with(Some(&MAIL));
    for id in 0..HANDLE_PAGES_MAX as u64 + 20 {
        listed(&mut object, id, &format!("M{id}"));
        object.now = object.now.plus(DurationMs::from_secs(5));
    }
    assert_eq!(pages(&object), HANDLE_PAGES_MAX);
}

#[test]
fn an_answer_goes_on_with_its_cursor_and_with_no_other_question() {
    let mut object = Object::with(Some(&MAIL));
    let result = listed(&mut object, 1, "M1");
    assert_eq!(result["structuredContent"]["truncated"], true);
    let cursor = result["structuredContent"]["nextCursor"].clone();
    object.call(2, "getEmails", json!({ "cursor": cursor, "maxTokens": 900 }));
    assert!(object.left().path.ends_with("/messages?$skip=10"), "{}", object.left().path);
    let calls = object.sent.len();
    for (id, arguments) in
        [json!({ "cursor": cursor, "count": 5 }), json!({"cursor": "AAAA"})].into_iter().enumerate()
    {
        let refused = object.call(10 + id as u64, "getEmails", arguments);
        assert!(refused["result"]["content"][0]["text"].as_str().unwrap().contains("`cursor`"), "{refused}");
    }
    object.wait(CURSOR_LIFETIME.0 / 1_000);
    object.call(20, "getEmails", json!({ "cursor": cursor }));
    assert_eq!(object.sent.len(), calls);
}

#[test]
fn what_others_wrote_is_marked_and_fenced_under_a_fresh_number() {
    let mut object = Object::with(Some(&MAIL));
    let (one, two) = (listed(&mut object, 1, "M1"), listed(&mut object, 2, "M1"));
    assert!(one["structuredContent"]["untrusted"].as_str().unwrap().contains("senders"));
    let texts = one["content"].as_array().unwrap();
    assert_eq!(texts.len(), 3);
    let inner: Value = serde_json::from_str(texts[1]["text"].as_str().unwrap()).unwrap();
    assert_eq!(inner, one["structuredContent"]);
    assert_ne!(one["content"][2], two["content"][2]);
}

#[test]
fn only_what_is_offered_is_listed_and_called() {
    let mut object = Object::configured(Some(&MAIL), &[("TOOLSETS", "mail, read-only")]);
    let list = object.ask(json!(1), "tools/list", json!({}))["result"]["tools"].clone();
    let names: Vec<&str> =
        list.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names[0], "authenticate");
    assert!(names.contains(&"readEmail") && !names.contains(&"sendEmail") && !names.contains(&"getContacts"));
    let refused = object.call(2, "sendEmail", json!({"to": ["a@example.com"], "subject": "S", "body": "B"}));
    assert_eq!(refused["error"]["code"], -32602);
    assert!(object.sent.is_empty());
}

#[test]
fn a_person_sends_only_so_many_messages_an_hour() {
    let settings = [("POLICY", r#"{"sendsPerHour":2}"#)];
    let mut object = Object::configured(Some(&["Mail.Send"]), &settings);
    let send = |object: &mut Object, id: u64, status: u16| {
        let mail = json!({"to": ["a@example.com"], "subject": format!("S{id}"), "body": "B"});
        let before = object.sent.len();
        object.call(id, "sendEmail", mail);
        if object.sent.len() > before {
            object.answers(status, &json!({"error": {"code": "ErrorInvalidRecipients", "message": "m"}}));
        }
        object.answer_to(id)["result"]["isError"].clone()
    };
    assert_eq!(send(&mut object, 1, 202), false);
    // What certainly did not leave does not count.
    assert_eq!(send(&mut object, 2, 400), true);
    assert_eq!(send(&mut object, 3, 202), false);
    let calls = object.sent.len();
    assert_eq!(send(&mut object, 4, 202), true);
    object.core = UserSession::recover(Rc::new(config_with(&settings)), &object.rows, object.now).unwrap();
    assert_eq!(send(&mut object, 5, 202), true);
    assert_eq!(object.sent.len(), calls, "also after the object's memory was lost");
    assert!(object.log.iter().any(|line| line.contains("too_many_messages")));
    object.wait(3_601);
    // It is let through: it waits for a fresh access token.
    assert_eq!(send(&mut object, 6, 202), Value::Null);
}
