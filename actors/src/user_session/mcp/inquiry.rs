//! Questions to the client of a session, as requests on the stream of the call that has to ask.
//!
//! What holds here: while a person thinks nothing is needed of memory. What the call needs to go on lies sealed in its
//! row, so that the object may be evicted; waiting streams are known again by their sockets. A question is asked only of
//! a client that declared it, and answered only by a session that waits for the call. What does not fit the question, or
//! comes too late, ends the call or counts for nothing; it never counts as a yes.

use protocol::cbor;
use protocol::ids::{RequestId, SessionId};
use protocol::jsonrpc::Id;
use protocol::limits::{
    INPUT_RESPONSES_BYTES_MAX, INPUT_ROUNDS_MAX, INQUIRY_BYTES_MAX, REQUEST_STATE_LIFETIME, TASK_KEPT_FOR,
};
use protocol::mcp::envelope::{ClientCapabilities, letters};
use protocol::mcp::mrtr::{Questions, RequestState};
use protocol::mcp::questions::{QuestionId, question};
use protocol::stream::{Frame, Then};
use protocol::time::UnixMs;
use protocol::tools::{Fault as Blame, Planned, Target, ToolError};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::run::{Run, Work};
use super::super::settle::Settled;
use super::super::{Txn, UserSession};
use super::demand::Started;
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Transition};
use crate::queue::Priority;
use crate::turn::{Effect, Fault, ReplyTo, Turn};
use crate::vault;

/// What a call that asks its client needs to go on.
#[derive(Debug)]
pub(in super::super) struct Inquiry {
    target: Target,
    kept: Kept,
}

/// What of a call is sealed in its row while it asks or goes on as a task; the target stands there in clear.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(rename = "a")]
    pub arguments: Map<String, Value>,
    #[serde(rename = "k", with = "letters")]
    pub client: ClientCapabilities,
    #[serde(rename = "s")]
    pub state: RequestState,
}

impl UserSession {
    /// Asks on the stream of a call, once that is open.
    pub(super) fn ask_in_session(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
    ) -> Result<(), Fault> {
        if started.state.round >= INPUT_ROUNDS_MAX {
            let error = ToolError::new(
                Blame::Server,
                "too_many_rounds",
                "This call asked its client too often. Nothing happened.",
            );
            return self.refuse_at_once(turn, txn, started, error);
        }
        let Started { request, target, arguments, entry, waiters, client, mut state, .. } = started;
        state.round += 1;
        state.expires_at = turn.now.plus(REQUEST_STATE_LIFETIME);
        if entry.task.is_some() {
            // Nobody could fetch what comes after that.
            state.expires_at = state.expires_at.min(request.created_at().plus(TASK_KEPT_FOR));
        }
        let deadline = state.expires_at;
        let kept = Kept { arguments, client, state };
        let work = Work::Ask(Box::new(Inquiry { target, kept }));
        let mut run = Run::new(work, entry, Priority::Interactive, deadline);
        run.waiters = waiters;
        if !self.keep_inquiry(turn, txn, request, &mut run)? {
            let settled = Settled::Error(ToolError::new(
                Blame::Caller,
                "too_large_to_ask",
                "This call has to ask its client and is too large to be kept until the answer. Nothing happened. Send \
                 less, or use revision 2026-07-28.",
            ));
            return self.settle(turn, txn, request, run, EntryEvent::Refused, &settled);
        }
        let connections: Vec<ReplyTo> =
            run.waiters.iter().filter(|waiter| !waiter.is_stream).filter_map(|waiter| waiter.to).collect();
        // On one of the streams only: a message is sent once (MCP 2025-11-25, basic/transports, "Multiple Connections").
        let stream = run.waiters.iter().rev().filter(|waiter| waiter.is_stream).find_map(|waiter| waiter.to);
        if let Some(stream) = stream {
            self.ask_on_stream(txn, turn.now, request, &run, stream);
        }
        self.runs.insert(request, run);
        for to in connections {
            // There is no answer that could be prompt.
            self.on_late(txn, to);
        }
        Ok(())
    }

    /// Writes the row of a call that asks; `false` if it is too large for that.
    fn keep_inquiry(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: &mut Run,
    ) -> Result<bool, Fault> {
        let Work::Ask(inquiry) = &run.work else { return Err(Fault::Invariant("a call that does not ask")) };
        let Some(sealed) = self.seal_kept(turn, request, &inquiry.kept)? else { return Ok(false) };
        if run.entry.apply(EntryEvent::Asked) == Transition::Illegal {
            return Err(Fault::Invariant("a call asks against its transition table"));
        }
        run.entry.inquiry = Some(sealed);
        run.entry.touch_task(turn.now);
        self.ledger.update(txn, request, &run.entry)?;
        Ok(true)
    }

