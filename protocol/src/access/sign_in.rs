//! Signing in through Access for SaaS, an OpenID Connect provider (OpenID Connect Core 1.0, section 3.1).
//!
//! What holds here: of what the provider issues only the ID token is looked at, to learn who the person is. Its other
//! tokens are opaque; they are for calls to linked apps, and travel to the person's object sealed.

use serde::{Deserialize, Serialize};

use super::{Audience, Person, check_times};
use crate::cbor;
use crate::config::SignInApplication;
use crate::digest::sha256;
use crate::graph::form;
use crate::ids::UserKey;
use crate::jwt::{self, NotBelieved};
use crate::oauth::authorization::{AuthorizationRequest, open, seal};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES};
use crate::secret::Secret;
use crate::time::UnixMs;

/// The path to which the provider sends people back.
pub const CALLBACK_PATH: &str = "/callback/access";

const KIND: &[u8] = b"access-journey/v1/";

/// The journey to Access and back. It opens for nothing else than the way back from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessJourney {
    /// The request that began it.
    #[serde(rename = "q")]
    pub request: AuthorizationRequest,
    /// The PKCE verifier towards Access.
    #[serde(rename = "v")]
    pub pkce_verifier: String,
    /// The nonce that the ID token must repeat.
    #[serde(rename = "n")]
    pub nonce: String,
    /// The person who agreed to the client in this browser before, if the question was left out for that.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub agreed_before: Option<UserKey>,
}

/// Seals a journey so that it opens only with `browser_secret`, the value of the browser's cookie.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, which is a fault of this server, or there is no cookie.
pub fn seal_journey(
    keys: &KeyRing,
    journey: &AccessJourney,
    browser_secret: &str,
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    seal(keys, KIND, journey, browser_secret, nonce)
}

/// Opens a journey that came back, with the cookie of the browser that brought it, and checks its time.
///
/// # Errors
/// [`CannotOpen`] when it was not sealed by this server for this browser, or its time is over.
pub fn open_journey(
    keys: &KeyRing,
    text: &str,
    browser_secret: &str,
    now: UnixMs,
) -> Result<AccessJourney, CannotOpen> {
    let journey: AccessJourney = open(keys, KIND, text, browser_secret)?;
    if now < journey.request.expires_at { Ok(journey) } else { Err(CannotOpen) }
}

/// The issuer of the application's ID tokens, below which its endpoints lie.
fn issuer(application: &SignInApplication) -> String {
    format!("{}/cdn-cgi/access/sso/oidc/{}", application.team_url, application.client_id)
}

/// The URL that a person is sent to.
#[must_use]
pub fn authorize_url(
    application: &SignInApplication,
    redirect_uri: &str,
    state: &str,
    nonce: &str,
    challenge: &str,
) -> String {
    let fields = [
        ("client_id", application.client_id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri),
        ("scope", "openid email profile"),
        ("state", state),
        ("nonce", nonce),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    format!("{}/authorization?{}", issuer(application), form(&fields))
}

/// The URL of the token endpoint.
#[must_use]
pub fn token_endpoint(application: &SignInApplication) -> String {
    format!("{}/token", issuer(application))
}

/// The URL of the keys that sign ID tokens.
#[must_use]
pub fn keys_endpoint(application: &SignInApplication) -> String {
    format!("{}/jwks", issuer(application))
}

/// The form that exchanges the authorization code (RFC 6749, section 4.1.3, with RFC 7636).
#[must_use]
pub fn code_form(
    application: &SignInApplication,
    code: &str,
    pkce_verifier: &str,
    redirect_uri: &str,
) -> Secret<String> {
    Secret::new(form(&[
        ("grant_type", "authorization_code"),
        ("client_id", application.client_id.as_str()),
        ("client_secret", application.client_secret.expose().as_str()),
        ("code", code),
        ("code_verifier", pkce_verifier),
        ("redirect_uri", redirect_uri),
    ]))
}

/// The form that renews the tokens (RFC 6749, section 6).
#[must_use]
pub fn refresh_form(application: &SignInApplication, refresh_token: &Secret<String>) -> Secret<String> {
    Secret::new(form(&[
        ("grant_type", "refresh_token"),
        ("client_id", application.client_id.as_str()),
        ("client_secret", application.client_secret.expose().as_str()),
        ("refresh_token", refresh_token.expose().as_str()),
    ]))
}

/// What Access issued beside the ID token, on its way from the edge to the person's object.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessTokens {
    /// What linked apps are called with; empty where there was no room for it, so that it has to be renewed first.
    #[serde(rename = "a")]
    pub access_token: String,
    /// What renews it; empty where the application is not set up for that.
    #[serde(rename = "r")]
    pub refresh_token: String,
    /// When the access token ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "AccessTokens(until {:?}, tokens hidden)", self.expires_at)
    }
}

impl AccessTokens {
    /// The same without the access token, which takes most of the room.
    #[must_use]
    pub fn renewable(&self) -> Self {
        let refresh_token = self.refresh_token.clone();
        Self { access_token: String::new(), refresh_token, expires_at: UnixMs(0) }
    }
}

