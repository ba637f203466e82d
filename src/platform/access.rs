//! Cloudflare Access on the platform: who an assertion says is there, and the second step that connects a Microsoft
//! account where Access stands in front.
//!
//! What holds here: the assertion in the one header that counts is checked with every request, by signature and claims;
//! tokens of an account go to the person's object only after the object that the account names agreed; whoever is
//! refused leaves nothing behind.

use actors::egress::Departure;
use actors::log::LogLine;
use protocol::access::sign_in::{self, AccessJourney, AccessTokens};
use protocol::access::{Identity, Person, identify, keys_endpoint};
use protocol::config::{Application, Config, SignInApplication};
use protocol::connect::open_ticket;
use protocol::entra::read_tokens;
use protocol::ids::{GrantId, UserKey};
use protocol::oauth::{ErrorCode, OAuthError};
use protocol::object::{Caller, Command, Connect, Link, STEP_UP};
use protocol::operator::directory::newest_marks;
use protocol::outbound::CallResult;
use web_sys::Response;
use worker::{Env, Result};

use super::incoming::Incoming;
use super::microsoft::{self, NotSignedIn, Way};
use super::signatures::{self, Doubt, Issuer};
use super::{ask, demanded, now, query, randomness, respond};
use crate::access::{self, HEADER, Refused};
use crate::browser::{self, Returned};

/// Who stands behind a request, by its assertion.
pub(super) async fn identity(
    application: &Application,
    request: &Incoming,
    env: &Env,
) -> std::result::Result<Identity, Refused> {
    let refused = |refused: Refused, check: &str| {
        let line = LogLine::new("access_refused", now()).with("code", refused.code()).with("check", check);
        worker::console_warn!("{}", line.to_json());
        refused
    };
    let header = request.header(HEADER).ok().flatten();
    let Some(assertion) = header.filter(|assertion| !assertion.is_empty()) else {
        return Err(refused(Refused::Missing, "presence"));
    };
    match signatures::check(Issuer::Team, keys_endpoint(application), &assertion, env).await {
        Ok(()) => {}
        Err(Doubt::Wrong(check)) => return Err(refused(Refused::NotBelieved, check)),
        Err(Doubt::NoKeys) => return Err(refused(Refused::KeysUnavailable, "keys")),
    }
    identify(application, &assertion, now()).map_err(|check| refused(Refused::NotBelieved, check.0))
}

/// The person behind a request.
pub(super) async fn person(
    application: &Application,
    request: &Incoming,
    env: &Env,
) -> std::result::Result<Person, Refused> {
    access::person(identity(application, request, env).await?)
}

/// From a link to Microsoft, in a browser of the person who asked for it.
pub(super) async fn begin_link(
    config: &Config,
    application: &Application,
    request: &Incoming,
    env: &Env,
) -> Result<Response> {
    let person = match person(application, request, env).await {
        Ok(person) => person,
        Err(refused) => return respond(refused.page()),
    };
    let parameters = query(request)?;
    let ticket = parameters.get("ticket");
    let Some(mut ticket) = ticket.and_then(|text| open_ticket(&config.encryption_keys, text, now()).ok())
    else {
        return respond(browser::link_is_over());
    };
    if let Err(refused) = access::check_ticket(&ticket, &access::caller(application, &person)) {
        return respond(refused.page());
    }
    ticket.login_hint = person.email;
    respond(browser::to_microsoft(config, ticket, None, &randomness()?))
}

/// The way back from Microsoft to a link.
pub(super) async fn end_link(
    config: &Config,
    application: &Application,
    request: &Incoming,
    env: &Env,
) -> Result<Response> {
    let person = match person(application, request, env).await {
        Ok(person) => person,
        Err(refused) => return respond(refused.page()),
    };
    let caller = access::caller(application, &person);
    let (parameters, cookies) = (query(request)?, request.header("cookie")?);
    let [state, code, error] = ["state", "code", "error"].map(|name| parameters.get(name));
    let connect =
        match browser::end(config, Returned { state, code, error, cookies: cookies.as_deref() }, now()) {
            Ok(connect) => connect,
            Err(page) => return respond(page),
        };
    let linked = match access::check_ticket(&connect.ticket, &caller) {
        Ok(()) => link(config, &person, &caller, &connect, env).await,
        Err(refused) => Err(NotLinked::Refused(refused)),
    };
    respond(match linked {
        Ok(()) => browser::ended(config, 200),
        Err(NotLinked::Refused(refused)) => {
            let line = LogLine::new("account_refused", now())
                .with("code", refused.code())
                .with("userKey", caller.user.to_string())
                .with("accessIdentity", person.subject.as_str());
            worker::console_warn!("{}", line.to_json());
            browser::journey_is_over(config, refused.page())
        }
        Err(NotLinked::Page(status)) => browser::ended(config, status),
        Err(NotLinked::OnceMore(claims)) if !connect.stepped_up => {
            browser::once_more(config, connect.ticket, &claims, &randomness()?)
        }
        Err(NotLinked::OnceMore(_)) => browser::ended(config, 403),
    })
}

