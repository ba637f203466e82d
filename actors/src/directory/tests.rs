//! One shard of the directory, question by question: what its counts amount to, whom it finds, and whom it brings up.

use protocol::ids::{AddressMark, RequestId, UserKey};
use protocol::limits::SILENT_FOR_AT_MOST;
use protocol::operator::directory::{
    Attention, AuditLine, AuditPage, Fleet, Person, PersonPage, Question, Report, Tally,
};
use protocol::operator::view::Standing;
use protocol::time::{DurationMs, UnixMs};
use serde::de::DeserializeOwned;

use super::{Answer, answer};
use crate::store::{MemoryRows, Txn};

const NOW: UnixMs = UnixMs(1_767_323_045_006);
const MINUTE: u64 = 60_000;

#[derive(Default)]
struct Shard {
    rows: MemoryRows,
}

impl Shard {
    fn ask(&mut self, question: Question, now: UnixMs) -> Answer {
        let mut txn = Txn::new(&self.rows);
        let answer = answer(&mut txn, question, now).unwrap();
        let (writes, effects) = txn.finish();
        assert!(effects.is_empty());
        self.rows.apply(&writes);
        answer
    }

    fn get<T: DeserializeOwned>(&mut self, question: Question, now: UnixMs) -> T {
        let answer = self.ask(question, now);
        assert_eq!(answer.status, 200);
        serde_json::from_str(&answer.body.unwrap()).unwrap()
    }

    fn report(&mut self, report: Report) {
        assert_eq!(self.ask(Question::Report(Box::new(report)), NOW).status, 204);
    }

    fn fleet(&mut self, now: UnixMs) -> Fleet {
        self.get(Question::Fleet, now)
    }

    fn person(&mut self, number: u8, now: UnixMs) -> Person {
        self.get(Question::Find { user: user(number) }, now)
    }

    fn flagged(&mut self, after: Option<UserKey>, limit: u32, now: UnixMs) -> PersonPage {
        self.get(Question::List { after, limit, attention: true }, now)
    }
}

fn user(number: u8) -> UserKey {
    UserKey::from_bytes([number; 16])
}

fn mark(number: u8) -> AddressMark {
    AddressMark::from_bytes([number; 16])
}

/// A report of a person with whom all is well.
fn well(number: u8) -> Report {
    Report {
        user: user(number),
        at_ms: NOW,
        standing: Standing::Connected,
        addresses: Vec::new(),
        last_activity_at_ms: Some(NOW),
        token_expires_at_ms: Some(NOW.plus(DurationMs(60 * MINUTE))),
        refresh_due_at_ms: Some(NOW.plus(DurationMs(48 * MINUTE))),
        next_alarm_at_ms: Some(NOW.plus(DurationMs(48 * MINUTE))),
        grants: 1,
        sessions: 2,
        streams: 1,
        waiting: 0,
        in_flight: 0,
        oldest_open_at_ms: None,
        gateway_down_until_ms: None,
        throttled_until_ms: None,
        is_paused: false,
        sealed_under: "0".into(),
        tally: Tally::default(),
    }
}

fn tally(settled: u64, failed: u64) -> Tally {
    Tally { settled, failed, unknown: 0 }
}

#[test]
fn counts_rise_by_what_is_new_and_a_report_that_comes_twice_or_late_changes_nothing() {
    let mut shard = Shard::default();
    let first = Report { tally: tally(5, 1), ..well(1) };
    let second = Report { at_ms: NOW.plus(DurationMs(MINUTE)), tally: tally(9, 1), ..well(1) };
    shard.report(first.clone());
    shard.report(second.clone());
    let known = shard.rows.clone();
    for again in [first, second] {
        shard.report(again);
        assert_eq!(shard.rows, known);
    }
    let fleet = shard.fleet(NOW);
    assert_eq!((fleet.people, fleet.connected, fleet.sessions, fleet.streams), (1, 1, 2, 1));
    assert_eq!(fleet.tally, tally(9, 1));
    assert_eq!(fleet.hours.iter().map(|hour| (hour.settled, hour.failed)).collect::<Vec<_>>(), [(9, 1)]);
    // Somebody who was erased and came back begins to count anew.
    shard.report(Report { at_ms: NOW.plus(DurationMs(2 * MINUTE)), tally: tally(2, 0), ..well(1) });
    assert_eq!(shard.fleet(NOW).tally, tally(11, 1));
}

