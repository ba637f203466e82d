//! Fixtures of the conformance suite that speak on the stream of their call while they are at work.
//!
//! What holds here: nothing of it is part of a release. A fixture begins when its stream is open, because what it says
//! has no other way; from then on it goes on at its own times, which the object's alarm keeps, whether the stream stands or
//! not. A message below the level that its client asked for is not sent.

use std::collections::VecDeque;

use protocol::fixtures::{Act, Tell};
use protocol::ids::RequestId;
use protocol::limits::REQUEST_DEADLINE;
use protocol::mcp::envelope::LogLevel;
use protocol::stream::{Frame, Then};
use protocol::time::UnixMs;
use protocol::tools::Finished;

use super::mcp::demand::Started;
use super::run::{Run, Waiter, Work};
use super::settle::Settled;
use super::{Txn, UserSession};
use crate::ledger::EntryEvent;
use crate::queue::Priority;
use crate::turn::{Effect, Fault, ReplyTo, Turn};

/// A session that asked for no level hears what matters in everyday use.
const LEVEL_OF_SESSIONS: LogLevel = LogLevel::Info;

/// A fixture at work.
#[derive(Debug)]
pub(super) struct Talking {
    acts: VecDeque<Act>,
    /// When it goes on; none before its stream was opened.
    due: Option<UnixMs>,
}

impl UserSession {
    /// Does what a fixture does. One that only answers answers at once; any other waits for its stream.
    pub(super) fn talk(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        mut started: Started,
        acts: Vec<Act>,
    ) -> Result<(), Fault> {
        let mut acts = VecDeque::from(acts);
        if let Some(Act::AsTask { is_required }) = acts.front() {
            let is_required = *is_required;
            acts.pop_front();
            if started.may_become_task() {
                self.begin_task(turn, txn, &mut started)?;
            } else if is_required && started.entry.task.is_none() {
                return self.refuse_without_tasks(turn, txn, started);
            }
        }
        if let Some(Act::Ask(questions)) = acts.front() {
            return self.ask_client(turn, txn, started, questions);
        }
        if started.was_asked {
            self.ledger.update(txn, started.request, &started.entry)?;
        }
        let needs_stream = |act: &Act| match act {
            Act::Wait(_) | Act::CloseStream => true,
            Act::Tell(tell) => !matches!(tell, Tell::ListChanged(_)),
            _ => false,
        };
        let needs_no_stream = started.entry.task.is_some() || !acts.iter().any(needs_stream);
        let work = Work::Talk(Box::new(Talking { acts, due: None }));
        let deadline = turn.now.plus(REQUEST_DEADLINE);
        let mut run = Run::new(work, started.entry, Priority::Interactive, deadline);
        run.waiters.append(&mut started.waiters);
        let connections: Vec<ReplyTo> = run.waiters.iter().filter_map(|waiter| waiter.to).collect();
        self.runs.insert(started.request, run);
        if needs_no_stream {
            return self.go_on_talking(turn, txn, started.request);
        }
        for to in connections {
            self.on_late(txn, to);
        }
        Ok(())
    }

    /// Begins when the stream is open. Whoever resumes it finds the fixture at work.
    pub(super) fn begin_to_talk(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
    ) -> Result<(), Fault> {
        let waits = |run: &Run| matches!(&run.work, Work::Talk(talking) if talking.due.is_none());
        if self.runs.get(&request).is_some_and(waits) {
            return self.go_on_talking(turn, txn, request);
        }
        Ok(())
    }

    /// When the next fixture goes on.
    pub(super) fn talk_due(&self) -> Option<UnixMs> {
        self.runs.values().filter_map(due).min()
    }

    /// Lets every fixture go on whose pause is over.
    pub(super) fn talk_when_due(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let is_due = |run: &Run| due(run).is_some_and(|due| due <= turn.now);
        let requests: Vec<RequestId> =
            self.runs.iter().filter(|(_, run)| is_due(run)).map(|(request, _)| *request).collect();
        requests.into_iter().try_for_each(|request| self.go_on_talking(turn, txn, request))
    }

    /// Does one act after the other, up to a pause or to the end.
    fn go_on_talking(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, request: RequestId) -> Result<(), Fault> {
        let Some(mut run) = self.runs.remove(&request) else { return Ok(()) };
        loop {
            let Work::Talk(talking) = &mut run.work else { return Err(Fault::Invariant("not a fixture")) };
            match talking.acts.pop_front() {
                Some(Act::Tell(tell)) => self.tell(txn, &run, &tell),
                Some(Act::Wait(pause)) => {
                    talking.due = Some(turn.now.plus(pause));
                    self.runs.insert(request, run);
                    return Ok(());
                }
                Some(Act::CloseStream) => close_streams(txn, &mut run),
                Some(Act::Done(structured)) => {
                    run.entry.apply(EntryEvent::Sent);
                    let settled = Settled::Result(Finished::new(structured));
                    return self.settle(turn, txn, request, run, EntryEvent::Succeeded, &settled);
                }
                Some(Act::Fail(error)) => {
                    let settled = Settled::Refusal { status: 200, code: "fixture_failed", error };
                    return self.settle(turn, txn, request, run, EntryEvent::Refused, &settled);
                }
                Some(Act::AsTask { .. } | Act::Ask(_)) | None => {
                    return Err(Fault::Invariant("a fixture asks in the middle, or has no end"));
                }
            }
        }
    }

    fn tell(&self, txn: &mut Txn<'_>, run: &Run, tell: &Tell) {
        if let Tell::ListChanged(list) = tell {
            return self.on_list_changed(txn, *list);
        }
        for waiter in run.waiters.iter().filter(|waiter| waiter.is_stream) {
            let token = waiter.progress.as_ref().map(|progress| &progress.token);
            let json = tell.notification(token, self.level_for(waiter));
            if let (Some(to), Some(json)) = (waiter.to, json) {
                txn.emit(Effect::Push { to, frame: Frame { then: Then::Continue, event: None, json } });
            }
        }
    }

    fn level_for(&self, waiter: &Waiter) -> Option<LogLevel> {
        match waiter.session() {
            Some(session) => self.sessions.log_level(&session).or(Some(LEVEL_OF_SESSIONS)),
            // Without a session nothing is sent unasked (MCP 2026-07-28, server/utilities/logging).
            None => waiter.log_level,
        }
    }
}

fn due(run: &Run) -> Option<UnixMs> {
    match &run.work {
        Work::Talk(talking) => talking.due,
        _ => None,
    }
}

/// Ends the streams that can be resumed. Without a session breaking off would be a cancellation.
fn close_streams(txn: &mut Txn<'_>, run: &mut Run) {
    for waiter in run.waiters.iter_mut().filter(|waiter| waiter.is_stream && waiter.session().is_some()) {
        if let Some(to) = waiter.to.take() {
            txn.emit(Effect::Close { to });
        }
    }
}
