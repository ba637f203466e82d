//! The directory of people: what each object reports, what operators ask, and the trail of what they did.
//!
//! What holds here: a report is complete by itself and its counts only rise, so that one that is lost or comes twice
//! changes nothing; no address is stored, only keyed digests of addresses; a shard is chosen by the first four bits of
//! the user key, so that nobody has to be asked which one it is.

use serde::{Deserialize, Serialize};

use super::view::Standing;
use crate::ids::{AddressMark, RequestId, UserKey};
use crate::seal::{CannotOpen, KeyRing, Purpose};
use crate::time::UnixMs;

/// How many objects the directory is spread over.
pub const SHARDS: u8 = 16;

/// The shard that knows a person.
#[must_use]
pub const fn shard_of(user: &UserKey) -> u8 {
    let [first, ..] = *user.as_bytes();
    first >> 4
}

/// The name of a shard's object.
#[must_use]
pub fn shard_name(shard: u8) -> String {
    format!("directory-{shard:x}")
}

/// The digests of an address, one for each key of the ring, the newest first. Case does not count.
///
/// # Errors
/// [`CannotOpen`] when no key can be derived, which is a fault of this server.
pub fn address_marks(keys: &KeyRing, address: &str) -> Result<Vec<AddressMark>, CannotOpen> {
    let address = address.trim().to_lowercase();
    let marks = keys.marks(Purpose::AddressIndex, address.as_bytes())?;
    Ok(marks.into_iter().map(AddressMark::from_bytes).collect())
}

/// The digests of an account's addresses by the newest key of the ring, in order and each once.
///
/// # Errors
/// [`CannotOpen`] when no key can be derived, which is a fault of this server.
pub fn newest_marks(keys: &KeyRing, addresses: &[String]) -> Result<Vec<AddressMark>, CannotOpen> {
    let mut marks = Vec::new();
    for address in addresses {
        marks.extend(address_marks(keys, address)?.first().copied());
    }
    marks.sort_unstable();
    marks.dedup();
    Ok(marks)
}

/// Counts since the chain of a person's ledger began. They only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Requests that were settled.
    pub settled: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them whose outcome could not be found out.
    pub unknown: u64,
}

/// What an object tells the directory of itself, at most once a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Whose object it is.
    pub user: UserKey,
    /// When this was so.
    pub at_ms: UnixMs,
    /// How the person stands with Microsoft.
    pub standing: Standing,
    /// The digests of the account's addresses.
    pub addresses: Vec<AddressMark>,
    /// When a client last asked for something.
    pub last_activity_at_ms: Option<UnixMs>,
    /// When the access token ends.
    pub token_expires_at_ms: Option<UnixMs>,
    /// When it will be renewed by itself.
    pub refresh_due_at_ms: Option<UnixMs>,
    /// When the object will wake by itself.
    pub next_alarm_at_ms: Option<UnixMs>,
    /// Grants that stand.
    pub grants: u32,
    /// MCP sessions.
    pub sessions: u32,
    /// Open streams.
    pub streams: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Calls in flight.
    pub in_flight: u32,
    /// Since when the oldest request that is not settled is open.
    pub oldest_open_at_ms: Option<UnixMs>,
    /// Until when the gateway is taken to be down.
    pub gateway_down_until_ms: Option<UnixMs>,
    /// Until when Microsoft asked to wait.
    pub throttled_until_ms: Option<UnixMs>,
    /// Whether an operator paused it.
    pub is_paused: bool,
    /// The identifier of the key under which everything is sealed.
    pub sealed_under: String,
    /// What was settled so far.
    pub tally: Tally,
}

/// What is asked of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Take note of what an object says of itself. Nothing is answered.
    Report(Box<Report>),
    /// Take note that an object cannot be read. Nothing is answered.
    Fault {
        /// Whose object it is.
        user: UserKey,
        /// When it was found.
        at: UnixMs,
        /// Which table or invariant, as the log says it.
        fault: String,
    },
    /// Forget a person.
    Forget {
        /// Whom.
        user: UserKey,
    },
    /// One person: [`Person`], or 404.
    Find {
        /// Whom.
        user: UserKey,
    },
    /// Everybody whose key begins so: [`PersonPage`].
    FindByPrefix {
        /// The first bytes of the key.
        #[serde(with = "serde_bytes")]
        prefix: Vec<u8>,
    },
    /// Everybody with one of these addresses: [`PersonPage`].
    FindByAddress {
        /// The digests of one address.
        marks: Vec<AddressMark>,
    },
    /// A page of people, by user key: [`PersonPage`].
    List {
        /// Only people after this one.
        after: Option<UserKey>,
        /// At most so many.
        limit: u32,
        /// Only people who need attention.
        attention: bool,
    },
    /// The shard in numbers: [`Fleet`].
    Fleet,
    /// Add a line to the trail. Answered once it is stored.
    Audit(AuditLine),
    /// A page of the trail, the newest first: [`AuditPage`].
    Trail {
        /// Only lines before this one.
        before: Option<RequestId>,
        /// At most so many.
        limit: u32,
        /// Only lines about this person.
        user: Option<UserKey>,
    },
}

