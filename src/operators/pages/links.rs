//! Where the console's pages are: the one place in which their addresses are written.
//!
//! What holds here: an address holds identifiers and names of this program, never an e-mail address.

use protocol::ids::{RequestId, UserKey};
use protocol::operator::{Action, RequestQuery};

/// The first page: [`super::fleet`].
pub const FLEET: &str = "/ops";
/// The list of people: [`super::people`]. Its query: `after`, a user key, and `attention=1`.
pub const PEOPLE: &str = "/ops/users";
/// Takes the form of a search, field `q`, by POST: an address must not stand in a URL.
pub const SEARCH: &str = "/ops/search";
/// The trail: [`super::trail`]. Its query: `before`, a request ID, and `user`, a user key.
pub const TRAIL: &str = "/ops/audit";
/// The self-test: [`super::self_test`] by GET, run by POST.
pub const SELF_TEST: &str = "/ops/self-test";
/// Signing in where Access does not stand in front: [`super::sign_in`] by GET, the field `credential` by POST.
pub const SIGN_IN: &str = "/ops/sign-in";
/// Signing out, by POST.
pub const SIGN_OUT: &str = "/ops/sign-out";
/// The metrics.
pub const METRICS: &str = "/ops/metrics";
/// The document that describes the API.
pub const API: &str = "/ops/api";

/// A person: [`super::person`].
#[must_use]
pub fn person(user: &UserKey) -> String {
    format!("{PEOPLE}/{user}")
}

/// A person's ledger: [`super::ledger`].
#[must_use]
pub fn ledger(user: &UserKey) -> String {
    format!("{PEOPLE}/{user}/requests")
}

/// One request: [`super::request`].
#[must_use]
pub fn request(id: &RequestId) -> String {
    format!("/ops/requests/{id}")
}

/// An action: its question ([`super::confirm`]) by GET, the field `confirmation` by POST. A client's grant is in the query.
#[must_use]
pub fn action(user: &UserKey, action: Action) -> String {
    let path = format!("{PEOPLE}/{user}/actions/{}", action.name());
    match action {
        Action::RevokeClient { grant } => format!("{path}?grant={grant}"),
        _ => path,
    }
}

/// An export: `ending` is `ndjson` or `cbor`.
#[must_use]
pub fn export(user: &UserKey, ending: &str) -> String {
    format!("{PEOPLE}/{user}/export.{ending}")
}

/// The key with which exports are verified.
#[must_use]
pub fn verification_key(user: &UserKey) -> String {
    format!("{PEOPLE}/{user}/verification-key")
}

/// The list of people after one of them.
#[must_use]
pub fn people(after: Option<UserKey>, attention: bool) -> String {
    let after = after.map(|user| user.to_string());
    let fields = [("attention", attention.then_some("1")), ("after", after.as_deref())];
    with_query(PEOPLE, &fields)
}

/// The trail before one of its lines.
#[must_use]
pub fn trail(before: Option<RequestId>, user: Option<UserKey>) -> String {
    let (user, before) = (user.map(|user| user.to_string()), before.map(|id| id.to_string()));
    with_query(TRAIL, &[("user", user.as_deref()), ("before", before.as_deref())])
}

/// The ledger under the same filter, before an entry.
#[must_use]
pub fn ledger_page(user: &UserKey, filter: &RequestQuery, before: Option<RequestId>) -> String {
    let (from, to) = (filter.from.map(super::ledger::minute), filter.to.map(super::ledger::minute));
    let before = before.map(|id| id.to_string());
    let fields = [
        ("state", filter.state.as_deref()),
        ("tool", filter.tool.as_deref()),
        ("client", filter.client.as_deref()),
        ("outcome", filter.outcome.as_deref()),
        ("from", from.as_deref()),
        ("to", to.as_deref()),
        ("before", before.as_deref()),
    ];
    with_query(&ledger(user), &fields)
}

fn with_query(path: &str, fields: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let mut between = '?';
    for (name, value) in fields {
        let Some(value) = value else { continue };
        out.push(between);
        out.push_str(name);
        out.push('=');
        push_encoded(&mut out, value);
        between = '&';
    }
    out
}

/// Percent-encodes everything but the unreserved characters (RFC 3986, section 2.3).
fn push_encoded(out: &mut String, text: &str) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(DIGITS.get(usize::from(byte >> 4)));
            out.extend(DIGITS.get(usize::from(byte & 15)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_stays_with_the_next_page_whatever_it_says() {
        let user = UserKey::from_bytes([1; 16]);
        let filter = RequestQuery {
            client: Some("a&b=c d\"<é".into()),
            state: Some("done".into()),
            ..RequestQuery::default()
        };
        let before = RequestId::from_bytes([2; 16]);
        assert_eq!(
            ledger_page(&user, &filter, Some(before)),
            "/ops/users/01010101010101010101010101010101/requests?state=done\
             &client=a%26b%3Dc%20d%22%3C%C3%A9&before=02020202-0202-0202-0202-020202020202"
        );
    }
}
