//! What operators do to this object.
//!
//! What holds here: each action can be repeated and says whether it changed anything; each leaves a line in the log; a
//! client that waits is answered and a stream that ends is closed; calls to Microsoft have a ledger entry and a place in
//! the queue like all others.

use protocol::ids::{GrantId, OpId, RequestId, SessionId};
use protocol::object::Caller;
use protocol::operator::Action;
use protocol::operator::view::Acted;
use protocol::outbound::CallResult;
use protocol::tools::{Fault as Blame, ToolError};

use super::super::run::{Run, Work};
use super::super::settle::Settled;
use super::super::sweep::NextSweep;
use super::super::verdict::Next;
use super::super::{Txn, UserSession};
use super::{Paused, say};
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Transition};
use crate::log::LogLine;
use crate::queue::Priority;
use crate::turn::{Effect, Fault, ReplyTo, Turn};
use crate::vault::Slot;

/// What became of an action.
struct Done {
    changed: bool,
    detail: &'static str,
    request: Option<RequestId>,
}

impl Done {
    const fn now(detail: &'static str) -> Self {
        Self { changed: true, detail, request: None }
    }

    const fn already(detail: &'static str) -> Self {
        Self { changed: false, detail, request: None }
    }

    const fn if_changed(changed: bool, done: &'static str, already: &'static str) -> Self {
        if changed { Self::now(done) } else { Self::already(already) }
    }
}

const IS_PAUSED: Done = Done::already("The account is paused, so that nothing leaves. Resume it first.");

