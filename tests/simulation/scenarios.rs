//! Timelines written by hand.
//!
//! What holds here: a scenario places its faults itself in a world that is calm otherwise, so that each of them has one
//! cause. The same checks run as under random faults.

use protocol::limits::{MAILBOX_CALLS_MAX, QUEUED_BYTES_MAX};

use crate::clients::Kind;
use crate::dials::Dials;
use crate::tools::Tool;
use crate::world::{Event, Planned, SETTLES_WITHIN_MS, World};

pub(crate) const NO_VIOLATION: Vec<String> = Vec::new();

pub(crate) fn connected(dials: Dials) -> World {
    let mut world = World::new(1, dials, true);
    world.connect_in_peace();
    world
}

fn mail(world: &mut World) -> usize {
    let mail = world.clients.new_write(Tool::Mail, false, false);
    let operation = world.clients.new_operation(0, Kind::Write(mail), 6);
    world.after(0, Event::Act(operation));
    operation
}

fn read(world: &mut World) -> usize {
    let operation = world.clients.new_operation(0, Kind::Read, 6);
    world.after(0, Event::Act(operation));
    operation
}

pub(crate) fn run_for(world: &mut World, span_ms: u64) {
    let end = world.time + span_ms;
    world.run_until(end);
}

/// Lets everything settle and checks the whole of it.
pub(crate) fn finish(mut world: World) -> World {
    run_for(&mut world, SETTLES_WITHIN_MS + 120_000);
    for check in [World::check_everything_is_settled, World::probe, World::check_the_end] {
        if world.report.violations.is_empty() {
            check(&mut world);
        }
    }
    if !world.report.violations.is_empty() {
        println!("{}", world.trace.clone().unwrap_or_default().join("\n"));
    }
    world
}

#[test]
fn a_lost_alarm_is_set_again_by_the_next_request() {
    let mut world = connected(Dials::calm(true));
    read(&mut world);
    run_for(&mut world, 10_000);
    world.disk.drop_alarm();
    world.watch.alarm_lost(None);
    run_for(&mut world, 60_000);
    read(&mut world);
    run_for(&mut world, 5_000);
    assert!(world.disk.durable.alarm.is_some());
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}

#[test]
fn an_answer_that_a_policy_withheld_is_looked_into() {
    for two_step in [true, false] {
        let mut world = connected(Dials { answer_blocked: 1_000, ..Dials::calm(two_step) });
        mail(&mut world);
        run_for(&mut world, 20_000);
        world.heal();
        assert_eq!(finish(world).report.violations, NO_VIOLATION);
    }
}

#[test]
fn an_outage_does_not_make_a_send_run_hot() {
    let mut world = connected(Dials { writes_refused: 1_000, ..Dials::calm(true) });
    let calls = world.call_counter;
    mail(&mut world);
    run_for(&mut world, 100_000);
    assert!(world.call_counter - calls < 120, "{}", world.call_counter - calls);
    world.heal();
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}

#[test]
fn a_mail_whose_connection_broke_may_leave_later_and_is_not_called_unsent() {
    for seed in 0..40 {
        let late = Dials {
            broken_early: 800,
            throttled: 400,
            transit_ms_max: 20_000,
            disconnects: 900,
            crash_after_commit: 100,
            ..Dials::calm(true)
        };
        let mut world = World::new(seed, late, true);
        world.connect_in_peace();
        mail(&mut world);
        run_for(&mut world, 120_000);
        world.heal();
        assert_eq!(finish(world).report.violations, NO_VIOLATION, "seed {seed}");
    }
}

#[test]
fn a_refresh_that_never_left_does_not_stop_all_later_ones() {
    // Journeys of connecting hang one after the other and hold the one place for calls to the token endpoint, until
    // the deadline of the refresh that waits behind them.
    let mut world = connected(Dials { clients: 8, token_life_s: 60, hangs: 1_000, ..Dials::calm(true) });
    // The first two keep a refresh waiting; the others come when it was served and goes on behind them.
    let delays_ms = [40_000, 44_000, 124_000, 130_200, 130_210, 130_220, 130_230, 130_240];
    for (client, delay_ms) in delays_ms.into_iter().enumerate() {
        world.after(delay_ms, Event::Connect(client));
    }
    run_for(&mut world, 300_000);
    world.heal();
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}

