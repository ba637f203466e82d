//! `organizeEmail`: moves, marks, flags and categorises mails, or puts them into Deleted Items.
//!
//! What holds here: every change can be undone by another one, and doing it again changes nothing, so that a lost answer
//! is found out by doing it again. Deleting is a move to Deleted Items and never Graph's `DELETE`, which would remove
//! for good what lies there already.

use serde_json::{Map, Value, json};

use super::folder;
use crate::graph::IMMUTABLE_IDS;
use crate::limits::CHANGED_MESSAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane, Method, Safety};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::Tool;
use crate::tools::error::ToolError;
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent};

const CATEGORIES_MAX: usize = 10;

/// What is done to each mail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    /// It goes into this folder.
    Move(String),
    /// These properties are set.
    Set(String),
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Organize {
    change: Option<Change>,
    /// The mails as they were named, and as segments.
    ids: Vec<(String, String)>,
    done: Vec<Value>,
}

impl Organize {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["ids", "action", "folder", "categories", "idempotencyKey"];
        let arguments = Arguments::of(Tool::OrganizeEmail, values, &known)?;
        around.require(&["Mail.ReadWrite"])?;
        arguments.check_idempotency_key()?;
        let ids = arguments.identifiers("ids", CHANGED_MESSAGES_MAX)?;
        let change = change(&arguments, around)?;
        Ok(Self { change: Some(change), ids, done: Vec::new() })
    }

    /// After a crash nothing is known but that there was such a call.
    pub(super) const fn recovered() -> Self {
        Self { change: None, ids: Vec::new(), done: Vec::new() }
    }

    /// Notes what became of the current mail, and goes on with the next one.
    fn note(&mut self, status: &'static str, answer: &Answer) -> Step {
        if let Some((id, _)) = self.ids.get(self.done.len()) {
            // Whoever does not ask for immutable identifiers gets another one by a move.
            let new: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let id = new.get("id").and_then(Value::as_str).filter(|_| status == "done").unwrap_or(id);
            self.done.push(json!({"id": id, "status": status}));
        }
        if self.done.len() < self.ids.len() {
            return Step::Call(self.call());
        }
        Step::Done(Finished::new(json!({ "messages": self.done })))
    }

    fn refusal(&mut self, refusal: &Answer) -> Option<Step> {
        match refusal.status {
            404 => Some(self.note("notFound", refusal)),
            // One bad identifier among several must not hide what happened to the others.
            400 if self.ids.len() > 1 => Some(self.note("refused", refusal)),
            _ => None,
        }
    }
}

fn change(arguments: &Arguments<'_>, around: Surroundings<'_>) -> Result<Change, ToolError> {
    let actions = [
        ("move", "move"),
        ("delete", "delete"),
        ("markRead", "markRead"),
        ("markUnread", "markUnread"),
        ("flag", "flag"),
        ("unflag", "unflag"),
        ("complete", "complete"),
        ("categorize", "categorize"),
    ];
    let action = arguments.choice("action", &actions, "")?;
    let destination = folder(arguments, "folder", around)?;
    let categories = arguments.texts("categories")?;
    if destination.is_some() != (action == "move") {
        return Err(arguments.must_be("folder", "given with the action move, and with no other"));
    }
    if !categories.is_empty() && action != "categorize" {
        return Err(arguments.must_be("categories", "left out unless the action is categorize"));
    }
    let flag = |status: &str| json!({"flag": {"flagStatus": status}});
    let set = match action {
        "move" => return Ok(Change::Move(destination.map(|(name, _)| name).unwrap_or_default())),
        "delete" => return Ok(Change::Move("deleteditems".to_owned())),
        "markRead" => json!({"isRead": true}),
        "markUnread" => json!({"isRead": false}),
        "flag" => flag("flagged"),
        "unflag" => flag("notFlagged"),
        "complete" => flag("complete"),
        "categorize" if categories.len() <= CATEGORIES_MAX => json!({ "categories": categories }),
        _ if action == "categorize" => {
            return Err(arguments.must_be("categories", "a list of at most 10 names"));
        }
        _ => return Err(arguments.must_be("action", "one of those that the schema names")),
    };
    Ok(Change::Set(set.to_string()))
}

impl Writing for Organize {
    fn call(&self) -> GraphCall {
        let id = self.ids.get(self.done.len()).map(|(_, path)| path.as_str()).unwrap_or_default();
        let (method, path, body) = match &self.change {
            Some(Change::Move(folder)) => (
                Method::Post,
                format!("/me/messages/{id}/move"),
                json!({"destinationId": folder}).to_string(),
            ),
            Some(Change::Set(body)) => (Method::Patch, format!("/me/messages/{id}"), body.clone()),
            // Never sent, because a look ends as unknown before.
            None => (Method::Get, "/me".to_owned(), String::new()),
        };
        let call = GraphCall::post(Lane::Mailbox, path, Some(body)).preferring(&[IMMUTABLE_IDS]);
        GraphCall { method, safety: Safety::Repeatable, ..call }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        Ok(self.note("done", answer))
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        self.refusal(refusal)
    }

