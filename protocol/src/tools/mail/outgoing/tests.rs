//! What a mail must send, refuse, and find out about a lost answer.

use super::super::compose;
use serde_json::json;

use super::*;
use crate::outbound::{Method, Safety};
use crate::tools::Tool;
use crate::tools::testing::{self, assert_conforms, operation};

fn plan_with(arguments: Value, granted: &[&str]) -> Result<Outgoing, ToolError> {
    testing::with_granted(granted, |around| compose::send(arguments.as_object().unwrap(), around))
}

fn mail() -> Value {
    json!({"to": ["b@x.example"], "subject": "Hi", "body": "Text"})
}

fn plan() -> Outgoing {
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
    let mut plan = Outgoing::recovered(WriteIntent::SendDraft { draft: "D=".into() }, operation());
    let kept = plan.looked(&answer(200, json!({"isDraft": true})));
    assert!(matches!(kept, Found::DidNotHappen(error) if error.code == "not_sent_draft_kept"));
    let mut plan = Outgoing::recovered(WriteIntent::SendMail, operation());
    assert_eq!(plan.looked(&answer(200, json!({"value": []}))), Found::NotYetKnown);
    assert!(matches!(plan.looked(&answer(200, json!({"value": [{"id": "x"}]}))), Found::Happened(_)));
}

#[test]
fn a_reply_is_a_draft_in_the_conversation_first() {
    let arguments = json!({"id": "M=", "mode": "replyAll", "body": "Yes", "bcc": ["c@x.example"]});
    let reply = |granted: &[&str]| {
        testing::with_granted(granted, |around| compose::reply(arguments.as_object().unwrap(), around))
            .unwrap()
    };
    let mut plan = reply(&["Mail.Send", "Mail.ReadWrite"]);
    let call = plan.call();
    assert_eq!(call.path, "/me/messages/M=/createReplyAll");
    let body = testing::body_of(&call);
    assert_eq!((body["comment"].as_str(), body["message"].get("body")), (Some("Yes"), None));
    assert_eq!(body["message"]["singleValueExtendedProperties"][0]["value"], operation().to_string());
    let people = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({"emailAddress": {"address": format!("{name}@x.example")}})).collect()
    };
    let draft = json!({"id": "D=", "toRecipients": people(&["a", "b"]), "bccRecipients": people(&["c"])});
    let Step::Call(send) = plan.answered(&answer(201, draft)).unwrap() else { panic!() };
    assert_eq!(send.path, "/me/messages/D=/send");
    let Step::Done(done) = plan.answered(&answer(202, json!(null))).unwrap() else { panic!() };
    assert_conforms(Tool::ReplyEmail, &done);
    // All of them, not only those who were named.
    assert_eq!(done.structured["recipients"], 3);
    let mut direct = reply(&["Mail.Send"]);
    assert_eq!(
        (direct.call().path.as_str(), direct.intent()),
        ("/me/messages/M=/replyAll", Some(WriteIntent::SendMail))
    );
    // Sent at once, nobody says to whom it goes.
    let Step::Done(done) = direct.answered(&answer(202, json!(null))).unwrap() else { panic!() };
    assert_eq!(done.structured, json!({"status": "sent"}));
}

#[test]
fn a_draft_stays_one_and_is_found_again() {
    let draft = |arguments: Value| {
        testing::with_granted(&["Mail.ReadWrite"], |around| {
            compose::draft(arguments.as_object().unwrap(), around).unwrap()
        })
    };
    let mut plan = draft(json!({"subject": "Plan"}));
    assert_eq!((plan.call().path.as_str(), plan.intent()), ("/me/messages", Some(WriteIntent::KeepDraft)));
    let mut lost = plan.clone();
    assert!(
        matches!(lost.look_into(), Found::Look(call) if call.path.starts_with("/me/mailFolders/drafts/"))
    );
    assert!(matches!(lost.looked(&answer(200, json!({"value": [{"id": "D="}]}))), Found::Happened(_)));
    let Step::Done(done) = plan.answered(&answer(201, json!({"id": "D="}))).unwrap() else { panic!() };
    assert_eq!(done.structured, json!({"status": "drafted", "messageId": "D="}));
    assert_conforms(Tool::DraftEmail, &done);
    let mut recovered = Outgoing::recovered(WriteIntent::KeepDraft, operation());
    assert!(matches!(recovered.looked(&answer(200, json!({"value": [{"id": "D="}]}))), Found::Happened(_)));
    let answering = draft(json!({"replyTo": "M=", "body": "Yes"}));
    assert_eq!(answering.call().path, "/me/messages/M=/createReply");
    let mut edit = draft(json!({"draftId": "D=", "subject": "Other"}));
    let call = edit.call();
    assert_eq!((call.method, call.path.as_str()), (Method::Patch, "/me/messages/D="));
    assert_eq!(testing::body_of(&call), json!({"subject": "Other"}));
    assert!(matches!(edit.look_into(), Found::Look(call) if call.method == Method::Patch));
    assert!(matches!(edit.looked(&answer(200, json!({"id": "D="}))), Found::Happened(_)));
}

