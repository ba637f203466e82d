//! The token endpoint: codes and refresh tokens as sealed names of a grant, and the messages around them.
//!
//! What holds here: a code and a refresh token say whose object decides about them and nothing that could be forged; that
//! they are used once is for that object to see. A refresh token carries the generation of its grant, so that the same
//! successor can be given again when its first delivery was lost.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::client::AuthMethod;
use super::{ErrorCode, OAuthError, Parameters};
use crate::digest;
use crate::ids::{GrantId, UserKey};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::secret::Secret;
use crate::time::{DurationMs, UnixMs};

/// Every authorization code starts with this.
pub const CODE_PREFIX: &str = "m365k_";
/// Every refresh token starts with this.
pub const REFRESH_PREFIX: &str = "m365rt_";

/// How long a code can be redeemed (RFC 6749, section 4.1.2, recommends ten minutes at most).
pub const CODE_LIFETIME: DurationMs = DurationMs::from_secs(5 * 60);

/// How long after its rotation a refresh token may be presented once more, for a client that lost the answer.
pub const REFRESH_GRACE: DurationMs = DurationMs::from_secs(60);

/// How long after a call that needed more scopes a client cannot renew its tokens without asking its person.
pub const STEP_UP_WAIT: DurationMs = DurationMs::from_secs(10);

const SEALED_CHARS_MAX: usize = 1_024;

/// What an authorization code says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeClaims {
    /// Whose object decides.
    #[serde(rename = "u")]
    pub user: UserKey,
    /// The grant that it redeems.
    #[serde(rename = "g")]
    pub grant: GrantId,
    /// When it ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
}

/// What a refresh token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// Whose object decides.
    #[serde(rename = "u")]
    pub user: UserKey,
    /// The grant that it renews.
    #[serde(rename = "g")]
    pub grant: GrantId,
    /// The place in the grant's sequence of refresh tokens, from 1.
    #[serde(rename = "n")]
    pub generation: u32,
}

/// Issues a code.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn issue_code(
    keys: &KeyRing,
    claims: &CodeClaims,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    seal(keys, CODE_PREFIX, claims, nonce)
}

/// Opens a code and checks its time.
///
/// # Errors
/// `invalid_grant`.
pub fn open_code(keys: &KeyRing, text: &str, now: UnixMs) -> Result<CodeClaims, OAuthError> {
    let claims: Option<CodeClaims> = open(keys, CODE_PREFIX, text);
    claims
        .filter(|claims| now < claims.expires_at)
        .ok_or(OAuthError::new(ErrorCode::InvalidGrant, "The authorization code is not good any more."))
}

/// Issues a refresh token.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn issue_refresh(
    keys: &KeyRing,
    claims: &RefreshClaims,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    seal(keys, REFRESH_PREFIX, claims, nonce)
}

/// Opens a refresh token.
///
/// # Errors
/// `invalid_grant`.
pub fn open_refresh(keys: &KeyRing, text: &str) -> Result<RefreshClaims, OAuthError> {
    open(keys, REFRESH_PREFIX, text)
        .ok_or(OAuthError::new(ErrorCode::InvalidGrant, "The refresh token is not good any more."))
}

fn seal<T: Serialize>(
    keys: &KeyRing,
    prefix: &str,
    claims: &T,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    let sealed = keys.seal_text(Purpose::Authorization, Scope::Anyone, prefix.as_bytes(), nonce, claims)?;
    Ok(format!("{prefix}{sealed}"))
}

fn open<T: DeserializeOwned>(keys: &KeyRing, prefix: &str, text: &str) -> Option<T> {
    if text.len() > SEALED_CHARS_MAX {
        return None;
    }
    let sealed = text.strip_prefix(prefix)?;
    keys.open_text(Purpose::Authorization, Scope::Anyone, prefix.as_bytes(), sealed).ok()
}

/// Who a client says it is at the token endpoint.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client's identifier.
    pub client_id: String,
    /// The client's secret, if it presented one.
    pub secret: Option<Secret<String>>,
    /// How it was presented.
    pub method: AuthMethod,
}

