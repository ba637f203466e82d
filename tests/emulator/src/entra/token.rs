//! The token endpoint: codes and refresh tokens against tokens. It demands the client's secret or its signed
//! assertion and the PKCE verifier, and answers mistakes with Microsoft's codes. A refresh gives a new refresh token and
//! leaves the old one valid, as Entra does.

use super::errors::{EntraError, bad, client};
use super::store::{Access, CODE_LIFETIME_MS, REFRESH_LIFETIME_MS, Refresh};
use super::{assertion, policy, refusals, scopes};
use crate::ids::{base64_url, sha256};
use crate::jwt::Keys;
use crate::tenant;
use crate::wire::{Call, Reply, duplicate, pair, parse_pairs, percent_decode};
use crate::world::World;
use base64::Engine as _;
use serde_json::{Value, json};

/// What a grant leads to.
struct Granted {
    oid: &'static str,
    scopes: Vec<String>,
    nonce: Option<String>,
    stepped_up: bool,
    takes_challenges: bool,
}

fn required<'a>(form: &'a [(String, String)], name: &str) -> Result<&'a str, EntraError> {
    pair(form, name).filter(|value| !value.is_empty()).ok_or_else(|| {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        bad("invalid_request", 900_144, text)
    })
}

/// Client id and secret from the form, or from HTTP Basic.
fn credentials(call: &Call, form: &[(String, String)]) -> (Option<String>, Option<String>) {
    let basic =
        call.headers.get("authorization").and_then(|v| v.split_once(' ')).and_then(|(scheme, data)| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim()).ok()?;
            let text = String::from_utf8(bytes).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
            let (id, secret) = text.split_once(':')?;
            Some((percent_decode(id)?, percent_decode(secret)?))
        });
    match basic {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => {
            let field = |name| pair(form, name).map(str::to_owned);
            (field("client_id"), field("client_secret"))
        }
    }
}

fn authenticate(
    world: &mut World,
    call: &Call,
    form: &[(String, String)],
    tenant: &str,
) -> Result<(), EntraError> {
    let (id, secret) = credentials(call, form);
    let Some(id) = id.filter(|id| !id.is_empty()) else {
        let text = "The request body must contain the following parameter: 'client_id'.";
        return Err(bad("invalid_request", 900_144, text));
    };
    if id != world.options.client_id {
        let text = format!("Application with identifier '{id}' was not found in the directory.");
        return Err(bad("unauthorized_client", 700_016, text));
    }
    let secret = secret.filter(|s| !s.is_empty());
    if pair(form, "client_assertion").is_some() {
        if secret.is_some() {
            let text = "The request has more than one way to authenticate the client.";
            return Err(bad("invalid_request", 90_023, text));
        }
        return assertion::check(world, form, tenant);
    }
    match secret {
        None => Err(client(
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )),
        Some(secret) if secret != world.options.client_secret => Err(client(
            7_000_215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
             value, not the client secret ID.",
        )),
        Some(_) => Ok(()),
    }
}

fn redeem_code(world: &mut World, form: &[(String, String)]) -> Result<Granted, EntraError> {
    let code = required(form, "code")?;
    let redirect_uri = required(form, "redirect_uri")?;
    let now_ms = world.now_ms();
    let Some(entry) = world.grants.codes.get_mut(code) else {
        let text = "The provided value for the 'code' parameter is not valid.";
        return Err(bad("invalid_grant", 70_000, text));
    };
    if entry.used {
        let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an \
                    existing refresh token.";
        return Err(bad("invalid_grant", 54_005, text));
    }
    if entry.issued_ms + CODE_LIFETIME_MS <= now_ms {
        let text = "The provided authorization code or refresh token has expired due to inactivity.";
        return Err(bad("invalid_grant", 70_008, text));
    }
    if entry.redirect_uri != redirect_uri {
        let text =
            "The reply address does not match the reply address provided when requesting Authorization code.";
        return Err(bad("invalid_client", 500_112, text));
    }
    let verifier = required(form, "code_verifier").map_err(|_| {
        let text = "The Code_Verifier is missing although the authorization request had a code_challenge.";
        bad("invalid_grant", 501_481, text)
    })?;
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(alphabet);
    if !well_formed || base64_url(&sha256(verifier.as_bytes())) != entry.challenge {
        let text =
            "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
        return Err(bad("invalid_grant", 501_481, text));
    }
    entry.used = true;
    Ok(Granted {
        oid: entry.oid,
        scopes: entry.scopes.clone(),
        nonce: entry.nonce.clone(),
        stepped_up: entry.stepped_up,
        takes_challenges: policy::declares_capability(pair(form, "claims")),
    })
}

