//! Clients that operators registered beforehand, from one setting.
//!
//! What holds here: such a client's identifier can be mistaken for no other kind of identifier; its secret is compared by
//! digest and never shown.

use serde::Deserialize;

use super::client::{AuthMethod, Client, PREFIX, shown_name};
use super::redirect::is_acceptable_redirect;
use crate::secret::Secret;
use crate::time::UnixMs;

const CLIENTS_MAX: usize = 32;
const ID_CHARS_MAX: usize = 128;
const SECRET_CHARS_MIN: usize = 32;

/// One client that operators registered.
#[derive(Debug)]
pub struct Preregistered {
    /// Its identifier.
    pub id: String,
    /// What it is.
    pub client: Client,
    /// Its secret, if it has one.
    pub secret: Option<Secret<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    client_secret: Option<String>,
}

/// Reads the setting `CLIENTS`.
///
/// # Errors
/// What is wrong, without any of the value.
pub fn read_clients(text: &str) -> Result<Vec<Preregistered>, &'static str> {
    let listed: Vec<Listed> = serde_json::from_str(text).map_err(|_| {
        "must be a JSON list of objects with client_id, client_name, redirect_uris and, for a client that can keep \
         one, client_secret"
    })?;
    if listed.len() > CLIENTS_MAX {
        return Err("may list at most 32 clients");
    }
    let mut clients: Vec<Preregistered> = Vec::new();
    for one in listed {
        let is_readable = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_id = !one.client_id.is_empty()
            && one.client_id.len() <= ID_CHARS_MAX
            && one.client_id.bytes().all(is_readable)
            && !one.client_id.starts_with(PREFIX);
        if !is_id {
            return Err(
                "holds a client_id with other characters than letters, digits, '-', '.' and '_', with more \
                        than 128, or with the prefix of registered clients",
            );
        }
        if clients.iter().any(|known| known.id == one.client_id) {
            return Err("lists a client_id twice");
        }
        if one.redirect_uris.is_empty() || !one.redirect_uris.iter().all(|uri| is_acceptable_redirect(uri)) {
            return Err(
                "holds a client without redirect_uris, or with one that is neither https nor on a loopback \
                        address",
            );
        }
        if one.client_secret.as_ref().is_some_and(|secret| secret.len() < SECRET_CHARS_MIN) {
            return Err("holds a client_secret of less than 32 characters");
        }
        let auth_method = if one.client_secret.is_some() { AuthMethod::Secret } else { AuthMethod::None };
        let client = Client {
            name: shown_name(&one.client_name),
            redirect_uris: one.redirect_uris,
            auth_method,
            issued_at: UnixMs(0),
        };
        clients.push(Preregistered { id: one.client_id, client, secret: one.client_secret.map(Secret::new) });
    }
    Ok(clients)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(changes: &serde_json::Value) -> Result<Vec<Preregistered>, &'static str> {
        let mut client = json!({"client_id": "claude", "client_name": "Claude", "redirect_uris": ["https://claude.ai/cb"]});
        for (name, value) in changes.as_object().unwrap() {
            client[name] = value.clone();
        }
        read_clients(&json!([client]).to_string())
    }

    #[test]
    fn clients_are_public_or_have_a_long_secret() {
        let public = one(&json!({})).unwrap();
        assert_eq!((public[0].client.auth_method, public[0].secret.is_none()), (AuthMethod::None, true));
        let confidential = one(&json!({"client_secret": "s".repeat(32)})).unwrap();
        assert_eq!(confidential[0].client.auth_method, AuthMethod::Secret);
        assert!(!format!("{confidential:?}").contains("ssss"));
        assert!(read_clients("[]").unwrap().is_empty());
    }

    #[test]
    fn what_could_be_mistaken_or_misused_is_refused_without_being_shown() {
        for bad in [
            json!({"client_id": ""}),
            json!({"client_id": "m365c_x"}),
            json!({"client_id": "https://a.example/c"}),
            json!({"client_id": "a b"}),
            json!({"client_id": "x".repeat(129)}),
            json!({"redirect_uris": []}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"client_secret": "hunter2"}),
            json!({"unknown": 1}),
            json!({"client_name": 1}),
        ] {
            let refused = one(&bad).unwrap_err();
            assert!(!refused.contains("hunter2") && !refused.contains("javascript"), "{refused}");
        }
        let client = json!({"client_id": "a", "client_name": "A", "redirect_uris": ["https://a.example/cb"]});
        assert!(read_clients(&json!([client, client]).to_string()).is_err());
        assert!(read_clients(&json!(vec![client; 33]).to_string()).is_err());
        assert!(read_clients("{}").is_err());
    }
}
