//! What must hold in every world, checked as it happens.
//!
//! What holds here: the checks read rows, logs, answers and what Microsoft counted, and never ask the product whether it
//! is right. Every check says what it found broken; none repairs anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use actors::ledger::{Entry, EntryState, Kind};
use actors::refresher::TokenRow;
use actors::store::{MemoryRows, Order, Table, Txn, WriteSet, read_range};
use actors::user_session::Load;
use actors::vault;
use protocol::config::Config;
use protocol::ids::RequestId;
use protocol::limits::{
    OBJECT_CALLS_MAX, QUEUED_CALLS_MAX, RECONCILE_FOR, REQUEST_DEADLINE, STORED_VALUE_BYTES_MAX,
};

use crate::collaboration::is_message;
use crate::disk::Staged;
use crate::microsoft::Microsoft;
use crate::world::{SETTLES_WITHIN_MS, World, user};

/// Every secret, address, subject and body of these worlds contains this word.
const CANARY: &[u8] = b"CANARY";

/// The most calls that one core may make for one request. Twenty looks fit in the time for looking; retries add a few.
const CALLS_PER_REQUEST_MAX: u32 = 60;

/// What a call may take beyond the deadline of its request.
const LAST_CALL_MS: u64 = 35_000;

/// What one turn did to the ledger and to the tokens.
#[derive(Debug, Default)]
struct Change {
    entries: Vec<(RequestId, Entry)>,
    /// The refresh token that is stored now, and its generation.
    refresh_token: Option<(Option<String>, u64)>,
}

/// A model of the rows, kept in step with the disk.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub view: BTreeMap<RequestId, Entry>,
    pub durable: BTreeMap<RequestId, Entry>,
    open: BTreeSet<RequestId>,
    staged: VecDeque<Change>,
    view_refresh_token: Option<String>,
    durable_refresh_token: Option<String>,
    /// Whether the rows say that the person has to do something before there can be new tokens.
    pub needs_person: bool,
    generation: u64,
    durable_generation: u64,
    issued_max: u64,
    durable_issued_max: u64,
    /// The alarm was given up by the platform; the turn with this number has to set it again.
    alarm_is_lost_until: Option<u64>,
    hardened: u64,
    departures: BTreeMap<(u64, RequestId), u32>,
    answers: BTreeMap<RequestId, String>,
}

fn contains_canary(bytes: &[u8]) -> bool {
    bytes.windows(CANARY.len()).any(|window| window == CANARY)
}

