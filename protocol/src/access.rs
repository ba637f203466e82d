//! Who Cloudflare Access says is there: the claims of an assertion, and the sign-in through Access for SaaS.
//!
//! What holds here: an assertion is for this application of this team, for now, and is an application's own; a person is
//! known by a subject and never by an address; a service token, which has no subject, is never taken for a person.
//! Signatures are checked elsewhere; nothing here may be asked before that.

pub mod sign_in;

use serde::{Deserialize, Serialize};

use crate::config::Application;
use crate::ids::UserKey;
use crate::jwt::{self, NotBelieved};
use crate::limits::{CLOCK_SKEW, LOGIN_HINT_BYTES_MAX, SUBJECT_BYTES_MAX};
use crate::time::UnixMs;

/// Who stands behind an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A person.
    Person(Person),
    /// A service token, by its client id, which ends in `.access`.
    ServiceToken(String),
}

/// A person as Access knows them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The subject, which is stable and is the same for nobody else of the team.
    #[serde(rename = "s")]
    pub subject: String,
    /// The address, which is compared and never kept or logged.
    #[serde(rename = "e")]
    pub email: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Person({}, address hidden)", self.subject)
    }
}

impl Person {
    /// A person by the claims of a token; `None` unless the subject is one that can stand in a log.
    fn of(subject: &str, email: Option<String>) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'|' | b':');
        let is_subject = (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && subject.bytes().all(is_plain);
        let email = email.filter(|email| !email.is_empty() && email.len() <= LOGIN_HINT_BYTES_MAX);
        is_subject.then(|| Self { subject: subject.to_owned(), email })
    }

    /// Whose object it is where Access stands in front of everything.
    #[must_use]
    pub fn user_key(&self, application: &Application) -> UserKey {
        UserKey::from_access(&application.team_url, &self.subject)
    }
}

/// Where a team publishes the keys that sign assertions.
#[must_use]
pub fn keys_endpoint(application: &Application) -> String {
    format!("{}/cdn-cgi/access/certs", application.team_url)
}

/// One value or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(audience) => audience == wanted,
            Self::Several(audiences) => audiences.iter().any(|audience| audience == wanted),
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    iat: u64,
    nbf: Option<u64>,
    r#type: String,
    sub: Option<String>,
    email: Option<String>,
    common_name: Option<String>,
}

/// Checks the claims of an assertion whose signature holds, and says who stands behind it.
///
/// # Errors
/// [`NotBelieved`] names the check that failed.
pub fn identify(application: &Application, assertion: &str, now: UnixMs) -> Result<Identity, NotBelieved> {
    let claims: Claims = jwt::claims(assertion)?;
    if claims.iss != application.team_url {
        return Err(NotBelieved("issuer"));
    }
    if !claims.aud.names(&application.audience) {
        return Err(NotBelieved("audience"));
    }
    // A session token of the whole team is "org", and is no application's.
    if claims.r#type != "app" {
        return Err(NotBelieved("type"));
    }
    check_times(now, claims.exp, &[Some(claims.iat), claims.nbf])?;
    let subject = claims.sub.unwrap_or_default();
    match claims.common_name.filter(|name| !name.is_empty()) {
        Some(name) if subject.is_empty() && name.len() <= SUBJECT_BYTES_MAX => {
            Ok(Identity::ServiceToken(name))
        }
        // A person and a service token at once is neither.
        Some(_) => Err(NotBelieved("subject")),
        None => Person::of(&subject, claims.email).map(Identity::Person).ok_or(NotBelieved("subject")),
    }
}

fn check_times(now: UnixMs, ends: u64, begins: &[Option<u64>]) -> Result<(), NotBelieved> {
    let (now, skew) = (now.as_secs(), CLOCK_SKEW.0 / 1_000);
    if now >= ends.saturating_add(skew) {
        return Err(NotBelieved("expired"));
    }
    if begins.iter().flatten().any(|begins| now.saturating_add(skew) < *begins) {
        return Err(NotBelieved("not yet valid"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::digest::to_base64url;

    const NOW_S: u64 = 1_800_000_000;

    fn application() -> Application {
        Application { team_url: "https://contoso.cloudflareaccess.com".into(), audience: "a0b1".into() }
    }

    fn identified(change: &Value) -> Result<Identity, &'static str> {
        let mut claims = json!({
            "iss": "https://contoso.cloudflareaccess.com", "aud": ["other", "a0b1"], "type": "app",
            "exp": NOW_S + 100, "iat": NOW_S, "nbf": NOW_S, "sub": "7f-1", "email": "alice@contoso.example",
            "identity_nonce": "n", "country": "CH",
        });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        let token = format!("e30.{}.c2ln", to_base64url(claims.to_string().as_bytes()));
        identify(&application(), &token, UnixMs(NOW_S * 1_000)).map_err(|refused| refused.0)
    }

    #[test]
    fn a_person_and_a_service_token_are_told_apart() {
        let Ok(Identity::Person(person)) = identified(&json!({})) else { panic!() };
        assert_eq!(person.subject, "7f-1");
        assert!(!format!("{person:?}").contains("alice"));
        assert!(identified(&json!({"aud": "a0b1"})).is_ok());
        let service = json!({"sub": "", "email": null, "nbf": null, "common_name": "0a.access"});
        assert_eq!(identified(&service), Ok(Identity::ServiceToken("0a.access".into())));
        assert!(identified(&json!({"sub": null, "common_name": "0a.access"})).is_ok());
        for nobody in [
            json!({"sub": ""}),
            json!({"sub": null}),
            json!({"sub": "", "common_name": ""}),
            json!({"common_name": "0a.access"}),
            json!({"sub": "a b"}),
            json!({"sub": "alice@contoso.example"}),
            json!({"sub": "x".repeat(129)}),
        ] {
            assert_eq!(identified(&nobody), Err("subject"), "{nobody}");
        }
    }

    #[test]
    fn every_claim_is_checked() {
        let team = "https://contoso.cloudflareaccess.com";
        for (change, check) in [
            (json!({"iss": "https://fabrikam.cloudflareaccess.com"}), "issuer"),
            (json!({"iss": format!("{team}/")}), "issuer"),
            (json!({"iss": format!("{team}.evil.example")}), "issuer"),
            (json!({"aud": ["other"]}), "audience"),
            (json!({"aud": []}), "audience"),
            (json!({"aud": "a0b1 other"}), "audience"),
            (json!({"type": "org"}), "type"),
            (json!({"type": "APP"}), "type"),
            (json!({"exp": NOW_S - 60}), "expired"),
            (json!({"nbf": NOW_S + 61}), "not yet valid"),
            (json!({"iat": NOW_S + 61}), "not yet valid"),
        ] {
            assert_eq!(identified(&change), Err(check), "{change}");
        }
        for name in ["iss", "aud", "type", "exp", "iat"] {
            assert_eq!(identified(&json!({name: null})), Err("claims"), "{name}");
        }
        for change in [json!({"exp": "soon"}), json!({"exp": -1}), json!({"aud": 7}), json!({"sub": 7})] {
            assert_eq!(identified(&change), Err("claims"), "{change}");
        }
        for within_skew in
            [json!({"exp": NOW_S - 59}), json!({"nbf": NOW_S + 60}), json!({"iat": NOW_S + 60})]
        {
            assert!(identified(&within_skew).is_ok(), "{within_skew}");
        }
    }
}
