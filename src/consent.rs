//! The consent page: who asks, for what, and where the answer will go, before anyone is sent to Microsoft.
//!
//! What holds here: what was checked travels sealed and opens only with this browser's cookie, so that no other page can
//! answer in the person's name; a client's name is shown beside the host that gets the answer, because anyone can claim
//! any name; the page works without scripts and cannot be framed.

use protocol::access::Person;
use protocol::config::Config;
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::entra::{ClaimsChallenge, authorize_url};
use protocol::ids::UserKey;
use protocol::oauth::authorization::{
    AuthorizationRequest, Found, Journey, Refused, SIGN_IN_LIFETIME, Server, error_redirect, open_journey,
    open_request, read_request, seal_journey, seal_request,
};
use protocol::oauth::redirect::redirect_host;
use protocol::oauth::{ErrorCode, OAuthError, Parameters};
use protocol::time::UnixMs;
use protocol::tools::catalogue::{base_scopes, scopes};

use crate::access_sign_in;
use crate::browser::{Randomness, escape, page_html};
use crate::cookies::{end_cookie, read_text_cookie, set_cookie};
use crate::reply::Reply;

pub mod remembered;

const COOKIE: &str = "m365-sign-in";

/// What a person agrees to when a scope is granted.
fn meaning(scope: &str) -> &str {
    match scope {
        "profile" => "See who you are",
        "mail.read" => "Read your mail",
        "mail.send" => "Send mail as you",
        "mail.write" => "Write drafts, and move and mark your mail",
        "calendar.read" => "Read your calendars",
        "calendar.write" => "Create meetings in your calendars and invite people",
        "teams.read" => "See your teams, and read your chats and channels",
        "teams.send" => "Send messages in Teams as you",
        "contacts.read" => "Read your contacts, the people you work with and your organisation's directory",
        "files.read" => "Read the files and sites that you may open",
        "files.write" => "Upload files, overwrite files and share them by links",
        "tasks.read" => "Read your tasks",
        "tasks.write" => "Create, change and complete your tasks",
        "apps.call" => "Use your organisation's internal applications as you",
        other => other,
    }
}

/// Reads a client's request.
///
/// # Errors
/// The page or the redirect that refuses it.
pub fn read(
    config: &Config,
    parameters: &Parameters,
    found: &Found,
    now: UnixMs,
) -> Result<AuthorizationRequest, Reply> {
    let (resource, scopes, base_scopes) =
        (config.resource(), scopes(config.offer()), base_scopes(config.offer()));
    let server = Server {
        issuer: &config.public_url,
        resource: &resource,
        scopes: &scopes,
        base_scopes: &base_scopes,
    };
    read_request(parameters, found, server, now).map_err(refuse)
}

/// What begins: a client's request, and the person who agreed to it in this browser before, where it is not asked again.
pub type Begun = (AuthorizationRequest, Option<UserKey>);

/// Shows the consent page for a client's request.
#[must_use]
pub fn ask(config: &Config, request: &AuthorizationRequest, random: &Randomness) -> Reply {
    let secret = to_hex(&random.cookie);
    let Ok(sealed) = seal_request(&config.encryption_keys, request, &secret, random.seal) else {
        return Reply::object_unavailable();
    };
    with_secret(config, consent_page(config, request, &sealed), &secret, random)
}

/// Goes on without the page, because a person agreed to this client in this browser before.
#[must_use]
pub fn go_on(
    config: &Config,
    request: AuthorizationRequest,
    agreed: UserKey,
    random: &Randomness,
    access: Option<Person>,
) -> Reply {
    let secret = to_hex(&random.cookie);
    let reply = begin(config, (request, Some(agreed)), &secret, random, access);
    with_secret(config, reply, &secret, random)
}

/// Gives the browser the secret with which alone its journey goes on.
fn with_secret(config: &Config, reply: Reply, secret: &str, random: &Randomness) -> Reply {
    match set_cookie(config, COOKIE, secret.as_bytes(), SIGN_IN_LIFETIME, random.cookie_seal) {
        Some(header) => reply.with("set-cookie", header),
        None => Reply::object_unavailable(),
    }
}