/// One person, as the directory knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// When the directory first heard of the person.
    pub first_seen_at_ms: UnixMs,
    /// The latest report; absent where the object could never be read.
    pub report: Option<Report>,
    /// Whose object it is.
    pub user: UserKey,
    /// Why the object cannot be read, and since when.
    pub fault: Option<FaultView>,
    /// Requests of the hour of the latest report, and how many of them failed.
    pub this_hour: HourCount,
    /// Why an operator should look at this, most urgent first.
    pub attention: Vec<Attention>,
}

/// Why an object cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultView {
    /// When it was last found.
    pub at_ms: UnixMs,
    /// Which table or invariant.
    pub fault: String,
}

/// What happened within one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HourCount {
    /// When the hour began.
    pub from_ms: UnixMs,
    /// Requests that were settled.
    pub settled: u64,
    /// Those that failed or whose outcome is unknown.
    pub failed: u64,
}

/// Why an operator should look at a person, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Attention {
    /// The object cannot be read.
    Unreadable,
    /// The object should have woken by itself and did not.
    Overdue,
    /// A request has been open for longer than any should be.
    Stuck,
    /// The access token has ended although it should have been renewed.
    NotRenewed,
    /// More than half of the latest requests failed, five at least.
    Failing,
    /// The gateway is taken to be down.
    GatewayDown,
    /// The person has to act before anything works: sign in, agree, prove more.
    PersonMustAct,
    /// An operator paused it.
    Paused,
}

/// A page of people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PersonPage {
    /// The people.
    pub people: Vec<Person>,
    /// Where the next page begins; absent at the end.
    pub next: Option<UserKey>,
}

/// A shard, or all of them together, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fleet {
    /// People in all.
    pub people: u64,
    /// People who have a connected account.
    pub connected: u64,
    /// People who have to act before anything works.
    pub must_act: u64,
    /// People without an account.
    pub not_connected: u64,
    /// Objects that cannot be read.
    pub unreadable: u64,
    /// Objects that are paused.
    pub paused: u64,
    /// People to look at, for whatever reason.
    pub attention: u64,
    /// Sessions as last reported.
    pub sessions: u64,
    /// Streams as last reported.
    pub streams: u64,
    /// Calls that waited as last reported.
    pub waiting: u64,
    /// Everything that was settled since the directory began to count. It only rises.
    pub tally: Tally,
    /// The latest 48 hours, the oldest first.
    pub hours: Vec<HourCount>,
}

/// One line of the trail of what operators did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// The line, in order of time: a request ID of the operator's own request.
    pub id: RequestId,
    /// When.
    pub at_ms: UnixMs,
    /// Who: the subject under which Access knows the operator, a service token's client ID, or the name in a
    /// break-glass credential.
    pub operator: String,
    /// What: `look`, `list`, `search`, `export`, `key`, `metrics`, or an action's name.
    pub what: String,
    /// The person it was about.
    pub user: Option<UserKey>,
    /// The request or the grant it was about, or how the search was made; never what was searched for.
    pub detail: Option<String>,
    /// How it ended; `asked` in the line that comes before an action is done.
    pub outcome: String,
}

/// A page of the trail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditPage {
    /// The lines, the newest first.
    pub lines: Vec<AuditLine>,
    /// Where the next page begins; absent at the end.
    pub next: Option<RequestId>,
}

impl Fleet {
    /// Adds another shard.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.people, other.people),
            (&mut self.connected, other.connected),
            (&mut self.must_act, other.must_act),
            (&mut self.not_connected, other.not_connected),
            (&mut self.unreadable, other.unreadable),
            (&mut self.paused, other.paused),
            (&mut self.attention, other.attention),
            (&mut self.sessions, other.sessions),
            (&mut self.streams, other.streams),
            (&mut self.waiting, other.waiting),
            (&mut self.tally.settled, other.tally.settled),
            (&mut self.tally.failed, other.tally.failed),
            (&mut self.tally.unknown, other.tally.unknown),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        for hour in &other.hours {
            match self.hours.binary_search_by_key(&hour.from_ms, |known| known.from_ms) {
                Ok(place) => {
                    if let Some(known) = self.hours.get_mut(place) {
                        known.settled += hour.settled;
                        known.failed += hour.failed;
                    }
                }
                Err(place) => self.hours.insert(place, *hour),
            }
        }
    }
}