impl UserSession {
    /// Does what an operator wants done.
    pub(in super::super) fn act(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller): (RequestId, &Caller),
        action: Action,
    ) -> Result<(), Fault> {
        let done = match action {
            Action::RefreshNow => self.refresh_now(turn, txn)?,
            Action::DropSessions => self.drop_sessions(turn, txn)?,
            Action::RevokeClient { grant } => self.revoke_client(turn, txn, grant)?,
            Action::Disconnect => self.disconnect(turn, txn)?,
            Action::RevokeSignIns => self.revoke_sign_ins(turn, txn)?,
            Action::Pause => self.pause(turn, txn, caller, false)?,
            Action::Drain => self.pause(turn, txn, caller, true)?,
            Action::Resume => {
                let was_paused = self.paused.take().is_some();
                if was_paused {
                    self.put_meta(txn)?;
                }
                Done::if_changed(was_paused, "Calls leave again.", "It was not paused.")
            }
            Action::Reseal => {
                let begins = self.next_sweep.is_none();
                self.next_sweep.get_or_insert(NextSweep::after(turn.now));
                Done::if_changed(begins, "Everything is being sealed anew.", "That is under way already.")
            }
            Action::Erase => self.erase(turn, txn)?,
        };
        let line = LogLine::new("operator_action", turn.now)
            .with("requestId", request.to_string())
            .with("userKey", self.owner()?.to_string())
            .with("action", action.name())
            .with("operator", caller.client.clone())
            .with("outcome", if done.changed { "changed" } else { "unchanged" })
            .with_some("concerns", done.request.map(|request| request.to_string()));
        txn.emit(Effect::Log(line));
        let acted = Acted {
            action: action.name().to_owned(),
            changed: done.changed,
            detail: done.detail.to_owned(),
            request: done.request,
        };
        say(txn, to, &acted)?;
        if action == Action::Erase {
            txn.erase();
        }
        Ok(())
    }

    fn refresh_now(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<Done, Fault> {
        if self.paused.is_some() {
            return Ok(IS_PAUSED);
        }
        let earlier = self.refresher.under_way();
        if earlier.is_none() {
            self.start_refresh(turn, txn, Slot::Microsoft)?;
        }
        let request = self.refresher.under_way();
        Ok(match (earlier, request) {
            (Some(_), _) => Done { request, ..Done::already("A renewal is under way already.") },
            (None, Some(_)) => Done { request, ..Done::now("Microsoft is being asked for new tokens.") },
            (None, None) => Done::already("There is nothing to renew with: the person has to sign in."),
        })
    }

    fn drop_sessions(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<Done, Fault> {
        let ended = self.end_sessions(turn, txn, |_| true)?;
        let closed = self.close_all_streams(txn);
        Ok(Done::if_changed(
            ended || closed,
            "All sessions are ended and all streams are closed.",
            "There was no session and no stream.",
        ))
    }

    /// Ends sessions and what their clients were asked; says whether there were any.
    fn end_sessions(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        which: impl Fn(&GrantId) -> bool,
    ) -> Result<bool, Fault> {
        let sessions = self.sessions.iter().filter(|(_, session)| which(&session.grant));
        let sessions: Vec<SessionId> = sessions.map(|(id, _)| *id).collect();
        for session in &sessions {
            self.sessions.end(txn, session);
            self.stop_asking(turn, txn, *session)?;
        }
        Ok(!sessions.is_empty())
    }

    fn revoke_client(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, grant: GrantId) -> Result<Done, Fault> {
        if self.config.access_mode.is_perimeter() {
            return Ok(Done::already("In this access mode there are no grants of clients."));
        }
        let stood = self.grants.withdraw(txn, &grant);
        self.end_sessions(turn, txn, |known| *known == grant)?;
        let is_its_own = |run: &Run| run.entry.grant == Some(grant) && run.has_no_intent();
        self.end_waiting(turn, txn, &ToolError::cut_off(), is_its_own)?;
        Ok(Done::if_changed(stood, "The client is cut off.", "There is no such grant."))
    }

    fn disconnect(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<Done, Fault> {
        let grants: Vec<GrantId> = self.grants.iter().map(|(grant, _)| *grant).collect();
        let had_tokens = self.refresher.row().is_some() || self.access_tokens.row().is_some();
        self.end_waiting(turn, txn, &ToolError::cut_off(), |_| true)?;
        self.abandon_watches(turn, txn)?;
        for grant in &grants {
            self.grants.withdraw(txn, grant);
        }
        let ended = self.end_sessions(turn, txn, |_| true)?;
        let closed = self.close_all_streams(txn);
        self.refresher.forget(txn);
        self.access_tokens.forget(txn);
        self.watches.forget(txn);
        if std::mem::take(&mut self.mailbox_zone).kept().is_some() {
            self.put_meta(txn)?;
        }
        Ok(Done::if_changed(
            had_tokens || ended || closed || !grants.is_empty(),
            "The account is disconnected and all clients are cut off. The person can sign in again.",
            "Nothing was connected.",
        ))
    }

    /// Gives up on subscriptions that are being made: of one that comes to be nobody will believe anything.
    fn abandon_watches(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let watches = self.runs.iter().filter(|(_, run)| matches!(run.work, Work::Watch(_)));
        let watches: Vec<RequestId> = watches.map(|(request, _)| *request).collect();
        for request in watches {
            let Some(run) = self.runs.remove(&request) else { continue };
            self.give_up(turn, txn, request, run)?;
        }
        Ok(())
    }

    /// Ends a request wherever it stands, with what is then known of it.
    fn give_up(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: Run,
    ) -> Result<(), Fault> {
        if let Some(until) = run.in_flight_until {
            self.queue.abandon(OpId { request, sequence: run.sequence }, until);
        }
        let may_have_happened =
            run.entry.writes && matches!(run.entry.state, EntryState::InFlight | EntryState::Reconciling);
        let (event, error) = if may_have_happened {
            (EntryEvent::GaveUp, ToolError::outcome_unknown("this call", "at its effect"))
        } else {
            (EntryEvent::Refused, ToolError::cut_off())
        };
        self.settle(turn, txn, request, run, event, &Settled::Error(error))
    }

    fn pause(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        caller: &Caller,
        drains: bool,
    ) -> Result<Done, Fault> {
        if self.paused.as_ref().is_some_and(|known| known.drains || !drains) {
            return Ok(Done::already("It is paused already."));
        }
        let earlier = self.paused.take();
        let since = earlier.map_or(turn.now, |earlier| earlier.since);
        self.paused = Some(Paused { since, by: caller.client.clone(), drains });
        self.put_meta(txn)?;
        // What waits ends at the end of this turn, where calls would leave.
        Ok(Done::now(if drains {
            "Nothing leaves until it is resumed, and what waited has ended."
        } else {
            "Nothing leaves until it is resumed."
        }))
    }

    fn revoke_sign_ins(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<Done, Fault> {
        if self.paused.is_some() {
            return Ok(IS_PAUSED);
        }
        let under_way = self.runs.iter().find(|(_, run)| matches!(run.work, Work::RevokeSignIns));
        if let Some((request, _)) = under_way {
            return Ok(Done {
                request: Some(*request),
                ..Done::already("Microsoft is being asked already.")
            });
        }
        if self.refresher.granted(turn.now).is_none() {
            return Ok(Done::already("Microsoft cannot be asked: no account is connected."));
        }
        let request = RequestId::new(turn.now, &self.owner()?, turn.entropy.bytes());
        let entry = Entry::new(Kind::RevokeSignIns, true, *request.as_bytes());
        let work = (Work::RevokeSignIns, Priority::Interactive);
        self.enqueue_own(turn, txn, request, work, entry, None)?;
        let detail = "Microsoft is being asked to end all sign-ins; the request says how that ended.";
        Ok(Done { request: Some(request), ..Done::now(detail) })
    }

    /// Takes the end of the call that ends all sign-ins. It is never sent twice by itself.
    pub(in super::super) fn after_revoke(
        &mut self,
        turn: &Turn,
        run: &mut Run,
        result: &CallResult,
    ) -> Result<Next, Fault> {
        let answer = match result {
            CallResult::Answered(answer) => answer,
            CallResult::Lost(_) => {
                let error = ToolError::outcome_unknown("this call", "at its effect");
                return Ok(Next::Settle(EntryEvent::GaveUp, Settled::Error(error)));
            }
        };
        Ok(match answer.status {
            200..300 => Next::Settle(EntryEvent::Succeeded, Settled::Plain { status: 200, code: "ok" }),
            401 if !run.token_was_renewed => {
                run.token_was_renewed = true;
                self.refresher.refused_by_graph(None);
                if run.entry.apply(EntryEvent::Requeued) == Transition::Illegal {
                    return Err(Fault::Invariant("a call in flight could not be repeated"));
                }
                Next::Call { not_before: turn.now }
            }
            403 => {
                let error = ToolError::new(
                    Blame::Account,
                    "permission_missing",
                    "Microsoft has not granted this server the permission User.RevokeSessions.All.",
                );
                Next::Settle(EntryEvent::Refused, Settled::Error(error))
            }
            _ => Next::Settle(EntryEvent::Refused, Settled::Error(ToolError::from_refusal(answer))),
        })
    }

    /// Ends everything, so that whoever waits is answered. The rows go with the end of the turn.
    fn erase(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<Done, Fault> {
        let requests: Vec<RequestId> = self.runs.keys().copied().collect();
        for request in requests {
            if let Some(run) = self.runs.remove(&request) {
                self.give_up(turn, txn, request, run)?;
            }
        }
        self.close_all_streams(txn);
        Ok(Done::now(
            "Everything is removed. The platform's recovery points hold the sealed rows for 30 more days.",
        ))
    }
}
