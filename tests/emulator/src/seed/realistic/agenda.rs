//! The calendars of the realistic tenant: meetings of people in six zones, series with changed and deleted days,
//! all-day events, booked rooms, a crowded day, and events at the edges of daylight-saving time. Everything goes
//! through the same checks as a caller's event.

use super::draw::Draw;
use crate::agenda::{Calendar, Event, Found, Place};
use crate::graph::calendar_write::join_url;
use crate::graph::event_model::{defaults, take_over};
use crate::mailbox::Address;
use crate::tenant::{Directory, Kind, User};
use crate::world::World;
use crate::zones;
use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// A series: organizer, zone, who is invited, first time, minutes, subject, pattern.
struct Series {
    by: &'static str,
    zone: &'static str,
    with: &'static [&'static str],
    /// The weekday on which it falls.
    day: Weekday,
    at: &'static str,
    minutes: i64,
    subject: &'static str,
    /// The pattern without what follows from the day.
    pattern: &'static str,
    /// How often; for ever without.
    times: Option<i64>,
}

const SERIES: [Series; 7] = [
    Series {
        by: "helena",
        zone: "Europe/Zurich",
        with: &["alice", "frank", "grace", "hugo", "ingrid", "room-matterhorn"],
        day: Weekday::Monday,
        at: "08:30",
        minutes: 60,
        subject: "Leadership round",
        pattern: "weekly",
        times: None,
    },
    Series {
        by: "grace",
        zone: "America/New_York",
        with: &["alice", "bob", "bobb", "jane"],
        day: Weekday::Tuesday,
        at: "10:00",
        minutes: 45,
        subject: "Pipeline review (New York)",
        pattern: "weekly",
        times: None,
    },
    Series {
        by: "hugo",
        zone: "Europe/London",
        with: &["alice", "rahul", "vera", "wei", "yuki"],
        day: Weekday::Thursday,
        at: "07:00",
        minutes: 30,
        subject: "Global engineering sync",
        pattern: "biweekly",
        times: None,
    },
    Series {
        by: "alice",
        zone: "Europe/Zurich",
        with: &["daniel", "danielk", "elif", "felix", "gita"],
        day: Weekday::Wednesday,
        at: "13:00",
        minutes: 30,
        subject: "Operations huddle",
        pattern: "weekly",
        times: None,
    },
    Series {
        by: "alice",
        zone: "Europe/Zurich",
        with: &["carol"],
        day: Weekday::Friday,
        at: "15:00",
        minutes: 60,
        subject: "Month-end numbers",
        pattern: "last",
        times: None,
    },
    Series {
        by: "wei",
        zone: "Australia/Sydney",
        with: &["alice", "minh"],
        day: Weekday::Thursday,
        at: "17:00",
        minutes: 30,
        subject: "Asia-Pacific handover",
        pattern: "weekly",
        times: Some(52),
    },
    Series {
        by: "ingrid",
        zone: "Europe/Zurich",
        with: &["alice", "kai", "leila"],
        day: Weekday::Tuesday,
        at: "16:30",
        minutes: 30,
        subject: "Hiring pipeline",
        pattern: "weekly",
        times: Some(20),
    },
];

fn user(alias: &str) -> Option<&'static User> {
    Directory::realistic().users().iter().find(|user| user.alias() == alias)
}

fn own(user: &User) -> Address {
    Address { name: user.display_name.into(), address: user.address.into() }
}

fn moment(at: DateTime, zone: &str) -> Value {
    json!({ "dateTime": zones::graph_text(at), "timeZone": zone })
}

/// Today where somebody is.
fn today(now_ms: u64, zone: &str) -> Date {
    let zone = zones::zone(zone).unwrap_or(TimeZone::UTC);
    zones::to_civil(i64::try_from(now_ms).unwrap_or_default(), &zone).date()
}

/// The first such weekday on or after a day.
fn on_or_after(date: Date, day: Weekday) -> Date {
    date.saturating_add(i32::from(date.weekday().until(day)).days())
}

