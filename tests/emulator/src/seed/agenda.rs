//! The demo calendars: the last and the next weeks of four people, relative to the start and in each one's
//! own time zone. Series began months ago, so that their hours cross a clock change. Everything goes through
//! the same checks as a caller's event.

use crate::agenda::{Agendas, Event};
use crate::graph::event_model::{defaults, take_over};
use crate::ids::Ids;
use crate::mailbox::Address;
use crate::tenant::{Directory, USERS, User};
use crate::zones;
use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// One event as written below.
struct Plan {
    /// Days from the start.
    day: i32,
    /// The time of day.
    at: &'static str,
    /// How many minutes it takes; days when it fills whole days.
    length: i64,
    subject: &'static str,
    place: &'static str,
    /// `a` all day, `o` online, `p` private, `t` the second calendar, `w` weekly, `d` each working day, `m` monthly.
    marks: &'static str,
}

const fn plan(
    day: i32,
    at: &'static str,
    length: i64,
    subject: &'static str,
    place: &'static str,
    marks: &'static str,
) -> Plan {
    Plan { day, at, length, subject, place, marks }
}

/// What everyone has.
const EVERYONE: [Plan; 17] = [
    plan(-9, "10:00", 60, "Quarterly review preparation", "Room Matterhorn", ""),
    plan(-6, "14:00", 30, "Security awareness refresher", "", "o"),
    plan(-3, "09:30", 45, "Customer call: Northwind", "", "o"),
    plan(-1, "16:00", 30, "Expense report", "", "p"),
    plan(0, "11:00", 30, "Planning of the week", "", ""),
    plan(0, "15:00", 60, "Project checkpoint", "Room Säntis", ""),
    plan(1, "09:30", 60, "Vendor call: Fabrikam", "", "o"),
    plan(2, "12:30", 45, "Lunch with Adatum", "Canteen", ""),
    plan(3, "13:30", 45, "Design review", "", "o"),
    plan(4, "10:30", 60, "Workshop: calmer meetings", "Room Matterhorn", ""),
    plan(8, "15:30", 30, "Dentist", "Bahnhofstrasse 1", "p"),
    plan(12, "00:00", 1, "Company day", "Headquarters", "a"),
    plan(0, "09:15", 15, "Stand-up", "", "do"),
    plan(3, "11:00", 30, "One-to-one", "", "w"),
    plan(5, "17:00", 60, "Month-end close", "", "m"),
    plan(5, "07:40", 90, "Flight to the partner summit", "Gate B24", "t"),
    plan(16, "00:00", 3, "Annual leave", "", "at"),
];

/// Meetings with others: the organizer, who is invited, the plan.
const MEETINGS: [(&str, &[&str], Plan); 3] = [
    (
        "alice@contoso.example",
        &["bob@contoso.example", "carol@contoso.example", "dave@contoso.example"],
        plan(1, "14:00", 45, "Operations weekly", "", "wo"),
    ),
    (
        "bob@contoso.example",
        &["alice@contoso.example", "carol@contoso.example", "buyer@northwind.example"],
        plan(3, "16:00", 60, "Northwind renewal", "Room Säntis", "o"),
    ),
    (
        "carol@contoso.example",
        &["alice@contoso.example"],
        plan(6, "08:30", 45, "Budget review", "Room Pilatus", ""),
    ),
];

/// Saturdays and Sundays are free: what falls on them happens on Monday.
fn working_day(date: Date) -> Date {
    match date.weekday() {
        Weekday::Saturday => date.saturating_add(2.days()),
        Weekday::Sunday => date.saturating_add(1.day()),
        _ => date,
    }
}

fn recurrence(marks: &str, first: Date) -> Value {
    let pattern = if marks.contains('d') {
        json!({ "type": "weekly", "interval": 1, "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"] })
    } else if marks.contains('w') {
        let day = format!("{:?}", first.weekday()).to_lowercase();
        json!({ "type": "weekly", "interval": 1, "daysOfWeek": [day] })
    } else if marks.contains('m') {
        json!({ "type": "absoluteMonthly", "interval": 1, "dayOfMonth": first.day() })
    } else {
        return Value::Null;
    };
    json!({ "pattern": pattern, "range": { "type": "noEnd", "startDate": first.to_string() } })
}

