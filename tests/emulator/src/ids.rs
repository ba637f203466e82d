//! Identifiers and tokens. Identifiers come from a seed and a counter, so that a test sees the same ids
//! in each run. Tokens are salted with the moment of start, so that a token that an earlier run handed
//! out is never accepted by accident. Nothing here is a secret worth protecting.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Hands out identifiers.
#[derive(Clone, Debug)]
pub struct Ids {
    seed: u64,
    next: u64,
    salt: u64,
}

/// SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Base64 for URLs, without padding.
pub fn base64_url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Undoes [`base64_url`].
pub fn base64_url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A short stand-in for a secret, equal for equal secrets, for records that must not hold the secret.
pub fn fingerprint(secret: &str) -> String {
    let digest = hex(&sha256(secret.as_bytes()));
    format!("sha256:{}", digest.get(..12).unwrap_or_default())
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let h = hex(&bytes);
    let part = |from: usize, to: usize| h.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
}

fn first_sixteen(block: &[u8; 32]) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(block) {
        *to = *from;
    }
    out
}

impl Ids {
    /// A generator; `salt` should differ from run to run.
    pub fn new(seed: u64, salt: u64) -> Self {
        Self { seed, next: 0, salt }
    }

    fn block(&mut self, label: &str, salt: u64) -> [u8; 32] {
        self.next += 1;
        sha256(format!("{}|{}|{}|{label}", self.seed, salt, self.next).as_bytes())
    }

    /// A UUID of version 4's shape.
    pub fn uuid(&mut self) -> String {
        let mut bytes = first_sixteen(&self.block("uuid", 0));
        if let Some(b) = bytes.get_mut(6) {
            *b = (*b & 0x0f) | 0x40;
        }
        if let Some(b) = bytes.get_mut(8) {
            *b = (*b & 0x3f) | 0x80;
        }
        uuid_text(bytes)
    }

    /// A UUID version 7: gateway log ids begin with the time.
    pub fn uuid_v7(&mut self, now_ms: u64) -> String {
        let mut bytes = first_sixteen(&self.block("uuid7", 0));
        for (to, from) in bytes.iter_mut().zip(now_ms.to_be_bytes().iter().skip(2)) {
            *to = *from;
        }
        if let Some(b) = bytes.get_mut(6) {
            *b = (*b & 0x0f) | 0x70;
        }
        if let Some(b) = bytes.get_mut(8) {
            *b = (*b & 0x3f) | 0x80;
        }
        uuid_text(bytes)
    }

    /// An opaque token that no other run hands out.
    pub fn token(&mut self, prefix: &str) -> String {
        let (one, two) = (self.block("token", self.salt), self.block("token", self.salt));
        format!("{prefix}{}{}", base64_url(&one), base64_url(&two))
    }

    /// An Exchange item id that changes when the item moves; it ends in `=`, as real ones do.
    pub fn rest_id(&mut self) -> String {
        format!("AAMkAGVmMDEzMTM4{}AAAA=", base64_url(&self.block("rest", 0)))
    }

    /// An Exchange item id that stays when the item moves.
    pub fn immutable_id(&mut self) -> String {
        format!("AAkALgAAAAAAHYQDEapmEc2byACq{}AAA==", base64_url(&self.block("immutable", 0)))
    }

    /// An id for a conversation.
    pub fn conversation_id(&mut self) -> String {
        format!("AAQkAGVmMDEzMTM4{}=", base64_url(&self.block("conversation", 0)))
    }
}
