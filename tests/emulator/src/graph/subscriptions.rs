//! `/subscriptions`: making, renewing, listing and ending subscriptions to changes. An address that does not
//! pass the handshake gets no subscription. Plain HTTP is taken for the loopback address alone, and only
//! because nothing else could be reached from here; the real service takes HTTPS alone.

use super::context::Context;
use super::error::GraphError;
use super::model::{self, Kind, Model};
use super::{Routed, finish};
use crate::clock::parse_iso;
use crate::courier;
use crate::subscriptions::{Subscription, Subscriptions, Topic};
use crate::wire::{Call, Reply, percent_encode};
use crate::world::{Shared, World};
use serde_json::{Map, Value, json};

/// The longest life of a subscription to messages or events.
const LIFE_MAX_MS: u64 = 10_080 * 60_000;

/// The longest `clientState`.
const CLIENT_STATE_MAX: usize = 128;

const CREATE: Model = Model {
    name: "microsoft.graph.subscription",
    fields: &[
        ("changeType", Kind::Text),
        ("notificationUrl", Kind::Text),
        ("lifecycleNotificationUrl", Kind::Text),
        ("resource", Kind::Text),
        ("expirationDateTime", Kind::Instant),
        ("clientState", Kind::Text),
        ("latestSupportedTlsVersion", Kind::Word(&["v1_0", "v1_1", "v1_2", "v1_3"])),
        ("includeResourceData", Kind::Flag),
        ("id", Kind::ReadOnly),
        ("applicationId", Kind::ReadOnly),
        ("creatorId", Kind::ReadOnly),
    ],
    required: &["changeType", "notificationUrl", "resource", "expirationDateTime"],
};

const RENEW: Model = Model {
    name: "microsoft.graph.subscription",
    fields: &[("expirationDateTime", Kind::Instant)],
    required: &["expirationDateTime"],
};

fn invalid(message: impl Into<String>) -> GraphError {
    GraphError::bad("InvalidRequest", message)
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

fn not_found() -> GraphError {
    GraphError::new(404, "ResourceNotFound", "The object was not found.")
}

/// What a resource names, and the scopes of which one is needed.
fn topic(resource: &str) -> Result<(Topic, &'static [&'static str]), GraphError> {
    let path = resource.trim_start_matches('/').to_ascii_lowercase();
    match path.as_str() {
        "me/mailfolders('inbox')/messages" | "me/mailfolders/inbox/messages" => {
            Ok((Topic::Inbox, &["Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"]))
        }
        "me/events" => Ok((Topic::Events, &["Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite"])),
        "me/messages" | "me/contacts" => {
            Err(GraphError::new(501, "NotImplemented", "The emulator knows the inbox and events only."))
        }
        _ => Err(invalid(format!("Resource '{resource}' is not supported for subscriptions."))),
    }
}

fn changes(text: &str) -> Result<Vec<String>, GraphError> {
    let list: Vec<String> = text.split(',').map(|one| one.trim().to_ascii_lowercase()).collect();
    match list.iter().find(|one| !["created", "updated", "deleted"].contains(&one.as_str())) {
        Some(unknown) => Err(invalid(format!("'{unknown}' is not a valid changeType."))),
        None => Ok(list),
    }
}

fn expiry(object: &Map<String, Value>, now_ms: u64) -> Result<u64, GraphError> {
    let at = text(object, "expirationDateTime").and_then(parse_iso);
    let at = at.ok_or_else(|| invalid("The expirationDateTime is not a valid date."))?;
    if at <= now_ms {
        return Err(invalid("Subscription expiration must be in the future."));
    }
    if at - now_ms > LIFE_MAX_MS {
        return Err(invalid("Subscription expiration can only be 10080 minutes in the future."));
    }
    Ok(at)
}

fn checked_url(url: &str) -> Result<String, GraphError> {
    courier::target(url).map(|_| url.to_owned()).ok_or_else(|| {
        GraphError::bad("ValidationError", "The notification URL must be an https URL that can be reached.")
    })
}

/// Everything about a creation but the handshake.
fn prepare(world: &mut World, context: &Context<'_>) -> Result<Subscription, GraphError> {
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let object = model::check(&CREATE, &body, "")?;
    let resource = text(object, "resource").unwrap_or_default().to_owned();
    let (topic, scopes) = topic(&resource)?;
    if !scopes.iter().any(|scope| context.has_scope(scope)) {
        let message = "Operation: Create; Exception: [Status Code: Forbidden; Reason: Access is denied. Check \
                       credentials and try again.]";
        return Err(GraphError::new(403, "ExtensionError", message));
    }
    let changes = changes(text(object, "changeType").unwrap_or_default())?;
    if object.get("includeResourceData") == Some(&Value::Bool(true)) {
        return Err(GraphError::new(501, "NotImplemented", "The emulator sends no resource data."));
    }
    let client_state = text(object, "clientState").map(str::to_owned);
    if client_state.as_ref().is_some_and(|state| state.chars().count() > CLIENT_STATE_MAX) {
        return Err(invalid("The clientState must have at most 128 characters."));
    }
    let url = checked_url(text(object, "notificationUrl").unwrap_or_default())?;
    let lifecycle_url = text(object, "lifecycleNotificationUrl").map(checked_url).transpose()?;
    let expires_ms = expiry(object, world.now_ms())?;
    let (id, oid) = (world.ids.uuid(), context.user.oid);
    Ok(Subscriptions::prepared(
        id,
        oid,
        (topic, resource),
        changes,
        url,
        lifecycle_url,
        client_state,
        expires_ms,
    ))
}

