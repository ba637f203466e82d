//! The way out: from a call to what a transport sends, and from raw bytes back to an answer.
//!
//! What holds here: both transports are pure functions of the same call and feed the same answer type; one setting
//! chooses, and nothing falls back to the other in silence. The gateway is told not to cache, not to retry by itself
//! and not to log payloads, which hold the bearer token under `ai_run`. The bytes of files go past it, without a token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::config::{CondenseRoute, Config};
use protocol::entra::{Assertion, TokenForm, token_endpoint};
use protocol::gateway::{GRAPH_HANDLER_MODEL, metadata};
use protocol::ids::{OpId, UserKey};
use protocol::limits::{CALL_TIMEOUT, CHALLENGE_BYTES_MAX};
use protocol::linked_app::AppCall;
use protocol::outbound::{Answer, ByteRange, GraphCall, Media, StorageUrl, Transport};
use protocol::secret::Secret;
use protocol::time::DurationMs;
use serde_json::{Map, Value, json};

use crate::turn::{AppCredential, Outbound};

/// The media type of a file's bytes.
const OCTETS: &str = "application/octet-stream";

/// What the shell has to do for one call. It holds credentials and therefore has no `Debug`.
pub enum Departure {
    /// `env.AI.run(model, inputs, options)`, the latter two as JSON texts.
    AiRun {
        /// The model name.
        model: String,
        /// The inputs.
        inputs: String,
        /// The options.
        options: String,
    },
    /// A plain HTTP request.
    Http {
        /// The method.
        method: &'static str,
        /// The absolute URL.
        url: String,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Option<String>,
    },
    /// A request to an address of Microsoft's storage, which is good without a token and never gets one.
    Storage {
        /// The method.
        method: &'static str,
        /// The address.
        url: StorageUrl,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The bytes of a file.
        body: Option<Vec<u8>>,
    },
    /// A form for the token endpoint that an assertion completes once it is signed, which cannot be done in a turn.
    SignedForm {
        /// The absolute URL.
        url: String,
        /// The headers.
        headers: Vec<(&'static str, String)>,
        /// The form without its proof.
        fields: Secret<String>,
        /// What is to be signed, and the key.
        assertion: Assertion,
    },
}

/// A form as it leaves for the token endpoint.
#[must_use]
pub fn form_departure(config: &Config, form: &TokenForm, client_request_id: Option<String>) -> Departure {
    let url = token_endpoint(&config.microsoft);
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    headers.extend(client_request_id.map(|id| ("client-request-id", id)));
    match &form.assertion {
        None => Departure::Http { method: "POST", url, headers, body: Some(form.fields.expose().clone()) },
        Some(assertion) => {
            Departure::SignedForm { url, headers, fields: form.fields.clone(), assertion: assertion.clone() }
        }
    }
}

/// Turns a call into what the configured transport sends.
#[must_use]
pub fn depart(config: &Config, user: UserKey, op: OpId, outbound: &Outbound) -> Departure {
    match outbound {
        Outbound::Token { form } => form_departure(config, form, Some(op.request.to_string())),
        Outbound::Graph { call: call @ GraphCall { storage: Some(url), .. }, .. } => storage(call, url),
        Outbound::AccessToken { url, form } => {
            let headers = vec![
                ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ("accept", "application/json".to_owned()),
            ];
            Departure::Http { method: "POST", url: url.clone(), headers, body: Some(form.expose().clone()) }
        }
        Outbound::App { call, credential } => app_departure(op, call, credential),
        Outbound::Model { inputs, tool, trace } => {
            let metadata = metadata(&user.to_string(), tool, &op.request.to_string(), *trace);
            model(config, op, inputs, &metadata)
        }
        Outbound::Graph { call, bearer, tool, trace } => {
            let metadata = metadata(&user.to_string(), tool, &op.request.to_string(), *trace);
            match config.gateway.transport {
                Transport::AiRun => ai_run(config, op, call, bearer, &metadata),
                Transport::CustomProvider => custom_provider(config, op, call, bearer, &metadata),
            }
        }
    }
}

/// A call to a linked app. It is no call of Graph and does not go through AI Gateway.
fn app_departure(op: OpId, call: &AppCall, credential: &AppCredential) -> Departure {
    let identity = match credential {
        AppCredential::Assertion(assertion) => ("cf-access-token", assertion.expose().clone()),
        AppCredential::Bearer(token) => ("authorization", format!("Bearer {}", token.expose())),
    };
    let mut headers = vec![
        identity,
        ("accept", "application/json, text/*;q=0.5".to_owned()),
        ("x-request-id", op.request.to_string()),
    ];
    if call.body.is_some() {
        headers.push(("content-type", "application/json".to_owned()));
    }
    let (method, url, body) = (call.method.as_str(), call.url.clone(), call.body.clone());
    Departure::Http { method, url, headers, body }
}

/// Names one call to the gateway. A request can have several calls, and the gateway wants each named once.
pub(crate) fn event_id(op: OpId) -> String {
    format!("{}-{}", op.request, op.sequence)
}

fn versioned_path(config: &Config, call: &GraphCall) -> String {
    format!("/{}{}", config.graph_version.segment(), call.path)
}

fn graph_headers(op: OpId, call: &GraphCall, bearer: &Secret<String>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("authorization", format!("Bearer {}", bearer.expose())),
        ("accept", "application/json".to_owned()),
        ("client-request-id", op.request.to_string()),
        ("return-client-request-id", "true".to_owned()),
    ];
    if !call.prefer.is_empty() {
        headers.push(("prefer", call.prefer.join(", ")));
    }
    headers.extend(call.header.map(|(name, value)| (name, value.to_owned())));
    if call.body.is_some() {
        let media = if call.media == Media::Json { "application/json" } else { OCTETS };
        headers.push(("content-type", media.to_owned()));
    }
    headers
}

