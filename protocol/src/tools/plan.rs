//! A request at work: one machine for each tool and resource, behind one face for the user's object.
//!
//! What holds here: reads and writes are kept apart, because only a write has an intent to remember, can be lost, and
//! has to be looked into. A new tool is a type with one of the two traits, and a line in [`Plan::make`].

use serde_json::{Map, Value};

use super::authenticate::Authenticate;
use super::completion::{Complete, Completing};
use super::condensed::condensed;
use super::forgotten::Forgotten;
use super::item::ReadItem;
use super::mail::{self, FoldersOff};
use super::resource::ReadResource;
use super::screened::screened;
use super::{
    Finished, Found, Resource, Step, Surroundings, Target, Tool, ToolError, WriteIntent, authenticate,
    calendar, call_linked_app, files, people, teams, todo,
};
use crate::ids::RequestId;
use crate::linked_app::AppCall;
use crate::mcp::mrtr::Questions;
use crate::outbound::{Answer, CallResult, GraphCall, Lost};
use crate::policy::Policy;

/// A plan that only reads.
pub trait Reading: std::fmt::Debug {
    /// The call that it waits for, to be sent for the first time or again.
    fn call(&self) -> GraphCall;

    /// Reads the successful answer of the current call and goes on.
    ///
    /// # Errors
    /// A [`ToolError`] when the answer is not what Microsoft documents.
    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError>;

    /// Whether it takes so many calls that its client may rather fetch the outcome later.
    fn is_long(&self) -> bool {
        false
    }

    /// Takes a refusal of the current call for an answer, where it is one; none where it ends the call.
    fn took_refusal(&mut self, _refusal: &Answer) -> Option<Step> {
        None
    }

    /// Reads an answer in which there are several; see [`Plan::opened`].
    fn opened(&mut self, answer: Answer) -> Answer {
        answer
    }

    /// Goes on after the current call, which asked a model; see [`Plan::heard_of_model`].
    fn heard_of_model(&mut self, _result: &CallResult) -> Option<Step> {
        None
    }

    /// What was found out that other calls need not find out again; see [`Plan::learnt`].
    fn learnt(&mut self) -> Option<FoldersOff> {
        None
    }
}

/// A plan that changes something.
pub trait Writing: std::fmt::Debug {
    /// As [`Reading::call`].
    fn call(&self) -> GraphCall;

    /// As [`Reading::answered`].
    ///
    /// # Errors
    /// A [`ToolError`] when the answer is not what Microsoft documents.
    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError>;

    /// As [`Reading::took_refusal`].
    fn took_refusal(&mut self, _refusal: &Answer) -> Option<Step> {
        None
    }

    /// Reads an answer in which there are several; see [`Plan::opened`].
    fn opened(&mut self, answer: Answer) -> Answer {
        answer
    }

    /// As [`Reading::learnt`].
    fn learnt(&mut self) -> Option<FoldersOff> {
        None
    }

    /// What must be durable before [`Writing::call`] leaves; none while the plan only reads what it needs to know.
    fn intent(&self) -> Option<WriteIntent>;

    /// Bytes of content that are kept to be sent again.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Begins to find out about the current write, whose answer was lost.
    fn look_into(&mut self) -> Found;

    /// Looks once more, after a look that showed nothing; see [`Plan::look_again`].
    fn look_again(&mut self, _still_wanted: bool) -> Found {
        Found::Look(self.call())
    }

    /// Reads what a look showed: any answer, also a refusal such as 404.
    fn looked(&mut self, answer: &Answer) -> Found;

    /// Whether a refusal of the current call must be looked into, because an earlier answer to it was lost.
    fn refused(&mut self) -> Option<Found> {
        None
    }

