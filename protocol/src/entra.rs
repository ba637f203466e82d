//! Microsoft Entra ID's token endpoint and ID tokens, as codecs.
//!
//! What holds here: an access token for Graph is opaque and never looked into; a person is known by `tid` and `oid`, never
//! by an address. What a refusal means stands in `refusal`, what Microsoft demands beyond a password in `claims`, and the
//! forms, which hold credentials, in `credential`.

pub mod claims;
pub mod credential;
pub mod refusal;

use serde::Deserialize;

pub use claims::ClaimsChallenge;
pub use credential::{Assertion, Freshness, TokenForm, code_form, refresh_form};
pub use refusal::{Denied, Details, Refusal};

use crate::config::MicrosoftApp;
use crate::graph::form;
use crate::ids::UserKey;
use crate::limits::{CLOCK_SKEW, LOGIN_HINT_BYTES_MAX};
use crate::outbound::Answer;
use crate::secret::Secret;
use crate::time::{DurationMs, UnixMs};
use claims::claims_parameter;
use refusal::ErrorBody;

/// The Graph permissions that a person is asked for, with what an ID token and a refresh token need.
///
/// `Mail.Read` stands beside `Mail.ReadWrite`, which implies it: where an administrator refuses the latter, mail can
/// still be read and a sent mail still be looked for. None of them needs an administrator's consent. A test holds the list
/// equal to what the tools and resources name as their permissions.
pub const SIGN_IN_SCOPES: &str = "openid profile offline_access User.Read MailboxSettings.Read Mail.Read \
    Mail.ReadWrite Mail.Send Calendars.ReadWrite Calendars.Read.Shared Contacts.Read People.Read User.ReadBasic.All \
    Team.ReadBasic.All Channel.ReadBasic.All ChannelMessage.Send Chat.Read ChatMessage.Send OnlineMeetings.ReadWrite";

/// The URL of the token endpoint.
#[must_use]
pub fn token_endpoint(app: &MicrosoftApp) -> String {
    format!("{}/{}/oauth2/v2.0/token", app.login_url, app.tenant_id)
}

/// The URL that a person is sent to in order to sign in, with the claims that Microsoft demanded last, if any.
#[must_use]
pub fn authorize_url(
    app: &MicrosoftApp,
    redirect_uri: &str,
    state: &str,
    nonce: &str,
    code_challenge: &str,
    login_hint: Option<&str>,
    demanded: Option<&ClaimsChallenge>,
) -> String {
    let claims = claims_parameter(demanded);
    let mut fields = vec![
        ("client_id", app.client_id.as_str()),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", redirect_uri),
        ("scope", SIGN_IN_SCOPES),
        ("state", state),
        ("nonce", nonce),
        ("code_challenge", code_challenge),
        ("code_challenge_method", "S256"),
        ("claims", &claims),
    ];
    if let Some(hint) = login_hint {
        fields.push(("login_hint", hint));
    }
    format!("{}/{}/oauth2/v2.0/authorize?{}", app.login_url, app.tenant_id, form(&fields))
}

/// Tokens that Microsoft issued.
#[derive(Debug)]
pub struct Tokens {
    /// The access token for Graph: opaque.
    pub access_token: Secret<String>,
    /// The newest refresh token; absent when Microsoft did not send a new one.
    pub refresh_token: Option<Secret<String>>,
    /// The ID token of a sign-in.
    pub id_token: Option<Secret<String>>,
    /// How long the access token lives.
    pub lives_for: DurationMs,
    /// The Graph permissions that were granted.
    pub scopes: Vec<String>,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
    expires_in: u64,
    scope: Option<String>,
}

/// Reads the token endpoint's answer.
///
/// # Errors
/// [`Refusal`], by the table of the Microsoft identity platform's errors.
pub fn read_tokens(answer: &Answer) -> Result<Tokens, Refusal> {
    if let Some(refusal) = Refusal::by_status(answer) {
        return Err(refusal);
    }
    // An error is an error whatever stands beside it.
    if let Ok(body) = serde_json::from_slice::<ErrorBody>(&answer.body) {
        return Err(Refusal::read(body, answer.retry_after));
    }
    match serde_json::from_slice::<TokenBody>(&answer.body) {
        Ok(body) if answer.status == 200 => Ok(Tokens {
            access_token: Secret::new(body.access_token),
            refresh_token: body.refresh_token.map(Secret::new),
            id_token: body.id_token.map(Secret::new),
            lives_for: DurationMs::from_secs(body.expires_in),
            scopes: body.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        }),
        _ => Err(Refusal::unexpected()),
    }
}

