//! The reader of CBOR behind [`decode`](super::decode): serde's side of it is as thin as it can be.
//!
//! What holds here: all that depends on a type is a call or two; the rest is one function for all types, because each
//! line that is generic is in the bundle once for every type that is read. It reads what `ciborium` writes (RFC 8949,
//! without tags, split texts and `undefined`), borrows what it can, and says no more of a fault than that there is one:
//! what is read was written by this product, so nobody outside could do anything with a reason.
//!
//! Must never: take memory for a length that a text only claims, or go deeper than [`DEEPEST`].

use std::fmt;

use serde::de::{self, DeserializeSeed, Visitor};
use serde::forward_to_deserialize_any;

/// How many values may lie inside one another. What this product writes has not a tenth of it, apart from JSON of
/// others, which is read with the same bound.
const DEEPEST: u8 = 128;

/// The text is not a value of the type asked for.
#[derive(Debug)]
pub(super) struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a value of this type")
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: fmt::Display>(_reason: T) -> Self {
        Self
    }
}

/// One item's beginning: the value itself, or how many items belong to it (`None`: until a break).
enum Item<'de> {
    Unsigned(u64),
    /// The value is -1 minus this.
    Negative(u64),
    Bytes(&'de [u8]),
    Text(&'de str),
    Array(Option<u64>),
    Map(Option<u64>),
    Bool(bool),
    Null,
    Float(f64),
}

/// What is still to be read.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
    deeper: u8,
}

