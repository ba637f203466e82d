//! Sends what the core asked to be sent, and reads at most a bounded answer.
//!
//! What holds here: a call has one deadline; a redirect is never followed, because it would carry the bearer token to
//! another place; an error of the platform becomes "lost" and never a refusal, since it does not prove that nothing was
//! executed.

use std::time::Duration;

use futures::future::{Either, select};
use futures::{StreamExt as _, pin_mut};
use js_sys::{JSON, Reflect, Uint8Array};
use protocol::entra::TokenForm;
use protocol::limits::{CALL_TIMEOUT, UPSTREAM_BODY_BYTES_MAX};
use protocol::outbound::{CallResult, Lost};
use serde::Serialize;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::Response;
use worker::{AbortController, AbortSignal, Env};

use super::bindings::AiBinding;
use super::bridge::{self, Described, Headers, Names, Pause, Settled};
use super::signing::sign_ps256;
use crate::egress::{Departure, read_answer};

thread_local! {
    /// What is read of an answer's headers, here and by [`read_answer`].
    static NAMES: Names = const {
        Names::new(&[
            "content-length", "content-encoding", "retry-after", "request-id", "cf-aig-log-id", "www-authenticate",
            "content-type",
        ])
    };
}

/// Sends a call and waits for its end, at most [`CALL_TIMEOUT`].
pub async fn send(env: &Env, departure: Departure) -> CallResult {
    let controller = AbortController::default();
    let signal = controller.signal();
    let exchange = exchange(env, departure, &signal);
    let timeout = Pause::of(Duration::from_millis(CALL_TIMEOUT.0));
    pin_mut!(exchange, timeout);
    let lost = match select(exchange, timeout).await {
        Either::Left((Ok(result), _)) => return result,
        Either::Left((Err(lost), _)) => lost,
        Either::Right(((), _)) => Lost::Timeout,
    };
    // Nobody will read the rest: the connection is given back.
    controller.abort();
    CallResult::Lost(lost)
}

async fn exchange(env: &Env, departure: Departure, signal: &AbortSignal) -> Result<CallResult, Lost> {
    let response = match departure {
        Departure::AiRun { model, inputs, options } => ai_run(env, &model, &inputs, &options).await,
        Departure::Http { method, url, headers, body } => {
            http(method, &url, headers, body.map(|text| JsValue::from_str(&text)), signal).await
        }
        Departure::Storage { method, url, headers, body } => {
            let body = body.map(|bytes| Uint8Array::from(bytes.as_slice()).into());
            http(method, url.expose(), headers, body, signal).await
        }
        Departure::SignedForm { url, headers, fields, assertion } => match sign_ps256(&assertion).await {
            Ok(signature) => {
                let body = TokenForm::signed(&fields, &assertion.unsigned, &signature);
                let body = JsValue::from_str(body.expose());
                http("POST", &url, headers, Some(body), signal).await
            }
            Err(error) => {
                tracing::error!("the key in MICROSOFT_CLIENT_PRIVATE_KEY cannot sign");
                Err(error)
            }
        },
    };
    let response = response.map_err(|error| {
        // The platform's text may name hosts, but no header and no body.
        tracing::warn!(error = %describe(&error), "a call got no answer");
        Lost::Connection
    })?;
    let described = NAMES.with(|names| Described::answer(&response, names)).map_err(|_| Lost::Connection)?;
    let status = described.line(0).parse().map_err(|_| Lost::Connection)?;
    // Another name for the same answer, not a copy of it, which `Response` calls the same.
    let whole = Clone::clone(&response);
    let body = read_body(response, |name| described.header(name).flatten()).await?;
    let header = |name: &str| match described.header(name) {
        Some(value) => value.map(str::to_owned),
        None => whole.headers().get(name).ok().flatten(),
    };
    let answer = read_answer(status, header, body);
    Ok(CallResult::Answered(answer))
}

async fn ai_run(env: &Env, model: &str, inputs: &str, options: &str) -> Result<Response, JsValue> {
    let env: &JsValue = env.as_ref();
    let ai: AiBinding = Reflect::get(env, &JsValue::from_str("AI"))?.unchecked_into();
    let response = ai.run(model, JSON::parse(inputs)?, JSON::parse(options)?).await?;
    Ok(response.unchecked_into())
}

async fn http(
    method: &str,
    url: &str,
    headers: Vec<(&'static str, String)>,
    body: Option<JsValue>,
    signal: &web_sys::AbortSignal,
) -> Result<Response, JsValue> {
    #[derive(Serialize)]
    struct Init<'a> {
        method: &'a str,
        headers: Headers<'a, String>,
        redirect: &'a str,
    }
    let init = Init { method, headers: Headers(&headers), redirect: "manual" };
    let init = serde_json::to_string(&init).map_err(|error| JsValue::from_str(&error.to_string()))?;
    bridge::fetch(url, &init, body, signal).await
}

/// Reads a body within its bound: in one step where its length is known, and chunk by chunk where it is not, or where
/// what is told is the length of something compressed.
async fn read_body<'a>(
    response: Response,
    header: impl Fn(&str) -> Option<&'a str>,
) -> Result<Vec<u8>, Lost> {
    let declared = header("content-length").and_then(|length| length.parse::<usize>().ok());
    match declared.filter(|_| header("content-encoding").is_none()) {
        Some(length) if length > UPSTREAM_BODY_BYTES_MAX => Err(Lost::TooLarge),
        Some(_) => {
            let buffer = response.array_buffer().map_err(|_| Lost::Connection)?;
            let buffer = Settled::of(&buffer).await.map_err(|_| Lost::Connection)?;
            let bytes = Uint8Array::new(&buffer);
            if bytes.length() as usize > UPSTREAM_BODY_BYTES_MAX {
                return Err(Lost::TooLarge);
            }
            Ok(bytes.to_vec())
        }
        None => read_chunks(response).await,
    }
}

async fn read_chunks(response: Response) -> Result<Vec<u8>, Lost> {
    let mut response = worker::Response::from(response);
    if matches!(response.body(), worker::ResponseBody::Empty) {
        return Ok(Vec::new());
    }
    let mut stream = response.stream().map_err(|_| Lost::Connection)?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Lost::Connection)?;
        if body.len() + chunk.len() > UPSTREAM_BODY_BYTES_MAX {
            return Err(Lost::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn describe(error: &JsValue) -> String {
    let message = Reflect::get(error, &JsValue::from_str("message")).ok().and_then(|text| text.as_string());
    message.unwrap_or_else(|| "no message".to_owned()).chars().take(200).collect()
}
