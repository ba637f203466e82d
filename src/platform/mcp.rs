//! The MCP endpoint: verbs, messages and streams, between the client and the user's object.
//!
//! What holds here: what a message is, and who answers it, is decided in `mcp_endpoint.rs`; here it travels. A stream's
//! body owns the socket that feeds it.

use actors::log::LogLine;
use protocol::access_token::Opened;
use protocol::config::{AccessMode, Config};
use protocol::ids::RequestId;
use protocol::limits::{
    ANSWER_COMMENT_EVERY, REQUEST_BODY_BYTES_MAX, STREAM_COMMENT_EVERY, STREAM_LIFETIME_JITTER_DIVISOR,
};
use protocol::mcp::envelope::Stateless;
use protocol::mcp::subscription_ended;
use protocol::object::{Assertion, Attach, Caller, Command, Listen, McpMessage};
use protocol::stream::EventId;
use protocol::time::DurationMs;
use protocol::trace::TraceContext;
use web_sys::Response;
use worker::{Env, Result};

use super::event_stream::{self, Pace};
use super::incoming::Incoming;
use super::{access, ask, body, complete, now, objects, random, request_of, respond};
use crate::access::{HEADER, caller};
use crate::admission::{Presented, admit};
use crate::mcp_endpoint::{Arrived, Delivery, accepts_stream, classify, join_batch};
use crate::reply::Reply;
use crate::router::Route;

thread_local! {
    static OPENED: Opened = Opened::default();
}

/// Serves a request of the endpoint, whatever its verb.
pub(super) async fn serve(
    config: &Config,
    request: &Incoming,
    env: &Env,
    presented: Presented<'_>,
    route: Route,
) -> Result<Response> {
    let caller = match &config.access_mode {
        AccessMode::Perimeter(application) => match access::person(application, request, env).await {
            Ok(person) => caller(application, &person),
            Err(refused) => return respond(refused.reply()),
        },
        AccessMode::Open | AccessMode::OAuth { .. } => {
            match OPENED.with(|opened| admit(config, opened, presented, now())) {
                Ok(claims) => Caller {
                    user: claims.user,
                    grant: claims.grant,
                    client: claims.client,
                    scopes: claims.scopes,
                    access_identity: claims.access_identity,
                },
                Err(refusal) => return respond(refusal),
            }
        }
    };
    if route == Route::McpOther {
        return respond(Reply::wrong_method("POST, GET, DELETE"));
    }
    let session = request.header("mcp-session-id")?;
    if route == Route::McpGet {
        return open_stream(config, request, env, &caller, session).await;
    }
    if route == Route::McpDelete {
        let Some(session) = session else {
            return respond(Reply::text(400, "The header Mcp-Session-Id is missing."));
        };
        return complete(config, ask(env, &caller, Command::EndSession { session }).await);
    }
    serve_post(config, request, env, &caller, session).await
}

/// Serves one message, or several in an array.
async fn serve_post(
    config: &Config,
    request: &Incoming,
    env: &Env,
    caller: &Caller,
    session: Option<String>,
) -> Result<Response> {
    let (bytes, _held) = match body::read(request, REQUEST_BODY_BYTES_MAX).await? {
        Ok(read) => read,
        Err(refusal) => return respond(refusal),
    };
    let revision = request.header("mcp-protocol-version")?;
    let takes_streams = accepts_stream(request.header("accept")?.as_deref());
    // It goes no further than it is needed: to the object, for a call to a linked app.
    let is_needed = config.access_mode.is_perimeter() && !config.linked_apps.is_empty();
    let assertion = if is_needed { request.header(HEADER)?.map(Assertion) } else { None };
    let header = |name: &str| request.header(name).ok().flatten();
    let arrived = Arrived { revision: revision.as_deref(), header: &header, offer: config.offer() };
    let trace = arrived.trace();
    let message = |body: Vec<u8>, in_batch: bool, stateless: Option<Stateless>| {
        let accepts_stream = takes_streams && !in_batch;
        let (session, revision, assertion) = (session.clone(), revision.clone(), assertion.clone());
        Command::Mcp(McpMessage {
            session,
            revision,
            in_batch,
            accepts_stream,
            stateless,
            trace,
            assertion,
            body,
        })
    };
    match classify(arrived, bytes) {
        Err(refusal) => respond(refusal),
        Ok(Delivery::Listed { method, trace, reply }) => respond(listed(caller, &method, trace, reply)?),
        Ok(Delivery::Listens { .. }) if !takes_streams => respond(not_acceptable()),
        Ok(Delivery::Listens { id, uris }) => {
            let farewell = subscription_ended(&id);
            let subscription = Listen::Subscription { id, uris, is_restored: false };
            listen(config, env, caller, subscription, Some(farewell)).await
        }
        Ok(Delivery::Single { body, stateless }) => {
            // The header of a session means nothing to a request without one.
            let session = session.clone().filter(|_| stateless.is_none());
            let answer = complete(config, ask(env, caller, message(body, false, stateless)).await)?;
            stream_if_late(config, env, caller, session, answer).await
        }
        Ok(Delivery::Batch(messages)) => {
            let mut answers = Vec::with_capacity(messages.len());
            for bytes in messages {
                match ask(env, caller, message(bytes, true, None)).await {
                    // A withdrawn grant refuses all messages; whatever else happens is the message's own answer.
                    Ok(answer) if answer.status() != 401 => {
                        answers.push((answer.status(), objects::text(&answer).await?));
                    }
                    other => return complete(config, other),
                }
            }
            respond(join_batch(answers))
        }
    }
}

