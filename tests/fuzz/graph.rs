//! From a tool's arguments to the calls that leave for Microsoft Graph, and from Graph's answers to results.
//!
//! What holds here: whatever the arguments are, a path is one line of visible ASCII below the place that the tool chose;
//! whatever Graph answers, a plan ends with a result, a call or an error after a bounded number of answers.

use protocol::civil;
use protocol::graph::{continuation, form, odata_text, query, search_text, segment};
use protocol::ids::{RequestId, UserKey};
use protocol::limits::UPSTREAM_BODY_BYTES_MAX;
use protocol::mcp::envelope::ClientCapabilities;
use protocol::mcp::mrtr::Answers;
use protocol::outbound::{Answer, GraphCall};
use protocol::policy::Policy;
use protocol::time::UnixMs;
use protocol::tools::{Found, Plan, Planned, Step, Surroundings, Target, Tool, ToolError};
use protocol::zones::Zones;
use serde_json::{Map, Value};

use super::{fuzz, samples, text};

const NOW: UnixMs = UnixMs(1_767_349_800_000);
/// More answers than any plan asks for.
const ANSWERS_MAX: usize = 40;

const PERMISSIONS: [&str; 12] = [
    "User.Read",
    "Mail.Read",
    "Mail.ReadWrite",
    "Mail.Send",
    "Calendars.ReadWrite",
    "Calendars.Read.Shared",
    "Chat.ReadWrite",
    "ChatMessage.Send",
    "ChannelMessage.Send",
    "Team.ReadBasic.All",
    "OnlineMeetings.ReadWrite",
    "Contacts.Read",
];

/// Arguments of every tool; each tool is tried with all of them.
const ARGUMENTS: [&str; 13] = [
    r#"{"folder":"inbox","count":10}"#,
    r#"{"query":"from:bob subject:\"plan\"","count":5}"#,
    r#"{"to":["bob@contoso.example"],"cc":["c@contoso.example"],"subject":"Hi","body":"Text","bodyType":"text","idempotencyKey":"k-1"}"#,
    r#"{"start":"2026-01-02T10:00:00","end":"2026-01-02T11:00:00","calendarId":"AQMk=","count":10}"#,
    r#"{"subject":"Plan","start":"2026-01-02T10:00:00+01:00","end":"2026-01-02T11:00:00+01:00","attendees":["bob@contoso.example"],"location":"Zurich","body":"b","timeZone":"UTC"}"#,
    r#"{"chatId":"19:abc@thread.v2","message":"Hello","contentType":"text"}"#,
    r#"{"teamId":"02bd9fd6-8f93-4758-87c3-1fb73740a315","channelId":"19:abc@thread.tacv2","message":"Hello"}"#,
    r#"{"search":"O'Brien","count":5}"#,
    r#"{"id":"AAMk1","subject":"New","start":"2026-01-02T10:00:00+01:00","addAttendees":["bob@contoso.example"],"recurrence":{"type":"relativeMonthly","until":"2026-12-31"},"timeZone":"UTC"}"#,
    r#"{"id":"AAMk1","response":"tentative","comment":"Perhaps","proposedStart":"2026-01-02T10:00Z","proposedEnd":"2026-01-02T11:00Z"}"#,
    r#"{"attendees":["bob@contoso.example"],"durationMinutes":30,"start":"2026-01-02","end":"2026-01-03","timeZone":"UTC"}"#,
    r#"{"chatId":"19:abc@thread.v2","body":"Hello @Bob","mentions":["Bob"]}"#,
    "{}",
];

const BODIES: [&str; 7] = [
    r#"{"value":[{"id":"AAMk1","subject":"Hi","from":{"emailAddress":{"name":"Bob","address":"bob@contoso.example"}},"receivedDateTime":"2026-01-01T00:00:00Z","isRead":true,"hasAttachments":false,"bodyPreview":"p"}],"@odata.nextLink":"https://graph.microsoft.com/v1.0/me/messages?$skip=10"}"#,
    r#"{"value":[{"id":"E1","subject":"Plan","start":{"dateTime":"2026-01-02T10:00:00.0000000","timeZone":"UTC"},"end":{"dateTime":"2026-01-02T11:00:00.0000000","timeZone":"UTC"},"attendees":[{"emailAddress":{"address":"b@c.example"},"status":{"response":"none"}}],"onlineMeeting":{"joinUrl":"https://teams.example/j"}}]}"#,
    r#"{"value":[{"id":"C1","displayName":"Bob","emailAddresses":[{"address":"b@c.example"}],"businessPhones":["1"],"scoredEmailAddresses":[{"address":"b@c.example"}]}]}"#,
    r#"{"id":"AAMk2","joinWebUrl":"https://teams.example/j","webUrl":"https://x.example","timeZone":"UTC","mailboxSettings":{"timeZone":"W. Europe Standard Time"},"displayName":"Alice","mail":"a@c.example","userPrincipalName":"a@c.example"}"#,
    r#"{"value":"W. Europe Standard Time"}"#,
    r#"{"error":{"code":"ErrorItemNotFound","message":"m"}}"#,
    r#"{"value":[]}"#,
];

