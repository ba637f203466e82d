//! Demands: calls of tools, readings of resources, prompts and completions, from their parameters to their place in the
//! queue.
//!
//! What holds here: they differ in how they are named and answered and in nothing else; each is checked for its scope,
//! has a ledger entry, and waits in the same queue if it costs a call.

use std::borrow::Cow;

use protocol::digest::canonical_json;
use protocol::ids::RequestId;
use protocol::jsonrpc::{self, Id, RpcError};
use protocol::limits::{REQUEST_DEADLINE, TASK_DEADLINE};
use protocol::mcp::envelope::{ClientCapabilities, meta, trace};
use protocol::mcp::mrtr::{self, Answers, RequestState, Resumption};
use protocol::mcp::{self, Method, errors};
use protocol::object::{Challenge, ObjectReply};
use protocol::prompts::Prompt;
use protocol::secret::Secret;
use protocol::time::UnixMs;
use protocol::tools::{
    Finished, Offer, Plan, Planned, Resource, Surroundings, Target, Tool, ToolError, cursor, handles,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::apps::Calling;
use super::super::calls::sign_in_error;
use super::super::run::{Progress, Run, Waiter, Work};
use super::super::settle::Settled;
use super::super::{Txn, UserSession, reply};
use super::{Asking, refuse};
use crate::grants::Grant;
use crate::ledger::{Entry, EntryEvent, Fingerprint, Kind, Transition};
use crate::log::LogLine;
use crate::queue::{Full, Priority};
use crate::rate::TooSoon;
use crate::refresher::Access;
use crate::turn::{Effect, Fault, ReplyTo, Turn};

/// What is asked for, which may be new or a repeat.
pub(super) struct Demand<'a> {
    pub asking: Asking<'a>,
    pub target: Target,
    pub arguments: Map<String, Value>,
    pub waiter: Waiter,
    /// By what a repeat in the same session is recognised; none without a session, where ids mean nothing.
    pub in_session: Option<Fingerprint>,
    pub fingerprint: Fingerprint,
    pub idempotency_key: Option<Fingerprint>,
    /// What earlier rounds of questions brought.
    pub state: RequestState,
}

/// A request whose entry is written and of which nothing has left yet.
pub(in super::super) struct Started {
    pub request: RequestId,
    pub target: Target,
    pub arguments: Map<String, Value>,
    pub entry: Entry,
    pub waiters: Vec<Waiter>,
    /// What the client can be asked for.
    pub client: ClientCapabilities,
    /// What was asked and answered so far.
    pub state: RequestState,
    /// Whether its row says that its client is asked.
    pub was_asked: bool,
    /// The assertion that came with the request.
    pub assertion: Option<Secret<String>>,
}

/// What is asked for, before the caller's right to it is checked.
struct Asked {
    target: Target,
    arguments: Map<String, Value>,
    uri: Option<String>,
}

impl Asked {
    const fn of(target: Target, arguments: Map<String, Value>) -> Self {
        Self { target, arguments, uri: None }
    }
}

impl UserSession {
    /// Serves what may cost a call.
    pub(super) fn on_demand(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        asking: Asking<'_>,
        id: &Id,
        (method, params): (Method, Option<&RawValue>),
    ) -> Result<(), Fault> {
        let meta = meta(params).unwrap_or_default();
        // What the client itself says is nearer than what some proxy on the way says.
        let asking = Asking { trace: trace(&meta).or(asking.trace), ..asking };
        if self.is_too_soon(turn, txn, to, (&asking, id)) {
            return Ok(());
        }
        let is_stateless = asking.conversation.session().is_none();
        let asked = read(method, params, is_stateless, self.config.offer());
        let resumption = if is_stateless { mrtr::read(params) } else { Ok(Resumption::default()) };
        let (mut asked, resumption) = match asked.and_then(|asked| Ok((asked, resumption?))) {
            Ok(both) => both,
            Err(error) => return refuse(txn, to, 200, Some(id), &error),
        };
        let needed = asked.target.scopes_of_references(&asked.arguments);
        let mut needed = asked.target.scope().into_iter().chain(needed);
        if let Some(scope) = needed.find(|scope| !asking.caller.scopes.iter().any(|own| own == scope)) {
            return self.lack_scope(turn.now, txn, to, (asking.caller, id), scope);
        }
        let conversation = Some(asking.conversation);
        let uri = asked.uri.take();
        let mut waiter = Waiter::new(to, Some(id.clone()), conversation, turn.now);
        waiter.uri = uri;
        waiter.progress = mcp::read_progress_token(&meta).map(|token| Progress { token, told: 0 });
        #[cfg(feature = "conformance")]
        {
            waiter.log_level = asking.log_level;
        }
        let mut demand = self.recognisable(turn, waiter, asking, id, asked)?;
        match self.resume(turn.now, &mut demand, resumption)? {
            Ok(()) => self.new_or_repeat(turn, txn, demand),
            Err(error) => refuse(txn, to, 200, Some(id), &error),
        }
    }

