//! The authorization endpoint: reading a client's request, and answering by redirect.
//!
//! What holds here: as long as the client or the redirect URI is not established, nothing is redirected; afterwards every
//! error goes back to the client with `state` and `iss` (RFC 9207). PKCE with S256 is required of everyone. What travels
//! through the browser is sealed and opens only with that browser's cookie.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::redirect::redirect_matches;
use super::{ErrorCode, OAuthError, Parameters, check_resource, read_scopes};
use crate::access::Person;
use crate::digest;
use crate::graph::form;
use crate::ids::UserKey;
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::{DurationMs, UnixMs};

/// How long a person may take from the client's request to the return from Microsoft.
pub const SIGN_IN_LIFETIME: DurationMs = DurationMs::from_secs(10 * 60);

const STATE_BYTES_MAX: usize = 1_024;
const SEALED_CHARS_MAX: usize = 6_144;

/// A client's request that was checked, in the form that travels through the browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// The digest of the client's identifier, which the grant will pin.
    #[serde(rename = "d", with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// What the client calls itself.
    #[serde(rename = "n")]
    pub client_name: String,
    /// The host at which the client's document was found, for one that has a document.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub described_at: Option<String>,
    /// Where the answer goes.
    #[serde(rename = "r")]
    pub redirect_uri: String,
    /// The client's own state.
    #[serde(rename = "s")]
    pub state: Option<String>,
    /// The PKCE challenge (RFC 7636, section 4.2).
    #[serde(rename = "c")]
    pub code_challenge: String,
    /// The scopes that the client asks for.
    #[serde(rename = "p")]
    pub scopes: Vec<String>,
    /// When the journey is over.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
}

/// The journey to Microsoft and back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journey {
    /// The request that began it.
    #[serde(rename = "q")]
    pub request: AuthorizationRequest,
    /// The PKCE verifier towards Microsoft.
    #[serde(rename = "v")]
    pub pkce_verifier: String,
    /// The nonce that Microsoft's ID token must repeat.
    #[serde(rename = "n")]
    pub nonce: String,
    /// Whether this is the second journey, with the claims that Microsoft demanded. There is never a third.
    #[serde(rename = "u", default)]
    pub stepped_up: bool,
    /// As whom Access knows the person, where it takes part.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Person>,
    /// The person who agreed to the client in this browser before, if the question was left out for that. Nobody else may
    /// end the journey.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub agreed_before: Option<UserKey>,
}

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Shown to the person: there is no place that an error may be redirected to.
    Page(&'static str),
    /// Sent back to the client.
    Redirect(String),
}

/// What a request is checked against.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// The issuer of this authorization server.
    pub issuer: &'a str,
    /// The resource that tokens are for.
    pub resource: &'a str,
    /// The scopes that exist.
    pub scopes: &'a [&'a str],
    /// The scopes that are meant when none is named.
    pub base_scopes: &'a [&'a str],
}

/// A client that is known here, in whichever way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it says of itself.
    pub client: Client,
    /// The digest of its identifier.
    pub digest: Vec<u8>,
    /// The host at which its document was found, for one that has a document.
    pub described_at: Option<String>,
}

/// Which client a request names.
///
/// # Errors
/// [`Refused::Page`]: without a client there is no place for an answer.
pub fn read_client_id(parameters: &Parameters) -> Result<&str, Refused> {
    parameters.get("client_id").ok_or(Refused::Page("The request names no application, or more than one."))
}

/// Reads the parameters of the authorization endpoint.
///
/// # Errors
/// [`Refused::Page`] until the redirect URI is established, [`Refused::Redirect`] afterwards.
pub fn read_request(
    parameters: &Parameters,
    found: &Found,
    server: Server<'_>,
    now: UnixMs,
) -> Result<AuthorizationRequest, Refused> {
    let Found { client, digest, described_at } = found;
    // RFC 6749, section 3.1.2.3: the URI may be left out only where exactly one is registered.
    let is_ambiguous = parameters.is_repeated("redirect_uri");
    let redirect_uri = match (parameters.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), registered) if redirect_matches(registered, asked) => asked.to_owned(),
        (None, [only]) if !is_ambiguous => only.clone(),
        _ => {
            return Err(Refused::Page(
                "The application wants an answer at a place that it did not register.",
            ));
        }
    };
    let state = parameters.get("state").map(str::to_owned);
    let refuse = |error: OAuthError| {
        Refused::Redirect(error_redirect(&redirect_uri, state.as_deref(), server.issuer, &error))
    };
    parameters.check().map_err(refuse)?;
    check_protocol(parameters).map_err(refuse)?;
    check_resource(parameters, server.resource).map_err(refuse)?;
    let scopes = read_scopes(parameters.get("scope"), server.scopes, server.base_scopes).map_err(refuse)?;
    Ok(AuthorizationRequest {
        client_digest: digest.clone(),
        client_name: client.name.clone(),
        described_at: described_at.clone(),
        redirect_uri: redirect_uri.clone(),
        state: state.clone(),
        code_challenge: parameters.get("code_challenge").unwrap_or_default().to_owned(),
        scopes,
        expires_at: now.plus(SIGN_IN_LIFETIME),
    })
}

