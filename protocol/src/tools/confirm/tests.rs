//! What a person is shown, and what counts as a yes.

use serde_json::{Value, json};

use super::*;
use crate::mcp::envelope::ClientCapabilities;
use crate::mcp::mrtr::Answers;
use crate::policy::Policy;
use crate::tools::Plan;
use crate::tools::testing::with_granted;
use crate::tools::{Target, Tool};

const ALWAYS: &str = r#"{"confirm":"always"}"#;

fn plan(
    policy: &str,
    forms: bool,
    answers: &Value,
    (tool, arguments): (Tool, &Value),
) -> Result<Planned, ToolError> {
    let (policy, answers) =
        (Policy::parse(policy).unwrap(), serde_json::from_value::<Answers>(answers.clone()).unwrap());
    let client = ClientCapabilities { forms, ..ClientCapabilities::default() };
    with_granted(&["Mail.Send", "ChatMessage.Send", "ChannelMessage.Send"], |around| {
        let around = Surroundings { policy: &policy, answers: &answers, client, ..around };
        Plan::make(Target::Tool(tool), arguments.as_object().unwrap(), around)
    })
}

fn mail(to: &str) -> Value {
    json!({"to": [to], "subject": "S", "body": "B"})
}

fn shown(planned: Result<Planned, ToolError>) -> String {
    match planned {
        Ok(Planned::Ask(questions)) => questions[0].1.params()["message"].as_str().unwrap().to_owned(),
        other => panic!("nothing was asked: {other:?}"),
    }
}

#[test]
fn what_is_shown_is_all_that_leaves_and_nothing_hides_in_it() {
    let arguments = json!({
        "to": ["bob@contoso.example"], "cc": ["carol@contoso.example"], "bcc": ["x@fabrikam.example"],
        "subject": "Plan\u{202e}gpj", "body": format!("Hi\nTo: eve@contoso.example\u{200b}{}", "x".repeat(600)),
    });
    let shown = shown(plan(ALWAYS, true, &json!({}), (Tool::SendEmail, &arguments)));
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "Send this email?",
            "To: bob@contoso.example",
            "Cc: carol@contoso.example",
            "Bcc: x@fabrikam.example",
            "Subject: Plangpj",
        ]
    );
    assert!(lines[5].starts_with("Text: Hi To: eve@contoso.examplexxx"), "{shown}");
    assert!(lines[5].ends_with("… (and 126 more characters)"), "{shown}");
    assert_eq!(lines.len(), 6);
}

#[test]
fn an_answer_shows_what_is_attached_to_it() {
    let attachments = json!([{"name": "a.pdf", "text": "x"}, {"messageId": "M=", "attachmentId": "A="}]);
    let arguments =
        json!({"id": "M=", "body": "Hi", "cc": ["c@fabrikam.example"], "attachments": attachments});
    let granted = ["Mail.Send", "Mail.ReadWrite"];
    let policy = Policy::parse(ALWAYS).unwrap();
    let client = ClientCapabilities { forms: true, ..ClientCapabilities::default() };
    let planned = with_granted(&granted, |around| {
        let around = Surroundings { policy: &policy, client, ..around };
        Plan::make(Target::Tool(Tool::ReplyEmail), arguments.as_object().unwrap(), around)
    });
    assert_eq!(
        shown(planned),
        "Send this reply?\nCc: c@fabrikam.example\nText: Hi\nAttachments: a.pdf, an attachment of another email"
    );
}

#[test]
fn a_message_to_teams_names_its_place() {
    let channel = json!({"teamId": "t-1", "channelId": "19:c", "subject": "Hello", "body": "Hi"});
    let shown_channel = shown(plan(ALWAYS, true, &json!({}), (Tool::SendTeamsMessage, &channel)));
    assert_eq!(
        shown_channel,
        "Send this message to Teams?\nTeam: t-1\nChannel: 19:c\nSubject: Hello\nText: Hi"
    );
    let chat = json!({"chatId": "19:x", "body": "Hi"});
    let shown_chat = shown(plan(ALWAYS, true, &json!({}), (Tool::SendTeamsMessage, &chat)));
    assert_eq!(shown_chat, "Send this message to Teams?\nChat: 19:x\nText: Hi");
}

#[test]
fn only_a_form_that_says_so_is_a_yes() {
    let to_bob = mail("bob@contoso.example");
    let answered = |answer: Value| plan(ALWAYS, true, &json!({"send": answer}), (Tool::SendEmail, &to_bob));
    assert!(matches!(answered(json!({"action": "accept", "content": {"send": true}})), Ok(Planned::Work(_))));
    for no in [
        json!({"action": "accept", "content": {"send": false}}),
        json!({"action": "decline"}),
        json!({"action": "cancel", "content": {"send": true}}),
    ] {
        assert_eq!(answered(no.clone()).unwrap_err().code, "declined", "{no}");
    }
    for nothing in
        [json!({"action": "accept"}), json!({"action": "accept", "content": {"send": "yes"}}), json!(true)]
    {
        assert!(matches!(answered(nothing.clone()), Ok(Planned::Ask(_))), "{nothing}");
    }
}

#[test]
fn the_policy_says_who_is_asked_and_what_becomes_of_those_who_cannot_be() {
    let external = r#"{"confirm":"external","internalDomains":["contoso.example"]}"#;
    let (inside, outside) = (mail("bob@contoso.example"), mail("x@fabrikam.example"));
    let chat = json!({"chatId": "19:x", "body": "Hi"});
    let asks = |policy: &str, call: (Tool, &Value)| {
        matches!(plan(policy, true, &json!({}), call), Ok(Planned::Ask(_)))
    };
    assert!(!asks("{}", (Tool::SendEmail, &outside)));
    assert!(!asks(external, (Tool::SendEmail, &inside)));
    assert!(asks(external, (Tool::SendEmail, &outside)));
    assert!(!asks(external, (Tool::SendTeamsMessage, &chat)));
    assert!(asks(ALWAYS, (Tool::SendEmail, &inside)) && asks(ALWAYS, (Tool::SendTeamsMessage, &chat)));
    let refused = plan(ALWAYS, false, &json!({}), (Tool::SendEmail, &inside)).unwrap_err();
    assert_eq!(refused.code, "confirmation_impossible");
    let sends = r#"{"confirm":"always","withoutElicitation":"send"}"#;
    assert!(matches!(plan(sends, false, &json!({}), (Tool::SendEmail, &inside)), Ok(Planned::Work(_))));
    assert!(asks(sends, (Tool::SendEmail, &inside)), "who can be asked is asked");
}
