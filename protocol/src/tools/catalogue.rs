//! What clients see of the tools: names, descriptions, schemas, annotations; and what each needs.
//!
//! What holds here: the order is fixed and a harmless reading tool comes first; every tool has an output schema
//! with an object at its root and no `$ref`; all four annotations are set, because their defaults call a tool
//! destructive and hosts ask people accordingly. The texts and schemas are one JSON document for each tool, because as
//! code they would be several times as large in the bundle.

use serde_json::{Map, Value, json};

use super::call_linked_app;
use super::completion::Completion;
use super::resource::Resource;
#[cfg(feature = "conformance")]
use crate::fixtures::Fixture;
use crate::icons::{self, Icon};
use crate::linked_app::LinkedApp;
use crate::outbound::Method;
use crate::prompts::Prompt;

/// The permissions of which one suffices to read mail.
pub(crate) const MAIL_READ: [&str; 2] = ["Mail.Read", "Mail.ReadWrite"];

/// The permissions of which one suffices to read calendars.
pub(crate) const CALENDARS_READ: [&str; 2] = ["Calendars.Read", "Calendars.ReadWrite"];

/// A tool of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// Says whose account is connected.
    Authenticate,
    /// Lists mail of a folder.
    GetEmails,
    /// Searches mail.
    SearchEmails,
    /// Sends a mail.
    SendEmail,
    /// Lists events.
    GetCalendarEvents,
    /// Creates an event.
    CreateCalendarEvent,
    /// Posts to a channel or chat.
    SendTeamsMessage,
    /// Creates an online meeting.
    CreateTeamsMeeting,
    /// Finds people.
    GetContacts,
    /// Calls an internal application; there only where operators linked one.
    CallLinkedApp,
}

/// What never changes about a tool.
struct Facts {
    name: &'static str,
    scope: &'static str,
    permissions: &'static [&'static str],
    writes: bool,
    /// Whether a wrong call cannot be taken back.
    destructive: bool,
    /// Whether it deals with things that other people made.
    open_world: bool,
    /// Title, description, input schema and output schema.
    document: &'static str,
}

