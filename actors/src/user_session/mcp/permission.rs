//! What a client is told when Microsoft has not granted the permission that a call needs: which one, and where its person
//! can grant it.
//!
//! What holds here: the way is a link that only this person's account can end, in ten minutes, and that changes no grant of
//! any client. A client that can open links is asked to (MCP 2025-11-25, client/elicitation, "URL Mode"; MCP 2026-07-28
//! asks by `input_required`); any other finds the link in the tool's error.

use protocol::connect::{ConnectTicket, seal_ticket};
use protocol::limits::CONNECT_TICKET_LIFETIME;
use protocol::mcp::errors;
use protocol::mcp::mrtr::Question;
use protocol::tools::ToolError;

use super::super::settle::Settled;
use super::super::{Txn, UserSession};
use super::demand::Started;
use crate::ledger::EntryEvent;
use crate::turn::{Fault, Turn};

/// The name of the question in a round.
const QUESTION: &str = "permission";

impl UserSession {
    /// Refuses a request for an error; where a permission is what lacks, with the way to it.
    pub(super) fn refuse_with_way(
        &mut self,
        turn: &mut Turn,
        txn: &mut Txn<'_>,
        started: Started,
        mut error: ToolError,
    ) -> Result<(), Fault> {
        let Some(permission) = error.permission else {
            return self.refuse_at_once(turn, txn, started, error);
        };
        let Some(url) = self.permission_link(turn, &started, permission)? else {
            return self.refuse_at_once(turn, txn, started, error);
        };
        let message = format!(
            "Microsoft has not granted this server the permission {permission}, which this call needs. Open the page \
             and agree to it, then call again."
        );
        if started.client.links && started.entry.session.is_some() {
            let id = format!("{}", started.request);
            let refusal = errors::link_required(&message, &id, &url);
            let settled = Settled::Refusal { status: 200, code: error.code, error: refusal };
            let Started { request, entry, waiters, .. } = started;
            return self.settle_entry(turn, txn, request, entry, &waiters, EntryEvent::Refused, &settled);
        }
        let question = vec![(QUESTION, Question::Link { message, url: url.clone() })];
        let unasked = started.state.answers.unanswered(question);
        if started.client.links && !unasked.is_empty() {
            return self.ask_client(turn, txn, started, &unasked);
        }
        error.message = format!("{} This page leads there, for ten minutes: {url}", error.message);
        self.refuse_at_once(turn, txn, started, error)
    }

    /// A link with which this person, and nobody else, can grant a permission.
    fn permission_link(
        &self,
        turn: &mut Turn,
        started: &Started,
        permission: &str,
    ) -> Result<Option<String>, Fault> {
        let Some(grant) = started.entry.grant else { return Ok(None) };
        let ticket = ConnectTicket {
            user: self.owner()?,
            grant,
            client: started.entry.client.clone(),
            scopes: Vec::new(),
            login_hint: None,
            expires_at: turn.now.plus(CONNECT_TICKET_LIFETIME),
            permission: Some(permission.to_owned()),
        };
        let sealed = seal_ticket(&self.config.encryption_keys, &ticket, turn.entropy.bytes());
        Ok(sealed.ok().map(|text| format!("{}/connect?ticket={text}", self.config.public_url)))
    }
}
