//! Questions to the client of a session: requests of this server on the stream of the call that has to ask
//! (MCP 2025-11-25, client/elicitation, client/sampling, client/roots).
//!
//! What holds here: the id of such a request names the call, the round and the question, so that nothing is stored to
//! find its answer again. It proves nothing: whether the session may answer is for the object to say.

use std::fmt;
use std::str::FromStr;

use serde_json::json;

use super::mrtr::Question;
use crate::ids::{MalformedId, RequestId};

/// The JSON-RPC id of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionId {
    /// The ledger entry of the call that asks.
    pub request: RequestId,
    /// The round in which it asks.
    pub round: u32,
    /// The question's name within the round.
    pub name: String,
}

impl fmt::Display for QuestionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "q.{}.{}.{}", self.request, self.round, self.name)
    }
}

impl FromStr for QuestionId {
    type Err = MalformedId;

    fn from_str(text: &str) -> Result<Self, MalformedId> {
        let mut parts = text.splitn(4, '.');
        let mut next = || parts.next().ok_or(MalformedId);
        if next()? != "q" {
            return Err(MalformedId);
        }
        Ok(Self {
            request: next()?.parse().map_err(|_| MalformedId)?,
            round: next()?.parse().map_err(|_| MalformedId)?,
            name: next()?.to_owned(),
        })
    }
}

/// The request that asks a question.
#[must_use]
pub fn question(id: &QuestionId, question: &Question) -> String {
    let mut params = question.params();
    if let (Question::Link { .. }, Some(members)) = (question, params.as_object_mut()) {
        // In sessions a link has an identifier of its own (MCP 2025-11-25, client/elicitation, "URL Mode").
        members.insert("elicitationId".to_owned(), id.to_string().into());
    }
    json!({ "jsonrpc": "2.0", "id": id.to_string(), "method": question.method(), "params": params })
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_question_round_trips_and_nothing_else_is_one() {
        let request =
            RequestId::new(crate::time::UnixMs(7), &crate::ids::UserKey::from_bytes([1; 16]), [0; 5]);
        let id = QuestionId { request, round: 3, name: "send".into() };
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "q", "q.x.1.send", "q.1", "x.1.2.3"] {
            assert!(bad.parse::<QuestionId>().is_err(), "{bad}");
        }
    }
}
