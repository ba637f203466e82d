//! Authenticated encryption at rest and in tokens: HKDF-SHA-256 per purpose and scope, then AES-256-GCM.
//!
//! What holds here: a sealed value opens only under the purpose, the scope (the user) and the associated data
//! that it was sealed with, so that no row can be moved to another user, another table or another version.
//! The newest key seals and every key of the ring opens. Nonces are drawn by the caller and never repeated
//! under one key (NIST SP 800-38D, section 8.2.2). Opening never says why it failed.

use std::cell::RefCell;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use compute::aead::Cipher;
pub use compute::aead::NONCE_BYTES;
use hkdf::Hkdf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ids::UserKey;
use crate::secret::Secret;
use crate::{cbor, digest};

/// The identifier of the key in a setting that is a plain hexadecimal key.
pub const PLAIN_KEY_ID: &str = "0";

const FORMAT: u8 = 1;
const KEY_ID_BYTES_MAX: usize = 32;
const KEYS_MAX: usize = 8;

/// What a sealed value is for. Each purpose has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Access tokens that MCP clients present.
    AccessToken,
    /// The link that lets a person connect a Microsoft account, and the state that travels to Microsoft and back.
    Connect,
    /// Microsoft tokens in the user's object.
    Vault,
    /// Answers kept for a repeat of the same request.
    Answer,
    /// The key of the digests by which an object recognises a repeated call.
    Digest,
    /// Client identifiers, whose keys rotate only when one was compromised.
    Registration,
    /// Authorization codes and refresh tokens, and what travels with them.
    Authorization,
    /// What joins the rounds of a request that asks its client.
    RequestState,
    /// The addresses at which Microsoft's notifications arrive.
    Notification,
    /// Where an answer goes on that was cut.
    Cursor,
    /// What cookies hold.
    Cookie,
    /// The signatures of cookies.
    CookieSignature,
    /// The digests by which operators find a person of an address.
    AddressIndex,
    /// The credential of an operator where Access does not take part.
    Operator,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Self::AccessToken => "m365-mcp-server/v1/access-token",
            Self::Connect => "m365-mcp-server/v1/connect",
            Self::Vault => "m365-mcp-server/v1/vault",
            Self::Answer => "m365-mcp-server/v1/answer",
            Self::Digest => "m365-mcp-server/v1/digest",
            Self::Registration => "m365-mcp-server/v1/registration",
            Self::Authorization => "m365-mcp-server/v1/authorization",
            Self::RequestState => "m365-mcp-server/v1/request-state",
            Self::Notification => "m365-mcp-server/v1/notification",
            Self::Cursor => "m365-mcp-server/v1/cursor",
            Self::Cookie => "m365-mcp-server/v1/cookie",
            Self::CookieSignature => "m365-mcp-server/v1/cookie-signature",
            Self::AddressIndex => "m365-mcp-server/v1/address-index",
            Self::Operator => "m365-mcp-server/v1/operator",
        }
    }
}

/// Whose value it is. A value sealed for one user does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Values that must be opened before the user is known, such as access tokens.
    Anyone,
    /// Values of one user.
    User(UserKey),
}

/// Why a key setting cannot be used. The text never contains any of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRingError {
    /// The setting is empty.
    Empty,
    /// More keys than a rotation needs.
    TooMany,
    /// An item is neither 64 hexadecimal digits nor `kid:base64`.
    MalformedItem,
    /// A key is not 32 bytes long.
    WrongLength,
    /// Two items carry the same key identifier.
    RepeatedKeyId,
}

impl std::fmt::Display for KeyRingError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Empty => "is empty",
            Self::TooMany => "holds more than 8 keys",
            Self::MalformedItem => {
                "must be 64 hexadecimal digits, or a comma-separated list of kid:base64 items"
            }
            Self::WrongLength => "must hold keys of exactly 32 bytes",
            Self::RepeatedKeyId => "names the same key identifier twice",
        })
    }
}

