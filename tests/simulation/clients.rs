//! The clients of one person: what they ask for, when they lose patience, and how they ask again.
//!
//! What holds here: a logical mail has a subject of its own, so that what left can be counted against what was meant.
//! Clients follow the protocol: they ask again after a broken connection, under the same id or a new one, and what they
//! mean as a new mail is counted before it is asked for. Nothing here looks into the product.

use std::collections::BTreeMap;

use actors::ledger::EntryState;
use actors::turn::{Input, ReplyTo};
use protocol::connect::ConnectTicket;
use protocol::ids::{GrantId, RequestId};
use protocol::limits::{ANSWER_KEPT_FOR, PROMPT_ANSWER};
use protocol::object::{Attach, Caller, Command, Connect, McpMessage, ObjectRequest};
use protocol::stream::StreamKey;
use protocol::time::UnixMs;
use serde_json::{Value, json};

use crate::dials::Dials;
use crate::microsoft::STEPPED_UP;
use crate::tools::Tool;
use crate::world::{Event, World, user};

/// A client waits this long: the object's own deadline and what its last call may take beyond it.
pub(crate) const PATIENCE_MS: u64 = 130_000;

/// The same JSON-RPC id is used again only while the object must still know it.
const SAME_ID_WITHIN_MS: u64 = 8 * 60 * 1_000;

#[derive(Debug)]
pub(crate) struct Client {
    pub session: Option<String>,
    next_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Read,
    Write(usize),
}

