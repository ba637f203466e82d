//! The queue of outgoing calls: who may leave next, and who has to wait for how long.
//!
//! What holds here: it is bounded in number and bytes; a lane never has more calls in flight than Microsoft allows, and
//! all lanes together never more than the platform has connections, one of which is kept free for a token refresh; a
//! client with many calls cannot hold up another one; a 429 narrows the gate of its lane; while the gateway is down
//! nothing leaves but the one call that tries. The queue is memory only: what must survive is in the ledger.

mod breaker;

use std::collections::BTreeMap;

use protocol::ids::{OpId, RequestId};
use protocol::limits::{
    BACKOFF_BASE, GATE_RECOVERY, LANE_CLOSED_MAX, LINKED_APP_CALLS_MAX, MAILBOX_CALLS_MAX, MODEL_CALLS_MAX,
    OBJECT_CALLS_MAX, OTHER_CALLS_MAX, OTHER_MAILBOX_CALLS_MAX, QUEUED_BYTES_MAX, QUEUED_CALLS_MAX,
    TEAMS_CALLS_MAX,
};
use protocol::operator::view::LaneView;
use protocol::outbound::Lane;
use protocol::time::{DurationMs, UnixMs};

pub use breaker::{Change, Word};

use breaker::Breaker;

use crate::planted::{self, Bug};

/// Which calls go first when both could. In order of precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Without a token nothing else can go on.
    Refresh,
    /// A client waits for it.
    Interactive,
    /// Reconciliation and upkeep.
    Background,
}

/// For whom there is a token, and what need not be asked twice. Calls to token endpoints need no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// For Graph.
    pub graph: bool,
    /// For linked apps.
    pub apps: bool,
    /// Whether one answer about the mailbox's zone serves all who ask for it, so that they wait for the first of them.
    pub shares_zone: bool,
}

/// One call that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The request that it serves; a request has one call at a time.
    pub request: RequestId,
    /// Whose concurrency it counts against.
    pub lane: Lane,
    /// The client that it is for, for fairness.
    pub client: String,
    /// Which calls it may overtake.
    pub priority: Priority,
    /// The earliest time at which it may leave.
    pub not_before: UnixMs,
    /// Bytes of content that its request holds: what the call sends, and what a look may have to send again.
    pub bytes: usize,
    /// Whether it asks for the mailbox's zone.
    pub asks_zone: bool,
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// A fair guess at when there will be room.
    pub retry_after: DurationMs,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    max: u8,
    narrowed_to: u8,
    narrowed_at: UnixMs,
    closed_until: UnixMs,
    in_flight: u8,
}

impl Gate {
    const fn new(max: u8) -> Self {
        Self { max, narrowed_to: max, narrowed_at: UnixMs(0), closed_until: UnixMs(0), in_flight: 0 }
    }

    /// The width now: it grows by one for every span without a 429.
    fn width(&self, now: UnixMs) -> u8 {
        let regained = now.since(self.narrowed_at).0 / GATE_RECOVERY.0;
        let width = u64::from(self.narrowed_to).saturating_add(regained);
        u8::try_from(width).unwrap_or(u8::MAX).min(self.max)
    }

    fn narrow(&mut self, now: UnixMs, wait: DurationMs) {
        self.narrowed_to = (self.width(now) / 2).max(1);
        self.narrowed_at = now;
        self.closed_until = self.closed_until.max(now.plus(wait));
    }

    fn admits(&self, now: UnixMs) -> bool {
        self.closed_until <= now && self.in_flight < self.width(now)
    }
}

/// A call in flight.
#[derive(Clone, Copy, Debug)]
struct Flight {
    lane: Lane,
    /// Bytes that count as waiting: those of a mail that is being looked into.
    bytes: usize,
    asks_zone: bool,
}

/// The queue of one object.
#[derive(Debug)]
pub struct Queue {
    waiting: Vec<Job>,
    in_flight: BTreeMap<RequestId, Flight>,
    /// Calls whose result nobody wants any more. Until they end, or until their time is over, they take their places,
    /// because Microsoft is still at work on them.
    abandoned: BTreeMap<OpId, (Lane, UnixMs)>,
    breaker: Breaker,
    breaker_changes: Vec<Change>,
    mailbox: Gate,
    other_mailbox: Gate,
    teams: Gate,
    other: Gate,
    model: Gate,
    linked_app: Gate,
    access_identity: Gate,
    identity: Gate,
    served: BTreeMap<String, u64>,
    turns_served: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            in_flight: BTreeMap::new(),
            abandoned: BTreeMap::new(),
            breaker: Breaker::default(),
            breaker_changes: Vec::new(),
            mailbox: Gate::new(MAILBOX_CALLS_MAX),
            other_mailbox: Gate::new(OTHER_MAILBOX_CALLS_MAX),
            teams: Gate::new(TEAMS_CALLS_MAX),
            other: Gate::new(OTHER_CALLS_MAX),
            model: Gate::new(MODEL_CALLS_MAX),
            linked_app: Gate::new(LINKED_APP_CALLS_MAX),
            access_identity: Gate::new(1),
            identity: Gate::new(1),
            served: BTreeMap::new(),
            turns_served: 0,
        }
    }
}

