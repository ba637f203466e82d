//! The object at work on tools and resources, turn by turn, without a platform.
//!
//! What holds here: what leaves and what is answered is looked at after every turn; Microsoft is this file.

mod bounds;
mod queueing;
mod renewal;

use protocol::entra::Tokens;
use protocol::ids::{GrantId, OpId};
use protocol::linked_app::AppCall;
use protocol::mcp::envelope::Stateless;
use protocol::object::{Assertion, Caller, McpMessage, ObjectRequest};
use protocol::operator::Order;
use protocol::operator::directory::Report;
use protocol::outbound::{Answer, CallResult, GraphCall, Lost};
use protocol::stream::{EventId, Frame};
use protocol::time::DurationMs;
use protocol::trace::TraceContext;
use serde_json::{Value, json};

use super::zone::KeptZone;
use super::*;
use crate::grants::Grant;
use crate::store::MemoryRows;
use crate::testing::{config, config_with, user};
use crate::turn::{AppCredential, Commit, Entropy, Outbound, run};

mod confirming;
mod linked;
mod linking;
mod logging;
mod naming;
mod operating;
mod reporting;
mod stateless;
mod tasks;
mod uploading;
mod watching;
mod zones;

const GRANT: GrantId = GrantId::from_bytes([2; 16]);
/// What every message's HTTP header says.
const HEADER_TRACE: &str = "00-11111111111111111111111111111111-2222222222222222-01";
const SCOPES: [&str; 9] = [
    "profile",
    "calendar.read",
    "calendar.write",
    "teams.send",
    "mail.read",
    "mail.send",
    "mail.write",
    "files.read",
    "apps.call",
];

#[test]
fn the_row_of_the_object_itself_keeps_its_form() {
    let meta = Meta {
        schema_version: SCHEMA_VERSION,
        user: UserKey::from_bytes([0x11; 16]),
        upkeep: Upkeep { pruned_at: UnixMs(1_800_000_000_000), ..Upkeep::default() },
        sealed_digest_key: vec![1, 2, 3],
        ties: Ties::default(),
        paused: None,
        addresses: Vec::new(),
        zone: None,
        told: None,
    };
    // The other rows' forms are pinned in `actors/tests/formats.rs`, to which this one is not visible.
    let golden = "a461760261755011111111111111111111111111111111616ca56166f661701b000001a3185c5000616200616b606173f6616443010203";
    let rows = MemoryRows::default();
    let mut txn = Txn::new(&rows);
    txn.put(META_KEY, &meta).unwrap();
    let (writes, _) = txn.finish();
    let written = writes.rows[&(Table::Meta, META_KEY.to_vec())].clone().unwrap();
    assert_eq!(protocol::digest::to_hex(&written), golden);
    let mut rows = MemoryRows::default();
    rows.apply(&writes);
    assert_eq!(Txn::new(&rows).get::<Meta>(META_KEY), Ok(Some(meta.clone())));
    // What operators and the edge said of it stands behind.
    let paused = Meta {
        paused: Some(Paused { since: UnixMs(5), by: "olga".into(), drains: true }),
        addresses: vec![AddressMark::from_bytes([7; 16])],
        zone: Some(KeptZone { name: "UTC".into(), read_at: UnixMs(6) }),
        told: Some(Told {
            at: UnixMs(7),
            facts: [8; 16],
            settled: 9,
            failed: 1,
            sessions: 2,
            oldest_open: Some(UnixMs(3)),
            wakes_at: Some(UnixMs(4)),
        }),
        ..meta
    };
    let mut txn = Txn::new(&rows);
    txn.put(META_KEY, &paused).unwrap();
    let written = txn.finish().0.rows[&(Table::Meta, META_KEY.to_vec())].clone().unwrap();
    let behind = "6170a3617305616264".to_owned()
        + "6f6c67616164f5616d815007070707070707070707070707070707617aa2616e63555443617206"
        + "6174a761740761645008080808080808080808080808080808616e09616601617302616f03617704";
    assert_eq!(protocol::digest::to_hex(&written), golden.replacen("a4", "a8", 1) + &behind);
}

/// Keeps what a turn committed, so that it can be applied when the turn no longer reads.
struct Capture(WriteSet);

impl Commit for Capture {
    fn commit(&mut self, writes: &WriteSet) -> Result<(), Fault> {
        self.0 = writes.clone();
        Ok(())
    }
}

