//! Writing files: folders, names, content, uploads in parts, links, invitations, copies. A name is checked, and
//! what happens when it is taken is what the request says, or what Graph does when it says nothing.

use super::collection;
use super::context::Context;
use super::drive_path::{self, Address, absent};
use super::drive_view;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use crate::clock::iso;
use crate::drives::{Drive, Item, is_name};
use crate::storage::{LIFE_MS, Target, Upload};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

const PARENT: Model = Model {
    name: "microsoft.graph.itemReference",
    fields: &[
        ("driveId", Kind::Text),
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("path", Kind::Text),
        ("driveType", Kind::Text),
        ("siteId", Kind::Text),
    ],
    required: &[],
};

const ITEM: Model = Model {
    name: "microsoft.graph.driveItem",
    fields: &[
        ("name", Kind::Text),
        ("description", Kind::Text),
        ("folder", Kind::Open),
        ("file", Kind::Open),
        ("fileSystemInfo", Kind::Open),
        ("parentReference", Kind::One(&PARENT)),
        ("id", Kind::ReadOnly),
        ("size", Kind::ReadOnly),
        ("webUrl", Kind::ReadOnly),
        ("eTag", Kind::ReadOnly),
        ("cTag", Kind::ReadOnly),
    ],
    required: &[],
};

const SESSION: Model = Model {
    name: "microsoft.graph.createUploadSession",
    fields: &[("item", Kind::Open), ("deferCommit", Kind::Flag)],
    required: &[],
};

const LINK: Model = Model {
    name: "microsoft.graph.createLink",
    fields: &[
        ("type", Kind::Word(&["view", "edit", "embed"])),
        ("scope", Kind::Word(&["anonymous", "organization", "users"])),
        ("expirationDateTime", Kind::Instant),
        ("password", Kind::Text),
        ("message", Kind::Text),
        ("recipients", Kind::Open),
        ("retainInheritedPermissions", Kind::Flag),
        ("sendNotification", Kind::Flag),
    ],
    required: &[],
};

const RECIPIENT: Model = Model {
    name: "microsoft.graph.driveRecipient",
    fields: &[("alias", Kind::Text), ("email", Kind::Text), ("objectId", Kind::Text)],
    required: &[],
};

const INVITE: Model = Model {
    name: "microsoft.graph.invite",
    fields: &[
        ("requireSignIn", Kind::Flag),
        ("roles", Kind::Words(&["read", "write", "owner"])),
        ("sendInvitation", Kind::Flag),
        ("message", Kind::Text),
        ("recipients", Kind::Many(&RECIPIENT)),
        ("retainInheritedPermissions", Kind::Flag),
        ("expirationDateTime", Kind::Text),
        ("password", Kind::Text),
    ],
    required: &["recipients", "roles"],
};

const COPY: Model = Model {
    name: "microsoft.graph.copy",
    fields: &[
        ("name", Kind::Text),
        ("parentReference", Kind::One(&PARENT)),
        ("includeAllVersionHistory", Kind::Flag),
    ],
    required: &[],
};

fn refuse(message: &str) -> GraphError {
    GraphError::bad("invalidRequest", message)
}

fn taken() -> GraphError {
    GraphError::new(409, "nameAlreadyExists", "The specified item name already exists.")
}

/// Refuses a write to what is not as the caller saw it.
fn check_match(context: &Context<'_>, item: &Item) -> Result<(), GraphError> {
    match context.call.headers.get("if-match") {
        Some(tag) if tag != "*" && tag != item.etag() => {
            let message = "The resource has changed since the caller last read it; usually an eTag mismatch";
            Err(GraphError::new(412, "resourceModified", message))
        }
        _ => Ok(()),
    }
}

fn answered(
    world: &World,
    context: &Context<'_>,
    status: u16,
    drive: &str,
    id: &str,
) -> Result<Reply, GraphError> {
    let found = world.drives.find(drive).ok_or_else(absent)?;
    let item = found.find(id).ok_or_else(absent)?;
    let shown = drive_view::item(world, found, item);
    Ok(collection::entity(world, context, status, shown, &format!("drives('{drive}')/items"))
        .with("etag", item.etag()))
}

/// A free name like a taken one: `plan 1.txt`.
fn free_name(drive: &Drive, parent: &str, name: &str) -> String {
    let (stem, end) =
        name.rsplit_once('.').map_or((name, String::new()), |(stem, end)| (stem, format!(".{end}")));
    let other = |n: usize| format!("{stem} {n}{end}");
    (1..1000).map(other).find(|name| drive.child(parent, name).is_none()).unwrap_or_else(|| other(1000))
}

