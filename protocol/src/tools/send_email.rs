//! `sendEmail`: a mail to named recipients, sent at most once.
//!
//! What holds here: where Microsoft granted `Mail.ReadWrite` the mail is first made as a draft and then sent, because
//! a draft that is still a draft was certainly not sent. Elsewhere `sendMail` is the only way, and a lost answer ends
//! as found or unknown: Sent Items fills late, so that "not found" never proves "not sent". No call that can send is
//! ever repeated without having looked first.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::Tool;
use super::collection::recipient;
use super::error::{Fault, ToolError};
use super::{Finished, Found, Step, Surroundings, WriteIntent};
use crate::graph::{IMMUTABLE_IDS, OPERATION_PROPERTY, odata_text, query, segment};
use crate::ids::RequestId;
use crate::limits::{MAIL_BODY_BYTES_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};
use crate::outbound::{Answer, GraphCall, Lane};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    CreateDraft,
    FindDraft,
    SendDraft { draft: String },
    CheckDraft { draft: String },
    SendMail,
    FindSent,
}

/// What is left of the mail itself; nothing after the object was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mail {
    message: String,
    recipients: usize,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendEmail {
    operation: RequestId,
    mail: Option<Mail>,
    stage: Stage,
    an_answer_was_lost: bool,
}

impl SendEmail {
    pub(super) fn new(
        values: &Map<String, Value>,
        surroundings: Surroundings<'_>,
    ) -> Result<Self, ToolError> {
        let mail = read_mail(values, surroundings.request)?;
        surroundings.require(&["Mail.Send"])?;
        let stage =
            if surroundings.has_granted("Mail.ReadWrite") { Stage::CreateDraft } else { Stage::SendMail };
        Ok(Self { operation: surroundings.request, mail: Some(mail), stage, an_answer_was_lost: false })
    }

    pub(super) fn recovered(intent: WriteIntent, operation: RequestId) -> Self {
        let stage = match intent {
            WriteIntent::CreateDraft => Stage::FindDraft,
            WriteIntent::SendDraft { draft } => Stage::CheckDraft { draft },
            // The last three belong to other tools and do not come here.
            WriteIntent::SendMail
            | WriteIntent::CreateEvent { .. }
            | WriteIntent::CreateMeeting
            | WriteIntent::PostMessage
            | WriteIntent::CallApp => Stage::FindSent,
        };
        Self { operation, mail: None, stage, an_answer_was_lost: true }
    }

    pub(super) fn intent(&self) -> Option<WriteIntent> {
        Some(match &self.stage {
            Stage::CreateDraft | Stage::FindDraft => WriteIntent::CreateDraft,
            Stage::SendDraft { draft } | Stage::CheckDraft { draft } => {
                WriteIntent::SendDraft { draft: draft.clone() }
            }
            Stage::SendMail | Stage::FindSent => WriteIntent::SendMail,
        })
    }

    /// The mail as Microsoft will get it.
    pub(super) fn message(&self) -> &str {
        self.mail.as_ref().map_or("{}", |mail| mail.message.as_str())
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.mail.as_ref().map_or(0, |mail| mail.message.len())
    }

