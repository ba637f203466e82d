//! One shard of the directory of people: what their objects report, and the trail of what operators did.
//!
//! What holds here: a question is one turn and one commit, as in a person's object; a report that is older than what is
//! known, or comes twice, changes nothing; the counts of a shard are kept as reports come in, so that looking at all
//! people together reads one row. No object of a person is ever asked from here.

use std::collections::BTreeSet;

use protocol::cbor;
use protocol::ids::{AddressMark, RequestId, UserKey};
use protocol::limits::{
    ALARM_OVERDUE_AFTER, ATTENTION_COUNTED_MAX, DIRECTORY_HOURS_KEPT, DIRECTORY_PAGE_MAX, FAILING_FROM,
    OPEN_FOR_TOO_LONG, REFRESH_OVERDUE_AFTER, SILENT_FOR_AT_MOST, TRAIL_KEPT_FOR, TRAIL_PRUNE_BATCH,
    TRAIL_SCAN_MAX,
};
use protocol::operator::directory::{
    Attention, AuditLine, AuditPage, FaultView, Fleet, HourCount, Person, PersonPage, Question, Report, Tally,
};
use protocol::operator::view::Standing;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::store::{Order, Record, Table, Txn};
use crate::turn::Fault;

const FLEET_KEY: &[u8] = b"fleet";
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// What is known of one person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PersonRow {
    #[serde(rename = "s")]
    first_seen: UnixMs,
    #[serde(rename = "r")]
    report: Option<Report>,
    #[serde(rename = "f")]
    fault: Option<FaultView>,
    #[serde(rename = "h")]
    this_hour: HourCount,
    /// From when on somebody should look at the person, if no other report comes; at once where it is in the past.
    #[serde(rename = "a")]
    attention_from: Option<UnixMs>,
}

impl Record for PersonRow {
    const TABLE: Table = Table::People;
}

/// That a row exists is all that it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AddressRow;

impl Record for AddressRow {
    const TABLE: Table = Table::Addresses;
}

/// The same for a person to look at. The key begins with the time from which on, so that those whom nothing was heard of
/// come up by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct AttentionRow;

impl Record for AttentionRow {
    const TABLE: Table = Table::Attention;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct FleetRow(Fleet);

impl Record for FleetRow {
    const TABLE: Table = Table::Fleet;
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TrailRow(AuditLine);

impl Record for TrailRow {
    const TABLE: Table = Table::Trail;
}

/// What a shard answers: a status and, where there is something to say, JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON text.
    pub body: Option<String>,
}

impl Answer {
    const DONE: Self = Self { status: 204, body: None };
    const NOT_FOUND: Self = Self { status: 404, body: None };

    fn json(value: &impl Serialize) -> Result<Self, Fault> {
        let body = serde_json::to_string(value).map_err(|_| Fault::Invariant("an answer has no form"))?;
        Ok(Self { status: 200, body: Some(body) })
    }
}

/// Answers one question within one turn.
///
/// # Errors
/// A [`Fault`] when a row cannot be read; nothing may be committed then.
pub fn answer(txn: &mut Txn<'_>, question: Question, now: UnixMs) -> Result<Answer, Fault> {
    match question {
        Question::Report(report) => {
            take_report(txn, *report)?;
            Ok(Answer::DONE)
        }
        Question::Fault { user, at, fault } => {
            take_fault(txn, user, at, fault)?;
            Ok(Answer::DONE)
        }
        Question::Forget { user } => {
            forget(txn, user)?;
            Ok(Answer::DONE)
        }
        Question::Find { user } => match txn.get::<PersonRow>(user.as_bytes())? {
            Some(row) => Answer::json(&view(user, row, now)),
            None => Ok(Answer::NOT_FOUND),
        },
        Question::FindByPrefix { prefix } => Answer::json(&by_prefix(txn, &prefix, now)?),
        Question::FindByAddress { marks } => Answer::json(&by_address(txn, &marks, now)?),
        Question::List { after, limit, attention } => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(DIRECTORY_PAGE_MAX);
            let page =
                if attention { flagged(txn, after, limit, now)? } else { everybody(txn, after, limit, now)? };
            Answer::json(&page)
        }
        Question::Fleet => {
            let mut fleet = txn.get::<FleetRow>(FLEET_KEY)?.unwrap_or_default().0;
            fleet.attention = flagged_rows(txn, &[], now, ATTENTION_COUNTED_MAX)?.len() as u64;
            Answer::json(&fleet)
        }
        Question::Audit(line) => {
            prune_trail(txn, now)?;
            txn.put(line.id.as_bytes(), &TrailRow(line.clone()))?;
            Ok(Answer::DONE)
        }
        Question::Trail { before, limit, user } => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(DIRECTORY_PAGE_MAX);
            Answer::json(&trail(txn, before, limit, user)?)
        }
    }
}

