//! Clients: their metadata, and dynamic registration without storage (RFC 7591).
//!
//! What holds here: a registered client's metadata are sealed into its identifier, so that there is nothing to store,
//! nothing to flood and nothing to read after a write. What a client may say of itself is the same whether it registers
//! or publishes a document.

use serde::{Deserialize, Serialize};

use super::redirect::is_acceptable_redirect;
use super::{ErrorCode, OAuthError};
use crate::digest;
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::{DurationMs, UnixMs};

/// Every identifier starts with this.
pub const PREFIX: &str = "m365c_";

/// The longest identifier that is issued or opened, in characters.
pub const CLIENT_ID_CHARS_MAX: usize = 1_024;

/// How long an identifier can begin a new sign-in. A grant that stands keeps its client for as long as it stands.
pub const CLIENT_LIFETIME: DurationMs = DurationMs::from_secs(90 * 24 * 60 * 60);

const REDIRECTS_MAX: usize = 10;
const NAME_CHARS_MAX: usize = 80;
const ASSOCIATED_DATA: &[u8] = b"client/v1";

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// It does not: a public client, held by PKCE alone.
    #[serde(rename = "n")]
    None,
    /// By a secret, in the form or in the `Authorization` header, as the client likes.
    #[serde(rename = "s")]
    Secret,
    /// By a secret in the form.
    #[serde(rename = "p")]
    SecretPost,
    /// By a secret in the `Authorization` header.
    #[serde(rename = "b")]
    SecretBasic,
}

impl AuthMethod {
    /// The name in the registry of RFC 8414, as a registration response says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SecretBasic => "client_secret_basic",
            Self::Secret | Self::SecretPost => "client_secret_post",
        }
    }
}

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// What the client calls itself. Anyone can claim any name, so pages show the redirect host beside it.
    #[serde(rename = "n")]
    pub name: String,
    /// Where answers may go.
    #[serde(rename = "r")]
    pub redirect_uris: Vec<String>,
    /// How the client proves who it is.
    #[serde(rename = "a")]
    pub auth_method: AuthMethod,
    /// When it was registered.
    #[serde(rename = "i")]
    pub issued_at: UnixMs,
}

/// The members of a client's metadata that matter here (RFC 7591, section 2).
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) client_name: Option<String>,
    pub(super) redirect_uris: Option<Vec<String>>,
    pub(super) token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// Reads and checks a registration request.
///
/// # Errors
/// `invalid_client_metadata` or `invalid_redirect_uri`.
pub fn read_registration(body: &[u8], now: UnixMs) -> Result<Client, OAuthError> {
    let bad = |description| OAuthError::new(ErrorCode::InvalidClientMetadata, description);
    let metadata: Metadata = serde_json::from_slice(body)
        .map_err(|_| bad("The body must be a JSON object of client metadata."))?;
    let redirect_uris = metadata.redirect_uris.clone().unwrap_or_default();
    if redirect_uris.is_empty() || redirect_uris.len() > REDIRECTS_MAX {
        return Err(OAuthError::new(ErrorCode::InvalidRedirectUri, "Name one to ten redirect_uris."));
    }
    if !redirect_uris.iter().all(|uri| is_acceptable_redirect(uri)) {
        return Err(OAuthError::new(
            ErrorCode::InvalidRedirectUri,
            "A redirect URI must be https, or http on a loopback address, without fragment and user.",
        ));
    }
    let auth_method = match metadata.token_endpoint_auth_method.as_deref() {
        None | Some("none") => AuthMethod::None,
        Some("client_secret_post") => AuthMethod::SecretPost,
        Some("client_secret_basic") => AuthMethod::SecretBasic,
        Some(_) => {
            return Err(bad(
                "token_endpoint_auth_method must be none, client_secret_post or client_secret_basic.",
            ));
        }
    };
    metadata.check_capabilities()?;
    Ok(Client { name: metadata.shown_name(), redirect_uris, auth_method, issued_at: now })
}

impl Metadata {
    /// Checks that the client asks for nothing that is not served here.
    pub(super) fn check_capabilities(&self) -> Result<(), OAuthError> {
        let bad = |description| OAuthError::new(ErrorCode::InvalidClientMetadata, description);
        let served = ["authorization_code", "refresh_token"];
        if self.grant_types.as_ref().is_some_and(|types| {
            !types.iter().any(|kind| kind == "authorization_code")
                || !types.iter().all(|kind| served.contains(&kind.as_str()))
        }) {
            return Err(bad("grant_types may hold authorization_code and refresh_token only."));
        }
        if self.response_types.as_ref().is_some_and(|types| types != &["code"]) {
            return Err(bad("response_types may hold code only."));
        }
        Ok(())
    }

