//! The object at work on requests without a session: nothing is remembered of them but what they did.
//!
//! What holds here: a write is joined until its answer was taken, and never by its id; errors and results have the form of
//! their revision.

use protocol::mcp::envelope::ClientCapabilities;

use super::*;

impl Object {
    fn stateless(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.send(json!(id), method, params, Some(Stateless::default()))
    }

    fn tool(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.stateless(id, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// The ledger entry whose answer went out last.
    fn answered(&self) -> RequestId {
        self.replies.last().unwrap().answers.unwrap()
    }
}

#[test]
fn a_result_has_what_its_revision_demands_and_sessions_are_spared_it() {
    let mut object = Object::with(Some(&["User.Read"]));
    let status = object.tool(1, "authenticate", json!({}));
    let status = if status.is_null() {
        object.answers(200, &json!({"displayName": "Alice"}));
        object.last()
    } else {
        status
    };
    assert_eq!(status["result"]["resultType"], "complete", "{status}");
    assert!(status["result"]["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
    assert!(status["result"].get("ttlMs").is_none());
    object.stateless(2, "resources/read", json!({"uri": "microsoft://profile"}));
    object.answers(200, &json!({"displayName": "Alice"}));
    let read = object.last();
    assert_eq!((&read["result"]["cacheScope"], &read["id"]), (&json!("private"), &json!(2)));
    let in_session = object.ask(json!(3), "prompts/get", json!({"name": "triage-inbox"}));
    assert!(in_session["result"].get("resultType").is_none(), "{in_session}");
}

#[test]
fn the_same_id_again_is_another_request() {
    let mut object = Object::with(Some(&["User.Read", "Calendars.Read"]));
    for uri in ["microsoft://profile", "microsoft://calendars", "microsoft://profile"] {
        assert_eq!(object.stateless(1, "resources/read", json!({ "uri": uri })), Value::Null, "{uri}");
        object.answers(200, &json!({"value": []}));
    }
    assert_eq!(object.sent.len(), 3);
}

#[test]
fn an_equal_write_joins_while_the_first_is_at_work_and_until_its_answer_was_taken() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    assert_eq!(object.tool(1, "createCalendarEvent", event()), Value::Null);
    // The stream broke; the client asks again under a new id.
    assert_eq!(object.tool(2, "createCalendarEvent", event()), Value::Null);
    assert_eq!(object.sent.len(), 1);
    object.answers(201, &json!({"id": "E="}));
    let answers: Vec<Value> = object.replies[object.replies.len() - 2..]
        .iter()
        .map(|reply| serde_json::from_str(reply.body.as_deref().unwrap()).unwrap())
        .collect();
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!(answers[0]["result"], answers[1]["result"]);
    // Nobody took the answer, so the next equal call still gets it.
    let again = object.tool(3, "createCalendarEvent", event());
    assert_eq!((&again["result"], object.sent.len()), (&answers[0]["result"], 1));
    // Once it was taken, an equal call is a new call.
    let request = object.answered();
    object.turn(Input::Delivered { request });
    assert_eq!(object.tool(4, "createCalendarEvent", event()), Value::Null);
    assert_eq!(object.sent.len(), 2);
}

#[test]
fn an_idempotency_key_wins_over_an_equal_write() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    let named = |key: &str| {
        let mut event = event();
        event["idempotencyKey"] = json!(key);
        event
    };
    object.tool(1, "createCalendarEvent", named("first-of-two"));
    object.answers(201, &json!({"id": "E="}));
    assert_eq!(object.tool(2, "createCalendarEvent", named("second-of-two")), Value::Null);
    object.answers(201, &json!({"id": "F="}));
    let request = object.answered();
    object.turn(Input::Delivered { request });
    let first = object.tool(3, "createCalendarEvent", named("first-of-two"));
    assert_eq!((&first["result"]["structuredContent"]["eventId"], object.sent.len()), (&json!("E="), 2));
}

#[test]
fn what_does_not_exist_has_the_code_of_its_revision() {
    let mut object = Object::with(Some(&["Mail.Read"]));
    let uri = "microsoft://mail/messages/AAMk%3D";
    object.stateless(1, "resources/read", json!({ "uri": uri }));
    assert!(object.left().path.starts_with("/me/messages/AAMk=?$select="), "{}", object.left().path);
    object.answers(404, &json!({"error": {"code": "ErrorItemNotFound", "message": "x"}}));
    let gone = object.last();
    assert_eq!((&gone["error"]["code"], &gone["error"]["data"]["uri"]), (&json!(-32602), &json!(uri)));
    object.ask(json!(1), "resources/read", json!({ "uri": uri }));
    object.answers(404, &json!({"error": {"code": "ErrorItemNotFound", "message": "x"}}));
    assert_eq!(object.last()["error"]["code"], -32002);
    let unknown = object.stateless(2, "resources/read", json!({"uri": "x://y"}));
    assert_eq!(unknown["error"]["code"], -32602);
    let tool = object.tool(3, "getMails", json!({}));
    assert_eq!((&tool["error"]["code"], object.replies.last().unwrap().status), (&json!(-32602), 200));
}

#[test]
fn prompts_and_completions_have_an_entry_and_call_only_for_names() {
    let mut object = Object::with(Some(&["Calendars.Read"]));
    let prompt = object.stateless(
        1,
        "prompts/get",
        json!({"name": "prepare-meeting", "arguments": {"meeting": "Plan"}}),
    );
    assert_eq!(prompt["result"]["messages"].as_array().unwrap().len(), 1);
    let missing = object.stateless(2, "prompts/get", json!({"name": "prepare-meeting"}));
    assert_eq!(missing["error"]["code"], -32602);
    let complete = |name: &str| json!({"ref": {"type": "ref/prompt", "name": "weekly-summary"}, "argument": {"name": name, "value": "la"}});
    let week = object.stateless(3, "completion/complete", complete("week"));
    assert_eq!(week["result"]["completion"]["values"], json!(["last week"]));
    assert!(object.sent.is_empty());
    assert_eq!(object.stateless(4, "completion/complete", complete("calendar")), Value::Null);
    object.answers(200, &json!({"value": [{"name": "Plans"}, {"name": "Holidays"}]}));
    assert_eq!(object.last()["result"]["completion"]["values"], json!(["Plans"]));
}

#[test]
fn a_prompt_needs_no_account() {
    let mut object = Object::with(None);
    assert!(object.stateless(1, "prompts/get", json!({"name": "triage-inbox"}))["result"].is_object());
    let read = object.stateless(2, "resources/read", json!({"uri": "microsoft://mail/messages/A"}));
    assert_eq!(read["error"]["data"]["code"], "sign_in_again");
}

#[test]
fn methods_of_sessions_do_not_exist() {
    let mut object = Object::with(None);
    for method in ["ping", "initialize", "resources/subscribe"] {
        let answer = object.stateless(1, method, json!({}));
        assert_eq!((&answer["error"]["code"], object.replies.last().unwrap().status), (&json!(-32601), 404));
    }
}

#[test]
fn an_answer_that_was_not_asked_for_is_no_state() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    let client = Stateless {
        capabilities: ClientCapabilities { forms: true, ..ClientCapabilities::default() },
        ..Stateless::default()
    };
    let call = json!({"name": "createCalendarEvent", "arguments": event(), "requestState": "made-up"});
    let refused = object.send(json!(1), "tools/call", call, Some(client));
    assert_eq!(refused["error"]["code"], -32602);
    assert!(object.sent.is_empty());
}

#[cfg(feature = "conformance")]
mod questions {
    use super::*;

