//! Signing keys and JSON Web Tokens. Keys are made at first use and live for one run; none is stored or
//! committed. This file knows how to sign rightly and, for tests of the other side, how to make the
//! classic wrong tokens: algorithm `none`, and HMAC keyed with the public key.

use crate::der;
use crate::ids::{base64_url, base64_url_decode, hex, sha256};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// One RSA key with its id.
#[derive(Debug)]
pub struct Key {
    pair: KeyPair,
    /// The key id.
    pub kid: String,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

/// The keys of the two services that sign; they differ, so that confusing them shows.
#[derive(Debug, Default)]
pub struct Keys {
    entra: OnceLock<Option<Key>>,
    entra_next: OnceLock<Option<Key>>,
    access: OnceLock<Option<Key>>,
    access_next: OnceLock<Option<Key>>,
}

impl Keys {
    /// Entra's key.
    pub fn entra(&self) -> Option<&Key> {
        self.entra.get_or_init(Key::generate).as_ref()
    }

    /// The key that Entra rotates to.
    pub fn entra_next(&self) -> Option<&Key> {
        self.entra_next.get_or_init(Key::generate).as_ref()
    }

    /// The key that Entra signs with, before or after its rotation.
    pub fn signing(&self, rotated: bool) -> Option<&Key> {
        if rotated { self.entra_next() } else { self.entra() }
    }

    /// What Entra publishes. The old key stays first, so that whoever takes the first key is wrong.
    pub fn published(&self, rotated: bool) -> Option<Vec<Value>> {
        let mut list = vec![self.entra()?.jwk()];
        if rotated {
            list.push(self.entra_next()?.jwk());
        }
        Some(list)
    }

    /// Access's key.
    pub fn access(&self) -> Option<&Key> {
        self.access.get_or_init(Key::generate).as_ref()
    }

    /// The key that Access rotates to.
    fn access_next(&self) -> Option<&Key> {
        self.access_next.get_or_init(Key::generate).as_ref()
    }

    /// The key that Access signs with, before or after its rotation.
    pub fn access_signing(&self, rotated: bool) -> Option<&Key> {
        if rotated { self.access_next() } else { self.access() }
    }

    /// What Access publishes: after a rotation the previous key too, and first.
    pub fn access_published(&self, rotated: bool) -> Option<Vec<Value>> {
        let mut list = vec![self.access()?.jwk()];
        if rotated {
            list.push(self.access_next()?.jwk());
        }
        Some(list)
    }
}

impl Keys {
    /// The claims of a token that the team signed with RS256 and a key that it publishes.
    pub fn verified_by_access(&self, token: &str) -> Option<Value> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let read = |part: &str| serde_json::from_slice::<Value>(&base64_url_decode(part)?).ok();
        let header = read(header)?;
        if header.get("alg").and_then(Value::as_str) != Some("RS256") {
            return None;
        }
        let kid = header.get("kid").and_then(Value::as_str)?;
        let key = [self.access()?, self.access_next()?].into_iter().find(|key| key.kid == kid)?;
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.pair.public_key().as_ref());
        public.verify(signed.as_bytes(), &base64_url_decode(signature)?).ok()?;
        read(claims)
    }
}

impl Key {
    /// A new key.
    pub fn generate() -> Option<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let (modulus, exponent) = der::rsa_public_parts(pair.public_key().as_ref())?;
        let kid = hex(&sha256(&modulus)).get(..40)?.to_owned();
        Some(Self { pair, kid, modulus, exponent })
    }

    /// Modulus and exponent.
    pub fn public_parts(&self) -> (Vec<u8>, Vec<u8>) {
        (self.modulus.clone(), self.exponent.clone())
    }

    /// The private key in PKCS#8 form, as PEM.
    pub fn pkcs8_pem(&self) -> Option<String> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().ok()?;
        Some(der::pem("PRIVATE KEY", der.as_ref()))
    }

    /// The key as a member of a JSON Web Key Set.
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": base64_url(&self.modulus), "e": base64_url(&self.exponent),
        })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }

    /// A token signed with RS256.
    pub fn rs256(&self, claims: &Value) -> Option<String> {
        self.rs256_as(claims, &self.kid)
    }

    /// A token signed with RS256 that names a key of the caller's choice.
    pub fn rs256_as(&self, claims: &Value, kid: &str) -> Option<String> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
        let body = unsigned(&header, claims);
        let signature = self.sign(body.as_bytes())?;
        Some(format!("{body}.{}", base64_url(&signature)))
    }

    /// The wrong token that claims HS256 and is keyed with the public key.
    pub fn hs256_confusion(&self, claims: &Value) -> Option<String> {
        let header = json!({ "alg": "HS256", "typ": "JWT", "kid": self.kid });
        let body = unsigned(&header, claims);
        let secret = hmac::Key::new(hmac::HMAC_SHA256, self.spki()?.as_ref());
        Some(format!("{body}.{}", base64_url(hmac::sign(&secret, body.as_bytes()).as_ref())))
    }

    /// The wrong token that is not signed at all.
    pub fn alg_none(claims: &Value) -> String {
        format!("{}.", unsigned(&json!({ "alg": "none", "typ": "JWT" }), claims))
    }

    /// The public key in SubjectPublicKeyInfo form.
    pub fn spki(&self) -> Option<Vec<u8>> {
        Some(self.pair.public_key().as_der().ok()?.as_ref().to_vec())
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", base64_url(header.to_string().as_bytes()), base64_url(claims.to_string().as_bytes()))
}
