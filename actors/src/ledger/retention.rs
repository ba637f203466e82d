//! How long the ledger keeps what: retention by age and by number, answers of reads, and the sweep through all entries.
//!
//! What holds here: everything is done by the alarm, in batches, so that no request ever pays for the size of the ledger;
//! an entry that is not settled, or that a repeat could still join, is never removed; entries are counted as they come
//! and go and never by reading them all, except by the sweep, which counts anew.

use protocol::ids::RequestId;
use protocol::limits::{
    ANSWER_KEPT_FOR, ANSWER_REMOVAL_SLACK, LEDGER_ENTRIES_MAX, LEDGER_FLOOR_STEP, LEDGER_KEPT_FOR,
    LEDGER_PRUNE_BATCH, LEDGER_PRUNE_EVERY, LEDGER_SWEEP_BATCH, LEDGER_SWEEP_BYTES_MAX,
    LEDGER_SWEEP_PAGE_ROWS, LEDGER_TRIM_EVERY,
};
use protocol::operator::record::Checkpoint;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::{Entry, KeyUse, Ledger, Place, REPEATED_WITHIN, request_id};
use crate::store::{Order, Txn};
use crate::turn::Fault;

/// What the ledger remembers of its own upkeep, in the row of the object's metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// No entry before this one is open, keeps a read's answer or can be joined. Recovery begins here.
    #[serde(rename = "f")]
    pub floor: Option<RequestId>,
    /// When entries were last removed.
    #[serde(rename = "p")]
    pub pruned_at: UnixMs,
    /// Entries before the floor.
    #[serde(rename = "b", default)]
    pub before_floor: u64,
    /// The key under which every row is sealed; empty in rows of version 1, which did not know.
    #[serde(rename = "k", default)]
    pub sealed_under: String,
    /// How far the sweep is that seals everything anew, if one is under way.
    #[serde(rename = "s", default)]
    pub sweep: Option<Sweep>,
    /// The newest place in the chain when this was stored. A newer one stands in an entry from the floor on.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Place>,
    /// The links of entries that were removed.
    #[serde(rename = "c", default, skip_serializing_if = "is_empty")]
    pub removed: Checkpoint,
}

fn is_empty(removed: &Checkpoint) -> bool {
    *removed == Checkpoint::default()
}

/// A walk through all entries, from the oldest to the newest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// The key under which everything is being sealed.
    #[serde(rename = "k")]
    pub key: String,
    /// The next entry to look at is this one or a later one.
    #[serde(rename = "n")]
    pub next: RequestId,
    /// Entries that were met before the floor.
    #[serde(rename = "c")]
    pub counted: u64,
    /// Values that were sealed anew.
    #[serde(rename = "r")]
    pub resealed: u64,
}

impl Sweep {
    /// A sweep that has looked at nothing yet.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), next: RequestId::from_bytes([0; 16]), counted: 0, resealed: 0 }
    }
}

impl Ledger {
    /// What is remembered of upkeep.
    #[must_use]
    pub const fn upkeep(&self) -> &Upkeep {
        &self.upkeep
    }

    /// Changes what is remembered of upkeep, which the caller has to store.
    pub const fn upkeep_mut(&mut self) -> &mut Upkeep {
        &mut self.upkeep
    }

    /// Entries in all.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.upkeep.before_floor.saturating_add(self.since_floor.len() as u64)
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn is_since_floor(&self, id: RequestId) -> bool {
        self.upkeep.floor.is_none_or(|floor| floor <= id)
    }

    /// Counts a new entry.
    pub(super) fn count(&mut self, id: RequestId) {
        if self.is_since_floor(id) {
            self.since_floor.insert(id);
        } else {
            self.upkeep.before_floor += 1;
        }
    }

