//! Questions to the client in the middle of a request, and the sealed state that joins the rounds (MCP 2026-07-28,
//! basic/patterns/mrtr).
//!
//! What holds here: a client is asked only for what it declared; what it sends back is an attacker's input until it was
//! checked. The state opens for the same person, the same target and the same arguments, and for a short time; an answer
//! of another form than was asked for counts as none, and the question is asked again.
//!
//! What must be done once is keyed by [`RequestState::id`]: a repeat of the round joins the first and never acts again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::envelope::ClientCapabilities;
use super::results::result_meta;
use crate::ids::UserKey;
use crate::jsonrpc::RpcError;
use crate::limits::{
    INPUT_RESPONSES_BYTES_MAX, INPUT_ROUNDS_MAX, REQUEST_STATE_BYTES_MAX, REQUEST_STATE_LIFETIME,
};
use crate::seal::{CannotOpen, KeyRing, NONCE_BYTES, Purpose, Scope};
use crate::time::UnixMs;

/// One question to a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Question {
    /// A form for the person (`elicitation/create`).
    Form {
        /// What the person is asked.
        message: String,
        /// The JSON Schema of the form: an object of plain values.
        schema: Value,
    },
    /// A page that the person has to open (`elicitation/create` in the mode `url`). The answer says whether it is opened,
    /// not what became of it.
    Link {
        /// What the person is told about it.
        message: String,
        /// The page.
        url: String,
    },
    /// A question to the client's model (`sampling/createMessage`), with its parameters.
    Sample(Value),
    /// The client's folders (`roots/list`).
    Roots,
}

impl Question {
    /// The method of the question.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Form { .. } | Self::Link { .. } => "elicitation/create",
            Self::Sample(_) => "sampling/createMessage",
            Self::Roots => "roots/list",
        }
    }

    /// Its parameters.
    #[must_use]
    pub fn params(&self) -> Value {
        match self {
            Self::Form { message, schema } => {
                json!({ "mode": "form", "message": message, "requestedSchema": schema })
            }
            Self::Link { message, url } => json!({ "mode": "url", "message": message, "url": url }),
            Self::Sample(params) => params.clone(),
            Self::Roots => json!({}),
        }
    }

    /// The member of `ClientCapabilities` that the question needs.
    #[must_use]
    pub const fn capability(&self) -> &'static str {
        match self {
            Self::Form { .. } | Self::Link { .. } => "elicitation",
            Self::Sample(_) => "sampling",
            Self::Roots => "roots",
        }
    }

    /// Whether the client declared that it can be asked this.
    #[must_use]
    pub const fn may_be_asked(&self, client: ClientCapabilities) -> bool {
        match self {
            Self::Form { .. } => client.forms,
            Self::Link { .. } => client.links,
            Self::Sample(_) => client.sampling,
            Self::Roots => client.roots,
        }
    }

    /// Whether an answer has the form of one to this question.
    fn is_answered_by(&self, answer: &Value) -> bool {
        match self {
            Self::Form { schema, .. } => match answer.get("action").and_then(Value::as_str) {
                Some("accept") => answer.get("content").is_some_and(|content| fills_in(schema, content)),
                Some("decline" | "cancel") => true,
                _ => false,
            },
            Self::Link { .. } => {
                matches!(answer.get("action").and_then(Value::as_str), Some("accept" | "decline" | "cancel"))
            }
            Self::Sample(_) => {
                answer.get("content").is_some_and(|content| content.is_object() || content.is_array())
            }
            Self::Roots => answer.get("roots").is_some_and(Value::is_array),
        }
    }
}

/// Whether a form was filled in: every required member is there, and every known one has its type.
fn fills_in(schema: &Value, content: &Value) -> bool {
    let Some(content) = content.as_object() else { return false };
    let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let is_complete = required.iter().filter_map(Value::as_str).all(|name| content.contains_key(name));
    let properties = schema.get("properties").and_then(Value::as_object);
    is_complete
        && properties.into_iter().flatten().all(|(name, property)| {
            content.get(name).is_none_or(|value| match property.get("type").and_then(Value::as_str) {
                Some("string") => value.is_string(),
                Some("boolean") => value.is_boolean(),
                Some("integer") => value.is_i64() || value.is_u64(),
                Some("number") => value.is_number(),
                Some("array") => value.is_array(),
                _ => true,
            })
        })
}

