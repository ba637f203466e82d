//! Who is free when: `getSchedule` and `findMeetingTimes`, and rooms with their answers to invitations. Others see
//! times and how busy somebody is; subjects only where the calendar is shared, and never of private events.

use super::Routed;
use super::collection::{self, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::event_model::{ATTENDEE, LOCATION, TIME_SLOT, moment};
use super::mailbox_settings::settings;
use super::model::{DATE_TIME_ZONE, Kind, Model, check};
use crate::agenda::Event;
use crate::tenant::{Kind as Entry, User};
use crate::wire::Reply;
use crate::world::World;
use crate::zones;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// The most mailboxes that one request may look at.
const MOST_SCHEDULES: usize = 20;

/// The longest period that one request may look at.
const MOST_DAYS: i64 = 62;

const MINUTE_MS: i64 = 60_000;

const SCHEDULE: Model = Model {
    name: "microsoft.graph.getSchedule",
    fields: &[
        ("schedules", Kind::Texts),
        ("Schedules", Kind::Texts),
        ("startTime", Kind::One(&DATE_TIME_ZONE)),
        ("StartTime", Kind::One(&DATE_TIME_ZONE)),
        ("endTime", Kind::One(&DATE_TIME_ZONE)),
        ("EndTime", Kind::One(&DATE_TIME_ZONE)),
        ("availabilityViewInterval", Kind::Whole(5, 1440)),
        ("AvailabilityViewInterval", Kind::Whole(5, 1440)),
    ],
    required: &[],
};

const PLACES: Model = Model {
    name: "microsoft.graph.locationConstraint",
    fields: &[
        ("isRequired", Kind::Flag),
        ("suggestLocation", Kind::Flag),
        ("locations", Kind::Many(&LOCATION)),
    ],
    required: &[],
};

const TIMES: Model = Model {
    name: "microsoft.graph.timeConstraint",
    fields: &[
        ("activityDomain", Kind::Word(&["work", "personal", "unrestricted", "unknown"])),
        ("timeSlots", Kind::Many(&TIME_SLOT)),
    ],
    required: &[],
};

const FIND: Model = Model {
    name: "microsoft.graph.findMeetingTimes",
    fields: &[
        ("attendees", Kind::Many(&ATTENDEE)),
        ("locationConstraint", Kind::One(&PLACES)),
        ("timeConstraint", Kind::One(&TIMES)),
        ("meetingDuration", Kind::Text),
        ("maxCandidates", Kind::Whole(1, 100)),
        ("isOrganizerOptional", Kind::Flag),
        ("returnSuggestionReasons", Kind::Flag),
        ("minimumAttendeePercentage", Kind::Open),
    ],
    required: &[],
};

const ROOMS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.room",
        properties: &[
            "id",
            "displayName",
            "emailAddress",
            "capacity",
            "building",
            "floorLabel",
            "nickname",
            "phone",
            "bookingType",
            "address",
            "isWheelChairAccessible",
        ],
        fields: &[("displayName", Sort::Text), ("emailAddress", Sort::Text), ("building", Sort::Text)],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 100,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$top", "$skip", "$count"],
};

fn refuse(message: &str) -> GraphError {
    GraphError::bad("ErrorInvalidParameter", message)
}

/// How busy an event shows its owner.
pub fn status_of(event: &Event) -> &str {
    if event.cancelled {
        return "free";
    }
    event.plain.get("showAs").and_then(Value::as_str).unwrap_or("busy")
}

/// What overlaps a window in somebody's default calendar.
fn busy(world: &World, user: &User, from_ms: i64, to_ms: i64) -> Vec<Event> {
    let agenda = world.agendas.get(user.oid);
    let found = agenda.map(|agenda| agenda.between(agenda.default_id(), from_ms, to_ms)).unwrap_or_default();
    let mut found: Vec<Event> = found.into_iter().filter(|event| !event.cancelled).collect();
    found.sort_by_key(|event| event.start.ms());
    found
}

