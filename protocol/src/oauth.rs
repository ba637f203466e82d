//! The authorization server's messages: clients, authorization requests, codes, tokens, metadata documents.
//!
//! What holds here: everything that travels through a browser or a client is sealed or compared exactly; an error is
//! redirected only to a place that was registered; codes and refresh tokens name the object that has the last word on
//! them. Nothing here performs I/O.

pub mod authorization;
pub mod client;
pub mod document;
pub mod metadata;
pub mod preregistered;
pub mod redirect;
pub mod token;

/// The error codes of OAuth that this server uses (RFC 6749, sections 4.1.2.1 and 5.2; RFC 8707, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, malformed or given twice.
    InvalidRequest,
    /// The client is not known or did not prove who it is.
    InvalidClient,
    /// The code or the refresh token is not (or no longer) good.
    InvalidGrant,
    /// The grant type is not served here.
    UnsupportedGrantType,
    /// The response type is not served here.
    UnsupportedResponseType,
    /// A scope is not known or exceeds what was granted.
    InvalidScope,
    /// The resource is not this server.
    InvalidTarget,
    /// The person said no.
    AccessDenied,
    /// This server or Microsoft cannot serve at the moment.
    TemporarilyUnavailable,
    /// The client's metadata are not acceptable (RFC 7591, section 3.2.2).
    InvalidClientMetadata,
    /// A redirect URI is not acceptable (RFC 7591, section 3.2.2).
    InvalidRedirectUri,
}

impl ErrorCode {
    /// The code on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
        }
    }
}

/// An OAuth error with a sentence for the developer of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong. It never repeats what was sent.
    pub description: &'static str,
}

impl OAuthError {
    /// An error.
    #[must_use]
    pub const fn new(code: ErrorCode, description: &'static str) -> Self {
        Self { code, description }
    }
}

/// More parameters than any request of a standard has.
pub const PARAMETERS_MAX: usize = 64;

/// Named parameters of a query or a form, each at most once (RFC 6749, section 3.1).
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Takes pairs as the platform parsed them.
    ///
    /// # Errors
    /// `invalid_request` as [`Parameters::check`] says it.
    pub fn new(pairs: Vec<(String, String)>) -> Result<Self, OAuthError> {
        let parameters = Self(pairs);
        parameters.check()?;
        Ok(parameters)
    }

    /// Takes pairs for an endpoint that has to find out first where its errors go, and calls [`Parameters::check`]
    /// afterwards.
    #[must_use]
    pub const fn unchecked(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// Checks that no parameter is repeated, but for `resource`, which may be (RFC 8707, section 2).
    ///
    /// # Errors
    /// `invalid_request` when one is, or when there are too many to look at.
    pub fn check(&self) -> Result<(), OAuthError> {
        if self.0.len() > PARAMETERS_MAX {
            return Err(OAuthError::new(ErrorCode::InvalidRequest, "There are too many parameters."));
        }
        if self.0.iter().any(|(name, _)| name != "resource" && self.is_repeated(name)) {
            return Err(OAuthError::new(ErrorCode::InvalidRequest, "A parameter stands twice."));
        }
        Ok(())
    }

    /// Whether a parameter stands more than once.
    #[must_use]
    pub fn is_repeated(&self, name: &str) -> bool {
        self.all(name).nth(1).is_some()
    }

    /// The value of a parameter; an empty one counts as absent, and so does one that is repeated, because which of its
    /// values is meant cannot be known.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let value = values.next().filter(|value| !value.is_empty())?;
        values.next().is_none().then_some(value)
    }

    /// All values of a parameter that may be repeated (RFC 8707, section 2).
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Checks that every `resource` names this server (RFC 8707). An omitted one means this server.
///
/// # Errors
/// `invalid_target`.
pub fn check_resource(parameters: &Parameters, own: &str) -> Result<(), OAuthError> {
    let same = |asked: &str| asked.trim_end_matches('/') == own;
    if parameters.all("resource").all(same) {
        Ok(())
    } else {
        Err(OAuthError::new(ErrorCode::InvalidTarget, "The resource is not this MCP server."))
    }
}

/// The scopes that a request asks for, cut down to those that exist; the base ones when none is named.
///
/// # Errors
/// `invalid_scope` when none of the asked ones exists.
pub fn read_scopes(asked: Option<&str>, known: &[&str], base: &[&str]) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(base.iter().map(|scope| (*scope).to_owned()).collect()) };
    let mut scopes: Vec<String> = Vec::new();
    for scope in asked.split_whitespace() {
        if known.contains(&scope) && !scopes.iter().any(|taken| taken == scope) {
            scopes.push(scope.to_owned());
        }
    }
    if scopes.is_empty() && asked.split_whitespace().all(|scope| scope != "offline_access") {
        return Err(OAuthError::new(ErrorCode::InvalidScope, "None of these scopes exists here."));
    }
    if scopes.is_empty() {
        scopes.extend(base.iter().map(|scope| (*scope).to_owned()));
    }
    Ok(scopes)
}
