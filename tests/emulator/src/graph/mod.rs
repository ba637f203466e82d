//! Microsoft Graph: admission, the headers that every answer carries, and the table of workloads. Each
//! workload is one sibling module with `route`; adding one means adding a line to `ROUTES`. Nothing in
//! this folder may answer more kindly than the real service.

pub mod attachments;
pub mod availability;
pub mod batch;
pub mod calendar;
pub mod calendar_write;
pub mod chat_message;
pub mod chats;
pub mod collection;
pub mod condition;
pub mod contacts;
pub mod context;
pub mod directory;
pub mod drive_path;
pub mod drive_view;
pub mod drive_write;
pub mod drives;
pub mod error;
pub mod event_model;
pub mod event_view;
pub mod filter;
pub mod kql;
pub mod mail;
pub mod mail_actions;
pub mod mail_folders;
pub mod mail_list;
pub mod mail_mime;
pub mod mail_view;
pub mod mail_write;
pub mod mailbox_settings;
pub mod meetings;
pub mod model;
pub mod odata;
pub mod people;
pub mod planner;
pub mod presence;
pub mod profile;
pub mod search;
pub mod sites;
pub mod subscriptions;
pub mod teams;
pub mod todo;

use crate::clock;
use crate::wire::{Call, Outcome, Reply, percent_decode};
use crate::world::{Shared, World};
use context::Context;
use error::GraphError;
use std::time::Duration;

/// The largest body that Graph takes.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// A workload's answer: `None` when the path is not its own.
pub type Routed = Option<Result<Reply, GraphError>>;

/// A workload's entry point.
type Route = fn(&mut World, &Context<'_>) -> Routed;

/// The workloads, asked in this order.
const ROUTES: [Route; 19] = [
    batch::route,
    profile::route,
    mailbox_settings::route,
    mail::route,
    calendar::route,
    meetings::route,
    teams::route,
    chats::route,
    contacts::route,
    people::route,
    directory::route,
    subscriptions::route,
    drives::route,
    sites::route,
    todo::route,
    availability::route,
    presence::route,
    search::route,
    planner::route,
];

/// Whether a path is served by the mailbox, whose concurrency is limited. Teams, meetings and the directory
/// have limits of their own kind, although their paths speak of messages too.
fn touches_mailbox(path: &str) -> bool {
    let mut segments = path.split('/').skip(2);
    let first = match segments.next() {
        Some(me) if me.eq_ignore_ascii_case("me") => segments.next(),
        Some(users) if users.eq_ignore_ascii_case("users") => segments.nth(1),
        _ => None,
    };
    first.is_some_and(context::in_mailbox)
}

/// Executes one request against the state; `path` is what follows the prefix `/graph`.
pub fn execute(world: &mut World, call: &Call, path: &str) -> Reply {
    let result = Context::read(world, call, path).and_then(|context| dispatch(world, &context));
    world.observe_changes();
    finish(world, call, result)
}

/// Actions that change nothing although they are POST.
const READING: [&str; 7] = [
    "$batch",
    "getSchedule",
    "findMeetingTimes",
    "getMailTips",
    "query",
    "getPresencesByUserId",
    "translateExchangeIds",
];

/// Whether a request changes anything.
fn writes(context: &Context<'_>) -> bool {
    let last = context.segments.last().map(String::as_str).unwrap_or_default();
    context.call.method != "GET" && !READING.contains(&last)
}

fn dispatch(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    if context.call.body.len() > BODY_LIMIT {
        let message = "The maximum request length supported is 4MB.";
        return Err(GraphError::new(413, "RequestEntityTooLarge", message));
    }
    if world.settings.refuse_writes && writes(context) {
        world.refused_writes.push(format!("{} {}", context.call.method, context.call.target()));
        return Err(GraphError::new(500, "WriteRefusedByTest", "Nothing may be written at the moment."));
    }
    for route in ROUTES {
        if let Some(result) = route(world, context) {
            return result.map(|reply| applied(reply, context));
        }
    }
    let path = context.path();
    let unknown = match path.as_slice() {
        ["me", segment, ..] => segment,
        [segment, ..] => segment,
        [] => "",
    };
    Err(GraphError::unknown_segment(unknown))
}

fn applied(reply: Reply, context: &Context<'_>) -> Reply {
    if context.prefer.applied.is_empty() {
        return reply;
    }
    reply.with("preference-applied", context.prefer.applied.join(", "))
}

/// Adds what every Graph answer carries, and turns an error into its body.
fn finish(world: &mut World, call: &Call, result: Result<Reply, GraphError>) -> Reply {
    let now_ms = world.now_ms();
    let request_id = world.ids.uuid();
    let client_request_id = call.headers.get("client-request-id").unwrap_or(&request_id).to_owned();
    let mut reply = result.unwrap_or_else(|error| {
        let body = error.body(&request_id, &client_request_id, &clock::iso_bare(now_ms));
        let mut reply = Reply::json(error.status, &body);
        for (name, value) in error.headers.0 {
            reply.headers.set(&name, value);
        }
        reply
    });
    if reply.body.is_empty() {
        reply.headers.0.retain(|(name, _)| name != "content-type");
    } else if reply.headers.get("content-type") == Some("application/json") {
        let media = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
        reply.headers.set("content-type", media);
    }
    let wants_echo =
        call.headers.get("return-client-request-id").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if wants_echo || call.headers.get("client-request-id").is_none() {
        reply.headers.set("client-request-id", client_request_id);
    }
    let diagnostic = r#"{"ServerInfo":{"DataCenter":"Switzerland North","Slice":"E","Ring":"3","ScaleUnit":"001","RoleInstance":"EMULATOR"}}"#;
    reply
        .with("request-id", request_id)
        .with("x-ms-ags-diagnostic", diagnostic)
        .with("date", clock::http_date(now_ms))
        .with("cache-control", "private")
}

/// Holds a place among a mailbox's requests in flight.
struct Slot {
    shared: Shared,
    address: &'static str,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.lock().concurrency.leave_mailbox(self.address);
    }
}

