//! `mint-operator`: the credential of an operator for a deployment that no application of Access protects.
//!
//! What holds here: whoever holds the encryption key could make one anyway, so this command opens no door; the key comes
//! from a settings file or the environment, never from an argument, and nothing of it is printed.

mod surroundings;

use std::process::ExitCode;

use protocol::operator::credential::Credential;
use protocol::seal::KeyRing;
use protocol::time::DurationMs;

use surroundings::{now, printed, random, setting_of};

const USAGE: &str = "usage: mint-operator --name NAME [--hours 1..12] [--env-file FILE]; without a file ENCRYPTION_KEY \
                     and PUBLIC_URL are read from the environment";
const HOUR_SECONDS: u64 = 60 * 60;

struct Options {
    name: String,
    hours: u64,
    env_file: Option<String>,
}

fn main() -> ExitCode {
    printed(options(std::env::args().skip(1)).and_then(|options| mint(&options)))
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { name: String::new(), hours: 8, env_file: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--name" => options.name = value,
            "--hours" => options.hours = value.parse().map_err(|_| USAGE)?,
            "--env-file" => options.env_file = Some(value),
            _ => return Err(USAGE.to_owned()),
        }
    }
    if options.name.is_empty() { Err(USAGE.to_owned()) } else { Ok(options) }
}

fn mint(options: &Options) -> Result<String, String> {
    let file = match &options.env_file {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?),
        None => None,
    };
    let setting = |name: &str| {
        let value = match &file {
            Some(file) => setting_of(file, name),
            None => std::env::var(name).ok(),
        };
        value.map(|value| value.trim().to_owned()).ok_or_else(|| format!("{name} is missing; {USAGE}"))
    };
    let keys =
        KeyRing::parse(&setting("ENCRYPTION_KEY")?).map_err(|error| format!("ENCRYPTION_KEY {error}"))?;
    let audience = setting("PUBLIC_URL")?.trim_end_matches('/').to_owned();
    let issued_at = now()?;
    let expires_at = issued_at.plus(DurationMs::from_secs(options.hours.saturating_mul(HOUR_SECONDS)));
    let credential =
        Credential { name: options.name.clone(), audience: audience.clone(), issued_at, expires_at };
    let text = credential.issue(&keys, random()?).map_err(|_| {
        "a name has 1 to 64 letters, digits, '-', '_' or '.', and a credential lasts 12 hours at most"
            .to_owned()
    })?;
    let printed = serde_json::json!({
        "credential": text.expose(), "consoleUrl": format!("{audience}/ops"), "expiresAt": expires_at.to_iso8601(),
    });
    Ok(printed.to_string())
}
