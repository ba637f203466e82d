//! The storage port on SQLite: one table for each [`Table`], keys and values as blobs.
//!
//! What holds here: all SQL of the product stands in this file. Tables are `WITHOUT ROWID` and have no further index, so
//! that a row written is a row billed. A write set is applied inside one `transactionSync`, the alarm included, unless
//! it is a single row.

use js_sys::Uint8Array;
use protocol::time::UnixMs;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{SqlCursor, SqlStorage, SqlStorageValue, State};

use super::bindings::RawStorage;
use crate::store::{KeyValue, Order, Rows, Table, WriteSet};
use crate::turn::{Commit, Fault};

/// The storage of one object.
pub struct SqlRows {
    sql: SqlStorage,
    storage: RawStorage,
    /// Rows read and written so far, as the platform bills them.
    #[cfg(feature = "row-counts")]
    counts: std::cell::Cell<(u64, u64)>,
}

impl SqlRows {
    /// Opens the storage of an object and makes sure that its tables exist.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the storage refuses.
    pub fn open(state: &State, tables: &[Table]) -> Result<Self, Fault> {
        let storage = state.storage();
        let raw: &JsValue = storage.as_raw().as_ref();
        let rows = Self {
            sql: storage.sql(),
            storage: raw.clone().unchecked_into(),
            #[cfg(feature = "row-counts")]
            counts: std::cell::Cell::default(),
        };
        rows.create_tables(tables)?;
        Ok(rows)
    }

    /// When the alarm rings. `None` when none is set, also while it rings, and when the storage does not say.
    pub(super) async fn alarm(&self) -> Option<UnixMs> {
        let unix_ms = self.storage.get_alarm().await.ok()?.as_f64()?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as it was set, below")]
        let unix_ms = unix_ms as u64;
        Some(UnixMs(unix_ms))
    }

    /// All at once: every object that wakes up asks for this.
    fn create_tables(&self, tables: &[Table]) -> Result<(), Fault> {
        let statements: Vec<&str> = tables.iter().copied().map(create).collect();
        self.sql.exec(&statements.join(";"), None).map(drop).map_err(|_| Fault::Storage)
    }

    /// Gives back the file as a whole, the platform's own tables and the alarm included, once a write set has emptied the
    /// tables of this program. Whatever fails here, no row is left.
    pub(super) fn delete_all(&self) {
        // The promise is resolved when it is durable, for which the output gate waits anyway.
        let _when_durable = self.storage.delete_all();
        let _next_use_says_so = self.create_tables(Table::OF_A_PERSON);
    }

    fn apply(&self, writes: &WriteSet) -> Result<(), Fault> {
        if writes.erases {
            for table in Table::OF_A_PERSON {
                self.sql.exec(empty(*table), None).map_err(|_| Fault::Storage)?;
            }
            let _when_durable = self.storage.delete_alarm().map_err(|_| Fault::Storage)?;
            return Ok(());
        }
        for ((table, key), value) in &writes.rows {
            let key = blob(key);
            let done = match value {
                Some(value) => self.sql.exec_raw(upsert(*table), vec![key, blob(value)]),
                None => self.sql.exec_raw(delete(*table), vec![key]),
            };
            self.count(&done.map_err(|_| Fault::Storage)?);
        }
        if let Some(at) = writes.alarm {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 need 41 of 53 bits")]
            let unix_ms = at.0 as f64;
            // The promise is resolved when the write is durable, for which the output gate waits anyway.
            let _when_durable = self.storage.set_alarm(unix_ms).map_err(|_| Fault::Storage)?;
        }
        Ok(())
    }
}

impl Rows for SqlRows {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let cursor = self.sql.exec_raw(select(table), vec![blob(key)]).map_err(|_| Fault::Storage)?;
        let row = cursor.raw().next();
        self.count(&cursor);
        let Some(row) = row else { return Ok(None) };
        match row.map_err(|_| Fault::Storage)?.into_iter().next() {
            Some(SqlStorageValue::Blob(value)) => Ok(Some(value)),
            _ => Err(Fault::CorruptRow { table: table.name() }),
        }
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: Option<&[u8]>,
        limit: usize,
        order: Order,
    ) -> Result<Vec<KeyValue>, Fault> {
        let name = table.name();
        let query = range(table, to.is_some(), limit, order);
        let mut bindings = vec![blob(from)];
        bindings.extend(to.map(blob));
        let cursor = self.sql.exec_raw(&query, bindings).map_err(|_| Fault::Storage)?;
        let rows = cursor
            .raw()
            .map(|row| {
                let mut columns = row.map_err(|_| Fault::Storage)?.into_iter();
                match (columns.next(), columns.next()) {
                    (Some(SqlStorageValue::Blob(key)), Some(SqlStorageValue::Blob(value))) => {
                        Ok((key, value))
                    }
                    _ => Err(Fault::CorruptRow { table: name }),
                }
            })
            .collect();
        self.count(&cursor);
        rows
    }
}

