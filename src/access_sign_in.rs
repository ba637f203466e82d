//! The first half of a sign-in where people go through Access before they go to Microsoft: there, and back.
//!
//! What holds here: it begins after the person agreed on the consent page and ends in the same browser, by that page's
//! cookie; its state opens for nothing else than this way back.

use protocol::access::sign_in::{
    AccessJourney, AccessTokens, authorize_url, open_journey, open_tokens, seal_journey, seal_tokens,
};
use protocol::config::{Config, SignInApplication};
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::oauth::authorization::SIGN_IN_LIFETIME;
use protocol::time::UnixMs;

use crate::browser::Randomness;
use crate::consent::Begun;
use crate::cookies::{end_cookie, read_text_cookie, set_cookie};
use crate::reply::Reply;

const COOKIE: &str = "m365-access";

/// Sends the browser to Access; `secret` is the value of the consent page's cookie.
#[must_use]
pub fn begin(
    config: &Config,
    application: &SignInApplication,
    (request, agreed_before): Begun,
    secret: &str,
    random: &Randomness,
) -> Reply {
    let verifier = to_base64url(&random.verifier);
    let challenge = to_base64url(&sha256(verifier.as_bytes()));
    let nonce = to_hex(&random.nonce);
    let journey = AccessJourney { request, pkce_verifier: verifier, nonce: nonce.clone(), agreed_before };
    let Ok(state) = seal_journey(&config.encryption_keys, &journey, secret, random.seal) else {
        return Reply::object_unavailable();
    };
    let back = config.access_redirect_uri();
    Reply::see_other(authorize_url(application, &back, &state, &nonce, &challenge))
}

/// Sends the browser on to Microsoft with what Access issued in a sealed cookie, because nobody knows yet whose object has
/// to have it. A URL would be no place for it.
#[must_use]
pub fn keep(
    config: &Config,
    tokens: &AccessTokens,
    secret: &str,
    random: &Randomness,
    onwards: Reply,
) -> Reply {
    let sealed = seal_tokens(&config.encryption_keys, tokens, secret, random.seal).ok();
    let header = sealed.and_then(|sealed| {
        set_cookie(config, COOKIE, sealed.as_bytes(), SIGN_IN_LIFETIME, random.cookie_seal)
    });
    match header {
        Some(header) => onwards.with("set-cookie", header),
        // The sign-in works without; linked apps will say what they lack.
        None => onwards,
    }
}

/// What Access issued in this browser's sign-in.
#[must_use]
pub fn kept(config: &Config, cookies: Option<&str>, secret: &str) -> Option<AccessTokens> {
    let sealed = read_text_cookie(config, COOKIE, cookies)?;
    open_tokens(&config.encryption_keys, &sealed, secret).ok()
}

/// Ends the cookie with the journey.
#[must_use]
pub fn forget(config: &Config, reply: Reply) -> Reply {
    match config.access_mode.sign_in() {
        Some(_) => reply.with("set-cookie", end_cookie(config, COOKIE)),
        None => reply,
    }
}

/// The journey that a return from Access belongs to, if it began on a consent page of this browser.
#[must_use]
pub fn journey(config: &Config, state: Option<&str>, secret: &str, now: UnixMs) -> Option<AccessJourney> {
    open_journey(&config.encryption_keys, state?, secret, now).ok()
}
