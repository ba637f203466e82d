//! Tasks: calls whose client fetches the outcome later (the extension of SEP-2663).
//!
//! What holds here: a task is the ledger entry of its call and nothing else. What it needs to go on lies sealed in its row
//! before its client hears of it, so that it survives the object's memory; it belongs to the grant that began it and to
//! nobody else; it only reads, so that beginning it anew does no harm. After its time it does not exist any more, whatever
//! the ledger still says of the call.

use protocol::ids::RequestId;
use protocol::jsonrpc::{self, Id, RpcError, codes};
use protocol::limits::TASK_KEPT_FOR;
use protocol::mcp::tasks::{self, Standing};
use protocol::mcp::{Cache, Method, mrtr, stateless_result};
use protocol::object::ObjectReply;
use protocol::time::UnixMs;
use serde_json::value::RawValue;

use super::super::run::{Waiter, Work};
use super::super::settle::result_for;
use super::super::{Txn, UserSession, reply};
use super::demand::Started;
use super::inquiry::Kept;
use super::{Asking, refuse};
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Ledger, TaskMark, Transition};
use crate::turn::{Fault, ReplyTo, Turn};
use crate::vault;

impl Started {
    /// Whether its client fetches outcomes, and this is not a task already.
    pub(in super::super) fn may_become_task(&self) -> bool {
        self.client.tasks && self.entry.session.is_none() && self.entry.task.is_none() && !self.entry.writes
    }
}

impl UserSession {
    /// Lets a call go on as a task. What is too large to be kept goes on as it is.
    pub(in super::super) fn begin_task(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: &mut Started,
    ) -> Result<(), Fault> {
        started.entry.task = Some(TaskMark { changed_at: turn.now, is_error: false });
        self.keep_task(turn, started)?;
        if started.entry.inquiry.is_none() {
            started.entry.task = None;
            return Ok(());
        }
        self.ledger.update(txn, started.request, &started.entry)?;
        for waiter in std::mem::take(&mut started.waiters) {
            hand_out(txn, started.request, turn.now, &waiter)?;
        }
        Ok(())
    }

    /// Keeps what a task needs to go on after the object lost its memory.
    pub(super) fn keep_task(&self, turn: &mut Turn, started: &mut Started) -> Result<(), Fault> {
        if started.entry.task.is_none() {
            return Ok(());
        }
        let Started { arguments, client, state, .. } = &*started;
        let kept = Kept { arguments: arguments.clone(), client: *client, state: state.clone() };
        started.entry.inquiry = self.seal_kept(turn, started.request, &kept)?;
        started.entry.touch_task(turn.now);
        Ok(())
    }

    /// Gives a repeat of a call the task that the first one became; `false` if it became none.
    pub(super) fn hand_out_task(
        &self,
        txn: &mut Txn<'_>,
        request: RequestId,
        waiter: &Waiter,
    ) -> Result<bool, Fault> {
        match Ledger::entry(txn, request)?.and_then(|entry| entry.task) {
            Some(task) => hand_out(txn, request, task.changed_at, waiter).map(|()| true),
            None => Ok(false),
        }
    }

    /// Goes on with a task of an earlier life of the object: from its beginning, because it only reads. Gives back the
    /// entry of anything else, and of a task that no key opens any more.
    pub(in super::super) fn adopt_task(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        mut entry: Entry,
    ) -> Result<Option<Entry>, Fault> {
        let Some((target, kept)) = self.open_kept(request, &entry)?.filter(|_| entry.task.is_some()) else {
            return Ok(Some(entry));
        };
        if entry.apply(EntryEvent::Requeued) == Transition::Illegal {
            return Ok(Some(entry));
        }
        let Kept { arguments, client, state } = kept;
        let planned = self.plan(turn.now, request, target, &arguments, (&state.answers, client));
        let started = Started {
            request,
            target,
            arguments,
            entry,
            waiters: Vec::new(),
            client,
            state,
            was_asked: false,
            assertion: None,
        };
        self.proceed(turn, txn, started, planned)?;
        if let Some(run) = self.runs.get_mut(&request) {
            // An answer to a call of the earlier life is none to a call of this one.
            let [high, middle, low] = turn.entropy.bytes();
            run.sequence = u32::from_be_bytes([1, high, middle, low]);
        }
        Ok(None)
    }

