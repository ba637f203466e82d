//! The calls that left for a request: what an investigator needs to find each of them with the gateway and Microsoft.
//!
//! What holds here: the latest few are kept, in the rows that are written anyway; an attempt says when and how, and never
//! what was sent or answered; once its request is settled it does not change any more.

use protocol::outbound::{CallResult, Lost};
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::Entry;

/// Attempts that an entry keeps, the latest ones.
const ATTEMPTS_KEPT_MAX: usize = 8;

/// What a call was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// What was asked for.
    #[serde(rename = "c")]
    Call,
    /// Finding out what became of a write whose answer was lost.
    #[serde(rename = "r")]
    Reconcile,
    /// Tokens.
    #[serde(rename = "t")]
    Token,
    /// A subscription to changes.
    #[serde(rename = "w")]
    Watch,
}

impl Purpose {
    /// The name for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Reconcile => "reconcile",
            Self::Token => "token",
            Self::Watch => "watch",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With an answer of this HTTP status.
    #[serde(rename = "a")]
    Answered(u16),
    /// The connection failed.
    #[serde(rename = "c")]
    Connection,
    /// No answer came in time.
    #[serde(rename = "t")]
    Timeout,
    /// The answer was too large.
    #[serde(rename = "b")]
    TooLarge,
    /// The object did not hear of it any more.
    #[serde(rename = "i")]
    Interrupted,
}

impl Ending {
    /// The ending of a call.
    #[must_use]
    pub const fn of(result: &CallResult) -> Self {
        match result {
            CallResult::Answered(answer) => Self::Answered(answer.status),
            CallResult::Lost(Lost::Connection) => Self::Connection,
            CallResult::Lost(Lost::Timeout) => Self::Timeout,
            CallResult::Lost(Lost::TooLarge) => Self::TooLarge,
            CallResult::Lost(Lost::Interrupted) => Self::Interrupted,
        }
    }

    /// The name in logs: that there was an answer, or why there is none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Interrupted => "interrupted",
        }
    }

    /// The status, or why there is none.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Answered(status) => status.to_string(),
            _ => self.name().to_owned(),
        }
    }
}

/// One call that left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it was for.
    #[serde(rename = "p")]
    pub purpose: Purpose,
    /// When it left, in milliseconds after the request's arrival.
    #[serde(rename = "s")]
    pub sent_ms: u64,
    /// How long it took, in milliseconds; none while it is under way or nobody heard of its end.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// How it ended.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The gateway's log entry.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub gateway_log_id: Option<String>,
    /// Microsoft's request identifier.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    pub graph_request_id: Option<String>,
}

impl Entry {
    /// A call leaves. `received_at` is when the request arrived.
    pub fn attempt(&mut self, purpose: Purpose, received_at: UnixMs, now: UnixMs) {
        self.calls += 1;
        self.sent_at.get_or_insert(now);
        if self.attempts.len() == ATTEMPTS_KEPT_MAX {
            self.attempts.remove(0);
        }
        self.attempts.push(Attempt {
            purpose,
            sent_ms: now.since(received_at).0,
            took_ms: None,
            ending: None,
            gateway_log_id: None,
            graph_request_id: None,
        });
    }

    /// The call that left last has ended. An answer's identifiers are taken over where it came by way of the gateway.
    pub fn attempt_ended(
        &mut self,
        (received_at, now): (UnixMs, UnixMs),
        result: &CallResult,
        is_traced: bool,
    ) {
        let Some(attempt) = self.attempts.last_mut() else { return };
        attempt.took_ms = Some(now.since(received_at).0.saturating_sub(attempt.sent_ms));
        attempt.ending = Some(Ending::of(result));
        if let (CallResult::Answered(answer), true) = (result, is_traced) {
            attempt.gateway_log_id.clone_from(&answer.gateway_log_id);
            attempt.graph_request_id.clone_from(&answer.graph_request_id);
        }
    }

    /// Where the calls can be found with the gateway, the newest last: as entries of earlier versions keep it, and of the
    /// attempts.
    pub fn all_gateway_log_ids(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.gateway_log_ids.iter().chain(self.attempts.iter().filter_map(|it| it.gateway_log_id.as_ref()))
    }

    /// Where the calls can be found with Microsoft, likewise.
    pub fn all_graph_request_ids(&self) -> impl DoubleEndedIterator<Item = &String> {
        self.graph_request_ids
            .iter()
            .chain(self.attempts.iter().filter_map(|it| it.graph_request_id.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use protocol::outbound::Answer;

    use super::*;
    use crate::ledger::Kind;

    #[test]
    fn the_latest_calls_are_kept_with_when_and_how() {
        let mut entry = Entry::new(Kind::Refresh, false, [1; 16]);
        let arrived = UnixMs(1_000);
        for number in 0..ATTEMPTS_KEPT_MAX as u64 + 2 {
            entry.attempt(Purpose::Call, arrived, UnixMs(1_100 + number));
            let answer = Answer {
                status: 503,
                gateway_log_id: Some(format!("log-{number}")),
                graph_request_id: Some(format!("graph-{number}")),
                ..Answer::default()
            };
            entry.attempt_ended((arrived, UnixMs(1_150 + number)), &CallResult::Answered(answer), true);
        }
        assert_eq!((entry.calls, entry.attempts.len(), entry.sent_at), (10, 8, Some(UnixMs(1_100))));
        let last = entry.attempts.last().unwrap();
        assert_eq!((last.sent_ms, last.took_ms, last.ending), (109, Some(50), Some(Ending::Answered(503))));
        assert_eq!(entry.all_gateway_log_ids().next().unwrap(), "log-2");
        assert_eq!(entry.all_graph_request_ids().next_back().unwrap(), "graph-9");
    }

    #[test]
    fn a_clock_that_steps_back_and_an_answer_of_somebody_else_leave_no_nonsense() {
        let mut entry = Entry::new(Kind::Refresh, false, [1; 16]);
        entry.attempt(Purpose::Token, UnixMs(1_000), UnixMs(900));
        let answer = Answer { status: 200, gateway_log_id: Some("x".into()), ..Answer::default() };
        entry.attempt_ended((UnixMs(1_000), UnixMs(800)), &CallResult::Answered(answer), false);
        let [attempt] = entry.attempts.as_slice() else { panic!("one attempt") };
        assert_eq!((attempt.sent_ms, attempt.took_ms), (0, Some(0)));
        assert_eq!(attempt.gateway_log_id, None);
    }
}
