//! The authorize endpoint: validates the request as strictly as Entra does, signs a demo person in by
//! `login_hint` or by a button, and redirects with a code. It never redirects to an address that is not
//! registered, and it keeps no session: each request stands alone.

use super::errors::{EntraError, bad};
use super::store::Code;
use super::{page, policy, scopes};
use crate::tenant::{Kind, User};
use crate::wire::{Call, Reply, duplicate, pair, parse_pairs, percent_encode};
use crate::world::World;

/// A validated authorize request.
struct Request {
    redirect_uri: String,
    state: String,
    nonce: Option<String>,
    challenge: String,
    scopes: Vec<String>,
    login_hint: Option<String>,
    prompt: Option<String>,
    stepped_up: bool,
}

/// Any port of the loopback host, path `/callback`, nothing else.
pub fn is_registered_redirect(uri: &str) -> bool {
    let rest = ["http://127.0.0.1", "http://localhost"].iter().find_map(|host| uri.strip_prefix(host));
    let Some(port) = rest.and_then(|rest| rest.strip_suffix("/callback")) else { return false };
    port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok_and(|p| p > 0))
}

fn check_client(world: &World, pairs: &[(String, String)]) -> Result<String, EntraError> {
    if let Some(name) = duplicate(pairs) {
        let text = format!("The request is not properly formatted. The parameter '{name}' is duplicated.");
        return Err(bad("invalid_request", 9_000_411, text));
    }
    if pair(pairs, "resource").is_some() {
        let text = "The 'resource' request parameter is not supported.";
        return Err(bad("invalid_request", 901_002, text));
    }
    let required = |name: &str| {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        pair(pairs, name).filter(|v| !v.is_empty()).ok_or_else(|| bad("invalid_request", 900_144, text))
    };
    let client_id = required("client_id")?;
    if client_id != world.options.client_id {
        let text = format!("Application with identifier '{client_id}' was not found in the directory.");
        return Err(bad("unauthorized_client", 700_016, text));
    }
    let redirect_uri = required("redirect_uri")?;
    if !is_registered_redirect(redirect_uri) {
        let text = format!(
            "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs \
             configured for the application '{client_id}'."
        );
        return Err(bad("invalid_request", 50_011, text));
    }
    for name in ["response_type", "scope", "state", "code_challenge"] {
        required(name)?;
    }
    Ok(redirect_uri.to_owned())
}

fn check_shape(pairs: &[(String, String)]) -> Result<(), EntraError> {
    let value = |name: &str| pair(pairs, name).unwrap_or_default();
    match value("response_type") {
        "code" => {}
        "token" | "id_token" | "code id_token" => {
            let text = "response_type is not enabled for the application.";
            return Err(bad("unsupported_response_type", 700_054, text));
        }
        _ => return Err(bad("unsupported_response_type", 70_005, "The response_type is not supported.")),
    }
    if !matches!(value("response_mode"), "" | "query") {
        return Err(bad("invalid_request", 70_007, "The response_mode is not supported for this request."));
    }
    if value("code_challenge_method") != "S256" {
        let text = "The code_challenge_method must be S256.";
        return Err(bad("invalid_request", 9_002_325, text));
    }
    let challenge = value("code_challenge");
    let alphabet = challenge.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if challenge.len() != 43 || !alphabet {
        let text = "The size of the code_challenge or its characters do not fit the method S256.";
        return Err(bad("invalid_request", 501_491, text));
    }
    if !matches!(value("prompt"), "" | "login" | "none" | "consent" | "select_account") {
        return Err(bad("invalid_request", 90_023, "Unsupported 'prompt' value."));
    }
    if let Some(claims) = pair(pairs, "claims")
        && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims).is_err()
    {
        return Err(bad("invalid_request", 9_002_019, "The claims parameter is not a JSON object."));
    }
    Ok(())
}

fn validate(world: &World, query: &str) -> Result<Request, EntraError> {
    let pairs = parse_pairs(query)
        .ok_or_else(|| bad("invalid_request", 900_561, "The request's query is malformed."))?;
    let redirect_uri = check_client(world, &pairs)?;
    check_shape(&pairs)?;
    let text = |name: &str| pair(&pairs, name).map(str::to_owned);
    let scope = pair(&pairs, "scope").unwrap_or_default();
    let scopes = scopes::parse(scope, &super::resources(world)).map_err(|unknown| {
        let text = format!("The application asked for scope '{unknown}' that doesn't exist on the resource.");
        bad("invalid_client", 650_053, text)
    })?;
    let nonce = text("nonce").filter(|n| !n.is_empty());
    if scopes.iter().any(|s| s == "openid") && nonce.is_none() {
        let text = "The request must contain the following parameter: 'nonce'.";
        return Err(bad("invalid_request", 900_144, text));
    }
    Ok(Request {
        redirect_uri,
        state: text("state").unwrap_or_default(),
        nonce,
        challenge: text("code_challenge").unwrap_or_default(),
        scopes,
        login_hint: text("login_hint"),
        prompt: text("prompt"),
        stepped_up: policy::steps_up(pair(&pairs, "claims")),
    })
}

