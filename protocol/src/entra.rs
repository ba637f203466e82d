//! Microsoft Entra ID's token endpoint and ID tokens, as codecs.
//!
//! What holds here: decisions rest on `error` and `suberror` alone, since Microsoft changes texts and numbers; an
//! access token for Graph is opaque and never looked into; a person is known by `tid` and `oid`, never by an
//! address. Forms hold credentials, so they are secrets from the moment they are written.

use serde::Deserialize;

use crate::config::MicrosoftApp;
use crate::graph::form;
use crate::ids::UserKey;
use crate::limits::CLOCK_SKEW;
use crate::outbound::Answer;
use crate::secret::Secret;
use crate::time::{DurationMs, UnixMs};

/// The Graph permissions that a person is asked for, with what an ID token and a refresh token need.
///
/// `Mail.Read` stands beside `Mail.ReadWrite`, which implies it: where an administrator refuses the latter, mail can
/// still be read and a sent mail still be looked for. None of them needs an administrator's consent. A test holds the list
/// equal to what the tools and resources name as their permissions.
pub const SIGN_IN_SCOPES: &str = "openid profile offline_access User.Read MailboxSettings.Read Mail.Read \
    Mail.ReadWrite Mail.Send Calendars.ReadWrite Contacts.Read People.Read Team.ReadBasic.All \
    Channel.ReadBasic.All ChannelMessage.Send ChatMessage.Send OnlineMeetings.ReadWrite";

/// Tells Microsoft that this client understands claims challenges, so that access can be revoked at once
/// (continuous access evaluation).
pub const CLIENT_CAPABILITIES: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

/// The URL of the token endpoint.
#[must_use]
pub fn token_endpoint(app: &MicrosoftApp) -> String {
    format!("{}/{}/oauth2/v2.0/token", app.login_url, app.tenant_id)
}

/// The URL that a person is sent to in order to sign in.
#[must_use]
pub fn authorize_url(
    app: &MicrosoftApp,
    redirect_uri: &str,
    state: &str,
    nonce: &str,
    code_challenge: &str,
    login_hint: Option<&str>,
) -> String {
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
        ("claims", CLIENT_CAPABILITIES),
    ];
    if let Some(hint) = login_hint {
        fields.push(("login_hint", hint));
    }
    format!("{}/{}/oauth2/v2.0/authorize?{}", app.login_url, app.tenant_id, form(&fields))
}

/// The form that exchanges an authorization code (RFC 6749, section 4.1.3, with RFC 7636).
#[must_use]
pub fn code_form(app: &MicrosoftApp, code: &str, verifier: &str, redirect_uri: &str) -> Secret<String> {
    Secret::new(form(&[
        ("grant_type", "authorization_code"),
        ("client_id", &app.client_id),
        ("client_secret", app.client_secret.expose()),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri),
        ("scope", SIGN_IN_SCOPES),
        ("claims", CLIENT_CAPABILITIES),
    ]))
}

/// The form that refreshes an access token (RFC 6749, section 6).
#[must_use]
pub fn refresh_form(app: &MicrosoftApp, refresh_token: &Secret<String>) -> Secret<String> {
    Secret::new(form(&[
        ("grant_type", "refresh_token"),
        ("client_id", &app.client_id),
        ("client_secret", app.client_secret.expose()),
        ("refresh_token", refresh_token.expose()),
        ("scope", SIGN_IN_SCOPES),
        ("claims", CLIENT_CAPABILITIES),
    ]))
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

/// Why there are no tokens, by what has to happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The refresh token or the code is dead, or Microsoft wants the person again: sign in again.
    SignInAgain,
    /// A permission was not consented to.
    ConsentMissing,
    /// This deployment's own credential is wrong or expired: operators must act, users cannot.
    OwnCredential,
    /// An outage or a throttle: try again later with the same token.
    Transient,
    /// An answer that none of the above covers.
    Unexpected,
}

#[derive(Deserialize)]
struct TokenBody {
    access_token: Option<String>,
    refresh_token: Option<String>,
    id_token: Option<String>,
    expires_in: Option<u64>,
    scope: Option<String>,
    error: Option<String>,
    suberror: Option<String>,
}

/// Reads the token endpoint's answer.
///
/// # Errors
/// [`Denied`], by the table of the Microsoft identity platform's error codes.
pub fn read_tokens(answer: &Answer) -> Result<Tokens, Denied> {
    if answer.status == 429 || answer.status >= 500 {
        return Err(Denied::Transient);
    }
    let body: TokenBody = serde_json::from_slice(&answer.body).map_err(|_| Denied::Unexpected)?;
    if let Some(error) = body.error.as_deref() {
        return Err(classify(error, body.suberror.as_deref()));
    }
    match (answer.status, body.access_token, body.expires_in) {
        (200, Some(access_token), Some(expires_in)) => Ok(Tokens {
            access_token: Secret::new(access_token),
            refresh_token: body.refresh_token.map(Secret::new),
            id_token: body.id_token.map(Secret::new),
            lives_for: DurationMs::from_secs(expires_in),
            scopes: body.scope.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        }),
        _ => Err(Denied::Unexpected),
    }
}

fn classify(error: &str, suberror: Option<&str>) -> Denied {
    match (error, suberror) {
        (_, Some("consent_required")) | ("consent_required", _) => Denied::ConsentMissing,
        ("invalid_grant" | "interaction_required" | "login_required", _) => Denied::SignInAgain,
        ("invalid_client" | "unauthorized_client", _) => Denied::OwnCredential,
        ("temporarily_unavailable" | "server_error", _) => Denied::Transient,
        _ => Denied::Unexpected,
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
