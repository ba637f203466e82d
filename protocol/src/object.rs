//! The contract between the edge and a user's object: what the edge asks and what it gets back.
//!
//! What holds here: the edge has authenticated the caller before it speaks, and the object checks again what only
//! it can know (the grant). Both directions are CBOR (RFC 8949); a message of a client travels inside as the bytes
//! that came, so that neither side depends on how the other would write JSON.

use serde::{Deserialize, Serialize};

use crate::access::sign_in::AccessTokens;
use crate::cbor;
use crate::connect::ConnectTicket;
use crate::ids::{AddressMark, GrantId, RequestId, SessionId, UserKey};
use crate::jsonrpc::Id;
use crate::mcp::envelope::Stateless;
use crate::notification::Notice;
use crate::operator::Order;
use crate::stream::{EventId, StreamKey};
use crate::time::DurationMs;
use crate::trace::TraceContext;

/// Who asks, as the edge established it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Whose object is meant.
    pub user: UserKey,
    /// The grant that the access token stands on.
    pub grant: GrantId,
    /// The OAuth client.
    pub client: String,
    /// The scopes of the token.
    pub scopes: Vec<String>,
    /// The subject under which Cloudflare Access knows the person, where it takes part.
    pub access_identity: Option<String>,
}

/// One request of the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRequest {
    /// The identifier under which everything about this request can be found.
    pub request: RequestId,
    /// Who asks.
    pub caller: Caller,
    /// What is asked.
    pub command: Command,
}

/// What the edge can ask of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Serve one MCP message.
    Mcp(McpMessage),
    /// Send what a late answer's stream holds over the socket that this request opens.
    Attach(Attach),
    /// Send what changes over the socket that this request opens.
    Listen(Listen),
    /// Microsoft, or somebody who found its address, says that something has changed.
    Notified {
        /// What was said, each once.
        notices: Vec<Notice>,
    },
    /// End an MCP session (HTTP DELETE).
    EndSession {
        /// The `Mcp-Session-Id` header as it came.
        session: String,
    },
    /// Redeem Microsoft's authorization code and connect the account.
    Connect(Box<Connect>),
    /// A person signed in: store the Microsoft tokens and the grant, whose code the client will redeem.
    SignIn(Box<SignIn>),
    /// Redeem an authorization code of this server.
    Redeem(Redeem),
    /// Renew a grant's tokens.
    Renew(Renew),
    /// Say whether the person agreed to a client already.
    Consented(Consented),
    /// Withdraw a grant (RFC 7009).
    Revoke {
        /// The digest of the client's identifier.
        #[serde(with = "serde_bytes")]
        client_digest: Vec<u8>,
    },
    /// Note who uses this object's Microsoft account, where Access stands in front. There is never a second one.
    Claim {
        /// The object that asks.
        claimant: UserKey,
    },
    /// Forget the claim of this object, which was of no use to it.
    Release {
        /// The object that asks.
        claimant: UserKey,
    },
    /// Store the Microsoft tokens of an account that was claimed for this object.
    Link(Link),
    /// Do what an operator asks. The caller's client is the operator, as the audit trail names operators.
    Operate(Box<Order>),
}

/// What the edge established when a person connected a Microsoft account, where Access stands in front.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The object that the account itself names.
    pub account: UserKey,
    /// Microsoft's access token for Graph.
    pub access_token: String,
    /// Microsoft's refresh token.
    pub refresh_token: String,
    /// How long the access token lives.
    pub lives_for: DurationMs,
    /// The Graph permissions that Microsoft granted.
    pub granted: Vec<String>,
    /// Whether Microsoft was asked with the claims that it had demanded.
    pub stepped_up: bool,
    /// The keyed digests of the account's addresses ([`address_marks`](crate::operator::directory::address_marks)), by
    /// the newest key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressMark>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Link({}, permissions {:?}, tokens hidden)", self.account, self.granted)
    }
}

/// What the edge established when a person signed in with Microsoft.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The digest of the client's identifier.
    #[serde(with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// The PKCE challenge that the redemption must meet.
    pub code_challenge: String,
    /// The redirect URI that the redemption must repeat.
    pub redirect_uri: String,
    /// Microsoft's access token for Graph.
    pub access_token: String,
    /// Microsoft's refresh token.
    pub refresh_token: String,
    /// How long the access token lives.
    pub lives_for: DurationMs,
    /// The Graph permissions that Microsoft granted.
    pub granted: Vec<String>,
    /// Whether Microsoft was asked with the claims that it had demanded.
    pub stepped_up: bool,
    /// The keyed digests of the account's addresses ([`address_marks`](crate::operator::directory::address_marks)), by
    /// the newest key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressMark>,
    /// What Access issued, where the person signed in through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessTokens>,
}

