//! Repeats: whether a demand is new, and what a repeat of an earlier one gets.
//!
//! What holds here: the rules and their reasons stand in `docs/architecture.md`, "Repeats". A write is joined until its
//! answer was delivered; a read is recognised by its id within a session and by nothing else.

use protocol::ids::RequestId;
use protocol::jsonrpc::RpcError;
use protocol::limits::ANSWER_KEPT_FOR;
use protocol::mcp;
use protocol::object::ObjectReply;
use protocol::time::UnixMs;
use protocol::tools::{DECLINED, ToolError};

use super::super::settle::{in_its_era, result_for, to_json};
use super::super::{Txn, UserSession, reply};
use super::demand::Demand;
use super::{Asking, refuse};
use crate::ledger::{Entry, EntryState, Ledger};
use crate::planted::{self, Bug};
use crate::turn::{Fault, Turn};

enum Repeat {
    Not,
    Of(RequestId),
    Conflict(RpcError),
}

impl UserSession {
    /// Begins a demand that is new; lets a repeat wait for the first, or gives it the first one's answer.
    pub(super) fn new_or_repeat(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        call: Demand<'_>,
    ) -> Result<(), Fault> {
        match self.recognise(txn, turn.now, &call)? {
            Repeat::Not => self.begin(turn, txn, call),
            Repeat::Of(earlier) => {
                self.unheard = Some(earlier);
                self.remember_join(txn, earlier, &call)?;
                if self.hand_out_task(txn, earlier, &call.waiter)? {
                    return Ok(());
                }
                if let Some(run) = self.runs.get_mut(&earlier) {
                    run.join(call.waiter);
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
                        let result = to_json(&result)?;
                        let result = in_its_era(&result, &entry.kind, &call.waiter);
                        let answer = ObjectReply::json(result_for(&call.waiter, &result)?);
                        if let Some(to) = call.waiter.to {
                            reply(txn, to, answer);
                        }
                        Ok(())
                    }
                    // A read whose answer was too large to be kept runs again, under a name of its own: what the first
                    // entry says stays.
                    _ if !answered => {
                        let request = self.unused(turn, txn, call.asking.request)?;
                        let asking = Asking { request, ..call.asking };
                        self.begin(turn, txn, Demand { asking, ..call })
                    }
                    _ => Ok(()),
                }
            }
            Repeat::Conflict(error) => match call.waiter.to {
                Some(to) => refuse(txn, to, 200, call.waiter.id.as_ref(), &error),
                None => Ok(()),
            },
        }
    }

    /// A call that joins an earlier one under an id of its own may itself be repeated under that id, even after the
    /// answer was taken; so the id is stored with the entry. The stored row is changed and not written anew from memory,
    /// where a write may look as if it had never left.
    fn remember_join(
        &mut self,
        txn: &mut Txn<'_>,
        earlier: RequestId,
        call: &Demand<'_>,
    ) -> Result<(), Fault> {
        // Without a session an id means nothing, and there is none to remember.
        let Some(in_session) = &call.in_session else { return Ok(()) };
        let is_known = self.ledger.same_id_in_session(in_session) == Some(earlier);
        let Some(mut entry) = Ledger::entry(txn, earlier)?.filter(|entry| entry.writes && !is_known) else {
            return Ok(());
        };
        entry.join(in_session);
        if let Some(run) = self.runs.get_mut(&earlier) {
            run.entry.join(in_session);
        }
        self.ledger.update(txn, earlier, &entry)
    }

    /// Decides whether a call is new. The rules and their reasons stand in `docs/architecture.md`, "Repeats".
    fn recognise(&self, txn: &Txn<'_>, now: UnixMs, call: &Demand<'_>) -> Result<Repeat, Fault> {
        if planted::has(Bug::NoLedgerCheck) {
            return Ok(Repeat::Not);
        }
        if self.ledger.has(txn, call.asking.request)? {
            return Ok(Repeat::Of(call.asking.request));
        }
        if let Some(in_session) = &call.in_session
            && let Some(earlier) = self.ledger.same_id_in_session(in_session)
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
            // What a person declined stays declined under its name: the same question is not answered a second time.
            let is_declined = entry.outcome.as_deref() == Some(DECLINED);
            return Ok(if had_no_effect && !is_declined { Repeat::Not } else { Repeat::Of(earlier) });
        }
        if call.target.writes_with(&call.arguments) {
            for earlier in self.ledger.equal_writes(&call.fingerprint) {
                let Some(entry) = Ledger::entry(txn, earlier)? else { continue };
                // A client that names the call with a key of its own means another call than one without that key.
                let same_name =
                    call.idempotency_key.is_none() || call.idempotency_key == entry.idempotency_key;
                if same_name && is_joinable(&entry, call, now) {
                    return Ok(Repeat::Of(earlier));
                }
            }
        }
        Ok(Repeat::Not)
    }
}

/// Whether an equal call is a repeat of an earlier write: that one is not settled, or its answer was never taken.
fn is_joinable(entry: &Entry, call: &Demand<'_>, now: UnixMs) -> bool {
    match entry.state {
        // Who has no session asks on its own, and its person decides on its own.
        EntryState::Asking => call.in_session.is_some(),
        EntryState::Queued | EntryState::InFlight | EntryState::Reconciling => true,
        EntryState::Done | EntryState::Unknown => {
            !entry.delivered && now.since(entry.settled_at.unwrap_or(now)) < ANSWER_KEPT_FOR
        }
        EntryState::Failed | EntryState::Cancelled => false,
    }
}
