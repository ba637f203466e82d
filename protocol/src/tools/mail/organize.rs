//! `organizeEmail`: moves, marks, flags and categorises mails, or puts them into Deleted Items.
//!
//! What holds here: every change can be undone by another one, and doing it again changes nothing, so that a lost answer
//! is found out by doing it again. Deleting is a move to Deleted Items and never Graph's `DELETE`, which would remove
//! for good what lies there already. Several mails are changed in one batch; what Microsoft put off is asked for again,
//! and nothing else is.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::folder;
use crate::graph::IMMUTABLE_IDS;
use crate::ids::RequestId;
use crate::limits::CHANGED_MESSAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::tools::arguments::Arguments;
use crate::tools::batch;
use crate::tools::catalogue::Tool;
use crate::tools::error::ToolError;
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent};

const CATEGORIES_MAX: usize = 10;

// All mails of a call fit into one batch.
const _: () = assert!(CHANGED_MESSAGES_MAX <= batch::STEPS_MAX);

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
    request: RequestId,
    change: Option<Change>,
    mails: Vec<Mail>,
}

/// One of the mails.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mail {
    /// As it was named.
    id: String,
    /// The same as a segment.
    path: String,
    /// What became of it, once that is known.
    outcome: Option<Value>,
}

impl Organize {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["ids", "action", "folder", "categories", "idempotencyKey"];
        let arguments = Arguments::of(Tool::OrganizeEmail, values, &known)?;
        around.require(&["Mail.ReadWrite"])?;
        arguments.check_idempotency_key()?;
        let ids = arguments.identifiers("ids", CHANGED_MESSAGES_MAX)?;
        let change = change(&arguments, around)?;
        let mails = ids.into_iter().map(|(id, path)| Mail { id, path, outcome: None }).collect();
        Ok(Self { request: around.request, change: Some(change), mails })
    }

    /// After a crash nothing is known but that there was such a call.
    pub(super) const fn recovered(request: RequestId) -> Self {
        Self { request, change: None, mails: Vec::new() }
    }

    /// The mails that nothing is known of yet, by their places. One that was named twice is changed once: steps of a
    /// batch run side by side, and two for the same mail would be in each other's way.
    fn left(&self) -> Vec<usize> {
        let mut seen = BTreeSet::new();
        let open = self.mails.iter().enumerate().filter(|(_, mail)| mail.outcome.is_none());
        open.filter(|(_, mail)| seen.insert(mail.path.as_str())).map(|(place, _)| place).collect()
    }

    /// Notes what became of a mail, wherever it was named.
    fn note(&mut self, place: usize, status: &'static str, answer: &Answer) {
        let Some(path) = self.mails.get(place).map(|mail| mail.path.clone()) else { return };
        // Whoever does not ask for immutable identifiers gets another one by a move.
        let new: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let new = new.get("id").and_then(Value::as_str).filter(|_| status == "done");
        for mail in self.mails.iter_mut().filter(|mail| mail.path == path) {
            mail.outcome = Some(json!({"id": new.unwrap_or(&mail.id), "status": status}));
        }
    }

    /// What an answer about one mail says of it; none where it says nothing for good, or ends the whole.
    fn status_of(&self, answer: &Answer) -> Option<&'static str> {
        match answer.status {
            200..300 => Some("done"),
            404 => Some("notFound"),
            // One bad identifier among several must not hide what happened to the others.
            400 if self.mails.len() > 1 => Some("refused"),
            _ => None,
        }
    }

    /// Takes the answer about the last mail that is left, or none where a batch was opened before; done when nothing is
    /// left.
    fn take(&mut self, answer: &Answer) -> Option<Finished> {
        if let [place] = *self.left() {
            let status = self.status_of(answer)?;
            self.note(place, status, answer);
        }
        let outcomes: Option<Vec<Value>> = self.mails.iter().map(|mail| mail.outcome.clone()).collect();
        outcomes.map(|outcomes| Finished::new(json!({ "messages": outcomes })))
    }

    /// The change of one mail.
    fn call_for(&self, place: usize) -> GraphCall {
        let id = self.mails.get(place).map(|mail| mail.path.as_str()).unwrap_or_default();
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
        let call = GraphCall::post_repeatable(Lane::Mailbox, path, body).preferring(&[IMMUTABLE_IDS]);
        GraphCall { method, ..call }
    }
}