fn take_report(txn: &mut Txn<'_>, report: Report) -> Result<(), Fault> {
    let user = report.user;
    let known = txn.get::<PersonRow>(user.as_bytes())?;
    let last = known.as_ref().and_then(|row| row.report.as_ref());
    if last.is_some_and(|last| last.at_ms >= report.at_ms) {
        return Ok(());
    }
    let new = since(last.map(|last| last.tally).unwrap_or_default(), report.tally);
    let hour = UnixMs(report.at_ms.0 - report.at_ms.0 % HOUR_MS);
    let count = HourCount { from_ms: hour, settled: new.settled, failed: new.failed + new.unknown };
    let mut this_hour = known
        .as_ref()
        .map(|row| row.this_hour)
        .filter(|known| known.from_ms == hour)
        .unwrap_or(HourCount { from_ms: hour, ..HourCount::default() });
    this_hour.settled += count.settled;
    this_hour.failed += count.failed;
    let known_marks = last.map(|last| last.addresses.clone()).unwrap_or_default();
    keep_addresses(txn, user, &known_marks, &report.addresses)?;
    let row = PersonRow {
        first_seen: known.as_ref().map_or(report.at_ms, |row| row.first_seen),
        report: Some(report),
        fault: None,
        this_hour,
        attention_from: None,
    };
    let at = row.report.as_ref().map_or(UnixMs(0), |report| report.at_ms);
    keep(txn, user, known, row, at, |fleet| {
        fleet.tally.settled += new.settled;
        fleet.tally.failed += new.failed;
        fleet.tally.unknown += new.unknown;
        if count.settled > 0 {
            fleet.add(&Fleet { hours: vec![count], ..Fleet::default() });
            let surplus = fleet.hours.len().saturating_sub(DIRECTORY_HOURS_KEPT);
            fleet.hours.drain(..surplus);
        }
    })
}

/// What was settled since the last report. Counts that fell are those of a ledger that began anew.
const fn since(before: Tally, now: Tally) -> Tally {
    if now.settled < before.settled {
        return now;
    }
    Tally {
        settled: now.settled - before.settled,
        failed: now.failed.saturating_sub(before.failed),
        unknown: now.unknown.saturating_sub(before.unknown),
    }
}

fn take_fault(txn: &mut Txn<'_>, user: UserKey, at: UnixMs, fault: String) -> Result<(), Fault> {
    let known = txn.get::<PersonRow>(user.as_bytes())?;
    let mut row = known.clone().unwrap_or(PersonRow {
        first_seen: at,
        report: None,
        fault: None,
        this_hour: HourCount::default(),
        attention_from: None,
    });
    row.fault = Some(FaultView { at_ms: at, fault });
    keep(txn, user, known, row, at, |_| {})
}

