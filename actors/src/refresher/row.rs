//! The row of one issuer's tokens.
//!
//! What holds here: everything but the tokens themselves is in clear, for operators; it holds no name and no address.

use protocol::limits::TOKEN_MARGIN;
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::store::{Record, Table};
use crate::vault::Slot;

/// The key of a slot's row.
pub(super) const fn key(slot: Slot) -> &'static [u8] {
    match slot {
        Slot::Microsoft => b"microsoft",
        Slot::Access => b"access",
    }
}

/// What the person has to do before there can be new tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Need {
    /// Sign in: the refresh token is dead.
    #[serde(rename = "s")]
    SignIn,
    /// Sign in and agree to a permission.
    #[serde(rename = "c")]
    Consent,
    /// Sign in and prove more, such as a second factor.
    #[serde(rename = "u")]
    StepUp,
}

/// The row of the tokens. Everything but what is sealed is in clear, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Counts the tokens that were stored.
    #[serde(rename = "n")]
    pub generation: u64,
    /// When they were obtained.
    #[serde(rename = "o")]
    pub obtained_at: UnixMs,
    /// When the access token ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// The Graph permissions that Microsoft granted.
    #[serde(rename = "p")]
    pub scopes: Vec<String>,
    /// The sealed tokens, and the claims that Microsoft demanded; none once Microsoft declared the tokens dead.
    #[serde(rename = "t")]
    pub sealed: Option<ByteBuf>,
    /// What the person has to do before there can be new tokens.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Need>,
    /// The subject under which Access knows whom its tokens are for.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl Record for TokenRow {
    const TABLE: Table = Table::Tokens;
}

/// The life that a token must have left to be used: short-lived tokens get a proportionally smaller margin.
pub(super) fn margin(row: &TokenRow) -> DurationMs {
    let life = row.expires_at.since(row.obtained_at);
    DurationMs(TOKEN_MARGIN.0.min(life.0 / 10))
}
