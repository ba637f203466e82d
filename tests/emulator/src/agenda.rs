//! Calendars: events, series and how a series becomes occurrences. An event has two ids, as a mail has; an
//! occurrence's ids are its series' ids with the day inside, so that they can be found again without being
//! stored. A changed or deleted occurrence must never come back from its series.

use crate::ids::Ids;
use crate::mailbox::Address;
use crate::recurrence::Recurrence;
use crate::tenant::{self, Directory, User};
use crate::zones;
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A civil moment and the zone that it is meant in, by the name that the writer used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The civil date and time.
    pub civil: DateTime,
    /// The zone's IANA or Windows name.
    pub zone: String,
}

impl Moment {
    /// The moment in milliseconds.
    pub fn ms(&self) -> i64 {
        zones::to_ms(self.civil, &zones::zone(&self.zone).unwrap_or(TimeZone::UTC))
    }

    /// The same time of day, some days later.
    fn after_days(&self, days: i32) -> Self {
        Self { civil: self.civil.saturating_add(days.days()), zone: self.zone.clone() }
    }
}

/// Someone who is invited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendee {
    /// Who.
    pub address: Address,
    /// `required`, `optional` or `resource`.
    pub kind: String,
    /// `none`, `accepted`, `tentativelyAccepted` or `declined`.
    pub response: &'static str,
    /// When the answer came.
    pub responded_ms: Option<u64>,
}

/// What an event is within a series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// On its own.
    #[default]
    Single,
    /// The series itself.
    Master,
    /// One of a series.
    Occurrence,
    /// One of a series that was changed.
    Exception,
}

/// One event in one calendar.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// The id that changes when the event moves.
    pub rest_id: String,
    /// The id that stays.
    pub immutable_id: String,
    /// Its calendar's id.
    pub calendar_id: String,
    /// The id that all attendees' copies share.
    pub uid: String,
    /// When it begins.
    pub start: Moment,
    /// When it ends.
    pub end: Moment,
    /// Whether it fills whole days.
    pub all_day: bool,
    /// Who invites.
    pub organizer: Address,
    /// Whether that is the calendar's owner.
    pub is_organizer: bool,
    /// Who is invited.
    pub attendees: Vec<Attendee>,
    /// The owner's own answer: `none`, `organizer`, `notResponded`, `accepted` and so on.
    pub response: &'static str,
    /// When the owner answered.
    pub responded_ms: Option<u64>,
    /// How it repeats, with the JSON that Graph shows.
    pub recurrence: Option<(Recurrence, Value)>,
    /// Days of a series that differ: changed, or deleted where there is none.
    pub exceptions: BTreeMap<Date, Option<Self>>,
    /// The properties that mean nothing to the emulator, as Graph shows them.
    pub plain: Map<String, Value>,
    /// The writer's own key against a second creation.
    pub transaction_id: Option<String>,
    /// Properties of the writer's own, which are shown to nobody and can be searched for.
    pub extended: Vec<(String, String)>,
    /// Where to join online.
    pub join_url: Option<String>,
    /// Whether the organizer called it off.
    pub cancelled: bool,
    /// When it was made.
    pub created_ms: u64,
    /// When it last changed.
    pub modified_ms: u64,
    /// Counts changes, for the etag.
    pub change: u64,
    /// What it is within a series.
    pub place: Place,
    /// The series' two ids, for one of a series.
    pub series: Option<(String, String)>,
    /// The day that the series meant, for one of a series.
    pub original: Option<Moment>,
}

/// One calendar.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// The id.
    pub id: String,
    /// The name.
    pub name: &'static str,
    /// The colour's name.
    pub color: &'static str,
    /// The colour.
    pub hex_color: &'static str,
    /// Whether new events go here.
    pub is_default: bool,
}

/// Where an event was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// In the list, at this index.
    Stored(usize),
    /// As one day of the series at this index.
    Day(usize, Date),
}

/// One person's calendars.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    /// The calendars; the first is the default.
    pub calendars: Vec<Calendar>,
    /// The events of all calendars in the order in which they were made.
    pub events: Vec<Event>,
}

