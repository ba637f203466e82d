//! The demo tenants' directories: four people in the small one, forty with shared mailboxes and rooms in the
//! realistic one, all with fixed ids, so that a test can name them. A directory never changes; what changes
//! are the mailboxes in `mailbox.rs`. No address here may belong to a real domain.

use std::sync::OnceLock;

/// The tenant's mail domain.
pub const DOMAIN: &str = "contoso.example";

/// What an entry of the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody who signs in.
    Person,
    /// A mailbox that several people open; nobody signs in with it.
    Shared,
    /// A room with a calendar that answers by itself.
    Room,
}

/// One entry of the directory.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// What it is.
    pub kind: Kind,
    /// The directory object id.
    pub oid: &'static str,
    /// The address, also the user principal name.
    pub address: &'static str,
    /// The given name.
    pub given_name: &'static str,
    /// The surname.
    pub surname: &'static str,
    /// The display name.
    pub display_name: &'static str,
    /// The job title; of a room, how many people it holds.
    pub job_title: &'static str,
    /// The department.
    pub department: &'static str,
    /// The office.
    pub office: &'static str,
    /// The mobile phone.
    pub mobile: &'static str,
    /// The language tag.
    pub language: &'static str,
    /// The mailbox's time zone; one is a Windows name, as many real mailboxes have.
    pub time_zone: &'static str,
    /// The alias of whom they report to; who is not in the directory manages nobody there.
    pub manager: &'static str,
}

/// The four people.
pub const USERS: [User; 4] = [
    User {
        kind: Kind::Person,
        oid: "a11ce000-0000-4000-8000-000000000001",
        address: "alice@contoso.example",
        given_name: "Alice",
        surname: "Archer",
        display_name: "Alice Archer",
        job_title: "Head of Operations",
        department: "Operations",
        office: "Zurich 3/14",
        mobile: "+41 79 555 01 01",
        language: "en-GB",
        time_zone: "Europe/Zurich",
        manager: "helena",
    },
    User {
        kind: Kind::Person,
        oid: "b0b00000-0000-4000-8000-000000000002",
        address: "bob@contoso.example",
        given_name: "Bob",
        surname: "Baker",
        display_name: "Bob Baker",
        job_title: "Account Manager",
        department: "Sales",
        office: "New York 21",
        mobile: "+1 212 555 0102",
        language: "en-US",
        time_zone: "America/New_York",
        manager: "alice",
    },
    User {
        kind: Kind::Person,
        oid: "ca401000-0000-4000-8000-000000000003",
        address: "carol@contoso.example",
        given_name: "Carol",
        surname: "Chen",
        display_name: "Carol Chen",
        job_title: "Finance Controller",
        department: "Finance",
        office: "Singapore 8",
        mobile: "+65 5550 0103",
        language: "en-SG",
        time_zone: "Asia/Singapore",
        manager: "alice",
    },
    User {
        kind: Kind::Person,
        oid: "da5e0000-0000-4000-8000-000000000004",
        address: "dave@contoso.example",
        given_name: "Dave",
        surname: "Diaz",
        display_name: "Dave Diaz",
        job_title: "Support Engineer",
        department: "Support",
        office: "San Francisco 2",
        mobile: "+1 415 555 0104",
        language: "en-US",
        time_zone: "Pacific Standard Time",
        manager: "alice",
    },
];

/// Who else is in the realistic tenant: kind, object id, alias, given name, surname, job (of a room its
/// seats), department, office, mobile, language, zone, manager's alias.
const OTHERS: &str = include_str!("people.txt");

/// Who may open whose mailbox and calendar, and send from there: aliases.
const DELEGATES: [(&str, &[&str]); 3] = [
    ("support", &["alice", "dave", "hana"]),
    ("invoices", &["alice", "carol", "petra"]),
    ("helena", &["erin"]),
];

/// Who shares the calendar with whom, beyond free and busy: aliases.
const CALENDAR_READERS: [(&str, &[&str]); 2] = [("bob", &["alice"]), ("grace", &["bob", "jane"])];

