//! The object where Access stands in front: who may act, whose the account is, and that neither is forgotten.

use protocol::object::Link;

use super::*;

const PERIMETER: [(&str, &str); 3] = [
    ("ACCESS_MODE", "perimeter"),
    ("ACCESS_TEAM_DOMAIN", "contoso.cloudflareaccess.com"),
    ("ACCESS_AUD", "a0b1"),
];
const ONE: UserKey = UserKey::from_bytes([0x51; 16]);
const OTHER: UserKey = UserKey::from_bytes([0x52; 16]);

impl Object {
    fn in_perimeter() -> Self {
        Self::configured(None, &PERIMETER)
    }

    fn status_of(&mut self, command: Command) -> u16 {
        self.command(command);
        self.replies.last().unwrap().status
    }

    /// As after an eviction.
    fn forgets(&mut self) {
        let config = Rc::new(config_with(&PERIMETER));
        self.core = UserSession::recover(config, &self.rows, self.now).unwrap();
    }

    fn link(&mut self, account: UserKey, access_token: &str) -> u16 {
        self.status_of(Command::Link(Link {
            account,
            access_token: access_token.into(),
            refresh_token: "refresh".into(),
            lives_for: DurationMs::from_secs(3_600),
            granted: vec!["User.Read".into(), "Mail.Read".into()],
            stepped_up: false,
            addresses: Vec::new(),
        }))
    }
}

#[test]
fn what_the_edge_derives_may_act_and_a_grant_of_another_mode_may_not() {
    let mut object = Object::in_perimeter();
    assert_eq!(object.call(1, "authenticate", json!({}))["result"]["isError"], false);
    // The row of this grant stands, from a time in another mode.
    let stranger = Caller {
        user: user(),
        grant: GRANT,
        client: "client".into(),
        scopes: Vec::new(),
        access_identity: None,
    };
    let session = object.session.clone().unwrap();
    object.command_of(stranger, Command::EndSession { session });
    assert_eq!(object.replies.last().unwrap().status, 401);
    // And in another mode what stands in a grant's place is none.
    let mut open = Object::with(None);
    let visitor = Caller {
        user: user(),
        grant: GrantId::of_perimeter(&user()),
        client: String::new(),
        scopes: Vec::new(),
        access_identity: None,
    };
    let session = open.session.clone().unwrap();
    open.command_of(visitor, Command::EndSession { session });
    assert_eq!(open.replies.last().unwrap().status, 401);
}

#[test]
fn the_first_claimant_stays_until_it_lets_go() {
    let mut object = Object::in_perimeter();
    let claim = |claimant| Command::Claim { claimant };
    assert_eq!(object.status_of(claim(ONE)), 204);
    assert_eq!(object.status_of(claim(ONE)), 204);
    object.forgets();
    assert_eq!(object.status_of(claim(OTHER)), 403);
    let line = object.lines.last().unwrap();
    assert_eq!(line.field("event").unwrap(), "account_already_claimed");
    assert_eq!(line.field("claimedBy").unwrap(), &ONE.to_string());
    assert_eq!(line.field("userKey").unwrap(), &OTHER.to_string());
    assert_eq!(object.status_of(Command::Release { claimant: OTHER }), 204);
    assert_eq!(object.status_of(claim(OTHER)), 403, "nobody lets go of another one's claim");
    assert_eq!(object.status_of(Command::Release { claimant: ONE }), 204);
    assert_eq!(object.status_of(claim(OTHER)), 204);
}

#[test]
fn an_object_keeps_its_account_and_what_it_works_for_itself_names_the_person() {
    let mut object = Object::in_perimeter();
    assert_eq!(object.link(ONE, "first"), 204);
    object.forgets();
    assert_eq!(object.link(OTHER, "second"), 403);
    assert_eq!(object.link(ONE, "third"), 204);
    object.call(1, "getEmails", json!({}));
    assert_eq!(object.sent.len(), 1, "the account is connected");
    // A refresh is the object's own work.
    object.wait(3_500);
    assert_eq!(object.forms.len(), 1);
    let entries: Vec<Entry> = object
        .rows
        .rows
        .iter()
        .filter(|((table, _), _)| *table == Table::Ledger)
        .map(|(_, value)| protocol::cbor::decode(value).unwrap())
        .collect();
    assert!(entries.iter().any(|entry| entry.kind.name() == "refresh"));
    for entry in entries {
        assert_eq!(entry.access_identity.as_deref(), Some("7f-1"), "{entry:?}");
    }
}

#[test]
fn a_link_is_for_this_object_alone_and_for_ten_minutes() {
    let mut object = Object::in_perimeter();
    let status = object.call(1, "authenticate", json!({}));
    let url = status["result"]["structuredContent"]["connectUrl"].as_str().unwrap().to_owned();
    let ticket = url.strip_prefix("https://mcp.example.com/connect?ticket=").unwrap();
    let open = |at: UnixMs| protocol::connect::open_ticket(&config().encryption_keys, ticket, at);
    assert_eq!(open(object.now).unwrap().user, user());
    assert!(open(object.now.plus(protocol::limits::CONNECT_TICKET_LIFETIME)).is_err());
    let refused = object.call(2, "getEmails", json!({}));
    let told = refused["result"]["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("/connect?ticket=") && !told.contains(ticket), "each has a link of its own");
    // Elsewhere there is no link.
    let mut open_mode = Object::with(None);
    let status = open_mode.call(1, "authenticate", json!({}));
    assert!(status["result"]["structuredContent"]["connectUrl"].is_null());
}
