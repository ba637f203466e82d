//! The realistic tenant: forty people, and one of them, the first, with everything that two years leave behind.
//! What holds: the same seed makes the same tenant, dated relative to the start. Tests name the landmarks; what is
//! drawn by chance only fills the space between them.

pub mod agenda;
pub mod draw;
pub mod landmarks;
pub mod mail;
pub mod teamwork;
pub mod texts;

use crate::clock::DAY_MS;
use crate::contacts::Contact;
use crate::seed::people::plain;
use crate::world::World;
use serde_json::json;

/// How many contacts the first person has on top of the few of everyone.
const CONTACTS: usize = 110;

fn contacts(world: &mut World, now_ms: u64) {
    let Some(owner) = world.directory.people().next() else { return };
    for n in 0..CONTACTS {
        let (person, company) = mail::outsider(n);
        let (given, surname) = person.name.split_once(' ').unwrap_or((&person.name, ""));
        let mobile = format!("+41 44 555 {:02} {:02}", n / 100, n % 100);
        let contact = Contact {
            plain: plain(given, surname, &[&person.address], company, "Partner", &mobile),
            created_ms: now_ms.saturating_sub((u64::try_from(n).unwrap_or(0) + 20) * DAY_MS),
            ..Contact::default()
        };
        world.contacts.add(owner.oid, contact, &mut world.ids);
    }
}

/// Somebody is away and says so.
fn away(world: &mut World) {
    let Some(minh) = world.directory.people().find(|user| user.alias() == "minh") else { return };
    let replies = json!({
        "status": "alwaysEnabled", "externalAudience": "all", "internalReplyMessage": "I am away until Monday; please ask Jane.",
        "externalReplyMessage": "I am away until Monday.",
        "scheduledStartDateTime": { "dateTime": "2026-01-01T08:00:00.0000000", "timeZone": "UTC" },
        "scheduledEndDateTime": { "dateTime": "2026-01-02T08:00:00.0000000", "timeZone": "UTC" },
    });
    world.preferences.entry(minh.oid).or_default().insert("automaticRepliesSetting".into(), replies);
}

/// Fills the tenant on top of what the small one has.
pub fn fill(world: &mut World, now_ms: u64) {
    landmarks::fill(world, now_ms);
    mail::fill(world, now_ms);
    agenda::fill(world, now_ms);
    teamwork::fill(world, now_ms);
    contacts(world, now_ms);
    away(world);
}
