//! The core of a user's object: one input, one turn.
//!
//! What holds here: this is the one place that names more than one machine (grants, sessions, ledger, queue,
//! refresher, watches); the machines never call each other. Memory is a cache of rows: [`UserSession::recover`] is legal between
//! any two turns. A call leaves only after its intent is in the turn's write set, and a step never panics.

mod apps;
mod authorization;
mod call_log;
mod calls;
mod identity;
mod linking;
mod listening;
mod mcp;
mod meta;
mod opening;
mod operate;
mod orphans;
mod reporting;
mod run;
mod settle;
mod streaming;
mod sweep;
#[cfg(feature = "conformance")]
mod talking;
mod verdict;
mod watching;
mod zone;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::config::Config;
use protocol::digest::keyed_digest;
use protocol::ids::{AddressMark, RequestId, UserKey};
use protocol::limits::WAKE_EVERY;
use protocol::object::{Caller, Command, ObjectReply, ObjectRequest};
use protocol::secret::Secret;
use protocol::time::UnixMs;
use protocol::tools::FoldersOff;
use protocol::zones::Zones;

use crate::grants::Grants;
use crate::handles::Handles;
use crate::ledger::{Entry, Fingerprint, Ledger, Upkeep};
use crate::queue::Queue;
use crate::rate::Rate;
use crate::refresher::Refresher;
use crate::sends::Sends;
use crate::sessions::Sessions;
use crate::store::{Rows, SCHEMA_VERSION, Table, Txn, WriteSet};
use crate::timers::{Timer, TimerTable};
use crate::turn::{Effect, Fault, Input, ReplyTo, Turn};
use crate::vault::{self, Slot};
use crate::watches::Watches;
use linking::Ties;
use listening::Listener;
use meta::{META_KEY, Meta};
use operate::Paused;
use reporting::Told;
use run::{Conversation, Run};
use sweep::NextSweep;
use zone::MailboxZone;

/// The key under which repeats are recognised, and the same sealed.
struct DigestKey {
    clear: Secret<[u8; 32]>,
    sealed: Vec<u8>,
}

/// Counts of one object, for health checks and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Calls that wait for a place, a token or a time.
    pub waiting: usize,
    /// Calls in flight.
    pub in_flight: usize,
    /// Requests that are not settled.
    pub open: usize,
    /// Those of them that an open stream waits for, or that are tasks, and that memory is needed for: a question is in
    /// its row.
    pub streamed: usize,
}

/// One person's session with Microsoft 365.
pub struct UserSession {
    config: Rc<Config>,
    user: Option<UserKey>,
    meta_is_written: bool,
    ties: Ties,
    paused: Option<Paused>,
    addresses: Vec<AddressMark>,
    /// What the directory was told last.
    told: Option<Told>,
    digest_key: Option<DigestKey>,
    grants: Grants,
    /// How often clients ask.
    rate: Rate,
    sessions: Sessions,
    ledger: Ledger,
    queue: Queue,
    refresher: Refresher,
    /// The tokens that Access issued, where people sign in through it.
    access_tokens: Refresher,
    runs: BTreeMap<RequestId, Run>,
    orphans: Vec<(RequestId, Entry)>,
    timers: TimerTable,
    /// When the alarm is known to ring; `None` when that is not known.
    armed: Option<UnixMs>,
    last_activity: UnixMs,
    turn_number: u64,
    /// The rules of time zones, which the shell supplies.
    zones: Zones,
    mailbox_zone: MailboxZone,
    /// The folders of mailboxes that are out of reach, and when they were read; memory only.
    folders_off: Vec<(FoldersOff, UnixMs)>,
    /// When the sweep that seals everything under the newest key goes on; `None` when everything is.
    next_sweep: Option<NextSweep>,
    /// Writes whose late answers left, and after which nothing was said yet where they were asked.
    unconfirmed: BTreeMap<Conversation, BTreeSet<RequestId>>,
    /// Answers that came while their stream was being opened.
    opening: opening::Opening,
    /// The request that the message of this turn asks for again or gives up on.
    unheard: Option<RequestId>,
    /// The streams that stay open.
    listeners: BTreeMap<ReplyTo, Listener>,
    watches: Watches,
    /// The short names that answers showed.
    handles: Handles,
    /// The messages of the last hour.
    sends: Sends,
}

