//! What the object tells the directory of itself, and when.
//!
//! What holds here: what operators act upon is told at most once a minute, by an alarm if no turn comes; what merely counts
//! rides along on alarms and renewals of tokens that happen anyway, at most once an hour, and has one alarm of its own when
//! none comes; what was told last is in the object's own row, so that an object that comes back does not say it again and
//! forgets nothing that it has still to say. Counts are those of the ledger's chain, so that a report that is lost takes
//! nothing with it; addresses are in it as keyed digests only.

use protocol::digest::{first_16, sha256_of_parts};
use protocol::ids::AddressMark;
use protocol::limits::{
    COUNTS_EVERY, COUNTS_EVERY_UNUSED, COUNTS_WAIT, FAILING_FROM, OPEN_FOR_TOO_LONG, REPORT_EVERY,
};
use protocol::operator::directory::Report;
use protocol::outbound::Lane;
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};

use super::{Txn, UserSession};
use crate::turn::{Effect, Fault};
use crate::vault::Slot;

/// What the directory was told last, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// When.
    #[serde(rename = "t")]
    pub(super) at: UnixMs,
    /// A digest of what operators act upon.
    #[serde(rename = "d", with = "serde_bytes")]
    pub(super) facts: [u8; 16],
    /// Requests that were settled, and how many of them failed or stayed unknown.
    #[serde(rename = "n")]
    pub(super) settled: u64,
    #[serde(rename = "f")]
    pub(super) failed: u64,
    /// Sessions.
    #[serde(rename = "s")]
    pub(super) sessions: u32,
    /// Since when the oldest request was open.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(super) oldest_open: Option<UnixMs>,
    /// When the object would wake by itself.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub(super) wakes_at: Option<UnixMs>,
}

impl Told {
    /// Whether so much time has passed since. A clock that stepped back must not silence the object.
    const fn is_past(&self, wait: DurationMs, now: UnixMs) -> bool {
        now.0 < self.at.0 || now.since(self.at).0 >= wait.0
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl UserSession {
    fn throttled_until(&self, now: UnixMs) -> Option<UnixMs> {
        Lane::ALL.into_iter().filter_map(|lane| self.queue.lane(lane, now).throttled_until_ms).max()
    }

    /// A digest of what operators act upon.
    fn facts(&self, now: UnixMs) -> [u8; 16] {
        let is_stuck = self.ledger.oldest_open().is_some_and(|at| now.since(at) >= OPEN_FOR_TOO_LONG);
        let flags = [
            self.refresher.standing(now) as u8,
            u8::from(self.paused.is_some()),
            u8::from(self.queue.gateway_opens_at(now).is_some()),
            u8::from(self.throttled_until(now).is_some()),
            u8::from(is_stuck),
        ];
        let grants = count(self.grants.iter().count()).to_be_bytes();
        let sealed_under = self.ledger.upkeep().sealed_under.as_bytes();
        let mut parts = vec![flags.as_slice(), &grants, sealed_under];
        parts.extend(self.addresses.iter().map(|mark| mark.as_bytes().as_slice()));
        first_16(&sha256_of_parts(&parts))
    }

    fn told_now(&self, now: UnixMs) -> Told {
        let tally = self.ledger.head().tally();
        Told {
            at: now,
            facts: self.facts(now),
            settled: tally.settled,
            failed: tally.failed + tally.unknown,
            sessions: count(self.sessions.iter().len()),
            oldest_open: self.ledger.oldest_open(),
            wakes_at: None,
        }
    }

    /// Whether operators could act upon what has changed, or would act upon what has not: on a request that is told to be
    /// open and is not.
    fn is_urgent(told: &Told, new: &Told) -> bool {
        let settled = new.settled.saturating_sub(told.settled);
        let is_failing = settled >= FAILING_FROM && new.failed.saturating_sub(told.failed) * 2 > settled;
        let is_open_no_more = told.oldest_open.is_some() && told.oldest_open != new.oldest_open;
        told.facts != new.facts || is_failing || is_open_no_more
    }

    /// How long counts wait for something to ride along on.
    fn counts_wait(&self, told: &Told) -> DurationMs {
        if self.last_activity >= told.at { COUNTS_EVERY } else { COUNTS_EVERY_UNUSED }
    }

    /// Forgets what the directory was told: something else was told of the object since, such as that it cannot be read.
    pub fn tell_anew(&mut self) {
        self.told = None;
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

    /// Whether a report leaves with this turn. `carries` says that the alarm rang or that tokens were renewed.
    pub(super) fn begin_report(&mut self, now: UnixMs, carries: bool, has_rows: bool) -> bool {
        if !has_rows || self.user.is_none() {
            return false;
        }
        let new = self.told_now(now);
        // What is open now would have to be told again as soon as it is over, and of somebody new it is all that there is.
        let is_quiet = new.oldest_open.is_none();
        let leaves = self.told.as_ref().map_or(is_quiet, |told| {
            let wait = self.counts_wait(told);
            let is_quiet = is_quiet || told.is_past(DurationMs(wait.0 + COUNTS_WAIT.0), now);
            let counts = carries && is_quiet && told.is_past(wait, now);
            counts || (Self::is_urgent(told, &new) && told.is_past(REPORT_EVERY, now))
        });
        if leaves {
            self.told = Some(new);
        }
        leaves
    }

    /// When what has changed since the last report is told.
    pub(super) fn report_due(&self, now: UnixMs) -> Option<UnixMs> {
        let (told, new) = (self.told.as_ref()?, self.told_now(now));
        if Self::is_urgent(told, &new) {
            return Some(told.at.plus(REPORT_EVERY));
        }
        let is_over = told.wakes_at.is_some_and(|at| at <= now);
        let has_changed = (told.settled, told.sessions) != (new.settled, new.sessions);
        (is_over || has_changed).then(|| told.at.plus(self.counts_wait(told)).plus(COUNTS_WAIT))
    }

    /// Lets a report leave. What it says is stored, and the floor of the ledger rises in the same row.
    pub(super) fn report(&mut self, now: UnixMs, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let row = self.refresher.row();
        let next_alarm_at_ms = txn.alarm().or_else(|| self.next_alarm());
        let report = Report {
            user: self.owner()?,
            at_ms: now,
            standing: self.refresher.standing(now),
            addresses: self.addresses.clone(),
            last_activity_at_ms: self.active_at(),
            token_expires_at_ms: row.map(|row| row.expires_at),
            refresh_due_at_ms: self.refresh_due(Slot::Microsoft, now),
            next_alarm_at_ms,
            grants: count(self.grants.iter().count()),
            sessions: count(self.sessions.iter().len()),
            streams: count(self.streams()),
            waiting: count(self.queue.depth()),
            in_flight: count(self.queue.in_flight()),
            oldest_open_at_ms: self.ledger.oldest_open(),
            gateway_down_until_ms: self.queue.gateway_opens_at(now),
            throttled_until_ms: self.throttled_until(now),
            is_paused: self.paused.is_some(),
            sealed_under: self.ledger.upkeep().sealed_under.clone(),
            tally: self.ledger.head().tally(),
        };
        txn.emit(Effect::Report(Box::new(report)));
        if let Some(told) = &mut self.told {
            told.wakes_at = next_alarm_at_ms;
        }
        self.ledger.raise_floor(now, 1);
        self.put_meta(txn)
    }
}
