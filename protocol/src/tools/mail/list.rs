//! `getEmails` and `searchEmails`: mails of a folder by their properties, and mails anywhere by Outlook's own index.
//!
//! What holds here: one page is asked for, and what does not fit is said and can be gone on with. A search is one clause
//! in double quotes which nothing that was given can leave; a property's value is a phrase of its own, so that no word in
//! it becomes an operator. What is ordered by stands first in a filter, as Exchange demands.

use serde_json::{Map, Value, json};

use super::{BY_SENDERS, Mailbox, folder, message};
use crate::civil::{When, utc_text};
use crate::graph::{IMMUTABLE_IDS, odata_text, query, search_text};
use crate::limits::{ANSWER_TOKENS_DEFAULT, ANSWER_TOKENS_MAX, PAGES_MAX};
use crate::outbound::{Answer, GraphCall};
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{MAIL_READ, MAIL_READ_SHARED};
use crate::tools::collection::Page;
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings, Tool, mailbox_zone};
use crate::zones::{Zone, Zones};

const COUNT_MAX: u64 = 50;
const COUNT_DEFAULT: u64 = 10;
const WORDS_CHARS_MAX: usize = 500;

/// Every match, as far as this goes: so many take eight calls, and as the outcome of a task they fit into a row.
const ALL_MAX: usize = 400;

/// What a list is bounded by, before the zone of its days is known.
#[derive(Clone, Debug, PartialEq)]
struct Bounds {
    after: Option<When>,
    before: Option<When>,
    /// Conditions beside the time.
    conditions: Vec<String>,
    zones: Zones,
}

/// A list being read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListMail {
    mailbox: Mailbox,
    /// The path of the messages, without parameters.
    messages: String,
    count: u64,
    budget: Budget,
    /// What the result says of the question.
    asked: (&'static str, String),
    /// The path of the page; none while the mailbox is asked for its zone.
    page: Option<String>,
    bounds: Option<Bounds>,
    /// The zone that was asked for, in which times are then shown; none stands for the mailbox's.
    zone: Option<Zone>,
    /// Whether all pages are read that one answer holds.
    is_long: bool,
    pages: u32,
    found: Vec<Value>,
}

pub(super) fn newest(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<ListMail, ToolError> {
    let known = [
        "folder",
        "count",
        "unread",
        "flagged",
        "from",
        "after",
        "before",
        "hasAttachments",
        "mailbox",
        "timeZone",
        "maxTokens",
        "cursor",
    ];
    let arguments = Arguments::of(Tool::GetEmails, values, &known)?;
    let mailbox = Mailbox::read(&arguments, around, &MAIL_READ, &MAIL_READ_SHARED)?;
    let (name, path) =
        folder(&arguments, "folder", around)?.unwrap_or_else(|| ("inbox".to_owned(), "inbox".to_owned()));
    around.policy.folders.check(&name)?;
    let mut conditions = Vec::new();
    if let Some(is_unread) = arguments.flag("unread")? {
        conditions.push(format!("isRead eq {}", !is_unread));
    }
    if let Some(has) = arguments.flag("hasAttachments")? {
        conditions.push(format!("hasAttachments eq {has}"));
    }
    if let Some(is_flagged) = arguments.flag("flagged")? {
        conditions.push(format!("flag/flagStatus {} 'flagged'", if is_flagged { "eq" } else { "ne" }));
    }
    if let Some(address) = arguments.one_address("from")? {
        conditions.push(format!("from/emailAddress/address eq {}", odata_text(address)));
    }
    let (after, before) = (arguments.when("after")?, arguments.when("before")?);
    let needs_zone = [after, before].iter().flatten().any(|when| !matches!(when, When::Instant(_)));
    let is_named = values.contains_key("timeZone");
    let zone = if needs_zone || is_named {
        mailbox_zone::choose(&arguments, around, true)?
    } else {
        Some(Zone::utc())
    };
    let bounds = Bounds { after, before, conditions, zones: around.zones };
    let mut list = ListMail {
        messages: format!("{}/mailFolders/{path}/messages", mailbox.root),
        mailbox,
        count: arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?,
        budget: Budget::read(&arguments, around)?,
        asked: ("folder", name),
        page: None,
        bounds: Some(bounds),
        zone: zone.clone().filter(|_| is_named),
        is_long: false,
        pages: 0,
        found: Vec::new(),
    };
    if let Some(zone) = zone {
        list.begin(&zone)?;
    }
    Ok(list)
}

pub(super) fn search(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<ListMail, ToolError> {
    let known = [
        "query",
        "from",
        "to",
        "subject",
        "after",
        "before",
        "hasAttachments",
        "folder",
        "mailbox",
        "count",
        "all",
        "maxTokens",
        "cursor",
    ];
    let arguments = Arguments::of(Tool::SearchEmails, values, &known)?;
    let mailbox = Mailbox::read(&arguments, around, &MAIL_READ, &MAIL_READ_SHARED)?;
    let is_long = arguments.flag("all")?.unwrap_or(false);
    if is_long && values.contains_key("count") {
        return Err(arguments.must_be("count", "left out where `all` is true"));
    }
    let count = arguments.integer("count", 1..=COUNT_MAX, if is_long { COUNT_MAX } else { COUNT_DEFAULT })?;
    let clause = clause(&arguments)?;
    let messages = match folder(&arguments, "folder", around)? {
        Some((_, path)) => format!("{}/mailFolders/{path}/messages", mailbox.root),
        None => format!("{}/messages", mailbox.root),
    };
    let parameters = query(&[
        ("$search", &search_text(&clause)),
        ("$select", message::FIELDS),
        ("$top", &count.to_string()),
    ]);
    let usual = if is_long { ANSWER_TOKENS_MAX } else { ANSWER_TOKENS_DEFAULT };
    let budget = Budget::read_or(&arguments, around, usual)?;
    let page = Some(budget.path(format!("{messages}{parameters}")));
    Ok(ListMail {
        mailbox,
        messages,
        count,
        budget,
        asked: ("search", clause),
        page,
        bounds: None,
        zone: None,
        is_long,
        pages: 0,
        found: Vec::new(),
    })
}

/// The conditions of a search as one clause of KQL.
fn clause(arguments: &Arguments<'_>) -> Result<String, ToolError> {
    let mut clauses: Vec<String> = Vec::new();
    for property in ["from", "to", "subject"] {
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
            "`searchEmails` needs at least one of: query, from, to, subject, after, before, hasAttachments.",
        ));
    }
    Ok(clauses.join(" AND "))
}