struct Object {
    rows: MemoryRows,
    core: UserSession,
    now: UnixMs,
    session: Option<String>,
    count: u32,
    sent: Vec<(OpId, GraphCall)>,
    /// The traces that they belong to.
    traces: Vec<Option<TraceContext>>,
    /// Forms that left for the token endpoint.
    forms: Vec<(OpId, String)>,
    /// Calls that left for linked apps.
    called: Vec<(OpId, AppCall, AppCredential)>,
    /// What the edge hands over of Access with each message.
    assertion: Option<Assertion>,
    replies: Vec<ObjectReply>,
    log: Vec<String>,
    lines: Vec<crate::log::LogLine>,
    pushed: Vec<(ReplyTo, Frame)>,
    closed: Vec<ReplyTo>,
    reports: Vec<Report>,
    is_erased: bool,
}

impl Object {
    /// An object with an open MCP session and, where permissions are given, a connected account.
    fn with(permissions: Option<&[&str]>) -> Self {
        Self::configured(permissions, &[])
    }

    /// The same under other settings.
    fn configured(permissions: Option<&[&str]>, settings: &[(&str, &str)]) -> Self {
        let now = UnixMs(1_800_000_000_000);
        let mut rows = MemoryRows::default();
        let empty = MemoryRows::default();
        let mut txn = Txn::new(&empty);
        let scopes = SCOPES.iter().map(|scope| (*scope).to_owned()).collect();
        let grant = Grant::by_link("client".into(), scopes, now);
        Grants::default().insert(&mut txn, GRANT, grant).unwrap();
        let mut entropy = Entropy::new([4; 32]);
        let key = Secret::new([9; 32]);
        let meta = Meta {
            schema_version: SCHEMA_VERSION,
            user: user(),
            upkeep: Upkeep::default(),
            sealed_digest_key: vault::seal_digest_key(&config(), user(), &key, &mut entropy).unwrap(),
            ties: Ties::default(),
            paused: None,
            addresses: Vec::new(),
            zone: None,
            told: None,
        };
        txn.put(META_KEY, &meta).unwrap();
        if let Some(permissions) = permissions {
            let tokens = Tokens {
                access_token: Secret::new("access".into()),
                refresh_token: Some(Secret::new("refresh".into())),
                id_token: None,
                lives_for: DurationMs::from_secs(3_600),
                scopes: permissions.iter().map(|scope| (*scope).to_owned()).collect(),
            };
            let mut entropy = Entropy::new([3; 32]);
            let owner = (&config(), user());
            Refresher::default().connected(&mut txn, owner, tokens, now, &mut entropy).unwrap();
        }
        rows.apply(&txn.finish().0);
        let core = UserSession::recover(Rc::new(config_with(settings)), &rows, now).unwrap();
        let (session, sent, forms, replies) = (None, Vec::new(), Vec::new(), Vec::new());
        let (lines, traces, called, assertion) = (Vec::new(), Vec::new(), Vec::new(), None);
        let (pushed, closed, log) = (Vec::new(), Vec::new(), Vec::new());
        let mut object = Self {
            rows,
            core,
            now,
            session,
            count: 0,
            sent,
            traces,
            forms,
            called,
            assertion,
            replies,
            log,
            lines,
            pushed,
            closed,
            reports: Vec::new(),
            is_erased: false,
        };
        object.open(&json!({}));
        object
    }

