//! Folders of mail: the well-known ones, those that the owner made, and what they hold. A well-known folder must
//! never be renamed, moved or deleted.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::mail_view::folder_id;
use super::model::{Kind, Model, check};
use crate::ids::Ids;
use crate::mailbox::{FOLDERS, Folder, Mailbox, ROOT, well_known};
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

const READ: [&str; 3] = ["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"];

const SPEC: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.mailFolder",
        properties: &[
            "id",
            "displayName",
            "parentFolderId",
            "childFolderCount",
            "unreadItemCount",
            "totalItemCount",
            "sizeInBytes",
            "isHidden",
        ],
        fields: &[("displayName", Sort::Text), ("isHidden", Sort::Flag)],
        any: &[],
    },
    always: &["id"],
    sortable: &["displayName", "unreadItemCount", "totalItemCount"],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count", "includeHiddenFolders"],
};

const FOLDER: Model = Model {
    name: "microsoft.graph.mailFolder",
    fields: &[
        ("displayName", Kind::Text),
        ("isHidden", Kind::Flag),
        ("id", Kind::ReadOnly),
        ("parentFolderId", Kind::ReadOnly),
        ("childFolderCount", Kind::ReadOnly),
        ("totalItemCount", Kind::ReadOnly),
        ("unreadItemCount", Kind::ReadOnly),
    ],
    required: &[],
};

/// A new folder's id, which looks like those of the real service.
pub fn new_key(ids: &mut Ids) -> String {
    format!("AQMkAGVm{}AAA=", ids.uuid().replace('-', ""))
}

/// The folder that a segment or a body names: a well-known name, or an id of this mailbox.
pub fn key(world: &World, context: &Context<'_>, segment: &str) -> Result<String, GraphError> {
    let oid = context.owner.oid;
    let mut known = FOLDERS.iter().map(|(name, _)| *name).chain([ROOT]);
    let found = well_known(segment)
        .or_else(|| known.find(|name| *name == segment || folder_id(oid, name) == segment));
    if let Some(name) = found {
        return Ok(name.to_owned());
    }
    let own = world.mailboxes.get(oid).and_then(|m| m.folders.iter().find(|folder| folder.key == segment));
    match own {
        Some(folder) => Ok(folder.key.clone()),
        None if segment.starts_with("AQMk") || segment.starts_with("AAMk") => {
            Err(GraphError::item_not_found())
        }
        None => Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed.")),
    }
}

/// All folders that are directly in one.
fn children(mailbox: &Mailbox, parent: &str) -> Vec<Folder> {
    let fixed = FOLDERS.iter().filter(|_| parent == ROOT).map(|(name, display)| Folder {
        key: (*name).into(),
        name: (*display).into(),
        parent: ROOT.into(),
        hidden: *name == "conversationhistory",
    });
    fixed.chain(mailbox.folders.iter().filter(|folder| folder.parent == parent).cloned()).collect()
}

fn shown(mailbox: &Mailbox, oid: &str, folder: &Folder, now_ms: u64) -> Item {
    let inside = || mailbox.inside(&folder.key, now_ms);
    let all = json!({
        "id": folder_id(oid, &folder.key),
        "displayName": folder.name,
        "parentFolderId": folder_id(oid, &folder.parent),
        "childFolderCount": children(mailbox, &folder.key).len(),
        "unreadItemCount": inside().filter(|m| !m.is_read).count(),
        "totalItemCount": inside().count(),
        "sizeInBytes": inside().map(|m| m.body.len()).sum::<usize>(),
        "isHidden": folder.hidden,
    });
    all.as_object().cloned().unwrap_or_default()
}

fn mailbox<'w>(world: &'w World, context: &Context<'_>) -> Result<&'w Mailbox, GraphError> {
    world.mailboxes.get(context.owner.oid).ok_or_else(GraphError::item_not_found)
}

fn list(world: &World, context: &Context<'_>, parent: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let hidden_too = context.option("includeHiddenFolders") == Some("true");
    let (mailbox, oid) = (mailbox(world, context)?, context.owner.oid);
    let folders = children(mailbox, parent).into_iter().filter(|folder| hidden_too || !folder.hidden);
    let items = folders.map(|folder| shown(mailbox, oid, &folder, world.now_ms())).collect();
    collection::page(world, context, &SPEC, items, &format!("users('{oid}')/mailFolders"))
}

fn find(mailbox: &Mailbox, key: &str) -> Folder {
    let root = || Folder {
        key: ROOT.into(),
        name: "Top of Information Store".into(),
        parent: String::new(),
        hidden: false,
    };
    let fixed = || children(mailbox, ROOT).into_iter().find(|folder| folder.key == key);
    mailbox.folders.iter().find(|folder| folder.key == key).cloned().or_else(fixed).unwrap_or_else(root)
}

