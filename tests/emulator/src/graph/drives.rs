//! Files: drives, folders, search, content down and up, links. Reading somebody else's drive needs more than the
//! right to one's own; a write to what has changed since the caller looked is refused with 412.

use super::Routed;
use super::collection::{self, Item as Shown};
use super::context::Context;
use super::drive_path::{self, Address, absent, denied};
use super::drive_view::{self, DRIVES, ITEMS};
use super::drive_write;
use super::error::GraphError;
use crate::drives::{Drive, Item, media_type};
use crate::wire::Reply;
use crate::world::World;

const READ: [&str; 6] = [
    "Files.Read",
    "Files.ReadWrite",
    "Files.Read.All",
    "Files.ReadWrite.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
];

/// Demands one of some scopes, in the words of OneDrive.
pub fn require(context: &Context<'_>, any_of: &[&str]) -> Result<(), GraphError> {
    if any_of.iter().any(|scope| context.has_scope(scope)) { Ok(()) } else { Err(denied()) }
}

/// The address of a file's content, good without a token for an hour.
pub fn download_url(world: &mut World, item: &Item) -> String {
    let now_ms = world.now_ms();
    let content = item.content.clone().unwrap_or_default();
    let token = world.storage.offer(&mut world.ids, (&item.name, media_type(&item.name)), content, now_ms);
    format!("{}/storage/download/{token}", world.base)
}

/// The caller's own drive, or somebody's that is open to the caller.
fn own_drive(world: &World, context: &Context<'_>) -> Result<String, GraphError> {
    require(context, &READ)?;
    let found = world.drives.of(context.owner.oid);
    let missing = || GraphError::new(404, "ResourceNotFound", "User's mysite not found.");
    found.map(|drive| drive.id.clone()).ok_or_else(missing)
}

fn one_drive(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    let found = drive_path::drive(world, context, id, false)?;
    collection::single(world, context, &DRIVES, drive_view::drive(world, found), "drives")
}

fn own_drives(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let id = own_drive(world, context)?;
    let found = drive_path::drive(world, context, &id, false)?;
    collection::page(world, context, &DRIVES, vec![drive_view::drive(world, found)], "drives")
}

/// A list of items; each file comes with the address of its content.
fn listed(
    world: &mut World,
    context: &Context<'_>,
    found: Vec<(Item, Shown)>,
    meta: &str,
) -> Result<Reply, GraphError> {
    let mut items = Vec::new();
    for (item, mut shown) in found {
        // Making an address copies the content, so that only files of a moderate size have one in lists.
        if item.content.as_ref().is_some_and(|content| content.len() < 65_536) {
            shown.insert("@microsoft.graph.downloadUrl".into(), download_url(world, &item).into());
        }
        items.push(shown);
    }
    collection::page(world, context, &ITEMS, items, meta)
}

fn shown_all<'d>(world: &World, drive: &Drive, items: impl Iterator<Item = &'d Item>) -> Vec<(Item, Shown)> {
    items.map(|item| (item.clone(), drive_view::item(world, drive, item))).collect()
}

fn get(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (drive, item) = drive_path::item(world, context, address, false)?;
    let (mut shown, item) = (drive_view::item(world, drive, item), item.clone());
    let etag = item.etag();
    if context.call.headers.get("if-none-match") == Some(etag.as_str()) {
        return Ok(Reply::empty(304));
    }
    if let Some(expand) = context.option("$expand")
        && expand != "children"
    {
        return Err(GraphError::bad("invalidRequest", format!("'{expand}' cannot be expanded.")));
    }
    context.allow_options(&["$select", "$expand"])?;
    if context.option("$expand").is_some() {
        let children = shown_all(world, drive, drive.children(&item.id));
        let list = children.into_iter().map(|(_, shown)| shown.into()).collect();
        shown.insert("children".into(), serde_json::Value::Array(list));
    }
    if !item.is_folder() {
        shown.insert("@microsoft.graph.downloadUrl".into(), download_url(world, &item).into());
    }
    let select = super::odata::select(context, ITEMS.grammar.properties, ITEMS.grammar.kind)?;
    let meta = format!("drives('{}')/items", address.drive);
    let picked = collection::pick(shown, select.as_deref(), &["id", "children"]);
    Ok(collection::entity(world, context, 200, picked, &meta).with("etag", etag))
}

fn children(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (drive, item) = drive_path::item(world, context, address, false)?;
    let mut found = shown_all(world, drive, drive.children(&item.id));
    found.sort_by_key(|(item, _)| (!item.is_folder(), item.name.to_lowercase()));
    listed(world, context, found, &format!("drives('{}')/items('{}')/children", address.drive, address.item))
}

/// `content`: 302 to an address that needs no token.
fn content(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (_, item) = drive_path::item(world, context, address, false)?;
    context.allow_options(&[])?;
    let item = item.clone();
    if item.is_folder() {
        return Err(GraphError::bad("notAllowed", "You cannot get content for a folder"));
    }
    let url = download_url(world, &item);
    Ok(Reply::empty(302).with("location", url))
}

/// The text between `search(q='` and `')`; a quote inside is doubled.
fn searched(segment: &str) -> Option<String> {
    let inner = segment.strip_prefix("search(q='")?.strip_suffix("')")?;
    let rest = inner.replace("''", "");
    (!rest.contains('\'')).then(|| inner.replace("''", "'"))
}

