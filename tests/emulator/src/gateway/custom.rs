//! `/gateway/v1/{account}/{gateway}/custom-graph/{path}`: the custom provider. The verb, the query and
//! `Authorization` go on to Graph; the gateway's own headers stay here. A request without the gateway's
//! token must never reach Graph.

use super::log::Ordered;
use super::{Backend, Passage, errors, model, pass};
use crate::wire::{Call, Headers, Outcome, Reply};
use crate::world::Shared;
use serde_json::{Value, json};

/// The provider's slug.
const PROVIDER: &str = "custom-graph";

/// A header that says true or false; anything else is false.
fn says(call: &Call, name: &str, word: &str) -> bool {
    call.headers.get(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word))
}

fn number(call: &Call, name: &str, limit: u64) -> Result<Option<u64>, Reply> {
    let Some(text) = call.headers.get(name) else { return Ok(None) };
    match text.parse::<u64>() {
        Ok(n) if n <= limit => Ok(Some(n)),
        _ => Err(errors::array(400, 2001, &format!("{name} is out of bounds"))),
    }
}

/// A metadata header that is no flat object is ignored as a whole.
fn metadata(call: &Call) -> Ordered {
    call.headers.get("cf-aig-metadata").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("/v1/")?;
    let (_account, rest) = rest.split_once('/').filter(|(account, _)| !account.is_empty())?;
    rest.split_once('/')
}

fn read(shared: &Shared, call: &Call, path: &str) -> Result<Passage, Reply> {
    let (token, gateway_id, refused) = {
        let world = shared.lock();
        let options = &world.options;
        let refused = world.settings.gateway.refused_methods.contains(&call.method);
        (options.gateway_token.clone(), options.gateway_id.clone(), refused)
    };
    let (gateway, rest) = split(path).ok_or_else(|| errors::array(400, 2001, "The path is not valid"))?;
    if gateway != gateway_id {
        return Err(errors::array(400, 2001, "Please configure AI Gateway in the Cloudflare dashboard"));
    }
    if call.headers.bearer("cf-aig-authorization") != Some(token.as_str()) {
        return Err(errors::array(401, 2009, "Unauthorized"));
    }
    let compat = model::PATH.trim_start_matches('/');
    if rest == compat && call.method == "POST" {
        let body =
            serde_json::from_slice(&call.body).map_err(|e| errors::array(400, 2001, &e.to_string()))?;
        let upstream = model::upstream(shared, call, body, Some(model::ROUTE))?;
        return passage(call, model::ROUTE, Backend::Model, upstream);
    }
    let upstream_path = rest.strip_prefix(PROVIDER).filter(|p| p.starts_with('/'));
    let upstream_path = upstream_path.ok_or_else(|| errors::array(400, 2008, "Invalid provider"))?;
    if refused {
        return Err(errors::array(405, 2001, "Method not allowed"));
    }
    let mut headers = Headers::default();
    for (name, value) in &call.headers.0 {
        let hop = matches!(name.as_str(), "host" | "connection" | "content-length" | "transfer-encoding");
        if !hop && !name.starts_with("cf-") {
            headers.push(name, value.clone());
        }
    }
    let upstream = Call {
        method: call.method.clone(),
        path: upstream_path.to_owned(),
        query: call.query.clone(),
        headers,
        body: call.body.clone(),
    };
    passage(call, PROVIDER, Backend::Graph, upstream)
}

/// The passage that the gateway's own headers ask for.
fn passage(call: &Call, model: &str, to: Backend, upstream: Call) -> Result<Passage, Reply> {
    let payload = json!({
        "headers": upstream.headers.0.iter().map(|(n, v)| (n.clone(), Value::String(v.clone()))).collect::<serde_json::Map<_, _>>(),
        "body": serde_json::from_slice::<Value>(&upstream.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&upstream.body).into_owned())),
    });
    let attempts = number(call, "cf-aig-max-attempts", 5)?;
    if attempts == Some(0) {
        return Err(errors::array(400, 2001, "cf-aig-max-attempts is out of bounds"));
    }
    Ok(Passage {
        model: model.into(),
        to,
        on_run: false,
        upstream,
        metadata: metadata(call),
        event_id: call.headers.get("cf-aig-event-id").map(str::to_owned),
        skip_cache: says(call, "cf-aig-skip-cache", "true") && call.headers.get("cf-aig-cache-key").is_none(),
        collect_log: !says(call, "cf-aig-collect-log", "false"),
        collect_payload: !says(call, "cf-aig-collect-log-payload", "false"),
        max_attempts: attempts.and_then(|n| u32::try_from(n).ok()),
        retry_delay_ms: number(call, "cf-aig-retry-delay", 5000)?.unwrap_or(0),
        timeout_ms: number(call, "cf-aig-request-timeout", u64::MAX)?,
        payload,
    })
}

/// Serves one request; `path` is what follows the prefix `/gateway`.
pub async fn serve(shared: &Shared, call: &Call, path: &str) -> Outcome {
    let target = if call.query.is_empty() { path.to_owned() } else { format!("{path}?{}", call.query) };
    let targets = vec![(call.method.clone(), target)];
    let run = async {
        match read(shared, call, path) {
            Ok(passage) => pass(shared, passage).await,
            Err(reply) => Outcome::Reply(reply),
        }
    };
    shared.observed("gateway", call, targets, run).await
}
