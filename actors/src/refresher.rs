//! The refresher: the tokens of one person that one issuer made, and when and how they are renewed. There is one for
//! Microsoft's tokens, and one for those of Access where people sign in through it.
//!
//! What holds here: at most one refresh is under way; the newest refresh token is stored in the same commit as its
//! access token; an answer changes something only if it answers the refresh that is under way and nothing newer was
//! stored; a lost answer leaves the old refresh token in place, which Microsoft still accepts, so that the refresh can be
//! tried again; what only the person can change is never tried again before the person signed in.

mod row;

use protocol::config::Config;
use protocol::entra::{ClaimsChallenge, Denied, Tokens};
use protocol::ids::{RequestId, UserKey};
use protocol::limits::{ACTIVE_WITHIN, BACKOFF_BASE, IDLE_REFRESH_EVERY, REFRESH_RETRY_AFTER_MAX};
use protocol::operator::view::Standing;
use protocol::secret::Secret;
use protocol::time::{DurationMs, UnixMs};
use serde_bytes::ByteBuf;

use crate::store::{Rows, Txn};
use crate::turn::{Entropy, Fault};
use crate::vault::{self, MicrosoftTokens, Slot};

pub use row::{Need, TokenRow};

use row::{key, margin};

const BACKOFF_MAX: DurationMs = DurationMs::from_secs(5 * 60);

/// Why a refresh has to wait although the person can do nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// An operator has to renew this server's credential.
    OwnCredential,
    /// The organisation does not let this account use the application.
    NotAllowed,
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
    /// Not before the person did this.
    SignInAgain(Need),
    /// Not before somebody else than the person acted. It is tried again from time to time.
    Blocked(Setback),
}

/// What a refresh needs in its form.
#[derive(Debug)]
pub struct Renewal<'a> {
    /// The newest refresh token.
    pub refresh_token: &'a Secret<String>,
    /// The permissions that were granted, none of which must get lost.
    pub granted: &'a [String],
    /// The claims that Microsoft demanded and that were not met yet.
    pub demanded: Option<&'a ClaimsChallenge>,
}

/// The tokens and what is known of their renewal.
#[derive(Debug, Default)]
pub struct Refresher {
    slot: Slot,
    row: Option<TokenRow>,
    tokens: Option<MicrosoftTokens>,
    under_way: Option<(RequestId, u64)>,
    refused_by_graph: bool,
    /// Whether a demand of Microsoft's has to be stored yet.
    is_demand_new: bool,
    failures: u32,
    not_before: UnixMs,
    setback: Option<Setback>,
}

impl Refresher {
    /// Reads and opens the tokens.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] or [`Fault::CannotUnseal`].
    pub fn recover(rows: &dyn Rows, config: &Config, user: UserKey, slot: Slot) -> Result<Self, Fault> {
        let row: Option<TokenRow> = Txn::new(rows).get(key(slot))?;
        let tokens = match row.as_ref().and_then(|row| row.sealed.as_ref().map(|sealed| (row, sealed))) {
            Some((row, sealed)) => Some(vault::open_tokens(config, user, (slot, row.generation), sealed)?),
            None => None,
        };
        Ok(Self { row, tokens, ..Self::of(slot) })
    }

    /// No tokens of an issuer.
    #[must_use]
    pub fn of(slot: Slot) -> Self {
        Self { slot, ..Self::default() }
    }

