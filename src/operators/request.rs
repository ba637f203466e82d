//! What an operator asks for, read from method, path and parameters.
//!
//! What holds here: a path is the same for a page and for the API, behind `/ops` and `/ops/api`; an identifier that is
//! none is an unknown path; numbers are bounded; nothing here says whether somebody exists.

use protocol::civil::{self, When};
use protocol::digest::from_hex;
use protocol::ids::{GrantId, RequestId, UserKey};
use protocol::oauth::Parameters;
use protocol::operator::{Action, RequestQuery};
use protocol::time::UnixMs;

/// Entries, people or lines on one page, unless fewer are asked for.
pub const PAGE_ROWS: u32 = 50;

/// The most that a program can ask for at a time.
const API_ROWS_MAX: u32 = 200;

/// The longest text of a filter or a search.
const TEXT_BYTES_MAX: usize = 320;

/// Whom an answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A person with a browser.
    Page,
    /// A program.
    Api,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// All people together.
    Fleet,
    /// A list of people.
    People {
        /// Only those after this one.
        after: Option<UserKey>,
        /// At most so many.
        limit: u32,
        /// Only those whom operators should look at.
        attention: bool,
    },
    /// One person.
    Person(UserKey),
    /// A person's ledger.
    Ledger(UserKey, RequestQuery),
    /// One request.
    Request(RequestId),
    /// The trail.
    Trail {
        /// Only lines before this one.
        before: Option<RequestId>,
        /// At most so many.
        limit: u32,
        /// Only lines about this person.
        user: Option<UserKey>,
    },
    /// Search: what for is in the body.
    Search,
    /// What an action does, or the action itself.
    Act {
        /// To whom.
        user: UserKey,
        /// What.
        action: Action,
        /// Whether it is to be done, by a confirmation in the body; else it is explained.
        is_done: bool,
    },
    /// A ledger as a file.
    Export(UserKey, Encoding),
    /// The key with which the file is verified.
    VerificationKey(UserKey),
    /// The self-test of the gateway.
    SelfTest {
        /// Whether it is to be run.
        is_run: bool,
    },
    /// Counts for a scraper.
    Metrics,
    /// The document that describes the API.
    Document,
    /// Signing in with a credential, which is in the body.
    SignIn {
        /// Whether a credential comes along.
        is_sent: bool,
    },
    /// Signing out.
    SignOut,
    /// There is no such thing.
    NotFound,
    /// There is, but not for this verb.
    WrongMethod(&'static str),
}

/// How an export is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One JSON value a line.
    NdJson,
    /// A sequence of CBOR values (RFC 8742).
    Cbor,
}

impl Encoding {
    /// The ending of the file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::NdJson => "ndjson",
            Self::Cbor => "cbor",
        }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::NdJson => "application/x-ndjson",
            Self::Cbor => "application/cbor-seq",
        }
    }
}

impl Wish {
    /// The name of a look in the trail; none for what names nobody and shows nothing of anybody.
    #[must_use]
    pub const fn trail_name(&self) -> Option<&'static str> {
        match self {
            Self::Fleet => Some("fleet"),
            Self::People { .. } => Some("list"),
            Self::Person(_) => Some("look"),
            Self::Ledger(..) => Some("ledger"),
            Self::Request(_) => Some("request"),
            Self::Trail { .. } => Some("audit"),
            Self::Search => Some("search"),
            Self::Act { action, is_done: true, .. } => Some(action.name()),
            Self::Export(..) => Some("export"),
            Self::VerificationKey(_) => Some("verification-key"),
            Self::SelfTest { is_run: true } => Some("self-test"),
            Self::Act { .. }
            | Self::SelfTest { .. }
            | Self::Metrics
            | Self::Document
            | Self::SignIn { .. }
            | Self::SignOut
            | Self::NotFound
            | Self::WrongMethod(_) => None,
        }
    }

    /// The person that a look names by itself.
    #[must_use]
    pub const fn user(&self) -> Option<UserKey> {
        match self {
            Self::Person(user)
            | Self::Ledger(user, _)
            | Self::Export(user, _)
            | Self::VerificationKey(user)
            | Self::Act { user, .. } => Some(*user),
            Self::Trail { user, .. } => *user,
            _ => None,
        }
    }
}

