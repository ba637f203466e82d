//! Contacts and the people that matter to a person. Contacts are one's own list and cannot be searched;
//! people are ranked by relevance, mix colleagues and contacts, and can.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use crate::clock::iso;
use crate::contacts::Contact;
use crate::tenant::USERS;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

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
        any: Some(("emailAddresses", "address")),
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

const PEOPLE: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.person",
        properties: &[
            "id",
            "displayName",
            "givenName",
            "surname",
            "birthday",
            "personNotes",
            "isFavorite",
            "jobTitle",
            "companyName",
            "department",
            "officeLocation",
            "profession",
            "userPrincipalName",
            "imAddress",
            "scoredEmailAddresses",
            "phones",
            "postalAddresses",
            "websites",
            "personType",
        ],
        fields: &[("personType/class", Sort::Text), ("personType/subclass", Sort::Text)],
        any: None,
    },
    always: &["id"],
    sortable: &[],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$top", "$skip", "$search"],
};

fn contact(contact: &Contact, context: &Context<'_>) -> Item {
    let id = if context.prefer.immutable_ids { &contact.immutable_id } else { &contact.rest_id };
    let (at, key) =
        (iso(contact.created_ms), format!("EQAAABYAAA{}", contact.immutable_id.get(28..42).unwrap_or("")));
    let display = format!("{} {}", contact.given, contact.surname);
    let all = json!({
        "@odata.etag": format!("W/\"{key}\""), "id": id, "createdDateTime": at, "lastModifiedDateTime": at,
        "changeKey": key, "categories": [], "parentFolderId": "AQMkAGVmcontactsAAA=", "birthday": null,
        "fileAs": format!("{}, {}", contact.surname, contact.given), "displayName": display,
        "givenName": contact.given, "initials": null, "middleName": null, "nickName": null,
        "surname": contact.surname, "title": null, "imAddresses": [], "jobTitle": contact.job,
        "companyName": contact.company, "department": null, "officeLocation": null, "profession": null,
        "businessHomePage": null, "assistantName": null, "manager": null, "homePhones": [],
        "mobilePhone": contact.mobile, "businessPhones": [], "spouseName": null, "personalNotes": contact.notes,
        "children": [], "homeAddress": {}, "businessAddress": {}, "otherAddress": {},
        "emailAddresses": contact.emails.iter().map(|e| json!({ "name": display, "address": e })).collect::<Vec<_>>(),
    });
    all.as_object().cloned().unwrap_or_default()
}

const READ: [&str; 2] = ["Contacts.Read", "Contacts.ReadWrite"];

fn contacts(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    if context.option("$search").is_some() {
        let message = "The query parameter '$search' is not supported.";
        return Err(GraphError::bad("ErrorInvalidUrlQuery", message));
    }
    let own = world.contacts.of(context.user.oid).iter().map(|c| contact(c, context)).collect();
    collection::page(world, context, &CONTACTS, own, &format!("users('{}')/contacts", context.user.oid))
}

fn one_contact(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    super::calendar::event_id(id)?;
    let mut own = world.contacts.of(context.user.oid).iter();
    let found =
        own.find(|c| c.rest_id == id || c.immutable_id == id).ok_or_else(GraphError::item_not_found)?;
    let meta = format!("users('{}')/contacts", context.user.oid);
    collection::single(world, context, &CONTACTS, contact(found, context), &meta)
}

/// A colleague or a contact; the earlier in the list, the more relevant.
fn person(item: Value, rank: usize, address: &str, organization: bool) -> Item {
    let score = 30.0 / (f64::from(u32::try_from(rank).unwrap_or(u32::MAX)) + 1.0);
    let subclass = if organization { "OrganizationUser" } else { "PersonalContact" };
    let all = json!({
        "birthday": "", "personNotes": "", "isFavorite": false, "profession": "", "postalAddresses": [], "websites": [],
        "personType": { "class": "Person", "subclass": subclass },
        "scoredEmailAddresses": [{
            "address": address, "relevanceScore": score, "selectionLikelihood": "notSpecified",
        }],
    });
    let mut out = all.as_object().cloned().unwrap_or_default();
    out.extend(item.as_object().cloned().unwrap_or_default());
    out
}

fn everyone(world: &World, context: &Context<'_>) -> Vec<Item> {
    let mut list = Vec::new();
    for user in USERS.iter().filter(|user| user.oid != context.user.oid) {
        let item = json!({
            "id": user.oid, "displayName": user.display_name, "givenName": user.given_name, "surname": user.surname,
            "jobTitle": user.job_title, "companyName": "Contoso", "department": user.department,
            "officeLocation": user.office, "userPrincipalName": user.address, "imAddress": format!("sip:{}", user.address),
            "phones": [{ "type": "mobile", "number": user.mobile }],
        });
        list.push(person(item, list.len(), user.address, true));
    }
    for contact in world.contacts.of(context.user.oid) {
        let item = json!({
            "id": format!("AAUQ{}", contact.immutable_id.get(28..60).unwrap_or_default()),
            "displayName": format!("{} {}", contact.given, contact.surname), "givenName": contact.given,
            "surname": contact.surname, "jobTitle": contact.job, "companyName": contact.company, "department": "",
            "officeLocation": "", "userPrincipalName": "", "imAddress": null,
            "phones": [{ "type": "mobile", "number": contact.mobile }],
        });
        list.push(person(item, list.len(), contact.emails.first().copied().unwrap_or_default(), false));
    }
    list
}

/// Each word has to begin a word of the name or the address; quotes around the whole are optional.
fn found_by(item: &Item, search: &str) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let scored = item.get("scoredEmailAddresses").and_then(|list| list.get(0)).and_then(|e| e.get("address"));
    let address = scored.and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let whole = format!("{} {} {address}", text("displayName"), text("companyName"));
    let words: Vec<&str> = whole.split([' ', '@', '.']).collect();
    let begins =
        |wanted: &str| words.iter().any(|word| word.starts_with(wanted)) || address.starts_with(wanted);
    search.to_lowercase().split_whitespace().all(begins)
}

fn people(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["People.Read"])?;
    let mut list = everyone(world, context);
    if let Some(search) = context.option("$search") {
        let quoted = search.strip_prefix('"').map(|rest| rest.strip_suffix('"'));
        let inner = match quoted {
            Some(None) => None,
            Some(inner) => inner,
            None => Some(search),
        };
        let inner = inner.filter(|text| !text.trim().is_empty() && !text.contains('"'));
        let inner = inner.ok_or_else(|| GraphError::bad_request("Syntax error in the $search value."))?;
        list.retain(|item| found_by(item, inner));
    }
    collection::page(world, context, &PEOPLE, list, &format!("users('{}')/people", context.user.oid))
}

/// Routes the paths of contacts and people.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "contacts"]) => contacts(world, context),
        ("GET", ["me", "contacts", id]) => one_contact(world, context, id),
        ("GET", ["me", "people"]) => people(world, context),
        (_, ["me", "contacts" | "people"] | ["me", "contacts", _]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
