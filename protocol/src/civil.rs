//! Calendar times as people write them: a date, a local time, or a time with an offset.
//!
//! What holds here: a text either has exactly one meaning or is refused; nothing guesses a zone. A local time is a
//! number of seconds on some clock on the wall, and only [`crate::zones`] turns it into an instant.

use chrono::{DateTime, Datelike, NaiveDate};

use crate::time::UnixMs;

const DAY_SECS: i64 = 24 * 60 * 60;

/// A time on a clock on the wall, in seconds since that clock showed the first of January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil(pub i64);

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A day, as the midnight at its beginning.
    Day(Civil),
    /// A time without a zone.
    Local(Civil),
    /// An instant: the text had an offset or `Z`.
    Instant(UnixMs),
}

impl Civil {
    /// The same clock after some days.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_SECS)))
    }

    /// The midnight at the beginning of the day.
    #[must_use]
    pub const fn midnight(self) -> Self {
        Self(self.0 - self.0.rem_euclid(DAY_SECS))
    }

    /// The date, as `2026-01-31`.
    #[must_use]
    pub fn date(self) -> String {
        DateTime::from_timestamp(self.0, 0).map_or_else(
            || "out of range".to_owned(),
            |clock| format!("{:04}-{:02}-{:02}", clock.year(), clock.month(), clock.day()),
        )
    }

    /// The day of the week, from Sunday, which is 0.
    #[must_use]
    pub fn weekday(self) -> usize {
        // The first of January 1970 was a Thursday.
        usize::try_from((self.0.div_euclid(DAY_SECS) + 4).rem_euclid(7)).unwrap_or_default()
    }

    /// The day of the month, from 1.
    #[must_use]
    pub fn day(self) -> u8 {
        DateTime::from_timestamp(self.0, 0).map_or(1, |clock| u8::try_from(clock.day()).unwrap_or(1))
    }

    /// The month, from 1.
    #[must_use]
    pub fn month(self) -> u8 {
        DateTime::from_timestamp(self.0, 0).map_or(1, |clock| u8::try_from(clock.month()).unwrap_or(1))
    }

    /// Date and time without an offset, as Graph's `dateTime` wants it.
    #[must_use]
    pub fn text(self) -> String {
        let second = self.0.rem_euclid(DAY_SECS);
        format!("{}T{:02}:{:02}:{:02}", self.date(), second / 3_600, second / 60 % 60, second % 60)
    }

    /// Reads this clock as one that shows UTC; `None` before 1970.
    #[must_use]
    pub fn as_utc(self) -> Option<UnixMs> {
        u64::try_from(self.0).ok()?.checked_mul(1_000).map(UnixMs)
    }

    /// What a clock that shows UTC says at an instant.
    #[must_use]
    pub fn utc(at: UnixMs) -> Self {
        Self(i64::try_from(at.as_secs()).unwrap_or(i64::MAX))
    }
}

/// An instant in UTC, to the second.
#[must_use]
pub fn utc_text(at: UnixMs) -> String {
    format!("{}Z", Civil::utc(at).text())
}

/// Reads a date or time of ISO 8601: `2026-01-31`, `2026-01-31T14:30`, with seconds, a fraction (which is dropped) and
/// an offset as it likes.
#[must_use]
pub fn read(text: &str) -> Option<When> {
    if !text.is_ascii() {
        return None;
    }
    let (date, rest) = text.split_at_checked(10)?;
    let midnight = read_date(date)?;
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some(When::Day(midnight));
    };
    let zone_begins = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(zone_begins)?;
    let clock = Civil(midnight.0 + read_time(time)?);
    match zone {
        "" => Some(When::Local(clock)),
        "Z" | "z" => clock.as_utc().map(When::Instant),
        _ => Civil(clock.0 - read_offset(zone)?).as_utc().map(When::Instant),
    }
}

fn read_date(text: &str) -> Option<Civil> {
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2)?;
    let day = digits(parts.next()?, 2)?;
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month.try_into().ok()?, day.try_into().ok()?)?;
    parts.next().is_none().then(|| Civil(date.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()))
}

fn read_time(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    let is_time = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    is_time.then_some(hour * 3_600 + minute * 60 + second)
}

fn read_offset(text: &str) -> Option<i64> {
    let (sign, text) = text.split_at_checked(1)?;
    let compact: String = text.chars().filter(|character| *character != ':').collect();
    let (hours, minutes) = compact.split_at_checked(2)?;
    let (hours, minutes) = (digits(hours, 2)?, if minutes.is_empty() { 0 } else { digits(minutes, 2)? });
    let seconds = hours * 3_600 + minutes * 60;
    (hours <= 14 && minutes < 60).then_some(if sign == "-" { -seconds } else { seconds })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let are_digits = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if are_digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_one_meaning() {
        let noon = Civil(1_767_355_200);
        assert_eq!(noon.text(), "2026-01-02T12:00:00");
        assert_eq!(read("2026-01-02"), Some(When::Day(noon.midnight())));
        for local in
            ["2026-01-02T12:00", "2026-01-02 12:00:00", "2026-01-02T12:00:00.0000000", "2026-01-02t12:00"]
        {
            assert_eq!(read(local), Some(When::Local(noon)), "{local}");
        }
        for instant in [
            "2026-01-02T12:00Z",
            "2026-01-02T13:00+01:00",
            "2026-01-02T13:00:00+0100",
            "2026-01-02T04:00:00.5-08:00",
            "2026-01-02T14:00+02",
        ] {
            assert_eq!(read(instant), noon.as_utc().map(When::Instant), "{instant}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "today",
            "2026-1-2",
            "2026-02-29",
            "2026-13-01",
            "2026-01-02T",
            "2026-01-02T24:00",
            "2026-01-02T12:60",
            "2026-01-02T12",
            "2026-01-02T12:00+25:00",
            "2026-01-02T12:00:00Z&x=1",
            "2026-01-02x",
            "2026-01-02T12:00:00.",
            "1969-12-31T23:59Z",
            "２026-01-02",
            "2026-01-02T+1:00",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn days_are_counted_on_the_wall() {
        let Some(When::Day(day)) = read("2024-02-28") else { panic!() };
        assert_eq!(day.plus_days(2).date(), "2024-03-01");
        assert_eq!(Civil(-1).midnight().date(), "1969-12-31");
        assert_eq!((day.weekday(), day.month(), day.day()), (3, 2, 28));
        assert_eq!((Civil(-1).weekday(), Civil(-1).day()), (3, 31));
        assert_eq!(utc_text(UnixMs(1_767_355_200_999)), "2026-01-02T12:00:00Z");
    }
}
