//! What the official conformance suite needs beside the tools: tools, resources and prompts of fixed names. They exist
//! under the cargo feature `conformance` alone and are never part of a release.
//!
//! What holds here: a fixture is a pure function from its arguments and the client's answers to what it does; it speaks
//! with its client and never with Microsoft. It goes the same way through edge, object, ledger and answer as a tool.

mod asking;
mod content;
mod tasking;
mod telling;

use serde_json::{Map, Value, json};

use crate::jsonrpc::{Id, RpcError};
use crate::mcp::envelope::LogLevel;
use crate::mcp::mrtr::{Answers, Questions};
use crate::mcp::notification;
use crate::time::DurationMs;

/// What a fixture tells its client while it is at work.
#[derive(Clone, Debug, PartialEq)]
pub enum Tell {
    /// How far it is, if the client wants to know.
    Progress {
        /// Done so far.
        done: u32,
        /// In all.
        total: u32,
    },
    /// A log message.
    Log {
        /// How severe it is.
        level: LogLevel,
        /// The message.
        text: &'static str,
    },
    /// A list changed; it is told to those who listen for that, and not on the stream of the request.
    ListChanged(List),
}

/// A list that counts as changed when a client calls the fixture for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// The tools.
    Tools,
    /// The prompts.
    Prompts,
}

impl List {
    /// The list of a member of the filter of `subscriptions/listen`.
    #[must_use]
    pub fn from_wire(member: &str) -> Option<Self> {
        [Self::Tools, Self::Prompts].into_iter().find(|list| list.member() == member)
    }

    /// The member of the filter.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "toolsListChanged",
            Self::Prompts => "promptsListChanged",
        }
    }

    /// The notification for the subscription of this id.
    #[must_use]
    pub fn changed(self, subscription: &Id) -> String {
        let method = match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
        };
        notification(method, json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": subscription } }))
    }
}

impl Tell {
    /// The notification, if its client wants to hear it: progress under its token, messages from its level on.
    #[must_use]
    pub fn notification(&self, progress: Option<&Id>, level: Option<LogLevel>) -> Option<String> {
        match self {
            Self::Progress { done, total } => {
                let params = json!({ "progressToken": progress?, "progress": done, "total": total });
                Some(notification("notifications/progress", params))
            }
            Self::Log { level: of, text } if level.is_some_and(|wanted| wanted <= *of) => {
                let params = json!({ "level": of, "logger": "fixtures", "data": text });
                Some(notification("notifications/message", params))
            }
            Self::Log { .. } | Self::ListChanged(_) => None,
        }
    }
}

/// One thing that a fixture does. The last one of all is a question or the end.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// A notification on the stream of the request.
    Tell(Tell),
    /// A pause.
    Wait(DurationMs),
    /// The stream is closed; what follows is for the one that resumes it.
    CloseStream,
    /// What follows goes on as a task, where the client knows tasks.
    AsTask {
        /// Whether a client that does not is refused.
        is_required: bool,
    },
    /// The client has to answer first.
    Ask(Questions),
    /// The result.
    Done(Value),
    /// The request as such fails.
    Fail(RpcError),
}

/// A fixture, by the name or the URI under which a client asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixture(&'static str);

type Work = fn(&Map<String, Value>, &Answers) -> Vec<Act>;

/// What a fixture is to a client, and what it does.
struct Row {
    name: &'static str,
    kind: Kind,
    work: Work,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tool,
    Resource,
    Prompt,
}

const fn tool(name: &'static str, work: Work) -> Row {
    Row { name, kind: Kind::Tool, work }
}

const fn resource(name: &'static str, work: Work) -> Row {
    Row { name, kind: Kind::Resource, work }
}

const fn prompt(name: &'static str, work: Work) -> Row {
    Row { name, kind: Kind::Prompt, work }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    content::ROWS.iter().chain(telling::ROWS).chain(asking::ROWS).chain(tasking::ROWS)
}

const TEMPLATE: &str = "test://template/{id}/data";