    /// When entries are next to be removed.
    #[must_use]
    pub fn prune_due(&self) -> Option<UnixMs> {
        let by_age = self
            .oldest
            .map(|oldest| oldest.plus(LEDGER_KEPT_FOR).max(self.upkeep.pruned_at.plus(LEDGER_PRUNE_EVERY)));
        let by_number =
            (self.len() > LEDGER_ENTRIES_MAX).then(|| self.upkeep.pruned_at.plus(LEDGER_TRIM_EVERY));
        [by_age, by_number].into_iter().flatten().min()
    }

    /// When the next answers of reads are to be removed. They go in batches, so that one alarm serves many.
    #[must_use]
    pub fn answers_due(&self) -> Option<UnixMs> {
        self.with_answer.first().map(|id| id.created_at().plus(ANSWER_KEPT_FOR).plus(ANSWER_REMOVAL_SLACK))
    }

    /// Does what is due: answers of reads go, the floor rises, and a batch of the oldest entries is removed. Says whether
    /// the upkeep changed and has to be stored.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when an entry does not decode.
    pub fn keep_up(&mut self, txn: &mut Txn<'_>, now: UnixMs) -> Result<bool, Fault> {
        let before = self.upkeep.clone();
        self.drop_answers(txn, now)?;
        let prunes = self.prune_due().is_some_and(|due| due <= now);
        self.raise_floor(now, if prunes { 1 } else { LEDGER_FLOOR_STEP });
        if prunes {
            self.prune(txn, now)?;
        }
        Ok(self.upkeep != before)
    }

    /// Raises the floor as far as nothing needs it, if it then passes so many entries. It moves with a report, whose row is
    /// written anyway, or when recovery would read many entries too many: a floor that is too low costs time on recovery,
    /// a floor that is too high would lose an open entry. It stays behind the span in which
    /// a repeat can be meant, so that an identifier of a clock that lags is still counted on its right side.
    pub fn raise_floor(&mut self, now: UnixMs, passes: usize) {
        let window = RequestId::first_at(now.minus(REPEATED_WITHIN));
        let first_open = self.open.keys().next().copied();
        let first_answer = self.with_answer.first().copied();
        let floor = [first_open, first_answer].into_iter().flatten().fold(window, RequestId::min);
        if self.upkeep.floor.is_some_and(|known| floor <= known)
            // Recovery reads few rows less from a higher floor, and storing it would cost one.
            || self.since_floor.range(..floor).count() < passes
        {
            return;
        }
        let since = self.since_floor.split_off(&floor);
        let passed = std::mem::replace(&mut self.since_floor, since);
        self.upkeep.before_floor = self.upkeep.before_floor.saturating_add(passed.len() as u64);
        if let Some(sweep) = &mut self.upkeep.sweep {
            // The sweep counts what it meets; these it has met as entries after the floor.
            sweep.counted += passed.range(..sweep.next).count() as u64;
        }
        self.upkeep.floor = Some(floor);
    }

    /// Removes the answers of reads that were kept for long enough: they hold what other people wrote, and the ledger is
    /// no place for that. A write's receipt stays.
    fn drop_answers(&mut self, txn: &mut Txn<'_>, now: UnixMs) -> Result<(), Fault> {
        let horizon = RequestId::first_at(now.minus(ANSWER_KEPT_FOR));
        let over: Vec<RequestId> =
            self.with_answer.range(..horizon).take(LEDGER_PRUNE_BATCH).copied().collect();
        for id in over {
            match Self::entry(txn, id)? {
                Some(mut entry) => {
                    entry.answer = None;
                    self.update(txn, id, &entry)?;
                }
                None => {
                    self.with_answer.remove(&id);
                }
            }
        }
        Ok(())
    }

