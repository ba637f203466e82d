//! Ends a handler when its client goes away.
//!
//! The platform drops the invocation of a client that reset its connection, but never polls or drops the handler's
//! future again: whatever it holds would stay in the instance's memory for ever. Therefore every handler runs against
//! the request's abort signal, and its future is dropped here when the signal fires.

use std::future::Future;

use futures::channel::oneshot;
use futures::future::{Either, select};
use futures::pin_mut;
use wasm_bindgen::JsCast as _;
use wasm_bindgen::closure::Closure;
use web_sys::Response;
use worker::Result;

/// Aborts a sub-request when it is dropped without an answer.
///
/// A promise that a future waits for holds that future's memory until it settles; aborting settles it. The user's object
/// is not stopped by this: what it began it brings to an end.
pub(super) struct Abandoned {
    controller: Option<web_sys::AbortController>,
    signal: web_sys::AbortSignal,
}

impl Abandoned {
    /// A sub-request that is about to be sent.
    pub(super) fn new() -> Result<Self> {
        let controller = web_sys::AbortController::new()?;
        Ok(Self { signal: controller.signal(), controller: Some(controller) })
    }

    /// The signal to send it with.
    pub(super) const fn signal(&self) -> &web_sys::AbortSignal {
        &self.signal
    }

    /// The answer is here: its body must not be cut off.
    pub(super) fn answered(mut self) {
        self.controller = None;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }
}

/// The status that nobody reads, because the client is gone (the customary number for it).
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Runs `work` until it ends or `signal` fires.
pub(super) async fn until_aborted(
    signal: web_sys::AbortSignal,
    work: impl Future<Output = Result<Response>>,
) -> Result<Response> {
    let (sender, aborted) = oneshot::channel::<()>();
    let on_abort = Closure::once(move || {
        let _nobody_waits = sender.send(());
    });
    let listener = on_abort.as_ref().unchecked_ref();
    signal.add_event_listener_with_callback("abort", listener)?;
    let outcome = {
        pin_mut!(work);
        match select(work, aborted).await {
            Either::Left((response, _)) => response,
            Either::Right(_) => actors::answer(CLIENT_CLOSED_REQUEST, &[], None),
        }
    };
    // The listener goes before its closure: the runtime may still fire it when the connection closes.
    signal.remove_event_listener_with_callback("abort", listener)?;
    drop(on_abort);
    outcome
}