/// Takes the person's decision: on to Microsoft, or back to the client with a refusal.
#[must_use]
pub fn decide(
    config: &Config,
    form: &Parameters,
    cookies: Option<&str>,
    now: UnixMs,
    random: &Randomness,
    access: Option<Person>,
) -> Reply {
    let secret = secret(config, cookies);
    let request = form
        .get("request")
        .and_then(|sealed| open_request(&config.encryption_keys, sealed, &secret, now).ok());
    let Some(request) = request else { return page_is_over() };
    if form.get("decision") != Some("allow") {
        let error = OAuthError::new(ErrorCode::AccessDenied, "The person declined.");
        return back_with(config, &request, &error);
    }
    begin(config, (request, None), &secret, random, access)
}

/// Begins the journey of a person who agreed: to Access where people sign in there first, else to Microsoft.
fn begin(config: &Config, begun: Begun, secret: &str, random: &Randomness, access: Option<Person>) -> Reply {
    match config.access_mode.sign_in() {
        Some(application) => access_sign_in::begin(config, application, begun, secret, random),
        None => to_microsoft(config, begun, secret, None, random, access),
    }
}

/// The value of the consent page's cookie, without which nothing that was sealed for its browser opens.
#[must_use]
pub fn secret(config: &Config, cookies: Option<&str>) -> String {
    read_text_cookie(config, COOKIE, cookies).unwrap_or_default()
}

/// What a second journey to Microsoft is for.
#[derive(Clone, Copy)]
pub struct Again<'a> {
    /// The claims that Microsoft demanded.
    pub claims: &'a ClaimsChallenge,
    /// The account, if it is known by now.
    pub login_hint: Option<&'a str>,
}

/// Sends the browser to Microsoft once more, because the first journey did not meet what Microsoft demands.
#[must_use]
pub fn once_more(
    config: &Config,
    journey: &Journey,
    cookies: Option<&str>,
    again: Again<'_>,
    random: &Randomness,
) -> Reply {
    let begun = (journey.request.clone(), journey.agreed_before);
    to_microsoft(config, begun, &secret(config, cookies), Some(again), random, journey.access.clone())
}

/// Begins a journey, each with a verifier and a nonce of its own. `access` is the person as Access knows them.
#[must_use]
pub fn to_microsoft(
    config: &Config,
    (request, agreed_before): Begun,
    secret: &str,
    again: Option<Again<'_>>,
    random: &Randomness,
    access: Option<Person>,
) -> Reply {
    let verifier = to_base64url(&random.verifier);
    let challenge = to_base64url(&sha256(verifier.as_bytes()));
    let nonce = to_hex(&random.nonce);
    let stepped_up = again.is_some();
    let journey =
        Journey { request, pkce_verifier: verifier, nonce: nonce.clone(), stepped_up, access, agreed_before };
    let Ok(state) = seal_journey(&config.encryption_keys, &journey, secret, random.seal) else {
        return Reply::object_unavailable();
    };
    Reply::see_other(authorize_url(
        &config.microsoft,
        &config.redirect_uri(),
        &state,
        &nonce,
        &challenge,
        again.and_then(|again| again.login_hint),
        again.map(|again| again.claims),
    ))
}

/// The journey that a return from Microsoft belongs to, if it began on a consent page of this browser.
#[must_use]
pub fn journey(config: &Config, state: Option<&str>, cookies: Option<&str>, now: UnixMs) -> Option<Journey> {
    let secret = read_text_cookie(config, COOKIE, cookies)?;
    open_journey(&config.encryption_keys, state?, &secret, now).ok()
}

/// Sends an error back to the client and ends the journey.
#[must_use]
pub fn back_with(config: &Config, request: &AuthorizationRequest, error: &OAuthError) -> Reply {
    let location = error_redirect(&request.redirect_uri, request.state.as_deref(), &config.public_url, error);
    end(config, location)
}

/// Sends the browser back to the client and ends the journey.
#[must_use]
pub fn end(config: &Config, location: String) -> Reply {
    let over = Reply::see_other(location).with("set-cookie", end_cookie(config, COOKIE));
    access_sign_in::forget(config, over)
}

