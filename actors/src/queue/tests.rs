//! Each rule of the queue by itself.

use protocol::limits::{GATEWAY_FAILURES_MAX, GATEWAY_PAUSE};

use super::*;

const ALL_READY: Ready = Ready { graph: true, apps: true, shares_zone: true };
const NONE_READY: Ready = Ready { graph: false, apps: false, shares_zone: true };

fn id(number: u8) -> RequestId {
    RequestId::from_bytes([number; 16])
}

fn job(number: u8, lane: Lane, client: &str) -> Job {
    Job {
        request: id(number),
        lane,
        client: client.into(),
        priority: Priority::Interactive,
        not_before: UnixMs(0),
        bytes: 10,
        asks_zone: false,
    }
}

fn drain(queue: &mut Queue, now: u64) -> Vec<RequestId> {
    std::iter::from_fn(|| queue.next(UnixMs(now), ALL_READY)).collect()
}

#[test]
fn a_mailbox_has_four_calls_in_flight_and_all_lanes_five() {
    let mut queue = Queue::default();
    for number in 0..10 {
        queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
    }
    assert_eq!(drain(&mut queue, 0).len(), 4);
    for number in 10..14 {
        queue.admit(job(number, Lane::Teams, "a")).unwrap();
    }
    assert_eq!(drain(&mut queue, 0).len(), 1);
    // The sixth connection is the refresh's, and a second one waits for the first.
    queue.requeue(job(20, Lane::Identity, ""));
    queue.requeue(job(21, Lane::Identity, ""));
    assert_eq!(drain(&mut queue, 0), [id(20)]);
    queue.release(&id(0));
    queue.release(&id(0));
    assert_eq!(drain(&mut queue, 0).len(), 1);
}

#[test]
fn another_mailbox_has_two_calls_in_flight_and_teams_has_a_lane_of_its_own() {
    let mut queue = Queue::default();
    for number in 0..5 {
        queue.admit(job(number, Lane::OtherMailbox, "a")).unwrap();
    }
    assert_eq!(drain(&mut queue, 0).len(), 2);
    for number in 10..13 {
        queue.admit(job(number, Lane::Teams, "a")).unwrap();
    }
    assert_eq!(drain(&mut queue, 0), [id(10), id(11)]);
    // What Microsoft says of a mailbox does not concern Teams, nor the other way round.
    queue.throttled(Lane::OtherMailbox, UnixMs(0), DurationMs(60_000));
    queue.release(&id(10));
    assert_eq!(drain(&mut queue, 0), [id(12)]);
}

#[test]
fn a_refresh_goes_before_clients_and_those_before_looks() {
    let mut queue = Queue::default();
    queue.requeue(Job { priority: Priority::Background, ..job(1, Lane::Mailbox, "a") });
    queue.admit(job(2, Lane::Mailbox, "a")).unwrap();
    queue.requeue(Job { priority: Priority::Refresh, ..job(3, Lane::Identity, "") });
    queue.admit(job(4, Lane::Mailbox, "b")).unwrap();
    assert_eq!(drain(&mut queue, 0), [id(3), id(2), id(4), id(1)]);
}

#[test]
fn a_mail_that_is_looked_into_counts_with_its_bytes_wherever_it_is() {
    let mut queue = Queue::default();
    let looked_into =
        Job { priority: Priority::Background, bytes: QUEUED_BYTES_MAX, ..job(1, Lane::Mailbox, "a") };
    queue.requeue(looked_into);
    assert!(queue.admit(job(2, Lane::Mailbox, "a")).is_err());
    assert_eq!(drain(&mut queue, 0), [id(1)]);
    assert!(queue.admit(job(2, Lane::Mailbox, "a")).is_err(), "it only looks; its content is still held");
    queue.release(&id(1));
    queue.admit(job(2, Lane::Mailbox, "a")).unwrap();
}