fn body(plan: &Plan, zone: &str, today: Date, invited: &[&str]) -> Value {
    let has = |mark: char| plan.marks.contains(mark);
    let repeats = has('d') || has('w') || has('m');
    let near = working_day(today.saturating_add(plan.day.days()));
    // Thirty weeks back there is a clock change on the way, wherever clocks change.
    let first = if repeats { near.saturating_sub(30.weeks()) } else { near };
    let moment = |date: Date, time: &str| json!({ "dateTime": format!("{date}T{time}"), "timeZone": zone });
    let start = zones::parse_local(&format!("{first}T{}:00", plan.at)).unwrap_or_default();
    let end = if has('a') {
        start.saturating_add(plan.length.days())
    } else {
        start.saturating_add(plan.length.minutes())
    };
    let attendees: Vec<Value> = invited
        .iter()
        .map(|address| {
            let name = Directory::realistic().by_address(address).map_or(*address, |user| user.display_name);
            json!({ "emailAddress": { "name": name, "address": address }, "type": "required" })
        })
        .collect();
    json!({
        "subject": plan.subject,
        "body": { "contentType": "text", "content": format!("{} in the calendar of the demo tenant.", plan.subject) },
        "start": moment(start.date(), &format!("{}", start.time())),
        "end": moment(end.date(), &format!("{}", end.time())),
        "isAllDay": has('a'),
        "showAs": if has('t') && has('a') { "oof" } else { "busy" },
        "sensitivity": if has('p') { "private" } else { "normal" },
        "location": { "displayName": plan.place },
        "isOnlineMeeting": has('o'),
        "attendees": attendees,
        "recurrence": recurrence(plan.marks, first),
    })
}

fn event(owner: &User, plan: &Plan, invited: &[&str], ids: &mut Ids, now_ms: u64) -> Option<Event> {
    let zone = zones::zone(owner.time_zone).unwrap_or(TimeZone::UTC);
    let today = zones::to_civil(i64::try_from(now_ms).ok()?, &zone).date();
    let mut event = Event {
        organizer: Address { name: owner.display_name.into(), address: owner.address.into() },
        is_organizer: true,
        response: "organizer",
        plain: defaults(),
        ..Event::default()
    };
    take_over(&mut event, &body(plan, owner.time_zone, today, invited)).ok()?;
    event.stamp(ids, now_ms.saturating_sub(40 * crate::clock::DAY_MS));
    if plan.marks.contains('o') {
        let thread = ids.uuid().replace('-', "");
        let tenant_id = crate::Options::default().tenant_id;
        event.join_url = Some(crate::graph::calendar_write::join_url(
            &tenant_id,
            &thread,
            event.organizer.address.as_str(),
        ));
    }
    Some(event)
}

/// Fills everyone's calendars.
pub fn fill(agendas: &mut Agendas, ids: &mut Ids, now_ms: u64) {
    for user in &USERS {
        for plan in &EVERYONE {
            let made = event(user, plan, &[], ids, now_ms);
            if let (Some(mut event), Some(agenda)) = (made, agendas.get_mut(user.oid)) {
                let index = usize::from(plan.marks.contains('t'));
                event.calendar_id = agenda.calendars.get(index).map(|c| c.id.clone()).unwrap_or_default();
                agenda.events.push(event);
            }
        }
    }
    for (address, invited, plan) in &MEETINGS {
        let Some(owner) = Directory::realistic().by_address(address) else { continue };
        let Some(mut event) = event(owner, plan, invited, ids, now_ms) else { continue };
        agendas.distribute(&event, ids, event.created_ms);
        if let Some(agenda) = agendas.get_mut(owner.oid) {
            event.calendar_id = agenda.default_id().to_owned();
            agenda.events.push(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::parse_iso;

    #[test]
    fn every_calendar_is_believable_on_every_day_of_a_week() {
        for day in 0..7 {
            let (mut agendas, mut ids) = (Agendas::new(Directory::small()), Ids::new(1, 1));
            let now_ms = parse_iso("2026-11-23T05:00:00Z").unwrap() + day * crate::clock::DAY_MS;
            fill(&mut agendas, &mut ids, now_ms);
            for user in &USERS {
                let agenda = agendas.get(user.oid).unwrap();
                assert!(agenda.events.len() > EVERYONE.len(), "{} {}", user.address, agenda.events.len());
                assert_eq!(agenda.calendars.len(), 2);
                assert_eq!(agenda.events.iter().filter(|e| e.recurrence.is_some()).count(), 4);
                assert!(agenda.events.iter().any(|e| e.all_day));
                let now = i64::try_from(now_ms).unwrap();
                let week = agenda.between(agenda.default_id(), now, now + 7 * 86_400_000);
                assert!(week.len() > 10, "{} has {} in a week", user.address, week.len());
            }
        }
    }

    #[test]
    fn series_cross_a_clock_change_at_the_same_hour() {
        let (mut agendas, mut ids) = (Agendas::new(Directory::small()), Ids::new(1, 1));
        let now_ms = parse_iso("2026-11-23T05:00:00Z").unwrap();
        fill(&mut agendas, &mut ids, now_ms);
        let agenda = agendas.get(USERS[0].oid).unwrap();
        let stand_up = agenda.events.iter().find(|e| e.plain["subject"] == "Stand-up").unwrap();
        let now = i64::try_from(now_ms).unwrap();
        let all = stand_up.instances(now - 60 * 86_400_000, now);
        let hours: std::collections::BTreeSet<i64> =
            all.iter().map(|e| e.start.ms() / 3_600_000 % 24).collect();
        assert_eq!(hours.into_iter().collect::<Vec<_>>(), [7, 8]);
        assert!(all.iter().all(|e| e.start.civil.hour() == 9));
    }
}
