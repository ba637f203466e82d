//! Access for SaaS as an OpenID Connect provider: authorization, token and keys of one application. Whoever the setting
//! `accessPerson` names is signed in already, as behind a company's own sign-in page. It must never take a request that
//! the real one refuses: a code is good once, for its client, its redirect URI and its verifier.

use super::subject;
use crate::ids::{base64_url, sha256};
use crate::jwt::Keys;
use crate::wire::{Call, Reply, duplicate, pair, parse_pairs, percent_encode};
use crate::world::World;
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
    if duplicate(&form).is_some() || get("grant_type") != "authorization_code" {
        return refusal(400, "unsupported_grant_type", "Only codes are redeemed here.");
    }
    let options = &world.options;
    if get("client_id") != options.access_client_id || get("client_secret") != options.access_client_secret {
        return refusal(401, "invalid_client", "The client did not prove who it is.");
    }
    let now_ms = world.now_ms();
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
        Some(id_token) => Reply::json(
            200,
            &json!({ "access_token": world.ids.token("access-"), "token_type": "Bearer", "expires_in": 3600, "id_token": id_token }),
        )
        .with("cache-control", "no-store"),
        None => Reply::text(500, "text/plain", "no signing key could be made"),
    }
}

fn id_token(world: &World, keys: &Keys, code: &Code) -> Option<String> {
    let (now_s, client_id) = (world.now_ms() / 1000, &world.options.access_client_id);
    let claims: Value = json!({
        "iss": format!("{}/access/cdn-cgi/access/sso/oidc/{client_id}", world.base),
        "aud": [client_id],
        "exp": now_s + 3600,
        "iat": now_s,
        "nonce": code.nonce,
        "sub": subject(&code.email),
        "email": code.email,
    });
    keys.access_signing(world.settings.rotate_access_keys)?.rs256(&claims)
}
