//! Grants: which clients this person connected, and whether each still may act.
//!
//! What holds here: an access token is worth exactly as much as the grant behind it; a code is redeemed once, and a
//! second attempt withdraws the grant (RFC 6749, section 4.1.2); a refresh token is used once, with one bounded grace for
//! an answer that was lost, and an older one withdraws the grant (OAuth 2.1, section 4.3.1). A client that was told to ask
//! its person for more scopes cannot renew its tokens instead.

use std::collections::BTreeMap;

use protocol::ids::GrantId;
use protocol::limits::{GRANTS_MAX, GRANTS_PER_CLIENT_MAX};
use protocol::oauth::token::{CODE_LIFETIME, REFRESH_GRACE, STEP_UP_WAIT};
use protocol::object::{Consented, Issue, Redeem, Renew};
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use crate::store::{Order, Record, Rows, Table, Txn, read_range};
use crate::turn::Fault;

/// A code that was issued and not redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingCode {
    /// The PKCE challenge that the redemption must meet.
    #[serde(rename = "c")]
    pub challenge: String,
    /// The redirect URI that the redemption must repeat.
    #[serde(rename = "r")]
    pub redirect_uri: String,
}

/// One client's permission.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The OAuth client.
    #[serde(rename = "c")]
    pub client: String,
    /// The digest of the client's identifier; empty for a connection that no client asked for.
    #[serde(rename = "d", with = "serde_bytes")]
    pub client_digest: Vec<u8>,
    /// The scopes that the person agreed to.
    #[serde(rename = "s")]
    pub scopes: Vec<String>,
    /// When the person agreed.
    #[serde(rename = "a")]
    pub granted_at: UnixMs,
    /// The code that was not redeemed yet.
    #[serde(rename = "k")]
    pub code: Option<PendingCode>,
    /// The generation of the newest refresh token; zero before the first.
    #[serde(rename = "n")]
    pub generation: u32,
    /// When that refresh token was issued.
    #[serde(rename = "t")]
    pub rotated_at: UnixMs,
    /// The subject under which Access knew the person who agreed.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub access_identity: Option<String>,
    /// The host that got the answer when the person agreed; empty for a connection by link.
    #[serde(rename = "h", default, skip_serializing_if = "String::is_empty")]
    pub redirect_host: String,
}

impl Record for Grant {
    const TABLE: Table = Table::Grants;
}

impl Grant {
    /// A connection that no OAuth client asked for, such as by a link.
    #[must_use]
    pub const fn by_link(client: String, scopes: Vec<String>, now: UnixMs) -> Self {
        Self {
            client,
            client_digest: Vec::new(),
            scopes,
            granted_at: now,
            code: None,
            generation: 0,
            rotated_at: now,
            access_identity: None,
            redirect_host: String::new(),
        }
    }

    fn issue(&self, scopes: Vec<String>) -> Issue {
        Issue {
            client: self.client.clone(),
            scopes,
            generation: self.generation,
            access_identity: self.access_identity.clone(),
        }
    }
}

/// Why a grant yields no tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantRefused {
    /// The request is wrong, and the grant stands.
    NotGood,
    /// The request asks for more than the person agreed to, and the grant stands.
    ScopeTooWide,
    /// Something was used twice: the grant was withdrawn.
    Withdrawn,
}

/// All grants of one person, in memory as in their rows.
#[derive(Debug, Default)]
pub struct Grants {
    by_id: BTreeMap<GrantId, Grant>,
    /// Whose client was told that it lacks a scope, and when. It is of memory only: the client acts at once or never.
    stepping_up: BTreeMap<GrantId, UnixMs>,
}

impl Grants {
    /// Reads all grants.
    ///
    /// # Errors
    /// [`Fault::CorruptRow`] when one does not decode.
    pub fn recover(rows: &dyn Rows) -> Result<Self, Fault> {
        let mut by_id = BTreeMap::new();
        for (key, grant) in read_range::<Grant>(rows, &[], None, GRANTS_MAX, Order::Ascending)? {
            let id = <[u8; 16]>::try_from(key.as_slice())
                .map_err(|_| Fault::CorruptRow { table: Table::Grants.name() })?;
            by_id.insert(GrantId::from_bytes(id), grant);
        }
        Ok(Self { by_id, stepping_up: BTreeMap::new() })
    }

