//! The vault: seals and opens what must not lie in the object's storage in clear.
//!
//! What holds here: keys are derived for this user and for each purpose; associated data binds the record's kind, its
//! version and its own identity, so that a sealed value cannot be moved to another place. Nonces come from the turn.

use protocol::cbor;
use protocol::config::Config;
use protocol::entra::ClaimsChallenge;
use protocol::ids::{RequestId, UserKey};
use protocol::mcp::kept;
use protocol::seal::{Purpose, Scope};
use protocol::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::store::Table;
use crate::turn::{Entropy, Fault};

/// The Microsoft tokens of one person, as they stand in clear in memory only.
#[derive(Clone, Debug)]
pub struct MicrosoftTokens {
    /// The access token for Graph.
    pub access: Secret<String>,
    /// The refresh token.
    pub refresh: Secret<String>,
    /// The claims that Microsoft demanded last and that no token met yet.
    pub demanded: Option<ClaimsChallenge>,
}

#[derive(Serialize, Deserialize)]
struct Plaintext {
    a: String,
    r: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<String>,
}

/// Whose tokens they are: the associated data of Microsoft's and of Access's differ, so that neither is ever taken for
/// the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slot {
    /// Microsoft's, for Graph.
    #[default]
    Microsoft,
    /// Those of Access for SaaS, for linked apps.
    Access,
}

impl Slot {
    const fn data(self) -> &'static [u8] {
        match self {
            Self::Microsoft => b"tokens/v1/",
            Self::Access => b"access-tokens/v1/",
        }
    }
}

const ANSWER_DATA: &[u8] = b"answer/v1/";
const INQUIRY_DATA: &[u8] = b"inquiry/v1/";
const DIGEST_KEY_DATA: &[u8] = b"digest-key/v1";

/// Seals tokens; slot and generation bind the value to its row and to the row's tokens.
///
/// # Errors
/// [`Fault::Invariant`] when encoding or sealing fails.
pub fn seal_tokens(
    config: &Config,
    user: UserKey,
    (slot, generation): (Slot, u64),
    tokens: &MicrosoftTokens,
    entropy: &mut Entropy,
) -> Result<Vec<u8>, Fault> {
    let mut plaintext = Vec::new();
    let mut value = Plaintext {
        a: tokens.access.expose().clone(),
        r: tokens.refresh.expose().clone(),
        c: tokens.demanded.as_ref().map(ClaimsChallenge::text),
    };
    let encoded = ciborium::into_writer(&value, &mut plaintext);
    let sealed = encoded.ok().and_then(|()| {
        let data = [slot.data(), &generation.to_be_bytes()].concat();
        config
            .encryption_keys
            .seal(Purpose::Vault, Scope::User(user), &data, entropy.bytes(), &plaintext)
            .ok()
    });
    // The copies in clear end here, whether sealing worked or not.
    value.a.zeroize();
    value.r.zeroize();
    plaintext.zeroize();
    sealed.ok_or(Fault::Invariant("tokens could not be sealed"))
}

/// Opens tokens that [`seal_tokens`] sealed for the same user and generation.
///
/// # Errors
/// [`Fault::CannotUnseal`] when no key of the ring opens them, [`Fault::CorruptRow`] when they do not decode.
pub fn open_tokens(
    config: &Config,
    user: UserKey,
    (slot, generation): (Slot, u64),
    sealed: &[u8],
) -> Result<MicrosoftTokens, Fault> {
    let table = Table::Tokens.name();
    let data = [slot.data(), &generation.to_be_bytes()].concat();
    let opened = config
        .encryption_keys
        .open(Purpose::Vault, Scope::User(user), &data, sealed)
        .map_err(|_| Fault::CannotUnseal { table })?;
    let value: Plaintext = cbor::decode(&opened.plaintext).ok_or(Fault::CorruptRow { table })?;
    let demanded = value.c.as_deref().and_then(ClaimsChallenge::parse);
    Ok(MicrosoftTokens { access: Secret::new(value.a), refresh: Secret::new(value.r), demanded })
}

/// Seals the key under which an object recognises repeats.
///
/// # Errors
/// [`Fault::Invariant`] when sealing fails.
pub fn seal_digest_key(
    config: &Config,
    user: UserKey,
    key: &Secret<[u8; 32]>,
    entropy: &mut Entropy,
) -> Result<Vec<u8>, Fault> {
    config
        .encryption_keys
        .seal(Purpose::Digest, Scope::User(user), DIGEST_KEY_DATA, entropy.bytes(), key.expose())
        .map_err(|_| Fault::Invariant("the key for digests could not be sealed"))
}