/// The number with which Microsoft issued a refresh token.
fn issue_number(token: &str) -> u64 {
    token.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

impl Watch {
    /// Looks at the writes of a turn that ended.
    pub(crate) fn turn_ended(
        &mut self,
        writes: &WriteSet,
        microsoft: &Microsoft,
        config: &Config,
        violations: &mut Vec<String>,
    ) {
        let mut rows = MemoryRows::default();
        rows.apply(writes);
        let mut change = Change::default();
        for ((table, key), value) in &writes.rows {
            let Some(value) = value else { continue };
            if contains_canary(value) {
                violations.push(format!("table {} holds something in clear", table.name()));
            }
            if value.len() > STORED_VALUE_BYTES_MAX {
                violations.push(format!("table {} holds a value that is too large", table.name()));
            }
            if *table == Table::Ledger
                && let Ok(Some(entry)) = Txn::new(&rows).get::<Entry>(key)
                && let Ok(id) = <[u8; 16]>::try_from(key.as_slice())
            {
                let id = RequestId::from_bytes(id);
                self.check_entry(id, &entry, violations);
                self.view.insert(id, entry.clone());
                change.entries.push((id, entry));
            }
        }
        if let Ok(tokens) = read_range::<TokenRow>(&rows, &[], None, 1, Order::Ascending)
            && let Some((_, row)) = tokens.first()
        {
            self.check_tokens(row, microsoft, config, violations);
            change.refresh_token = Some((self.view_refresh_token.clone(), row.generation));
        }
        self.staged.push_back(change);
    }

    /// A settled entry stays as it was settled.
    fn check_entry(&self, id: RequestId, entry: &Entry, violations: &mut Vec<String>) {
        let Some(before) = self.view.get(&id) else { return };
        let has_changed = before.state != entry.state || before.outcome != entry.outcome;
        if before.state.is_final() && has_changed {
            violations.push(format!("{id} was {:?} and became {:?}", before.state, entry.state));
        }
    }

    fn check_tokens(
        &mut self,
        row: &TokenRow,
        microsoft: &Microsoft,
        config: &Config,
        violations: &mut Vec<String>,
    ) {
        self.needs_person = row.needs.is_some();
        let Some(sealed) = &row.sealed else {
            let dead = self.view_refresh_token.take();
            if !dead.is_some_and(|token| microsoft.denied.contains(&token)) {
                violations.push("a refresh token was forgotten that Microsoft never refused".to_owned());
            }
            return;
        };
        let Ok(tokens) = vault::open_tokens(config, user(), (vault::Slot::Microsoft, row.generation), sealed)
        else {
            violations.push("stored tokens do not open".to_owned());
            return;
        };
        let refresh = tokens.refresh.expose().clone();
        let is_note = row.generation == self.generation && self.view_refresh_token.as_ref() == Some(&refresh);
        if is_note {
            // The same tokens, sealed anew or with what the person has to do before there can be others.
            return;
        }
        let issued = issue_number(&refresh);
        if row.generation <= self.generation || issued <= self.issued_max {
            violations.push(format!("token {issued} of generation {} overwrote a newer one", row.generation));
        }
        self.generation = row.generation;
        self.issued_max = issued;
        self.view_refresh_token = Some(refresh);
    }

    /// The oldest staged turn became durable.
    pub(crate) fn hardened(&mut self, staged: &Staged) {
        self.hardened = staged.number;
        let change = self.staged.pop_front().unwrap_or_default();
        for (id, entry) in change.entries {
            if entry.state.is_final() {
                self.open.remove(&id);
            } else {
                self.open.insert(id);
            }
            self.durable.insert(id, entry);
        }
        if let Some((token, generation)) = change.refresh_token {
            if let Some(token) = &token {
                self.durable_issued_max = issue_number(token);
            }
            self.durable_generation = generation;
            self.durable_refresh_token = token;
        }
    }

    /// What was not durable never was.
    pub(crate) fn crashed(&mut self) {
        self.staged.clear();
        self.view.clone_from(&self.durable);
        self.view_refresh_token.clone_from(&self.durable_refresh_token);
        self.generation = self.durable_generation;
        self.issued_max = self.durable_issued_max;
    }

    pub(crate) fn alarm_lost(&mut self, last_staged: Option<u64>) {
        self.alarm_is_lost_until = Some(last_staged.unwrap_or(self.hardened) + 1);
    }

    pub(crate) fn durable_refresh_token(&self) -> Option<&str> {
        self.durable_refresh_token.as_deref()
    }

    pub(crate) fn check_log(&self, line: &str, violations: &mut Vec<String>) {
        if contains_canary(line.as_bytes()) {
            violations.push(format!("a log line says too much: {line}"));
        }
    }

    /// Calls that were admitted once come back into the queue without being refused, so the depth may exceed its bound
    /// by the calls that were in flight.
    pub(crate) fn check_load(&self, load: Load, violations: &mut Vec<String>) {
        let places = usize::from(OBJECT_CALLS_MAX) + 1;
        let is_bounded = load.waiting <= QUEUED_CALLS_MAX + places && load.in_flight <= places;
        if !is_bounded {
            violations.push(format!("the queue is beyond its bounds: {load:?}"));
        }
    }

    /// A core that lives does not call without end. Each recovery begins to look anew, so the count is per core.
    pub(crate) fn count_departure(&mut self, core: u64, request: RequestId, violations: &mut Vec<String>) {
        let count = self.departures.entry((core, request)).or_default();
        *count += 1;
        if *count > CALLS_PER_REQUEST_MAX {
            violations.push(format!("{request} makes calls without end"));
        }
    }

    /// An answer leaves: it is the same as every earlier one to this entry, and what it says is durable.
    pub(crate) fn check_answer(&mut self, entry: RequestId, result: &str, violations: &mut Vec<String>) {
        if !self.durable.get(&entry).is_some_and(|known| known.state.is_final()) {
            violations.push(format!("{entry} is answered and not settled for good"));
        }
        let first = self.answers.entry(entry).or_insert_with(|| result.to_owned());
        if first != result {
            violations.push(format!("{entry} has two answers: {first} and {result}"));
        }
    }
}

impl World {
    /// An entry that is open in the durable rows has an alarm that rings before its time is over.
    pub(crate) fn check_alarm(&mut self) {
        if self.watch.alarm_is_lost_until.is_some_and(|number| self.watch.hardened < number) {
            return;
        }
        self.watch.alarm_is_lost_until = None;
        let alarm = self.disk.durable.alarm;
        // Steps of the clock move what was computed before them.
        let slack = if self.offset == 0 { 0 } else { SETTLES_WITHIN_MS };
        let now = self.wall().0;
        let late = self.watch.open.iter().find(|id| {
            let is_looked_into =
                self.watch.durable.get(id).is_some_and(|entry| entry.state == EntryState::Reconciling);
            let until = if is_looked_into {
                now + RECONCILE_FOR.0
            } else {
                id.created_at().0.max(now) + REQUEST_DEADLINE.0 + LAST_CALL_MS
            };
            alarm.is_none_or(|at| at.0 > until + slack)
        });
        if let Some(id) = late {
            let what = format!("{id} is open and the alarm is set to {alarm:?} at {now}");
            self.violation(what);
        }
    }

    /// No mail left more often than its clients meant.
    pub(crate) fn check_effects(&mut self) {
        let twice = self.microsoft.sent_by_operation.iter().find(|(_, sent)| **sent > 1);
        if let Some((operation, sent)) = twice {
            let what = format!("operation {operation} took effect {sent} times");
            return self.violation(what);
        }
        let too_often = self
            .microsoft
            .sent_by_subject
            .iter()
            .find(|(subject, sent)| **sent > self.clients.allowed(subject))
            .map(|(subject, sent)| format!("`{subject}` left {sent} times"));
        if let Some(what) = too_often {
            self.violation(what);
        }
    }

    /// How many requests are open in the durable rows.
    pub(crate) fn open_requests(&self) -> usize {
        self.watch.open.len()
    }

    /// Fifteen minutes after the last fault nothing is open and nobody waits.
    pub(crate) fn check_everything_is_settled(&mut self) {
        let open: Vec<String> = self
            .watch
            .open
            .iter()
            .filter(|id| id.created_at().0 + SETTLES_WITHIN_MS <= self.wall().0)
            .map(|id| format!("{id}"))
            .collect();
        if !open.is_empty() {
            self.violation(format!("still open: {}", open.join(", ")));
        }
    }

    /// What the ledger says is what happened.
    pub(crate) fn check_the_end(&mut self) {
        let lies: Vec<String> = self
            .watch
            .durable
            .iter()
            .filter(|(_, entry)| entry.writes && matches!(entry.kind, Kind::Tool(_)))
            .filter_map(|(id, entry)| {
                let sent = self.microsoft.sent_by_operation.get(&id.to_string()).copied().unwrap_or(0);
                let is_true = match entry.state {
                    // A look finds an equal message too, if there is one.
                    EntryState::Done if is_message(&entry.kind) && self.dials.reads_chats => true,
                    EntryState::Done => sent == 1,
                    EntryState::Failed | EntryState::Cancelled => sent == 0,
                    _ => true,
                };
                (!is_true).then(|| format!("{id} is {:?} and left {sent} times", entry.state))
            })
            .collect();
        for lie in lies {
            self.violation(lie);
        }
    }
}
