//! Calendar, meetings and Teams as the object meets them.
//!
//! What holds here: an event is created once for each `transactionId` and a meeting once for each `externalId`, as Microsoft
//! does; a message is posted, and an event changed, each time that it is asked for. What is executed is counted when it is.

use actors::ledger::Kind as EntryKind;
use protocol::time::UnixMs;
use serde_json::{Value, json};

use crate::microsoft::{Microsoft, OPERATION, PERSON, Response, answer, graph_error};
use crate::random::Random;
use crate::wire::GraphRequest;

/// A message in the one conversation of these worlds.
#[derive(Debug)]
pub(crate) struct Message {
    content: String,
    posted_at: UnixMs,
}

impl Microsoft {
    /// Executes a call that concerns no mail.
    pub(crate) fn collaborate(
        &mut self,
        request: &GraphRequest,
        now: UnixMs,
        random: &mut Random,
    ) -> Response {
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["me", "mailboxSettings"]) => answer(200, &json!({"timeZone": "UTC"})),
            ("GET", ["me"]) => answer(200, &json!({ "id": PERSON })),
            ("POST", ["me", "events"]) => self.create_event(&request.body, random),
            ("GET", ["me", "events"]) => self.find_event(request.parameter("$filter")),
            ("GET", ["me", "events", event]) => self.existing_event(event),
            ("PATCH", ["me", "events", event]) => {
                *self.changes.entry((*event).to_owned()).or_default() += 1;
                let subject = request.body["subject"].as_str().unwrap_or_default();
                self.count(&request.operation, subject);
                self.existing_event(event)
            }
            ("POST", ["me", "onlineMeetings", "createOrGet"]) => self.create_or_get(&request.body),
            ("POST", ["chats", "19:chat", "messages"]) => self.post(request, now),
            ("GET", ["chats", "19:chat", "messages"]) => {
                let shown = self.messages.iter().rev().take(50).map(|message| {
                    json!({"id": "message", "createdDateTime": message.posted_at.to_iso8601(),
                           "from": {"user": {"id": PERSON}}, "body": {"content": message.content}})
                });
                answer(200, &json!({"value": shown.collect::<Vec<Value>>()}))
            }
            _ => graph_error(400, "BadRequest"),
        }
    }

    fn create_event(&mut self, event: &Value, random: &mut Random) -> Response {
        let (Some(operation), Some(subject)) = (event["transactionId"].as_str(), event["subject"].as_str())
        else {
            return graph_error(400, "ErrorInvalidRequest");
        };
        if self.events.contains_key(operation) && random.chance(500) {
            return graph_error(409, "ErrorDuplicateTransactionId");
        }
        if self.events.insert(operation.to_owned(), subject.to_owned()).is_none() {
            self.count(operation, subject);
        }
        answer(201, &json!({"id": format!("event-{operation}")}))
    }

    /// An event that was there before, whose version says how often it was changed.
    fn existing_event(&self, event: &str) -> Response {
        let version = self.changes.get(event).copied().unwrap_or_default();
        answer(200, &json!({"id": event, "changeKey": format!("version-{version}"), "isOrganizer": true}))
    }

    fn find_event(&self, filter: &str) -> Response {
        let expected =
            format!("singleValueExtendedProperties/Any(ep: ep/id eq '{OPERATION}' and ep/value eq '");
        let Some(operation) = filter.strip_prefix(&expected).and_then(|rest| rest.strip_suffix("')")) else {
            return graph_error(400, "ErrorInvalidUrlQueryFilter");
        };
        let found: Vec<Value> = self
            .events
            .get(operation)
            .map(|_| json!({"id": format!("event-{operation}")}))
            .into_iter()
            .collect();
        answer(200, &json!({ "value": found }))
    }

    fn create_or_get(&mut self, meeting: &Value) -> Response {
        let (Some(operation), Some(subject)) = (meeting["externalId"].as_str(), meeting["subject"].as_str())
        else {
            return graph_error(400, "InvalidRequest");
        };
        let is_new = self.meetings.insert(operation.to_owned());
        if is_new {
            self.count(operation, subject);
        }
        let status = if is_new { 201 } else { 200 };
        answer(
            status,
            &json!({"id": format!("meeting-{operation}"), "joinWebUrl": "https://teams.example/j"}),
        )
    }

    fn post(&mut self, request: &GraphRequest, now: UnixMs) -> Response {
        let Some(content) = request.body["body"]["content"].as_str() else {
            return graph_error(400, "BadRequest");
        };
        self.messages.push(Message { content: content.to_owned(), posted_at: now });
        self.count(&request.operation, content);
        answer(201, &json!({"id": "message", "createdDateTime": now.to_iso8601()}))
    }

    fn count(&mut self, operation: &str, subject: &str) {
        *self.sent_by_operation.entry(operation.to_owned()).or_default() += 1;
        *self.sent_by_subject.entry(subject.to_owned()).or_default() += 1;
    }
}

/// Whether an entry is of a message to Teams, which carries nothing by which one of two equal ones could be told from the
/// other.
pub(crate) fn is_message(kind: &EntryKind) -> bool {
    kind.name() == "sendTeamsMessage"
}
