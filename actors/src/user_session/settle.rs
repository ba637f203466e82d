//! How requests end: the entry's last row, the log line, and the answers to those who wait.
//!
//! What holds here: all final answers to one request are equal; an answer is kept sealed, and only as long and as large
//! as the limits allow; an entry is settled once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use protocol::digest::keyed_digests;
use protocol::entra::ClaimsChallenge;
use protocol::ids::RequestId;
use protocol::jsonrpc::{self, RpcError};
use protocol::limits::{
    PROMPT_ANSWER, STORED_ANSWER_BYTES_MAX, TASK_ANSWER_BYTES_MAX, UNCONFIRMED_ANSWERS_MAX,
};
use protocol::mcp::{Cache, Method, errors, failure_of, stateless_text, tool_failure, tool_success};
use protocol::object::{ObjectReply, STEP_UP, StepUp};
use protocol::outbound::Lost;
use protocol::time::UnixMs;
use protocol::tools::resource::contents;
use protocol::tools::{Finished, Target, Tool, ToolError, cursor, handles, mailbox_zone};
use serde_bytes::ByteBuf;

use super::run::{Run, Waiter, Work};
use super::{Txn, UserSession, reply};
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Ledger, Transition};
use crate::log::LogLine;
use crate::turn::{Effect, Fault, ReplyTo, Turn};
use crate::vault;

/// What a request ended with.
#[derive(Debug)]
pub(super) enum Settled {
    /// A tool's result.
    Result(Finished),
    /// A tool's error.
    Error(ToolError),
    /// An answer to the edge itself: a status and a code.
    Plain { status: u16, code: &'static str },
    /// A whole result that is neither kept nor changed: a question to the client.
    Question(String),
    /// The request as such is refused, with the status that its revision prescribes.
    Refusal { status: u16, code: &'static str, error: RpcError },
    /// An answer to the edge itself: Microsoft demands these claims of the person.
    StepUp(ClaimsChallenge),
}

impl Settled {
    fn code(&self) -> &'static str {
        match self {
            Self::Result(_) => "ok",
            Self::Error(error) => error.code,
            Self::Plain { code, .. } | Self::Refusal { code, .. } => code,
            Self::Question(_) => "input_required",
            Self::StepUp(_) => "step_up",
        }
    }

    /// The answer in the form that the request's kind asks for; none for the edge's own requests.
    fn spoken(&self, kind: &Kind) -> Result<Option<Spoken>, Fault> {
        let Kind::Tool(name) = kind else { return Ok(None) };
        Ok(match (Target::from_name(name), self) {
            (_, Self::Plain { .. } | Self::StepUp(_)) => None,
            (_, Self::Question(result)) => Some(Spoken::AsItIs(result.clone())),
            (_, Self::Refusal { status, error, .. }) => Some(Spoken::Refusal(*status, error.clone())),
            (Some(Target::Resource(resource)), Self::Result(finished)) => {
                Some(Spoken::Result(to_json(&contents(resource, finished))?))
            }
            (Some(Target::Tool(_)) | None, Self::Result(finished)) => {
                Some(Spoken::Result(tool_success(finished)))
            }
            (Some(Target::Tool(_)) | None, Self::Error(error)) => {
                Some(Spoken::Result(to_json(&tool_failure(error))?))
            }
            // What these end with is the result itself.
            (Some(_), Self::Result(finished)) => Some(Spoken::Result(finished.text())),
            (Some(_), Self::Error(error)) => Some(Spoken::Error(error.clone())),
        })
    }
}

/// An answer as JSON-RPC has it.
#[derive(Clone, Debug)]
pub(super) enum Spoken {
    /// A result, which is kept for repeats.
    Result(String),
    /// An error, which is not: only reads end with one, and a read that is asked for again runs again.
    Error(ToolError),
    /// A result that is not kept either and has all that its revision demands.
    AsItIs(String),
    /// A refusal of the request as such.
    Refusal(u16, RpcError),
}

impl Spoken {
    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Result(text) | Self::AsItIs(text) => text.len(),
            Self::Error(_) | Self::Refusal(..) => 0,
        }
    }
}

impl UserSession {
    /// Settles a request that was at work.
    pub(super) fn settle(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: Run,
        event: EntryEvent,
        settled: &Settled,
    ) -> Result<(), Fault> {
        let left_behind = match (&run.work, settled) {
            (Work::Tool { plan, .. }, Settled::Error(error)) if event == EntryEvent::Refused => {
                plan.left_behind().map(|what| Settled::Error(error.clone().ending(what)))
            }
            _ => None,
        };
        let settled = left_behind.as_ref().unwrap_or(settled);
        self.settle_entry(turn, txn, request, run.entry, &run.waiters, event, settled)
    }

