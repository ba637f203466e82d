//! Cloudflare AI Gateway: what the binding's endpoint and the custom provider have in common, which is
//! policies, cache, retries and the log. The two entrances are `run.rs` and `custom.rs`; behind them are Graph and a
//! model (`model.rs`). A blocked request must never reach either.

pub mod custom;
pub mod errors;
pub mod log;
pub mod model;
pub mod run;

use crate::graph;
use crate::ids::{base64_url, sha256};
use crate::settings::{GatewaySettings, Outage};
use crate::wire::{Call, Outcome, Reply};
use crate::world::Shared;
use log::{Ordered, Row, kept_metadata, kept_payload};
use serde_json::Value;
use std::time::Duration;

/// What stands behind the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Microsoft Graph.
    Graph,
    /// The model.
    Model,
}

/// One request through the gateway.
#[derive(Clone, Debug)]
pub struct Passage {
    /// The model, or the provider's slug.
    pub model: String,
    /// To whom it goes.
    pub to: Backend,
    /// Whether it came in through the binding.
    pub on_run: bool,
    /// The call to Graph; its path begins with the version.
    pub upstream: Call,
    /// The metadata as given.
    pub metadata: Ordered,
    /// The event id that the caller chose.
    pub event_id: Option<String>,
    /// Whether the cache must not be used.
    pub skip_cache: bool,
    /// Whether the request is logged at all.
    pub collect_log: bool,
    /// Whether the payload is logged.
    pub collect_payload: bool,
    /// How often Graph is asked at most; absent means the gateway's own default, one repeat.
    pub max_attempts: Option<u32>,
    /// How long to wait between attempts.
    pub retry_delay_ms: u64,
    /// How long Graph may take.
    pub timeout_ms: Option<u64>,
    /// The payload as received, for the log.
    pub payload: Value,
}

/// A policy's refusal, if one applies.
fn refusal(settings: &GatewaySettings, passage: &Passage) -> Option<Reply> {
    let body = String::from_utf8_lossy(&passage.upstream.body);
    let contains = |needle: &Option<String>| needle.as_ref().is_some_and(|text| body.contains(text.as_str()));
    if settings.policy_denied {
        return Some(errors::policy());
    }
    if settings.spend_limit {
        return Some(errors::spend_limit());
    }
    if contains(&settings.dlp_block) {
        return Some(errors::dlp());
    }
    contains(&settings.guardrail_block).then(|| errors::guardrail(passage.on_run))
}

fn cache_key(passage: &Passage) -> String {
    let call = &passage.upstream;
    let bearer = call.headers.get("authorization").unwrap_or_default();
    let text = format!("{}|{}|{bearer}|{}", passage.model, call.method, call.target());
    base64_url(&sha256(&[text.as_bytes(), &call.body].concat()))
}

/// Asks whoever stands behind, as often as allowed. A connection that breaks is a failure like any 5xx.
async fn forward(shared: &Shared, passage: &Passage) -> (Outcome, u32) {
    let limit = passage.max_attempts.unwrap_or(2).clamp(1, 5);
    let mut attempts = 0;
    loop {
        attempts += 1;
        let call = &passage.upstream;
        let asked = async {
            match passage.to {
                Backend::Graph => graph::serve(shared, call, &call.path).await,
                Backend::Model => model::serve(shared, call).await,
            }
        };
        // The last attempt waits for as long as it takes, as documented.
        let outcome = match passage.timeout_ms.filter(|_| attempts < limit || limit == 1) {
            Some(ms) => tokio::time::timeout(Duration::from_millis(ms), asked).await,
            None => Ok(asked.await),
        };
        let failed = match &outcome {
            Ok(Outcome::Reply(reply)) => reply.status >= 500,
            Ok(Outcome::Truncate(..)) => false,
            Ok(Outcome::Drop) | Err(_) => true,
        };
        if failed && attempts < limit {
            tokio::time::sleep(Duration::from_millis(passage.retry_delay_ms)).await;
            continue;
        }
        let outcome = match outcome {
            Ok(Outcome::Drop) => Outcome::Reply(errors::array(502, 2002, "Upstream connection failed")),
            Ok(outcome) => outcome,
            Err(_) => Outcome::Reply(errors::array(504, 2014, "Upstream request timed out")),
        };
        return (outcome, attempts);
    }
}

