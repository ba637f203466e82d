//! Everything of the two lower layers that reads bytes from outside, with inputs that nobody meant to send.
//!
//! What holds here: no reader panics, whatever it reads; what it gives and what it answers are bounded; a sealed text
//! opens only as it was sealed; and what is read can be written and read again. The edge's own ladder of decisions is
//! tested in the same way beside its code.

// A test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod graph;
mod mutator;
mod sealed;

use mutator::fuzz;
use protocol::entra::{self, ClaimsChallenge};
use protocol::gateway;
use protocol::ids::{RequestId, UserKey};
use protocol::jsonrpc::{self, Id, Message};
use protocol::limits::{EVENT_ID_BYTES_MAX, JSONRPC_ID_BYTES_MAX, METHOD_BYTES_MAX};
use protocol::mcp::{self, envelope, headers, mrtr};
use protocol::oauth::client::read_registration;
use protocol::oauth::document::{DocumentUrl, read_document};
use protocol::oauth::preregistered::read_clients;
use protocol::outbound::Answer;
use protocol::secret::Secret;
use protocol::stream::{EventId, Frame, StreamKey, Then};
use protocol::time::UnixMs;
use protocol::tools::ToolError;

/// More than any sentence of ours has.
const SENTENCE_BYTES_MAX: usize = 4 * 1024;

fn samples(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// An input as the text that a header or a field could hold.
fn text(input: &[u8]) -> String {
    String::from_utf8_lossy(input).into_owned()
}

/// Messages of both eras with everything that is read of them.
const MESSAGES: [&str; 8] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"getEmails","arguments":{"count":3},"_meta":{"progressToken":"p"}}}"#,
    r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c","version":"1"}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"r"}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"tasks/update","params":{"taskId":"01a20861-6244-882f-b5ff-bc65226b56a0","inputResponses":{"q":{"action":"decline"}},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"sendEmail","arguments":{"to":["a@b.example"]},"inputResponses":{"q":{"action":"accept","content":{"x":"y"}}},"requestState":"AQJrMQ","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{}}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/logLevel":"info","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"weekly-summary"},"argument":{"name":"week","value":"2026"},"context":{"arguments":{"a":"b"}}}}"#,
    r#"{"jsonrpc":"2.0","id":4,"result":{}}"#,
    r#"[{"jsonrpc":"2.0","id":5,"method":"ping"},{"jsonrpc":"2.0","id":6,"method":"resources/read","params":{"uri":"microsoft://profile"}}]"#,
];

fn assert_bounded_id(id: &Id) {
    if let Id::Text(text) = id {
        assert!(text.len() <= JSONRPC_ID_BYTES_MAX);
    }
}

#[test]
fn messages_and_their_parameters() {
    fuzz("messages", &samples(&MESSAGES), |input| {
        let _ = jsonrpc::is_array(input);
        let elements = jsonrpc::split_batch(input).unwrap_or_default();
        assert!(elements.len() <= input.len());
        match jsonrpc::read(input) {
            Err(unreadable) => {
                unreadable.id.iter().for_each(assert_bounded_id);
                let answer = jsonrpc::failure(unreadable.id.as_ref(), &unreadable.error);
                assert!(answer.len() <= SENTENCE_BYTES_MAX, "{answer}");
            }
            Ok(Message::Response { id, .. }) => assert_bounded_id(&id),
            Ok(Message::Notification { params, .. }) => drop(mcp::read_cancelled(params)),
            Ok(Message::Request { id, method, params }) => {
                assert_bounded_id(&id);
                assert!(method.len() <= METHOD_BYTES_MAX);
                let answers = [
                    mcp::read_opening(params).map(drop),
                    mcp::read_tool_call(params).map(drop),
                    mcp::read_uri(params).map(drop),
                    mcp::read_prompt_call(params).map(drop),
                    mcp::read_completion(params).map(drop),
                    mcp::read_listen(params).map(drop),
                    mrtr::read(params).map(drop),
                ];
                for error in answers.into_iter().filter_map(Result::err) {
                    assert!(jsonrpc::failure(Some(&id), &error).len() <= SENTENCE_BYTES_MAX, "{error:?}");
                }
                if let Err(error) = mcp::tasks::read_task_id("tasks/get", params) {
                    assert!(jsonrpc::failure(Some(&id), &error).len() <= SENTENCE_BYTES_MAX, "{error:?}");
                }
                if let Some(meta) = envelope::meta(params) {
                    let _ = mcp::read_progress_token(&meta);
                    let _ = envelope::trace(&meta);
                    let Ok((_, stateless)) = envelope::read(&meta) else { return };
                    assert!(stateless.client_name.is_none_or(|name| name.chars().count() <= 81));
                }
            }
        }
    });
}

#[test]
fn values_of_headers() {
    let texts = ["tools/call", "=?base64?w6TDtsO8?=", " a b\t", "=?base64??=", "microsoft://teams/a"];
    fuzz("headers", &samples(&texts), |input| {
        let value = text(input);
        if let Ok(decoded) = headers::decode(&value) {
            assert!(decoded.len() <= value.len());
            assert_eq!(headers::must_equal("Mcp-Name", Some(&value), &decoded), Ok(()));
        }
        let error = headers::must_equal("Mcp-Name", Some(&value), "another");
        assert!(error.is_ok() || error.unwrap_err().message.len() <= SENTENCE_BYTES_MAX);
    });
}

