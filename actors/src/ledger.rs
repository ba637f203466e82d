//! The ledger: one entry for every request, from its arrival to how it ended.
//!
//! What holds here: an entry says who, what, when and how it ended, and never what was written; a write whose answer
//! was not delivered is recognised when it is asked for again; the cost of a request does not depend on how many
//! entries there are, because repeats are found through an index of recent entries that is rebuilt from their rows.

mod attempts;
mod chain;
mod entry;
mod retention;

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::RequestId;
use protocol::limits::{ANSWER_KEPT_FOR, LEDGER_RECOVERY_PAGE_ROWS, RECONCILE_FOR, UPLOAD_DEADLINE};
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};

pub use attempts::{Attempt, Ending, Purpose};
pub use chain::{Place, Walked};
pub use entry::{Entry, EntryEvent, EntryState, Kind, TaskMark, Transition};
pub use retention::{Sweep, Upkeep};

use crate::planted::{self, Bug};
use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// Entries of the object's own work in a row, mostly refreshes, that recovery looks behind for the last activity: a day of hourly ones twice over. Beyond them the
/// person counts as idle, and the next use refreshes.
const REFRESHES_SEEN_THROUGH: usize = 64;

/// How old an entry can be that a repeat still means: its answer is kept from when it was settled, and that may be
/// as late as the end of looking into it.
const REPEATED_WITHIN: DurationMs = DurationMs(ANSWER_KEPT_FOR.0 + UPLOAD_DEADLINE.0 + RECONCILE_FOR.0);

/// A keyed digest that recognises a repeat.
pub type Fingerprint = [u8; 16];

/// Where an idempotency key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse(pub RequestId);

impl Record for KeyUse {
    const TABLE: Table = Table::IdempotencyKeys;
}

/// By what a repeat of an entry would be recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marks {
    in_session: Vec<Fingerprint>,
    write: Option<Fingerprint>,
}

/// The recent part of the ledger in memory, and the operations on all of it.
#[derive(Debug, Default)]
pub struct Ledger {
    recent: BTreeMap<RequestId, Marks>,
    by_session_and_id: BTreeMap<Fingerprint, RequestId>,
    by_write: BTreeMap<Fingerprint, BTreeSet<RequestId>>,
    open: BTreeMap<RequestId, ()>,
    with_answer: BTreeSet<RequestId>,
    /// Every entry from the floor on, so that entries are counted without being read.
    since_floor: BTreeSet<RequestId>,
    oldest: Option<UnixMs>,
    upkeep: Upkeep,
    /// Whether the newest place in the chain lies where recovery would not see it.
    head_must_be_stored: bool,
}

/// What recovery found: the ledger, and the entries that were open when the object stopped.
pub struct Recovered {
    /// The ledger with its index.
    pub ledger: Ledger,
    /// Entries that nobody works on any more.
    pub orphans: Vec<(RequestId, Entry)>,
    /// When the last request arrived.
    pub last_activity: Option<UnixMs>,
}

impl Ledger {
    /// Rebuilds the index from rows: from the floor, or from the oldest entry that a repeat could still mean.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when an entry does not decode.
    pub fn recover(rows: &dyn Rows, upkeep: Upkeep, now: UnixMs) -> Result<Recovered, Fault> {
        let window = RequestId::first_at(now.minus(REPEATED_WITHIN));
        let mut from = upkeep.floor.map_or_else(Vec::new, |floor| floor.min(window).as_bytes().to_vec());
        let mut ledger = Self { upkeep: upkeep.clone(), ..Self::default() };
        let mut orphans = Vec::new();
        // Page by page, so that the entries of a busy quarter of an hour are not in memory all at once.
        loop {
            let page = read_range::<Entry>(rows, &from, None, LEDGER_RECOVERY_PAGE_ROWS, Order::Ascending)?;
            let is_last = page.len() < LEDGER_RECOVERY_PAGE_ROWS;
            for (key, entry) in page {
                let id = request_id(&key)?;
                if ledger.is_since_floor(id) {
                    ledger.since_floor.insert(id);
                }
                let is_later = |place: &Place| place.sequence > ledger.head().sequence;
                if let Some(place) = entry.chain.filter(is_later)
                    && !planted::has(Bug::ChainForgotten)
                {
                    ledger.upkeep.head = Some(place);
                }
                if id >= window || !entry.state.is_final() || entry.keeps_read_answer() {
                    ledger.index(id, &entry);
                }
                if !entry.state.is_final() {
                    orphans.push((id, entry));
                }
                // The next page begins with the smallest key after this one.
                from = [key.as_slice(), &[0]].concat();
            }
            if is_last {
                break;
            }
        }
        let first = read_range::<Entry>(rows, &[], None, 1, Order::Ascending)?;
        ledger.oldest = match first.first() {
            Some((key, _)) => Some(request_id(key)?.created_at()),
            None => None,
        };
        Ok(Recovered { ledger, orphans, last_activity: last_activity(rows)? })
    }

