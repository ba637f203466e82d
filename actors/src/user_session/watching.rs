//! Hearing of changes from Microsoft: subscriptions are made and renewed while somebody watches, and notifications are
//! believed or not.
//!
//! What holds here: nothing is asked of Microsoft unless a session or a subscription of a standing grant watches, so
//! that a person who watches nothing costs nothing; every call has its ledger entry and its place in the queue; of a
//! notification nothing is taken over but which subscription speaks and what of four things it says.

use std::collections::BTreeSet;

use protocol::digest::to_base64url;
use protocol::entra::ClaimsChallenge;
use protocol::gateway::{Refuser, read_refusal};
use protocol::ids::RequestId;
use protocol::limits::WATCH_LIFETIME;
use protocol::mcp::Watched;
use protocol::notification::{Notice, PATH_PREFIX, Says, read_subscription, renew, seal_address, subscribe};
use protocol::object::ObjectReply;
use protocol::outbound::{Answer, CallResult, GraphCall};
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::{Fault as Blame, ToolError, is_granted};

use super::listening::Listener;
use super::run::{Run, Work};
use super::settle::Settled;
use super::verdict::Next;
use super::{Txn, UserSession, reply};
use crate::ledger::{Entry, EntryEvent, Fingerprint, Kind, Transition};
use crate::log::LogLine;
use crate::queue::Priority;
use crate::turn::{Effect, Fault, ReplyTo, Turn};
use crate::watches::Errand;

/// A call that makes or renews a subscription.
#[derive(Debug)]
pub(super) struct Subscribing {
    pub watched: Watched,
    pub call: GraphCall,
    renews: bool,
}

impl UserSession {
    /// Makes and renews the subscriptions that are due.
    pub(super) fn tend_watches(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        for watched in Watched::ALL {
            if self.watch_due(watched, turn.now).is_some_and(|due| due <= turn.now) {
                self.start_errand(turn, txn, watched)?;
            }
        }
        Ok(())
    }

    /// When the next subscription has to be made or renewed.
    pub(super) fn watches_due(&self, now: UnixMs) -> Option<UnixMs> {
        Watched::ALL.into_iter().filter_map(|watched| self.watch_due(watched, now)).min()
    }

    fn watch_due(&self, watched: Watched, now: UnixMs) -> Option<UnixMs> {
        if self.paused.is_some() {
            return None;
        }
        let due = self.watches.due(watched, self.config.encryption_keys.newest_id())?;
        (self.may_hear_of(watched, now).is_ok() && self.is_watched(watched)).then_some(due)
    }

    /// Whether the connected account and the operators let this server hear of changes.
    ///
    /// # Errors
    /// A fault of the account that says what is missing, or whose rule it is.
    pub(super) fn may_hear_of(&self, watched: Watched, now: UnixMs) -> Result<(), ToolError> {
        // That something came would be told, although nothing of it may be read.
        for folder in ["inbox", "msgfolderroot"].iter().filter(|_| watched == Watched::Inbox) {
            self.config.policy.folders.check(folder)?;
        }
        let granted = self.refresher.granted(now).ok_or_else(ToolError::sign_in_again)?;
        match watched.permissions() {
            any_of @ [first, ..] if !any_of.iter().any(|permission| is_granted(granted, permission)) => {
                Err(ToolError::permission_missing(first))
            }
            _ => Ok(()),
        }
    }

    fn is_watched(&self, watched: Watched) -> bool {
        let by_stream = self.listeners.values().any(|listener| match listener {
            Listener::Subscription { grant, watched: all, .. } => {
                all.contains(&watched) && self.may_act(grant)
            }
            Listener::Session(_) => false,
        });
        by_stream || self.sessions.watching(watched).any(|(_, grant)| self.may_act(&grant))
    }

    fn start_errand(&mut self, turn: &mut Turn, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        let expires_at = turn.now.plus(WATCH_LIFETIME);
        let key = self.config.encryption_keys.newest_id();
        let renewal = match self.watches.errand(watched, key, turn.now) {
            Errand::Renew(id) => renew(&id, expires_at),
            Errand::Create => None,
        };
        let renews = renewal.is_some();
        let call = match renewal {
            Some(call) => {
                self.watches.began(watched, None);
                call
            }
            None => {
                let client_state = to_base64url(&turn.entropy.bytes::<32>());
                self.watches.began(watched, Some(self.client_state_digest(&client_state)?));
                subscribe(watched, &self.notification_url(turn)?, &client_state, expires_at)
            }
        };
        let request = RequestId::new(turn.now, &self.owner()?, turn.entropy.bytes());
        let entry = Entry::new(Kind::Watch, true, *request.as_bytes());
        let work = Work::Watch(Box::new(Subscribing { watched, call, renews }));
        self.enqueue_own(turn, txn, request, (work, Priority::Background), entry, None)
    }

