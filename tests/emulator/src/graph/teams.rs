//! Teams and channels. Only members see a team, only `ChannelMessage.Read.All` reads messages, and sending
//! never needs the right to read. Lists that take no options refuse every option.

use super::Routed;
use super::chat_message::{self, Home, MESSAGES, require_scope};
use super::collection::{self, Item, Spec};
use super::condition::{Grammar, Sort};
use super::context::Context;
use super::error::GraphError;
use super::model::{Kind, Model, check};
use crate::clock::iso;
use crate::teamwork::{Channel, Note, Team, add_note};
use crate::wire::{Reply, percent_encode};
use crate::world::World;
use serde_json::{Value, json};

const READ_CHANNELS: [&str; 3] = ["Channel.ReadBasic.All", "Group.Read.All", "Directory.Read.All"];

const TEAMS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.team",
        properties: &["id", "displayName", "description", "isArchived", "tenantId", "visibility", "webUrl"],
        fields: &[],
        any: &[],
    },
    always: &["id"],
    sortable: &[],
    top: 1000,
    most: 1000,
    by_token: true,
    options: &[],
};

const CHANNELS: Spec = Spec {
    grammar: Grammar {
        kind: "microsoft.graph.channel",
        properties: &[
            "id",
            "createdDateTime",
            "displayName",
            "description",
            "isFavoriteByDefault",
            "email",
            "tenantId",
            "webUrl",
            "membershipType",
            "isArchived",
        ],
        fields: &[("displayName", Sort::Text), ("membershipType", Sort::Text)],
        any: &[],
    },
    options: &["$select", "$filter"],
    ..TEAMS
};

fn not_found() -> GraphError {
    GraphError::new(404, "NotFound", "The requested thread was not found.")
}

fn is_guid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

/// The team, for its members.
fn team<'w>(world: &'w World, context: &Context<'_>, id: &str) -> Result<&'w Team, GraphError> {
    if !is_guid(id) {
        return Err(GraphError::bad_request("teamId needs to be a valid GUID."));
    }
    let team = world.teamwork.team(id);
    let team = team.ok_or_else(|| GraphError::new(404, "NotFound", "No team found with Group Id."))?;
    if !team.members.contains(&context.user.oid) {
        let message = "Failed to execute: the caller is not a member of the team's roster.";
        return Err(GraphError::new(403, "Forbidden", message));
    }
    Ok(team)
}

fn channel<'w>(world: &'w World, context: &Context<'_>, path: [&str; 2]) -> Result<&'w Channel, GraphError> {
    let [team_id, channel_id] = path;
    let team = team(world, context, team_id)?;
    if !channel_id.starts_with("19:") || !channel_id.contains("@thread.") {
        return Err(GraphError::bad_request("Invalid channel id."));
    }
    team.channels.iter().find(|channel| channel.id == channel_id).ok_or_else(not_found)
}

/// The one list that shows three properties and leaves the others null.
fn joined(world: &World, context: &Context<'_>) -> Result<Reply, GraphError> {
    require_scope(context, &["Team.ReadBasic.All", "User.Read.All", "Directory.Read.All"])?;
    let own = world.teamwork.teams.iter().filter(|team| team.members.contains(&context.user.oid));
    let shown = |team: &Team| {
        let all = json!({
            "id": team.id, "createdDateTime": null, "displayName": team.name, "description": team.description,
            "internalId": null, "classification": null, "specialization": null, "visibility": null, "webUrl": null,
            "isArchived": null, "tenantId": null, "memberSettings": null, "guestSettings": null,
            "messagingSettings": null, "funSettings": null, "summary": null,
        });
        all.as_object().cloned().unwrap_or_default()
    };
    collection::page(world, context, &TEAMS, own.map(shown).collect(), "teams")
}

fn channel_item(world: &World, team: &Team, channel: &Channel) -> Item {
    let first = channel.notes.first().map_or(0, |note| note.created_ms);
    let link = format!(
        "https://teams.microsoft.com/l/channel/{}/{}?groupId={}&tenantId={}",
        percent_encode(&channel.id),
        percent_encode(channel.name),
        team.id,
        world.options.tenant_id
    );
    let all = json!({
        "id": channel.id, "createdDateTime": iso(first), "displayName": channel.name,
        "description": channel.description, "isFavoriteByDefault": null, "email": "",
        "tenantId": world.options.tenant_id, "webUrl": link, "membershipType": "standard", "isArchived": false,
    });
    all.as_object().cloned().unwrap_or_default()
}

