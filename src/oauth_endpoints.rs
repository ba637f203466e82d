//! The registration, token and revocation endpoints: what each request means and whose object it concerns.
//!
//! What holds here: a client proves who it is before anything else is looked at; whether a code or a refresh token is
//! good is for the user's object to say; no answer tells more than the standard's error.

use protocol::access_token::{AccessClaims, issue};
use protocol::config::Config;
use protocol::digest::{sha256, to_base64url};
use protocol::ids::{GrantId, UserKey};
use protocol::limits::ACCESS_TOKEN_LIFETIME;
use protocol::oauth::client::{
    AuthMethod, client_secret, open_client_of_any_age, read_registration, registration_response, seal_client,
};
use protocol::oauth::token::{
    RefreshClaims, issue_refresh, open_code, open_refresh, read_credentials, token_response,
};
use protocol::oauth::{ErrorCode, OAuthError, Parameters, check_resource};
use protocol::object::{Command, Issue, Redeem, Renew};
use protocol::time::UnixMs;

use crate::reply::Reply;

/// What an object has to be asked in order to answer a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Whose object.
    pub user: UserKey,
    /// Which grant.
    pub grant: GrantId,
    /// What to ask.
    pub command: Command,
}

/// Registers a client.
#[must_use]
pub fn register(config: &Config, body: &[u8], now: UnixMs, nonce: [u8; 12]) -> Reply {
    let registered = read_registration(body, now).and_then(|client| {
        let id = seal_client(&config.registration_keys, &client, nonce)?;
        let secret = match client.auth_method {
            AuthMethod::None => None,
            AuthMethod::Secret => Some(client_secret(&config.registration_keys, &id).map_err(|_| {
                OAuthError::new(ErrorCode::TemporarilyUnavailable, "The registration could not be completed.")
            })?),
        };
        Ok(registration_response(&client, &id, secret.as_deref()))
    });
    match registered {
        Ok(response) => Reply::json(201, &response),
        Err(error) => Reply::oauth_error(&error),
    }
}

/// Reads a request of the token endpoint.
///
/// # Errors
/// The error to answer with.
pub fn read_token_request(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
    now: UnixMs,
) -> Result<Question, OAuthError> {
    let client_digest = authenticate_client(config, form, authorization)?;
    check_resource(form, &config.resource())?;
    let missing = |description| OAuthError::new(ErrorCode::InvalidRequest, description);
    match form.get("grant_type") {
        Some("authorization_code") => {
            let code = form.get("code").ok_or(missing("The parameter code is missing."))?;
            let verifier =
                form.get("code_verifier").ok_or(missing("The parameter code_verifier is missing."))?;
            let claims = open_code(&config.encryption_keys, code, now)?;
            let redeem = Redeem {
                client_digest,
                challenge: to_base64url(&sha256(verifier.as_bytes())),
                redirect_uri: form.get("redirect_uri").map(str::to_owned),
            };
            Ok(Question { user: claims.user, grant: claims.grant, command: Command::Redeem(redeem) })
        }
        Some("refresh_token") => {
            let token =
                form.get("refresh_token").ok_or(missing("The parameter refresh_token is missing."))?;
            let claims = open_refresh(&config.encryption_keys, token)?;
            let scopes = form.get("scope").map(|scope| {
                scope
                    .split_whitespace()
                    .filter(|scope| *scope != "offline_access")
                    .map(str::to_owned)
                    .collect()
            });
            let renew = Renew { client_digest, generation: claims.generation, scopes };
            Ok(Question { user: claims.user, grant: claims.grant, command: Command::Renew(renew) })
        }
        Some(_) => Err(OAuthError::new(
            ErrorCode::UnsupportedGrantType,
            "grant_type must be authorization_code or refresh_token.",
        )),
        None => Err(missing("The parameter grant_type is missing.")),
    }
}

/// The answer to a client whose question the object affirmed.
#[must_use]
pub fn issue_tokens(
    config: &Config,
    question: &Question,
    issued: &Issue,
    now: UnixMs,
    nonces: [[u8; 12]; 2],
) -> Reply {
    let [access_nonce, refresh_nonce] = nonces;
    let claims = AccessClaims {
        user: question.user,
        grant: question.grant,
        client: issued.client.clone(),
        scopes: issued.scopes.clone(),
        audience: config.resource(),
        issued_at: now,
        expires_at: now.plus(ACCESS_TOKEN_LIFETIME),
    };
    let refresh = RefreshClaims { user: question.user, grant: question.grant, generation: issued.generation };
    let access = issue(&config.encryption_keys, &claims, access_nonce);
    let refresh = issue_refresh(&config.encryption_keys, &refresh, refresh_nonce);
    match (access, refresh) {
        (Ok(access), Ok(refresh)) => {
            let refresh = protocol::secret::Secret::new(refresh);
            let body = token_response(&access, &refresh, ACCESS_TOKEN_LIFETIME, &issued.scopes);
            Reply::json_text(200, body.expose().clone())
        }
        _ => Reply::object_unavailable(),
    }
}

