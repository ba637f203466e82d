//! Questions to the client in the middle of a request. In the revision without sessions they are asked by an answer and
//! gone on with by another request; how they are asked in a session stands in `inquiry`.
//!
//! What holds here: between two rounds nothing is kept here; everything is in the sealed state, which opens for the same
//! person, target and arguments only. Nobody is asked for what the client did not declare. A write that goes on with a
//! state is named by it, so that the same state never acts twice.

use protocol::jsonrpc::RpcError;
use protocol::mcp::errors;
use protocol::mcp::mrtr::{Answers, Binding, Question, Questions, RequestState, Resumption, input_required};
use protocol::time::UnixMs;
use protocol::tools::{Fault as Blame, ToolError};

use super::super::settle::{Settled, to_json};
use super::super::{Txn, UserSession};
use super::demand::{Demand, Started};
use crate::ledger::EntryEvent;
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
        let writes = demand.target.writes_with(&demand.arguments);
        // What was not asked cannot agree to a write.
        let answers = if writes && state.is_none() { Answers::default() } else { answers };
        demand.state.answers.extend(answers);
        if writes && state.is_some() && demand.idempotency_key.is_none() {
            demand.idempotency_key = Some(self.fingerprint(&[b"state", &demand.state.id])?);
        }
        Ok(Ok(()))
    }

    /// Asks the client. Without a session this ends the round: it had no effect, so an equal call with the answers is a
    /// new one.
    pub(in super::super) fn ask_client(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
        questions: &Questions,
    ) -> Result<(), Fault> {
        let undeclared = questions.iter().find(|(_, question)| !question.may_be_asked(started.client));
        if started.entry.session.is_some() || started.entry.task.is_some() {
            return match undeclared {
                Some((_, question)) => self.refuse_at_once(turn, txn, started, cannot_ask(question)),
                None => self.ask_in_session(turn, txn, started),
            };
        }
        let Started { request, entry, waiters, state, .. } = started;
        let settled = match undeclared {
            Some((_, question)) => Settled::Refusal {
                status: 400,
                code: "missing_capability",
                error: errors::missing_capability(question.capability()),
            },
            None => {
                let binding = Binding { user: self.owner()?, request: &entry.fingerprint };
                let nonce = turn.entropy.bytes();
                match state.seal(&self.config.encryption_keys, binding, turn.now, nonce) {
                    Ok(state) => Settled::Question(to_json(&input_required(questions, &state))?),
                    Err(error) => Settled::Refusal { status: 200, code: "too_many_rounds", error },
                }
            }
        };
        self.settle_entry(turn, txn, request, entry, &waiters, EntryEvent::Refused, &settled)
    }
}

fn cannot_ask(question: &Question) -> ToolError {
    ToolError::new(
        Blame::Caller,
        "cannot_ask",
        format!(
            "This call has to ask its client (`{}`), which did not declare the capability `{}` or takes no stream. \
             Nothing happened.",
            question.method(),
            question.capability(),
        ),
    )
}
