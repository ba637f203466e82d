//! `listTasks`: the lists of To Do and the tasks of one of them, or one task whole.

use serde_json::{Map, Value, json};

use super::{BY_OTHERS, check_list, default_list, is_of_mails, lists, task};
use crate::civil::When;
use crate::graph::{odata_text, query};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, Page, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const SHOWN: [Field; 2] = [("id", "/id", Kind::Text), ("name", "/displayName", Kind::Text)];

/// Which tasks are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Open,
    Completed,
    All,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListTasks {
    /// The list as it is named in results, and as a segment; none until the lists were read.
    list: Option<(String, String)>,
    /// One task as a segment, if only that is wanted.
    one: Option<String>,
    /// The query of the first page.
    first: String,
    budget: Budget,
    lists: Vec<Value>,
    /// Whether the list of flagged mails is kept back, because it would show what lies in folders that are out of reach.
    hides_flagged: bool,
    /// The list that was named, while it is not known whether it is that one.
    named: Option<(String, String)>,
}

impl ListTasks {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["listId", "taskId", "status", "dueBy", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::ListTasks, values, &known)?;
        around.require(&["Tasks.ReadWrite", "Tasks.Read"])?;
        let named = arguments.optional_text("listId", 1_024)?.unwrap_or_default().to_owned();
        let list = arguments.identifier("listId")?.map(|path| (named, path));
        let one = arguments.identifier("taskId")?;
        if one.is_some() && list.is_none() {
            return Err(arguments.must_be("listId", "given together with `taskId`"));
        }
        let choices = [("open", Wanted::Open), ("completed", Wanted::Completed), ("all", Wanted::All)];
        let mut conditions = match arguments.choice("status", &choices, Wanted::Open)? {
            Wanted::Open => vec!["status ne 'completed'".to_owned()],
            Wanted::Completed => vec!["status eq 'completed'".to_owned()],
            Wanted::All => Vec::new(),
        };
        match arguments.when("dueBy")? {
            Some(When::Day(day)) => {
                let last = odata_text(&format!("{}T23:59:59", day.date()));
                conditions.push(format!("dueDateTime/dateTime le {last}"));
            }
            Some(_) => return Err(arguments.must_be("dueBy", "a date such as 2026-01-31")),
            None => {}
        }
        let filter = conditions.join(" and ");
        let mut parameters = vec![("$top", "50")];
        if !filter.is_empty() {
            parameters.push(("$filter", &filter));
        }
        let budget = Budget::read(&arguments, around)?;
        let hides_flagged = !around.policy.folders.is_empty();
        let (named, list) = if hides_flagged { (list, None) } else { (None, list) };
        let first = query(&parameters);
        Ok(Self { list, one, first, budget, lists: Vec::new(), hides_flagged, named })
    }

    fn path(&self, list: &str) -> String {
        match &self.one {
            Some(one) => format!("/me/todo/lists/{list}/tasks/{one}"),
            None => self.budget.path(format!("/me/todo/lists/{list}/tasks{}", self.first)),
        }
    }

    /// Reads the lists, and goes on with the tasks of the one that everybody has.
    fn choose(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let mut page = Page::read(answer)?;
        if self.hides_flagged {
            if let Some((id, path)) = self.named.take() {
                check_list(&page, &id)?;
                self.list = Some((id, path));
                return Ok(Step::Call(self.call()));
            }
            page.value.retain(|list| !is_of_mails(list));
        }
        let default = default_list(&page.value).map(str::to_owned);
        let is_first = self.budget.from.page.is_empty() && self.budget.from.offset == 0;
        if is_first {
            for item in &page.value {
                let mut list = shown(item, &SHOWN);
                if text(item, "/wellknownListName") == Some("defaultList") {
                    list.insert("isDefault".to_owned(), true.into());
                }
                let list = Value::Object(list);
                if self.budget.admits(&list, self.lists.is_empty()) {
                    self.lists.push(list);
                }
            }
        }
        let Some(id) = default else {
            let structured = json!({"lists": self.lists, "tasks": []});
            return Ok(Step::Done(Finished::from_outside(structured, BY_OTHERS)));
        };
        let segment = crate::graph::segment(&id).map_err(|_| {
            ToolError::not_found("The default list has no usable identifier. Name another one by `listId`.")
        })?;
        self.list = Some((id, segment));
        Ok(Step::Call(self.call()))
    }
}

