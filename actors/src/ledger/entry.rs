//! One entry of the ledger and the transitions of its state.
//!
//! What holds here: a final state is never left; a repeated event is [`Transition::Already`] and neither an error nor
//! silence; every pair of state and event is pinned by a test.

use protocol::ids::{GrantId, SessionId};
use protocol::time::UnixMs;
use protocol::tools::WriteIntent;
use protocol::trace::TraceContext;
use serde::{Deserialize, Serialize};

use super::Fingerprint;
use super::attempts::Attempt;
use super::chain::Place;
use crate::store::{Record, Table};

const IDS_KEPT_MAX: usize = 8;

/// What kind of request an entry stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A tool call; the tool's name.
    #[serde(rename = "t")]
    Tool(String),
    /// A refresh of the Microsoft access token.
    #[serde(rename = "r")]
    Refresh,
    /// The redemption of an authorization code.
    #[serde(rename = "c")]
    Connect,
    /// The making or renewal of a subscription to changes.
    #[serde(rename = "w")]
    Watch,
    /// A refresh of the tokens that Access issued.
    #[serde(rename = "a")]
    AccessRefresh,
    /// The end of all of the person's sign-ins with Microsoft, which an operator asked for.
    #[serde(rename = "o")]
    RevokeSignIns,
}

impl Kind {
    /// The name in logs and in the gateway's metadata.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Tool(name) => name,
            Self::Refresh => "refresh",
            Self::Connect => "connect",
            Self::Watch => "watch",
            Self::AccessRefresh => "access_refresh",
            Self::RevokeSignIns => "revoke_sign_ins",
        }
    }
}

/// Where a request stands, in the order of its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EntryState {
    /// It waits for a place, a token or a time.
    #[serde(rename = "q")]
    Queued,
    /// Its client was asked something, and the answer is awaited.
    #[serde(rename = "a")]
    Asking,
    /// A call has left, and its answer is awaited.
    #[serde(rename = "f")]
    InFlight,
    /// The answer to a write was lost; it is being found out what happened.
    #[serde(rename = "r")]
    Reconciling,
    /// It ended well.
    #[serde(rename = "d")]
    Done,
    /// It ended without the effect that was asked for.
    #[serde(rename = "x")]
    Failed,
    /// It could not be found out how it ended.
    #[serde(rename = "u")]
    Unknown,
    /// The client gave up on it before anything left.
    #[serde(rename = "c")]
    Cancelled,
}

/// What can happen to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryEvent {
    /// The client is asked.
    Asked,
    /// A call leaves.
    Sent,
    /// The client answered, the call has to be sent again later, or the next one waits for a place.
    Requeued,
    /// The answer to a write was lost.
    AnswerLost,
    /// It ended well.
    Succeeded,
    /// It ended without effect.
    Refused,
    /// Nobody will find out any more.
    GaveUp,
    /// The client gave up on it.
    Cancelled,
}

/// What an event does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The state changes.
    To(EntryState),
    /// The event was already taken into account.
    Already,
    /// The event cannot happen in this state.
    Illegal,
}

