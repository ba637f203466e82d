//! The health page: whether the settings are complete, and what the instance holds.
//!
//! What holds here: a setting is named, its value never.

use protocol::config::Problem;
use protocol::time::UnixMs;
use serde_json::{Value, json};

use crate::reply::Reply;

/// The page of a deployment whose settings are complete, with what this instance saw of its credential.
#[must_use]
pub fn healthy(wasm_memory_bytes: usize, credential_refused_at: Option<UnixMs>) -> Reply {
    let mut page = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "wasmMemoryBytes": wasm_memory_bytes
    });
    if let (Some(at), Some(members)) = (credential_refused_at, page.as_object_mut()) {
        // The server runs, but nobody can sign in: an operator has to renew the secret or the certificate.
        members.insert("microsoftCredentialRefusedAt".to_owned(), at.to_iso8601().into());
    }
    Reply::json(200, &page)
}

/// The page of a deployment with problems in its settings.
#[must_use]
pub fn not_configured(problems: &[Problem]) -> Reply {
    let problems: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "setting": problem.setting, "problem": problem.reason }))
        .collect();
    Reply::json(503, &json!({ "status": "not_configured", "problems": problems }))
}

#[cfg(test)]
pub(crate) mod tests {
    use protocol::config::Config;

    use super::*;

    /// A complete configuration with the given public URL.
    pub(crate) fn config_at(public_url: &str) -> Config {
        config_with(&[("PUBLIC_URL", public_url)])
    }

    /// A complete configuration with these settings in the place of its own.
    pub(crate) fn config_with(settings: &[(&str, &str)]) -> Config {
        Config::from_settings(|name| {
            if let Some((_, value)) = settings.iter().find(|(known, _)| *known == name) {
                return Some((*value).to_owned());
            }
            let value = match name {
                "PUBLIC_URL" => "https://mcp.example.com",
                "ACCESS_MODE" => "open",
                "GRAPH_API_VERSION" => "v1.0",
                "MICROSOFT_CLIENT_ID" | "MICROSOFT_CLIENT_SECRET" | "MICROSOFT_TENANT_ID" => "x",
                "EGRESS" => "ai_run",
                "GATEWAY_ID" => "m365-gateway",
                "ENCRYPTION_KEY" | "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET" => {
                    "5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e"
                }
                _ => return None,
            };
            Some(value.to_owned())
        })
        .unwrap()
    }

    #[test]
    fn a_refused_credential_shows_until_a_sign_in_works() {
        assert!(!healthy(1, None).body.contains("Credential"));
        let page = healthy(1, Some(UnixMs(1_800_000_000_000)));
        assert_eq!(page.status, 200);
        assert!(
            page.body.contains(r#""microsoftCredentialRefusedAt":"2027-01-15T08:00:00"#),
            "{}",
            page.body
        );
    }

    #[test]
    fn problems_are_named_without_values() {
        let problems =
            Config::from_settings(|name| (name == "ENCRYPTION_KEY").then(|| "hunter2".into())).unwrap_err();
        let page = not_configured(&problems);
        assert_eq!(page.status, 503);
        assert!(page.body.contains("ENCRYPTION_KEY") && page.body.contains("GATEWAY_ID"));
        assert!(!page.body.contains("hunter2"));
    }
}
