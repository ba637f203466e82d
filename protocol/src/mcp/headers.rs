//! Headers that repeat the body, so that proxies need not read it: how they are decoded and compared.
//!
//! What holds here: names are compared without case, values with it; a value that cannot be decoded is refused and
//! never taken literally (MCP 2026-07-28, basic/transports, "Value Encoding").

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::errors::header_mismatch;
use crate::jsonrpc::RpcError;

/// What the name of a parameter's header begins with.
pub const PARAMETER_PREFIX: &str = "Mcp-Param-";
/// The annotation of a tool's property that has a header.
const ANNOTATION: &str = "x-mcp-header";
const BASE64_BEGINS: &str = "=?base64?";
const BASE64_ENDS: &str = "?=";

/// A header's value that is neither plain ASCII nor well-formed base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Decodes a header's value: white space around it does not count (RFC 9110, section 5.5), `=?base64?...?=` is UTF-8 in
/// base64 with padding, anything else is literal and must be visible ASCII, blanks or tabs.
///
/// # Errors
/// [`Malformed`] when it is none of these.
pub fn decode(value: &str) -> Result<Cow<'_, str>, Malformed> {
    let value = value.trim_matches([' ', '\t']);
    let encoded = value.strip_prefix(BASE64_BEGINS).and_then(|rest| rest.strip_suffix(BASE64_ENDS));
    match encoded {
        Some(encoded) => {
            let bytes = STANDARD.decode(encoded).map_err(|_| Malformed)?;
            String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Malformed)
        }
        None if value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')) => Ok(Cow::Borrowed(value)),
        None => Err(Malformed),
    }
}

/// Compares a header with what the body says.
///
/// # Errors
/// `-32020` when it is absent, cannot be decoded, or says something else.
pub fn must_equal(name: &str, header: Option<&str>, body: &str) -> Result<(), RpcError> {
    let Some(header) = header else {
        return Err(header_mismatch(format!("The header {name} is missing; it must repeat the body.")));
    };
    match decode(header) {
        Ok(value) if value == body => Ok(()),
        Ok(_) => Err(header_mismatch(format!("The header {name} does not say what the body says."))),
        Err(Malformed) => Err(header_mismatch(format!(
            "The header {name} is neither visible ASCII nor valid base64 between =?base64? and ?=."
        ))),
    }
}

/// Checks the headers of a tool's annotated parameters: each repeats its argument, and is absent when that is.
///
/// `header` gives the value of a header by its name. Only properties at the root are annotated by this server; a value
/// that is no string, integer or boolean has no header and is left to the tool's own checks.
///
/// # Errors
/// `-32020` for the first header that does not repeat its argument.
pub fn check_parameters(
    input_schema: &Value,
    arguments: &Map<String, Value>,
    header: &dyn Fn(&str) -> Option<String>,
) -> Result<(), RpcError> {
    let Some(properties) = input_schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
    for (property, schema) in properties {
        let Some(suffix) = schema.get(ANNOTATION).and_then(Value::as_str) else { continue };
        let name = format!("{PARAMETER_PREFIX}{suffix}");
        let header = header(&name);
        let argument = match arguments.get(property) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Bool(flag)) => Some(flag.to_string()),
            Some(Value::Number(number)) => Some(number.to_string()),
            Some(Value::Array(_) | Value::Object(_)) => continue,
        };
        match (argument, header) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(header_mismatch(format!(
                    "The header {name} repeats an argument that is absent."
                )));
            }
            (Some(argument), header) => must_equal(&name, header.as_deref(), &argument)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_trimmed_and_decoded() {
        for (value, decoded) in [
            ("getEmails", Ok("getEmails")),
            ("  getEmails\t", Ok("getEmails")),
            ("a b", Ok("a b")),
            ("=?base64?SGVsbG8=?=", Ok("Hello")),
            ("=?base64?w4RyZ2Vy?=", Ok("Ärger")),
            ("=?base64??=", Ok("")),
            // Without the whole frame it is a literal.
            ("SGVsbG8=", Ok("SGVsbG8=")),
            ("=?base64?SGVsbG8=", Ok("=?base64?SGVsbG8=")),
            ("=?BASE64?SGVsbG8=?=", Ok("=?BASE64?SGVsbG8=?=")),
            // Padding is required, and so is the alphabet.
            ("=?base64?SGVsbG8?=", Err(Malformed)),
            ("=?base64?SGVs!!!bG8=?=", Err(Malformed)),
            ("=?base64?/w==?=", Err(Malformed)),
            ("Ärger", Err(Malformed)),
            ("a\u{7f}", Err(Malformed)),
        ] {
            assert_eq!(decode(value).as_deref().map_err(|e| *e), decoded, "{value}");
        }
    }

    #[test]
    fn values_are_compared_with_case() {
        assert!(must_equal("Mcp-Method", Some(" tools/list "), "tools/list").is_ok());
        for header in [None, Some("TOOLS/LIST"), Some(""), Some("=?base64?x?=")] {
            assert_eq!(
                must_equal("Mcp-Method", header, "tools/list").unwrap_err().code,
                -32020,
                "{header:?}"
            );
        }
    }

    #[test]
    fn annotated_parameters_are_repeated_exactly() {
        let schema = json!({"properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "priority": {"type": "integer", "x-mcp-header": "Priority"},
            "urgent": {"type": "boolean", "x-mcp-header": "Urgent"},
            "query": {"type": "string"},
        }});
        let check = |arguments: Value, headers: &[(&str, &str)]| {
            let header = |name: &str| {
                let found = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                found.map(|(_, value)| (*value).to_owned())
            };
            check_parameters(&schema, arguments.as_object().unwrap(), &header).map_err(|error| error.code)
        };
        let all = json!({"region": "Zürich", "priority": 7, "urgent": false, "query": "secret"});
        let headers = [
            ("mcp-param-region", "=?base64?WsO8cmljaA==?="),
            ("Mcp-Param-Priority", "7"),
            ("MCP-PARAM-URGENT", "false"),
        ];
        assert_eq!(check(all.clone(), &headers), Ok(()));
        assert_eq!(check(all, &headers[..2]), Err(-32020));
        assert_eq!(check(json!({"query": "x"}), &[]), Ok(()));
        assert_eq!(check(json!({"region": null}), &[]), Ok(()));
        assert_eq!(check(json!({}), &[("Mcp-Param-Region", "x")]), Err(-32020));
        assert_eq!(check(json!({"region": "a"}), &[("Mcp-Param-Region", "b")]), Err(-32020));
        assert_eq!(check(json!({"priority": 7}), &[("Mcp-Param-Priority", "07")]), Err(-32020));
    }
}