/// Something that is wanted to happen at Microsoft.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub tool: Tool,
    subject: String,
    key: Option<String>,
    /// The ledger entries that were made for it.
    entries: Vec<RequestId>,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub client: usize,
    pub kind: Kind,
    tries_left: u32,
    pub is_done: bool,
    /// Whether the last answer was a success.
    pub has_succeeded: bool,
    /// The id that was used last, and when it was used first.
    last_id: Option<(u64, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Initialize,
    /// A sign-in; whether it went to Microsoft with the claims that were demanded.
    Connect {
        stepped_up: bool,
    },
    Call,
    Notification,
    Duplicate,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub purpose: Purpose,
    pub client: usize,
    pub operation: Option<usize>,
    pub id: u64,
    repeats_id: bool,
    pub is_open: bool,
    /// The stream on which the answer was promised to come.
    pub stream: Option<ReplyTo>,
    /// What the connection was opened for, if it is a stream.
    pub wish: Option<Box<ObjectRequest>>,
    /// Whether the stream reached the object.
    pub is_attached: bool,
    pub asked_at: u64,
    pub life: u64,
    core_number: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Clients {
    pub list: Vec<Client>,
    pub operations: Vec<Operation>,
    pub wanted: Vec<Wanted>,
    pub attempts: BTreeMap<ReplyTo, Attempt>,
    /// How often each subject may leave.
    allowed: BTreeMap<String, u32>,
    pub reads: BTreeMap<(usize, u64), String>,
    /// From this time on nothing goes wrong any more, and every answer has to come.
    pub healed_at: Option<u64>,
    pub connections: u32,
    /// Whether the next sign-in carries what Microsoft demanded.
    pub steps_up: bool,
    /// Answers with status 401.
    pub unauthorized: u32,
    /// Bytes by which each mail is longer than it needs to be.
    pub padding: usize,
}

impl Clients {
    pub(crate) fn allowed(&self, subject: &str) -> u32 {
        self.allowed.get(subject).copied().unwrap_or(0)
    }

    pub(crate) fn heal(&mut self, now: u64) {
        self.healed_at = Some(now);
    }

    fn open(&mut self, attempt: Attempt) -> ReplyTo {
        let to = ReplyTo(self.attempts.len() as u64);
        self.attempts.insert(to, attempt);
        to
    }

    /// Counts what a client wants to happen beyond the first time.
    pub(crate) fn allow(&mut self, number: usize) {
        if let Some(wanted) = self.wanted.get(number) {
            *self.allowed.entry(wanted.subject.clone()).or_default() += 1;
        }
    }

    /// Something that nothing else is equal to, or the twin of the one before: equal, and named differently.
    pub(crate) fn new_write(&mut self, tool: Tool, is_twin: bool, is_named: bool) -> usize {
        let number = self.wanted.len();
        let (tool, subject) = match self.wanted.last() {
            Some(last) if is_twin && last.tool != Tool::Message => (last.tool, last.subject.clone()),
            _ => (tool, format!("CANARY subject {number}")),
        };
        let key = (is_twin || is_named).then(|| format!("key-{number}"));
        self.wanted.push(Wanted { tool, subject, key, entries: Vec::new() });
        self.allow(number);
        number
    }

    pub(crate) fn new_operation(&mut self, client: usize, kind: Kind, tries: u32) -> usize {
        self.operations.push(Operation {
            client,
            kind,
            tries_left: tries,
            is_done: false,
            has_succeeded: false,
            last_id: None,
        });
        self.operations.len() - 1
    }
}

fn grant(client: usize) -> GrantId {
    GrantId::from_bytes([u8::try_from(client).unwrap_or(0) + 1; 16])
}

fn caller(client: usize) -> Caller {
    Caller {
        user: user(),
        grant: grant(client),
        client: format!("client-{client}"),
        scopes: ["mail.read", "mail.send", "calendar.write", "teams.send"].map(str::to_owned).to_vec(),
        access_identity: None,
    }
}

impl World {
    /// Connects the account for every client before any fault begins.
    pub(crate) fn connect_in_peace(&mut self) {
        let stormy = self.dials.clone();
        self.dials = Dials {
            token_life_s: stormy.token_life_s,
            reads_chats: stormy.reads_chats,
            ..Dials::calm(stormy.two_step)
        };
        for client in 0..usize::try_from(stormy.clients).unwrap_or(1) {
            self.clients.list.push(Client { session: None, next_id: 1 });
            self.connect(client);
            let soon = self.time + 2_000;
            self.run_until(soon);
        }
        if self.clients.connections as usize != self.clients.list.len() {
            self.violation("the account could not be connected without any fault".to_owned());
        }
        self.dials = stormy;
    }

    /// A person went through Microsoft's sign-in for a client, and the edge hands the code over.
    pub(crate) fn connect(&mut self, client: usize) {
        let nonce = format!("nonce-{}", self.agenda_number());
        let ticket = ConnectTicket {
            user: user(),
            grant: grant(client),
            client: format!("client-{client}"),
            scopes: caller(client).scopes,
            login_hint: None,
            expires_at: UnixMs(u64::MAX),
            permission: None,
        };
        let connect = Connect {
            ticket,
            code: format!("CANARY-code-{nonce}{}", if self.clients.steps_up { STEPPED_UP } else { "" }),
            pkce_verifier: "CANARY-verifier".to_owned(),
            nonce,
            redirect_uri: "https://mcp.example.com/connect/callback".to_owned(),
            stepped_up: self.clients.steps_up,
        };
        let purpose = Purpose::Connect { stepped_up: connect.stepped_up };
        self.ask(client, (purpose, None, 0, false), Command::Connect(Box::new(connect)));
    }

    /// Puts the clients' requests on the agenda.
    pub(crate) fn plan_operations(&mut self) {
        for _ in 0..self.dials.writes {
            let is_twin = self.random.chance(self.dials.twins);
            let is_named = self.random.chance(self.dials.with_key);
            let tool = Tool::draw(&mut self.random);
            let mail = self.clients.new_write(tool, is_twin, is_named);
            self.plan(Kind::Write(mail));
        }
        for _ in 0..self.dials.reads {
            self.plan(Kind::Read);
        }
    }

    fn plan(&mut self, kind: Kind) {
        let client = usize::try_from(self.random.below(self.dials.clients)).unwrap_or(0);
        let operation = self.clients.new_operation(client, kind, 6);
        let at = self.random.below(self.dials.active_ms);
        self.after(at, Event::Act(operation));
    }

    /// A client tries an operation, for the first time or again.
    pub(crate) fn act(&mut self, number: usize) {
        let now = self.time;
        let is_waiting = self.clients.attempts.values().any(|attempt| {
            attempt.operation == Some(number) && attempt.is_open && attempt.purpose == Purpose::Call
        });
        let Some(operation) = self.clients.operations.get_mut(number) else { return };
        if operation.is_done || is_waiting {
            return;
        }
        let client = operation.client;
        if self.clients.list[client].session.is_none() {
            self.initialize(client);
            return self.after(3_000, Event::Act(number));
        }
        if operation.tries_left == 0 {
            operation.is_done = true;
            return;
        }
        operation.tries_left -= 1;
        let reusable = operation.last_id.filter(|(_, first)| now - first < SAME_ID_WITHIN_MS);
        let repeated = reusable.filter(|_| self.random.chance(self.dials.same_id));
        let (id, first) = match repeated {
            Some(known) => known,
            None => {
                let id = self.clients.list[client].next_id;
                self.clients.list[client].next_id += 1;
                (id, now)
            }
        };
        self.clients.operations[number].last_id = Some((id, first));
        let body = self.tool_call(number, id);
        let command = self.mcp(client, body);
        let to = self.ask(client, (Purpose::Call, Some(number), id, repeated.is_some()), command);
        self.after(PATIENCE_MS, Event::Gone(to));
        if self.random.chance(self.dials.disconnects) {
            let leaves = self.random.below(20_000);
            self.after(leaves, Event::Gone(to));
        }
        if self.random.chance(self.dials.cancels) {
            let cancels = self.random.below(2_000);
            self.after(cancels, Event::Cancel(to));
        }
    }

    fn tool_call(&self, operation: usize, id: u64) -> Value {
        let params = match self.clients.operations[operation].kind {
            Kind::Read => json!({"name": "getEmails", "arguments": {"count": 1 + operation % 50}}),
            Kind::Write(number) => {
                let Wanted { tool, subject, key, .. } = &self.clients.wanted[number];
                tool.parameters(subject, self.clients.padding, key.as_deref())
            }
        };
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    }

    fn mcp(&self, client: usize, body: Value) -> Command {
        Command::Mcp(McpMessage {
            session: self.clients.list[client].session.clone(),
            revision: None,
            in_batch: false,
            accepts_stream: true,
            stateless: None,
            trace: None,
            assertion: None,
            body: body.to_string().into_bytes(),
        })
    }

    fn initialize(&mut self, client: usize) {
        let body = json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {"protocolVersion": "2025-11-25", "capabilities": {},
                       "clientInfo": {"name": "simulated", "version": "1"}}
        });
        let command = self.mcp(client, body);
        self.ask(client, (Purpose::Initialize, None, 0, false), command);
    }

    /// A client gives up on a request and says so.
    pub(crate) fn cancel(&mut self, to: ReplyTo) {
        let Some(attempt) = self.clients.attempts.get(&to) else { return };
        let (client, id) = (attempt.client, attempt.id);
        let body = json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}
        });
        let command = self.mcp(client, body);
        self.ask(client, (Purpose::Notification, None, id, false), command);
    }

    /// Sends a request to the object, perhaps twice under the same identifier.
    fn ask(
        &mut self,
        client: usize,
        (purpose, operation, id, repeats_id): (Purpose, Option<usize>, u64, bool),
        command: Command,
    ) -> ReplyTo {
        let request = RequestId::new(self.wall(), &user(), self.random.bytes());
        let attempt = Attempt {
            purpose,
            client,
            operation,
            id,
            repeats_id,
            is_open: true,
            stream: None,
            wish: None,
            is_attached: false,
            asked_at: self.time,
            life: self.life,
            core_number: self.core_number,
        };
        let to = self.clients.open(attempt);
        self.note(|| format!("{to:?} asks {purpose:?} {operation:?} id {id} as {request}"));
        if let Some(Kind::Write(mail)) = operation.map(|number| self.clients.operations[number].kind) {
            self.clients.wanted[mail].entries.push(request);
        }
        let message = ObjectRequest { request, caller: caller(client), command };
        if self.random.chance(self.dials.duplicates) {
            let twin = Attempt {
                purpose: Purpose::Duplicate,
                client,
                operation,
                id,
                repeats_id: true,
                is_open: true,
                stream: None,
                wish: None,
                is_attached: false,
                asked_at: self.time,
                life: self.life,
                core_number: self.core_number,
            };
            let copy = self.clients.open(twin);
            let later = self.random.below(20_000);
            self.after(later, Event::Asked(copy, Box::new(message.clone())));
        }
        let way = self.random.between(1, 50);
        self.after(way, Event::Asked(to, Box::new(message)));
        to
    }

    /// A request reaches the object, unless its connection broke on the way. A copy comes from within the platform and
    /// does not outlive the core that its original was for: one that came after the client got its answer by another
    /// id could not be told from a new call.
    pub(crate) fn asked(&mut self, to: ReplyTo, request: ObjectRequest) {
        let (life, core_number) = (self.life, self.core_number);
        let Some(attempt) = self.clients.attempts.get_mut(&to).filter(|attempt| attempt.is_open) else {
            return;
        };
        if attempt.purpose == Purpose::Duplicate && attempt.core_number != core_number {
            return;
        }
        attempt.life = life;
        attempt.is_attached = true;
        let (repeats_id, operation) = (attempt.repeats_id, attempt.operation);
        if let Some(Kind::Write(mail)) = operation.map(|number| self.clients.operations[number].kind)
            && !repeats_id
            && self.would_be_a_new_call(mail)
        {
            self.clients.allow(mail);
        }
        let may_be_late = matches!(request.command, Command::Mcp(_));
        self.turn(Input::Request { to, request });
        if may_be_late {
            self.after(PROMPT_ANSWER.0, Event::Late(to));
        }
    }

    /// A request was not answered promptly, so the object may promise a stream instead.
    pub(crate) fn late(&mut self, to: ReplyTo) {
        let life = self.life;
        let waits = |attempt: &Attempt| attempt.is_open && attempt.life == life;
        if self.clients.attempts.get(&to).is_some_and(waits) {
            self.turn(Input::Late { to });
        }
    }

    /// The object promised a stream. The edge opens it, unless it is gone by then.
    pub(crate) fn attach(&mut self, to: ReplyTo, stream: StreamKey) {
        let Some(attempt) = self.clients.attempts.get_mut(&to).filter(|attempt| attempt.is_open) else {
            return;
        };
        if self.random.chance(self.dials.reply_lost) {
            return self.after(1, Event::Gone(to));
        }
        attempt.is_open = false;
        let client = attempt.client;
        let session = self.clients.list[client].session.clone();
        let request = RequestId::new(self.wall(), &user(), self.random.bytes());
        let command = Command::Attach(Attach { session, stream, is_restored: false });
        let message = ObjectRequest { request, caller: caller(client), command };
        let Some(attempt) = self.clients.attempts.get(&to) else { return };
        let opened = Attempt {
            is_open: true,
            repeats_id: true,
            stream: None,
            wish: Some(Box::new(message.clone())),
            ..*attempt
        };
        let socket = self.clients.open(opened);
        if let Some(attempt) = self.clients.attempts.get_mut(&to) {
            attempt.stream = Some(socket);
        }
        self.note(|| format!("{to:?} goes on as the stream {socket:?}"));
        let way = self.random.between(1, 50);
        self.after(way, Event::Asked(socket, Box::new(message)));
    }

    /// By the rules for repeats an equal call is a new one once an answer was taken or is not kept any longer.
    fn would_be_a_new_call(&self, mail: usize) -> bool {
        let now = self.wall();
        self.clients.wanted[mail].entries.iter().filter_map(|id| self.watch.view.get(id)).any(|entry| {
            let is_over = entry.settled_at.is_some_and(|at| now.since(at) >= ANSWER_KEPT_FOR);
            matches!(entry.state, EntryState::Done | EntryState::Unknown) && (entry.delivered || is_over)
        })
    }
}
