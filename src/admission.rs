//! Admission: who may speak to an object, decided before any object is addressed.
//!
//! What holds here: a page of another origin and a name that was rebound to this address are refused; a token is taken
//! from the header alone, never from a query; it is opened without any storage.

use protocol::access_token::{AccessClaims, Opened};
use protocol::config::Config;
use protocol::time::UnixMs;
use protocol::tools::catalogue::base_scopes;

use crate::reply::Reply;

/// The parts of a request that admission looks at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Presented<'a> {
    /// The `Host` of the request.
    pub host: &'a str,
    /// The `Origin` header.
    pub origin: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
}

/// Checks the host and the origin, against pages that use a browser to reach this server (MCP 2025-11-25,
/// basic/transports, "Security Warning").
///
/// # Errors
/// A 403 that says which of the two is not accepted.
pub fn check_origin(config: &Config, presented: Presented<'_>) -> Result<(), Reply> {
    let own = authority(&config.public_url);
    if !is_same_place(own, presented.host) {
        return Err(Reply::text(403, "This server does not answer under this host name."));
    }
    let origin_is_own = match presented.origin {
        None => true,
        Some(origin) => {
            let (scheme, rest) = origin.split_once("://").unwrap_or(("", ""));
            config.public_url.starts_with(&format!("{scheme}://")) && is_same_place(own, rest)
        }
    };
    if origin_is_own {
        Ok(())
    } else {
        Err(Reply::text(403, "Pages of other origins may not call this server."))
    }
}

/// Opens the bearer token. `opened` belongs to this configuration, for the life of the instance.
///
/// # Errors
/// A 401 with a challenge: bare when no token came, with `invalid_token` when one came that is not accepted.
pub fn admit(
    config: &Config,
    opened: &Opened,
    presented: Presented<'_>,
    now: UnixMs,
) -> Result<AccessClaims, Reply> {
    let Some(header) = presented.authorization else {
        // The scopes of all everyday tools at once: many clients ask only once.
        let scopes = base_scopes(config.offer()).join(" ");
        return Err(Reply::challenge(
            config,
            401,
            None,
            "This request needs an access token.",
            Some(&scopes),
        ));
    };
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        _ => {
            let why = "This server accepts bearer tokens only.";
            return Err(Reply::challenge(
                config,
                401,
                None,
                why,
                Some(&base_scopes(config.offer()).join(" ")),
            ));
        }
    };
    opened
        .verify(&config.encryption_keys, token, &config.resource(), now)
        .map_err(|refused| Reply::challenge(config, 401, Some("invalid_token"), refused.description(), None))
}

fn authority(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// Whether two authorities name the same place. For a loopback address all of its names are the same, since a person
/// types either.
fn is_same_place(own: &str, other: &str) -> bool {
    if own.eq_ignore_ascii_case(other) {
        return true;
    }
    let split = |text: &str| {
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        (matches!(host, "127.0.0.1" | "localhost" | "[::1]"), port.to_owned())
    };
    let ((own_is_loopback, own_port), (other_is_loopback, other_port)) = (split(own), split(other));
    own_is_loopback && other_is_loopback && own_port == other_port
}

#[cfg(test)]
mod tests {
    use protocol::access_token::issue;
    use protocol::ids::{GrantId, UserKey};

    use super::*;
    use crate::health::tests::config_at;

    fn presented<'a>(host: &'a str, origin: Option<&'a str>) -> Presented<'a> {
        Presented { host, origin, authorization: None }
    }

    #[test]
    fn hosts_and_origins_must_be_our_own() {
        let config = config_at("https://mcp.example.com");
        let check = |host, origin| check_origin(&config, presented(host, origin)).is_ok();
        assert!(check("mcp.example.com", None));
        assert!(check("MCP.example.com", Some("https://mcp.example.com")));
        assert!(!check("evil.example.com", None));
        assert!(!check("mcp.example.com", Some("https://evil.example.com")));
        assert!(!check("mcp.example.com", Some("http://mcp.example.com")));
        assert!(!check("mcp.example.com", Some("null")));
        assert!(!check("mcp.example.com", Some("")));
        assert!(!check("localhost", None));
    }

    #[test]
    fn loopback_names_are_one_place_but_ports_are_not() {
        let config = config_at("http://127.0.0.1:8787");
        let check = |host, origin| check_origin(&config, presented(host, origin)).is_ok();
        assert!(check("localhost:8787", Some("http://localhost:8787")));
        assert!(!check("localhost:8788", None));
        assert!(!check("127.0.0.1:8787", Some("http://localhost:9999")));
        assert!(!check("evil.example:8787", None));
    }

    #[test]
    fn tokens_come_in_the_header_only_and_are_checked() {
        let config = config_at("https://mcp.example.com");
        let claims = AccessClaims {
            user: UserKey::from_bytes([1; 16]),
            grant: GrantId::from_bytes([2; 16]),
            client: "c".into(),
            scopes: vec![],
            audience: config.resource(),
            issued_at: UnixMs(0),
            expires_at: UnixMs(1_000),
            access_identity: None,
        };
        let token = issue(&config.encryption_keys, &claims, [0; 12]).unwrap();
        let opened = Opened::default();
        let with = |header: &str, now| {
            let presented = Presented { authorization: Some(header), ..presented("mcp.example.com", None) };
            admit(&config, &opened, presented, UnixMs(now)).map_err(|reply| {
                let challenge = reply.headers.iter().find(|(name, _)| *name == "www-authenticate");
                (reply.status, challenge.unwrap().1.contains("invalid_token"))
            })
        };
        assert_eq!(with(&format!("Bearer {}", token.expose()), 1), Ok(claims.clone()));
        assert_eq!(with(&format!("bearer {}", token.expose()), 1), Ok(claims));
        assert_eq!(with(&format!("Bearer {}", token.expose()), 1_000), Err((401, true)));
        assert_eq!(with("Bearer x", 1), Err((401, true)));
        assert_eq!(with("Basic dXNlcjpw", 1), Err((401, false)));
        assert_eq!(with("", 1), Err((401, false)));
    }
}
