//! What commands need of the machine: settings in a file, the clock, random bytes, and the way to say what came of it.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::time::UnixMs;

/// The value of `NAME=value` in a settings file, where the value may stand in any of the three kinds of quotes.
pub fn setting_of(file: &str, name: &str) -> Option<String> {
    file.lines().rev().find_map(|line| {
        let (known, value) = line.trim().split_once('=')?;
        (known.trim() == name).then(|| value.trim().trim_matches(['"', '\'', '`']).to_owned())
    })
}

/// Prints what a command made, or says on the error stream why it made nothing.
pub fn printed(made: Result<String, String>) -> ExitCode {
    match made {
        Ok(json) => {
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// The time.
pub fn now() -> Result<UnixMs, String> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    u64::try_from(since_epoch.as_millis()).map(UnixMs).map_err(|error| error.to_string())
}

/// Unpredictable bytes.
pub fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}
