//! A Worker for one test: a random list of operations on the storage port, once on the object's real SQLite and once on
//! the reference in memory, with every result compared.
//!
//! What holds here: the list follows from the seed in the query alone, so that a difference can be shown again. This
//! Worker is never deployed; it exists because only workerd has the real storage.
#![cfg(target_arch = "wasm32")]
// The attribute macros write exported functions that carry no documentation of their own.
#![allow(missing_docs)]

mod operations;

use actors::store::{MemoryRows, Order, Rows, Table};
use actors::turn::Commit;
use actors::{SqlDisk, SqlRows};
use operations::{Operations, Read};
use worker::{Context, DurableObject, Env, Request, Response, Result, State, durable_object, event};

/// Forwards every request to one object.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> Result<Response> {
    env.durable_object("PROBE")?.get_by_name("probe")?.fetch_with_request(request).await
}

/// The object whose storage is put to the test.
#[durable_object]
pub struct StorageProbe {
    state: State,
}

impl DurableObject for StorageProbe {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, request: Request) -> Result<Response> {
        let url = request.url()?;
        let number = |name: &str| {
            url.query_pairs()
                .find(|(known, _)| known == name)
                .and_then(|(_, value)| value.parse::<u64>().ok())
        };
        let (seed, count) = (number("seed").unwrap_or(1), number("count").unwrap_or(100));
        match compare(&self.state, seed, count) {
            Ok(differences) => Response::from_json(
                &serde_json::json!({ "seed": seed, "operations": count, "differences": differences }),
            ),
            Err(fault) => Response::error(fault.to_string(), 500),
        }
    }
}

fn compare(state: &State, seed: u64, count: u64) -> std::result::Result<Vec<String>, actors::turn::Fault> {
    let sql = SqlRows::open(state)?;
    let mut memory = MemoryRows::default();
    // A run before this one may have left rows.
    for table in Table::ALL {
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
    Ok(differences)
}
