//! What the log says of calls: one line for each that ended, joined to its request and to the gateway's log.

use super::*;
use crate::log::LogLine;

fn connected() -> Object {
    Object::with(Some(&["Mail.Read"]))
}

fn lines<'o>(object: &'o Object, event: &str) -> Vec<&'o LogLine> {
    object.lines.iter().filter(|line| line.field("event").unwrap() == event).collect()
}

fn fields<const N: usize>(line: &LogLine, names: [&str; N]) -> [Value; N] {
    names.map(|name| line.field(name).cloned().unwrap_or_default())
}

#[test]
fn each_call_of_a_request_has_a_line_and_the_request_has_one() {
    let mut object = connected();
    object.call(1, "readEmail", json!({"id": "SECRET="}));
    object.now = object.now.plus(DurationMs(40));
    object.ends(CallResult::Answered(Answer {
        status: 429,
        retry_after: Some(DurationMs::from_secs(7)),
        gateway_log_id: Some("log-1".into()),
        graph_request_id: Some("graph-1".into()),
        ..Answer::default()
    }));
    let until = object.now.plus(DurationMs::from_secs(7)).to_iso8601();
    object.wait(10);
    object.ends(CallResult::Lost(Lost::Connection));
    object.wait(10);
    object.answers(200, &json!({"id": "SECRET=", "subject": "S"}));
    let [request] = lines(&object, "request")[..] else { panic!("one request") };
    let calls = lines(&object, "call");
    assert_eq!((calls.len(), request.field("calls")), (3, Some(&json!(3))));
    let joined = ["requestId", "userKey", "verb", "route", "lane", "purpose"];
    for (call, (op, _)) in calls.iter().zip(&object.sent) {
        let [id, user, ..] = fields(request, joined);
        let expected = [id, user, json!("GET"), json!("/me/messages/{}"), json!("mailbox"), json!("call")];
        assert_eq!(fields(call, joined), expected);
        assert_eq!(call.field("eventId"), Some(&json!(format!("{}-{}", op.request, op.sequence))));
        assert!(!call.to_json().contains("SECRET"));
    }
    let ended = ["attempt", "outcome", "status", "throttledUntil", "aiGatewayLogId", "graphRequestId"];
    let [throttled, lost, read] = calls[..] else { panic!("three calls") };
    let ids = [json!("log-1"), json!("graph-1")];
    let [log, graph] = ids;
    assert_eq!(fields(throttled, ended), [json!(1), json!("answered"), json!(429), json!(until), log, graph]);
    assert_eq!(throttled.field("durationMs"), Some(&json!(40)));
    let [attempt, outcome, rest @ ..] = fields(lost, ended);
    assert_eq!((attempt, outcome, rest), (json!(2), json!("connection"), [const { Value::Null }; 4]));
    let [attempt, outcome, status, ..] = fields(read, ended);
    assert_eq!([attempt, outcome, status], [json!(3), json!("answered"), json!(200)]);
}

#[test]
fn a_call_that_nobody_waits_for_any_more_has_a_line_when_it_ends() {
    let mut object = connected();
    object.call(1, "getEmails", json!({"count": 1}));
    object.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    assert_eq!((lines(&object, "request").len(), lines(&object, "call").len()), (1, 0));
    object.answers(200, &json!({"value": []}));
    let [call] = lines(&object, "call")[..] else { panic!("one call") };
    let expected =
        [lines(&object, "request")[0].field("requestId").cloned().unwrap(), json!("mailbox"), json!(200)];
    assert_eq!(fields(call, ["requestId", "lane", "status"]), expected);
    // Its answer that comes twice is no further call.
    object.answers(200, &json!({"value": []}));
    assert_eq!(lines(&object, "call").len(), 1);
}
