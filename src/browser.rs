//! What a person's browser sees: the landing page, and the journey to Microsoft and back.
//!
//! What holds here: the journey belongs to the browser that began it, by a cookie without which its state does not open;
//! every text in a page is ours or escaped; no page holds a token or a code.

use protocol::config::Config;
use protocol::connect::{ConnectState, ConnectTicket, open_state, open_ticket, seal_state};
use protocol::digest::{sha256, to_base64url, to_hex};
use protocol::entra::{ClaimsChallenge, authorize_url};
use protocol::limits::CONNECT_TICKET_LIFETIME;
use protocol::object::Connect;
use protocol::time::UnixMs;

use crate::cookies::{end_cookie, read_text_cookie, set_cookie};
use crate::reply::Reply;

const COOKIE: &str = "m365-connect";

/// Random bytes that a journey needs.
pub struct Randomness {
    /// For the PKCE verifier: 32 bytes are the recommended strength (RFC 7636, section 4.1).
    pub verifier: [u8; 32],
    /// For the ID token's nonce.
    pub nonce: [u8; 16],
    /// For the browser's cookie.
    pub cookie: [u8; 16],
    /// For the seal of what travels.
    pub seal: [u8; 12],
    /// For the seal of the cookie.
    pub cookie_seal: [u8; 12],
}

/// The landing page.
#[must_use]
pub fn landing(config: &Config) -> Reply {
    page(
        200,
        "Microsoft 365 for your AI assistant",
        &format!(
            "<p>This server lets an AI assistant that speaks the Model Context Protocol use your mail, calendars, Teams, contacts, files and tasks as you.</p>\
             <p>Add this address to your assistant:</p><p><code>{}</code></p>",
            escape(&config.resource())
        ),
    )
}

/// Begins the journey: from the link of a ticket to Microsoft.
#[must_use]
pub fn begin(config: &Config, ticket: Option<&str>, now: UnixMs, random: &Randomness) -> Reply {
    let ticket = ticket.and_then(|text| open_ticket(&config.encryption_keys, text, now).ok());
    match ticket {
        Some(ticket) => to_microsoft(config, ticket, None, random),
        None => link_is_over(),
    }
}

/// Sends the browser to Microsoft once more, because the first journey did not meet what Microsoft demands.
#[must_use]
pub fn once_more(
    config: &Config,
    ticket: ConnectTicket,
    demanded: &ClaimsChallenge,
    random: &Randomness,
) -> Reply {
    to_microsoft(config, ticket, Some(demanded), random)
}

/// Sends the browser of a ticket's person to Microsoft, with the claims that were demanded there, if any.
#[must_use]
pub fn to_microsoft(
    config: &Config,
    ticket: ConnectTicket,
    demanded: Option<&ClaimsChallenge>,
    random: &Randomness,
) -> Reply {
    let verifier = to_base64url(&random.verifier);
    let challenge = to_base64url(&sha256(verifier.as_bytes()));
    let nonce = to_hex(&random.nonce);
    let cookie = to_hex(&random.cookie);
    let hint = ticket.login_hint.clone();
    let stepped_up = demanded.is_some();
    let state = ConnectState { ticket, pkce_verifier: verifier, nonce: nonce.clone(), stepped_up };
    let Ok(state) = seal_state(&config.encryption_keys, &state, &cookie, random.seal) else {
        return Reply::object_unavailable();
    };
    let (microsoft, back, hint) = (&config.microsoft, config.redirect_uri(), hint.as_deref());
    let location = authorize_url(microsoft, &back, &state, &nonce, &challenge, hint, demanded);
    match set_cookie(config, COOKIE, cookie.as_bytes(), CONNECT_TICKET_LIFETIME, random.cookie_seal) {
        Some(header) => Reply::redirect(location).with("set-cookie", header),
        None => Reply::object_unavailable(),
    }
}

/// What came back from Microsoft.
#[derive(Clone, Copy, Debug, Default)]
pub struct Returned<'a> {
    /// The `state` parameter.
    pub state: Option<&'a str>,
    /// The `code` parameter.
    pub code: Option<&'a str>,
    /// The `error` parameter.
    pub error: Option<&'a str>,
    /// The `Cookie` header.
    pub cookies: Option<&'a str>,
}

/// Ends the journey: what the object has to be asked, and whose object it is.
///
/// # Errors
/// The page to show instead.
pub fn end(config: &Config, returned: Returned<'_>, now: UnixMs) -> Result<Connect, Reply> {
    let cookie = read_text_cookie(config, COOKIE, returned.cookies).unwrap_or_default();
    let state = returned
        .state
        .and_then(|text| open_state(&config.encryption_keys, text, &cookie, now).ok())
        .ok_or_else(link_is_over)?;
    if returned.error.is_some() {
        return Err(page(
            403,
            "Not connected",
            "<p>Microsoft did not connect your account, because the sign-in was cancelled or not permitted. Nothing \
             was stored.</p>",
        ));
    }
    let code =
        returned.code.filter(|code| !code.is_empty() && code.len() <= 4_096).ok_or_else(link_is_over)?;
    Ok(Connect {
        ticket: state.ticket,
        code: code.to_owned(),
        pkce_verifier: state.pkce_verifier,
        nonce: state.nonce,
        redirect_uri: config.redirect_uri(),
        stepped_up: state.stepped_up,
    })
}