/// What the object answers with [`STEP_UP`] when a sign-in does not meet what Microsoft demanded of this person earlier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepUp {
    /// The demanded claims as JSON text, for one more journey to Microsoft.
    pub claims: String,
}

/// The status of an answer that holds a [`StepUp`].
pub const STEP_UP: u16 = 409;

impl std::fmt::Debug for SignIn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SignIn(permissions {:?}, tokens hidden)", self.granted)
    }
}

/// The redemption of an authorization code of this server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redeem {
    /// The digest of the identifier of the client that redeems.
    #[serde(with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// The digest of the PKCE verifier, in the form of a challenge.
    pub challenge: String,
    /// The redirect URI, if the client repeated it.
    pub redirect_uri: Option<String>,
}

/// The renewal of a grant's tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    /// The digest of the identifier of the client that renews.
    #[serde(with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// The generation that its refresh token carries.
    pub generation: u32,
    /// The scopes that it asks for, if fewer than the grant's.
    pub scopes: Option<Vec<String>>,
}

/// What a person would be asked to agree to. The object answers 204 if a grant that stands covers it, else 404.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consented {
    /// The digest of the client's identifier.
    #[serde(with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// The host that gets the answer.
    pub redirect_host: String,
    /// The scopes.
    pub scopes: Vec<String>,
}

/// The object's answer to a redemption or a renewal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// The client's name.
    pub client: String,
    /// The scopes of the tokens to issue.
    pub scopes: Vec<String>,
    /// The generation of the refresh token to issue.
    pub generation: u32,
    /// The subject under which Access knows the person, where it took part in the sign-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_identity: Option<String>,
}

/// One MCP message of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpMessage {
    /// The `Mcp-Session-Id` header as it came.
    pub session: Option<String>,
    /// The `MCP-Protocol-Version` header as it came.
    pub revision: Option<String>,
    /// Whether the message came in an array with others.
    pub in_batch: bool,
    /// Whether the client takes server-sent events, so that a late answer may come as a stream.
    pub accepts_stream: bool,
    /// What a request of the revision without sessions carries; none in sessions.
    pub stateless: Option<Stateless>,
    /// The trace that the header `traceparent` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// The assertion with which Access let this very request pass; only where a linked app may be called with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assertion: Option<Assertion>,
    /// The JSON text.
    #[serde(with = "serde_bytes")]
    pub body: Vec<u8>,
}

/// An assertion of Access on its way through. It is never stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Assertion(pub String);

impl std::fmt::Debug for Assertion {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Assertion(hidden)")
    }
}

/// The opening or resumption of the stream on which one request is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The `Mcp-Session-Id` header as it came; none in the revision without sessions.
    pub session: Option<String>,
    /// The stream.
    pub stream: StreamKey,
    /// Whether the stream was opened before and only the core is new.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_restored: bool,
}

/// The opening of a stream that stays open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// A session's own stream.
    Session {
        /// The `Mcp-Session-Id` header as it came.
        session: String,
        /// The number of the last event that the client has, where it comes back.
        after: Option<u64>,
        /// Whether the stream was opened before and only the core is new.
        is_restored: bool,
    },
    /// `subscriptions/listen` of MCP 2026-07-28.
    Subscription {
        /// The request's id, which names the subscription.
        id: Id,
        /// The resources whose changes are asked for, as they came.
        uris: Vec<String>,
        /// Whether the stream was opened before and only the core is new.
        is_restored: bool,
    },
}

impl Command {
    /// The same for a core that is newer than the stream that was opened with it.
    #[must_use]
    pub fn restored(self) -> Self {
        match self {
            Self::Listen(Listen::Session { session, .. }) => {
                Self::Listen(Listen::Session { session, after: None, is_restored: true })
            }
            Self::Listen(Listen::Subscription { id, uris, .. }) => {
                Self::Listen(Listen::Subscription { id, uris, is_restored: true })
            }
            Self::Attach(attach) => Self::Attach(Attach { is_restored: true, ..attach }),
            other => other,
        }
    }
}

/// The second half of connecting a Microsoft account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The ticket that began it.
    pub ticket: ConnectTicket,
    /// Microsoft's authorization code.
    pub code: String,
    /// The PKCE verifier of the journey.
    pub pkce_verifier: String,
    /// The nonce that the ID token must repeat.
    pub nonce: String,
    /// The redirect URI of the journey, which the token endpoint compares.
    pub redirect_uri: String,
    /// Whether Microsoft was asked with the claims that it had demanded.
    pub stepped_up: bool,
}