    /// What is left at Microsoft if the plan ends here without its effect, as a sentence.
    fn left_behind(&self) -> Option<&'static str> {
        None
    }

    /// How far a long upload has come; none while the plan uploads nothing.
    fn progress(&self) -> Option<Progress> {
        None
    }

    /// What to say if the outcome stays unknown.
    fn outcome_unknown(&self) -> ToolError;

    /// What its person has to see and to agree to before it begins; none where the policy demands nothing.
    fn to_confirm(&self, _policy: &Policy, _arguments: &Map<String, Value>) -> Option<String> {
        None
    }
}

/// How far an upload has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that Microsoft has taken.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// A tool or resource at work.
#[derive(Debug)]
pub enum Plan {
    /// It changes nothing.
    Read(Box<dyn Reading>),
    /// It changes something.
    Write(Box<dyn Writing>),
}

/// What became of a request's arguments.
#[derive(Debug)]
pub enum Planned {
    /// There are calls to make.
    Work(Box<Plan>),
    /// Nothing has to be asked of Microsoft.
    Done(Finished),
    /// The client has to be asked first; the plan is made again with its answers.
    Ask(Questions),
    /// A linked app is to be called.
    Linked(Box<AppCall>),
    /// It speaks with its client and with nobody else.
    #[cfg(feature = "conformance")]
    Talk(Vec<crate::fixtures::Act>),
}

impl Planned {
    pub(super) fn read(plan: impl Reading + 'static) -> Self {
        Self::Work(Box::new(Plan::Read(Box::new(plan))))
    }

    pub(super) fn write(plan: impl Writing + 'static) -> Self {
        Self::Work(Box::new(Plan::Write(Box::new(plan))))
    }
}

impl Plan {
    /// Checks the arguments of a target and makes its plan. A resource by template has its URI as the argument `uri`,
    /// and the same without handles as `expandedUri`.
    ///
    /// # Errors
    /// A [`ToolError`] of the caller's fault that says which argument to change and how, or of the account's that names
    /// the permission that is missing.
    pub fn make(
        target: Target,
        arguments: &Map<String, Value>,
        around: Surroundings<'_>,
    ) -> Result<Planned, ToolError> {
        let is_connected = around.granted.is_some();
        match target {
            Target::Prompt(prompt) => {
                if let Some(folder) = arguments.get("folder").and_then(Value::as_str) {
                    around.policy.folders.check(folder.trim())?;
                }
                Ok(Planned::Done(Finished::new(prompt.result(arguments))))
            }
            #[cfg(feature = "conformance")]
            Target::Fixture(fixture) => Ok(Planned::Talk(fixture.acts(arguments, around.answers))),
            Target::Tool(Tool::Authenticate) if !is_connected => {
                Authenticate::new(arguments, around).map(|_| authenticate::unconnected(around))
            }
            // It concerns Access and not Microsoft.
            Target::Tool(tool @ Tool::CallLinkedApp) => Self::of_tool(tool, arguments, around),
            _ if !is_connected => Err(ToolError::sign_in_again()),
            Target::Resource(resource) if Resource::TEMPLATES.contains(&resource) => {
                let text = |name: &str| arguments.get(name).and_then(Value::as_str);
                let uri = text("uri").unwrap_or_default();
                let plan = ReadItem::new(resource, uri, text("expandedUri").unwrap_or(uri), around)?;
                match resource {
                    Resource::Message => mail::guarded(None, Planned::read(plan), &Map::new(), around),
                    _ => Ok(Planned::read(plan)),
                }
            }
            // They show what a tool shows without arguments.
            Target::Resource(Resource::Inbox) => Self::of_tool(Tool::GetEmails, &Map::new(), around),
            Target::Resource(Resource::Upcoming) => {
                Self::of_tool(Tool::GetCalendarEvents, &Map::new(), around)
            }
            Target::Resource(resource) => ReadResource::new(resource, around).map(Planned::read),
            Target::Completion(completion) => {
                Complete::begin(completion, arguments, around).map(|begun| match begun {
                    Completing::Ask(plan) => Planned::read(plan),
                    Completing::Known(finished) => Planned::Done(finished),
                })
            }
            Target::Tool(tool) => {
                let planned =
                    condensed(tool, arguments, around, |values| Self::of_tool(tool, values, around))?;
                screened(tool, planned, arguments, around)
            }
        }
    }

