//! The calendar workload's table of paths and its reads: calendars, views of a window, events. Writes are in
//! `calendar_write.rs`. A window without both bounds is refused, and one calendar's view never shows
//! another's events.

use super::collection::{self, Item, Spec};
use super::condition::{Condition, Grammar};
use super::context::Context;
use super::error::GraphError;
use super::event_view::{self, EVENTS, NOT_BASIC, VIEW};
use super::{Routed, calendar_write};
use crate::agenda::{Agenda, Calendar, Event};
use crate::clock::{DAY_MS, parse_iso};
use crate::tenant::User;
use crate::wire::Reply;
use crate::world::World;
use crate::zones;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const READ: [&str; 3] = ["Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite"];
const READ_CALENDARS: [&str; 4] =
    ["Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite", "Calendars.Read.Shared"];

/// The longest window that a view may have.
const MAX_WINDOW_DAYS: i64 = 1825;

const CALENDARS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.calendar",
        properties: &[
            "id",
            "name",
            "color",
            "hexColor",
            "isDefaultCalendar",
            "changeKey",
            "canShare",
            "canViewPrivateItems",
            "canEdit",
            "allowedOnlineMeetingProviders",
            "defaultOnlineMeetingProvider",
            "isTallyingResponses",
            "isRemovable",
            "owner",
        ],
        fields: &[("name", super::condition::Sort::Text)],
        any: &[],
    },
    always: &["id"],
    sortable: &["name"],
    top: 10,
    most: 1000,
    by_token: false,
    options: &["$select", "$filter", "$orderby", "$top", "$skip", "$count"],
};

/// The property of events that is shown to nobody and can be searched for.
const MARKS: Grammar = Grammar {
    kind: "microsoft.graph.event",
    properties: &[],
    fields: &[],
    any: &[("singleValueExtendedProperties", "id")],
};

fn calendar(calendar: &Calendar, user: &User) -> Item {
    let all = json!({
        "id": calendar.id, "name": calendar.name, "color": calendar.color, "hexColor": calendar.hex_color,
        "isDefaultCalendar": calendar.is_default, "changeKey": "CQAAABYAAADemoCalendarKey01",
        "canShare": true, "canViewPrivateItems": true, "canEdit": true,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"], "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": calendar.is_default, "isRemovable": !calendar.is_default,
        "owner": { "name": user.display_name, "address": user.address },
    });
    all.as_object().cloned().unwrap_or_default()
}

fn agenda<'w>(world: &'w World, context: &Context<'_>) -> Result<&'w Agenda, GraphError> {
    world.agendas.get(context.owner.oid).ok_or_else(GraphError::item_not_found)
}

fn calendars(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.require_scope(&READ_CALENDARS)?;
    let list = agenda(world, context)?.calendars.iter().map(|c| calendar(c, context.owner)).collect();
    let meta = format!("users('{}')/calendars", context.owner.oid);
    collection::page(world, context, &CALENDARS, list, &meta)
}

/// The calendar that a path names; `None` is the default one.
pub fn calendar_id(world: &World, context: &Context<'_>, given: Option<&str>) -> Result<String, GraphError> {
    let agenda = agenda(world, context)?;
    let Some(given) = given else { return Ok(agenda.default_id().to_owned()) };
    if agenda.calendars.iter().any(|c| c.id == given) {
        return Ok(given.to_owned());
    }
    event_id(given).and(Err(GraphError::item_not_found()))
}

fn one_calendar(world: &World, context: &Context<'_>, given: Option<&str>) -> Result<Reply, GraphError> {
    context.require_scope(&READ_CALENDARS)?;
    let id = calendar_id(world, context, given)?;
    let found = agenda(world, context)?.calendars.iter().find(|c| c.id == id);
    let item = calendar(found.ok_or_else(GraphError::item_not_found)?, context.owner);
    collection::single(world, context, &CALENDARS, item, &format!("users('{}')/calendars", context.owner.oid))
}

