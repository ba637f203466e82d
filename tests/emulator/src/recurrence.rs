//! Recurrences: which days a series falls on. A pattern is walked day by day, which is slow and plainly
//! right. What holds: the walk ends, however far a series reaches. Nothing here knows hours or zones.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

/// How many days a walk goes at most; some forty years.
const MAX_DAYS: usize = 15_000;

/// How a series repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rhythm {
    /// Every so many days.
    Daily,
    /// On some weekdays, every so many weeks.
    Weekly,
    /// On a day of the month, every so many months.
    AbsoluteMonthly,
    /// On the n-th of some weekdays, every so many months.
    RelativeMonthly,
    /// On a day of a month, every so many years.
    AbsoluteYearly,
    /// On the n-th of some weekdays of a month, every so many years.
    RelativeYearly,
}

/// When a series ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It does not.
    Never,
    /// After this day.
    On(Date),
    /// After so many occurrences.
    Count(usize),
}

/// A series' days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// How it repeats.
    pub rhythm: Rhythm,
    /// Every so many days, weeks, months or years.
    pub interval: i32,
    /// The weekdays.
    pub days: Vec<Weekday>,
    /// With which day a week begins.
    pub first_day: Weekday,
    /// The day of the month.
    pub day_of_month: i8,
    /// The month.
    pub month: i8,
    /// Which of the month's weekdays: 1 to 4, or 5 for the last.
    pub index: i8,
    /// The first day.
    pub start: Date,
    /// The end.
    pub end: End,
}

fn month_number(date: Date) -> i32 {
    i32::from(date.year()) * 12 + i32::from(date.month())
}

fn days_between(from: Date, to: Date) -> i32 {
    i32::try_from(to.duration_since(from).as_hours() / 24).unwrap_or(0)
}

impl Recurrence {
    fn week_start(&self, date: Date) -> Date {
        date.saturating_sub(i32::from(date.weekday().since(self.first_day)).days())
    }

    fn is_nth_weekday(&self, date: Date) -> bool {
        if !self.days.contains(&date.weekday()) {
            return false;
        }
        // With several weekdays, the n-th day that is any of them is meant.
        let hit = |day: i8| {
            let other = date.with().day(day).build();
            other.is_ok_and(|other| self.days.contains(&other.weekday()))
        };
        if self.index == 5 {
            return !(date.day() + 1..=date.days_in_month()).any(hit);
        }
        (1..=date.day()).filter(|day| hit(*day)).count() == usize::try_from(self.index).unwrap_or(0)
    }

    fn is_month_day(&self, date: Date) -> bool {
        date.day() == self.day_of_month.min(date.days_in_month())
    }

    /// Whether the pattern falls on a day, not counting the range's end.
    fn falls_on(&self, date: Date) -> bool {
        let every = |distance: i32| distance % self.interval.max(1) == 0;
        let months = month_number(date) - month_number(self.start);
        let years = i32::from(date.year()) - i32::from(self.start.year());
        match self.rhythm {
            Rhythm::Daily => every(days_between(self.start, date)),
            Rhythm::Weekly => {
                let weeks = days_between(self.week_start(self.start), self.week_start(date)) / 7;
                self.days.contains(&date.weekday()) && every(weeks)
            }
            Rhythm::AbsoluteMonthly => every(months) && self.is_month_day(date),
            Rhythm::RelativeMonthly => every(months) && self.is_nth_weekday(date),
            Rhythm::AbsoluteYearly => every(years) && date.month() == self.month && self.is_month_day(date),
            Rhythm::RelativeYearly => every(years) && date.month() == self.month && self.is_nth_weekday(date),
        }
    }

    /// The days of the series up to and including `last`, in order.
    pub fn dates(&self, last: Date) -> Vec<Date> {
        let (last, most) = match self.end {
            End::Never => (last, usize::MAX),
            End::On(day) => (last.min(day), usize::MAX),
            End::Count(count) => (last, count),
        };
        let days = self.start.series(1.day()).take(MAX_DAYS).take_while(|date| *date <= last);
        days.filter(|date| self.falls_on(*date)).take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn base(rhythm: Rhythm, interval: i32, end: End) -> Recurrence {
        Recurrence {
            rhythm,
            interval,
            days: vec![Weekday::Monday, Weekday::Thursday],
            first_day: Weekday::Sunday,
            day_of_month: 31,
            month: 11,
            index: 5,
            start: date(2026, 1, 1),
            end,
        }
    }

    fn texts(series: &Recurrence, last: Date) -> Vec<String> {
        series.dates(last).iter().map(Date::to_string).collect()
    }

    #[test]
    fn patterns_fall_on_the_right_days() {
        let last = date(2026, 12, 31);
        let daily = base(Rhythm::Daily, 3, End::Count(3));
        assert_eq!(texts(&daily, last), ["2026-01-01", "2026-01-04", "2026-01-07"]);
        let weekly = base(Rhythm::Weekly, 2, End::On(date(2026, 1, 15)));
        assert_eq!(texts(&weekly, last), ["2026-01-01", "2026-01-12", "2026-01-15"]);
        let monthly = base(Rhythm::AbsoluteMonthly, 1, End::Count(3));
        assert_eq!(texts(&monthly, last), ["2026-01-31", "2026-02-28", "2026-03-31"]);
        let relative = base(Rhythm::RelativeMonthly, 1, End::Count(2));
        assert_eq!(texts(&relative, last), ["2026-01-29", "2026-02-26"]);
        let yearly = base(Rhythm::AbsoluteYearly, 1, End::Never);
        assert_eq!(texts(&yearly, last), ["2026-11-30"]);
        let by_weekday = base(Rhythm::RelativeYearly, 1, End::Never);
        assert_eq!(texts(&by_weekday, last), ["2026-11-30"]);
    }

    #[test]
    fn the_first_day_of_the_week_decides_what_every_second_week_is() {
        let mut series = base(Rhythm::Weekly, 2, End::Count(4));
        series.start = date(2026, 1, 4);
        series.days = vec![Weekday::Sunday, Weekday::Monday];
        assert_eq!(
            texts(&series, date(2026, 3, 1)),
            ["2026-01-04", "2026-01-05", "2026-01-18", "2026-01-19"]
        );
        series.first_day = Weekday::Monday;
        assert_eq!(
            texts(&series, date(2026, 3, 1)),
            ["2026-01-04", "2026-01-12", "2026-01-18", "2026-01-26"]
        );
    }

    #[test]
    fn an_endless_series_still_ends_its_walk() {
        assert_eq!(base(Rhythm::Daily, 1, End::Never).dates(Date::MAX).len(), MAX_DAYS);
    }
}
