//! `$search` on messages: the basic part of the Keyword Query Language. Words must all occur; `from:`,
//! `subject:` and their kin look at one property; `AND`, `OR`, `NOT` and brackets combine. A property
//! that Outlook does not know is taken as plain text, as Outlook does.

use super::error::GraphError;
use crate::clock::{DAY_MS, parse_iso};
use crate::mailbox::{Address, Message};

/// How deep brackets may nest.
const MAX_DEPTH: usize = 20;

/// A parsed search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// All hold.
    All(Vec<Self>),
    /// One holds.
    Any(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A word or phrase anywhere.
    Word(String),
    /// A property: name, operator, value.
    Property(String, String, String),
}

const PROPERTIES: [&str; 15] = [
    "from",
    "to",
    "cc",
    "bcc",
    "participants",
    "recipients",
    "subject",
    "body",
    "attachment",
    "hasattachments",
    "importance",
    "received",
    "sent",
    "isread",
    "kind",
];

fn syntax(detail: &str) -> GraphError {
    GraphError::bad_request(format!("Syntax error: {detail} in the search clause."))
}

/// Takes the outer quotes off and undoes the escapes inside.
fn unquote(text: &str) -> Result<String, GraphError> {
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).filter(|_| text.len() > 1);
    let inner = inner.ok_or_else(|| syntax("the value must be enclosed in double quotes"))?;
    let (mut out, mut chars) = (String::new(), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(escaped @ ('"' | '\\')) => out.push(escaped),
                _ => return Err(syntax("a backslash escapes nothing")),
            },
            '"' => return Err(syntax("an inner double quote is not escaped")),
            other => out.push(other),
        }
    }
    Ok(out)
}

fn tokens(text: &str) -> Result<Vec<String>, GraphError> {
    let (mut out, mut current, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                current.push(c);
            }
            '(' | ')' if !quoted => {
                out.push(std::mem::take(&mut current));
                out.push(c.to_string());
            }
            c if c.is_whitespace() && !quoted => out.push(std::mem::take(&mut current)),
            other => current.push(other),
        }
    }
    out.push(current);
    if quoted {
        return Err(syntax("a phrase is not closed"));
    }
    out.retain(|token| !token.is_empty());
    Ok(out)
}

fn term(token: &str) -> Query {
    let at = token.find([':', '=', '<', '>']);
    if let Some((name, rest)) = at.and_then(|at| token.split_at_checked(at)) {
        let name = name.to_ascii_lowercase();
        let operator: String = rest.chars().take_while(|c| matches!(c, ':' | '=' | '<' | '>')).collect();
        let value = rest.strip_prefix(operator.as_str()).unwrap_or_default().trim_matches('"');
        if PROPERTIES.contains(&name.as_str()) && !value.is_empty() {
            return Query::Property(name, operator, value.to_lowercase());
        }
    }
    Query::Word(token.replace('"', "").to_lowercase())
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<String>>,
}

