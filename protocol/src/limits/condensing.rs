//! The bounds of condensing: what a model is given, and what is taken from it.
//!
//! What holds here: a model gets no more than the largest answer of a tool would hold.

/// The shortest text that a model condenses, in bytes: a shorter one is read as quickly as its summary.
pub const CONDENSE_BYTES_MIN: usize = 2_000;

/// The longest text that one call of a model condenses, in bytes: what the largest answer holds. The rest has a cursor.
pub const CONDENSE_BYTES_MAX: usize = 80_000;

/// The longest summary that a model is asked for, in its own tokens.
pub const CONDENSED_TOKENS_MAX: u64 = 1_000;

/// The longest summary that is taken from a model, in bytes, whatever it was asked for.
pub const CONDENSED_BYTES_MAX: usize = 8_000;
