//! The driver of the one object: turns, group commit, crashes, recoveries in place and the alarm.
//!
//! What holds here: an effect leaves only after its turn is durable; a crash keeps a prefix of the staged turns and may
//! fall between two effects of a turn; the alarm is deleted only after the turn that it rang for, and only if that turn
//! set no other. The planted bugs live here and in no product code.

use actors::turn::{self, Effect, Entropy, Fault, Input, Turn};
use actors::user_session::UserSession;
use protocol::outbound::Method;
use protocol::time::UnixMs;

use crate::dials::Planted;
use crate::disk::Capture;
use crate::event_log::{Logged, Record, digest};
use crate::world::{Event, Planned, World};

impl World {
    /// Feeds the object with one input. A new core of the same life is first told of the streams that are open.
    pub(crate) fn turn(&mut self, input: Input) {
        let streams = if self.core.is_some() { Vec::new() } else { self.open_streams() };
        for (to, request) in streams {
            if !matches!(&input, Input::Request { to: new, .. } if *new == to) {
                self.turn_of_one(Input::Request { to, request });
            }
        }
        self.turn_of_one(input);
    }

    fn turn_of_one(&mut self, input: Input) {
        let rung = match input {
            Input::Alarm => self.disk.view.alarm,
            _ => None,
        };
        self.report.turns += 1;
        let now = self.wall();
        let recovered = match self.core.take() {
            Some(core) => Ok(core),
            None => {
                let armed = self.disk.view.alarm.filter(|_| rung.is_none());
                self.record(|| Record::Recovered { now, armed });
                UserSession::recover(self.config.clone(), &self.disk.view.rows, now)
                    .map(|core| core.with_alarm(armed))
            }
        };
        let mut core = match recovered {
            Ok(core) => core,
            Err(fault) => return self.violation(format!("recovery failed: {fault}")),
        };
        let seed = self.random.bytes();
        let turn = Turn { now, entropy: Entropy::new(seed) };
        let logged = self.events.is_some().then(|| Logged::of(&input));
        let is_planned = self.planned == Some(Planned::BeforeCommit(self.report.turns));
        let dies = is_planned || self.random.chance(self.dials.crash_before_commit);
        let mut capture = Capture { dies, ..Capture::default() };
        let ended = turn::run(&mut core, &self.disk.view.rows, &mut capture, turn, input);
        if let Some(input) = logged {
            let digest = ended.as_ref().ok().map(|effects| digest(&capture.writes, effects));
            self.record(|| Record::Turn { now, seed, input, digest });
        }
        match ended {
            Ok(effects) => {
                self.watch.check_load(core.load(), &mut self.report.violations);
                self.core = Some(core);
                self.stage(capture, effects, rung);
                self.perhaps_end_this_core();
            }
            Err(Fault::Storage) if dies => self.crash(),
            Err(fault) => self.violation(format!("a step faulted: {fault}")),
        }
    }

    fn perhaps_end_this_core(&mut self) {
        if self.random.chance(self.dials.crash_after_commit) {
            self.crash();
        } else if self.random.chance(self.dials.recover_in_place) {
            self.recover_in_place();
        } else if self.random.chance(self.dials.recover_in_place) {
            self.evict();
        } else if self.random.chance(60) {
            self.check_that_recovery_is_legal();
        }
    }

    fn stage(&mut self, capture: Capture, effects: Vec<Effect>, rung: Option<UnixMs>) {
        let writes = capture.writes;
        self.watch.turn_ended(&writes, &self.microsoft, &self.config, &mut self.report.violations);
        let has_rung = rung.is_some() && rung == self.disk.view.alarm;
        let (mut alarm, mut alarm_as_effect) = (writes.alarm.map(Some), None);
        if self.dials.planted == Planted::AlarmOutsideCommit {
            (alarm, alarm_as_effect) = (None, writes.alarm);
        }
        if alarm.is_none() && has_rung {
            alarm = Some(None);
        }
        let changes_nothing = writes.is_empty() && alarm.is_none();
        let number = if self.dials.planted == Planted::EffectsBeforeCommit {
            let number = self.disk.stage(self.core_number, writes, (alarm, alarm_as_effect), Vec::new());
            for effect in effects {
                self.release(effect, self.core_number);
            }
            number
        } else {
            self.disk.stage(self.core_number, writes, (alarm, alarm_as_effect), effects)
        };
        if let Some(Planned::AfterEffects(turn, effects)) = self.planned
            && turn == self.report.turns
        {
            self.planned = None;
            return self.crash_keeping(self.disk.staged.len(), effects);
        }
        let is_alone = self.disk.staged.len() == 1;
        let delay = self.random.between(0, self.dials.commit_ms_max);
        if delay == 0 || (changes_nothing && is_alone) {
            self.make_durable(number);
        } else {
            self.after(delay, Event::Durable(number));
        }
    }

    /// Staged turns up to `number` survive from now on, and their effects leave.
    pub(crate) fn make_durable(&mut self, number: u64) {
        while self.disk.staged.front().is_some_and(|staged| staged.number <= number) {
            self.harden_one(usize::MAX);
        }
        self.check_alarm();
    }

    /// Makes one staged turn durable and lets at most `effects_max` of its effects out.
    fn harden_one(&mut self, effects_max: usize) {
        let Some(staged) = self.disk.harden() else { return };
        self.watch.hardened(&staged);
        let is_whole = effects_max > staged.effects.len();
        for effect in staged.effects.into_iter().take(effects_max) {
            self.release(effect, staged.core_number);
        }
        if let Some(at) = staged.alarm_as_effect.filter(|_| is_whole) {
            self.disk.alarm_as_effect(at);
        }
    }

