//! What operators ask of this object and do to it.
//!
//! What holds here: an object that holds nobody answers 404 and writes nothing; no answer holds a token, a key, an address
//! or what anybody wrote.

use protocol::object::{Caller, ObjectReply};
use protocol::operator::Order;

use super::{UserSession, reply};
use crate::store::Txn;
use crate::turn::{Fault, ReplyTo, Turn};

impl UserSession {
    /// Does what an operator asks.
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "orders are answered in the next step")]
    pub(super) fn on_operate(
        &mut self,
        _turn: &mut Turn,
        txn: &mut Txn<'_>,
        to: ReplyTo,
        _caller: &Caller,
        _order: Order,
    ) -> Result<(), Fault> {
        reply(txn, to, ObjectReply::status(404));
        Ok(())
    }
}
