//! What operators see of the object and of its ledger.
//!
//! What holds here: everything is taken from memory, but the entries of the ledger, of which a bounded number is looked
//! through; nothing is written.

use protocol::ids::{RequestId, UserKey};
use protocol::limits::{ORDER_ROWS_MAX, REQUEST_PAGE_MAX};
use protocol::operator::RequestQuery;
use protocol::operator::view::{
    AccountView, AttemptView, GrantView, HourView, LedgerView, Overview, QueueView, RequestPage, RequestView,
    SESSIONS_SHOWN_MAX, SessionView, TimerView,
};
use protocol::outbound::Lane;
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::WriteIntent;

use super::super::{Txn, UserSession};
use crate::ledger::{Attempt, Entry, EntryState, Ledger};
use crate::store::Order;
use crate::turn::Fault;
use crate::vault::Slot;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// How far back [`Overview::hours`] reaches.
const HOURS: u64 = 24;

const FIRST: RequestId = RequestId::from_bytes([0; 16]);

impl UserSession {
    /// How the person stands.
    pub(super) fn overview(&mut self, txn: &Txn<'_>, now: UnixMs) -> Result<Overview, Fault> {
        self.set_timers(now, true);
        let (hours, hours_are_cut) = hours(txn, now)?;
        let timers = self.timers.all().into_iter();
        let mut sessions: Vec<SessionView> = self
            .sessions
            .iter()
            .map(|(id, session)| SessionView {
                id: *id,
                client: session.client_name.clone(),
                revision: session.revision.as_str().to_owned(),
                grant: session.grant,
                opened_at_ms: session.opened_at,
                used_at_ms: session.used_at,
                watches: session.watched.len() as u64,
            })
            .collect();
        let sessions_in_all = sessions.len() as u64;
        sessions.sort_by_key(|session| std::cmp::Reverse(session.used_at_ms));
        sessions.truncate(SESSIONS_SHOWN_MAX);
        Ok(Overview {
            user: self.owner()?,
            at_ms: now,
            microsoft: self.account(Slot::Microsoft, now),
            access: self.access_tokens.row().map(|_| self.account(Slot::Access, now)),
            last_activity_at_ms: self.active_at(),
            paused: self.paused.as_ref().map(super::Paused::view),
            next_alarm_at_ms: self.next_alarm(),
            timers: timers
                .map(|(timer, due_at_ms)| TimerView { name: timer.name().to_owned(), due_at_ms })
                .collect(),
            grants: self.grant_views(),
            sessions,
            sessions_in_all,
            streams: self.streams() as u64,
            queue: QueueView {
                waiting: self.queue.depth() as u64,
                in_flight: self.queue.in_flight() as u64,
                oldest_open_at_ms: self.ledger.oldest_open(),
                lanes: Lane::ALL.into_iter().map(|lane| self.queue.lane(lane, now)).collect(),
                gateway: self.queue.gateway().to_owned(),
                gateway_opens_at_ms: self.queue.gateway_opens_at(now),
            },
            ledger: self.ledger_view(),
            hours,
            hours_are_cut,
        })
    }

    fn account(&self, slot: Slot, now: UnixMs) -> AccountView {
        let tokens = match slot {
            Slot::Microsoft => &self.refresher,
            Slot::Access => &self.access_tokens,
        };
        let row = tokens.row();
        AccountView {
            standing: tokens.standing(now),
            obtained_at_ms: row.map(|row| row.obtained_at),
            expires_at_ms: row.map(|row| row.expires_at),
            refresh_due_at_ms: self.refresh_due(slot, now),
            is_refreshing: tokens.under_way().is_some(),
            generation: tokens.generation(),
            permissions: row.map(|row| row.scopes.clone()).unwrap_or_default(),
        }
    }

    fn grant_views(&self) -> Vec<GrantView> {
        let view = |(id, grant): (&_, &crate::grants::Grant)| GrantView {
            id: *id,
            client: grant.client.clone(),
            scopes: grant.scopes.clone(),
            agreed_at_ms: grant.granted_at,
            is_redeemed: grant.code.is_none(),
            renewed_at_ms: (grant.generation > 0).then_some(grant.rotated_at),
            access_identity: grant.access_identity.clone(),
        };
        self.grants.iter().map(view).collect()
    }

    fn ledger_view(&self) -> LedgerView {
        let (upkeep, head) = (self.ledger.upkeep(), self.ledger.head());
        LedgerView {
            entries: self.ledger.len(),
            open: self.ledger.open() as u64,
            sealed_under: upkeep.sealed_under.clone(),
            is_resealing: upkeep.sweep.is_some() || self.next_sweep.is_some(),
            sequence: head.sequence,
            settled: head.sequence,
            failed: head.failed,
            unknown: head.unknown,
        }
    }

    /// When a client last asked for something, if that is known.
    pub(in super::super) fn active_at(&self) -> Option<UnixMs> {
        Some(self.last_activity).filter(|at| *at > UnixMs(0))
    }

    /// When the object wakes by itself.
    pub(in super::super) fn next_alarm(&self) -> Option<UnixMs> {
        self.armed.or_else(|| self.timers.next())
    }

