//! Calls that leave the server and what comes back, as plain data.
//!
//! What holds here: a call says whether repeating it could have an effect, because retries and reconciliation
//! depend on nothing else. A result says whether Microsoft may have acted; a lost answer is its own case and
//! never looks like a refusal.

use crate::time::DurationMs;

/// The way a Graph call takes to Microsoft. One setting chooses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `env.AI.run` with a dynamic route behind the `AI` binding.
    AiRun,
    /// A custom provider of AI Gateway, called with the real verb.
    CustomProvider,
}

/// HTTP methods of calls to Graph and to linked apps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Method {
    /// The method's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of a name, letter for letter (RFC 9110, section 9.1).
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str() == name)
    }
}

/// Whether a call may be sent again when its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Safety {
    /// It changes nothing.
    Read,
    /// It changes something, and Microsoft recognises a repeat by an identifier in the body: sending it again can
    /// have no second effect, and finds out about a lost answer.
    Repeatable,
    /// It changes something; a lost answer must be looked into before anything is sent again.
    Write,
}

/// Which of Microsoft's concurrency limits a call falls under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The person's own mailbox: mail, calendar, contacts.
    Mailbox,
    /// Somebody else's mailbox.
    OtherMailbox,
    /// Teams.
    Teams,
    /// Everything else on Graph.
    Other,
    /// A model behind the gateway, which operators named for condensing. No token of Microsoft's goes there.
    Model,
    /// The applications that operators linked, each of which is somebody else's.
    LinkedApp,
    /// Cloudflare Access's token endpoint.
    AccessIdentity,
    /// Entra ID's token endpoint, which has a connection kept free for it.
    Identity,
}

impl Lane {
    /// Every lane, in the order in which operators see them.
    pub const ALL: [Self; 8] = [
        Self::Mailbox,
        Self::OtherMailbox,
        Self::Teams,
        Self::Other,
        Self::Model,
        Self::LinkedApp,
        Self::AccessIdentity,
        Self::Identity,
    ];

    /// The name for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::OtherMailbox => "other_mailbox",
            Self::Teams => "teams",
            Self::Other => "other",
            Self::Model => "model",
            Self::LinkedApp => "linked_app",
            Self::AccessIdentity => "access_identity",
            Self::Identity => "identity",
        }
    }

    /// Whether its calls go to Microsoft Graph, by way of the gateway.
    #[must_use]
    pub const fn is_graph(self) -> bool {
        !matches!(self, Self::Model | Self::LinkedApp | Self::AccessIdentity | Self::Identity)
    }
}

/// What the body of a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// JSON.
    Json,
    /// The bytes of a file, which are text.
    Text,
    /// The bytes of a file, in base64 until they leave. Only storage takes them, because not every way through the
    /// gateway can carry bytes that are no text.
    Base64,
}

/// An address at Microsoft's storage that is good without a token: whoever knows it may fetch or write one file for an
/// hour. It is the only place outside of the gateway that a call goes to, and the operators' policy names its hosts
/// ([`crate::policy::FileRules::storage`]).
#[derive(Clone, PartialEq, Eq)]
pub struct StorageUrl(String);

impl StorageUrl {
    /// Takes an address whose host was looked at.
    pub(crate) const fn new(url: String) -> Self {
        Self(url)
    }

    /// The address itself, for whoever sends the call.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for StorageUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StorageUrl(hidden)")
    }
}

/// Some of the bytes of a file, counted from zero, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// How many bytes the whole file has.
    pub total: u64,
}

impl ByteRange {
    /// At most `most` bytes of a file of `total` bytes, from `first` on; of an empty file the whole.
    #[must_use]
    pub fn part(first: u64, most: u64, total: u64) -> Self {
        Self { first, last: first.saturating_add(most).min(total).saturating_sub(1), total }
    }

    /// How many bytes these are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        if self.total == 0 { 0 } else { self.last + 1 - self.first }
    }

    /// Whether these are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the file ends with these.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.last + 1 >= self.total
    }
}

/// One call to Microsoft Graph, before a transport and a token are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphCall {
    /// The method.
    pub method: Method,
    /// Path and query below the version segment, encoded, beginning with a slash.
    pub path: String,
    /// Values of the `Prefer` header.
    pub prefer: &'static [&'static str],
    /// A header that this call alone has, by its lower-case name.
    pub header: Option<(&'static str, &'static str)>,
    /// The body.
    pub body: Option<String>,
    /// What the body is.
    pub media: Media,
    /// Where it goes instead of Graph, without a token.
    pub storage: Option<StorageUrl>,
    /// Which bytes of a file at storage it is about; the whole file without it.
    pub range: Option<ByteRange>,
    /// The concurrency limit that applies.
    pub lane: Lane,
    /// Whether it may be sent again blindly.
    pub safety: Safety,
}

