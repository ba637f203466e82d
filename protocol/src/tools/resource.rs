//! The resources: facts about the account that a client can read without a tool, as JSON.
//!
//! What holds here: a resource is read by the same kind of plan as a tool's work and passes the same queue and ledger; its
//! lists are followed up to a bound, and what was cut is said.

use serde_json::{Map, Value, json};

use super::collection::{Field, Kind, Page, person, read, shown};
use super::error::ToolError;
use super::{Finished, Step, Surroundings, catalogue};
use crate::graph::{query, segment};
use crate::limits::PAGES_MAX;
use crate::outbound::{Answer, GraphCall, Lane};

/// The media type of every resource.
pub const MIME_TYPE: &str = "application/json";

/// Teams whose channels one reading lists.
const TEAMS_MAX: usize = 25;

/// A resource of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Who the person is, and the mailbox's zone.
    Profile,
    /// The calendars of the mailbox.
    Calendars,
    /// The teams that the person belongs to, with their channels.
    Teams,
}

impl Resource {
    /// Every resource, in the order of the list.
    pub const ALL: [Self; 3] = [Self::Profile, Self::Calendars, Self::Teams];

    /// The resource of a URI.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.uri() == uri)
    }

    /// The URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Profile => "microsoft://profile",
            Self::Calendars => "microsoft://calendars",
            Self::Teams => "microsoft://teams",
        }
    }

    /// The name in ledger, logs and the gateway's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "resource:profile",
            Self::Calendars => "resource:calendars",
            Self::Teams => "resource:teams",
        }
    }

    /// The scope that an access token needs.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Calendars => "calendar.read",
            Self::Teams => "teams.send",
        }
    }

    /// The Graph permissions that the resource makes use of.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Profile => &["User.Read", "MailboxSettings.Read"],
            Self::Calendars => &["Calendars.ReadWrite"],
            Self::Teams => &["Team.ReadBasic.All", "Channel.ReadBasic.All"],
        }
    }

    const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Profile => ("Profile", "Name, addresses, job and time zone of the signed-in person"),
            Self::Calendars => ("Calendars", "Calendars of the mailbox with their ids"),
            Self::Teams => ("Teams", "Teams of the signed-in person and their channels, with their ids"),
        }
    }
}

/// The result of `resources/list`.
#[must_use]
pub fn resource_list() -> Map<String, Value> {
    let resources: Vec<Value> = Resource::ALL
        .into_iter()
        .map(|resource| {
            let (title, description) = resource.texts();
            json!({
                "uri": resource.uri(),
                "name": title.to_lowercase(),
                "title": title,
                "description": description,
                "mimeType": MIME_TYPE,
            })
        })
        .collect();
    Map::from_iter([("resources".to_owned(), Value::Array(resources))])
}

/// The result of `resources/templates/list`: there are none.
#[must_use]
pub fn template_list() -> Map<String, Value> {
    Map::from_iter([("resourceTemplates".to_owned(), json!([]))])
}

/// The result of `resources/read`.
#[must_use]
pub fn contents(resource: Resource, finished: &Finished) -> Map<String, Value> {
    let content = json!({ "uri": resource.uri(), "mimeType": MIME_TYPE, "text": finished.text() });
    Map::from_iter([("contents".to_owned(), json!([content]))])
}

/// A resource being read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadResource {
    resource: Resource,
    may_read_more: bool,
    path: String,
    pages: u32,
    /// What was read so far: the profile's members, or the list's items.
    out: Map<String, Value>,
    items: Vec<Value>,
    /// The item whose details are read next, after the list was read.
    detail: Option<usize>,
    is_cut: bool,
}

impl ReadResource {
    pub(super) fn new(resource: Resource, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let (path, more) = match resource {
            Resource::Profile => {
                around.require(&["User.Read"])?;
                let fields = "id,displayName,mail,userPrincipalName,jobTitle,department,officeLocation,\
                              mobilePhone,preferredLanguage";
                (format!("/me{}", query(&[("$select", fields)])), "MailboxSettings.Read")
            }
            Resource::Calendars => {
                around.require(&catalogue::CALENDARS_READ)?;
                let fields = "id,name,color,canEdit,canShare,isDefaultCalendar,owner";
                let parameters = query(&[("$select", fields), ("$top", "50")]);
                (format!("/me/calendars{parameters}"), "")
            }
            Resource::Teams => {
                around.require(&["Team.ReadBasic.All"])?;
                ("/me/joinedTeams".to_owned(), "Channel.ReadBasic.All")
            }
        };
        let may_read_more = around.has_granted(more);
        let (out, items) = (Map::new(), Vec::new());
        Ok(Self { resource, may_read_more, path, pages: 0, out, items, detail: None, is_cut: false })
    }