impl Tool {
    /// Every tool, in the order of the catalogue.
    pub const ALL: [Self; 10] = [
        Self::Authenticate,
        Self::GetEmails,
        Self::SearchEmails,
        Self::SendEmail,
        Self::GetCalendarEvents,
        Self::CreateCalendarEvent,
        Self::SendTeamsMessage,
        Self::CreateTeamsMeeting,
        Self::GetContacts,
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

    const fn facts(self) -> Facts {
        match self {
            Self::Authenticate => {
                let facts = reads("authenticate", "profile", include_str!("catalogue/authenticate.json"));
                Facts { permissions: &["User.Read"], open_world: false, ..facts }
            }
            Self::GetEmails => {
                let facts = reads("getEmails", "mail.read", include_str!("catalogue/getEmails.json"));
                Facts { permissions: &["Mail.Read"], ..facts }
            }
            Self::SearchEmails => {
                let facts = reads("searchEmails", "mail.read", include_str!("catalogue/searchEmails.json"));
                Facts { permissions: &["Mail.Read"], ..facts }
            }
            Self::SendEmail => {
                let facts = writes("sendEmail", "mail.send", include_str!("catalogue/sendEmail.json"));
                let permissions = &["Mail.Send", "Mail.ReadWrite", "Mail.Read"];
                Facts { permissions, destructive: true, ..facts }
            }
            Self::GetCalendarEvents => {
                let document = include_str!("catalogue/getCalendarEvents.json");
                let permissions = &["Calendars.ReadWrite", "MailboxSettings.Read"];
                Facts { permissions, ..reads("getCalendarEvents", "calendar.read", document) }
            }
            Self::CreateCalendarEvent => {
                let document = include_str!("catalogue/createCalendarEvent.json");
                let permissions = &["Calendars.ReadWrite", "MailboxSettings.Read"];
                Facts { permissions, ..writes("createCalendarEvent", "calendar.write", document) }
            }
            Self::SendTeamsMessage => {
                let document = include_str!("catalogue/sendTeamsMessage.json");
                let permissions = &["ChannelMessage.Send", "ChatMessage.Send"];
                let facts = writes("sendTeamsMessage", "teams.send", document);
                Facts { permissions, destructive: true, ..facts }
            }
            Self::CreateTeamsMeeting => {
                let document = include_str!("catalogue/createTeamsMeeting.json");
                let permissions =
                    &["Calendars.ReadWrite", "MailboxSettings.Read", "OnlineMeetings.ReadWrite"];
                Facts { permissions, ..writes("createTeamsMeeting", "calendar.write", document) }
            }
            Self::GetContacts => {
                let facts = reads("getContacts", "contacts.read", include_str!("catalogue/getContacts.json"));
                Facts { permissions: &["Contacts.Read", "People.Read"], ..facts }
            }
            Self::CallLinkedApp => {
                let facts =
                    writes("callLinkedApp", "apps.call", include_str!("catalogue/callLinkedApp.json"));
                Facts { destructive: true, ..facts }
            }
        }
    }

    const fn icon(self) -> Icon {
        match self {
            Self::Authenticate => icons::ACCOUNT,
            Self::GetEmails | Self::SearchEmails | Self::SendEmail => icons::MAIL,
            Self::GetCalendarEvents | Self::CreateCalendarEvent => icons::CALENDAR,
            Self::SendTeamsMessage | Self::CreateTeamsMeeting => icons::TEAMS,
            Self::GetContacts => icons::PEOPLE,
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
        if let Some(members) = tool.as_object_mut() {
            let title = members.get("title").cloned().unwrap_or_default();
            members.insert("name".to_owned(), facts.name.into());
            let annotations = json!({
                "title": title,
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
        self.document()[member].clone()
    }
}

const fn reads(name: &'static str, scope: &'static str, document: &'static str) -> Facts {
    Facts { name, scope, permissions: &[], writes: false, destructive: false, open_world: true, document }
}

const fn writes(name: &'static str, scope: &'static str, document: &'static str) -> Facts {
    Facts { writes: true, ..reads(name, scope, document) }
}

/// What a request is about that may cost calls of Graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `tools/call`
    Tool(Tool),
    /// `resources/read`
    Resource(Resource),
    /// `prompts/get`
    Prompt(Prompt),
    /// `completion/complete`
    Completion(Completion),
    /// Whatever the conformance suite needs.
    #[cfg(feature = "conformance")]
    Fixture(Fixture),
}

impl Target {
    /// The target of a name in the ledger.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let others = Resource::all()
            .map(Self::Resource)
            .chain(Prompt::ALL.into_iter().map(Self::Prompt))
            .chain(Completion::ALL.into_iter().map(Self::Completion));
        #[cfg(feature = "conformance")]
        let others = others.chain(Fixture::from_wire(name).map(Self::Fixture));
        let mut all = Tool::ALL.into_iter().map(Self::Tool).chain(others);
        all.find(|target| target.name() == name)
    }

    /// The name in ledger, logs and the gateway's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tool(tool) => tool.name(),
            Self::Resource(resource) => resource.name(),
            Self::Prompt(prompt) => prompt.name(),
            Self::Completion(completion) => completion.name(),
            #[cfg(feature = "conformance")]
            Self::Fixture(fixture) => fixture.name(),
        }
    }

    /// The scope that an access token needs; none for what concerns nobody's data.
    #[must_use]
    pub const fn scope(self) -> Option<&'static str> {
        match self {
            Self::Tool(tool) => Some(tool.scope()),
            Self::Resource(resource) => Some(resource.scope()),
            Self::Prompt(_) => None,
            Self::Completion(completion) => completion.scope(),
            #[cfg(feature = "conformance")]
            Self::Fixture(_) => None,
        }
    }

