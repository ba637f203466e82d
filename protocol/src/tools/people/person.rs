//! `getPerson`: one person of the organisation, with manager and direct reports; or one of the person's contacts.
//!
//! What holds here: who is whose manager is read only where an administrator allowed it (`User.Read.All`), except for the
//! person's own reports; otherwise the result says why it is not there. Whoever is not in the directory may still be in the
//! address book.

use serde_json::{Map, Value, json};

use super::{BY_OTHERS, DIRECTORY_READ};
use crate::graph::{IMMUTABLE_IDS, odata_text, query, segment};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, list, read, shown, text};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

/// The permissions of which one suffices to see who is whose manager. Both need an administrator.
const HIERARCHY_READ: [&str; 2] = ["User.Read.All", "Directory.Read.All"];

const NAME_BYTES_MAX: usize = 320;

const FIELDS: &str = "id,displayName,mail,userPrincipalName,jobTitle,department,companyName,officeLocation,\
     mobilePhone,businessPhones,preferredLanguage";
const CONTACT_FIELDS: &str = "id,displayName,emailAddresses,mobilePhone,businessPhones,companyName,jobTitle,department,\
     officeLocation";
const BRIEF: &str = "$select=id,displayName,mail,jobTitle";

const SHOWN: [Field; 9] = [
    ("userId", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("address", "/mail", Kind::Text),
    ("jobTitle", "/jobTitle", Kind::Text),
    ("department", "/department", Kind::Text),
    ("company", "/companyName", Kind::Text),
    ("office", "/officeLocation", Kind::Text),
    ("phone", "/mobilePhone", Kind::Text),
    ("language", "/preferredLanguage", Kind::Text),
];

const SHOWN_BRIEFLY: [Field; 4] = [
    ("userId", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("address", "/mail", Kind::Text),
    ("jobTitle", "/jobTitle", Kind::Text),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Who it is, and the manager.
    Profile,
    Reports,
    /// Not in the directory: perhaps in the address book.
    Contact,
}

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GetPerson {
    /// The path of the person.
    path: String,
    /// The address, if that is what was given and the address book may be read.
    address: Option<String>,
    sees_hierarchy: bool,
    stage: Stage,
    person: Map<String, Value>,
}

impl GetPerson {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::GetPerson, values, &["person"])?;
        let given = arguments.text("person", NAME_BYTES_MAX)?.trim();
        let name = segment(given)
            .map_err(|_| arguments.must_be("person", "an address, a userId of `getContacts`, or `me`"))?;
        let path = if given == "me" {
            around.require(&["User.Read", "User.Read.All"])?;
            "/me".to_owned()
        } else {
            around.require(&DIRECTORY_READ)?;
            format!("/users/{name}")
        };
        let may_read_contacts = around.require(&["Contacts.Read", "Contacts.ReadWrite"]).is_ok();
        let address = (may_read_contacts && given.contains('@')).then(|| given.to_owned());
        let sees_hierarchy = around.require(&HIERARCHY_READ).is_ok();
        Ok(Self { path, address, sees_hierarchy, stage: Stage::Profile, person: Map::new() })
    }

    fn is_me(&self) -> bool {
        self.path == "/me"
    }

    fn finished(&mut self, source: &str) -> Step {
        let person = std::mem::take(&mut self.person);
        let mut structured = json!({ "person": person, "source": source });
        if source == "directory"
            && !self.sees_hierarchy
            && let Some(members) = structured.as_object_mut()
        {
            let what = if self.is_me() { "The manager" } else { "Manager and direct reports" };
            let note = format!("{what} cannot be read: an administrator has not granted User.Read.All.");
            members.insert("note".to_owned(), note.into());
        }
        Step::Done(Finished::from_outside(structured, BY_OTHERS))
    }

    fn take_profile(&mut self, user: &Value) -> Step {
        self.person = details(user);
        self.person.entry("address").or_insert_with(|| user["userPrincipalName"].clone());
        if let Some(manager) = user.get("manager").filter(|manager| manager.is_object()) {
            self.person.insert("manager".to_owned(), shown(manager, &SHOWN_BRIEFLY).into());
        }
        if !self.sees_hierarchy && !self.is_me() {
            return self.finished("directory");
        }
        self.stage = Stage::Reports;
        Step::Call(self.call())
    }
}

