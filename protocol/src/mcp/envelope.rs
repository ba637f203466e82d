//! What a request without a session carries in `params._meta`: its revision, what its client can do, and how it wants to
//! be told of progress.
//!
//! What holds here: the two required members are checked and everything else is optional and bounded; an optional member
//! of another type than documented is refused, because the client would wait for what it asked for in vain.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::errors::shown;
use super::tasks::TASKS;
use crate::jsonrpc::{Id, RpcError};
use crate::trace::{TRACEPARENT, TraceContext};

/// The namespace of the protocol's own members of `_meta`.
pub const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";

/// What a client can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCapabilities {
    /// Forms for the person (`elicitation`, which without details means forms).
    pub forms: bool,
    /// Links for the person (`elicitation.url`).
    pub links: bool,
    /// The client's model (`sampling`).
    pub sampling: bool,
    /// The client's folders (`roots`).
    pub roots: bool,
    /// Whether a call may go on as a task ([`super::tasks::TASKS`]).
    #[serde(default)]
    pub tasks: bool,
}

impl ClientCapabilities {
    /// Reads `ClientCapabilities` of either era.
    #[must_use]
    pub fn read(declared: &Map<String, Value>) -> Self {
        let has = |name: &str| declared.get(name).is_some_and(Value::is_object);
        let elicitation = declared.get("elicitation").and_then(Value::as_object);
        Self {
            forms: elicitation.is_some_and(|modes| modes.contains_key("form") || !modes.contains_key("url")),
            links: elicitation.is_some_and(|modes| modes.contains_key("url")),
            sampling: has("sampling"),
            roots: has("roots"),
            tasks: declared.get("extensions").and_then(|all| all.get(TASKS)).is_some_and(Value::is_object),
        }
    }
}

/// The short form of [`ClientCapabilities`] in a session's row: one letter for each.
pub mod letters {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::ClientCapabilities;

    /// Whether there is nothing to write.
    #[must_use]
    pub fn are_none(client: &ClientCapabilities) -> bool {
        *client == ClientCapabilities::default()
    }

    /// Writes the letters.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(client: &ClientCapabilities, serializer: S) -> Result<S::Ok, S::Error> {
        let ClientCapabilities { forms, links, sampling, roots, tasks } = *client;
        let all = [(forms, 'f'), (links, 'l'), (sampling, 's'), (roots, 'r'), (tasks, 't')];
        let letters: String = all.iter().filter(|(has, _)| *has).map(|(_, letter)| letter).collect();
        serializer.serialize_str(&letters)
    }

    /// Reads the letters; one of a later version means nothing.
    ///
    /// # Errors
    /// The value is no text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ClientCapabilities, D::Error> {
        let letters = String::deserialize(deserializer)?;
        let has = |letter| letters.contains(letter);
        Ok(ClientCapabilities {
            forms: has('f'),
            links: has('l'),
            sampling: has('s'),
            roots: has('r'),
            tasks: has('t'),
        })
    }
}

/// How severe a log message must be to be sent (RFC 5424, section 6.2.1), mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of the standard")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// What a request of the revision without sessions carries beside its parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stateless {
    /// What the client can be asked for.
    pub capabilities: ClientCapabilities,
    /// The client's name and version, for operators; never used for a decision.
    pub client_name: Option<String>,
    /// Under which name progress is told; none if it is not wanted.
    pub progress_token: Option<Id>,
    /// From which level on log messages are wanted; none if they are not.
    pub log_level: Option<LogLevel>,
}

/// The `_meta` of a request's parameters, if it is an object.
#[must_use]
pub fn meta(params: Option<&RawValue>) -> Option<Map<String, Value>> {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: Option<Map<String, Value>>,
    }
    serde_json::from_str::<Params>(params?.get()).ok()?.meta
}

/// The trace that a request says it belongs to, in either era.
#[must_use]
pub fn trace(meta: &Map<String, Value>) -> Option<TraceContext> {
    TraceContext::parse(meta.get(TRACEPARENT)?.as_str()?)
}

