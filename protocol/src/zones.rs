//! Time zones: from an instant to the clock on the wall and back.
//!
//! What holds here: the rules of the zones are an input. The shell supplies a pure function from a zone and an instant to
//! an offset, which the platform answers from its own tables; tests supply rules of their own. What is kept here is
//! only what the platform lacks: the zone names of Windows, which Exchange uses. See `docs/decisions/0010`.

use crate::civil::{Civil, utc_text};
use crate::time::{DurationMs, UnixMs};

/// The Windows names with the IANA zone that stands for each (Unicode CLDR, `windowsZones`, territory 001).
const WINDOWS: &str = include_str!("zones/windows.txt");

const NAME_BYTES_MAX: usize = 64;
const DAY: DurationMs = DurationMs::from_secs(24 * 60 * 60);

/// The seconds that a zone, named as IANA does, is ahead of UTC at an instant; `None` for a zone that is not known.
pub type OffsetAt = fn(zone: &str, at: UnixMs) -> Option<i32>;

/// The rules of all zones.
#[derive(Clone, Copy)]
pub struct Zones(OffsetAt);

impl Zones {
    /// No zone but UTC.
    pub const UTC_ONLY: Self = Self(|_, _| None);

    /// The rules that a platform knows.
    #[must_use]
    pub const fn new(offset_at: OffsetAt) -> Self {
        Self(offset_at)
    }

    /// The zone of a name, be it IANA's or Windows's; `None` if it is not known.
    #[must_use]
    pub fn zone(self, name: &str) -> Option<Zone> {
        let is_plausible = name.len() <= NAME_BYTES_MAX
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" /_+-.()".contains(&byte));
        if !is_plausible {
            return None;
        }
        let known = WINDOWS.lines().filter_map(|line| line.split_once('='));
        let iana = known
            .filter(|(windows, _)| windows.eq_ignore_ascii_case(name))
            .map(|(_, iana)| iana)
            .next()
            .unwrap_or(name);
        let zone = Zone { name: name.to_owned(), iana: iana.to_owned(), zones: self };
        zone.offset_at(UnixMs(0)).map(|_| zone)
    }
}

impl std::fmt::Debug for Zones {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Zones")
    }
}

/// There is one platform, so that two values never mean different rules.
impl PartialEq for Zones {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Zones {}

/// One zone whose rules are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    iana: String,
    zones: Zones,
}

