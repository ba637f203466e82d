//! MCP messages of the revisions with sessions: what each is answered with.
//!
//! What holds here: a request is first recognised as new or as a repeat, and only a new one gets a plan; a repeat waits
//! for the first or gets its answer. Statuses and codes are those of MCP 2025-11-25, basic/transports.

use std::collections::BTreeSet;

use protocol::digest::canonical_json;
use protocol::ids::{RequestId, SessionId};
use protocol::jsonrpc::{self, Id, Message, RpcError, codes};
use protocol::limits::{ANSWER_KEPT_FOR, REQUEST_DEADLINE};
use protocol::mcp::{self, Method};
use protocol::object::{Caller, Challenge, McpMessage, ObjectReply};
use protocol::time::UnixMs;
use protocol::tools::{Fault as Blame, Plan, Surroundings, Tool, ToolError};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::run::{Run, Waiter, Work};
use super::settle::Settled;
use super::{Txn, UserSession, reply};
use crate::ledger::{Entry, EntryEvent, EntryState, Fingerprint, Kind, Ledger};
use crate::queue::{Full, Priority};
use crate::sessions::Session;
use crate::turn::{Fault, ReplyTo, Turn};

/// A tool call that was read and may be new or a repeat.
struct ToolCall<'a> {
    request: RequestId,
    caller: &'a Caller,
    session: SessionId,
    tool: Tool,
    arguments: Map<String, Value>,
    waiter: Waiter,
    in_session: Fingerprint,
    fingerprint: Fingerprint,
    idempotency_key: Option<Fingerprint>,
}

impl UserSession {
    /// Serves one MCP message.
    pub(super) fn on_mcp(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        request: RequestId,
        caller: &Caller,
        message: &McpMessage,
    ) -> Result<(), Fault> {
        if self.grants.get(&caller.grant).is_none() {
            reply(txn, to, ObjectReply::challenged(Challenge::InvalidToken));
            return Ok(());
        }
        let read = match jsonrpc::read(&message.body) {
            Ok(read) => read,
            Err(unreadable) => {
                // In a batch the error stands among the answers to the other messages.
                let status = if message.in_batch { 200 } else { 400 };
                return refuse(txn, to, status, unreadable.id.as_ref(), &unreadable.error);
            }
        };
        if let Message::Request { id, method, params } = &read
            && Method::from_wire(method) == Some(Method::Initialize)
        {
            return self.on_initialize(turn, txn, to, caller, message, (id, *params));
        }
        let id = match &read {
            Message::Request { id, .. } | Message::Response { id } => Some(id),
            Message::Notification { .. } => None,
        };
        let Some(header) = &message.session else {
            let error =
                RpcError::invalid_request("The header Mcp-Session-Id is missing. Send `initialize` first.");
            return refuse(txn, to, 400, id, &error);
        };
        let Some((session_id, session)) = self.sessions.find(header, caller.grant) else {
            let error =
                RpcError::invalid_request("This session does not exist any more. Send `initialize` again.");
            return refuse(txn, to, 404, id, &error);
        };
        if message.in_batch && !session.revision.has_batches() {
            let error = RpcError::invalid_request(
                "This session's protocol revision has no batches. Send one message.",
            );
            return refuse(txn, to, 400, id, &error);
        }
        self.sessions.touch(txn, &session_id, turn.now)?;
        let waited_for_word = self.unconfirmed.remove(&session_id).unwrap_or_default();
        self.unheard = None;
        self.on_message(turn, txn, to, (request, caller, session_id), read)?;
        self.confirm(txn, session_id, waited_for_word)
    }

    /// A session that goes on has heard the late answers that it was given, except one that it asks for again or gives
    /// up on.
    fn confirm(
        &mut self,
        txn: &mut Txn<'_>,
        session: SessionId,
        answers: BTreeSet<RequestId>,
    ) -> Result<(), Fault> {
        for request in answers {
            if self.unheard == Some(request) {
                self.unconfirmed.entry(session).or_default().insert(request);
            } else {
                self.on_delivered(txn, request)?;
            }
        }
        Ok(())
    }