/// Admits a request to the mailbox, or says that too many are in flight.
fn admit(shared: &Shared, call: &Call, path: &str) -> Result<Option<Slot>, Reply> {
    let mut world = shared.lock();
    let Ok((user, _)) = context::authenticate(&world, call) else { return Ok(None) };
    if !touches_mailbox(path) {
        return Ok(None);
    }
    let named = path.split('/').nth(3).and_then(percent_decode);
    let owner =
        named.filter(|_| !path.contains("/me/")).and_then(|id| world.directory.find(&id)).unwrap_or(user);
    let limit = world.settings.mailbox_concurrency;
    if world.concurrency.enter_mailbox(owner.address, limit) {
        return Ok(Some(Slot { shared: shared.clone(), address: owner.address }));
    }
    let message = "Application is over its MailboxConcurrency limit.";
    let mut error = GraphError::new(429, "ApplicationThrottled", message);
    error.headers.push("retry-after", "1");
    Err(finish(&mut world, call, Err(error)))
}

/// Serves one request: record, faults, admission, latency, execution.
pub async fn serve(shared: &Shared, call: &Call, path: &str) -> Outcome {
    // The mailbox's place is taken before fault rules apply: a call that hangs does occupy Exchange.
    let slot = admit(shared, call, path);
    let target = if call.query.is_empty() { path.to_owned() } else { format!("{path}?{}", call.query) };
    let targets = vec![(call.method.clone(), target)];
    let run = async {
        if let Err(refusal) = &slot {
            return Outcome::Reply(refusal.clone());
        }
        let latency_ms = shared.lock().settings.graph_latency_ms;
        if latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(latency_ms)).await;
        }
        if subscriptions::is_creation(call, path) {
            return Outcome::Reply(subscriptions::create(shared, call, path).await);
        }
        Outcome::Reply(execute(&mut shared.lock(), call, path))
    };
    let outcome = shared.observed("graph", call, targets, run).await;
    drop(slot);
    outcome
}
