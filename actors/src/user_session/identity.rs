//! Connecting a Microsoft account and renewing its tokens.
//!
//! What holds here: an account is connected only if it is the very person that the link was made for; tokens and grant
//! are stored in one commit; calls to Entra ID have ledger entries and places in the queue like all others.

use protocol::entra::{Denied, Tokens, identify, read_tokens};
use protocol::ids::RequestId;
use protocol::limits::REQUEST_DEADLINE;
use protocol::object::{Caller, Connect, ObjectReply};
use protocol::outbound::CallResult;
use protocol::tools::{Fault as Blame, ToolError};

use super::run::{Run, Waiter, Work};
use super::settle::Settled;
use super::verdict::{self, Next};
use super::{Txn, UserSession, reply};
use crate::grants::Grant;
use crate::ledger::{Entry, EntryEvent, EntryState, Kind, Ledger};
use crate::queue::Priority;
use crate::turn::{Fault, ReplyTo, Turn};

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

    /// Begins a refresh of the access token, as a request of the object's own.
    pub(super) fn start_refresh(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let request = RequestId::new(turn.now, &self.owner()?, turn.entropy.bytes());
        if self.refresher.begin(request).is_none() {
            return Ok(());
        }
        let entry = Entry::new(Kind::Refresh, false, *request.as_bytes());
        self.enqueue_own(turn, txn, request, Work::Refresh, entry, None)
    }

    /// Begins to redeem an authorization code.
    pub(super) fn on_connect(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        request: RequestId,
        caller: &Caller,
        connect: Connect,
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
        let mut entry = Entry::new(Kind::Connect, false, *request.as_bytes());
        entry.client.clone_from(&connect.ticket.client);
        entry.grant = Some(connect.ticket.grant);
        entry.access_identity.clone_from(&caller.access_identity);
        let work = Work::Connect(Box::new(connect));
        self.enqueue_own(turn, txn, request, work, entry, Some(Waiter::of_the_edge(to, turn.now)))
    }

    fn enqueue_own(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        work: Work,
        entry: Entry,
        waiter: Option<Waiter>,
    ) -> Result<(), Fault> {
        self.ledger.insert(txn, request, &entry)?;
        let mut run = Run::new(work, entry, Priority::Refresh, turn.now.plus(REQUEST_DEADLINE));
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
        result: CallResult,
    ) -> Result<Next, Fault> {
        let outcome = match &result {
            CallResult::Answered(answer) => read_tokens(answer).map_err(Some),
            CallResult::Lost(_) => Err(None),
        };
        match outcome {
            Ok(tokens) => {
                let owner = (self.config.clone(), self.owner()?);
                let keys = (&*owner.0, owner.1);
                self.refresher.refreshed(txn, keys, tokens, turn.now, &mut turn.entropy)?;
                Ok(Next::Settle(EntryEvent::Succeeded, Settled::Plain { status: 200, code: "ok" }))
            }
            Err(why) => {
                self.refresher.failed(txn, why, turn.now)?;
                Ok(Next::Settle(EntryEvent::Refused, plain(why)))
            }
        }
    }

    /// Takes the end of the redemption of a code.
    pub(super) fn after_connect(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        run: &Run,
        result: CallResult,
    ) -> Result<Next, Fault> {
        let Work::Connect(connect) = &run.work else { return Err(Fault::Invariant("not a connection")) };
        let outcome = match &result {
            CallResult::Answered(answer) => read_tokens(answer).map_err(Some),
            CallResult::Lost(_) => Err(None),
        };
        let settled = match outcome {
            Ok(tokens) => self.connect(turn, txn, connect, tokens)?,
            Err(why) => plain(why),
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
        let config = self.config.clone();
        self.refresher.connected(txn, (&config, owner), tokens, turn.now, &mut turn.entropy)?;
        let grant = Grant::by_link(connect.ticket.client.clone(), connect.ticket.scopes.clone(), turn.now);
        self.grants.insert(txn, connect.ticket.grant, grant)?;
        Ok(Settled::Plain { status: 200, code: "ok" })
    }
}

/// What the edge is told when there are no tokens. `None` stands for a lost answer.
fn plain(why: Option<Denied>) -> Settled {
    match why {
        Some(Denied::SignInAgain) => Settled::Plain { status: 400, code: "sign_in_again" },
        Some(Denied::ConsentMissing) => Settled::Plain { status: 403, code: "consent_missing" },
        Some(Denied::OwnCredential) => Settled::Plain { status: 503, code: "own_credential" },
        Some(Denied::Transient) | None => Settled::Plain { status: 503, code: "microsoft_down" },
        Some(Denied::Unexpected) => Settled::Error(ToolError::new(
            Blame::Microsoft,
            "unexpected_answer",
            "Microsoft's answer has an unexpected form.",
        )),
    }
}
