//! MCP messages of the revisions with sessions: what each is answered with.
//!
//! What holds here: whatever costs a call of Microsoft goes on as a demand (`demand`), which is first recognised as new or
//! as a repeat (`repeats`); everything else is answered at once. Statuses and codes are those of MCP 2025-11-25,
//! basic/transports.

mod demand;
mod repeats;

use std::collections::BTreeSet;

use protocol::ids::{RequestId, SessionId};
use protocol::jsonrpc::{self, Id, Message, RpcError, codes};
use protocol::mcp::{self, Method};
use protocol::object::{Caller, Challenge, McpMessage, ObjectReply};
use protocol::tools::ToolError;
use serde_json::Map;
use serde_json::value::RawValue;

use super::run::Waiter;
use super::{Txn, UserSession, reply};
use crate::sessions::Session;
use crate::turn::{Fault, ReplyTo, Turn};

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
        if self.grants.standing(&caller.grant).is_none() {
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
            watched: BTreeSet::new(),
            events: Vec::new(),
            handed_out: 0,
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
            Some(Method::ListResources) => jsonrpc::success(&id, &mcp::resource_list()),
            Some(Method::ListResourceTemplates) => jsonrpc::success(&id, &mcp::template_list()),
            Some(method @ (Method::CallTool | Method::ReadResource)) => {
                return self.on_demand(turn, txn, to, (request, caller, session), &id, (method, params));
            }
            Some(action @ (Method::Subscribe | Method::Unsubscribe)) => {
                let watch = action == Method::Subscribe;
                return self.on_subscription(txn, to, session, &id, (watch, method, params));
            }
            Some(Method::Initialize) | None => {
                let shown: String = method.chars().filter(|c| !c.is_control()).take(80).collect();
                let error = RpcError::new(
                    codes::METHOD_NOT_FOUND,
                    format!(
                        "This server has no method `{shown}`. It has: initialize, ping, tools/list, tools/call, \
                         resources/list, resources/templates/list, resources/read, \
                         resources/subscribe, resources/unsubscribe."
                    ),
                );
                jsonrpc::failure(Some(&id), &error)
            }
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
            .partition(|waiter| waiter.session == Some(session) && waiter.id.as_ref() == Some(&id));
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
    pub(super) fn on_end_session(&mut self, txn: &mut Txn<'_>, to: ReplyTo, caller: &Caller, header: &str) {
        if self.grants.standing(&caller.grant).is_none() {
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