    /// The Graph permission without which it cannot work; empty where none is needed.
    #[must_use]
    pub fn permission(self) -> &'static str {
        let permissions = match self {
            Self::Tool(tool) => tool.permissions(),
            Self::Resource(resource) => resource.permissions(),
            _ => &[],
        };
        permissions.first().copied().unwrap_or_default()
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Tool(tool) => tool.writes(),
            _ => false,
        }
    }

    /// Whether a call with these arguments changes anything.
    #[must_use]
    pub fn writes_with(self, arguments: &Map<String, Value>) -> bool {
        match self {
            Self::Tool(Tool::CallLinkedApp) => !call_linked_app::only_reads(arguments),
            _ => self.writes(),
        }
    }

    /// Whether it is read by `resources/read`.
    #[must_use]
    pub const fn is_resource(self) -> bool {
        match self {
            Self::Resource(_) => true,
            #[cfg(feature = "conformance")]
            Self::Fixture(fixture) => fixture.is_resource(),
            _ => false,
        }
    }
}

/// The tools that there are: one of them only where there are linked apps.
fn offered(apps: &[LinkedApp]) -> impl Iterator<Item = Tool> {
    Tool::ALL.into_iter().filter(|tool| *tool != Tool::CallLinkedApp || !apps.is_empty())
}
/// The scopes of tools that are used rarely and reach many people at once.
const STEP_UP_SCOPES: [&str; 1] = ["teams.send"];

/// Every scope that the tools and resources need, once each.
#[must_use]
pub fn scopes(apps: &[LinkedApp]) -> Vec<&'static str> {
    let tools = offered(apps).map(Tool::scope);
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
pub fn base_scopes(apps: &[LinkedApp]) -> Vec<&'static str> {
    let mut scopes = scopes(apps);
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

/// The result of `tools/list`: the whole catalogue, in its fixed order.
#[must_use]
pub fn tool_list(apps: &[LinkedApp]) -> Map<String, Value> {
    #[cfg_attr(not(feature = "conformance"), expect(unused_mut, reason = "the fixture build adds to it"))]
    let mut tools: Vec<Value> = offered(apps)
        .map(|tool| match tool {
            Tool::CallLinkedApp => with_apps(tool.shown(), apps),
            _ => tool.shown(),
        })
        .collect();
    #[cfg(feature = "conformance")]
    tools.extend(crate::fixtures::tools());
    Map::from_iter([("tools".to_owned(), Value::Array(tools))])
}

/// What is shown of the tool that calls linked apps, with what is allowed of each.
fn with_apps(mut tool: Value, apps: &[LinkedApp]) -> Value {
    let mut all: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut description = tool.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for app in apps {
        let methods: Vec<&str> = app.methods.iter().map(|method| method.as_str()).collect();
        let paths: Vec<&str> =
            app.paths.iter().map(|path| if path.is_empty() { "/" } else { path }).collect();
        let (methods_shown, paths) = (methods.join(", "), paths.join(", "));
        description
            .push_str(&format!(" `{}` ({methods_shown} below {paths}): {}", app.name, app.description));
        names.push(&app.name);
        all.extend(methods.into_iter().filter(|method| !all.contains(method)).collect::<Vec<_>>());
    }
    let only_reads = apps.iter().all(|app| app.methods.iter().all(|method| *method == Method::Get));
    let changes = [
        ("/description", Value::from(description)),
        ("/inputSchema/properties/app", json!({ "type": "string", "enum": names })),
        ("/inputSchema/properties/method", json!({ "type": "string", "enum": all, "default": "GET" })),
        ("/annotations/readOnlyHint", only_reads.into()),
        ("/annotations/destructiveHint", (!only_reads).into()),
        ("/annotations/idempotentHint", only_reads.into()),
    ];
    for (place, value) in changes {
        if let Some(member) = tool.pointer_mut(place) {
            *member = value;
        }
    }
    tool
}

#[cfg(test)]
mod tests;