#[test]
fn an_abandoned_call_keeps_its_place_until_it_ends() {
    let mut queue = Queue::default();
    for number in 0..5 {
        queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
    }
    drain(&mut queue, 0);
    let op = OpId { request: id(0), sequence: 7 };
    queue.abandon(op, UnixMs(35_000));
    assert_eq!((drain(&mut queue, 0), queue.in_flight()), (Vec::new(), 4));
    assert_eq!(queue.abandoned_until(), Some((op, UnixMs(35_000))));
    assert_eq!(queue.release_abandoned(&OpId { sequence: 6, ..op }), None);
    assert_eq!((queue.release_abandoned(&op), queue.release_abandoned(&op)), (Some(Lane::Mailbox), None));
    assert_eq!(drain(&mut queue, 0), [id(4)]);
}

#[test]
fn while_the_gateway_is_down_only_the_token_endpoint_is_called_and_then_one_call_tries() {
    let mut queue = Queue::default();
    for number in 0..20 {
        queue.requeue(job(number, Lane::Mailbox, "a"));
    }
    for _ in 0..GATEWAY_FAILURES_MAX {
        let flying = queue.next(UnixMs(0), ALL_READY).unwrap();
        queue.release(&flying);
        queue.heard_of_gateway(flying, Word::Fails, UnixMs(0), |pause| pause);
    }
    assert_eq!(queue.take_breaker_changes(), [Change::Opened(GATEWAY_PAUSE)]);
    assert_eq!(queue.gateway_is_down_for(UnixMs(1)), Some(DurationMs(GATEWAY_PAUSE.0 - 1)));
    queue.requeue(job(30, Lane::Identity, ""));
    assert_eq!(drain(&mut queue, 1), [id(30)]);
    assert_eq!(queue.due(UnixMs(1)), Some(UnixMs(GATEWAY_PAUSE.0)));
    let tries = drain(&mut queue, GATEWAY_PAUSE.0);
    assert_eq!((tries.len(), queue.take_breaker_changes()), (1, vec![Change::HalfOpened]));
    queue.release(&tries[0]);
    queue.heard_of_gateway(tries[0], Word::Answers, UnixMs(GATEWAY_PAUSE.0), |pause| pause);
    assert_eq!(drain(&mut queue, GATEWAY_PAUSE.0).len(), 4);
}

#[test]
fn a_second_client_does_not_wait_behind_fifty_calls_of_the_first() {
    let mut queue = Queue::default();
    for number in 0..50 {
        queue.admit(job(number, Lane::Mailbox, "a")).unwrap();
    }
    drain(&mut queue, 0);
    queue.admit(job(60, Lane::Mailbox, "b")).unwrap();
    let mut freed = 0;
    loop {
        let flying = *queue.in_flight.keys().next().unwrap();
        queue.release(&flying);
        freed += 1;
        if drain(&mut queue, 0).contains(&id(60)) {
            break;
        }
    }
    assert!(freed <= 2, "{freed}");
}

#[test]
fn a_429_halves_a_lane_not_below_one_and_ten_seconds_give_one_place_back() {
    let mut queue = Queue::default();
    let widths = |queue: &mut Queue, now: u64| {
        for number in 0..10 {
            queue.requeue(job(number, Lane::Mailbox, "a"));
        }
        let left = drain(queue, now);
        for number in 0..10 {
            queue.release(&id(number));
            queue.withdraw(&id(number));
        }
        left.len()
    };
    assert_eq!(widths(&mut queue, 0), 4);
    for (narrowed, width) in [(1, 2), (2, 1), (3, 1)] {
        queue.throttled(Lane::Mailbox, UnixMs(narrowed), DurationMs(0));
        assert_eq!(widths(&mut queue, narrowed), width);
    }
    assert_eq!(widths(&mut queue, 2 + GATE_RECOVERY.0), 1);
    for places in 2..=4 {
        assert_eq!(widths(&mut queue, 3 + (places - 1) * GATE_RECOVERY.0), places as usize);
    }
    assert_eq!(widths(&mut queue, 3 + 9 * GATE_RECOVERY.0), 4);
}

