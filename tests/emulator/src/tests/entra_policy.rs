//! What a directory demands beyond a right request: assignment, a second factor, consent; and keys that
//! rotate while tokens are in use.

use super::entra_flow::*;
use super::*;
use crate::wire::pair;

#[tokio::test]
async fn a_second_factor_is_demanded_until_the_claims_come_back() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    let old = first["refresh_token"].as_str().unwrap();
    rig.control("POST", "/settings", json!({ "mfaRequired": ["alice@contoso.example"] })).await;
    let demand = refresh(&rig, old).await;
    assert_eq!((demand.status, number(&demand)), (400, 50_076));
    assert_eq!(demand.value()["error"], "interaction_required");
    assert_eq!(demand.value()["suberror"], "basic_action");
    let claims = demand.value()["claims"].as_str().unwrap().to_owned();
    let silent = location(&authorize(&rig, &[("prompt", "none")]).await);
    assert_eq!(pair(&silent, "error"), Some("interaction_required"));
    let without = location(&authorize(&rig, &[]).await);
    let refused = redeem(&rig, pair(&without, "code").unwrap(), &verifier()).await;
    assert_eq!(number(&refused), 50_076);
    let with = location(&authorize(&rig, &[("claims", &claims)]).await);
    let tokens = redeem(&rig, pair(&with, "code").unwrap(), &verifier()).await;
    assert_eq!(tokens.status, 200, "{}", tokens.value());
    assert_eq!(refresh(&rig, tokens.value()["refresh_token"].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn consent_can_be_refused_for_a_scope() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    rig.control("POST", "/settings", json!({ "refusedConsent": { "*": ["Mail.ReadWrite"] } })).await;
    let gone = refresh(&rig, first["refresh_token"].as_str().unwrap()).await;
    assert_eq!((number(&gone), &gone.value()["suberror"]), (65_001, &json!("consent_required")));
    assert_eq!(gone.value()["error"], "invalid_grant");
    let back = location(&authorize(&rig, &[]).await);
    assert_eq!((pair(&back, "error"), pair(&back, "state")), (Some("access_denied"), Some("st")));
    assert!(pair(&back, "error_description").unwrap().starts_with("AADSTS65001"));
    let silent = location(&authorize(&rig, &[("prompt", "none")]).await);
    assert_eq!(pair(&silent, "error"), Some("consent_required"));
    let fewer = location(&authorize(&rig, &[("scope", "openid offline_access User.Read")]).await);
    assert!(pair(&fewer, "code").is_some());
    rig.control("POST", "/settings", json!({ "refusedConsent": {} })).await;
    assert!(pair(&location(&authorize(&rig, &[]).await), "code").is_some());
}

#[tokio::test]
async fn the_unassigned_do_not_get_in() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    rig.control("POST", "/settings", json!({ "unassigned": ["alice@contoso.example"] })).await;
    let page = authorize(&rig, &[]).await;
    assert!(page.headers.get("location").is_none());
    assert!(String::from_utf8(page.body).unwrap().contains("AADSTS50105"));
    let silent = location(&authorize(&rig, &[("prompt", "none")]).await);
    assert!(pair(&silent, "error_description").unwrap().starts_with("AADSTS50105"));
    let refused = refresh(&rig, first["refresh_token"].as_str().unwrap()).await;
    assert_eq!((number(&refused), &refused.value()["error"]), (50_105, &json!("invalid_grant")));
    let other = location(&authorize(&rig, &[("login_hint", "bob@contoso.example")]).await);
    assert!(pair(&other, "code").is_some());
}

#[tokio::test]
async fn keys_rotate_and_both_are_published() {
    let rig = Rig::new();
    let kid = async |rig: &Rig| {
        use base64::Engine as _;
        let tokens = redeem(rig, &fresh_code(rig).await, &verifier()).await.value();
        let header = tokens["id_token"].as_str().unwrap().split('.').next().unwrap().to_owned();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()["kid"].clone()
    };
    let keys = async |rig: &Rig| {
        let reply = rig.call("GET", &format!("{TENANT}/discovery/v2.0/keys"), &[], b"").await.value();
        reply["keys"].as_array().unwrap().iter().map(|k| k["kid"].clone()).collect::<Vec<_>>()
    };
    let before = keys(&rig).await;
    assert_eq!(before, [kid(&rig).await]);
    rig.control("POST", "/settings", json!({ "rotateKeys": true })).await;
    let after = keys(&rig).await;
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(after[1], kid(&rig).await);
}