/// Everyone's calendars, in the order of the directory.
#[derive(Clone, Debug, Default)]
pub struct Agendas {
    boxes: Vec<(&'static str, Agenda)>,
}

const REST_END: &str = "AAAA=";
const IMMUTABLE_END: &str = "AAA==";

/// Puts a day into a series' id.
fn day_id(id: &str, end: &str, date: Date) -> String {
    let stem = id.strip_suffix(end).unwrap_or(id);
    format!("{stem}{:04}{:02}{:02}{end}", date.year(), date.month(), date.day())
}

/// Takes the day out of an occurrence's id: the series' id and the day.
fn split_day_id(id: &str, end: &str) -> Option<(String, Date)> {
    let stem = id.strip_suffix(end)?;
    let (master, digits) = stem.split_at_checked(stem.len().checked_sub(8)?)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i16>().ok();
    let month = i8::try_from(number(4, 6)?).ok()?;
    let date = Date::new(number(0, 4)?, month, i8::try_from(number(6, 8)?).ok()?).ok()?;
    Some((format!("{master}{end}"), date))
}

impl Event {
    /// Gives a new event its ids and times.
    pub fn stamp(&mut self, ids: &mut Ids, now_ms: u64) {
        self.rest_id = ids.rest_id();
        self.immutable_id = ids.immutable_id();
        if self.uid.is_empty() {
            self.uid =
                format!("040000008200E00074C5B7101A82E008{}", ids.uuid().replace('-', "").to_uppercase());
        }
        (self.created_ms, self.modified_ms) = (now_ms, now_ms);
    }

    /// Whether it overlaps a window; what begins at its end is outside.
    fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        let (start, end) = (self.start.ms(), self.end.ms());
        start < to_ms && (end > from_ms || (start == end && start >= from_ms))
    }

    /// The days that the series itself means, changed and deleted ones included.
    fn days(&self, last: Date) -> Vec<Date> {
        self.recurrence.as_ref().map(|(series, _)| series.dates(last)).unwrap_or_default()
    }

    /// The series' event on one of its days: an occurrence, its exception, or nothing when it was deleted.
    pub fn on_day(&self, date: Date) -> Option<Self> {
        if let Some(exception) = self.exceptions.get(&date) {
            return exception.clone();
        }
        let shift = self.start.civil.date().until(date).map_or(0, |span| span.get_days());
        let start = self.start.after_days(shift);
        Some(Self {
            rest_id: day_id(&self.rest_id, REST_END, date),
            immutable_id: day_id(&self.immutable_id, IMMUTABLE_END, date),
            end: self.end.after_days(shift),
            original: Some(start.clone()),
            start,
            recurrence: None,
            exceptions: BTreeMap::new(),
            transaction_id: None,
            place: Place::Occurrence,
            series: Some((self.rest_id.clone(), self.immutable_id.clone())),
            ..self.clone()
        })
    }

    /// The series' occurrences that overlap a window, in order.
    pub fn instances(&self, from_ms: i64, to_ms: i64) -> Vec<Self> {
        // One day more on each side covers every zone. Days long before the window are left out early, because
        // making an occurrence is dear; changed ones may have been moved into it.
        let day = |ms: i64| zones::to_civil(ms, &TimeZone::UTC).date();
        let length_ms = self.end.ms().saturating_sub(self.start.ms());
        let (first, last) = (day(from_ms.saturating_sub(length_ms)).saturating_sub(2.days()), day(to_ms));
        let dates = self.days(last.saturating_add(1.day())).into_iter();
        let near = dates.filter(|date| *date >= first || self.exceptions.contains_key(date));
        let days = near.filter_map(|date| self.on_day(date));
        days.filter(|event| event.overlaps(from_ms, to_ms)).collect()
    }
}

impl Agenda {
    /// The default calendar's id.
    pub fn default_id(&self) -> &str {
        self.calendars.iter().find(|c| c.is_default).map_or("", |calendar| &calendar.id)
    }

    /// Finds an event or an occurrence by either of its ids.
    pub fn find(&self, id: &str) -> Option<Found> {
        let stored = |id: &str| self.events.iter().position(|e| e.rest_id == id || e.immutable_id == id);
        if let Some(index) = stored(id) {
            return Some(Found::Stored(index));
        }
        let (master, date) = split_day_id(id, REST_END).or_else(|| split_day_id(id, IMMUTABLE_END))?;
        let index = stored(&master)?;
        let event = self.events.get(index)?;
        let meant = event.days(date).last() == Some(&date) && event.on_day(date).is_some();
        meant.then_some(Found::Day(index, date))
    }

