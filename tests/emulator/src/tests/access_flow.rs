//! Access as a client meets it: keys and their rotation, assertions with one flaw each, and the sign-in.

use super::Rig;
use crate::ids::{base64_url, sha256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const OIDC: &str = "/access/cdn-cgi/access/sso/oidc/emulator-access-client";
const BACK: &str = "http://127.0.0.1:8787/callback/access";

fn part(token: &str, number: usize) -> Value {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

async fn assertion(rig: &Rig, wanted: Value) -> String {
    rig.control("POST", "/access/assertion", wanted).await["assertion"].as_str().unwrap().to_owned()
}

async fn published(rig: &Rig) -> Vec<String> {
    let certs = rig.call("GET", "/access/cdn-cgi/access/certs", &[], b"").await.value();
    certs["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn after_a_rotation_both_keys_are_there_and_the_new_one_signs() {
    let rig = Rig::new();
    let before = part(&assertion(&rig, json!({})).await, 0)["kid"].as_str().unwrap().to_owned();
    assert_eq!(published(&rig).await, std::slice::from_ref(&before));
    rig.control("POST", "/settings", json!({ "rotateAccessKeys": true })).await;
    let after = part(&assertion(&rig, json!({})).await, 0)["kid"].as_str().unwrap().to_owned();
    assert_ne!(before, after);
    assert_eq!(published(&rig).await, [before, after]);
}

#[tokio::test]
async fn a_flaw_is_the_only_one() {
    let rig = Rig::new();
    let good = assertion(&rig, json!({})).await;
    let known = published(&rig).await;
    for (flaw, alg, is_known) in [
        ("wrongAud", "RS256", true),
        ("wrongKey", "RS256", true),
        ("unknownKid", "RS256", false),
        ("anotherTeam", "RS256", false),
        ("algNone", "none", false),
        ("hs256", "HS256", true),
        ("oversized", "RS256", true),
    ] {
        let header = part(&assertion(&rig, json!({ "flaw": flaw })).await, 0);
        assert_eq!(header["alg"], alg, "{flaw}");
        let is_published = header["kid"].as_str().is_some_and(|kid| known.contains(&kid.to_owned()));
        assert_eq!(is_published, is_known, "{flaw}");
    }
    let (claims, service) = (part(&good, 1), part(&assertion(&rig, json!({ "kind": "service" })).await, 1));
    assert!(claims["sub"].as_str().unwrap().len() == 36 && claims["type"] == "app");
    assert!(
        service["sub"] == "" && service["common_name"] == "emulator.access" && service["email"].is_null()
    );
}

#[tokio::test]
async fn a_code_is_redeemed_once_by_its_client_with_its_verifier() {
    let rig = Rig::new();
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = base64_url(&sha256(verifier.as_bytes()));
    let query = |more: &str| {
        format!(
            "{OIDC}/authorization?client_id=emulator-access-client&redirect_uri={BACK}&response_type=code\
             &scope=openid%20email&nonce=n&code_challenge={challenge}&code_challenge_method=S256{more}"
        )
    };
    let location = |reply: crate::wire::Reply| reply.headers.get("location").unwrap_or_default().to_owned();
    let code = async || {
        let back = location(rig.call("GET", &query("&state=s"), &[], b"").await);
        assert!(back.starts_with(BACK) && back.ends_with("&state=s"), "{back}");
        back.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned()
    };
    assert_eq!(rig.call("GET", &query(""), &[], b"").await.status, 400, "a state is needed");
    let redeem = async |code: &str, secret: &str, verifier: &str| {
        let form = format!(
            "grant_type=authorization_code&client_id=emulator-access-client&client_secret={secret}&code={code}\
             &redirect_uri={BACK}&code_verifier={verifier}"
        );
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        rig.call("POST", &format!("{OIDC}/token"), &headers, form.as_bytes()).await
    };
    let first = code().await;
    assert_eq!(redeem(&first, "wrong", verifier).await.status, 401);
    let good = redeem(&first, "emulator-access-secret", verifier).await;
    assert_eq!(good.status, 200);
    let claims = part(good.value()["id_token"].as_str().unwrap(), 1);
    assert_eq!((&claims["nonce"], &claims["email"]), (&json!("n"), &json!("alice@contoso.example")));
    assert_eq!(redeem(&first, "emulator-access-secret", verifier).await.status, 400, "once");
    assert_eq!(redeem(&code().await, "emulator-access-secret", "other").await.status, 400);
    rig.control("POST", "/settings", json!({ "accessPerson": null })).await;
    let refused = location(rig.call("GET", &query("&state=s"), &[], b"").await);
    assert!(refused.contains("error=access_denied"), "{refused}");
}
