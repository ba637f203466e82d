//! Time: the wall clock in milliseconds plus an offset that tests may move, and the few text forms that
//! the emulated services use. Civil dates are computed here (Howard Hinnant's algorithm) because the
//! emulator needs only UTC. Nothing here may depend on the machine's time zone.

use std::time::{SystemTime, UNIX_EPOCH};

/// One day in milliseconds.
pub const DAY_MS: u64 = 86_400_000;

/// The emulator's clock; tests move it forward instead of sleeping.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: u64,
}

impl Clock {
    /// Milliseconds since 1970 as the emulated services see them.
    pub fn now_ms(&self) -> u64 {
        let real_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis());
        u64::try_from(real_ms).unwrap_or(u64::MAX).saturating_add(self.offset_ms)
    }

    /// Lets `ms` milliseconds pass at once.
    pub fn advance_ms(&mut self, ms: u64) {
        self.offset_ms = self.offset_ms.saturating_add(ms);
    }
}

/// A civil moment in UTC, split into its parts.
struct Parts {
    year: i64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
    weekday: usize,
}

fn parts(ms: u64) -> Parts {
    let seconds = ms / 1000;
    let days = seconds / 86_400;
    // Shift the epoch to 0000-03-01, so that the leap day is the last day of a year.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = i64::try_from(year_of_era + era * 400).unwrap_or(0) + i64::from(month <= 2);
    Parts {
        year,
        month,
        day,
        hour: seconds % 86_400 / 3600,
        minute: seconds % 3600 / 60,
        second: seconds % 60,
        weekday: usize::try_from((days + 4) % 7).unwrap_or(0),
    }
}

/// `2026-01-02T03:04:05Z`, the form of Graph's Edm.DateTimeOffset.
pub fn iso(ms: u64) -> String {
    let p = parts(ms);
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", p.year, p.month, p.day, p.hour, p.minute, p.second)
}

/// `2026-01-02T03:04:05`, the form inside of Graph's error bodies.
pub fn iso_bare(ms: u64) -> String {
    iso(ms).trim_end_matches('Z').to_owned()
}

/// `2026-01-02 03:04:05Z`, the form inside of Entra's error bodies.
pub fn entra_timestamp(ms: u64) -> String {
    iso(ms).replace('T', " ")
}

/// `260102030405Z`, the form inside of X.509 certificates.
pub fn utc_time(ms: u64) -> String {
    iso(ms).chars().filter(|c| !matches!(c, '-' | ':' | 'T')).skip(2).collect()
}

/// `Fri, 02 Jan 2026 03:04:05 GMT`, the form of the HTTP `Date` header.
pub fn http_date(ms: u64) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let p = parts(ms);
    let month = usize::try_from(p.month).unwrap_or(1).saturating_sub(1);
    format!(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        DAYS.get(p.weekday).unwrap_or(&"Sun"),
        p.day,
        MONTHS.get(month).unwrap_or(&"Jan"),
        p.year,
        p.hour,
        p.minute,
        p.second
    )
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let month_index = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_index + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn number(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Reads `2026-01-02`, or a full ISO 8601 moment that carries `Z` or an offset.
pub fn parse_iso(text: &str) -> Option<u64> {
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut fields = date.split('-');
    let year = number(fields.next()?, 4)?;
    let month = number(fields.next()?, 2).filter(|m| (1..=12).contains(m))?;
    let day = number(fields.next()?, 2).filter(|d| (1..=31).contains(d))?;
    if fields.next().is_some() {
        return None;
    }
    let midnight_s = days_from_civil(year, month, day) * 86_400;
    let Some(time) = time else { return u64::try_from(midnight_s * 1000).ok() };
    let zone_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = time.split_at_checked(zone_at)?;
    let offset_s = parse_offset_s(zone)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut fields = clock.split(':');
    let hour = number(fields.next()?, 2).filter(|h| *h < 24)?;
    let minute = number(fields.next()?, 2).filter(|m| *m < 60)?;
    let second = fields.next().map_or(Some(0), |s| number(s, 2).filter(|s| *s < 60))?;
    if fields.next().is_some() || fraction.len() > 7 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: String = format!("{fraction}000").chars().take(3).collect();
    let total_s = midnight_s + hour * 3600 + minute * 60 + second - offset_s;
    u64::try_from(total_s * 1000 + number(&millis, 3)?).ok()
}

fn parse_offset_s(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (number(hours, 2)? * 3600 + number(minutes, 2)? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_number_agree() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-11-23T04:03:10Z"] {
            assert_eq!(iso(parse_iso(text).unwrap()), text);
        }
        assert_eq!(parse_iso("2026-01-01T01:00:00+01:00"), parse_iso("2026-01-01"));
        assert_eq!(parse_iso("2026-01-01T00:00:00"), None);
        assert_eq!(parse_iso("2026-13-01"), None);
        assert_eq!(http_date(parse_iso("2026-11-23T04:03:10Z").unwrap()), "Mon, 23 Nov 2026 04:03:10 GMT");
        assert_eq!(utc_time(parse_iso("2026-11-23T04:03:10Z").unwrap()), "261123040310Z");
    }
}
