//! The OData query options of a message list, read and cross-checked: which go together, which limits
//! hold, and Exchange's rule that a sorted property must come first in the filter. An option that is not
//! understood must never be ignored.

use super::collection;
use super::condition::{Condition, Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::filter;
use super::kql::{self, Query};

/// How many items a page has by default.
const DEFAULT_TOP: usize = 10;

/// The type that messages report in errors.
pub const MESSAGE_TYPE: &str = "microsoft.graph.message";

/// The properties of a message that can be selected.
pub const MESSAGE_PROPERTIES: [&str; 31] = [
    "id",
    "categories",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "bccRecipients",
    "body",
    "bodyPreview",
    "ccRecipients",
    "conversationId",
    "conversationIndex",
    "flag",
    "from",
    "hasAttachments",
    "importance",
    "inferenceClassification",
    "internetMessageHeaders",
    "internetMessageId",
    "isDeliveryReceiptRequested",
    "isDraft",
    "isRead",
    "isReadReceiptRequested",
    "parentFolderId",
    "receivedDateTime",
    "replyTo",
    "sender",
    "sentDateTime",
    "subject",
    "toRecipients",
    "uniqueBody",
    "webLink",
];

/// The properties that a message list can be sorted by.
const SORTABLE: [&str; 12] = [
    "receivedDateTime",
    "sentDateTime",
    "createdDateTime",
    "lastModifiedDateTime",
    "subject",
    "from/emailAddress/name",
    "from/emailAddress/address",
    "sender/emailAddress/address",
    "importance",
    "isRead",
    "hasAttachments",
    "isDraft",
];

/// What messages can be filtered by.
const GRAMMAR: Grammar = Grammar {
    kind: MESSAGE_TYPE,
    properties: &MESSAGE_PROPERTIES,
    fields: &[
        ("receivedDateTime", Sort::Moment),
        ("sentDateTime", Sort::Moment),
        ("createdDateTime", Sort::Moment),
        ("lastModifiedDateTime", Sort::Moment),
        ("isRead", Sort::Flag),
        ("isDraft", Sort::Flag),
        ("hasAttachments", Sort::Flag),
        ("subject", Sort::Text),
        ("internetMessageId", Sort::Text),
        ("conversationId", Sort::Text),
        ("importance", Sort::Text),
        ("inferenceClassification", Sort::Text),
        ("parentFolderId", Sort::Text),
        ("flag/flagStatus", Sort::Text),
        ("from/emailAddress/address", Sort::Text),
        ("from/emailAddress/name", Sort::Text),
        ("sender/emailAddress/address", Sort::Text),
        ("sender/emailAddress/name", Sort::Text),
    ],
    any: &[("categories", ""), ("singleValueExtendedProperties", "id")],
};

/// What `$expand` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// The extended property with this id.
    pub extended: Vec<String>,
    /// The attachments.
    pub attachments: bool,
}

/// All options of a list.
#[derive(Clone, Debug)]
pub struct ListOptions {
    /// The selected properties; `None` means all.
    pub select: Option<Vec<String>>,
    /// The page size.
    pub top: usize,
    /// How many to skip.
    pub skip: usize,
    /// The sort keys.
    pub order: Vec<(String, bool)>,
    /// The filter.
    pub filter: Option<Condition>,
    /// The search.
    pub search: Option<Query>,
    /// Whether to count.
    pub count: bool,
    /// What to inline.
    pub expand: Expand,
}

/// Reads a non-negative number of a query option.
pub fn integer(text: &str, name: &str) -> Result<usize, GraphError> {
    let message = format!(
        "Invalid value '{text}' for {name} query option found. The {name} query option requires a non-negative integer value."
    );
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| GraphError::bad_request(message))
}

/// Reads `$select` against the properties that a type has.
pub fn select(context: &Context<'_>, known: &[&str], kind: &str) -> Result<Option<Vec<String>>, GraphError> {
    let Some(text) = context.option("$select") else { return Ok(None) };
    let mut list = Vec::new();
    for item in text.split(',').map(str::trim) {
        match known.iter().find(|name| **name == item) {
            Some(name) => list.push((*name).to_owned()),
            None if item == "*" => return Ok(None),
            None => return Err(GraphError::unknown_in_query(item, kind)),
        }
    }
    Ok(Some(list))
}

/// Reads `$expand` of a message or a list of messages.
pub fn expand(context: &Context<'_>) -> Result<Expand, GraphError> {
    let mut out = Expand::default();
    let Some(text) = context.option("$expand") else { return Ok(out) };
    for item in split_top_level(text) {
        let name = item.split('(').next().unwrap_or_default().trim();
        match name {
            "attachments" => out.attachments = true,
            "singleValueExtendedProperties" => {
                let inner = item.strip_prefix(name).unwrap_or_default().trim();
                let inner = inner.strip_prefix("($filter=").and_then(|rest| rest.strip_suffix(')'));
                let missing = "Expanding singleValueExtendedProperties requires a $filter on its id.";
                let filter = inner.ok_or_else(|| GraphError::bad("ErrorInvalidUrlQuery", missing))?;
                out.extended.extend(filter::extended_ids(filter)?);
            }
            other => return Err(GraphError::unknown_in_query(other, MESSAGE_TYPE)),
        }
    }
    Ok(out)
}

