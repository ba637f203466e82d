//! Client ID metadata documents: a client that is named by the URL of its own description
//! (draft-ietf-oauth-client-id-metadata-document-00; MCP 2026-07-28, basic/authorization).
//!
//! What holds here: only a URL that leads to the public web is ever fetched, and only one that every parser reads alike;
//! a document speaks for the URL under which it was found and for no other; such a client has no secret.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::{AuthMethod, Client, Metadata};
use super::redirect::is_acceptable_redirect;
use crate::limits::{DOCUMENT_BYTES_MAX, DOCUMENT_FRESH_FOR, DOCUMENT_FRESH_FOR_MAX};
use crate::time::{DurationMs, UnixMs};

const URL_CHARS_MAX: usize = 512;
const REDIRECTS_MAX: usize = 32;

/// Names that lead into somebody's own network or nowhere (RFC 6761, RFC 6762, RFC 8375, RFC 9476, and what is used so
/// without a standard). The fetcher's platform refuses private addresses too; a name is refused before it is looked up.
const PRIVATE_SUFFIXES: [&str; 13] = [
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localhost",
    "onion",
    "private",
    "test",
];

/// The URL of a document, which is also its client's identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentUrl(String);

impl DocumentUrl {
    /// Reads an identifier as the URL of a document; none where it is none, or none that may be fetched. `local_origin` is
    /// the one origin that is excepted, for runs on one machine.
    #[must_use]
    pub fn read(text: &str, local_origin: Option<&str>) -> Option<Self> {
        let is_local = local_origin
            .is_some_and(|origin| text.strip_prefix(origin).is_some_and(|rest| rest.starts_with('/')));
        let rest = text.strip_prefix(if is_local { "http://" } else { "https://" })?;
        let (authority, target) = rest.split_at(rest.find('/')?);
        let path = target.split('?').next().unwrap_or_default();
        let clean = text.len() <= URL_CHARS_MAX
            && target.bytes().all(|byte| {
                byte.is_ascii_graphic()
                    && !matches!(
                        byte,
                        b'\\' | b'#' | b'<' | b'>' | b'"' | b'\'' | b'`' | b'{' | b'}' | b'|' | b'^'
                    )
            });
        let is_acceptable = clean
            && path.len() > 1
            && !path.split('/').any(is_dot_segment)
            && (is_local || is_public_authority(authority));
        is_acceptable.then(|| Self(text.to_owned()))
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, which is all that vouches for the client; with its port, if it names one.
    #[must_use]
    pub fn host(&self) -> &str {
        super::redirect::redirect_host(&self.0)
    }
}

/// Whether a path's segment means another place once it is resolved (RFC 3986, section 5.2.4; WHATWG URL, "double-dot
/// path segment").
fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Whether a host is a name of the public web, and a port a number. Addresses are refused in every spelling: a name's last
/// label begins with a letter, which that of no IPv4 address does, and brackets are no part of a name.
fn is_public_authority(authority: &str) -> bool {
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let port_is_good = port.is_none_or(|port| {
        !port.starts_with('0') && port.parse::<u16>().is_ok_and(|port| port != 443) && port.len() <= 5
    });
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let last = labels.last().copied().unwrap_or_default();
    port_is_good
        && labels.len() > 1
        && labels.iter().all(is_label)
        && last.starts_with(|first: char| first.is_ascii_lowercase())
        && !PRIVATE_SUFFIXES.contains(&last)
}

/// What the fetcher found, in its own words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Fetched {
    /// The document, if one was found.
    pub body: Option<String>,
    /// The `Cache-Control` header.
    pub cache_control: Option<String>,
    /// The `Age` header, in seconds.
    pub age: Option<u64>,
    /// How many seconds after its `Date` the answer's `Expires` lies.
    pub expires_in: Option<u64>,
}

