//! Mentions: people named in a message to Teams, found in the directory and marked so that they are told.
//!
//! What holds here: exactly one person is mentioned for each that was named, or nothing is sent; what the directory says of
//! a name is escaped before it stands in markup.

use serde_json::{Value, json};

use crate::graph::{odata_text, query};
use crate::html::escaped;
use crate::limits::MENTIONS_MAX;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::collection::{Page, text};
use crate::tools::error::ToolError;

const NAME_CHARS_MAX: usize = 120;

/// Somebody in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Person {
    id: String,
    name: String,
}

/// Those who were named, in their order, and those of them who were found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions {
    named: Vec<String>,
    found: Vec<Person>,
}

impl Mentions {
    pub(super) fn read(arguments: &Arguments<'_>) -> Result<Self, ToolError> {
        let wrong = || {
            arguments.must_be(
                "mentions",
                &format!("a list of at most {MENTIONS_MAX} addresses or names of people"),
            )
        };
        let named: Vec<String> =
            arguments.texts("mentions")?.into_iter().map(|name| name.trim().to_owned()).collect();
        let is_name = |name: &String| {
            !name.is_empty() && name.chars().count() <= NAME_CHARS_MAX && !name.chars().any(char::is_control)
        };
        if named.len() > MENTIONS_MAX || !named.iter().all(is_name) {
            return Err(wrong());
        }
        Ok(Self { named, found: Vec::new() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The call that finds the next person; none once all are found.
    pub(super) fn call(&self) -> Option<GraphCall> {
        let named = odata_text(self.named.get(self.found.len())?);
        let filter = if named.contains('@') {
            format!("mail eq {named} or userPrincipalName eq {named}")
        } else {
            format!("startswith(displayName,{named})")
        };
        let select = "id,displayName,mail,userPrincipalName";
        let parameters = query(&[("$filter", &filter), ("$select", select), ("$top", "5")]);
        Some(GraphCall::get(Lane::Other, format!("/users{parameters}")))
    }

    /// Reads its answer.
    ///
    /// # Errors
    /// Nobody is meant by what was named, or several are.
    pub(super) fn answered(&mut self, answer: &Answer) -> Result<(), ToolError> {
        let page = Page::read(answer)?;
        let named = self.named.get(self.found.len()).map(String::as_str).unwrap_or_default();
        let person = |item: &Value| {
            Some(Person { id: text(item, "/id")?.to_owned(), name: text(item, "/displayName")?.to_owned() })
        };
        let mut people: Vec<Person> = page.value.iter().filter_map(person).collect();
        // Whoever has exactly this name is meant, though others' names begin with it.
        let exact: Vec<Person> =
            people.iter().filter(|one| one.name.eq_ignore_ascii_case(named)).cloned().collect();
        if exact.len() == 1 {
            people = exact;
        }
        match (people.len(), people.pop()) {
            (1, Some(person)) => {
                self.found.push(person);
                Ok(())
            }
            (0, _) | (_, None) => Err(ToolError::not_found(
                "Somebody in `mentions` is not in the directory. Give the address or the name as the directory has \
                 it. Nothing was sent.",
            )),
            _ => Err(ToolError::argument(
                "Several people have a name in `mentions`. Give the address instead. Nothing was sent.",
            )),
        }
    }

    /// Marks those who were found in a text of HTML: where `@` and what they were named by stands, else at the beginning.
    pub(super) fn marked(&self, html: &str) -> (String, Value) {
        let (mut out, mut in_front) = (html.to_owned(), String::new());
        for (at, (named, person)) in self.named.iter().zip(&self.found).enumerate() {
            let mark = format!("<at id=\"{at}\">{}</at>", escaped(&person.name));
            let wanted = format!("@{}", escaped(named));
            if out.contains(&wanted) {
                out = out.replacen(&wanted, &mark, 1);
            } else {
                in_front.push_str(&mark);
                in_front.push(' ');
            }
        }
        let mentions: Vec<Value> = self
            .found
            .iter()
            .enumerate()
            .map(|(at, person)| {
                let user =
                    json!({"id": person.id, "displayName": person.name, "userIdentityType": "aadUser"});
                json!({"id": at, "mentionText": person.name, "mentioned": {"user": user}})
            })
            .collect();
        (in_front + &out, mentions.into())
    }
}
