//! Events as callers write them: the closed models, and how a checked body becomes an event. What the
//! emulator cannot keep is refused with 501 rather than dropped, because a product would otherwise believe
//! that it was stored.

use super::error::GraphError;
use super::model::{DATE_TIME_ZONE, EMAIL_ADDRESS, EXTENDED, EXTENDED_MANY, ITEM_BODY, Kind, Model, check};
use crate::agenda::{Attendee, Event, Moment, Place};
use crate::mailbox::Address;
use crate::recurrence::{End, Recurrence, Rhythm};
use crate::zones;
use jiff::civil::{Date, Weekday};
use serde_json::{Map, Value, json};

const DAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const RHYTHMS: [&str; 6] =
    ["daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly"];
const INDEXES: [&str; 5] = ["first", "second", "third", "fourth", "last"];

/// From when until when.
pub const TIME_SLOT: Model = Model {
    name: "microsoft.graph.timeSlot",
    fields: &[("start", Kind::One(&DATE_TIME_ZONE)), ("end", Kind::One(&DATE_TIME_ZONE))],
    required: &["start", "end"],
};

const RESPONSE_STATUS: Model = Model {
    name: "microsoft.graph.responseStatus",
    fields: &[
        (
            "response",
            Kind::Word(&["none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded"]),
        ),
        ("time", Kind::Text),
    ],
    required: &[],
};

/// Who is invited.
pub const ATTENDEE: Model = Model {
    name: "microsoft.graph.attendee",
    fields: &[
        ("emailAddress", Kind::One(&EMAIL_ADDRESS)),
        ("type", Kind::Word(&["required", "optional", "resource"])),
        ("status", Kind::One(&RESPONSE_STATUS)),
        ("proposedNewTime", Kind::One(&TIME_SLOT)),
    ],
    required: &["emailAddress"],
};

const PHYSICAL_ADDRESS: Model = Model {
    name: "microsoft.graph.physicalAddress",
    fields: &[
        ("city", Kind::Text),
        ("countryOrRegion", Kind::Text),
        ("postalCode", Kind::Text),
        ("state", Kind::Text),
        ("street", Kind::Text),
    ],
    required: &[],
};

/// A place.
pub const LOCATION: Model = Model {
    name: "microsoft.graph.location",
    fields: &[
        ("address", Kind::One(&PHYSICAL_ADDRESS)),
        ("coordinates", Kind::Open),
        ("displayName", Kind::Text),
        ("locationEmailAddress", Kind::Text),
        (
            "locationType",
            Kind::Word(&[
                "default",
                "conferenceRoom",
                "homeAddress",
                "businessAddress",
                "geoCoordinates",
                "streetAddress",
                "hotel",
                "restaurant",
                "localBusiness",
                "postalAddress",
            ]),
        ),
        ("locationUri", Kind::Text),
        ("uniqueId", Kind::Text),
        ("uniqueIdType", Kind::Word(&["unknown", "locationStore", "directory", "private", "bing"])),
    ],
    required: &[],
};

const PATTERN: Model = Model {
    name: "microsoft.graph.recurrencePattern",
    fields: &[
        ("dayOfMonth", Kind::Whole(0, 31)),
        ("daysOfWeek", Kind::Words(&DAYS)),
        ("firstDayOfWeek", Kind::Word(&DAYS)),
        ("index", Kind::Word(&INDEXES)),
        ("interval", Kind::Whole(1, 999)),
        ("month", Kind::Whole(0, 12)),
        ("type", Kind::Word(&RHYTHMS)),
    ],
    required: &["type", "interval"],
};

const RANGE: Model = Model {
    name: "microsoft.graph.recurrenceRange",
    fields: &[
        ("endDate", Kind::Day),
        ("numberOfOccurrences", Kind::Whole(0, 999)),
        ("recurrenceTimeZone", Kind::Text),
        ("startDate", Kind::Day),
        ("type", Kind::Word(&["endDate", "noEnd", "numbered"])),
    ],
    required: &["type", "startDate"],
};

/// How something repeats.
pub const RECURRENCE: Model = Model {
    name: "microsoft.graph.patternedRecurrence",
    fields: &[("pattern", Kind::One(&PATTERN)), ("range", Kind::One(&RANGE))],
    required: &["pattern", "range"],
};

