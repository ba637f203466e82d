//! Reading a tool's arguments, with a sentence for everything that is wrong with them.
//!
//! What holds here: unknown arguments are refused and never ignored, because a filter that is silently dropped
//! answers another question than the one that was asked. A value is repeated only when it is short.

use serde_json::{Map, Value};

use super::ToolError;
use super::catalogue::Tool;
use crate::civil::{self, When};
use crate::graph::segment;

/// The longest address that a mail can have: 64 bytes, `@`, 255 bytes (RFC 5321, section 4.5.3.1).
const ADDRESS_BYTES_MAX: usize = 320;
const IDENTIFIER_BYTES_MAX: usize = 1_024;
const TIME_BYTES_MAX: usize = 40;
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// The arguments of one call.
pub struct Arguments<'a> {
    tool: &'static str,
    values: &'a Map<String, Value>,
}

impl<'a> Arguments<'a> {
    /// Takes the arguments of a tool that knows exactly the names in `known`.
    ///
    /// # Errors
    /// The first unknown name, with the list of the known ones.
    pub fn of(tool: Tool, values: &'a Map<String, Value>, known: &[&str]) -> Result<Self, ToolError> {
        Self::new(tool.name(), values, known)
    }

    fn new(tool: &'static str, values: &'a Map<String, Value>, known: &[&str]) -> Result<Self, ToolError> {
        match values.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self { tool, values }),
            Some(name) => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                Err(ToolError::argument(format!(
                    "`{tool}` has no argument `{name}`. It takes: {}.",
                    known.join(", ")
                )))
            }
        }
    }

    /// An optional argument; JSON `null` counts as absent, because many models write it so.
    fn value(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    fn wrong(&self, name: &str, expected: &str) -> ToolError {
        let got = match self.value(name) {
            None => "it is missing".to_owned(),
            Some(value) => {
                let shown: String = value.to_string().chars().take(40).collect();
                format!("got {shown}")
            }
        };
        ToolError::argument(format!("The argument `{name}` of `{}` must be {expected}; {got}.", self.tool))
    }

    /// An optional text of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The argument is no text, is empty or too long.
    pub fn optional_text(&self, name: &str, bytes_max: usize) -> Result<Option<&'a str>, ToolError> {
        let expected = || format!("a text of 1 to {bytes_max} bytes");
        match self.value(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() && text.len() <= bytes_max => Ok(Some(text)),
            Some(Value::String(text)) if !text.is_empty() => Err(ToolError::argument(format!(
                "The argument `{name}` of `{}` is too long: {} bytes, at most {bytes_max} are accepted.",
                self.tool,
                text.len()
            ))),
            Some(_) => Err(self.wrong(name, &expected())),
        }
    }

    /// A required text of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The argument is missing, no text, empty or too long.
    pub fn text(&self, name: &str, bytes_max: usize) -> Result<&'a str, ToolError> {
        self.optional_text(name, bytes_max)?
            .ok_or_else(|| self.wrong(name, &format!("a text of 1 to {bytes_max} bytes")))
    }

    /// An optional whole number within a range.
    ///
    /// # Errors
    /// The argument is no whole number or out of range.
    pub fn integer(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ToolError> {
        match self.value(name) {
            None => Ok(default),
            Some(value) => value.as_u64().filter(|number| range.contains(number)).ok_or_else(|| {
                self.wrong(name, &format!("a whole number from {} to {}", range.start(), range.end()))
            }),
        }
    }

    /// An optional yes or no.
    ///
    /// # Errors
    /// The argument is neither `true` nor `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ToolError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => value.as_bool().map(Some).ok_or_else(|| self.wrong(name, "true or false")),
        }
    }

    /// An optional line of at most `chars_max` characters.
    ///
    /// # Errors
    /// The argument is no text, too long or has a line break.
    pub fn line(&self, name: &str, chars_max: usize) -> Result<Option<&'a str>, ToolError> {
        let line = self.optional_text(name, chars_max * 4)?;
        match line {
            Some(text) if text.chars().count() > chars_max || text.chars().any(char::is_control) => {
                Err(ToolError::argument(format!(
                    "The argument `{name}` of `{}` must be one line of at most {chars_max} characters.",
                    self.tool
                )))
            }
            line => Ok(line),
        }
    }

    /// An optional identifier of Graph, encoded as a path segment.
    ///
    /// # Errors
    /// The argument is no text, or has a character that no identifier has.
    pub fn identifier(&self, name: &str) -> Result<Option<String>, ToolError> {
        let Some(text) = self.optional_text(name, IDENTIFIER_BYTES_MAX)? else { return Ok(None) };
        segment(text)
            .map(Some)
            .map_err(|_| self.wrong(name, "an identifier as another tool or resource gave it"))
    }

    /// A required identifier of Graph, encoded as a path segment.
    ///
    /// # Errors
    /// As [`Arguments::identifier`], and when it is missing.
    pub fn required_identifier(&self, name: &str) -> Result<String, ToolError> {
        let expected = "an identifier as another tool or resource gave it";
        self.identifier(name)?.ok_or_else(|| self.wrong(name, expected))
    }

    /// A list of one to `most` identifiers, each as it was given and as a path segment.
    ///
    /// # Errors
    /// The argument is no such list.
    pub fn identifiers(&self, name: &str, most: usize) -> Result<Vec<(String, String)>, ToolError> {
        let wrong =
            || self.wrong(name, &format!("a list of 1 to {most} identifiers as another tool gave them"));
        let given = self.texts(name)?;
        if given.is_empty() || given.len() > most {
            return Err(wrong());
        }
        given.into_iter().map(|id| Ok((id.to_owned(), segment(id).map_err(|_| wrong())?))).collect()
    }

    /// The name of the tool.
    #[must_use]
    pub const fn tool(&self) -> &'static str {
        self.tool
    }

    /// An optional list of anything.
    ///
    /// # Errors
    /// The argument is no list.
    pub fn list(&self, name: &str) -> Result<&'a [Value], ToolError> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// An optional email address.
    ///
    /// # Errors
    /// The argument is no plain address.
    pub fn one_address(&self, name: &str) -> Result<Option<&'a str>, ToolError> {
        let text = self.optional_text(name, ADDRESS_BYTES_MAX)?;
        text.map(|address| self.address(name, address)).transpose()
    }

    /// An optional date or time.
    ///
    /// # Errors
    /// The argument is no date and no time.
    pub fn when(&self, name: &str) -> Result<Option<When>, ToolError> {
        let Some(text) = self.optional_text(name, TIME_BYTES_MAX)? else { return Ok(None) };
        civil::read(text).map(Some).ok_or_else(|| {
            self.wrong(name, "a date (2026-01-31), a local time (2026-01-31T14:30) or a time with an offset")
        })
    }

    /// An optional list of email addresses.
    ///
    /// # Errors
    /// The argument is no list, or one of its items is no plain address.
    pub fn addresses(&self, name: &str) -> Result<Vec<&'a str>, ToolError> {
        self.texts(name)?.into_iter().map(|address| self.address(name, address)).collect()
    }

    fn address(&self, name: &str, address: &'a str) -> Result<&'a str, ToolError> {
        let address = address.trim();
        let is_refused = |c: char| c.is_whitespace() || c.is_control() || "<>()[],;:\\\"".contains(c);
        let is_plausible = address.len() <= ADDRESS_BYTES_MAX
            && address.split('@').count() == 2
            && !address.starts_with('@')
            && !address.ends_with('@')
            && !address.chars().any(is_refused);
        if is_plausible {
            return Ok(address);
        }
        let shown: String = address.chars().filter(|c| !c.is_control()).take(60).collect();
        Err(ToolError::argument(format!(
            "`{shown}` in the argument `{name}` of `{}` is not an email address. Give plain addresses such as \
             name@example.com, without names or brackets.",
            self.tool
        )))
    }

    /// Checks the name that a client gave a write. The object recognises repeats by it.
    ///
    /// # Errors
    /// The argument is no text or too long.
    pub fn check_idempotency_key(&self) -> Result<(), ToolError> {
        self.optional_text("idempotencyKey", IDEMPOTENCY_KEY_BYTES_MAX).map(|_| ())
    }

    /// The members of an optional object, which knows exactly the names in `known`.
    ///
    /// # Errors
    /// The argument is no object, or has an unknown member.
    pub fn inside(&self, name: &str, known: &[&str]) -> Result<Option<Self>, ToolError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Object(values)) => Self::new(self.tool, values, known).map(Some),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    /// An error about an argument that is missing or wrong.
    #[must_use]
    pub fn must_be(&self, name: &str, expected: &str) -> ToolError {
        self.wrong(name, expected)
    }

    /// An optional choice.
    ///
    /// # Errors
    /// The argument is none of the choices.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)], default: T) -> Result<T, ToolError> {
        let Some(value) = self.value(name) else { return Ok(default) };
        let chosen = choices.iter().find(|(label, _)| Some(*label) == value.as_str());
        chosen.map(|(_, choice)| *choice).ok_or_else(|| {
            let labels: Vec<&str> = choices.iter().map(|(label, _)| *label).collect();
            self.wrong(name, &format!("one of: {}", labels.join(", ")))
        })
    }

    /// An optional list of texts.
    ///
    /// # Errors
    /// The argument is no list, or one of its items is no text.
    pub fn texts(&self, name: &str) -> Result<Vec<&'a str>, ToolError> {
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().ok_or_else(|| self.wrong(name, "a list of texts")))
                .collect(),
            Some(_) => Err(self.wrong(name, "a list of texts")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn messages_say_what_to_change() {
        let values = map(serde_json::json!({"count": "ten", "to": 5, "list": [1], "kind": "x"}));
        let arguments = Arguments::new("tool", &values, &["count", "to", "list", "kind"]).unwrap();
        let count = arguments.integer("count", 1..=50, 10).unwrap_err().message;
        assert_eq!(count, "The argument `count` of `tool` must be a whole number from 1 to 50; got \"ten\".");
        assert!(arguments.text("missing", 9).unwrap_err().message.contains("it is missing"));
        assert!(arguments.texts("list").is_err());
        assert!(
            arguments.choice("kind", &[("a", 1), ("b", 2)], 1).unwrap_err().message.contains("one of: a, b")
        );
    }

    #[test]
    fn unknown_arguments_are_refused_and_null_is_absent() {
        let values = map(serde_json::json!({"fliter": 1}));
        let error = Arguments::new("tool", &values, &["filter"]).err().unwrap();
        assert!(error.message.contains("`fliter`") && error.message.contains("filter"), "{error}");
        let values = map(serde_json::json!({"count": null}));
        let arguments = Arguments::new("tool", &values, &["count"]).unwrap();
        assert_eq!(arguments.integer("count", 1..=50, 10), Ok(10));
    }

    #[test]
    fn fractions_and_negatives_are_no_whole_numbers() {
        for value in
            [serde_json::json!(-1), serde_json::json!(1.5), serde_json::json!(0), serde_json::json!(51)]
        {
            let values = map(serde_json::json!({ "count": value }));
            let arguments = Arguments::new("tool", &values, &["count"]).unwrap();
            assert!(arguments.integer("count", 1..=50, 10).is_err());
        }
    }
}
