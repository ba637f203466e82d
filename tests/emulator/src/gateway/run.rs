//! `POST /ai-gateway/run?version=3`: what the `AI` binding's `run` calls. The model
//! `dynamic/microsoft-graph-handler` stands for a compatible handler that an account may have; on a
//! plain account it does not exist, which a test can switch to by naming another route. Everything is
//! read strictly: a shape that the handler does not know is refused, never repaired.

use super::log::Ordered;
use super::{Backend, Passage, errors, model, pass};
use crate::wire::{Call, Headers, Outcome, Reply, percent_decode};
use crate::world::Shared;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The route that carries Graph calls.
pub const GRAPH_ROUTE: &str = "dynamic/microsoft-graph-handler";

/// The whole request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    inputs: Value,
    #[serde(default)]
    options: Options,
}

/// The binding's options, without those that it keeps for itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    gateway: Option<GatewayOptions>,
    #[serde(rename = "returnRawResponse")]
    _return_raw_response: Option<bool>,
    #[serde(rename = "queueRequest")]
    _queue_request: Option<bool>,
    #[serde(rename = "websocket")]
    _websocket: Option<bool>,
    tags: Option<Vec<String>>,
}

/// The options of the gateway.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GatewayOptions {
    id: String,
    skip_cache: Option<bool>,
    cache_ttl: Option<u64>,
    cache_key: Option<String>,
    metadata: Option<Ordered>,
    collect_log: Option<bool>,
    event_id: Option<String>,
    request_timeout_ms: Option<u64>,
    retries: Option<Retries>,
}

/// How often the gateway tries.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Retries {
    max_attempts: Option<u32>,
    retry_delay_ms: Option<u64>,
    #[serde(rename = "backoff")]
    _backoff: Option<Backoff>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Backoff {
    Constant,
    Linear,
    Exponential,
}

/// The handler's inputs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    method: String,
    path: String,
    #[serde(default)]
    headers: Map<String, Value>,
    body: Option<Value>,
}

/// A refusal of the request's shape.
fn malformed(message: &str) -> Reply {
    errors::array(400, 2001, message)
}

fn check_path(path: &str) -> Result<(String, String), &'static str> {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    if !bare.starts_with("/v1.0/") && !bare.starts_with("/beta/") {
        return Err("inputs.path must begin with /v1.0/ or /beta/");
    }
    let printable =
        path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'#'));
    if !printable {
        return Err("inputs.path holds characters that must be percent-encoded");
    }
    let dots = |segment: &str| percent_decode(segment).is_none_or(|s| matches!(s.as_str(), "." | ".."));
    if bare.split('/').any(dots) || bare.contains("//") {
        return Err("inputs.path holds dot segments or empty segments");
    }
    Ok((bare.to_owned(), query.to_owned()))
}

fn upstream(inputs: Inputs) -> Result<Call, &'static str> {
    if !matches!(inputs.method.as_str(), "GET" | "POST" | "PATCH" | "PUT" | "DELETE") {
        return Err("inputs.method is not a verb that the handler knows");
    }
    let (path, query) = check_path(&inputs.path)?;
    let mut headers = Headers::default();
    for (name, value) in inputs.headers {
        let token =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let Value::String(value) = value else { return Err("inputs.headers must hold strings only") };
        if !token || value.chars().any(char::is_control) {
            return Err("inputs.headers holds a malformed header");
        }
        let lower = name.to_ascii_lowercase();
        if headers.get(&lower).is_some() {
            return Err("inputs.headers names a header twice");
        }
        if !matches!(lower.as_str(), "host" | "connection" | "content-length" | "transfer-encoding") {
            headers.push(&lower, value);
        }
    }
    let json_like = headers.get("content-type").is_none_or(|v| v.to_ascii_lowercase().contains("json"));
    let body = match inputs.body {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if !json_like => text.into_bytes(),
        Some(value) => value.to_string().into_bytes(),
    };
    if inputs.method == "GET" && !body.is_empty() {
        return Err("inputs.body is not allowed with GET");
    }
    Ok(Call { method: inputs.method, path, query, headers, body })
}

/// What stands behind the name of a model, or the refusal of one that there is not.
fn backend(model: &str) -> Result<Backend, Reply> {
    match model {
        GRAPH_ROUTE => Ok(Backend::Graph),
        model::ROUTE => Ok(Backend::Model),
        route if route.starts_with("dynamic/") => Err(errors::array(404, 2005, "Dynamic route not found")),
        "" => Err(malformed("cf-consn-model-id is missing")),
        _ => Err(malformed("The model does not take these inputs")),
    }
}