fn redeem_refresh(world: &mut World, form: &[(String, String)]) -> Result<Granted, EntraError> {
    let token = required(form, "refresh_token")?;
    let now_ms = world.now_ms();
    let Some(entry) = world.grants.refresh.get(token) else {
        let text = "The provided value for the 'refresh_token' parameter is not valid.";
        return Err(bad("invalid_grant", 70_000, text));
    };
    if entry.revoked {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user \
                    might have changed or reset their password.";
        return Err(bad("invalid_grant", 50_173, text).sub("bad_token"));
    }
    if entry.issued_ms + REFRESH_LIFETIME_MS <= now_ms {
        let text = "The refresh token has expired due to inactivity.";
        return Err(bad("invalid_grant", 700_082, text).sub("bad_token"));
    }
    let (claims, silent) = (pair(form, "claims"), world.settings.silent_step_up);
    let demanded = policy::steps_up(claims) && !entry.stepped_up;
    if demanded && !silent {
        return Err(policy::interaction());
    }
    Ok(Granted {
        oid: entry.oid,
        scopes: entry.scopes.clone(),
        nonce: None,
        stepped_up: entry.stepped_up || demanded,
        takes_challenges: policy::declares_capability(claims),
    })
}

/// Narrows a grant to the scopes that the request names; more than was granted needs consent.
fn narrow(world: &World, form: &[(String, String)], granted: &mut Granted) -> Result<(), EntraError> {
    let Some(text) = pair(form, "scope").filter(|s| !s.is_empty()) else { return Ok(()) };
    let asked = scopes::parse(text, &super::resources(world)).map_err(|unknown| {
        bad("invalid_scope", 70_011, format!("The provided value for the input parameter 'scope' is not valid. The scope {unknown} is not valid."))
    })?;
    let address = tenant::by_oid(granted.oid).map_or("", |user| user.address);
    let missing = asked.iter().find(|s| !granted.scopes.contains(s) && !world.settings.denies(address, s));
    if let Some(missing) = missing {
        let text = format!(
            "The user or administrator has not consented to use the application with scope {missing}."
        );
        return Err(bad("invalid_grant", 65_001, text).sub("consent_required"));
    }
    granted.scopes.retain(|s| asked.contains(s) || s == "offline_access");
    Ok(())
}

fn id_token(world: &World, keys: &Keys, granted: &Granted) -> Option<String> {
    let user = tenant::by_oid(granted.oid)?;
    let now_s = world.now_ms() / 1000;
    let tid = &world.options.tenant_id;
    let pairwise = sha256(format!("{}|{}", world.options.client_id, user.oid).as_bytes());
    let mut claims = json!({
        "aud": world.options.client_id,
        "iss": format!("{}/entra/{tid}/v2.0", world.base),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + 3600,
        "name": user.display_name,
        "oid": user.oid,
        "preferred_username": user.address,
        "sub": base64_url(&pairwise),
        "tid": tid,
        "ver": "2.0",
    });
    let map = claims.as_object_mut()?;
    if let Some(nonce) = &granted.nonce {
        map.insert("nonce".into(), Value::String(nonce.clone()));
    }
    if granted.scopes.iter().any(|s| s == "email") {
        map.insert("email".into(), user.address.into());
    }
    keys.signing(world.settings.rotate_keys)?.rs256(&claims)
}

