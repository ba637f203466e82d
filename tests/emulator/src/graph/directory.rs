//! The directory: users, managers and direct reports. Searching needs the header that accepts eventual
//! consistency, as in Entra, and each clause its own quotes. A token with `User.ReadBasic.All` alone must
//! never see more than names and addresses of others.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::profile::{DEFAULTS, PROPERTIES, value};
use crate::tenant::User;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

/// What `User.ReadBasic.All` shows of others.
const BASIC: [&str; 6] = ["id", "displayName", "givenName", "surname", "mail", "userPrincipalName"];

const SEARCHABLE: [&str; 6] =
    ["displayName", "givenName", "surname", "mail", "mailNickname", "userPrincipalName"];

const FULL: [&str; 3] = ["User.Read.All", "Directory.Read.All", "User.ReadWrite.All"];

const DIRECTORY: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.user",
        properties: &PROPERTIES,
        fields: &[
            ("displayName", Sort::Text),
            ("givenName", Sort::Text),
            ("surname", Sort::Text),
            ("mail", Sort::Text),
            ("userPrincipalName", Sort::Text),
            ("id", Sort::Text),
            ("department", Sort::Text),
            ("jobTitle", Sort::Text),
            ("accountEnabled", Sort::Flag),
        ],
        any: &[],
    },
    always: &[],
    sortable: &["displayName", "userPrincipalName"],
    top: 100,
    most: 999,
    by_token: true,
    options: &["$select", "$filter", "$orderby", "$top", "$count", "$search", "$skiptoken"],
};

fn denied() -> GraphError {
    let message = "Insufficient privileges to complete the operation.";
    GraphError::new(403, "Authorization_RequestDenied", message)
}

fn require(context: &Context<'_>, any_of: &[&str]) -> Result<(), GraphError> {
    if any_of.iter().any(|scope| context.has_scope(scope)) { Ok(()) } else { Err(denied()) }
}

fn absent(id: &str) -> GraphError {
    let message = format!(
        "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
    );
    GraphError::new(404, "Request_ResourceNotFound", message)
}

/// A user with all properties, as far as the token may see them.
fn item(user: &User, context: &Context<'_>) -> Item {
    let full = FULL.iter().any(|scope| context.has_scope(scope)) || user.oid == context.user.oid;
    let shown = |name: &str| if full || BASIC.contains(&name) { value(user, name) } else { Value::Null };
    PROPERTIES.iter().map(|name| ((*name).to_owned(), shown(name))).collect()
}

fn is_eventual(context: &Context<'_>) -> bool {
    context.call.headers.get("consistencylevel").is_some_and(|v| v.eq_ignore_ascii_case("eventual"))
}

/// A parsed `$search`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    /// A property and the text that it begins with.
    Clause(String, String),
    /// All hold.
    And(Vec<Self>),
    /// One holds.
    Or(Vec<Self>),
}

fn search_error(detail: &str) -> GraphError {
    GraphError::bad("Request_BadRequest", format!("Invalid $search query: {detail}"))
}