#[test]
fn mails_beyond_the_bytes_that_may_wait_are_refused() {
    let mut world = connected(Dials { transit_ms_max: 20_000, ..Dials::calm(true) });
    read(&mut world);
    run_for(&mut world, 60_000);
    world.clients.padding = 1024 * 1024;
    for _ in 0..16 {
        mail(&mut world);
    }
    run_for(&mut world, 200);
    // Each holds a little more than a mebibyte: as many as the gate lets out, and what fits into the queue.
    let places = usize::from(MAILBOX_CALLS_MAX) + QUEUED_BYTES_MAX / world.clients.padding;
    assert!((5..=places).contains(&world.open_requests()), "{}", world.open_requests());
    assert_eq!(world.report.violations, NO_VIOLATION);
}

#[test]
fn who_asks_again_after_a_crash_gets_the_outcome_and_not_a_shrug() {
    let mut world = connected(Dials { never_in_sent_items: 1_000, ..Dials::calm(false) });
    world.planned = Some(Planned::Executed(world.call_counter + 1));
    let operation = mail(&mut world);
    run_for(&mut world, 60_000);
    // Sent Items do not tell yet. The client waits for what they will tell and is not sent away before its time.
    assert_eq!(world.report.crashes, 1);
    assert!(!world.clients.operations[operation].is_done);
    let trace = world.trace.clone().unwrap_or_default().join("\n");
    assert!(!trace.contains("could not be found out"), "{trace}");
    world.heal();
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}

#[test]
fn an_equal_call_joins_a_mail_that_was_looked_into_for_long() {
    let mut world = connected(Dials { answer_lost: 1_000, ..Dials::calm(false) });
    let sent = mail(&mut world);
    run_for(&mut world, 5_000);
    assert_eq!(world.microsoft.sent_by_subject.values().sum::<u32>(), 1);
    // Its client has left. The mail is found in Sent Items after eight minutes.
    world.clients.operations[sent].is_done = true;
    run_for(&mut world, 8 * 60_000);
    world.dials = Dials::calm(false);
    run_for(&mut world, 4 * 60_000);
    world.crash();
    let kind = world.clients.operations[sent].kind;
    let again = world.clients.new_operation(0, kind, 1);
    world.after(0, Event::Act(again));
    run_for(&mut world, 10_000);
    assert!(world.clients.operations[again].has_succeeded);
    assert_eq!(world.microsoft.sent_by_subject.values().sum::<u32>(), 1);
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}

#[test]
fn tokens_are_renewed_by_the_alarm_for_a_day_after_the_last_call_and_no_longer() {
    const HOUR_MS: u64 = 3_600_000;
    let mut world = connected(Dials::calm(true));
    read(&mut world);
    run_for(&mut world, 10_000);
    let renewals_of_a_day = |world: &mut World| {
        let before = world.microsoft.refreshes;
        for _ in 0..48 {
            run_for(world, HOUR_MS / 2);
            // An idle object is evicted after seconds.
            world.crash();
        }
        world.microsoft.refreshes - before
    };
    let (first, second, third) =
        (renewals_of_a_day(&mut world), renewals_of_a_day(&mut world), renewals_of_a_day(&mut world));
    println!("renewals on the days after the last call: {first}, {second}, {third}");
    assert!(first >= 20, "{first}");
    assert!(second <= 2 && third == 0, "{second}, {third}");
    assert_eq!(world.report.violations, NO_VIOLATION);
}

#[test]
fn an_hour_with_tokens_that_live_two_minutes_shows_no_client_a_401() {
    const HOUR_MS: u64 = 3_600_000;
    const EVERY_MS: u64 = 5_000;
    let mut world = connected(Dials { token_life_s: 120, crash_after_commit: 2, ..Dials::calm(true) });
    let mut operations = Vec::new();
    for nth in 0..HOUR_MS / EVERY_MS {
        // One call in ten is a mail; all the others read.
        operations.push(if nth % 10 == 0 { mail(&mut world) } else { read(&mut world) });
        run_for(&mut world, EVERY_MS);
    }
    run_for(&mut world, 130_000);
    let succeeded =
        operations.iter().filter(|number| world.clients.operations[**number].has_succeeded).count();
    println!(
        "an hour with two-minute tokens: {} calls, {succeeded} succeeded, {} refreshes, {} crashes; 401s: {} seen by the \
         client, {} met at Graph",
        operations.len(),
        world.microsoft.refreshes,
        world.report.crashes,
        world.clients.unauthorized,
        world.microsoft.unauthorized,
    );
    assert_eq!((succeeded, world.clients.unauthorized), (operations.len(), 0));
    // The alarm renews each token before its end, so that not even Graph sees an old one.
    assert!(world.microsoft.refreshes >= 30 && world.microsoft.unauthorized == 0);
    assert_eq!(finish(world).report.violations, NO_VIOLATION);
}