/// Issues tokens for a grant.
fn issue(world: &mut World, keys: &Keys, mut granted: Granted) -> Reply {
    let now_ms = world.now_ms();
    let address = tenant::by_oid(granted.oid).map_or("", |user| user.address);
    for scope in world.settings.consented(address) {
        if !granted.scopes.contains(scope) {
            granted.scopes.push(scope.clone());
        }
    }
    granted.scopes.retain(|s| !world.settings.denies(address, s));
    let lifetime_s = world.settings.access_token_lifetime_s;
    let access = world.ids.token("EwB4");
    let mut body = json!({
        "token_type": "Bearer",
        "scope": scopes::answer(&granted.scopes),
        "expires_in": lifetime_s,
        "ext_expires_in": lifetime_s,
        "access_token": access,
    });
    let entry = Access {
        oid: granted.oid,
        scopes: granted.scopes.clone(),
        expires_ms: now_ms + lifetime_s * 1000,
        takes_challenges: granted.takes_challenges,
        stepped_up: granted.stepped_up,
        revoked: false,
    };
    world.grants.prune(now_ms);
    world.grants.access.insert(access, entry);
    let has = |name: &str| granted.scopes.iter().any(|s| s == name);
    let refresh = has("offline_access").then(|| world.ids.token("1.AXkA"));
    let id = has("openid").then(|| id_token(world, keys, &granted)).flatten();
    if let Some(map) = body.as_object_mut() {
        if let Some(refresh) = refresh {
            map.insert("refresh_token".into(), refresh.clone().into());
            let entry = Refresh {
                oid: granted.oid,
                scopes: granted.scopes.clone(),
                issued_ms: now_ms,
                stepped_up: granted.stepped_up,
                revoked: false,
            };
            world.grants.refresh.insert(refresh, entry);
        }
        if let Some(id) = id {
            map.insert("id_token".into(), id.into());
        }
    }
    Reply::json(200, &body)
        .with("content-type", "application/json; charset=utf-8")
        .with("cache-control", "no-store, no-cache")
        .with("pragma", "no-cache")
}

fn try_post(world: &mut World, call: &Call, tenant: &str) -> Result<Granted, EntraError> {
    if call.media_type().as_deref() != Some("application/x-www-form-urlencoded") {
        let text = "The request must have the content type application/x-www-form-urlencoded.";
        return Err(bad("invalid_request", 900_561, text));
    }
    let text = String::from_utf8_lossy(&call.body).into_owned();
    let form = parse_pairs(&text)
        .ok_or_else(|| bad("invalid_request", 9_002_313, "Request is malformed or invalid."))?;
    if let Some(name) = duplicate(&form) {
        let text = format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
        return Err(bad("invalid_request", 9_000_411, text));
    }
    if pair(&form, "resource").is_some() {
        return Err(bad("invalid_request", 901_002, "The 'resource' request parameter is not supported."));
    }
    if let Some(claims) = pair(&form, "claims")
        && serde_json::from_str::<serde_json::Map<String, Value>>(claims).is_err()
    {
        return Err(bad("invalid_request", 9_002_019, "The claims parameter is not a JSON object."));
    }
    let grant_type = required(&form, "grant_type")?.to_owned();
    authenticate(world, call, &form, tenant)?;
    let mut granted = match grant_type.as_str() {
        "authorization_code" => redeem_code(world, &form)?,
        "refresh_token" => redeem_refresh(world, &form)?,
        other => {
            let text = format!("The app requested an unsupported grant type '{other}'.");
            return Err(bad("unsupported_grant_type", 70_003, text));
        }
    };
    narrow(world, &form, &mut granted)?;
    if let Some(user) = tenant::by_oid(granted.oid) {
        let is_refresh = grant_type == "refresh_token";
        refusals::check(world, user.address, is_refresh, granted.stepped_up)?;
        policy::assignment(world, user)?;
        policy::second_factor(world, user, granted.stepped_up)?;
        policy::consent(world, user, &granted.scopes)?;
    }
    Ok(granted)
}

/// POST to the token endpoint.
pub fn post(world: &mut World, keys: &Keys, call: &Call, tenant: &str) -> Reply {
    match try_post(world, call, tenant) {
        Ok(granted) => issue(world, keys, granted),
        Err(error) => error.json(world),
    }
}