    const CLIENT: ClientCapabilities =
        ClientCapabilities { forms: true, links: false, sampling: false, roots: false, tasks: false };

    fn ask(object: &mut Object, tool: &str, more: Value) -> Value {
        let mut params = json!({"name": tool, "arguments": {}});
        for (name, value) in more.as_object().unwrap() {
            params[name] = value.clone();
        }
        let client = Stateless { capabilities: CLIENT, ..Stateless::default() };
        object.send(json!(1), "tools/call", params, Some(client))
    }

    fn state(answer: &Value) -> Value {
        answer["result"]["requestState"].clone()
    }

    const TOOL: &str = "test_input_required_result_request_state";

    #[test]
    fn a_request_goes_on_with_its_state_and_nothing_else_does() {
        let mut object = Object::with(None);
        let asked = ask(&mut object, TOOL, json!({}));
        assert_eq!(asked["result"]["resultType"], "input_required");
        let answers = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
        let done = ask(&mut object, TOOL, json!({"requestState": state(&asked), "inputResponses": answers}));
        assert_eq!(done["result"]["content"][0]["text"], "state-ok");
        let other = ask(
            &mut object,
            "test_input_required_result_tampered_state",
            json!({"requestState": state(&asked)}),
        );
        assert_eq!(other["error"]["code"], -32602, "the state of another tool");
        object.now = object.now.plus(protocol::limits::REQUEST_STATE_LIFETIME);
        let late = ask(&mut object, TOOL, json!({"requestState": state(&asked), "inputResponses": answers}));
        assert_eq!(late["error"]["code"], -32602, "a state that is too old");
    }

    #[test]
    fn what_the_client_did_not_declare_is_not_asked() {
        let mut object = Object::with(None);
        let refused = ask(&mut object, "test_missing_capability", json!({}));
        assert_eq!(refused["error"]["code"], -32021);
        assert_eq!(refused["error"]["data"]["requiredCapabilities"], json!({"sampling": {}}));
        assert_eq!(object.replies.last().unwrap().status, 400);
    }
}

#[test]
fn the_trace_of_a_request_is_in_its_log_line_and_with_its_calls() {
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (said, trace, span) in [
        (Some(own), "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"),
        // What is not well-formed is ignored, and the header stands.
        (Some("00-xyz"), "11111111111111111111111111111111", "2222222222222222"),
        (None, "11111111111111111111111111111111", "2222222222222222"),
    ] {
        for is_stateless in [true, false] {
            let mut object = Object::with(Some(&["Mail.Read"]));
            let meta = json!({"traceparent": said});
            let params = json!({"name": "searchEmails", "arguments": {"query": "a"}, "_meta": meta});
            let stateless = is_stateless.then(Stateless::default);
            object.send(json!(1), "tools/call", params, stateless);
            assert_eq!(object.traces.last().unwrap().map(|trace| trace.trace_id()).as_deref(), Some(trace));
            // It is in the row, so that it outlives the object's memory.
            object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
            object.wait(1);
            let line = object.lines.last().unwrap();
            assert_eq!(line.field("tool"), Some(&json!("searchEmails")));
            assert_eq!(line.field("traceId"), Some(&json!(trace)), "{said:?}");
            assert_eq!(line.field("parentSpanId"), Some(&json!(span)));
        }
    }
}
