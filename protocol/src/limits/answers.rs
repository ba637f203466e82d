//! How large catalogue and answers are, and how long what they name stands.

use crate::time::DurationMs;

/// What a token counts for, in bytes of JSON.
pub const BYTES_PER_TOKEN: usize = 4;

/// The whole catalogue with everything switched on, in tokens.
pub const LIST_TOKENS_MAX: usize = 12_000;

/// The length of an answer, in tokens, unless a call says otherwise. Hosts cut answers of more than 25,000.
pub const ANSWER_TOKENS_DEFAULT: u64 = 5_000;

/// What `maxTokens` may be.
pub const ANSWER_TOKENS_MIN: u64 = 500;

/// What `maxTokens` may be at most.
pub const ANSWER_TOKENS_MAX: u64 = 20_000;

/// The shortest text that a model condenses, in bytes: a shorter one is read as quickly as its summary.
pub const CONDENSE_BYTES_MIN: usize = 2_000;

/// The longest text that one call of a model condenses, in bytes: what the largest answer holds. The rest has a cursor.
pub const CONDENSE_BYTES_MAX: usize = 80_000;

/// The longest summary that a model is asked for, in its own tokens.
pub const CONDENSED_TOKENS_MAX: u64 = 1_000;

/// The longest summary that is taken from a model, in bytes, whatever it was asked for.
pub const CONDENSED_BYTES_MAX: usize = 8_000;

/// How long an answer that was cut can be gone on with.
pub const CURSOR_LIFETIME: DurationMs = DurationMs::from_secs(24 * 60 * 60);

/// The longest cursor, in characters. What Graph names a page by takes some hundred bytes of it.
pub const CURSOR_BYTES_MAX: usize = 8 * 1024;

/// Identifiers of this length and more are shown by a handle, in bytes. Teams' own are shorter and are read by people.
pub const HANDLED_ID_BYTES_MIN: usize = 40;

/// How long a handle stands for its identifier after it was shown.
pub const HANDLE_LIFETIME: DurationMs = DurationMs::from_secs(7 * 24 * 60 * 60);

/// Rows of handles of one person: one for each answer that named something new. A row of a list of ten takes a kilobyte.
pub const HANDLE_PAGES_MAX: usize = 128;
