//! Calls: leaving, coming back, and being given up.
//!
//! What holds here: a write's intent is in the write set of the very turn that sends it; an answer that belongs to no
//! call in flight changes nothing; a call that never comes back is given up at its time.

use protocol::access::sign_in;
use protocol::entra::{Freshness, code_form, read_tokens, refresh_form};
use protocol::ids::{OpId, RequestId};
use protocol::limits::{CALL_TIMEOUT, RETRY_AFTER_MAX};
use protocol::outbound::{CallResult, GraphCall, Lane, Lost};
use protocol::secret::Secret;
use protocol::time::DurationMs;
use protocol::tools::{Target, ToolError};
use protocol::trace::TraceContext;

use super::apps::after_app;
use super::mcp::inquiry::not_answered_in_time;
use super::run::{Run, Work};
use super::settle::Settled;
use super::streaming::{tell, tell_wait};
use super::verdict::{Next, after_tool_call, with_jitter};
use super::{Txn, UserSession};
use crate::ledger::{EntryEvent, EntryState, Transition};
use crate::planted::{self, Bug};
use crate::queue::{Ready, Word};
use crate::refresher::{Access, Need, Renewal, Setback};
use crate::turn::{Effect, Fault, Outbound, Turn};
use crate::vault::Slot;

/// The shell gives a call up at [`CALL_TIMEOUT`]; the core waits a little longer for the shell to say so.
const SHELL_GRACE: DurationMs = DurationMs::from_secs(5);

impl UserSession {
    /// Lets every call leave that may.
    pub(super) fn pump(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        if !self.may_leave(turn, txn)? {
            return Ok(());
        }
        if let Some(wait) = self.queue.gateway_is_down_for(turn.now) {
            // Whoever has sent nothing hears of it at once. What is under way already, and the object's own work, waits.
            self.fail_waiting(turn, txn, |_| ToolError::gateway_is_down(wait), Run::has_no_intent)?;
        }
        loop {
            let token = match self.refresher.access(turn.now) {
                Access::Ready(token) => Some(token),
                Access::NeedsRefresh => {
                    if self.queue.wants_token() {
                        self.start_refresh(turn, txn, Slot::Microsoft)?;
                    }
                    None
                }
                Access::Later(at) => {
                    let wait = at.since(turn.now);
                    if wait > RETRY_AFTER_MAX {
                        self.fail_waiting(turn, txn, |_| ToolError::sign_in_service_down(wait), |_| true)?;
                    }
                    None
                }
                Access::SignInAgain(need) => {
                    self.fail_waiting(turn, txn, |target| sign_in_error(need, target), |_| true)?;
                    None
                }
                Access::Blocked(setback) => {
                    self.fail_waiting(
                        turn,
                        txn,
                        |_| match setback {
                            Setback::OwnCredential => ToolError::own_credential(),
                            Setback::NotAllowed => ToolError::not_allowed(),
                        },
                        |_| true,
                    )?;
                    None
                }
            };
            self.go_on_with_zone(turn, txn)?;
            let ready = Ready {
                graph: token.is_some(),
                apps: self.ready_for_apps(turn, txn)?,
                shares_zone: !self.mailbox_zone.failed_lately(turn.now),
            };
            let Some(request) = self.queue.next(turn.now, ready) else { return Ok(()) };
            self.launch(turn, txn, request, token)?;
        }
    }

