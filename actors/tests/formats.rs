//! The exact bytes of the rows, which a later version finds in objects that nobody has visited for months.
//!
//! What holds here: with a fixed key, fixed entropy and a fixed record the value is the literal that stands here, and the
//! literal is read as the record. These are the rows of schema version 1: a later version gets literals of its own,
//! and those of this one stay for as long as such rows must still be read. A sealed value that was cut or changed
//! anywhere does not open, and a row that was cut is a fault that names its table.

// A test that cannot go on says so by a panic.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use actors::grants::{Grant, PendingCode};
use actors::ledger::{Attempt, Ending, Entry, EntryState, KeyUse, Kind, Place, Purpose, TaskMark, Upkeep};
use actors::refresher::TokenRow;
use actors::sessions::Session;
use actors::store::{MemoryRows, Record, SCHEMA_VERSION, Txn};
use actors::turn::{Entropy, Fault};
use actors::vault::{
    MicrosoftTokens, Slot, open_answer, open_digest_key, open_tokens, seal_answer, seal_digest_key,
    seal_tokens,
};
use actors::watches::{Standing, Watch};
use protocol::config::Config;
use protocol::digest::{from_hex, to_hex};
use protocol::ids::{ChainMark, GrantId, RequestId, SessionId, UserKey};
use protocol::mcp::envelope::ClientCapabilities;
use protocol::mcp::{Revision, Watched};
use protocol::secret::Secret;
use protocol::time::UnixMs;
use protocol::tools::WriteIntent;
use protocol::trace::TraceContext;
use serde_bytes::ByteBuf;

const USER: UserKey = UserKey::from_bytes([0x11; 16]);
const GRANT: GrantId = GrantId::from_bytes([0x22; 16]);
const REQUEST: RequestId = RequestId::from_bytes([0x77; 16]);
const KEY: &[u8] = b"key";
const THEN: UnixMs = UnixMs(1_800_000_000_000);

fn config() -> Config {
    Config::from_settings(|name| {
        let value = match name {
            "PUBLIC_URL" => "https://mcp.example.com",
            "ACCESS_MODE" => "open",
            "GRAPH_API_VERSION" => "v1.0",
            "MICROSOFT_CLIENT_ID" | "MICROSOFT_CLIENT_SECRET" | "MICROSOFT_TENANT_ID" | "GATEWAY_ID" => "x",
            "EGRESS" => "ai_run",
            "ENCRYPTION_KEY" | "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET" => {
                "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
            }
            _ => return None,
        };
        Some(value.to_owned())
    })
    .unwrap()
}

fn entropy() -> Entropy {
    Entropy::new([0x33; 32])
}

/// What the storage port makes of a value.
fn read<R: Record>(value: &[u8]) -> Result<Option<R>, Fault> {
    let mut rows = MemoryRows::default();
    rows.rows.insert((R::TABLE, KEY.to_vec()), value.to_vec());
    Txn::new(&rows).get(KEY)
}

/// A record is written as `golden`, read from it, and from nothing that was cut from it or put behind it.
fn assert_row<R: Record + PartialEq + std::fmt::Debug>(record: &R, golden: &str) {
    let committed = MemoryRows::default();
    let mut txn = Txn::new(&committed);
    txn.put(KEY, record).unwrap();
    let (writes, _) = txn.finish();
    let written = writes.rows[&(R::TABLE, KEY.to_vec())].clone().unwrap();
    assert_eq!(to_hex(&written), golden, "{record:?}");
    let read = read::<R>;
    let value = from_hex(golden).unwrap();
    assert_eq!(read(&value).unwrap().as_ref(), Some(record));
    let corrupt = Fault::CorruptRow { table: R::TABLE.name() };
    for position in 0..value.len() {
        assert_eq!(read(&value[..position]).unwrap_err(), corrupt, "cut to {position} bytes");
        for bit in 0..8 {
            let mut changed = value.clone();
            changed[position] ^= 1 << bit;
            // A changed text is another text; whatever is no record is a fault and never a panic.
            assert!(
                read(&changed).is_ok_and(|read| read.is_some()) || read(&changed) == Err(corrupt.clone())
            );
        }
    }
    assert_eq!(read(&[value.as_slice(), &[0]].concat()).unwrap_err(), corrupt);
}

