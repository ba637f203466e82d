//! A file is written once, over another one only if that was said, and looked at when an answer is lost.

use super::*;
use crate::policy::Policy;
use crate::tools::testing::{answer, around, assert_conforms, body_of};

const HOSTS: &str = r#"{"fileHosts":["storage.example"]}"#;

fn plan_under(policy: &str, arguments: Value) -> Result<UploadFile, ToolError> {
    let granted = ["Files.ReadWrite.All", "Mail.Read"].map(str::to_owned);
    let policy = Policy::parse(policy).unwrap();
    let around = Surroundings { policy: &policy, ..around(&granted) };
    UploadFile::new(arguments.as_object().unwrap(), around)
}

fn plan(arguments: Value) -> Result<UploadFile, ToolError> {
    plan_under("{}", arguments)
}

fn file(size: u64, at: &str) -> Value {
    json!({"id": "F9", "name": "a b.txt", "size": size, "lastModifiedDateTime": at, "file": {},
           "parentReference": {"driveId": "b!D"}})
}

fn text_in(drive: Option<&str>, on_conflict: &str) -> Value {
    json!({"driveId": drive, "name": "a b.txt", "text": "hello", "onConflict": on_conflict})
}

#[test]
fn a_text_goes_through_the_gateway_into_the_own_drive() {
    let mut plan = plan(text_in(None, "fail")).unwrap();
    assert_eq!((plan.call().path.as_str(), plan.intent()), ("/me/drive?$select=id", None));
    let Step::Call(call) = plan.answered(&answer(200, &json!({"id": "b!D"}))).unwrap() else { panic!() };
    assert_eq!(
        (call.method, call.path.as_str()),
        (Method::Put, "/drives/b!D/items/root:/a%20b.txt:/content?@microsoft.graph.conflictBehavior=fail")
    );
    assert_eq!((call.media, call.safety, call.body.as_deref()), (Media::Text, Safety::Write, Some("hello")));
    assert_eq!((call.storage, plan.intent()), (None, Some(WriteIntent::ChangeItem)));
    let Step::Done(done) = plan.answered(&answer(201, &file(5, "2026-01-02T10:30:00Z"))).unwrap() else {
        panic!()
    };
    assert_eq!(done.structured["status"], "uploaded");
    assert_eq!(done.structured["file"]["id"], "F9");
    assert_conforms(Tool::UploadFile, &done);
}

#[test]
fn bytes_go_to_an_address_that_the_policy_lists() {
    let arguments =
        json!({"driveId": "b!D", "folder": "F1", "name": "a.bin", "base64": "AAEC", "onConflict": "replace"});
    assert_eq!(plan(arguments.clone()).unwrap_err().code, "storage_not_allowed");
    let mut plan = plan_under(HOSTS, arguments).unwrap();
    let call = plan.call();
    assert_eq!(call.path, "/drives/b!D/items/F1:/a.bin:/createUploadSession");
    assert_eq!(body_of(&call), json!({"item": {"@microsoft.graph.conflictBehavior": "replace"}}));
    let elsewhere = json!({"uploadUrl": "https://evil.example/up"});
    assert_eq!(plan.clone().answered(&answer(200, &elsewhere)).unwrap_err().code, "storage_not_allowed");
    let session = json!({"uploadUrl": "https://storage.example/up?tempauth=s"});
    let Step::Call(call) = plan.answered(&answer(200, &session)).unwrap() else { panic!() };
    assert_eq!(call.storage.as_ref().unwrap().expose(), "https://storage.example/up?tempauth=s");
    assert_eq!((call.method, call.media, call.body.as_deref()), (Method::Put, Media::Base64, Some("AAEC")));
    assert_eq!((call.safety, plan.held_bytes()), (Safety::Write, 4));
    let Step::Done(done) = plan.answered(&answer(201, &file(3, "2026-01-02T10:30:00Z"))).unwrap() else {
        panic!()
    };
    assert_conforms(Tool::UploadFile, &done);
}

