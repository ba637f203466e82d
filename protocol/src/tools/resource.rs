//! The resources: facts about the account that a client can read without a tool, and single items by template, as JSON.
//!
//! What holds here: a resource is read by the same kind of plan as a tool's work and passes the same queue and ledger; its
//! lists are followed up to a bound, and what was cut is said.

use serde_json::{Map, Value, json};

use super::collection::{Field, Kind, Page, person, read, shown};
use super::error::ToolError;
use super::plan::Reading;
use super::{Finished, Step, Surroundings, catalogue};
use crate::graph::{query, segment};
use crate::icons::{self, Icon};
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
    /// The newest mails of the inbox, as `getEmails` shows them without arguments.
    Inbox,
    /// The events of today and the next seven days, as `getCalendarEvents` shows them without arguments.
    Upcoming,
    /// One mail.
    Message,
    /// One event.
    Event,
    /// One team.
    Team,
    /// One channel of a team.
    Channel,
}

impl Resource {
    /// The resources that `resources/list` names, in its order.
    pub const LISTED: [Self; 5] = [Self::Profile, Self::Calendars, Self::Teams, Self::Inbox, Self::Upcoming];

    /// The resources that have a template instead, in the order of `resources/templates/list`.
    pub const TEMPLATES: [Self; 4] = [Self::Message, Self::Event, Self::Team, Self::Channel];

    /// Every resource.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::LISTED.into_iter().chain(Self::TEMPLATES)
    }

    /// The resource of a URI. Whether an item of a template exists is for Microsoft to say.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        let is_of_template = |resource: &Self| resource.variables(uri).is_some();
        let listed = Self::LISTED.into_iter().find(|resource| resource.uri() == uri);
        listed.or_else(|| Self::TEMPLATES.into_iter().find(is_of_template))
    }

    /// The URI, or the template (RFC 6570, level 1) of those that have one.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Profile => "microsoft://profile",
            Self::Calendars => "microsoft://calendars",
            Self::Teams => "microsoft://teams",
            Self::Inbox => "microsoft://mail/inbox",
            Self::Upcoming => "microsoft://calendar/upcoming",
            Self::Message => "microsoft://mail/messages/{id}",
            Self::Event => "microsoft://calendar/events/{id}",
            Self::Team => "microsoft://teams/{teamId}",
            Self::Channel => "microsoft://teams/{teamId}/channels/{channelId}",
        }
    }

    /// The values of the template's variables in a URI as they stand there; none if it is not one of the template.
    fn variables(self, uri: &str) -> Option<Vec<&str>> {
        let (mut template, mut given) = (self.uri().split('/'), uri.split('/'));
        let mut values = Vec::new();
        loop {
            match (template.next(), given.next()) {
                (None, None) => return Some(values),
                (Some(part), Some(value)) if part.starts_with('{') && !value.is_empty() => values.push(value),
                (Some(part), Some(value)) if part == value => {}
                _ => return None,
            }
        }
    }

    /// The identifiers in a URI of the template, decoded once (RFC 6570, section 3.2.2).
    pub(super) fn identifiers(self, uri: &str) -> Option<Vec<String>> {
        self.variables(uri)?.into_iter().map(percent_decode).collect()
    }

    /// The name in ledger, logs and the gateway's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "resource:profile",
            Self::Calendars => "resource:calendars",
            Self::Teams => "resource:teams",
            Self::Inbox => "resource:inbox",
            Self::Upcoming => "resource:upcoming",
            Self::Message => "resource:message",
            Self::Event => "resource:event",
            Self::Team => "resource:team",
            Self::Channel => "resource:channel",
        }
    }

    /// The scope that an access token needs.
    #[must_use]
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Message | Self::Inbox => "mail.read",
            Self::Calendars | Self::Event | Self::Upcoming => "calendar.read",
            Self::Teams | Self::Team | Self::Channel => "teams.read",
        }
    }

    /// The Graph permissions that the resource makes use of.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Profile => &["User.Read", "MailboxSettings.Read"],
            Self::Message | Self::Inbox => &["Mail.Read", "MailboxSettings.Read"],
            Self::Upcoming | Self::Event => &["Calendars.ReadWrite", "MailboxSettings.Read"],
            Self::Calendars => &["Calendars.ReadWrite"],
            Self::Team => &["Team.ReadBasic.All"],
            Self::Channel => &["Channel.ReadBasic.All"],
            Self::Teams => &["Team.ReadBasic.All", "Channel.ReadBasic.All"],
        }
    }

    /// Name, title, description and icon.
    const fn texts(self) -> (&'static str, &'static str, &'static str, Icon) {
        match self {
            Self::Profile => (
                "profile",
                "Profile",
                "Name, addresses, job and time zone of the signed-in person",
                icons::ACCOUNT,
            ),
            Self::Calendars => {
                ("calendars", "Calendars", "Calendars of the mailbox with their ids", icons::CALENDAR)
            }
            Self::Teams => {
                let text = "Teams of the signed-in person and their channels, with their ids";
                ("teams", "Teams", text, icons::TEAMS)
            }
            Self::Inbox => {
                let text = "The ten newest emails of the inbox; can be watched for new ones";
                ("inbox", "Inbox", text, icons::MAIL)
            }
            Self::Upcoming => {
                let text = "Events of today and the next seven days; can be watched for changes";
                ("upcoming", "Upcoming events", text, icons::CALENDAR)
            }
            Self::Message => {
                let text = "One email with its text; ids come from getEmails and searchEmails";
                ("message", "Email", text, icons::MAIL)
            }
            Self::Event => {
                let text = "One event with its text; ids come from getCalendarEvents";
                ("event", "Calendar event", text, icons::CALENDAR)
            }
            Self::Team => ("team", "Team", "One team; ids come from microsoft://teams", icons::TEAMS),
            Self::Channel => {
                let text = "One channel of a team; ids come from microsoft://teams";
                ("channel", "Teams channel", text, icons::TEAMS)
            }
        }
    }

    fn shown(self, address: &str) -> Value {
        let (name, title, description, icon) = self.texts();
        json!({
            address: self.uri(),
            "name": name,
            "title": title,
            "description": description,
            "mimeType": MIME_TYPE,
            "icons": icon.shown(),
        })
    }
}