/// Reads the envelope; yields the revision that it names, served or not, and what it carries.
///
/// # Errors
/// `-32602` that names the member that is missing or has another type.
pub fn read(meta: &Map<String, Value>) -> Result<(String, Stateless), RpcError> {
    let wrong =
        |key: &str, what: &str| RpcError::invalid_params(format!("The member `_meta[\"{key}\"]` {what}."));
    let version = match meta.get(VERSION_KEY) {
        Some(Value::String(version)) => version.clone(),
        Some(_) => return Err(wrong(VERSION_KEY, "must be a string")),
        None => return Err(wrong(VERSION_KEY, "is missing")),
    };
    let capabilities = match meta.get(CAPABILITIES_KEY) {
        Some(Value::Object(declared)) => ClientCapabilities::read(declared),
        Some(_) => return Err(wrong(CAPABILITIES_KEY, "must be an object")),
        None => return Err(wrong(CAPABILITIES_KEY, "is missing")),
    };
    let client_name = match meta.get(CLIENT_KEY) {
        Some(Value::Object(client)) => {
            let part = |name: &str| client.get(name).and_then(Value::as_str).unwrap_or_default();
            Some(shown(&format!("{} {}", part("name"), part("version")), 80))
        }
        Some(_) => return Err(wrong(CLIENT_KEY, "must be an object")),
        None => None,
    };
    let progress_token = meta.get("progressToken").map(|token| {
        let token: Result<Id, _> = serde_json::from_value(token.clone());
        token.map_err(|_| wrong("progressToken", "must be a string or an integer"))
    });
    let log_level = meta.get(LOG_LEVEL_KEY).map(|level| {
        let level: Result<LogLevel, _> = serde_json::from_value(level.clone());
        level.map_err(|_| wrong(LOG_LEVEL_KEY, "must be a level such as \"info\""))
    });
    let stateless = Stateless {
        capabilities,
        client_name,
        progress_token: progress_token.transpose()?,
        log_level: log_level.transpose()?,
    };
    Ok((version, stateless))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(change: Value) -> Result<(String, Stateless), RpcError> {
        let mut meta = json!({VERSION_KEY: "2026-07-28", CAPABILITIES_KEY: {}});
        for (key, value) in change.as_object().unwrap() {
            if value.is_null() {
                meta.as_object_mut().unwrap().remove(key);
            } else {
                meta[key] = value.clone();
            }
        }
        read(meta.as_object().unwrap())
    }

    #[test]
    fn the_required_members_are_named_when_they_lack() {
        for key in [VERSION_KEY, CAPABILITIES_KEY] {
            for change in [json!({key: null}), json!({key: 1})] {
                let error = envelope(change).unwrap_err();
                assert_eq!(error.code, -32602);
                assert!(error.message.contains(key), "{}", error.message);
            }
        }
        assert_eq!(envelope(json!({})), Ok(("2026-07-28".to_owned(), Stateless::default())));
    }

    #[test]
    fn optional_members_are_read_bounded_and_checked() {
        let (_, read) = envelope(json!({
            CLIENT_KEY: {"name": "Claude\n", "version": "1"},
            LOG_LEVEL_KEY: "warning",
            "progressToken": "p",
        }))
        .unwrap();
        assert_eq!(read.client_name.as_deref(), Some("Claude 1"));
        assert_eq!(read.log_level, Some(LogLevel::Warning));
        assert_eq!(read.progress_token, Some(Id::Text("p".into())));
        for change in
            [json!({CLIENT_KEY: "c"}), json!({LOG_LEVEL_KEY: "loud"}), json!({"progressToken": 1.5})]
        {
            assert_eq!(envelope(change).unwrap_err().code, -32602);
        }
    }

    #[test]
    fn elicitation_without_details_means_forms() {
        let read = |value: Value| ClientCapabilities::read(value.as_object().unwrap());
        assert!(read(json!({"elicitation": {}})).forms);
        let links = read(json!({"elicitation": {"url": {}}}));
        assert!(links.links && !links.forms);
        assert!(read(json!({"elicitation": {"form": {}, "url": {}}})).forms);
        assert_eq!(read(json!({"sampling": true})), ClientCapabilities::default());
        assert!(read(json!({"extensions": {TASKS: {}}})).tasks);
        for none in [json!({"extensions": {TASKS: true}}), json!({"extensions": {}}), json!({"tasks": {}})] {
            assert_eq!(read(none), ClientCapabilities::default());
        }
    }

    #[test]
    fn meta_is_found_or_absent() {
        let raw = RawValue::from_string(r#"{"_meta":{"a":1},"b":2}"#.to_owned()).unwrap();
        assert_eq!(meta(Some(&raw)).unwrap().len(), 1);
        for text in ["{}", r#"{"_meta":1}"#, r#"{"_meta":null}"#] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(meta(Some(&raw)), None);
        }
    }
}
