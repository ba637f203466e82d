//! A mail on its way out, or into Drafts: written, and sent at most once.
//!
//! What holds here: where Microsoft granted `Mail.ReadWrite` a mail is first made as a draft and then sent, because a
//! draft that is still a draft was certainly not sent. Elsewhere sending in one call is the only way, and a lost answer
//! ends as found or unknown: Sent Items fills late, so that "not found" never proves "not sent". No call that can send is
//! ever repeated without having looked first. To whom a mail goes is known of a reply only once its draft is there; it is
//! then held against the policy before it is sent.

mod attaching;
mod written;

use serde_json::{Map, Value};

use super::Mailbox;
use super::enclosure::Enclosure;
use super::filling::{Filling, not_taken};
use super::message::addresses;
use crate::graph::{IMMUTABLE_IDS, query};
use crate::ids::RequestId;
use crate::outbound::{Answer, GraphCall};
use crate::policy::Policy;
use crate::tools::confirm;
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::{Progress, Writing};
use crate::tools::{Finished, Found, Step, WriteIntent};
pub(super) use written::{Answering, Mail};
use written::{find_in, read_first_id, read_id, read_is_draft};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Attachments by reference are described first.
    Describe,
    /// Those that are few are read.
    Gather,
    /// A draft that was there before is looked at.
    ReadDraft {
        draft: String,
    },
    CreateDraft,
    FindDraft,
    /// A draft gets its attachments.
    Fill(Filling),
    SendDraft {
        draft: String,
    },
    CheckDraft {
        draft: String,
    },
    SendMail,
    FindSent,
}

