//! `findTimes`: when people or rooms are free, and when a meeting could be.
//!
//! What holds here: it asks and books nothing. Without a length it shows what is in the calendars of those who were named;
//! with one, Microsoft suggests times; with `rooms` it looks for rooms and whether they are free all the time.

use serde_json::{Map, Value, json};

use super::create::attendee;
use super::event::moment;
use super::ground::{Asked, Ground};
use crate::civil::{Civil, When, read as read_time};
use crate::graph::{UTC_TIMES, query};
use crate::limits::{FREE_BUSY_DAYS_MAX, FREE_BUSY_ITEMS_MAX, FREE_BUSY_SCHEDULES_MAX, PAGES_MAX};
use crate::outbound::{Answer, GraphCall, Lane, Safety};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{CALENDARS_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, list, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};
use crate::zones::Zone;

const COUNT_MAX: u64 = 20;
const MINUTES_MAX: u64 = 24 * 60;

/// Today and the next six days.
const DAYS_DEFAULT: i64 = 7;

const ROOM_FIELDS: &str = "id,displayName,emailAddress,capacity,building,floorLabel";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Question {
    /// What is in these calendars.
    Schedules,
    /// Times for a meeting of so many minutes.
    Suggestions { minutes: u64, count: u64, at_any_hour: bool, optional: Vec<String> },
    /// Rooms with this in their name, of at least this size; empty means all.
    Rooms {
        name: String,
        capacity: u64,
        path: String,
        pages: u32,
        found: Vec<Value>,
        goes_on_at: Option<(String, u64)>,
    },
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FindTimes {
    question: Question,
    people: Vec<String>,
    asked: Asked,
    ground: Ground,
    budget: Budget,
}

impl FindTimes {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = [
            "attendees",
            "optionalAttendees",
            "start",
            "end",
            "timeZone",
            "durationMinutes",
            "anyHour",
            "count",
            "rooms",
            "minCapacity",
            "maxTokens",
            "cursor",
        ];
        let arguments = Arguments::of(Tool::FindTimes, values, &known)?;
        let owned = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let people = owned(arguments.addresses("attendees")?);
        let optional = owned(arguments.addresses("optionalAttendees")?);
        let question = question(&arguments, &people, optional)?;
        match &question {
            Question::Schedules => around.require(&CALENDARS_READ)?,
            Question::Suggestions { .. } => {
                around.require(&["Calendars.Read.Shared", "Calendars.ReadWrite.Shared"])?;
            }
            Question::Rooms { .. } => {
                around.require(&["Place.Read.All"])?;
                around.require(&CALENDARS_READ)?;
            }
        }
        let (start, end) = (arguments.when("start")?, arguments.when("end")?);
        let asked = Asked { start, end, from_now: true, days: DAYS_DEFAULT, now: around.now };
        let ground = Ground::read(&arguments, around, asked.needs_zone())?;
        let budget = Budget::read(&arguments, around)?;
        let mut plan = Self { question, people, asked, ground, budget };
        if let Question::Rooms { path, .. } = &mut plan.question {
            *path = plan.budget.path(std::mem::take(path));
        }
        if plan.ground.call().is_none() {
            plan.range()?;
        }
        Ok(plan)
    }

    /// The range, once the zone is known.
    fn range(&self) -> Result<(UnixMs, UnixMs), ToolError> {
        let (from, to) = self.asked.range(&self.ground.zone())?;
        if to.since(from) > FREE_BUSY_DAYS_MAX {
            return Err(ToolError::argument("`start` and `end` must not be more than 62 days apart."));
        }
        Ok((from, to))
    }

    /// The range where it was checked before.
    fn slot(&self) -> (Value, Value) {
        let (from, to) = self.range().unwrap_or((self.asked.now, self.asked.now));
        let at = |at: UnixMs| json!({"dateTime": Civil::utc(at).text(), "timeZone": "UTC"});
        (at(from), at(to))
    }

    fn schedules_call(&self, addresses: &[String]) -> GraphCall {
        let (start, end) = self.slot();
        let body = json!({"schedules": addresses, "startTime": start, "endTime": end, "availabilityViewInterval": 30});
        asking("/me/calendar/getSchedule", &body)
    }

    fn suggestions_call(
        &self,
        minutes: u64,
        count: u64,
        at_any_hour: bool,
        optional: &[String],
    ) -> GraphCall {
        let (start, end) = self.slot();
        let kinds = self
            .people
            .iter()
            .map(|one| (one, "required"))
            .chain(optional.iter().map(|one| (one, "optional")));
        let attendees: Vec<Value> = kinds.map(|(address, kind)| attendee(address, kind)).collect();
        let body = json!({
            "attendees": attendees,
            "timeConstraint": {
                "activityDomain": if at_any_hour { "unrestricted" } else { "work" },
                "timeSlots": [{"start": start, "end": end}],
            },
            "meetingDuration": format!("PT{minutes}M"),
            "maxCandidates": count,
            "minimumAttendeePercentage": 50,
            "returnSuggestionReasons": true,
        });
        asking("/me/findMeetingTimes", &body)
    }

    fn schedules(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let zone = self.ground.zone();
        let (schedules, goes_on) = self.budget.page(&page, "", |item| schedule(item, &zone), true);
        Ok(self.done("schedules", schedules, |finished| finished.going_on(goes_on)))
    }

    fn suggestions(&self, answer: &Answer) -> Result<Step, ToolError> {
        let found: Value = read(answer)?;
        let zone = self.ground.zone();
        let suggestions: Vec<Value> =
            list(&found, "/meetingTimeSuggestions").iter().filter_map(|one| suggestion(one, &zone)).collect();
        let reason = text(&found, "/emptySuggestionsReason").map(str::to_owned);
        Ok(self.done("suggestions", suggestions, |mut finished| {
            if let (Some(reason), Some(members)) = (reason, finished.structured.as_object_mut()) {
                members.insert("noneBecause".to_owned(), reason.into());
            }
            finished
        }))
    }

    /// Reads a page of rooms and goes on until so many are found as can be asked for at once.
    fn rooms(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let Question::Rooms { name, capacity, path, pages, found, goes_on_at } = &mut self.question else {
            return Err(ToolError::interrupted());
        };
        let skipped = usize::try_from(std::mem::take(&mut self.budget.from.offset)).unwrap_or(usize::MAX);
        for (at, item) in page.value.iter().enumerate().skip(skipped) {
            let Some(room) = room(item, name, *capacity) else { continue };
            if found.len() == FREE_BUSY_SCHEDULES_MAX {
                *goes_on_at = Some((path.clone(), u64::try_from(at).unwrap_or_default()));
                break;
            }
            found.push(room);
        }
        *pages += 1;
        match page.next(path) {
            Some(next) if goes_on_at.is_none() && *pages < PAGES_MAX => {
                *path = next;
                return Ok(Step::Call(self.call()));
            }
            Some(next) if goes_on_at.is_none() => *goes_on_at = Some((next, 0)),
            _ => {}
        }
        if found.is_empty() {
            return Ok(self.no_rooms());
        }
        path.clear();
        Ok(Step::Call(self.call()))
    }

    /// None of the rooms that were looked at is meant; there may be more.
    fn no_rooms(&mut self) -> Step {
        let Question::Rooms { goes_on_at, .. } = &mut self.question else {
            return self.done("rooms", Vec::new(), |x| x);
        };
        let goes_on = goes_on_at.take().map(|(path, offset)| self.budget.goes_on(&path, offset));
        self.done("rooms", Vec::new(), |finished| finished.going_on(goes_on))
    }

    /// Reads whether the rooms that were found are free.
    fn rooms_free(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let Question::Rooms { found, goes_on_at, .. } = &mut self.question else {
            return Err(ToolError::interrupted());
        };
        let (mut rooms, place) = (std::mem::take(found), goes_on_at.take());
        for room in &mut rooms {
            let address = text(room, "/address").unwrap_or_default().to_owned();
            let is_this =
                |item: &&Value| text(item, "/scheduleId").is_some_and(|id| id.eq_ignore_ascii_case(&address));
            if let Some(item) = page.value.iter().find(is_this)
                && item.get("error").is_none_or(Value::is_null)
            {
                let is_free = list(item, "/scheduleItems").is_empty();
                if let Some(members) = room.as_object_mut() {
                    members.insert("isFree".to_owned(), is_free.into());
                }
            }
        }
        let goes_on = place.map(|(path, offset)| self.budget.goes_on(&path, offset));
        Ok(self.done("rooms", rooms, |finished| finished.going_on(goes_on)))
    }

    fn done(&self, name: &str, items: Vec<Value>, with: impl FnOnce(Finished) -> Finished) -> Step {
        let zone = self.ground.zone();
        let (from, to) = self.range().unwrap_or((self.asked.now, self.asked.now));
        let structured = json!({
            "timeZone": zone.name(), "range": {"start": moment(from, &zone), "end": moment(to, &zone)}, name: items,
        });
        Step::Done(with(Finished::from_outside(structured, "calendars of other people")))
    }
}

