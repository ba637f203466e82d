//! Contacts: a person's own list, which cannot be searched, only filtered. A body may hold what the type has and
//! nothing else; what was refused must never have changed anything.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::model::{EMAIL_ADDRESS, Kind, Model, check};
use crate::clock::iso;
use crate::contacts::Contact;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Map, Value, json};

const CONTACTS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.contact",
        properties: &[
            "id",
            "createdDateTime",
            "lastModifiedDateTime",
            "changeKey",
            "categories",
            "parentFolderId",
            "birthday",
            "fileAs",
            "displayName",
            "givenName",
            "initials",
            "middleName",
            "nickName",
            "surname",
            "title",
            "imAddresses",
            "jobTitle",
            "companyName",
            "department",
            "officeLocation",
            "profession",
            "businessHomePage",
            "assistantName",
            "manager",
            "homePhones",
            "mobilePhone",
            "businessPhones",
            "spouseName",
            "personalNotes",
            "children",
            "emailAddresses",
            "homeAddress",
            "businessAddress",
            "otherAddress",
        ],
        fields: &[
            ("displayName", Sort::Text),
            ("givenName", Sort::Text),
            ("surname", Sort::Text),
            ("companyName", Sort::Text),
            ("department", Sort::Text),
            ("jobTitle", Sort::Text),
            ("createdDateTime", Sort::Moment),
            ("lastModifiedDateTime", Sort::Moment),
        ],
        any: &[("emailAddresses", "address")],
    },
    always: &["id"],
    sortable: &[
        "displayName",
        "givenName",
        "surname",
        "companyName",
        "createdDateTime",
        "lastModifiedDateTime",
    ],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count"],
};

const FOLDERS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.contactFolder",
        properties: &["id", "displayName", "parentFolderId", "wellKnownName"],
        fields: &[("displayName", Sort::Text)],
        any: &[],
    },
    sortable: &["displayName"],
    ..CONTACTS
};

const PHYSICAL: Model = Model {
    name: "microsoft.graph.physicalAddress",
    fields: &[
        ("city", Kind::Text),
        ("countryOrRegion", Kind::Text),
        ("postalCode", Kind::Text),
        ("state", Kind::Text),
        ("street", Kind::Text),
    ],
    required: &[],
};

