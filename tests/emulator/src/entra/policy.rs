//! What a directory may demand beyond a right request: assignment to the application, a second factor,
//! consent. Tests switch each on by a setting. A policy holds at the authorize and at the token endpoint
//! alike, so that neither can be used to get around the other.

use super::errors::{EntraError, bad};
use crate::tenant::User;
use crate::world::World;
use serde_json::{Value, json};

/// The id of the policy that demands a second factor.
const POLICY: &str = "c0ffee00-0000-4000-8000-000000050076";

/// What the application has to hand on to the next authorize request.
pub fn demanded() -> String {
    json!({ "access_token": { "capolids": { "essential": true, "values": [POLICY] } } }).to_string()
}

/// Whether a `claims` parameter carries the demand, which is how a step-up shows.
pub fn steps_up(claims: Option<&str>) -> bool {
    let parsed = claims.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    let list = parsed.get("access_token").and_then(|t| t.get("capolids")).and_then(|c| c.get("values"));
    list.and_then(Value::as_array).is_some_and(|values| values.iter().any(|v| v == POLICY))
}

/// Whether the person may use the application at all.
pub fn assignment(world: &World, user: &User) -> Result<(), EntraError> {
    if !world.settings.lists(&world.settings.unassigned, user.address) {
        return Ok(());
    }
    let text = format!(
        "Your administrator has configured the application '{}' to block users unless they are specifically granted \
         ('assigned') access to the application. The signed in user '{}' is blocked.",
        world.options.client_id, user.address
    );
    Err(bad("invalid_grant", 50_105, text))
}

/// Whether a `claims` parameter declares that the client understands claims challenges.
pub fn declares_capability(claims: Option<&str>) -> bool {
    let parsed = claims.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    let list = parsed.get("access_token").and_then(|t| t.get("xms_cc")).and_then(|c| c.get("values"));
    list.and_then(Value::as_array).is_some_and(|values| values.iter().any(|v| v == "cp1"))
}

/// Whether a second factor is missing.
pub fn second_factor(world: &World, user: &User, stepped_up: bool) -> Result<(), EntraError> {
    if stepped_up || !world.settings.lists(&world.settings.mfa_required, user.address) {
        return Ok(());
    }
    Err(interaction())
}

/// The demand for a second factor.
pub fn interaction() -> EntraError {
    let text = "Due to a configuration change made by your administrator, or because you moved to a new location, you \
                must use multi-factor authentication to access '00000003-0000-0000-c000-000000000000'.";
    let mut error = bad("interaction_required", 50_076, text).sub("basic_action");
    error.claims = Some(demanded());
    error
}

/// Whether consent is missing for one of the scopes.
pub fn consent(world: &World, user: &User, scopes: &[String]) -> Result<(), EntraError> {
    let Some(missing) = scopes.iter().find(|scope| world.settings.refuses_consent(user.address, scope))
    else {
        return Ok(());
    };
    let text = format!(
        "The user or administrator has not consented to use the application with ID '{}' for the scope {missing}. Send \
         an interactive authorization request for this user and resource.",
        world.options.client_id
    );
    Err(bad("invalid_grant", 65_001, text).sub("consent_required"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_demanded_claims_step_up() {
        assert!(steps_up(Some(&demanded())));
        let merged = json!({ "access_token": { "xms_cc": { "values": ["cp1"] }, "capolids": { "values": [POLICY] } } });
        assert!(steps_up(Some(&merged.to_string())));
        for not in
            [None, Some("{}"), Some("{"), Some("{\"access_token\":{\"xms_cc\":{\"values\":[\"cp1\"]}}}")]
        {
            assert!(!steps_up(not));
        }
    }
}
