//! Forms for the token endpoint, and how this application proves itself in them: by its secret, or by an assertion that
//! its certificate's key signs (`private_key_jwt`, OpenID Connect Core 1.0, section 9).
//!
//! What holds here: a form holds credentials and is therefore a secret from the moment it is written; an assertion is
//! written here and signed elsewhere, because signing is not synchronous; it lives for minutes and is used once.

use serde_json::json;

use super::claims::{ClaimsChallenge, claims_parameter};
use super::{SIGN_IN_SCOPES, token_endpoint};
use crate::config::{Credential, MicrosoftApp};
use crate::digest::to_base64url;
use crate::graph::form;
use crate::secret::Secret;
use crate::time::{DurationMs, UnixMs};

/// How long an assertion is good. Microsoft asks for five to ten minutes at most.
const ASSERTION_LIFETIME: DurationMs = DurationMs::from_secs(5 * 60);

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What must be new in every request.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    /// The time.
    pub now: UnixMs,
    /// Unpredictable bytes, from which an assertion gets its name.
    pub random: [u8; 16],
}

/// A form for the token endpoint.
#[derive(Debug)]
pub struct TokenForm {
    /// The encoded form; without a proof if there is an assertion to sign.
    pub fields: Secret<String>,
    /// What has to be signed and added.
    pub assertion: Option<Assertion>,
}

/// An assertion without its signature.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// Header and claims in the compact form of RFC 7515: what is signed.
    pub unsigned: Secret<String>,
    /// The private key in PKCS#8 form, for RSASSA-PSS with SHA-256 (PS256).
    pub key: Secret<Vec<u8>>,
}

impl TokenForm {
    /// The form with its assertion, from the signature of [`Assertion::unsigned`].
    #[must_use]
    pub fn signed(fields: &Secret<String>, unsigned: &Secret<String>, signature: &[u8]) -> Secret<String> {
        let assertion = format!("{}.{}", unsigned.expose(), to_base64url(signature));
        let proof = form(&[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion)]);
        Secret::new(format!("{}&{proof}", fields.expose()))
    }
}

/// The form that exchanges an authorization code (RFC 6749, section 4.1.3, with RFC 7636).
#[must_use]
pub fn code_form(
    app: &MicrosoftApp,
    code: &str,
    verifier: &str,
    redirect_uri: &str,
    fresh: Freshness,
) -> TokenForm {
    let claims = claims_parameter(None);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect_uri),
        ("scope", SIGN_IN_SCOPES),
        ("claims", &claims),
    ];
    proven(app, &fields, fresh)
}

/// The form that refreshes an access token (RFC 6749, section 6).
///
/// It asks for the permissions that were granted and not for all that this version would like: a permission that the
/// person was never asked for would make Microsoft refuse the whole refresh.
#[must_use]
pub fn refresh_form(
    app: &MicrosoftApp,
    refresh_token: &Secret<String>,
    granted: &[String],
    demanded: Option<&ClaimsChallenge>,
    fresh: Freshness,
) -> TokenForm {
    let claims = claims_parameter(demanded);
    let mut scopes = vec!["openid", "profile", "offline_access"];
    for scope in granted {
        if !scopes.contains(&scope.as_str()) {
            scopes.push(scope);
        }
    }
    let scope = if granted.is_empty() { SIGN_IN_SCOPES.to_owned() } else { scopes.join(" ") };
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token.expose().as_str()),
        ("scope", &scope),
        ("claims", &claims),
    ];
    proven(app, &fields, fresh)
}

/// Adds who asks, and the proof of it.
fn proven(app: &MicrosoftApp, fields: &[(&str, &str)], fresh: Freshness) -> TokenForm {
    let mut all = vec![("client_id", app.client_id.as_str())];
    all.extend_from_slice(fields);
    let assertion = match &app.credential {
        Credential::Secret(secret) => {
            all.push(("client_secret", secret.expose()));
            None
        }
        Credential::Certificate { thumbprint, private_key } => Some(Assertion {
            unsigned: Secret::new(unsigned_assertion(app, thumbprint, fresh)),
            key: private_key.clone(),
        }),
    };
    TokenForm { fields: Secret::new(form(&all)), assertion }
}

