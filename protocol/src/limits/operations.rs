//! The bounds of what operators see and do.

use crate::time::DurationMs;

/// How late an object may wake by itself before operators are shown it. The platform gives an alarm up after six failures,
/// which it spreads over minutes.
pub const ALARM_OVERDUE_AFTER: DurationMs = DurationMs::from_secs(15 * 60);

/// How long a request may be open before operators are shown it: longer than any is promised to be.
pub const OPEN_FOR_TOO_LONG: DurationMs = DurationMs::from_secs(20 * 60);

/// How late a token may be renewed before operators are shown it.
pub const REFRESH_OVERDUE_AFTER: DurationMs = DurationMs::from_secs(10 * 60);

/// At most so often an object reports to the directory. What operators act upon is told as soon as that.
pub const REPORT_EVERY: DurationMs = DurationMs::from_secs(60);

/// At most so often a report leaves for what merely counts, while the person asks for something: each costs four rows of
/// the directory and one of the object.
pub const COUNTS_EVERY: DurationMs = DurationMs::from_secs(60 * 60);

/// The same while nobody asks for anything and the object only renews its tokens.
pub const COUNTS_EVERY_UNUSED: DurationMs = DurationMs::from_secs(4 * 60 * 60);

/// How much longer counts wait for an alarm or a renewal of tokens that comes anyway, before they have an alarm of their
/// own. Tokens that last an hour or so are renewed within it.
pub const COUNTS_WAIT: DurationMs = DurationMs::from_secs(60 * 60);

/// After so long at most an object has reported again that has done anything at all since its last report; so long no
/// time of that report is held against it.
pub const SILENT_FOR_AT_MOST: DurationMs = DurationMs(COUNTS_EVERY_UNUSED.0 + COUNTS_WAIT.0);

/// A failing person is one of whose requests in an hour, so many at least, more than half failed.
pub const FAILING_FROM: u64 = 5;

/// Hours of which the directory keeps counts.
pub const DIRECTORY_HOURS_KEPT: usize = 48;

/// The most people or lines in one answer of a shard of the directory.
pub const DIRECTORY_PAGE_MAX: usize = 200;

/// Up to so many people to look at are counted in a shard.
pub const ATTENTION_COUNTED_MAX: usize = 1_000;

/// The largest question to the directory, far above a report with all that it can hold.
pub const QUESTION_BYTES_MAX: usize = 64 * 1024;

/// How long the trail of what operators did is kept: a year and a month, so that a yearly review finds all of it.
pub const TRAIL_KEPT_FOR: DurationMs = DurationMs::from_secs(400 * 24 * 60 * 60);

/// Lines of the trail that each new one removes at most, when they are too old.
pub const TRAIL_PRUNE_BATCH: usize = 8;

/// Lines of the trail that are looked through for those about one person.
pub const TRAIL_SCAN_MAX: usize = 2_000;

/// How long a break-glass credential can be good for: a shift.
pub const OPERATOR_CREDENTIAL_LIFETIME_MAX: DurationMs = DurationMs::from_secs(12 * 60 * 60);

/// How long an operator can think about whether an action should be done.
pub const OPERATOR_FORM_LIFETIME: DurationMs = DurationMs::from_secs(10 * 60);

// Whatever is open for too long was promised to be over before.
const _: () = assert!(OPEN_FOR_TOO_LONG.0 > 15 * 60 * 1_000);

/// Ledger entries that one order of an operator looks through; what is further back is asked for with another one.
pub const ORDER_ROWS_MAX: usize = 2_000;

/// Ledger entries in one page for operators.
pub const REQUEST_PAGE_MAX: usize = 200;

/// Lines in one page of an export.
pub const EXPORT_PAGE_LINES: usize = 200;
