//! Questions to the client in the middle of a request of the revision without sessions: asked by an answer, gone on with
//! by another request.
//!
//! What holds here: between two rounds nothing is kept here; everything is in the sealed state, which opens for the same
//! person, target and arguments only. Nobody is asked for what the client did not declare. A write that goes on with a
//! state is named by it, so that the same state never acts twice.

use protocol::jsonrpc::RpcError;
use protocol::mcp::errors;
use protocol::mcp::mrtr::{Answers, Binding, Questions, RequestState, Resumption, input_required};
use protocol::time::UnixMs;
use protocol::tools::{Fault as Blame, ToolError};

use super::super::settle::{Settled, to_json};
use super::super::{Txn, UserSession};
use super::demand::Demand;
use crate::ledger::{Entry, EntryEvent};
use crate::turn::{Fault, Turn};

impl UserSession {
    /// Takes what a demand brings from earlier rounds; a state that is not its own refuses it.
    pub(super) fn resume(
        &self,
        now: UnixMs,
        demand: &mut Demand<'_>,
        resumption: Resumption,
    ) -> Result<Result<(), RpcError>, Fault> {
        let Resumption { answers, state } = resumption;
        if let Some(text) = &state {
            let binding = Binding { user: self.owner()?, request: &demand.fingerprint };
            match RequestState::open(&self.config.encryption_keys, binding, text, now) {
                Ok(opened) => demand.state = opened,
                Err(error) => return Ok(Err(error)),
            }
        }
        let writes = demand.target.writes();
        // What was not asked cannot agree to a write.
        let answers = if writes && state.is_none() { Answers::default() } else { answers };
        demand.state.answers.extend(answers);
        if writes && state.is_some() && demand.idempotency_key.is_none() {
            demand.idempotency_key = Some(self.fingerprint(&[b"state", &demand.state.id])?);
        }
        Ok(Ok(()))
    }

    /// Asks the client and ends this round. It had no effect, so an equal call with the answers is a new one.
    pub(super) fn ask_client(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        call: Demand<'_>,
        entry: Entry,
        questions: &Questions,
    ) -> Result<(), Fault> {
        let request = call.asking.request;
        if call.asking.conversation.session().is_some() {
            let error = ToolError::new(
                Blame::Caller,
                "cannot_ask",
                "This call asks its client, which this server does in revision 2026-07-28 only. Nothing happened.",
            );
            return self.refuse_at_once(turn, txn, request, entry, call.waiter, error);
        }
        let undeclared = questions.iter().find(|(_, question)| !question.may_be_asked(call.asking.client));
        let settled = match undeclared {
            Some((_, question)) => Settled::Refusal {
                status: 400,
                code: "missing_capability",
                error: errors::missing_capability(question.capability()),
            },
            None => {
                let binding = Binding { user: self.owner()?, request: &call.fingerprint };
                let nonce = turn.entropy.bytes();
                match call.state.seal(&self.config.encryption_keys, binding, turn.now, nonce) {
                    Ok(state) => Settled::Question(to_json(&input_required(questions, &state))?),
                    Err(error) => Settled::Refusal { status: 200, code: "too_many_rounds", error },
                }
            }
        };
        self.settle_entry(turn, txn, request, entry, &[call.waiter], EntryEvent::Refused, &settled)
    }

    /// What a fixture of the conformance suite does. There is no stream yet that could carry what it tells on the way.
    #[cfg(feature = "conformance")]
    pub(super) fn talk(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        call: Demand<'_>,
        entry: Entry,
        acts: Vec<protocol::fixtures::Act>,
    ) -> Result<(), Fault> {
        use protocol::fixtures::Act;
        let request = call.asking.request;
        for act in acts {
            match act {
                Act::Tell(_) | Act::Wait(_) | Act::CloseStream => {}
                Act::Ask(questions) => return self.ask_client(turn, txn, call, entry, &questions),
                Act::Done(structured) => {
                    let finished = protocol::tools::Finished { structured };
                    return self.done_at_once(turn, txn, request, entry, call.waiter, finished);
                }
            }
        }
        Err(Fault::Invariant("a fixture ended without an answer"))
    }
}