/// Why an account was not connected.
enum NotLinked {
    Refused(Refused),
    /// The page for this status.
    Page(u16),
    /// Microsoft demands these claims.
    OnceMore(protocol::entra::ClaimsChallenge),
}

/// Exchanges Microsoft's code, claims the account for the person, and hands the tokens to the person's object.
async fn link(
    config: &Config,
    person: &Person,
    caller: &Caller,
    connect: &Connect,
    env: &Env,
) -> std::result::Result<(), NotLinked> {
    let way = Way { pkce_verifier: &connect.pkce_verifier, nonce: &connect.nonce };
    let signed_in = match microsoft::exchange(config, way, &connect.code, env).await {
        Ok(signed_in) => signed_in,
        Err(NotSignedIn::StepUp(claims)) => return Err(NotLinked::OnceMore(claims)),
        Err(NotSignedIn::Refused(error)) if error.code == ErrorCode::AccessDenied => {
            return Err(NotLinked::Page(400));
        }
        Err(NotSignedIn::Refused(_)) => return Err(NotLinked::Page(503)),
    };
    if !config.policy.may_connect(person.email.as_deref(), &signed_in.addresses) {
        return Err(NotLinked::Refused(Refused::AddressDiffers));
    }
    match tell_account(signed_in.user, caller, Command::Claim { claimant: caller.user }, env).await {
        204 => {}
        403 => return Err(NotLinked::Refused(Refused::AccountTaken)),
        _ => return Err(NotLinked::Page(503)),
    }
    let link = Link {
        account: signed_in.user,
        access_token: signed_in.tokens.access_token.expose().clone(),
        refresh_token: signed_in.refresh_token.expose().clone(),
        lives_for: signed_in.tokens.lives_for,
        granted: signed_in.tokens.scopes.clone(),
        stepped_up: connect.stepped_up,
        addresses: newest_marks(&config.registration_keys, &signed_in.addresses)
            .map_err(|_| NotLinked::Page(503))?,
    };
    match ask(env, caller, Command::Link(link)).await {
        Ok(answer) if answer.status() == 204 => Ok(()),
        Ok(answer) if answer.status() == STEP_UP => {
            Err(demanded(&answer).await.map_or(NotLinked::Page(503), NotLinked::OnceMore))
        }
        Ok(answer) if answer.status() == 403 => {
            tell_account(signed_in.user, caller, Command::Release { claimant: caller.user }, env).await;
            Err(NotLinked::Refused(Refused::AnotherAccount))
        }
        Ok(_) | Err(_) => Err(NotLinked::Page(503)),
    }
}

/// Tells the object that a Microsoft account names something about the person who uses it; the status of its answer.
async fn tell_account(account: UserKey, person: &Caller, command: Command, env: &Env) -> u16 {
    let caller = Caller {
        user: account,
        grant: GrantId::of_perimeter(&account),
        client: String::new(),
        scopes: Vec::new(),
        access_identity: person.access_identity.clone(),
    };
    match ask(env, &caller, command).await {
        Ok(answer) => answer.status(),
        Err(error) => {
            tracing::warn!(%error, "an object did not answer");
            503
        }
    }
}

/// Exchanges the code of a sign-in through Access: names the person, and gives what linked apps are called with.
pub(super) async fn sign_in(
    config: &Config,
    application: &SignInApplication,
    journey: &AccessJourney,
    code: &str,
    env: &Env,
) -> std::result::Result<(Person, AccessTokens), OAuthError> {
    let denied = OAuthError::new(ErrorCode::AccessDenied, "Cloudflare Access did not accept the sign-in.");
    let unavailable =
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "Cloudflare Access did not answer. Try again.");
    let form = sign_in::code_form(application, code, &journey.pkce_verifier, &config.access_redirect_uri());
    let headers = vec![
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    let (url, body) = (sign_in::token_endpoint(application), Some(form.expose().clone()));
    let CallResult::Answered(answer) =
        actors::send(env, Departure::Http { method: "POST", url, headers, body }).await
    else {
        return Err(unavailable);
    };
    if answer.status >= 500 || answer.status == 429 {
        return Err(unavailable);
    }
    let doubt = |check: &str| {
        let line = LogLine::new("access_refused", now()).with("code", "sign_in").with("check", check);
        worker::console_warn!("{}", line.to_json());
    };
    let issued = read_tokens(&answer).ok().and_then(|mut tokens| Some((tokens.id_token.take()?, tokens)));
    let Some((id_token, tokens)) = issued else {
        doubt("answer");
        return Err(denied);
    };
    let keys = sign_in::keys_endpoint(application);
    match signatures::check(Issuer::SignIn, keys, id_token.expose(), env).await {
        Ok(()) => {}
        Err(Doubt::NoKeys) => return Err(unavailable),
        Err(Doubt::Wrong(check)) => {
            doubt(check);
            return Err(denied);
        }
    }
    let person = sign_in::identify(application, &id_token, &journey.nonce, now()).map_err(|check| {
        doubt(check.0);
        denied
    })?;
    let refresh_token = tokens.refresh_token.map_or_else(String::new, |token| token.expose().clone());
    let access_token = tokens.access_token.expose().clone();
    Ok((person, AccessTokens { access_token, refresh_token, expires_at: now().plus(tokens.lives_for) }))
}
