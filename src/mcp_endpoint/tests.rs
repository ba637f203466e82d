//! The ladder of decisions, row by row: what arrives, and who answers with what.

#[path = "../../tests/fuzz/mutator.rs"]
mod mutator;

use protocol::mcp::SUPPORTED;
use serde_json::{Value, json};

use super::*;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// How a message was decided about: by the object (and in which era), or by a status and an error's code.
#[derive(Debug, PartialEq)]
enum Went {
    InSession,
    Stateless,
    Batch(usize),
    Listed,
    Listens(Vec<String>),
    Refused(u16, i64),
    Accepted,
}
use Went::{Accepted, InSession, Listed, Refused};

fn decide(headers: &[(&str, &str)], body: &str) -> (Went, Value) {
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| (*value).to_owned())
    };
    let revision = header("mcp-protocol-version");
    let arrived = Arrived { revision: revision.as_deref(), header: &header, offer: Offer::default() };
    match classify(arrived, body.as_bytes().to_vec()) {
        Ok(Delivery::Single { stateless: None, .. }) => (InSession, Value::Null),
        Ok(Delivery::Single { stateless: Some(_), .. }) => (Went::Stateless, Value::Null),
        Ok(Delivery::Listens { uris, .. }) => (Went::Listens(uris), Value::Null),
        Ok(Delivery::Batch(messages)) => (Went::Batch(messages.len()), Value::Null),
        Ok(Delivery::Listed { reply, .. }) => {
            let value: Value = serde_json::from_str(&reply.body).unwrap();
            match value.pointer("/error/code").and_then(Value::as_i64) {
                Some(code) => (Refused(reply.status, code), value),
                None => (Listed, value),
            }
        }
        Err(reply) if reply.status == 202 => {
            assert!(reply.body.is_empty());
            (Accepted, Value::Null)
        }
        Err(reply) => {
            let value: Value = serde_json::from_str(&reply.body).unwrap();
            (Refused(reply.status, value["error"]["code"].as_i64().unwrap()), value)
        }
    }
}

fn went(headers: &[(&str, &str)], body: &Value) -> Went {
    decide(headers, &body.to_string()).0
}

fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// A request with a whole envelope, and its parameters beside it.
fn modern(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({VERSION: "2026-07-28", CAPABILITIES: {}});
    request(method, params)
}

const NEW: (&str, &str) = ("MCP-Protocol-Version", "2026-07-28");

