//! The demo mailboxes: believable mail of the last weeks, dated relative to the start, so that "this
//! week" always finds something. Bodies are plain or HTML, one thread runs through three inboxes, one
//! mail carries an attachment. No text here may be mistaken for a real person's mail.

pub mod agenda;
pub mod people;
pub mod realistic;
pub mod teams;
pub mod work;

use crate::clock::DAY_MS;
use crate::ids::Ids;
use crate::mailbox::{Address, Mailboxes, Message};
use crate::options::Tenant;
use crate::tenant::{Directory, USERS};
use crate::world::World;
use serde_json::json;

/// One mail as written below.
struct Mail {
    /// Sender: a known address, or `name <address>`.
    from: &'static str,
    /// How many hours before the start it arrived.
    hours_ago: u64,
    subject: &'static str,
    /// Begins with `<` when it is HTML.
    body: &'static str,
    /// `u` unread, `a` attachment, `h` high importance, `t` the shared thread, `n` newsletter.
    marks: &'static str,
}

const fn mail(
    from: &'static str,
    hours_ago: u64,
    subject: &'static str,
    body: &'static str,
    marks: &'static str,
) -> Mail {
    Mail { from, hours_ago, subject, body, marks }
}

/// Mail that everyone in the tenant has.
const EVERYONE: [Mail; 9] = [
    mail(
        "IT Service Desk <servicedesk@contoso.example>",
        3,
        "Planned maintenance on Saturday",
        "<html><body><p>Hello all,</p><p>Mail and files will be <b>read-only</b> on Saturday between 06:00 and 08:00 UTC.</p><p>Your Service Desk</p></body></html>",
        "u",
    ),
    mail(
        "Travel Office <bookings@northwind.example>",
        20,
        "Your itinerary for the partner summit",
        "<html><body><h1>Itinerary</h1><p>Departure Tuesday 07:40, seat 14C. The hotel is confirmed for two nights.</p><ul><li>Booking reference QX7T2M</li><li>Cancellation until Friday</li></ul></body></html>",
        "u",
    ),
    mail(
        "Fabrikam Billing <billing@fabrikam.example>",
        31,
        "Invoice 2026-1187",
        "Dear customer,\r\n\r\nplease find attached invoice 2026-1187 over 4,812.50 EUR, payable within 30 days.\r\n\r\nKind regards\r\nFabrikam Billing",
        "ua",
    ),
    mail(
        "carol@contoso.example",
        52,
        "Budget figures for the next quarter",
        "Hi,\r\n\r\nthe draft figures are in the usual folder. Please check your cost centre by Thursday.\r\n\r\nCarol",
        "h",
    ),
    mail(
        "Wide World Weekly <news@wideworld.example>",
        75,
        "This week: five ideas for calmer meetings",
        "<html><body><h2>Wide World Weekly</h2><p>Shorter agendas, clearer decisions, fewer attendees. Read on.</p><p><a href=\"https://wideworld.example/unsubscribe\">Unsubscribe</a></p></body></html>",
        "n",
    ),
    mail(
        "People Team <people@contoso.example>",
        122,
        "Reminder: annual leave carry-over",
        "Please plan your remaining days of leave before the end of the year. Up to five days can be carried over.",
        "",
    ),
    mail(
        "dave@contoso.example",
        170,
        "Ticket 48213 is solved",
        "Hello,\r\n\r\nthe printer on your floor has a new driver. I am closing the ticket; just answer if it comes back.\r\n\r\nDave",
        "",
    ),
    mail(
        "Adatum Legal <contracts@adatum.example>",
        260,
        "Countersigned agreement",
        "<html><body><p>Good morning,</p><p>the countersigned framework agreement is on file. Term: 24 months, notice: 90 days.</p><p>Adatum Legal</p></body></html>",
        "",
    ),
    mail(
        "Building Services <facilities@contoso.example>",
        410,
        "New access cards from next month",
        "Your card will be replaced. Please collect the new one at the front desk between 9 and 11.",
        "",
    ),
];

/// The thread that alice, bob and carol share, oldest first.
const THREAD: [Mail; 3] = [
    mail(
        "bob@contoso.example",
        96,
        "Renewal of the Northwind contract",
        "Alice, Carol,\r\n\r\nNorthwind wants to renew for three years if we keep the price. Can we?\r\n\r\nBob",
        "t",
    ),
    mail(
        "carol@contoso.example",
        94,
        "RE: Renewal of the Northwind contract",
        "With a two per cent index from year two it works for Finance.\r\n\r\nCarol",
        "t",
    ),
    mail(
        "bob@contoso.example",
        7,
        "RE: Renewal of the Northwind contract",
        "<html><body><p>They accept the index. I will send the papers <i>today</i>.</p><p>Bob</p></body></html>",
        "tu",
    ),
];