    /// Seals what a call needs to go on; `None` if it is too large for a row.
    pub(super) fn seal_kept(
        &self,
        turn: &mut Turn,
        request: RequestId,
        kept: &Kept,
    ) -> Result<Option<ByteBuf>, Fault> {
        let clear = cbor::encode(kept).ok_or(Fault::Invariant("an inquiry could not be written"))?;
        if clear.len() > INQUIRY_BYTES_MAX {
            return Ok(None);
        }
        let sealed = vault::seal_inquiry(&self.config, self.owner()?, request, &clear, &mut turn.entropy)?;
        Ok(Some(ByteBuf::from(sealed)))
    }

    /// Opens what a call needs to go on; `None` if there is nothing, or no key opens it any more.
    pub(super) fn open_kept(
        &self,
        request: RequestId,
        entry: &Entry,
    ) -> Result<Option<(Target, Kept)>, Fault> {
        let Kind::Tool(name) = &entry.kind else { return Ok(None) };
        let (Some(sealed), Some(target)) = (&entry.inquiry, Target::from_name(name)) else { return Ok(None) };
        let clear = vault::open_inquiry(&self.config, self.owner()?, request, sealed);
        Ok(clear.and_then(|clear| cbor::decode::<Kept>(&clear)).map(|kept| (target, kept)))
    }

    /// Goes on asking for a call of an earlier life of the object; gives back the entry of any other, and of one that no
    /// key opens any more.
    pub(in super::super) fn ask_on(
        &mut self,
        request: RequestId,
        entry: Entry,
    ) -> Result<Option<Entry>, Fault> {
        if entry.state != EntryState::Asking {
            return Ok(Some(entry));
        }
        let Some((target, kept)) = self.open_kept(request, &entry)? else { return Ok(Some(entry)) };
        let deadline = kept.state.expires_at;
        let work = Work::Ask(Box::new(Inquiry { target, kept }));
        self.runs.insert(request, Run::new(work, entry, Priority::Interactive, deadline));
        Ok(None)
    }

    /// Asks what is open on a stream, unless its client did not declare that, or hears the question on another one.
    pub(in super::super) fn ask_on_stream(
        &self,
        txn: &mut Txn<'_>,
        now: UnixMs,
        request: RequestId,
        run: &Run,
        to: ReplyTo,
    ) {
        let Work::Ask(inquiry) = &run.work else { return };
        let session = run
            .waiters
            .iter()
            .find(|waiter| waiter.to == Some(to))
            .and_then(super::super::run::Waiter::session);
        let Some(session) = session else { return };
        let hears_elsewhere = run.waiters.iter().any(|waiter| {
            waiter.is_stream
                && waiter.session() == Some(session)
                && waiter.to.is_some_and(|other| other != to)
        });
        let client = self.sessions.capabilities(&session);
        let questions = self.open_questions(now, request, inquiry);
        if hears_elsewhere || questions.iter().any(|(_, question)| !question.may_be_asked(client)) {
            return;
        }
        for (name, asked) in questions {
            let id = QuestionId { request, round: inquiry.kept.state.round, name: name.to_owned() };
            let frame = Frame { then: Then::Continue, event: None, json: question(&id, &asked) };
            txn.emit(Effect::Push { to, frame });
        }
    }

    pub(super) fn open_questions(&self, now: UnixMs, request: RequestId, inquiry: &Inquiry) -> Questions {
        let Inquiry { target, kept } = inquiry;
        let planned = self.plan(now, request, *target, &kept.arguments, (&kept.state.answers, kept.client));
        questions_of(&planned).cloned().unwrap_or_default()
    }

    /// Takes the client's answer to a question.
    pub(super) fn on_response(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        session: SessionId,
        id: &Id,
        result: Option<&RawValue>,
    ) -> Result<(), Fault> {
        let Id::Text(text) = id else { return Ok(()) };
        let Ok(QuestionId { request, round, name }) = text.parse() else { return Ok(()) };
        let waits = |run: &Run| {
            run.entry.session == Some(session)
                || run.waiters.iter().any(|waiter| waiter.session() == Some(session))
        };
        let is_asked = match self.runs.get(&request).map(|run| (&run.work, waits(run))) {
            Some((Work::Ask(inquiry), true)) if inquiry.kept.state.round == round => {
                let open = self.open_questions(turn.now, request, inquiry);
                // What was asked for may have come about by itself, such as an account that is connected by now.
                open.is_empty() || open.iter().any(|(known, _)| *known == name)
            }
            _ => false,
        };
        if !is_asked {
            return Ok(());
        }
        let answer = result
            .filter(|raw| raw.get().len() <= INPUT_RESPONSES_BYTES_MAX)
            .and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
        self.take_answers(turn, txn, request, vec![(name, answer)])
    }