/// The page or the redirect of a request that is not served.
#[must_use]
pub fn refuse(refused: Refused) -> Reply {
    match refused {
        Refused::Redirect(location) => Reply::see_other(location),
        Refused::Page(reason) => {
            Reply::page(400, page_html("This sign-in cannot go on", &format!("<p>{}</p>", escape(reason))))
        }
    }
}

/// The page for a decision that belongs to no page of this browser.
#[must_use]
pub fn page_is_over() -> Reply {
    Reply::page(
        400,
        page_html(
            "This page is over",
            "<p>A sign-in has to be finished within ten minutes, in the browser that began it. Start again in your \
             application.</p>",
        ),
    )
}

fn consent_page(config: &Config, request: &AuthorizationRequest, sealed: &str) -> Reply {
    let host = redirect_host(&request.redirect_uri);
    let permissions: String =
        request.scopes.iter().map(|scope| format!("<li>{}</li>", escape(meaning(scope)))).collect();
    let local = if host.starts_with("127.0.0.1") || host.starts_with("localhost") || host.starts_with("[::1]")
    {
        "<p class=\"note\">The answer goes to a program on this computer. Go on only if you started it yourself.</p>"
    } else {
        ""
    };
    let described = request.described_at.as_deref().map_or_else(String::new, |place| {
        format!("<p>It is described at <code>{}</code></p>", escape(place))
    });
    let body = format!(
        "<p><strong><bdi>{name}</bdi></strong> wants to use your Microsoft 365 account through this server.</p>\
         {described}<p>The answer goes to <code>{host}</code></p>{local}<p>It will be able to:</p><ul>{permissions}</ul>\
         <p>You sign in with Microsoft on the next page. The application never sees your password or Microsoft's \
         tokens. Disconnecting this server there ends its access.</p>\
         <form method=\"post\" action=\"/authorize\"><input type=\"hidden\" name=\"request\" value=\"{sealed}\">\
         <button name=\"decision\" value=\"allow\" type=\"submit\">Continue to Microsoft</button> \
         <button name=\"decision\" value=\"deny\" type=\"submit\" class=\"quiet\">Cancel</button></form>",
        name = escape(&request.client_name),
        host = escape(host),
    );
    let mut targets =
        format!("'self' {} {}", origin(&config.microsoft.login_url), origin(&request.redirect_uri));
    if let Some(application) = config.access_mode.sign_in() {
        targets.push_str(&format!(" {}", origin(&application.team_url)));
    }
    Reply::form_page(200, page_html("Allow access to Microsoft 365?", &body), &targets)
}

