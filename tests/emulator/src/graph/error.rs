//! Graph's error shape and the errors that several workloads share. The message texts follow the real
//! service where they are known; a product must branch on the status and the code alone, never on these
//! texts.

use crate::wire::Headers;
use base64::Engine as _;
use serde_json::{Value, json};

/// One refusal.
#[derive(Clone, Debug)]
pub struct GraphError {
    /// The HTTP status.
    pub status: u16,
    /// The string code.
    pub code: String,
    /// The text.
    pub message: String,
    /// Extra headers.
    pub headers: Headers,
}

impl GraphError {
    /// Any error.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), headers: Headers::default() }
    }

    /// 400 with a code of its own.
    pub fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// 400 BadRequest.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::bad("BadRequest", message)
    }

    /// 404 for an item that is not in the mailbox (any more).
    pub fn item_not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    /// 403 for a scope that the token lacks.
    pub fn access_denied() -> Self {
        Self::new(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
    }

    /// 401 with the challenge that Graph sends.
    pub fn unauthenticated(message: &str) -> Self {
        let mut error = Self::new(401, "InvalidAuthenticationToken", message);
        error.headers.push(
            "www-authenticate",
            "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
             client_id=\"00000003-0000-0000-c000-000000000000\"",
        );
        error
    }

    /// 401 with the challenge of continuous access evaluation.
    pub fn insufficient_claims(claims: &str) -> Self {
        let message = "Continuous access evaluation resulted in challenge with result: InteractionRequired";
        let mut error = Self::unauthenticated(message);
        let known = error.headers.get("www-authenticate").unwrap_or_default().to_owned();
        let claims = base64::engine::general_purpose::STANDARD.encode(claims);
        let challenge = format!("{known}, error=\"insufficient_claims\", claims=\"{claims}\"");
        error.headers.set("www-authenticate", challenge);
        error
    }

    /// 400 for a path that Graph's model does not have.
    pub fn unknown_segment(segment: &str) -> Self {
        Self::bad_request(format!("Resource not found for the segment '{segment}'."))
    }

    /// 405 for a known path with another verb.
    pub fn method_not_allowed() -> Self {
        let message = "Specified HTTP method is not allowed for the request target.";
        Self::new(405, "Request_BadRequest", message)
    }

    /// 400 for a property that a type does not have, in a query.
    pub fn unknown_in_query(property: &str, kind: &str) -> Self {
        let message = format!(
            "Parsing OData Select and Expand failed: Could not find a property named '{property}' on type '{kind}'."
        );
        Self::bad("RequestBroker--ParseUri", message)
    }

    /// The body.
    pub fn body(&self, request_id: &str, client_request_id: &str, date: &str) -> Value {
        json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": { "date": date, "request-id": request_id, "client-request-id": client_request_id },
            }
        })
    }
}