    /// Writes a new entry.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn insert(&mut self, txn: &mut Txn<'_>, id: RequestId, entry: &Entry) -> Result<(), Fault> {
        if let Some(key) = &entry.idempotency_key {
            txn.put(key.as_slice(), &KeyUse(id))?;
        }
        self.oldest = Some(self.oldest.map_or(id.created_at(), |oldest| oldest.min(id.created_at())));
        self.count(id);
        self.index(id, entry);
        txn.put(id.as_bytes(), entry)
    }

    /// Writes the changed state of an entry.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn update(&mut self, txn: &mut Txn<'_>, id: RequestId, entry: &Entry) -> Result<(), Fault> {
        self.index(id, entry);
        txn.put(id.as_bytes(), entry)
    }

    /// One entry, from this turn's writes or from its row.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when it does not decode.
    pub fn entry(txn: &Txn<'_>, id: RequestId) -> Result<Option<Entry>, Fault> {
        txn.get::<Entry>(id.as_bytes())
    }

    /// Whether there is an entry. Of a recent one no row is read for that, nor of one that is not there, as with nearly
    /// every request.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when it does not decode.
    pub fn has(&self, txn: &Txn<'_>, id: RequestId) -> Result<bool, Fault> {
        if self.is_since_floor(id) {
            return Ok(self.since_floor.contains(&id));
        }
        Ok(Self::entry(txn, id)?.is_some())
    }

    /// The entry that the same JSON-RPC id of the same session belongs to.
    #[must_use]
    pub fn same_id_in_session(&self, fingerprint: &Fingerprint) -> Option<RequestId> {
        self.by_session_and_id.get(fingerprint).copied()
    }

    /// The recent entries of equal writes, the latest first. There can be several: calls that a client named with keys
    /// of its own, and an identifier that is older than its arrival because clocks differ.
    pub fn equal_writes(&self, fingerprint: &Fingerprint) -> impl Iterator<Item = RequestId> + '_ {
        self.by_write.get(fingerprint).into_iter().flatten().rev().copied()
    }

    /// The entry that an idempotency key was used for.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when the row does not decode.
    pub fn same_key(txn: &Txn<'_>, key: &Fingerprint) -> Result<Option<RequestId>, Fault> {
        Ok(txn.get::<KeyUse>(key.as_slice())?.map(|KeyUse(id)| id))
    }

    /// Entries that are not settled.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Since when the oldest entry that is not settled is open.
    #[must_use]
    pub fn oldest_open(&self) -> Option<UnixMs> {
        self.open.first_key_value().map(|(id, ())| id.created_at())
    }

    /// Forgets what a repeat can no longer mean. Rows stay.
    pub fn forget_old(&mut self, now: UnixMs) {
        let horizon = RequestId::first_at(now.minus(REPEATED_WITHIN));
        while let Some((&id, _)) = self.recent.first_key_value() {
            if id >= horizon || self.open.contains_key(&id) {
                break;
            }
            let Some(marks) = self.recent.remove(&id) else { break };
            for mark in &marks.in_session {
                if self.by_session_and_id.get(mark) == Some(&id) {
                    self.by_session_and_id.remove(mark);
                }
            }
            if let Some(mark) = marks.write
                && let Some(equal) = self.by_write.get_mut(&mark)
            {
                equal.remove(&id);
                if equal.is_empty() {
                    self.by_write.remove(&mark);
                }
            }
        }
    }

    fn index(&mut self, id: RequestId, entry: &Entry) {
        let marks = Marks {
            in_session: entry.ids_in_sessions().collect(),
            write: entry.writes.then_some(entry.fingerprint),
        };
        for mark in &marks.in_session {
            self.by_session_and_id.insert(*mark, id);
        }
        if let Some(mark) = marks.write {
            self.by_write.entry(mark).or_default().insert(id);
        }
        self.recent.insert(id, marks);
        if entry.keeps_read_answer() {
            self.with_answer.insert(id);
        } else {
            self.with_answer.remove(&id);
        }
        if entry.state.is_final() {
            self.open.remove(&id);
        } else {
            self.open.insert(id, ());
        }
    }
}

/// When a client last asked for something. Entries of the object's own work do not count, or each refresh would be the
/// reason for the next one; and the floor does not matter, because it rises with every alarm.
fn last_activity(rows: &dyn Rows) -> Result<Option<UnixMs>, Fault> {
    let mut before: Option<Vec<u8>> = None;
    for _ in 0..REFRESHES_SEEN_THROUGH {
        // One at a time: almost always the newest entry is a client's, and an entry may hold a long answer.
        let newest = read_range::<Entry>(rows, &[], before.as_deref(), 1, Order::Descending)?;
        let Some((key, entry)) = newest.into_iter().next() else { return Ok(None) };
        if !matches!(entry.kind, Kind::Refresh | Kind::AccessRefresh | Kind::Watch | Kind::RevokeSignIns) {
            return Ok(Some(request_id(&key)?.created_at()));
        }
        before = Some(key);
    }
    Ok(None)
}

fn request_id(key: &[u8]) -> Result<RequestId, Fault> {
    <[u8; 16]>::try_from(key)
        .map(RequestId::from_bytes)
        .map_err(|_| Fault::CorruptRow { table: Table::Ledger.name() })
}

#[cfg(test)]
mod tests;
