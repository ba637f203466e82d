//! The vocabulary of a turn: what comes in, what goes out, and the one way to run it.
//!
//! What holds here: a turn either commits all of its writes, its alarm included, and then lets its effects out, or it
//! leaves no trace. A core that returned a [`Fault`] is thrown away and recovered from rows.

use protocol::entra::TokenForm;
use protocol::ids::{OpId, RequestId};
use protocol::linked_app::AppCall;
use protocol::object::{ObjectReply, ObjectRequest};
use protocol::operator::directory::Report;
use protocol::outbound::{CallResult, GraphCall};
use protocol::secret::Secret;
use protocol::stream::Frame;
use protocol::time::{DurationMs, UnixMs};
use protocol::trace::TraceContext;
use sha2::{Digest as _, Sha256};

use crate::log::LogLine;
use crate::store::{Rows, Txn, WriteSet};
use crate::user_session::UserSession;

/// Facts that the platform supplies for one turn. Nothing else is ambient.
pub struct Turn {
    /// The time of the turn. It may be earlier than that of the turn before.
    pub now: UnixMs,
    /// Unpredictable bytes for this turn alone.
    pub entropy: Entropy,
}

/// Unpredictable bytes, expanded in order from one seed, so that a turn replays exactly from its seed.
pub struct Entropy {
    seed: [u8; 32],
    counter: u64,
}

impl Entropy {
    /// Starts from a seed that the operating system drew, or from a fixed one in a simulation.
    #[must_use]
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// The next `N` bytes, at most 32.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        const { assert!(N <= 32, "one block of SHA-256 is all that is drawn at a time") };
        let mut hasher = Sha256::new();
        hasher.update(self.seed);
        hasher.update(self.counter.to_be_bytes());
        self.counter += 1;
        let block: [u8; 32] = hasher.finalize().into();
        let mut out = [0_u8; N];
        for (to, from) in out.iter_mut().zip(block) {
            *to = from;
        }
        out
    }

    /// Up to a quarter more than `wait`, so that callers who were refused together do not come back together. Never less:
    /// Microsoft counts calls that come too early.
    pub fn lengthen(&mut self, wait: DurationMs) -> DurationMs {
        let [random] = self.bytes::<1>();
        DurationMs(wait.0.saturating_add(wait.0.saturating_mul(u64::from(random)) / 1_024))
    }
}

/// Where a reply goes: a connection that the shell holds open, either a request or a socket of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// Everything that can happen to an object.
#[derive(Debug)]
pub enum Input {
    /// The edge asks something.
    Request {
        /// Where the answer goes.
        to: ReplyTo,
        /// What is asked.
        request: ObjectRequest,
    },
    /// An outgoing call ended.
    CallDone {
        /// Which call.
        op: OpId,
        /// How it ended.
        result: CallResult,
    },
    /// The client's side took the answer of a ledger entry.
    Delivered {
        /// Which entry.
        request: RequestId,
    },
    /// A request was not answered promptly, and its client takes streams.
    Late {
        /// The connection on which it waits.
        to: ReplyTo,
    },
    /// A connection on which something was to be sent is gone.
    Gone {
        /// Which connection.
        to: ReplyTo,
    },
    /// The alarm rang: on time, late, early or twice.
    Alarm,
}

/// What an outgoing call consists of, before a transport is applied.
#[derive(Debug)]
pub enum Outbound {
    /// A Graph call with the person's access token.
    Graph {
        /// The call.
        call: GraphCall,
        /// The access token.
        bearer: Secret<String>,
        /// The tool on whose behalf it is made, for the gateway's metadata.
        tool: &'static str,
        /// The trace that it belongs to, for the same.
        trace: Option<TraceContext>,
    },
    /// A question to the model that operators named. It has no token of Microsoft's, so that none can go there.
    Model {
        /// The messages and their bounds, as JSON.
        inputs: String,
        /// As of a Graph call.
        tool: &'static str,
        /// As of a Graph call.
        trace: Option<TraceContext>,
    },
    /// A call to a linked app.
    App {
        /// The call.
        call: AppCall,
        /// As whom it is made.
        credential: AppCredential,
    },
    /// A form for Entra ID's token endpoint.
    Token {
        /// The form, which holds credentials.
        form: TokenForm,
    },
    /// A form for the token endpoint of Access.
    AccessToken {
        /// The endpoint.
        url: String,
        /// The form, which holds credentials.
        form: Secret<String>,
    },
}

