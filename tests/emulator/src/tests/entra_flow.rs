//! Signing in: the authorize request, codes, PKCE, refresh, revocation, and the ID token's claims, with its
//! signature checked against the published key.

use super::*;
use crate::ids::{base64_url, sha256};
use crate::wire::{pair, parse_pairs, percent_encode};

pub(super) const TENANT: &str = "/entra/11111111-2222-4333-8444-555555555555";
pub(super) const CLIENT: &str = "00000000-0000-4000-8000-00000000c11e";
const REDIRECT: &str = "http://127.0.0.1:8787/callback";
const SCOPE: &str = "openid profile offline_access User.Read https://graph.microsoft.com/Mail.ReadWrite";

pub(super) fn verifier() -> String {
    "v".repeat(43)
}

/// The query of a right authorize request, with some parameters replaced, added or (empty) removed.
pub(super) fn query(changes: &[(&str, &str)]) -> String {
    let challenge = base64_url(&sha256(verifier().as_bytes()));
    let mut pairs = vec![
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("scope", SCOPE),
        ("state", "st"),
        ("nonce", "no"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("login_hint", "alice@contoso.example"),
    ];
    for (name, value) in changes {
        pairs.retain(|(have, _)| have != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    let parts: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={}", percent_encode(v))).collect();
    parts.join("&")
}

pub(super) fn location(reply: &Reply) -> Vec<(String, String)> {
    let target = reply.headers.get("location").unwrap();
    let (base, query) = target.split_once('?').unwrap();
    assert_eq!(base, REDIRECT);
    parse_pairs(query).unwrap()
}

pub(super) async fn authorize(rig: &Rig, changes: &[(&str, &str)]) -> Reply {
    rig.call("GET", &format!("{TENANT}/oauth2/v2.0/authorize?{}", query(changes)), &[], b"").await
}

pub(super) async fn fresh_code(rig: &Rig) -> String {
    pair(&location(&authorize(rig, &[]).await), "code").unwrap().to_owned()
}

pub(super) async fn token(rig: &Rig, fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("client_id", CLIENT), ("client_secret", "emulator-secret")];
    for (name, value) in fields {
        all.retain(|(have, _)| have != name);
        all.push((name, value));
    }
    let parts: Vec<String> = all.iter().map(|(k, v)| format!("{k}={}", percent_encode(v))).collect();
    let form = ("content-type", "application/x-www-form-urlencoded");
    rig.call("POST", &format!("{TENANT}/oauth2/v2.0/token"), &[form], parts.join("&").as_bytes()).await
}

pub(super) async fn redeem(rig: &Rig, code: &str, verifier: &str) -> Reply {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", verifier),
    ];
    token(rig, &fields).await
}

pub(super) async fn refresh(rig: &Rig, token_text: &str) -> Reply {
    token(rig, &[("grant_type", "refresh_token"), ("refresh_token", token_text)]).await
}

pub(super) fn number(reply: &Reply) -> u64 {
    reply.value()["error_codes"][0].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn a_sign_in_gives_working_tokens() {
    let rig = Rig::new();
    let back = location(&authorize(&rig, &[]).await);
    assert_eq!(pair(&back, "state"), Some("st"));
    let reply = redeem(&rig, pair(&back, "code").unwrap(), &verifier()).await;
    assert_eq!(reply.status, 200, "{}", reply.value());
    let tokens = reply.value();
    assert_eq!(tokens["scope"], "openid profile User.Read Mail.ReadWrite");
    assert_eq!(reply.headers.get("cache-control"), Some("no-store, no-cache"));
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(rig.graph(access, "GET", "/me", Value::Null).await.status, 200);
    let parts: Vec<&str> = tokens["id_token"].as_str().unwrap().split('.').collect();
    use base64::Engine as _;
    let decode = |part: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    let claims: Value = serde_json::from_slice(&decode(parts[1])).unwrap();
    assert_eq!(claims["iss"], "http://127.0.0.1:1/entra/11111111-2222-4333-8444-555555555555/v2.0");
    assert_eq!((&claims["aud"], &claims["nonce"]), (&json!(CLIENT), &json!("no")));
    assert_eq!(claims["preferred_username"], "alice@contoso.example");
    let keys = rig.call("GET", &format!("{TENANT}/discovery/v2.0/keys"), &[], b"").await.value();
    let key = &keys["keys"][0];
    let (n, e) = (decode(key["n"].as_str().unwrap()), decode(key["e"].as_str().unwrap()));
    let public = aws_lc_rs::signature::RsaPublicKeyComponents { n, e };
    let signed = format!("{}.{}", parts[0], parts[1]);
    let algorithm = &aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
    public.verify(algorithm, signed.as_bytes(), &decode(parts[2])).unwrap();
}

#[tokio::test]
async fn a_code_is_good_once_and_for_ten_minutes_and_needs_its_verifier() {
    let rig = Rig::new();
    let code = fresh_code(&rig).await;
    let wrong = redeem(&rig, &code, &"w".repeat(43)).await;
    assert_eq!((wrong.status, number(&wrong)), (400, 501_481));
    assert_eq!(wrong.value()["error"], "invalid_grant");
    assert_eq!(redeem(&rig, &code, &verifier()).await.status, 200);
    let again = redeem(&rig, &code, &verifier()).await;
    assert_eq!((again.status, number(&again)), (400, 54_005));
    assert!(again.value()["error_description"].as_str().unwrap().starts_with("AADSTS54005: "));
    for name in ["timestamp", "trace_id", "correlation_id", "error_uri"] {
        assert!(again.value()[name].is_string(), "{name}");
    }
    let late = fresh_code(&rig).await;
    rig.control("POST", "/clock", json!({ "advanceMs": 600_000 })).await;
    assert_eq!(number(&redeem(&rig, &late, &verifier()).await), 70_008);
}

#[tokio::test]
async fn an_old_refresh_token_stays_valid_until_it_is_revoked() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    let old = first["refresh_token"].as_str().unwrap();
    let second = refresh(&rig, old).await;
    assert_eq!(second.status, 200);
    let new = second.value()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_eq!(refresh(&rig, old).await.status, 200);
    let revoked = rig.control("POST", "/revoke", json!({ "user": "alice@contoso.example" })).await;
    assert_eq!(revoked["refreshTokens"], 3);
    let dead = refresh(&rig, &new).await;
    assert_eq!((dead.status, number(&dead)), (400, 50_173));
    let access = first["access_token"].as_str().unwrap();
    assert_eq!(rig.graph(access, "GET", "/me", Value::Null).await.status, 200);
    rig.control("POST", "/revoke", json!({ "what": "access" })).await;
    assert_eq!(rig.graph(access, "GET", "/me", Value::Null).await.status, 401);
}

#[tokio::test]
async fn clients_must_prove_themselves() {
    let rig = Rig::new();
    let grant = ("grant_type", "refresh_token");
    let any = ("refresh_token", "x");
    let wrong = token(&rig, &[grant, any, ("client_secret", "nope")]).await;
    assert_eq!((wrong.status, number(&wrong)), (401, 7_000_215));
    assert_eq!(wrong.value()["error"], "invalid_client");
    assert_eq!(number(&token(&rig, &[grant, any, ("client_secret", "")]).await), 7_000_218);
    assert_eq!(number(&token(&rig, &[grant, any, ("client_id", "other")]).await), 700_016);
    assert_eq!(number(&token(&rig, &[grant, any, ("resource", "x")]).await), 901_002);
    assert_eq!(number(&token(&rig, &[("grant_type", "password")]).await), 70_003);
    assert_eq!(number(&token(&rig, &[grant, any]).await), 70_000);
}

#[tokio::test]
async fn a_refresh_cannot_widen_what_was_granted() {
    let rig = Rig::new();
    let first = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    let old = first["refresh_token"].as_str().unwrap();
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", old), ("scope", "User.Read")];
    assert_eq!(token(&rig, &narrow).await.value()["scope"], "User.Read");
    let wide = [("grant_type", "refresh_token"), ("refresh_token", old), ("scope", "Calendars.Read")];
    let reply = token(&rig, &wide).await;
    assert_eq!((number(&reply), reply.value()["suberror"].clone()), (65_001, json!("consent_required")));
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:emulator-secret"));
    let headers = [
        ("authorization", &*format!("Basic {basic}")),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let form = format!("grant_type=refresh_token&refresh_token={}", percent_encode(old));
    let path = format!("{TENANT}/oauth2/v2.0/token");
    assert_eq!(rig.call("POST", &path, &headers, form.as_bytes()).await.status, 200);
    let other = rig.call("POST", "/entra/unknown/oauth2/v2.0/token", &headers, form.as_bytes()).await;
    assert_eq!(number(&other), 90_002);
    for tenant in ["organizations", "common"] {
        let path = format!("/entra/{tenant}/v2.0/.well-known/openid-configuration");
        let issuer = rig.call("GET", &path, &[], b"").await.value()["issuer"].clone();
        assert!(issuer.as_str().unwrap().ends_with("/entra/{tenantid}/v2.0"));
    }
}

#[tokio::test]
async fn malformed_authorize_requests_never_redirect() {
    let rig = Rig::new();
    for (change, number) in [
        (("client_id", "x"), "AADSTS700016"),
        (("redirect_uri", "https://evil.example/callback"), "AADSTS50011"),
        (("resource", "https://graph.microsoft.com"), "AADSTS901002"),
        (("code_challenge", "short"), "AADSTS501491"),
        (("code_challenge_method", "plain"), "AADSTS9002325"),
        (("code_challenge", ""), "AADSTS900144"),
        (("state", ""), "AADSTS900144"),
        (("nonce", ""), "AADSTS900144"),
        (("response_type", "id_token"), "AADSTS700054"),
        (("scope", "openid Mail.Everything"), "AADSTS650053"),
        (("claims", "{"), "AADSTS9002019"),
    ] {
        let reply = authorize(&rig, &[change]).await;
        let page = String::from_utf8(reply.body.clone()).unwrap();
        assert_eq!((reply.status, page.contains(number)), (400, true), "{change:?} {page}");
        assert!(reply.headers.get("location").is_none());
    }
    let twice = format!("{TENANT}/oauth2/v2.0/authorize?{}&prompt=login&prompt=consent", query(&[]));
    let reply = rig.call("GET", &twice, &[], b"").await;
    assert!(String::from_utf8_lossy(&reply.body).contains("AADSTS9000411"));
}

#[tokio::test]
async fn the_page_lets_a_person_pick_or_cancel() {
    let rig = Rig::new();
    let page = authorize(&rig, &[("login_hint", "")]).await;
    let html = String::from_utf8(page.body).unwrap();
    assert!(page.status == 200 && html.contains("Alice Archer") && html.contains("dave@contoso.example"));
    let silent = authorize(&rig, &[("login_hint", ""), ("prompt", "none")]).await;
    assert_eq!(pair(&location(&silent), "error"), Some("login_required"));
    let request = percent_encode(&query(&[("login_hint", "")]));
    let post = async |user: &str| {
        let form = format!("request={request}&user={user}");
        let path = format!("{TENANT}/oauth2/v2.0/authorize");
        rig.call("POST", &path, &[("content-type", "application/x-www-form-urlencoded")], form.as_bytes())
            .await
    };
    let picked = location(&post("bob%40contoso.example").await);
    let tokens = redeem(&rig, pair(&picked, "code").unwrap(), &verifier()).await.value();
    let me = rig.graph(tokens["access_token"].as_str().unwrap(), "GET", "/me", Value::Null).await.value();
    assert_eq!(me["mail"], "bob@contoso.example");
    let cancelled = location(&post("").await);
    assert_eq!((pair(&cancelled, "error"), pair(&cancelled, "state")), (Some("access_denied"), Some("st")));
}

#[tokio::test]
async fn denied_scopes_and_short_lifetimes() {
    let rig = Rig::new();
    let change =
        json!({ "accessTokenLifetimeS": 2, "deniedScopes": { "alice@contoso.example": ["Mail.ReadWrite"] } });
    rig.control("POST", "/settings", change).await;
    let tokens = redeem(&rig, &fresh_code(&rig).await, &verifier()).await.value();
    assert_eq!((&tokens["scope"], &tokens["expires_in"]), (&json!("openid profile User.Read"), &json!(2)));
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(rig.graph(access, "GET", "/me/messages", Value::Null).await.status, 403);
    rig.control("POST", "/clock", json!({ "advanceMs": 2001 })).await;
    assert_eq!(rig.graph(access, "GET", "/me", Value::Null).await.status, 401);
    let misspelt = rig.call("POST", "/_emulator/settings", &[], br#"{"accessTokenLifetime":2}"#).await;
    assert_eq!(misspelt.status, 400);
}

#[tokio::test]
async fn access_assertions_are_right_or_wrong_as_asked() {
    let rig = Rig::new();
    let right = rig.control("POST", "/access/assertion", json!({})).await;
    assert_eq!(right["claims"]["iss"], "http://127.0.0.1:1/access");
    assert_eq!(right["claims"]["email"], "alice@contoso.example");
    let service = rig.control("POST", "/access/assertion", json!({ "kind": "service" })).await;
    assert_eq!((&service["claims"]["sub"], service["claims"].get("email")), (&json!(""), None));
    for flaw in
        ["wrongAud", "wrongIss", "expired", "notYetValid", "algNone", "hs256", "wrongKey", "unknownKid"]
    {
        let wrong = rig.control("POST", "/access/assertion", json!({ "flaw": flaw })).await;
        assert_eq!(wrong["assertion"].as_str().unwrap().split('.').count(), 3, "{flaw}");
    }
    let certs = rig.call("GET", "/access/cdn-cgi/access/certs", &[], b"").await.value();
    assert_eq!(certs["keys"][0]["alg"], "RS256");
    assert!(certs["public_certs"][0]["cert"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
}
