//! `readEmail`: one mail with its text, or all mails of its conversation.
//!
//! What holds here: the text is what a person would see of the mail; the history that it quotes is left out and counted,
//! because the conversation has it once already. A text that does not fit goes on where it was cut.

use serde_json::{Map, Value, json};

use super::{BY_SENDERS, Mailbox, message};
use crate::graph::{IMMUTABLE_IDS, odata_text, query};
use crate::outbound::{Answer, GraphCall};
use crate::tools::arguments::Arguments;
use crate::tools::budget::{Budget, Continuation, fitting, shown_bytes};
use crate::tools::catalogue::{MAIL_READ, MAIL_READ_SHARED};
use crate::tools::collection::{Page, read, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings, Tool};

/// Mails of one page of a conversation: their bodies are in it.
const THREAD_PAGE_ITEMS: &str = "20";

const EXPANDED: &str = "attachments($select=id,name,contentType,size,isInline)";

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    One,
    /// The mail is asked for its conversation.
    FindThread,
    Thread {
        path: String,
    },
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadEmail {
    mailbox: Mailbox,
    id: String,
    with_history: bool,
    budget: Budget,
    stage: Stage,
}

impl ReadEmail {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["id", "thread", "includeHistory", "mailbox", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::ReadEmail, values, &known)?;
        let mailbox = Mailbox::read(&arguments, around, &MAIL_READ, &MAIL_READ_SHARED)?;
        let id = arguments.required_identifier("id")?;
        let with_history = arguments.flag("includeHistory")?.unwrap_or(false);
        let is_thread = arguments.flag("thread")?.unwrap_or(false);
        let budget = Budget::read(&arguments, around)?;
        let stage = match (is_thread, budget.from.page.is_empty()) {
            (false, _) => Stage::One,
            (true, true) => Stage::FindThread,
            (true, false) => Stage::Thread { path: budget.path(format!("{}/messages", mailbox.root)) },
        };
        Ok(Self { mailbox, id, with_history, budget, stage })
    }

    /// A mail with as much of its text as fits, from a byte of it on.
    fn whole(&mut self, item: &Value, from: u64) -> (Value, Option<u64>) {
        let mut shown = message::envelope(item);
        let (body, folded) = message::body(item, self.with_history);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = body.get(from..).unwrap_or_default();
        let frame = shown_bytes(&Value::Object(shown.clone()));
        let part = fitting(rest, self.budget.left().saturating_sub(frame));
        let goes_on = (part.len() < rest.len()).then(|| u64::try_from(from + part.len()).unwrap_or_default());
        shown.insert("body".to_owned(), part.into());
        if folded > 0 {
            shown.insert("historyChars".to_owned(), folded.into());
        }
        (shown.into(), goes_on)
    }

    fn one(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let item: Value = read(answer)?;
        let (shown, cut_at) = self.whole(&item, self.budget.from.offset);
        let goes_on = cut_at.map(|offset| self.budget.goes_on("", offset));
        Ok(self.done(vec![shown], goes_on))
    }

    fn thread(&mut self, answer: &Answer, path: &str) -> Result<Step, ToolError> {
        let mut page = Page::read(answer)?;
        let time = |item: &Value| text(item, "/receivedDateTime").unwrap_or_default().to_owned();
        // Exchange may not order by what it does not filter by.
        page.value.sort_by_key(|item| std::cmp::Reverse(time(item)));
        let skipped = usize::try_from(self.budget.from.offset).unwrap_or(usize::MAX);
        let mut goes_on = page.next(path).map(|next| self.budget.goes_on(&next, 0));
        let mut messages: Vec<Value> = Vec::new();
        for (at, item) in page.value.iter().enumerate().skip(skipped) {
            let (shown, cut_at) = self.whole(item, 0);
            // A mail whose text does not fit comes whole with the next answer; one that fits nowhere is cut, and can be
            // read by itself.
            if !messages.is_empty() && (cut_at.is_some() || !self.budget.admits(&shown, false)) {
                goes_on = Some(self.budget.goes_on(path, u64::try_from(at).unwrap_or_default()));
                break;
            }
            if messages.is_empty() {
                self.budget.admits(&shown, true);
            }
            messages.push(match (shown, cut_at) {
                (Value::Object(mut members), Some(_)) => {
                    members.insert("isCut".to_owned(), true.into());
                    members.into()
                }
                (shown, _) => shown,
            });
        }
        Ok(self.done(messages, goes_on))
    }

    fn done(&self, messages: Vec<Value>, goes_on: Option<Continuation>) -> Step {
        let structured = json!({ "messages": messages });
        Step::Done(Finished::from_outside(structured, BY_SENDERS).going_on(goes_on))
    }
}

impl Reading for ReadEmail {
    fn call(&self) -> GraphCall {
        let root = &self.mailbox.root;
        let path = match &self.stage {
            Stage::One => {
                let parameters = query(&[("$select", message::WHOLE_FIELDS), ("$expand", EXPANDED)]);
                format!("{root}/messages/{}{parameters}", self.id)
            }
            Stage::FindThread => {
                format!(
                    "{root}/messages/{}{}",
                    self.id,
                    query(&[("$select", "id,parentFolderId,conversationId")])
                )
            }
            Stage::Thread { path } => path.clone(),
        };
        // Bodies come as they are: Exchange's own conversion to text keeps what is hidden.
        GraphCall::get(self.mailbox.lane, path).preferring(&[IMMUTABLE_IDS])
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self.stage.clone() {
            Stage::One => self.one(answer),
            Stage::FindThread => {
                let item: Value = read(answer)?;
                let conversation = text(&item, "/conversationId")
                    .ok_or_else(|| ToolError::not_found("This mail belongs to no conversation."))?;
                let filter = format!("conversationId eq {}", odata_text(conversation));
                let fields = message::WHOLE_FIELDS.replace("internetMessageHeaders,", "");
                let parameters =
                    query(&[("$select", &fields), ("$top", THREAD_PAGE_ITEMS), ("$filter", &filter)]);
                let path = format!("{}/messages{parameters}", self.mailbox.root);
                self.stage = Stage::Thread { path };
                Ok(Step::Call(self.call()))
            }
            Stage::Thread { path } => self.thread(answer, &path),
        }
    }
}

#[cfg(test)]
mod tests;
