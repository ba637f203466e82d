//! Refusals by their number, and claims challenges at Graph.

use super::entra_flow::*;
use super::*;
use crate::wire::pair;

const CP1: &str = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;

/// A sign-in that sends these claims in both of its requests.
async fn signed_in(rig: &Rig, claims: &str) -> Value {
    let back = location(&authorize(rig, &[("claims", claims)]).await);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", pair(&back, "code").unwrap()),
        ("redirect_uri", "http://127.0.0.1:8787/callback"),
        ("code_verifier", &verifier()),
        ("claims", claims),
    ];
    token(rig, &fields).await.value()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().unwrap()
}

#[tokio::test]
async fn a_refusal_is_answered_by_its_number_until_it_is_taken_back() {
    let rig = Rig::new();
    let tokens = signed_in(&rig, CP1).await;
    for (refused, status, error, suberror) in [
        (700_082, 400, "invalid_grant", json!("bad_token")),
        (65_001, 400, "invalid_grant", json!("consent_required")),
        (53_003, 400, "invalid_grant", json!("additional_action")),
        (7_000_222, 401, "invalid_client", Value::Null),
        (700_016, 400, "unauthorized_client", Value::Null),
        (90_033, 503, "temporarily_unavailable", Value::Null),
    ] {
        let set = json!({ "tokenRefusals": { "alice@contoso.example": refused } });
        rig.control("POST", "/settings", set).await;
        let reply = refresh(&rig, text(&tokens, "refresh_token")).await;
        assert_eq!((reply.status, number(&reply)), (status, refused));
        let body = reply.value();
        assert_eq!((&body["error"], &body["suberror"]), (&json!(error), &suberror));
        assert_eq!(body["claims"].is_string(), refused == 53_003);
    }
    rig.control("POST", "/settings", json!({ "tokenRefusals": {} })).await;
    assert_eq!(refresh(&rig, text(&tokens, "refresh_token")).await.status, 200);
    let unknown = rig.call("POST", "/_emulator/settings", &[], br#"{"tokenRefusals":{"*":1}}"#).await;
    assert_eq!(unknown.status, 400);
}

#[tokio::test]
async fn a_refusal_that_a_sign_in_mends_does_not_strike_the_sign_in() {
    let rig = Rig::new();
    rig.control("POST", "/settings", json!({ "tokenRefusals": { "*": 70_008 } })).await;
    let tokens = signed_in(&rig, CP1).await;
    assert_eq!(number(&refresh(&rig, text(&tokens, "refresh_token")).await), 70_008);
    rig.control("POST", "/settings", json!({ "tokenRefusals": { "*": 50_076 } })).await;
    let demanded = signed_in(&rig, CP1).await["claims"].as_str().unwrap().to_owned();
    assert!(signed_in(&rig, &demanded).await["access_token"].is_string());
}

#[tokio::test]
async fn graph_challenges_a_capable_client_until_it_steps_up() {
    let rig = Rig::new();
    let (capable, plain) = (signed_in(&rig, CP1).await, signed_in(&rig, "{}").await);
    rig.control("POST", "/settings", json!({ "graphStepUp": ["alice@contoso.example"] })).await;
    let refused = rig.graph(text(&capable, "access_token"), "GET", "/me", Value::Null).await;
    let challenge = refused.headers.get("www-authenticate").unwrap().to_owned();
    assert!(refused.status == 401 && challenge.contains("error=\"insufficient_claims\", claims=\""));
    assert_eq!(rig.graph(text(&plain, "access_token"), "GET", "/me", Value::Null).await.status, 200);
    use base64::Engine as _;
    let encoded = challenge.split("claims=\"").nth(1).unwrap().trim_end_matches('"');
    let claims =
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()).unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&capable, "refresh_token")),
        ("claims", &claims),
    ];
    let demanded = token(&rig, &fields).await;
    assert_eq!((number(&demanded), &demanded.value()["error"]), (50_076, &json!("interaction_required")));
    rig.control("POST", "/settings", json!({ "silentStepUp": true })).await;
    let met = token(&rig, &fields).await.value();
    assert_eq!(rig.graph(text(&met, "access_token"), "GET", "/me", Value::Null).await.status, 200);
}
