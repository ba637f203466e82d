//! Several calls to Graph in one (Graph: "Combine multiple HTTP requests using JSON batching").
//!
//! What holds here: a step is a call that was made as any other, so that its path was written where all are; every step
//! has the headers that it would have alone. The whole is answered with 200 even where every step failed, and in any
//! order, so each step is read by its own name, status and wait; what cannot be read is no answer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::graph::BATCH;
use crate::ids::RequestId;
use crate::limits::CHALLENGE_BYTES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::DurationMs;

/// Steps of one batch.
pub const STEPS_MAX: usize = 20;

/// One call that makes several with JSON bodies, each named by its number. `request` is the request that they serve.
#[must_use]
pub fn call(lane: Lane, request: RequestId, steps: &[(usize, GraphCall)]) -> GraphCall {
    let requests: Vec<Value> = steps.iter().map(|(number, call)| step(request, *number, call)).collect();
    GraphCall::post_repeatable(lane, BATCH.to_owned(), json!({ "requests": requests }).to_string())
}

fn step(request: RequestId, number: usize, call: &GraphCall) -> Value {
    let mut headers = Map::new();
    headers.insert("client-request-id".to_owned(), format!("{request}-{number}").into());
    if !call.prefer.is_empty() {
        headers.insert("Prefer".to_owned(), call.prefer.join(", ").into());
    }
    let body = call.body.as_deref().and_then(|body| serde_json::from_str::<Value>(body).ok());
    if body.is_some() {
        headers.insert("Content-Type".to_owned(), "application/json".into());
    }
    let mut step = Map::new();
    step.insert("id".to_owned(), number.to_string().into());
    step.insert("method".to_owned(), call.method.as_str().into());
    step.insert("url".to_owned(), call.path.as_str().into());
    step.insert("headers".to_owned(), headers.into());
    step.extend(body.map(|body| ("body".to_owned(), body)));
    step.into()
}

#[derive(Deserialize)]
struct Responses {
    responses: Vec<Response>,
}

#[derive(Deserialize)]
struct Response {
    id: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body: Value,
}

/// What each step of a batch was answered, by its number; a step without a readable answer is not there.
#[must_use]
pub fn answers(answer: &Answer) -> BTreeMap<usize, Answer> {
    let Ok(Responses { responses }) = serde_json::from_slice(&answer.body) else { return BTreeMap::new() };
    responses.into_iter().filter_map(|one| Some((one.id.parse().ok()?, alone(one, answer)))).collect()
}

/// A step's answer as it would have come without the batch.
fn alone(Response { status, headers, body, .. }: Response, whole: &Answer) -> Answer {
    let header = |wanted: &str| {
        let found = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    Answer {
        status,
        // RFC 9110, section 10.2.3: seconds or a date. Microsoft sends seconds.
        retry_after: header("retry-after")
            .and_then(|value| value.trim().parse().ok())
            .map(DurationMs::from_secs),
        challenge: header("www-authenticate")
            .filter(|value| status == 401 && value.len() <= CHALLENGE_BYTES_MAX),
        body: body.to_string().into_bytes(),
        ..whole.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::IMMUTABLE_IDS;
    use crate::tools::testing::{answer, body_of, operation};

    #[test]
    fn each_step_has_what_it_would_have_alone() {
        let patch =
            GraphCall::patch(Lane::Mailbox, "/me/messages/A=".to_owned(), r#"{"isRead":true}"#.to_owned())
                .preferring(&[IMMUTABLE_IDS]);
        let steps = [(0, patch), (7, GraphCall::get(Lane::Mailbox, "/me".to_owned()))];
        let call = call(Lane::Mailbox, operation(), &steps);
        assert_eq!(call.path, "/$batch");
        let name = operation();
        assert_eq!(
            body_of(&call),
            json!({"requests": [
                {"id": "0", "method": "PATCH", "url": "/me/messages/A=", "body": {"isRead": true},
                 "headers": {"client-request-id": format!("{name}-0"), "Prefer": "IdType=\"ImmutableId\"",
                             "Content-Type": "application/json"}},
                {"id": "7", "method": "GET", "url": "/me", "headers": {"client-request-id": format!("{name}-7")}},
            ]})
        );
    }

    #[test]
    fn each_step_is_read_by_its_own_name_and_wait() {
        let whole = answer(
            200,
            &json!({"responses": [
                {"id": "1", "status": 429, "headers": {"Retry-After": "7"}, "body": {"error": {"code": "x"}}},
                {"id": "0", "status": 200, "headers": {"retry-after": 9}, "body": {"id": "A="}},
                {"id": "x", "status": 200},
            ]}),
        );
        let read = answers(&whole);
        assert_eq!(read.keys().collect::<Vec<_>>(), [&0, &1]);
        assert_eq!((read[&1].status, read[&1].retry_after), (429, Some(DurationMs(7_000))));
        assert_eq!((read[&0].status, read[&0].body.as_slice()), (200, br#"{"id":"A="}"#.as_slice()));
        for unreadable in [json!({}), json!([]), json!({"responses": [{"id": 1}]})] {
            assert!(answers(&answer(200, &unreadable)).is_empty(), "{unreadable}");
        }
    }
}
