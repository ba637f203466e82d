//! The first half of a sign-in where people go through Access before they go to Microsoft: there, and back.
//!
//! What holds here: it begins after the person agreed on the consent page and ends in the same browser, by that page's
//! cookie; its state opens for nothing else than this way back.

use protocol::access::sign_in::{AccessJourney, authorize_url, open_journey, seal_journey};
use protocol::config::{Config, SignInApplication};
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::oauth::authorization::AuthorizationRequest;
use protocol::time::UnixMs;

use crate::browser::Randomness;
use crate::reply::Reply;

/// Sends the browser to Access; `secret` is the value of the consent page's cookie.
#[must_use]
pub fn begin(
    config: &Config,
    application: &SignInApplication,
    request: AuthorizationRequest,
    secret: &str,
    random: &Randomness,
) -> Reply {
    let verifier = to_base64url(&random.verifier);
    let challenge = to_base64url(&sha256(verifier.as_bytes()));
    let nonce = to_hex(&random.nonce);
    let journey = AccessJourney { request, pkce_verifier: verifier, nonce: nonce.clone() };
    let Ok(state) = seal_journey(&config.encryption_keys, &journey, secret, random.seal) else {
        return Reply::object_unavailable();
    };
    let back = config.access_redirect_uri();
    Reply::see_other(authorize_url(application, &back, &state, &nonce, &challenge))
}

/// The journey that a return from Access belongs to, if it began on a consent page of this browser.
#[must_use]
pub fn journey(config: &Config, state: Option<&str>, secret: &str, now: UnixMs) -> Option<AccessJourney> {
    open_journey(&config.encryption_keys, state?, secret, now).ok()
}