fn forget(txn: &mut Txn<'_>, user: UserKey) -> Result<(), Fault> {
    let Some(known) = txn.get::<PersonRow>(user.as_bytes())? else { return Ok(()) };
    let marks = known.report.as_ref().map(|report| report.addresses.clone()).unwrap_or_default();
    keep_addresses(txn, user, &marks, &[])?;
    let mut fleet = txn.get::<FleetRow>(FLEET_KEY)?.unwrap_or_default();
    count(&mut fleet.0, &known, u64::saturating_sub);
    txn.put(FLEET_KEY, &fleet)?;
    if let Some(from) = known.attention_from {
        txn.delete::<AttentionRow>(&attention_key(from, &user));
    }
    txn.delete::<PersonRow>(user.as_bytes());
    Ok(())
}

/// Writes a person's row and keeps the counts of the shard in step with it.
fn keep(
    txn: &mut Txn<'_>,
    user: UserKey,
    known: Option<PersonRow>,
    mut row: PersonRow,
    at: UnixMs,
    also: impl FnOnce(&mut Fleet),
) -> Result<(), Fault> {
    row.attention_from = attention_from(&row, at);
    let before = known.as_ref().and_then(|row| row.attention_from);
    if before != row.attention_from {
        if let Some(from) = before {
            txn.delete::<AttentionRow>(&attention_key(from, &user));
        }
        if let Some(from) = row.attention_from {
            txn.put(&attention_key(from, &user), &AttentionRow)?;
        }
    }
    let mut fleet = txn.get::<FleetRow>(FLEET_KEY)?.unwrap_or_default();
    if let Some(known) = &known {
        count(&mut fleet.0, known, u64::saturating_sub);
    }
    count(&mut fleet.0, &row, u64::saturating_add);
    also(&mut fleet.0);
    txn.put(FLEET_KEY, &fleet)?;
    txn.put(user.as_bytes(), &row)
}

/// Adds a person to the counts, or takes it away.
fn count(fleet: &mut Fleet, row: &PersonRow, apply: fn(u64, u64) -> u64) {
    let report = row.report.as_ref();
    let stands =
        |standing: &[Standing]| u64::from(report.is_some_and(|report| standing.contains(&report.standing)));
    let sum = |number: fn(&Report) -> u32| report.map_or(0, |report| u64::from(number(report)));
    for (total, share) in [
        (&mut fleet.people, 1),
        (&mut fleet.connected, stands(&[Standing::Connected])),
        (&mut fleet.not_connected, stands(&[Standing::NotConnected])),
        (&mut fleet.must_act, stands(&[Standing::SignInAgain, Standing::ConsentNeeded, Standing::StepUp])),
        (&mut fleet.unreadable, u64::from(row.fault.is_some())),
        (&mut fleet.paused, u64::from(report.is_some_and(|report| report.is_paused))),
        (&mut fleet.sessions, sum(|report| report.sessions)),
        (&mut fleet.streams, sum(|report| report.streams)),
        (&mut fleet.waiting, sum(|report| report.waiting)),
    ] {
        *total = apply(*total, share);
    }
}

fn keep_addresses(
    txn: &mut Txn<'_>,
    user: UserKey,
    known: &[AddressMark],
    new: &[AddressMark],
) -> Result<(), Fault> {
    for mark in known.iter().filter(|mark| !new.contains(mark)) {
        txn.delete::<AddressRow>(&address_key(mark, &user));
    }
    for mark in new.iter().filter(|mark| !known.contains(mark)) {
        txn.put(&address_key(mark, &user), &AddressRow)?;
    }
    Ok(())
}

fn address_key(mark: &AddressMark, user: &UserKey) -> Vec<u8> {
    [mark.as_bytes().as_slice(), user.as_bytes()].concat()
}

fn view(user: UserKey, row: PersonRow, now: UnixMs) -> Person {
    let attention = attention(&row, now);
    Person {
        first_seen_at_ms: row.first_seen,
        report: row.report,
        user,
        fault: row.fault,
        this_hour: row.this_hour,
        attention,
    }
}

