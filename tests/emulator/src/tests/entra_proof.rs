//! The application proves itself with a certificate, and every assertion that is wrong in one place is refused.

use super::entra_flow::*;
use super::*;
use crate::ids::{base64_url, sha256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

struct Registered {
    pair: KeyPair,
    thumbprint: String,
}

fn pem_bytes(pem: &Value) -> Vec<u8> {
    let body: String = pem.as_str().unwrap().lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}

async fn register(rig: &Rig) -> Registered {
    let made = rig.control("POST", "/certificate", Value::Null).await;
    Registered {
        pair: KeyPair::from_pkcs8(&pem_bytes(&made["privateKey"])).unwrap(),
        thumbprint: base64_url(&sha256(&pem_bytes(&made["certificate"]))),
    }
}

fn right(rig: &Rig, registered: &Registered) -> (Value, Value) {
    let now_s = rig.shared.lock().now_ms() / 1000;
    let header = json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": registered.thumbprint });
    let claims = json!({
        "aud": format!("http://127.0.0.1:1{TENANT}/oauth2/v2.0/token"), "iss": CLIENT, "sub": CLIENT,
        "jti": "00000000-0000-4000-8000-000000000001", "iat": now_s, "nbf": now_s, "exp": now_s + 300,
    });
    (header, claims)
}

fn signed(registered: &Registered, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64_url(value.to_string().as_bytes());
    let body = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; registered.pair.public_modulus_len()];
    let random = SystemRandom::new();
    if header["alg"] == "PS256" {
        registered.pair.sign(&RSA_PSS_SHA256, &random, body.as_bytes(), &mut signature).unwrap();
    } else {
        registered.pair.sign(&RSA_PKCS1_SHA256, &random, body.as_bytes(), &mut signature).unwrap();
    }
    format!("{body}.{}", base64_url(&signature))
}

/// A refresh that is proven by an assertion.
async fn proven(rig: &Rig, refresh_token: &str, assertion: &str, secret: &str) -> Reply {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh_token),
        ("client_secret", secret),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", assertion),
    ];
    token(rig, &fields).await
}

#[tokio::test]
async fn an_assertion_is_good_once_and_never_beside_a_secret() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    let old = first["refresh_token"].as_str().unwrap();
    let registered = register(&rig).await;
    let (header, claims) = right(&rig, &registered);
    let assertion = signed(&registered, &header, &claims);
    assert_eq!(number(&proven(&rig, old, &assertion, "emulator-secret").await), 90_023);
    assert_eq!(proven(&rig, old, &assertion, "").await.status, 200);
    let again = proven(&rig, old, &assertion, "").await;
    assert_eq!((again.status, &again.value()["error"]), (401, &json!("invalid_client")));
}

#[tokio::test]
async fn an_assertion_that_is_wrong_in_one_place_is_refused() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    let old = first["refresh_token"].as_str().unwrap();
    let registered = register(&rig).await;
    let (header, claims) = right(&rig, &registered);
    let now_s = claims["iat"].as_u64().unwrap();
    let in_claims = [
        ("aud", json!("https://login.microsoftonline.com/common"), 700_023),
        ("iss", json!("other"), 700_021),
        ("sub", json!("other"), 700_021),
        ("exp", json!(now_s - 1), 700_024),
        ("exp", json!(now_s + 3_600), 700_024),
        ("nbf", json!(now_s + 360), 700_024),
        ("jti", json!("1"), 50_027),
        ("jti", Value::Null, 50_027),
    ];
    for (name, value, expected) in in_claims {
        let mut wrong = claims.clone();
        wrong[name] = value;
        let reply = proven(&rig, old, &signed(&registered, &header, &wrong), "").await;
        assert_eq!((reply.status, number(&reply)), (401, expected), "{name}");
    }
    let elsewhere = base64_url(&[1; 32]);
    for (name, value, expected) in
        [("alg", "RS256", 50_027), ("typ", "JOSE", 50_027), ("x5t#S256", elsewhere.as_str(), 700_027)]
    {
        let mut wrong = header.clone();
        wrong[name] = json!(value);
        let reply = proven(&rig, old, &signed(&registered, &wrong, &claims), "").await;
        assert_eq!((reply.status, number(&reply)), (401, expected), "{name}");
    }
    let other = register(&rig).await;
    let forged = signed(&other, &header, &claims);
    assert_eq!(number(&proven(&rig, old, &forged, "").await), 700_027);
    assert_eq!(number(&proven(&rig, old, "a.b", "").await), 50_027);
    assert_eq!(proven(&rig, old, &signed(&registered, &header, &claims), "").await.status, 200);
}
