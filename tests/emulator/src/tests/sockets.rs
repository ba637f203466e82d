//! What only a real connection shows: a closed one, a cut one, a hanging one, and a taken port. Every port
//! is a free one.

use crate::{Emulator, Options};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn start() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// Sends one request and reads until the other side closes.
fn exchange(emulator: &Emulator, request: &str) -> String {
    let mut stream = TcpStream::connect(emulator.base().strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as a close.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(emulator: &Emulator, path: &str) -> String {
    exchange(emulator, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}

fn fault(emulator: &Emulator, action: &Value) {
    let rule = json!({ "service": "graph", "times": 1, "action": action });
    assert_eq!(emulator.control("POST", "/faults", &rule).0, 200);
}

#[test]
fn it_answers_drops_and_cuts() {
    let emulator = start();
    assert!(get(&emulator, "/_emulator/healthz").starts_with("HTTP/1.1 200"));
    fault(&emulator, &json!({ "dropBefore": true }));
    assert_eq!(get(&emulator, "/graph/v1.0/me"), "");
    fault(&emulator, &json!({ "truncate": 9 }));
    let cut = get(&emulator, "/graph/v1.0/me");
    let (head, body) = cut.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 9);
    let promised = head.to_ascii_lowercase();
    assert!(promised.contains("content-length: ") && !promised.contains("content-length: 9\r"));
    assert!(get(&emulator, "/graph/v1.0/me").starts_with("HTTP/1.1 401"));
}

#[test]
fn a_client_that_leaves_a_hanging_call_is_noticed() {
    let emulator = start();
    fault(&emulator, &json!({ "hang": true }));
    let mut stream = TcpStream::connect(emulator.base().strip_prefix("http://").unwrap()).unwrap();
    stream.write_all(b"GET /graph/v1.0/me HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let ended = |wanted: &str| {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let (_, records) = emulator.control("GET", "/records", &Value::Null);
            if records["records"][0]["ended"] == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "never {wanted}: {records}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    ended("open");
    drop(stream);
    ended("abandoned");
}

#[test]
fn a_taken_port_is_an_error_and_a_dropped_emulator_frees_its_own() {
    let emulator = start();
    let port = emulator.base().rsplit_once(':').unwrap().1.parse().unwrap();
    let options = Options { port, ..Options::default() };
    assert!(Emulator::start(options).is_err());
    drop(emulator);
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < deadline, "the port stays open");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn control_needs_no_http() {
    let emulator = start();
    let (status, state) = emulator.control("GET", "/state", &Value::Null);
    assert_eq!((status, state["users"].as_array().unwrap().len()), (200, 4));
    assert_eq!(emulator.control("GET", "/nothing", &Value::Null).0, 404);
}
