//! The tools and resources: what clients see of them, and the work of each as a plan of Graph calls.
//!
//! What holds here: a plan is a small machine without I/O. It says which call comes next, reads each answer, and
//! says how to find out about a call whose answer was lost. It never retries, waits or stores: the queue and the
//! ledger of the user's object do that for all tools alike.

pub mod arguments;
pub mod authenticate;
pub mod call_linked_app;
pub mod catalogue;
mod collection;
pub mod completion;
mod confirm;
pub mod create_event;
pub mod create_meeting;
pub mod error;
mod event;
pub mod get_calendar_events;
pub mod get_contacts;
pub mod get_emails;
pub mod item;
mod mailbox_zone;
mod message;
pub mod plan;
pub mod resource;
pub mod search_emails;
pub mod send_email;
pub mod send_teams_message;
#[cfg(test)]
mod testing;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use catalogue::{Target, Tool};
pub use confirm::DECLINED;
pub use error::{Fault, ToolError};
pub use plan::{Plan, Planned};
pub use resource::Resource;

use crate::ids::RequestId;
use crate::linked_app::LinkedApp;
use crate::mcp::envelope::ClientCapabilities;
use crate::mcp::mrtr::Answers;
use crate::outbound::GraphCall;
use crate::policy::Policy;
use crate::time::UnixMs;
use crate::zones::Zones;

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
    /// An event is being created, recognisable by the operation's property.
    CreateEvent {
        /// The calendar, encoded as a segment; none for the default one.
        calendar: Option<String>,
    },
    /// A meeting without an event is being created under the operation's identifier.
    CreateMeeting,
    /// A message is being posted to Teams, which keeps nothing of ours to recognise it by.
    PostMessage,
    /// A linked app is being called, of which nothing is known by which to find out.
    CallApp,
}

/// What looking into a lost write found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One more call is needed to find out. It changes nothing, or nothing that was not asked for.
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

/// What a plan may know of its surroundings.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The request that the tool serves; writes carry it, so that they can be recognised.
    pub request: RequestId,
    /// The Graph permissions that the person granted; none without a connected account.
    pub granted: Option<&'a [String]>,
    /// The time.
    pub now: UnixMs,
    /// The rules of the time zones.
    pub zones: Zones,
    /// What the client answered to questions of earlier rounds.
    pub answers: &'a Answers,
    /// What the client can be asked for now.
    pub client: ClientCapabilities,
    /// What has to be confirmed.
    pub policy: &'a Policy,
    /// The applications that may be called.
    pub linked_apps: &'a [LinkedApp],
    /// The link under which the person connects a Microsoft account, where the client cannot sign in.
    pub connect_link: Option<&'a str>,
}

/// Whether a permission is among those that Microsoft granted. Names are compared without case, as Microsoft does.
#[must_use]
pub fn is_granted(granted: &[String], permission: &str) -> bool {
    granted
        .iter()
        .any(|granted| granted.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case(permission)))
}

impl Surroundings<'_> {
    /// Whether Microsoft granted a permission.
    #[must_use]
    pub fn has_granted(&self, permission: &str) -> bool {
        is_granted(self.granted.unwrap_or_default(), permission)
    }

    /// Refuses when none of these permissions, each of which suffices, was granted.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that names the first of them.
    pub fn require(&self, any_of: &[&'static str]) -> Result<(), ToolError> {
        match any_of.first() {
            Some(first) if !any_of.iter().any(|permission| self.has_granted(permission)) => {
                Err(ToolError::permission_missing(first))
            }
            _ => Ok(()),
        }
    }
}
