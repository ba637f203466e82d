//! Reading Graph's answers: pages of items, and items cut down to what a tool shows.
//!
//! What holds here: a member is shown only if it has the type that the output schema promises; what is absent, null or
//! of another type stays absent.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::error::{Fault, ToolError};
use crate::graph::continuation;
use crate::outbound::Answer;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page {
    /// The items.
    pub value: Vec<Value>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl Page {
    /// Reads a page.
    pub(super) fn read(answer: &Answer) -> Result<Self, ToolError> {
        read(answer)
    }

    /// The path of the next page of the list at `path`.
    pub(super) fn next(&self, path: &str) -> Option<String> {
        continuation(path, self.next_link.as_deref()?)
    }

    /// Whether Microsoft has more than this page.
    pub(super) const fn has_more(&self) -> bool {
        self.next_link.is_some()
    }
}

/// Reads an answer.
///
/// # Errors
/// A fault of Microsoft's, when it has another form than is documented.
pub(super) fn read<T: DeserializeOwned>(answer: &Answer) -> Result<T, ToolError> {
    serde_json::from_slice(&answer.body).map_err(|_| {
        ToolError::new(
            Fault::Microsoft,
            "unexpected_answer",
            "Microsoft's answer has an unexpected form. Nothing was changed.",
        )
    })
}

/// The type that a member must have to be shown.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A text that is not empty.
    Text,
    /// True or false.
    Flag,
}

/// A member of a result: its name, where it stands in Graph's item as a JSON pointer, and its type.
pub(super) type Field = (&'static str, &'static str, Kind);

/// The value at a JSON pointer that needs no escapes (RFC 6901), as all of ours. The general way makes two texts of each
/// step, for each member of each item.
fn at<'a>(item: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(item, |value, step| match value {
        Value::Object(members) => members.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The members of an item that are shown.
pub(super) fn shown(item: &Value, fields: &[Field]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, pointer, kind) in fields {
        let Some(value) = at(item, pointer) else { continue };
        let has_type = match kind {
            Kind::Text => value.as_str().is_some_and(|text| !text.is_empty()),
            Kind::Flag => value.is_boolean(),
        };
        if has_type {
            out.insert((*name).to_owned(), value.clone());
        }
    }
    out
}

/// A text in an item.
pub(super) fn text<'a>(item: &'a Value, pointer: &str) -> Option<&'a str> {
    at(item, pointer)?.as_str().filter(|text| !text.is_empty())
}

/// The items of a list in an item; none if there is no list.
pub(super) fn list<'a>(item: &'a Value, pointer: &str) -> &'a [Value] {
    at(item, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The person of an `emailAddress`, with name and address as far as they are known.
pub(super) fn person(recipient: Option<&Value>) -> Option<Value> {
    let recipient = recipient?;
    let fields: [Field; 2] =
        [("name", "/emailAddress/name", Kind::Text), ("address", "/emailAddress/address", Kind::Text)];
    let person = shown(recipient, &fields);
    (!person.is_empty()).then_some(Value::Object(person))
}

/// Recipients of a message or an event that is written.
pub(super) fn recipient(address: &str) -> Value {
    json!({"emailAddress": {"address": address}})
}