/// One digit for each interval: 0 free, 1 tentative, 2 busy, 3 out of office, 4 elsewhere.
fn view(events: &[Event], from_ms: i64, to_ms: i64, interval_ms: i64) -> String {
    let digit = |event: &Event| match status_of(event) {
        "tentative" => 1,
        "busy" => 2,
        "oof" => 3,
        "workingElsewhere" => 4,
        _ => 0,
    };
    let steps = (to_ms - from_ms + interval_ms - 1) / interval_ms;
    let at = |step: i64| {
        let (begin, end) = (from_ms + step * interval_ms, from_ms + (step + 1) * interval_ms);
        let inside = events.iter().filter(|event| event.start.ms() < end && event.end.ms() > begin);
        inside.map(digit).max().unwrap_or(0).to_string()
    };
    (0..steps).map(at).collect()
}

fn schedule(world: &World, context: &Context<'_>, address: &str, window: (i64, i64, i64)) -> Value {
    let (from_ms, to_ms, interval_ms) = window;
    let Some(user) = world.directory.by_address(address) else {
        let error = json!({
            "message": "Microsoft.Exchange.InfoWorker.Common.Availability.MailRecipientNotFoundException: Unable to \
                        resolve e-mail address to an Active Directory object.",
            "responseCode": "ErrorMailRecipientNotFound",
        });
        return json!({ "scheduleId": address, "availabilityView": "", "error": error, "scheduleItems": [] });
    };
    let events = busy(world, user, from_ms, to_ms);
    let sees = user.oid == context.user.oid || user.shows_calendar_to(context.user);
    let zone_name = context.prefer.time_zone.as_deref().unwrap_or("UTC");
    let zone = zones::zone(zone_name).unwrap_or(TimeZone::UTC);
    let at =
        |ms: i64| json!({ "dateTime": zones::graph_text(zones::to_civil(ms, &zone)), "timeZone": zone_name });
    let item = |event: &Event| {
        let plain = |name: &str| event.plain.get(name).cloned().unwrap_or_default();
        let private = plain("sensitivity") == "private";
        let mut out = json!({
            "status": status_of(event), "start": at(event.start.ms()), "end": at(event.end.ms()), "isPrivate": private,
            "isMeeting": !event.attendees.is_empty(), "isRecurring": event.series.is_some(), "isException": false,
        });
        if let Some(map) = out.as_object_mut().filter(|_| sees && !private) {
            map.insert("subject".into(), plain("subject"));
            map.insert("location".into(), plain("location").get("displayName").cloned().unwrap_or_default());
        }
        out
    };
    json!({
        "scheduleId": address, "availabilityView": view(&events, from_ms, to_ms, interval_ms),
        "scheduleItems": events.iter().filter(|event| status_of(event) != "free").map(item).collect::<Vec<_>>(),
        "workingHours": settings(world, user).get("workingHours"),
    })
}

fn get_schedule(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&SCHEDULE, &body, "")?;
    let either = |small: &str, large: &str| object.get(small).or_else(|| object.get(large));
    let missing = || refuse("Schedules, StartTime and EndTime are required.");
    let list = either("schedules", "Schedules").and_then(Value::as_array).filter(|list| !list.is_empty());
    let list = list.ok_or_else(missing)?;
    if list.len() > MOST_SCHEDULES {
        return Err(refuse("The number of schedules exceeds the maximum of 20."));
    }
    let from_ms = moment(either("startTime", "StartTime").ok_or_else(missing)?)?.ms();
    let to_ms = moment(either("endTime", "EndTime").ok_or_else(missing)?)?.ms();
    if to_ms <= from_ms || to_ms - from_ms > MOST_DAYS * 24 * 60 * MINUTE_MS {
        return Err(refuse("The requested time duration is not valid: at least a moment, at most 62 days."));
    }
    let interval = either("availabilityViewInterval", "AvailabilityViewInterval").and_then(Value::as_i64);
    let interval_ms = interval.unwrap_or(30) * MINUTE_MS;
    let window = (from_ms, to_ms, interval_ms);
    let found: Vec<Value> = list
        .iter()
        .filter_map(Value::as_str)
        .map(|address| schedule(world, context, address, window))
        .collect();
    let meta = format!("{}/$metadata#Collection(microsoft.graph.scheduleInformation)", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": found })))
}