/// Opens the key that [`seal_digest_key`] sealed for the same user.
///
/// # Errors
/// [`Fault::CannotUnseal`] when no key of the ring opens it, [`Fault::CorruptRow`] when it has another length.
pub fn open_digest_key(config: &Config, user: UserKey, sealed: &[u8]) -> Result<Secret<[u8; 32]>, Fault> {
    let table = Table::Meta.name();
    let opened = config
        .encryption_keys
        .open(Purpose::Digest, Scope::User(user), DIGEST_KEY_DATA, sealed)
        .map_err(|_| Fault::CannotUnseal { table })?;
    let key = <[u8; 32]>::try_from(opened.plaintext.as_slice()).map_err(|_| Fault::CorruptRow { table })?;
    Ok(Secret::new(key))
}

/// Seals the answer of a request, to be given again to a repeat.
///
/// # Errors
/// [`Fault::Invariant`] when sealing fails.
pub fn seal_answer(
    config: &Config,
    user: UserKey,
    request: RequestId,
    answer: &str,
    entropy: &mut Entropy,
) -> Result<Vec<u8>, Fault> {
    let data = [ANSWER_DATA, request.as_bytes().as_slice()].concat();
    config
        .encryption_keys
        .seal(Purpose::Answer, Scope::User(user), &data, entropy.bytes(), kept::shortened(answer).as_bytes())
        .map_err(|_| Fault::Invariant("an answer could not be sealed"))
}

/// Seals what a request that asks its client needs to go on.
///
/// # Errors
/// [`Fault::Invariant`] when sealing fails.
pub fn seal_inquiry(
    config: &Config,
    user: UserKey,
    request: RequestId,
    inquiry: &[u8],
    entropy: &mut Entropy,
) -> Result<Vec<u8>, Fault> {
    let data = [INQUIRY_DATA, request.as_bytes().as_slice()].concat();
    config
        .encryption_keys
        .seal(Purpose::RequestState, Scope::User(user), &data, entropy.bytes(), inquiry)
        .map_err(|_| Fault::Invariant("an inquiry could not be sealed"))
}

/// Opens what [`seal_inquiry`] sealed; `None` when no key opens it any more, in which case nothing can go on.
#[must_use]
pub fn open_inquiry(config: &Config, user: UserKey, request: RequestId, sealed: &[u8]) -> Option<Vec<u8>> {
    let data = [INQUIRY_DATA, request.as_bytes().as_slice()].concat();
    let opened = config.encryption_keys.open(Purpose::RequestState, Scope::User(user), &data, sealed).ok()?;
    Some(opened.plaintext.to_vec())
}

/// Opens an answer; `None` when no key opens it any more, in which case the request counts as never answered.
#[must_use]
pub fn open_answer(config: &Config, user: UserKey, request: RequestId, sealed: &[u8]) -> Option<String> {
    let data = [ANSWER_DATA, request.as_bytes().as_slice()].concat();
    let opened = config.encryption_keys.open(Purpose::Answer, Scope::User(user), &data, sealed).ok()?;
    kept::whole(std::str::from_utf8(&opened.plaintext).ok()?)
}

/// Seals an answer anew under the newest key; `None` when it is under that already, or when no key opens it.
///
/// # Errors
/// [`Fault::Invariant`] when sealing fails.
pub fn reseal_answer(
    config: &Config,
    user: UserKey,
    request: RequestId,
    sealed: &[u8],
    entropy: &mut Entropy,
) -> Result<Option<Vec<u8>>, Fault> {
    if config.encryption_keys.is_sealed_by_newest(sealed) {
        return Ok(None);
    }
    let opened = open_answer(config, user, request, sealed);
    opened.map(|answer| seal_answer(config, user, request, &answer, entropy)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{config_with, user};

    const OLD: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const BOTH: &str =
        "b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_key_for_digests_is_the_same_after_a_rotation() {
        let key = Secret::new([9; 32]);
        let sealed = seal_digest_key(
            &config_with(&[("ENCRYPTION_KEY", OLD)]),
            user(),
            &key,
            &mut Entropy::new([1; 32]),
        )
        .unwrap();
        let rotated = config_with(&[("ENCRYPTION_KEY", BOTH)]);
        assert_eq!(open_digest_key(&rotated, user(), &sealed).unwrap().expose(), &[9; 32]);
        let stranger = open_digest_key(&rotated, UserKey::from_bytes([8; 16]), &sealed);
        assert_eq!(stranger.unwrap_err(), Fault::CannotUnseal { table: "meta" });
    }

    #[test]
    fn an_answer_opens_for_its_own_request_only() {
        let config = config_with(&[]);
        let (one, two) = (RequestId::from_bytes([1; 16]), RequestId::from_bytes([2; 16]));
        let sealed = seal_answer(&config, user(), one, "{}", &mut Entropy::new([1; 32])).unwrap();
        assert_eq!(open_answer(&config, user(), one, &sealed).as_deref(), Some("{}"));
        assert_eq!(open_answer(&config, user(), two, &sealed), None);
    }
}
