//! The Durable Object: feeds the core with inputs, applies its writes, and lets its effects out.
//!
//! What holds here: the core is borrowed only inside a turn, which never awaits; effects leave after the commit; after a
//! fault the core is thrown away and recovered from rows with the next input, and everyone who waited is answered. An
//! alarm never fails, because the platform would repeat it and then drop it for good.

// The attribute macro writes exported functions that carry no documentation of their own.
#![allow(missing_docs)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures::channel::oneshot;
use protocol::config::{Config, Problem};
use protocol::ids::RequestId;
use protocol::limits::REQUEST_BODY_BYTES_MAX;
use protocol::object::{Challenge, ObjectReply, decode};
use protocol::time::UnixMs;
use protocol::zones::Zones;
use worker::{DurableObject, Env, Headers, Request, Response, Result, State, console_log, durable_object};

use super::entropy::random_bytes;
use super::outgoing;
use super::settings::config_from_env;
use super::sql_rows::{SqlDisk, SqlRows};
use super::zones::offset_at;
use crate::egress::depart;
use crate::log::LogLine;
use crate::turn::{self, Effect, Entropy, Fault, Input, ReplyTo, Turn};
use crate::user_session::UserSession as Core;

/// Room for the frame around the largest message.
const FRAME_BYTES_MAX: usize = REQUEST_BODY_BYTES_MAX + 64 * 1024;

/// One person's object.
#[durable_object]
pub struct UserSession {
    shell: Rc<Shell>,
}

struct Shell {
    env: Env,
    config: std::result::Result<Rc<Config>, Vec<Problem>>,
    rows: std::result::Result<SqlRows, Fault>,
    core: RefCell<Option<Core>>,
    waiting: RefCell<BTreeMap<ReplyTo, oneshot::Sender<ObjectReply>>>,
    replies: Cell<u64>,
}

impl DurableObject for UserSession {
    fn new(state: State, env: Env) -> Self {
        let config = config_from_env(&env).map(Rc::new);
        let rows = SqlRows::open(&state);
        Self {
            shell: Rc::new(Shell {
                env,
                config,
                rows,
                core: RefCell::new(None),
                waiting: RefCell::new(BTreeMap::new()),
                replies: Cell::new(0),
            }),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let bytes = request.bytes().await?;
        if bytes.len() > FRAME_BYTES_MAX {
            return Response::error("the frame is too large", 413);
        }
        let Ok(request) = decode(&bytes) else { return Response::error("not a request of the edge", 400) };
        drop(bytes);
        let (sender, receiver) = oneshot::channel();
        let to = self.shell.wait_with(sender);
        let id = request.request;
        self.shell.take(Input::Request { to, request });
        let reply = receiver.await.unwrap_or_else(|_| unavailable());
        self.shell.respond(id, reply)
    }

    async fn alarm(&self) -> Result<Response> {
        self.shell.take(Input::Alarm);
        Response::empty()
    }
}

impl Shell {
    fn wait_with(&self, sender: oneshot::Sender<ObjectReply>) -> ReplyTo {
        let number = self.replies.get();
        self.replies.set(number + 1);
        let to = ReplyTo(number);
        self.waiting.borrow_mut().insert(to, sender);
        to
    }

    /// Runs one turn. A fault is said in the log, and everyone who waits is told that this user cannot be served.
    fn take(self: &Rc<Self>, input: Input) {
        match self.turn(input) {
            Ok(effects) => self.perform(effects),
            Err(fault) => {
                let line = LogLine::new("fault", now()).with("fault", fault.to_string());
                console_log!("{}", line.to_json());
                *self.core.borrow_mut() = None;
                let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
                for sender in waiting.into_values() {
                    // Whoever is gone needs no answer.
                    let _gone = sender.send(unavailable());
                }
            }
        }
    }

