//! `check-settings`: whether a file of settings makes a configuration, by the reader that the Worker itself uses.
//!
//! What holds here: it says of a secret only that it is there, and of a key only its identifier; problems name a setting
//! and a reason, never a value. It is for `npm run doctor` and `npm run provision` and is never deployed.

use std::process::ExitCode;

use protocol::config::{AccessMode, Config, Credential};
use protocol::outbound::Transport;
use serde_json::{Map, Value, json};

#[expect(dead_code, reason = "this command needs neither the clock nor random bytes")]
mod surroundings;

use surroundings::setting_of;

const KEY_RINGS: [&str; 4] = ["ENCRYPTION_KEY", "REGISTRATION_KEY", "COOKIE_ENCRYPTION_KEY", "COOKIE_SECRET"];

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: check-settings FILE");
        return ExitCode::FAILURE;
    };
    match std::fs::read_to_string(&path) {
        Ok(file) => {
            println!("{}", findings(&file));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn findings(file: &str) -> Value {
    match Config::from_settings(|name| setting_of(file, name)) {
        Ok(config) => described(&config, file),
        Err(problems) => {
            let problems: Vec<Value> = problems
                .iter()
                .map(|problem| json!({ "setting": problem.setting, "problem": problem.reason }))
                .collect();
            json!({ "problems": problems })
        }
    }
}

/// What may be known of a configuration by whoever looks over an operator's shoulder.
fn described(config: &Config, file: &str) -> Value {
    let (mode, sign_in) = match &config.access_mode {
        AccessMode::Open => ("open", false),
        AccessMode::Perimeter(_) => ("perimeter", false),
        AccessMode::OAuth { sign_in, .. } => ("oauth", sign_in.is_some()),
    };
    let team = config.access_mode.application().map(|application| application.team_url.as_str());
    let team = team.or(config.access_mode.sign_in().map(|application| application.team_url.as_str()));
    json!({
        "problems": [],
        "publicUrl": config.public_url,
        "mode": mode,
        "teamUrl": team,
        "hasApplication": config.access_mode.application().is_some(),
        "hasSignIn": sign_in,
        "graphVersion": config.graph_version.segment(),
        "loginUrl": config.microsoft.login_url,
        "tenantId": config.microsoft.tenant_id,
        "credential": match config.microsoft.credential {
            Credential::Secret(_) => "secret",
            Credential::Certificate { .. } => "certificate",
        },
        "egress": match config.gateway.transport {
            Transport::AiRun => "ai_run",
            Transport::CustomProvider => "custom_provider",
        },
        "gatewayId": config.gateway.gateway_id,
        "gatewayBaseUrl": config.gateway.base_url,
        "hasGatewayToken": config.gateway.service_token.is_some(),
        "mayRegister": config.clients.may_register,
        "clients": config.clients.preregistered.len(),
        "linkedApps": config.linked_apps.len(),
        "keys": keys(file),
    })
}

/// The identifiers of each ring's keys, newest first; every sealed value names the one of its key in clear.
fn keys(file: &str) -> Value {
    let rings = KEY_RINGS.iter().filter_map(|name| {
        let setting = setting_of(file, name).filter(|value| !value.is_empty())?;
        let identifier = |item: &str| item.split_once(':').map_or("0", |(kid, _)| kid.trim()).to_owned();
        let identifiers: Vec<String> = setting.split(',').map(identifier).collect();
        Some(((*name).to_owned(), json!(identifiers)))
    });
    Value::Object(rings.collect::<Map<String, Value>>())
}
