//! Streams that stay open to hear of changes: a session's own stream, and the subscriptions of the revision without
//! sessions.
//!
//! What holds here: a session's events have numbers and are kept, bounded, until a stream took them and as long as a
//! client may come back for them; one that is open somewhere else gets each event on one stream only. A subscription has
//! no past: its client subscribes again. Nothing here keeps the object in memory.

use std::collections::BTreeSet;

#[cfg(feature = "conformance")]
use protocol::fixtures::List;
use protocol::ids::{GrantId, SessionId};
use protocol::jsonrpc::{self, Id};
use protocol::mcp::{self, Revision, Watched};
use protocol::object::{Caller, Challenge, Listen, ObjectReply};
use protocol::stream::{EventId, Frame, Then};
use protocol::time::UnixMs;
use serde_json::value::RawValue;

use super::{Txn, UserSession, reply};
use crate::turn::{Effect, Fault, ReplyTo, Turn};

/// Who listens on a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    /// A session, whose events are kept.
    Session(SessionId),
    /// A subscription of the revision without sessions.
    Subscription {
        grant: GrantId,
        id: Id,
        watched: BTreeSet<Watched>,
        #[cfg(feature = "conformance")]
        lists: Vec<List>,
    },
}

impl UserSession {
    /// A stream that stays open is opened, or known again by a new core.
    pub(super) fn on_listen(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        listen: Listen,
    ) -> Result<(), Fault> {
        if !self.may_act(&caller.grant) {
            reply(txn, to, ObjectReply::challenged(Challenge::InvalidToken));
            return Ok(());
        }
        match listen {
            Listen::Session { session, after, is_restored } => {
                let Some((id, known)) = self.sessions.find(&session, caller.grant, &self.grants) else {
                    reply(txn, to, ObjectReply::status(404));
                    return Ok(());
                };
                let primes = known.revision >= Revision::November2025 && !is_restored;
                if !is_restored {
                    self.sessions.touch(txn, &id, turn.now)?;
                }
                self.take_over(txn, id, to);
                self.send_events(txn, to, id, after, primes)
            }
            Listen::Subscription { id, uris, is_restored } => {
                // What the client or the account may not hear of is left out of what is honoured.
                let watched: BTreeSet<Watched> = uris
                    .iter()
                    .filter_map(|uri| Watched::from_uri(uri))
                    .filter(|watched| {
                        has_scope(caller, *watched) && self.may_hear_of(*watched, turn.now).is_ok()
                    })
                    .collect();
                #[cfg(feature = "conformance")]
                let lists: Vec<List> = uris.iter().filter_map(|member| List::from_wire(member)).collect();
                #[cfg(feature = "conformance")]
                let members: Vec<&str> = lists.iter().map(|list| list.member()).collect();
                #[cfg(not(feature = "conformance"))]
                let members = [];
                if !is_restored {
                    let json = mcp::subscription_acknowledged(&id, &watched, &members);
                    push(txn, to, None, json);
                }
                let listener = Listener::Subscription {
                    grant: caller.grant,
                    id,
                    watched,
                    #[cfg(feature = "conformance")]
                    lists,
                };
                self.listeners.insert(to, listener);
                Ok(())
            }
        }
    }

    /// A session has one stream: a message goes out on one only (MCP 2025-11-25, basic/transports, "Multiple
    /// Connections"), and the newest is the one that its client certainly listens to.
    fn take_over(&mut self, txn: &mut Txn<'_>, session: SessionId, to: ReplyTo) {
        let earlier: Vec<ReplyTo> = self.streams_of(|listener| *listener == Listener::Session(session));
        for stream in earlier {
            self.close_stream(txn, stream);
        }
        self.listeners.insert(to, Listener::Session(session));
    }

    /// Sends what a session's stream has not taken, or what came after an event that its client names.
    fn send_events(
        &mut self,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        session: SessionId,
        after: Option<u64>,
        primes: bool,
    ) -> Result<(), Fault> {
        let (opened_at, events) = self.sessions.take_events(txn, &session, after)?;
        if primes {
            push(txn, to, Some(opened_at), String::new());
        }
        for (number, watched) in events {
            push(txn, to, Some(number), mcp::resource_updated(watched.uri(), None));
        }
        Ok(())
    }

