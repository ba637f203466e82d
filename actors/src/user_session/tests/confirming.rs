//! Messages that a person has to confirm, turn by turn.
//!
//! What holds here: without the person's own yes nothing leaves, and one yes lets one message leave.

use protocol::mcp::envelope::ClientCapabilities;
use protocol::object::Attach;
use protocol::stream::StreamKey;

use super::*;

const POLICY: (&str, &str) = ("POLICY", r#"{"confirm":"always"}"#);
const FORMS: ClientCapabilities =
    ClientCapabilities { forms: true, links: false, sampling: false, roots: false, tasks: false };

fn mail(subject: &str) -> Value {
    json!({"to": ["bob@contoso.example"], "subject": subject, "body": "B"})
}

fn yes() -> Value {
    json!({"send": {"action": "accept", "content": {"send": true}}})
}

/// One request without a session, with what it brings from an earlier round.
fn round(object: &mut Object, id: u64, mail: Value, more: &Value) -> Value {
    let mut params = json!({"name": "sendEmail", "arguments": mail});
    for (name, value) in more.as_object().unwrap() {
        params[name] = value.clone();
    }
    let client = Stateless { capabilities: FORMS, ..Stateless::default() };
    object.send(json!(id), "tools/call", params, Some(client))
}

#[test]
fn a_mail_leaves_once_after_a_yes_and_its_state_sends_no_other() {
    let mut object = Object::configured(Some(&["Mail.Send"]), &[POLICY]);
    let asked = round(&mut object, 1, mail("S"), &json!({}));
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let form = &asked["result"]["inputRequests"]["send"];
    assert_eq!(form["method"], "elicitation/create");
    assert!(form["params"]["message"].as_str().unwrap().contains("To: bob@contoso.example"), "{form}");
    assert!(object.sent.is_empty());
    let agreed = json!({"requestState": asked["result"]["requestState"], "inputResponses": yes()});
    let other = round(&mut object, 2, mail("another"), &agreed);
    assert_eq!((&other["error"]["code"], object.sent.len()), (&json!(-32602), 0));
    assert_eq!(round(&mut object, 3, mail("S"), &agreed), Value::Null);
    assert_eq!(object.left().path, "/me/sendMail");
    object.answers(202, &json!({}));
    let request = object.replies.last().unwrap().answers.unwrap();
    object.turn(Input::Delivered { request });
    let again = round(&mut object, 4, mail("S"), &agreed);
    assert_eq!(again["result"]["structuredContent"]["status"], "sent");
    assert_eq!(object.sent.len(), 1, "the same state never sends twice");
}

#[test]
fn an_answer_without_a_state_or_a_no_sends_nothing() {
    let mut object = Object::configured(Some(&["Mail.Send"]), &[POLICY]);
    let unasked = round(&mut object, 1, mail("S"), &json!({"inputResponses": yes()}));
    assert_eq!(unasked["result"]["resultType"], "input_required", "{unasked}");
    let no = json!({"requestState": unasked["result"]["requestState"],
                    "inputResponses": {"send": {"action": "decline"}}});
    let declined = round(&mut object, 2, mail("S"), &no);
    assert_eq!(declined["result"]["isError"], true);
    assert!(
        declined["result"]["content"][0]["text"].as_str().unwrap().contains("did not agree"),
        "{declined}"
    );
    let request = object.replies.last().unwrap().answers.unwrap();
    object.turn(Input::Delivered { request });
    let yes = json!({"requestState": no["requestState"], "inputResponses": yes()});
    let changed = round(&mut object, 3, mail("S"), &yes);
    assert_eq!(
        changed["result"], declined["result"],
        "what was declined is not agreed to with the same state"
    );
    assert!(object.sent.is_empty());
}

/// A session whose client shows forms.
fn in_session() -> Object {
    let mut object = Object::configured(Some(&["Mail.Send"]), &[POLICY]);
    object.open(&json!({"elicitation": {}}));
    object
}

/// Opens the stream that the last answer promised, or takes it up again.
fn attach(object: &mut Object, stream: &StreamKey, is_restored: bool) {
    let session = object.session.clone();
    object.command(Command::Attach(Attach { session, stream: stream.clone(), is_restored }));
}

/// The message that went out on a stream last.
fn pushed(object: &Object) -> Value {
    serde_json::from_str(&object.pushed.last().unwrap().1.json).unwrap()
}

/// Begins a call that asks, and opens its stream.
fn begin(object: &mut Object, id: u64, mail: Value) -> (StreamKey, Value) {
    assert_eq!(object.call(id, "sendEmail", mail), Value::Null);
    let stream = object.replies.last().unwrap().late.clone().unwrap().stream;
    attach(object, &stream, false);
    let question = pushed(object);
    assert_eq!(question["method"], "elicitation/create", "{question}");
    (stream, question)
}

fn respond(object: &mut Object, question: &Value, result: &Value) {
    object.say(&json!({"jsonrpc": "2.0", "id": question["id"], "result": result}));
}

fn accept() -> Value {
    yes()["send"].clone()
}

fn restart(object: &mut Object) {
    let config = Rc::new(config_with(&[POLICY]));
    object.core = UserSession::recover(config, &object.rows, object.now).unwrap();
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_session_is_asked_on_the_stream_of_the_call_and_a_yes_sends_once() {
    let mut object = in_session();
    let (_, question) = begin(&mut object, 1, mail("S"));
    assert!(question["params"]["message"].as_str().unwrap().contains("Subject: S"), "{question}");
    assert_eq!((object.sent.len(), object.core.load().streamed), (0, 0), "nothing needs memory");
    respond(&mut object, &question, &accept());
    assert_eq!((object.sent.len(), object.left().path.as_str()), (1, "/me/sendMail"));
    // The same answer again, on its way twice.
    respond(&mut object, &question, &accept());
    object.answers(202, &json!({}));
    assert_eq!(object.answer_to(1)["result"]["structuredContent"]["status"], "sent");
    respond(&mut object, &question, &accept());
    assert_eq!((object.sent.len(), object.core.load().open), (1, 0));
}

#[test]
fn a_question_outlives_the_object_and_is_not_asked_twice_on_a_stream() {
    let mut object = in_session();
    let (stream, question) = begin(&mut object, 1, mail("S"));
    restart(&mut object);
    attach(&mut object, &stream, true);
    assert_eq!(object.pushed.len(), 1, "the stream is the same and heard the question");
    attach(&mut object, &stream, false);
    assert_eq!((object.pushed.len(), pushed(&object)), (2, question.clone()), "a new one may not have");
    restart(&mut object);
    respond(&mut object, &question, &accept());
    assert_eq!(object.sent.len(), 1, "the answer is known by its id alone");
}

#[test]
fn only_a_session_that_waits_for_the_call_can_answer() {
    let mut object = in_session();
    let (_, question) = begin(&mut object, 1, mail("S"));
    let own = object.session.clone();
    object.open(&json!({"elicitation": {}}));
    respond(&mut object, &question, &accept());
    assert!(object.sent.is_empty());
    object.session = own;
    for forged in ["q", "q.x.1.send", "send"] {
        respond(&mut object, &json!({ "id": forged }), &accept());
    }
    let other_round = question["id"].as_str().unwrap().replace(".1.send", ".2.send");
    respond(&mut object, &json!({ "id": other_round }), &accept());
    assert!(object.sent.is_empty());
    respond(&mut object, &question, &accept());
    assert_eq!(object.sent.len(), 1);
}

#[test]
fn whatever_is_no_yes_sends_nothing() {
    for (answer, told) in [
        (json!({"action": "decline"}), "did not agree"),
        (json!({"action": "cancel"}), "did not agree"),
        (json!({"action": "accept", "content": {"send": false}}), "did not agree"),
        (json!({"action": "accept", "content": {"send": "true"}}), "could not answer"),
        (json!("yes"), "could not answer"),
    ] {
        let mut object = in_session();
        let (_, question) = begin(&mut object, 1, mail("S"));
        respond(&mut object, &question, &answer);
        let end = object.answer_to(1);
        assert!(end["result"]["isError"] == true && text(&end).contains(told), "{answer} {end}");
        respond(&mut object, &question, &accept());
        assert_eq!((object.sent.len(), object.core.load().open), (0, 0));
    }
    let mut object = in_session();
    let (_, question) = begin(&mut object, 1, mail("S"));
    object.say(&json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "no"}}));
    assert!(text(&object.answer_to(1)).contains("could not answer"));
    assert!(object.sent.is_empty());
}

