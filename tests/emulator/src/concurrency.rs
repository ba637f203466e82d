//! Counts of requests in flight: per service, per user over Graph and Entra, and per mailbox, with the
//! highest value seen. The mailbox count is also the gate that emulates Outlook's limit. A count goes up on admission and down
//! when the answer is ready or the client has gone; it must never leak.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A level and its high-water mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    now: usize,
    max: usize,
}

impl Gauge {
    fn up(&mut self) {
        self.now += 1;
        self.max = self.max.max(self.now);
    }

    fn down(&mut self) {
        self.now = self.now.saturating_sub(1);
    }

    fn to_json(self) -> Value {
        json!({ "inFlight": self.now, "maxInFlight": self.max })
    }
}

/// All gauges.
#[derive(Clone, Debug, Default)]
pub struct Concurrency {
    services: BTreeMap<&'static str, Gauge>,
    users: BTreeMap<&'static str, Gauge>,
    mailboxes: BTreeMap<String, Gauge>,
    refused: u64,
}

impl Concurrency {
    /// A request to a service begins, for a user where one is known.
    pub fn enter(&mut self, service: &'static str, user: Option<&'static str>) {
        self.services.entry(service).or_default().up();
        if let Some(user) = user {
            self.users.entry(user).or_default().up();
        }
    }

    /// A request to a service ends.
    pub fn leave(&mut self, service: &'static str, user: Option<&'static str>) {
        self.services.entry(service).or_default().down();
        if let Some(user) = user {
            self.users.entry(user).or_default().down();
        }
    }

    /// Admits a request to a mailbox, or refuses it when `limit` are in flight already.
    pub fn enter_mailbox(&mut self, address: &str, limit: usize) -> bool {
        let gauge = self.mailboxes.entry(address.to_owned()).or_default();
        if gauge.now >= limit {
            self.refused += 1;
            return false;
        }
        gauge.up();
        true
    }

    /// A request to a mailbox ends.
    pub fn leave_mailbox(&mut self, address: &str) {
        if let Some(gauge) = self.mailboxes.get_mut(address) {
            gauge.down();
        }
    }

    /// Forgets the high-water marks, not what is in flight.
    pub fn clear_marks(&mut self) {
        self.refused = 0;
        let users = self.users.values_mut();
        for gauge in self.services.values_mut().chain(users).chain(self.mailboxes.values_mut()) {
            gauge.max = gauge.now;
        }
    }

    /// All gauges as JSON.
    pub fn to_json(&self) -> Value {
        let services: BTreeMap<_, _> = self.services.iter().map(|(k, g)| (*k, g.to_json())).collect();
        let users: BTreeMap<_, _> = self.users.iter().map(|(k, g)| (*k, g.to_json())).collect();
        let mailboxes: BTreeMap<_, _> = self.mailboxes.iter().map(|(k, g)| (k, g.to_json())).collect();
        json!({ "services": services, "users": users, "mailboxes": mailboxes, "mailboxRefusals": self.refused })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_is_refused_and_the_mark_stays() {
        let mut gate = Concurrency::default();
        for _ in 0..4 {
            assert!(gate.enter_mailbox("a", 4));
        }
        assert!(!gate.enter_mailbox("a", 4));
        assert!(gate.enter_mailbox("b", 4));
        gate.leave_mailbox("a");
        assert!(gate.enter_mailbox("a", 4));
        let seen = gate.to_json();
        assert_eq!(seen["mailboxes"]["a"]["maxInFlight"], 4);
        assert_eq!(seen["mailboxRefusals"], 1);
    }
}
