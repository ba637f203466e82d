//! A Worker for two tests: a random list of operations on the storage port, once on the object's real SQLite and once on
//! the reference in memory, with every result compared; and calls of the real core with a ledger of any size, with the
//! rows that SQLite read and wrote for them.
//!
//! What holds here: the list follows from the seed in the query alone, so that a difference can be shown again. This
//! Worker is never deployed; it exists because only workerd has the real storage.
#![cfg(target_arch = "wasm32")]
// The attribute macros write exported functions that carry no documentation of their own.
#![allow(missing_docs)]

mod calls;
mod operations;

use std::cell::RefCell;
use std::rc::Rc;

use actors::store::{KeyValue, MemoryRows, Order, Rows, Table, WriteSet};
use actors::turn::{Commit, Fault};
use actors::{SqlDisk, SqlRows};
use calls::{Calls, Counted, What, filled_id, filled_value};
use operations::{Operations, Read};
use worker::{Context, DurableObject, Env, Request, Response, Result, State, durable_object, event};

/// Entries that are filled in with one commit.
const FILLED_AT_ONCE: u64 = 1_000;

/// Forwards every request to the object that its query names.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    let name = parameter(&request, "object")?.unwrap_or_else(|| "probe".to_owned());
    env.durable_object("PROBE")?.get_by_name(&name)?.fetch_with_request(request).await
}

fn parameter(request: &Request, name: &str) -> Result<Option<String>> {
    let url = request.url()?;
    Ok(url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned()))
}

/// The object whose storage is put to the test.
#[durable_object]
pub struct StorageProbe {
    state: State,
    /// The object at work, which lives as long as this one.
    calls: RefCell<Option<Calls<Sql>>>,
}

impl DurableObject for StorageProbe {
    fn new(state: State, _env: Env) -> Self {
        Self { state, calls: RefCell::default() }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let number = |name: &str| -> Result<u64> {
            Ok(parameter(&request, name)?.and_then(|value| value.parse().ok()).unwrap_or(1))
        };
        let answer = match request.path().as_str() {
            "/compare" => compare(&self.state, number("seed")?, number("count")?),
            "/plans" => plans(&self.state),
            "/fill" => self.fill(number("first")?, number("count")?, number("of")?),
            "/adopt" => self.adopt(number("of")?),
            "/calls" => {
                let what = parameter(&request, "what")?.unwrap_or_default();
                self.measure(&what, number("count")?, number("of")?)
            }
            _ => return Response::error("no such measurement", 404),
        };
        match answer {
            Ok(answer) => Response::from_json(&answer),
            Err(fault) => Response::error(fault.to_string(), 500),
        }
    }
}

type Measured = std::result::Result<serde_json::Value, Fault>;

/// The object's SQLite, which counts its rows itself.
struct Sql(SqlRows);

impl Rows for Sql {
    fn get(&self, table: Table, key: &[u8]) -> std::result::Result<Option<Vec<u8>>, Fault> {
        self.0.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> std::result::Result<Vec<KeyValue>, Fault> {
        self.0.range(table, from, to, limit, order)
    }
}

impl Counted for Sql {
    fn apply(&self, writes: &WriteSet) -> std::result::Result<(), Fault> {
        // This object has no alarm handler; the alarm is counted and not set.
        SqlDisk(&self.0).commit(&WriteSet { alarm: None, ..writes.clone() })
    }

    fn counts(&self) -> (u64, u64) {
        self.0.counts()
    }
}

impl StorageProbe {
    /// Fills a part of the ledger, as many entries as one request may take time for.
    fn fill(&self, first: u64, count: u64, of: u64) -> Measured {
        let sql = SqlRows::open(&self.state, Table::OF_A_PERSON)?;
        let value = filled_value()?;
        let mut number = first;
        while number < first + count {
            let mut writes = WriteSet::default();
            for _ in 0..FILLED_AT_ONCE.min(first + count - number) {
                let key = filled_id(number, of).as_bytes().to_vec();
                writes.rows.insert((Table::Ledger, key), Some(value.clone()));
                number += 1;
            }
            SqlDisk(&sql).commit(&writes)?;
        }
        Ok(serde_json::json!({ "filled": count }))
    }

    /// Connects an account and opens a session on what was filled in.
    fn adopt(&self, of: u64) -> Measured {
        let mut calls = Calls::connected(Rc::new(Sql(SqlRows::open(&self.state, Table::OF_A_PERSON)?)))?;
        calls.adopt(of)?;
        *self.calls.borrow_mut() = Some(calls);
        Ok(serde_json::json!({ "entries": of }))
    }

    /// Does the same thing so many times and says what each cost.
    fn measure(&self, what: &str, count: u64, of: u64) -> Measured {
        let what = What::ALL.into_iter().find(|known| known.name() == what);
        let what = what.ok_or(Fault::Invariant("no such thing to measure"))?;
        if self.calls.borrow().is_none() {
            // The platform took the object out of memory since it was filled.
            self.adopt(of)?;
        }
        let mut slot = self.calls.borrow_mut();
        let calls = slot.as_mut().ok_or(Fault::Invariant("no account is connected"))?;
        let mut costs = Vec::new();
        for _ in 0..count {
            let cost = calls.measure(what)?;
            costs.push(serde_json::json!({ "read": cost.read, "written": cost.written }));
        }
        Ok(serde_json::json!({ "costs": costs }))
    }
}

fn plans(state: &State) -> Measured {
    let plans: Vec<_> = SqlRows::open(state, Table::OF_A_PERSON)?
        .query_plans()?
        .into_iter()
        .map(|(statement, plan)| serde_json::json!({ "statement": statement, "plan": plan }))
        .collect();
    Ok(serde_json::json!({ "plans": plans }))
}

fn compare(state: &State, seed: u64, count: u64) -> Measured {
    let sql = SqlRows::open(state, Table::OF_A_PERSON)?;
    let mut memory = MemoryRows::default();
    // A run before this one may have left rows.
    for table in Table::OF_A_PERSON.iter().copied() {
        for (key, value) in sql.range(table, &[], None, usize::MAX >> 1, Order::Ascending)? {
            memory.rows.insert((table, key), value);
        }
    }
    let mut operations = Operations::new(seed);
    let mut differences = Vec::new();
    for number in 0..count {
        let writes = operations.writes();
        SqlDisk(&sql).commit(&writes)?;
        memory.apply(&writes);
        let (from_sql, from_memory) = match operations.read() {
            Read::Get { table, key } => {
                (format!("{:?}", sql.get(table, &key)), format!("{:?}", memory.get(table, &key)))
            }
            Read::Range { table, from, to, limit, order } => (
                format!("{:?}", sql.range(table, &from, to.as_deref(), limit, order)),
                format!("{:?}", memory.range(table, &from, to.as_deref(), limit, order)),
            ),
        };
        if from_sql != from_memory {
            differences.push(format!("operation {number}: {from_sql} and not {from_memory}"));
        }
    }
    Ok(serde_json::json!({ "seed": seed, "operations": count, "differences": differences }))
}
