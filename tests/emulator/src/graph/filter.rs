//! `$filter` on messages: a small recursive-descent parser and an evaluator. It knows the comparisons,
//! the text functions and the `any` on extended properties that Exchange allows on messages; everything
//! else is refused, never ignored.

use super::error::GraphError;
use super::odata::{MESSAGE_PROPERTIES, MESSAGE_TYPE};
use crate::clock::parse_iso;
use crate::mailbox::Message;
use std::cmp::Ordering;

/// How deep brackets may nest.
pub const MAX_DEPTH: usize = 20;

/// A parsed filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One holds.
    Or(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A comparison: property, operator, literal.
    Compare(String, String, Literal),
    /// A text function: name, property, text.
    Function(String, String, String),
    /// An extended property with this id has this value.
    Extended(String, String),
}

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

    fn either(&mut self, depth: usize) -> Result<Filter, GraphError> {
        let mut left = self.both(depth)?;
        while self.accept("or") {
            left = Filter::Or(Box::new(left), Box::new(self.both(depth)?));
        }
        Ok(left)
    }

    fn both(&mut self, depth: usize) -> Result<Filter, GraphError> {
        let mut left = self.one(depth)?;
        while self.accept("and") {
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, GraphError> {
        if depth > MAX_DEPTH {
            return Err(syntax("it is nested too deep."));
        }
        if self.accept("not") {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.accept("(") {
            let inner = self.either(depth + 1)?;
            self.expect(")")?;
            return Ok(inner);
        }
        let word = self.next()?;
        if word.eq_ignore_ascii_case("singleValueExtendedProperties/any") {
            return self.any_extended();
        }
        if matches!(word.as_str(), "startswith" | "endswith" | "contains") {
            self.expect("(")?;
            let property = known(self.next()?)?;
            self.expect(",")?;
            let text = text_literal(&self.next()?)?;
            self.expect(")")?;
            return Ok(Filter::Function(word, property, text));
        }
        let property = known(word)?;
        let operator = self.next()?;
        if !matches!(operator.as_str(), "eq" | "ne" | "gt" | "ge" | "lt" | "le") {
            return Err(syntax(&format!("'{operator}' is not an operator.")));
        }
        let literal = literal(&self.next()?)?;
        fits(&property, &literal)?;
        Ok(Filter::Compare(property, operator, literal))
    }

    /// `(ep: ep/id eq '…' and ep/value eq '…')`
    fn any_extended(&mut self) -> Result<Filter, GraphError> {
        self.expect("(")?;
        let word = self.next()?;
        let (variable, rest) = word.split_once(':').ok_or_else(|| syntax("a range variable is missing."))?;
        let id_path = if rest.is_empty() { self.next()? } else { rest.to_owned() };
        if variable.is_empty() || id_path != format!("{variable}/id") {
            return Err(syntax("only the id and the value of an extended property can be compared."));
        }
        self.expect("eq")?;
        let id = extended_id(&text_literal(&self.next()?)?)?;
        self.expect("and")?;
        self.expect(&format!("{variable}/value"))?;
        self.expect("eq")?;
        let value = text_literal(&self.next()?)?;
        self.expect(")")?;
        Ok(Filter::Extended(id, value))
    }

    /// Demands that nothing is left.
    pub fn finish<T>(mut self, parsed: T) -> Result<T, GraphError> {
        match self.tokens.next() {
            None => Ok(parsed),
            Some(rest) => Err(syntax(&format!("'{rest}' was not expected."))),
        }
    }
}

fn known(word: String) -> Result<String, GraphError> {
    let deep = ["from/emailAddress/address", "from/emailAddress/name", "sender/emailAddress/address"];
    if deep.contains(&word.as_str()) || MESSAGE_PROPERTIES.contains(&word.as_str()) {
        return Ok(word);
    }
    Err(GraphError::unknown_in_query(&word, MESSAGE_TYPE))
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

/// Refuses a literal of another type than the property's.
fn fits(property: &str, literal: &Literal) -> Result<(), GraphError> {
    let good = match property {
        _ if property.ends_with("DateTime") => matches!(literal, Literal::Moment(_)),
        "isRead" | "isDraft" | "hasAttachments" => matches!(literal, Literal::Flag(_)),
        "subject" | "internetMessageId" | "conversationId" | "importance" => {
            matches!(literal, Literal::Text(_))
        }
        _ if property.contains('/') => matches!(literal, Literal::Text(_)),
        _ => false,
    };
    if good { Ok(()) } else { Err(syntax(&format!("the operand types of '{property}' do not fit."))) }
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

/// Parses `$filter`.
pub fn parse(text: &str) -> Result<Filter, GraphError> {
    let mut parser = Parser::new(text)?;
    let filter = parser.either(0)?;
    parser.finish(filter)
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

/// A property as text, for comparing and sorting.
pub fn text_of(message: &Message, property: &str) -> String {
    let from = message.from.clone().unwrap_or_default();
    match property {
        "subject" => message.subject.clone(),
        "importance" => message.importance.clone(),
        "conversationId" => message.conversation_id.clone(),
        "internetMessageId" => message.internet_message_id.clone(),
        "from/emailAddress/address" | "sender/emailAddress/address" => from.address,
        "from/emailAddress/name" => from.name,
        _ => String::new(),
    }
}

/// A property as a number, for comparing and sorting.
pub fn number_of(message: &Message, property: &str) -> u64 {
    match property {
        "receivedDateTime" => message.received_ms / 1000 * 1000,
        "sentDateTime" => message.sent_ms / 1000 * 1000,
        "createdDateTime" => message.created_ms / 1000 * 1000,
        "lastModifiedDateTime" => message.modified_ms / 1000 * 1000,
        "isRead" => u64::from(message.is_read),
        "isDraft" => u64::from(message.is_draft),
        "hasAttachments" => u64::from(!message.attachments.is_empty()),
        _ => 0,
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

impl Filter {
    /// The properties in the order in which they are named.
    pub fn properties(&self) -> Vec<String> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => [a.properties(), b.properties()].concat(),
            Self::Not(inner) => inner.properties(),
            Self::Compare(property, ..) | Self::Function(_, property, _) => vec![property.clone()],
            Self::Extended(..) => vec!["singleValueExtendedProperties".into()],
        }
    }

    /// Whether a message fits.
    pub fn matches(&self, message: &Message) -> bool {
        match self {
            Self::And(a, b) => a.matches(message) && b.matches(message),
            Self::Or(a, b) => a.matches(message) || b.matches(message),
            Self::Not(inner) => !inner.matches(message),
            Self::Compare(property, operator, literal) => match literal {
                Literal::Text(text) => {
                    let ours = text_of(message, property).to_lowercase();
                    holds(operator, ours.cmp(&text.to_lowercase()))
                }
                Literal::Flag(flag) => holds(operator, number_of(message, property).cmp(&u64::from(*flag))),
                Literal::Moment(ms) => holds(operator, number_of(message, property).cmp(ms)),
                Literal::Null => operator == "ne",
            },
            Self::Function(name, property, text) => {
                let (ours, text) = (text_of(message, property).to_lowercase(), text.to_lowercase());
                match name.as_str() {
                    "startswith" => ours.starts_with(&text),
                    "endswith" => ours.ends_with(&text),
                    _ => ours.contains(&text),
                }
            }
            Self::Extended(id, value) => message.extended.iter().any(|(i, v)| i == id && v == value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_parse_and_match() {
        let id = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name operation";
        let message = Message {
            subject: "It's here".into(),
            received_ms: parse_iso("2026-01-02T00:00:00Z").unwrap(),
            extended: vec![(id.into(), "op-1".into())],
            ..Message::default()
        };
        for (text, expected) in [
            ("isRead eq false", true),
            ("receivedDateTime ge 2026-01-01T00:00:00Z and isRead eq false", true),
            ("not (subject eq 'it''s here')", false),
            ("startswith(subject,'IT') or isRead eq true", true),
            ("receivedDateTime lt 2026-01-01", false),
        ] {
            assert_eq!(parse(text).unwrap().matches(&message), expected, "{text}");
        }
        let any = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{id}' and ep/value eq 'op-1')");
        assert!(parse(&any).unwrap().matches(&message));
    }

    #[test]
    fn wrong_filters_are_refused() {
        for text in [
            "",
            "isRead",
            "isRead eq",
            "isRead eq 'true'",
            "isread eq true",
            "foo eq 1",
            "isRead eq true and",
            "receivedDateTime ge '2026-01-01'",
            "(isRead eq true",
            "subject eq 'x",
            "isRead is true",
            "singleValueExtendedProperties/Any(ep: ep/id eq 'x' and ep/value eq 'y')",
            "receivedDateTime ge 2026-01-01T00:00:00 01:00",
        ] {
            assert_eq!(parse(text).unwrap_err().status, 400, "{text}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
    }
}
