//! The export of the ledger: head, pages of lines, checkpoint, and the key with which whoever has them verifies them.
//!
//! What holds here: nothing of an export is kept between its orders. The head says how long the chain was when it began,
//! and the checkpoint, which is asked for last, explains every entry that retention removed until then.

use protocol::digest::to_hex;
use protocol::ids::RequestId;
use protocol::limits::{EXPORT_PAGE_LINES, ORDER_ROWS_MAX};
use protocol::operator::ExportQuery;
use protocol::operator::record::{Checkpoint, ExportPage, Head, VerificationKey};
use protocol::time::UnixMs;

use super::super::{Txn, UserSession};
use crate::ledger::Ledger;
use crate::store::Order;
use crate::turn::Fault;

impl UserSession {
    pub(super) fn export_head(&self, now: UnixMs) -> Result<Head, Fault> {
        Ok(Head::new(&self.chain_key()?, self.owner()?, now, self.ledger.head().link()))
    }

    pub(super) fn export_page(txn: &Txn<'_>, query: &ExportQuery) -> Result<ExportPage, Fault> {
        let from = query.after.map_or(RequestId::from_bytes([0; 16]), |id| id.successor());
        let mut lines = Vec::new();
        let walked = Ledger::walk(txn, (from, None), (Order::Ascending, ORDER_ROWS_MAX), |id, entry| {
            lines.extend(Ledger::line(id, &entry, query.up_to));
            lines.len() < EXPORT_PAGE_LINES
        })?;
        Ok(ExportPage { lines, after: walked.stopped_at })
    }

    pub(super) fn export_end(&self) -> Result<Checkpoint, Fault> {
        Ok(self.ledger.removed().clone().signed(&self.chain_key()?))
    }

    pub(super) fn verification_key(&self) -> Result<VerificationKey, Fault> {
        Ok(VerificationKey { key: to_hex(&self.chain_key()?) })
    }
}
