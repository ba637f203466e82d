//! A stream of server-sent events that a socket of the user's object feeds.
//!
//! What holds here: the response's body owns the socket, and everything happens when the platform pulls. When the client
//! goes away the body is dropped, and with it the socket is closed at once; a task beside the body would notice only at
//! its next message and would be ended by the platform soon after the response began. Each pull has a timer of its own:
//! one that was kept from an earlier pull would wake nobody.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use actors::bridge;
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::future::{Either, select};
use protocol::limits::STREAM_BACKLOG_MAX;
use protocol::object::ObjectRequest;
use protocol::stream::{EventId, Frame, PING, PONG, TAKEN, Then};
use protocol::time::{DurationMs, UnixMs};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::Response;
use worker::{Delay, Env, Headers, Result, WebSocket};

use super::objects;
use crate::sse;

/// What comes out of the socket: a frame, or its end.
type Incoming = Option<Frame>;

/// Asks the caller's object for a socket. Anything but an open socket is the object's refusal.
pub(super) async fn ask(env: &Env, request: &ObjectRequest) -> Result<std::result::Result<Pump, Response>> {
    let frame = objects::framed(request)?;
    let name = request.caller.user.to_string();
    let answer = bridge::ask_for_socket(env, objects::OF_PERSONS, &name, &frame).await?;
    if answer.status() != 101 {
        return Ok(Err(answer));
    }
    let socket = worker::Response::from(answer).websocket();
    let socket =
        socket.ok_or_else(|| worker::Error::RustError("a socket was promised and is missing".into()))?;
    Pump::new(socket).map(Ok)
}

/// How a stream is kept open, and how long.
pub(super) struct Pace {
    /// The wait between two comments.
    pub comment_every: DurationMs,
    /// When the stream is ended in good order; none for one that ends with its answer.
    pub ends_at: Option<UnixMs>,
    /// The message that ends it then.
    pub farewell: Option<String>,
}

/// Comments between two questions whether the socket still stands.
const COMMENTS_PER_PING: u32 = 8;

/// The response whose body is the stream.
pub(super) fn respond(pump: Pump, pace: Pace, primed_with: Option<&EventId>) -> Result<Response> {
    let headers = Headers::new();
    headers.set("content-type", "text/event-stream")?;
    headers.set("cache-control", "no-store")?;
    // Proxies must not wait for more before they pass an event on.
    headers.set("x-accel-buffering", "no")?;
    let flow = Flow { pump, phase: Phase::Opening(sse::opening(primed_with)), pace, comments: 0 };
    let body = futures::stream::unfold(Some(flow), |flow| async move { flow?.next().await });
    Ok(worker::Response::from_stream(body)?.with_headers(headers).into())
}

/// A stream on which nothing comes any more.
pub(super) fn ended() -> Result<Response> {
    let headers = [("content-type", "text/event-stream"), ("cache-control", "no-store")];
    actors::answer(200, &headers, Some(sse::COMMENT.as_bytes()))
}

type Listener<E> = Closure<dyn FnMut(E)>;

/// The edge's end of a socket.
pub(super) struct Pump {
    socket: WebSocket,
    incoming: UnboundedReceiver<Incoming>,
    backlog: Rc<Cell<usize>>,
    on_message: Listener<web_sys::MessageEvent>,
    on_end: Listener<web_sys::Event>,
}

const END_EVENTS: [&str; 2] = ["close", "error"];

