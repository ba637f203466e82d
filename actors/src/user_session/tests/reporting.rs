//! What the directory is told, when, and what an object still knows of it that lost its memory in between.

use protocol::limits::{
    COUNTS_EVERY, COUNTS_EVERY_UNUSED, COUNTS_WAIT, FAILING_FROM, REPORT_EVERY, SILENT_FOR_AT_MOST,
};
use protocol::operator::Action;
use protocol::operator::view::Standing;

use super::operating::CALENDAR;
use super::*;

const MINUTE: u64 = 60;

impl Object {
    /// A connected object that has one call behind it and has told everything.
    fn in_use() -> Self {
        let mut object = Self::with(Some(CALENDAR));
        object.read(0);
        // What it stores is found to be under the newest key, which is told a minute later.
        for _ in 0..3 {
            object.wait(61);
        }
        let first = object.reports.len();
        object.now = object.now.plus(COUNTS_EVERY_UNUSED);
        object.rings();
        assert_eq!((object.reports.len(), object.report_due()), (first + 1, None));
        object.reports.clear();
        object
    }

    /// When the object wants to be woken for a report.
    fn report_due(&self) -> Option<UnixMs> {
        self.core.timers.all().into_iter().find(|(timer, _)| *timer == Timer::Report).map(|(_, due)| due)
    }

    /// Time passes, in which the object loses its memory and nothing rings.
    fn sleep(&mut self, seconds: u64) {
        self.now = self.now.plus(DurationMs::from_secs(seconds));
        self.recovered();
    }

    /// The alarm rings, and if tokens are to be renewed they are.
    fn rings(&mut self) {
        let before = self.forms.len();
        self.turn(Input::Alarm);
        let Some((op, _)) = self.forms.get(before) else { return };
        let op = *op;
        let body = json!({"token_type": "Bearer", "expires_in": 3_600, "access_token": "a", "refresh_token": "r",
            "scope": CALENDAR.join(" ")});
        let answer = Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() };
        self.turn(Input::CallDone { op, result: CallResult::Answered(answer) });
    }

    fn settled(&self) -> Vec<u64> {
        self.reports.iter().map(|report| report.tally.settled).collect()
    }
}

#[test]
fn what_merely_counts_is_told_by_an_alarm_once_an_hour() {
    let mut object = Object::in_use();
    let begun = object.now;
    for id in 1..=3 {
        object.read(id);
    }
    // If nothing else rings, an alarm of its own comes for it.
    assert_eq!(object.report_due(), Some(begun.plus(COUNTS_EVERY).plus(COUNTS_WAIT)));
    object.now = begun.plus(COUNTS_EVERY).minus(DurationMs(1));
    object.rings();
    assert_eq!(object.reports.len(), 0);
    object.now = object.now.plus(DurationMs(1));
    object.rings();
    let report = object.reports.last().unwrap();
    // Two renewals of tokens were settled too.
    assert_eq!((object.reports.len(), report.tally.settled, report.sessions, report.grants), (1, 6, 1, 1));
    assert_eq!((report.standing, report.is_paused), (Standing::Connected, false));
    assert!(report.next_alarm_at_ms.is_some_and(|at| at > object.now));
    assert_eq!(object.report_due(), None);
}

#[test]
fn an_object_that_comes_back_for_each_call_tells_its_counts_once_an_hour_all_the_same() {
    let mut object = Object::in_use();
    let mut told_at = vec![object.now];
    for id in 1..=60 {
        object.sleep(3 * MINUTE);
        object.read(id);
        object.sleep(MINUTE);
        let before = object.reports.len();
        object.rings();
        told_at.extend((object.reports.len() > before).then_some(object.now));
    }
    // Four hours, and one report in each of them.
    assert_eq!((told_at.len(), object.reports.len()), (5, 4), "{told_at:?}");
    for pair in told_at.windows(2) {
        assert_eq!(pair[1].since(pair[0]), COUNTS_EVERY);
    }
    assert!(object.settled().is_sorted());
}

#[test]
fn the_last_counts_arrive_by_one_alarm_although_the_object_forgot_that_it_had_any() {
    let mut object = Object::in_use();
    let (begun, settled) = (object.now, object.core.ledger.head().sequence);
    for id in 1..=3 {
        object.sleep(MINUTE);
        object.read(id);
    }
    object.recovered();
    object.act(Action::DropSessions);
    // Whenever it comes back it knows what it has still to say.
    let due = begun.plus(COUNTS_EVERY).plus(COUNTS_WAIT);
    assert_eq!((object.reports.len(), object.report_due()), (0, Some(due)));
    object.now = due;
    object.recovered();
    object.rings();
    assert!(object.reports.len() == 1 && object.settled() >= vec![settled + 3]);
}

