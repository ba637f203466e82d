//! A draft gets each attachment once, whatever is lost on the way, and the mail leaves only with all of them.

use serde_json::json;

use super::super::compose;
use super::super::outgoing::Outgoing;
use super::*;
use crate::limits::{UPLOAD_PART_BYTES, UPLOAD_SESSION_BYTES_MIN};
use crate::outbound::{ByteRange, Media, Method};
use crate::policy::Policy;
use crate::tools::plan::Writing as _;
use crate::tools::testing::{self, around, assert_conforms, body_of};
use crate::tools::{Found, Step, Surroundings, Tool, WriteIntent};

const HOSTS: &str = r#"{"fileHosts":["storage.example","outlook.example"],"denyAttachmentTypes":["exe"]}"#;

fn plan_under(policy: &str, tool: Tool, attachments: Value) -> Result<Outgoing, ToolError> {
    let (policy, granted) = (Policy::parse(policy).unwrap(), GRANTED.map(str::to_owned));
    let around = Surroundings { policy: &policy, ..around(&granted) };
    let arguments =
        json!({"to": ["b@x.example"], "subject": "Hi", "body": "Text", "attachments": attachments});
    let values = arguments.as_object().unwrap();
    if tool == Tool::DraftEmail { compose::draft(values, around) } else { compose::send(values, around) }
}

const GRANTED: [&str; 3] = ["Mail.Send", "Mail.ReadWrite", "Files.ReadWrite.All"];

fn sending(attachments: Value) -> Outgoing {
    plan_under(HOSTS, Tool::SendEmail, attachments).unwrap()
}

fn of_drive() -> Value {
    json!([{"driveId": "b!D", "itemId": "F1"}])
}

fn answer(status: u16, body: Value) -> Answer {
    testing::answer(status, &body)
}

fn bytes(content: &[u8]) -> Answer {
    Answer { status: 206, body: content.to_vec(), ..Answer::default() }
}

fn file(name: &str, size: u64) -> Answer {
    answer(
        200,
        json!({"id": "F1", "name": name, "size": size, "file": {"mimeType": "application/pdf"},
               "parentReference": {"driveId": "b!D", "siteId": "S"},
               "@microsoft.graph.downloadUrl": "https://storage.example/f?tempauth=secret"}),
    )
}

fn next(plan: &mut Outgoing, answer: &Answer) -> GraphCall {
    match plan.answered(answer).unwrap() {
        Step::Call(call) => call,
        Step::Done(done) => panic!("{done:?}"),
    }
}

/// A plan whose draft is there, with a session for one large file.
fn with_session(tool: Tool, size: u64) -> Outgoing {
    let mut plan = plan_under(HOSTS, tool, of_drive()).unwrap();
    assert_eq!(next(&mut plan, &file("a.pdf", size)).path, "/me/messages");
    assert_eq!(plan.intent(), Some(WriteIntent::FillDraft));
    let begin = next(&mut plan, &answer(201, json!({"id": "D="})));
    assert_eq!(begin.path, "/me/messages/D=/attachments/createUploadSession");
    assert_eq!((begin.safety, plan.intent()), (Safety::Read, Some(WriteIntent::FillDraft)));
    let item =
        json!({"attachmentType": "file", "name": "a.pdf", "contentType": "application/pdf", "size": size});
    assert_eq!(body_of(&begin), json!({"AttachmentItem": item}));
    let fetch = next(&mut plan, &answer(201, json!({"uploadUrl": "https://outlook.example/up?authtoken=x"})));
    assert_eq!(fetch.storage.unwrap().expose(), "https://storage.example/f?tempauth=secret");
    plan
}

#[test]
fn a_large_file_goes_onto_the_draft_part_by_part() {
    let size = 2 * UPLOAD_PART_BYTES + 1;
    let mut plan = with_session(Tool::SendEmail, size);
    let content: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let mut arrived = Vec::new();
    for first in [0, UPLOAD_PART_BYTES, 2 * UPLOAD_PART_BYTES] {
        let range = plan.call().range.unwrap();
        assert_eq!(
            (range, plan.call().method),
            (ByteRange::part(first, UPLOAD_PART_BYTES, size), Method::Get)
        );
        let part = &content[usize::try_from(range.first).unwrap()..=usize::try_from(range.last).unwrap()];
        let put = next(&mut plan, &bytes(part));
        assert_eq!((put.method, put.media, put.safety), (Method::Put, Media::Base64, Safety::Write));
        assert_eq!((put.range, put.lane), (Some(range), Lane::Mailbox));
        assert_eq!(put.storage.as_ref().unwrap().expose(), "https://outlook.example/up?authtoken=x");
        assert!(plan.held_bytes() < 6_000_000, "no more than a part is held");
        arrived.extend(STANDARD.decode(put.body.unwrap()).unwrap());
        let status = if range.is_last() { 201 } else { 200 };
        let _next = next(&mut plan, &answer(status, json!({})));
    }
    assert_eq!(arrived, content);
    assert_eq!(plan.call().path, "/me/messages/D=/send");
    assert_eq!(plan.intent(), Some(WriteIntent::SendDraft { draft: "D=".into() }));
}

