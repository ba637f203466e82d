//! The edge: a stateless router that authenticates each request and hands it to its user's object.
//!
//! What holds here: any instance can serve any request, and the hot path reads no storage. Everything that decides is a
//! pure function of a request's parts and is tested natively; `worker` is named in the wasm-only files alone.
//!
//! The edge must never hold a Microsoft token and never answer for an object.

pub mod access;
pub mod access_sign_in;
pub mod admission;
pub mod browser;
pub mod clients;
pub mod consent;
pub mod cookies;
pub mod health;
pub mod mcp_endpoint;
pub mod notifications;
pub mod oauth_endpoints;
pub mod operators;
pub mod registration_rate;
pub mod reply;
pub mod router;
pub mod sse;

#[cfg(target_arch = "wasm32")]
mod platform;

#[cfg(target_arch = "wasm32")]
pub use actors::UserSession;
