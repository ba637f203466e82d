//! The Worker's entry: turns the platform's requests into the edge's decisions and back.
//!
//! What holds here: this folder alone names `worker`. Every handler is raced against the client's abort signal, because
//! the platform drops a reset invocation without ever dropping its future. No handler panics.

mod abort;
mod access;
mod body;
mod clients;
mod event_stream;
mod incoming;
mod mcp;
mod microsoft;
mod notifications;
mod oauth;
mod objects;
mod operators;
mod signatures;

use std::cell::OnceCell;
use std::sync::Once;

use actors::{bridge, config_from_env, random_bytes};
use protocol::config::{AccessMode, Config, Problem};
use protocol::entra::ClaimsChallenge;
use protocol::ids::RequestId;
use protocol::oauth::{PARAMETERS_MAX, Parameters};
use protocol::object::{Caller, Command, ObjectRequest, STEP_UP, StepUp};
use protocol::time::UnixMs;
use wasm_bindgen::JsCast as _;
use web_sys::Response;
use worker::{Context, Env, Result, event};

use self::incoming::Incoming;

use crate::access::Refused;
use crate::admission::{Presented, check_origin};
use crate::browser::{self, Randomness, Returned};
use crate::health;
use crate::reply::Reply;
use crate::router::{Route, route, route_in};

thread_local! {
    /// Parsed once for each isolate: the environment of an isolate never changes.
    static CONFIG: OnceCell<&'static std::result::Result<Config, Vec<Problem>>> = const { OnceCell::new() };
}

/// A year, for this host alone: what lies below it is not this server's to decide about (RFC 6797, section 6.1).
const TLS_ALWAYS: &str = "max-age=31536000";

static TRACING: Once = Once::new();

/// Serves one request.
#[event(fetch)]
async fn fetch(request: Incoming, env: Env, _context: Context) -> Result<Response> {
    // A second global subscriber would panic and take the instance with it.
    TRACING.call_once(start_tracing);
    let signal = request.signal();
    abort::until_aborted(signal, serve(request, env)).await
}

fn start_tracing() {
    let config = tracing_wasm::WASMLayerConfigBuilder::new()
        // The timings API keeps every entry for ever.
        .set_report_logs_in_timings(false)
        .set_console_config(tracing_wasm::ConsoleConfig::ReportWithoutConsoleColor)
        .set_max_level(tracing::Level::WARN)
        .build();
    tracing_wasm::set_as_global_default_with_config(config);
}

fn configuration(env: &Env) -> &'static std::result::Result<Config, Vec<Problem>> {
    CONFIG.with(|cell| {
        *cell.get_or_init(|| {
            let parsed = config_from_env(env);
            if let Err(problems) = &parsed {
                for problem in problems {
                    let line = serde_json::json!({
                        "event": "not_configured", "setting": problem.setting, "problem": problem.reason
                    });
                    worker::console_error!("{line}");
                }
            }
            // One value for the life of the isolate.
            Box::leak(Box::new(parsed))
        })
    })
}

/// Whether people reach this server by TLS alone. A server must not say so in clear (RFC 6797, section 7.2).
fn is_reached_by_tls() -> bool {
    let known = CONFIG.with(|cell| cell.get().copied());
    known
        .and_then(|parsed| parsed.as_ref().ok())
        .is_some_and(|config| config.public_url.starts_with("https://"))
}

async fn serve(request: Incoming, env: Env) -> Result<Response> {
    let (method, path) = (request.method(), request.path());
    let config = match (configuration(&env), route(method, path)) {
        (Ok(config), Route::Health) => {
            let own = check_origin(config, Presented { host: &host(&request)?, ..Presented::default() });
            let healthy = || health::healthy(body::wasm_memory_bytes(), microsoft::credential_refused_at());
            return respond(own.err().unwrap_or_else(healthy));
        }
        (Err(problems), Route::Health) => return respond(health::not_configured(problems)),
        (Err(_), _) => return respond(Reply::not_configured()),
        (Ok(config), _) => config,
    };
    let route = route_in(&config.access_mode, method, path);
    let (host, origin) = (host(&request)?, request.header("origin")?);
    let authorization = request.header("authorization")?;
    // Endpoints that look at no cookie may be called from any page; only the host is checked there.
    let origin = origin.filter(|_| !route.is_open_to_any_origin());
    let presented =
        Presented { host: &host, origin: origin.as_deref(), authorization: authorization.as_deref() };
    if let Err(refusal) = check_origin(config, presented) {
        return respond(refusal);
    }
    match route {
        Route::McpPost | Route::McpGet | Route::McpDelete | Route::McpOther => {
            mcp::serve(config, &request, &env, presented, route).await
        }
        Route::Landing => respond(browser::landing(config)),
        Route::Connect => match &config.access_mode {
            AccessMode::Perimeter(application) => {
                access::begin_link(config, application, &request, &env).await
            }
            AccessMode::Open | AccessMode::OAuth { .. } => begin_connect(config, &request),
        },
        Route::Callback => match &config.access_mode {
            AccessMode::Perimeter(application) => access::end_link(config, application, &request, &env).await,
            AccessMode::Open | AccessMode::OAuth { .. } => oauth::callback(config, &request, &env).await,
        },
        Route::AccessCallback => oauth::access_callback(config, &request, &env).await,
        Route::Operators => operators::serve(config, &request, &env).await,
        Route::ResourceMetadata | Route::ServerMetadata | Route::Preflight => {
            respond(oauth::document(config, &env, route))
        }
        Route::Register | Route::Authorize | Route::Decide | Route::Token | Route::Revoke => {
            oauth::serve(config, &request, &env, route, authorization.as_deref()).await
        }
        Route::Notification => notifications::serve(config, &request, &env).await,
        Route::WrongMethod { allow } => respond(Reply::wrong_method(allow)),
        Route::Health | Route::NotFound => respond(Reply::not_found()),
    }
}

