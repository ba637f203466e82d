//! Access for SaaS as an OpenID Connect provider: authorization, token and keys of one application. Whoever the setting
//! `accessPerson` names is signed in already, as behind a company's own sign-in page. It must never take a request that
//! the real one refuses: a code is good once, for its client, its redirect URI and its verifier.

use super::subject;
use crate::ids::{base64_url, sha256};
use crate::jwt::{Key, Keys};
use crate::wire::{Call, Reply, duplicate, pair, parse_pairs, percent_encode};
use crate::world::World;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long a code lives.
const CODE_LIFETIME_MS: u64 = 60 * 1000;

/// One authorization code.
#[derive(Clone, Debug)]
struct Code {
    email: String,
    redirect_uri: String,
    challenge: String,
    nonce: String,
    issued_ms: u64,
}

/// What is wrong with an ID token, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Wrong {
    /// It is not signed.
    AlgNone,
    /// It is keyed with the public key.
    Hs256,
    /// Its signature is of another key.
    Key,
    /// It is for another sign-in.
    Nonce,
    /// It is another provider's.
    Issuer,
    /// It is for another client.
    Audience,
    /// It ended an hour ago.
    Expired,
}

/// An access token.
#[derive(Clone, Debug)]
struct Held {
    email: String,
    ends_ms: u64,
}

/// The tokens that were issued. A refresh token is good once.
#[derive(Clone, Debug, Default)]
pub struct Issued {
    access: BTreeMap<String, Held>,
    refresh: BTreeMap<String, String>,
}

impl Issued {
    /// Whose token this is, while it lives.
    pub fn holder(&self, token: &str, now_ms: u64) -> Option<String> {
        self.access.get(token).filter(|held| now_ms < held.ends_ms).map(|held| held.email.clone())
    }
}

/// The codes that were issued and not redeemed.
#[derive(Clone, Debug, Default)]
pub struct Codes(BTreeMap<String, Code>);

/// Any port of the loopback host, path `/callback/access`, nothing else.
fn is_registered(uri: &str) -> bool {
    let rest = ["http://127.0.0.1", "http://localhost"].iter().find_map(|host| uri.strip_prefix(host));
    let Some(port) = rest.and_then(|rest| rest.strip_suffix("/callback/access")) else { return false };
    port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok_and(|port| port > 0))
}

fn refusal(status: u16, error: &str, description: &str) -> Reply {
    Reply::json(status, &json!({ "error": error, "error_description": description }))
}

/// Answers one request; `path` is what follows the application's own prefix.
pub fn execute(world: &mut World, keys: &Keys, call: &Call, path: &str) -> Reply {
    match (call.method.as_str(), path) {
        ("GET", "/authorization") => authorize(world, call),
        ("POST", "/token") => token(world, keys, call),
        ("GET", "/jwks") => match keys.access_published(world.settings.rotate_access_keys) {
            Some(list) => Reply::json(200, &json!({ "keys": list })),
            None => Reply::text(500, "text/plain", "no signing key could be made"),
        },
        _ => Reply::text(404, "text/plain", "no such endpoint"),
    }
}

fn authorize(world: &mut World, call: &Call) -> Reply {
    let pairs = parse_pairs(&call.query).unwrap_or_default();
    let get = |name: &str| pair(&pairs, name).filter(|value| !value.is_empty());
    if duplicate(&pairs).is_some() || get("client_id") != Some(world.options.access_client_id.as_str()) {
        return refusal(400, "invalid_client", "The client is not known, or a parameter stands twice.");
    }
    let Some(redirect_uri) = get("redirect_uri").filter(|uri| is_registered(uri)) else {
        return refusal(400, "invalid_request", "The redirect URI is not registered.");
    };
    let Some(state) = get("state") else {
        return refusal(400, "invalid_request", "The state is missing.");
    };
    let back = |query: String| {
        Reply::empty(302).with("location", format!("{redirect_uri}?{query}&state={}", percent_encode(state)))
    };
    let is_good = get("response_type") == Some("code")
        && get("scope").is_some_and(|scope| scope.split(' ').any(|one| one == "openid"))
        && get("code_challenge_method") == Some("S256")
        && get("code_challenge").is_some_and(|challenge| challenge.len() == 43);
    let (true, Some(nonce), Some(challenge)) = (is_good, get("nonce"), get("code_challenge")) else {
        return back("error=invalid_request".to_owned());
    };
    let Some(email) = world.settings.access_person.clone() else {
        return back("error=access_denied".to_owned());
    };
    let entry = Code {
        email,
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.to_owned(),
        nonce: nonce.to_owned(),
        issued_ms: world.now_ms(),
    };
    let code = world.ids.token("access-code-");
    world.access_codes.0.insert(code.clone(), entry);
    back(format!("code={}", percent_encode(&code)))
}

