//! The way to the platform where it is walked for every request: waits, headers, frames, calls and answers.
//!
//! What holds here: each of these crosses over to JavaScript once, with all that belongs to it, because crossing is what
//! costs. The usual bridge makes two callbacks for each promise, which are the program's until the promise settles: a read
//! of a body whose client reset the connection never settles, and each such read would keep its memory for ever. Here a
//! wait is a number in a table, gone with the future that waits.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use js_sys::{Array, Promise, Uint8Array};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use wasm_bindgen::prelude::*;
use web_sys::{AbortSignal, Request, Response};
use worker::Env;

#[wasm_bindgen(module = "/src/shell/bridge.js")]
extern "C" {
    #[wasm_bindgen(js_name = reportTo)]
    fn report_to(callback: &JsValue);

    fn watch(promise: &Promise, wait: f64);

    #[wasm_bindgen(js_name = watchSignal)]
    fn watch_signal(signal: &AbortSignal, wait: f64);

    #[wasm_bindgen(js_name = startTimer)]
    fn start_timer(milliseconds: f64, wait: f64) -> JsValue;

    #[wasm_bindgen(js_name = stopTimer)]
    fn stop_timer(timer: &JsValue);

    #[wasm_bindgen(catch, js_name = describeRequest)]
    fn describe_request(request: &Request, names: &Array) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = describeAnswer)]
    fn describe_answer(answer: &Response, names: &Array) -> Result<String, JsValue>;

    #[wasm_bindgen(catch, js_name = askObject)]
    fn ask_object(env: &JsValue, binding: &str, name: &str, frame: &Uint8Array) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = askObjectForSocket)]
    fn ask_object_for_socket(
        env: &JsValue,
        binding: &str,
        name: &str,
        frame: &str,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = frameInHeader)]
    fn frame_in_header(request: &Request) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(catch)]
    fn send(url: &str, init: &str, body: &JsValue, signal: &AbortSignal) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = answerWith)]
    fn answer_with(body: Option<&Uint8Array>, init: &str) -> Result<Response, JsValue>;
}

/// What is known of one wait.
enum Wait {
    Open(Option<Waker>),
    Over(Result<JsValue, JsValue>),
}

/// Takes the number of a wait, whether it went well, and what came of it.
type Report = dyn FnMut(f64, bool, JsValue);

#[derive(Default)]
struct Waits {
    next: Cell<u64>,
    table: RefCell<BTreeMap<u64, Wait>>,
    callback: OnceCell<Closure<Report>>,
}

thread_local! {
    static WAITS: Waits = Waits::default();
}

/// A wait is over. One that nobody waits for any more is not in the table.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of waits come back as they went"
)]
fn over(number: f64, is_well: bool, value: JsValue) {
    let number = number as u64;
    let outcome = if is_well { Ok(value) } else { Err(value) };
    let waker = WAITS.with(|waits| match waits.table.borrow_mut().get_mut(&number) {
        Some(wait @ Wait::Open(_)) => match std::mem::replace(wait, Wait::Over(outcome)) {
            Wait::Open(waker) => waker,
            Wait::Over(_) => None,
        },
        _ => None,
    });
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The outcome of a promise, when there is one.
pub struct Settled(u64);

impl Settled {
    fn new(begin: impl FnOnce(f64)) -> Self {
        let number = WAITS.with(|waits| {
            waits.callback.get_or_init(|| {
                let callback = Closure::new(over);
                report_to(callback.as_ref());
                callback
            });
            let number = waits.next.get();
            waits.next.set(number + 1);
            waits.table.borrow_mut().insert(number, Wait::Open(None));
            number
        });
        #[expect(clippy::cast_precision_loss, reason = "an instance does not live for 2^53 waits")]
        begin(number as f64);
        Self(number)
    }

    /// Begins to wait for a promise.
    #[must_use]
    pub fn of(promise: &Promise) -> Self {
        Self::new(|number| watch(promise, number))
    }

    /// Begins to wait until a signal fires, which it does not if it did before.
    #[must_use]
    pub fn by(signal: &AbortSignal) -> Self {
        Self::new(|number| watch_signal(signal, number))
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A waker may be the last that holds a task, and a task holds waits: none goes while the table is open.
        let (outcome, _replaced) = WAITS.with(|waits| {
            let mut table = waits.table.borrow_mut();
            match table.remove(&self.0) {
                Some(Wait::Over(outcome)) => (Poll::Ready(outcome), None),
                before => {
                    table.insert(self.0, Wait::Open(Some(context.waker().clone())));
                    (Poll::Pending, before)
                }
            }
        });
        outcome
    }
}

impl Drop for Settled {
    fn drop(&mut self) {
        let forgotten = WAITS.with(|waits| waits.table.borrow_mut().remove(&self.0));
        // It may hold a waker that wakes a task which holds waits of its own.
        drop(forgotten);
    }
}

/// A time that passes, unless this is dropped before.
pub struct Pause {
    timer: JsValue,
    settled: Settled,
}

impl Pause {
    /// Begins now.
    #[must_use]
    pub fn of(duration: Duration) -> Self {
        let mut timer = JsValue::UNDEFINED;
        let settled = Settled::new(|number| timer = start_timer(duration.as_secs_f64() * 1000.0, number));
        Self { timer, settled }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.settled).poll(context).map(|_| ())
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        stop_timer(&self.timer);
    }
}

