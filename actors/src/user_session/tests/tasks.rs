//! Calls that go on as tasks, turn by turn.
//!
//! What holds here: a task survives the object's memory from the turn on in which its client hears of it; it is there for
//! the grant that began it, until its time is over.

use protocol::limits::{TASK_DEADLINE, TASK_KEPT_FOR};
use protocol::mcp::envelope::ClientCapabilities;

use super::*;

const OTHER_GRANT: GrantId = GrantId::from_bytes([7; 16]);

fn knows_tasks() -> Stateless {
    let capabilities = ClientCapabilities { tasks: true, ..ClientCapabilities::default() };
    Stateless { capabilities, ..Stateless::default() }
}

fn all() -> Value {
    json!({"name": "searchEmails", "arguments": {"query": "budget", "all": true}})
}

impl Object {
    fn begin_task(&mut self) -> String {
        let created = self.send(json!(1), "tools/call", all(), Some(knows_tasks()));
        assert_eq!(created["result"]["resultType"], "task", "{created}");
        assert_eq!(created["result"]["status"], "working");
        created["result"]["taskId"].as_str().unwrap().to_owned()
    }

    fn task(&mut self, method: &str, id: &str) -> Value {
        self.send(json!(2), method, json!({"taskId": id}), Some(knows_tasks()))
    }

    /// Where the task stands.
    fn status(&mut self, id: &str) -> String {
        let answer = self.task("tasks/get", id);
        assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
        answer["result"]["status"].as_str().unwrap().to_owned()
    }

    fn page(&mut self, id: &str, has_more: bool) {
        let mut page = json!({"value": [{"id": id}]});
        if has_more {
            page["@odata.nextLink"] =
                json!("https://graph.microsoft.com/v1.0/me/messages?$search=%22budget%22&$skiptoken=2");
        }
        self.answers(200, &page);
    }

    fn forget(&mut self) {
        self.core = UserSession::recover(Rc::new(config()), &self.rows, self.now).unwrap();
    }
}

fn searching() -> Object {
    Object::with(Some(&["Mail.Read"]))
}

#[test]
fn a_long_search_is_answered_with_a_task_and_its_result_is_fetched() {
    let mut object = searching();
    let id = object.begin_task();
    assert_eq!(object.status(&id), "working");
    object.page("A=", true);
    assert!(object.left().path.ends_with("$skiptoken=2"), "{}", object.left().path);
    assert_eq!(object.status(&id), "working");
    object.page("B=", false);
    for _ in 0..2 {
        let done = object.task("tasks/get", &id)["result"].clone();
        assert_eq!((&done["status"], &done["taskId"]), (&json!("completed"), &json!(id)));
        assert_eq!(done["result"]["resultType"], "complete");
        let found = &done["result"]["structuredContent"];
        assert_eq!(found["messages"], json!([{"id": "A="}, {"id": "B="}]));
    }
    assert_eq!((object.sent.len(), object.core.load().open), (2, 0));
}

#[test]
fn who_knows_no_tasks_or_asks_for_little_waits_for_the_answer() {
    let mut object = searching();
    let plain = object.send(json!(1), "tools/call", all(), Some(Stateless::default()));
    assert_eq!(plain, Value::Null);
    object.page("A=", false);
    assert_eq!(object.last()["result"]["resultType"], "complete");
    let short = json!({"name": "searchEmails", "arguments": {"query": "budget"}});
    assert_eq!(object.send(json!(2), "tools/call", short, Some(knows_tasks())), Value::Null);
    object.page("A=", false);
    assert_eq!(object.last()["result"]["resultType"], "complete");
    // A session knows nothing of the extension, whatever its client declares.
    object.open(&json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    assert_eq!(object.ask(json!(3), "tools/call", all()), Value::Null);
    object.page("A=", false);
    assert!(object.last()["result"]["content"].is_array());
    let unknown = object.ask(json!(4), "tasks/get", json!({"taskId": "x"}));
    assert_eq!(unknown["error"]["code"], -32601);
}

#[test]
fn a_task_goes_on_after_the_object_lost_its_memory() {
    let mut object = searching();
    let id = object.begin_task();
    object.page("A=", true);
    let earlier = object.sent.last().unwrap().0;
    object.forget();
    object.wait(1);
    // It begins anew, and an answer to the earlier life means nothing.
    assert_eq!(object.sent.len(), 3);
    assert!(object.left().path.ends_with("$top=50"), "{}", object.left().path);
    let late = Answer { status: 200, body: b"{\"value\":[]}".to_vec(), ..Answer::default() };
    object.turn(Input::CallDone { op: earlier, result: CallResult::Answered(late) });
    assert_eq!(object.status(&id), "working");
    object.page("A=", false);
    object.forget();
    let done = object.task("tasks/get", &id)["result"].clone();
    assert_eq!(done["result"]["structuredContent"]["messages"], json!([{"id": "A="}]), "{done}");
    assert_eq!(object.sent.len(), 3);
}

#[test]
fn a_tools_error_completes_a_task() {
    let mut object = searching();
    let id = object.begin_task();
    object.answers(403, &json!({"error": {"code": "ErrorAccessDenied", "message": "x"}}));
    let done = object.task("tasks/get", &id)["result"].clone();
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)), "{done}");
}

#[test]
fn a_task_is_called_off_and_stays_so() {
    let mut object = searching();
    let id = object.begin_task();
    for _ in 0..2 {
        let acknowledged = object.task("tasks/cancel", &id)["result"].clone();
        assert_eq!(acknowledged["resultType"], "complete");
        assert!(acknowledged.get("taskId").is_none() && acknowledged.get("status").is_none());
        assert_eq!(object.status(&id), "cancelled");
    }
    object.page("A=", false);
    object.forget();
    assert_eq!((object.status(&id).as_str(), object.sent.len()), ("cancelled", 1));
}

