//! How a path names a drive and an item: by id, by `root`, or by names between colons
//! (`items/{id}:/a/b.txt:/content`). What holds: whatever way an item is named, one place decides which it is
//! and whether the caller may see it.

use super::context::Context;
use super::error::GraphError;
use crate::drives::{Drive, Item};
use crate::world::World;

/// An item that a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The drive's id.
    pub drive: String,
    /// The item that stands for the beginning: an id, or `root`.
    pub item: String,
    /// The names behind it.
    pub names: Vec<String>,
    /// What follows: `children`, `content`, an action; nothing for the item itself.
    pub rest: Vec<String>,
}

/// 404 as OneDrive says it.
pub fn absent() -> GraphError {
    GraphError::new(404, "itemNotFound", "The resource could not be found.")
}

/// 403 as OneDrive says it.
pub fn denied() -> GraphError {
    GraphError::new(403, "accessDenied", "Access denied")
}

fn text(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Names up to the segment that ends in a colon, and what follows it.
fn names(parts: &[&str]) -> (Vec<String>, Vec<String>) {
    let Some(end) = parts.iter().position(|part| part.ends_with(':')) else {
        return (text(parts), Vec::new());
    };
    let (names, rest) = parts.split_at(end + 1);
    let names =
        names.iter().map(|name| name.strip_suffix(':').unwrap_or(name)).filter(|name| !name.is_empty());
    (names.map(str::to_owned).collect(), text(rest))
}

/// Reads what stands behind a drive; `None` when it names no item.
pub fn read(drive: &str, parts: &[&str]) -> Option<Address> {
    let (item, behind) = match parts {
        ["root" | "root:", rest @ ..] => ("root".to_owned(), rest),
        ["items", id, rest @ ..] => (id.strip_suffix(':').unwrap_or(id).to_owned(), rest),
        _ => return None,
    };
    let by_names = match parts {
        ["items", id, ..] => id.ends_with(':'),
        [first, ..] => first.ends_with(':'),
        [] => false,
    };
    let (names, rest) = if by_names { names(behind) } else { (Vec::new(), text(behind)) };
    Some(Address { drive: drive.to_owned(), item, names, rest })
}

/// Whether the token lets the caller into a drive at all: the own one, or all that are open to the caller.
fn is_let_in(context: &Context<'_>, drive: &Drive, writes: bool) -> bool {
    let has = |scope: &str| context.has_scope(scope);
    let everywhere = has("Files.ReadWrite.All") || has("Sites.ReadWrite.All");
    if drive.owner == Some(context.user.oid) {
        let reads = ["Files.Read", "Files.Read.All", "Sites.Read.All"].iter().any(|scope| has(scope));
        return everywhere || has("Files.ReadWrite") || (!writes && reads);
    }
    everywhere || (!writes && (has("Files.Read.All") || has("Sites.Read.All")))
}

/// The drive with an id, for those who may see it.
pub fn drive<'w>(
    world: &'w World,
    context: &Context<'_>,
    id: &str,
    writes: bool,
) -> Result<&'w Drive, GraphError> {
    let found = world.drives.find(id);
    if let Some(found) = found {
        if !is_let_in(context, found, writes) || !found.is_open_to(context.user.oid) {
            return Err(denied());
        }
        return Ok(found);
    }
    let any = [
        "Files.Read",
        "Files.ReadWrite",
        "Files.Read.All",
        "Files.ReadWrite.All",
        "Sites.Read.All",
        "Sites.ReadWrite.All",
    ];
    if !any.iter().any(|scope| context.has_scope(scope)) {
        return Err(denied());
    }
    if id.starts_with("b!") {
        return Err(absent());
    }
    Err(GraphError::bad(
        "invalidRequest",
        "The provided drive id appears to be malformed, or does not represent a valid drive.",
    ))
}

/// The item that an address names.
pub fn item<'w>(
    world: &'w World,
    context: &Context<'_>,
    address: &Address,
    writes: bool,
) -> Result<(&'w Drive, &'w Item), GraphError> {
    let drive = drive(world, context, &address.drive, writes)?;
    let start = drive.find(&address.item).ok_or_else(absent)?;
    Ok((drive, drive.walk(start, &address.names).ok_or_else(absent)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let of = |parts: &[&str]| read("d", parts).map(|a| (a.item, a.names.join("/"), a.rest.join("/")));
        let is =
            |item: &str, names: &str, rest: &str| Some((item.to_owned(), names.to_owned(), rest.to_owned()));
        assert_eq!(of(&["root"]), is("root", "", ""));
        assert_eq!(of(&["root", "children"]), is("root", "", "children"));
        assert_eq!(of(&["items", "01A", "content"]), is("01A", "", "content"));
        assert_eq!(of(&["root:", "a", "b.txt"]), is("root", "a/b.txt", ""));
        assert_eq!(of(&["root:", "a", "b.txt:", "content"]), is("root", "a/b.txt", "content"));
        assert_eq!(
            of(&["items", "01A:", "b.txt:", "createUploadSession"]),
            is("01A", "b.txt", "createUploadSession")
        );
        assert_eq!(of(&["list"]), None);
    }
}
