//! The exact bytes of everything that this crate seals or encodes and that another version has to read: tokens that
//! clients keep, states that are on their way through a browser, requests from an edge to an object while a deployment
//! rolls on.
//!
//! What holds here: with a fixed key, nonce and value the bytes are the literal that stands here, and the literal opens to
//! the value. Whoever changes a format sees it here first: a new form gets a literal of its own, and the old literal
//! stays for as long as it must still be read. Nothing that was cut or changed anywhere opens.

// A test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use protocol::access_token::{AccessClaims, issue, verify};
use protocol::connect::{ConnectState, ConnectTicket, open_state, open_ticket, seal_state, seal_ticket};
use protocol::digest::{from_base64url, to_base64url};
use protocol::ids::{GrantId, RequestId, UserKey};
use protocol::jsonrpc::Id;
use protocol::notification::{open_address, seal_address};
use protocol::oauth::authorization::{
    AuthorizationRequest, Journey, open_journey, open_request, seal_journey, seal_request,
};
use protocol::oauth::client::{AuthMethod, Client, client_secret, open_client, seal_client};
use protocol::oauth::token::{CodeClaims, RefreshClaims, issue_code, issue_refresh, open_code, open_refresh};
use protocol::object::Issue;
use protocol::seal::KeyRing;
use protocol::stream::{EventId, StreamKey};
use protocol::time::UnixMs;

mod commands;

const USER: UserKey = UserKey::from_bytes([0x11; 16]);
const GRANT: GrantId = GrantId::from_bytes([0x22; 16]);
const AUDIENCE: &str = "https://mcp.example.com/mcp";
const BROWSER: &str = "33333333333333333333333333333333";
/// The times of all values: issued, looked at, ended.
const ISSUED: UnixMs = UnixMs(1_800_000_000_000);
const NOW: UnixMs = UnixMs(1_800_000_001_000);
const END: UnixMs = UnixMs(1_800_000_600_000);

fn keys() -> KeyRing {
    KeyRing::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap()
}

/// Nothing opens that was cut anywhere, changed in any bit, prolonged, or written in another way.
fn assert_only_itself(prefix: &str, text: &str, opens: impl Fn(&str) -> bool) {
    assert!(opens(text));
    let encoded = text.strip_prefix(prefix).unwrap();
    let bytes = from_base64url(encoded).unwrap();
    let written = |bytes: &[u8]| format!("{prefix}{}", to_base64url(bytes));
    for position in 0..bytes.len() {
        assert!(!opens(&written(&bytes[..position])), "cut to {position} bytes");
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            assert!(!opens(&written(&changed)), "bit {bit} of byte {position}");
        }
    }
    assert!(!opens(&written(&[bytes.as_slice(), &[0]].concat())), "a byte more");
    for other in [format!("{text}="), format!("{text}\n"), format!(" {text}"), encoded.to_owned()] {
        assert!(other == text || !opens(&other), "another way to write it");
    }
    // The last character has bits that stand for nothing; only zeros there are the value's own writing.
    for last in 'A'..='z' {
        let other = format!("{}{last}", &text[..text.len() - 1]);
        assert!(other == text || !opens(&other), "{last} at the end");
    }
}

#[test]
fn an_access_token() {
    let claims = AccessClaims {
        user: USER,
        grant: GRANT,
        client: "Claude (a1b2c3d4)".into(),
        scopes: vec!["mail.read".into(), "mail.send".into()],
        audience: AUDIENCE.into(),
        issued_at: ISSUED,
        expires_at: END,
        access_identity: None,
    };
    let golden = "\
        m365at_AQJrMQEBAQEBAQEBAQEBAZoh5w2qsSrpyug25xXG6CIlxzvwALwtJ0vp9X3GajKBiQ-BWna7AyBGJmveHO7hF-hDB\
        _P5mQCHfOdbUmeieg_TMbJWrcURIZyMfYZ_-Bh6x0WilhQiQMfQX1oyoFj0wUYlMBHu8JGjQvlgwcDSqma29ZlLh406wFXGZ\
        qnWLWrHf18YFhTp_OadDXU6ggIjp5tmHJu_xcw";
    assert_eq!(issue(&keys(), &claims, [1; 12]).unwrap().expose(), golden);
    assert_eq!(verify(&keys(), golden, AUDIENCE, NOW), Ok(claims));
    assert_only_itself("m365at_", golden, |text| verify(&keys(), text, AUDIENCE, NOW).is_ok());
}

