//! Which page is asked for, and what of it is shown.

use super::*;
use crate::tools::testing::{answer, assert_conforms, with_granted};
use crate::tools::{Continuation, Fault};

fn plan(arguments: Value) -> Result<ListMail, ToolError> {
    with_granted(&["Mail.Read"], |around| search(arguments.as_object().unwrap(), around))
}

fn folder(arguments: Value) -> Result<ListMail, ToolError> {
    let granted = ["Mail.ReadWrite", "MailboxSettings.Read", "Mail.Read.Shared"];
    with_granted(&granted, |around| newest(arguments.as_object().unwrap(), around))
}

fn clause_of(arguments: Value) -> String {
    plan(arguments).unwrap().asked.1
}

#[test]
fn the_call_is_one_encoded_search() {
    let call = plan(json!({"query": "budget", "count": 2})).unwrap().call();
    assert_eq!(
        call.path,
        "/me/messages?$search=%22budget%22&$select=id%2CparentFolderId%2Csubject%2Cfrom%2CreceivedDateTime%2CisRead%2ChasAttachments%2Cflag%2CbodyPreview&$top=2"
    );
    assert_eq!(call.prefer, &[IMMUTABLE_IDS]);
}

#[test]
fn conditions_are_joined_and_words_stay_together() {
    let all = json!({"query": "a OR b", "from": "alice@x.example", "subject": "Q3 OR \"x\"",
                     "after": "2026-01-01", "before": "2026-02-01", "hasAttachments": true});
    assert_eq!(
        clause_of(all),
        "(a OR b) AND from:\"alice@x.example\" AND subject:\"Q3 OR  x \" AND received>=2026-01-01 AND \
         received<2026-02-01 AND hasAttachments:true"
    );
    assert_eq!(clause_of(json!({"query": "from:bob"})), "from:bob");
}

#[test]
fn words_cannot_leave_the_brackets_around_them() {
    for words in ["a) OR (b", ")", "(", "a\"", "\"a\" \")"] {
        let error = plan(json!({"query": words, "from": "alice"})).unwrap_err();
        assert!(error.message.contains("`query`"), "{words}: {error}");
        assert!(plan(json!({ "query": words })).is_ok(), "{words}");
    }
    let both = json!({"query": "(a OR \"b)\") c", "from": "alice"});
    assert_eq!(clause_of(both), "((a OR \"b)\") c) AND from:\"alice\"");
}

#[test]
fn a_quote_or_a_parameter_cannot_leave_the_clause() {
    for query in ["x\" &$top=999&a=\"", "\\", "\\\" OR 1", "a\"&$filter=b"] {
        let path = plan(json!({ "query": query })).unwrap().call().path;
        let clause = path.strip_prefix("/me/messages?$search=%22").unwrap();
        let (inside, _) = clause.split_once("%22&$select=").unwrap();
        let unescaped = inside.replace("%5C%5C", "").replace("%5C%22", "");
        assert!(!unescaped.contains("%22") && !unescaped.contains("%5C"), "{path}");
        assert!(!inside.contains('&') && !inside.contains('='), "{path}");
    }
}