/// A checked name.
fn checked_name(name: &str) -> Result<&str, GraphError> {
    if is_name(name) {
        return Ok(name);
    }
    Err(GraphError::bad(
        "invalidRequest",
        "The provided name cannot be blank, or contains characters or words that are not allowed.",
    ))
}

/// What a request says of a taken name.
fn conflict<'v>(body: &'v Value, default: &'static str) -> Result<&'v str, GraphError> {
    let said = body.get("@microsoft.graph.conflictBehavior").and_then(Value::as_str).unwrap_or(default);
    if matches!(said, "fail" | "replace" | "rename") {
        Ok(said)
    } else {
        Err(refuse("The conflictBehavior is not known."))
    }
}

/// `POST …/children`: a folder.
pub fn create_folder(
    world: &mut World,
    context: &Context<'_>,
    address: &Address,
) -> Result<Reply, GraphError> {
    let (drive, parent) = drive_path::item(world, context, address, true)?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&ITEM, &body, "")?;
    if !object.get("folder").is_some_and(Value::is_object) {
        return Err(refuse("Only folders are made this way: the folder facet is missing."));
    }
    let name = checked_name(object.get("name").and_then(Value::as_str).unwrap_or_default())?;
    if !parent.is_folder() {
        return Err(refuse("The parent is not a folder."));
    }
    let mut name = name.to_owned();
    if drive.child(&parent.id, &name).is_some() {
        match conflict(&body, "fail")? {
            "rename" => name = free_name(drive, &parent.id, &name),
            _ => return Err(taken()),
        }
    }
    let (parent, now_ms, by) = (parent.id.clone(), world.now_ms(), context.user.oid);
    let drive = world.drives.find_mut(&address.drive).ok_or_else(absent)?;
    let made = drive.add(&parent, &name, None, by, &mut world.ids, now_ms);
    answered(world, context, 201, &address.drive, &made.id)
}

/// `PATCH`: another name, another folder, another description.
pub fn update(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (drive, item) = drive_path::item(world, context, address, true)?;
    context.allow_options(&[])?;
    check_match(context, item)?;
    let body = context.json_body()?;
    let object = check(&ITEM, &body, "")?;
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let name = text("name").map(checked_name).transpose()?.unwrap_or(&item.name).to_owned();
    let wanted = object.get("parentReference").and_then(|parent| parent.get("id")).and_then(Value::as_str);
    let parent = match wanted {
        Some(id) => drive.find(id).filter(|folder| folder.is_folder()).ok_or_else(absent)?.id.clone(),
        None => item.parent.clone().ok_or_else(|| refuse("The root cannot be changed."))?,
    };
    let into_itself = drive.path_of(&parent).starts_with(&drive.path_of(&item.id));
    if item.is_folder() && into_itself {
        return Err(refuse("A folder cannot be moved into itself."));
    }
    if drive.child(&parent, &name).is_some_and(|other| other.id != item.id) {
        return Err(taken());
    }
    let (id, now_ms, description) = (item.id.clone(), world.now_ms(), text("description").map(str::to_owned));
    let found =
        world.drives.find_mut(&address.drive).and_then(|drive| drive.find_mut(&id)).ok_or_else(absent)?;
    (found.name, found.parent, found.modified_ms, found.by) = (name, Some(parent), now_ms, context.user.oid);
    found.description = description.unwrap_or_else(|| found.description.clone());
    found.change += 1;
    answered(world, context, 200, &address.drive, &id)
}

/// `DELETE`: to the recycle bin, which Graph does not show.
pub fn delete(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (_, item) = drive_path::item(world, context, address, true)?;
    check_match(context, item)?;
    if item.parent.is_none() {
        return Err(GraphError::new(403, "accessDenied", "The root cannot be deleted."));
    }
    let id = item.id.clone();
    world.drives.find_mut(&address.drive).ok_or_else(absent)?.remove(&id);
    Ok(Reply::empty(204))
}

