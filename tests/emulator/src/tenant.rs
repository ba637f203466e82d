//! The demo tenant's directory: four people with fixed ids, so that a test can name them. The directory
//! never changes while the program runs; what changes are the mailboxes in `mailbox.rs`. No address here may
//! belong to a real domain.

/// The tenant's mail domain.
pub const DOMAIN: &str = "contoso.example";

/// One person.
#[derive(Clone, Copy, Debug)]
pub struct User {
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
    /// The job title.
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
}

/// The four people.
pub const USERS: [User; 4] = [
    User {
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
    },
    User {
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
    },
    User {
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
    },
    User {
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
    },
];

/// The person with an object id.
pub fn by_oid(oid: &str) -> Option<&'static User> {
    USERS.iter().find(|user| user.oid == oid)
}

/// The person with an address, whatever its case.
pub fn by_address(address: &str) -> Option<&'static User> {
    USERS.iter().find(|user| user.address.eq_ignore_ascii_case(address.trim()))
}

/// Whom a person reports to: everyone to the first, who reports to nobody.
pub fn manager_of(user: &User) -> Option<&'static User> {
    USERS.first().filter(|first| first.oid != user.oid)
}

/// Whether an address belongs to the tenant, known or not.
pub fn is_internal(address: &str) -> bool {
    address.rsplit_once('@').is_some_and(|(_, domain)| domain.eq_ignore_ascii_case(DOMAIN))
}