    fn release(&mut self, effect: Effect, core_number: u64) {
        match effect {
            Effect::Reply { to, reply } => self.reply(to, reply),
            Effect::Send { op, outbound } => self.depart(op, &outbound, core_number),
            Effect::Report(told) => self.told.push(*told),
            Effect::Push { .. } | Effect::Close { .. } | Effect::Erase => {}
            Effect::Log(line) => {
                self.watch.check_log(&line.to_json(), &mut self.report.violations);
                self.heed(&line);
            }
        }
    }

    /// The process dies somewhere among the turns that are not durable.
    pub(crate) fn crash(&mut self) {
        let survive = usize::try_from(self.random.below(self.disk.staged.len() as u64 + 1)).unwrap_or(0);
        let effects = match survive.checked_sub(1).and_then(|last| self.disk.staged.get(last)) {
            Some(last) => self.random.below(last.effects.len() as u64 + 1),
            None => 0,
        };
        self.crash_keeping(survive, usize::try_from(effects).unwrap_or(0));
    }

    /// The process dies: memory, connections and whatever is not durable are gone. So many staged turns survive, and so
    /// many effects of the last of them left.
    fn crash_keeping(&mut self, survive: usize, effects_of_last: usize) {
        self.report.crashes += 1;
        self.note(|| "crash".to_owned());
        for nth in 1..=survive {
            self.harden_one(if nth == survive { effects_of_last } else { usize::MAX });
        }
        self.disk.lose_staged();
        let kept = self.disk.turns_kept();
        self.record(|| Record::Died { kept });
        self.watch.crashed();
        self.core = None;
        self.calls_in_vain = 0;
        self.life += 1;
        self.core_number += 1;
        self.rings = None;
        self.all_connections_break();
        if self.dials.planted == Planted::ResendsAfterRecovery {
            self.resend_what_was_in_flight();
        }
        self.check_alarm();
    }

    /// The core is thrown away and rebuilt, as after a fault: calls in flight still come back, those who waited are
    /// told that they have to ask again.
    pub(crate) fn recover_in_place(&mut self) {
        self.note(|| "recovered in place".to_owned());
        self.core = None;
        self.calls_in_vain = 0;
        self.core_number += 1;
        self.all_connections_break();
    }

    /// The object is evicted while nothing is in flight: its memory is gone, its streams stay.
    pub(crate) fn evict(&mut self) {
        let is_idle = self.core.as_ref().is_some_and(|core| {
            let load = core.load();
            load.in_flight == 0 && load.streamed == 0
        });
        if is_idle && self.disk.staged.is_empty() && !self.awaits_a_plain_answer() {
            self.note(|| "evicted".to_owned());
            self.core = None;
            self.core_number += 1;
        }
    }

    /// Recovers a second core from the same rows and lets it take an alarm, on the side. It must not fault, and it must
    /// not send anything that could have an effect: all that it may do with a write is to look.
    fn check_that_recovery_is_legal(&mut self) {
        let now = self.wall();
        let rows = self.disk.view.rows.clone();
        let outcome = UserSession::recover(self.config.clone(), &rows, now).and_then(|mut core| {
            let turn = Turn { now, entropy: Entropy::new([7; 32]) };
            turn::run(&mut core, &rows, &mut Capture::default(), turn, Input::Alarm)
        });
        match outcome {
            Ok(effects) => {
                let writes = effects.iter().any(|effect| match effect {
                    Effect::Send { outbound: turn::Outbound::Graph { call, .. }, .. } => {
                        call.method != Method::Get
                    }
                    _ => false,
                });
                if writes {
                    self.violation("a recovered core sends a write by itself".to_owned());
                }
            }
            Err(fault) => self.violation(format!("a recovery on the side faulted: {fault}")),
        }
    }

    /// When the alarm rings. It rings only once its time is durable and not about to change.
    pub(crate) fn next_ring(&mut self) -> Option<u64> {
        let due = self.disk.durable.alarm.filter(|at| self.disk.view.alarm == Some(*at))?;
        if let Some((decided, at)) = self.rings
            && decided == due
        {
            return Some(at.max(self.time));
        }
        let early = self.wall().0;
        let wait = due.0.saturating_sub(early);
        let late = if self.random.chance(self.dials.alarm_late) { self.random.between(1, 60_000) } else { 0 };
        let at = self.time + wait + late;
        self.rings = Some((due, at));
        Some(at)
    }

    pub(crate) fn ring(&mut self) {
        self.rings = None;
        if self.random.chance(self.dials.alarm_lost) {
            self.note(|| "the alarm is lost".to_owned());
            self.disk.drop_alarm();
            self.watch.alarm_lost(self.disk.staged.back().map(|staged| staged.number));
            return;
        }
        self.note(|| "the alarm rings".to_owned());
        self.report.rings += 1;
        if self.random.chance(self.dials.alarm_twice) {
            let again = self.random.below(2_000);
            self.after(again, Event::SpuriousAlarm);
        }
        self.turn(Input::Alarm);
    }

    pub(crate) fn spurious_alarm(&mut self) {
        self.note(|| "the alarm rings without being due".to_owned());
        self.turn(Input::Alarm);
    }
}
