//! One attachment of a mail that is written: content that came with the call, an attachment of another mail, or a file of
//! a drive.
//!
//! What holds here: what is named by reference is described before it is read, so that a file that is too large or of a
//! type that operators do not let out is refused while nothing has been written. The bytes of a file come from an address
//! whose host the policy lists, and never more of them are held than one call takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::graph::{IMMUTABLE_IDS, query};
use crate::limits::{
    ATTACHMENTS_BYTES_MAX, PASSED_ON_BYTES_MAX, UPLOAD_PART_BYTES, UPLOAD_SESSION_BYTES_MIN,
};
use crate::outbound::{Answer, ByteRange, GraphCall, Lane, StorageUrl};
use crate::policy::Policy;
use crate::tools::collection::{read, text};
use crate::tools::error::{Fault, ToolError};

/// Where the bytes of an attachment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Here, in base64.
    Content(String),
    /// In another mail; its path.
    Mail(String),
    /// In a drive; its path, and the address of its bytes once it was described.
    File(String, Option<StorageUrl>),
}

/// One attachment of a mail that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Enclosure {
    pub source: Source,
    /// What it is called; empty until it was described.
    pub name: String,
    media_type: String,
    /// Its bytes, as far as they are known. A mail says of an attachment somewhat more than it has.
    size: u64,
}

impl Enclosure {
    /// Content that came with the call.
    pub(super) fn of_content(name: &str, media_type: &str, bytes: &[u8]) -> Self {
        Self {
            source: Source::Content(STANDARD.encode(bytes)),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        }
    }

    /// What another mail or a drive has.
    pub(super) const fn by_reference(source: Source) -> Self {
        Self { source, name: String::new(), media_type: String::new(), size: 0 }
    }

    /// Whether its bytes go to an upload session.
    pub(super) const fn is_large(&self) -> bool {
        self.size >= UPLOAD_SESSION_BYTES_MIN
    }

    /// Bytes that it holds.
    pub(super) const fn held_bytes(&self) -> usize {
        match &self.source {
            Source::Content(content) => content.len(),
            Source::Mail(_) | Source::File(..) => 0,
        }
    }

    /// How it is called where a person is asked about it.
    pub(super) fn label(&self) -> String {
        match &self.source {
            Source::Content(_) => self.name.clone(),
            Source::Mail(_) => "an attachment of another email".to_owned(),
            Source::File(..) => "a file of OneDrive or SharePoint".to_owned(),
        }
    }

    /// The call that describes it; none once it is described.
    pub(super) fn describe(&self) -> Option<GraphCall> {
        match &self.source {
            _ if !self.name.is_empty() => None,
            Source::Content(_) => None,
            Source::Mail(path) => {
                let fields = query(&[("$select", "id,name,contentType,size")]);
                let path = format!("{path}{fields}");
                Some(GraphCall::get(Lane::Mailbox, path).preferring(&[IMMUTABLE_IDS]))
            }
            // Without a selection, which would leave out where the bytes are.
            Source::File(path, _) => Some(GraphCall::get(Lane::Other, path.clone())),
        }
    }

    /// Reads its description.
    pub(super) fn described(&mut self, answer: &Answer, policy: &Policy) -> Result<(), ToolError> {
        let found: Value = read(answer)?;
        let name = text(&found, "/name").ok_or_else(|| not_attachable("has no name"))?;
        let size = found.get("size").and_then(Value::as_u64).unwrap_or_default();
        let media_type = match &mut self.source {
            Source::Content(_) => None,
            Source::Mail(_) => {
                check_is_file(&found)?;
                if size > PASSED_ON_BYTES_MAX {
                    return Err(not_attachable(
                        "is an attachment of more than 6 MB, which can be passed on with its email alone: forward that \
                         with replyEmail",
                    ));
                }
                text(&found, "/contentType")
            }
            Source::File(_, url) => {
                if let Some(place) = found.get("parentReference").and_then(Value::as_object) {
                    policy.sites.check(place)?;
                }
                if found.get("file").is_none() {
                    return Err(not_attachable("is no file"));
                }
                let address = text(&found, "/@microsoft.graph.downloadUrl");
                *url = address.and_then(|address| policy.files.storage(address));
                if url.is_none() {
                    return Err(not_listed());
                }
                text(&found, "/file/mimeType")
            }
        };
        self.media_type = media_type.unwrap_or("application/octet-stream").to_owned();
        (self.name, self.size) = (name.to_owned(), size);
        Ok(())
    }

