//! Log lines: one JSON object for each settled request, which joins everything that is known of it.
//!
//! What holds here: identifiers, counts, codes and times only. No token, no address, no content ever becomes a field.

use protocol::config::{Config, GraphVersion};
use protocol::entra::{Denied, Details};
use protocol::ids::{RequestId, UserKey};
use protocol::time::UnixMs;
use protocol::trace::TraceContext;
use serde_json::{Map, Value};

use crate::ledger::Entry;

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine(Map<String, Value>);

impl LogLine {
    /// A line of an event.
    #[must_use]
    pub fn new(event: &str, now: UnixMs) -> Self {
        let mut fields = Map::new();
        fields.insert("event".to_owned(), event.into());
        fields.insert("at".to_owned(), now.to_iso8601().into());
        Self(fields)
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a field if there is a value.
    #[must_use]
    pub fn with_some(self, name: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds the trace that a request belongs to, under the names that the trace's own tools use.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceContext>) -> Self {
        match trace {
            Some(trace) => self.with("traceId", trace.trace_id()).with("parentSpanId", trace.parent_span()),
            None => self,
        }
    }

    /// The line of a settled request: edge, object, gateway and Microsoft joined by their identifiers.
    #[must_use]
    pub fn settled(config: &Config, user: UserKey, id: RequestId, entry: &Entry, now: UnixMs) -> Self {
        let received_at = id.created_at();
        Self::new("request", now)
            .with("requestId", id.to_string())
            .with("userKey", user.to_string())
            .with("tool", entry.kind.name())
            .with("state", entry.state.name())
            .with_some("outcome", entry.outcome.clone())
            .with_some("client", (!entry.client.is_empty()).then(|| entry.client.clone()))
            .with_some("grant", entry.grant.map(|grant| grant.to_string()))
            .with_some("session", entry.session.map(|session| session.to_string()))
            .with_some("accessIdentity", entry.access_identity.clone())
            .with_trace(entry.trace)
            .with("calls", entry.calls)
            .with_some("aiGatewayLogId", entry.all_gateway_log_ids().next_back().cloned())
            .with_some("graphRequestId", entry.all_graph_request_ids().next_back().cloned())
            .with_some("waitedMs", entry.sent_at.map(|sent| sent.since(received_at).0))
            .with("totalMs", now.since(received_at).0)
            // Microsoft changes the beta version without notice, so each call that used it is recognisable.
            .with_some("graphVersion", (config.graph_version == GraphVersion::Beta).then_some("beta"))
    }

    /// The line of a refusal by the token endpoint. One that operators have to act on has a name of its own.
    #[must_use]
    pub fn token_refused(denied: &Denied, details: &Details, now: UnixMs) -> Self {
        let event = match denied {
            Denied::OwnCredential => "own_credential_refused",
            _ => "token_refused",
        };
        let word = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self::new(event, now)
            .with("code", denied.code())
            .with_some("error", word(&details.error))
            .with_some("suberror", word(&details.suberror))
            .with("errorCodes", details.numbers.clone())
            .with_some("traceId", word(&details.trace_id))
            .with_some("correlationId", word(&details.correlation_id))
    }

    /// The line as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    /// A field, for tests and for the simulation's checks.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}