fn channels(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &READ_CHANNELS)?;
    let team = team(world, context, id)?;
    let items = team.channels.iter().map(|c| channel_item(world, team, c)).collect();
    collection::page(world, context, &CHANNELS, items, &format!("teams('{id}')/channels"))
}

fn one_channel(world: &World, context: &Context<'_>, path: [&str; 2]) -> Result<Reply, GraphError> {
    require_scope(context, &READ_CHANNELS)?;
    let found = channel(world, context, path)?;
    let [id, _] = path;
    let item = channel_item(world, team(world, context, id)?, found);
    collection::single(world, context, &CHANNELS, item, &format!("teams('{id}')/channels"))
}

fn meta(path: [&str; 2]) -> String {
    let [team, channel] = path;
    format!("teams('{team}')/channels('{}')/messages", percent_encode(channel))
}

fn messages(
    world: &World,
    context: &Context<'_>,
    path: [&str; 2],
    root: Option<&str>,
) -> Result<Reply, GraphError> {
    require_scope(context, &["ChannelMessage.Read.All", "Group.Read.All"])?;
    let found = channel(world, context, path)?;
    if root.is_some_and(|id| !found.notes.iter().any(|note| note.id == id)) {
        return Err(not_found());
    }
    let home = Home::Channel(path[0], path[1]);
    let wanted = |note: &&Note| note.reply_to.as_deref() == root;
    let items = found.notes.iter().rev().filter(wanted).map(|n| chat_message::shown(world, n, &home));
    collection::page(world, context, &MESSAGES, items.collect(), &meta(path))
}

fn message(world: &World, context: &Context<'_>, path: [&str; 2], id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &["ChannelMessage.Read.All", "Group.Read.All"])?;
    let found = channel(world, context, path)?.notes.iter().find(|note| note.id == id);
    let home = Home::Channel(path[0], path[1]);
    let item = chat_message::shown(world, found.ok_or_else(not_found)?, &home);
    context.allow_options(&[])?;
    Ok(collection::entity(world, context, 200, item, &meta(path)))
}

/// Sends a message or an answer.
fn send(
    world: &mut World,
    context: &Context<'_>,
    path: [&str; 2],
    root: Option<&str>,
) -> Result<Reply, GraphError> {
    require_scope(context, &["ChannelMessage.Send"])?;
    context.allow_options(&[])?;
    let found = channel(world, context, path)?;
    let is_root = |id: &str| found.notes.iter().any(|note| note.id == id && note.reply_to.is_none());
    if root.is_some_and(|id| !is_root(id)) {
        return Err(not_found());
    }
    let plain = chat_message::read(world, context)?;
    let now_ms = world.now_ms();
    let place = world.teamwork.channel_mut(path[0], path[1]).ok_or_else(not_found)?;
    let note = add_note(&mut place.notes, context.user.oid, root.map(str::to_owned), plain, now_ms);
    let item = chat_message::shown(world, &note, &Home::Channel(path[0], path[1]));
    Ok(collection::entity(world, context, 201, item, &meta(path)))
}

fn members(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &["TeamMember.Read.All"])?;
    let team = team(world, context, id)?;
    context.allow_options(&[])?;
    let member = |(place, oid): (usize, &&str)| {
        let mut out = super::chats::member_json(oid, &world.options.tenant_id);
        // In a chat everybody is an owner; in a team those are who were made one.
        if let Some(roles) = out.get_mut("roles").filter(|_| place > 0) {
            *roles = json!([]);
        }
        out
    };
    let list: Vec<Value> = team.members.iter().enumerate().map(member).collect();
    let context_url = format!("{}/$metadata#teams('{id}')/members", context.origin(world));
    Ok(Reply::json(200, &json!({ "@odata.context": context_url, "@odata.count": list.len(), "value": list })))
}

/// One team, with what members see of it.
fn one_team(world: &World, context: &Context<'_>, id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &["Team.ReadBasic.All", "TeamSettings.Read.All", "Group.Read.All"])?;
    let team = team(world, context, id)?;
    let link = format!(
        "https://teams.microsoft.com/l/team/{}/conversations?groupId={}&tenantId={}",
        percent_encode(team.channels.first().map_or("", |channel| channel.id.as_str())),
        team.id,
        world.options.tenant_id
    );
    let all = json!({
        "id": team.id, "displayName": team.name, "description": team.description, "isArchived": false,
        "tenantId": world.options.tenant_id, "visibility": "private", "webUrl": link,
    });
    let item = all.as_object().cloned().unwrap_or_default();
    let spec = Spec { options: &["$select", "$expand"], ..TEAMS };
    collection::single(world, context, &spec, item, "teams")
}

