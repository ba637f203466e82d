//! CBOR (RFC 8949): the one way in for everything that this product wrote as such, and the form in which records are
//! digested.
//!
//! What holds here: a text is one value and nothing behind it. There is one reader, because each other kind
//! would bring a decoder of its own for every type into the bundle.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The value of a text; `None` when it is not exactly one value of this type.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).ok()?;
    rest.is_empty().then_some(value)
}

/// The text of a value; `None` when the value has no form in CBOR, which no type here lacks.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_value_and_nothing_behind_it() {
        assert_eq!(decode::<u32>(&[0x07]), Some(7));
        for text in [&[][..], &[0x07, 0x00], &[0x18], &[0x61, 0x61], &[0xff]] {
            assert_eq!(decode::<u32>(text), None, "{text:?}");
        }
    }
}