/// Reads the client's credentials from the form or from the `Authorization` header (RFC 6749, section 2.3.1).
///
/// # Errors
/// `invalid_client` when there are none, `invalid_request` when there are two.
pub fn read_credentials(
    parameters: &Parameters,
    authorization: Option<&str>,
) -> Result<Credentials, OAuthError> {
    let in_form = parameters.get("client_secret").map(|secret| Secret::new(secret.to_owned()));
    let Some(header) = authorization else {
        let client_id = parameters
            .get("client_id")
            .ok_or(OAuthError::new(ErrorCode::InvalidClient, "The request names no client."))?;
        let method = if in_form.is_some() { AuthMethod::SecretPost } else { AuthMethod::None };
        return Ok(Credentials { client_id: client_id.to_owned(), secret: in_form, method });
    };
    if in_form.is_some() {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "Present the client's secret in one way only.",
        ));
    }
    let bad = OAuthError::new(ErrorCode::InvalidClient, "The Authorization header is not readable.");
    // A scheme's case does not matter (RFC 9110, section 11.1).
    let (scheme, encoded) = header.split_once(' ').ok_or(bad.clone())?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(bad);
    }
    let decoded = digest::from_base64(encoded.trim())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or(bad.clone())?;
    let (id, secret) = decoded.split_once(':').ok_or(bad.clone())?;
    let decode = |text: &str| percent_decode(text).ok_or(bad.clone());
    let client_id = decode(id)?;
    if parameters.get("client_id").is_some_and(|in_form| in_form != client_id) {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "The request names two clients."));
    }
    let secret = decode(secret)?;
    // Some public clients send their identifier in the header, with nothing behind it.
    let method = if secret.is_empty() { AuthMethod::None } else { AuthMethod::SecretBasic };
    Ok(Credentials {
        client_id,
        secret: Some(Secret::new(secret)).filter(|_| method != AuthMethod::None),
        method,
    })
}

/// Decodes `application/x-www-form-urlencoded` text.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                out.extend(digest::from_hex(std::str::from_utf8(&pair).ok()?)?);
            }
            other => out.push(other),
        }
    }
    String::from_utf8(out).ok()
}

/// The token response (RFC 6749, section 5.1).
#[must_use]
pub fn token_response(
    access_token: &Secret<String>,
    refresh_token: &Secret<String>,
    lives_for: DurationMs,
    scopes: &[String],
) -> Secret<String> {
    Secret::new(
        json!({
            "access_token": access_token.expose(),
            "token_type": "Bearer",
            "expires_in": lives_for.0 / 1_000,
            "refresh_token": refresh_token.expose(),
            "scope": scopes.join(" "),
        })
        .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::parse(&"8b".repeat(32)).unwrap()
    }

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        Parameters::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
            .unwrap()
    }

    #[test]
    fn codes_and_refresh_tokens_are_not_each_other() {
        let (user, grant) = (UserKey::from_bytes([1; 16]), GrantId::from_bytes([2; 16]));
        let code = issue_code(&keys(), &CodeClaims { user, grant, expires_at: UnixMs(10) }, [1; 12]).unwrap();
        let refresh = issue_refresh(&keys(), &RefreshClaims { user, grant, generation: 3 }, [2; 12]).unwrap();
        assert_eq!(open_code(&keys(), &code, UnixMs(9)).unwrap().grant, grant);
        assert_eq!(open_refresh(&keys(), &refresh).unwrap().generation, 3);
        assert!(open_code(&keys(), &code, UnixMs(10)).is_err());
        let swapped = format!("{CODE_PREFIX}{}", refresh.strip_prefix(REFRESH_PREFIX).unwrap());
        assert!(open_code(&keys(), &swapped, UnixMs(1)).is_err());
        assert!(open_refresh(&keys(), &code).is_err());
        assert!(open_refresh(&keys(), "").is_err());
    }

    #[test]
    fn credentials_come_in_one_way() {
        let public = read_credentials(&parameters(&[("client_id", "c")]), None).unwrap();
        assert!(public.secret.is_none());
        // "c%3A1:s+x" as RFC 6749, appendix B, encodes it.
        let basic = read_credentials(&parameters(&[]), Some("Basic YyUzQTE6cyt4")).unwrap();
        assert_eq!((basic.client_id.as_str(), basic.secret.unwrap().expose().as_str()), ("c:1", "s x"));
        let code = |result: Result<Credentials, OAuthError>| result.unwrap_err().code;
        assert_eq!(code(read_credentials(&parameters(&[]), None)), ErrorCode::InvalidClient);
        assert_eq!(code(read_credentials(&parameters(&[]), Some("Bearer x"))), ErrorCode::InvalidClient);
        let both = parameters(&[("client_id", "c"), ("client_secret", "s")]);
        assert_eq!(code(read_credentials(&both, Some("Basic YyUzQTE6cyt4"))), ErrorCode::InvalidRequest);
        let other = parameters(&[("client_id", "other")]);
        assert_eq!(code(read_credentials(&other, Some("Basic YyUzQTE6cyt4"))), ErrorCode::InvalidRequest);
    }
}
