//! MCP as this server speaks it: revisions, methods, headers, and the codecs of parameters and results.
//!
//! What holds here: the envelope and the errors are ours ([`crate::jsonrpc`]), what is an error is decided by the era of
//! the request. An answer to `initialize` never names a revision that has no handshake.

pub mod envelope;
pub mod errors;
pub mod headers;
pub mod kept;
mod lists;
mod method;
pub mod mrtr;
mod params;
pub mod questions;
mod results;
mod revision;
pub mod tasks;
mod watched;

use compute::json;
use rmcp::model::{CallToolResult, ContentBlock};

use crate::jsonrpc::RpcError;
use crate::tools::{Finished, ToolError};

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

/// A tool's result as JSON: the structured form, and the same as text for clients that know no other (MCP 2025-11-25,
/// server/tools, "Structured Content"). The structured form is written once, and both are made of that text: it is most
/// of what a call has to write.
#[must_use]
pub fn tool_success(finished: &Finished) -> String {
    let structured = finished.text();
    let texts: Vec<String> = finished.texts(&structured).into_iter().map(json::quoted).collect();
    let mut result =
        String::with_capacity(texts.iter().map(String::len).sum::<usize>() + structured.len() + 256);
    result.push_str(r#"{"content":["#);
    for (at, text) in texts.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        for part in [separator, r#"{"type":"text","text":"#, text, "}"] {
            result.push_str(part);
        }
    }
    for part in [r#"],"structuredContent":"#, &structured, r#","isError":false}"#] {
        result.push_str(part);
    }
    result
}

/// A tool's error: in-band, so that the model reads what to do (MCP 2025-11-25, server/tools, "Error handling").
#[must_use]
pub fn tool_failure(error: &ToolError) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(error.to_string())]);
    result.result_type = None;
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_one_that_the_official_sdk_reads() {
        let structured = json!({"mails": [{"subject": "a \"quoted\" \\ \n line"}], "truncated": false});
        let from_outside = Finished::from_outside(structured.clone(), "mail, written by its senders");
        for (finished, texts) in [(Finished::new(structured), 1), (from_outside, 3)] {
            let finished = finished.dressed(None, [7; 8]);
            let text = finished.text();
            let read: CallToolResult = serde_json::from_str(&tool_success(&finished)).unwrap();
            let expected: Vec<_> = finished.texts(&text).into_iter().map(ContentBlock::text).collect();
            assert_eq!(read.content, expected);
            assert_eq!(read.structured_content, Some(finished.structured.clone()));
            assert_eq!(read.is_error, Some(false));
            assert_eq!(finished.texts(&text).len(), texts);
        }
    }
}