    /// Streams that are open: those that stay open, and those on which an answer is awaited.
    pub(in super::super) fn streams(&self) -> usize {
        let waiters = self.runs.values().flat_map(|run| &run.waiters);
        self.listeners.len() + waiters.filter(|waiter| waiter.is_stream && waiter.to.is_some()).count()
    }

    /// A page of the ledger.
    pub(super) fn requests(&self, txn: &Txn<'_>, query: &RequestQuery) -> Result<RequestPage, Fault> {
        let limit = usize::try_from(query.limit).unwrap_or(REQUEST_PAGE_MAX).clamp(1, REQUEST_PAGE_MAX);
        let to = query.to.map(RequestId::first_at);
        let before = [query.before, to].into_iter().flatten().min();
        let from = query.from.map_or(FIRST, RequestId::first_at);
        let user = self.owner()?;
        let mut requests = Vec::new();
        let walked = Ledger::walk(txn, (from, before), (Order::Descending, ORDER_ROWS_MAX), |id, entry| {
            if is_asked_for(&entry, query) {
                requests.push(view_of(user, id, &entry));
            }
            requests.len() < limit
        })?;
        Ok(RequestPage { requests, next: walked.stopped_at })
    }

    /// One entry.
    pub(super) fn request_view(&self, txn: &Txn<'_>, id: RequestId) -> Result<Option<RequestView>, Fault> {
        let user = self.owner()?;
        Ok(Ledger::entry(txn, id)?.map(|entry| view_of(user, id, &entry)))
    }
}

fn is_asked_for(entry: &Entry, query: &RequestQuery) -> bool {
    let is = |wanted: &Option<String>, known: &str| wanted.as_ref().is_none_or(|wanted| wanted == known);
    is(&query.state, entry.state.name())
        && is(&query.tool, entry.kind.name())
        && is(&query.client, &entry.client)
        && query.outcome.as_ref().is_none_or(|wanted| entry.outcome.as_ref() == Some(wanted))
}

/// Calls and failures of the latest hours, and whether there were more calls than are looked through.
fn hours(txn: &Txn<'_>, now: UnixMs) -> Result<(Vec<HourView>, bool), Fault> {
    let this_hour = now.0 / HOUR_MS;
    let first_hour = this_hour.saturating_sub(HOURS - 1);
    let mut hours: Vec<HourView> = (first_hour..=this_hour)
        .map(|hour| HourView { from_ms: UnixMs(hour * HOUR_MS), succeeded: 0, failed: 0 })
        .collect();
    // What was settled within these hours arrived somewhat earlier.
    let from = RequestId::first_at(UnixMs(first_hour * HOUR_MS).minus(DurationMs(HOUR_MS)));
    let mut rows = 0;
    let walked = Ledger::walk(txn, (from, None), (Order::Descending, ORDER_ROWS_MAX), |_, entry| {
        rows += 1;
        let hour = entry.settled_at.and_then(|at| (at.0 / HOUR_MS).checked_sub(first_hour));
        let hour = hour.and_then(|hour| hours.get_mut(usize::try_from(hour).ok()?));
        match (hour, entry.state) {
            (Some(hour), EntryState::Done) => hour.succeeded += 1,
            (Some(hour), EntryState::Failed | EntryState::Unknown) => hour.failed += 1,
            _ => {}
        }
        true
    })?;
    Ok((hours, walked.stopped_at.is_some() && rows >= ORDER_ROWS_MAX))
}

/// What an export says for good and what operators see are types of their own, because the one is digested and must never
/// change while the other grows. What both say is derived in one place.
fn view_of(user: UserKey, id: RequestId, entry: &Entry) -> RequestView {
    let known = entry.record(id);
    RequestView {
        id,
        user,
        tool: known.tool,
        state: known.state,
        outcome: known.outcome,
        writes: known.writes,
        client: known.client,
        grant: known.grant,
        session: known.session,
        access_identity: known.access_identity,
        trace_id: known.trace_id,
        parent_span_id: entry.trace.map(|trace| trace.parent_span()),
        received_at_ms: known.received_at_ms,
        sent_at_ms: known.sent_at_ms,
        settled_at_ms: known.settled_at_ms,
        calls: known.calls,
        attempts: entry.attempts.iter().map(|attempt| attempt_view(id, attempt)).collect(),
        gateway_log_ids: known.gateway_log_ids,
        graph_request_ids: known.graph_request_ids,
        intent: entry.intent.as_ref().map(intent_name),
        is_delivered: entry.delivered,
        keeps_answer: entry.answer.is_some(),
        is_task: entry.task.is_some(),
        joined: entry.joined.len() as u64,
        chain: entry.chain.map(|place| place.link()),
    }
}

fn attempt_view(id: RequestId, attempt: &Attempt) -> AttemptView {
    let sent_at_ms = id.created_at().plus(DurationMs(attempt.sent_ms));
    AttemptView {
        purpose: attempt.purpose.name().to_owned(),
        sent_at_ms,
        ended_at_ms: attempt.took_ms.map(|took| sent_at_ms.plus(DurationMs(took))),
        result: attempt.ending.map(crate::ledger::Ending::text),
        gateway_log_id: attempt.gateway_log_id.clone(),
        graph_request_id: attempt.graph_request_id.clone(),
    }
}

/// The name alone: what an intent holds besides are identifiers of items at Microsoft.
fn intent_name(intent: &WriteIntent) -> String {
    let text = format!("{intent:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}
