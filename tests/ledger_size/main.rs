//! What calls cost with an empty ledger and with a full one, on the reference in memory.
//!
//! What holds here: the rows that a call reads and writes are the same at both sizes. `cargo test` looks at twenty thousand
//! entries; `ENTRIES=1000000 cargo test --release --test ledger_size -- --nocapture` prints times for a million. The same
//! calls on SQLite inside workerd are measured by `tests/end_to_end/storage_port.test.mjs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../storage_port/src/calls.rs"]
mod calls;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actors::store::{KeyValue, MemoryRows, Order, Rows, Table, WriteSet};
use actors::turn::Fault;
use calls::{Calls, Cost, Counted, What, filled_id, filled_value};

const TIMES: u32 = 200;

/// The reference in memory, counting.
#[derive(Default)]
struct Memory {
    rows: RefCell<MemoryRows>,
    read: Cell<u64>,
    written: Cell<u64>,
}

impl Rows for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let value = self.rows.borrow().get(table, key)?;
        self.read.set(self.read.get() + u64::from(value.is_some()));
        Ok(value)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<KeyValue>, Fault> {
        let rows = self.rows.borrow().range(table, from, to, limit, order)?;
        self.read.set(self.read.get() + rows.len() as u64);
        Ok(rows)
    }
}

impl Counted for Memory {
    fn apply(&self, writes: &WriteSet) -> Result<(), Fault> {
        self.rows.borrow_mut().apply(writes);
        self.written.set(self.written.get() + writes.rows.len() as u64);
        Ok(())
    }

    fn counts(&self) -> (u64, u64) {
        (self.read.get(), self.written.get())
    }
}

/// Every kind of call, many times over: the time of one and what all of them cost.
fn measured(entries: u64) -> Vec<(What, Duration, Vec<Cost>)> {
    let memory = Rc::new(Memory::default());
    let mut calls = Calls::connected(Rc::clone(&memory)).unwrap();
    let value = filled_value().unwrap();
    for number in 0..entries {
        let key = filled_id(number, entries).as_bytes().to_vec();
        memory.rows.borrow_mut().rows.insert((Table::Ledger, key), value.clone());
    }
    calls.adopt(entries).unwrap();
    // Beside what is filled in there is one call, so that no ledger is so empty that there is nothing to find.
    calls.measure(What::Read).unwrap();
    What::ALL
        .into_iter()
        .map(|what| {
            let began = Instant::now();
            let costs = (0..TIMES).map(|_| calls.measure(what).unwrap()).collect();
            (what, began.elapsed() / TIMES, costs)
        })
        .collect()
}

#[test]
fn a_call_costs_the_same_with_an_empty_and_with_a_full_ledger() {
    let entries = std::env::var("ENTRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let (empty, full) = (measured(0), measured(entries));
    println!("what | entries in the ledger | time of one | rows read | rows written");
    for (size, list) in [(0, &empty), (entries, &full)] {
        for (what, time, costs) in list {
            let last = costs.last().unwrap();
            println!("{} | {size} | {time:.1?} | {} | {}", what.name(), last.read, last.written);
        }
    }
    for ((what, _, few), (_, _, many)) in empty.iter().zip(&full) {
        let differs = few.iter().zip(many).find(|(few, many)| few != many);
        assert_eq!(differs, None, "{}", what.name());
    }
}
