//! `uploadFile`: a new file, or new content for one that is there.
//!
//! What holds here: what happens to a file of the same name is said with every call, and without a word nothing is
//! overwritten. Text goes through the gateway; other bytes go to the address of an upload session, where the policy lists
//! its host. An attachment of a mail is described, then read, before anything is written. After a lost answer the file is
//! looked at before anything is sent again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{FIELDS, FILES_WRITE, item, own_drive};
use crate::civil::{When, read as read_time};
use crate::graph::{IMMUTABLE_IDS, file_name, query, segment};
use crate::limits::{CLOCK_SKEW, PASSED_ON_BYTES_MAX, UPLOAD_BYTES_MAX};
use crate::outbound::{Answer, ByteRange, GraphCall, Lane, Media, Method, Safety, StorageUrl};
use crate::policy::{FileRules, SiteRules};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::{MAIL_READ, Tool};
use crate::tools::collection::{read, text};
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent};

const KNOWN: [&str; 9] = [
    "driveId",
    "folder",
    "name",
    "text",
    "base64",
    "messageId",
    "attachmentId",
    "onConflict",
    "idempotencyKey",
];

/// Where what is written comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    /// Text that came with the call.
    Text(String),
    /// Bytes, in base64.
    Bytes(String),
    /// An attachment that was not read yet; its path.
    Attachment(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    FindDrive,
    /// An attachment is described, and then read.
    Describe,
    Read,
    /// Text, sent in one call.
    Put,
    /// Bytes: an address to send them to.
    Begin,
    Send(StorageUrl),
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct UploadFile {
    drive: Option<String>,
    folder: String,
    /// The name as one segment.
    name: String,
    on_conflict: &'static str,
    content: Content,
    /// Bytes that the file will have, once they are known.
    size: u64,
    rules: FileRules,
    /// Where nothing goes.
    out_of_reach: SiteRules,
    since: UnixMs,
    stage: Stage,
    /// Whether an answer was lost, so that the file is looked at.
    was_lost: bool,
}

impl UploadFile {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::UploadFile, values, &KNOWN)?;
        around.require(&FILES_WRITE)?;
        arguments.check_idempotency_key()?;
        let drive = arguments.identifier("driveId")?;
        let folder = arguments.identifier("folder")?.unwrap_or_else(|| "root".to_owned());
        let name = arguments.text("name", 1_024)?;
        let name = file_name(name)
            .map_err(|_| arguments.must_be("name", "a file name without any of \" * : < > ? / \\ | % #"))?;
        let ways = [("fail", "fail"), ("replace", "replace"), ("rename", "rename")];
        let on_conflict = arguments.choice("onConflict", &ways, "fail")?;
        let content = content(&arguments, around)?;
        if !matches!(content, Content::Text(_)) && !around.policy.files.allows_any() {
            return Err(not_listed());
        }
        let mut plan = Self {
            drive,
            folder,
            name,
            on_conflict,
            size: content.size(),
            content,
            rules: around.policy.files.clone(),
            out_of_reach: around.policy.sites.clone(),
            since: around.now.minus(CLOCK_SKEW),
            stage: Stage::FindDrive,
            was_lost: false,
        };
        if plan.drive.is_some() {
            plan.stage = plan.after_drive();
        }
        Ok(plan)
    }

    const fn after_drive(&self) -> Stage {
        match self.content {
            Content::Text(_) => Stage::Put,
            Content::Bytes(_) => Stage::Begin,
            Content::Attachment(_) => Stage::Describe,
        }
    }

    /// The path by which Graph knows a file in a folder.
    fn path(&self) -> String {
        let drive = self.drive.as_deref().unwrap_or_default();
        format!("/drives/{drive}/items/{}:/{}:", self.folder, self.name)
    }

    fn write(&self) -> GraphCall {
        match &self.stage {
            Stage::FindDrive => own_drive(),
            Stage::Describe => {
                let fields = query(&[("$select", "id,name,contentType,size")]);
                let path = format!("{}{fields}", self.content.held());
                GraphCall::get(Lane::Mailbox, path).preferring(&[IMMUTABLE_IDS])
            }
            Stage::Read => {
                let path = self.content.held().to_owned();
                GraphCall::get(Lane::Mailbox, path).preferring(&[IMMUTABLE_IDS])
            }
            Stage::Put => {
                let how = query(&[("@microsoft.graph.conflictBehavior", self.on_conflict)]);
                let path = format!("{}/content{how}", self.path());
                let call = GraphCall::post(Lane::Other, path, Some(self.content.held().to_owned()));
                GraphCall { method: Method::Put, media: Media::Text, ..call }
            }
            Stage::Begin => {
                let body =
                    json!({"item": {"@microsoft.graph.conflictBehavior": self.on_conflict}}).to_string();
                // An address that nothing is sent to is no file and ends by itself, so that this changes nothing.
                let path = format!("{}/createUploadSession", self.path());
                GraphCall { safety: Safety::Read, ..GraphCall::post(Lane::Other, path, Some(body)) }
            }
            Stage::Send(url) => {
                let whole = ByteRange::part(0, self.size, self.size);
                GraphCall::store(Lane::Other, url.clone(), self.content.held().to_owned(), whole)
            }
        }
    }

    fn finished(&self, found: &Value) -> Finished {
        let file = item(found).unwrap_or_default();
        Finished::new(json!({"status": "uploaded", "file": file}))
    }

    /// Whether the file that is there is the one that was sent: as long, and written since.
    fn is_this(&self, found: &Value) -> bool {
        let changed = text(found, "/lastModifiedDateTime").and_then(read_time);
        let is_new = matches!(changed, Some(When::Instant(at)) if at >= self.since);
        is_new && found.get("size").and_then(Value::as_u64) == Some(self.size)
    }
}