/// The origin of a URL as a source of a content security policy; the scheme alone for an application's own scheme.
/// Browsers apply `form-action` to the redirects that follow a form, so the whole way has to be named.
fn origin(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme @ ("https" | "http"), rest)) => {
            format!("{scheme}://{}", rest.split(['/', '?']).next().unwrap_or_default())
        }
        Some((scheme, _)) => format!("{scheme}:"),
        None => "'self'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use protocol::oauth::client::{AuthMethod, Client};
    use protocol::tools::{Offer, Tool};

    use super::*;
    use crate::health::tests::config_at;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn random() -> Randomness {
        Randomness { verifier: [1; 32], nonce: [2; 16], cookie: [3; 16], seal: [4; 12], cookie_seal: [8; 12] }
    }

    fn found(name: &str) -> Found {
        let client = Client {
            name: name.into(),
            redirect_uris: vec!["https://app.example/cb".into(), "http://127.0.0.1/cb".into()],
            auth_method: AuthMethod::None,
            issued_at: NOW,
        };
        Found { client, digest: vec![9; 32], described_at: None }
    }

    /// The page for a client of a name that wants its answer at a place.
    fn shown(config: &Config, name: &str, redirect: &str) -> Reply {
        let pairs = [
            ("client_id", "c"),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("state", "s"),
        ];
        let parameters =
            Parameters::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect());
        let request = read(config, &parameters.unwrap(), &found(name), NOW).unwrap();
        ask(config, &request, &random())
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
        reply.headers.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
    }

    fn form(page: &Reply, decision: &str) -> Parameters {
        let sealed = page.body.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        Parameters::new(vec![("request".into(), sealed.into()), ("decision".into(), decision.into())])
            .unwrap()
    }

    #[test]
    fn the_page_names_client_host_and_permissions_and_escapes_them() {
        let config = config_at("https://mcp.example.com");
        let page = shown(&config, "<b>Claude</b>", "https://app.example/cb");
        assert_eq!(page.status, 200);
        for text in
            ["&lt;b&gt;Claude&lt;/b&gt;", "<code>app.example</code>", "Read your mail", "Send mail as you"]
        {
            assert!(page.body.contains(text), "{text}");
        }
        let policy = header(&page, "content-security-policy");
        assert!(
            policy.contains("form-action 'self' https://login.microsoftonline.com https://app.example;"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"));
        let local = shown(&config, "X", "http://127.0.0.1:5000/cb");
        assert!(local.body.contains("a program on this computer"));
    }

    #[test]
    fn every_scope_has_a_meaning() {
        for scope in scopes(Offer::default()).into_iter().chain([Tool::CallLinkedApp.scope()]) {
            assert_ne!(meaning(scope), scope, "the consent page would show `{scope}`");
        }
    }

    #[test]
    fn only_the_browser_that_saw_the_page_can_answer_it() {
        let config = config_at("https://mcp.example.com");
        let page = shown(&config, "X", "https://app.example/cb");
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let allowed = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random(), None);
        assert_eq!(allowed.status, 303);
        assert!(
            header(&allowed, "location")
                .starts_with("https://login.microsoftonline.com/x/oauth2/v2.0/authorize?")
        );
        for cookies in
            [None, Some("__Host-m365-sign-in=00"), Some("m365-sign-in=03030303030303030303030303030303")]
        {
            assert_eq!(
                decide(&config, &form(&page, "allow"), cookies, NOW, &random(), None).status,
                400,
                "{cookies:?}"
            );
        }
        let denied = decide(&config, &form(&page, "deny"), Some(&cookie), NOW, &random(), None);
        assert!(header(&denied, "location").starts_with("https://app.example/cb?error=access_denied&"));
    }

    #[test]
    fn a_second_journey_carries_the_claims_and_is_known_as_the_second() {
        let config = config_at("https://mcp.example.com");
        let page = shown(&config, "X", "https://app.example/cb");
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let state = |reply: &Reply| {
            let location = header(reply, "location").to_owned();
            location.split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
        };
        let first = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random(), None);
        let journey_of = |reply: &Reply| journey(&config, Some(&state(reply)), Some(&cookie), NOW).unwrap();
        let begun = journey_of(&first);
        assert!(!begun.stepped_up && !header(&first, "location").contains("acrs"));
        let claims = ClaimsChallenge::parse(r#"{"access_token":{"acrs":{"essential":true}}}"#).unwrap();
        let again = Again { claims: &claims, login_hint: Some("a@x.example") };
        let random = Randomness { verifier: [5; 32], nonce: [6; 16], seal: [7; 12], ..random() };
        let second = once_more(&config, &begun, Some(&cookie), again, &random);
        let location = header(&second, "location");
        for part in ["acrs", "xms_cc", "login_hint=a%40x.example"] {
            assert!(location.contains(part), "{part} in {location}");
        }
        let continued = journey_of(&second);
        assert!(continued.stepped_up && continued.request == begun.request);
        assert!(continued.nonce != begun.nonce && continued.pkce_verifier != begun.pkce_verifier);
        // Another browser gets no journey out of it.
        assert_eq!(once_more(&config, &begun, None, again, &random).status, 503);
    }

    #[test]
    fn the_journey_comes_back_to_its_own_browser_only() {
        let config = config_at("https://mcp.example.com");
        let page = shown(&config, "X", "https://app.example/cb");
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let allowed = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random(), None);
        let location = header(&allowed, "location").to_owned();
        let state = location.split("&state=").nth(1).unwrap().split('&').next().unwrap();
        assert_eq!(journey(&config, Some(state), Some(&cookie), NOW).unwrap().nonce, to_hex(&[2; 16]));
        assert!(journey(&config, Some(state), None, NOW).is_none());
        assert!(journey(&config, Some("forged"), Some(&cookie), NOW).is_none());
        assert!(journey(&config, Some(state), Some(&cookie), NOW.plus(SIGN_IN_LIFETIME)).is_none());
    }
}
