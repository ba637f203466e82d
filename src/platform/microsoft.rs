//! The exchange of Microsoft's code at the end of a sign-in, and the check of the ID token's signature.
//!
//! What holds here: this is the one call to Microsoft that the edge makes itself, because only its answer tells whose
//! object is concerned; the tokens go straight to that object. Nobody is believed before the
//! signature of the ID token was checked.

use std::cell::Cell;

use actors::egress::form_departure;
use actors::log::LogLine;
use protocol::config::Config;
use protocol::entra::{
    ClaimsChallenge, Denied, Freshness, Refusal, Tokens, addresses, code_form, identify, keys_endpoint,
    login_hint, read_tokens,
};
use protocol::ids::UserKey;
use protocol::oauth::{ErrorCode, OAuthError};
use protocol::outbound::CallResult;
use protocol::secret::Secret;
use protocol::time::UnixMs;
use worker::Env;

use super::signatures::{self, Issuer};
use super::{now, random};

/// A person who signed in.
pub(super) struct Person {
    /// Whose object it is.
    pub(super) user: UserKey,
    /// What Microsoft issued.
    pub(super) tokens: Tokens,
    /// The refresh token, which is always there.
    pub(super) refresh_token: Secret<String>,
    /// What names the account to Microsoft, should the person have to go there once more.
    pub(super) login_hint: Option<String>,
    /// The account's addresses, which an Access identity's is compared with.
    pub(super) addresses: Vec<String>,
}

/// The secrets of the journey that a code comes back from.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    /// The PKCE verifier.
    pub(super) pkce_verifier: &'a str,
    /// The nonce that the ID token must repeat.
    pub(super) nonce: &'a str,
}

/// Why a person is not signed in.
pub(super) enum NotSignedIn {
    /// Microsoft demands these claims.
    StepUp(ClaimsChallenge),
    /// The client is told this.
    Refused(OAuthError),
}

impl From<OAuthError> for NotSignedIn {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

thread_local! {
    static CREDENTIAL_REFUSED_AT: Cell<Option<UnixMs>> = const { Cell::new(None) };
}

/// Exchanges Microsoft's code and establishes who signed in.
pub(super) async fn exchange(
    config: &Config,
    way: Way<'_>,
    code: &str,
    env: &Env,
) -> Result<Person, NotSignedIn> {
    let unavailable =
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "Microsoft did not answer. Try again.");
    let fresh = Freshness { now: now(), random: random().map_err(|_| unavailable.clone())? };
    let form = code_form(&config.microsoft, code, way.pkce_verifier, &config.redirect_uri(), fresh);
    let CallResult::Answered(answer) = actors::send(env, form_departure(config, &form, None)).await else {
        return Err(unavailable.into());
    };
    let tokens = read_tokens(&answer).map_err(not_signed_in)?;
    CREDENTIAL_REFUSED_AT.set(None);
    let denied = OAuthError::new(ErrorCode::AccessDenied, "Microsoft's answer does not identify the person.");
    let id_token = tokens.id_token.as_ref().ok_or(denied.clone())?;
    let keys = keys_endpoint(&config.microsoft);
    if let Err(doubt) = signatures::check(Issuer::Microsoft, keys, id_token.expose(), env).await {
        tracing::warn!(?doubt, "the signature of an ID token does not hold");
        return Err(denied.into());
    }
    let user = identify(&config.microsoft, id_token, way.nonce, now()).map_err(|not_believed| {
        tracing::warn!(check = not_believed.0, "an ID token is not believed");
        denied.clone()
    })?;
    let (login_hint, addresses) = (login_hint(id_token), addresses(id_token));
    let refresh_token = tokens.refresh_token.clone().ok_or(denied)?;
    Ok(Person { user, tokens, refresh_token, login_hint, addresses })
}

/// What a refusal means for the client; the log says what operators need.
fn not_signed_in(refusal: Refusal) -> NotSignedIn {
    let line = LogLine::token_refused(&refusal.denied, &refusal.details, now()).to_json();
    let (code, description) = match refusal.denied {
        Denied::StepUp(Some(claims)) => {
            worker::console_log!("{line}");
            return NotSignedIn::StepUp(claims);
        }
        Denied::SignInAgain | Denied::StepUp(None) => {
            (ErrorCode::AccessDenied, "Microsoft did not accept the sign-in.")
        }
        Denied::ConsentMissing => (ErrorCode::AccessDenied, "A permission was not agreed to at Microsoft."),
        Denied::NotAllowed => {
            (ErrorCode::AccessDenied, "The organisation does not let this account use this server.")
        }
        Denied::OwnCredential => {
            CREDENTIAL_REFUSED_AT.set(Some(now()));
            (ErrorCode::TemporarilyUnavailable, "This server's operators have to act.")
        }
        Denied::Transient { .. } | Denied::ClientLoop | Denied::Unexpected => {
            (ErrorCode::TemporarilyUnavailable, "Microsoft did not answer. Try again.")
        }
    };
    worker::console_error!("{line}");
    NotSignedIn::Refused(OAuthError::new(code, description))
}

/// When Microsoft last refused this server's own credential at a sign-in in this instance, if a sign-in did not work since.
pub(super) fn credential_refused_at() -> Option<UnixMs> {
    CREDENTIAL_REFUSED_AT.get()
}
