//! `getContacts`: people of the address book and, when something is searched, those whom the person works with and the
//! users of the organisation's directory.
//!
//! What holds here: each person appears once, by address, and says where it was found; a source that may not be read is
//! left out and its absence is said.

use serde_json::{Map, Value, json};

use super::{BY_OTHERS, DIRECTORY_READ};
use crate::graph::{EVENTUAL, IMMUTABLE_IDS, odata_text, query, search_text};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, Page, list, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const COUNT_MAX: u64 = 100;
const COUNT_DEFAULT: u64 = 20;
const SEARCH_CHARS_MAX: usize = 100;

const CONTACT_FIELDS: &str =
    "id,displayName,emailAddresses,mobilePhone,businessPhones,companyName,jobTitle,department";
const PERSON_FIELDS: &str = "id,displayName,scoredEmailAddresses,phones,companyName,jobTitle,department";

const USER_FIELDS: &str =
    "id,displayName,mail,userPrincipalName,mobilePhone,businessPhones,companyName,jobTitle,department";

const SHOWN: [Field; 6] = [
    ("name", "/displayName", Kind::Text),
    ("jobTitle", "/jobTitle", Kind::Text),
    ("company", "/companyName", Kind::Text),
    ("department", "/department", Kind::Text),
    ("phone", "/mobilePhone", Kind::Text),
    ("contactId", "/id", Kind::Text),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Contacts,
    People,
    Directory,
}

impl Source {
    const fn name(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::People => "people",
            Self::Directory => "directory",
        }
    }
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GetContacts {
    search: Option<String>,
    count: u64,
    /// Those that are asked, in this order.
    sources: Vec<Source>,
    /// How many of them were asked.
    done: usize,
    /// Those that answered.
    searched: Vec<Source>,
    people: Vec<Value>,
    more: bool,
}

impl GetContacts {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::GetContacts, values, &["search", "count"])?;
        let search = arguments.line("search", SEARCH_CHARS_MAX)?.map(|text| text.trim().to_owned());
        if search.as_deref() == Some("") {
            return Err(arguments.must_be("search", "a part of a name or address"));
        }
        let count = arguments.integer("count", 1..=COUNT_MAX, COUNT_DEFAULT)?;
        let may_read_contacts = around.require(&["Contacts.Read", "Contacts.ReadWrite"]);
        let mut sources = Vec::new();
        if may_read_contacts.is_ok() {
            sources.push(Source::Contacts);
        }
        if search.is_some() && around.has_granted("People.Read") {
            sources.push(Source::People);
        }
        if search.is_some() && around.require(&DIRECTORY_READ).is_ok() {
            sources.push(Source::Directory);
        }
        if sources.is_empty() {
            may_read_contacts?;
        }
        Ok(Self { search, count, sources, done: 0, searched: Vec::new(), people: Vec::new(), more: false })
    }

    /// Adds a person, or where one with the same address was found already, only the further source.
    fn merge(&mut self, item: &Value, source: Source) {
        let mut person = shown(item, &SHOWN);
        if source != Source::Contacts {
            let id = person.remove("contactId");
            person.extend(id.filter(|_| source == Source::Directory).map(|id| ("userId".to_owned(), id)));
        }
        let in_list = |pointer: &str| list(item, pointer).iter().filter_map(|entry| text(entry, "/address"));
        let addresses: Vec<&str> = match source {
            Source::Contacts => in_list("/emailAddresses").collect(),
            Source::People => in_list("/scoredEmailAddresses").collect(),
            Source::Directory => {
                text(item, "/mail").or_else(|| text(item, "/userPrincipalName")).into_iter().collect()
            }
        };
        let phones = if source == Source::People { "/phones/0/number" } else { "/businessPhones/0" };
        if let (false, Some(phone)) = (person.contains_key("phone"), text(item, phones)) {
            person.insert("phone".to_owned(), phone.into());
        }
        let is_same = |known: &&mut Value| {
            list(known, "/addresses").iter().any(|one| {
                let one = one.as_str().unwrap_or_default();
                addresses.iter().any(|other| other.eq_ignore_ascii_case(one))
            })
        };
        if let Some(known) = self.people.iter_mut().find(is_same).and_then(Value::as_object_mut) {
            if let Some(sources) = known.get_mut("sources").and_then(Value::as_array_mut)
                && !sources.contains(&source.name().into())
            {
                sources.push(source.name().into());
            }
            // What the person wrote down comes first; another source only adds.
            for (name, value) in person {
                known.entry(name).or_insert(value);
            }
            return;
        }
        if person.is_empty() && addresses.is_empty() {
            return;
        }
        person.insert("addresses".to_owned(), addresses.into());
        person.insert("sources".to_owned(), json!([source.name()]));
        self.people.push(Value::Object(person));
    }
}

