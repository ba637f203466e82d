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
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, RequestInit, Response, WorkerGlobalScope};
use worker::{AbortController, AbortSignal, Delay, Env};

use super::bindings::AiBinding;
use super::signing::sign_ps256;
use crate::egress::{Departure, read_answer};

/// Sends a call and waits for its end, at most [`CALL_TIMEOUT`].
pub async fn send(env: &Env, departure: Departure) -> CallResult {
    let controller = AbortController::default();
    let exchange = exchange(env, departure, controller.signal());
    let timeout = Delay::from(Duration::from_millis(CALL_TIMEOUT.0));
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

async fn exchange(env: &Env, departure: Departure, signal: AbortSignal) -> Result<CallResult, Lost> {
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
    let (status, headers) = (response.status(), response.headers());
    let body = read_body(response, &headers).await?;
    let answer = read_answer(status, |name| headers.get(name).ok().flatten(), body);
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
    signal: AbortSignal,
) -> Result<Response, JsValue> {
    // All that is text crosses over to the platform at once.
    let init = serde_json::json!({ "method": method, "headers": headers, "redirect": "manual" });
    let init: RequestInit = JSON::parse(&init.to_string())?.unchecked_into();
    if let Some(body) = body {
        init.set_body(&body);
    }
    init.set_signal(Some(&signal));
    let platform: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response = JsFuture::from(platform.fetch_with_str_and_init(url, &init)).await?;
    Ok(response.unchecked_into())
}

/// Reads a body within its bound: in one step where its length is known, and chunk by chunk where it is not, or where
/// what is told is the length of something compressed.
async fn read_body(response: Response, headers: &Headers) -> Result<Vec<u8>, Lost> {
    let header = |name: &str| headers.get(name).ok().flatten();
    let declared = header("content-length").and_then(|length| length.parse::<usize>().ok());
    match declared.filter(|_| header("content-encoding").is_none()) {
        Some(length) if length > UPSTREAM_BODY_BYTES_MAX => Err(Lost::TooLarge),
        Some(_) => {
            let buffer = response.array_buffer().map_err(|_| Lost::Connection)?;
            let buffer = JsFuture::from(buffer).await.map_err(|_| Lost::Connection)?;
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
