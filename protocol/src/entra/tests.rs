//! What the codecs of Entra ID must accept and refuse.

use super::*;
use crate::config::Credential;
use crate::digest::to_base64url;

fn app() -> MicrosoftApp {
    MicrosoftApp {
        client_id: "client".into(),
        credential: Credential::Secret(Secret::new("app-secret".into())),
        tenant_id: "tenant".into(),
        login_url: "https://login.example".into(),
    }
}

fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: body.into(), ..Answer::default() }
}

fn id_token(changes: &[(&str, serde_json::Value)]) -> Secret<String> {
    let mut claims = serde_json::json!({
        "iss": "https://login.example/tenant/v2.0", "aud": "client", "exp": 2_000, "nbf": 1_000,
        "nonce": "n-1", "tid": "tenant", "oid": "object",
    });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    Secret::new(format!("{}.{}.sig", to_base64url(b"{}"), to_base64url(claims.to_string().as_bytes())))
}

#[test]
fn tokens_are_read() {
    let tokens = read_tokens(&answer(
        200,
        r#"{"token_type":"Bearer","scope":"Mail.Read User.Read","expires_in":3599,"access_token":"a","refresh_token":"r"}"#,
    ))
    .unwrap();
    assert_eq!(tokens.lives_for, DurationMs(3_599_000));
    assert_eq!(tokens.scopes, ["Mail.Read", "User.Read"]);
    assert!(!format!("{tokens:?}").contains("\"a\""));
}

#[test]
fn a_believed_id_token_names_the_person() {
    let key = identify(&app(), &id_token(&[]), "n-1", UnixMs(1_500_000)).unwrap();
    assert_eq!(key, UserKey::from_microsoft("tenant", "object"));
}

#[test]
fn every_claim_is_checked() {
    let refused = |name: &str, value: serde_json::Value| {
        identify(&app(), &id_token(&[(name, value)]), "n-1", UnixMs(1_500_000)).unwrap_err().0
    };
    assert_eq!(refused("aud", "other".into()), "audience");
    assert_eq!(refused("iss", "https://evil.example/tenant/v2.0".into()), "issuer");
    assert_eq!(refused("nonce", "n-2".into()), "nonce");
    assert_eq!(refused("exp", 1_400.into()), "time");
    assert_eq!(refused("nbf", 1_600.into()), "time");
    assert_eq!(refused("oid", "".into()), "object id");
    let stranger = id_token(&[("tid", "other".into()), ("iss", "https://login.example/other/v2.0".into())]);
    assert_eq!(identify(&app(), &stranger, "n-1", UnixMs(1_500_000)), Err(NotBelieved("tenant")));
    assert_eq!(identify(&app(), &Secret::new("x".into()), "n-1", UnixMs(0)), Err(NotBelieved("shape")));
}

#[test]
fn the_sign_in_url_declares_the_client_capability_and_no_resource() {
    let url = authorize_url(&app(), "https://mcp.example/callback", "s", "n", "c", Some("a@b.example"), None);
    assert!(url.starts_with("https://login.example/tenant/oauth2/v2.0/authorize?client_id=client&"));
    assert!(url.contains("code_challenge_method=S256") && url.contains("xms_cc"));
    assert!(!url.contains("resource="));
}

#[test]
fn the_addresses_of_an_account_are_those_that_the_directory_has() {
    let token = |claims: &str| Secret::new(format!("e30.{}.c2ln", to_base64url(claims.as_bytes())));
    let both = token(r#"{"email":"Alice@contoso.example","preferred_username":"alice@corp.example"}"#);
    assert_eq!(addresses(&both), ["Alice@contoso.example", "alice@corp.example"]);
    assert_eq!(addresses(&token(r#"{"preferred_username":"a@x.example","email":""}"#)), ["a@x.example"]);
    assert!(addresses(&token("{}")).is_empty() && addresses(&Secret::new("x".into())).is_empty());
}
