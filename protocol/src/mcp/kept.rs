//! The form in which the answer of a tool is kept for repeats: what it says twice, once.
//!
//! What holds here: the whole is got back byte by byte, or nothing was left out. An answer has its structured form as a
//! text too, for clients that know no other, which would be half of all that is encrypted and stored.

use compute::json;

/// Stands for the text that was left out. JSON has no such character (RFC 8259, section 7), so no answer has it.
const LEFT_OUT: char = '\0';

const MEMBER: &str = r#""text":"#;
const STRUCTURED: &str = r#"],"structuredContent":"#;
const END: &str = r#","isError":false}"#;

/// An answer without the text that can be made from the rest, if there is one.
#[must_use]
pub fn shortened(answer: &str) -> String {
    let shortened = structured(answer).and_then(|structured| {
        let (before, after) = around(answer, &json::quoted(structured))?;
        Some([before, after].join(LEFT_OUT.encode_utf8(&mut [0; 1])))
    });
    shortened.unwrap_or_else(|| answer.to_owned())
}

/// What is before and after a text, where that is the value of a member called `text`. The text is long, and to search for it
/// everywhere would cost as much as to encrypt it.
fn around<'a>(answer: &'a str, text: &str) -> Option<(&'a str, &'a str)> {
    answer.match_indices(MEMBER).find_map(|(at, member)| {
        let (before, rest) = answer.split_at_checked(at + member.len())?;
        Some((before, rest.strip_prefix(text)?))
    })
}

/// The answer that [`shortened`] was given.
#[must_use]
pub fn whole(kept: &str) -> Option<String> {
    let Some((before, after)) = kept.split_once(LEFT_OUT) else { return Some(kept.to_owned()) };
    Some([before, after].join(&json::quoted(structured(after)?)))
}

/// The structured form in an answer. What comes first in it are texts, in which no quotation mark stands for itself.
fn structured(answer: &str) -> Option<&str> {
    answer.split_once(STRUCTURED)?.1.strip_suffix(END)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::{tool_failure, tool_success};
    use crate::time::DurationMs;
    use crate::tools::{Finished, ToolError};
    use serde_json::json;

    #[test]
    fn what_is_said_twice_is_kept_once() {
        let hostile = r#"],"structuredContent":{"a":1},"isError":false}"#;
        for structured in [json!({}), json!({"mails": ["a \"b\" \\ \n c", hostile]}), json!("\u{0}")] {
            for finished in [Finished::new(structured.clone()), Finished::from_outside(structured, "mail")] {
                let finished = finished.dressed(None, [7; 8]);
                let answer = tool_success(&finished);
                let kept = shortened(&answer);
                assert_eq!(answer.len() - kept.len(), json::quoted(&finished.text()).len() - 1);
                assert_eq!(whole(&kept), Some(answer));
            }
        }
    }

    #[test]
    fn whatever_else_is_an_answer_is_kept_as_it_is() {
        let failure = serde_json::to_string(&tool_failure(&ToolError::deadline(DurationMs(1)))).unwrap();
        for answer in
            ["", "{}", failure.as_str(), r#"{"contents":[],"structuredContent":{},"isError":false}"#]
        {
            assert_eq!(shortened(answer), answer);
            assert_eq!(whole(answer).as_deref(), Some(answer));
        }
        assert_eq!(whole("cut \0 short"), None);
    }
}
