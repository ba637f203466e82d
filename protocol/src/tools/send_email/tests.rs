//! What `sendEmail` must send, refuse, and find out about a lost answer.

use super::*;
use crate::outbound::Safety;
use crate::tools::testing::{self, operation};

fn plan_with(arguments: Value, granted: &[&str]) -> Result<SendEmail, ToolError> {
    testing::with_granted(granted, |around| SendEmail::new(arguments.as_object().unwrap(), around))
}

fn mail() -> Value {
    json!({"to": ["b@x.example"], "subject": "Hi", "body": "Text"})
}

fn plan() -> SendEmail {
    plan_with(mail(), &["Mail.ReadWrite", "Mail.Send"]).unwrap()
}

fn answer(status: u16, body: Value) -> Answer {
    testing::answer(status, &body)
}

#[test]
fn a_mail_is_a_draft_first_and_sent_then() {
    let mut plan = plan();
    assert_eq!(plan.call().path, "/me/messages");
    assert_eq!(plan.intent(), Some(WriteIntent::CreateDraft));
    let Step::Call(send) = plan.answered(&answer(201, json!({"id": "D="}))).unwrap() else { panic!() };
    assert_eq!((send.path.as_str(), send.body, send.safety), ("/me/messages/D=/send", None, Safety::Write));
    assert_eq!(plan.intent(), Some(WriteIntent::SendDraft { draft: "D=".into() }));
    let Step::Done(done) = plan.answered(&answer(202, json!(null))).unwrap() else { panic!() };
    assert_eq!(done.structured, json!({"status": "sent", "recipients": 1, "messageId": "D="}));
}

#[test]
fn without_the_draft_permission_it_is_one_call() {
    let plan = plan_with(mail(), &["https://graph.microsoft.com/mail.send"]).unwrap();
    let call = plan.call();
    assert_eq!(call.path, "/me/sendMail");
    let body: Value = serde_json::from_str(&call.body.unwrap()).unwrap();
    assert_eq!(body["saveToSentItems"], true);
    assert_eq!(body["message"]["singleValueExtendedProperties"][0]["value"], operation().to_string());
    assert_eq!(plan_with(mail(), &["Mail.Read"]).unwrap_err().fault, Fault::Account);
}

#[test]
fn a_lost_send_is_looked_into_before_anything_is_sent_again() {
    let mut plan = plan();
    plan.answered(&answer(201, json!({"id": "D="}))).unwrap();
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert_eq!((look.path.as_str(), look.safety), ("/me/messages/D=?$select=id%2CisDraft", Safety::Read));
    let Found::Resume(again) = plan.clone().looked(&answer(200, json!({"id": "D=", "isDraft": true}))) else {
        panic!()
    };
    assert_eq!(again.path, "/me/messages/D=/send");
    assert!(matches!(
        plan.clone().looked(&answer(200, json!({"id": "D=", "isDraft": false}))),
        Found::Happened(_)
    ));
    assert!(matches!(plan.clone().looked(&answer(404, json!({}))), Found::Happened(_)));
    assert_eq!(plan.clone().looked(&answer(503, json!({}))), Found::NotYetKnown);
    assert_eq!(plan.looked(&answer(403, json!({}))), Found::NeverKnown);
}

#[test]
fn a_refusal_after_a_lost_answer_is_looked_into() {
    let mut plan = plan();
    plan.answered(&answer(201, json!({"id": "D="}))).unwrap();
    assert_eq!(plan.refused(), None);
    plan.look_into();
    plan.looked(&answer(200, json!({"id": "D=", "isDraft": true})));
    assert!(matches!(plan.refused(), Some(Found::Look(_))));
}

#[test]
fn a_lost_draft_is_searched_by_the_operation() {
    let mut plan = plan();
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert!(look.path.starts_with("/me/mailFolders/drafts/messages?"), "{}", look.path);
    assert!(look.path.contains(&operation().to_string()));
    let found = plan.clone().looked(&answer(200, json!({"value": [{"id": "D="}]})));
    assert!(matches!(found, Found::Resume(call) if call.path == "/me/messages/D=/send"));
    let absent = plan.looked(&answer(200, json!({"value": []})));
    assert!(matches!(absent, Found::Resume(call) if call.path == "/me/messages"));
}

#[test]
fn after_a_restart_nothing_is_sent_and_the_truth_is_told() {
    let mut plan = SendEmail::recovered(WriteIntent::SendDraft { draft: "D=".into() }, operation());
    let kept = plan.looked(&answer(200, json!({"isDraft": true})));
    assert!(matches!(kept, Found::DidNotHappen(error) if error.code == "not_sent_draft_kept"));
    let mut plan = SendEmail::recovered(WriteIntent::SendMail, operation());
    assert_eq!(plan.looked(&answer(200, json!({"value": []}))), Found::NotYetKnown);
    assert!(matches!(plan.looked(&answer(200, json!({"value": [{"id": "x"}]}))), Found::Happened(_)));
}

#[test]
fn bad_mails_are_refused_with_a_sentence() {
    let cases = [
        (json!({"subject": "s", "body": "b"}), "`to`"),
        (json!({"to": [], "subject": "s", "body": "b"}), "`to`"),
        (json!({"to": "b@x.example", "subject": "s", "body": "b"}), "a list of texts"),
        (json!({"to": ["Bob <b@x.example>"], "subject": "s", "body": "b"}), "not an email address"),
        (json!({"to": ["b"], "subject": "s", "body": "b"}), "not an email address"),
        (json!({"to": ["b@x.example"], "subject": "a\nBcc: c@x", "body": "b"}), "one line"),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b", "bodyType": "rtf"}),
            "one of: text, html",
        ),
        (json!({"to": ["b@x.example"], "subject": "s", "body": "b", "cc": [1]}), "`cc`"),
        (json!({"to": vec!["b@x.example"; 101], "subject": "s", "body": "b"}), "at most 100"),
        (json!({"to": ["b@x.example"], "subject": "s", "body": "b", "recipients": 1}), "no argument"),
    ];
    for (arguments, expected) in cases {
        let error = plan_with(arguments, &["Mail.Send"]).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.fault, Fault::Caller);
    }
}
