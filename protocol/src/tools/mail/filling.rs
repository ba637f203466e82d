//! Attachments on their way onto a draft, one after the other: a small one in one call, a large one in parts to an upload
//! session, whose address is good without a token.
//!
//! What holds here: nothing is attached twice. A session that nothing more is sent to leaves nothing behind, so that after
//! a lost answer the draft's attachments are counted, and what is not among them begins anew. No more than one part of a
//! large file is held at a time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::enclosure::{Enclosure, changed, not_listed, total};
use crate::graph::{IMMUTABLE_IDS, query};
use crate::outbound::{Answer, GraphCall, Lane, Safety, StorageUrl};
use crate::policy::FileRules;
use crate::tools::collection::{Page, read, text};
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::Progress;

/// How many attachments a mail of Exchange Online may have, so that one page lists all (Exchange Online limits).
const ATTACHMENTS_OF_A_MAIL_MAX: &str = "250";

/// A draft that is being filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filling {
    /// The draft as a segment.
    pub draft: String,
    /// How many attachments it had before: those of a mail that is forwarded. None as long as that is not known.
    before: Option<usize>,
    /// How many it got since.
    attached: usize,
    session: Option<Session>,
    /// Whether the draft's attachments are counted, because an answer was lost.
    is_counting: bool,
}

/// An upload session for one attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    address: StorageUrl,
    /// The first byte that was not sent yet.
    first: u64,
    /// The part that begins there, in base64, once it was read from a drive.
    part: Option<String>,
}

impl Filling {
    /// A draft that got none yet. That of an answer may have some nevertheless, which are counted first.
    pub(super) const fn new(draft: String, is_answer: bool) -> Self {
        let before = if is_answer { None } else { Some(0) };
        Self { draft, before, attached: 0, session: None, is_counting: is_answer }
    }

    /// Whether the draft has all of them.
    pub(super) const fn is_done(&self, enclosures: &[Enclosure]) -> bool {
        self.attached >= enclosures.len()
    }

    /// Bytes of the part that is held.
    pub(super) fn held_bytes(&self) -> usize {
        self.session.as_ref().and_then(|session| session.part.as_ref()).map_or(0, String::len)
    }

    /// How many bytes are attached, of all.
    pub(super) fn progress(&self, enclosures: &[Enclosure]) -> Progress {
        let done = total(enclosures.get(..self.attached).unwrap_or(enclosures));
        let begun = self.session.as_ref().map_or(0, |session| session.first);
        Progress { done_bytes: done.saturating_add(begun), total_bytes: total(enclosures) }
    }

    /// The next call.
    pub(super) fn call(&self, enclosures: &[Enclosure]) -> GraphCall {
        let path = format!("/me/messages/{}/attachments", self.draft);
        let enclosure = enclosures.get(self.attached).filter(|_| !self.is_counting);
        let Some(enclosure) = enclosure else {
            let parameters = query(&[("$select", "id"), ("$top", ATTACHMENTS_OF_A_MAIL_MAX)]);
            return GraphCall::get(Lane::Mailbox, format!("{path}{parameters}")).preferring(&[IMMUTABLE_IDS]);
        };
        if let Some(session) = &self.session {
            return session.call(enclosure);
        }
        if let Some(call) = enclosure.read_whole() {
            return call;
        }
        if enclosure.is_large() {
            let path = format!("{path}/createUploadSession");
            let body = enclosure.announced().to_string();
            // A session that nothing is sent to is no attachment and ends by itself, so that this changes nothing.
            return GraphCall { safety: Safety::Read, ..GraphCall::post(Lane::Mailbox, path, Some(body)) };
        }
        GraphCall::post(Lane::Mailbox, path, Some(enclosure.whole().to_string())).preferring(&[IMMUTABLE_IDS])
    }

    /// Reads the answer to the current call.
    pub(super) fn answered(
        &mut self,
        enclosures: &mut [Enclosure],
        answer: &Answer,
        rules: &FileRules,
    ) -> Result<(), ToolError> {
        if self.is_counting {
            return self.counted(enclosures, answer);
        }
        let Some(enclosure) = enclosures.get_mut(self.attached) else { return Ok(()) };
        if let Some(session) = &mut self.session {
            if session.answered(enclosure, answer)? {
                self.went_on(enclosure);
            }
        } else if enclosure.read_whole().is_some() {
            enclosure.took_whole(answer)?;
        } else if enclosure.is_large() {
            let begun: Value = read(answer)?;
            let address = text(&begun, "/uploadUrl").and_then(|url| rules.storage(url));
            let address = address.ok_or_else(not_listed)?;
            self.session = Some(Session { address, first: 0, part: None });
        } else {
            self.went_on(enclosure);
        }
        Ok(())
    }

    fn went_on(&mut self, enclosure: &mut Enclosure) {
        enclosure.release();
        self.attached += 1;
        self.session = None;
    }

    /// An answer was lost: what the draft has is counted.
    pub(super) fn count(&mut self) {
        self.session = None;
        self.is_counting = true;
    }

    /// Reads how many attachments the draft has.
    pub(super) fn counted(&mut self, enclosures: &mut [Enclosure], answer: &Answer) -> Result<(), ToolError> {
        let page = Page::read(answer)?;
        if page.has_more() {
            return Err(ToolError::argument("The email has too many attachments already to add others."));
        }
        let there = page.value.len();
        let has_it = there > *self.before.get_or_insert(there) + self.attached;
        self.is_counting = false;
        if let Some(enclosure) = enclosures.get_mut(self.attached).filter(|_| has_it) {
            self.went_on(enclosure);
        }
        Ok(())
    }
}

impl Session {
    fn call(&self, enclosure: &Enclosure) -> GraphCall {
        let range = enclosure.range(self.first);
        match (self.part.as_deref().or_else(|| enclosure.part(range)), enclosure.read_part(range)) {
            (None, Some(call)) => call,
            (part, _) => {
                let part = part.unwrap_or_default().to_owned();
                GraphCall::store(Lane::Mailbox, self.address.clone(), part, range)
            }
        }
    }

    /// Takes the answer to a part that was read or sent; whether the attachment is complete.
    fn answered(&mut self, enclosure: &Enclosure, answer: &Answer) -> Result<bool, ToolError> {
        let range = enclosure.range(self.first);
        if self.part.is_none() && enclosure.read_part(range).is_some() {
            if u64::try_from(answer.body.len()) != Ok(range.len()) {
                return Err(changed());
            }
            self.part = Some(STANDARD.encode(&answer.body));
            return Ok(false);
        }
        if range.is_last() {
            // Anything else than "created" would mean that it still waits for more.
            return if answer.status == 201 { Ok(true) } else { Err(not_taken()) };
        }
        (self.first, self.part) = (range.last + 1, None);
        Ok(false)
    }
}

/// Microsoft's storage refused bytes, or did not give them.
pub(super) fn not_taken() -> ToolError {
    ToolError::new(
        Fault::Microsoft,
        "storage_refused",
        "Microsoft's storage did not give or take the bytes of an attachment. Call again, or share a link with shareFile \
         instead.",
    )
}

#[cfg(test)]
mod tests;
