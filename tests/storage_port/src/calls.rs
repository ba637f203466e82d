//! Calls of the real core on any storage, with the rows that each reads and writes: the same ones on SQLite inside workerd
//! and on the reference in memory.
//!
//! What holds here: a call is the turns that the shell would run for it, with answers that stand here; the ledger is filled
//! beforehand with as many settled entries as asked for, older than anything that a call could mean. Nothing is timed,
//! because a Worker's clock stands still while it computes.

use std::rc::Rc;

use actors::grants::{Grant, Grants};
use actors::ledger::{Entry, EntryState, Kind};
use actors::refresher::Refresher;
use actors::store::{MemoryRows, Rows, Table, Txn, WriteSet};
use actors::turn::{Commit, Effect, Entropy, Fault, Input, Outbound, ReplyTo, Turn, run};
use actors::user_session::UserSession;
use ciborium::Value;
use protocol::config::Config;
use protocol::entra::Tokens;
use protocol::ids::{GrantId, OpId, RequestId, UserKey};
use protocol::object::{Caller, Command, McpMessage, ObjectRequest};
use protocol::outbound::{Answer, CallResult};
use protocol::secret::Secret;
use protocol::time::{DurationMs, UnixMs};

/// A storage that counts.
pub(crate) trait Counted: Rows {
    /// Applies a write set.
    fn apply(&self, writes: &WriteSet) -> Result<(), Fault>;
    /// Rows read and rows written so far.
    fn counts(&self) -> (u64, u64);
}

struct Disk<'a, S>(&'a S, u64);

impl<S: Counted> Commit for Disk<'_, S> {
    fn commit(&mut self, writes: &WriteSet) -> Result<(), Fault> {
        self.1 += u64::from(writes.alarm.is_some());
        self.0.apply(writes)
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The object comes back into memory and serves the simplest of requests.
    Recovery,
    /// `getEmails`
    Read,
    /// `sendEmail` as a draft that is then sent.
    Write,
    /// The same `getEmails` once more.
    Repeat,
    /// An alarm that finds nothing to do.
    Alarm,
}

impl What {
    pub(crate) const ALL: [Self; 5] = [Self::Recovery, Self::Read, Self::Write, Self::Repeat, Self::Alarm];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recovery => "recovery and ping",
            Self::Read => "read",
            Self::Write => "write in two steps",
            Self::Repeat => "repeat of a read",
            Self::Alarm => "alarm",
        }
    }
}

/// Rows of one call, the alarm counted as a row written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) read: u64,
    pub(crate) written: u64,
}

const START: UnixMs = UnixMs(1_800_000_000_000);
const USER: UserKey = UserKey::from_bytes([5; 16]);
const GRANT: GrantId = GrantId::from_bytes([6; 16]);
const SCOPES: [&str; 2] = ["mail.read", "mail.send"];

/// The oldest entry that is filled in is so old.
const FILLED_OVER: DurationMs = DurationMs::from_secs(60 * 24 * 60 * 60);

fn config() -> Result<Config, Fault> {
    Config::from_settings(|name| {
        let value = match name {
            "PUBLIC_URL" => "https://mcp.example.com",
            "ACCESS_MODE" => "open",
            "GRAPH_API_VERSION" => "v1.0",
            "RATE_LIMIT_PER_MINUTE" => "1000000",
            "MICROSOFT_CLIENT_ID" => "client",
            "MICROSOFT_CLIENT_SECRET" => "secret",
            "MICROSOFT_TENANT_ID" => "11111111-2222-4333-8444-555555555555",
            "EGRESS" => "ai_run",
            "GATEWAY_ID" => "m365-gateway",
            "ENCRYPTION_KEY" | "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET" => {
                "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
            }
            _ => return None,
        };
        Some(value.to_owned())
    })
    .map_err(|_| Fault::Invariant("the settings of the measurement are wrong"))
}

/// The identifier of the filled entry with this number, of `count`.
pub(crate) fn filled_id(number: u64, count: u64) -> RequestId {
    let age = FILLED_OVER.0 - FILLED_OVER.0 / 2 * number / count.max(1);
    let [.., r0, r1, r2, r3, r4] = number.to_be_bytes();
    RequestId::new(START.minus(DurationMs(age)), &USER, [r0, r1, r2, r3, r4])
}