const CONTACT: Model = Model {
    name: "microsoft.graph.contact",
    fields: &[
        ("assistantName", Kind::Text),
        ("birthday", Kind::Instant),
        ("businessAddress", Kind::One(&PHYSICAL)),
        ("businessHomePage", Kind::Text),
        ("businessPhones", Kind::Texts),
        ("categories", Kind::Texts),
        ("children", Kind::Texts),
        ("companyName", Kind::Text),
        ("department", Kind::Text),
        ("displayName", Kind::Text),
        ("emailAddresses", Kind::Many(&EMAIL_ADDRESS)),
        ("fileAs", Kind::Text),
        ("generation", Kind::Text),
        ("givenName", Kind::Text),
        ("homeAddress", Kind::One(&PHYSICAL)),
        ("homePhones", Kind::Texts),
        ("imAddresses", Kind::Texts),
        ("initials", Kind::Text),
        ("jobTitle", Kind::Text),
        ("manager", Kind::Text),
        ("middleName", Kind::Text),
        ("mobilePhone", Kind::Text),
        ("nickName", Kind::Text),
        ("officeLocation", Kind::Text),
        ("otherAddress", Kind::One(&PHYSICAL)),
        ("personalNotes", Kind::Text),
        ("profession", Kind::Text),
        ("spouseName", Kind::Text),
        ("surname", Kind::Text),
        ("title", Kind::Text),
        ("yomiCompanyName", Kind::Text),
        ("yomiGivenName", Kind::Text),
        ("yomiSurname", Kind::Text),
        ("id", Kind::ReadOnly),
        ("changeKey", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
        ("parentFolderId", Kind::ReadOnly),
    ],
    required: &[],
};

/// The only folder of contacts.
const FOLDER_ID: &str = "AQMkAGVmcontactsAAA=";

const READ: [&str; 2] = ["Contacts.Read", "Contacts.ReadWrite"];

/// The most addresses that a contact has.
const MAX_ADDRESSES: usize = 3;

fn shown(contact: &Contact, context: &Context<'_>) -> Item {
    let id = if context.prefer.immutable_ids { &contact.immutable_id } else { &contact.rest_id };
    let stem = contact.immutable_id.get(28..42).unwrap_or_default();
    let key = format!("EQAAABYAAA{stem}{:04x}", contact.change);
    let mut out = Map::new();
    for name in CONTACTS.grammar.properties {
        let empty = match *name {
            "categories" | "imAddresses" | "homePhones" | "businessPhones" | "children"
            | "emailAddresses" => {
                json!([])
            }
            "homeAddress" | "businessAddress" | "otherAddress" => json!({}),
            _ => Value::Null,
        };
        out.insert((*name).to_owned(), empty);
    }
    out.extend(contact.plain.clone());
    let own = json!({
        "@odata.etag": format!("W/\"{key}\""), "id": id, "changeKey": key, "parentFolderId": FOLDER_ID,
        "createdDateTime": iso(contact.created_ms), "lastModifiedDateTime": iso(contact.modified_ms),
    });
    out.extend(own.as_object().cloned().unwrap_or_default());
    out
}

fn meta(context: &Context<'_>) -> String {
    format!("users('{}')/contacts", context.owner.oid)
}

fn list(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    if context.option("$search").is_some() {
        let message = "The query parameter '$search' is not supported.";
        return Err(GraphError::bad("ErrorInvalidUrlQuery", message));
    }
    let own = world.contacts.of(context.owner.oid).iter().map(|c| shown(c, context)).collect();
    collection::page(world, context, &CONTACTS, own, &meta(context))
}

fn folders(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let only = json!({
        "id": FOLDER_ID, "displayName": "Contacts", "parentFolderId": "AQMkAGVmmsgfolderrootAAA=",
        "wellKnownName": "contacts",
    });
    let items = vec![only.as_object().cloned().unwrap_or_default()];
    collection::page(
        world,
        context,
        &FOLDERS,
        items,
        &format!("users('{}')/contactFolders", context.owner.oid),
    )
}

fn position(world: &World, context: &Context<'_>, id: &str) -> Result<usize, GraphError> {
    super::calendar::event_id(id)?;
    let mut own = world.contacts.of(context.owner.oid).iter();
    own.position(|c| c.rest_id == id || c.immutable_id == id).ok_or_else(GraphError::item_not_found)
}

fn get(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    let at = position(world, context, id)?;
    let found = world.contacts.of(context.owner.oid).get(at).ok_or_else(GraphError::item_not_found)?;
    collection::single(world, context, &CONTACTS, shown(found, context), &meta(context))
}

/// Takes a checked body over; a name that nobody wrote is put together.
fn take_over(contact: &mut Contact, body: &Value) -> Result<(), GraphError> {
    let object = check(&CONTACT, body, "")?;
    let addresses = object.get("emailAddresses").and_then(Value::as_array);
    if addresses.is_some_and(|list| list.len() > MAX_ADDRESSES) {
        let message = "A contact has three e-mail addresses at most.";
        return Err(GraphError::bad("ErrorInvalidPropertySet", message));
    }
    contact
        .plain
        .extend(object.iter().filter(|(name, _)| !name.contains('@')).map(|(n, v)| (n.clone(), v.clone())));
    let (given, surname) = (contact.text("givenName").to_owned(), contact.text("surname").to_owned());
    if contact.text("displayName").is_empty() {
        contact.plain.insert("displayName".into(), format!("{given} {surname}").trim().into());
    }
    if contact.text("fileAs").is_empty() {
        let both = if surname.is_empty() || given.is_empty() { "" } else { ", " };
        contact.plain.insert("fileAs".into(), format!("{surname}{both}{given}").into());
    }
    Ok(())
}

fn create(world: &mut World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Contacts.ReadWrite"])?;
    context.allow_options(&[])?;
    let mut contact = Contact { created_ms: world.now_ms(), ..Contact::default() };
    take_over(&mut contact, &context.json_body()?)?;
    let made = world.contacts.add(context.owner.oid, contact, &mut world.ids);
    Ok(collection::entity(world, context, 201, shown(&made, context), &meta(context)))
}

fn update(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Contacts.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let (at, now_ms) = (position(world, context, id)?, world.now_ms());
    let slot = world.contacts.of_mut(context.owner.oid).get_mut(at).ok_or_else(GraphError::item_not_found)?;
    let mut changed = slot.clone();
    take_over(&mut changed, &body)?;
    (changed.modified_ms, changed.change) = (now_ms, changed.change + 1);
    *slot = changed.clone();
    Ok(collection::entity(world, context, 200, shown(&changed, context), &meta(context)))
}

fn delete(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Contacts.ReadWrite"])?;
    context.allow_options(&[])?;
    let at = position(world, context, id)?;
    world.contacts.of_mut(context.owner.oid).remove(at);
    Ok(Reply::empty(204))
}

/// Routes the paths of contacts.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "contacts"]) => list(world, context),
        ("POST", ["me", "contacts"]) => create(world, context),
        ("GET", ["me", "contactFolders"]) => folders(world, context),
        ("GET", ["me", "contacts", id]) => get(world, context, id),
        ("PATCH", ["me", "contacts", id]) => update(world, context, id),
        ("DELETE", ["me", "contacts", id]) => delete(world, context, id),
        (_, ["me", "contacts" | "contactFolders"] | ["me", "contacts", _]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
