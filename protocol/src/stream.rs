//! Streams: how an answer that comes late travels from the object over a socket to the edge, and on to the client.
//!
//! What holds here: a stream is named by what it answers, so that nothing has to be stored to find it again: the
//! ledger entry and the client's own JSON-RPC id. A name that a client made up opens nothing, because the object
//! compares the id with the entry's keyed digest. Nothing here opens a socket or knows server-sent events.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::ids::RequestId;
use crate::jsonrpc::Id;
use crate::limits::EVENT_ID_BYTES_MAX;

/// The name of the stream on which one request is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamKey {
    /// The ledger entry whose answer it carries.
    pub request: RequestId,
    /// The JSON-RPC id to which the answer belongs.
    pub id: Id,
}

/// Where a client stands on a stream. The text form is an event ID of server-sent events (MCP 2025-11-25,
/// basic/transports, "Resumability and Redelivery").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventId {
    /// The stream was opened and nothing has come yet.
    Opened(StreamKey),
    /// The answer, after which a stream holds nothing.
    Answered(StreamKey),
    /// A message of the session's own stream, by its number in the session.
    Message(u64),
}

impl std::fmt::Display for EventId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, key) = match self {
            Self::Opened(key) => ("o", key),
            Self::Answered(key) => ("a", key),
            Self::Message(number) => return write!(formatter, "m.{number}"),
        };
        let id = serde_json::to_string(&key.id).unwrap_or_default();
        write!(formatter, "{kind}.{}.{}", key.request, URL_SAFE_NO_PAD.encode(id))
    }
}

impl std::str::FromStr for EventId {
    type Err = crate::ids::MalformedId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = crate::ids::MalformedId;
        if text.len() > EVENT_ID_BYTES_MAX {
            return Err(malformed);
        }
        let (kind, rest) = text.split_once('.').ok_or(malformed)?;
        if kind == "m" {
            return rest.parse().map(Self::Message).map_err(|_| malformed);
        }
        let (request, id) = rest.split_once('.').ok_or(malformed)?;
        let request = request.parse().map_err(|_| malformed)?;
        let id = URL_SAFE_NO_PAD.decode(id).map_err(|_| malformed)?;
        let id = serde_json::from_slice(&id).map_err(|_| malformed)?;
        let key = StreamKey { request, id };
        match kind {
            "o" => Ok(Self::Opened(key)),
            "a" => Ok(Self::Answered(key)),
            _ => Err(malformed),
        }
    }
}

/// One message of the object for the edge, which passes it on as one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the edge does after it.
    pub then: Then,
    /// The event's ID, on streams that can be resumed.
    pub event: Option<EventId>,
    /// The JSON-RPC message.
    pub json: String,
}

/// What follows a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// More frames.
    Continue,
    /// The end of the stream.
    End,
    /// The end of the stream, and the object wants to know that the frame was taken.
    EndAndConfirm,
}

/// What the edge sends to find out whether a socket still stands; the platform answers with [`PONG`] by itself.
pub const PING: &str = "ping";

/// The platform's answer to [`PING`].
pub const PONG: &str = "pong";

/// What the edge sends back when the last frame was taken.
pub const TAKEN: &str = "taken";

impl Frame {
    /// Writes the frame as one text message of a socket.
    #[must_use]
    pub fn encode(&self) -> String {
        let then = match self.then {
            Then::Continue => 'c',
            Then::End => 'e',
            Then::EndAndConfirm => 'd',
        };
        match &self.event {
            Some(event) => format!("{then}{event}\n{}", self.json),
            None => format!("{then}\n{}", self.json),
        }
    }

    /// Reads a text message of a socket; `None` when it is no frame of this version.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let (head, json) = text.split_once('\n')?;
        let mut letters = head.chars();
        let then = match letters.next()? {
            'c' => Then::Continue,
            'e' => Then::End,
            'd' => Then::EndAndConfirm,
            _ => return None,
        };
        let event = match letters.as_str() {
            "" => None,
            event => Some(event.parse().ok()?),
        };
        Some(Self { then, event, json: json.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserKey;
    use crate::time::UnixMs;

    fn key(id: Id) -> StreamKey {
        StreamKey { request: RequestId::new(UnixMs(7), &UserKey::from_bytes([7; 16]), [7; 5]), id }
    }

    #[test]
    fn event_ids_round_trip_and_are_visible_ascii() {
        let ids = [
            EventId::Opened(key(Id::Integer(-3))),
            EventId::Answered(key(Id::Text("a\n\"ü".into()))),
            EventId::Message(9),
        ];
        for id in ids {
            let text = id.to_string();
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
            assert_eq!(text.parse(), Ok(id));
        }
        for bad in ["", "o", "o.x.y", "x.1", "m.-1", "a.00.MQ", &"m.1".repeat(1_000)] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_id_of_a_client_fits_into_an_event_id() {
        let id = Id::Text("\u{1}".repeat(crate::limits::JSONRPC_ID_BYTES_MAX));
        assert!(EventId::Opened(key(id)).to_string().parse::<EventId>().is_ok());
    }

    #[test]
    fn frames_round_trip() {
        let frames = [
            Frame { then: Then::Continue, event: None, json: "{}".into() },
            Frame { then: Then::End, event: Some(EventId::Message(1)), json: "{\"a\":\"b\\n\"}".into() },
            Frame {
                then: Then::EndAndConfirm,
                event: Some(EventId::Opened(key(Id::Integer(1)))),
                json: "1".into(),
            },
        ];
        for frame in frames {
            assert_eq!(Frame::decode(&frame.encode()), Some(frame));
        }
        for bad in ["", "c", "x\n{}", "cfoo\n{}"] {
            assert_eq!(Frame::decode(bad), None, "{bad}");
        }
    }
}