impl GetContacts {
    /// Asks the next source, or says what was found.
    fn next(&mut self) -> Step {
        self.done += 1;
        if self.done < self.sources.len() {
            return Step::Call(self.call());
        }
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let more = self.more || self.people.len() > count;
        self.people.truncate(count);
        let searched: Vec<&str> = self.searched.iter().map(|source| source.name()).collect();
        let structured = json!({ "people": self.people, "searched": searched, "more": more });
        Step::Done(Finished::from_outside(structured, BY_OTHERS))
    }
}

impl Reading for GetContacts {
    fn call(&self) -> GraphCall {
        let count = self.count.to_string();
        match (self.sources.get(self.done), &self.search) {
            (Some(Source::People), search) => {
                let clause = search_text(search.as_deref().unwrap_or_default());
                let parameters = query(&[("$search", &clause), ("$select", PERSON_FIELDS), ("$top", &count)]);
                GraphCall::get(Lane::Other, format!("/me/people{parameters}"))
            }
            (Some(Source::Directory), search) => {
                let words = search.as_deref().unwrap_or_default();
                let clause = ["displayName", "mail", "userPrincipalName"]
                    .map(|property| search_text(&format!("{property}:{words}")))
                    .join(" OR ");
                let parameters = query(&[("$search", &clause), ("$select", USER_FIELDS), ("$top", &count)]);
                let call = GraphCall::get(Lane::Other, format!("/users{parameters}"));
                GraphCall { header: Some(EVENTUAL), ..call }
            }
            (_, None) => contacts(&[("$orderby", "displayName"), ("$top", &count)]),
            (_, Some(search)) => {
                let literal = odata_text(search);
                let begins: Vec<String> = ["displayName", "givenName", "surname"]
                    .iter()
                    .map(|property| format!("startswith({property},{literal})"))
                    .collect();
                contacts(&[("$filter", &begins.join(" or ")), ("$top", &count)])
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        self.more |= page.has_more();
        let source = self.sources.get(self.done).copied().unwrap_or(Source::Contacts);
        for item in &page.value {
            self.merge(item, source);
        }
        self.searched.push(source);
        Ok(self.next())
    }

    /// One source that refuses does not hide what the others have.
    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        let others_help = !self.searched.is_empty() || self.done + 1 < self.sources.len();
        (others_help && matches!(refusal.status, 400 | 403 | 404)).then(|| self.next())
    }
}

fn contacts(parameters: &[(&str, &str)]) -> GraphCall {
    let mut all = vec![("$select", CONTACT_FIELDS)];
    all.extend(parameters);
    GraphCall::get(Lane::Mailbox, format!("/me/contacts{}", query(&all))).preferring(&[IMMUTABLE_IDS])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    const BOTH: [&str; 2] = ["Contacts.Read", "People.Read"];
    const ALL: [&str; 3] = ["Contacts.Read", "People.Read", "User.ReadBasic.All"];

    fn plan_with(arguments: Value, granted: &[&str]) -> Result<GetContacts, ToolError> {
        with_granted(granted, |around| GetContacts::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn without_a_search_the_address_book_is_listed() {
        let mut plan = plan_with(json!({"count": 5}), &BOTH).unwrap();
        assert_eq!(
            plan.call().path,
            "/me/contacts?$select=id%2CdisplayName%2CemailAddresses%2CmobilePhone%2CbusinessPhones%2CcompanyName%2CjobTitle%2Cdepartment&$orderby=displayName&$top=5"
        );
        let Step::Done(done) = plan.answered(&answer(200, &json!({"value": []}))).unwrap() else { panic!() };
        assert_eq!(done.structured, json!({"people": [], "searched": ["contacts"], "more": false}));
    }

    #[test]
    fn a_search_asks_both_and_merges_by_address() {
        let mut plan = plan_with(json!({"search": "O'Neil \"x"}), &BOTH).unwrap();
        let contacts = plan.call().path;
        assert!(
            contacts.contains("startswith%28displayName%2C%27O%27%27Neil%20%22x%27%29%20or%20"),
            "{contacts}"
        );
        let found = json!({"value": [{"id": "C=", "displayName": "Ann", "businessPhones": ["1"],
                           "emailAddresses": [{"address": "Ann@x.example", "name": "Ann"}]}]});
        let Step::Call(people) = plan.answered(&answer(200, &found)).unwrap() else { panic!() };
        assert!(people.path.starts_with("/me/people?$search=%22O%27Neil%20%5C%22x%22&"), "{}", people.path);
        let found = json!({"value": [
            {"id": "p1", "displayName": "Ann B", "scoredEmailAddresses": [{"address": "ann@x.example"}]},
            {"id": "p2", "displayName": "Bob", "scoredEmailAddresses": [{"address": "bob@x.example"}],
             "phones": [{"number": "2"}]},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &found)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["people"],
            json!([
                {"name": "Ann", "contactId": "C=", "phone": "1", "addresses": ["Ann@x.example"],
                 "sources": ["contacts", "people"]},
                {"name": "Bob", "phone": "2", "addresses": ["bob@x.example"], "sources": ["people"]},
            ])
        );
        assert_conforms(Tool::GetContacts, &done);
    }

    #[test]
    fn the_directory_is_searched_with_what_its_search_demands() {
        let mut plan = plan_with(json!({"search": "an \"b"}), &ALL).unwrap();
        let contact = json!({"value": [{"id": "C=", "displayName": "Ann", "jobTitle": "Friend",
                             "emailAddresses": [{"address": "ann@x.example"}]}]});
        assert!(matches!(plan.answered(&answer(200, &contact)), Ok(Step::Call(_))));
        let Step::Call(directory) = plan.answered(&answer(200, &json!({"value": []}))).unwrap() else {
            panic!()
        };
        assert_eq!(directory.header, Some(("consistencylevel", "eventual")));
        let search =
            "/users?$search=%22displayName%3Aan%20%5C%22b%22%20OR%20%22mail%3Aan%20%5C%22b%22%20OR%20";
        assert!(directory.path.starts_with(search), "{}", directory.path);
        let users = json!({"value": [
            {"id": "u1", "displayName": "Ann B", "mail": "ANN@x.example", "jobTitle": "Buyer", "department": "D"},
            {"id": "u2", "displayName": "Cy", "mail": null, "userPrincipalName": "cy@x.example"},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &users)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["people"],
            json!([
                {"name": "Ann", "jobTitle": "Friend", "department": "D", "contactId": "C=", "userId": "u1",
                 "addresses": ["ann@x.example"], "sources": ["contacts", "directory"]},
                {"name": "Cy", "userId": "u2", "addresses": ["cy@x.example"], "sources": ["directory"]},
            ])
        );
        assert_conforms(Tool::GetContacts, &done);
    }

    #[test]
    fn a_source_that_refuses_does_not_hide_the_others() {
        let mut plan = plan_with(json!({"search": "a"}), &ALL).unwrap();
        let refusal = answer(403, &json!({"error": {"code": "Forbidden"}}));
        assert!(
            matches!(plan.took_refusal(&refusal), Some(Step::Call(call)) if call.path.starts_with("/me/people"))
        );
        assert!(matches!(plan.answered(&answer(200, &json!({"value": []}))), Ok(Step::Call(_))));
        let Some(Step::Done(done)) = plan.took_refusal(&refusal) else { panic!() };
        assert_eq!(done.structured, json!({"people": [], "searched": ["people"], "more": false}));
        let mut alone = plan_with(json!({}), &BOTH).unwrap();
        assert_eq!(alone.took_refusal(&refusal), None);
    }

    #[test]
    fn what_may_not_be_read_is_left_out_or_named() {
        let plan = plan_with(json!({"search": "a"}), &["People.Read"]).unwrap();
        assert!(plan.call().path.starts_with("/me/people?"));
        let refused = plan_with(json!({}), &["People.Read"]).unwrap_err();
        assert!(refused.message.contains("Contacts.Read "), "{refused}");
        assert!(plan_with(json!({"search": "  "}), &BOTH).unwrap_err().message.contains("`search`"));
        assert!(plan_with(json!({"search": "a\u{0}"}), &BOTH).is_err());
    }
}