fn check_protocol(parameters: &Parameters) -> Result<(), OAuthError> {
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code."));
        }
        None => {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "The parameter response_type is missing.",
            ));
        }
    }
    if parameters.get("state").is_some_and(|state| state.len() > STATE_BYTES_MAX) {
        return Err(OAuthError::new(ErrorCode::InvalidRequest, "state must not be longer than 1024 bytes."));
    }
    let challenge = parameters.get("code_challenge").unwrap_or_default();
    let is_base64url =
        challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if parameters.get("code_challenge_method") != Some("S256") || challenge.len() != 43 || !is_base64url {
        return Err(OAuthError::new(
            ErrorCode::InvalidRequest,
            "PKCE with code_challenge_method S256 is required.",
        ));
    }
    Ok(())
}

/// The redirect that carries an error back to the client.
#[must_use]
pub fn error_redirect(redirect_uri: &str, state: Option<&str>, issuer: &str, error: &OAuthError) -> String {
    let mut fields =
        vec![("error", error.code.as_str()), ("error_description", error.description), ("iss", issuer)];
    fields.extend(state.map(|state| ("state", state)));
    with_query(redirect_uri, &form(&fields))
}

/// The redirect that carries the code back to the client.
#[must_use]
pub fn code_redirect(request: &AuthorizationRequest, issuer: &str, code: &str) -> String {
    let mut fields = vec![("code", code), ("iss", issuer)];
    fields.extend(request.state.as_deref().map(|state| ("state", state)));
    with_query(&request.redirect_uri, &form(&fields))
}

fn with_query(uri: &str, query: &str) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{query}")
}

/// Seals a checked request for the consent page of one browser.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn seal_request(
    keys: &KeyRing,
    request: &AuthorizationRequest,
    browser_secret: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    seal(keys, b"consent/v1/", request, browser_secret, nonce)
}

/// Opens the request that a consent page sent back.
///
/// # Errors
/// [`CannotOpen`] when it is not this browser's page or its time is over.
pub fn open_request(
    keys: &KeyRing,
    text: &str,
    browser_secret: &str,
    now: UnixMs,
) -> Result<AuthorizationRequest, CannotOpen> {
    let request: AuthorizationRequest = open(keys, b"consent/v1/", text, browser_secret)?;
    if now < request.expires_at { Ok(request) } else { Err(CannotOpen) }
}

/// Seals a journey into the `state` towards Microsoft.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server.
pub fn seal_journey(
    keys: &KeyRing,
    journey: &Journey,
    browser_secret: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    seal(keys, b"journey/v1/", journey, browser_secret, nonce)
}

/// Opens the `state` that Microsoft sent back.
///
/// # Errors
/// [`CannotOpen`] when it is not this browser's journey or its time is over.
pub fn open_journey(
    keys: &KeyRing,
    text: &str,
    browser_secret: &str,
    now: UnixMs,
) -> Result<Journey, CannotOpen> {
    let journey: Journey = open(keys, b"journey/v1/", text, browser_secret)?;
    if now < journey.request.expires_at { Ok(journey) } else { Err(CannotOpen) }
}

fn data(kind: &[u8], browser_secret: &str) -> Vec<u8> {
    [kind, &digest::sha256(browser_secret.as_bytes())].concat()
}

pub(crate) fn seal<T: Serialize>(
    keys: &KeyRing,
    kind: &[u8],
    value: &T,
    browser_secret: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    if browser_secret.is_empty() {
        return Err(CannotOpen);
    }
    keys.seal_text(Purpose::Authorization, Scope::Anyone, &data(kind, browser_secret), nonce, value)
}

pub(crate) fn open<T: DeserializeOwned>(
    keys: &KeyRing,
    kind: &[u8],
    text: &str,
    browser_secret: &str,
) -> Result<T, CannotOpen> {
    if text.len() > SEALED_CHARS_MAX || browser_secret.is_empty() {
        return Err(CannotOpen);
    }
    keys.open_text(Purpose::Authorization, Scope::Anyone, &data(kind, browser_secret), text)
}