#[test]
fn bodies_that_are_no_message() {
    for (name, body, expected) in [
        ("no JSON", "{", Refused(400, -32700)),
        ("an empty body", "", Refused(400, -32700)),
        ("no JSON-RPC", "{}", Refused(400, -32600)),
        ("another version of JSON-RPC", r#"{"jsonrpc":"1.0","id":7,"method":"x"}"#, Refused(400, -32600)),
        (
            "positional parameters",
            r#"{"jsonrpc":"2.0","id":7,"method":"x","params":[]}"#,
            Refused(400, -32600),
        ),
        ("an empty batch", "[]", Refused(400, -32600)),
        ("a batch", r#"[{"a":1},{"b":2}]"#, Went::Batch(2)),
    ] {
        assert_eq!(decide(&[], body).0, expected, "{name}");
    }
    let batch = r#"[{"jsonrpc":"2.0","id":7,"method":"tools/list"}]"#;
    assert_eq!(decide(&[NEW], batch).0, Refused(400, -32600), "a batch without a session");
}

#[test]
fn sessions_of_the_older_revisions() {
    let opening = request("initialize", json!({"protocolVersion": "2026-07-28", "capabilities": {}}));
    let list = request("tools/list", json!({}));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let response = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    for (name, headers, body, expected) in [
        ("P1: rmcp wishes for the newest revision in `initialize`", vec![], &opening, InSession),
        (
            "`initialize` with a header of its session's revision",
            vec![("mcp-protocol-version", "2025-11-25")],
            &opening,
            InSession,
        ),
        ("`initialize` under the header of the newest revision", vec![NEW], &opening, Refused(400, -32020)),
        (
            "`initialize` under an unknown header",
            vec![("mcp-protocol-version", "1.0")],
            &opening,
            Refused(400, -32022),
        ),
        (
            "P2: `Mcp-Method` on older traffic is not looked at",
            vec![("mcp-method", "wrong")],
            &list,
            InSession,
        ),
        ("no header means the session's revision", vec![], &list, InSession),
        ("2025-06-18", vec![("mcp-protocol-version", "2025-06-18")], &list, InSession),
        ("2024-11-05", vec![("mcp-protocol-version", "2024-11-05")], &list, InSession),
        (
            "a revision that never was",
            vec![("mcp-protocol-version", "2025-06-19")],
            &list,
            Refused(400, -32022),
        ),
        ("a notification", vec![], &initialized, InSession),
        ("a response", vec![], &response, InSession),
        (
            "a notification of an unknown revision",
            vec![("mcp-protocol-version", "1.0")],
            &initialized,
            Refused(400, -32022),
        ),
    ] {
        assert_eq!(went(&headers, body), expected, "{name}");
    }
}

#[test]
fn messages_without_answer_in_the_revision_without_sessions() {
    let cancelled =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(went(&[NEW], &cancelled), Accepted);
    let response = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
    assert_eq!(went(&[NEW], &response), Refused(400, -32600));
}

#[test]
fn the_envelope() {
    let with = |meta: Value| request("server/discover", json!({ "_meta": meta }));
    let headers = [NEW, ("mcp-method", "server/discover")];
    for (name, body, expected, names) in [
        (
            "no parameters at all",
            json!({"jsonrpc": "2.0", "id": 7, "method": "server/discover"}),
            Refused(400, -32602),
            VERSION,
        ),
        ("no `_meta`", request("server/discover", json!({})), Refused(400, -32602), VERSION),
        ("`_meta` that is no object", with(json!(7)), Refused(400, -32602), VERSION),
        ("no revision", with(json!({CAPABILITIES: {}})), Refused(400, -32602), VERSION),
        (
            "a revision that is a number",
            with(json!({VERSION: 1, CAPABILITIES: {}})),
            Refused(400, -32602),
            VERSION,
        ),
        ("no capabilities", with(json!({VERSION: "2026-07-28"})), Refused(400, -32602), CAPABILITIES),
        (
            "no client information is no fault",
            with(json!({VERSION: "2026-07-28", CAPABILITIES: {}})),
            Listed,
            "",
        ),
    ] {
        let (went, answer) = decide(&headers, &body.to_string());
        assert_eq!(went, expected, "{name}");
        assert_eq!(answer["id"], 7, "{name}");
        let message = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        assert!(message.contains(names), "{name}: {message}");
    }
}

#[test]
fn headers_against_the_body() {
    let list = modern("tools/list", json!({}));
    let call = modern("tools/call", json!({"name": "getEmails", "arguments": {}}));
    let read = modern("resources/read", json!({"uri": "microsoft://profile"}));
    let prompt = modern("prompts/get", json!({"name": "triage-inbox"}));
    let of_list = ("Mcp-Method", "tools/list");
    let of_call = ("Mcp-Method", "tools/call");
    for (name, headers, body, expected) in [
        ("all agree", vec![NEW, of_list], &list, Listed),
        (
            "names without case",
            vec![("mcp-protocol-version", "2026-07-28"), ("MCP-METHOD", "tools/list")],
            &list,
            Listed,
        ),
        ("white space around a value", vec![NEW, ("Mcp-Method", " \ttools/list ")], &list, Listed),
        ("no revision", vec![of_list], &list, Refused(400, -32020)),
        (
            "another revision",
            vec![("MCP-Protocol-Version", "2025-11-25"), of_list],
            &list,
            Refused(400, -32020),
        ),
        ("no method", vec![NEW], &list, Refused(400, -32020)),
        ("another method", vec![NEW, ("Mcp-Method", "prompts/list")], &list, Refused(400, -32020)),
        ("values have case", vec![NEW, ("Mcp-Method", "TOOLS/LIST")], &list, Refused(400, -32020)),
        ("a tool's name", vec![NEW, of_call, ("Mcp-Name", "  getEmails ")], &call, Went::Stateless),
        (
            "a tool's name in base64",
            vec![NEW, of_call, ("Mcp-Name", "=?base64?Z2V0RW1haWxz?=")],
            &call,
            Went::Stateless,
        ),
        (
            "base64 without padding",
            vec![NEW, of_call, ("Mcp-Name", "=?base64?Z2V0RW1haWx?=")],
            &call,
            Refused(400, -32020),
        ),
        ("no tool's name", vec![NEW, of_call], &call, Refused(400, -32020)),
        ("another tool's name", vec![NEW, of_call, ("Mcp-Name", "sendEmail")], &call, Refused(400, -32020)),
        (
            "a resource",
            vec![NEW, ("Mcp-Method", "resources/read"), ("Mcp-Name", "microsoft://profile")],
            &read,
            Went::Stateless,
        ),
        (
            "another resource",
            vec![NEW, ("Mcp-Method", "resources/read"), ("Mcp-Name", "microsoft://teams")],
            &read,
            Refused(400, -32020),
        ),
        (
            "a prompt",
            vec![NEW, ("Mcp-Method", "prompts/get"), ("Mcp-Name", "triage-inbox")],
            &prompt,
            Went::Stateless,
        ),
        ("no prompt's name", vec![NEW, ("Mcp-Method", "prompts/get")], &prompt, Refused(400, -32020)),
        (
            "a session's id is not looked at",
            vec![NEW, of_list, ("Mcp-Session-Id", "x"), ("Last-Event-ID", "1")],
            &list,
            Listed,
        ),
    ] {
        assert_eq!(went(&headers, body), expected, "{name}");
    }
}

#[test]
fn revisions_that_are_not_served_without_a_session() {
    let body = |version: &str| {
        request("server/discover", json!({"_meta": {VERSION: version, CAPABILITIES: {}}})).to_string()
    };
    let headers =
        |version: &'static str| [("MCP-Protocol-Version", version), ("Mcp-Method", "server/discover")];
    let (went, answer) = decide(&headers("v999.0.0"), &body("v999.0.0"));
    assert_eq!(went, Refused(400, -32022));
    assert_eq!(answer["error"]["data"], json!({"supported": SUPPORTED, "requested": "v999.0.0"}));
    let (went, _) = decide(&headers("2026-07-28"), &body("v999.0.0"));
    assert_eq!(went, Refused(400, -32020), "the header comes first");
    let (went, answer) = decide(&headers("2025-11-25"), &body("2025-11-25"));
    assert_eq!(went, Refused(400, -32022), "a revision with a handshake in an envelope");
    assert_eq!(answer["error"]["data"]["supported"], json!(["2026-07-28"]));
}

#[test]
fn methods_that_are_not_there_without_a_session() {
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "unknown/method",
    ] {
        let (went, answer) = decide(&[NEW, ("Mcp-Method", method)], &modern(method, json!({})).to_string());
        assert_eq!((went, &answer["id"]), (Refused(404, -32601), &json!(7)), "{method}");
    }
}

#[test]
fn lists_are_answered_at_the_edge_and_dressed_for_their_revision() {
    for (method, member) in [
        ("server/discover", "supportedVersions"),
        ("tools/list", "tools"),
        ("prompts/list", "prompts"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
    ] {
        let (went, answer) = decide(&[NEW, ("Mcp-Method", method)], &modern(method, json!({})).to_string());
        assert_eq!(went, Listed, "{method}");
        let result = &answer["result"];
        assert!(!result[member].as_array().unwrap().is_empty(), "{method}");
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(
            (&result["cacheScope"], &result["ttlMs"]),
            (&json!("public"), &json!(3_600_000)),
            "{method}"
        );
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "m365-mcp-server");
        if method != "server/discover" {
            let with_cursor = modern(method, json!({"cursor": "x"}));
            assert_eq!(
                decide(&[NEW, ("Mcp-Method", method)], &with_cursor.to_string()).0,
                Refused(200, -32602)
            );
            assert_eq!(decide(&[], &request(method, json!({})).to_string()).0, InSession, "P6: {method}");
        }
    }
}

#[test]
fn what_costs_a_call_goes_to_the_object() {
    for (method, params, name) in [
        ("tools/call", json!({"name": "authenticate"}), Some("authenticate")),
        ("tools/call", json!({"name": "noSuchTool"}), Some("noSuchTool")),
        ("tools/call", json!({}), None),
        ("tools/call", json!({"name": 7}), None),
        ("resources/read", json!({"uri": "x://y"}), Some("x://y")),
        ("prompts/get", json!({"name": "weekly-summary"}), Some("weekly-summary")),
        ("completion/complete", json!({}), None),
    ] {
        let mut headers = vec![NEW, ("Mcp-Method", method)];
        headers.extend(name.map(|name| ("Mcp-Name", name)));
        assert_eq!(went(&headers, &modern(method, params.clone())), Went::Stateless, "{method} {params}");
    }
}

#[test]
fn the_envelope_travels_to_the_object() {
    let mut body = modern("tools/call", json!({"name": "authenticate"}));
    body["params"]["_meta"]["progressToken"] = json!("p");
    body["params"]["_meta"][CAPABILITIES] = json!({"elicitation": {}});
    let headers = |name: &str| match name {
        "mcp-method" => Some("tools/call".to_owned()),
        "mcp-name" => Some("authenticate".to_owned()),
        _ => None,
    };
    let arrived = Arrived { revision: Some("2026-07-28"), header: &headers, offer: Offer::default() };
    let text = body.to_string().into_bytes();
    let Ok(Delivery::Single { body, stateless: Some(envelope) }) = classify(arrived, text.clone()) else {
        panic!("not for the object")
    };
    assert_eq!(body, text);
    assert!(envelope.capabilities.forms && envelope.progress_token.is_some());
}

#[test]
fn a_subscription_names_what_it_watches_and_unknown_resources_are_left_out() {
    let headers = [NEW, ("Mcp-Method", "subscriptions/listen")];
    let listen = |filter: Value| {
        let body = modern("subscriptions/listen", json!({"notifications": filter}));
        decide(&headers, &body.to_string()).0
    };
    let inbox = "microsoft://mail/inbox";
    let asked = json!({"resourceSubscriptions": [inbox, "file:///etc/passwd"], "toolsListChanged": true});
    assert_eq!(listen(asked), Went::Listens(vec![inbox.to_owned()]));
    assert_eq!(listen(json!({})), Went::Listens(Vec::new()));
    let too_many = vec![inbox; protocol::limits::WATCHED_URIS_MAX + 1];
    assert_eq!(listen(json!({ "resourceSubscriptions": too_many })), Refused(200, -32602));
    let bare = modern("subscriptions/listen", json!({}));
    assert_eq!(decide(&headers, &bare.to_string()).0, Refused(200, -32602));
}

/// Whatever arrives, the ladder ends with a delivery that holds no more than the body did, or with a bounded answer.
#[test]
fn bodies_and_headers_that_nobody_meant_to_send() {
    let texts = [
        modern("tools/call", json!({"name": "getEmails", "arguments": {"count": 3}})).to_string(),
        modern("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["a://b"]}}))
            .to_string(),
        modern("resources/read", json!({"uri": "microsoft://profile"})).to_string(),
        modern("tools/list", json!({})).to_string(),
        request("initialize", json!({"protocolVersion": "2025-11-25"})).to_string(),
        json!([request("ping", json!({})), {"jsonrpc": "2.0", "method": "notifications/initialized"}])
            .to_string(),
        json!({"jsonrpc": "2.0", "id": "a", "result": {}}).to_string(),
    ];
    let samples: Vec<Vec<u8>> = texts.iter().map(|text| text.clone().into_bytes()).collect();
    let revisions =
        [None, Some("2026-07-28"), Some("2025-11-25"), Some("2025-03-26"), Some("9999-99-99"), Some("")];
    mutator::fuzz("the ladder", &samples, |input| {
        let revision = revisions[input.len() % revisions.len()];
        // A header that repeats the body, one that is random, or none.
        let header = |name: &str| match (name.len() + input.len()) % 3 {
            0 => Some(String::from_utf8_lossy(&input[..input.len().min(200)]).into_owned()),
            1 => Some("tools/call".to_owned()),
            _ => None,
        };
        match classify(Arrived { revision, header: &header, offer: Offer::default() }, input.to_vec()) {
            Ok(Delivery::Single { body, .. }) => assert_eq!(body, input),
            Ok(Delivery::Batch(messages)) => {
                assert!(messages.iter().map(Vec::len).sum::<usize>() <= input.len());
            }
            Ok(Delivery::Listed { reply, .. }) => assert!(reply.body.len() <= 256 * 1024),
            Ok(Delivery::Listens { uris, .. }) => {
                assert!(uris.iter().map(String::len).sum::<usize>() <= input.len());
            }
            Err(reply) => assert!((200..500).contains(&reply.status) && reply.body.len() <= 4 * 1024),
        }
    });
}
