//! Answers in the platform's own form, for the edge and for the object.
//!
//! What holds here: status and headers cross over to the platform together, as one text, and the body in one step. What
//! the `worker` crate makes crosses header by header, and once more when it is handed over.

use js_sys::{JSON, Uint8Array};
use serde::Serialize;
use wasm_bindgen::JsCast as _;
use web_sys::{Response, ResponseInit};
use worker::Result;

/// An answer with a body or without one.
///
/// # Errors
/// When the platform takes no such status or header.
pub fn answer(status: u16, headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<Response> {
    #[derive(Serialize)]
    struct Init<'a> {
        status: u16,
        headers: &'a [(&'a str, &'a str)],
    }
    let init = serde_json::to_string(&Init { status, headers })?;
    let init: ResponseInit = JSON::parse(&init)?.unchecked_into();
    let body = body.map(Uint8Array::from);
    Ok(Response::new_with_opt_buffer_source_and_init(body.as_deref(), &init)?)
}
