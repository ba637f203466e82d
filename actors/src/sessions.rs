//! MCP sessions of the protocol revisions that have them.
//!
//! What holds here: a session belongs to this user's object and to the grant that opened it, and is never a proof of
//! identity; it ends when the client says so or after a time without use; using it costs a row at most once an hour.

use std::collections::{BTreeMap, BTreeSet};

use protocol::ids::{GrantId, SessionId};
use protocol::limits::{SESSION_EVENTS_MAX, SESSION_TOUCH_EVERY, SESSIONS_MAX};
use protocol::mcp::envelope::{ClientCapabilities, letters};
use protocol::mcp::{Revision, Watched};
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};

use crate::grants::Grants;
use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The revision that was negotiated.
    #[serde(rename = "r")]
    pub revision: Revision,
    /// The grant that opened it.
    #[serde(rename = "g")]
    pub grant: GrantId,
    /// What the client called itself.
    #[serde(rename = "c")]
    pub client_name: String,
    /// When it was opened.
    #[serde(rename = "o")]
    pub opened_at: UnixMs,
    /// When it was last used, to within [`SESSION_TOUCH_EVERY`] and a quarter of the time after which it ends.
    #[serde(rename = "u")]
    pub used_at: UnixMs,
    /// What it watches.
    #[serde(rename = "w", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub watched: BTreeSet<Watched>,
    /// The latest events, oldest first, with their numbers.
    #[serde(rename = "e", default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<(u64, Watched)>,
    /// The number of the last event that a stream took.
    #[serde(rename = "h", default)]
    pub handed_out: u64,
    /// What its client can be asked for.
    #[serde(rename = "k", default, with = "letters", skip_serializing_if = "letters::are_none")]
    pub capabilities: ClientCapabilities,
    /// From which level on it wants log messages, once it said so; only fixtures send any.
    #[cfg(feature = "conformance")]
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<protocol::mcp::envelope::LogLevel>,
}

impl Record for Session {
    const TABLE: Table = Table::Sessions;
}

/// All sessions of one person, in memory as in their rows.
#[derive(Debug)]
pub struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    /// How long a session lives without use.
    idle_max: DurationMs,
}

