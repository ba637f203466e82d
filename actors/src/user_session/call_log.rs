//! What the log says of calls, and of the way to the gateway.
//!
//! What holds here: each call that ended has one line, whoever it went to. The request ID joins it to its request's line,
//! and the event ID to the gateway's log entry, also where the answer was lost. Of where a call went the line says a route
//! without identifiers, and never an address.

use protocol::graph::route;
use protocol::ids::OpId;
use protocol::outbound::{CallResult, GraphCall, Lane, Method};
use protocol::time::UnixMs;

use super::run::{Run, Work};
use super::{Txn, UserSession};
use crate::egress::event_id;
use crate::ledger::Ending;
use crate::log::LogLine;
use crate::queue::Change;
use crate::turn::Effect;

impl UserSession {
    /// Writes the line of a call that has ended and whose attempt is noted in its entry.
    pub(super) fn log_call(&self, now: UnixMs, txn: &mut Txn<'_>, op: OpId, run: &Run, result: &CallResult) {
        let (verb, route) = self.verb_and_route(run);
        let attempt = run.entry.attempts.last();
        let line = self
            .line_of_call(now, op, run.lane(run.called.as_ref()), result)
            .with("attempt", run.entry.calls)
            .with_some("purpose", attempt.map(|attempt| attempt.purpose.name()))
            .with("verb", verb.as_str())
            .with_some("route", route)
            .with_some("durationMs", attempt.and_then(|attempt| attempt.took_ms))
            .with_some("accessIdentity", run.entry.access_identity.clone())
            .with_trace(run.entry.trace);
        txn.emit(Effect::Log(line));
    }

    /// Writes the line of a call whose request was settled before it ended. What it was is not known any more.
    pub(super) fn log_abandoned_call(
        &self,
        now: UnixMs,
        txn: &mut Txn<'_>,
        (op, lane): (OpId, Lane),
        result: &CallResult,
    ) {
        txn.emit(Effect::Log(self.line_of_call(now, op, lane, result)));
    }

    fn line_of_call(&self, now: UnixMs, op: OpId, lane: Lane, result: &CallResult) -> LogLine {
        let line = LogLine::new("call", now)
            .with("requestId", op.request.to_string())
            .with("eventId", event_id(op))
            .with_some("userKey", self.user.map(|user| user.to_string()))
            .with("lane", lane.name())
            .with("outcome", Ending::of(result).name());
        let CallResult::Answered(answer) = result else { return line };
        let line = line
            .with("status", answer.status)
            .with_some("throttledUntil", answer.retry_after.map(|wait| now.plus(wait).to_iso8601()));
        // An application's headers prove nothing about the gateway and Microsoft.
        if lane == Lane::LinkedApp {
            return line;
        }
        line.with_some("aiGatewayLogId", answer.gateway_log_id.clone())
            .with_some("graphRequestId", answer.graph_request_id.clone())
    }

    /// How a call left, and where to without any identifier: the path's template at Graph, or the name of what else it is.
    fn verb_and_route(&self, run: &Run) -> (Method, Option<String>) {
        if let Work::App(calling) = &run.work {
            return (calling.call.method, Some(calling.call.app.clone()));
        }
        match &run.called {
            Some(GraphCall { method, storage: Some(_), .. }) => (*method, Some("storage".to_owned())),
            Some(GraphCall { method, lane: Lane::Model, .. }) => {
                (*method, self.config.gateway.condense.as_ref().map(|model| model.name.clone()))
            }
            Some(GraphCall { method, path, .. }) => (*method, Some(route(path))),
            None => (Method::Post, Some("token".to_owned())),
        }
    }

    /// Writes a line for each change of the circuit breaker.
    pub(super) fn log_breaker(&mut self, now: UnixMs, txn: &mut Txn<'_>) {
        for change in self.queue.take_breaker_changes() {
            let pause = match change {
                Change::Opened(pause) => Some(pause.0),
                Change::HalfOpened | Change::Closed => None,
            };
            let line = LogLine::new("gateway_breaker", now)
                .with_some("userKey", self.user.map(|user| user.to_string()))
                .with("state", change.name())
                .with_some("pauseMs", pause);
            txn.emit(Effect::Log(line));
        }
    }
}
