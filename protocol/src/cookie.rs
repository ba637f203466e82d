//! The contents of cookies: encrypted under one key ring, signed under another.
//!
//! What holds here: a cookie opens only under the name that it was made for, and only if both rings still hold the keys
//! that made it; what it holds can be neither read nor changed where it is kept.

use crate::digest;
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};

/// Browsers keep 4,096 bytes of a cookie with its name and attributes (RFC 6265, section 6.1).
const CHARS_MAX: usize = 3_500;

/// The two rings, `COOKIE_ENCRYPTION_KEY` and `COOKIE_SECRET`.
#[derive(Clone, Copy)]
pub struct CookieKeys<'a> {
    /// Encrypts.
    pub encryption: &'a KeyRing,
    /// Signs.
    pub signing: &'a KeyRing,
}

/// Writes the value of a cookie: `sealed.kid.signature`.
///
/// # Errors
/// [`CannotOpen`] when sealing fails, or when a browser would not keep the cookie.
pub fn seal_cookie(
    keys: CookieKeys<'_>,
    name: &str,
    content: &[u8],
    nonce: [u8; NONCE_BYTES],
) -> Result<String, CannotOpen> {
    let sealed = keys.encryption.seal(Purpose::Cookie, Scope::Anyone, name.as_bytes(), nonce, content)?;
    let sealed = digest::to_base64url(&sealed);
    let (key_id, signature) = keys.signing.sign(Purpose::CookieSignature, &signed(name, &sealed))?;
    let value = format!("{sealed}.{key_id}.{}", digest::to_base64url(&signature));
    if value.len() <= CHARS_MAX { Ok(value) } else { Err(CannotOpen) }
}

/// Opens the value of a cookie.
///
/// # Errors
/// [`CannotOpen`] for anything that was not made with these keys for this name.
pub fn open_cookie(keys: CookieKeys<'_>, name: &str, value: &str) -> Result<Vec<u8>, CannotOpen> {
    let mut parts = value.split('.');
    let (Some(sealed), Some(key_id), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(CannotOpen);
    };
    if value.len() > CHARS_MAX {
        return Err(CannotOpen);
    }
    let signature = digest::from_base64url(signature).ok_or(CannotOpen)?;
    keys.signing.check(Purpose::CookieSignature, key_id, &signed(name, sealed), &signature)?;
    let sealed = digest::from_base64url(sealed).ok_or(CannotOpen)?;
    let opened = keys.encryption.open(Purpose::Cookie, Scope::Anyone, name.as_bytes(), &sealed)?;
    Ok(opened.plaintext.to_vec())
}

/// No name holds a line break, so that no two pairs give the same text.
fn signed(name: &str, sealed: &str) -> Vec<u8> {
    [name.as_bytes(), b"\n", sealed.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const B: &str = "b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(text).unwrap()
    }

    fn open(encryption: &str, signing: &str, name: &str, value: &str) -> Option<Vec<u8>> {
        let (encryption, signing) = (ring(encryption), ring(signing));
        let keys = CookieKeys { encryption: &encryption, signing: &signing };
        open_cookie(keys, name, value).ok()
    }

    fn sealed() -> String {
        let (encryption, signing) = (ring(A), ring(B));
        let keys = CookieKeys { encryption: &encryption, signing: &signing };
        seal_cookie(keys, "journey", b"secret", [1; 12]).unwrap()
    }

    #[test]
    fn a_cookie_opens_with_both_keys_and_under_its_own_name() {
        let value = sealed();
        assert_eq!(open(A, B, "journey", &value), Some(b"secret".to_vec()));
        assert_eq!(open(A, B, "consent", &value), None);
        assert_eq!(open(B, B, "journey", &value), None, "another encryption key");
        assert_eq!(open(A, A, "journey", &value), None, "another signing key");
        assert!(!value.contains("secret"));
    }

    #[test]
    fn a_cookie_survives_the_rotation_of_either_ring_and_of_both() {
        let both = [format!("{B},{A}"), format!("{A},{B}")];
        let value = sealed();
        for (encryption, signing) in [(both[0].as_str(), B), (A, both[1].as_str()), (&both[0], &both[1])] {
            assert_eq!(open(encryption, signing, "journey", &value), Some(b"secret".to_vec()));
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let value = sealed();
        for position in 0..value.len() {
            let mut changed = value.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(open(A, B, "journey", &changed), None, "{position}");
        }
        for other in ["", ".", "..", "...", "a.b.c", &value[1..], &format!("{value}.x"), &"A".repeat(5_000)] {
            assert_eq!(open(A, B, "journey", other), None, "{other}");
        }
    }
}