#[test]
fn the_counts_of_a_shard_are_those_of_its_people_whatever_happens_to_them() {
    let mut shard = Shard::default();
    for number in 1..=9 {
        shard.report(well(number));
    }
    let later = NOW.plus(DurationMs(MINUTE));
    shard.report(Report { at_ms: later, standing: Standing::SignInAgain, sessions: 0, ..well(1) });
    shard.report(Report { at_ms: later, standing: Standing::NotConnected, streams: 0, ..well(2) });
    shard.report(Report { at_ms: later, is_paused: true, waiting: 7, ..well(3) });
    shard.ask(Question::Fault { user: user(4), at: later, fault: "a row of table ledger".into() }, later);
    shard.ask(Question::Forget { user: user(5) }, later);
    shard.ask(Question::Forget { user: user(5) }, later);
    let fleet = shard.fleet(later.plus(DurationMs(1)));
    assert_eq!(
        (fleet.people, fleet.connected, fleet.must_act, fleet.not_connected, fleet.unreadable, fleet.paused),
        (8, 6, 1, 1, 1, 1)
    );
    assert_eq!((fleet.sessions, fleet.streams, fleet.waiting, fleet.attention), (14, 7, 7, 3));
    assert_eq!(shard.ask(Question::Find { user: user(5) }, later), Answer::NOT_FOUND);
    // An object that reports can be read again.
    shard.report(Report { at_ms: later.plus(DurationMs(MINUTE)), ..well(4) });
    assert_eq!(shard.fleet(later).unreadable, 0);
}

#[test]
fn each_reason_to_look_is_named_and_time_alone_brings_up_whoever_fell_silent() {
    let mut shard = Shard::default();
    let reasons = |report: Report, at: UnixMs| {
        let mut shard = Shard::default();
        let user = report.user;
        shard.report(report);
        shard.get::<Person>(Question::Find { user }, at).attention
    };
    let minutes = |count: u64| NOW.plus(DurationMs(count * MINUTE));
    assert_eq!(reasons(well(1), NOW), []);
    // What an object said of the time soon after its report is not held against it: it need not report again at once.
    let heard_by = SILENT_FOR_AT_MOST.0 / MINUTE;
    assert_eq!(reasons(well(1), minutes(heard_by + 10)), []);
    assert_eq!(reasons(well(1), minutes(heard_by + 11)), [Attention::NotRenewed]);
    assert_eq!(reasons(well(1), minutes(heard_by + 16)), [Attention::Overdue, Attention::NotRenewed]);
    // What it said of a later time is.
    let later = Some(minutes(heard_by + 60));
    let later = || Report { next_alarm_at_ms: later, refresh_due_at_ms: later, ..well(1) };
    assert_eq!(reasons(later(), minutes(heard_by + 70)), []);
    assert_eq!(reasons(later(), minutes(heard_by + 71)), [Attention::NotRenewed]);
    assert_eq!(reasons(later(), minutes(heard_by + 76)), [Attention::Overdue, Attention::NotRenewed]);
    let open = Report { oldest_open_at_ms: Some(NOW), ..well(1) };
    assert_eq!(reasons(open.clone(), minutes(20)), []);
    assert_eq!(reasons(open, minutes(21)), [Attention::Stuck]);
    assert_eq!(reasons(Report { tally: tally(4, 4), ..well(1) }, NOW), []);
    assert_eq!(reasons(Report { tally: tally(5, 3), ..well(1) }, NOW), [Attention::Failing]);
    let down = Report { gateway_down_until_ms: Some(minutes(1)), ..well(1) };
    assert_eq!(reasons(down, NOW), [Attention::GatewayDown]);
    for standing in [Standing::SignInAgain, Standing::ConsentNeeded, Standing::StepUp] {
        assert_eq!(reasons(Report { standing, ..well(1) }, NOW), [Attention::PersonMustAct]);
    }
    assert_eq!(reasons(Report { is_paused: true, ..well(1) }, NOW), [Attention::Paused]);

    shard.report(well(1));
    shard.report(Report { oldest_open_at_ms: Some(NOW), ..well(2) });
    assert_eq!(shard.fleet(NOW).attention, 0);
    let page = shard.flagged(None, 9, minutes(21));
    assert_eq!(page.people.iter().map(|person| person.user).collect::<Vec<_>>(), [user(2)]);
    assert_eq!(shard.fleet(minutes(heard_by + 11)).attention, 2);
    // Who cannot be served comes before whoever has to act.
    shard.report(Report { standing: Standing::SignInAgain, ..well(3) });
    shard.ask(Question::Fault { user: user(4), at: minutes(1), fault: "x".into() }, minutes(1));
    let order: Vec<_> = shard.flagged(None, 9, minutes(21)).people.iter().map(|person| person.user).collect();
    assert_eq!(order, [user(4), user(3), user(2)]);
    for number in [3, 4] {
        shard.ask(Question::Forget { user: user(number) }, NOW);
    }
    // A page goes on where the one before ended.
    let first = shard.flagged(None, 1, minutes(heard_by + 11));
    let second = shard.flagged(first.next, 1, minutes(heard_by + 11));
    let both: Vec<_> = first.people.iter().chain(&second.people).map(|person| person.user).collect();
    assert_eq!(both, [user(2), user(1)]);
    assert!(shard.flagged(second.next, 1, minutes(heard_by + 11)).people.is_empty());
}