    fn intent(&self) -> Option<WriteIntent> {
        Some(WriteIntent::ChangeMessages)
    }

    fn look_into(&mut self) -> Found {
        if self.change.is_some() { Found::Look(self.call()) } else { Found::NeverKnown }
    }

    fn look_again(&mut self, _still_wanted: bool) -> Found {
        self.look_into()
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        let step = match answer.status {
            200..300 => Some(self.note("done", answer)),
            _ => self.refusal(answer),
        };
        match step {
            Some(Step::Done(finished)) => Found::Happened(finished),
            Some(Step::Call(call)) => Found::Look(call),
            None if matches!(answer.status, 400 | 403) => Found::NeverKnown,
            None => Found::NotYetKnown,
        }
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("changing these emails", "at them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, body_of, with_granted};

    fn plan(arguments: Value) -> Result<Organize, ToolError> {
        with_granted(&["Mail.ReadWrite"], |around| Organize::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn each_action_is_one_call_for_each_mail() {
        for (action, body) in [
            ("markRead", json!({"isRead": true})),
            ("markUnread", json!({"isRead": false})),
            ("flag", json!({"flag": {"flagStatus": "flagged"}})),
            ("complete", json!({"flag": {"flagStatus": "complete"}})),
        ] {
            let call = plan(json!({"ids": ["A="], "action": action})).unwrap().call();
            assert_eq!((call.method, call.path.as_str()), (Method::Patch, "/me/messages/A="));
            assert_eq!((body_of(&call), call.safety), (body, Safety::Repeatable));
        }
        let call = plan(json!({"ids": ["A="], "action": "delete"})).unwrap().call();
        assert_eq!((call.method, call.path.as_str()), (Method::Post, "/me/messages/A=/move"));
        assert_eq!(body_of(&call), json!({"destinationId": "deleteditems"}));
        let call = plan(json!({"ids": ["A="], "action": "move", "folder": "Archive"})).unwrap().call();
        assert_eq!(body_of(&call), json!({"destinationId": "archive"}));
    }

    #[test]
    fn one_mail_that_is_gone_does_not_hide_the_others() {
        let mut plan = plan(json!({"ids": ["A=", "B=", "C="], "action": "markRead"})).unwrap();
        let ok = answer(200, &json!({"id": "A="}));
        assert!(matches!(plan.answered(&ok), Ok(Step::Call(call)) if call.path == "/me/messages/B="));
        let gone = answer(404, &json!({}));
        assert!(matches!(plan.took_refusal(&gone), Some(Step::Call(call)) if call.path == "/me/messages/C="));
        assert_eq!(plan.took_refusal(&answer(403, &json!({}))), None);
        let Ok(Step::Done(done)) = plan.answered(&answer(200, &json!({"id": "C="}))) else { panic!() };
        assert_eq!(
            done.structured,
            json!({"messages": [{"id": "A=", "status": "done"}, {"id": "B=", "status": "notFound"},
                                {"id": "C=", "status": "done"}]})
        );
        assert_conforms(Tool::OrganizeEmail, &done);
    }

    #[test]
    fn a_lost_answer_is_found_out_by_doing_it_again() {
        let mut plan = plan(json!({"ids": ["A=", "B="], "action": "delete"})).unwrap();
        assert!(matches!(plan.look_into(), Found::Look(call) if call.path.ends_with("/A=/move")));
        assert_eq!(plan.looked(&answer(503, &json!({}))), Found::NotYetKnown);
        assert!(
            matches!(plan.looked(&answer(201, &json!({"id": "A="}))), Found::Look(call) if call.path.ends_with("/B=/move"))
        );
        assert!(matches!(plan.looked(&answer(404, &json!({}))), Found::Happened(_)));
        assert_eq!(Organize::recovered().look_into(), Found::NeverKnown);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (arguments, expected) in [
            (json!({"ids": [], "action": "flag"}), "`ids`"),
            (json!({"ids": vec!["A="; 21], "action": "flag"}), "`ids`"),
            (json!({"ids": ["../x"], "action": "flag"}), "`ids`"),
            (json!({"ids": ["A="]}), "`action`"),
            (json!({"ids": ["A="], "action": "shred"}), "`action`"),
            (json!({"ids": ["A="], "action": "move"}), "`folder`"),
            (json!({"ids": ["A="], "action": "flag", "folder": "inbox"}), "`folder`"),
            (json!({"ids": ["A="], "action": "flag", "categories": ["x"]}), "`categories`"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