    pub(super) fn call(&self) -> GraphCall {
        match &self.stage {
            Stage::CreateDraft => {
                let body = self.message().to_owned();
                GraphCall::post(Lane::Mailbox, "/me/messages".to_owned(), Some(body))
                    .preferring(&[IMMUTABLE_IDS])
            }
            Stage::SendDraft { draft } => {
                GraphCall::post(Lane::Mailbox, format!("/me/messages/{draft}/send"), None)
                    .preferring(&[IMMUTABLE_IDS])
            }
            Stage::SendMail => {
                let body = format!(r#"{{"message":{},"saveToSentItems":true}}"#, self.message());
                GraphCall::post(Lane::Mailbox, "/me/sendMail".to_owned(), Some(body))
            }
            Stage::CheckDraft { draft } => {
                let fields = query(&[("$select", "id,isDraft")]);
                GraphCall::get(Lane::Mailbox, format!("/me/messages/{draft}{fields}"))
                    .preferring(&[IMMUTABLE_IDS])
            }
            Stage::FindDraft => self.find_in("drafts"),
            Stage::FindSent => self.find_in("sentitems"),
        }
    }

    fn find_in(&self, folder: &str) -> GraphCall {
        let filter = format!(
            "singleValueExtendedProperties/Any(ep: ep/id eq {} and ep/value eq {})",
            odata_text(OPERATION_PROPERTY),
            odata_text(&self.operation.to_string()),
        );
        let parameters = query(&[("$select", "id"), ("$top", "1"), ("$filter", &filter)]);
        GraphCall::get(Lane::Mailbox, format!("/me/mailFolders/{folder}/messages{parameters}"))
            .preferring(&[IMMUTABLE_IDS])
    }

    pub(super) fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match &self.stage {
            Stage::CreateDraft => {
                let draft = read_id(answer).ok_or_else(|| {
                    ToolError::new(
                        Fault::Microsoft,
                        "unexpected_answer",
                        "Microsoft's answer to a new draft has an unexpected form. Nothing was sent; a draft \
                         may be left in Drafts.",
                    )
                })?;
                self.stage = Stage::SendDraft { draft };
                Ok(Step::Call(self.call()))
            }
            Stage::SendDraft { .. } | Stage::SendMail => Ok(Step::Done(self.sent())),
            Stage::FindDraft | Stage::CheckDraft { .. } | Stage::FindSent => match self.looked(answer) {
                Found::Happened(finished) => Ok(Step::Done(finished)),
                Found::Look(call) | Found::Resume(call) => Ok(Step::Call(call)),
                Found::DidNotHappen(error) => Err(error),
                Found::NotYetKnown | Found::NeverKnown => Err(unknown()),
            },
        }
    }

    pub(super) fn look_into(&mut self) -> Found {
        self.an_answer_was_lost = true;
        self.stage = match &self.stage {
            Stage::CreateDraft | Stage::FindDraft => Stage::FindDraft,
            Stage::SendDraft { draft } | Stage::CheckDraft { draft } => {
                Stage::CheckDraft { draft: draft.clone() }
            }
            Stage::SendMail | Stage::FindSent => Stage::FindSent,
        };
        Found::Look(self.call())
    }

    /// A refusal of a send is no proof after an earlier answer was lost: the draft may be gone because it was sent.
    pub(super) fn refused(&mut self) -> Option<Found> {
        let may_have_been_sent = self.an_answer_was_lost && matches!(self.stage, Stage::SendDraft { .. });
        may_have_been_sent.then(|| self.look_into())
    }