/// A sealed value that could not be opened: wrong key, wrong owner, wrong purpose, cut or changed.
///
/// The cases are deliberately not told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CannotOpen;

/// What was inside a sealed value.
pub struct Opened {
    /// The plaintext, wiped when dropped.
    pub plaintext: Zeroizing<Vec<u8>>,
}

struct RingKey {
    id: String,
    key: Secret<[u8; 32]>,
    /// What was derived lately. Every request opens a token with the same key, and deriving it costs as much as opening.
    ciphers: RefCell<Vec<Derived>>,
}

struct Derived {
    purpose: Purpose,
    scope: Scope,
    cipher: Cipher,
}

/// A request opens a token, and its object an answer and Microsoft's tokens; each takes about a kilobyte.
const CIPHERS_MAX: usize = 8;

impl RingKey {
    fn new(id: &str, key: Secret<[u8; 32]>) -> Self {
        Self { id: id.to_owned(), key, ciphers: RefCell::new(Vec::new()) }
    }

    /// Works with the cipher of a purpose and a scope.
    fn with_cipher<T>(
        &self,
        purpose: Purpose,
        scope: Scope,
        work: impl FnOnce(&Cipher) -> Result<T, CannotOpen>,
    ) -> Result<T, CannotOpen> {
        let mut ciphers = self.ciphers.borrow_mut();
        let known = ciphers.iter().position(|known| known.purpose == purpose && known.scope == scope);
        let place = match known {
            Some(place) => place,
            None => {
                if ciphers.len() >= CIPHERS_MAX {
                    ciphers.remove(0);
                }
                ciphers.push(Derived { purpose, scope, cipher: cipher(&self.key, purpose, scope)? });
                ciphers.len() - 1
            }
        };
        ciphers.get(place).ok_or(CannotOpen).and_then(|known| work(&known.cipher))
    }
}

/// The keys of one setting, newest first: the first seals, all of them open.
pub struct KeyRing {
    newest: RingKey,
    older: Vec<RingKey>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "KeyRing(newest {}, {} older)", self.newest.id, self.older.len())
    }
}

impl KeyRing {
    /// Reads a key setting: `kid:base64,kid:base64,…` newest first, or 64 hexadecimal digits, a ring of one key
    /// whose identifier is [`PLAIN_KEY_ID`].
    ///
    /// # Errors
    /// [`KeyRingError`] says what is wrong without repeating any of the value.
    pub fn parse(setting: &str) -> Result<Self, KeyRingError> {
        let setting = setting.trim();
        let mut keys: Vec<RingKey> = Vec::new();
        for item in setting.split(',').map(str::trim) {
            if item.is_empty() {
                return Err(if setting.is_empty() {
                    KeyRingError::Empty
                } else {
                    KeyRingError::MalformedItem
                });
            }
            let key = Self::parse_item(item)?;
            if keys.iter().any(|known| known.id == key.id) {
                return Err(KeyRingError::RepeatedKeyId);
            }
            keys.push(key);
        }
        if keys.len() > KEYS_MAX {
            return Err(KeyRingError::TooMany);
        }
        let mut keys = keys.into_iter();
        let newest = keys.next().ok_or(KeyRingError::Empty)?;
        Ok(Self { newest, older: keys.collect() })
    }

