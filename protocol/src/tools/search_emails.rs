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
use crate::outbound::{Answer, GraphCall, Lane};

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 10;
const WORDS_CHARS_MAX: usize = 500;

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEmails {
    search: String,
    count: u64,
}

impl SearchEmails {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let known = ["query", "from", "subject", "after", "before", "hasAttachments", "count"];
        let arguments = Arguments::of(Tool::SearchEmails, values, &known)?;
        around.require(&MAIL_READ)?;
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
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
        Ok(Self { search: clauses.join(" AND "), count })
    }

    pub(super) fn call(&self) -> GraphCall {
        let parameters = query(&[
            ("$search", &search_text(&self.search)),
            ("$select", message::FIELDS),
            ("$top", &self.count.to_string()),
        ]);
        GraphCall::get(Lane::Mailbox, format!("/me/messages{parameters}")).preferring(&[IMMUTABLE_IDS])
    }

    pub(super) fn answered(&self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let messages = message::list(&page.value, self.count);
        let more = page.has_more();
        let structured = json!({ "search": self.search, "messages": messages, "more": more });
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
            (json!({"search": "a"}), "no argument"),
        ] {
            let error = plan(arguments).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
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