/// How long a document may be used without asking again (RFC 9111, section 4.2.1), within a bound; zero if it must not be
/// kept.
#[must_use]
pub fn fresh_for(fetched: &Fetched) -> DurationMs {
    let directives = fetched.cache_control.as_deref().unwrap_or_default().to_ascii_lowercase();
    let has = |name: &str| directives.split(',').any(|directive| directive.trim() == name);
    if has("no-store") || has("no-cache") || has("private") {
        return DurationMs(0);
    }
    let seconds = |name: &str| {
        directives.split(',').find_map(|directive| {
            directive.trim().strip_prefix(name)?.strip_prefix('=')?.trim_matches('"').parse::<u64>().ok()
        })
    };
    let lifetime = seconds("s-maxage").or_else(|| seconds("max-age")).or(fetched.expires_in);
    let Some(lifetime) = lifetime else { return DOCUMENT_FRESH_FOR };
    let left = lifetime.saturating_sub(fetched.age.unwrap_or(0)).min(DOCUMENT_FRESH_FOR_MAX.0 / 1_000);
    DurationMs::from_secs(left)
}

/// Reads the document that was found at a URL.
///
/// # Errors
/// A sentence for whoever publishes it.
pub fn read_document(url: &DocumentUrl, body: &str, now: UnixMs) -> Result<Client, &'static str> {
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err("The document has more than 5 KB.");
    }
    let value: Value = serde_json::from_str(body).map_err(|_| "The document is no JSON.")?;
    // Byte for byte: otherwise whoever can put a document somewhere could speak for another place.
    if value.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        return Err("The document's client_id is not the URL at which it was found.");
    }
    check_secrets(&value)?;
    let metadata: Metadata =
        serde_json::from_value(value).map_err(|_| "A member of the document has the wrong type.")?;
    if metadata.client_name.as_ref().is_none_or(|name| name.trim().is_empty()) {
        return Err("The document has no client_name.");
    }
    metadata.check_capabilities().map_err(|error| error.description)?;
    let named = metadata.redirect_uris.clone().unwrap_or_default();
    // One that is not accepted here can be of use to the client elsewhere; it is as if it were not there.
    let redirect_uris: Vec<String> =
        named.into_iter().filter(|uri| is_acceptable_redirect(uri)).take(REDIRECTS_MAX).collect();
    if redirect_uris.is_empty() {
        return Err("The document has no redirect_uris that are acceptable here.");
    }
    Ok(Client { name: metadata.shown_name(), redirect_uris, auth_method: AuthMethod::None, issued_at: now })
}

