//! `saveTask`: makes a task, or changes, completes and reopens one.
//!
//! What holds here: a change says how a task shall be, so that doing it again changes nothing and finds out about a lost
//! answer. A new task has nothing by which Microsoft would recognise a repeat, so that it is never made again; it is looked
//! for by its title among the tasks that were made since.

use serde_json::{Map, Value, json};

use super::{TITLE_CHARS_MAX, check_list, default_list, lists, task};
use crate::civil::{Civil, When, read as read_time, utc_text};
use crate::graph::{query, segment};
use crate::limits::{CLOCK_SKEW, EVENT_BODY_BYTES_MAX};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Page, list, read, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent, mailbox_zone};
use crate::zones::{Zone, Zones};

const KNOWN: [&str; 11] = [
    "listId",
    "taskId",
    "title",
    "notes",
    "due",
    "reminder",
    "timeZone",
    "importance",
    "status",
    "clear",
    "idempotencyKey",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    ReadZone,
    FindList,
    /// The list that was named may be that of the flagged mails.
    CheckList,
    Write,
    /// A new task whose answer was lost is looked for.
    Find,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SaveTask {
    list: Option<String>,
    /// The list as it was named, while it is to be found out whether its tasks are mails; none where that does not matter.
    unchecked: Option<String>,
    /// The task that is changed; none for a new one.
    task: Option<String>,
    members: Map<String, Value>,
    /// A reminder whose local time has to be read in the mailbox's zone.
    reminder: Option<Civil>,
    zones: Zones,
    since: UnixMs,
    stage: Stage,
}

impl SaveTask {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::SaveTask, values, &KNOWN)?;
        around.require(&["Tasks.ReadWrite"])?;
        arguments.check_idempotency_key()?;
        let (list, task) = (arguments.identifier("listId")?, arguments.identifier("taskId")?);
        if task.is_some() && list.is_none() {
            return Err(arguments.must_be("listId", "given together with `taskId`"));
        }
        let mut members = plain_members(&arguments)?;
        if task.is_none() && !members.contains_key("title") {
            return Err(arguments.must_be("title", "a line of text"));
        }
        let mut reminder = None;
        match arguments.when("reminder")? {
            Some(When::Instant(at)) => remind(&mut members, at),
            Some(When::Local(clock)) => reminder = Some(clock),
            Some(When::Day(_)) => {
                return Err(arguments.must_be("reminder", "a time such as 2026-01-31T14:30"));
            }
            None => {}
        }
        clear(&arguments, &mut members)?;
        if let (Some(clock), Some(zone)) =
            (reminder, mailbox_zone::choose(&arguments, around, reminder.is_some())?)
        {
            remind(&mut members, at_clock(&zone, clock)?);
            reminder = None;
        }
        if members.is_empty() && reminder.is_none() {
            return Err(ToolError::argument("`saveTask` was not told what to change about the task."));
        }
        let since = around.now.minus(CLOCK_SKEW);
        let zones = around.zones;
        let unchecked =
            arguments.optional_text("listId", 1_024)?.filter(|_| !around.policy.folders.is_empty());
        let unchecked = unchecked.map(str::to_owned);
        let mut plan = Self { list, unchecked, task, members, reminder, zones, since, stage: Stage::Write };
        plan.stage = plan.next_stage();
        Ok(plan)
    }

    /// What has to be known before the task can be written.
    const fn next_stage(&self) -> Stage {
        match (&self.reminder, &self.list, &self.unchecked) {
            (Some(_), ..) => Stage::ReadZone,
            (None, None, _) => Stage::FindList,
            (None, Some(_), Some(_)) => Stage::CheckList,
            (None, Some(_), None) => Stage::Write,
        }
    }

    fn tasks(&self) -> String {
        format!("/me/todo/lists/{}/tasks", self.list.as_deref().unwrap_or_default())
    }

    fn finished(&self, found: &Value) -> Finished {
        let status = if self.task.is_some() { "updated" } else { "created" };
        Finished::new(json!({"status": status, "listId": self.list, "task": task(found, false)}))
    }

    /// Whether a task in the list is the one that was made.
    fn is_this(&self, item: &Value) -> bool {
        let since = match text(item, "/createdDateTime").and_then(read_time) {
            Some(When::Instant(at)) => at >= self.since,
            _ => false,
        };
        since && text(item, "/title") == self.members.get("title").and_then(Value::as_str)
    }
}

fn plain_members(arguments: &Arguments<'_>) -> Result<Map<String, Value>, ToolError> {
    let mut members = Map::new();
    if let Some(title) = arguments.line("title", TITLE_CHARS_MAX)? {
        members.insert("title".to_owned(), title.into());
    }
    if let Some(notes) = arguments.optional_text("notes", EVENT_BODY_BYTES_MAX)? {
        members.insert("body".to_owned(), json!({"content": notes, "contentType": "text"}));
    }
    match arguments.when("due")? {
        Some(When::Day(day)) => {
            members.insert("dueDateTime".to_owned(), midnight(day));
        }
        Some(_) => return Err(arguments.must_be("due", "a date such as 2026-01-31")),
        None => {}
    }
    let importances = [("low", Some("low")), ("normal", Some("normal")), ("high", Some("high"))];
    if let Some(importance) = arguments.choice("importance", &importances, None)? {
        members.insert("importance".to_owned(), importance.into());
    }
    let states = ["notStarted", "inProgress", "completed", "waitingOnOthers", "deferred"];
    if let Some(status) = arguments.choice("status", &states.map(|state| (state, Some(state))), None)? {
        members.insert("status".to_owned(), status.into());
    }
    Ok(members)
}

