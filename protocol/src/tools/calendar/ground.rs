//! What a calendar tool has to know before it begins: the zone in which times are meant, the calendar that was named, and
//! the range that was asked for.
//!
//! What holds here: a calendar is found by its whole name and never guessed; of two with the same name neither is taken.

use crate::civil::{Civil, When};
use crate::graph::{query, segment};
use crate::limits::{CALENDAR_RANGE_MAX, PAGES_MAX};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::collection::{Page, text};
use crate::tools::error::ToolError;
use crate::tools::{Surroundings, mailbox_zone};
use crate::zones::{Zone, Zones};

use super::event::ends_too_early;

const NAME_CHARS_MAX: usize = 255;

/// The calendar that a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Calendar {
    Default,
    /// Its identifier as a segment.
    Known(String),
    /// Its name, the page of calendars to be looked at, and the identifiers of those with that name.
    Named {
        name: String,
        path: String,
        pages: u32,
        found: Vec<String>,
    },
}

/// The facts, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools) struct Ground {
    zone: Option<Zone>,
    zones: Zones,
    calendar: Calendar,
}

impl Ground {
    /// Reads `timeZone`, and `calendarId` or `calendar` where the tool has them. `needs_zone` says that a zone is needed to
    /// understand what was asked.
    pub(in crate::tools) fn read(
        arguments: &Arguments<'_>,
        around: Surroundings<'_>,
        needs_zone: bool,
    ) -> Result<Self, ToolError> {
        let id = arguments.identifier("calendarId")?;
        let name = arguments.line("calendar", NAME_CHARS_MAX)?;
        let calendar = match (id, name) {
            (None, None) => Calendar::Default,
            (Some(id), None) => Calendar::Known(id),
            (None, Some(name)) => Calendar::Named {
                name: name.trim().to_lowercase(),
                path: format!("/me/calendars{}", query(&[("$select", "id,name"), ("$top", "100")])),
                pages: 0,
                found: Vec::new(),
            },
            (Some(_), Some(_)) => {
                return Err(arguments.must_be("calendar", "left out where `calendarId` is given"));
            }
        };
        let zone = mailbox_zone::choose(arguments, around, needs_zone)?;
        Ok(Self { zone, zones: around.zones, calendar })
    }

    /// The next call that is needed to know; none once everything is known.
    pub(in crate::tools) fn call(&self) -> Option<GraphCall> {
        match (&self.zone, &self.calendar) {
            (None, _) => Some(mailbox_zone::call()),
            (_, Calendar::Named { path, .. }) => Some(GraphCall::get(Lane::Mailbox, path.clone())),
            _ => None,
        }
    }

    /// Reads its answer.
    ///
    /// # Errors
    /// The zone is of nobody's making, or there is not exactly one calendar of the name.
    pub(in crate::tools) fn answered(&mut self, answer: &Answer) -> Result<(), ToolError> {
        if self.zone.is_none() {
            self.zone = Some(mailbox_zone::answered(answer, self.zones)?);
            return Ok(());
        }
        if let Calendar::Named { name, path, pages, found } = &mut self.calendar {
            let page = Page::read(answer)?;
            let is_meant = |name: &str, item: &&_| {
                text(item, "/name").is_some_and(|one| one.trim().to_lowercase() == name)
            };
            let meant = page.value.iter().filter(|item| is_meant(name, item));
            found.extend(meant.filter_map(|item| segment(text(item, "/id")?).ok()));
            *pages += 1;
            match page.next(path) {
                Some(next) if *pages < PAGES_MAX => *path = next,
                _ => self.calendar = Calendar::Known(only(std::mem::take(found))?),
            }
        }
        Ok(())
    }

    /// The zone; UTC while it is not known.
    pub(in crate::tools) fn zone(&self) -> Zone {
        self.zone.clone().unwrap_or_else(Zone::utc)
    }

    /// The calendar's identifier as a segment; none for the default one.
    pub(super) fn calendar(&self) -> Option<&str> {
        match &self.calendar {
            Calendar::Known(id) => Some(id),
            Calendar::Default | Calendar::Named { .. } => None,
        }
    }
}