/// Splits at commas outside of brackets and quotes.
fn split_top_level(text: &str) -> Vec<String> {
    let (mut parts, mut current, mut depth, mut quoted) = (Vec::new(), String::new(), 0_usize, false);
    for c in text.chars() {
        match c {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(std::mem::take(&mut current));
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    parts.push(current);
    parts
}

/// Exchange's rule: what is sorted by must be filtered by, first and in the same order.
fn check_efficiency(order: &[(String, bool)], filter: &Condition) -> Result<(), GraphError> {
    let filtered = filter.properties();
    let fits = order.iter().enumerate().all(|(n, (path, _))| filtered.get(n) == Some(&path.as_str()));
    if fits {
        return Ok(());
    }
    let message = "The restriction or sort order is too complex for this operation.";
    Err(GraphError::bad("InefficientFilter", message))
}

/// Reads all options of a message list.
pub fn message_list(context: &Context<'_>) -> Result<ListOptions, GraphError> {
    context.allow_options(&[
        "$select",
        "$top",
        "$skip",
        "$orderby",
        "$filter",
        "$search",
        "$count",
        "$expand",
        "includeHiddenMessages",
    ])?;
    let top = context.option("$top").map_or(Ok(DEFAULT_TOP), |text| integer(text, "$top"))?;
    if !(1..=1000).contains(&top) {
        let message = format!("Invalid page size specified: '{top}'. Must be between 1 and 1000 inclusive.");
        return Err(GraphError::bad_request(message));
    }
    let skip = context.option("$skip").map_or(Ok(0), |text| integer(text, "$skip"))?;
    let order = context
        .option("$orderby")
        .map_or(Ok(Vec::new()), |text| collection::order(text, &GRAMMAR, &SORTABLE))?;
    let filter = context.option("$filter").map(|text| GRAMMAR.parse(text)).transpose()?;
    let search = context.option("$search").map(kql::parse).transpose()?;
    if search.is_some() {
        for (name, code) in
            [("$filter", "SearchWithFilter"), ("$orderby", "SearchWithOrderBy"), ("$skip", "SearchWithSkip")]
        {
            if context.option(name).is_some() {
                let message = format!("The query parameter '{name}' is not supported with '$search'.");
                return Err(GraphError::bad(code, message));
            }
        }
    }
    if let Some(filter) = &filter {
        check_efficiency(&order, filter)?;
    }
    let count = match context.option("$count") {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => {
            return Err(GraphError::bad_request(format!(
                "Invalid value '{other}' for $count query option found."
            )));
        }
    };
    Ok(ListOptions {
        select: select(context, &MESSAGE_PROPERTIES, MESSAGE_TYPE)?,
        top,
        skip,
        order,
        filter,
        search,
        count,
        expand: expand(context)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_iso;
    use crate::mailbox::Message;

    #[test]
    fn filters_on_messages_parse_and_match() {
        let id = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name operation";
        let message = Message {
            subject: "It's here".into(),
            received_ms: parse_iso("2026-01-02T00:00:00Z").unwrap(),
            extended: vec![(id.into(), "op-1".into())],
            categories: vec!["Red category".into()],
            flag: Some(serde_json::json!({ "flagStatus": "flagged" })),
            ..Message::default()
        };
        for (text, expected) in [
            ("isRead eq false", true),
            ("receivedDateTime ge 2026-01-01T00:00:00Z and isRead eq false", true),
            ("not (subject eq 'it''s here')", false),
            ("startswith(subject,'IT') or isRead eq true", true),
            ("receivedDateTime lt 2026-01-01", false),
            ("flag/flagStatus eq 'flagged'", true),
            ("categories/any(c:c eq 'red category')", true),
            ("categories/any(c:c eq 'Blue category')", false),
        ] {
            assert_eq!(GRAMMAR.parse(text).unwrap().matches(&message), expected, "{text}");
        }
        let any = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{id}' and ep/value eq 'op-1')");
        assert!(GRAMMAR.parse(&any).unwrap().matches(&message));
    }

    #[test]
    fn wrong_filters_on_messages_are_refused() {
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
            "body/content eq 'x'",
            "toRecipients/any(r:r/emailAddress/address eq 'x')",
            "singleValueExtendedProperties/Any(ep: ep/id eq 'x' and ep/value eq 'y')",
        ] {
            assert_eq!(GRAMMAR.parse(text).unwrap_err().status, 400, "{text}");
        }
    }
}
