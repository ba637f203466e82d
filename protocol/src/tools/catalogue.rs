//! What clients see of the tools: names, descriptions, schemas, annotations; and what each needs.
//!
//! What holds here: the order is fixed and a harmless reading tool comes first; every tool has an output schema
//! with an object at its root and no `$ref`; all four annotations are set, because their defaults call a tool
//! destructive and hosts ask people accordingly. The texts and schemas are one JSON document for each tool, because as
//! code they would be several times as large in the bundle.

use serde_json::{Map, Value, json};

use super::resource::Resource;

/// The permissions of which one suffices to read mail.
pub(super) const MAIL_READ: [&str; 2] = ["Mail.Read", "Mail.ReadWrite"];

/// The permissions of which one suffices to read calendars.
pub(super) const CALENDARS_READ: [&str; 2] = ["Calendars.Read", "Calendars.ReadWrite"];

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
    pub const ALL: [Self; 9] = [
        Self::Authenticate,
        Self::GetEmails,
        Self::SearchEmails,
        Self::SendEmail,
        Self::GetCalendarEvents,
        Self::CreateCalendarEvent,
        Self::SendTeamsMessage,
        Self::CreateTeamsMeeting,
        Self::GetContacts,
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
        }
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

/// What a request that costs Graph calls is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// `tools/call`
    Tool(Tool),
    /// `resources/read`
    Resource(Resource),
}

impl Target {
    /// The target of a name in the ledger.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let resource = || Resource::ALL.into_iter().find(|resource| resource.name() == name);
        Tool::from_wire(name).map(Self::Tool).or_else(|| resource().map(Self::Resource))
    }

    /// The name in ledger, logs and the gateway's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tool(tool) => tool.name(),
            Self::Resource(resource) => resource.name(),
        }
    }

    /// The scope that an access token needs.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Tool(tool) => tool.scope(),
            Self::Resource(resource) => resource.scope(),
        }
    }

    /// The Graph permission without which it cannot work.
    #[must_use]
    pub fn permission(self) -> &'static str {
        let permissions = match self {
            Self::Tool(tool) => tool.permissions(),
            Self::Resource(resource) => resource.permissions(),
        };
        permissions.first().copied().unwrap_or_default()
    }

    /// Whether it changes anything.
    #[must_use]
    pub const fn writes(self) -> bool {
        match self {
            Self::Tool(tool) => tool.writes(),
            Self::Resource(_) => false,
        }
    }
}

/// Every scope that the tools and resources need, once each.
#[must_use]
pub fn scopes() -> Vec<&'static str> {
    let tools = Tool::ALL.into_iter().map(Tool::scope);
    let mut scopes: Vec<&'static str> = Vec::new();
    for scope in tools.chain(Resource::ALL.into_iter().map(Resource::scope)) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// The result of `tools/list`: the whole catalogue, in its fixed order.
#[must_use]
pub fn tool_list() -> Map<String, Value> {
    let tools: Vec<Value> = Tool::ALL.into_iter().map(Tool::shown).collect();
    Map::from_iter([("tools".to_owned(), Value::Array(tools))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::SIGN_IN_SCOPES;
    use crate::limits::{RECIPIENTS_MAX, SUBJECT_CHARS_MAX};

    #[test]
    fn every_tool_is_fully_described() {
        for tool in Tool::ALL {
            let value = tool.shown();
            for member in ["title", "description", "inputSchema", "outputSchema"] {
                assert!(value.get(member).is_some(), "{} lacks {member}", tool.name());
            }
            for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
                assert!(value["annotations"][hint].is_boolean(), "{} lacks {hint}", tool.name());
            }
            assert_eq!(value["inputSchema"]["type"], "object");
            assert_eq!(value["outputSchema"]["type"], "object");
            assert_eq!(value["inputSchema"]["additionalProperties"], false, "{}", tool.name());
            assert!(!value.to_string().contains("$ref"));
            assert!(tool.name().len() <= 64);
            // The official SDK reads it.
            let read: rmcp::model::Tool = serde_json::from_value(value).unwrap();
            assert!(read.output_schema.is_some());
        }
    }

    #[test]
    fn the_list_is_small() {
        let bytes = serde_json::to_string(&tool_list()).unwrap().len();
        println!("tools/list: {bytes} bytes, {} tokens of 4 bytes", bytes / 4);
        assert!(bytes / 4 < 6_000, "{} tokens", bytes / 4);
    }

    #[test]
    fn a_harmless_tool_comes_first_and_hints_are_true() {
        assert_eq!(Tool::ALL[0].name(), "authenticate");
        let hint = |tool: Tool, name: &str| tool.shown()["annotations"][name].clone();
        for tool in Tool::ALL {
            assert_eq!(hint(tool, "openWorldHint"), tool != Tool::Authenticate, "{}", tool.name());
            assert_eq!(hint(tool, "readOnlyHint"), !tool.writes());
            let destroys = matches!(tool, Tool::SendEmail | Tool::SendTeamsMessage);
            assert_eq!(hint(tool, "destructiveHint"), destroys, "{}", tool.name());
        }
    }

    #[test]
    fn names_are_found_again() {
        for tool in Tool::ALL {
            assert_eq!(Tool::from_wire(tool.name()), Some(tool));
            assert_eq!(Target::from_name(tool.name()), Some(Target::Tool(tool)));
        }
        for resource in Resource::ALL {
            assert_eq!(Target::from_name(resource.name()), Some(Target::Resource(resource)));
        }
        assert_eq!(Tool::from_wire("getemails"), None);
        assert_eq!(Target::from_name("resource:other"), None);
    }

    #[test]
    fn a_person_is_asked_for_exactly_what_is_used() {
        let mut used: Vec<&str> = vec!["openid", "profile", "offline_access"];
        used.extend(Tool::ALL.into_iter().flat_map(Tool::permissions));
        used.extend(Resource::ALL.into_iter().flat_map(Resource::permissions));
        used.sort_unstable();
        used.dedup();
        let mut asked: Vec<&str> = SIGN_IN_SCOPES.split_whitespace().collect();
        asked.sort_unstable();
        assert_eq!(asked, used);
    }

    #[test]
    fn the_schemas_say_the_limits_that_hold() {
        let input = Tool::SendEmail.schema("inputSchema");
        assert_eq!(input["properties"]["to"]["maxItems"], RECIPIENTS_MAX);
        assert_eq!(input["properties"]["subject"]["maxLength"], SUBJECT_CHARS_MAX);
        for tool in [Tool::CreateCalendarEvent, Tool::CreateTeamsMeeting] {
            let input = tool.schema("inputSchema");
            assert_eq!(input["properties"]["subject"]["maxLength"], SUBJECT_CHARS_MAX);
            assert_eq!(input["properties"]["attendees"]["maxItems"], RECIPIENTS_MAX);
        }
    }
}
