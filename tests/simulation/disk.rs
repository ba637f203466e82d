//! The object's storage with group commit: what a turn sees, and what survives a crash.
//!
//! What holds here: `view` is `durable` plus the staged turns in their order; a crash keeps a prefix of what was staged
//! and never a part of a turn; the alarm is written with the rows of its turn. A staged turn holds its own effects, so
//! that nothing can leave before the turn is durable.

use std::collections::{BTreeMap, VecDeque};

use actors::store::{MemoryRows, WriteSet};
use actors::turn::{Commit, Effect, Fault};
use protocol::time::UnixMs;

/// Rows and alarm at one point of the object's history.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub rows: MemoryRows,
    pub alarm: Option<UnixMs>,
}

impl Image {
    fn apply(&mut self, staged: &Staged) {
        self.rows.apply(&staged.writes);
        if let Some(alarm) = staged.alarm {
            self.alarm = alarm;
        }
    }
}

/// A turn that ended and is not durable yet.
#[derive(Debug)]
pub(crate) struct Staged {
    pub number: u64,
    /// The core that ran the turn.
    pub core_number: u64,
    pub writes: WriteSet,
    /// What happens to the alarm; `Some(None)` deletes it.
    pub alarm: Option<Option<UnixMs>>,
    /// The alarm of a driver that sets it after everything else, which is a planted bug.
    pub alarm_as_effect: Option<UnixMs>,
    pub effects: Vec<Effect>,
}

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub durable: Image,
    pub view: Image,
    pub staged: VecDeque<Staged>,
    turns_staged: u64,
    /// Turns of which the view is made.
    turns_kept: u64,
    /// Rows written so far, the alarm counted as one.
    pub rows_written: u64,
    /// The same by table.
    pub written_by_table: BTreeMap<&'static str, u64>,
}

impl Disk {
    /// Stages a turn and returns its number.
    pub(crate) fn stage(
        &mut self,
        core_number: u64,
        writes: WriteSet,
        (alarm, alarm_as_effect): (Option<Option<UnixMs>>, Option<UnixMs>),
        effects: Vec<Effect>,
    ) -> u64 {
        self.turns_staged += 1;
        self.turns_kept += 1;
        self.rows_written += writes.rows.len() as u64 + u64::from(writes.alarm.is_some());
        let alarms = writes.alarm.map(|_| "alarm");
        for name in writes.rows.keys().map(|(table, _)| table.name()).chain(alarms) {
            *self.written_by_table.entry(name).or_default() += 1;
        }
        let staged =
            Staged { number: self.turns_staged, core_number, writes, alarm, alarm_as_effect, effects };
        self.view.apply(&staged);
        self.staged.push_back(staged);
        self.turns_staged
    }

    /// Makes the oldest staged turn durable.
    pub(crate) fn harden(&mut self) -> Option<Staged> {
        let staged = self.staged.pop_front()?;
        self.durable.apply(&staged);
        Some(staged)
    }

    /// Forgets whatever is not durable.
    pub(crate) fn lose_staged(&mut self) {
        self.turns_kept -= self.staged.len() as u64;
        self.staged.clear();
        self.view = self.durable.clone();
    }

    /// Turns that survived so far.
    pub(crate) const fn turns_kept(&self) -> u64 {
        self.turns_kept
    }

    /// The platform gives the alarm up for good.
    pub(crate) fn drop_alarm(&mut self) {
        self.durable.alarm = None;
        self.view.alarm = None;
    }

    pub(crate) fn alarm_as_effect(&mut self, at: UnixMs) {
        self.durable.alarm = Some(at);
        self.view.alarm = Some(at);
    }
}

/// Takes a turn's writes out of [`actors::turn::run`], or dies instead of taking them.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    pub dies: bool,
    pub writes: WriteSet,
}

impl Commit for Capture {
    fn commit(&mut self, writes: &WriteSet) -> Result<(), Fault> {
        if self.dies {
            return Err(Fault::Storage);
        }
        self.writes = writes.clone();
        Ok(())
    }
}