    /// A standing grant, with which a client may act. One whose code was not redeemed is none.
    #[must_use]
    pub fn standing(&self, id: &GrantId) -> Option<&Grant> {
        self.by_id.get(id).filter(|grant| grant.code.is_none())
    }

    /// All grants, also those whose code was not redeemed.
    pub fn iter(&self) -> impl Iterator<Item = (&GrantId, &Grant)> {
        self.by_id.iter()
    }

    /// Whether the person agreed to a client before: to no fewer scopes, and to an answer at the same host.
    #[must_use]
    pub fn covers(&self, consent: &Consented) -> bool {
        !consent.client_digest.is_empty()
            && self.by_id.values().any(|grant| {
                grant.code.is_none()
                    && grant.client_digest == consent.client_digest
                    && grant.redirect_host == consent.redirect_host
                    && consent.scopes.iter().all(|scope| grant.scopes.contains(scope))
            })
    }

    /// Whether two grants are of the same client: of a program that signed its person in again, for more scopes or on
    /// another machine. What was opened under one of them may then be used under the other.
    #[must_use]
    pub fn are_of_one_client(&self, one: &GrantId, other: &GrantId) -> bool {
        let digest =
            |id| self.by_id.get(id).map(|grant| &grant.client_digest).filter(|digest| !digest.is_empty());
        one == other || digest(one).is_some_and(|known| digest(other) == Some(known))
    }