/// A call that goes past the gateway: no token, no identifier of ours, and nothing of Graph's conventions.
fn storage(call: &GraphCall, url: &StorageUrl) -> Departure {
    let body = call.body.as_ref().map(|encoded| STANDARD.decode(encoded).unwrap_or_default());
    let mut headers = Vec::new();
    if body.is_some() {
        headers.push(("content-type", OCTETS.to_owned()));
    }
    match (call.range, &body) {
        // RFC 9110, section 14.4.
        (Some(ByteRange { first, last, total }), Some(_)) => {
            headers.push(("content-range", format!("bytes {first}-{last}/{total}")));
        }
        // RFC 9110, section 14.2: a range counts the bytes of what is sent, which therefore must not be compressed.
        (Some(ByteRange { first, last, .. }), None) => {
            headers.push(("range", format!("bytes={first}-{last}")));
            headers.push(("accept-encoding", "identity".to_owned()));
        }
        (None, _) => {}
    }
    Departure::Storage { method: call.method.as_str(), url: url.clone(), headers, body }
}

/// What the binding is told of the gateway.
fn ai_options(config: &Config, op: OpId, metadata: &Value) -> String {
    json!({
        "gateway": {
            "id": config.gateway.gateway_id,
            "metadata": metadata,
            "skipCache": true,
            "collectLog": true,
            "eventId": event_id(op),
            "requestTimeoutMs": CALL_TIMEOUT.0,
            "retries": {"maxAttempts": 1}
        },
        "returnRawResponse": true,
        "extraHeaders": {"cf-aig-collect-log-payload": "false"}
    })
    .to_string()
}

fn ai_run(
    config: &Config,
    op: OpId,
    call: &GraphCall,
    bearer: &Secret<String>,
    metadata: &Value,
) -> Departure {
    let headers: Map<String, Value> = graph_headers(op, call, bearer)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let path = versioned_path(config, call);
    let mut inputs = json!({ "method": call.method.as_str(), "path": path, "headers": headers }).to_string();
    if let Some(body) = &call.body {
        // A body of JSON is spliced in as it is and not read and written once more.
        inputs.truncate(inputs.len() - 1);
        inputs.push_str(",\"body\":");
        match call.media {
            Media::Json => inputs.push_str(body),
            Media::Text | Media::Base64 => inputs.push_str(&Value::from(body.as_str()).to_string()),
        }
        inputs.push('}');
    }
    let options = ai_options(config, op, metadata);
    Departure::AiRun { model: GRAPH_HANDLER_MODEL.to_owned(), inputs, options }
}

