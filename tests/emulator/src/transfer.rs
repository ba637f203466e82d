//! Serves the addresses that need no token: fetching a file, and the parts of an upload. A request that carries a
//! token here is refused, as Microsoft's storage does; parts must come in order and fit what was announced.

use crate::clock::iso;
use crate::graph::{attachments, drive_write};
use crate::storage::{Target, Upload, content_range};
use crate::wire::{Call, Reply};
use crate::world::World;
use serde_json::json;

/// What a part of an attachment has to stay below; files take larger ones.
const PART_LIMIT: usize = 4 * 1024 * 1024;

/// Every part but the last is a multiple of this.
const PART_STEP: usize = 320 * 1024;

fn refuse(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": message } }))
}

fn progress(upload: &Upload, status: u16) -> Reply {
    let next = format!("{}-", upload.content.len());
    Reply::json(
        status,
        &json!({ "expirationDateTime": iso(upload.expires_ms), "nextExpectedRanges": [next] }),
    )
}

/// Takes one part; the last one completes the upload.
fn put(world: &mut World, token: &str, call: &Call) -> Reply {
    let now_ms = world.now_ms();
    let Some(upload) = world.storage.upload(token, now_ms) else {
        return refuse(404, "itemNotFound", "The upload session was not found.");
    };
    let Some((first, last, total)) = content_range(call) else {
        return refuse(
            400,
            "invalidRequest",
            "The Content-Range header is missing or does not fit the body.",
        );
    };
    let is_attachment = matches!(upload.target, Target::Attachment(..));
    let is_last = last + 1 == total;
    if is_attachment && call.body.len() >= PART_LIMIT {
        return refuse(413, "RequestEntityTooLarge", "A part has less than 4 MB.");
    }
    if !is_last && !call.body.len().is_multiple_of(PART_STEP) {
        return refuse(400, "invalidRequest", "The part's length is no multiple of 320 KiB.");
    }
    if first != upload.content.len() || upload.size.is_some_and(|size| size != total) {
        return refuse(
            416,
            "invalidRange",
            "The uploaded fragment overlaps with data that has already been received.",
        );
    }
    upload.size = Some(total);
    upload.content.extend(&call.body);
    if !is_last {
        return progress(upload, if is_attachment { 200 } else { 202 });
    }
    let Some(whole) = world.storage.take(token) else { return Reply::empty(404) };
    if is_attachment {
        return match attachments::complete(world, &whole) {
            Some(location) => Reply::empty(201).with("location", location),
            None => refuse(404, "ErrorItemNotFound", "The specified object was not found in the store."),
        };
    }
    match drive_write::complete(world, whole) {
        Some((status, item)) => Reply::json(status, &item),
        None => refuse(404, "itemNotFound", "The folder is not there any more."),
    }
}

/// Serves one request; `path` is what follows the prefix `/storage`.
pub fn execute(world: &mut World, call: &Call, path: &str) -> Reply {
    if call.headers.get("authorization").is_some() {
        return refuse(
            401,
            "unauthenticated",
            "This address is authorized by itself; no Authorization header is taken.",
        );
    }
    if world.settings.refuse_writes && call.method != "GET" {
        world.refused_writes.push(format!("{} {}", call.method, call.path));
        return refuse(500, "WriteRefusedByTest", "Nothing may be written at the moment.");
    }
    let now_ms = world.now_ms();
    let reply = match (call.method.as_str(), path.strip_prefix("/upload/"), path.strip_prefix("/download/")) {
        ("GET", _, Some(token)) => world.storage.fetch(token, call, now_ms),
        ("PUT", Some(token), _) => put(world, token, call),
        ("GET", Some(token), _) => match world.storage.upload(token, now_ms) {
            Some(upload) => progress(upload, 200),
            None => refuse(404, "itemNotFound", "The upload session was not found."),
        },
        ("DELETE", Some(token), _) if world.storage.take(token).is_some() => Reply::empty(204),
        _ => refuse(404, "itemNotFound", "Nothing is at this address."),
    };
    world.observe_changes();
    reply
}
