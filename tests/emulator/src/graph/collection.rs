//! Lists of items: select, filter, sort, page, and the opaque link to the next page. What holds: following
//! the links gives each item once while nothing changes. An option that a workload does not have is refused,
//! never ignored.

use super::condition::{Fields, Grammar};
use super::context::Context;
use super::error::GraphError;
use super::odata;
use crate::wire::{Reply, percent_encode};
use crate::world::World;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// One item as Graph shows it, with all properties.
pub type Item = Map<String, Value>;

/// What a list understands.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// The type, and what can be filtered by.
    pub grammar: Grammar,
    /// The properties that stay whatever is selected.
    pub always: &'static [&'static str],
    /// The properties that one can sort by.
    pub sortable: &'static [&'static str],
    /// The page size without `$top`.
    pub top: usize,
    /// The largest `$top`.
    pub most: usize,
    /// Whether pages continue by an opaque token rather than by `$skip`.
    pub by_token: bool,
    /// The query options.
    pub options: &'static [&'static str],
}

/// The link to what follows a page: the same request with another position.
pub fn next_link(world: &World, context: &Context<'_>, name: &str, position: usize) -> String {
    let mut parts: Vec<String> = context
        .query
        .iter()
        .filter(|(name, _)| name != "$skip" && name != "$skiptoken")
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    parts.push(format!("{}={position}", percent_encode(name)));
    let path: Vec<String> =
        context.segments.iter().map(|segment| percent_encode(segment).replace("%3D", "=")).collect();
    format!("{}/{}?{}", context.origin(world), path.join("/"), parts.join("&"))
}

/// Keeps what was selected, and what stays always.
pub fn pick(item: Item, select: Option<&[String]>, always: &[&str]) -> Item {
    let Some(list) = select else { return item };
    let kept = |name: &String| name.contains('@') || always.contains(&name.as_str()) || list.contains(name);
    item.into_iter().filter(|(name, _)| kept(name)).collect()
}

/// Reads `$orderby`: paths, and whether the greatest comes first.
pub fn order(text: &str, grammar: &Grammar, sortable: &[&str]) -> Result<Vec<(String, bool)>, GraphError> {
    let mut keys = Vec::new();
    for item in text.split(',').map(str::trim) {
        let (path, direction) = item.split_once(' ').unwrap_or((item, "asc"));
        let descending = match direction.trim() {
            "asc" => false,
            "desc" => true,
            _ => return Err(GraphError::bad_request(format!("Syntax error in $orderby: '{item}'."))),
        };
        if !sortable.contains(&path) {
            let root = path.split('/').next().unwrap_or_default();
            if !grammar.properties.contains(&root) {
                return Err(GraphError::unknown_in_query(path, grammar.kind));
            }
            let message = format!("The property '{path}' cannot be used in the $orderby query option.");
            return Err(GraphError::bad("ErrorInvalidUrlQuery", message));
        }
        keys.push((path.to_owned(), descending));
    }
    Ok(keys)
}

/// Compares by some keys, one after the other.
pub fn compare(a: &dyn Fields, b: &dyn Fields, keys: &[(String, bool)]) -> Ordering {
    for (path, descending) in keys {
        let text = |item: &dyn Fields| match item.field(path).as_ref() {
            Value::String(text) => text.to_lowercase(),
            Value::Null => String::new(),
            // Numbers are made as long as the longest, so that they sort as text does.
            Value::Number(number) => format!("{:>20}", number.to_string()),
            other => other.to_string(),
        };
        let ordering = text(a).cmp(&text(b));
        let ordering = if *descending { ordering.reverse() } else { ordering };
        if ordering.is_ne() {
            return ordering;
        }
    }
    Ordering::Equal
}

