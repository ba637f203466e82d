//! The tools and resources: what clients see of them, and the work of each as a plan of Graph calls.
//!
//! What holds here: a plan is a small machine without I/O. It says which call comes next, reads each answer, and
//! says how to find out about a call whose answer was lost. It never retries, waits or stores: the queue and the
//! ledger of the user's object do that for all tools alike.

pub mod arguments;
pub mod authenticate;
mod batch;
mod budget;
mod calendar;
pub mod call_linked_app;
pub mod catalogue;
mod collection;
pub mod completion;
mod condensed;
mod confirm;
pub mod cursor;
pub mod error;
mod files;
mod forgotten;
mod gated;
pub mod handles;
pub mod item;
mod mail;
pub mod mailbox_zone;
mod people;
pub mod plan;
pub mod resource;
mod screened;
mod target;
mod teams;
#[cfg(test)]
mod testing;
mod todo;
pub mod toolset;
mod untrusted;

use compute::json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use budget::Continuation;
pub use catalogue::Tool;
pub use confirm::DECLINED;
pub use error::{Fault, ToolError};
pub use mail::FoldersOff;
pub use plan::{Plan, Planned};
pub use resource::Resource;
pub use target::Target;
pub use toolset::{Offer, Toolsets};

use crate::ids::RequestId;
use crate::linked_app::LinkedApp;
use crate::mcp::envelope::ClientCapabilities;
use crate::mcp::mrtr::Answers;
use crate::outbound::GraphCall;
use crate::policy::Policy;
use crate::time::UnixMs;
use crate::zones::{Zone, Zones};

/// What a plan wants next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this call and come back with its answer.
    Call(GraphCall),
    /// The tool is done.
    Done(Finished),
}

/// A tool's successful outcome.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finished {
    /// The structured result, which the tool's output schema describes.
    pub structured: Value,
    /// Who wrote what is in it, if not this server and its person.
    pub written_by: Option<&'static str>,
    /// Where it goes on, if it was cut.
    pub goes_on: Option<Continuation>,
    /// The zone in which its times are wanted, if not the mailbox's.
    pub zone: Option<Box<Zone>>,
    /// What stands before and behind the text, once it is dressed.
    fence: Option<(String, String)>,
}

impl Finished {
    /// A result that nobody outside wrote a part of.
    #[must_use]
    pub fn new(structured: Value) -> Self {
        Self { structured, ..Self::default() }
    }

    /// A result with parts that others wrote, and whom they are by.
    #[must_use]
    pub fn from_outside(structured: Value, written_by: &'static str) -> Self {
        Self { written_by: Some(written_by), ..Self::new(structured) }
    }

    /// The same, cut where it goes on.
    #[must_use]
    pub fn going_on(mut self, goes_on: Option<Continuation>) -> Self {
        self.goes_on = goes_on;
        self
    }

    /// The result as it leaves: without characters that nobody sees, marked with where it comes from and where it goes
    /// on, and fenced under a fresh `nonce`.
    #[must_use]
    pub fn dressed(mut self, cursor: Option<String>, nonce: [u8; 8]) -> Self {
        untrusted::clean(&mut self.structured);
        if let Some(members) = self.structured.as_object_mut() {
            if self.goes_on.is_some() {
                members.insert("truncated".to_owned(), true.into());
            }
            if let Some(cursor) = cursor {
                members.insert("nextCursor".to_owned(), cursor.into());
            }
            if let Some(written_by) = self.written_by {
                members.insert("untrusted".to_owned(), written_by.into());
            }
        }
        self.fence = self.written_by.map(|written_by| untrusted::fence(nonce, written_by));
        self
    }

    /// What clients are told that read no structured results: the result alone, as text, or between two marks.
    #[must_use]
    pub fn texts<'a>(&'a self, alone: &'a str) -> Vec<&'a str> {
        match &self.fence {
            Some((begin, end)) => vec![begin, alone, end],
            None => vec![alone],
        }
    }

    /// The result alone as text.
    #[must_use]
    pub fn text(&self) -> String {
        json::text(&self.structured)
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
    /// A draft is being created that stays one.
    KeepDraft,
    /// A draft is being created and gets its attachments one after the other; nothing was sent.
    FillDraft,
    /// Messages are being moved or marked. Doing it again changes nothing.
    ChangeMessages,
    /// A task or a file is being made, changed or shared, which keeps nothing of ours to recognise it by.
    ChangeItem,
    /// An event is being changed, answered or called off, which gives it another version.
    ChangeEvent {
        /// The event, encoded as a segment.
        event: String,
        /// Its version before.
        version: String,
        /// Whether it is gone from the calendar afterwards.
        ends: bool,
    },
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
    /// The zone of the person's mailbox, if it was read lately.
    pub mailbox_zone: Option<&'a Zone>,
    /// The folders of mailboxes that are out of reach, and when they were read.
    pub folders_off: &'a [(FoldersOff, UnixMs)],
    /// What the client answered to questions of earlier rounds.
    pub answers: &'a Answers,
    /// What the client can be asked for now.
    pub client: ClientCapabilities,
    /// What has to be confirmed, and what is not allowed.
    pub policy: &'a Policy,
    /// The digest of the tool and its arguments ([`cursor::query_of`]).
    pub query: [u8; 32],
    /// Where an earlier answer was cut, if the call goes on with it.
    pub resume: Option<&'a Continuation>,
    /// The applications that may be called.
    pub linked_apps: &'a [LinkedApp],
    /// The name of the model that condenses long texts, where operators named one.
    pub condense_route: Option<&'a str>,
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