    /// Opens a session of a client that can be asked for this, and goes on in it.
    fn open(&mut self, capabilities: &Value) {
        let client = json!({"name": "c", "version": "1"});
        let opened = self.ask(
            json!("open"),
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client}),
        );
        for capability in ["tools", "resources", "prompts", "completions"] {
            assert!(opened["result"]["capabilities"][capability].is_object(), "{opened}");
        }
        self.session = self.replies.last().unwrap().session.map(|id| id.to_string());
    }

    fn turn(&mut self, input: Input) {
        self.count += 1;
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&self.count.to_be_bytes());
        let turn = Turn { now: self.now, entropy: Entropy::new(seed) };
        let mut disk = Capture(WriteSet::default());
        let effects = run(&mut self.core, &self.rows, &mut disk, turn, input).unwrap();
        self.rows.apply(&disk.0);
        for effect in effects {
            match effect {
                Effect::Reply { reply, .. } => self.replies.push(reply),
                Effect::Send { op, outbound: Outbound::Graph { call, trace, .. } } => {
                    self.sent.push((op, call));
                    self.traces.push(trace);
                }
                Effect::Send { op, outbound: Outbound::Token { form } } => {
                    self.forms.push((op, form.fields.expose().clone()));
                }
                Effect::Send { outbound: Outbound::AccessToken { .. } | Outbound::Model { .. }, .. } => {
                    panic!("nobody here signed in through Access, and no model is named");
                }
                Effect::Send { op, outbound: Outbound::App { call, credential } } => {
                    self.called.push((op, call, credential));
                }
                Effect::Log(line) => {
                    self.log.push(line.to_json());
                    self.lines.push(line);
                }
                Effect::Push { to, frame } => self.pushed.push((to, frame)),
                Effect::Close { to } => self.closed.push(to),
                Effect::Report(report) => self.reports.push(*report),
                Effect::Erase => self.is_erased = true,
            }
        }
    }

    /// Sends a request in the session; yields what was answered in the same turn, or null.
    fn ask(&mut self, id: Value, method: &str, params: Value) -> Value {
        self.send(id, method, params, None)
    }

    fn send(&mut self, id: Value, method: &str, params: Value, stateless: Option<Stateless>) -> Value {
        let before = self.replies.len();
        self.message(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}), stateless);
        if self.replies.len() == before { Value::Null } else { self.last() }
    }

    /// Sends any message in the session.
    fn say(&mut self, body: &Value) {
        self.message(body, None);
    }

    fn message(&mut self, body: &Value, stateless: Option<Stateless>) {
        let message = McpMessage {
            session: self.session.clone().filter(|_| stateless.is_none()),
            revision: None,
            in_batch: false,
            accepts_stream: true,
            stateless,
            trace: TraceContext::parse(HEADER_TRACE),
            assertion: self.assertion.clone(),
            body: body.to_string().into_bytes(),
        };
        self.command(Command::Mcp(message));
    }

    /// Hands a command of the edge over.
    fn command(&mut self, command: Command) {
        // As the edge says it in each mode.
        let is_perimeter = self.core.config.access_mode.is_perimeter();
        let caller = Caller {
            user: user(),
            grant: if is_perimeter { GrantId::of_perimeter(&user()) } else { GRANT },
            client: "client".into(),
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            access_identity: is_perimeter.then(|| "7f-1".to_owned()),
        };
        self.command_of(caller, command);
    }

    /// What an operator is answered.
    fn order(&mut self, order: Order) -> &ObjectReply {
        let caller = Caller {
            user: user(),
            grant: GrantId::from_bytes([0; 16]),
            client: "olga".into(),
            scopes: Vec::new(),
            access_identity: None,
        };
        self.command_of(caller, Command::Operate(Box::new(order)));
        self.replies.last().unwrap()
    }

    fn command_of(&mut self, caller: Caller, command: Command) {
        let mut random = [0; 5];
        random[1..].copy_from_slice(&self.count.to_be_bytes());
        let request = RequestId::new(self.now, &user(), random);
        let request = ObjectRequest { request, caller, command };
        self.turn(Input::Request { to: ReplyTo(u64::from(self.count)), request });
    }

    /// What the call with this id was answered.
    fn answer_to(&self, id: u64) -> Value {
        let answers = self.replies.iter().filter_map(|reply| reply.body.as_deref());
        let mut answers = answers.map(|body| serde_json::from_str::<Value>(body).unwrap());
        answers.find(|answer| answer["id"] == id).unwrap_or_default()
    }

    fn call(&mut self, id: u64, tool: &str, arguments: Value) -> Value {
        self.ask(json!(id), "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    fn last(&self) -> Value {
        let body = self.replies.last().unwrap().body.as_deref();
        body.map_or(Value::Null, |body| serde_json::from_str(body).unwrap())
    }

    /// The call that left last.
    fn left(&self) -> &GraphCall {
        &self.sent.last().unwrap().1
    }

    fn ends(&mut self, result: CallResult) {
        let op = self.sent.last().unwrap().0;
        self.turn(Input::CallDone { op, result });
    }

    fn answers(&mut self, status: u16, body: &Value) {
        let body = body.to_string().into_bytes();
        self.ends(CallResult::Answered(Answer { status, body, ..Answer::default() }));
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now.plus(DurationMs::from_secs(seconds));
        self.turn(Input::Alarm);
    }
}

fn event() -> Value {
    json!({"subject": "S", "start": "2027-02-01T10:00Z", "end": "2027-02-01T11:00Z"})
}

#[test]
fn without_an_account_it_is_said_and_nothing_leaves() {
    let mut object = Object::with(None);
    let status = object.call(1, "authenticate", json!({}));
    assert_eq!(status["result"]["structuredContent"]["connected"], false);
    assert_eq!(status["result"]["isError"], false);
    let refused = object.call(2, "getEmails", json!({}));
    assert_eq!(refused["result"]["isError"], true);
    let unread = object.ask(json!(3), "resources/read", json!({"uri": "microsoft://profile"}));
    assert_eq!(
        (&unread["error"]["code"], &unread["error"]["data"]["code"]),
        (&json!(-32603), &json!("sign_in_again"))
    );
    assert!(object.sent.is_empty());
}