fn clock(date: Date, time: &str) -> DateTime {
    zones::parse_local(&format!("{date}T{time}:00")).unwrap_or_default()
}

/// Puts an event into its organizer's calendar and copies into the others'; the answer is where it stands.
pub fn put(world: &mut World, by: &'static User, body: &Value, now_ms: u64) -> Option<Event> {
    let mut event = Event {
        organizer: own(by),
        is_organizer: true,
        response: "organizer",
        plain: defaults(),
        ..Event::default()
    };
    take_over(&mut event, body).ok()?;
    event.stamp(&mut world.ids, now_ms.saturating_sub(90 * crate::clock::DAY_MS));
    if body.get("isOnlineMeeting") == Some(&Value::Bool(true)) {
        let thread = world.ids.uuid().replace('-', "");
        event.join_url = Some(join_url(&world.options.tenant_id, &thread, by.address));
    }
    let at_ms = event.created_ms;
    world.agendas.distribute(&event, &mut world.ids, at_ms);
    let agenda = world.agendas.get_mut(by.oid)?;
    event.calendar_id = agenda.default_id().to_owned();
    agenda.events.push(event.clone());
    Some(event)
}

fn attendees(with: &[&str]) -> Vec<Value> {
    let one = |user: &User| {
        let kind = if user.kind == Kind::Room { "resource" } else { "required" };
        json!({ "emailAddress": { "address": user.address, "name": user.display_name }, "type": kind })
    };
    with.iter().filter_map(|alias| user(alias)).map(one).collect()
}

fn recurrence(series: &Series, first: Date) -> Value {
    let day = format!("{:?}", series.day).to_lowercase();
    let pattern = match series.pattern {
        "last" => json!({ "type": "relativeMonthly", "interval": 1, "daysOfWeek": [day], "index": "last" }),
        "biweekly" => {
            json!({ "type": "weekly", "interval": 2, "daysOfWeek": [day], "firstDayOfWeek": "monday" })
        }
        _ => json!({ "type": "weekly", "interval": 1, "daysOfWeek": [day], "firstDayOfWeek": "monday" }),
    };
    let range = match series.times {
        Some(times) => {
            json!({ "type": "numbered", "startDate": first.to_string(), "numberOfOccurrences": times })
        }
        None => json!({ "type": "noEnd", "startDate": first.to_string() }),
    };
    json!({ "pattern": pattern, "range": range })
}

fn series(world: &mut World, now_ms: u64) {
    for one in &SERIES {
        let Some(by) = user(one.by) else { continue };
        let first = on_or_after(today(now_ms, one.zone).saturating_sub(40.weeks()), one.day);
        let first = if one.pattern == "last" { last_of_month(first, one.day) } else { first };
        let start = clock(first, one.at);
        let body = json!({
            "subject": one.subject, "start": moment(start, one.zone),
            "end": moment(start.saturating_add(one.minutes.minutes()), one.zone), "attendees": attendees(one.with),
            "recurrence": recurrence(one, first), "isOnlineMeeting": true,
            "body": { "contentType": "html", "content": "<p>Agenda in the channel.</p>" },
        });
        put(world, by, &body, now_ms);
    }
    exceptions(world, now_ms);
}

fn last_of_month(date: Date, day: Weekday) -> Date {
    let end = date.last_of_month();
    end.saturating_sub(i32::from(end.weekday().since(day)).days())
}

