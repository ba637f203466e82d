//! Reads a request's body within its bounds: its own and that of the instance.
//!
//! What holds here: a body is cut off at its bound whatever its `Content-Length` said, and the bytes of all bodies that
//! an instance holds at a time are counted, since all objects and requests there share one memory.

use std::cell::Cell;

use futures::StreamExt as _;
use protocol::limits::{ISOLATE_BODY_BYTES_MAX, REQUEST_BODY_BYTES_MAX};
use worker::{Request, Result};

use crate::reply::Reply;

thread_local! {
    static HELD_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// A share of the instance's budget, given back when dropped.
pub(super) struct Held(usize);

impl Held {
    fn take(bytes: usize) -> Option<Self> {
        HELD_BYTES.with(|held| {
            let sum = held.get().saturating_add(bytes);
            (sum <= ISOLATE_BODY_BYTES_MAX).then(|| {
                held.set(sum);
                Self(bytes)
            })
        })
    }

    fn grow(&mut self, bytes: usize) -> bool {
        match Self::take(bytes) {
            Some(more) => {
                self.0 += bytes;
                std::mem::forget(more);
                true
            }
            None => false,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD_BYTES.with(|held| held.set(held.get().saturating_sub(self.0)));
    }
}

/// Reads the body, or says which refusal to give instead.
pub(super) async fn read(request: &mut Request) -> Result<std::result::Result<(Vec<u8>, Held), Reply>> {
    let declared = request.headers().get("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > REQUEST_BODY_BYTES_MAX) {
        return Ok(Err(Reply::too_large()));
    }
    let Some(mut held) = Held::take(0) else { return Ok(Err(Reply::overloaded())) };
    let mut body = Vec::new();
    if request.inner().body().is_none() {
        return Ok(Ok((body, held)));
    }
    let mut stream = request.stream()?;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > REQUEST_BODY_BYTES_MAX {
            return Ok(Err(Reply::too_large()));
        }
        if !held.grow(chunk.len()) {
            return Ok(Err(Reply::overloaded()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Ok((body, held)))
}

/// The size of the instance's linear memory, which never shrinks.
pub(super) fn wasm_memory_bytes() -> usize {
    core::arch::wasm32::memory_size(0) * 64 * 1024
}
