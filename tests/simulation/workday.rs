//! What a workday costs in rows, alarms and reports, in a world without faults whose object leaves memory after ten idle
//! seconds, as on the platform.
//!
//! What holds here: the figures are those that the running cost of the service is computed from; the day is that of
//! `tests/bench/cost/habits.mjs`: forty calls, twelve minutes apart, with tokens that last eighty minutes.

use std::collections::BTreeMap;

use crate::clients::Kind;
use crate::dials::Dials;
use crate::tools::Tool;
use crate::world::{Event, World};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// An object leaves memory when nothing happened for so long.
const IDLE_MS: u64 = 10_000;

/// Lets time pass for an object that does not stay in memory.
fn pass(world: &mut World, ms: u64) {
    let end = world.time + ms;
    while world.time < end {
        let next = end.min(world.time + IDLE_MS);
        world.run_until(next);
        world.evict();
    }
}

/// A world whose person signed in and whose tokens live so long.
fn world_of_tokens(token_life_s: u64) -> World {
    let mut world = World::new(1, Dials { token_life_s, ..Dials::calm(true) }, false);
    world.connect_in_peace();
    pass(&mut world, 12 * MINUTE_MS);
    world
}

/// Calls that are twelve minutes apart, every fourth of them a mail.
fn calls(world: &mut World, count: usize) {
    for number in 0..count {
        let is_write = number % 4 == 3;
        let kind = if is_write {
            Kind::Write(world.clients.new_write(Tool::Mail, false, false))
        } else {
            Kind::Read
        };
        let operation = world.clients.new_operation(0, kind, 1);
        world.after(0, Event::Act(operation));
        pass(world, 12 * MINUTE_MS);
        assert!(world.clients.operations[operation].has_succeeded);
    }
}

/// What happened from one moment to another.
#[derive(Debug)]
struct Counts {
    rings: u64,
    reports: usize,
    rows: BTreeMap<&'static str, u64>,
}

fn counted(world: &mut World, work: impl FnOnce(&mut World)) -> Counts {
    let (rings, reports) = (world.report.rings, world.told.len());
    let before = world.disk.written_by_table.clone();
    work(world);
    assert_eq!(world.report.violations, Vec::<String>::new());
    let since = |(name, rows): (&&'static str, &u64)| (*name, rows - before.get(name).unwrap_or(&0));
    Counts {
        rings: world.report.rings - rings,
        reports: world.told.len() - reports,
        rows: world.disk.written_by_table.iter().map(since).collect(),
    }
}

/// The counts that the directory was told last, and those of the ledger.
fn told_and_true(world: &World) -> (u64, u64) {
    let settled = world.watch.durable.values().filter(|entry| entry.state.is_final()).count();
    (world.told.last().map_or(0, |report| report.tally.settled), settled as u64)
}

#[test]
fn a_workday_of_an_object_that_does_not_stay_in_memory() {
    let mut world = world_of_tokens(4_799);
    calls(&mut world, 40);
    pass(&mut world, 16 * HOUR_MS);
    // A day that follows another one.
    let day = counted(&mut world, |world| calls(world, 40));
    println!("eight hours of work: {day:?}");
    // One for each call when its time is over, and two for each renewal of the tokens.
    assert!(day.rings <= 40 + 2 * 8, "{day:?}");
    assert!(day.reports <= 9, "{day:?}");
    // A report writes the object's own row, and hardly anything else does.
    assert!(day.rows["meta"] <= day.reports as u64 + 1, "{day:?}");
    // Each alarm that rang is followed by another one, each call sets one that is earlier, and coming back sets none.
    assert!(day.rows["alarm"] <= day.rings + 40 + 8, "{day:?}");
    let night = counted(&mut world, |world| pass(world, 16 * HOUR_MS));
    println!("sixteen hours without use: {night:?}");
    assert!(night.rings <= 2 * 16 && night.reports <= 5, "{night:?}");
    let (told, _) = told_and_true(&world);
    // A day later nothing is renewed any more, everything is told, and nothing rings for it again.
    pass(&mut world, 32 * HOUR_MS);
    let (told_at_last, settled) = told_and_true(&world);
    assert!(told < told_at_last && told_at_last == settled, "{told} {told_at_last} {settled}");
    let silence = counted(&mut world, |world| pass(world, 20 * HOUR_MS));
    assert!(silence.reports <= 1 && silence.rings <= 1, "{silence:?}");
}

#[test]
fn the_last_counts_of_a_day_arrive_although_nothing_else_is_due() {
    // Tokens of accounts that are evaluated continuously live for a day and more.
    let mut world = world_of_tokens(28 * 60 * 60);
    calls(&mut world, 4);
    let (told, settled) = told_and_true(&world);
    assert!(told < settled);
    let evening = counted(&mut world, |world| pass(world, 3 * HOUR_MS));
    println!("three hours after the last call: {evening:?}");
    let (told, settled) = told_and_true(&world);
    assert_eq!(told, settled);
    // What the last call left to be done rings too.
    assert!(evening.reports <= 2 && evening.rings <= 3, "{evening:?}");
}