impl GraphCall {
    /// What can be said of a call without its body, which may hold megabytes.
    #[must_use]
    pub fn without_body(&self) -> Self {
        Self { path: self.path.clone(), storage: self.storage.clone(), body: None, ..*self }
    }

    /// A read below `path`.
    #[must_use]
    pub fn get(lane: Lane, path: String) -> Self {
        Self {
            method: Method::Get,
            path,
            prefer: &[],
            header: None,
            body: None,
            media: Media::Json,
            storage: None,
            range: None,
            lane,
            safety: Safety::Read,
        }
    }

    /// A write with a JSON body.
    #[must_use]
    pub fn post(lane: Lane, path: String, body: Option<String>) -> Self {
        Self { method: Method::Post, body, safety: Safety::Write, ..Self::get(lane, path) }
    }

    /// A write with a JSON body by which Microsoft recognises a repeat.
    #[must_use]
    pub fn post_repeatable(lane: Lane, path: String, body: String) -> Self {
        Self { safety: Safety::Repeatable, ..Self::post(lane, path, Some(body)) }
    }

    /// A write with a JSON body that changes nothing when it is done again.
    #[must_use]
    pub fn patch(lane: Lane, path: String, body: String) -> Self {
        Self { method: Method::Patch, ..Self::post_repeatable(lane, path, body) }
    }

    /// A question to the model that operators named, with its inputs as JSON. It changes nothing.
    #[must_use]
    pub fn model(inputs: String) -> Self {
        Self { safety: Safety::Read, ..Self::post(Lane::Model, String::new(), Some(inputs)) }
    }

    /// The bytes of a file from Microsoft's storage.
    #[must_use]
    pub fn fetch(url: StorageUrl) -> Self {
        Self { storage: Some(url), ..Self::get(Lane::Other, String::new()) }
    }

    /// Bytes of a file, in base64, to the address of an upload session.
    #[must_use]
    pub fn store(lane: Lane, url: StorageUrl, base64: String, range: ByteRange) -> Self {
        Self {
            method: Method::Put,
            body: Some(base64),
            media: Media::Base64,
            range: Some(range),
            safety: Safety::Write,
            lane,
            ..Self::fetch(url)
        }
    }

    /// The same call with `Prefer` values.
    #[must_use]
    pub fn preferring(mut self, prefer: &'static [&'static str]) -> Self {
        self.prefer = prefer;
        self
    }

    /// Bytes that the call holds while it waits.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.path.len() + self.body.as_ref().map_or(0, String::len)
    }
}

/// What came back from outside, before anyone interpreted it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// How long Microsoft or the gateway asked to wait.
    pub retry_after: Option<DurationMs>,
    /// Microsoft's own identifier of the request, for a support case.
    pub graph_request_id: Option<String>,
    /// The gateway's log entry.
    pub gateway_log_id: Option<String>,
    /// The `WWW-Authenticate` header of a 401.
    pub challenge: Option<String>,
    /// The media type of the body, in lower case and without parameters.
    pub content_type: Option<String>,
    /// The body, at most [`crate::limits::UPSTREAM_BODY_BYTES_MAX`] long.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The connection failed or broke. The other side may have acted.
    Connection,
    /// No answer came within [`crate::limits::CALL_TIMEOUT`]. The other side may have acted.
    Timeout,
    /// The answer exceeded its bound and was not read to the end. The other side has acted.
    TooLarge,
    /// The object was stopped between sending and hearing. The other side may have acted.
    Interrupted,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// An answer was read, of whatever status.
    Answered(Answer),
    /// No answer was read, and it is unknown whether the call was executed.
    Lost(Lost),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_remembered_with_everything_but_its_body() {
        let call =
            GraphCall { body: Some("b".to_owned()), ..GraphCall::get(Lane::Mailbox, "/me".to_owned()) };
        assert_eq!(call.without_body(), GraphCall { body: None, ..call });
    }

    #[test]
    fn the_parts_of_a_file_follow_each_other_to_its_end() {
        let whole = [ByteRange::part(0, 4, 9), ByteRange::part(4, 4, 9), ByteRange::part(8, 4, 9)];
        assert_eq!(whole.map(|part| (part.first, part.last, part.len())), [(0, 3, 4), (4, 7, 4), (8, 8, 1)]);
        assert_eq!(whole.map(|part| part.is_last()), [false, false, true]);
        let none = ByteRange::part(0, 4, 0);
        assert!(none.is_empty() && none.is_last());
    }
}