    /// Refuses whoever asks too often; says whether it did.
    pub(super) fn is_too_soon(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (asking, id): (&Asking<'_>, &Id),
    ) -> bool {
        let passes = self.rate.pass(asking.caller.grant, turn.now);
        if let Err(too_soon) = passes {
            refuse_for_rate(txn, to, turn.now, (asking, id), too_soon);
            return true;
        }
        false
    }

    /// Adds by what a repeat would be recognised.
    fn recognisable<'a>(
        &self,
        turn: &mut Turn,
        waiter: Waiter,
        asking: Asking<'a>,
        id: &Id,
        asked: Asked,
    ) -> Result<Demand<'a>, Fault> {
        let Asked { target, mut arguments, .. } = asked;
        let id_text = serde_json::to_string(id).unwrap_or_default();
        let in_session = asking.conversation.session();
        let in_session = in_session
            .map(|session| self.fingerprint(&[b"id", session.as_bytes(), id_text.as_bytes()]))
            .transpose()?;
        let idempotency_key = arguments
            .get("idempotencyKey")
            .filter(|_| target.writes_with(&arguments))
            .and_then(Value::as_str);
        let idempotency_key =
            idempotency_key.map(|text| self.fingerprint(&[b"key", text.as_bytes()])).transpose()?;
        // The idempotency key names a call and is not a part of what is called.
        let named = arguments.remove("idempotencyKey");
        let canonical = canonical_json(&Value::Object(arguments.clone()));
        let fingerprint = self.fingerprint(&[b"call", target.name().as_bytes(), canonical.as_bytes()])?;
        if let Some(named) = named {
            arguments.insert("idempotencyKey".to_owned(), named);
        }
        let state = RequestState::new(turn.entropy.bytes());
        Ok(Demand { asking, target, arguments, waiter, in_session, fingerprint, idempotency_key, state })
    }

    /// Begins a new call: ledger entry, plan, place in the queue.
    pub(super) fn begin(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        call: Demand<'_>,
    ) -> Result<(), Fault> {
        let need = match self.refresher.access(turn.now) {
            Access::SignInAgain(need) if needs_account(call.target) => Some(need),
            _ => None,
        };
        let has_client = |grant: &Grant| !grant.client_digest.is_empty();
        if need.is_some() && self.grants.standing(&call.asking.caller.grant).is_some_and(has_client) {
            // The client signs the person in by itself once it is told so (MCP 2025-11-25, basic/authorization). A
            // connection by link has no client that could.
            if let Some(to) = call.waiter.to {
                reply(txn, to, ObjectReply::challenged(Challenge::SignInAgain));
            }
            return Ok(());
        }
        let writes = call.target.writes_with(&call.arguments);
        let mut entry = Entry::new(Kind::Tool(call.target.name().to_owned()), writes, call.fingerprint);
        let (request, caller) = (call.asking.request, call.asking.caller);
        entry.client.clone_from(&caller.client);
        entry.grant = Some(caller.grant);
        entry.session = call.asking.conversation.session();
        entry.access_identity.clone_from(&caller.access_identity);
        entry.trace = call.asking.trace;
        entry.in_session = call.in_session;
        entry.idempotency_key = call.idempotency_key;
        self.ledger.forget_old(turn.now);
        self.ledger.insert(txn, request, &entry)?;
        let Demand { asking, target, arguments, waiter, state, .. } = call;
        let client = asking.client;
        let started = Started {
            request,
            target,
            arguments,
            entry,
            waiters: vec![waiter],
            client,
            state,
            was_asked: false,
            assertion: asking.assertion.map(|assertion| Secret::new(assertion.0.clone())),
        };
        let too_many = match self.config.policy.sends_per_hour.filter(|_| target.sends()) {
            Some(most) => self.sends.count(txn, request, most, turn.now)?,
            None => None,
        };
        let planned = match too_many {
            Some(wait) => Err(ToolError::too_many_messages(wait)),
            None => {
                self.plan(turn.now, request, target, &started.arguments, (&started.state.answers, client))
            }
        };
        let planned = planned.map_err(|error| need.map_or(error, |need| sign_in_error(need, target)));
        let planned = match planned {
            Err(error) if error.permission.is_none() && error.is_mended_by_connecting() => {
                Err(match self.connect_link(turn.now, request)? {
                    Some(link) => error.with_link(&link),
                    None => error,
                })
            }
            planned => planned,
        };
        self.proceed(turn, txn, started, planned)
    }

    /// Makes the plan of a request, or what has to come before it.
    pub(super) fn plan(
        &self,
        now: UnixMs,
        request: RequestId,
        target: Target,
        arguments: &Map<String, Value>,
        (answers, client): (&Answers, ClientCapabilities),
    ) -> Result<Planned, ToolError> {
        let (granted, policy) = (self.refresher.granted(now), &self.config.policy);
        let query = cursor::query_of(target.name(), arguments);
        let resume = match (target, self.user) {
            (Target::Tool(_), Some(user)) => {
                cursor::open(&self.config.encryption_keys, user, query, arguments, now)?
            }
            _ => None,
        };
        let mut named = Cow::Borrowed(arguments);
        let find = |handle: &str| self.handles.find(handle, now);
        match (target, arguments.get("uri").and_then(Value::as_str)) {
            (Target::Tool(_), _) => handles::expand(named.to_mut(), &find)?,
            (Target::Resource(_), Some(uri)) => {
                if let Some(expanded) = handles::expand_uri(uri, &find)? {
                    named.to_mut().insert("expandedUri".to_owned(), expanded.into());
                }
            }
            _ => {}
        }
        let link = if target == Target::Tool(Tool::Authenticate) {
            self.connect_link(now, request)
        } else {
            Ok(None)
        };
        let link = link.ok().flatten();
        let around = Surroundings {
            request,
            granted,
            now,
            zones: self.zones,
            mailbox_zone: self.mailbox_zone.read_lately(now),
            folders_off: &self.folders_off,
            answers,
            client,
            policy,
            query,
            resume: resume.as_ref(),
            linked_apps: &self.config.linked_apps,
            condense_route: self.config.gateway.condense.as_ref().map(|route| route.name.as_str()),
            connect_link: link.as_deref(),
        };
        Plan::make(target, &named, around)
    }

    /// Goes on with a request whose entry is written: its answer, a question, or a place in the queue.
    pub(super) fn proceed(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
        planned: Result<Planned, ToolError>,
    ) -> Result<(), Fault> {
        let target = started.target;
        let planned = match planned {
            Ok(Planned::Work(_) | Planned::Linked(_) | Planned::Ask(_)) if self.paused.is_some() => {
                Err(ToolError::paused())
            }
            planned => planned,
        };
        let work = match planned {
            Ok(Planned::Work(plan)) => Work::Tool { target, plan },
            Ok(Planned::Linked(call)) => {
                let calling = Calling { call: *call, assertion: started.assertion.clone() };
                let identity = started.entry.access_identity.as_deref();
                if let Some(error) = self.app_refusal(turn.now, &calling, identity) {
                    return self.refuse_at_once(turn, txn, started, error);
                }
                Work::App(Box::new(calling))
            }
            Ok(Planned::Done(finished)) => return self.done_at_once(turn, txn, started, finished),
            Ok(Planned::Ask(questions)) => return self.ask_client(turn, txn, started, &questions),
            #[cfg(feature = "conformance")]
            Ok(Planned::Talk(acts)) => return self.talk(turn, txn, started, acts),
            Err(error) => return self.refuse_with_way(turn, txn, started, error),
        };
        let mut started = started;
        let is_long = matches!(&work, Work::Tool { plan, .. } if plan.is_long());
        if is_long && started.may_become_task() {
            self.begin_task(turn, txn, &mut started)?;
        }
        let Started { request, arguments, entry, mut waiters, was_asked, .. } = started;
        let mut run = if entry.task.is_some() {
            Run::new(work, entry, Priority::Background, request.created_at().plus(TASK_DEADLINE))
        } else {
            Run::new(work, entry, Priority::Interactive, turn.now.plus(REQUEST_DEADLINE))
        };
        run.waiters.append(&mut waiters);
        run.zone_first = self.asks_zone_first(turn.now, &run, &arguments);
        let job = run.job(request, turn.now);
        let is_tool = matches!(run.work, Work::Tool { .. });
        let closed_for = is_tool.then(|| self.queue.closed_for(job.lane, turn.now));
        let refused = match closed_for.filter(|wait| *wait >= REQUEST_DEADLINE) {
            // Waiting would be in vain.
            Some(closed_for) => Some(ToolError::throttled(closed_for)),
            None => {
                let full = self.queue.admit(job).err();
                full.map(|Full { retry_after }| ToolError::busy(retry_after))
            }
        };
        if let Some(error) = refused {
            return self.settle(turn, txn, request, run, EntryEvent::Refused, &Settled::Error(error));
        }
        if was_asked {
            self.ledger.update(txn, request, &run.entry)?;
        }
        run.inserted_in_turn = self.turn_number;
        self.runs.insert(request, run);
        Ok(())
    }

    /// Nothing leaves, but an entry that ends well has been through every state of its life.
    pub(super) fn done_at_once(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
        finished: Finished,
    ) -> Result<(), Fault> {
        let Started { request, mut entry, waiters, .. } = started;
        if entry.apply(EntryEvent::Sent) == Transition::Illegal {
            return Err(Fault::Invariant("a new entry cannot begin"));
        }
        let settled = Settled::Result(finished);
        self.settle_entry(turn, txn, request, entry, &waiters, EntryEvent::Succeeded, &settled)
    }

    pub(super) fn refuse_at_once(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
        error: ToolError,
    ) -> Result<(), Fault> {
        let Started { request, entry, waiters, .. } = started;
        let settled = Settled::Error(error);
        self.settle_entry(turn, txn, request, entry, &waiters, EntryEvent::Refused, &settled)
    }
}