    /// Settles a request: row, log line, answers.
    #[expect(clippy::too_many_arguments, reason = "the facts of an ending, each of which is needed once")]
    pub(super) fn settle_entry(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        mut entry: Entry,
        waiters: &[Waiter],
        event: EntryEvent,
        settled: &Settled,
    ) -> Result<(), Fault> {
        self.queue.withdraw(&request);
        self.queue.release(&request);
        if !matches!(entry.apply(event), Transition::To(_)) {
            return Err(Fault::Invariant("a request was settled against its transition table"));
        }
        let user = self.owner()?;
        let dressed = self.dressed(turn, txn, &entry, settled)?;
        let mut settled = dressed.as_ref().unwrap_or(settled);
        let mut answer = settled.spoken(&entry.kind)?;
        let too_large = Settled::Error(ToolError::lost_read(Lost::TooLarge));
        if entry.task.is_some() && answer.as_ref().is_some_and(|answer| answer.len() > TASK_ANSWER_BYTES_MAX)
        {
            settled = &too_large;
            answer = settled.spoken(&entry.kind)?;
        }
        if matches!(entry.state, EntryState::Failed | EntryState::Cancelled) {
            self.sends.forget(&request);
        }
        entry.settled_at = Some(turn.now);
        entry.inquiry = None;
        entry.outcome = Some(settled.code().to_owned());
        if entry.state != EntryState::Unknown {
            entry.intent = None;
        }
        let kept = keep(&mut entry, turn.now, answer.as_ref())?;
        if let Some(kept) = kept {
            let sealed = vault::seal_answer(&self.config, user, request, &kept, &mut turn.entropy)?;
            entry.answer = Some(ByteBuf::from(sealed));
        }
        let key = self.chain_key()?;
        self.ledger.settle(txn, &key, request, &mut entry)?;
        txn.emit(Effect::Log(LogLine::settled(&self.config, user, request, &entry, turn.now)));
        for waiter in waiters {
            answer_waiter(txn, request, &entry, (waiter, turn.now), settled, answer.as_ref())?;
            self.remember_late_answer(&entry, request, waiter, turn.now);
        }
        if let Some(answer) = answer {
            self.opening.hold(turn.now, request, &entry, waiters, &answer);
        }
        Ok(())
    }

    /// A result as it leaves: with local times, with short names, cleaned, fenced, and with a cursor where it was cut.
    fn dressed(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        entry: &Entry,
        settled: &Settled,
    ) -> Result<Option<Settled>, Fault> {
        let Settled::Result(finished) = settled else { return Ok(None) };
        let mut finished = finished.clone();
        let is_tool = matches!(&entry.kind, Kind::Tool(name)
            if matches!(Target::from_name(name), Some(Target::Tool(_))));
        // What a resource shows is never gone on with, and what a write made is named in its receipt once.
        finished.goes_on = finished.goes_on.filter(|_| is_tool);
        let is_of_app = matches!(&entry.kind, Kind::Tool(name) if name == Tool::CallLinkedApp.name());
        if !is_of_app {
            mailbox_zone::add_local_times(&mut finished, self.zone_to_show(turn.now), entry.writes);
        }
        if let Err(error) = self.config.policy.sites.withhold(&mut finished.structured) {
            return Ok(Some(Settled::Error(error)));
        }
        if is_tool && !entry.writes {
            let mut shown = BTreeMap::new();
            if let Some(key) = &self.digest_key {
                let digest_of = keyed_digests(key.clear.expose());
                handles::visit(&mut finished.structured, &mut |id| {
                    let handle = handles::handle_of(&digest_of(&[b"handle", id.as_bytes()]));
                    shown.insert(handle.clone(), std::mem::replace(id, handle));
                });
            }
            self.handles.show(txn, shown, turn.now)?;
        }
        let (keys, user) = (&self.config.encryption_keys, self.owner()?);
        let place = finished.goes_on.as_ref();
        let cursor = place.and_then(|place| cursor::seal(keys, user, place, turn.now, turn.entropy.bytes()));
        Ok(Some(Settled::Result(finished.dressed(cursor, turn.entropy.bytes()))))
    }

