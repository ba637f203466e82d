//! What an Access identity may do here, and what people and programs are told where it may not.
//!
//! What holds here: a person becomes a caller by subject alone; a service token is nobody's mailbox and gets the
//! operators' API only where the policy names it; a refusal is no challenge, because nobody can sign in at this server
//! where Access does that, and never says more than which kind of check failed.

use protocol::access::{Identity, Person};
use protocol::config::Application;
use protocol::connect::ConnectTicket;
use protocol::ids::GrantId;
use protocol::object::Caller;
use protocol::tools::catalogue::scopes;
use protocol::tools::{Offer, Tool};
use serde_json::json;

use crate::browser::page_html;
use crate::reply::Reply;

/// The header that counts. Neither the cookie nor the plain header with an address is ever looked at.
pub const HEADER: &str = "cf-access-jwt-assertion";

/// Why nobody was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No assertion came.
    Missing,
    /// One came that is not believed.
    NotBelieved,
    /// Whether to believe it cannot be found out at the moment.
    KeysUnavailable,
    /// It is a service token's, where a person is needed.
    ServiceToken,
    /// It is not the one that the link was made for.
    AnotherPerson,
    /// It does not belong to an operator.
    NotAnOperator,
    /// The Microsoft account has another address.
    AddressDiffers,
    /// The Microsoft account belongs to another identity already.
    AccountTaken,
    /// Another Microsoft account was connected before.
    AnotherAccount,
}

impl Refused {
    const fn told(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Missing => (
                403,
                "access_assertion_missing",
                "Cloudflare Access stands in front of this server, and this request did not come through it.",
            ),
            Self::NotBelieved => (
                403,
                "access_assertion_invalid",
                "The assertion of Cloudflare Access is not valid for this server. Sign in to Access again; if that does \
                 not help, the operators have to compare the team and the audience in their settings.",
            ),
            Self::KeysUnavailable => (
                503,
                "access_keys_unavailable",
                "The keys of Cloudflare Access could not be fetched. Try again in a few seconds.",
            ),
            Self::ServiceToken => (
                403,
                "service_token_has_no_mailbox",
                "A service token is no person and has no Microsoft account. Sign in to Access as a person.",
            ),
            Self::AnotherPerson => (
                403,
                "another_identity",
                "This link was made for another person than the one who is signed in here. Open it in a browser that is \
                 signed in as the person who asked for it. Nothing was stored.",
            ),
            Self::NotAnOperator => (
                403,
                "not_an_operator",
                "This is for operators: the service tokens and people whom the policy names.",
            ),
            Self::AddressDiffers => (
                403,
                "address_differs",
                "Your organisation knows you by another address than this Microsoft account has. Sign in with the \
                 account that has your own address. Nothing was stored.",
            ),
            Self::AccountTaken => (
                403,
                "account_taken",
                "This Microsoft account is in use by another identity of your organisation already. The operators of this \
                 server can see whose it is. Nothing was stored.",
            ),
            Self::AnotherAccount => (
                403,
                "another_account",
                "You connected another Microsoft account before. Sign in with that one. Nothing was stored.",
            ),
        }
    }

    /// The name of the refusal, for the log.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.told().1
    }

    /// What a program is told.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (status, code, description) = self.told();
        Reply::json(status, &json!({ "error": code, "error_description": description }))
    }

    /// What a person is told.
    #[must_use]
    pub fn page(self) -> Reply {
        let (status, _, description) = self.told();
        Reply::page(status, page_html("Not allowed", &format!("<p>{description}</p>")))
    }
}

/// The person behind an assertion.
///
/// # Errors
/// [`Refused::ServiceToken`].
pub fn person(identity: Identity) -> Result<Person, Refused> {
    match identity {
        Identity::Person(person) => Ok(person),
        Identity::ServiceToken(_) => Err(Refused::ServiceToken),
    }
}

/// What a person may do who came through Access: an assertion narrows nothing.
fn every_scope() -> impl Iterator<Item = &'static str> {
    scopes(Offer::default()).into_iter().chain([Tool::CallLinkedApp.scope()])
}

/// The caller that a person is where Access stands in front. An assertion names no client and no scope: the person may
/// all that the Microsoft account may.
#[must_use]
pub fn caller(application: &Application, person: &Person) -> Caller {
    let user = person.user_key(application);
    Caller {
        user,
        grant: GrantId::of_perimeter(&user),
        client: String::new(),
        scopes: every_scope().map(str::to_owned).collect(),
        access_identity: Some(person.subject.clone()),
    }
}

/// Checks that a link is used by the person who asked for it.
///
/// # Errors
/// [`Refused::AnotherPerson`].
pub fn check_ticket(ticket: &ConnectTicket, caller: &Caller) -> Result<(), Refused> {
    if ticket.user == caller.user { Ok(()) } else { Err(Refused::AnotherPerson) }
}

#[cfg(test)]
mod tests {
    use protocol::ids::UserKey;
    use protocol::time::UnixMs;

    use super::*;
    use crate::health::tests::config_with;

    const PERIMETER: [(&str, &str); 4] = [
        ("ACCESS_MODE", "perimeter"),
        ("ACCESS_TEAM_DOMAIN", "contoso.cloudflareaccess.com"),
        ("ACCESS_AUD", "a0b1"),
        ("POLICY", r#"{"serviceTokens":["0a.access"]}"#),
    ];

    fn alice() -> Person {
        Person { subject: "7f-1".into(), email: Some("alice@contoso.example".into()) }
    }

    #[test]
    fn a_person_is_a_caller_by_issuer_and_subject() {
        let config = config_with(&PERIMETER);
        let application = config.access_mode.application().unwrap();
        let one = caller(application, &alice());
        let renamed = Person { email: None, ..alice() };
        assert_eq!(caller(application, &renamed), one, "an address changes nothing");
        let other = Person { subject: "7f-2".into(), ..alice() };
        assert_ne!(caller(application, &other).user, one.user);
        assert_eq!(one.access_identity.as_deref(), Some("7f-1"));
        assert!(one.scopes.iter().map(String::as_str).eq(every_scope()));
        let ticket = |user: UserKey| ConnectTicket {
            user,
            grant: one.grant,
            client: "link".into(),
            scopes: vec![],
            login_hint: None,
            expires_at: UnixMs(1),
            permission: None,
        };
        assert_eq!(check_ticket(&ticket(one.user), &one), Ok(()));
        let refused = check_ticket(&ticket(UserKey::from_bytes([1; 16])), &one);
        assert_eq!(refused, Err(Refused::AnotherPerson));
    }

    #[test]
    fn a_service_token_has_no_mailbox() {
        assert_eq!(person(Identity::ServiceToken("0a.access".into())), Err(Refused::ServiceToken));
        assert_eq!(person(Identity::Person(alice())), Ok(alice()));
    }

    #[test]
    fn a_refusal_is_no_challenge_and_names_its_kind() {
        for refused in [Refused::Missing, Refused::NotBelieved, Refused::ServiceToken, Refused::AccountTaken]
        {
            for reply in [refused.reply(), refused.page()] {
                assert_eq!(reply.status, 403);
                assert!(!reply.headers.iter().any(|(name, _)| *name == "www-authenticate"));
            }
            assert!(refused.reply().body.contains(refused.code()));
        }
        assert_eq!(Refused::KeysUnavailable.reply().status, 503);
    }
}
