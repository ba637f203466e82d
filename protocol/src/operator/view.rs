//! What operators see of one person's object, as JSON: the API passes it through, the pages render it.

use serde::{Deserialize, Serialize};

use super::record::Link;
use crate::ids::{GrantId, RequestId, SessionId, UserKey};
use crate::time::UnixMs;

/// How a person stands with an issuer of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// There are tokens, as far as is known good ones.
    Connected,
    /// Nobody has signed in, or the account was disconnected.
    NotConnected,
    /// The person has to sign in again.
    SignInAgain,
    /// The person has to agree to a permission.
    ConsentNeeded,
    /// The person has to prove more than before.
    StepUp,
}

/// One person's object as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// Whose it is.
    pub user: UserKey,
    /// When this was so.
    pub at_ms: UnixMs,
    /// Microsoft's tokens.
    pub microsoft: AccountView,
    /// The tokens of Cloudflare Access, where people sign in through it.
    pub access: Option<AccountView>,
    /// When a client last asked for something.
    pub last_activity_at_ms: Option<UnixMs>,
    /// Whether an operator paused it.
    pub paused: Option<PausedView>,
    /// When the object will wake by itself.
    pub next_alarm_at_ms: Option<UnixMs>,
    /// Everything it will wake for, the earliest first.
    pub timers: Vec<TimerView>,
    /// What the person granted to clients.
    pub grants: Vec<GrantView>,
    /// MCP sessions, the most recently used first, at most [`SESSIONS_SHOWN_MAX`].
    pub sessions: Vec<SessionView>,
    /// MCP sessions in all.
    pub sessions_in_all: u64,
    /// Open streams.
    pub streams: u64,
    /// The queue now.
    pub queue: QueueView,
    /// The ledger.
    pub ledger: LedgerView,
    /// Calls and failures of the last 24 hours, the oldest hour first.
    pub hours: Vec<HourView>,
    /// Whether [`Overview::hours`] stops short of all calls, because there were more than are looked through.
    pub hours_are_cut: bool,
}

/// The most sessions that an overview lists.
pub const SESSIONS_SHOWN_MAX: usize = 100;

/// How it stands with one issuer of tokens. Never a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountView {
    /// In one word.
    pub standing: Standing,
    /// When the tokens were obtained.
    pub obtained_at_ms: Option<UnixMs>,
    /// When the access token ends.
    pub expires_at_ms: Option<UnixMs>,
    /// When it will be renewed by itself.
    pub refresh_due_at_ms: Option<UnixMs>,
    /// Whether a renewal is under way.
    pub is_refreshing: bool,
    /// How many tokens were stored so far.
    pub generation: u64,
    /// The permissions that were granted.
    pub permissions: Vec<String>,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PausedView {
    /// Since when.
    pub since_ms: UnixMs,
    /// By whom, as the audit trail names operators.
    pub by: String,
}

/// A reason to wake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimerView {
    /// What for.
    pub name: String,
    /// When.
    pub due_at_ms: UnixMs,
}

/// What the person granted to one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantView {
    /// The grant.
    pub id: GrantId,
    /// The client, as it called itself.
    pub client: String,
    /// The scopes.
    pub scopes: Vec<String>,
    /// When the person agreed.
    pub agreed_at_ms: UnixMs,
    /// Whether the client has fetched its tokens.
    pub is_redeemed: bool,
    /// When its tokens were last renewed.
    pub renewed_at_ms: Option<UnixMs>,
    /// The subject under which Access knew the person.
    pub access_identity: Option<String>,
}

/// An MCP session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// The client, as it called itself.
    pub client: String,
    /// The protocol revision.
    pub revision: String,
    /// The grant that opened it.
    pub grant: GrantId,
    /// When it was opened.
    pub opened_at_ms: UnixMs,
    /// When it was last used, to within an hour.
    pub used_at_ms: UnixMs,
    /// How many resources it watches.
    pub watches: u64,
}

/// The queue of calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueView {
    /// Calls that wait.
    pub waiting: u64,
    /// Calls that have left and are not back.
    pub in_flight: u64,
    /// Since when the oldest request that is not settled is open.
    pub oldest_open_at_ms: Option<UnixMs>,
    /// Each lane.
    pub lanes: Vec<LaneView>,
    /// How the circuit breaker of the gateway stands, by its name in logs.
    pub gateway: String,
    /// When the next call is let through to a gateway that was found to be down.
    pub gateway_opens_at_ms: Option<UnixMs>,
}

