//! The model behind the dynamic route `dynamic/condense`: chat completions, through the binding as inputs and at
//! `/gateway/v1/{account}/{gateway}/compat/chat/completions` as a body. It is no model: it answers with a digest of what
//! it was given, so that a test sees whether the right text arrived, and obeys nothing that stands there. It must never
//! take a request with a token of Microsoft's, or with a field that it does not know.

use super::errors;
use crate::ids::{hex, sha256};
use crate::wire::{Call, Headers, Outcome, Reply};
use crate::world::Shared;
use serde::Deserialize;
use serde_json::{Value, json};

/// The one route with a model.
pub const ROUTE: &str = "dynamic/condense";

/// Where models are asked below a gateway.
pub const PATH: &str = "/compat/chat/completions";

/// The longest content that the model takes, in bytes.
const CONTENT_LIMIT: usize = 128 * 1024;

/// How much of the content's two ends an answer repeats, in characters.
const END_CHARS: usize = 80;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs {
    model: Option<String>,
    messages: Vec<Message>,
    max_tokens: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    role: Role,
    content: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    User,
}

fn check(inputs: &Inputs) -> Result<(), &'static str> {
    if !(1..=4_096).contains(&inputs.max_tokens) {
        return Err("max_tokens is out of bounds");
    }
    let roles: Vec<&Role> = inputs.messages.iter().map(|message| &message.role).collect();
    if roles != [&Role::System, &Role::User] {
        return Err("messages must be one of the system and one of the user");
    }
    let lengths = inputs.messages.iter().map(|message| message.content.trim().len());
    if lengths.clone().any(|length| length == 0) || lengths.sum::<usize>() > CONTENT_LIMIT {
        return Err("messages hold nothing, or too much");
    }
    Ok(())
}

/// Whether any of the tokens that Microsoft issued stands anywhere in a request.
fn has_token(shared: &Shared, call: &Call) -> bool {
    let body = String::from_utf8_lossy(&call.body);
    let world = shared.lock();
    let mut tokens = world.grants.access.keys().chain(world.grants.refresh.keys());
    tokens.any(|token| {
        body.contains(token.as_str())
            || call.headers.0.iter().any(|(_, value)| value.contains(token.as_str()))
    })
}

fn malformed(message: &str) -> Reply {
    errors::array(400, 2001, message)
}

/// What the gateway passes on to the model, read strictly. `named` is the name that the body has to say, as the gateway's
/// own endpoint wants it; the binding says it elsewhere.
pub fn upstream(shared: &Shared, call: &Call, inputs: Value, named: Option<&str>) -> Result<Call, Reply> {
    if call.headers.get("authorization").is_some() || has_token(shared, call) {
        return Err(malformed("A model gets no token of another service"));
    }
    let read = Inputs::deserialize(&inputs).map_err(|error| malformed(&error.to_string()))?;
    check(&read).map_err(malformed)?;
    match (read.model.as_deref(), named) {
        (said, named) if said == named => {}
        (Some(said), Some(_)) if said.starts_with("dynamic/") => {
            return Err(errors::array(404, 2005, "Dynamic route not found"));
        }
        _ => return Err(malformed("model is missing, or stands where the binding names it")),
    }
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    let body = inputs.to_string().into_bytes();
    Ok(Call { method: "POST".into(), path: PATH.into(), query: String::new(), headers, body })
}

fn digest(content: &str) -> String {
    let flat: Vec<char> = content.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let first: String = flat.iter().take(END_CHARS).collect();
    let last: String = flat.iter().skip(flat.len().saturating_sub(END_CHARS)).collect();
    let sum = hex(&sha256(content.as_bytes()));
    format!("Digest of {} bytes, sha256 {sum}. It begins: {first} It ends: {last}", content.len())
}

fn answer(body: &[u8]) -> Reply {
    let inputs: Result<Inputs, _> = serde_json::from_slice(body);
    let content = inputs.ok().and_then(|mut inputs| inputs.messages.pop()).map(|message| message.content);
    let Some(content) = content else { return errors::array(400, 2001, "No messages") };
    let message = json!({ "role": "assistant", "content": digest(&content) });
    let usage = json!({ "prompt_tokens": content.len() / 4, "completion_tokens": 60, "total_tokens": content.len() / 4 + 60 });
    let body = json!({
        "id": "chatcmpl-emulator", "object": "chat.completion", "created": 1_767_225_600, "model": "emulator-digest",
        "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }], "usage": usage,
    });
    Reply::json(200, &body).with("cf-aig-model", "emulator-digest").with("cf-aig-provider", "emulator")
}

/// Answers as the model's provider does.
pub async fn serve(shared: &Shared, call: &Call) -> Outcome {
    let targets = vec![(call.method.clone(), call.target())];
    let run = async { Outcome::Reply(answer(&call.body)) };
    shared.observed("model", call, targets, run).await
}
