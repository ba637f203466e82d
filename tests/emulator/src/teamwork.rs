//! Teams, channels, chats and online meetings, as the tenant keeps them. Messages are numbered by their
//! time, as Teams does, and no two in one place share a number. Who is not a member must be kept out by the
//! workloads; the lists here are open.

use crate::ids::Ids;
use crate::tenant;
use serde_json::{Map, Value, json};

/// One message in a channel or a chat.
#[derive(Clone, Debug)]
pub struct Note {
    /// The id: milliseconds since 1970 as text.
    pub id: String,
    /// The message that it answers.
    pub reply_to: Option<String>,
    /// Whose it is.
    pub from: &'static str,
    /// When it was sent.
    pub created_ms: u64,
    /// When the sender changed it.
    pub edited_ms: Option<u64>,
    /// Reactions: what, and whose.
    pub reactions: Vec<(String, &'static str)>,
    /// Subject, body, importance, mentions and attachments, as Graph shows them.
    pub plain: Map<String, Value>,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct Channel {
    /// The id.
    pub id: String,
    /// The name.
    pub name: &'static str,
    /// The description.
    pub description: &'static str,
    /// Its messages and answers in the order in which they were sent.
    pub notes: Vec<Note>,
}

/// One team.
#[derive(Clone, Debug)]
pub struct Team {
    /// The id.
    pub id: String,
    /// The name.
    pub name: &'static str,
    /// The description.
    pub description: &'static str,
    /// The members' object ids.
    pub members: Vec<&'static str>,
    /// The channels; the first is the general one.
    pub channels: Vec<Channel>,
}

/// One chat.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The id.
    pub id: String,
    /// `oneOnOne` or `group`.
    pub kind: &'static str,
    /// The topic of a group.
    pub topic: Option<String>,
    /// The members' object ids.
    pub members: Vec<&'static str>,
    /// When it was made.
    pub created_ms: u64,
    /// Its messages in the order in which they were sent.
    pub notes: Vec<Note>,
}

/// One online meeting that stands alone.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The id.
    pub id: String,
    /// Whose it is.
    pub owner: &'static str,
    /// The writer's own key.
    pub external_id: Option<String>,
    /// Everything that Graph shows.
    pub shown: Map<String, Value>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct Teamwork {
    /// The teams.
    pub teams: Vec<Team>,
    /// The chats.
    pub chats: Vec<Chat>,
    /// The meetings.
    pub meetings: Vec<Meeting>,
}

/// Adds a message to a list and returns it.
pub fn add_note(
    notes: &mut Vec<Note>,
    from: &'static str,
    reply_to: Option<String>,
    plain: Map<String, Value>,
    now_ms: u64,
) -> Note {
    let last = notes.iter().filter_map(|note| note.id.parse::<u64>().ok()).max().unwrap_or(0);
    let id = now_ms.max(last + 1).to_string();
    let note = Note { id, reply_to, from, created_ms: now_ms, edited_ms: None, reactions: Vec::new(), plain };
    notes.push(note.clone());
    note
}

/// The properties of a plain message.
pub fn plain_note(content: &str) -> Map<String, Value> {
    let html = content.starts_with('<');
    let all = json!({
        "subject": null, "summary": null, "importance": "normal", "locale": "en-us",
        "body": { "contentType": if html { "html" } else { "text" }, "content": content },
        "attachments": [], "mentions": [],
    });
    all.as_object().cloned().unwrap_or_default()
}

/// A channel's id.
pub fn channel_id(ids: &mut Ids) -> String {
    format!("19:{}@thread.tacv2", ids.uuid().replace('-', ""))
}

impl Teamwork {
    /// A team by its id.
    pub fn team(&self, id: &str) -> Option<&Team> {
        self.teams.iter().find(|team| team.id.eq_ignore_ascii_case(id))
    }

    /// A channel, to be changed.
    pub fn channel_mut(&mut self, team_id: &str, channel_id: &str) -> Option<&mut Channel> {
        let team = self.teams.iter_mut().find(|team| team.id.eq_ignore_ascii_case(team_id))?;
        team.channels.iter_mut().find(|channel| channel.id == channel_id)
    }

