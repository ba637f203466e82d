//! Server-sent events as text (HTML Standard, section 9.2), for answers that come as a stream.
//!
//! What holds here: a message is one event, whatever line breaks it holds; an event's ID is visible ASCII.

use protocol::stream::{EventId, Frame};

/// A comment, which no client shows to anybody and which finds out whether one still listens.
pub const COMMENT: &str = ":\n\n";

/// How long a client waits before it takes a broken stream up again.
const RETRY_MS: u32 = 1_000;

/// The beginning of a stream. Where it can be resumed, an event without data tells the client from where
/// (MCP 2025-11-25, basic/transports, "Sending Messages to the Server").
#[must_use]
pub fn opening(primed_with: Option<&EventId>) -> String {
    match primed_with {
        Some(event) => format!("retry: {RETRY_MS}\nid: {event}\ndata:\n\n"),
        None => format!("retry: {RETRY_MS}\n\n"),
    }
}

/// One message.
#[must_use]
pub fn event(frame: &Frame) -> String {
    let mut out = String::with_capacity(frame.json.len() + 64);
    if let Some(event) = &frame.event {
        out.push_str(&format!("id: {event}\n"));
    }
    if frame.json.is_empty() {
        // An ID alone: from here the client goes on.
        out.push_str("data:\n\n");
        return out;
    }
    out.push_str("event: message\n");
    for line in frame.json.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::stream::Then;

    #[test]
    fn a_message_is_one_event_whatever_it_holds() {
        let frame = Frame { then: Then::Continue, event: Some(EventId::Message(3)), json: "{\n}".into() };
        assert_eq!(event(&frame), "id: m.3\nevent: message\ndata: {\ndata: }\n\n");
        let frame = Frame { then: Then::End, event: None, json: "{}".into() };
        assert_eq!(event(&frame), "event: message\ndata: {}\n\n");
    }

    #[test]
    fn a_stream_that_can_be_resumed_begins_with_an_id_and_no_data() {
        assert_eq!(opening(Some(&EventId::Message(0))), "retry: 1000\nid: m.0\ndata:\n\n");
        assert_eq!(opening(None), "retry: 1000\n\n");
        let frame = Frame { then: Then::Continue, event: Some(EventId::Message(3)), json: String::new() };
        assert_eq!(event(&frame), "id: m.3\ndata:\n\n");
    }
}
