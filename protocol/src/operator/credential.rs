//! The credential of an operator where no application of Access stands in front of the operators' pages.
//!
//! What holds here: it is sealed, so that only who has the encryption key can make one; it is for one deployment, names
//! who it was made for, and ends within a shift, because it cannot be taken back. It is never logged.

use serde::{Deserialize, Serialize};

use crate::ids::{GrantId, UserKey};
use crate::limits::{CLOCK_SKEW, OPERATOR_CREDENTIAL_LIFETIME_MAX, OPERATOR_FORM_LIFETIME};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::secret::Secret;
use crate::time::UnixMs;

/// Every credential starts with this, so that secret scanners and people recognise one that leaked.
pub const PREFIX: &str = "m365op_";

/// The longest text that is looked at.
const CHARS_MAX: usize = 1_024;

/// The longest name of an operator.
const NAME_BYTES_MAX: usize = 64;

const CREDENTIAL: &[u8] = b"operator-credential/v1";
const CONFIRMATION: &[u8] = b"operator-confirmation/v1";

/// What a credential says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Who it was made for, as the trail names them.
    #[serde(rename = "n")]
    pub name: String,
    /// The deployment that it is for: its public URL.
    #[serde(rename = "a")]
    pub audience: String,
    /// When it was made.
    #[serde(rename = "i")]
    pub issued_at: UnixMs,
    /// When it ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
}

impl Credential {
    /// Makes the text of a credential.
    ///
    /// # Errors
    /// [`CannotOpen`] for a name that cannot stand in the trail, a life that is too long, or keys that cannot seal.
    pub fn issue(&self, keys: &KeyRing, nonce: [u8; NONCE_BYTES]) -> Result<Secret<String>, CannotOpen> {
        if !self.is_in_order() {
            return Err(CannotOpen);
        }
        let sealed = keys.seal_text(Purpose::Operator, Scope::Anyone, CREDENTIAL, nonce, self)?;
        Ok(Secret::new(format!("{PREFIX}{sealed}")))
    }

    /// Opens a credential.
    ///
    /// # Errors
    /// [`CannotOpen`] for anything that is not a credential of this deployment for now. The cases are not told apart.
    pub fn open(keys: &KeyRing, text: &str, audience: &str, now: UnixMs) -> Result<Self, CannotOpen> {
        let sealed = text.trim().strip_prefix(PREFIX).filter(|text| text.len() <= CHARS_MAX);
        let credential: Self =
            keys.open_text(Purpose::Operator, Scope::Anyone, CREDENTIAL, sealed.ok_or(CannotOpen)?)?;
        let is_now = credential.issued_at <= now.plus(CLOCK_SKEW) && now < credential.expires_at;
        let is_good = credential.audience == audience && credential.is_in_order() && is_now;
        if is_good { Ok(credential) } else { Err(CannotOpen) }
    }

    fn is_in_order(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=NAME_BYTES_MAX).contains(&self.name.len())
            && self.name.bytes().all(is_plain)
            && self.expires_at.since(self.issued_at) <= OPERATOR_CREDENTIAL_LIFETIME_MAX
    }
}

/// That an operator was told what an action does and wants it done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The operator who was asked.
    #[serde(rename = "o")]
    pub operator: String,
    /// The action's name.
    #[serde(rename = "w")]
    pub action: String,
    /// The person it is about; none for what is done for the deployment as a whole.
    #[serde(rename = "u")]
    pub user: Option<UserKey>,
    /// The grant it is about.
    #[serde(rename = "g")]
    pub grant: Option<GrantId>,
    /// When the operator was asked.
    #[serde(rename = "t")]
    pub asked_at: UnixMs,
}

impl Confirmation {
    /// The text that the operator sends back.
    ///
    /// # Errors
    /// [`CannotOpen`] when it cannot be sealed, which is a fault of this server.
    pub fn seal(&self, keys: &KeyRing, nonce: [u8; NONCE_BYTES]) -> Result<String, CannotOpen> {
        keys.seal_text(Purpose::Operator, Scope::Anyone, CONFIRMATION, nonce, self)
    }