    fn parse_item(item: &str) -> Result<RingKey, KeyRingError> {
        let (id, bytes) = match item.split_once(':') {
            None => (PLAIN_KEY_ID, digest::from_hex(item).ok_or(KeyRingError::MalformedItem)?),
            Some((id, encoded)) => {
                let readable = !id.is_empty()
                    && id.len() <= KEY_ID_BYTES_MAX
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
                let bytes = STANDARD
                    .decode(encoded)
                    .or_else(|_| STANDARD_NO_PAD.decode(encoded))
                    .or_else(|_| URL_SAFE_NO_PAD.decode(encoded));
                match (readable, bytes) {
                    (true, Ok(bytes)) => (id, bytes),
                    _ => return Err(KeyRingError::MalformedItem),
                }
            }
        };
        let bytes = Zeroizing::new(bytes);
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyRingError::WrongLength)?;
        Ok(RingKey::new(id, Secret::new(key)))
    }

    /// Seals `plaintext` with the newest key.
    ///
    /// The result is `format | length of key id | key id | nonce | ciphertext and tag`. `nonce` must be fresh
    /// random bytes.
    ///
    /// # Errors
    /// [`CannotOpen`] when the cipher refuses the input, which it does only above 64 GiB.
    pub fn seal(
        &self,
        purpose: Purpose,
        scope: Scope,
        associated_data: &[u8],
        nonce: [u8; NONCE_BYTES],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CannotOpen> {
        let seal = |cipher: &Cipher| cipher.seal(nonce, associated_data, plaintext).ok_or(CannotOpen);
        let sealed = self.newest.with_cipher(purpose, scope, seal)?;
        let id = self.newest.id.as_bytes();
        let mut out = Vec::with_capacity(2 + id.len() + NONCE_BYTES + sealed.len());
        out.push(FORMAT);
        out.push(u8::try_from(id.len()).map_err(|_| CannotOpen)?);
        out.extend_from_slice(id);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`KeyRing::seal`] made, with whichever key of the ring sealed it.
    ///
    /// # Errors
    /// [`CannotOpen`] for anything that was not sealed with these keys for this purpose, scope and data.
    pub fn open(
        &self,
        purpose: Purpose,
        scope: Scope,
        associated_data: &[u8],
        sealed: &[u8],
    ) -> Result<Opened, CannotOpen> {
        let (id, nonce, ciphertext) = split(sealed).ok_or(CannotOpen)?;
        let open = |cipher: &Cipher| cipher.open(nonce, associated_data, ciphertext).ok_or(CannotOpen);
        let plaintext = self.named(id)?.with_cipher(purpose, scope, open)?;
        Ok(Opened { plaintext: Zeroizing::new(plaintext) })
    }

    /// Seals a value as the text of a token, a link or a form: base64url of what [`KeyRing::seal`] makes of its CBOR.
    ///
    /// # Errors
    /// [`CannotOpen`] when sealing fails, which is a fault of this server.
    pub fn seal_text<T: Serialize>(
        &self,
        purpose: Purpose,
        scope: Scope,
        associated_data: &[u8],
        nonce: [u8; NONCE_BYTES],
        value: &T,
    ) -> Result<String, CannotOpen> {
        let plaintext = Zeroizing::new(cbor::encode(value).ok_or(CannotOpen)?);
        let sealed = self.seal(purpose, scope, associated_data, nonce, &plaintext)?;
        Ok(digest::to_base64url(&sealed))
    }

    /// Opens what [`KeyRing::seal_text`] made. How long a text may be that is looked at at all, its kind decides.
    ///
    /// # Errors
    /// [`CannotOpen`] for anything that was not sealed with these keys for this purpose, scope and data.
    pub fn open_text<T: DeserializeOwned>(
        &self,
        purpose: Purpose,
        scope: Scope,
        associated_data: &[u8],
        text: &str,
    ) -> Result<T, CannotOpen> {
        let sealed = digest::from_base64url(text).ok_or(CannotOpen)?;
        let opened = self.open(purpose, scope, associated_data, &sealed)?;
        cbor::decode(&opened.plaintext).ok_or(CannotOpen)
    }

    /// The identifier of the key that seals.
    #[must_use]
    pub fn newest_id(&self) -> &str {
        &self.newest.id
    }

    /// Whether a sealed value names the newest key. It is not opened, so this says nothing of whether it can be.
    #[must_use]
    pub fn is_sealed_by_newest(&self, sealed: &[u8]) -> bool {
        split(sealed).is_some_and(|(id, _, _)| id == self.newest.id.as_bytes())
    }

    /// A 32-byte key of a purpose and a scope, derived from the key that sealed a value, so that what is derived lives
    /// as long as the value.
    ///
    /// # Errors
    /// [`CannotOpen`] when no key of the ring sealed it.
    pub fn derived_key(
        &self,
        purpose: Purpose,
        scope: Scope,
        sealed: &[u8],
    ) -> Result<Secret<[u8; 32]>, CannotOpen> {
        let (id, _, _) = split(sealed).ok_or(CannotOpen)?;
        derive(&self.named(id)?.key, purpose, scope).map(Secret::new)
    }

    /// Signs with the newest key, whose identifier comes first in the pair.
    ///
    /// # Errors
    /// [`CannotOpen`] when no key can be derived, which is a fault of this server.
    pub fn sign(&self, purpose: Purpose, data: &[u8]) -> Result<(&str, [u8; 16]), CannotOpen> {
        let key = Zeroizing::new(derive(&self.newest.key, purpose, Scope::Anyone)?);
        Ok((&self.newest.id, digest::keyed_digest(&key, &[data])))
    }

    /// The signatures under every key, the newest first: by them what was found under an older key is found again.
    ///
    /// # Errors
    /// [`CannotOpen`] when no key can be derived, which is a fault of this server.
    pub fn marks(&self, purpose: Purpose, data: &[u8]) -> Result<Vec<[u8; 16]>, CannotOpen> {
        let ring = std::iter::once(&self.newest).chain(&self.older);
        ring.map(|key| {
            let key = Zeroizing::new(derive(&key.key, purpose, Scope::Anyone)?);
            Ok(digest::keyed_digest(&key, &[data]))
        })
        .collect()
    }

    /// Checks what [`KeyRing::sign`] made, with the key that it names.
    ///
    /// # Errors
    /// [`CannotOpen`] for any other signature.
    pub fn check(
        &self,
        purpose: Purpose,
        key_id: &str,
        data: &[u8],
        signature: &[u8],
    ) -> Result<(), CannotOpen> {
        let signature = <[u8; 16]>::try_from(signature).map_err(|_| CannotOpen)?;
        let key = Zeroizing::new(derive(&self.named(key_id.as_bytes())?.key, purpose, Scope::Anyone)?);
        let expected = digest::keyed_digest(&key, &[data]);
        if digest::is_equal(&expected, &signature) { Ok(()) } else { Err(CannotOpen) }
    }

    fn named(&self, id: &[u8]) -> Result<&RingKey, CannotOpen> {
        std::iter::once(&self.newest).chain(&self.older).find(|key| key.id.as_bytes() == id).ok_or(CannotOpen)
    }
}

