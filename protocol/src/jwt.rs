//! Signed tokens of other issuers: their form, the keys that sign them, and when keys are fetched again.
//!
//! What holds here: a token is RS256 or nothing, whatever it says of itself (RFC 8725, section 3.1); a key is chosen by its
//! name alone; an unknown name makes the keys be fetched again at most once in a while, so that made-up tokens cost
//! nobody a request each. Nothing here checks a signature: that is the platform's business.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::digest::from_base64url;
use crate::limits::{KEYS_FETCHED_AGAIN_AFTER, KEYS_FRESH_FOR, KEYS_KEPT_MAX, SIGNED_TOKEN_BYTES_MAX};
use crate::time::UnixMs;

/// Why a token is not believed: the name of the check that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotBelieved(pub &'static str);

/// A token in the compact form of RFC 7515, section 7.1, taken apart for the check of its signature.
pub struct SignedToken<'a> {
    /// The name of the key.
    pub key_id: String,
    /// What was signed.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Takes a token apart. Two tokens in one header are none.
///
/// # Errors
/// [`NotBelieved`] names what is wrong.
pub fn take_apart(token: &str) -> Result<SignedToken<'_>, NotBelieved> {
    #[derive(Deserialize)]
    struct Header {
        alg: String,
        kid: String,
        crit: Option<IgnoredAny>,
    }
    if token.len() > SIGNED_TOKEN_BYTES_MAX {
        return Err(NotBelieved("size"));
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(NotBelieved("shape"))?;
    let (header, payload) = signed.split_once('.').ok_or(NotBelieved("shape"))?;
    if payload.contains('.') {
        return Err(NotBelieved("shape"));
    }
    let header = from_base64url(header).ok_or(NotBelieved("shape"))?;
    let header: Header = serde_json::from_slice(&header).map_err(|_| NotBelieved("header"))?;
    if header.alg != "RS256" {
        return Err(NotBelieved("algorithm"));
    }
    // Nothing that a header could declare critical is understood here (RFC 7515, section 4.1.11).
    if header.crit.is_some() {
        return Err(NotBelieved("header"));
    }
    let signature = from_base64url(signature).ok_or(NotBelieved("shape"))?;
    Ok(SignedToken { key_id: header.kid, signed, signature })
}

/// The claims of a token.
///
/// # Errors
/// [`NotBelieved`] when they are not the JSON object that is expected.
pub fn claims<T: serde::de::DeserializeOwned>(token: &str) -> Result<T, NotBelieved> {
    let payload = token.split('.').nth(1).and_then(from_base64url).ok_or(NotBelieved("shape"))?;
    serde_json::from_slice(&payload).map_err(|_| NotBelieved("claims"))
}

/// One published key (RFC 7517, section 4; RFC 7518, section 6.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SigningKey {
    /// Its name.
    pub kid: String,
    /// Its type; only `RSA` is of use.
    pub kty: String,
    /// The modulus.
    #[serde(default)]
    pub n: String,
    /// The exponent.
    #[serde(default)]
    pub e: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
}

impl SigningKey {
    fn is_of_use(&self) -> bool {
        self.kty == "RSA"
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
    }
}

/// What to do about the name of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Check the signature with this key.
    Key(SigningKey),
    /// Fetch the keys and choose again.
    Fetch,
    /// There is no such key.
    Unknown,
}

/// The published keys of one issuer, as one instance knows them.
#[derive(Debug, Default)]
pub struct KeyCache {
    keys: Vec<SigningKey>,
    fetched_at: Option<UnixMs>,
    looked_again_at: Option<UnixMs>,
}

impl KeyCache {
    /// An empty cache.
    #[must_use]
    pub const fn new() -> Self {
        Self { keys: Vec::new(), fetched_at: None, looked_again_at: None }
    }

    /// Chooses a key by its name. A look that the cache asks for on account of an unknown name is counted at once, so
    /// that whoever asks in the meantime gets no second one.
    pub fn choose(&mut self, key_id: &str, now: UnixMs) -> Choice {
        if self.fetched_at.is_none_or(|at| now.since(at) >= KEYS_FRESH_FOR) {
            return Choice::Fetch;
        }
        if let Some(key) = self.find(key_id) {
            return Choice::Key(key);
        }
        if self.looked_again_at.is_some_and(|at| now.since(at) < KEYS_FETCHED_AGAIN_AFTER) {
            return Choice::Unknown;
        }
        self.looked_again_at = Some(now);
        Choice::Fetch
    }

