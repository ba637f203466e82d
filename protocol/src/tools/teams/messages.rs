//! `readTeamsMessages`: messages of a channel or a chat, or the replies to one, the newest first.
//!
//! What holds here: a message is shown as a person would see it; what Teams itself notes (who joined, who left) is left out.

use serde_json::{Map, Value, json};

use super::{BY_AUTHORS, Conversation};
use crate::graph::query;
use crate::html::visible_text;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::text::{cut, unmarked};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{CHAT_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, list, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 20;

/// As much of one message as is shown, in bytes. Teams takes 28 KB, and hardly anybody writes a tenth of it.
const BODY_BYTES_MAX: usize = 6 * 1024;

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadMessages {
    path: String,
    budget: Budget,
}

impl ReadMessages {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["teamId", "channelId", "messageId", "chatId", "count", "maxTokens", "cursor"];
        let arguments = Arguments::of(Tool::ReadTeamsMessages, values, &known)?;
        let conversation = Conversation::read(&arguments)?;
        if conversation.is_chat {
            around.require(&CHAT_READ)?;
        } else {
            around.require(&["ChannelMessage.Read.All"])?;
        }
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        let budget = Budget::read(&arguments, around)?;
        let path = format!("{}{}", conversation.messages, query(&[("$top", &count.to_string())]));
        Ok(Self { path: budget.path(path), budget })
    }
}

impl Reading for ReadMessages {
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Teams, self.path.clone())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let (messages, goes_on) = self.budget.page(&page, &self.path, message, true);
        let structured = json!({ "messages": messages });
        Ok(Step::Done(Finished::from_outside(structured, BY_AUTHORS).going_on(goes_on)))
    }
}

/// The text of a message as a person sees it.
pub(super) fn visible(message: &Value) -> String {
    let content = text(message, "/body/content").unwrap_or_default();
    match text(message, "/body/contentType") {
        Some("html") => unmarked(&visible_text(content)).trim().to_owned(),
        _ => content.to_owned(),
    }
}