/// What is shown of a user or a contact alike.
fn details(item: &Value) -> Map<String, Value> {
    let mut out = shown(item, &SHOWN);
    if let (false, Some(phone)) = (out.contains_key("phone"), text(item, "/businessPhones/0")) {
        out.insert("phone".to_owned(), phone.into());
    }
    out
}

impl Reading for GetPerson {
    fn call(&self) -> GraphCall {
        let of_person = |parameters: &[(&str, &str)]| {
            GraphCall::get(Lane::Other, format!("{}{}", self.path, query(parameters)))
        };
        match self.stage {
            Stage::Profile if self.sees_hierarchy => {
                of_person(&[("$select", FIELDS), ("$expand", &format!("manager({BRIEF})"))])
            }
            Stage::Profile => of_person(&[("$select", FIELDS)]),
            Stage::Reports if self.is_me() => {
                // Without a selection: the description of a report in general has none of these names.
                GraphCall::get(Lane::Other, format!("/me/directReports{}", query(&[("$top", "100")])))
            }
            Stage::Reports => {
                of_person(&[("$select", "id"), ("$expand", &format!("directReports({BRIEF})"))])
            }
            Stage::Contact => {
                let address = odata_text(self.address.as_deref().unwrap_or_default());
                let filter = format!("emailAddresses/any(a:a/address eq {address})");
                let parameters = query(&[("$select", CONTACT_FIELDS), ("$top", "1"), ("$filter", &filter)]);
                GraphCall::get(Lane::Mailbox, format!("/me/contacts{parameters}"))
                    .preferring(&[IMMUTABLE_IDS])
            }
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let found: Value = read(answer)?;
        match self.stage {
            Stage::Profile => Ok(self.take_profile(&found)),
            Stage::Reports => {
                let pointer = if self.is_me() { "/value" } else { "/directReports" };
                let reports: Vec<Value> =
                    list(&found, pointer).iter().map(|one| shown(one, &SHOWN_BRIEFLY).into()).collect();
                self.person.insert("reports".to_owned(), reports.into());
                Ok(self.finished("directory"))
            }
            Stage::Contact => {
                let Some(contact) = list(&found, "/value").first() else { return Err(nobody()) };
                self.person = details(contact);
                let id = self.person.remove("userId");
                self.person.extend(id.map(|id| ("contactId".to_owned(), id)));
                self.person
                    .extend(self.address.clone().map(|address| ("address".to_owned(), address.into())));
                Ok(self.finished("contacts"))
            }
        }
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        match (self.stage, refusal.status) {
            (Stage::Profile, 404) if self.address.is_some() => {
                self.stage = Stage::Contact;
                Some(Step::Call(self.call()))
            }
            // Who it is was found; a missing list of reports does not hide it.
            (Stage::Reports, 403 | 404) => Some(self.finished("directory")),
            _ => None,
        }
    }
}

fn nobody() -> ToolError {
    ToolError::not_found(
        "Nobody of this address is in the directory or among the contacts. Search by a part of the name with \
         `getContacts`.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    const BASIC: [&str; 3] = ["User.Read", "User.ReadBasic.All", "Contacts.Read"];
    const FULL: [&str; 4] = ["User.Read", "User.ReadBasic.All", "User.Read.All", "Contacts.Read"];

    fn plan(person: &str, granted: &[&str]) -> Result<GetPerson, ToolError> {
        let arguments = json!({ "person": person });
        with_granted(granted, |around| GetPerson::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn manager_and_reports_come_with_what_an_administrator_granted() {
        let mut plan = plan("bob@x.example", &FULL).unwrap();
        let path = plan.call().path;
        assert!(path.starts_with("/users/bob@x.example?$select=id%2C"), "{path}");
        assert!(
            path.ends_with("&$expand=manager%28%24select%3Did%2CdisplayName%2Cmail%2CjobTitle%29"),
            "{path}"
        );
        let user = json!({"id": "u1", "displayName": "Bob", "mail": "bob@x.example", "businessPhones": ["5"],
                          "manager": {"@odata.type": "#microsoft.graph.user", "id": "u0", "displayName": "Ann"}});
        let Step::Call(reports) = plan.answered(&answer(200, &user)).unwrap() else { panic!() };
        assert!(reports.path.contains("$expand=directReports%28"), "{}", reports.path);
        let found =
            json!({"id": "u1", "directReports": [{"id": "u2", "displayName": "Cy", "mail": "cy@x.example"}]});
        let Step::Done(done) = plan.answered(&answer(200, &found)).unwrap() else { panic!() };
        assert_eq!(
            done.structured,
            json!({"person": {"userId": "u1", "name": "Bob", "address": "bob@x.example", "phone": "5",
                              "manager": {"userId": "u0", "name": "Ann"},
                              "reports": [{"userId": "u2", "name": "Cy", "address": "cy@x.example"}]},
                   "source": "directory"})
        );
        assert_conforms(Tool::GetPerson, &done);
    }

    #[test]
    fn without_that_the_result_says_what_is_missing() {
        let mut other = plan("u1", &BASIC).unwrap();
        assert!(!other.call().path.contains("expand"));
        let user = json!({"id": "u1", "displayName": "Bob", "userPrincipalName": "bob@x.example"});
        let Step::Done(done) = other.answered(&answer(200, &user)).unwrap() else { panic!() };
        assert_eq!(done.structured["person"]["address"], "bob@x.example");
        assert!(done.structured["note"].as_str().unwrap().starts_with("Manager and direct reports"));
        assert_conforms(Tool::GetPerson, &done);
        let mut me = plan("me", &BASIC).unwrap();
        assert!(me.call().path.starts_with("/me?$select="));
        let Step::Call(reports) = me.answered(&answer(200, &user)).unwrap() else { panic!() };
        assert!(reports.path.starts_with("/me/directReports?"));
        let Some(Step::Done(done)) = me.took_refusal(&answer(403, &json!({}))) else { panic!() };
        assert!(done.structured["note"].as_str().unwrap().starts_with("The manager"));
    }

    #[test]
    fn whoever_is_not_in_the_directory_may_be_a_contact() {
        let mut by_id = plan("u9", &BASIC).unwrap();
        assert_eq!(by_id.took_refusal(&answer(404, &json!({}))), None);
        let mut plan = plan("cy@x.example", &BASIC).unwrap();
        let Some(Step::Call(call)) = plan.took_refusal(&answer(404, &json!({}))) else { panic!() };
        let filter = "$filter=emailAddresses%2Fany%28a%3Aa%2Faddress%20eq%20%27cy%40x.example%27%29";
        assert!(call.path.ends_with(filter), "{}", call.path);
        let found = json!({"value": [{"id": "C=", "displayName": "Cy", "companyName": "X"}]});
        let Step::Done(done) = plan.clone().answered(&answer(200, &found)).unwrap() else { panic!() };
        assert_eq!(
            done.structured,
            json!({"person": {"contactId": "C=", "name": "Cy", "company": "X", "address": "cy@x.example"},
                   "source": "contacts"})
        );
        assert_conforms(Tool::GetPerson, &done);
        assert_eq!(plan.answered(&answer(200, &json!({"value": []}))).unwrap_err().code, "not_found");
    }

    #[test]
    fn what_is_not_granted_or_no_name_is_refused() {
        assert!(plan("u1", &["User.Read"]).unwrap_err().message.contains("User.ReadBasic.All"));
        for nobody in ["", "../me", "o'neil@x.example"] {
            assert!(plan(nobody, &BASIC).unwrap_err().message.contains("`person`"));
        }
    }
}
