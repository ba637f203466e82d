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
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{Either, select};
use js_sys::Uint8Array;
use protocol::config::{Config, Problem};
use protocol::digest::to_hex;
use protocol::ids::{RequestId, UserKey};
use protocol::limits::{PROMPT_ANSWER, REQUEST_BODY_BYTES_MAX};
use protocol::object::{Challenge, Command, ObjectReply, ObjectRequest, decode};
use protocol::operator::directory::Question;
use protocol::stream::EventId;
use protocol::time::{DurationMs, UnixMs};
use protocol::zones::Zones;
use wasm_bindgen::prelude::*;
use web_sys::Response;
use worker::worker_sys::DurableObjectState;
use worker::{Env, Result, State, WebSocket, console_log};

use super::answers::answer;
use super::bridge::{Pause, Settled, frame_of_wish};
use super::entropy::random_bytes;
use super::outgoing;
use super::reports::{Seldom, tell};
use super::settings::config_from_env;
use super::sockets::Sockets;
use super::sql_rows::{SqlDisk, SqlRows};
use super::zones::offset_at;
use crate::egress::depart;
use crate::log::LogLine;
use crate::store::Table;
use crate::turn::{self, Effect, Entropy, Fault, Input, ReplyTo, Turn};
use crate::user_session::UserSession as Core;

/// Room for the frame around the largest message.
const FRAME_BYTES_MAX: usize = REQUEST_BODY_BYTES_MAX + 64 * 1024;

/// The platform evicts an object about ten seconds after the last thing that it had to do.
const STAYS_AWAKE_FOR: Duration = Duration::from_secs(5);

/// For so long an alarm that rings is as good as one that is set.
const RINGING: DurationMs = DurationMs::from_secs(1);

/// One person's object, as the platform makes and calls it.
///
/// Written out here, because the attribute of the `worker` crate would read of each request what nobody looks at, and take
/// each answer apart.
#[wasm_bindgen]
pub struct UserSession {
    shell: Rc<Shell>,
}

struct Shell {
    env: Env,
    config: std::result::Result<Rc<Config>, Vec<Problem>>,
    rows: std::result::Result<SqlRows, Fault>,
    core: RefCell<Option<Core>>,
    /// The alarm that an earlier life left, for the core that the next turn recovers.
    alarm_left: Cell<Option<UnixMs>>,
    waiting: RefCell<BTreeMap<ReplyTo, oneshot::Sender<ObjectReply>>>,
    replies: Cell<u64>,
    sockets: Sockets,
    is_awake: Cell<bool>,
    /// When it was last said that the directory cannot be reached, and that this object cannot be read.
    unreachable: Seldom,
    faulted: Seldom,
    /// Whether the directory may have to hear that this object can be read again.
    has_faulted: Cell<bool>,
    /// Names this life of the object in its log lines: another name means that memory was lost in between.
    instance: String,
}

#[wasm_bindgen]
impl UserSession {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: Env) -> Self {
        let state = State::from(state);
        let config = config_from_env(&env).map(Rc::new);
        let rows = SqlRows::open(&state, Table::OF_A_PERSON);
        let sockets = Sockets::new(state);
        Self {
            shell: Rc::new(Shell {
                env,
                config,
                rows,
                core: RefCell::new(None),
                alarm_left: Cell::new(None),
                waiting: RefCell::new(BTreeMap::new()),
                // Sockets of an earlier life of this object keep their numbers.
                replies: Cell::new(sockets.next_number()),
                sockets,
                is_awake: Cell::new(false),
                unreachable: Seldom::default(),
                faulted: Seldom::default(),
                has_faulted: Cell::new(false),
                instance: random_bytes::<4>().map(|bytes| to_hex(&bytes)).unwrap_or_default(),
            }),
        }
    }

    /// Answers a request of the edge.
    pub async fn fetch(&self, request: web_sys::Request) -> std::result::Result<Response, JsValue> {
        if let Some(frame) = frame_of_wish(&request)? {
            self.shell.look_at_alarm().await;
            return match decode(&frame) {
                Ok(request) => Ok(self.shell.open_stream(request)?),
                Err(_) => Ok(refused(400, "not a request of the edge")?),
            };
        }
        let bytes = Uint8Array::new(&Settled::of(&request.array_buffer()?).await?);
        if bytes.length() as usize > FRAME_BYTES_MAX {
            return Ok(refused(413, "the frame is too large")?);
        }
        let Ok(request) = decode(&bytes.to_vec()) else {
            return Ok(refused(400, "not a request of the edge")?);
        };
        self.shell.look_at_alarm().await;
        let (sender, receiver) = oneshot::channel();
        let to = self.shell.wait_with(sender);
        let id = request.request;
        let may_stream = matches!(&request.command, Command::Mcp(message) if message.accepts_stream);
        self.shell.take(Input::Request { to, request });
        let reply = self.shell.await_reply(to, receiver, may_stream).await;
        Ok(self.shell.respond(id, reply)?)
    }

    /// Something came over a socket.
    #[wasm_bindgen(js_name = webSocketMessage)]
    pub async fn websocket_message(&self, socket: web_sys::WebSocket, message: JsValue) {
        if let Some(request) = self.shell.sockets.confirmed(&socket.into(), &message) {
            self.shell.look_at_alarm().await;
            self.shell.take(Input::Delivered { request });
        }
    }

    /// A socket was closed at its other end.
    #[wasm_bindgen(js_name = webSocketClose)]
    pub async fn websocket_close(&self, socket: web_sys::WebSocket) {
        self.shell.look_at_alarm().await;
        self.shell.lost(&socket.into());
    }

    /// A socket broke.
    #[wasm_bindgen(js_name = webSocketError)]
    pub async fn websocket_error(&self, socket: web_sys::WebSocket) {
        self.shell.look_at_alarm().await;
        self.shell.lost(&socket.into());
    }

    /// The alarm rang.
    pub async fn alarm(&self) {
        // The turn of the alarm sets the next one, and those of restored streams before it need not; until it is over the
        // platform counts this one as not rung.
        self.shell.alarm_left.set(Some(now().plus(RINGING)));
        self.shell.take(Input::Alarm);
    }
}

