//! Everyone's own contacts. They are written once, by the demo tenant's seed, and only read afterwards; their
//! ids are of both kinds, as those of mails are.

use crate::ids::Ids;
use serde_json::{Value, json};

/// One contact.
#[derive(Clone, Debug, Default)]
pub struct Contact {
    /// The id that changes when the contact moves.
    pub rest_id: String,
    /// The id that stays.
    pub immutable_id: String,
    /// The given name.
    pub given: &'static str,
    /// The surname.
    pub surname: &'static str,
    /// The addresses; some contacts have none.
    pub emails: Vec<&'static str>,
    /// The company.
    pub company: &'static str,
    /// The job title.
    pub job: &'static str,
    /// The mobile phone.
    pub mobile: &'static str,
    /// What the owner noted.
    pub notes: &'static str,
    /// When it was made.
    pub created_ms: u64,
}

/// Everyone's contacts by object id.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    lists: Vec<(&'static str, Vec<Contact>)>,
}

impl Contacts {
    /// A person's contacts in the order in which they were made.
    pub fn of(&self, oid: &str) -> &[Contact] {
        self.lists.iter().find(|(owner, _)| *owner == oid).map_or(&[], |(_, list)| list)
    }

    /// Adds a contact with ids of its own.
    pub fn add(&mut self, oid: &'static str, mut contact: Contact, ids: &mut Ids) {
        contact.rest_id = ids.rest_id();
        contact.immutable_id = ids.immutable_id();
        match self.lists.iter_mut().find(|(owner, _)| *owner == oid) {
            Some((_, list)) => list.push(contact),
            None => self.lists.push((oid, vec![contact])),
        }
    }

    /// A person's contacts as the control plane shows them.
    pub fn to_json(&self, oid: &str) -> Value {
        let one = |c: &Contact| {
            json!({
                "id": c.rest_id, "immutableId": c.immutable_id, "displayName": format!("{} {}", c.given, c.surname),
                "emailAddresses": c.emails, "companyName": c.company, "jobTitle": c.job, "mobilePhone": c.mobile,
            })
        };
        Value::Array(self.of(oid).iter().map(one).collect())
    }
}