/// An event.
pub const EVENT: Model = Model {
    name: "microsoft.graph.event",
    fields: &[
        ("categories", Kind::Texts),
        ("allowNewTimeProposals", Kind::Flag),
        ("attendees", Kind::Many(&ATTENDEE)),
        ("body", Kind::One(&ITEM_BODY)),
        ("end", Kind::One(&DATE_TIME_ZONE)),
        ("hideAttendees", Kind::Flag),
        ("importance", Kind::Word(&["low", "normal", "high"])),
        ("isAllDay", Kind::Flag),
        ("isOnlineMeeting", Kind::Flag),
        ("isReminderOn", Kind::Flag),
        ("location", Kind::One(&LOCATION)),
        ("locations", Kind::Many(&LOCATION)),
        (
            "onlineMeetingProvider",
            Kind::Word(&["unknown", "teamsForBusiness", "skypeForBusiness", "skypeForConsumer"]),
        ),
        ("recurrence", Kind::One(&RECURRENCE)),
        ("reminderMinutesBeforeStart", Kind::Whole(0, 2_147_483_647)),
        ("responseRequested", Kind::Flag),
        ("sensitivity", Kind::Word(&["normal", "personal", "private", "confidential"])),
        ("showAs", Kind::Word(&["free", "tentative", "busy", "oof", "workingElsewhere", "unknown"])),
        ("start", Kind::One(&DATE_TIME_ZONE)),
        ("subject", Kind::Text),
        ("transactionId", Kind::Text),
        ("attachments", Kind::Attachments),
        ("extensions", Kind::Open),
        ("multiValueExtendedProperties", Kind::Many(&EXTENDED_MANY)),
        ("singleValueExtendedProperties", Kind::Many(&EXTENDED)),
        ("id", Kind::ReadOnly),
        ("bodyPreview", Kind::ReadOnly),
        ("changeKey", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("hasAttachments", Kind::ReadOnly),
        ("iCalUId", Kind::ReadOnly),
        ("isCancelled", Kind::ReadOnly),
        ("isDraft", Kind::ReadOnly),
        ("isOrganizer", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
        ("onlineMeeting", Kind::ReadOnly),
        ("onlineMeetingUrl", Kind::ReadOnly),
        ("organizer", Kind::ReadOnly),
        ("originalStart", Kind::ReadOnly),
        ("responseStatus", Kind::ReadOnly),
        ("seriesMasterId", Kind::ReadOnly),
        ("type", Kind::ReadOnly),
        ("webLink", Kind::ReadOnly),
    ],
    required: &[],
};

/// The body of accept, decline and tentativelyAccept.
pub const ANSWER: Model = Model {
    name: "microsoft.graph.eventResponse",
    fields: &[
        ("comment", Kind::Text),
        ("sendResponse", Kind::Flag),
        ("proposedNewTime", Kind::One(&TIME_SLOT)),
    ],
    required: &[],
};

fn invalid(code: &str, message: impl Into<String>) -> GraphError {
    GraphError::bad(code, message)
}

/// A checked dateTimeTimeZone.
pub fn moment(value: &Value) -> Result<Moment, GraphError> {
    let part = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let zone = part("timeZone");
    if zones::zone(zone).is_none() {
        let message = format!("A valid TimeZone value must be specified. '{zone}' is not one.");
        return Err(invalid("TimeZoneNotSupportedException", message));
    }
    let civil = zones::parse_local(part("dateTime"))
        .ok_or_else(|| invalid("ErrorPropertyValidationFailure", "The date and time is not valid."))?;
    Ok(Moment { civil, zone: zone.into() })
}

/// Who is invited; known answers of the same people are kept.
fn attendees(value: &Value, before: &[Attendee]) -> Vec<Attendee> {
    let one = |item: &Value| {
        let inner = |name: &str| item.get("emailAddress").and_then(|e| e.get(name)).and_then(Value::as_str);
        let address = inner("address").unwrap_or_default();
        let name = inner("name").filter(|name| !name.is_empty()).unwrap_or(address);
        let known = before.iter().find(|a| a.address.address.eq_ignore_ascii_case(address));
        Attendee {
            address: Address { name: name.into(), address: address.into() },
            kind: item.get("type").and_then(Value::as_str).unwrap_or("required").to_ascii_lowercase(),
            response: known.map_or("none", |a| a.response),
            responded_ms: known.and_then(|a| a.responded_ms),
        }
    };
    value.as_array().into_iter().flatten().map(one).collect()
}

fn position(words: &[&str], value: Option<&Value>) -> Option<usize> {
    let text = value?.as_str()?;
    words.iter().position(|word| word.eq_ignore_ascii_case(text))
}

fn weekday(value: &Value) -> Option<Weekday> {
    let number = position(&DAYS, Some(value))?;
    Weekday::from_sunday_zero_offset(i8::try_from(number).ok()?).ok()
}

fn day(range: &Value, name: &str) -> Option<Date> {
    range.get(name)?.as_str()?.parse().ok()
}

/// A checked patternedRecurrence whose parts also have to fit each other and the event.
fn recurrence(value: &Value, start: Date) -> Result<Recurrence, GraphError> {
    let wrong = |message: &str| invalid("ErrorInvalidRecurrencePattern", message);
    let null = Value::Null;
    let (pattern, range) = (value.get("pattern").unwrap_or(&null), value.get("range").unwrap_or(&null));
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_i64).unwrap_or(0);
    let small = |name: &str| i8::try_from(number(pattern, name)).unwrap_or(0);
    let rhythm = match position(&RHYTHMS, pattern.get("type")) {
        Some(0) => Rhythm::Daily,
        Some(1) => Rhythm::Weekly,
        Some(2) => Rhythm::AbsoluteMonthly,
        Some(3) => Rhythm::RelativeMonthly,
        Some(4) => Rhythm::AbsoluteYearly,
        _ => Rhythm::RelativeYearly,
    };
    let list = pattern.get("daysOfWeek").and_then(Value::as_array);
    let days: Vec<Weekday> = list.into_iter().flatten().filter_map(weekday).collect();
    let by_day = matches!(rhythm, Rhythm::Weekly | Rhythm::RelativeMonthly | Rhythm::RelativeYearly);
    let (day_of_month, month) = (small("dayOfMonth"), small("month"));
    let by_number = matches!(rhythm, Rhythm::AbsoluteMonthly | Rhythm::AbsoluteYearly);
    let yearly = matches!(rhythm, Rhythm::AbsoluteYearly | Rhythm::RelativeYearly);
    if (by_day && days.is_empty()) || (by_number && day_of_month < 1) || (yearly && month < 1) {
        return Err(wrong("The recurrence pattern lacks a property that its type needs."));
    }
    let first = day(range, "startDate").ok_or_else(|| wrong("The range has no startDate."))?;
    if first != start {
        return Err(wrong("The range's startDate must be the day on which the event starts."));
    }
    let end = match range.get("type").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
        Some("enddate") => {
            let last = day(range, "endDate").filter(|last| *last >= first);
            End::On(last.ok_or_else(|| wrong("The range's endDate is missing or before its startDate."))?)
        }
        Some("numbered") => {
            let count = usize::try_from(number(range, "numberOfOccurrences")).unwrap_or(0);
            End::Count(
                Some(count).filter(|n| *n > 0).ok_or_else(|| wrong("numberOfOccurrences is missing."))?,
            )
        }
        _ => End::Never,
    };
    Ok(Recurrence {
        rhythm,
        interval: i32::try_from(number(pattern, "interval")).unwrap_or(1),
        days,
        first_day: pattern.get("firstDayOfWeek").and_then(weekday).unwrap_or(Weekday::Sunday),
        day_of_month,
        month,
        index: position(&INDEXES, pattern.get("index")).map_or(1, |n| i8::try_from(n + 1).unwrap_or(1)),
        start: first,
        end,
    })
}

