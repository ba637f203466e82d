//! The circuit breaker for AI Gateway: while the gateway is down, nobody waits for it in vain and nothing hammers it.
//!
//! What holds here: failures in a row open it, but only those of the gateway itself: it could not be reached, or answered
//! with a 5xx of its own. What Graph answered, however bad, came through the gateway, and a refusal of one call says
//! nothing about the next. Once its time is over exactly one call tries; its end closes it or opens it for longer.
//!
//! It is memory only. A row would cost money with each change, and an object that comes back into memory knows nothing of
//! the gateway now: at worst it learns it again from a few calls, while a stored state could keep out a gateway that
//! recovered long ago.

use protocol::gateway::{Refuser, read_refusal};
use protocol::ids::RequestId;
use protocol::limits::{GATEWAY_FAILURES_MAX, GATEWAY_PAUSE, GATEWAY_PAUSE_MAX};
use protocol::outbound::{CallResult, Lost};
use protocol::time::{DurationMs, UnixMs};

/// What the end of a call says about the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is there.
    Answers,
    /// It is not there, or says itself that it cannot.
    Fails,
    /// Nothing: somebody behind it may have taken too long.
    Unclear,
}

impl Word {
    /// Attributes the end of a Graph call.
    #[must_use]
    pub fn of(result: &CallResult) -> Self {
        match result {
            CallResult::Answered(answer) if answer.status >= 500 => {
                // A page that is nobody's comes from a proxy on the way, so the way is broken.
                match read_refusal(&answer.body).refuser {
                    Refuser::Graph => Self::Answers,
                    Refuser::Gateway | Refuser::Unrecognised => Self::Fails,
                }
            }
            CallResult::Answered(_) | CallResult::Lost(Lost::TooLarge) => Self::Answers,
            CallResult::Lost(Lost::Connection) => Self::Fails,
            CallResult::Lost(Lost::Timeout | Lost::Interrupted) => Self::Unclear,
        }
    }
}

/// A change of the breaker, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing leaves for so long.
    Opened(DurationMs),
    /// One call tries.
    HalfOpened,
    /// Everything leaves again.
    Closed,
}

impl Change {
    /// The state that the breaker is in now, as the log names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened(_) => "open",
            Self::HalfOpened => "half_open",
            Self::Closed => "closed",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        until: UnixMs,
    },
    /// One call has left to try.
    Trying {
        request: RequestId,
    },
}

/// The breaker of one object.
#[derive(Debug, Default)]
pub struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    /// Openings in a row.
    openings: u32,
}

impl Breaker {
    /// Whether a call may leave now.
    #[must_use]
    pub fn admits(&self, now: UnixMs) -> bool {
        match self.state {
            State::Closed => true,
            State::Open { until } => until <= now,
            State::Trying { .. } => false,
        }
    }

    /// Where it stands, as the log names it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self.state {
            State::Closed => Change::Closed.name(),
            State::Open { .. } => "open",
            State::Trying { .. } => Change::HalfOpened.name(),
        }
    }

    /// When the next call may leave, if that is a matter of time.
    #[must_use]
    pub const fn opens_at(&self) -> UnixMs {
        match self.state {
            State::Open { until } => until,
            State::Closed | State::Trying { .. } => UnixMs(0),
        }
    }

    /// A call leaves. The first one after the time is over is the one that tries.
    pub const fn leaves(&mut self, request: RequestId) -> Option<Change> {
        match self.state {
            State::Open { .. } => {
                self.state = State::Trying { request };
                Some(Change::HalfOpened)
            }
            State::Closed | State::Trying { .. } => None,
        }
    }

    /// A call ended. `lengthened` adds the random part to a pause, so that the objects of many people do not come back
    /// together.
    pub fn ended(
        &mut self,
        request: RequestId,
        word: Word,
        now: UnixMs,
        lengthened: impl FnOnce(DurationMs) -> DurationMs,
    ) -> Option<Change> {
        match (self.state, word) {
            (State::Closed, Word::Answers) => self.failures = 0,
            (State::Closed, Word::Fails) => {
                self.failures += 1;
                if self.failures >= GATEWAY_FAILURES_MAX {
                    return Some(self.open(now, lengthened));
                }
            }
            (State::Trying { request: trying }, Word::Answers) if trying == request => {
                *self = Self::default();
                return Some(Change::Closed);
            }
            (State::Trying { request: trying }, _) if trying == request => {
                return Some(self.open(now, lengthened));
            }
            // A call that left before it opened says nothing new.
            _ => {}
        }
        None
    }

    fn open(&mut self, now: UnixMs, lengthened: impl FnOnce(DurationMs) -> DurationMs) -> Change {
        let pause = GATEWAY_PAUSE.0.saturating_mul(1 << self.openings.min(10)).min(GATEWAY_PAUSE_MAX.0);
        let pause = lengthened(DurationMs(pause));
        self.openings += 1;
        self.state = State::Open { until: now.plus(pause) };
        Change::Opened(pause)
    }
}