/// Reads one quoted clause off the front: its text without quotes, and what follows.
fn clause(text: &str) -> Result<(Search, &str), GraphError> {
    let rest = text.trim_start().strip_prefix('"');
    let rest = rest.ok_or_else(|| search_error("each clause needs double quotes of its own."))?;
    let (mut inner, mut escaped) = (String::new(), false);
    for (at, c) in rest.char_indices() {
        match c {
            _ if escaped => {
                inner.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => {
                let (name, wanted) =
                    inner.split_once(':').ok_or_else(|| search_error("a clause is property:value."))?;
                let known = SEARCHABLE.iter().find(|known| known.eq_ignore_ascii_case(name.trim()));
                let known = known.ok_or_else(|| search_error("the property cannot be searched."))?;
                if wanted.trim().is_empty() {
                    return Err(search_error("the value is empty."));
                }
                let parsed = Search::Clause((*known).to_owned(), wanted.trim().to_lowercase());
                return Ok((parsed, rest.get(at + 1..).unwrap_or_default()));
            }
            _ => inner.push(c),
        }
    }
    Err(search_error("a quote is not closed."))
}

/// Reads clauses joined by `AND` and `OR`, where `AND` binds tighter.
fn parse_search(text: &str) -> Result<Search, GraphError> {
    let (first, mut rest) = clause(text)?;
    let (mut any, mut all) = (Vec::new(), vec![first]);
    while !rest.trim().is_empty() {
        let (word, after) = rest.trim_start().split_once(' ').unwrap_or((rest.trim_start(), ""));
        let (next, behind) = match word {
            "AND" | "OR" => clause(after)?,
            _ => return Err(search_error("clauses are joined by AND or OR in capitals.")),
        };
        if word == "OR" {
            any.push(Search::And(std::mem::take(&mut all)));
        }
        all.push(next);
        rest = behind;
    }
    any.push(Search::And(all));
    Ok(Search::Or(any))
}

impl Search {
    fn matches(&self, user: &User) -> bool {
        match self {
            Self::And(list) => list.iter().all(|one| one.matches(user)),
            Self::Or(list) => list.iter().any(|one| one.matches(user)),
            Self::Clause(property, wanted) => {
                let ours = value(user, property).as_str().unwrap_or_default().to_lowercase();
                // Only display names are cut into words; the others are compared from their beginning.
                if property != "displayName" {
                    return ours.starts_with(wanted.as_str());
                }
                let begins = |word: &str| ours.split_whitespace().any(|own| own.starts_with(word));
                wanted.split_whitespace().all(begins)
            }
        }
    }
}

fn selected(context: &Context<'_>, found: Item) -> Item {
    if context.option("$select").is_some() {
        return found;
    }
    found.into_iter().filter(|(name, _)| DEFAULTS.contains(&name.as_str())).collect()
}

fn users(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &["User.ReadBasic.All", "User.Read.All", "Directory.Read.All"])?;
    let needs = |what: &str| {
        let message = format!(
            "Request with {what} only works through MSGraph with a special request header: 'ConsistencyLevel: eventual'"
        );
        Err(GraphError::bad("Request_UnsupportedQuery", message))
    };
    let eventual = is_eventual(context);
    let filter = context.option("$filter").unwrap_or_default();
    let advanced = ["endswith(", "contains(", " ne ", "not "].iter().any(|part| filter.contains(part));
    if context.option("$search").is_some() && !eventual {
        return needs("$search query parameter");
    }
    if (context.option("$count").is_some() || advanced) && !eventual {
        return needs("an advanced query");
    }
    let sorted_too = context.option("$orderby").is_some();
    if sorted_too && (!filter.is_empty() || context.option("$search").is_some()) && !eventual {
        return needs("$orderby and $filter together");
    }
    if filter.contains("contains(") {
        return Err(GraphError::bad("Request_UnsupportedQuery", "The function contains is not supported."));
    }
    let search = context.option("$search").map(parse_search).transpose()?;
    let found = world.directory.users().iter().filter(|user| search.as_ref().is_none_or(|s| s.matches(user)));
    let items: Vec<Item> = found.map(|user| item(user, context)).collect();
    let reply = collection::page(world, context, &DIRECTORY, items, "users")?;
    Ok(trimmed(context, &reply))
}

/// Without `$select`, users show their default properties.
fn trimmed(context: &Context<'_>, reply: &Reply) -> Reply {
    let mut body = reply.value();
    if let Some(list) = body.get_mut("value").and_then(Value::as_array_mut) {
        for user in list.iter_mut() {
            if let Value::Object(map) = user {
                *map = selected(context, std::mem::take(map));
            }
        }
    }
    Reply::json(reply.status, &body)
}