    /// What the next call of a request consists of.
    fn outbound_of(
        &self,
        turn: &mut Turn,
        request: RequestId,
        (call, token): (Option<GraphCall>, Option<Secret<String>>),
    ) -> Result<Outbound, Fault> {
        let now = turn.now;
        let microsoft = &self.config.microsoft;
        let run = self.runs.get(&request).ok_or(Fault::Invariant("a queued request is not at work"))?;
        let call = || call.ok_or(Fault::Invariant("a plan without a call"));
        Ok(match &run.work {
            Work::Tool { target, .. } => of_tool(*target, call()?, token, run.entry.trace)?,
            Work::Watch(_) => Outbound::Graph {
                call: call()?,
                bearer: token.ok_or(Fault::Invariant("a Graph call left the queue without a token"))?,
                tool: "watch",
                trace: None,
            },
            Work::RevokeSignIns => Outbound::Graph {
                call: call()?,
                bearer: token.ok_or(Fault::Invariant("a Graph call left the queue without a token"))?,
                tool: "revoke_sign_ins",
                trace: None,
            },
            Work::App(calling) => calling.outbound(self.access_tokens.access(now))?,
            Work::Refresh(Slot::Access) => {
                let both = self.config.access_mode.sign_in().zip(self.access_tokens.renewal());
                let (application, Renewal { refresh_token, .. }) =
                    both.ok_or(Fault::Invariant("a refresh without a refresh token"))?;
                let url = sign_in::token_endpoint(application);
                Outbound::AccessToken { url, form: sign_in::refresh_form(application, refresh_token) }
            }
            Work::Refresh(Slot::Microsoft) => {
                let renewal = self.refresher.renewal();
                let Renewal { refresh_token, granted, demanded } =
                    renewal.ok_or(Fault::Invariant("a refresh without a refresh token"))?;
                let fresh = Freshness { now, random: turn.entropy.bytes() };
                Outbound::Token { form: refresh_form(microsoft, refresh_token, granted, demanded, fresh) }
            }
            Work::Connect(connect) => {
                let fresh = Freshness { now, random: turn.entropy.bytes() };
                let (code, verifier) = (&connect.code, &connect.pkce_verifier);
                Outbound::Token { form: code_form(microsoft, code, verifier, &connect.redirect_uri, fresh) }
            }
            _ => return Err(Fault::Invariant("what makes no calls left the queue as one")),
        })
    }

    fn launch(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        token: Option<Secret<String>>,
    ) -> Result<(), Fault> {
        let now = turn.now;
        let call = self.runs.get(&request).and_then(Run::graph_call);
        let called = call.as_ref().map(GraphCall::without_body);
        let outbound = self.outbound_of(turn, request, (call, token))?;
        let run = self.runs.get_mut(&request).ok_or(Fault::Invariant("a queued request is not at work"))?;
        run.entry.attempt(run.purpose(), request.created_at(), now);
        run.sequence += 1;
        run.left_at = now;
        run.called = called;
        run.token_generation = self.refresher.generation();
        run.in_flight_until = Some(now.plus(CALL_TIMEOUT).plus(SHELL_GRACE));
        if !run.looking {
            if run.entry.apply(EntryEvent::Sent) == Transition::Illegal {
                return Err(Fault::Invariant("a settled request sends a call"));
            }
            run.entry.intent = run.intent();
            let says = (run.entry.state, run.entry.intent.clone());
            // A read that is interrupted is simply over, so its row need not say that it left; and so is a write that
            // is still reading what it needs to know.
            let must_be_stored = run.entry.intent.is_some()
                || run.inserted_in_turn == self.turn_number
                || matches!(run.work, Work::RevokeSignIns);
            if must_be_stored && run.stored.as_ref() != Some(&says) {
                self.ledger.update(txn, request, &run.entry)?;
                run.stored = Some(says);
            }
        }
        let op = OpId { request, sequence: run.sequence };
        txn.emit(Effect::Send { op, outbound });
        Ok(())
    }

