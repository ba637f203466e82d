//! The webhook of Microsoft's notifications: reads what arrives and asks the person's object.
//!
//! What holds here: the answer waits for the object's commit and for nothing else, so that what was answered with 202 is
//! stored, and Microsoft, which waits for three seconds, repeats the rest.

use protocol::config::Config;
use protocol::limits::NOTIFICATION_BODY_BYTES_MAX;
use protocol::object::Command;
use web_sys::Response;
use worker::{Env, Result};

use super::incoming::Incoming;
use super::{ask, body, query, respond};
use crate::notifications::{answered, caller, handshake, notices, owner_of};

pub(super) async fn serve(config: &Config, request: &Incoming, env: &Env) -> Result<Response> {
    let user = match owner_of(config, request.path()) {
        Ok(user) => user,
        Err(refusal) => return respond(refusal),
    };
    if let Some(token) = query(request)?.get("validationToken") {
        return respond(handshake(token));
    }
    let (bytes, _held) = match body::read(request, NOTIFICATION_BODY_BYTES_MAX).await? {
        Ok(read) => read,
        Err(refusal) => return respond(refusal),
    };
    let notices = match notices(&bytes) {
        Ok(notices) => notices,
        Err(refusal) => return respond(refusal),
    };
    if notices.is_empty() {
        return respond(answered(202));
    }
    let status = match ask(env, &caller(user), Command::Notified { notices }).await {
        Ok(answer) => answer.status(),
        Err(error) => {
            tracing::warn!(%error, "an object did not answer");
            503
        }
    };
    respond(answered(status))
}
