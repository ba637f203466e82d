//! The consent page: who asks, for what, and where the answer will go, before anyone is sent to Microsoft.
//!
//! What holds here: what was checked travels sealed and opens only with this browser's cookie, so that no other page can
//! answer in the person's name; a client's name is shown beside the host that gets the answer, because anyone can claim
//! any name; the page works without scripts and cannot be framed.

use protocol::config::Config;
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::entra::{ClaimsChallenge, authorize_url};
use protocol::oauth::authorization::{
    AuthorizationRequest, Journey, Refused, SIGN_IN_LIFETIME, Server, error_redirect, open_journey,
    open_request, read_request, seal_journey, seal_request,
};
use protocol::oauth::client::redirect_host;
use protocol::oauth::{ErrorCode, OAuthError, Parameters};
use protocol::time::UnixMs;
use protocol::tools::catalogue::scopes;

use crate::browser::{Randomness, cookie_header, escape, find_cookie, page_html};
use crate::reply::Reply;

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
        "teams.send" => "See your teams and chats, and send messages as you",
        "contacts.read" => "Read your contacts and the people you work with",
        other => other,
    }
}

/// Shows the consent page for a client's request, or the refusal of it.
#[must_use]
pub fn ask(config: &Config, parameters: &Parameters, now: UnixMs, random: &Randomness) -> Reply {
    let (resource, scopes) = (config.resource(), scopes());
    let server = Server {
        issuer: &config.public_url,
        resource: &resource,
        scopes: &scopes,
        client_keys: &config.registration_keys,
    };
    let request = match read_request(parameters, server, now) {
        Ok((request, _)) => request,
        Err(refused) => return refuse(refused),
    };
    let secret = to_hex(&random.cookie);
    let Ok(sealed) = seal_request(&config.encryption_keys, &request, &secret, random.seal) else {
        return Reply::object_unavailable();
    };
    let page = consent_page(config, &request, &sealed);
    page.with("set-cookie", cookie_header(config, COOKIE, &secret, SIGN_IN_LIFETIME.0 / 1_000))
}

/// Takes the person's decision: on to Microsoft, or back to the client with a refusal.
#[must_use]
pub fn decide(
    config: &Config,
    form: &Parameters,
    cookies: Option<&str>,
    now: UnixMs,
    random: &Randomness,
) -> Reply {
    let secret = cookies.and_then(|header| find_cookie(config, COOKIE, header)).unwrap_or_default();
    let request = form
        .get("request")
        .and_then(|sealed| open_request(&config.encryption_keys, sealed, secret, now).ok());
    let Some(request) = request else { return page_is_over() };
    if form.get("decision") != Some("allow") {
        let error = OAuthError::new(ErrorCode::AccessDenied, "The person declined.");
        return back_with(config, &request, &error);
    }
    to_microsoft(config, request, secret, None, random)
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
    let secret = cookies.and_then(|header| find_cookie(config, COOKIE, header)).unwrap_or_default();
    to_microsoft(config, journey.request.clone(), secret, Some(again), random)
}

/// Begins a journey, each with a verifier and a nonce of its own.
fn to_microsoft(
    config: &Config,
    request: AuthorizationRequest,
    secret: &str,
    again: Option<Again<'_>>,
    random: &Randomness,
) -> Reply {
    let verifier = to_base64url(&random.verifier);
    let challenge = to_base64url(&sha256(verifier.as_bytes()));
    let nonce = to_hex(&random.nonce);
    let journey =
        Journey { request, pkce_verifier: verifier, nonce: nonce.clone(), stepped_up: again.is_some() };
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
    let secret = cookies.and_then(|header| find_cookie(config, COOKIE, header))?;
    open_journey(&config.encryption_keys, state?, secret, now).ok()
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
    Reply::see_other(location).with("set-cookie", cookie_header(config, COOKIE, "", 0))
}

