//! The sweep: after a rotation of the encryption keys everything is sealed anew, so that the old key can be removed.
//!
//! What holds here: it is the object's last concern, goes on by alarms in batches, and waits while calls of clients do;
//! a row says under which key everything is sealed, so that nothing is looked through when no key has changed. A value
//! that no key opens is left as it is.

use protocol::limits::{SWEEP_PAUSE, SWEEP_WAITS_MAX};
use protocol::time::UnixMs;

use super::{DigestKey, Txn, UserSession};
use crate::ledger::Sweep;
use crate::log::LogLine;
use crate::turn::{Effect, Fault, Turn};
use crate::vault;

/// When the next batch is to be done.
#[derive(Clone, Copy, Debug)]
pub(super) struct NextSweep {
    pub at: UnixMs,
    /// From then on it is done among the calls of clients.
    latest: UnixMs,
}

impl NextSweep {
    pub(super) const fn after(now: UnixMs) -> Self {
        let at = now.plus(SWEEP_PAUSE);
        Self { at, latest: at.plus(SWEEP_WAITS_MAX) }
    }
}

impl UserSession {
    /// Does one batch if it is time; says whether the object's own row has to be stored.
    pub(super) fn sweep(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<bool, Fault> {
        let Some(next) = self.next_sweep.filter(|next| next.at <= turn.now) else { return Ok(false) };
        let user = self.owner()?;
        if self.queue.is_wanted() && turn.now < next.latest {
            self.next_sweep = Some(NextSweep { at: turn.now.plus(SWEEP_PAUSE), ..next });
            return Ok(false);
        }
        let config = self.config.clone();
        let newest = config.encryption_keys.newest_id();
        let is_under_way = self.ledger.upkeep().sweep.as_ref().is_some_and(|sweep| sweep.key == newest);
        if !is_under_way {
            let mut sweep = Sweep::new(newest);
            sweep.resealed = self.reseal_single_rows(turn, txn)?;
            self.ledger.upkeep_mut().sweep = Some(sweep);
        }
        let entropy = &mut turn.entropy;
        let is_over = self.ledger.go_on_sweeping(txn, |request, sealed| {
            vault::reseal_answer(&config, user, request, sealed, entropy)
        })?;
        if !is_over {
            self.next_sweep = Some(NextSweep::after(turn.now));
            return Ok(true);
        }
        self.next_sweep = None;
        let resealed = self.ledger.upkeep_mut().sweep.take().map_or(0, |sweep| sweep.resealed);
        let line = LogLine::new("resealed", turn.now)
            .with("userKey", user.to_string())
            .with("key", newest)
            .with("values", resealed)
            .with("ledgerEntries", self.ledger.len());
        txn.emit(Effect::Log(line));
        Ok(true)
    }

    /// The tokens and the key for digests, which lie in one row each. Says how many were sealed anew.
    fn reseal_single_rows(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<u64, Fault> {
        let user = self.owner()?;
        let tokens = self.refresher.reseal(txn, (&self.config, user), &mut turn.entropy)?;
        let of_access = self.access_tokens.reseal(txn, (&self.config, user), &mut turn.entropy)?;
        let mut resealed = u64::from(tokens) + u64::from(of_access);
        if let Some(DigestKey { clear, sealed }) = &mut self.digest_key
            && !self.config.encryption_keys.is_sealed_by_newest(sealed)
        {
            *sealed = vault::seal_digest_key(&self.config, user, clear, &mut turn.entropy)?;
            resealed += 1;
        }
        Ok(resealed)
    }
}