fn check_gateway(options: &GatewayOptions, known: &str) -> Result<(), Reply> {
    if options.id != known {
        return Err(malformed("Please configure AI Gateway in the Cloudflare dashboard"));
    }
    let attempts = options.retries.as_ref().and_then(|r| r.max_attempts).unwrap_or(1);
    let delay_ms = options.retries.as_ref().and_then(|r| r.retry_delay_ms).unwrap_or(0);
    if !(1..=5).contains(&attempts) || delay_ms > 5000 {
        return Err(malformed("retries are out of bounds"));
    }
    if options.cache_ttl.is_some_and(|s| !(60..=2_678_400).contains(&s)) {
        return Err(malformed("cacheTtl is out of bounds"));
    }
    Ok(())
}

fn read(shared: &Shared, call: &Call) -> Result<Passage, Reply> {
    if call.method != "POST" || call.query != "version=3" {
        return Err(malformed("The binding calls this endpoint by POST with version=3"));
    }
    if call.headers.get("content-type") != Some("application/json") {
        return Err(malformed("The content type must be application/json"));
    }
    if call.headers.get("cf-consn-sdk-version").is_none() {
        return Err(malformed("cf-consn-sdk-version is missing"));
    }
    let model = call.headers.get("cf-consn-model-id").unwrap_or_default().to_owned();
    let body: Body = serde_json::from_slice(&call.body).map_err(|e| malformed(&e.to_string()))?;
    let tags = body.options.tags.unwrap_or_default();
    if tags.len() > 5 || tags.iter().any(|tag| tag.len() > 50) {
        return Err(malformed("tags are out of bounds"));
    }
    let missing = || malformed("options.gateway.id is missing");
    let gateway = body.options.gateway.ok_or_else(missing)?;
    check_gateway(&gateway, &shared.lock().options.gateway_id)?;
    let to = backend(&model)?;
    let payload = body.inputs.clone();
    let upstream = match to {
        Backend::Graph => {
            let inputs: Inputs =
                serde_json::from_value(body.inputs).map_err(|e| malformed(&e.to_string()))?;
            upstream(inputs).map_err(malformed)?
        }
        Backend::Model => model::upstream(shared, call, body.inputs, None)?,
    };
    let off = |name: &str| call.headers.get(name).is_some_and(|v| v.eq_ignore_ascii_case("false"));
    let retries = gateway.retries;
    Ok(Passage {
        model,
        to,
        on_run: true,
        upstream,
        metadata: gateway.metadata.unwrap_or_default(),
        event_id: gateway.event_id.or_else(|| call.headers.get("cf-aig-event-id").map(str::to_owned)),
        // A cache key of one's own switches the cache on, whatever else is said.
        skip_cache: gateway.skip_cache.unwrap_or(false) && gateway.cache_key.is_none(),
        collect_log: gateway.collect_log.unwrap_or(true) && !off("cf-aig-collect-log"),
        collect_payload: !off("cf-aig-collect-log-payload"),
        max_attempts: retries.as_ref().and_then(|r| r.max_attempts),
        retry_delay_ms: retries.as_ref().and_then(|r| r.retry_delay_ms).unwrap_or(0),
        timeout_ms: gateway.request_timeout_ms,
        payload,
    })
}

/// Serves one call of the binding.
pub async fn serve(shared: &Shared, call: &Call) -> Outcome {
    let read = read(shared, call);
    // Fault rules may name the endpoint itself or the Graph call inside of it.
    let mut targets = vec![(call.method.clone(), call.target())];
    if let Ok(passage) = &read {
        targets.push((passage.upstream.method.clone(), passage.upstream.target()));
    }
    let run = async {
        match read {
            Ok(passage) => pass(shared, passage).await,
            Err(reply) => Outcome::Reply(reply),
        }
    };
    shared.observed("gateway", call, targets, run).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tricky_paths_are_refused() {
        for bad in [
            "/me",
            "/v1.0/../x",
            "/v1.0/a/%2E%2E/b",
            "/v1.0//me",
            "/v1.0/me messages",
            "https://x.example/v1.0/me",
            "/v2.0/me",
            "/v1.0/me#x",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
        let (path, query) = check_path("/v1.0/me/messages?$top=5&$select=id").unwrap();
        assert_eq!((path.as_str(), query.as_str()), ("/v1.0/me/messages", "$top=5&$select=id"));
    }
}