/// A recurrence with all members, as Graph shows it.
fn shown_recurrence(value: &Value, zone: &str) -> Value {
    let mut shown = json!({
        "pattern": {
            "type": "daily", "interval": 1, "month": 0, "dayOfMonth": 0, "firstDayOfWeek": "sunday", "index": "first",
        },
        "range": {
            "type": "noEnd", "startDate": null, "endDate": "0001-01-01", "recurrenceTimeZone": zone,
            "numberOfOccurrences": 0,
        },
    });
    for part in ["pattern", "range"] {
        let given = value.get(part).and_then(Value::as_object);
        if let (Some(given), Some(known)) = (given, shown.get_mut(part).and_then(Value::as_object_mut)) {
            known.extend(given.iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.clone(), v.clone())));
        }
    }
    shown
}

/// The properties of a new event that nobody set.
pub fn defaults() -> Map<String, Value> {
    let all = json!({
        "subject": "", "body": { "contentType": "text", "content": "" }, "categories": [], "importance": "normal",
        "sensitivity": "normal", "showAs": "busy", "isReminderOn": true, "reminderMinutesBeforeStart": 15,
        "responseRequested": true, "allowNewTimeProposals": true, "hideAttendees": false, "isOnlineMeeting": false,
        "onlineMeetingProvider": "unknown",
        "location": { "displayName": "", "locationType": "default", "uniqueIdType": "unknown" }, "locations": [],
    });
    all.as_object().cloned().unwrap_or_default()
}

