//! What travels between the edge and an object: requests as frames, answers as the platform's own.
//!
//! What holds here: an answer is passed on from the object to the client as it is. The `worker` crate would take each apart
//! and put it together again: a fifth of what the edge does for a call.

use actors::bridge::Settled;
use protocol::object::ObjectRequest;
use web_sys::Response;
use worker::{Error, Result};

/// The binding of the objects that belong to persons.
pub(super) const OF_PERSONS: &str = "MCP_OBJECT";

/// The frame of a request to a user's object.
pub(super) fn framed(request: &ObjectRequest) -> Result<Vec<u8>> {
    protocol::object::encode(request).map_err(|_| Error::RustError("the request was not encoded".to_owned()))
}

/// The body of an answer as text.
pub(super) async fn text(answer: &Response) -> Result<String> {
    let text = Settled::of(&answer.text()?).await?;
    text.as_string().ok_or_else(|| Error::RustError("a body was no text".to_owned()))
}
