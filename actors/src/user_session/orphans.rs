//! Orphans: requests that an earlier life of the object left open.
//!
//! What holds here: each of them is taken over once, before anything else happens in a life; a write that may have happened is
//! looked into and never sent again unseen.

use protocol::ids::RequestId;
use protocol::limits::{CALL_TIMEOUT, RECONCILE_FOR};
use protocol::tools::{Found, Plan, Target, ToolError, call_linked_app};

use super::run::{Run, Work};
use super::settle::Settled;
use super::verdict::Next;
use super::{Txn, UserSession};
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Transition};
use crate::queue::Priority;
use crate::turn::{Fault, Turn};

impl UserSession {
    /// Takes over what an earlier life of the object left open: reads and calls that never left are over, writes that
    /// may have happened are looked into.
    pub(super) fn adopt_orphans(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        for (request, entry) in std::mem::take(&mut self.orphans) {
            let Some(entry) = self.ask_on(request, entry)? else { continue };
            let Some(entry) = self.adopt_task(turn, txn, request, entry)? else { continue };
            let may_have_happened =
                entry.writes && matches!(entry.state, EntryState::InFlight | EntryState::Reconciling);
            let intent = entry.intent.clone().filter(|_| may_have_happened);
            let target = match &entry.kind {
                Kind::Tool(name) => Target::from_name(name),
                Kind::Refresh | Kind::AccessRefresh | Kind::Connect | Kind::Watch | Kind::RevokeSignIns => {
                    None
                }
            };
            match (intent, target) {
                (Some(intent), Some(target)) => {
                    let Some(plan) = Plan::recovered(intent, request) else {
                        let settled = Settled::Error(call_linked_app::unknown());
                        self.settle_entry(turn, txn, request, entry, &[], EntryEvent::GaveUp, &settled)?;
                        continue;
                    };
                    let mut plan = Box::new(plan);
                    if plan.look_into() == Found::NeverKnown {
                        let settled = Settled::Error(plan.outcome_unknown());
                        self.settle_entry(turn, txn, request, entry, &[], EntryEvent::GaveUp, &settled)?;
                        continue;
                    }
                    self.look_into_orphan(turn, txn, request, entry, Work::Tool { target, plan })?;
                }
                _ if entry.kind == Kind::RevokeSignIns && entry.state == EntryState::InFlight => {
                    let settled = Settled::Error(ToolError::outcome_unknown("this call", "at its effect"));
                    self.settle_entry(turn, txn, request, entry, &[], EntryEvent::GaveUp, &settled)?;
                }
                _ => {
                    let settled = Settled::Error(ToolError::interrupted());
                    self.settle_entry(turn, txn, request, entry, &[], EntryEvent::Refused, &settled)?;
                }
            }
        }
        Ok(())
    }

    fn look_into_orphan(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        entry: Entry,
        work: Work,
    ) -> Result<(), Fault> {
        let stored = Some((entry.state, entry.intent.clone()));
        let mut run = Run::new(work, entry, Priority::Background, turn.now);
        run.stored = stored;
        run.may_act_until = turn.now.plus(CALL_TIMEOUT);
        let [high, middle, low] = turn.entropy.bytes();
        run.sequence = u32::from_be_bytes([1, high, middle, low]);
        run.looking = true;
        run.give_up_at = Some(turn.now.plus(RECONCILE_FOR));
        if run.entry.apply(EntryEvent::AnswerLost) == Transition::Illegal {
            return Err(Fault::Invariant("an orphan cannot be looked into"));
        }
        let next = Next::Call { not_before: turn.now };
        self.go_on(turn, txn, request, run, next)
    }
}
