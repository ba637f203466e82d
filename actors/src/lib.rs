//! `UserSession`: the object that owns one person's Microsoft tokens, their refresh, the ledger of requests and the
//! queue of calls.
//!
//! Two layers live here. The core ([`user_session`] and the machines that it drives) is synchronous and pure: one
//! input is one turn is one atomic commit, and time and entropy are inputs. The shell (`shell`, wasm32 only) gives
//! the core its storage, its clock and its way out, and holds no decision.
//!
//! The core must never contain `async`, a clock, a source of randomness or a socket.

pub mod directory;
pub mod egress;
pub mod grants;
pub mod handles;
pub mod ledger;
pub mod log;
pub mod planted;
pub mod queue;
pub mod rate;
pub mod refresher;
pub mod sends;
pub mod sessions;
pub mod store;
#[cfg(test)]
mod testing;
pub mod timers;
pub mod turn;
pub mod user_session;
pub mod vault;
pub mod watches;

#[cfg(target_arch = "wasm32")]
mod shell;

#[cfg(target_arch = "wasm32")]
pub use shell::{
    answers::answer,
    bridge,
    directory_object::Directory,
    durable_object::UserSession,
    entropy::random_bytes,
    outgoing::send,
    settings::config_from_env,
    sql_rows::{SqlDisk, SqlRows},
    web_crypto::subtle,
};
