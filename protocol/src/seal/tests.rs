//! Sealed values open for whom they were sealed, and for nobody else.

use super::*;

const OLD: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const BOTH: &str =
    "b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn user(byte: u8) -> Scope {
    Scope::User(UserKey::from_bytes([byte; 16]))
}

fn sealed() -> Vec<u8> {
    KeyRing::parse(OLD).unwrap().seal(Purpose::Vault, user(1), b"tokens/v1", [7; 12], b"hello").unwrap()
}

#[test]
fn what_was_derived_is_kept_for_its_pair_alone_and_few_are_kept() {
    let ring = KeyRing::parse(OLD).unwrap();
    let seal = |ring: &KeyRing, byte| ring.seal(Purpose::Vault, user(byte), b"", [byte; 12], b"x").unwrap();
    // Twice round: each is derived, found, put out by others and derived again, and is always the same.
    for _ in 0..2 {
        for byte in 0..=u8::try_from(CIPHERS_MAX).unwrap() {
            let sealed = seal(&ring, byte);
            assert_eq!(sealed, seal(&KeyRing::parse(OLD).unwrap(), byte));
            assert!(ring.open(Purpose::Vault, user(byte), b"", &sealed).is_ok());
            assert!(ring.open(Purpose::Vault, user(byte + 1), b"", &sealed).is_err());
            assert!(ring.open(Purpose::Answer, user(byte), b"", &sealed).is_err());
        }
    }
    assert_eq!(ring.newest.ciphers.borrow().len(), CIPHERS_MAX);
}

#[test]
fn a_value_opens_only_for_its_purpose_scope_and_data() {
    let ring = KeyRing::parse(OLD).unwrap();
    let value = sealed();
    let opened = ring.open(Purpose::Vault, user(1), b"tokens/v1", &value).unwrap();
    assert_eq!(opened.plaintext.as_slice(), b"hello");
    assert!(ring.is_sealed_by_newest(&value));
    assert!(ring.open(Purpose::Answer, user(1), b"tokens/v1", &value).is_err());
    assert!(ring.open(Purpose::Vault, user(2), b"tokens/v1", &value).is_err());
    assert!(ring.open(Purpose::Vault, user(1), b"tokens/v2", &value).is_err());
}

#[test]
fn every_changed_or_missing_byte_is_noticed() {
    let ring = KeyRing::parse(OLD).unwrap();
    let value = sealed();
    for position in 0..value.len() {
        let mut changed = value.clone();
        changed[position] ^= 1;
        assert!(ring.open(Purpose::Vault, user(1), b"tokens/v1", &changed).is_err(), "byte {position}");
        assert!(ring.open(Purpose::Vault, user(1), b"tokens/v1", &value[..position]).is_err());
    }
}

#[test]
fn a_rotated_ring_opens_old_values_and_says_so() {
    let rotated = KeyRing::parse(BOTH).unwrap();
    let opened = rotated.open(Purpose::Vault, user(1), b"tokens/v1", &sealed()).unwrap();
    assert_eq!(opened.plaintext.as_slice(), b"hello");
    assert_eq!((rotated.newest_id(), rotated.is_sealed_by_newest(&sealed())), ("b", false));
    let only_new = KeyRing::parse("b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    assert!(only_new.open(Purpose::Vault, user(1), b"tokens/v1", &sealed()).is_err());
}

#[test]
fn a_plain_hexadecimal_key_is_a_ring_of_one() {
    let plain = KeyRing::parse(&"1f".repeat(32)).unwrap();
    let value = plain.seal(Purpose::Vault, user(1), b"", [0; 12], b"x").unwrap();
    assert_eq!(value.get(2), Some(&b'0'));
}

#[test]
fn bad_key_settings_are_refused_without_repeating_them() {
    let cases = [
        ("", KeyRingError::Empty),
        ("abcd", KeyRingError::WrongLength),
        ("not hex at all", KeyRingError::MalformedItem),
        ("a:!!!", KeyRingError::MalformedItem),
        ("a:AAEC", KeyRingError::WrongLength),
        ("a b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", KeyRingError::MalformedItem),
    ];
    for (setting, expected) in cases {
        assert_eq!(KeyRing::parse(setting).unwrap_err(), expected);
    }
    assert_eq!(KeyRing::parse(&format!("{OLD},{OLD}")).unwrap_err(), KeyRingError::RepeatedKeyId);
    assert!(!format!("{:?}", KeyRing::parse(BOTH).unwrap()).contains("AAEC"));
}