#[test]
fn a_pause_is_told_within_a_minute_although_memory_was_lost() {
    let mut object = Object::in_use();
    let begun = object.now;
    object.sleep(20);
    object.act(Action::Pause);
    assert_eq!((object.reports.len(), object.report_due()), (0, Some(begun.plus(REPORT_EVERY))));
    object.sleep(40);
    object.turn(Input::Alarm);
    assert!(object.reports.len() == 1 && object.reports[0].is_paused);
    // It is told once.
    object.sleep(10 * MINUTE);
    object.turn(Input::Alarm);
    assert_eq!(object.reports.len(), 1);
    // A minute after the last report a change leaves with its own turn.
    object.act(Action::Resume);
    assert!(object.reports.len() == 2 && !object.reports[1].is_paused);
}

#[test]
fn calls_that_fail_one_after_the_other_are_told_within_a_minute() {
    let mut object = Object::in_use();
    let before = object.core.ledger.head().tally();
    object.sleep(2 * MINUTE);
    for id in 1..=FAILING_FROM {
        assert_eq!(object.reports.len(), 0);
        object.call(id, "getCalendarEvents", json!({"timeZone": "UTC"}));
        object.answers(404, &json!({"error": {"code": "ErrorItemNotFound", "message": "x"}}));
        object.sleep(2);
    }
    assert_eq!(object.reports.len(), 1);
    let tally = object.reports[0].tally;
    assert_eq!((tally.settled, tally.failed), (before.settled + FAILING_FROM, before.failed + FAILING_FROM));
}

#[test]
fn a_request_that_was_told_to_be_open_is_told_to_be_over() {
    let mut object = Object::in_use();
    object.sleep(2 * MINUTE);
    object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    object.act(Action::Pause);
    assert!(object.reports[0].oldest_open_at_ms.is_some());
    object.answers(200, &json!({"value": []}));
    assert_eq!(object.report_due(), Some(object.now.plus(REPORT_EVERY)));
    object.sleep(MINUTE);
    object.turn(Input::Alarm);
    assert_eq!((object.reports.len(), object.reports[1].oldest_open_at_ms), (2, None));
}

#[test]
fn while_nobody_asks_for_anything_renewals_carry_a_report_every_few_hours() {
    let mut object = Object::in_use();
    let (mut told_at, forms) = (vec![object.now], object.forms.len());
    for _ in 0..15 {
        object.sleep(50 * MINUTE);
        let before = object.reports.len();
        object.rings();
        told_at.extend((object.reports.len() > before).then_some(object.now));
    }
    assert_eq!((object.forms.len() - forms, told_at.len()), (15, 4), "{told_at:?}");
    for pair in told_at.windows(2) {
        let apart = pair[1].since(pair[0]);
        assert!(apart >= COUNTS_EVERY_UNUSED && apart <= SILENT_FOR_AT_MOST, "{told_at:?}");
    }
    assert!(object.reports.iter().all(|report| report.oldest_open_at_ms.is_none()));
}

#[test]
fn what_was_told_lies_in_the_objects_row_and_a_row_without_it_tells_everything_anew() {
    let mut object = Object::in_use();
    let meta: Meta = Txn::new(&object.rows).get(META_KEY).unwrap().unwrap();
    assert!(meta.told.is_some() && meta.told == object.core.told);
    let mut txn = Txn::new(&object.rows);
    txn.put(META_KEY, &Meta { told: None, ..meta }).unwrap();
    let (writes, _) = txn.finish();
    object.rows.apply(&writes);
    object.sleep(1);
    object.read(1);
    assert_eq!(object.reports.len(), 1);
}

#[test]
fn somebody_new_and_whoever_could_not_be_read_is_told_once_the_first_request_is_settled() {
    let mut object = Object::with(Some(CALENDAR));
    object.core.tell_anew();
    object.reports.clear();
    object.call(1, "getCalendarEvents", json!({"timeZone": "UTC"}));
    assert_eq!(object.reports.len(), 0);
    object.answers(200, &json!({"value": []}));
    assert_eq!((object.reports.len(), object.reports[0].oldest_open_at_ms), (1, None));
}