    /// For whom Access issued its tokens.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.row.as_ref()?.identity.as_deref()
    }

    /// The permissions that Microsoft granted, or `None` when no account is connected or the person has to sign in.
    #[must_use]
    pub fn granted(&self, now: UnixMs) -> Option<&[String]> {
        let row = self.row.as_ref()?;
        (!matches!(self.token(now), Err(Access::SignInAgain(_)))).then_some(row.scopes.as_slice())
    }

    /// Whether a Graph call can be made now.
    #[must_use]
    pub fn access(&self, now: UnixMs) -> Access {
        self.token(now).map_or_else(|instead| instead, |token| Access::Ready(token.clone()))
    }

    /// When a call that has to wait for its token can be made; `None` where waiting is not what is needed.
    #[must_use]
    pub fn waits_until(&self, now: UnixMs) -> Option<UnixMs> {
        match self.token(now) {
            Err(Access::Later(at)) => Some(at),
            _ => None,
        }
    }

    /// The token for a Graph call now, or what there is instead.
    fn token(&self, now: UnixMs) -> Result<&Secret<String>, Access> {
        let Some(row) = &self.row else { return Err(Access::SignInAgain(Need::SignIn)) };
        let Some(tokens) = &self.tokens else {
            return Err(Access::SignInAgain(row.needs.unwrap_or(Need::SignIn)));
        };
        if !self.refused_by_graph && now.plus(margin(row)) < row.expires_at {
            return Ok(&tokens.access);
        }
        if let Some(need) = row.needs {
            return Err(Access::SignInAgain(need));
        }
        if tokens.refresh.expose().is_empty() {
            return Err(Access::SignInAgain(Need::SignIn));
        }
        if now < self.not_before {
            return Err(self.setback.map_or(Access::Later(self.not_before), Access::Blocked));
        }
        Err(Access::NeedsRefresh)
    }

    /// The row of the tokens; what is sealed in it stays sealed.
    #[must_use]
    pub const fn row(&self) -> Option<&TokenRow> {
        self.row.as_ref()
    }

    /// How the person stands with the issuer, in one word.
    #[must_use]
    pub fn standing(&self, now: UnixMs) -> Standing {
        let needs = match (&self.row, self.needs(), self.token(now)) {
            (None, ..) => return Standing::NotConnected,
            (_, Some(need), _) | (_, None, Err(Access::SignInAgain(need))) => need,
            _ => return Standing::Connected,
        };
        match needs {
            Need::SignIn => Standing::SignInAgain,
            Need::Consent => Standing::ConsentNeeded,
            Need::StepUp => Standing::StepUp,
        }
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

    /// Begins a refresh; `false` if there is nothing to refresh with.
    pub fn begin(&mut self, request: RequestId) -> bool {
        let may_begin = self.renewal().is_some() && self.needs().is_none();
        if may_begin {
            self.under_way = Some((request, self.generation()));
        }
        may_begin
    }

    /// What the refresh that is under way sends.
    #[must_use]
    pub fn renewal(&self) -> Option<Renewal<'_>> {
        let (row, tokens) = (self.row.as_ref()?, self.tokens.as_ref()?);
        // Where the issuer gave none the person signs in again once the access token has ended.
        (!tokens.refresh.expose().is_empty()).then_some(Renewal {
            refresh_token: &tokens.refresh,
            granted: &row.scopes,
            demanded: tokens.demanded.as_ref(),
        })
    }

    /// The claims without which the next sign-in would be of no use.
    #[must_use]
    pub fn unmet_claims(&self) -> Option<&ClaimsChallenge> {
        let is_unmet = self.needs() == Some(Need::StepUp);
        self.tokens.as_ref()?.demanded.as_ref().filter(|_| is_unmet)
    }

    fn needs(&self) -> Option<Need> {
        self.row.as_ref().and_then(|row| row.needs)
    }

    /// Graph did not accept the access token although its time is not over, perhaps because it wants it to prove more.
    pub fn refused_by_graph(&mut self, demanded: Option<ClaimsChallenge>) {
        self.refused_by_graph = true;
        if let (Some(tokens), Some(demanded)) = (&mut self.tokens, demanded) {
            tokens.demanded = Some(demanded);
            self.is_demand_new |= self.needs().is_some();
        }
    }

    /// Graph demands these claims although they were asked for in a refresh: only the person can meet them.
    pub fn cannot_meet(&mut self, demanded: ClaimsChallenge) {
        self.refused_by_graph(Some(demanded));
        if let Some(row) = &mut self.row {
            row.needs = Some(Need::StepUp);
            self.is_demand_new = true;
        }
    }

    /// Stores a demand that came since the last turn, so that it is still known when the person signs in.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn keep_demand(
        &mut self,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        if std::mem::take(&mut self.is_demand_new) { self.note_need(txn, owner, entropy) } else { Ok(()) }
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
        self.store(txn, owner, (tokens, None), now, entropy)
    }

    /// Stores the tokens that Access issued when a person signed in, whatever was there before.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn signed_in_as(
        &mut self,
        identity: String,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        tokens: Tokens,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        self.under_way = None;
        self.store(txn, owner, (tokens, Some(identity)), now, entropy)
    }

    /// Whether an answer to `request` answers the refresh that is under way, with nothing newer stored since it began.
    /// Either way that refresh is over.
    fn ends(&mut self, request: RequestId) -> bool {
        match self.under_way {
            Some((known, generation)) if known == request => {
                self.under_way = None;
                generation == self.generation()
            }
            _ => false,
        }
    }

    /// Stores the tokens of a refresh, unless it was given up or a newer generation arrived in the meantime.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn refreshed(
        &mut self,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        request: RequestId,
        tokens: Tokens,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        if !self.ends(request) {
            return Ok(());
        }
        let identity = self.identity().map(str::to_owned);
        self.store(txn, owner, (tokens, identity), now, entropy)
    }

    fn store(
        &mut self,
        txn: &mut Txn<'_>,
        (config, user): (&Config, UserKey),
        (tokens, identity): (Tokens, Option<String>),
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        let kept = self.tokens.as_ref().map(|known| known.refresh.clone());
        let refresh = tokens
            .refresh_token
            .or(kept)
            .ok_or(Fault::Invariant("the issuer sent no refresh token and none was known"))?;
        let clear = MicrosoftTokens { access: tokens.access_token, refresh, demanded: None };
        let generation = self.generation() + 1;
        let sealed = vault::seal_tokens(config, user, (self.slot, generation), &clear, entropy)?;
        let row = TokenRow {
            generation,
            obtained_at: now,
            expires_at: now.plus(tokens.lives_for),
            scopes: tokens.scopes,
            sealed: Some(ByteBuf::from(sealed)),
            needs: None,
            identity,
        };
        txn.put(key(self.slot), &row)?;
        *self = Self { row: Some(row), tokens: Some(clear), ..Self::of(self.slot) };
        Ok(())
    }

    /// Removes the tokens and everything that is known of them. An answer to a refresh that is under way changes nothing.
    pub fn forget(&mut self, txn: &mut Txn<'_>) {
        if self.row.is_some() {
            txn.delete::<TokenRow>(key(self.slot));
        }
        *self = Self::of(self.slot);
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
            row.sealed = Some(ByteBuf::from(vault::seal_tokens(
                config,
                user,
                (self.slot, row.generation),
                tokens,
                entropy,
            )?));
            txn.put(key(self.slot), row)?;
        }
        Ok(!is_newest)
    }

    /// Takes note of a refresh that yielded no tokens. `None` stands for a lost answer, or for a refresh that never left.
    ///
    /// # Errors
    /// A fault of the vault or of the storage port.
    pub fn failed(
        &mut self,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        request: RequestId,
        why: Option<Denied>,
        now: UnixMs,
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        if !self.ends(request) {
            return Ok(());
        }
        let at_once = DurationMs(0);
        let (setback, asked) = match why {
            Some(Denied::SignInAgain) => {
                self.tokens = None;
                return self.person_must(Need::SignIn, txn, owner, entropy);
            }
            Some(Denied::ConsentMissing) => return self.person_must(Need::Consent, txn, owner, entropy),
            Some(Denied::StepUp(demanded)) => {
                if let (Some(tokens), Some(demanded)) = (&mut self.tokens, demanded) {
                    tokens.demanded = Some(demanded);
                }
                return self.person_must(Need::StepUp, txn, owner, entropy);
            }
            Some(Denied::OwnCredential) => (Some(Setback::OwnCredential), at_once),
            Some(Denied::NotAllowed) => (Some(Setback::NotAllowed), at_once),
            Some(Denied::ClientLoop) => (None, REFRESH_RETRY_AFTER_MAX),
            Some(Denied::Transient { retry_after }) => (None, retry_after.unwrap_or(at_once)),
            Some(Denied::Unexpected) | None => (None, at_once),
        };
        self.put_off(setback, asked, now, entropy);
        Ok(())
    }

    fn person_must(
        &mut self,
        need: Need,
        txn: &mut Txn<'_>,
        owner: (&Config, UserKey),
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        if let Some(row) = &mut self.row {
            row.needs = Some(need);
        }
        self.note_need(txn, owner, entropy)
    }

    /// Writes the row anew, with what is needed and what was demanded. The generation stays, because the tokens do.
    fn note_need(
        &mut self,
        txn: &mut Txn<'_>,
        (config, user): (&Config, UserKey),
        entropy: &mut Entropy,
    ) -> Result<(), Fault> {
        let Some(row) = &mut self.row else { return Ok(()) };
        if self.refused_by_graph {
            // After a restart it must not be tried once more.
            row.expires_at = row.obtained_at;
        }
        row.sealed = match &self.tokens {
            Some(tokens) => Some(ByteBuf::from(vault::seal_tokens(
                config,
                user,
                (self.slot, row.generation),
                tokens,
                entropy,
            )?)),
            None => None,
        };
        txn.put(key(self.slot), row)
    }

    /// Puts the next attempt off: twice as long each time, at least as long as Microsoft asked, and never for all people
    /// at the same moment.
    fn put_off(&mut self, setback: Option<Setback>, asked: DurationMs, now: UnixMs, entropy: &mut Entropy) {
        let wait = BACKOFF_BASE.0.saturating_mul(1 << self.failures.min(10)).min(BACKOFF_MAX.0);
        let wait = DurationMs(wait.max(asked.0.min(REFRESH_RETRY_AFTER_MAX.0)));
        self.failures = self.failures.saturating_add(1);
        self.setback = setback;
        self.not_before = now.plus(entropy.lengthen(wait));
    }

    /// When the alarm should refresh: at four fifths of the token's life for a person who was active within a day, else
    /// once in thirty days, so that the connection does not die of disuse. A refresh that keeps failing is tried again
    /// for as long as the person counts as active, and then on first use.
    #[must_use]
    pub fn due(&self, last_use: UnixMs, now: UnixMs) -> Option<UnixMs> {
        let row = self.row.as_ref()?;
        self.tokens.as_ref()?;
        if self.under_way.is_some() || row.needs.is_some() || self.renewal().is_none() {
            return None;
        }
        let life = row.expires_at.since(row.obtained_at);
        let soon = row.obtained_at.plus(DurationMs(life.0 / 5 * 4)).max(self.not_before);
        if soon.max(now).since(last_use) <= ACTIVE_WITHIN {
            return Some(soon);
        }
        Some(row.obtained_at.plus(IDLE_REFRESH_EVERY).max(self.not_before))
    }
}

#[cfg(test)]
mod tests;