#[test]
fn a_kept_draft_is_told_of_once_it_is_complete() {
    let mut plan = with_session(Tool::DraftEmail, UPLOAD_SESSION_BYTES_MIN);
    let _put = next(&mut plan, &bytes(&vec![7; usize::try_from(UPLOAD_SESSION_BYTES_MIN).unwrap()]));
    let Step::Done(done) = plan.answered(&answer(201, json!({}))).unwrap() else { panic!() };
    assert_conforms(Tool::DraftEmail, &done);
    assert_eq!(done.structured, json!({"status": "drafted", "recipients": 1, "messageId": "D="}));
}

#[test]
fn a_last_part_that_is_not_taken_for_the_last_sends_nothing() {
    let mut plan = with_session(Tool::SendEmail, UPLOAD_SESSION_BYTES_MIN);
    assert_eq!(plan.clone().answered(&bytes(b"short")).unwrap_err().code, "conflict");
    let _put = next(&mut plan, &bytes(&vec![7; usize::try_from(UPLOAD_SESSION_BYTES_MIN).unwrap()]));
    assert_eq!(plan.answered(&answer(200, json!({}))).unwrap_err().code, "storage_refused");
    assert!(plan.left_behind().unwrap().contains("Nothing was sent. The draft is in Drafts"));
    let Some(Found::DidNotHappen(error)) = plan.refused() else { panic!() };
    assert_eq!(error.code, "storage_refused");
    assert_eq!(plan.outcome_unknown().code, "not_sent");
}

#[test]
fn after_a_lost_answer_the_attachments_are_counted() {
    let mut plan = with_session(Tool::SendEmail, UPLOAD_SESSION_BYTES_MIN);
    let _put = next(&mut plan, &bytes(&vec![7; usize::try_from(UPLOAD_SESSION_BYTES_MIN).unwrap()]));
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert_eq!(look.path, "/me/messages/D=/attachments?$select=id&$top=250");
    assert_eq!((look.method, look.safety), (Method::Get, Safety::Read));
    let with = answer(200, json!({"value": [{"id": "A="}]}));
    let Found::Resume(send) = plan.clone().looked(&with) else { panic!() };
    assert_eq!(send.path, "/me/messages/D=/send");
    assert_eq!(plan.clone().looked(&answer(503, json!({}))), Found::NotYetKnown);
    assert!(matches!(plan.clone().looked(&answer(404, json!({}))), Found::DidNotHappen(_)));
    let Found::Resume(again) = plan.looked(&answer(200, json!({"value": []}))) else { panic!() };
    assert_eq!(again.path, "/me/messages/D=/attachments/createUploadSession");
    let mut recovered = Outgoing::recovered(WriteIntent::FillDraft, testing::operation());
    let kept = recovered.looked(&answer(200, json!({"value": [{"id": "D="}]})));
    assert!(matches!(kept, Found::DidNotHappen(error) if error.code == "not_sent_draft_kept"));
}

/// The plan of an answer with these arguments, and the answer with which its draft is there.
fn answering(tool: Tool, mut arguments: Value) -> Outgoing {
    let (policy, granted) = (Policy::parse(HOSTS).unwrap(), GRANTED.map(str::to_owned));
    let around = Surroundings { policy: &policy, ..around(&granted) };
    arguments["attachments"] = json!([{"name": "a.txt", "text": "abc"}, {"name": "b.txt", "text": "de"}]);
    let values = arguments.as_object().unwrap();
    if tool == Tool::DraftEmail { compose::draft(values, around) } else { compose::reply(values, around) }
        .unwrap()
}