impl EntryState {
    /// Every state, in the order of life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Asking,
        Self::InFlight,
        Self::Reconciling,
        Self::Done,
        Self::Failed,
        Self::Unknown,
        Self::Cancelled,
    ];

    /// Whether the entry is settled for good.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Unknown | Self::Cancelled)
    }

    /// The state's name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Asking => "asking",
            Self::InFlight => "in_flight",
            Self::Reconciling => "reconciling",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
        }
    }

    /// The transition table.
    #[must_use]
    pub const fn on(self, event: EntryEvent) -> Transition {
        use EntryEvent as E;
        use EntryState as S;
        use Transition as T;
        match (self, event) {
            (S::Done | S::Failed | S::Unknown | S::Cancelled, _) => T::Already,
            (S::Queued, E::Asked) => T::To(S::Asking),
            (S::InFlight | S::Reconciling, E::Asked) => T::Illegal,
            (S::Asking, E::Asked) => T::Already,
            (S::Asking, E::Requeued) => T::To(S::Queued),
            (S::Asking, E::Refused) => T::To(S::Failed),
            (S::Asking, E::Cancelled) => T::To(S::Cancelled),
            (S::Asking, E::Sent | E::AnswerLost | E::Succeeded | E::GaveUp) => T::Illegal,
            (S::Queued, E::Sent) => T::To(S::InFlight),
            (S::Queued, E::Requeued) => T::Already,
            (S::Queued, E::Refused) => T::To(S::Failed),
            (S::Queued, E::Cancelled) => T::To(S::Cancelled),
            (S::Queued, E::AnswerLost | E::Succeeded | E::GaveUp) => T::Illegal,
            (S::InFlight, E::Sent) => T::Already,
            (S::InFlight, E::Requeued) => T::To(S::Queued),
            (S::InFlight, E::AnswerLost) => T::To(S::Reconciling),
            (S::InFlight, E::Succeeded) => T::To(S::Done),
            (S::InFlight, E::Refused) => T::To(S::Failed),
            (S::InFlight, E::GaveUp) => T::To(S::Unknown),
            (S::InFlight, E::Cancelled) => T::To(S::Cancelled),
            (S::Reconciling, E::Sent | E::AnswerLost) => T::Already,
            (S::Reconciling, E::Requeued) => T::To(S::Queued),
            (S::Reconciling, E::Succeeded) => T::To(S::Done),
            (S::Reconciling, E::Refused) => T::To(S::Failed),
            (S::Reconciling, E::GaveUp) => T::To(S::Unknown),
            // What may have happened cannot be called off.
            (S::Reconciling, E::Cancelled) => T::Illegal,
        }
    }
}

/// One request, as an investigator sees it. Short names, because there is one row for every request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it stands.
    #[serde(rename = "s")]
    pub state: EntryState,
    /// What it is.
    #[serde(rename = "k")]
    pub kind: Kind,
    /// Whether it changes anything at Microsoft.
    #[serde(rename = "w")]
    pub writes: bool,
    /// The client that asked; empty for the object's own work.
    #[serde(rename = "c")]
    pub client: String,
    /// The grant that the client used.
    #[serde(rename = "g")]
    pub grant: Option<GrantId>,
    /// The MCP session.
    #[serde(rename = "m")]
    pub session: Option<SessionId>,
    /// The Cloudflare Access identity.
    #[serde(rename = "i")]
    pub access_identity: Option<String>,
    /// The keyed digest of session and JSON-RPC id.
    #[serde(rename = "r", with = "optional_bytes")]
    pub in_session: Option<Fingerprint>,
    /// The same of later requests that joined this one, newest last: each may be repeated under its own id.
    #[serde(rename = "j", default, skip_serializing_if = "Vec::is_empty")]
    pub joined: Vec<serde_bytes::ByteBuf>,
    /// The keyed digest of the tool and its arguments.
    #[serde(rename = "b", with = "serde_bytes")]
    pub fingerprint: Fingerprint,
    /// The keyed digest of the client's idempotency key.
    #[serde(rename = "y", with = "optional_bytes")]
    pub idempotency_key: Option<Fingerprint>,
    /// Calls that left so far.
    #[serde(rename = "n")]
    pub calls: u32,
    /// When the first call left.
    #[serde(rename = "f")]
    pub sent_at: Option<UnixMs>,
    /// When it was settled.
    #[serde(rename = "e")]
    pub settled_at: Option<UnixMs>,
    /// The stable code of how it ended.
    #[serde(rename = "o")]
    pub outcome: Option<String>,
    /// The gateway's log entries, newest last, in entries from before there were attempts.
    #[serde(rename = "l")]
    pub gateway_log_ids: Vec<String>,
    /// Microsoft's request identifiers, newest last, likewise.
    #[serde(rename = "x")]
    pub graph_request_ids: Vec<String>,
    /// What must be known of a write that is under way.
    #[serde(rename = "t")]
    pub intent: Option<WriteIntent>,
    /// Whether the client's side took the answer.
    #[serde(rename = "d")]
    pub delivered: bool,
    /// The sealed answer, for a repeat.
    #[serde(rename = "a")]
    pub answer: Option<serde_bytes::ByteBuf>,
    /// Sealed while the client is asked, or a task is at work: what the request needs to go on.
    #[serde(rename = "q", default, skip_serializing_if = "Option::is_none")]
    pub inquiry: Option<serde_bytes::ByteBuf>,
    /// Whether its client fetches the outcome later.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskMark>,
    /// The trace that the request belongs to.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// The latest calls that left, in order of time.
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// Its place in the chain of settled entries.
    #[serde(rename = "z", default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Place>,
}

