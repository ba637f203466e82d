//! Answers in the platform's own form, for the edge and for the object.
//!
//! What holds here: status and headers cross over to the platform together, as one text, and the body in one step. What
//! the `worker` crate makes crosses header by header, and once more when it is handed over.

use serde::Serialize;
use web_sys::Response;
use worker::Result;

use super::bridge::{Headers, respond};

/// An answer with a body or without one.
///
/// # Errors
/// When the platform takes no such status or header.
pub fn answer(status: u16, headers: &[(&str, &str)], body: Option<&[u8]>) -> Result<Response> {
    #[derive(Serialize)]
    struct Init<'a> {
        status: u16,
        headers: Headers<'a, &'a str>,
    }
    let init = serde_json::to_string(&Init { status, headers: Headers(headers) })?;
    Ok(respond(body, &init)?)
}
