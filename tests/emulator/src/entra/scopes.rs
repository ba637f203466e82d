//! The delegated scopes that the emulated tenant knows, and how a scope parameter is read. A scope that
//! Microsoft does not know must never be granted: a misspelt one would otherwise only fail in production.

/// OpenID Connect scopes; they are not Graph permissions.
const PROTOCOL: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// Delegated Graph permissions that the product may ask for.
const GRAPH: [&str; 52] = [
    "Calendars.Read",
    "Calendars.Read.Shared",
    "Calendars.ReadBasic",
    "Calendars.ReadWrite",
    "Calendars.ReadWrite.Shared",
    "Channel.ReadBasic.All",
    "ChannelMember.Read.All",
    "ChannelMessage.Read.All",
    "ChannelMessage.Send",
    "Chat.Create",
    "Chat.Read",
    "Chat.ReadBasic",
    "Chat.ReadWrite",
    "ChatMessage.Read",
    "ChatMessage.Send",
    "Contacts.Read",
    "Contacts.Read.Shared",
    "Contacts.ReadWrite",
    "Directory.Read.All",
    "Files.Read",
    "Files.Read.All",
    "Files.ReadWrite",
    "Files.ReadWrite.All",
    "Group.Read.All",
    "GroupMember.Read.All",
    "Mail.Read",
    "Mail.Read.Shared",
    "Mail.ReadBasic",
    "Mail.ReadWrite",
    "Mail.ReadWrite.Shared",
    "Mail.Send",
    "Mail.Send.Shared",
    "MailboxSettings.Read",
    "MailboxSettings.ReadWrite",
    "OnlineMeetings.Read",
    "OnlineMeetings.ReadWrite",
    "OnlineMeetingTranscript.Read.All",
    "People.Read",
    "Place.Read.All",
    "Presence.Read",
    "Presence.Read.All",
    "Sites.Read.All",
    "Sites.ReadWrite.All",
    "Tasks.Read",
    "Tasks.ReadWrite",
    "Team.ReadBasic.All",
    "TeamMember.Read.All",
    "TeamsActivity.Read",
    "User.Read",
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite",
];

/// Splits a scope parameter into canonical names; `Err` names the first unknown one.
pub fn parse(text: &str, resources: &[String]) -> Result<Vec<String>, String> {
    let mut list = Vec::new();
    for item in text.split(' ').filter(|item| !item.is_empty()) {
        let bare = resources.iter().find_map(|prefix| item.strip_prefix(prefix.as_str())).unwrap_or(item);
        let known = PROTOCOL.iter().chain(&GRAPH).find(|name| name.eq_ignore_ascii_case(bare));
        let Some(known) = known else { return Err(item.to_owned()) };
        if !list.iter().any(|have| have == known) {
            list.push((*known).to_owned());
        }
    }
    Ok(list)
}

/// The scopes as a token answer lists them: Entra leaves `offline_access` out.
pub fn answer(scopes: &[String]) -> String {
    let shown: Vec<&str> = scopes.iter().map(String::as_str).filter(|s| *s != "offline_access").collect();
    shown.join(" ")
}
