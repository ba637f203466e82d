//! Reading what the object sends, as the outside reads it: JSON texts, paths, queries and forms.
//!
//! What holds here: nothing of the product's codecs is used, so that a fault in one of them cannot cancel out here. A
//! request that cannot be read is a violation and never a guess.

use serde_json::Value;

/// One request as it arrives outside.
#[derive(Clone, Debug)]
pub(crate) enum Wire {
    Graph(GraphRequest),
    Token(Vec<(String, String)>),
}

#[derive(Clone, Debug)]
pub(crate) struct GraphRequest {
    pub method: String,
    /// The segments of the path below the version.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    pub bearer: String,
    /// The request that it serves, as its header says.
    pub operation: String,
    pub body: Value,
}

impl Wire {
    /// The most calls that Microsoft, or the platform, allows where this one goes.
    pub(crate) fn lane(&self) -> (&'static str, usize) {
        match self {
            Self::Token(_) => ("token", 1),
            Self::Graph(request) => match request.segments.iter().map(String::as_str).collect::<Vec<_>>()[..]
            {
                ["chats", ..] => ("Teams", 2),
                ["me"] | ["me", "onlineMeetings", ..] => ("other", 4),
                _ => ("mailbox", 4),
            },
        }
    }

    /// Whether the request can change anything at Microsoft.
    pub(crate) fn writes(&self) -> bool {
        matches!(self, Self::Graph(request) if request.method != "GET")
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Graph(request) => format!("{} /{}", request.method, request.segments.join("/")),
            Self::Token(form) => format!("token {}", field(form, "grant_type")),
        }
    }
}

impl GraphRequest {
    /// Reads the inputs of `env.AI.run`.
    pub(crate) fn read(inputs: &str) -> Result<Self, String> {
        let inputs: Value = serde_json::from_str(inputs).map_err(|error| format!("inputs: {error}"))?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let method = text(&inputs["method"]).ok_or("no method")?;
        let path = text(&inputs["path"]).ok_or("no path")?;
        let bearer = text(&inputs["headers"]["authorization"]).ok_or("no authorization")?;
        let bearer = bearer.strip_prefix("Bearer ").ok_or("no bearer token")?.to_owned();
        let operation = text(&inputs["headers"]["client-request-id"]).ok_or("no client-request-id")?;
        let below = path.strip_prefix("/v1.0/").ok_or("another version")?;
        let (path, query) = below.split_once('?').unwrap_or((below, ""));
        let segments = path.split('/').map(decoded).collect();
        let (query, body) = (pairs(query, false), inputs["body"].clone());
        Ok(Self { method, segments, query, bearer, operation, body })
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        field(&self.query, name)
    }
}

/// Reads a form body.
pub(crate) fn read_form(body: &str) -> Vec<(String, String)> {
    pairs(body, true)
}

pub(crate) fn field<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

fn pairs(text: &str, plus_is_space: bool) -> Vec<(String, String)> {
    let plain = |part: &str| decoded(&if plus_is_space { part.replace('+', " ") } else { part.to_owned() });
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

/// Undoes percent-encoding.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Base64url without padding, for the parts of an ID token.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = 0_u32;
        for place in 0..3 {
            word = (word << 8) | u32::from(chunk.get(place).copied().unwrap_or(0));
        }
        for place in 0..=chunk.len() {
            let digit = (word >> (18 - 6 * place)) & 63;
            out.push(char::from(DIGITS[digit as usize]));
        }
    }
    out
}
