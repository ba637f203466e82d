//! Time zones: IANA and Windows names to rules that are built into the program, and the way between a
//! civil moment and milliseconds. Nothing here may ask the machine for its zone or its zone files, because
//! a test must see the same hours everywhere.

pub mod windows;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::sync::OnceLock;

fn database() -> &'static TimeZoneDatabase {
    static BUNDLED: OnceLock<TimeZoneDatabase> = OnceLock::new();
    BUNDLED.get_or_init(TimeZoneDatabase::bundled)
}

/// The rules of a zone that Exchange knows, by its IANA or its Windows name; `None` for any other text.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.eq_ignore_ascii_case("UTC") || name.eq_ignore_ascii_case("tzone://Microsoft/Utc") {
        return Some(TimeZone::UTC);
    }
    let by_windows = || windows::WINDOWS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let iana = if name.contains('/') { name } else { by_windows().map_or(name, |(_, iana)| *iana) };
    // Bare abbreviations such as `EST` are in the database, but Exchange does not know them.
    if !iana.contains('/') {
        return None;
    }
    database().get(iana).ok()
}

/// The milliseconds of a civil moment in a zone. A moment that a clock change skips is moved forward, one
/// that occurs twice means the first, as calendars do.
pub fn to_ms(civil: DateTime, zone: &TimeZone) -> i64 {
    zone.to_ambiguous_zoned(civil).compatible().map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// The civil moment in a zone.
pub fn to_civil(ms: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(Timestamp::from_millisecond(ms).unwrap_or_default())
}

/// Reads `2026-01-02T10:00:00` with at most seven decimals; `None` when there is an offset or a zone.
pub fn parse_local(text: &str) -> Option<DateTime> {
    let shape = |(n, b): (usize, u8)| match n {
        4 | 7 => b == b'-',
        10 => b == b'T' || b == b't',
        13 | 16 => b == b':',
        19 => b == b'.',
        _ => b.is_ascii_digit(),
    };
    let fits = (16..=27).contains(&text.len()) && text.len() != 17 && text.len() != 20;
    if !fits || !text.bytes().enumerate().all(shape) {
        return None;
    }
    text.parse().ok()
}

/// `2026-01-02T10:00:00.0000000`, the form inside of Graph's dateTimeTimeZone.
pub fn graph_text(civil: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:07}",
        civil.year(),
        civil.month(),
        civil.day(),
        civil.hour(),
        civil.minute(),
        civil.second(),
        civil.subsec_nanosecond() / 100
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_windows_name_has_rules() {
        for (name, iana) in windows::WINDOWS {
            assert!(zone(name).is_some(), "{name} {iana}");
        }
        for good in
            ["UTC", "Europe/Zurich", "pacific standard time", "Etc/GMT+3", "America/Argentina/Ushuaia"]
        {
            assert!(zone(good).is_some(), "{good}");
        }
        for bad in
            ["", "EST", "Mars/Olympus", "Europe/", "Zurich", "Standard Time", "../etc/passwd", "+01:00"]
        {
            assert!(zone(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn offsets_follow_the_season() {
        let zurich = zone("Europe/Zurich").unwrap();
        for (local, utc) in [
            ("2026-01-15T12:00:00", "2026-01-15T11:00:00.0000000"),
            ("2026-07-15T12:00:00", "2026-07-15T10:00:00.0000000"),
            ("2026-03-29T02:30:00", "2026-03-29T01:30:00.0000000"),
            ("2026-10-25T02:30:00", "2026-10-25T00:30:00.0000000"),
        ] {
            let ms = to_ms(parse_local(local).unwrap(), &zurich);
            assert_eq!(graph_text(to_civil(ms, &TimeZone::UTC)), utc, "{local}");
        }
    }

    #[test]
    fn only_local_moments_are_read() {
        for good in ["2026-01-02T10:00", "2026-01-02T10:00:00", "2026-01-02T10:00:00.0000000"] {
            assert!(parse_local(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2026-01-02",
            "2026-01-02T10:00:00Z",
            "2026-01-02T10:00:00+01:00",
            "2026-02-30T10:00:00",
            "2026-01-02T25:00:00",
            "2026-01-02T10:00:00[Europe/Zurich]",
            "2026-01-02 10:00:00",
            "2026-01-02T10:00:00.",
        ] {
            assert!(parse_local(bad).is_none(), "{bad}");
        }
    }
}