#[test]
fn a_task_ends_at_its_deadline_and_is_forgotten_after_its_time() {
    let mut object = searching();
    let id = object.begin_task();
    for _ in 0..4 {
        object.ends(CallResult::Lost(Lost::Timeout));
        object.wait(30);
    }
    let sent = object.sent.len();
    object.wait(TASK_DEADLINE.0 / 1_000);
    let done = object.task("tasks/get", &id)["result"].clone();
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)), "{done}");
    assert!(object.sent.len() == sent && object.core.load().open == 0);
    object.wait(TASK_KEPT_FOR.0 / 1_000);
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        assert_eq!(object.task(method, &id)["error"]["code"], -32602, "{method}");
    }
    // The alarm takes the outcome out of the row.
    object.wait(300);
    let request: RequestId = id.parse().unwrap();
    let entry = Ledger::entry(&Txn::new(&object.rows), request).unwrap().unwrap();
    assert!(entry.answer.is_none() && entry.inquiry.is_none());
}

#[test]
fn only_the_grant_that_began_a_task_sees_it_and_only_with_its_scope() {
    let mut object = searching();
    let id = object.begin_task();
    let empty = MemoryRows::default();
    let mut txn = Txn::new(&empty);
    let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
    let grant = Grant::by_link("other".into(), scopes, object.now);
    Grants::default().insert(&mut txn, OTHER_GRANT, grant).unwrap();
    object.rows.apply(&txn.finish().0);
    object.forget();
    let mut asks = |grant: GrantId, scopes: &[&str], method: &str| {
        let params = json!({"taskId": id, "inputResponses": {}});
        let body = json!({"jsonrpc": "2.0", "id": 5, "method": method, "params": params});
        let message = McpMessage {
            session: None,
            revision: None,
            in_batch: false,
            accepts_stream: true,
            stateless: Some(knows_tasks()),
            trace: None,
            assertion: None,
            body: body.to_string().into_bytes(),
        };
        let caller = Caller {
            user: user(),
            grant,
            client: "other".into(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            access_identity: None,
        };
        let request = RequestId::new(object.now, &user(), [9; 5]);
        let request = ObjectRequest { request, caller, command: Command::Mcp(message) };
        object.turn(Input::Request { to: ReplyTo(99), request });
        (object.replies.last().unwrap().status, object.last())
    };
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        assert_eq!(asks(OTHER_GRANT, &SCOPES, method).1["error"]["code"], -32602, "{method}");
    }
    assert_eq!(asks(GRANT, &["profile"], "tasks/get").0, 403);
    assert_eq!(asks(GRANT, &SCOPES, "tasks/get").1["result"]["status"], "working");
}

#[test]
fn a_client_that_did_not_declare_tasks_is_told_what_it_lacks() {
    let mut object = searching();
    let id = object.begin_task();
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let refused = object.send(json!(3), method, json!({"taskId": id}), Some(Stateless::default()));
        assert_eq!((object.replies.last().unwrap().status, &refused["error"]["code"]), (400, &json!(-32021)));
        let needed = &refused["error"]["data"]["requiredCapabilities"]["extensions"];
        assert!(needed["io.modelcontextprotocol/tasks"].is_object(), "{refused}");
    }
    assert_eq!(object.status(&id), "working");
}

/// Answers whatever left last with the page that it asks for, until nothing is under way.
fn drive(object: &mut Object) {
    for _ in 0..10 {
        if object.core.load().open == 0 {
            return;
        }
        let is_second = object.left().path.ends_with("$skiptoken=2");
        object.page(if is_second { "B=" } else { "A=" }, !is_second);
    }
}

#[test]
fn a_task_survives_the_loss_of_memory_after_each_of_its_turns() {
    for lives in 0..3 {
        for is_lost in [false, true] {
            let mut object = searching();
            let id = object.begin_task();
            let mut before = object.rows.clone();
            for turn in 0..lives {
                before = object.rows.clone();
                object.page(if turn == 0 { "A=" } else { "B=" }, turn == 0);
            }
            if is_lost && lives > 0 {
                // The last turn never became durable.
                object.rows = before;
            }
            object.forget();
            object.wait(1);
            drive(&mut object);
            let done = object.task("tasks/get", &id)["result"].clone();
            let found = &done["result"]["structuredContent"]["messages"];
            assert_eq!(found, &json!([{"id": "A="}, {"id": "B="}]), "{lives} {is_lost}: {done}");
        }
    }
}

#[test]
fn the_same_request_again_is_the_same_task() {
    let mut object = searching();
    let id = object.begin_task();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": all()});
    let message = McpMessage {
        session: None,
        revision: None,
        in_batch: false,
        accepts_stream: true,
        stateless: Some(knows_tasks()),
        trace: None,
        assertion: None,
        body: body.to_string().into_bytes(),
    };
    let caller = Caller {
        user: user(),
        grant: GRANT,
        client: "client".into(),
        scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
        access_identity: None,
    };
    for _ in 0..2 {
        let command = Command::Mcp(message.clone());
        let request = ObjectRequest { request: id.parse().unwrap(), caller: caller.clone(), command };
        object.turn(Input::Request { to: ReplyTo(77), request });
        assert_eq!(object.last()["result"]["taskId"], json!(id));
        drive(&mut object);
    }
    assert_eq!(object.sent.len(), 2);
}
