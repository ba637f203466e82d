//! The way to the directory of people: reports and faults, for which nobody waits.
//!
//! What holds here: where there is no directory nothing is sent; a directory that cannot be reached changes nothing for the
//! person, and is said in the log at most once a minute; what is lost is made up for by the next report.

use std::cell::Cell;

use protocol::cbor;
use protocol::ids::UserKey;
use protocol::limits::REPORT_EVERY;
use protocol::operator::directory::{Question, shard_name, shard_of};
use protocol::time::UnixMs;
use worker::{Env, Result};

use super::bridge::ask;

/// The binding of the directory's objects.
const BINDING: &str = "DIRECTORY";

/// Something that is said at most once in [`REPORT_EVERY`].
#[derive(Default)]
pub(super) struct Seldom(Cell<Option<UnixMs>>);

impl Seldom {
    /// Whether it may be said now, which then counts as done.
    pub(super) fn may(&self, now: UnixMs) -> bool {
        let is_time = self.0.get().is_none_or(|last| now < last || now.since(last) >= REPORT_EVERY);
        if is_time {
            self.0.set(Some(now));
        }
        is_time
    }
}

/// Tells the shard that knows a person something; `false` where there is no directory.
pub(super) async fn tell(env: &Env, user: &UserKey, question: &Question) -> Result<bool> {
    if env.durable_object(BINDING).is_err() {
        return Ok(false);
    }
    let Some(frame) = cbor::encode(question) else { return Ok(false) };
    let answer = ask(env, BINDING, &shard_name(shard_of(user)), &frame).await?;
    if answer.status() >= 400 {
        return Err(worker::Error::RustError(format!("the directory answered {}", answer.status())));
    }
    Ok(true)
}
