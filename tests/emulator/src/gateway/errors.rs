//! The gateway's error bodies: the array form with numbers, and the object form of policies. What holds:
//! each is distinguishable from Graph's, whose `error` is an object with a string code. They must never be
//! made to look alike, because telling them apart is what the product is tested for.

use crate::wire::Reply;
use serde_json::{Value, json};

/// The canonical form; note the singular key `error` with a list.
pub fn array(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(
        status,
        &json!({
            "success": false,
            "result": [],
            "messages": [],
            "error": [{ "code": code, "message": message }],
            "name": "AiGatewayError",
            "httpCode": status,
            "internalCode": code,
        }),
    )
}

/// A refusal by an access policy.
pub fn policy() -> Reply {
    Reply::json(403, &json!({ "success": false, "error": { "message": "Access denied by policy" } }))
}

/// An exhausted spend limit.
pub fn spend_limit() -> Reply {
    let error =
        json!({ "message": "Spending limit exceeded", "bucket": "monthly", "spent": 100.02, "limit": 100.0 });
    Reply::json(429, &json!({ "success": false, "error": error }))
}

/// A request that data loss prevention blocked.
pub fn dlp() -> Reply {
    let findings: Value = json!({ "findings": [{ "profile": { "context": {}, "entry_ids": ["emulator"], "profile_id": "emulator" } }], "action": "BLOCK" });
    array(400, 2029, "Request content blocked due to DLP policy violations")
        .with("cf-aig-dlp", findings.to_string())
}

/// A request that guardrails blocked; `on_run` is the binding's endpoint.
pub fn guardrail(on_run: bool) -> Reply {
    if on_run {
        return array(422, 2017, "Prompt blocked due to security configurations");
    }
    array(424, 2016, "Prompt blocked due to security configurations")
}
