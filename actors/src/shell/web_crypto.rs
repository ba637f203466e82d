//! The platform's WebCrypto ("Web Cryptography API", section 14), bound by hand: keys, signatures made and checked.
//!
//! What holds here: nothing is decided; whoever calls names the algorithm and what a key may be used for.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The `SubtleCrypto` of this Worker.
    #[derive(Clone)]
    pub type SubtleCrypto;

    #[wasm_bindgen(thread_local_v2, js_namespace = crypto, js_name = subtle)]
    static SUBTLE: SubtleCrypto;

    /// Takes a key in a format, for an algorithm and for some usages.
    #[wasm_bindgen(method, catch, js_name = importKey)]
    pub async fn import_key(
        this: &SubtleCrypto,
        format: &str,
        key: &JsValue,
        algorithm: &JsValue,
        extractable: bool,
        usages: &Array,
    ) -> Result<JsValue, JsValue>;

    /// Signs; an `ArrayBuffer`.
    #[wasm_bindgen(method, catch)]
    pub async fn sign(
        this: &SubtleCrypto,
        algorithm: &JsValue,
        key: &JsValue,
        data: &Uint8Array,
    ) -> Result<JsValue, JsValue>;

    /// Checks a signature; a boolean.
    #[wasm_bindgen(method, catch)]
    pub async fn verify(
        this: &SubtleCrypto,
        algorithm: &JsValue,
        key: &JsValue,
        signature: &Uint8Array,
        data: &Uint8Array,
    ) -> Result<JsValue, JsValue>;
}

/// This Worker's.
#[must_use]
pub fn subtle() -> SubtleCrypto {
    SUBTLE.with(Clone::clone)
}