#[test]
fn a_draft_is_sent_only_if_it_is_one_and_may_go_there() {
    let granted = ["Mail.Send", "Mail.ReadWrite"];
    let mut plan = plan_with(json!({"draftId": "D="}), &granted).unwrap();
    assert!(plan.call().path.starts_with("/me/messages/D=?$select=id%2CisDraft%2CtoRecipients"));
    assert_eq!(plan.intent(), None);
    assert!(plan.clone().answered(&answer(200, json!({"id": "D=", "isDraft": false}))).is_err());
    let Step::Call(send) = plan.answered(&answer(200, json!({"isDraft": true}))).unwrap() else { panic!() };
    assert_eq!(send.path, "/me/messages/D=/send");
    assert_eq!(plan.intent(), Some(WriteIntent::SendDraft { draft: "D=".into() }));
    assert!(plan_with(json!({"draftId": "D=", "subject": "x"}), &granted).is_err());
}

#[test]
fn whoever_may_not_get_a_reply_does_not_get_it() {
    let policy = Policy::parse(r#"{"denyRecipients":["rival.example"]}"#).unwrap();
    let arguments = json!({"id": "M=", "body": "Yes"});
    let with = |granted: &[&str]| {
        testing::with_granted(granted, |around| {
            let around = crate::tools::Surroundings { policy: &policy, ..around };
            compose::reply(arguments.as_object().unwrap(), around)
        })
    };
    let mut plan = with(&["Mail.Send", "Mail.ReadWrite"]).unwrap();
    let draft = json!({"id": "D=", "toRecipients": [{"emailAddress": {"address": "x@rival.example"}}]});
    let refused = plan.clone().answered(&answer(201, draft)).unwrap_err();
    assert_eq!(refused.code, "recipient_not_allowed");
    assert!(refused.message.contains("in Drafts") && !refused.message.contains("rival"), "{refused}");
    // Also when the draft's own answer was lost.
    plan.look_into();
    let Found::Resume(read) = plan.looked(&answer(200, json!({"value": [{"id": "D="}]}))) else { panic!() };
    assert!(read.path.contains("toRecipients"), "{}", read.path);
    assert!(with(&["Mail.Send"]).unwrap_err().message.contains("Mail.ReadWrite"));
}

#[test]
fn attachments_of_other_mails_are_read_first() {
    let arguments = json!({"to": ["b@x.example"], "subject": "Hi", "body": "Text",
                           "attachments": [{"name": "a.txt", "text": "abc"}, {"messageId": "M=", "attachmentId": "A="}]});
    let mut plan = plan_with(arguments, &["Mail.Send", "Mail.ReadWrite"]).unwrap();
    let described = "/me/messages/M=/attachments/A=?$select=id%2Cname%2CcontentType%2Csize";
    assert_eq!((plan.call().path.as_str(), plan.intent()), (described, None));
    let about = json!({"name": "b.bin", "contentType": "x/y", "size": 3});
    let Step::Call(read) = plan.answered(&answer(200, about)).unwrap() else { panic!() };
    assert_eq!((read.path.as_str(), plan.intent()), ("/me/messages/M=/attachments/A=", None));
    let file = json!({"name": "b.bin", "contentType": "x/y", "contentBytes": "AAEC"});
    let Step::Call(create) = plan.answered(&answer(200, file)).unwrap() else { panic!() };
    let body = testing::body_of(&create);
    assert_eq!(create.path, "/me/messages");
    assert_eq!(
        body["attachments"],
        json!([
            {"@odata.type": "#microsoft.graph.fileAttachment", "name": "a.txt",
             "contentType": "application/octet-stream", "contentBytes": "YWJj"},
            {"@odata.type": "#microsoft.graph.fileAttachment", "name": "b.bin", "contentType": "x/y",
             "contentBytes": "AAEC"},
        ])
    );
}

#[test]
fn a_shared_mailbox_sends_in_one_call() {
    let arguments =
        json!({"to": ["b@x.example"], "subject": "Hi", "body": "Text", "mailbox": "team@x.example"});
    let plan = plan_with(arguments, &["Mail.Send.Shared", "Mail.ReadWrite"]).unwrap();
    assert_eq!(plan.call().path, "/users/team@x.example/sendMail");
    assert_eq!(plan.intent(), Some(WriteIntent::SendMail));
}
