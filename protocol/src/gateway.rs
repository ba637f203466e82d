//! AI Gateway's words: metadata on the way out, and telling its errors from Microsoft's on the way back.
//!
//! What holds here: at most five flat metadata entries in a fixed order, because the gateway keeps only the first
//! five; an error is attributed by its shape and never by its wording.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::trace::TraceContext;

/// The model name under which a compatible handler answers `env.AI.run`.
pub const GRAPH_HANDLER_MODEL: &str = "dynamic/microsoft-graph-handler";

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuser {
    /// AI Gateway itself: credential, limit, policy, DLP, outage.
    Gateway,
    /// Microsoft Graph.
    Graph,
    /// Neither shape: a proxy's page, a cut body, something new.
    Unrecognised,
}

/// A refusal, attributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused.
    pub refuser: Refuser,
    /// The machine-readable code: Graph's `error.code`, or the gateway's number; empty if there is none.
    pub code: String,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(rename = "internalCode", borrow)]
    internal_code: Option<&'a RawValue>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct NumberedError {
    code: i64,
}

#[derive(Deserialize)]
struct ObjectError {
    code: Option<String>,
}

/// Attributes the body of an answer that is no success.
///
/// The gateway answers with an array in `error` (or `errors`), with `internalCode`, or, for a policy or a spending
/// limit, with an object that has no `code`. Graph answers with an object whose `code` is a string.
#[must_use]
pub fn read_refusal(body: &[u8]) -> Refusal {
    let unrecognised = Refusal { refuser: Refuser::Unrecognised, code: String::new() };
    let Ok(body) = serde_json::from_slice::<Body<'_>>(body) else { return unrecognised };
    let numbered = |raw: &RawValue| {
        serde_json::from_str::<Vec<NumberedError>>(raw.get())
            .ok()
            .map(|errors| errors.first().map_or_else(String::new, |error| error.code.to_string()))
    };
    if let Some(code) = body.error.and_then(numbered).or_else(|| body.errors.and_then(numbered)) {
        return Refusal { refuser: Refuser::Gateway, code };
    }
    if body.internal_code.is_some() || body.name.as_deref() == Some("AiGatewayError") {
        let code = body.internal_code.map_or_else(String::new, |raw| raw.get().to_owned());
        return Refusal { refuser: Refuser::Gateway, code };
    }
    match body.error.map(|raw| serde_json::from_str::<ObjectError>(raw.get())) {
        Some(Ok(ObjectError { code: Some(code) })) => Refusal { refuser: Refuser::Graph, code },
        Some(Ok(ObjectError { code: None })) => Refusal { refuser: Refuser::Gateway, code: String::new() },
        _ => unrecognised,
    }
}

/// The metadata of one call, in the order of importance.
#[must_use]
pub fn metadata(
    user_key: &str,
    tool: &str,
    request_id: &str,
    trace: Option<TraceContext>,
) -> serde_json::Value {
    let mut metadata = serde_json::json!({ "userId": user_key, "mcpTool": tool, "requestId": request_id });
    if let (Some(trace), Some(members)) = (trace, metadata.as_object_mut()) {
        members.insert("traceId".to_owned(), trace.trace_id().into());
    }
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> (Refuser, String) {
        let refusal = read_refusal(body.as_bytes());
        (refusal.refuser, refusal.code)
    }

    #[test]
    fn the_four_shapes_of_errors_are_told_apart() {
        let gateway = r#"{"success":false,"result":[],"messages":[],"error":[{"code":2009,"message":"Unauthorized"}],"name":"AiGatewayError","httpCode":401,"internalCode":2009}"#;
        assert_eq!(refused(gateway), (Refuser::Gateway, "2009".into()));
        let rest = r#"{"success":false,"errors":[{"code":7003,"message":"x"}]}"#;
        assert_eq!(refused(rest), (Refuser::Gateway, "7003".into()));
        let policy = r#"{"success":false,"error":{"message":"Access denied by policy"}}"#;
        assert_eq!(refused(policy), (Refuser::Gateway, String::new()));
        let graph = r#"{"error":{"code":"ErrorItemNotFound","message":"x","innerError":{}}}"#;
        assert_eq!(refused(graph), (Refuser::Graph, "ErrorItemNotFound".into()));
    }

    #[test]
    fn anything_else_is_attributed_to_nobody() {
        for body in ["", "<html>", "{}", "[]", r#"{"error":"text"}"#, r#"{"error":{"code":5}}"#] {
            assert_eq!(refused(body).0, Refuser::Unrecognised, "{body}");
        }
    }
}