#[test]
fn somebody_who_cannot_be_read_is_known_although_nothing_was_ever_reported() {
    let mut shard = Shard::default();
    shard.ask(Question::Fault { user: user(7), at: NOW, fault: "a row of table meta".into() }, NOW);
    let person = shard.person(7, NOW);
    assert_eq!((person.report, person.attention), (None, vec![Attention::Unreadable]));
    assert_eq!(shard.flagged(None, 9, NOW.plus(DurationMs(1))).people.len(), 1);
}

#[test]
fn people_are_found_by_key_by_its_beginning_and_by_address() {
    let mut shard = Shard::default();
    for number in [1, 2, 3] {
        shard.report(Report { addresses: vec![mark(number), mark(9)], ..well(number) });
    }
    let found = |shard: &mut Shard, question: Question| -> Vec<UserKey> {
        let page: PersonPage = shard.get(question, NOW);
        page.people.iter().map(|person| person.user).collect()
    };
    let prefix = |number: u8| Question::FindByPrefix { prefix: vec![number; 5] };
    assert_eq!(found(&mut shard, prefix(2)), [user(2)]);
    assert!(found(&mut shard, prefix(8)).is_empty());
    let address =
        |numbers: &[u8]| Question::FindByAddress { marks: numbers.iter().copied().map(mark).collect() };
    assert_eq!(found(&mut shard, address(&[2])), [user(2)]);
    assert_eq!(found(&mut shard, address(&[9])), [user(1), user(2), user(3)]);
    assert!(found(&mut shard, address(&[4])).is_empty());
    // An address that the account no longer has finds nobody.
    shard.report(Report { at_ms: NOW.plus(DurationMs(1)), addresses: vec![mark(4)], ..well(2) });
    assert!(found(&mut shard, address(&[2])).is_empty());
    assert_eq!(found(&mut shard, address(&[4])), [user(2)]);
    shard.ask(Question::Forget { user: user(2) }, NOW);
    assert!(found(&mut shard, address(&[4])).is_empty());
}

#[test]
fn a_list_has_everybody_once() {
    let mut shard = Shard::default();
    for number in 1..=7 {
        shard.report(well(number));
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page: PersonPage = shard.get(Question::List { after, limit: 3, attention: false }, NOW);
        seen.extend(page.people.iter().map(|person| person.user));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=7).map(user).collect::<Vec<_>>());
}

#[test]
fn the_trail_is_read_backwards_by_person_and_ends_after_four_hundred_days() {
    let mut shard = Shard::default();
    let line = |number: u64, about: u8| {
        let at = NOW.plus(DurationMs(number * MINUTE));
        AuditLine {
            id: RequestId::new(at, &user(about), [0; 5]),
            at_ms: at,
            operator: "ada".into(),
            what: "look".into(),
            user: Some(user(about)),
            detail: None,
            outcome: "ok".into(),
        }
    };
    for number in 0..6 {
        shard.ask(Question::Audit(line(number, 1 + u8::try_from(number % 2).unwrap())), NOW);
    }
    let minutes = |page: &AuditPage| -> Vec<u64> {
        page.lines.iter().map(|line| line.at_ms.since(NOW).0 / MINUTE).collect()
    };
    let ask = |before, limit, user| Question::Trail { before, limit, user };
    let first: AuditPage = shard.get(ask(None, 4, None), NOW);
    assert_eq!(minutes(&first), [5, 4, 3, 2]);
    let second: AuditPage = shard.get(ask(first.next, 4, None), NOW);
    assert_eq!((minutes(&second), second.next), (vec![1, 0], None));
    let about: AuditPage = shard.get(ask(None, 9, Some(user(2))), NOW);
    assert_eq!((minutes(&about), about.next), (vec![5, 3, 1], None));

    let much_later = NOW.plus(DurationMs(401 * 24 * 60 * MINUTE));
    let new = AuditLine { id: RequestId::new(much_later, &user(1), [0; 5]), at_ms: much_later, ..line(0, 1) };
    shard.ask(Question::Audit(new), much_later);
    let left: AuditPage = shard.get(ask(None, 9, None), much_later);
    assert_eq!(left.lines.len(), 1);
}

#[test]
fn shards_together_are_as_one() {
    let (mut one, mut other) = (Shard::default(), Shard::default());
    one.report(Report { tally: tally(3, 1), ..well(1) });
    let hour_later = NOW.plus(DurationMs(60 * MINUTE));
    other.report(Report { at_ms: hour_later, tally: tally(4, 0), ..well(2) });
    other.report(Report { tally: tally(2, 2), ..well(3) });
    let mut fleet = one.fleet(NOW);
    fleet.add(&other.fleet(NOW));
    assert_eq!((fleet.people, fleet.tally), (3, tally(9, 3)));
    let hours: Vec<_> = fleet.hours.iter().map(|hour| (hour.settled, hour.failed)).collect();
    assert_eq!(hours, [(5, 3), (4, 0)]);
}
