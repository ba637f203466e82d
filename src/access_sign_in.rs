//! The first half of a sign-in where people go through Access before they go to Microsoft: there, and back.
//!
//! What holds here: it begins after the person agreed on the consent page and ends in the same browser, by that page's
//! cookie; its state opens for nothing else than this way back.

use protocol::access::sign_in::{
    AccessJourney, AccessTokens, authorize_url, open_journey, pack_tokens, seal_journey, unpack_tokens,
};
use protocol::config::{Config, SignInApplication};
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::oauth::authorization::SIGN_IN_LIFETIME;
use protocol::time::UnixMs;

use crate::browser::Randomness;
use crate::consent::Begun;
use crate::cookies::{end_cookie, read_cookie, set_cookie};
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

/// Sends the browser on to Microsoft with what Access issued in a cookie, because nobody knows yet whose object has to have
/// it. A URL would be no place for it.
#[must_use]
pub fn keep(
    config: &Config,
    tokens: &AccessTokens,
    secret: &str,
    random: &Randomness,
    onwards: Reply,
) -> Reply {
    let set = |tokens: &AccessTokens| {
        let content = pack_tokens(tokens, secret)?;
        set_cookie(config, COOKIE, &content, SIGN_IN_LIFETIME, random.cookie_seal)
    };
    // Where there is no room for both the object renews the access token first. Without any of them the sign-in works, and
    // linked apps will say what they lack.
    match set(tokens).or_else(|| set(&tokens.renewable())) {
        Some(header) => onwards.with("set-cookie", header),
        None => onwards,
    }
}

/// What Access issued in this browser's sign-in.
#[must_use]
pub fn kept(config: &Config, cookies: Option<&str>, secret: &str) -> Option<AccessTokens> {
    unpack_tokens(&read_cookie(config, COOKIE, cookies)?, secret)
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
