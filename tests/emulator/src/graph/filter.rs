//! The words of `$filter`: tokens, literals and the ids of extended properties. What they mean together is in
//! `condition.rs`. A text that cannot be read is refused, never guessed at.

use super::error::GraphError;
use crate::clock::parse_iso;
use std::cmp::Ordering;

/// How deep brackets may nest.
pub const MAX_DEPTH: usize = 20;

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// `'text'`
    Text(String),
    /// `true`
    Flag(bool),
    /// `2026-01-01T00:00:00Z`
    Moment(u64),
    /// `null`
    Null,
}

/// The refusal of a filter that cannot be read.
pub fn syntax(detail: &str) -> GraphError {
    GraphError::bad_request(format!("Invalid filter clause: {detail}"))
}

/// Cuts a filter into words, quoted texts and single marks.
fn tokens(text: &str) -> Result<Vec<String>, GraphError> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if matches!(c, '(' | ')' | ',') {
            out.push(c.to_string());
            continue;
        }
        let mut word = c.to_string();
        if c == '\'' {
            loop {
                match chars.next() {
                    Some('\'') if chars.peek() == Some(&'\'') => {
                        chars.next();
                        word.push('\'');
                    }
                    Some('\'') => break,
                    Some(inner) => word.push(inner),
                    None => return Err(syntax("there is an unterminated string literal.")),
                }
            }
        } else {
            while let Some(next) =
                chars.next_if(|n| !n.is_whitespace() && !matches!(n, '(' | ')' | ',' | '\''))
            {
                word.push(next);
            }
        }
        out.push(word);
    }
    Ok(out)
}

/// The tokens of a filter, taken one by one.
pub struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
}

impl Parser {
    /// Cuts a filter into tokens.
    pub fn new(text: &str) -> Result<Self, GraphError> {
        Ok(Self { tokens: tokens(text)?.into_iter().peekable() })
    }

    /// The next token.
    pub fn next(&mut self) -> Result<String, GraphError> {
        self.tokens.next().ok_or_else(|| syntax("it ends too early."))
    }

    /// Takes one certain token.
    pub fn expect(&mut self, wanted: &str) -> Result<(), GraphError> {
        let got = self.next()?;
        if got == wanted { Ok(()) } else { Err(syntax(&format!("'{wanted}' expected, '{got}' found."))) }
    }

    /// Takes one certain token if it is there.
    pub fn accept(&mut self, wanted: &str) -> bool {
        self.tokens.next_if(|token| token == wanted).is_some()
    }

    /// Demands that nothing is left.
    pub fn finish<T>(mut self, parsed: T) -> Result<T, GraphError> {
        match self.tokens.next() {
            None => Ok(parsed),
            Some(rest) => Err(syntax(&format!("'{rest}' was not expected."))),
        }
    }
}

/// A quoted text.
pub fn text_literal(token: &str) -> Result<String, GraphError> {
    let text =
        token.strip_prefix('\'').ok_or_else(|| syntax(&format!("'{token}' is not a string literal.")))?;
    Ok(text.to_owned())
}

/// A literal of any type.
pub fn literal(token: &str) -> Result<Literal, GraphError> {
    if let Some(text) = token.strip_prefix('\'') {
        return Ok(Literal::Text(text.to_owned()));
    }
    match token {
        "true" => Ok(Literal::Flag(true)),
        "false" => Ok(Literal::Flag(false)),
        "null" => Ok(Literal::Null),
        other => parse_iso(other)
            .map(Literal::Moment)
            .ok_or_else(|| syntax(&format!("'{other}' is not a literal of a known type."))),
    }
}

/// Checks an extended property's id: `String {guid} Name x`, `String {guid} Id 0x1`, `String 0x1`.
pub fn extended_id(id: &str) -> Result<String, GraphError> {
    let words: Vec<&str> = id.splitn(4, ' ').collect();
    let number = |text: &str| text.strip_prefix("0x").is_some_and(|hex| u32::from_str_radix(hex, 16).is_ok());
    let guid = |text: &str| {
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or_default();
        let groups: Vec<usize> = inner.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && inner.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
    };
    let good = match words.as_slice() {
        [kind, tag] => is_mapi_type(kind) && number(tag),
        [kind, set, "Name", name] => is_mapi_type(kind) && guid(set) && !name.is_empty(),
        [kind, set, "Id", tag] => is_mapi_type(kind) && guid(set) && number(tag),
        _ => false,
    };
    if good {
        return Ok(id.to_owned());
    }
    Err(GraphError::bad(
        "ErrorInvalidExtendedProperty",
        format!("The extended property id '{id}' is not valid."),
    ))
}

fn is_mapi_type(kind: &str) -> bool {
    let known = ["String", "Integer", "Boolean", "Double", "Long", "SystemTime", "Binary", "CLSID", "Guid"];
    known.contains(&kind)
}

/// Parses the filter inside of an expanded extended property: `id eq '…'`, several joined by `or`.
pub fn extended_ids(text: &str) -> Result<Vec<String>, GraphError> {
    let mut parser = Parser::new(text)?;
    let mut ids = Vec::new();
    loop {
        parser.expect("id")?;
        parser.expect("eq")?;
        ids.push(extended_id(&text_literal(&parser.next()?)?)?);
        if parser.tokens.peek().is_none() {
            return Ok(ids);
        }
        parser.expect("or")?;
    }
}

/// Whether an operator accepts how two values compare.
pub fn holds(operator: &str, ordering: Ordering) -> bool {
    match operator {
        "eq" => ordering.is_eq(),
        "ne" => ordering.is_ne(),
        "gt" => ordering.is_gt(),
        "ge" => ordering.is_ge(),
        "lt" => ordering.is_lt(),
        _ => ordering.is_le(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_extended_properties_are_checked() {
        let id = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name operation";
        assert_eq!(extended_ids(&format!("id eq '{id}' or id eq 'String 0x1'")).unwrap().len(), 2);
        for bad in ["", "id eq 'x'", "id eq 'String 0xZ'", "id ne 'String 0x1'", "id eq 'String 0x1' and"] {
            assert_eq!(extended_ids(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
