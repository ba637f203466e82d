//! What a call costs in rows written, in a world without faults. The alarm counts as a row; pruning does not happen.
//!
//! What holds here: the figures are those that the running cost of the service is computed from. They are measured on
//! the disk of the simulation, which sees every write of a turn.

use crate::clients::Kind;
use crate::dials::Dials;
use crate::tools::Tool;
use crate::world::{Event, World};

/// Long enough for a call, too short for any alarm to ring.
const ONE_CALL_MS: u64 = 5_000;

/// Rows of one call, and rows of the alarm that follows it.
fn rows(two_step: bool, kind: impl Fn(&mut World) -> Kind) -> (u64, u64) {
    let mut world = World::new(1, Dials::calm(two_step), false);
    world.connect_in_peace();
    // The first call opens the session and the second one finds everything warm.
    let mut call = || {
        let before = world.disk.rows_written;
        let kind = kind(&mut world);
        let operation = world.clients.new_operation(0, kind, 1);
        world.after(0, Event::Act(operation));
        let end = world.time + ONE_CALL_MS;
        world.run_until(end);
        assert!(world.clients.operations[operation].has_succeeded);
        let written = world.disk.rows_written - before;
        let settled = world.time + 60_000;
        world.run_until(settled);
        (written, world.disk.rows_written - before - written)
    };
    call();
    let counted = call();
    assert_eq!(world.report.violations, Vec::<String>::new());
    counted
}

fn a_mail(world: &mut World) -> Kind {
    Kind::Write(world.clients.new_write(Tool::Mail, false, false))
}

#[test]
fn a_read_writes_at_most_three_rows() {
    let (written, later) = rows(true, |_| Kind::Read);
    println!("rows of a read: {written}, and {later} when its alarm rings");
    assert!(written <= 3, "{written}");
}

#[test]
fn a_write_in_two_steps_writes_at_most_six_rows() {
    let (written, later) = rows(true, a_mail);
    println!("rows of a write in two steps: {written}, and {later} when its alarm rings");
    assert!(written <= 6, "{written}");
}

#[test]
fn a_write_in_one_step_writes_at_most_four_rows() {
    let (written, later) = rows(false, a_mail);
    println!("rows of a write in one step: {written}, and {later} when its alarm rings");
    assert!(written <= 4, "{written}");
}

#[test]
fn an_idempotency_key_costs_one_row_more() {
    let named = |world: &mut World| Kind::Write(world.clients.new_write(Tool::Mail, false, true));
    let ((plain, _), (with_key, _)) = (rows(true, a_mail), rows(true, named));
    assert_eq!(with_key, plain + 1);
}
