//! What a request is about: a tool, a resource, a prompt or a completion, behind one face.
//!
//! What holds here: a target has one name in ledger, logs and metadata, and it is found again by it.

use serde_json::{Map, Value};

use super::call_linked_app;
use super::catalogue::Tool;
use super::completion::Completion;
use super::resource::Resource;
#[cfg(feature = "conformance")]
use crate::fixtures::Fixture;
use crate::prompts::Prompt;

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

    /// The scopes that a call needs beside [`Target::scope`]: whoever passes on an attachment of a mail, or a file of a drive,
    /// reads it, and so does whoever saves one.
    pub fn scopes_of_references(
        self,
        arguments: &Map<String, Value>,
    ) -> impl Iterator<Item = &'static str> + use<> {
        let attachments = match self {
            Self::Tool(Tool::SendEmail | Tool::DraftEmail | Tool::ReplyEmail) => arguments.get("attachments"),
            _ => None,
        };
        let attachments = attachments.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names = |member: &str| attachments.iter().any(|one| one.get(member).is_some());
        let saves = self == Self::Tool(Tool::UploadFile) && arguments.contains_key("messageId");
        let by_mail = (saves || names("messageId")).then(|| Tool::GetAttachment.scope());
        let by_file = names("driveId").then(|| Tool::ReadFile.scope());
        by_mail.into_iter().chain(by_file)
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

    /// Whether it sends a message to other people.
    #[must_use]
    pub const fn sends(self) -> bool {
        match self {
            Self::Tool(tool) => tool.sends(),
            _ => false,
        }
    }

    /// Whether its results have times that are said in the mailbox's zone as they leave. Those of a calendar name their zone
    /// themselves.
    #[must_use]
    pub const fn shows_times(self) -> bool {
        matches!(
            self,
            Self::Tool(
                Tool::GetEmails
                    | Tool::SearchEmails
                    | Tool::ReadEmail
                    | Tool::ListChats
                    | Tool::ReadTeamsMessages
                    | Tool::SendTeamsMessage
                    | Tool::SearchFiles
                    | Tool::ListFiles
                    | Tool::ReadFile
                    | Tool::UploadFile
                    | Tool::ShareFile
                    | Tool::ListTasks
                    | Tool::SaveTask
            ) | Self::Resource(Resource::Message | Resource::Inbox | Resource::Event)
        )
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whoever_attaches_by_reference_reads() {
        let scopes = |tool: Tool, arguments: Value| {
            let arguments = arguments.as_object().unwrap().clone();
            Target::Tool(tool).scopes_of_references(&arguments).collect::<Vec<_>>()
        };
        let attachments = json!({"attachments": [{"name": "a"}, {"driveId": "d"}, {"messageId": "m"}]});
        assert_eq!(scopes(Tool::SendEmail, attachments.clone()), ["mail.read", "files.read"]);
        assert_eq!(scopes(Tool::DraftEmail, attachments.clone()), ["mail.read", "files.read"]);
        assert_eq!(scopes(Tool::ReplyEmail, attachments.clone()), ["mail.read", "files.read"]);
        assert!(scopes(Tool::UploadFile, attachments).is_empty());
        assert_eq!(scopes(Tool::UploadFile, json!({"messageId": "m"})), ["mail.read"]);
        assert!(scopes(Tool::SendEmail, json!({"attachments": [{"name": "a"}]})).is_empty());
        assert!(scopes(Tool::SendEmail, json!({"attachments": "x"})).is_empty());
    }

    #[test]
    fn names_are_found_again() {
        for tool in Tool::ALL {
            assert_eq!(Tool::from_wire(tool.name()), Some(tool));
            assert_eq!(Target::from_name(tool.name()), Some(Target::Tool(tool)));
        }
        for resource in Resource::all() {
            assert_eq!(Target::from_name(resource.name()), Some(Target::Resource(resource)));
        }
        for prompt in Prompt::ALL {
            assert_eq!(Target::from_name(prompt.name()), Some(Target::Prompt(prompt)));
        }
        for completion in Completion::ALL {
            assert_eq!(Target::from_name(completion.name()), Some(Target::Completion(completion)));
        }
        assert_eq!(Tool::from_wire("getemails"), None);
        assert_eq!(Target::from_name("resource:other"), None);
    }
}