impl Pump {
    fn new(socket: WebSocket) -> Result<Self> {
        let (sender, incoming) = unbounded::<Incoming>();
        let ended = sender.clone();
        let backlog = Rc::new(Cell::new(0));
        let counted = Rc::clone(&backlog);
        let on_message = Closure::<dyn FnMut(_)>::new(move |event: web_sys::MessageEvent| {
            let text = event.data().as_string();
            if text.as_deref() == Some(PONG) {
                return;
            }
            let frame = text.and_then(|text| Frame::decode(&text));
            // A client that reads more slowly than its object speaks loses its stream and not the instance's memory.
            let frame = frame.filter(|_| counted.get() < STREAM_BACKLOG_MAX);
            counted.set(counted.get() + 1);
            let _gone = sender.unbounded_send(frame);
        });
        let on_end = Closure::<dyn FnMut(_)>::new(move |_: web_sys::Event| {
            let _gone = ended.unbounded_send(None);
        });
        let target: &web_sys::WebSocket = socket.as_ref();
        target.add_event_listener_with_callback("message", on_message.as_ref().unchecked_ref())?;
        for event in END_EVENTS {
            target.add_event_listener_with_callback(event, on_end.as_ref().unchecked_ref())?;
        }
        socket.accept()?;
        Ok(Self { socket, incoming, backlog, on_message, on_end })
    }

    async fn next(&mut self) -> Incoming {
        let incoming = self.incoming.next().await.flatten();
        self.backlog.set(self.backlog.get().saturating_sub(1));
        incoming
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        // The listeners go before their closures: the platform would otherwise call what is gone.
        let target: &web_sys::WebSocket = self.socket.as_ref();
        let _gone =
            target.remove_event_listener_with_callback("message", self.on_message.as_ref().unchecked_ref());
        for event in END_EVENTS {
            let _gone =
                target.remove_event_listener_with_callback(event, self.on_end.as_ref().unchecked_ref());
        }
        let _gone = self.socket.close(Some(1000), None::<String>);
    }
}

enum Phase {
    Opening(String),
    Open,
    /// The last event was taken; a comment after it finds out whether somebody was there.
    Last {
        confirms: bool,
    },
    /// Everything was taken.
    Over {
        confirms: bool,
    },
}

struct Flow {
    pump: Pump,
    phase: Phase,
    pace: Pace,
    comments: u32,
}

type Chunk = std::result::Result<Vec<u8>, worker::Error>;

impl Flow {
    /// What the platform gets for one pull.
    async fn next(mut self) -> Option<(Chunk, Option<Self>)> {
        let text = match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Opening(text) => text,
            Phase::Open => self.wait().await?,
            Phase::Last { confirms } => {
                self.phase = Phase::Over { confirms };
                sse::COMMENT.to_owned()
            }
            Phase::Over { confirms } => {
                if confirms {
                    let _gone = self.pump.socket.send_with_str(TAKEN);
                }
                return None;
            }
        };
        Some((Ok(text.into_bytes()), Some(self)))
    }

    async fn wait(&mut self) -> Option<String> {
        let left = self.pace.ends_at.map(|end| end.since(super::now()));
        if left.is_some_and(|left| left.0 == 0) {
            self.phase = Phase::Over { confirms: false };
            let json = self.pace.farewell.take().unwrap_or_default();
            let farewell = Frame { then: Then::End, event: None, json };
            return Some(if farewell.json.is_empty() {
                sse::COMMENT.to_owned()
            } else {
                sse::event(&farewell)
            });
        }
        let wait = self.pace.comment_every.0.min(left.map_or(u64::MAX, |left| left.0));
        let pause = Delay::from(Duration::from_millis(wait));
        let incoming = {
            let next = self.pump.next();
            futures::pin_mut!(next);
            match select(next, pause).await {
                Either::Left((incoming, _)) => Some(incoming?),
                Either::Right(_) => None,
            }
        };
        let Some(incoming) = incoming else {
            self.comments = self.comments.wrapping_add(1);
            if self.comments.is_multiple_of(COMMENTS_PER_PING) {
                let _gone = self.pump.socket.send_with_str(PING);
            }
            return Some(sse::COMMENT.to_owned());
        };
        self.phase = match incoming.then {
            Then::Continue => Phase::Open,
            Then::End => Phase::Last { confirms: false },
            Then::EndAndConfirm => Phase::Last { confirms: true },
        };
        Some(sse::event(&incoming))
    }
}
