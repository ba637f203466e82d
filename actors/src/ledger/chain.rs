//! The chain of settled entries: each joins once, in the row that settles it, and says how many joined before it.
//!
//! What holds here: a place is given once and never changes, whatever happens to its entry later; the newest place is
//! known from rows alone, because it lies in the object's own row whenever the floor has moved past its entry; what
//! retention removes leaves its link behind. Entries that were settled before there was a chain stay outside.

use protocol::ids::{ChainMark, RequestId};
use protocol::limits::LEDGER_SWEEP_PAGE_ROWS;
use protocol::operator::directory::Tally;
use protocol::operator::record::{Checkpoint, Line, Link, Record};
use serde::{Deserialize, Serialize};

use super::{Entry, EntryState, Ledger, request_id};
use crate::store::{Order, Txn};
use crate::turn::Fault;

/// A place in the chain, with the counts up to there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The number of the entry, which is also how many were settled.
    #[serde(rename = "n")]
    pub sequence: u64,
    /// The keyed digest of the link before and this entry's record.
    #[serde(rename = "l")]
    pub link: ChainMark,
    /// How many of them failed.
    #[serde(rename = "f")]
    pub failed: u64,
    /// Of how many the outcome is unknown.
    #[serde(rename = "u")]
    pub unknown: u64,
}

impl Place {
    /// The link alone.
    #[must_use]
    pub const fn link(&self) -> Link {
        Link { sequence: self.sequence, link: self.link }
    }

    /// The counts alone.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        Tally { settled: self.sequence, failed: self.failed, unknown: self.unknown }
    }

    /// The place behind this one.
    fn next(&self, key: &[u8; 32], id: RequestId, entry: &Entry) -> Option<Self> {
        let Link { sequence, link } = self.link().next(key, &entry.record(id))?;
        Some(Self {
            sequence,
            link,
            failed: self.failed.saturating_add(u64::from(entry.state == EntryState::Failed)),
            unknown: self.unknown.saturating_add(u64::from(entry.state == EntryState::Unknown)),
        })
    }
}

impl Entry {
    /// What the entry amounts to: for good, once it is settled; as it stands, before that.
    #[must_use]
    pub fn record(&self, id: RequestId) -> Record {
        Record {
            id,
            tool: self.kind.name().to_owned(),
            state: self.state.name().to_owned(),
            outcome: self.outcome.clone(),
            writes: self.writes,
            client: self.client.clone(),
            grant: self.grant,
            session: self.session,
            access_identity: self.access_identity.clone(),
            trace_id: self.trace.map(|trace| trace.trace_id()),
            received_at_ms: id.created_at(),
            sent_at_ms: self.sent_at,
            settled_at_ms: self.settled_at,
            calls: self.calls,
            gateway_log_ids: self.all_gateway_log_ids().cloned().collect(),
            graph_request_ids: self.all_graph_request_ids().cloned().collect(),
        }
    }
}

/// A part of the ledger that was looked through.
#[derive(Debug)]
pub struct Walked {
    /// The last entry that was looked at, if there may be more behind it.
    pub stopped_at: Option<RequestId>,
}

impl Ledger {
    /// The newest place, with the counts since the chain began.
    #[must_use]
    pub fn head(&self) -> Place {
        self.upkeep.head.unwrap_or_default()
    }

    /// What retention removed, not signed yet.
    #[must_use]
    pub const fn removed(&self) -> &Checkpoint {
        &self.upkeep.removed
    }

    /// Writes an entry that was just settled, with its place in the chain. One that has its place already keeps it.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn settle(
        &mut self,
        txn: &mut Txn<'_>,
        key: &[u8; 32],
        id: RequestId,
        entry: &mut Entry,
    ) -> Result<(), Fault> {
        if entry.chain.is_none() {
            let place = self.head().next(key, id, entry);
            let place = place.ok_or(Fault::Invariant("an entry could not join the chain"))?;
            entry.chain = Some(place);
            self.upkeep.head = Some(place);
            // Recovery begins at the floor and would not see the place of an earlier entry.
            self.head_must_be_stored |= !self.is_since_floor(id);
        }
        self.update(txn, id, entry)
    }

    /// Whether the head has to be stored with the object's own row in this turn.
    pub const fn take_head_must_be_stored(&mut self) -> bool {
        std::mem::replace(&mut self.head_must_be_stored, false)
    }

    /// Looks through committed entries between two keys, at most `rows_max`, until `visit` has seen enough.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn walk(
        txn: &Txn<'_>,
        (from, to): (RequestId, Option<RequestId>),
        (order, rows_max): (Order, usize),
        mut visit: impl FnMut(RequestId, Entry) -> bool,
    ) -> Result<Walked, Fault> {
        let (mut from, mut to) = (from, to);
        let mut rows = 0;
        loop {
            let end = to.as_ref().map(|id| id.as_bytes().as_slice());
            let page = txn.committed_range::<Entry>(from.as_bytes(), end, LEDGER_SWEEP_PAGE_ROWS, order)?;
            let is_last = page.len() < LEDGER_SWEEP_PAGE_ROWS;
            for (key, entry) in page {
                let id = request_id(&key)?;
                rows += 1;
                match order {
                    Order::Ascending => from = id.successor(),
                    Order::Descending => to = Some(id),
                }
                if !visit(id, entry) || rows >= rows_max {
                    return Ok(Walked { stopped_at: Some(id) });
                }
            }
            if is_last {
                return Ok(Walked { stopped_at: None });
            }
        }
    }

    /// The line of an entry in an export that began when the chain was `up_to` long; none while it is not settled, or when
    /// it was settled later.
    #[must_use]
    pub fn line(id: RequestId, entry: &Entry, up_to: u64) -> Option<Line> {
        let is_meant = match entry.chain {
            Some(place) => place.sequence <= up_to,
            None => entry.state.is_final(),
        };
        is_meant.then(|| Line { record: entry.record(id), chain: entry.chain.map(|place| place.link()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Upkeep;

    // The other rows' forms are pinned in `actors/tests/formats.rs`.
    #[test]
    fn the_upkeep_of_a_chain() {
        let link = |byte| ChainMark::from_bytes([byte; 16]);
        let place = Place { sequence: 7, link: link(0xcc), failed: 2, unknown: 1 };
        let mut removed = Checkpoint::default();
        removed.remove(Link { sequence: 1, link: link(0xaa) });
        removed.remove(Link { sequence: 5, link: link(0xbb) });
        let upkeep = Upkeep { head: Some(place), removed, ..Upkeep::default() };
        let written = protocol::cbor::encode(&upkeep).unwrap();
        assert_eq!(
            protocol::digest::to_hex(&written),
            "\
            a76166f6617000616200616b606173f66168a4616e07616c50cccccccccccccccccccccccccccccccc61660261750161\
            63a36b72656d6f7665645570546fa26873657175656e636501646c696e6b50aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa6b\
            616c736f52656d6f76656481a26873657175656e636505646c696e6b50bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb697369\
            676e61747572655000000000000000000000000000000000"
        );
        assert_eq!(protocol::cbor::decode(&written), Some(upkeep));
    }
}