/// Minutes of `PT1H30M`, `PT45M`, `P1D`.
fn minutes(text: &str) -> Option<i64> {
    let span: jiff::Span = text.strip_prefix('P').and_then(|_| text.parse().ok())?;
    let total = i64::from(span.get_days()) * 1440 + i64::from(span.get_hours()) * 60 + span.get_minutes();
    (total > 0).then_some(total)
}

/// Whether a slot lies within working hours of somebody, eight to five on weekdays.
fn at_work(user: &User, from_ms: i64, to_ms: i64) -> bool {
    let zone = zones::zone(user.time_zone).unwrap_or(TimeZone::UTC);
    let (start, end) = (zones::to_civil(from_ms, &zone), zones::to_civil(to_ms, &zone));
    let weekend = matches!(start.weekday(), Weekday::Saturday | Weekday::Sunday);
    let hour = |hour: i8| Time::new(hour, 0, 0, 0).unwrap_or_default();
    !weekend && start.date() == end.date() && start.time() >= hour(8) && end.time() <= hour(17)
}

/// Whom a request names, known ones with their calendars.
fn invited(world: &World, body: &Value) -> Vec<(String, String, Option<&'static User>)> {
    let list = body.get("attendees").and_then(Value::as_array).into_iter().flatten();
    list.map(|item| {
        let address = item
            .get("emailAddress")
            .and_then(|e| e.get("address"))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let kind = item.get("type").and_then(Value::as_str).unwrap_or("required");
        (address.to_owned(), kind.to_owned(), world.directory.by_address(address))
    })
    .collect()
}

/// The windows in which a meeting may be: those of the request, or the next working week.
fn windows(world: &World, body: &Value) -> Result<Vec<(i64, i64)>, GraphError> {
    let slots = body.get("timeConstraint").and_then(|t| t.get("timeSlots")).and_then(Value::as_array);
    let mut list = Vec::new();
    for slot in slots.into_iter().flatten() {
        let part = |name: &str| moment(slot.get(name).unwrap_or(&Value::Null)).map(|moment| moment.ms());
        list.push((part("start")?, part("end")?));
    }
    if list.is_empty() {
        let now_ms = i64::try_from(world.now_ms()).unwrap_or_default();
        list.push((now_ms, now_ms + 7 * 24 * 60 * MINUTE_MS));
    }
    Ok(list)
}

fn suggestion(context: &Context<'_>, (from_ms, to_ms): (i64, i64), people: &[(Value, bool)]) -> Value {
    let zone_name = context.prefer.time_zone.as_deref().unwrap_or("UTC");
    let zone = zones::zone(zone_name).unwrap_or(TimeZone::UTC);
    let at =
        |ms: i64| json!({ "dateTime": zones::graph_text(zones::to_civil(ms, &zone)), "timeZone": zone_name });
    let free = people.iter().filter(|(_, free)| *free).count() + 1;
    let confidence = 100 * free / (people.len() + 1);
    json!({
        "confidence": confidence, "organizerAvailability": "free", "locations": [],
        "suggestionReason": "Suggested because it is one of the nearest times when all attendees are available.",
        "attendeeAvailability": people.iter().map(|(attendee, free)| {
            json!({ "attendee": attendee, "availability": if *free { "free" } else { "busy" } })
        }).collect::<Vec<_>>(),
        "meetingTimeSlot": { "start": at(from_ms), "end": at(to_ms) },
    })
}

/// The most likely ones first, equally likely ones by time (Graph, "meetingTimeSuggestion", `order`).
fn ordered(mut found: Vec<Value>, most: u64) -> Vec<Value> {
    found.sort_by_key(|one| std::cmp::Reverse(one.get("confidence").and_then(Value::as_u64)));
    found.truncate(usize::try_from(most).unwrap_or(20));
    for (at, one) in found.iter_mut().filter_map(Value::as_object_mut).enumerate() {
        one.insert("order".into(), (at + 1).into());
    }
    found
}

