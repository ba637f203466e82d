//! Calls to linked apps: with which credential they leave, and what their end means.
//!
//! What holds here: an application gets what Access issued for this person and this server, and nothing of Microsoft's; an
//! assertion belongs to the one request that it came with and is in memory only. A call that can have an effect leaves once:
//! its intent is stored before, and there is no way back into the queue.

use protocol::ids::RequestId;
use protocol::limits::RETRY_AFTER_MAX;
use protocol::linked_app::AppCall;
use protocol::outbound::CallResult;
use protocol::secret::Secret;
use protocol::time::UnixMs;
use protocol::tools::ToolError;
use protocol::tools::call_linked_app::{Ended, ended};

use super::run::{Run, Work};
use super::settle::Settled;
use super::verdict::Next;
use super::{Txn, UserSession};
use crate::ledger::EntryEvent;
use crate::refresher::Access;
use crate::turn::{AppCredential, Fault, Outbound, Turn};
use crate::vault::Slot;

/// A call to a linked app at work.
#[derive(Debug)]
pub(super) struct Calling {
    pub call: AppCall,
    /// The assertion that came with the request, where Access stands in front.
    pub assertion: Option<Secret<String>>,
}

impl Calling {
    /// What leaves for the application, with what Access issued at the sign-in where no assertion came.
    pub(super) fn outbound(&self, signed_in: Access) -> Result<Outbound, Fault> {
        let credential = match (&self.assertion, signed_in) {
            (Some(assertion), _) => AppCredential::Assertion(assertion.clone()),
            (None, Access::Ready(token)) => AppCredential::Bearer(token),
            (None, _) => return Err(Fault::Invariant("a linked app is called as nobody")),
        };
        Ok(Outbound::App { call: self.call.clone(), credential })
    }
}

impl UserSession {
    /// Why a call to a linked app cannot leave as this person, if it cannot. The tokens of a sign-in are for whom Access
    /// issued them, and never for another identity that the policy lets use the same Microsoft account.
    pub(super) fn app_refusal(
        &self,
        now: UnixMs,
        calling: &Calling,
        identity: Option<&str>,
    ) -> Option<ToolError> {
        if self.config.access_mode.sign_in().is_none() {
            return calling.assertion.is_none().then(ToolError::no_access_identity);
        }
        if identity.is_none() || self.access_tokens.identity() != identity {
            return Some(ToolError::no_access_identity());
        }
        match self.access_tokens.access(now) {
            Access::Ready(_) | Access::NeedsRefresh => None,
            Access::Later(at) => {
                let wait = at.since(now);
                (wait > RETRY_AFTER_MAX).then(|| ToolError::access_is_down(wait))
            }
            Access::SignInAgain(_) => Some(ToolError::no_access_identity()),
            Access::Blocked(_) => Some(ToolError::own_access_credential()),
        }
    }

    /// Whether calls to linked apps have what they leave with. Those that will not get it are told so; a refresh begins
    /// for the others.
    pub(super) fn ready_for_apps(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<bool, Fault> {
        if !self.queue.wants_app_token() {
            return Ok(false);
        }
        let refusal = |run: &Run| match &run.work {
            Work::App(calling) if run.in_flight_until.is_none() => {
                self.app_refusal(turn.now, calling, run.entry.access_identity.as_deref())
            }
            _ => None,
        };
        let refused: Vec<(RequestId, ToolError)> = self
            .runs
            .iter()
            .filter_map(|(request, run)| refusal(run).map(|error| (*request, error)))
            .collect();
        for (request, error) in refused {
            if let Some(run) = self.runs.remove(&request) {
                self.settle(turn, txn, request, run, EntryEvent::Refused, &Settled::Error(error))?;
            }
        }
        if self.config.access_mode.sign_in().is_none() {
            return Ok(true);
        }
        let access = self.access_tokens.access(turn.now);
        if matches!(access, Access::NeedsRefresh) && self.queue.wants_app_token() {
            self.start_refresh(turn, txn, Slot::Access)?;
        }
        Ok(matches!(access, Access::Ready(_)))
    }
}

/// What follows from the end of a call to an application.
pub(super) fn after_app(calling: &Calling, result: &CallResult) -> Next {
    match ended(&calling.call, result) {
        Ended::Done(finished) => Next::Settle(EntryEvent::Succeeded, Settled::Result(finished)),
        Ended::Failed(error) => Next::Settle(EntryEvent::Refused, Settled::Error(error)),
        Ended::Unknown(error) => Next::Settle(EntryEvent::GaveUp, Settled::Error(error)),
    }
}
