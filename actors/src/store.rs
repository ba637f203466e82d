//! The storage port: typed tables with get, range, put and delete, and the write set of a turn.
//!
//! What holds here: reads see the writes of their own turn; nothing reaches the storage before the turn is done; a
//! value that does not decode is a [`Fault`] that names the table. SQL exists in the shell alone.
//! `docs/storage-schema.md` describes every table and is checked against this file.

use std::collections::BTreeMap;
use std::ops::Bound;

use protocol::cbor;
use protocol::limits::STORED_VALUE_BYTES_MAX;
use protocol::time::UnixMs;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::turn::{Effect, Fault};

/// The version of the rows' layout. A newer one in storage is refused. Version 1 did not count its entries and did not
/// know under which key they are sealed; the sweep after recovery finds out both.
pub const SCHEMA_VERSION: u32 = 2;

/// The tables of the objects, each a map from ordered keys to CBOR values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One row: schema version, owner, the ledger's floor.
    Meta,
    /// One row: the sealed Microsoft tokens and when they end.
    Tokens,
    /// One row for each client that the person connected.
    Grants,
    /// One row for each MCP session of the older revisions.
    Sessions,
    /// One row for each request, in order of time.
    Ledger,
    /// One row for each idempotency key that a client gave.
    IdempotencyKeys,
    /// One row for each thing whose changes Microsoft was asked to tell.
    Watches,
    /// One row for each answer that named something for the first time.
    Handles,
    /// Of the directory: one row for each person.
    People,
    /// Of the directory: one row for each address of a person, by its digest.
    Addresses,
    /// Of the directory: one row for each person whom operators should look at.
    Attention,
    /// Of the directory: one row, the counts of all its people together.
    Fleet,
    /// Of the directory: one row for each line of the trail of what operators did, in order of time.
    Trail,
}

impl Table {
    const ALL: [Self; 13] = [
        Self::Meta,
        Self::Tokens,
        Self::Grants,
        Self::Sessions,
        Self::Ledger,
        Self::IdempotencyKeys,
        Self::Watches,
        Self::Handles,
        Self::People,
        Self::Addresses,
        Self::Attention,
        Self::Fleet,
        Self::Trail,
    ];

    /// The tables of one person's object.
    pub const OF_A_PERSON: &'static [Self] = Self::ALL.split_at(8).0;

    /// The tables of one shard of the directory.
    pub const OF_THE_DIRECTORY: &'static [Self] = Self::ALL.split_at(8).1;

    /// The table's name in SQL and in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Tokens => "tokens",
            Self::Grants => "grants",
            Self::Sessions => "sessions",
            Self::Ledger => "ledger",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Watches => "watches",
            Self::Handles => "handles",
            Self::People => "people",
            Self::Addresses => "addresses",
            Self::Attention => "attention",
            Self::Fleet => "fleet",
            Self::Trail => "trail",
        }
    }
}

/// A key and its value.
pub type KeyValue = (Vec<u8>, Vec<u8>);

/// Which end of a range comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Ascending,
    /// Largest key first.
    Descending,
}

/// Synchronous reads of committed rows.
pub trait Rows {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the storage refuses.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// At most `limit` rows whose key is at least `from` and, if given, below `to`.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the storage refuses.
    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<KeyValue>, Fault>;
}

/// A value that lives in a table.
pub trait Record: Serialize + DeserializeOwned {
    /// Its table.
    const TABLE: Table;
}

/// What one turn changes. `None` as a value is a deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteSet {
    /// The rows, by table and key.
    pub rows: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    /// The alarm, if it has to ring earlier than it is set to.
    pub alarm: Option<UnixMs>,
    /// Whether everything goes, the alarm included. Nothing else is written then.
    pub erases: bool,
}

impl WriteSet {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.alarm.is_none() && !self.erases
    }

    /// Whether one row is all that is to be written or deleted.
    #[must_use]
    pub fn is_one_row(&self) -> bool {
        self.rows.len() == 1 && self.alarm.is_none() && !self.erases
    }
}

/// One turn's view of the storage: committed rows below, its own writes above.
pub struct Txn<'r> {
    rows: &'r dyn Rows,
    writes: WriteSet,
    effects: Vec<Effect>,
}

impl<'r> Txn<'r> {
    /// A turn that has changed nothing yet.
    #[must_use]
    pub fn new(rows: &'r dyn Rows) -> Self {
        Self { rows, writes: WriteSet::default(), effects: Vec::new() }
    }

    /// The value of a key as this turn sees it.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when it does not decode.
    pub fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Fault> {
        match self.writes.rows.get(&(R::TABLE, key.to_vec())) {
            Some(written) => written.as_deref().map(decode).transpose(),
            None => self.rows.get(R::TABLE, key)?.as_deref().map(decode).transpose(),
        }
    }

