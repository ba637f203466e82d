//! What operators ask of this object and do to it.
//!
//! What holds here: an object that holds nobody answers 404 and writes nothing; no answer holds a token, a key for sealing,
//! an address or what anybody wrote; looking changes nothing, not even when the object wakes. Only an order to act runs a
//! turn like any other, and it is no use of the account by its person either.

mod actions;
mod export;
mod pause;
mod views;

use protocol::object::{Caller, ObjectReply};
use protocol::operator::{Action, Order};
use serde::Serialize;

pub(super) use pause::Paused;

use super::settle::to_json;
use super::{Txn, UserSession, reply};
use crate::turn::{Fault, ReplyTo, Turn};

impl UserSession {
    /// Answers an order that only looks; gives back the action of any other. There is nothing to do to an object that
    /// holds nobody.
    pub(super) fn look(
        &mut self,
        turn: &Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        caller: &Caller,
        order: Order,
    ) -> Result<Option<Action>, Fault> {
        if !self.meta_is_written {
            reply(txn, to, ObjectReply::status(404));
            return Ok(None);
        }
        self.check_owner(caller.user)?;
        match order {
            Order::Look => say(txn, to, &self.overview(txn, turn.now)?)?,
            Order::Requests(query) => say(txn, to, &self.requests(txn, &query)?)?,
            Order::Request { id } => match self.request_view(txn, id)? {
                Some(view) => say(txn, to, &view)?,
                None => reply(txn, to, ObjectReply::status(404)),
            },
            Order::ExportHead => say(txn, to, &self.export_head(turn.now)?)?,
            Order::Export(query) => say(txn, to, &Self::export_page(txn, &query)?)?,
            Order::ExportEnd => say(txn, to, &self.export_end()?)?,
            Order::VerificationKey => say(txn, to, &self.verification_key()?)?,
            Order::Act(action) => return Ok(Some(action)),
        }
        Ok(None)
    }
}

/// Answers in JSON.
fn say(txn: &mut Txn<'_>, to: ReplyTo, answer: &impl Serialize) -> Result<(), Fault> {
    reply(txn, to, ObjectReply::json(to_json(answer)?));
    Ok(())
}