    /// Records a grant. A client has several, because those that are known by the URL of their description have one name
    /// on all machines of a person; the one that was used last the longest time ago gives way when it has too many, and
    /// the oldest of all when the person has too many.
    ///
    /// # Errors
    /// A fault of the storage port.
    pub fn insert(&mut self, txn: &mut Txn<'_>, id: GrantId, grant: Grant) -> Result<(), Fault> {
        let mut earlier: Vec<(UnixMs, GrantId)> = self
            .by_id
            .iter()
            .filter(|(known, earlier)| {
                **known != id
                    && !grant.client_digest.is_empty()
                    && earlier.client_digest == grant.client_digest
            })
            .map(|(known, earlier)| (earlier.granted_at.max(earlier.rotated_at), *known))
            .collect();
        earlier.sort_unstable();
        let too_many = (earlier.len() + 1).saturating_sub(GRANTS_PER_CLIENT_MAX);
        for (_, superfluous) in earlier.into_iter().take(too_many) {
            self.withdraw(txn, &superfluous);
        }
        if self.by_id.len() >= GRANTS_MAX && !self.by_id.contains_key(&id) {
            let oldest = self.by_id.iter().min_by_key(|(_, grant)| grant.granted_at).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.withdraw(txn, &oldest);
            }
        }
        txn.put(id.as_bytes(), &grant)?;
        self.by_id.insert(id, grant);
        Ok(())
    }

    /// Withdraws a grant; says whether there was one.
    pub fn withdraw(&mut self, txn: &mut Txn<'_>, id: &GrantId) -> bool {
        txn.delete::<Grant>(id.as_bytes());
        self.stepping_up.remove(id);
        self.by_id.remove(id).is_some()
    }

    /// Redeems a grant's code.
    ///
    /// A request that does not meet the code's conditions leaves the code as it is; a code that was redeemed before
    /// withdraws the grant, since somebody else may hold it.
    ///
    /// # Errors
    /// A fault of the storage port. The inner error says why there are no tokens.
    pub fn redeem(
        &mut self,
        txn: &mut Txn<'_>,
        id: &GrantId,
        request: &Redeem,
        now: UnixMs,
    ) -> Result<Result<Issue, GrantRefused>, Fault> {
        let Some(grant) = self.by_id.get_mut(id) else { return Ok(Err(GrantRefused::NotGood)) };
        if grant.client_digest != request.client_digest {
            return Ok(Err(GrantRefused::NotGood));
        }
        let Some(code) = &grant.code else {
            self.withdraw(txn, id);
            return Ok(Err(GrantRefused::Withdrawn));
        };
        let meets = code.challenge == request.challenge
            && request.redirect_uri.as_ref().is_none_or(|uri| *uri == code.redirect_uri)
            && now < grant.granted_at.plus(CODE_LIFETIME);
        if !meets {
            return Ok(Err(GrantRefused::NotGood));
        }
        grant.code = None;
        grant.generation = 1;
        grant.rotated_at = now;
        txn.put(id.as_bytes(), grant)?;
        Ok(Ok(grant.issue(grant.scopes.clone())))
    }

    /// A client was told that its tokens lack a scope. Where it renews them next, as clients of the TypeScript SDK v1 do,
    /// it would get the same scopes again and give up; so that renewal is refused once, and it asks its person.
    pub fn ask_for_more(&mut self, id: &GrantId, now: UnixMs) {
        if self.by_id.contains_key(id) {
            self.stepping_up.insert(*id, now);
        }
    }

    /// Renews a grant's tokens.
    ///
    /// The newest refresh token is rotated. The one before it yields the same successor again for a short time, as long
    /// as that successor was not used. Any older one withdraws the grant.
    ///
    /// # Errors
    /// A fault of the storage port. The inner error says why there are no tokens.
    pub fn renew(
        &mut self,
        txn: &mut Txn<'_>,
        id: &GrantId,
        request: &Renew,
        now: UnixMs,
    ) -> Result<Result<Issue, GrantRefused>, Fault> {
        let Some(grant) = self.by_id.get_mut(id) else { return Ok(Err(GrantRefused::NotGood)) };
        if grant.client_digest != request.client_digest || grant.code.is_some() {
            return Ok(Err(GrantRefused::NotGood));
        }
        let scopes = request.scopes.clone().unwrap_or_else(|| grant.scopes.clone());
        if !scopes.iter().all(|scope| grant.scopes.contains(scope)) {
            return Ok(Err(GrantRefused::ScopeTooWide));
        }
        if self.stepping_up.remove(id).is_some_and(|told_at| now < told_at.plus(STEP_UP_WAIT)) {
            return Ok(Err(GrantRefused::NotGood));
        }
        if request.generation == grant.generation {
            grant.generation += 1;
            grant.rotated_at = now;
            txn.put(id.as_bytes(), grant)?;
            return Ok(Ok(grant.issue(scopes)));
        }
        let lost_its_answer = request.generation.checked_add(1) == Some(grant.generation)
            && now < grant.rotated_at.plus(REFRESH_GRACE);
        if lost_its_answer {
            return Ok(Ok(grant.issue(scopes)));
        }
        self.withdraw(txn, id);
        Ok(Err(GrantRefused::Withdrawn))
    }

    /// Withdraws a grant at its client's wish; another client's wish changes nothing.
    pub fn revoke(&mut self, txn: &mut Txn<'_>, id: &GrantId, client_digest: &[u8]) {
        if self.by_id.get(id).is_some_and(|grant| grant.client_digest == client_digest) {
            self.withdraw(txn, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryRows;

    const ID: GrantId = GrantId::from_bytes([7; 16]);

    fn grant() -> Grant {
        Grant {
            client: "Test".into(),
            client_digest: vec![1; 32],
            scopes: vec!["mail.read".into(), "mail.send".into()],
            granted_at: UnixMs(0),
            code: Some(PendingCode {
                challenge: "challenge".into(),
                redirect_uri: "https://a.example/cb".into(),
            }),
            generation: 0,
            rotated_at: UnixMs(0),
            access_identity: None,
            redirect_host: "a.example".into(),
        }
    }

    fn redemption() -> Redeem {
        Redeem { client_digest: vec![1; 32], challenge: "challenge".into(), redirect_uri: None }
    }

    fn renewal(generation: u32) -> Renew {
        Renew { client_digest: vec![1; 32], generation, scopes: None }
    }

    /// Runs an action on grants that hold one fresh grant.
    fn with_grant(action: impl FnOnce(&mut Grants, &mut Txn<'_>)) {
        let rows = MemoryRows::default();
        let mut txn = Txn::new(&rows);
        let mut grants = Grants::default();
        grants.insert(&mut txn, ID, grant()).unwrap();
        action(&mut grants, &mut txn);
    }

    #[test]
    fn a_grant_stands_once_its_code_was_redeemed() {
        with_grant(|grants, txn| {
            assert!(grants.standing(&ID).is_none());
            let issue = grants.redeem(txn, &ID, &redemption(), UnixMs(1)).unwrap().unwrap();
            assert_eq!((issue.generation, issue.scopes.len()), (1, 2));
            assert!(grants.standing(&ID).is_some());
        });
    }

    #[test]
    fn who_was_told_to_ask_for_more_cannot_renew_instead_but_loses_nothing() {
        with_grant(|grants, txn| {
            grants.redeem(txn, &ID, &redemption(), UnixMs(1)).unwrap().unwrap();
            grants.ask_for_more(&ID, UnixMs(1_000));
            let mut renew = |at| grants.renew(txn, &ID, &renewal(1), UnixMs(at)).unwrap();
            assert_eq!(renew(1_001), Err(GrantRefused::NotGood));
            assert_eq!(renew(1_002).unwrap().generation, 2, "once, and the refresh token is as it was");
            grants.ask_for_more(&ID, UnixMs(1_003));
            let late = UnixMs(1_003).plus(STEP_UP_WAIT);
            assert_eq!(grants.renew(txn, &ID, &renewal(2), late).unwrap().unwrap().generation, 3);
            grants.ask_for_more(&GrantId::from_bytes([8; 16]), UnixMs(1));
            assert!(grants.stepping_up.is_empty(), "a grant that is none is not remembered");
        });
    }

    #[test]
    fn a_wrong_redemption_does_not_consume_the_code_and_a_second_one_withdraws_the_grant() {
        with_grant(|grants, txn| {
            for wrong in [
                Redeem { client_digest: vec![2; 32], ..redemption() },
                Redeem { challenge: "other".into(), ..redemption() },
                Redeem { redirect_uri: Some("https://b.example/cb".into()), ..redemption() },
            ] {
                let refused = grants.redeem(txn, &ID, &wrong, UnixMs(1)).unwrap();
                assert_eq!(refused, Err(GrantRefused::NotGood), "{wrong:?}");
            }
            let late = grants.redeem(txn, &ID, &redemption(), UnixMs(0).plus(CODE_LIFETIME)).unwrap();
            assert_eq!(late, Err(GrantRefused::NotGood));
            assert!(grants.redeem(txn, &ID, &redemption(), UnixMs(1)).unwrap().is_ok());
            let replayed = grants.redeem(txn, &ID, &redemption(), UnixMs(2)).unwrap();
            assert_eq!(replayed, Err(GrantRefused::Withdrawn));
            assert!(grants.standing(&ID).is_none());
        });
    }

    #[test]
    fn refresh_tokens_rotate_with_one_grace_and_reuse_is_noticed() {
        with_grant(|grants, txn| {
            grants.redeem(txn, &ID, &redemption(), UnixMs(0)).unwrap().unwrap();
            let generation = |grants: &mut Grants, txn: &mut Txn<'_>, presented, now| {
                grants
                    .renew(txn, &ID, &renewal(presented), UnixMs(now))
                    .unwrap()
                    .map(|issue| issue.generation)
            };
            assert_eq!(generation(grants, txn, 1, 10), Ok(2));
            // Two refreshes at once, or a lost answer: the same successor again.
            assert_eq!(generation(grants, txn, 1, 20), Ok(2));
            assert_eq!(generation(grants, txn, 2, 30), Ok(3));
            assert_eq!(generation(grants, txn, 1, 40), Err(GrantRefused::Withdrawn));
            assert_eq!(generation(grants, txn, 3, 50), Err(GrantRefused::NotGood));
        });
        with_grant(|grants, txn| {
            grants.redeem(txn, &ID, &redemption(), UnixMs(0)).unwrap().unwrap();
            grants.renew(txn, &ID, &renewal(1), UnixMs(10)).unwrap().unwrap();
            let late = grants.renew(txn, &ID, &renewal(1), UnixMs(10).plus(REFRESH_GRACE)).unwrap();
            assert_eq!(late, Err(GrantRefused::Withdrawn));
        });
    }

    #[test]
    fn a_renewal_may_narrow_and_never_widen() {
        with_grant(|grants, txn| {
            grants.redeem(txn, &ID, &redemption(), UnixMs(0)).unwrap().unwrap();
            let wider = Renew { scopes: Some(vec!["files.read".into()]), ..renewal(1) };
            assert_eq!(grants.renew(txn, &ID, &wider, UnixMs(1)).unwrap(), Err(GrantRefused::ScopeTooWide));
            let narrower = Renew { scopes: Some(vec!["mail.read".into()]), ..renewal(1) };
            assert_eq!(grants.renew(txn, &ID, &narrower, UnixMs(1)).unwrap().unwrap().scopes, ["mail.read"]);
        });
    }

    #[test]
    fn a_consent_covers_the_same_client_and_host_and_no_more_scopes() {
        with_grant(|grants, txn| {
            let same = Consented {
                client_digest: vec![1; 32],
                redirect_host: "a.example".into(),
                scopes: vec!["mail.read".into()],
            };
            assert!(!grants.covers(&same), "the code was not redeemed yet");
            grants.redeem(txn, &ID, &redemption(), UnixMs(0)).unwrap().unwrap();
            assert!(grants.covers(&same));
            for other in [
                Consented { client_digest: vec![2; 32], ..same.clone() },
                Consented { client_digest: Vec::new(), ..same.clone() },
                Consented { redirect_host: "b.example".into(), ..same.clone() },
                Consented { scopes: vec!["mail.read".into(), "teams.send".into()], ..same.clone() },
            ] {
                assert!(!grants.covers(&other), "{other:?}");
            }
            grants.withdraw(txn, &ID);
            assert!(!grants.covers(&same), "the grant was withdrawn");
        });
    }

    #[test]
    fn a_client_on_several_machines_has_a_grant_for_each_and_the_least_used_gives_way() {
        with_grant(|grants, txn| {
            let id = |number: u8| GrantId::from_bytes([number; 16]);
            for number in 8..12 {
                grants
                    .insert(txn, id(number), Grant { granted_at: UnixMs(number.into()), ..grant() })
                    .unwrap();
            }
            assert!(grants.are_of_one_client(&ID, &id(11)) && !grants.are_of_one_client(&ID, &id(12)));
            grants.redeem(txn, &ID, &redemption(), UnixMs(100)).unwrap().unwrap();
            grants.insert(txn, id(12), Grant { granted_at: UnixMs(101), ..grant() }).unwrap();
            assert!(!grants.by_id.contains_key(&id(8)) && grants.by_id.contains_key(&ID));
            assert_eq!(grants.by_id.len(), GRANTS_PER_CLIENT_MAX);
            grants.revoke(txn, &id(12), &[9; 32]);
            assert!(grants.by_id.contains_key(&id(12)), "another client's wish");
            grants.revoke(txn, &id(12), &[1; 32]);
            assert!(!grants.by_id.contains_key(&id(12)) && grants.by_id.contains_key(&ID));
            let linked = Grant::by_link("link".into(), vec![], UnixMs(1));
            grants.insert(txn, id(13), linked.clone()).unwrap();
            grants.insert(txn, id(14), linked).unwrap();
            assert!(!grants.are_of_one_client(&id(13), &id(14)), "links are of no client");
        });
    }
}
