//! Signing in, redeeming codes and renewing tokens: the object's part of the authorization server.
//!
//! What holds here: Microsoft's tokens, the grant and the code that stands for it are stored in one commit; whether a code
//! or a refresh token is good is decided here and nowhere else, so that single use is exact.

use protocol::access::sign_in::AccessTokens;
use protocol::entra::Tokens;
use protocol::ids::{AddressMark, RequestId};
use protocol::oauth::redirect::redirect_host;
use protocol::object::{Caller, Issue, ObjectReply, Redeem, Renew, SignIn};

use super::settle::reply_step_up;
use super::{Txn, UserSession, reply};
use crate::grants::{Grant, GrantRefused, PendingCode};
use crate::ledger::{Entry, EntryEvent, Kind};
use crate::log::LogLine;
use crate::refresher::Access;
use crate::turn::{Effect, Fault, ReplyTo, Turn};

impl UserSession {
    /// A person signed in. The edge exchanged Microsoft's code, because before that nobody knew whose object it is.
    pub(super) fn on_sign_in(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        request: RequestId,
        caller: &Caller,
        sign_in: SignIn,
    ) -> Result<(), Fault> {
        if self.demands_more(turn, txn, to, (request, caller), sign_in.stepped_up)? {
            return Ok(());
        }
        let SignIn { access_token, refresh_token, lives_for, granted, .. } = sign_in;
        let tokens = Tokens::handed_over(access_token, refresh_token, lives_for, granted);
        self.signed_in(turn, txn, tokens, sign_in.addresses)?;
        if let (Some(issued), Some(identity)) = (sign_in.access, &caller.access_identity) {
            let AccessTokens { access_token, refresh_token, expires_at, .. } = issued;
            let lives_for = expires_at.since(turn.now);
            let tokens = Tokens::handed_over(access_token, refresh_token, lives_for, Vec::new());
            let (config, owner) = (self.config.clone(), self.owner()?);
            let (identity, entropy) = (identity.clone(), &mut turn.entropy);
            self.access_tokens.signed_in_as(identity, txn, (&config, owner), tokens, turn.now, entropy)?;
        }
        let redirect_host = redirect_host(&sign_in.redirect_uri).to_owned();
        let code = PendingCode { challenge: sign_in.code_challenge, redirect_uri: sign_in.redirect_uri };
        let grant = Grant {
            client: caller.client.clone(),
            client_digest: sign_in.client_digest,
            scopes: caller.scopes.clone(),
            granted_at: turn.now,
            code: Some(code),
            generation: 0,
            rotated_at: turn.now,
            access_identity: caller.access_identity.clone(),
            redirect_host,
        };
        self.grants.insert(txn, caller.grant, grant)?;
        self.record_sign_in(turn, txn, request, caller, EntryEvent::Succeeded, "ok")?;
        reply(txn, to, ObjectReply::status(204));
        Ok(())
    }

    /// Whether Microsoft demanded more of this person than a sign-in proves, which is then refused. Nothing of such a
    /// journey is stored: its tokens would be refused for what they do not prove.
    pub(super) fn demands_more(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        (request, caller): (RequestId, &Caller),
        stepped_up: bool,
    ) -> Result<bool, Fault> {
        let unmet = self.refresher.unmet_claims().filter(|_| !stepped_up).cloned();
        let Some(claims) = unmet else { return Ok(false) };
        self.record_sign_in(turn, txn, request, caller, EntryEvent::Refused, "step_up")?;
        reply_step_up(txn, to, &claims)?;
        Ok(true)
    }

    /// Stores what a sign-in with Microsoft brought, and begins to watch anew.
    pub(super) fn signed_in(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        tokens: Tokens,
        addresses: Vec<AddressMark>,
    ) -> Result<(), Fault> {
        let (config, owner) = (self.config.clone(), self.owner()?);
        self.refresher.connected(txn, (&config, owner), tokens, turn.now, &mut turn.entropy)?;
        self.watches.signed_in(txn)?;
        self.found_by(txn, addresses)
    }

    /// Writes entry and log line of a sign-in, whose call the edge made.
    pub(super) fn record_sign_in(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        request: RequestId,
        caller: &Caller,
        event: EntryEvent,
        code: &str,
    ) -> Result<(), Fault> {
        let mut entry = Entry::new(Kind::Connect, false, *request.as_bytes());
        entry.client.clone_from(&caller.client);
        entry.grant = Some(caller.grant);
        entry.access_identity.clone_from(&caller.access_identity);
        entry.outcome = Some(code.to_owned());
        entry.settled_at = Some(turn.now);
        entry.apply(EntryEvent::Sent);
        entry.apply(event);
        // What an entry says once it is settled stays, so that a message which comes twice gets an entry of its own.
        let request = self.unused(turn, txn, request)?;
        let key = self.chain_key()?;
        self.ledger.insert(txn, request, &entry)?;
        self.ledger.settle(txn, &key, request, &mut entry)?;
        txn.emit(Effect::Log(LogLine::settled(&self.config, self.owner()?, request, &entry, turn.now)));
        Ok(())
    }

    /// A client redeems its code.
    pub(super) fn on_redeem(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        redeem: &Redeem,
    ) -> Result<(), Fault> {
        let outcome = self.grants.redeem(txn, &caller.grant, redeem, turn.now)?;
        self.answer_client(turn, txn, to, caller, outcome)
    }

    /// A client renews its tokens. While Microsoft wants the person to sign in, there are none: a client that is refused
    /// here begins to sign the person in, and one that is not would be refused again with its next call.
    pub(super) fn on_renew(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        renew: &Renew,
    ) -> Result<(), Fault> {
        let outcome = match self.refresher.access(turn.now) {
            Access::SignInAgain(_) => Err(GrantRefused::NotGood),
            _ => self.grants.renew(txn, &caller.grant, renew, turn.now)?,
        };
        self.answer_client(turn, txn, to, caller, outcome)
    }

    fn answer_client(
        &self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        outcome: Result<Issue, GrantRefused>,
    ) -> Result<(), Fault> {
        let answer = match outcome {
            Ok(issue) => {
                let body = serde_json::to_string(&issue)
                    .map_err(|_| Fault::Invariant("an issue has no JSON form"))?;
                ObjectReply::json(body)
            }
            Err(GrantRefused::ScopeTooWide) => ObjectReply::status(403),
            Err(refused) => {
                if refused == GrantRefused::Withdrawn {
                    // Somebody used a code or a token that was used before: whoever answers for this wants to know.
                    let line = LogLine::new("grant_withdrawn", turn.now)
                        .with("userKey", self.owner()?.to_string())
                        .with("grant", caller.grant.to_string())
                        .with("reason", "a code or a refresh token was used twice");
                    txn.emit(Effect::Log(line));
                }
                ObjectReply::status(400)
            }
        };
        reply(txn, to, answer);
        Ok(())
    }
}
