//! The exchange of Microsoft's code at the end of a sign-in, and the check of the ID token's signature.
//!
//! What holds here: this is the one call to Microsoft that the edge makes itself, because only its answer tells whose
//! object is concerned; the tokens go straight to that object. Signatures are checked by the platform's WebCrypto with a
//! key that Microsoft publishes, found by its name and fetched again at most every half minute for an unknown one.

use std::cell::{Cell, RefCell};

use actors::egress::{Departure, form_departure};
use actors::log::LogLine;
use js_sys::{Array, Object, Reflect, Uint8Array};
use protocol::config::Config;
use protocol::entra::{
    ClaimsChallenge, Denied, Freshness, Refusal, Tokens, code_form, identify, keys_endpoint, login_hint,
    read_tokens, take_apart,
};
use protocol::ids::UserKey;
use protocol::oauth::authorization::Journey;
use protocol::oauth::{ErrorCode, OAuthError};
use protocol::outbound::CallResult;
use protocol::secret::Secret;
use protocol::time::{DurationMs, UnixMs};
use serde::Deserialize;
use wasm_bindgen::prelude::*;
use worker::Env;

use super::{now, random};

const KEYS_FRESH_FOR: DurationMs = DurationMs::from_secs(60 * 60);
const KEYS_FETCHED_AGAIN_AFTER: DurationMs = DurationMs::from_secs(30);

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

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type SubtleCrypto;

    #[wasm_bindgen(thread_local_v2, js_namespace = crypto, js_name = subtle)]
    static SUBTLE: SubtleCrypto;

    #[wasm_bindgen(method, catch, js_name = importKey)]
    async fn import_key(
        this: &SubtleCrypto,
        format: &str,
        key: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn verify(
        this: &SubtleCrypto,
        algorithm: &str,
        key: &JsValue,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<JsValue, JsValue>;
}

#[derive(Clone, Deserialize)]
struct SigningKey {
    kid: String,
    kty: String,
    n: String,
    e: String,
}

#[derive(Deserialize)]
struct SigningKeys {
    keys: Vec<SigningKey>,
}

thread_local! {
    static CREDENTIAL_REFUSED_AT: Cell<Option<UnixMs>> = const { Cell::new(None) };
    static KEYS: RefCell<Option<(UnixMs, Vec<SigningKey>)>> = const { RefCell::new(None) };
}

/// Exchanges Microsoft's code and establishes who signed in.
pub(super) async fn exchange(
    config: &Config,
    journey: &Journey,
    code: &str,
    env: &Env,
) -> Result<Person, NotSignedIn> {
    let unavailable =
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "Microsoft did not answer. Try again.");
    let fresh = Freshness { now: now(), random: random().map_err(|_| unavailable.clone())? };
    let form = code_form(&config.microsoft, code, &journey.pkce_verifier, &config.redirect_uri(), fresh);
    let CallResult::Answered(answer) = actors::send(env, form_departure(config, &form, None)).await else {
        return Err(unavailable.into());
    };
    let tokens = read_tokens(&answer).map_err(not_signed_in)?;
    CREDENTIAL_REFUSED_AT.set(None);
    let denied = OAuthError::new(ErrorCode::AccessDenied, "Microsoft's answer does not identify the person.");
    let id_token = tokens.id_token.as_ref().ok_or(denied.clone())?;
    if !is_signed_by_microsoft(config, id_token, env).await {
        tracing::warn!("the signature of an ID token does not hold");
        return Err(denied.into());
    }
    let user = identify(&config.microsoft, id_token, &journey.nonce, now()).map_err(|not_believed| {
        tracing::warn!(check = not_believed.0, "an ID token is not believed");
        denied.clone()
    })?;
    let login_hint = login_hint(id_token);
    let refresh_token = tokens.refresh_token.clone().ok_or(denied)?;
    Ok(Person { user, tokens, refresh_token, login_hint })
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

async fn is_signed_by_microsoft(config: &Config, id_token: &Secret<String>, env: &Env) -> bool {
    let Ok(parts) = take_apart(id_token) else { return false };
    let Some(key) = signing_key(config, &parts.key_id, env).await else { return false };
    let verified = verify_rs256(&key, &parts.signature, parts.signed.as_bytes()).await;
    verified.is_ok_and(|verdict| verdict.as_bool() == Some(true))
}

async fn verify_rs256(key: &SigningKey, signature: &[u8], signed: &[u8]) -> Result<JsValue, JsValue> {
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
    let subtle = SUBTLE.with(Clone::clone);
    let key = subtle.import_key("jwk", &jwk, &algorithm, false, &usages).await?;
    subtle.verify("RSASSA-PKCS1-v1_5", &key, &Uint8Array::from(signature), &Uint8Array::from(signed)).await
}

/// A published key by its name, from the cache or fetched.
async fn signing_key(config: &Config, key_id: &str, env: &Env) -> Option<SigningKey> {
    let find = |keys: &[SigningKey]| keys.iter().find(|key| key.kid == key_id && key.kty == "RSA").cloned();
    let now = now();
    let cached = KEYS
        .with_borrow(|cache| cache.as_ref().map(|(fetched_at, keys)| (now.since(*fetched_at), find(keys))));
    match cached {
        Some((age, Some(key))) if age < KEYS_FRESH_FOR => return Some(key),
        Some((age, None)) if age < KEYS_FETCHED_AGAIN_AFTER => return None,
        _ => {}
    }
    let departure = Departure::Http {
        method: "GET",
        url: keys_endpoint(&config.microsoft),
        headers: vec![("accept", "application/json".to_owned())],
        body: None,
    };
    let CallResult::Answered(answer) = actors::send(env, departure).await else { return None };
    let fetched: SigningKeys = serde_json::from_slice(&answer.body).ok()?;
    let key = find(&fetched.keys);
    KEYS.with_borrow_mut(|cache| *cache = Some((now, fetched.keys)));
    key
}
