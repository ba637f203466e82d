//! Whom a call would reach, held against the operators' lists of recipients before anything leaves.
//!
//! What holds here: whoever is named is looked at before the call gets a place in the queue. Who reads a chat is not named,
//! so that its members are read first; who reads a channel cannot be seen, so that nothing is sent there unless operators
//! said that it may be.

use serde_json::{Map, Value};

use super::catalogue::Tool;
use super::collection::{list, read, text};
use super::gated::{Gate, Gated};
use super::plan::Planned;
use super::{Plan, Surroundings, ToolError};
use crate::graph::{query, segment};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::policy::MailRules;

/// The arguments that name who is invited, and where to.
const INVITED: [&str; 6] =
    ["attendees", "optionalAttendees", "addAttendees", "addOptionalAttendees", "rooms", "addRooms"];

/// The permissions of which one suffices to see who takes part in a chat.
const CHAT_MEMBERS: [&str; 3] = ["Chat.Read", "Chat.ReadWrite", "Chat.ReadBasic"];

/// What is planned for a call, once it is known whom it would reach.
///
/// # Errors
/// A [`ToolError`] of the account that says whose rule it is.
pub(super) fn screened(
    tool: Tool,
    planned: Planned,
    arguments: &Map<String, Value>,
    around: Surroundings<'_>,
) -> Result<Planned, ToolError> {
    let policy = around.policy;
    policy.sites.check(arguments)?;
    if !tool.writes() || !policy.mail.limits_recipients() {
        return Ok(planned);
    }
    let invited = INVITED.iter().filter_map(|name| arguments.get(*name)?.as_array()).flatten();
    policy.mail.check_recipients(invited.filter_map(Value::as_str).map(str::trim))?;
    if tool != Tool::SendTeamsMessage {
        return Ok(planned);
    }
    match (arguments.get("chatId").and_then(Value::as_str), planned) {
        (Some(chat), Planned::Work(plan)) => of_chat(chat, *plan, around),
        (None, planned) => policy.check_channel().map(|()| planned),
        (Some(_), planned) => Ok(planned),
    }
}

fn of_chat(chat: &str, plan: Plan, around: Surroundings<'_>) -> Result<Planned, ToolError> {
    let Plan::Write(plan) = plan else { return Ok(Planned::Work(Box::new(plan))) };
    around.require(&CHAT_MEMBERS)?;
    let chat = segment(chat).map_err(|_| ToolError::argument("`chatId` must be an identifier of a chat."))?;
    let gate = Members { chat, rules: around.policy.mail.clone(), are_known: false };
    Ok(Planned::write(Gated { gate, plan }))
}

/// Who reads a chat, as far as they are not looked at yet.
#[derive(Debug)]
struct Members {
    /// The chat as a segment.
    chat: String,
    rules: MailRules,
    are_known: bool,
}

impl Gate for Members {
    fn call(&self) -> Option<GraphCall> {
        let parameters = query(&[("$expand", "members")]);
        (!self.are_known).then(|| GraphCall::get(Lane::Teams, format!("/chats/{}{parameters}", self.chat)))
    }

    fn answered(&mut self, answer: &Answer) -> Result<(), ToolError> {
        let chat: Value = read(answer)?;
        // Somebody without an address is somebody of whom nothing is known.
        let addresses = list(&chat, "/members").iter().map(|one| text(one, "/email").unwrap_or_default());
        self.rules.check_recipients(addresses)?;
        self.are_known = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::tools::testing::{answer, around};
    use crate::tools::{Step, Target, WriteIntent};
    use serde_json::json;

    const GRANTED: [&str; 4] =
        ["ChatMessage.Send", "ChannelMessage.Send", "Chat.Read", "Calendars.ReadWrite"];

    fn planned(policy: &str, tool: Tool, arguments: &Value) -> Result<Planned, ToolError> {
        let (policy, granted) = (Policy::parse(policy).unwrap(), GRANTED.map(str::to_owned));
        let around = Surroundings { policy: &policy, ..around(&granted) };
        Plan::make(Target::Tool(tool), arguments.as_object().unwrap(), around)
    }

    fn code(planned: Result<Planned, ToolError>) -> &'static str {
        planned.map_or_else(|error| error.code, |_| "planned")
    }

    const INSIDE: &str = r#"{"internalDomains":["contoso.example"],"denyRecipients":["external"]}"#;

    #[test]
    fn nobody_is_invited_who_may_not_be_written_to() {
        let event = |attendees: Value| {
            json!({"subject": "x", "start": "2026-12-01T10:00", "end": "2026-12-01T11:00", "timeZone": "UTC",
                "optionalAttendees": attendees})
        };
        for tool in [Tool::CreateCalendarEvent, Tool::CreateTeamsMeeting] {
            let code = |attendees| code(planned(INSIDE, tool, &event(attendees)));
            assert_eq!(code(json!(["bob@contoso.example"])), "planned");
            assert_eq!(code(json!(["bob@contoso.example", "eve@evil.example"])), "recipient_not_allowed");
            assert_eq!(code(json!(["nobody"])), "bad_argument");
        }
    }

    #[test]
    fn a_chat_is_looked_at_before_a_message_goes_there() {
        let message = json!({"chatId": "19:a@unq.gbl.spaces", "body": "hello"});
        let plan = || match planned(INSIDE, Tool::SendTeamsMessage, &message) {
            Ok(Planned::Work(plan)) => plan,
            other => panic!("{other:?}"),
        };
        let members = |addresses: &[Option<&str>]| {
            let members: Vec<Value> = addresses.iter().map(|email| json!({ "email": email })).collect();
            answer(200, &json!({ "members": members }))
        };
        let mut good = plan();
        assert_eq!(
            (good.call().path.as_str(), good.intent()),
            ("/chats/19:a@unq.gbl.spaces?$expand=members", None)
        );
        let own = [Some("alice@contoso.example"), Some("bob@contoso.example")];
        let Step::Call(call) = good.answered(&members(&own)).unwrap() else { panic!() };
        assert!(call.path.ends_with("/messages") && good.intent() == Some(WriteIntent::PostMessage));
        for stranger in [Some("eve@evil.example"), None] {
            let refusal = plan().answered(&members(&[own[0], stranger])).unwrap_err();
            assert_eq!(refusal.code, "recipient_not_allowed");
        }
    }

    #[test]
    fn a_channel_is_written_to_where_operators_say_so() {
        let message = json!({"teamId": "t", "channelId": "c", "body": "hello"});
        let code = |policy| code(planned(policy, Tool::SendTeamsMessage, &message));
        assert_eq!(code("{}"), "planned");
        assert_eq!(code(INSIDE), "recipient_not_allowed");
        let send = r#"{"denyRecipients":["rival.example"],"channelMessages":"send"}"#;
        assert_eq!(code(send), "planned");
    }
}
