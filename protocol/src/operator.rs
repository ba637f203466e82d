//! What operators ask of one person's object, and what it answers.
//!
//! What holds here: nothing in an answer is a token, a key, an address or what anybody wrote; an order never makes an
//! object for somebody who is not there; every time is in milliseconds since 1970 and says so in its name.

pub mod credential;
pub mod directory;
pub mod record;
pub mod verify;
pub mod view;

use serde::{Deserialize, Serialize};

use crate::ids::{GrantId, RequestId};
use crate::outbound::{GraphCall, Lane};
use crate::time::UnixMs;

/// What an operator asks of one person's object. An object that holds nobody answers 404 to each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// How the person stands: [`view::Overview`].
    Look,
    /// A page of the ledger: [`view::RequestPage`].
    Requests(RequestQuery),
    /// One entry of the ledger: [`view::RequestView`], or 404.
    Request {
        /// The entry.
        id: RequestId,
    },
    /// The beginning of an export: [`record::Head`].
    ExportHead,
    /// A page of an export: [`record::ExportPage`].
    Export(ExportQuery),
    /// The end of an export: [`record::Checkpoint`].
    ExportEnd,
    /// The key with which an export is verified: [`record::VerificationKey`].
    VerificationKey,
    /// Something to do: [`view::Acted`].
    Act(Action),
}

/// Which entries of a ledger are asked for, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestQuery {
    /// Only entries before this one: where the page before ended.
    pub before: Option<RequestId>,
    /// At most so many.
    pub limit: u32,
    /// Only entries in this state, by its name in logs.
    pub state: Option<String>,
    /// Only entries of this tool or kind, by its name in logs.
    pub tool: Option<String>,
    /// Only entries of this client, by its name.
    pub client: Option<String>,
    /// Only entries that ended so.
    pub outcome: Option<String>,
    /// Only entries that arrived then or later.
    pub from: Option<UnixMs>,
    /// Only entries that arrived before.
    pub to: Option<UnixMs>,
}

/// Which lines of an export are asked for, in the order of request IDs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportQuery {
    /// Only entries after this one: where the page before ended.
    pub after: Option<RequestId>,
    /// Only entries that had joined the chain when the export began: the sequence number of its head.
    pub up_to: u64,
}

/// The call that ends all of the person's sign-ins everywhere (Graph, `user: revokeSignInSessions`). It needs the permission
/// User.RevokeSessions.All.
#[must_use]
pub fn revoke_sign_ins() -> GraphCall {
    GraphCall::post(Lane::Other, "/me/revokeSignInSessions".to_owned(), None)
}

/// What operators can do to one person's object. Each can be repeated: what is done already is not done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Renew Microsoft's tokens now.
    RefreshNow,
    /// End all MCP sessions and close all streams.
    DropSessions,
    /// Withdraw what the person granted to one client.
    RevokeClient {
        /// The grant.
        grant: GrantId,
    },
    /// Forget the tokens, withdraw all grants, end sessions and streams.
    Disconnect,
    /// Ask Microsoft to end all of the person's sign-ins everywhere (`revokeSignInSessions`).
    RevokeSignIns,
    /// Remove everything that is stored for the person.
    Erase,
    /// Let nothing leave until it is resumed, also after another sign-in.
    Pause,
    /// Pause, and end what waits.
    Drain,
    /// Let calls leave again.
    Resume,
    /// Seal everything under the newest key now.
    Reseal,
}

impl Action {
    /// Every action that names nothing further, in the order in which they are shown.
    pub const PLAIN: [Self; 9] = [
        Self::RefreshNow,
        Self::DropSessions,
        Self::Pause,
        Self::Drain,
        Self::Resume,
        Self::Reseal,
        Self::RevokeSignIns,
        Self::Disconnect,
        Self::Erase,
    ];

    /// The name in addresses, logs and the audit trail.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RefreshNow => "refresh",
            Self::DropSessions => "drop-sessions",
            Self::RevokeClient { .. } => "revoke-client",
            Self::Disconnect => "disconnect",
            Self::RevokeSignIns => "revoke-sign-ins",
            Self::Erase => "erase",
            Self::Pause => "pause",
            Self::Drain => "drain",
            Self::Resume => "resume",
            Self::Reseal => "reseal",
        }
    }

    /// The action of a name; one that names a client needs the grant.
    #[must_use]
    pub fn named(name: &str, grant: Option<GrantId>) -> Option<Self> {
        match grant {
            Some(grant) if name == "revoke-client" => Some(Self::RevokeClient { grant }),
            Some(_) => None,
            None => Self::PLAIN.into_iter().find(|action| action.name() == name),
        }
    }

    /// One sentence that says what happens, for whoever is asked whether it should.
    #[must_use]
    pub const fn consequence(self) -> &'static str {
        match self {
            Self::RefreshNow => "Microsoft is asked for new tokens now. Nobody notices.",
            Self::DropSessions => {
                "All MCP sessions end and all streams close. Clients open new ones by themselves; nothing that is under way is lost."
            }
            Self::RevokeClient { .. } => {
                "This client is cut off within a moment. The person has to sign in to add it again."
            }
            Self::Disconnect => {
                "Microsoft's tokens are forgotten, every client is cut off, sessions and streams end. The person can sign in again; pause the account as well to prevent that anything leaves."
            }
            Self::RevokeSignIns => {
                "Microsoft is asked to end all sign-ins of this person on every device, not only here."
            }
            Self::Erase => {
                "Everything that is stored for this person is removed: tokens, grants, sessions and the ledger. The platform's recovery points hold the sealed rows for 30 more days. This cannot be undone here."
            }
            Self::Pause => {
                "No call of this person leaves until it is resumed, also after another sign-in. What waits keeps waiting until its deadline."
            }
            Self::Drain => {
                "No call of this person leaves until it is resumed, and what waits ends now with an error that says so. What has left is brought to its end."
            }
            Self::Resume => "Calls of this person leave again.",
            Self::Reseal => "Everything that is stored for this person is sealed anew under the newest key.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_name_and_no_other_is() {
        for action in Action::PLAIN {
            assert_eq!(Action::named(action.name(), None), Some(action));
            assert_eq!(Action::named(action.name(), Some(GrantId::from_bytes([1; 16]))), None);
        }
        let grant = GrantId::from_bytes([1; 16]);
        assert_eq!(Action::named("revoke-client", Some(grant)), Some(Action::RevokeClient { grant }));
        assert_eq!(Action::named("revoke-client", None), None);
        assert_eq!(Action::named("explode", None), None);
    }
}
