//! The authorization server's endpoints on the platform: read, decide, ask the user's object, answer.

use protocol::config::Config;
use protocol::digest::to_hex;
use protocol::entra::ClaimsChallenge;
use protocol::ids::GrantId;
use protocol::oauth::authorization::{Journey, code_redirect};
use protocol::oauth::metadata::{authorization_server, protected_resource};
use protocol::oauth::token::{CODE_LIFETIME, CodeClaims, issue_code};
use protocol::oauth::{ErrorCode, OAuthError, Parameters};
use protocol::object::{Caller, Command, Issue, STEP_UP, SignIn};
use protocol::tools::catalogue::scopes;
use worker::{Env, Request, Response, Result};

use super::microsoft::NotSignedIn;
use super::{Query, ask, body, end_connect, microsoft, now, random, randomness, respond};
use crate::consent;
use crate::oauth_endpoints::{
    self, Question, issue_tokens, not_accepted, read_revocation, read_token_request,
};
use crate::reply::Reply;
use crate::router::Route;

/// The largest form or registration, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// The discovery documents and the answer to a browser's question before a call.
pub(super) fn document(config: &Config, route: Route) -> Reply {
    let scopes = scopes();
    match route {
        Route::ResourceMetadata => {
            let document = protected_resource(&config.public_url, &config.resource(), &scopes);
            Reply::json(200, &document).for_any_origin()
        }
        Route::ServerMetadata => {
            Reply::json(200, &authorization_server(&config.public_url, &scopes)).for_any_origin()
        }
        _ => Reply::preflight(),
    }
}

/// Serves the endpoints that take parameters.
pub(super) async fn serve(
    config: &Config,
    request: &Request,
    env: &Env,
    route: Route,
    authorization: Option<&str>,
) -> Result<Response> {
    if route == Route::Authorize {
        let parameters = Parameters::new(Query::of(request)?.pairs());
        return respond(match parameters {
            Ok(parameters) => consent::ask(config, &parameters, now(), &randomness()?),
            Err(error) => Reply::oauth_error(&error),
        });
    }
    let (bytes, _held) = match body::read(request).await? {
        Ok((bytes, _)) if bytes.len() > FORM_BYTES_MAX => return respond(Reply::too_large()),
        Ok(read) => read,
        Err(refusal) => return respond(refusal),
    };
    if route == Route::Register {
        return respond(oauth_endpoints::register(config, &bytes, now(), random()?).for_any_origin());
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    let form = match Parameters::new(Query::parse(&text)?.pairs()) {
        Ok(form) => form,
        Err(error) => return respond(Reply::oauth_error(&error).for_any_origin()),
    };
    match route {
        Route::Decide => {
            let cookies = request.headers().get("cookie")?;
            respond(consent::decide(config, &form, cookies.as_deref(), now(), &randomness()?))
        }
        Route::Revoke => revoke(config, &form, authorization, env).await,
        _ => token(config, &form, authorization, env).await,
    }
}

async fn token(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
    env: &Env,
) -> Result<Response> {
    let question = match read_token_request(config, form, authorization, now()) {
        Ok(question) => question,
        Err(error) => return respond(Reply::oauth_error(&error).for_any_origin()),
    };
    let reply = match put(&question, env).await {
        Ok(mut answer) if answer.status_code() == 200 => {
            match serde_json::from_str::<Issue>(&answer.text().await?) {
                Ok(issued) => issue_tokens(config, &question, &issued, now(), [random()?, random()?]),
                Err(_) => Reply::object_unavailable(),
            }
        }
        Ok(answer) if answer.status_code() == 400 => Reply::oauth_error(&not_accepted()),
        Ok(_) | Err(_) => Reply::object_unavailable(),
    };
    respond(reply.for_any_origin())
}

async fn revoke(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
    env: &Env,
) -> Result<Response> {
    let reply = match read_revocation(config, form, authorization) {
        Err(error) => Reply::oauth_error(&error),
        Ok(None) => Reply::text(200, ""),
        Ok(Some(question)) => match put(&question, env).await {
            Ok(answer) if answer.status_code() == 204 => Reply::text(200, ""),
            Ok(_) | Err(_) => Reply::object_unavailable(),
        },
    };
    respond(reply.for_any_origin())
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

/// The way back from Microsoft: to the client that began the journey, or to the link that did.
pub(super) async fn callback(config: &Config, request: &Request, env: &Env) -> Result<Response> {
    let query = Query::of(request)?;
    let cookies = request.headers().get("cookie")?;
    let Some(journey) = consent::journey(config, query.get("state").as_deref(), cookies.as_deref(), now())
    else {
        return end_connect(config, request, env).await;
    };
    let outcome = match (query.get("error"), query.get("code")) {
        (None, Some(code)) => sign_in(config, &journey, &code, env).await,
        (error, _) => Err(not_signed_in(error.as_deref()).into()),
    };
    respond(match outcome {
        Ok(code) => consent::end(config, code_redirect(&journey.request, &config.public_url, &code)),
        Err(Detour::OnceMore(claims, hint)) if !journey.stepped_up => {
            let again = consent::Again { claims: &claims, login_hint: hint.as_deref() };
            consent::once_more(config, &journey, cookies.as_deref(), again, &randomness()?)
        }
        Err(Detour::OnceMore(..)) => {
            let error = "Microsoft demands more than this sign-in could prove.";
            consent::back_with(config, &journey.request, &OAuthError::new(ErrorCode::AccessDenied, error))
        }
        Err(Detour::Back(error)) => consent::back_with(config, &journey.request, &error),
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
    code: &str,
    env: &Env,
) -> std::result::Result<String, Detour> {
    let unavailable =
        OAuthError::new(ErrorCode::TemporarilyUnavailable, "The sign-in could not be completed. Try again.");
    let person = microsoft::exchange(config, journey, code, env).await?;
    let grant = GrantId::from_bytes(random().map_err(|_| unavailable.clone())?);
    let caller = Caller {
        user: person.user,
        grant,
        client: client_label(journey),
        scopes: journey.request.scopes.clone(),
        access_identity: None,
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
    };
    match ask(env, &caller, Command::SignIn(sign_in)).await {
        Ok(answer) if answer.status_code() == 204 => {}
        Ok(mut answer) if answer.status_code() == STEP_UP => {
            let demanded = super::demanded(&mut answer).await.ok_or(unavailable)?;
            return Err(Detour::OnceMore(demanded, person.login_hint));
        }
        Ok(_) | Err(_) => return Err(unavailable.into()),
    }
    let claims = CodeClaims { user: person.user, grant, expires_at: now().plus(CODE_LIFETIME) };
    let nonce = random().map_err(|_| unavailable.clone())?;
    issue_code(&config.encryption_keys, &claims, nonce).map_err(|_| unavailable.into())
}

/// What logs and the ledger call a client: its own name and the beginning of its identifier's digest, because names are
/// not unique.
fn client_label(journey: &Journey) -> String {
    let digest = journey.request.client_digest.get(..4).map(to_hex).unwrap_or_default();
    format!("{} ({digest})", journey.request.client_name)
}