#[test]
fn bad_conditions_are_refused_with_a_sentence() {
    for (arguments, expected) in [
        (json!({}), "at least one of"),
        (json!({"query": ""}), "`query`"),
        (json!({"query": "a\nb"}), "one line"),
        (json!({"after": "yesterday"}), "`after`"),
        (json!({"after": "2026-01-01T10:00"}), "a date such as"),
        (json!({"hasAttachments": "yes"}), "true or false"),
        (json!({"query": "a", "count": 51}), "`count`"),
        (json!({"query": "a", "count": 5, "all": true}), "left out"),
        (json!({"query": "a", "all": "yes"}), "true or false"),
        (json!({"search": "a"}), "no argument"),
    ] {
        let error = plan(arguments).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn hits_are_shown_and_gone_on_with() {
    let link = "https://graph.microsoft.com/v1.0/me/messages?$skiptoken=x";
    let body = json!({"value": [{"id": "A="}], "@odata.nextLink": link});
    let Step::Done(done) = plan(json!({"query": "a"})).unwrap().answered(&answer(200, &body)).unwrap() else {
        panic!()
    };
    assert_eq!(done.structured, json!({"search": "a", "messages": [{"id": "A="}]}));
    assert_eq!(done.goes_on.as_ref().map(|place| place.page.as_str()), Some("$skiptoken=x"));
    assert_conforms(Tool::SearchEmails, &done);
}

#[test]
fn the_newest_mails_of_a_folder_are_one_encoded_read() {
    let call = folder(json!({"folder": "SentItems", "count": 3})).unwrap().call();
    assert_eq!(
        call.path,
        "/me/mailFolders/sentitems/messages?$select=id%2CparentFolderId%2Csubject%2Cfrom%2CreceivedDateTime%2CisRead%2ChasAttachments%2Cflag%2CbodyPreview&$top=3&$orderby=receivedDateTime%20desc"
    );
}

#[test]
fn conditions_stand_behind_the_time_that_is_ordered_by() {
    let arguments =
        json!({"unread": true, "from": "o'neil@x.example", "flagged": true, "hasAttachments": false});
    let path = folder(arguments).unwrap().call().path;
    let filter = path.split("$filter=").nth(1).unwrap();
    let expected = query(&[(
        "x",
        "receivedDateTime ge 1970-01-01T00:00:00Z and isRead eq false and hasAttachments eq false and \
         flag/flagStatus eq 'flagged' and from/emailAddress/address eq 'o''neil@x.example'",
    )]);
    assert_eq!(filter, &expected["?x=".len()..]);
}

#[test]
fn days_are_those_of_the_mailbox() {
    let mut plan = folder(json!({"after": "2026-01-02", "before": "2026-01-03T12:00:00Z"})).unwrap();
    assert_eq!(plan.call().path, "/me/mailboxSettings?$select=timeZone");
    let zone = json!({"timeZone": "W. Europe Standard Time"});
    let Step::Call(call) = plan.answered(&answer(200, &zone)).unwrap() else { panic!() };
    assert!(
        call.path.contains("ge%202026-01-01T23%3A00%3A00Z%20and%20receivedDateTime%20lt%202026-01-03T12")
    );
    let named = folder(json!({"after": "2026-01-02", "timeZone": "Europe/Zurich"})).unwrap();
    assert!(named.call().path.contains("2026-01-01T23%3A00%3A00Z"));
    // An instant needs no zone.
    assert!(
        folder(json!({"after": "2026-01-02T00:00:00Z"})).unwrap().call().path.starts_with("/me/mailFolders")
    );
}

#[test]
fn times_are_shown_in_the_zone_that_the_call_is_about() {
    // The clocks go back at one o'clock UTC.
    let mails = [("a", "2026-10-25T00:30:00Z"), ("b", "2026-10-25T01:30:00Z")];
    let mails = mails.map(|(id, at)| json!({"id": id, "receivedDateTime": at}));
    let shown = |mut plan: ListMail| {
        let Step::Done(mut done) = plan.answered(&answer(200, &json!({ "value": mails }))).unwrap() else {
            panic!()
        };
        mailbox_zone::add_local_times(&mut done, Err("why"), false);
        assert_conforms(Tool::GetEmails, &done);
        done.structured
    };
    let there = shown(folder(json!({"timeZone": "Europe/Zurich"})).unwrap());
    assert_eq!(there["timeZone"], "Europe/Zurich");
    assert_eq!(there["messages"][0]["receivedLocal"], "2026-10-25T02:30:00+02:00");
    assert_eq!(there["messages"][1]["receivedLocal"], "2026-10-25T02:30:00+01:00");
    let plain = shown(folder(json!({})).unwrap());
    assert_eq!((&plain["timeZone"], &plain["messages"][0]["receivedLocal"]), (&json!("UTC"), &Value::Null));
}

#[test]
fn a_shared_mailbox_is_named_by_its_address_in_one_segment() {
    let call = folder(json!({"mailbox": "team@x.example"})).unwrap().call();
    assert!(call.path.starts_with("/users/team@x.example/mailFolders/inbox/messages?"), "{}", call.path);
    assert_eq!(call.lane, crate::outbound::Lane::OtherMailbox);
    for bad in ["../me", "a@b/../c", "team", "a@b?x"] {
        assert_eq!(folder(json!({ "mailbox": bad })).unwrap_err().code, "bad_argument", "{bad}");
    }
    let missing = plan(json!({"query": "a", "mailbox": "team@x.example"})).unwrap_err();
    assert!(missing.message.contains("Mail.Read.Shared "), "{missing}");
}

#[test]
fn a_folder_cannot_leave_its_place() {
    for folder_name in ["x/../../../users?$top=1&a=", "..", "a%2fb", "a?b"] {
        assert_eq!(folder(json!({ "folder": folder_name })).unwrap_err().code, "bad_argument");
    }
}

#[test]
fn the_missing_permission_is_named() {
    let refused = with_granted(&["Mail.Send"], |around| newest(&Map::new(), around)).unwrap_err();
    assert!(refused.message.contains("Mail.Read "), "{refused}");
}

#[test]
fn a_page_is_shown_by_the_output_schema() {
    let mut plan = folder(json!({"count": 2})).unwrap();
    let body = json!({"value": [
        {"id": "A=", "subject": "Hi", "from": {"emailAddress": {"name": "B", "address": "b@x.example"}},
         "isRead": false, "hasAttachments": "odd", "unexpected": 1, "flag": {"flagStatus": "flagged"}},
        {"subject": "no id"},
    ]});
    let Step::Done(finished) = plan.answered(&answer(200, &body)).unwrap() else { panic!("not done") };
    assert_eq!(
        finished.structured,
        json!({"folder": "inbox", "messages": [
            {"id": "A=", "subject": "Hi", "from": {"name": "B", "address": "b@x.example"}, "isRead": false,
             "isFlagged": true}
        ]})
    );
    assert_conforms(Tool::GetEmails, &finished);
    assert_eq!(plan.answered(&answer(200, &json!([]))).unwrap_err().fault, Fault::Microsoft);
}

/// Goes through a list to its end, as a client does that takes every cursor.
#[test]
fn every_mail_is_shown_once_over_all_answers() {
    let items = |from: usize| -> Vec<Value> {
        (from..from + 10).map(|at| json!({"id": format!("M{at}="), "bodyPreview": "p".repeat(250)})).collect()
    };
    let (mut seen, mut answers, mut resume): (Vec<String>, usize, Option<Continuation>) =
        (Vec::new(), 0, None);
    loop {
        let granted = ["Mail.Read".to_owned()];
        let around = Surroundings { resume: resume.as_ref(), ..crate::tools::testing::around(&granted) };
        let arguments = json!({"maxTokens": 500});
        let mut plan = newest(arguments.as_object().unwrap(), around).unwrap();
        let path = plan.call().path;
        let from = if path.contains("$skip=10") { 10 } else { 0 };
        let mut body = json!({ "value": items(from) });
        if from == 0 {
            body["@odata.nextLink"] =
                "https://graph.microsoft.com/v1.0/me/mailFolders/inbox/messages?$skip=10".into();
        }
        let Step::Done(done) = plan.answered(&answer(200, &body)).unwrap() else { panic!() };
        let text = serde_json::to_string(&done.structured).unwrap();
        assert!(text.len() <= 500 * 4, "{} bytes", text.len());
        let messages = done.structured["messages"].as_array().unwrap();
        seen.extend(messages.iter().map(|message| message["id"].as_str().unwrap().to_owned()));
        answers += 1;
        resume = done.goes_on;
        if resume.is_none() {
            break;
        }
        assert!(answers < 30, "it does not end");
    }
    let expected: Vec<String> = (0..20).map(|at| format!("M{at}=")).collect();
    assert_eq!(seen, expected);
    assert!(answers > 2, "{answers}");
}

#[test]
fn all_follows_the_pages_up_to_its_bound() {
    let mut search = plan(json!({"query": "a", "all": true})).unwrap();
    assert!(search.is_long() && search.call().path.ends_with("&$top=50"));
    let item = json!({"id": "A=", "bodyPreview": "p".repeat(250)});
    let page = json!({
        "value": vec![&item; 50],
        "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/messages?$search=%22a%22&$skiptoken=x",
    });
    for _ in 1..8 {
        let Ok(Step::Call(next)) = search.answered(&answer(200, &page)) else { panic!() };
        assert_eq!(next.path, "/me/messages?$search=%22a%22&$skiptoken=x");
    }
    let Ok(Step::Done(done)) = search.answered(&answer(200, &page)) else { panic!() };
    assert_eq!(done.structured["messages"].as_array().unwrap().len(), ALL_MAX);
    assert!(done.goes_on.is_some() && done.text().len() < 80_000);
    assert_conforms(Tool::SearchEmails, &done);
    let mut short = plan(json!({"query": "a", "all": true})).unwrap();
    let Ok(Step::Done(done)) = short.answered(&answer(200, &json!({"value": [item]}))) else { panic!() };
    assert_eq!(done.goes_on, None);
}

#[test]
fn a_search_whose_pages_hold_little_ends_too() {
    let mut search = plan(json!({"query": "a", "all": true})).unwrap();
    let page = json!({
        "value": [],
        "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/messages?$skiptoken=x",
    });
    let calls = (0..100).take_while(|_| matches!(search.answered(&answer(200, &page)), Ok(Step::Call(_))));
    assert_eq!(calls.count(), PAGES_MAX as usize - 1);
}
