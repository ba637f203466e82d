//! A mail as it was written: the calls that make a draft of it or send it, and the few answers to them that are read.
//!
//! What holds here: whatever is made anew carries the mark of its operation, by which it is found again.

use compute::json;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::Mailbox;
use super::super::enclosure::Enclosure;
use super::super::message::{made_by, mark};
use crate::graph::{IMMUTABLE_IDS, query, segment};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Method};

/// A mail as it was written; nothing of it is left after the object was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools::mail) struct Mail {
    /// The message, or what changes about the one that is answered.
    pub message: Map<String, Value>,
    /// What it answers or forwards; none for a mail of its own.
    pub answers: Option<Answering>,
    /// Attachments that are not in the message yet.
    pub enclosures: Vec<Enclosure>,
    /// To how many addresses it goes, as far as that is known.
    pub recipients: usize,
}

/// How a mail refers to an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools::mail) struct Answering {
    /// The earlier one, as a segment.
    pub to: String,
    /// Graph's name of the way: `reply`, `replyAll` or `forward`.
    pub way: &'static str,
    /// What is written above it.
    pub comment: String,
}

impl Mail {
    /// Puts the attachments, all of which are read, into the message.
    pub(super) fn enclose(&mut self) {
        let all: Vec<Value> = self.enclosures.drain(..).map(|one| one.whole()).collect();
        if !all.is_empty() {
            self.message.insert("attachments".to_owned(), all.into());
        }
    }

    /// Bytes that it holds.
    pub(super) fn held_bytes(&self) -> usize {
        let message = json::members_bytes(&self.message);
        message + self.enclosures.iter().map(Enclosure::held_bytes).sum::<usize>()
    }

    /// Method, path and body of the call that makes the draft, or that sends at once; of a draft that `edits` names, of
    /// the call that changes it.
    pub(super) fn call(
        &self,
        mailbox: &Mailbox,
        operation: RequestId,
        edits: Option<&str>,
        as_draft: bool,
    ) -> GraphCall {
        let (root, lane) = (&mailbox.root, mailbox.lane);
        let mut message = self.message.clone();
        if edits.is_none() {
            message.insert("singleValueExtendedProperties".to_owned(), mark(operation));
        }
        let message = Value::Object(message);
        let (path, body) = match (&self.answers, edits) {
            (_, Some(draft)) => (format!("/me/messages/{draft}"), message.to_string()),
            (None, None) if as_draft => (format!("{root}/messages"), message.to_string()),
            (None, None) => {
                let body = format!(r#"{{"message":{message},"saveToSentItems":true}}"#);
                (format!("{root}/sendMail"), body)
            }
            (Some(Answering { to, way, comment }), None) => {
                let action = match (as_draft, *way) {
                    (false, way) => way,
                    (true, "replyAll") => "createReplyAll",
                    (true, "forward") => "createForward",
                    (true, _) => "createReply",
                };
                let body = json!({"message": message, "comment": comment});
                (format!("{root}/messages/{to}/{action}"), body.to_string())
            }
        };
        let call = GraphCall::post(lane, path, Some(body));
        let call = if edits.is_some() { GraphCall { method: Method::Patch, ..call } } else { call };
        if as_draft { call.preferring(&[IMMUTABLE_IDS]) } else { call }
    }
}

/// The call that looks in a folder for what an operation made.
pub(super) fn find_in(folder: &str, mailbox: &Mailbox, operation: RequestId) -> GraphCall {
    let parameters = query(&[("$select", "id"), ("$top", "1"), ("$filter", &made_by(operation))]);
    let path = format!("{}/mailFolders/{folder}/messages{parameters}", mailbox.root);
    GraphCall::get(mailbox.lane, path).preferring(&[IMMUTABLE_IDS])
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageBody {
    id: Option<String>,
    is_draft: Option<bool>,
}

#[derive(Deserialize)]
struct ListBody {
    value: Vec<MessageBody>,
}

/// The identifier in an answer, encoded as a segment, so that it can stand in the next path.
pub(super) fn read_id(answer: &Answer) -> Option<String> {
    let body: MessageBody = serde_json::from_slice(&answer.body).ok()?;
    segment(&body.id?).ok()
}

pub(super) fn read_is_draft(answer: &Answer) -> Option<bool> {
    serde_json::from_slice::<MessageBody>(&answer.body).ok()?.is_draft
}

pub(super) fn read_first_id(answer: &Answer) -> Result<Option<String>, ()> {
    let list: ListBody = serde_json::from_slice(&answer.body).map_err(|_| ())?;
    match list.value.into_iter().next() {
        None => Ok(None),
        Some(first) => first.id.and_then(|id| segment(&id).ok()).map(Some).ok_or(()),
    }
}
