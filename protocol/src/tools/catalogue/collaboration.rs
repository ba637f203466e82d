//! The rows of the catalogue for calendars and Teams.
//!
//! What holds here: permissions that need an administrator's consent (`ChannelMessage.Read.All`, `Place.Read.All`) stand in
//! no row, because nobody is asked for them at sign-in; a plan that needs one names it.

use super::{Facts, Tool, reads, writes};
use crate::tools::toolset::Toolset;

impl Tool {
    pub(super) const fn calendar_reading(self) -> Facts {
        let (name, document) = match self {
            Self::ReadEvent => ("readEvent", include_str!("readEvent.json")),
            Self::ListCalendars => ("listCalendars", include_str!("listCalendars.json")),
            Self::FindTimes => ("findTimes", include_str!("findTimes.json")),
            _ => ("getCalendarEvents", include_str!("getCalendarEvents.json")),
        };
        let permissions: &[&str] = match self {
            Self::FindTimes => &["Calendars.ReadWrite", "Calendars.Read.Shared", "MailboxSettings.Read"],
            Self::ListCalendars => &["Calendars.ReadWrite"],
            _ => &["Calendars.ReadWrite", "MailboxSettings.Read"],
        };
        Facts { permissions, pages: true, ..reads(name, Toolset::Calendar, "calendar.read", document) }
    }

    pub(super) const fn calendar_writing(self) -> Facts {
        let (name, document) = match self {
            Self::UpdateCalendarEvent => ("updateCalendarEvent", include_str!("updateCalendarEvent.json")),
            Self::RespondToEvent => ("respondToEvent", include_str!("respondToEvent.json")),
            Self::CancelEvent => ("cancelEvent", include_str!("cancelEvent.json")),
            _ => ("createCalendarEvent", include_str!("createCalendarEvent.json")),
        };
        Facts {
            permissions: &["Calendars.ReadWrite", "MailboxSettings.Read"],
            // Everybody who was invited is told, and what was called off can only be created anew.
            destructive: matches!(self, Self::CancelEvent),
            ..writes(name, Toolset::Calendar, "calendar.write", document)
        }
    }

    pub(super) const fn teams(self) -> Facts {
        let (name, document, permissions): (_, _, &[&str]) = match self {
            Self::ListTeams => (
                "listTeams",
                include_str!("listTeams.json"),
                &["Team.ReadBasic.All", "Channel.ReadBasic.All"],
            ),
            Self::ListChats => ("listChats", include_str!("listChats.json"), &["Chat.Read"]),
            Self::ReadTeamsMessages => {
                ("readTeamsMessages", include_str!("readTeamsMessages.json"), &["Chat.Read"])
            }
            Self::CreateTeamsMeeting => (
                "createTeamsMeeting",
                include_str!("createTeamsMeeting.json"),
                &["Calendars.ReadWrite", "MailboxSettings.Read", "OnlineMeetings.ReadWrite"],
            ),
            _ => (
                "sendTeamsMessage",
                include_str!("sendTeamsMessage.json"),
                &["ChannelMessage.Send", "ChatMessage.Send", "User.ReadBasic.All"],
            ),
        };
        match self {
            Self::SendTeamsMessage => {
                let facts = writes(name, Toolset::Teams, "teams.send", document);
                Facts { permissions, destructive: true, ..facts }
            }
            Self::CreateTeamsMeeting => {
                Facts { permissions, ..writes(name, Toolset::Teams, "calendar.write", document) }
            }
            _ => Facts { permissions, pages: true, ..reads(name, Toolset::Teams, "teams.read", document) },
        }
    }
}
