//! What holds here: an export that is as it was passes in either form and any order, and each way to change it is found.

use super::*;
use crate::cbor;
use crate::ids::{GrantId, SessionId, UserKey};
use crate::operator::record::Record;

const KEY: [u8; 32] = [7; 32];
const USER: UserKey = UserKey::from_bytes([1; 16]);
const LINES: u64 = 6;

fn record(number: u64) -> Record {
    let at = UnixMs(1_800_000_000_000 + number * 1_000);
    Record {
        id: RequestId::new(at, &USER, [u8::try_from(number).unwrap(); 5]),
        tool: "sendEmail".into(),
        state: "done".into(),
        outcome: Some("ok".into()),
        writes: true,
        client: "Claude (a1b2c3d4)".into(),
        grant: Some(GrantId::from_bytes([2; 16])),
        session: Some(SessionId::from_bytes([3; 16])),
        access_identity: Some("7f-1".into()),
        trace_id: Some("0af7651916cd43dd8448eb211c80319c".into()),
        received_at_ms: at,
        sent_at_ms: Some(at),
        settled_at_ms: Some(UnixMs(at.0 + 300)),
        calls: 2,
        gateway_log_ids: vec!["log-1".into(), "log-2".into()],
        graph_request_ids: vec!["graph-1".into()],
    }
}

/// An export of six requests in a chain and one from before it.
fn export() -> Export {
    let mut newest = Link::default();
    let mut lines = vec![Line { record: record(0), chain: None }];
    for number in 1..=LINES {
        newest = newest.next(&KEY, &record(number)).unwrap();
        lines.push(Line { record: record(number), chain: Some(newest) });
    }
    Export {
        head: Head::new(&KEY, USER, UnixMs(1_800_000_100_000), newest),
        lines,
        checkpoint: Checkpoint::default().signed(&KEY),
    }
}

/// The same after retention removed these.
fn pruned(removed: &[u64]) -> Export {
    let mut export = export();
    let mut checkpoint = Checkpoint::default();
    let is_removed = |link: &Link| removed.contains(&link.sequence);
    for link in export.lines.iter().filter_map(|line| line.chain).filter(is_removed) {
        checkpoint.remove(link);
    }
    export.lines.retain(|line| line.chain.as_ref().is_none_or(|link| !is_removed(link)));
    export.checkpoint = checkpoint.signed(&KEY);
    export
}

fn items(export: &Export) -> Vec<ExportItem> {
    let lines = export.lines.iter().cloned().map(Box::new).map(ExportItem::Line);
    std::iter::once(ExportItem::Head(export.head.clone()))
        .chain(lines)
        .chain([ExportItem::Checkpoint(export.checkpoint.clone())])
        .collect()
}

fn ndjson(export: &Export) -> Vec<u8> {
    let lines = items(export);
    let lines: Vec<String> = lines.iter().map(|item| serde_json::to_string(item).unwrap()).collect();
    lines.join("\n").into_bytes()
}

#[test]
fn an_export_passes_in_either_form_and_any_order() {
    let whole = Verified { proved: LINES, unproved: 1, removed: 0 };
    let mut export = export();
    assert_eq!(export.verify(&KEY), Ok(whole));
    let sequence: Vec<u8> = items(&export).iter().flat_map(|item| cbor::encode(item).unwrap()).collect();
    for bytes in [ndjson(&export), sequence] {
        assert_eq!(Export::read(&bytes).as_ref(), Ok(&export));
    }
    export.lines.reverse();
    assert_eq!(export.verify(&KEY), Ok(whole));
    assert_eq!(export.verify(&[8; 32]), Err(Finding::HeadNotSigned));
}

#[test]
fn what_retention_removed_is_explained() {
    assert_eq!(pruned(&[1, 2]).verify(&KEY), Ok(Verified { proved: 4, unproved: 1, removed: 2 }));
    assert_eq!(pruned(&[2, 4]).verify(&KEY), Ok(Verified { proved: 4, unproved: 1, removed: 2 }));
    let everything: Vec<u64> = (1..=LINES).collect();
    assert_eq!(pruned(&everything).verify(&KEY), Ok(Verified { proved: 0, unproved: 1, removed: 6 }));
    let empty = Export {
        head: Head::new(&KEY, USER, UnixMs(5), Link::default()),
        lines: Vec::new(),
        checkpoint: Checkpoint::default().signed(&KEY),
    };
    assert_eq!(empty.verify(&KEY), Ok(Verified::default()));
    // Removed while the export was made: what was exported before that is there and still proved.
    let meanwhile = Export { checkpoint: pruned(&[1, 2]).checkpoint, ..export() };
    assert!(meanwhile.verify(&KEY).is_ok());
}

#[test]
fn every_changed_field_of_every_line_is_found() {
    let changes: [fn(&mut Record); 16] = [
        |it| it.id = RequestId::new(UnixMs(1), &USER, [9; 5]),
        |it| it.tool = "readEmail".into(),
        |it| it.state = "failed".into(),
        |it| it.outcome = None,
        |it| it.writes = false,
        |it| it.client.clear(),
        |it| it.grant = None,
        |it| it.session = None,
        |it| it.access_identity = None,
        |it| it.trace_id = None,
        |it| it.received_at_ms = UnixMs(1),
        |it| it.sent_at_ms = None,
        |it| it.settled_at_ms = Some(UnixMs(1)),
        |it| it.calls = 1,
        |it| it.gateway_log_ids.swap(0, 1),
        |it| it.graph_request_ids.clear(),
    ];
    // A field that is added to a record is counted here, so that it gets its change above.
    assert_eq!(serde_json::to_value(record(1)).unwrap().as_object().unwrap().len(), changes.len());
    for number in 1..=LINES {
        for change in &changes {
            let mut export = export();
            change(&mut export.lines[usize::try_from(number).unwrap()].record);
            assert_eq!(export.verify(&KEY), Err(Finding::Changed(number)));
        }
    }
}

