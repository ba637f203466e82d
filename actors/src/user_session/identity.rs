//! Connecting a Microsoft account and renewing its tokens.
//!
//! What holds here: an account is connected only if it is the very person that the link was made for; tokens and grant
//! are stored in one commit; calls to Entra ID have ledger entries and places in the queue like all others.

use protocol::entra::{Denied, Refusal, Tokens, addresses, identify, read_tokens};
use protocol::ids::RequestId;
use protocol::limits::REQUEST_DEADLINE;
use protocol::object::{Caller, Connect, ObjectReply};
use protocol::operator::directory::newest_marks;
use protocol::outbound::CallResult;
use protocol::time::UnixMs;

use super::run::{Run, Waiter, Work};
use super::settle::Settled;
use super::verdict::{self, Next};
use super::{Txn, UserSession, reply};
use crate::grants::Grant;
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Ledger};
use crate::log::LogLine;
use crate::queue::Priority;
use crate::refresher::Refresher;
use crate::turn::{Effect, Fault, ReplyTo, Turn};
use crate::vault::Slot;

impl UserSession {
    /// The machines and facts that a verdict may use.
    pub(super) fn surroundings<'a>(&'a mut self, turn: &'a mut Turn) -> verdict::Surroundings<'a> {
        verdict::Surroundings {
            now: turn.now,
            entropy: &mut turn.entropy,
            queue: &mut self.queue,
            refresher: &mut self.refresher,
        }
    }

    /// Begins a refresh of an access token, unless one is under way, as a request of the object's own.
    pub(super) fn start_refresh(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        slot: Slot,
    ) -> Result<(), Fault> {
        let request = RequestId::new(turn.now, &self.owner()?, turn.entropy.bytes());
        if self.tokens_in(slot).under_way().is_some() || !self.tokens_in(slot).begin(request) {
            return Ok(());
        }
        let kind = match slot {
            Slot::Microsoft => Kind::Refresh,
            Slot::Access => Kind::AccessRefresh,
        };
        let mut entry = Entry::new(kind, false, *request.as_bytes());
        if slot == Slot::Access {
            entry.access_identity = self.access_tokens.identity().map(str::to_owned);
        }
        self.enqueue_own(turn, txn, request, (Work::Refresh(slot), Priority::Refresh), entry, None)
    }

    /// The tokens of an issuer.
    fn tokens_in(&mut self, slot: Slot) -> &mut Refresher {
        match slot {
            Slot::Microsoft => &mut self.refresher,
            Slot::Access => &mut self.access_tokens,
        }
    }

    /// When tokens have to be renewed although nobody asks. Those of Access stay as they are while nobody signs in through
    /// it.
    pub(super) fn refresh_due(&self, slot: Slot, now: UnixMs) -> Option<UnixMs> {
        if self.paused.is_some() {
            return None;
        }
        let last_use = self.last_use(now);
        match slot {
            Slot::Microsoft => self.refresher.due(last_use, now),
            Slot::Access => {
                self.config.access_mode.sign_in().and_then(|_| self.access_tokens.due(last_use, now))
            }
        }
    }