impl Queue {
    /// Takes a client's new call in.
    ///
    /// # Errors
    /// [`Full`] when a bound is reached; the call must be refused.
    pub fn admit(&mut self, job: Job) -> Result<(), Full> {
        let waiting = self.waiting.iter().map(|waiting| waiting.bytes);
        let held: usize = waiting.chain(self.in_flight.values().map(|flight| flight.bytes)).sum();
        if self.waiting.len() >= QUEUED_CALLS_MAX || held.saturating_add(job.bytes) > QUEUED_BYTES_MAX {
            // One call takes about a second, and a lane moves several at a time.
            let per_slot = self.waiting.len() as u64 / u64::from(MAILBOX_CALLS_MAX);
            return Err(Full { retry_after: DurationMs(BACKOFF_BASE.0.saturating_mul(per_slot.max(1))) });
        }
        self.waiting.push(job);
        Ok(())
    }

    /// Takes back a call of a request that was admitted before. It is never refused: its place was counted already.
    pub fn requeue(&mut self, job: Job) {
        self.waiting.push(job);
    }

    /// Picks the next call that may leave and counts it as in flight.
    ///
    /// A call for which there is no token yet stays.
    pub fn next(&mut self, now: UnixMs, ready: Ready) -> Option<RequestId> {
        let position = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, job)| self.may_leave(job, now, ready))
            .min_by_key(|(position, job)| {
                let last_served = self.served.get(&job.client).copied().unwrap_or(0);
                (job.priority, last_served, *position)
            })
            .map(|(position, _)| position)?;
        let job = self.waiting.remove(position);
        self.turns_served += 1;
        self.served.insert(job.client, self.turns_served);
        self.gate(job.lane).in_flight += 1;
        if job.lane.is_graph() {
            self.breaker_changes.extend(self.breaker.leaves(job.request));
        }
        let bytes = if job.priority == Priority::Background { job.bytes } else { 0 };
        let flight = Flight { lane: job.lane, bytes, asks_zone: job.asks_zone };
        self.in_flight.insert(job.request, flight);
        Some(job.request)
    }

    fn may_leave(&self, job: &Job, now: UnixMs, ready: Ready) -> bool {
        if job.not_before > now || (job.asks_zone && ready.shares_zone && self.reads_zone()) {
            return false;
        }
        if job.lane == Lane::Identity {
            return self.identity.admits(now);
        }
        let flights = self.in_flight.values().filter(|flight| flight.lane != Lane::Identity).count();
        let has_place = flights + self.abandoned.len() < usize::from(OBJECT_CALLS_MAX);
        let may_pass = match job.lane {
            // What a model does is no word about the way to Microsoft, and the other way round.
            Lane::AccessIdentity | Lane::Model => true,
            Lane::LinkedApp => ready.apps,
            _ => ready.graph && self.breaker.admits(now),
        };
        has_place && may_pass && self.gate_of(job.lane).admits(now)
    }

    /// Takes note of what the end of a Graph call says about the gateway. `lengthened` adds the random part to a pause.
    pub fn heard_of_gateway(
        &mut self,
        request: RequestId,
        word: Word,
        now: UnixMs,
        lengthened: impl FnOnce(DurationMs) -> DurationMs,
    ) {
        self.breaker_changes.extend(self.breaker.ended(request, word, now, lengthened));
    }

    /// What happened to the circuit breaker since this was asked last.
    pub fn take_breaker_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.breaker_changes)
    }

    /// For how long nothing leaves because the gateway is down.
    #[must_use]
    pub fn gateway_is_down_for(&self, now: UnixMs) -> Option<DurationMs> {
        self.gateway_opens_at(now).map(|until| until.since(now))
    }

    /// For how long Microsoft wants no call of a lane.
    #[must_use]
    pub fn closed_for(&self, lane: Lane, now: UnixMs) -> DurationMs {
        self.gate_of(lane).closed_until.since(now)
    }

    /// Frees the place of a call that ended. A second call for the same request changes nothing.
    pub fn release(&mut self, request: &RequestId) {
        if let Some(Flight { lane, .. }) = self.in_flight.remove(request) {
            let gate = self.gate(lane);
            gate.in_flight = gate.in_flight.saturating_sub(1);
        } else if planted::has(Bug::DoubleRelease) {
            self.mailbox.in_flight = self.mailbox.in_flight.saturating_sub(1);
        }
        if self.waiting.is_empty() && self.in_flight.is_empty() {
            self.served.clear();
        }
    }

    /// Nobody wants the result of a call in flight any more. Its place is free when it ends, or at `until`.
    pub fn abandon(&mut self, op: OpId, until: UnixMs) {
        if let Some(Flight { lane, .. }) = self.in_flight.remove(&op.request) {
            self.abandoned.insert(op, (lane, until));
        }
    }

    /// Frees the place of an abandoned call that ended, and gives its lane; none if it was no such call.
    pub fn release_abandoned(&mut self, op: &OpId) -> Option<Lane> {
        let (lane, _) = self.abandoned.remove(op)?;
        let gate = self.gate(lane);
        gate.in_flight = gate.in_flight.saturating_sub(1);
        Some(lane)
    }

    /// Abandoned calls that never came back, and when the next of them counts as such.
    #[must_use]
    pub fn abandoned_until(&self) -> Option<(OpId, UnixMs)> {
        self.abandoned.iter().map(|(op, (_, until))| (*op, *until)).min_by_key(|(_, until)| *until)
    }

    /// Narrows the gate of a lane that Microsoft throttled and closes it for `wait`, within bounds.
    pub fn throttled(&mut self, lane: Lane, now: UnixMs, wait: DurationMs) {
        self.gate(lane).narrow(now, wait.min(LANE_CLOSED_MAX));
    }

    /// Whether the mailbox is being asked for its zone, and somebody wants to know the answer.
    #[must_use]
    pub fn reads_zone(&self) -> bool {
        self.in_flight.values().any(|flight| flight.asks_zone)
    }

    /// Those whose next call asks for the mailbox's zone, in the order in which they wait.
    #[must_use]
    pub fn asking_zone(&self) -> Vec<RequestId> {
        self.waiting.iter().filter(|job| job.asks_zone).map(|job| job.request).collect()
    }

    /// Takes a waiting call out again.
    pub fn withdraw(&mut self, request: &RequestId) {
        self.waiting.retain(|job| job.request != *request);
    }

    /// Whether any Graph call waits that could use a token now or later.
    #[must_use]
    pub fn wants_token(&self) -> bool {
        self.waiting.iter().any(|job| job.lane.is_graph())
    }

    /// Whether any call to a linked app waits.
    #[must_use]
    pub fn wants_app_token(&self) -> bool {
        self.waiting.iter().any(|job| job.lane == Lane::LinkedApp)
    }

    /// The earliest time at which a waiting call becomes free to leave by time alone.
    #[must_use]
    pub fn due(&self, now: UnixMs) -> Option<UnixMs> {
        self.waiting
            .iter()
            .map(|job| {
                let breaker = if job.lane.is_graph() { self.breaker.opens_at() } else { UnixMs(0) };
                job.not_before.max(self.gate_of(job.lane).closed_until).max(breaker)
            })
            .filter(|at| *at > now)
            .min()
    }

    /// Whether a call is in flight or waits on behalf of a client.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.in_flight() > 0 || self.waiting.iter().any(|job| job.priority != Priority::Background)
    }

    /// Calls that wait.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len() + self.abandoned.len()
    }

    /// How one lane stands.
    #[must_use]
    pub fn lane(&self, lane: Lane, now: UnixMs) -> LaneView {
        let gate = self.gate_of(lane);
        LaneView {
            name: lane.name().to_owned(),
            waiting: self.waiting.iter().filter(|job| job.lane == lane).count() as u64,
            in_flight: u64::from(gate.in_flight),
            limit: u64::from(gate.width(now)),
            throttled_until_ms: Some(gate.closed_until).filter(|until| *until > now),
        }
    }

    /// How the circuit breaker stands, as the log names it.
    #[must_use]
    pub const fn gateway(&self) -> &'static str {
        self.breaker.name()
    }

    /// Until when the gateway is taken to be down.
    #[must_use]
    pub fn gateway_opens_at(&self, now: UnixMs) -> Option<UnixMs> {
        Some(self.breaker.opens_at()).filter(|until| *until > now)
    }

    const fn gate_of(&self, lane: Lane) -> &Gate {
        match lane {
            Lane::Mailbox => &self.mailbox,
            Lane::OtherMailbox => &self.other_mailbox,
            Lane::Teams => &self.teams,
            Lane::Other => &self.other,
            Lane::Model => &self.model,
            Lane::LinkedApp => &self.linked_app,
            Lane::AccessIdentity => &self.access_identity,
            Lane::Identity => &self.identity,
        }
    }

    const fn gate(&mut self, lane: Lane) -> &mut Gate {
        match lane {
            Lane::Mailbox => &mut self.mailbox,
            Lane::OtherMailbox => &mut self.other_mailbox,
            Lane::Teams => &mut self.teams,
            Lane::Other => &mut self.other,
            Lane::Model => &mut self.model,
            Lane::LinkedApp => &mut self.linked_app,
            Lane::AccessIdentity => &mut self.access_identity,
            Lane::Identity => &mut self.identity,
        }
    }
}

#[cfg(test)]
mod tests;