/// Names of headers that are read together, kept on the other side.
pub struct Names {
    names: &'static [&'static str],
    there: OnceCell<Array>,
}

impl Names {
    /// These names, in lower case.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        Self { names, there: OnceCell::new() }
    }

    fn there(&self) -> &Array {
        self.there.get_or_init(|| self.names.iter().map(|name| JsValue::from_str(name)).collect())
    }
}

/// What was read together: a line each, and then the headers in the order of their names.
pub struct Described {
    text: String,
    names: &'static [&'static str],
    before: usize,
}

impl Described {
    /// A request's method, its URL, and headers.
    ///
    /// # Errors
    /// When the platform does not give them.
    pub fn request(request: &Request, names: &Names) -> Result<Self, JsValue> {
        let text = describe_request(request, names.there())?;
        Ok(Self { text, names: names.names, before: 2 })
    }

    /// An answer's status, and headers.
    ///
    /// # Errors
    /// When the platform does not give them.
    pub fn answer(answer: &Response, names: &Names) -> Result<Self, JsValue> {
        let text = describe_answer(answer, names.there())?;
        Ok(Self { text, names: names.names, before: 1 })
    }

    /// The line of this number, before those of the headers.
    #[must_use]
    pub fn line(&self, number: usize) -> &str {
        self.text.split('\n').nth(number).unwrap_or_default()
    }

    /// A header, whose values are joined by commas where it came more than once: `None` for one that was not asked for, and
    /// `Some(None)` for one that did not come.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<Option<&str>> {
        let place = self.names.iter().position(|known| *known == name)?;
        Some(Some(self.line(self.before + place)).filter(|value| *value != "\r"))
    }
}

/// Headers as JSON: an object, which the platform reads faster, or pairs where a name is there more than once.
pub(super) struct Headers<'a, T>(pub &'a [(&'a str, T)]);

impl<T: AsRef<str>> Serialize for Headers<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pairs = self.0.iter().map(|(name, value)| (*name, value.as_ref()));
        let is_repeated = |(place, (name, _)): (usize, &(&str, T))| {
            self.0.iter().take(place).any(|(other, _)| other == name)
        };
        if self.0.iter().enumerate().any(is_repeated) {
            return serializer.collect_seq(pairs);
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in pairs {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Sends a frame to an object and waits for its answer.
///
/// # Errors
/// Where there is no such binding, or no answer.
pub async fn ask(env: &Env, binding: &str, name: &str, frame: &[u8]) -> worker::Result<Response> {
    let frame = Uint8Array::from(frame);
    let answer = Settled::of(&ask_object(env.as_ref(), binding, name, &frame)?).await?;
    Ok(answer.dyn_into::<Response>()?)
}

/// Sends a frame to an object with the wish for a socket, and waits for its answer.
///
/// # Errors
/// Where there is no such binding, or no answer.
pub async fn ask_for_socket(env: &Env, binding: &str, name: &str, frame: &[u8]) -> worker::Result<Response> {
    let frame = URL_SAFE_NO_PAD.encode(frame);
    let answer = Settled::of(&ask_object_for_socket(env.as_ref(), binding, name, &frame)?).await?;
    Ok(answer.dyn_into::<Response>()?)
}

/// The frame that came with the wish for a socket; `None` when none is wished for. What cannot be read is no frame, and
/// refused as such.
pub(super) fn frame_of_wish(request: &Request) -> Result<Option<Vec<u8>>, JsValue> {
    let text = frame_in_header(request)?;
    Ok(text.map(|text| URL_SAFE_NO_PAD.decode(text).unwrap_or_default()))
}

/// Sends a request to the outside. `init` is JSON, all but the body and the signal that ends it.
pub(super) async fn fetch(
    url: &str,
    init: &str,
    body: Option<JsValue>,
    signal: &AbortSignal,
) -> Result<Response, JsValue> {
    let answer = Settled::of(&send(url, init, &body.unwrap_or(JsValue::UNDEFINED), signal)?).await?;
    Ok(answer.unchecked_into())
}

/// An answer; `init` is JSON.
pub(super) fn respond(body: Option<&[u8]>, init: &str) -> Result<Response, JsValue> {
    answer_with(body.map(Uint8Array::from).as_ref(), init)
}