fn find_times(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    let scopes = ["Calendars.Read.Shared", "Calendars.ReadWrite.Shared"];
    context.require_scope(&scopes)?;
    context.allow_options(&[])?;
    let body = if context.call.body.is_empty() { json!({}) } else { context.json_body()? };
    let object = check(&FIND, &body, "")?;
    let text = object.get("meetingDuration").and_then(Value::as_str).unwrap_or("PT30M");
    let length_ms =
        minutes(text).ok_or_else(|| refuse("The meetingDuration is not a duration."))? * MINUTE_MS;
    let most = object.get("maxCandidates").and_then(Value::as_u64).unwrap_or(20);
    let percentage = object.get("minimumAttendeePercentage").and_then(Value::as_f64).unwrap_or(50.0);
    let domain = object.get("timeConstraint").and_then(|t| t.get("activityDomain")).and_then(Value::as_str);
    let invited = invited(world, &body);
    let mut found = Vec::new();
    for (from_ms, to_ms) in windows(world, &body)? {
        let events = |user: &User| busy(world, user, from_ms, to_ms);
        let own = events(context.owner);
        let others: Vec<Option<Vec<Event>>> = invited.iter().map(|(_, _, user)| user.map(events)).collect();
        let step = 30 * MINUTE_MS;
        let mut begin = from_ms.div_euclid(step) * step + if from_ms % step == 0 { 0 } else { step };
        while begin + length_ms <= to_ms {
            let slot = (begin, begin + length_ms);
            let free = |list: &[Event]| {
                list.iter().all(|e| status_of(e) == "free" || e.end.ms() <= slot.0 || e.start.ms() >= slot.1)
            };
            let in_hours = domain == Some("unrestricted") || at_work(context.owner, slot.0, slot.1);
            let people: Vec<(Value, bool)> = invited
                .iter()
                .zip(&others)
                .map(|((address, kind, _), events)| {
                    let shown = json!({ "type": kind, "emailAddress": { "address": address } });
                    (shown, events.as_ref().is_none_or(|events| free(events)))
                })
                .collect();
            let counted = f64::from(u32::try_from(people.len() + 1).unwrap_or(1));
            let there =
                f64::from(u32::try_from(people.iter().filter(|(_, free)| *free).count() + 1).unwrap_or(1));
            if in_hours && free(&own) && 100.0 * there / counted >= percentage {
                found.push(suggestion(context, slot, &people));
            }
            begin += step;
        }
    }
    let found = ordered(found, most);
    let reason = if found.is_empty() { "AttendeesUnavailable" } else { "" };
    Ok(Reply::json(
        200,
        &json!({
            "@odata.context": format!("{}/$metadata#microsoft.graph.meetingTimeSuggestionsResult", context.origin(world)),
            "emptySuggestionsReason": reason, "meetingTimeSuggestions": found,
        }),
    ))
}

fn rooms(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&["Place.Read.All", "Place.ReadWrite.All"])?;
    let rooms = world.directory.users().iter().filter(|user| user.kind == Entry::Room);
    let items = rooms.map(|room| {
        let (building, floor) = room.office.rsplit_once(' ').unwrap_or((room.office, ""));
        let all = json!({
            "id": room.oid, "displayName": room.display_name, "emailAddress": room.address, "nickname": room.surname,
            "capacity": room.job_title.parse::<u32>().ok(), "building": building, "floorLabel": floor, "phone": "",
            "bookingType": "standard", "isWheelChairAccessible": true, "address": { "city": building },
        });
        all.as_object().cloned().unwrap_or_default()
    });
    collection::page(world, context, &ROOMS, items.collect(), "places/microsoft.graph.room")
}

/// Routes the paths of availability and rooms.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("POST", ["me", "calendar", "getSchedule"]) => get_schedule(world, context),
        ("POST", ["me", "findMeetingTimes"]) => find_times(world, context),
        ("GET", ["places", "microsoft.graph.room"]) => rooms(world, context),
        (_, ["me", "calendar", "getSchedule"] | ["me", "findMeetingTimes"] | ["places", _]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!((minutes("PT1H30M"), minutes("P1D"), minutes("PT45M")), (Some(90), Some(1440), Some(45)));
        for bad in ["", "PT0M", "1h", "90", "PT-5M"] {
            assert_eq!(minutes(bad), None, "{bad}");
        }
    }
}
