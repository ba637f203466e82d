//! The mail tools.
//!
//! What holds here: a message, a folder and a mailbox that were named can stand in one segment of a path and nowhere
//! else; what mail says is marked as written by others in every result.

mod attachment;
mod compose;
mod enclosure;
mod filling;
mod folders;
mod gate;
mod guarded;
mod list;
mod message;
mod organize;
mod outgoing;
mod read;
mod recipients;

use serde_json::{Map, Value};

pub use gate::FoldersOff;
pub(super) use guarded::guarded;
pub(super) use message::body;

use super::arguments::Arguments;
use super::confirm;
use super::error::ToolError;
use super::plan::{Planned, Writing};
use super::{Surroundings, Tool, WriteIntent};
use crate::graph::segment;
use crate::ids::RequestId;
use crate::outbound::Lane;

/// Whom the content of mail is by, as every result with some says it.
const BY_SENDERS: &str = "mail, written by its senders";

/// Names that Graph knows for folders of every mailbox.
const WELL_KNOWN: [&str; 7] =
    ["inbox", "drafts", "sentitems", "deleteditems", "archive", "junkemail", "outbox"];

/// Makes the plan of a mail tool.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    let planned = match tool {
        Tool::SearchEmails => list::search(values, around).map(Planned::read),
        Tool::ReadEmail => read::ReadEmail::new(values, around).map(Planned::read),
        Tool::ListMailFolders => folders::ListFolders::new(values, around).map(Planned::read),
        Tool::GetAttachment => attachment::GetAttachment::new(values, around).map(Planned::read),
        Tool::CheckRecipients => recipients::CheckRecipients::new(values, around).map(Planned::read),
        Tool::SendEmail => confirm::before(compose::send(values, around)?, values, around),
        Tool::ReplyEmail => confirm::before(compose::reply(values, around)?, values, around),
        Tool::DraftEmail => compose::draft(values, around).map(Planned::write),
        Tool::OrganizeEmail => organize::Organize::new(values, around).map(Planned::write),
        _ => list::newest(values, around).map(Planned::read),
    };
    guarded(Some(tool), planned?, values, around)
}

/// The plan that finds out about a write whose request is gone.
pub(super) fn recovered(intent: WriteIntent, operation: RequestId) -> Box<dyn Writing> {
    match intent {
        WriteIntent::ChangeMessages => Box::new(organize::Organize::recovered(operation)),
        intent => Box::new(outgoing::Outgoing::recovered(intent, operation)),
    }
}

/// The mailbox that a call is about.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mailbox {
    /// Where its paths begin.
    root: String,
    lane: Lane,
}

impl Mailbox {
    fn own() -> Self {
        Self { root: "/me".to_owned(), lane: Lane::Mailbox }
    }

    /// The mailbox that the argument `mailbox` names, or the person's own. `own` and `shared` are permissions of which one
    /// suffices for either.
    fn read(
        arguments: &Arguments<'_>,
        around: Surroundings<'_>,
        own: &[&'static str],
        shared: &[&'static str],
    ) -> Result<Self, ToolError> {
        let Some(address) = arguments.one_address("mailbox")? else {
            around.require(own)?;
            return Ok(Self::own());
        };
        around.require(shared)?;
        let name = segment(address).map_err(|_| arguments.must_be("mailbox", "an address"))?;
        Ok(Self { root: format!("/users/{name}"), lane: Lane::OtherMailbox })
    }
}

/// A folder that the argument of a name stands for: how it is called, and its segment.
fn folder(
    arguments: &Arguments<'_>,
    name: &str,
    around: Surroundings<'_>,
) -> Result<Option<(String, String)>, ToolError> {
    let Some(given) = arguments.optional_text(name, 1_024)? else { return Ok(None) };
    let lower = given.to_ascii_lowercase();
    let folder = if WELL_KNOWN.contains(&lower.as_str()) { lower } else { given.to_owned() };
    let path = segment(&folder)
        .map_err(|_| arguments.must_be(name, &format!("one of {} or a folder id", WELL_KNOWN.join(", "))))?;
    around.policy.folders.check(&folder)?;
    Ok(Some((folder, path)))
}
