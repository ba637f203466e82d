//! A request at work: one machine for each tool and resource, behind one face for the user's object.
//!
//! What holds here: reads and writes are kept apart, because only a write has an intent to remember, can be lost, and
//! has to be looked into.

use serde_json::{Map, Value};

use super::authenticate::Authenticate;
use super::completion::{Complete, Completing};
use super::create_meeting::CreateMeeting;
use super::event::CreateEvent;
use super::get_calendar_events::GetCalendarEvents;
use super::get_contacts::GetContacts;
use super::get_emails::GetEmails;
use super::item::ReadItem;
use super::resource::ReadResource;
use super::search_emails::SearchEmails;
use super::send_email::SendEmail;
use super::send_teams_message::SendTeamsMessage;
use super::{
    Finished, Found, Resource, Step, Surroundings, Target, Tool, ToolError, WriteIntent, authenticate,
    call_linked_app, confirm, create_event, create_meeting,
};
use crate::ids::RequestId;
use crate::linked_app::AppCall;
use crate::mcp::mrtr::Questions;
use crate::outbound::{Answer, GraphCall, Lost};

/// A tool or resource at work.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// It changes nothing.
    Read(Reading),
    /// It changes something.
    Write(Writing),
}

/// A plan that only reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// `authenticate`
    Authenticate(Authenticate),
    /// `getEmails`
    GetEmails(GetEmails),
    /// `searchEmails`
    SearchEmails(SearchEmails),
    /// `getCalendarEvents`
    GetCalendarEvents(GetCalendarEvents),
    /// `getContacts`
    GetContacts(GetContacts),
    /// A resource.
    Resource(ReadResource),
    /// A resource by template.
    Item(ReadItem),
    /// A completion.
    Complete(Complete),
}

/// A plan that writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Writing {
    /// `sendEmail`
    SendEmail(SendEmail),
    /// `createCalendarEvent`, and `createTeamsMeeting` with a place in the calendar
    CreateEvent(CreateEvent),
    /// `createTeamsMeeting` without one
    CreateMeeting(CreateMeeting),
    /// `sendTeamsMessage`
    SendTeamsMessage(SendTeamsMessage),
}

/// What became of a request's arguments.
#[derive(Clone, Debug, PartialEq)]
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

