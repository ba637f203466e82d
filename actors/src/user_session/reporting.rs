//! What the object tells the directory of itself.
//!
//! What holds here: a report leaves at most once a minute, when something has changed that operators see in a list, or when
//! an alarm rings anyway; its counts are those of the ledger's chain, so that a report that is lost takes nothing with it;
//! addresses are in it as keyed digests only. When the last one left is of memory only.

use protocol::ids::AddressMark;
use protocol::limits::REPORT_EVERY;
use protocol::operator::directory::Report;
use protocol::operator::view::Standing;
use protocol::outbound::Lane;
use protocol::time::UnixMs;

use super::{Txn, UserSession};
use crate::turn::{Effect, Fault};
use crate::vault::Slot;

/// What a report is worth leaving for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    settled: u64,
    generation: u64,
    standing: Standing,
    grants: usize,
    sessions: usize,
    is_paused: bool,
    sealed_under: String,
    addresses: Vec<AddressMark>,
}

/// What the directory was told, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Reporter {
    last: Option<UnixMs>,
    told: Option<Told>,
}

impl UserSession {
    fn told(&self, now: UnixMs) -> Told {
        Told {
            settled: self.ledger.head().sequence,
            generation: self.refresher.generation(),
            standing: self.refresher.standing(now),
            grants: self.grants.iter().count(),
            sessions: self.sessions.iter().len(),
            is_paused: self.paused.is_some(),
            sealed_under: self.ledger.upkeep().sealed_under.clone(),
            addresses: self.addresses.clone(),
        }
    }

    /// Remembers by which digests of addresses the account is found; a sign-in says them all anew. The edge of an earlier
    /// version says none.
    pub(super) fn found_by(&mut self, txn: &mut Txn<'_>, addresses: Vec<AddressMark>) -> Result<(), Fault> {
        if addresses.is_empty() || addresses == self.addresses {
            return Ok(());
        }
        self.addresses = addresses;
        self.put_meta(txn)
    }

    /// Takes what the rows say for known: what changed last in an earlier life is told by the alarm that it left.
    pub(super) fn report_from(mut self, now: UnixMs) -> Self {
        self.reporter.told = Some(self.told(now));
        self
    }

    /// Whether a report leaves with this turn.
    pub(super) fn begin_report(&mut self, now: UnixMs, is_alarm: bool, has_rows: bool) -> bool {
        let told = self.told(now);
        let is_worth_it = is_alarm || self.reporter.told.as_ref() != Some(&told);
        // A clock that stepped back must not silence the object.
        let is_time = self.reporter.last.is_none_or(|last| now < last || now.since(last) >= REPORT_EVERY);
        let leaves = has_rows && self.user.is_some() && is_worth_it && is_time;
        if leaves {
            self.reporter = Reporter { last: Some(now), told: Some(told) };
        }
        leaves
    }

    /// When what has changed since the last report is told.
    pub(super) fn report_due(&self, now: UnixMs) -> Option<UnixMs> {
        let last = self.reporter.last?;
        (self.reporter.told.as_ref() != Some(&self.told(now))).then(|| last.plus(REPORT_EVERY))
    }

    /// Lets a report leave.
    pub(super) fn report(&self, now: UnixMs, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let row = self.refresher.row();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let until = Lane::ALL.into_iter().filter_map(|lane| self.queue.lane(lane, now).throttled_until_ms);
        let report = Report {
            user: self.owner()?,
            at_ms: now,
            standing: self.refresher.standing(now),
            addresses: self.addresses.clone(),
            last_activity_at_ms: self.active_at(),
            token_expires_at_ms: row.map(|row| row.expires_at),
            refresh_due_at_ms: self.refresh_due(Slot::Microsoft, now),
            next_alarm_at_ms: txn.alarm().or_else(|| self.next_alarm()),
            grants: count(self.grants.iter().count()),
            sessions: count(self.sessions.iter().len()),
            streams: count(self.streams()),
            waiting: count(self.queue.depth()),
            in_flight: count(self.queue.in_flight()),
            oldest_open_at_ms: self.ledger.oldest_open(),
            gateway_down_until_ms: self.queue.gateway_opens_at(now),
            throttled_until_ms: until.max(),
            is_paused: self.paused.is_some(),
            sealed_under: self.ledger.upkeep().sealed_under.clone(),
            tally: self.ledger.head().tally(),
        };
        txn.emit(Effect::Report(Box::new(report)));
        Ok(())
    }
}