    /// Whether a text confirms exactly this, by the same operator, and not too long ago; the time in `self` is not
    /// compared.
    #[must_use]
    pub fn is_given_by(&self, keys: &KeyRing, text: &str, now: UnixMs) -> bool {
        if text.len() > CHARS_MAX {
            return false;
        }
        let Ok(given) = keys.open_text::<Self>(Purpose::Operator, Scope::Anyone, CONFIRMATION, text) else {
            return false;
        };
        let asked_at = given.asked_at;
        let is_recent = now.since(asked_at) <= OPERATOR_FORM_LIFETIME && asked_at <= now.plus(CLOCK_SKEW);
        is_recent && given == Self { asked_at, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DurationMs;

    const NOW: UnixMs = UnixMs(1_767_323_045_006);
    const HOUR: u64 = 60 * 60 * 1_000;

    fn keys() -> KeyRing {
        KeyRing::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
    }

    fn credential() -> Credential {
        Credential {
            name: "ada".into(),
            audience: "https://mcp.example.com".into(),
            issued_at: NOW,
            expires_at: NOW.plus(DurationMs(8 * HOUR)),
        }
    }

    #[test]
    fn a_credential_is_good_for_its_deployment_within_its_time() {
        let text = credential().issue(&keys(), [1; 12]).unwrap();
        let open = |audience: &str, at: UnixMs| Credential::open(&keys(), text.expose(), audience, at);
        assert_eq!(open("https://mcp.example.com", NOW), Ok(credential()));
        assert_eq!(open("https://other.example.com", NOW), Err(CannotOpen));
        assert_eq!(open("https://mcp.example.com", NOW.plus(DurationMs(8 * HOUR))), Err(CannotOpen));
        assert_eq!(open("https://mcp.example.com", NOW.minus(DurationMs(HOUR))), Err(CannotOpen));
        assert!(!text.expose().contains("ada"));
    }

    #[test]
    fn nobody_can_make_one_that_lasts_or_has_a_name_that_could_mislead() {
        let too_long = Credential { expires_at: NOW.plus(DurationMs(13 * HOUR)), ..credential() };
        assert!(too_long.issue(&keys(), [1; 12]).is_err());
        for name in ["", "a b", "<b>", "a\n", &"a".repeat(65)] {
            assert!(
                Credential { name: name.into(), ..credential() }.issue(&keys(), [1; 12]).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = credential().issue(&keys(), [1; 12]).unwrap().expose().clone();
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                Credential::open(&keys(), &changed, "https://mcp.example.com", NOW).is_err(),
                "{position}"
            );
        }
    }

    #[test]
    fn a_confirmation_is_for_one_operator_one_action_and_one_person_and_for_ten_minutes() {
        let asked = Confirmation {
            operator: "ada".into(),
            action: "erase".into(),
            user: Some(UserKey::from_bytes([1; 16])),
            grant: None,
            asked_at: NOW,
        };
        let text = asked.seal(&keys(), [1; 12]).unwrap();
        let later = NOW.plus(DurationMs(9 * 60_000));
        assert!(Confirmation { asked_at: later, ..asked.clone() }.is_given_by(&keys(), &text, later));
        for other in [
            Confirmation { operator: "bob".into(), ..asked.clone() },
            Confirmation { action: "pause".into(), ..asked.clone() },
            Confirmation { user: Some(UserKey::from_bytes([2; 16])), ..asked.clone() },
            Confirmation { user: None, ..asked.clone() },
            Confirmation { grant: Some(GrantId::from_bytes([2; 16])), ..asked.clone() },
        ] {
            assert!(!other.is_given_by(&keys(), &text, NOW), "{other:?}");
        }
        assert!(!asked.is_given_by(&keys(), &text, NOW.plus(DurationMs(11 * 60_000))));
        assert!(!asked.is_given_by(&keys(), &text[1..], NOW) && !asked.is_given_by(&keys(), "", NOW));
    }
}
