//! `getCalendarEvents`: what is on a calendar in a range, every occurrence of a series by itself.
//!
//! What holds here: a range is made of instants before Microsoft is asked, in the zone that the person lives in; Microsoft
//! is asked in UTC, and every time is shown in both. Nothing is cut without a word.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::{CALENDARS_READ, Tool};
use super::collection::Page;
use super::error::ToolError;
use super::event::{ends_too_early, moment};
use super::plan::Reading;
use super::{Finished, Step, Surroundings, event, mailbox_zone};
use crate::civil::{Civil, When, utc_text};
use crate::graph::{IMMUTABLE_IDS, UTC_TIMES, query};
use crate::limits::{CALENDAR_RANGE_MAX, PAGES_MAX};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::zones::{Zone, Zones};

const COUNT_MAX: u64 = 250;
const COUNT_DEFAULT: u64 = 50;
const PAGE_ITEMS: &str = "100";

/// Today and the next seven days.
const DAYS_DEFAULT: i64 = 8;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    start: Option<When>,
    end: Option<When>,
    /// The path of the view, without parameters.
    view: String,
    count: usize,
    now: UnixMs,
    zones: Zones,
}

/// What is being read.
#[derive(Clone, Debug, PartialEq)]
struct View {
    zone: Zone,
    from: UnixMs,
    to: UnixMs,
    path: String,
    pages: u32,
    events: Vec<Value>,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub struct GetCalendarEvents {
    wish: Wish,
    /// None while the mailbox is asked for its zone.
    view: Option<View>,
}

impl GetCalendarEvents {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["start", "end", "calendarId", "timeZone", "count"];
        let arguments = Arguments::of(Tool::GetCalendarEvents, values, &known)?;
        around.require(&CALENDARS_READ)?;
        let (start, end) = (arguments.when("start")?, arguments.when("end")?);
        let calendar = arguments.identifier("calendarId")?;
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        let wish = Wish {
            start,
            end,
            view: calendar.map_or_else(
                || "/me/calendarView".to_owned(),
                |calendar| format!("/me/calendars/{calendar}/calendarView"),
            ),
            count: usize::try_from(count).unwrap_or(usize::MAX),
            now: around.now,
            zones: around.zones,
        };
        let needs_zone = ![start, end].iter().all(|when| matches!(when, Some(When::Instant(_))));
        let zone = mailbox_zone::choose(&arguments, around, needs_zone)?;
        let view = zone.map(|zone| wish.view(zone)).transpose()?;
        Ok(Self { wish, view })
    }
}

impl Reading for GetCalendarEvents {
    fn call(&self) -> GraphCall {
        match &self.view {
            None => mailbox_zone::call(),
            Some(view) => {
                GraphCall::get(Lane::Mailbox, view.path.clone()).preferring(&[IMMUTABLE_IDS, UTC_TIMES])
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let Some(view) = &mut self.view else {
            let zone = mailbox_zone::answered(answer, self.wish.zones)?;
            self.view = Some(self.wish.view(zone)?);
            return Ok(Step::Call(self.call()));
        };
        let page = Page::read(answer)?;
        view.take(&page.value);
        view.pages += 1;
        let next = page.next(&view.path);
        let is_full = view.events.len() > self.wish.count;
        match next {
            Some(next) if !is_full && view.pages < PAGES_MAX => {
                view.path = next;
                Ok(Step::Call(self.call()))
            }
            _ => Ok(Step::Done(view.finished(self.wish.count, page.has_more()))),
        }
    }
}

impl Wish {
    /// Turns the range into instants.
    fn view(&self, zone: Zone) -> Result<View, ToolError> {
        let at = |when: Option<When>, day_moves_on: i64, default: Civil| match when {
            Some(When::Instant(at)) => Some(at),
            Some(When::Local(clock)) => zone.instant(clock),
            Some(When::Day(day)) => zone.instant(day.plus_days(day_moves_on)),
            None => zone.instant(default),
        };
        let out_of_range = || ToolError::argument("`start` and `end` must be later than 1970.");
        let today = zone.local(self.now).0.midnight();
        let from = at(self.start, 0, today).ok_or_else(out_of_range)?;
        let first_day = zone.local(from).0.midnight();
        // A day as the end means that whole day.
        let to = at(self.end, 1, first_day.plus_days(DAYS_DEFAULT)).ok_or_else(out_of_range)?;
        if to <= from {
            return Err(ends_too_early());
        }
        if to.since(from) > CALENDAR_RANGE_MAX {
            return Err(ToolError::argument("`start` and `end` must not be more than 400 days apart."));
        }
        let parameters = query(&[
            ("startDateTime", &utc_text(from)),
            ("endDateTime", &utc_text(to)),
            ("$select", event::FIELDS),
            ("$orderby", "start/dateTime"),
            ("$top", PAGE_ITEMS),
        ]);
        let path = format!("{}{parameters}", self.view);
        Ok(View { zone, from, to, path, pages: 0, events: Vec::new() })
    }
}

impl View {
    fn take(&mut self, items: &[Value]) {
        for item in items {
            let Some(times) = event::times(item, &self.zone) else { continue };
            // Microsoft compares whole days in UTC or in the mailbox's zone; here the asked one counts.
            let is_inside = times.days.is_none_or(|(first, last)| {
                first < self.zone.local(self.to).0 && last.plus_days(1) > self.zone.local(self.from).0
            });
            if is_inside {
                self.events.push(event::summary(item, times));
            }
        }
    }

    fn finished(&mut self, count: usize, is_cut: bool) -> Finished {
        let more = is_cut || self.events.len() > count;
        self.events.truncate(count);
        let structured = json!({
            "timeZone": self.zone.name(),
            "range": {"start": moment(self.from, &self.zone), "end": moment(self.to, &self.zone)},
            "events": self.events,
            "more": more,
        });
        Finished::from_outside(structured, "events, written by their organisers")
    }
}

#[cfg(test)]
mod tests;
