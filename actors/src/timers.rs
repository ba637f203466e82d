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
    /// The directory is told what has changed.
    Report,
}

const TIMERS: usize = 11;

impl Timer {
    /// Every timer, in the order of its declaration.
    const ALL: [Self; TIMERS] = [
        Self::CallTimeout,
        Self::RequestDeadline,
        Self::Queue,
        Self::Refresh,
        Self::SessionExpiry,
        Self::Prune,
        Self::Answers,
        Self::Sweep,
        Self::Wake,
        Self::Watches,
        Self::Report,
    ];

    /// The name for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallTimeout => "call_timeout",
            Self::RequestDeadline => "request_deadline",
            Self::Queue => "queue",
            Self::Refresh => "refresh",
            Self::SessionExpiry => "session_expiry",
            Self::Prune => "prune",
            Self::Answers => "answers",
            Self::Sweep => "sweep",
            Self::Wake => "wake",
            Self::Watches => "watches",
            Self::Report => "report",
        }
    }
}

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

    /// Everything that is due, the earliest first.
    #[must_use]
    pub fn all(&self) -> Vec<(Timer, UnixMs)> {
        let due = Timer::ALL.into_iter().zip(self.due);
        let mut due: Vec<_> = due.filter_map(|(timer, at)| Some((timer, at?))).collect();
        due.sort_by_key(|(_, at)| *at);
        due
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
        assert_eq!(timers.all(), [(Timer::CallTimeout, UnixMs(3)), (Timer::Prune, UnixMs(9))]);
        timers.set(Timer::CallTimeout, None);
        assert_eq!(timers.next(), Some(UnixMs(9)));
    }
}