impl Content {
    /// What is held of it, in the form in which it is sent.
    fn held(&self) -> &str {
        match self {
            Self::Text(held) | Self::Bytes(held) | Self::Attachment(held) => held,
        }
    }

    /// Its bytes, as far as they are known.
    fn size(&self) -> u64 {
        let bytes = match self {
            Self::Text(text) => text.len(),
            Self::Bytes(base64) => {
                let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
                (base64.len() / 4 * 3).saturating_sub(padding)
            }
            Self::Attachment(_) => 0,
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Reads what is to be written: one of three.
fn content(arguments: &Arguments<'_>, around: Surroundings<'_>) -> Result<Content, ToolError> {
    let text = arguments.optional_text("text", UPLOAD_BYTES_MAX)?;
    let bytes = arguments.optional_text("base64", UPLOAD_BYTES_MAX)?;
    let attachment = (arguments.identifier("messageId")?, arguments.identifier("attachmentId")?);
    match (text, bytes, attachment) {
        (Some(text), None, (None, None)) => Ok(Content::Text(text.to_owned())),
        (None, Some(bytes), (None, None)) => {
            let decoded = STANDARD.decode(bytes);
            let decoded = decoded.map_err(|_| arguments.must_be("base64", "base64 with padding"))?;
            if decoded.is_empty() {
                return Err(arguments.must_be("base64", "base64 of at least one byte"));
            }
            Ok(Content::Bytes(bytes.to_owned()))
        }
        (None, None, (Some(message), Some(attachment))) => {
            around.require(&MAIL_READ)?;
            Ok(Content::Attachment(format!("/me/messages/{message}/attachments/{attachment}")))
        }
        _ => Err(arguments.must_be(
            "text",
            "given, or else `base64`, or else `messageId` and `attachmentId`, and only one of these",
        )),
    }
}

/// Refuses what is known to be too large to be read.
fn check_described(found: &Value) -> Result<(), ToolError> {
    if found.get("size").and_then(Value::as_u64).is_some_and(|size| size > PASSED_ON_BYTES_MAX) {
        return Err(ToolError::argument(
            "The attachment has more than 6 MB, which Microsoft does not give in one piece. Nothing was written. Save it \
             from Outlook.",
        ));
    }
    Ok(())
}

/// The bytes of an attachment, which only a file has.
fn attached(found: &Value) -> Result<Content, ToolError> {
    let bytes = text(found, "/contentBytes").filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(|| {
        ToolError::argument("The attachment is empty, or a mail or a link and no file. Nothing was written.")
    })?;
    Ok(Content::Bytes(bytes.to_owned()))
}

fn not_listed() -> ToolError {
    ToolError::new(
        Fault::Account,
        "storage_not_allowed",
        "Bytes that are no text go to Microsoft's storage directly, and the operators of this server have not listed it. \
         Nothing was written. Files of text can be uploaded with `text`.",
    )
}

impl Writing for UploadFile {
    fn call(&self) -> GraphCall {
        if self.was_lost && self.stage != Stage::Begin {
            let parameters = query(&[("$select", FIELDS)]);
            return GraphCall::get(Lane::Other, format!("{}{parameters}", self.path()));
        }
        self.write()
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self.stage {
            Stage::FindDrive => {
                let found: Value = read(answer)?;
                self.out_of_reach.check_drive(text(&found, "/id").unwrap_or_default())?;
                let drive = text(&found, "/id").and_then(|id| segment(id).ok());
                self.drive =
                    Some(drive.ok_or_else(|| ToolError::not_found("This account has no OneDrive."))?);
                self.stage = self.after_drive();
            }
            Stage::Describe => {
                check_described(&read(answer)?)?;
                self.stage = Stage::Read;
            }
            Stage::Read => {
                self.content = attached(&read(answer)?)?;
                self.size = self.content.size();
                self.stage = Stage::Begin;
            }
            Stage::Begin => {
                let found: Value = read(answer)?;
                let url = text(&found, "/uploadUrl").and_then(|url| self.rules.storage(url));
                self.stage = Stage::Send(url.ok_or_else(not_listed)?);
            }
            Stage::Put | Stage::Send(_) => {
                return Ok(Step::Done(self.finished(&read(answer).unwrap_or_default())));
            }
        }
        Ok(Step::Call(self.call()))
    }

    fn intent(&self) -> Option<WriteIntent> {
        match self.stage {
            Stage::FindDrive | Stage::Describe | Stage::Read | Stage::Begin => None,
            Stage::Put | Stage::Send(_) => Some(WriteIntent::ChangeItem),
        }
    }

    fn held_bytes(&self) -> usize {
        self.content.held().len()
    }

    fn look_into(&mut self) -> Found {
        // What the file is called now is Microsoft's choice.
        if self.on_conflict == "rename" {
            return Found::NeverKnown;
        }
        self.was_lost = true;
        Found::Look(self.call())
    }

    fn look_again(&mut self, _still_wanted: bool) -> Found {
        self.look_into()
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        let found: Value = read(answer).unwrap_or_default();
        match answer.status {
            200..300 if self.is_this(&found) => Found::Happened(self.finished(&found)),
            200..300 if self.on_conflict == "fail" => Found::DidNotHappen(name_taken()),
            200..300 | 404 => {
                self.was_lost = false;
                Found::Resume(self.call())
            }
            400 | 403 => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("uploading this file", "into the folder")
    }
}

fn name_taken() -> ToolError {
    ToolError::new(
        Fault::Caller,
        "name_taken",
        "There is a file or folder of this name already. Nothing was written. Choose another name, or say with \
         `onConflict` what shall happen.",
    )
}

#[cfg(test)]
mod tests;
