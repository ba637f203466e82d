//! The event log of one object: every input with its time and its entropy, every recovery and every death.
//!
//! What holds here: the log alone, without the world that made it, replays to the same rows and the same effects, turn by turn;
//! so a failure can be looked at again, and stepped through, without a client, a network or a clock. It is written in CBOR,
//! one record after the other.

use std::rc::Rc;

use actors::planted::plant;
use actors::store::{MemoryRows, Table, WriteSet};
use actors::turn::{self, Entropy, Input, ReplyTo, Turn};
use actors::user_session::UserSession;
use protocol::ids::{OpId, RequestId};
use protocol::object;
use protocol::outbound::{Answer, CallResult, Lost};
use protocol::time::{DurationMs, UnixMs};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dials::Planted;
use crate::disk::Capture;
use crate::world::config_with_keys;

/// One thing that happened to the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Record {
    /// The bug that is planted.
    Planted(String),
    /// The encryption keys from now on.
    Keys(String),
    /// Rows that were there before the first turn.
    Rows(Vec<(String, Vec<u8>, Vec<u8>)>),
    /// The core was rebuilt from rows, and told when the alarm rings.
    Recovered { now: UnixMs, armed: Option<UnixMs> },
    /// A turn. The digest is that of its rows and effects; none when the object died in it before its commit.
    Turn { now: UnixMs, seed: [u8; 32], input: Logged, digest: Option<[u8; 32]> },
    /// The object died, and so many of all turns with rows survived.
    Died { kept: u64 },
}

/// An input in a form that can be written down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Logged {
    Request { to: u64, request: Vec<u8> },
    Answered { op: OpId, status: u16, retry_after_ms: Option<u64>, ids: [Option<String>; 2], body: Vec<u8> },
    Lost { op: OpId, how: u8 },
    Delivered { request: RequestId },
    Late { to: u64 },
    Gone { to: u64 },
    Alarm,
}

const LOST: [Lost; 4] = [Lost::Connection, Lost::Timeout, Lost::TooLarge, Lost::Interrupted];

impl Logged {
    pub(crate) fn of(input: &Input) -> Self {
        match input {
            Input::Request { to, request } => {
                Self::Request { to: to.0, request: object::encode(request).unwrap() }
            }
            Input::CallDone { op, result: CallResult::Answered(answer) } => Self::Answered {
                op: *op,
                status: answer.status,
                retry_after_ms: answer.retry_after.map(|wait| wait.0),
                ids: [answer.graph_request_id.clone(), answer.gateway_log_id.clone()],
                body: answer.body.clone(),
            },
            Input::CallDone { op, result: CallResult::Lost(lost) } => {
                let how = LOST.iter().position(|known| known == lost).unwrap();
                Self::Lost { op: *op, how: u8::try_from(how).unwrap() }
            }
            Input::Delivered { request } => Self::Delivered { request: *request },
            Input::Late { to } => Self::Late { to: to.0 },
            Input::Gone { to } => Self::Gone { to: to.0 },
            Input::Alarm => Self::Alarm,
        }
    }

    fn input(self) -> Input {
        match self {
            Self::Request { to, request } => {
                Input::Request { to: ReplyTo(to), request: object::decode(&request).unwrap() }
            }
            Self::Answered { op, status, retry_after_ms, ids: [graph_request_id, gateway_log_id], body } => {
                let retry_after = retry_after_ms.map(DurationMs);
                // Nothing of Graph's depends on a challenge or a media type in a world.
                let answer = Answer {
                    status,
                    retry_after,
                    graph_request_id,
                    gateway_log_id,
                    body,
                    ..Answer::default()
                };
                Input::CallDone { op, result: CallResult::Answered(answer) }
            }
            Self::Lost { op, how } => {
                Input::CallDone { op, result: CallResult::Lost(LOST[usize::from(how)]) }
            }
            Self::Delivered { request } => Input::Delivered { request },
            Self::Late { to } => Input::Late { to: ReplyTo(to) },
            Self::Gone { to } => Input::Gone { to: ReplyTo(to) },
            Self::Alarm => Input::Alarm,
        }
    }
}

/// The digest of what a turn did.
pub(crate) fn digest(writes: &WriteSet, effects: &[turn::Effect]) -> [u8; 32] {
    Sha256::digest(format!("{writes:?} {effects:?}").as_bytes()).into()
}

pub(crate) fn written(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(records, &mut bytes).unwrap();
    bytes
}

pub(crate) fn read(bytes: &[u8]) -> Vec<Record> {
    ciborium::from_reader(bytes).expect("this is no event log")
}

/// Runs a log again and says how many turns did what they had done before, or which one did not.
pub(crate) fn replay(records: Vec<Record>, mut show: impl FnMut(u64, &str)) -> Result<u64, String> {
    let mut config = Rc::new(config_with_keys(""));
    let (mut rows, mut core, mut turns) = (MemoryRows::default(), None, 0);
    let mut staged: Vec<WriteSet> = Vec::new();
    plant(None);
    for record in records {
        match record {
            Record::Planted(name) => {
                let planted = Planted::ALL.into_iter().find(|(known, _)| *known == name);
                plant(planted.and_then(|(_, planted)| planted.in_product()));
            }
            Record::Keys(keys) => config = Rc::new(config_with_keys(&keys)),
            Record::Rows(list) => {
                let mut writes = WriteSet::default();
                for (table, key, value) in list {
                    let table =
                        Table::OF_A_PERSON.iter().copied().find(|known| known.name() == table).unwrap();
                    writes.rows.insert((table, key), Some(value));
                }
                rows.apply(&writes);
                staged.push(writes);
            }
            Record::Recovered { now, armed } => {
                let recovered = UserSession::recover(config.clone(), &rows, now);
                core = Some(recovered.map_err(|fault| fault.to_string())?.with_alarm(armed));
            }
            Record::Turn { now, seed, input, digest: before } => {
                turns += 1;
                show(turns, &format!("{now:?} {input:?}"));
                let object = core.as_mut().ok_or("a turn without a core")?;
                let turn = Turn { now, entropy: Entropy::new(seed) };
                let mut capture = Capture { dies: before.is_none(), ..Capture::default() };
                let ended = turn::run(object, &rows, &mut capture, turn, input.input());
                let Some(before) = before else { continue };
                let effects = ended.map_err(|fault| format!("turn {turns} faulted: {fault}"))?;
                if digest(&capture.writes, &effects) != before {
                    return Err(format!("turn {turns} did something else than before"));
                }
                rows.apply(&capture.writes);
                staged.push(capture.writes);
            }
            Record::Died { kept } => {
                show(turns, &format!("died; {kept} turns survive"));
                staged.truncate(usize::try_from(kept).unwrap());
                rows = MemoryRows::default();
                staged.iter().for_each(|writes| rows.apply(writes));
                core = None;
            }
        }
    }
    Ok(turns)
}
