//! The parameters of methods: what each asks for.
//!
//! What holds here: a parameter of the wrong type is told by name; nothing of a value is repeated but a short, bounded
//! excerpt.

use rmcp::model::{CallToolRequestParams, InitializeRequestParams};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::envelope::ClientCapabilities;
use super::errors::shown;
use super::revision::Revision;
use crate::jsonrpc::{Id, RpcError};
use crate::limits::JSONRPC_ID_BYTES_MAX;
use crate::prompts::Prompt;
use crate::tools::completion::Completion;

/// The notification by which a client gives up on a request.
pub const CANCELLED: &str = "notifications/cancelled";

/// Reads the parameters of a method.
///
/// # Errors
/// `-32602` with the parser's reason, which names members and never more than a short excerpt of a value.
pub fn params<T: DeserializeOwned>(method: &str, params: Option<&RawValue>) -> Result<T, RpcError> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| {
        let mut reason = error.to_string();
        if let Some((short, _)) = reason.split_once(" at line ") {
            reason = short.to_owned();
        }
        let reason: String = reason.chars().take(200).collect();
        RpcError::invalid_params(format!("The parameters of `{method}` are not valid: {reason}."))
    })
}

/// What a client said of itself when it opened a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The revision that both sides use from now on.
    pub revision: Revision,
    /// The client's name, bounded, for operators; never used for a decision.
    pub client_name: String,
    /// What the client can be asked for.
    pub capabilities: ClientCapabilities,
}

/// Reads the parameters of `initialize`.
///
/// # Errors
/// `-32602` when a required member is missing or has the wrong type. The wished revision is never a reason.
pub fn read_opening(raw: Option<&RawValue>) -> Result<Opening, RpcError> {
    #[derive(Deserialize)]
    struct Declared {
        #[serde(default)]
        capabilities: Map<String, Value>,
    }
    let opening: InitializeRequestParams = params("initialize", raw)?;
    let declared: Declared = params("initialize", raw)?;
    let client = opening.client_info;
    Ok(Opening {
        revision: Revision::negotiate(opening.protocol_version.as_str()),
        client_name: shown(&format!("{} {}", client.name, client.version), 80),
        capabilities: ClientCapabilities::read(&declared.capabilities),
    })
}

/// Reads the parameters of `tools/call`.
///
/// # Errors
/// `-32602` when they are not an object with a name and, optionally, an object of arguments.
pub fn read_tool_call(raw: Option<&RawValue>) -> Result<CallToolRequestParams, RpcError> {
    params("tools/call", raw)
}

/// Reads the URI of `resources/read`.
///
/// # Errors
/// `-32602` when there is none.
pub fn read_uri(raw: Option<&RawValue>) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct ReadResource {
        uri: String,
    }
    params::<ReadResource>("resources/read", raw).map(|read| read.uri)
}

/// Checks the parameters of a list. Every list fits on one page, so that a cursor can only be somebody else's.
///
/// # Errors
/// `-32602` for any cursor (MCP 2026-07-28, server/utilities/pagination, "Error Handling").
pub fn check_list(method: &str, raw: Option<&RawValue>) -> Result<(), RpcError> {
    #[derive(Deserialize)]
    struct List {
        cursor: Option<String>,
    }
    match params::<List>(method, raw)?.cursor {
        None => Ok(()),
        Some(_) => Err(RpcError::invalid_params(format!(
            "This cursor was not given by this server: `{method}` has one page. Ask without a cursor."
        ))),
    }
}

/// A prompt that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptCall {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

/// Reads the parameters of `prompts/get`.
///
/// # Errors
/// `-32602` when they are not a name and, optionally, an object of texts.
pub fn read_prompt_call(raw: Option<&RawValue>) -> Result<PromptCall, RpcError> {
    #[derive(Deserialize)]
    struct GetPrompt {
        name: String,
        #[serde(default)]
        arguments: Option<std::collections::BTreeMap<String, String>>,
    }
    let GetPrompt { name, arguments } = params("prompts/get", raw)?;
    let arguments = arguments.unwrap_or_default();
    Ok(PromptCall {
        name,
        arguments: arguments.into_iter().map(|(name, value)| (name, value.into())).collect(),
    })
}

/// What a person is typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionCall {
    /// What can complete it.
    pub completion: Completion,
    /// What was typed so far.
    pub typed: String,
    /// What was chosen for the other arguments.
    pub chosen: Vec<(String, String)>,
}

/// Reads the parameters of `completion/complete`.
///
/// # Errors
/// `-32602` when there is no such prompt, template or argument.
pub fn read_completion(raw: Option<&RawValue>) -> Result<CompletionCall, RpcError> {
    #[derive(Deserialize)]
    struct Complete {
        #[serde(rename = "ref")]
        reference: Reference,
        argument: Argument,
        #[serde(default)]
        context: Context,
    }
    #[derive(Deserialize)]
    #[serde(tag = "type")]
    enum Reference {
        #[serde(rename = "ref/prompt")]
        Prompt { name: String },
        #[serde(rename = "ref/resource")]
        Template { uri: String },
    }
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        value: String,
    }
    #[derive(Default, Deserialize)]
    struct Context {
        #[serde(default)]
        arguments: std::collections::BTreeMap<String, String>,
    }
    let call: Complete = params("completion/complete", raw)?;
    let argument = &call.argument.name;
    let found = match &call.reference {
        Reference::Prompt { name } => Prompt::from_wire(name).and_then(|prompt| prompt.completion(argument)),
        Reference::Template { uri } => Completion::of_template(uri, argument),
    };
    #[cfg(feature = "conformance")]
    let found = found.or_else(|| match &call.reference {
        Reference::Prompt { name } | Reference::Template { uri: name } => {
            crate::fixtures::is_known(name).then_some(Completion::Nothing)
        }
    });
    let Some(completion) = found else {
        return Err(RpcError::invalid_params(
            "There is no such prompt or template, or it has no such argument.",
        ));
    };
    Ok(CompletionCall {
        completion,
        typed: call.argument.value,
        chosen: call.context.arguments.into_iter().collect(),
    })
}