impl UserSession {
    /// Rebuilds the core from rows.
    ///
    /// # Errors
    /// A [`Fault`] when a row cannot be read; the user must then be refused and nothing written.
    pub fn recover(config: Rc<Config>, rows: &dyn Rows, now: UnixMs) -> Result<Self, Fault> {
        let meta: Option<Meta> = Txn::new(rows).get(META_KEY)?;
        if meta.as_ref().is_some_and(|meta| meta.schema_version > SCHEMA_VERSION) {
            return Err(Fault::NewerSchema);
        }
        let upkeep = match &meta {
            Some(meta) => meta.upkeep.clone(),
            // Whatever a new object stores is sealed under the newest key.
            None => {
                Upkeep { sealed_under: config.encryption_keys.newest_id().to_owned(), ..Upkeep::default() }
            }
        };
        let user = meta.as_ref().map(|meta| meta.user);
        let recovered = Ledger::recover(rows, upkeep, now)?;
        let tokens_of = |slot: Slot| match user {
            Some(user) => Refresher::recover(rows, &config, user, slot),
            None => Ok(Refresher::of(slot)),
        };
        let (refresher, access_tokens) = (tokens_of(Slot::Microsoft)?, tokens_of(Slot::Access)?);
        let digest_key = match &meta {
            Some(meta) => {
                let clear = vault::open_digest_key(&config, meta.user, &meta.sealed_digest_key)?;
                Some(DigestKey { clear, sealed: meta.sealed_digest_key.clone() })
            }
            None => None,
        };
        let is_swept = recovered.ledger.upkeep().sealed_under == config.encryption_keys.newest_id();
        let next_sweep = (!is_swept).then(|| NextSweep::after(now));
        Ok(Self {
            rate: Rate::new(config.requests_per_minute),
            sessions: Sessions::recover(rows, config.session_idle)?,
            config,
            user,
            meta_is_written: meta.is_some(),
            ties: meta.as_ref().map(|meta| meta.ties.clone()).unwrap_or_default(),
            paused: meta.as_ref().and_then(|meta| meta.paused.clone()),
            addresses: meta.as_ref().map(|meta| meta.addresses.clone()).unwrap_or_default(),
            told: meta.as_ref().and_then(|meta| meta.told.clone()),
            digest_key,
            grants: Grants::recover(rows)?,
            ledger: recovered.ledger,
            queue: Queue::default(),
            refresher,
            access_tokens,
            runs: BTreeMap::new(),
            orphans: recovered.orphans,
            timers: TimerTable::default(),
            armed: None,
            last_activity: recovered.last_activity.unwrap_or(UnixMs(0)),
            turn_number: 0,
            zones: Zones::UTC_ONLY,
            mailbox_zone: MailboxZone::recover(meta.and_then(|meta| meta.zone), now),
            folders_off: Vec::new(),
            next_sweep,
            unconfirmed: BTreeMap::new(),
            opening: opening::Opening::default(),
            unheard: None,
            listeners: BTreeMap::new(),
            watches: Watches::recover(rows)?,
            handles: Handles::recover(rows)?,
            sends: Sends::default(),
        })
    }

    /// The same core with the platform's rules of time zones.
    #[must_use]
    pub fn with_zones(mut self, zones: Zones) -> Self {
        self.zones = zones;
        self.mailbox_zone.resolve(zones);
        self
    }

    /// The same core, which knows when the alarm rings that an earlier life left, so that it is not set once more.
    #[must_use]
    pub const fn with_alarm(mut self, armed: Option<UnixMs>) -> Self {
        self.armed = armed;
        self
    }

    /// Takes one input. Everything that it changes goes into `txn`.
    ///
    /// # Errors
    /// A [`Fault`] means that the turn must be discarded and the core recovered.
    pub fn step(&mut self, turn: &mut Turn, input: Input, txn: &mut Txn<'_>) -> Result<(), Fault> {
        self.turn_number += 1;
        let is_alarm = matches!(input, Input::Alarm);
        let generation = self.refresher.generation();
        match input {
            Input::Request {
                to,
                request: ObjectRequest { request, caller, command: Command::Operate(order) },
            } => {
                let Some(action) = self.look(turn, txn, to, &caller, *order)? else { return Ok(()) };
                self.adopt_orphans(turn, txn)?;
                self.act(turn, txn, to, (request, &caller), action)?;
                if txn.erases() {
                    return Ok(());
                }
            }
            input => {
                self.adopt_orphans(turn, txn)?;
                self.on_time(turn, txn)?;
                self.take(turn, input, txn)?;
            }
        }
        self.tend_watches(turn, txn)?;
        self.pump(turn, txn)?;
        if !self.listeners.is_empty() {
            self.close_orphaned_streams(txn);
        }
        self.log_breaker(turn.now, txn);
        let has_rows = self.meta_is_written || txn.has_writes();
        let is_renewed = generation != self.refresher.generation();
        let reports = self.begin_report(turn.now, is_alarm || is_renewed, has_rows);
        self.arm(turn.now, txn);
        if reports {
            self.report(turn.now, txn)?;
        }
        self.keep_meta(txn)
    }

