//! A mail on its way out, or into Drafts: written, and sent at most once.
//!
//! What holds here: where Microsoft granted `Mail.ReadWrite` a mail is first made as a draft and then sent, because a
//! draft that is still a draft was certainly not sent. Elsewhere sending in one call is the only way, and a lost answer
//! ends as found or unknown: Sent Items fills late, so that "not found" never proves "not sent". No call that can send is
//! ever repeated without having looked first. To whom a mail goes is known of a reply only once its draft is there; it is
//! then held against the policy before it is sent.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Mailbox;
use super::message::{addresses, made_by, mark};
use crate::graph::{IMMUTABLE_IDS, query, segment};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::policy::{MailRules, Policy};
use crate::tools::confirm;
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, WriteIntent};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Attachments of other mails are read first.
    Gather,
    /// A draft that was there before is looked at.
    ReadDraft {
        draft: String,
    },
    CreateDraft,
    FindDraft,
    SendDraft {
        draft: String,
    },
    CheckDraft {
        draft: String,
    },
    SendMail,
    FindSent,
}

/// An attachment of another mail, as two segments.
pub(super) type Reference = (String, String);

/// A mail as it was written; nothing of it is left after the object was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mail {
    /// The message, or what changes about the one that is answered.
    pub message: Map<String, Value>,
    /// What it answers or forwards; none for a mail of its own.
    pub answers: Option<Answering>,
    /// Attachments that have to be read from other mails.
    pub references: Vec<Reference>,
    /// To how many addresses it goes, as far as that is known.
    pub recipients: usize,
}

/// How a mail refers to an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answering {
    /// The earlier one, as a segment.
    pub to: String,
    /// Graph's name of the way: `reply`, `replyAll` or `forward`.
    pub way: &'static str,
    /// What is written above it.
    pub comment: String,
}

/// A mail being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    operation: RequestId,
    mailbox: Mailbox,
    mail: Option<Mail>,
    /// Whether it stays a draft.
    is_kept: bool,
    /// Changes an existing draft with this segment.
    edits: Option<String>,
    /// To whom mail may go.
    allowed: MailRules,
    stage: Stage,
    an_answer_was_lost: bool,
    /// Whether the object was stopped since, so that nothing is left of the mail itself.
    is_recovered: bool,
}

impl Outgoing {
    /// A mail that is sent: as a draft first if `by_draft`, which only the person's own mailbox allows.
    pub(super) fn sending(
        mail: Mail,
        mailbox: Mailbox,
        by_draft: bool,
        operation: RequestId,
        policy: &Policy,
    ) -> Self {
        let stage = match (mail.references.is_empty(), by_draft) {
            (false, _) => Stage::Gather,
            (true, true) => Stage::CreateDraft,
            (true, false) => Stage::SendMail,
        };
        let blank = Self::blank(operation, stage);
        Self { mailbox, mail: Some(mail), allowed: policy.mail.clone(), ..blank }
    }

    /// A mail that stays in Drafts, new or in the place of another draft.
    pub(super) fn keeping(mail: Mail, edits: Option<String>, operation: RequestId) -> Self {
        let stage = if mail.references.is_empty() { Stage::CreateDraft } else { Stage::Gather };
        Self { mail: Some(mail), edits, is_kept: true, ..Self::blank(operation, stage) }
    }

    /// A draft that is there already and is sent.
    pub(super) fn of_draft(draft: String, operation: RequestId, policy: &Policy) -> Self {
        let blank = Self::blank(operation, Stage::ReadDraft { draft });
        Self { allowed: policy.mail.clone(), ..blank }
    }

    pub(super) fn recovered(intent: WriteIntent, operation: RequestId) -> Self {
        let is_kept = intent == WriteIntent::KeepDraft;
        let stage = match intent {
            WriteIntent::CreateDraft | WriteIntent::KeepDraft => Stage::FindDraft,
            WriteIntent::SendDraft { draft } => Stage::CheckDraft { draft },
            // The others belong to other tools and do not come here.
            _ => Stage::FindSent,
        };
        Self { is_kept, an_answer_was_lost: true, is_recovered: true, ..Self::blank(operation, stage) }
    }