/// The next huddle but one is two hours later, the one after that does not take place.
fn exceptions(world: &mut World, now_ms: u64) {
    let near = on_or_after(today(now_ms, "Europe/Zurich").saturating_add(1.day()), Weekday::Wednesday);
    let (moved, gone) = (near.saturating_add(1.week()), near.saturating_add(2.weeks()));
    let holders = ["alice", "daniel", "danielk", "elif", "felix", "gita"].map(user);
    for holder in holders.into_iter().flatten() {
        let Some(agenda) = world.agendas.get_mut(holder.oid) else { continue };
        let huddle = |e: &Event| {
            e.place == Place::Master && e.plain.get("subject") == Some(&"Operations huddle".into())
        };
        let Some(at) = agenda.events.iter().position(huddle) else { continue };
        if let Some(mut day) = agenda.read(Found::Day(at, moved)) {
            day.start.civil = day.start.civil.saturating_add(2.hours());
            day.end.civil = day.end.civil.saturating_add(2.hours());
            day.plain.insert("subject".into(), "Operations huddle (moved)".into());
            agenda.write(Found::Day(at, moved), day);
        }
        agenda.remove(Found::Day(at, gone));
    }
}

/// The days on which clocks change next in Zurich: forward, and back.
pub fn clock_changes(now_ms: u64) -> Vec<Date> {
    let zone = zones::zone("Europe/Zurich").unwrap_or(TimeZone::UTC);
    let noon = |date: Date, zone: &TimeZone| zones::to_ms(date.at(12, 0, 0, 0), zone);
    let offset = |date: Date| noon(date, &zone) - noon(date, &TimeZone::UTC);
    let first = today(now_ms, "Europe/Zurich").saturating_add(1.day());
    let days = first.series(1.day()).take(370);
    days.filter(|date| offset(*date) != offset(date.saturating_sub(1.day()))).take(2).collect()
}

/// What one person alone has.
fn single(world: &mut World, now_ms: u64) {
    let Some(alice) = user("alice") else { return };
    let zone = "Europe/Zurich";
    let date = |days: i32| today(now_ms, zone).saturating_add(days.days());
    let timed = |subject: &str, at: DateTime, minutes: i64| {
        json!({
            "subject": subject, "start": moment(at, zone), "end": moment(at.saturating_add(minutes.minutes()), zone),
        })
    };
    for change in clock_changes(now_ms) {
        put(world, alice, &timed("Night batch across the clock change", clock(change, "01:30"), 120), now_ms);
        put(world, alice, &timed("Inside of the changed hour", clock(change, "02:30"), 15), now_ms);
    }
    let all_day = |subject: &str, from: Date, days: i32, show: &str| {
        json!({
            "subject": subject, "isAllDay": true, "start": moment(clock(from, "00:00"), zone), "showAs": show,
            "end": moment(clock(from.saturating_add(days.days()), "00:00"), zone),
        })
    };
    put(world, alice, &all_day("Offsite in Lugano", date(24), 3, "oof"), now_ms);
    put(world, alice, &all_day("Stocktaking", date(10), 1, "busy"), now_ms);
    let crowded = on_or_after(date(14), Weekday::Tuesday);
    for n in 0..12_i64 {
        let at = clock(crowded, "08:00").saturating_add((n * 40).minutes());
        put(world, alice, &timed(&format!("Interview slot {}", n + 1), at, 30), now_ms);
    }
    let mut dentist = timed("Doctor", clock(on_or_after(date(3), Weekday::Monday), "16:00"), 45);
    if let Some(map) = dentist.as_object_mut() {
        map.insert("sensitivity".into(), "private".into());
        map.insert("location".into(), json!({ "displayName": "Praxis am See" }));
    }
    put(world, alice, &dentist, now_ms);
    let birthday = json!({
        "subject": "Birthday of Erin", "isAllDay": true, "showAs": "free",
        "start": moment(clock(date(-300), "00:00"), zone), "end": moment(clock(date(-299), "00:00"), zone),
        "recurrence": {
            "pattern": { "type": "absoluteYearly", "interval": 1, "month": date(-300).month(), "dayOfMonth": date(-300).day() },
            "range": { "type": "noEnd", "startDate": date(-300).to_string() },
        },
    });
    third_calendar(world, alice, &birthday, now_ms);
}

