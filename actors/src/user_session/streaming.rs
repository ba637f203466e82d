//! Late answers: a request that is not answered promptly goes on as a stream, and progress is told on the way.
//!
//! What holds here: whether a client still listens never decides what a write does once it has left. Where there are
//! sessions a stream that broke can be taken up again, and breaking is no cancellation; in the revision without them it
//! is one (MCP 2026-07-28, basic/transports). Progress is told when something changes and never by a timer.

use protocol::ids::{OpId, RequestId};
use protocol::jsonrpc::{self, RpcError, codes};
use protocol::mcp::{self, Revision};
use protocol::object::{Attach, Caller, Challenge, Late, ObjectReply};
use protocol::stream::{Frame, StreamKey, Then};
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::ToolError;

use super::run::{Conversation, Run, Waiter, Work};
use super::settle::Settled;
use super::{Txn, UserSession, reply};
use crate::ledger::{EntryEvent, Ledger};
use crate::turn::{Effect, Fault, ReplyTo, Turn};

/// A wait that is shorter than this is not worth a word.
const WORTH_TELLING: DurationMs = DurationMs(500);

impl UserSession {
    /// A request was not answered promptly: from now on its client waits on a stream, which it still has to open.
    pub(super) fn on_late(&mut self, txn: &mut Txn<'_>, to: ReplyTo) {
        let sessions = &self.sessions;
        let found = self.runs.iter_mut().find_map(|(request, run)| {
            let waiter = run.waiters.iter_mut().find(|waiter| waiter.to == Some(to))?;
            let id = waiter.id.clone()?;
            waiter.to = None;
            let revision = waiter.session().and_then(|session| sessions.revision(&session));
            // Older clients take an event without data for a message.
            let primes = revision.is_some_and(|revision| revision >= Revision::November2025);
            Some(Late { stream: StreamKey { request: *request, id }, primes })
        });
        if let Some(late) = found {
            reply(txn, to, ObjectReply::late(late));
        }
    }

    /// A stream is opened for the first time or again.
    pub(super) fn on_attach(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        attach: Attach,
    ) -> Result<(), Fault> {
        if !self.may_act(&caller.grant) {
            reply(txn, to, ObjectReply::challenged(Challenge::InvalidToken));
            return Ok(());
        }
        let Attach { session, stream: StreamKey { request, id }, is_restored } = attach;
        let session = session.as_deref().map(|header| self.sessions.find(header, caller.grant, &self.grants));
        let session = match session {
            Some(None) => {
                reply(txn, to, ObjectReply::status(404));
                return Ok(());
            }
            Some(Some((session, _))) => Some(session),
            None => None,
        };
        let entry = Ledger::entry(txn, request)?;
        let is_own = match (&entry, session) {
            (None, _) => false,
            (Some(entry), Some(session)) => {
                let id_text = serde_json::to_string(&id).unwrap_or_default();
                let named = self.fingerprint(&[b"id", session.as_bytes(), id_text.as_bytes()])?;
                entry.ids_in_sessions().any(|known| known == named)
            }
            (Some(entry), None) => entry.session.is_none() && self.began(caller, entry),
        };
        let Some(entry) = entry.filter(|_| is_own) else {
            reply(txn, to, ObjectReply::status(404));
            return Ok(());
        };
        if let Some(session) = session {
            self.sessions.touch(txn, &session, turn.now)?;
        }
        let conversation = session.map_or(Conversation::Grant(caller.grant), Conversation::Session);
        let waiter = Waiter::new(to, Some(id), Some(conversation), turn.now).on_stream();
        if let Some(mut run) = self.runs.remove(&request) {
            run.attach(waiter);
            match &run.work {
                Work::Ask(_) if is_restored => {}
                // Whoever comes back may not have heard the question.
                Work::Ask(_) => self.ask_on_stream(txn, turn.now, request, &run, to),
                #[cfg(feature = "conformance")]
                Work::Talk(_) => {
                    self.runs.insert(request, run);
                    return self.begin_to_talk(turn, txn, request);
                }
                _ => tell_state(txn, turn.now, &mut run),
            }
            self.runs.insert(request, run);
            return Ok(());
        }
        if !self.answer_again(txn, request, &entry, &waiter)? {
            let error = RpcError::new(
                codes::INTERNAL_ERROR,
                "The answer to this request is not kept any more. Send the request again under a new id.",
            );
            let mut answer = ObjectReply::json(jsonrpc::failure(waiter.id.as_ref(), &error));
            answer.event = waiter.answer_event(request);
            reply(txn, to, answer);
        }
        Ok(())
    }

