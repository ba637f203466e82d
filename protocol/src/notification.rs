//! Change notifications of Microsoft Graph: how they are subscribed to, at which address they arrive, and what they say.
//!
//! What holds here: the address names the person in sealed form, so that the edge finds the object without any storage;
//! it is no proof of who speaks. A notice is believed by the object alone, which knows the subscription and the
//! `clientState` that it gave to Microsoft. What else a notification carries, the changed resource above all, is not
//! read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::civil::{When, read as read_time, utc_text};
use crate::digest;
use crate::graph::segment;
use crate::ids::UserKey;
use crate::limits::{CLIENT_STATE_CHARS_MAX, NOTICES_MAX, SUBSCRIPTION_ID_BYTES_MAX};
use crate::mcp::Watched;
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::UnixMs;

/// What precedes the sealed key in the path of an address.
pub const PATH_PREFIX: &str = "/notifications/";

const ADDRESS_DATA: &[u8] = b"notification-address/v1";

/// The longest sealed key that is opened, in characters: a user key with the longest identifier of a key.
const SEALED_CHARS_MAX: usize = 128;

/// The last segment of the address at which a person's notifications arrive.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn seal_address(keys: &KeyRing, user: UserKey, nonce: [u8; NONCE_BYTES]) -> Result<String, CannotOpen> {
    let sealed = keys.seal(Purpose::Notification, Scope::Anyone, ADDRESS_DATA, nonce, user.as_bytes())?;
    Ok(digest::to_base64url(&sealed))
}

/// Whose notifications arrive at an address.
///
/// # Errors
/// [`CannotOpen`] when it is not an address of this server.
pub fn open_address(keys: &KeyRing, text: &str) -> Result<UserKey, CannotOpen> {
    if text.len() > SEALED_CHARS_MAX {
        return Err(CannotOpen);
    }
    let sealed = digest::from_base64url(text).ok_or(CannotOpen)?;
    let opened = keys.open(Purpose::Notification, Scope::Anyone, ADDRESS_DATA, &sealed)?;
    <[u8; 16]>::try_from(opened.plaintext.as_slice()).map(UserKey::from_bytes).map_err(|_| CannotOpen)
}

/// What one item of a notification says, before anybody believed it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Notice {
    /// The subscription that it names.
    pub subscription: String,
    /// The `clientState` that it shows; empty if it shows none.
    pub client_state: String,
    /// What it says of the subscription.
    pub says: Says,
}

impl std::fmt::Debug for Notice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Notice({:?}, client state hidden)", self.says)
    }
}

/// What a notification can say of a subscription (Graph, "Change notifications" and "Lifecycle notifications").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Says {
    /// What it watches has changed.
    Changed,
    /// Notifications were lost.
    Missed,
    /// Microsoft ended it.
    Removed,
    /// Microsoft ends it soon unless it is renewed with a fresh token.
    ReauthorizationRequired,
}

