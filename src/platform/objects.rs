//! The way to an object, by its binding and its name, and the form in which its answers travel.
//!
//! What holds here: an answer is the platform's own, from the object to the client. The `worker` crate would take each
//! apart and put it together again, and each request too: a fifth of what the edge does for a call.

use js_sys::{Promise, Reflect, Uint8Array};
use protocol::object::ObjectRequest;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{RequestInit, Response};
use worker::{Env, Error, Result};

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectNamespace`, as far as it is needed here.
    type Namespace;

    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &str) -> std::result::Result<Stub, JsValue>;

    /// `DurableObjectStub`, as far as it is needed here.
    type Stub;

    #[wasm_bindgen(method, catch)]
    fn fetch(this: &Stub, url: &str, init: &RequestInit) -> std::result::Result<Promise, JsValue>;
}

/// Sends a request to the object of a name. No host is looked up for the URL.
pub(super) async fn send(env: &Env, binding: &str, name: &str, init: &RequestInit) -> Result<Response> {
    let namespace: Namespace = Reflect::get(env.as_ref(), &JsValue::from_str(binding))?.unchecked_into();
    if namespace.is_undefined() {
        return Err(Error::RustError(format!("the binding {binding} is missing")));
    }
    let answer = JsFuture::from(namespace.get_by_name(name)?.fetch("https://object/", init)?).await?;
    Ok(answer.dyn_into::<Response>()?)
}

/// A request that carries a frame.
pub(super) fn carrying(frame: &[u8]) -> RequestInit {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&Uint8Array::from(frame).into());
    init
}

/// The frame of a request to a user's object.
pub(super) fn framed(request: &ObjectRequest) -> Result<Vec<u8>> {
    protocol::object::encode(request).map_err(|_| Error::RustError("the request was not encoded".to_owned()))
}

/// The body of an answer as text.
pub(super) async fn text(answer: &Response) -> Result<String> {
    let text = JsFuture::from(answer.text()?).await?;
    text.as_string().ok_or_else(|| Error::RustError("a body was no text".to_owned()))
}
