//! `getCalendarEvents`: what is on a calendar in a range, every occurrence of a series by itself.
//!
//! What holds here: a range is made of instants before Microsoft is asked, in the zone that the person lives in; Microsoft
//! is asked in UTC, and every time is shown in both. Nothing is cut without a word.

use serde_json::{Map, Value, json};

use super::BY_ORGANISERS;
use super::event::{self, moment};
use super::ground::{Asked, Ground};
use crate::civil::utc_text;
use crate::graph::{IMMUTABLE_IDS, UTC_TIMES, query};
use crate::limits::PAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::budget::{Budget, Continuation};
use crate::tools::catalogue::CALENDARS_READ;
use crate::tools::collection::Page;
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings, Tool, mailbox_zone};
use crate::zones::Zone;

const COUNT_MAX: u64 = 250;
const COUNT_DEFAULT: u64 = 50;
const PAGE_ITEMS: &str = "100";

/// Today and the next seven days.
const DAYS_DEFAULT: i64 = 8;

/// What is being read.
#[derive(Clone, Debug, PartialEq)]
struct View {
    zone: Zone,
    from: UnixMs,
    to: UnixMs,
    path: String,
    pages: u32,
    /// What of the page was shown by an earlier answer.
    skipped: usize,
    events: Vec<Value>,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GetCalendarEvents {
    asked: Asked,
    count: usize,
    budget: Budget,
    ground: Ground,
    /// None while something has to be asked before.
    view: Option<View>,
}

impl GetCalendarEvents {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["start", "end", "calendarId", "calendar", "timeZone", "count", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::GetCalendarEvents, values, &known)?;
        around.require(&CALENDARS_READ)?;
        let (start, end) = (arguments.when("start")?, arguments.when("end")?);
        let asked = Asked { start, end, from_now: false, days: DAYS_DEFAULT, now: around.now };
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        let ground = Ground::read(&arguments, around, asked.needs_zone())?;
        let budget = Budget::read(&arguments, around)?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut plan = Self { asked, count, budget, ground, view: None };
        if plan.ground.call().is_none() {
            plan.begin()?;
        }
        Ok(plan)
    }

    /// Turns the range into instants, once everything is known.
    fn begin(&mut self) -> Result<(), ToolError> {
        let zone = self.ground.zone();
        let (from, to) = self.asked.range(&zone)?;
        let parameters = query(&[
            ("startDateTime", &utc_text(from)),
            ("endDateTime", &utc_text(to)),
            ("$select", event::FIELDS),
            ("$orderby", "start/dateTime"),
            ("$top", PAGE_ITEMS),
        ]);
        let path = match self.ground.calendar() {
            None => format!("/me/calendarView{parameters}"),
            Some(calendar) => format!("/me/calendars/{calendar}/calendarView{parameters}"),
        };
        let path = self.budget.path(path);
        let skipped = usize::try_from(self.budget.from.offset).unwrap_or(usize::MAX);
        self.view = Some(View { zone, from, to, path, pages: 0, skipped, events: Vec::new() });
        Ok(())
    }
}

impl Reading for GetCalendarEvents {
    fn call(&self) -> GraphCall {
        match &self.view {
            None => self.ground.call().unwrap_or_else(mailbox_zone::call),
            Some(view) => {
                GraphCall::get(Lane::Mailbox, view.path.clone()).preferring(&[IMMUTABLE_IDS, UTC_TIMES])
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let Some(view) = &mut self.view else {
            self.ground.answered(answer)?;
            if self.ground.call().is_none() {
                self.begin()?;
            }
            return Ok(Step::Call(self.call()));
        };
        let page = Page::read(answer)?;
        if let Some(goes_on) = view.take(&page, self.count, &mut self.budget) {
            return Ok(Step::Done(view.finished(Some(goes_on), true)));
        }
        view.pages += 1;
        match page.next(&view.path) {
            Some(next) if view.pages < PAGES_MAX => {
                (view.path, view.skipped) = (next, 0);
                Ok(Step::Call(self.call()))
            }
            next => {
                let goes_on = next.map(|next| self.budget.goes_on(&next, 0));
                Ok(Step::Done(view.finished(goes_on, page.has_more())))
            }
        }
    }
}

impl View {
    /// Takes the events of a page, as many as fit; where it goes on, if they do not all.
    fn take(&mut self, page: &Page, count: usize, budget: &mut Budget) -> Option<Continuation> {
        for (at, item) in page.value.iter().enumerate().skip(self.skipped) {
            let Some(times) = event::times(item, &self.zone) else { continue };
            // Microsoft compares whole days in UTC or in the mailbox's zone; here the asked one counts.
            let is_inside = times.days.is_none_or(|(first, last)| {
                first < self.zone.local(self.to).0 && last.plus_days(1) > self.zone.local(self.from).0
            });
            if !is_inside {
                continue;
            }
            let shown = event::summary(item, times);
            if self.events.len() >= count || !budget.admits(&shown, self.events.is_empty()) {
                return Some(budget.goes_on(&self.path, u64::try_from(at).unwrap_or_default()));
            }
            self.events.push(shown);
        }
        None
    }

    fn finished(&mut self, goes_on: Option<Continuation>, more: bool) -> Finished {
        let structured = json!({
            "timeZone": self.zone.name(),
            "range": {"start": moment(self.from, &self.zone), "end": moment(self.to, &self.zone)},
            "events": std::mem::take(&mut self.events),
            "more": more,
        });
        Finished::from_outside(structured, BY_ORGANISERS).going_on(goes_on)
    }
}

#[cfg(test)]
mod tests;
