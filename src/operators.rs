//! Operators: who is one, what they ask, and what they are answered.
//!
//! What holds here: whoever is no operator learns nothing, not even which paths or people exist; every look and every
//! action has a line in the trail before it is answered; an action is done only by whoever was told what it does.

pub mod api;
pub mod metrics;
pub mod pages;
pub mod render;
pub mod request;
pub mod self_test;

use protocol::access::Identity;
use protocol::config::{Application, Config};
use protocol::operator::credential::Credential;
use protocol::time::UnixMs;

use crate::access::Refused;

/// What stands in front of the operators' pages.
#[derive(Clone, Copy, Debug)]
pub enum Guard<'a> {
    /// An application of Access for them alone: its policies say who is an operator.
    Own(&'a Application),
    /// The application in front of everything: the operators' policy names people and service tokens.
    Shared(&'a Application),
    /// No application: a sealed credential.
    Credential,
}

/// What stands in front of the operators' pages of a deployment.
#[must_use]
pub fn guard(config: &Config) -> Guard<'_> {
    match (&config.operators, config.access_mode.application()) {
        (Some(own), _) => Guard::Own(own),
        (None, Some(shared)) => Guard::Shared(shared),
        (None, None) => Guard::Credential,
    }
}

/// An operator, as the trail and the log name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(pub String);

/// Who an identity of Access is to the operators' pages.
///
/// # Errors
/// [`Refused::NotAnOperator`].
pub fn by_identity(config: &Config, guard: Guard<'_>, identity: &Identity) -> Result<Operator, Refused> {
    let policy = &config.policy;
    let is_named = match (guard, identity) {
        (Guard::Own(_), _) => true,
        (Guard::Shared(_), Identity::ServiceToken(id)) => policy.service_tokens.contains(id),
        (Guard::Shared(_), Identity::Person(person)) => {
            let address = person.email.as_ref().map(|email| email.trim().to_ascii_lowercase());
            address.is_some_and(|address| policy.operators.contains(&address))
        }
        (Guard::Credential, _) => false,
    };
    if !is_named {
        return Err(Refused::NotAnOperator);
    }
    Ok(Operator(match identity {
        Identity::ServiceToken(id) => format!("service-token:{id}"),
        Identity::Person(person) => format!("access:{}", person.subject),
    }))
}

/// Who a credential is, from the header of a program or the cookie of a browser.
#[must_use]
pub fn by_credential(config: &Config, text: &str, now: UnixMs) -> Option<Operator> {
    let credential = Credential::open(&config.encryption_keys, text, &config.public_url, now).ok()?;
    Some(Operator(format!("credential:{}", credential.name)))
}

/// What a mode lacks, because an assertion of Access names neither clients nor scopes.
#[must_use]
pub const fn lacks(config: &Config) -> &'static [&'static str] {
    if config.access_mode.is_perimeter() {
        &["scopes of a single client", "consent for a single client", "withdrawal of a single client"]
    } else {
        &[]
    }
}

/// Where the gateway shows its logs, as far as the settings tell the account.
#[must_use]
pub fn gateway_logs_url(config: &Config) -> Option<String> {
    let provider = config.gateway.base_url.as_deref()?;
    let mut parts = provider.strip_prefix("https://gateway.ai.cloudflare.com/v1/")?.split('/');
    let (account, gateway) = (parts.next()?, parts.next()?);
    let is_plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    (is_plain(account) && is_plain(gateway))
        .then(|| format!("https://dash.cloudflare.com/{account}/ai/ai-gateway/gateways/{gateway}/logs"))
}

#[cfg(test)]
mod tests {
    use protocol::access::Person;
    use protocol::seal::KeyRing;
    use protocol::time::DurationMs;

    use super::*;
    use crate::health::tests::config_with;

    const TEAM: (&str, &str) = ("ACCESS_TEAM_DOMAIN", "contoso.cloudflareaccess.com");
    const POLICY: (&str, &str) =
        ("POLICY", r#"{"serviceTokens":["0a.access"],"operators":["Ada@Contoso.example"]}"#);

    fn person(email: Option<&str>) -> Identity {
        Identity::Person(Person { subject: "7f-1".into(), email: email.map(str::to_owned) })
    }

    fn token(id: &str) -> Identity {
        Identity::ServiceToken(id.into())
    }

    #[test]
    fn behind_a_shared_application_the_policy_names_operators() {
        let config = config_with(&[("ACCESS_MODE", "perimeter"), TEAM, ("ACCESS_AUD", "a0b1"), POLICY]);
        let who = |identity: &Identity| by_identity(&config, guard(&config), identity).ok();
        assert_eq!(who(&token("0a.access")), Some(Operator("service-token:0a.access".into())));
        assert_eq!(who(&person(Some("ada@contoso.EXAMPLE"))), Some(Operator("access:7f-1".into())));
        for stranger in [token("0b.access"), token(""), person(Some("bob@contoso.example")), person(None)] {
            assert_eq!(who(&stranger), None, "{stranger:?}");
        }
    }

    #[test]
    fn an_application_of_their_own_says_itself_who_they_are() {
        let own = ("OPS_AUD", "c3d4");
        let (mode, aud) = (("ACCESS_MODE", "oauth"), ("ACCESS_AUD", "a0b1"));
        let config = config_with(&[mode, TEAM, aud, own]);
        assert!(matches!(guard(&config), Guard::Own(application) if application.audience == "c3d4"));
        assert!(by_identity(&config, guard(&config), &person(None)).is_ok());
        let (id, secret) = (("ACCESS_CLIENT_ID", "c"), ("ACCESS_CLIENT_SECRET", "s"));
        let config = config_with(&[mode, TEAM, id, secret]);
        assert!(matches!(guard(&config), Guard::Credential));
        assert!(by_identity(&config, guard(&config), &token("0a.access")).is_err());
    }

    #[test]
    fn a_credential_counts_for_its_deployment_alone() {
        let config = config_with(&[]);
        let now = UnixMs(1_767_323_045_006);
        let made = |audience: &str, keys: &KeyRing| {
            let (name, audience) = ("ada".to_owned(), audience.to_owned());
            let expires_at = now.plus(DurationMs(1_000));
            let credential = Credential { name, audience, issued_at: now, expires_at };
            credential.issue(keys, [1; 12]).unwrap().expose().clone()
        };
        let own = made(&config.public_url, &config.encryption_keys);
        assert_eq!(by_credential(&config, &own, now), Some(Operator("credential:ada".into())));
        let foreign = KeyRing::parse("a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
        for other in [made("https://b.example", &config.encryption_keys), made(&config.public_url, &foreign)]
        {
            assert_eq!(by_credential(&config, &other, now), None);
        }
    }

    #[test]
    fn the_gateways_logs_are_linked_where_the_account_is_known() {
        let url = |base: &str| {
            gateway_logs_url(&config_with(&[("EGRESS", "custom_provider"), ("GATEWAY_BASE_URL", base)]))
        };
        assert_eq!(
            url("https://gateway.ai.cloudflare.com/v1/0a1b/m365/custom-graph").as_deref(),
            Some("https://dash.cloudflare.com/0a1b/ai/ai-gateway/gateways/m365/logs")
        );
        assert_eq!(url("https://proxy.example/v1/a/b/c"), None);
        assert_eq!(gateway_logs_url(&config_with(&[("EGRESS", "ai_run")])), None);
    }
}