/// Nothing opens that was cut anywhere, changed in any bit, or prolonged.
fn assert_only_itself(golden: &str, opens: impl Fn(&[u8]) -> bool) {
    let sealed = from_hex(golden).unwrap();
    assert!(opens(&sealed));
    for position in 0..sealed.len() {
        assert!(!opens(&sealed[..position]), "cut to {position} bytes");
        for bit in 0..8 {
            let mut changed = sealed.clone();
            changed[position] ^= 1 << bit;
            assert!(!opens(&changed), "bit {bit} of byte {position}");
        }
    }
    assert!(!opens(&[sealed.as_slice(), &[0]].concat()), "a byte more");
}

#[test]
fn these_are_the_rows_of_version_2() {
    assert_eq!(SCHEMA_VERSION, 2);
}

#[test]
fn sealed_tokens() {
    let tokens = MicrosoftTokens {
        access: Secret::new("access".into()),
        refresh: Secret::new("refresh".into()),
        demanded: None,
    };
    let golden = "\
        01026b31700d3e5ac93f12a7e90dd7dd124283bc549e2634cc4278d594258127fe1c1801b28aa6af05a3bf9a15894771\
        42582067";
    let sealed = seal_tokens(&config(), USER, (Slot::Microsoft, 3), &tokens, &mut entropy()).unwrap();
    assert_eq!(to_hex(&sealed), golden);
    let opened = open_tokens(&config(), USER, (Slot::Microsoft, 3), &sealed).unwrap();
    assert_eq!((opened.access.expose().as_str(), opened.refresh.expose().as_str()), ("access", "refresh"));
    let config = config();
    assert_only_itself(golden, |value| open_tokens(&config, USER, (Slot::Microsoft, 3), value).is_ok());
    assert!(open_tokens(&config, USER, (Slot::Microsoft, 4), &sealed).is_err(), "another generation");
    assert!(open_tokens(&config, USER, (Slot::Access, 3), &sealed).is_err(), "of another issuer");
    assert!(
        open_tokens(&config, UserKey::from_bytes([0x12; 16]), (Slot::Microsoft, 3), &sealed).is_err(),
        "another person"
    );
}

#[test]
fn a_sealed_answer() {
    let golden = "\
        01026b31700d3e5ac93f12a7e90dd7dd02a3261fcab008387bd1c409b318265716bc1837f6dcbd1f9a48157298";
    let sealed = seal_answer(&config(), USER, REQUEST, "{\"result\":{}}", &mut entropy()).unwrap();
    assert_eq!(to_hex(&sealed), golden);
    let config = config();
    assert_eq!(open_answer(&config, USER, REQUEST, &sealed).as_deref(), Some("{\"result\":{}}"));
    assert_only_itself(golden, |value| open_answer(&config, USER, REQUEST, value).is_some());
}

#[test]
fn the_sealed_key_of_digests() {
    let golden = "\
        01026b31700d3e5ac93f12a7e90dd7dda38ae09c48e40673da5b9e6dac406e22f41149ba88155d4a4cd2a34a22de2150\
        a61b56e54005b2dec61b82b2aedff947";
    let sealed = seal_digest_key(&config(), USER, &Secret::new([0x44; 32]), &mut entropy()).unwrap();
    assert_eq!(to_hex(&sealed), golden);
    let config = config();
    assert_eq!(open_digest_key(&config, USER, &sealed).unwrap().expose(), &[0x44; 32]);
    assert_only_itself(golden, |value| open_digest_key(&config, USER, value).is_ok());
}

