//! `searchEmails`: mails that match words and properties, by Outlook's own index.
//!
//! What holds here: the search is one clause in double quotes which nothing that was given can leave; a property's value
//! is a phrase of its own, so that no word in it becomes an operator.

use serde_json::{Map, Value, json};

use super::arguments::Arguments;
use super::catalogue::{MAIL_READ, Tool};
use super::collection::Page;
use super::error::ToolError;
use super::{Finished, Step, Surroundings, message};
use crate::civil::When;
use crate::graph::{IMMUTABLE_IDS, query, search_text};
use crate::limits::PAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 10;
const WORDS_CHARS_MAX: usize = 500;
/// Every match, as far as this goes: so many take ten calls, and as the outcome of a task they fit into a row.
const ALL_MAX: u64 = 400;

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEmails {
    search: String,
    /// Hits that are wanted at most; pages are as large as that or [`COUNT_MAX`].
    count: u64,
    path: String,
    pages: u32,
    messages: Vec<Value>,
}

impl SearchEmails {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["query", "from", "subject", "after", "before", "hasAttachments", "count", "all"];
        let arguments = Arguments::of(Tool::SearchEmails, values, &known)?;
        around.require(&MAIL_READ)?;
        let all = arguments.flag("all")?.unwrap_or(false);
        if all && values.contains_key("count") {
            return Err(arguments.must_be("count", "left out where `all` is true"));
        }
        let page = arguments.integer("count", 1..=COUNT_MAX, if all { COUNT_MAX } else { COUNT_DEFAULT })?;
        let count = if all { ALL_MAX } else { page };
        let mut clauses: Vec<String> = Vec::new();
        for property in ["from", "subject"] {
            if let Some(value) = arguments.line(property, WORDS_CHARS_MAX)? {
                clauses.push(format!("{property}:\"{}\"", value.replace(['"', '\\'], " ")));
            }
        }
        for (argument, comparison) in [("after", "received>="), ("before", "received<")] {
            match arguments.when(argument)? {
                None => {}
                Some(When::Day(day)) => clauses.push(format!("{comparison}{}", day.date())),
                // The index knows days only: a time would be cut without a word.
                Some(_) => return Err(arguments.must_be(argument, "a date such as 2026-01-31")),
            }
        }
        if let Some(has) = arguments.flag("hasAttachments")? {
            clauses.push(format!("hasAttachments:{has}"));
        }
        match arguments.line("query", WORDS_CHARS_MAX)? {
            Some(words) if clauses.is_empty() => clauses.push(words.to_owned()),
            Some(words) if !is_closed(words) => {
                return Err(arguments.must_be("query", "closed where it opens a bracket or a quotation mark"));
            }
            // In brackets, so that an OR inside does not swallow the other conditions.
            Some(words) => clauses.insert(0, format!("({words})")),
            None => {}
        }
        if clauses.is_empty() {
            return Err(ToolError::argument(
                "`searchEmails` needs at least one of: query, from, subject, after, before, hasAttachments.",
            ));
        }
        let search = clauses.join(" AND ");
        let parameters = query(&[
            ("$search", &search_text(&search)),
            ("$select", message::FIELDS),
            ("$top", &page.to_string()),
        ]);
        let path = format!("/me/messages{parameters}");
        Ok(Self { search, count, path, pages: 0, messages: Vec::new() })
    }

    /// Whether it takes so many calls that its client may rather fetch the outcome later.
    pub(super) const fn is_long(&self) -> bool {
        self.count > COUNT_MAX
    }

    pub(super) fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Mailbox, self.path.clone()).preferring(&[IMMUTABLE_IDS])
    }

    pub(super) fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let left = self.count.saturating_sub(self.messages.len() as u64);
        self.messages.extend(message::list(&page.value, left));
        self.pages += 1;
        let is_full = self.messages.len() as u64 >= self.count || !self.is_long() || self.pages >= PAGES_MAX;
        if let (Some(next), false) = (page.next(&self.path), is_full) {
            self.path = next;
            return Ok(Step::Call(self.call()));
        }
        let more = page.has_more() || page.value.len() as u64 > left;
        let structured = json!({ "search": self.search, "messages": self.messages, "more": more });
        Ok(Step::Done(Finished { structured }))
    }
}

