//! `verify-ledger`: says whether an exported ledger is what the object settled.
//!
//! What holds here: it reads two files and nothing else, and talks to nobody; the key is read from a file or from the
//! environment and never from an argument, which other users of the machine can see.

use std::process::ExitCode;

use protocol::digest::from_hex;
use protocol::operator::record::VerificationKey;
use protocol::operator::verify::{Export, Verified};

const USAGE: &str = "usage: verify-ledger EXPORT [KEY-FILE]\n\
    EXPORT is an export as NDJSON or as a CBOR sequence. The key is 64 hexadecimal digits, alone or as the API answers \
    it, in KEY-FILE or in the environment variable LEDGER_KEY.";

/// The export is not what was settled.
const FOUND: u8 = 1;

/// Nothing can be said.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (export, key_file) = match arguments.as_slice() {
        [export] => (export, None),
        [export, key_file] => (export, Some(key_file)),
        _ => return unusable(USAGE),
    };
    let bytes = match std::fs::read(export) {
        Ok(bytes) => bytes,
        Err(error) => return unusable(&format!("{export} cannot be read: {error}")),
    };
    let key = match key_file {
        Some(file) => {
            std::fs::read_to_string(file).map_err(|error| format!("{file} cannot be read: {error}"))
        }
        None => std::env::var("LEDGER_KEY").map_err(|_| USAGE.to_owned()),
    };
    let key = match key.and_then(|text| key_of(&text).ok_or_else(|| "that is no key".to_owned())) {
        Ok(key) => key,
        Err(message) => return unusable(&message),
    };
    let export = match Export::read(&bytes) {
        Ok(export) => export,
        Err(unreadable) => return unusable(&format!("Not an export: {unreadable}.")),
    };
    match export.verify(&key) {
        Ok(Verified { proved, unproved, removed }) => {
            println!(
                "The ledger of {} is as it was settled: {proved} requests are proved, {unproved} are from before the \
                 chain and prove nothing, {removed} were removed by retention.",
                export.head.user
            );
            ExitCode::SUCCESS
        }
        Err(finding) => {
            println!("The ledger of {} is not as it was settled: {finding}.", export.head.user);
            ExitCode::from(FOUND)
        }
    }
}

/// The key, alone or as the API answers it.
fn key_of(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    let known: Option<VerificationKey> = serde_json::from_str(text).ok();
    let hex = known.map_or_else(|| text.to_owned(), |known| known.key);
    from_hex(&hex)?.try_into().ok()
}

fn unusable(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::from(UNUSABLE)
}
