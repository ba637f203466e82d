//! The transition table, and what the ledger must recognise, forget and remove.

use protocol::ids::UserKey;
use protocol::limits::{
    LEDGER_ENTRIES_MAX, LEDGER_FLOOR_STEP, LEDGER_KEPT_FOR, LEDGER_PRUNE_BATCH, LEDGER_TRIM_EVERY,
};
use protocol::time::DurationMs;

use super::*;
use crate::store::MemoryRows;

fn id_at(now: u64, salt: u8) -> RequestId {
    RequestId::new(UnixMs(now), &UserKey::from_bytes([1; 16]), [salt; 5])
}

fn write_entry(fingerprint: u8) -> Entry {
    let mut entry = Entry::new(Kind::Tool("sendEmail".into()), true, [fingerprint; 16]);
    entry.in_session = Some([fingerprint + 100; 16]);
    entry
}

fn commit(rows: &mut MemoryRows, action: impl FnOnce(&mut Txn<'_>)) {
    let before = rows.clone();
    let mut txn = Txn::new(&before);
    action(&mut txn);
    rows.apply(&txn.finish().0);
}

/// Every state with every event. A changed line here is a changed promise.
#[test]
fn the_transition_table_is_pinned() {
    use EntryEvent as E;
    let events =
        [E::Asked, E::Sent, E::Requeued, E::AnswerLost, E::Succeeded, E::Refused, E::GaveUp, E::Cancelled];
    let table: Vec<String> = EntryState::ALL
        .into_iter()
        .map(|state| {
            let row: Vec<String> = events
                .into_iter()
                .map(|event| match state.on(event) {
                    Transition::To(next) => next.name().to_owned(),
                    Transition::Already => "already".to_owned(),
                    Transition::Illegal => "-".to_owned(),
                })
                .collect();
            format!("{}: {}", state.name(), row.join(" "))
        })
        .collect();
    assert_eq!(
        table,
        [
            "queued: asking in_flight already - - failed - cancelled",
            "asking: already - queued - - failed - cancelled",
            "in_flight: - already queued reconciling done failed unknown cancelled",
            "reconciling: - already queued already done failed unknown -",
            "done: already already already already already already already already",
            "failed: already already already already already already already already",
            "unknown: already already already already already already already already",
            "cancelled: already already already already already already already already",
        ]
    );
}

#[test]
fn repeats_are_recognised_before_and_after_recovery() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    let id = id_at(1_000, 1);
    commit(&mut rows, |txn| ledger.insert(txn, id, &write_entry(7)).unwrap());
    let recovered = Ledger::recover(&rows, Upkeep::default(), UnixMs(2_000)).unwrap();
    for ledger in [&ledger, &recovered.ledger] {
        assert_eq!(ledger.same_id_in_session(&[107; 16]), Some(id));
        assert_eq!(ledger.equal_writes(&[7; 16]).next(), Some(id));
        assert_eq!(ledger.equal_writes(&[8; 16]).next(), None);
    }
    assert_eq!(recovered.orphans.len(), 1);
    assert_eq!(recovered.last_activity, Some(UnixMs(1_000)));
}

#[test]
fn settled_entries_are_forgotten_after_a_while_and_open_ones_never() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    let mut settled = write_entry(1);
    settled.state = EntryState::Done;
    commit(&mut rows, |txn| {
        ledger.insert(txn, id_at(1_000, 1), &settled).unwrap();
        ledger.insert(txn, id_at(1_001, 2), &write_entry(2)).unwrap();
    });
    ledger.forget_old(UnixMs(1_500).plus(REPEATED_WITHIN));
    assert_eq!(ledger.equal_writes(&[1; 16]).next(), None);
    assert_eq!(ledger.equal_writes(&[2; 16]).next(), Some(id_at(1_001, 2)));
}

#[test]
fn the_floor_never_passes_an_open_entry() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    commit(&mut rows, |txn| ledger.insert(txn, id_at(1_000, 1), &write_entry(1)).unwrap());
    let much_later = UnixMs(1_000).plus(DurationMs(REPEATED_WITHIN.0 * 10));
    commit(&mut rows, |txn| assert!(!ledger.keep_up(txn, much_later).unwrap()));
    let recovered = Ledger::recover(&rows, ledger.upkeep().clone(), much_later).unwrap();
    assert_eq!(recovered.orphans.len(), 1);
}

