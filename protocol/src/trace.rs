//! The trace that a request belongs to (W3C Trace Context, <https://www.w3.org/TR/trace-context/>).
//!
//! What holds here: a text that is not well-formed is no trace and no reason to refuse anything (section 4.3). Nothing is
//! kept of it but two random numbers; `tracestate` is other vendors' matter, and since no trace is passed on to anybody
//! who would read it, it is dropped.

use serde::{Deserialize, Serialize};

use crate::digest::to_hex;

/// The name of the header, and of the member of `params._meta`.
pub const TRACEPARENT: &str = "traceparent";

/// The length of version 00 (section 3.2.2).
const VERSION_00_BYTES: usize = 55;

/// The longest text that is looked at. A later version may say more behind what is known.
const TRACEPARENT_BYTES_MAX: usize = 256;

/// Which trace, and which span in it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceContext(#[serde(with = "serde_bytes")] [u8; 24]);

impl TraceContext {
    /// Reads a `traceparent`; `None` if it is not well-formed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        if text.len() > TRACEPARENT_BYTES_MAX {
            return None;
        }
        let known = text.get(..VERSION_00_BYTES)?;
        let mut parts = known.split('-');
        let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let [version] = hex(version)?;
        let [_flags] = hex(flags)?;
        let (trace, parent): ([u8; 16], [u8; 8]) = (hex(trace)?, hex(parent)?);
        let goes_on = text.get(VERSION_00_BYTES..).unwrap_or_default();
        // Version 255 is forbidden, 0 is exactly as long as this, and a later one goes on after a dash.
        let fits = match version {
            0 => goes_on.is_empty(),
            255 => false,
            _ => goes_on.is_empty() || goes_on.starts_with('-'),
        };
        if !fits || parts.next().is_some() || trace == [0; 16] || parent == [0; 8] {
            return None;
        }
        let mut both = [0; 24];
        for (to, from) in both.iter_mut().zip(trace.into_iter().chain(parent)) {
            *to = from;
        }
        Some(Self(both))
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> String {
        to_hex(self.0.split_at(16).0)
    }

    /// The span of whoever asks.
    #[must_use]
    pub fn parent_span(&self) -> String {
        to_hex(self.0.split_at(16).1)
    }
}

/// Lower-case hexadecimal digits, which are the only ones allowed (section 3.2.1).
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != N * 2 {
        return None;
    }
    let mut out = [0; N];
    let mut digits = text.bytes();
    for byte in &mut out {
        *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_trace_and_its_span_are_read() {
        for text in [
            GOOD,
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00 ",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-will-be-like",
        ] {
            let read = TraceContext::parse(text).unwrap();
            assert_eq!(read.trace_id(), "0af7651916cd43dd8448eb211c80319c");
            assert_eq!(read.parent_span(), "b7ad6b7169203331");
        }
    }

    #[test]
    fn what_is_not_well_formed_is_no_trace() {
        for text in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1g",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00_0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331_01",
            "00-0af7651916cd43dd8448eb211c8031é9-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
        assert_eq!(TraceContext::parse(&format!("cc{}-{}", &GOOD[2..], "x".repeat(300))), None);
    }
}
