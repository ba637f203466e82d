//! Drives and their items as Graph shows them: facets, references to where an item is, and addresses from which
//! a file can be fetched without a token. The content itself is never part of an item.

use super::collection::{Item as Shown, Spec};
use super::condition::{Grammar, Sort};
use crate::clock::iso;
use crate::drives::{Drive, Item, media_type};
use crate::ids::{hex, sha256};
use crate::tenant;
use crate::wire::percent_encode;
use crate::world::World;
use serde_json::{Value, json};

/// Lists of items.
pub const ITEMS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.driveItem",
        properties: &[
            "id",
            "createdBy",
            "createdDateTime",
            "description",
            "eTag",
            "lastModifiedBy",
            "lastModifiedDateTime",
            "name",
            "parentReference",
            "webUrl",
            "cTag",
            "file",
            "fileSystemInfo",
            "folder",
            "root",
            "searchResult",
            "shared",
            "size",
            "webDavUrl",
            "content",
            "content.downloadUrl",
            "@microsoft.graph.downloadUrl",
        ],
        fields: &[("name", Sort::Text)],
        any: &[],
    },
    always: &["id"],
    sortable: &["name", "size", "lastModifiedDateTime", "createdDateTime"],
    top: 200,
    most: 999,
    by_token: true,
    options: &["$select", "$expand", "$top", "$orderby", "$skiptoken", "$filter"],
};

/// Lists of drives.
pub const DRIVES: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.drive",
        properties: &[
            "id",
            "name",
            "description",
            "driveType",
            "createdDateTime",
            "lastModifiedDateTime",
            "webUrl",
            "owner",
            "quota",
        ],
        fields: &[],
        any: &[],
    },
    sortable: &["name"],
    options: &["$select", "$top", "$skip", "$orderby", "$expand"],
    by_token: false,
    ..ITEMS
};

fn identity(oid: &str) -> Value {
    let user = tenant::by_oid(oid);
    json!({ "user": { "id": oid, "displayName": user.map(|u| u.display_name), "email": user.map(|u| u.address) } })
}

/// A drive.
pub fn drive(world: &World, drive: &Drive) -> Shown {
    let used: usize = drive.items.iter().filter_map(|item| item.content.as_ref()).map(Vec::len).sum();
    let total = 1_099_511_627_776_usize;
    let owner = drive.owner.map_or_else(
        || json!({ "group": { "displayName": world.drives.site_of(&drive.id).map(|site| &site.name) } }),
        identity,
    );
    let created_ms = drive.root().map_or(0, |root| root.created_ms);
    let all = json!({
        "id": drive.id, "name": drive.name, "description": "", "owner": owner, "webUrl": drive.web_url(),
        "driveType": if drive.owner.is_some() { "business" } else { "documentLibrary" },
        "createdDateTime": iso(created_ms), "lastModifiedDateTime": iso(created_ms),
        "quota": { "total": total, "used": used, "remaining": total - used, "deleted": 0, "state": "normal" },
    });
    all.as_object().cloned().unwrap_or_default()
}

/// Where the things in a folder are.
pub fn reference(world: &World, drive: &Drive, folder: &Item) -> Value {
    let names: Vec<String> = drive.path_of(&folder.id).iter().map(|name| percent_encode(name)).collect();
    let below = if names.is_empty() { String::new() } else { format!("/{}", names.join("/")) };
    json!({
        "driveType": if drive.owner.is_some() { "business" } else { "documentLibrary" },
        "driveId": drive.id, "id": folder.id, "name": folder.name, "path": format!("/drives/{}/root:{below}", drive.id),
        "siteId": world.drives.site_of(&drive.id).map(|site| &site.id),
    })
}

/// An item. The address to fetch a file from is made by whoever answers a single item or a list of children.
pub fn item(world: &World, drive: &Drive, item: &Item) -> Shown {
    let path: Vec<String> = drive.path_of(&item.id).iter().map(|name| percent_encode(name)).collect();
    let all = json!({
        "id": item.id, "name": item.name, "size": drive.size_of(item), "eTag": item.etag(),
        "cTag": format!("\"c:{{{}}},{}\"", item.id, item.change + 1), "createdDateTime": iso(item.created_ms),
        "lastModifiedDateTime": iso(item.modified_ms), "createdBy": identity(item.by),
        "lastModifiedBy": identity(item.by), "webUrl": format!("{}/{}", drive.web_url(), path.join("/")),
        "fileSystemInfo": { "createdDateTime": iso(item.created_ms), "lastModifiedDateTime": iso(item.modified_ms) },
    });
    let mut out = all.as_object().cloned().unwrap_or_default();
    match item.parent.as_deref().and_then(|id| drive.find(id)) {
        Some(parent) => out.insert("parentReference".into(), reference(world, drive, parent)),
        None => {
            out.insert("root".into(), json!({}));
            out.insert("parentReference".into(), json!({ "driveType": "business", "driveId": drive.id }))
        }
    };
    if !item.description.is_empty() {
        out.insert("description".into(), item.description.clone().into());
    }
    if !item.links.is_empty() || !item.grants.is_empty() {
        let everyone = item.links.iter().any(|(_, scope)| scope == "anonymous");
        out.insert("shared".into(), json!({ "scope": if everyone { "anonymous" } else { "users" } }));
    }
    match &item.content {
        Some(content) => out.insert(
            "file".into(),
            json!({ "mimeType": media_type(&item.name), "hashes": { "quickXorHash": hex(&sha256(content)).get(..28) } }),
        ),
        None => out.insert("folder".into(), json!({ "childCount": drive.children(&item.id).count() })),
    };
    out
}
