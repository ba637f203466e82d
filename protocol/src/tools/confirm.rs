//! The confirmation of a message: a person sees what is about to leave and agrees, or it does not leave.
//!
//! What holds here: what is shown is read from the very plan that would send it, as plain text in which nothing can hide
//! or imitate another line. Only a form that was sent with `send` set agrees; everything else is a no.

use serde_json::{Map, Value, json};

use super::Surroundings;
use super::error::{Fault, ToolError};
use super::plan::{Plan, Planned, Writing};
use crate::limits::CONFIRMED_BODY_CHARS_MAX;
use crate::mcp::mrtr::{Filled, Question};
use crate::policy::WithoutElicitation;

/// The code of a message that its person declined.
pub const DECLINED: &str = "declined";

/// The name of the question, and of the form's only member.
const SEND: &str = "send";

/// Lets a message leave, asks its person first, or refuses it, as the policy demands.
pub(super) fn before(
    writing: Writing,
    arguments: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    let shown = demanded(&writing, arguments, around);
    let planned = Planned::Work(Box::new(Plan::Write(writing)));
    let Some(message) = shown else { return Ok(planned) };
    let questions = vec![(SEND, form(message))];
    let open = around.answers.unanswered(questions);
    if open.is_empty() {
        return if is_agreed(around) { Ok(planned) } else { Err(declined()) };
    }
    match around.policy.without_elicitation {
        _ if around.client.forms => Ok(Planned::Ask(open)),
        WithoutElicitation::Send => Ok(planned),
        WithoutElicitation::Refuse => Err(cannot_confirm()),
    }
}

fn is_agreed(around: Surroundings<'_>) -> bool {
    match around.answers.form(SEND) {
        Some(Filled::Accepted(content)) => content.get(SEND) == Some(&Value::Bool(true)),
        Some(Filled::Declined | Filled::Cancelled) | None => false,
    }
}

/// What the person has to see; none where the policy demands nothing.
fn demanded(writing: &Writing, arguments: &Map<String, Value>, around: Surroundings<'_>) -> Option<String> {
    match writing {
        Writing::SendEmail(plan) => {
            let mail: Value = serde_json::from_str(plan.message()).unwrap_or_default();
            let listed = |name: &str| {
                let list = mail.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                list.iter()
                    .filter_map(|one| one.pointer("/emailAddress/address")?.as_str())
                    .collect::<Vec<_>>()
            };
            let lists = [
                ("To", listed("toRecipients")),
                ("Cc", listed("ccRecipients")),
                ("Bcc", listed("bccRecipients")),
            ];
            let all = lists.iter().flat_map(|(_, list)| list.iter().copied());
            around.policy.demands_for_mail(all).then(|| {
                let mut lines = vec!["Send this email?".to_owned()];
                let filled = lists.iter().filter(|(_, list)| !list.is_empty());
                lines.extend(filled.map(|(name, list)| format!("{name}: {}", plain(&list.join(", ")))));
                lines.push(format!("Subject: {}", plain_at(&mail, "/subject")));
                lines.push(format!("Text: {}", shortened(&plain_at(&mail, "/body/content"))));
                lines.join("\n")
            })
        }
        Writing::SendTeamsMessage(plan) if around.policy.demands_for_teams() => {
            let message: Value = serde_json::from_str(plan.message()).unwrap_or_default();
            let named = |name: &str| plain(arguments.get(name).and_then(Value::as_str).unwrap_or_default());
            let place = match arguments.get("chatId") {
                Some(_) => format!("Chat: {}", named("chatId")),
                None => format!("Team: {}\nChannel: {}", named("teamId"), named("channelId")),
            };
            let mut lines = vec!["Send this message to Teams?".to_owned(), place];
            if message.get("subject").is_some() {
                lines.push(format!("Subject: {}", plain_at(&message, "/subject")));
            }
            lines.push(format!("Text: {}", shortened(&plain_at(&message, "/body/content"))));
            Some(lines.join("\n"))
        }
        Writing::SendTeamsMessage(_) | Writing::CreateEvent(_) | Writing::CreateMeeting(_) => None,
    }
}

fn form(message: String) -> Question {
    let schema = json!({
        "type": "object",
        "properties": { SEND: { "type": "boolean", "title": "Send it", "default": false } },
        "required": [SEND],
    });
    Question::Form { message, schema }
}

fn plain_at(value: &Value, pointer: &str) -> String {
    plain(value.pointer(pointer).and_then(Value::as_str).unwrap_or_default())
}

/// A text on one line, without characters that are not seen or that change the order of others (Unicode, UAX #9).
fn plain(text: &str) -> String {
    let is_unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    spaced.filter(|c| !is_unseen(*c)).collect()
}

fn shortened(text: &str) -> String {
    let more = text.chars().count().saturating_sub(CONFIRMED_BODY_CHARS_MAX);
    if more == 0 {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(CONFIRMED_BODY_CHARS_MAX).collect();
    format!("{beginning} … (and {more} more characters)")
}

fn declined() -> ToolError {
    ToolError::new(Fault::Caller, DECLINED, "The person did not agree. Nothing was sent.")
}

fn cannot_confirm() -> ToolError {
    ToolError::new(
        Fault::Caller,
        "confirmation_impossible",
        "This message has to be confirmed by the person, and this client cannot show forms (the capability \
         `elicitation`) on a stream. Nothing was sent. Use a client that can.",
    )
}

#[cfg(test)]
mod tests;