/// Whether an item is found by some words: each must begin a word of the name or stand in a text's content.
pub fn is_found(item: &Item, words: &str) -> bool {
    let name = item.name.to_lowercase();
    let text = item.content.as_ref().filter(|content| content.len() < 262_144);
    let text = text.and_then(|content| std::str::from_utf8(content).ok()).unwrap_or_default().to_lowercase();
    let lower = words.to_lowercase();
    let mut wanted = lower.split_whitespace().peekable();
    wanted.peek().is_some() && wanted.all(|word| name.contains(word) || text.contains(word))
}

/// Search below an item. What SharePoint's index does not hold (`.md`) is not found.
fn search(
    world: &mut World,
    context: &Context<'_>,
    address: &Address,
    segment: &str,
) -> Result<Reply, GraphError> {
    let words = searched(segment)
        .ok_or_else(|| GraphError::bad("invalidRequest", "The search query is not valid."))?;
    let (drive, top) = drive_path::item(world, context, address, false)?;
    let prefix = drive.path_of(&top.id);
    let inside = drive
        .items
        .iter()
        .filter(|item| item.parent.is_some() && drive.path_of(&item.id).starts_with(&prefix));
    let indexed = inside.filter(|item| !item.name.to_ascii_lowercase().ends_with(".md"));
    let found = shown_all(world, drive, indexed.filter(|item| is_found(item, &words)));
    listed(world, context, found, "Collection(driveItem)")
}

/// The latest files of the caller's drive.
fn recent(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let id = own_drive(world, context)?;
    let drive = drive_path::drive(world, context, &id, false)?;
    let mut found = shown_all(world, drive, drive.items.iter().filter(|item| !item.is_folder()));
    found.sort_by_key(|(item, _)| std::cmp::Reverse(item.modified_ms));
    listed(world, context, found, "Collection(driveItem)")
}

/// What is done with the item that an address names.
fn on_item(world: &mut World, context: &Context<'_>, address: &Address) -> Routed {
    let rest: Vec<&str> = address.rest.iter().map(String::as_str).collect();
    let result = match (context.call.method.as_str(), rest.as_slice()) {
        ("GET", []) => get(world, context, address),
        ("GET", ["children"]) => children(world, context, address),
        ("GET", ["content"]) => content(world, context, address),
        ("GET", [segment]) if segment.starts_with("search(") => search(world, context, address, segment),
        ("PATCH", []) => drive_write::update(world, context, address),
        ("DELETE", []) => drive_write::delete(world, context, address),
        ("POST", ["children"]) => drive_write::create_folder(world, context, address),
        ("PUT", ["content"]) => drive_write::put_content(world, context, address),
        ("POST", ["createUploadSession"]) => drive_write::create_session(world, context, address),
        ("POST", ["createLink"]) => drive_write::create_link(world, context, address),
        ("POST", ["invite"]) => drive_write::invite(world, context, address),
        ("POST", ["copy"]) => drive_write::copy(world, context, address),
        (_, [] | ["children" | "content" | "createUploadSession" | "createLink" | "invite" | "copy"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}

/// Routes what stands behind a drive.
pub fn behind(world: &mut World, context: &Context<'_>, id: &str, parts: &[&str]) -> Routed {
    match (context.call.method.as_str(), parts) {
        ("GET", []) => Some(one_drive(world, context, id)),
        (_, []) => Some(Err(GraphError::method_not_allowed())),
        ("GET", [segment]) if segment.starts_with("search(") => {
            let root = Address { drive: id.into(), item: "root".into(), names: Vec::new(), rest: Vec::new() };
            Some(search(world, context, &root, segment))
        }
        _ => drive_path::read(id, parts).and_then(|address| on_item(world, context, &address)),
    }
}

/// Routes the paths of drives.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "drives"]) => Some(own_drives(world, context)),
        ("GET", ["me", "drive", "recent()" | "recent"]) => Some(recent(world, context)),
        (_, ["me", "drive", parts @ ..]) => match own_drive(world, context) {
            Ok(id) => behind(world, context, &id, parts),
            Err(error) => Some(Err(error)),
        },
        (_, ["drives", id, parts @ ..]) => behind(world, context, id, parts),
        (_, ["me", "drives"]) => Some(Err(GraphError::method_not_allowed())),
        _ => None,
    }
}

/// The address of an item that a workload found by itself.
pub fn address_of(drive: &str, item: &str) -> Address {
    Address { drive: drive.into(), item: item.into(), names: Vec::new(), rest: Vec::new() }
}

/// An item that a workload found by itself, as an answer.
pub fn answer(
    world: &mut World,
    context: &Context<'_>,
    drive: &str,
    item: &str,
) -> Result<Reply, GraphError> {
    let address = address_of(drive, item);
    drive_path::item(world, context, &address, false).map_err(|_| absent())?;
    get(world, context, &address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_in_a_search_are_doubled() {
        assert_eq!(searched("search(q='it''s here')").as_deref(), Some("it's here"));
        assert_eq!(searched("search(q='it's here')"), None);
        assert_eq!(searched("search(q=plan)"), None);
    }
}
