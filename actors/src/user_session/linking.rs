//! Where Access stands in front: who may act without a grant, and which Microsoft account belongs to whom.
//!
//! What holds here: an object that Access names has at most one Microsoft account, for good; the object that the account
//! itself names remembers by whom it is used, and refuses everybody else, so that no mailbox is ever served by two
//! objects with a queue and a ledger each; tokens are stored after that claim and never before.

use std::borrow::Cow;

use protocol::connect::{ConnectTicket, seal_ticket};
use protocol::entra::Tokens;
use protocol::ids::{GrantId, RequestId, UserKey};
use protocol::limits::CONNECT_TICKET_LIFETIME;
use protocol::object::{Caller, Link, ObjectReply};
use protocol::seal::NONCE_BYTES;
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::{Txn, UserSession, reply};
use crate::ledger::EntryEvent;
use crate::log::LogLine;
use crate::turn::{Effect, Fault, ReplyTo, Turn};

/// What ties an object that Access names and one that a Microsoft account names together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ties {
    /// The object that uses this one's account.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<UserKey>,
    /// The object that this one's account names.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub account: Option<UserKey>,
    /// The subject under which Access knows the person.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl Ties {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl UserSession {
    /// Whether whoever comes with this grant may act. Where Access stands in front there are no grants: the edge lets
    /// nobody pass without an assertion, and what it derives from that stands in a grant's place.
    pub(super) fn may_act(&self, grant: &GrantId) -> bool {
        if self.config.access_mode.is_perimeter() {
            return self.user.is_some_and(|user| GrantId::of_perimeter(&user) == *grant);
        }
        self.grants.standing(grant).is_some()
    }

    /// The caller with a name for its client, where no authorization server knows one: the name that the client gives
    /// itself, which proves nothing.
    pub(super) fn named<'a>(&self, caller: &'a Caller, name: Option<&str>) -> Cow<'a, Caller> {
        match name.filter(|_| self.config.access_mode.is_perimeter()) {
            Some(name) => Cow::Owned(Caller { client: name.to_owned(), ..caller.clone() }),
            None => Cow::Borrowed(caller),
        }
    }

    /// The link under which the person connects a Microsoft account; none where clients sign people in.
    ///
    /// The nonce is a keyed digest of all that the ticket says, so that a link can be written again without entropy.
    pub(super) fn connect_link(&self, now: UnixMs, request: RequestId) -> Result<Option<String>, Fault> {
        if !self.config.access_mode.is_perimeter() {
            return Ok(None);
        }
        let user = self.owner()?;
        let ticket = ConnectTicket {
            user,
            grant: GrantId::of_perimeter(&user),
            client: "link".to_owned(),
            scopes: Vec::new(),
            login_hint: None,
            expires_at: now.plus(CONNECT_TICKET_LIFETIME),
            permission: None,
        };
        let digest = self.fingerprint(&[b"link", request.as_bytes(), &ticket.expires_at.0.to_be_bytes()])?;
        let mut nonce = [0; NONCE_BYTES];
        for (to, from) in nonce.iter_mut().zip(digest) {
            *to = from;
        }
        let sealed = seal_ticket(&self.config.encryption_keys, &ticket, nonce)
            .map_err(|_| Fault::Invariant("a ticket could not be sealed"))?;
        Ok(Some(format!("{}/connect?ticket={sealed}", self.config.public_url)))
    }

    /// Somebody wants to use the account that this object stands for.
    pub(super) fn on_claim(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        claimant: UserKey,
    ) -> Result<(), Fault> {
        let line = |event: &str| {
            LogLine::new(event, turn.now)
                .with("userKey", claimant.to_string())
                .with("account", caller.user.to_string())
                .with_some("accessIdentity", caller.access_identity.clone())
        };
        let status = match self.ties.claimed_by {
            Some(known) if known == claimant => 204,
            Some(other) => {
                // Operators decide whose it is: this server cannot know.
                txn.emit(Effect::Log(line("account_already_claimed").with("claimedBy", other.to_string())));
                403
            }
            None => {
                self.ties.claimed_by = Some(claimant);
                self.put_meta(txn)?;
                txn.emit(Effect::Log(line("account_claimed")));
                204
            }
        };
        reply(txn, to, ObjectReply::status(status));
        Ok(())
    }

    /// A claim was of no use after all.
    pub(super) fn on_release(
        &mut self,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        claimant: UserKey,
    ) -> Result<(), Fault> {
        if self.ties.claimed_by == Some(claimant) {
            self.ties.claimed_by = None;
            self.put_meta(txn)?;
        }
        reply(txn, to, ObjectReply::status(204));
        Ok(())
    }

    /// Stores the tokens of an account that was claimed for this object.
    pub(super) fn on_link(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        request: RequestId,
        caller: &Caller,
        link: Link,
    ) -> Result<(), Fault> {
        if self.ties.account.is_some_and(|known| known != link.account) {
            self.record_sign_in(turn, txn, request, caller, EntryEvent::Refused, "another_account")?;
            reply(txn, to, ObjectReply::status(403));
            return Ok(());
        }
        if self.demands_more(turn, txn, to, (request, caller), link.stepped_up)? {
            return Ok(());
        }
        let tokens = Tokens::handed_over(link.access_token, link.refresh_token, link.lives_for, link.granted);
        self.signed_in(turn, txn, tokens, link.addresses)?;
        let subject = caller.access_identity.clone();
        self.ties = Ties { account: Some(link.account), subject, claimed_by: self.ties.claimed_by };
        self.put_meta(txn)?;
        self.record_sign_in(turn, txn, request, caller, EntryEvent::Succeeded, "ok")?;
        reply(txn, to, ObjectReply::status(204));
        Ok(())
    }
}
