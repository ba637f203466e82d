//! Writing calendars: creating, changing, deleting, answering and calling off. The organizer's event is the
//! truth and attendees have copies, so every change travels at once, with a mail. A second creation with the
//! same transactionId must never make a second event.

use super::availability::status_of;
use super::calendar::calendar_id;
use super::collection;
use super::context::Context;
use super::error::GraphError;
use super::event_model::{ANSWER, defaults, take_over};
use super::event_view::{self, id_for, subject_of};
use super::model::{DATE_TIME_ZONE, Kind, Model, RECIPIENT, check};
use crate::agenda::{Attendee, Event, Found};
use crate::mailbox::{Address, strip_tags};
use crate::settings::DuplicateTransaction;
use crate::tenant::{Directory, Kind as Entry, User};
use crate::wire::{Reply, percent_encode};
use crate::world::World;
use serde_json::Value;

const CANCEL: Model = Model {
    name: "microsoft.graph.cancel",
    fields: &[("comment", Kind::Text), ("Comment", Kind::Text)],
    required: &[],
};

const FORWARD: Model = Model {
    name: "microsoft.graph.forward",
    fields: &[
        ("comment", Kind::Text),
        ("Comment", Kind::Text),
        ("toRecipients", Kind::Many(&RECIPIENT)),
        ("ToRecipients", Kind::Many(&RECIPIENT)),
    ],
    required: &[],
};

const SNOOZE: Model = Model {
    name: "microsoft.graph.snoozeReminder",
    fields: &[
        ("newReminderTime", Kind::One(&DATE_TIME_ZONE)),
        ("NewReminderTime", Kind::One(&DATE_TIME_ZONE)),
    ],
    required: &[],
};

fn answer(world: &World, context: &Context<'_>, status: u16, event: &Event) -> Reply {
    let meta = format!("users('{}')/events", context.owner.oid);
    collection::entity(world, context, status, event_view::event(event, context), &meta)
}

fn own_address(user: &User) -> Address {
    Address { name: user.display_name.into(), address: user.address.into() }
}