/// Why an operator should look at a person, as far as the latest report tells at a time.
fn attention(row: &PersonRow, now: UnixMs) -> Vec<Attention> {
    let is_past = |at: Option<UnixMs>| at.is_some_and(|at| at < now);
    let hour = row.this_hour;
    let [overdue, stuck, not_renewed] = patience(row);
    let report = row.report.as_ref();
    let stands = report.map(|report| report.standing);
    let holds = [
        (row.fault.is_some(), Attention::Unreadable),
        (is_past(overdue), Attention::Overdue),
        (is_past(stuck), Attention::Stuck),
        (is_past(not_renewed), Attention::NotRenewed),
        (hour.settled >= FAILING_FROM && hour.failed * 2 > hour.settled, Attention::Failing),
        (
            report.and_then(|report| report.gateway_down_until_ms).is_some_and(|until| until > now),
            Attention::GatewayDown,
        ),
        (
            matches!(stands, Some(Standing::SignInAgain | Standing::ConsentNeeded | Standing::StepUp)),
            Attention::PersonMustAct,
        ),
        (report.is_some_and(|report| report.is_paused), Attention::Paused),
    ];
    holds.into_iter().filter_map(|(holds, why)| holds.then_some(why)).collect()
}

/// Until when it is in order that nothing more was heard: of the next alarm, of what is open, of the next renewal. An
/// alarm and a renewal soon after a report are not told by themselves, but no object that does anything is silent for
/// longer than [`SILENT_FOR_AT_MOST`].
fn patience(row: &PersonRow) -> [Option<UnixMs>; 3] {
    let Some(report) = &row.report else { return [None; 3] };
    let renews = report.standing == Standing::Connected && !report.is_paused;
    let heard_by = report.at_ms.plus(SILENT_FOR_AT_MOST);
    [
        report.next_alarm_at_ms.map(|at| at.max(heard_by).plus(ALARM_OVERDUE_AFTER)),
        report.oldest_open_at_ms.map(|at| at.plus(OPEN_FOR_TOO_LONG)),
        report.refresh_due_at_ms.filter(|_| renews).map(|at| at.max(heard_by).plus(REFRESH_OVERDUE_AFTER)),
    ]
}

/// From when on somebody should look: where there is a reason, from now on, and from the beginning of time if it is not
/// for the person to do something about it, so that those come first; else when patience ends.
fn attention_from(row: &PersonRow, at: UnixMs) -> Option<UnixMs> {
    match attention(row, at).first() {
        Some(Attention::PersonMustAct | Attention::Paused) => Some(at),
        Some(urgent) => Some(UnixMs(*urgent as u64)),
        None => patience(row).into_iter().flatten().min(),
    }
}

fn attention_key(from: UnixMs, user: &UserKey) -> Vec<u8> {
    [from.0.to_be_bytes().as_slice(), user.as_bytes()].concat()
}

/// Whom to look at, those first who need it for the longest time.
fn flagged_rows(txn: &Txn<'_>, after: &[u8], now: UnixMs, limit: usize) -> Result<Vec<UserKey>, Fault> {
    let end = now.0.to_be_bytes();
    let rows = txn.committed_range::<AttentionRow>(after, Some(&end), limit, Order::Ascending)?;
    rows.iter().map(|(key, _)| user_key(key.get(8..).unwrap_or_default(), Table::Attention)).collect()
}

fn user_key(key: &[u8], table: Table) -> Result<UserKey, Fault> {
    let bytes = <[u8; 16]>::try_from(key).map_err(|_| Fault::CorruptRow { table: table.name() })?;
    Ok(UserKey::from_bytes(bytes))
}

/// The smallest key behind that of a person.
fn behind(after: Option<UserKey>) -> Vec<u8> {
    after.map_or_else(Vec::new, |user| [user.as_bytes().as_slice(), &[0]].concat())
}

fn everybody(txn: &Txn<'_>, after: Option<UserKey>, limit: usize, now: UnixMs) -> Result<PersonPage, Fault> {
    let rows = txn.committed_range::<PersonRow>(&behind(after), None, limit, Order::Ascending)?;
    let is_full = rows.len() == limit;
    let people: Result<Vec<Person>, Fault> =
        rows.into_iter().map(|(key, row)| Ok(view(user_key(&key, Table::People)?, row, now))).collect();
    let people = people?;
    let next = people.last().map(|person| person.user).filter(|_| is_full);
    Ok(PersonPage { people, next })
}

