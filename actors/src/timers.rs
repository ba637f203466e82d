//! Many timers, one alarm: the table from which the object's single alarm is computed.
//!
//! What holds here: a timer is only a wish to be called at or after a time. Every handler looks at the clock again
//! and does nothing when it is early, so that late, early and double alarms are harmless.

use protocol::time::UnixMs;

/// The reasons for which an object wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// A call that never came back must be given up.
    CallTimeout,
    /// A request's deadline passes.
    RequestDeadline,
    /// A waiting call may leave.
    Queue,
    /// The access token should be refreshed.
    Refresh,
    /// A session has been idle for too long.
    SessionExpiry,
    /// The oldest ledger entries are to be removed.
    Prune,
    /// Answers of reads were kept for long enough.
    Answers,
    /// The sweep that seals everything under the newest key goes on.
    Sweep,
    /// The object looks whether its keys are still the newest ones.
    Wake,
    /// A subscription with Microsoft has to be made or renewed.
    Watches,
}

const TIMERS: usize = 10;

/// When each timer is due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimerTable {
    due: [Option<UnixMs>; TIMERS],
}

impl TimerTable {
    /// Sets a timer, or clears it with `None`.
    pub fn set(&mut self, timer: Timer, at: Option<UnixMs>) {
        if let Some(slot) = self.due.get_mut(timer as usize) {
            *slot = at;
        }
    }

    /// The earliest time at which any timer is due.
    #[must_use]
    pub fn next(&self) -> Option<UnixMs> {
        self.due.iter().flatten().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_timer_decides() {
        let mut timers = TimerTable::default();
        assert_eq!(timers.next(), None);
        timers.set(Timer::Prune, Some(UnixMs(9)));
        timers.set(Timer::CallTimeout, Some(UnixMs(3)));
        assert_eq!(timers.next(), Some(UnixMs(3)));
        timers.set(Timer::CallTimeout, None);
        assert_eq!(timers.next(), Some(UnixMs(9)));
    }
}
