//! Clients: in which way an identifier is known here, and who a client at the token endpoint is.
//!
//! What holds here: an identifier is of one kind only, which its form decides; a client that can keep a secret proves who
//! it is, in the way that it registered, before anything else of its request is looked at.

use protocol::config::Config;
use protocol::digest::{sha256, to_hex};
use protocol::oauth::authorization::Found;
use protocol::oauth::client::{AuthMethod, client_secret, open_client, open_client_of_any_age};
use protocol::oauth::document::DocumentUrl;
use protocol::oauth::token::read_credentials;
use protocol::oauth::{ErrorCode, OAuthError, Parameters};
use protocol::secret::Secret;
use protocol::time::UnixMs;

/// In which way an identifier is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// The client is known.
    Found(Found),
    /// The client is what a document says, which has to be read.
    Described(DocumentUrl),
    /// It is not known.
    Unknown,
}

/// Looks an identifier up for a new sign-in.
#[must_use]
pub fn look_up(config: &Config, id: &str, now: UnixMs) -> Known {
    let found =
        |client| Known::Found(Found { client, digest: sha256(id.as_bytes()).to_vec(), described_at: None });
    if let Some(known) = config.clients.preregistered.iter().find(|known| known.id == id) {
        return found(known.client.clone());
    }
    if let Some(url) = document_url(config, id) {
        return Known::Described(url);
    }
    open_client(&config.registration_keys, id, now).map_or(Known::Unknown, found)
}

/// Reads an identifier as the URL of a document that is not our own.
fn document_url(config: &Config, id: &str) -> Option<DocumentUrl> {
    let url = DocumentUrl::read(id, config.clients.local_documents.as_deref())?;
    let is_own = config.public_url.split_once("://").is_some_and(|(_, own)| own == url.host());
    (!is_own).then_some(url)
}

/// The key under which operators deny a client in `OAUTH_KV`: the beginning of its identifier's digest, which is also what
/// logs call it by.
#[must_use]
pub fn denial_key(client_digest: &[u8]) -> String {
    format!("denied:{}", short_digest(client_digest))
}

/// What tells clients of the same name apart: eight bytes of the identifier's digest, in hexadecimal.
#[must_use]
pub fn short_digest(client_digest: &[u8]) -> String {
    client_digest.get(..8).map(to_hex).unwrap_or_default()
}

/// Checks who the client is and yields the digest of its identifier.
///
/// # Errors
/// `invalid_client`, or `invalid_request` when it presents itself in two ways.
pub fn authenticate(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
) -> Result<Vec<u8>, OAuthError> {
    let credentials = read_credentials(form, authorization)?;
    let id = credentials.client_id.as_str();
    let refused = unknown_client();
    let digest = sha256(id.as_bytes()).to_vec();
    let (method, secret) = match config.clients.preregistered.iter().find(|known| known.id == id) {
        Some(known) => {
            let secret = known.secret.as_ref().map(|secret| Secret::new(secret.expose().clone()));
            (known.client.auth_method, secret)
        }
        // Its document need not be read again: such a client has no secret, and the grant pins its identifier.
        None if document_url(config, id).is_some() => (AuthMethod::None, None),
        None => {
            // Its age does not matter here: a grant that stands keeps its client.
            let client =
                open_client_of_any_age(&config.registration_keys, id).map_err(|_| refused.clone())?;
            let secret = client_secret(&config.registration_keys, id).map_err(|_| refused.clone())?;
            (client.auth_method, Some(Secret::new(secret)))
        }
    };
    let is_registered_way = match method {
        AuthMethod::Secret => credentials.method != AuthMethod::None,
        method => credentials.method == method,
    };
    if !is_registered_way {
        return Err(refused);
    }
    if method == AuthMethod::None {
        return Ok(digest);
    }
    let (Some(expected), Some(presented)) = (secret, credentials.secret) else { return Err(refused) };
    // Digests are compared, so that the time of the comparison tells nothing about the secret.
    let matches = sha256(presented.expose().as_bytes()) == sha256(expected.expose().as_bytes());
    if matches { Ok(digest) } else { Err(refused) }
}

/// What a client is told that is not known, was denied, or did not prove who it is.
#[must_use]
pub fn unknown_client() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, "The client is not known or did not prove who it is.")
}

#[cfg(test)]
mod tests {
    use protocol::oauth::client::{CLIENT_LIFETIME, read_registration, seal_client};
    use protocol::oauth::preregistered::read_clients;
    use serde_json::json;

    use super::*;
    use crate::health::tests::config_at;