#[test]
fn the_row_of_the_tokens() {
    let row = TokenRow {
        generation: 3,
        obtained_at: THEN,
        expires_at: UnixMs(THEN.0 + 3_600_000),
        scopes: vec!["Mail.Read".into()],
        sealed: Some(ByteBuf::from([1, 2, 3])),
        needs: None,
        identity: None,
    };
    assert_row(
        &row,
        "\
        a5616e03616f1b000001a3185c500061651b000001a318933e80617081694d61696c2e52656164617443010203",
    );
    assert_row(
        &TokenRow { sealed: None, ..row },
        "\
        a5616e03616f1b000001a3185c500061651b000001a318933e80617081694d61696c2e526561646174f6",
    );
}

#[test]
fn the_row_of_a_grant() {
    let pending = Grant {
        client: "Claude (a1b2c3d4)".into(),
        client_digest: vec![0x55; 32],
        scopes: vec!["mail.read".into()],
        granted_at: THEN,
        code: Some(PendingCode {
            challenge: "challenge".into(),
            redirect_uri: "https://a.example/cb".into(),
        }),
        generation: 0,
        rotated_at: THEN,
        access_identity: None,
        redirect_host: String::new(),
    };
    assert_row(
        &pending,
        "\
        a7616371436c617564652028613162326333643429616458205555555555555555555555555555555555555555555555\
        555555555555555555617381696d61696c2e7265616461611b000001a3185c5000616ba26163696368616c6c656e6765\
        61727468747470733a2f2f612e6578616d706c652f6362616e0061741b000001a3185c5000",
    );
    assert_row(
        &Grant { code: None, generation: 2, ..pending },
        "\
        a7616371436c617564652028613162326333643429616458205555555555555555555555555555555555555555555555\
        555555555555555555617381696d61696c2e7265616461611b000001a3185c5000616bf6616e0261741b000001a3185c\
        5000",
    );
}

#[test]
fn the_row_of_a_session() {
    let session = Session {
        revision: Revision::November2025,
        grant: GRANT,
        client_name: "end-to-end 1".into(),
        opened_at: THEN,
        used_at: THEN,
        watched: BTreeSet::new(),
        events: Vec::new(),
        handed_out: 0,
        capabilities: ClientCapabilities::default(),
    };
    assert_row(
        &session,
        "\
            a661726a323032352d31312d32356167502222222222222222222222222222222261636c656e642d746f2d656e\
            642031616f1b000001a3185c500061751b000001a3185c5000616800",
    );
    // A session that was opened before events were kept, by the first program of version 1.
    let before = "\
        a561726a323032352d31312d32356167502222222222222222222222222222222261636c656e642d746f2d656e642031\
        616f1b000001a3185c500061751b000001a3185c5000";
    assert_eq!(read(&from_hex(before).unwrap()), Ok(Some(session.clone())));
    let watching = Session {
        watched: [Watched::Inbox, Watched::Calendar].into(),
        events: vec![(6, Watched::Calendar), (7, Watched::Inbox)],
        handed_out: 6,
        ..session
    };
    assert_row(
        &watching,
        "\
            a861726a323032352d31312d32356167502222222222222222222222222222222261636c656e642d746f2d656e\
            642031616f1b000001a3185c500061751b000001a3185c5000617782616d6163616582820661638207616d6168\
            06",
    );
}

#[test]
fn the_rows_of_watched_things() {
    let standing = Standing {
        id: "s-1".into(),
        client_state: [0x66; 16],
        expires_at: THEN,
        must_reauthorize: false,
        key: "k1".into(),
    };
    assert_row(
        &Watch { standing: Some(standing), ..Watch::default() },
        "a46173a5616963732d316164506666666666666666666666666666666661651b000001a3185c50006161f4616b626b31616600616e006172f4",
    );
    let refused = Watch { failures: 3, not_before: THEN, is_refused: true, ..Watch::default() };
    assert_row(&refused, "a46173f6616603616e1b000001a3185c50006172f5");
}