#[test]
fn an_attachment_is_saved_without_being_told() {
    let arguments = json!({"name": "a.bin", "messageId": "M=", "attachmentId": "A="});
    assert_eq!(plan(arguments.clone()).unwrap_err().code, "storage_not_allowed");
    let mut plan = plan_under(HOSTS, arguments).unwrap();
    let Step::Call(about) = plan.answered(&answer(200, &json!({"id": "b!D"}))).unwrap() else { panic!() };
    let described = "/me/messages/M=/attachments/A=?$select=id%2Cname%2CcontentType%2Csize";
    assert_eq!((about.path.as_str(), about.lane, plan.intent()), (described, Lane::Mailbox, None));
    let too_large = plan.clone().answered(&answer(200, &json!({"size": 6_000_001}))).unwrap_err();
    assert!(too_large.message.contains("6 MB") && too_large.message.contains("Nothing was written"));
    let Step::Call(whole) = plan.answered(&answer(200, &json!({"size": 200}))).unwrap() else { panic!() };
    assert_eq!((whole.path.as_str(), plan.intent()), ("/me/messages/M=/attachments/A=", None));
    let link = json!({"@odata.type": "#microsoft.graph.referenceAttachment", "name": "x"});
    assert!(plan.clone().answered(&answer(200, &link)).unwrap_err().message.contains("a link"));
    let Step::Call(begin) = plan.answered(&answer(200, &json!({"contentBytes": "AAEC+g=="}))).unwrap() else {
        panic!()
    };
    assert_eq!(begin.path, "/drives/b!D/items/root:/a.bin:/createUploadSession");
    let session = json!({"uploadUrl": "https://storage.example/up"});
    let Step::Call(put) = plan.answered(&answer(200, &session)).unwrap() else { panic!() };
    assert_eq!((put.body.as_deref(), put.range), (Some("AAEC+g=="), Some(ByteRange::part(0, 4, 4))));
    let Step::Done(done) = plan.answered(&answer(201, &file(4, "2026-01-02T10:30:00Z"))).unwrap() else {
        panic!()
    };
    assert_conforms(Tool::UploadFile, &done);
}

#[test]
fn after_a_lost_answer_the_file_is_looked_at() {
    let mut plan = plan(text_in(Some("b!D"), "fail")).unwrap();
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert_eq!(look.method, Method::Get);
    assert!(look.path.starts_with("/drives/b!D/items/root:/a%20b.txt:?$select=id"), "{}", look.path);
    assert_eq!(plan.looked(&answer(502, &json!({}))), Found::NotYetKnown);
    let new = answer(200, &file(5, "2026-01-02T10:30:00Z"));
    assert!(matches!(plan.clone().looked(&new), Found::Happened(_)));
    for other in [file(5, "2025-12-01T10:30:00Z"), file(6, "2026-01-02T10:30:00Z")] {
        let Found::DidNotHappen(error) = plan.clone().looked(&answer(200, &other)) else { panic!() };
        assert_eq!(error.code, "name_taken");
    }
    assert!(
        matches!(plan.looked(&answer(404, &json!({}))), Found::Resume(call) if call.method == Method::Put)
    );
    assert_eq!(plan.call().method, Method::Put);
}

#[test]
fn what_replaces_is_sent_again_and_what_was_renamed_stays_unknown() {
    let mut replacing = plan(text_in(Some("b!D"), "replace")).unwrap();
    assert!(matches!(replacing.look_into(), Found::Look(_)));
    let old = answer(200, &file(5, "2025-12-01T10:30:00Z"));
    assert!(matches!(replacing.looked(&old), Found::Resume(call) if call.method == Method::Put));
    assert_eq!(plan(text_in(Some("b!D"), "rename")).unwrap().look_into(), Found::NeverKnown);
}

#[test]
fn what_is_no_file_is_refused() {
    for (arguments, expected) in [
        (json!({"name": "a/b", "text": "x"}), "`name`"),
        (json!({"name": "..", "text": "x"}), "`name`"),
        (json!({"text": "x"}), "`name`"),
        (json!({"name": "a"}), "`text`"),
        (json!({"name": "a", "text": "x", "base64": "AA=="}), "`text`"),
        (json!({"name": "a", "base64": "no!"}), "`base64`"),
        (json!({"name": "a", "messageId": "M="}), "`text`"),
        (json!({"name": "a", "text": "x", "messageId": "M=", "attachmentId": "A="}), "`text`"),
        (json!({"name": "a", "messageId": "../M", "attachmentId": "A="}), "`messageId`"),
        (json!({"name": "a", "text": "x", "onConflict": "merge"}), "`onConflict`"),
        (json!({"name": "a", "text": "x", "folder": "a/b"}), "`folder`"),
    ] {
        let error = plan(arguments).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}
