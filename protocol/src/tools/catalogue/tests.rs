//! What clients see of the tools is complete, true and small.

use super::*;
use crate::entra::SIGN_IN_SCOPES;
use crate::limits::{BYTES_PER_TOKEN, LIST_TOKENS_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX};
use crate::tools::{Resource, Toolsets};

#[test]
fn every_tool_is_fully_described() {
    for tool in Tool::ALL {
        let value = tool.shown();
        for member in ["title", "description", "inputSchema", "outputSchema"] {
            assert!(value.get(member).is_some(), "{} lacks {member}", tool.name());
        }
        assert!(value["icons"][0]["src"].as_str().unwrap().starts_with("data:"));
        assert_eq!(tool.schema_with_headers(), None, "what tools are told is private");
        for hint in ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"] {
            assert!(value["annotations"][hint].is_boolean(), "{} lacks {hint}", tool.name());
        }
        assert_eq!(value["inputSchema"]["type"], "object");
        assert_eq!(value["outputSchema"]["type"], "object");
        assert_eq!(value["inputSchema"]["additionalProperties"], false, "{}", tool.name());
        assert!(!value.to_string().contains("$ref"));
        assert!(tool.name().len() <= 64);
        // The official SDK reads it.
        let read: rmcp::model::Tool = serde_json::from_value(value).unwrap();
        assert!(read.output_schema.is_some());
    }
}

#[test]
fn the_list_is_small() {
    let tokens = |value: &Value| serde_json::to_string(value).unwrap().len().div_ceil(BYTES_PER_TOKEN);
    for tool in Tool::ALL {
        println!("{:>5} tokens: {}", tokens(&tool.shown()), tool.name());
    }
    let all = tokens(&Value::Object(tool_list(Offer::default())));
    println!("{all:>5} tokens: tools/list, {} tools", Tool::ALL.len());
    assert!(all <= LIST_TOKENS_MAX, "{all} tokens");
    let offer = Offer { toolsets: Toolsets::parse("mail, read-only").unwrap(), ..Offer::default() };
    let reading = tokens(&Value::Object(tool_list(offer)));
    println!("{reading:>5} tokens: tools/list of mail, read-only");
    assert!(reading < all / 2);
}

#[test]
fn a_harmless_tool_comes_first_and_hints_are_true() {
    assert_eq!(Tool::ALL[0].name(), "authenticate");
    let hint = |tool: Tool, name: &str| tool.shown()["annotations"][name].clone();
    for tool in Tool::ALL {
        assert_eq!(hint(tool, "openWorldHint"), tool != Tool::Authenticate, "{}", tool.name());
        assert_eq!(hint(tool, "readOnlyHint"), !tool.writes());
        let destroys = tool.sends()
            || matches!(tool, Tool::CancelEvent | Tool::UploadFile | Tool::ShareFile | Tool::CallLinkedApp);
        assert_eq!(hint(tool, "destructiveHint"), destroys, "{}", tool.name());
    }
}

#[test]
fn a_person_is_asked_for_exactly_what_is_used() {
    let mut used: Vec<&str> = vec!["openid", "profile", "email", "offline_access"];
    used.extend(Tool::ALL.into_iter().flat_map(Tool::permissions));
    used.extend(Resource::all().flat_map(Resource::permissions));
    used.sort_unstable();
    used.dedup();
    let mut asked: Vec<&str> = SIGN_IN_SCOPES.split_whitespace().collect();
    asked.sort_unstable();
    assert_eq!(asked, used);
}

#[test]
fn the_schemas_say_the_limits_that_hold() {
    let input = Tool::SendEmail.schema("inputSchema");
    assert_eq!(input["properties"]["to"]["maxItems"], RECIPIENTS_MAX);
    assert_eq!(input["properties"]["subject"]["maxLength"], SUBJECT_CHARS_MAX);
    for tool in [Tool::CreateCalendarEvent, Tool::CreateTeamsMeeting] {
        let input = tool.schema("inputSchema");
        assert_eq!(input["properties"]["subject"]["maxLength"], SUBJECT_CHARS_MAX);
        assert_eq!(input["properties"]["attendees"]["maxItems"], RECIPIENTS_MAX);
    }
}
