//! The world of one object: virtual time, the agenda of what happens next, and the run through both phases.
//!
//! What holds here: everything that happens is an event at a time, and events of equal time happen in the order in which
//! they were put down, so that a seed replays exactly. The wall clock is virtual time plus an offset that can step back;
//! nothing but the object and the edge reads it. The world decides nothing about the product's rules.

use std::collections::BTreeMap;
use std::rc::Rc;

use actors::planted::plant;
use actors::turn::{Input, ReplyTo};
use actors::user_session::UserSession;
use protocol::config::Config;
use protocol::ids::{RequestId, UserKey};
use protocol::object::{ObjectReply, ObjectRequest};
use protocol::operator::directory::Report as Told;
use protocol::outbound::CallResult;
use protocol::time::UnixMs;

use crate::clients::{Clients, Kind};
use crate::dials::{Dials, Planted};
use crate::disk::Disk;
use crate::event_log::Record;
use crate::invariants::Watch;
use crate::microsoft::{CLIENT, Microsoft, PERSON, TENANT};
use crate::network::Call;
use crate::random::Random;

pub(crate) const EPOCH_MS: u64 = 1_800_000_000_000;

/// The time within which everything must be settled once faults are over.
pub(crate) const SETTLES_WITHIN_MS: u64 = 15 * 60 * 1_000;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Event {
    /// Staged turns up to this number become durable.
    Durable(u64),
    /// A request of the edge reaches the object.
    Asked(ReplyTo, Box<ObjectRequest>),
    /// A request was not answered promptly.
    Late(ReplyTo),
    /// A reply reaches its client.
    Told(ReplyTo, Box<ObjectReply>),
    /// A client notices that its connection is gone, or leaves it.
    Gone(ReplyTo),
    /// The body of an answer was taken to its end, in this life of the object.
    Taken(RequestId, u64),
    /// A client goes on with an operation.
    Act(usize),
    /// A client gives up on a request that it made.
    Cancel(ReplyTo),
    /// The person connects the account again, from this client.
    Connect(usize),
    /// A call reaches Microsoft.
    Arrives(u64),
    /// A call ends for the object.
    Ends(u64, Box<CallResult>),
    /// The alarm rings once more than it should, or before its time.
    SpuriousAlarm,
    ClockSteps,
    /// The gateway cannot be reached for a while.
    GatewayFails,
    /// The object is deployed with these encryption keys.
    Deployed(&'static str),
}

/// Where the object dies in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// In the turn with this number, before its commit.
    BeforeCommit(u64),
    /// In the turn with this number, after its commit and after so many of its effects.
    AfterEffects(u64, usize),
    /// When the call with this number was executed and not yet answered.
    Executed(u64),
}

/// What a run amounted to.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub turns: u64,
    pub crashes: u64,
    pub rings: u64,
    pub violations: Vec<String>,
}

pub(crate) struct World {
    pub dials: Dials,
    pub random: Random,
    /// Virtual time in milliseconds. It never goes back.
    pub time: u64,
    /// What the wall clock shows beyond virtual time.
    pub offset: i64,
    agenda: BTreeMap<(u64, u64), Event>,
    agenda_counter: u64,
    pub config: Rc<Config>,
    pub disk: Disk,
    pub core: Option<UserSession>,
    /// Counts the processes that the object lived in. Connections die with theirs.
    pub life: u64,
    /// Counts the cores. A fault makes a new core in the same life.
    pub core_number: u64,
    /// When the alarm rings, decided once for each time that it is set to.
    pub rings: Option<(UnixMs, u64)>,
    pub calls: BTreeMap<u64, Call>,
    pub call_counter: u64,
    /// When the gateway can be reached again.
    pub gateway_back_at: u64,
    /// Calls of the living core that met a gateway that was down.
    pub calls_in_vain: u64,
    pub microsoft: Microsoft,
    pub clients: Clients,
    pub watch: Watch,
    pub report: Report,
    /// What the object told the directory.
    pub told: Vec<Told>,
    /// A crash that a scenario places by hand.
    pub planned: Option<Planned>,
    /// The log of the run, if it is wanted.
    pub trace: Option<Vec<String>>,
    /// What happened to the object, if it is to be replayed.
    pub events: Option<Vec<Record>>,
}