impl Reading for ListTasks {
    fn call(&self) -> GraphCall {
        match &self.list {
            None => lists(),
            Some((_, list)) => GraphCall::get(Lane::Other, self.path(list)),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let Some((id, list)) = self.list.clone() else { return self.choose(answer) };
        if self.one.is_some() {
            let structured = json!({"listId": id, "tasks": [task(&read(answer)?, true)]});
            return Ok(Step::Done(Finished::from_outside(structured, BY_OTHERS)));
        }
        let page = Page::read(answer)?;
        let path = self.path(&list);
        let (tasks, goes_on) = self.budget.page(&page, &path, |item| Some(task(item, false).into()), true);
        let mut structured = json!({"listId": id, "tasks": tasks});
        if !self.lists.is_empty()
            && let Some(members) = structured.as_object_mut()
        {
            members.insert("lists".to_owned(), std::mem::take(&mut self.lists).into());
        }
        Ok(Step::Done(Finished::from_outside(structured, BY_OTHERS).going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<ListTasks, ToolError> {
        with_granted(&["Tasks.ReadWrite"], |around| ListTasks::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn flagged_mails_are_no_tasks_where_folders_of_mail_are_out_of_reach() {
        let lists = json!({"value": [{"id": "L1=", "displayName": "Tasks", "wellknownListName": "defaultList"},
                                     {"id": "L2=", "displayName": "Flagged", "wellknownListName": "flaggedEmails"}]});
        let policy = crate::policy::Policy::parse(r#"{"denyFolders":["archive"]}"#).unwrap();
        let begun = |arguments: Value| {
            let granted = ["Tasks.Read".to_owned()];
            let around = Surroundings { policy: &policy, ..crate::tools::testing::around(&granted) };
            let mut plan = ListTasks::new(arguments.as_object().unwrap(), around).unwrap();
            assert_eq!(plan.call().path, "/me/todo/lists?$top=100");
            let step = plan.answered(&answer(200, &lists));
            (plan, step)
        };
        assert_eq!(begun(json!({"listId": "L2="})).1.unwrap_err().code, "folder_not_allowed");
        let (_, step) = begun(json!({"listId": "L1="}));
        assert!(matches!(step, Ok(Step::Call(call)) if call.path.starts_with("/me/todo/lists/L1=/tasks")));
        let (mut all, _) = begun(json!({}));
        let Ok(Step::Done(done)) = all.answered(&answer(200, &json!({"value": []}))) else { panic!() };
        assert_eq!(done.structured["lists"], json!([{"id": "L1=", "name": "Tasks", "isDefault": true}]));
    }

    #[test]
    fn without_a_list_all_are_named_and_the_default_one_is_shown() {
        let mut plan = plan(json!({})).unwrap();
        assert_eq!(plan.call().path, "/me/todo/lists?$top=100");
        let lists = json!({"value": [{"id": "L2=", "displayName": "House", "wellknownListName": "none"},
                                     {"id": "L1=", "displayName": "Tasks", "wellknownListName": "defaultList"}]});
        let Step::Call(call) = plan.answered(&answer(200, &lists)).unwrap() else { panic!() };
        assert_eq!(call.path, "/me/todo/lists/L1=/tasks?$top=50&$filter=status%20ne%20%27completed%27");
        let tasks = json!({"value": [
            {"id": "T1=", "title": "Pay", "status": "notStarted", "importance": "high",
             "dueDateTime": {"dateTime": "2026-01-09T00:00:00.0000000", "timeZone": "UTC"},
             "reminderDateTime": {"dateTime": "2026-01-08T08:00:00.0000000", "timeZone": "UTC"},
             "body": {"content": "x".repeat(500), "contentType": "text"}},
            {"id": "T2=", "title": "Read", "status": "inProgress", "importance": "normal",
             "body": {"content": "", "contentType": "text"}},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &tasks)).unwrap() else { panic!() };
        let shown = &done.structured;
        assert_eq!(shown["lists"][1], json!({"id": "L1=", "name": "Tasks", "isDefault": true}));
        assert_eq!(
            (shown["listId"].as_str(), shown["tasks"][0]["notes"].as_str().unwrap().len()),
            (Some("L1="), 300)
        );
        assert_eq!(
            (&shown["tasks"][0]["due"], &shown["tasks"][0]["reminder"]),
            (&json!("2026-01-09"), &json!("2026-01-08T08:00:00Z"))
        );
        assert_eq!(shown["tasks"][1], json!({"id": "T2=", "title": "Read", "status": "inProgress"}));
        assert_conforms(Tool::ListTasks, &done);
    }

    #[test]
    fn a_list_is_filtered_and_goes_on_where_it_was_cut() {
        let arguments =
            json!({"listId": "L1=", "status": "completed", "dueBy": "2026-01-31", "maxTokens": 500});
        let mut plan = plan(arguments).unwrap();
        let path = plan.call().path;
        assert!(
            path.ends_with("$filter=status%20eq%20%27completed%27%20and%20dueDateTime%2FdateTime%20le%20%272026-01-31T23%3A59%3A59%27"),
            "{path}"
        );
        let long = |id: &str| json!({"id": id, "title": "t".repeat(1_500), "status": "completed"});
        let page = json!({"value": [long("A="), long("B=")]});
        let Step::Done(done) = plan.answered(&answer(200, &page)).unwrap() else { panic!() };
        assert_eq!(done.structured["tasks"].as_array().unwrap().len(), 1);
        assert_eq!(done.goes_on.as_ref().unwrap().offset, 1);
        assert_conforms(Tool::ListTasks, &done);
    }

    #[test]
    fn one_task_is_shown_whole() {
        let mut plan = plan(json!({"listId": "L1=", "taskId": "T1="})).unwrap();
        assert_eq!(plan.call().path, "/me/todo/lists/L1=/tasks/T1=");
        let body = json!({"id": "T1=", "title": "Pay", "status": "completed",
                          "completedDateTime": {"dateTime": "2026-01-02T00:00:00.0000000", "timeZone": "UTC"},
                          "body": {"content": format!("<p>{}</p>", "y".repeat(900)), "contentType": "html"}});
        let Step::Done(done) = plan.answered(&answer(200, &body)).unwrap() else { panic!() };
        let task = &done.structured["tasks"][0];
        assert_eq!(
            (task["notes"].as_str().unwrap().len(), task["completedOn"].as_str()),
            (900, Some("2026-01-02"))
        );
        assert_conforms(Tool::ListTasks, &done);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (arguments, expected) in [
            (json!({"taskId": "T1="}), "`listId`"),
            (json!({"listId": "a/b"}), "`listId`"),
            (json!({"status": "late"}), "`status`"),
            (json!({"dueBy": "2026-01-31T10:00"}), "`dueBy`"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
        let refused = with_granted(&[], |around| ListTasks::new(&Map::new(), around));
        assert!(refused.unwrap_err().message.contains("Tasks.ReadWrite"));
    }
}
