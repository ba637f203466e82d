//! Settings: every name, its format, and the one place where their text becomes typed values.
//!
//! What holds here: a deployment either has a complete, coherent configuration or none. Every problem is found
//! in one pass and named; no message contains a value. Settings arrive as Worker secrets, so they are parsed
//! once and never read from anywhere else.

mod access;
mod certificate;
mod condense;

pub use access::{AccessMode, Application, SignInApplication};
pub use condense::CondenseRoute;

use crate::limits::{
    REGISTRATIONS_PER_MINUTE, REGISTRATIONS_PER_MINUTE_RANGE, REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE_RANGE,
    SESSION_IDLE_MINUTES, SESSION_IDLE_MINUTES_RANGE, STREAM_LIFETIME_SECONDS, STREAM_LIFETIME_SECONDS_RANGE,
};
use crate::linked_app::{self, LinkedApp};
use crate::oauth::preregistered::{Preregistered, read_clients};
use crate::outbound::Transport;
use crate::policy::Policy;
use crate::seal::KeyRing;
use crate::secret::Secret;
use crate::time::DurationMs;
use crate::tools::{Offer, Toolsets};

/// The Graph API version that calls go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphVersion {
    /// `v1.0`, for production.
    V1,
    /// `beta`, which Microsoft changes without notice; said in the log line of each call.
    Beta,
}

impl GraphVersion {
    /// The version as a path segment.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::V1 => "v1.0",
            Self::Beta => "beta",
        }
    }
}

/// How the application proves itself to Microsoft.
#[derive(Debug)]
pub enum Credential {
    /// By a shared secret.
    Secret(Secret<String>),
    /// By assertions that the key of a registered certificate signs. Nothing that Microsoft keeps can be used by a thief.
    Certificate {
        /// SHA-256 of the certificate's DER form, by which Microsoft finds it.
        thumbprint: [u8; 32],
        /// The private key in PKCS#8 form (RFC 5208).
        private_key: Secret<Vec<u8>>,
    },
}

/// The application's registration with Microsoft.
#[derive(Debug)]
pub struct MicrosoftApp {
    /// The application (client) id.
    pub client_id: String,
    /// How it proves itself.
    pub credential: Credential,
    /// The tenant's id, as it stands in the endpoints' paths.
    pub tenant_id: String,
    /// The base of the identity endpoints, without a slash at the end.
    pub login_url: String,
}

/// How calls leave for AI Gateway.
#[derive(Debug)]
pub struct GatewaySettings {
    /// The transport. There is never a silent change to another one.
    pub transport: Transport,
    /// The gateway's id, sent with each `ai_run` call.
    pub gateway_id: String,
    /// The URL of the custom provider, without a slash at the end; required for `custom_provider`.
    pub base_url: Option<String>,
    /// The gateway's own credential, for an authenticated gateway.
    pub service_token: Option<Secret<String>>,
    /// The model that condenses long texts, where operators named one.
    pub condense: Option<CondenseRoute>,
}

/// Which clients are known, and how others become known.
#[derive(Debug)]
pub struct ClientSettings {
    /// Clients that operators registered.
    pub preregistered: Vec<Preregistered>,
    /// Whether clients may register themselves.
    pub may_register: bool,
    /// Registrations that one address may make in a minute.
    pub registrations_per_minute: u64,
    /// The one origin of this machine whose client ID metadata documents are read. A server that is reached from
    /// elsewhere has none.
    pub local_documents: Option<String>,
}

/// The complete configuration of one deployment.
#[derive(Debug)]
pub struct Config {
    /// The origin under which people reach the server, without a slash at the end.
    pub public_url: String,
    /// How Cloudflare Access takes part.
    pub access_mode: AccessMode,
    /// The application of Access that stands in front of the operators' pages alone, where there is one.
    pub operators: Option<Application>,
    /// The Graph API version.
    pub graph_version: GraphVersion,
    /// The application's registration with Microsoft.
    pub microsoft: MicrosoftApp,
    /// The way out.
    pub gateway: GatewaySettings,
    /// What people have to confirm, and what does not leave at all.
    pub policy: Policy,
    /// Which tools are offered.
    pub toolsets: Toolsets,
    /// Which clients are known.
    pub clients: ClientSettings,
    /// Keys of everything that is sealed at rest or in tokens.
    pub encryption_keys: KeyRing,
    /// Keys of client identifiers, which clients keep for ever: they rotate only when one was compromised. Those of
    /// everything else, unless a setting names others.
    pub registration_keys: KeyRing,
    /// Keys of cookies' contents.
    pub cookie_encryption_keys: KeyRing,
    /// Keys of cookies' signatures.
    pub cookie_keys: KeyRing,
    /// Requests that one client of a user may make in a minute.
    pub requests_per_minute: u64,
    /// How long an MCP session lives without use.
    pub session_idle: DurationMs,
    /// How long the edge keeps a stream open before it ends it in good order.
    pub stream_lifetime: DurationMs,
    /// Internal applications that a tool calls as the person.
    pub linked_apps: Vec<LinkedApp>,
}

