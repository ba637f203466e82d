//! Waits for a promise that may never settle, without holding memory for it.
//!
//! The usual bridge from promises to futures is a cycle of callbacks that only the promise's settling breaks. A read of a
//! body whose client reset the connection never settles, because the platform runs nothing more of that invocation: each
//! such read would cost about 170 bytes for ever. Here the callbacks belong to the future and go with it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    type Thenable;

    #[wasm_bindgen(method)]
    fn then(this: &Thenable, fulfilled: &JsValue, rejected: &JsValue) -> Thenable;

    /// A function of the platform that takes anything and does nothing.
    #[wasm_bindgen(thread_local_v2, js_name = Boolean)]
    static DO_NOTHING: JsValue;
}

#[derive(Default)]
struct State {
    outcome: Option<Result<JsValue, JsValue>>,
    waker: Option<Waker>,
}

/// The outcome of a promise, when there is one.
pub(super) struct Settled {
    state: Rc<RefCell<State>>,
    _callbacks: [Closure<dyn FnMut(JsValue)>; 2],
}

impl Settled {
    /// Begins to wait.
    pub(super) fn of(promise: &Promise) -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        let (on_fulfilled, on_rejected) = (Rc::clone(&state), Rc::clone(&state));
        let callbacks = [
            Closure::new(move |value: JsValue| finish(&on_fulfilled, Ok(value))),
            Closure::new(move |reason: JsValue| finish(&on_rejected, Err(reason))),
        ];
        let [fulfilled, rejected] = &callbacks;
        let promise: &Thenable = promise.unchecked_ref();
        let derived = promise.then(fulfilled.as_ref(), rejected.as_ref());
        // A promise that settles after this future was dropped finds its callback gone, which throws inside the derived
        // promise. Nobody waits for that one, so its failure is taken note of here.
        DO_NOTHING.with(|do_nothing| {
            let _nobody_waits = derived.then(do_nothing, do_nothing);
        });
        Self { state, _callbacks: callbacks }
    }
}

fn finish(state: &RefCell<State>, outcome: Result<JsValue, JsValue>) {
    let mut state = state.borrow_mut();
    state.outcome = Some(outcome);
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Future for Settled {
    type Output = Result<JsValue, JsValue>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.state.borrow_mut();
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
