//! The tools of To Do: lists and tasks.
//!
//! What holds here: the day on which a task is due is a day and no moment. Microsoft gives it as a midnight, which belongs
//! to no zone, and it is shown and written as a date.

mod list;
mod save;

use serde_json::{Map, Value};

use super::collection::{Field, Kind, Page, shown, text};
use super::error::ToolError;
use super::plan::Planned;
use super::{Surroundings, Tool};
use crate::civil::{When, read as read_time};
use crate::graph::query;
use crate::html::visible_text;
use crate::outbound::{GraphCall, Lane};
use crate::policy::FolderRules;
use crate::text::{cut, unmarked};

/// Whom the content of tasks is by, as every result with some says it.
const BY_OTHERS: &str = "tasks, some from shared lists and flagged mail";

/// The most bytes of a title.
const TITLE_CHARS_MAX: usize = 255;

/// Bytes of a task's notes among others.
const NOTES_BRIEF_BYTES: usize = 300;

/// Makes the plan of a tool about tasks.
pub(super) fn plan(
    tool: Tool,
    values: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    match tool {
        Tool::SaveTask => save::SaveTask::new(values, around).map(Planned::write),
        _ => list::ListTasks::new(values, around).map(Planned::read),
    }
}

/// The call that lists the lists.
fn lists() -> GraphCall {
    GraphCall::get(Lane::Other, format!("/me/todo/lists{}", query(&[("$top", "100")])))
}

/// Whether a list is that of the flagged mails, in which a task is a mail.
fn is_of_mails(list: &Value) -> bool {
    text(list, "/wellknownListName") == Some("flaggedEmails")
}

/// Refuses a list by its identifier, unless it is certainly not that of the flagged mails: where folders of mail are out of
/// reach, it would show what lies in them.
fn check_list(lists: &Page, id: &str) -> Result<(), ToolError> {
    let is_off = lists.has_more() || lists.value.iter().any(|list| is_of_mails(list) && list["id"] == id);
    if is_off { Err(FolderRules::refusal()) } else { Ok(()) }
}

/// The identifier of the list that a person has from the beginning.
fn default_list(lists: &[Value]) -> Option<&str> {
    let is_default = |list: &&Value| text(list, "/wellknownListName") == Some("defaultList");
    text(lists.iter().find(is_default)?, "/id")
}

/// A task as it is shown, its notes in whole or as their beginning.
fn task(item: &Value, whole: bool) -> Map<String, Value> {
    const SHOWN: [Field; 4] = [
        ("id", "/id", Kind::Text),
        ("title", "/title", Kind::Text),
        ("status", "/status", Kind::Text),
        ("importance", "/importance", Kind::Text),
    ];
    let mut out = shown(item, &SHOWN);
    // What is usual is left out.
    if out.get("importance").and_then(Value::as_str) == Some("normal") {
        out.remove("importance");
    }
    for (name, member) in [("due", "dueDateTime"), ("completedOn", "completedDateTime")] {
        let at = text(item, &format!("/{member}/dateTime")).and_then(read_time);
        if let Some(When::Local(clock) | When::Day(clock)) = at {
            out.insert(name.to_owned(), clock.date().into());
        }
    }
    if let Some(reminder) = text(item, "/reminderDateTime/dateTime") {
        let zone = text(item, "/reminderDateTime/timeZone").unwrap_or("UTC");
        let clock = reminder.split('.').next().unwrap_or_default();
        let shown = if zone == "UTC" { format!("{clock}Z") } else { format!("{clock} {zone}") };
        out.insert("reminder".to_owned(), shown.into());
    }
    if let Some(content) = text(item, "/body/content") {
        let is_html = text(item, "/body/contentType") == Some("html");
        let notes = if is_html { unmarked(&visible_text(content)) } else { content.to_owned() };
        let notes = notes.trim();
        if !notes.is_empty() {
            let notes = if whole { notes } else { cut(notes, NOTES_BRIEF_BYTES) };
            out.insert("notes".to_owned(), notes.into());
        }
    }
    out
}
