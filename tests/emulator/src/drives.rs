//! OneDrive and SharePoint: drives with folders and files, and the sites that document libraries belong to. Names
//! are unique within a folder, whatever their case, and every change gives an item a new tag.

use crate::ids::Ids;
use crate::wire::percent_encode;
use serde_json::{Value, json};

/// A file or a folder.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The folder that it is in; the root is in none.
    pub parent: Option<String>,
    /// The bytes of a file; a folder has none.
    pub content: Option<Vec<u8>>,
    /// What the owner says of it.
    pub description: String,
    /// When it was made.
    pub created_ms: u64,
    /// When it last changed.
    pub modified_ms: u64,
    /// Who last changed it.
    pub by: &'static str,
    /// Counts changes, for the tags.
    pub change: u64,
    /// The links that were made: type and scope.
    pub links: Vec<(String, String)>,
    /// Who was invited: addresses and roles.
    pub grants: Vec<(String, String)>,
}

/// One drive: somebody's OneDrive, or the library of a site.
#[derive(Clone, Debug)]
pub struct Drive {
    /// The id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Whose it is; a library belongs to nobody.
    pub owner: Option<&'static str>,
    /// Who may read and write a library; empty means the whole tenant.
    pub members: Vec<&'static str>,
    /// The items; the first is the root.
    pub items: Vec<Item>,
}

/// One SharePoint site with one library.
#[derive(Clone, Debug)]
pub struct Site {
    /// The id: host, collection and web.
    pub id: String,
    /// The name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The path of its address.
    pub path: String,
    /// The id of its library.
    pub drive: String,
    /// The team that it belongs to.
    pub team: Option<String>,
    /// When it was made.
    pub created_ms: u64,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Drives {
    /// The drives.
    pub list: Vec<Drive>,
    /// The sites.
    pub sites: Vec<Site>,
}

/// The media type of a name.
pub fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("txt" | "log") => "text/plain",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("html" | "htm") => "text/html",
        Some("json") => "application/json",
        Some("pdf") => "application/pdf",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("zip") => "application/zip",
        Some("docx") => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        Some("xlsx") => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        Some("pptx") => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        _ => "application/octet-stream",
    }
}

/// Whether a name is one that SharePoint takes.
pub fn is_name(name: &str) -> bool {
    let forbidden = ['"', '*', ':', '<', '>', '?', '/', '\\', '|'];
    let reserved = ["con", "prn", "aux", "nul", ".lock", "desktop.ini", "_vti_"];
    let plain = !name.trim().is_empty()
        && name.len() <= 255
        && !name.chars().any(|c| c.is_control() || forbidden.contains(&c));
    plain
        && name.trim() == name
        && !name.ends_with('.')
        && !reserved.contains(&name.to_ascii_lowercase().as_str())
        && !name.starts_with("~$")
}

impl Item {
    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.content.is_none()
    }

    /// The tag that changes with every change.
    pub fn etag(&self) -> String {
        format!("\"{{{}}},{}\"", self.id, self.change + 1)
    }
}

impl Drive {
    /// A drive with nothing but its root.
    pub fn new(name: &str, owner: Option<&'static str>, ids: &mut Ids, now_ms: u64) -> Self {
        let id = format!("b!{}", ids.token("").get(..64).unwrap_or_default());
        let root = Item {
            id: Self::item_id(ids),
            name: "root".into(),
            created_ms: now_ms,
            modified_ms: now_ms,
            ..Item::default()
        };
        Self { id, name: name.into(), owner, members: Vec::new(), items: vec![root] }
    }

    fn item_id(ids: &mut Ids) -> String {
        let text = ids.uuid().replace('-', "").to_uppercase();
        format!("01{}", text.get(..32).unwrap_or_default())
    }

    /// Whether somebody may see it.
    pub fn is_open_to(&self, oid: &str) -> bool {
        match self.owner {
            Some(owner) => owner == oid,
            None => self.members.is_empty() || self.members.contains(&oid),
        }
    }

    /// The root.
    pub fn root(&self) -> Option<&Item> {
        self.items.first()
    }

    /// An item by its id; ids are compared whatever their case, as SharePoint does. `root` is the root.
    pub fn find(&self, id: &str) -> Option<&Item> {
        if id == "root" {
            self.root()
        } else {
            self.items.iter().find(|item| item.id.eq_ignore_ascii_case(id))
        }
    }

