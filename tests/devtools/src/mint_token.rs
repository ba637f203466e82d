//! `mint-token`: an access token and a connect link for a demo user of the emulated tenant.
//!
//! What holds here: whoever holds the encryption key could make such a token anyway, so this command opens no door; it
//! reads the key from a settings file and prints nothing else of it. It is for local development and tests and is never
//! deployed.

mod surroundings;

use std::process::ExitCode;

use protocol::access_token::{AccessClaims, issue};
use protocol::config::Config;
use protocol::connect::{ConnectTicket, seal_ticket};
use protocol::ids::{GrantId, UserKey};
use protocol::limits::CONNECT_TICKET_LIFETIME;
use protocol::time::DurationMs;
use protocol::tools::Offer;
use protocol::tools::catalogue::scopes;

use surroundings::{now, printed, random, setting_of};

/// The demo tenant's people. The emulator knows the same identifiers.
const USERS: [(&str, &str); 4] = [
    ("alice", "a11ce000-0000-4000-8000-000000000001"),
    ("bob", "b0b00000-0000-4000-8000-000000000002"),
    ("carol", "ca401000-0000-4000-8000-000000000003"),
    ("dave", "da5e0000-0000-4000-8000-000000000004"),
];
const DOMAIN: &str = "contoso.example";
const USAGE: &str = "usage: mint-token --env-file FILE --user alice|bob|carol|dave [--client NAME] \
                     [--scopes \"a b\"] [--lifetime-seconds N]";

struct Options {
    env_file: String,
    user: String,
    client: String,
    scopes: Vec<String>,
    lifetime: DurationMs,
}

fn main() -> ExitCode {
    printed(options(std::env::args().skip(1)).and_then(|options| mint(&options)))
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        env_file: String::new(),
        user: String::new(),
        client: "development".to_owned(),
        scopes: scopes(Offer::default()).into_iter().map(str::to_owned).collect(),
        // A working day: a person who tries things out pastes the token once.
        lifetime: DurationMs::from_secs(8 * 60 * 60),
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(USAGE)?;
        match name.as_str() {
            "--env-file" => options.env_file = value,
            "--user" => options.user = value,
            "--client" => options.client = value,
            "--scopes" => options.scopes = value.split_whitespace().map(str::to_owned).collect(),
            "--lifetime-seconds" => {
                options.lifetime = DurationMs::from_secs(value.parse().map_err(|_| USAGE)?);
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    if options.env_file.is_empty() || options.user.is_empty() { Err(USAGE.to_owned()) } else { Ok(options) }
}

fn mint(options: &Options) -> Result<String, String> {
    let name = options.user.split('@').next().unwrap_or_default();
    let (_, object_id) = USERS
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| format!("there is no demo user `{name}`; {USAGE}"))?;
    let settings = std::fs::read_to_string(&options.env_file)
        .map_err(|error| format!("{}: {error}. Run npm start once, which writes it.", options.env_file))?;
    let config = Config::from_settings(|setting| setting_of(&settings, setting)).map_err(|problems| {
        let named: Vec<&str> = problems.iter().map(|problem| problem.setting).collect();
        format!("{}: these settings are missing or malformed: {}", options.env_file, named.join(", "))
    })?;
    let now = now()?;
    let user = UserKey::from_microsoft(&config.microsoft.tenant_id, object_id);
    let grant = GrantId::from_bytes(random()?);
    let claims = AccessClaims {
        user,
        grant,
        client: options.client.clone(),
        scopes: options.scopes.clone(),
        audience: config.resource(),
        issued_at: now,
        expires_at: now.plus(options.lifetime),
        access_identity: None,
    };
    let ticket = ConnectTicket {
        user,
        grant,
        client: options.client.clone(),
        scopes: options.scopes.clone(),
        login_hint: Some(format!("{name}@{DOMAIN}")),
        expires_at: now.plus(CONNECT_TICKET_LIFETIME),
        permission: None,
    };
    let sealed = |_| "sealing failed".to_owned();
    let token = issue(&config.encryption_keys, &claims, random()?).map_err(sealed)?;
    let ticket = seal_ticket(&config.encryption_keys, &ticket, random()?).map_err(sealed)?;
    let printed = serde_json::json!({
        "accessToken": token.expose(),
        "connectUrl": format!("{}/connect?ticket={ticket}", config.public_url),
        "mcpUrl": config.resource(),
        "userKey": user.to_string(),
    });
    Ok(printed.to_string())
}