    /// Takes what was fetched and gives the key of this name, if it is there now.
    pub fn take(&mut self, fetched: Vec<SigningKey>, key_id: &str, now: UnixMs) -> Option<SigningKey> {
        self.keys = fetched;
        self.keys.retain(SigningKey::is_of_use);
        self.keys.truncate(KEYS_KEPT_MAX);
        self.fetched_at = Some(now);
        self.find(key_id)
    }

    fn find(&self, key_id: &str) -> Option<SigningKey> {
        self.keys.iter().find(|key| key.kid == key_id).cloned()
    }
}

/// Reads a published set of keys; `None` unless it is one.
#[must_use]
pub fn read_keys(body: &[u8]) -> Option<Vec<SigningKey>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let set: Set = serde_json::from_slice(body).ok()?;
    // A key of a kind that is not known here does not spoil the others (RFC 7517, section 5).
    Some(set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::to_base64url;

    fn token(header: &str) -> String {
        format!("{}.{}.{}", to_base64url(header.as_bytes()), to_base64url(b"{}"), to_base64url(b"signature"))
    }

    fn refused(text: &str) -> &'static str {
        take_apart(text).err().unwrap().0
    }

    fn keys(names: &[&str]) -> Vec<SigningKey> {
        let list: Vec<_> = names
            .iter()
            .map(|name| serde_json::json!({"kid": name, "kty": "RSA", "n": "n", "e": "AQAB"}))
            .collect();
        read_keys(serde_json::json!({ "keys": list }).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn only_rs256_in_three_parts_is_looked_at() {
        let good = token(r#"{"alg":"RS256","kid":"a"}"#);
        assert_eq!(take_apart(&good).unwrap().key_id, "a");
        for algorithm in ["none", "None", "HS256", "rs256", "RS384", "PS256", "ES256", ""] {
            assert_eq!(refused(&token(&format!(r#"{{"alg":"{algorithm}","kid":"a"}}"#))), "algorithm");
        }
        for header in [
            "{}",
            r#"{"alg":"RS256"}"#,
            r#"{"alg":["RS256"],"kid":"a"}"#,
            r#"{"alg":"RS256","kid":"a","crit":[]}"#,
        ] {
            assert_eq!(refused(&token(header)), "header", "{header}");
        }
        for text in
            ["", ".", "..", "a.b", "a.b.c", &format!("{good}.x"), &format!("{good}, {good}"), &good[1..]]
        {
            assert!(take_apart(text).is_err(), "{text}");
        }
        assert_eq!(refused(&"a".repeat(SIGNED_TOKEN_BYTES_MAX + 1)), "size");
    }

    #[test]
    fn an_unknown_name_is_looked_up_once_in_a_while() {
        let mut cache = KeyCache::new();
        let at = |ms| UnixMs(1_000_000 + ms);
        assert_eq!(cache.choose("a", at(0)), Choice::Fetch);
        assert!(cache.take(keys(&["a"]), "a", at(0)).is_some());
        assert!(matches!(cache.choose("a", at(1)), Choice::Key(_)));
        // A rotation right after the first fetch is seen at once, and made-up names cost nothing more.
        assert_eq!(cache.choose("b", at(2)), Choice::Fetch);
        for _ in 0..100 {
            assert_eq!(cache.choose("c", at(3)), Choice::Unknown);
        }
        assert!(cache.take(keys(&["a", "b"]), "b", at(4)).is_some());
        assert_eq!(cache.choose("c", at(2 + KEYS_FETCHED_AGAIN_AFTER.0 - 1)), Choice::Unknown);
        assert_eq!(cache.choose("c", at(2 + KEYS_FETCHED_AGAIN_AFTER.0)), Choice::Fetch);
        assert!(matches!(cache.choose("b", at(5)), Choice::Key(_)));
        assert_eq!(cache.choose("b", at(4 + KEYS_FRESH_FOR.0)), Choice::Fetch);
    }

    #[test]
    fn keys_for_something_else_are_left_out() {
        let body = serde_json::json!({"keys": [
            {"kid": "ec", "kty": "EC", "crv": "P-256"},
            {"kid": "enc", "kty": "RSA", "use": "enc", "n": "n", "e": "e"},
            {"kid": "ps", "kty": "RSA", "alg": "PS256", "n": "n", "e": "e"},
            {"kty": "oct", "k": "secret"},
            {"kid": "good", "kty": "RSA", "use": "sig", "alg": "RS256", "n": "n", "e": "e"},
        ]});
        let mut cache = KeyCache::new();
        for name in ["ec", "enc", "ps", ""] {
            let read = read_keys(body.to_string().as_bytes()).unwrap();
            assert_eq!(cache.take(read, name, UnixMs(0)), None, "{name}");
        }
        assert!(matches!(cache.choose("good", UnixMs(1)), Choice::Key(_)));
        assert_eq!(read_keys(b"[]"), None);
    }
}
