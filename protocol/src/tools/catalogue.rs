//! What clients see of the tools: names, descriptions, schemas, annotations; and what each needs.
//!
//! What holds here: the order is fixed and a harmless reading tool comes first; every tool has an output schema
//! with an object at its root and no `$ref`; all four annotations are set, because their defaults call a tool
//! destructive and hosts ask people accordingly. The texts and schemas are one JSON document for each tool, because as
//! code they would be several times as large in the bundle.

mod collaboration;
mod condensing;
mod facts;
mod linked;

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::toolset::{Offer, Toolset};
use crate::icons::{self, Icon};
use crate::limits::ANSWER_TOKENS_MAX;
use condensing::with_condensing;
use linked::with_apps;

/// The permissions of which one suffices to read mail.
pub(crate) const MAIL_READ: [&str; 2] = ["Mail.Read", "Mail.ReadWrite"];

/// The permissions of which one suffices to read somebody else's mail, whose mailbox is shared with the person.
pub(crate) const MAIL_READ_SHARED: [&str; 2] = ["Mail.Read.Shared", "Mail.ReadWrite.Shared"];

/// The permissions of which one suffices to read calendars.
pub(crate) const CALENDARS_READ: [&str; 2] = ["Calendars.Read", "Calendars.ReadWrite"];

/// The permissions of which one suffices to read chats.
pub(crate) const CHAT_READ: [&str; 2] = ["Chat.Read", "Chat.ReadWrite"];

/// A tool of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Says whose account is connected.
    Authenticate,
    /// Lists mail of a folder.
    GetEmails,
    /// Searches mail.
    SearchEmails,
    /// Reads a mail or its conversation.
    ReadEmail,
    /// Lists folders of mail.
    ListMailFolders,
    /// Reads an attachment.
    GetAttachment,
    /// Looks at recipients before a mail is sent.
    CheckRecipients,
    /// Sends a mail.
    SendEmail,
    /// Answers or forwards a mail.
    ReplyEmail,
    /// Writes a draft.
    DraftEmail,
    /// Moves and marks mails.
    OrganizeEmail,
    /// Lists events.
    GetCalendarEvents,
    /// Reads an event.
    ReadEvent,
    /// Lists calendars.
    ListCalendars,
    /// Finds out when people or rooms are free.
    FindTimes,
    /// Creates an event.
    CreateCalendarEvent,
    /// Changes an event.
    UpdateCalendarEvent,
    /// Answers an invitation.
    RespondToEvent,
    /// Calls an event off.
    CancelEvent,
    /// Lists teams, or the channels of one.
    ListTeams,
    /// Lists chats.
    ListChats,
    /// Reads messages of a channel or a chat.
    ReadTeamsMessages,
    /// Posts to a channel or chat.
    SendTeamsMessage,
    /// Creates an online meeting.
    CreateTeamsMeeting,
    /// Finds people.
    GetContacts,
    /// Looks one person up.
    GetPerson,
    /// Searches files.
    SearchFiles,
    /// Lists folders, libraries and sites.
    ListFiles,
    /// Reads a file.
    ReadFile,
    /// Writes a file.
    UploadFile,
    /// Makes a link to a file.
    ShareFile,
    /// Lists tasks.
    ListTasks,
    /// Makes or changes a task.
    SaveTask,
    /// Calls an internal application; there only where operators linked one.
    CallLinkedApp,
}

/// What never changes about a tool.
struct Facts {
    name: &'static str,
    /// The group that it is switched on and off with; none for what is always offered.
    toolset: Option<Toolset>,
    scope: &'static str,
    permissions: &'static [&'static str],
    writes: bool,
    /// Whether a wrong call cannot be taken back.
    destructive: bool,
    /// Whether it deals with things that other people made.
    open_world: bool,
    /// Whether an answer may be cut and gone on with.
    pages: bool,
    /// Title, description, input schema and output schema. What many tools share is added when they are shown.
    document: &'static str,
}

impl Tool {
    /// Every tool, in the order of the catalogue.
    pub const ALL: [Self; 34] = [
        Self::Authenticate,
        Self::GetEmails,
        Self::SearchEmails,
        Self::ReadEmail,
        Self::ListMailFolders,
        Self::GetAttachment,
        Self::CheckRecipients,
        Self::SendEmail,
        Self::ReplyEmail,
        Self::DraftEmail,
        Self::OrganizeEmail,
        Self::GetCalendarEvents,
        Self::ReadEvent,
        Self::ListCalendars,
        Self::FindTimes,
        Self::CreateCalendarEvent,
        Self::UpdateCalendarEvent,
        Self::RespondToEvent,
        Self::CancelEvent,
        Self::ListTeams,
        Self::ListChats,
        Self::ReadTeamsMessages,
        Self::SendTeamsMessage,
        Self::CreateTeamsMeeting,
        Self::GetContacts,
        Self::GetPerson,
        Self::SearchFiles,
        Self::ListFiles,
        Self::ReadFile,
        Self::UploadFile,
        Self::ShareFile,
        Self::ListTasks,
        Self::SaveTask,
        Self::CallLinkedApp,
    ];

