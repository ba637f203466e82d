//! `sendEmail`, `replyEmail` and `draftEmail`: from their arguments to a mail on its way.
//!
//! What holds here: everything about a mail is checked before anything leaves: its recipients, its size, its attachments,
//! and what operators allow.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Mailbox;
use super::enclosure::{Enclosure, Source, not_listed};
use super::outgoing::{Answering, Mail, Outgoing};
use crate::graph::segment;
use crate::limits::{ATTACHMENTS_MAX, MAIL_BODY_BYTES_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::{MAIL_READ, Tool};
use crate::tools::collection::recipient;
use crate::tools::error::ToolError;
use crate::tools::files::FILES_READ;
use crate::tools::{Surroundings, confirm};

const LISTS: [(&str, &str); 3] = [("to", "toRecipients"), ("cc", "ccRecipients"), ("bcc", "bccRecipients")];

const WAYS: [(&str, &str); 3] = [("reply", "reply"), ("replyAll", "replyAll"), ("forward", "forward")];

/// The arguments of which [`written`] makes a mail.
const WRITTEN: [&str; 8] = ["to", "cc", "bcc", "subject", "body", "bodyType", "importance", "attachments"];

/// Longest name of an attachment, in characters.
const NAME_CHARS_MAX: usize = 255;

pub(super) fn send(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Outgoing, ToolError> {
    let known = [WRITTEN.as_slice(), &["mailbox", "draftId", "idempotencyKey"]].concat();
    let arguments = Arguments::of(Tool::SendEmail, values, &known)?;
    arguments.check_idempotency_key()?;
    if let Some(draft) = arguments.identifier("draftId")? {
        if values.keys().any(|name| !matches!(name.as_str(), "draftId" | "idempotencyKey")) {
            return Err(arguments.must_be("draftId", "given alone: a draft is sent as it is"));
        }
        around.require(&["Mail.Send"])?;
        around.require(&["Mail.ReadWrite"])?;
        if around.policy.demands_for_mail(std::iter::once("")) {
            return Err(confirm::cannot_show_draft());
        }
        return Ok(Outgoing::of_draft(draft, around.request, around.policy));
    }
    let mail = Mail { answers: None, ..written(&arguments, around, true)? };
    let mailbox = Mailbox::read(&arguments, around, &["Mail.Send"], &["Mail.Send.Shared"])?;
    let by_draft = mailbox == Mailbox::own() && around.has_granted("Mail.ReadWrite");
    let is_by_reference = mail.enclosures.iter().any(|one| one.describe().is_some());
    if is_by_reference && !by_draft && mailbox == Mailbox::own() {
        around.require(&["Mail.ReadWrite"])?;
    }
    Outgoing::sending(mail, mailbox, by_draft, around.request, around.policy)
}

pub(super) fn reply(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Outgoing, ToolError> {
    let known = ["id", "body", "mode", "to", "cc", "bcc", "attachments", "idempotencyKey"];
    let arguments = Arguments::of(Tool::ReplyEmail, values, &known)?;
    around.require(&["Mail.Send"])?;
    arguments.check_idempotency_key()?;
    let mail = answering(&arguments, around, "id", "mode", true)?;
    let by_draft = around.has_granted("Mail.ReadWrite");
    if !by_draft && (around.policy.mail.limits_recipients() || !mail.enclosures.is_empty()) {
        // To whom a reply goes is seen in its draft only, and only its draft takes attachments.
        around.require(&["Mail.ReadWrite"])?;
    }
    Outgoing::sending(mail, Mailbox::own(), by_draft, around.request, around.policy)
}

pub(super) fn draft(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Outgoing, ToolError> {
    let known = [WRITTEN.as_slice(), &["draftId", "replyTo", "replyMode", "idempotencyKey"]].concat();
    let arguments = Arguments::of(Tool::DraftEmail, values, &known)?;
    around.require(&["Mail.ReadWrite"])?;
    arguments.check_idempotency_key()?;
    let edits = arguments.identifier("draftId")?;
    if arguments.identifier("replyTo")?.is_some() {
        if edits.is_some()
            || ["subject", "bodyType", "importance"].iter().any(|name| values.contains_key(*name))
        {
            let expected = "given without draftId, subject, bodyType and importance";
            return Err(arguments.must_be("replyTo", expected));
        }
        let mail = answering(&arguments, around, "replyTo", "replyMode", false)?;
        return Outgoing::keeping(mail, None, around.request, around.policy);
    }
    let mut mail = written(&arguments, around, false)?;
    if edits.is_some() {
        if values.contains_key("attachments") {
            return Err(arguments.must_be("attachments", "left out when a draft is changed"));
        }
        // What was not named stays as it is in the draft.
        mail.message
            .retain(|name, value| *value != json!([]) && (name != "importance" || values.contains_key(name)));
    }
    Outgoing::keeping(mail, edits, around.request, around.policy)
}

/// Reads the recipients that were named, and holds them against the policy.
fn recipients(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
) -> Result<(Map<String, Value>, usize), ToolError> {
    let mut out = Map::new();
    let mut count = 0;
    for (name, member) in LISTS {
        let addresses = arguments.addresses(name)?;
        count += addresses.len();
        around.policy.mail.check_recipients(addresses.iter().copied())?;
        if !addresses.is_empty() {
            out.insert(member.to_owned(), addresses.into_iter().map(recipient).collect());
        }
    }
    if count > RECIPIENTS_MAX {
        let tool = arguments.tool();
        let message = format!("`{tool}` sends to at most {RECIPIENTS_MAX} recipients; got {count}.");
        return Err(ToolError::argument(message));
    }
    Ok((out, count))
}

/// A mail of its own. Only one that is sent has to be complete.
fn written(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
    is_complete: bool,
) -> Result<Mail, ToolError> {
    let (mut message, recipients) = recipients(arguments, around)?;
    if is_complete && !message.contains_key("toRecipients") {
        return Err(arguments.must_be("to", "a list of at least one address"));
    }
    match arguments.line("subject", SUBJECT_CHARS_MAX)? {
        Some(subject) => drop(message.insert("subject".to_owned(), subject.into())),
        None if is_complete => return Err(arguments.must_be("subject", "a line of text")),
        None => {}
    }
    let body_type = arguments.choice("bodyType", &[("text", "text"), ("html", "html")], "text")?;
    let body = if is_complete {
        Some(arguments.text("body", MAIL_BODY_BYTES_MAX)?)
    } else {
        arguments.optional_text("body", MAIL_BODY_BYTES_MAX)?
    };
    if let Some(body) = body {
        message.insert("body".to_owned(), json!({"contentType": body_type, "content": body}));
    }
    let importance = [("low", "low"), ("normal", "normal"), ("high", "high")];
    let importance = arguments.choice("importance", &importance, "normal")?;
    message.insert("importance".to_owned(), importance.into());
    let enclosures = attachments(arguments, around)?;
    Ok(Mail { message, answers: None, enclosures, recipients })
}

/// A mail that answers or forwards another one, which is named by the argument `id`.
fn answering(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
    id: &str,
    mode: &str,
    is_sent: bool,
) -> Result<Mail, ToolError> {
    let to = arguments.required_identifier(id)?;
    let way = arguments.choice(mode, &WAYS, "reply")?;
    let comment = match arguments.optional_text("body", MAIL_BODY_BYTES_MAX)? {
        Some(comment) => comment.to_owned(),
        None if way == "forward" || !is_sent => String::new(),
        None => return Err(arguments.must_be("body", "a text")),
    };
    let (message, recipients) = recipients(arguments, around)?;
    let names_to = message.contains_key("toRecipients");
    if way == "forward" && is_sent && !names_to {
        return Err(arguments.must_be("to", "a list of at least one address"));
    }
    if way != "forward" && names_to {
        // Graph would send to these in place of whoever wrote.
        return Err(arguments.must_be("to", "left out: a reply goes to whoever wrote; use cc for others"));
    }
    if way == "replyAll" && message.contains_key("ccRecipients") {
        // Graph would send to these in place of the others who got the mail.
        return Err(arguments.must_be("cc", "left out: a reply to all goes to everybody; use bcc for others"));
    }
    // A reply goes to others too, whom its draft names.
    let recipients = if way == "forward" { recipients } else { 0 };
    let enclosures = attachments(arguments, around)?;
    Ok(Mail { message, answers: Some(Answering { to, way, comment }), enclosures, recipients })
}

/// Reads `attachments`: content that came with the call, attachments of other mails, and files of drives.
fn attachments(arguments: &Arguments<'_>, around: Surroundings<'_>) -> Result<Vec<Enclosure>, ToolError> {
    let items = arguments.list("attachments")?;
    let all: Option<Vec<Enclosure>> = items.iter().map(attachment).collect();
    let all = all.filter(|all| all.len() <= ATTACHMENTS_MAX).ok_or_else(|| {
        arguments.must_be(
            "attachments",
            "a list of at most 20 objects, each with name and either text or base64, or with messageId and attachmentId, \
             or with driveId and itemId",
        )
    })?;
    check_sources(&all, around)?;
    Ok(all)
}

/// One of `attachments`; none if it is nothing of what is taken.
fn attachment(item: &Value) -> Option<Enclosure> {
    let of = |name: &str| item.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let part = |name: &str| of(name).and_then(|id| segment(id).ok());
    let members = item.as_object().map_or(0, Map::len);
    if let Some(name) = of("name") {
        let is_name = name.chars().count() <= NAME_CHARS_MAX
            && !name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'));
        let kind = of("contentType").unwrap_or("application/octet-stream");
        let bytes = match (of("text"), of("base64")) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(encoded)) => STANDARD.decode(encoded).ok()?,
            _ => return None,
        };
        let expected = 2 + usize::from(of("contentType").is_some());
        return (is_name && members == expected).then(|| Enclosure::of_content(name, kind, &bytes));
    }
    let source = match (part("messageId"), part("attachmentId"), part("driveId"), part("itemId")) {
        (Some(message), Some(attachment), None, None) => {
            Source::Mail(format!("/me/messages/{message}/attachments/{attachment}"))
        }
        (None, None, Some(drive), Some(item)) => Source::File(format!("/drives/{drive}/items/{item}"), None),
        _ => return None,
    };
    (members == 2).then(|| Enclosure::by_reference(source))
}

/// Refuses what can be known to fail by where attachments come from.
fn check_sources(enclosures: &[Enclosure], around: Surroundings<'_>) -> Result<(), ToolError> {
    for enclosure in enclosures {
        match &enclosure.source {
            Source::Content(_) => {}
            Source::Mail(_) => around.require(&MAIL_READ)?,
            Source::File(..) => {
                around.require(&FILES_READ)?;
                if !around.policy.files.allows_any() {
                    return Err(not_listed());
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
