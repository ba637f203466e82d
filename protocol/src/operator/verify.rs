//! Verifies an export of a ledger: that nothing was changed, left out, added or cut off since it was settled.
//!
//! What holds here: this runs where the export and the key are, and never in the Worker; it believes nothing but the key;
//! the first thing that is wrong is said. The order of lines does not matter. `docs/ledger-export.md` is for whoever
//! verifies by other means.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{Checkpoint, ExportItem, FORMAT, Head, Line, Link};
use crate::ids::{ChainMark, RequestId};
use crate::time::{DurationMs, UnixMs};

/// By how much the clocks of two machines that an object lived on may differ.
const CLOCKS_DIFFER_BY: DurationMs = DurationMs::from_secs(5 * 60);

/// An export as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The first value.
    pub head: Head,
    /// The requests, in any order.
    pub lines: Vec<Line>,
    /// The last value.
    pub checkpoint: Checkpoint,
}

/// Why a text is no export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The value with this number, counted from 1, is none of an export's.
    Value(usize),
    /// It does not begin with a head.
    NoHead,
    /// It does not end with a checkpoint: it broke off, or was cut.
    NoCheckpoint,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(number) => write!(formatter, "value {number} of the file is none of an export's"),
            Self::NoHead => formatter.write_str("the file does not begin with the head of an export"),
            Self::NoCheckpoint => {
                formatter.write_str("the file does not end with the checkpoint of an export")
            }
        }
    }
}

/// What is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It has another form than this program knows.
    Format(String),
    /// The head is not what the object signed, or the key is another person's.
    HeadNotSigned,
    /// The checkpoint is not what the object signed.
    CheckpointNotSigned,
    /// The line with this number, or the number itself, was changed.
    Changed(u64),
    /// The line with this number is not there, and retention did not remove it.
    Missing(u64),
    /// The lines from this number on are not there.
    CutFrom(u64),
    /// The line with this number was not there when the export began, or is there twice.
    Added(u64),
    /// The line with this number cannot be proved any more, because retention removed the one before it.
    Unprovable(u64),
    /// This request is there twice.
    Twice(RequestId),
    /// This request is said to be from before the chain and was settled later.
    NotBefore(RequestId),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Format(format) => write!(formatter, "the form is `{format}`, and not `{FORMAT}`"),
            Self::HeadNotSigned => formatter.write_str("the head was not signed with this key"),
            Self::CheckpointNotSigned => formatter.write_str("the checkpoint was not signed with this key"),
            Self::Changed(number) => write!(formatter, "line {number} was changed"),
            Self::Missing(number) => write!(formatter, "line {number} is missing"),
            Self::CutFrom(number) => write!(formatter, "the lines from {number} on are missing"),
            Self::Added(number) => write!(formatter, "line {number} was added"),
            Self::Unprovable(number) => write!(
                formatter,
                "line {number} cannot be proved, because retention removed the one before it; export again"
            ),
            Self::Twice(id) => write!(formatter, "the request {id} is there twice"),
            Self::NotBefore(id) => {
                write!(formatter, "the request {id} has no place in the chain and was settled after it began")
            }
        }
    }
}

/// What a good export amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Requests that are proved to be as they were settled.
    pub proved: u64,
    /// Requests from before the chain, of which nothing is proved.
    pub unproved: u64,
    /// Requests that retention removed.
    pub removed: u64,
}

