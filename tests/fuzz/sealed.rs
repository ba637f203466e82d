//! Sealed texts that come back from clients and browsers, and the requests that an object reads.
//!
//! What holds here: whatever is not byte for byte what was sealed does not open.

use protocol::access_token::{AccessClaims, issue, verify};
use protocol::connect::{ConnectState, ConnectTicket, open_state, open_ticket, seal_state, seal_ticket};
use protocol::ids::{GrantId, RequestId, UserKey};
use protocol::mcp::mrtr::{Binding, RequestState};
use protocol::oauth::authorization::{AuthorizationRequest, open_request, seal_request};
use protocol::oauth::client::{AuthMethod, Client, open_client, seal_client};
use protocol::oauth::token::{CodeClaims, RefreshClaims, issue_code, issue_refresh, open_code, open_refresh};
use protocol::object::{Caller, Command, McpMessage, ObjectRequest, decode, encode};
use protocol::seal::KeyRing;
use protocol::time::UnixMs;

use super::{fuzz, text};

const USER: UserKey = UserKey::from_bytes([1; 16]);
const GRANT: GrantId = GrantId::from_bytes([2; 16]);
const AUDIENCE: &str = "https://mcp.example.com/mcp";
const NOW: UnixMs = UnixMs(1_800_000_000_000);
const END: UnixMs = UnixMs(1_800_000_600_000);

fn keys() -> KeyRing {
    KeyRing::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

fn only_itself(target: &str, sealed: &str, opens: impl Fn(&str) -> bool) {
    assert!(opens(sealed));
    fuzz(target, &[sealed.as_bytes().to_vec()], |input| {
        let text = text(input);
        assert!(text == sealed || !opens(&text), "{text}");
    });
}

#[test]
fn tokens_and_client_ids() {
    let claims = AccessClaims {
        user: USER,
        grant: GRANT,
        client: "Claude".into(),
        scopes: vec!["mail.read".into()],
        audience: AUDIENCE.into(),
        issued_at: NOW,
        expires_at: END,
        access_identity: None,
    };
    let token = issue(&keys(), &claims, [1; 12]).unwrap();
    only_itself("access tokens", token.expose(), |text| verify(&keys(), text, AUDIENCE, NOW).is_ok());
    let claims = RefreshClaims { user: USER, grant: GRANT, generation: 7 };
    let token = issue_refresh(&keys(), &claims, [2; 12]).unwrap();
    only_itself("refresh tokens", &token, |text| open_refresh(&keys(), text).is_ok());
    let code =
        issue_code(&keys(), &CodeClaims { user: USER, grant: GRANT, expires_at: END }, [3; 12]).unwrap();
    only_itself("codes", &code, |text| open_code(&keys(), text, NOW).is_ok());
    let client = Client {
        name: "Claude".into(),
        redirect_uris: vec!["https://app.example/cb".into()],
        auth_method: AuthMethod::None,
        issued_at: NOW,
    };
    let id = seal_client(&keys(), &client, [4; 12]).unwrap();
    only_itself("client ids", &id, |text| open_client(&keys(), text, NOW).is_ok());
}

#[test]
fn what_travels_through_a_browser() {
    let request = AuthorizationRequest {
        client_digest: vec![4; 32],
        described_at: None,
        client_name: "Claude".into(),
        redirect_uri: "https://app.example/cb".into(),
        state: Some("s".into()),
        code_challenge: "c".into(),
        scopes: vec!["mail.read".into()],
        expires_at: END,
    };
    let page = seal_request(&keys(), &request, "browser", [5; 12]).unwrap();
    only_itself("consent pages", &page, |text| open_request(&keys(), text, "browser", NOW).is_ok());
    let ticket = ConnectTicket {
        user: USER,
        grant: GRANT,
        client: "development".into(),
        scopes: vec!["mail.read".into()],
        login_hint: None,
        expires_at: END,
        permission: None,
    };
    let link = seal_ticket(&keys(), &ticket, [6; 12]).unwrap();
    only_itself("tickets", &link, |text| open_ticket(&keys(), text, NOW).is_ok());
    let state = ConnectState { ticket, pkce_verifier: "v".into(), nonce: "n".into(), stepped_up: false };
    let state = seal_state(&keys(), &state, "browser", [7; 12]).unwrap();
    only_itself("connect states", &state, |text| open_state(&keys(), text, "browser", NOW).is_ok());
}

#[test]
fn request_states() {
    let binding = || Binding { user: USER, request: b"digest" };
    let state = RequestState::new([8; 16]).seal(&keys(), binding(), NOW, [8; 12]).unwrap();
    only_itself("request states", &state, |text| RequestState::open(&keys(), binding(), text, NOW).is_ok());
}

#[test]
fn requests_of_an_object() {
    let caller = Caller {
        user: USER,
        grant: GRANT,
        client: "c".into(),
        scopes: vec!["mail.read".into()],
        access_identity: None,
    };
    let message = McpMessage {
        session: Some("s".into()),
        revision: Some("2025-11-25".into()),
        in_batch: false,
        accepts_stream: true,
        stateless: None,
        trace: None,
        assertion: None,
        body: b"{}".to_vec(),
    };
    let request =
        |command| ObjectRequest { request: RequestId::from_bytes([3; 16]), caller: caller.clone(), command };
    let all = [Command::Mcp(message), Command::EndSession { session: "6".into() }];
    let all: Vec<Vec<u8>> = all.into_iter().map(|command| encode(&request(command)).unwrap()).collect();
    fuzz("requests of an object", &all, |input| {
        if let Ok(request) = decode(input) {
            let written = encode(&request).unwrap();
            assert!(written.len() <= 4 * input.len().max(256));
            assert_eq!(decode(&written), Ok(request));
        }
    });
}
