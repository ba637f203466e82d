//! Calls to linked apps: with which credential they leave, and what their end means.
//!
//! What holds here: an application gets what Access issued for this person and this server, and nothing of Microsoft's; an
//! assertion belongs to the one request that it came with and is in memory only. A call that can have an effect leaves once:
//! its intent is stored before, and there is no way back into the queue.

use protocol::ids::RequestId;
use protocol::linked_app::AppCall;
use protocol::outbound::CallResult;
use protocol::secret::Secret;
use protocol::tools::ToolError;
use protocol::tools::call_linked_app::{Ended, ended};

use super::run::{Run, Work};
use super::settle::Settled;
use super::verdict::Next;
use super::{Txn, UserSession};
use crate::ledger::EntryEvent;
use crate::log::LogLine;
use crate::turn::{AppCredential, Effect, Fault, Outbound, Turn};

/// A call to a linked app at work.
#[derive(Debug)]
pub(super) struct Calling {
    pub call: AppCall,
    /// The assertion that came with the request, where Access stands in front.
    pub assertion: Option<Secret<String>>,
}

impl Calling {
    /// What leaves for the application.
    pub(super) fn outbound(&self) -> Result<Outbound, Fault> {
        let assertion = self.assertion.clone().ok_or(Fault::Invariant("a linked app is called as nobody"))?;
        Ok(Outbound::App { call: self.call.clone(), credential: AppCredential::Assertion(assertion) })
    }
}

impl UserSession {
    /// Takes the end of a call to an application.
    pub(super) fn after_app(
        &self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: &Run,
        result: &CallResult,
    ) -> Result<Next, Fault> {
        let Work::App(calling) = &run.work else {
            return Err(Fault::Invariant("not a call to a linked app"));
        };
        let status = match result {
            CallResult::Answered(answer) => Some(answer.status),
            CallResult::Lost(_) => None,
        };
        let line = LogLine::new("linked_app_called", turn.now)
            .with("requestId", request.to_string())
            .with("userKey", self.owner()?.to_string())
            .with_some("accessIdentity", run.entry.access_identity.clone())
            .with("app", calling.call.app.clone())
            .with("method", calling.call.method.as_str())
            .with_some("status", status)
            .with("tookMs", turn.now.since(run.left_at).0);
        txn.emit(Effect::Log(line));
        Ok(match ended(&calling.call, result) {
            Ended::Done(finished) => Next::Settle(EntryEvent::Succeeded, Settled::Result(finished)),
            Ended::Failed(error) => Next::Settle(EntryEvent::Refused, Settled::Error(error)),
            Ended::Unknown(error) => Next::Settle(EntryEvent::GaveUp, Settled::Error(error)),
        })
    }

    /// Why a call to a linked app cannot leave as this person, if it cannot.
    pub(super) fn app_refusal(&self, calling: &Calling) -> Option<ToolError> {
        calling.assertion.is_none().then(ToolError::no_access_identity)
    }
}