/// Reads what is asked for.
#[must_use]
pub fn read(method: &str, path: &str, parameters: &Parameters) -> (Form, Wish) {
    let below = path.strip_prefix("/ops").unwrap_or_default().trim_matches('/');
    let (form, below) = match below.strip_prefix("api") {
        Some("") => (Form::Api, "api"),
        Some(rest) if rest.starts_with('/') => (Form::Api, rest.trim_start_matches('/')),
        _ => (Form::Page, below),
    };
    let parts: Vec<&str> = if below.is_empty() { Vec::new() } else { below.split('/').collect() };
    let (reads, posts) = (matches!(method, "GET" | "HEAD"), method == "POST");
    let get = |wish: Wish| if reads { wish } else { Wish::WrongMethod("GET, HEAD") };
    let post = |wish: Wish| if posts { wish } else { Wish::WrongMethod("POST") };
    let both = |wish: Wish| if reads || posts { wish } else { Wish::WrongMethod("GET, HEAD, POST") };
    let page_only = |wish: Wish| if form == Form::Page { wish } else { Wish::NotFound };
    let limit = limit(parameters);
    let wish = match parts.as_slice() {
        [] | ["fleet"] => get(Wish::Fleet),
        ["api"] => get(Wish::Document),
        ["users"] => {
            let attention = parameters.get("attention") == Some("1");
            get(Wish::People { after: parse(parameters, "after"), limit, attention })
        }
        ["audit"] => {
            let (before, user) = (parse(parameters, "before"), parse(parameters, "user"));
            get(Wish::Trail { before, limit, user })
        }
        ["search"] => post(Wish::Search),
        ["self-test"] => both(Wish::SelfTest { is_run: posts }),
        ["metrics"] => get(Wish::Metrics),
        ["sign-in"] => page_only(both(Wish::SignIn { is_sent: posts })),
        ["sign-out"] => page_only(post(Wish::SignOut)),
        ["requests", id] => id.parse().map_or(Wish::NotFound, |id| get(Wish::Request(id))),
        ["users", user, rest @ ..] => match user.parse::<UserKey>() {
            Ok(user) => match rest {
                [] => get(Wish::Person(user)),
                ["requests"] => get(Wish::Ledger(user, query(parameters, limit))),
                ["export.ndjson"] => get(Wish::Export(user, Encoding::NdJson)),
                ["export.cbor"] => get(Wish::Export(user, Encoding::Cbor)),
                ["verification-key"] => get(Wish::VerificationKey(user)),
                ["actions", name] => {
                    let grant: Option<GrantId> = parse(parameters, "grant");
                    Action::named(name, grant)
                        .map_or(Wish::NotFound, |action| both(Wish::Act { user, action, is_done: posts }))
                }
                _ => Wish::NotFound,
            },
            Err(_) => Wish::NotFound,
        },
        _ => Wish::NotFound,
    };
    (form, wish)
}

fn limit(parameters: &Parameters) -> u32 {
    let asked = parameters.get("limit").and_then(|text| text.parse().ok());
    asked.map_or(PAGE_ROWS, |limit: u32| limit.clamp(1, API_ROWS_MAX))
}

fn parse<T: std::str::FromStr>(parameters: &Parameters, name: &str) -> Option<T> {
    parameters.get(name).and_then(|text| text.parse().ok())
}

fn query(parameters: &Parameters, limit: u32) -> RequestQuery {
    let text = |name: &str| {
        let value = parameters.get(name).map(str::trim);
        value.filter(|value| !value.is_empty() && value.len() <= TEXT_BYTES_MAX).map(str::to_owned)
    };
    let time = |name: &str| parameters.get(name).and_then(read_time);
    RequestQuery {
        before: parse(parameters, "before"),
        limit,
        state: text("state"),
        tool: text("tool"),
        client: text("client"),
        outcome: text("outcome"),
        from: time("from"),
        to: time("to"),
    }
}

/// A time of a filter: milliseconds since 1970, or a minute in UTC as a browser's field for times sends it
/// (`2026-01-02T03:04`, HTML, "local date and time").
fn read_time(text: &str) -> Option<UnixMs> {
    if let Ok(unix_ms) = text.parse() {
        return Some(UnixMs(unix_ms));
    }
    match civil::read(text)? {
        When::Instant(at) => Some(at),
        When::Day(on_the_wall) | When::Local(on_the_wall) => on_the_wall.as_utc(),
    }
}

/// What somebody searches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// A person by the whole key.
    Person(UserKey),
    /// People by the beginning of the key, 4 bytes at least.
    Prefix(Vec<u8>),
    /// A request.
    Request(RequestId),
    /// People by an address.
    Address(String),
    /// Nothing that could be anything.
    Nothing,
}

impl Sought {
    /// Reads what somebody typed.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Self::Nothing;
        }
        if text.contains('@') {
            return Self::Address(text.to_owned());
        }
        let lower = text.to_ascii_lowercase();
        if let Ok(user) = lower.parse() {
            return Self::Person(user);
        }
        if let Ok(request) = lower.parse() {
            return Self::Request(request);
        }
        match from_hex(&lower) {
            Some(prefix) if (4..16).contains(&prefix.len()) => Self::Prefix(prefix),
            _ => Self::Nothing,
        }
    }

    /// How the search was made, for the trail; never what was searched for.
    #[must_use]
    pub const fn way(&self) -> &'static str {
        match self {
            Self::Person(_) | Self::Prefix(_) => "by key",
            Self::Request(_) => "by request ID",
            Self::Address(_) => "by address",
            Self::Nothing => "by nothing",
        }
    }
}