fn get(world: &World, context: &Context<'_>, segment: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let key = key(world, context, segment)?;
    let mailbox = mailbox(world, context)?;
    let item = shown(mailbox, context.owner.oid, &find(mailbox, &key), world.now_ms());
    collection::single(world, context, &SPEC, item, &format!("users('{}')/mailFolders", context.owner.oid))
}

/// A checked name that no sibling has.
fn name(mailbox: &Mailbox, parent: &str, body: &Value) -> Result<String, GraphError> {
    let name = body.get("displayName").and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(GraphError::bad("ErrorInvalidRequest", "The folder needs a displayName."));
    }
    if children(mailbox, parent).iter().any(|folder| folder.name.eq_ignore_ascii_case(name)) {
        let message = "A folder with the specified name already exists.";
        return Err(GraphError::new(409, "ErrorFolderExists", message));
    }
    Ok(name.to_owned())
}

fn create(world: &mut World, context: &Context<'_>, parent: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    check(&FOLDER, &body, "")?;
    let name = name(mailbox(world, context)?, parent, &body)?;
    let hidden = body.get("isHidden").and_then(Value::as_bool).unwrap_or_default();
    let folder = Folder { key: new_key(&mut world.ids), name, parent: parent.to_owned(), hidden };
    let oid = context.owner.oid;
    let own = world.mailboxes.get_mut(oid).ok_or_else(GraphError::item_not_found)?;
    own.folders.push(folder.clone());
    let item = shown(mailbox(world, context)?, oid, &folder, world.now_ms());
    Ok(collection::entity(world, context, 201, item, &format!("users('{oid}')/mailFolders")))
}

/// The owner's own folder that a segment names; the well-known ones are refused.
fn own_key(world: &World, context: &Context<'_>, segment: &str) -> Result<String, GraphError> {
    context.require_scope(&["Mail.ReadWrite"])?;
    context.allow_options(&[])?;
    let key = key(world, context, segment)?;
    if key.starts_with("AQMk") {
        return Ok(key);
    }
    let code =
        if context.call.method == "DELETE" { "ErrorDeleteDistinguishedFolder" } else { "ErrorAccessDenied" };
    Err(GraphError::new(403, code, "Distinguished folders cannot be changed or deleted."))
}

fn update(world: &mut World, context: &Context<'_>, segment: &str) -> Result<Reply, GraphError> {
    let key = own_key(world, context, segment)?;
    let body = context.json_body()?;
    check(&FOLDER, &body, "")?;
    let before = find(mailbox(world, context)?, &key);
    let name = name(mailbox(world, context)?, &before.parent, &body)?;
    let oid = context.owner.oid;
    let own = world.mailboxes.get_mut(oid).ok_or_else(GraphError::item_not_found)?;
    for folder in own.folders.iter_mut().filter(|folder| folder.key == key) {
        folder.name.clone_from(&name);
    }
    let mailbox = mailbox(world, context)?;
    let item = shown(mailbox, oid, &find(mailbox, &key), world.now_ms());
    Ok(collection::entity(world, context, 200, item, &format!("users('{oid}')/mailFolders")))
}

/// A folder is deleted with what is in it: folders and mails go to Deleted Items.
fn delete(world: &mut World, context: &Context<'_>, segment: &str) -> Result<Reply, GraphError> {
    let key = own_key(world, context, segment)?;
    let own = world.mailboxes.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    if let Some(folder) = own.folders.iter_mut().find(|folder| folder.key == key) {
        folder.parent = "deleteditems".into();
    }
    Ok(Reply::empty(204))
}

/// Routes the paths of folders.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "mailFolders"]) => list(world, context, ROOT),
        ("POST", ["me", "mailFolders"]) => create(world, context, ROOT),
        ("GET", ["me", "mailFolders", segment]) => get(world, context, segment),
        ("PATCH", ["me", "mailFolders", segment]) => update(world, context, segment),
        ("DELETE", ["me", "mailFolders", segment]) => delete(world, context, segment),
        ("GET", ["me", "mailFolders", segment, "childFolders"]) => {
            key(world, context, segment).and_then(|key| list(world, context, &key))
        }
        ("POST", ["me", "mailFolders", segment, "childFolders"]) => {
            key(world, context, segment).and_then(|key| create(world, context, &key))
        }
        (_, ["me", "mailFolders"] | ["me", "mailFolders", _] | ["me", "mailFolders", _, "childFolders"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
