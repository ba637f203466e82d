//! How an event repeats: from the argument `recurrence` to Graph's pattern and range, and back.
//!
//! What holds here: what was left out is read off the first day (a weekly event repeats on its weekday), and what does not
//! belong to a pattern is refused, because Microsoft would drop it without a word.

use serde_json::{Map, Value, json};

use crate::civil::{Civil, When, read as read_time};
use crate::tools::arguments::Arguments;
use crate::tools::collection::{list, text};
use crate::tools::error::ToolError;
use crate::zones::Zone;

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const INDEXES: [&str; 5] = ["first", "second", "third", "fourth", "last"];
const INTERVAL_MAX: u64 = 99;
const COUNT_MAX: u64 = 999;

/// The patterns, and what each may have beside its interval (Graph, "recurrencePattern resource type").
const PATTERNS: [(&str, &[&str]); 6] = [
    ("daily", &[]),
    ("weekly", &["daysOfWeek"]),
    ("absoluteMonthly", &["dayOfMonth"]),
    ("relativeMonthly", &["daysOfWeek", "index"]),
    ("absoluteYearly", &["dayOfMonth", "month"]),
    ("relativeYearly", &["daysOfWeek", "index", "month"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Never,
    On(Civil),
    After(u64),
}

/// A recurrence that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools) struct Recurrence {
    pattern: &'static str,
    parts: &'static [&'static str],
    interval: u64,
    days: Vec<&'static str>,
    index: Option<&'static str>,
    day_of_month: Option<u64>,
    month: Option<u64>,
    end: End,
}

impl Recurrence {
    /// Reads the argument `recurrence`; none without it.
    pub(super) fn read(arguments: &Arguments<'_>) -> Result<Option<Self>, ToolError> {
        let known = ["type", "interval", "daysOfWeek", "index", "dayOfMonth", "month", "until", "count"];
        let Some(given) = arguments.inside("recurrence", &known)? else { return Ok(None) };
        let patterns = PATTERNS.map(|pattern| (pattern.0, Some(pattern)));
        let Some((pattern, parts)) = given.choice("type", &patterns, None)? else {
            return Err(given.must_be("type", "one of those that the schema names"));
        };
        let days = given
            .texts("daysOfWeek")?
            .into_iter()
            .map(|day| DAYS.into_iter().find(|known| known.eq_ignore_ascii_case(day)))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| given.must_be("daysOfWeek", "a list of days such as monday"))?;
        let index = given.choice("index", &INDEXES.map(|index| (index, Some(index))), None)?;
        let number = |name: &str, most: u64| {
            let number = given.integer(name, 1..=most, most + 1)?;
            Ok((number <= most).then_some(number))
        };
        let (day_of_month, month) = (number("dayOfMonth", 31)?, number("month", 12)?);
        for (name, is_given) in [
            ("daysOfWeek", !days.is_empty()),
            ("index", index.is_some()),
            ("dayOfMonth", day_of_month.is_some()),
            ("month", month.is_some()),
        ] {
            if is_given && !parts.contains(&name) {
                return Err(given.must_be(name, &format!("left out where `type` is {pattern}")));
            }
        }
        let end = match (given.when("until")?, number("count", COUNT_MAX)?) {
            (None, None) => End::Never,
            (Some(When::Day(day)), None) => End::On(day),
            (None, Some(count)) => End::After(count),
            (Some(_), None) => return Err(given.must_be("until", "a date such as 2026-12-31")),
            (Some(_), Some(_)) => return Err(given.must_be("count", "left out where `until` is given")),
        };
        let interval = given.integer("interval", 1..=INTERVAL_MAX, 1)?;
        Ok(Some(Self { pattern, parts, interval, days, index, day_of_month, month, end }))
    }

    /// The recurrence as Graph wants it, for an event whose first day is `first`.
    ///
    /// # Errors
    /// It would end before it began.
    pub(super) fn written(&self, first: Civil, zone: &Zone) -> Result<Value, ToolError> {
        let mut pattern = Map::new();
        pattern.insert("type".to_owned(), self.pattern.into());
        pattern.insert("interval".to_owned(), self.interval.into());
        for part in self.parts {
            let value: Value = match *part {
                "daysOfWeek" if self.days.is_empty() => {
                    json!([DAYS.get(first.weekday()).copied().unwrap_or_default()])
                }
                "daysOfWeek" => json!(self.days),
                "index" => self.index.unwrap_or_else(|| nth(first.day())).into(),
                "dayOfMonth" => self.day_of_month.unwrap_or_else(|| first.day().into()).into(),
                _ => self.month.unwrap_or_else(|| first.month().into()).into(),
            };
            pattern.insert((*part).to_owned(), value);
        }
        if self.pattern == "weekly" {
            // Every second week has to begin somewhere: with Monday, as ISO 8601 counts weeks.
            pattern.insert("firstDayOfWeek".to_owned(), "monday".into());
        }
        let mut range = json!({
            "type": "noEnd", "startDate": first.date(), "recurrenceTimeZone": zone.name(),
        });
        let members = range.as_object_mut().map(|members| match self.end {
            End::Never => Ok(()),
            End::On(last) if last < first => Err(ToolError::argument(
                "`until` in `recurrence` must not be earlier than the day of `start`.",
            )),
            End::On(last) => {
                members.insert("type".to_owned(), "endDate".into());
                members.insert("endDate".to_owned(), last.date().into());
                Ok(())
            }
            End::After(count) => {
                members.insert("type".to_owned(), "numbered".into());
                members.insert("numberOfOccurrences".to_owned(), count.into());
                Ok(())
            }
        });
        members.transpose()?;
        Ok(json!({ "pattern": pattern, "range": range }))
    }
}

