//! A client's own web server, with the document that describes it (draft-ietf-oauth-client-id-metadata-document). Any name
//! below `/documents` has one, which speaks for exactly the URL that was asked for. Everything else that such a server can
//! do is a fault rule.

use crate::wire::{Call, Reply};
use crate::world::World;
use serde_json::json;

/// Serves the document of any name.
pub fn execute(world: &World, call: &Call) -> Reply {
    if call.method != "GET" {
        return Reply::empty(405).with("allow", "GET");
    }
    let document = json!({
        "client_id": format!("{}{}", world.base, call.target()),
        "client_name": "Emulated client",
        "redirect_uris": ["http://127.0.0.1:53682/callback", "https://client.example/callback"],
        "token_endpoint_auth_method": "none",
    });
    Reply::json(200, &document).with("cache-control", "max-age=300")
}
