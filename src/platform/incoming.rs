//! A client's request, as the platform hands it over.
//!
//! What holds here: method and URL cross over once, and nothing else before it is asked for. The `worker` crate's own
//! request reads what the platform says of the connection with each, which nobody here looks at.

use js_sys::Promise;
use web_sys::{AbortSignal, Headers, ReadableStream};
use worker::{FromRequest, Result};

/// One request.
pub(super) struct Incoming {
    raw: web_sys::Request,
    headers: Headers,
    method: String,
    url: String,
}

impl FromRequest for Incoming {
    fn from_raw(raw: web_sys::Request) -> std::result::Result<Self, impl Into<Box<dyn std::error::Error>>> {
        let (headers, method, url) = (raw.headers(), raw.method(), raw.url());
        Ok::<Self, worker::Error>(Self { raw, headers, method, url })
    }
}

impl Incoming {
    pub(super) fn method(&self) -> &str {
        &self.method
    }

    /// The path as it came, with its escapes.
    pub(super) fn path(&self) -> &str {
        // The platform writes a URL with a scheme, a host and at least one slash behind it (WHATWG URL, 4.5).
        let behind_scheme = self.url.split_once("://").map_or("", |(_, rest)| rest);
        let path = behind_scheme.find('/').and_then(|start| behind_scheme.get(start..)).unwrap_or("/");
        path.split(['?', '#']).next().unwrap_or("/")
    }

    /// The query as it came, without its question mark.
    pub(super) fn query(&self) -> &str {
        let query = self.url.split_once('?').map_or("", |(_, query)| query);
        query.split('#').next().unwrap_or_default()
    }

    /// A header, whose values are joined by commas where it came more than once; `None` where it did not come.
    pub(super) fn header(&self, name: &str) -> Result<Option<String>> {
        Ok(self.headers.get(name)?)
    }

    /// Fires when the client goes away.
    pub(super) fn signal(&self) -> AbortSignal {
        self.raw.signal()
    }

    /// The body, to be read as it comes; `None` without one.
    pub(super) fn body(&self) -> Option<ReadableStream> {
        self.raw.body()
    }

    /// The whole body, which may be read in this way once.
    pub(super) fn array_buffer(&self) -> Result<Promise> {
        Ok(self.raw.array_buffer()?)
    }
}