fn read_line(line: &'static str) -> Option<User> {
    let mut parts = line.split('|');
    let kind = match parts.next()? {
        "P" => Kind::Person,
        "S" => Kind::Shared,
        _ => Kind::Room,
    };
    let (oid, alias) = (parts.next()?, parts.next()?);
    let (given_name, surname) = (parts.next()?, parts.next()?);
    Some(User {
        kind,
        oid,
        // The names live as long as the program, as those of the table do.
        address: String::leak(format!("{alias}@{DOMAIN}")),
        given_name,
        surname,
        display_name: String::leak(format!("{given_name} {surname}")),
        job_title: parts.next()?,
        department: parts.next()?,
        office: parts.next()?,
        mobile: parts.next()?,
        language: parts.next()?,
        time_zone: parts.next()?,
        manager: parts.next()?,
    })
}

/// Everyone of the realistic tenant; the four of the small one come first.
fn all() -> &'static [User] {
    static ALL: OnceLock<Vec<User>> = OnceLock::new();
    ALL.get_or_init(|| USERS.into_iter().chain(OTHERS.lines().filter_map(read_line)).collect())
}

/// Whoever has an object id in any of the tenants. Ids that a caller sends are looked up in a directory.
pub fn by_oid(oid: &str) -> Option<&'static User> {
    all().iter().find(|user| user.oid == oid)
}

/// The tenant that is being played.
#[derive(Clone, Copy, Debug)]
pub struct Directory {
    users: &'static [User],
}

impl Default for Directory {
    fn default() -> Self {
        Self::small()
    }
}

impl Directory {
    /// Four people.
    pub fn small() -> Self {
        Self { users: &USERS }
    }

    /// Forty people, shared mailboxes and rooms.
    pub fn realistic() -> Self {
        Self { users: all() }
    }

    /// Everyone and everything in it.
    pub fn users(self) -> &'static [User] {
        self.users
    }

    /// Those who sign in.
    pub fn people(self) -> impl Iterator<Item = &'static User> {
        self.users.iter().filter(|user| user.kind == Kind::Person)
    }

    /// Whoever has an object id here.
    pub fn by_oid(self, oid: &str) -> Option<&'static User> {
        self.users.iter().find(|user| user.oid == oid)
    }

    /// Whoever has an address here, whatever its case.
    pub fn by_address(self, address: &str) -> Option<&'static User> {
        self.users.iter().find(|user| user.address.eq_ignore_ascii_case(address.trim()))
    }

    /// Whoever has an object id or an address here.
    pub fn find(self, id: &str) -> Option<&'static User> {
        self.by_oid(id).or_else(|| self.by_address(id))
    }

    /// Whom somebody reports to.
    pub fn manager_of(self, user: &User) -> Option<&'static User> {
        self.users.iter().find(|other| !user.manager.is_empty() && other.alias() == user.manager)
    }

    /// Who reports to somebody.
    pub fn reports_of(self, user: &User) -> impl Iterator<Item = &'static User> {
        let alias = user.alias().to_owned();
        self.users.iter().filter(move |other| other.manager == alias)
    }
}

impl User {
    /// The address before the `@`.
    pub fn alias(&self) -> &str {
        self.address.split('@').next().unwrap_or_default()
    }

    /// Whether somebody may open this mailbox with everything in it, and send from it.
    pub fn lets_in(&self, other: &Self) -> bool {
        names(&DELEGATES, self, other)
    }

    /// Whether somebody may read this calendar.
    pub fn shows_calendar_to(&self, other: &Self) -> bool {
        self.lets_in(other) || names(&CALENDAR_READERS, self, other)
    }
}

fn names(rights: &[(&str, &[&str])], owner: &User, other: &User) -> bool {
    rights.iter().any(|(alias, who)| *alias == owner.alias() && who.contains(&other.alias()))
}

/// Whether an address belongs to the tenant, known or not.
pub fn is_internal(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn forty_people_report_to_one_another_and_have_real_zones() {
        let directory = Directory::realistic();
        assert_eq!(directory.people().count(), 40);
        assert_eq!(directory.users().len(), 40 + 2 + 6, "every line of the table is read");
        let oids: BTreeSet<&str> = directory.users().iter().map(|user| user.oid).collect();
        assert_eq!(oids.len(), directory.users().len());
        for user in directory.users() {
            assert!(crate::zones::zone(user.time_zone).is_some(), "{} {}", user.address, user.time_zone);
            let is_top = user.kind != Kind::Person || user.alias() == "helena";
            assert_eq!(directory.manager_of(user).is_none(), is_top, "{}", user.address);
        }
        assert!(
            Directory::small().manager_of(&USERS[0]).is_none(),
            "the small tenant has no chief executive"
        );
        assert_eq!(Directory::small().reports_of(&USERS[0]).count(), 3);
    }
}
