//! Answers: on their way to the clients, and what the clients make of them.
//!
//! What holds here: every answer to an entry or to an id of a session is compared with the earlier ones; a client that
//! took an answer never takes another one for the same request; once the faults are over nobody may wait in vain.

use actors::turn::{Input, ReplyTo};
use protocol::object::{ObjectReply, ObjectRequest, STEP_UP};
use serde_json::Value;

use crate::clients::{Attempt, Kind, PATIENCE_MS, Purpose};
use crate::tools::Tool;
use crate::world::{Event, World};

impl World {
    /// A reply leaves the object.
    pub(crate) fn reply(&mut self, to: ReplyTo, reply: ObjectReply) {
        let Some(attempt) = self.clients.attempts.get(&to) else {
            return self.violation(format!("{to:?} is answered and never asked"));
        };
        if let Some(late) = reply.late {
            return self.attach(to, late.stream);
        }
        let (is_open, key, operation) = (attempt.is_open, (attempt.client, attempt.id), attempt.operation);
        self.note(|| format!("{to:?} is answered with {} {:?}", reply.status, reply.body));
        let body: Value =
            reply.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        let result = body["result"].to_string();
        if let Some(entry) = reply.answers.filter(|_| reply.is_final) {
            self.watch.check_answer(entry, &result, &mut self.report.violations);
        }
        let is_read = operation.is_some_and(|number| self.clients.operations[number].kind == Kind::Read);
        if is_read && reply.status == 200 {
            let first = self.clients.reads.entry(key).or_insert_with(|| result.clone());
            if *first != result {
                let what = format!("a read has two answers: {first} and {result}");
                self.violation(what);
            }
        }
        if is_open {
            let way = self.random.between(1, 100);
            let is_lost = self.random.chance(self.dials.reply_lost);
            self.after(way, if is_lost { Event::Gone(to) } else { Event::Told(to, Box::new(reply)) });
        }
    }

    /// A reply reaches its client.
    pub(crate) fn told(&mut self, to: ReplyTo, reply: &ObjectReply) {
        let Some(attempt) = self.clients.attempts.get_mut(&to).filter(|attempt| attempt.is_open) else {
            return;
        };
        attempt.is_open = false;
        let (purpose, client, operation, life) =
            (attempt.purpose, attempt.client, attempt.operation, attempt.life);
        if let Some(entry) = reply.answers.filter(|_| reply.delivers)
            && !self.random.chance(self.dials.unconfirmed)
        {
            let way = self.random.below(50);
            self.after(way, Event::Taken(entry, life));
        }
        self.clients.unauthorized += u32::from(reply.status == 401);
        match (purpose, operation) {
            (Purpose::Initialize, _) => {
                // A client that asked twice stays with its first session: ids mean something within one session only.
                if let (Some(session), known @ None) = (reply.session, &mut self.clients.list[client].session)
                {
                    *known = Some(session.to_string());
                }
            }
            (Purpose::Connect { stepped_up }, _) => {
                // The edge sends the person to Microsoft once more, which takes a moment, and never a third time.
                let again = reply.status == STEP_UP;
                if again && stepped_up {
                    return self.violation("a sign-in that stepped up is sent to do so again".to_owned());
                }
                self.clients.connections += u32::from(reply.status == 200);
                self.clients.steps_up = again;
                if again {
                    self.after(1_000, Event::Connect(client));
                }
            }
            (Purpose::Call, Some(number)) => self.read_answer(number, reply),
            _ => {}
        }
    }