#[test]
fn the_row_of_a_task() {
    let task = Entry {
        inquiry: Some(ByteBuf::from([4, 5])),
        task: Some(TaskMark { changed_at: THEN, is_error: true }),
        trace: TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ..Entry::new(Kind::Tool("sendEmail".into()), true, [0x66; 16])
    };
    assert_row(
        &task,
        "\
        b661736171616ba161746973656e64456d61696c6177f56163606167f6616df66169f66172f661625066666666666666\
        6666666666666666666179f6616e006166f66165f6616ff6616c806178806174f66164f46161f661714204056168a261\
        631b000001a3185c50006165f5617658180af7651916cd43dd8448eb211c80319cb7ad6b7169203331",
    );
}

#[test]
fn the_row_of_an_entry_with_attempts_and_a_place_in_the_chain() {
    let lost = Attempt {
        purpose: Purpose::Call,
        sent_ms: 12,
        took_ms: Some(30_000),
        ending: Some(Ending::Timeout),
        gateway_log_id: None,
        graph_request_id: None,
    };
    let found = Attempt {
        purpose: Purpose::Reconcile,
        sent_ms: 31_012,
        took_ms: Some(140),
        ending: Some(Ending::Answered(200)),
        gateway_log_id: Some("log-2".into()),
        graph_request_id: Some("graph-2".into()),
    };
    let under_way = Attempt { purpose: Purpose::Token, took_ms: None, ending: None, ..lost.clone() };
    let settled = Entry {
        state: EntryState::Done,
        attempts: vec![lost, found, under_way],
        chain: Some(Place { sequence: 7, link: ChainMark::from_bytes([0xcc; 16]), failed: 2, unknown: 1 }),
        ..Entry::new(Kind::RevokeSignIns, true, [0x66; 16])
    };
    assert_row(
        &settled,
        "\
        b561736164616b616f6177f56163606167f6616df66169f66172f6616250666666666666666666666666666666666179\
        f6616e006166f66165f6616ff6616c806178806174f66164f46161f6617083a46170616361730c616519753061726174\
        a66170617261731979246165188c6172a1616118c8616c656c6f672d3261786767726170682d32a26170617461730c61\
        7aa4616e07616c50cccccccccccccccccccccccccccccccc616602617501",
    );
}

#[test]
fn the_rows_of_the_ledger() {
    let kind = Kind::Tool("sendEmail".into());
    let fresh = Entry::new(kind, true, [0x66; 16]);
    assert_row(
        &fresh,
        "\
        b361736171616ba161746973656e64456d61696c6177f56163606167f6616df66169f66172f661625066666666666666\
        6666666666666666666179f6616e006166f66165f6616ff6616c806178806174f66164f46161f6",
    );
    let under_way = Entry {
        state: EntryState::InFlight,
        client: "Claude (a1b2c3d4)".into(),
        grant: Some(GRANT),
        session: Some(SessionId::from_bytes([0x88; 16])),
        in_session: Some([0x99; 16]),
        idempotency_key: Some([0xaa; 16]),
        calls: 2,
        sent_at: Some(THEN),
        intent: Some(WriteIntent::SendDraft { draft: "AAMk=".into() }),
        ..fresh.clone()
    };
    assert_row(
        &under_way,
        "\
        b361736166616ba161746973656e64456d61696c6177f5616371436c6175646520286131623263336434296167502222\
        2222222222222222222222222222616d50888888888888888888888888888888886169f6617250999999999999999999\
        9999999999999961625066666666666666666666666666666666617950aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa616e02\
        61661b000001a3185c50006165f6616ff6616c806178806174a16953656e644472616674a16564726166746541414d6b\
        3d6164f46161f6",
    );
    let done = Entry {
        state: EntryState::Done,
        joined: vec![ByteBuf::from([0xbb; 16])],
        settled_at: Some(UnixMs(THEN.0 + 1_000)),
        outcome: Some("ok".into()),
        gateway_log_ids: vec!["log-1".into()],
        graph_request_ids: vec!["graph-1".into()],
        intent: None,
        delivered: true,
        answer: Some(ByteBuf::from([1, 2, 3])),
        ..under_way
    };
    assert_row(
        &done,
        "\
        b461736164616ba161746973656e64456d61696c6177f5616371436c6175646520286131623263336434296167502222\
        2222222222222222222222222222616d50888888888888888888888888888888886169f6617250999999999999999999\
        99999999999999616a8150bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb616250666666666666666666666666666666666179\
        50aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa616e0261661b000001a3185c500061651b000001a3185c53e8616f626f6b61\
        6c81656c6f672d316178816767726170682d316174f66164f5616143010203",
    );
    for (kind, golden) in [
        (
            Kind::Refresh,
            "\
        b361736171616b61726177f46163606167f6616df66169f66172f6616250666666666666666666666666666666666179\
        f6616e006166f66165f6616ff6616c806178806174f66164f46161f6",
        ),
        (
            Kind::Connect,
            "\
                b361736171616b61636177f46163606167f6616df66169f66172f6616250666666666666666666666666666666\
                666179f6616e006166f66165f6616ff6616c806178806174f66164f46161f6",
        ),
    ] {
        assert_row(&Entry::new(kind, false, [0x66; 16]), golden);
    }
}