/// A body that is not a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads the body of a notification: what it says, each thing once. Items that could never be believed are left out.
///
/// # Errors
/// [`Malformed`] when it is not a list in the form that Graph documents.
pub fn read(body: &[u8]) -> Result<Vec<Notice>, Malformed> {
    #[derive(Deserialize)]
    struct Notifications {
        value: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Item {
        subscription_id: String,
        client_state: Option<String>,
        lifecycle_event: Option<String>,
    }
    let notifications: Notifications = serde_json::from_slice(body).map_err(|_| Malformed)?;
    let mut notices = BTreeSet::new();
    for item in notifications.value {
        let says = match item.lifecycle_event.as_deref() {
            None => Says::Changed,
            Some("missed") => Says::Missed,
            Some("subscriptionRemoved") => Says::Removed,
            Some("reauthorizationRequired") => Says::ReauthorizationRequired,
            Some(_) => continue,
        };
        let client_state = item.client_state.unwrap_or_default();
        let is_possible = item.subscription_id.len() <= SUBSCRIPTION_ID_BYTES_MAX
            && client_state.chars().count() <= CLIENT_STATE_CHARS_MAX;
        if is_possible && notices.len() < NOTICES_MAX {
            notices.insert(Notice { subscription: item.subscription_id, client_state, says });
        }
    }
    Ok(notices.into_iter().collect())
}

/// The call that subscribes to changes. `address` is the whole URL.
#[must_use]
pub fn subscribe(watched: Watched, address: &str, client_state: &str, expires_at: UnixMs) -> GraphCall {
    let (resource, change_type) = match watched {
        // A mail that is read or moved is no news to anybody who waits for mail.
        Watched::Inbox => ("me/mailFolders('inbox')/messages", "created"),
        Watched::Calendar => ("me/events", "created,updated,deleted"),
    };
    let body = json!({
        "changeType": change_type,
        "notificationUrl": address,
        "lifecycleNotificationUrl": address,
        "resource": resource,
        "expirationDateTime": utc_text(expires_at),
        "clientState": client_state,
    });
    GraphCall::post(Lane::Other, "/subscriptions".to_owned(), Some(body.to_string()))
}

/// The call that renews a subscription; `None` for an identifier that cannot stand in a path.
#[must_use]
pub fn renew(subscription: &str, expires_at: UnixMs) -> Option<GraphCall> {
    let path = format!("/subscriptions/{}", segment(subscription).ok()?);
    let body = json!({ "expirationDateTime": utc_text(expires_at) }).to_string();
    let call = GraphCall::post(Lane::Other, path, Some(body));
    Some(GraphCall { method: Method::Patch, ..call })
}

/// Identifier and end of the subscription in Graph's answer; `None` when the answer has another form.
#[must_use]
pub fn read_subscription(answer: &Answer) -> Option<(String, UnixMs)> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Subscription {
        id: String,
        expiration_date_time: String,
    }
    let Subscription { id, expiration_date_time } = serde_json::from_slice(&answer.body).ok()?;
    let Some(When::Instant(expires_at)) = read_time(&expiration_date_time) else { return None };
    (segment(&id).is_ok() && id.len() <= SUBSCRIPTION_ID_BYTES_MAX).then_some((id, expires_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::parse(&"4d".repeat(32)).unwrap()
    }

    #[test]
    fn an_address_names_its_person_and_cannot_be_made_up() {
        let user = UserKey::from_bytes([5; 16]);
        let address = seal_address(&keys(), user, [1; 12]).unwrap();
        assert_eq!(open_address(&keys(), &address), Ok(user));
        assert_eq!(segment(&address).as_deref(), Ok(address.as_str()));
        for made_up in ["", "x", &address[1..], &address.to_uppercase(), &"A".repeat(200)] {
            assert_eq!(open_address(&keys(), made_up), Err(CannotOpen), "{made_up}");
        }
        let elsewhere = KeyRing::parse(&"4e".repeat(32)).unwrap();
        assert_eq!(open_address(&elsewhere, &address), Err(CannotOpen));
    }

    #[test]
    fn what_is_said_is_read_once_and_within_bounds() {
        let item = |id: &str, event: Option<&str>| {
            json!({"subscriptionId": id, "clientState": "s", "changeType": "created", "lifecycleEvent": event,
                   "resource": "Users/x/Messages/y", "resourceData": {"id": "y"}})
        };
        let body = json!({"value": [item("a", None), item("a", None), item("a", Some("missed")),
                                    item("b", Some("unheard of")), item(&"x".repeat(65), None)]});
        let says: Vec<(String, Says)> = read(body.to_string().as_bytes())
            .unwrap()
            .into_iter()
            .map(|n| (n.subscription, n.says))
            .collect();
        assert_eq!(says, [("a".to_owned(), Says::Changed), ("a".to_owned(), Says::Missed)]);
        let many: Vec<_> = (0..1_000).map(|number| item(&number.to_string(), None)).collect();
        let many = read(json!({ "value": many }).to_string().as_bytes()).unwrap();
        assert_eq!(many.len(), NOTICES_MAX);
        for bad in
            ["", "[]", "{}", r#"{"value":{}}"#, r#"{"value":[1]}"#, r#"{"value":[{"clientState":"s"}]}"#]
        {
            assert_eq!(read(bad.as_bytes()), Err(Malformed), "{bad}");
        }
        let shown = format!("{:?}", read(br#"{"value":[{"subscriptionId":"a","clientState":"canary"}]}"#));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn the_calls_are_those_that_graph_documents() {
        let call = subscribe(Watched::Inbox, "https://x.example/notifications/k", "state", UnixMs(0));
        assert_eq!((call.method, call.path.as_str()), (Method::Post, "/subscriptions"));
        let body: serde_json::Value = serde_json::from_str(call.body.as_deref().unwrap()).unwrap();
        assert_eq!(body["resource"], "me/mailFolders('inbox')/messages");
        assert_eq!(body["expirationDateTime"], "1970-01-01T00:00:00Z");
        let call = renew("a-b", UnixMs(0)).unwrap();
        assert_eq!((call.method, call.path.as_str()), (Method::Patch, "/subscriptions/a-b"));
        assert_eq!(renew("../me", UnixMs(0)), None);
    }

    #[test]
    fn an_answer_without_identifier_or_end_is_no_subscription() {
        let read = |body: serde_json::Value| {
            read_subscription(&Answer { body: body.to_string().into_bytes(), ..Answer::default() })
        };
        let good = json!({"id": "s-1", "expirationDateTime": "2027-01-01T00:00:00.0000000Z"});
        assert_eq!(read(good), Some(("s-1".to_owned(), UnixMs(1_798_761_600_000))));
        assert_eq!(read(json!({"id": "s-1", "expirationDateTime": "tomorrow"})), None);
        assert_eq!(read(json!({"id": "../x", "expirationDateTime": "2027-01-01T00:00:00Z"})), None);
        assert_eq!(read(json!({"id": 1})), None);
    }
}
