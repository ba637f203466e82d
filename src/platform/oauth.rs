//! The authorization server's endpoints on the platform: read, decide, ask the user's object, answer.

use protocol::access::Person;
use protocol::config::Config;
use protocol::entra::ClaimsChallenge;
use protocol::ids::{GrantId, UserKey};
use protocol::oauth::authorization::{AuthorizationRequest, Journey, code_redirect, read_client_id};
use protocol::oauth::metadata::{Newcomers, authorization_server, protected_resource};
use protocol::oauth::redirect::redirect_host;
use protocol::oauth::token::{CODE_LIFETIME, CodeClaims, issue_code};
use protocol::oauth::{ErrorCode, OAuthError, Parameters};
use protocol::object::{Caller, Command, Consented, Issue, STEP_UP, SignIn};
use protocol::operator::directory::newest_marks;
use protocol::tools::catalogue::{base_scopes, scopes};
use web_sys::Response;
use worker::{Env, Result};

use super::incoming::Incoming;
use super::microsoft::{NotSignedIn, Way};
use super::{
    access, ask, body, clients, end_connect, microsoft, now, objects, query, random, randomness,
    read_parameters, respond,
};
use crate::clients::{short_digest, unknown_client};
use crate::consent::remembered;
use crate::oauth_endpoints::{
    self, Question, check_content_type, issue_tokens, not_accepted, read_revocation, read_token_request,
    scope_too_wide,
};
use crate::reply::Reply;
use crate::router::Route;
use crate::{access_sign_in, browser, consent};

/// The largest form or registration, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The discovery documents and the answer to a browser's question before a call.
pub(super) fn document(config: &Config, env: &Env, route: Route) -> Reply {
    match route {
        Route::ResourceMetadata => {
            let document =
                protected_resource(&config.public_url, &config.resource(), &base_scopes(config.offer()));
            Reply::json(200, &document).for_any_origin()
        }
        Route::ServerMetadata => {
            let newcomers = Newcomers {
                may_register: config.clients.may_register,
                may_have_document: clients::reads_documents(env),
            };
            let document = authorization_server(&config.public_url, &scopes(config.offer()), newcomers);
            Reply::json(200, &document).for_any_origin()
        }
        _ => Reply::preflight(),
    }
}

/// Serves the endpoints that take parameters.
pub(super) async fn serve(
    config: &Config,
    request: &Incoming,
    env: &Env,
    route: Route,
    authorization: Option<&str>,
) -> Result<Response> {
    let person = match config.access_mode.application() {
        Some(application) if matches!(route, Route::Authorize | Route::Decide) => {
            match access::person(application, request, env).await {
                Ok(person) => Some(person),
                Err(refused) => return respond(refused.page()),
            }
        }
        _ => None,
    };
    let reply = answer(config, request, env, route, authorization, person).await?;
    respond(if route.is_open_to_any_origin() { reply.for_any_origin() } else { reply })
}

async fn answer(
    config: &Config,
    request: &Incoming,
    env: &Env,
    route: Route,
    authorization: Option<&str>,
    person: Option<Person>,
) -> Result<Reply> {
    if route == Route::Authorize {
        return authorize(config, request, env, person).await;
    }
    let content_type = request.header("content-type")?;
    let refusal = check_content_type(content_type.as_deref(), route == Route::Register).err();
    let (bytes, _held) = match body::read(request, FORM_BYTES_MAX).await? {
        Ok(read) => read,
        Err(too_large) => return Ok(too_large),
    };
    if let (Route::Register, None) = (route, &refusal) {
        if !config.clients.may_register {
            return Ok(Reply::registration_is_off());
        }
        if let Err(wait) = clients::pass(config, request)? {
            return Ok(Reply::too_many_registrations(wait));
        }
        return Ok(oauth_endpoints::register(config, &bytes, now(), random()?));
    }
    let form = match refusal {
        Some(error) => Err(error),
        None => read_form(bytes)?,
    };
    match (route, form) {
        (Route::Decide, Ok(form)) => {
            let cookies = request.header("cookie")?;
            Ok(consent::decide(config, &form, cookies.as_deref(), now(), &randomness()?, person))
        }
        (Route::Decide, Err(_)) => Ok(consent::page_is_over()),
        (_, Err(error)) => Ok(Reply::oauth_error(&error)),
        (Route::Revoke, Ok(form)) => Ok(revoke(config, &form, authorization, env).await),
        (_, Ok(form)) => token(config, &form, authorization, env).await,
    }
}