fn question(
    arguments: &Arguments<'_>,
    people: &[String],
    optional: Vec<String>,
) -> Result<Question, ToolError> {
    let none = MINUTES_MAX + 1;
    let minutes = arguments.integer("durationMinutes", 5..=MINUTES_MAX, none)?;
    let capacity = arguments.integer("minCapacity", 1..=100_000, 0)?;
    let count = arguments.integer("count", 1..=COUNT_MAX, 0)?;
    let at_any_hour = arguments.flag("anyHour")?;
    let is_suggestion = minutes != none;
    if let Some(name) = arguments.line("rooms", 100)? {
        if is_suggestion || !people.is_empty() || !optional.is_empty() {
            return Err(arguments.must_be("rooms", "given without `attendees` and `durationMinutes`"));
        }
        let name = name.trim().trim_matches('*').to_lowercase();
        let parameters = query(&[("$select", ROOM_FIELDS), ("$top", "100")]);
        let path = format!("/places/microsoft.graph.room{parameters}");
        return Ok(Question::Rooms { name, capacity, path, pages: 0, found: Vec::new(), goes_on_at: None });
    }
    if capacity > 0 {
        return Err(arguments.must_be("minCapacity", "left out without `rooms`"));
    }
    if is_suggestion {
        let count = if count == 0 { 5 } else { count };
        let at_any_hour = at_any_hour.unwrap_or(false);
        return Ok(Question::Suggestions { minutes, count, at_any_hour, optional });
    }
    if count > 0 || at_any_hour.is_some() || !optional.is_empty() {
        let expected = "given with `count`, `anyHour` or `optionalAttendees`";
        return Err(arguments.must_be("durationMinutes", expected));
    }
    if people.is_empty() || people.len() > FREE_BUSY_SCHEDULES_MAX {
        let expected = format!("a list of 1 to {FREE_BUSY_SCHEDULES_MAX} addresses of people or rooms");
        return Err(arguments.must_be("attendees", &expected));
    }
    Ok(Question::Schedules)
}