/// Page size and position.
fn window(context: &Context<'_>, spec: &Spec) -> Result<(usize, usize), GraphError> {
    let top = context.option("$top").map_or(Ok(spec.top), |text| odata::integer(text, "$top"))?;
    if !(1..=spec.most).contains(&top) {
        let message =
            format!("Invalid page size specified: '{top}'. Must be between 1 and {} inclusive.", spec.most);
        return Err(GraphError::bad_request(message));
    }
    let position = if spec.by_token {
        let invalid = |_| GraphError::bad_request("Skip token is not valid.");
        context.option("$skiptoken").map_or(Ok(0), |text| text.parse().map_err(invalid))?
    } else {
        context.option("$skip").map_or(Ok(0), |text| odata::integer(text, "$skip"))?
    };
    Ok((top, position))
}

fn counts(context: &Context<'_>) -> Result<bool, GraphError> {
    match context.option("$count") {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            Err(GraphError::bad_request(format!("Invalid value '{other}' for $count query option found.")))
        }
    }
}

/// Answers with one page of `items`, which come in the workload's own order; `meta` names the list in
/// `@odata.context`.
pub fn page(
    world: &World,
    context: &Context<'_>,
    spec: &Spec,
    items: Vec<Item>,
    meta: &str,
) -> Result<Reply, GraphError> {
    context.allow_options(spec.options)?;
    let select = odata::select(context, spec.grammar.properties, spec.grammar.kind)?;
    let (top, position) = window(context, spec)?;
    let condition = context.option("$filter").map(|text| spec.grammar.parse(text)).transpose()?;
    let keys = context
        .option("$orderby")
        .map_or(Ok(Vec::new()), |text| order(text, &spec.grammar, spec.sortable))?;
    let count = counts(context)?;
    let mut found: Vec<Item> =
        items.into_iter().filter(|item| condition.as_ref().is_none_or(|c| c.matches(item))).collect();
    if !keys.is_empty() {
        found.sort_by(|a, b| compare(a, b, &keys));
    }
    let total = found.len();
    let list = found.into_iter().skip(position).take(top);
    let shown: Vec<Value> =
        list.map(|item| Value::Object(pick(item, select.as_deref(), spec.always))).collect();
    let end = position.saturating_add(shown.len());
    let suffix = select.map_or(String::new(), |list| format!("({})", list.join(",")));
    let mut body = Map::new();
    body.insert(
        "@odata.context".into(),
        format!("{}/$metadata#{meta}{suffix}", context.origin(world)).into(),
    );
    if count {
        body.insert("@odata.count".into(), total.into());
    }
    body.insert("value".into(), Value::Array(shown));
    if end < total {
        let name = if spec.by_token { "$skiptoken" } else { "$skip" };
        body.insert("@odata.nextLink".into(), next_link(world, context, name, end).into());
    }
    Ok(Reply::json(200, &Value::Object(body)))
}

/// Answers with one item; `$select` is the only option.
pub fn single(
    world: &World,
    context: &Context<'_>,
    spec: &Spec,
    item: Item,
    meta: &str,
) -> Result<Reply, GraphError> {
    context.allow_options(&["$select"])?;
    let select = odata::select(context, spec.grammar.properties, spec.grammar.kind)?;
    let suffix = select.as_ref().map_or(String::new(), |list| format!("({})", list.join(",")));
    Ok(entity(world, context, 200, pick(item, select.as_deref(), spec.always), &format!("{meta}{suffix}")))
}

/// An entity with its context, and its etag as a header where it has one.
pub fn entity(world: &World, context: &Context<'_>, status: u16, item: Item, meta: &str) -> Reply {
    let mut body = Map::new();
    body.insert(
        "@odata.context".into(),
        format!("{}/$metadata#{meta}/$entity", context.origin(world)).into(),
    );
    let etag = item.get("@odata.etag").and_then(Value::as_str).map(str::to_owned);
    body.extend(item);
    let reply = Reply::json(status, &Value::Object(body));
    match etag {
        Some(etag) => reply.with("etag", etag),
        None => reply,
    }
}
