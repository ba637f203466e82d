//! Messages of Teams, in channels and in chats: the closed model, the rules that tie mentions and attachments
//! to the body, and how a message is shown. A message that breaks a rule must never be kept.

use super::collection::{Item, Spec};
use super::condition::Grammar;
use super::context::Context;
use super::error::GraphError;
use super::model::{ITEM_BODY, Kind, Model, check};
use crate::clock::iso;
use crate::teamwork::{Note, plain_note};
use crate::tenant;
use crate::world::World;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// The most that one message may hold.
const LIMIT: usize = 28 * 1024;

const IDENTITY: Model = Model {
    name: "microsoft.graph.teamworkUserIdentity",
    fields: &[
        ("id", Kind::Text),
        ("displayName", Kind::Text),
        (
            "userIdentityType",
            Kind::Word(&[
                "aadUser",
                "onPremiseAadUser",
                "anonymousGuest",
                "federatedUser",
                "personalMicrosoftAccountUser",
                "skypeUser",
                "phoneUser",
                "emailUser",
            ]),
        ),
        ("conversationIdentityType", Kind::Word(&["team", "channel", "chat"])),
    ],
    required: &["id"],
};

const MENTIONED: Model = Model {
    name: "microsoft.graph.chatMessageMentionedIdentitySet",
    fields: &[
        ("user", Kind::One(&IDENTITY)),
        ("conversation", Kind::One(&IDENTITY)),
        ("application", Kind::One(&IDENTITY)),
        ("device", Kind::One(&IDENTITY)),
    ],
    required: &[],
};

const MENTION: Model = Model {
    name: "microsoft.graph.chatMessageMention",
    fields: &[
        ("id", Kind::Whole(0, 2_147_483_647)),
        ("mentionText", Kind::Text),
        ("mentioned", Kind::One(&MENTIONED)),
    ],
    required: &["id", "mentionText", "mentioned"],
};

const ATTACHMENT: Model = Model {
    name: "microsoft.graph.chatMessageAttachment",
    fields: &[
        ("id", Kind::Text),
        ("content", Kind::Text),
        ("contentType", Kind::Text),
        ("contentUrl", Kind::Text),
        ("name", Kind::Text),
        ("teamsAppId", Kind::Text),
        ("thumbnailUrl", Kind::Text),
    ],
    required: &["id", "contentType"],
};

const MESSAGE: Model = Model {
    name: "microsoft.graph.chatMessage",
    fields: &[
        ("attachments", Kind::Many(&ATTACHMENT)),
        ("body", Kind::One(&ITEM_BODY)),
        ("importance", Kind::Word(&["normal", "high", "urgent"])),
        ("locale", Kind::Text),
        ("mentions", Kind::Many(&MENTION)),
        ("subject", Kind::Text),
        ("summary", Kind::Text),
        ("hostedContents", Kind::Open),
        ("id", Kind::ReadOnly),
        ("channelIdentity", Kind::ReadOnly),
        ("chatId", Kind::ReadOnly),
        ("createdDateTime", Kind::ReadOnly),
        ("deletedDateTime", Kind::ReadOnly),
        ("etag", Kind::ReadOnly),
        ("from", Kind::ReadOnly),
        ("lastEditedDateTime", Kind::ReadOnly),
        ("lastModifiedDateTime", Kind::ReadOnly),
        ("messageType", Kind::ReadOnly),
        ("policyViolation", Kind::ReadOnly),
        ("reactions", Kind::ReadOnly),
        ("replyToId", Kind::ReadOnly),
        ("webUrl", Kind::ReadOnly),
    ],
    required: &["body"],
};

/// Lists of messages: at most fifty on a page, newest first.
pub const MESSAGES: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.chatMessage",
        properties: &["id", "createdDateTime", "lastModifiedDateTime", "subject", "body", "from"],
        fields: &[],
        any: &[],
    },
    always: &["id"],
    sortable: &["createdDateTime", "lastModifiedDateTime"],
    top: 20,
    most: 50,
    by_token: true,
    options: &["$top", "$skiptoken"],
};

/// Demands one of some scopes; Teams says so in words of its own.
pub fn require_scope(context: &Context<'_>, any_of: &[&str]) -> Result<(), GraphError> {
    if any_of.iter().any(|scope| context.has_scope(scope)) {
        return Ok(());
    }
    let message = format!(
        "Missing scope permissions on the request. API requires one of '{}'. Scopes on the request '{}'",
        any_of.join(", "),
        context.scopes.join(", ")
    );
    Err(GraphError::new(403, "Forbidden", message))
}

/// The ids that tags of one kind carry in a body: `<at id="0">`, `<attachment id="…">`.
fn tag_ids(content: &str, tag: &str) -> BTreeSet<String> {
    let opening = format!("<{tag} ");
    content
        .split(opening.as_str())
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter_map(|attributes| attributes.split("id=").nth(1))
        .map(|value| value.trim_start_matches(['"', '\'']).split(['"', '\'', ' ', '/']).next())
        .map(|id| id.unwrap_or_default().to_owned())
        .collect()
}

fn listed_ids(object: &Map<String, Value>, name: &str) -> BTreeSet<String> {
    let list = object.get(name).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| item.get("id"))
        .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned))
        .collect()
}