fn find(world: &World, context: &Context<'_>, id: &str) -> Result<(Found, Event), GraphError> {
    let agenda = world.agendas.get(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    let found = agenda.find(id).ok_or_else(GraphError::item_not_found)?;
    Ok((found, agenda.read(found).ok_or_else(GraphError::item_not_found)?))
}

/// Rooms answer by themselves: who comes first gets the room, and a later meeting at the same time is declined.
fn rooms_answer(world: &mut World, event: &mut Event, reached: &[&'static User]) {
    let now_ms = world.now_ms();
    for room in reached.iter().filter(|user| user.kind == Entry::Room) {
        let Some(agenda) = world.agendas.get_mut(room.oid) else { continue };
        let other = agenda.between(agenda.default_id(), event.start.ms(), event.end.ms());
        let is_taken = other.iter().any(|e| e.uid != event.uid && status_of(e) != "free");
        let response = if is_taken { "declined" } else { "accepted" };
        if is_taken {
            agenda.events.retain(|copy| copy.uid != event.uid);
        }
        for copy in agenda.events.iter_mut().filter(|copy| copy.uid == event.uid) {
            (copy.response, copy.responded_ms) = (response, Some(now_ms));
            copy.plain.insert("showAs".into(), "busy".into());
        }
        let mut own = event.attendees.iter_mut();
        if let Some(entry) = own.find(|a| a.address.address.eq_ignore_ascii_case(room.address)) {
            (entry.response, entry.responded_ms) = (response, Some(now_ms));
        }
    }
}

/// `POST /me/events/{id}/forward`: the people named are told, and an organizer's meeting invites them.
pub fn forward(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.Read", "Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = check(&FORWARD, &body, "")?;
    let list = object.get("toRecipients").or_else(|| object.get("ToRecipients"));
    let people = list.map(super::mail_write::addresses).unwrap_or_default();
    if people.is_empty() {
        return Err(GraphError::bad("ErrorInvalidRecipients", "At least one recipient is required."));
    }
    let (found, mut event) = find(world, context, id)?;
    let known: Vec<&'static User> =
        people.iter().filter_map(|a| world.directory.by_address(&a.address)).collect();
    if event.is_organizer && matches!(found, Found::Stored(_)) {
        let new = people.into_iter().map(|address| Attendee {
            address,
            kind: "required".into(),
            response: "none",
            responded_ms: None,
        });
        event.attendees.extend(new);
        let now_ms = world.now_ms();
        world.agendas.distribute(&event, &mut world.ids, now_ms);
        let agenda = world.agendas.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
        agenda.write(found, event.clone());
    }
    tell(world, &event, &known, "FW: ");
    Ok(Reply::empty(202))
}

/// `POST /me/events/{id}/snoozeReminder` and `/dismissReminder`: 200 without content.
pub fn reminder(
    world: &mut World,
    context: &Context<'_>,
    id: &str,
    snoozes: bool,
) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    if snoozes {
        check(&SNOOZE, &context.json_body()?, "")?;
    }
    let (found, mut event) = find(world, context, id)?;
    if !snoozes {
        event.plain.insert("isReminderOn".into(), false.into());
        event.change += 1;
    }
    let agenda = world.agendas.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    agenda.write(found, event);
    Ok(Reply::empty(200))
}

/// Gives an online meeting its address.
fn open_meeting(world: &mut World, event: &mut Event) {
    let online = event.plain.get("isOnlineMeeting").and_then(Value::as_bool).unwrap_or_default();
    if online && event.join_url.is_none() {
        let thread = world.ids.uuid().replace('-', "");
        event.join_url = Some(join_url(&world.options.tenant_id, &thread, event.organizer.address.as_str()));
    }
}

/// An address that looks like those of Teams meetings.
pub fn join_url(tenant_id: &str, thread: &str, organizer: &str) -> String {
    let oid = Directory::realistic().by_address(organizer).map_or("", |user| user.oid);
    let context = percent_encode(&format!("{{\"Tid\":\"{tenant_id}\",\"Oid\":\"{oid}\"}}"));
    format!("https://teams.microsoft.com/l/meetup-join/19%3ameeting_{thread}%40thread.v2/0?context={context}")
}

/// Tells everyone who got a copy by mail.
fn tell(world: &mut World, event: &Event, reached: &[&'static User], prefix: &str) {
    let subject = format!("{prefix}{}", subject_of(event));
    let (content, is_html) = event_view::body_of(event);
    let text = if is_html { strip_tags(content) } else { content.to_owned() };
    let body = format!("{text}\r\n\r\nWhen: {} {}", event.start.civil, event.start.zone);
    let from = event.organizer.clone();
    let (mailboxes, mut post) = world.post();
    for user in reached {
        mailboxes.notify(user, from.clone(), &subject, &body, &mut post);
    }
}

/// `POST /me/events` and `POST /me/calendars/{id}/events`.
pub fn create(world: &mut World, context: &Context<'_>, given: Option<&str>) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let calendar_id = calendar_id(world, context, given)?;
    let body = context.json_body()?;
    let mut event = Event {
        calendar_id,
        organizer: own_address(context.owner),
        is_organizer: true,
        response: "organizer",
        plain: defaults(),
        ..Event::default()
    };
    take_over(&mut event, &body)?;
    let events = world.agendas.get(context.owner.oid).map(|agenda| agenda.events.as_slice());
    let before = event.transaction_id.as_ref().and_then(|key| {
        events.unwrap_or_default().iter().find(|e| e.is_organizer && e.transaction_id.as_ref() == Some(key))
    });
    if let Some(before) = before {
        if world.settings.duplicate_transaction == DuplicateTransaction::Conflict {
            let message = "Your request can't be completed. The transactionId was used before.";
            return Err(GraphError::new(409, "ErrorDuplicateTransactionId", message));
        }
        return Ok(answer(world, context, 201, before));
    }
    let now_ms = world.now_ms();
    event.stamp(&mut world.ids, now_ms);
    open_meeting(world, &mut event);
    let reached = world.agendas.distribute(&event, &mut world.ids, now_ms);
    tell(world, &event, &reached, "");
    rooms_answer(world, &mut event, &reached);
    let reply = answer(world, context, 201, &event);
    let location = format!("{}/me/events/{}", context.origin(world), id_for(&event, context));
    let agenda = world.agendas.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    agenda.events.push(event);
    Ok(reply.with("location", location))
}

/// `PATCH /me/events/{id}`. Attendees may change what is their own: categories, reminder, how busy they show.
pub fn update(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    const OWN: [&str; 4] = ["categories", "isReminderOn", "reminderMinutesBeforeStart", "showAs"];
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let (found, mut event) = find(world, context, id)?;
    let before = event.clone();
    let key = event.transaction_id.clone();
    take_over(&mut event, &body)?;
    if body.get("transactionId").is_some() && event.transaction_id != key {
        let message = "The transactionId of an event cannot be changed.";
        return Err(GraphError::bad("ErrorInvalidPropertySet", message));
    }
    let foreign = body.as_object().into_iter().flatten().any(|(name, _)| !OWN.contains(&name.as_str()));
    if !event.is_organizer && foreign {
        let message = "Access is denied. Only the organizer can change this property of a meeting.";
        return Err(GraphError::new(403, "ErrorAccessDenied", message));
    }
    let now_ms = world.now_ms();
    event.modified_ms = now_ms;
    event.change += 1;
    open_meeting(world, &mut event);
    if event.is_organizer && matches!(found, Found::Stored(_)) {
        let reached = world.agendas.distribute(&event, &mut world.ids, now_ms);
        let moved = before.start != event.start || before.end != event.end;
        tell(world, &event, &reached, if moved { "Updated: " } else { "" });
        rooms_answer(world, &mut event, &reached);
    }
    let agenda = world.agendas.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    agenda.write(found, event);
    let changed = agenda.read(found).ok_or_else(GraphError::item_not_found)?;
    Ok(answer(world, context, 200, &changed))
}

/// Takes an organizer's meeting back from everyone.
fn call_off(world: &mut World, event: &Event) {
    let now_ms = world.now_ms();
    let gone = Event { attendees: Vec::new(), cancelled: true, ..event.clone() };
    let reached = world.agendas.distribute(&gone, &mut world.ids, now_ms);
    tell(world, event, &reached, "Canceled: ");
}

fn remove(world: &mut World, context: &Context<'_>, found: Found) -> Result<(), GraphError> {
    let agenda = world.agendas.get_mut(context.owner.oid).ok_or_else(GraphError::item_not_found)?;
    agenda.remove(found);
    Ok(())
}

/// `DELETE /me/events/{id}`: an organizer's meeting is called off with it.
pub fn delete(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let (found, event) = find(world, context, id)?;
    if event.is_organizer && matches!(found, Found::Stored(_)) {
        call_off(world, &event);
    }
    remove(world, context, found)?;
    Ok(Reply::empty(204))
}

/// `POST /me/events/{id}/cancel`: for organizers of meetings.
pub fn cancel(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    if !context.call.body.is_empty() {
        check(&CANCEL, &context.json_body()?, "")?;
    }
    let (found, event) = find(world, context, id)?;
    if !event.is_organizer || event.attendees.is_empty() {
        let message = "Your request can't be completed. You need to be an organizer to cancel a meeting.";
        return Err(GraphError::bad("ErrorInvalidRequest", message));
    }
    if matches!(found, Found::Stored(_)) {
        call_off(world, &event);
    }
    remove(world, context, found)?;
    Ok(Reply::empty(202))
}

/// What must be true of an answer to an invitation.
fn check_answer(context: &Context<'_>, event: &Event, action: &str) -> Result<Value, GraphError> {
    let refuse = |message: &str| GraphError::bad("ErrorInvalidRequest", message);
    let body = if context.call.body.is_empty() { serde_json::json!({}) } else { context.json_body()? };
    check(&ANSWER, &body, "")?;
    if event.is_organizer {
        return Err(refuse(
            "Your request can't be completed. You can't respond to this meeting because you're the meeting organizer.",
        ));
    }
    if event.cancelled {
        return Err(refuse("Your request can't be completed. The meeting was canceled."));
    }
    let silent = body.get("sendResponse").and_then(Value::as_bool) == Some(false);
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null() && value != "");
    if silent && has("comment") {
        return Err(refuse("The comment parameter cannot be set when sendResponse is false."));
    }
    let proposals = event.plain.get("allowNewTimeProposals").and_then(Value::as_bool).unwrap_or(true);
    if has("proposedNewTime") && (silent || action == "accept" || !proposals) {
        return Err(refuse("The proposedNewTime parameter cannot be set for this response."));
    }
    Ok(body)
}

/// `POST /me/events/{id}/accept`, `/tentativelyAccept`, `/decline`: for attendees.
pub fn respond(
    world: &mut World,
    context: &Context<'_>,
    id: &str,
    action: &str,
) -> Result<Reply, GraphError> {
    context.require_scope(&["Calendars.ReadWrite"])?;
    context.allow_options(&[])?;
    let (found, mut event) = find(world, context, id)?;
    let body = check_answer(context, &event, action)?;
    let (response, show_as, prefix) = match action {
        "accept" => ("accepted", "busy", "Accepted: "),
        "decline" => ("declined", "free", "Declined: "),
        _ => ("tentativelyAccepted", "tentative", "Tentative: "),
    };
    let now_ms = world.now_ms();
    let user = context.owner;
    for oid in world.directory.users().iter().map(|u| u.oid) {
        // The answer to one day of a series stays with whoever gave it.
        let Some(agenda) = world.agendas.get_mut(oid).filter(|_| matches!(found, Found::Stored(_))) else {
            continue;
        };
        for copy in agenda.events.iter_mut().filter(|e| e.uid == event.uid) {
            let mut own = copy.attendees.iter_mut();
            if let Some(entry) = own.find(|a| a.address.address.eq_ignore_ascii_case(user.address)) {
                (entry.response, entry.responded_ms) = (response, Some(now_ms));
            }
        }
    }
    event = find(world, context, id)?.1;
    (event.response, event.responded_ms, event.modified_ms) = (response, Some(now_ms), now_ms);
    event.change += 1;
    event.plain.insert("showAs".into(), show_as.into());
    let organizer = world.directory.by_address(&event.organizer.address);
    let subject = format!("{prefix}{}", subject_of(&event));
    let agenda = world.agendas.get_mut(user.oid).ok_or_else(GraphError::item_not_found)?;
    if action == "decline" {
        agenda.remove(found);
    } else {
        agenda.write(found, event);
    }
    if let Some(organizer) = organizer
        && body.get("sendResponse").and_then(Value::as_bool) != Some(false)
    {
        let comment = body.get("comment").and_then(Value::as_str).unwrap_or_default();
        let (mailboxes, mut post) = world.post();
        mailboxes.notify(organizer, own_address(user), &subject, comment, &mut post);
    }
    Ok(Reply::empty(202))
}