impl Fixture {
    /// The fixture of a name or a URI.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        let is_of_template = name.starts_with("test://template/") && name.ends_with("/data");
        let name = if is_of_template { TEMPLATE } else { name };
        rows().find(|row| row.name == name).map(|row| Self(row.name))
    }

    /// The name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0
    }

    /// Whether it is read by `resources/read`.
    #[must_use]
    pub const fn is_resource(self) -> bool {
        matches!(self.0.as_bytes(), [b't', b'e', b's', b't', b':', ..])
    }

    /// What it does.
    #[must_use]
    pub fn acts(self, arguments: &Map<String, Value>, answers: &Answers) -> Vec<Act> {
        rows().find(|row| row.name == self.0).map(|row| (row.work)(arguments, answers)).unwrap_or_default()
    }
}

/// Whether a prompt or a template is one of these, so that its arguments may be completed with nothing.
#[must_use]
pub fn is_known(name: &str) -> bool {
    rows().any(|row| row.name == name)
}

/// What only the fixture build has without a session.
pub fn add_stateless_capabilities(capabilities: &mut Map<String, Value>) {
    for list in ["tools", "prompts"] {
        capabilities.insert(list.to_owned(), json!({ "listChanged": true }));
    }
}

/// What only sessions of the fixture build have.
pub fn add_capabilities(capabilities: &mut Map<String, Value>) {
    capabilities.insert("logging".to_owned(), json!({}));
    capabilities.insert("resources".to_owned(), json!({ "subscribe": true }));
}

fn names(kind: Kind) -> impl Iterator<Item = &'static str> {
    rows().filter(move |row| row.kind == kind).map(|row| row.name)
}

/// The tools, as `tools/list` has them.
pub fn tools() -> impl Iterator<Item = Value> {
    names(Kind::Tool).map(|name| {
        json!({
            "name": name,
            "description": "A fixture of the conformance suite",
            "inputSchema": content::schema(name),
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        })
    })
}

/// The schema of the arguments of a tool, if one of them is repeated in a header.
#[must_use]
pub fn schema_with_headers(name: &str) -> Option<Value> {
    names(Kind::Tool).find(|known| *known == name).map(content::schema)
}

/// The resources, as `resources/list` has them.
pub fn resources() -> impl Iterator<Item = Value> {
    names(Kind::Resource)
        .filter(|uri| *uri != TEMPLATE)
        .map(|uri| json!({ "uri": uri, "name": uri, "mimeType": content::mime_type(uri) }))
}

/// The template, as `resources/templates/list` has it.
pub fn templates() -> impl Iterator<Item = Value> {
    [json!({ "uriTemplate": TEMPLATE, "name": "template", "mimeType": "application/json" })].into_iter()
}

/// The prompts, as `prompts/list` has them.
pub fn prompts() -> impl Iterator<Item = Value> {
    names(Kind::Prompt).map(|name| {
        let arguments: Vec<Value> = content::prompt_arguments(name)
            .iter()
            .map(|argument| json!({ "name": argument, "description": "a text", "required": true }))
            .collect();
        json!({ "name": name, "description": "A fixture of the conformance suite", "arguments": arguments })
    })
}

/// A tool's result of one text.
fn text(text: impl Into<String>) -> Vec<Act> {
    vec![Act::Done(json!({ "content": [{ "type": "text", "text": text.into() }] }))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_from_the_wished_level_on() {
        let told = Tell::Log { level: LogLevel::Info, text: "done" };
        for (level, hears) in [
            (None, false),
            (Some(LogLevel::Debug), true),
            (Some(LogLevel::Info), true),
            (Some(LogLevel::Notice), false),
            (Some(LogLevel::Emergency), false),
        ] {
            assert_eq!(told.notification(None, level).is_some(), hears, "{level:?}");
        }
        let progress = Tell::Progress { done: 1, total: 2 };
        assert_eq!(progress.notification(None, Some(LogLevel::Debug)), None);
        let told = progress.notification(Some(&Id::Text("p".into())), None).unwrap();
        assert!(told.contains(r#""progressToken":"p""#) && told.contains(r#""total":2"#), "{told}");
    }

    #[test]
    fn every_fixture_ends() {
        for row in rows() {
            let fixture = Fixture::from_wire(row.name).unwrap();
            assert_eq!(fixture.is_resource(), row.kind == Kind::Resource, "{}", row.name);
            let acts = fixture.acts(&Map::new(), &Answers::default());
            assert!(matches!(acts.last(), Some(Act::Done(_) | Act::Ask(_) | Act::Fail(_))), "{}", row.name);
        }
    }
}