/// What tells a linked app, or Access in front of it, who calls.
#[derive(Debug)]
pub enum AppCredential {
    /// The assertion with which Access let the request pass.
    Assertion(Secret<String>),
    /// The access token that Access issued at the sign-in.
    Bearer(Secret<String>),
}

/// What leaves an object after a turn was committed.
#[derive(Debug)]
pub enum Effect {
    /// Answer a request.
    Reply {
        /// Where the answer goes.
        to: ReplyTo,
        /// The answer.
        reply: ObjectReply,
    },
    /// Send a message ahead of the answer. Connections that are no stream drop it.
    Push {
        /// Where it goes.
        to: ReplyTo,
        /// The message.
        frame: Frame,
    },
    /// End a stream that has no answer to wait for.
    Close {
        /// Which stream.
        to: ReplyTo,
    },
    /// Send a call and come back with [`Input::CallDone`].
    Send {
        /// The call's name.
        op: OpId,
        /// What to send.
        outbound: Outbound,
    },
    /// Write a log line.
    Log(LogLine),
    /// Tell the directory how the object stands. Nobody waits for it.
    Report(Box<Report>),
    /// Every row is gone, and the core is worth nothing any more: what is left of the object goes too.
    Erase,
}

/// A broken invariant or a row that cannot be read: this server's fault, never the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A row does not decode. The table is named; its content is not.
    CorruptRow {
        /// The table.
        table: &'static str,
    },
    /// Sealed data does not open with any key of the ring.
    CannotUnseal {
        /// The table.
        table: &'static str,
    },
    /// A value exceeds its bound.
    ValueTooLarge {
        /// The table.
        table: &'static str,
    },
    /// The rows were written by a later version of this program.
    NewerSchema,
    /// The storage refused a read or a write.
    Storage,
    /// The rows belong to another user than the caller.
    WrongUser,
    /// A state that the program's own rules exclude.
    Invariant(&'static str),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CorruptRow { table } => write!(formatter, "a row of table {table} does not decode"),
            Self::CannotUnseal { table } => {
                write!(formatter, "a sealed value of table {table} opens with no key of the ring")
            }
            Self::ValueTooLarge { table } => write!(formatter, "a value for table {table} exceeds its bound"),
            Self::NewerSchema => formatter.write_str("the rows were written by a newer version"),
            Self::Storage => formatter.write_str("the storage refused"),
            Self::WrongUser => formatter.write_str("the rows belong to another user"),
            Self::Invariant(what) => write!(formatter, "broken invariant: {what}"),
        }
    }
}

/// Applies the writes of a turn atomically, the alarm included.
pub trait Commit {
    /// Applies everything or nothing.
    ///
    /// # Errors
    /// [`Fault::Storage`] when nothing was applied.
    fn commit(&mut self, writes: &WriteSet) -> Result<(), Fault>;
}

/// Runs one turn: step, commit, and only then the effects.
///
/// # Errors
/// A [`Fault`] means that nothing was committed and no effect may leave; the caller must drop the core and recover.
pub fn run(
    core: &mut UserSession,
    rows: &dyn Rows,
    disk: &mut dyn Commit,
    mut turn: Turn,
    input: Input,
) -> Result<Vec<Effect>, Fault> {
    let mut txn = Txn::new(rows);
    core.step(&mut turn, input, &mut txn)?;
    let (writes, effects) = txn.finish();
    if !writes.is_empty() {
        disk.commit(&writes)?;
    }
    core.committed(&writes);
    Ok(effects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropy_replays_from_its_seed_and_does_not_repeat() {
        let (mut one, mut two) = (Entropy::new([7; 32]), Entropy::new([7; 32]));
        let first: [u8; 12] = one.bytes();
        assert_eq!(first, two.bytes::<12>());
        assert_ne!(first, one.bytes::<12>());
    }
}