    fn of_tool(
        tool: Tool,
        arguments: &Map<String, Value>,
        around: Surroundings<'_>,
    ) -> Result<Planned, ToolError> {
        match tool {
            Tool::Authenticate => Authenticate::new(arguments, around)
                .map(|plan| plan.at_once().map_or_else(|| Planned::read(plan), Planned::Done)),
            Tool::GetEmails
            | Tool::SearchEmails
            | Tool::ReadEmail
            | Tool::ListMailFolders
            | Tool::GetAttachment
            | Tool::CheckRecipients
            | Tool::SendEmail
            | Tool::ReplyEmail
            | Tool::DraftEmail
            | Tool::OrganizeEmail => mail::plan(tool, arguments, around),
            Tool::GetCalendarEvents
            | Tool::ReadEvent
            | Tool::ListCalendars
            | Tool::FindTimes
            | Tool::CreateCalendarEvent
            | Tool::UpdateCalendarEvent
            | Tool::RespondToEvent
            | Tool::CancelEvent => calendar::plan(tool, arguments, around),
            Tool::ListTeams
            | Tool::ListChats
            | Tool::ReadTeamsMessages
            | Tool::SendTeamsMessage
            | Tool::CreateTeamsMeeting => teams::plan(tool, arguments, around),
            Tool::GetContacts | Tool::GetPerson => people::plan(tool, arguments, around),
            Tool::SearchFiles | Tool::ListFiles | Tool::ReadFile | Tool::UploadFile | Tool::ShareFile => {
                files::plan(tool, arguments, around)
            }
            Tool::ListTasks | Tool::SaveTask => todo::plan(tool, arguments, around),
            Tool::CallLinkedApp => call_linked_app::plan(arguments, around.linked_apps),
        }
    }

    /// A plan that finds out about a write whose request is gone, from what was remembered of it; none where nobody can.
    #[must_use]
    pub fn recovered(intent: WriteIntent, request: RequestId) -> Option<Self> {
        Some(Self::Write(match intent {
            WriteIntent::CreateDraft
            | WriteIntent::SendDraft { .. }
            | WriteIntent::SendMail
            | WriteIntent::KeepDraft
            | WriteIntent::FillDraft
            | WriteIntent::ChangeMessages => mail::recovered(intent, request),
            WriteIntent::CreateEvent { .. } | WriteIntent::ChangeEvent { .. } => {
                calendar::recovered(intent, request)
            }
            WriteIntent::CreateMeeting | WriteIntent::PostMessage => teams::recovered(&intent, request),
            WriteIntent::ChangeItem => Box::new(Forgotten),
            WriteIntent::CallApp => return None,
        }))
    }

    /// The call that the plan is waiting for, to be sent for the first time or again.
    #[must_use]
    pub fn call(&self) -> GraphCall {
        match self {
            Self::Read(plan) => plan.call(),
            Self::Write(plan) => plan.call(),
        }
    }

    /// Whether it takes so many calls that its client may rather fetch the outcome later, as that of a task.
    #[must_use]
    pub fn is_long(&self) -> bool {
        match self {
            Self::Read(plan) => plan.is_long(),
            Self::Write(_) => false,
        }
    }

    /// What must be durable before [`Plan::call`] leaves; `None` for reads.
    #[must_use]
    pub fn intent(&self) -> Option<WriteIntent> {
        match self {
            Self::Read(_) => None,
            Self::Write(plan) => plan.intent(),
        }
    }

