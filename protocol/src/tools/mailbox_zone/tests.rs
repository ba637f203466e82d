//! What a mailbox says is understood; times are local where the zone is known, and say why where it is not.

use super::*;
use crate::outbound::Lost;
use crate::tools::testing::{answer, assert_conforms};
use crate::tools::{Resource, Target, Tool};
use crate::zones::testing::ZONES;
use serde_json::json;

fn zurich() -> Zone {
    ZONES.zone("Europe/Zurich").unwrap()
}

#[test]
fn what_the_mailbox_says_is_heard_and_so_is_that_it_says_nothing() {
    let heard = |status, body: Value| heard(&call(), &CallResult::Answered(answer(status, &body)), ZONES);
    assert_eq!(heard(200, json!({"timeZone": "Europe/Zurich"})), Some(Heard::Zone(zurich())));
    assert_eq!(heard(200, json!({})), Some(Heard::Zone(Zone::utc())));
    assert_eq!(heard(200, json!({"timeZone": "Customized Time Zone"})), Some(Heard::Unknown));
    let refusal = json!({"error": {"code": "ErrorAccessDenied", "message": "x"}});
    for status in [403, 404] {
        assert_eq!(heard(status, refusal.clone()), Some(Heard::Refused));
        let of_gateway = json!({"success": false, "error": [{"code": 2029, "message": "x"}]});
        assert_eq!(heard(status, of_gateway), Some(Heard::Nothing));
    }
    for status in [429, 500, 503] {
        assert_eq!(heard(status, refusal.clone()), Some(Heard::Nothing));
    }
    assert_eq!(heard(401, refusal), None);
    let garbled = Answer { status: 200, body: b"<html>".to_vec(), ..Answer::default() };
    assert_eq!(super::heard(&call(), &CallResult::Answered(garbled), ZONES), Some(Heard::Nothing));
    let lost = CallResult::Lost(Lost::Timeout);
    assert_eq!(super::heard(&call(), &lost, ZONES), Some(Heard::Nothing));
    let said = CallResult::Answered(told(&zurich()));
    assert_eq!(super::heard(&call(), &said, ZONES), Some(Heard::Zone(zurich())));
    let other = GraphCall::get(Lane::Mailbox, "/me/messages".to_owned());
    assert_eq!(super::heard(&other, &said, ZONES), None);
    // Who asks for more is told more, and does not wait for those who ask for the zone alone.
    let more = GraphCall::get(Lane::Mailbox, format!("{},workingHours", call().path));
    assert_eq!(super::heard(&more, &said, ZONES), Some(Heard::Zone(zurich())));
    assert_eq!((is_asked_by(&call()), is_asked_by(&more)), (true, false));
}

#[test]
fn whatever_says_a_time_in_its_schema_waits_for_the_zone() {
    for tool in Tool::ALL {
        let schema = tool.schema("outputSchema");
        let names_zone = schema["required"].as_array().into_iter().flatten().any(|name| name == "timeZone");
        let text = schema.to_string();
        // A calendar's tools name their zone by themselves; a reference stands for what it names.
        let is_timed = !names_zone
            && (TIMES.iter().any(|(utc, _)| text.contains(&format!("\"{utc}\":")))
                || ["as in getEmails", "as in listFiles", "as in listTasks"]
                    .iter()
                    .any(|other| text.contains(other)));
        assert_eq!(Target::Tool(tool).shows_times(), is_timed, "{tool:?}");
        assert!(!is_timed || schema["properties"]["timeZone"].is_object(), "{tool:?}");
        let has_note = schema["properties"]["timeZoneNote"].is_object();
        assert_eq!(has_note, is_timed && !tool.writes(), "{tool:?}");
    }
    let timed: Vec<_> = Resource::all().filter(|one| Target::Resource(*one).shows_times()).collect();
    assert!([Resource::Message, Resource::Inbox, Resource::Event].iter().all(|one| timed.contains(one)));
    assert_eq!(timed.len(), 3);
    for resource in timed {
        assert!(resource.permissions().contains(&"MailboxSettings.Read"), "{resource:?}");
    }
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
        (Tool::ReadFile, json!({"file": {"name": "a", "modifiedAt": at}})),
        (Tool::UploadFile, json!({"status": "uploaded", "file": {"modifiedAt": at}})),
        (Tool::ShareFile, json!({"status": "shared", "expires": at})),
        (Tool::ListTasks, json!({"tasks": [{"id": "T=", "reminder": at, "due": "2026-10-25"}]})),
        (Tool::SaveTask, json!({"status": "created", "task": {"reminder": at}})),
    ] {
        let mut finished = Finished::new(result.clone());
        let utc = finished.text().len();
        add_local_times(&mut finished, Ok(&zurich()), tool.writes());
        let text = finished.text();
        assert_eq!(text.matches(local).count(), text.matches(at).count(), "{text}");
        assert_eq!(finished.structured["timeZone"], "Europe/Zurich");
        // The length of an answer was reckoned with the local times.
        let said = text.len() - r#","timeZone":"Europe/Zurich""#.len();
        assert_eq!(said, utc + local_bytes(&result), "{text}");
        assert_conforms(tool, &finished);

        if tool.writes() {
            let mut finished = Finished::new(result.clone());
            add_local_times(&mut finished, Err("why"), true);
            assert_eq!(
                (finished.structured["timeZone"].as_str(), finished.text().contains("why")),
                (Some("UTC"), false)
            );
            assert_conforms(tool, &finished);
            continue;
        }
        let mut finished = Finished::new(result.clone());
        add_local_times(&mut finished, Err("why"), false);
        assert_eq!(finished.structured["timeZone"], "UTC");
        assert_eq!(finished.structured["timeZoneNote"], "why");
        assert!(!finished.text().contains("Local"), "{}", finished.text());
        assert_conforms(tool, &finished);
    }
}

#[test]
fn an_event_that_was_read_in_utc_is_said_in_the_zone_of_the_mailbox() {
    let utc = "2026-01-02T10:00:00Z";
    let mut finished = Finished::new(
        json!({"uri": "x", "start": {"local": utc, "utc": utc}, "end": {"date": "2026-01-02"}}),
    );
    add_local_times(&mut finished, Ok(&zurich()), false);
    assert_eq!(finished.structured["start"], json!({"local": "2026-01-02T11:00:00+01:00", "utc": utc}));
    assert_eq!(finished.structured["timeZone"], "Europe/Zurich");
}

#[test]
fn a_zone_that_was_asked_for_counts_before_the_mailboxs_and_what_names_its_own_is_left_alone() {
    let result = json!({"messages": [{"receivedAt": "2026-01-02T10:00:00Z"}]});
    let mut finished = Finished { zone: Some(Box::new(Zone::utc())), ..Finished::new(result.clone()) };
    add_local_times(&mut finished, Ok(&zurich()), false);
    assert_eq!(finished.structured["messages"][0]["receivedLocal"], "2026-01-02T10:00:00Z");
    assert_eq!(finished.structured["timeZone"], "UTC");
    for alone in
        [json!({"timeZone": "x", "start": {"utc": "2026-01-02T10:00:00Z"}}), json!({"items": []}), json!("x")]
    {
        let mut finished = Finished::new(alone.clone());
        add_local_times(&mut finished, Ok(&zurich()), false);
        assert_eq!(finished.structured, alone);
    }
}