    /// Goes on with what its client answered; questions that stay open go on waiting.
    pub(super) fn take_answers(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        answers: Vec<(String, Option<Value>)>,
    ) -> Result<(), Fault> {
        let Some(mut run) = self.runs.remove(&request) else { return Ok(()) };
        let Work::Ask(inquiry) = &mut run.work else { return Ok(()) };
        let before = inquiry.kept.state.answers.clone();
        let mut names = Vec::new();
        for (name, answer) in answers {
            if let Some(answer) = answer {
                inquiry.kept.state.answers.insert(&name, answer);
            }
            names.push(name);
        }
        let Inquiry { target, kept } = &**inquiry;
        let planned =
            self.plan(turn.now, request, *target, &kept.arguments, (&kept.state.answers, kept.client));
        let still_open = questions_of(&planned);
        let is_open =
            |name: &str| still_open.is_some_and(|open| open.iter().any(|(known, _)| *known == name));
        // A session answers a question once; a task is asked for until it is answered.
        if run.entry.task.is_none() && names.iter().any(|name| is_open(name)) {
            let settled = Settled::Error(not_answered());
            return self.settle(turn, txn, request, run, EntryEvent::Refused, &settled);
        }
        let of_this_round = self.plan(turn.now, request, *target, &kept.arguments, (&before, kept.client));
        let of_this_round = questions_of(&of_this_round);
        let waits_for_more = still_open.is_some_and(|open| {
            open.iter().all(|(name, _)| {
                of_this_round.is_some_and(|asked| asked.iter().any(|(known, _)| known == name))
            })
        });
        if waits_for_more {
            if !self.keep_inquiry(turn, txn, request, &mut run)? {
                let settled = Settled::Error(not_answered());
                return self.settle(turn, txn, request, run, EntryEvent::Refused, &settled);
            }
            self.runs.insert(request, run);
            return Ok(());
        }
        self.resume_asked(turn, txn, request, run, planned)
    }

    /// Goes on with a call whose client answered everything.
    fn resume_asked(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: Run,
        planned: Result<Planned, ToolError>,
    ) -> Result<(), Fault> {
        let Run { work: Work::Ask(inquiry), mut entry, waiters, .. } = run else {
            return Err(Fault::Invariant("a call that does not ask"));
        };
        let Inquiry { target, kept: Kept { arguments, client, state } } = *inquiry;
        if entry.apply(EntryEvent::Requeued) == Transition::Illegal {
            return Err(Fault::Invariant("an answered call cannot go on"));
        }
        entry.inquiry = None;
        let (was_asked, assertion) = (true, None);
        let mut started =
            Started { request, target, arguments, entry, waiters, client, state, was_asked, assertion };
        self.keep_task(turn, &mut started)?;
        self.proceed(turn, txn, started, planned)
    }

    /// Calls off what a session that has ended was asked for, unless another one waits for it too.
    pub(in super::super) fn stop_asking(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        session: SessionId,
    ) -> Result<(), Fault> {
        let is_its_own = |run: &Run| {
            run.is_asking()
                && run.entry.session == Some(session)
                && run.waiters.iter().all(|waiter| waiter.session() == Some(session))
        };
        let asked: Vec<RequestId> =
            self.runs.iter().filter(|(_, run)| is_its_own(run)).map(|(request, _)| *request).collect();
        asked.into_iter().try_for_each(|request| self.call_off(turn, txn, request))
    }
}

/// What a plan asks its client.
fn questions_of(planned: &Result<Planned, ToolError>) -> Option<&Questions> {
    match planned {
        Ok(Planned::Ask(questions)) => Some(questions),
        #[cfg(feature = "conformance")]
        Ok(Planned::Talk(acts)) => acts.iter().find_map(|act| match act {
            protocol::fixtures::Act::Ask(questions) => Some(questions),
            _ => None,
        }),
        _ => None,
    }
}

fn not_answered() -> ToolError {
    ToolError::new(
        Blame::Caller,
        "not_answered",
        "The client could not answer what this call had to ask. Nothing happened.",
    )
}

/// What a call ends with whose person did not answer.
pub(in super::super) fn not_answered_in_time() -> ToolError {
    ToolError::new(
        Blame::Caller,
        "not_answered",
        "What this call had to ask was not answered within ten minutes. Nothing happened.",
    )
}