    /// Removes a batch of what is too old, or of the oldest if there are too many.
    fn prune(&mut self, txn: &mut Txn<'_>, now: UnixMs) -> Result<(), Fault> {
        let too_old = RequestId::first_at(now.minus(LEDGER_KEPT_FOR));
        // Without a floor no entry is known to be over.
        let floor = self.upkeep.floor.unwrap_or(RequestId::from_bytes([0; 16]));
        let end = if self.len() > LEDGER_ENTRIES_MAX { floor } else { floor.min(too_old) };
        let old =
            txn.committed_range::<Entry>(&[], Some(end.as_bytes()), LEDGER_PRUNE_BATCH, Order::Ascending)?;
        let is_full_batch = old.len() == LEDGER_PRUNE_BATCH;
        let (mut removed, mut stays, mut after) = (0_u64, None, Vec::new());
        for (key, entry) in old {
            let id = request_id(&key)?;
            after = [key.as_slice(), &[0]].concat();
            if !may_go(&entry, now) {
                stays = stays.or(Some(id));
                continue;
            }
            // The key may name a newer call by now, because one without effect can be called again under it.
            if let Some(used) = &entry.idempotency_key
                && Self::same_key(txn, used)? == Some(id)
            {
                txn.delete::<KeyUse>(used.as_slice());
            }
            txn.delete::<Entry>(&key);
            if let Some(place) = entry.chain {
                self.upkeep.removed.remove(place.link());
            }
            removed += 1;
            if let Some(sweep) = self.upkeep.sweep.as_mut().filter(|sweep| id < sweep.next) {
                sweep.counted = sweep.counted.saturating_sub(1);
            }
        }
        self.upkeep.before_floor = self.upkeep.before_floor.saturating_sub(removed);
        // A full batch means that there is more: the next alarm goes on at once instead of in a day.
        self.upkeep.pruned_at = if is_full_batch && removed > 0 { UnixMs(0) } else { now };
        let next = txn.committed_range::<Entry>(&after, None, 1, Order::Ascending)?;
        let next = next.first().map(|(key, _)| request_id(key)).transpose()?;
        let first = [stays, next, self.since_floor.first().copied()].into_iter().flatten().min();
        self.oldest = first.map(|id| id.created_at());
        Ok(())
    }

    /// Goes on with the sweep that is under way: `reseal` gives back a sealed answer under the newest key if it was sealed
    /// under another one. Says whether the sweep came to its end.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when an entry does not decode, and whatever `reseal` fails with.
    pub fn go_on_sweeping(
        &mut self,
        txn: &mut Txn<'_>,
        mut reseal: impl FnMut(RequestId, &[u8]) -> Result<Option<Vec<u8>>, Fault>,
    ) -> Result<bool, Fault> {
        let Some(mut sweep) = self.upkeep.sweep.take() else { return Ok(false) };
        let (mut rows, mut bytes, mut is_over) = (0, 0, false);
        while rows < LEDGER_SWEEP_BATCH && bytes < LEDGER_SWEEP_BYTES_MAX && !is_over {
            let page = txn.committed_range::<Entry>(
                sweep.next.as_bytes(),
                None,
                LEDGER_SWEEP_PAGE_ROWS,
                Order::Ascending,
            )?;
            is_over = page.len() < LEDGER_SWEEP_PAGE_ROWS;
            for (key, _) in page {
                let id = request_id(&key)?;
                sweep.next = id.successor();
                // This turn may have changed or removed it already.
                let Some(mut entry) = Self::entry(txn, id)? else { continue };
                rows += 1;
                sweep.counted += u64::from(!self.is_since_floor(id));
                let Some(sealed) = &entry.answer else { continue };
                bytes += sealed.len();
                if let Some(anew) = reseal(id, sealed)? {
                    entry.answer = Some(anew.into());
                    txn.put(id.as_bytes(), &entry)?;
                    sweep.resealed += 1;
                }
            }
        }
        if is_over {
            self.upkeep.before_floor = sweep.counted;
            self.upkeep.sealed_under.clone_from(&sweep.key);
        }
        self.upkeep.sweep = Some(sweep);
        Ok(is_over)
    }
}

/// Whether an entry may be removed. One before the floor can still be unsettled or wanted only after an alarm was lost
/// and its outcome was found out much later than its time.
fn may_go(entry: &Entry, now: UnixMs) -> bool {
    let is_over = entry.settled_at.is_none_or(|at| now.since(at) >= ANSWER_KEPT_FOR);
    entry.state.is_final() && is_over
}
