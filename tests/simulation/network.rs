//! The way between the object and Microsoft: departures, arrivals, and how a call ends for the object.
//!
//! What holds here: a request that left arrives within [`TRANSIT_MS_MAX`] or never, also when the object is gone by
//! then, because a gateway gives a call up at the product's own limit; an answer may be lost, late, doubled or blocked
//! after Microsoft acted. Calls of a core that is gone still run outside, so that the bounds on calls in flight are
//! measured for the calls of the living core alone.

use std::collections::BTreeMap;

use actors::egress::{Departure, depart, read_answer};
use actors::turn::{Input, Outbound};
use protocol::ids::OpId;
use protocol::limits::{CALL_TIMEOUT, GATEWAY_FAILURES_MAX, GATEWAY_PAUSE, OBJECT_CALLS_MAX};
use protocol::outbound::{CallResult, Lost};

use crate::microsoft::{Response, gateway_error, graph_error};
use crate::wire::{GraphRequest, Wire, field, read_form};
use crate::world::{Event, Planned, World, user};

/// The longest way of a request. It stays below the product's limit for a call.
const TRANSIT_MS_MAX: u64 = 20_000;

/// One call under way.
#[derive(Debug)]
pub(crate) struct Call {
    op: OpId,
    life: u64,
    core_number: u64,
    wire: Wire,
    /// Whether the object's connection for it is still open.
    is_open: bool,
    /// Whether its end is never heard of, not even as a timeout.
    is_mute: bool,
}

impl World {
    /// A call leaves the object.
    pub(crate) fn depart(&mut self, op: OpId, outbound: &Outbound, core_number: u64) {
        let read = match depart(&self.config, user(), op, outbound) {
            Departure::AiRun { inputs, .. } => GraphRequest::read(&inputs).map(Wire::Graph),
            Departure::Http { body, .. } => Ok(Wire::Token(read_form(&body.unwrap_or_default()))),
            Departure::Storage { .. } => {
                Err("a file's bytes, which no tool of the simulation has".to_owned())
            }
            Departure::SignedForm { .. } => Err("a form that waits for a signature".to_owned()),
        };
        let wire = match read {
            Ok(wire) => wire,
            Err(why) => return self.violation(format!("a request that cannot be read left: {why}")),
        };
        self.note(|| format!("leaves {} {} {}", op.request, op.sequence, wire.describe()));
        self.watch.count_departure(core_number, op.request, &mut self.report.violations);
        self.check_refresh_token(&wire);
        let is_mute = self.random.chance(self.dials.call_done_dropped);
        let call = Call { op, life: self.life, core_number, wire, is_open: true, is_mute };
        self.call_counter += 1;
        let number = self.call_counter;
        self.calls.insert(number, call);
        self.check_calls_in_flight();
        if self.time < self.gateway_back_at && matches!(self.calls[&number].wire, Wire::Graph(_)) {
            self.check_breaker();
            let noticed = self.random.between(1, 100);
            self.after(noticed, Event::Ends(number, Box::new(CallResult::Lost(Lost::Connection))));
            return self
                .after(CALL_TIMEOUT.0, Event::Ends(number, Box::new(CallResult::Lost(Lost::Timeout))));
        }
        let transit = self.random.between(5, self.dials.transit_ms_max.clamp(5, TRANSIT_MS_MAX));
        if self.random.chance(self.dials.request_lost) {
            let noticed = self.random.between(5, 5_000);
            self.after(noticed, Event::Ends(number, Box::new(CallResult::Lost(Lost::Connection))));
        } else {
            self.after(transit, Event::Arrives(number));
            if self.random.chance(self.dials.broken_early) {
                let noticed = self.random.below(transit);
                self.after(noticed, Event::Ends(number, Box::new(CallResult::Lost(Lost::Connection))));
            }
        }
        self.after(CALL_TIMEOUT.0, Event::Ends(number, Box::new(CallResult::Lost(Lost::Timeout))));
    }

    /// The refresh token that leaves is the one that would survive a crash, and it leaves in one call at a time.
    fn check_refresh_token(&mut self, wire: &Wire) {
        let Wire::Token(form) = wire else { return };
        if field(form, "grant_type") != "refresh_token" {
            return;
        }
        let presented = field(form, "refresh_token");
        if self.watch.durable_refresh_token() != Some(presented) {
            self.violation("a refresh left with a token that is not durable".to_owned());
        }
    }

    /// A core does not hammer a gateway that is down: so many calls that it takes notice, for which each late answer to an
    /// earlier call makes it begin anew, those that were in flight by then, and one for each pause.
    fn check_breaker(&mut self) {
        self.calls_in_vain += 1;
        let pauses = self.dials.gateway_down_ms / GATEWAY_PAUSE.0;
        let (failures, calls) = (u64::from(GATEWAY_FAILURES_MAX), u64::from(OBJECT_CALLS_MAX));
        let bound = failures * (calls + 1) + calls + pauses + 1;
        if self.calls_in_vain > bound {
            let what = format!("{} calls went to a gateway that is down", self.calls_in_vain);
            self.violation(what);
        }
    }

