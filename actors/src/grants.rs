//! Grants: which clients this person connected, and whether each still may act.
//!
//! What holds here: an access token is worth exactly as much as the grant behind it; a grant that is gone or revoked
//! refuses the next request, whatever the token's time says.

use std::collections::BTreeMap;

use protocol::ids::GrantId;
use protocol::limits::GRANTS_MAX;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// One client's permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The OAuth client.
    #[serde(rename = "c")]
    pub client: String,
    /// The scopes that the person agreed to.
    #[serde(rename = "s")]
    pub scopes: Vec<String>,
    /// When the person agreed.
    #[serde(rename = "a")]
    pub granted_at: UnixMs,
}

impl Record for Grant {
    const TABLE: Table = Table::Grants;
}

/// All grants of one person, in memory as in their rows.
#[derive(Debug, Default)]
pub struct Grants {
    by_id: BTreeMap<GrantId, Grant>,
}

impl Grants {
    /// Reads all grants.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn recover(rows: &dyn Rows) -> Result<Self, Fault> {
        let mut by_id = BTreeMap::new();
        for (key, grant) in read_range::<Grant>(rows, &[], None, GRANTS_MAX, Order::Ascending)? {
            let id = <[u8; 16]>::try_from(key.as_slice())
                .map_err(|_| Fault::CorruptRow { table: Table::Grants.name() })?;
            by_id.insert(GrantId::from_bytes(id), grant);
        }
        Ok(Self { by_id })
    }

    /// A standing grant.
    #[must_use]
    pub fn get(&self, id: &GrantId) -> Option<&Grant> {
        self.by_id.get(id)
    }

    /// Records a grant. The oldest one gives way when there are too many: it belongs to a client that was connected
    /// again and again, and the newest connection is the one in use.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn insert(&mut self, txn: &mut Txn<'_>, id: GrantId, grant: Grant) -> Result<(), Fault> {
        if self.by_id.len() >= GRANTS_MAX && !self.by_id.contains_key(&id) {
            let oldest = self.by_id.iter().min_by_key(|(_, grant)| grant.granted_at).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.by_id.remove(&oldest);
                txn.delete::<Grant>(oldest.as_bytes());
            }
        }
        txn.put(id.as_bytes(), &grant)?;
        self.by_id.insert(id, grant);
        Ok(())
    }
}
