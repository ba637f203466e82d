//! What operators do: they deploy over rows of an earlier version, they rotate the encryption key, and they export the
//! ledger.
//!
//! What holds here: the rows of version 1 are those that its program left in a run of this simulation: a connected account,
//! a session, answered calls, and a write that was under way when the object died. An old key is removed only after the
//! object said that nothing is sealed under it any more.

use actors::ledger::EntryState;
use actors::log::LogLine;
use actors::store::{Table, WriteSet};
use actors::turn::{self, Effect, Entropy, Input, ReplyTo, Turn};
use actors::user_session::UserSession;
use protocol::ids::{GrantId, RequestId};
use protocol::object::{Caller, Command, ObjectRequest};
use protocol::operator::record::{Checkpoint, ExportPage, Head, VerificationKey};
use protocol::operator::verify::Export;
use protocol::operator::{ExportQuery, Order};
use protocol::time::UnixMs;
use serde::de::DeserializeOwned;

use crate::disk::Capture;
use crate::event_log::Record;
use crate::world::{Event, World, user};

const VERSION_1_ROWS: &str = include_str!("version_1_rows.txt");

/// The rows were left within a minute of the beginning.
const VERSION_1_ENDED_MS: u64 = 60_000;

/// The alarm that was set when the object died.
const VERSION_1_ALARM: UnixMs = UnixMs(1_800_000_087_015);

/// One key, and the same with a newer one before it. The first is what a plain key is called in a ring.
const OLD: &str = "0:GhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGho=";
const BOTH: &str =
    "b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,0:GhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGhoaGho=";
const NEW: &str = "b:IAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

impl World {
    /// Puts the rows of version 1 on the disk.
    pub(crate) fn begin_with_old_rows(&mut self) {
        self.run_until(VERSION_1_ENDED_MS);
        let mut writes = WriteSet::default();
        for line in VERSION_1_ROWS.lines() {
            let mut columns = line.split(' ');
            let (Some(table), Some(key), Some(value)) = (columns.next(), columns.next(), columns.next())
            else {
                panic!("a line of the fixture has three columns");
            };
            let table = Table::OF_A_PERSON.iter().copied().find(|known| known.name() == table).unwrap();
            writes.rows.insert((table, bytes(key)), Some(bytes(value)));
        }
        let listed = writes.rows.iter().map(|((table, key), value)| {
            (table.name().to_owned(), key.clone(), value.clone().unwrap_or_default())
        });
        let listed = listed.collect();
        self.record(|| Record::Rows(listed));
        self.microsoft.go_on_after_old_tokens();
        self.watch.turn_ended(&writes, &self.microsoft, &self.config, &mut self.report.violations);
        // The mails of that run left in that run.
        let done =
            self.watch.view.iter().filter(|(_, entry)| entry.writes && entry.state == EntryState::Done);
        self.microsoft.sent_by_operation.extend(done.map(|(id, _)| (id.to_string(), 1)));
        let number =
            self.disk.stage(self.core_number, writes, (Some(Some(VERSION_1_ALARM)), None), Vec::new());
        self.make_durable(number);
    }

    /// A deployment with a newer key, or without the old one.
    pub(crate) fn deploy_keys(&mut self, keys: &'static str) {
        self.note(|| format!("deployed with keys {}", keys.replace(|c| c != ':' && c != ',', "")));
        self.use_keys(keys);
        self.crash();
        // Connections break with a deployment, although nothing is wrong any more.
        self.clients.healed_at = self.clients.healed_at.map(|_| self.time + 1);
    }

    pub(crate) fn plan_rotation(&mut self) {
        if self.dials.rotates {
            self.use_keys(OLD);
            let at = self.random.below(self.dials.active_ms + 60_000);
            self.after(at, Event::Deployed(BOTH));
        }
    }

    /// The line that tells operators that the old key can go.
    pub(crate) fn heed(&mut self, line: &LogLine) {
        let is_resealed = line.field("event").is_some_and(|event| event == "resealed");
        if is_resealed && line.field("key").is_some_and(|key| key == "b") {
            let later = self.random.between(100, 30_000);
            self.after(later, Event::Deployed(NEW));
        }
    }

    /// In the end nothing is sealed under the old key.
    pub(crate) fn check_keys(&mut self) {
        if !self.dials.rotates {
            return;
        }
        // A byte string of CBOR of one or two bytes of length, then the format, the length of the key's name and its name.
        let is_under_old_key =
            |window: &[u8]| matches!(window, [0x58, _, 1, 1, b'0', _] | [0x59, _, _, 1, 1, b'0']);
        let rows = &self.disk.durable.rows.rows;
        let old = rows.iter().find(|(_, value)| value.windows(6).any(is_under_old_key));
        if let Some(((table, _), _)) = old {
            let what = format!("table {} holds a value under the old key", table.name());
            self.violation(what);
        }
    }

    /// What one order is answered, by a core that is recovered for it from the durable rows.
    fn order<T: DeserializeOwned>(&self, order: Order) -> Result<T, String> {
        let (now, rows) = (self.wall(), &self.disk.durable.rows);
        let mut core = UserSession::recover(self.config.clone(), rows, now).map_err(|it| it.to_string())?;
        let caller = Caller {
            user: user(),
            grant: GrantId::from_bytes([0; 16]),
            client: "operator".to_owned(),
            scopes: Vec::new(),
            access_identity: None,
        };
        let request = RequestId::new(now, &user(), [0; 5]);
        let request = ObjectRequest { request, caller, command: Command::Operate(Box::new(order)) };
        let turn = Turn { now, entropy: Entropy::new([8; 32]) };
        let mut disk = Capture::default();
        let input = Input::Request { to: ReplyTo(u64::MAX), request };
        let effects = turn::run(&mut core, rows, &mut disk, turn, input).map_err(|it| it.to_string())?;
        if !disk.writes.is_empty() {
            return Err("looking writes".to_owned());
        }
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Reply { reply, .. } => reply.body,
            _ => None,
        });
        let answer = answer.ok_or("an order was not answered")?;
        serde_json::from_str(&answer).map_err(|error| error.to_string())
    }

    fn export(&self) -> Result<(Export, [u8; 32]), String> {
        let head: Head = self.order(Order::ExportHead)?;
        let (mut lines, mut after) = (Vec::new(), None);
        loop {
            let query = ExportQuery { after, up_to: head.newest.sequence };
            let page: ExportPage = self.order(Order::Export(query))?;
            lines.extend(page.lines);
            after = page.after;
            if after.is_none() {
                break;
            }
        }
        let checkpoint: Checkpoint = self.order(Order::ExportEnd)?;
        let key: VerificationKey = self.order(Order::VerificationKey)?;
        let key = bytes(&key.key).try_into().map_err(|_| "the key has another length")?;
        Ok((Export { head, lines, checkpoint }, key))
    }

    /// The ledger as it is exported is as it was settled, and nothing that was settled is missing.
    pub(crate) fn check_chain(&mut self) {
        let settled = self.watch.durable.values().filter(|entry| entry.state.is_final()).count();
        let found = match self.export() {
            Ok((export, key)) => match export.verify(&key) {
                Ok(verified) if verified.proved + verified.unproved == settled as u64 => return,
                Ok(verified) => format!("of {settled} settled requests the export has {verified:?}"),
                Err(finding) => format!("the exported ledger is not good: {finding}"),
            },
            Err(why) => format!("the ledger cannot be exported: {why}"),
        };
        self.violation(found);
    }
}