/// What is known of a request that goes on as a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMark {
    /// When its standing last changed.
    #[serde(rename = "c")]
    pub changed_at: UnixMs,
    /// Whether what is kept is an error of the request as such, and not a result.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

impl Record for Entry {
    const TABLE: Table = Table::Ledger;
}

impl Entry {
    /// A fresh entry of the object's own work.
    #[must_use]
    pub const fn new(kind: Kind, writes: bool, fingerprint: Fingerprint) -> Self {
        Self {
            state: EntryState::Queued,
            kind,
            writes,
            client: String::new(),
            grant: None,
            session: None,
            access_identity: None,
            in_session: None,
            joined: Vec::new(),
            fingerprint,
            idempotency_key: None,
            calls: 0,
            sent_at: None,
            settled_at: None,
            outcome: None,
            gateway_log_ids: Vec::new(),
            graph_request_ids: Vec::new(),
            intent: None,
            delivered: false,
            answer: None,
            inquiry: None,
            task: None,
            trace: None,
            attempts: Vec::new(),
            chain: None,
        }
    }

    /// Remembers by which id in which session a later request joined this one, the newest few.
    pub fn join(&mut self, in_session: &Fingerprint) {
        if self.joined.len() == IDS_KEPT_MAX {
            self.joined.remove(0);
        }
        self.joined.push(serde_bytes::ByteBuf::from(in_session.to_vec()));
    }

    /// Every id in a session by which this request can be asked for again.
    pub fn ids_in_sessions(&self) -> impl Iterator<Item = Fingerprint> + '_ {
        let joined = self.joined.iter().filter_map(|bytes| Fingerprint::try_from(bytes.as_slice()).ok());
        self.in_session.into_iter().chain(joined)
    }

    /// Notes that a task's standing changes.
    pub const fn touch_task(&mut self, now: UnixMs) {
        if let Some(task) = &mut self.task {
            task.changed_at = now;
        }
    }

    /// Whether the entry still holds the answer of a read.
    #[must_use]
    pub const fn keeps_read_answer(&self) -> bool {
        !self.writes && self.answer.is_some()
    }

    /// Applies an event; says whether the state changed.
    pub fn apply(&mut self, event: EntryEvent) -> Transition {
        let transition = self.state.on(event);
        if let Transition::To(state) = transition {
            self.state = state;
        }
        transition
    }
}

mod optional_bytes {
    //! An optional fingerprint as a CBOR byte string, half the size of a list of numbers.

    use serde::{Deserialize as _, Deserializer, Serializer};
    use serde_bytes::ByteBuf;

    use super::Fingerprint;

    pub(super) fn serialize<S: Serializer>(
        value: &Option<Fingerprint>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(bytes) => serializer.serialize_some(serde_bytes::Bytes::new(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Fingerprint>, D::Error> {
        let bytes = Option::<ByteBuf>::deserialize(deserializer)?;
        bytes
            .map(|bytes| Fingerprint::try_from(bytes.as_slice()))
            .transpose()
            .map_err(|_| serde::de::Error::custom("a fingerprint has 16 bytes"))
    }
}
