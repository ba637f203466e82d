//! `$filter` of all collections: parsed against what a workload lets callers filter by, judged on whatever has
//! fields. Every property that a workload does not name is refused, never ignored.

use super::error::GraphError;
use super::filter::{Literal, MAX_DEPTH, Parser, extended_id, holds, literal, syntax, text_literal};
use crate::clock::parse_iso;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The list that is compared by its items' ids and values.
const EXTENDED: &str = "singleValueExtendedProperties";

/// What can be filtered and sorted.
pub trait Fields {
    /// The value at a path such as `start/dateTime`.
    fn field(&self, path: &str) -> Cow<'_, Value>;

    /// The extended properties: ids and values.
    fn extended(&self) -> &[(String, String)] {
        &[]
    }
}

impl Fields for Map<String, Value> {
    fn field(&self, path: &str) -> Cow<'_, Value> {
        Cow::Borrowed(at(self, path))
    }
}

/// The type of a property that can be filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Text.
    Text,
    /// True or false.
    Flag,
    /// A moment in UTC.
    Moment,
}

/// What a workload lets callers filter by.
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// The type's name in messages.
    pub kind: &'static str,
    /// The properties of the type.
    pub properties: &'static [&'static str],
    /// Those that can be filtered by.
    pub fields: &'static [(&'static str, Sort)],
    /// The lists that `any` may look into, and the property of their items that it compares; none for plain
    /// texts.
    pub any: &'static [(&'static str, &'static str)],
}

/// A parsed condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
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
    /// An item of a list has a property with this value.
    Any(&'static str, &'static str, String),
    /// An extended property with this id has this value.
    Extended(String, String),
}

/// The value at a path such as `start/dateTime`.
pub fn at<'v>(item: &'v Map<String, Value>, path: &str) -> &'v Value {
    let mut parts = path.split('/');
    let first = parts.next().and_then(|name| item.get(name)).unwrap_or(&Value::Null);
    parts.fold(first, |value, name| value.get(name).unwrap_or(&Value::Null))
}

impl Grammar {
    fn sort_of(&self, path: &str) -> Result<Sort, GraphError> {
        if let Some((_, sort)) = self.fields.iter().find(|(known, _)| *known == path) {
            return Ok(*sort);
        }
        let root = path.split('/').next().unwrap_or_default();
        if self.properties.contains(&root) {
            let message = format!("The property '{path}' does not support filtering.");
            return Err(GraphError::bad("ErrorInvalidUrlQueryFilter", message));
        }
        Err(GraphError::unknown_in_query(path, self.kind))
    }

    fn either(&self, parser: &mut Parser, depth: usize) -> Result<Condition, GraphError> {
        let mut left = self.both(parser, depth)?;
        while parser.accept("or") {
            left = Condition::Or(Box::new(left), Box::new(self.both(parser, depth)?));
        }
        Ok(left)
    }

    fn both(&self, parser: &mut Parser, depth: usize) -> Result<Condition, GraphError> {
        let mut left = self.one(parser, depth)?;
        while parser.accept("and") {
            left = Condition::And(Box::new(left), Box::new(self.one(parser, depth)?));
        }
        Ok(left)
    }

    fn one(&self, parser: &mut Parser, depth: usize) -> Result<Condition, GraphError> {
        if depth > MAX_DEPTH {
            return Err(syntax("it is nested too deep."));
        }
        if parser.accept("not") {
            return Ok(Condition::Not(Box::new(self.one(parser, depth + 1)?)));
        }
        if parser.accept("(") {
            let inner = self.either(parser, depth + 1)?;
            parser.expect(")")?;
            return Ok(inner);
        }
        let word = parser.next()?;
        if matches!(word.as_str(), "startswith" | "endswith" | "contains") {
            parser.expect("(")?;
            let path = parser.next()?;
            if self.sort_of(&path)? != Sort::Text {
                return Err(syntax(&format!("'{word}' needs a text property.")));
            }
            parser.expect(",")?;
            let text = text_literal(&parser.next()?)?;
            parser.expect(")")?;
            return Ok(Condition::Function(word, path, text));
        }
        if let Some(list) = word.strip_suffix("/any").or_else(|| word.strip_suffix("/Any")) {
            return self.any_of(parser, list);
        }
        let sort = self.sort_of(&word)?;
        let operator = parser.next()?;
        if !matches!(operator.as_str(), "eq" | "ne" | "gt" | "ge" | "lt" | "le") {
            return Err(syntax(&format!("'{operator}' is not an operator.")));
        }
        let literal = literal(&parser.next()?)?;
        let fits = matches!(
            (&literal, sort),
            (Literal::Text(_) | Literal::Null, Sort::Text)
                | (Literal::Flag(_), Sort::Flag)
                | (Literal::Moment(_), Sort::Moment)
        );
        if !fits {
            return Err(syntax(&format!("the operand types of '{word}' do not fit.")));
        }
        Ok(Condition::Compare(word, operator, literal))
    }