/// Which of its weekday in its month a day is; from the twenty-ninth on it is the last.
fn nth(day: u8) -> &'static str {
    INDEXES.get(usize::from(day.saturating_sub(1) / 7)).copied().unwrap_or("last")
}

/// A recurrence of Graph's in the words of the argument.
pub(super) fn shown(recurrence: &Value) -> Option<Value> {
    let kind = text(recurrence, "/pattern/type")?;
    let (_, parts) = PATTERNS.into_iter().find(|(name, _)| *name == kind)?;
    let mut out = Map::new();
    out.insert("type".to_owned(), kind.into());
    let number = |pointer: &str| recurrence.pointer(pointer).and_then(Value::as_u64).filter(|n| *n > 0);
    out.insert("interval".to_owned(), number("/pattern/interval").unwrap_or(1).into());
    for part in parts {
        let pointer = format!("/pattern/{part}");
        let value: Option<Value> = match *part {
            "daysOfWeek" => Some(list(recurrence, &pointer).to_vec().into()),
            "index" => text(recurrence, &pointer).map(Into::into),
            _ => number(&pointer).map(Into::into),
        };
        if let Some(value) = value {
            out.insert((*part).to_owned(), value);
        }
    }
    match text(recurrence, "/range/type") {
        Some("endDate") => {
            if let Some(When::Day(last)) = text(recurrence, "/range/endDate").and_then(read_time) {
                out.insert("until".to_owned(), last.date().into());
            }
        }
        Some("numbered") => {
            if let Some(count) = number("/range/numberOfOccurrences") {
                out.insert("count".to_owned(), count.into());
            }
        }
        _ => {}
    }
    Some(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;

    fn recurrence(given: Value) -> Result<Option<Recurrence>, ToolError> {
        let values = json!({ "recurrence": given });
        let arguments =
            Arguments::of(Tool::CreateCalendarEvent, values.as_object().unwrap(), &["recurrence"])?;
        Recurrence::read(&arguments)
    }

    fn day(text: &str) -> Civil {
        match read_time(text) {
            Some(When::Day(day)) => day,
            other => panic!("{other:?}"),
        }
    }

    fn written(given: Value, first: &str) -> Value {
        recurrence(given).unwrap().unwrap().written(day(first), &Zone::utc()).unwrap()
    }

    #[test]
    fn what_is_left_out_is_read_off_the_first_day() {
        // The thirtieth of January 2026 is the last Friday of its month.
        for (kind, expected) in [
            ("daily", json!({"type": "daily", "interval": 1})),
            (
                "weekly",
                json!({"type": "weekly", "interval": 1, "daysOfWeek": ["friday"], "firstDayOfWeek": "monday"}),
            ),
            ("absoluteMonthly", json!({"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 30})),
            (
                "relativeMonthly",
                json!({"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["friday"], "index": "last"}),
            ),
            (
                "absoluteYearly",
                json!({"type": "absoluteYearly", "interval": 1, "dayOfMonth": 30, "month": 1}),
            ),
            (
                "relativeYearly",
                json!({"type": "relativeYearly", "interval": 1, "daysOfWeek": ["friday"], "index": "last", "month": 1}),
            ),
        ] {
            let found = written(json!({ "type": kind }), "2026-01-30");
            assert_eq!(found["pattern"], expected);
            assert_eq!(
                found["range"],
                json!({"type": "noEnd", "startDate": "2026-01-30", "recurrenceTimeZone": "UTC"})
            );
            let shown = shown(&found).unwrap();
            let again = written(shown.clone(), "2026-01-30");
            assert_eq!(again, found, "what is shown can be given again: {shown}");
        }
        assert_eq!([1, 7, 8, 28, 29, 31].map(nth), ["first", "first", "second", "fourth", "last", "last"]);
    }

    #[test]
    fn everything_can_be_said_and_is_shown_again() {
        let given = json!({"type": "relativeYearly", "interval": 2, "daysOfWeek": ["Monday", "tuesday"],
                           "index": "second", "month": 11, "until": "2030-12-31"});
        let found = written(given, "2026-11-09");
        assert_eq!(found["pattern"]["daysOfWeek"], json!(["monday", "tuesday"]));
        assert_eq!(
            (&found["range"]["type"], &found["range"]["endDate"]),
            (&json!("endDate"), &json!("2030-12-31"))
        );
        assert_eq!(shown(&found).unwrap()["until"], "2030-12-31");
        let counted = written(json!({"type": "daily", "count": 3}), "2026-11-09");
        assert_eq!(counted["range"]["numberOfOccurrences"], 3);
        assert_eq!(shown(&counted).unwrap(), json!({"type": "daily", "interval": 1, "count": 3}));
        assert_eq!(shown(&json!({"pattern": {"type": "odd"}})), None);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (given, expected) in [
            (json!({}), "`type`"),
            (json!({"type": "hourly"}), "`type`"),
            (json!({"type": "daily", "daysOfWeek": ["monday"]}), "`daysOfWeek`"),
            (json!({"type": "weekly", "daysOfWeek": ["someday"]}), "`daysOfWeek`"),
            (json!({"type": "weekly", "index": "first"}), "`index`"),
            (json!({"type": "absoluteMonthly", "dayOfMonth": 32}), "`dayOfMonth`"),
            (json!({"type": "daily", "interval": 0}), "`interval`"),
            (json!({"type": "daily", "count": 2, "until": "2026-12-31"}), "`count`"),
            (json!({"type": "daily", "until": "2026-12-31T10:00"}), "`until`"),
            (json!({"type": "daily", "every": 2}), "no argument"),
            (json!("daily"), "`recurrence`"),
        ] {
            let error = recurrence(given).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
        let early = recurrence(json!({"type": "daily", "until": "2026-01-01"})).unwrap().unwrap();
        assert!(early.written(day("2026-01-02"), &Zone::utc()).is_err());
        assert_eq!(recurrence(Value::Null).unwrap(), None);
    }
}
