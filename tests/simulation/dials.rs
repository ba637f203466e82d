//! The dials of one world: which faults it has and how often, all drawn from the seed.
//!
//! What holds here: every probability is in permille and zero switches a fault off; each fault is off in about half of
//! the worlds, so that faults are also met alone. A failing seed prints its dials. Dials never change during a run,
//! except that the liveness phase switches all faults off.

use actors::planted::Bug;

use crate::random::Random;

/// A bug that is planted, to show that the simulation sees it: in the driver, which stands for the shell, or in the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    Nothing,
    /// Effects leave when a turn ends and not when it is durable.
    EffectsBeforeCommit,
    /// The alarm is set as the last effect and not as a part of the commit.
    AlarmOutsideCommit,
    /// After a crash the driver sends again what was in flight.
    ResendsAfterRecovery,
    /// One of the product's own.
    Product(Bug),
}

impl Planted {
    /// Every bug, by the name that `PLANT` takes.
    pub(crate) const ALL: [(&'static str, Self); 8] = [
        ("effects-before-commit", Self::EffectsBeforeCommit),
        ("alarm-outside-commit", Self::AlarmOutsideCommit),
        ("resend-after-recovery", Self::ResendsAfterRecovery),
        ("no-ledger-check", Self::Product(Bug::NoLedgerCheck)),
        ("stale-refresh", Self::Product(Bug::StaleRefreshOverwrites)),
        ("double-release", Self::Product(Bug::DoubleRelease)),
        ("blind-repeat", Self::Product(Bug::BlindRepeat)),
        ("chain-forgotten", Self::Product(Bug::ChainForgotten)),
    ];

    pub(crate) const fn in_product(self) -> Option<Bug> {
        match self {
            Self::Product(bug) => Some(bug),
            Self::Nothing
            | Self::EffectsBeforeCommit
            | Self::AlarmOutsideCommit
            | Self::ResendsAfterRecovery => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Dials {
    pub planted: Planted,
    /// Whether Microsoft grants `Mail.ReadWrite`, so that a mail is first a draft.
    pub two_step: bool,
    /// Whether messages in chats may be read, so that a lost one can be looked for.
    pub reads_chats: bool,
    pub clients: u64,
    /// Things that clients want to happen.
    pub writes: u64,
    pub reads: u64,
    /// The time within which the clients begin their requests.
    pub active_ms: u64,
    pub token_life_s: u64,
    /// Whether the object begins with rows that version 1 of the schema left.
    pub old_rows: bool,
    // The operators.
    /// Whether the encryption key is rotated, and the old key removed once everything is sealed under the new one.
    pub rotates: bool,
    // The object and its platform.
    pub commit_ms_max: u64,
    pub crash_before_commit: u64,
    pub crash_after_commit: u64,
    pub recover_in_place: u64,
    pub alarm_late: u64,
    pub alarm_early: u64,
    pub alarm_twice: u64,
    pub alarm_lost: u64,
    pub clock_steps: u64,
    // The network.
    pub transit_ms_max: u64,
    pub request_lost: u64,
    pub broken_early: u64,
    pub answer_lost: u64,
    pub answer_silent: u64,
    pub answer_twice: u64,
    pub call_done_dropped: u64,
    // Microsoft and the gateway.
    pub throttled: u64,
    pub outage_before: u64,
    pub outage_after: u64,
    /// Outages that meet writes alone, while looks are answered.
    pub writes_refused: u64,
    pub gateway_refuses: u64,
    /// For how long the gateway cannot be reached, once in a world.
    pub gateway_down_ms: u64,
    pub answer_blocked: u64,
    pub hangs: u64,
    pub token_revoked: u64,
    pub never_in_sent_items: u64,
    pub entra_outage: u64,
    pub entra_invalid_grant: u64,
    pub entra_invalid_client: u64,
    /// Refusals of a refresh that only a sign-in with the demanded claims mends.
    pub entra_step_up: u64,
    // The clients.
    pub reply_lost: u64,
    pub disconnects: u64,
    pub unconfirmed: u64,
    pub same_id: u64,
    pub with_key: u64,
    pub twins: u64,
    pub cancels: u64,
    pub duplicates: u64,
    pub deliberate: u64,
    pub reconnects: u64,
}

impl Dials {
    /// A world without a fault: one client, quick answers, long tokens.
    pub(crate) const fn calm(two_step: bool) -> Self {
        Self {
            planted: Planted::Nothing,
            two_step,
            reads_chats: false,
            clients: 1,
            writes: 0,
            reads: 0,
            active_ms: 1_000,
            token_life_s: 3_600,
            old_rows: false,
            rotates: false,
            commit_ms_max: 0,
            crash_before_commit: 0,
            crash_after_commit: 0,
            recover_in_place: 0,
            alarm_late: 0,
            alarm_early: 0,
            alarm_twice: 0,
            alarm_lost: 0,
            clock_steps: 0,
            transit_ms_max: 50,
            request_lost: 0,
            broken_early: 0,
            answer_lost: 0,
            answer_silent: 0,
            answer_twice: 0,
            call_done_dropped: 0,
            throttled: 0,
            outage_before: 0,
            outage_after: 0,
            writes_refused: 0,
            gateway_refuses: 0,
            gateway_down_ms: 0,
            answer_blocked: 0,
            hangs: 0,
            token_revoked: 0,
            never_in_sent_items: 0,
            entra_outage: 0,
            entra_invalid_grant: 0,
            entra_invalid_client: 0,
            entra_step_up: 0,
            reply_lost: 0,
            disconnects: 0,
            unconfirmed: 0,
            same_id: 0,
            with_key: 0,
            twins: 0,
            cancels: 0,
            duplicates: 0,
            deliberate: 0,
            reconnects: 0,
        }
    }

    /// The dials of a seed.
    pub(crate) fn draw(random: &mut Random, planted: Planted) -> Self {
        let mut fault = |max: u64| if random.chance(500) { random.between(1, max) } else { 0 };
        let mut dials = Self {
            planted,
            crash_before_commit: fault(40),
            crash_after_commit: fault(80),
            recover_in_place: fault(60),
            alarm_late: fault(500),
            alarm_early: fault(30),
            alarm_twice: fault(300),
            alarm_lost: fault(300),
            clock_steps: fault(8),
            request_lost: fault(150),
            broken_early: fault(150),
            answer_lost: fault(250),
            answer_silent: fault(120),
            answer_twice: fault(500),
            call_done_dropped: fault(80),
            throttled: fault(300),
            outage_before: fault(250),
            outage_after: fault(200),
            writes_refused: fault(150),
            gateway_refuses: fault(80),
            answer_blocked: fault(80),
            hangs: fault(100),
            token_revoked: fault(60),
            never_in_sent_items: fault(500),
            entra_outage: fault(400),
            entra_invalid_grant: fault(40),
            entra_invalid_client: fault(60),
            reply_lost: fault(200),
            disconnects: fault(300),
            unconfirmed: fault(400),
            same_id: fault(800),
            with_key: fault(800),
            twins: fault(300),
            cancels: fault(200),
            duplicates: fault(200),
            deliberate: fault(500),
            reconnects: fault(25),
            ..Self::calm(true)
        };
        dials.two_step = random.chance(600);
        dials.clients = random.between(1, 3);
        dials.reads_chats = random.chance(500);
        dials.writes = random.between(1, 4);
        dials.reads = random.between(0, 6);
        dials.active_ms = random.between(1, 300) * 1_000;
        dials.token_life_s = if random.chance(400) { random.between(10, 300) } else { 3_600 };
        dials.commit_ms_max = if random.chance(700) { random.between(1, 400) } else { 0 };
        dials.transit_ms_max = if random.chance(300) { random.between(100, 20_000) } else { 200 };
        dials.gateway_down_ms = if random.chance(300) { random.between(5, 240) * 1_000 } else { 0 };
        dials.old_rows = random.chance(300);
        dials.rotates = random.chance(300);
        if dials.clock_steps > 0 {
            // An alarm that is lost while the clock steps behind it looks like one that is still to ring. Nothing
            // short of setting it anew with each request would help, which costs a row for each request.
            dials.alarm_lost = 0;
        }
        if random.chance(60) {
            dials.crowd(random);
        }
        if random.chance(200) {
            dials.entra_step_up = random.between(1, 400);
        }
        dials
    }

    /// Many calls at once show the bounds of the gates and of the queue. Crashes are rarer there, because each one makes
    /// every client ask again.
    fn crowd(&mut self, random: &mut Random) {
        self.reads = random.between(20, 90);
        self.active_ms = 500;
        self.crash_after_commit /= 8;
        self.crash_before_commit /= 8;
        self.recover_in_place /= 8;
    }

    /// The same world with every fault switched off. What the clients do of their own will goes on.
    pub(crate) fn healed(&self) -> Self {
        Self {
            planted: self.planted,
            reads_chats: self.reads_chats,
            clients: self.clients,
            writes: self.writes,
            reads: self.reads,
            rotates: self.rotates,
            token_life_s: 3_600,
            commit_ms_max: self.commit_ms_max,
            same_id: self.same_id,
            ..Self::calm(self.two_step)
        }
    }
}