    /// Begins to redeem an authorization code.
    pub(super) fn on_connect(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        request: RequestId,
        caller: &Caller,
        connect: Box<Connect>,
    ) -> Result<(), Fault> {
        // A code can be redeemed once, so the same request that comes twice has one redemption.
        if let Some(earlier) = Ledger::entry(txn, request)? {
            match self.runs.get_mut(&request) {
                Some(run) => run.waiters.push(Waiter::of_the_edge(to, turn.now)),
                None => {
                    let status = if earlier.state == EntryState::Done { 200 } else { 503 };
                    let body = serde_json::json!({ "code": earlier.outcome }).to_string();
                    reply(txn, to, ObjectReply::status_with_body(status, body));
                }
            }
            return Ok(());
        }
        if self.paused.is_some() {
            reply(txn, to, ObjectReply::status_with_body(503, r#"{"code":"paused"}"#.to_owned()));
            return Ok(());
        }
        let mut entry = Entry::new(Kind::Connect, false, *request.as_bytes());
        entry.client.clone_from(&connect.ticket.client);
        entry.grant = Some(connect.ticket.grant);
        entry.access_identity.clone_from(&caller.access_identity);
        let work = (Work::Connect(connect), Priority::Refresh);
        self.enqueue_own(turn, txn, request, work, entry, Some(Waiter::of_the_edge(to, turn.now)))
    }

    /// Gives work of the object's own its ledger entry and its place in the queue.
    pub(super) fn enqueue_own(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        (work, priority): (Work, Priority),
        mut entry: Entry,
        waiter: Option<Waiter>,
    ) -> Result<(), Fault> {
        if entry.access_identity.is_none() {
            entry.access_identity.clone_from(&self.ties.subject);
        }
        self.ledger.insert(txn, request, &entry)?;
        let mut run = Run::new(work, entry, priority, turn.now.plus(REQUEST_DEADLINE));
        run.waiters.extend(waiter);
        run.inserted_in_turn = self.turn_number;
        self.queue.requeue(run.job(request, turn.now));
        self.runs.insert(request, run);
        Ok(())
    }

    /// Takes the end of a refresh.
    pub(super) fn after_refresh(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        (request, slot): (RequestId, Slot),
        result: CallResult,
    ) -> Result<Next, Fault> {
        match self.tokens_of(turn, txn, (request, slot), &result)? {
            Ok(tokens) => {
                let (config, owner) = (self.config.clone(), self.owner()?);
                let entropy = &mut turn.entropy;
                self.tokens_in(slot).refreshed(txn, (&config, owner), request, tokens, turn.now, entropy)?;
                Ok(Next::Settle(EntryEvent::Succeeded, Settled::Plain { status: 200, code: "ok" }))
            }
            Err(why) => {
                let settled = plain(why.as_ref());
                self.refresh_failed(turn, txn, (request, slot), why)?;
                Ok(Next::Settle(EntryEvent::Refused, settled))
            }
        }
    }

    /// Tells the refresher that a refresh yielded nothing.
    pub(super) fn refresh_failed(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        (request, slot): (RequestId, Slot),
        why: Option<Denied>,
    ) -> Result<(), Fault> {
        let (config, owner) = (self.config.clone(), self.owner()?);
        self.tokens_in(slot).failed(txn, (&config, owner), request, why, turn.now, &mut turn.entropy)
    }

    /// The tokens of an answer, or why there are none. What Microsoft refused is said in a line of the log, with what
    /// operators need in order to ask Microsoft about it.
    fn tokens_of(
        &self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        (request, slot): (RequestId, Slot),
        result: &CallResult,
    ) -> Result<Result<Tokens, Option<Denied>>, Fault> {
        let CallResult::Answered(answer) = result else { return Ok(Err(None)) };
        Ok(match read_tokens(answer) {
            Ok(tokens) => Ok(tokens),
            Err(Refusal { denied, details }) => {
                let line = LogLine::token_refused(&denied, &details, turn.now)
                    .with("requestId", request.to_string())
                    .with("userKey", self.owner()?.to_string())
                    .with_some("issuer", (slot == Slot::Access).then_some("access"));
                txn.emit(Effect::Log(line));
                Err(Some(denied))
            }
        })
    }

    /// Takes the end of the redemption of a code.
    pub(super) fn after_connect(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        run: &Run,
        result: CallResult,
    ) -> Result<Next, Fault> {
        let Work::Connect(connect) = &run.work else { return Err(Fault::Invariant("not a connection")) };
        let settled = match self.tokens_of(turn, txn, (request, Slot::Microsoft), &result)? {
            Ok(tokens) => self.connect(turn, txn, connect, tokens)?,
            Err(Some(Denied::StepUp(Some(claims)))) if !connect.stepped_up => Settled::StepUp(claims),
            Err(why) => plain(why.as_ref()),
        };
        let event = match &settled {
            Settled::Plain { status: 200, .. } => EntryEvent::Succeeded,
            _ => EntryEvent::Refused,
        };
        Ok(Next::Settle(event, settled))
    }

    fn connect(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        connect: &Connect,
        tokens: Tokens,
    ) -> Result<Settled, Fault> {
        let refused = |code| Ok(Settled::Plain { status: 403, code });
        let Some(id_token) = &tokens.id_token else { return refused("no_id_token") };
        if tokens.refresh_token.is_none() {
            return refused("no_refresh_token");
        }
        let Ok(person) = identify(&self.config.microsoft, id_token, &connect.nonce, turn.now) else {
            return refused("id_token_not_believed");
        };
        let owner = self.owner()?;
        if person != owner || connect.ticket.user != owner {
            return refused("another_account");
        }
        if let Some(claims) = self.refresher.unmet_claims().filter(|_| !connect.stepped_up) {
            return Ok(Settled::StepUp(claims.clone()));
        }
        let marks = newest_marks(&self.config.registration_keys, &addresses(id_token))
            .map_err(|_| Fault::Invariant("an address could not be digested"))?;
        self.signed_in(turn, txn, tokens, marks)?;
        if connect.ticket.permission.is_some() {
            // The link was for a permission, and what the clients may do is as it was.
            return Ok(Settled::Plain { status: 200, code: "ok" });
        }
        let grant = Grant::by_link(connect.ticket.client.clone(), connect.ticket.scopes.clone(), turn.now);
        self.grants.insert(txn, connect.ticket.grant, grant)?;
        Ok(Settled::Plain { status: 200, code: "ok" })
    }
}

/// What the edge is told when there are no tokens. `None` stands for a lost answer.
fn plain(why: Option<&Denied>) -> Settled {
    let Some(why) = why else { return Settled::Plain { status: 503, code: "no_answer" } };
    let status = match why {
        Denied::SignInAgain => 400,
        Denied::StepUp(_) | Denied::ConsentMissing | Denied::NotAllowed => 403,
        Denied::OwnCredential | Denied::Transient { .. } | Denied::ClientLoop | Denied::Unexpected => 503,
    };
    Settled::Plain { status, code: why.code() }
}