#[test]
fn a_client() {
    let client = Client {
        name: "Claude".into(),
        redirect_uris: vec!["https://app.example/cb".into(), "http://127.0.0.1/cb".into()],
        auth_method: AuthMethod::Secret,
        issued_at: ISSUED,
    };
    let golden = "\
        m365c_AQJrMQICAgICAgICAgICAtdUtVLYkdwGsEtnkscQp31vIVlqhbi_mutjsGsJzSLvEY43uoqc3mOlEk1Q3-bbE5modh\
        -XeDnQI1IbB71utR4DgTcUA4ocQ9Ns3PVM2FdgQy_GYlcybw";
    assert_eq!(seal_client(&keys(), &client, [2; 12]).unwrap(), golden);
    assert_eq!(open_client(&keys(), golden, NOW), Ok(client));
    assert_only_itself("m365c_", golden, |text| open_client(&keys(), text, NOW).is_ok());
    // A client keeps its secret as long as its identifier.
    assert_eq!(client_secret(&keys(), golden).unwrap(), "hi4jMIwIpR9S-POohdwWaCGMne4YLoPnye3F13gDrMk");
}

fn authorization() -> AuthorizationRequest {
    AuthorizationRequest {
        client_digest: vec![0x44; 32],
        described_at: None,
        client_name: "Claude".into(),
        redirect_uri: "https://app.example/cb".into(),
        state: Some("s-1".into()),
        code_challenge: "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into(),
        scopes: vec!["mail.read".into()],
        expires_at: END,
    }
}

#[test]
fn a_consent_page() {
    let golden = "\
        AQJrMQMDAwMDAwMDAwMDA1hNtI6gGZTsFJAnII7mCzxDeWACNJlxLpljvj9j4UWj78O_r8_szba45LI8evOv-VyYRGY_43lv\
        DalHRRVqB_blNsZohKcpn47m1zZDM3q4u9Zj-lcnRwfyNb35Hg0US7OQjNa28Faiyz4njinlCmcJQFgUFR27bjjTZpIY4844\
        ONjow_64InLuMhAPNDccduTK-k6q40wcfYDmSMnxQrpFTO27";
    assert_eq!(seal_request(&keys(), &authorization(), BROWSER, [3; 12]).unwrap(), golden);
    assert_eq!(open_request(&keys(), golden, BROWSER, NOW), Ok(authorization()));
    assert_only_itself("", golden, |text| open_request(&keys(), text, BROWSER, NOW).is_ok());
    assert!(open_request(&keys(), golden, BROWSER, END).is_err());
}

#[test]
fn a_journey() {
    let journey = Journey {
        request: authorization(),
        pkce_verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into(),
        nonce: "55555555555555555555555555555555".into(),
        stepped_up: false,
        access: None,
        agreed_before: None,
    };
    let golden = "\
        AQJrMQQEBAQEBAQEBAQEBMssFw3HONNBMYh59WFPsDEKPNG3Ro3tcKtnsYDDFmmGrs78kpQhAugXwVe8AcxhURfcvXCFC0IZ\
        6zozea8iK4WT7RbqG_ULckJVUgEv9uld2vh0sO0dFYQQJpvjEVT5w3dF5gKPfWrgsVBCvKPe9gsJTbDHODItSy0OYLDTlS_F\
        L9NtXosnFT_MmaAmMeiErR05UpYrbRuBSsluzAKUEkGjMhtdOJshsE3zfcGeKuimAhe9gjLygG2ATFEhdqmYmf6Rrep5mHgt\
        MGCV9IPoPFGUINfAjIXPdwo2AonQQvWP4SWG5wnb-bTg59UkhaU2EAFKRLzgtXFxINotTrA";
    assert_eq!(seal_journey(&keys(), &journey, BROWSER, [4; 12]).unwrap(), golden);
    assert_eq!(open_journey(&keys(), golden, BROWSER, NOW), Ok(journey));
    assert_only_itself("", golden, |text| open_journey(&keys(), text, BROWSER, NOW).is_ok());
    assert!(open_journey(&keys(), golden, BROWSER, END).is_err());
}

fn ticket() -> ConnectTicket {
    ConnectTicket {
        user: USER,
        grant: GRANT,
        client: "development".into(),
        scopes: vec!["mail.read".into()],
        login_hint: Some("alice@contoso.example".into()),
        expires_at: END,
        permission: None,
    }
}

#[test]
fn the_ticket_of_a_link() {
    let golden = "\
        AQJrMQUFBQUFBQUFBQUFBWIbZO48COzFffZn9iMw3LDk4iOEiyBYj6MlBLIgG_viXste8e2MYpG7cRtcWaenl7LI1rMI5mgW\
        zwy9aeLX1C0RsabIWGZhOK2oYMhU2xBGaSFxRl-bzgNIrEccja2KywTIVoGh1RvVENVibRbLnXyv3wHZ4A";
    assert_eq!(seal_ticket(&keys(), &ticket(), [5; 12]).unwrap(), golden);
    assert_eq!(open_ticket(&keys(), golden, NOW), Ok(ticket()));
    assert_only_itself("", golden, |text| open_ticket(&keys(), text, NOW).is_ok());
    assert!(open_ticket(&keys(), golden, END).is_err());
}