    const NOW: UnixMs = UnixMs(1_000_000);
    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn config() -> Config {
        let mut config = config_at("https://mcp.example.com");
        let list = json!([
            {"client_id": "hosted", "client_name": "Hosted", "redirect_uris": ["https://a.example/cb"],
             "client_secret": SECRET},
            {"client_id": "local", "client_name": "Local", "redirect_uris": ["http://127.0.0.1/cb"]},
        ]);
        config.clients.preregistered = read_clients(&list.to_string()).unwrap();
        config
    }

    fn registered(config: &Config, method: &str) -> String {
        let body = json!({"redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": method});
        let client = read_registration(body.to_string().as_bytes(), NOW).unwrap();
        seal_client(&config.registration_keys, &client, [1; 12]).unwrap()
    }

    fn with_form(config: &Config, id: &str, secret: Option<&str>) -> Result<Vec<u8>, ErrorCode> {
        let mut pairs = vec![("client_id".to_owned(), id.to_owned())];
        pairs.extend(secret.map(|secret| ("client_secret".to_owned(), secret.to_owned())));
        authenticate(config, &Parameters::new(pairs).unwrap(), None).map_err(|error| error.code)
    }

    fn with_header(config: &Config, id: &str, secret: &str) -> Result<Vec<u8>, ErrorCode> {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        authenticate(config, &Parameters::default(), Some(&format!("Basic {basic}")))
            .map_err(|error| error.code)
    }

    #[test]
    fn an_identifier_is_known_in_one_way_only() {
        let config = config();
        let name = |id: &str| match look_up(&config, id, NOW) {
            Known::Found(found) => found.client.name,
            Known::Described(url) => url.host().to_owned(),
            Known::Unknown => "unknown".into(),
        };
        assert_eq!(name("hosted"), "Hosted");
        assert_eq!(name("https://app.example/client.json"), "app.example");
        assert_eq!(name(&registered(&config, "none")), "An unnamed application");
        for id in [
            "",
            "Hosted",
            "m365c_forged",
            "https://127.0.0.1/c",
            "https://mcp.example.com/authorize?x",
            "http://app.example/c",
        ] {
            assert_eq!(name(id), "unknown", "{id}");
        }
    }

    #[test]
    fn a_registration_begins_no_sign_in_after_ninety_days_and_keeps_its_grants() {
        let config = config();
        let id = registered(&config, "none");
        assert_eq!(look_up(&config, &id, NOW.plus(CLIENT_LIFETIME)), Known::Unknown);
        assert!(with_form(&config, &id, None).is_ok(), "a grant that stands keeps its client");
    }

    #[test]
    fn a_client_proves_who_it_is_in_the_way_that_it_registered() {
        let config = config();
        let [post, basic, public] =
            ["client_secret_post", "client_secret_basic", "none"].map(|method| registered(&config, method));
        let secret = |id: &str| client_secret(&config.registration_keys, id).unwrap();
        assert!(with_form(&config, &post, Some(&secret(&post))).is_ok());
        assert!(with_header(&config, &basic, &secret(&basic)).is_ok());
        assert!(with_form(&config, &public, None).is_ok());
        assert!(with_header(&config, &public, "").is_ok());
        let refused = Err(ErrorCode::InvalidClient);
        assert_eq!(with_header(&config, &post, &secret(&post)), refused);
        assert_eq!(with_form(&config, &basic, Some(&secret(&basic))), refused);
        assert_eq!(with_form(&config, &public, Some(&secret(&public))), refused);
        for id in [&post, &basic] {
            assert_eq!(with_form(&config, id, None), refused);
            assert_eq!(with_header(&config, id, ""), refused);
            assert_eq!(with_header(&config, id, "wrong"), refused);
        }
    }

    #[test]
    fn operators_clients_prove_themselves_by_their_secret_and_documents_have_none() {
        let config = config();
        assert_eq!(with_form(&config, "hosted", Some(SECRET)), Ok(sha256(b"hosted").to_vec()));
        assert!(with_header(&config, "hosted", SECRET).is_ok());
        assert!(with_form(&config, "local", None).is_ok());
        let described = "https://app.example/client.json";
        assert_eq!(with_form(&config, described, None), Ok(sha256(described.as_bytes()).to_vec()));
        let refused = Err(ErrorCode::InvalidClient);
        assert_eq!(with_form(&config, "hosted", None), refused);
        assert_eq!(with_form(&config, "hosted", Some("wrong")), refused);
        assert_eq!(with_form(&config, "local", Some(SECRET)), refused);
        assert_eq!(with_form(&config, described, Some("s")), refused);
        assert_eq!(with_form(&config, "https://127.0.0.1/c", None), refused);
    }

    #[test]
    fn a_client_is_denied_by_what_logs_call_it() {
        let digest = sha256(b"hosted");
        assert_eq!(denial_key(&digest), format!("denied:{}", &to_hex(&digest)[..16]));
    }
}
