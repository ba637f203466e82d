//! `sendTeamsMessage`: a message to a channel or a chat, sent at most once.
//!
//! What holds here: a message carries nothing of ours that Teams would keep, and most accounts may not read messages
//! (for channels an administrator has to agree), so a lost answer mostly ends as unknown and nothing is ever sent
//! again. Where reading was granted, the message is recognised by its author, its time and its text.

use serde_json::{Map, Value, json};

use super::Conversation;
use super::mentions::Mentions;
use crate::civil::{When, read as read_time};
use crate::graph::query;
use crate::html::escaped;
use crate::limits::{CLOCK_SKEW, SUBJECT_CHARS_MAX, TEAMS_MESSAGE_BYTES_MAX};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::policy::Policy;
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::{CHAT_READ, Tool};
use crate::tools::collection::{Field, Kind, list, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent, confirm};

const KNOWN: [&str; 9] = [
    "teamId",
    "channelId",
    "messageId",
    "chatId",
    "body",
    "bodyType",
    "mentions",
    "subject",
    "idempotencyKey",
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Those who are mentioned are looked for; nothing leaves before all are found.
    FindPeople,
    Send,
    FindMe,
    FindMessage {
        me: String,
    },
    /// A crash left nothing to recognise the message by.
    Lost,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SendTeamsMessage {
    /// The path of the conversation's messages.
    messages: String,
    content: String,
    body: String,
    mentions: Mentions,
    may_look: bool,
    since: UnixMs,
    stage: Stage,
}

impl SendTeamsMessage {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::SendTeamsMessage, values, &KNOWN)?;
        let Conversation { messages, is_chat } = Conversation::read(&arguments)?;
        let (send, look) = if is_chat {
            ("ChatMessage.Send", CHAT_READ)
        } else {
            ("ChannelMessage.Send", ["ChannelMessage.Read.All", "ChannelMessage.Read.All"])
        };
        around.require(&[send])?;
        let content = arguments.text("body", TEAMS_MESSAGE_BYTES_MAX)?;
        let kind = arguments.choice("bodyType", &[("text", "text"), ("html", "html")], "text")?;
        let subject = arguments.line("subject", SUBJECT_CHARS_MAX)?;
        arguments.check_idempotency_key()?;
        let mentions = Mentions::read(&arguments)?;
        if kind == "html" && content.contains("<at ") {
            return Err(arguments.must_be("body", "without `at` elements: name people in `mentions`"));
        }
        let (kind, content) = match kind {
            // Only HTML can mention somebody.
            "text" if !mentions.is_empty() => ("html", escaped(content)),
            kind => (kind, content.to_owned()),
        };
        let stage = if mentions.is_empty() {
            Stage::Send
        } else {
            around.require(&["User.ReadBasic.All", "User.Read.All"])?;
            Stage::FindPeople
        };
        let mut message = json!({"body": {"contentType": kind, "content": content}});
        match (subject, is_chat) {
            (Some(_), true) => {
                return Err(arguments.must_be("subject", "left out: messages in a chat have none"));
            }
            (Some(subject), false) => {
                if let Some(members) = message.as_object_mut() {
                    members.insert("subject".to_owned(), subject.into());
                }
            }
            (None, _) => {}
        }
        Ok(Self {
            messages,
            content,
            body: message.to_string(),
            mentions,
            may_look: look.iter().any(|permission| around.has_granted(permission)),
            since: around.now.minus(CLOCK_SKEW),
            stage,
        })
    }

    /// Puts the mentions into the message, once all who are mentioned were found.
    fn mention(&mut self) -> Result<(), ToolError> {
        let (content, mentions) = self.mentions.marked(&self.content);
        let mut message: Value = serde_json::from_str(&self.body).map_err(|_| ToolError::interrupted())?;
        if let Some(members) = message.as_object_mut() {
            members.insert("body".to_owned(), json!({"contentType": "html", "content": content}));
            members.insert("mentions".to_owned(), mentions);
        }
        (self.content, self.body, self.stage) = (content, message.to_string(), Stage::Send);
        Ok(())
    }

    pub(super) fn recovered() -> Self {
        Self {
            messages: String::new(),
            content: String::new(),
            body: String::new(),
            mentions: Mentions::default(),
            may_look: false,
            since: UnixMs(0),
            stage: Stage::Lost,
        }
    }

    /// Whether a message in the conversation is the one that was sent.
    fn is_this(&self, message: &Value, me: &str) -> bool {
        let since = match text(message, "/createdDateTime").and_then(read_time) {
            Some(When::Instant(at)) => at >= self.since,
            _ => false,
        };
        let content = text(message, "/body/content").unwrap_or_default();
        since && text(message, "/from/user/id") == Some(me) && visible(content) == visible(&self.content)
    }
}

