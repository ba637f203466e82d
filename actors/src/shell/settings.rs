//! Reads the settings from the Worker's environment, for the edge and for the object alike.

use js_sys::Reflect;
use protocol::config::{Config, Problem};
use wasm_bindgen::JsValue;

/// Parses the configuration.
///
/// # Errors
/// Every problem, by name and without values.
pub fn config_from_env(env: &worker::Env) -> Result<Config, Vec<Problem>> {
    let env: &JsValue = env.as_ref();
    Config::from_settings(|name| {
        Reflect::get(env, &JsValue::from_str(name)).ok().and_then(|value| value.as_string())
    })
}
