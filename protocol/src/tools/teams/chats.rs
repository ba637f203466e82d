//! `listChats`: the person's chats with who takes part and what was said last, the latest first.

use serde_json::{Map, Value, json};

use super::BY_AUTHORS;
use super::messages::visible;
use crate::graph::query;
use crate::limits::PAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::text::cut;
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{CHAT_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, list, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

/// Chats of one page. Microsoft expands the members of so many at most (Graph, "List chats").
const PAGE_ITEMS: &str = "25";

/// As much of the last message as is shown, in bytes.
const PREVIEW_BYTES_MAX: usize = 200;

const MEMBERS_SHOWN_MAX: usize = 20;

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListChats {
    path: String,
    /// In small letters; empty for all.
    search: String,
    budget: Budget,
    pages: u32,
    found: Vec<Value>,
}

impl ListChats {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ListChats, values, &["search", "maxTokens", "cursor"])?;
        around.require(&CHAT_READ)?;
        let search = arguments.line("search", 200)?.unwrap_or_default().trim().to_lowercase();
        let budget = Budget::read(&arguments, around)?;
        let parameters = query(&[
            ("$expand", "members,lastMessagePreview"),
            ("$orderby", "lastMessagePreview/createdDateTime desc"),
            ("$top", PAGE_ITEMS),
        ]);
        let path = budget.path(format!("/me/chats{parameters}"));
        Ok(Self { path, search, budget, pages: 0, found: Vec::new() })
    }
}

impl Reading for ListChats {
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Teams, self.path.clone())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let search = self.search.as_str();
        let is_first = self.found.is_empty();
        let (chats, goes_on) = self.budget.page(&page, &self.path, |item| chat(item, search), is_first);
        self.found.extend(chats);
        self.budget.from.offset = 0;
        self.pages += 1;
        match page.next(&self.path) {
            // Whoever looks for something wants it found, also behind the first page.
            Some(next)
                if !search.is_empty()
                    && self.pages < PAGES_MAX
                    && goes_on.as_ref().is_some_and(|place| place.offset == 0) =>
            {
                self.path = next;
                Ok(Step::Call(self.call()))
            }
            _ => {
                let structured = json!({"chats": std::mem::take(&mut self.found)});
                Ok(Step::Done(Finished::from_outside(structured, BY_AUTHORS).going_on(goes_on)))
            }
        }
    }
}

/// A chat, if it has what is looked for in its topic or among its members.
fn chat(item: &Value, search: &str) -> Option<Value> {
    let fields: [Field; 3] =
        [("id", "/id", Kind::Text), ("type", "/chatType", Kind::Text), ("topic", "/topic", Kind::Text)];
    let mut out = shown(item, &fields);
    let member: [Field; 2] = [("name", "/displayName", Kind::Text), ("address", "/email", Kind::Text)];
    let members: Vec<Value> =
        list(item, "/members").iter().map(|one| Value::Object(shown(one, &member))).collect();
    let has = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase().contains(search));
    let is_meant = search.is_empty()
        || has(text(item, "/topic"))
        || members.iter().any(|one| has(text(one, "/name")) || has(text(one, "/address")));
    if !is_meant || !out.contains_key("id") {
        return None;
    }
    if members.len() > MEMBERS_SHOWN_MAX {
        out.insert("memberCount".to_owned(), members.len().into());
    }
    let members: Vec<Value> = members.into_iter().take(MEMBERS_SHOWN_MAX).collect();
    out.insert("members".to_owned(), members.into());
    if let Some(at) = text(item, "/lastMessagePreview/createdDateTime") {
        out.insert("lastMessageAt".to_owned(), at.into());
    }
    let preview = item.get("lastMessagePreview").map(visible).unwrap_or_default();
    if !preview.is_empty() {
        out.insert("lastMessage".to_owned(), cut(&preview, PREVIEW_BYTES_MAX).into());
    }
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<ListChats, ToolError> {
        with_granted(&["Chat.Read"], |around| ListChats::new(arguments.as_object().unwrap(), around))
    }

    fn item(id: &str, topic: Value, names: &[&str]) -> Value {
        let members: Vec<Value> = names
            .iter()
            .map(|name| json!({"displayName": name, "email": format!("{}@x.example", name.to_lowercase())}))
            .collect();
        json!({"id": id, "chatType": "group", "topic": topic, "members": members,
               "lastMessagePreview": {"createdDateTime": "2026-01-02T10:00:00Z",
                                      "body": {"contentType": "html", "content": "<p>Hi &amp; bye</p>"}}})
    }

    #[test]
    fn chats_are_shown_with_who_takes_part_and_what_was_said_last() {
        let mut all = plan(json!({})).unwrap();
        assert_eq!(
            all.call().path,
            "/me/chats?$expand=members%2ClastMessagePreview&$orderby=lastMessagePreview%2FcreatedDateTime%20desc&$top=25"
        );
        let body = json!({"value": [item("19:a", json!("Trip"), &["Ann"]), {"topic": "no id"}]});
        let Step::Done(done) = all.answered(&answer(200, &body)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["chats"],
            json!([{"id": "19:a", "type": "group", "topic": "Trip", "lastMessage": "Hi & bye",
                    "lastMessageAt": "2026-01-02T10:00:00Z",
                    "members": [{"name": "Ann", "address": "ann@x.example"}]}])
        );
        assert_conforms(Tool::ListChats, &done);
    }

    #[test]
    fn a_search_goes_on_behind_the_first_page() {
        let mut search = plan(json!({"search": "BEN@"})).unwrap();
        let link = "https://graph.microsoft.com/v1.0/me/chats?$skiptoken=x";
        let first = json!({"value": [item("19:a", Value::Null, &["Ann"])], "@odata.nextLink": link});
        let Step::Call(next) = search.answered(&answer(200, &first)).unwrap() else { panic!() };
        assert_eq!(next.path, "/me/chats?$skiptoken=x");
        let second =
            json!({"value": [item("19:b", Value::Null, &["Ben"]), item("19:c", Value::Null, &["Cat"])]});
        let Step::Done(done) = search.answered(&answer(200, &second)).unwrap() else { panic!() };
        let chats = done.structured["chats"].as_array().unwrap();
        assert_eq!((chats.len(), &chats[0]["id"], done.goes_on), (1, &json!("19:b"), None));
        let refused = with_granted(&[], |around| ListChats::new(&Map::new(), around)).unwrap_err();
        assert!(refused.message.contains("Chat.Read "), "{refused}");
    }
}
