//! Sockets to the edge, each of which feeds one stream of a client. They outlive the object's memory: while nothing
//! happens the platform may evict the object, and the sockets stay.
//!
//! What holds here: everything about a socket is with the socket itself, its number and the request that it answers as
//! tags and the edge's wish as its attachment, so that a new core can be told of it. A frame to a socket that is gone is
//! dropped; the core hears of the loss.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::ids::RequestId;
use protocol::limits::STREAMS_MAX;
use protocol::object::{Command, ObjectReply, ObjectRequest, decode, encode};
use protocol::stream::{Frame, PING, PONG, TAKEN, Then};
use wasm_bindgen::JsValue;
use worker::{Response, Result, State, WebSocket, WebSocketPair, WebSocketRequestResponsePair};

use crate::turn::ReplyTo;

/// The close code of an orderly end (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;

/// The close code for an object that cannot go on.
const SERVER_FAILED: u16 = 1011;

pub(super) struct Sockets {
    state: State,
}

impl Sockets {
    pub(super) fn new(state: State) -> Self {
        // The edge finds out in this way whether a socket still stands, and the object is not woken by it.
        if let Ok(pair) = WebSocketRequestResponsePair::new(PING, PONG) {
            state.set_websocket_auto_response(&pair);
        }
        Self { state }
    }

    /// A number that no open socket has.
    pub(super) fn next_number(&self) -> u64 {
        let numbers = self.state.get_websockets().into_iter().filter_map(|socket| self.number_of(&socket));
        numbers.map(|ReplyTo(number)| number + 1).max().unwrap_or(0)
    }

    /// Opens a socket and yields the response that hands its other end to the edge; `None` when there are too many.
    pub(super) fn open(&self, to: ReplyTo, request: &ObjectRequest) -> Result<Option<Response>> {
        if self.state.get_websockets().len() >= STREAMS_MAX {
            return Ok(None);
        }
        let pair = WebSocketPair::new()?;
        let number = to.0.to_string();
        match &request.command {
            Command::Attach(attach) => {
                let answered = attach.stream.request.to_string();
                self.state.accept_websocket_with_tags(&pair.server, &[&number, &answered]);
            }
            _ => self.state.accept_websocket_with_tags(&pair.server, &[&number]),
        }
        let frame = encode(request).map_err(|_| worker::Error::RustError("a wish was not written".into()))?;
        pair.server.serialize_attachment(URL_SAFE_NO_PAD.encode(frame))?;
        Response::from_websocket(pair.client).map(Some)
    }

    /// The sockets that are open, with what each was opened for.
    pub(super) fn wishes(&self) -> Vec<(ReplyTo, ObjectRequest)> {
        let wish = |socket: WebSocket| {
            let text: String = socket.deserialize_attachment().ok()??;
            let request = decode(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
            Some((self.number_of(&socket)?, request))
        };
        self.state.get_websockets().into_iter().filter_map(wish).collect()
    }

    pub(super) fn number_of(&self, socket: &WebSocket) -> Option<ReplyTo> {
        self.state.get_tags(socket).first()?.parse().ok().map(ReplyTo)
    }

    /// The request whose answer the edge says was taken.
    pub(super) fn confirmed(&self, socket: &WebSocket, message: &JsValue) -> Option<RequestId> {
        let text = message.as_string()?;
        (text == TAKEN).then(|| self.state.get_tags(socket).get(1)?.parse().ok()).flatten()
    }

    /// Sends the answer, which ends the stream.
    pub(super) fn answer(&self, to: ReplyTo, reply: ObjectReply) {
        let Some(json) = reply.body.filter(|_| reply.status == 200) else { return self.close(to) };
        let then = if reply.delivers { Then::EndAndConfirm } else { Then::End };
        self.send(to, &Frame { then, event: reply.event, json });
    }

    /// Sends one frame to a socket, if it is still there.
    pub(super) fn send(&self, to: ReplyTo, frame: &Frame) {
        let text = frame.encode();
        for socket in self.state.get_websockets_with_tag(&to.0.to_string()) {
            let _gone = socket.send_with_str(&text);
        }
    }

    pub(super) fn close(&self, to: ReplyTo) {
        for socket in self.state.get_websockets_with_tag(&to.0.to_string()) {
            let _gone = socket.close(Some(NORMAL), None::<String>);
        }
    }

    /// Ends every stream: nothing that was to be sent is known any more.
    pub(super) fn close_all(&self) {
        for socket in self.state.get_websockets() {
            let _gone = socket.close(Some(SERVER_FAILED), None::<String>);
        }
    }
}
