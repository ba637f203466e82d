//! The two sealed values with which a person connects a Microsoft account: the ticket in the link, and the state
//! that travels to Microsoft and back.
//!
//! What holds here: both are short-lived, both name the object that asked, and the state opens only together
//! with the browser's cookie, so that neither can be used by another person. Neither holds a Microsoft token.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::ids::{GrantId, UserKey};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::UnixMs;

const TICKET_DATA: &[u8] = b"connect-ticket/v1";
const STATE_DATA: &[u8] = b"connect-state/v1/";

/// The longest ticket or state that is opened, in characters.
const SEALED_CHARS_MAX: usize = 2_048;

/// What a connect link carries: who may connect, and the grant that stands once the connection does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectTicket {
    /// The object that asked for the connection. The account that signs in must have this very key.
    #[serde(rename = "u")]
    pub user: UserKey,
    /// The grant to record when the connection succeeds.
    #[serde(rename = "g")]
    pub grant: GrantId,
    /// The client that the grant is for.
    #[serde(rename = "c")]
    pub client: String,
    /// The scopes of the grant.
    #[serde(rename = "s")]
    pub scopes: Vec<String>,
    /// Which account Microsoft should offer first.
    #[serde(rename = "l")]
    pub login_hint: Option<String>,
    /// When the link stops working.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// The permission that a call lacked, if the link is for that alone: the grant, which stands, is then left as it is.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
}

/// What travels to Microsoft and back as `state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectState {
    /// The ticket that began the journey.
    #[serde(rename = "t")]
    pub ticket: ConnectTicket,
    /// The PKCE code verifier (RFC 7636, section 4.1), known to nobody but the holder of the keys.
    #[serde(rename = "v")]
    pub pkce_verifier: String,
    /// The nonce that Microsoft must repeat in the ID token (OpenID Connect Core, section 3.1.2.1).
    #[serde(rename = "n")]
    pub nonce: String,
    /// Whether this is the second journey, with the claims that Microsoft demanded. There is never a third.
    #[serde(rename = "u", default)]
    pub stepped_up: bool,
}

/// Seals a ticket into the text of a link.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn seal_ticket(
    keys: &KeyRing,
    ticket: &ConnectTicket,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    keys.seal_text(Purpose::Connect, Scope::Anyone, TICKET_DATA, nonce, ticket)
}

/// Opens the ticket of a link and checks its time.
///
/// # Errors
/// [`CannotOpen`] when it is not a ticket of this server or its time is over.
pub fn open_ticket(keys: &KeyRing, text: &str, now: UnixMs) -> Result<ConnectTicket, CannotOpen> {
    let ticket: ConnectTicket = open_text(keys, TICKET_DATA, text)?;
    if now < ticket.expires_at { Ok(ticket) } else { Err(CannotOpen) }
}

/// Seals the state so that it opens only with `browser_secret`, the value of the browser's cookie.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn seal_state(
    keys: &KeyRing,
    state: &ConnectState,
    browser_secret: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    keys.seal_text(Purpose::Connect, Scope::Anyone, &state_data(browser_secret), nonce, state)
}

/// Opens a state that came back, with the cookie of the browser that brought it, and checks its time.
///
/// # Errors
/// [`CannotOpen`] when it was not sealed by this server for this browser, or its time is over.
pub fn open_state(
    keys: &KeyRing,
    text: &str,
    browser_secret: &str,
    now: UnixMs,
) -> Result<ConnectState, CannotOpen> {
    let state: ConnectState = open_text(keys, &state_data(browser_secret), text)?;
    if now < state.ticket.expires_at { Ok(state) } else { Err(CannotOpen) }
}

fn state_data(browser_secret: &str) -> Vec<u8> {
    [STATE_DATA, &digest::sha256(browser_secret.as_bytes())].concat()
}

fn open_text<T: DeserializeOwned>(
    keys: &KeyRing,
    associated_data: &[u8],
    text: &str,
) -> Result<T, CannotOpen> {
    if text.len() > SEALED_CHARS_MAX {
        return Err(CannotOpen);
    }
    keys.open_text(Purpose::Connect, Scope::Anyone, associated_data, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::parse(&"4d".repeat(32)).unwrap()
    }

    fn state() -> ConnectState {
        ConnectState {
            ticket: ConnectTicket {
                user: UserKey::from_bytes([1; 16]),
                grant: GrantId::from_bytes([2; 16]),
                client: "client".into(),
                scopes: vec!["mail.read".into()],
                login_hint: Some("alice@contoso.example".into()),
                expires_at: UnixMs(10_000),
                permission: None,
            },
            pkce_verifier: "verifier".into(),
            nonce: "nonce".into(),
            stepped_up: false,
        }
    }

    #[test]
    fn a_state_opens_only_in_the_browser_that_began() {
        let text = seal_state(&keys(), &state(), "cookie-a", [1; 12]).unwrap();
        assert_eq!(open_state(&keys(), &text, "cookie-a", UnixMs(1)), Ok(state()));
        assert_eq!(open_state(&keys(), &text, "cookie-b", UnixMs(1)), Err(CannotOpen));
        assert_eq!(open_state(&keys(), &text, "", UnixMs(1)), Err(CannotOpen));
    }

    #[test]
    fn a_ticket_is_no_state_and_both_end() {
        let ticket = seal_ticket(&keys(), &state().ticket, [1; 12]).unwrap();
        assert!(open_ticket(&keys(), &ticket, UnixMs(9_999)).is_ok());
        assert!(open_ticket(&keys(), &ticket, UnixMs(10_000)).is_err());
        assert!(open_state(&keys(), &ticket, "cookie-a", UnixMs(1)).is_err());
        assert!(open_ticket(&keys(), &"A".repeat(3_000), UnixMs(1)).is_err());
    }
}