/// Where a file with content goes: an existing item, or a name in a folder.
fn place(
    world: &World,
    context: &Context<'_>,
    address: &Address,
) -> Result<(String, String, Option<Item>), GraphError> {
    if let Ok((_, item)) = drive_path::item(world, context, address, true) {
        if item.is_folder() {
            return Err(GraphError::bad("notAllowed", "You cannot put content into a folder"));
        }
        check_match(context, item)?;
        return Ok((item.parent.clone().unwrap_or_default(), item.name.clone(), Some(item.clone())));
    }
    let drive = drive_path::drive(world, context, &address.drive, true)?;
    let (name, folders) = address.names.split_last().ok_or_else(absent)?;
    let start = drive.find(&address.item).ok_or_else(absent)?;
    let parent = drive.walk(start, folders).filter(|folder| folder.is_folder()).ok_or_else(absent)?;
    Ok((parent.id.clone(), checked_name(name)?.to_owned(), None))
}

/// Puts bytes into a drive: over what is there, or as something new. The answer is the id.
fn keep(
    world: &mut World,
    drive: &str,
    (parent, name): (&str, &str),
    content: Vec<u8>,
    by: &'static str,
) -> Option<String> {
    let now_ms = world.now_ms();
    let drive = world.drives.find_mut(drive)?;
    let before = drive.child(parent, name).map(|item| item.id.clone());
    match before.and_then(|id| drive.find_mut(&id)) {
        Some(item) => {
            (item.content, item.modified_ms, item.by, item.change) =
                (Some(content), now_ms, by, item.change + 1);
            Some(item.id.clone())
        }
        None => Some(drive.add(parent, name, Some(content), by, &mut world.ids, now_ms).id),
    }
}

/// `PUT …/content`: 201 for a new file, 200 for new content of one that was there.
pub fn put_content(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    context.allow_options(&["@microsoft.graph.conflictBehavior"])?;
    let (parent, mut name, before) = place(world, context, address)?;
    let said = context.option("@microsoft.graph.conflictBehavior").unwrap_or("replace");
    if before.is_some() && said == "fail" {
        return Err(taken());
    }
    if before.is_some() && said == "rename" {
        name = free_name(drive_path::drive(world, context, &address.drive, true)?, &parent, &name);
    }
    let status = if before.is_some() && said == "replace" { 200 } else { 201 };
    let content = context.call.body.clone();
    let id = keep(world, &address.drive, (&parent, &name), content, context.user.oid).ok_or_else(absent)?;
    answered(world, context, status, &address.drive, &id)
}

/// `POST …/createUploadSession`: 200 with an address that takes parts.
pub fn create_session(
    world: &mut World,
    context: &Context<'_>,
    address: &Address,
) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let body = if context.call.body.is_empty() { json!({}) } else { context.json_body()? };
    let object = check(&SESSION, &body, "")?;
    let null = Value::Null;
    let item = object.get("item").unwrap_or(&null);
    let (parent, name, before) = place(world, context, address)?;
    let on_conflict = conflict(item, "replace")?.to_owned();
    if before.is_some() && on_conflict == "fail" {
        return Err(taken());
    }
    let target =
        Target::File { drive: address.drive.clone(), parent, name, on_conflict, by: context.user.oid };
    let now_ms = world.now_ms();
    let token = world.storage.begin(&mut world.ids, target, None, now_ms);
    let session = json!({
        "@odata.context": format!("{}/$metadata#microsoft.graph.uploadSession", context.origin(world)),
        "uploadUrl": format!("{}/storage/upload/{token}", world.base),
        "expirationDateTime": iso(now_ms.saturating_add(LIFE_MS)),
        "nextExpectedRanges": ["0-"],
    });
    Ok(Reply::json(200, &session))
}

/// Puts a complete upload into its drive: the status and the item.
pub fn complete(world: &mut World, upload: Upload) -> Option<(u16, Value)> {
    let Target::File { drive, parent, mut name, on_conflict, by } = upload.target else { return None };
    let found = world.drives.find(&drive)?;
    let is_taken = found.child(&parent, &name).is_some();
    if is_taken && on_conflict == "rename" {
        name = free_name(found, &parent, &name);
    }
    let status = if is_taken && on_conflict == "replace" { 200 } else { 201 };
    let id = keep(world, &drive, (&parent, &name), upload.content, by)?;
    let found = world.drives.find(&drive)?;
    Some((status, Value::Object(drive_view::item(world, found, found.find(&id)?))))
}

