//! Plain values for what travels over HTTP, so that every emulated service is a function from `Call` to
//! `Reply` and can be tested without a socket. Paths and queries stay exactly as received until a
//! service asks for them decoded: strictness about encodings is part of what is emulated.

use serde_json::Value;

/// Request or response headers in order, with lower-case names.
#[derive(Clone, Debug, Default)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header; `name` is lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header, joined as HTTP joins lists.
    pub fn joined(&self, name: &str) -> String {
        let values: Vec<&str> = self.0.iter().filter(|(k, _)| k == name).map(|(_, v)| v.as_str()).collect();
        values.join(", ")
    }

    /// Adds a header.
    pub fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_ascii_lowercase(), value.into()));
    }

    /// Replaces a header.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self.push(name, value);
    }

    /// The token of an `Authorization: Bearer` style header.
    pub fn bearer(&self, name: &str) -> Option<&str> {
        let (scheme, token) = self.get(name)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|t| !t.is_empty())
    }
}

/// One request to an emulated service.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The verb, upper case.
    pub method: String,
    /// The path as received, still encoded, beginning with `/`.
    pub path: String,
    /// The query as received, without `?`.
    pub query: String,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// Path and query, as a record shows them.
    pub fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The media type without parameters, lower case.
    pub fn media_type(&self) -> Option<String> {
        let value = self.headers.get("content-type")?;
        Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }
}

/// One answer of an emulated service.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: Headers,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// An answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        let mut reply = Self { status, body: body.to_string().into_bytes(), ..Self::default() };
        reply.headers.push("content-type", "application/json");
        reply
    }

    /// An answer with text of some type.
    pub fn text(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        let mut reply = Self { status, body: body.into().into_bytes(), ..Self::default() };
        reply.headers.push("content-type", content_type);
        reply
    }

    /// The same answer with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// The body as JSON, or null.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// What a service does with a request in the end.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It answers.
    Reply(Reply),
    /// It closes the connection without an answer.
    Drop,
    /// It promises the whole answer, sends only so many bytes of the body and closes the connection.
    Truncate(Reply, usize),
}

/// Undoes percent-encoding; `None` for a malformed escape or text that is not UTF-8.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Percent-encodes everything but unreserved characters.
pub fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Reads a query or a form: pairs in order, `+` is a space; `None` when malformed.
pub fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for item in text.split('&').filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        pairs.push((percent_decode(&name.replace('+', " "))?, percent_decode(&value.replace('+', " "))?));
    }
    Some(pairs)
}

/// The value of a name in parsed pairs.
pub fn pair<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The first name that occurs twice.
pub fn duplicate(pairs: &[(String, String)]) -> Option<&str> {
    let mut seen = std::collections::BTreeSet::new();
    pairs.iter().find(|(name, _)| !seen.insert(name.as_str())).map(|(name, _)| name.as_str())
}

/// Text safe inside of HTML, attributes included.
pub fn html_escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