/// The first bytes of the key of the person that a request belongs to: 40 bits of it stand in the identifier.
#[must_use]
pub fn prefix_of(request: &RequestId) -> Vec<u8> {
    request.as_bytes().get(9..14).map(<[u8]>::to_vec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "0f0e0d0c0b0a09080706050403020100";
    const REQUEST: &str = "019b7c6b-1cae-8000-8000-0f0e0d0c0b0a";

    fn wish(method: &str, target: &str) -> (Form, Wish) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        read(method, path, &Parameters::unchecked(pairs))
    }

    #[test]
    fn pages_and_the_api_share_their_paths() {
        let user: UserKey = USER.parse().unwrap();
        for (form, root) in [(Form::Page, "/ops"), (Form::Api, "/ops/api")] {
            let of = |below: &str| {
                let (found, wish) = wish("GET", &format!("{root}{below}"));
                assert_eq!(found, form, "{root}{below}");
                wish
            };
            assert_eq!(of("/fleet"), Wish::Fleet);
            assert_eq!(of("/users?limit=9999"), Wish::People { after: None, limit: 200, attention: false });
            assert_eq!(of(&format!("/users/{USER}")), Wish::Person(user));
            assert_eq!(of(&format!("/users/{USER}/export.cbor")), Wish::Export(user, Encoding::Cbor));
            assert_eq!(of(&format!("/requests/{REQUEST}")), Wish::Request(REQUEST.parse().unwrap()));
            for unknown in ["/nothing", "/users/x", "/requests/x", &format!("/users/{USER}/x"), "/users/"] {
                assert!(matches!(of(unknown), Wish::NotFound | Wish::People { .. }), "{unknown}");
            }
        }
        assert_eq!(wish("GET", "/ops").1, Wish::Fleet);
        assert_eq!(wish("GET", "/ops/api").1, Wish::Document);
    }

    #[test]
    fn what_changes_something_needs_a_post() {
        let target = format!("/ops/users/{USER}/actions/erase");
        assert!(matches!(wish("GET", &target).1, Wish::Act { is_done: false, .. }));
        assert!(matches!(wish("POST", &target).1, Wish::Act { is_done: true, .. }));
        assert_eq!(wish("PUT", &target).1, Wish::WrongMethod("GET, HEAD, POST"));
        assert_eq!(wish("GET", "/ops/search").1, Wish::WrongMethod("POST"));
        assert_eq!(wish("POST", "/ops/metrics").1, Wish::WrongMethod("GET, HEAD"));
        let grant = format!("/ops/users/{USER}/actions/revoke-client?grant={USER}");
        assert!(matches!(wish("GET", &grant).1, Wish::Act { action: Action::RevokeClient { .. }, .. }));
        assert_eq!(wish("GET", &format!("/ops/users/{USER}/actions/explode")).1, Wish::NotFound);
    }

    #[test]
    fn a_filter_is_read_with_its_times() {
        let target = format!(
            "/ops/users/{USER}/requests?tool=sendEmail&state=&from=2026-01-02T03:04&to=1767323045006"
        );
        let Wish::Ledger(_, query) = wish("GET", &target).1 else { panic!("no ledger") };
        assert_eq!((query.tool.as_deref(), query.state), (Some("sendEmail"), None));
        assert_eq!(
            (query.from, query.to),
            (Some(UnixMs(1_767_323_040_000)), Some(UnixMs(1_767_323_045_006)))
        );
    }

    #[test]
    fn what_is_sought_is_told_apart() {
        assert_eq!(
            Sought::read(&format!(" {} ", USER.to_uppercase())),
            Sought::Person(USER.parse().unwrap())
        );
        assert_eq!(Sought::read(REQUEST), Sought::Request(REQUEST.parse().unwrap()));
        assert_eq!(Sought::read("0f0e0d0c"), Sought::Prefix(vec![15, 14, 13, 12]));
        assert_eq!(Sought::read("a@b.example"), Sought::Address("a@b.example".into()));
        for nothing in ["", "0f0e", "alice", "<script>", &"a".repeat(400)] {
            assert_eq!(Sought::read(nothing), Sought::Nothing, "{nothing}");
        }
    }

    #[test]
    fn a_request_names_the_beginning_of_its_person() {
        assert_eq!(prefix_of(&REQUEST.parse().unwrap()).len(), 5);
        let user: UserKey = USER.parse().unwrap();
        let request = RequestId::new(UnixMs(1), &user, [0; 5]);
        assert!(user.as_bytes().starts_with(&prefix_of(&request)));
    }
}
