//! What clients see of the tools: names, descriptions, schemas, annotations.
//!
//! What holds here: the order is fixed and a harmless reading tool comes first; every tool has an output schema
//! with an object at its root and no `$ref`; all four annotations are set, because their defaults call a tool
//! destructive and hosts ask people accordingly.

use std::sync::Arc;

use rmcp::model::ToolAnnotations;
use serde_json::{Value, json};

use super::{get_emails, send_email};

/// A tool of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Lists mail of a folder.
    GetEmails,
    /// Sends a mail.
    SendEmail,
}

impl Tool {
    const ALL: [Self; 2] = [Self::GetEmails, Self::SendEmail];

    /// The tool of a wire name.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// The name on the wire and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GetEmails => get_emails::NAME,
            Self::SendEmail => send_email::NAME,
        }
    }

    /// The scope that an access token needs for the tool.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::GetEmails => "mail.read",
            Self::SendEmail => "mail.send",
        }
    }

    /// Whether the tool changes anything.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::GetEmails => false,
            Self::SendEmail => true,
        }
    }

    fn describe(self) -> Description {
        match self {
            Self::GetEmails => get_emails::describe(),
            Self::SendEmail => send_email::describe(),
        }
    }
}

/// What a tool's own file says of it.
pub(super) struct Description {
    /// The title that people see.
    pub title: &'static str,
    /// When to use it and what it does not do.
    pub description: &'static str,
    /// The schema of its arguments.
    pub input: Value,
    /// The schema of its structured result.
    pub output: Value,
    /// Whether a wrong call cannot be taken back.
    pub destructive: bool,
}

/// Every scope that the tools need, once each.
#[must_use]
pub fn scopes() -> Vec<&'static str> {
    let mut scopes: Vec<&'static str> = Vec::new();
    for tool in Tool::ALL {
        if !scopes.contains(&tool.scope()) {
            scopes.push(tool.scope());
        }
    }
    scopes
}

/// The whole catalogue, in its fixed order.
#[must_use]
pub fn catalogue() -> Vec<rmcp::model::Tool> {
    Tool::ALL
        .into_iter()
        .map(|tool| {
            let description = tool.describe();
            let annotations = ToolAnnotations::with_title(description.title)
                .read_only(!tool.writes())
                .destructive(description.destructive)
                .idempotent(!tool.writes())
                .open_world(true);
            let mut shown =
                rmcp::model::Tool::new(tool.name(), description.description, object(description.input));
            shown.title = Some(description.title.to_owned());
            shown.output_schema = Some(Arc::new(object(description.output)));
            shown.annotations = Some(annotations);
            shown
        })
        .collect()
}

fn object(schema: Value) -> serde_json::Map<String, Value> {
    match schema {
        Value::Object(map) => map,
        // A schema that is no object would be a mistake of this crate; an empty one accepts everything, and the
        // test below would name the tool.
        _ => serde_json::Map::new(),
    }
}

/// The schema of a person in a result.
pub(super) fn person_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"name": {"type": "string"}, "address": {"type": "string"}},
        "additionalProperties": false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_fully_described() {
        for tool in catalogue() {
            let value = serde_json::to_value(&tool).unwrap();
            for member in ["title", "description", "inputSchema", "outputSchema"] {
                assert!(value.get(member).is_some(), "{} lacks {member}", tool.name);
            }
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(value["annotations"].get(hint).is_some(), "{} lacks {hint}", tool.name);
            }
            assert_eq!(value["inputSchema"]["type"], "object");
            assert_eq!(value["outputSchema"]["type"], "object");
            assert!(!value.to_string().contains("$ref"));
            assert!(tool.name.len() <= 64);
        }
    }

    #[test]
    fn a_harmless_tool_comes_first() {
        assert!(!Tool::ALL[0].writes());
    }

    #[test]
    fn names_are_found_again() {
        for tool in Tool::ALL {
            assert_eq!(Tool::from_wire(tool.name()), Some(tool));
        }
        assert_eq!(Tool::from_wire("getemails"), None);
    }
}