/// A third calendar of the first person.
fn third_calendar(world: &mut World, owner: &'static User, birthday: &Value, now_ms: u64) {
    let Some(made) = put(world, owner, birthday, now_ms) else { return };
    let Some(agenda) = world.agendas.get_mut(owner.oid) else { return };
    let id = format!("AQMkAGVm{}calendar2AAAA=", owner.oid.get(24..).unwrap_or_default());
    agenda.calendars.push(Calendar {
        id: id.clone(),
        name: "Team birthdays",
        color: "lightPink",
        hex_color: "#e3008c",
        is_default: false,
    });
    for event in agenda.events.iter_mut().filter(|event| event.uid == made.uid) {
        event.calendar_id.clone_from(&id);
    }
}

/// Invitations that wait for an answer, and one that was called off.
fn invitations(world: &mut World, now_ms: u64) {
    let plans = [
        ("frank", 4, "10:00", "Lease negotiation", &["alice", "room-pilatus"] as &[&str]),
        ("xenia", 6, "11:00", "Scanner app: what is next", &["alice", "hugo", "room-thames"]),
        ("ingrid", 9, "09:00", "Pay review: first look", &["alice"]),
        ("mateo", 11, "14:00", "Contract clinic", &["alice", "frank", "room-santis"]),
    ];
    for (by, days, at, subject, with) in plans {
        let Some(by) = user(by) else { continue };
        let date = today(now_ms, by.time_zone).saturating_add(days.days());
        let date = if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
            on_or_after(date, Weekday::Monday)
        } else {
            date
        };
        let start = clock(date, at);
        let body = json!({
            "subject": subject, "start": moment(start, by.time_zone), "attendees": attendees(with),
            "end": moment(start.saturating_add(60.minutes()), by.time_zone),
            "body": { "contentType": "text", "content": "Please accept or propose another time." },
        });
        let Some(made) = put(world, by, &body, now_ms) else { continue };
        if subject == "Contract clinic" {
            let gone = Event { attendees: Vec::new(), cancelled: true, ..made };
            world.agendas.distribute(&gone, &mut world.ids, now_ms);
        }
    }
}

/// What keeps everybody else busy: some hours of the near weeks, drawn from the seed.
fn routine(world: &mut World, now_ms: u64) {
    let mut draw = Draw::new(world.options.seed, 2);
    let subjects =
        ["Focus time", "Customer call", "Review", "Planning", "Supplier call", "Training", "Lunch"];
    let people: Vec<&'static User> = world.directory.people().skip(4).collect();
    for user in people {
        for day in -10..15 {
            let date = today(now_ms, user.time_zone).saturating_add(day.days());
            if matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
                continue;
            }
            for _ in 0..draw.below(3) {
                let hour = 8 + i8::try_from(draw.below(9)).unwrap_or(0);
                let subject = draw.pick(&subjects).copied().unwrap_or_default();
                let start = date.at(hour, 0, 0, 0);
                let body = json!({
                    "subject": subject, "start": moment(start, user.time_zone),
                    "end": moment(start.saturating_add(60.minutes()), user.time_zone),
                });
                put(world, user, &body, now_ms);
            }
        }
    }
}

/// Fills the calendars.
pub fn fill(world: &mut World, now_ms: u64) {
    series(world, now_ms);
    single(world, now_ms);
    invitations(world, now_ms);
    routine(world, now_ms);
    // Rooms have answered long ago.
    for room in world.directory.users().iter().filter(|user| user.kind == Kind::Room) {
        for event in world.agendas.get_mut(room.oid).into_iter().flat_map(|agenda| &mut agenda.events) {
            event.response = "accepted";
            event.plain.insert("showAs".into(), "busy".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_iso;

    #[test]
    fn the_next_clock_changes_are_found() {
        let now_ms = parse_iso("2026-11-23T05:00:00Z").unwrap();
        let days: Vec<String> = clock_changes(now_ms).iter().map(Date::to_string).collect();
        assert_eq!(days, ["2027-03-28", "2027-10-31"]);
    }
}
