//! The demo teams and chats. Each person is in at least one team and outside of at least one chat, so that
//! both sides of every membership check can be tried. Messages are older than the start.

use crate::ids::Ids;
use crate::teamwork::{Channel, Note, Team, Teamwork, add_note, channel_id, plain_note};
use crate::tenant::{self, Directory};

/// A line: hours before the start, the sender's given name, the text; an answer begins with `> `.
type Line = (u64, &'static str, &'static str);

/// A channel: name, description, lines.
type ChannelPlan = (&'static str, &'static str, &'static [Line]);

/// A team: name, description, members, channels.
type TeamPlan = (&'static str, &'static str, &'static [&'static str], &'static [ChannelPlan]);

const TEAMS: [TeamPlan; 3] = [
    (
        "Operations",
        "Everything that keeps the company running",
        &["alice", "bob", "carol", "dave"],
        &[
            (
                "General",
                "News for everyone",
                &[
                    (170, "alice", "Welcome to the new channel structure."),
                    (169, "dave", "> Thanks, much easier to follow."),
                ],
            ),
            (
                "Incidents",
                "One thread for each incident",
                &[
                    (50, "dave", "<p>files-03 is slow, looking into it.</p>"),
                    (49, "dave", "> <p>A backup ran during the day. Fixed.</p>"),
                    (5, "dave", "Disk usage on files-03 is above 80 %."),
                ],
            ),
            ("Planning", "What comes next", &[(28, "alice", "Please add your topics for the weekly.")]),
            ("Announcements", "Read only in spirit", &[]),
        ],
    ),
    (
        "Northwind Account",
        "The renewal and everything around it",
        &["alice", "bob", "carol"],
        &[
            (
                "General",
                "The account in general",
                &[(96, "bob", "Northwind wants three years at the same price.")],
            ),
            (
                "Contract",
                "Drafts and questions",
                &[
                    (30, "carol", "The index clause is in the draft now."),
                    (29, "bob", "> Perfect, sending it today."),
                ],
            ),
        ],
    ),
    (
        "Finance Close",
        "Month-end and year-end",
        &["carol", "alice"],
        &[
            ("General", "Dates and duties", &[(60, "carol", "Books close on the last working day, 17:00.")]),
            ("Audit", "Questions from the auditors", &[]),
            ("Month-end", "Checklists", &[(20, "carol", "Accruals are open until tomorrow.")]),
        ],
    ),
];

/// A chat: kind, topic, members, lines.
type ChatPlan = (&'static str, Option<&'static str>, &'static [&'static str], &'static [Line]);

const CHATS: [ChatPlan; 3] = [
    (
        "oneOnOne",
        None,
        &["alice", "bob"],
        &[(9, "bob", "Do you have the agenda for Monday?"), (8, "alice", "Nearly, tonight.")],
    ),
    (
        "group",
        Some("Laptop rollout"),
        &["alice", "carol", "dave"],
        &[(26, "dave", "The new laptops are here.")],
    ),
    ("oneOnOne", None, &["carol", "dave"], &[(40, "carol", "My scanner is offline again.")]),
];

fn oid(name: &str) -> Option<&'static str> {
    Directory::realistic().by_address(&format!("{name}@{}", tenant::DOMAIN)).map(|user| user.oid)
}

fn notes(lines: &[Line], now_ms: u64) -> Vec<Note> {
    let mut list: Vec<Note> = Vec::new();
    for (hours, from, text) in lines {
        let Some(from) = oid(from) else { continue };
        let at_ms = now_ms.saturating_sub(hours * 3_600_000);
        let root = list.iter().rev().find(|note| note.reply_to.is_none()).map(|note| note.id.clone());
        let (text, root) = text.strip_prefix("> ").map_or((*text, None), |answer| (answer, root));
        add_note(&mut list, from, root, plain_note(text), at_ms);
    }
    list
}

/// Fills teams and chats.
pub fn fill(teamwork: &mut Teamwork, ids: &mut Ids, now_ms: u64) {
    for (name, description, members, channels) in TEAMS {
        let channel = |(name, description, lines): &ChannelPlan, ids: &mut Ids| Channel {
            id: channel_id(ids),
            name,
            description,
            notes: notes(lines, now_ms),
        };
        let id = ids.uuid();
        let channels = channels.iter().map(|plan| channel(plan, ids)).collect();
        let members = members.iter().filter_map(|name| oid(name)).collect();
        teamwork.teams.push(Team { id, name, description, members, channels });
    }
    for (kind, topic, members, lines) in CHATS {
        let members = members.iter().filter_map(|name| oid(name)).collect();
        let made_ms = now_ms.saturating_sub(200 * 3_600_000);
        let chat = teamwork.open_chat(kind, topic.map(str::to_owned), members, ids, made_ms);
        if let Some(place) = teamwork.chats.iter_mut().find(|c| c.id == chat.id) {
            place.notes = notes(lines, now_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_is_in_a_team_and_not_in_all() {
        let (mut all, mut ids) = (Teamwork::default(), Ids::new(1, 1));
        fill(&mut all, &mut ids, 1_000_000_000_000);
        assert_eq!((all.teams.len(), all.chats.len()), (3, 3));
        for team in &all.teams {
            assert!((2..=4).contains(&team.channels.len()) && team.members.len() >= 2);
        }
        let answers = all.teams[0].channels[1].notes.iter().filter(|note| note.reply_to.is_some());
        assert_eq!(answers.count(), 1);
    }
}