    fn notification_url(&self, turn: &mut Turn) -> Result<String, Fault> {
        let address = seal_address(&self.config.encryption_keys, self.owner()?, turn.entropy.bytes())
            .map_err(|_| Fault::Invariant("an address for notifications could not be sealed"))?;
        Ok(format!("{}{PATH_PREFIX}{address}", self.config.public_url))
    }

    fn client_state_digest(&self, client_state: &str) -> Result<Fingerprint, Fault> {
        self.fingerprint(&[b"client-state", client_state.as_bytes()])
    }

    /// Takes the end of a call that makes or renews a subscription.
    pub(super) fn after_watch(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        run: &mut Run,
        result: CallResult,
    ) -> Result<Next, Fault> {
        let Work::Watch(subscribing) = &run.work else { return Err(Fault::Invariant("not a subscription")) };
        let (watched, renews) = (subscribing.watched, subscribing.renews);
        let answer = match result {
            CallResult::Answered(answer) => answer,
            CallResult::Lost(lost) => {
                // If it was made nevertheless, nobody knows its identifier: what it says is not believed, and it ends.
                self.watches.failed(txn, watched, turn.now, None)?;
                return Ok(refused(ToolError::lost_read(lost)));
            }
        };
        let by_graph = read_refusal(&answer.body).refuser == Refuser::Graph;
        match answer.status {
            200..300 => self.subscribed(turn, txn, (watched, renews), &answer),
            401 if by_graph && !run.token_was_renewed => {
                run.token_was_renewed = true;
                if run.token_generation == self.refresher.generation() {
                    let demanded = answer.challenge.as_deref().and_then(ClaimsChallenge::from_header);
                    self.refresher.refused_by_graph(demanded);
                }
                match run.entry.apply(EntryEvent::Requeued) {
                    Transition::Illegal => Err(Fault::Invariant("a call in flight could not be repeated")),
                    _ => Ok(Next::Call { not_before: turn.now }),
                }
            }
            403 if by_graph => {
                self.watches.refused(txn, watched)?;
                Ok(refused(ToolError::from_refusal(&answer)))
            }
            404 if by_graph && renews => {
                self.watches.gone(txn, watched)?;
                Ok(refused(ToolError::from_refusal(&answer)))
            }
            status => {
                if status == 429
                    && let Work::Watch(subscribing) = &run.work
                {
                    let wait = answer.retry_after.unwrap_or(DurationMs(0));
                    self.queue.throttled(subscribing.call.lane, turn.now, wait);
                }
                self.watches.failed(txn, watched, turn.now, answer.retry_after)?;
                Ok(refused(ToolError::from_refusal(&answer)))
            }
        }
    }

    fn subscribed(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        (watched, renews): (Watched, bool),
        answer: &Answer,
    ) -> Result<Next, Fault> {
        let Some((id, expires_at)) = read_subscription(answer) else {
            self.watches.failed(txn, watched, turn.now, None)?;
            return Ok(refused(ToolError::new(
                Blame::Microsoft,
                "unexpected_answer",
                "Microsoft's answer has an unexpected form.",
            )));
        };
        if renews {
            self.watches.renewed(txn, watched, expires_at)?;
        } else if self.watches.created(
            txn,
            watched,
            id,
            expires_at,
            self.config.encryption_keys.newest_id(),
        )? {
            self.on_changed(txn, watched)?;
        }
        Ok(Next::Settle(EntryEvent::Succeeded, Settled::Plain { status: 200, code: "ok" }))
    }

    /// The edge passes on what arrived at a person's address. Whether any of it is believed does not show in the answer.
    pub(super) fn on_notified(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        notices: &[Notice],
    ) -> Result<(), Fault> {
        let mut changed = BTreeSet::new();
        let mut believed = 0_usize;
        for notice in notices {
            let client_state = self.client_state_digest(&notice.client_state)?;
            let Some(watched) = self.watches.believe(&notice.subscription, &client_state) else { continue };
            believed += 1;
            match notice.says {
                Says::Changed | Says::Missed => {
                    changed.insert(watched);
                }
                Says::Removed => self.watches.removed(txn, watched)?,
                Says::ReauthorizationRequired => self.watches.must_reauthorize(txn, watched)?,
            }
        }
        for watched in changed {
            self.on_changed(txn, watched)?;
        }
        let line = LogLine::new("notified", turn.now)
            .with("userKey", self.owner()?.to_string())
            .with("believed", believed)
            .with("ignored", notices.len() - believed);
        txn.emit(Effect::Log(line));
        reply(txn, to, ObjectReply::status(202));
        Ok(())
    }
}

fn refused(error: ToolError) -> Next {
    Next::Settle(EntryEvent::Refused, Settled::Error(error))
}
