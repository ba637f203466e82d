//! The zone is asked for once and first; times are local where it is known, and say why where it is not.

use super::*;
use crate::tools::plan::{Plan, Planned};
use crate::tools::testing::{answer, around, assert_conforms};
use crate::tools::{Target, Tool};
use crate::zones::testing::ZONES;
use serde_json::json;

const GRANTED: [&str; 6] = [
    "Mail.Read",
    "Chat.Read",
    "Files.ReadWrite.All",
    "Tasks.ReadWrite",
    "Calendars.ReadWrite",
    "MailboxSettings.Read",
];

fn zurich() -> Known {
    Ok(ZONES.zone("Europe/Zurich").unwrap())
}

fn planned(tool: Tool, arguments: &Value, granted: &[&str], known: Option<&Known>) -> Plan {
    let granted: Vec<String> = granted.iter().map(|name| (*name).to_owned()).collect();
    let around = Surroundings { mailbox_zone: known, ..around(&granted) };
    match Plan::make(Target::Tool(tool), arguments.as_object().unwrap(), around).unwrap() {
        Planned::Work(plan) => *plan,
        other => panic!("{other:?}"),
    }
}

/// Every reading whose result has times, and the path with which it begins by itself.
fn readings() -> Vec<(Tool, Value, &'static str)> {
    vec![
        (Tool::GetEmails, json!({}), "/me/mailFolders/inbox/messages"),
        (Tool::SearchEmails, json!({"query": "x"}), "/me/messages"),
        (Tool::ReadEmail, json!({"id": "M="}), "/me/messages/M="),
        (Tool::ListChats, json!({}), "/me/chats"),
        (Tool::ReadTeamsMessages, json!({"chatId": "c"}), "/chats/c/messages"),
        (Tool::SearchFiles, json!({"query": "x"}), "/search/query"),
        (Tool::ListFiles, json!({"driveId": "d", "folder": "f"}), "/drives/d/items/f/children"),
        (Tool::ListTasks, json!({}), "/me/todo/lists"),
    ]
}

#[test]
fn the_zone_is_read_first_and_once() {
    let settings = "/me/mailboxSettings?$select=timeZone";
    let refusal = json!({"error": {"code": "MailboxNotEnabledForRESTAPI", "message": "x"}});
    for (tool, arguments, path) in readings() {
        let begins =
            |granted: &[&str], known: Option<&Known>| planned(tool, &arguments, granted, known).call().path;
        let mut plan = planned(tool, &arguments, &GRANTED, None);
        assert_eq!(plan.call().path, settings, "{tool:?}");
        let Ok(Step::Call(call)) = plan.answered(&answer(200, &json!({"timeZone": "Europe/Zurich"}))) else {
            panic!("{tool:?}")
        };
        assert!(call.path.starts_with(path) && plan.call() == call, "{}", call.path);
        // A mailbox that does not tell its zone keeps nobody from reading.
        let mut plan = planned(tool, &arguments, &GRANTED, None);
        let Some(Step::Call(call)) = plan.took_refusal(&answer(404, &refusal)) else { panic!("{tool:?}") };
        assert!(call.path.starts_with(path), "{}", call.path);
        // Known, known to be out of reach, and not granted.
        for known in [zurich(), Err("x")] {
            assert!(begins(&GRANTED, Some(&known)).starts_with(path), "{tool:?}");
        }
        assert!(begins(&GRANTED[..5], None).starts_with(path), "{tool:?}");
    }
    let named = planned(Tool::GetEmails, &json!({"timeZone": "Europe/Zurich"}), &GRANTED, None);
    assert!(named.call().path.contains("/messages?"), "{}", named.call().path);
}

#[test]
fn days_of_mail_need_one_reading_of_the_zone_only() {
    let mut plan = planned(Tool::GetEmails, &json!({"after": "2026-01-01"}), &GRANTED, None);
    assert!(plan.call().path.starts_with("/me/mailboxSettings"));
    let Ok(Step::Call(call)) = plan.answered(&answer(200, &json!({"timeZone": "Europe/Zurich"}))) else {
        panic!()
    };
    assert!(call.path.contains("2025-12-31T23%3A00%3A00Z"), "{}", call.path);
}

#[test]
fn what_the_mailbox_says_is_learnt_and_so_is_that_it_says_nothing() {
    let learnt = |status, body: Value| learnt(&call(), &answer(status, &body), ZONES);
    assert_eq!(learnt(200, json!({"timeZone": "Europe/Zurich"})), Some(zurich()));
    assert!(matches!(learnt(200, json!({"timeZone": "Customized Time Zone"})), Some(Err(_))));
    let refusal = json!({"error": {"code": "ErrorAccessDenied", "message": "x"}});
    assert!(matches!(learnt(403, refusal.clone()), Some(Err(_))));
    for status in [401, 429, 503] {
        assert_eq!(learnt(status, refusal.clone()), None);
    }
    let other = GraphCall::get(Lane::Mailbox, "/me/messages".to_owned());
    assert_eq!(super::learnt(&other, &answer(200, &json!({"timeZone": "UTC"})), ZONES), None);
}

