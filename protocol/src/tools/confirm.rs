//! The confirmation of a message: a person sees what is about to leave and agrees, or it does not leave.
//!
//! What holds here: what is shown is read from the very plan that would send it, as plain text in which nothing can hide
//! or imitate another line. Only a form that was sent with `send` set agrees; everything else is a no.

use serde_json::{Map, Value, json};

use super::Surroundings;
use super::collection::{list, text};
use super::error::{Fault, ToolError};
use super::plan::{Planned, Writing};
use crate::limits::CONFIRMED_BODY_CHARS_MAX;
use crate::mcp::mrtr::{Filled, Question};
use crate::policy::WithoutElicitation;
use crate::text::is_hidden_character;

/// The code of a message that its person declined.
pub const DECLINED: &str = "declined";

/// The name of the question, and of the form's only member.
const SEND: &str = "send";

/// Lets a message leave, asks its person first, or refuses it, as the policy demands.
pub(super) fn before(
    plan: impl Writing + 'static,
    arguments: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    let shown = plan.to_confirm(around.policy, arguments);
    let planned = Planned::write(plan);
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

/// The recipients of a message, a line for each list that has some.
fn recipients(message: &Value) -> Vec<String> {
    [("To", "/toRecipients"), ("Cc", "/ccRecipients"), ("Bcc", "/bccRecipients")]
        .iter()
        .filter_map(|(name, pointer)| {
            let addresses: Vec<&str> =
                list(message, pointer).iter().filter_map(|one| text(one, "/emailAddress/address")).collect();
            (!addresses.is_empty()).then(|| format!("{name}: {}", plain(&addresses.join(", "))))
        })
        .collect()
}

/// What a person is shown of a mail, beside which there may be attachments that are not in it yet.
pub(super) fn mail(message: &Value, waiting: impl Iterator<Item = String>) -> String {
    let mut lines = vec!["Send this email?".to_owned()];
    lines.extend(recipients(message));
    lines.push(format!("Subject: {}", plain_at(message, "/subject")));
    lines.push(format!("Text: {}", shortened(&plain_at(message, "/body/content"))));
    let attached = list(message, "/attachments").iter().filter_map(|one| text(one, "/name"));
    lines.extend(attachments(attached.map(str::to_owned).chain(waiting)));
    lines.join("\n")
}

/// A line with the attachments, if there are some.
fn attachments(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| format!("Attachments: {}", plain(&names.join(", "))))
}

/// What a person is shown of an answer to a mail, beside which there may be attachments.
pub(super) fn answer(
    message: &Value,
    way: &str,
    comment: &str,
    waiting: impl Iterator<Item = String>,
) -> String {
    let what = match way {
        "forward" => "Forward this email?",
        "replyAll" => "Send this reply to all?",
        _ => "Send this reply?",
    };
    let mut lines = vec![what.to_owned()];
    lines.extend(recipients(message));
    lines.push(format!("Text: {}", shortened(&plain(comment))));
    lines.extend(attachments(waiting));
    lines.join("\n")
}

/// What a person is shown of a message to Teams.
pub(super) fn teams(message: &Value, arguments: &Map<String, Value>) -> String {
    let named = |name: &str| plain(arguments.get(name).and_then(Value::as_str).unwrap_or_default());
    let place = match arguments.get("chatId") {
        Some(_) => format!("Chat: {}", named("chatId")),
        None => format!("Team: {}\nChannel: {}", named("teamId"), named("channelId")),
    };
    let mut lines = vec!["Send this message to Teams?".to_owned(), place];
    if message.get("subject").is_some() {
        lines.push(format!("Subject: {}", plain_at(message, "/subject")));
    }
    lines.push(format!("Text: {}", shortened(&plain_at(message, "/body/content"))));
    lines.join("\n")
}

/// What a person is shown of a link to a file.
pub(super) fn link(link: &Value, arguments: &Map<String, Value>) -> String {
    let named = |name: &str| plain(arguments.get(name).and_then(Value::as_str).unwrap_or_default());
    let whom = match text(link, "/scope") {
        Some("anonymous") => "everybody who has the link",
        Some("users") => "people who may open it already",
        _ => "everybody in the organisation",
    };
    let lines = [
        "Share this file?".to_owned(),
        format!("File: {}", named("id")),
        format!("Drive: {}", named("driveId")),
        format!("May {} it: {whom}", plain_at(link, "/type")),
    ];
    lines.join("\n")
}

/// A draft is not known here, so that it cannot be shown.
pub(super) fn cannot_show_draft() -> ToolError {
    ToolError::new(
        Fault::Caller,
        "confirmation_impossible",
        "Messages have to be confirmed by the person here, who would not see what is in this draft. Nothing was sent. \
         Send it from Outlook, or give its content to `sendEmail`.",
    )
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

/// A text on one line, without characters that are not seen or that change the order of others.
fn plain(text: &str) -> String {
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    spaced.filter(|c| !is_hidden_character(*c)).collect()
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