#[cfg(feature = "row-counts")]
impl SqlRows {
    /// Rows read and rows written so far, as the platform bills them.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.counts.get()
    }

    fn count(&self, cursor: &SqlCursor) {
        let (read, written) = self.counts.get();
        self.counts.set((read + cursor.rows_read() as u64, written + cursor.rows_written() as u64));
    }

    /// How the database goes about each statement that a request can cause, in its own words.
    ///
    /// # Errors
    /// [`Fault::Storage`] when the storage refuses.
    pub fn query_plans(&self) -> Result<Vec<(String, String)>, Fault> {
        #[derive(serde::Deserialize)]
        struct Step {
            detail: String,
        }
        let key = || blob(b"k");
        let mut plans = Vec::new();
        for table in Table::OF_A_PERSON.iter().copied() {
            let statements = [
                (select(table).to_owned(), vec![key()]),
                (upsert(table).to_owned(), vec![key(), key()]),
                (delete(table).to_owned(), vec![key()]),
                (range(table, false, 9, Order::Ascending), vec![key()]),
                (range(table, false, 9, Order::Descending), vec![key()]),
                (range(table, true, 9, Order::Ascending), vec![key(), key()]),
                (range(table, true, 9, Order::Descending), vec![key(), key()]),
            ];
            for (statement, bindings) in statements {
                let explain = format!("EXPLAIN QUERY PLAN {statement}");
                let cursor = self.sql.exec_raw(&explain, bindings).map_err(|_| Fault::Storage)?;
                let steps: Vec<Step> = cursor.to_array().map_err(|_| Fault::Storage)?;
                let steps: Vec<String> = steps.into_iter().map(|step| step.detail).collect();
                plans.push((statement, steps.join("; ")));
            }
        }
        Ok(plans)
    }
}

#[cfg(not(feature = "row-counts"))]
impl SqlRows {
    #[expect(clippy::unused_self, reason = "the same form as where rows are counted")]
    const fn count(&self, _cursor: &SqlCursor) {}
}

/// The statement of a range. Its text is one of a few, because limits are constants.
fn range(table: Table, has_end: bool, limit: usize, order: Order) -> String {
    let name = table.name();
    let below = if has_end { " AND k < ?" } else { "" };
    let direction = match order {
        Order::Ascending => "ASC",
        Order::Descending => "DESC",
    };
    format!("SELECT k, v FROM {name} WHERE k >= ?{below} ORDER BY k {direction} LIMIT {limit}")
}

/// Applies write sets, as the turn runner asks for it.
pub struct SqlDisk<'a>(pub &'a SqlRows);

impl Commit for SqlDisk<'_> {
    fn commit(&mut self, writes: &WriteSet) -> Result<(), Fault> {
        if writes.is_one_row() {
            // A statement takes effect whole or not at all, without a transaction around it.
            return self.0.apply(writes);
        }
        let mut closure = || match self.0.apply(writes) {
            Ok(()) => Ok(JsValue::UNDEFINED),
            Err(_) => Err(JsValue::from_str("the write set was not applied")),
        };
        self.0.storage.transaction_sync(&mut closure).map(|_| ()).map_err(|_| Fault::Storage)
    }
}

fn blob(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// The statements of each table, as constants: the storage caches statements by their text.
macro_rules! statements {
    ($($variant:ident => $name:literal),* $(,)?) => {
        const fn create(table: Table) -> &'static str {
            match table {
                $(Table::$variant => concat!(
                    "CREATE TABLE IF NOT EXISTS ", $name, " (k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID"
                ),)*
            }
        }

        const fn select(table: Table) -> &'static str {
            match table { $(Table::$variant => concat!("SELECT v FROM ", $name, " WHERE k = ?"),)* }
        }

        const fn upsert(table: Table) -> &'static str {
            match table {
                $(Table::$variant => concat!(
                    "INSERT INTO ", $name, " (k, v) VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v"
                ),)*
            }
        }

        const fn empty(table: Table) -> &'static str {
            match table { $(Table::$variant => concat!("DELETE FROM ", $name),)* }
        }

        const fn delete(table: Table) -> &'static str {
            match table { $(Table::$variant => concat!("DELETE FROM ", $name, " WHERE k = ?"),)* }
        }
    };
}

statements! {
    Meta => "meta",
    Tokens => "tokens",
    Grants => "grants",
    Sessions => "sessions",
    Ledger => "ledger",
    IdempotencyKeys => "idempotency_keys",
    Watches => "watches",
    Handles => "handles",
    People => "people",
    Addresses => "addresses",
    Attention => "attention",
    Fleet => "fleet",
    Trail => "trail",
}