fn token(world: &mut World, keys: &Keys, call: &Call) -> Reply {
    if call.media_type().as_deref() != Some("application/x-www-form-urlencoded") {
        return refusal(400, "invalid_request", "The request is no form.");
    }
    let form = parse_pairs(&String::from_utf8_lossy(&call.body)).unwrap_or_default();
    let get = |name: &str| pair(&form, name).unwrap_or_default();
    if duplicate(&form).is_some() || !matches!(get("grant_type"), "authorization_code" | "refresh_token") {
        return refusal(400, "unsupported_grant_type", "Only codes and refresh tokens are redeemed here.");
    }
    let options = &world.options;
    if get("client_id") != options.access_client_id || get("client_secret") != options.access_client_secret {
        return refusal(401, "invalid_client", "The client did not prove who it is.");
    }
    let now_ms = world.now_ms();
    if get("grant_type") == "refresh_token" {
        return refresh(world, get("refresh_token"));
    }
    let Some(code) = world.access_codes.0.remove(get("code")) else {
        return refusal(400, "invalid_grant", "The code is not known or was used.");
    };
    let fits = code.redirect_uri == get("redirect_uri")
        && base64_url(&sha256(get("code_verifier").as_bytes())) == code.challenge
        && now_ms < code.issued_ms + CODE_LIFETIME_MS;
    if !fits {
        return refusal(400, "invalid_grant", "The code is not for this request, or too old.");
    }
    match id_token(world, keys, &code) {
        Some(id_token) => issue(world, &code.email, Some(id_token)),
        None => Reply::text(500, "text/plain", "no signing key could be made"),
    }
}

fn refresh(world: &mut World, token: &str) -> Reply {
    if let Some(error) = world.settings.access_refresh_refused.clone() {
        return refusal(400, &error, "No.");
    }
    match world.access_tokens.refresh.remove(token) {
        Some(email) => issue(world, &email, None),
        None => refusal(400, "invalid_grant", "The refresh token is not known or was used."),
    }
}

fn issue(world: &mut World, email: &str, id_token: Option<String>) -> Reply {
    let lifetime_s = world.settings.access_token_lifetime_s;
    let access = world.ids.token("access-");
    let held = Held { email: email.to_owned(), ends_ms: world.now_ms() + lifetime_s * 1000 };
    world.access_tokens.access.insert(access.clone(), held);
    let mut body = json!({ "access_token": access, "token_type": "Bearer", "expires_in": lifetime_s });
    if let Some(members) = body.as_object_mut() {
        members.extend(id_token.map(|token| ("id_token".to_owned(), token.into())));
        if !world.settings.access_refresh_off {
            let refresh = world.ids.token("access-refresh-");
            world.access_tokens.refresh.insert(refresh.clone(), email.to_owned());
            members.insert("refresh_token".to_owned(), refresh.into());
        }
    }
    Reply::json(200, &body).with("cache-control", "no-store")
}

fn id_token(world: &World, keys: &Keys, code: &Code) -> Option<String> {
    let (now_s, client_id) = (world.now_ms() / 1000, &world.options.access_client_id);
    let wrong = world.settings.access_id_token;
    let issuer = match wrong {
        Some(Wrong::Issuer) => "https://another.cloudflareaccess.example/cdn-cgi/access/sso/oidc",
        _ => &format!("{}/access/cdn-cgi/access/sso/oidc", world.base),
    };
    let claims: Value = json!({
        "iss": format!("{issuer}/{client_id}"),
        "aud": [if wrong == Some(Wrong::Audience) { "another-client" } else { client_id }],
        "exp": if wrong == Some(Wrong::Expired) { now_s.saturating_sub(3600) } else { now_s + 3600 },
        "iat": now_s.saturating_sub(7200),
        "nonce": if wrong == Some(Wrong::Nonce) { "of-another-sign-in" } else { &code.nonce },
        "sub": subject(&code.email),
        "email": code.email,
    });
    let key = keys.access_signing(world.settings.rotate_access_keys)?;
    match wrong {
        Some(Wrong::AlgNone) => Some(Key::alg_none(&claims)),
        Some(Wrong::Hs256) => key.hs256_confusion(&claims),
        Some(Wrong::Key) => keys.entra()?.rs256_as(&claims, &key.kid),
        _ => key.rs256(&claims),
    }
}