/// The same for the gateway's own endpoints.
fn gateway_headers(config: &Config, op: OpId, metadata: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("cf-aig-metadata", metadata.to_string()),
        ("cf-aig-skip-cache", "true".to_owned()),
        ("cf-aig-collect-log-payload", "false".to_owned()),
        ("cf-aig-max-attempts", "1".to_owned()),
        ("cf-aig-event-id", event_id(op)),
        ("cf-aig-request-timeout", CALL_TIMEOUT.0.to_string()),
    ];
    if let Some(token) = &config.gateway.service_token {
        headers.push(("cf-aig-authorization", format!("Bearer {}", token.expose())));
    }
    headers
}

/// A question to the model that operators named (AI Gateway, dynamic routes, usage). It has no credential but the
/// gateway's own.
fn model(config: &Config, op: OpId, inputs: &str, metadata: &Value) -> Departure {
    // Nothing asks a model where none is named.
    let (name, url) = match &config.gateway.condense {
        Some(CondenseRoute { name, url }) => (name.clone(), url.clone()),
        None => (String::new(), None),
    };
    let Some(url) = url else {
        let options = ai_options(config, op, metadata);
        return Departure::AiRun { model: name, inputs: inputs.to_owned(), options };
    };
    let mut headers =
        vec![("accept", "application/json".to_owned()), ("content-type", "application/json".to_owned())];
    headers.extend(gateway_headers(config, op, metadata));
    // The inputs are an object of our own making, which gets one member more at its beginning.
    let members = inputs.strip_prefix('{').unwrap_or_default();
    let body = format!("{{\"model\":{},{members}", Value::from(name));
    Departure::Http { method: "POST", url, headers, body: Some(body) }
}

fn custom_provider(
    config: &Config,
    op: OpId,
    call: &GraphCall,
    bearer: &Secret<String>,
    metadata: &Value,
) -> Departure {
    let mut headers = graph_headers(op, call, bearer);
    headers.extend(gateway_headers(config, op, metadata));
    // The configuration guarantees the URL for this transport.
    let base_url = config.gateway.base_url.as_deref().unwrap_or_default();
    Departure::Http {
        method: call.method.as_str(),
        url: format!("{base_url}{}", versioned_path(config, call)),
        headers,
        body: call.body.clone(),
    }
}

/// Reads what every transport answers with: a status, headers and a bounded body.
pub fn read_answer(status: u16, header: impl Fn(&str) -> Option<String>, body: Vec<u8>) -> Answer {
    // Identifiers are kept and logged, so they are bounded like everything from outside.
    let identifier = |name: &str| {
        header(name)
            .map(|value| value.chars().filter(char::is_ascii_graphic).take(128).collect::<String>())
            .filter(|value| !value.is_empty())
    };
    Answer {
        status,
        // RFC 9110, section 10.2.3: seconds or a date. Microsoft sends seconds.
        retry_after: header("retry-after")
            .and_then(|value| value.trim().parse::<u64>().ok())
            .map(DurationMs::from_secs),
        graph_request_id: identifier("request-id"),
        gateway_log_id: identifier("cf-aig-log-id"),
        challenge: (status == 401)
            .then(|| header("www-authenticate"))
            .flatten()
            .filter(|value| value.len() <= CHALLENGE_BYTES_MAX),
        content_type: header("content-type")
            .and_then(|value| value.split(';').next().map(|kind| kind.trim().to_ascii_lowercase()))
            .filter(|kind| kind.len() <= 128),
        body,
    }
}

#[cfg(test)]
mod tests {
    use protocol::config::Credential;
    use protocol::entra::{Freshness, refresh_form};
    use protocol::ids::RequestId;
    use protocol::outbound::Lane;
    use protocol::policy::Policy;
    use protocol::time::UnixMs;
    use protocol::trace::TraceContext;

    use super::*;
    use crate::testing::{config_with, user};

    fn op() -> OpId {
        OpId { request: RequestId::new(UnixMs(1), &user(), [0; 5]), sequence: 2 }
    }

