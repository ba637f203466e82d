//! The control plane under `/_emulator/`: how tests look inside and set things up. What holds: it is not
//! recorded, no fault rule touches it, and a field that it does not know is refused. It must never be
//! reachable from the emulated services themselves.

mod state;

use crate::access::{self, Wanted};
use crate::clock::iso;
use crate::entra;
use crate::entra::store::{Access, Refresh};
use crate::faults::Rule;
use crate::graph::mail_write;
use crate::mailbox::Address;
use crate::options::Tenant;
use crate::settings::Settings;
use crate::tenant::User;
use crate::wire::{Call, Reply, pair, parse_pairs};
use crate::world::{Shared, World};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use state::{message_json, state};

type Answer = Result<Value, String>;

/// A mail to be put into an inbox.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Seed {
    /// Whose inbox.
    user: String,
    /// The message as Graph would take it; `from` may be anyone.
    message: Map<String, Value>,
    #[serde(default)]
    minutes_ago: u64,
}

/// Whose tokens die.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Revoke {
    /// Absent means everyone.
    user: Option<String>,
    #[serde(default)]
    what: What,
}

#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum What {
    #[default]
    Refresh,
    Access,
    All,
}

/// Tokens without a sign-in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mint {
    user: String,
    scopes: Vec<String>,
    lifetime_s: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Advance {
    advance_ms: u64,
}

/// The tenant that is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    kind: Tenant,
    seed: Option<u64>,
}

/// What Microsoft says of a person's subscriptions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifecycle {
    user: String,
    event: LifecycleEvent,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
enum LifecycleEvent {
    Missed,
    SubscriptionRemoved,
    ReauthorizationRequired,
}

fn read<T: for<'de> Deserialize<'de>>(call: &Call) -> Result<T, String> {
    let body: &[u8] = if call.body.is_empty() { b"{}" } else { &call.body };
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

fn user(world: &World, address: &str) -> Result<&'static User, String> {
    world.directory.by_address(address).ok_or_else(|| format!("no demo user has the address {address:?}"))
}

/// Settings whose members are addresses.
const BY_ADDRESS: [&str; 4] = ["deniedScopes", "consentedScopes", "refusedConsent", "tokenRefusals"];

