//! What `sendTeamsMessage` must send and refuse, and that nothing is ever sent twice.

use super::*;
use crate::outbound::Safety;
use crate::tools::testing::{answer, assert_conforms, body_of, operation, with_granted};
use crate::tools::{Plan, WriteIntent};

const SEND: [&str; 2] = ["ChannelMessage.Send", "ChatMessage.Send"];

fn plan_with(arguments: Value, granted: &[&str]) -> Result<SendTeamsMessage, ToolError> {
    with_granted(granted, |around| SendTeamsMessage::new(arguments.as_object().unwrap(), around))
}

fn to_channel() -> Value {
    json!({"teamId": "t-1", "channelId": "19:abc@thread.tacv2", "body": "Hello you", "subject": "News"})
}

#[test]
fn a_channel_and_a_chat_have_their_own_paths() {
    let mut plan = plan_with(to_channel(), &SEND).unwrap();
    let call = plan.call();
    assert_eq!(call.path, "/teams/t-1/channels/19:abc@thread.tacv2/messages");
    assert_eq!((call.safety, call.lane), (Safety::Write, Lane::Teams));
    assert_eq!(
        body_of(&call),
        json!({"body": {"contentType": "text", "content": "Hello you"}, "subject": "News"})
    );
    let chat = plan_with(json!({"chatId": "19:x@unq.gbl.spaces", "body": "x", "bodyType": "html"}), &SEND);
    assert_eq!(chat.unwrap().call().path, "/chats/19:x@unq.gbl.spaces/messages");
    let created = json!({"id": "1", "webUrl": "https://teams/1", "createdDateTime": "2026-01-02T10:30:00Z"});
    let Step::Done(done) = plan.answered(&answer(201, &created)).unwrap() else { panic!() };
    assert_eq!(done.structured["status"], "sent");
    assert_conforms(Tool::SendTeamsMessage, &done);
}

#[test]
fn a_lost_answer_stays_unknown_where_messages_may_not_be_read() {
    let mut plan = plan_with(to_channel(), &SEND).unwrap();
    assert_eq!(plan.look_into(), Found::NeverKnown);
    let mut recovered = Plan::recovered(WriteIntent::PostMessage, operation()).unwrap();
    assert_eq!(recovered.look_into(), Found::NeverKnown);
    assert_eq!(recovered.call().safety, Safety::Read);
    assert_eq!(recovered.outcome_unknown().code, "outcome_unknown");
}

#[test]
fn where_messages_may_be_read_it_is_recognised_and_never_sent_again() {
    let mut plan = plan_with(to_channel(), &[SEND[0], "ChannelMessage.Read.All"]).unwrap();
    let Found::Look(me) = plan.look_into() else { panic!() };
    assert_eq!(me.path, "/me?$select=id");
    let Found::Look(latest) = plan.looked(&answer(200, &json!({"id": "me"}))) else { panic!() };
    assert_eq!(latest.path, "/teams/t-1/channels/19:abc@thread.tacv2/messages?$top=50");
    assert_eq!(latest.safety, Safety::Read);
    let message = |author: &str, at: &str, content: &str| {
        let from = json!({"user": {"id": author}});
        json!({"id": "1", "from": from, "createdDateTime": at, "body": {"content": content}})
    };
    let now = "2026-01-02T10:30:00.5Z";
    for other in [
        message("you", now, "Hello you"),
        message("me", "2026-01-02T10:28:00Z", "Hello you"),
        message("me", now, "Hello"),
        json!({"id": "1", "from": null, "body": null}),
    ] {
        assert_eq!(plan.looked(&answer(200, &json!({"value": [other]}))), Found::NotYetKnown);
    }
    let this = json!({"value": [message("me", now, "<p>Hello <b>you</b></p>")]});
    assert!(matches!(plan.looked(&answer(200, &this)), Found::Happened(_)));
    assert_eq!(plan.looked(&answer(403, &json!({}))), Found::NeverKnown);
}

#[test]
fn bad_messages_are_refused_with_a_sentence() {
    let cases = [
        (json!({"body": "x"}), "either `teamId` and `channelId`, as listTeams"),
        (json!({"teamId": "t", "body": "x"}), "either"),
        (json!({"teamId": "t", "channelId": "c", "chatId": "h", "body": "x"}), "either"),
        (json!({"chatId": "h", "body": "x", "subject": "s"}), "`subject`"),
        (json!({"chatId": "h"}), "`body`"),
        (json!({"chatId": "h", "body": "x".repeat(24 * 1024 + 1)}), "too long"),
        (json!({"chatId": "h", "body": "x", "bodyType": "markdown"}), "one of: text, html"),
        (json!({"chatId": "h", "body": "x", "reply": "1"}), "no argument"),
    ];
    for (arguments, expected) in cases {
        let error = plan_with(arguments, &SEND).unwrap_err();
        assert!(error.message.contains(expected), "{error}");
    }
    let error = plan_with(to_channel(), &SEND[1..]).unwrap_err();
    assert!(error.message.contains("ChannelMessage.Send "), "{error}");
}

