//! MCP as this server speaks it: revisions, methods, headers, and the codecs of parameters and results.
//!
//! What holds here: the envelope and the errors are ours ([`crate::jsonrpc`]), what is an error is decided by the era of
//! the request. An answer to `initialize` never names a revision that has no handshake.

pub mod envelope;
pub mod errors;
pub mod headers;
mod lists;
mod method;
pub mod mrtr;
mod params;
pub mod questions;
mod results;
mod revision;
pub mod tasks;
mod watched;

use rmcp::model::{CallToolResult, ContentBlock};

use crate::jsonrpc::RpcError;
use crate::tools::ToolError;

pub use lists::list_text;
pub use method::Method;
#[cfg(feature = "conformance")]
pub use params::read_log_level;
pub use params::{
    CANCELLED, CompletionCall, Opening, PromptCall, check_list, progress, read_cancelled, read_completion,
    read_opening, read_progress_token, read_prompt_call, read_tool_call, read_uri,
};
pub use results::{Cache, opening_result, stateless_result, stateless_text};
pub use revision::{Revision, STATELESS, SUPPORTED};
#[cfg(feature = "conformance")]
pub(crate) use watched::notification;
pub use watched::{
    Watched, read_listen, read_watched, resource_updated, subscription_acknowledged, subscription_ended,
};

/// An error of a request whose answer has no place for one in-band.
#[must_use]
pub fn failure_of(error: &ToolError) -> RpcError {
    let mut out = RpcError::new(crate::jsonrpc::codes::INTERNAL_ERROR, error.to_string());
    out.data = Some(serde_json::json!({ "code": error.code }));
    out
}

/// A tool's result: the structured form, and the same as text for clients that know no other.
#[must_use]
pub fn tool_success(structured: serde_json::Value, texts: Vec<String>) -> CallToolResult {
    let mut result = CallToolResult::success(texts.into_iter().map(ContentBlock::text).collect());
    result.result_type = None;
    result.structured_content = Some(structured);
    result
}

/// A tool's error: in-band, so that the model reads what to do (MCP 2025-11-25, server/tools, "Error handling").
#[must_use]
pub fn tool_failure(error: &ToolError) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(error.to_string())]);
    result.result_type = None;
    result
}