fn redirect(request: &Request, parameters: &[(&str, String)]) -> Reply {
    let mut all = parameters.to_vec();
    all.push(("state", request.state.clone()));
    let query: Vec<String> = all.iter().map(|(k, v)| format!("{k}={}", percent_encode(v))).collect();
    Reply::empty(302)
        .with("location", format!("{}?{}", request.redirect_uri, query.join("&")))
        .with("cache-control", "no-store")
}

fn refuse(world: &mut World, request: &Request, error: &EntraError) -> Reply {
    let description = error.description(world);
    redirect(request, &[("error", error.error.to_owned()), ("error_description", description)])
}

/// What a policy has against this sign-in, as Entra shows it: an unassigned person ends on Entra's own page,
/// because sending him back could loop; everything else goes back to the application. Without interaction,
/// all of it does.
fn policies(world: &mut World, request: &Request, user: &'static User) -> Option<Reply> {
    let silent = request.prompt.as_deref() == Some("none");
    if let Err(mut error) = policy::assignment(world, user) {
        if !silent {
            return Some(error.page(world));
        }
        error.error = "interaction_required";
        return Some(refuse(world, request, &error));
    }
    // A person in front of the page would be asked for the second factor there and then.
    if silent && let Err(error) = policy::second_factor(world, user, request.stepped_up) {
        return Some(refuse(world, request, &error));
    }
    let mut error = policy::consent(world, user, &request.scopes).err()?;
    error.error = if silent { "consent_required" } else { "access_denied" };
    Some(refuse(world, request, &error))
}

fn sign_in(world: &mut World, request: &Request, user: &'static User) -> Reply {
    if let Some(reply) = policies(world, request, user) {
        return reply;
    }
    let now_ms = world.now_ms();
    let scopes: Vec<String> =
        request.scopes.iter().filter(|s| !world.settings.denies(user.address, s)).cloned().collect();
    let code = world.ids.token("1.");
    let entry = Code {
        oid: user.oid,
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        nonce: request.nonce.clone(),
        scopes,
        issued_ms: now_ms,
        used: false,
        stepped_up: request.stepped_up,
    };
    world.grants.prune(now_ms);
    world.grants.codes.insert(code.clone(), entry);
    let session = world.ids.uuid();
    redirect(request, &[("code", code), ("session_state", session)])
}

/// Somebody who can sign in; shared mailboxes and rooms cannot.
fn signing_in(world: &World, address: &str) -> Option<&'static User> {
    world.directory.by_address(address).filter(|user| user.kind == Kind::Person)
}

/// GET: a redirect with a code, the account picker, or an error page.
pub fn get(world: &mut World, call: &Call) -> Reply {
    let request = match validate(world, &call.query) {
        Ok(request) => request,
        Err(error) => return error.page(world),
    };
    let hinted = request.login_hint.as_deref().and_then(|hint| signing_in(world, hint));
    match (hinted, request.prompt.as_deref()) {
        (Some(user), _) => sign_in(world, &request, user),
        (None, Some("none")) => {
            let error =
                bad("login_required", 50_058, "A silent sign-in request was sent but no user is signed in.");
            refuse(world, &request, &error)
        }
        (None, _) => page::picker(world.directory, (&call.path, &call.query), &world.options.client_id),
    }
}

/// POST: the picker's form comes back.
pub fn post(world: &mut World, call: &Call) -> Reply {
    let form = parse_pairs(&String::from_utf8_lossy(&call.body)).unwrap_or_default();
    let request = match validate(world, pair(&form, "request").unwrap_or_default()) {
        Ok(request) => request,
        Err(error) => return error.page(world),
    };
    match pair(&form, "user") {
        Some("") | None => {
            let error = bad("access_denied", 65_004, "User declined to consent to access the app.");
            refuse(world, &request, &error)
        }
        Some(address) => match signing_in(world, address) {
            Some(user) => sign_in(world, &request, user),
            None => {
                bad("invalid_grant", 50_034, "The user account does not exist in the directory.").page(world)
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_callbacks_are_registered() {
        for good in
            ["http://127.0.0.1:8787/callback", "http://localhost:1/callback", "http://localhost/callback"]
        {
            assert!(is_registered_redirect(good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:8787/callback/",
            "http://127.0.0.1:8787/callback?x=1",
            "http://127.0.0.1.evil.example/callback",
            "http://localhost:99999/callback",
            "https://localhost:1/callback",
            "http://localhost:1@evil.example/callback",
        ] {
            assert!(!is_registered_redirect(bad), "{bad}");
        }
    }
}
