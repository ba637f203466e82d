//! CBOR (RFC 8949): the one way in for everything that this product wrote as such, and the form in which records are
//! digested.
//!
//! What holds here: a text is one value and nothing behind it. There is one reader, because each other kind
//! would bring a decoder of its own for every type into the bundle. It is ours, because the one of `ciborium`, which
//! writes, cost a quarter of a megabyte for the types that are read here (`docs/decisions/0029-what-a-type-costs.md`).

use serde::Serialize;
use serde::de::DeserializeOwned;

mod reader;
mod types;

/// The value of a text; `None` when it is not exactly one value of this type.
#[must_use]
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let mut reader = reader::Reader::new(bytes);
    let value = T::deserialize(&mut reader).ok()?;
    reader.is_at_end().then_some(value)
}

/// The text of a value; `None` when the value has no form in CBOR, which no type here lacks.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    ciborium::into_writer(value, &mut out).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests;