/// A mail being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    operation: RequestId,
    mailbox: Mailbox,
    mail: Option<Mail>,
    /// Whether it may be a draft first.
    by_draft: bool,
    /// Whether it stays a draft.
    is_kept: bool,
    /// Changes an existing draft with this segment.
    edits: Option<String>,
    /// To whom mail may go, and with what.
    policy: Policy,
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
    ) -> Result<Self, ToolError> {
        let blank = Self::blank(operation, Stage::SendMail);
        let mut plan = Self { mailbox, mail: Some(mail), by_draft, policy: policy.clone(), ..blank };
        plan.prepare()?;
        Ok(plan)
    }

    /// A mail that stays in Drafts, new or in the place of another draft.
    pub(super) fn keeping(
        mail: Mail,
        edits: Option<String>,
        operation: RequestId,
        policy: &Policy,
    ) -> Result<Self, ToolError> {
        let blank = Self::blank(operation, Stage::CreateDraft);
        let (mail, policy) = (Some(mail), policy.clone());
        let mut plan = Self { mail, edits, by_draft: true, is_kept: true, policy, ..blank };
        plan.prepare()?;
        Ok(plan)
    }

    /// A draft that is there already and is sent.
    pub(super) fn of_draft(draft: String, operation: RequestId, policy: &Policy) -> Self {
        let blank = Self::blank(operation, Stage::ReadDraft { draft });
        Self { policy: policy.clone(), ..blank }
    }

    pub(super) fn recovered(intent: WriteIntent, operation: RequestId) -> Self {
        let is_kept = intent == WriteIntent::KeepDraft;
        let stage = match intent {
            WriteIntent::CreateDraft | WriteIntent::KeepDraft | WriteIntent::FillDraft => Stage::FindDraft,
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
            by_draft: false,
            is_kept: false,
            edits: None,
            policy: Policy::default(),
            stage,
            an_answer_was_lost: false,
            is_recovered: false,
        }
    }

    /// Goes on with a draft that is there: what is next, or none if it is as it shall stay.
    fn go_on_with(&mut self, draft: String) -> Option<GraphCall> {
        self.stage = if self.has_waiting() {
            let is_answer = self.mail.as_ref().is_some_and(|mail| mail.answers.is_some());
            Stage::Fill(Filling::new(draft, is_answer))
        } else if self.is_kept {
            Stage::CheckDraft { draft }
        } else {
            Stage::SendDraft { draft }
        };
        let is_over = matches!(self.stage, Stage::CheckDraft { .. });
        (!is_over).then(|| self.call())
    }

    fn step(&self, next: Option<GraphCall>) -> Step {
        next.map_or_else(|| Step::Done(self.finished()), Step::Call)
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
        if !self.is_kept {
            self.check_recipients(&message)?;
        }
        let next = self.go_on_with(draft);
        Ok(self.step(next))
    }

    fn check_recipients(&self, message: &Value) -> Result<(), ToolError> {
        self.policy.mail.check_recipients(addresses(message).into_iter()).map_err(|mut refused| {
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
            // To whom it goes was not held against the policy yet.
            (Some(draft), true) if !self.is_kept && self.policy.mail.limits_recipients() => {
                self.stage = Stage::ReadDraft { draft };
                Found::Resume(self.call())
            }
            (Some(draft), true) => match self.go_on_with(draft) {
                Some(call) => Found::Resume(call),
                None => Found::Happened(self.finished()),
            },
            (Some(draft), false) if self.is_kept => {
                self.stage = Stage::CheckDraft { draft };
                Found::Happened(self.finished())
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
            Stage::Describe | Stage::Gather => {
                let mut all = self.mail.iter().flat_map(|mail| &mail.enclosures);
                let next = match &self.stage {
                    Stage::Describe => all.find_map(Enclosure::describe),
                    _ => all.find_map(Enclosure::read_whole),
                };
                next.unwrap_or_else(|| GraphCall::get(lane, "/me".to_owned()))
            }
            Stage::Fill(filling) => {
                filling.call(self.mail.as_ref().map_or(&[], |mail| mail.enclosures.as_slice()))
            }
            Stage::ReadDraft { draft } => {
                let fields = query(&[("$select", "id,isDraft,toRecipients,ccRecipients,bccRecipients")]);
                GraphCall::get(lane, format!("/me/messages/{draft}{fields}")).preferring(&[IMMUTABLE_IDS])
            }
            Stage::CreateDraft | Stage::SendMail => {
                let (edits, as_draft) = (self.edits.as_deref(), self.stage == Stage::CreateDraft);
                let written = self.mail.as_ref();
                written.map_or_else(
                    || GraphCall::get(lane, "/me".to_owned()),
                    |mail| mail.call(&self.mailbox, self.operation, edits, as_draft),
                )
            }
            Stage::SendDraft { draft } => {
                GraphCall::post(lane, format!("/me/messages/{draft}/send"), None).preferring(&[IMMUTABLE_IDS])
            }
            Stage::CheckDraft { draft } => {
                let fields = query(&[("$select", "id,isDraft")]);
                GraphCall::get(lane, format!("/me/messages/{draft}{fields}")).preferring(&[IMMUTABLE_IDS])
            }
            Stage::FindDraft => find_in("drafts", &self.mailbox, self.operation),
            Stage::FindSent => find_in("sentitems", &self.mailbox, self.operation),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match &self.stage {
            Stage::Describe | Stage::Gather => self.gathered(answer),
            Stage::ReadDraft { draft } => {
                let draft = draft.clone();
                if read_is_draft(answer) != Some(true) {
                    return Err(ToolError::argument(
                        "`draftId` names no draft. It may have been sent already.",
                    ));
                }
                self.check_recipients(&serde_json::from_slice(&answer.body).unwrap_or_default())?;
                let next = self.go_on_with(draft);
                Ok(self.step(next))
            }
            Stage::CreateDraft => self.has_draft(answer),
            Stage::Fill(_) => {
                self.filling(|filling, enclosures, policy| {
                    filling.answered(enclosures, answer, &policy.files)
                })?;
                let next = self.after_filling();
                Ok(self.step(next))
            }
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
            Stage::Describe | Stage::Gather | Stage::ReadDraft { .. } => return None,
            // It carries no mark by which it could be found again.
            _ if self.edits.is_some() => WriteIntent::ChangeMessages,
            Stage::Fill(_) => WriteIntent::FillDraft,
            Stage::CreateDraft | Stage::FindDraft if self.has_waiting() => WriteIntent::FillDraft,
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
        let part = if let Stage::Fill(filling) = &self.stage { filling.held_bytes() } else { 0 };
        self.mail.as_ref().map_or(0, Mail::held_bytes) + part
    }

    fn look_into(&mut self) -> Found {
        self.an_answer_was_lost = true;
        // A change of a draft can be made again without a second effect.
        if self.edits.is_some() {
            return Found::Look(self.call());
        }
        match &mut self.stage {
            Stage::CreateDraft => self.stage = Stage::FindDraft,
            Stage::SendDraft { draft } => self.stage = Stage::CheckDraft { draft: std::mem::take(draft) },
            Stage::SendMail => self.stage = Stage::FindSent,
            Stage::Fill(filling) => filling.count(),
            _ => {}
        }
        Found::Look(self.call())
    }

    /// A refusal of a send is no proof after an earlier answer was lost: the draft may be gone because it was sent.
    fn refused(&mut self) -> Option<Found> {
        if self.call().storage.is_some() {
            return Some(Found::DidNotHappen(not_taken()));
        }
        let may_have_been_sent = self.an_answer_was_lost && matches!(self.stage, Stage::SendDraft { .. });
        may_have_been_sent.then(|| self.look_into())
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match (&self.stage, answer.status) {
            (Stage::Fill(_), 200) => {
                let counted = self.filling(|filling, all, _| filling.counted(all, answer));
                match counted.map(|()| self.after_filling()) {
                    Ok(Some(call)) => Found::Resume(call),
                    Ok(None) => Found::Happened(self.finished()),
                    Err(_) => Found::NotYetKnown,
                }
            }
            (Stage::Fill(_), 400..500) => Found::DidNotHappen(not_taken()),
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

    fn left_behind(&self) -> Option<&'static str> {
        match &self.stage {
            Stage::Fill(_) => {
                Some("Nothing was sent. The draft is in Drafts, without all of its attachments.")
            }
            Stage::SendDraft { .. } => Some("The draft is in Drafts."),
            _ => None,
        }
    }

    fn progress(&self) -> Option<Progress> {
        let (Stage::Fill(filling), Some(mail)) = (&self.stage, &self.mail) else { return None };
        Some(filling.progress(&mail.enclosures))
    }

    fn outcome_unknown(&self) -> ToolError {
        if let (Stage::Fill(_), Some(left)) = (&self.stage, self.left_behind()) {
            return ToolError::new(Fault::Microsoft, "not_sent", "Microsoft did not answer in time.")
                .ending(left);
        }
        if self.is_kept {
            return ToolError::outcome_unknown("writing this draft", "into Drafts");
        }
        ToolError::outcome_unknown("sending this email", "into Sent Items")
    }

    fn to_confirm(&self, policy: &Policy, _arguments: &Map<String, Value>) -> Option<String> {
        if self.is_kept {
            return None;
        }
        let mail = self.mail.as_ref()?;
        let message = Value::Object(mail.message.clone());
        let labels = mail.enclosures.iter().map(Enclosure::label);
        match &mail.answers {
            None => policy
                .demands_for_mail(addresses(&message).into_iter())
                .then(|| confirm::mail(&message, labels)),
            // To whom a reply goes is not known yet, so that it counts as going outside.
            Some(answering) => policy
                .demands_for_mail(std::iter::once(""))
                .then(|| confirm::answer(&message, answering.way, &answering.comment, labels)),
        }
    }
}

fn draft_kept() -> ToolError {
    ToolError::new(
        Fault::Server,
        "not_sent_draft_kept",
        "The server was restarted before the email left. It was not sent; its draft is in Drafts, perhaps \
         without all of its attachments.",
    )
}

#[cfg(test)]
mod tests;