fn flagged(txn: &Txn<'_>, after: Option<UserKey>, limit: usize, now: UnixMs) -> Result<PersonPage, Fault> {
    let last = match after {
        Some(user) => txn
            .get::<PersonRow>(user.as_bytes())?
            .and_then(|row| row.attention_from)
            .map(|from| [attention_key(from, &user).as_slice(), &[0]].concat()),
        None => None,
    };
    let users = flagged_rows(txn, &last.unwrap_or_default(), now, limit)?;
    let mut page =
        PersonPage { people: Vec::new(), next: users.last().copied().filter(|_| users.len() == limit) };
    for user in users {
        let person = txn.get::<PersonRow>(user.as_bytes())?.map(|row| view(user, row, now));
        // A gateway that was down may be up by now.
        page.people.extend(person.filter(|person| !person.attention.is_empty()));
    }
    Ok(page)
}

fn by_prefix(txn: &Txn<'_>, prefix: &[u8], now: UnixMs) -> Result<PersonPage, Fault> {
    let rows = txn.committed_range::<PersonRow>(prefix, None, DIRECTORY_PAGE_MAX, Order::Ascending)?;
    let mut page = PersonPage::default();
    for (key, row) in rows.into_iter().take_while(|(key, _)| key.starts_with(prefix)) {
        page.people.push(view(user_key(&key, Table::People)?, row, now));
    }
    Ok(page)
}

fn by_address(txn: &Txn<'_>, marks: &[AddressMark], now: UnixMs) -> Result<PersonPage, Fault> {
    let mut users = BTreeSet::new();
    for mark in marks {
        let mark = mark.as_bytes().as_slice();
        let rows = txn.committed_range::<AddressRow>(mark, None, DIRECTORY_PAGE_MAX, Order::Ascending)?;
        for key in rows.iter().map_while(|(key, _)| key.strip_prefix(mark)) {
            users.insert(user_key(key, Table::Addresses)?);
        }
    }
    let mut page = PersonPage::default();
    for user in users {
        page.people.extend(txn.get::<PersonRow>(user.as_bytes())?.map(|row| view(user, row, now)));
    }
    Ok(page)
}

/// Removes a batch of lines that were kept for long enough.
fn prune_trail(txn: &mut Txn<'_>, now: UnixMs) -> Result<(), Fault> {
    let horizon = RequestId::first_at(now.minus(TRAIL_KEPT_FOR));
    let old =
        txn.committed_range::<TrailRow>(&[], Some(horizon.as_bytes()), TRAIL_PRUNE_BATCH, Order::Ascending)?;
    for (key, _) in old {
        txn.delete::<TrailRow>(&key);
    }
    Ok(())
}

fn trail(
    txn: &Txn<'_>,
    before: Option<RequestId>,
    limit: usize,
    user: Option<UserKey>,
) -> Result<AuditPage, Fault> {
    let looked_at = if user.is_some() { TRAIL_SCAN_MAX } else { limit };
    let end = before.map(|id| id.as_bytes().to_vec());
    let rows = txn.committed_range::<TrailRow>(&[], end.as_deref(), looked_at, Order::Descending)?;
    let is_full = rows.len() == looked_at;
    let mut page = AuditPage::default();
    for (_, TrailRow(line)) in rows {
        let id = line.id;
        if user.is_none_or(|user| line.user == Some(user)) {
            page.lines.push(line);
        }
        page.next = Some(id);
        if page.lines.len() == limit {
            return Ok(page);
        }
    }
    page.next = page.next.filter(|_| is_full);
    Ok(page)
}

/// Reads a question from the wire.
#[must_use]
pub fn read_question(bytes: &[u8]) -> Option<Question> {
    cbor::decode(bytes)
}

#[cfg(test)]
mod tests;