/// A POST that asks and changes nothing.
fn asking(path: &str, body: &Value) -> GraphCall {
    let call =
        GraphCall::post(Lane::Mailbox, path.to_owned(), Some(body.to_string())).preferring(&[UTC_TIMES]);
    GraphCall { safety: Safety::Read, ..call }
}

/// A time of a slot that was asked for in UTC.
fn at(item: &Value, pointer: &str, zone: &Zone) -> Option<Value> {
    match read_time(text(item, pointer)?)? {
        When::Local(clock) | When::Day(clock) => Some(moment(clock.as_utc()?, zone)),
        When::Instant(at) => Some(moment(at, zone)),
    }
}

/// What is in somebody's calendar, as far as it is shown to others.
fn schedule(item: &Value, zone: &Zone) -> Option<Value> {
    let address = text(item, "/scheduleId")?;
    if item.get("error").is_some_and(|error| !error.is_null()) {
        return Some(json!({"address": address, "problem": "Microsoft could not look into this calendar."}));
    }
    let items = list(item, "/scheduleItems");
    let busy: Vec<Value> = items
        .iter()
        .take(FREE_BUSY_ITEMS_MAX)
        .filter_map(|one| {
            let fields: [Field; 3] = [
                ("status", "/status", Kind::Text),
                ("subject", "/subject", Kind::Text),
                ("location", "/location", Kind::Text),
            ];
            let mut out = shown(one, &fields);
            out.insert("start".to_owned(), at(one, "/start/dateTime", zone)?);
            out.insert("end".to_owned(), at(one, "/end/dateTime", zone)?);
            Some(Value::Object(out))
        })
        .collect();
    let mut out = Map::from_iter([("address".to_owned(), address.into()), ("busy".to_owned(), busy.into())]);
    if items.len() > FREE_BUSY_ITEMS_MAX {
        out.insert("isCut".to_owned(), true.into());
    }
    if let Some(hours) = working_hours(item) {
        out.insert("workingHours".to_owned(), hours.into());
    }
    Some(out.into())
}