#[test]
fn old_entries_and_their_keys_are_removed_in_batches() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    let count = LEDGER_PRUNE_BATCH + 5;
    commit(&mut rows, |txn| {
        for number in 0..count {
            let mut entry = write_entry(1);
            entry.state = EntryState::Done;
            let mut key = [0; 16];
            key[..8].copy_from_slice(&(number as u64).to_be_bytes());
            entry.idempotency_key = Some(key);
            ledger.insert(txn, id_at(1_000 + number as u64, 1), &entry).unwrap();
        }
    });
    assert_eq!((rows.rows.len(), ledger.len()), (2 * count, count as u64));
    let later = UnixMs(10_000).plus(LEDGER_KEPT_FOR);
    let mut alarms = 0;
    while ledger.prune_due().is_some_and(|due| due <= later) {
        commit(&mut rows, |txn| {
            ledger.keep_up(txn, later).unwrap();
        });
        alarms += 1;
        assert!(alarms < 10, "pruning does not end");
    }
    assert_eq!((rows.rows.len(), alarms), (0, 2));
}

#[test]
fn what_a_read_answered_is_removed_after_a_while_and_a_writes_receipt_stays() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    let mut read = Entry::new(Kind::Tool("getEmails".into()), false, [1; 16]);
    read.state = EntryState::Done;
    read.answer = Some(serde_bytes::ByteBuf::from(vec![1]));
    let mut write = write_entry(2);
    write.state = EntryState::Done;
    write.answer = Some(serde_bytes::ByteBuf::from(vec![2]));
    commit(&mut rows, |txn| {
        ledger.insert(txn, id_at(1_000, 1), &read).unwrap();
        ledger.insert(txn, id_at(1_000, 2), &write).unwrap();
    });
    let due = ledger.answers_due().unwrap();
    commit(&mut rows, |txn| assert!(!ledger.keep_up(txn, UnixMs(2_000)).unwrap()));
    assert_eq!(ledger.answers_due(), Some(due), "removed too early");
    // The object may have been out of memory in the meantime: the floor leads recovery to the entry.
    let mut recovered = Ledger::recover(&rows, ledger.upkeep().clone(), due).unwrap().ledger;
    assert_eq!(recovered.answers_due(), Some(due));
    commit(&mut rows, |txn| {
        recovered.keep_up(txn, due).unwrap();
    });
    assert_eq!(recovered.answers_due(), None);
    let entry = |id: RequestId| Ledger::entry(&Txn::new(&rows), id).unwrap().unwrap();
    assert_eq!(entry(id_at(1_000, 1)).answer, None);
    assert!(entry(id_at(1_000, 2)).answer.is_some());
}

/// Settled entries with answers, a millisecond apart from `first` on.
fn fill(ledger: &mut Ledger, rows: &mut MemoryRows, first: u64, count: u64) {
    commit(rows, |txn| {
        for number in 0..count {
            let mut entry = write_entry(1);
            entry.state = EntryState::Done;
            entry.answer = Some(serde_bytes::ByteBuf::from(vec![7]));
            ledger.insert(txn, id_at(first + number, 1), &entry).unwrap();
        }
    });
}

/// What an alarm does to the ledger, and how many rows that writes.
fn alarm(ledger: &mut Ledger, rows: &mut MemoryRows, now: UnixMs) -> usize {
    let before = rows.clone();
    let mut txn = Txn::new(&before);
    ledger.keep_up(&mut txn, now).unwrap();
    let writes = txn.finish().0;
    rows.apply(&writes);
    writes.rows.len()
}