#[test]
fn the_state_of_a_link() {
    let state = ConnectState {
        ticket: ticket(),
        pkce_verifier: "verifier".into(),
        nonce: "nonce".into(),
        stepped_up: false,
    };
    let golden = "\
        AQJrMQYGBgYGBgYGBgYGBqm6ge3thhAr1QZmB9kUsXZ0n8OrBYo9SBkJtk_S7lPlYRsDCFlEBOlFiBQSjDcnBcbW-dm8v82p\
        hnz5FG-7FwBnLEKiJr8brShTpHtSmM8vRERppR0tw2sa1iJiVYbxMqAeP_wLzjxU11qQB3AjvVo7w1Vqor8YIATw02kc24hV\
        Yx9baLZiMhpFMuH1b2I";
    assert_eq!(seal_state(&keys(), &state, BROWSER, [6; 12]).unwrap(), golden);
    assert_eq!(open_state(&keys(), golden, BROWSER, NOW), Ok(state));
    assert_only_itself("", golden, |text| open_state(&keys(), text, BROWSER, NOW).is_ok());
    assert!(open_state(&keys(), golden, BROWSER, END).is_err());
}

#[test]
fn a_code() {
    let claims = CodeClaims { user: USER, grant: GRANT, expires_at: END };
    let golden = "\
        m365k_AQJrMQcHBwcHBwcHBwcHBzSOvcHkJ_RnRDxTZETygWhi_ghuPj46cv2VjLxmXy6rFM9eJhjxlL3iVS8-UQTvCPDu7y\
        xDTgraVneATFDiCa1CYQ";
    assert_eq!(issue_code(&keys(), &claims, [7; 12]).unwrap(), golden);
    assert_eq!(open_code(&keys(), golden, NOW), Ok(claims));
    assert_only_itself("m365k_", golden, |text| open_code(&keys(), text, NOW).is_ok());
    assert!(open_code(&keys(), golden, END).is_err());
}

#[test]
fn a_refresh_token() {
    let claims = RefreshClaims { user: USER, grant: GRANT, generation: 7 };
    let golden = "\
        m365rt_AQJrMQgICAgICAgICAgICA3qHc5u53OnZfoyZWESuCW0yhSstzHK1kpfHh24uYwhZAlP0aN2V1c9_5MrJJ5h6U5j0\
        5zK6yggST4";
    assert_eq!(issue_refresh(&keys(), &claims, [8; 12]).unwrap(), golden);
    assert_eq!(open_refresh(&keys(), golden), Ok(claims));
    assert_only_itself("m365rt_", golden, |text| open_refresh(&keys(), text).is_ok());
}

#[test]
fn an_address_for_notifications() {
    let golden = "AQJrMQkJCQkJCQkJCQkJCTZOpFMIrc800-NcBK7ohehtutCKrL_RG30lUqzvsovj";
    assert_eq!(seal_address(&keys(), USER, [9; 12]).unwrap(), golden);
    assert_eq!(open_address(&keys(), golden), Ok(USER));
    assert_only_itself("", golden, |text| open_address(&keys(), text).is_ok());
}

#[test]
fn what_an_object_answers_to_a_redemption() {
    let issue = Issue {
        client: "Claude".into(),
        scopes: vec!["mail.read".into()],
        generation: 2,
        access_identity: None,
    };
    let golden = r#"{"client":"Claude","scopes":["mail.read"],"generation":2}"#;
    assert_eq!(serde_json::to_string(&issue).unwrap(), golden);
    assert_eq!(serde_json::from_str::<Issue>(golden).unwrap(), issue);
    for position in 0..golden.len() {
        assert!(serde_json::from_str::<Issue>(&golden[..position]).is_err(), "cut to {position} bytes");
    }
}

fn stream() -> StreamKey {
    // A request ID is a UUID of version 8, and as a text it is read as nothing else.
    let mut bytes = [0x77; 16];
    bytes[6] = 0x87;
    bytes[8] = 0xb7;
    StreamKey { request: RequestId::from_bytes(bytes), id: Id::Text("a".into()) }
}

#[test]
fn where_a_client_stands_on_a_stream() {
    for (event, golden) in [
        (EventId::Opened(stream()), "o.77777777-7777-8777-b777-777777777777.ImEi"),
        (EventId::Answered(stream()), "a.77777777-7777-8777-b777-777777777777.ImEi"),
        (EventId::Message(7), "m.7"),
    ] {
        assert_eq!(event.to_string(), golden);
        assert_eq!(golden.parse(), Ok(event));
    }
}