fn check_mention(world: &World, mention: &Value) -> Result<(), GraphError> {
    let refuse = |message: &str| Err(GraphError::bad_request(message.to_owned()));
    let mentioned = mention.get("mentioned").and_then(Value::as_object);
    let set: Vec<(&String, &Value)> =
        mentioned.into_iter().flatten().filter(|(_, value)| !value.is_null()).collect();
    let [(kind, identity)] = set.as_slice() else {
        return refuse("Exactly one identity must be mentioned.");
    };
    if kind.as_str() == "user" {
        let id = identity.get("id").and_then(Value::as_str).unwrap_or_default();
        let aad =
            identity.get("userIdentityType").and_then(Value::as_str).is_none_or(|kind| kind == "aadUser");
        if world.directory.by_oid(id).is_none() || !aad {
            return refuse("The mentioned user is not an object id of this tenant's directory.");
        }
    }
    Ok(())
}

/// Reads a message that is to be sent.
pub fn read(world: &World, context: &Context<'_>) -> Result<Map<String, Value>, GraphError> {
    let body = context.json_body()?;
    let object = check(&MESSAGE, &body, "")?;
    if context.call.body.len() > LIMIT {
        let message = "The message is too large: at most about 28 KB are allowed.";
        return Err(GraphError::new(413, "RequestEntityTooLarge", message));
    }
    let inner = |name: &str| object.get("body").and_then(|b| b.get(name)).and_then(Value::as_str);
    let content = inner("content").unwrap_or_default();
    let html = inner("contentType").is_some_and(|kind| kind.eq_ignore_ascii_case("html"));
    let attached = listed_ids(object, "attachments");
    if content.trim().is_empty() && attached.is_empty() {
        return Err(GraphError::bad_request("Missing body content."));
    }
    if object.contains_key("hostedContents") {
        return Err(GraphError::new(501, "NotImplemented", "The emulator keeps no hosted contents."));
    }
    let tags = |tag: &str| if html { tag_ids(content, tag) } else { BTreeSet::new() };
    let (mentioned, marked) = (listed_ids(object, "mentions"), tags("at"));
    if let Some(id) = mentioned.symmetric_difference(&marked).next() {
        let message =
            format!("Neither Body nor adaptive card content contains marker for mention with Id '{id}'.");
        return Err(GraphError::bad_request(message));
    }
    if let Some(id) = attached.symmetric_difference(&tags("attachment")).next() {
        let message = format!("The body's attachment markers and the attachments differ in '{id}'.");
        return Err(GraphError::bad_request(message));
    }
    let mentions = object.get("mentions").and_then(Value::as_array);
    mentions.into_iter().flatten().try_for_each(|mention| check_mention(world, mention))?;
    let mut plain = plain_note(content);
    plain.insert(
        "body".into(),
        json!({ "contentType": if html { "html" } else { "text" }, "content": content }),
    );
    for name in ["subject", "summary", "importance", "locale", "mentions", "attachments"] {
        if let Some(value) = object.get(name).filter(|value| !value.is_null()) {
            plain.insert(name.into(), value.clone());
        }
    }
    Ok(plain)
}

/// Where a message is.
pub enum Home<'h> {
    /// In a channel of a team.
    Channel(&'h str, &'h str),
    /// In a chat.
    Chat(&'h str),
}

/// A message as Graph shows it.
pub fn shown(world: &World, note: &Note, home: &Home<'_>) -> Item {
    let tenant_id = &world.options.tenant_id;
    let user = tenant::by_oid(note.from);
    let at = iso(note.created_ms);
    let (chat_id, channel, link) = match home {
        Home::Channel(team, channel) => (
            Value::Null,
            json!({ "teamId": team, "channelId": channel }),
            Value::from(format!(
                "https://teams.microsoft.com/l/message/{channel}/{}?groupId={team}&tenantId={tenant_id}",
                note.id
            )),
        ),
        Home::Chat(id) => (Value::from(*id), Value::Null, Value::Null),
    };
    let all = json!({
        "id": note.id, "replyToId": note.reply_to, "etag": note.id, "messageType": "message", "createdDateTime": at,
        "lastModifiedDateTime": note.edited_ms.map_or_else(|| at.clone(), iso), "lastEditedDateTime": note.edited_ms.map(iso), "deletedDateTime": null, "chatId": chat_id,
        "webUrl": link, "policyViolation": null, "eventDetail": null, "channelIdentity": channel,
        "reactions": note.reactions.iter().map(|(what, oid)| {
            json!({ "reactionType": what, "createdDateTime": at, "user": { "user": { "id": oid } } })
        }).collect::<Vec<_>>(),
        "messageHistory": [],
        "from": {
            "application": null, "device": null,
            "user": {
                "@odata.type": "#microsoft.graph.teamworkUserIdentity", "id": note.from,
                "displayName": user.map(|u| u.display_name), "userIdentityType": "aadUser", "tenantId": tenant_id,
            },
        },
    });
    let mut out = all.as_object().cloned().unwrap_or_default();
    out.extend(note.plain.clone());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_found() {
        let content = "<p>Hi <at id=\"0\">A</at> <at id='12'>B</at> <attachment id=\"x-1\"></attachment></p>";
        assert_eq!(tag_ids(content, "at").into_iter().collect::<Vec<_>>(), ["0", "12"]);
        assert_eq!(tag_ids(content, "attachment").into_iter().collect::<Vec<_>>(), ["x-1"]);
    }
}