    /// The tool of a wire name.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// The name on the wire and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// The scope that an access token needs for the tool.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        self.facts().scope
    }

    /// The Graph permissions that the tool makes use of. A plan refuses with the name of the one that it lacks; of two
    /// of which one implies the other it is content with either.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        self.facts().permissions
    }

    /// Whether the tool changes anything.
    #[must_use]
    pub const fn writes(self) -> bool {
        self.facts().writes
    }

    /// Whether the tool sends a message to other people, which cannot be taken back.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendEmail | Self::ReplyEmail | Self::SendTeamsMessage)
    }

    /// Whether a model can condense what the tool reads, where operators named one.
    #[must_use]
    pub const fn condenses(self) -> bool {
        matches!(self, Self::ReadEmail | Self::ReadFile)
    }

    /// The group that the tool is switched on and off with; none for what is always offered.
    #[must_use]
    pub const fn toolset(self) -> Option<Toolset> {
        self.facts().toolset
    }

    const fn facts(self) -> Facts {
        match self {
            Self::Authenticate => {
                let facts = reads(
                    "authenticate",
                    Toolset::Mail,
                    "profile",
                    include_str!("catalogue/authenticate.json"),
                );
                Facts { toolset: None, permissions: &["User.Read"], open_world: false, ..facts }
            }
            Self::GetEmails
            | Self::SearchEmails
            | Self::ReadEmail
            | Self::ListMailFolders
            | Self::GetAttachment
            | Self::CheckRecipients => self.mail_reading(),
            Self::SendEmail | Self::ReplyEmail | Self::DraftEmail | Self::OrganizeEmail => {
                self.mail_writing()
            }
            Self::GetCalendarEvents | Self::ReadEvent | Self::ListCalendars | Self::FindTimes => {
                self.calendar_reading()
            }
            Self::CreateCalendarEvent
            | Self::UpdateCalendarEvent
            | Self::RespondToEvent
            | Self::CancelEvent => self.calendar_writing(),
            Self::ListTeams
            | Self::ListChats
            | Self::ReadTeamsMessages
            | Self::SendTeamsMessage
            | Self::CreateTeamsMeeting => self.teams(),
            Self::GetContacts | Self::GetPerson => self.people(),
            Self::SearchFiles | Self::ListFiles | Self::ReadFile | Self::UploadFile | Self::ShareFile => {
                self.files()
            }
            Self::ListTasks | Self::SaveTask => self.tasks(),
            Self::CallLinkedApp => {
                let document = include_str!("catalogue/callLinkedApp.json");
                let facts = writes("callLinkedApp", Toolset::Mail, "apps.call", document);
                Facts { toolset: None, destructive: true, ..facts }
            }
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::Authenticate => icons::ACCOUNT,
            Self::GetEmails
            | Self::SearchEmails
            | Self::ReadEmail
            | Self::ListMailFolders
            | Self::GetAttachment
            | Self::CheckRecipients
            | Self::SendEmail
            | Self::ReplyEmail
            | Self::DraftEmail
            | Self::OrganizeEmail => icons::MAIL,
            Self::GetCalendarEvents
            | Self::ReadEvent
            | Self::ListCalendars
            | Self::FindTimes
            | Self::CreateCalendarEvent
            | Self::UpdateCalendarEvent
            | Self::RespondToEvent
            | Self::CancelEvent => icons::CALENDAR,
            Self::ListTeams
            | Self::ListChats
            | Self::ReadTeamsMessages
            | Self::SendTeamsMessage
            | Self::CreateTeamsMeeting => icons::TEAMS,
            Self::GetContacts | Self::GetPerson => icons::PEOPLE,
            Self::SearchFiles | Self::ListFiles | Self::ReadFile | Self::UploadFile | Self::ShareFile => {
                icons::FILES
            }
            Self::ListTasks | Self::SaveTask => icons::TASKS,
            Self::CallLinkedApp => icons::APPS,
        }
    }

    /// None has one: what they are told is private.
    fn schema_with_headers(self) -> Option<Value> {
        let has_headers = self.facts().document.contains("x-mcp-header");
        has_headers.then(|| self.document().get("inputSchema").cloned()).flatten()
    }

    fn document(self) -> Value {
        // A document that is no JSON would be a mistake of this crate, and the test below would name it.
        serde_json::from_str(self.facts().document).unwrap_or_default()
    }

    fn shown(self) -> Value {
        let facts = self.facts();
        let mut tool = self.document();
        let mut add = |schema: &str, name: &str, property: Value| {
            if let Some(properties) = tool.pointer_mut(schema).and_then(Value::as_object_mut) {
                properties.insert(name.to_owned(), property);
            }
        };
        let (input, output) = ("/inputSchema/properties", "/outputSchema/properties");
        if facts.writes {
            let text = "same key, one effect";
            add(input, "idempotencyKey", json!({"type": "string", "description": text}));
        }
        if facts.pages {
            // What these mean is said once, in the server's instructions.
            add(input, "maxTokens", json!({"type": "integer", "maximum": ANSWER_TOKENS_MAX}));
            add(input, "cursor", json!({"type": "string"}));
            add(output, "truncated", json!({"type": "boolean"}));
            add(output, "nextCursor", json!({"type": "string"}));
        }
        if facts.open_world && !facts.writes {
            add(output, "untrusted", json!({"type": "string"}));
        }
        if let Some(members) = tool.as_object_mut() {
            members.insert("name".to_owned(), facts.name.into());
            if let Some(input) = members.get_mut("inputSchema").and_then(Value::as_object_mut) {
                input.insert("additionalProperties".to_owned(), false.into());
            }
            let annotations = json!({
                "readOnlyHint": !facts.writes,
                "destructiveHint": facts.destructive,
                "idempotentHint": !facts.writes,
                "openWorldHint": facts.open_world,
            });
            members.insert("annotations".to_owned(), annotations);
            members.insert("icons".to_owned(), self.icon().shown());
        }
        tool
    }

    #[cfg(test)]
    pub(super) fn schema(self, member: &str) -> Value {
        let shown = self.shown();
        let shown = if self.condenses() { with_condensing(shown) } else { shown };
        shown[member].clone()
    }
}

