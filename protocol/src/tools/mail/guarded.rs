//! A plan of a mail tool behind its gate ([`super::gate`]).
//!
//! What holds here: nothing of the plan leaves before the gate is open, and what it reads of mails and folders it gets
//! without those that are out of reach, so that no tool has to think of them. A page of which something was left out is as
//! long as what is left, and goes on where Microsoft's goes on.

use serde_json::{Map, Value};

use super::gate::{FoldersOff, Gate, Named};
use super::{Mailbox, WELL_KNOWN};
use crate::graph::segment;
use crate::outbound::{Answer, GraphCall};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::{MAIL_READ, MAIL_READ_SHARED};
use crate::tools::collection::text;
use crate::tools::gated::{Gate as _, Gated};
use crate::tools::plan::{Planned, Reading};
use crate::tools::{Plan, Step, Surroundings, Tool, ToolError};

/// What is planned for a call, behind a gate where operators' rules need one. Without a `tool` it is the reading of one
/// mail.
///
/// # Errors
/// A folder that was named is out of reach, or where mails lie may not be read.
pub(in crate::tools) fn guarded(
    tool: Option<Tool>,
    planned: Planned,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    let named = named(tool, values, around);
    let has_folders = !around.policy.folders.is_empty();
    let is_concerned = has_folders && tool != Some(Tool::CheckRecipients) || named.attached.is_some();
    let (true, Planned::Work(plan)) = (is_concerned, &planned) else { return Ok(planned) };
    let is_needless = matches!(**plan, Plan::Write(_)) && named.mails.is_empty() && named.goes_to.is_none();
    if is_needless {
        return Ok(planned);
    }
    let mailbox = match tool {
        Some(tool @ (Tool::GetEmails | Tool::SearchEmails | Tool::ReadEmail)) => {
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            let arguments = Arguments::of(tool, values, &names)?;
            Mailbox::read(&arguments, around, &MAIL_READ, &MAIL_READ_SHARED)?
        }
        _ => {
            around.require(&MAIL_READ)?;
            Mailbox::own()
        }
    };
    let known = (around.folders_off, around.now);
    let gate = Gate::new(&around.policy.folders, mailbox, named, around.request, known)?;
    Ok(match planned {
        Planned::Work(plan) => match *plan {
            Plan::Read(plan) => Planned::read(Gated { gate, plan }),
            Plan::Write(plan) => Planned::write(Gated { gate, plan }),
        },
        planned => planned,
    })
}

/// What the arguments of a call name.
fn named(tool: Option<Tool>, values: &Map<String, Value>, around: Surroundings<'_>) -> Named {
    let given = |name: &str| values.get(name).and_then(Value::as_str);
    let of_list = |name: &str| values.get(name).and_then(Value::as_array).into_iter().flatten();
    let attached = || of_list("attachments").filter_map(|one| text(one, "/messageId"));
    let rules = || Some(&around.policy.mail).filter(|rules| rules.limits_attachments()).cloned();
    let mut named = Named::default();
    let mails: Vec<&str> = match tool {
        Some(Tool::GetEmails | Tool::SearchEmails) => {
            named.listed = given("folder").map(str::to_owned);
            Vec::new()
        }
        Some(Tool::ListMailFolders) => {
            named.listed = given("parent").map(str::to_owned);
            Vec::new()
        }
        Some(Tool::GetAttachment) => given("messageId").into_iter().collect(),
        Some(Tool::ReplyEmail) => {
            named.attached = (given("mode") == Some("forward")).then(rules).flatten();
            given("id").into_iter().collect()
        }
        Some(Tool::SendEmail) => {
            named.attached = given("draftId").and_then(|_| rules());
            given("draftId").into_iter().chain(attached()).collect()
        }
        Some(Tool::DraftEmail) => {
            given("draftId").into_iter().chain(given("replyTo")).chain(attached()).collect()
        }
        Some(Tool::OrganizeEmail) => {
            named.goes_to = match given("action") {
                Some("move") => given("folder").map(well_known_or_id),
                Some("delete") => Some("deleteditems".to_owned()),
                _ => None,
            }
            .and_then(|folder| segment(&folder).ok());
            of_list("ids").filter_map(Value::as_str).collect()
        }
        // One mail says itself where it lies, in the same answer.
        _ => Vec::new(),
    };
    named.mails = mails.into_iter().filter_map(|mail| segment(mail).ok()).collect();
    named.mails.sort_unstable();
    named.mails.dedup();
    named
}

fn well_known_or_id(folder: &str) -> String {
    let lower = folder.to_ascii_lowercase();
    if WELL_KNOWN.contains(&lower.as_str()) { lower } else { folder.to_owned() }
}

impl Reading for Gated<Gate, Box<dyn Reading>> {
    fn call(&self) -> GraphCall {
        self.gate.call().unwrap_or_else(|| self.plan.call())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.gate.call().is_some() {
            self.gate.answered(answer)?;
            return Ok(Step::Call(self.call()));
        }
        let seen = self.gate.let_through(&self.plan.call().path, answer)?;
        self.plan.answered(&seen)
    }

    fn is_long(&self) -> bool {
        self.plan.is_long()
    }

    fn opened(&mut self, answer: Answer) -> Answer {
        if self.gate.call().is_some() { self.gate.opened(answer) } else { self.plan.opened(answer) }
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        if self.gate.call().is_none() {
            return self.plan.took_refusal(refusal);
        }
        self.gate.took_refusal(refusal).then(|| Step::Call(self.call()))
    }

    fn learnt(&mut self) -> Option<FoldersOff> {
        self.gate.learnt()
    }
}

#[cfg(test)]
mod tests;
