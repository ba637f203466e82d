//! Every step of every tool that writes: the object dies once at each of its boundaries, and everything happens twice.
//!
//! What holds here: the world is calm but for the one fault, so that each has one cause; where the object may die is found by
//! dying at ever later places until there are none, and never written down. Whatever happens, a thing happens once at most,
//! and nothing stays open.

use crate::clients::Kind;
use crate::dials::Dials;
use crate::scenarios::{NO_VIOLATION, connected, finish, run_for};
use crate::tools::{ATTACHED, Tool};
use crate::world::{Event, Planned, World};

/// A tool, and whether Microsoft grants what makes looking into it possible.
type Way = (&'static str, Tool, Dials);

fn ways() -> Vec<Way> {
    let reads_chats = Dials { reads_chats: true, ..Dials::calm(true) };
    vec![
        ("sendEmail, draft then send", Tool::Mail, Dials::calm(true)),
        ("sendEmail, attachments onto the draft", Tool::LargeMail, Dials::calm(true)),
        ("sendEmail in one step", Tool::Mail, Dials::calm(false)),
        ("createCalendarEvent", Tool::Event, Dials::calm(true)),
        ("createTeamsMeeting", Tool::Meeting, Dials::calm(true)),
        ("createTeamsMeeting, standalone", Tool::Standalone, Dials::calm(true)),
        ("updateCalendarEvent", Tool::Change, Dials::calm(true)),
        ("sendTeamsMessage", Tool::Message, Dials::calm(true)),
        ("sendTeamsMessage, chats may be read", Tool::Message, reads_chats),
    ]
}

/// The mail did not leave without one of its attachments, or with one of them twice. Whatever else left is the probe at the
/// end of a world.
fn assert_complete(world: &World, tool: Tool) {
    let expected = if tool == Tool::LargeMail { ATTACHED } else { 0 };
    let found = world.microsoft.attached_by_subject.get("CANARY subject 0");
    assert!(found.is_none_or(|found| *found == expected), "{tool:?}: {found:?}");
}

fn begin(world: &mut World, tool: Tool) -> usize {
    let wanted = world.clients.new_write(tool, false, false);
    let operation = world.clients.new_operation(0, Kind::Write(wanted), 6);
    world.after(0, Event::Act(operation));
    operation
}

/// One call of a tool in a world that dies once. `false` when the run has no such place.
fn survives((name, tool, dials): &Way, planned: impl Fn(u64, u64) -> Planned) -> bool {
    let mut world = connected(dials.clone());
    world.planned = Some(planned(world.report.turns, world.call_counter));
    let operation = begin(&mut world, *tool);
    run_for(&mut world, 10_000);
    assert_complete(&world, *tool);
    if world.report.crashes == 0 {
        // The place lies after the end, so this was an ordinary call, and it must have worked.
        assert!(world.clients.operations[operation].has_succeeded, "{name}");
        return false;
    }
    let world = finish(world);
    assert_complete(&world, *tool);
    assert_eq!(world.report.violations, NO_VIOLATION, "{name}: {:?}", planned(0, 0));
    assert!(world.clients.operations[operation].is_done, "{name}: {:?}", planned(0, 0));
    true
}

/// More turns than any call takes.
const TURNS_MAX: u64 = 24;

/// At how many of a run of places the object died, up to the first that a call does not come to.
fn places(found: impl Fn(u64) -> bool) -> u32 {
    (1..).take_while(|nth| found(*nth)).map(|_| 1).sum()
}

#[test]
fn every_step_of_every_write_survives_a_crash() {
    for way in ways() {
        // Not every turn commits something, so that a place where nobody can die is not the last one.
        let turns: Vec<u64> = (1..=TURNS_MAX)
            .filter(|nth| survives(&way, |turns, _| Planned::BeforeCommit(turns + nth)))
            .collect();
        assert!(!turns.contains(&TURNS_MAX), "{}: the call takes more turns", way.0);
        let before = turns.len();
        let after: u32 = turns
            .iter()
            .map(|nth| {
                places(|effects| {
                    let effects = usize::try_from(effects - 1).unwrap_or(0);
                    // A turn has a few effects; beyond them the place is the same.
                    effects <= 4 && survives(&way, |turns, _| Planned::AfterEffects(turns + nth, effects))
                })
            })
            .sum();
        let executed = places(|nth| survives(&way, |_, calls| Planned::Executed(calls + nth)));
        println!(
            "{}: died before {before} commits, at {after} places among effects, after {executed} executed calls; \
             each survived",
            way.0
        );
        assert!(before >= 4 && after as usize >= before && executed >= 1, "{}", way.0);
    }
}

#[test]
fn every_step_of_every_write_taken_twice_has_the_effect_of_one() {
    for (name, tool, dials) in ways() {
        let doubled = Dials { answer_twice: 1_000, duplicates: 1_000, alarm_twice: 1_000, ..dials };
        let mut world = connected(doubled);
        let operation = begin(&mut world, tool);
        run_for(&mut world, 60_000);
        assert!(world.clients.operations[operation].has_succeeded, "{name}");
        assert_complete(&world, tool);
        assert_eq!(world.microsoft.sent_by_subject.values().sum::<u32>(), 1, "{name}");
        assert_eq!(finish(world).report.violations, NO_VIOLATION, "{name}");
    }
}
