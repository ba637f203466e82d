//! A mailbox: folders and messages, and how a mail travels. A message has two ids, as in Exchange: one
//! changes with each move, one stays. Sending makes the draft vanish at once and the copy in Sent Items
//! appear when its time has come, so a lookup in between must say "not found".

use crate::ids::Ids;
use crate::settings::Settings;
use crate::tenant::{self, Directory, User};
use serde_json::Value;

/// A person as mail names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// The display name.
    pub name: String,
    /// The address.
    pub address: String,
}

/// The well-known folders: path name and display name.
pub const FOLDERS: [(&str, &str); 8] = [
    ("archive", "Archive"),
    ("deleteditems", "Deleted Items"),
    ("drafts", "Drafts"),
    ("inbox", "Inbox"),
    ("junkemail", "Junk Email"),
    ("outbox", "Outbox"),
    ("sentitems", "Sent Items"),
    ("conversationhistory", "Conversation History"),
];

/// One message in one mailbox.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The id that stays when the message moves.
    pub immutable_id: String,
    /// The id that changes when the message moves.
    pub rest_id: String,
    /// The key of its folder: a well-known name, or the id of one that the owner made.
    pub folder: String,
    /// The subject.
    pub subject: String,
    /// Whether the body is HTML rather than plain text.
    pub body_is_html: bool,
    /// The body as written.
    pub body: String,
    /// Who it is from; a draft may lack it.
    pub from: Option<Address>,
    /// The visible recipients.
    pub to: Vec<Address>,
    /// The copied recipients.
    pub cc: Vec<Address>,
    /// The hidden recipients; only the sender's copy has them.
    pub bcc: Vec<Address>,
    /// Where answers go.
    pub reply_to: Vec<Address>,
    /// `low`, `normal` or `high`.
    pub importance: String,
    /// Whether it was read.
    pub is_read: bool,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// The attachments as Graph shows them.
    pub attachments: Vec<Value>,
    /// The categories.
    pub categories: Vec<String>,
    /// The follow-up flag.
    pub flag: Option<Value>,
    /// When it was made.
    pub created_ms: u64,
    /// When it last changed.
    pub modified_ms: u64,
    /// When it arrived.
    pub received_ms: u64,
    /// When it was sent.
    pub sent_ms: u64,
    /// From when on it can be seen at all.
    pub visible_at_ms: u64,
    /// Its conversation.
    pub conversation_id: String,
    /// Its Internet message id.
    pub internet_message_id: String,
    /// Counts changes, for the etag.
    pub change: u64,
    /// Extended properties: id and value.
    pub extended: Vec<(String, String)>,
    /// Internet message headers.
    pub internet_headers: Vec<(String, String)>,
    /// Whether the sender wants to know of delivery.
    pub wants_delivery_receipt: bool,
    /// Whether the sender wants to know of reading.
    pub wants_read_receipt: bool,
}

/// A folder that the owner made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its id, which is also its key.
    pub key: String,
    /// The display name.
    pub name: String,
    /// The key of the folder that it is in.
    pub parent: String,
    /// Whether lists leave it out.
    pub hidden: bool,
}

/// The key of the folder that holds all others.
pub const ROOT: &str = "msgfolderroot";

/// One person's mailbox.
#[derive(Clone, Debug, Default)]
pub struct Mailbox {
    /// The folders that the owner made; the well-known ones are always there.
    pub folders: Vec<Folder>,
    /// The messages, in the order of arrival.
    pub messages: Vec<Message>,
}

/// What delivery needs besides the mailboxes.
pub struct Post<'a> {
    /// Hands out ids.
    pub ids: &'a mut Ids,
    /// Says when the sender's copy appears.
    pub settings: &'a Settings,
    /// The time.
    pub now_ms: u64,
}