    /// The event that was found.
    pub fn read(&self, found: Found) -> Option<Event> {
        match found {
            Found::Stored(index) => self.events.get(index).cloned(),
            Found::Day(index, date) => self.events.get(index)?.on_day(date),
        }
    }

    /// Removes what was found; one day of a series stays away for ever.
    pub fn remove(&mut self, found: Found) {
        match found {
            Found::Stored(index) if index < self.events.len() => {
                self.events.remove(index);
            }
            Found::Stored(_) => {}
            Found::Day(index, date) => {
                if let Some(master) = self.events.get_mut(index) {
                    master.exceptions.insert(date, None);
                }
            }
        }
    }

    /// Puts a changed event back; one day of a series becomes an exception.
    pub fn write(&mut self, found: Found, event: Event) {
        match found {
            Found::Stored(index) => {
                if let Some(place) = self.events.get_mut(index) {
                    *place = event;
                }
            }
            Found::Day(index, date) => {
                if let Some(master) = self.events.get_mut(index) {
                    master.exceptions.insert(date, Some(Event { place: Place::Exception, ..event }));
                }
            }
        }
    }

    /// What overlaps a window in one calendar. Single events come first and recurring ones last, as Exchange
    /// lists them when nobody asks for an order.
    pub fn between(&self, calendar_id: &str, from_ms: i64, to_ms: i64) -> Vec<Event> {
        let inside = || self.events.iter().filter(|e| e.calendar_id == calendar_id);
        let single = inside().filter(|e| e.recurrence.is_none() && e.overlaps(from_ms, to_ms)).cloned();
        let recurring = inside().flat_map(|e| e.instances(from_ms, to_ms));
        single.chain(recurring).collect()
    }
}

impl Agendas {
    /// Two empty calendars for everyone: the default one, and one more.
    pub fn new(directory: Directory) -> Self {
        let calendar = |user: &User, n: usize, name, color, hex_color| Calendar {
            id: format!("AQMkAGVm{}calendar{n}AAAA=", user.oid.get(24..).unwrap_or_default()),
            name,
            color,
            hex_color,
            is_default: n == 0,
        };
        let agenda = |user: &User| Agenda {
            calendars: vec![
                calendar(user, 0, "Calendar", "auto", ""),
                calendar(user, 1, "Travel and leave", "lightTeal", "#00b294"),
            ],
            events: Vec::new(),
        };
        Self { boxes: directory.users().iter().map(|user| (user.oid, agenda(user))).collect() }
    }

    /// A person's calendars.
    pub fn get(&self, oid: &str) -> Option<&Agenda> {
        self.boxes.iter().find(|(owner, _)| *owner == oid).map(|(_, agenda)| agenda)
    }

    /// A person's calendars, to be changed.
    pub fn get_mut(&mut self, oid: &str) -> Option<&mut Agenda> {
        self.boxes.iter_mut().find(|(owner, _)| *owner == oid).map(|(_, agenda)| agenda)
    }

    /// Brings an organizer's event to the attendees' calendars: new copies where there are none, changed
    /// ones elsewhere, and cancelled ones for those who are not invited any more. Returns who got a copy.
    pub fn distribute(&mut self, event: &Event, ids: &mut Ids, now_ms: u64) -> Vec<&'static User> {
        let mut reached = Vec::new();
        for (oid, agenda) in &mut self.boxes {
            let Some(user) = tenant::by_oid(oid) else { continue };
            if user.address.eq_ignore_ascii_case(&event.organizer.address) {
                continue;
            }
            let invited =
                event.attendees.iter().find(|a| a.address.address.eq_ignore_ascii_case(user.address));
            let default_id = agenda.default_id().to_owned();
            let have = agenda.events.iter_mut().find(|e| e.uid == event.uid);
            match (have, invited) {
                (Some(copy), Some(_)) => copy.follow(event, now_ms),
                (Some(copy), None) if !copy.cancelled => copy.call_off(now_ms),
                (None, Some(_)) if !event.cancelled => {
                    agenda.events.push(event.copy_for(default_id, ids, now_ms));
                }
                _ => continue,
            }
            reached.push(user);
        }
        reached
    }
}

