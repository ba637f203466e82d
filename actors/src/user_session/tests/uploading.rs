//! Uploads that take long, in the time of the turns.
//!
//! What holds here: what moves on may go on beyond the deadline of other calls, and says how far it is; what takes too long
//! is ended with a sentence that says what is left, and nothing is sent.

use protocol::limits::{REQUEST_DEADLINE, UPLOAD_DEADLINE, UPLOAD_PART_BYTES};
use protocol::object::Attach;
use protocol::outbound::Method;
use protocol::stream::StreamKey;

use super::*;

const PERMISSIONS: [&str; 3] = ["Mail.ReadWrite", "Mail.Send", "Files.ReadWrite.All"];
const HOSTS: &str = r#"{"fileHosts":["storage.example","outlook.example"]}"#;
const PARTS: u64 = 8;

/// An object whose draft has an upload session, and a stream on which its client waits.
fn uploading() -> (Object, ReplyTo) {
    let mut object = Object::configured(Some(&PERMISSIONS), &[("POLICY", HOSTS)]);
    let arguments = json!({"to": ["b@x.example"], "subject": "S", "body": "B",
                           "attachments": [{"driveId": "b!D", "itemId": "F1"}]});
    let parameters = json!({"name": "sendEmail", "arguments": arguments, "_meta": {"progressToken": "p"}});
    assert_eq!(object.ask(json!(1), "tools/call", parameters), Value::Null);
    object.turn(Input::Late { to: ReplyTo(u64::from(object.count) - 1) });
    let stream: StreamKey = object.replies.last().unwrap().late.clone().unwrap().stream;
    let attach = Attach { session: object.session.clone(), stream, is_restored: false };
    object.command(Command::Attach(attach));
    let to = ReplyTo(u64::from(object.count) - 1);
    object.answers(
        200,
        &json!({"name": "a.pdf", "size": PARTS * UPLOAD_PART_BYTES, "file": {},
                "@microsoft.graph.downloadUrl": "https://storage.example/f"}),
    );
    object.answers(201, &json!({"id": "D="}));
    object.answers(201, &json!({"uploadUrl": "https://outlook.example/up"}));
    (object, to)
}

impl Object {
    /// One part is read and sent, each within some seconds, unless the call is over by then.
    fn part(&mut self, seconds: u64, is_last: bool) {
        let body = vec![7; usize::try_from(UPLOAD_PART_BYTES).unwrap()];
        self.wait(seconds);
        assert_eq!((self.left().method, self.left().storage.is_some()), (Method::Get, true));
        self.ends(CallResult::Answered(Answer { status: 206, body, ..Answer::default() }));
        if self.core.load().open == 0 {
            return;
        }
        self.wait(seconds);
        assert_eq!((self.left().method, self.left().storage.is_some()), (Method::Put, true));
        self.answers(if is_last { 201 } else { 200 }, &json!({}));
    }

    fn progress_told(&self, to: ReplyTo) -> Vec<String> {
        let frames = self.pushed.iter().filter(|(whom, _)| *whom == to);
        let said = frames.map(|(_, frame)| serde_json::from_str::<Value>(&frame.json).unwrap());
        said.filter_map(|said| said["params"]["message"].as_str().map(str::to_owned)).collect()
    }
}

#[test]
fn an_upload_that_moves_on_outlives_the_deadline_and_says_how_far_it_is() {
    let (mut object, to) = uploading();
    let began = object.now;
    for part in 1..=PARTS {
        object.part(15, part == PARTS);
    }
    let took = object.now.since(began);
    assert!(took > REQUEST_DEADLINE && took < UPLOAD_DEADLINE, "{took:?}");
    assert_eq!(object.left().path, "/me/messages/D=/send");
    object.answers(202, &json!(null));
    let told = object.progress_told(to);
    assert!(told.contains(&"3 of 31 MB are uploaded.".to_owned()), "{told:?}");
    assert!(told.contains(&"27 of 31 MB are uploaded.".to_owned()), "{told:?}");
    assert_eq!(object.answer_to(1)["result"]["structuredContent"]["status"], "sent", "{}", object.last());
    assert_eq!(object.core.load().open, 0);
}

#[test]
fn an_upload_that_takes_too_long_ends_with_what_is_left_of_it() {
    let (mut object, _) = uploading();
    let began = object.now;
    for _ in 1..PARTS {
        object.part(29, false);
        if object.core.load().open == 0 {
            break;
        }
    }
    let took = object.now.since(began);
    assert!(took >= UPLOAD_DEADLINE && object.core.load().open == 0, "{took:?}");
    let sent = object.sent.len();
    object.wait(60);
    assert_eq!((object.sent.len(), object.left().storage.is_some()), (sent, true), "nothing more leaves");
    let result = object.answer_to(1)["result"].clone();
    assert_eq!(result["isError"], true, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("longer than five minutes") && !text.contains("Nothing happened"), "{text}");
    assert!(
        text.ends_with("Nothing was sent. The draft is in Drafts, without all of its attachments."),
        "{text}"
    );
}