fn split(sealed: &[u8]) -> Option<(&[u8], [u8; NONCE_BYTES], &[u8])> {
    let (&[format, id_length], rest) = sealed.split_first_chunk::<2>()?;
    if format != FORMAT {
        return None;
    }
    let (id, rest) = rest.split_at_checked(usize::from(id_length))?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
    Some((id, *nonce, ciphertext))
}

fn cipher(key: &Secret<[u8; 32]>, purpose: Purpose, scope: Scope) -> Result<Cipher, CannotOpen> {
    let derived = Zeroizing::new(derive(key, purpose, scope)?);
    Ok(Cipher::new(&derived))
}

/// HKDF-SHA-256 (RFC 5869) with the purpose and the scope in `info`, so that every pair has a key of its own.
fn derive(key: &Secret<[u8; 32]>, purpose: Purpose, scope: Scope) -> Result<[u8; 32], CannotOpen> {
    let mut derived = [0_u8; 32];
    let scope_bytes: &[u8] = match &scope {
        Scope::Anyone => b"",
        Scope::User(user) => user.as_bytes(),
    };
    Hkdf::<Sha256>::new(None, key.expose())
        .expand_multi_info(&[purpose.label().as_bytes(), b"/", scope_bytes], &mut derived)
        .map_err(|_| CannotOpen)?;
    Ok(derived)
}

#[cfg(test)]
mod tests;