/// The page at the end, from what the object answered.
#[must_use]
pub fn ended(config: &Config, status: u16) -> Reply {
    let shown = match status {
        200 => page(
            200,
            "Your account is connected",
            "<p>You can close this page and go back to your assistant.</p>",
        ),
        403 => page(
            403,
            "Not connected",
            "<p>You signed in with another account than the one that this link was made for, or a permission is \
             missing. Nothing was stored.</p>",
        ),
        400 => link_is_over(),
        _ => page(
            503,
            "Not connected yet",
            "<p>Microsoft or this server could not complete the connection. Nothing is wrong with your account; ask \
             your assistant for a new link in a few minutes.</p>",
        ),
    };
    journey_is_over(config, shown)
}

/// The last page of a journey, with which its cookie goes.
#[must_use]
pub fn journey_is_over(config: &Config, shown: Reply) -> Reply {
    shown.with("set-cookie", end_cookie(config, COOKIE))
}

/// The claims under which the object of a ticket is addressed.
#[must_use]
pub fn caller_of(ticket: &ConnectTicket) -> protocol::object::Caller {
    protocol::object::Caller {
        user: ticket.user,
        grant: ticket.grant,
        client: ticket.client.clone(),
        scopes: ticket.scopes.clone(),
        access_identity: None,
    }
}

/// The page for a way back that nobody of this browser began.
#[must_use]
pub fn link_is_over() -> Reply {
    page(
        400,
        "This link does not work any more",
        "<p>A link to connect an account works for ten minutes, once, and in the browser that opened it. Ask your \
         assistant for a new one.</p>",
    )
}

fn page(status: u16, title: &str, body: &str) -> Reply {
    Reply::page(status, page_html(title, body))
}

/// The frame of every page.
pub(crate) fn page_html(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title><style>\
         :root{{color-scheme:light dark}}body{{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;\
         margin:12vh auto 0;padding:0 1.5rem 3rem}}h1{{font-size:1.6rem;line-height:1.25}}code{{font-size:1rem;\
         padding:.15rem .4rem;border:1px solid;border-radius:.3rem;overflow-wrap:anywhere}}li{{margin:.2rem 0}}\
         .note{{border-left:.3rem solid;padding-left:.8rem}}button{{font:inherit;padding:.6rem 1.2rem;border-radius:.4rem;\
         border:1px solid;cursor:pointer;background:#0b57d0;color:#fff;margin:.5rem .5rem 0 0}}\
         button.quiet{{background:transparent;color:inherit}}button:focus-visible{{outline:3px solid;\
         outline-offset:2px}}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"
    )
}

/// A text that can stand anywhere in a page.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use protocol::connect::seal_ticket;
    use protocol::ids::{GrantId, UserKey};

    use super::*;
    use crate::health::tests::config_at;

    fn random() -> Randomness {
        Randomness { verifier: [1; 32], nonce: [2; 16], cookie: [3; 16], seal: [4; 12], cookie_seal: [8; 12] }
    }

    fn ticket(config: &Config) -> String {
        let ticket = ConnectTicket {
            user: UserKey::from_bytes([1; 16]),
            grant: GrantId::from_bytes([2; 16]),
            client: "c".into(),
            scopes: vec![],
            login_hint: None,
            expires_at: UnixMs(60_000),
            permission: None,
        };
        seal_ticket(&config.encryption_keys, &ticket, [0; 12]).unwrap()
    }

    fn header<'a>(reply: &'a Reply, name: &str) -> &'a str {
        &reply.headers.iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn state_of(reply: &Reply) -> String {
        let location = header(reply, "location");
        let (_, rest) = location.split_once("&state=").unwrap();
        rest.split('&').next().unwrap().to_owned()
    }

    #[test]
    fn the_journey_ends_only_in_the_browser_that_began_it() {
        let config = config_at("https://mcp.example.com");
        let began = begin(&config, Some(&ticket(&config)), UnixMs(1), &random());
        assert_eq!(began.status, 302);
        let cookie = header(&began, "set-cookie");
        assert!(cookie.starts_with("__Host-m365-connect=") && cookie.contains("; Secure"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap();
        let state = state_of(&began);
        let come_back = |cookies| {
            let returned = Returned { state: Some(&state), code: Some("code"), error: None, cookies };
            end(&config, returned, UnixMs(2))
        };
        let connect = come_back(Some(cookie)).unwrap();
        assert_eq!(connect.pkce_verifier, to_base64url(&[1; 32]));
        assert_eq!(come_back(None).unwrap_err().status, 400);
        assert_eq!(come_back(Some("__Host-m365-connect=00")).unwrap_err().status, 400);
        assert_eq!(come_back(Some("m365-connect=03030303030303030303030303030303")).unwrap_err().status, 400);
    }

    #[test]
    fn forged_and_late_links_lead_nowhere() {
        let config = config_at("https://mcp.example.com");
        for text in [None, Some(""), Some("eyJhIjoxfQ"), Some("../../x")] {
            assert_eq!(begin(&config, text, UnixMs(1), &random()).status, 400);
        }
        assert_eq!(begin(&config, Some(&ticket(&config)), UnixMs(60_000), &random()).status, 400);
    }

    #[test]
    fn a_refusal_by_microsoft_is_told_without_its_text() {
        let config = config_at("https://mcp.example.com");
        let began = begin(&config, Some(&ticket(&config)), UnixMs(1), &random());
        let state = state_of(&began);
        let cookie = header(&began, "set-cookie").split(';').next().unwrap().to_owned();
        let returned =
            Returned { state: Some(&state), code: None, error: Some("<script>"), cookies: Some(&cookie) };
        let page = end(&config, returned, UnixMs(2)).unwrap_err();
        assert_eq!(page.status, 403);
        assert!(!page.body.contains("<script>"));
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