    /// The committed rows of a range, without this turn's writes.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn committed_range<R: Record>(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<(Vec<u8>, R)>, Fault> {
        read_range(self.rows, from, to, limit, order)
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`Fault::ValueTooLarge`] above [`STORED_VALUE_BYTES_MAX`].
    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) -> Result<(), Fault> {
        let value = cbor::encode(record).ok_or(Fault::Invariant("a record could not be encoded"))?;
        if value.len() > STORED_VALUE_BYTES_MAX {
            return Err(Fault::ValueTooLarge { table: R::TABLE.name() });
        }
        self.writes.rows.insert((R::TABLE, key.to_vec()), Some(value));
        Ok(())
    }

    /// Removes a key.
    pub fn delete<R: Record>(&mut self, key: &[u8]) {
        self.writes.rows.insert((R::TABLE, key.to_vec()), None);
    }

    /// Sets the alarm as a part of this turn's commit.
    pub const fn set_alarm(&mut self, at: UnixMs) {
        self.writes.alarm = Some(at);
    }

    /// The alarm that this turn sets.
    #[must_use]
    pub const fn alarm(&self) -> Option<UnixMs> {
        self.writes.alarm
    }

    /// Removes everything. What leaves with the turn leaves, and then the core is thrown away.
    pub fn erase(&mut self) {
        self.writes = WriteSet { erases: true, ..WriteSet::default() };
        self.emit(Effect::Erase);
    }

    /// Whether this turn removes everything.
    #[must_use]
    pub const fn erases(&self) -> bool {
        self.writes.erases
    }

    /// Whether this turn changes any row.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        !self.writes.rows.is_empty()
    }

    /// Lets an effect out once the turn is committed.
    pub fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Ends the turn.
    #[must_use]
    pub fn finish(self) -> (WriteSet, Vec<Effect>) {
        (self.writes, self.effects)
    }
}

/// Reads and decodes a range of committed rows.
///
/// # Errors
/// [`Fault::CorruptRow`] when one does not decode.
pub fn read_range<R: Record>(
    rows: &dyn Rows,
    from: &[u8],
    to: Option<&[u8]>,
    limit: usize,
    order: Order,
) -> Result<Vec<(Vec<u8>, R)>, Fault> {
    rows.range(R::TABLE, from, to, limit, order)?
        .into_iter()
        .map(|(key, value)| Ok((key, decode(&value)?)))
        .collect()
}

fn decode<R: Record>(value: &[u8]) -> Result<R, Fault> {
    cbor::decode(value).ok_or(Fault::CorruptRow { table: R::TABLE.name() })
}

/// The reference implementation of the port: an ordered map, for tests and simulations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRows {
    /// The rows, by table and key.
    pub rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryRows {
    /// Applies a write set's rows.
    pub fn apply(&mut self, writes: &WriteSet) {
        if writes.erases {
            self.rows.clear();
        }
        for ((table, key), value) in &writes.rows {
            match value {
                Some(value) => self.rows.insert((*table, key.clone()), value.clone()),
                None => self.rows.remove(&(*table, key.clone())),
            };
        }
    }
}

impl Rows for MemoryRows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<KeyValue>, Fault> {
        let from = (table, from.to_vec());
        let end = match (to, Table::ALL.into_iter().find(|other| *other > table)) {
            (Some(to), _) => Bound::Excluded((table, to.to_vec())),
            (None, Some(next)) => Bound::Excluded((next, Vec::new())),
            (None, None) => Bound::Unbounded,
        };
        // An ordered map refuses a range that ends before it begins, where SQL finds nothing.
        if matches!(&end, Bound::Excluded(end) if *end <= from) {
            return Ok(Vec::new());
        }
        let inside = self
            .rows
            .range((Bound::Included(from), end))
            .map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(match order {
            Order::Ascending => inside.take(limit).collect(),
            Order::Descending => inside.rev().take(limit).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note(u32);

    impl Record for Note {
        const TABLE: Table = Table::Ledger;
    }

    #[test]
    fn a_turn_reads_its_own_writes_and_nothing_leaks_before_the_commit() {
        let mut rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        txn.put(b"a", &Note(1)).unwrap();
        txn.put(b"b", &Note(2)).unwrap();
        txn.delete::<Note>(b"b");
        assert_eq!(txn.get::<Note>(b"a"), Ok(Some(Note(1))));
        assert_eq!(txn.get::<Note>(b"b"), Ok(None));
        let (writes, _) = txn.finish();
        assert_eq!(rows.get(Table::Ledger, b"a"), Ok(None));
        rows.apply(&writes);
        assert_eq!(Txn::new(&rows).get::<Note>(b"a"), Ok(Some(Note(1))));
    }

    #[test]
    fn ranges_stay_inside_their_table_and_bounds() {
        let mut rows = MemoryRows::default();
        for key in [b"a", b"b", b"c"] {
            rows.rows.insert((Table::Ledger, key.to_vec()), vec![0x01]);
            rows.rows.insert((Table::Sessions, key.to_vec()), vec![0x01]);
        }
        let keys = |order, to: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
            let found = rows.range(Table::Ledger, b"b", to, limit, order).unwrap();
            found.into_iter().map(|(key, _)| key).collect()
        };
        assert_eq!(keys(Order::Ascending, None, 9), [b"b", b"c"]);
        assert_eq!(keys(Order::Descending, None, 1), [b"c"]);
        assert_eq!(keys(Order::Ascending, Some(b"c"), 9), [b"b"]);
    }

    #[test]
    fn undecodable_and_oversized_values_are_faults() {
        let mut rows = MemoryRows::default();
        rows.rows.insert((Table::Ledger, b"a".to_vec()), vec![0xff, 0x00]);
        let fault = Txn::new(&rows).get::<Note>(b"a").unwrap_err();
        assert_eq!(fault, Fault::CorruptRow { table: "ledger" });
        #[derive(Serialize, Deserialize)]
        struct Big(Vec<u8>);
        impl Record for Big {
            const TABLE: Table = Table::Ledger;
        }
        let too_large = Txn::new(&rows).put(b"b", &Big(vec![255; STORED_VALUE_BYTES_MAX])).unwrap_err();
        assert_eq!(too_large, Fault::ValueTooLarge { table: "ledger" });
    }
}
