//! How many messages a person sent within the last hour, where operators set a limit.
//!
//! What holds here: memory is a cache of the ledger, which is read once in the life of an object and only where there is
//! a limit; a message that certainly did not leave does not count, one that may have left does.

use std::collections::BTreeSet;

use protocol::ids::RequestId;
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::Target;

use crate::ledger::{Entry, EntryState, Kind};
use crate::store::{Order, Txn};
use crate::turn::Fault;

/// The span in which messages are counted.
const SPAN: DurationMs = DurationMs::from_secs(60 * 60);

/// Entries that are read at a time.
const PAGE_ROWS: usize = 100;

/// The messages of the last hour; none before they were counted.
#[derive(Debug, Default)]
pub struct Sends {
    counted: Option<BTreeSet<RequestId>>,
}

impl Sends {
    /// Takes note of a message that is about to be sent. If there are too many, it is not, and how long to wait is said.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn count(
        &mut self,
        txn: &Txn<'_>,
        request: RequestId,
        most: u32,
        now: UnixMs,
    ) -> Result<Option<DurationMs>, Fault> {
        let begin = RequestId::first_at(now.minus(SPAN));
        let mut sent = match self.counted.take() {
            Some(sent) => sent,
            None => read(txn, begin)?,
        };
        sent.retain(|one| *one >= begin && *one != request);
        let first_that_counts =
            sent.iter().rev().nth(usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1));
        let wait = first_that_counts.map(|first| first.created_at().plus(SPAN).since(now));
        let wait = if most == 0 { Some(SPAN) } else { wait };
        if wait.is_none() {
            sent.insert(request);
        }
        self.counted = Some(sent);
        Ok(wait)
    }

    /// A message certainly did not leave.
    pub fn forget(&mut self, request: &RequestId) {
        if let Some(sent) = &mut self.counted {
            sent.remove(request);
        }
    }
}

fn read(txn: &Txn<'_>, begin: RequestId) -> Result<BTreeSet<RequestId>, Fault> {
    let mut sent = BTreeSet::new();
    let mut from = begin.as_bytes().to_vec();
    loop {
        let page = txn.committed_range::<Entry>(&from, None, PAGE_ROWS, Order::Ascending)?;
        let is_last = page.len() < PAGE_ROWS;
        for (key, entry) in page {
            let Ok(id) = <[u8; 16]>::try_from(key.as_slice()) else { continue };
            let id = RequestId::from_bytes(id);
            from = id.successor().as_bytes().to_vec();
            let is_message = matches!(&entry.kind, Kind::Tool(name)
                if Target::from_name(name).is_some_and(Target::sends));
            if is_message && !matches!(entry.state, EntryState::Failed | EntryState::Cancelled) {
                sent.insert(id);
            }
        }
        if is_last {
            return Ok(sent);
        }
    }
}
