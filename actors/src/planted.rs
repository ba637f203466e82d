//! Known bugs that can be planted in the product, so that the simulation can prove that it would see them.
//!
//! What holds here: without the feature `planted`, which the root package's tests alone have, nothing of a bug is in the
//! program; with it, no bug is there until a test plants one, and only in the thread of that test. The feature cannot be
//! built for workerd at all.

#[cfg(all(feature = "planted", target_arch = "wasm32"))]
compile_error!("planted bugs are for native tests; a program that could have one must never be deployed");

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Every call counts as new, whatever the ledger knows.
    NoLedgerCheck,
    /// The late answer to a refresh is stored over whatever is there.
    StaleRefreshOverwrites,
    /// A place in the queue that is free already is freed again.
    DoubleRelease,
    /// A write whose answer was lost is sent again without having been looked into.
    BlindRepeat,
    /// After a recovery the chain of the ledger goes on from where the object's own row says that it is.
    ChainForgotten,
}

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Bug>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in this thread, or takes it out.
#[cfg(feature = "planted")]
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether a bug is planted.
#[cfg(feature = "planted")]
pub(crate) fn has(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}

/// Whether a bug is planted: never.
#[cfg(not(feature = "planted"))]
pub(crate) const fn has(_: Bug) -> bool {
    false
}
