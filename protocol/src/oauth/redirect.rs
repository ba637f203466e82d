//! Redirect URIs: which may be registered, which a request may name, and how they are shown.
//!
//! What holds here: a redirect URI is compared exactly, except for the port of a loopback address (RFC 8252, section 7.3);
//! none of them can be read by another parser as something else than what is compared here.

const URI_CHARS_MAX: usize = 512;

/// Schemes of applications that are installed on a person's machine and register nothing better.
const APP_SCHEMES: [&str; 5] = ["cursor", "vscode", "vscode-insiders", "windsurf", "zed"];

/// Whether an answer may go to `asked`, given what was registered.
#[must_use]
pub fn redirect_matches(registered: &[String], asked: &str) -> bool {
    registered.iter().any(|known| known == asked || same_loopback(known, asked))
}

/// The host of a redirect URI, to be shown to the person.
#[must_use]
pub fn redirect_host(uri: &str) -> &str {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

/// Whether a redirect URI may be registered at all.
#[must_use]
pub fn is_acceptable_redirect(uri: &str) -> bool {
    // No character that another parser could read differently: control characters, spaces, backslashes, non-ASCII.
    let clean = uri.len() <= URI_CHARS_MAX
        && uri
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'<' | b'>' | b'"'));
    let Some((scheme, rest)) = uri.split_once("://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    // A host is shown to the person and stands in a security policy: nothing may be in it that is no host.
    let is_host = authority
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']'));
    if !clean || authority.is_empty() || !is_host {
        return false;
    }
    match scheme {
        "https" => true,
        "http" => is_loopback(authority),
        other => APP_SCHEMES.contains(&other),
    }
}

pub(super) fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    matches!(host, "127.0.0.1" | "localhost" | "[::1]")
}

/// Equal but for the port of a loopback address, which an application on the person's machine picks anew each time.
fn same_loopback(known: &str, asked: &str) -> bool {
    let split = |uri: &str| {
        let rest = uri.strip_prefix("http://")?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let path = rest.get(authority.len()..).unwrap_or_default().to_owned();
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_owned();
        is_loopback(authority).then_some((host, path))
    };
    is_acceptable_redirect(asked) && split(known).is_some() && split(known) == split(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_match_exactly_but_for_the_port_of_a_loopback_address() {
        let registered = vec!["http://127.0.0.1:3000/cb".to_owned(), "https://a.example/cb?x=1".to_owned()];
        assert!(redirect_matches(&registered, "http://127.0.0.1:54321/cb"));
        assert!(redirect_matches(&registered, "http://127.0.0.1/cb"));
        assert!(redirect_matches(&registered, "https://a.example/cb?x=1"));
        for other in [
            "http://localhost:3000/cb",
            "http://127.0.0.1:3000/cb/",
            "http://127.0.0.1:3000/cb?x",
            "https://a.example/cb",
            "https://a.example/cb?x=1&y",
            "https://a.example:8443/cb?x=1",
            "http://127.0.0.1:3000@evil.example/cb",
        ] {
            assert!(!redirect_matches(&registered, other), "{other}");
        }
    }
}
