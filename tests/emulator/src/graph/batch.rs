//! `POST /$batch`: up to twenty requests in one. What holds: the whole is 200 even when every part failed, each
//! part is admitted, limited and faulted by itself, and answers come in another order than the requests. A part
//! must never be anything but a relative address.

use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use super::{Routed, execute};
use crate::faults::{Action, shortcut_reply};
use crate::wire::{Call, Headers, Reply};
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The most parts.
const MOST: usize = 20;

const PART: Model = Model {
    name: "microsoft.graph.batchRequestStep",
    fields: &[
        ("id", Kind::Text),
        ("method", Kind::Word(&["GET", "POST", "PUT", "PATCH", "DELETE"])),
        ("url", Kind::Text),
        ("headers", Kind::Open),
        ("body", Kind::Open),
        ("dependsOn", Kind::Texts),
    ],
    required: &["id", "method", "url"],
};

const BATCH: Model = Model {
    name: "microsoft.graph.batchRequest",
    fields: &[("requests", Kind::Many(&PART))],
    required: &["requests"],
};

fn text<'v>(part: &'v Value, name: &str) -> &'v str {
    part.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn depends_on(part: &Value) -> impl Iterator<Item = &str> {
    part.get("dependsOn").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The request inside of a part, with the token of the whole.
fn inner(context: &Context<'_>, part: &Value) -> Result<Call, GraphError> {
    let mut headers = Headers::default();
    for (name, value) in part.get("headers").and_then(Value::as_object).into_iter().flatten() {
        headers.push(name, value.as_str().unwrap_or_default());
    }
    if let Some(token) = context.call.headers.get("authorization") {
        headers.set("authorization", token);
    }
    let body = match part.get("body") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes()),
        Some(value) => value.to_string().into_bytes(),
    };
    let has_object = part.get("body").is_some_and(Value::is_object);
    if has_object && headers.get("content-type").is_none() {
        return Err(GraphError::bad_request(
            "Write request (excluding DELETE) must contain the Content-Type header declaration.",
        ));
    }
    let url = text(part, "url").trim_start_matches('/');
    if url.contains("://") || url.starts_with("$batch") {
        return Err(GraphError::bad_request(
            "The url of a batch request step must be relative, and no batch itself.",
        ));
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    Ok(Call {
        method: text(part, "method").to_ascii_uppercase(),
        path: format!("/{}/{path}", context.version),
        query: query.to_owned(),
        headers,
        body,
    })
}

/// Runs one part: records it, lets fault rules strike, executes it.
fn run(world: &mut World, call: &Call) -> Reply {
    let now_ms = world.now_ms();
    let user = world.owner("graph", call);
    let record = world.records.begin("batch", user, call, now_ms);
    let struck = world.faults.take("graph", &[(call.method.clone(), call.target())]);
    let request_id = world.ids.uuid();
    let canned = struck.as_ref().and_then(|action| shortcut_reply("graph", action, &request_id, now_ms));
    let reply = match (canned, struck) {
        (Some(reply), _) => reply,
        (None, Some(Action::Respond(canned))) => canned.reply(),
        (None, Some(Action::RespondAfter(canned))) => {
            execute(world, call, &call.path);
            canned.reply()
        }
        (None, _) => execute(world, call, &call.path),
    };
    world.records.end(record, "answered", Some(reply.status), now_ms);
    reply
}

fn answer(id: &str, reply: &Reply) -> Value {
    let headers: BTreeMap<&str, &str> =
        reply.headers.0.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut out = json!({ "id": id, "status": reply.status, "headers": headers });
    if let Some(map) = out.as_object_mut().filter(|_| !reply.body.is_empty()) {
        let value =
            serde_json::from_slice(&reply.body).unwrap_or_else(|_| STANDARD.encode(&reply.body).into());
        map.insert("body".into(), value);
    }
    out
}

fn refusal(id: &str, error: &GraphError) -> Value {
    json!({ "id": id, "status": error.status, "headers": {}, "body": error.body("", "", "") })
}

fn checked(context: &Context<'_>) -> Result<Vec<Value>, GraphError> {
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&BATCH, &body, "")?;
    let parts = object.get("requests").and_then(Value::as_array).cloned().unwrap_or_default();
    if parts.is_empty() || parts.len() > MOST {
        let message =
            format!("Number of batch request steps must be between 1 and the maximum value of {MOST}.");
        return Err(GraphError::bad_request(message));
    }
    let mut seen = BTreeSet::new();
    for part in &parts {
        if depends_on(part).any(|id| !seen.contains(id)) || !seen.insert(text(part, "id")) {
            return Err(GraphError::bad_request(
                "The ids of the steps must differ, and depend on earlier ones alone.",
            ));
        }
    }
    Ok(parts)
}

fn batch(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let parts = checked(context)?;
    let (mut answers, mut failed) = (Vec::new(), BTreeSet::new());
    for part in &parts {
        let id = text(part, "id");
        let held = depends_on(part).any(|other| failed.contains(other));
        let result = if held {
            Err(GraphError::new(424, "FailedDependency", "A step that this one depends on has failed."))
        } else {
            inner(context, part)
        };
        let shown = match result {
            Ok(call) => answer(id, &run(world, &call)),
            Err(error) => refusal(id, &error),
        };
        if shown.get("status").and_then(Value::as_u64).is_none_or(|status| status >= 400) {
            failed.insert(id);
        }
        answers.push(shown);
    }
    // Graph promises no order; whoever relies on one must fail here.
    answers.reverse();
    Ok(Reply::json(200, &json!({ "responses": answers })))
}

/// Routes the path of batches.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    match (context.call.method.as_str(), context.path().as_slice()) {
        ("POST", ["$batch"]) => Some(batch(world, context)),
        (_, ["$batch"]) => Some(Err(GraphError::method_not_allowed())),
        _ => None,
    }
}
