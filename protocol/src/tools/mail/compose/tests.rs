//! Which mails are refused before anything leaves, and with which sentence.

use super::*;
use crate::tools::Fault;
use crate::tools::testing;

fn plan_with(arguments: Value, granted: &[&str]) -> Result<Outgoing, ToolError> {
    testing::with_granted(granted, |around| send(arguments.as_object().unwrap(), around))
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
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b", "attachments": [{"name": "a"}]}),
            "`attachments`",
        ),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b", "attachments": [{"name": "a/b", "text": "x"}]}),
            "`attachments`",
        ),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b", "attachments": [{"name": "a", "base64": "?"}]}),
            "`attachments`",
        ),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b",
                "attachments": [{"messageId": "../x", "attachmentId": "A="}]}),
            "`attachments`",
        ),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b",
                "attachments": [{"driveId": "b!D", "itemId": "F1", "name": "a"}]}),
            "`attachments`",
        ),
        (
            json!({"to": ["b@x.example"], "subject": "s", "body": "b", "mailbox": "team@x.example",
                "attachments": [{"name": "a", "text": "x".repeat(2 * 1024 * 1024 + 1)}]}),
            "2 MB",
        ),
    ];
    for (arguments, expected) in cases {
        let error = plan_with(arguments, &["Mail.Send", "Mail.Send.Shared"]).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
        assert_eq!(error.fault, Fault::Caller);
    }
}

#[test]
fn bad_answers_are_refused_with_a_sentence() {
    for (arguments, expected) in [
        (json!({"body": "b"}), "`id`"),
        (json!({"id": "../x", "body": "b"}), "`id`"),
        (json!({"id": "M="}), "`body`"),
        (json!({"id": "M=", "body": "b", "mode": "answer"}), "`mode`"),
        (json!({"id": "M=", "mode": "forward"}), "`to`"),
        (json!({"id": "M=", "body": "b", "attachments": [{"name": "a"}]}), "`attachments`"),
        (json!({"id": "M=", "body": "b", "to": ["x@y.example"]}), "`to`"),
        (json!({"id": "M=", "body": "b", "mode": "replyAll", "cc": ["x@y.example"]}), "`cc`"),
    ] {
        let error =
            testing::with_granted(&["Mail.Send"], |around| reply(arguments.as_object().unwrap(), around))
                .unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}