/// The error for a code or a refresh token that the object did not accept.
#[must_use]
pub fn not_accepted() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidGrant,
        "The code or the refresh token is not good any more. Sign in again.",
    )
}

/// Reads a request of the revocation endpoint; `None` when there is nothing to withdraw, which is no error (RFC 7009,
/// section 2.2). An access token alone ends within minutes and leaves its grant.
///
/// # Errors
/// The error to answer with.
pub fn read_revocation(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
) -> Result<Option<Question>, OAuthError> {
    let client_digest = authenticate_client(config, form, authorization)?;
    let token = form
        .get("token")
        .ok_or(OAuthError::new(ErrorCode::InvalidRequest, "The parameter token is missing."))?;
    Ok(open_refresh(&config.encryption_keys, token).ok().map(|claims| Question {
        user: claims.user,
        grant: claims.grant,
        command: Command::Revoke { client_digest },
    }))
}

/// Checks who the client is and yields the digest of its identifier.
fn authenticate_client(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
) -> Result<Vec<u8>, OAuthError> {
    let credentials = read_credentials(form, authorization)?;
    let refused =
        OAuthError::new(ErrorCode::InvalidClient, "The client is not known or did not prove who it is.");
    // Its age does not matter here: a grant that stands keeps its client.
    let client = open_client_of_any_age(&config.registration_keys, &credentials.client_id)
        .map_err(|_| refused.clone())?;
    let digest = sha256(credentials.client_id.as_bytes()).to_vec();
    if client.auth_method == AuthMethod::None {
        return Ok(digest);
    }
    let expected =
        client_secret(&config.registration_keys, &credentials.client_id).map_err(|_| refused.clone())?;
    let presented = credentials.secret.as_ref().map_or("", |secret| secret.expose().as_str());
    // Digests are compared, so that the time of the comparison tells nothing about the secret.
    if sha256(presented.as_bytes()) == sha256(expected.as_bytes()) { Ok(digest) } else { Err(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::config_at;
    use protocol::oauth::token::{CodeClaims, issue_code};

    const NOW: UnixMs = UnixMs(1_000_000);

    fn form(pairs: &[(&str, &str)]) -> Parameters {
        Parameters::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
            .unwrap()
    }

    fn registered(config: &Config, method: &str) -> serde_json::Value {
        let body = serde_json::json!({
            "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": method
        });
        let reply = register(config, body.to_string().as_bytes(), NOW, [1; 12]);
        assert_eq!(reply.status, 201, "{}", reply.body);
        serde_json::from_str(&reply.body).unwrap()
    }

    fn code(config: &Config) -> String {
        let claims = CodeClaims {
            user: UserKey::from_bytes([1; 16]),
            grant: GrantId::from_bytes([2; 16]),
            expires_at: UnixMs(2_000_000),
        };
        issue_code(&config.encryption_keys, &claims, [2; 12]).unwrap()
    }

    #[test]
    fn a_code_names_the_object_and_the_verifier_becomes_a_challenge() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "none");
        let (id, code) = (client["client_id"].as_str().unwrap(), code(&config));
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", id),
            ("code", &code),
            ("code_verifier", verifier),
        ];
        let question = read_token_request(&config, &form(&pairs), None, NOW).unwrap();
        assert_eq!(question.grant, GrantId::from_bytes([2; 16]));
        let Command::Redeem(redeem) = question.command else { panic!() };
        // The pair of RFC 7636, appendix B.
        assert_eq!(redeem.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn every_bad_request_gets_its_own_error() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "none");
        let (id, code) = (client["client_id"].as_str().unwrap(), code(&config));
        let error =
            |pairs: &[(&str, &str)]| read_token_request(&config, &form(pairs), None, NOW).unwrap_err().code;
        let grant = ("grant_type", "authorization_code");
        assert_eq!(error(&[grant]), ErrorCode::InvalidClient);
        assert_eq!(error(&[grant, ("client_id", "m365c_forged")]), ErrorCode::InvalidClient);
        assert_eq!(error(&[("client_id", id)]), ErrorCode::InvalidRequest);
        assert_eq!(error(&[("client_id", id), ("grant_type", "password")]), ErrorCode::UnsupportedGrantType);
        assert_eq!(error(&[grant, ("client_id", id), ("code", &code)]), ErrorCode::InvalidRequest);
        let forged = [grant, ("client_id", id), ("code", "m365k_x"), ("code_verifier", "v")];
        assert_eq!(error(&forged), ErrorCode::InvalidGrant);
        let other = [grant, ("client_id", id), ("code", &code), ("resource", "https://other.example/mcp")];
        assert_eq!(error(&other), ErrorCode::InvalidTarget);
    }

    #[test]
    fn a_confidential_client_needs_its_secret() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "client_secret_post");
        let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
        let with = |secret: &str| {
            let pairs = [("client_id", id), ("client_secret", secret), ("token", "m365rt_x")];
            read_revocation(&config, &form(&pairs), None).map_err(|error| error.code)
        };
        assert_eq!(with(secret), Ok(None));
        assert_eq!(with("wrong"), Err(ErrorCode::InvalidClient));
        assert_eq!(with(""), Err(ErrorCode::InvalidClient));
    }
}
