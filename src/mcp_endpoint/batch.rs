//! Batches of revision 2025-03-26: one array in, one array out.
//!
//! What holds here: a batch is served message by message, each read by the object; their number is bounded.

use protocol::jsonrpc::{self, RpcError};
use protocol::limits::BATCH_MESSAGES_MAX;
use serde_json::value::RawValue;

use super::refuse;
use crate::reply::Reply;

/// The texts of the messages in an array.
///
/// # Errors
/// The reply to a body that is no array, or one of the wrong length.
pub(super) fn split(body: &[u8]) -> Result<Vec<Vec<u8>>, Reply> {
    let messages = jsonrpc::split_batch(body)
        .map_err(|unreadable| refuse(400, unreadable.id.as_ref(), &unreadable.error))?;
    if messages.is_empty() || messages.len() > BATCH_MESSAGES_MAX {
        let message = format!("A batch holds 1 to {BATCH_MESSAGES_MAX} messages.");
        return Err(refuse(400, None, &RpcError::invalid_request(message)));
    }
    Ok(messages.into_iter().map(|message| message.get().as_bytes().to_vec()).collect())
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
    fn arrays_are_split_and_bounded() {
        let two = split(b" [ {\"a\":1} , {\"b\":2} ]").unwrap();
        assert_eq!(two, [b"{\"a\":1}".to_vec(), b"{\"b\":2}".to_vec()]);
        for bad in ["[]", "[", &format!("[{}]", vec!["{}"; 17].join(","))] {
            assert_eq!(split(bad.as_bytes()).unwrap_err().status, 400);
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