/// What one person has on top: the owner's address first.
const PERSONAL: [(&str, Mail); 6] = [
    (
        "alice@contoso.example",
        mail(
            "dave@contoso.example",
            26,
            "Laptop replacement",
            "Hi Alice,\r\n\r\nyour new laptop is ready. When shall I bring it?\r\n\r\nDave",
            "u",
        ),
    ),
    (
        "alice@contoso.example",
        mail(
            "Litware Events <hello@litware.example>",
            140,
            "Speaker slot at the operations forum",
            "<html><body><p>Dear Alice,</p><p>would 20 minutes on Thursday suit you?</p></body></html>",
            "",
        ),
    ),
    (
        "bob@contoso.example",
        mail(
            "alice@contoso.example",
            11,
            "Customer visit on Monday",
            "Bob, who joins us from their side? I would like to send the agenda tonight.\r\n\r\nAlice",
            "u",
        ),
    ),
    (
        "bob@contoso.example",
        mail(
            "Proseware Sales <leads@proseware.example>",
            66,
            "Three new leads in your region",
            "1. Tailspin Toys\r\n2. Alpine Ski House\r\n3. Fourth Coffee",
            "",
        ),
    ),
    (
        "carol@contoso.example",
        mail(
            "Woodgrove Bank <statements@woodgrove.example>",
            45,
            "Your monthly statement is ready",
            "<html><body><p>Your statement is available in the portal. We never ask for your password by mail.</p></body></html>",
            "u",
        ),
    ),
    (
        "dave@contoso.example",
        mail(
            "Monitoring <alerts@contoso.example>",
            2,
            "[warning] disk usage above 80 %",
            "host: files-03\r\nusage: 83 %\r\nsince: two hours",
            "uh",
        ),
    ),
];

fn address(text: &str) -> Address {
    if let Some(user) = Directory::realistic().by_address(text) {
        return Address { name: user.display_name.into(), address: user.address.into() };
    }
    let (name, rest) = text.split_once(" <").unwrap_or((text, text));
    Address { name: name.into(), address: rest.trim_end_matches('>').into() }
}

fn message(source: &Mail, owner: &str, thread: &str, now_ms: u64) -> Message {
    // Odd minutes and seconds keep any two mails from sharing a moment.
    let jitter_ms = u64::try_from(source.subject.len()).unwrap_or(0) * 61_000;
    let at_ms = now_ms.saturating_sub(source.hours_ago * DAY_MS / 24 + jitter_ms);
    let has = |mark: char| source.marks.contains(mark);
    let mut to = vec![address(owner)];
    if has('t') {
        let others = USERS.iter().take(3).filter(|u| u.address != owner && u.address != source.from);
        to.extend(others.map(|user| address(user.address)));
    }
    let attachments = if has('a') {
        vec![json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "@odata.mediaContentType": "application/pdf",
            "id": "AAMkAttachment1187=",
            "name": "Invoice-2026-1187.pdf",
            "contentType": "application/pdf",
            "size": 1187,
            "isInline": false,
            "contentId": null,
            "contentLocation": null,
            "lastModifiedDateTime": crate::clock::iso(at_ms),
            "contentBytes": "JVBERi0xLjQKJSBkZW1vIGludm9pY2UK",
        })]
    } else {
        Vec::new()
    };
    Message {
        folder: "inbox".into(),
        subject: source.subject.into(),
        body_is_html: source.body.starts_with('<'),
        body: source.body.into(),
        from: Some(address(source.from)),
        to,
        importance: if has('h') { "high".into() } else { "normal".into() },
        is_read: !has('u'),
        attachments,
        conversation_id: if has('t') { thread.into() } else { String::new() },
        internet_headers: if has('n') {
            vec![("List-Unsubscribe".into(), "<https://wideworld.example/unsubscribe>".into())]
        } else {
            Vec::new()
        },
        received_ms: at_ms,
        sent_ms: at_ms.saturating_sub(2_000),
        visible_at_ms: at_ms,
        ..Message::default()
    }
}

/// Fills a fresh world with its tenant.
pub fn fill(world: &mut World, now_ms: u64) {
    let ids = &mut world.ids;
    inboxes(&mut world.mailboxes, ids, now_ms);
    agenda::fill(&mut world.agendas, ids, now_ms);
    people::fill(&mut world.contacts, ids, now_ms);
    teams::fill(&mut world.teamwork, ids, now_ms);
    let is_realistic = world.options.tenant == Tenant::Realistic;
    if is_realistic {
        realistic::fill(world, now_ms);
    }
    work::fill(world, now_ms, is_realistic);
}

/// Fills everyone's inbox.
fn inboxes(mailboxes: &mut Mailboxes, ids: &mut Ids, now_ms: u64) {
    let thread = ids.conversation_id();
    for (position, user) in USERS.iter().enumerate() {
        let personal = PERSONAL.iter().filter(|(owner, _)| *owner == user.address).map(|(_, m)| m);
        let shared = THREAD.iter().filter(|m| position < 3 && m.from != user.address);
        let common = EVERYONE.iter().filter(|m| m.from != user.address);
        let mut list: Vec<Message> = common
            .chain(shared)
            .chain(personal)
            .map(|source| message(source, user.address, &thread, now_ms))
            .collect();
        list.sort_by_key(|m| m.received_ms);
        for item in &mut list {
            let at_ms = item.received_ms;
            item.stamp(ids, at_ms);
        }
        if let Some(mailbox) = mailboxes.get_mut(user.oid) {
            mailbox.messages = list;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_inbox_has_a_believable_mix() {
        let (mut boxes, mut ids) = (Mailboxes::new(Directory::small()), Ids::new(1, 1));
        inboxes(&mut boxes, &mut ids, crate::clock::parse_iso("2026-11-23T00:00:00Z").unwrap());
        for user in &USERS {
            let list = &boxes.get(user.oid).unwrap().messages;
            assert!(list.len() >= 9, "{} has {}", user.address, list.len());
            assert!(list.iter().any(|m| m.is_read) && list.iter().any(|m| !m.is_read));
            assert!(list.iter().any(|m| m.body_is_html) && list.iter().any(|m| !m.body_is_html));
            assert!(list.iter().any(|m| !m.attachments.is_empty()));
        }
    }
}