/// One setting that is missing or cannot be used. It names the setting and never its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name.
    pub setting: &'static str,
    /// What is wrong and what it must look like.
    pub reason: String,
}

impl Config {
    /// The URL of the MCP endpoint, which is also the resource that access tokens are for.
    #[must_use]
    pub fn resource(&self) -> String {
        format!("{}/mcp", self.public_url)
    }

    /// What is offered to clients.
    #[must_use]
    pub fn offer(&self) -> Offer<'_> {
        let condenses = self.gateway.condense.is_some();
        Offer { toolsets: self.toolsets, linked_apps: &self.linked_apps, condenses }
    }

    /// Where Microsoft sends people back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/callback", self.public_url)
    }

    /// Where Access sends people back to who signed in there.
    #[must_use]
    pub fn access_redirect_uri(&self) -> String {
        format!("{}{}", self.public_url, crate::access::sign_in::CALLBACK_PATH)
    }

    /// Reads every setting through `lookup`.
    ///
    /// # Errors
    /// All problems at once, so that an operator needs one round and not one per mistake.
    pub fn from_settings(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let config = read(&mut reader);
        match config {
            Some(config) if reader.problems.is_empty() => Ok(config),
            _ => Err(reader.problems),
        }
    }
}

struct Reader<L> {
    lookup: L,
    problems: Vec<Problem>,
}

impl<L: Fn(&str) -> Option<String>> Reader<L> {
    fn optional(&self, setting: &str) -> Option<String> {
        (self.lookup)(setting).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn required(&mut self, setting: &'static str) -> Option<String> {
        let value = self.optional(setting);
        if value.is_none() {
            self.refuse(setting, "is missing: set it with `wrangler secret put`");
        }
        value
    }

    fn refuse(&mut self, setting: &'static str, reason: impl Into<String>) {
        self.problems.push(Problem { setting, reason: reason.into() });
    }

    fn keys(&mut self, setting: &'static str) -> Option<KeyRing> {
        let value = self.required(setting)?;
        KeyRing::parse(&value).map_err(|error| self.refuse(setting, error.to_string())).ok()
    }

    fn url(&mut self, setting: &'static str, value: String) -> Option<String> {
        let value = value.trim_end_matches('/').to_owned();
        if is_base_url(&value) {
            return Some(value);
        }
        self.refuse(
            setting,
            "must be an https URL (http for a loopback address) without user, query or fragment",
        );
        None
    }

    fn one_of<T: Copy>(&mut self, setting: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.required(setting)?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == value) {
            return Some(*choice);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.refuse(setting, format!("must be one of: {}", names.join(", ")));
        None
    }

    /// A whole number within a range; another one where there is none.
    fn number(&mut self, setting: &'static str, (low, high): (u64, u64), otherwise: u64) -> Option<u64> {
        let Some(value) = self.optional(setting) else { return Some(otherwise) };
        let number = value.parse().ok().filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.refuse(setting, format!("must be a whole number from {low} to {high}"));
        }
        number
    }

    fn identifier(&mut self, setting: &'static str) -> Option<String> {
        let value = self.required(setting)?;
        let readable = value.len() <= 128
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        if readable {
            return Some(value);
        }
        self.refuse(setting, "may hold letters, digits, '-', '.' and '_' only, at most 128");
        None
    }
}