/// Whether every bracket and quotation mark is closed. Otherwise the words would end the brackets that are put around
/// them, and swallow the conditions beside them.
fn is_closed(words: &str) -> bool {
    let (mut depth, mut is_phrase) = (0_u32, false);
    for character in words.chars() {
        match character {
            '"' => is_phrase = !is_phrase,
            '(' if !is_phrase => depth += 1,
            ')' if !is_phrase => match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return false,
            },
            _ => {}
        }
    }
    depth == 0 && !is_phrase
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value) -> Result<SearchEmails, ToolError> {
        with_granted(&["Mail.Read"], |around| SearchEmails::new(arguments.as_object().unwrap(), around))
    }

    fn search(arguments: Value) -> String {
        plan(arguments).unwrap().search
    }

    #[test]
    fn the_call_is_one_encoded_search() {
        let call = plan(json!({"query": "budget", "count": 2})).unwrap().call();
        assert_eq!(
            call.path,
            "/me/messages?$search=%22budget%22&$select=id%2Csubject%2Cfrom%2CreceivedDateTime%2CisRead%2ChasAttachments%2CbodyPreview&$top=2"
        );
        assert_eq!(call.prefer, &[IMMUTABLE_IDS]);
    }

    #[test]
    fn conditions_are_joined_and_words_stay_together() {
        let all = json!({"query": "a OR b", "from": "alice@x.example", "subject": "Q3 OR \"x\"",
                         "after": "2026-01-01", "before": "2026-02-01", "hasAttachments": true});
        assert_eq!(
            search(all),
            "(a OR b) AND from:\"alice@x.example\" AND subject:\"Q3 OR  x \" AND received>=2026-01-01 AND \
             received<2026-02-01 AND hasAttachments:true"
        );
        assert_eq!(search(json!({"query": "from:bob"})), "from:bob");
    }

    #[test]
    fn words_cannot_leave_the_brackets_around_them() {
        for words in ["a) OR (b", ")", "(", "a\"", "\"a\" \")"] {
            let error = plan(json!({"query": words, "from": "alice"})).unwrap_err();
            assert!(error.message.contains("`query`"), "{words}: {error}");
            assert!(plan(json!({ "query": words })).is_ok(), "{words}");
        }
        let both = json!({"query": "(a OR \"b)\") c", "from": "alice"});
        assert_eq!(search(both), "((a OR \"b)\") c) AND from:\"alice\"");
    }

    #[test]
    fn a_quote_or_a_parameter_cannot_leave_the_clause() {
        for query in ["x\" &$top=999&a=\"", "\\", "\\\" OR 1", "a\"&$filter=b"] {
            let path = plan(json!({ "query": query })).unwrap().call().path;
            let clause = path.strip_prefix("/me/messages?$search=%22").unwrap();
            let (inside, _) = clause.split_once("%22&$select=").unwrap();
            let unescaped = inside.replace("%5C%5C", "").replace("%5C%22", "");
            assert!(!unescaped.contains("%22") && !unescaped.contains("%5C"), "{path}");
            assert!(!inside.contains('&') && !inside.contains('='), "{path}");
        }
    }

    #[test]
    fn bad_conditions_are_refused_with_a_sentence() {
        for (arguments, expected) in [
            (json!({}), "at least one of"),
            (json!({"query": ""}), "`query`"),
            (json!({"query": "a\nb"}), "one line"),
            (json!({"after": "yesterday"}), "`after`"),
            (json!({"after": "2026-01-01T10:00"}), "a date such as"),
            (json!({"hasAttachments": "yes"}), "true or false"),
            (json!({"query": "a", "count": 51}), "`count`"),
            (json!({"query": "a", "count": 5, "all": true}), "left out"),
            (json!({"query": "a", "all": "yes"}), "true or false"),
            (json!({"search": "a"}), "no argument"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }

    #[test]
    fn all_follows_the_pages_up_to_its_bound() {
        let mut search = plan(json!({"query": "a", "all": true})).unwrap();
        assert!(search.is_long() && search.call().path.ends_with("&$top=50"));
        let item = json!({"id": "A="});
        let page = json!({
            "value": vec![&item; 50],
            "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/messages?$search=%22a%22&$skiptoken=x",
        });
        for _ in 1..8 {
            let Ok(Step::Call(next)) = search.answered(&answer(200, &page)) else { panic!() };
            assert_eq!(next.path, "/me/messages?$search=%22a%22&$skiptoken=x");
        }
        let Ok(Step::Done(done)) = search.answered(&answer(200, &page)) else { panic!() };
        assert_eq!(done.structured["messages"].as_array().unwrap().len() as u64, ALL_MAX);
        assert_eq!(done.structured["more"], true);
        assert_conforms(Tool::SearchEmails, &done.structured);
        let mut short = plan(json!({"query": "a", "all": true})).unwrap();
        let Ok(Step::Done(done)) = short.answered(&answer(200, &json!({"value": [item]}))) else { panic!() };
        assert_eq!(done.structured["more"], false);
    }

    #[test]
    fn a_search_whose_pages_hold_little_ends_too() {
        let mut search = plan(json!({"query": "a", "all": true})).unwrap();
        let page = json!({
            "value": [],
            "@odata.nextLink": "https://graph.microsoft.com/v1.0/me/messages?$skiptoken=x",
        });
        let calls =
            (0..100).take_while(|_| matches!(search.answered(&answer(200, &page)), Ok(Step::Call(_))));
        assert_eq!(calls.count(), PAGES_MAX as usize - 1);
    }

    #[test]
    fn hits_are_shown_and_more_is_said() {
        let body = json!({"value": [{"id": "A="}], "@odata.nextLink": "https://graph.microsoft.com/v1.0/x"});
        let Step::Done(done) = plan(json!({"query": "a"})).unwrap().answered(&answer(200, &body)).unwrap()
        else {
            panic!()
        };
        assert_eq!(done.structured, json!({"search": "a", "messages": [{"id": "A="}], "more": true}));
        assert_conforms(Tool::SearchEmails, &done.structured);
    }
}