    /// `(a:a/address eq '…')`
    fn any_of(&self, parser: &mut Parser, list: &str) -> Result<Condition, GraphError> {
        let known = self.any.iter().find(|(known, _)| *known == list);
        let Some((known, property)) = known.copied() else {
            return Err(GraphError::unknown_in_query(list, self.kind));
        };
        parser.expect("(")?;
        let word = parser.next()?;
        let (variable, rest) = word.split_once(':').ok_or_else(|| syntax("a range variable is missing."))?;
        let path = if rest.is_empty() { parser.next()? } else { rest.to_owned() };
        let meant = if property.is_empty() { variable.to_owned() } else { format!("{variable}/{property}") };
        if variable.is_empty() || path != meant {
            return Err(syntax(&format!("only '{property}' can be compared inside of '{known}/any'.")));
        }
        parser.expect("eq")?;
        let text = text_literal(&parser.next()?)?;
        if known == EXTENDED {
            let id = extended_id(&text)?;
            parser.expect("and")?;
            parser.expect(&format!("{variable}/value"))?;
            parser.expect("eq")?;
            let value = text_literal(&parser.next()?)?;
            parser.expect(")")?;
            return Ok(Condition::Extended(id, value));
        }
        parser.expect(")")?;
        Ok(Condition::Any(known, property, text))
    }

    /// Parses `$filter`.
    pub fn parse(&self, text: &str) -> Result<Condition, GraphError> {
        let mut parser = Parser::new(text)?;
        let condition = self.either(&mut parser, 0)?;
        parser.finish(condition)
    }
}

fn lower(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

impl Condition {
    /// The properties in the order in which they are named.
    pub fn properties(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => [a.properties(), b.properties()].concat(),
            Self::Not(inner) => inner.properties(),
            Self::Compare(path, ..) | Self::Function(_, path, _) => vec![path],
            Self::Any(list, ..) => vec![list],
            Self::Extended(..) => vec![EXTENDED],
        }
    }

    /// Whether an item fits.
    pub fn matches(&self, item: &dyn Fields) -> bool {
        match self {
            Self::And(a, b) => a.matches(item) && b.matches(item),
            Self::Or(a, b) => a.matches(item) || b.matches(item),
            Self::Not(inner) => !inner.matches(item),
            Self::Compare(path, operator, literal) => {
                let ours = item.field(path);
                let ordering = match literal {
                    Literal::Text(text) => lower(&ours).cmp(&text.to_lowercase()),
                    Literal::Flag(flag) => ours.as_bool().unwrap_or_default().cmp(flag),
                    Literal::Moment(ms) => ours.as_str().and_then(parse_iso).cmp(&Some(*ms)),
                    Literal::Null if ours.is_null() => Ordering::Equal,
                    Literal::Null => Ordering::Greater,
                };
                holds(operator, ordering)
            }
            Self::Function(name, path, text) => {
                let (ours, text) = (lower(&item.field(path)), text.to_lowercase());
                match name.as_str() {
                    "startswith" => ours.starts_with(&text),
                    "endswith" => ours.ends_with(&text),
                    _ => ours.contains(&text),
                }
            }
            Self::Any(list, property, text) => {
                let whole = item.field(list);
                let inner = whole.as_array().into_iter().flatten();
                let parts = inner
                    .filter_map(|entry| if property.is_empty() { Some(entry) } else { entry.get(property) });
                parts.map(lower).any(|value| value == text.to_lowercase())
            }
            Self::Extended(id, value) => item.extended().iter().any(|(i, v)| i == id && v == value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GRAMMAR: Grammar = Grammar {
        kind: "microsoft.graph.contact",
        properties: &["displayName", "emailAddresses", "isRead", "start", "createdDateTime", "notes"],
        fields: &[
            ("displayName", Sort::Text),
            ("isRead", Sort::Flag),
            ("start/dateTime", Sort::Text),
            ("createdDateTime", Sort::Moment),
        ],
        any: &[("emailAddresses", "address"), ("categories", ""), (EXTENDED, "id")],
    };

    #[test]
    fn conditions_hold_or_not() {
        let item = json!({
            "displayName": "Nina O'Neil", "isRead": true, "start": { "dateTime": "2026-01-02T10:00:00.0000000" },
            "createdDateTime": "2026-01-01T00:00:00Z", "emailAddresses": [{ "address": "Nina@fabrikam.example" }],
            "categories": ["Red"],
        });
        for (text, expected) in [
            ("startswith(displayName,'nina o''')", true),
            ("displayName eq 'Nina' or isRead eq true", true),
            ("not (isRead eq true) and displayName ne null", false),
            ("start/dateTime ge '2026-01-02T10:00:00'", true),
            ("createdDateTime lt 2026-01-01T00:00:00Z", false),
            ("emailAddresses/any(a:a/address eq 'nina@fabrikam.example')", true),
            ("emailAddresses/any(a: a/address eq 'x')", false),
            ("categories/any(c:c eq 'red')", true),
            ("singleValueExtendedProperties/Any(ep: ep/id eq 'String 0x1' and ep/value eq 'y')", false),
        ] {
            let condition = GRAMMAR.parse(text).unwrap();
            assert_eq!(condition.matches(item.as_object().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn wrong_conditions_are_refused() {
        for text in [
            "",
            "displayName",
            "notes eq 'x'",
            "nothing eq 'x'",
            "isRead eq 'true'",
            "startswith(isRead,'t')",
            "emailAddresses/any(a:a/name eq 'x')",
            "emailAddresses/any(a:b/address eq 'x')",
            "emailAddresses/any(:/address eq 'x')",
            "phones/any(a:a/address eq 'x')",
            "categories/any(c:c/name eq 'x')",
            "singleValueExtendedProperties/any(ep: ep/id eq 'x' and ep/value eq 'y')",
            "singleValueExtendedProperties/any(ep: ep/id eq 'String 0x1')",
            "displayName eq 'x' displayName",
            "displayName like 'x'",
        ] {
            assert_eq!(GRAMMAR.parse(text).unwrap_err().status, 400, "{text}");
        }
        assert!(GRAMMAR.parse(&"(".repeat(50_000)).is_err());
    }
}
