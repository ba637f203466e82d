//! Microsoft Entra ID: sign-in, tokens, keys and metadata for one tenant. The paths are Microsoft's
//! behind a prefix. Nothing here may accept a request that Entra refuses, since the product's tests
//! take acceptance here as proof.

pub mod assertion;
pub mod authorize;
pub mod errors;
pub mod page;
pub mod policy;
pub mod refusals;
pub mod scopes;
pub mod store;
pub mod token;

use crate::jwt::Keys;
use crate::wire::{Call, Reply};
use crate::world::World;
use serde_json::json;

/// The prefixes under which Graph's scopes may be named.
pub fn resources(world: &World) -> Vec<String> {
    let mut list = vec!["https://graph.microsoft.com/".to_owned(), format!("{}/graph/", world.base)];
    list.extend(world.options.graph_origin.iter().map(|origin| format!("{origin}/")));
    list
}

fn metadata(world: &World, tenant: &str) -> Reply {
    let root = format!("{}/entra/{tenant}", world.base);
    // The templates of the multi-tenant endpoints say `{tenantid}` where a tenant's own say its id.
    let issuer_tenant = if tenant == world.options.tenant_id { tenant } else { "{tenantid}" };
    Reply::json(
        200,
        &json!({
            "issuer": format!("{}/entra/{issuer_tenant}/v2.0", world.base),
            "authorization_endpoint": format!("{root}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{root}/oauth2/v2.0/token"),
            "jwks_uri": format!("{root}/discovery/v2.0/keys"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
        }),
    )
}

/// Answers one request; `path` is what follows the prefix `/entra`.
pub fn execute(world: &mut World, keys: &Keys, call: &Call, path: &str) -> Reply {
    let path = path.trim_start_matches('/');
    let (tenant, rest) = path.split_once('/').unwrap_or((path, ""));
    if tenant != world.options.tenant_id && !matches!(tenant, "organizations" | "common") {
        let text = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID.");
        return errors::bad("invalid_tenant", 90_002, text).json(world);
    }
    match (call.method.as_str(), rest) {
        ("GET", "oauth2/v2.0/authorize") => authorize::get(world, call),
        ("POST", "oauth2/v2.0/authorize") => authorize::post(world, call),
        ("POST", "oauth2/v2.0/token") => token::post(world, keys, call, tenant),
        ("GET", "v2.0/.well-known/openid-configuration") => metadata(world, tenant),
        ("GET", "discovery/v2.0/keys") => match keys.published(world.settings.rotate_keys) {
            Some(list) => Reply::json(200, &json!({ "keys": list })),
            None => Reply::text(500, "text/plain", "no signing key could be made"),
        },
        (_, "oauth2/v2.0/authorize" | "oauth2/v2.0/token" | "discovery/v2.0/keys") => {
            errors::bad("invalid_request", 900_561, "The endpoint only accepts other verbs.").json(world)
        }
        _ => Reply::text(404, "text/plain", "no such endpoint"),
    }
}