/// A document is public, so nothing in it can be secret, and no method that rests on a shared secret can be meant. Where a
/// client offers a choice of methods, `none` has to be among them (OpenID Connect RP Metadata Choices 1.0).
fn check_secrets(document: &Value) -> Result<(), &'static str> {
    if document.get("client_secret").is_some() || document.get("client_secret_expires_at").is_some() {
        return Err("The document holds a client_secret, which everybody can read.");
    }
    let keys =
        document.pointer("/jwks/keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_private = |key: &Value| {
        key.get("kty").is_some_and(|kind| kind == "oct")
            || ["d", "p", "q", "dp", "dq", "qi", "k"].iter().any(|part| key.get(part).is_some())
    };
    if keys.iter().any(is_private) {
        return Err("The document holds a private or symmetric key, which everybody can read.");
    }
    let method = document.get("token_endpoint_auth_method").and_then(Value::as_str);
    if method.is_some_and(|method| method.starts_with("client_secret_")) {
        return Err("The document names a token_endpoint_auth_method with a shared secret. Use none.");
    }
    let can_go_without = match document.get("token_endpoint_auth_methods_supported").and_then(Value::as_array)
    {
        Some(choices) => choices.iter().any(|choice| choice == "none"),
        None => method.is_none_or(|method| method == "none"),
    };
    if can_go_without {
        Ok(())
    } else {
        Err("This server takes the token_endpoint_auth_method none from clients with a document.")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const URL: &str = "https://app.example/oauth/client.json";

    fn url() -> DocumentUrl {
        DocumentUrl::read(URL, None).unwrap()
    }

    fn document(changes: &Value) -> Result<Client, &'static str> {
        let mut document = json!({
            "client_id": URL, "client_name": "App", "redirect_uris": ["https://app.example/cb"],
        });
        for (name, value) in changes.as_object().unwrap() {
            document[name] = value.clone();
        }
        read_document(&url(), &document.to_string(), UnixMs(1))
    }

    #[test]
    fn only_urls_of_the_public_web_are_fetched() {
        for good in [
            URL,
            "https://chatgpt.com/oauth/IbUR3zxyNQ16/client.json",
            "https://app.example:8443/c",
            "https://a-b.xn--p1ai/c?v=1",
            "https://app.example/@user/c",
        ] {
            assert_eq!(DocumentUrl::read(good, None).map(|url| url.0), Some(good.to_owned()));
        }
        let bad = [
            "http://app.example/c",
            "https://app.example",
            "https://app.example/",
            "https:///c",
            "https://",
            "HTTPS://app.example/c",
            "https://APP.example/c",
            "https://user@app.example/c",
            "https://user:pass@app.example/c",
            "https://app.example/c#x",
            "https://app.example/a/../c",
            "https://app.example/a/./c",
            "https://app.example/%2e%2E/c",
            "https://app.example/.%2e",
            "https://app.example\\@evil.example/c",
            "https://app.example/c\n",
            " https://app.example/c",
            "https://app.example/\tc",
            "https://app.example:443/c",
            "https://app.example:0/c",
            "https://app.example:99999/c",
            "https://app.example:080/c",
            "https://app.example:/c",
            "https://app.example./c",
            "https://.example/c",
            "https://app..example/c",
            "https://app_x.example%2f/c",
            "https://app.example?x=/c",
            "//app.example/c",
            "ftp://app.example/c",
            "data:application/json,{}",
            "file:///etc/passwd",
            "gopher://app.example/c",
            "m365c_x",
            "",
        ];
        for text in bad {
            assert_eq!(DocumentUrl::read(text, None), None, "{text:?}");
        }
        assert_eq!(DocumentUrl::read(&format!("https://app.example/{}", "x".repeat(500)), None), None);
    }

    #[test]
    fn addresses_and_private_names_are_refused_in_every_spelling() {
        let hosts = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "8.8.8.8",
            "1.1",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[fe80::1]",
            "[fe80::1%25eth0]",
            "[fc00::1]",
            "[fd12::1]",
            "[64:ff9b::7f00:1]",
            "[2001:db8::1]",
            "[0:0:0:0:0:0:0:1]",
            "::1",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "app.localhost",
            "printer.local",
            "metadata.google.internal",
            "router.lan",
            "nas.home",
            "x.home.arpa",
            "1.0.0.127.in-addr.arpa",
            "wiki.corp",
            "x.test",
            "x.invalid",
            "x.onion",
            "intranet",
            "db",
            "x.private",
            "127\u{ff0e}0.0.1",
            "\u{24b6}pp.example",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "app.example%00.evil",
        ];
        for host in hosts {
            for text in [format!("https://{host}/c"), format!("https://{host}:8443/c")] {
                assert_eq!(DocumentUrl::read(&text, None), None, "{text:?}");
            }
        }
    }

    #[test]
    fn one_local_origin_is_excepted_where_it_was_set() {
        let local = Some("http://127.0.0.1:4000");
        assert!(DocumentUrl::read("http://127.0.0.1:4000/c.json", local).is_some());
        for other in [
            "http://127.0.0.1:4001/c.json",
            "http://127.0.0.1:40000/c.json",
            "http://127.0.0.1:4000@x.example/c",
            "http://127.0.0.1:4000",
            "http://127.0.0.1:4000/",
            "http://127.0.0.1:4000/a/../c",
            "https://127.0.0.1:4000/c.json",
        ] {
            assert_eq!(DocumentUrl::read(other, local), None, "{other}");
        }
        assert_eq!(DocumentUrl::read("http://127.0.0.1:4000/c.json", None), None);
    }

    #[test]
    fn a_document_speaks_for_its_own_url_alone() {
        assert!(document(&json!({})).is_ok());
        for other in [
            json!("https://app.example/oauth/client.json/"),
            json!("https://app.example/oauth/client.json?"),
            json!("https://APP.example/oauth/client.json"),
            json!("https://other.example/oauth/client.json"),
            json!(""),
            json!(null),
            json!([URL]),
        ] {
            assert!(document(&json!({"client_id": other})).is_err(), "{other}");
        }
        assert!(read_document(&url(), "[]", UnixMs(1)).is_err());
        assert!(read_document(&url(), "<html>", UnixMs(1)).is_err());
        let large = json!({"padding": "x".repeat(DOCUMENT_BYTES_MAX)});
        assert_eq!(document(&large), Err("The document has more than 5 KB."));
    }

    #[test]
    fn a_document_needs_a_name_and_a_redirect_and_asks_for_what_is_served() {
        for bad in [
            json!({"client_name": null}),
            json!({"client_name": "  "}),
            json!({"client_name": 5}),
            json!({"redirect_uris": null}),
            json!({"redirect_uris": []}),
            json!({"redirect_uris": "https://a.example/"}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"grant_types": ["implicit"]}),
            json!({"response_types": ["token"]}),
        ] {
            assert!(document(&bad).is_err(), "{bad}");
        }
        let mixed =
            document(&json!({"redirect_uris": ["javascript:alert(1)", "https://app.example/cb"]})).unwrap();
        assert_eq!(mixed.redirect_uris, ["https://app.example/cb"]);
        let named = document(&json!({"client_name": "A\u{202e}pp"})).unwrap();
        assert_eq!((named.name.as_str(), named.auth_method), ("App", AuthMethod::None));
    }

    #[test]
    fn secrets_and_methods_that_rest_on_them_are_refused() {
        for bad in [
            json!({"client_secret": "s"}),
            json!({"client_secret_expires_at": 0}),
            json!({"token_endpoint_auth_method": "client_secret_post"}),
            json!({"token_endpoint_auth_method": "client_secret_basic"}),
            json!({"token_endpoint_auth_method": "client_secret_jwt"}),
            json!({"token_endpoint_auth_method": "private_key_jwt"}),
            json!({"token_endpoint_auth_method": "tls_client_auth"}),
            json!({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}),
            json!({"token_endpoint_auth_methods_supported": []}),
            json!({"jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}),
            json!({"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB", "d": "x"}]}}),
        ] {
            assert!(document(&bad).is_err(), "{bad}");
        }
        assert!(document(&json!({"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}})).is_ok());
    }

    #[test]
    fn a_document_in_the_shape_of_chatgpt_s_is_accepted_as_a_public_client() {
        let client = document(&json!({
            "client_uri": "https://app.example/", "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
            "token_endpoint_auth_signing_alg": "RS256", "jwks_uri": "https://app.example/jwks.json",
        }));
        assert_eq!(client.unwrap().auth_method, AuthMethod::None);
    }

    #[test]
    fn a_document_is_kept_as_long_as_its_headers_allow_and_a_week_at_most() {
        let fresh = |cache_control: &str, age: Option<u64>, expires_in: Option<u64>| {
            let cache_control = Some(cache_control.to_owned()).filter(|text| !text.is_empty());
            fresh_for(&Fetched { body: None, cache_control, age, expires_in }).0 / 1_000
        };
        assert_eq!(fresh("public, max-age=3600", None, None), 3_600);
        assert_eq!(fresh("max-age=3600", Some(600), Some(5)), 3_000);
        assert_eq!(fresh("max-age=60, s-maxage=120", None, None), 120);
        assert_eq!(fresh("max-age=60", Some(90), None), 0);
        assert_eq!(fresh("MAX-AGE=31536000, immutable", None, None), 7 * 24 * 3_600);
        assert_eq!(fresh("", None, Some(900)), 900);
        assert_eq!(fresh("max-age=soon", None, None), DOCUMENT_FRESH_FOR.0 / 1_000);
        for never in ["no-store", "no-cache, max-age=60", "private, max-age=60", "max-age=0"] {
            assert_eq!(fresh(never, None, None), 0, "{never}");
        }
    }
}