/// Questions of one round, each under the name by which its answer comes back.
pub type Questions = Vec<(&'static str, Question)>;

/// What the client answered so far, over all rounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers(Map<String, Value>);

/// What a person did with a form.
#[derive(Clone, Debug, PartialEq)]
pub enum Filled<'a> {
    /// It was filled in and sent.
    Accepted(&'a Map<String, Value>),
    /// The person said no.
    Declined,
    /// The person closed it without a decision.
    Cancelled,
}

impl Answers {
    /// Those questions that have no answer of the right form yet.
    #[must_use]
    pub fn unanswered(&self, mut questions: Questions) -> Questions {
        questions.retain(|(name, question)| {
            !self.0.get(*name).is_some_and(|answer| question.is_answered_by(answer))
        });
        questions
    }

    /// The answer under a name, as it came.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// What became of a form.
    #[must_use]
    pub fn form(&self, name: &str) -> Option<Filled<'_>> {
        let answer = self.0.get(name)?;
        match answer.get("action")?.as_str()? {
            "accept" => answer.get("content")?.as_object().map(Filled::Accepted),
            "decline" => Some(Filled::Declined),
            "cancel" => Some(Filled::Cancelled),
            _ => None,
        }
    }

    /// Adds the answers of another round; a later one replaces an earlier one.
    pub fn extend(&mut self, later: Self) {
        self.0.extend(later.0);
    }

    /// The answers, each under its name.
    pub fn into_each(self) -> impl Iterator<Item = (String, Value)> {
        self.0.into_iter()
    }

    /// Adds one answer.
    pub fn insert(&mut self, name: &str, answer: Value) {
        self.0.insert(name.to_owned(), answer);
    }

    /// Whether nothing was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What joins the rounds of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestState {
    /// The same in all rounds of a request, and different in any other.
    #[serde(rename = "i")]
    pub id: [u8; 16],
    /// Rounds that were asked so far.
    #[serde(rename = "r")]
    pub round: u32,
    /// When it cannot be gone on with any more.
    #[serde(rename = "e")]
    pub expires_at: UnixMs,
    /// What was answered in earlier rounds.
    #[serde(rename = "a")]
    pub answers: Answers,
}

/// What a state is sealed for: it opens for nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The person.
    pub user: UserKey,
    /// The keyed digest of the target and its arguments.
    pub request: &'a [u8],
}

impl Binding<'_> {
    fn data(&self) -> Vec<u8> {
        [b"request-state/v1/", self.request].concat()
    }
}

impl RequestState {
    /// The state of a request of which nothing was asked yet.
    #[must_use]
    pub fn new(id: [u8; 16]) -> Self {
        Self { id, round: 0, expires_at: UnixMs(0), answers: Answers::default() }
    }

    /// Seals the state for one more round; every round has its own time.
    ///
    /// # Errors
    /// `-32602` when there were too many rounds, `-32603` when it cannot be sealed.
    pub fn seal(
        mut self,
        keys: &KeyRing,
        binding: Binding<'_>,
        now: UnixMs,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, RpcError> {
        if self.round >= INPUT_ROUNDS_MAX {
            return Err(RpcError::invalid_params("This request was asked too often. Begin it anew."));
        }
        self.round += 1;
        self.expires_at = now.plus(REQUEST_STATE_LIFETIME);
        let broken =
            || RpcError::new(crate::jsonrpc::codes::INTERNAL_ERROR, "The state could not be sealed.");
        let plaintext = serde_json::to_vec(&self).map_err(|_| broken())?;
        let scope = Scope::User(binding.user);
        keys.seal(Purpose::RequestState, scope, &binding.data(), nonce, &plaintext)
            .map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
            .map_err(|CannotOpen| broken())
    }

    /// Opens a state that came back.
    ///
    /// # Errors
    /// `-32602` for whatever was not sealed for this person and request, was changed, or is too old; which of these it
    /// was is not told.
    pub fn open(keys: &KeyRing, binding: Binding<'_>, text: &str, now: UnixMs) -> Result<Self, RpcError> {
        let refused = || {
            RpcError::invalid_params(
                "This `requestState` does not belong to this request or is too old. Begin the request anew.",
            )
        };
        if text.len() > REQUEST_STATE_BYTES_MAX {
            return Err(refused());
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| refused())?;
        let opened = keys
            .open(Purpose::RequestState, Scope::User(binding.user), &binding.data(), &sealed)
            .map_err(|CannotOpen| refused())?;
        let state: Self = serde_json::from_slice(&opened.plaintext).map_err(|_| refused())?;
        if state.expires_at <= now { Err(refused()) } else { Ok(state) }
    }
}

/// What a request brings from an earlier round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumption {
    /// The answers.
    pub answers: Answers,
    /// The state, still sealed.
    pub state: Option<String>,
}

/// Reads `inputResponses` and `requestState` from a request's parameters.
///
/// # Errors
/// `-32602` when they are not an object and a string, or too large.
pub fn read(params: Option<&RawValue>) -> Result<Resumption, RpcError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        #[serde(default, borrow)]
        input_responses: Option<&'a RawValue>,
        #[serde(default)]
        request_state: Option<String>,
    }
    let Some(raw) = params else { return Ok(Resumption::default()) };
    let wrong = |what: &str| RpcError::invalid_params(what.to_owned());
    let params: Params<'_> =
        serde_json::from_str(raw.get()).map_err(|_| wrong("The member `requestState` must be a string."))?;
    let answers = match params.input_responses {
        None => Answers::default(),
        Some(raw) if raw.get().len() > INPUT_RESPONSES_BYTES_MAX => {
            return Err(wrong("The member `inputResponses` is too large."));
        }
        Some(raw) => serde_json::from_str(raw.get())
            .map_err(|_| wrong("The member `inputResponses` must be an object of answers."))?,
    };
    Ok(Resumption { answers, state: params.request_state })
}

/// The questions as results have them.
pub(super) fn requests(questions: &Questions) -> Value {
    let requests: Map<String, Value> = questions
        .iter()
        .map(|(name, question)| {
            ((*name).to_owned(), json!({ "method": question.method(), "params": question.params() }))
        })
        .collect();
    Value::Object(requests)
}

/// The result that asks the client.
#[must_use]
pub fn input_required(questions: &Questions, state: &str) -> Value {
    json!({
        "resultType": "input_required",
        "inputRequests": requests(questions),
        "requestState": state,
        "_meta": result_meta(),
    })
}

#[cfg(test)]
mod tests;