    fn turn(&self, input: Input) -> std::result::Result<Vec<Effect>, Fault> {
        let config = self.config.as_ref().map_err(|_| Fault::Invariant("the settings are not complete"))?;
        let rows = self.rows.as_ref().map_err(Clone::clone)?;
        let seed = random_bytes().map_err(Fault::Invariant)?;
        let turn = Turn { now: now(), entropy: Entropy::new(seed) };
        let mut slot = self.core.borrow_mut();
        let core = match &mut *slot {
            Some(core) => core,
            empty @ None => {
                let core = Core::recover(config.clone(), rows, turn.now)?;
                empty.insert(core.with_zones(Zones::new(offset_at)))
            }
        };
        turn::run(core, rows, &mut SqlDisk(rows), turn, input)
    }

    fn perform(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { to, reply } => {
                    if let Some(sender) = self.waiting.borrow_mut().remove(&to) {
                        let _gone = sender.send(reply);
                    }
                }
                Effect::Log(line) => console_log!("{}", line.to_json()),
                Effect::Send { op, outbound } => {
                    let Ok(config) = &self.config else { continue };
                    let user = self.core.borrow().as_ref().and_then(Core::user);
                    let Some(user) = user else { continue };
                    let departure = depart(config, user, op, &outbound);
                    let shell = Rc::clone(self);
                    wasm_bindgen_futures::spawn_local(async move {
                        let result = outgoing::send(&shell.env, departure).await;
                        shell.take(Input::CallDone { op, result });
                    });
                }
            }
        }
    }

    /// The response that the edge passes through untouched; an answer of the object cannot be changed there.
    fn respond(self: &Rc<Self>, id: RequestId, reply: ObjectReply) -> Result<Response> {
        let headers = Headers::new();
        headers.set("cache-control", "no-store")?;
        let names = reply.answers.unwrap_or(id);
        headers.set("x-request-id", &names.to_string())?;
        if let Some(session) = reply.session {
            headers.set("mcp-session-id", &session.to_string())?;
        }
        match reply.challenge {
            Some(Challenge::InvalidToken) => headers.set("x-challenge", "invalid_token")?,
            Some(Challenge::InsufficientScope(scope)) => {
                headers.set("x-challenge", &format!("insufficient_scope {scope}"))?;
            }
            None => {}
        }
        let response = match (reply.body, reply.answers.filter(|_| reply.delivers)) {
            (None, _) => Response::empty()?,
            (Some(body), None) => {
                headers.set("content-type", "application/json")?;
                Response::from_bytes(body.into_bytes())?
            }
            (Some(body), Some(request)) => {
                headers.set("content-type", "application/json")?;
                Response::from_stream(self.delivering(body, request))?
            }
        };
        Ok(response.with_status(reply.status).with_headers(headers))
    }

    /// A body that tells the core when it was taken to its end. A body that is dropped before tells nothing, and an equal
    /// write will be given the same answer again.
    fn delivering(
        self: &Rc<Self>,
        body: String,
        request: RequestId,
    ) -> impl futures::TryStream<Ok = Vec<u8>, Error = worker::Error> + use<> {
        let shell = Rc::clone(self);
        futures::stream::unfold(Some(body), move |state| {
            let shell = Rc::clone(&shell);
            async move {
                if let Some(body) = state {
                    return Some((Ok(body.into_bytes()), None));
                }
                shell.take(Input::Delivered { request });
                None
            }
        })
    }
}

fn now() -> UnixMs {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the clock is after 1970 and before 10000"
    )]
    let unix_ms = js_sys::Date::now() as u64;
    UnixMs(unix_ms)
}

/// The answer to a user whose rows cannot be read. It says whose fault it is and what happens next.
fn unavailable() -> ObjectReply {
    let error = protocol::jsonrpc::RpcError::new(
        protocol::jsonrpc::codes::INTERNAL_ERROR,
        "This server cannot read what it stored for your account. Nothing you sent was executed; the operators can \
         see this and have to repair it.",
    );
    ObjectReply::status_with_body(503, protocol::jsonrpc::failure(None, &error))
}
