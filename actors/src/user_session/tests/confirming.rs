//! Messages that a person has to confirm, turn by turn.
//!
//! What holds here: without the person's own yes nothing leaves, and one yes lets one message leave.

use protocol::mcp::envelope::ClientCapabilities;

use super::*;

const POLICY: (&str, &str) = ("POLICY", r#"{"confirm":"always"}"#);
const FORMS: ClientCapabilities =
    ClientCapabilities { forms: true, links: false, sampling: false, roots: false };

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
    assert!(object.sent.is_empty());
}
