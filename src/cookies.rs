//! Cookies: how they are named, written and found.
//!
//! What holds here: a cookie belongs to this very host, no script and no other site's form reaches it, and what it holds is
//! encrypted and signed. Whatever else a browser sends is as if it were not there.

use protocol::config::Config;
use protocol::cookie::{CookieKeys, open_cookie, seal_cookie};
use protocol::seal::NONCE_BYTES;
use protocol::time::DurationMs;

/// The header that sets a cookie; none when a browser would not keep it.
#[must_use]
pub fn set_cookie(
    config: &Config,
    name: &str,
    content: &[u8],
    lifetime: DurationMs,
    nonce: [u8; NONCE_BYTES],
) -> Option<String> {
    let value = seal_cookie(keys(config), name, content, nonce).ok()?;
    Some(header(config, name, &value, lifetime))
}

/// The header that takes a cookie away.
#[must_use]
pub fn end_cookie(config: &Config, name: &str) -> String {
    header(config, name, "", DurationMs(0))
}

/// What the cookie of a name holds. Of several, the first that opens counts: another one is none of ours.
#[must_use]
pub fn read_cookie(config: &Config, name: &str, cookies: Option<&str>) -> Option<Vec<u8>> {
    let wire = wire_name(config, name);
    cookies?.split(';').find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == wire).then(|| open_cookie(keys(config), name, value).ok()).flatten()
    })
}

/// What the cookie of a name holds, as text.
#[must_use]
pub fn read_text_cookie(config: &Config, name: &str, cookies: Option<&str>) -> Option<String> {
    read_cookie(config, name, cookies).and_then(|content| String::from_utf8(content).ok())
}

const fn keys(config: &Config) -> CookieKeys<'_> {
    CookieKeys { encryption: &config.cookie_encryption_keys, signing: &config.cookie_keys }
}

/// The `__Host-` prefix binds a cookie to this very host (RFC 6265bis, section 4.1.3.2), but browsers refuse it without
/// encryption, which a loopback address does not have.
fn wire_name(config: &Config, name: &str) -> String {
    if config.public_url.starts_with("https://") { format!("__Host-{name}") } else { name.to_owned() }
}

fn header(config: &Config, name: &str, value: &str, lifetime: DurationMs) -> String {
    let secure = if config.public_url.starts_with("https://") { "; Secure" } else { "" };
    format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={}{secure}",
        wire_name(config, name),
        lifetime.0 / 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::config_at;

    #[test]
    fn a_cookie_is_of_this_host_alone_and_out_of_reach_of_scripts() {
        let config = config_at("https://mcp.example.com");
        let header = set_cookie(&config, "x", b"content", DurationMs::from_secs(600), [1; 12]).unwrap();
        assert!(header.starts_with("__Host-x="));
        assert!(header.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"), "{header}");
        assert!(!header.contains("Domain"));
        assert!(set_cookie(&config, "x", &[0; 4_000], DurationMs(1), [1; 12]).is_none());
        assert!(end_cookie(&config, "x").contains("Max-Age=0"));
    }

    #[test]
    fn a_cookie_is_found_among_others_and_those_that_somebody_tossed_in() {
        let config = config_at("https://mcp.example.com");
        let header = set_cookie(&config, "x", b"content", DurationMs::from_secs(600), [1; 12]).unwrap();
        let own = header.split(';').next().unwrap();
        let read = |cookies: &str| read_text_cookie(&config, "x", Some(cookies));
        assert_eq!(read(own), Some("content".into()));
        assert_eq!(read(&format!("a=b; __Host-x=tossed; {own}; __Host-x=")), Some("content".into()));
        let without_prefix = own.replace("__Host-", "");
        let other_name = own.replace("__Host-x", "__Host-y");
        for cookies in ["", "=", ";", "__Host-x", "__Host-x=content", &without_prefix, &other_name] {
            assert_eq!(read(cookies), None, "{cookies}");
        }
        assert_eq!(read_text_cookie(&config, "x", None), None);
    }
}
