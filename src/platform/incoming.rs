//! A client's request, as the platform hands it over.
//!
//! What holds here: method, URL and the headers that nearly every request is asked for cross over together, once, and
//! nothing else before it is asked for. The `worker` crate's own request reads what the platform says of the connection
//! with each, which nobody here looks at.

use actors::bridge::{Described, Names};
use js_sys::Promise;
use web_sys::{AbortSignal, ReadableStream};
use worker::{FromRequest, Result};

thread_local! {
    static NAMES: Names = const {
        Names::new(&[
            "host", "origin", "authorization", "content-length", "accept", "mcp-session-id", "mcp-protocol-version",
            "mcp-method", "mcp-name", "traceparent",
        ])
    };
}

/// One request.
pub(super) struct Incoming {
    raw: web_sys::Request,
    described: Described,
}

impl FromRequest for Incoming {
    fn from_raw(raw: web_sys::Request) -> std::result::Result<Self, impl Into<Box<dyn std::error::Error>>> {
        let described = NAMES.with(|names| Described::request(&raw, names))?;
        Ok::<Self, worker::Error>(Self { raw, described })
    }
}

impl Incoming {
    pub(super) fn method(&self) -> &str {
        self.described.line(0)
    }

    fn url(&self) -> &str {
        self.described.line(1)
    }

    /// The path as it came, with its escapes.
    pub(super) fn path(&self) -> &str {
        // The platform writes a URL with a scheme, a host and at least one slash behind it (WHATWG URL, 4.5).
        let behind_scheme = self.url().split_once("://").map_or("", |(_, rest)| rest);
        let path = behind_scheme.find('/').and_then(|start| behind_scheme.get(start..)).unwrap_or("/");
        path.split(['?', '#']).next().unwrap_or("/")
    }

    /// The query as it came, without its question mark.
    pub(super) fn query(&self) -> &str {
        let query = self.url().split_once('?').map_or("", |(_, query)| query);
        query.split('#').next().unwrap_or_default()
    }

    /// A header, whose values are joined by commas where it came more than once; `None` where it did not come.
    pub(super) fn header(&self, name: &str) -> Result<Option<String>> {
        match self.described.header(name) {
            Some(value) => Ok(value.map(str::to_owned)),
            None => Ok(self.raw.headers().get(name)?),
        }
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
