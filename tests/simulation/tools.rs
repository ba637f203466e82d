//! The tools that write, as clients call them in these worlds.
//!
//! What holds here: whatever a call would have Microsoft do carries a subject, or as a message a text, that no other wanted
//! thing has, so that what happened can be counted against what was wanted.

use serde_json::{Value, json};

use crate::random::Random;

/// Attachments of a [`Tool::LargeMail`].
pub(crate) const ATTACHED: usize = 2;

/// A tool that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Mail,
    /// A mail whose attachments do not fit into it, so that its draft gets them one after the other.
    LargeMail,
    /// An event whose times are the mailbox's, so that its zone is read first.
    Event,
    /// A meeting with a place in the calendar.
    Meeting,
    /// A meeting without one.
    Standalone,
    Message,
    /// An event of its own that was there before.
    Change,
}

impl Tool {
    /// Those that the random worlds draw from.
    pub(crate) const ALL: [Self; 5] =
        [Self::Mail, Self::Event, Self::Meeting, Self::Standalone, Self::Message];

    pub(crate) fn draw(random: &mut Random) -> Self {
        if random.chance(500) {
            return Self::Mail;
        }
        Self::ALL[usize::try_from(random.between(1, 4)).unwrap_or(0)]
    }

    /// The parameters of a call.
    pub(crate) fn parameters(self, subject: &str, padding: usize, key: Option<&str>) -> Value {
        let (start, end) = ("2027-02-01T10:00Z", "2027-02-01T11:00Z");
        let (name, mut arguments) = match self {
            Self::Mail => {
                let body = format!("CANARY body{}", "x".repeat(padding));
                let mail = json!({"to": ["CANARY@example.com"], "subject": subject, "body": body});
                ("sendEmail", mail)
            }
            Self::LargeMail => {
                let file = json!({"name": "CANARY.txt", "text": "x".repeat(1_100_000)});
                let mail = json!({"to": ["CANARY@example.com"], "subject": subject, "body": "CANARY body",
                                  "attachments": vec![file; ATTACHED]});
                ("sendEmail", mail)
            }
            Self::Event => (
                "createCalendarEvent",
                json!({"subject": subject, "start": "2027-02-01T10:00", "end": "2027-02-01T11:00"}),
            ),
            Self::Meeting => (
                "createTeamsMeeting",
                json!({"subject": subject, "start": start, "end": end, "attendees": ["CANARY@example.com"]}),
            ),
            Self::Standalone => (
                "createTeamsMeeting",
                json!({"subject": subject, "start": start, "end": end, "standalone": true}),
            ),
            Self::Message => ("sendTeamsMessage", json!({"chatId": "19:chat", "body": subject})),
            Self::Change => {
                // Identifiers are no content and may lie in rows.
                let event = format!("existing-{}", subject.rsplit(' ').next().unwrap_or_default());
                ("updateCalendarEvent", json!({"id": event, "subject": subject}))
            }
        };
        if let Some(key) = key {
            arguments["idempotencyKey"] = Value::from(key);
        }
        json!({"name": name, "arguments": arguments})
    }
}