    pub(super) fn call(&self) -> GraphCall {
        let lane = match self.resource {
            Resource::Profile => Lane::Other,
            Resource::Calendars => Lane::Mailbox,
            Resource::Teams => Lane::Teams,
        };
        GraphCall::get(lane, self.path.clone())
    }

    pub(super) fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self.resource {
            Resource::Profile => self.profile(answer),
            Resource::Calendars => self.list(answer, &CALENDAR),
            Resource::Teams => match self.detail {
                None => self.list(answer, &TEAM),
                Some(team) => self.channels(team, answer),
            },
        }
    }

    fn profile(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let found: Value = read(answer)?;
        if self.pages == 0 {
            self.out = shown(&found, &PROFILE);
            self.pages = 1;
            if self.may_read_more {
                let parameters = query(&[("$select", "timeZone,workingHours,language")]);
                self.path = format!("/me/mailboxSettings{parameters}");
                return Ok(Step::Call(self.call()));
            }
        } else {
            self.out.extend(shown(&found, &SETTINGS));
            if let Some(days) = found.pointer("/workingHours/daysOfWeek").filter(|days| days.is_array()) {
                self.out.insert("workingDays".to_owned(), days.clone());
            }
        }
        Ok(Step::Done(Finished { structured: Value::Object(std::mem::take(&mut self.out)) }))
    }

    fn list(&mut self, answer: &Answer, fields: &[Field]) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        for item in &page.value {
            let mut out = shown(item, fields);
            // The owner of a calendar is an address without the frame that recipients have.
            if let Some(owner) = item.get("owner").map(|owner| json!({ "emailAddress": owner }))
                && let Some(owner) = person(Some(&owner))
            {
                out.insert("owner".to_owned(), owner);
            }
            self.items.push(Value::Object(out));
        }
        self.pages += 1;
        match page.next(&self.path) {
            Some(next) if self.pages < PAGES_MAX => {
                self.path = next;
                return Ok(Step::Call(self.call()));
            }
            _ => self.is_cut = page.has_more(),
        }
        if self.resource == Resource::Teams && self.may_read_more {
            return Ok(self.next_team(0));
        }
        Ok(self.finished())
    }

    /// Goes on with the channels of the first team from `index` on whose identifier can stand in a path.
    fn next_team(&mut self, index: usize) -> Step {
        let teams = self.items.iter().enumerate().take(TEAMS_MAX).skip(index);
        let next =
            teams.filter_map(|(index, team)| Some((index, segment(team.get("id")?.as_str()?).ok()?))).next();
        match next {
            Some((index, team)) => {
                self.detail = Some(index);
                let parameters = query(&[("$select", "id,displayName,membershipType")]);
                self.path = format!("/teams/{team}/channels{parameters}");
                Step::Call(self.call())
            }
            None => {
                self.is_cut |= self.items.len() > TEAMS_MAX;
                self.finished()
            }
        }
    }

    fn channels(&mut self, team: usize, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        self.is_cut |= page.has_more();
        let channels: Vec<Value> =
            page.value.iter().map(|item| Value::Object(shown(item, &CHANNEL))).collect();
        if let Some(members) = self.items.get_mut(team).and_then(Value::as_object_mut) {
            members.insert("channels".to_owned(), channels.into());
        }
        Ok(self.next_team(team + 1))
    }

    fn finished(&mut self) -> Step {
        let name = if self.resource == Resource::Teams { "teams" } else { "calendars" };
        let structured = json!({ name: std::mem::take(&mut self.items), "more": self.is_cut });
        Step::Done(Finished { structured })
    }
}

const PROFILE: [Field; 9] = [
    ("id", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("address", "/mail", Kind::Text),
    ("userPrincipalName", "/userPrincipalName", Kind::Text),
    ("jobTitle", "/jobTitle", Kind::Text),
    ("department", "/department", Kind::Text),
    ("office", "/officeLocation", Kind::Text),
    ("phone", "/mobilePhone", Kind::Text),
    ("language", "/preferredLanguage", Kind::Text),
];

const SETTINGS: [Field; 4] = [
    ("timeZone", "/timeZone", Kind::Text),
    ("mailboxLanguage", "/language/locale", Kind::Text),
    ("workingFrom", "/workingHours/startTime", Kind::Text),
    ("workingTo", "/workingHours/endTime", Kind::Text),
];

const CALENDAR: [Field; 6] = [
    ("id", "/id", Kind::Text),
    ("name", "/name", Kind::Text),
    ("color", "/color", Kind::Text),
    ("canEdit", "/canEdit", Kind::Flag),
    ("canShare", "/canShare", Kind::Flag),
    ("isDefault", "/isDefaultCalendar", Kind::Flag),
];

const TEAM: [Field; 3] = [
    ("id", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("description", "/description", Kind::Text),
];

const CHANNEL: [Field; 3] = [
    ("id", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("membership", "/membershipType", Kind::Text),
];

#[cfg(test)]
mod tests;