impl Event {
    /// An attendee's copy.
    fn copy_for(&self, calendar_id: String, ids: &mut Ids, now_ms: u64) -> Self {
        let mut copy = Self {
            calendar_id,
            is_organizer: false,
            response: "notResponded",
            transaction_id: None,
            ..self.clone()
        };
        copy.plain.insert("showAs".into(), "tentative".into());
        copy.plain.remove("categories");
        copy.stamp(ids, now_ms);
        copy
    }

    /// Takes the organizer's changes over; a new time asks for a new answer.
    fn follow(&mut self, event: &Self, now_ms: u64) {
        if self.start != event.start || self.end != event.end {
            (self.response, self.responded_ms) = ("notResponded", None);
        }
        let own = std::mem::take(self);
        *self = Self {
            rest_id: own.rest_id,
            immutable_id: own.immutable_id,
            calendar_id: own.calendar_id,
            is_organizer: false,
            response: own.response,
            responded_ms: own.responded_ms,
            transaction_id: None,
            created_ms: own.created_ms,
            modified_ms: now_ms,
            change: own.change + 1,
            ..event.clone()
        };
        for name in ["showAs", "categories", "reminderMinutesBeforeStart", "isReminderOn"] {
            match own.plain.get(name) {
                Some(value) => self.plain.insert(name.into(), value.clone()),
                None => self.plain.remove(name),
            };
        }
    }

    /// Marks an attendee's copy as cancelled.
    fn call_off(&mut self, now_ms: u64) {
        let subject = self.plain.get("subject").and_then(Value::as_str).unwrap_or_default();
        let subject = format!("Canceled: {subject}");
        self.plain.insert("subject".into(), subject.into());
        self.plain.insert("showAs".into(), "free".into());
        self.cancelled = true;
        self.modified_ms = now_ms;
        self.change += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recurrence::{End, Rhythm};
    use jiff::civil::{Weekday, date};

    fn series() -> Event {
        let moment =
            |text: &str| Moment { civil: zones::parse_local(text).unwrap(), zone: "Europe/Zurich".into() };
        let weekly = Recurrence {
            rhythm: Rhythm::Weekly,
            interval: 1,
            days: vec![Weekday::Sunday],
            first_day: Weekday::Sunday,
            day_of_month: 1,
            month: 1,
            index: 1,
            start: date(2026, 10, 18),
            end: End::Count(3),
        };
        let mut event = Event {
            start: moment("2026-10-18T09:00:00"),
            end: moment("2026-10-18T10:00:00"),
            recurrence: Some((weekly, Value::Null)),
            calendar_id: "c".into(),
            place: Place::Master,
            ..Event::default()
        };
        event.stamp(&mut Ids::new(1, 1), 0);
        event
    }

    #[test]
    fn a_series_keeps_its_hour_across_a_clock_change() {
        let found = series().instances(0, i64::MAX / 1_000_000);
        let hours: Vec<i64> = found.iter().map(|e| e.start.ms() / 3_600_000 % 24).collect();
        assert_eq!(hours, [7, 8, 8], "summer time ends on 25 October");
    }

    #[test]
    fn occurrences_are_found_changed_and_deleted_by_their_ids() {
        let mut agenda = Agenda { calendars: Vec::new(), events: vec![series()] };
        let all = |agenda: &Agenda| agenda.between("c", 0, i64::MAX / 1_000_000);
        let (first, second) = (all(&agenda)[0].clone(), all(&agenda)[1].clone());
        assert_eq!((first.rest_id.len() % 4, first.immutable_id.len() % 4), (0, 0));
        let found = agenda.find(&first.immutable_id).unwrap();
        assert_eq!(agenda.find(&first.rest_id), Some(found));
        agenda.remove(found);
        assert_eq!(agenda.find(&first.rest_id), None);
        let found = agenda.find(&second.rest_id).unwrap();
        let mut moved = agenda.read(found).unwrap();
        moved.start.civil = moved.start.civil.saturating_add(1.hour());
        agenda.write(found, moved);
        let left = all(&agenda);
        assert_eq!((left.len(), left[0].place, left[1].place), (2, Place::Exception, Place::Occurrence));
        assert_eq!(agenda.find(&second.rest_id), Some(found));
        let other_day = day_id(&agenda.events[0].rest_id, REST_END, date(2026, 10, 19));
        assert_eq!(agenda.find(&other_day), None);
    }
}
