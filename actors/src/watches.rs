//! The subscriptions with Microsoft Graph of one person: one for each thing that somebody watches.
//!
//! What holds here: a subscription is known by its identifier and by a keyed digest of the secret that Microsoft shows
//! with each notification, so that nobody else's word is believed; at most one call for each is under way; a failure
//! is followed by a wait that grows, and a refusal by silence until the person signs in again. Whether anybody watches
//! is not known here. What nobody watches any more is left to end by itself.

use std::collections::BTreeMap;

use protocol::digest::is_equal;
use protocol::limits::{BACKOFF_BASE, WATCH_BACKOFF_MAX, WATCH_RENEWED_BEFORE};
use protocol::mcp::Watched;
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::ledger::Fingerprint;
use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// What is known of the subscription to one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The subscription, if there is one.
    #[serde(rename = "s")]
    pub standing: Option<Standing>,
    /// Attempts in a row that failed.
    #[serde(rename = "f")]
    pub failures: u32,
    /// The time before which nothing is attempted.
    #[serde(rename = "n")]
    pub not_before: UnixMs,
    /// Whether Microsoft refused, so that only another sign-in can help.
    #[serde(rename = "r")]
    pub is_refused: bool,
}

/// A subscription that Microsoft made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Microsoft's identifier of it.
    #[serde(rename = "i")]
    pub id: String,
    /// The keyed digest of its `clientState`.
    #[serde(rename = "d", with = "serde_bytes")]
    pub client_state: Fingerprint,
    /// When Microsoft ends it.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// Whether Microsoft asked for a renewal before its time.
    #[serde(rename = "a")]
    pub must_reauthorize: bool,
    /// The key under which the address was sealed at which its notifications arrive. Microsoft keeps the address, so
    /// that another key means another subscription.
    #[serde(rename = "k")]
    pub key: String,
}

impl Record for Watch {
    const TABLE: Table = Table::Watches;
}

/// What has to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Subscribe.
    Create,
    /// Renew this subscription.
    Renew(String),
}

/// All subscriptions of one person, in memory as in their rows.
#[derive(Debug, Default)]
pub struct Watches {
    known: BTreeMap<Watched, Watch>,
    /// What is under way; with a creation, the digest of the `clientState` that Microsoft was given.
    under_way: BTreeMap<Watched, Option<Fingerprint>>,
}

/// The row's key: one byte, as the thing is written elsewhere.
const fn key(watched: Watched) -> &'static [u8] {
    match watched {
        Watched::Inbox => b"m",
        Watched::Calendar => b"c",
    }
}

impl Watches {
    /// Reads what is known.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when a row does not decode.
    pub fn recover(rows: &dyn Rows) -> Result<Self, Fault> {
        let mut known = BTreeMap::new();
        for (row, watch) in read_range::<Watch>(rows, &[], None, Watched::ALL.len(), Order::Ascending)? {
            let watched = Watched::ALL.into_iter().find(|watched| key(*watched) == row.as_slice());
            let watched = watched.ok_or(Fault::CorruptRow { table: Table::Watches.name() })?;
            known.insert(watched, watch);
        }
        Ok(Self { known, under_way: BTreeMap::new() })
    }

    /// When something has to be done for a thing that somebody watches; `None` while something is under way, and after
    /// a refusal. `key` names the newest key.
    #[must_use]
    pub fn due(&self, watched: Watched, key: &str) -> Option<UnixMs> {
        if self.under_way.contains_key(&watched) {
            return None;
        }
        let Some(watch) = self.known.get(&watched) else { return Some(UnixMs(0)) };
        let by_life = match &watch.standing {
            Some(standing) if !standing.must_reauthorize && standing.key == key => {
                standing.expires_at.minus(WATCH_RENEWED_BEFORE)
            }
            _ => UnixMs(0),
        };
        (!watch.is_refused).then(|| by_life.max(watch.not_before))
    }

    /// What has to be done for a thing that is due.
    #[must_use]
    pub fn errand(&self, watched: Watched, key: &str, now: UnixMs) -> Errand {
        match self.known.get(&watched).and_then(|watch| watch.standing.as_ref()) {
            Some(standing) if now < standing.expires_at && standing.key == key => {
                Errand::Renew(standing.id.clone())
            }
            _ => Errand::Create,
        }
    }

    /// Takes note that a call is under way. Notifications may come before its answer does: they are known by the digest
    /// of the `clientState` alone.
    pub fn began(&mut self, watched: Watched, client_state: Option<Fingerprint>) {
        self.under_way.insert(watched, client_state);
    }

    /// Microsoft made the subscription. Says whether changes may have gone unheard before: that is so unless it is the
    /// very first one, made at the first attempt.
    ///
    /// # Errors
    /// A fault of the storage port, or nothing of the kind was under way.
    pub fn created(
        &mut self,
        txn: &mut Txn<'_>,
        watched: Watched,
        id: String,
        expires_at: UnixMs,
        key: &str,
    ) -> Result<bool, Fault> {
        let begun = self.under_way.remove(&watched).flatten();
        let client_state = begun.ok_or(Fault::Invariant("a subscription that nobody asked for"))?;
        let has_gap = self.known.contains_key(&watched);
        let key = key.to_owned();
        let standing = Some(Standing { id, client_state, expires_at, must_reauthorize: false, key });
        self.put(txn, watched, Watch { standing, ..Watch::default() })?;
        Ok(has_gap)
    }