    /// Serves a method of the extension.
    pub(super) fn on_task(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        asking: Asking<'_>,
        id: &Id,
        (method, name, params): (Method, &str, Option<&RawValue>),
    ) -> Result<(), Fault> {
        if self.is_too_soon(turn, txn, to, (&asking, id)) {
            return Ok(());
        }
        if !asking.client.tasks {
            return refuse(txn, to, 400, Some(id), &tasks::needs_tasks());
        }
        let request = match tasks::read_task_id(name, params) {
            Ok(request) => request,
            Err(error) => return refuse(txn, to, 200, Some(id), &error),
        };
        let entry = Ledger::entry(txn, request)?.filter(|entry| {
            let is_kept = turn.now < request.created_at().plus(TASK_KEPT_FOR);
            entry.task.is_some() && self.began(asking.caller, entry) && is_kept
        });
        let Some(entry) = entry else { return refuse(txn, to, 200, Some(id), &tasks::unknown_task()) };
        let lacks = target_scope(&entry).filter(|scope| !asking.caller.scopes.iter().any(|own| own == scope));
        if let Some(scope) = lacks {
            return self.lack_scope(turn.now, txn, to, (asking.caller, id), scope);
        }
        let result = match method {
            Method::GetTask => self.detailed(turn.now, request, &entry)?,
            Method::CancelTask => {
                self.call_off(turn, txn, request)?;
                tasks::acknowledged()
            }
            _ => {
                let answers = match mrtr::read(params) {
                    Ok(resumption) => resumption.answers,
                    Err(error) => return refuse(txn, to, 200, Some(id), &error),
                };
                let answers: Vec<_> =
                    answers.into_each().filter(|(name, _)| self.is_open(turn.now, request, name)).collect();
                if !answers.is_empty() {
                    let answers = answers.into_iter().map(|(name, answer)| (name, Some(answer))).collect();
                    self.take_answers(turn, txn, request, answers)?;
                }
                tasks::acknowledged()
            }
        };
        reply(txn, to, ObjectReply::json(jsonrpc::success(id, &result)));
        Ok(())
    }

    /// Whether a task waits for the answer of this name; any other is ignored.
    fn is_open(&self, now: UnixMs, request: RequestId, name: &str) -> bool {
        match self.runs.get(&request).map(|run| &run.work) {
            Some(Work::Ask(inquiry)) => {
                self.open_questions(now, request, inquiry).iter().any(|(known, _)| *known == name)
            }
            _ => false,
        }
    }

    fn detailed(&self, now: UnixMs, request: RequestId, entry: &Entry) -> Result<Box<RawValue>, Fault> {
        let Some(task) = entry.task else { return Err(Fault::Invariant("no task")) };
        let says = |standing: Standing<'_>| Ok(tasks::detailed(request, task.changed_at, &standing));
        match entry.state {
            EntryState::Queued | EntryState::InFlight | EntryState::Reconciling => says(Standing::Working),
            EntryState::Asking => match self.runs.get(&request).map(|run| &run.work) {
                Some(Work::Ask(inquiry)) => {
                    says(Standing::InputRequired(&self.open_questions(now, request, inquiry)))
                }
                _ => says(Standing::Working),
            },
            EntryState::Cancelled => says(Standing::Cancelled),
            EntryState::Done | EntryState::Failed | EntryState::Unknown => {
                let user = self.owner()?;
                let sealed = entry.answer.as_ref();
                let kept = sealed.and_then(|sealed| vault::open_answer(&self.config, user, request, sealed));
                let raw = |text: String| {
                    RawValue::from_string(text).map_err(|_| Fault::Invariant("an answer is no JSON"))
                };
                match kept {
                    // The result that the call would have had, with all that its revision demands.
                    Some(kept) if !task.is_error => {
                        says(Standing::Completed(&stateless_result(&kept, Cache::NoHint)))
                    }
                    Some(kept) => says(Standing::Failed(&raw(kept)?)),
                    None => {
                        let error =
                            RpcError::new(codes::INTERNAL_ERROR, "The outcome of this task cannot be read.");
                        says(Standing::Failed(&raw(super::super::settle::to_json(&error)?)?))
                    }
                }
            }
        }
    }
}

/// The scope that the call needed; a token that lost it does not fetch the outcome either.
fn target_scope(entry: &Entry) -> Option<&'static str> {
    match &entry.kind {
        Kind::Tool(name) => protocol::tools::Target::from_name(name)?.scope(),
        Kind::Refresh | Kind::AccessRefresh | Kind::Connect | Kind::Watch | Kind::RevokeSignIns => None,
    }
}

fn hand_out(txn: &mut Txn<'_>, request: RequestId, changed_at: UnixMs, waiter: &Waiter) -> Result<(), Fault> {
    let Some(to) = waiter.to else { return Ok(()) };
    let mut answer = ObjectReply::json(result_for(waiter, tasks::created(request, changed_at).get())?);
    answer.answers = Some(request);
    reply(txn, to, answer);
    Ok(())
}

#[cfg(feature = "conformance")]
impl UserSession {
    /// Refuses what can only be done as a task.
    pub(in super::super) fn refuse_without_tasks(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
    ) -> Result<(), Fault> {
        let Started { request, entry, waiters, .. } = started;
        let settled = super::super::settle::Settled::Refusal {
            status: 400,
            code: "missing_capability",
            error: tasks::needs_tasks(),
        };
        self.settle_entry(turn, txn, request, entry, &waiters, EntryEvent::Refused, &settled)
    }
}
