//! The bounds of what the ledger keeps, and of the upkeep that an object does by its alarm.

use crate::time::DurationMs;

/// How long a ledger entry is kept.
pub const LEDGER_KEPT_FOR: DurationMs = DurationMs::from_secs(90 * 24 * 60 * 60);

/// Ledger entries of one user; above it the oldest settled ones go before their time. At half a kilobyte each this is
/// one gigabyte of the ten that one object may store.
pub const LEDGER_ENTRIES_MAX: u64 = 2_000_000;

/// Ledger entries that one alarm removes at most, so that pruning never holds up a request.
pub const LEDGER_PRUNE_BATCH: usize = 200;

/// Entries that the ledger's floor passes at once where it costs a row to store it. So many more are read when an object
/// comes back, at a thousandth of the price of that row.
pub const LEDGER_FLOOR_STEP: usize = 32;

/// The wait between two prunings of the ledger.
pub const LEDGER_PRUNE_EVERY: DurationMs = DurationMs::from_secs(24 * 60 * 60);

/// The wait between two removals of entries that are too many.
pub const LEDGER_TRIM_EVERY: DurationMs = DurationMs::from_secs(60);

/// Ledger entries that one batch of the sweep looks at after a rotation of keys.
pub const LEDGER_SWEEP_BATCH: usize = 200;

/// Rows that the sweep and operators' orders read at a time: each may hold an answer of [`STORED_ANSWER_BYTES_MAX`](super::STORED_ANSWER_BYTES_MAX).
pub const LEDGER_SWEEP_PAGE_ROWS: usize = 20;

/// Sealed bytes after which a batch of the sweep ends, whatever its number: about 80 ms of sealing in Wasm.
pub const LEDGER_SWEEP_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The wait before the sweep begins, and between two of its batches.
pub const SWEEP_PAUSE: DurationMs = DurationMs::from_secs(2);

/// How long the sweep lets clients' calls go first before it does a batch among them.
pub const SWEEP_WAITS_MAX: DurationMs = DurationMs::from_secs(60);

/// An object that has rows is woken at least this often, to notice a rotation of keys.
pub const WAKE_EVERY: DurationMs = DurationMs::from_secs(30 * 24 * 60 * 60);

/// Ledger rows that recovery reads at a time. It reads from the floor to the newest row.
pub const LEDGER_RECOVERY_PAGE_ROWS: usize = 1_000;
