//! The people that matter to a person: ranked by relevance, colleagues and contacts together. Unlike contacts,
//! they can be searched; nobody outside of the directory and of one's own contacts is ever among them.

use super::Routed;
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use crate::wire::Reply;
use crate::world::World;
use serde_json::{Value, json};

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
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$top", "$skip", "$search"],
};

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
    for user in world.directory.people().filter(|user| user.oid != context.user.oid) {
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
            "displayName": contact.text("displayName"), "givenName": contact.text("givenName"),
            "surname": contact.text("surname"), "jobTitle": contact.text("jobTitle"),
            "companyName": contact.text("companyName"), "department": "",
            "officeLocation": "", "userPrincipalName": "", "imAddress": null,
            "phones": [{ "type": "mobile", "number": contact.text("mobilePhone") }],
        });
        list.push(person(item, list.len(), contact.addresses().next().unwrap_or_default(), false));
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
        ("GET", ["me", "people"]) => people(world, context),
        (_, ["me", "people"]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