const REACTION: Model = Model {
    name: "microsoft.graph.setReaction",
    fields: &[("reactionType", Kind::Text)],
    required: &["reactionType"],
};

/// `setReaction`: 204; the same reaction of the same person counts once.
fn react(world: &mut World, context: &Context<'_>, path: [&str; 2], id: &str) -> Result<Reply, GraphError> {
    require_scope(context, &["ChannelMessage.Send"])?;
    context.allow_options(&[])?;
    let body = context.json_body()?;
    let what = check(&REACTION, &body, "")?.get("reactionType").and_then(Value::as_str).unwrap_or_default();
    channel(world, context, path)?;
    let place = world.teamwork.channel_mut(path[0], path[1]).ok_or_else(not_found)?;
    let note = place.notes.iter_mut().find(|note| note.id == id).ok_or_else(not_found)?;
    let reaction = (what.to_owned(), context.user.oid);
    if !note.reactions.contains(&reaction) {
        note.reactions.push(reaction);
    }
    Ok(Reply::empty(204))
}

/// A channel's folder in the library of its team.
fn files_folder(world: &mut World, context: &Context<'_>, path: [&str; 2]) -> Result<Reply, GraphError> {
    super::drives::require(
        context,
        &["Files.Read.All", "Files.ReadWrite.All", "Sites.Read.All", "Sites.ReadWrite.All"],
    )?;
    let name = channel(world, context, path)?.name;
    let site =
        world.drives.sites.iter().find(|site| site.team.as_deref() == Some(path[0])).ok_or_else(not_found)?;
    let drive = world.drives.find(&site.drive).ok_or_else(not_found)?;
    let root = drive.root().map(|root| root.id.clone()).unwrap_or_default();
    let (drive, folder) = (drive.id.clone(), drive.child(&root, name).map(|item| item.id.clone()));
    super::drives::answer(world, context, &drive, &folder.ok_or_else(not_found)?)
}

/// Routes the paths of teams and channels.
pub fn route(world: &mut World, context: &Context<'_>) -> Routed {
    let path = context.path();
    let result = match (context.call.method.as_str(), path.as_slice()) {
        ("GET", ["me", "joinedTeams"]) => joined(world, context),
        ("GET", ["teams", team]) => one_team(world, context, team),
        ("GET", ["teams", team, "channels" | "allChannels"]) => channels(world, context, team),
        ("GET", ["teams", team, "channels", channel, "filesFolder"]) => {
            files_folder(world, context, [team, channel])
        }
        ("POST", ["teams", team, "channels", channel, "messages", id, "setReaction"]) => {
            react(world, context, [team, channel], id)
        }
        ("GET", ["teams", team, "members"]) => members(world, context, team),
        ("GET", ["teams", team, "channels", channel]) => one_channel(world, context, [team, channel]),
        ("GET", ["teams", team, "channels", channel, "messages"]) => {
            messages(world, context, [team, channel], None)
        }
        ("POST", ["teams", team, "channels", channel, "messages"]) => {
            send(world, context, [team, channel], None)
        }
        ("GET", ["teams", team, "channels", channel, "messages", id]) => {
            message(world, context, [team, channel], id)
        }
        ("GET", ["teams", team, "channels", channel, "messages", id, "replies"]) => {
            messages(world, context, [team, channel], Some(id))
        }
        ("POST", ["teams", team, "channels", channel, "messages", id, "replies"]) => {
            send(world, context, [team, channel], Some(id))
        }
        (
            _,
            ["me", "joinedTeams"]
            | ["teams", _]
            | ["teams", _, "channels" | "allChannels" | "members"]
            | ["teams", _, "channels", _],
        )
        | (_, ["teams", _, "channels", _, "messages"] | ["teams", _, "channels", _, "messages", _])
        | (_, ["teams", _, "channels", _, "messages", _, "replies"]) => Err(GraphError::method_not_allowed()),
        _ => return None,
    };
    Some(result)
}