/// The value of every filled entry: a mail that was sent, with its receipt.
pub(crate) fn filled_value() -> Result<Vec<u8>, Fault> {
    let mut entry = Entry::new(Kind::Tool("sendEmail".to_owned()), true, [3; 16]);
    entry.state = EntryState::Done;
    entry.settled_at = Some(START.minus(FILLED_OVER));
    entry.outcome = Some("ok".to_owned());
    entry.delivered = true;
    entry.gateway_log_ids = vec!["01a206eb-d8d1-74aa-8f41-c1c66a41d93c".to_owned(); 2];
    entry.graph_request_ids = vec!["e15758a7-23fe-4407-a140-38c4bef70f34".to_owned(); 2];
    entry.answer = Some(vec![1; 200].into());
    let rows = MemoryRows::default();
    let mut txn = Txn::new(&rows);
    txn.put(b"", &entry)?;
    txn.finish().0.rows.into_values().flatten().next().ok_or(Fault::Invariant("no value"))
}

/// One person's object at work.
pub(crate) struct Calls<S> {
    storage: Rc<S>,
    config: Rc<Config>,
    core: UserSession,
    now: UnixMs,
    session: Option<String>,
    counter: u64,
}

impl<S: Counted> Calls<S> {
    /// Connects an account on an empty storage and opens a session.
    pub(crate) fn connected(storage: Rc<S>) -> Result<Self, Fault> {
        let config = Rc::new(config()?);
        let mut txn = Txn::new(&*storage);
        let scopes: Vec<String> = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
        Grants::default().insert(&mut txn, GRANT, Grant::by_link("client".to_owned(), scopes, START))?;
        let tokens = Tokens {
            access_token: Secret::new("access".to_owned()),
            refresh_token: Some(Secret::new("refresh".to_owned())),
            id_token: None,
            lives_for: DurationMs::from_secs(10 * 24 * 60 * 60),
            scopes: ["Mail.ReadWrite", "Mail.Send"].map(str::to_owned).to_vec(),
        };
        Refresher::default().connected(
            &mut txn,
            (&config, USER),
            tokens,
            START,
            &mut Entropy::new([3; 32]),
        )?;
        storage.apply(&txn.finish().0)?;
        let core = UserSession::recover(config.clone(), &*storage, START)?;
        let mut calls = Self { storage, config, core, now: START, session: None, counter: 0 };
        calls.ask(
            "initialize",
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}"#,
        )?;
        Ok(calls)
    }

    /// Tells the object of the entries that were filled in, as if it had counted them when they were made, and rebuilds
    /// it from its rows.
    pub(crate) fn adopt(&mut self, count: u64) -> Result<(), Fault> {
        let broken = Fault::Invariant("the object's own row is not as expected");
        let row = self.storage.get(Table::Meta, b"object")?.ok_or(broken.clone())?;
        let mut meta: Value = ciborium::from_reader(row.as_slice()).map_err(|_| broken.clone())?;
        let upkeep = member(&mut meta, "l").ok_or(broken.clone())?;
        *member(upkeep, "b").ok_or(broken.clone())? = Value::from(count);
        let floor = RequestId::first_at(START.minus(DurationMs::from_secs(60 * 60)));
        *member(upkeep, "f").ok_or(broken.clone())? = Value::Bytes(floor.as_bytes().to_vec());
        let mut bytes = Vec::new();
        ciborium::into_writer(&meta, &mut bytes).map_err(|_| broken)?;
        let mut writes = WriteSet::default();
        writes.rows.insert((Table::Meta, b"object".to_vec()), Some(bytes));
        self.storage.apply(&writes)?;
        self.recover()
    }

    fn recover(&mut self) -> Result<(), Fault> {
        self.core = UserSession::recover(self.config.clone(), &*self.storage, self.now)?;
        Ok(())
    }

    /// Does one thing and says what it cost.
    pub(crate) fn measure(&mut self, what: What) -> Result<Cost, Fault> {
        self.now = self.now.plus(DurationMs(50));
        let (read, written) = self.storage.counts();
        let mut alarms = 0;
        match what {
            What::Recovery => {
                self.recover()?;
                alarms += self.ask("ping", "{}")?.1;
            }
            What::Read | What::Repeat => {
                if what == What::Repeat {
                    self.counter -= 1;
                }
                let (sent, alarm) =
                    self.ask("tools/call", r#"{"name":"getEmails","arguments":{"count":1}}"#)?;
                alarms += alarm;
                if let Some(op) = sent {
                    alarms += self.answer(op, 200, r#"{"value":[]}"#)?.1;
                }
            }
            What::Write => {
                let params = format!(
                    r#"{{"name":"sendEmail","arguments":{{"to":["a@example.com"],"subject":"{}","body":"B"}}}}"#,
                    self.counter
                );
                let (draft, first) = self.ask("tools/call", &params)?;
                let draft = draft.ok_or(Fault::Invariant("no draft was made"))?;
                let (send, second) = self.answer(draft, 201, r#"{"id":"D","isDraft":true}"#)?;
                let send = send.ok_or(Fault::Invariant("the draft was not sent"))?;
                let (_, third) = self.answer(send, 202, "")?;
                let (_, fourth) = self.turn(Input::Delivered { request: send.request })?;
                alarms += first + second + third + fourth;
            }
            What::Alarm => alarms += self.turn(Input::Alarm)?.1,
        }
        let (read_now, written_now) = self.storage.counts();
        Ok(Cost { read: read_now - read, written: written_now - written + alarms })
    }

    fn ask(&mut self, method: &str, params: &str) -> Result<(Option<OpId>, u64), Fault> {
        self.counter += 1;
        let id = self.counter;
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#);
        let message = McpMessage {
            session: self.session.clone(),
            revision: None,
            in_batch: false,
            accepts_stream: false,
            stateless: None,
            trace: None,
            assertion: None,
            body: body.into_bytes(),
        };
        let caller = Caller {
            user: USER,
            grant: GRANT,
            client: "client".to_owned(),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            access_identity: None,
        };
        let [.., a, b, c, d, e] = self.now.0.wrapping_mul(31).wrapping_add(id).to_be_bytes();
        let request = RequestId::new(self.now, &USER, [a, b, c, d, e]);
        let request = ObjectRequest { request, caller, command: Command::Mcp(message) };
        self.turn(Input::Request { to: ReplyTo(id), request })
    }

    fn answer(&mut self, op: OpId, status: u16, body: &str) -> Result<(Option<OpId>, u64), Fault> {
        let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
        self.turn(Input::CallDone { op, result: CallResult::Answered(answer) })
    }

    /// Runs a turn; yields the Graph call that left and the alarms that were set.
    fn turn(&mut self, input: Input) -> Result<(Option<OpId>, u64), Fault> {
        self.now = self.now.plus(DurationMs(1));
        let mut seed = [0; 32];
        for (to, from) in seed.iter_mut().zip(self.now.0.to_be_bytes()) {
            *to = from;
        }
        let turn = Turn { now: self.now, entropy: Entropy::new(seed) };
        let mut disk = Disk(&*self.storage, 0);
        let effects = run(&mut self.core, &*self.storage, &mut disk, turn, input)?;
        let mut sent = None;
        for effect in effects {
            match effect {
                Effect::Send { op, outbound: Outbound::Graph { .. } } => sent = Some(op),
                Effect::Reply { reply, .. } => {
                    if let Some(session) = reply.session {
                        self.session = Some(session.to_string());
                    }
                }
                Effect::Send { .. }
                | Effect::Log(_)
                | Effect::Push { .. }
                | Effect::Close { .. }
                | Effect::Report(_)
                | Effect::Erase => {}
            }
        }
        Ok((sent, disk.1))
    }
}

fn member<'v>(map: &'v mut Value, name: &str) -> Option<&'v mut Value> {
    let Value::Map(members) = map else { return None };
    members.iter_mut().find(|(key, _)| key.as_text() == Some(name)).map(|(_, value)| value)
}
