//! The items of CBOR, as far as reading them depends on no type: each function here is in the bundle once.
//!
//! What holds here: it reads what `ciborium` writes (RFC 8949, without tags, split texts and `undefined`), borrows what
//! it can, and says no more of a fault than that there is one: what is read was written by this product, so nobody
//! outside could do anything with a reason.
//!
//! Must never: take memory for a length that a text only claims, or go deeper than [`DEEPEST`].

use std::fmt;

use serde::de;

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

    pub(super) const fn bytes_left(&self) -> usize {
        self.rest.len()
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
    pub(super) fn first(&self) -> Result<(u8, u8), Unreadable> {
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
    pub(super) fn has_more(&mut self, left: &mut Option<u64>) -> Result<bool, Unreadable> {
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
    pub(super) fn leave(&mut self, mut left: Option<u64>) -> Result<(), Unreadable> {
        self.deeper += 1;
        if self.has_more(&mut left)? { Err(Unreadable) } else { Ok(()) }
    }

    #[inline(never)]
    pub(super) fn enter_map(&mut self) -> Result<Option<u64>, Unreadable> {
        let Item::Map(length) = self.item()? else { return Err(Unreadable) };
        self.enter()?;
        Ok(length)
    }

    #[inline(never)]
    pub(super) fn enter_array(&mut self) -> Result<Option<u64>, Unreadable> {
        let Item::Array(length) = self.item()? else { return Err(Unreadable) };
        self.enter()?;
        Ok(length)
    }

    #[inline(never)]
    pub(super) fn text(&mut self) -> Result<&'de str, Unreadable> {
        let Item::Text(text) = self.item()? else { return Err(Unreadable) };
        Ok(text)
    }

    #[inline(never)]
    pub(super) fn bytes(&mut self) -> Result<&'de [u8], Unreadable> {
        let Item::Bytes(bytes) = self.item()? else { return Err(Unreadable) };
        Ok(bytes)
    }

    #[inline(never)]
    pub(super) fn positive(&mut self) -> Result<u64, Unreadable> {
        let Item::Unsigned(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    #[inline(never)]
    pub(super) fn signed(&mut self) -> Result<i64, Unreadable> {
        let value = match self.item()? {
            Item::Unsigned(value) => i64::try_from(value),
            Item::Negative(value) => i64::try_from(value).map(|value| !value),
            _ => return Err(Unreadable),
        };
        value.map_err(|_| Unreadable)
    }

    #[inline(never)]
    pub(super) fn float(&mut self) -> Result<f64, Unreadable> {
        let Item::Float(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    #[inline(never)]
    pub(super) fn boolean(&mut self) -> Result<bool, Unreadable> {
        let Item::Bool(value) = self.item()? else { return Err(Unreadable) };
        Ok(value)
    }

    /// Whether null comes next, which is then read.
    #[inline(never)]
    pub(super) fn is_null(&mut self) -> Result<bool, Unreadable> {
        let is_null = self.first()? == (7, 22);
        if is_null {
            self.take(1)?;
        }
        Ok(is_null)
    }

    #[inline(never)]
    pub(super) fn nothing(&mut self) -> Result<(), Unreadable> {
        if self.is_null()? { Ok(()) } else { Err(Unreadable) }
    }

    /// A variant with content is a map of one; one without is its name alone.
    #[inline(never)]
    pub(super) fn enter_variant(&mut self) -> Result<(), Unreadable> {
        if self.first()?.0 == 3 {
            return self.enter();
        }
        match self.enter_map()? {
            Some(1) => Ok(()),
            _ => Err(Unreadable),
        }
    }

    /// Out of a variant.
    pub(super) const fn leave_variant(&mut self) {
        self.deeper += 1;
    }

    #[inline(never)]
    pub(super) fn skip(&mut self) -> Result<(), Unreadable> {
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
