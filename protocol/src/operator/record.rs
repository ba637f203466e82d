//! The chained record of a settled request, and what an export consists of.
//!
//! What holds here: a record holds what never changes once a request is settled; its canonical form is its CBOR encoding,
//! so that an export as NDJSON and one as CBOR verify alike; each link is a keyed digest of the link before and the
//! record, so that whoever removes, changes or reorders a line needs the key. `docs/ledger-export.md` is the schema.

use serde::{Deserialize, Serialize};

use crate::cbor;
use crate::digest::keyed_digest;
use crate::ids::{ChainMark, GrantId, RequestId, SessionId, UserKey};
use crate::time::UnixMs;

/// The version of the export's form.
pub const FORMAT: &str = "m365-ledger/1";

/// A place in the chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The number of the entry, counted from 1 in the order of settlement.
    pub sequence: u64,
    /// The keyed digest of the link before and this entry's record.
    pub link: ChainMark,
}

/// What a settled request amounts to for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Record {
    /// The request.
    pub id: RequestId,
    /// The tool, or the kind of the object's own work.
    pub tool: String,
    /// The final state.
    pub state: String,
    /// How it ended.
    pub outcome: Option<String>,
    /// Whether it changed anything at Microsoft, or tried to.
    pub writes: bool,
    /// The client; empty for the object's own work.
    pub client: String,
    /// The grant.
    pub grant: Option<GrantId>,
    /// The MCP session.
    pub session: Option<SessionId>,
    /// The subject under which Access knows the person.
    pub access_identity: Option<String>,
    /// The trace that it belongs to.
    pub trace_id: Option<String>,
    /// When the edge received it.
    pub received_at_ms: UnixMs,
    /// When its first call left.
    pub sent_at_ms: Option<UnixMs>,
    /// When it was settled.
    pub settled_at_ms: Option<UnixMs>,
    /// Calls that left.
    pub calls: u32,
    /// The gateway's log IDs, the newest last.
    pub gateway_log_ids: Vec<String>,
    /// Microsoft's request IDs, the newest last.
    pub graph_request_ids: Vec<String>,
}

/// One line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The request.
    pub record: Record,
    /// Its place in the chain; absent for a request that was settled before there was one.
    pub chain: Option<Link>,
}

/// The first line of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Head {
    /// [`FORMAT`].
    pub format: String,
    /// Whose ledger it is.
    pub user: UserKey,
    /// When the export began.
    pub exported_at_ms: UnixMs,
    /// The newest link at that time; the sequence 0 where nothing was settled yet.
    pub newest: Link,
    /// The signature of all that.
    pub signature: ChainMark,
}

/// The last line of an export: what retention has removed, so that its absence is explained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Checkpoint {
    /// The newest entry up to which all are removed; the sequence 0 where none is.
    pub removed_up_to: Link,
    /// Entries after it that are removed too: requests are removed in the order of arrival and chained in the order of
    /// settlement.
    pub also_removed: Vec<Link>,
    /// The signature of all that.
    pub signature: ChainMark,
}

/// A page of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExportPage {
    /// The lines, in the order of request IDs.
    pub lines: Vec<Line>,
    /// Where the next page begins; absent at the end.
    pub after: Option<RequestId>,
}

/// One value of an export: a line of NDJSON, or an item of a CBOR sequence (RFC 8742).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExportItem {
    /// The first.
    Head(Head),
    /// Each request.
    Line(Box<Line>),
    /// The last.
    Checkpoint(Checkpoint),
}

/// The key of one person's chain. Whoever has it can verify an export, and could make up another one.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationKey {
    /// The key, 64 hexadecimal digits.
    pub key: String,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("VerificationKey(hidden)")
    }
}

impl Link {
    /// The link behind `self` for a record.
    #[must_use]
    pub fn next(&self, key: &[u8; 32], record: &Record) -> Option<Self> {
        let sequence = self.sequence.checked_add(1)?;
        let canonical = cbor::encode(record)?;
        let link =
            keyed_digest(key, &[b"link/v1", &sequence.to_be_bytes(), self.link.as_bytes(), &canonical]);
        Some(Self { sequence, link: ChainMark::from_bytes(link) })
    }
}

