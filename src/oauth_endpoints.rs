//! The registration, token and revocation endpoints: what each request means and whose object it concerns.
//!
//! What holds here: a client proves who it is before anything else is looked at; whether a code or a refresh token is
//! good is for the user's object to say; no answer tells more than the standard's error.

use protocol::access_token::{AccessClaims, issue, verify};
use protocol::config::Config;
use protocol::digest::{sha256, to_base64url};
use protocol::ids::{GrantId, UserKey};
use protocol::limits::ACCESS_TOKEN_LIFETIME;
use protocol::oauth::client::{
    AuthMethod, client_secret, read_registration, registration_response, seal_client,
};
use protocol::oauth::token::{RefreshClaims, issue_refresh, open_code, open_refresh, token_response};
use protocol::oauth::{ErrorCode, OAuthError, Parameters, check_resource};
use protocol::object::{Command, Issue, Redeem, Renew};
use protocol::time::UnixMs;

use crate::clients::authenticate;
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

impl Question {
    /// The digest of the identifier of the client that asks.
    #[must_use]
    pub fn client_digest(&self) -> &[u8] {
        match &self.command {
            Command::Redeem(redeem) => &redeem.client_digest,
            Command::Renew(renew) => &renew.client_digest,
            Command::Revoke { client_digest } => client_digest,
            // No other command is a question of a client.
            _ => &[],
        }
    }
}

/// Checks that a body is what its endpoint reads.
///
/// # Errors
/// The error to answer with: a request in another form would be misread as one without parameters.
pub fn check_content_type(content_type: Option<&str>, is_registration: bool) -> Result<(), OAuthError> {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let (wanted, code, description) = if is_registration {
        // RFC 7591, section 3.1.
        ("application/json", ErrorCode::InvalidClientMetadata, "Send the metadata as application/json.")
    } else {
        // RFC 6749, section 4.1.3, and RFC 7009, section 2.1.
        (
            "application/x-www-form-urlencoded",
            ErrorCode::InvalidRequest,
            "Send the parameters as application/x-www-form-urlencoded.",
        )
    };
    if essence.eq_ignore_ascii_case(wanted) { Ok(()) } else { Err(OAuthError::new(code, description)) }
}