/// The request id in a `notifications/cancelled`, or `None` if there is none that could be known.
#[must_use]
pub fn read_cancelled(raw: Option<&RawValue>) -> Option<Id> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancelled {
        request_id: Id,
    }
    serde_json::from_str::<Cancelled>(raw?.get()).ok().map(|cancelled| cancelled.request_id)
}

/// Reads the level of `logging/setLevel`.
///
/// # Errors
/// `-32602` when it is none of the eight levels (MCP 2025-11-25, server/utilities/logging, "Error Handling").
#[cfg(feature = "conformance")]
pub fn read_log_level(raw: Option<&RawValue>) -> Result<super::envelope::LogLevel, RpcError> {
    #[derive(Deserialize)]
    struct SetLevel {
        level: super::envelope::LogLevel,
    }
    params::<SetLevel>("logging/setLevel", raw).map(|wish| wish.level)
}

/// The token under which a client wants to be told of a request's progress, if it gave one (MCP 2025-11-25,
/// basic/utilities/progress).
#[must_use]
pub fn read_progress_token(meta: &Map<String, Value>) -> Option<Id> {
    match serde_json::from_value(meta.get("progressToken")?.clone()).ok()? {
        Id::Text(text) if text.len() > JSONRPC_ID_BYTES_MAX => None,
        token => Some(token),
    }
}

/// The notification that tells a client how far its request is. The total is not known.
#[must_use]
pub fn progress(token: &Id, progress: u32, message: &str) -> String {
    let params = serde_json::json!({ "progressToken": token, "progress": progress, "message": message });
    super::watched::notification("notifications/progress", params)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn bad_parameters_say_what_is_wrong() {
        let error = read_tool_call(Some(&raw(r#"{"arguments":{}}"#))).unwrap_err();
        assert!(error.message.contains("name"), "{}", error.message);
        assert!(!error.message.contains("line"), "{}", error.message);
        let error = read_opening(Some(&raw("{}"))).unwrap_err();
        assert!(error.message.contains("protocolVersion"), "{}", error.message);
        assert_eq!(read_uri(None).unwrap_err().code, -32602);
        assert_eq!(check_list("tools/list", Some(&raw(r#"{"cursor":"x"}"#))).unwrap_err().code, -32602);
        assert!(check_list("tools/list", None).is_ok());
        let error = read_prompt_call(Some(&raw(r#"{"name":"a","arguments":{"b":1}}"#))).unwrap_err();
        assert_eq!(error.code, -32602);
    }

    #[test]
    fn an_opening_says_what_the_client_can_be_asked_for() {
        let opening = json!({"protocolVersion": "2026-07-28", "capabilities": {"elicitation": {}},
                             "clientInfo": {"name": "c", "version": "1"}});
        let opening = read_opening(Some(&raw(&opening.to_string()))).unwrap();
        assert_eq!(opening.revision, Revision::November2025);
        assert!(opening.capabilities.forms && !opening.capabilities.sampling);
    }

    #[test]
    fn the_cancelled_id_is_read_or_ignored() {
        let id = read_cancelled(Some(&raw(r#"{"requestId":7}"#)));
        assert_eq!(id, Some(Id::Integer(7)));
        assert_eq!(read_cancelled(Some(&raw("{}"))), None);
    }

    #[test]
    fn completions_are_found_by_prompt_and_template() {
        let ask = |reference: Value, argument: &str| {
            let params = json!({"ref": reference, "argument": {"name": argument, "value": "Ma"},
                                "context": {"arguments": {"teamId": "t"}}});
            read_completion(Some(&raw(&params.to_string()))).map_err(|error| error.code)
        };
        let channel =
            json!({"type": "ref/resource", "uri": "microsoft://teams/{teamId}/channels/{channelId}"});
        let found = ask(channel.clone(), "channelId").unwrap();
        assert_eq!((found.completion, found.typed.as_str()), (Completion::Channels, "Ma"));
        assert_eq!(found.chosen, [("teamId".to_owned(), "t".to_owned())]);
        assert_eq!(ask(channel, "other"), Err(-32602));
        assert_eq!(ask(json!({"type": "ref/prompt", "name": "nothing"}), "x"), Err(-32602));
        assert_eq!(ask(json!({"type": "ref/other"}), "x"), Err(-32602));
        let weekly = json!({"type": "ref/prompt", "name": "weekly-summary"});
        assert_eq!(ask(weekly, "calendar").unwrap().completion, Completion::Calendars);
    }
}
