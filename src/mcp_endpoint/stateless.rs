//! A request of the revision without sessions, from its envelope to the object.
//!
//! What holds here: the checks stand in the order of MCP 2026-07-28: envelope, headers against the body, revision,
//! method, parameters that have headers. What a method's other parameters mean, and what a client must be able to do for
//! it, only the object can say.

use protocol::jsonrpc::{self, Id, RpcError};
use protocol::mcp::envelope;
use protocol::mcp::{Method, STATELESS, check_list, errors, headers, list_text, read_listen};
use protocol::tools::catalogue::schema_with_headers;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Arrived, Era, refuse};
use crate::reply::Reply;

/// What of the parameters is repeated in headers.
#[derive(Default, Deserialize)]
struct Repeated {
    #[serde(default)]
    name: Option<Value>,
    #[serde(default)]
    uri: Option<Value>,
    #[serde(default, rename = "taskId")]
    task_id: Option<Value>,
    #[serde(default)]
    arguments: Option<Map<String, Value>>,
}

pub(super) fn decide(
    arrived: Arrived<'_>,
    id: &Id,
    method: &str,
    params: Option<&RawValue>,
    meta: &Map<String, Value>,
) -> Result<Era, Reply> {
    let bad_request = |error: RpcError| refuse(400, Some(id), &error);
    let (version, stateless) = envelope::read(meta).map_err(bad_request)?;
    let known = Method::stateless(method);
    check_headers(arrived, &version, method, known, params).map_err(bad_request)?;
    if version != STATELESS {
        return Err(bad_request(errors::unsupported_version(&version)));
    }
    let Some(known) = known else {
        return Err(refuse(404, Some(id), &errors::unknown_method(method)));
    };
    if known == Method::CallTool {
        check_parameters(arrived, params).map_err(bad_request)?;
    }
    if known == Method::Listen {
        let uris = read_listen(params).map_err(|error| refuse(200, Some(id), &error))?;
        return Ok(Era::Listens { id: id.clone(), uris });
    }
    Ok(match list_text(known, arrived.offer, true) {
        Some(list) => Era::Listed {
            method: method.to_owned(),
            trace: envelope::trace(meta).or(arrived.trace()),
            reply: listed(id, method, params, &list),
        },
        None => Era::Stateless(stateless),
    })
}

/// The headers that every request repeats its body in.
fn check_headers(
    arrived: Arrived<'_>,
    version: &str,
    method: &str,
    known: Option<Method>,
    params: Option<&RawValue>,
) -> Result<(), RpcError> {
    headers::must_equal("MCP-Protocol-Version", arrived.revision, version)?;
    headers::must_equal("Mcp-Method", (arrived.header)("mcp-method").as_deref(), method)?;
    let repeated = repeated(params);
    let named = match known.and_then(Method::named_by) {
        Some("uri") => repeated.uri,
        Some("taskId") => repeated.task_id,
        Some(_) => repeated.name,
        None => None,
    };
    // A name that is missing or no text is a fault of the parameters and not of a header.
    match named.as_ref().and_then(Value::as_str) {
        Some(name) => headers::must_equal("Mcp-Name", (arrived.header)("mcp-name").as_deref(), name),
        None => Ok(()),
    }
}

fn check_parameters(arrived: Arrived<'_>, params: Option<&RawValue>) -> Result<(), RpcError> {
    let Repeated { name, arguments, .. } = repeated(params);
    let schema = name.as_ref().and_then(Value::as_str).and_then(schema_with_headers);
    match schema {
        Some(schema) => headers::check_parameters(&schema, &arguments.unwrap_or_default(), arrived.header),
        None => Ok(()),
    }
}

fn repeated(params: Option<&RawValue>) -> Repeated {
    params.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

fn listed(id: &Id, method: &str, params: Option<&RawValue>, list: &RawValue) -> Reply {
    match check_list(method, params) {
        Ok(()) => Reply::json_text(200, jsonrpc::success(id, list)),
        Err(error) => refuse(200, Some(id), &error),
    }
}
