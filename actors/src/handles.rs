//! The short names that a person's clients were given for Microsoft's long identifiers.
//!
//! What holds here: one row for what one answer named anew, never a row for each item; an answer whose items all have
//! names that live on costs no row. A name lives for a week and longer if it is shown again. The oldest rows go when
//! there are too many. Nothing of a person's content is in a row.

use std::collections::BTreeMap;

use protocol::limits::{HANDLE_LIFETIME, HANDLE_PAGES_MAX};
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// What one answer named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandlePage {
    /// When the names end.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// Names and identifiers.
    #[serde(rename = "i")]
    pub items: BTreeMap<String, String>,
}

impl Record for HandlePage {
    const TABLE: Table = Table::Handles;
}

/// All names of one person, in memory as in their rows.
#[derive(Debug, Default)]
pub struct Handles {
    /// Until when a name lives, and for what it stands.
    known: BTreeMap<String, (UnixMs, String)>,
    /// The names in each row, by its number.
    pages: BTreeMap<u64, Vec<String>>,
}

impl Handles {
    /// Reads what is known.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when a row does not decode.
    pub fn recover(rows: &dyn Rows) -> Result<Self, Fault> {
        let mut out = Self::default();
        for (row, page) in read_range::<HandlePage>(rows, &[], None, HANDLE_PAGES_MAX * 2, Order::Ascending)?
        {
            let number = <[u8; 8]>::try_from(row.as_slice())
                .map_err(|_| Fault::CorruptRow { table: Table::Handles.name() })?;
            out.take(u64::from_be_bytes(number), page);
        }
        Ok(out)
    }

    fn take(&mut self, number: u64, page: HandlePage) {
        self.pages.insert(number, page.items.keys().cloned().collect());
        for (handle, id) in page.items {
            self.known.insert(handle, (page.expires_at, id));
        }
    }

    /// For what a name stands.
    #[must_use]
    pub fn find(&self, handle: &str, now: UnixMs) -> Option<String> {
        self.known.get(handle).filter(|(expires_at, _)| now < *expires_at).map(|(_, id)| id.clone())
    }

    /// Takes note of the names that an answer shows.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn show(
        &mut self,
        txn: &mut Txn<'_>,
        shown: BTreeMap<String, String>,
        now: UnixMs,
    ) -> Result<(), Fault> {
        let lives_on = now.plus(HANDLE_LIFETIME.halved());
        let mut items = shown;
        items.retain(|handle, _| self.known.get(handle).is_none_or(|(expires_at, _)| *expires_at < lives_on));
        if items.is_empty() {
            return Ok(());
        }
        let number = self.pages.last_key_value().map_or(0, |(last, _)| last + 1);
        let page = HandlePage { expires_at: now.plus(HANDLE_LIFETIME), items };
        txn.put(&number.to_be_bytes(), &page)?;
        self.take(number, page);
        // One in, one out: an answer never costs more rows than that.
        let first = self.pages.first_key_value().map(|(first, _)| *first);
        if let Some(first) = first.filter(|first| self.is_over(*first, now)) {
            self.remove(txn, first);
        }
        Ok(())
    }

    /// Whether a row may go: there are too many, or all its names have ended or live in a newer one.
    fn is_over(&self, number: u64, now: UnixMs) -> bool {
        let is_needed = |handle: &String| self.known.get(handle).is_some_and(|(until, _)| now < *until);
        self.pages.len() > HANDLE_PAGES_MAX
            || !self.pages.get(&number).is_some_and(|handles| handles.iter().any(is_needed))
    }

    fn remove(&mut self, txn: &mut Txn<'_>, number: u64) {
        txn.delete::<HandlePage>(&number.to_be_bytes());
        let removed = self.pages.remove(&number).unwrap_or_default();
        for handle in removed {
            // A name that a newer row has too lives on.
            if !self.pages.values().any(|handles| handles.contains(&handle)) {
                self.known.remove(&handle);
            }
        }
    }
}
