//! Finds the client that an identifier names: operators' denials, what is kept of documents, and the fetcher.
//!
//! What holds here: a document is fetched by another Worker, which reaches the public web only; what was fetched is kept as
//! long as its headers allow, and a failure for a minute in this instance's memory only, so that asking for many URLs
//! writes nothing. If denials cannot be read, nobody is served.

use std::cell::RefCell;

use protocol::config::Config;
use protocol::digest::{sha256, to_hex};
use protocol::limits::REGISTRATION_ADDRESSES_MAX;
use protocol::oauth::authorization::{Found, Refused};
use protocol::oauth::document::{DocumentUrl, Fetched, fresh_for, read_document};
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};
use wasm_bindgen::prelude::*;
use worker::{Env, Fetcher, Method, RequestInit, Result};

use super::incoming::Incoming;
use super::now;
use crate::clients::{Known, denial_key, look_up};
use crate::registration_rate::RegistrationRate;

/// The shortest time for which the platform keeps a value.
const KEPT_SECS_MIN: u64 = 60;
const FAILURE_KEPT: DurationMs = DurationMs::from_secs(60);

#[wasm_bindgen]
extern "C" {
    /// A KV namespace, as far as it is needed here.
    type Namespace;

    #[wasm_bindgen(method, catch)]
    async fn get(this: &Namespace, key: &str) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn put(
        this: &Namespace,
        key: &str,
        value: &str,
        options: &JsValue,
    ) -> std::result::Result<JsValue, JsValue>;
}

thread_local! {
    static RATE: RefCell<RegistrationRate> = RefCell::default();
    static FAILURES: RefCell<Vec<(String, UnixMs, &'static str)>> = const { RefCell::new(Vec::new()) };
}

/// A document as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    body: String,
    until: UnixMs,
}

#[derive(Deserialize)]
struct Answer {
    failure: Option<String>,
    #[serde(flatten)]
    fetched: Fetched,
}

/// Counts one registration, or one reading of a document, by whoever sent the request.
pub(super) fn pass(config: &Config, request: &Incoming) -> Result<std::result::Result<(), DurationMs>> {
    let address = request.header("cf-connecting-ip")?.unwrap_or_default();
    let per_minute = config.clients.registrations_per_minute;
    Ok(RATE.with_borrow_mut(|rate| rate.pass(&address, per_minute, now())))
}

/// Whether documents can be fetched in this deployment.
pub(super) fn reads_documents(env: &Env) -> bool {
    env.service("METADATA").is_ok()
}

/// Whether operators denied a client.
pub(super) async fn is_denied(env: &Env, client_digest: &[u8]) -> Result<bool> {
    Ok(!namespace(env)?.get(&denial_key(client_digest)).await?.is_null())
}

/// Finds the client of an authorization request.
pub(super) async fn find(
    config: &Config,
    request: &Incoming,
    id: &str,
    env: &Env,
) -> Result<std::result::Result<Found, Refused>> {
    let unknown =
        Refused::Page("This application is not registered here any more. Remove it and add it again.");
    if is_denied(env, &sha256(id.as_bytes())).await? {
        return Ok(Err(unknown));
    }
    let url = match look_up(config, id, now()) {
        Known::Found(found) => return Ok(Ok(found)),
        Known::Described(url) if reads_documents(env) => url,
        Known::Described(_) | Known::Unknown => return Ok(Err(unknown)),
    };
    let body = match kept(env, &url).await? {
        Some(body) => Ok(body),
        None => match pass(config, request)? {
            Ok(()) => fetch(env, &url).await?,
            Err(_) => Err("Too many applications were looked up from this address. Try again in a minute."),
        },
    };
    let read = body.and_then(|body| read_document(&url, &body, now()));
    Ok(match read {
        Ok(client) => Ok(Found {
            client,
            digest: sha256(id.as_bytes()).to_vec(),
            described_at: Some(url.host().to_owned()),
        }),
        Err(reason) => Err(Refused::Page(reason)),
    })
}

fn namespace(env: &Env) -> Result<Namespace> {
    let binding = js_sys::Reflect::get(env, &JsValue::from_str("OAUTH_KV"))?;
    if binding.is_undefined() {
        return Err(worker::Error::RustError("OAUTH_KV is not bound".to_owned()));
    }
    Ok(binding.unchecked_into())
}

fn key(url: &DocumentUrl) -> String {
    format!("document:{}", to_hex(&sha256(url.as_str().as_bytes())))
}

async fn kept(env: &Env, url: &DocumentUrl) -> Result<Option<String>> {
    let text = namespace(env)?.get(&key(url)).await?.as_string();
    let kept = text.and_then(|text| serde_json::from_str::<Kept>(&text).ok());
    Ok(kept.filter(|kept| now() < kept.until).map(|kept| kept.body))
}

async fn fetch(env: &Env, url: &DocumentUrl) -> Result<std::result::Result<String, &'static str>> {
    let failed = FAILURES.with_borrow_mut(|failures| {
        failures.retain(|(_, until, _)| now() < *until);
        failures.iter().find(|(failed, ..)| failed == url.as_str()).map(|(.., reason)| *reason)
    });
    if let Some(reason) = failed {
        return Ok(Err(reason));
    }
    let fetcher: Fetcher = env.service("METADATA")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(JsValue::from_str(url.as_str())));
    let mut answer = fetcher.fetch("https://metadata/", Some(init)).await?;
    let answer: Answer = serde_json::from_str(&answer.text().await?)?;
    match answer.fetched.body.clone() {
        Some(body) => {
            // What was found is kept only if it is good, so that a mistake is not held against its maker for long.
            if read_document(url, &body, now()).is_ok() {
                keep(env, url, &body, fresh_for(&answer.fetched)).await?;
            }
            Ok(Ok(body))
        }
        None => {
            let reason = describe(answer.failure.as_deref().unwrap_or_default());
            FAILURES.with_borrow_mut(|failures| {
                if failures.len() >= REGISTRATION_ADDRESSES_MAX {
                    failures.remove(0);
                }
                failures.push((url.as_str().to_owned(), now().plus(FAILURE_KEPT), reason));
            });
            Ok(Err(reason))
        }
    }
}

/// What is shown to a person, and so told to whoever publishes the document.
fn describe(failure: &str) -> &'static str {
    match failure {
        "redirect" => "The application's document is somewhere else: redirects are not followed.",
        "status" => "The application's document was not found: its server did not answer with status 200.",
        "not_json" => "The application's document is not served as JSON.",
        "too_large" => "The application's document has more than 5 KB.",
        "timeout" => "The application's server did not answer within ten seconds.",
        _ => "The application's document could not be read.",
    }
}

async fn keep(env: &Env, url: &DocumentUrl, body: &str, fresh_for: DurationMs) -> Result<()> {
    if fresh_for.0 == 0 {
        return Ok(());
    }
    let kept = Kept { body: body.to_owned(), until: now().plus(fresh_for) };
    let options = js_sys::Object::new();
    let seconds = u32::try_from((fresh_for.0 / 1_000).max(KEPT_SECS_MIN)).unwrap_or(u32::MAX);
    js_sys::Reflect::set(&options, &JsValue::from_str("expirationTtl"), &JsValue::from(seconds))?;
    namespace(env)?.put(&key(url), &serde_json::to_string(&kept)?, &options).await?;
    Ok(())
}
