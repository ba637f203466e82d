//! Client assertions (`private_key_jwt`): a certificate that is registered for the application, and the check of what its
//! key signed.
//!
//! The check follows Microsoft's "certificate credentials" and is stricter where the product has no reason to differ: PS256
//! and `x5t#S256` alone, ten minutes at most, each `jti` once. It must never accept what Entra refuses.

use super::errors::{EntraError, bad, client};
use crate::der;
use crate::ids::{base64_url, sha256};
use crate::jwt::Key;
use crate::wire::pair;
use crate::world::World;
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use std::collections::BTreeMap;

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The longest life of an assertion.
const LIFETIME_MAX_S: u64 = 600;

/// How far the two clocks may differ.
const SKEW_S: u64 = 300;

/// The certificates of the application, and the assertions that were used.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Modulus and exponent by thumbprint.
    keys: BTreeMap<String, (Vec<u8>, Vec<u8>)>,
    /// When each used assertion ends, by its `jti`.
    used: BTreeMap<String, u64>,
}

/// Makes a key with a self-signed certificate and registers it, as an operator would in the portal: certificate and private
/// key as PEM.
pub fn register(world: &mut World) -> Option<(String, String)> {
    let key = Key::generate()?;
    let certificate = der::certificate_pem(&key, "m365-mcp-server", world.now_ms())?;
    let body: String = certificate.lines().filter(|line| !line.starts_with('-')).collect();
    let thumbprint = base64_url(&sha256(&STANDARD.decode(body).ok()?));
    world.certificates.keys.insert(thumbprint, key.public_parts());
    Some((certificate, key.pkcs8_pem()?))
}

fn refused(why: &str) -> EntraError {
    client(700_027, format!("The certificate with identifier used to sign the client assertion: {why}."))
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Checks the assertion of a form for the token endpoint of `tenant`.
pub fn check(world: &mut World, form: &[(String, String)], tenant: &str) -> Result<(), EntraError> {
    if pair(form, "client_assertion_type") != Some(TYPE) {
        let text = "The request body must contain the following parameter: 'client_assertion_type'.";
        return Err(bad("invalid_request", 900_144, text));
    }
    let assertion = pair(form, "client_assertion").unwrap_or_default();
    let malformed = || client(50_027, "JWT token is invalid or malformed.");
    let (signed, signature) = assertion.rsplit_once('.').ok_or_else(malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(malformed)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed())?;
    let (header, claims) = (part(header).ok_or_else(malformed)?, part(claims).ok_or_else(malformed)?);
    let parameter = |name: &str| header.get(name).and_then(Value::as_str);
    if parameter("alg") != Some("PS256") || parameter("typ") != Some("JWT") {
        return Err(malformed());
    }
    let thumbprint = parameter("x5t#S256").ok_or_else(malformed)?;
    let (n, e) =
        world.certificates.keys.get(thumbprint).ok_or_else(|| refused("it is not registered"))?.clone();
    let key = RsaPublicKeyComponents { n, e };
    key.verify(&RSA_PSS_2048_8192_SHA256, signed.as_bytes(), &signature)
        .map_err(|_| refused("the signature is invalid"))?;
    check_claims(world, &claims, tenant)
}

fn check_claims(world: &mut World, claims: &Value, tenant: &str) -> Result<(), EntraError> {
    let application = world.options.client_id.as_str();
    let word = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    if word("iss") != application || word("sub") != application {
        return Err(client(700_021, "The assertion's application does not match the client_id parameter."));
    }
    if word("aud") != format!("{}/entra/{tenant}/oauth2/v2.0/token", world.base) {
        return Err(client(700_023, "The assertion's audience claim does not match the realm's issuer."));
    }
    let seconds = |name: &str| {
        let text = format!("The assertion has no claim '{name}'.");
        claims.get(name).and_then(Value::as_u64).ok_or_else(|| client(50_027, text))
    };
    let (from, until, issued) = (seconds("nbf")?, seconds("exp")?, seconds("iat")?);
    let now_s = world.now_ms() / 1000;
    let in_time = from <= now_s + SKEW_S && issued <= now_s + SKEW_S && now_s < until;
    if !in_time || until.saturating_sub(from) > LIFETIME_MAX_S {
        return Err(client(700_024, "The client assertion is not within its valid time range."));
    }
    let jti = word("jti").to_owned();
    if jti.len() != 36 || jti.split('-').count() != 5 {
        return Err(client(50_027, "The assertion's 'jti' is no GUID."));
    }
    world.certificates.used.retain(|_, ends| *ends > now_s);
    if world.certificates.used.insert(jti, until).is_some() {
        return Err(client(50_027, "The assertion was used before."));
    }
    Ok(())
}