    pub(super) fn looked(&mut self, answer: &Answer) -> Found {
        match (&self.stage, answer.status) {
            (Stage::CheckDraft { draft }, 200) => match read_is_draft(answer) {
                Some(false) => Found::Happened(self.sent()),
                Some(true) if self.mail.is_some() => {
                    self.stage = Stage::SendDraft { draft: draft.clone() };
                    Found::Resume(self.call())
                }
                Some(true) => Found::DidNotHappen(draft_kept()),
                None => Found::NotYetKnown,
            },
            // The draft is gone from where it was and its copy in Sent Items is not there yet.
            (Stage::CheckDraft { .. }, 404) => Found::Happened(self.sent()),
            (Stage::FindDraft, 200) => match (read_first_id(answer), self.mail.is_some()) {
                (Err(()), _) => Found::NotYetKnown,
                (Ok(Some(draft)), true) => {
                    self.stage = Stage::SendDraft { draft };
                    Found::Resume(self.call())
                }
                (Ok(None), true) => {
                    self.stage = Stage::CreateDraft;
                    Found::Resume(self.call())
                }
                (Ok(Some(_)), false) => Found::DidNotHappen(draft_kept()),
                (Ok(None), false) => Found::DidNotHappen(ToolError::interrupted()),
            },
            (Stage::FindSent, 200) => match read_first_id(answer) {
                Ok(Some(_)) => Found::Happened(self.sent()),
                Ok(None) | Err(()) => Found::NotYetKnown,
            },
            // A refusal of the look itself will be repeated, however often it is asked.
            (_, 400 | 403) => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    fn sent(&self) -> Finished {
        let mut out = Map::new();
        out.insert("status".to_owned(), "sent".into());
        if let Some(mail) = &self.mail {
            out.insert("recipients".to_owned(), mail.recipients.into());
        }
        if let Stage::SendDraft { draft } | Stage::CheckDraft { draft } = &self.stage {
            out.insert("messageId".to_owned(), draft.clone().into());
        }
        Finished { structured: Value::Object(out) }
    }
}

/// The final word about a mail whose fate Microsoft does not tell.
#[must_use]
pub fn unknown() -> ToolError {
    ToolError::outcome_unknown("sending this email", "into Sent Items")
}

fn draft_kept() -> ToolError {
    ToolError::new(
        Fault::Server,
        "not_sent_draft_kept",
        "The server was restarted before the email left. It was not sent; its draft is in Drafts.",
    )
}

fn read_mail(values: &Map<String, Value>, operation: RequestId) -> Result<Mail, ToolError> {
    let known = ["to", "cc", "bcc", "subject", "body", "bodyType", "importance", "idempotencyKey"];
    let arguments = Arguments::of(Tool::SendEmail, values, &known)?;
    let mut recipients = 0;
    let mut list = |name: &str| -> Result<Vec<Value>, ToolError> {
        let addresses = arguments.addresses(name)?;
        recipients += addresses.len();
        Ok(addresses.into_iter().map(recipient).collect())
    };
    let (to, cc, bcc) = (list("to")?, list("cc")?, list("bcc")?);
    if to.is_empty() {
        return Err(arguments.must_be("to", "a list of at least one address"));
    }
    if recipients > RECIPIENTS_MAX {
        return Err(ToolError::argument(format!(
            "`sendEmail` sends to at most {RECIPIENTS_MAX} recipients; got {recipients}."
        )));
    }
    let subject = arguments.line("subject", SUBJECT_CHARS_MAX)?;
    let subject = subject.ok_or_else(|| arguments.must_be("subject", "a line of text"))?;
    let body = arguments.text("body", MAIL_BODY_BYTES_MAX)?;
    let body_type = arguments.choice("bodyType", &[("text", "text"), ("html", "html")], "text")?;
    let importance = arguments.choice(
        "importance",
        &[("low", "low"), ("normal", "normal"), ("high", "high")],
        "normal",
    )?;
    arguments.check_idempotency_key()?;
    let mut message = json!({
        "subject": subject,
        "body": {"contentType": body_type, "content": body},
        "toRecipients": to,
        "importance": importance,
        "singleValueExtendedProperties": [{"id": OPERATION_PROPERTY, "value": operation.to_string()}],
    });
    if let Some(members) = message.as_object_mut() {
        for (name, list) in [("ccRecipients", cc), ("bccRecipients", bcc)] {
            if !list.is_empty() {
                members.insert(name.to_owned(), list.into());
            }
        }
    }
    Ok(Mail { message: message.to_string(), recipients })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageBody {
    id: Option<String>,
    is_draft: Option<bool>,
}

#[derive(Deserialize)]
struct ListBody {
    value: Vec<MessageBody>,
}

/// The identifier in an answer, encoded as a segment, so that it can stand in the next path.
fn read_id(answer: &Answer) -> Option<String> {
    let body: MessageBody = serde_json::from_slice(&answer.body).ok()?;
    segment(&body.id?).ok()
}

fn read_is_draft(answer: &Answer) -> Option<bool> {
    serde_json::from_slice::<MessageBody>(&answer.body).ok()?.is_draft
}

fn read_first_id(answer: &Answer) -> Result<Option<String>, ()> {
    let list: ListBody = serde_json::from_slice(&answer.body).map_err(|_| ())?;
    match list.value.into_iter().next() {
        None => Ok(None),
        Some(first) => first.id.and_then(|id| segment(&id).ok()).map(Some).ok_or(()),
    }
}

#[cfg(test)]
mod tests;
