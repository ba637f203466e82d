//! Answers that came while the stream on which they are awaited was being opened.
//!
//! What holds here: a client that was told to wait on a stream finds its answer there, whatever the answer is and however
//! soon it came. They are of memory only and few, because a stream is opened in an instant; who comes back much later has
//! the stored answer, if that is of a kind that is stored.

use std::collections::VecDeque;

use protocol::ids::RequestId;
use protocol::limits::{OPENING_ANSWERS_BYTES_MAX, OPENING_ANSWERS_FOR};
use protocol::time::UnixMs;

use super::run::Waiter;
use super::settle::Spoken;
use crate::ledger::Entry;

/// An answer and for whom it is.
#[derive(Debug)]
pub(super) struct Held {
    since: UnixMs,
    request: RequestId,
    /// Who waits, as it asked.
    pub waiter: Waiter,
    /// The entry as it was settled.
    pub entry: Entry,
    /// The answer.
    pub answer: Spoken,
}

/// The answers that are held, oldest first.
#[derive(Debug, Default)]
pub(super) struct Opening(VecDeque<Held>);

impl Opening {
    /// Holds an answer for each of those who have no connection now.
    pub fn hold(
        &mut self,
        now: UnixMs,
        request: RequestId,
        entry: &Entry,
        waiters: &[Waiter],
        answer: &Spoken,
    ) {
        self.forget_old(now);
        for waiter in waiters.iter().filter(|waiter| waiter.to.is_none() && waiter.id.is_some()) {
            let (waiter, entry, answer) = (waiter.clone(), entry.clone(), answer.clone());
            self.0.push_back(Held { since: now, request, waiter, entry, answer });
        }
        while self.0.iter().map(|held| held.answer.len()).sum::<usize>() > OPENING_ANSWERS_BYTES_MAX {
            self.0.pop_front();
        }
    }

    /// The answer for whoever opened its stream now.
    pub fn take(&mut self, now: UnixMs, request: RequestId, waiter: &Waiter) -> Option<Held> {
        self.forget_old(now);
        let is_for = |held: &Held| {
            held.request == request
                && held.waiter.id == waiter.id
                && held.waiter.conversation == waiter.conversation
        };
        let position = self.0.iter().position(is_for)?;
        self.0.remove(position)
    }

    fn forget_old(&mut self, now: UnixMs) {
        self.0.retain(|held| now < held.since.plus(OPENING_ANSWERS_FOR));
    }
}