    /// The client's name as pages show it.
    pub(super) fn shown_name(&self) -> String {
        shown_name(self.client_name.as_deref().unwrap_or_default())
    }
}

/// A name without what could change how a page is read, and of bounded length.
pub(super) fn shown_name(name: &str) -> String {
    let name: String =
        name.chars().filter(|c| !c.is_control() && !is_invisible(*c)).take(NAME_CHARS_MAX).collect();
    if name.trim().is_empty() { "An unnamed application".to_owned() } else { name }
}

/// Characters that show nothing and change how others are shown: with them a name could turn the sentence around it, or
/// look like another one.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Seals a client into its identifier.
///
/// # Errors
/// `invalid_client_metadata` when the identifier would be too long, which only many long redirect URIs can cause.
pub fn seal_client(keys: &KeyRing, client: &Client, nonce: [u8; NONCE_BYTES]) -> Result<String, OAuthError> {
    let too_long = OAuthError::new(ErrorCode::InvalidClientMetadata, "The metadata are too long.");
    let sealed = keys
        .seal_text(Purpose::Registration, Scope::Anyone, ASSOCIATED_DATA, nonce, client)
        .map_err(|_| too_long.clone())?;
    let id = format!("{PREFIX}{sealed}");
    if id.len() <= CLIENT_ID_CHARS_MAX { Ok(id) } else { Err(too_long) }
}

/// Opens an identifier.
///
/// # Errors
/// [`CannotOpen`] when this server did not issue it or its time is over.
pub fn open_client(keys: &KeyRing, id: &str, now: UnixMs) -> Result<Client, CannotOpen> {
    let client = open_client_of_any_age(keys, id)?;
    if now < client.issued_at.plus(CLIENT_LIFETIME) { Ok(client) } else { Err(CannotOpen) }
}

/// Opens an identifier whose time may be over, for a client whose grant stands.
///
/// # Errors
/// [`CannotOpen`] when this server did not issue it.
pub fn open_client_of_any_age(keys: &KeyRing, id: &str) -> Result<Client, CannotOpen> {
    if id.len() > CLIENT_ID_CHARS_MAX {
        return Err(CannotOpen);
    }
    keys.open_text(Purpose::Registration, Scope::Anyone, ASSOCIATED_DATA, sealed_part(id)?)
}

fn sealed_part(id: &str) -> Result<&str, CannotOpen> {
    id.strip_prefix(PREFIX).ok_or(CannotOpen)
}

/// The secret of a confidential client: derived from its identifier and the key that sealed it, so that it needs no
/// storage either and is the same after a rotation.
///
/// # Errors
/// [`CannotOpen`] when this server did not issue the identifier.
pub fn client_secret(keys: &KeyRing, id: &str) -> Result<String, CannotOpen> {
    let sealed = digest::from_base64url(sealed_part(id)?).ok_or(CannotOpen)?;
    let key = keys.derived_key(Purpose::Registration, Scope::Anyone, &sealed)?;
    let (one, two) = (
        digest::keyed_digest(key.expose(), &[b"secret/1", id.as_bytes()]),
        digest::keyed_digest(key.expose(), &[b"secret/2", id.as_bytes()]),
    );
    Ok(digest::to_base64url(&[one, two].concat()))
}