/// Lays a partial value over a whole one, object by object; null replaces.
fn overlay(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (name, value) in patch {
                match base.get_mut(&name) {
                    // Scopes by address are replaced as a whole, so that a denial can be taken back.
                    Some(inner)
                        if inner.is_object() && value.is_object() && !BY_ADDRESS.contains(&name.as_str()) =>
                    {
                        overlay(inner, value);
                    }
                    _ => {
                        base.insert(name, value);
                    }
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

fn settings(world: &mut World, call: &Call) -> Answer {
    let patch: Value = read(call)?;
    if !patch.is_object() {
        return Err("settings must be an object".into());
    }
    let mut whole = serde_json::to_value(&world.settings).map_err(|e| e.to_string())?;
    overlay(&mut whole, patch);
    let changed = serde_json::from_value::<Settings>(whole).map_err(|e| e.to_string())?;
    changed.check()?;
    world.settings = changed;
    Ok(json!({ "settings": world.settings }))
}

fn faults(world: &mut World, call: &Call) -> Answer {
    let body: Value = read(call)?;
    let list = body.get("faults").cloned().unwrap_or(body);
    let list = if list.is_array() { list } else { json!([list]) };
    let rules: Vec<Rule> = serde_json::from_value(list).map_err(|e| e.to_string())?;
    world.faults.add(rules)?;
    Ok(world.faults.to_json())
}

/// Another tenant, or the same one from another seed; everything begins anew, as after a reset.
fn tenant(world: &mut World, call: &Call) -> Answer {
    let wanted: Change = read(call)?;
    world.options.tenant = wanted.kind;
    world.options.seed = wanted.seed.unwrap_or(world.options.seed);
    world.reset();
    let people: Vec<&str> = world.directory.people().map(|user| user.address).collect();
    Ok(json!({ "kind": wanted.kind, "seed": world.options.seed, "people": people }))
}

fn mail(world: &mut World, call: &Call) -> Answer {
    let seed: Seed = read(call)?;
    let owner = user(world, &seed.user)?;
    let mut message = mail_write::seeded(&seed.message).map_err(|e| format!("{}: {}", e.code, e.message))?;
    let now_ms = world.now_ms();
    let at_ms = now_ms.saturating_sub(seed.minutes_ago.saturating_mul(60_000));
    let outsider = || Address { name: "Outside Sender".into(), address: "sender@outside.example".into() };
    message.from = Some(message.from.take().unwrap_or_else(outsider));
    if message.to.is_empty() {
        message.to = vec![Address { name: owner.display_name.into(), address: owner.address.into() }];
    }
    (message.received_ms, message.sent_ms, message.visible_at_ms) = (at_ms, at_ms, at_ms);
    message.stamp(&mut world.ids, at_ms);
    let shown = message_json(&message, now_ms);
    let mailbox = world.mailboxes.get_mut(owner.oid).ok_or("no mailbox")?;
    mailbox.messages.push(message);
    Ok(shown)
}

fn revoke(world: &mut World, call: &Call) -> Answer {
    let wanted: Revoke = read(call)?;
    let oid = wanted.user.as_deref().map(|address| user(world, address)).transpose()?.map(|u| u.oid);
    let (refresh, access) = (wanted.what != What::Access, wanted.what != What::Refresh);
    let (refresh_hits, access_hits) = world.grants.revoke(oid, refresh, access);
    Ok(json!({ "refreshTokens": refresh_hits, "accessTokens": access_hits }))
}

fn mint(world: &mut World, call: &Call) -> Answer {
    let wanted: Mint = read(call)?;
    let owner = user(world, &wanted.user)?;
    let now_ms = world.now_ms();
    let lifetime_s = wanted.lifetime_s.unwrap_or(world.settings.access_token_lifetime_s);
    let (access, refresh) = (world.ids.token("EwB4"), world.ids.token("1.AXkA"));
    let expires_ms = now_ms.saturating_add(lifetime_s.saturating_mul(1000));
    let scopes = wanted.scopes;
    world.grants.access.insert(
        access.clone(),
        Access {
            oid: owner.oid,
            scopes: scopes.clone(),
            expires_ms,
            takes_challenges: false,
            stepped_up: false,
            revoked: false,
        },
    );
    world.grants.refresh.insert(
        refresh.clone(),
        Refresh { oid: owner.oid, scopes, issued_ms: now_ms, stepped_up: false, revoked: false },
    );
    Ok(json!({ "accessToken": access, "refreshToken": refresh, "expiresIn": lifetime_s }))
}

/// Ten years are more than any token lives; more would only overflow sums elsewhere.
fn clock(world: &mut World, call: &Call) -> Answer {
    let wanted: Advance = read(call)?;
    if wanted.advance_ms > 3650 * crate::clock::DAY_MS {
        return Err("the clock moves by ten years at most".into());
    }
    world.clock.advance_ms(wanted.advance_ms);
    Ok(json!({ "now": iso(world.now_ms()) }))
}

fn certificate(world: &mut World) -> Answer {
    let (certificate, private_key) = entra::assertion::register(world).ok_or("no key could be made")?;
    Ok(json!({ "certificate": certificate, "privateKey": private_key }))
}

fn assertion(shared: &Shared, call: &Call) -> Answer {
    let wanted: Wanted = read(call)?;
    access::assertion(&mut shared.lock(), shared.keys(), &wanted).ok_or_else(|| "no signing key".into())
}

fn records(world: &World, call: &Call) -> Answer {
    let query = parse_pairs(&call.query).unwrap_or_default();
    let after = pair(&query, "after").and_then(|text| text.parse().ok()).unwrap_or(0);
    Ok(world.records.to_json(pair(&query, "service"), after))
}

fn lifecycle(world: &mut World, call: &Call) -> Answer {
    let Lifecycle { user: address, event } = read(call)?;
    let event = serde_json::to_value(event).map_err(|error| error.to_string())?;
    let (oid, now_ms) = (user(world, &address)?.oid, world.now_ms());
    let tenant_id = world.options.tenant_id.clone();
    let told = world.subscriptions.lifecycle(oid, event.as_str().unwrap_or_default(), &tenant_id, now_ms);
    Ok(json!({ "subscriptions": told }))
}

fn done() -> Answer {
    Ok(json!({ "ok": true }))
}

fn answer(shared: &Shared, call: &Call, path: &str) -> Option<Answer> {
    if (call.method.as_str(), path) == ("POST", "/access/assertion") {
        return Some(assertion(shared, call));
    }
    let world = &mut *shared.lock();
    let result = match (call.method.as_str(), path) {
        ("GET", "/healthz") => done(),
        ("POST", "/tenant") => tenant(world, call),
        ("POST", "/reset") => {
            world.reset();
            done()
        }
        ("GET", "/state") => state(world, call),
        ("GET", "/records") => records(world, call),
        ("POST", "/records/clear") => {
            world.records.clear();
            done()
        }
        ("GET", "/gateway-log") => Ok(world.gateway.to_json()),
        ("POST", "/gateway-log/clear") => {
            world.gateway.clear_log();
            done()
        }
        ("GET", "/concurrency") => Ok(world.concurrency.to_json()),
        ("POST", "/concurrency/clear") => {
            world.concurrency.clear_marks();
            done()
        }
        ("GET", "/faults") => Ok(world.faults.to_json()),
        ("POST", "/faults") => faults(world, call),
        ("DELETE", "/faults") | ("POST", "/faults/clear") => {
            world.faults.clear();
            done()
        }
        ("GET", "/settings") => Ok(json!({ "settings": world.settings })),
        ("POST", "/settings") => settings(world, call),
        ("POST", "/mail") => mail(world, call),
        ("POST", "/revoke") => revoke(world, call),
        ("POST", "/token") => mint(world, call),
        ("POST", "/certificate") => certificate(world),
        ("POST", "/clock") => clock(world, call),
        ("GET", "/subscriptions") => {
            Ok(world.subscriptions.to_json(&world.options.client_id, world.now_ms()))
        }
        ("POST", "/lifecycle") => lifecycle(world, call),
        _ => return None,
    };
    world.observe_changes();
    Some(result)
}

/// Answers one control request; `path` is what follows the prefix `/_emulator`.
pub fn execute(shared: &Shared, call: &Call, path: &str) -> Reply {
    match answer(shared, call, path) {
        Some(Ok(body)) => Reply::json(200, &body),
        Some(Err(message)) => Reply::json(400, &json!({ "error": message })),
        None => Reply::json(404, &json!({ "error": format!("no control route {} {path}", call.method) })),
    }
}
