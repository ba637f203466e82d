//! Everything outside of the worker, played by one program: Microsoft Entra ID, Microsoft Graph with a
//! small stateful tenant, Cloudflare AI Gateway and Cloudflare Access. It is as strict as what it plays,
//! and it must never use the product's own codecs: a mistake there must show here.
//!
//! All services are functions over one state (`world.rs`); the listener in `server.rs` is the only part
//! that knows sockets.

mod access;
mod agenda;
mod clock;
mod concurrency;
mod contacts;
mod control;
mod courier;
mod der;
mod documents;
mod drives;
mod entra;
mod faults;
mod gateway;
mod graph;
mod ids;
mod jwt;
mod linked_app;
mod mailbox;
mod options;
mod planner;
mod records;
mod recurrence;
mod router;
mod seed;
mod server;
mod settings;
mod storage;
mod subscriptions;
mod teamwork;
mod tenant;
#[cfg(test)]
mod tests;
mod todo;
mod transfer;
mod wire;
mod world;
mod zones;

pub use options::{Options, Tenant};

use serde_json::Value;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use tokio::runtime::{Builder, Runtime};
use wire::{Call, Headers};
use world::{Shared, World};

/// A running emulator; dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Emulator {
    base: String,
    shared: Shared,
    runtime: Option<Runtime>,
}

impl Emulator {
    /// Starts an emulator on 127.0.0.1. It runs on threads of its own, so that it can be started from
    /// plain and from asynchronous code alike.
    pub fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let base = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let shared = Shared::new(World::new(options, base.clone()));
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.spawn(server::serve(listener, shared.clone()));
        runtime.spawn(courier::run(shared.clone()));
        // Making keys takes a moment; it must not be a test's first sign-in that waits for it.
        let keys = shared.clone();
        runtime.spawn_blocking(move || {
            keys.keys().entra();
            keys.keys().access();
            keys.keys().entra_next();
        });
        Ok(Self { base, shared, runtime: Some(runtime) })
    }

    /// The origin that it listens on, without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A control request without HTTP: verb, path below `/_emulator`, body. The answer is the status and
    /// the JSON body.
    pub fn control(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = Call {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Headers::default(),
            body,
        };
        let reply = control::execute(&self.shared, &call, path);
        (reply.status, reply.value())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