#[test]
fn a_question_ends_with_its_time_its_session_or_a_cancellation() {
    let mut object = in_session();
    let (_, question) = begin(&mut object, 1, mail("S"));
    object.wait(9 * 60);
    assert_eq!(object.core.load().open, 1);
    restart(&mut object);
    object.wait(60);
    respond(&mut object, &question, &accept());
    assert_eq!((object.core.load().open, object.sent.len()), (0, 0), "too late");
    let (_, question) = begin(&mut object, 2, mail("S"));
    object.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}));
    respond(&mut object, &question, &accept());
    assert_eq!((object.core.load().open, object.sent.len()), (0, 0), "cancelled");
    begin(&mut object, 3, mail("S"));
    let session = object.session.clone().unwrap();
    object.command(Command::EndSession { session });
    assert_eq!((object.core.load().open, object.sent.len()), (0, 0), "the session has ended");
}

#[test]
fn an_equal_call_joins_the_one_that_asks_and_one_yes_answers_both() {
    let mut object = in_session();
    begin(&mut object, 1, mail("S"));
    // The connection broke, and the client comes again in a new session.
    object.open(&json!({"elicitation": {}}));
    assert_eq!(object.call(2, "sendEmail", mail("S")), Value::Null);
    object.turn(Input::Late { to: ReplyTo(u64::from(object.count) - 1) });
    let stream = object.replies.last().unwrap().late.clone().unwrap().stream;
    attach(&mut object, &stream, false);
    let question = pushed(&object);
    assert_eq!(object.pushed.len(), 2, "the new session is asked too");
    respond(&mut object, &question, &accept());
    object.answers(202, &json!({}));
    for id in [1, 2] {
        assert_eq!(object.answer_to(id)["result"]["structuredContent"]["status"], "sent", "{id}");
    }
    assert_eq!(object.sent.len(), 1);
}

#[test]
fn a_client_that_cannot_be_asked_is_told_so() {
    let mut object = Object::configured(Some(&["Mail.Send"]), &[POLICY]);
    let refused = object.call(1, "sendEmail", mail("S"));
    assert!(text(&refused).contains("cannot show forms"), "{refused}");
    assert!(object.sent.is_empty());
}
