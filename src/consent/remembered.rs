//! What a browser remembers of its person's consent, so that the same question is not asked twice.
//!
//! What holds here (MCP, security best practices, "Confused Deputy Problem"): the browser proves that this person agreed to
//! this client in it, and the person's object says whether that still stands, for no narrower scopes and the same host. Only
//! a client that gets its answer at an https address is remembered, because anybody's program can pass for one on the
//! person's own machine (RFC 8252, section 8.6). Whoever else signs in at Microsoft then gets nothing.

use protocol::config::Config;
use protocol::ids::UserKey;
use protocol::oauth::Parameters;
use protocol::oauth::authorization::AuthorizationRequest;
use protocol::oauth::client::CLIENT_LIFETIME;
use protocol::seal::NONCE_BYTES;

use crate::cookies::{end_cookie, read_cookie, set_cookie};

const COOKIE: &str = "m365-consent";

/// Clients that one browser remembers; the one that was agreed to first gives way. Half of a digest is kept for each.
const CLIENTS_MAX: usize = 32;
const DIGEST_BYTES: usize = 16;

/// In the cookie the user key stands first, and then the digests.
struct Consents {
    user: UserKey,
    clients: Vec<Vec<u8>>,
}

/// The person who agreed to this client in this browser, if the question may be left out at all.
#[must_use]
pub fn who_agreed(
    config: &Config,
    parameters: &Parameters,
    request: &AuthorizationRequest,
    cookies: Option<&str>,
) -> Option<UserKey> {
    // What is in doubt is asked: `prompt` may stand twice, or hold several words.
    let wants_question = parameters.all("prompt").any(|prompt| !prompt.is_empty());
    let is_remembered_at_all = request.redirect_uri.starts_with("https://") && !wants_question;
    let consents = read(config, cookies).filter(|_| is_remembered_at_all)?;
    let digest = request.client_digest.get(..DIGEST_BYTES)?;
    consents.clients.iter().any(|known| known.as_slice() == digest).then_some(consents.user)
}

/// The header by which the browser remembers one more consent. Those of another person are forgotten.
#[must_use]
pub fn remember(
    config: &Config,
    request: &AuthorizationRequest,
    user: UserKey,
    cookies: Option<&str>,
    nonce: [u8; NONCE_BYTES],
) -> Option<String> {
    let digest = request.client_digest.get(..DIGEST_BYTES)?;
    let earlier = read(config, cookies).filter(|consents| consents.user == user);
    let mut clients = earlier.map(|consents| consents.clients).unwrap_or_default();
    clients.retain(|known| known.as_slice() != digest);
    if clients.len() >= CLIENTS_MAX {
        clients.remove(0);
    }
    clients.push(digest.to_vec());
    let content = [user.as_bytes().as_slice(), &clients.concat()].concat();
    set_cookie(config, COOKIE, &content, CLIENT_LIFETIME, nonce)
}

/// The header by which the browser forgets all of them.
#[must_use]
pub fn forget(config: &Config) -> String {
    end_cookie(config, COOKIE)
}

fn read(config: &Config, cookies: Option<&str>) -> Option<Consents> {
    let content = read_cookie(config, COOKIE, cookies)?;
    let (user, clients) = content.split_first_chunk::<16>()?;
    let clients = clients.chunks_exact(DIGEST_BYTES).map(<[u8]>::to_vec).collect();
    Some(Consents { user: UserKey::from_bytes(*user), clients })
}

#[cfg(test)]
mod tests {
    use protocol::time::UnixMs;

    use super::*;
    use crate::health::tests::config_at;

    const USER: UserKey = UserKey::from_bytes([1; 16]);

    fn request(client: u8, redirect: &str) -> AuthorizationRequest {
        AuthorizationRequest {
            client_digest: vec![client; 32],
            client_name: "X".into(),
            described_at: None,
            redirect_uri: redirect.into(),
            state: None,
            code_challenge: String::new(),
            scopes: Vec::new(),
            expires_at: UnixMs(1),
        }
    }

    fn web(client: u8) -> AuthorizationRequest {
        request(client, "https://app.example/cb")
    }

    fn cookie_after(config: &Config, earlier: Option<&str>, client: u8, user: UserKey) -> String {
        let header = remember(config, &web(client), user, earlier, [client; 12]).unwrap();
        header.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_browser_remembers_who_agreed_to_which_client() {
        let config = config_at("https://mcp.example.com");
        let first = cookie_after(&config, None, 1, USER);
        let both = cookie_after(&config, Some(&first), 2, USER);
        let agreed = |request: &AuthorizationRequest, cookies: &str| {
            who_agreed(&config, &Parameters::default(), request, Some(cookies))
        };
        assert_eq!((agreed(&web(1), &both), agreed(&web(2), &both)), (Some(USER), Some(USER)));
        assert_eq!(agreed(&web(2), &first), None);
        let other = UserKey::from_bytes([2; 16]);
        let replaced = cookie_after(&config, Some(&both), 3, other);
        assert_eq!((agreed(&web(1), &replaced), agreed(&web(3), &replaced)), (None, Some(other)));
        assert_eq!(agreed(&web(1), "__Host-m365-consent=x"), None);
    }

    #[test]
    fn programs_on_the_own_machine_and_whoever_wants_the_question_are_asked_again() {
        let config = config_at("https://mcp.example.com");
        let cookie = cookie_after(&config, None, 1, USER);
        for redirect in ["http://127.0.0.1:5000/cb", "http://localhost/cb", "cursor://anysphere/cb"] {
            let asked = who_agreed(&config, &Parameters::default(), &request(1, redirect), Some(&cookie));
            assert_eq!(asked, None, "{redirect}");
        }
        for prompt in ["consent", "login consent", "none"] {
            let parameters = Parameters::new(vec![("prompt".into(), prompt.into())]).unwrap();
            assert_eq!(who_agreed(&config, &parameters, &web(1), Some(&cookie)), None, "{prompt}");
        }
    }

    #[test]
    fn the_cookie_stays_small() {
        let config = config_at("https://mcp.example.com");
        let mut cookie = cookie_after(&config, None, 0, USER);
        for client in 1..=100 {
            cookie = cookie_after(&config, Some(&cookie), client, USER);
        }
        assert!(cookie.len() < 1_500, "{}", cookie.len());
        let agreed = |client| who_agreed(&config, &Parameters::default(), &web(client), Some(&cookie));
        assert_eq!((agreed(100), agreed(50)), (Some(USER), None));
    }
}