    fn outbound() -> Outbound {
        let call = GraphCall::post(Lane::Mailbox, "/me/messages".into(), Some(r#"{"subject":"Hi"}"#.into()))
            .preferring(&["IdType=\"ImmutableId\""]);
        let trace = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        Outbound::Graph { call, bearer: Secret::new("graph-token".into()), tool: "sendEmail", trace }
    }

    /// Settings of the custom provider, and some more.
    fn by_provider(more: &[(&str, &str)]) -> Config {
        let own = [
            ("EGRESS", "custom_provider"),
            ("GATEWAY_BASE_URL", "https://gateway.example/v1/a/g/custom-graph"),
            ("AI_GATEWAY_SERVICE_TOKEN", "service-token"),
        ];
        config_with(&[&own[..], more].concat())
    }

    #[test]
    fn ai_run_carries_the_call_as_inputs_and_the_gateway_as_options() {
        let config = config_with(&[("EGRESS", "ai_run")]);
        let Departure::AiRun { model, inputs, options } = depart(&config, user(), op(), &outbound()) else {
            panic!("another transport")
        };
        assert_eq!(model, "dynamic/microsoft-graph-handler");
        let inputs: Value = serde_json::from_str(&inputs).unwrap();
        assert_eq!(inputs["method"], "POST");
        assert_eq!(inputs["path"], "/v1.0/me/messages");
        assert_eq!(inputs["body"]["subject"], "Hi");
        assert_eq!(inputs["headers"]["authorization"], "Bearer graph-token");
        assert_eq!(inputs["headers"]["client-request-id"], op().request.to_string());
        let options: Value = serde_json::from_str(&options).unwrap();
        assert_eq!(options["gateway"]["id"], "m365-gateway");
        assert_eq!(options["gateway"]["retries"]["maxAttempts"], 1);
        assert_eq!(options["gateway"]["skipCache"], true);
        assert_eq!(options["returnRawResponse"], true);
        let metadata = options["gateway"]["metadata"].as_object().unwrap();
        assert_eq!(metadata["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert!(metadata.len() <= 5 && metadata.values().all(Value::is_string));
    }

    #[test]
    fn the_custom_provider_gets_the_real_verb_and_both_credentials() {
        let config = by_provider(&[]);
        let Departure::Http { method, url, headers, body } = depart(&config, user(), op(), &outbound())
        else {
            panic!("another transport")
        };
        assert_eq!(
            (method, url.as_str()),
            ("POST", "https://gateway.example/v1/a/g/custom-graph/v1.0/me/messages")
        );
        assert_eq!(body.as_deref(), Some(r#"{"subject":"Hi"}"#));
        let header =
            |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        assert_eq!(header("authorization"), Some("Bearer graph-token"));
        assert_eq!(header("cf-aig-authorization"), Some("Bearer service-token"));
        assert_eq!(header("cf-aig-max-attempts"), Some("1"));
        assert_eq!(header("cf-aig-skip-cache"), Some("true"));
        assert_eq!(header("cf-aig-collect-log-payload"), Some("false"));
        assert_eq!(header("prefer"), Some("IdType=\"ImmutableId\""));
    }

    #[test]
    fn a_model_is_asked_through_the_gateway_without_a_token_of_microsofts() {
        let inputs = r#"{"max_tokens":9,"messages":[{"content":"x","role":"user"}]}"#;
        let outbound = || Outbound::Model { inputs: inputs.to_owned(), tool: "readEmail", trace: None };
        let config = config_with(&[("EGRESS", "ai_run"), ("CONDENSE_ROUTE", "dynamic/condense")]);
        let Departure::AiRun { model, inputs: sent, options } = depart(&config, user(), op(), &outbound())
        else {
            panic!("another transport")
        };
        assert_eq!((model.as_str(), sent.as_str()), ("dynamic/condense", inputs));
        let options: Value = serde_json::from_str(&options).unwrap();
        assert_eq!(options["gateway"]["metadata"]["mcpTool"], "readEmail");
        assert_eq!(
            (&options["gateway"]["skipCache"], &options["returnRawResponse"]),
            (&true.into(), &true.into())
        );
        assert_eq!(options["extraHeaders"], json!({"cf-aig-collect-log-payload": "false"}));

        let config = by_provider(&[("CONDENSE_ROUTE", "dynamic/condense")]);
        let Departure::Http { method, url, headers, body } = depart(&config, user(), op(), &outbound())
        else {
            panic!("another transport")
        };
        assert_eq!(
            (method, url.as_str()),
            ("POST", "https://gateway.example/v1/a/g/compat/chat/completions")
        );
        let body: Value = serde_json::from_str(&body.unwrap()).unwrap();
        assert_eq!((&body["model"], &body["max_tokens"]), (&json!("dynamic/condense"), &json!(9)));
        let named = |name: &&str| headers.iter().any(|(known, _)| known == name);
        assert!(["cf-aig-authorization", "cf-aig-event-id", "cf-aig-skip-cache"].iter().all(named));
        assert!(!named(&"authorization"), "Microsoft's token went to a model");
    }

    #[test]
    fn bytes_at_storage_are_named_by_their_range_and_nobody_is_named() {
        let rules = Policy::parse(r#"{"fileHosts":["storage.example"]}"#).unwrap().files;
        let url = || rules.storage("https://storage.example/f?tempauth=x").unwrap();
        let range = ByteRange::part(3, 3, 8);
        let sent = |call: GraphCall| {
            let outbound =
                Outbound::Graph { call, bearer: Secret::new("graph-token".into()), tool: "t", trace: None };
            match depart(&config_with(&[]), user(), op(), &outbound) {
                Departure::Storage { method, headers, body, .. } => (method, headers, body),
                _ => panic!("it went to Graph"),
            }
        };
        let owned = |pairs: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let put = sent(GraphCall::store(Lane::Mailbox, url(), "AAEC".into(), range));
        let named = owned(&[("content-type", OCTETS), ("content-range", "bytes 3-5/8")]);
        assert_eq!(put, ("PUT", named, Some(vec![0, 1, 2])));
        let part = sent(GraphCall { range: Some(range), ..GraphCall::fetch(url()) });
        let named = owned(&[("range", "bytes=3-5"), ("accept-encoding", "identity")]);
        assert_eq!(part, ("GET", named, None));
        assert_eq!(sent(GraphCall::fetch(url())), ("GET", Vec::new(), None));
    }

    #[test]
    fn a_form_waits_for_its_signature_only_with_a_certificate() {
        let outbound = |config: &Config| {
            let fresh = Freshness { now: UnixMs(1_800_000_000_000), random: [1; 16] };
            let refresh = Secret::new("r-1".to_owned());
            Outbound::Token { form: refresh_form(&config.microsoft, &refresh, &[], None, fresh) }
        };
        let config = config_with(&[]);
        let Departure::Http { url, headers, body, .. } = depart(&config, user(), op(), &outbound(&config))
        else {
            panic!("a secret needs no signature")
        };
        assert_eq!(url, "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        assert!(headers.contains(&("client-request-id", op().request.to_string())));
        assert!(body.unwrap().contains("client_secret=secret"));
        let mut config = config_with(&[]);
        config.microsoft.credential =
            Credential::Certificate { thumbprint: [2; 32], private_key: Secret::new(vec![3]) };
        let departure = depart(&config, user(), op(), &outbound(&config));
        let Departure::SignedForm { url, fields, assertion, .. } = departure else {
            panic!("an assertion has to be signed")
        };
        assert_eq!(url, "https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        assert!(!fields.expose().contains("client_secret") && !fields.expose().contains("client_assertion"));
        assert_eq!((assertion.unsigned.expose().split('.').count(), assertion.key.expose()), (2, &vec![3]));
    }

    #[test]
    fn answers_keep_bounded_identifiers_and_the_wait() {
        let answer = read_answer(
            429,
            |name| match name {
                "retry-after" => Some(" 7 ".into()),
                "request-id" => Some("x".repeat(500)),
                "cf-aig-log-id" => Some("log\n1".into()),
                _ => None,
            },
            Vec::new(),
        );
        assert_eq!(answer.retry_after, Some(DurationMs(7_000)));
        let challenged = |length: usize| read_answer(401, |_| Some("x".repeat(length)), Vec::new()).challenge;
        assert!(challenged(CHALLENGE_BYTES_MAX).is_some() && challenged(CHALLENGE_BYTES_MAX + 1).is_none());
        assert_eq!(answer.graph_request_id.unwrap().len(), 128);
        assert_eq!(answer.gateway_log_id.as_deref(), Some("log1"));
    }
}