    /// Microsoft renewed the subscription, unless it said in the meantime that it ended it.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn renewed(&mut self, txn: &mut Txn<'_>, watched: Watched, expires_at: UnixMs) -> Result<(), Fault> {
        self.under_way.remove(&watched);
        let standing = self.known.get(&watched).and_then(|watch| watch.standing.clone());
        let Some(standing) = standing else { return Ok(()) };
        let standing = Some(Standing { expires_at, must_reauthorize: false, ..standing });
        self.put(txn, watched, Watch { standing, ..Watch::default() })
    }

    /// An attempt failed for a reason that may pass; the next one waits, at least as long as Microsoft asked.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn failed(
        &mut self,
        txn: &mut Txn<'_>,
        watched: Watched,
        now: UnixMs,
        asked: Option<DurationMs>,
    ) -> Result<(), Fault> {
        self.under_way.remove(&watched);
        let mut watch = self.known.get(&watched).cloned().unwrap_or_default();
        let wait = BACKOFF_BASE.0.saturating_mul(1 << watch.failures.min(12)).min(WATCH_BACKOFF_MAX.0);
        watch.failures = watch.failures.saturating_add(1);
        watch.not_before = now.plus(DurationMs(wait.max(asked.map_or(0, |asked| asked.0))));
        self.put(txn, watched, watch)
    }

    /// Forgets every subscription: nothing that Microsoft says of one is believed any more.
    pub fn forget(&mut self, txn: &mut Txn<'_>) {
        for watched in self.known.keys() {
            txn.delete::<Watch>(key(*watched));
        }
        *self = Self::default();
    }

    /// Microsoft refused: nothing is attempted until the person signs in again.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn refused(&mut self, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        self.under_way.remove(&watched);
        let watch = self.known.get(&watched).cloned().unwrap_or_default();
        self.put(txn, watched, Watch { is_refused: true, ..watch })
    }

    /// The person signed in again: what was refused or put off is attempted at once.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn signed_in(&mut self, txn: &mut Txn<'_>) -> Result<(), Fault> {
        let held_up: Vec<Watched> = self
            .known
            .iter()
            .filter(|(_, watch)| watch.is_refused || watch.failures > 0)
            .map(|(watched, _)| *watched)
            .collect();
        for watched in held_up {
            let standing = self.known.get(&watched).and_then(|watch| watch.standing.clone());
            self.put(txn, watched, Watch { standing, ..Watch::default() })?;
        }
        Ok(())
    }

    /// A renewal found out that the subscription does not exist any more.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn gone(&mut self, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        self.under_way.remove(&watched);
        self.removed(txn, watched)
    }

    /// Microsoft says that it ended the subscription. What is under way goes on.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn removed(&mut self, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        let watch = self.known.get(&watched).cloned().unwrap_or_default();
        self.put(txn, watched, Watch { standing: None, ..watch })
    }

    /// Microsoft wants the subscription renewed with a fresh token.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn must_reauthorize(&mut self, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        let Some(mut watch) = self.known.get(&watched).cloned() else { return Ok(()) };
        match &mut watch.standing {
            Some(standing) if !standing.must_reauthorize => standing.must_reauthorize = true,
            _ => return Ok(()),
        }
        self.put(txn, watched, watch)
    }

    /// What a notification is about, if Microsoft sent it: it names the subscription and shows its `clientState`. While
    /// one is being made its identifier is not known yet, and the secret alone proves who speaks.
    #[must_use]
    pub fn believe(&self, subscription: &str, client_state: &Fingerprint) -> Option<Watched> {
        Watched::ALL.into_iter().find(|watched| {
            let standing = self.known.get(watched).and_then(|watch| watch.standing.as_ref());
            let stands = standing.is_some_and(|standing| {
                standing.id == subscription && is_equal(&standing.client_state, client_state)
            });
            let begun = self.under_way.get(watched).copied().flatten();
            stands || begun.is_some_and(|begun| is_equal(&begun, client_state))
        })
    }

    fn put(&mut self, txn: &mut Txn<'_>, watched: Watched, watch: Watch) -> Result<(), Fault> {
        txn.put(key(watched), &watch)?;
        self.known.insert(watched, watch);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryRows;

    const SECRET: Fingerprint = [1; 16];
    const KEY: &str = "k1";
    const END: UnixMs = UnixMs(200 * 60 * 60 * 1_000);

    fn with_watches(action: impl FnOnce(&mut Watches, &mut Txn<'_>)) -> MemoryRows {
        let mut rows = MemoryRows::default();
        let empty = MemoryRows::default();
        let mut txn = Txn::new(&empty);
        action(&mut Watches::default(), &mut txn);
        rows.apply(&txn.finish().0);
        rows
    }

    fn create(watches: &mut Watches, txn: &mut Txn<'_>) -> bool {
        watches.began(Watched::Inbox, Some(SECRET));
        watches.created(txn, Watched::Inbox, "s-1".into(), END, KEY).unwrap()
    }

    #[test]
    fn a_subscription_is_made_once_and_renewed_a_day_before_its_end() {
        let rows = with_watches(|watches, txn| {
            assert_eq!(watches.due(Watched::Inbox, KEY), Some(UnixMs(0)));
            assert_eq!(watches.errand(Watched::Inbox, KEY, UnixMs(5)), Errand::Create);
            watches.began(Watched::Inbox, Some(SECRET));
            assert_eq!(watches.due(Watched::Inbox, KEY), None, "one at a time");
            assert!(
                !watches.created(txn, Watched::Inbox, "s-1".into(), END, KEY).unwrap(),
                "nothing went unheard"
            );
        });
        let watches = Watches::recover(&rows).unwrap();
        assert_eq!(watches.due(Watched::Inbox, KEY), Some(END.minus(WATCH_RENEWED_BEFORE)));
        assert_eq!(watches.errand(Watched::Inbox, KEY, UnixMs(5)), Errand::Renew("s-1".into()));
        assert_eq!(
            watches.errand(Watched::Inbox, KEY, END),
            Errand::Create,
            "what has ended cannot be renewed"
        );
        assert_eq!(watches.due(Watched::Inbox, "k2"), Some(UnixMs(0)), "its address is under an old key");
        assert_eq!(watches.errand(Watched::Inbox, "k2", UnixMs(5)), Errand::Create);
        assert_eq!(watches.due(Watched::Calendar, KEY), Some(UnixMs(0)));
    }

    #[test]
    fn only_the_right_subscription_with_the_right_secret_is_believed() {
        with_watches(|watches, txn| {
            watches.began(Watched::Inbox, Some(SECRET));
            assert_eq!(watches.believe("not known yet", &SECRET), Some(Watched::Inbox));
            assert_eq!(watches.believe("not known yet", &[2; 16]), None);
            create(watches, txn);
            assert_eq!(watches.believe("s-1", &SECRET), Some(Watched::Inbox));
            for (id, secret) in [("s-2", SECRET), ("s-1", [2; 16]), ("", SECRET), ("s-1", [0; 16])] {
                assert_eq!(watches.believe(id, &secret), None, "{id}");
            }
        });
    }

    #[test]
    fn failures_are_spaced_out_and_a_refusal_waits_for_a_sign_in() {
        with_watches(|watches, txn| {
            let mut waits = Vec::new();
            for _ in 0..20 {
                watches.began(Watched::Inbox, Some(SECRET));
                watches.failed(txn, Watched::Inbox, UnixMs(0), None).unwrap();
                waits.push(watches.due(Watched::Inbox, KEY).unwrap().0);
            }
            assert_eq!(waits[..4], [1_000, 2_000, 4_000, 8_000]);
            assert_eq!(waits[19], WATCH_BACKOFF_MAX.0);
            let asked = DurationMs::from_secs(7_200);
            watches.failed(txn, Watched::Inbox, UnixMs(0), Some(asked)).unwrap();
            assert_eq!(watches.due(Watched::Inbox, KEY), Some(UnixMs(asked.0)));
            watches.refused(txn, Watched::Inbox).unwrap();
            assert_eq!(watches.due(Watched::Inbox, KEY), None);
            watches.signed_in(txn).unwrap();
            assert_eq!(watches.due(Watched::Inbox, KEY), Some(UnixMs(0)));
            assert!(create(watches, txn), "changes before may have gone unheard");
        });
    }

    #[test]
    fn what_microsoft_ended_is_made_again_and_what_it_questions_is_renewed_at_once() {
        with_watches(|watches, txn| {
            create(watches, txn);
            watches.must_reauthorize(txn, Watched::Inbox).unwrap();
            assert_eq!(watches.due(Watched::Inbox, KEY), Some(UnixMs(0)));
            assert_eq!(watches.errand(Watched::Inbox, KEY, UnixMs(5)), Errand::Renew("s-1".into()));
            watches.began(Watched::Inbox, None);
            watches.renewed(txn, Watched::Inbox, END).unwrap();
            assert_eq!(watches.believe("s-1", &SECRET), Some(Watched::Inbox), "and keeps its secret");
            watches.gone(txn, Watched::Inbox).unwrap();
            assert_eq!(watches.believe("s-1", &SECRET), None);
            assert_eq!(watches.errand(Watched::Inbox, KEY, UnixMs(5)), Errand::Create);
            assert!(create(watches, txn));
            // Microsoft ends it while its renewal is under way, and then answers the renewal.
            watches.began(Watched::Inbox, None);
            watches.removed(txn, Watched::Inbox).unwrap();
            assert_eq!(watches.due(Watched::Inbox, KEY), None);
            watches.renewed(txn, Watched::Inbox, END).unwrap();
            assert_eq!(watches.errand(Watched::Inbox, KEY, UnixMs(5)), Errand::Create);
        });
    }
}