    fn blank(operation: RequestId, stage: Stage) -> Self {
        Self {
            operation,
            mailbox: Mailbox::own(),
            mail: None,
            is_kept: false,
            edits: None,
            allowed: MailRules::default(),
            stage,
            an_answer_was_lost: false,
            is_recovered: false,
        }
    }

    /// Path and body of the call that makes the draft, or that sends at once.
    fn written(&self, as_draft: bool) -> (Method, String, String) {
        let root = &self.mailbox.root;
        let Some(mail) = &self.mail else { return (Method::Get, "/me".to_owned(), String::new()) };
        let mut message = mail.message.clone();
        if self.edits.is_none() {
            message.insert("singleValueExtendedProperties".to_owned(), mark(self.operation));
        }
        let message = Value::Object(message);
        match (&mail.answers, &self.edits) {
            (_, Some(draft)) => (Method::Patch, format!("/me/messages/{draft}"), message.to_string()),
            (None, None) if as_draft => (Method::Post, format!("{root}/messages"), message.to_string()),
            (None, None) => {
                let body = format!(r#"{{"message":{message},"saveToSentItems":true}}"#);
                (Method::Post, format!("{root}/sendMail"), body)
            }
            (Some(Answering { to, way, comment }), None) => {
                let action = match (as_draft, *way) {
                    (false, way) => way,
                    (true, "replyAll") => "createReplyAll",
                    (true, "forward") => "createForward",
                    (true, _) => "createReply",
                };
                let body = json!({"message": message, "comment": comment});
                (Method::Post, format!("{root}/messages/{to}/{action}"), body.to_string())
            }
        }
    }

    fn find_in(&self, folder: &str) -> GraphCall {
        let parameters = query(&[("$select", "id"), ("$top", "1"), ("$filter", &made_by(self.operation))]);
        let path = format!("{}/mailFolders/{folder}/messages{parameters}", self.mailbox.root);
        GraphCall::get(self.mailbox.lane, path).preferring(&[IMMUTABLE_IDS])
    }

    /// Takes an attachment of another mail over into this one.
    fn gathered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let item: Value = crate::tools::collection::read(answer)?;
        let Some(content) = item.get("contentBytes").and_then(Value::as_str) else {
            return Err(ToolError::argument(
                "One of `attachments` is a mail or a link to a file, which cannot be attached to another mail.",
            ));
        };
        let may_read = self.mailbox.lane == Lane::Mailbox;
        let Some(mail) = &mut self.mail else { return Ok(Step::Call(self.call())) };
        let attachment = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": item.get("name"),
            "contentType": item.get("contentType"),
            "contentBytes": content,
        });
        let list = mail.message.entry("attachments").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(attachment);
        }
        super::compose::check_attachments(list)?;
        self.allowed.check_attachments(list)?;
        mail.references.remove(0);
        if mail.references.is_empty() {
            // What is gathered was read with a permission that also makes drafts, or none is needed.
            self.stage = if may_read { Stage::CreateDraft } else { Stage::SendMail };
        }
        Ok(Step::Call(self.call()))
    }

    /// A draft is there: it stays, or it is sent if those may get it to whom it goes.
    fn has_draft(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let draft = read_id(answer).ok_or_else(|| {
            ToolError::new(
                Fault::Microsoft,
                "unexpected_answer",
                "Microsoft's answer to a new draft has an unexpected form. Nothing was sent; a draft may be left in \
                 Drafts.",
            )
        })?;
        let message: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if let Some(mail) = self.mail.as_mut().filter(|mail| mail.answers.is_some()) {
            // It goes to more than those who were named.
            mail.recipients = addresses(&message).len();
        }
        if self.is_kept {
            self.stage = Stage::CheckDraft { draft };
            return Ok(Step::Done(self.finished()));
        }
        self.check_recipients(&message)?;
        self.stage = Stage::SendDraft { draft };
        Ok(Step::Call(self.call()))
    }

    fn check_recipients(&self, message: &Value) -> Result<(), ToolError> {
        self.allowed.check_recipients(addresses(message).into_iter()).map_err(|mut refused| {
            refused.message.push_str(" The draft is in Drafts.");
            refused
        })
    }

    fn finished(&self) -> Finished {
        let mut out = Map::new();
        out.insert("status".to_owned(), if self.is_kept { "drafted" } else { "sent" }.into());
        if let Some(mail) = self.mail.as_ref().filter(|mail| mail.recipients > 0) {
            out.insert("recipients".to_owned(), mail.recipients.into());
        }
        if let Stage::SendDraft { draft } | Stage::CheckDraft { draft } = &self.stage {
            out.insert("messageId".to_owned(), draft.clone().into());
        }
        Finished::new(Value::Object(out))
    }

    /// What was found in Drafts under the mark of this operation.
    fn found_draft(&mut self, found: Option<String>) -> Found {
        match (found, !self.is_recovered) {
            (Some(draft), _) if self.is_kept => {
                self.stage = Stage::CheckDraft { draft };
                Found::Happened(self.finished())
            }
            // To whom it goes was not held against the policy yet.
            (Some(draft), true) if self.allowed.limits_recipients() => {
                self.stage = Stage::ReadDraft { draft };
                Found::Resume(self.call())
            }
            (Some(draft), true) => {
                self.stage = Stage::SendDraft { draft };
                Found::Resume(self.call())
            }
            (None, true) => {
                self.stage = Stage::CreateDraft;
                Found::Resume(self.call())
            }
            (Some(_), false) => Found::DidNotHappen(draft_kept()),
            (None, false) => Found::DidNotHappen(ToolError::interrupted()),
        }
    }
}

