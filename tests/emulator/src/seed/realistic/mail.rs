//! Three thousand mails of two years in one mailbox, some in the others: conversations among colleagues and with
//! the outside, newsletters, folders, flags, categories, attachments. Everything is drawn from the seed; those that
//! tests name are in `landmarks.rs`.

use super::draw::Draw;
use super::texts::{BULK, COMPANIES, GIVEN, INSIDE, OUTSIDE, SURNAMES, Topic};
use crate::clock::DAY_MS;
use crate::graph::attachments::stored;
use crate::graph::mail_folders::new_key;
use crate::mailbox::{Address, Folder, Message};
use crate::tenant::User;
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// How many mails the first person has.
pub const MAILS: usize = 3000;

/// How long ago the first one is.
const DAYS: u64 = 730;

/// Younger conversations are in the other people's mailboxes too, and not filed yet.
const RECENT_DAYS: u64 = 45;

/// The folders of the first person: name and the folder above.
const FOLDERS: [(&str, &str); 9] = [
    ("Projects", "inbox"),
    ("Northwind", "Projects"),
    ("Warehouse Move", "Projects"),
    ("Operations", "inbox"),
    ("Budget", "inbox"),
    ("Suppliers", "inbox"),
    ("Customers", "inbox"),
    ("Hiring", "inbox"),
    ("Travel", "msgfolderroot"),
];

/// A person as mail names them.
pub fn address(user: &User) -> Address {
    Address { name: user.display_name.into(), address: user.address.into() }
}

