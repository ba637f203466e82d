//! Microsoft's notifications as they arrive: the handshake of a new address, and bodies that tell of changes.
//!
//! What holds here: an address that this server did not seal is no page at all. Behind a true one nothing shows whether
//! anything was believed, because the object answers alike either way. What the other side sends is echoed in the
//! handshake alone, as plain text and within a bound.

use protocol::config::Config;
use protocol::ids::{GrantId, UserKey};
use protocol::limits::VALIDATION_TOKEN_BYTES_MAX;
use protocol::notification::{Notice, PATH_PREFIX, open_address, read};
use protocol::object::Caller;

use crate::reply::Reply;

/// Whose notifications arrive at a path.
///
/// # Errors
/// 404, as for any page that does not exist.
pub fn owner_of(config: &Config, path: &str) -> Result<UserKey, Reply> {
    let address = path.strip_prefix(PATH_PREFIX).unwrap_or_default();
    open_address(&config.encryption_keys, address).map_err(|_| Reply::text(404, "There is nothing here."))
}

/// The answer to Microsoft's question whether anybody wants its notifications here (Graph, "notificationUrl validation").
#[must_use]
pub fn handshake(token: &str) -> Reply {
    if token.len() > VALIDATION_TOKEN_BYTES_MAX {
        return Reply::text(400, "The validation token is too long.");
    }
    Reply::text(200, token)
}

/// What a body says.
///
/// # Errors
/// 400 for what is no notification; Microsoft sends nothing of the kind.
pub fn notices(body: &[u8]) -> Result<Vec<Notice>, Reply> {
    read(body).map_err(|_| Reply::text(400, "This is not a notification of Microsoft Graph."))
}

/// How the object is asked: in the name of nobody, because nobody has been believed yet.
#[must_use]
pub fn caller(user: UserKey) -> Caller {
    Caller {
        user,
        grant: GrantId::from_bytes([0; 16]),
        client: String::new(),
        scopes: Vec::new(),
        access_identity: None,
    }
}

/// The answer to a notification. Microsoft sends it again if the object could not take it.
#[must_use]
pub fn answered(object_status: u16) -> Reply {
    if object_status == 202 { Reply::text(202, "") } else { Reply::object_unavailable() }
}

#[cfg(test)]
mod tests {
    use protocol::notification::seal_address;

    use super::*;
    use crate::health::tests::config_at;

    #[test]
    fn an_address_that_was_made_up_is_no_page() {
        let config = config_at("https://mcp.example.com");
        let user = UserKey::from_bytes([3; 16]);
        let address = seal_address(&config.encryption_keys, user, [1; 12]).unwrap();
        assert_eq!(owner_of(&config, &format!("{PATH_PREFIX}{address}")), Ok(user));
        for path in ["/notifications/x", "/notifications/", &address, &format!("/x/{address}")] {
            assert_eq!(owner_of(&config, path).unwrap_err().status, 404, "{path}");
        }
    }

    #[test]
    fn the_handshake_is_plain_text_and_nothing_else() {
        let reply = handshake("<script>1</script>");
        assert_eq!((reply.status, reply.body.as_str()), (200, "<script>1</script>"));
        let header = |name| reply.headers.iter().find(|(known, _)| *known == name).unwrap().1.clone();
        assert_eq!(header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(handshake(&"x".repeat(5_000)).status, 400);
    }

    #[test]
    fn microsoft_is_asked_to_come_again_when_the_object_failed() {
        assert_eq!((answered(202).status, answered(503).status, answered(500).status), (202, 503, 503));
        assert_eq!(notices(b"{}").unwrap_err().status, 400);
    }
}