/// Tokens and the journey that they belong to, as the content of a cookie, which is encrypted and signed.
#[derive(Serialize, Deserialize)]
struct Packed {
    #[serde(rename = "j", with = "serde_bytes")]
    journey: Vec<u8>,
    #[serde(rename = "t")]
    tokens: AccessTokens,
}

fn journey_of(browser_secret: &str) -> Option<Vec<u8>> {
    (!browser_secret.is_empty()).then(|| sha256(browser_secret.as_bytes()).to_vec())
}

/// The content of the cookie that keeps tokens for one journey, while its person is at Microsoft.
#[must_use]
pub fn pack_tokens(tokens: &AccessTokens, browser_secret: &str) -> Option<Vec<u8>> {
    cbor::encode(&Packed { journey: journey_of(browser_secret)?, tokens: tokens.clone() })
}

/// The tokens of this very journey; none of another one that the browser has begun since.
#[must_use]
pub fn unpack_tokens(content: &[u8], browser_secret: &str) -> Option<AccessTokens> {
    let packed: Packed = cbor::decode(content)?;
    (Some(packed.journey) == journey_of(browser_secret)).then_some(packed.tokens)
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    nonce: Option<String>,
    sub: String,
    email: Option<String>,
}

/// Checks the claims of an ID token whose signature holds, and names the person.
///
/// # Errors
/// [`NotBelieved`] names the check that failed.
pub fn identify(
    application: &SignInApplication,
    id_token: &Secret<String>,
    nonce: &str,
    now: UnixMs,
) -> Result<Person, NotBelieved> {
    let claims: Claims = jwt::claims(id_token.expose())?;
    if claims.iss != issuer(application) {
        return Err(NotBelieved("issuer"));
    }
    if !claims.aud.names(&application.client_id) {
        return Err(NotBelieved("audience"));
    }
    check_times(now, claims.exp, &[Some(claims.iat), claims.nbf])?;
    if claims.nonce.as_deref() != Some(nonce) || nonce.is_empty() {
        return Err(NotBelieved("nonce"));
    }
    Person::of(&claims.sub, claims.email).ok_or(NotBelieved("subject"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::digest::to_base64url;

    fn application() -> SignInApplication {
        SignInApplication {
            team_url: "https://contoso.cloudflareaccess.com".into(),
            client_id: "c1".into(),
            client_secret: Secret::new("s3cr3t".into()),
        }
    }

    #[test]
    fn a_person_is_named_by_a_token_for_this_journey_only() {
        let identified = |name: &str, value: serde_json::Value| {
            let mut claims = json!({
                "iss": "https://contoso.cloudflareaccess.com/cdn-cgi/access/sso/oidc/c1", "aud": ["c1"],
                "exp": 2_000, "iat": 1_000, "nonce": "n", "sub": "7f-1", "email": "alice@contoso.example",
            });
            claims[name] = value;
            let token = Secret::new(format!("e30.{}.c2ln", to_base64url(claims.to_string().as_bytes())));
            identify(&application(), &token, "n", UnixMs(1_500_000)).map_err(|refused| refused.0)
        };
        assert_eq!(identified("x", json!(1)).unwrap().subject, "7f-1");
        for (name, value, check) in [
            ("iss", json!("https://contoso.cloudflareaccess.com"), "issuer"),
            ("aud", json!("c2"), "audience"),
            ("exp", json!(1_000), "expired"),
            ("iat", json!(1_600), "not yet valid"),
            ("nonce", json!("m"), "nonce"),
            ("nonce", json!(null), "nonce"),
            ("sub", json!(""), "subject"),
        ] {
            assert_eq!(identified(name, value), Err(check), "{name}");
        }
    }

    #[test]
    fn tokens_come_back_to_their_own_journey_only() {
        let tokens = AccessTokens {
            access_token: "access".into(),
            refresh_token: "refresh".into(),
            expires_at: UnixMs(7),
        };
        let content = pack_tokens(&tokens, "secret").unwrap();
        assert_eq!(unpack_tokens(&content, "secret"), Some(tokens.clone()));
        for other in ["", "Secret"] {
            assert_eq!(unpack_tokens(&content, other), None, "{other}");
        }
        assert_eq!((unpack_tokens(b"", "secret"), pack_tokens(&tokens, "")), (None, None));
        assert_eq!(
            (tokens.renewable().access_token.as_str(), tokens.renewable().expires_at),
            ("", UnixMs(0))
        );
        assert!(!format!("{tokens:?}").contains("refresh"));
    }

    #[test]
    fn the_way_there_is_bound_and_the_secret_stays_here() {
        let url = authorize_url(&application(), "https://mcp.example.com/callback/access", "s", "n", "c");
        assert!(
            url.starts_with("https://contoso.cloudflareaccess.com/cdn-cgi/access/sso/oidc/c1/authorization?")
        );
        assert!(url.contains("code_challenge_method=S256") && !url.contains("s3cr3t"));
        let form = code_form(&application(), "code", "verifier", "https://mcp.example.com/callback/access");
        assert!(form.expose().contains("client_secret=s3cr3t") && !format!("{form:?}").contains("s3cr3t"));
    }
}
