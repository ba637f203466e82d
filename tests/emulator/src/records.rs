//! The record of every request to every emulated service, for tests that ask what really happened. It
//! is bounded, and it never holds a credential: bearer tokens, codes and secrets are replaced by short
//! fingerprints before they are stored.

use crate::ids::fingerprint;
use crate::wire::Call;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;

/// How many requests are remembered.
const CAPACITY: usize = 20_000;

/// How much of a body is remembered; with the capacity it bounds the memory of a long run.
const BODY_LIMIT: usize = 16 * 1024;

/// One request.
#[derive(Clone, Debug)]
pub struct Record {
    n: u64,
    service: &'static str,
    user: Option<&'static str>,
    method: String,
    target: String,
    headers: Value,
    body: Value,
    client_request_id: Option<String>,
    status: Option<u16>,
    ended: &'static str,
    started_ms: u64,
    duration_ms: Option<u64>,
}

/// The bounded list of requests.
#[derive(Clone, Debug, Default)]
pub struct Records {
    list: VecDeque<Record>,
    last: u64,
}

fn is_secret_header(name: &str) -> bool {
    matches!(
        name,
        "authorization" | "cf-aig-authorization" | "cookie" | "cf-access-client-secret" | "cf-access-token"
    )
}

fn is_secret_field(name: &str) -> bool {
    matches!(
        name,
        "client_secret" | "code" | "refresh_token" | "code_verifier" | "client_assertion" | "access_token"
    )
}

/// A header's value as a record may hold it.
fn safe_header(name: &str, value: &str) -> String {
    if !is_secret_header(&name.to_ascii_lowercase()) {
        return value.to_owned();
    }
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            format!("Bearer {}", fingerprint(token.trim()))
        }
        _ => fingerprint(value),
    }
}

/// A JSON value without credentials: the binding carries headers inside of its body.
pub fn without_secrets(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let clean = map.iter().map(|(name, inner)| {
                let inner = match inner {
                    Value::String(text) => Value::String(safe_header(name, text)),
                    other => without_secrets(other),
                };
                (name.clone(), inner)
            });
            Value::Object(clean.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_secrets).collect()),
        other => other.clone(),
    }
}

fn body_for_record(call: &Call) -> Value {
    if call.body.is_empty() {
        return Value::Null;
    }
    if call.body.len() > BODY_LIMIT {
        return json!({ "omittedBytes": call.body.len() });
    }
    if call.media_type().as_deref() == Some("application/x-www-form-urlencoded") {
        let text = String::from_utf8_lossy(&call.body);
        let pairs = crate::wire::parse_pairs(&text).unwrap_or_default();
        let fields = pairs.into_iter().map(|(name, value)| {
            let value = if is_secret_field(&name) { fingerprint(&value) } else { value };
            (name, Value::String(value))
        });
        return Value::Object(fields.collect());
    }
    match serde_json::from_slice::<Value>(&call.body) {
        Ok(value) => without_secrets(&value),
        Err(_) => Value::String(String::from_utf8_lossy(&call.body).into_owned()),
    }
}

impl Records {
    /// Notes that a request arrived; the number it returns closes it later.
    pub fn begin(
        &mut self,
        service: &'static str,
        user: Option<&'static str>,
        call: &Call,
        now_ms: u64,
    ) -> u64 {
        self.last += 1;
        let mut headers = Map::new();
        for (name, value) in &call.headers.0 {
            headers.insert(name.clone(), Value::String(safe_header(name, value)));
        }
        let record = Record {
            n: self.last,
            service,
            user,
            method: call.method.clone(),
            target: call.target(),
            headers: Value::Object(headers),
            body: body_for_record(call),
            client_request_id: call.headers.get("client-request-id").map(str::to_owned),
            status: None,
            ended: "open",
            started_ms: now_ms,
            duration_ms: None,
        };
        if self.list.len() >= CAPACITY {
            self.list.pop_front();
        }
        self.list.push_back(record);
        self.last
    }

    /// Notes how a request ended: `answered`, `dropped`, `truncated` or `abandoned`.
    pub fn end(&mut self, n: u64, ended: &'static str, status: Option<u16>, now_ms: u64) {
        if let Some(record) = self.list.iter_mut().rev().find(|record| record.n == n) {
            record.ended = ended;
            record.status = status;
            record.duration_ms = Some(now_ms.saturating_sub(record.started_ms));
        }
    }

    /// Forgets everything but the numbering.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// The list as JSON, oldest first, optionally of one service and after a number.
    pub fn to_json(&self, service: Option<&str>, after: u64) -> Value {
        let wanted = |r: &&Record| r.n > after && service.is_none_or(|name| name == r.service);
        let list: Vec<Value> = self.list.iter().filter(wanted).map(Record::to_json).collect();
        json!({ "records": list, "last": self.last })
    }
}

impl Record {
    fn to_json(&self) -> Value {
        json!({
            "n": self.n,
            "service": self.service,
            "user": self.user,
            "method": self.method,
            "path": self.target,
            "headers": self.headers,
            "body": self.body,
            "status": self.status,
            "ended": self.ended,
            "startedMs": self.started_ms,
            "durationMs": self.duration_ms,
            "clientRequestId": self.client_request_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_is_kept() {
        let mut call = Call { method: "POST".into(), path: "/x".into(), ..Call::default() };
        call.headers.push("authorization", "Bearer very-secret");
        call.headers.push("content-type", "application/json");
        call.body = br#"{"inputs":{"headers":{"Authorization":"Bearer very-secret"}}}"#.to_vec();
        let mut records = Records::default();
        let n = records.begin("gateway", None, &call, 5);
        records.end(n, "answered", Some(200), 9);
        let text = records.to_json(None, 0).to_string();
        assert!(!text.contains("very-secret"));
        assert!(text.contains("Bearer sha256:"));
        assert!(text.contains("\"durationMs\":4"));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut records = Records::default();
        for _ in 0..CAPACITY + 5 {
            records.begin("graph", None, &Call::default(), 0);
        }
        assert_eq!(records.list.len(), CAPACITY);
        assert_eq!(records.list.front().unwrap().n, 6);
    }
}