fn request_of(caller: &Caller, command: Command) -> Result<ObjectRequest> {
    let request = RequestId::new(now(), &caller.user, random()?);
    Ok(ObjectRequest { request, caller: caller.clone(), command })
}

/// Asks the caller's object, which is named by the user key alone.
async fn ask(env: &Env, caller: &Caller, command: Command) -> Result<Response> {
    let frame = objects::framed(&request_of(caller, command)?)?;
    bridge::ask(env, objects::OF_PERSONS, &caller.user.to_string(), &frame).await
}

/// Completes the object's answer with what only the edge knows, and passes its body through untouched.
fn complete(config: &Config, answer: Result<Response>) -> Result<Response> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(%error, "an object did not answer");
            return respond(Reply::object_unavailable());
        }
    };
    // An object that leaves something to the edge says so by its status; looking at headers costs more.
    if !matches!(answer.status(), 401 | 403) {
        return Ok(answer);
    }
    let Some(challenge) = answer.headers().get("x-challenge")? else { return Ok(answer) };
    if config.access_mode.is_perimeter() {
        // There is nobody here who could meet a challenge.
        return respond(Refused::NotBelieved.reply());
    }
    let invalid = |why| Reply::challenge(config, 401, Some("invalid_token"), why, None);
    let refusal = match challenge.strip_prefix("insufficient_scope ") {
        Some(scopes) => {
            let lacks = scopes.split(' ').next().unwrap_or_default();
            let why = format!("The access token lacks the scope {lacks}, which this tool needs.");
            Reply::challenge(config, 403, Some("insufficient_scope"), &why, Some(scopes))
        }
        None if challenge == "sign_in_again" => invalid("Microsoft wants this person to sign in again."),
        None => invalid("The permission behind this access token was withdrawn. Sign in again."),
    };
    respond(refusal)
}

fn begin_connect(config: &Config, request: &Incoming) -> Result<Response> {
    let parameters = query(request)?;
    respond(browser::begin(config, parameters.get("ticket"), now(), &randomness()?))
}

/// The way back from Microsoft to a link that connects an account.
async fn end_connect(
    config: &Config,
    parameters: &Parameters,
    cookies: Option<&str>,
    env: &Env,
) -> Result<Response> {
    let [state, code, error] = ["state", "code", "error"].map(|name| parameters.get(name));
    let returned = Returned { state, code, error, cookies };
    let connect = match browser::end(config, returned, now()) {
        Ok(connect) => connect,
        Err(page) => return respond(page),
    };
    let (caller, ticket) = (browser::caller_of(&connect.ticket), connect.ticket.clone());
    let status = match ask(env, &caller, Command::Connect(Box::new(connect))).await {
        Ok(answer) if answer.status() == STEP_UP => match demanded(&answer).await {
            Some(claims) => {
                return respond(browser::once_more(config, ticket, &claims, &randomness()?));
            }
            None => 503,
        },
        Ok(answer) => answer.status(),
        Err(error) => {
            tracing::warn!(%error, "an object did not answer");
            503
        }
    };
    respond(browser::ended(config, status))
}

/// The claims in an object's answer that asks for one more journey to Microsoft.
async fn demanded(answer: &Response) -> Option<ClaimsChallenge> {
    let text = objects::text(answer).await.ok()?;
    let StepUp { claims } = serde_json::from_str(&text).ok()?;
    ClaimsChallenge::parse(&claims)
}

fn randomness() -> Result<Randomness> {
    let (verifier, nonce, cookie) = (random()?, random()?, random()?);
    Ok(Randomness { verifier, nonce, cookie, seal: random()?, cookie_seal: random()? })
}

fn random<const N: usize>() -> Result<[u8; N]> {
    random_bytes().map_err(|reason| worker::Error::RustError(reason.to_owned()))
}

/// The parameters in the query of a request, none of which was checked.
fn query(request: &Incoming) -> Result<Parameters> {
    read_parameters(request.query())
}

/// Reads a query or a form by the platform's own means: a parser here would bring tables of its own.
fn read_parameters(text: &str) -> Result<Parameters> {
    let parsed = web_sys::UrlSearchParams::new_with_str(text)?;
    let Ok(Some(entries)) = js_sys::try_iter(&parsed) else { return Ok(Parameters::default()) };
    let pairs = entries
        .flatten()
        // One more than is accepted, so that what was left out cannot pass for a request without it.
        .take(PARAMETERS_MAX + 1)
        .filter_map(|pair| {
            let pair: js_sys::Array = pair.dyn_into().ok()?;
            Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
        })
        .collect();
    Ok(Parameters::unchecked(pairs))
}

fn host(request: &Incoming) -> Result<String> {
    Ok(request.header("host")?.unwrap_or_default())
}

fn respond(reply: Reply) -> Result<Response> {
    let tls = is_reached_by_tls().then_some(("strict-transport-security", TLS_ALWAYS));
    let own = reply.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let headers: Vec<_> = tls.into_iter().chain(own).collect();
    let body = Some(reply.body.as_bytes()).filter(|body| !body.is_empty());
    actors::answer(reply.status, &headers, body)
}

fn now() -> UnixMs {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the clock is between 1970 and 10000"
    )]
    let unix_ms = js_sys::Date::now() as u64;
    UnixMs(unix_ms)
}
