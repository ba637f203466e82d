//! Authorization codes and tokens, as the emulated directory remembers them. A code is good once and for
//! ten minutes. A refresh token stays good when a newer one was issued, because that is how Entra
//! behaves and a product that relies on the opposite must not pass here.

use std::collections::BTreeMap;

/// How long a code lives.
pub const CODE_LIFETIME_MS: u64 = 10 * 60 * 1000;

/// How long an unused refresh token lives.
pub const REFRESH_LIFETIME_MS: u64 = 90 * crate::clock::DAY_MS;

/// One authorization code.
#[derive(Clone, Debug)]
pub struct Code {
    /// Who signed in.
    pub oid: &'static str,
    /// The redirect URI of the request.
    pub redirect_uri: String,
    /// The S256 challenge.
    pub challenge: String,
    /// The nonce for the ID token.
    pub nonce: Option<String>,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued_ms: u64,
    /// Whether it was redeemed.
    pub used: bool,
    /// Whether the sign-in followed a demand for a second factor.
    pub stepped_up: bool,
}

/// One refresh token.
#[derive(Clone, Debug)]
pub struct Refresh {
    /// Whose it is.
    pub oid: &'static str,
    /// The scopes that it can give.
    pub scopes: Vec<String>,
    /// When it was issued.
    pub issued_ms: u64,
    /// Whether the sign-in followed a demand for a second factor.
    pub stepped_up: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// One access token.
#[derive(Clone, Debug)]
pub struct Access {
    /// Whose it is.
    pub oid: &'static str,
    /// What it allows.
    pub scopes: Vec<String>,
    /// When it ends.
    pub expires_ms: u64,
    /// Whether its client declared that it understands claims challenges.
    pub takes_challenges: bool,
    /// Whether the sign-in met the demanded claims.
    pub stepped_up: bool,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// All codes and tokens.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Codes by their text.
    pub codes: BTreeMap<String, Code>,
    /// Refresh tokens by their text.
    pub refresh: BTreeMap<String, Refresh>,
    /// Access tokens by their text.
    pub access: BTreeMap<String, Access>,
}

impl Grants {
    /// Revokes a person's tokens, or everyone's; returns how many of each kind it hit.
    pub fn revoke(&mut self, oid: Option<&str>, refresh: bool, access: bool) -> (usize, usize) {
        let (mut refresh_hits, mut access_hits) = (0, 0);
        for token in self.refresh.values_mut().filter(|t| refresh && oid.is_none_or(|o| o == t.oid)) {
            refresh_hits += usize::from(!token.revoked);
            token.revoked = true;
        }
        for token in self.access.values_mut().filter(|t| access && oid.is_none_or(|o| o == t.oid)) {
            access_hits += usize::from(!token.revoked);
            token.revoked = true;
        }
        (refresh_hits, access_hits)
    }

    /// Drops what ended long ago, so that a long run does not grow without bound.
    pub fn prune(&mut self, now_ms: u64) {
        self.codes.retain(|_, code| code.issued_ms + 2 * CODE_LIFETIME_MS > now_ms);
        self.access.retain(|_, token| token.expires_ms.saturating_add(crate::clock::DAY_MS) > now_ms);
    }
}