const fn reads(name: &'static str, toolset: Toolset, scope: &'static str, document: &'static str) -> Facts {
    Facts {
        name,
        toolset: Some(toolset),
        scope,
        permissions: &[],
        writes: false,
        destructive: false,
        open_world: true,
        pages: false,
        document,
    }
}

const fn writes(name: &'static str, toolset: Toolset, scope: &'static str, document: &'static str) -> Facts {
    Facts { writes: true, ..reads(name, toolset, scope, document) }
}

/// The scopes of tools that are used rarely, and reach many people at once or change what others share.
const STEP_UP_SCOPES: [&str; 3] = ["teams.send", "files.write", "tasks.write"];

/// Every scope that the tools and resources need, once each.
#[must_use]
pub fn scopes(offer: Offer<'_>) -> Vec<&'static str> {
    let tools = offer.tools().map(Tool::scope);
    let mut scopes: Vec<&'static str> = Vec::new();
    for scope in tools.chain(Resource::all().map(Resource::scope)) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// The scopes of everyday tools, which a client asks for at its first sign-in. A client that calls another tool is told by
/// a challenge what is missing and asks its person again (MCP 2025-11-25, basic/authorization, "Scope Challenge Handling").
#[must_use]
pub fn base_scopes(offer: Offer<'_>) -> Vec<&'static str> {
    let mut scopes = scopes(offer);
    scopes.retain(|scope| !STEP_UP_SCOPES.contains(scope));
    scopes
}

/// The schema of the arguments of the tool of a name, if one of them is repeated in a header.
#[must_use]
pub fn schema_with_headers(name: &str) -> Option<Value> {
    let found = Tool::from_wire(name).and_then(Tool::schema_with_headers);
    #[cfg(feature = "conformance")]
    let found = found.or_else(|| crate::fixtures::schema_with_headers(name));
    found
}

/// The result of `tools/list`: what is offered of the catalogue, in its fixed order.
#[must_use]
pub fn tool_list(offer: Offer<'_>) -> Map<String, Value> {
    #[cfg_attr(not(feature = "conformance"), expect(unused_mut, reason = "the fixture build adds to it"))]
    let mut tools: Vec<Value> = offer
        .tools()
        .map(|tool| match tool {
            Tool::CallLinkedApp => with_apps(tool.shown(), offer.linked_apps),
            _ if offer.condenses && tool.condenses() => with_condensing(tool.shown()),
            _ => tool.shown(),
        })
        .collect();
    #[cfg(feature = "conformance")]
    tools.extend(crate::fixtures::tools());
    Map::from_iter([("tools".to_owned(), Value::Array(tools))])
}

#[cfg(test)]
mod tests;