impl ListMail {
    /// Writes the path of the page, once it is known in which zone days are meant.
    fn begin(&mut self, zone: &Zone) -> Result<(), ToolError> {
        let Some(bounds) = self.bounds.take() else { return Ok(()) };
        let filter = bounds.filter(zone)?;
        let count = self.count.to_string();
        let mut parameters =
            vec![("$select", message::FIELDS), ("$top", &count), ("$orderby", "receivedDateTime desc")];
        if let Some(filter) = &filter {
            parameters.push(("$filter", filter));
        }
        self.page = Some(self.budget.path(format!("{}{}", self.messages, query(&parameters))));
        Ok(())
    }

    /// Takes a page over, and asks for the next one where all are wanted and there is room.
    fn take(&mut self, page: &Page, path: &str) -> Step {
        let is_long = self.is_long;
        let shown = |item: &Value| {
            let mut item = message::summary(item)?;
            if is_long {
                item.as_object_mut()?.remove("preview");
            }
            Some(item)
        };
        let (mut found, goes_on) = self.budget.page(page, path, shown, self.found.is_empty());
        self.found.append(&mut found);
        self.budget.from.offset = 0;
        self.pages += 1;
        let next = page.next(path);
        let is_taken_whole = goes_on == next.as_ref().map(|next| self.budget.goes_on(next, 0));
        let is_enough = !is_long || self.found.len() >= ALL_MAX || self.pages >= PAGES_MAX;
        if let (Some(next), true, false) = (next, is_taken_whole, is_enough) {
            self.page = Some(next);
            return Step::Call(self.call());
        }
        let (name, value) = &self.asked;
        let structured = json!({ *name: value, "messages": self.found });
        let finished = Finished {
            zone: self.zone.clone().map(Box::new),
            ..Finished::from_outside(structured, BY_SENDERS)
        };
        Step::Done(finished.going_on(goes_on))
    }
}

impl Bounds {
    /// The filter; none without conditions. The property that is ordered by comes first in it, or Exchange refuses
    /// (`InefficientFilter`).
    fn filter(&self, zone: &Zone) -> Result<Option<String>, ToolError> {
        let at = |when: Option<When>| -> Result<Option<UnixMs>, ToolError> {
            let found = match when {
                None => return Ok(None),
                Some(When::Instant(at)) => Some(at),
                Some(When::Local(clock) | When::Day(clock)) => zone.instant(clock),
            };
            found
                .map(Some)
                .ok_or_else(|| ToolError::argument("`after` and `before` must be later than 1970."))
        };
        let (after, before) = (at(self.after)?, at(self.before)?);
        if after.is_none() && before.is_none() && self.conditions.is_empty() {
            return Ok(None);
        }
        let mut all = vec![format!("receivedDateTime ge {}", utc_text(after.unwrap_or(UnixMs(0))))];
        all.extend(before.map(|before| format!("receivedDateTime lt {}", utc_text(before))));
        all.extend(self.conditions.iter().cloned());
        Ok(Some(all.join(" and ")))
    }
}

impl Reading for ListMail {
    fn call(&self) -> GraphCall {
        match &self.page {
            Some(path) => GraphCall::get(self.mailbox.lane, path.clone()).preferring(&[IMMUTABLE_IDS]),
            None => mailbox_zone::call(),
        }
    }

    fn is_long(&self) -> bool {
        self.is_long
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let Some(path) = self.page.clone() else {
            let zones = self.bounds.as_ref().map_or(Zones::UTC_ONLY, |bounds| bounds.zones);
            let zone = mailbox_zone::answered(answer, zones)?;
            self.begin(&zone)?;
            return Ok(Step::Call(self.call()));
        };
        let page = Page::read(answer)?;
        Ok(self.take(&page, &path))
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
mod tests;