    fn check_calls_in_flight(&mut self) {
        let living = || {
            self.calls
                .values()
                .filter(|call| call.is_open && call.life == self.life && call.core_number == self.core_number)
        };
        let graph = living().filter(|call| matches!(call.wire, Wire::Graph(_))).count();
        let mut lanes: BTreeMap<(&str, usize), usize> = BTreeMap::new();
        for call in living() {
            *lanes.entry(call.wire.lane()).or_default() += 1;
        }
        let is_over = lanes.iter().any(|((_, most), count)| count > most);
        if is_over || graph > usize::from(OBJECT_CALLS_MAX) {
            self.violation(format!("too many calls are in flight: {lanes:?}"));
        }
    }

    /// A call reaches Microsoft.
    pub(crate) fn arrives(&mut self, number: u64) {
        let Some(call) = self.calls.get(&number) else { return };
        let wire = call.wire.clone();
        let answered = self.respond(&wire);
        if self.planned == Some(Planned::Executed(number)) {
            self.planned = None;
            self.crash();
        }
        let Some(response) = answered else {
            self.note(|| format!("  {} hangs", wire.describe()));
            return;
        };
        self.note(|| format!("  {} is answered with {}", wire.describe(), response.status));
        let delay = self.random.between(1, self.dials.transit_ms_max);
        if self.random.chance(self.dials.answer_silent) {
            return;
        }
        let result = if self.random.chance(self.dials.answer_lost) {
            CallResult::Lost(Lost::Connection)
        } else {
            let header = |name: &str| match name {
                "retry-after" => response.retry_after_s.map(|seconds| seconds.to_string()),
                "request-id" => Some(format!("graph-{number}")),
                "cf-aig-log-id" => Some(format!("log-{number}")),
                _ => None,
            };
            CallResult::Answered(read_answer(response.status, header, response.body.into_bytes()))
        };
        if self.random.chance(self.dials.answer_twice) {
            let again = delay + self.random.below(60_000);
            self.after(again, Event::Ends(number, Box::new(result.clone())));
        }
        self.after(delay, Event::Ends(number, Box::new(result)));
    }

    /// What the other side does with a request; nothing when it hangs.
    fn respond(&mut self, wire: &Wire) -> Option<Response> {
        let hangs = self.random.chance(self.dials.hangs);
        let response = match wire {
            Wire::Token(form) => {
                let wall_s = self.wall().as_secs();
                self.microsoft.token(form, self.time, wall_s, &self.dials, &mut self.random)
            }
            Wire::Graph(request) => {
                if self.random.chance(self.dials.token_revoked) {
                    self.microsoft.revoke_access();
                }
                match self.refused_on_the_way(wire.writes()) {
                    Some(refusal) => refusal,
                    None => self.execute(request),
                }
            }
        };
        (!hangs).then_some(response)
    }

    /// A refusal or an outage before Microsoft acted.
    fn refused_on_the_way(&mut self, writes: bool) -> Option<Response> {
        if self.random.chance(self.dials.throttled) {
            let retry_after_s = self.random.chance(600).then(|| self.random.between(1, 100));
            let refusal = if self.random.chance(300) {
                gateway_error(429, 2003)
            } else {
                graph_error(429, "ApplicationThrottled")
            };
            return Some(Response { retry_after_s, ..refusal });
        }
        if self.random.chance(self.dials.gateway_refuses) {
            return Some(match self.random.below(4) {
                0 => gateway_error(401, 2009),
                1 => gateway_error(400, 2029),
                2 => gateway_error(424, 2016),
                _ => gateway_error(404, 2001),
            });
        }
        let is_out = self.random.chance(self.dials.outage_before)
            || (writes && self.random.chance(self.dials.writes_refused));
        is_out.then(|| self.outage())
    }

    fn outage(&mut self) -> Response {
        let retry_after_s = self.random.chance(300).then(|| self.random.between(1, 30));
        let response = match self.random.below(3) {
            0 => graph_error(503, "ServiceUnavailable"),
            1 => gateway_error(500, 7013),
            _ => {
                Response { status: 504, retry_after_s: None, body: "<html>gateway timeout</html>".to_owned() }
            }
        };
        Response { retry_after_s, ..response }
    }

    fn execute(&mut self, request: &GraphRequest) -> Response {
        let response = self.microsoft.graph(request, self.time, &self.dials, &mut self.random);
        self.check_effects();
        if self.random.chance(self.dials.outage_after) {
            return self.outage();
        }
        // The gateway's policy on answers: the call was executed and its answer is withheld.
        if self.random.chance(self.dials.answer_blocked) {
            return gateway_error(400, 2030);
        }
        response
    }

    /// A call ends for the object, for the first time or once more.
    pub(crate) fn ends(&mut self, number: u64, result: CallResult) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let is_timeout = result == CallResult::Lost(Lost::Timeout);
        if is_timeout && !call.is_open {
            return;
        }
        if is_timeout || !call.is_mute {
            call.is_open = false;
        }
        if call.is_mute || call.life != self.life {
            return;
        }
        let op = call.op;
        self.note(|| {
            let how = match &result {
                CallResult::Answered(answer) => answer.status.to_string(),
                CallResult::Lost(lost) => format!("{lost:?}"),
            };
            format!("comes back {} {} {how}", op.request, op.sequence)
        });
        self.turn(Input::CallDone { op, result });
    }

    /// A planted bug: what was in flight when the object died is sent once more.
    pub(crate) fn resend_what_was_in_flight(&mut self) {
        let again: Vec<u64> = self
            .calls
            .iter()
            .filter(|(_, call)| call.is_open && call.wire.writes())
            .map(|(number, _)| *number)
            .collect();
        for number in again {
            self.after(10, Event::Arrives(number));
        }
    }
}