/// Registers a client.
#[must_use]
pub fn register(config: &Config, body: &[u8], now: UnixMs, nonce: [u8; 12]) -> Reply {
    let registered = read_registration(body, now).and_then(|client| {
        let id = seal_client(&config.registration_keys, &client, nonce)?;
        let secret = match client.auth_method {
            AuthMethod::None => None,
            AuthMethod::Secret | AuthMethod::SecretPost | AuthMethod::SecretBasic => {
                Some(client_secret(&config.registration_keys, &id).map_err(|_| {
                    OAuthError::new(
                        ErrorCode::TemporarilyUnavailable,
                        "The registration could not be completed.",
                    )
                })?)
            }
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
    let client_digest = authenticate(config, form, authorization)?;
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
            let asked = form.get("scope").unwrap_or_default().split_whitespace();
            let scopes: Vec<String> =
                asked.filter(|scope| *scope != "offline_access").map(str::to_owned).collect();
            // Asking for nothing in particular is asking for the same again (RFC 6749, section 6).
            let scopes = (!scopes.is_empty()).then_some(scopes);
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
        access_identity: issued.access_identity.clone(),
    };
    let refresh = RefreshClaims { user: question.user, grant: question.grant, generation: issued.generation };
    let access = issue(&config.encryption_keys, &claims, access_nonce);
    let refresh = issue_refresh(&config.encryption_keys, &refresh, refresh_nonce);
    match (access, refresh) {
        (Ok(access), Ok(refresh)) => {
            let refresh = protocol::secret::Secret::new(refresh);
            let body = token_response(&access, &refresh, ACCESS_TOKEN_LIFETIME, &issued.scopes);
            // RFC 6749, section 5.1, asks for this one beside `Cache-Control`, which every reply has.
            Reply::json_text(200, body.expose().clone()).with("pragma", "no-cache".to_owned())
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

/// The error for a renewal that asks for more than the person agreed to (RFC 6749, section 5.2).
#[must_use]
pub fn scope_too_wide() -> OAuthError {
    OAuthError::new(
        ErrorCode::InvalidScope,
        "The scope exceeds what was granted. Ask for less, or sign in again.",
    )
}

/// Reads a request of the revocation endpoint; `None` when there is nothing to withdraw, which is no error (RFC 7009,
/// section 2.2). Either token withdraws the whole grant, because an access token by itself cannot be withdrawn (section
/// 2.1 allows it).
///
/// # Errors
/// The error to answer with.
pub fn read_revocation(
    config: &Config,
    form: &Parameters,
    authorization: Option<&str>,
    now: UnixMs,
) -> Result<Option<Question>, OAuthError> {
    let client_digest = authenticate(config, form, authorization)?;
    let token = form
        .get("token")
        .ok_or(OAuthError::new(ErrorCode::InvalidRequest, "The parameter token is missing."))?;
    let keys = &config.encryption_keys;
    let refresh = || open_refresh(keys, token).ok().map(|claims| (claims.user, claims.grant));
    let access =
        || verify(keys, token, &config.resource(), now).ok().map(|claims| (claims.user, claims.grant));
    let command = Command::Revoke { client_digest };
    Ok(refresh().or_else(access).map(|(user, grant)| Question { user, grant, command }))
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
    fn a_renewal_that_names_no_scope_of_ours_asks_for_the_same_again() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "none");
        let claims = RefreshClaims {
            user: UserKey::from_bytes([1; 16]),
            grant: GrantId::from_bytes([2; 16]),
            generation: 1,
        };
        let token = issue_refresh(&config.encryption_keys, &claims, [3; 12]).unwrap();
        let scopes = |scope: &str| {
            let pairs = [
                ("grant_type", "refresh_token"),
                ("client_id", client["client_id"].as_str().unwrap()),
                ("refresh_token", &token),
                ("scope", scope),
            ];
            match read_token_request(&config, &form(&pairs), None, NOW).unwrap().command {
                Command::Renew(renew) => renew.scopes,
                other => panic!("{other:?}"),
            }
        };
        for nothing in ["", " ", "offline_access"] {
            assert_eq!(scopes(nothing), None, "{nothing:?}");
        }
        assert_eq!(scopes("mail.read offline_access"), Some(vec!["mail.read".to_owned()]));
    }

    #[test]
    fn either_token_withdraws_its_grant_while_it_is_good() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "none");
        let (user, grant) = (UserKey::from_bytes([1; 16]), GrantId::from_bytes([2; 16]));
        let question = Question {
            user,
            grant,
            command: Command::Renew(Renew { client_digest: vec![], generation: 1, scopes: None }),
        };
        let issued = Issue { client: "c".into(), scopes: vec![], generation: 2, access_identity: None };
        let reply = issue_tokens(&config, &question, &issued, NOW, [[1; 12], [2; 12]]);
        assert!(reply.headers.contains(&("pragma", "no-cache".to_owned())));
        let tokens: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
        let withdrawn = |token: &str, now| {
            let pairs = [("client_id", client["client_id"].as_str().unwrap()), ("token", token)];
            read_revocation(&config, &form(&pairs), None, now).unwrap().map(|question| question.grant)
        };
        for name in ["access_token", "refresh_token"] {
            assert_eq!(withdrawn(tokens[name].as_str().unwrap(), NOW), Some(grant), "{name}");
        }
        let late = NOW.plus(ACCESS_TOKEN_LIFETIME);
        assert_eq!(withdrawn(tokens["access_token"].as_str().unwrap(), late), None);
        assert_eq!(withdrawn("m365at_x", NOW), None);
    }

    #[test]
    fn a_body_says_what_it_is() {
        for (header, is_registration) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/x-www-form-urlencoded;charset=UTF-8", false),
        ] {
            assert_eq!(check_content_type(Some(header), is_registration), Ok(()), "{header}");
            assert!(check_content_type(Some(header), !is_registration).is_err(), "{header}");
        }
        assert_eq!(check_content_type(None, true).unwrap_err().code, ErrorCode::InvalidClientMetadata);
        assert_eq!(
            check_content_type(Some("text/plain"), false).unwrap_err().code,
            ErrorCode::InvalidRequest
        );
    }

    #[test]
    fn a_confidential_client_needs_its_secret() {
        let config = config_at("https://mcp.example.com");
        let client = registered(&config, "client_secret_post");
        let (id, secret) = (client["client_id"].as_str().unwrap(), client["client_secret"].as_str().unwrap());
        let with = |secret: &str| {
            let pairs = [("client_id", id), ("client_secret", secret), ("token", "m365rt_x")];
            read_revocation(&config, &form(&pairs), None, NOW).map_err(|error| error.code)
        };
        assert_eq!(with(secret), Ok(None));
        assert_eq!(with("wrong"), Err(ErrorCode::InvalidClient));
        assert_eq!(with(""), Err(ErrorCode::InvalidClient));
    }
}
