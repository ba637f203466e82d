//! The tools of OneDrive and SharePoint.
//!
//! What holds here: a file is named by its drive and its identifier, and a new one by a name that can stand in one segment
//! of a path. Bytes that come or go outside of the gateway do so only where the policy names the host, and without a token.

mod list;
mod read;
mod search;
mod share;
mod upload;

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::collection::{Field, Kind, shown, text};
use super::confirm;
use super::error::ToolError;
use super::plan::Planned;
use super::{Surroundings, Tool};
use crate::graph::query;
use crate::outbound::{GraphCall, Lane};

/// Whom files are by, as every result with some says it.
const BY_OTHERS: &str = "files and names, written by whoever shares them";

/// The permissions of which one suffices to read files.
pub(super) const FILES_READ: [&str; 6] = [
    "Files.ReadWrite.All",
    "Files.Read.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
    "Files.ReadWrite",
    "Files.Read",
];

/// The permissions of which one suffices to write files.
const FILES_WRITE: [&str; 3] = ["Files.ReadWrite.All", "Sites.ReadWrite.All", "Files.ReadWrite"];

/// What is asked of Graph for each item of a folder.
const FIELDS: &str = "id,name,size,file,folder,lastModifiedDateTime,lastModifiedBy,webUrl,parentReference";

/// Makes the plan of a tool about files.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    match tool {
        Tool::SearchFiles => search::SearchFiles::new(values, around).map(Planned::read),
        Tool::ReadFile => read::ReadFile::new(values, around).map(Planned::read),
        Tool::UploadFile => upload::UploadFile::new(values, around).map(Planned::write),
        Tool::ShareFile => confirm::before(share::ShareFile::new(values, around)?, values, around),
        _ => list::ListFiles::new(values, around).map(Planned::read),
    }
}

/// The call that finds the person's own drive.
fn own_drive() -> GraphCall {
    GraphCall::get(Lane::Other, format!("/me/drive{}", query(&[("$select", "id")])))
}

/// The path of the item that the arguments `driveId` and `id` name.
fn named(arguments: &Arguments<'_>) -> Result<String, ToolError> {
    let drive = arguments.required_identifier("driveId")?;
    let id = arguments.required_identifier("id")?;
    Ok(format!("/drives/{drive}/items/{id}"))
}

/// A file or folder as it is shown; none without an identifier.
fn item(found: &Value) -> Option<Map<String, Value>> {
    const SHOWN: [Field; 6] = [
        ("id", "/id", Kind::Text),
        ("driveId", "/parentReference/driveId", Kind::Text),
        ("name", "/name", Kind::Text),
        ("modifiedAt", "/lastModifiedDateTime", Kind::Text),
        ("modifiedBy", "/lastModifiedBy/user/displayName", Kind::Text),
        ("webUrl", "/webUrl", Kind::Text),
    ];
    let mut out = shown(found, &SHOWN);
    let is_folder = found.get("folder").is_some_and(Value::is_object);
    out.insert("kind".to_owned(), if is_folder { "folder" } else { "file" }.into());
    if let Some(size) = found.get("size").and_then(Value::as_u64) {
        out.insert("size".to_owned(), size.into());
    }
    // `/drives/{id}/root:/Reports/2026`
    let path = text(found, "/parentReference/path").and_then(|path| path.split_once("root:"));
    if let Some((_, path)) = path.filter(|(_, path)| !path.is_empty()) {
        out.insert("path".to_owned(), path.into());
    }
    out.contains_key("id").then_some(out)
}