/// Shows the consent page once the client is known, or goes on without it where the person agreed before.
async fn authorize(config: &Config, request: &Incoming, env: &Env, person: Option<Person>) -> Result<Reply> {
    let parameters = query(request)?;
    let found = match read_client_id(&parameters) {
        Ok(id) => clients::find(config, request, id, env).await?,
        Err(refused) => Err(refused),
    };
    let asked = match found {
        Ok(found) => consent::read(config, &parameters, &found, now()),
        Err(refused) => Err(consent::refuse(refused)),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    let cookies = request.header("cookie")?;
    let agreed = remembered::who_agreed(config, &parameters, &asked, cookies.as_deref());
    Ok(match agreed {
        Some(user) if still_stands(&asked, user, env).await => {
            consent::go_on(config, asked, user, &randomness()?, person)
        }
        _ => consent::ask(config, &asked, &randomness()?),
    })
}

/// Asks a person's object whether what they agreed to covers a request. Without an answer they are asked again.
async fn still_stands(asked: &AuthorizationRequest, user: UserKey, env: &Env) -> bool {
    let consent = Consented {
        client_digest: asked.client_digest.clone(),
        redirect_host: redirect_host(&asked.redirect_uri).to_owned(),
        scopes: asked.scopes.clone(),
    };
    let nobody = GrantId::from_bytes([0; 16]);
    let question = Question { user, grant: nobody, command: Command::Consented(consent) };
    put(&question, env).await.is_ok_and(|answer| answer.status() == 204)
}

fn read_form(bytes: Vec<u8>) -> Result<std::result::Result<Parameters, OAuthError>> {
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Err(OAuthError::new(ErrorCode::InvalidRequest, "The body is no UTF-8 text.")));
    };
    let form = read_parameters(&text)?;
    Ok(form.check().map(|()| form))
}

async fn token(config: &Config, form: &Parameters, authorization: Option<&str>, env: &Env) -> Result<Reply> {
    let question = match read_token_request(config, form, authorization, now()) {
        Ok(question) => question,
        Err(error) => return Ok(Reply::oauth_error(&error)),
    };
    if clients::is_denied(env, question.client_digest()).await? {
        return Ok(Reply::oauth_error(&unknown_client()));
    }
    let Ok(answer) = put(&question, env).await else { return Ok(Reply::object_unavailable()) };
    Ok(match answer.status() {
        200 => match serde_json::from_str::<Issue>(&objects::text(&answer).await?) {
            Ok(issued) => issue_tokens(config, &question, &issued, now(), [random()?, random()?]),
            Err(_) => Reply::object_unavailable(),
        },
        400 => Reply::oauth_error(&not_accepted()),
        403 => Reply::oauth_error(&scope_too_wide()),
        _ => Reply::object_unavailable(),
    })
}

async fn revoke(config: &Config, form: &Parameters, authorization: Option<&str>, env: &Env) -> Reply {
    match read_revocation(config, form, authorization, now()) {
        Err(error) => Reply::oauth_error(&error),
        Ok(None) => Reply::text(200, ""),
        Ok(Some(question)) => match put(&question, env).await {
            Ok(answer) if answer.status() == 204 => Reply::text(200, ""),
            Ok(_) | Err(_) => Reply::object_unavailable(),
        },
    }
}

