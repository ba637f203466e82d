//! Handles: short names for Microsoft's long identifiers, which models cut and misspell.
//!
//! What holds here: the same identifier has the same handle for a person, and no other person's handle is ever equal to
//! it except by chance of one in 2^60, since it is made under the person's own key; and even then it names nothing there.
//! Whoever knows the identifier itself may go on using it.

use serde_json::{Map, Value};

use super::error::ToolError;
use crate::graph::percent_encode;
use crate::limits::HANDLED_ID_BYTES_MIN;

/// What every handle begins with. No identifier of Microsoft's does.
const PREFIX: &str = "h_";

/// Letters and digits that are not mistaken for each other (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Letters behind the prefix: sixty bits.
const LETTERS: usize = 12;

/// The handle that a keyed digest of an identifier makes.
#[must_use]
pub fn handle_of(digest: &[u8]) -> String {
    let mut bits = digest.iter().take(8).fold(0_u64, |bits, byte| (bits << 8) | u64::from(*byte));
    let mut out = PREFIX.to_owned();
    for _ in 0..LETTERS {
        let letter = ALPHABET.get((bits >> 59) as usize).copied().unwrap_or(b'0');
        out.push(char::from(letter));
        bits <<= 5;
    }
    out
}

/// Whether a text has the form of a handle.
#[must_use]
pub fn is_handle(text: &str) -> bool {
    text.len() == PREFIX.len() + LETTERS
        && text.strip_prefix(PREFIX).is_some_and(|rest| rest.bytes().all(|byte| ALPHABET.contains(&byte)))
}

/// Whether a member of a result or an argument of a call names something.
fn names_something(member: &str) -> bool {
    matches!(member, "id" | "ids" | "folder" | "parent" | "replyTo") || member.ends_with("Id")
}

/// Shows every identifier of a result to `visit`, which may put another text in its place.
pub fn visit(value: &mut Value, visit_one: &mut dyn FnMut(&mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, visit_one)),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(id) if names_something(name) && id.len() >= HANDLED_ID_BYTES_MIN => {
                        visit_one(id);
                    }
                    member => visit(member, visit_one),
                }
            }
        }
        _ => {}
    }
}

/// Puts identifiers in the place of the handles among the arguments of a call.
///
/// # Errors
/// A [`ToolError`] of the caller for a handle that is not known, or not any more.
pub fn expand(
    arguments: &mut Map<String, Value>,
    find: &dyn Fn(&str) -> Option<String>,
) -> Result<(), ToolError> {
    for (name, value) in arguments.iter_mut() {
        match value {
            Value::String(text) if names_something(name) && is_handle(text) => *text = found(text, find)?,
            Value::Array(items) => {
                for item in items {
                    match item {
                        Value::String(text) if names_something(name) && is_handle(text) => {
                            *text = found(text, find)?;
                        }
                        Value::Object(members) => expand(members, find)?,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts identifiers in the place of the handles in the URI of a resource; none if it has no handle.
///
/// # Errors
/// As [`expand`].
pub fn expand_uri(uri: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<Option<String>, ToolError> {
    if !uri.split('/').any(is_handle) {
        return Ok(None);
    }
    let whole = |part: &str| {
        if !is_handle(part) {
            return Ok(part.to_owned());
        }
        // It is decoded once where it is read.
        found(part, find).map(|id| percent_encode(&id, b"-._~"))
    };
    let parts: Vec<String> = uri.split('/').map(whole).collect::<Result<_, ToolError>>()?;
    Ok(Some(parts.join("/")))
}

fn found(handle: &str, find: &dyn Fn(&str) -> Option<String>) -> Result<String, ToolError> {
    find(handle).ok_or_else(|| {
        ToolError::not_found(format!(
            "The identifier {handle} is not known here, or not any more. List or search again, and copy the \
             identifier as it is."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_handle_in_a_uri_stands_for_what_it_names() {
        let find = |handle: &str| (handle == "h_0123456789ab").then(|| "AA/b==".to_owned());
        let expand = |uri: &str| expand_uri(uri, &find).map_err(|error| error.code);
        let long = "microsoft://mail/messages/AA%2Fb%3D%3D".to_owned();
        assert_eq!(expand("microsoft://mail/messages/h_0123456789ab"), Ok(Some(long)));
        assert_eq!(expand("microsoft://mail/messages/AAMk"), Ok(None));
        assert_eq!(expand("microsoft://mail/messages/h_zzzzzzzzzzzz"), Err("not_found"));
    }

    #[test]
    fn a_handle_is_short_and_known_by_its_form() {
        let handle = handle_of(&[0xff; 16]);
        assert_eq!(handle, "h_zzzzzzzzzzzz");
        assert!(is_handle(&handle) && is_handle(&handle_of(&[0; 16])));
        assert_ne!(handle_of(&[1; 16]), handle_of(&[2; 16]));
        for other in [
            "",
            "h_",
            "h_zzzzzzzzzzz",
            "h_zzzzzzzzzzzzz",
            "h_ZZZZZZZZZZZZ",
            "AAMkzzzzzzzzzz",
            "h_zzzzzzzzzzzu",
        ] {
            assert!(!is_handle(other), "{other}");
        }
    }

    #[test]
    fn every_long_identifier_of_a_result_is_visited_and_nothing_else() {
        let long = "A".repeat(HANDLED_ID_BYTES_MIN);
        let mut value = json!({"messages": [{"id": long, "subject": long, "attachments": [{"id": long}]}],
                               "messageId": long, "id": "short", "status": "sent"});
        let mut count = 0;
        visit(&mut value, &mut |id| {
            count += 1;
            "h".clone_into(id);
        });
        assert_eq!(count, 3);
        assert_eq!(value["messages"][0], json!({"id": "h", "subject": long, "attachments": [{"id": "h"}]}));
        assert_eq!((value["messageId"].as_str(), value["id"].as_str()), (Some("h"), Some("short")));
    }

    #[test]
    fn handles_become_identifiers_where_something_is_named() {
        let handle = handle_of(&[1; 16]);
        let find = |text: &str| (text == handle).then(|| "LONG=".to_owned());
        let mut arguments = json!({"id": handle, "ids": [handle, "OTHER="], "body": handle, "folder": "inbox",
                                   "attachments": [{"messageId": handle, "name": handle}]});
        expand(arguments.as_object_mut().unwrap(), &find).unwrap();
        assert_eq!(
            arguments,
            json!({"id": "LONG=", "ids": ["LONG=", "OTHER="], "body": handle, "folder": "inbox",
                   "attachments": [{"messageId": "LONG=", "name": handle}]})
        );
        let mut unknown = json!({"id": handle_of(&[2; 16])});
        assert_eq!(expand(unknown.as_object_mut().unwrap(), &find).unwrap_err().code, "not_found");
    }
}