#[test]
fn no_identifier_leaves_its_place() {
    for trick in ["x/../../me/sendMail?a=", "..", "a%2fb", "a?b", "a#b", "a\\b", "a b", ""] {
        for name in ["teamId", "channelId"] {
            let mut arguments = to_channel();
            arguments[name] = trick.into();
            let error = plan_with(arguments, &SEND).unwrap_err();
            assert!(error.message.contains(name), "{error}");
        }
        let error = plan_with(json!({"chatId": trick, "body": "x"}), &SEND).unwrap_err();
        assert!(error.message.contains("chatId"), "{error}");
    }
}

#[test]
fn a_reply_has_the_path_of_its_message() {
    let mut arguments = to_channel();
    arguments["messageId"] = "1767".into();
    arguments.as_object_mut().unwrap().remove("subject");
    let plan = plan_with(arguments, &SEND).unwrap();
    assert_eq!(plan.call().path, "/teams/t-1/channels/19:abc@thread.tacv2/messages/1767/replies");
}

#[test]
fn who_is_mentioned_is_found_before_anything_leaves_and_marked_where_named() {
    let granted = [SEND[1], "User.ReadBasic.All"];
    let arguments = json!({"chatId": "19:x", "body": "Hi @bob@x.example & <all>\nand @Bob O'Neil",
                           "mentions": ["bob@x.example", "Bob O'Neil", "Carol"]});
    let mut plan = plan_with(arguments, &granted).unwrap();
    let find = plan.call();
    assert_eq!((find.safety, plan.intent()), (Safety::Read, None));
    let filter = "/users?$filter=mail%20eq%20%27bob%40x.example%27%20or%20userPrincipalName%20eq%20%27bob%40x.example%27";
    assert!(find.path.starts_with(filter), "{}", find.path);
    let person = |id: &str, name: &str| json!({"id": id, "displayName": name});
    let next = plan.answered(&answer(200, &json!({"value": [person("u1", "Bob <B>")]}))).unwrap();
    let Step::Call(next) = next else { panic!() };
    assert!(
        next.path.starts_with("/users?$filter=startswith%28displayName%2C%27Bob%20O%27%27Neil%27%29"),
        "{}",
        next.path
    );
    // One has exactly this name, though another's begins with it.
    let two = json!({"value": [person("u3", "Bob O'Neil-Smith"), person("u2", "Bob O'Neil")]});
    assert!(matches!(plan.answered(&answer(200, &two)), Ok(Step::Call(_))));
    let Step::Call(send) = plan.answered(&answer(200, &json!({"value": [person("u4", "Carol C")]}))).unwrap()
    else {
        panic!()
    };
    assert_eq!((send.path.as_str(), send.safety), ("/chats/19:x/messages", Safety::Write));
    assert_eq!(plan.intent(), Some(WriteIntent::PostMessage));
    let body = body_of(&send);
    assert_eq!(
        body["body"],
        json!({"contentType": "html", "content": "<at id=\"2\">Carol C</at> Hi <at id=\"0\">Bob &lt;B&gt;</at> &amp; \
            &lt;all&gt;<br>and <at id=\"1\">Bob O'Neil</at>"})
    );
    assert_eq!(
        body["mentions"][0],
        json!({"id": 0, "mentionText": "Bob <B>", "mentioned": {"user": {"id": "u1", "displayName": "Bob <B>",
               "userIdentityType": "aadUser"}}})
    );
}

#[test]
fn nothing_is_sent_while_it_is_not_clear_who_is_mentioned() {
    let granted = [SEND[1], "User.ReadBasic.All"];
    let begin =
        |mentions: Value| plan_with(json!({"chatId": "19:x", "body": "x", "mentions": mentions}), &granted);
    let person = |name: &str| json!({"id": name, "displayName": name});
    for (people, code) in
        [(json!([]), "not_found"), (json!([person("Carol A"), person("Carol B")]), "bad_argument")]
    {
        let mut plan = begin(json!(["Carol"])).unwrap();
        assert_eq!(plan.answered(&answer(200, &json!({ "value": people }))).unwrap_err().code, code);
    }
    for wrong in [json!("Carol"), json!([""]), json!(vec!["a@x.example"; 21]), json!(["a\nb"])] {
        assert!(begin(wrong).unwrap_err().message.contains("`mentions`"));
    }
    let missing =
        plan_with(json!({"chatId": "19:x", "body": "x", "mentions": ["Carol"]}), &SEND).unwrap_err();
    assert!(missing.message.contains("User.ReadBasic.All "), "{missing}");
    let markup = json!({"chatId": "19:x", "body": "<at id=\"0\">x</at>", "bodyType": "html"});
    assert!(plan_with(markup, &SEND).unwrap_err().message.contains("`mentions`"));
}