    /// Takes the end of a call. One that does not belong to the call in flight was taken into account already.
    pub(super) fn on_call_done(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        op: OpId,
        result: CallResult,
    ) -> Result<(), Fault> {
        let is_current = self
            .runs
            .get(&op.request)
            .is_some_and(|run| run.in_flight_until.is_some() && run.sequence == op.sequence);
        if !is_current {
            if let Some(lane) = self.queue.release_abandoned(&op) {
                self.log_abandoned_call(turn.now, txn, (op, lane), &result);
                if lane.is_graph() {
                    self.hear_of_gateway(turn, op.request, &result);
                }
            }
            if planted::has(Bug::StaleRefreshOverwrites) {
                self.store_stale_tokens(turn, txn, &result)?;
            }
            return Ok(());
        }
        let Some(mut run) = self.runs.remove(&op.request) else { return Ok(()) };
        self.queue.release(&op.request);
        run.in_flight_until = None;
        let is_of_microsoft = matches!(run.work, Work::Tool { .. } | Work::Watch(_) | Work::RevokeSignIns);
        let is_at = |lane| run.called.as_ref().is_some_and(|call| call.lane == lane);
        if is_of_microsoft && !is_at(Lane::Model) {
            // What storage says is no word of the gateway; that the call is over has to be known all the same.
            let is_storage = run.called.as_ref().is_some_and(|call| call.storage.is_some());
            let heard = if is_storage { &CallResult::Lost(Lost::Timeout) } else { &result };
            self.hear_of_gateway(turn, op.request, heard);
        }
        // An application's headers prove nothing about Microsoft.
        let is_traced = !matches!(run.work, Work::App(_));
        run.entry.attempt_ended((op.request.created_at(), turn.now), &result, is_traced);
        self.log_call(turn.now, txn, op, &run, &result);
        self.hear_of_zone(turn.now, txn, &run, &result)?;
        let next = match &run.work {
            work @ (Work::Tool { .. } | Work::Watch(_)) => {
                let next = match work {
                    Work::Watch(_) => self.after_watch(turn, txn, &mut run, result)?,
                    _ => after_tool_call(self.surroundings(turn), &mut run, result)?,
                };
                if let Work::Tool { plan, .. } = &mut run.work
                    && let Some(found) = plan.learnt()
                {
                    found.remember(&mut self.folders_off, turn.now);
                }
                let config = self.config.clone();
                self.refresher.keep_demand(txn, (&config, self.owner()?), &mut turn.entropy)?;
                next
            }
            Work::RevokeSignIns => self.after_revoke(turn, &mut run, &result)?,
            Work::App(calling) => after_app(calling, &result),
            Work::Refresh(slot) => self.after_refresh(turn, txn, (op.request, *slot), result)?,
            Work::Connect(_) => self.after_connect(turn, txn, op.request, &run, result)?,
            _ => return Err(Fault::Invariant("what makes no calls ended as one")),
        };
        self.go_on(turn, txn, op.request, run, next)
    }

    /// A planted bug: an answer that belongs to no call in flight is taken for the newest.
    fn store_stale_tokens(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        result: &CallResult,
    ) -> Result<(), Fault> {
        let CallResult::Answered(answer) = result else { return Ok(()) };
        let Ok(tokens) = read_tokens(answer) else { return Ok(()) };
        let owner = (self.config.clone(), self.owner()?);
        self.refresher.connected(txn, (&owner.0, owner.1), tokens, turn.now, &mut turn.entropy)
    }

    fn hear_of_gateway(&mut self, turn: &mut Turn, request: RequestId, result: &CallResult) {
        let (now, entropy) = (turn.now, &mut turn.entropy);
        let word = Word::of(result);
        self.queue.heard_of_gateway(request, word, now, |pause| with_jitter(pause, entropy));
    }

    /// Does what was decided about a run.
    pub(super) fn go_on(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        mut run: Run,
        next: Next,
    ) -> Result<(), Fault> {
        match next {
            Next::Call { not_before } => {
                let lost_a_write = run.looking
                    && run.stored.as_ref().is_none_or(|(state, _)| *state != EntryState::Reconciling);
                if lost_a_write {
                    self.ledger.update(txn, request, &run.entry)?;
                    run.stored = Some((run.entry.state, run.entry.intent.clone()));
                }
                if let Some(how_far) = run.note_progress(request, turn.now) {
                    tell(txn, &mut run, &how_far);
                } else if run.is_stuck_upload(turn.now) {
                    // The next call would follow at once, so that no timer would ever see the deadline.
                    let settled = Settled::Error(ToolError::upload_deadline());
                    return self.settle(turn, txn, request, run, EntryEvent::Refused, &settled);
                }
                tell_wait(txn, turn.now, &mut run, not_before);
                run.not_before = not_before;
                self.queue.requeue(run.job(request, not_before));
                self.runs.insert(request, run);
                Ok(())
            }
            Next::Settle(event, settled) => self.settle(turn, txn, request, run, event, &settled),
        }
    }

