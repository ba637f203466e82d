//! The shell: what the core needs of the platform, and nothing that decides.
//!
//! What holds here: this folder alone names `worker`, SQL, promises and the clock. Everything in it is thin enough to be
//! read at one sitting, because no simulation runs it; the end-to-end tests do.

pub(crate) mod answers;
mod bindings;
pub mod bridge;
pub(crate) mod directory_object;
pub(crate) mod durable_object;
pub(crate) mod entropy;
pub(crate) mod outgoing;
mod reports;
pub(crate) mod settings;
mod signing;
mod sockets;
pub(crate) mod sql_rows;
pub(crate) mod web_crypto;
mod zones;
