//! Access tokens that MCP clients present: sealed claims, verified without any storage.
//!
//! What holds here: the token is opaque to the client, names its audience, and expires. Whether the grant behind
//! it still stands is for the user's object to say. A token is never logged and never sent to Microsoft.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::ids::{GrantId, UserKey};
use crate::limits::{ACCESS_TOKEN_BYTES_MAX, CLOCK_SKEW, OPENED_TOKENS_MAX};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::secret::Secret;
use crate::time::UnixMs;

/// Every token starts with this, so that secret scanners and people recognise one that leaked.
pub const PREFIX: &str = "m365at_";

const ASSOCIATED_DATA: &[u8] = b"access-token/v1";

/// What a token says about its bearer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Whose object serves the requests.
    #[serde(rename = "u")]
    pub user: UserKey,
    /// The permission that the token stands on; revoked there, the token is worthless.
    #[serde(rename = "g")]
    pub grant: GrantId,
    /// The OAuth client that the token was issued to.
    #[serde(rename = "c")]
    pub client: String,
    /// The scopes that the person agreed to.
    #[serde(rename = "s")]
    pub scopes: Vec<String>,
    /// The resource that the token is for (RFC 8707): the URL of the MCP endpoint.
    #[serde(rename = "a")]
    pub audience: String,
    /// When the token was issued.
    #[serde(rename = "i")]
    pub issued_at: UnixMs,
    /// When the token ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// The subject under which Access knows the person, where it took part in the sign-in.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub access_identity: Option<String>,
}

/// Why a presented token is not accepted. The cases map to RFC 6750's `invalid_token`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefused {
    /// Not a token of this server, or changed on its way.
    Malformed,
    /// The token's time is over.
    Expired,
    /// The token is for another resource.
    WrongAudience,
}

impl TokenRefused {
    /// One sentence for the challenge's `error_description`.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Malformed => "The access token was not issued by this server. Sign in again.",
            Self::Expired => "The access token has expired. Refresh it or sign in again.",
            Self::WrongAudience => "The access token was issued for another resource. Sign in to this one.",
        }
    }
}

/// Issues a token for `claims`.
///
/// # Errors
/// [`CannotOpen`] when the claims cannot be sealed, which is a fault of this server.
pub fn issue(
    keys: &KeyRing,
    claims: &AccessClaims,
    nonce: [u8; NONCE_BYTES],
) -> Result<Secret<String>, CannotOpen> {
    let sealed = keys.seal_text(Purpose::AccessToken, Scope::Anyone, ASSOCIATED_DATA, nonce, claims)?;
    Ok(Secret::new(format!("{PREFIX}{sealed}")))
}

/// Opens a presented token and checks its time and audience.
///
/// # Errors
/// [`TokenRefused`] says which check failed; none of the token is repeated.
pub fn verify(
    keys: &KeyRing,
    token: &str,
    audience: &str,
    now: UnixMs,
) -> Result<AccessClaims, TokenRefused> {
    let claims = open(keys, token)?;
    check(&claims, audience, now)?;
    Ok(claims)
}

fn open(keys: &KeyRing, token: &str) -> Result<AccessClaims, TokenRefused> {
    if token.len() > ACCESS_TOKEN_BYTES_MAX {
        return Err(TokenRefused::Malformed);
    }
    let sealed = token.strip_prefix(PREFIX).ok_or(TokenRefused::Malformed)?;
    keys.open_text(Purpose::AccessToken, Scope::Anyone, ASSOCIATED_DATA, sealed)
        .map_err(|_| TokenRefused::Malformed)
}

fn check(claims: &AccessClaims, audience: &str, now: UnixMs) -> Result<(), TokenRefused> {
    if claims.audience != audience {
        return Err(TokenRefused::WrongAudience);
    }
    // The server's own clock set both ends, but another instance's clock may run a little behind.
    if now >= claims.expires_at || claims.issued_at > now.plus(CLOCK_SKEW) {
        return Err(TokenRefused::Expired);
    }
    Ok(())
}

/// The tokens that an instance has opened, so that one that comes again is not opened again. Time and audience are checked
/// each time; that the grant stands is for the object to say, as always.
///
/// A token is found by its digest, so that the time of a look-up tells nothing of a token.
#[derive(Default)]
pub struct Opened {
    claims: RefCell<BTreeMap<[u8; 32], AccessClaims>>,
}

