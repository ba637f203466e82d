//! The attachments of a mail on its way: described, read into it, or put onto its draft.
//!
//! What holds here: nothing is written before everything that is attached was described and held against the policy. What
//! fits into the mail travels in it, so that most mails take the calls that they took without attachments. Only the draft
//! of an answer takes some: what Graph does with those in the call that makes it is not said.

use super::super::Mailbox;
use super::super::enclosure::{self, Enclosure, total};
use super::super::filling::Filling;
use super::{Outgoing, Stage};
use crate::limits::INLINE_ATTACHMENTS_BYTES_MAX;
use crate::outbound::{Answer, GraphCall};
use crate::policy::Policy;
use crate::tools::Step;
use crate::tools::error::ToolError;
use crate::tools::plan::Writing as _;

impl Outgoing {
    /// Decides what comes first: attachments are described, then those that fit into the mail are read into it, and others
    /// wait for its draft.
    pub(super) fn prepare(&mut self) -> Result<(), ToolError> {
        let Some(mail) = &mut self.mail else { return Ok(()) };
        enclosure::check(&mail.enclosures, &self.policy)?;
        let is_answer = mail.answers.is_some() && !mail.enclosures.is_empty();
        self.stage = if mail.enclosures.iter().any(|one| one.describe().is_some()) {
            Stage::Describe
        } else if is_answer || total(&mail.enclosures) > INLINE_ATTACHMENTS_BYTES_MAX {
            if self.mailbox != Mailbox::own() {
                return Err(ToolError::argument(
                    "`attachments` of a mail from a shared mailbox hold 2 MB together at most. Nothing was sent. Share \
                     a link with shareFile instead.",
                ));
            }
            if !self.by_draft {
                return Err(ToolError::permission_missing("Mail.ReadWrite"));
            }
            if mail.enclosures.iter().any(Enclosure::is_large) && !self.policy.files.allows_any() {
                return Err(enclosure::not_listed());
            }
            Stage::CreateDraft
        } else if mail.enclosures.iter().any(|one| one.read_whole().is_some()) {
            Stage::Gather
        } else {
            mail.enclose();
            if self.by_draft { Stage::CreateDraft } else { Stage::SendMail }
        };
        Ok(())
    }

    /// Takes what was described or read of the first attachment that it was asked of.
    pub(super) fn gathered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let all = self.mail.iter_mut().flat_map(|mail| &mut mail.enclosures);
        if self.stage == Stage::Describe {
            if let Some(enclosure) = all.into_iter().find(|one| one.describe().is_some()) {
                enclosure.described(answer, &self.policy)?;
            }
        } else if let Some(enclosure) = all.into_iter().find(|one| one.read_whole().is_some()) {
            enclosure.took_whole(answer)?;
        }
        self.prepare()?;
        Ok(Step::Call(self.call()))
    }

    /// Whether attachments wait for the draft.
    pub(super) fn has_waiting(&self) -> bool {
        self.mail.as_ref().is_some_and(|mail| !mail.enclosures.is_empty())
    }

    /// What comes after an attachment.
    pub(super) fn after_filling(&mut self) -> Option<GraphCall> {
        let (Stage::Fill(filling), Some(mail)) = (&self.stage, &mut self.mail) else { return None };
        if !filling.is_done(&mail.enclosures) {
            return Some(self.call());
        }
        mail.enclosures.clear();
        let draft = filling.draft.clone();
        self.go_on_with(draft)
    }

    /// Does something with the draft that is being filled.
    pub(super) fn filling<T>(
        &mut self,
        work: impl FnOnce(&mut Filling, &mut [Enclosure], &Policy) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let (Stage::Fill(filling), Some(mail)) = (&mut self.stage, &mut self.mail) else {
            return Err(ToolError::interrupted());
        };
        work(filling, &mut mail.enclosures, &self.policy)
    }
}