#[cfg(test)]
mod tests {
    use super::super::client::AuthMethod;
    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000);
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn keys() -> KeyRing {
        KeyRing::parse(&"7a".repeat(32)).unwrap()
    }

    fn found() -> Found {
        let client = Client {
            name: "Test".into(),
            redirect_uris: vec!["https://app.example/cb".into()],
            auth_method: AuthMethod::None,
            issued_at: NOW,
        };
        Found { client, digest: vec![7; 32], described_at: None }
    }

    fn ask(changes: &[(&str, Option<&str>)]) -> Result<AuthorizationRequest, Refused> {
        let mut pairs: Vec<(&str, &str)> = vec![
            ("client_id", "c"),
            ("redirect_uri", "https://app.example/cb"),
            ("response_type", "code"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s-1"),
            ("scope", "mail.read offline_access"),
            ("resource", "https://mcp.example/mcp"),
        ];
        for (name, _) in changes {
            pairs.retain(|(known, _)| known != name);
        }
        pairs.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
        let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let server = Server {
            issuer: "https://mcp.example",
            resource: "https://mcp.example/mcp",
            scopes: &["mail.read", "mail.send", "teams.send"],
            base_scopes: &["mail.read", "mail.send"],
        };
        let parameters = Parameters::unchecked(pairs);
        read_client_id(&parameters)?;
        read_request(&parameters, &found(), server, NOW)
    }

    fn redirected(changes: &[(&str, Option<&str>)]) -> String {
        match ask(changes) {
            Err(Refused::Redirect(location)) => location,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_request_is_read() {
        let request = ask(&[]).unwrap();
        assert_eq!(request.scopes, ["mail.read"]);
        assert_eq!(ask(&[("scope", None)]).unwrap().scopes, ["mail.read", "mail.send"]);
        assert_eq!(ask(&[("scope", Some("offline_access"))]).unwrap().scopes, ["mail.read", "mail.send"]);
        assert_eq!(ask(&[("scope", Some("teams.send unknown"))]).unwrap().scopes, ["teams.send"]);
        assert_eq!(ask(&[("redirect_uri", None)]).unwrap().redirect_uri, "https://app.example/cb");
        assert_eq!(ask(&[("resource", None)]).unwrap(), request);
    }

    #[test]
    fn an_unknown_client_or_place_is_never_redirected_to() {
        for changes in [
            [("client_id", None)],
            [("redirect_uri", Some("https://evil.example/cb"))],
            [("redirect_uri", Some("https://app.example/cb/"))],
            [("redirect_uri", Some("javascript:alert(1)"))],
        ] {
            assert!(matches!(ask(&changes), Err(Refused::Page(_))), "{changes:?}");
        }
    }

    #[test]
    fn other_errors_go_back_with_state_and_issuer() {
        let cases = [
            (("response_type", Some("token")), "unsupported_response_type"),
            (("response_type", None), "invalid_request"),
            (("code_challenge", None), "invalid_request"),
            (("code_challenge_method", Some("plain")), "invalid_request"),
            (("code_challenge_method", None), "invalid_request"),
            (("resource", Some("https://other.example/mcp")), "invalid_target"),
            (("resource", Some("https://mcp.example/mcp#x")), "invalid_target"),
            (("scope", Some("unknown")), "invalid_scope"),
        ];
        for (change, code) in cases {
            let location = redirected(&[change]);
            assert!(location.starts_with(&format!("https://app.example/cb?error={code}&")), "{location}");
            assert!(location.contains("&iss=https%3A%2F%2Fmcp.example&state=s-1"), "{location}");
        }
    }

    #[test]
    fn what_stands_twice_is_refused_where_the_answer_may_go() {
        let twice = |name, value| ask(&[(name, Some(value)), (name, Some(value))]);
        for name in ["client_id", "redirect_uri"] {
            assert!(matches!(twice(name, "https://app.example/cb"), Err(Refused::Page(_))), "{name}");
        }
        for name in ["scope", "code_challenge", "state", "nobody_knows_this"] {
            let Err(Refused::Redirect(location)) = twice(name, "x") else { panic!("{name}") };
            assert!(location.starts_with("https://app.example/cb?error=invalid_request&"), "{location}");
            assert_eq!(location.contains("&state=s-1"), name != "state", "{location}");
        }
        assert!(twice("resource", "https://mcp.example/mcp").is_ok());
        let many = vec![("x", Some("1")); super::super::PARAMETERS_MAX];
        assert!(redirected(&many).contains("error=invalid_request"));
    }

    #[test]
    fn a_state_comes_back_as_it_was_even_when_it_is_refused() {
        let long = "s".repeat(STATE_BYTES_MAX + 1);
        let location = redirected(&[("state", Some(&long))]);
        assert!(location.contains("error=invalid_request") && location.ends_with(&long));
    }

    #[test]
    fn what_travels_opens_only_in_its_browser_in_its_place_and_in_time() {
        let request = ask(&[]).unwrap();
        let text = seal_request(&keys(), &request, "browser-1", [2; 12]).unwrap();
        assert_eq!(open_request(&keys(), &text, "browser-1", NOW), Ok(request.clone()));
        assert_eq!(open_request(&keys(), &text, "browser-2", NOW), Err(CannotOpen));
        assert_eq!(open_request(&keys(), &text, "", NOW), Err(CannotOpen));
        assert_eq!(open_request(&keys(), &text, "browser-1", NOW.plus(SIGN_IN_LIFETIME)), Err(CannotOpen));
        assert!(open_journey(&keys(), &text, "browser-1", NOW).is_err());
    }

    #[test]
    fn the_code_goes_where_it_belongs() {
        let mut request = ask(&[]).unwrap();
        assert_eq!(
            code_redirect(&request, "https://mcp.example", "c"),
            "https://app.example/cb?code=c&iss=https%3A%2F%2Fmcp.example&state=s-1"
        );
        request.redirect_uri = "https://app.example/cb?x=1".into();
        request.state = None;
        assert_eq!(
            code_redirect(&request, "https://mcp.example", "c"),
            "https://app.example/cb?x=1&code=c&iss=https%3A%2F%2Fmcp.example"
        );
    }
}
