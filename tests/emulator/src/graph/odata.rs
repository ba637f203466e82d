//! The OData query options of a message list, read and cross-checked: which go together, which limits
//! hold, and Exchange's rule that a sorted property must come first in the filter. An option that is not
//! understood must never be ignored.

use super::context::Context;
use super::error::GraphError;
use super::filter::{self, Filter};
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

/// One sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The property.
    pub property: String,
    /// Whether the greatest comes first.
    pub descending: bool,
}

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
    pub order: Vec<Order>,
    /// The filter.
    pub filter: Option<Filter>,
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

fn order(text: &str) -> Result<Vec<Order>, GraphError> {
    let mut keys = Vec::new();
    for item in text.split(',').map(str::trim) {
        let (property, direction) = item.split_once(' ').unwrap_or((item, "asc"));
        let descending = match direction.trim() {
            "asc" => false,
            "desc" => true,
            _ => return Err(GraphError::bad_request(format!("Syntax error in $orderby: '{item}'."))),
        };
        if !SORTABLE.contains(&property) {
            let root = property.split('/').next().unwrap_or_default();
            if !MESSAGE_PROPERTIES.contains(&root) {
                return Err(GraphError::unknown_in_query(property, MESSAGE_TYPE));
            }
            let message = format!("The property '{property}' cannot be used in the $orderby query option.");
            return Err(GraphError::bad("ErrorInvalidUrlQuery", message));
        }
        keys.push(Order { property: property.to_owned(), descending });
    }
    Ok(keys)
}

/// Exchange's rule: what is sorted by must be filtered by, first and in the same order.
fn check_efficiency(order: &[Order], filter: &Filter) -> Result<(), GraphError> {
    let filtered = filter.properties();
    let fits = order.iter().enumerate().all(|(n, key)| filtered.get(n) == Some(&key.property));
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
    let order = context.option("$orderby").map_or(Ok(Vec::new()), order)?;
    let filter = context.option("$filter").map(filter::parse).transpose()?;
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
