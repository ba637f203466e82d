//! The refresher: the Microsoft tokens of one person, and when and how they are renewed.
//!
//! What holds here: at most one refresh is under way; the newest refresh token is stored in the same commit as its
//! access token; a late answer never overwrites a newer generation; a lost answer leaves the old refresh token in
//! place, which Microsoft still accepts, so that the refresh can be tried again.

use protocol::config::Config;
use protocol::entra::{Denied, Tokens};
use protocol::ids::{RequestId, UserKey};
use protocol::limits::{ACTIVE_WITHIN, BACKOFF_BASE, IDLE_REFRESH_EVERY, TOKEN_MARGIN};
use protocol::secret::Secret;
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::store::{Record, Rows, Table, Txn};
use crate::turn::{Entropy, Fault};
use crate::vault::{self, MicrosoftTokens};

const KEY: &[u8] = b"microsoft";
const BACKOFF_MAX: DurationMs = DurationMs::from_secs(5 * 60);

/// The row of the tokens. Everything but the tokens themselves is in clear, for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Counts the tokens that were stored.
    #[serde(rename = "n")]
    pub generation: u64,
    /// When they were obtained.
    #[serde(rename = "o")]
    pub obtained_at: UnixMs,
    /// When the access token ends.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// The Graph permissions that Microsoft granted.
    #[serde(rename = "p")]
    pub scopes: Vec<String>,
    /// The sealed tokens; none once Microsoft declared them dead.
    #[serde(rename = "t")]
    pub sealed: Option<ByteBuf>,
}

impl Record for TokenRow {
    const TABLE: Table = Table::Tokens;
}

/// Whether a Graph call can be made.
#[derive(Debug)]
pub enum Access {
    /// With this access token.
    Ready(Secret<String>),
    /// After a refresh.
    NeedsRefresh,
    /// Not before this time: a refresh failed for a passing reason.
    Later(UnixMs),
    /// Not before the person signs in.
    SignInAgain,
    /// Not before an operator renews this server's credential.
    OwnCredential,
}

/// The tokens and what is known of their renewal.
#[derive(Debug, Default)]
pub struct Refresher {
    row: Option<TokenRow>,
    tokens: Option<MicrosoftTokens>,
    under_way: Option<(RequestId, u64)>,
    refused_by_graph: bool,
    failures: u32,
    not_before: UnixMs,
    own_credential_refused: bool,
}

impl Refresher {
    /// Reads and opens the tokens.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] or [`Fault::CannotUnseal`].
    pub fn recover(rows: &dyn Rows, config: &Config, user: UserKey) -> Result<Self, Fault> {
        let row: Option<TokenRow> = Txn::new(rows).get(KEY)?;
        let tokens = match row.as_ref().and_then(|row| row.sealed.as_ref().map(|sealed| (row, sealed))) {
            Some((row, sealed)) => Some(vault::open_tokens(config, user, row.generation, sealed)?),
            None => None,
        };
        Ok(Self { row, tokens, ..Self::default() })
    }

    /// The permissions that Microsoft granted, or `None` when no account is connected.
    #[must_use]
    pub fn granted(&self) -> Option<&[String]> {
        let row = self.row.as_ref()?;
        row.sealed.as_ref().map(|_| row.scopes.as_slice())
    }

    /// Whether a Graph call can be made now.
    #[must_use]
    pub fn access(&self, now: UnixMs) -> Access {
        let (Some(row), Some(tokens)) = (&self.row, &self.tokens) else { return Access::SignInAgain };
        if !self.refused_by_graph && now.plus(margin(row)) < row.expires_at {
            return Access::Ready(tokens.access.clone());
        }
        if now < self.not_before {
            return if self.own_credential_refused {
                Access::OwnCredential
            } else {
                Access::Later(self.not_before)
            };
        }
        Access::NeedsRefresh
    }

