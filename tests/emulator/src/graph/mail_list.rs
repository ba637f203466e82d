//! Lists of messages: filter or search, sort, page, and the opaque link to the next page. What holds:
//! following the links gives each message once while the mailbox does not change. A list must never show a
//! mail before its time has come.

use super::collection::{self, next_link};
use super::context::Context;
use super::error::GraphError;
use super::mail_view;
use super::odata::{self, ListOptions};
use crate::mailbox::Message;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value, json};

/// The most that a search finds.
const SEARCH_LIMIT: usize = 1000;

/// Reads the options; a continued search carries its position in a token.
fn options(context: &Context<'_>) -> Result<ListOptions, GraphError> {
    let Some(token) = context.option("$skiptoken") else { return odata::message_list(context) };
    let position = token.parse().map_err(|_| GraphError::bad_request("Skip token is not valid."))?;
    let query = context.query.iter().filter(|(name, _)| name != "$skiptoken").cloned().collect();
    let plain = Context { query, ..context.clone() };
    let mut options = odata::message_list(&plain)?;
    options.skip = position;
    Ok(options)
}

/// What a token with `Mail.ReadBasic` alone may not ask for.
fn check_basic(context: &Context<'_>, options: &ListOptions) -> Result<(), GraphError> {
    if context.has_scope("Mail.Read") || context.has_scope("Mail.ReadWrite") {
        return Ok(());
    }
    let hidden = |name: &String| mail_view::NOT_BASIC.contains(&name.as_str());
    let selects = options.select.as_ref().is_some_and(|list| list.iter().any(hidden));
    if selects || options.search.is_some() || options.expand.attachments {
        return Err(GraphError::access_denied());
    }
    Ok(())
}

/// `GET …/messages`, of one folder or of the whole mailbox.
pub fn list(world: &World, context: &Context<'_>, folder: Option<&str>) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"])?;
    let options = options(context)?;
    check_basic(context, &options)?;
    let now_ms = world.now_ms();
    let mailbox = world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let mut found: Vec<&Message> = mailbox
        .messages
        .iter()
        .filter(|m| m.visible_at_ms <= now_ms && folder.is_none_or(|f| f == m.folder))
        .filter(|m| options.filter.as_ref().is_none_or(|filter| filter.matches(*m)))
        .filter(|m| options.search.as_ref().is_none_or(|query| query.matches(m)))
        .collect();
    // Without an order, Exchange lists newest first; a search is always sorted by date.
    found.sort_by_key(|m| std::cmp::Reverse(m.received_ms));
    if !options.order.is_empty() {
        found.sort_by(|a, b| collection::compare(*a, *b, &options.order));
    }
    if options.search.is_some() {
        found.truncate(SEARCH_LIMIT);
    }
    let total = found.len();
    let page: Vec<Value> = found
        .into_iter()
        .skip(options.skip)
        .take(options.top)
        .map(|m| Value::Object(mail_view::message(m, context, options.select.as_deref(), &options.expand)))
        .collect();
    let mut body = Map::new();
    let path = folder.map_or("messages".into(), |f| format!("mailFolders('{f}')/messages"));
    let suffix = options.select.as_ref().map_or(String::new(), |list| format!("({})", list.join(",")));
    let root = context.origin(world);
    body.insert(
        "@odata.context".into(),
        format!("{root}/$metadata#users('{}')/{path}{suffix}", context.owner.oid).into(),
    );
    if options.count {
        body.insert("@odata.count".into(), json!(total));
    }
    let end = options.skip.saturating_add(page.len());
    body.insert("value".into(), Value::Array(page));
    if end < total {
        // A search is continued by an opaque token, a list by a number, as Exchange does.
        let name = if options.search.is_some() { "$skiptoken" } else { "$skip" };
        body.insert("@odata.nextLink".into(), next_link(world, context, name, end).into());
    }
    Ok(Reply::json(200, &Value::Object(body)))
}
