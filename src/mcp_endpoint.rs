//! The `/mcp` endpoint's first decisions: which era a message belongs to, whether its headers and its body agree, and who
//! answers it.
//!
//! What holds here: the era is decided by what a message itself says and by nothing that was remembered. A request of the
//! revision without sessions is answered here if its answer is the same for everybody; everything else goes to the
//! object. The order of the checks is that of `docs/architecture.md`, "Revisions", and the statuses are those of MCP
//! 2026-07-28, basic/transports, and 2025-11-25, basic/transports.

mod batch;
mod stateless;

use protocol::jsonrpc::{self, Id, Message, RpcError};
use protocol::mcp::envelope::{self, Stateless};
use protocol::mcp::{Revision, STATELESS, errors};
use protocol::tools::Offer;
use protocol::trace::{TRACEPARENT, TraceContext};

pub use batch::join_batch;

use crate::reply::Reply;

/// The headers of a POST that decide about it.
#[derive(Clone, Copy)]
pub struct Arrived<'a> {
    /// `MCP-Protocol-Version`
    pub revision: Option<&'a str>,
    /// Any header by its name, which has no case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// What is offered, which one of the lists shows.
    pub offer: Offer<'a>,
}

/// What the object has to be asked, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// One message: the body as it came, and the envelope of a request without a session.
    Single {
        /// The body.
        body: Vec<u8>,
        /// The envelope; none in sessions.
        stateless: Option<Stateless>,
    },
    /// Several messages in one array, in order.
    Batch(Vec<Vec<u8>>),
    /// The answer is the same for everybody.
    Listed {
        /// The method, for the log.
        method: String,
        /// The trace that it belongs to, for the log.
        trace: Option<TraceContext>,
        /// The answer.
        reply: Reply,
    },
    /// A subscription, whose stream stays open.
    Listens {
        /// The request's id, which names the subscription.
        id: Id,
        /// What is to be watched.
        uris: Vec<String>,
    },
}

/// Who a message is for.
enum Era {
    Session,
    Stateless(Stateless),
    Listed { method: String, trace: Option<TraceContext>, reply: Reply },
    Listens { id: Id, uris: Vec<String> },
}

/// Whether a client takes server-sent events. One that names no media type is a person with a command line, who reads
/// one JSON text more easily.
#[must_use]
pub fn accepts_stream(accept_header: Option<&str>) -> bool {
    accept_header.is_some_and(|header| header.to_ascii_lowercase().contains("text/event-stream"))
}

/// Decides about a body that arrived at the endpoint.
///
/// # Errors
/// The reply to give instead.
pub fn classify(arrived: Arrived<'_>, body: Vec<u8>) -> Result<Delivery, Reply> {
    if jsonrpc::is_array(&body) {
        if arrived.names_no_session() {
            let error = RpcError::invalid_request("This protocol revision has no batches. Send one message.");
            return Err(refuse(400, None, &error));
        }
        return batch::split(&body).map(Delivery::Batch);
    }
    Ok(match era(arrived, &body)? {
        Era::Session => Delivery::Single { body, stateless: None },
        Era::Stateless(stateless) => Delivery::Single { body, stateless: Some(stateless) },
        Era::Listed { method, trace, reply } => Delivery::Listed { method, trace, reply },
        Era::Listens { id, uris } => Delivery::Listens { id, uris },
    })
}

impl Arrived<'_> {
    /// The trace that the headers name.
    #[must_use]
    pub fn trace(self) -> Option<TraceContext> {
        TraceContext::parse(&(self.header)(TRACEPARENT)?)
    }

    /// Whether the header names something else than a revision with a handshake.
    fn names_no_session(self) -> bool {
        self.revision.is_some_and(|name| Revision::from_wire(name).is_none())
    }
}

fn era(arrived: Arrived<'_>, body: &[u8]) -> Result<Era, Reply> {
    let read =
        jsonrpc::read(body).map_err(|unreadable| refuse(400, unreadable.id.as_ref(), &unreadable.error))?;
    let (id, method, params) = match read {
        Message::Request { id, method, params } => (id, method, params),
        Message::Notification { .. } => return without_answer(arrived, None),
        Message::Response { id, .. } => return without_answer(arrived, Some(&id)),
    };
    let meta = envelope::meta(params).filter(|meta| meta.contains_key(envelope::VERSION_KEY));
    if let Some(meta) = meta {
        return stateless::decide(arrived, &id, &method, params, &meta);
    }
    match arrived.revision.filter(|_| arrived.names_no_session()) {
        None => Ok(Era::Session),
        Some(STATELESS) if method == "initialize" => Err(refuse(
            400,
            Some(&id),
            &errors::header_mismatch(
                "The header MCP-Protocol-Version names a revision that has no `initialize`. Leave it out.",
            ),
        )),
        Some(STATELESS) => {
            // The envelope was looked for in vain, so that reading it names what lacks.
            let meta = envelope::meta(params).unwrap_or_default();
            let error =
                envelope::read(&meta).err().unwrap_or_else(|| RpcError::invalid_params("No `_meta`."));
            Err(refuse(400, Some(&id), &error))
        }
        Some(unknown) => Err(refuse(400, Some(&id), &errors::unsupported_version(unknown))),
    }
}

/// A notification or a response. Without a session there is nothing that either could concern: a client gives up by
/// closing the connection, and answers travel in requests.
fn without_answer(arrived: Arrived<'_>, response: Option<&Id>) -> Result<Era, Reply> {
    match (arrived.revision.filter(|_| arrived.names_no_session()), response) {
        (None, _) => Ok(Era::Session),
        (Some(STATELESS), None) => Err(Reply { status: 202, headers: Vec::new(), body: String::new() }),
        (Some(STATELESS), Some(id)) => {
            let error =
                RpcError::invalid_request("This server asked nothing. Answers travel in `inputResponses`.");
            Err(refuse(400, Some(id), &error))
        }
        (Some(unknown), id) => Err(refuse(400, id, &errors::unsupported_version(unknown))),
    }
}

fn refuse(status: u16, id: Option<&Id>, error: &RpcError) -> Reply {
    Reply::json_text(status, jsonrpc::failure(id, error))
}

#[cfg(test)]
mod tests;
