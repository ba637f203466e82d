//! The JSON-RPC 2.0 envelope and its error ladder.
//!
//! What holds here: the envelope is read without touching `params`, so a fault in a method's parameters never
//! costs the request its id; every refusal is one of the protocol's errors with a sentence that says what to
//! change. Texts that a client sent are bounded before they are echoed.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits::{JSONRPC_ID_BYTES_MAX, METHOD_BYTES_MAX};

/// Error codes of JSON-RPC 2.0, section 5.1. MCP reserves further ones per revision.
pub mod codes {
    /// The body is not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The JSON is not a JSON-RPC message.
    pub const INVALID_REQUEST: i32 = -32600;
    /// The method does not exist.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The method's parameters are wrong.
    pub const INVALID_PARAMS: i32 = -32602;
    /// This server failed.
    pub const INTERNAL_ERROR: i32 = -32603;
}

/// The id of a request: MCP allows a string or an integer, never null (MCP 2025-11-25, basic).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// An integer.
    Integer(i64),
    /// A string.
    Text(String),
}

/// An error object of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RpcError {
    /// One of [`codes`], or a code that the MCP revision defines.
    pub code: i32,
    /// What is wrong and what to change.
    pub message: String,
    /// Machine-readable details, where the revision asks for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<serde_json::Value>,
}

impl RpcError {
    /// An error without details.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The parameters are wrong.
    pub fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(codes::INVALID_PARAMS, message)
    }

    /// The message is JSON but no JSON-RPC message.
    pub fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(codes::INVALID_REQUEST, message)
    }
}

/// One message, with its parameters left unread.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// A call that wants an answer.
    Request {
        /// The client's id, to be echoed.
        id: Id,
        /// The method's name.
        method: String,
        /// The parameters as they came.
        params: Option<&'a RawValue>,
    },
    /// A call that wants none.
    Notification {
        /// The method's name.
        method: String,
        /// The parameters as they came.
        params: Option<&'a RawValue>,
    },
    /// The client's answer to a request of the server.
    Response {
        /// The id of the server's request.
        id: Id,
        /// The result as it came; none where the client answered with an error.
        result: Option<&'a RawValue>,
    },
}

/// Why a body is no message, with the id if there was a usable one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The id to answer to; without one the answer carries `null` (JSON-RPC 2.0, section 5).
    pub id: Option<Id>,
    /// The protocol's error.
    pub error: RpcError,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Keeps a member that is `null` apart from one that is absent: a null id is an error and no notification.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Whether a JSON text is an array, which only one old revision allows as a batch.
#[must_use]
pub fn is_array(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// Splits a batch into the texts of its messages.
///
/// # Errors
/// A parse error when the body is not a JSON array.
pub fn split_batch(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    serde_json::from_slice(body).map_err(|error| parse_error(&error))
}

/// Reads one message.
///
/// # Errors
/// [`Unreadable`] with `-32700` when the body is not JSON and `-32600` when it is no JSON-RPC message.
pub fn read(body: &[u8]) -> Result<Message<'_>, Unreadable> {
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            refuse(None, "A JSON-RPC message is one JSON object whose members appear once each.")
        } else {
            parse_error(&error)
        }
    })?;
    let id = match envelope.id.map(|raw| read_id(raw.get())) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(message)) => return Err(refuse(None, message)),
    };
    if envelope.jsonrpc.is_none_or(|raw| raw.get() != "\"2.0\"") {
        return Err(refuse(id, "The member `jsonrpc` must be \"2.0\"."));
    }
    if let Some(params) = envelope.params
        && !params.get().starts_with('{')
    {
        return Err(refuse(id, "The member `params` must be an object; MCP has no positional parameters."));
    }
    let Some(method) = envelope.method else {
        return match (id, envelope.result.is_some() != envelope.error.is_some()) {
            (Some(id), true) => Ok(Message::Response { id, result: envelope.result }),
            (id, _) => Err(refuse(id, "The member `method` is missing.")),
        };
    };
    let method = match serde_json::from_str::<String>(method.get()) {
        Ok(method) if !method.is_empty() && method.len() <= METHOD_BYTES_MAX => method,
        _ => return Err(refuse(id, "The member `method` must be a string of at most 128 bytes.")),
    };
    Ok(match id {
        Some(id) => Message::Request { id, method, params: envelope.params },
        None => Message::Notification { method, params: envelope.params },
    })
}