/// Turns the promise of a late answer into the stream on which it comes; any other answer is passed through.
async fn stream_if_late(
    config: &Config,
    env: &Env,
    caller: &Caller,
    session: Option<String>,
    answer: Response,
) -> Result<Response> {
    if answer.status() != 202 {
        return Ok(answer);
    }
    let Some(late) = answer.headers().get("x-stream")? else { return Ok(answer) };
    let Ok(opened @ EventId::Opened(_)) = late.parse::<EventId>() else {
        return respond(Reply::object_unavailable());
    };
    let primes = answer.headers().get("x-stream-primes")?.is_some();
    attach(config, env, caller, session, (opened, primes)).await
}

/// A client opens its session's stream, or takes up one that broke.
async fn open_stream(
    config: &Config,
    request: &Incoming,
    env: &Env,
    caller: &Caller,
    session: Option<String>,
) -> Result<Response> {
    if !accepts_stream(request.header("accept")?.as_deref()) {
        return respond(not_acceptable());
    }
    let last = request.header("last-event-id")?;
    match (session, last.as_deref().map(str::parse::<EventId>)) {
        (None, _) => respond(Reply::wrong_method("POST")),
        (Some(session), None) => {
            let listen = Listen::Session { session, after: None, is_restored: false };
            self::listen(config, env, caller, listen, None).await
        }
        (Some(session), Some(Ok(EventId::Message(after)))) => {
            let listen = Listen::Session { session, after: Some(after), is_restored: false };
            self::listen(config, env, caller, listen, None).await
        }
        (Some(_), Some(Err(_))) => respond(Reply::text(404, "This server has no stream with that event.")),
        // The answer arrived, and nothing comes after it.
        (Some(_), Some(Ok(EventId::Answered(_)))) => event_stream::ended(),
        (Some(session), Some(Ok(opened))) => {
            attach(config, env, caller, Some(session), (opened, false)).await
        }
    }
}

fn not_acceptable() -> Reply {
    Reply::text(406, "A stream needs the header Accept: text/event-stream.")
}

/// Opens the stream on which one request is answered.
async fn attach(
    config: &Config,
    env: &Env,
    caller: &Caller,
    session: Option<String>,
    (opened, primes): (EventId, bool),
) -> Result<Response> {
    let EventId::Opened(stream) = &opened else { return respond(Reply::object_unavailable()) };
    let command = Command::Attach(Attach { session, stream: stream.clone(), is_restored: false });
    let pace = Pace { comment_every: ANSWER_COMMENT_EVERY, ends_at: None, farewell: None };
    match event_stream::ask(env, &request_of(caller, command)?).await? {
        Ok(pump) => {
            let answer = event_stream::respond(pump, pace, Some(&opened).filter(|_| primes))?;
            // A late answer leads to its request as one does that came at once.
            answer.headers().set("x-request-id", &stream.request.to_string())?;
            Ok(answer)
        }
        Err(refusal) => complete(config, Ok(refusal)),
    }
}

/// Opens a stream that stays open until its time is over; `farewell` is the message with which it ends then.
async fn listen(
    config: &Config,
    env: &Env,
    caller: &Caller,
    listen: Listen,
    farewell: Option<String>,
) -> Result<Response> {
    let [random] = random::<1>()?;
    let DurationMs(whole) = config.stream_lifetime;
    let shortened = whole / STREAM_LIFETIME_JITTER_DIVISOR * u64::from(random) / 256;
    let lifetime = DurationMs(whole - shortened);
    let pace = Pace { comment_every: STREAM_COMMENT_EVERY, ends_at: Some(now().plus(lifetime)), farewell };
    match event_stream::ask(env, &request_of(caller, Command::Listen(listen))?).await? {
        Ok(pump) => event_stream::respond(pump, pace, None),
        Err(refusal) => complete(config, Ok(refusal)),
    }
}

/// A list that was answered here leaves one line in the log and no entry in the ledger.
fn listed(caller: &Caller, method: &str, trace: Option<TraceContext>, reply: Reply) -> Result<Reply> {
    let id = RequestId::new(now(), &caller.user, random()?);
    let line = LogLine::new("list", now())
        .with("requestId", id.to_string())
        .with("userKey", caller.user.to_string())
        .with("method", method)
        .with("client", caller.client.as_str())
        .with("grant", caller.grant.to_string())
        .with_some("accessIdentity", caller.access_identity.clone())
        .with_trace(trace);
    worker::console_log!("{}", line.to_json());
    Ok(reply.with("x-request-id", id.to_string()))
}