/// Every field is read before any is looked at, so that one pass finds all problems.
fn read<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<Config> {
    let public_url = reader.required("PUBLIC_URL").and_then(|value| reader.url("PUBLIC_URL", value));
    let public_url = public_url.filter(|url| {
        let is_origin = url.split_once("://").is_some_and(|(_, rest)| !rest.contains('/'));
        if !is_origin {
            reader.refuse("PUBLIC_URL", "must be an origin: a scheme, a host and a port, without a path");
        }
        is_origin
    });
    let access_mode = access::read(reader);
    let operators = access::read_operators(reader, access_mode.as_ref());
    let graph_version =
        reader.one_of("GRAPH_API_VERSION", &[("v1.0", GraphVersion::V1), ("beta", GraphVersion::Beta)]);
    let microsoft = read_microsoft(reader);
    let gateway = read_gateway(reader);
    let policy = match reader.optional("POLICY") {
        Some(text) => Policy::parse(&text).map_err(|reason| reader.refuse("POLICY", reason)).ok(),
        None => Some(Policy::default()),
    };
    let toolsets = match reader.optional("TOOLSETS") {
        Some(text) => Toolsets::parse(&text).map_err(|reason| reader.refuse("TOOLSETS", reason)).ok(),
        None => Some(Toolsets::default()),
    };
    let clients = read_client_settings(reader, public_url.as_deref());
    let encryption_keys = reader.keys("ENCRYPTION_KEY");
    let registration_keys = match reader.optional("REGISTRATION_KEY") {
        Some(_) => reader.keys("REGISTRATION_KEY"),
        // A malformed ENCRYPTION_KEY was named above already.
        None => reader.optional("ENCRYPTION_KEY").and_then(|value| KeyRing::parse(&value).ok()),
    };
    let cookie_encryption_keys = reader.keys("COOKIE_ENCRYPTION_KEY");
    let cookie_keys = reader.keys("COOKIE_SECRET");
    let requests_per_minute =
        reader.number("RATE_LIMIT_PER_MINUTE", REQUESTS_PER_MINUTE_RANGE, REQUESTS_PER_MINUTE);
    let session_idle_minutes =
        reader.number("SESSION_IDLE_MINUTES", SESSION_IDLE_MINUTES_RANGE, SESSION_IDLE_MINUTES);
    let stream_lifetime_seconds =
        reader.number("STREAM_LIFETIME_SECONDS", STREAM_LIFETIME_SECONDS_RANGE, STREAM_LIFETIME_SECONDS);
    let linked_apps = read_linked_apps(reader, access_mode.as_ref());
    Some(Config {
        public_url: public_url?,
        access_mode: access_mode?,
        operators,
        graph_version: graph_version?,
        microsoft: microsoft?,
        gateway: gateway?,
        policy: policy?,
        toolsets: toolsets?,
        clients: clients?,
        encryption_keys: encryption_keys?,
        registration_keys: registration_keys?,
        cookie_encryption_keys: cookie_encryption_keys?,
        cookie_keys: cookie_keys?,
        requests_per_minute: requests_per_minute?,
        session_idle: DurationMs::from_secs(session_idle_minutes? * 60),
        linked_apps: linked_apps?,
        stream_lifetime: DurationMs::from_secs(stream_lifetime_seconds?),
    })
}

fn read_linked_apps<L: Fn(&str) -> Option<String>>(
    reader: &mut Reader<L>,
    access_mode: Option<&AccessMode>,
) -> Option<Vec<LinkedApp>> {
    let Some(text) = reader.optional("LINKED_APPS") else { return Some(Vec::new()) };
    let apps = linked_app::parse(&text).map_err(|reason| reader.refuse("LINKED_APPS", reason)).ok();
    let has_identity = |mode: &AccessMode| mode.is_perimeter() || mode.sign_in().is_some();
    if apps.as_ref().is_some_and(|apps| !apps.is_empty()) && !access_mode.is_none_or(has_identity) {
        reader.refuse(
            "LINKED_APPS",
            "needs ACCESS_MODE perimeter, or oauth with ACCESS_CLIENT_ID: applications are called with what Access issued \
             for the person",
        );
    }
    apps
}

fn read_client_settings<L: Fn(&str) -> Option<String>>(
    reader: &mut Reader<L>,
    public_url: Option<&str>,
) -> Option<ClientSettings> {
    let preregistered = match reader.optional("CLIENTS") {
        Some(text) => read_clients(&text).map_err(|reason| reader.refuse("CLIENTS", reason)).ok(),
        None => Some(Vec::new()),
    };
    let may_register = match reader.optional("REGISTRATION") {
        Some(_) => reader.one_of("REGISTRATION", &[("open", true), ("off", false)]),
        None => Some(true),
    };
    let registrations_per_minute =
        reader.number("REGISTRATIONS_PER_MINUTE", REGISTRATIONS_PER_MINUTE_RANGE, REGISTRATIONS_PER_MINUTE);
    let local_documents = reader.optional("LOCAL_CLIENT_DOCUMENTS");
    // A base URL without encryption is one of a loopback address.
    let is_here =
        |url: &str| is_base_url(url) && url.strip_prefix("http://").is_some_and(|rest| !rest.contains('/'));
    if let Some(origin) = &local_documents
        && !(is_here(origin) && public_url.is_some_and(is_here))
    {
        reader.refuse(
            "LOCAL_CLIENT_DOCUMENTS",
            "must be an http origin of this machine, and only a server that is itself reached at a loopback address \
             may have it",
        );
    }
    Some(ClientSettings {
        preregistered: preregistered?,
        may_register: may_register?,
        registrations_per_minute: registrations_per_minute?,
        local_documents,
    })
}