impl Shell {
    /// Looks when the alarm rings, once for each life of the core: looking costs no row written, setting it does. Nothing
    /// may be awaited between this and the turn, or what was seen could be over.
    async fn look_at_alarm(&self) {
        if self.core.borrow().is_none()
            && let Ok(rows) = &self.rows
        {
            let alarm = rows.alarm().await;
            self.alarm_left.set(alarm);
        }
    }

    fn wait_with(&self, sender: oneshot::Sender<ObjectReply>) -> ReplyTo {
        let number = self.replies.get();
        self.replies.set(number + 1);
        let to = ReplyTo(number);
        self.waiting.borrow_mut().insert(to, sender);
        to
    }

    /// Waits for the answer; one that is not prompt may come as a stream, which the core then names.
    async fn await_reply(
        self: &Rc<Self>,
        to: ReplyTo,
        mut receiver: oneshot::Receiver<ObjectReply>,
        may_stream: bool,
    ) -> ObjectReply {
        // What is answered already needs no timer.
        if let Ok(Some(reply)) = receiver.try_recv() {
            return reply;
        }
        if !may_stream {
            return receiver.await.unwrap_or_else(|_| unavailable());
        }
        let reply = match select(receiver, Pause::of(Duration::from_millis(PROMPT_ANSWER.0))).await {
            Either::Left((reply, _)) => reply,
            Either::Right(((), receiver)) => {
                self.take(Input::Late { to });
                receiver.await
            }
        };
        reply.unwrap_or_else(|_| unavailable())
    }

    /// Opens the socket that feeds a stream of the edge, or refuses to.
    fn open_stream(self: &Rc<Self>, request: ObjectRequest) -> Result<Response> {
        let (sender, mut receiver) = oneshot::channel();
        let to = self.wait_with(sender);
        let id = request.request;
        let Some(response) = self.sockets.open(to, &request)? else {
            self.waiting.borrow_mut().remove(&to);
            return refused(429, "too many streams");
        };
        self.take(Input::Request { to, request });
        self.waiting.borrow_mut().remove(&to);
        match receiver.try_recv() {
            Ok(Some(reply)) if reply.status != 200 => {
                self.sockets.close(to);
                // Nobody gets the other end, and while it stood the platform would keep the object in memory.
                if let Some(other_end) = response.websocket() {
                    other_end.accept()?;
                    let _gone = other_end.close(Some(1000), None::<String>);
                }
                self.respond(id, reply)
            }
            Ok(Some(reply)) => {
                self.sockets.answer(to, reply);
                Ok(response.into())
            }
            _ => Ok(response.into()),
        }
    }

    fn lost(self: &Rc<Self>, socket: &WebSocket) {
        if let Some(to) = self.sockets.number_of(socket) {
            self.take(Input::Gone { to });
        }
    }

    /// Runs one turn. A fault is said in the log, and everyone who waits is told that this user cannot be served.
    fn take(self: &Rc<Self>, input: Input) {
        let restored = if self.core.borrow().is_some() { Vec::new() } else { self.sockets.wishes() };
        for (to, request) in restored {
            // Sockets outlive the core: a new one is told of each before anything else, but not of one that is new too.
            if !matches!(&input, Input::Request { to: new, .. } if *new == to) {
                let command = request.command.restored();
                self.take_one(Input::Request { to, request: ObjectRequest { command, ..request } });
            }
        }
        self.take_one(input);
        self.stay_awake();
    }