impl Head {
    /// A signed head.
    #[must_use]
    pub fn new(key: &[u8; 32], user: UserKey, exported_at_ms: UnixMs, newest: Link) -> Self {
        let mut head =
            Self { format: FORMAT.to_owned(), user, exported_at_ms, newest, signature: ChainMark::default() };
        head.signature = head.sign(key);
        head
    }

    /// Whether the signature is that of the key.
    #[must_use]
    pub fn is_signed_by(&self, key: &[u8; 32]) -> bool {
        self.sign(key) == self.signature
    }

    fn sign(&self, key: &[u8; 32]) -> ChainMark {
        ChainMark::from_bytes(keyed_digest(
            key,
            &[
                b"head/v1",
                self.format.as_bytes(),
                self.user.as_bytes(),
                &self.exported_at_ms.0.to_be_bytes(),
                &self.newest.sequence.to_be_bytes(),
                self.newest.link.as_bytes(),
            ],
        ))
    }
}

impl Checkpoint {
    /// The same, signed.
    #[must_use]
    pub fn signed(mut self, key: &[u8; 32]) -> Self {
        self.signature = self.sign(key);
        self
    }

    /// Whether the signature is that of the key.
    #[must_use]
    pub fn is_signed_by(&self, key: &[u8; 32]) -> bool {
        self.sign(key) == self.signature
    }

    /// Takes note that an entry is removed. The oldest that are removed without a gap become one link.
    pub fn remove(&mut self, link: Link) {
        let place = self.also_removed.partition_point(|other| other.sequence < link.sequence);
        self.also_removed.insert(place, link);
        let is_next = |link: &Link, known: u64| link.sequence <= known.saturating_add(1);
        while self.also_removed.first().is_some_and(|link| is_next(link, self.removed_up_to.sequence)) {
            let first = self.also_removed.remove(0);
            if first.sequence > self.removed_up_to.sequence {
                self.removed_up_to = first;
            }
        }
    }

    fn sign(&self, key: &[u8; 32]) -> ChainMark {
        let links = std::iter::once(&self.removed_up_to).chain(&self.also_removed);
        let bytes: Vec<u8> = links
            .flat_map(|link| link.sequence.to_be_bytes().into_iter().chain(*link.link.as_bytes()))
            .collect();
        ChainMark::from_bytes(keyed_digest(key, &[b"checkpoint/v1", &bytes]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(sequence: u64) -> Link {
        Link { sequence, link: ChainMark::from_bytes([u8::try_from(sequence).unwrap(); 16]) }
    }

    #[test]
    fn what_is_removed_without_a_gap_becomes_one_link() {
        let mut checkpoint = Checkpoint::default();
        for sequence in [2, 1, 5, 3] {
            checkpoint.remove(link(sequence));
        }
        assert_eq!(checkpoint.removed_up_to, link(3));
        assert_eq!(checkpoint.also_removed, [link(5)]);
        checkpoint.remove(link(4));
        assert_eq!((checkpoint.removed_up_to, checkpoint.also_removed.len()), (link(5), 0));
        // What is removed already changes nothing.
        checkpoint.remove(link(2));
        assert_eq!((checkpoint.removed_up_to, checkpoint.also_removed.len()), (link(5), 0));
    }

    #[test]
    fn a_signature_covers_every_part() {
        let key = [7; 32];
        let head = Head::new(&key, UserKey::from_bytes([1; 16]), UnixMs(5), link(3));
        assert!(head.is_signed_by(&key) && !head.is_signed_by(&[8; 32]));
        for changed in [
            Head { user: UserKey::from_bytes([2; 16]), ..head.clone() },
            Head { exported_at_ms: UnixMs(6), ..head.clone() },
            Head { newest: link(2), ..head.clone() },
            Head { format: "m365-ledger/2".into(), ..head.clone() },
        ] {
            assert!(!changed.is_signed_by(&key), "{changed:?}");
        }
        let checkpoint = Checkpoint { removed_up_to: link(2), ..Checkpoint::default() }.signed(&key);
        assert!(checkpoint.is_signed_by(&key));
        let more = Checkpoint { also_removed: vec![link(4)], ..checkpoint };
        assert!(!more.is_signed_by(&key));
    }
}
