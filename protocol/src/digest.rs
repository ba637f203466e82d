//! Digests and the text forms of bytes: SHA-256, keyed digests, lower-case hexadecimal and base64url.
//!
//! A keyed digest stands wherever something that a person wrote has to be recognised again without being kept.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hkdf::hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// SHA-256 over parts, each preceded by its length, so that no two lists of parts share an input.
#[must_use]
pub fn sha256_of_parts(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Plain SHA-256, as PKCE's S256 method asks for (RFC 7636, section 4.2).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The first 16 bytes of HMAC-SHA-256 over length-prefixed parts.
///
/// Sixteen bytes are enough to recognise a repeat; the key keeps anyone who reads the row from testing guesses.
#[must_use]
pub fn keyed_digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 16] {
    keyed_digests(key)(parts)
}

/// [`keyed_digest`] for many texts under one key, which is worked into it once.
pub fn keyed_digests(key: &[u8; 32]) -> impl Fn(&[&[u8]]) -> [u8; 16] + use<> {
    let begun = Hmac::<Sha256>::new_from_slice(key);
    move |parts| {
        let Ok(mut mac) = begun.clone() else {
            // HMAC accepts a key of any length (RFC 2104, section 2), so this branch cannot be reached; the digest
            // of the same parts keeps the function total without a panic.
            return first_16(&sha256_of_parts(parts));
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        first_16(&mac.finalize().into_bytes().into())
    }
}

/// Compares two digests in a time that does not depend on where they differ.
#[must_use]
pub fn is_equal(one: &[u8; 16], other: &[u8; 16]) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}

/// The first half of a SHA-256 value.
#[must_use]
pub fn first_16(digest: &[u8; 32]) -> [u8; 16] {
    let mut half = [0_u8; 16];
    for (to, from) in half.iter_mut().zip(digest) {
        *to = *from;
    }
    half
}

/// Bytes as lower-case hexadecimal.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)]).collect()
}

/// Reads hexadecimal of either case; `None` for an odd length or any other character.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|character| character.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    Some(
        digits?
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0_u8, |byte, nibble| (byte << 4) | nibble))
            .collect(),
    )
}

/// Bytes as base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding; `None` for anything else.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A JSON value as text with sorted members, so that equal values have equal texts whatever order they came in.
#[must_use]
pub fn canonical_json(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::Object(members) => {
            let mut names: Vec<&String> = members.keys().collect();
            names.sort_unstable();
            let written: Vec<String> = names
                .into_iter()
                .filter_map(|name| {
                    let member = members.get(name)?;
                    Some(format!("{}:{}", Value::from(name.as_str()), canonical_json(member)))
                })
                .collect();
            format!("{{{}}}", written.join(","))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(canonical_json).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

/// Reads base64 with padding; `None` for anything else.
#[must_use]
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_round_trips_and_refuses_the_rest() {
        assert_eq!(to_hex(&[0, 0xab, 0x1f]), "00ab1f");
        assert_eq!(from_hex("00AB1f"), Some(vec![0, 0xab, 0x1f]));
        assert_eq!(from_hex("abc"), None);
        assert_eq!(from_hex("zz"), None);
    }

    #[test]
    fn parts_are_told_apart_by_their_lengths() {
        assert_ne!(sha256_of_parts(&[b"ab", b"c"]), sha256_of_parts(&[b"a", b"bc"]));
    }

    #[test]
    fn the_order_of_members_does_not_matter() {
        let one = serde_json::json!({"a": [1, {"y": null, "x": "\""}], "b": true});
        let other: serde_json::Value =
            serde_json::from_str(r#"{"b":true,"a":[1,{"x":"\"","y":null}]}"#).unwrap();
        assert_eq!(canonical_json(&one), canonical_json(&other));
        assert_eq!(canonical_json(&one), r#"{"a":[1,{"x":"\"","y":null}],"b":true}"#);
    }

    #[test]
    fn digests_are_equal_in_every_byte_or_not_at_all() {
        assert!(is_equal(&[7; 16], &[7; 16]));
        for position in 0..16 {
            let mut changed = [7; 16];
            changed[position] ^= 0x80;
            assert!(!is_equal(&[7; 16], &changed));
        }
    }

    #[test]
    fn a_keyed_digest_depends_on_the_key() {
        assert_ne!(keyed_digest(&[1; 32], &[b"x"]), keyed_digest(&[2; 32], &[b"x"]));
    }
}