/// All mailboxes, in the order of the directory.
#[derive(Clone, Debug, Default)]
pub struct Mailboxes {
    directory: Directory,
    boxes: Vec<(&'static str, Mailbox)>,
}

impl Mailbox {
    /// The index of a visible message, by either of its ids.
    pub fn find(&self, id: &str, now_ms: u64) -> Option<usize> {
        let wanted = |m: &Message| (m.rest_id == id || m.immutable_id == id) && m.visible_at_ms <= now_ms;
        self.messages.iter().position(wanted)
    }

    /// The messages of a folder that can be seen.
    pub fn inside<'m>(&'m self, folder: &'m str, now_ms: u64) -> impl Iterator<Item = &'m Message> {
        self.messages.iter().filter(move |m| m.folder == folder && m.visible_at_ms <= now_ms)
    }

    /// Moves a message to a folder, with a new changing id.
    pub fn relocate(&mut self, index: usize, folder: &str, ids: &mut Ids, now_ms: u64) {
        if let Some(message) = self.messages.get_mut(index) {
            message.folder = folder.into();
            message.rest_id = ids.rest_id();
            message.modified_ms = now_ms;
            message.change += 1;
        }
    }
}

impl Message {
    /// Gives a new message its ids and times.
    pub fn stamp(&mut self, ids: &mut Ids, now_ms: u64) {
        self.rest_id = ids.rest_id();
        self.immutable_id = ids.immutable_id();
        self.created_ms = now_ms;
        self.modified_ms = now_ms;
        if self.importance.is_empty() {
            self.importance = "normal".into();
        }
        if self.conversation_id.is_empty() {
            self.conversation_id = ids.conversation_id();
        }
        if self.internet_message_id.is_empty() {
            self.internet_message_id = format!("<{}@{}>", ids.uuid(), tenant::DOMAIN);
        }
    }

    /// Whether it has attachments that are no pictures of the body.
    pub fn has_attachments(&self) -> bool {
        self.attachments.iter().any(|one| one.get("isInline") != Some(&Value::Bool(true)))
    }

    /// `focused`, or `other` for what was sent to many.
    pub fn classification(&self) -> &'static str {
        let bulk =
            self.internet_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("list-unsubscribe"));
        if bulk { "other" } else { "focused" }
    }

    /// Everyone it goes to.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }

    /// The body without markup.
    pub fn body_text(&self) -> String {
        if self.body_is_html { strip_tags(&self.body) } else { self.body.clone() }
    }
}

impl Mailboxes {
    /// Empty mailboxes for everyone.
    pub fn new(directory: Directory) -> Self {
        let boxes = directory.users().iter().map(|user| (user.oid, Mailbox::default())).collect();
        Self { directory, boxes }
    }

    /// A person's mailbox.
    pub fn get(&self, oid: &str) -> Option<&Mailbox> {
        self.boxes.iter().find(|(owner, _)| *owner == oid).map(|(_, mailbox)| mailbox)
    }

    /// A person's mailbox, to be changed.
    pub fn get_mut(&mut self, oid: &str) -> Option<&mut Mailbox> {
        self.boxes.iter_mut().find(|(owner, _)| *owner == oid).map(|(_, mailbox)| mailbox)
    }

    /// Sends a message that `sender` wrote: the copy for Sent Items first, then one per recipient. The
    /// message keeps its immutable id in Sent Items, which is what makes a lost answer reconcilable.
    pub fn send(&mut self, sender: &'static User, mut message: Message, post: &mut Post<'_>) {
        let own = Address { name: sender.display_name.into(), address: sender.address.into() };
        message.from = Some(message.from.unwrap_or(own));
        message.is_draft = false;
        message.is_read = true;
        message.sent_ms = post.now_ms;
        message.received_ms = post.now_ms;
        message.modified_ms = post.now_ms;
        message.folder = "sentitems".into();
        message.change += 1;
        for recipient in message.recipients().cloned().collect::<Vec<_>>() {
            match self.directory.by_address(&recipient.address) {
                Some(user) => self.deliver(user, &message, post),
                None if tenant::is_internal(&recipient.address) => {
                    self.bounce(sender, &message, &recipient, post);
                }
                None => {}
            }
        }
        message.rest_id = post.ids.rest_id();
        message.visible_at_ms = post.settings.sent_items_at_ms(post.now_ms);
        if let Some(mailbox) = self.get_mut(sender.oid) {
            mailbox.messages.push(message);
        }
    }

