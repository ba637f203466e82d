//! How often clients may ask (MCP 2026-07-28, server/tools, "Security Considerations": servers rate-limit invocations).
//!
//! What holds here: a bucket for each client and one for the person, in memory only, because a limit that is forgotten
//! with the object costs nothing, and one that is stored would cost a row for each request. A request that is refused
//! takes from no bucket. It must never be asked about an answer, a cancellation or anything else that lets work end.

use std::collections::BTreeMap;

use protocol::ids::GrantId;
use protocol::limits::{RATE_LOG_EVERY, REQUESTS_USER_FACTOR};
use protocol::time::{DurationMs, UnixMs};

/// What one request takes out of a bucket that gets one unit for each request a minute in each millisecond.
const REQUEST: u64 = 60_000;

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    /// Requests in a minute, which is also how many may come at once.
    per_minute: u64,
    held: u64,
    filled_at: UnixMs,
}

impl Bucket {
    const fn full(per_minute: u64, now: UnixMs) -> Self {
        Self { per_minute, held: per_minute * REQUEST, filled_at: now }
    }

    /// Fills what time brought. A clock that steps back brings nothing.
    fn fill(&mut self, now: UnixMs) {
        let brought = now.since(self.filled_at).0.saturating_mul(self.per_minute);
        self.held = self.held.saturating_add(brought).min(self.per_minute * REQUEST);
        self.filled_at = now;
    }

    /// How long until it holds a request; zero if it does.
    const fn wait(&self) -> DurationMs {
        DurationMs(REQUEST.saturating_sub(self.held).div_ceil(self.per_minute))
    }
}

/// The buckets of one person.
#[derive(Debug)]
pub struct Rate {
    per_minute: u64,
    person: Option<Bucket>,
    clients: BTreeMap<GrantId, Bucket>,
    logged_at: Option<UnixMs>,
}

/// A request that came too soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon {
    /// How long to wait.
    pub wait: DurationMs,
    /// Whether it is time to say so in the log.
    pub is_logged: bool,
}

impl Rate {
    /// Full buckets of so many requests a minute for each client.
    #[must_use]
    pub const fn new(per_minute: u64) -> Self {
        Self { per_minute, person: None, clients: BTreeMap::new(), logged_at: None }
    }

    /// Lets a request of a client pass.
    ///
    /// # Errors
    /// [`TooSoon`] when the client, or all clients of the person together, asked too often.
    pub fn pass(&mut self, client: GrantId, now: UnixMs) -> Result<(), TooSoon> {
        let per_minute = self.per_minute;
        let person = self.person.get_or_insert(Bucket::full(per_minute * REQUESTS_USER_FACTOR, now));
        person.fill(now);
        // A full bucket says nothing that its absence does not, so that withdrawn grants leave nothing here.
        self.clients.retain(|_, bucket| {
            bucket.fill(now);
            bucket.held < per_minute * REQUEST
        });
        let own = self.clients.entry(client).or_insert(Bucket::full(per_minute, now));
        let wait = own.wait().max(person.wait());
        if wait > DurationMs(0) {
            let is_logged = self.logged_at.is_none_or(|at| now.since(at) >= RATE_LOG_EVERY);
            if is_logged {
                self.logged_at = Some(now);
            }
            return Err(TooSoon { wait, is_logged });
        }
        own.held -= REQUEST;
        person.held -= REQUEST;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GrantId = GrantId::from_bytes([1; 16]);
    const START: UnixMs = UnixMs(1_800_000_000_000);

    fn passes(rate: &mut Rate, client: GrantId, now: UnixMs, times: u64) -> u64 {
        (0..times).filter(|_| rate.pass(client, now).is_ok()).count() as u64
    }

    #[test]
    fn a_minutes_worth_comes_at_once_and_then_one_by_one() {
        let mut rate = Rate::new(120);
        assert_eq!(passes(&mut rate, A, START, 500), 120);
        let refused = rate.pass(A, START).unwrap_err();
        assert_eq!(refused.wait, DurationMs(500));
        assert!(rate.pass(A, START.plus(DurationMs(499))).is_err());
        assert_eq!(passes(&mut rate, A, START.plus(DurationMs(500)), 5), 1);
        assert_eq!(passes(&mut rate, A, START.plus(DurationMs::from_secs(3_600)), 500), 120);
    }

    #[test]
    fn clients_have_their_own_share_and_the_person_a_bound() {
        let mut rate = Rate::new(10);
        for number in 1..=2 {
            assert_eq!(passes(&mut rate, GrantId::from_bytes([number; 16]), START, 50), 10);
        }
        let third = GrantId::from_bytes([3; 16]);
        assert_eq!(passes(&mut rate, third, START, 50), 0, "the person's bucket is empty");
        assert_eq!(rate.pass(third, START).unwrap_err().wait, DurationMs(3_000));
        // The third took nothing from its own bucket while it was refused.
        assert_eq!(passes(&mut rate, third, START.plus(DurationMs::from_secs(30)), 50), 10);
    }

    #[test]
    fn it_is_logged_once_a_minute() {
        let mut rate = Rate::new(10);
        passes(&mut rate, A, START, 10);
        let mut logged = |after_ms| rate.pass(A, START.plus(DurationMs(after_ms))).unwrap_err().is_logged;
        assert!(logged(0) && !logged(1) && !logged(2));
        passes(&mut rate, A, START.plus(RATE_LOG_EVERY), 10);
        assert!(rate.pass(A, START.plus(RATE_LOG_EVERY)).unwrap_err().is_logged);
    }

    #[test]
    fn a_clock_that_steps_back_gives_and_takes_nothing() {
        let mut rate = Rate::new(10);
        assert_eq!(passes(&mut rate, A, START, 5), 5);
        assert_eq!(passes(&mut rate, A, UnixMs(START.0 - 60_000), 50), 5);
    }

    #[test]
    fn what_is_full_again_is_forgotten() {
        let mut rate = Rate::new(10);
        for number in 0..20 {
            assert!(rate.pass(GrantId::from_bytes([number; 16]), START).is_ok());
        }
        assert!(rate.pass(A, START.plus(DurationMs::from_secs(600))).is_ok());
        assert_eq!(rate.clients.len(), 1);
    }
}
