//! Ends a handler when its client goes away.
//!
//! The platform drops the invocation of a client that reset its connection, but never polls or drops the handler's
//! future again: whatever it holds would stay in the instance's memory for ever. Therefore every handler runs against
//! the request's abort signal, and its future is dropped here when the signal fires.

use std::future::Future;

use actors::bridge::Settled;
use futures::future::{Either, select};
use futures::pin_mut;
use web_sys::Response;
use worker::Result;

/// The status that nobody reads, because the client is gone (the customary number for it).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Runs `work` until it ends or `signal` fires.
pub(super) async fn until_aborted(
    signal: web_sys::AbortSignal,
    work: impl Future<Output = Result<Response>>,
) -> Result<Response> {
    let aborted = Settled::by(&signal);
    pin_mut!(work);
    match select(work, aborted).await {
        Either::Left((response, _)) => response,
        Either::Right(_) => actors::answer(CLIENT_CLOSED_REQUEST, &[], None),
    }
}