async fn put(question: &Question, env: &Env) -> Result<Response> {
    let caller = Caller {
        user: question.user,
        grant: question.grant,
        client: String::new(),
        scopes: Vec::new(),
        access_identity: None,
    };
    ask(env, &caller, question.command.clone()).await
}

/// The way back from Access, and on to Microsoft.
pub(super) async fn access_callback(config: &Config, request: &Incoming, env: &Env) -> Result<Response> {
    let (parameters, cookies) = (query(request)?, request.header("cookie")?);
    let secret = consent::secret(config, cookies.as_deref());
    let journey = access_sign_in::journey(config, parameters.get("state"), &secret, now());
    let application = config.access_mode.sign_in();
    let (Some(journey), Some(application), Ok(())) = (journey, application, parameters.check()) else {
        return respond(consent::page_is_over());
    };
    let person = match (parameters.get("error"), parameters.get("code")) {
        (None, Some(code)) => access::sign_in(config, application, &journey, code, env).await,
        _ => Err(OAuthError::new(ErrorCode::AccessDenied, "Cloudflare Access did not sign the person in.")),
    };
    respond(match person {
        Ok((person, tokens)) => {
            let begun = (journey.request, journey.agreed_before);
            let onwards = consent::to_microsoft(config, begun, &secret, None, &randomness()?, Some(person));
            access_sign_in::keep(config, &tokens, &secret, &randomness()?, onwards)
        }
        Err(error) => consent::back_with(config, &journey.request, &error),
    })
}

/// The way back from Microsoft: to the client that began the journey, or to the link that did.
pub(super) async fn callback(config: &Config, request: &Incoming, env: &Env) -> Result<Response> {
    let parameters = query(request)?;
    if parameters.check().is_err() {
        return respond(browser::link_is_over());
    }
    let cookies = request.header("cookie")?;
    let Some(journey) = consent::journey(config, parameters.get("state"), cookies.as_deref(), now()) else {
        return end_connect(config, &parameters, cookies.as_deref(), env).await;
    };
    let outcome = match (parameters.get("error"), parameters.get("code")) {
        (None, Some(code)) => sign_in(config, &journey, cookies.as_deref(), code, env).await,
        (error, _) => Err(not_signed_in(error).into()),
    };
    respond(match outcome {
        Ok((code, user)) => {
            let end = consent::end(config, code_redirect(&journey.request, &config.public_url, &code));
            match remembered::remember(config, &journey.request, user, cookies.as_deref(), random()?) {
                Some(header) => end.with("set-cookie", header),
                None => end,
            }
        }
        Err(Detour::OnceMore(claims, hint)) if !journey.stepped_up => {
            let again = consent::Again { claims: &claims, login_hint: hint.as_deref() };
            consent::once_more(config, &journey, cookies.as_deref(), again, &randomness()?)
        }
        Err(Detour::OnceMore(..)) => {
            let error = "Microsoft demands more than this sign-in could prove.";
            consent::back_with(config, &journey.request, &OAuthError::new(ErrorCode::AccessDenied, error))
        }
        Err(Detour::Back(error)) => consent::back_with(config, &journey.request, &error),
        Err(Detour::AnotherPerson) => {
            let error = "Another person agreed to this in this browser. Sign in once more.";
            let error = OAuthError::new(ErrorCode::AccessDenied, error);
            // The next attempt asks.
            consent::back_with(config, &journey.request, &error)
                .with("set-cookie", remembered::forget(config))
        }
    })
}

/// What the client is told when Microsoft sent the person back without a code.
fn not_signed_in(error: Option<&str>) -> OAuthError {
    let (code, description) = match error {
        Some("access_denied") => (ErrorCode::AccessDenied, "The person declined at Microsoft."),
        Some("consent_required") => (ErrorCode::AccessDenied, "A permission was not agreed to at Microsoft."),
        Some("temporarily_unavailable" | "server_error") => {
            (ErrorCode::TemporarilyUnavailable, "Microsoft is not available. Try again.")
        }
        _ => (ErrorCode::AccessDenied, "Microsoft did not sign the person in."),
    };
    OAuthError::new(code, description)
}