impl Writing for SendTeamsMessage {
    fn call(&self) -> GraphCall {
        match &self.stage {
            Stage::Send => GraphCall::post(Lane::Teams, self.messages.clone(), Some(self.body.clone())),
            Stage::FindPeople => self.mentions.call().unwrap_or_else(find_me),
            // After a crash it is never sent, because a look ends as unknown before.
            Stage::FindMe | Stage::Lost => find_me(),
            Stage::FindMessage { .. } => {
                GraphCall::get(Lane::Teams, format!("{}{}", self.messages, query(&[("$top", "50")])))
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.stage == Stage::FindPeople {
            self.mentions.answered(answer)?;
            if self.mentions.call().is_none() {
                self.mention()?;
            }
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(sent(&read(answer).unwrap_or_default())))
    }

    fn intent(&self) -> Option<WriteIntent> {
        (self.stage != Stage::FindPeople).then_some(WriteIntent::PostMessage)
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("sending this message", "into the conversation in Teams")
    }

    fn to_confirm(&self, policy: &Policy, arguments: &Map<String, Value>) -> Option<String> {
        let message: Value = serde_json::from_str(&self.body).unwrap_or_default();
        policy.demands_for_teams().then(|| confirm::teams(&message, arguments))
    }

    fn held_bytes(&self) -> usize {
        self.content.len() + self.body.len()
    }

    fn look_into(&mut self) -> Found {
        if !self.may_look {
            return Found::NeverKnown;
        }
        if self.stage == Stage::Send {
            self.stage = Stage::FindMe;
        }
        Found::Look(self.call())
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        let found: Value = match (answer.status, read(answer)) {
            (200, Ok(found)) => found,
            // A refusal of the look itself will be repeated, however often it is asked.
            (400 | 403, _) => return Found::NeverKnown,
            _ => return Found::NotYetKnown,
        };
        match &self.stage {
            Stage::FindMe => match text(&found, "/id") {
                Some(me) => {
                    self.stage = Stage::FindMessage { me: me.to_owned() };
                    Found::Look(self.call())
                }
                None => Found::NotYetKnown,
            },
            Stage::FindMessage { me } => {
                match list(&found, "/value").iter().find(|message| self.is_this(message, me)) {
                    Some(message) => Found::Happened(sent(message)),
                    None => Found::NotYetKnown,
                }
            }
            Stage::FindPeople | Stage::Send | Stage::Lost => Found::NotYetKnown,
        }
    }
}

/// The call that says who the person is.
fn find_me() -> GraphCall {
    GraphCall::get(Lane::Other, format!("/me{}", query(&[("$select", "id")])))
}

/// What a person sees of a text, without the markup that Teams may have added or rewritten.
fn visible(content: &str) -> String {
    let mut is_in_tag = false;
    content
        .chars()
        .filter(|character| {
            match character {
                '<' => is_in_tag = true,
                '>' if is_in_tag => {
                    is_in_tag = false;
                    return false;
                }
                _ => {}
            }
            !is_in_tag && !character.is_whitespace()
        })
        .collect()
}

fn sent(message: &Value) -> Finished {
    let fields: [Field; 3] = [
        ("messageId", "/id", Kind::Text),
        ("webUrl", "/webUrl", Kind::Text),
        ("sentAt", "/createdDateTime", Kind::Text),
    ];
    let mut out = shown(message, &fields);
    out.insert("status".to_owned(), "sent".into());
    Finished::new(Value::Object(out))
}

#[cfg(test)]
mod tests;