#[test]
fn event_ids_and_frames() {
    let request = RequestId::new(UnixMs(7), &UserKey::from_bytes([7; 16]), [7; 5]);
    let key = |id| StreamKey { request, id };
    let events = [
        EventId::Opened(key(Id::Integer(-1))),
        EventId::Answered(key(Id::Text("é".into()))),
        EventId::Message(9),
    ];
    let mut all: Vec<Vec<u8>> = events.iter().map(|event| event.to_string().into_bytes()).collect();
    let frame = |then, event| Frame { then, event, json: r#"{"jsonrpc":"2.0"}"#.to_owned() };
    all.push(frame(Then::Continue, None).encode().into_bytes());
    all.extend(events.map(|event| frame(Then::EndAndConfirm, Some(event)).encode().into_bytes()));
    fuzz("event ids and frames", &all, |input| {
        let text = text(input);
        if let Ok(event) = text.parse::<EventId>() {
            assert!(text.len() <= EVENT_ID_BYTES_MAX);
            let written = event.to_string();
            assert!(written.len() <= 2 * EVENT_ID_BYTES_MAX && written.is_ascii());
            assert!(!written.contains(['\r', '\n']));
            assert_eq!(written.parse(), Ok(event));
        }
        if let Some(frame) = Frame::decode(&text) {
            assert!(frame.json.len() < text.len());
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
    });
}

/// What Entra, the gateway and Graph answer with, good and bad.
const ANSWERS: [&str; 8] = [
    r#"{"token_type":"Bearer","scope":"Mail.Read Mail.Send","expires_in":3599,"access_token":"at","refresh_token":"rt","id_token":"a.b.c"}"#,
    r#"{"error":"invalid_grant","error_description":"AADSTS50173: fresh.","error_codes":[50173],"trace_id":"t","correlation_id":"c","suberror":"bad_token","claims":"{\"access_token\":{\"capolids\":{\"essential\":true}}}"}"#,
    r#"{"success":false,"error":[{"code":2009,"message":"Unauthorized"}],"internalCode":2009}"#,
    r#"{"success":false,"errors":[{"code":7003,"message":"x"}]}"#,
    r#"{"name":"AiGatewayError","error":{"message":"blocked"}}"#,
    r#"{"error":{"code":"ErrorItemNotFound","message":"m","innerError":{"request-id":"r","date":"2026-01-01T00:00:00"}}}"#,
    r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#,
    "<html>Bad gateway</html>",
];

#[test]
fn answers_of_entra_and_of_the_gateway() {
    let statuses = [200_u16, 400, 401, 403, 404, 409, 429, 500, 503];
    fuzz("answers", &samples(&ANSWERS), |input| {
        let status = statuses[input.len() % statuses.len()];
        let headers = text(&input[..input.len().min(300)]);
        let answer: Answer = actors::egress::read_answer(status, |_| Some(headers.clone()), input.to_vec());
        for identifier in [&answer.graph_request_id, &answer.gateway_log_id].into_iter().flatten() {
            assert!(identifier.len() <= 128 && identifier.bytes().all(|byte| byte.is_ascii_graphic()));
        }
        if let Ok(tokens) = entra::read_tokens(&answer) {
            assert!(tokens.access_token.expose().len() <= input.len());
            let _ = tokens.id_token.as_ref().and_then(entra::login_hint);
        }
        let _ = protocol::jwt::take_apart(&text(input));
        let _ = protocol::jwt::read_keys(input);
        let _ = entra::addresses(&Secret::new(text(input)));
        let _ = ClaimsChallenge::parse(&text(input));
        assert!(gateway::read_refusal(input).code.len() <= input.len().max(32));
        let error = ToolError::from_refusal(&answer);
        assert!(error.message.len() <= SENTENCE_BYTES_MAX, "{}", error.message.len());
    });
}

#[test]
fn registrations() {
    let text = r#"{"client_name":"Claude","redirect_uris":["https://a.example/cb","http://127.0.0.1:1/cb"],"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],"response_types":["code"]}"#;
    fuzz("registrations", &samples(&[text]), |input| {
        if let Ok(client) = read_registration(input, UnixMs(1)) {
            assert!(client.name.len() <= SENTENCE_BYTES_MAX && client.redirect_uris.len() <= 10);
            assert!(!client.name.chars().any(char::is_control));
        }
        let url = DocumentUrl::read(&self::text(input), None);
        assert!(
            url.as_ref().is_none_or(|url| url.as_str().starts_with("https://") && !url.host().is_empty())
        );
        let _ = read_clients(&self::text(input));
    });
}

#[test]
fn documents_of_clients() {
    let url = DocumentUrl::read("https://a.example/c", None).unwrap();
    let text = r#"{"client_id":"https://a.example/c","client_name":"Claude","redirect_uris":["https://a.example/cb"],"token_endpoint_auth_methods_supported":["none"],"jwks":{"keys":[{"kty":"RSA"}]}}"#;
    fuzz("documents of clients", &samples(&[text]), |input| {
        if let Ok(client) = read_document(&url, &self::text(input), UnixMs(1)) {
            assert!(client.name.len() <= SENTENCE_BYTES_MAX && !client.redirect_uris.is_empty());
            assert!(!client.name.chars().any(char::is_control));
        }
    });
}