#[test]
fn the_intents_of_writes() {
    let calendar = Some("AAMk=".to_owned());
    for (intent, golden) in [
        (
            WriteIntent::CreateDraft,
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c8061788061746b43726561746544726166746164f46161f6",
        ),
        (
            WriteIntent::SendMail,
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c8061788061746853656e644d61696c6164f46161f6",
        ),
        (
            WriteIntent::CreateEvent { calendar },
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c806178806174a16b4372656174654576656e74a16863616c656e64617265\
            41414d6b3d6164f46161f6",
        ),
        (
            WriteIntent::CreateEvent { calendar: None },
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c806178806174a16b4372656174654576656e74a16863616c656e646172f6\
            6164f46161f6",
        ),
        (
            WriteIntent::CreateMeeting,
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c8061788061746d4372656174654d656574696e676164f46161f6",
        ),
        (
            WriteIntent::PostMessage,
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c8061788061746b506f73744d6573736167656164f46161f6",
        ),
        (
            WriteIntent::ChangeItem,
            "\
            b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
            006179f6616e006166f66165f6616ff6616c8061788061746a4368616e67654974656d6164f46161f6",
        ),
        (
            WriteIntent::ChangeEvent { event: "AAMk=".into(), version: "Dw==".into(), ends: true },
            "\
        b361736171616ba1617461746177f56163606167f6616df66169f66172f6616250000000000000000000000000000000\
        006179f6616e006166f66165f6616ff6616c806178806174a16b4368616e67654576656e74a3656576656e746541414d\
        6b3d6776657273696f6e6444773d3d64656e6473f56164f46161f6",
        ),
    ] {
        let entry = Entry { intent: Some(intent), ..Entry::new(Kind::Tool("t".into()), true, [0; 16]) };
        assert_row(&entry, golden);
    }
}

#[test]
fn the_use_of_an_idempotency_key() {
    assert_row(&KeyUse(REQUEST), "5077777777777777777777777777777777");
}

#[test]
fn the_upkeep_of_an_object() {
    for (floor, golden) in [
        (
            None,
            "\
        a56166f661701b000001a3185c5000616200616b606173f6",
        ),
        (
            Some(REQUEST),
            "\
        a56166507777777777777777777777777777777761701b000001a3185c5000616200616b606173f6",
        ),
    ] {
        let upkeep = Upkeep { floor, pruned_at: THEN, ..Upkeep::default() };
        let mut written = Vec::new();
        ciborium::into_writer(&upkeep, &mut written).unwrap();
        assert_eq!(to_hex(&written), golden);
        assert_eq!(ciborium::from_reader::<Upkeep, _>(written.as_slice()).unwrap(), upkeep);
    }
}

#[test]
fn the_upkeep_that_version_1_left() {
    let golden = "a26166f661701b000001a3185c5000";
    let read: Upkeep = ciborium::from_reader(from_hex(golden).unwrap().as_slice()).unwrap();
    assert_eq!(read, Upkeep { pruned_at: THEN, ..Upkeep::default() });
}
