//! The tools: what clients see of them, and each tool's work as a plan of Graph calls.
//!
//! What holds here: a plan is a small machine without I/O. It says which call comes next, reads each answer, and
//! says how to find out about a call whose answer was lost. It never retries, waits or stores: the queue and the
//! ledger of the user's object do that for all tools alike.

pub mod arguments;
pub mod catalogue;
pub mod error;
pub mod get_emails;
pub mod send_email;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use catalogue::{Tool, catalogue};
pub use error::{Fault, ToolError};

use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall};

/// What a plan wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this call and come back with its answer.
    Call(GraphCall),
    /// The tool is done.
    Done(Finished),
}

/// A tool's successful outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// The structured result, which the tool's output schema describes.
    pub structured: Value,
}

impl Finished {
    /// The same as text, for clients that read no structured results.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(&self.structured).unwrap_or_default()
    }
}

/// What is remembered durably of a write that is under way, so that its outcome can be found out after a crash.
/// It holds identifiers and no content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteIntent {
    /// A draft is being created; nothing was sent.
    CreateDraft,
    /// The draft with this identifier is being sent.
    SendDraft {
        /// The draft's immutable identifier.
        draft: String,
    },
    /// A mail is being sent in one call, recognisable only by the operation's property.
    SendMail,
}

/// What looking into a lost write found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One more call is needed to find out.
    Look(GraphCall),
    /// The write took no effect and can safely go on with this call.
    Resume(GraphCall),
    /// The write took effect.
    Happened(Finished),
    /// The write took no effect; the sentence says in which state things are.
    DidNotHappen(ToolError),
    /// It cannot be found out yet.
    NotYetKnown,
    /// It will never be found out: Microsoft does not let this account look.
    NeverKnown,
}

/// A tool at work.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// `getEmails`
    GetEmails(get_emails::GetEmails),
    /// `sendEmail`
    SendEmail(send_email::SendEmail),
}

/// What a plan may know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The request that the tool serves; writes carry it, so that they can be recognised.
    pub request: RequestId,
    /// The Graph permissions that the person granted.
    pub granted: &'a [String],
}

impl Surroundings<'_> {
    /// Whether Microsoft granted a permission. Names are compared without case, as Microsoft does.
    #[must_use]
    pub fn has_granted(&self, permission: &str) -> bool {
        self.granted.iter().any(|granted| {
            granted.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(permission))
        })
    }
}

impl Plan {
    /// Checks the arguments of a tool and makes its plan.
    ///
    /// # Errors
    /// A [`ToolError`] of the caller's fault that says which argument to change and how.
    pub fn new(
        tool: Tool,
        arguments: &Map<String, Value>,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ToolError> {
        match tool {
            Tool::GetEmails => get_emails::GetEmails::new(arguments).map(Self::GetEmails),
            Tool::SendEmail => send_email::SendEmail::new(arguments, surroundings).map(Self::SendEmail),
        }
    }

    /// A plan that finds out about a write whose request is gone, from what was remembered of it.
    #[must_use]
    pub fn recovered(intent: WriteIntent, request: RequestId) -> Self {
        Self::SendEmail(send_email::SendEmail::recovered(intent, request))
    }

    /// The call that the plan is waiting for, to be sent for the first time or again.
    #[must_use]
    pub fn call(&self) -> GraphCall {
        match self {
            Self::GetEmails(plan) => plan.call(),
            Self::SendEmail(plan) => plan.call(),
        }
    }

    /// What must be durable before [`Plan::call`] leaves; `None` for reads.
    #[must_use]
    pub fn intent(&self) -> Option<WriteIntent> {
        match self {
            Self::GetEmails(_) => None,
            Self::SendEmail(plan) => plan.intent(),
        }
    }

    /// Reads the successful answer of the current call and goes on.
    ///
    /// # Errors
    /// A [`ToolError`] when the answer is not what Microsoft documents.
    pub fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self {
            Self::GetEmails(plan) => plan.answered(answer),
            Self::SendEmail(plan) => plan.answered(answer),
        }
    }

    /// Whether a refusal of the current call must be looked into, because an earlier answer to it was lost.
    pub fn refused(&mut self) -> Option<Found> {
        match self {
            Self::GetEmails(_) => None,
            Self::SendEmail(plan) => plan.refused(),
        }
    }

    /// Begins to find out about the current write, whose answer was lost.
    pub fn look_into(&mut self) -> Found {
        match self {
            Self::GetEmails(plan) => Found::Look(plan.call()),
            Self::SendEmail(plan) => plan.look_into(),
        }
    }

    /// What to say of a write whose outcome stays unknown.
    #[must_use]
    pub fn outcome_unknown(&self) -> ToolError {
        match self {
            Self::GetEmails(_) => ToolError::lost_read(crate::outbound::Lost::Timeout),
            Self::SendEmail(_) => send_email::unknown(),
        }
    }

    /// Reads what a look into a lost write showed: any answer, also a refusal such as 404.
    pub fn looked(&mut self, answer: &Answer) -> Found {
        match self {
            Self::GetEmails(_) => Found::NotYetKnown,
            Self::SendEmail(plan) => plan.looked(answer),
        }
    }
}