impl Export {
    /// Reads an export as NDJSON or as a CBOR sequence (RFC 8742), which its first byte tells apart.
    ///
    /// # Errors
    /// [`Unreadable`] says where it is no export.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let items = if bytes.first() == Some(&b'{') { lines_of(bytes) } else { sequence_of(bytes) }?;
        let mut items = items.into_iter();
        let Some(ExportItem::Head(head)) = items.next() else { return Err(Unreadable::NoHead) };
        let Some(ExportItem::Checkpoint(checkpoint)) = items.next_back() else {
            return Err(Unreadable::NoCheckpoint);
        };
        let mut lines = Vec::new();
        for (number, item) in items.enumerate() {
            match item {
                ExportItem::Line(line) => lines.push(*line),
                ExportItem::Head(_) | ExportItem::Checkpoint(_) => return Err(Unreadable::Value(number + 2)),
            }
        }
        Ok(Self { head, lines, checkpoint })
    }

    /// Verifies the export.
    ///
    /// # Errors
    /// The first [`Finding`].
    pub fn verify(&self, key: &[u8; 32]) -> Result<Verified, Finding> {
        if self.head.format != FORMAT {
            return Err(Finding::Format(self.head.format.clone()));
        }
        if !self.head.is_signed_by(key) {
            return Err(Finding::HeadNotSigned);
        }
        if !self.checkpoint.is_signed_by(key) {
            return Err(Finding::CheckpointNotSigned);
        }
        let known = self.links()?;
        for (line, link) in self.chained() {
            let before = link.sequence.checked_sub(1).and_then(|number| known.get_key_value(&number));
            let Some((sequence, before)) = before else {
                let removed = self.checkpoint.removed_up_to.sequence;
                let is_removed = link.sequence <= removed;
                return Err(if is_removed {
                    Finding::Unprovable(link.sequence)
                } else {
                    Finding::Missing(link.sequence.saturating_sub(1))
                });
            };
            let before = Link { sequence: *sequence, link: *before };
            if before.next(key, &line.record) != Some(link) {
                return Err(Finding::Changed(link.sequence));
            }
        }
        self.is_complete(&known)?;
        self.count()
    }

    /// The lines that have a place in the chain, in its order.
    fn chained(&self) -> Vec<(&Line, Link)> {
        let mut lines: Vec<_> = self.lines.iter().filter_map(|line| Some((line, line.chain?))).collect();
        lines.sort_by_key(|(_, link)| link.sequence);
        lines
    }

    /// Every link that is there or is explained, by its number; before the first one there is nothing.
    fn links(&self) -> Result<BTreeMap<u64, ChainMark>, Finding> {
        let removed = std::iter::once(&self.checkpoint.removed_up_to).chain(&self.checkpoint.also_removed);
        let mut known: BTreeMap<u64, ChainMark> = removed.map(|link| (link.sequence, link.link)).collect();
        known.insert(0, ChainMark::default());
        let mut last = 0;
        for (_, link) in self.chained() {
            if link.sequence == last || link.sequence > self.head.newest.sequence {
                return Err(Finding::Added(link.sequence));
            }
            last = link.sequence;
            if *known.entry(link.sequence).or_insert(link.link) != link.link {
                return Err(Finding::Changed(link.sequence));
            }
        }
        Ok(known)
    }

    fn is_complete(&self, known: &BTreeMap<u64, ChainMark>) -> Result<(), Finding> {
        let (removed, newest) = (self.checkpoint.removed_up_to.sequence, self.head.newest);
        let mut expected = removed.saturating_add(1);
        if expected <= newest.sequence {
            for number in known.range(expected..=newest.sequence).map(|(number, _)| *number) {
                if number != expected {
                    return Err(Finding::Missing(expected));
                }
                expected += 1;
            }
            if expected <= newest.sequence {
                return Err(Finding::CutFrom(expected));
            }
        }
        match known.get(&newest.sequence) {
            Some(link) if *link != newest.link => Err(Finding::Changed(newest.sequence)),
            _ => Ok(()),
        }
    }

    fn count(&self) -> Result<Verified, Finding> {
        let mut verified = Verified {
            removed: self.checkpoint.removed_up_to.sequence + self.checkpoint.also_removed.len() as u64,
            ..Verified::default()
        };
        let first = self.lines.iter().find(|line| line.chain.is_some_and(|link| link.sequence == 1));
        let began = first.and_then(|line| line.record.settled_at_ms).unwrap_or(UnixMs(u64::MAX));
        let mut seen = BTreeSet::new();
        for line in &self.lines {
            if !seen.insert(line.record.id) {
                return Err(Finding::Twice(line.record.id));
            }
            if line.chain.is_some() {
                verified.proved += 1;
                continue;
            }
            if line.record.settled_at_ms.is_some_and(|at| at.minus(CLOCKS_DIFFER_BY) > began) {
                return Err(Finding::NotBefore(line.record.id));
            }
            verified.unproved += 1;
        }
        Ok(verified)
    }
}

fn lines_of(bytes: &[u8]) -> Result<Vec<ExportItem>, Unreadable> {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let read = |(number, line)| serde_json::from_slice(line).map_err(|_| Unreadable::Value(number + 1));
    lines.enumerate().map(read).collect()
}

fn sequence_of(bytes: &[u8]) -> Result<Vec<ExportItem>, Unreadable> {
    let (mut rest, mut items) = (bytes, Vec::new());
    while !rest.is_empty() {
        let item = ciborium::from_reader(&mut rest).map_err(|_| Unreadable::Value(items.len() + 1))?;
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