fn read(
    method: Method,
    params: Option<&RawValue>,
    is_stateless: bool,
    offer: Offer<'_>,
) -> Result<Asked, RpcError> {
    match method {
        Method::ReadResource => {
            let uri = mcp::read_uri(params)?;
            let target = find_resource(&uri).ok_or_else(|| errors::resource_not_found(&uri, is_stateless))?;
            let arguments = Map::from_iter([("uri".to_owned(), uri.clone().into())]);
            Ok(Asked { uri: Some(uri), ..Asked::of(target, arguments) })
        }
        Method::GetPrompt => {
            let call = mcp::read_prompt_call(params)?;
            let target = match Prompt::from_wire(&call.name) {
                Some(prompt) => prompt.check(&call.arguments).map(|()| Target::Prompt(prompt))?,
                None => fixture(&call.name).ok_or_else(|| unknown("prompt", &call.name, "prompts/list"))?,
            };
            Ok(Asked::of(target, call.arguments))
        }
        Method::Complete => {
            let call = mcp::read_completion(params)?;
            let chosen: Map<String, Value> =
                call.chosen.into_iter().map(|(name, value)| (name, value.into())).collect();
            let arguments =
                [("typed".to_owned(), call.typed.into()), ("chosen".to_owned(), Value::Object(chosen))];
            Ok(Asked::of(Target::Completion(call.completion), Map::from_iter(arguments)))
        }
        _ => {
            let call = mcp::read_tool_call(params)?;
            let tool = Tool::from_wire(&call.name).filter(|tool| offer.has(*tool));
            let tool = tool.map(Target::Tool).or_else(|| fixture(&call.name));
            let target = tool.ok_or_else(|| unknown("tool", &call.name, "tools/list"))?;
            Ok(Asked::of(target, call.arguments.unwrap_or_default()))
        }
    }
}