    /// Opens a chat. Two people have one chat with each other, however often it is opened.
    pub fn open_chat(
        &mut self,
        kind: &'static str,
        topic: Option<String>,
        members: Vec<&'static str>,
        ids: &mut Ids,
        now_ms: u64,
    ) -> Chat {
        let same = |chat: &&Chat| {
            kind == "oneOnOne" && chat.kind == kind && members.iter().all(|oid| chat.members.contains(oid))
        };
        if let Some(chat) = self.chats.iter().find(same) {
            return chat.clone();
        }
        let id = match members.as_slice() {
            [one, two] if kind == "oneOnOne" => format!("19:{one}_{two}@unq.gbl.spaces"),
            _ => format!("19:{}@thread.v2", ids.uuid().replace('-', "")),
        };
        let chat = Chat { id, kind, topic, members, created_ms: now_ms, notes: Vec::new() };
        self.chats.push(chat.clone());
        chat
    }
}

fn person(oid: &str) -> Value {
    tenant::by_oid(oid).map_or(Value::Null, |user| user.address.into())
}

fn notes_json(notes: &[Note]) -> Value {
    let one = |note: &Note| {
        json!({
            "id": note.id, "replyToId": note.reply_to, "from": person(note.from),
            "subject": note.plain.get("subject"), "body": note.plain.get("body"),
            "mentions": note.plain.get("mentions"), "importance": note.plain.get("importance"),
            "createdDateTime": crate::clock::iso(note.created_ms), "edited": note.edited_ms.is_some(),
            "reactions": note.reactions.iter().map(|(what, oid)| json!([what, person(oid)])).collect::<Vec<_>>(),
        })
    };
    Value::Array(notes.iter().map(one).collect())
}

fn people(oids: &[&'static str]) -> Value {
    Value::Array(oids.iter().map(|oid| person(oid)).collect())
}

impl Teamwork {
    /// The teams as the control plane shows them, of all or of one person.
    pub fn teams_json(&self, of: Option<&str>) -> Value {
        let channel = |c: &Channel| json!({ "id": c.id, "displayName": c.name, "description": c.description, "messages": notes_json(&c.notes) });
        let team = |t: &Team| {
            json!({
                "id": t.id, "displayName": t.name, "description": t.description, "members": people(&t.members),
                "channels": t.channels.iter().map(channel).collect::<Vec<_>>(),
            })
        };
        let wanted = |t: &&Team| of.is_none_or(|oid| t.members.contains(&oid));
        Value::Array(self.teams.iter().filter(wanted).map(team).collect())
    }

    /// The chats as the control plane shows them, of all or of one person.
    pub fn chats_json(&self, of: Option<&str>) -> Value {
        let chat = |c: &Chat| {
            json!({
                "id": c.id, "chatType": c.kind, "topic": c.topic, "members": people(&c.members),
                "messages": notes_json(&c.notes),
            })
        };
        let wanted = |c: &&Chat| of.is_none_or(|oid| c.members.contains(&oid));
        Value::Array(self.chats.iter().filter(wanted).map(chat).collect())
    }

    /// A person's meetings as the control plane shows them.
    pub fn meetings_json(&self, oid: &str) -> Value {
        let own = self.meetings.iter().filter(|m| m.owner == oid);
        Value::Array(own.map(|m| Value::Object(m.shown.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_people_have_one_chat() {
        let (mut all, mut ids) = (Teamwork::default(), Ids::new(1, 1));
        let first = all.open_chat("oneOnOne", None, vec!["a", "b"], &mut ids, 1);
        let again = all.open_chat("oneOnOne", None, vec!["b", "a"], &mut ids, 2);
        assert_eq!((first.id, all.chats.len()), (again.id, 1));
        all.open_chat("group", None, vec!["a", "b"], &mut ids, 3);
        assert_eq!(all.chats.len(), 2);
    }

    #[test]
    fn messages_of_one_moment_have_different_ids() {
        let mut notes = Vec::new();
        let one = add_note(&mut notes, "a", None, Map::new(), 5);
        let two = add_note(&mut notes, "a", None, Map::new(), 5);
        assert_ne!(one.id, two.id);
    }
}