    fn read_answer(&mut self, number: usize, reply: &ObjectReply) {
        let body: Value =
            reply.body.as_deref().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
        if reply.status != 200 || body["result"].is_null() {
            let what = format!("a well-formed call is refused: {} {:?}", reply.status, reply.body);
            return self.violation(what);
        }
        let is_error = body["result"]["isError"] == Value::Bool(true);
        let kind = self.clients.operations[number].kind;
        if is_error {
            // Some give up on an error, most ask again; an early answer may be followed much later.
            if self.random.chance(800) || self.clients.healed_at.is_some() {
                let longest = if self.random.chance(100) { 700_000 } else { 40_000 };
                let wait = self.random.between(500, longest);
                return self.after(wait, Event::Act(number));
            }
        } else if let Kind::Write(mail) = kind
            && self.clients.wanted[mail].tool != Tool::Message
            && self.random.chance(self.dials.deliberate)
        {
            self.clients.allow(mail);
            let client = self.clients.operations[number].client;
            let again = self.clients.new_operation(client, kind, 3);
            let wait = self.random.between(100, 60_000);
            self.after(wait, Event::Act(again));
        }
        let operation = &mut self.clients.operations[number];
        operation.is_done = true;
        operation.has_succeeded = !is_error;
    }

    /// A connection is gone without an answer. The client asks again after a while.
    pub(crate) fn gone(&mut self, to: ReplyTo) {
        let healed_at = self.clients.healed_at;
        if let Some(stream) = self.clients.attempts.get(&to).and_then(|attempt| attempt.stream) {
            let is_noticed = self.clients.attempts.get(&stream).is_some_and(|attempt| attempt.is_open);
            if is_noticed && self.random.chance(500) {
                self.turn(Input::Gone { to: stream });
            }
            return self.gone(stream);
        }
        let Some(attempt) = self.clients.attempts.get_mut(&to).filter(|attempt| attempt.is_open) else {
            return;
        };
        attempt.is_open = false;
        let (operation, asked_at) = (attempt.operation, attempt.asked_at);
        if healed_at.is_some_and(|healed| asked_at >= healed) {
            return self.violation(format!("{to:?} waited in vain"));
        }
        self.note(|| format!("{to:?} is gone"));
        if let Some(number) = operation {
            let wait = self.random.between(10, 15_000);
            self.after(wait, Event::Act(number));
        }
    }

    /// The object's process ended: whoever waited for it finds out.
    pub(crate) fn all_connections_break(&mut self) {
        let waiting: Vec<ReplyTo> =
            self.clients.attempts.iter().filter(|(_, attempt)| attempt.is_open).map(|(to, _)| *to).collect();
        for to in waiting {
            let noticed = self.random.below(500);
            self.after(noticed, Event::Gone(to));
        }
    }

    /// The streams of this life, with what each was opened for.
    pub(crate) fn open_streams(&self) -> Vec<(ReplyTo, ObjectRequest)> {
        let is_open = |attempt: &Attempt| attempt.is_open && attempt.life == self.life && attempt.is_attached;
        let open = self.clients.attempts.iter().filter(|(_, attempt)| is_open(attempt));
        open.filter_map(|(to, attempt)| Some((*to, *attempt.wish.clone()?))).collect()
    }

    /// Whether a request that is no stream waits for its answer, which keeps the object in memory.
    pub(crate) fn awaits_a_plain_answer(&self) -> bool {
        self.clients.attempts.values().any(|attempt| attempt.is_open && attempt.wish.is_none())
    }

    /// When all is over, a read and a mail must work, if need be after the person signed in again.
    pub(crate) fn probe(&mut self) {
        if self.watch.durable_refresh_token().is_none() || self.watch.needs_person {
            let before = self.clients.connections;
            self.connect(0);
            let soon = self.time + PATIENCE_MS;
            self.run_until(soon);
            if self.clients.connections == before {
                self.violation("the account cannot be connected again".to_owned());
            }
        }
        let mail = self.clients.new_write(Tool::Mail, false, false);
        let operations = [Kind::Read, Kind::Write(mail)].map(|kind| self.clients.new_operation(0, kind, 20));
        for number in operations {
            self.act(number);
        }
        let end = self.time + 15 * 60 * 1_000;
        self.run_until(end);
        for number in operations {
            if !self.clients.operations[number].has_succeeded {
                self.violation(format!(
                    "after all faults {:?} does not work",
                    self.clients.operations[number].kind
                ));
            }
        }
    }
}