impl Sessions {
    /// Reads all sessions.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn recover(rows: &dyn Rows, idle_max: DurationMs) -> Result<Self, Fault> {
        let mut by_id = BTreeMap::new();
        for (key, session) in read_range::<Session>(rows, &[], None, SESSIONS_MAX, Order::Ascending)? {
            let id = <[u8; 16]>::try_from(key.as_slice())
                .map_err(|_| Fault::CorruptRow { table: Table::Sessions.name() })?;
            by_id.insert(SessionId::from_bytes(id), session);
        }
        Ok(Self { by_id, idle_max })
    }

    /// Opens a session. The one that was not used for the longest time gives way when there are too many.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn open(&mut self, txn: &mut Txn<'_>, id: SessionId, session: Session) -> Result<(), Fault> {
        if self.by_id.len() >= SESSIONS_MAX {
            let idlest = self.by_id.iter().min_by_key(|(_, session)| session.used_at).map(|(id, _)| *id);
            if let Some(idlest) = idlest {
                self.end(txn, &idlest);
            }
        }
        txn.put(id.as_bytes(), &session)?;
        self.by_id.insert(id, session);
        Ok(())
    }

    /// The session of an `Mcp-Session-Id` header, if it lives and was opened by the same client: under the same grant, or
    /// under an earlier one that stands.
    #[must_use]
    pub fn find(&self, header: &str, grant: GrantId, grants: &Grants) -> Option<(SessionId, &Session)> {
        let id: SessionId = header.parse().ok()?;
        let session = self.by_id.get(&id)?;
        grants.are_of_one_client(&session.grant, &grant).then_some((id, session))
    }

    /// All sessions.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&SessionId, &Session)> {
        self.by_id.iter()
    }

    /// The revision that a session negotiated.
    #[must_use]
    pub fn revision(&self, id: &SessionId) -> Option<Revision> {
        self.by_id.get(id).map(|session| session.revision)
    }

    /// What a session's client can be asked for.
    #[must_use]
    pub fn capabilities(&self, id: &SessionId) -> ClientCapabilities {
        self.by_id.get(id).map(|session| session.capabilities).unwrap_or_default()
    }

    /// Sets from which level on a session wants log messages.
    ///
    /// # Errors
    /// A fault of the storage port.
    #[cfg(feature = "conformance")]
    pub fn set_log_level(
        &mut self,
        txn: &mut Txn<'_>,
        id: &SessionId,
        level: protocol::mcp::envelope::LogLevel,
    ) -> Result<(), Fault> {
        let Some(session) = self.by_id.get_mut(id) else { return Ok(()) };
        session.log_level = Some(level);
        txn.put(id.as_bytes(), session)
    }

    /// From which level on a session wants log messages, once it said so.
    #[cfg(feature = "conformance")]
    #[must_use]
    pub fn log_level(&self, id: &SessionId) -> Option<protocol::mcp::envelope::LogLevel> {
        self.by_id.get(id)?.log_level
    }

    /// The grant that opened a session.
    #[must_use]
    pub fn grant(&self, id: &SessionId) -> Option<GrantId> {
        self.by_id.get(id).map(|session| session.grant)
    }

    /// Begins or ends a session's watching of a resource.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn watch(
        &mut self,
        txn: &mut Txn<'_>,
        id: &SessionId,
        watched: Watched,
        watch: bool,
    ) -> Result<(), Fault> {
        let Some(session) = self.by_id.get_mut(id) else { return Ok(()) };
        let changes = if watch { session.watched.insert(watched) } else { session.watched.remove(&watched) };
        if changes { txn.put(id.as_bytes(), session) } else { Ok(()) }
    }

    /// The sessions that watch a resource, with the grants that opened them.
    pub fn watching(&self, watched: Watched) -> impl Iterator<Item = (SessionId, GrantId)> + '_ {
        let watches = move |session: &Session| session.watched.contains(&watched);
        self.by_id
            .iter()
            .filter(move |(_, session)| watches(session))
            .map(|(id, session)| (*id, session.grant))
    }

    /// Adds an event to a session's log. One that still waits to be handed out says the same as another of its kind.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn add_event(&mut self, txn: &mut Txn<'_>, id: &SessionId, watched: Watched) -> Result<(), Fault> {
        let Some(session) = self.by_id.get_mut(id) else { return Ok(()) };
        let waits = |(number, kind): &(u64, Watched)| *number > session.handed_out && *kind == watched;
        if session.events.iter().any(waits) {
            return Ok(());
        }
        let last = session.events.last().map_or(session.handed_out, |(number, _)| *number);
        if session.events.len() >= SESSION_EVENTS_MAX {
            session.events.remove(0);
        }
        session.events.push((last + 1, watched));
        txn.put(id.as_bytes(), session)
    }

    /// Hands out the events after the one that the client names, or those that no stream took yet; with them the number
    /// from which a client that comes back goes on.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn take_events(
        &mut self,
        txn: &mut Txn<'_>,
        id: &SessionId,
        after: Option<u64>,
    ) -> Result<(u64, Vec<(u64, Watched)>), Fault> {
        let Some(session) = self.by_id.get_mut(id) else { return Ok((0, Vec::new())) };
        let from = after.unwrap_or(session.handed_out);
        let events: Vec<(u64, Watched)> =
            session.events.iter().filter(|(number, _)| *number > from).copied().collect();
        if let Some((last, _)) = events.last()
            && *last > session.handed_out
        {
            session.handed_out = *last;
            txn.put(id.as_bytes(), session)?;
        }
        Ok((from, events))
    }

    /// Notes that a session was used: often enough that none ends in use, and seldom enough to cost nearly nothing.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn touch(&mut self, txn: &mut Txn<'_>, id: &SessionId, now: UnixMs) -> Result<(), Fault> {
        if let Some(session) = self.by_id.get_mut(id)
            && now.since(session.used_at) >= SESSION_TOUCH_EVERY.min(DurationMs(self.idle_max.0 / 4))
        {
            session.used_at = now;
            txn.put(id.as_bytes(), session)?;
        }
        Ok(())
    }

    /// Ends a session; says whether there was one.
    pub fn end(&mut self, txn: &mut Txn<'_>, id: &SessionId) -> bool {
        txn.delete::<Session>(id.as_bytes());
        self.by_id.remove(id).is_some()
    }

    /// When the next session has been idle for too long.
    #[must_use]
    pub fn expiry_due(&self) -> Option<UnixMs> {
        self.by_id.values().map(|session| session.used_at.plus(self.idle_max)).min()
    }

    /// Ends the sessions that have been idle for too long.
    pub fn expire(&mut self, txn: &mut Txn<'_>, now: UnixMs) {
        let idle: Vec<SessionId> = self
            .by_id
            .iter()
            .filter(|(_, session)| session.used_at.plus(self.idle_max) <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in idle {
            self.end(txn, &id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryRows;

    const IDLE: DurationMs = DurationMs::from_secs(7 * 24 * 60 * 60);

    fn session(used_at: u64, grant: u8) -> Session {
        Session {
            revision: Revision::November2025,
            grant: GrantId::from_bytes([grant; 16]),
            client_name: "test 1".into(),
            opened_at: UnixMs(0),
            used_at: UnixMs(used_at),
            watched: BTreeSet::new(),
            events: Vec::new(),
            handed_out: 0,
            capabilities: ClientCapabilities::default(),
            #[cfg(feature = "conformance")]
            log_level: None,
        }
    }

    #[test]
    fn a_session_is_found_only_under_its_own_grant() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions { by_id: BTreeMap::new(), idle_max: IDLE };
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        assert!(sessions.find(&id.to_string(), GrantId::from_bytes([1; 16]), &Grants::default()).is_some());
        assert!(sessions.find(&id.to_string(), GrantId::from_bytes([2; 16]), &Grants::default()).is_none());
        assert!(sessions.find("../x", GrantId::from_bytes([1; 16]), &Grants::default()).is_none());
    }

    #[test]
    fn use_is_written_once_an_hour_and_idleness_ends_a_session() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions { by_id: BTreeMap::new(), idle_max: IDLE };
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        let mut quiet = Txn::new(&rows);
        sessions.touch(&mut quiet, &id, UnixMs(SESSION_TOUCH_EVERY.0 - 1)).unwrap();
        assert!(quiet.finish().0.is_empty());
        sessions.touch(&mut txn, &id, UnixMs(SESSION_TOUCH_EVERY.0)).unwrap();
        assert_eq!(sessions.expiry_due(), Some(UnixMs(SESSION_TOUCH_EVERY.0).plus(IDLE)));
        sessions.expire(&mut txn, UnixMs(SESSION_TOUCH_EVERY.0 + IDLE.0 - 1));
        assert!(sessions.expiry_due().is_some(), "its time is not over");
        sessions.expire(&mut txn, UnixMs(SESSION_TOUCH_EVERY.0 + IDLE.0));
        assert_eq!(sessions.expiry_due(), None);
    }

    #[test]
    fn the_idlest_session_gives_way() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions { by_id: BTreeMap::new(), idle_max: IDLE };
        for number in 0..=SESSIONS_MAX {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            sessions.open(&mut txn, SessionId::from_bytes(id), session(number as u64, 1)).unwrap();
        }
        assert_eq!(sessions.by_id.len(), SESSIONS_MAX);
        assert!(!sessions.by_id.contains_key(&SessionId::from_bytes([0; 16])));
    }

    #[test]
    fn events_are_handed_out_once_and_again_to_a_client_that_comes_back() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions { by_id: BTreeMap::new(), idle_max: IDLE };
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        sessions.watch(&mut txn, &id, Watched::Inbox, true).unwrap();
        let watching = |sessions: &Sessions, watched| sessions.watching(watched).collect::<Vec<_>>();
        assert_eq!(watching(&sessions, Watched::Inbox), [(id, GrantId::from_bytes([1; 16]))]);
        assert_eq!(watching(&sessions, Watched::Calendar), []);
        for _ in 0..3 {
            sessions.add_event(&mut txn, &id, Watched::Inbox).unwrap();
        }
        let first = sessions.take_events(&mut txn, &id, None).unwrap();
        assert_eq!(first, (0, vec![(1, Watched::Inbox)]), "what waits already is not said twice");
        assert_eq!(sessions.take_events(&mut txn, &id, None).unwrap(), (1, Vec::new()));
        sessions.add_event(&mut txn, &id, Watched::Calendar).unwrap();
        let after_a_break = sessions.take_events(&mut txn, &id, Some(0)).unwrap();
        assert_eq!(after_a_break, (0, vec![(1, Watched::Inbox), (2, Watched::Calendar)]));
        sessions.watch(&mut txn, &id, Watched::Inbox, false).unwrap();
        assert_eq!(watching(&sessions, Watched::Inbox), []);
    }

    #[test]
    fn a_session_keeps_its_latest_events_and_no_more() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions { by_id: BTreeMap::new(), idle_max: IDLE };
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        for _ in 0..SESSION_EVENTS_MAX + 9 {
            sessions.add_event(&mut txn, &id, Watched::Inbox).unwrap();
            sessions.take_events(&mut txn, &id, None).unwrap();
        }
        let (_, kept) = sessions.take_events(&mut txn, &id, Some(0)).unwrap();
        assert_eq!(kept.len(), SESSION_EVENTS_MAX);
        assert_eq!(kept.last().unwrap().0, SESSION_EVENTS_MAX as u64 + 9);
    }
}
