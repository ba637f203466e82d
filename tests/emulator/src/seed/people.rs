//! The demo contacts: people outside of the tenant, of which everyone knows some. Two share a given name, one
//! has two addresses and one has none, because products get these wrong. No name here is a real person's.

use crate::clock::DAY_MS;
use crate::contacts::{Contact, Contacts};
use crate::ids::Ids;
use crate::tenant::USERS;
use serde_json::{Map, Value, json};

/// Given name, surname, addresses, company, job, mobile.
type Row = (&'static str, &'static str, &'static [&'static str], &'static str, &'static str, &'static str);

const POOL: [Row; 12] = [
    ("Nina", "Novak", &["nina@fabrikam.example"], "Fabrikam", "Purchaser", "+420 555 0111"),
    ("Nina", "O'Neil", &["nina.oneil@northwind.example"], "Northwind", "Account Lead", "+353 555 0112"),
    ("Omar", "Okafor", &["omar@adatum.example", "omar@home.example"], "Adatum", "Counsel", "+234 555 0113"),
    ("Priya", "Patel", &["priya@litware.example"], "Litware", "Event Manager", "+91 555 0114"),
    ("Quentin", "Quist", &[], "Quist Carpentry", "Carpenter", "+45 555 0115"),
    ("Rosa", "Rossi", &["rosa@tailspin.example"], "Tailspin Toys", "Buyer", "+39 555 0116"),
    ("Søren", "Sørensen", &["soren@alpineski.example"], "Alpine Ski House", "Manager", "+47 555 0117"),
    ("Tomoko", "Tanaka", &["tomoko@fourthcoffee.example"], "Fourth Coffee", "Roaster", "+81 555 0118"),
    ("Uma", "Urban", &["uma@woodgrove.example"], "Woodgrove Bank", "Adviser", "+41 555 0119"),
    ("Viktor", "Vogel", &["viktor@proseware.example"], "Proseware", "Sales", "+49 555 0120"),
    ("Wendy", "Wright", &["wendy@wideworld.example"], "Wide World Importers", "Editor", "+44 555 0121"),
    ("Xavier", "Ximénez", &["xavier@contosopharma.example"], "Contoso Pharma", "Chemist", "+34 555 0122"),
];

/// A contact's properties as the owner wrote them.
pub fn plain(
    given: &str,
    surname: &str,
    emails: &[&str],
    company: &str,
    job: &str,
    mobile: &str,
) -> Map<String, Value> {
    let display = format!("{given} {surname}");
    let all = json!({
        "givenName": given, "surname": surname, "displayName": display, "fileAs": format!("{surname}, {given}"),
        "companyName": company, "jobTitle": job, "mobilePhone": mobile,
        "personalNotes": if emails.is_empty() { "Prefers the phone." } else { "" },
        "emailAddresses": emails.iter().map(|e| json!({ "name": display, "address": e })).collect::<Vec<_>>(),
    });
    all.as_object().cloned().unwrap_or_default()
}

/// Fills everyone's contacts: from six to nine each, a different part of the pool.
pub fn fill(contacts: &mut Contacts, ids: &mut Ids, now_ms: u64) {
    for (position, user) in USERS.iter().enumerate() {
        let part = POOL.iter().cycle().skip(position * 3).take(9 - position);
        for (n, (given, surname, emails, company, job, mobile)) in part.enumerate() {
            let contact = Contact {
                plain: plain(given, surname, emails, company, job, mobile),
                created_ms: now_ms.saturating_sub((u64::try_from(n).unwrap_or(0) + 30) * DAY_MS),
                ..Contact::default()
            };
            contacts.add(user.oid, contact, ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_knows_six_to_ten_people() {
        let (mut contacts, mut ids) = (Contacts::default(), Ids::new(1, 1));
        fill(&mut contacts, &mut ids, 400 * DAY_MS);
        for user in &USERS {
            assert!((6..=10).contains(&contacts.of(user.oid).len()), "{}", user.address);
        }
    }
}
