//! Points in time and spans, in milliseconds, as distinct types.
//!
//! OAuth counts in seconds and JavaScript in milliseconds: the unit lives in the type so that the two cannot be
//! mixed. Seconds exist only inside the codecs that read or write them. Nothing here reads a clock.

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

/// A span of time in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationMs(pub u64);

impl DurationMs {
    /// A span of whole seconds, the unit of OAuth's `expires_in` and HTTP's `Retry-After`.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Half the span.
    #[must_use]
    pub const fn halved(self) -> Self {
        Self(self.0 / 2)
    }

    /// The span in whole seconds, rounded up, so that a wait told to a person is never too short.
    #[must_use]
    pub const fn as_secs_rounded_up(self) -> u64 {
        self.0.div_ceil(1_000)
    }
}

impl UnixMs {
    /// This point moved later by `span`; it saturates at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, span: DurationMs) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// This point moved earlier by `span`; it saturates at the epoch instead of wrapping.
    #[must_use]
    pub const fn minus(self, span: DurationMs) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this point, zero if the clock stepped back in between.
    #[must_use]
    pub const fn since(self, earlier: Self) -> DurationMs {
        DurationMs(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch, the unit of a JWT's `NumericDate` (RFC 7519, section 2).
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// The instant as ISO 8601 in UTC with milliseconds, as log lines show it.
    #[must_use]
    pub fn to_iso8601(self) -> String {
        i64::try_from(self.0).ok().and_then(DateTime::from_timestamp_millis).map_or_else(
            || "out of range".to_owned(),
            |instant| instant.to_rfc3339_opts(SecondsFormat::Millis, true),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stepped_back_yields_a_span_of_zero() {
        assert_eq!(UnixMs(5).since(UnixMs(9)), DurationMs(0));
    }

    #[test]
    fn seconds_told_to_a_person_are_rounded_up() {
        assert_eq!(DurationMs(1_001).as_secs_rounded_up(), 2);
        assert_eq!(DurationMs(0).as_secs_rounded_up(), 0);
    }

    #[test]
    fn instants_are_shown_as_utc() {
        assert_eq!(UnixMs(1_767_323_045_006).to_iso8601(), "2026-01-02T03:04:05.006Z");
    }
}