/// The assertion's header and claims, as Microsoft's "certificate credentials" describes them.
fn unsigned_assertion(app: &MicrosoftApp, thumbprint: &[u8; 32], fresh: Freshness) -> String {
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": to_base64url(thumbprint) });
    let now_s = fresh.now.as_secs();
    let claims = json!({
        "aud": token_endpoint(app),
        "iss": app.client_id,
        "sub": app.client_id,
        "jti": uuid::Builder::from_random_bytes(fresh.random).into_uuid().to_string(),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + ASSERTION_LIFETIME.0 / 1_000,
    });
    let part = |value: &serde_json::Value| to_base64url(value.to_string().as_bytes());
    format!("{}.{}", part(&header), part(&claims))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::digest::from_base64url;

    const FRESH: Freshness = Freshness { now: UnixMs(1_800_000_000_500), random: [7; 16] };

    fn app(credential: Credential) -> MicrosoftApp {
        MicrosoftApp {
            client_id: "client".into(),
            credential,
            tenant_id: "tenant".into(),
            login_url: "https://login.example".into(),
        }
    }

    fn with_certificate() -> MicrosoftApp {
        app(Credential::Certificate { thumbprint: [0xfb; 32], private_key: Secret::new(vec![1, 2, 3]) })
    }

    #[test]
    fn a_refresh_asks_for_what_was_granted_and_declares_the_capability() {
        let app = app(Credential::Secret(Secret::new("app-secret".into())));
        let granted = ["openid".to_owned(), "Mail.Read".to_owned()];
        let form = refresh_form(&app, &Secret::new("r-1".into()), &granted, None, FRESH);
        let text = form.fields.expose();
        assert!(text.contains("&scope=openid%20profile%20offline_access%20Mail.Read&"), "{text}");
        assert!(text.contains("xms_cc") && text.ends_with("&client_secret=app-secret"), "{text}");
        assert!(form.assertion.is_none());
        let demanded = ClaimsChallenge::parse(r#"{"access_token":{"acrs":{"essential":true}}}"#);
        let form = refresh_form(&app, &Secret::new("r-1".into()), &[], demanded.as_ref(), FRESH);
        assert!(form.fields.expose().contains("acrs") && form.fields.expose().contains("Channel.ReadBasic"));
    }

    #[test]
    fn a_certificate_proves_itself_by_an_assertion_and_never_by_a_secret() {
        let form = code_form(&with_certificate(), "c-1", "v-1", "https://mcp.example/callback", FRESH);
        assert!(!form.fields.expose().contains("client_secret"));
        let Assertion { unsigned, key } = form.assertion.unwrap();
        assert_eq!(key.expose(), &[1, 2, 3]);
        let parts: Vec<Value> = unsigned
            .expose()
            .split('.')
            .map(|part| serde_json::from_slice(&from_base64url(part).unwrap()).unwrap())
            .collect();
        let thumbprint = to_base64url(&[0xfb; 32]);
        assert_eq!(parts[0], json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        assert_eq!(
            parts[1],
            json!({
                "aud": "https://login.example/tenant/oauth2/v2.0/token", "iss": "client", "sub": "client",
                "jti": "07070707-0707-4707-8707-070707070707",
                "iat": 1_800_000_000, "nbf": 1_800_000_000, "exp": 1_800_000_300
            })
        );
        let whole = TokenForm::signed(&form.fields, &unsigned, b"sig");
        let (_, assertion) = whole.expose().split_once("&client_assertion=").unwrap();
        assert_eq!(assertion, format!("{}.c2ln", unsigned.expose()));
        assert!(whole.expose().contains("client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"));
        let hidden = format!("{:?}", code_form(&with_certificate(), "c", "v", "r", FRESH));
        assert!(!hidden.contains("eyJ"), "{hidden}");
    }
}