/// The handshake: the address has to give the token back, as plain text, within ten seconds.
async fn validate(url: &str, token: &str) -> Result<(), GraphError> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let asked = format!("{url}{separator}validationToken={}", percent_encode(token));
    let refused = |message: &str| {
        GraphError::bad("ValidationError", format!("Subscription validation request failed. {message}"))
    };
    let answer = courier::post(&asked, "text/plain; charset=utf-8", b"").await;
    let answer =
        answer.map_err(|_| refused("The notification URL could not be reached within 10 seconds."))?;
    if answer.status != 200 {
        return Err(refused("Notification endpoint must respond with 200 OK to validation request."));
    }
    let is_text = answer.headers.get("content-type").is_some_and(|kind| kind.starts_with("text/plain"));
    if !is_text || answer.body != token.as_bytes() {
        return Err(refused("Response must exactly match validationToken query parameter."));
    }
    Ok(())
}

/// Whether a request makes a subscription, which waits for the other side and so cannot be one step.
pub fn is_creation(call: &Call, path: &str) -> bool {
    call.method == "POST" && matches!(path, "/v1.0/subscriptions" | "/beta/subscriptions")
}

/// `POST /subscriptions`.
pub async fn create(shared: &Shared, call: &Call, path: &str) -> Reply {
    let prepared = {
        let world = &mut *shared.lock();
        Context::read(world, call, path).and_then(|context| {
            let root = context.origin(world);
            prepare(world, &context).map(|made| (made, root, world.ids.uuid()))
        })
    };
    let validated = match prepared {
        Ok((made, root, request)) => {
            let token = format!(
                "Validation: Testing client application reachability for subscription Request-Id: {request}"
            );
            let mut outcome = validate(&made.url, &token).await;
            if let (Ok(()), Some(url)) =
                (&outcome, made.lifecycle_url.as_ref().filter(|url| **url != made.url))
            {
                outcome = validate(url, &token).await;
            }
            outcome.map(|()| (made, root))
        }
        Err(error) => Err(error),
    };
    let world = &mut *shared.lock();
    let result = validated.map(|(made, root)| {
        let mut body = made.shown(&world.options.client_id);
        if let Some(body) = body.as_object_mut() {
            body.insert("@odata.context".into(), format!("{root}/$metadata#subscriptions/$entity").into());
        }
        let now_ms = world.now_ms();
        world.subscriptions.add(made, &world.mailboxes, &world.agendas, now_ms);
        Reply::json(201, &body)
    });
    finish(world, call, result)
}

fn list(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let all = world.subscriptions.of(context.user.oid, world.now_ms());
    let list: Vec<Value> = all.map(|one| one.shown(&world.options.client_id)).collect();
    let meta = format!("{}/$metadata#subscriptions", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": meta, "value": list })))
}

fn read(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let found = world.subscriptions.of(context.user.oid, world.now_ms()).find(|one| one.id == id);
    found.map(|one| Reply::json(200, &one.shown(&world.options.client_id))).ok_or_else(not_found)
}

fn renew(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let now_ms = world.now_ms();
    let expires_ms = expiry(model::check(&RENEW, &body, "")?, now_ms)?;
    let found = world.subscriptions.find_mut(context.user.oid, id, now_ms).ok_or_else(not_found)?;
    found.expires_ms = expires_ms;
    Ok(Reply::json(200, &found.shown(&world.options.client_id)))
}

fn remove(world: &mut World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    context.allow_options(&[])?;
    let now_ms = world.now_ms();
    if world.subscriptions.remove(context.user.oid, id, now_ms) {
        Ok(Reply::empty(204))
    } else {
        Err(not_found())
    }
}

/// The workload's table of paths.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["subscriptions"]) => list(world, context),
        ("GET", ["subscriptions", id]) => read(world, context, id),
        ("PATCH", ["subscriptions", id]) => renew(world, context, id),
        ("DELETE", ["subscriptions", id]) => remove(world, context, id),
        (_, ["subscriptions"] | ["subscriptions", _]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
