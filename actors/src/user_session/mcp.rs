//! MCP messages of both eras: what each is answered with.
//!
//! What holds here: a request without a session touches none; whatever costs a call of Microsoft goes on as a demand (`demand`), which is first recognised as new or
//! as a repeat (`repeats`); everything else is answered at once. Statuses and codes are those of MCP 2025-11-25,
//! basic/transports. Without a session the edge has checked envelope and headers before.

mod ask;
pub(super) mod demand;
pub(super) mod inquiry;
mod permission;
mod repeats;
mod tasks;

use std::collections::BTreeSet;

use protocol::ids::{RequestId, SessionId};
use protocol::jsonrpc::{self, Id, Message, RpcError};
use protocol::mcp::envelope::{ClientCapabilities, Stateless};
use protocol::mcp::{self, Method, errors};
use protocol::object::{Assertion, Caller, Challenge, McpMessage, ObjectReply};
use protocol::time::UnixMs;
use protocol::tools::ToolError;
use protocol::trace::TraceContext;
use serde_json::Map;
use serde_json::value::RawValue;

use super::run::{Conversation, Waiter};
use super::{Txn, UserSession, reply};
use crate::ledger::Entry;
use crate::sessions::Session;
use crate::turn::{Fault, ReplyTo, Turn};

/// Who asks, under which request of the edge, and where.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub request: RequestId,
    pub caller: &'a Caller,
    pub conversation: Conversation,
    /// What the client can be asked for in its turn.
    pub client: ClientCapabilities,
    /// The trace that the request belongs to.
    pub trace: Option<TraceContext>,
    /// From which level on a request without a session wants log messages.
    #[cfg(feature = "conformance")]
    pub log_level: Option<mcp::envelope::LogLevel>,
    /// The assertion that came with the request.
    pub assertion: Option<&'a Assertion>,
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
        if !self.may_act(&caller.grant) {
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
        if let Some(stateless) = &message.stateless {
            return self.on_stateless(turn, txn, to, (request, caller, message, stateless), read);
        }
        if let Message::Request { id, method, params } = &read
            && Method::in_session(method) == Some(Method::Initialize)
        {
            return self.on_initialize(turn, txn, to, caller, message, (id, *params));
        }
        let id = match &read {
            Message::Request { id, .. } | Message::Response { id, .. } => Some(id),
            Message::Notification { .. } => None,
        };
        let Some(header) = &message.session else {
            let error =
                RpcError::invalid_request("The header Mcp-Session-Id is missing. Send `initialize` first.");
            return refuse(txn, to, 400, id, &error);
        };
        let Some((session_id, session)) = self.sessions.find(header, caller.grant, &self.grants) else {
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
        let capabilities = session.capabilities;
        let caller = &self.named(caller, Some(&session.client_name));
        self.sessions.touch(txn, &session_id, turn.now)?;
        let conversation = Conversation::Session(session_id);
        let waited_for_word = self.unconfirmed.remove(&conversation).unwrap_or_default();
        self.unheard = None;
        // A question travels on the stream of the call, and so needs one.
        let client = if message.accepts_stream { capabilities } else { ClientCapabilities::default() };
        let asking = Asking {
            request,
            caller,
            conversation,
            client,
            assertion: message.assertion.as_ref(),
            trace: message.trace,
            #[cfg(feature = "conformance")]
            log_level: None,
        };
        self.on_message(turn, txn, to, (asking, session_id), read)?;
        self.confirm(txn, conversation, waited_for_word)
    }

    /// Serves a request of the revision without sessions.
    fn on_stateless(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller, message, stateless): (RequestId, &Caller, &McpMessage, &Stateless),
        read: Message<'_>,
    ) -> Result<(), Fault> {
        let Message::Request { id, method, params } = read else {
            reply(txn, to, ObjectReply::status(202));
            return Ok(());
        };
        let known = Method::stateless(&method).filter(|method| !method.is_a_list());
        let Some(known) = known else {
            return refuse(txn, to, 404, Some(&id), &errors::unknown_method(&method));
        };
        let caller = &self.named(caller, stateless.client_name.as_deref());
        let conversation = Conversation::Grant(caller.grant);
        let waited_for_word = self.unconfirmed.remove(&conversation).unwrap_or_default();
        self.unheard = None;
        let asking = Asking {
            request,
            caller,
            conversation,
            client: stateless.capabilities,
            assertion: message.assertion.as_ref(),
            trace: message.trace,
            #[cfg(feature = "conformance")]
            log_level: stateless.log_level,
        };
        if matches!(known, Method::GetTask | Method::UpdateTask | Method::CancelTask) {
            self.on_task(turn, txn, to, asking, &id, (known, &method, params))?;
        } else {
            self.on_demand(turn, txn, to, asking, &id, (known, params))?;
        }
        self.confirm(txn, conversation, waited_for_word)
    }

    /// A client that goes on has heard the late answers that it was given, except one that it asks for again or gives up
    /// on.
    fn confirm(
        &mut self,
        txn: &mut Txn<'_>,
        conversation: Conversation,
        answers: BTreeSet<RequestId>,
    ) -> Result<(), Fault> {
        for request in answers {
            if self.unheard == Some(request) {
                self.unconfirmed.entry(conversation).or_default().insert(request);
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
        (asking, session_id): (Asking<'_>, SessionId),
        read: Message<'_>,
    ) -> Result<(), Fault> {
        match read {
            Message::Request { id, method, params } => {
                self.on_request(turn, txn, to, asking, id, (&method, params))
            }
            Message::Notification { method, params } => {
                if method == mcp::CANCELLED {
                    self.on_cancelled(turn, txn, session_id, params)?;
                }
                reply(txn, to, ObjectReply::status(202));
                Ok(())
            }
            Message::Response { id, result } => {
                self.on_response(turn, txn, session_id, &id, result)?;
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
            watched: BTreeSet::new(),
            events: Vec::new(),
            handed_out: 0,
            capabilities: opening.capabilities,
            #[cfg(feature = "conformance")]
            log_level: None,
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
        asking: Asking<'_>,
        id: Id,
        (name, params): (&str, Option<&RawValue>),
    ) -> Result<(), Fault> {
        let answer = match Method::in_session(name) {
            Some(Method::Ping) => jsonrpc::success(&id, &Map::new()),
            #[cfg(feature = "conformance")]
            Some(Method::SetLogLevel) => match mcp::read_log_level(params) {
                Ok(level) => {
                    if let Some(session) = asking.conversation.session() {
                        self.sessions.set_log_level(txn, &session, level)?;
                    }
                    jsonrpc::success(&id, &Map::new())
                }
                Err(error) => jsonrpc::failure(Some(&id), &error),
            },
            Some(
                method @ (Method::CallTool | Method::ReadResource | Method::GetPrompt | Method::Complete),
            ) => {
                return self.on_demand(turn, txn, to, asking, &id, (method, params));
            }
            Some(action @ (Method::Subscribe | Method::Unsubscribe)) => {
                let watch = action == Method::Subscribe;
                let from = (asking.caller, asking.conversation.session());
                return self.on_subscription(turn.now, txn, to, from, &id, (watch, name, params));
            }
            method => match (
                mcp::check_list(name, params),
                method.and_then(|it| mcp::list_text(it, self.config.offer(), false)),
            ) {
                (_, None) => jsonrpc::failure(Some(&id), &errors::unknown_method(name)),
                (Err(error), Some(_)) => jsonrpc::failure(Some(&id), &error),
                (Ok(()), Some(list)) => jsonrpc::success(&id, &*list),
            },
        };
        reply(txn, to, ObjectReply::json(answer));
        Ok(())
    }

    /// A client gave up on a request. What has not been committed to is called off: whoever waits is answered at once, and
    /// the answer to a read that is in flight will be dropped. A write that may leave, or has left, is left to end, and
    /// its outcome is kept.
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
        let Some(run) = self.runs.get_mut(&request).filter(|run| run.has_no_intent()) else { return Ok(()) };
        let (leaving, staying): (Vec<Waiter>, Vec<Waiter>) = std::mem::take(&mut run.waiters)
            .into_iter()
            .partition(|waiter| waiter.session() == Some(session) && waiter.id.as_ref() == Some(&id));
        if staying.is_empty() {
            run.waiters = leaving;
            return self.call_off(turn, txn, request);
        }
        // Somebody else asked for the same and still wants it.
        let Some(mut run) = self.runs.remove(&request) else { return Ok(()) };
        run.waiters = leaving;
        self.answer_early(txn, request, &mut run, &ToolError::cancelled())?;
        run.waiters = staying;
        self.runs.insert(request, run);
        Ok(())
    }

    /// Ends a session at the client's wish.
    pub(super) fn on_end_session(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        header: &str,
    ) -> Result<(), Fault> {
        if !self.may_act(&caller.grant) {
            reply(txn, to, ObjectReply::challenged(Challenge::InvalidToken));
            return Ok(());
        }
        let known = self.sessions.find(header, caller.grant, &self.grants).map(|(id, _)| id);
        let status = match known {
            Some(id) => {
                self.sessions.end(txn, &id);
                self.stop_asking(turn, txn, id)?;
                204
            }
            None => 404,
        };
        reply(txn, to, ObjectReply::status(status));
        Ok(())
    }
}

impl UserSession {
    /// Whether it was the caller's client that a request came from.
    pub(super) fn began(&self, caller: &Caller, entry: &Entry) -> bool {
        entry.grant.is_some_and(|grant| self.grants.are_of_one_client(&grant, &caller.grant))
    }

    /// The token does not cover what is asked for; the edge tells the client which scope it needs.
    pub(super) fn lack_scope(
        &mut self,
        now: UnixMs,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (caller, id): (&Caller, &Id),
        scope: &'static str,
    ) -> Result<(), Fault> {
        self.grants.ask_for_more(&caller.grant, now);
        let error = RpcError::invalid_request(format!("The access token lacks the scope `{scope}`."));
        let own = caller.scopes.iter().map(String::as_str);
        let scopes: Vec<&str> = std::iter::once(scope).chain(own).collect();
        let mut refusal = ObjectReply::challenged(Challenge::InsufficientScope(scopes.join(" ")));
        refusal.body = Some(jsonrpc::failure(Some(id), &error));
        reply(txn, to, refusal);
        Ok(())
    }
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