    /// Stays in memory while a stream waits for a request that is at work, perhaps only for its next attempt: the
    /// platform evicts an object whose requests are all answered, and with it what a write would still need.
    fn stay_awake(self: &Rc<Self>) {
        if !self.has_streamed_work() || self.is_awake.replace(true) {
            return;
        }
        let shell = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            while shell.has_streamed_work() {
                Pause::of(STAYS_AWAKE_FOR).await;
            }
            shell.is_awake.set(false);
        });
    }

    fn has_streamed_work(&self) -> bool {
        self.core.borrow().as_ref().is_some_and(|core| core.load().streamed > 0)
    }

    fn take_one(self: &Rc<Self>, input: Input) {
        let asked_for = match &input {
            Input::Request { request, .. } => Some(request.caller.user),
            _ => self.core.borrow().as_ref().and_then(Core::user),
        };
        match self.turn(input) {
            Ok(effects) => self.perform(effects),
            Err(fault) => {
                self.log(LogLine::new("fault", now()).with("fault", fault.to_string()));
                *self.core.borrow_mut() = None;
                self.has_faulted.set(true);
                if let Some(user) = asked_for.filter(|_| self.faulted.may(now())) {
                    self.tell(user, Question::Fault { user, at: now(), fault: fault.to_string() });
                }
                let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
                for sender in waiting.into_values() {
                    // Whoever is gone needs no answer.
                    let _gone = sender.send(unavailable());
                }
                self.sockets.close_all();
            }
        }
    }

    /// Tells the directory something, for which nobody waits.
    fn tell(self: &Rc<Self>, user: UserKey, question: Question) {
        let shell = Rc::clone(self);
        wasm_bindgen_futures::spawn_local(async move {
            if let Err(error) = tell(&shell.env, &user, &question).await
                && shell.unreachable.may(now())
            {
                let line = LogLine::new("directory_unreachable", now()).with("userKey", user.to_string());
                shell.log(line.with("error", error.to_string()));
            }
        });
    }

    fn log(&self, line: LogLine) {
        console_log!("{}", line.with("instance", self.instance.as_str()).to_json());
    }

    fn turn(&self, input: Input) -> std::result::Result<Vec<Effect>, Fault> {
        let config = self.config.as_ref().map_err(|_| Fault::Invariant("the settings are not complete"))?;
        let rows = self.rows.as_ref().map_err(Clone::clone)?;
        let seed = random_bytes().map_err(Fault::Invariant)?;
        let turn = Turn { now: now(), entropy: Entropy::new(seed) };
        // What was seen is for the turn that follows alone.
        let armed = self.alarm_left.take();
        let mut slot = self.core.borrow_mut();
        let core = match &mut *slot {
            Some(core) => core,
            empty @ None => {
                let mut core = Core::recover(config.clone(), rows, turn.now)?;
                if self.has_faulted.take() {
                    core.tell_anew();
                }
                empty.insert(core.with_zones(Zones::new(offset_at)).with_alarm(armed))
            }
        };
        turn::run(core, rows, &mut SqlDisk(rows), turn, input)
    }

    fn perform(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply { to, reply } => {
                    let sender = self.waiting.borrow_mut().remove(&to);
                    match sender {
                        Some(sender) => {
                            let _gone = sender.send(reply);
                        }
                        None => self.sockets.answer(to, reply),
                    }
                }
                Effect::Push { to, frame } => self.sockets.send(to, &frame),
                Effect::Close { to } => self.sockets.close(to),
                Effect::Log(line) => self.log(line),
                Effect::Report(report) => self.tell(report.user, Question::Report(report)),
                Effect::Erase => {
                    if let Ok(rows) = &self.rows {
                        rows.delete_all();
                    }
                    *self.core.borrow_mut() = None;
                    // Nobody is answered any more; whoever waited was, before this.
                    self.waiting.borrow_mut().clear();
                    self.sockets.close_all();
                }
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
        let headers = headers_of(id, &reply);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let delivers = reply.answers.filter(|_| reply.delivers);
        match (reply.body, delivers) {
            (Some(body), Some(request)) => {
                let body = worker::Response::from_stream(self.delivering(body, request))?;
                Ok(body.with_status(reply.status).with_headers(headers.into_iter().collect()).into())
            }
            (body, _) => answer(reply.status, &headers, body.as_deref().map(str::as_bytes)),
        }
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

fn refused(status: u16, why: &str) -> Result<Response> {
    answer(status, &[], Some(why.as_bytes()))
}

/// What an answer says outside its body, to the client and to the edge.
fn headers_of(id: RequestId, reply: &ObjectReply) -> Vec<(&'static str, String)> {
    let names = reply.answers.unwrap_or(id);
    let mut headers = vec![("cache-control", "no-store".to_owned()), ("x-request-id", names.to_string())];
    if let Some(session) = reply.session {
        headers.push(("mcp-session-id", session.to_string()));
    }
    let challenge = reply.challenge.as_ref().map(|challenge| match challenge {
        Challenge::InvalidToken => "invalid_token".to_owned(),
        Challenge::SignInAgain => "sign_in_again".to_owned(),
        Challenge::InsufficientScope(scope) => format!("insufficient_scope {scope}"),
    });
    headers.extend(challenge.map(|challenge| ("x-challenge", challenge)));
    headers.extend(reply.retry_after.map(|wait| ("retry-after", wait.as_secs_rounded_up().to_string())));
    if let Some(late) = &reply.late {
        headers.push(("x-stream", EventId::Opened(late.stream.clone()).to_string()));
        if late.primes {
            headers.push(("x-stream-primes", "1".to_owned()));
        }
    }
    if reply.body.is_some() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    headers
}

pub(super) fn now() -> UnixMs {
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
