//! Everything that crosses a boundary, as plain data: identifiers, limits, secrets, settings, the messages of
//! MCP, Microsoft Graph, Entra ID and AI Gateway, and the tools as codecs.
//!
//! What holds here: every function is pure. Nothing in this crate performs I/O, reads a clock, draws random
//! numbers or knows the platform, so that all of it runs natively and replays exactly.
//!
//! This crate must never depend on `worker`, on a JavaScript binding or on another crate of this workspace.

pub mod access;
pub mod access_token;
pub mod cbor;
pub mod civil;
pub mod config;
pub mod connect;
pub mod cookie;
pub mod digest;
pub mod entra;
#[cfg(feature = "conformance")]
pub mod fixtures;
pub mod gateway;
pub mod graph;
pub mod html;
pub mod icons;
pub mod ids;
pub mod inflate;
pub mod jsonrpc;
pub mod jwt;
pub mod limits;
pub mod linked_app;
pub mod mcp;
pub mod notification;
pub mod oauth;
pub mod object;
pub mod office;
pub mod operator;
pub mod outbound;
pub mod policy;
pub mod prompts;
pub mod seal;
pub mod secret;
pub mod stream;
pub mod text;
pub mod time;
pub mod tools;
pub mod trace;
pub mod zones;