impl Opened {
    /// As [`verify`], under keys and with an audience that must be the same each time.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(
        &self,
        keys: &KeyRing,
        token: &str,
        audience: &str,
        now: UnixMs,
    ) -> Result<AccessClaims, TokenRefused> {
        if token.len() > ACCESS_TOKEN_BYTES_MAX {
            return Err(TokenRefused::Malformed);
        }
        let digest = sha256(token.as_bytes());
        let mut opened = self.claims.borrow_mut();
        if let Some(claims) = opened.get(&digest) {
            return match check(claims, audience, now) {
                Ok(()) => Ok(claims.clone()),
                Err(refused) => {
                    opened.remove(&digest);
                    Err(refused)
                }
            };
        }
        let claims = verify(keys, token, audience, now)?;
        if opened.len() >= OPENED_TOKENS_MAX {
            // Few instances see so many in the time that a token lives, and opening one is cheap.
            opened.clear();
        }
        opened.insert(digest, claims.clone());
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIENCE: &str = "https://mcp.example.com/mcp";

    fn keys() -> KeyRing {
        KeyRing::parse(&"2b".repeat(32)).unwrap()
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            user: UserKey::from_bytes([1; 16]),
            grant: GrantId::from_bytes([2; 16]),
            client: "client-1".into(),
            scopes: vec!["mail.read".into()],
            audience: AUDIENCE.into(),
            issued_at: UnixMs(1_000_000),
            expires_at: UnixMs(1_600_000),
            access_identity: None,
        }
    }

    #[test]
    fn a_token_yields_its_claims() {
        let token = issue(&keys(), &claims(), [3; 12]).unwrap();
        assert_eq!(verify(&keys(), token.expose(), AUDIENCE, UnixMs(1_100_000)), Ok(claims()));
    }

    #[test]
    fn time_audience_key_and_shape_are_checked() {
        let token = issue(&keys(), &claims(), [3; 12]).unwrap();
        let token = token.expose();
        let at = |now| verify(&keys(), token, AUDIENCE, UnixMs(now)).unwrap_err();
        assert_eq!(at(1_600_000), TokenRefused::Expired);
        assert_eq!(at(1_000_000 - 60_001), TokenRefused::Expired);
        let elsewhere = verify(&keys(), token, "https://other.example/mcp", UnixMs(1_100_000));
        assert_eq!(elsewhere, Err(TokenRefused::WrongAudience));
        let other_keys = KeyRing::parse(&"3c".repeat(32)).unwrap();
        assert_eq!(verify(&other_keys, token, AUDIENCE, UnixMs(1_100_000)), Err(TokenRefused::Malformed));
        for shape in ["", "m365at_", "m365at_!!", "eyJhbGciOiJub25lIn0.e30.", &"x".repeat(5_000)] {
            assert_eq!(verify(&keys(), shape, AUDIENCE, UnixMs(1_100_000)), Err(TokenRefused::Malformed));
        }
    }

    #[test]
    fn a_token_that_was_opened_is_checked_again_and_a_wrong_one_is_not_kept() {
        let (opened, keys) = (Opened::default(), keys());
        let token = issue(&keys, &claims(), [3; 12]).unwrap();
        let at = |now| opened.verify(&keys, token.expose(), AUDIENCE, UnixMs(now));
        let known = || opened.claims.borrow().len();
        assert_eq!((at(1_100_000), at(1_200_000), known()), (Ok(claims()), Ok(claims()), 1));
        let elsewhere = opened.verify(&keys, token.expose(), "https://other.example/mcp", UnixMs(1_200_000));
        assert_eq!((elsewhere, known()), (Err(TokenRefused::WrongAudience), 0));
        assert_eq!((at(1_200_000), at(1_600_000), known()), (Ok(claims()), Err(TokenRefused::Expired), 0));
        for wrong in ["", "m365at_!!", &token.expose()[..40], &"x".repeat(5_000)] {
            let refused = opened.verify(&keys, wrong, AUDIENCE, UnixMs(1_100_000));
            assert_eq!((refused, known()), (Err(TokenRefused::Malformed), 0));
        }
    }

    #[test]
    fn the_tokens_that_are_known_have_a_bound() {
        let (opened, keys) = (Opened::default(), keys());
        for number in 0..=OPENED_TOKENS_MAX {
            let claims = AccessClaims { client: number.to_string(), ..claims() };
            let token = issue(&keys, &claims, [3; 12]).unwrap();
            assert_eq!(opened.verify(&keys, token.expose(), AUDIENCE, UnixMs(1_100_000)), Ok(claims));
        }
        assert_eq!(opened.claims.borrow().len(), 1);
    }

    #[test]
    fn the_token_shows_nothing_of_its_claims() {
        let token = issue(&keys(), &claims(), [3; 12]).unwrap();
        assert!(!token.expose().contains("client-1"));
        assert!(!format!("{token:?}").contains("m365at_"));
    }
}
