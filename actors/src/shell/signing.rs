//! Signs with the platform's WebCrypto: the assertion by which the application proves itself with its certificate.
//!
//! What holds here: the key is imported for one signature, is not extractable, and goes when the signature is made; neither
//! key nor assertion is ever printed.

use js_sys::{Array, Object, Reflect, Uint8Array};
use protocol::entra::Assertion;
use wasm_bindgen::JsValue;

use super::web_crypto::subtle;

/// The salt of PS256 is as long as its digest (RFC 7518, section 3.5).
const SALT_BYTES: f64 = 32.0;

/// The PS256 signature of an assertion (RSASSA-PSS with SHA-256; RFC 7518, section 3.5).
pub(super) async fn sign_ps256(assertion: &Assertion) -> Result<Vec<u8>, JsValue> {
    let algorithm = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&algorithm, &JsValue::from_str(name), &value);
    set("name", "RSA-PSS".into())?;
    set("hash", "SHA-256".into())?;
    set("saltLength", SALT_BYTES.into())?;
    let usages = Array::of1(&JsValue::from_str("sign"));
    let subtle = subtle();
    let pkcs8 = Uint8Array::from(assertion.key.expose().as_slice());
    let key = subtle.import_key("pkcs8", &pkcs8, &algorithm, false, &usages).await?;
    let data = Uint8Array::from(assertion.unsigned.expose().as_bytes());
    let signature = subtle.sign(&algorithm, &key, &data).await?;
    Ok(Uint8Array::new(&signature).to_vec())
}
