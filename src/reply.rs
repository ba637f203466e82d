//! Replies of the edge itself, as plain data.
//!
//! What holds here: every reply carries the headers that keep browsers from guessing, framing and caching; a refusal says
//! whose fault it is and what to do; nothing that a client sent is repeated in clear.

use protocol::config::Config;
use protocol::oauth::metadata::RESOURCE_PATH;
use protocol::oauth::{ErrorCode, OAuthError};
use protocol::time::DurationMs;
use serde_json::{Value, json};

/// A reply before it becomes the platform's response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Pages run no script and load nothing from elsewhere.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

impl Reply {
    fn new(status: u16, content_type: &str, body: String) -> Self {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("cache-control", "no-store".to_owned()),
            ("x-content-type-options", "nosniff".to_owned()),
            ("referrer-policy", "no-referrer".to_owned()),
        ];
        Self { status, headers, body }
    }

    /// A JSON reply.
    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// A JSON text that was written elsewhere.
    #[must_use]
    pub fn json_text(status: u16, body: String) -> Self {
        Self::new(status, "application/json", body)
    }

    /// A plain text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.to_owned())
    }

    /// A page for a person.
    #[must_use]
    pub fn page(status: u16, html: String) -> Self {
        Self::new(status, "text/html; charset=utf-8", html)
            .with("content-security-policy", PAGE_POLICY.to_owned())
            .with("x-frame-options", "DENY".to_owned())
    }

    /// A page with a form. Browsers hold a form's target and every redirect that follows it against `targets`.
    #[must_use]
    pub fn form_page(status: u16, html: String, targets: &str) -> Self {
        let policy = PAGE_POLICY.replace("form-action 'none'", &format!("form-action {targets}"));
        let mut reply = Self::new(status, "text/html; charset=utf-8", html);
        // Under `no-referrer` a browser says `Origin: null` when it sends the form (Fetch standard, "append a request
        // `Origin` header"), which is refused. Nobody else is told the address under this policy either.
        reply.headers.retain(|(name, _)| *name != "referrer-policy");
        reply
            .with("referrer-policy", "same-origin".to_owned())
            .with("content-security-policy", policy)
            .with("x-frame-options", "DENY".to_owned())
    }

    /// Sends the browser elsewhere with a GET, whatever the request was (RFC 9110, section 15.4.4).
    #[must_use]
    pub fn see_other(location: String) -> Self {
        Self::new(303, "text/plain; charset=utf-8", String::new()).with("location", location)
    }

    /// An OAuth error as the token and registration endpoints answer it (RFC 6749, section 5.2; RFC 7591, section 3.2.2).
    #[must_use]
    pub fn oauth_error(error: &OAuthError) -> Self {
        let body = json!({ "error": error.code.as_str(), "error_description": error.description });
        match error.code {
            // A 401 names a scheme (RFC 9110, section 15.5.2), the one that clients may use here.
            ErrorCode::InvalidClient => {
                Self::json(401, &body).with("www-authenticate", "Basic realm=\"m365-mcp-server\"".to_owned())
            }
            ErrorCode::TemporarilyUnavailable => Self::json(503, &body),
            _ => Self::json(400, &body),
        }
    }

    /// Clients cannot register themselves here.
    #[must_use]
    pub fn registration_is_off() -> Self {
        Self::json(
            403,
            &json!({
                "error": "access_denied",
                "error_description": "Registration is switched off here. The operators of this server register clients."
            }),
        )
    }

    /// An address registers too many clients.
    #[must_use]
    pub fn too_many_registrations(wait: DurationMs) -> Self {
        Self::json(
            429,
            &json!({
                "error": "temporarily_unavailable",
                "error_description": "Too many registrations came from this address. Try again later."
            }),
        )
        .with("retry-after", wait.as_secs_rounded_up().to_string())
    }

    /// Lets pages of any origin read the reply: documents and endpoints that use no cookie.
    #[must_use]
    pub fn for_any_origin(self) -> Self {
        self.with("access-control-allow-origin", "*".to_owned())
    }

    /// The answer to a browser's question whether it may ask (Fetch standard, "CORS-preflight fetch").
    #[must_use]
    pub fn preflight() -> Self {
        Self { status: 204, headers: Vec::new(), body: String::new() }
            .with("access-control-allow-methods", "GET, POST, OPTIONS".to_owned())
            .with(
                "access-control-allow-headers",
                "authorization, content-type, mcp-protocol-version".to_owned(),
            )
            .with("access-control-max-age", "86400".to_owned())
            .for_any_origin()
    }

    /// Sends the browser elsewhere.
    #[must_use]
    pub fn redirect(location: String) -> Self {
        Self::new(302, "text/plain; charset=utf-8", String::new()).with("location", location)
    }

    /// The same reply with one more header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The verb is not served here; `allow` lists those that are (RFC 9110, section 15.5.6).
    #[must_use]
    pub fn wrong_method(allow: &str) -> Self {
        Self::text(405, "This verb is not served here.").with("allow", allow.to_owned())
    }

    /// A refusal in the form of RFC 6750, section 3: a challenge and the same in JSON.
    #[must_use]
    pub fn challenge(
        config: &Config,
        status: u16,
        error: Option<&str>,
        description: &str,
        scope: Option<&str>,
    ) -> Self {
        // RFC 9728, section 5.1: from here a client finds out how to sign in.
        let mut challenge = format!("Bearer resource_metadata=\"{}{RESOURCE_PATH}\"", config.public_url);
        if let Some(error) = error {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{description}\""));
        }
        if let Some(scope) = scope {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        let body = json!({ "error": error.unwrap_or("unauthorized"), "error_description": description });
        Self::json(status, &body).with("www-authenticate", challenge)
    }

    /// There is no such page.
    #[must_use]
    pub fn not_found() -> Self {
        Self::text(404, "There is nothing here.")
    }

    /// Nothing is served while the settings are not complete.
    #[must_use]
    pub fn not_configured() -> Self {
        Self::json(
            503,
            &json!({
                "error": "not_configured",
                "error_description": "This server is not configured completely. Its operators find what is missing \
                                      at /healthz."
            }),
        )
    }

    /// The body exceeds the bound of its endpoint, in bytes.
    #[must_use]
    pub fn too_large(bytes_max: usize) -> Self {
        Self::json(
            413,
            &json!({
                "error": "too_large",
                "error_description": format!("A request here may have at most {bytes_max} bytes.")
            }),
        )
    }

    /// This instance holds as many bodies as its memory allows.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::json(
            503,
            &json!({
                "error": "overloaded",
                "error_description": "The server is receiving too many large requests at once. Try again in 2 s."
            }),
        )
        .with("retry-after", "2".to_owned())
    }

    /// The user's object did not answer.
    #[must_use]
    pub fn object_unavailable() -> Self {
        Self::json(
            503,
            &json!({
                "error": "temporarily_unavailable",
                "error_description": "Your session could not be reached. Try again in 2 s."
            }),
        )
        .with("retry-after", "2".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::config_at;

    #[test]
    fn a_challenge_names_the_error_and_what_to_do() {
        let config = config_at("https://mcp.example.com");
        let reply = Reply::challenge(&config, 401, Some("invalid_token"), "Sign in again.", None);
        let header = reply.headers.iter().find(|(name, _)| *name == "www-authenticate").unwrap();
        assert_eq!(
            header.1,
            "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\", error=\"invalid_token\", error_description=\"Sign in again.\""
        );
        // RFC 6750, section 3.1: no error code when the request carried no credentials.
        let bare = Reply::challenge(&config, 401, None, "Sign in first.", None);
        let header = bare.headers.iter().find(|(name, _)| *name == "www-authenticate").unwrap();
        assert!(!header.1.contains("error"));
    }

    #[test]
    fn pages_cannot_be_framed_or_scripted() {
        let page = Reply::page(200, "<p>x</p>".into());
        let policy = page.headers.iter().find(|(name, _)| *name == "content-security-policy").unwrap();
        assert!(policy.1.contains("frame-ancestors 'none'") && policy.1.contains("default-src 'none'"));
    }
}