#[test]
fn a_throttled_lane_is_closed_for_as_long_as_microsoft_asked_within_bounds() {
    let mut queue = Queue::default();
    queue.admit(job(1, Lane::Mailbox, "a")).unwrap();
    queue.throttled(Lane::Mailbox, UnixMs(1_000), DurationMs(2_000));
    assert_eq!(drain(&mut queue, 2_999), []);
    assert_eq!(queue.due(UnixMs(1_000)), Some(UnixMs(3_000)));
    assert_eq!(drain(&mut queue, 3_000), [id(1)]);
    queue.throttled(Lane::Mailbox, UnixMs(3_000), DurationMs(u64::MAX));
    assert_eq!(queue.closed_for(Lane::Mailbox, UnixMs(3_000)), LANE_CLOSED_MAX);
}

#[test]
fn the_queue_is_bounded_in_number_and_in_bytes() {
    let mut queue = Queue::default();
    for number in 0..QUEUED_CALLS_MAX {
        queue.admit(job(number as u8, Lane::Mailbox, "a")).unwrap();
    }
    let full = queue.admit(job(200, Lane::Mailbox, "a")).unwrap_err();
    assert!(full.retry_after.0 >= 1_000);
    let mut queue = Queue::default();
    let mut big = job(1, Lane::Mailbox, "a");
    big.bytes = QUEUED_BYTES_MAX;
    queue.admit(big).unwrap();
    assert!(queue.admit(job(2, Lane::Mailbox, "a")).is_err());
}

#[test]
fn linked_apps_need_no_gateway_and_no_token_of_microsoft() {
    let mut queue = Queue::default();
    for number in 0..4 {
        queue.admit(job(number, Lane::LinkedApp, "a")).unwrap();
    }
    queue.admit(job(9, Lane::Mailbox, "a")).unwrap();
    for number in 20..20 + GATEWAY_FAILURES_MAX {
        queue.heard_of_gateway(id(u8::try_from(number).unwrap()), Word::Fails, UnixMs(0), |pause| pause);
    }
    assert!(queue.gateway_is_down_for(UnixMs(0)).is_some());
    let apps_only = Ready { apps: true, ..NONE_READY };
    let left: Vec<_> = std::iter::from_fn(|| queue.next(UnixMs(0), apps_only)).collect();
    assert_eq!(left, [id(0), id(1)], "two at a time");
    queue.release(&id(0));
    assert_eq!(queue.next(UnixMs(0), Ready { graph: true, ..NONE_READY }), None);
    assert_eq!(queue.next(UnixMs(0), apps_only), Some(id(2)));
    assert!(queue.wants_token(), "the mail waits for one");
}

#[test]
fn without_a_token_only_the_token_endpoint_is_called() {
    let mut queue = Queue::default();
    queue.admit(job(1, Lane::Mailbox, "a")).unwrap();
    queue.requeue(Job { priority: Priority::Refresh, ..job(2, Lane::Identity, "") });
    assert!(queue.wants_token());
    assert_eq!(queue.next(UnixMs(0), NONE_READY), Some(id(2)));
    assert_eq!(queue.next(UnixMs(0), NONE_READY), None);
    assert_eq!(queue.next(UnixMs(0), ALL_READY), Some(id(1)));
}

#[test]
fn of_those_who_ask_for_the_zone_one_leaves_and_the_next_when_nobody_waits_for_its_answer() {
    let mut queue = Queue::default();
    for number in 0..3 {
        queue.admit(Job { asks_zone: true, ..job(number, Lane::Mailbox, "a") }).unwrap();
    }
    queue.admit(job(3, Lane::Mailbox, "a")).unwrap();
    assert_eq!(drain(&mut queue, 0), [id(0), id(3)]);
    assert_eq!((queue.reads_zone(), queue.asking_zone()), (true, vec![id(1), id(2)]));
    queue.abandon(OpId { request: id(0), sequence: 1 }, UnixMs(30_000));
    assert!(!queue.reads_zone());
    assert_eq!(drain(&mut queue, 0), [id(1)]);
    // Where the mailbox does not tell, nobody waits for another to hear that.
    let apart = Ready { shares_zone: false, ..ALL_READY };
    assert_eq!(queue.next(UnixMs(0), apart), Some(id(2)));
}
