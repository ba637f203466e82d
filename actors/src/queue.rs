//! The queue of outgoing calls: who may leave next, and who has to wait for how long.
//!
//! What holds here: it is bounded in number and bytes; a lane never has more calls in flight than Microsoft allows, and
//! all lanes together never more than the platform has connections, one of which is kept free for a token refresh; a
//! client with many calls cannot hold up another one; a 429 narrows the gate of its lane. The queue is memory only:
//! what must survive is in the ledger.

use std::collections::BTreeMap;

use protocol::ids::RequestId;
use protocol::limits::{
    BACKOFF_BASE, GATE_RECOVERY, MAILBOX_CALLS_MAX, OBJECT_CALLS_MAX, OTHER_CALLS_MAX,
    OTHER_MAILBOX_CALLS_MAX, QUEUED_BYTES_MAX, QUEUED_CALLS_MAX, TEAMS_CALLS_MAX,
};
use protocol::outbound::Lane;
use protocol::time::{DurationMs, UnixMs};

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
    /// Bytes that it holds.
    pub bytes: usize,
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

/// The queue of one object.
#[derive(Debug)]
pub struct Queue {
    waiting: Vec<Job>,
    in_flight: BTreeMap<RequestId, Lane>,
    mailbox: Gate,
    other_mailbox: Gate,
    teams: Gate,
    other: Gate,
    identity: Gate,
    served: BTreeMap<String, u64>,
    turns_served: u64,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            in_flight: BTreeMap::new(),
            mailbox: Gate::new(MAILBOX_CALLS_MAX),
            other_mailbox: Gate::new(OTHER_MAILBOX_CALLS_MAX),
            teams: Gate::new(TEAMS_CALLS_MAX),
            other: Gate::new(OTHER_CALLS_MAX),
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
        let held: usize = self.waiting.iter().map(|waiting| waiting.bytes).sum();
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
    /// Without `graph_ready` only calls to Entra ID leave, because Graph calls need a token.
    pub fn next(&mut self, now: UnixMs, graph_ready: bool) -> Option<RequestId> {
        let position = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(_, job)| self.may_leave(job, now, graph_ready))
            .min_by_key(|(position, job)| {
                let last_served = self.served.get(&job.client).copied().unwrap_or(0);
                (job.priority, last_served, *position)
            })
            .map(|(position, _)| position)?;
        let job = self.waiting.remove(position);
        self.turns_served += 1;
        self.served.insert(job.client, self.turns_served);
        self.gate(job.lane).in_flight += 1;
        self.in_flight.insert(job.request, job.lane);
        Some(job.request)
    }

    fn may_leave(&self, job: &Job, now: UnixMs, graph_ready: bool) -> bool {
        if job.not_before > now {
            return false;
        }
        if job.lane == Lane::Identity {
            return self.identity.admits(now);
        }
        let graph_calls = self.in_flight.values().filter(|lane| **lane != Lane::Identity).count();
        graph_ready && graph_calls < usize::from(OBJECT_CALLS_MAX) && self.gate_of(job.lane).admits(now)
    }

    /// Frees the place of a call that ended. A second call for the same request changes nothing.
    pub fn release(&mut self, request: &RequestId) {
        if let Some(lane) = self.in_flight.remove(request) {
            let gate = self.gate(lane);
            gate.in_flight = gate.in_flight.saturating_sub(1);
        }
        if self.waiting.is_empty() && self.in_flight.is_empty() {
            self.served.clear();
        }
    }

    /// Narrows the gate of a lane that Microsoft throttled and closes it for `wait`.
    pub fn throttled(&mut self, lane: Lane, now: UnixMs, wait: DurationMs) {
        self.gate(lane).narrow(now, wait);
    }

    /// Takes a waiting call out again.
    pub fn withdraw(&mut self, request: &RequestId) {
        self.waiting.retain(|job| job.request != *request);
    }

    /// Whether any Graph call waits that could use a token now or later.
    #[must_use]
    pub fn wants_token(&self) -> bool {
        self.waiting.iter().any(|job| job.lane != Lane::Identity)
    }

    /// The earliest time at which a waiting call becomes free to leave by time alone.
    #[must_use]
    pub fn due(&self, now: UnixMs) -> Option<UnixMs> {
        self.waiting
            .iter()
            .map(|job| job.not_before.max(self.gate_of(job.lane).closed_until))
            .filter(|at| *at > now)
            .min()
    }

    /// Whether a call is in flight or waits on behalf of a client.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.in_flight.is_empty() || self.waiting.iter().any(|job| job.priority != Priority::Background)
    }

    /// Calls that wait.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.waiting.len()
    }

    /// Calls in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    const fn gate_of(&self, lane: Lane) -> &Gate {
        match lane {
            Lane::Mailbox => &self.mailbox,
            Lane::OtherMailbox => &self.other_mailbox,
            Lane::Teams => &self.teams,
            Lane::Other => &self.other,
            Lane::Identity => &self.identity,
        }
    }

    const fn gate(&mut self, lane: Lane) -> &mut Gate {
        match lane {
            Lane::Mailbox => &mut self.mailbox,
            Lane::OtherMailbox => &mut self.other_mailbox,
            Lane::Teams => &mut self.teams,
            Lane::Other => &mut self.other,
            Lane::Identity => &mut self.identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    fn job(number: u8, lane: Lane, client: &str) -> Job {
        Job {
            request: id(number),
            lane,
            client: client.into(),
            priority: Priority::Interactive,
            not_before: UnixMs(0),
            bytes: 10,
        }
    }

    fn drain(queue: &mut Queue, now: u64) -> Vec<RequestId> {
        std::iter::from_fn(|| queue.next(UnixMs(now), true)).collect()
    }

    #[test]
    fn a_mailbox_has_four_calls_in_flight_and_all_lanes_five() {
        let mut queue = Queue::default();
        for number in 0..10 {
            queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
        }
        assert_eq!(drain(&mut queue, 0).len(), 4);
        for number in 10..14 {
            queue.admit(job(number, Lane::Teams, "a")).unwrap();
        }
        assert_eq!(drain(&mut queue, 0).len(), 1);
        queue.requeue(job(20, Lane::Identity, ""));
        assert_eq!(drain(&mut queue, 0), [id(20)]);
        queue.release(&id(0));
        queue.release(&id(0));
        assert_eq!(drain(&mut queue, 0).len(), 1);
    }

    #[test]
    fn a_second_client_does_not_wait_behind_fifty_calls_of_the_first() {
        let mut queue = Queue::default();
        for number in 0..50 {
            queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
        }
        drain(&mut queue, 0);
        queue.admit(job(60, Lane::Mailbox, "b")).unwrap();
        let mut freed = 0;
        loop {
            let flying = *queue.in_flight.keys().next().unwrap();
            queue.release(&flying);
            freed += 1;
            if drain(&mut queue, 0).contains(&id(60)) {
                break;
            }
        }
        assert!(freed <= 2, "{freed}");
    }

    #[test]
    fn a_throttled_lane_narrows_closes_and_recovers() {
        let mut queue = Queue::default();
        for number in 0..10 {
            queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
        }
        queue.throttled(Lane::Mailbox, UnixMs(1_000), DurationMs(2_000));
        assert_eq!(drain(&mut queue, 1_000), []);
        assert_eq!(queue.due(UnixMs(1_000)), Some(UnixMs(3_000)));
        assert_eq!(drain(&mut queue, 3_000).len(), 2);
        assert_eq!(drain(&mut queue, 1_000 + GATE_RECOVERY.0).len(), 1);
        assert_eq!(drain(&mut queue, 1_000 + 9 * GATE_RECOVERY.0).len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_in_number_and_in_bytes() {
        let mut queue = Queue::default();
        for number in 0..QUEUED_CALLS_MAX {
            queue.admit(job(number as u8, Lane::Mailbox, "a")).unwrap();
        }
        let full = queue.admit(job(200, Lane::Mailbox, "a")).unwrap_err();
        assert!(full.retry_after.0 >= 1_000);
        let mut queue = Queue::default();
        let mut big = job(1, Lane::Mailbox, "a");
        big.bytes = QUEUED_BYTES_MAX;
        queue.admit(big).unwrap();
        assert!(queue.admit(job(2, Lane::Mailbox, "a")).is_err());
    }

    #[test]
    fn without_a_token_only_the_token_endpoint_is_called() {
        let mut queue = Queue::default();
        queue.admit(job(1, Lane::Mailbox, "a")).unwrap();
        queue.requeue(Job { priority: Priority::Refresh, ..job(2, Lane::Identity, "") });
        assert!(queue.wants_token());
        assert_eq!(queue.next(UnixMs(0), false), Some(id(2)));
        assert_eq!(queue.next(UnixMs(0), false), None);
        assert_eq!(queue.next(UnixMs(0), true), Some(id(1)));
    }
}