#[test]
fn a_resource_is_read_like_a_tool_and_answered_as_a_resource() {
    let mut object = Object::with(Some(&["User.Read"]));
    let read = json!({"uri": "microsoft://profile"});
    assert_eq!(object.ask(json!(1), "resources/read", read.clone()), Value::Null);
    assert!(object.left().path.starts_with("/me?$select="));
    object.answers(200, &json!({"displayName": "Alice"}));
    let answer = object.last();
    assert_eq!(
        answer["result"],
        json!({"contents": [{"uri": "microsoft://profile", "mimeType": "application/json",
                             "text": "{\"name\":\"Alice\"}"}]})
    );
    // The same id again gets the same answer, and nothing leaves.
    assert_eq!(object.ask(json!(1), "resources/read", read), answer);
    assert_eq!(object.sent.len(), 1);
    let other = object.ask(json!(2), "resources/read", json!({"uri": "microsoft://calendars"}));
    assert_eq!(other["error"]["data"]["code"], "permission_missing");
    let unknown = object.ask(json!(3), "resources/read", json!({"uri": "microsoft://x"}));
    assert_eq!(
        (&unknown["error"]["code"], &unknown["error"]["data"]),
        (&json!(-32002), &json!({"uri": "microsoft://x"}))
    );
    let list = object.ask(json!(4), "resources/list", json!({}));
    assert_eq!(list["result"]["resources"][0]["uri"], "microsoft://profile");
    let templates = object.ask(json!(5), "resources/templates/list", json!({}));
    assert_eq!(templates["result"]["resourceTemplates"][0]["name"], "message");
}

#[test]
fn a_lost_event_is_found_out_by_the_same_again() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    assert_eq!(object.call(1, "createCalendarEvent", event()), Value::Null);
    let first = object.left().clone();
    object.ends(CallResult::Lost(Lost::Timeout));
    assert_eq!((object.left(), object.sent.len()), (&first, 2));
    object.answers(201, &json!({"id": "E="}));
    let result = object.last()["result"].clone();
    assert_eq!(result["structuredContent"]["eventId"], "E=");
    assert_eq!((&result["isError"], object.core.load().open), (&json!(false), 0));
}

#[test]
fn once_nobody_waits_an_event_is_only_looked_for() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    object.call(1, "createCalendarEvent", event());
    object.ends(CallResult::Lost(Lost::Timeout));
    object.wait(20);
    object.ends(CallResult::Lost(Lost::Timeout));
    object.wait(80);
    let told = object.last();
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().contains("lost"), "{told}");
    let calls = object.sent.len();
    assert!(object.left().path.starts_with("/me/events?"), "{}", object.left().path);
    object.answers(200, &json!({"value": [{"id": "E="}]}));
    assert_eq!((object.sent.len(), object.core.load().open), (calls, 0));
}

#[test]
fn after_a_crash_an_event_is_only_looked_for() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite"]));
    object.call(1, "createCalendarEvent", event());
    object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
    object.wait(1);
    assert!(object.left().path.starts_with("/me/events?"), "{}", object.left().path);
    object.answers(200, &json!({"value": [{"id": "E="}]}));
    assert_eq!(object.core.load().open, 0);
}

#[test]
fn a_lost_message_to_teams_is_unknown_and_never_sent_again() {
    let message = json!({"chatId": "19:x", "body": "Hi"});
    let mut object = Object::with(Some(&["ChatMessage.Send"]));
    object.call(1, "sendTeamsMessage", message.clone());
    object.ends(CallResult::Lost(Lost::Connection));
    let told = object.last();
    assert_eq!(told["result"]["isError"], true);
    assert!(told["result"]["content"][0]["text"].as_str().unwrap().contains("not repeated"), "{told}");
    object.wait(600);
    assert_eq!((object.sent.len(), object.core.load().open), (1, 0));
    let mut crashed = Object::with(Some(&["ChatMessage.Send"]));
    crashed.call(1, "sendTeamsMessage", message);
    crashed.core = UserSession::recover(Rc::new(config()), &crashed.rows, crashed.now).unwrap();
    crashed.wait(1);
    assert_eq!((crashed.sent.len(), crashed.core.load().open), (1, 0));
}

#[test]
fn a_zone_is_read_before_an_event_is_on_its_way() {
    let mut object = Object::with(Some(&["Calendars.ReadWrite", "MailboxSettings.Read"]));
    let local = json!({"subject": "S", "start": "2027-02-01T10:00", "end": "2027-02-01T11:00"});
    object.call(1, "createCalendarEvent", local);
    assert_eq!(object.left().path, "/me/mailboxSettings?$select=timeZone");
    // A crash while only the zone was asked for: nothing was written, so nothing is looked for.
    let mut crashed = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
    assert_eq!(crashed.orphans.len(), 1);
    std::mem::swap(&mut object.core, &mut crashed);
    object.wait(1);
    assert_eq!((object.sent.len(), object.core.load().open), (1, 0));
    std::mem::swap(&mut object.core, &mut crashed);
    object.answers(200, &json!({"timeZone": "UTC"}));
    assert_eq!(object.left().path, "/me/events");
}
