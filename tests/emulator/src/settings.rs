//! What a test may change while the emulator runs: lifetimes, delays, scopes that an administrator denies,
//! limits and gateway policies. Unknown names are refused, because a misspelt setting would make a test
//! pass for the wrong reason.

use crate::options::Options;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A sent mail's way into Sent Items: a number of milliseconds, or the word `never`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Delay {
    /// After so many milliseconds.
    After(u64),
    /// The word `never`.
    Word(Never),
}

/// The word `never`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Never {
    /// It does not happen.
    Never,
}

/// What Exchange does with an event whose transactionId it has seen before. It documents that there is no
/// second event, but not the answer, so both are played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DuplicateTransaction {
    /// 201 with the first event.
    #[default]
    Existing,
    /// 409 ErrorDuplicateTransactionId.
    Conflict,
}

/// A limit on gateway requests in a sliding window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// How many requests pass.
    pub limit: usize,
    /// In how long.
    pub window_ms: u64,
    /// The `Retry-After` of the refusal; absent means none, which is what is documented.
    #[serde(default)]
    pub retry_after_s: Option<u64>,
}

/// How the gateway fails when it is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outage {
    /// 503 with code 7013.
    Unavailable,
    /// The connection is closed without an answer.
    Drop,
}

/// The AI Gateway's policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewaySettings {
    /// Refuses requests above a rate.
    pub rate_limit: Option<RateLimit>,
    /// Blocks requests whose body contains this text, as data loss prevention does.
    pub dlp_block: Option<String>,
    /// Blocks requests whose body contains this text, as guardrails do.
    pub guardrail_block: Option<String>,
    /// Refuses everything as an access policy would.
    pub policy_denied: bool,
    /// Refuses everything as an exhausted spend limit would.
    pub spend_limit: bool,
    /// Is not there.
    pub outage: Option<Outage>,
    /// Answers GET from a cache where the caller did not opt out; on by default, stale on purpose.
    pub cache_off: bool,
    /// Verbs that the custom provider refuses with 405, to play an account where only some pass.
    pub refused_methods: Vec<String>,
}

/// How notifications of changes travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Notifications {
    /// How long after the change they leave; what leaves together is one batch.
    pub delay_ms: u64,
    /// How often each is delivered again after it was taken: once at least is all that is promised.
    pub repeats: u32,
    /// Whether they get lost.
    pub lost: bool,
}

impl Default for Notifications {
    fn default() -> Self {
        Self { delay_ms: 50, repeats: 0, lost: false }
    }
}

/// Everything that can be changed at run time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Lifetime of access tokens issued from now on.
    pub access_token_lifetime_s: u64,
    /// When a mail that was sent appears in Sent Items.
    pub sent_items_delay_ms: Delay,
    /// Scopes that are never granted: by address, or for all under `*`.
    pub denied_scopes: BTreeMap<String, Vec<String>>,
    /// Scopes that an administrator consented to, which every token has although nobody asked: by address, or `*`.
    pub consented_scopes: BTreeMap<String, Vec<String>>,
    /// How many requests one mailbox serves at the same time.
    pub mailbox_concurrency: usize,
    /// How long each Graph call takes.
    pub graph_latency_ms: u64,
    /// The answer to an event that was created before.
    pub duplicate_transaction: DuplicateTransaction,
    /// Scopes that consent is refused for (65001): by address, or for all under `*`.
    pub refused_consent: BTreeMap<String, Vec<String>>,
    /// Whose tokens need a second factor (50076): addresses, or `*`.
    pub mfa_required: Vec<String>,
    /// Who is not assigned to the application (50105): addresses, or `*`.
    pub unassigned: Vec<String>,
    /// What the token endpoint refuses, by its number: by address, or for all under `*`.
    pub token_refusals: BTreeMap<String, u32>,
    /// Whose access tokens Graph refuses with a claims challenge until they are of a sign-in that stepped up.
    pub graph_step_up: Vec<String>,
    /// Whether a refresh that carries the demanded claims meets them without the person.
    pub silent_step_up: bool,
    /// Whether every write to Graph fails, and is counted: for tests of what only reads.
    pub refuse_writes: bool,
    /// Whether Entra signs with its second key; both keys are published then.
    pub rotate_keys: bool,
    /// Whether Access signs with its second key; both keys are published then.
    pub rotate_access_keys: bool,
    /// Who is signed in at Access; nobody if it is null.
    pub access_person: Option<String>,
    /// What is wrong with the ID tokens of Access.
    pub access_id_token: Option<crate::access::sign_in::Wrong>,
    /// The OAuth error with which Access refuses every refresh.
    pub access_refresh_refused: Option<String>,
    /// Whether the application of Access issues no refresh tokens.
    pub access_refresh_off: bool,
    /// The gateway's policies.
    pub gateway: GatewaySettings,
    /// How notifications of changes travel.
    pub notifications: Notifications,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            access_token_lifetime_s: 3600,
            sent_items_delay_ms: Delay::After(0),
            denied_scopes: BTreeMap::new(),
            consented_scopes: BTreeMap::new(),
            mailbox_concurrency: 4,
            graph_latency_ms: 0,
            duplicate_transaction: DuplicateTransaction::default(),
            refused_consent: BTreeMap::new(),
            mfa_required: Vec::new(),
            unassigned: Vec::new(),
            token_refusals: BTreeMap::new(),
            graph_step_up: Vec::new(),
            silent_step_up: false,
            refuse_writes: false,
            rotate_keys: false,
            rotate_access_keys: false,
            access_person: Some("alice@contoso.example".into()),
            access_id_token: None,
            access_refresh_refused: None,
            access_refresh_off: false,
            gateway: GatewaySettings::default(),
            notifications: Notifications::default(),
        }
    }
}