impl Writing for Outgoing {
    fn call(&self) -> GraphCall {
        let lane = self.mailbox.lane;
        match &self.stage {
            Stage::Gather => {
                let references = self.mail.as_ref().map_or(&[][..], |mail| mail.references.as_slice());
                let (message, attachment) = references.first().cloned().unwrap_or_default();
                GraphCall::get(Lane::Mailbox, format!("/me/messages/{message}/attachments/{attachment}"))
                    .preferring(&[IMMUTABLE_IDS])
            }
            Stage::ReadDraft { draft } => {
                let fields = query(&[("$select", "id,isDraft,toRecipients,ccRecipients,bccRecipients")]);
                GraphCall::get(lane, format!("/me/messages/{draft}{fields}")).preferring(&[IMMUTABLE_IDS])
            }
            Stage::CreateDraft => {
                let (method, path, body) = self.written(true);
                let call = GraphCall::post(lane, path, Some(body)).preferring(&[IMMUTABLE_IDS]);
                GraphCall { method, ..call }
            }
            Stage::SendDraft { draft } => {
                GraphCall::post(lane, format!("/me/messages/{draft}/send"), None).preferring(&[IMMUTABLE_IDS])
            }
            Stage::SendMail => {
                let (_, path, body) = self.written(false);
                GraphCall::post(lane, path, Some(body))
            }
            Stage::CheckDraft { draft } => {
                let fields = query(&[("$select", "id,isDraft")]);
                GraphCall::get(lane, format!("/me/messages/{draft}{fields}")).preferring(&[IMMUTABLE_IDS])
            }
            Stage::FindDraft => self.find_in("drafts"),
            Stage::FindSent => self.find_in("sentitems"),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match &self.stage {
            Stage::Gather => self.gathered(answer),
            Stage::ReadDraft { draft } => {
                let draft = draft.clone();
                if read_is_draft(answer) != Some(true) {
                    return Err(ToolError::argument(
                        "`draftId` names no draft. It may have been sent already.",
                    ));
                }
                self.check_recipients(&serde_json::from_slice(&answer.body).unwrap_or_default())?;
                self.stage = Stage::SendDraft { draft };
                Ok(Step::Call(self.call()))
            }
            Stage::CreateDraft => self.has_draft(answer),
            Stage::SendDraft { .. } | Stage::SendMail => Ok(Step::Done(self.finished())),
            Stage::FindDraft | Stage::CheckDraft { .. } | Stage::FindSent => match self.looked(answer) {
                Found::Happened(finished) => Ok(Step::Done(finished)),
                Found::Look(call) | Found::Resume(call) => Ok(Step::Call(call)),
                Found::DidNotHappen(error) => Err(error),
                Found::NotYetKnown | Found::NeverKnown => Err(self.outcome_unknown()),
            },
        }
    }

    fn intent(&self) -> Option<WriteIntent> {
        Some(match &self.stage {
            Stage::Gather | Stage::ReadDraft { .. } => return None,
            // It carries no mark by which it could be found again.
            _ if self.edits.is_some() => WriteIntent::ChangeMessages,
            Stage::CreateDraft | Stage::FindDraft | Stage::CheckDraft { .. } if self.is_kept => {
                WriteIntent::KeepDraft
            }
            Stage::CreateDraft | Stage::FindDraft => WriteIntent::CreateDraft,
            Stage::SendDraft { draft } | Stage::CheckDraft { draft } => {
                WriteIntent::SendDraft { draft: draft.clone() }
            }
            Stage::SendMail | Stage::FindSent => WriteIntent::SendMail,
        })
    }

    fn held_bytes(&self) -> usize {
        self.mail.as_ref().map_or(0, |mail| Value::Object(mail.message.clone()).to_string().len())
    }

    fn look_into(&mut self) -> Found {
        self.an_answer_was_lost = true;
        // A change of a draft can be made again without a second effect.
        if self.edits.is_some() {
            return Found::Look(self.call());
        }
        self.stage = match self.stage.clone() {
            Stage::CreateDraft | Stage::FindDraft => Stage::FindDraft,
            Stage::SendDraft { draft } | Stage::CheckDraft { draft } => Stage::CheckDraft { draft },
            Stage::SendMail | Stage::FindSent => Stage::FindSent,
            reading @ (Stage::Gather | Stage::ReadDraft { .. }) => reading,
        };
        Found::Look(self.call())
    }

    /// A refusal of a send is no proof after an earlier answer was lost: the draft may be gone because it was sent.
    fn refused(&mut self) -> Option<Found> {
        let may_have_been_sent = self.an_answer_was_lost && matches!(self.stage, Stage::SendDraft { .. });
        may_have_been_sent.then(|| self.look_into())
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match (&self.stage, answer.status) {
            (Stage::CreateDraft, 200..300) if self.edits.is_some() => match self.has_draft(answer) {
                Ok(Step::Done(finished)) => Found::Happened(finished),
                _ => Found::NotYetKnown,
            },
            (Stage::CheckDraft { draft }, 200) => match read_is_draft(answer) {
                Some(false) => Found::Happened(self.finished()),
                Some(true) if !self.is_recovered => {
                    self.stage = Stage::SendDraft { draft: draft.clone() };
                    Found::Resume(self.call())
                }
                Some(true) => Found::DidNotHappen(draft_kept()),
                None => Found::NotYetKnown,
            },
            // The draft is gone from where it was and its copy in Sent Items is not there yet.
            (Stage::CheckDraft { .. }, 404) => Found::Happened(self.finished()),
            (Stage::FindDraft, 200) => match read_first_id(answer) {
                Err(()) => Found::NotYetKnown,
                Ok(found) => self.found_draft(found),
            },
            (Stage::FindSent, 200) => match read_first_id(answer) {
                Ok(Some(_)) => Found::Happened(self.finished()),
                Ok(None) | Err(()) => Found::NotYetKnown,
            },
            // A refusal of the look itself will be repeated, however often it is asked.
            (_, 400 | 403) => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    fn outcome_unknown(&self) -> ToolError {
        if self.is_kept {
            return ToolError::outcome_unknown("writing this draft", "into Drafts");
        }
        ToolError::outcome_unknown("sending this email", "into Sent Items")
    }

    fn to_confirm(&self, policy: &Policy, _arguments: &Map<String, Value>) -> Option<String> {
        if self.is_kept {
            return None;
        }
        let message = self.mail.as_ref().map(|mail| Value::Object(mail.message.clone())).unwrap_or_default();
        let answering = self.mail.as_ref().and_then(|mail| mail.answers.as_ref());
        match answering {
            None => policy.demands_for_mail(addresses(&message).into_iter()).then(|| confirm::mail(&message)),
            // To whom a reply goes is not known yet, so that it counts as going outside.
            Some(answering) => policy
                .demands_for_mail(std::iter::once(""))
                .then(|| confirm::answer(&message, answering.way, &answering.comment)),
        }
    }
}

fn draft_kept() -> ToolError {
    ToolError::new(
        Fault::Server,
        "not_sent_draft_kept",
        "The server was restarted before the email left. It was not sent; its draft is in Drafts.",
    )
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
