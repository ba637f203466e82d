//! The discovery documents: what the protected resource and the authorization server say of themselves.
//!
//! What holds here: every URL begins with the public origin, the issuer is that origin to the letter (RFC 8414, section
//! 3.3), and nothing is advertised that is not served.

use serde_json::{Value, json};

/// The path of the protected resource's document; clients also ask at the root (RFC 9728, section 3.1).
pub const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource/mcp";

/// The document of the protected resource (RFC 9728).
#[must_use]
pub fn protected_resource(public_url: &str, resource: &str, scopes: &[&str]) -> Value {
    json!({
        "resource": resource,
        "authorization_servers": [public_url],
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": "Microsoft 365",
        "resource_documentation": public_url,
    })
}

/// In which ways clients that are not known yet can become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomers {
    /// Whether they may register.
    pub may_register: bool,
    /// Whether they may be named by the URL of a document.
    pub may_have_document: bool,
}

/// The document of the authorization server (RFC 8414, with RFC 9207).
#[must_use]
pub fn authorization_server(public_url: &str, scopes: &[&str], newcomers: Newcomers) -> Value {
    // `offline_access` stands here and not in the resource's document: clients ask for it to get a refresh token.
    let all: Vec<&str> = scopes.iter().copied().chain(["offline_access"]).collect();
    let mut document = json!({
        "issuer": public_url,
        "authorization_endpoint": format!("{public_url}/authorize"),
        "token_endpoint": format!("{public_url}/token"),
        "revocation_endpoint": format!("{public_url}/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "scopes_supported": all,
        "authorization_response_iss_parameter_supported": true,
    });
    if let Some(members) = document.as_object_mut() {
        if newcomers.may_register {
            members.insert("registration_endpoint".to_owned(), format!("{public_url}/register").into());
        }
        if newcomers.may_have_document {
            members.insert("client_id_metadata_document_supported".to_owned(), true.into());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_agree_with_each_other() {
        let newcomers = Newcomers { may_register: true, may_have_document: true };
        let server = authorization_server("https://mcp.example", &["mail.read"], newcomers);
        let resource = protected_resource("https://mcp.example", "https://mcp.example/mcp", &["mail.read"]);
        assert_eq!(resource["authorization_servers"][0], server["issuer"]);
        assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
        assert!(!resource["scopes_supported"].to_string().contains("offline_access"));
    }

    #[test]
    fn only_served_ways_of_registration_are_advertised() {
        let document = |may_register, may_have_document| {
            authorization_server("https://mcp.example", &[], Newcomers { may_register, may_have_document })
        };
        let (open, closed) = (document(true, true), document(false, false));
        assert_eq!(open["registration_endpoint"], "https://mcp.example/register");
        assert_eq!(open["client_id_metadata_document_supported"], true);
        for name in ["registration_endpoint", "client_id_metadata_document_supported"] {
            assert!(closed.get(name).is_none(), "{name}");
        }
    }
}
