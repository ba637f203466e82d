//! Which calls have a gate, and what stands before each.

use super::*;
use crate::policy::Policy;
use crate::tools::testing::{answer, around, operation};
use crate::tools::{Resource, Target};
use serde_json::json;

const GRANTED: [&str; 4] = ["Mail.ReadWrite", "Mail.Send", "Mail.Read.Shared", "MailboxSettings.Read"];

fn plan(policy: &str, target: Target, arguments: &Value) -> Result<Planned, ToolError> {
    let (policy, granted) = (Policy::parse(policy).unwrap(), GRANTED.map(str::to_owned));
    let around = Surroundings { policy: &policy, ..around(&granted) };
    Plan::make(target, arguments.as_object().unwrap(), around)
}

fn work(policy: &str, target: Target, arguments: &Value) -> Plan {
    match plan(policy, target, arguments) {
        Ok(Planned::Work(plan)) => *plan,
        other => panic!("{other:?}"),
    }
}

const RULES: &str = r#"{"denyFolders":["archive"]}"#;

fn every_call() -> Vec<(Target, Value)> {
    let mail = json!({"to": ["bob@contoso.example"], "subject": "x", "body": "x",
                      "attachments": [{"messageId": "M=", "attachmentId": "A="}]});
    let message = json!({"uri": "microsoft://mail/messages/M="});
    let tools = [
        (Tool::GetEmails, json!({})),
        (Tool::GetEmails, json!({"mailbox": "team@contoso.example"})),
        (Tool::SearchEmails, json!({"query": "x"})),
        (Tool::ReadEmail, json!({"id": "M="})),
        (Tool::ReadEmail, json!({"id": "M=", "thread": true})),
        (Tool::ListMailFolders, json!({})),
        (Tool::GetAttachment, json!({"messageId": "M=", "attachmentId": "A="})),
        (Tool::SendEmail, json!({"draftId": "M="})),
        (Tool::SendEmail, mail.clone()),
        (Tool::ReplyEmail, json!({"id": "M=", "body": "x"})),
        (Tool::DraftEmail, json!({"draftId": "M=", "body": "x"})),
        (Tool::DraftEmail, json!({"replyTo": "M=", "body": "x"})),
        (Tool::DraftEmail, mail),
        (Tool::OrganizeEmail, json!({"ids": ["M="], "action": "flag"})),
    ];
    let tools = tools.into_iter().map(|(tool, arguments)| (Target::Tool(tool), arguments));
    tools.chain([(Target::Resource(Resource::Message), message)]).collect()
}

#[test]
fn without_rules_nothing_stands_before_a_call_and_with_them_the_folders_do() {
    for (target, arguments) in every_call() {
        let first = work("{}", target, &arguments).call().path;
        assert!(!first.contains("mailFolders/archive") && !first.contains("$batch"), "{first}");
        let mut plan = work(RULES, target, &arguments);
        let call = plan.call();
        assert!(call.path.ends_with("/mailFolders/archive?$select=id"), "{target:?}: {}", call.path);
        assert_eq!(plan.intent(), None, "nothing is written before it is known");
        let Some(Step::Call(next)) = plan.took_refusal(&answer(404, &json!({}))) else {
            panic!("{target:?}")
        };
        assert_ne!(next, call);
        assert!(plan.learnt().is_some() && plan.learnt().is_none());
    }
}

#[test]
fn a_mail_that_is_out_of_reach_ends_every_call_that_names_it() {
    let known = {
        let mut plan = work(RULES, Target::Tool(Tool::ListMailFolders), &json!({}));
        plan.answered(&answer(200, &json!({"id": "A="}))).unwrap();
        plan.answered(&answer(200, &json!({"value": []}))).unwrap();
        [(plan.learnt().unwrap(), crate::tools::testing::NOW)]
    };
    let (policy, granted) = (Policy::parse(RULES).unwrap(), GRANTED.map(str::to_owned));
    let around =
        Surroundings { policy: &policy, folders_off: &known, request: operation(), ..around(&granted) };
    for (target, arguments) in every_call() {
        let names_one = arguments.to_string().contains("M=");
        let Ok(Planned::Work(mut plan)) = Plan::make(target, arguments.as_object().unwrap(), around) else {
            panic!("{target:?}");
        };
        let mail = json!({"id": "M=", "parentFolderId": "A=", "subject": "planted", "conversationId": "C="});
        let call = plan.call();
        // Of other mailboxes nothing is known yet.
        if call.path.starts_with("/users/") {
            assert!(call.path.contains("/mailFolders/archive?"), "{}", call.path);
            continue;
        }
        let body = if names_one { mail } else { json!({"value": [mail]}) };
        let answered = plan.answered(&answer(200, &body));
        match answered {
            Err(error) if names_one => assert_eq!(error.code, "folder_not_allowed", "{target:?}"),
            Ok(Step::Done(done)) if !names_one => assert!(!done.text().contains("planted"), "{}", call.path),
            other => panic!("{target:?}: {other:?}"),
        }
    }
}

#[test]
fn a_folder_is_refused_by_its_name_wherever_it_is_named() {
    for (policy, target, arguments) in [
        (RULES, Target::Tool(Tool::GetEmails), json!({"folder": "Archive"})),
        (RULES, Target::Tool(Tool::SearchEmails), json!({"query": "x", "folder": "archive"})),
        (RULES, Target::Tool(Tool::ListMailFolders), json!({"parent": "archive"})),
        (
            RULES,
            Target::Tool(Tool::OrganizeEmail),
            json!({"ids": ["M="], "action": "move", "folder": "archive"}),
        ),
        (
            r#"{"denyFolders":["DeletedItems"]}"#,
            Target::Tool(Tool::OrganizeEmail),
            json!({"ids": ["M="], "action": "delete"}),
        ),
        (r#"{"denyFolders":["inbox"]}"#, Target::Tool(Tool::GetEmails), json!({})),
        (r#"{"denyFolders":["inbox"]}"#, Target::Resource(Resource::Inbox), json!({})),
        (RULES, Target::Prompt(crate::prompts::Prompt::TriageInbox), json!({"folder": "archive"})),
    ] {
        assert_eq!(plan(policy, target, &arguments).unwrap_err().code, "folder_not_allowed", "{arguments}");
    }
}

#[test]
fn attachments_of_what_is_forwarded_or_sent_as_it_is_are_looked_at() {
    let rules = r#"{"denyAttachmentTypes":["exe"]}"#;
    let forward = json!({"id": "M=", "mode": "forward", "to": ["bob@contoso.example"]});
    for (tool, arguments, expected) in [
        (Tool::ReplyEmail, forward, true),
        (Tool::SendEmail, json!({"draftId": "M="}), true),
        (Tool::ReplyEmail, json!({"id": "M=", "body": "x"}), false),
        (Tool::GetEmails, json!({}), false),
    ] {
        let path = work(rules, Target::Tool(tool), &arguments).call().path;
        assert_eq!(path.contains("$expand=attachments"), expected, "{path}");
    }
}
