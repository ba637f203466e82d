//! The tasks extension of MCP 2026-07-28 (SEP-2663): a call that is answered with a handle, by which its outcome is fetched
//! later.
//!
//! What holds here: a task is named by the request that began it, and only the object knows whose it is. Everything in
//! here is words: what a task does, and how long it is kept, is decided elsewhere. The methods `tasks/list` and
//! `tasks/result` of the experimental predecessor do not exist.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::errors::MISSING_CAPABILITY;
use super::mrtr::{Questions, requests};
use super::params::params;
use super::results::result_meta;
use crate::ids::RequestId;
use crate::jsonrpc::RpcError;
use crate::limits::{TASK_KEPT_FOR, TASK_POLL_EVERY};
use crate::time::UnixMs;

/// The extension's name, among the capabilities of client and server.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// Where a task stands, with what its client is told then.
#[derive(Debug)]
pub enum Standing<'a> {
    /// It is at work.
    Working,
    /// Its client has to answer.
    InputRequired(&'a Questions),
    /// It ended with the result that the call would have had, a tool's error included.
    Completed(&'a RawValue),
    /// It ended with an error of the request as such.
    Failed(&'a RawValue),
    /// It was called off.
    Cancelled,
}

impl Standing<'_> {
    const fn status(&self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired(_) => "input_required",
            Self::Completed(_) => "completed",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A task as a result has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    result_type: &'static str,
    task_id: String,
    status: &'static str,
    created_at: String,
    last_updated_at: String,
    ttl_ms: u64,
    poll_interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_requests: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
    #[serde(rename = "_meta")]
    meta: Value,
}

/// The result of a call that goes on as a task.
#[must_use]
pub fn created(id: RequestId, now: UnixMs) -> Box<RawValue> {
    written(&task("task", id, now, &Standing::Working))
}

/// The result of `tasks/get`.
#[must_use]
pub fn detailed(id: RequestId, updated_at: UnixMs, standing: &Standing<'_>) -> Box<RawValue> {
    written(&task("complete", id, updated_at, standing))
}

fn task<'a>(
    result_type: &'static str,
    id: RequestId,
    updated_at: UnixMs,
    standing: &Standing<'a>,
) -> Task<'a> {
    let mut task = Task {
        result_type,
        task_id: id.to_string(),
        status: standing.status(),
        created_at: id.created_at().to_iso8601(),
        last_updated_at: updated_at.to_iso8601(),
        ttl_ms: TASK_KEPT_FOR.0,
        poll_interval_ms: TASK_POLL_EVERY.0,
        input_requests: None,
        result: None,
        error: None,
        meta: result_meta(),
    };
    match standing {
        Standing::InputRequired(questions) => task.input_requests = Some(requests(questions)),
        Standing::Completed(result) => task.result = Some(result),
        Standing::Failed(error) => task.error = Some(error),
        Standing::Working | Standing::Cancelled => {}
    }
    task
}

/// What `tasks/update` and `tasks/cancel` are answered with: what became of it is seen by the next `tasks/get`.
#[must_use]
pub fn acknowledged() -> Box<RawValue> {
    written(&json!({ "resultType": "complete", "_meta": result_meta() }))
}

fn written(value: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

/// Reads which task a method of the extension is about.
///
/// # Errors
/// `-32602` when none is named, or when no task of this server can have that name.
pub fn read_task_id(method: &str, raw: Option<&RawValue>) -> Result<RequestId, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        task_id: String,
    }
    params::<Named>(method, raw)?.task_id.parse().map_err(|_| unknown_task())
}

/// There is no such task: it never was, is over, or is somebody else's.
#[must_use]
pub fn unknown_task() -> RpcError {
    RpcError::invalid_params("There is no such task. Tasks are kept for ten minutes after they were begun.")
}

/// The request needs a client that knows tasks.
#[must_use]
pub fn needs_tasks() -> RpcError {
    let mut error = RpcError::new(
        MISSING_CAPABILITY,
        format!("This request needs a client with the extension `{TASKS}`, which yours did not declare."),
    );
    error.data = Some(json!({ "requiredCapabilities": { "extensions": { TASKS: {} } } }));
    error
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CreateTaskResult, GetTaskResult, TaskStatus};

    use super::*;
    use crate::ids::UserKey;

    fn id() -> RequestId {
        RequestId::new(UnixMs(5), &UserKey::from_bytes([1; 16]), [7; 5])
    }

    #[test]
    fn what_is_written_is_read_by_the_official_sdk() {
        let read: CreateTaskResult = serde_json::from_str(created(id(), UnixMs(5)).get()).unwrap();
        assert_eq!((read.task.task_id.as_str(), read.task.status), (&*id().to_string(), TaskStatus::Working));
        assert_eq!(read.task.ttl_ms, Some(TASK_KEPT_FOR.0));
        let result = RawValue::from_string(r#"{"content":[]}"#.to_owned()).unwrap();
        let error = serde_json::value::to_raw_value(&RpcError::invalid_params("no")).unwrap();
        let questions = vec![("name", super::super::mrtr::Question::Roots)];
        for (standing, status) in [
            (Standing::Working, TaskStatus::Working),
            (Standing::InputRequired(&questions), TaskStatus::InputRequired),
            (Standing::Completed(&result), TaskStatus::Completed),
            (Standing::Failed(&error), TaskStatus::Failed),
            (Standing::Cancelled, TaskStatus::Cancelled),
        ] {
            let text = detailed(id(), UnixMs(5), &standing);
            let read: GetTaskResult = serde_json::from_str(text.get()).unwrap();
            assert_eq!(read.task.status(), status, "{text}");
            assert!(!text.get().contains("requestState"));
        }
    }

    #[test]
    fn a_task_is_named_by_an_identifier_of_this_server() {
        let read = |params: Value| {
            let raw = RawValue::from_string(params.to_string()).unwrap();
            read_task_id("tasks/get", Some(&raw)).map_err(|error| error.code)
        };
        assert_eq!(read(json!({ "taskId": id().to_string() })), Ok(id()));
        for bad in [json!({}), json!({"taskId": 1}), json!({"taskId": ""}), json!({"taskId": "../x"})] {
            assert_eq!(read(bad), Err(-32602));
        }
    }

    #[test]
    fn what_is_missing_is_named_as_a_client_declares_it() {
        let error = needs_tasks();
        assert_eq!(error.code, -32021);
        assert_eq!(error.data.unwrap(), json!({"requiredCapabilities": {"extensions": {TASKS: {}}}}));
    }
}
