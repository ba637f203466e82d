//! What is shown of condensing, where operators named a model: one argument, and what its answers have.
//!
//! What must never happen here: without that setting none of it is shown, so that the list is no longer than it was.

use serde_json::{Value, json};

/// A tool as it is shown where a model can condense what it reads.
pub(super) fn with_condensing(mut tool: Value) -> Value {
    let text = "a summary by a model in place of a long text";
    let additions = [
        ("/inputSchema/properties", "condense", json!({"type": "boolean", "description": text})),
        ("/outputSchema/properties", "summary", json!({"type": "string"})),
        (
            "/outputSchema/properties",
            "condensed",
            json!({"type": "object", "properties": {"route": {"type": "string"}, "fromBytes": {"type": "integer"},
                "isCut": {"type": "boolean"}}}),
        ),
        ("/outputSchema/properties", "note", json!({"type": "string"})),
    ];
    for (place, name, property) in additions {
        if let Some(properties) = tool.pointer_mut(place).and_then(Value::as_object_mut) {
            properties.insert(name.to_owned(), property);
        }
    }
    // A mail of a condensed conversation is named without its text.
    if let Some(required) = tool.pointer_mut("/outputSchema/properties/messages/items/required") {
        *required = json!(["id"]);
    }
    tool
}

#[cfg(test)]
mod tests {
    use super::super::tool_list;
    use crate::tools::{Offer, Toolsets};
    use serde_json::Value;

    #[test]
    fn the_argument_is_there_only_where_a_model_is_named() {
        let shown = |condenses| Value::Object(tool_list(Offer { condenses, ..Offer::default() })).to_string();
        assert!(!shown(false).contains("condense"));
        assert_eq!(shown(true).matches("\"condense\":").count(), 2);
        let toolsets = Toolsets::parse("read-only").unwrap();
        let reading = Value::Object(tool_list(Offer { toolsets, condenses: true, ..Offer::default() }));
        assert_eq!(reading.to_string().matches("\"condense\":").count(), 2, "it only reads");
    }
}
