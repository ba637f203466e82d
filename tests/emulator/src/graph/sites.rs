//! SharePoint sites: search, one site by its id or its address, its libraries. Only the tenant's readers and a
//! site's own members see it.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::drive_path::{absent, denied};
use super::drive_view::{self, DRIVES};
use super::drives::require;
use super::error::GraphError;
use crate::clock::iso;
use crate::drives::Site;
use crate::wire::Reply;
use crate::world::World;
use serde_json::json;

const READ: [&str; 2] = ["Sites.Read.All", "Sites.ReadWrite.All"];

/// The host of all sites.
pub const HOST: &str = "contoso.sharepoint.example";

const SITES: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.site",
        properties: &[
            "id",
            "name",
            "displayName",
            "description",
            "webUrl",
            "createdDateTime",
            "lastModifiedDateTime",
            "siteCollection",
            "root",
        ],
        fields: &[("name", Sort::Text)],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 100,
    most: 500,
    by_token: true,
    options: &["search", "$search", "$select", "$top", "$skiptoken", "$filter"],
};

const LISTS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.list",
        properties: &["id", "name", "displayName", "description", "webUrl", "createdDateTime", "list"],
        fields: &[("displayName", Sort::Text)],
        any: &[],
    },
    options: &["$select", "$top", "$filter", "$skiptoken", "$expand"],
    ..SITES
};

fn shown(site: &Site) -> Item {
    let all = json!({
        "id": site.id, "name": site.name, "displayName": site.name, "description": site.description,
        "webUrl": format!("https://{HOST}{}", site.path), "createdDateTime": iso(site.created_ms),
        "lastModifiedDateTime": iso(site.created_ms), "siteCollection": { "hostname": HOST }, "root": {},
    });
    all.as_object().cloned().unwrap_or_default()
}

fn is_open(world: &World, context: &Context<'_>, site: &Site) -> bool {
    world.drives.find(&site.drive).is_some_and(|drive| drive.is_open_to(context.user.oid))
}

fn list(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let words = context.option("search").or_else(|| context.option("$search"));
    let words =
        words.ok_or_else(|| GraphError::bad("invalidRequest", "Sites are listed by search alone."))?;
    let lower = words.trim_matches('"').to_lowercase();
    let fits = |site: &&Site| {
        let text = format!("{} {}", site.name, site.description).to_lowercase();
        lower == "*" || lower.split_whitespace().all(|word| text.contains(word))
    };
    let found = world.drives.sites.iter().filter(|site| is_open(world, context, site)).filter(fits);
    collection::page(world, context, &SITES, found.map(shown).collect(), "sites")
}

/// A site by its id, by `root`, or by host and path: `host:`, `sites`, `name`.
fn find<'w>(world: &'w World, context: &Context<'_>, id: &str, path: &str) -> Result<&'w Site, GraphError> {
    let wanted = |site: &&Site| {
        site.id == id
            || (id == "root" && site.path.is_empty())
            || (id.strip_suffix(':') == Some(HOST) && site.path == path)
    };
    let found = world.drives.sites.iter().find(wanted).ok_or_else(absent)?;
    if is_open(world, context, found) { Ok(found) } else { Err(denied()) }
}

fn one(world: &World, context: &Context<'_>, id: &str, path: &str) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    collection::single(world, context, &SITES, shown(find(world, context, id, path)?), "sites")
}

fn drives(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require(context, &["Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"])?;
    let site = find(world, context, id, "")?;
    let drive = world.drives.find(&site.drive).ok_or_else(absent)?;
    collection::page(world, context, &DRIVES, vec![drive_view::drive(world, drive)], "drives")
}

fn lists(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let site = find(world, context, id, "")?;
    let all = json!({
        "id": list_id(site), "name": "Shared Documents", "displayName": "Documents", "description": "",
        "webUrl": format!("https://{HOST}{}/Shared%20Documents", site.path), "createdDateTime": iso(site.created_ms),
        "list": { "template": "documentLibrary", "hidden": false, "contentTypesEnabled": false },
    });
    let items = vec![all.as_object().cloned().unwrap_or_default()];
    collection::page(world, context, &LISTS, items, &format!("sites('{id}')/lists"))
}

fn list_id(site: &Site) -> String {
    site.id.rsplit(',').next().unwrap_or_default().to_owned()
}

/// What the library holds, as the rows of a list.
fn rows(world: &World, context: &Context<'_>, id: &str, list: &str) -> Result<Reply, GraphError> {
    require(context, &READ)?;
    let site = find(world, context, id, "")?;
    if list != list_id(site) {
        return Err(absent());
    }
    let drive = world.drives.find(&site.drive).ok_or_else(absent)?;
    let files = drive.items.iter().filter(|item| item.parent.is_some()).enumerate();
    let rows = files.map(|(n, item)| {
        let all = json!({
            "id": (n + 1).to_string(), "createdDateTime": iso(item.created_ms),
            "lastModifiedDateTime": iso(item.modified_ms), "webUrl": drive.web_url(),
            "fields": { "id": (n + 1).to_string(), "FileLeafRef": item.name, "Title": item.name },
        });
        let mut row: Item = all.as_object().cloned().unwrap_or_default();
        if !context.option("$expand").is_some_and(|text| text.starts_with("fields")) {
            row.remove("fields");
        }
        row
    });
    collection::page(world, context, &LISTS, rows.collect(), &format!("sites('{id}')/lists('{list}')/items"))
}

/// Routes the paths of sites.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["sites"]) => list(world, context),
        ("GET", ["sites", id]) => one(world, context, id, ""),
        ("GET", ["sites", id, "drives"]) => drives(world, context, id),
        ("GET", ["sites", id, "lists"]) => lists(world, context, id),
        ("GET", ["sites", id, "lists", list, "items"]) => rows(world, context, id, list),
        ("GET", ["sites", host, rest @ ..]) if host.ends_with(':') => {
            one(world, context, host, &format!("/{}", rest.join("/").trim_end_matches(':')))
        }
        (_, ["sites"] | ["sites", _] | ["sites", _, "drives" | "lists"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