#[derive(Deserialize)]
struct IdTokenClaims {
    iss: String,
    aud: String,
    exp: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    tid: String,
    oid: String,
}

/// What names the account of an ID token to Microsoft, so that the person need not choose again. It goes back to Microsoft
/// and nowhere else.
#[must_use]
pub fn login_hint(id_token: &Secret<String>) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        preferred_username: String,
    }
    let payload = crate::digest::from_base64url(id_token.expose().split('.').nth(1)?)?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    (claims.preferred_username.len() <= LOGIN_HINT_BYTES_MAX).then_some(claims.preferred_username)
}

/// The URL of the keys that sign ID tokens.
#[must_use]
pub fn keys_endpoint(app: &MicrosoftApp) -> String {
    format!("{}/{}/discovery/v2.0/keys", app.login_url, app.tenant_id)
}

/// A token in the compact form of RFC 7515, taken apart for the check of its signature.
pub struct SignedToken<'a> {
    /// The name of the key.
    pub key_id: String,
    /// What was signed.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Takes a token apart. Only RS256 is accepted, whatever the token says of itself (RFC 8725, section 3.1).
///
/// # Errors
/// [`NotBelieved`] names what is wrong.
pub fn take_apart(token: &Secret<String>) -> Result<SignedToken<'_>, NotBelieved> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
        kid: String,
    }
    let (signed, signature) = token.expose().rsplit_once('.').ok_or(NotBelieved("shape"))?;
    let (header, _) = signed.split_once('.').ok_or(NotBelieved("shape"))?;
    let header = crate::digest::from_base64url(header).ok_or(NotBelieved("shape"))?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| NotBelieved("header"))?;
    if header.alg != "RS256" {
        return Err(NotBelieved("algorithm"));
    }
    let signature = crate::digest::from_base64url(signature).ok_or(NotBelieved("shape"))?;
    Ok(SignedToken { key_id: header.kid, signed, signature })
}

/// Why an ID token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBelieved(pub &'static str);

/// Checks the claims of an ID token and names the person.
///
/// The token came straight from the token endpoint over TLS, which stands in for the signature check here (OpenID
/// Connect Core 1.0, section 3.1.3.7, item 6); see `docs/decisions/`.
///
/// # Errors
/// [`NotBelieved`] names the check that failed.
pub fn identify(
    app: &MicrosoftApp,
    id_token: &Secret<String>,
    nonce: &str,
    now: UnixMs,
) -> Result<UserKey, NotBelieved> {
    let payload = id_token.expose().split('.').nth(1).ok_or(NotBelieved("shape"))?;
    let payload = crate::digest::from_base64url(payload).ok_or(NotBelieved("shape"))?;
    let claims: IdTokenClaims = serde_json::from_slice(&payload).map_err(|_| NotBelieved("claims"))?;
    if claims.aud != app.client_id {
        return Err(NotBelieved("audience"));
    }
    if claims.iss != format!("{}/{}/v2.0", app.login_url, claims.tid) {
        return Err(NotBelieved("issuer"));
    }
    if !claims.tid.eq_ignore_ascii_case(&app.tenant_id) {
        return Err(NotBelieved("tenant"));
    }
    let skew = CLOCK_SKEW.0 / 1_000;
    let not_before = claims.nbf.unwrap_or(0);
    if now.as_secs() >= claims.exp.saturating_add(skew) || now.as_secs().saturating_add(skew) < not_before {
        return Err(NotBelieved("time"));
    }
    if claims.nonce.as_deref() != Some(nonce) || nonce.is_empty() {
        return Err(NotBelieved("nonce"));
    }
    if claims.oid.is_empty() {
        return Err(NotBelieved("object id"));
    }
    Ok(UserKey::from_microsoft(&claims.tid, &claims.oid))
}

#[cfg(test)]
mod tests;