    /// Gives up calls that never came back: the shell died with them or lost them.
    pub(super) fn give_up_overdue_calls(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let overdue: Vec<OpId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.in_flight_until.is_some_and(|until| until <= turn.now))
            .map(|(request, run)| OpId { request: *request, sequence: run.sequence })
            .collect();
        for op in overdue {
            self.on_call_done(turn, txn, op, CallResult::Lost(Lost::Interrupted))?;
        }
        while let Some((op, _)) = self.queue.abandoned_until().filter(|(_, until)| *until <= turn.now) {
            self.on_call_done(turn, txn, op, CallResult::Lost(Lost::Interrupted))?;
        }
        Ok(())
    }

    /// Answers those who have waited for too long, and ends what cannot be found out.
    pub(super) fn pass_deadlines(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let now = turn.now;
        let due: Vec<RequestId> = self
            .runs
            .iter()
            .filter(|(_, run)| run.next_deadline().is_some_and(|at| at <= now))
            .map(|(request, _)| *request)
            .collect();
        for request in due {
            let Some(mut run) = self.runs.remove(&request) else { continue };
            let gave_up = run.give_up_at.is_some_and(|at| at <= now);
            match (&run.work, run.looking) {
                (Work::Tool { plan, .. }, true) if gave_up => {
                    let error = plan.outcome_unknown();
                    if let Some(until) = run.in_flight_until {
                        self.queue.abandon(OpId { request, sequence: run.sequence }, until);
                    }
                    self.settle(turn, txn, request, run, EntryEvent::GaveUp, &Settled::Error(error))?;
                }
                (Work::Tool { .. }, true) => {
                    let error = run.give_up_waiting();
                    self.answer_early(txn, request, &mut run, &error)?;
                    self.runs.insert(request, run);
                }
                (Work::Ask(_), _) => {
                    let settled = Settled::Error(not_answered_in_time());
                    self.settle(turn, txn, request, run, EntryEvent::Cancelled, &settled)?;
                }
                _ => {
                    let error = ToolError::deadline(DurationMs::from_secs(10));
                    self.end_unsent(turn, txn, request, run, error)?;
                }
            }
        }
        Ok(())
    }

    /// Ends tool calls that wait for a token or a gateway which will not come. What is being looked into goes on waiting: the
    /// person may sign in again before the time for looking is over.
    fn fail_waiting(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        error: impl Fn(Target) -> ToolError,
        which: impl Fn(&Run) -> bool,
    ) -> Result<(), Fault> {
        let waiting: Vec<(RequestId, Target)> = self
            .runs
            .iter()
            .filter(|(_, run)| {
                !run.looking && run.in_flight_until.is_none() && which(run) && !run.asks_model()
            })
            .filter_map(|(request, run)| match run.work {
                Work::Tool { target, .. } => Some((*request, target)),
                _ => None,
            })
            .collect();
        for (request, target) in waiting {
            if let Some(run) = self.runs.remove(&request) {
                let settled = Settled::Error(error(target));
                self.settle(turn, txn, request, run, EntryEvent::Refused, &settled)?;
            }
        }
        Ok(())
    }
}

/// A tool's call as it leaves. A question to a model gets no token.
fn of_tool(
    target: Target,
    call: GraphCall,
    token: Option<Secret<String>>,
    trace: Option<TraceContext>,
) -> Result<Outbound, Fault> {
    let tool = target.name();
    if call.lane == Lane::Model {
        return Ok(Outbound::Model { inputs: call.body.unwrap_or_default(), tool, trace });
    }
    let bearer = token.ok_or(Fault::Invariant("a Graph call left the queue without a token"))?;
    Ok(Outbound::Graph { call, bearer, tool, trace })
}

/// What a call ends with that only the person can make possible again.
pub(super) fn sign_in_error(need: Need, target: Target) -> ToolError {
    match need {
        Need::SignIn | Need::StepUp => ToolError::sign_in_again(),
        Need::Consent => ToolError::permission_missing(target.permission()),
    }
}
