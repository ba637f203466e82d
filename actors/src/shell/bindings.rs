//! Platform functions that the `worker` crate does not offer in the needed form, bound by hand.
//!
//! `transactionSync` rolls back when its closure fails, and `setAlarm` inside it commits and rolls back with it; the
//! `worker` crate's own `set_alarm` is asynchronous and would split the turn. `AI.run` has to pass options, and works
//! the same for the real binding and for a service binding with a method of that name.

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `DurableObjectStorage`, as far as it is needed here.
    pub(super) type RawStorage;

    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub(super) fn transaction_sync(
        this: &RawStorage,
        closure: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(super) fn set_alarm(this: &RawStorage, unix_ms: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getAlarm)]
    pub(super) async fn get_alarm(this: &RawStorage) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAlarm)]
    pub(super) fn delete_alarm(this: &RawStorage) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = deleteAll)]
    pub(super) fn delete_all(this: &RawStorage) -> Result<Promise, JsValue>;

    /// The `AI` binding, as far as it is needed here.
    pub(super) type AiBinding;

    #[wasm_bindgen(method, catch)]
    pub(super) async fn run(
        this: &AiBinding,
        model: &str,
        inputs: JsValue,
        options: JsValue,
    ) -> Result<JsValue, JsValue>;
}