/// Working hours in words: `monday-friday 08:00-17:00 W. Europe Standard Time`.
fn working_hours(item: &Value) -> Option<String> {
    let days: Vec<&str> = list(item, "/workingHours/daysOfWeek").iter().filter_map(Value::as_str).collect();
    let hour = |pointer: &str| text(item, pointer)?.get(..5);
    let (start, end) = (hour("/workingHours/startTime")?, hour("/workingHours/endTime")?);
    let zone = text(item, "/workingHours/timeZone/name").unwrap_or_default();
    Some(format!("{} {start}-{end} {zone}", days.join(",")).trim().to_owned())
}

fn suggestion(item: &Value, zone: &Zone) -> Option<Value> {
    let fields: [Field; 2] =
        [("organizer", "/organizerAvailability", Kind::Text), ("reason", "/suggestionReason", Kind::Text)];
    let mut out = shown(item, &fields);
    out.insert("start".to_owned(), at(item, "/meetingTimeSlot/start/dateTime", zone)?);
    out.insert("end".to_owned(), at(item, "/meetingTimeSlot/end/dateTime", zone)?);
    if let Some(confidence) = item.get("confidence").and_then(Value::as_f64) {
        // Microsoft gives a percentage, at times with a fraction.
        let whole = u64::try_from(confidence as i64).unwrap_or_default();
        out.insert("confidence".to_owned(), whole.into());
    }
    let attendees: Vec<Value> = list(item, "/attendeeAvailability")
        .iter()
        .map(|one| {
            let fields: [Field; 2] = [
                ("address", "/attendee/emailAddress/address", Kind::Text),
                ("availability", "/availability", Kind::Text),
            ];
            shown(one, &fields).into()
        })
        .collect();
    if !attendees.is_empty() {
        out.insert("attendees".to_owned(), attendees.into());
    }
    Some(Value::Object(out))
}

/// A room that is meant; none if it is another.
fn room(item: &Value, name: &str, capacity: u64) -> Option<Value> {
    let fields: [Field; 4] = [
        ("address", "/emailAddress", Kind::Text),
        ("name", "/displayName", Kind::Text),
        ("building", "/building", Kind::Text),
        ("floor", "/floorLabel", Kind::Text),
    ];
    let mut out = shown(item, &fields);
    let holds = item.get("capacity").and_then(Value::as_u64);
    let is_named = |member: &str| {
        out.get(member).and_then(Value::as_str).is_some_and(|text| text.to_lowercase().contains(name))
    };
    let is_meant = name.is_empty() || is_named("name") || is_named("building") || is_named("address");
    if !is_meant || !out.contains_key("address") || holds.unwrap_or(0) < capacity {
        return None;
    }
    if let Some(holds) = holds {
        out.insert("capacity".to_owned(), holds.into());
    }
    Some(Value::Object(out))
}

impl Reading for FindTimes {
    fn call(&self) -> GraphCall {
        if let Some(call) = self.ground.call() {
            return call;
        }
        match &self.question {
            Question::Schedules => self.schedules_call(&self.people),
            Question::Suggestions { minutes, count, at_any_hour, optional } => {
                self.suggestions_call(*minutes, *count, *at_any_hour, optional)
            }
            Question::Rooms { path, found, .. } if path.is_empty() => {
                let addresses: Vec<String> =
                    found.iter().filter_map(|room| text(room, "/address")).map(str::to_owned).collect();
                self.schedules_call(&addresses)
            }
            Question::Rooms { path, .. } => GraphCall::get(Lane::Other, path.clone()),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.ground.call().is_some() {
            self.ground.answered(answer)?;
            if self.ground.call().is_none() {
                self.range()?;
            }
            return Ok(Step::Call(self.call()));
        }
        match &self.question {
            Question::Schedules => self.schedules(answer),
            Question::Suggestions { .. } => self.suggestions(answer),
            Question::Rooms { path, .. } if path.is_empty() => self.rooms_free(answer),
            Question::Rooms { .. } => self.rooms(answer),
        }
    }
}

#[cfg(test)]
mod tests;
