//! One command of each kind of the contract between edge and object, whose bytes are pinned beside it.

use protocol::ids::RequestId;
use protocol::jsonrpc::Id;
use protocol::notification::{Notice, Says};
use protocol::object::{
    Attach, Command, Connect, Consented, Link, Listen, McpMessage, Redeem, Renew, SignIn,
};
use protocol::stream::StreamKey;
use protocol::time::DurationMs;

use super::{USER, ticket};

pub fn stream() -> StreamKey {
    // A request ID is a UUID of version 8, and as a text it is read as nothing else.
    let mut bytes = [0x77; 16];
    bytes[6] = 0x87;
    bytes[8] = 0xb7;
    StreamKey { request: RequestId::from_bytes(bytes), id: Id::Text("a".into()) }
}

fn connect() -> Connect {
    Connect {
        ticket: ticket(),
        code: "code".into(),
        pkce_verifier: "verifier".into(),
        nonce: "nonce".into(),
        redirect_uri: "https://mcp.example.com/callback".into(),
        stepped_up: false,
    }
}

fn sign_in() -> SignIn {
    SignIn {
        client_digest: vec![0x44; 32],
        code_challenge: "challenge".into(),
        redirect_uri: "https://app.example/cb".into(),
        access_token: "access".into(),
        refresh_token: "refresh".into(),
        lives_for: DurationMs::from_secs(3_600),
        granted: vec!["Mail.Read".into()],
        stepped_up: false,
        access: None,
    }
}

/// Every command of the contract between edge and object.
pub fn commands() -> Vec<Command> {
    let message = McpMessage {
        session: Some("66666666666666666666666666666666".into()),
        revision: Some("2025-11-25".into()),
        in_batch: false,
        accepts_stream: true,
        stateless: None,
        trace: None,
        assertion: None,
        body: br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_vec(),
    };
    let redeem = Redeem {
        client_digest: vec![0x44; 32],
        challenge: "challenge".into(),
        redirect_uri: Some("https://app.example/cb".into()),
    };
    let renew =
        Renew { client_digest: vec![0x44; 32], generation: 7, scopes: Some(vec!["mail.read".into()]) };
    vec![
        Command::Mcp(message),
        Command::Attach(Attach { session: None, stream: stream(), is_restored: false }),
        Command::EndSession { session: "66".into() },
        Command::Connect(Box::new(connect())),
        Command::SignIn(sign_in()),
        Command::Redeem(redeem),
        Command::Renew(renew),
        Command::Revoke { client_digest: vec![0x44; 32] },
        Command::Listen(Listen::Session { session: "66".into(), after: Some(3), is_restored: false }),
        Command::Listen(Listen::Subscription {
            id: Id::Integer(1),
            uris: vec!["u".into()],
            is_restored: true,
        }),
        Command::Notified {
            notices: vec![Notice {
                subscription: "s-1".into(),
                client_state: "secret".into(),
                says: Says::Changed,
            }],
        },
        Command::Claim { claimant: USER },
        Command::Release { claimant: USER },
        Command::Link(Link {
            account: USER,
            access_token: "access".into(),
            refresh_token: "refresh".into(),
            lives_for: DurationMs::from_secs(3_600),
            granted: vec!["Mail.Read".into()],
            stepped_up: true,
        }),
        Command::Consented(Consented {
            client_digest: vec![0x44; 32],
            redirect_host: "app.example".into(),
            scopes: vec!["mail.read".into()],
        }),
    ]
}