/// `$expand` of a user: `manager` or `directReports`, one of them, with a `$select` of its own and nothing else. Who has
/// no manager has no such member.
pub fn expanded(
    world: &World,
    context: &Context<'_>,
    user: &'static User,
) -> Result<Option<(&'static str, Value)>, GraphError> {
    let Some(text) = context.option("$expand") else { return Ok(None) };
    let refuse = || GraphError::bad("Request_BadRequest", format!("The $expand '{text}' is not supported."));
    let (name, inner) = text.split_once('(').map_or((text, None), |(name, inner)| (name, Some(inner)));
    let inner = inner.map(|inner| inner.strip_suffix(')').and_then(|i| i.strip_prefix("$select=")));
    let names: Option<Vec<&str>> = match inner {
        Some(None) => return Err(refuse()),
        Some(Some(list)) => Some(list.split(',').collect()),
        None => None,
    };
    if names.iter().flatten().any(|name| !PROPERTIES.contains(name)) {
        return Err(refuse());
    }
    require(context, &["User.Read.All", "Directory.Read.All"])?;
    let shown = |user: &User| {
        let kept = |name: &&&str| names.as_ref().map_or(DEFAULTS.contains(name), |list| list.contains(*name));
        let mut out: Item =
            PROPERTIES.iter().filter(kept).map(|name| ((*name).to_owned(), value(user, name))).collect();
        out.insert("@odata.type".into(), json!("#microsoft.graph.user"));
        Value::Object(out)
    };
    match name {
        "manager" => Ok(world.directory.manager_of(user).map(|manager| ("manager", shown(manager)))),
        "directReports" => {
            // Not more than twenty are expanded, and nothing leads on to the others.
            let list = world.directory.reports_of(user).take(20).map(shown).collect();
            Ok(Some(("directReports", Value::Array(list))))
        }
        _ => Err(refuse()),
    }
}

fn one(world: &World, context: &Context<'_>, user: &'static User) -> Result<Reply, GraphError> {
    context.allow_options(&["$select", "$expand"])?;
    let found = selected(context, item(user, context));
    let select = super::odata::select(context, DIRECTORY.grammar.properties, DIRECTORY.grammar.kind)?;
    let mut found = collection::pick(found, select.as_deref(), DIRECTORY.always);
    found.extend(expanded(world, context, user)?.map(|(name, value)| (name.to_owned(), value)));
    let suffix = select.as_ref().map_or(String::new(), |list| format!("({})", list.join(",")));
    Ok(collection::entity(world, context, 200, found, &format!("users{suffix}")))
}

fn user(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    let found = world.directory.find(id).ok_or_else(|| absent(id));
    let own = found.as_ref().is_ok_and(|user| user.oid == context.user.oid);
    let enough = if own { "User.Read" } else { "User.ReadBasic.All" };
    require(context, &[enough, "User.ReadBasic.All", "User.Read.All", "Directory.Read.All"])?;
    one(world, context, found?)
}

fn manager(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &["User.Read.All", "Directory.Read.All"])?;
    let found = world.directory.manager_of(context.owner).ok_or_else(|| absent("manager"))?;
    one(world, context, found)
}

fn reports(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &["User.Read", "User.Read.All", "Directory.Read.All"])?;
    context.allow_options(&["$select", "$top"])?;
    let found = world.directory.reports_of(context.owner);
    let items: Vec<Item> = found.map(|user| item(user, context)).collect();
    let reply = collection::page(world, context, &DIRECTORY, items, "directoryObjects")?;
    let mut body = trimmed(context, &reply).value();
    for entry in body.get_mut("value").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::Object(map) = entry {
            map.insert("@odata.type".into(), json!("#microsoft.graph.user"));
        }
    }
    Ok(Reply::json(200, &body))
}

/// Routes the paths of the directory.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["users"]) => users(world, context),
        ("GET", ["users", id]) => user(world, context, id),
        ("GET", ["me", "manager"]) => manager(world, context),
        ("GET", ["me", "directReports"]) => reports(world, context),
        (_, ["users"] | ["users", _] | ["me", "manager" | "directReports"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_are_quoted_by_clause() {
        let names = |text: &str| -> Vec<&str> {
            let search = parse_search(text).unwrap();
            crate::tenant::USERS.iter().filter(|u| search.matches(u)).map(|u| u.given_name).collect()
        };
        assert_eq!(names("\"displayName:bak\""), ["Bob"]);
        assert_eq!(names("\"displayName:al\" OR \"mail:dave@\""), ["Alice", "Dave"]);
        assert_eq!(names("\"displayName:c\" AND \"givenName:carol\""), ["Carol"]);
        for bad in [
            "",
            "alice",
            "displayName:alice",
            "\"alice\"",
            "\"jobTitle:x\"",
            "\"displayName:\"",
            "\"displayName:a\" or \"mail:a\"",
            "\"displayName:a\" \"mail:a\"",
            "\"displayName:a OR mail:a",
            "\"displayName:a\" OR",
        ] {
            assert_eq!(parse_search(bad).unwrap_err().status, 400, "{bad}");
        }
    }
}
