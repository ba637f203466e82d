//! Signatures of other issuers' tokens, checked by the platform's WebCrypto with keys that the issuer publishes.
//!
//! What holds here: which key counts and when keys are fetched again is decided in `protocol::jwt`; a token whose keys
//! cannot be had is not believed, and that is told apart from one that is wrong.

use std::cell::RefCell;

use actors::egress::Departure;
use actors::subtle;
use js_sys::{Array, Object, Reflect, Uint8Array};
use protocol::jwt::{Choice, KeyCache, SignedToken, SigningKey, read_keys, take_apart};
use protocol::outbound::CallResult;
use wasm_bindgen::JsValue;
use worker::Env;

use super::now;

/// Whose keys they are. Each has its own, so that no issuer's key is ever good for another one's token.
#[derive(Clone, Copy)]
pub(super) enum Issuer {
    /// Microsoft Entra ID.
    Microsoft,
    /// Access, for assertions.
    Team,
    /// Access, for sign-ins.
    SignIn,
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// The token is wrong: the name of the check that failed.
    Wrong(&'static str),
    /// The issuer's keys cannot be had.
    NoKeys,
}

thread_local! {
    static CACHES: [RefCell<KeyCache>; 3] =
        const { [RefCell::new(KeyCache::new()), RefCell::new(KeyCache::new()), RefCell::new(KeyCache::new())] };
}

fn with_cache<T>(issuer: Issuer, act: impl FnOnce(&mut KeyCache) -> T) -> T {
    CACHES.with(|[microsoft, team, sign_in]| {
        let cache = match issuer {
            Issuer::Microsoft => microsoft,
            Issuer::Team => team,
            Issuer::SignIn => sign_in,
        };
        act(&mut cache.borrow_mut())
    })
}

/// Checks the signature of a token, whose claims may be looked at afterwards and not before.
pub(super) async fn check(issuer: Issuer, keys_url: String, token: &str, env: &Env) -> Result<(), Doubt> {
    let parts = take_apart(token).map_err(|refused| Doubt::Wrong(refused.0))?;
    let key = signing_key(issuer, keys_url, &parts.key_id, env).await?;
    let holds = verify_rs256(&key, &parts).await.is_ok_and(|verdict| verdict.as_bool() == Some(true));
    if holds { Ok(()) } else { Err(Doubt::Wrong("signature")) }
}

async fn signing_key(issuer: Issuer, url: String, key_id: &str, env: &Env) -> Result<SigningKey, Doubt> {
    match with_cache(issuer, |cache| cache.choose(key_id, now())) {
        Choice::Key(key) => return Ok(key),
        Choice::Unknown => return Err(Doubt::Wrong("key")),
        Choice::Fetch => {}
    }
    let headers = vec![("accept", "application/json".to_owned())];
    let departure = Departure::Http { method: "GET", url, headers, body: None };
    let CallResult::Answered(answer) = actors::send(env, departure).await else { return Err(Doubt::NoKeys) };
    let fetched = read_keys(&answer.body).filter(|_| answer.status == 200).ok_or(Doubt::NoKeys)?;
    with_cache(issuer, |cache| cache.take(fetched, key_id, now())).ok_or(Doubt::Wrong("key"))
}

async fn verify_rs256(key: &SigningKey, parts: &SignedToken<'_>) -> Result<JsValue, JsValue> {
    let set = |object: &Object, name: &str, value: &str| {
        Reflect::set(object, &JsValue::from_str(name), &JsValue::from_str(value))
    };
    let jwk = Object::new();
    for (name, value) in [("kty", key.kty.as_str()), ("n", &key.n), ("e", &key.e), ("alg", "RS256")] {
        set(&jwk, name, value)?;
    }
    let algorithm = Object::new();
    set(&algorithm, "name", "RSASSA-PKCS1-v1_5")?;
    set(&algorithm, "hash", "SHA-256")?;
    let usages = Array::of1(&JsValue::from_str("verify"));
    let subtle = subtle();
    let key = subtle.import_key("jwk", &jwk, &algorithm, false, &usages).await?;
    let (signature, signed) = (parts.signature.as_slice(), parts.signed.as_bytes());
    subtle.verify(&algorithm, &key, &Uint8Array::from(signature), &Uint8Array::from(signed)).await
}
