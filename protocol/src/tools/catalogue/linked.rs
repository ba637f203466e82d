//! What is shown of the tool that calls linked apps: which there are, and what is allowed of each.
//!
//! What must never happen here: where an application lies is nobody's business.

use serde_json::{Value, json};

use crate::linked_app::LinkedApp;
use crate::outbound::Method;

/// The tool as it is shown, with the linked apps.
pub(super) fn with_apps(mut tool: Value, apps: &[LinkedApp]) -> Value {
    let mut all: Vec<&str> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut description = tool.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for app in apps {
        let methods: Vec<&str> = app.methods.iter().map(|method| method.as_str()).collect();
        let paths: Vec<&str> =
            app.paths.iter().map(|path| if path.is_empty() { "/" } else { path }).collect();
        let (methods_shown, paths) = (methods.join(", "), paths.join(", "));
        description
            .push_str(&format!(" `{}` ({methods_shown} below {paths}): {}", app.name, app.description));
        names.push(&app.name);
        all.extend(methods.into_iter().filter(|method| !all.contains(method)).collect::<Vec<_>>());
    }
    let only_reads = apps.iter().all(|app| app.methods.iter().all(|method| *method == Method::Get));
    let changes = [
        ("/description", Value::from(description)),
        ("/inputSchema/properties/app", json!({ "type": "string", "enum": names })),
        ("/inputSchema/properties/method", json!({ "type": "string", "enum": all, "default": "GET" })),
        ("/annotations/readOnlyHint", only_reads.into()),
        ("/annotations/destructiveHint", (!only_reads).into()),
        ("/annotations/idempotentHint", only_reads.into()),
    ];
    for (place, value) in changes {
        if let Some(member) = tool.pointer_mut(place) {
            *member = value;
        }
    }
    tool
}

#[cfg(test)]
mod tests {
    use super::super::{Tool, scopes, tool_list};
    use super::*;
    use crate::tools::{Offer, Toolsets};

    #[test]
    fn linked_apps_are_shown_where_there_are_some() {
        let setting = |methods: Value| {
            let app = json!([{"name": "orders", "baseUrl": "https://orders.corp.example", "paths": ["/api", "/"],
                "methods": methods, "description": "Orders of customers."}]);
            crate::linked_app::parse(&app.to_string()).unwrap()
        };
        let is_there = |offer: Offer<'_>| {
            let is_listed = tool_list(offer)["tools"].to_string().contains("callLinkedApp");
            assert_eq!(scopes(offer).contains(&"apps.call"), is_listed);
            is_listed
        };
        assert!(!is_there(Offer::default()));
        let apps = setting(json!(["GET", "POST"]));
        assert!(is_there(Offer { linked_apps: &apps, ..Offer::default() }));
        let tool = with_apps(Tool::CallLinkedApp.shown(), &apps);
        assert!(
            tool["description"]
                .as_str()
                .unwrap()
                .ends_with("`orders` (GET, POST below /api, /): Orders of customers.")
        );
        assert_eq!(tool["inputSchema"]["properties"]["app"]["enum"], json!(["orders"]));
        assert_eq!(tool["inputSchema"]["properties"]["method"]["enum"], json!(["GET", "POST"]));
        assert_eq!(
            (&tool["annotations"]["readOnlyHint"], &tool["annotations"]["destructiveHint"]),
            (&json!(false), &json!(true))
        );
        let only_read = setting(json!(["GET"]));
        let toolsets = Toolsets::parse("read-only").unwrap();
        assert!(!is_there(Offer { linked_apps: &apps, toolsets, ..Offer::default() }));
        assert!(is_there(Offer { linked_apps: &only_read, toolsets, ..Offer::default() }));
        let reading = with_apps(Tool::CallLinkedApp.shown(), &only_read);
        assert_eq!(reading["annotations"]["readOnlyHint"], true);
        assert!(!tool.to_string().contains("corp.example"), "where an application lies is nobody's business");
    }
}