fn only(mut found: Vec<String>) -> Result<String, ToolError> {
    match (found.len(), found.pop()) {
        (1, Some(id)) => Ok(id),
        (0, _) | (_, None) => Err(ToolError::not_found(
            "There is no calendar with the name in `calendar`. listCalendars shows all.",
        )),
        _ => Err(ToolError::argument(
            "Several calendars have the name in `calendar`. Give `calendarId` as listCalendars shows it.",
        )),
    }
}

/// A range as it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub start: Option<When>,
    pub end: Option<When>,
    /// From when on without a start: the beginning of today, or now.
    pub from_now: bool,
    /// How many days without an end, the first included.
    pub days: i64,
    pub now: UnixMs,
}

impl Asked {
    /// Whether a zone is needed to know what is meant.
    pub(super) fn needs_zone(&self) -> bool {
        ![self.start, self.end].iter().all(|when| matches!(when, Some(When::Instant(_))))
    }

    /// The range as instants. A day as its end means that whole day.
    pub(super) fn range(&self, zone: &Zone) -> Result<(UnixMs, UnixMs), ToolError> {
        let at = |when: Option<When>, day_moves_on: i64, default: Civil| match when {
            Some(When::Instant(at)) => Some(at),
            Some(When::Local(clock)) => zone.instant(clock),
            Some(When::Day(day)) => zone.instant(day.plus_days(day_moves_on)),
            None => zone.instant(default),
        };
        let out_of_range = || ToolError::argument("`start` and `end` must be later than 1970.");
        let from = match self.start {
            None if self.from_now => self.now,
            start => at(start, 0, zone.local(self.now).0.midnight()).ok_or_else(out_of_range)?,
        };
        let first_day = zone.local(from).0.midnight();
        let to = at(self.end, 1, first_day.plus_days(self.days)).ok_or_else(out_of_range)?;
        if to <= from {
            return Err(ends_too_early());
        }
        if to.since(from) > CALENDAR_RANGE_MAX {
            return Err(ToolError::argument("`start` and `end` must not be more than 400 days apart."));
        }
        Ok((from, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool;
    use crate::tools::testing::{answer, with_granted};
    use serde_json::{Value, json};

    fn ground(arguments: Value) -> Result<Ground, ToolError> {
        let known = ["calendarId", "calendar", "timeZone"];
        with_granted(&["Calendars.Read", "MailboxSettings.Read"], |around| {
            let arguments = Arguments::of(Tool::GetCalendarEvents, arguments.as_object().unwrap(), &known)?;
            Ground::read(&arguments, around, true)
        })
    }

    #[test]
    fn zone_and_calendar_are_asked_for_one_after_the_other() {
        let mut ground = ground(json!({"calendar": "Travel "})).unwrap();
        assert_eq!(ground.call().unwrap().path, "/me/mailboxSettings?$select=timeZone");
        ground.answered(&answer(200, &json!({"timeZone": "Europe/Zurich"}))).unwrap();
        assert_eq!(ground.call().unwrap().path, "/me/calendars?$select=id%2Cname&$top=100");
        let link = "https://graph.microsoft.com/v1.0/me/calendars?$skip=100";
        let page = json!({"value": [{"id": "A=", "name": "Calendar"}], "@odata.nextLink": link});
        ground.answered(&answer(200, &page)).unwrap();
        assert_eq!(ground.call().unwrap().path, "/me/calendars?$skip=100");
        ground.answered(&answer(200, &json!({"value": [{"id": "B=", "name": "travel"}]}))).unwrap();
        assert_eq!((ground.call(), ground.calendar()), (None, Some("B=")));
        assert_eq!(ground.zone().name(), "Europe/Zurich");
    }

    #[test]
    fn a_name_that_none_or_two_have_is_refused() {
        let items = json!([{"id": "A=", "name": "x"}, {"id": "B=", "name": "X"}, {"id": "C=", "name": "xy"}]);
        for (name, code) in [("x", "bad_argument"), ("y", "not_found")] {
            let mut ground = ground(json!({"calendar": name, "timeZone": "UTC"})).unwrap();
            assert_eq!(ground.answered(&answer(200, &json!({ "value": items }))).unwrap_err().code, code);
        }
        assert!(ground(json!({"calendar": "x", "calendarId": "A="})).is_err());
        assert!(ground(json!({"calendar": "x\ny"})).is_err());
    }
}