/// One lane of the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneView {
    /// Its name.
    pub name: String,
    /// Calls that wait.
    pub waiting: u64,
    /// Calls in flight.
    pub in_flight: u64,
    /// How many may be in flight at the moment.
    pub limit: u64,
    /// Until when Microsoft asked to wait.
    pub throttled_until_ms: Option<UnixMs>,
}

/// The ledger in numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerView {
    /// Entries.
    pub entries: u64,
    /// Those that are not settled.
    pub open: u64,
    /// The identifier of the key under which everything is sealed.
    pub sealed_under: String,
    /// Whether everything is being sealed under a newer key.
    pub is_resealing: bool,
    /// How far the chain is.
    pub sequence: u64,
    /// Requests that were settled since the chain began.
    pub settled: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Those of them whose outcome could not be found out.
    pub unknown: u64,
}

/// One hour of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HourView {
    /// When the hour began.
    pub from_ms: UnixMs,
    /// Requests that were settled well.
    pub succeeded: u64,
    /// Requests that failed or whose outcome is unknown.
    pub failed: u64,
}

/// A page of the ledger, the newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestPage {
    /// The entries.
    pub requests: Vec<RequestView>,
    /// Where the next page begins; absent at the end. A page can be shorter than asked for, and even empty, because a
    /// filter looks through a bounded number of entries at a time.
    pub next: Option<RequestId>,
}

/// One request, as an investigator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestView {
    /// The request.
    pub id: RequestId,
    /// Whose it is.
    pub user: UserKey,
    /// The tool, or the kind of the object's own work.
    pub tool: String,
    /// Where it stands, by its name in logs.
    pub state: String,
    /// How it ended, by its code in logs.
    pub outcome: Option<String>,
    /// Whether it changes anything at Microsoft.
    pub writes: bool,
    /// The client; empty for the object's own work.
    pub client: String,
    /// The grant.
    pub grant: Option<GrantId>,
    /// The MCP session.
    pub session: Option<SessionId>,
    /// The subject under which Access knows the person.
    pub access_identity: Option<String>,
    /// The trace that it belongs to, and the span that asked.
    pub trace_id: Option<String>,
    /// The span that asked.
    pub parent_span_id: Option<String>,
    /// When the edge received it.
    pub received_at_ms: UnixMs,
    /// When its first call left.
    pub sent_at_ms: Option<UnixMs>,
    /// When it was settled.
    pub settled_at_ms: Option<UnixMs>,
    /// Calls that left so far.
    pub calls: u32,
    /// The latest of them, in order of time.
    pub attempts: Vec<AttemptView>,
    /// The gateway's log IDs, the newest last.
    pub gateway_log_ids: Vec<String>,
    /// Microsoft's request IDs, the newest last.
    pub graph_request_ids: Vec<String>,
    /// What is, or was when it became unclear, under way at Microsoft.
    pub intent: Option<String>,
    /// Whether the client's side took the answer; known of writes only.
    pub is_delivered: bool,
    /// Whether the answer is still kept for a repeat.
    pub keeps_answer: bool,
    /// Whether it goes on as a task.
    pub is_task: bool,
    /// Other requests that joined this one.
    pub joined: u64,
    /// Its place in the chain, once it is settled.
    pub chain: Option<Link>,
}

/// One call that left for the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttemptView {
    /// What it was for: `call`, `reconcile`, and so on.
    pub purpose: String,
    /// When it left.
    pub sent_at_ms: UnixMs,
    /// When its answer came, or it was given up.
    pub ended_at_ms: Option<UnixMs>,
    /// How it ended: the HTTP status, or why there is none.
    pub result: Option<String>,
    /// The gateway's log ID.
    pub gateway_log_id: Option<String>,
    /// Microsoft's request ID.
    pub graph_request_id: Option<String>,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Acted {
    /// The action's name.
    pub action: String,
    /// Whether anything changed; `false` where it was so already.
    pub changed: bool,
    /// One sentence on what was done.
    pub detail: String,
    /// The request under which the outcome can be followed, where it is not there at once.
    pub request: Option<RequestId>,
}
