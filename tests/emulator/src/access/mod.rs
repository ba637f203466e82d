//! Cloudflare Access: the team's certificates, and assertions that tests ask for, right ones and each
//! kind of wrong one. The issuer is this emulator's `/access`. A wrong assertion must be wrong in exactly the
//! one way that was asked for, or a test would pass for another reason.

pub mod sign_in;

use crate::clock::DAY_MS;
use crate::der;
use crate::ids::sha256;
use crate::jwt::{Key, Keys};
use crate::wire::{Call, Reply};
use crate::world::World;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The kinds of assertion that a test can ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A person at an application.
    #[default]
    User,
    /// A service token: empty subject, no address.
    Service,
    /// The team-wide session token, which is no application's.
    Org,
}

/// What is wrong with an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Flaw {
    /// Another application's audience.
    WrongAud,
    /// Another team's issuer.
    WrongIss,
    /// It ended an hour ago.
    Expired,
    /// It begins in an hour.
    NotYetValid,
    /// It is not signed.
    AlgNone,
    /// It is keyed with the public key.
    Hs256,
    /// Its signature is of another key.
    WrongKey,
    /// Its key id is unknown.
    UnknownKid,
    /// It is another team's: its issuer, and a key that this team does not publish.
    AnotherTeam,
    /// It is larger than any header may be that a server has to look at.
    Oversized,
}

/// A request for an assertion.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Wanted {
    kind: Kind,
    email: Option<String>,
    sub: Option<String>,
    aud: Option<String>,
    common_name: Option<String>,
    lifetime_s: Option<u64>,
    flaw: Option<Flaw>,
    claims: Map<String, Value>,
}

/// More than a server has to look at, and less than an HTTP server refuses by itself.
const OVERSIZE_BYTES: usize = 13 * 1024;

/// A stable subject for an address.
fn subject(email: &str) -> String {
    let digest = crate::ids::hex(&sha256(format!("access|{email}").as_bytes()));
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-5{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn claims(world: &mut World, wanted: &Wanted) -> Value {
    let now_s = world.now_ms() / 1000;
    let lifetime_s = wanted.lifetime_s.unwrap_or(DAY_MS / 1000);
    let (iat, exp) = match wanted.flaw {
        Some(Flaw::Expired) => (now_s.saturating_sub(7200), now_s.saturating_sub(3600)),
        Some(Flaw::NotYetValid) => (now_s + 3600, now_s + 7200),
        _ => (now_s, now_s.saturating_add(lifetime_s)),
    };
    let aud = match (&wanted.aud, wanted.flaw) {
        (_, Some(Flaw::WrongAud)) => "another-application".to_owned(),
        (Some(aud), _) => aud.clone(),
        (None, _) => world.options.access_aud.clone(),
    };
    let iss = match wanted.flaw {
        Some(Flaw::WrongIss | Flaw::AnotherTeam) => "https://another.cloudflareaccess.example".to_owned(),
        _ => format!("{}/access", world.base),
    };
    let mut body = json!({ "aud": [aud], "exp": exp, "iat": iat, "iss": iss });
    let email = wanted.email.clone().unwrap_or_else(|| "alice@contoso.example".into());
    let extra = match wanted.kind {
        Kind::User | Kind::Org => json!({
            "type": if wanted.kind == Kind::Org { "org" } else { "app" },
            "nbf": iat,
            "email": email,
            "identity_nonce": world.ids.uuid().get(..16),
            "sub": wanted.sub.clone().unwrap_or_else(|| subject(&email)),
            "country": "CH",
        }),
        Kind::Service => json!({
            "type": "app",
            "sub": "",
            "common_name": wanted.common_name.clone().unwrap_or_else(|| "emulator.access".into()),
        }),
    };
    if let (Some(map), Some(Flaw::Oversized)) = (body.as_object_mut(), wanted.flaw) {
        map.insert("custom".into(), "x".repeat(OVERSIZE_BYTES).into());
    }
    if let (Some(map), Value::Object(extra)) = (body.as_object_mut(), extra) {
        map.extend(extra);
        map.extend(wanted.claims.clone());
    }
    body
}

/// Makes an assertion; `None` when no key could be made.
pub fn assertion(world: &mut World, keys: &Keys, wanted: &Wanted) -> Option<Value> {
    let claims = claims(world, wanted);
    let key = keys.access_signing(world.settings.rotate_access_keys)?;
    let token = match wanted.flaw {
        Some(Flaw::AlgNone) => Key::alg_none(&claims),
        Some(Flaw::Hs256) => key.hs256_confusion(&claims)?,
        Some(Flaw::AnotherTeam) => keys.entra()?.rs256(&claims)?,
        Some(Flaw::WrongKey) => keys.entra()?.rs256_as(&claims, &key.kid)?,
        Some(Flaw::UnknownKid) => key.rs256_as(&claims, "0000000000000000000000000000000000000000")?,
        _ => key.rs256(&claims)?,
    };
    Some(json!({ "assertion": token, "claims": claims }))
}

/// Answers one request; `path` is what follows the prefix `/access`.
pub fn execute(world: &mut World, keys: &Keys, call: &Call, path: &str) -> Reply {
    let application = format!("/cdn-cgi/access/sso/oidc/{}", world.options.access_client_id);
    if let Some(rest) = path.strip_prefix(&application) {
        return sign_in::execute(world, keys, call, rest);
    }
    if call.method != "GET" || path != "/cdn-cgi/access/certs" {
        return Reply::text(404, "text/plain", "no such endpoint");
    }
    let rotated = world.settings.rotate_access_keys;
    // The singular certificate is the current one; whoever takes it instead of looking for the name is wrong.
    let entry = keys.access_signing(rotated).and_then(|key| {
        let pem = der::certificate_pem(key, "emulator", world.now_ms())?;
        Some(json!({ "kid": key.kid, "cert": pem }))
    });
    match (keys.access_published(rotated), entry) {
        (Some(list), Some(entry)) => {
            Reply::json(200, &json!({ "keys": list, "public_cert": entry, "public_certs": [entry] }))
        }
        _ => Reply::text(500, "text/plain", "no signing key could be made"),
    }
}