    fn on_message(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller, session_id): (RequestId, &Caller, SessionId),
        read: Message<'_>,
    ) -> Result<(), Fault> {
        match read {
            Message::Request { id, method, params } => {
                self.on_request(turn, txn, to, (request, caller, session_id), id, (&method, params))
            }
            Message::Notification { method, params } => {
                if method == mcp::CANCELLED {
                    self.on_cancelled(turn, txn, session_id, params)?;
                }
                reply(txn, to, ObjectReply::status(202));
                Ok(())
            }
            // This server asks clients nothing yet, so an answer belongs to no question.
            Message::Response { .. } => {
                reply(txn, to, ObjectReply::status(202));
                Ok(())
            }
        }
    }

    fn on_initialize(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        message: &McpMessage,
        (id, params): (&Id, Option<&RawValue>),
    ) -> Result<(), Fault> {
        if message.in_batch {
            let error = RpcError::invalid_request("`initialize` must not be part of a batch.");
            return refuse(txn, to, 400, Some(id), &error);
        }
        let opening = match mcp::read_opening(params) {
            Ok(opening) => opening,
            Err(error) => return refuse(txn, to, 200, Some(id), &error),
        };
        let session_id = SessionId::from_bytes(turn.entropy.bytes());
        let session = Session {
            revision: opening.revision,
            grant: caller.grant,
            client_name: opening.client_name,
            opened_at: turn.now,
            used_at: turn.now,
        };
        self.sessions.open(txn, session_id, session)?;
        let mut answer = ObjectReply::json(jsonrpc::success(id, &mcp::opening_result(opening.revision)));
        answer.session = Some(session_id);
        reply(txn, to, answer);
        Ok(())
    }

    fn on_request(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller, session): (RequestId, &Caller, SessionId),
        id: Id,
        (method, params): (&str, Option<&RawValue>),
    ) -> Result<(), Fault> {
        let answer = match Method::from_wire(method) {
            Some(Method::Ping) => jsonrpc::success(&id, &Map::new()),
            Some(Method::ListTools) => jsonrpc::success(&id, &mcp::tool_list()),
            Some(Method::CallTool) => {
                return match self.read_tool_call(turn.now, to, (request, caller, session), &id, params)? {
                    Ok(call) => self.on_tool_call(turn, txn, call),
                    Err(ReadRefused::Error(error)) => refuse(txn, to, 200, Some(&id), &error),
                    Err(ReadRefused::MissingScope(tool)) => {
                        let message = format!("The access token lacks the scope `{}`.", tool.scope());
                        let error = RpcError::invalid_request(message);
                        let mut refusal = ObjectReply::challenged(Challenge::InsufficientScope(tool.scope()));
                        refusal.body = Some(jsonrpc::failure(Some(&id), &error));
                        reply(txn, to, refusal);
                        Ok(())
                    }
                };
            }
            Some(Method::Initialize) | None => {
                let shown: String = method.chars().filter(|c| !c.is_control()).take(80).collect();
                let error = RpcError::new(
                    codes::METHOD_NOT_FOUND,
                    format!(
                        "This server has no method `{shown}`. It has: initialize, ping, tools/list, tools/call."
                    ),
                );
                jsonrpc::failure(Some(&id), &error)
            }
        };
        reply(txn, to, ObjectReply::json(answer));
        Ok(())
    }

    fn read_tool_call<'a>(
        &mut self,
        now: UnixMs,
        to: ReplyTo,
        (request, caller, session): (RequestId, &'a Caller, SessionId),
        id: &Id,
        params: Option<&RawValue>,
    ) -> Result<Result<ToolCall<'a>, ReadRefused>, Fault> {
        let call = match mcp::read_tool_call(params) {
            Ok(call) => call,
            Err(error) => return Ok(Err(ReadRefused::Error(error))),
        };
        let Some(tool) = Tool::from_wire(&call.name) else {
            let shown: String = call.name.chars().filter(|c| !c.is_control()).take(80).collect();
            let message = format!("This server has no tool `{shown}`. `tools/list` names all tools.");
            return Ok(Err(ReadRefused::Error(RpcError::invalid_params(message))));
        };
        if !caller.scopes.iter().any(|scope| scope == tool.scope()) {
            return Ok(Err(ReadRefused::MissingScope(tool)));
        }
        let mut arguments = call.arguments.unwrap_or_default();
        let id_text = serde_json::to_string(id).unwrap_or_default();
        let in_session = self.fingerprint(&[b"id", session.as_bytes(), id_text.as_bytes()])?;
        let idempotency_key =
            arguments.get("idempotencyKey").filter(|_| tool.writes()).and_then(Value::as_str);
        let idempotency_key =
            idempotency_key.map(|text| self.fingerprint(&[b"key", text.as_bytes()])).transpose()?;
        // The idempotency key names a call and is not a part of what is called.
        let named = arguments.remove("idempotencyKey");
        let canonical = canonical_json(&Value::Object(arguments.clone()));
        let fingerprint = self.fingerprint(&[b"call", tool.name().as_bytes(), canonical.as_bytes()])?;
        if let Some(named) = named {
            arguments.insert("idempotencyKey".to_owned(), named);
        }
        let waiter = Waiter { to, id: Some(id.clone()), session: Some(session), asked_at: now };
        Ok(Ok(ToolCall {
            request,
            caller,
            session,
            tool,
            arguments,
            waiter,
            in_session,
            fingerprint,
            idempotency_key,
        }))
    }

    fn on_tool_call(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, call: ToolCall<'_>) -> Result<(), Fault> {
        match self.recognise(txn, turn.now, &call)? {
            Repeat::Not => self.begin(turn, txn, call),
            Repeat::Of(earlier) => {
                self.remember_join(txn, earlier, &call)?;
                if let Some(run) = self.runs.get_mut(&earlier) {
                    if run.waiters.is_empty() {
                        // Nobody waited any more, so the time that somebody will wait begins now.
                        run.deadline = run.deadline.max(turn.now.plus(REQUEST_DEADLINE));
                    }
                    run.waiters.push(call.waiter);
                    return Ok(());
                }
                let entry = Ledger::entry(txn, earlier)?;
                let answered = match &entry {
                    Some(entry) => self.answer_again(txn, earlier, entry, &call.waiter)?,
                    None => false,
                };
                match entry {
                    Some(entry) if !answered && entry.writes => {
                        let error =
                            ToolError::outcome_unknown("the first of these equal calls", "at its effect");
                        let result = mcp::tool_failure(&error);
                        let id =
                            call.waiter.id.as_ref().ok_or(Fault::Invariant("a tool call without an id"))?;
                        reply(txn, call.waiter.to, ObjectReply::json(jsonrpc::success(id, &result)));
                        Ok(())
                    }
                    // A read whose answer was too large to be kept runs again.
                    _ if !answered => self.begin(turn, txn, call),
                    _ => Ok(()),
                }
            }
            Repeat::Conflict(error) => refuse(txn, call.waiter.to, 200, call.waiter.id.as_ref(), &error),
        }
    }

    /// A call that joins an earlier one under an id of its own may itself be repeated under that id, even after the
    /// answer was taken; so the id is stored with the entry. The stored row is changed and not written anew from memory,
    /// where a write may look as if it had never left.
    fn remember_join(
        &mut self,
        txn: &mut Txn<'_>,
        earlier: RequestId,
        call: &ToolCall<'_>,
    ) -> Result<(), Fault> {
        let is_known = self.ledger.same_id_in_session(&call.in_session) == Some(earlier);
        let Some(mut entry) = Ledger::entry(txn, earlier)?.filter(|entry| entry.writes && !is_known) else {
            return Ok(());
        };
        entry.join(&call.in_session);
        if let Some(run) = self.runs.get_mut(&earlier) {
            run.entry.join(&call.in_session);
        }
        self.ledger.update(txn, earlier, &entry)
    }

    /// Decides whether a call is new. The rules and their reasons stand in `docs/architecture.md`, "Repeats".
    fn recognise(&self, txn: &Txn<'_>, now: UnixMs, call: &ToolCall<'_>) -> Result<Repeat, Fault> {
        if Ledger::entry(txn, call.request)?.is_some() {
            return Ok(Repeat::Of(call.request));
        }
        if let Some(earlier) = self.ledger.same_id_in_session(&call.in_session)
            && let Some(entry) = Ledger::entry(txn, earlier)?
        {
            return Ok(if entry.fingerprint == call.fingerprint {
                Repeat::Of(earlier)
            } else {
                let message =
                    "This id was used for another request of this session. Use a new id for each request.";
                Repeat::Conflict(RpcError::invalid_request(message))
            });
        }
        if let Some(key) = &call.idempotency_key
            && let Some(earlier) = Ledger::same_key(txn, key)?
            && let Some(entry) = Ledger::entry(txn, earlier)?
        {
            if entry.fingerprint != call.fingerprint {
                let message = "This idempotencyKey was used for a call with other arguments. Use a new key.";
                return Ok(Repeat::Conflict(RpcError::invalid_params(message)));
            }
            let had_no_effect = matches!(entry.state, EntryState::Failed | EntryState::Cancelled);
            return Ok(if had_no_effect { Repeat::Not } else { Repeat::Of(earlier) });
        }
        if call.tool.writes() {
            for earlier in self.ledger.equal_writes(&call.fingerprint) {
                let Some(entry) = Ledger::entry(txn, earlier)? else { continue };
                // A client that names the call with a key of its own means another call than one without that key.
                let same_name =
                    call.idempotency_key.is_none() || call.idempotency_key == entry.idempotency_key;
                if same_name && is_joinable(&entry, now) {
                    return Ok(Repeat::Of(earlier));
                }
            }
        }
        Ok(Repeat::Not)
    }

    /// Begins a new call: ledger entry, plan, place in the queue.
    fn begin(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, call: ToolCall<'_>) -> Result<(), Fault> {
        let mut entry =
            Entry::new(Kind::Tool(call.tool.name().to_owned()), call.tool.writes(), call.fingerprint);
        entry.client.clone_from(&call.caller.client);
        entry.grant = Some(call.caller.grant);
        entry.session = Some(call.session);
        entry.access_identity.clone_from(&call.caller.access_identity);
        entry.in_session = Some(call.in_session);
        entry.idempotency_key = call.idempotency_key;
        self.ledger.forget_old(turn.now);
        self.ledger.insert(txn, call.request, &entry)?;
        let planned = match self.refresher.granted() {
            Some(granted) => {
                Plan::new(call.tool, &call.arguments, Surroundings { request: call.request, granted })
            }
            None => Err(ToolError::sign_in_again()),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(error) => return self.refuse_at_once(turn, txn, call.request, entry, call.waiter, error),
        };
        let work = Work::Tool { tool: call.tool, plan };
        let mut run = Run::new(work, entry, Priority::Interactive, turn.now.plus(REQUEST_DEADLINE));
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

    /// A client gave up on a request. What has not left is called off; what has left is left to end, and its outcome is
    /// kept.
    fn on_cancelled(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        session: SessionId,
        params: Option<&RawValue>,
    ) -> Result<(), Fault> {
        let Some(id) = mcp::read_cancelled(params) else { return Ok(()) };
        let id_text = serde_json::to_string(&id).unwrap_or_default();
        let in_session = self.fingerprint(&[b"id", session.as_bytes(), id_text.as_bytes()])?;
        let Some(request) = self.ledger.same_id_in_session(&in_session) else { return Ok(()) };
        self.unheard = Some(request);
        let never_left = self.runs.get(&request).is_some_and(|run| run.entry.calls == 0);
        if never_left && let Some(run) = self.runs.remove(&request) {
            let error = ToolError::new(
                Blame::Caller,
                "cancelled",
                "The client cancelled this call before it was sent.",
            );
            self.settle(turn, txn, request, run, EntryEvent::Cancelled, &Settled::Error(error))?;
        }
        Ok(())
    }

    /// Ends a session at the client's wish.
    pub(super) fn on_end_session(&mut self, txn: &mut Txn<'_>, to: ReplyTo, caller: &Caller, header: &str) {
        if self.grants.get(&caller.grant).is_none() {
            reply(txn, to, ObjectReply::challenged(Challenge::InvalidToken));
            return;
        }
        let known = self.sessions.find(header, caller.grant).map(|(id, _)| id);
        let status = match known {
            Some(id) => {
                self.sessions.end(txn, &id);
                204
            }
            None => 404,
        };
        reply(txn, to, ObjectReply::status(status));
    }
}

/// Whether an equal call is a repeat of an earlier write: that one is not settled, or its answer was never taken.
fn is_joinable(entry: &Entry, now: UnixMs) -> bool {
    match entry.state {
        EntryState::Queued | EntryState::InFlight | EntryState::Reconciling => true,
        EntryState::Done | EntryState::Unknown => {
            !entry.delivered && now.since(entry.settled_at.unwrap_or(now)) < ANSWER_KEPT_FOR
        }
        EntryState::Failed | EntryState::Cancelled => false,
    }
}

enum ReadRefused {
    Error(RpcError),
    MissingScope(Tool),
}

enum Repeat {
    Not,
    Of(RequestId),
    Conflict(RpcError),
}

fn refuse(
    txn: &mut Txn<'_>,
    to: ReplyTo,
    status: u16,
    id: Option<&Id>,
    error: &RpcError,
) -> Result<(), Fault> {
    reply(txn, to, ObjectReply::status_with_body(status, jsonrpc::failure(id, error)));
    Ok(())
}