    fn take(&mut self, turn: &mut Turn, input: Input, txn: &mut Txn<'_>) -> Result<(), Fault> {
        match input {
            Input::Request { to, request: ObjectRequest { request, caller, command } } => {
                self.check_owner(caller.user)?;
                self.ensure_digest_key(turn)?;
                // Mail that comes in is not something that the person does.
                if !matches!(command, Command::Notified { .. }) {
                    self.last_activity = self.last_activity.max(turn.now);
                }
                self.on_command(turn, txn, to, (request, &caller), command)
            }
            Input::CallDone { op, result } => self.on_call_done(turn, txn, op, result),
            Input::Delivered { request } => self.on_delivered(txn, request),
            Input::Late { to } => {
                self.on_late(txn, to);
                Ok(())
            }
            Input::Gone { to } => self.on_gone(turn, txn, to),
            Input::Alarm => self.on_alarm(turn, txn),
        }
    }

    fn on_command(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller): (RequestId, &Caller),
        command: Command,
    ) -> Result<(), Fault> {
        let status = match command {
            Command::Mcp(message) => return self.on_mcp(turn, txn, to, request, caller, &message),
            Command::Listen(listen) => return self.on_listen(turn, txn, to, caller, listen),
            Command::Notified { notices } => return self.on_notified(turn, txn, to, &notices),
            Command::Attach(attach) => return self.on_attach(turn, txn, to, caller, attach),
            Command::EndSession { session } => return self.on_end_session(turn, txn, to, caller, &session),
            Command::SignIn(sign_in) => return self.on_sign_in(turn, txn, to, request, caller, *sign_in),
            Command::Redeem(redeem) => return self.on_redeem(turn, txn, to, caller, &redeem),
            Command::Renew(renew) => return self.on_renew(turn, txn, to, caller, &renew),
            Command::Claim { claimant } => return self.on_claim(turn, txn, to, caller, claimant),
            Command::Release { claimant } => return self.on_release(txn, to, claimant),
            Command::Link(link) => return self.on_link(turn, txn, to, request, caller, link),
            Command::Connect(connect) => return self.on_connect(turn, txn, to, request, caller, connect),
            Command::Consented(consent) if self.grants.covers(&consent) => 204,
            Command::Consented(_) => 404,
            Command::Revoke { client_digest } => {
                self.grants.revoke(txn, &caller.grant, &client_digest);
                204
            }
            Command::Operate(_) => return Err(Fault::Invariant("an order came as a command of a client")),
        };
        reply(txn, to, ObjectReply::status(status));
        Ok(())
    }

    /// Takes note that a turn's writes are in the storage.
    pub fn committed(&mut self, writes: &WriteSet) {
        if let Some(at) = writes.alarm {
            self.armed = Some(at);
        }
        if writes.rows.contains_key(&(Table::Meta, META_KEY.to_vec())) {
            self.meta_is_written = true;
        }
    }

    /// Whose object it is, once a request said so.
    #[must_use]
    pub const fn user(&self) -> Option<UserKey> {
        self.user
    }

    /// When the person was active last. Whoever holds a stream open is, although nothing is asked.
    fn last_use(&self, now: UnixMs) -> UnixMs {
        if self.listeners.is_empty() { self.last_activity } else { now }
    }

    /// What the object has to do at the moment.
    #[must_use]
    pub fn load(&self) -> Load {
        let is_streamed = |run: &&Run| {
            let is_awaited = run.waiters.iter().any(|waiter| waiter.is_stream && waiter.to.is_some());
            !run.is_asking() && (is_awaited || run.entry.task.is_some())
        };
        Load {
            waiting: self.queue.depth(),
            in_flight: self.queue.in_flight(),
            open: self.runs.len(),
            streamed: self.runs.values().filter(is_streamed).count(),
        }
    }

    /// The owner of the rows is set by the first request and never changes.
    fn check_owner(&mut self, caller: UserKey) -> Result<(), Fault> {
        match self.user {
            Some(user) if user == caller => Ok(()),
            Some(_) => Err(Fault::WrongUser),
            None => {
                self.user = Some(caller);
                Ok(())
            }
        }
    }

    fn owner(&self) -> Result<UserKey, Fault> {
        self.user.ok_or(Fault::Invariant("no user is known"))
    }

    /// Makes sure that the object has its key for digests. A new one is stored with the first row that is written.
    fn ensure_digest_key(&mut self, turn: &mut Turn) -> Result<(), Fault> {
        if self.digest_key.is_none() {
            let clear = Secret::new(turn.entropy.bytes());
            let sealed = vault::seal_digest_key(&self.config, self.owner()?, &clear, &mut turn.entropy)?;
            self.digest_key = Some(DigestKey { clear, sealed });
        }
        Ok(())
    }

    /// A keyed digest that recognises a repeat.
    fn fingerprint(&self, parts: &[&[u8]]) -> Result<Fingerprint, Fault> {
        let key = self.digest_key.as_ref().ok_or(Fault::Invariant("the object has no key for digests"))?;
        Ok(keyed_digest(key.clear.expose(), parts))
    }

    /// The key of the ledger's chain. It stays the same for as long as the object has its key for digests.
    fn chain_key(&self) -> Result<[u8; 32], Fault> {
        let (low, high) = (self.fingerprint(&[b"chain", b"1"])?, self.fingerprint(&[b"chain", b"2"])?);
        let mut key = [0; 32];
        for (to, from) in key.iter_mut().zip(low.into_iter().chain(high)) {
            *to = from;
        }
        Ok(key)
    }

    /// The identifier, or a fresh one if there is an entry under it.
    fn unused(&self, turn: &mut Turn, txn: &Txn<'_>, request: RequestId) -> Result<RequestId, Fault> {
        Ok(match Ledger::entry(txn, request)? {
            Some(_) => RequestId::new(turn.now, &self.owner()?, turn.entropy.bytes()),
            None => request,
        })
    }

    fn on_alarm(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        // Whatever the alarm was set to, it has rung and has to be set again.
        self.armed = None;
        self.ledger.forget_old(turn.now);
        let kept_up = self.ledger.keep_up(txn, turn.now)?;
        let swept = self.sweep(turn, txn)?;
        if kept_up || swept { self.put_meta(txn) } else { Ok(()) }
    }

    /// Everything that is due by time alone. It runs in every turn, so that a lost alarm costs nothing once a request
    /// comes.
    fn on_time(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let now = turn.now;
        self.give_up_overdue_calls(turn, txn)?;
        self.pass_deadlines(turn, txn)?;
        #[cfg(feature = "conformance")]
        self.talk_when_due(turn, txn)?;
        if self.sessions.expiry_due().is_some_and(|due| due <= now) {
            self.sessions.expire(txn, now);
        }
        for slot in [Slot::Microsoft, Slot::Access] {
            if self.refresh_due(slot, now).is_some_and(|due| due <= now) {
                self.start_refresh(turn, txn, slot)?;
            }
        }
        Ok(())
    }

    /// Sets the alarm if something is due before it rings. It is never moved later and never removed: an early alarm
    /// does nothing, and a row is cheaper than being wrong.
    fn arm(&mut self, now: UnixMs, txn: &mut Txn<'_>) {
        self.set_timers(now, self.meta_is_written || txn.has_writes());
        // An alarm whose time is over has either rung or is lost; what is due from now on needs another one.
        if let Some(due) = self.timers.next()
            && self.armed.is_none_or(|armed| due < armed || armed <= now)
        {
            txn.set_alarm(due);
        }
    }

    fn set_timers(&mut self, now: UnixMs, has_rows: bool) {
        let abandoned = self.queue.abandoned_until().map(|(_, until)| until);
        let call_timeout = self.runs.values().filter_map(Run::call_due).chain(abandoned).min();
        let deadline = self.runs.values().filter_map(Run::next_deadline).min();
        let waits = |tokens: &Refresher, is_wanted: bool| tokens.waits_until(now).filter(|_| is_wanted);
        let for_graph = waits(&self.refresher, self.queue.wants_token());
        let for_apps = waits(&self.access_tokens, self.queue.wants_app_token());
        let queue = [self.queue.due(now), for_graph, for_apps].into_iter().flatten().min();
        #[cfg(feature = "conformance")]
        let queue = [queue, self.talk_due()].into_iter().flatten().min();
        self.timers.set(Timer::CallTimeout, call_timeout);
        self.timers.set(Timer::RequestDeadline, deadline);
        self.timers.set(Timer::Queue, queue);
        let refreshes = [Slot::Microsoft, Slot::Access].map(|slot| self.refresh_due(slot, now));
        self.timers.set(Timer::Refresh, refreshes.into_iter().flatten().min());
        self.timers.set(Timer::SessionExpiry, self.sessions.expiry_due());
        self.timers.set(Timer::Prune, self.ledger.prune_due());
        self.timers.set(Timer::Answers, self.ledger.answers_due());
        self.timers.set(Timer::Sweep, self.next_sweep.map(|next| next.at));
        // An object that nothing wakes for years would keep rows under keys that are long gone.
        self.timers.set(Timer::Wake, has_rows.then(|| now.plus(WAKE_EVERY)));
        self.timers.set(Timer::Watches, self.watches_due(now));
        self.timers.set(Timer::Report, self.report_due(now));
    }
}

fn reply(txn: &mut Txn<'_>, to: ReplyTo, reply: ObjectReply) {
    txn.emit(Effect::Reply { to, reply });
}

#[cfg(test)]
mod tests;
