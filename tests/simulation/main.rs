//! A deterministic simulation of one person's object among crashes, a lossy network and a moody Microsoft.
//!
//! What holds here: `cargo test` runs a sweep of seeds and every hand-written timeline; `SEED=n` replays one seed and
//! writes its log as text; `SEEDS=n` runs as many as asked; `PLANT=name` plants one known bug. The product's code is driven
//! through its public turn.

// A simulation that cannot go on has to stop with the seed that it failed on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod clients;
mod collaboration;
mod dials;
mod disk;
mod event_log;
mod exhaustive;
mod invariants;
mod microsoft;
mod network;
mod object;
mod operators;
mod random;
mod rows;
mod scenarios;
mod tools;
mod wire;
mod workday;
mod world;

use dials::{Dials, Planted};
use event_log::Record;
use random::Random;
use world::World;

/// Seeds that found a fault once.
const REGRESSIONS: [u64; 8] = [2, 7, 10, 13, 26, 210, 704, 1_030];

/// Seeds of one ordinary run.
const SEEDS: u64 = 3_000;

/// Seeds within which each planted bug has to be seen.
const PLANTED_SEEDS: u64 = 1_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Replays a seed with its log and fails with both.
fn explain(seed: u64, planted: Planted) -> ! {
    let world = World::run_seed(seed, planted, true);
    let path = format!("{}/simulation-{seed}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(format!("{path}.log"), world.trace.unwrap_or_default().join("\n")).unwrap();
    std::fs::write(format!("{path}.events"), event_log::written(&world.events.unwrap_or_default())).unwrap();
    panic!(
        "seed {seed}: {:#?}\n{:?}\nwhat happened is told in {path}.log; the object alone goes through it again with\n\
         REPLAY={path}.events cargo test --test simulation replay -- --nocapture",
        world.report.violations, world.dials
    );
}

#[test]
fn seeds() {
    if let Some(seed) = number("SEED") {
        let world = World::run_seed(seed, Planted::Nothing, true);
        println!("{}", world.trace.unwrap_or_default().join("\n"));
        assert_eq!(world.report.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let seeds = number("SEEDS").unwrap_or(SEEDS);
    let sweep = |first: u64| {
        let (mut turns, mut crashes) = (0, 0);
        let mine = (first..seeds).step_by(2);
        for seed in REGRESSIONS.into_iter().filter(|_| first == 0).chain(mine) {
            let world = World::run_seed(seed, Planted::Nothing, false);
            if !world.report.violations.is_empty() {
                explain(seed, Planted::Nothing);
            }
            turns += world.report.turns;
            crashes += world.report.crashes;
        }
        (turns, crashes)
    };
    // Worlds share nothing, so both halves run at once.
    let (even, odd) = std::thread::scope(|scope| {
        let even = scope.spawn(|| sweep(0));
        let odd = sweep(1);
        (even.join().unwrap(), odd)
    });
    let (turns, crashes): (u64, u64) = (even.0 + odd.0, even.1 + odd.1);
    println!("simulation: {seeds} seeds, {turns} turns, {crashes} crashes, 0 violations");
}

/// The first seed below [`PLANTED_SEEDS`] in which a planted bug is seen.
fn caught(planted: Planted) -> Option<(u64, String)> {
    (0..PLANTED_SEEDS).find_map(|seed| {
        let world = World::run_seed(seed, planted, false);
        world.report.violations.first().map(|violation| (seed, violation.clone()))
    })
}

#[test]
fn planted_bugs_are_caught() {
    let wanted = std::env::var("PLANT").ok();
    let mut looked_for = 0;
    for (name, planted) in Planted::ALL {
        if wanted.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        looked_for += 1;
        match caught(planted) {
            Some((seed, violation)) => println!("planted {name}: caught by seed {seed}: {violation}"),
            None => panic!("planted {name}: not caught by {PLANTED_SEEDS} seeds"),
        }
    }
    assert!(looked_for > 0, "no bug has this name; there are: {:?}", Planted::ALL.map(|(name, _)| name));
}

#[test]
fn an_event_log_replays_to_the_same_rows_and_effects() {
    if let Ok(path) = std::env::var("REPLAY") {
        let records = event_log::read(&std::fs::read(path).unwrap());
        let turns = event_log::replay(records, |turn, what| println!("turn {turn}: {what}"));
        return assert!(turns.is_ok(), "{turns:?}");
    }
    let (mut logs, mut turns) = (0, 0);
    for seed in 0..40 {
        let world = World::run_seed(seed, Planted::Nothing, true);
        let mut records = event_log::read(&event_log::written(&world.events.unwrap()));
        match event_log::replay(records.clone(), |_, _| {}) {
            Ok(replayed) => turns += replayed,
            Err(why) => panic!("seed {seed}: {why}"),
        }
        logs += 1;
        // Without its first turn it is another story.
        let first = records.iter().position(|record| matches!(record, Record::Turn { .. })).unwrap();
        records.remove(first);
        assert!(event_log::replay(records, |_, _| {}).is_err(), "seed {seed}");
    }
    println!("{logs} event logs replayed, {turns} turns, each as before");
}

#[test]
fn answers_that_come_twice_are_harmless() {
    for seed in 10_000..10_060 {
        let mut dials = Dials::draw(&mut Random::new(seed), Planted::Nothing);
        dials.answer_twice = 1_000;
        let world = World::run_with(seed, dials, false);
        assert_eq!(world.report.violations, Vec::<String>::new(), "seed {seed}");
    }
}
