//! Random operations that are likely to tell two ordered maps apart: few keys, many of them prefixes of each other,
//! with bytes at the ends of their range.

use std::collections::BTreeMap;

use actors::store::{Order, Table, WriteSet};
use protocol::time::UnixMs;

/// One read.
pub(crate) enum Read {
    /// The value of a key.
    Get { table: Table, key: Vec<u8> },
    /// A range of rows.
    Range { table: Table, from: Vec<u8>, to: Option<Vec<u8>>, limit: usize, order: Order },
}

/// An endless list of operations, the same for the same seed.
pub(crate) struct Operations {
    state: u64,
}

impl Operations {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// SplitMix64: short, and good enough to choose operations.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> usize {
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn table(&mut self) -> Table {
        let position = self.below(Table::OF_A_PERSON.len() as u64);
        Table::OF_A_PERSON.get(position).copied().unwrap_or(Table::Ledger)
    }

    fn key(&mut self) -> Vec<u8> {
        let length = self.below(5);
        (0..length)
            .map(|_| match self.below(5) {
                0 => 0x00,
                1 => 0xff,
                2 => 0x7f,
                3 => 0x80,
                _ => b'a',
            })
            .collect()
    }

    /// A write set of a few rows, sometimes with the alarm.
    pub(crate) fn writes(&mut self) -> WriteSet {
        let mut rows = BTreeMap::new();
        for _ in 0..self.below(6) {
            let value = if self.below(4) == 0 {
                None
            } else {
                let length = self.below(2_000);
                Some((0..length).map(|_| self.next().to_le_bytes()[0]).collect())
            };
            rows.insert((self.table(), self.key()), value);
        }
        // Far in the future: this object has no alarm handler.
        let alarm = (self.below(8) == 0).then_some(UnixMs(32_503_680_000_000));
        WriteSet { rows, alarm, erases: false }
    }

    /// A read of any kind.
    pub(crate) fn read(&mut self) -> Read {
        let table = self.table();
        if self.below(2) == 0 {
            return Read::Get { table, key: self.key() };
        }
        let to = (self.below(2) == 0).then(|| self.key());
        let order = if self.below(2) == 0 { Order::Ascending } else { Order::Descending };
        Read::Range { table, from: self.key(), to, limit: self.below(12), order }
    }
}