fn located(value: &Value) -> Value {
    let mut out = json!({ "displayName": "", "locationType": "default", "uniqueIdType": "unknown" });
    if let (Some(map), Some(given)) = (out.as_object_mut(), value.as_object()) {
        map.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    out
}

/// One property that means nothing to the emulator.
fn plain(event: &mut Event, name: &str, value: &Value) {
    match name {
        "location" => {
            let place = located(value);
            event.plain.insert("locations".into(), json!([place]));
            event.plain.insert(name.into(), place);
        }
        "locations" => {
            let all: Vec<Value> = value.as_array().into_iter().flatten().map(located).collect();
            event
                .plain
                .insert("location".into(), all.first().cloned().unwrap_or_else(|| located(&json!({}))));
            event.plain.insert(name.into(), Value::Array(all));
        }
        "body" => {
            let kind =
                value.get("contentType").and_then(Value::as_str).unwrap_or("text").to_ascii_lowercase();
            let content = value.get("content").and_then(Value::as_str).unwrap_or_default();
            event.plain.insert(name.into(), json!({ "contentType": kind, "content": content }));
        }
        "subject" => {
            event.plain.insert(name.into(), value.as_str().unwrap_or_default().into());
        }
        _ if value.is_null() => {}
        _ => {
            event.plain.insert(name.into(), value.clone());
        }
    }
}

/// Takes a body over into an event, new or not, and checks that the whole fits together.
pub fn take_over(event: &mut Event, body: &Value) -> Result<(), GraphError> {
    for (name, value) in check(&EVENT, body, "")? {
        match name.as_str() {
            "start" => event.start = moment(value)?,
            "end" => event.end = moment(value)?,
            "isAllDay" => event.all_day = value.as_bool().unwrap_or_default(),
            "attendees" => event.attendees = attendees(value, &event.attendees),
            "transactionId" => event.transaction_id = value.as_str().map(str::to_owned),
            "recurrence" | "isOnlineMeeting" | "onlineMeetingProvider" => {}
            "singleValueExtendedProperties" => event.extended = super::mail_write::extended(value)?,
            "attachments" | "extensions" | "multiValueExtendedProperties" => {
                let message = format!("The emulator does not keep '{name}' of an event.");
                return Err(GraphError::new(501, "NotImplemented", message));
            }
            _ => plain(event, name, value),
        }
    }
    online(event, body);
    if let Some(value) = body.get("recurrence") {
        if event.series.is_some() {
            let message = "The recurrence of an occurrence cannot be changed.";
            return Err(invalid("ErrorInvalidPropertySet", message));
        }
        event.exceptions.clear();
        event.recurrence = None;
        event.place = Place::Single;
        if !value.is_null() {
            let series = recurrence(value, event.start.civil.date())?;
            event.recurrence = Some((series, shown_recurrence(value, &event.start.zone)));
            event.place = Place::Master;
        }
    } else if let Some((series, shown)) = &mut event.recurrence {
        // A series that is moved to another day begins there.
        series.start = event.start.civil.date();
        if let Some(range) = shown.get_mut("range").and_then(Value::as_object_mut) {
            range.insert("startDate".into(), series.start.to_string().into());
        }
    }
    fits(event)
}

/// A meeting goes online with Teams, the only provider of the demo tenant's calendars.
fn online(event: &mut Event, body: &Value) {
    let Some(wanted) = body.get("isOnlineMeeting").and_then(Value::as_bool) else { return };
    let provider = body.get("onlineMeetingProvider").and_then(Value::as_str).unwrap_or("teamsForBusiness");
    let teams = provider.eq_ignore_ascii_case("teamsForBusiness") || provider.eq_ignore_ascii_case("unknown");
    let online = wanted && teams;
    event.plain.insert("isOnlineMeeting".into(), online.into());
    let provider = if online { "teamsForBusiness" } else { "unknown" };
    event.plain.insert("onlineMeetingProvider".into(), provider.into());
    if !online {
        event.join_url = None;
    }
}

/// What must be true of a whole event.
fn fits(event: &Event) -> Result<(), GraphError> {
    let wrong = |message: &str| invalid("ErrorPropertyValidationFailure", message);
    if event.start.zone.is_empty() || event.end.zone.is_empty() {
        return Err(wrong("An event needs a start and an end."));
    }
    if event.end.ms() < event.start.ms() {
        let message = "The end of the event is before its start.";
        return Err(invalid("ErrorCalendarEndDateIsEarlierThanStartDate", message));
    }
    if event.all_day {
        let midnight = |moment: &Moment| moment.civil.time() == jiff::civil::Time::midnight();
        if !midnight(&event.start) || !midnight(&event.end) || event.start.zone != event.end.zone {
            return Err(wrong("An all-day event begins and ends at midnight, in one time zone."));
        }
        if event.start.civil == event.end.civil {
            return Err(wrong("The duration of an event marked as All day must be at least 24 hours."));
        }
    }
    let reachable = |a: &Attendee| {
        let (local, domain) = a.address.address.split_once('@').unwrap_or_default();
        !local.is_empty() && domain.contains('.') && !a.address.address.chars().any(char::is_whitespace)
    };
    if !event.attendees.iter().all(reachable) {
        return Err(invalid("ErrorInvalidRecipients", "At least one attendee is not a valid address."));
    }
    Ok(())
}
