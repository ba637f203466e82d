//! Entra's two error shapes: the JSON of the token endpoint and the page of the authorize endpoint. The
//! words around the number may change in reality, so tests should branch on `error` alone. A malformed
//! request must never be answered by a redirect.

use crate::clock::entra_timestamp;
use crate::wire::{Reply, html_escape};
use crate::world::World;
use serde_json::json;

/// One error: its OAuth code, its number and its text.
#[derive(Clone, Debug)]
pub struct EntraError {
    /// The HTTP status at the token endpoint.
    pub status: u16,
    /// The OAuth error code.
    pub error: &'static str,
    /// The AADSTS number.
    pub number: u32,
    /// The text after the number.
    pub text: String,
    /// Microsoft's finer distinction.
    pub suberror: Option<&'static str>,
    /// What the next authorize request has to carry.
    pub claims: Option<String>,
}

/// An error with status 400.
pub fn bad(error: &'static str, number: u32, text: impl Into<String>) -> EntraError {
    EntraError { status: 400, error, number, text: text.into(), suberror: None, claims: None }
}

/// An `invalid_client` error with status 401.
pub fn client(number: u32, text: impl Into<String>) -> EntraError {
    EntraError {
        status: 401,
        error: "invalid_client",
        number,
        text: text.into(),
        suberror: None,
        claims: None,
    }
}

impl EntraError {
    /// The same error with a suberror.
    #[must_use]
    pub fn sub(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    /// `AADSTS…: text Trace ID: …`, as `error_description` has it.
    pub fn description(&self, world: &mut World) -> String {
        let (trace, correlation) = (world.ids.uuid(), world.ids.uuid());
        let time = entra_timestamp(world.now_ms());
        format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.number, self.text
        )
    }

    /// The token endpoint's JSON.
    pub fn json(&self, world: &mut World) -> Reply {
        let (trace, correlation) = (world.ids.uuid(), world.ids.uuid());
        let time = entra_timestamp(world.now_ms());
        let description = format!(
            "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}",
            self.number, self.text
        );
        let mut body = json!({
            "error": self.error,
            "error_description": description,
            "error_codes": [self.number],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{}/entra/error?code={}", world.base, self.number),
        });
        if let (Some(suberror), Some(map)) = (self.suberror, body.as_object_mut()) {
            map.insert("suberror".into(), suberror.into());
        }
        if let (Some(claims), Some(map)) = (&self.claims, body.as_object_mut()) {
            map.insert("claims".into(), claims.clone().into());
        }
        Reply::json(self.status, &body).with("cache-control", "no-store, no-cache")
    }

    /// The authorize endpoint's page: malformed requests never go back to the application.
    pub fn page(&self, world: &mut World) -> Reply {
        let text = html_escape(&self.description(world));
        super::page::document(
            400,
            "Sorry, but we're having trouble signing you in",
            &format!("<p>{text}</p>"),
        )
    }
}