    /// A stream broke. Whoever has a session may come back for the answer; anybody else has cancelled.
    pub(super) fn on_gone(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, to: ReplyTo) -> Result<(), Fault> {
        if self.listeners.remove(&to).is_some() {
            return Ok(());
        }
        let mut cancelled = None;
        for (request, run) in &mut self.runs {
            let Some(position) = run.waiters.iter().position(|waiter| waiter.to == Some(to)) else {
                continue;
            };
            let Some(waiter) = run.waiters.get_mut(position) else { continue };
            if waiter.session().is_some() {
                waiter.to = None;
            } else {
                run.waiters.remove(position);
                cancelled = run.waiters.is_empty().then_some(*request);
            }
            break;
        }
        match cancelled {
            Some(request) => self.call_off(turn, txn, request),
            None => Ok(()),
        }
    }
}

impl Run {
    /// Lets a stream wait for the run, in place of the connection or stream on which the same was awaited before.
    fn attach(&mut self, mut waiter: Waiter) {
        // Without a session nobody takes the place of one who is still there: equal ids are two clients.
        let replaces = |known: &&mut Waiter| {
            known.id == waiter.id
                && known.conversation == waiter.conversation
                && (known.to.is_none() || waiter.session().is_some())
        };
        let earlier = self.waiters.iter_mut().find(replaces);
        match earlier {
            Some(earlier) => {
                waiter.asked_at = earlier.asked_at;
                waiter.progress = earlier.progress.take();
                waiter.uri = earlier.uri.take();
                #[cfg(feature = "conformance")]
                {
                    waiter.log_level = earlier.log_level;
                }
                *earlier = waiter;
            }
            None => self.join(waiter),
        }
    }
}

/// Tells everyone who asked for progress what a run waits for.
pub(super) fn tell(txn: &mut Txn<'_>, run: &mut Run, message: &str) {
    for waiter in &mut run.waiters {
        let (Some(to), Some(progress), true) = (waiter.to, &mut waiter.progress, waiter.is_stream) else {
            continue;
        };
        progress.told += 1;
        let json = mcp::progress(&progress.token, progress.told, message);
        txn.emit(Effect::Push { to, frame: Frame { then: Then::Continue, event: None, json } });
    }
}

/// Tells that a run's next call has to wait, and for how long.
pub(super) fn tell_wait(txn: &mut Txn<'_>, now: UnixMs, run: &mut Run, not_before: UnixMs) {
    let wait = not_before.since(now);
    if run.looking {
        tell(txn, run, "The answer was lost. Finding out whether the call took effect.");
    } else if wait >= WORTH_TELLING {
        let reason = run.held_up_by.unwrap_or("No clear answer");
        let seconds = wait.0.div_ceil(1_000);
        tell(txn, run, &format!("{reason}; trying again in {seconds} s."));
    }
}

/// Tells a client that has just opened its stream where its request stands.
fn tell_state(txn: &mut Txn<'_>, now: UnixMs, run: &mut Run) {
    if run.in_flight_until.is_some() {
        tell(txn, run, "Waiting for Microsoft's answer.");
    } else if run.not_before > now {
        let not_before = run.not_before;
        tell_wait(txn, now, run, not_before);
    } else {
        tell(txn, run, "Waiting for a free place; other calls of yours come first.");
    }
}

impl UserSession {
    /// Calls off what nobody wants any more, if nothing has been committed to. A read in flight is over for everybody but
    /// Microsoft, so its place stays taken until it comes back.
    pub(super) fn call_off(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
    ) -> Result<(), Fault> {
        if !self.runs.get(&request).is_some_and(Run::has_no_intent) {
            return Ok(());
        }
        let Some(run) = self.runs.remove(&request) else { return Ok(()) };
        if let Some(until) = run.in_flight_until {
            self.queue.abandon(OpId { request, sequence: run.sequence }, until);
        }
        let settled = Settled::Error(ToolError::cancelled());
        self.settle(turn, txn, request, run, EntryEvent::Cancelled, &settled)
    }
}
