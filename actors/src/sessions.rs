//! MCP sessions of the protocol revisions that have them.
//!
//! What holds here: a session belongs to this user's object and to the grant that opened it, and is never a proof of
//! identity; it ends when the client says so or after a time without use; using it costs a row at most once an hour.

use std::collections::BTreeMap;

use protocol::ids::{GrantId, SessionId};
use protocol::limits::{SESSION_IDLE_MAX, SESSION_TOUCH_EVERY, SESSIONS_MAX};
use protocol::mcp::Revision;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

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
    /// When it was last used, to within [`SESSION_TOUCH_EVERY`].
    #[serde(rename = "u")]
    pub used_at: UnixMs,
}

impl Record for Session {
    const TABLE: Table = Table::Sessions;
}

/// All sessions of one person, in memory as in their rows.
#[derive(Debug, Default)]
pub struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
}

impl Sessions {
    /// Reads all sessions.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn recover(rows: &dyn Rows) -> Result<Self, Fault> {
        let mut by_id = BTreeMap::new();
        for (key, session) in read_range::<Session>(rows, &[], None, SESSIONS_MAX, Order::Ascending)? {
            let id = <[u8; 16]>::try_from(key.as_slice())
                .map_err(|_| Fault::CorruptRow { table: Table::Sessions.name() })?;
            by_id.insert(SessionId::from_bytes(id), session);
        }
        Ok(Self { by_id })
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

    /// The session of an `Mcp-Session-Id` header, if it lives and was opened under the same grant.
    #[must_use]
    pub fn find(&self, header: &str, grant: GrantId) -> Option<(SessionId, &Session)> {
        let id: SessionId = header.parse().ok()?;
        let session = self.by_id.get(&id)?;
        (session.grant == grant).then_some((id, session))
    }

    /// The revision that a session negotiated.
    #[must_use]
    pub fn revision(&self, id: &SessionId) -> Option<Revision> {
        self.by_id.get(id).map(|session| session.revision)
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn touch(&mut self, txn: &mut Txn<'_>, id: &SessionId, now: UnixMs) -> Result<(), Fault> {
        if let Some(session) = self.by_id.get_mut(id)
            && now.since(session.used_at) >= SESSION_TOUCH_EVERY
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
        self.by_id.values().map(|session| session.used_at.plus(SESSION_IDLE_MAX)).min()
    }

    /// Ends the sessions that have been idle for too long.
    pub fn expire(&mut self, txn: &mut Txn<'_>, now: UnixMs) {
        let idle: Vec<SessionId> = self
            .by_id
            .iter()
            .filter(|(_, session)| session.used_at.plus(SESSION_IDLE_MAX) <= now)
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

    fn session(used_at: u64, grant: u8) -> Session {
        Session {
            revision: Revision::November2025,
            grant: GrantId::from_bytes([grant; 16]),
            client_name: "test 1".into(),
            opened_at: UnixMs(0),
            used_at: UnixMs(used_at),
        }
    }

    #[test]
    fn a_session_is_found_only_under_its_own_grant() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions::default();
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        assert!(sessions.find(&id.to_string(), GrantId::from_bytes([1; 16])).is_some());
        assert!(sessions.find(&id.to_string(), GrantId::from_bytes([2; 16])).is_none());
        assert!(sessions.find("../x", GrantId::from_bytes([1; 16])).is_none());
    }

    #[test]
    fn use_is_written_once_an_hour_and_idleness_ends_a_session() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions::default();
        let id = SessionId::from_bytes([5; 16]);
        sessions.open(&mut txn, id, session(0, 1)).unwrap();
        let mut quiet = Txn::new(&rows);
        sessions.touch(&mut quiet, &id, UnixMs(SESSION_TOUCH_EVERY.0 - 1)).unwrap();
        assert!(quiet.finish().0.is_empty());
        sessions.touch(&mut txn, &id, UnixMs(SESSION_TOUCH_EVERY.0)).unwrap();
        assert_eq!(sessions.expiry_due(), Some(UnixMs(SESSION_TOUCH_EVERY.0).plus(SESSION_IDLE_MAX)));
        sessions.expire(&mut txn, UnixMs(SESSION_TOUCH_EVERY.0 + SESSION_IDLE_MAX.0));
        assert_eq!(sessions.expiry_due(), None);
    }

    #[test]
    fn the_idlest_session_gives_way() {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut sessions = Sessions::default();
        for number in 0..=SESSIONS_MAX {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            sessions.open(&mut txn, SessionId::from_bytes(id), session(number as u64, 1)).unwrap();
        }
        assert_eq!(sessions.by_id.len(), SESSIONS_MAX);
        assert!(!sessions.by_id.contains_key(&SessionId::from_bytes([0; 16])));
    }
}
