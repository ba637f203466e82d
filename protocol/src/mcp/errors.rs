//! Errors that MCP defines beside those of JSON-RPC.
//!
//! What holds here: a code is used in the era that defines it and in no other (MCP 2026-07-28, basic, "Error Codes").

use serde_json::json;

use super::revision::{Revision, STATELESS, SUPPORTED};
use crate::jsonrpc::{RpcError, codes};

/// A header does not say what the body says (MCP 2026-07-28, basic/transports, "Server Validation").
pub const HEADER_MISMATCH: i32 = -32020;
/// The request needs a capability that the client did not declare (MCP 2026-07-28, basic/lifecycle).
pub const MISSING_CAPABILITY: i32 = -32021;
/// The revision is not served (MCP 2026-07-28, basic/versioning).
pub const UNSUPPORTED_VERSION: i32 = -32022;
/// A resource does not exist, in sessions (MCP 2025-11-25, server/resources, "Error Handling").
pub const RESOURCE_NOT_FOUND: i32 = -32002;

/// The person has to open a link first (MCP 2025-11-25, client/elicitation, "URL Elicitation Required Error").
pub const LINK_REQUIRED: i32 = -32042;

/// The person has to open a link, in a session. `id` names the question for the client.
#[must_use]
pub fn link_required(message: &str, id: &str, url: &str) -> RpcError {
    let mut error = RpcError::new(LINK_REQUIRED, message);
    let question = json!({ "mode": "url", "elicitationId": id, "url": url, "message": message });
    error.data = Some(json!({ "elicitations": [question] }));
    error
}

/// A text of a client, bounded and without control characters, so that it can be echoed.
#[must_use]
pub fn shown(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

/// A header contradicts the body, lacks, or cannot be read.
#[must_use]
pub fn header_mismatch(message: impl Into<String>) -> RpcError {
    RpcError::new(HEADER_MISMATCH, message)
}

/// The revision that a request names is not served without a session.
#[must_use]
pub fn unsupported_version(requested: &str) -> RpcError {
    let requested = shown(requested, 40);
    // A revision with a handshake is served too, but not like this: naming it again would send the client in a circle.
    let supported: &[&str] =
        if Revision::from_wire(&requested).is_some() { &[STATELESS] } else { &SUPPORTED };
    let mut error = RpcError::new(
        UNSUPPORTED_VERSION,
        format!("This server does not serve the protocol revision `{requested}` without a session."),
    );
    error.data = Some(json!({ "supported": supported, "requested": requested }));
    error
}

/// The request needs what the client did not say that it can do; `capability` is a member of `ClientCapabilities`.
#[must_use]
pub fn missing_capability(capability: &str) -> RpcError {
    let mut error = RpcError::new(
        MISSING_CAPABILITY,
        format!(
            "This request needs a client with the capability `{capability}`, which yours did not declare."
        ),
    );
    error.data = Some(json!({ "requiredCapabilities": { capability: {} } }));
    error
}

/// The method does not exist in the era of the request.
#[must_use]
pub fn unknown_method(method: &str) -> RpcError {
    let message = format!("This server has no method `{}` in this protocol revision.", shown(method, 80));
    RpcError::new(codes::METHOD_NOT_FOUND, message)
}

/// A resource does not exist: each era has a code of its own, and both name the URI.
#[must_use]
pub fn resource_not_found(uri: &str, is_stateless: bool) -> RpcError {
    let code = if is_stateless { codes::INVALID_PARAMS } else { RESOURCE_NOT_FOUND };
    let mut error = RpcError::new(
        code,
        "There is no such resource. `resources/list` and `resources/templates/list` name all resources.",
    );
    error.data = Some(json!({ "uri": shown(uri, 200) }));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_that_is_not_there_has_the_code_of_its_era() {
        assert_eq!(resource_not_found("x://y", false).code, -32002);
        let stateless = resource_not_found("x://y\n", true);
        assert_eq!((stateless.code, stateless.data), (-32602, Some(json!({"uri": "x://y"}))));
    }

    #[test]
    fn an_unsupported_revision_is_told_what_is_supported() {
        let unknown = unsupported_version("v999").data.unwrap();
        assert_eq!(unknown, json!({"supported": SUPPORTED, "requested": "v999"}));
        let with_handshake = unsupported_version("2025-11-25").data.unwrap();
        assert_eq!(with_handshake["supported"], json!([STATELESS]));
    }

    #[test]
    fn a_missing_capability_is_an_object_of_capabilities() {
        let data = missing_capability("sampling").data.unwrap();
        assert_eq!(data, json!({"requiredCapabilities": {"sampling": {}}}));
    }
}