/// `POST …/createLink`: 201 for a new link, 200 for one that was made before.
pub fn create_link(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (drive, item) = drive_path::item(world, context, address, true)?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&LINK, &body, "")?;
    let text =
        |name: &str, default: &str| object.get(name).and_then(Value::as_str).unwrap_or(default).to_owned();
    let (kind, scope) = (text("type", "view"), text("scope", "organization"));
    if scope == "anonymous" {
        let message = "Sharing with anyone is switched off by the organization.";
        return Err(GraphError::new(403, "notAllowed", message));
    }
    let before = item.links.iter().any(|link| *link == (kind.clone(), scope.clone()));
    let (id, url) = (item.id.clone(), format!("{}/_links/{kind}-{scope}/{}", drive.web_url(), item.id));
    let found =
        world.drives.find_mut(&address.drive).and_then(|drive| drive.find_mut(&id)).ok_or_else(absent)?;
    if !before {
        found.links.push((kind.clone(), scope.clone()));
    }
    let permission = json!({
        "@odata.context": format!("{}/$metadata#microsoft.graph.permission", context.origin(world)),
        "id": format!("{kind}-{scope}"), "roles": [if kind == "edit" { "write" } else { "read" }],
        "hasPassword": object.contains_key("password"),
        "link": { "type": kind, "scope": scope, "webUrl": url, "preventsDownload": false },
    });
    Ok(Reply::json(if before { 200 } else { 201 }, &permission))
}

/// `POST …/invite`: the people named may open the item.
pub fn invite(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (_, item) = drive_path::item(world, context, address, true)?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&INVITE, &body, "")?;
    let id = item.id.clone();
    let role = object
        .get("roles")
        .and_then(|roles| roles.get(0))
        .and_then(Value::as_str)
        .unwrap_or("read")
        .to_owned();
    let mut granted = Vec::new();
    for recipient in object.get("recipients").and_then(Value::as_array).into_iter().flatten() {
        let text = |name: &str| recipient.get(name).and_then(Value::as_str);
        let known = text("objectId").or_else(|| text("email")).and_then(|who| world.directory.find(who));
        let user = known.ok_or_else(|| refuse("One or more users could not be resolved."))?;
        granted.push((user, role.clone()));
    }
    let found =
        world.drives.find_mut(&address.drive).and_then(|drive| drive.find_mut(&id)).ok_or_else(absent)?;
    found.grants.extend(granted.iter().map(|(user, role)| (user.address.to_owned(), role.clone())));
    let one = |(user, role): &(&'static crate::tenant::User, String)| {
        json!({
            "@odata.type": "#microsoft.graph.permission", "id": user.oid, "roles": [role],
            "grantedToV2": { "user": { "id": user.oid, "displayName": user.display_name, "email": user.address } },
        })
    };
    Ok(Reply::json(200, &json!({ "value": granted.iter().map(one).collect::<Vec<_>>() })))
}

/// `POST …/copy`: 202 with the address of a monitor. The copy is there at once.
pub fn copy(world: &mut World, context: &Context<'_>, address: &Address) -> Result<Reply, GraphError> {
    let (_, item) = drive_path::item(world, context, address, false)?;
    context.allow_options(&["@microsoft.graph.conflictBehavior"])?;
    let body = context.json_body()?;
    let object = check(&COPY, &body, "")?;
    let reference =
        |name: &str| object.get("parentReference").and_then(|p| p.get(name)).and_then(Value::as_str);
    let to_drive = reference("driveId").unwrap_or(&address.drive).to_owned();
    let to = drive_path::drive(world, context, &to_drive, true)?;
    let wanted = reference("id").or(item.parent.as_deref()).unwrap_or("root");
    let parent = to.find(wanted).filter(|folder| folder.is_folder()).ok_or_else(absent)?.id.clone();
    let name = checked_name(object.get("name").and_then(Value::as_str).unwrap_or(&item.name))?.to_owned();
    if to.child(&parent, &name).is_some() {
        return Err(taken());
    }
    let content = item.content.clone();
    let content =
        content.ok_or_else(|| GraphError::new(501, "notSupported", "The emulator copies files alone."))?;
    let id = keep(world, &to_drive, (&parent, &name), content, context.user.oid).ok_or_else(absent)?;
    let status = json!({ "percentageComplete": 100.0, "status": "completed", "resourceId": id }).to_string();
    let now_ms = world.now_ms();
    let token =
        world.storage.offer(&mut world.ids, ("monitor", "application/json"), status.into_bytes(), now_ms);
    Ok(Reply::empty(202).with("location", format!("{}/storage/download/{token}", world.base)))
}
