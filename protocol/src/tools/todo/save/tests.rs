//! A task is made once, changed as it was said, and found again when an answer is lost.

use super::*;
use crate::outbound::{Method, Safety};
use crate::tools::testing::{answer, assert_conforms, body_of, with_granted};

fn plan(arguments: Value) -> Result<SaveTask, ToolError> {
    let granted = ["Tasks.ReadWrite", "MailboxSettings.Read"];
    with_granted(&granted, |around| SaveTask::new(arguments.as_object().unwrap(), around))
}

fn next(plan: &mut SaveTask, body: Value) -> GraphCall {
    match plan.answered(&answer(200, &body)).unwrap() {
        Step::Call(call) => call,
        Step::Done(done) => panic!("{done:?}"),
    }
}

#[test]
fn a_new_task_goes_into_the_default_list() {
    let arguments = json!({"title": "Pay", "due": "2026-01-31", "notes": "soon", "importance": "high",
                           "reminder": "2026-01-30T09:00"});
    let mut plan = plan(arguments).unwrap();
    assert!(plan.call().path.starts_with("/me/mailboxSettings") && plan.intent().is_none());
    let lists = next(&mut plan, json!({"timeZone": "Europe/Zurich"}));
    assert_eq!((lists.path.as_str(), plan.intent()), ("/me/todo/lists?$top=100", None));
    let found = json!({"value": [{"id": "L0=", "wellknownListName": "none"},
                                 {"id": "L1=", "wellknownListName": "defaultList"}]});
    let call = next(&mut plan, found);
    assert_eq!((call.method, call.path.as_str()), (Method::Post, "/me/todo/lists/L1=/tasks"));
    assert_eq!((call.safety, plan.intent()), (Safety::Write, Some(WriteIntent::ChangeItem)));
    assert_eq!(
        body_of(&call),
        json!({"title": "Pay", "body": {"content": "soon", "contentType": "text"}, "importance": "high",
               "dueDateTime": {"dateTime": "2026-01-31T00:00:00", "timeZone": "UTC"}, "isReminderOn": true,
               "reminderDateTime": {"dateTime": "2026-01-30T08:00:00", "timeZone": "UTC"}})
    );
    let made = json!({"id": "T1=", "title": "Pay", "status": "notStarted", "importance": "normal"});
    let Step::Done(done) = plan.answered(&answer(201, &made)).unwrap() else { panic!() };
    assert_eq!(
        done.structured,
        json!({"status": "created", "listId": "L1=", "task": {"id": "T1=", "title": "Pay", "status": "notStarted"}})
    );
    assert_conforms(Tool::SaveTask, &done);
}

#[test]
fn a_change_says_only_what_was_given() {
    let mut plan =
        plan(json!({"listId": "L1=", "taskId": "T1=", "status": "completed", "clear": ["due", "reminder"]}))
            .unwrap();
    let call = plan.call();
    assert_eq!((call.method, call.path.as_str()), (Method::Patch, "/me/todo/lists/L1=/tasks/T1="));
    assert_eq!(call.safety, Safety::Repeatable);
    assert_eq!(
        body_of(&call),
        json!({"status": "completed", "dueDateTime": null, "reminderDateTime": null, "isReminderOn": false})
    );
    let changed = json!({"id": "T1=", "title": "Pay", "status": "completed"});
    let Step::Done(done) = plan.answered(&answer(200, &changed)).unwrap() else { panic!() };
    assert_eq!(done.structured["status"], "updated");
    assert_conforms(Tool::SaveTask, &done);
}

#[test]
fn a_lost_new_task_is_looked_for_and_never_made_again() {
    let mut plan = plan(json!({"listId": "L1=", "title": "Pay"})).unwrap();
    let Found::Look(look) = plan.look_into() else { panic!() };
    assert_eq!(
        (look.method, look.path.as_str()),
        (
            Method::Get,
            "/me/todo/lists/L1=/tasks?$top=100&$filter=createdDateTime%20ge%202026-01-02T10%3A29%3A00Z"
        )
    );
    let page = |title: &str, at: &str| {
        answer(200, &json!({"value": [{"id": "T1=", "title": title, "createdDateTime": at}]}))
    };
    assert_eq!(plan.looked(&page("Other", "2026-01-02T10:30:00Z")), Found::NotYetKnown);
    assert_eq!(plan.looked(&page("Pay", "2025-12-31T10:30:00Z")), Found::NotYetKnown);
    assert!(matches!(plan.look_again(true), Found::Look(call) if call.method == Method::Get));
    assert!(matches!(plan.looked(&page("Pay", "2026-01-02T10:30:00Z")), Found::Happened(_)));
    assert_eq!(plan.looked(&answer(403, &json!({}))), Found::NeverKnown);
}

#[test]
fn a_lost_change_is_made_again_while_somebody_waits() {
    let mut plan = plan(json!({"listId": "L1=", "taskId": "T1=", "title": "New"})).unwrap();
    assert!(matches!(plan.look_into(), Found::Look(call) if call.method == Method::Patch));
    assert_eq!(plan.looked(&answer(503, &json!({}))), Found::NotYetKnown);
    assert!(matches!(plan.looked(&answer(200, &json!({"id": "T1="}))), Found::Happened(_)));
    assert!(matches!(plan.looked(&answer(404, &json!({}))), Found::DidNotHappen(_)));
    assert_eq!(plan.look_again(false), Found::NeverKnown);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    for (arguments, expected) in [
        (json!({}), "`title`"),
        (json!({"taskId": "T1=", "title": "x"}), "`listId`"),
        (json!({"listId": "L1=", "taskId": "T1="}), "what to change"),
        (json!({"title": "x", "due": "2026-01-31T10:00"}), "`due`"),
        (json!({"title": "x", "reminder": "2026-01-31"}), "`reminder`"),
        (json!({"title": "x", "reminder": "2026-01-31T10:00", "timeZone": "Nowhere"}), "`timeZone`"),
        (json!({"title": "x", "clear": ["title"]}), "`clear`"),
        (json!({"title": "x", "due": "2026-01-31", "clear": ["due"]}), "`clear`"),
        (json!({"title": "x", "status": "gone"}), "`status`"),
        (json!({"title": "x\ny"}), "`title`"),
    ] {
        let error = plan(arguments).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
}

#[test]
fn a_flagged_mail_is_not_changed_where_folders_of_mail_are_out_of_reach() {
    let policy = crate::policy::Policy::parse(r#"{"denyFolders":["archive"]}"#).unwrap();
    let granted = ["Tasks.ReadWrite".to_owned()];
    let around = Surroundings { policy: &policy, ..crate::tools::testing::around(&granted) };
    let begun = |list: &str| {
        let arguments = json!({"listId": list, "taskId": "T1=", "title": "x"});
        SaveTask::new(arguments.as_object().unwrap(), around).unwrap()
    };
    let lists = json!({"value": [{"id": "L1=", "wellknownListName": "defaultList"},
                                 {"id": "L2=", "wellknownListName": "flaggedEmails"}]});
    let mut plan = begun("L1=");
    assert_eq!((plan.call().path.as_str(), plan.intent()), ("/me/todo/lists?$top=100", None));
    assert_eq!(next(&mut plan, lists.clone()).path, "/me/todo/lists/L1=/tasks/T1=");
    assert_eq!(begun("L2=").answered(&answer(200, &lists)).unwrap_err().code, "folder_not_allowed");
    let cut =
        json!({"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/todo/lists?$skip=100"});
    assert_eq!(begun("L1=").answered(&answer(200, &cut)).unwrap_err().code, "folder_not_allowed");
}