impl<'de> Reader<'de> {
    pub(super) const fn new(rest: &'de [u8]) -> Self {
        Self { rest, deeper: DEEPEST }
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline(never)]
    fn take(&mut self, count: u64) -> Result<&'de [u8], Unreadable> {
        let count = usize::try_from(count).map_err(|_| Unreadable)?;
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Unreadable)?;
        self.rest = rest;
        Ok(taken)
    }

    fn unsigned(&mut self, bytes: u64) -> Result<u64, Unreadable> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// The major type and the additional information of a first byte (RFC 8949, section 3).
    fn first(&self) -> Result<(u8, u8), Unreadable> {
        let first = self.rest.first().ok_or(Unreadable)?;
        Ok((first >> 5, first & 0x1f))
    }

    #[inline(never)]
    fn item(&mut self) -> Result<Item<'de>, Unreadable> {
        let (major, information) = self.first()?;
        self.take(1)?;
        let argument = match information {
            0..=23 => Some(u64::from(information)),
            24..=27 => Some(self.unsigned(1 << (information - 24))?),
            31 if major == 4 || major == 5 => None,
            _ => return Err(Unreadable),
        };
        Ok(match (major, argument) {
            (0, Some(value)) => Item::Unsigned(value),
            (1, Some(value)) => Item::Negative(value),
            (2, Some(length)) => Item::Bytes(self.take(length)?),
            (3, Some(length)) => Item::Text(std::str::from_utf8(self.take(length)?).map_err(|_| Unreadable)?),
            (4, length) => Item::Array(length),
            (5, length) => Item::Map(length),
            (7, Some(value)) => simple(information, value)?,
            _ => return Err(Unreadable),
        })
    }

    /// Whether one more item belongs to what is being read; a break ends what has no length.
    #[inline(never)]
    fn has_more(&mut self, left: &mut Option<u64>) -> Result<bool, Unreadable> {
        match left {
            Some(0) => return Ok(false),
            Some(left) => *left -= 1,
            None => {
                if self.first()? == (7, 31) {
                    self.take(1)?;
                    *left = Some(0);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn enter(&mut self) -> Result<(), Unreadable> {
        self.deeper = self.deeper.checked_sub(1).ok_or(Unreadable)?;
        Ok(())
    }

    /// Out of an array or a map, of which everything was read.
    #[inline(never)]
    fn leave(&mut self, mut left: Option<u64>) -> Result<(), Unreadable> {
        self.deeper += 1;
        if self.has_more(&mut left)? { Err(Unreadable) } else { Ok(()) }
    }

    #[inline(never)]
    fn enter_map(&mut self) -> Result<Option<u64>, Unreadable> {
        let Item::Map(length) = self.item()? else { return Err(Unreadable) };
        self.enter()?;
        Ok(length)
    }

    #[inline(never)]
    fn enter_array(&mut self) -> Result<Option<u64>, Unreadable> {
        let Item::Array(length) = self.item()? else { return Err(Unreadable) };
        self.enter()?;
        Ok(length)
    }

    #[inline(never)]
    fn text(&mut self) -> Result<&'de str, Unreadable> {
        let Item::Text(text) = self.item()? else { return Err(Unreadable) };
        Ok(text)
    }

    #[inline(never)]
    fn bytes(&mut self) -> Result<&'de [u8], Unreadable> {
        let Item::Bytes(bytes) = self.item()? else { return Err(Unreadable) };
        Ok(bytes)
    }

    #[inline(never)]
    fn positive(&mut self) -> Result<u64, Unreadable> {
        let Item::Unsigned(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    #[inline(never)]
    fn signed(&mut self) -> Result<i64, Unreadable> {
        let value = match self.item()? {
            Item::Unsigned(value) => i64::try_from(value),
            Item::Negative(value) => i64::try_from(value).map(|value| !value),
            _ => return Err(Unreadable),
        };
        value.map_err(|_| Unreadable)
    }

    #[inline(never)]
    fn float(&mut self) -> Result<f64, Unreadable> {
        let Item::Float(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    #[inline(never)]
    fn boolean(&mut self) -> Result<bool, Unreadable> {
        let Item::Bool(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    /// Whether null comes next, which is then read.
    #[inline(never)]
    fn is_null(&mut self) -> Result<bool, Unreadable> {
        let is_null = self.first()? == (7, 22);
        if is_null {
            self.take(1)?;
        }
        Ok(is_null)
    }

    #[inline(never)]
    fn nothing(&mut self) -> Result<(), Unreadable> {
        if self.is_null()? { Ok(()) } else { Err(Unreadable) }
    }

    /// A variant with content is a map of one; one without is its name alone.
    #[inline(never)]
    fn enter_variant(&mut self) -> Result<(), Unreadable> {
        if self.first()?.0 == 3 {
            return self.enter();
        }
        match self.enter_map()? {
            Some(1) => Ok(()),
            _ => Err(Unreadable),
        }
    }

    #[inline(never)]
    fn skip(&mut self) -> Result<(), Unreadable> {
        let (mut length, is_map) = match self.item()? {
            Item::Array(length) => (length, false),
            Item::Map(length) => (length, true),
            _ => return Ok(()),
        };
        self.enter()?;
        while self.has_more(&mut length)? {
            self.skip()?;
            if is_map {
                self.skip()?;
            }
        }
        self.leave(length)
    }
}

/// False, true, null and the three widths of numbers with a fraction (RFC 8949, section 3.3).
fn simple(information: u8, value: u64) -> Result<Item<'static>, Unreadable> {
    Ok(match information {
        20 => Item::Bool(false),
        21 => Item::Bool(true),
        22 => Item::Null,
        25 => Item::Float(half(u16::try_from(value).map_err(|_| Unreadable)?)),
        26 => Item::Float(f32::from_bits(u32::try_from(value).map_err(|_| Unreadable)?).into()),
        27 => Item::Float(f64::from_bits(value)),
        _ => return Err(Unreadable),
    })
}

/// A number of two bytes (IEEE 754 binary16; RFC 8949, appendix D).
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 0 { magnitude } else { -magnitude }
}

/// Reads the elements of an array, or the members of a map, one by one.
struct Elements<'reader, 'de> {
    reader: &'reader mut Reader<'de>,
    left: Option<u64>,
}

impl<'de> Elements<'_, 'de> {
    fn next<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unreadable> {
        if self.reader.has_more(&mut self.left)? {
            seed.deserialize(&mut *self.reader).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Not more than a text of that length could hold, whatever it claims.
    fn hint(&self) -> Option<usize> {
        usize::try_from(self.left?).ok().map(|left| left.min(self.reader.rest.len()))
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = Unreadable;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Unreadable> {
        self.next(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = Unreadable;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Unreadable> {
        self.next(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Unreadable> {
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> de::EnumAccess<'de> for &mut Reader<'de> {
    type Error = Unreadable;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Unreadable> {
        let variant = seed.deserialize(&mut *self)?;
        Ok((variant, self))
    }
}

impl<'de> de::VariantAccess<'de> for &mut Reader<'de> {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Unreadable> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Unreadable> {
        de::Deserializer::deserialize_seq(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        de::Deserializer::deserialize_map(self, visitor)
    }
}

impl<'de> de::Deserializer<'de> for &mut Reader<'de> {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.first()? {
            (0, _) => self.deserialize_u64(visitor),
            (1, _) => self.deserialize_i64(visitor),
            (2, _) => self.deserialize_bytes(visitor),
            (3, _) => self.deserialize_str(visitor),
            (4, _) => self.deserialize_seq(visitor),
            (5, _) => self.deserialize_map(visitor),
            (7, 20 | 21) => self.deserialize_bool(visitor),
            (7, 22) => self.deserialize_unit(visitor),
            _ => self.deserialize_f64(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_bool(self.boolean()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_u64(self.positive()?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_i64(self.signed()?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_i64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_borrowed_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_str(visitor)
    }

    /// Bytes may also have been written as an array of small numbers, which is what serde makes of a `Vec<u8>`.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.first()?.0 == 4 {
            return self.deserialize_seq(visitor);
        }
        visitor.visit_borrowed_bytes(self.bytes()?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.is_null()? { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.nothing()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let left = self.enter_array()?;
        let mut elements = Elements { reader: self, left };
        let value = visitor.visit_seq(&mut elements)?;
        let Elements { reader, left } = elements;
        reader.leave(left)?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let left = self.enter_map()?;
        let mut members = Elements { reader: self, left };
        let value = visitor.visit_map(&mut members)?;
        let Elements { reader, left } = members;
        reader.leave(left)?;
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.enter_variant()?;
        let value = visitor.visit_enum(&mut *self)?;
        self.deeper += 1;
        Ok(value)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        self.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char i128 u128 }

    fn is_human_readable(&self) -> bool {
        false
    }
}