#[test]
fn an_answer_gets_its_attachments_onto_its_draft() {
    for (mode, action) in
        [("reply", "createReply"), ("replyAll", "createReplyAll"), ("forward", "createForward")]
    {
        let to = if mode == "forward" { json!(["b@x.example"]) } else { json!([]) };
        let arguments = json!({"id": "M=", "mode": mode, "body": "Here", "to": to});
        let mut plan = answering(Tool::ReplyEmail, arguments);
        let create = plan.call();
        assert_eq!(create.path, format!("/me/messages/M=/{action}"));
        assert_eq!(body_of(&create)["message"].get("attachments"), None);
        assert_eq!(plan.intent(), Some(WriteIntent::FillDraft));
        // What is forwarded brings its own.
        let count = next(&mut plan, &answer(201, json!({"id": "D="})));
        assert_eq!(count.path, "/me/messages/D=/attachments?$select=id&$top=250");
        assert_eq!((count.method, count.safety), (Method::Get, Safety::Read));
        let first = next(&mut plan, &answer(200, json!({"value": [{"id": "1"}, {"id": "2"}]})));
        assert_eq!((first.path.as_str(), first.safety), ("/me/messages/D=/attachments", Safety::Write));
        assert_eq!(body_of(&first)["name"], "a.txt");
        // The answer is lost; whether it is there is seen by what was there before.
        let Found::Look(look) = plan.look_into() else { panic!() };
        assert_eq!(look.path, count.path);
        let mut lost = plan.clone();
        let Found::Resume(again) = lost.looked(&answer(200, json!({"value": [{"id": "1"}, {"id": "2"}]})))
        else {
            panic!()
        };
        assert_eq!(body_of(&again)["name"], "a.txt");
        let there = json!({"value": [{"id": "1"}, {"id": "2"}, {"id": "3"}]});
        let Found::Resume(second) = plan.looked(&answer(200, there)) else { panic!() };
        assert_eq!(body_of(&second)["name"], "b.txt");
        assert_eq!(
            plan.left_behind(),
            Some("Nothing was sent. The draft is in Drafts, without all of its attachments.")
        );
        assert_eq!(next(&mut plan, &answer(201, json!({"id": "4"}))).path, "/me/messages/D=/send");
        let Step::Done(done) = plan.answered(&answer(202, json!(null))).unwrap() else { panic!() };
        assert_conforms(Tool::ReplyEmail, &done);
    }
}

#[test]
fn the_draft_of_an_answer_keeps_its_attachments() {
    let mut plan =
        answering(Tool::DraftEmail, json!({"replyTo": "M=", "replyMode": "replyAll", "body": "Here"}));
    assert_eq!(plan.call().path, "/me/messages/M=/createReplyAll");
    let _count = next(&mut plan, &answer(201, json!({"id": "D="})));
    let _first = next(&mut plan, &answer(200, json!({"value": []})));
    let _second = next(&mut plan, &answer(201, json!({"id": "1"})));
    let Step::Done(done) = plan.answered(&answer(201, json!({"id": "2"}))).unwrap() else { panic!() };
    assert_conforms(Tool::DraftEmail, &done);
    assert_eq!(done.structured, json!({"status": "drafted", "messageId": "D="}));
}

#[test]
fn an_answer_with_attachments_needs_drafts() {
    let values = json!({"id": "M=", "body": "Here", "attachments": [{"name": "a.txt", "text": "abc"}]});
    let error = testing::with_granted(&["Mail.Send"], |around| {
        compose::reply(values.as_object().unwrap(), around).unwrap_err()
    });
    assert_eq!((error.code, error.permission), ("permission_missing", Some("Mail.ReadWrite")));
}

#[test]
fn many_small_ones_are_attached_one_by_one() {
    let text = "x".repeat(1_500_000);
    let mut plan = plan_under(
        "{}",
        Tool::SendEmail,
        json!([{"name": "a.txt", "text": text}, {"messageId": "M=", "attachmentId": "A="}]),
    )
    .unwrap();
    let about = json!({"@odata.type": "#microsoft.graph.fileAttachment", "name": "b.bin", "size": 1_000_000});
    let create = next(&mut plan, &answer(200, about));
    assert_eq!((create.path.as_str(), body_of(&create).get("attachments")), ("/me/messages", None));
    let first = next(&mut plan, &answer(201, json!({"id": "D="})));
    assert_eq!((first.path.as_str(), first.safety), ("/me/messages/D=/attachments", Safety::Write));
    assert_eq!(body_of(&first)["name"], "a.txt");
    let read = next(&mut plan, &answer(201, json!({"id": "1"})));
    assert_eq!(read.path, "/me/messages/M=/attachments/A=");
    let second = next(&mut plan, &answer(200, json!({"name": "b.bin", "contentBytes": "AAEC"})));
    assert_eq!((body_of(&second)["name"].as_str(), second.storage), (Some("b.bin"), None));
    assert_eq!(next(&mut plan, &answer(201, json!({"id": "2"}))).path, "/me/messages/D=/send");
}

