//! The transition table, and what the ledger must recognise, forget and remove.

use protocol::ids::UserKey;
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
    let events = [E::Sent, E::Requeued, E::AnswerLost, E::Succeeded, E::Refused, E::GaveUp, E::Cancelled];
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
            "queued: in_flight already - - failed - cancelled",
            "in_flight: already queued reconciling done failed unknown cancelled",
            "reconciling: already queued already done failed unknown -",
            "done: already already already already already already already",
            "failed: already already already already already already already",
            "unknown: already already already already already already already",
            "cancelled: already already already already already already already",
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
    let mut upkeep = None;
    commit(&mut rows, |txn| upkeep = ledger.keep_up(txn, much_later).unwrap());
    let recovered = Ledger::recover(&rows, upkeep.unwrap(), much_later).unwrap();
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
    assert_eq!(rows.rows.len(), 2 * count);
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
    let mut upkeep = None;
    commit(&mut rows, |txn| upkeep = ledger.keep_up(txn, UnixMs(2_000)).unwrap());
    assert_eq!(ledger.answers_due(), Some(due), "removed too early");
    // The object may have been out of memory in the meantime: the floor leads recovery to the entry.
    let mut recovered = Ledger::recover(&rows, upkeep.unwrap(), due).unwrap().ledger;
    assert_eq!(recovered.answers_due(), Some(due));
    commit(&mut rows, |txn| {
        recovered.keep_up(txn, due).unwrap();
    });
    assert_eq!(recovered.answers_due(), None);
    let entry = |id: RequestId| Ledger::entry(&Txn::new(&rows), id).unwrap().unwrap();
    assert_eq!(entry(id_at(1_000, 1)).answer, None);
    assert!(entry(id_at(1_000, 2)).answer.is_some());
}
