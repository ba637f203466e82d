//! Carries notifications to the address that was subscribed with: a small HTTP client for the loopback
//! address, and the loop that delivers what is due. It must never reach another machine, whatever a
//! subscription names.

use crate::wire::{Headers, Reply};
use crate::world::Shared;
use serde_json::{Value, json};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long the other side may take, as with the real service.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two looks at what is due.
const PAUSE: Duration = Duration::from_millis(20);

/// The longest answer that is read.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Host with port, and path with query, of an address that can be reached from here.
pub fn target(url: &str) -> Option<(&str, &str)> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at_checked(rest.find('/')?)?;
    let (name, port) = host.split_once(':')?;
    let is_here = matches!(name, "127.0.0.1" | "localhost") && port.parse::<u16>().is_ok_and(|port| port > 0);
    (is_here && path.bytes().all(|byte| byte.is_ascii_graphic())).then_some((host, path))
}

/// Sends one POST and reads the whole answer.
pub async fn post(url: &str, content_type: &str, body: &[u8]) -> io::Result<Reply> {
    let outcome = tokio::time::timeout(PATIENCE, exchange(url, content_type, body)).await;
    outcome.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn exchange(url: &str, content_type: &str, body: &[u8]) -> io::Result<Reply> {
    let (host, path) = target(url).ok_or(io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(host).await?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(reply) = parse(&bytes) {
            return Ok(reply);
        }
        let length = stream.read(&mut chunk).await?;
        if length == 0 || bytes.len() > ANSWER_LIMIT {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(chunk.iter().take(length));
    }
}

/// An answer, once all of it is there.
fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at_checked(end)?;
    let body = rest.get(4..)?;
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Headers::default();
    for line in lines {
        let (name, value) = line.split_once(':')?;
        headers.push(name, value.trim());
    }
    let is_chunked =
        headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let body = if is_chunked {
        unchunked(body)?
    } else {
        let length = headers.get("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        body.get(..length)?.to_vec()
    };
    Some(Reply { status, headers, body })
}

/// A chunked body (RFC 9112, section 7.1), once its last chunk is there.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let line_end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = std::str::from_utf8(rest.get(..line_end)?).ok()?;
        let length = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        let chunk = rest.get(line_end + 2..)?;
        if length == 0 {
            return Some(out);
        }
        out.extend(chunk.get(..length)?);
        rest = chunk.get(length + 2..)?;
    }
}

/// Delivers what is due, batch by batch, until the runtime ends.
pub async fn run(shared: Shared) {
    loop {
        let batch = {
            let world = &mut *shared.lock();
            let now_ms = world.now_ms();
            world.subscriptions.take_due(now_ms)
        };
        let Some(url) = batch.first().map(|one| one.url.clone()) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let value: Vec<Value> = batch.iter().map(|one| one.body.clone()).collect();
        let body = json!({ "value": value }).to_string();
        let answer = post(&url, "application/json; charset=utf-8", body.as_bytes()).await;
        let was_taken = answer.is_ok_and(|reply| (200..300).contains(&reply.status));
        let world = &mut *shared.lock();
        let now_ms = world.now_ms();
        world.subscriptions.delivered(batch, was_taken, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached() {
        assert_eq!(target("http://127.0.0.1:80/a?b"), Some(("127.0.0.1:80", "/a?b")));
        for url in
            ["https://x.example/", "http://x.example:80/", "http://127.0.0.1/", "http://127.0.0.1:1/a b", "x"]
        {
            assert_eq!(target(url), None, "{url}");
        }
    }

    #[test]
    fn answers_are_read_whole() {
        let plain = b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(parse(plain).map(|reply| (reply.status, reply.body)), Some((202, b"ab".to_vec())));
        assert!(parse(&plain[..plain.len() - 1]).is_none());
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n";
        assert_eq!(parse(chunked).map(|reply| reply.body), Some(b"abc".to_vec()));
    }
}