impl Zone {
    /// UTC, which needs no rules.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), iana: "UTC".to_owned(), zones: Zones::UTC_ONLY }
    }

    /// The name as it was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn offset_at(&self, at: UnixMs) -> Option<i64> {
        if matches!(self.iana.as_str(), "UTC" | "Etc/UTC" | "Etc/GMT" | "GMT") {
            return Some(0);
        }
        (self.zones.0)(&self.iana, at).map(i64::from)
    }

    /// What the clock shows at an instant, and its offset in seconds.
    #[must_use]
    pub fn local(&self, at: UnixMs) -> (Civil, i64) {
        let offset = self.offset_at(at).unwrap_or(0);
        (Civil(Civil::utc(at).0.saturating_add(offset)), offset)
    }

    /// The instant at which the clock shows a time; `None` before 1970.
    ///
    /// A time that occurs twice is the first of the two; one that is skipped is moved on by what is skipped. That is
    /// what RFC 5545, section 3.3.5, says of both.
    #[must_use]
    pub fn instant(&self, clock: Civil) -> Option<UnixMs> {
        let near = clock.as_utc()?;
        let before = self.offset_at(near.minus(DAY)).unwrap_or(0);
        let after = self.offset_at(near.plus(DAY)).unwrap_or(0);
        let by = |offset: i64| Civil(clock.0 - offset).as_utc();
        let fits = |offset: i64| by(offset).is_some_and(|at| self.offset_at(at).unwrap_or(0) == offset);
        if !fits(before) && fits(after) { by(after) } else { by(before) }
    }

    /// An instant as local time with its offset.
    #[must_use]
    pub fn local_text(&self, at: UnixMs) -> String {
        let (clock, offset) = self.local(at);
        if offset == 0 {
            return utc_text(at);
        }
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
        format!("{}{sign}{:02}:{:02}", clock.text(), minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! The European Union's rule for the tests: summer time from the last Sunday of March to that of October, 01:00 UTC.

    use super::*;
    use crate::civil::{When, read};

    /// Zurich, Berlin and New York's winter.
    pub(crate) const ZONES: Zones = Zones::new(|zone, at| match zone {
        "Europe/Zurich" | "Europe/Berlin" => Some(if is_summer(at) { 7_200 } else { 3_600 }),
        "America/New_York" => Some(-18_000),
        _ => None,
    });

    fn is_summer(at: UnixMs) -> bool {
        let year = Civil::utc(at).date().get(..4).unwrap_or("1970").to_owned();
        let last_sunday = |month: &str| {
            let Some(When::Day(day)) = read(&format!("{year}-{month}-31")) else { panic!("no such day") };
            // The first of January 1970 was a Thursday.
            let weekday = (day.0.div_euclid(86_400) + 4).rem_euclid(7);
            Civil(day.plus_days(-weekday).0 + 3_600).as_utc().unwrap_or_default()
        };
        last_sunday("03") <= at && at < last_sunday("10")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::civil::{When, read};

    fn clock(text: &str) -> Civil {
        match read(text) {
            Some(When::Local(clock)) => clock,
            other => panic!("{other:?}"),
        }
    }

    fn zurich() -> Zone {
        testing::ZONES.zone("W. Europe Standard Time").unwrap()
    }

    #[test]
    fn names_of_windows_and_of_iana_are_known_and_rubbish_is_not() {
        assert_eq!(zurich().name(), "W. Europe Standard Time");
        assert!(testing::ZONES.zone("Europe/Zurich").is_some());
        assert!(testing::ZONES.zone("utc").is_some() && Zones::UTC_ONLY.zone("Europe/Zurich").is_none());
        for name in ["", "Europe/Zürich", "tzone://Microsoft/Custom", "Mars/Olympus", "x\"y"] {
            assert_eq!(testing::ZONES.zone(name), None, "{name}");
        }
    }

    #[test]
    fn daylight_saving_is_right_on_both_edges() {
        let instant = |text: &str| utc_text(zurich().instant(clock(text)).unwrap());
        assert_eq!(instant("2026-01-02T10:00"), "2026-01-02T09:00:00Z");
        assert_eq!(instant("2026-07-02T10:00"), "2026-07-02T08:00:00Z");
        // Skipped: 02:30 does not exist and becomes 03:30.
        assert_eq!(instant("2026-03-29T01:59"), "2026-03-29T00:59:00Z");
        assert_eq!(instant("2026-03-29T02:30"), "2026-03-29T01:30:00Z");
        assert_eq!(instant("2026-03-29T03:00"), "2026-03-29T01:00:00Z");
        // Twice: the first is meant.
        assert_eq!(instant("2026-10-25T02:30"), "2026-10-25T00:30:00Z");
        assert_eq!(instant("2026-10-25T03:00"), "2026-10-25T02:00:00Z");
    }

    #[test]
    fn instants_are_shown_with_their_offset() {
        let shown = |text: &str| match read(text) {
            Some(When::Instant(at)) => zurich().local_text(at),
            other => panic!("{other:?}"),
        };
        assert_eq!(shown("2026-10-25T00:30Z"), "2026-10-25T02:30:00+02:00");
        assert_eq!(shown("2026-10-25T01:30Z"), "2026-10-25T02:30:00+01:00");
        assert_eq!(Zone::utc().local_text(UnixMs(0)), "1970-01-01T00:00:00Z");
    }
}