/// Somebody outside of the tenant, by a number: name, address, company.
pub fn outsider(n: usize) -> (Address, &'static str) {
    let part = |list: &[&'static str], n: usize| list.get(n % list.len()).copied().unwrap_or_default();
    let (given, surname) = (part(&GIVEN, n), part(&SURNAMES, n / GIVEN.len() + n));
    let (company, domain) = COMPANIES.get(n % COMPANIES.len()).copied().unwrap_or_default();
    let plain: String = format!("{given}.{surname}").to_lowercase().chars().map(ascii).collect();
    (Address { name: format!("{given} {surname}"), address: format!("{plain}@{domain}") }, company)
}

fn ascii(c: char) -> char {
    match c {
        'ö' | 'ó' => 'o',
        'ü' => 'u',
        'é' => 'e',
        other => other,
    }
}

/// A file attachment.
pub fn attachment(id: &str, name: &str, media_type: &str, content: &[u8], at_ms: u64) -> Value {
    let item = json!({
        "@odata.type": "#microsoft.graph.fileAttachment", "@odata.mediaContentType": media_type, "name": name,
        "contentType": media_type, "contentBytes": STANDARD.encode(content), "contentLocation": null,
    });
    let mut kept = stored(id, &item, at_ms);
    if let Some(map) = kept.as_object_mut() {
        map.insert("size".into(), content.len().into());
    }
    kept
}

/// Gives the first person folders of their own; the answer is the key of each name.
fn folders(world: &mut World, oid: &str) -> Vec<(&'static str, String)> {
    let mut keys: Vec<(&'static str, String)> = Vec::new();
    for (name, above) in FOLDERS {
        let parent =
            keys.iter().find(|(known, _)| *known == above).map_or(above.to_owned(), |(_, key)| key.clone());
        let key = new_key(&mut world.ids);
        if let Some(mailbox) = world.mailboxes.get_mut(oid) {
            mailbox.folders.push(Folder { key: key.clone(), name: name.into(), parent, hidden: false });
        }
        keys.push((name, key));
    }
    keys
}

fn filled(text: &str, n: u64, who: &str) -> String {
    text.replace("{n}", &n.to_string()).replace("{who}", who)
}

/// A text as plain text, or as the markup that Outlook makes of it.
fn body(text: &str, signature: &str, html: bool) -> String {
    if !html {
        return format!("{text}\r\n\r\n{signature}");
    }
    format!("<html><head><meta charset=\"utf-8\"></head><body><p>{text}</p><p>{signature}</p></body></html>")
}

/// Who takes part in a conversation: the owner is the first.
fn circle(draw: &mut Draw, owner: &'static User, people: &[&'static User], outside: bool) -> Vec<Address> {
    let mut list = vec![address(owner)];
    if outside {
        list.push(outsider(usize::try_from(draw.below(160)).unwrap_or(0)).0);
    }
    for _ in 0..=draw.below(3) {
        let Some(user) = draw.pick(people) else { continue };
        let other = address(user);
        if !list.contains(&other) {
            list.push(other);
        }
    }
    list
}

/// One conversation, oldest mail first; all of it lies in the past.
fn conversation(
    world: &mut World,
    draw: &mut Draw,
    topic: &Topic,
    circle: &[Address],
    first_ms: u64,
    now_ms: u64,
) -> Vec<Message> {
    let (subject, _, lines) = topic;
    let n = 10 + draw.below(890);
    let who = circle.get(1).map_or("Alice", |a| a.name.split(' ').next().unwrap_or_default()).to_owned();
    let (subject, thread) = (filled(subject, n, &who), world.ids.conversation_id());
    let mut at_ms = first_ms;
    // Whoever is not the owner begins in most cases.
    let mut speaker = usize::from(draw.chance(75)) * (1 + usize::try_from(draw.below(8)).unwrap_or(0));
    let mut list = Vec::new();
    for (turn, line) in lines.iter().enumerate() {
        if turn > 0 && (draw.chance(25) || at_ms > now_ms) {
            break;
        }
        let html = draw.chance(45);
        let from = circle.get(speaker % circle.len()).cloned().unwrap_or_default();
        let text = filled(line, n, &who);
        let to: Vec<Address> = circle.iter().filter(|a| **a != from).cloned().collect();
        let split = to.len().min(1 + usize::try_from(draw.below(2)).unwrap_or(0));
        let (to, cc) = to.split_at(split);
        list.push(Message {
            subject: if turn == 0 { subject.clone() } else { format!("RE: {subject}") },
            body: body(&text, from.name.split(' ').next().unwrap_or_default(), html),
            body_is_html: html,
            to: to.to_vec(),
            cc: cc.to_vec(),
            importance: if draw.chance(6) { "high".into() } else { "normal".into() },
            conversation_id: thread.clone(),
            from: Some(from),
            received_ms: at_ms,
            sent_ms: at_ms.saturating_sub(2_000),
            visible_at_ms: at_ms,
            ..Message::default()
        });
        speaker += 1 + usize::try_from(draw.below(2)).unwrap_or(0);
        at_ms += 600_000 + draw.below(30 * 3_600_000);
    }
    list.retain(|message| message.received_ms < now_ms);
    list
}

/// What Exchange would have kept of a mail in somebody's mailbox, dressed by chance.
fn dressed(draw: &mut Draw, message: &Message, owner: &User, folder: &str, age_days: u64) -> Message {
    let mut copy = message.clone();
    let own = message.from.as_ref().is_some_and(|a| a.address == owner.address);
    copy.folder = if own { "sentitems".into() } else { folder.into() };
    copy.is_read = own || age_days > 20 || draw.chance(70);
    if own {
        return copy;
    }
    if draw.chance(8) {
        copy.categories =
            vec![(*draw.pick(&["Customer", "Red category", "Private"]).unwrap_or(&"Customer")).into()];
    }
    if draw.chance(4) {
        let status = if age_days > 60 && draw.chance(60) { "complete" } else { "flagged" };
        copy.flag = Some(json!({ "flagStatus": status }));
    }
    if draw.chance(9) {
        let text = format!("{}\r\n\r\nAttached on request.\r\n", message.subject);
        let (name, kind) =
            if draw.chance(50) { ("details.txt", "text/plain") } else { ("scan.pdf", "application/pdf") };
        copy.attachments =
            vec![attachment("AAMkAttachment1=", name, kind, text.as_bytes(), copy.received_ms)];
    }
    copy
}

fn put(world: &mut World, oid: &'static str, mut message: Message) {
    let at_ms = message.received_ms;
    message.stamp(&mut world.ids, at_ms);
    if let Some(mailbox) = world.mailboxes.get_mut(oid) {
        mailbox.messages.push(message);
    }
}

/// A newsletter or the report of a machine.
fn bulk(draw: &mut Draw, owner: &User, at_ms: u64) -> Message {
    let (name, from, subject, text) = draw.pick(&BULK).copied().unwrap_or_default();
    let n = 1 + draw.below(300);
    let link = format!("https://{}/unsubscribe", from.split('@').nth(1).unwrap_or_default());
    Message {
        folder: if draw.chance(20) { "junkemail".into() } else { "inbox".into() },
        subject: filled(subject, n, ""),
        body_is_html: true,
        body: format!(
            "<html><body><h2>{name}</h2><p>{text}</p><p><a href=\"{link}\">Unsubscribe</a></p></body></html>"
        ),
        from: Some(Address { name: name.into(), address: from.into() }),
        to: vec![address(owner)],
        is_read: draw.chance(60),
        internet_headers: vec![("List-Unsubscribe".into(), format!("<{link}>"))],
        received_ms: at_ms,
        sent_ms: at_ms.saturating_sub(2_000),
        visible_at_ms: at_ms,
        ..Message::default()
    }
}

/// Fills the mailboxes up to `MAILS` for the first person; what is there already counts.
pub fn fill(world: &mut World, now_ms: u64) {
    let mut draw = Draw::new(world.options.seed, 1);
    let people: Vec<&'static User> = world.directory.people().collect();
    let Some(owner) = people.first().copied() else { return };
    let others: Vec<&'static User> = people.iter().skip(1).copied().collect();
    let keys = folders(world, owner.oid);
    let have = |world: &World| world.mailboxes.get(owner.oid).map_or(0, |mailbox| mailbox.messages.len());
    while have(world) < MAILS {
        let age_ms = draw.below(DAYS * DAY_MS - 4_000_000) + 3_600_000;
        let (first_ms, age_days) = (now_ms.saturating_sub(age_ms), age_ms / DAY_MS);
        if draw.chance(12) {
            let message = bulk(&mut draw, owner, first_ms);
            put(world, owner.oid, message);
            continue;
        }
        let outside = draw.chance(40);
        let topics: &[Topic] = if outside { &OUTSIDE } else { &INSIDE };
        let Some(topic) = draw.pick(topics) else { continue };
        let circle = circle(&mut draw, owner, &others, outside);
        let filed = keys.iter().find(|(name, _)| *name == topic.1).map(|(_, key)| key.as_str());
        let folder = match filed {
            _ if age_days < RECENT_DAYS => "inbox",
            _ if draw.chance(5) => "deleteditems",
            Some(key) => key,
            None => "archive",
        };
        for message in conversation(world, &mut draw, topic, &circle, first_ms, now_ms) {
            for user in people.iter().filter(|user| circle.iter().any(|a| a.address == user.address)) {
                let is_owner = user.oid == owner.oid;
                if (is_owner && have(world) < MAILS) || (!is_owner && age_days < RECENT_DAYS) {
                    let place = if is_owner { folder } else { "inbox" };
                    let kept = dressed(&mut draw, &message, user, place, age_days);
                    put(world, user.oid, kept);
                }
            }
        }
    }
    for user in &people {
        if let Some(mailbox) = world.mailboxes.get_mut(user.oid) {
            mailbox.messages.sort_by_key(|message| message.received_ms);
        }
    }
}
