//! Refusals of the token endpoint by their number, for tests that ask what the product makes of each.
//!
//! The setting `tokenRefusals` names people and numbers. A refusal that a sign-in mends strikes refreshes alone, a step-up
//! whoever did not step up, and everything that has nothing to do with the person strikes all. A number that is not here
//! must be refused when it is set, or a test would prove nothing.

use super::errors::EntraError;
use super::policy;
use crate::world::World;

/// What a refusal strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strikes {
    /// Refresh tokens that were issued before, whatever they are.
    Refreshes,
    /// Whoever did not sign in with the demanded claims.
    WithoutStepUp,
    /// Every request.
    Everything,
}

use Strikes::{Everything, Refreshes, WithoutStepUp};

/// Number, status, error, suberror, what it strikes, text.
type Row = (u32, u16, &'static str, Option<&'static str>, Strikes, &'static str);

const TABLE: [Row; 26] = [
    (70_000, 400, "invalid_grant", None, Refreshes, "The refresh token is not valid."),
    (70_008, 400, "invalid_grant", Some("token_expired"), Refreshes, "The refresh token has expired."),
    (700_082, 400, "invalid_grant", Some("bad_token"), Refreshes, "It was inactive for 90.00:00:00."),
    (50_173, 400, "invalid_grant", Some("bad_token"), Refreshes, "The provided grant has been revoked."),
    (70_043, 400, "invalid_grant", Some("bad_token"), Refreshes, "Sign-in frequency checks failed."),
    (50_034, 400, "invalid_grant", None, Refreshes, "The user account does not exist in the directory."),
    (50_057, 400, "invalid_grant", None, Refreshes, "The user account is disabled."),
    (50_076, 400, "interaction_required", Some("basic_action"), WithoutStepUp, "A second factor is needed."),
    (50_078, 400, "invalid_grant", Some("basic_action"), WithoutStepUp, "The second factor has expired."),
    (
        50_079,
        400,
        "interaction_required",
        Some("basic_action"),
        WithoutStepUp,
        "A second factor has to be set up.",
    ),
    (
        50_158,
        400,
        "interaction_required",
        Some("basic_action"),
        WithoutStepUp,
        "An external challenge is open.",
    ),
    (
        53_000,
        400,
        "interaction_required",
        Some("additional_action"),
        WithoutStepUp,
        "The device is not compliant.",
    ),
    (53_003, 400, "invalid_grant", Some("additional_action"), WithoutStepUp, "Conditional access blocks it."),
    (
        530_032,
        400,
        "interaction_required",
        Some("additional_action"),
        WithoutStepUp,
        "A risk policy blocks it.",
    ),
    (65_001, 400, "invalid_grant", Some("consent_required"), Refreshes, "There is no consent."),
    (90_094, 400, "invalid_grant", Some("consent_required"), Refreshes, "An administrator has to consent."),
    (7_000_215, 401, "invalid_client", None, Everything, "Invalid client secret provided."),
    (7_000_222, 401, "invalid_client", None, Everything, "The provided client secret keys are expired."),
    (700_027, 401, "invalid_client", None, Everything, "The certificate of the assertion is not registered."),
    (700_016, 400, "unauthorized_client", None, Everything, "The application was not found."),
    (50_105, 400, "invalid_grant", None, Everything, "The user is not assigned to the application."),
    (50_020, 400, "invalid_grant", None, Everything, "The user belongs to another tenant."),
    (500_011, 400, "invalid_resource", None, Everything, "The resource was not found in the tenant."),
    (90_033, 503, "temporarily_unavailable", None, Everything, "A transient error has occurred."),
    (90_006, 500, "server_error", None, Everything, "An external service failed."),
    (50_196, 400, "invalid_grant", None, Everything, "The client goes in a loop."),
];

fn row(number: u32) -> Option<Row> {
    TABLE.into_iter().find(|(known, ..)| *known == number)
}

/// Whether a number can be set.
pub fn is_known(number: u32) -> bool {
    row(number).is_some()
}

/// The refusal that is set for a person, or for everybody.
pub fn check(world: &World, address: &str, is_refresh: bool, stepped_up: bool) -> Result<(), EntraError> {
    let set = ["*", address].iter().find_map(|key| world.settings.token_refusals.get(*key));
    let Some((number, status, error, suberror, strikes, text)) = set.and_then(|number| row(*number)) else {
        return Ok(());
    };
    let strikes_this = match strikes {
        Refreshes => is_refresh,
        WithoutStepUp => !stepped_up,
        Everything => true,
    };
    if !strikes_this {
        return Ok(());
    }
    let claims = (strikes == WithoutStepUp).then(policy::demanded);
    Err(EntraError { status, error, number, text: text.to_owned(), suberror, claims })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_stands_once() {
        for (position, (number, ..)) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().take(position).all(|(earlier, ..)| earlier != number), "{number}");
        }
        assert!(is_known(50_076) && !is_known(1));
    }
}
