//! The command: starts one emulator, says where it is in one line of JSON, and runs until it is ended. It
//! must never print anything else on standard output, because scripts read that line.

use emulator::{Emulator, Options, Tenant};
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

const USAGE: &str = "usage: emulator [--port N] [--client-id ID] [--client-secret SECRET] [--tenant-id ID] \
[--gateway-id ID] [--gateway-token TOKEN] [--access-aud TAG] [--graph-origin URL] [--seed N] \
[--sent-items-delay-ms N|never] [--tenant small|realistic] [--exit-with-stdin]";

/// The options and whether to end with standard input; `Err` is a message for the caller.
fn parse(mut words: impl Iterator<Item = String>) -> Result<(Options, bool), String> {
    let mut options = Options::default();
    let mut exit_with_stdin = false;
    while let Some(word) = words.next() {
        if word == "--exit-with-stdin" {
            exit_with_stdin = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} is unknown or needs a value; {USAGE}"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} needs a number, not {value:?}"));
        match word.as_str() {
            "--port" => {
                options.port = u16::try_from(number()?).map_err(|_| format!("{value} is not a port"))?;
            }
            "--client-id" => options.client_id = value,
            "--client-secret" => options.client_secret = value,
            "--tenant-id" => options.tenant_id = value,
            "--gateway-id" => options.gateway_id = value,
            "--gateway-token" => options.gateway_token = value,
            "--access-aud" => options.access_aud = value,
            "--graph-origin" => options.graph_origin = Some(value.trim_end_matches('/').to_owned()),
            "--tenant" if value == "small" => options.tenant = Tenant::Small,
            "--tenant" if value == "realistic" => options.tenant = Tenant::Realistic,
            "--seed" => options.seed = number()?,
            "--sent-items-delay-ms" if value == "never" => options.sent_items_delay_ms = None,
            "--sent-items-delay-ms" => options.sent_items_delay_ms = Some(number()?),
            _ => return Err(format!("{word} is unknown; {USAGE}")),
        }
    }
    Ok((options, exit_with_stdin))
}

fn run() -> Result<(), String> {
    let (options, exit_with_stdin) = parse(std::env::args().skip(1))?;
    let port = options.port;
    let emulator =
        Emulator::start(options).map_err(|error| format!("cannot listen on 127.0.0.1:{port}: {error}"))?;
    let mut out = std::io::stdout();
    writeln!(out, "{{\"emulator\":\"{}\"}}", emulator.base()).map_err(|error| error.to_string())?;
    out.flush().map_err(|error| error.to_string())?;
    if exit_with_stdin {
        let mut buffer = [0; 256];
        while std::io::stdin().read(&mut buffer).is_ok_and(|length| length > 0) {}
        return Ok(());
    }
    loop {
        std::thread::park();
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("emulator: {message}");
            ExitCode::FAILURE
        }
    }
}