/// An id that Exchange could not even have made is malformed, not absent.
pub fn event_id(id: &str) -> Result<&str, GraphError> {
    let alphabet = id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'='));
    let known_start = id.starts_with("AAMk") || id.starts_with("AAkA") || id.starts_with("AQMk");
    if alphabet && known_start && id.len() >= 32 && id.len() <= 400 {
        return Ok(id);
    }
    Err(GraphError::bad("ErrorInvalidIdMalformed", "Id is malformed."))
}

/// One bound of a window: ISO 8601; without an offset it is UTC, whatever zone the caller prefers.
fn bound(context: &Context<'_>, name: &str) -> Result<i64, GraphError> {
    let text = context.option(name).filter(|text| !text.is_empty()).ok_or_else(|| {
        let message = "This request requires a time window specified by the query string parameters StartDateTime and \
                       EndDateTime.";
        GraphError::bad("ErrorInvalidParameter", message)
    })?;
    let local = || zones::parse_local(text).map(|civil| zones::to_ms(civil, &TimeZone::UTC));
    let moment = parse_iso(text).and_then(|ms| i64::try_from(ms).ok()).or_else(local);
    moment.ok_or_else(|| {
        let message = format!("The value '{text}' of parameter '{name}' is invalid.");
        GraphError::bad("ErrorInvalidParameter", message)
    })
}

fn window(context: &Context<'_>) -> Result<(i64, i64), GraphError> {
    let (from_ms, to_ms) = (bound(context, "startDateTime")?, bound(context, "endDateTime")?);
    if to_ms < from_ms {
        let message = "The end of the time window is before its start.";
        return Err(GraphError::bad("ErrorCalendarEndDateIsEarlierThanStartDate", message));
    }
    if to_ms - from_ms > MAX_WINDOW_DAYS * i64::try_from(DAY_MS).unwrap_or(i64::MAX) {
        let message = format!(
            "Your request can't be completed. The range between the start and end dates is greater than the allowed \
             range. Maximum number of days: {MAX_WINDOW_DAYS}"
        );
        return Err(GraphError::bad("ErrorCalendarViewRangeTooBig", message));
    }
    Ok((from_ms, to_ms))
}

/// Refuses properties that the token may not see.
fn check_basic(context: &Context<'_>) -> Result<(), GraphError> {
    let selected = context.option("$select").unwrap_or_default();
    let hidden = selected.split(',').any(|name| NOT_BASIC.contains(&name.trim()));
    if hidden && !event_view::sees_bodies(context) {
        return Err(GraphError::access_denied());
    }
    Ok(())
}

fn shown(
    world: &World,
    context: &Context<'_>,
    spec: &Spec,
    list: &[Event],
    path: &str,
) -> Result<Reply, GraphError> {
    let items = list.iter().map(|event| event_view::event(event, context)).collect();
    collection::page(world, context, spec, items, &format!("users('{}')/{path}", context.owner.oid))
}

fn view(world: &World, context: &Context<'_>, given: Option<&str>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    check_basic(context)?;
    let id = calendar_id(world, context, given)?;
    let (from_ms, to_ms) = window(context)?;
    let found = agenda(world, context)?.between(&id, from_ms, to_ms);
    let path = given.map_or("calendarView".into(), |id| format!("calendars('{id}')/calendarView"));
    shown(world, context, &VIEW, &found, &path)
}

fn events(world: &World, context: &Context<'_>, given: Option<&str>) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    check_basic(context)?;
    let id = calendar_id(world, context, given)?;
    let all = agenda(world, context)?.events.iter().filter(|e| e.calendar_id == id);
    let found: Vec<Event> = all.cloned().collect();
    let path = given.map_or("events".into(), |id| format!("calendars('{id}')/events"));
    match context.option("$filter").map(|text| MARKS.parse(text)) {
        Some(Ok(Condition::Extended(id, value))) => marked(world, context, &found, (&id, &value), &path),
        _ => shown(world, context, &EVENTS, &found, &path),
    }
}

/// The events that carry an extended property with a value.
fn marked(
    world: &World,
    context: &Context<'_>,
    all: &[Event],
    (id, value): (&str, &str),
    path: &str,
) -> Result<Reply, GraphError> {
    context.allow_options(EVENTS.options)?;
    let select = super::odata::select(context, EVENTS.grammar.properties, EVENTS.grammar.kind)?;
    let shown: Vec<Value> = all
        .iter()
        .filter(|event| event.extended.iter().any(|(have, text)| have == id && text == value))
        .map(|event| {
            let item = event_view::event(event, context);
            Value::Object(collection::pick(item, select.as_deref(), EVENTS.always))
        })
        .collect();
    let meta = format!("{}/$metadata#users('{}')/{path}", context.origin(world), context.owner.oid);
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": shown })))
}