/// The members of the argument `clear`, taken away from the task.
fn clear(arguments: &Arguments<'_>, members: &mut Map<String, Value>) -> Result<(), ToolError> {
    for what in arguments.texts("clear")? {
        let (member, given) = match what {
            "due" => ("dueDateTime", "due"),
            "reminder" => ("reminderDateTime", "reminder"),
            _ => return Err(arguments.must_be("clear", "a list of: due, reminder")),
        };
        if members.contains_key(member) || arguments.optional_text(given, 40)?.is_some() {
            return Err(arguments.must_be("clear", &format!("without `{given}`, which is given")));
        }
        members.insert(member.to_owned(), Value::Null);
        if what == "reminder" {
            members.insert("isReminderOn".to_owned(), false.into());
        }
    }
    Ok(())
}

fn midnight(day: Civil) -> Value {
    json!({"dateTime": format!("{}T00:00:00", day.date()), "timeZone": "UTC"})
}

fn remind(members: &mut Map<String, Value>, at: UnixMs) {
    let clock = utc_text(at);
    let clock = clock.trim_end_matches('Z');
    members.insert("reminderDateTime".to_owned(), json!({"dateTime": clock, "timeZone": "UTC"}));
    members.insert("isReminderOn".to_owned(), true.into());
}

fn at_clock(zone: &Zone, clock: Civil) -> Result<UnixMs, ToolError> {
    zone.instant(clock).ok_or_else(|| {
        ToolError::argument("The time of `reminder` cannot be placed in its zone. Give one with an offset.")
    })
}

impl Writing for SaveTask {
    fn call(&self) -> GraphCall {
        let body = || Value::Object(self.members.clone()).to_string();
        match (self.stage, &self.task) {
            (Stage::ReadZone, _) => mailbox_zone::call(),
            (Stage::FindList | Stage::CheckList, _) => lists(),
            (Stage::Write, Some(task)) => {
                GraphCall::patch(Lane::Other, format!("{}/{task}", self.tasks()), body())
            }
            (Stage::Write, None) => GraphCall::post(Lane::Other, self.tasks(), Some(body())),
            (Stage::Find, _) => {
                let filter = format!("createdDateTime ge {}", utc_text(self.since));
                let parameters = query(&[("$top", "100"), ("$filter", &filter)]);
                GraphCall::get(Lane::Other, format!("{}{parameters}", self.tasks()))
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self.stage {
            Stage::ReadZone => {
                let zone = mailbox_zone::answered(answer, self.zones)?;
                if let Some(clock) = self.reminder.take() {
                    remind(&mut self.members, at_clock(&zone, clock)?);
                }
            }
            Stage::FindList => {
                let page = Page::read(answer)?;
                let id = default_list(&page.value).and_then(|id| segment(id).ok());
                let Some(id) = id else {
                    return Err(ToolError::not_found("There is no default list. Name one by `listId`."));
                };
                self.list = Some(id);
            }
            Stage::CheckList => {
                if let Some(id) = self.unchecked.take() {
                    check_list(&Page::read(answer)?, &id)?;
                }
            }
            Stage::Write | Stage::Find => {
                return Ok(Step::Done(self.finished(&read(answer).unwrap_or_default())));
            }
        }
        self.stage = self.next_stage();
        Ok(Step::Call(self.call()))
    }

    fn intent(&self) -> Option<WriteIntent> {
        match self.stage {
            Stage::ReadZone | Stage::FindList | Stage::CheckList => None,
            Stage::Write | Stage::Find => Some(WriteIntent::ChangeItem),
        }
    }

    fn held_bytes(&self) -> usize {
        self.members.get("body").and_then(|body| text(body, "/content")).map_or(0, str::len)
    }

    fn look_into(&mut self) -> Found {
        if self.task.is_none() {
            self.stage = Stage::Find;
        }
        Found::Look(self.call())
    }

    /// A change that nobody waits for any more would surprise.
    fn look_again(&mut self, still_wanted: bool) -> Found {
        if self.task.is_some() && !still_wanted { Found::NeverKnown } else { Found::Look(self.call()) }
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match (self.stage, answer.status) {
            (Stage::Write, 200..300) => Found::Happened(self.finished(&read(answer).unwrap_or_default())),
            (Stage::Write, 404) => Found::DidNotHappen(ToolError::from_refusal(answer)),
            (Stage::Find, 200..300) => {
                let page: Value = read(answer).unwrap_or_default();
                let found = list(&page, "/value").iter().find(|item| self.is_this(item));
                found.map_or(Found::NotYetKnown, |item| Found::Happened(self.finished(item)))
            }
            (_, 400 | 403 | 404) => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("saving this task", "into the list")
    }
}

#[cfg(test)]
mod tests;