    /// Counts the tokens that were stored; zero when no account was ever connected.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.row.as_ref().map_or(0, |row| row.generation)
    }

    /// The refresh that is under way.
    #[must_use]
    pub fn under_way(&self) -> Option<RequestId> {
        self.under_way.map(|(request, _)| request)
    }

    /// Begins a refresh and yields the refresh token for its form; `None` if there is nothing to refresh with.
    pub fn begin(&mut self, request: RequestId) -> Option<Secret<String>> {
        let (row, tokens) = (self.row.as_ref()?, self.tokens.as_ref()?);
        self.under_way = Some((request, row.generation));
        Some(tokens.refresh.clone())
    }

    /// The refresh token of the refresh that is under way, to send its form again.
    #[must_use]
    pub fn refresh_token(&self) -> Option<Secret<String>> {
        self.tokens.as_ref().map(|tokens| tokens.refresh.clone())
    }

    /// Graph did not accept the access token although its time is not over.
    pub const fn refused_by_graph(&mut self) {
        self.refused_by_graph = true;
    }

    /// Stores the tokens of a sign-in, whatever was there before.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port, or missing refresh token.
    pub fn connected(
        &mut self,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        tokens: Tokens,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        self.under_way = None;
        self.store(txn, owner, tokens, now, entropy)
    }

    /// Stores the tokens of a refresh, unless a newer generation arrived in the meantime.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn refreshed(
        &mut self,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        tokens: Tokens,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        let began_with = self.under_way.take().map(|(_, generation)| generation);
        if began_with.is_none() || began_with != self.row.as_ref().map(|row| row.generation) {
            return Ok(());
        }
        self.store(txn, owner, tokens, now, entropy)
    }

    fn store(
        &mut self,
        txn: &mut Txn<'_>,
        (config, user): (&Config, UserKey),
        tokens: Tokens,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        let kept = self.tokens.as_ref().map(|known| known.refresh.clone());
        let refresh = tokens
            .refresh_token
            .or(kept)
            .ok_or(Fault::Invariant("Microsoft sent no refresh token and none was known"))?;
        let clear = MicrosoftTokens { access: tokens.access_token, refresh };
        let generation = self.row.as_ref().map_or(0, |row| row.generation) + 1;
        let sealed = vault::seal_tokens(config, user, generation, &clear, entropy)?;
        let row = TokenRow {
            generation,
            obtained_at: now,
            expires_at: now.plus(tokens.lives_for),
            scopes: tokens.scopes,
            sealed: Some(ByteBuf::from(sealed)),
        };
        txn.put(KEY, &row)?;
        self.row = Some(row);
        self.tokens = Some(clear);
        self.refused_by_graph = false;
        self.own_credential_refused = false;
        self.failures = 0;
        self.not_before = UnixMs(0);
        Ok(())
    }

    /// Seals the tokens anew if an older key of the ring sealed them. They and their generation stay as they are.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn reseal(
        &mut self,
        txn: &mut Txn<'_>,
        (config, user): (&Config, UserKey),
        entropy: &mut Entropy,
    ) -> Result<bool, Fault> {
        let (Some(row), Some(tokens)) = (&mut self.row, &self.tokens) else { return Ok(false) };
        let is_newest =
            row.sealed.as_ref().is_none_or(|sealed| config.encryption_keys.is_sealed_by_newest(sealed));
        if !is_newest {
            row.sealed =
                Some(ByteBuf::from(vault::seal_tokens(config, user, row.generation, tokens, entropy)?));
            txn.put(KEY, row)?;
        }
        Ok(!is_newest)
    }

    /// Takes note of a refresh that yielded no tokens. `None` stands for a lost answer.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn failed(&mut self, txn: &mut Txn<'_>, why: Option<Denied>, now: UnixMs) -> Result<(), Fault> {
        let began_with = self.under_way.take().map(|(_, generation)| generation);
        let Some(row) = &mut self.row else { return Ok(()) };
        if began_with != Some(row.generation) {
            return Ok(());
        }
        match why {
            Some(Denied::SignInAgain | Denied::ConsentMissing) => {
                row.sealed = None;
                txn.put(KEY, row)?;
                self.tokens = None;
            }
            Some(Denied::OwnCredential) => {
                self.own_credential_refused = true;
                self.back_off(now);
            }
            Some(Denied::Transient | Denied::Unexpected) | None => self.back_off(now),
        }
        Ok(())
    }

    fn back_off(&mut self, now: UnixMs) {
        let wait = BACKOFF_BASE.0.saturating_mul(1 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.plus(DurationMs(wait.min(BACKOFF_MAX.0)));
    }

    /// When the alarm should refresh: at four fifths of the token's life for a person who was active within a day, else
    /// once in thirty days, so that the connection does not die of disuse.
    #[must_use]
    pub fn due(&self, last_activity: UnixMs) -> Option<UnixMs> {
        let row = self.row.as_ref()?;
        self.tokens.as_ref()?;
        if self.under_way.is_some() {
            return None;
        }
        let life = row.expires_at.since(row.obtained_at);
        let soon = row.obtained_at.plus(DurationMs(life.0 / 5 * 4));
        let by_life = if soon.since(last_activity) <= ACTIVE_WITHIN {
            soon
        } else {
            row.obtained_at.plus(IDLE_REFRESH_EVERY)
        };
        Some(by_life.max(self.not_before))
    }
}

/// The life that a token must have left to be used: short-lived tokens get a proportionally smaller margin.
fn margin(row: &TokenRow) -> DurationMs {
    let life = row.expires_at.since(row.obtained_at);
    DurationMs(TOKEN_MARGIN.0.min(life.0 / 10))
}

#[cfg(test)]
mod tests;
