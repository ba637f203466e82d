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
use crate::jwt::{self, NotBelieved};
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
pub const SIGN_IN_SCOPES: &str = "openid profile email offline_access User.Read MailboxSettings.Read Mail.Read \
    Mail.ReadWrite Mail.Send Calendars.ReadWrite Calendars.Read.Shared Contacts.Read People.Read User.ReadBasic.All \
    Team.ReadBasic.All Channel.ReadBasic.All ChannelMessage.Send Chat.Read ChatMessage.Send OnlineMeetings.ReadWrite \
    Files.ReadWrite.All Sites.Read.All Tasks.ReadWrite";

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

impl Tokens {
    /// Tokens as the edge hands them to an object, after it has read what else came with them.
    #[must_use]
    pub fn handed_over(
        access_token: String,
        refresh_token: String,
        lives_for: DurationMs,
        scopes: Vec<String>,
    ) -> Self {
        Self {
            access_token: Secret::new(access_token),
            refresh_token: Some(Secret::new(refresh_token)),
            id_token: None,
            lives_for,
            scopes,
        }
    }
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
    let claims: Claims = jwt::claims(id_token.expose()).ok()?;
    (claims.preferred_username.len() <= LOGIN_HINT_BYTES_MAX).then_some(claims.preferred_username)
}

/// The addresses of the account of an ID token: its mailbox's and its user principal name, as the one tenant that is
/// served here has them. They are compared with an Access identity's and are never an identity themselves.
#[must_use]
pub fn addresses(id_token: &Secret<String>) -> Vec<String> {
    #[derive(Deserialize)]
    struct Claims {
        email: Option<String>,
        preferred_username: Option<String>,
    }
    let Ok(claims) = jwt::claims::<Claims>(id_token.expose()) else { return Vec::new() };
    let known = [claims.email, claims.preferred_username];
    known.into_iter().flatten().filter(|address| !address.is_empty()).collect()
}

/// The URL of the keys that sign ID tokens.
#[must_use]
pub fn keys_endpoint(app: &MicrosoftApp) -> String {
    format!("{}/{}/discovery/v2.0/keys", app.login_url, app.tenant_id)
}

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
    let claims: IdTokenClaims = jwt::claims(id_token.expose())?;
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