/// How much a refusal of one mail decides about the whole: one that ends it before one that asks for another token, then
/// an error after which nobody knows what was done, then a limit, which proves that nothing was.
const fn weight(status: u16) -> u8 {
    match status {
        429 => 0,
        500.. => 1,
        401 => 2,
        _ => 3,
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
        "delete" => {
            around.policy.folders.check("deleteditems")?;
            return Ok(Change::Move("deleteditems".to_owned()));
        }
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
        match *self.left() {
            [] => self.call_for(0),
            [place] => self.call_for(place),
            ref places => {
                let steps: Vec<_> = places.iter().map(|place| (*place, self.call_for(*place))).collect();
                batch::call(Lane::Mailbox, self.request, &steps)
            }
        }
    }

    fn opened(&mut self, answer: Answer) -> Answer {
        let left = self.left();
        if left.len() < 2 || !(200..300).contains(&answer.status) {
            return answer;
        }
        let mut answers = batch::answers(&answer);
        let mut refusals = Vec::new();
        for place in left {
            // Of what was not answered nobody knows whether it was done.
            let unknown = || Answer { status: 502, body: Vec::new(), ..answer.clone() };
            let one = answers.remove(&place).unwrap_or_else(unknown);
            match self.status_of(&one) {
                Some(status) => self.note(place, status, &one),
                None => refusals.push(one),
            }
        }
        let longest = refusals.iter().filter_map(|refusal| refusal.retry_after).max();
        match refusals.into_iter().max_by_key(|refusal| weight(refusal.status)) {
            Some(refusal) => Answer { retry_after: longest, ..refusal },
            None => answer,
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        Ok(self.take(answer).map_or_else(|| Step::Call(self.call()), Step::Done))
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        self.take(refusal).map(Step::Done)
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
        match self.take(answer) {
            Some(finished) => Found::Happened(finished),
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
    use crate::outbound::Safety;
    use crate::time::DurationMs;
    use crate::tools::testing::{answer, assert_conforms, body_of, operation, with_granted};

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

    fn read(ids: &[&str]) -> Organize {
        plan(json!({"ids": ids, "action": "markRead"})).unwrap()
    }

    /// The answer of a batch from the numbers and statuses of its steps.
    fn batched(steps: &[(&str, u16, Option<u64>)]) -> Answer {
        let one = |(id, status, wait): &(&str, u16, Option<u64>)| {
            let body = if *status == 200 { json!({}) } else { json!({"error": {"code": "Code"}}) };
            let headers = wait.map_or_else(|| json!({}), |wait| json!({"Retry-After": wait.to_string()}));
            json!({"id": id, "status": status, "headers": headers, "body": body})
        };
        answer(200, &json!({"responses": steps.iter().map(one).collect::<Vec<_>>()}))
    }

    fn urls(call: &GraphCall) -> Vec<String> {
        assert_eq!((call.path.as_str(), call.safety), (crate::graph::BATCH, Safety::Repeatable));
        let body = body_of(call);
        let steps = body["requests"].as_array().unwrap();
        assert!(steps.iter().all(|step| step["headers"]["Prefer"] == IMMUTABLE_IDS));
        steps.iter().map(|step| step["url"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn several_mails_are_one_call_and_one_that_is_gone_does_not_hide_the_others() {
        let mut plan = read(&["A=", "B=", "C=", "D=", "A="]);
        let paths = ["A=", "B=", "C=", "D="].map(|id| format!("/me/messages/{id}"));
        assert_eq!(urls(&plan.call()), paths);
        let steps = [("3", 400, None), ("1", 404, None), ("2", 200, None), ("0", 200, None)];
        let opened = plan.opened(batched(&steps));
        let Ok(Step::Done(done)) = plan.answered(&opened) else { panic!() };
        assert_eq!(
            done.structured,
            json!({"messages": [{"id": "A=", "status": "done"}, {"id": "B=", "status": "notFound"},
                                {"id": "C=", "status": "done"}, {"id": "D=", "status": "refused"},
                                {"id": "A=", "status": "done"}]})
        );
        assert_conforms(Tool::OrganizeEmail, &done);
    }

    #[test]
    fn only_what_was_put_off_is_asked_for_again_after_the_longest_wait() {
        let mut plan = read(&["A=", "B=", "C="]);
        let opened = plan.opened(batched(&[("0", 429, Some(3)), ("1", 200, None), ("2", 429, Some(9))]));
        assert_eq!((opened.status, opened.retry_after), (429, Some(DurationMs(9_000))));
        assert_eq!(urls(&plan.call()), ["/me/messages/A=", "/me/messages/C="]);
        assert_eq!(plan.opened(batched(&[("0", 200, None), ("2", 503, Some(2))])).status, 503);
        // The last one needs no batch, and its answer none to be opened.
        assert_eq!(plan.call().path, "/me/messages/C=");
        let last = answer(200, &json!({"id": "C="}));
        assert_eq!(plan.opened(last.clone()), last);
        let Ok(Step::Done(done)) = plan.answered(&last) else { panic!() };
        assert_eq!(done.structured["messages"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn the_gravest_refusal_decides_and_a_missing_answer_is_an_unknown_one() {
        for (others, expected) in [([429, 403], 403), ([503, 429], 503), ([401, 503], 401), ([403, 401], 403)]
        {
            let [first, second] = others;
            let opened = read(&["A=", "B="]).opened(batched(&[("0", first, None), ("1", second, None)]));
            assert_eq!((opened.status, opened.retry_after), (expected, None));
        }
        let mut plan = read(&["A=", "B="]);
        assert_eq!(plan.opened(batched(&[("0", 200, None)])).status, 502);
        assert_eq!(plan.call().path, "/me/messages/B=");
        let mut plan = read(&["A=", "B="]);
        assert_eq!(plan.opened(answer(202, &json!("x"))).status, 502);
        // A refusal of the whole says nothing about any of the mails.
        let refusal = answer(400, &json!({"error": {"code": "BadRequest"}}));
        assert_eq!(plan.opened(refusal.clone()), refusal);
        assert_eq!(plan.took_refusal(&refusal), None);
    }

    #[test]
    fn the_only_mail_is_answered_as_before() {
        let mut plan = read(&["A="]);
        assert_eq!(plan.took_refusal(&answer(403, &json!({}))), None);
        assert_eq!(plan.took_refusal(&answer(400, &json!({}))), None);
        let Some(Step::Done(done)) = plan.took_refusal(&answer(404, &json!({}))) else { panic!() };
        assert_eq!(done.structured, json!({"messages": [{"id": "A=", "status": "notFound"}]}));
    }

    #[test]
    fn a_lost_answer_is_found_out_by_doing_it_again() {
        let mut plan = plan(json!({"ids": ["A=", "B="], "action": "delete"})).unwrap();
        let paths = ["/me/messages/A=/move", "/me/messages/B=/move"];
        assert!(matches!(plan.look_into(), Found::Look(call) if urls(&call) == paths));
        assert_eq!(plan.looked(&answer(503, &json!({}))), Found::NotYetKnown);
        let opened = plan.opened(batched(&[("0", 200, None), ("1", 429, Some(1))]));
        assert_eq!(opened.status, 429);
        assert!(matches!(plan.look_again(true), Found::Look(call) if call.path == "/me/messages/B=/move"));
        assert!(matches!(plan.looked(&answer(404, &json!({}))), Found::Happened(_)));
        assert_eq!(Organize::recovered(operation()).look_into(), Found::NeverKnown);
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