/// Where a sign-in goes that did not end with a code.
enum Detour {
    /// To Microsoft with these claims; the second value names the account.
    OnceMore(ClaimsChallenge, Option<String>),
    /// To the client: whoever signed in is not the person who agreed.
    AnotherPerson,
    /// To the client with an error.
    Back(OAuthError),
}

impl From<OAuthError> for Detour {
    fn from(error: OAuthError) -> Self {
        Self::Back(error)
    }
}

impl From<NotSignedIn> for Detour {
    fn from(why: NotSignedIn) -> Self {
        match why {
            NotSignedIn::StepUp(claims) => Self::OnceMore(claims, None),
            NotSignedIn::Refused(error) => Self::Back(error),
        }
    }
}

/// Exchanges Microsoft's code, hands the tokens to the person's object and issues a code of this server.
async fn sign_in(
    config: &Config,
    journey: &Journey,
    cookies: Option<&str>,
    code: &str,
    env: &Env,
) -> std::result::Result<(String, UserKey), Detour> {
    let unavailable =
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "The sign-in could not be completed. Try again.");
    let way = Way { pkce_verifier: &journey.pkce_verifier, nonce: &journey.nonce };
    let person = microsoft::exchange(config, way, code, env).await?;
    let email = journey.access.as_ref().and_then(|access| access.email.as_deref());
    if journey.access.is_some() && !config.policy.may_connect(email, &person.addresses) {
        let error = "The Microsoft account has another address than the one under which the organisation knows the person.";
        return Err(OAuthError::new(ErrorCode::AccessDenied, error).into());
    }
    if journey.agreed_before.is_some_and(|agreed| agreed != person.user) {
        return Err(Detour::AnotherPerson);
    }
    let grant = GrantId::from_bytes(random().map_err(|_| unavailable.clone())?);
    let caller = Caller {
        user: person.user,
        grant,
        client: client_label(journey),
        scopes: journey.request.scopes.clone(),
        access_identity: journey.access.as_ref().map(|access| access.subject.clone()),
    };
    let sign_in = SignIn {
        client_digest: journey.request.client_digest.clone(),
        code_challenge: journey.request.code_challenge.clone(),
        redirect_uri: journey.request.redirect_uri.clone(),
        access_token: person.tokens.access_token.expose().clone(),
        refresh_token: person.refresh_token.expose().clone(),
        lives_for: person.tokens.lives_for,
        granted: person.tokens.scopes.clone(),
        stepped_up: journey.stepped_up,
        access: access_sign_in::kept(config, cookies, &consent::secret(config, cookies)),
        addresses: newest_marks(&config.registration_keys, &person.addresses)
            .map_err(|_| unavailable.clone())?,
    };
    match ask(env, &caller, Command::SignIn(Box::new(sign_in))).await {
        Ok(answer) if answer.status() == 204 => {}
        Ok(answer) if answer.status() == STEP_UP => {
            let demanded = super::demanded(&answer).await.ok_or(unavailable)?;
            return Err(Detour::OnceMore(demanded, person.login_hint));
        }
        Ok(_) | Err(_) => return Err(unavailable.into()),
    }
    let claims = CodeClaims { user: person.user, grant, expires_at: now().plus(CODE_LIFETIME) };
    let nonce = random().map_err(|_| unavailable.clone())?;
    let code = issue_code(&config.encryption_keys, &claims, nonce).map_err(|_| unavailable)?;
    Ok((code, person.user))
}

/// What logs and the ledger call a client: its own name and the beginning of its identifier's digest, because names are
/// not unique. By the latter operators can deny it.
fn client_label(journey: &Journey) -> String {
    format!("{} ({})", journey.request.client_name, short_digest(&journey.request.client_digest))
}