    fn deliver(&mut self, user: &'static User, sent: &Message, post: &mut Post<'_>) {
        let mut copy = Message { bcc: Vec::new(), folder: "inbox".into(), is_read: false, ..sent.clone() };
        // Categories, flags and extended properties belong to the sender's copy and do not travel.
        copy.categories.clear();
        copy.extended.clear();
        copy.flag = None;
        copy.visible_at_ms = post.now_ms;
        copy.stamp(post.ids, post.now_ms);
        if let Some(mailbox) = self.get_mut(user.oid) {
            mailbox.messages.push(copy);
        }
    }

    /// Puts a plain mail about a meeting into an inbox.
    pub fn notify(&mut self, user: &User, from: Address, subject: &str, body: &str, post: &mut Post<'_>) {
        let mut mail = Message {
            folder: "inbox".into(),
            subject: subject.into(),
            body: body.into(),
            from: Some(from),
            to: vec![Address { name: user.display_name.into(), address: user.address.into() }],
            received_ms: post.now_ms,
            sent_ms: post.now_ms,
            visible_at_ms: post.now_ms,
            ..Message::default()
        };
        mail.stamp(post.ids, post.now_ms);
        if let Some(mailbox) = self.get_mut(user.oid) {
            mailbox.messages.push(mail);
        }
    }

    fn bounce(&mut self, sender: &'static User, sent: &Message, to: &Address, post: &mut Post<'_>) {
        let address = crate::wire::html_escape(&to.address);
        let mut report = Message {
            folder: "inbox".into(),
            subject: format!("Undeliverable: {}", sent.subject),
            body_is_html: true,
            body: format!(
                "<html><body><p>Your message to {address} couldn't be delivered.</p>\
                 <p>{address} wasn't found at {}.</p><p>550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient \
                 not found by SMTP address lookup</p></body></html>",
                tenant::DOMAIN
            ),
            from: Some(Address {
                name: "Microsoft Outlook".into(),
                address: format!("postmaster@{}", tenant::DOMAIN),
            }),
            to: vec![Address { name: sender.display_name.into(), address: sender.address.into() }],
            conversation_id: sent.conversation_id.clone(),
            received_ms: post.now_ms,
            sent_ms: post.now_ms,
            visible_at_ms: post.now_ms,
            ..Message::default()
        };
        report.stamp(post.ids, post.now_ms);
        if let Some(mailbox) = self.get_mut(sender.oid) {
            mailbox.messages.push(report);
        }
    }
}

/// The well-known name for a folder's path name, whatever its case.
pub fn well_known(name: &str) -> Option<&'static str> {
    FOLDERS.iter().map(|(known, _)| *known).find(|known| known.eq_ignore_ascii_case(name))
}

/// Text from HTML, roughly as Exchange does it: enough for previews and for `text` bodies.
pub fn strip_tags(html: &str) -> String {
    let mut out = String::new();
    let mut in_tag = false;
    let mut tag = String::new();
    for c in html.chars() {
        match c {
            '<' => {
                in_tag = true;
                tag.clear();
            }
            '>' if in_tag => {
                in_tag = false;
                let name = tag.trim_start_matches('/').to_ascii_lowercase();
                if ["p", "br", "div", "li", "tr", "h1", "h2"].iter().any(|t| name.starts_with(t)) {
                    out.push('\n');
                }
            }
            _ if in_tag => tag.push(c),
            _ => out.push(c),
        }
    }
    let plain = out.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
    let plain = plain.replace("&#39;", "'").replace("&amp;", "&");
    let lines: Vec<&str> = plain.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\r\n")
}
