//! Demands: calls of tools and readings of resources, from their parameters to their place in the queue.
//!
//! What holds here: a tool and a resource differ in how they are named and answered and in nothing else; both are checked
//! for their scope, both have a ledger entry, and both wait in the same queue.

use protocol::digest::canonical_json;
use protocol::ids::{RequestId, SessionId};
use protocol::jsonrpc::{self, Id, RpcError};
use protocol::limits::REQUEST_DEADLINE;
use protocol::mcp::{self, Method};
use protocol::object::{Caller, Challenge, ObjectReply};
use protocol::tools::{Plan, Planned, Surroundings, Target, Tool, ToolError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::run::{Progress, Run, Waiter, Work};
use super::super::settle::Settled;
use super::super::{Txn, UserSession, reply};
use super::refuse;
use crate::ledger::{Entry, EntryEvent, Fingerprint, Kind, Transition};
use crate::queue::{Full, Priority};
use crate::turn::{Fault, ReplyTo, Turn};

/// A call of a tool or the reading of a resource, which may be new or a repeat.
pub(super) struct Demand<'a> {
    pub request: RequestId,
    pub caller: &'a Caller,
    pub session: SessionId,
    pub target: Target,
    pub arguments: Map<String, Value>,
    pub waiter: Waiter,
    pub in_session: Fingerprint,
    pub fingerprint: Fingerprint,
    pub idempotency_key: Option<Fingerprint>,
}

/// What is asked for, before the caller's right to it is checked.
struct Asked {
    target: Target,
    arguments: Map<String, Value>,
}

impl UserSession {
    /// Serves a call of a tool or the reading of a resource.
    pub(super) fn on_demand(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller, session): (RequestId, &Caller, SessionId),
        id: &Id,
        (method, params): (Method, Option<&RawValue>),
    ) -> Result<(), Fault> {
        let asked = match read(method, params) {
            Ok(asked) => asked,
            Err(error) => return refuse(txn, to, 200, Some(id), &error),
        };
        let scope = asked.target.scope();
        if !caller.scopes.iter().any(|granted| granted == scope) {
            let error = RpcError::invalid_request(format!("The access token lacks the scope `{scope}`."));
            let mut refusal = ObjectReply::challenged(Challenge::InsufficientScope(scope));
            refusal.body = Some(jsonrpc::failure(Some(id), &error));
            reply(txn, to, refusal);
            return Ok(());
        }
        let mut waiter = Waiter::new(to, Some(id.clone()), Some(session), turn.now);
        waiter.progress = mcp::read_progress_token(params).map(|token| Progress { token, told: 0 });
        let demand = self.recognisable(waiter, (request, caller, session), id, asked)?;
        self.new_or_repeat(turn, txn, demand)
    }

    /// Adds by what a repeat would be recognised.
    fn recognisable<'a>(
        &self,
        waiter: Waiter,
        (request, caller, session): (RequestId, &'a Caller, SessionId),
        id: &Id,
        asked: Asked,
    ) -> Result<Demand<'a>, Fault> {
        let Asked { target, mut arguments } = asked;
        let id_text = serde_json::to_string(id).unwrap_or_default();
        let in_session = self.fingerprint(&[b"id", session.as_bytes(), id_text.as_bytes()])?;
        let idempotency_key =
            arguments.get("idempotencyKey").filter(|_| target.writes()).and_then(Value::as_str);
        let idempotency_key =
            idempotency_key.map(|text| self.fingerprint(&[b"key", text.as_bytes()])).transpose()?;
        // The idempotency key names a call and is not a part of what is called.
        let named = arguments.remove("idempotencyKey");
        let canonical = canonical_json(&Value::Object(arguments.clone()));
        let fingerprint = self.fingerprint(&[b"call", target.name().as_bytes(), canonical.as_bytes()])?;
        if let Some(named) = named {
            arguments.insert("idempotencyKey".to_owned(), named);
        }
        Ok(Demand {
            request,
            caller,
            session,
            target,
            arguments,
            waiter,
            in_session,
            fingerprint,
            idempotency_key,
        })
    }

    /// Begins a new call: ledger entry, plan, place in the queue.
    pub(super) fn begin(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        call: Demand<'_>,
    ) -> Result<(), Fault> {
        let mut entry =
            Entry::new(Kind::Tool(call.target.name().to_owned()), call.target.writes(), call.fingerprint);
        entry.client.clone_from(&call.caller.client);
        entry.grant = Some(call.caller.grant);
        entry.session = Some(call.session);
        entry.access_identity.clone_from(&call.caller.access_identity);
        entry.in_session = Some(call.in_session);
        entry.idempotency_key = call.idempotency_key;
        self.ledger.forget_old(turn.now);
        self.ledger.insert(txn, call.request, &entry)?;
        let around = Surroundings {
            request: call.request,
            granted: self.refresher.granted(),
            now: turn.now,
            zones: self.zones,
        };
        let plan = match Plan::make(call.target, &call.arguments, around) {
            Ok(Planned::Work(plan)) => plan,
            Ok(Planned::Done(finished)) => {
                // Nothing leaves, but an entry that ends well has been through every state of its life.
                if entry.apply(EntryEvent::Sent) == Transition::Illegal {
                    return Err(Fault::Invariant("a new entry cannot begin"));
                }
                let settled = Settled::Result(finished);
                let (event, waiters) = (EntryEvent::Succeeded, [call.waiter]);
                return self.settle_entry(turn, txn, call.request, entry, &waiters, event, &settled);
            }
            Err(error) => return self.refuse_at_once(turn, txn, call.request, entry, call.waiter, error),
        };
        let work = Work::Tool { target: call.target, plan };
        let mut run = Run::new(work, entry, Priority::Interactive, turn.now.plus(REQUEST_DEADLINE));
        let closed_for = run.graph_call().map(|call| self.queue.closed_for(call.lane, turn.now));
        if let Some(closed_for) = closed_for.filter(|wait| *wait >= REQUEST_DEADLINE) {
            // Waiting would be in vain.
            let throttled = ToolError::throttled(closed_for);
            return self.refuse_at_once(turn, txn, call.request, run.entry, call.waiter, throttled);
        }
        if let Err(Full { retry_after }) = self.queue.admit(run.job(call.request, turn.now)) {
            let busy = ToolError::busy(retry_after);
            return self.refuse_at_once(turn, txn, call.request, run.entry, call.waiter, busy);
        }
        run.waiters.push(call.waiter);
        run.inserted_in_turn = self.turn_number;
        self.runs.insert(call.request, run);
        Ok(())
    }

    fn refuse_at_once(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        entry: Entry,
        waiter: Waiter,
        error: ToolError,
    ) -> Result<(), Fault> {
        let settled = Settled::Error(error);
        self.settle_entry(turn, txn, request, entry, &[waiter], EntryEvent::Refused, &settled)
    }
}

fn read(method: Method, params: Option<&RawValue>) -> Result<Asked, RpcError> {
    if method == Method::ReadResource {
        let resource = mcp::read_resource_uri(params)?;
        return Ok(Asked { target: Target::Resource(resource), arguments: Map::new() });
    }
    let call = mcp::read_tool_call(params)?;
    let Some(tool) = Tool::from_wire(&call.name) else {
        let shown: String = call.name.chars().filter(|c| !c.is_control()).take(80).collect();
        let message = format!("This server has no tool `{shown}`. `tools/list` names all tools.");
        return Err(RpcError::invalid_params(message));
    };
    Ok(Asked { target: Target::Tool(tool), arguments: call.arguments.unwrap_or_default() })
}