impl Parser {
    fn any(&mut self, depth: usize) -> Result<Query, GraphError> {
        let mut parts = vec![self.all(depth)?];
        while self.tokens.next_if(|t| t == "OR").is_some() {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Query::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Query, GraphError> {
        let mut parts = vec![self.one(depth)?];
        loop {
            let explicit = self.tokens.next_if(|t| t == "AND").is_some();
            let more = self.tokens.peek().is_some_and(|t| t != "OR" && t != ")");
            if more {
                parts.push(self.one(depth)?);
            } else if explicit {
                return Err(syntax("a term is missing after AND"));
            } else {
                return Ok(if parts.len() == 1 { parts.remove(0) } else { Query::All(parts) });
            }
        }
    }

    fn one(&mut self, depth: usize) -> Result<Query, GraphError> {
        if depth > MAX_DEPTH {
            return Err(syntax("brackets are nested too deep"));
        }
        match self.tokens.next().as_deref() {
            None | Some(")" | "AND" | "OR") => Err(syntax("a term is missing")),
            Some("NOT") => Ok(Query::Not(Box::new(self.one(depth + 1)?))),
            Some("(") => {
                let inner = self.any(depth + 1)?;
                let closed = self.tokens.next().as_deref() == Some(")");
                if closed { Ok(inner) } else { Err(syntax("a bracket is not closed")) }
            }
            Some(token) => match token.strip_prefix('-').filter(|rest| !rest.is_empty()) {
                Some(rest) => Ok(Query::Not(Box::new(term(rest)))),
                None => Ok(term(token)),
            },
        }
    }
}

/// Parses `$search`.
pub fn parse(text: &str) -> Result<Query, GraphError> {
    read(&unquote(text)?)
}

/// Parses a query without quotes around it.
pub fn read(text: &str) -> Result<Query, GraphError> {
    let list = tokens(text)?;
    let mut parser = Parser { tokens: list.into_iter().peekable() };
    let query = parser.any(0)?;
    if parser.tokens.next().is_some() {
        return Err(syntax("a bracket is not opened"));
    }
    Ok(query)
}

fn names(list: &[Address], value: &str) -> bool {
    list.iter().any(|a| a.address.to_lowercase().contains(value) || a.name.to_lowercase().contains(value))
}

/// Compares a moment with `>=2026-01-01`, `2026-01-01` (that day) or `2026-01-01..2026-02-01`.
fn moment(ms: u64, operator: &str, value: &str) -> bool {
    let read = |text: &str| parse_iso(&text.to_uppercase());
    if let Some((from, to)) = value.split_once("..") {
        return read(from).is_some_and(|f| ms >= f) && read(to).is_some_and(|t| ms < t + DAY_MS);
    }
    let Some(wanted) = read(value) else { return false };
    match operator {
        ">" | ":>" => ms > wanted,
        ">=" | ":>=" => ms >= wanted,
        "<" | ":<" => ms < wanted,
        "<=" | ":<=" => ms <= wanted,
        _ => (wanted..wanted + DAY_MS).contains(&ms),
    }
}

fn property(message: &Message, name: &str, operator: &str, value: &str) -> bool {
    let from: Vec<Address> = message.from.clone().into_iter().collect();
    match name {
        "from" => names(&from, value),
        "to" => names(&message.to, value),
        "cc" => names(&message.cc, value),
        "bcc" => names(&message.bcc, value),
        "recipients" => message.recipients().any(|a| names(std::slice::from_ref(a), value)),
        "participants" => {
            names(&from, value) || message.recipients().any(|a| names(std::slice::from_ref(a), value))
        }
        "subject" => message.subject.to_lowercase().contains(value),
        "body" => message.body_text().to_lowercase().contains(value),
        "attachment" => message.attachments.iter().any(|a| {
            let name = a.get("name").and_then(serde_json::Value::as_str).unwrap_or_default();
            name.to_lowercase().contains(value)
        }),
        "hasattachments" => message.attachments.is_empty() == matches!(value, "false" | "no"),
        "isread" => message.is_read == matches!(value, "true" | "yes"),
        "importance" => message.importance == value,
        "received" => moment(message.received_ms, operator, value),
        "sent" => moment(message.sent_ms, operator, value),
        "kind" => value == "email",
        _ => false,
    }
}

impl Query {
    /// Whether a message fits.
    pub fn matches(&self, message: &Message) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.matches(message)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(message)),
            Self::Not(inner) => !inner.matches(message),
            Self::Word(word) => {
                let word = word.trim_end_matches('*');
                ["subject", "body", "participants", "attachment"]
                    .iter()
                    .any(|name| property(message, name, ":", word))
            }
            Self::Property(name, operator, value) => {
                property(message, name, operator, value.trim_end_matches('*'))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_parse_and_match() {
        let message = Message {
            subject: "Budget figures".into(),
            body: "see folder".into(),
            from: Some(Address { name: "Carol Chen".into(), address: "carol@contoso.example".into() }),
            received_ms: parse_iso("2026-01-02T10:00:00Z").unwrap(),
            ..Message::default()
        };
        for (text, expected) in [
            (r#""budget folder""#, true),
            (r#""from:carol AND subject:budget""#, true),
            (r#""from:bob OR budget""#, true),
            (r#""NOT budget""#, false),
            (r#""subject:\"budget figures\"""#, true),
            (r#""received>=2026-01-02 (from:bob OR from:carol)""#, true),
            (r#""received:2026-01-03""#, false),
            (r#""hasAttachments:true""#, false),
        ] {
            assert_eq!(parse(text).unwrap().matches(&message), expected, "{text}");
        }
        for bad in ["budget", "\"", "\"a\"b\"", r#""a\b""#, r#""(a""#, r#""a)""#, r#""""#, r#""a AND""#] {
            assert_eq!(parse(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
