//! Everyone's own contacts, as Graph shows them. Their ids are of both kinds, as those of mails are. Nobody
//! sees another one's contacts but through a mailbox that was opened to them.

use crate::ids::Ids;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One contact.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The id that changes when the contact moves.
    pub rest_id: String,
    /// The id that stays.
    pub immutable_id: String,
    /// Everything that the owner wrote, as Graph shows it.
    pub plain: Map<String, Value>,
    /// When it was made.
    pub created_ms: u64,
    /// When it last changed.
    pub modified_ms: u64,
    /// Counts changes, for the etag.
    pub change: u64,
}

/// Everyone's contacts by object id.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    lists: BTreeMap<&'static str, Vec<Contact>>,
}

impl Contact {
    /// A property's text, empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.plain.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The addresses; some contacts have none.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let list = self.plain.get("emailAddresses").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(|entry| entry.get("address")?.as_str())
    }
}

impl Contacts {
    /// A person's contacts in the order in which they were made.
    pub fn of(&self, oid: &str) -> &[Contact] {
        self.lists.get(oid).map_or(&[], Vec::as_slice)
    }

    /// A person's contacts, to be changed.
    pub fn of_mut(&mut self, oid: &'static str) -> &mut Vec<Contact> {
        self.lists.entry(oid).or_default()
    }

    /// Adds a contact with ids of its own and returns it.
    pub fn add(&mut self, oid: &'static str, mut contact: Contact, ids: &mut Ids) -> Contact {
        contact.rest_id = ids.rest_id();
        contact.immutable_id = ids.immutable_id();
        contact.modified_ms = contact.created_ms;
        self.of_mut(oid).push(contact.clone());
        contact
    }

    /// A person's contacts as the control plane shows them.
    pub fn to_json(&self, oid: &str) -> Value {
        let one = |c: &Contact| {
            let mut shown = c.plain.clone();
            shown.insert("id".into(), c.rest_id.clone().into());
            shown.insert("immutableId".into(), c.immutable_id.clone().into());
            shown.insert("emailAddresses".into(), json!(c.addresses().collect::<Vec<_>>()));
            Value::Object(shown)
        };
        Value::Array(self.of(oid).iter().map(one).collect())
    }
}