/// Decodes a value of a template; none if it is no UTF-8 or not well-formed.
fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        out.push(digit(bytes.next())? * 16 + digit(bytes.next())?);
    }
    String::from_utf8(out).ok()
}

/// The result of `resources/list`.
#[must_use]
pub fn resource_list() -> Map<String, Value> {
    #[cfg_attr(not(feature = "conformance"), expect(unused_mut, reason = "the fixture build adds to it"))]
    let mut resources: Vec<Value> =
        Resource::LISTED.into_iter().map(|resource| resource.shown("uri")).collect();
    #[cfg(feature = "conformance")]
    resources.extend(crate::fixtures::resources());
    Map::from_iter([("resources".to_owned(), Value::Array(resources))])
}

/// The result of `resources/templates/list`.
#[must_use]
pub fn template_list() -> Map<String, Value> {
    #[cfg_attr(not(feature = "conformance"), expect(unused_mut, reason = "the fixture build adds to it"))]
    let mut templates: Vec<Value> =
        Resource::TEMPLATES.into_iter().map(|resource| resource.shown("uriTemplate")).collect();
    #[cfg(feature = "conformance")]
    templates.extend(crate::fixtures::templates());
    Map::from_iter([("resourceTemplates".to_owned(), Value::Array(templates))])
}

/// The result of `resources/read`. An item says itself under which URI it was asked for.
#[must_use]
pub fn contents(resource: Resource, finished: &Finished) -> Map<String, Value> {
    let uri = finished.structured.get("uri").and_then(Value::as_str).unwrap_or(resource.uri());
    let content = json!({ "uri": uri, "mimeType": MIME_TYPE, "text": finished.text() });
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
            _ => {
                around.require(&["Team.ReadBasic.All"])?;
                ("/me/joinedTeams".to_owned(), "Channel.ReadBasic.All")
            }
        };
        let may_read_more = around.has_granted(more);
        let (out, items) = (Map::new(), Vec::new());
        Ok(Self { resource, may_read_more, path, pages: 0, out, items, detail: None, is_cut: false })
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
        Ok(Step::Done(Finished::new(Value::Object(std::mem::take(&mut self.out)))))
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
        Step::Done(Finished::new(structured))
    }
}

impl Reading for ReadResource {
    fn call(&self) -> GraphCall {
        let lane = match self.resource {
            Resource::Profile => Lane::Other,
            Resource::Calendars => Lane::Mailbox,
            _ => Lane::Teams,
        };
        GraphCall::get(lane, self.path.clone())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        match self.resource {
            Resource::Profile => self.profile(answer),
            Resource::Calendars => self.list(answer, &CALENDAR),
            _ => match self.detail {
                None => self.list(answer, &TEAM),
                Some(team) => self.channels(team, answer),
            },
        }
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

pub(super) const TEAM: [Field; 3] = [
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