/// The registration response (RFC 7591, section 3.2.1).
#[must_use]
pub fn registration_response(client: &Client, id: &str, secret: Option<&str>) -> serde_json::Value {
    let mut out = serde_json::json!({
        "client_id": id,
        "client_id_issued_at": client.issued_at.as_secs(),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method.as_str(),
    });
    if let (Some(secret), Some(members)) = (secret, out.as_object_mut()) {
        members.insert("client_secret".to_owned(), secret.into());
        members.insert(
            "client_secret_expires_at".to_owned(),
            client.issued_at.plus(CLIENT_LIFETIME).as_secs().into(),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> KeyRing {
        KeyRing::parse(&"6f".repeat(32)).unwrap()
    }

    fn register(body: serde_json::Value) -> Result<Client, ErrorCode> {
        read_registration(body.to_string().as_bytes(), UnixMs(1_000)).map_err(|error| error.code)
    }

    #[test]
    fn a_client_survives_in_its_identifier_alone() {
        let client = register(serde_json::json!({
            "client_name": "Claude", "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"], "scope": "x"
        }))
        .unwrap();
        let id = seal_client(&keys(), &client, [1; 12]).unwrap();
        assert!(id.len() < 200, "{}", id.len());
        assert_eq!(open_client(&keys(), &id, UnixMs(2_000)), Ok(client));
        assert_eq!(open_client(&keys(), &id, UnixMs(1_000).plus(CLIENT_LIFETIME)), Err(CannotOpen));
        for forged in ["", "m365c_", "m365c_AAAA", &id[..id.len() - 1], &"m365c_A".repeat(400)] {
            assert_eq!(open_client(&keys(), forged, UnixMs(2_000)), Err(CannotOpen));
        }
    }

    #[test]
    fn a_name_cannot_change_how_the_page_is_read() {
        let name = |name: &str| {
            let body = serde_json::json!({"client_name": name, "redirect_uris": ["https://a.example/cb"]});
            register(body).unwrap().name
        };
        assert_eq!(name("Cl\u{202e}au\u{200b}de\r\n\u{0}"), "Claude");
        assert_eq!(name("\u{2066}\u{e0041}"), "An unnamed application");
        assert_eq!(name("\u{5e9}\u{5dc}\u{5d5}\u{5dd}"), "\u{5e9}\u{5dc}\u{5d5}\u{5dd}");
        assert_eq!(name(&"x".repeat(200)).len(), NAME_CHARS_MAX);
    }

    #[test]
    fn tricks_with_redirect_uris_are_refused() {
        let tricks = [
            "javascript:alert(1)",
            "JaVaScRiPt://x",
            "data:text/html,x",
            "http://example.com/cb",
            "https://",
            "https://user@evil.example/cb",
            "https://a.example/cb#x",
            "https://a.example\\@evil.example/",
            "https://a.example/\n",
            " https://a.example/",
            "//a.example/cb",
            "http://127.0.0.1.evil.example/",
            "http://localhost@evil.example/",
            "file:///etc/passwd",
            "myapp://callback",
            "https://ä.example/",
            "https://a.example%2f@evil.example/",
            "https://claude.ai%2f.evil.example/",
            "https://a.example;script-src/",
            "https://a.example,evil.example/",
            "https://a.example'/",
            "vbscript:msgbox(1)",
            "blob:https://a.example/x",
            "about:blank",
        ];
        for trick in tricks {
            let refused = register(serde_json::json!({ "redirect_uris": [trick] }));
            assert_eq!(refused, Err(ErrorCode::InvalidRedirectUri), "{trick}");
        }
        assert_eq!(register(serde_json::json!({})), Err(ErrorCode::InvalidRedirectUri));
        assert_eq!(register(serde_json::json!([])), Err(ErrorCode::InvalidClientMetadata));
    }

    #[test]
    fn unsupported_capabilities_are_refused() {
        let with = |name: &str, value: serde_json::Value| {
            let mut body = serde_json::json!({"redirect_uris": ["https://a.example/cb"]});
            body[name] = value;
            register(body).map(|client| client.auth_method)
        };
        assert_eq!(with("token_endpoint_auth_method", "none".into()), Ok(AuthMethod::None));
        assert_eq!(
            with("token_endpoint_auth_method", "client_secret_basic".into()),
            Ok(AuthMethod::SecretBasic)
        );
        assert_eq!(
            with("token_endpoint_auth_method", "client_secret_post".into()),
            Ok(AuthMethod::SecretPost)
        );
        let refused = Err(ErrorCode::InvalidClientMetadata);
        assert_eq!(with("token_endpoint_auth_method", "private_key_jwt".into()), refused);
        assert_eq!(with("grant_types", serde_json::json!(["implicit"])), refused);
        assert_eq!(with("response_types", serde_json::json!(["token"])), refused);
    }

    #[test]
    fn a_secret_belongs_to_its_identifier_and_survives_a_rotation() {
        let old = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let ring = |text: &str| KeyRing::parse(text).unwrap();
        let both = ring(&format!("b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,{old}"));
        let client = register(serde_json::json!({"redirect_uris": ["https://a.example/cb"]})).unwrap();
        let [one, two] = [1, 2].map(|nonce| seal_client(&ring(old), &client, [nonce; 12]).unwrap());
        let secret = client_secret(&ring(old), &one).unwrap();
        assert_eq!(secret.len(), 43);
        assert_ne!(client_secret(&ring(old), &two), Ok(secret.clone()));
        assert_eq!(client_secret(&both, &one), Ok(secret));
        assert_eq!(client_secret(&keys(), &one), Err(CannotOpen));
        assert_eq!(client_secret(&keys(), "a"), Err(CannotOpen));
    }
}