    /// Remembers a late answer to a write until its client says something. The platform takes an answer also for a client
    /// that closed its connection while it waited, so that the answer's being taken proves nothing; until then an equal
    /// call gets the same answer and is not a new call.
    fn remember_late_answer(&mut self, entry: &Entry, request: RequestId, waiter: &Waiter, now: UnixMs) {
        let Some(conversation) = waiter.conversation else { return };
        // Without a session a stream is not taken up again, and whether its answer was taken is told by itself.
        let is_told = if waiter.is_stream { waiter.is_stateless() } else { is_prompt(waiter, now) };
        if !entry.writes || is_told {
            return;
        }
        let remembered: usize = self.unconfirmed.values().map(BTreeSet::len).sum();
        if remembered < UNCONFIRMED_ANSWERS_MAX {
            self.unconfirmed.entry(conversation).or_default().insert(request);
        }
    }

    /// Answers those who wait for a run that goes on: its outcome is still being found out.
    pub(super) fn answer_early(
        &mut self,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: &mut Run,
        error: &ToolError,
    ) -> Result<(), Fault> {
        let settled = Settled::Error(error.clone());
        let answer = settled.spoken(&run.entry.kind)?;
        for waiter in run.waiters.drain(..) {
            answer_waiter(txn, request, &run.entry, (&waiter, waiter.asked_at), &settled, answer.as_ref())?;
        }
        Ok(())
    }

    /// The client's side took the answer of a settled write: from now on an equal call is a new call.
    pub(super) fn on_delivered(&mut self, txn: &mut Txn<'_>, request: RequestId) -> Result<(), Fault> {
        let Some(mut entry) = Ledger::entry(txn, request)? else { return Ok(()) };
        if entry.state.is_final() && !entry.delivered {
            entry.delivered = true;
            self.ledger.update(txn, request, &entry)?;
        }
        Ok(())
    }

    /// Gives the kept answer of a settled entry to a repeat; `false` if there is none any more.
    pub(super) fn answer_again(
        &mut self,
        txn: &mut Txn<'_>,
        request: RequestId,
        entry: &Entry,
        waiter: &Waiter,
    ) -> Result<bool, Fault> {
        let user = self.owner()?;
        let kept =
            entry.answer.as_ref().and_then(|sealed| vault::open_answer(&self.config, user, request, sealed));
        let Some(answer) = kept else { return Ok(false) };
        // It lay ready, so it is as prompt as an answer can be.
        answer_tool_waiter(txn, request, entry, (waiter, waiter.asked_at), &answer)?;
        Ok(true)
    }
}

/// Whether the client that asked was certainly still there when the answer left.
fn is_prompt(waiter: &Waiter, now: UnixMs) -> bool {
    now.since(waiter.asked_at) <= PROMPT_ANSWER
}

/// What is kept of an answer: a result that may be asked for again, and whatever a task ended with.
fn keep(entry: &mut Entry, now: UnixMs, answer: Option<&Spoken>) -> Result<Option<String>, Fault> {
    let Some(task) = &mut entry.task else {
        return Ok(match answer {
            Some(Spoken::Result(answer)) if is_worth_keeping(entry, answer) => Some(answer.clone()),
            _ => None,
        });
    };
    task.changed_at = now;
    let error = match answer {
        Some(Spoken::Result(answer)) => return Ok(Some(answer.clone())),
        Some(Spoken::Error(error)) => &failure_of(error),
        Some(Spoken::Refusal(_, error)) => error,
        Some(Spoken::AsItIs(_)) | None => return Ok(None),
    };
    task.is_error = true;
    to_json(error).map(Some)
}

/// Reads are kept only where a repeat can be recognised; a write's answer is its receipt and is always kept.
fn is_worth_keeping(entry: &Entry, answer: &str) -> bool {
    answer.len() <= STORED_ANSWER_BYTES_MAX && (entry.writes || entry.in_session.is_some())
}

pub(super) fn to_json(result: &impl serde::Serialize) -> Result<String, Fault> {
    serde_json::to_string(result).map_err(|_| Fault::Invariant("a result could not be written"))
}