fn read_id(raw: &str) -> Result<Id, &'static str> {
    match serde_json::from_str::<Id>(raw) {
        Ok(Id::Text(text)) if text.len() > JSONRPC_ID_BYTES_MAX => {
            Err("The member `id` must not be longer than 256 bytes.")
        }
        Ok(id) => Ok(id),
        Err(_) => Err("The member `id` must be a string or an integer."),
    }
}

fn parse_error(error: &serde_json::Error) -> Unreadable {
    // Only the position is told: the parser's own text could repeat a part of the body.
    let message = format!("The body is not valid JSON (line {}, column {}).", error.line(), error.column());
    Unreadable { id: None, error: RpcError::new(codes::PARSE_ERROR, message) }
}

fn refuse(id: Option<Id>, message: &str) -> Unreadable {
    Unreadable { id, error: RpcError::invalid_request(message) }
}

#[derive(Serialize)]
struct Success<'a, T: Serialize + ?Sized> {
    jsonrpc: &'static str,
    id: &'a Id,
    result: &'a T,
}

#[derive(Serialize)]
struct Failure<'a> {
    jsonrpc: &'static str,
    id: Option<&'a Id>,
    error: &'a RpcError,
}

/// The text of a successful response.
pub fn success<T: Serialize + ?Sized>(id: &Id, result: &T) -> String {
    serde_json::to_string(&Success { jsonrpc: "2.0", id, result }).unwrap_or_else(|_| {
        // A result that cannot be written is a fault of this server; the client still gets its answer.
        failure(Some(id), &RpcError::new(codes::INTERNAL_ERROR, "The result could not be written."))
    })
}

/// The text of a successful response whose result is the text of an object that this server wrote: an answer of
/// megabytes is not read once more for being passed on.
#[must_use]
pub fn success_of_text(id: &Id, result: &str) -> String {
    let id = serde_json::to_string(id).unwrap_or_else(|_| "null".to_owned());
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The text of an error response.
#[must_use]
pub fn failure(id: Option<&Id>, error: &RpcError) -> String {
    serde_json::to_string(&Failure { jsonrpc: "2.0", id, error }).unwrap_or_else(|_| {
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"internal error"}}"#.to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> (Option<Id>, i32) {
        let refused = read(body.as_bytes()).unwrap_err();
        (refused.id, refused.error.code)
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let request = read(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).unwrap();
        assert!(matches!(request, Message::Request { id: Id::Integer(1), params: None, .. }));
        let notification = read(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).unwrap();
        assert!(matches!(notification, Message::Notification { .. }));
        let response = read(br#"{"jsonrpc":"2.0","id":"a","result":{}}"#).unwrap();
        assert!(matches!(response, Message::Response { id: Id::Text(_), .. }));
    }

    #[test]
    fn bad_messages_get_the_protocols_codes_and_keep_a_usable_id() {
        assert_eq!(code("{"), (None, codes::PARSE_ERROR));
        assert_eq!(code(""), (None, codes::PARSE_ERROR));
        assert_eq!(code("\u{0}"), (None, codes::PARSE_ERROR));
        assert_eq!(code("\"text\""), (None, codes::INVALID_REQUEST));
        assert_eq!(code("{}"), (None, codes::INVALID_REQUEST));
        let seven = Some(Id::Integer(7));
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":7,"method":"x"}"#), (seven.clone(), codes::INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":7}"#), (seven.clone(), codes::INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":7,"method":5}"#), (seven.clone(), codes::INVALID_REQUEST));
        assert_eq!(
            code(r#"{"jsonrpc":"2.0","id":7,"method":"x","params":[1]}"#),
            (seven, codes::INVALID_REQUEST)
        );
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1.5,"method":"x"}"#), (None, codes::INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#), (None, codes::INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#), (None, codes::INVALID_REQUEST));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#), (None, codes::INVALID_REQUEST));
    }

    #[test]
    fn nesting_without_end_is_refused_and_not_followed() {
        let deep =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":{}", "[".repeat(500_000));
        assert_eq!(code(&deep).1, codes::PARSE_ERROR);
    }

    #[test]
    fn parse_errors_do_not_repeat_the_body() {
        let refused = read(br#"{"secret-token": tru"#).unwrap_err();
        assert!(!refused.error.message.contains("secret"));
    }

    #[test]
    fn responses_have_the_protocols_shape() {
        assert_eq!(
            success(&Id::Text("a".into()), &serde_json::json!({"ok": true})),
            r#"{"jsonrpc":"2.0","id":"a","result":{"ok":true}}"#
        );
        assert_eq!(
            failure(None, &RpcError::new(codes::PARSE_ERROR, "no")),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#
        );
    }
}
