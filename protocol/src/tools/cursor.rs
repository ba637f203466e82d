//! Cursors: where an answer goes on, sealed, so that it can be handed out.
//!
//! What holds here: a cursor opens for one person, one tool and one set of arguments, and for a day; it holds a place in a
//! list and no content. What does not open is the caller's mistake and says so.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::budget::{Continuation, OUTSIDE_OF_QUERY};
use super::error::ToolError;
use crate::digest;
use crate::ids::UserKey;
use crate::limits::{CURSOR_BYTES_MAX, CURSOR_LIFETIME};
use crate::seal::{KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::UnixMs;

#[derive(Serialize, Deserialize)]
struct Place {
    #[serde(rename = "p")]
    page: String,
    #[serde(rename = "o")]
    offset: u64,
    #[serde(rename = "e")]
    expires_at: UnixMs,
}

/// The digest of a tool and of those of its arguments that say what is asked.
#[must_use]
pub fn query_of(target: &str, arguments: &Map<String, Value>) -> [u8; 32] {
    let mut asked = arguments.clone();
    asked.retain(|name, value| !OUTSIDE_OF_QUERY.contains(&name.as_str()) && !value.is_null());
    let mut hasher = Sha256::new();
    hasher.update(target.as_bytes());
    hasher.update([0]);
    hasher.update(digest::canonical_json(&Value::Object(asked)).as_bytes());
    hasher.finalize().into()
}

/// Seals a place in an answer; none if it is longer than a cursor may be.
#[must_use]
pub fn seal(
    keys: &KeyRing,
    user: UserKey,
    place: &Continuation,
    now: UnixMs,
    nonce: [u8; NONCE_BYTES],
) -> Option<String> {
    let expires_at = now.plus(CURSOR_LIFETIME);
    let place_inside = Place { page: place.page.clone(), offset: place.offset, expires_at };
    let cursor = keys.seal_text(Purpose::Cursor, Scope::User(user), &place.query, nonce, &place_inside);
    cursor.ok().filter(|cursor| cursor.len() <= CURSOR_BYTES_MAX)
}

/// Opens the argument `cursor`; nothing without one.
///
/// # Errors
/// A [`ToolError`] of the caller for what was not sealed for this person and these arguments, or is too old.
pub fn open(
    keys: &KeyRing,
    user: UserKey,
    query: [u8; 32],
    arguments: &Map<String, Value>,
    now: UnixMs,
) -> Result<Option<Continuation>, ToolError> {
    let Some(cursor) = arguments.get("cursor").filter(|value| !value.is_null()) else { return Ok(None) };
    let place: Option<Place> = cursor
        .as_str()
        .filter(|text| text.len() <= CURSOR_BYTES_MAX)
        .and_then(|text| keys.open_text(Purpose::Cursor, Scope::User(user), &query, text).ok());
    match place {
        Some(Place { page, offset, expires_at }) if now < expires_at => {
            Ok(Some(Continuation { query, page, offset }))
        }
        _ => Err(ToolError::argument(
            "`cursor` does not belong to this call. Give `nextCursor` of an earlier answer together with the same \
             arguments as before, within a day; or leave it out to begin anew.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_cursor_opens_for_its_person_its_query_and_its_time_only() {
        let keys = KeyRing::parse(&"2b".repeat(32)).unwrap();
        let (user, now) = (UserKey::from_bytes([1; 16]), UnixMs(1_000));
        let asked = map(json!({"folder": "inbox", "maxTokens": 500}));
        let query = query_of("getEmails", &asked);
        let place = Continuation { query, page: "$skip=10".into(), offset: 3 };
        let cursor = seal(&keys, user, &place, now, [7; 12]).unwrap();
        let with = |name: &str, value: Value| {
            let mut arguments = asked.clone();
            arguments.insert("cursor".into(), cursor.clone().into());
            arguments.insert(name.into(), value);
            arguments
        };
        let open_as = |user, tool: &str, arguments: &Map<String, Value>, now| {
            open(&keys, user, query_of(tool, arguments), arguments, now)
        };
        // How much is shown may change from page to page.
        let same = with("maxTokens", json!(5_000));
        assert_eq!(open_as(user, "getEmails", &same, now), Ok(Some(place)));
        assert!(open_as(UserKey::from_bytes([2; 16]), "getEmails", &same, now).is_err());
        assert!(open_as(user, "searchEmails", &same, now).is_err());
        assert!(open_as(user, "getEmails", &with("folder", json!("drafts")), now).is_err());
        assert!(open_as(user, "getEmails", &same, now.plus(CURSOR_LIFETIME)).is_err());
        for odd in [json!(5), json!(""), json!("A"), json!("x".repeat(10_000))] {
            assert!(open_as(user, "getEmails", &with("cursor", odd), now).is_err());
        }
        assert_eq!(open_as(user, "getEmails", &asked, now), Ok(None));
        println!("a cursor has {} characters", cursor.len());
    }
}
