//! What the tests of all tools share: surroundings, answers, and a small validator of the schemas' own vocabulary.

use std::sync::LazyLock;

use serde_json::Value;

use super::{Finished, Surroundings, Tool};
use crate::ids::{RequestId, UserKey};
use crate::mcp::envelope::ClientCapabilities;
use crate::mcp::mrtr::Answers;
use crate::outbound::Answer;
use crate::policy::Policy;
use crate::time::UnixMs;
use crate::zones;

/// Friday, the second of January 2026, 11:30 in Zurich.
pub(crate) const NOW: UnixMs = UnixMs(1_767_349_800_000);

pub(crate) fn operation() -> RequestId {
    RequestId::new(UnixMs(1), &UserKey::from_bytes([1; 16]), [0; 5])
}

static NO_ANSWERS: LazyLock<Answers> = LazyLock::new(Answers::default);
static NO_POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

pub(crate) fn around(granted: &[String]) -> Surroundings<'_> {
    let zones = zones::testing::ZONES;
    Surroundings {
        request: operation(),
        granted: Some(granted),
        now: NOW,
        zones,
        mailbox_zone: None,
        folders_off: &[],
        answers: &NO_ANSWERS,
        client: ClientCapabilities::default(),
        policy: &NO_POLICY,
        query: [0; 32],
        resume: None,
        linked_apps: &[],
        condense_route: None,
        connect_link: None,
    }
}

pub(crate) fn with_granted<T>(granted: &[&str], test: impl FnOnce(Surroundings<'_>) -> T) -> T {
    let granted: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
    test(around(&granted))
}

pub(crate) fn answer(status: u16, body: &Value) -> Answer {
    Answer { status, body: body.to_string().into_bytes(), ..Answer::default() }
}

pub(crate) fn body_of(call: &crate::outbound::GraphCall) -> Value {
    serde_json::from_str(call.body.as_deref().unwrap()).unwrap()
}

/// Fails unless a result conforms to the tool's output schema, as it leaves.
pub(crate) fn assert_conforms(tool: Tool, finished: &Finished) {
    let cursor = finished.goes_on.as_ref().map(|_| "cursor".to_owned());
    let structured = finished.clone().dressed(cursor, [7; 8]).structured;
    let findings = findings(&tool.schema("outputSchema"), &structured, "result");
    assert!(findings.is_empty(), "{findings:?}\n{structured:#}");
}

fn findings(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut out = Vec::new();
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        other => panic!("the schema of {place} has the type {other:?}"),
    };
    if !fits {
        out.push(format!("{place} is no {}", schema["type"]));
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        out.push(format!("{place} is none of the choices"));
    }
    // What has no list of properties is described in words.
    let properties = schema.get("properties");
    for (name, member) in value.as_object().filter(|_| properties.is_some()).into_iter().flatten() {
        match properties.and_then(|properties| properties.get(name)) {
            Some(schema) => out.extend(findings(schema, member, &format!("{place}.{name}"))),
            None => out.push(format!("{place}.{name} is not in the schema")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            out.push(format!("{place} lacks {name}"));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        out.extend(findings(&schema["items"], item, &format!("{place}[{index}]")));
    }
    out
}