#[test]
fn every_time_is_local_and_utc() {
    let at = "2026-10-25T00:30:00Z";
    let local = "2026-10-25T02:30:00+02:00";
    for (tool, result) in [
        (Tool::GetEmails, json!({"folder": "inbox", "messages": [{"id": "A=", "receivedAt": at}]})),
        (Tool::SearchEmails, json!({"search": "x", "messages": [{"id": "A=", "receivedAt": at}]})),
        (Tool::ReadEmail, json!({"messages": [{"id": "A=", "receivedAt": at, "body": "x"}]})),
        (Tool::ListChats, json!({"chats": [{"id": "C", "lastMessageAt": at}]})),
        (
            Tool::ReadTeamsMessages,
            json!({"messages": [{"id": "1", "sentAt": at, "editedAt": at, "deletedAt": at}]}),
        ),
        (Tool::SendTeamsMessage, json!({"status": "sent", "sentAt": at})),
        (Tool::SearchFiles, json!({"items": [{"id": "F=", "modifiedAt": at}]})),
        (Tool::ListFiles, json!({"items": [{"id": "F=", "kind": "file", "modifiedAt": at}]})),
        (Tool::UploadFile, json!({"status": "uploaded", "file": {"modifiedAt": at}})),
        (Tool::ShareFile, json!({"status": "shared", "expires": at})),
        (Tool::ListTasks, json!({"tasks": [{"id": "T=", "reminder": at, "due": "2026-10-25"}]})),
        (Tool::SaveTask, json!({"status": "created", "task": {"reminder": at}})),
    ] {
        let mut finished = Finished::new(result.clone());
        let utc = finished.text().len();
        add_local_times(&mut finished, Some(&zurich()), tool.writes());
        let text = finished.text();
        assert_eq!(text.matches(local).count(), text.matches(at).count(), "{text}");
        assert_eq!(finished.structured["timeZone"], "Europe/Zurich");
        // The length of an answer was reckoned with the local times.
        let said = text.len() - r#","timeZone":"Europe/Zurich""#.len();
        assert_eq!(said, utc + local_bytes(&result), "{text}");
        assert_conforms(tool, &finished);

        if tool.writes() {
            for known in [None, Some(&Err("why"))] {
                let mut finished = Finished::new(result.clone());
                add_local_times(&mut finished, known, true);
                assert_eq!(finished.structured, result);
            }
            continue;
        }
        let mut finished = Finished::new(result.clone());
        add_local_times(&mut finished, Some(&Err("why")), false);
        assert_eq!(finished.structured["timeZone"], "UTC");
        assert_eq!(finished.structured["timeZoneNote"], "why");
        assert!(!finished.text().contains("Local"), "{}", finished.text());
        assert_conforms(tool, &finished);

        let mut finished = Finished::new(result.clone());
        add_local_times(&mut finished, None, false);
        assert!(finished.text().contains("MailboxSettings.Read"), "{}", finished.text());
    }
}

#[test]
fn an_event_that_was_read_in_utc_is_said_in_the_zone_of_the_mailbox() {
    let utc = "2026-01-02T10:00:00Z";
    let mut finished = Finished::new(
        json!({"uri": "x", "start": {"local": utc, "utc": utc}, "end": {"date": "2026-01-02"}}),
    );
    add_local_times(&mut finished, Some(&zurich()), false);
    assert_eq!(finished.structured["start"], json!({"local": "2026-01-02T11:00:00+01:00", "utc": utc}));
    assert_eq!(finished.structured["timeZone"], "Europe/Zurich");
}

#[test]
fn a_zone_that_was_asked_for_counts_before_the_mailboxs_and_what_names_its_own_is_left_alone() {
    let result = json!({"messages": [{"receivedAt": "2026-01-02T10:00:00Z"}]});
    let mut finished = Finished { zone: Some(Box::new(Zone::utc())), ..Finished::new(result.clone()) };
    add_local_times(&mut finished, Some(&zurich()), false);
    assert_eq!(finished.structured["messages"][0]["receivedLocal"], "2026-01-02T10:00:00Z");
    assert_eq!(finished.structured["timeZone"], "UTC");
    for alone in
        [json!({"timeZone": "x", "start": {"utc": "2026-01-02T10:00:00Z"}}), json!({"items": []}), json!("x")]
    {
        let mut finished = Finished::new(alone.clone());
        add_local_times(&mut finished, Some(&zurich()), false);
        assert_eq!(finished.structured, alone);
    }
}