fn refuse(refused: Refused) -> Reply {
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
    let body = format!(
        "<p><strong><bdi>{name}</bdi></strong> wants to use your Microsoft 365 account through this server.</p>\
         <p>The answer goes to <code>{host}</code></p>{local}<p>It will be able to:</p><ul>{permissions}</ul>\
         <p>You sign in with Microsoft on the next page. The application never sees your password or Microsoft's \
         tokens. Disconnecting this server there ends its access.</p>\
         <form method=\"post\" action=\"/authorize\"><input type=\"hidden\" name=\"request\" value=\"{sealed}\">\
         <button name=\"decision\" value=\"allow\" type=\"submit\">Continue to Microsoft</button> \
         <button name=\"decision\" value=\"deny\" type=\"submit\" class=\"quiet\">Cancel</button></form>",
        name = escape(&request.client_name),
        host = escape(host),
    );
    let targets = format!("'self' {} {}", origin(&config.microsoft.login_url), origin(&request.redirect_uri));
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
    use protocol::oauth::client::{AuthMethod, Client, seal_client};

    use super::*;
    use crate::health::tests::config_at;

    const NOW: UnixMs = UnixMs(1_000_000);

    fn random() -> Randomness {
        Randomness { verifier: [1; 32], nonce: [2; 16], cookie: [3; 16], seal: [4; 12] }
    }

    fn parameters(config: &Config, name: &str, redirect: &str) -> Parameters {
        let client = Client {
            name: name.into(),
            redirect_uris: vec!["https://app.example/cb".into(), "http://127.0.0.1/cb".into()],
            auth_method: AuthMethod::None,
            issued_at: NOW,
        };
        let id = seal_client(&config.registration_keys, &client, [1; 12]).unwrap();
        let pairs = [
            ("client_id", id.as_str()),
            ("redirect_uri", redirect),
            ("response_type", "code"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("state", "s"),
        ];
        Parameters::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
            .unwrap()
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
        let page =
            ask(&config, &parameters(&config, "<b>Claude</b>", "https://app.example/cb"), NOW, &random());
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
        let local = ask(&config, &parameters(&config, "X", "http://127.0.0.1:5000/cb"), NOW, &random());
        assert!(local.body.contains("a program on this computer"));
    }

    #[test]
    fn every_scope_has_a_meaning() {
        for scope in scopes() {
            assert_ne!(meaning(scope), scope, "the consent page would show `{scope}`");
        }
    }

    #[test]
    fn only_the_browser_that_saw_the_page_can_answer_it() {
        let config = config_at("https://mcp.example.com");
        let page = ask(&config, &parameters(&config, "X", "https://app.example/cb"), NOW, &random());
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let allowed = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random());
        assert_eq!(allowed.status, 303);
        assert!(
            header(&allowed, "location")
                .starts_with("https://login.microsoftonline.com/x/oauth2/v2.0/authorize?")
        );
        for cookies in
            [None, Some("__Host-m365-sign-in=00"), Some("m365-sign-in=03030303030303030303030303030303")]
        {
            assert_eq!(
                decide(&config, &form(&page, "allow"), cookies, NOW, &random()).status,
                400,
                "{cookies:?}"
            );
        }
        let denied = decide(&config, &form(&page, "deny"), Some(&cookie), NOW, &random());
        assert!(header(&denied, "location").starts_with("https://app.example/cb?error=access_denied&"));
    }

    #[test]
    fn a_second_journey_carries_the_claims_and_is_known_as_the_second() {
        let config = config_at("https://mcp.example.com");
        let page = ask(&config, &parameters(&config, "X", "https://app.example/cb"), NOW, &random());
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let state = |reply: &Reply| {
            let location = header(reply, "location").to_owned();
            location.split("&state=").nth(1).unwrap().split('&').next().unwrap().to_owned()
        };
        let first = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random());
        let journey_of = |reply: &Reply| journey(&config, Some(&state(reply)), Some(&cookie), NOW).unwrap();
        let begun = journey_of(&first);
        assert!(!begun.stepped_up && !header(&first, "location").contains("acrs"));
        let claims = ClaimsChallenge::parse(r#"{"access_token":{"acrs":{"essential":true}}}"#).unwrap();
        let again = Again { claims: &claims, login_hint: Some("a@x.example") };
        let random = Randomness { verifier: [5; 32], nonce: [6; 16], cookie: [0; 16], seal: [7; 12] };
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
        let page = ask(&config, &parameters(&config, "X", "https://app.example/cb"), NOW, &random());
        let cookie = header(&page, "set-cookie").split(';').next().unwrap().to_owned();
        let allowed = decide(&config, &form(&page, "allow"), Some(&cookie), NOW, &random());
        let location = header(&allowed, "location").to_owned();
        let state = location.split("&state=").nth(1).unwrap().split('&').next().unwrap();
        assert_eq!(journey(&config, Some(state), Some(&cookie), NOW).unwrap().nonce, to_hex(&[2; 16]));
        assert!(journey(&config, Some(state), None, NOW).is_none());
        assert!(journey(&config, Some("forged"), Some(&cookie), NOW).is_none());
        assert!(journey(&config, Some(state), Some(&cookie), NOW.plus(SIGN_IN_LIFETIME)).is_none());
    }
}
