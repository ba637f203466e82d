//! What the unit tests of several machines share: a complete configuration and a user.

use protocol::config::Config;
use protocol::ids::UserKey;

/// A user.
pub(crate) const fn user() -> UserKey {
    UserKey::from_bytes([1; 16])
}

/// A complete configuration.
pub(crate) fn config() -> Config {
    config_with(&[])
}

/// A complete configuration with some settings changed.
pub(crate) fn config_with(changes: &[(&str, &str)]) -> Config {
    Config::from_settings(|name| {
        let changed = changes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        let value = changed.or(match name {
            "PUBLIC_URL" => Some("https://mcp.example.com"),
            "ACCESS_MODE" => Some("open"),
            "GRAPH_API_VERSION" => Some("v1.0"),
            "MICROSOFT_CLIENT_ID" => Some("client"),
            "MICROSOFT_CLIENT_SECRET" => Some("secret"),
            "MICROSOFT_TENANT_ID" => Some("tenant"),
            "EGRESS" => Some("ai_run"),
            "GATEWAY_ID" => Some("m365-gateway"),
            "ENCRYPTION_KEY" | "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET" => {
                Some("1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a")
            }
            _ => None,
        });
        value.map(str::to_owned)
    })
    .unwrap()
}