fn assert_sendable(call: &GraphCall) {
    let is_path = call.path.starts_with('/') && call.path.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(is_path && !call.path.contains(['#', '\\']), "{}", call.path);
    let segments = call.path.split('?').next().unwrap().split('/');
    assert!(
        segments.skip(1).all(|segment| !segment.is_empty() && segment != "." && segment != ".."),
        "{}",
        call.path
    );
    assert!(call.path.len() <= UPSTREAM_BODY_BYTES_MAX);
}

fn assert_sentence(error: &ToolError) {
    assert!(error.message.len() <= super::SENTENCE_BYTES_MAX, "{} bytes", error.message.len());
}

fn with_plan(tool: Tool, arguments: &Map<String, Value>, then: impl FnOnce(Plan)) {
    let granted: Vec<String> = PERMISSIONS.iter().map(|name| (*name).to_owned()).collect();
    let request = RequestId::new(UnixMs(1), &UserKey::from_bytes([1; 16]), [0; 5]);
    let answers = Answers::default();
    let policy = Policy::default();
    let around = Surroundings {
        request,
        granted: Some(&granted),
        now: NOW,
        zones: Zones::UTC_ONLY,
        mailbox_zone: None,
        folders_off: &[],
        answers: &answers,
        client: ClientCapabilities::default(),
        policy: &policy,
        query: [0; 32],
        resume: None,
        linked_apps: &[],
        condense_route: None,
        connect_link: None,
    };
    match Plan::make(Target::Tool(tool), arguments, around) {
        Ok(Planned::Work(plan)) => then(*plan),
        Ok(_) => {}
        Err(error) => assert_sentence(&error),
    }
}

#[test]
fn arguments_of_tools() {
    fuzz("arguments of tools", &samples(&ARGUMENTS), |input| {
        let Ok(arguments) = serde_json::from_slice::<Map<String, Value>>(input) else { return };
        for tool in Tool::ALL {
            with_plan(tool, &arguments, |plan| assert_sendable(&plan.call()));
        }
    });
}

/// Answers a plan with the same body until it ends.
fn run(plan: &mut Plan, status: u16, body: &[u8]) {
    let answer = Answer { status, body: body.to_vec(), ..Answer::default() };
    for _ in 0..ANSWERS_MAX {
        match plan.answered(&answer) {
            Ok(Step::Call(call)) => assert_sendable(&call),
            Ok(Step::Done(finished)) => return drop(finished.text()),
            Err(error) => return assert_sentence(&error),
        }
    }
    panic!("{ANSWERS_MAX} answers and no end: {:?}", plan.call());
}

/// Looks into a lost write with the same body.
fn look(plan: &mut Plan, body: &[u8]) {
    let answer = Answer { status: 200, body: body.to_vec(), ..Answer::default() };
    let mut found = plan.look_into();
    for _ in 0..ANSWERS_MAX {
        match found {
            Found::Look(call) => assert_sendable(&call),
            Found::Resume(call) => return assert_sendable(&call),
            Found::DidNotHappen(error) => return assert_sentence(&error),
            Found::Happened(_) | Found::NotYetKnown | Found::NeverKnown => return,
        }
        found = plan.looked(&answer);
    }
    panic!("{ANSWERS_MAX} looks and no end");
}

#[test]
fn answers_of_graph() {
    let arguments: Vec<Map<String, Value>> =
        ARGUMENTS.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let mut made = 0_usize;
    fuzz("answers of Graph", &samples(&BODIES), |input| {
        let status = [200_u16, 201, 202, 404][input.len() % 4];
        for (tool, arguments) in
            Tool::ALL.iter().flat_map(|tool| arguments.iter().map(move |one| (*tool, one)))
        {
            with_plan(tool, arguments, |mut plan| {
                made += 1;
                run(&mut plan, status, input);
            });
            with_plan(tool, arguments, |mut plan| look(&mut plan, input));
        }
    });
    assert!(made > 1_000, "only {made} plans were made");
}

#[test]
fn texts_in_paths_and_queries() {
    let texts = [
        "O'Brien",
        "from:bob \"x\\y\"",
        "19:abc@thread.v2",
        "2026-01-02T10:00:00+01:00",
        "2026-02-29",
        "https://graph.microsoft.com/v1.0/me/messages?$skip=10&$top=5",
    ];
    fuzz("paths and queries", &samples(&texts), |input| {
        let text = text(input);
        let _ = civil::read(&text);
        let written = query(&[("$search", &text), ("$top", "1")]);
        assert!(written.bytes().all(|byte| byte.is_ascii_graphic()) && written.len() <= 3 * text.len() + 16);
        assert_eq!(written.matches(['&', '#', '+']).count(), 1, "{written}");
        assert_eq!(form(&[("a", &text), ("b", "")]).matches(['&', '+']).count(), 1);
        let literal = odata_text(&text);
        let inner = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
        assert!(!inner.replace("''", "").contains('\'') && inner.replace("''", "'") == text);
        let search = search_text(&text);
        assert!(!search.chars().any(char::is_control));
        assert!(!search[1..search.len() - 1].replace("\\\\", "").replace("\\\"", "").contains('"'));
        if let Ok(segment) = segment(&text) {
            assert!(segment.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#\\\"'".contains(&byte)));
        }
        if let Some(path) = continuation("/me/messages?$top=5", &text) {
            assert!(path.starts_with("/me/messages?") && path.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    });
}