impl Settings {
    /// The settings that a fresh emulator starts with.
    pub fn initial(options: &Options) -> Self {
        let sent_items_delay_ms = options.sent_items_delay_ms.map_or(Delay::Word(Never::Never), Delay::After);
        Self { sent_items_delay_ms, ..Self::default() }
    }

    /// Refuses values that no test means: a year is longer than anything that is emulated.
    pub fn check(&self) -> Result<(), String> {
        const YEAR_S: u64 = 366 * 86_400;
        let window_ms = self.gateway.rate_limit.as_ref().map_or(0, |limit| limit.window_ms);
        let delay_ms = match self.sent_items_delay_ms {
            Delay::After(ms) => ms,
            Delay::Word(Never::Never) => 0,
        };
        let longest_ms = window_ms.max(delay_ms).max(self.graph_latency_ms).max(self.notifications.delay_ms);
        if self.access_token_lifetime_s > YEAR_S || longest_ms > YEAR_S * 1000 {
            return Err("a time is longer than a year".into());
        }
        let is_known = |number: &&u32| crate::entra::refusals::is_known(**number);
        if let Some(unknown) = self.token_refusals.values().find(|number| !is_known(number)) {
            return Err(format!("the token endpoint knows no refusal {unknown}"));
        }
        Ok(())
    }

    /// When a mail sent at `now_ms` appears in Sent Items.
    pub fn sent_items_at_ms(&self, now_ms: u64) -> u64 {
        match self.sent_items_delay_ms {
            Delay::After(ms) => now_ms.saturating_add(ms),
            Delay::Word(Never::Never) => u64::MAX,
        }
    }

    /// Whether a list of addresses names this one, or `*`.
    pub fn lists(&self, list: &[String], address: &str) -> bool {
        list.iter().any(|item| item == "*" || item.eq_ignore_ascii_case(address))
    }

    /// Whether consent is refused to `scope` for the user with this address.
    pub fn refuses_consent(&self, address: &str, scope: &str) -> bool {
        names(&self.refused_consent, address, scope)
    }

    /// What an administrator consented to for the user with this address.
    pub fn consented(&self, address: &str) -> impl Iterator<Item = &String> {
        ["*", address].into_iter().filter_map(|key| self.consented_scopes.get(key)).flatten()
    }

    /// Whether an administrator denies `scope` to the user with this address.
    pub fn denies(&self, address: &str, scope: &str) -> bool {
        names(&self.denied_scopes, address, scope)
    }
}

fn names(lists: &BTreeMap<String, Vec<String>>, address: &str, scope: &str) -> bool {
    ["*", address].iter().any(|key| {
        let list = lists.get(*key);
        list.is_some_and(|list| list.iter().any(|item| item.eq_ignore_ascii_case(scope)))
    })
}
