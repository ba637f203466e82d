//! What the gateway remembers: its log, its cache and its rate window. The log keeps a request's payload
//! only where payload logging was on, exactly as received, so that a test can show whether a bearer
//! token ended up there.

use crate::settings::RateLimit;
use crate::wire::Reply;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// How many rows the log keeps.
const CAPACITY: usize = 20_000;

/// How large a logged body may be; above it the log says only how large it was.
const PAYLOAD_BODY_LIMIT: usize = 16 * 1024;

/// How many metadata entries are kept.
const METADATA_ENTRIES: usize = 5;

/// How long a cached answer lives.
pub const CACHE_MS: u64 = 5 * 60 * 1000;

/// A JSON object that remembers the order of its members: only the first five metadata entries count.
#[derive(Clone, Debug, Default)]
pub struct Ordered(pub Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut list = Vec::new();
                while let Some(member) = map.next_entry()? {
                    list.push(member);
                }
                Ok(Ordered(list))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The metadata that the gateway keeps: the first five entries; nothing at all if one is nested; nothing
/// under the reserved prefix.
pub fn kept_metadata(given: &Ordered) -> Value {
    if given.0.iter().any(|(_, value)| value.is_object() || value.is_array()) {
        return Value::Object(Map::new());
    }
    let free = given.0.iter().filter(|(name, _)| !name.starts_with("cf."));
    Value::Object(free.take(METADATA_ENTRIES).cloned().collect())
}

/// A payload as the log keeps it: the headers always, a large body only by its size.
pub fn kept_payload(mut payload: Value) -> Value {
    if let Some(body) = payload.get_mut("body") {
        let length = body.to_string().len();
        if length > PAYLOAD_BODY_LIMIT {
            *body = json!({ "omittedBytes": length });
        }
    }
    payload
}

/// One row of the log.
#[derive(Clone, Debug)]
pub struct Row {
    /// The log id.
    pub id: String,
    /// The event id.
    pub event_id: String,
    /// The model, or the provider's slug.
    pub model: String,
    /// The verb sent to Graph.
    pub method: String,
    /// Path and query sent to Graph.
    pub path: String,
    /// The metadata that was kept.
    pub metadata: Value,
    /// The status of the answer.
    pub status: u16,
    /// How often Graph was asked.
    pub attempts: u32,
    /// Whether the answer came from the cache.
    pub cached: bool,
    /// Whether payloads are logged.
    pub payload_logged: bool,
    /// The payload as received, if payloads are logged.
    pub payload: Option<Value>,
    /// When it happened.
    pub at_ms: u64,
}

/// The gateway's memory.
#[derive(Clone, Debug, Default)]
pub struct GatewayState {
    rows: VecDeque<Row>,
    cache: BTreeMap<String, (u64, Reply)>,
    recent: VecDeque<u64>,
}

impl GatewayState {
    /// Adds a row.
    pub fn log(&mut self, row: Row) {
        if self.rows.len() >= CAPACITY {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }

    /// Forgets the rows.
    pub fn clear_log(&mut self) {
        self.rows.clear();
    }

    /// A cached answer, however stale the truth behind it is.
    pub fn cached(&self, key: &str, now_ms: u64) -> Option<Reply> {
        self.cache.get(key).filter(|(until_ms, _)| *until_ms > now_ms).map(|(_, reply)| reply.clone())
    }

    /// Remembers an answer.
    pub fn remember(&mut self, key: String, reply: Reply, now_ms: u64) {
        self.cache.retain(|_, (until_ms, _)| *until_ms > now_ms);
        self.cache.insert(key, (now_ms + CACHE_MS, reply));
    }

    /// Counts a request against the rate; false means refused.
    pub fn within_rate(&mut self, limit: &RateLimit, now_ms: u64) -> bool {
        self.recent.retain(|at_ms| at_ms.saturating_add(limit.window_ms) > now_ms);
        if self.recent.len() >= limit.limit {
            return false;
        }
        self.recent.push_back(now_ms);
        true
    }

    /// The log as JSON, oldest first.
    pub fn to_json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(Row::to_json).collect();
        json!({ "logs": rows })
    }
}

impl Row {
    fn to_json(&self) -> Value {
        json!({
            "id": self.id,
            "eventId": self.event_id,
            "model": self.model,
            "method": self.method,
            "path": self.path,
            "metadata": self.metadata,
            "status": self.status,
            "success": self.status < 400,
            "attempts": self.attempts,
            "cached": self.cached,
            "payloadLogged": self.payload_logged,
            "payload": self.payload,
            "createdAt": crate::clock::iso(self.at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> Value {
        kept_metadata(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn only_the_first_five_in_order_are_kept() {
        let six = r#"{"z":1,"y":2,"x":3,"w":4,"v":5,"a":6}"#;
        let kept_six = kept(six);
        assert_eq!(kept_six.as_object().unwrap().len(), 5);
        assert!(kept_six.get("a").is_none() && kept_six["z"] == 1);
        assert_eq!(kept(r#"{"a":1,"b":{"c":2}}"#), json!({}));
        assert_eq!(kept(r#"{"cf.user_id":"x","b":true}"#), json!({ "b": true }));
    }
}
