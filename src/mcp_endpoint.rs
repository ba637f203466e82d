//! The `/mcp` endpoint's first decisions: which era a message belongs to, and whether it is one message or several.
//!
//! What holds here: a message of the revision without sessions is answered with a plain 400, so that its client falls
//! back to `initialize`; a batch is served message by message; the messages themselves are read by the object.

use protocol::jsonrpc::{self, Id, RpcError};
use protocol::limits::BATCH_MESSAGES_MAX;
use protocol::mcp::Revision;
use serde_json::value::RawValue;

use crate::reply::Reply;

/// What the object has to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One message: the body as it came.
    Single(Vec<u8>),
    /// Several messages in one array, in order.
    Batch(Vec<Vec<u8>>),
}

/// Whether a client takes server-sent events. One that names no media type is a person with a command line, who reads
/// one JSON text more easily.
#[must_use]
pub fn accepts_stream(accept_header: Option<&str>) -> bool {
    accept_header.is_some_and(|header| header.to_ascii_lowercase().contains("text/event-stream"))
}

/// Decides about a body that arrived at the endpoint.
///
/// # Errors
/// The reply to give instead.
pub fn classify(revision_header: Option<&str>, body: Vec<u8>) -> Result<Delivery, Reply> {
    if let Some(header) = revision_header
        && Revision::from_wire(header).is_none()
    {
        // No JSON-RPC error on purpose: only an unrecognised body makes a client of the later revision fall back.
        return Err(Reply::text(
            400,
            "This server speaks MCP revisions 2025-11-25, 2025-06-18, 2025-03-26 and 2024-11-05. Start with the \
             method initialize.",
        ));
    }
    if !jsonrpc::is_array(&body) {
        return Ok(Delivery::Single(body));
    }
    let refuse = |error: &RpcError, id: Option<&Id>| Reply::json_text(400, jsonrpc::failure(id, error));
    let messages = jsonrpc::split_batch(&body)
        .map_err(|unreadable| refuse(&unreadable.error, unreadable.id.as_ref()))?;
    if messages.is_empty() || messages.len() > BATCH_MESSAGES_MAX {
        let message = format!("A batch holds 1 to {BATCH_MESSAGES_MAX} messages.");
        return Err(refuse(&RpcError::invalid_request(message), None));
    }
    Ok(Delivery::Batch(messages.into_iter().map(|message| message.get().as_bytes().to_vec()).collect()))
}

/// The answer to a batch, from the answers to its messages: an array of the responses, or 202 when none is due.
///
/// A refusal of the whole request (an unknown session, a revision without batches) is given as it is. One that concerns
/// its own message stands in the array, so that it does not take the answers of the others with it.
#[must_use]
pub fn join_batch(answers: Vec<(u16, String)>) -> Reply {
    let mut responses: Vec<Box<RawValue>> = Vec::new();
    for (status, body) in answers {
        match status {
            202 => {}
            400 | 404 => return Reply::json_text(status, body),
            _ => match RawValue::from_string(body) {
                Ok(response) => responses.push(response),
                Err(_) => return Reply::object_unavailable(),
            },
        }
    }
    if responses.is_empty() {
        return Reply { status: 202, headers: Vec::new(), body: String::new() };
    }
    match serde_json::to_string(&responses) {
        Ok(body) => Reply::json_text(200, body),
        Err(_) => Reply::object_unavailable(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_of_the_later_revision_gets_a_plain_400() {
        let refused = classify(Some("2026-07-28"), b"{}".to_vec()).unwrap_err();
        assert_eq!(refused.status, 400);
        assert!(!refused.body.starts_with('{'));
        assert!(classify(Some("2025-06-18"), b"{}".to_vec()).is_ok());
        assert!(classify(None, b"{}".to_vec()).is_ok());
    }

    #[test]
    fn arrays_are_split_and_bounded() {
        let two = classify(None, b" [ {\"a\":1} , {\"b\":2} ]".to_vec()).unwrap();
        assert_eq!(two, Delivery::Batch(vec![b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]));
        for bad in ["[]", "[", &format!("[{}]", vec!["{}"; 17].join(","))] {
            assert_eq!(classify(None, bad.as_bytes().to_vec()).unwrap_err().status, 400);
        }
    }

    #[test]
    fn answers_of_a_batch_are_joined() {
        let joined =
            join_batch(vec![(200, "{\"id\":1}".into()), (202, String::new()), (200, "{\"id\":2}".into())]);
        assert_eq!((joined.status, joined.body.as_str()), (200, "[{\"id\":1},{\"id\":2}]"));
        assert_eq!(join_batch(vec![(202, String::new())]).status, 202);
        assert_eq!(join_batch(vec![(404, "{}".into()), (200, "{}".into())]).status, 404);
        assert_eq!(join_batch(vec![(400, "{}".into()), (200, "{}".into())]).status, 400);
        let with_a_bad_one = join_batch(vec![(200, "{\"id\":1}".into()), (503, "{\"error\":{}}".into())]);
        assert_eq!(
            (with_a_bad_one.status, with_a_bad_one.body.as_str()),
            (200, "[{\"id\":1},{\"error\":{}}]")
        );
    }
}