    /// Takes what it can from an answer in which there are several, and yields the one to decide by: the refusal that
    /// stands against the rest, with the longest wait of all; or the answer as it came. [`Plan::call`] is then about the
    /// rest alone.
    pub fn opened(&mut self, answer: Answer) -> Answer {
        match self {
            Self::Read(plan) => plan.opened(answer),
            Self::Write(plan) => plan.opened(answer),
        }
    }

    /// Goes on after a call in the lane [`Lane::Model`](crate::outbound::Lane::Model), however it ended: whoever asks a
    /// model can do without its answer. None where the current call is no such call.
    pub fn heard_of_model(&mut self, result: &CallResult) -> Option<Step> {
        match self {
            Self::Read(plan) => plan.heard_of_model(result),
            Self::Write(_) => None,
        }
    }

    /// The folders of a mailbox that are out of reach, where this plan found them; they are told once.
    pub fn learnt(&mut self) -> Option<FoldersOff> {
        match self {
            Self::Read(plan) => plan.learnt(),
            Self::Write(plan) => plan.learnt(),
        }
    }

    /// Reads the successful answer of the current call and goes on.
    ///
    /// # Errors
    /// A [`ToolError`] when the answer is not what Microsoft documents.
    pub fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self {
            Self::Read(plan) => plan.answered(answer),
            Self::Write(plan) => plan.answered(answer),
        }
    }

    /// Takes a refusal of the current call for an answer, such as that one of several items is not there; none where it
    /// ends the whole.
    pub fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        match self {
            Self::Read(plan) => plan.took_refusal(refusal),
            Self::Write(plan) => plan.took_refusal(refusal),
        }
    }

    /// Bytes of content that the plan holds: what the current call sends, and while it is looked into what may have to be
    /// sent again.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let content = match self {
            Self::Read(_) => 0,
            Self::Write(plan) => plan.held_bytes(),
        };
        self.call().held_bytes().max(content)
    }

    /// Whether a refusal of the current call must be looked into, because an earlier answer to it was lost.
    pub fn refused(&mut self) -> Option<Found> {
        match self {
            Self::Read(_) => None,
            Self::Write(plan) => plan.refused(),
        }
    }

    /// Begins to find out about the current write, whose answer was lost.
    pub fn look_into(&mut self) -> Found {
        match self {
            Self::Read(plan) => Found::Look(plan.call()),
            // What was lost while it only read can simply be read again.
            Self::Write(plan) if plan.intent().is_none() => Found::Look(plan.call()),
            Self::Write(plan) => plan.look_into(),
        }
    }

    /// Looks once more, after a look that showed nothing. `still_wanted` says whether somebody waits for the outcome: a
    /// write that would take effect only now would surprise a person who was told that it may be lost.
    pub fn look_again(&mut self, still_wanted: bool) -> Found {
        match self {
            Self::Read(plan) => Found::Look(plan.call()),
            Self::Write(plan) => plan.look_again(still_wanted),
        }
    }

    /// What is left at Microsoft if the plan ends here without its effect, as a sentence.
    #[must_use]
    pub fn left_behind(&self) -> Option<&'static str> {
        match self {
            Self::Read(_) => None,
            Self::Write(plan) => plan.left_behind(),
        }
    }

    /// How far a long upload has come; none while it uploads nothing.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        match self {
            Self::Read(_) => None,
            Self::Write(plan) => plan.progress(),
        }
    }

    /// What to say of a write whose outcome stays unknown.
    #[must_use]
    pub fn outcome_unknown(&self) -> ToolError {
        match self {
            Self::Read(_) => ToolError::lost_read(Lost::Timeout),
            Self::Write(plan) => plan.outcome_unknown(),
        }
    }

    /// Reads what a look into a lost write showed: any answer, also a refusal such as 404.
    pub fn looked(&mut self, answer: &Answer) -> Found {
        match self {
            Self::Read(_) => Found::NotYetKnown,
            Self::Write(plan) => plan.looked(answer),
        }
    }
}