fn find_resource(uri: &str) -> Option<Target> {
    Resource::from_uri(uri).map(Target::Resource).or_else(|| fixture(uri))
}

/// What only the conformance suite knows by this name.
#[cfg(feature = "conformance")]
fn fixture(name: &str) -> Option<Target> {
    protocol::fixtures::Fixture::from_wire(name).map(Target::Fixture)
}

#[cfg(not(feature = "conformance"))]
const fn fixture(_name: &str) -> Option<Target> {
    None
}

fn unknown(what: &str, name: &str, list: &str) -> RpcError {
    let name = errors::shown(name, 80);
    RpcError::invalid_params(format!("This server has no {what} `{name}`. `{list}` names all of them."))
}

/// Whether a target is of no use without a connected account. What says how to connect one must work without it, and a
/// linked app is none of Microsoft's.
fn needs_account(target: Target) -> bool {
    let works_without = matches!(target, Target::Tool(Tool::Authenticate | Tool::CallLinkedApp));
    target.scope().is_some() && !works_without
}

/// Says when to come back (RFC 6585, section 4). It is the same in both eras, and costs neither a row nor a call.
fn refuse_for_rate(
    txn: &mut Txn<'_>,
    to: ReplyTo,
    now: UnixMs,
    (asking, id): (&Asking<'_>, &Id),
    too_soon: TooSoon,
) {
    let seconds = too_soon.wait.as_secs_rounded_up();
    let mut error = RpcError::invalid_request(format!(
        "Too many requests for this account. Nothing was done. Try again in {seconds} seconds."
    ));
    error.data = Some(json!({ "retryAfterSeconds": seconds }));
    let mut refusal = ObjectReply::status_with_body(429, jsonrpc::failure(Some(id), &error));
    refusal.retry_after = Some(too_soon.wait);
    reply(txn, to, refusal);
    if too_soon.is_logged {
        let line = LogLine::new("rate_limited", now)
            .with("requestId", asking.request.to_string())
            .with("userKey", asking.caller.user.to_string())
            .with("client", asking.caller.client.clone())
            .with("grant", asking.caller.grant.to_string())
            .with_some("accessIdentity", asking.caller.access_identity.clone())
            .with("retryAfterS", seconds)
            .with_trace(asking.trace);
        txn.emit(Effect::Log(line));
    }
}
