//! Toolsets: which tools this server offers, as operators chose and as people may narrow down.
//!
//! What holds here: a tool that is not offered is in no list and is called by nobody; the account's own tool is always
//! offered, because it says how to connect.

use super::catalogue::Tool;
use crate::linked_app::LinkedApp;
use crate::outbound::Method;

/// A group of tools that is switched on and off as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toolset {
    /// Mail.
    Mail,
    /// Calendars.
    Calendar,
    /// Teams and meetings.
    Teams,
    /// People.
    People,
    /// OneDrive and SharePoint.
    Files,
    /// To Do.
    Tasks,
}

impl Toolset {
    /// All of them, in the order of the catalogue.
    pub const ALL: [Self; 6] =
        [Self::Mail, Self::Calendar, Self::Teams, Self::People, Self::Files, Self::Tasks];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Calendar => "calendar",
            Self::Teams => "teams",
            Self::People => "people",
            Self::Files => "files",
            Self::Tasks => "tasks",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toolsets {
    on: u8,
    is_read_only: bool,
}

impl Default for Toolsets {
    fn default() -> Self {
        Self { on: u8::MAX, is_read_only: false }
    }
}

impl Toolsets {
    /// Reads the setting: names of toolsets, separated by commas, and `read-only`. Without a name of a toolset all are on.
    ///
    /// # Errors
    /// What it must look like.
    pub fn parse(setting: &str) -> Result<Self, &'static str> {
        let mut out = Self { on: 0, is_read_only: false };
        for name in setting.split(',').map(str::trim) {
            match Toolset::ALL.into_iter().find(|set| set.name() == name) {
                Some(set) => out.on |= set.bit(),
                None if name == "read-only" => out.is_read_only = true,
                None => {
                    return Err("must be a list of: mail, calendar, teams, people, files, tasks, read-only");
                }
            }
        }
        if out.on == 0 {
            out.on = u8::MAX;
        }
        Ok(out)
    }

    /// What both offer.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { on: self.on & other.on, is_read_only: self.is_read_only || other.is_read_only }
    }

    /// Whether a tool is offered.
    #[must_use]
    pub fn offers(self, tool: Tool) -> bool {
        let is_on = tool.toolset().is_none_or(|set| self.on & set.bit() != 0);
        is_on && !(self.is_read_only && tool.writes())
    }
}

/// What this server has for its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offer<'a> {
    /// The toolsets that are on.
    pub toolsets: Toolsets,
    /// The applications that are linked.
    pub linked_apps: &'a [LinkedApp],
    /// Whether a model condenses long texts.
    pub condenses: bool,
}

impl Offer<'_> {
    /// Whether a tool is there: that for linked apps only if there is one that the toolsets let it call.
    #[must_use]
    pub fn has(self, tool: Tool) -> bool {
        let reads = |app: &LinkedApp| app.methods.iter().all(|method| *method == Method::Get);
        match tool {
            Tool::CallLinkedApp if self.toolsets.is_read_only && !self.linked_apps.iter().all(reads) => false,
            Tool::CallLinkedApp => !self.linked_apps.is_empty(),
            _ => self.toolsets.offers(tool),
        }
    }

    /// The tools that are there, in the order of the catalogue.
    pub fn tools(self) -> impl Iterator<Item = Tool> {
        Tool::ALL.into_iter().filter(move |tool| self.has(*tool))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_toolsets_and_whether_only_to_read() {
        let offered = |setting: &str| {
            let sets = Toolsets::parse(setting).unwrap();
            move |tool: Tool| sets.offers(tool)
        };
        let all = Toolsets::default();
        assert!(Tool::ALL.into_iter().all(|tool| all.offers(tool)));
        let mail = offered("mail, calendar");
        assert!(mail(Tool::GetEmails) && mail(Tool::CreateCalendarEvent) && mail(Tool::Authenticate));
        assert!(!mail(Tool::SendTeamsMessage) && !mail(Tool::GetContacts));
        let reading = offered("read-only");
        assert!(Tool::ALL.into_iter().all(|tool| reading(tool) != tool.writes()));
        let both = Toolsets::parse("mail").unwrap().and(Toolsets::parse("read-only").unwrap());
        assert!(
            both.offers(Tool::GetEmails) && !both.offers(Tool::SendEmail) && !both.offers(Tool::GetContacts)
        );
        for bad in ["", "mail,", "Mail", "mail calendar", "everything"] {
            assert!(Toolsets::parse(bad).is_err(), "{bad}");
        }
    }
}