#[cfg(test)]
mod tests {
    use protocol::outbound::Answer;

    use super::*;

    const fn id(number: u8) -> RequestId {
        RequestId::from_bytes([number; 16])
    }

    fn ends(breaker: &mut Breaker, number: u8, word: Word, now: u64) -> Option<Change> {
        breaker.ended(id(number), word, UnixMs(now), |pause| DurationMs(pause.0 + 1))
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for number in 1..GATEWAY_FAILURES_MAX {
            assert_eq!(ends(&mut breaker, number as u8, Word::Fails, 0), None);
        }
        let opened = ends(&mut breaker, 99, Word::Fails, 0);
        assert_eq!(opened, Some(Change::Opened(DurationMs(GATEWAY_PAUSE.0 + 1))));
        breaker
    }

    #[test]
    fn only_the_gateways_own_failures_count() {
        let answered = |status: u16, body: &str| {
            Word::of(&CallResult::Answered(Answer { status, body: body.into(), ..Answer::default() }))
        };
        let graph = r#"{"error":{"code":"ServiceUnavailable","message":"x"}}"#;
        let gateway = r#"{"success":false,"error":[{"code":7013,"message":"x"}]}"#;
        assert_eq!(answered(503, graph), Word::Answers);
        assert_eq!(answered(503, gateway), Word::Fails);
        assert_eq!(answered(502, "<html>"), Word::Fails);
        for status in [200, 400, 401, 403, 404, 424, 429] {
            assert_eq!(answered(status, gateway), Word::Answers, "{status}");
        }
        assert_eq!(Word::of(&CallResult::Lost(Lost::Connection)), Word::Fails);
        assert_eq!(Word::of(&CallResult::Lost(Lost::Timeout)), Word::Unclear);
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_an_answer_in_between_begins_anew() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..GATEWAY_FAILURES_MAX {
                assert_eq!(ends(&mut breaker, 1, Word::Fails, 0), None);
                assert_eq!(ends(&mut breaker, 1, Word::Unclear, 0), None);
            }
            assert_eq!(ends(&mut breaker, 1, Word::Answers, 0), None);
        }
        assert!(breaker.admits(UnixMs(0)));
        let breaker = opened();
        assert!(!breaker.admits(UnixMs(GATEWAY_PAUSE.0)) && breaker.admits(UnixMs(GATEWAY_PAUSE.0 + 1)));
    }

    #[test]
    fn exactly_one_call_tries_and_its_answer_closes() {
        let mut breaker = opened();
        let later = UnixMs(GATEWAY_PAUSE.0 + 1);
        assert_eq!(breaker.leaves(id(1)), Some(Change::HalfOpened));
        assert!(!breaker.admits(later) && !breaker.admits(UnixMs(u64::MAX)));
        // Calls from before come back late, whatever they say.
        assert_eq!(ends(&mut breaker, 7, Word::Answers, later.0), None);
        assert_eq!(ends(&mut breaker, 7, Word::Fails, later.0), None);
        assert_eq!(ends(&mut breaker, 1, Word::Answers, later.0), Some(Change::Closed));
        assert!(breaker.admits(later));
    }

    #[test]
    fn it_opens_for_longer_each_time_and_not_for_ever() {
        let mut breaker = opened();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            breaker.leaves(id(1));
            // Silence is no sign of life either.
            match ends(&mut breaker, 1, Word::Unclear, 0) {
                Some(Change::Opened(pause)) => pauses.push(pause.0 - 1),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(pauses[..3], [GATEWAY_PAUSE.0 * 2, GATEWAY_PAUSE.0 * 4, GATEWAY_PAUSE.0 * 8]);
        assert_eq!(pauses[7], GATEWAY_PAUSE_MAX.0);
    }
}