#[test]
fn above_their_number_the_oldest_settled_entries_go_and_an_open_one_stays() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    let open = id_at(1_000, 1);
    commit(&mut rows, |txn| ledger.insert(txn, open, &write_entry(9)).unwrap());
    fill(&mut ledger, &mut rows, 2_000, 300);
    let later = UnixMs(10_000).plus(REPEATED_WITHIN);
    ledger.upkeep.before_floor = LEDGER_ENTRIES_MAX - 301;
    alarm(&mut ledger, &mut rows, later);
    assert_eq!(
        (ledger.len(), ledger.prune_due()),
        (LEDGER_ENTRIES_MAX, Some(UnixMs(1_000).plus(LEDGER_KEPT_FOR)))
    );
    // One more is one too many. The open entry holds the floor back, and everything behind it.
    fill(&mut ledger, &mut rows, 9_000, 1);
    assert!(ledger.prune_due().is_some_and(|due| due <= later));
    alarm(&mut ledger, &mut rows, later);
    assert_eq!(rows.rows.len(), 302);
    assert!(ledger.prune_due().is_some_and(|due| due > later), "it would be tried without end");
    commit(&mut rows, |txn| {
        let mut settled = write_entry(9);
        settled.state = EntryState::Unknown;
        settled.settled_at = Some(later);
        ledger.update(txn, open, &settled).unwrap();
    });
    // It is settled now, but who asks again still joins it.
    let soon = later.plus(LEDGER_TRIM_EVERY);
    let written = alarm(&mut ledger, &mut rows, soon);
    println!("one alarm that prunes writes {written} rows, its own two left out");
    assert_eq!(
        (written, ledger.len()),
        (LEDGER_PRUNE_BATCH - 1, LEDGER_ENTRIES_MAX + 2 - LEDGER_PRUNE_BATCH as u64)
    );
    assert!(Ledger::entry(&Txn::new(&rows), open).unwrap().is_some());
}

#[test]
fn entries_are_counted_over_recoveries_without_reading_those_before_the_floor() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    fill(&mut ledger, &mut rows, 1_000, 50);
    // An alarm that would write a row for a few entries alone leaves the floor where it is.
    let soon = UnixMs(1_000 + LEDGER_FLOOR_STEP as u64 - 1).plus(REPEATED_WITHIN);
    alarm(&mut ledger, &mut rows, soon);
    assert_eq!((ledger.upkeep.before_floor, ledger.upkeep.floor), (0, None));
    let later = UnixMs(1_040).plus(REPEATED_WITHIN);
    alarm(&mut ledger, &mut rows, later);
    assert_eq!((ledger.upkeep.before_floor, ledger.len()), (40, 50));
    // Where the row is written anyway, one entry is enough.
    ledger.raise_floor(later.plus(DurationMs(1)), 1);
    assert_eq!((ledger.upkeep.before_floor, ledger.len()), (41, 50));
    // A row before the floor that cannot be read hurts nobody who does not read it.
    rows.rows.insert((Table::Ledger, id_at(1_001, 9).as_bytes().to_vec()), vec![0xff]);
    let recovered = Ledger::recover(&rows, ledger.upkeep().clone(), later).unwrap().ledger;
    assert_eq!(recovered.len(), 50);
}

#[test]
fn a_sweep_meets_every_entry_once_whatever_comes_and_goes_meanwhile() {
    let mut rows = MemoryRows::default();
    let mut ledger = Ledger::default();
    fill(&mut ledger, &mut rows, 1_000, 500);
    ledger.upkeep = Upkeep { sweep: Some(Sweep::new("new")), ..Upkeep::default() };
    let mut now = UnixMs(1_100).plus(REPEATED_WITHIN);
    let (mut met, mut batches) = (BTreeSet::new(), 0);
    loop {
        alarm(&mut ledger, &mut rows, now);
        let mut is_over = false;
        commit(&mut rows, |txn| {
            is_over = ledger
                .go_on_sweeping(txn, |id, sealed| {
                    assert_eq!((sealed, met.insert(id)), ([7_u8].as_slice(), true));
                    Ok(Some(vec![8]))
                })
                .unwrap();
        });
        batches += 1;
        if is_over {
            break;
        }
        // The floor passes more entries, and a new one comes.
        now = now.plus(DurationMs(150));
        fill(&mut ledger, &mut rows, 2_000 + batches, 1);
    }
    assert_eq!((batches, met.len()), (3, 502));
    assert_eq!((ledger.len(), ledger.upkeep.sealed_under.as_str()), (502, "new"));
    assert_eq!(ledger.upkeep.sweep.as_ref().map(|sweep| sweep.resealed), Some(502));
}
