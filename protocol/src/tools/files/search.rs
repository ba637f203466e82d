//! `searchFiles`: files of OneDrive and SharePoint that the person may open, by words and KQL.
//!
//! What holds here: the search is Microsoft's, which finds by name and content, and does not know a file at once.

use serde_json::{Map, Value, json};

use super::{BY_OTHERS, item};
use crate::html::visible_text;
use crate::outbound::{Answer, GraphCall, Lane, Safety};
use crate::text::unmarked;
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{list, read, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const QUERY_CHARS_MAX: usize = 500;

const PAGE: u64 = 25;

/// The permissions of which one suffices to search.
const SEARCH: [&str; 4] = ["Files.ReadWrite.All", "Files.Read.All", "Sites.Read.All", "Sites.ReadWrite.All"];

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SearchFiles {
    words: String,
    budget: Budget,
}

impl SearchFiles {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::SearchFiles, values, &["query", "maxTokens", "cursor"])?;
        around.require(&SEARCH)?;
        let words =
            arguments.line("query", QUERY_CHARS_MAX)?.map(str::trim).filter(|words| !words.is_empty());
        let words = words.ok_or_else(|| arguments.must_be("query", "some words"))?.to_owned();
        Ok(Self { words, budget: Budget::read(&arguments, around)? })
    }

    const fn from(&self) -> u64 {
        self.budget.from.offset
    }
}

/// Whether two results are one file.
fn is_same(one: &Value, other: &Value) -> bool {
    ["id", "driveId"].iter().all(|member| one.get(member) == other.get(member))
}

fn hit(found: &Value) -> Option<Value> {
    let mut out = item(found.get("resource")?)?;
    if let Some(summary) = text(found, "/summary") {
        // What was found stands between marks that look like HTML.
        let excerpt = unmarked(&visible_text(summary));
        if !excerpt.is_empty() {
            out.insert("excerpt".to_owned(), excerpt.into());
        }
    }
    Some(Value::Object(out))
}

impl Reading for SearchFiles {
    fn call(&self) -> GraphCall {
        let request = json!({
            "entityTypes": ["driveItem"], "query": {"queryString": self.words}, "from": self.from(), "size": PAGE,
        });
        let body = json!({ "requests": [request] }).to_string();
        // It asks by a POST and changes nothing.
        let call = GraphCall::post(Lane::Other, "/search/query".to_owned(), Some(body));
        GraphCall { safety: Safety::Read, ..call }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let found: Value = read(answer)?;
        let container = found.pointer("/value/0/hitsContainers/0").cloned().unwrap_or_default();
        let has_more = container.get("moreResultsAvailable") == Some(&Value::Bool(true));
        let (mut items, mut goes_on): (Vec<Value>, _) = (Vec::new(), None);
        let hits = list(&container, "/hits");
        for (at, found) in hits.iter().enumerate() {
            let Some(item) = hit(found) else { continue };
            // A hit may come more than once.
            if items.iter().any(|known| is_same(known, &item)) {
                continue;
            }
            if !self.budget.admits(&item, items.is_empty()) {
                goes_on = Some(self.from() + at as u64);
                break;
            }
            items.push(item);
        }
        let end = self.from() + hits.len() as u64;
        let goes_on = goes_on.or_else(|| (has_more && !hits.is_empty()).then_some(end));
        let goes_on = goes_on.map(|offset| self.budget.goes_on("", offset));
        Ok(Step::Done(Finished::from_outside(json!({ "items": items }), BY_OTHERS).going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, body_of, with_granted};

    fn plan(arguments: Value) -> Result<SearchFiles, ToolError> {
        with_granted(&["Sites.Read.All"], |around| SearchFiles::new(arguments.as_object().unwrap(), around))
    }

    fn found(ids: &[&str], more: bool) -> Answer {
        let hit = |id: &&str| {
            json!({"hitId": id, "summary": "the <c0>plan</c0> of <ddd/>", "resource": {
                "id": id, "name": format!("{id}.txt"), "size": 3, "parentReference": {"driveId": "b!D"}}})
        };
        let hits: Vec<Value> = ids.iter().map(hit).collect();
        answer(200, &json!({"value": [{"hitsContainers": [{"hits": hits, "moreResultsAvailable": more}]}]}))
    }

    #[test]
    fn hits_are_shown_once_with_an_excerpt_and_go_on() {
        let mut plan = plan(json!({"query": " plan filetype:txt "})).unwrap();
        let call = plan.call();
        assert_eq!((call.path.as_str(), call.safety), ("/search/query", Safety::Read));
        assert_eq!(
            body_of(&call),
            json!({"requests": [{"entityTypes": ["driveItem"], "query": {"queryString": "plan filetype:txt"},
                                 "from": 0, "size": 25}]})
        );
        let Step::Done(done) = plan.answered(&found(&["A", "A", "B"], true)).unwrap() else { panic!() };
        assert_eq!(done.structured["items"].as_array().unwrap().len(), 2);
        assert_eq!(done.structured["items"][0]["excerpt"], "the plan of");
        assert_eq!(done.goes_on.as_ref().unwrap().offset, 3);
        assert_conforms(Tool::SearchFiles, &done);
        plan.budget.from = done.goes_on.unwrap();
        assert_eq!(body_of(&plan.call())["requests"][0]["from"], 3);
        let Step::Done(done) = plan.answered(&found(&[], false)).unwrap() else { panic!() };
        assert_eq!((done.structured, done.goes_on), (json!({"items": []}), None));
    }

    #[test]
    fn what_does_not_fit_is_found_by_the_next_call() {
        let mut plan = plan(json!({"query": "a", "maxTokens": 500})).unwrap();
        let ids: Vec<String> = (0..25).map(|at| format!("{at}{}", "x".repeat(90))).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let Step::Done(done) = plan.answered(&found(&ids, false)).unwrap() else { panic!() };
        let shown = done.structured["items"].as_array().unwrap().len() as u64;
        assert_eq!(done.goes_on.unwrap().offset, shown);
        assert!((1..25).contains(&shown));
    }

    #[test]
    fn a_search_needs_words_and_a_permission() {
        assert!(plan(json!({"query": "  "})).unwrap_err().message.contains("`query`"));
        let arguments = json!({"query": "a"});
        let own =
            with_granted(&["Files.Read"], |around| SearchFiles::new(arguments.as_object().unwrap(), around));
        assert!(own.unwrap_err().message.contains("Files.ReadWrite.All"));
    }
}
