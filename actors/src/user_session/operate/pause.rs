//! A pause: operators let nothing leave for this account.
//!
//! What holds here: a pause is stored and outlives every sign-in and every restart; while it lasts nothing leaves, neither
//! calls nor renewals of tokens; what has left is brought to its end as far as that needs no further call.

use protocol::operator::view::PausedView;
use protocol::time::UnixMs;
use protocol::tools::ToolError;
use serde::{Deserialize, Serialize};

use super::super::run::{Run, Work};
use super::super::settle::Settled;
use super::super::{Txn, UserSession};
use crate::ledger::EntryEvent;
use crate::turn::{Fault, Turn};
use protocol::ids::RequestId;

/// A pause as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Paused {
    /// Since when.
    #[serde(rename = "s")]
    pub since: UnixMs,
    /// By whom.
    #[serde(rename = "b")]
    pub by: String,
    /// Whether what waits ends at once.
    #[serde(rename = "d", default, skip_serializing_if = "std::ops::Not::not")]
    pub drains: bool,
}

impl Paused {
    pub(super) fn view(&self) -> PausedView {
        PausedView { since_ms: self.since, by: self.by.clone() }
    }
}

impl UserSession {
    /// Ends what waits if the pause asks for that; says whether anything may leave.
    pub(in super::super) fn may_leave(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<bool, Fault> {
        if self.paused.as_ref().is_some_and(|paused| paused.drains) {
            self.end_waiting(turn, txn, &ToolError::paused(), |_| true)?;
        }
        Ok(self.paused.is_none())
    }

    /// Ends requests of which nothing is in flight. What is being looked into goes on waiting for its chance.
    pub(super) fn end_waiting(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        error: &ToolError,
        which: impl Fn(&Run) -> bool,
    ) -> Result<(), Fault> {
        let is_waiting = |run: &Run| run.in_flight_until.is_none() && !run.looking;
        let waiting = self.runs.iter().filter(|(_, run)| is_waiting(run) && which(run));
        let waiting: Vec<RequestId> = waiting.map(|(request, _)| *request).collect();
        for request in waiting {
            if let Some(run) = self.runs.remove(&request) {
                self.end_unsent(turn, txn, request, run, error.clone())?;
            }
        }
        Ok(())
    }

    /// Ends a request whose next call never left. Who began it has to know, or waits for this one for ever.
    pub(in super::super) fn end_unsent(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: Run,
        error: ToolError,
    ) -> Result<(), Fault> {
        match &run.work {
            Work::Refresh(slot) => self.refresh_failed(turn, txn, (request, *slot), None)?,
            Work::Watch(subscribing) => self.watches.failed(txn, subscribing.watched, turn.now, None)?,
            _ => {}
        }
        self.settle(turn, txn, request, run, EntryEvent::Refused, &Settled::Error(error))
    }
}