    /// An item, to be changed.
    pub fn find_mut(&mut self, id: &str) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id.eq_ignore_ascii_case(id))
    }

    /// What is directly in a folder.
    pub fn children<'d>(&'d self, id: &'d str) -> impl Iterator<Item = &'d Item> {
        self.items.iter().filter(move |item| item.parent.as_deref() == Some(id))
    }

    /// The item of a name in a folder.
    pub fn child(&self, id: &str, name: &str) -> Option<&Item> {
        self.items
            .iter()
            .find(|i| i.parent.as_deref() == Some(id) && i.name.to_lowercase() == name.to_lowercase())
    }

    /// The item at the end of a path that begins at another one.
    pub fn walk<'d>(&'d self, from: &'d Item, path: &[String]) -> Option<&'d Item> {
        path.iter().try_fold(from, |at, name| self.child(&at.id, name))
    }

    /// The names from the root to an item, the root left out.
    pub fn path_of(&self, id: &str) -> Vec<String> {
        let Some(item) = self.find(id) else { return Vec::new() };
        let Some(parent) = &item.parent else { return Vec::new() };
        let mut path = self.path_of(parent);
        path.push(item.name.clone());
        path
    }

    /// Adds an item and returns it.
    pub fn add(
        &mut self,
        parent: &str,
        name: &str,
        content: Option<Vec<u8>>,
        by: &'static str,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Item {
        let item = Item {
            id: Self::item_id(ids),
            name: name.into(),
            parent: Some(parent.into()),
            content,
            created_ms: now_ms,
            modified_ms: now_ms,
            by,
            ..Item::default()
        };
        self.items.push(item.clone());
        item
    }

    /// Puts a file at a path below the root, with the folders on the way.
    pub fn put(&mut self, path: &str, content: &[u8], by: &'static str, ids: &mut Ids, now_ms: u64) -> Item {
        let mut at = self.root().map(|root| root.id.clone()).unwrap_or_default();
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
            at = match self.child(&at, folder) {
                Some(found) => found.id.clone(),
                None => self.add(&at, folder, None, by, ids, now_ms).id,
            };
        }
        self.add(&at, name, Some(content.to_vec()), by, ids, now_ms)
    }

    /// Removes an item with everything in it.
    pub fn remove(&mut self, id: &str) {
        let inside: Vec<String> = self.children(id).map(|item| item.id.clone()).collect();
        for child in inside {
            self.remove(&child);
        }
        self.items.retain(|item| item.id != id);
    }

    /// How many bytes an item holds, with everything in it.
    pub fn size_of(&self, item: &Item) -> usize {
        match &item.content {
            Some(content) => content.len(),
            None => self.children(&item.id).map(|child| self.size_of(child)).sum(),
        }
    }

    /// The address of a drive in a browser.
    pub fn web_url(&self) -> String {
        match self.owner {
            Some(oid) => format!("https://contoso-my.sharepoint.example/personal/{oid}/Documents"),
            None => format!(
                "https://contoso.sharepoint.example/sites/{}/Shared%20Documents",
                percent_encode(&self.name)
            ),
        }
    }

    /// As the control plane shows it: paths, sizes, and short texts.
    pub fn to_json(&self) -> Value {
        let one = |item: &Item| {
            let text = item
                .content
                .as_ref()
                .filter(|c| c.len() <= 4096)
                .and_then(|c| String::from_utf8(c.clone()).ok());
            json!({
                "id": item.id, "path": format!("/{}", self.path_of(&item.id).join("/")), "folder": item.is_folder(),
                "size": self.size_of(item), "text": text, "by": item.by, "links": item.links, "grants": item.grants,
            })
        };
        let items: Vec<Value> = self.items.iter().map(one).collect();
        json!({ "id": self.id, "name": self.name, "items": items })
    }
}

impl Drives {
    /// Somebody's OneDrive.
    pub fn of(&self, oid: &str) -> Option<&Drive> {
        self.list.iter().find(|drive| drive.owner == Some(oid))
    }

    /// A drive by its id.
    pub fn find(&self, id: &str) -> Option<&Drive> {
        self.list.iter().find(|drive| drive.id == id)
    }

    /// A drive, to be changed.
    pub fn find_mut(&mut self, id: &str) -> Option<&mut Drive> {
        self.list.iter_mut().find(|drive| drive.id == id)
    }

    /// The site of a drive.
    pub fn site_of(&self, drive: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.drive == drive)
    }

    /// The sites with their libraries, as the control plane shows them.
    pub fn sites_json(&self) -> Value {
        let one = |site: &Site| json!({ "id": site.id, "name": site.name, "path": site.path, "drive": self.find(&site.drive).map(Drive::to_json) });
        Value::Array(self.sites.iter().map(one).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_path_and_go_with_their_folder() {
        let mut ids = Ids::new(1, 1);
        let mut drive = Drive::new("OneDrive", Some("a"), &mut ids, 0);
        let file = drive.put("Reports/2026/plan.txt", b"plan", "a", &mut ids, 1);
        drive.put("Reports/2026/other.txt", b"x", "a", &mut ids, 1);
        let path: Vec<String> = ["reports", "2026", "PLAN.txt"].map(String::from).to_vec();
        assert_eq!(drive.walk(drive.root().unwrap(), &path).unwrap().id, file.id);
        assert_eq!(drive.path_of(&file.id).join("/"), "Reports/2026/plan.txt");
        let folder = drive.child(&drive.root().unwrap().id, "Reports").unwrap().clone();
        assert_eq!(drive.size_of(&folder), 5);
        drive.remove(&folder.id);
        assert_eq!(drive.items.len(), 1);
    }

    #[test]
    fn names_that_sharepoint_refuses() {
        for bad in ["", " ", "a/b", "a:b", "con", "x.", " x", "~$x.docx", "desktop.ini", "a|b"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(is_name("Q3 – Überblick (final).docx"));
    }
}