#[test]
fn a_large_attachment_of_a_mail_is_cut_without_being_decoded() {
    let mut plan = sending(json!([{"messageId": "M=", "attachmentId": "A="}]));
    let content: Vec<u8> = (0..UPLOAD_PART_BYTES + 7).map(|at| u8::try_from(at % 249).unwrap()).collect();
    let about = json!({"name": "b.bin", "size": content.len() + 200});
    let _create = next(&mut plan, &answer(200, about));
    let read = next(&mut plan, &answer(201, json!({"id": "D="})));
    assert_eq!(read.path, "/me/messages/M=/attachments/A=");
    let begin = next(&mut plan, &answer(200, json!({"contentBytes": STANDARD.encode(&content)})));
    // What the mail said of its size was more than it has.
    assert_eq!(body_of(&begin)["AttachmentItem"]["size"], content.len());
    let first = next(&mut plan, &answer(201, json!({"uploadUrl": "https://outlook.example/up"})));
    let second = next(&mut plan, &answer(200, json!({})));
    let arrived = [first, second].map(|put| STANDARD.decode(put.body.unwrap()).unwrap());
    assert_eq!(arrived.concat(), content);
    assert_eq!(next(&mut plan, &answer(201, json!({}))).path, "/me/messages/D=/send");
}

#[test]
fn what_may_not_leave_is_refused_before_anything_is_written() {
    let refused = |answer: &Answer| {
        let mut plan = sending(of_drive());
        let error = plan.answered(answer).unwrap_err();
        assert_eq!(plan.intent(), None);
        error
    };
    assert_eq!(refused(&file("run.EXE", 5)).code, "attachment_not_allowed");
    let too_large = refused(&file("a.pdf", 151 * 1024 * 1024));
    assert!(too_large.message.contains("150 MB") && too_large.message.contains("shareFile"), "{too_large}");
    let folder = json!({"id": "F1", "name": "F", "folder": {}, "size": 5});
    assert!(refused(&answer(200, folder)).message.contains("no file"));
    let elsewhere = json!({"name": "a", "size": 5, "file": {},
                           "@microsoft.graph.downloadUrl": "https://evil.example/f"});
    assert_eq!(refused(&answer(200, elsewhere)).code, "storage_not_allowed");
    let none = plan_under("{}", Tool::SendEmail, of_drive()).unwrap_err();
    assert_eq!(none.code, "storage_not_allowed");
    assert!(none.message.contains("fileHosts") && none.message.contains("shareFile"), "{none}");
    let off = r#"{"fileHosts":["storage.example"],"denySites":["S"]}"#;
    let mut plan = plan_under(off, Tool::SendEmail, of_drive()).unwrap();
    assert_eq!(plan.answered(&file("a.pdf", 5)).unwrap_err().code, "site_not_allowed");
}

#[test]
fn attachments_of_mails_that_cannot_be_passed_on_say_why() {
    let refused = |about: Value| {
        let mut plan = sending(json!([{"messageId": "M=", "attachmentId": "A="}]));
        plan.answered(&answer(200, about)).unwrap_err().message
    };
    assert!(refused(json!({"name": "a", "size": 7_000_000})).contains("forward"));
    let link = json!({"@odata.type": "#microsoft.graph.referenceAttachment", "name": "a", "size": 5});
    assert!(refused(link).contains("link to a file"));
    // Operators listed no storage, which is needed for it.
    let mut plan =
        plan_under("{}", Tool::SendEmail, json!([{"messageId": "M=", "attachmentId": "A="}])).unwrap();
    let error = plan.answered(&answer(200, json!({"name": "a", "size": 4_000_000}))).unwrap_err();
    assert_eq!((error.code, plan.intent()), ("storage_not_allowed", None));
}

#[test]
fn an_upload_address_elsewhere_is_not_used() {
    let mut plan = sending(of_drive());
    let _create = next(&mut plan, &file("a.pdf", UPLOAD_SESSION_BYTES_MIN));
    let _begin = next(&mut plan, &answer(201, json!({"id": "D="})));
    let elsewhere = answer(201, json!({"uploadUrl": "https://evil.example/up"}));
    assert_eq!(plan.answered(&elsewhere).unwrap_err().code, "storage_not_allowed");
    assert!(plan.left_behind().is_some());
}

#[test]
fn a_small_file_of_a_drive_travels_in_the_mail() {
    let mut plan = sending(of_drive());
    let fetch = next(&mut plan, &file("a.pdf", 3));
    assert_eq!((fetch.range, fetch.storage.is_some(), plan.intent()), (None, true, None));
    assert!(matches!(plan.refused(), Some(Found::DidNotHappen(error)) if error.code == "storage_refused"));
    let create = next(&mut plan, &bytes(&[0, 1, 2]));
    assert_eq!(create.path, "/me/messages");
    let attached = &body_of(&create)["attachments"][0];
    assert_eq!((attached["name"].as_str(), attached["contentBytes"].as_str()), (Some("a.pdf"), Some("AAEC")));
    assert_eq!(plan.intent(), Some(WriteIntent::CreateDraft));
}
