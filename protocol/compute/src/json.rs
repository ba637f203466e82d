//! JSON values as text, and how long that text is.
//!
//! What holds here: the text is that of `serde_json`, and the length is that of the text, of which nothing is written.

use serde_json::{Map, Value};

/// A value as text.
#[must_use]
pub fn text(value: &Value) -> String {
    // A value has no members that are no text, which is all that could fail.
    serde_json::to_string(value).unwrap_or_default()
}

/// A text as JSON, in its quotation marks.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Bytes of a value as text.
#[must_use]
pub fn text_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => string_bytes(text),
        Value::Array(items) => 2 + separators(items.len()) + items.iter().map(text_bytes).sum::<usize>(),
        Value::Object(members) => members_bytes(members),
    }
}

/// Bytes of an object as text, its brackets included.
#[must_use]
pub fn members_bytes(members: &Map<String, Value>) -> usize {
    let member = |(name, value): (&String, &Value)| string_bytes(name) + 1 + text_bytes(value);
    2 + separators(members.len()) + members.iter().map(member).sum::<usize>()
}

const fn separators(items: usize) -> usize {
    items.saturating_sub(1)
}

/// Bytes of a text as JSON, its quotation marks included.
#[must_use]
pub fn string_bytes(text: &str) -> usize {
    2 + text.bytes().map(escaped_bytes).sum::<usize>()
}

/// RFC 8259, section 7: what must be escaped, and what has a short form.
const fn escaped_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0a | 0x0c | 0x0d => 2,
        0x00..=0x1f => 6,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_length_is_that_of_the_text() {
        let every_character: String =
            (0..0x250_u32).filter_map(char::from_u32).chain(['😀', '\u{2028}']).collect();
        for value in [
            json!(null),
            json!([true, false, 0, -1, u64::MAX, 1.5, 1e300, -0.0]),
            json!([]),
            json!({}),
            json!([[], {}, [null]]),
            json!(every_character),
            json!({"a": {"b\n": [1, "c"]}, every_character.as_str(): {"d": null}}),
        ] {
            assert_eq!(text_bytes(&value), text(&value).len(), "{value}");
        }
        assert_eq!(string_bytes(&every_character), serde_json::to_string(&every_character).unwrap().len());
    }
}