fn read_microsoft<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<MicrosoftApp> {
    let client_id = reader.identifier("MICROSOFT_CLIENT_ID");
    let credential = read_credential(reader);
    let tenant_id = reader.identifier("MICROSOFT_TENANT_ID");
    let login_url = reader
        .optional("MICROSOFT_LOGIN_URL")
        .unwrap_or_else(|| "https://login.microsoftonline.com".to_owned());
    let login_url = reader.url("MICROSOFT_LOGIN_URL", login_url);
    Some(MicrosoftApp {
        client_id: client_id?,
        credential: credential?,
        tenant_id: tenant_id?,
        login_url: login_url?,
    })
}

/// Exactly one of a secret and a certificate with its key: with both, nobody could tell which one is in use.
fn read_credential<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<Credential> {
    let secret = reader.optional("MICROSOFT_CLIENT_SECRET");
    let certificate = reader.optional("MICROSOFT_CLIENT_CERTIFICATE");
    let private_key = reader.optional("MICROSOFT_CLIENT_PRIVATE_KEY");
    match (secret, certificate, private_key) {
        (Some(secret), None, None) => Some(Credential::Secret(Secret::new(secret))),
        (None, Some(certificate), Some(private_key)) => {
            let key = certificate::read_private_key(&private_key)
                .map_err(|reason| reader.refuse("MICROSOFT_CLIENT_PRIVATE_KEY", reason))
                .ok();
            let thumbprint = certificate::read_thumbprint(&certificate, key.as_ref())
                .map_err(|reason| reader.refuse("MICROSOFT_CLIENT_CERTIFICATE", reason))
                .ok();
            Some(Credential::Certificate { thumbprint: thumbprint?, private_key: key?.der })
        }
        (None, Some(_), None) => {
            reader.refuse(
                "MICROSOFT_CLIENT_PRIVATE_KEY",
                "is missing: MICROSOFT_CLIENT_CERTIFICATE needs its key",
            );
            None
        }
        (None, None, Some(_)) => {
            reader.refuse(
                "MICROSOFT_CLIENT_CERTIFICATE",
                "is missing: MICROSOFT_CLIENT_PRIVATE_KEY is of no use without it",
            );
            None
        }
        (Some(_), _, _) => {
            reader.refuse(
                "MICROSOFT_CLIENT_SECRET",
                "stands beside MICROSOFT_CLIENT_CERTIFICATE or its key: set a secret or a certificate, not both",
            );
            None
        }
        (None, None, None) => {
            reader.refuse(
                "MICROSOFT_CLIENT_SECRET",
                "is missing: set it with `wrangler secret put`, or a certificate in its place",
            );
            None
        }
    }
}

fn read_gateway<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<GatewaySettings> {
    let transport = reader
        .one_of("EGRESS", &[("ai_run", Transport::AiRun), ("custom_provider", Transport::CustomProvider)]);
    let gateway_id = reader.identifier("GATEWAY_ID");
    let base_url = match reader.optional("GATEWAY_BASE_URL") {
        Some(value) => reader.url("GATEWAY_BASE_URL", value),
        None => {
            if transport == Some(Transport::CustomProvider) {
                reader.refuse("GATEWAY_BASE_URL", "is missing: EGRESS is custom_provider, which needs it");
            }
            None
        }
    };
    let service_token = reader.optional("AI_GATEWAY_SERVICE_TOKEN").map(Secret::new);
    let condense = condense::read(reader, transport, base_url.as_deref());
    Some(GatewaySettings {
        transport: transport?,
        gateway_id: gateway_id?,
        base_url,
        service_token,
        condense,
    })
}

/// Whether a URL may serve as a base: absolute, encrypted unless it stays on this machine, nothing but a path.
pub(crate) fn is_base_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return false,
        None => authority,
    };
    let loopback = matches!(host, "127.0.0.1" | "localhost");
    let clean = !host.is_empty()
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && rest.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'@' | b'\\'));
    clean && (scheme == "https" || (scheme == "http" && loopback))
}

#[cfg(test)]
mod tests;