/// Whether the gateway lets a request in at all.
fn gate(shared: &Shared, passage: &Passage) -> Option<Outcome> {
    let mut world = shared.lock();
    let now_ms = world.now_ms();
    let settings = world.settings.gateway.clone();
    match settings.outage {
        Some(Outage::Unavailable) => {
            return Some(Outcome::Reply(errors::array(503, 7013, "Service unavailable")));
        }
        Some(Outage::Drop) => return Some(Outcome::Drop),
        None => {}
    }
    if let Some(limit) = &settings.rate_limit
        && !world.gateway.within_rate(limit, now_ms)
    {
        let reply = errors::array(429, 2003, "Rate limited");
        let reply = match limit.retry_after_s {
            Some(s) => reply.with("retry-after", s.to_string()),
            None => reply,
        };
        return Some(Outcome::Reply(reply));
    }
    refusal(&settings, passage).map(Outcome::Reply)
}

/// Carries one request to Graph and its answer back.
pub async fn pass(shared: &Shared, passage: Passage) -> Outcome {
    let blocked = gate(shared, &passage);
    if matches!(blocked, Some(Outcome::Drop)) {
        return Outcome::Drop;
    }
    let key = cache_key(&passage);
    let cacheable = {
        let world = shared.lock();
        passage.upstream.method == "GET" && !passage.skip_cache && !world.settings.gateway.cache_off
    };
    let hit = {
        let world = shared.lock();
        if cacheable && blocked.is_none() { world.gateway.cached(&key, world.now_ms()) } else { None }
    };
    let cached = hit.is_some();
    let (outcome, attempts) = match (blocked, hit) {
        (Some(outcome), _) => (outcome, 0),
        (None, Some(reply)) => (Outcome::Reply(reply), 0),
        (None, None) => forward(shared, &passage).await,
    };
    if let Outcome::Reply(reply) = &outcome
        && cacheable
        && !cached
        && reply.status == 200
    {
        let mut world = shared.lock();
        let now_ms = world.now_ms();
        world.gateway.remember(key, reply.clone(), now_ms);
    }
    close(shared, passage, outcome, attempts, cached)
}

/// Writes the log row and adds the gateway's headers.
fn close(shared: &Shared, passage: Passage, outcome: Outcome, attempts: u32, cached: bool) -> Outcome {
    let (reply, cut) = match outcome {
        Outcome::Reply(reply) => (reply, None),
        Outcome::Truncate(reply, length) => (reply, Some(length)),
        Outcome::Drop => return Outcome::Drop,
    };
    let mut world = shared.lock();
    let now_ms = world.now_ms();
    let id = world.ids.uuid_v7(now_ms);
    let event_id = passage.event_id.unwrap_or_else(|| id.clone());
    let mut reply = reply
        .with("cf-aig-event-id", event_id.clone())
        .with("cf-aig-request-id", id.clone())
        .with("cf-aig-step", "0")
        .with("cf-aig-cache-status", if cached { "HIT" } else { "MISS" });
    if passage.collect_log {
        reply.headers.set("cf-aig-log-id", id.clone());
        world.gateway.log(Row {
            id,
            event_id,
            model: passage.model,
            method: passage.upstream.method.clone(),
            path: passage.upstream.target(),
            metadata: kept_metadata(&passage.metadata),
            status: reply.status,
            attempts,
            cached,
            payload_logged: passage.collect_payload,
            payload: passage.collect_payload.then(|| kept_payload(passage.payload)),
            at_ms: now_ms,
        });
    }
    match cut {
        Some(length) => Outcome::Truncate(reply, length),
        None => Outcome::Reply(reply),
    }
}
