//! The tools of Teams.
//!
//! What holds here: a team, a channel, a chat and a message that were named can stand in one segment of a path and nowhere
//! else; what people write there is shown as text and marked as theirs.

mod chats;
mod list;
mod meeting;
mod mentions;
mod messages;
mod send;

use serde_json::{Map, Value};

use super::arguments::Arguments;
use super::confirm;
use super::error::ToolError;
use super::plan::{Planned, Writing};
use super::{Surroundings, Tool, WriteIntent};
use crate::ids::RequestId;

/// Whom messages are by, as every result with some says it.
const BY_AUTHORS: &str = "messages in Teams, written by their authors";

/// Makes the plan of a tool of Teams.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    match tool {
        Tool::ListTeams => list::ListTeams::new(values, around).map(Planned::read),
        Tool::ListChats => chats::ListChats::new(values, around).map(Planned::read),
        Tool::ReadTeamsMessages => messages::ReadMessages::new(values, around).map(Planned::read),
        Tool::CreateTeamsMeeting => meeting::new(values, around),
        _ => confirm::before(send::SendTeamsMessage::new(values, around)?, values, around),
    }
}

/// The plan that finds out about a write whose request is gone.
pub(super) fn recovered(intent: &WriteIntent, operation: RequestId) -> Box<dyn Writing> {
    match intent {
        WriteIntent::CreateMeeting => Box::new(meeting::CreateMeeting::recovered(operation)),
        _ => Box::new(send::SendTeamsMessage::recovered()),
    }
}

/// Where messages are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Conversation {
    /// The path of the messages, or of the replies to one.
    messages: String,
    is_chat: bool,
}

impl Conversation {
    /// Reads `teamId` and `channelId`, or `chatId`; and `messageId`, whose replies are meant.
    fn read(arguments: &Arguments<'_>) -> Result<Self, ToolError> {
        let [team, channel, chat, message] =
            ["teamId", "channelId", "chatId", "messageId"].map(|name| arguments.identifier(name));
        let message = message?;
        match (team?, channel?, chat?) {
            (Some(team), Some(channel), None) => {
                let messages = format!("/teams/{team}/channels/{channel}/messages");
                let messages = match message {
                    Some(message) => format!("{messages}/{message}/replies"),
                    None => messages,
                };
                Ok(Self { messages, is_chat: false })
            }
            (None, None, Some(_)) if message.is_some() => {
                Err(arguments.must_be("messageId", "left out: messages in a chat have no replies"))
            }
            (None, None, Some(chat)) => {
                Ok(Self { messages: format!("/chats/{chat}/messages"), is_chat: true })
            }
            _ => Err(ToolError::argument(format!(
                "`{}` needs either `teamId` and `channelId`, as listTeams gives them, or `chatId`, as listChats does.",
                arguments.tool()
            ))),
        }
    }
}
