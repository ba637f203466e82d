//! The official Rust MCP client, driven by lines of JSON over standard input and output.
//!
//! It is started with the MCP URL, a redirect URI and how to open (`initialize`, `discover` or `auto`). Once it has to
//! send a person to a page it prints `{"authorize": url}` and reads `{"redirect": url}`; when it is connected it prints
//! `{"connected": true}`. Then each line `{"method": ..., "params": ...}` is answered by one line `{"result": ...}` or
//! `{"error": ...}`, until the input ends.
//!
//! What holds here: everything that speaks with the server is the library's.
//! It must never: sign in by itself, or check or mend an answer.

use std::error::Error;
use std::io::{Write, stdin, stdout};

use rmcp::model::{CallToolRequestParams, ProtocolVersion, ReadResourceRequestParams};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationRequest, OAuthState};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

type Failure = Box<dyn Error + Send + Sync>;
type Client = RunningService<RoleClient, ()>;

/// Prints one line at once.
fn say(line: &Value) -> Result<(), Failure> {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Reads the next line; nothing when the input has ended.
fn hear() -> Result<Option<Value>, Failure> {
    let mut line = String::new();
    match stdin().read_line(&mut line)? {
        0 => Ok(None),
        _ => Ok(Some(serde_json::from_str(&line)?)),
    }
}

/// How the library opens a connection.
fn lifecycle(mode: &str) -> Result<ClientLifecycleMode, Failure> {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    match mode {
        "initialize" => Ok(ClientLifecycleMode::Initialize),
        "discover" => Ok(ClientLifecycleMode::Discover { preferred_versions }),
        "auto" => Ok(ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }),
        other => Err(format!("no such way to open: {other}").into()),
    }
}

/// Discovers and registers as the server's refusal says, and lets the caller's person sign in.
async fn sign_in(url: &str, redirect_uri: &str, challenge: &str) -> Result<OAuthState, Failure> {
    let mut state = OAuthState::new(url, None).await?;
    let request = AuthorizationRequest::new(redirect_uri).with_client_name("rmcp").with_challenge(challenge);
    state.start_authorization(request).await?;
    say(&json!({ "authorize": state.get_authorization_url().await? }))?;
    let answer = hear()?.ok_or("the input ended before the redirect came back")?;
    let redirect = answer.get("redirect").and_then(Value::as_str).ok_or("that is no redirect")?;
    state.handle_callback_url(redirect).await?;
    Ok(state)
}

/// Asks without a token first, as a client does that knows nothing but the URL.
async fn connect(url: &str, redirect_uri: &str, mode: &str) -> Result<Client, Failure> {
    let config = || StreamableHttpClientTransportConfig::with_uri(url);
    let bare = StreamableHttpClientTransport::with_client(reqwest::Client::new(), config());
    let refused: ClientInitializeError = match ().serve_with_lifecycle(bare, lifecycle(mode)?).await {
        Ok(_) => return Err("nobody was asked to sign in".into()),
        Err(error) => error,
    };
    let challenge = refused.auth_challenge().ok_or_else(|| format!("no challenge: {refused}"))?;
    let state = sign_in(url, redirect_uri, challenge).await?;
    let manager = state.into_authorization_manager().ok_or("the sign-in did not end")?;
    let signed_in = AuthClient::new(reqwest::Client::new(), manager);
    let transport = StreamableHttpClientTransport::with_client(signed_in, config());
    Ok(().serve_with_lifecycle(transport, lifecycle(mode)?).await?)
}

/// Does what one line asks for.
async fn answer(client: &Client, line: &Value) -> Result<Value, Failure> {
    let params = line.get("params").cloned().unwrap_or_default();
    match line.get("method").and_then(Value::as_str) {
        Some("listTools") => Ok(serde_json::to_value(client.list_tools(None).await?)?),
        Some("callTool") => {
            let params: CallToolRequestParams = serde_json::from_value(params)?;
            Ok(serde_json::to_value(client.call_tool(params).await?)?)
        }
        Some("listResources") => Ok(serde_json::to_value(client.list_resources(None).await?)?),
        Some("readResource") => {
            let params: ReadResourceRequestParams = serde_json::from_value(params)?;
            Ok(serde_json::to_value(client.read_resource(params).await?)?)
        }
        _ => Err("no such method".into()),
    }
}

async fn run() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: rmcp-client URL REDIRECT_URI initialize|discover|auto");
    let (url, redirect_uri, mode) = (word()?, word()?, word()?);
    let client = connect(&url, &redirect_uri, &mode).await?;
    say(&json!({ "connected": true }))?;
    while let Some(line) = hear()? {
        match answer(&client, &line).await {
            Ok(result) => say(&json!({ "result": result }))?,
            Err(error) => say(&json!({ "error": error.to_string() }))?,
        }
    }
    client.cancel().await?;
    Ok(())
}

fn main() -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run())
}