#[test]
fn a_line_that_is_gone_is_found_wherever_it_was() {
    for number in 1..LINES {
        let mut export = export();
        export.lines.retain(|line| line.chain.is_none_or(|link| link.sequence != number));
        assert_eq!(export.verify(&KEY), Err(Finding::Missing(number)));
    }
    for from in 1..=LINES {
        let mut export = export();
        export.lines.retain(|line| line.chain.is_none_or(|link| link.sequence < from));
        assert_eq!(export.verify(&KEY), Err(Finding::CutFrom(from)));
    }
    let mut pruned = pruned(&[1, 2]);
    pruned.lines.retain(|line| line.chain.is_none_or(|link| link.sequence != 3));
    assert_eq!(pruned.verify(&KEY), Err(Finding::Missing(3)));
    // A line that loses its place is a line that is gone.
    let mut export = export();
    export.lines[3].chain = None;
    assert_eq!(export.verify(&KEY), Err(Finding::Missing(3)));
}

#[test]
fn a_line_that_was_added_or_exchanged_is_found() {
    let with = |line: Line| {
        let mut export = export();
        export.lines.push(line);
        export.verify(&KEY)
    };
    let link = |sequence| Link { sequence, link: ChainMark::from_bytes([9; 16]) };
    assert_eq!(with(Line { record: record(9), chain: Some(link(7)) }), Err(Finding::Added(7)));
    assert_eq!(with(Line { record: record(9), chain: Some(link(3)) }), Err(Finding::Added(3)));
    assert_eq!(with(Line { record: record(9), chain: Some(link(0)) }), Err(Finding::Added(0)));
    assert_eq!(with(export().lines[2].clone()), Err(Finding::Added(2)));
    assert_eq!(with(export().lines[0].clone()), Err(Finding::Twice(record(0).id)));
    let mut late = record(9);
    late.settled_at_ms = Some(UnixMs(1_800_001_000_000));
    assert_eq!(with(Line { record: late.clone(), chain: None }), Err(Finding::NotBefore(late.id)));
    let mut exchanged = export();
    let (one, other) = (exchanged.lines[2].record.clone(), exchanged.lines[5].record.clone());
    (exchanged.lines[2].record, exchanged.lines[5].record) = (other, one);
    assert_eq!(exchanged.verify(&KEY), Err(Finding::Changed(2)));
    let mut renumbered = export();
    renumbered.lines[2].chain = Some(Link { sequence: 4, ..renumbered.lines[2].chain.unwrap() });
    assert!(renumbered.verify(&KEY).is_err());
    let mut relinked = export();
    relinked.lines[6].chain = Some(link(6));
    assert_eq!(relinked.verify(&KEY), Err(Finding::Changed(6)));
    // What could not be proved without the lines before it is not taken for proved.
    let mut removed = pruned(&[1, 2, 3]);
    removed.lines.push(Line { record: record(9), chain: Some(link(2)) });
    assert_eq!(removed.verify(&KEY), Err(Finding::Unprovable(2)));
}

#[test]
fn a_head_or_a_checkpoint_that_was_changed_is_found() {
    let mut older = export();
    older.head.newest = older.lines[3].chain.unwrap();
    older.lines.truncate(4);
    assert_eq!(older.verify(&KEY), Err(Finding::HeadNotSigned));
    let mut hidden = pruned(&[1]);
    hidden.checkpoint.also_removed.push(hidden.lines[2].chain.unwrap());
    hidden.lines.remove(2);
    assert_eq!(hidden.verify(&KEY), Err(Finding::CheckpointNotSigned));
    let mut other = export();
    other.head.format = "m365-ledger/2".into();
    assert_eq!(other.verify(&KEY), Err(Finding::Format("m365-ledger/2".into())));
}

#[test]
fn what_is_no_export_is_said_with_its_place() {
    let whole = ndjson(&export());
    let text = String::from_utf8(whole).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let read = |lines: &[&str]| Export::read(lines.join("\n").as_bytes());
    assert_eq!(read(&lines[1..]), Err(Unreadable::NoHead));
    assert_eq!(read(&lines[..lines.len() - 1]), Err(Unreadable::NoCheckpoint));
    assert_eq!(read(&[lines[0], "{\"line\":{}}", lines[8]]), Err(Unreadable::Value(2)));
    assert_eq!(read(&[lines[0], lines[0], lines[8]]), Err(Unreadable::Value(2)));
    assert_eq!(Export::read(b""), Err(Unreadable::NoHead));
    assert_eq!(Export::read(&[0xa1, 0xff]), Err(Unreadable::Value(1)));
}

/// The example of the documentation is an export, and its key verifies it.
#[test]
fn the_example_of_the_documentation_is_true() {
    let document = include_str!("../../../../docs/ledger-export.md");
    let block = |mark: &str| {
        let rest = document.split_once(mark).unwrap().1;
        rest.split_once("```").unwrap().0.trim().to_owned()
    };
    let key = crate::digest::from_hex(&block("```key\n")).unwrap();
    let export = Export::read(block("```ndjson\n").as_bytes()).unwrap();
    let verified = export.verify(&<[u8; 32]>::try_from(key.as_slice()).unwrap());
    assert_eq!(verified, Ok(Verified { proved: 2, unproved: 1, removed: 1 }));
}