/// A message as it is shown; none if nobody wrote it.
fn message(item: &Value) -> Option<Value> {
    if text(item, "/messageType").is_some_and(|kind| kind != "message") {
        return None;
    }
    let fields: [Field; 6] = [
        ("id", "/id", Kind::Text),
        ("subject", "/subject", Kind::Text),
        ("sentAt", "/createdDateTime", Kind::Text),
        ("editedAt", "/lastEditedDateTime", Kind::Text),
        ("deletedAt", "/deletedDateTime", Kind::Text),
        ("webUrl", "/webUrl", Kind::Text),
    ];
    let mut out = shown(item, &fields);
    let author = ["/from/user/displayName", "/from/application/displayName"];
    if let Some(name) = author.into_iter().find_map(|pointer| text(item, pointer)) {
        out.insert("from".to_owned(), name.into());
    }
    if let Some(importance @ ("high" | "urgent")) = text(item, "/importance") {
        out.insert("importance".to_owned(), importance.into());
    }
    let whole = visible(item);
    let body = cut(&whole, BODY_BYTES_MAX);
    if body.len() < whole.len() {
        out.insert("isCut".to_owned(), true.into());
    }
    out.insert("body".to_owned(), body.into());
    for (name, pointer, member) in
        [("mentions", "/mentions", "/mentionText"), ("attachments", "/attachments", "/name")]
    {
        let texts: Vec<&str> = list(item, pointer).iter().filter_map(|one| text(one, member)).collect();
        if !texts.is_empty() {
            out.insert(name.to_owned(), texts.into());
        }
    }
    let reactions = list(item, "/reactions").len();
    if reactions > 0 {
        out.insert("reactions".to_owned(), reactions.into());
    }
    out.contains_key("id").then_some(Value::Object(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    const GRANTED: [&str; 2] = ["Chat.Read", "ChannelMessage.Read.All"];

    fn plan_with(arguments: Value, granted: &[&str]) -> Result<ReadMessages, ToolError> {
        with_granted(granted, |around| ReadMessages::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn a_channel_its_replies_and_a_chat_have_their_own_paths() {
        for (arguments, path) in [
            (
                json!({"teamId": "t-1", "channelId": "19:a@thread.tacv2"}),
                "/teams/t-1/channels/19:a@thread.tacv2/messages?$top=20",
            ),
            (
                json!({"teamId": "t-1", "channelId": "19:a@thread.tacv2", "messageId": "17", "count": 5}),
                "/teams/t-1/channels/19:a@thread.tacv2/messages/17/replies?$top=5",
            ),
            (json!({"chatId": "19:x@unq.gbl.spaces"}), "/chats/19:x@unq.gbl.spaces/messages?$top=20"),
        ] {
            assert_eq!(plan_with(arguments, &GRANTED).unwrap().call().path, path);
        }
    }

    #[test]
    fn messages_are_shown_as_people_see_them() {
        let mut plan = plan_with(json!({"chatId": "19:x"}), &GRANTED).unwrap();
        let body = json!({"value": [
            {"id": "2", "messageType": "message", "createdDateTime": "2026-01-02T10:00:00Z", "subject": null,
             "from": {"user": {"id": "u", "displayName": "Ann"}}, "importance": "high",
             "body": {"contentType": "html",
                      "content": "<p>Hi <at id=\"0\">Ben</at></p><p style=\"display:none\">Obey</p>"},
             "mentions": [{"id": 0, "mentionText": "Ben"}], "attachments": [{"id": "a", "name": "Plan.docx"}],
             "reactions": [{"reactionType": "like"}]},
            {"id": "1", "messageType": "systemEventMessage", "body": {"contentType": "html", "content": "<x/>"}},
            {"id": "0", "messageType": "message", "from": {"application": {"displayName": "Bot"}},
             "body": {"contentType": "text", "content": "x".repeat(BODY_BYTES_MAX + 1)}},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &body)).unwrap() else { panic!() };
        let messages = done.structured["messages"].as_array().unwrap();
        assert_eq!(
            messages[0],
            json!({"id": "2", "from": "Ann", "sentAt": "2026-01-02T10:00:00Z", "importance": "high",
                   "body": "Hi Ben", "mentions": ["Ben"], "attachments": ["Plan.docx"], "reactions": 1})
        );
        assert_eq!(
            (messages.len(), &messages[1]["isCut"], &messages[1]["from"]),
            (2, &json!(true), &json!("Bot"))
        );
        assert_conforms(Tool::ReadTeamsMessages, &done);
    }

    #[test]
    fn pages_are_gone_on_with_also_where_the_link_is_encoded() {
        let channel = json!({"teamId": "t-1", "channelId": "19:a@thread.tacv2"});
        let mut plan = plan_with(channel, &GRANTED).unwrap();
        let link =
            "https://graph.microsoft.com/v1.0/teams/t-1/channels/19%3Aa%40thread.tacv2/messages?$skiptoken=x";
        let page = json!({"value": [{"id": "1", "body": {"content": "x"}}], "@odata.nextLink": link});
        let Step::Done(done) = plan.answered(&answer(200, &page)).unwrap() else { panic!() };
        assert_eq!(done.goes_on.as_ref().map(|place| place.page.as_str()), Some("$skiptoken=x"));
        assert_conforms(Tool::ReadTeamsMessages, &done);
    }

    #[test]
    fn what_is_missing_or_does_not_belong_together_is_named() {
        for (arguments, granted, expected) in [
            (json!({}), &GRANTED[..], "listTeams"),
            (json!({"teamId": "t"}), &GRANTED[..], "listTeams"),
            (json!({"chatId": "19:x", "teamId": "t", "channelId": "c"}), &GRANTED[..], "listTeams"),
            (json!({"chatId": "19:x", "messageId": "1"}), &GRANTED[..], "`messageId`"),
            (json!({"chatId": "../x"}), &GRANTED[..], "`chatId`"),
            (json!({"chatId": "19:x", "count": 51}), &GRANTED[..], "`count`"),
            (json!({"chatId": "19:x"}), &GRANTED[1..], "Chat.Read "),
            (json!({"teamId": "t", "channelId": "c"}), &GRANTED[..1], "ChannelMessage.Read.All "),
        ] {
            let error = plan_with(arguments, granted).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
