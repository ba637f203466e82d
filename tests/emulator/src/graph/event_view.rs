//! Events as Graph shows them: times in the zone that the caller prefers, ids of the preferred kind. A token
//! with `Calendars.ReadBasic` alone must never see a body. All-day events keep their date in every zone.

use super::collection::{Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::mail_view::item_body;
use crate::agenda::{Attendee, Event, Moment, Place};
use crate::clock::iso;
use crate::mailbox::{Address, strip_tags};
use crate::wire::percent_encode;
use crate::zones;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

/// What `Calendars.ReadBasic` hides.
pub const NOT_BASIC: [&str; 2] = ["body", "bodyPreview"];

const PROPERTIES: [&str; 41] = [
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "changeKey",
    "categories",
    "transactionId",
    "originalStart",
    "originalStartTimeZone",
    "originalEndTimeZone",
    "iCalUId",
    "reminderMinutesBeforeStart",
    "isReminderOn",
    "hasAttachments",
    "subject",
    "bodyPreview",
    "importance",
    "sensitivity",
    "isAllDay",
    "isCancelled",
    "isOrganizer",
    "isDraft",
    "responseRequested",
    "seriesMasterId",
    "showAs",
    "type",
    "webLink",
    "onlineMeetingUrl",
    "isOnlineMeeting",
    "onlineMeetingProvider",
    "allowNewTimeProposals",
    "hideAttendees",
    "recurrence",
    "onlineMeeting",
    "responseStatus",
    "body",
    "start",
    "end",
    "location",
    "locations",
    "attendees",
    "organizer",
];

const GRAMMAR: Grammar = Grammar {
    kind: "microsoft.graph.event",
    properties: &PROPERTIES,
    // The real service cannot filter by transactionId either, so that key finds nothing again.
    fields: &[
        ("subject", Sort::Text),
        ("start/dateTime", Sort::Text),
        ("end/dateTime", Sort::Text),
        ("type", Sort::Text),
        ("showAs", Sort::Text),
        ("importance", Sort::Text),
        ("sensitivity", Sort::Text),
        ("iCalUId", Sort::Text),
        ("organizer/emailAddress/address", Sort::Text),
        ("isAllDay", Sort::Flag),
        ("isCancelled", Sort::Flag),
        ("isOrganizer", Sort::Flag),
        ("createdDateTime", Sort::Moment),
        ("lastModifiedDateTime", Sort::Moment),
    ],
    any: &[],
};

/// Lists of events.
pub const EVENTS: Spec = Spec {
    grammar: GRAMMAR,
    always: &["id"],
    sortable: &["start/dateTime", "end/dateTime", "subject", "createdDateTime", "lastModifiedDateTime"],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count"],
};

/// Lists of what falls into a window.
pub const VIEW: Spec = Spec {
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count", "startDateTime", "endDateTime"],
    ..EVENTS
};

/// A moment in the zone that the caller prefers, by the name that the caller used.
fn shown(moment: &Moment, all_day: bool, context: &Context<'_>) -> Value {
    let name = context.prefer.time_zone.as_deref().unwrap_or("UTC");
    let zone = zones::zone(name).unwrap_or(TimeZone::UTC);
    let civil = if all_day { moment.civil } else { zones::to_civil(moment.ms(), &zone) };
    json!({ "dateTime": zones::graph_text(civil), "timeZone": name })
}

fn person(address: &Address) -> Value {
    json!({ "emailAddress": { "name": address.name, "address": address.address } })
}

fn answer(response: &str, at_ms: Option<u64>) -> Value {
    json!({ "response": response, "time": at_ms.map_or("0001-01-01T00:00:00Z".to_owned(), iso) })
}

fn attendee(attendee: &Attendee) -> Value {
    json!({
        "type": attendee.kind,
        "status": answer(attendee.response, attendee.responded_ms),
        "emailAddress": { "name": attendee.address.name, "address": attendee.address.address },
    })
}

/// The id that the caller prefers.
pub fn id_for<'e>(event: &'e Event, context: &Context<'_>) -> &'e str {
    if context.prefer.immutable_ids { &event.immutable_id } else { &event.rest_id }
}

/// Content and kind of the body.
pub fn body_of(event: &Event) -> (&str, bool) {
    let part = |name: &str| event.plain.get("body").and_then(|b| b.get(name)).and_then(Value::as_str);
    (part("content").unwrap_or_default(), part("contentType") == Some("html"))
}

/// The subject.
pub fn subject_of(event: &Event) -> &str {
    event.plain.get("subject").and_then(Value::as_str).unwrap_or_default()
}

/// Whether the token may see bodies.
pub fn sees_bodies(context: &Context<'_>) -> bool {
    ["Calendars.Read", "Calendars.ReadWrite"].iter().any(|scope| context.has_scope(scope))
}

fn identity(event: &Event, context: &Context<'_>) -> Item {
    let id = id_for(event, context);
    let key = format!("{}{:06x}", event.immutable_id.get(28..42).unwrap_or_default(), event.change);
    let series = event.series.as_ref();
    let master =
        series.map(|(rest, immutable)| if context.prefer.immutable_ids { immutable } else { rest }.clone());
    let kind = match event.place {
        Place::Single => "singleInstance",
        Place::Master => "seriesMaster",
        Place::Occurrence => "occurrence",
        Place::Exception => "exception",
    };
    let original = event.original.as_ref().and_then(|m| u64::try_from(m.ms()).ok());
    let link = format!(
        "https://outlook.office365.com/owa/?itemid={}&exvsurl=1&path=/calendar/item",
        percent_encode(id)
    );
    let all = json!({
        "@odata.etag": format!("W/\"{key}\""), "id": id, "changeKey": key, "iCalUId": event.uid,
        "createdDateTime": iso(event.created_ms), "lastModifiedDateTime": iso(event.modified_ms),
        "type": kind, "seriesMasterId": master, "webLink": link, "originalStart": original.map(iso),
    });
    all.as_object().cloned().unwrap_or_default()
}

/// An event with all properties.
pub fn event(event: &Event, context: &Context<'_>) -> Item {
    let (content, is_html) = body_of(event);
    let preview = if is_html { strip_tags(content) } else { content.to_owned() };
    let preview: String = preview.replace("\r\n", " ").replace('\n', " ").chars().take(255).collect();
    let mut out = identity(event, context);
    let all = json!({
        "transactionId": event.transaction_id,
        "originalStartTimeZone": event.start.zone,
        "originalEndTimeZone": event.end.zone,
        "hasAttachments": false,
        "isAllDay": event.all_day,
        "isCancelled": event.cancelled,
        "isOrganizer": event.is_organizer,
        "isDraft": false,
        "onlineMeetingUrl": null,
        "onlineMeeting": event.join_url.as_ref().map(|url| json!({ "joinUrl": url })),
        "recurrence": event.recurrence.as_ref().map(|(_, shown)| shown),
        "responseStatus": answer(event.response, event.responded_ms),
        "start": shown(&event.start, event.all_day, context),
        "end": shown(&event.end, event.all_day, context),
        "attendees": event.attendees.iter().map(attendee).collect::<Vec<_>>(),
        "organizer": person(&event.organizer),
    });
    out.extend(event.plain.clone());
    out.extend(all.as_object().cloned().unwrap_or_default());
    if sees_bodies(context) {
        out.insert("bodyPreview".into(), preview.into());
        out.insert("body".into(), item_body(content, is_html, context.prefer.text_bodies));
    } else {
        out.remove("body");
    }
    if event.transaction_id.is_none() {
        // Graph answers this property only where an application has set it.
        out.remove("transactionId");
    }
    out
}