    /// Something that is watched has changed: everyone who watches it is told.
    pub(super) fn on_changed(&mut self, txn: &mut Txn<'_>, watched: Watched) -> Result<(), Fault> {
        let sessions: Vec<SessionId> = self
            .sessions
            .watching(watched)
            .filter(|(_, grant)| self.may_act(grant))
            .map(|(session, _)| session)
            .collect();
        for session in sessions {
            self.sessions.add_event(txn, &session, watched)?;
            let streams = self.streams_of(|listener| *listener == Listener::Session(session));
            if let Some(to) = streams.first() {
                self.send_events(txn, *to, session, None, false)?;
            }
        }
        for (to, listener) in &self.listeners {
            if let Listener::Subscription { id, watched: uris, .. } = listener
                && uris.contains(&watched)
            {
                push(txn, *to, None, mcp::resource_updated(watched.uri(), Some(id)));
            }
        }
        Ok(())
    }

    /// A list of fixtures counts as changed: whoever listens for that is told.
    #[cfg(feature = "conformance")]
    pub(super) fn on_list_changed(&self, txn: &mut Txn<'_>, list: List) {
        for (to, listener) in &self.listeners {
            if let Listener::Subscription { id, lists, .. } = listener
                && lists.contains(&list)
            {
                push(txn, *to, None, list.changed(id));
            }
        }
    }

    /// `resources/subscribe` and `resources/unsubscribe` of a session.
    pub(super) fn on_subscription(
        &mut self,
        now: UnixMs,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (caller, session): (&Caller, Option<SessionId>),
        id: &Id,
        (watch, method, params): (bool, &str, Option<&RawValue>),
    ) -> Result<(), Fault> {
        let answer = match mcp::read_watched(method, params) {
            Ok(watched) if watch && !has_scope(caller, watched) => {
                return self.lack_scope(now, txn, to, (caller, id), watched.resource().scope());
            }
            Ok(watched) => match self.may_hear_of(watched, now) {
                Err(error) if watch => jsonrpc::failure(Some(id), &mcp::failure_of(&error)),
                _ => {
                    let session = session.ok_or(Fault::Invariant("a subscription without a session"))?;
                    self.sessions.watch(txn, &session, watched, watch)?;
                    jsonrpc::success(id, &serde_json::Map::new())
                }
            },
            Err(error) => jsonrpc::failure(Some(id), &error),
        };
        reply(txn, to, ObjectReply::json(answer));
        Ok(())
    }

    /// Ends the streams of sessions and grants that are no more.
    pub(super) fn close_orphaned_streams(&mut self, txn: &mut Txn<'_>) {
        let orphaned: Vec<ReplyTo> = {
            let lives = |listener: &Listener| match listener {
                Listener::Session(session) => {
                    let grant = self.sessions.grant(session);
                    grant.is_some_and(|grant| self.may_act(&grant))
                }
                Listener::Subscription { grant, .. } => self.may_act(grant),
            };
            self.streams_of(|listener| !lives(listener))
        };
        for stream in orphaned {
            self.close_stream(txn, stream);
        }
    }

    /// Closes every stream that stays open; says whether there were any. One that waits for an answer ends with it.
    pub(super) fn close_all_streams(&mut self, txn: &mut Txn<'_>) -> bool {
        let streams = self.streams_of(|_| true);
        for stream in &streams {
            self.close_stream(txn, *stream);
        }
        !streams.is_empty()
    }

    fn streams_of(&self, is_meant: impl Fn(&Listener) -> bool) -> Vec<ReplyTo> {
        self.listeners.iter().filter(|(_, listener)| is_meant(listener)).map(|(to, _)| *to).collect()
    }

    fn close_stream(&mut self, txn: &mut Txn<'_>, to: ReplyTo) {
        self.listeners.remove(&to);
        txn.emit(Effect::Close { to });
    }
}

/// Whoever may read a resource may hear of its changes.
fn has_scope(caller: &Caller, watched: Watched) -> bool {
    caller.scopes.iter().any(|scope| scope == watched.resource().scope())
}

fn push(txn: &mut Txn<'_>, to: ReplyTo, number: Option<u64>, json: String) {
    let frame = Frame { then: Then::Continue, event: number.map(EventId::Message), json };
    txn.emit(Effect::Push { to, frame });
}