    /// The call that reads all of its bytes; none if they are here, or if they are taken in parts.
    pub(super) fn read_whole(&self) -> Option<GraphCall> {
        match &self.source {
            Source::Mail(path) => {
                Some(GraphCall::get(Lane::Mailbox, path.clone()).preferring(&[IMMUTABLE_IDS]))
            }
            Source::File(_, Some(url)) if !self.is_large() => Some(GraphCall::fetch(url.clone())),
            Source::Content(_) | Source::File(..) => None,
        }
    }

    /// Takes the answer to [`Enclosure::read_whole`].
    pub(super) fn took_whole(&mut self, answer: &Answer) -> Result<(), ToolError> {
        let content = match &self.source {
            Source::Mail(_) => {
                let found: Value = read(answer)?;
                check_is_file(&found)?;
                found.get("contentBytes").and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            Source::Content(_) | Source::File(..) => {
                if u64::try_from(answer.body.len()) != Ok(self.size) {
                    return Err(changed());
                }
                STANDARD.encode(&answer.body)
            }
        };
        let padding = content.bytes().rev().take_while(|byte| *byte == b'=').count();
        self.size = u64::try_from((content.len() / 4 * 3).saturating_sub(padding)).unwrap_or(u64::MAX);
        self.source = Source::Content(content);
        Ok(())
    }

    /// The attachment with its content, as Graph takes it in one call.
    pub(super) fn whole(&self) -> Value {
        let content = if let Source::Content(content) = &self.source { content.as_str() } else { "" };
        json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": self.name,
            "contentType": self.media_type,
            "contentBytes": content,
        })
    }

    /// The attachment as the beginning of an upload session describes it.
    pub(super) fn announced(&self) -> Value {
        json!({ "AttachmentItem": {
            "attachmentType": "file",
            "name": self.name,
            "contentType": self.media_type,
            "size": self.size,
        }})
    }

    /// The bytes of a part from `first` on.
    pub(super) fn range(&self, first: u64) -> ByteRange {
        ByteRange::part(first, UPLOAD_PART_BYTES, self.size)
    }

    /// The part at a range in base64, if it is here; cut between two groups of four characters, which are three bytes.
    pub(super) fn part(&self, range: ByteRange) -> Option<&str> {
        let Source::Content(content) = &self.source else { return None };
        let from = usize::try_from(range.first / 3 * 4).ok()?;
        let to = usize::try_from((range.last / 3 + 1) * 4).ok()?;
        content.get(from..to)
    }

    /// The call that reads a part of a file.
    pub(super) fn read_part(&self, range: ByteRange) -> Option<GraphCall> {
        let Source::File(_, Some(url)) = &self.source else { return None };
        Some(GraphCall { range: Some(range), ..GraphCall::fetch(url.clone()) })
    }

    /// Lets go of its content, once it is attached.
    pub(super) fn release(&mut self) {
        self.source = Source::Content(String::new());
    }
}

/// The bytes of all, as far as they are known.
pub(super) fn total(enclosures: &[Enclosure]) -> u64 {
    enclosures.iter().fold(0, |sum, one| sum.saturating_add(one.size))
}

/// Refuses what is too large together, or what operators do not let out, as far as names and sizes are known.
pub(super) fn check(enclosures: &[Enclosure], policy: &Policy) -> Result<(), ToolError> {
    policy.mail.check_attachments(enclosures.iter().map(|one| (one.name.as_str(), one.size)))?;
    if total(enclosures) > ATTACHMENTS_BYTES_MAX {
        return Err(ToolError::argument(
            "`attachments` hold more than 150 MB together. Nothing was sent. Share a link with shareFile instead.",
        ));
    }
    Ok(())
}

/// Microsoft's storage would be needed, and operators have not listed it.
pub(super) fn not_listed() -> ToolError {
    ToolError::new(
        Fault::Account,
        "storage_not_allowed",
        "Files, and attachments of 3 MB and more, come and go by way of Microsoft's storage, whose hosts the operators of \
         this server have to list (`fileHosts`). Share a link with shareFile instead, or forward the email that has the \
         attachment.",
    )
}

/// The bytes that came are not those that were described.
pub(super) fn changed() -> ToolError {
    ToolError::new(
        Fault::Caller,
        "conflict",
        "A file was changed while it was being attached, or its storage gave only a part of it. Call again.",
    )
}

fn check_is_file(found: &Value) -> Result<(), ToolError> {
    match text(found, "/@odata.type") {
        Some("#microsoft.graph.itemAttachment" | "#microsoft.graph.referenceAttachment") => {
            Err(not_attachable("is a mail or a link to a file, which cannot be attached to another mail"))
        }
        _ => Ok(()),
    }
}

fn not_attachable(why: &str) -> ToolError {
    ToolError::argument(format!("One of `attachments` {why}. Nothing was sent."))
}