fn answer_waiter(
    txn: &mut Txn<'_>,
    request: RequestId,
    entry: &Entry,
    (waiter, now): (&Waiter, UnixMs),
    settled: &Settled,
    answer: Option<&Spoken>,
) -> Result<(), Fault> {
    let Some(to) = waiter.to else { return Ok(()) };
    match (answer, settled) {
        (Some(answer), _) => speak(txn, request, entry, (waiter, now), answer),
        (None, Settled::Plain { status, code }) => {
            let body = serde_json::json!({ "code": code }).to_string();
            reply(txn, to, ObjectReply::status_with_body(*status, body));
            Ok(())
        }
        (None, Settled::StepUp(claims)) => reply_step_up(txn, to, claims),
        (None, _) => {
            let body = serde_json::json!({ "code": settled.code() }).to_string();
            reply(txn, to, ObjectReply::status_with_body(503, body));
            Ok(())
        }
    }
}

/// Answers somebody who waits.
pub(super) fn speak(
    txn: &mut Txn<'_>,
    request: RequestId,
    entry: &Entry,
    (waiter, now): (&Waiter, UnixMs),
    answer: &Spoken,
) -> Result<(), Fault> {
    let Some(to) = waiter.to else { return Ok(()) };
    match answer {
        Spoken::Result(answer) => answer_tool_waiter(txn, request, entry, (waiter, now), answer),
        Spoken::Error(error) => {
            let error = error_in_its_era(error, entry, waiter);
            let mut answer = ObjectReply::json(jsonrpc::failure(waiter.id.as_ref(), &error));
            answer.answers = Some(request);
            answer.event = waiter.answer_event(request);
            reply(txn, to, answer);
            Ok(())
        }
        Spoken::AsItIs(result) => {
            let mut answer = ObjectReply::json(result_for(waiter, result)?);
            answer.answers = Some(request);
            answer.event = waiter.answer_event(request);
            reply(txn, to, answer);
            Ok(())
        }
        Spoken::Refusal(status, error) => {
            let body = jsonrpc::failure(waiter.id.as_ref(), error);
            reply(txn, to, ObjectReply::status_with_body(*status, body));
            Ok(())
        }
    }
}

/// Tells the edge that the person has to go to Microsoft once more, with these claims.
pub(super) fn reply_step_up(txn: &mut Txn<'_>, to: ReplyTo, claims: &ClaimsChallenge) -> Result<(), Fault> {
    let body = to_json(&StepUp { claims: claims.text() })?;
    reply(txn, to, ObjectReply::status_with_body(STEP_UP, body));
    Ok(())
}

fn answer_tool_waiter(
    txn: &mut Txn<'_>,
    request: RequestId,
    entry: &Entry,
    (waiter, now): (&Waiter, UnixMs),
    answer: &str,
) -> Result<(), Fault> {
    let mut answer = ObjectReply::json(result_for(waiter, &in_its_era(answer, &entry.kind, waiter))?);
    answer.answers = Some(request);
    answer.is_final = entry.writes && entry.state.is_final();
    // Where there are sessions, whether a stream's answer arrived is known once the session goes on.
    let can_tell = if waiter.is_stream { waiter.is_stateless() } else { is_prompt(waiter, now) };
    answer.delivers = answer.is_final && can_tell;
    answer.event = waiter.answer_event(request);
    if let Some(to) = waiter.to {
        reply(txn, to, answer);
    }
    Ok(())
}

/// A result in the form of the revision in which it was asked for.
pub(super) fn in_its_era<'a>(result: &'a str, kind: &Kind, waiter: &Waiter) -> Cow<'a, str> {
    if !waiter.is_stateless() {
        return result.into();
    }
    let is_resource = matches!(kind, Kind::Tool(name)
        if Target::from_name(name).is_some_and(Target::is_resource));
    let method = if is_resource { Method::ReadResource } else { Method::CallTool };
    stateless_text(result, Cache::of(method)).into()
}

/// The response that carries a result.
pub(super) fn result_for(waiter: &Waiter, result: &str) -> Result<String, Fault> {
    let id = waiter.id.as_ref().ok_or(Fault::Invariant("a tool call without an id"))?;
    Ok(jsonrpc::success_of_text(id, result))
}

/// An item that Microsoft does not find, or whose identifier it does not take for one, is a resource that does not exist.
fn error_in_its_era(error: &ToolError, entry: &Entry, waiter: &Waiter) -> RpcError {
    let is_resource = matches!(&entry.kind, Kind::Tool(name)
        if Target::from_name(name).is_some_and(Target::is_resource));
    match &waiter.uri {
        Some(uri) if is_resource && matches!(error.code, "not_found" | "refused") => {
            errors::resource_not_found(uri, waiter.is_stateless())
        }
        _ => failure_of(error),
    }
}
