//! Reads a request's body within its bounds: its own and that of the instance.
//!
//! What holds here: a body is cut off at its bound whatever its `Content-Length` said, and the bytes of all bodies that
//! an instance holds at a time are counted, since all objects and requests there share one memory.

use std::cell::Cell;

use actors::bridge::Settled;
use js_sys::{Reflect, Uint8Array};
use protocol::limits::ISOLATE_BODY_BYTES_MAX;
use wasm_bindgen::{JsCast as _, JsValue};
use web_sys::ReadableStreamDefaultReader;
use worker::Result;

use super::incoming::Incoming;
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

/// Reads a body of at most `bytes_max` bytes, or says which refusal to give instead.
pub(super) async fn read(
    request: &Incoming,
    bytes_max: usize,
) -> Result<std::result::Result<(Vec<u8>, Held), Reply>> {
    let declared = request.header("content-length")?.and_then(|length| length.parse::<usize>().ok());
    if declared.is_some_and(|length| length > bytes_max) {
        return Ok(Err(Reply::too_large(bytes_max)));
    }
    if let Some(length) = declared {
        return read_at_once(request, length, bytes_max).await;
    }
    let Some(mut held) = Held::take(0) else { return Ok(Err(Reply::overloaded())) };
    let mut body = Vec::new();
    let Some(stream) = request.body() else { return Ok(Ok((body, held))) };
    let reader = Reader(stream.get_reader().unchecked_into());
    while let Some(chunk) = reader.next().await? {
        let length = chunk.length() as usize;
        if body.len() + length > bytes_max {
            return Ok(Err(Reply::too_large(bytes_max)));
        }
        if !held.grow(length) {
            return Ok(Err(Reply::overloaded()));
        }
        let start = body.len();
        body.resize(start + length, 0);
        if let Some(room) = body.get_mut(start..) {
            chunk.copy_to(room);
        }
    }
    Ok(Ok((body, held)))
}

/// Reads a body that says how long it is, in one step instead of four. HTTP ends a body where its length says (RFC 9112,
/// section 6.3; RFC 9113, section 8.1.1); what is longer all the same is refused.
async fn read_at_once(
    request: &Incoming,
    declared: usize,
    bytes_max: usize,
) -> Result<std::result::Result<(Vec<u8>, Held), Reply>> {
    let Some(held) = Held::take(declared) else { return Ok(Err(Reply::overloaded())) };
    let buffer = Settled::of(&request.array_buffer()?).await?;
    let bytes = Uint8Array::new(&buffer);
    if bytes.length() as usize > declared.min(bytes_max) {
        return Ok(Err(Reply::too_large(bytes_max)));
    }
    Ok(Ok((bytes.to_vec(), held)))
}

/// Reads a stream chunk by chunk, and cancels it when dropped, so that nobody sends what nobody reads.
struct Reader(ReadableStreamDefaultReader);

impl Reader {
    async fn next(&self) -> std::result::Result<Option<Uint8Array>, JsValue> {
        let read = Settled::of(&self.0.read()).await?;
        let is_done = Reflect::get(&read, &JsValue::from_str("done"))?.as_bool().unwrap_or(true);
        if is_done {
            return Ok(None);
        }
        Ok(Some(Reflect::get(&read, &JsValue::from_str("value"))?.unchecked_into()))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _when_cancelled = self.0.cancel();
    }
}

/// The size of the instance's linear memory, which never shrinks.
pub(super) fn wasm_memory_bytes() -> usize {
    core::arch::wasm32::memory_size(0) * 64 * 1024
}
