//! The object's own row: whose it is, what its upkeep has come to, and what operators and the edge said of it.
//!
//! What holds here: it is written with the first other row and never without an owner; a field that is added is optional,
//! so that rows of earlier programs are read as they are.

use protocol::ids::{AddressMark, UserKey};
use serde::{Deserialize, Serialize};

use super::linking::Ties;
use super::operate::Paused;
use super::reporting::Told;
use super::zone::KeptZone;
use super::{Txn, UserSession};
use crate::ledger::Upkeep;
use crate::store::{Record, SCHEMA_VERSION, Table};
use crate::turn::Fault;

pub(super) const META_KEY: &[u8] = b"object";

/// The object's own row: whose it is, and what upkeep it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    #[serde(rename = "v")]
    pub schema_version: u32,
    #[serde(rename = "u")]
    pub user: UserKey,
    #[serde(rename = "l")]
    pub upkeep: Upkeep,
    /// The sealed key under which repeats are recognised. It is the object's own and outlives every rotation of the
    /// encryption keys, because idempotency keys are recognised by it for months.
    #[serde(rename = "d", with = "serde_bytes")]
    pub sealed_digest_key: Vec<u8>,
    #[serde(rename = "a", default, skip_serializing_if = "Ties::is_empty")]
    pub ties: Ties,
    /// Whether operators let anything leave.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The keyed digests of the account's addresses, by which operators find the person.
    #[serde(rename = "m", default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressMark>,
    /// The zone of the person's mailbox, once it was read.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<KeptZone>,
    /// What the directory was told last.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

impl Record for Meta {
    const TABLE: Table = Table::Meta;
}

impl UserSession {
    /// Stores the object's own row with the first other row, and when the head of the chain must not be lost.
    pub(super) fn keep_meta(&mut self, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let is_first = !self.meta_is_written && txn.has_writes();
        if self.ledger.take_head_must_be_stored() || is_first { self.put_meta(txn) } else { Ok(()) }
    }

    /// Stores the object's own row.
    pub(super) fn put_meta(&self, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let (Some(user), Some(key)) = (self.user, &self.digest_key) else { return Ok(()) };
        let meta = Meta {
            schema_version: SCHEMA_VERSION,
            user,
            upkeep: self.ledger.upkeep().clone(),
            sealed_digest_key: key.sealed.clone(),
            ties: self.ties.clone(),
            paused: self.paused.clone(),
            addresses: self.addresses.clone(),
            zone: self.mailbox_zone.kept().cloned(),
            told: self.told.clone(),
        };
        txn.put(META_KEY, &meta)
    }
}