const PLAIN_KEY: &str = "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a";

pub(crate) fn config_with_keys(encryption_keys: &str) -> Config {
    Config::from_settings(|name| {
        let value = match name {
            "PUBLIC_URL" => "https://mcp.example.com",
            "ACCESS_MODE" => "open",
            "GRAPH_API_VERSION" => "v1.0",
            "MICROSOFT_CLIENT_ID" => CLIENT,
            "MICROSOFT_CLIENT_SECRET" => "CANARY-secret",
            "MICROSOFT_TENANT_ID" => TENANT,
            "EGRESS" => "ai_run",
            "GATEWAY_ID" => "m365-gateway",
            "ENCRYPTION_KEY" if encryption_keys.is_empty() => PLAIN_KEY,
            "ENCRYPTION_KEY" => encryption_keys,
            "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET" => PLAIN_KEY,
            // A world's clients ask as often as its faults want it.
            "RATE_LIMIT_PER_MINUTE" => "1000000",
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

pub(crate) fn user() -> UserKey {
    UserKey::from_microsoft(TENANT, PERSON)
}

impl World {
    pub(crate) fn new(seed: u64, dials: Dials, is_traced: bool) -> Self {
        plant(dials.planted.in_product());
        let mut world = Self {
            dials,
            random: Random::new(seed),
            time: 0,
            offset: 0,
            agenda: BTreeMap::new(),
            agenda_counter: 0,
            config: Rc::new(config_with_keys(PLAIN_KEY)),
            disk: Disk::default(),
            core: None,
            life: 1,
            core_number: 1,
            rings: None,
            calls: BTreeMap::new(),
            call_counter: 0,
            gateway_back_at: 0,
            calls_in_vain: 0,
            microsoft: Microsoft::default(),
            clients: Clients::default(),
            watch: Watch::default(),
            report: Report::default(),
            told: Vec::new(),
            planned: None,
            trace: is_traced.then(Vec::new),
            events: is_traced.then(Vec::new),
        };
        let planted = Planted::ALL.into_iter().find(|(_, planted)| *planted == world.dials.planted);
        world.record(|| Record::Planted(planted.map_or("nothing", |(name, _)| name).to_owned()));
        world.use_keys(PLAIN_KEY);
        let dials = format!("{:?}", world.dials);
        world.note(|| dials);
        world
    }

    /// Draws a world from a seed and runs it through its faults and its recovery.
    pub(crate) fn run_seed(seed: u64, planted: Planted, is_traced: bool) -> Self {
        let dials = Dials::draw(&mut Random::new(seed.wrapping_mul(31).wrapping_add(7)), planted);
        Self::run_with(seed, dials, is_traced)
    }

    pub(crate) fn run_with(seed: u64, dials: Dials, is_traced: bool) -> Self {
        let mut world = Self::new(seed, dials, is_traced);
        if world.dials.old_rows {
            world.begin_with_old_rows();
        }
        world.connect_in_peace();
        world.plan_operations();
        world.plan_faults();
        world.plan_rotation();
        let active = world.time + world.dials.active_ms + 240_000;
        world.run_until(active);
        world.heal();
        world.run_until(active + SETTLES_WITHIN_MS);
        // What follows a violation says nothing.
        for phase in [
            Self::check_everything_is_settled,
            Self::probe,
            Self::check_the_end,
            Self::check_keys,
            Self::check_chain,
        ] {
            if world.report.violations.is_empty() {
                phase(&mut world);
            }
        }
        world
    }

    fn plan_faults(&mut self) {
        let active = self.dials.active_ms + 240_000;
        if self.dials.gateway_down_ms > 0 {
            let at = self.random.below(self.dials.active_ms);
            self.after(at, Event::GatewayFails);
        }
        for _ in 0..10 {
            if self.random.chance(self.dials.clock_steps * 20) {
                let at = self.random.below(active);
                self.after(at, Event::ClockSteps);
            }
            if self.random.chance(self.dials.alarm_early * 10) {
                let at = self.random.below(active);
                self.after(at, Event::SpuriousAlarm);
            }
            if self.random.chance(self.dials.reconnects * 20) {
                let at = self.random.below(active);
                let client = usize::try_from(self.random.below(self.dials.clients)).unwrap_or(0);
                self.after(at, Event::Connect(client));
            }
        }
    }

    /// Ends all faults. Lost and late alarms and steps of the clock are over too; clients go on retrying, and one of them
    /// asks something new, because nothing else wakes an object whose alarm the platform has dropped.
    pub(crate) fn heal(&mut self) {
        self.note(|| "faults end".to_owned());
        self.dials = self.dials.healed();
        self.gateway_back_at = 0;
        // An alarm that was going to be late is not any more.
        self.rings = None;
        self.clients.heal(self.time);
        let read = self.clients.new_operation(0, Kind::Read, 20);
        self.after(1_000, Event::Act(read));
    }

    pub(crate) fn wall(&self) -> UnixMs {
        UnixMs((EPOCH_MS + self.time).saturating_add_signed(self.offset))
    }

    pub(crate) fn after(&mut self, delay_ms: u64, event: Event) {
        self.agenda_counter += 1;
        self.agenda.insert((self.time + delay_ms, self.agenda_counter), event);
    }

    /// A number that no earlier event had, for names that must not repeat.
    pub(crate) const fn agenda_number(&self) -> u64 {
        self.agenda_counter
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{time:>9} {}", line()));
        }
    }

    pub(crate) fn record(&mut self, record: impl FnOnce() -> Record) {
        if let Some(events) = &mut self.events {
            events.push(record());
        }
    }

    /// From now on the object is built with these encryption keys.
    pub(crate) fn use_keys(&mut self, keys: &str) {
        self.config = Rc::new(config_with_keys(keys));
        self.record(|| Record::Keys(keys.to_owned()));
    }

    pub(crate) fn violation(&mut self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        self.report.violations.push(what);
    }

    /// The next thing to happen up to `end`: the alarm or an event of the agenda.
    pub(crate) fn run_until(&mut self, end: u64) {
        while self.report.violations.is_empty() {
            let next = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let alarm = self.next_ring();
            match (next, alarm) {
                (_, Some(ring)) if ring <= end && next.is_none_or(|next| ring < next) => {
                    self.time = self.time.max(ring);
                    self.ring();
                }
                (Some(next), _) if next <= end => {
                    self.time = next;
                    if let Some((_, event)) = self.agenda.pop_first() {
                        self.happen(event);
                    }
                }
                _ => break,
            }
        }
        self.time = self.time.max(end);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Durable(number) => self.make_durable(number),
            Event::Asked(to, request) => self.asked(to, *request),
            Event::Late(to) => self.late(to),
            Event::Told(to, reply) => self.told(to, &reply),
            Event::Gone(to) => self.gone(to),
            Event::Taken(request, life) if life == self.life => self.turn(Input::Delivered { request }),
            Event::Taken(..) => {}
            Event::Act(operation) => self.act(operation),
            Event::Cancel(to) => self.cancel(to),
            Event::Connect(client) => self.connect(client),
            Event::Arrives(call) => self.arrives(call),
            Event::Ends(call, result) => self.ends(call, *result),
            Event::SpuriousAlarm => self.spurious_alarm(),
            Event::GatewayFails => {
                self.note(|| "the gateway is down".to_owned());
                self.gateway_back_at = self.time + self.dials.gateway_down_ms;
                self.calls_in_vain = 0;
            }
            Event::Deployed(keys) => self.deploy_keys(keys),
            Event::ClockSteps => {
                // Forward by less than the time that the core waits beyond the shell's own limit for a call.
                let step = if self.random.chance(700) {
                    -i64::try_from(self.random.between(1, 60_000)).unwrap_or(0)
                } else {
                    2_000
                };
                self.offset += step;
                self.note(|| format!("the clock steps by {step} ms"));
            }
        }
    }
}
