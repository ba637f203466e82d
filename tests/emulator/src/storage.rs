//! What travels by an address that is a key in itself: downloads and upload sessions. Whoever has the address
//! needs no token, and must not send one; an address stops working when its time is over.

use crate::ids::Ids;
use crate::wire::{Call, Reply};
use serde_json::{Map, Value};

/// How long an address works.
pub const LIFE_MS: u64 = 3_600_000;

/// How many downloads are kept; the oldest ones go first.
const MOST_DOWNLOADS: usize = 500;

/// Something that can be fetched.
#[derive(Clone, Debug)]
struct Download {
    token: String,
    name: String,
    media_type: String,
    content: Vec<u8>,
    expires_ms: u64,
}

/// Where an upload goes when it is complete.
#[derive(Clone, Debug)]
pub enum Target {
    /// To a message of somebody, by its immutable id, as an attachment with these properties.
    Attachment(&'static str, String, Map<String, Value>),
    /// Into a drive, below a folder, under a name; `replace`, `fail` or `rename` says what happens when there is
    /// one of this name already.
    File {
        /// The drive's id.
        drive: String,
        /// The folder's id.
        parent: String,
        /// The file's name.
        name: String,
        /// What happens on a conflict.
        on_conflict: String,
        /// Who uploads.
        by: &'static str,
    },
}

/// An upload under way.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The key in the address.
    pub token: String,
    /// Where it goes.
    pub target: Target,
    /// How many bytes it will have; a drive learns that from the first part.
    pub size: Option<usize>,
    /// What has arrived.
    pub content: Vec<u8>,
    /// When it is over.
    pub expires_ms: u64,
}

/// All downloads and uploads.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    downloads: Vec<Download>,
    uploads: Vec<Upload>,
}

/// One part of an upload, by its `Content-Range`: first byte, last byte, all bytes.
pub fn content_range(call: &Call) -> Option<(usize, usize, usize)> {
    let text = call.headers.get("content-range")?.strip_prefix("bytes ")?;
    let (range, total) = text.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total) = (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    let fits = first <= last && last < total && last - first + 1 == call.body.len();
    fits.then_some((first, last, total))
}

impl Storage {
    /// Makes something fetchable; the answer is the key.
    pub fn offer(
        &mut self,
        ids: &mut Ids,
        (name, media_type): (&str, &str),
        content: Vec<u8>,
        now_ms: u64,
    ) -> String {
        let token = ids.token("d");
        if self.downloads.len() >= MOST_DOWNLOADS {
            self.downloads.remove(0);
        }
        self.downloads.push(Download {
            token: token.clone(),
            name: name.into(),
            media_type: media_type.into(),
            content,
            expires_ms: now_ms.saturating_add(LIFE_MS),
        });
        token
    }

    /// Begins an upload; the answer is the key.
    pub fn begin(&mut self, ids: &mut Ids, target: Target, size: Option<usize>, now_ms: u64) -> String {
        let token = ids.token("u");
        let expires_ms = now_ms.saturating_add(LIFE_MS);
        self.uploads.push(Upload { token: token.clone(), target, size, content: Vec::new(), expires_ms });
        token
    }

    /// An upload that is not over.
    pub fn upload(&mut self, token: &str, now_ms: u64) -> Option<&mut Upload> {
        self.uploads.iter_mut().find(|one| one.token == token && one.expires_ms > now_ms)
    }

    /// Takes an upload out, because it is complete or given up.
    pub fn take(&mut self, token: &str) -> Option<Upload> {
        let at = self.uploads.iter().position(|one| one.token == token)?;
        Some(self.uploads.remove(at))
    }

    /// Answers a fetch: the whole, or the range that was asked for (RFC 9110, section 14).
    pub fn fetch(&self, token: &str, call: &Call, now_ms: u64) -> Reply {
        let found = self.downloads.iter().find(|one| one.token == token && one.expires_ms > now_ms);
        let Some(found) = found else { return Reply::text(404, "text/plain", "404 FILE NOT FOUND") };
        let disposition =
            format!("attachment; filename*=UTF-8''{}", crate::wire::percent_encode(&found.name));
        let range = call.headers.get("range").and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
        let length = found.content.len();
        let mut reply = Reply { status: 200, body: found.content.clone(), ..Reply::default() };
        if let Some((from, to)) = range {
            let from = from.parse::<usize>().unwrap_or(0);
            let to = to.parse::<usize>().unwrap_or(usize::MAX).min(length.saturating_sub(1));
            let Some(part) = found.content.get(from..to.saturating_add(1)) else {
                return Reply::empty(416).with("content-range", format!("bytes */{length}"));
            };
            reply = Reply { status: 206, body: part.to_vec(), ..Reply::default() };
            reply.headers.push("content-range", format!("bytes {from}-{to}/{length}"));
        }
        reply.with("content-type", &found.media_type).with("content-disposition", disposition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_must_fit_the_body() {
        let part = |range: &str, length: usize| {
            let mut call = Call { body: vec![0; length], ..Call::default() };
            call.headers.push("content-range", range);
            content_range(&call)
        };
        assert_eq!(part("bytes 0-9/100", 10), Some((0, 9, 100)));
        for (range, length) in
            [("bytes 0-9/100", 9), ("bytes 9-0/100", 10), ("bytes 0-9/9", 10), ("0-9/100", 10), ("", 0)]
        {
            assert_eq!(part(range, length), None, "{range}");
        }
    }

    #[test]
    fn downloads_end_and_are_served_in_parts() {
        let (mut storage, mut ids) = (Storage::default(), Ids::new(1, 1));
        let token = storage.offer(&mut ids, ("a b.txt", "text/plain"), b"hello".to_vec(), 0);
        let plain = storage.fetch(&token, &Call::default(), 1);
        assert_eq!((plain.status, plain.body.as_slice()), (200, b"hello".as_slice()));
        let mut call = Call::default();
        call.headers.push("range", "bytes=1-2");
        assert_eq!(storage.fetch(&token, &call, 1).body, b"el");
        assert_eq!(storage.fetch(&token, &Call::default(), LIFE_MS).status, 404);
    }

    #[test]
    fn uploads_end_too() {
        let (mut storage, mut ids) = (Storage::default(), Ids::new(1, 1));
        let target = Target::Attachment("alice", "M1".into(), Map::new());
        let token = storage.begin(&mut ids, target, Some(5), 0);
        assert!(storage.upload(&token, LIFE_MS - 1).is_some());
        assert!(storage.upload(&token, LIFE_MS).is_none());
    }
}