fn instances(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    check_basic(context)?;
    let (from_ms, to_ms) = window(context)?;
    let agenda = agenda(world, context)?;
    let event =
        agenda.find(id).and_then(|found| agenda.read(found)).ok_or_else(GraphError::item_not_found)?;
    if event.recurrence.is_none() {
        let message = "Your request can't be completed. The event is not a recurring series.";
        return Err(GraphError::bad("ErrorInvalidRequest", message));
    }
    shown(world, context, &VIEW, &event.instances(from_ms, to_ms), &format!("events('{id}')/instances"))
}

fn get_event(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&READ)?;
    check_basic(context)?;
    let agenda = agenda(world, context)?;
    let event =
        agenda.find(id).and_then(|found| agenda.read(found)).ok_or_else(GraphError::item_not_found)?;
    let item = event_view::event(&event, context);
    collection::single(world, context, &EVENTS, item, &format!("users('{}')/events", context.owner.oid))
}

fn one_event(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    let id = event_id(id)?;
    match context.call.method.as_str() {
        "GET" => get_event(world, context, id),
        "PATCH" => calendar_write::update(world, context, id),
        "DELETE" => calendar_write::delete(world, context, id),
        _ => Err(GraphError::method_not_allowed()),
    }
}

/// Routes the calendar paths.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let (method, path) = (context.call.method.as_str(), path.as_slice());
    let result = match (method, path) {
        ("GET", ["me", "calendars"]) => calendars(world, context),
        ("GET", ["me", "calendar"]) => one_calendar(world, context, None),
        ("GET", ["me", "calendars", id]) => one_calendar(world, context, Some(id)),
        ("GET", ["me", "calendarView"] | ["me", "calendar", "calendarView"]) => view(world, context, None),
        ("GET", ["me", "calendars", id, "calendarView"]) => view(world, context, Some(id)),
        ("GET", ["me", "events"] | ["me", "calendar", "events"]) => events(world, context, None),
        ("GET", ["me", "calendars", id, "events"]) => events(world, context, Some(id)),
        ("POST", ["me", "events"] | ["me", "calendar", "events"]) => {
            calendar_write::create(world, context, None)
        }
        ("POST", ["me", "calendars", id, "events"]) => calendar_write::create(world, context, Some(id)),
        (_, ["me", "events", id] | ["me", "calendar", "events", id]) => one_event(world, context, id),
        ("GET", ["me", "events", id, "instances"]) => {
            event_id(id).and_then(|id| instances(world, context, id))
        }
        ("POST", ["me", "events", id, action @ ("accept" | "tentativelyAccept" | "decline")]) => {
            event_id(id).and_then(|id| calendar_write::respond(world, context, id, action))
        }
        ("POST", ["me", "events", id, "forward"]) => {
            event_id(id).and_then(|id| calendar_write::forward(world, context, id))
        }
        ("POST", ["me", "events", id, action @ ("snoozeReminder" | "dismissReminder")]) => event_id(id)
            .and_then(|id| calendar_write::reminder(world, context, id, *action == "snoozeReminder")),
        ("POST", ["me", "events", id, "cancel"]) => {
            event_id(id).and_then(|id| calendar_write::cancel(world, context, id))
        }
        (_, ["me", "calendars" | "calendar" | "calendarView" | "events"])
        | (_, ["me", "calendars", _] | ["me", "calendars", _, "calendarView" | "events"])
        | (_, ["me", "calendar", "calendarView" | "events"])
        | (_, ["me", "events", _, "forward" | "snoozeReminder" | "dismissReminder"])
        | (_, ["me", "events", _, "accept" | "tentativelyAccept" | "decline" | "cancel" | "instances"]) => {
            Err(GraphError::method_not_allowed())
        }
        _ => return None,
    };
    Some(result)
}