impl std::fmt::Debug for Connect {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Connect(client {:?}, credentials hidden)", self.ticket.client)
    }
}

/// Why the edge has to add a challenge to the answer (RFC 6750, section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The grant behind the token is gone.
    InvalidToken,
    /// The grant stands, but Microsoft wants the person to sign in again.
    SignInAgain,
    /// The token lacks a scope. All that the client should ask for, divided by spaces: the one that lacks first, then those
    /// that it has, because clients ask for exactly what they are told (MCP 2025-11-25, basic/authorization).
    InsufficientScope(String),
}

/// The answer is late and will come on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// The stream's name, under which it is attached to.
    pub stream: StreamKey,
    /// Whether the stream begins with an event that has an ID and no data, so that it can be resumed from its start.
    pub primes: bool,
}

/// What the object answers; the shell turns it into an HTTP response that the edge passes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectReply {
    /// The HTTP status.
    pub status: u16,
    /// The id of a session that was opened by this request.
    pub session: Option<SessionId>,
    /// The JSON body; none for 202 and 204.
    pub body: Option<String>,
    /// The challenge that the edge has to add.
    pub challenge: Option<Challenge>,
    /// The ledger entry whose answer this is: for a repeat, that of the first.
    pub answers: Option<RequestId>,
    /// Whether it is the final answer to a write.
    pub is_final: bool,
    /// Whether the object wants to know that the answer was taken.
    pub delivers: bool,
    /// The answer is not here yet; it will come on this stream.
    pub late: Option<Late>,
    /// The ID of the event as which the answer travels, where its stream can be resumed.
    pub event: Option<EventId>,
    /// How long the client should wait before it asks again (RFC 9110, section 10.2.3).
    pub retry_after: Option<DurationMs>,
}

impl ObjectReply {
    /// A JSON body with status 200.
    #[must_use]
    pub fn json(body: String) -> Self {
        Self::status_with_body(200, body)
    }

    /// A status without a body.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            session: None,
            body: None,
            challenge: None,
            answers: None,
            is_final: false,
            delivers: false,
            late: None,
            event: None,
            retry_after: None,
        }
    }

    /// The answer is late and comes on a stream.
    #[must_use]
    pub fn late(late: Late) -> Self {
        Self { late: Some(late), ..Self::status(202) }
    }

    /// A refusal that the edge completes with a challenge.
    #[must_use]
    pub fn challenged(challenge: Challenge) -> Self {
        let status = match &challenge {
            Challenge::InvalidToken | Challenge::SignInAgain => 401,
            Challenge::InsufficientScope(_) => 403,
        };
        Self { challenge: Some(challenge), ..Self::status(status) }
    }

    /// A JSON body with any status.
    #[must_use]
    pub const fn status_with_body(status: u16, body: String) -> Self {
        Self {
            status,
            session: None,
            body: Some(body),
            challenge: None,
            answers: None,
            is_final: false,
            delivers: false,
            late: None,
            event: None,
            retry_after: None,
        }
    }
}

/// A CBOR text that is not what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Writes a request for the wire.
///
/// # Errors
/// [`Malformed`] when the value cannot be written, which is a fault of this server.
pub fn encode(request: &ObjectRequest) -> Result<Vec<u8>, Malformed> {
    cbor::encode(request).ok_or(Malformed)
}

/// Reads a request from the wire.
///
/// # Errors
/// [`Malformed`] when it is not a request of this version, and nothing else behind it.
pub fn decode(bytes: &[u8]) -> Result<ObjectRequest, Malformed> {
    cbor::decode(bytes).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip_and_rubbish_is_refused() {
        let request = ObjectRequest {
            request: RequestId::from_bytes([3; 16]),
            caller: Caller {
                user: UserKey::from_bytes([1; 16]),
                grant: GrantId::from_bytes([2; 16]),
                client: "c".into(),
                scopes: vec!["mail.read".into()],
                access_identity: None,
            },
            command: Command::Mcp(McpMessage {
                session: Some("s".into()),
                revision: None,
                in_batch: false,
                accepts_stream: true,
                stateless: Some(Stateless::default()),
                trace: None,
                assertion: Some(Assertion("a.b.c".into())),
                body: b"{\"a\":1}".to_vec(),
            }),
        };
        assert_eq!(decode(&encode(&request).unwrap()), Ok(request));
        assert_eq!(decode(b"{}"), Err(Malformed));
        assert_eq!(decode(&[]), Err(Malformed));
    }
}