impl Reading {
    fn call(&self) -> GraphCall {
        match self {
            Self::Authenticate(plan) => plan.call(),
            Self::GetEmails(plan) => plan.call(),
            Self::SearchEmails(plan) => plan.call(),
            Self::GetCalendarEvents(plan) => plan.call(),
            Self::GetContacts(plan) => plan.call(),
            Self::Resource(plan) => plan.call(),
            Self::Item(plan) => plan.call(),
            Self::Complete(plan) => plan.call(),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self {
            Self::Authenticate(plan) => plan.answered(answer),
            Self::GetEmails(plan) => plan.answered(answer),
            Self::SearchEmails(plan) => plan.answered(answer),
            Self::GetCalendarEvents(plan) => plan.answered(answer),
            Self::GetContacts(plan) => plan.answered(answer),
            Self::Resource(plan) => plan.answered(answer),
            Self::Item(plan) => plan.answered(answer),
            Self::Complete(plan) => plan.answered(answer),
        }
    }
}

impl Plan {
    /// Checks the arguments of a target and makes its plan. A resource by template has its URI as the argument `uri`.
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
            Target::Prompt(prompt) => Ok(Planned::Done(Finished { structured: prompt.result(arguments) })),
            #[cfg(feature = "conformance")]
            Target::Fixture(fixture) => Ok(Planned::Talk(fixture.acts(arguments, around.answers))),
            Target::Tool(Tool::Authenticate) if !is_connected => {
                Authenticate::new(arguments, around).map(|_| authenticate::unconnected(around))
            }
            // It concerns Access and not Microsoft.
            Target::Tool(tool @ Tool::CallLinkedApp) => Self::of_tool(tool, arguments, around),
            _ if !is_connected => Err(ToolError::sign_in_again()),
            Target::Resource(resource) if Resource::TEMPLATES.contains(&resource) => {
                let uri = arguments.get("uri").and_then(Value::as_str).unwrap_or_default();
                ReadItem::new(resource, uri, around).map(|plan| Self::reading(Reading::Item(plan)))
            }
            // They show what a tool shows without arguments.
            Target::Resource(Resource::Inbox) => Self::of_tool(Tool::GetEmails, &Map::new(), around),
            Target::Resource(Resource::Upcoming) => {
                Self::of_tool(Tool::GetCalendarEvents, &Map::new(), around)
            }
            Target::Resource(resource) => {
                ReadResource::new(resource, around).map(|plan| Self::reading(Reading::Resource(plan)))
            }
            Target::Completion(completion) => {
                Complete::begin(completion, arguments, around).map(|begun| match begun {
                    Completing::Ask(plan) => Self::reading(Reading::Complete(plan)),
                    Completing::Known(finished) => Planned::Done(finished),
                })
            }
            Target::Tool(tool) => Self::of_tool(tool, arguments, around),
        }
    }

    fn reading(reading: Reading) -> Planned {
        Planned::Work(Box::new(Self::Read(reading)))
    }

    fn of_tool(
        tool: Tool,
        arguments: &Map<String, Value>,
        around: Surroundings<'_>,
    ) -> Result<Planned, ToolError> {
        let read = Self::reading;
        let write = |writing: Writing| Planned::Work(Box::new(Self::Write(writing)));
        match tool {
            Tool::Authenticate => Authenticate::new(arguments, around)
                .map(|plan| plan.at_once().map_or(read(Reading::Authenticate(plan)), Planned::Done)),
            Tool::GetEmails => GetEmails::new(arguments, around).map(Reading::GetEmails).map(read),
            Tool::SearchEmails => SearchEmails::new(arguments, around).map(Reading::SearchEmails).map(read),
            Tool::GetCalendarEvents => {
                GetCalendarEvents::new(arguments, around).map(Reading::GetCalendarEvents).map(read)
            }
            Tool::GetContacts => GetContacts::new(arguments, around).map(Reading::GetContacts).map(read),
            Tool::SendEmail => {
                confirm::before(Writing::SendEmail(SendEmail::new(arguments, around)?), arguments, around)
            }
            Tool::CallLinkedApp => call_linked_app::plan(arguments, around.linked_apps),
            Tool::CreateCalendarEvent => create_event::new(arguments, around).map(write),
            Tool::CreateTeamsMeeting => create_meeting::new(arguments, around).map(write),
            Tool::SendTeamsMessage => {
                let message = SendTeamsMessage::new(arguments, around)?;
                confirm::before(Writing::SendTeamsMessage(message), arguments, around)
            }
        }
    }

    /// A plan that finds out about a write whose request is gone, from what was remembered of it; none where nobody can.
    #[must_use]
    pub fn recovered(intent: WriteIntent, request: RequestId) -> Option<Self> {
        Some(Self::Write(match intent {
            WriteIntent::CreateDraft | WriteIntent::SendDraft { .. } | WriteIntent::SendMail => {
                Writing::SendEmail(SendEmail::recovered(intent, request))
            }
            WriteIntent::CreateEvent { calendar } => {
                Writing::CreateEvent(CreateEvent::recovered(calendar, request))
            }
            WriteIntent::CreateMeeting => Writing::CreateMeeting(CreateMeeting::recovered(request)),
            WriteIntent::PostMessage => Writing::SendTeamsMessage(SendTeamsMessage::recovered()),
            WriteIntent::CallApp => return None,
        }))
    }

    /// The call that the plan is waiting for, to be sent for the first time or again.
    #[must_use]
    pub fn call(&self) -> GraphCall {
        match self {
            Self::Read(reading) => reading.call(),
            Self::Write(Writing::SendEmail(plan)) => plan.call(),
            Self::Write(Writing::CreateEvent(plan)) => plan.call(),
            Self::Write(Writing::CreateMeeting(plan)) => plan.call(),
            Self::Write(Writing::SendTeamsMessage(plan)) => plan.call(),
        }
    }

    /// Whether it takes so many calls that its client may rather fetch the outcome later, as that of a task.
    #[must_use]
    pub const fn is_long(&self) -> bool {
        matches!(self, Self::Read(Reading::SearchEmails(plan)) if plan.is_long())
    }

    /// What must be durable before [`Plan::call`] leaves; `None` for reads.
    #[must_use]
    pub fn intent(&self) -> Option<WriteIntent> {
        match self {
            Self::Read(_) => None,
            Self::Write(Writing::SendEmail(plan)) => plan.intent(),
            Self::Write(Writing::CreateEvent(plan)) => plan.intent(),
            Self::Write(Writing::CreateMeeting(plan)) => plan.intent(),
            Self::Write(Writing::SendTeamsMessage(_)) => Some(WriteIntent::PostMessage),
        }
    }

    /// Reads the successful answer of the current call and goes on.
    ///
    /// # Errors
    /// A [`ToolError`] when the answer is not what Microsoft documents.
    pub fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self {
            Self::Read(reading) => reading.answered(answer),
            Self::Write(Writing::SendEmail(plan)) => plan.answered(answer),
            Self::Write(Writing::CreateEvent(plan)) => plan.answered(answer),
            Self::Write(Writing::CreateMeeting(plan)) => plan.answered(answer),
            Self::Write(Writing::SendTeamsMessage(plan)) => Ok(plan.answered(answer)),
        }
    }

    /// Bytes of content that the plan holds: what the current call sends, and while it is looked into what may have to be
    /// sent again.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        let content = match self {
            Self::Write(Writing::SendEmail(plan)) => plan.held_bytes(),
            Self::Write(Writing::SendTeamsMessage(plan)) => plan.held_bytes(),
            Self::Write(Writing::CreateEvent(plan)) => plan.held_bytes(),
            // A meeting has a subject and two times.
            Self::Read(_) | Self::Write(Writing::CreateMeeting(_)) => 0,
        };
        self.call().held_bytes().max(content)
    }

    /// Whether a refusal of the current call must be looked into, because an earlier answer to it was lost.
    pub fn refused(&mut self) -> Option<Found> {
        match self {
            Self::Write(Writing::SendEmail(plan)) => plan.refused(),
            // A repeat of these is a look already, and what was never repeated is proven by a refusal.
            Self::Read(_) | Self::Write(_) => None,
        }
    }

    /// Begins to find out about the current write, whose answer was lost.
    pub fn look_into(&mut self) -> Found {
        match self {
            Self::Read(reading) => Found::Look(reading.call()),
            Self::Write(Writing::SendEmail(plan)) => plan.look_into(),
            Self::Write(Writing::CreateEvent(plan)) => plan.look_into(),
            Self::Write(Writing::CreateMeeting(plan)) => plan.look_into(),
            Self::Write(Writing::SendTeamsMessage(plan)) => plan.look_into(),
        }
    }

    /// Looks once more, after a look that showed nothing. `still_wanted` says whether somebody waits for the outcome: a
    /// write that would take effect only now would surprise a person who was told that it may be lost.
    pub fn look_again(&mut self, still_wanted: bool) -> Found {
        match self {
            Self::Read(_) | Self::Write(Writing::SendEmail(_) | Writing::SendTeamsMessage(_)) => {
                Found::Look(self.call())
            }
            Self::Write(Writing::CreateEvent(plan)) => plan.look_again(still_wanted),
            Self::Write(Writing::CreateMeeting(plan)) => plan.look_again(still_wanted),
        }
    }

    /// What to say of a write whose outcome stays unknown.
    #[must_use]
    pub fn outcome_unknown(&self) -> ToolError {
        match self {
            Self::Read(_) => ToolError::lost_read(Lost::Timeout),
            Self::Write(Writing::SendEmail(_)) => super::send_email::unknown(),
            Self::Write(Writing::CreateEvent(_)) => {
                ToolError::outcome_unknown("creating this event", "into the calendar")
            }
            Self::Write(Writing::CreateMeeting(_)) => create_meeting::unknown(),
            Self::Write(Writing::SendTeamsMessage(_)) => {
                ToolError::outcome_unknown("sending this message", "into the conversation in Teams")
            }
        }
    }

    /// Reads what a look into a lost write showed: any answer, also a refusal such as 404.
    pub fn looked(&mut self, answer: &Answer) -> Found {
        match self {
            Self::Read(_) => Found::NotYetKnown,
            Self::Write(Writing::SendEmail(plan)) => plan.looked(answer),
            Self::Write(Writing::CreateEvent(plan)) => plan.looked(answer),
            Self::Write(Writing::CreateMeeting(plan)) => plan.looked(answer),
            Self::Write(Writing::SendTeamsMessage(plan)) => plan.looked(answer),
        }
    }
}
