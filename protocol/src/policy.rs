//! The operators' policy: which messages a person has to confirm before they leave, and what an Access identity may.
//!
//! What holds here: a policy is complete or refused as a whole, and a refusal never repeats a value. A domain counts as
//! internal only where it is listed letter for letter, without regard to case: a subdomain is another domain.

use std::collections::BTreeSet;

use serde::Deserialize;

/// What the setting `POLICY` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which messages a person has to confirm.
    pub confirm: Confirm,
    /// What becomes of such a message where the client cannot ask its person.
    pub without_elicitation: WithoutElicitation,
    /// Which Microsoft accounts an Access identity may connect.
    pub access_identity: AccessIdentity,
    /// The service tokens that may use the operators' API, by their client ids.
    pub service_tokens: BTreeSet<String>,
}

/// Which Microsoft accounts an Access identity may connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessIdentity {
    /// One that has the address under which Access knows the person.
    #[default]
    MustMatch,
    /// Any of the tenant.
    Any,
}

/// Which messages a person has to confirm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Confirm {
    /// None.
    #[default]
    Never,
    /// Mails with a recipient outside of these domains, which are in lower case.
    External(BTreeSet<String>),
    /// All of them.
    Always,
}

/// What becomes of a message that has to be confirmed where nobody can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WithoutElicitation {
    /// It is not sent.
    #[default]
    Refuse,
    /// It is sent unconfirmed.
    Send,
}

impl Policy {
    /// Reads the setting.
    ///
    /// # Errors
    /// What it must look like, without anything of what it is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        enum Which {
            Never,
            External,
            Always,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        struct Setting {
            confirm: Option<Which>,
            internal_domains: Option<Vec<String>>,
            without_elicitation: Option<WithoutElicitation>,
            access_identity: Option<AccessIdentity>,
            service_tokens: Option<Vec<String>>,
        }
        let setting: Setting = serde_json::from_str(text).map_err(|_| {
            "must be a JSON object with the members `confirm` (never, external or always), `internalDomains` (a list), \
             `withoutElicitation` (refuse or send), `accessIdentity` (must_match or any) and `serviceTokens` (a list), \
             each of them optional"
        })?;
        let domains: BTreeSet<String> = setting
            .internal_domains
            .into_iter()
            .flatten()
            .map(|domain| domain.to_ascii_lowercase())
            .collect();
        if !domains.iter().all(|domain| is_domain(domain)) {
            return Err("has a member of `internalDomains` that is no domain such as example.com");
        }
        let confirm = match setting.confirm {
            Some(Which::External) if domains.is_empty() => {
                return Err("lacks `internalDomains`, without which nothing is external");
            }
            Some(Which::External) => Confirm::External(domains),
            Some(Which::Always) => Confirm::Always,
            Some(Which::Never) | None => Confirm::Never,
        };
        let service_tokens: BTreeSet<String> = setting.service_tokens.into_iter().flatten().collect();
        // An entry that no token can have would let nobody in and be noticed by nobody.
        if !service_tokens.iter().all(|id| id.len() > ".access".len() && id.ends_with(".access")) {
            return Err(
                "has a member of `serviceTokens` that is no client id of a service token, such as 0a1b.access",
            );
        }
        Ok(Self {
            confirm,
            without_elicitation: setting.without_elicitation.unwrap_or_default(),
            access_identity: setting.access_identity.unwrap_or_default(),
            service_tokens,
        })
    }

    /// Whether an Access identity with this address may connect a Microsoft account that has these.
    #[must_use]
    pub fn may_connect(&self, email: Option<&str>, addresses: &[String]) -> bool {
        let is_equal = |address: &String| email.is_some_and(|email| is_same_address(email, address));
        self.access_identity == AccessIdentity::Any || addresses.iter().any(is_equal)
    }

    /// Whether a mail to these addresses has to be confirmed.
    #[must_use]
    pub fn demands_for_mail<'a>(&self, mut addresses: impl Iterator<Item = &'a str>) -> bool {
        match &self.confirm {
            Confirm::Never => false,
            Confirm::Always => true,
            Confirm::External(domains) => addresses.any(|address| {
                let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
                domain.is_none_or(|domain| !domains.contains(&domain))
            }),
        }
    }

    /// Whether a message to Teams has to be confirmed. Who reads a conversation is not known here, so that it counts as
    /// internal.
    #[must_use]
    pub const fn demands_for_teams(&self) -> bool {
        matches!(self.confirm, Confirm::Always)
    }
}

/// Whether two addresses are the same but for case. An empty one is nobody's.
fn is_same_address(one: &str, other: &str) -> bool {
    !one.is_empty() && one.to_lowercase() == other.to_lowercase()
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_whole_or_not_at_all() {
        assert_eq!(Policy::parse("{}"), Ok(Policy::default()));
        let read = Policy::parse(r#"{"confirm":"external","internalDomains":["Contoso.Example"]}"#).unwrap();
        assert_eq!(read.confirm, Confirm::External(["contoso.example".to_owned()].into()));
        assert_eq!(read.without_elicitation, WithoutElicitation::Refuse);
        let read = Policy::parse(r#"{"confirm":"always","withoutElicitation":"send"}"#).unwrap();
        assert_eq!((read.confirm, read.without_elicitation), (Confirm::Always, WithoutElicitation::Send));
        for bad in [
            "",
            "[]",
            "always",
            r#"{"confirm":"sometimes"}"#,
            r#"{"confirm":"always","extra":1}"#,
            r#"{"confirm":"external"}"#,
            r#"{"confirm":"external","internalDomains":[]}"#,
            r#"{"confirm":"external","internalDomains":["contoso"]}"#,
            r#"{"confirm":"external","internalDomains":["a@contoso.example"]}"#,
            r#"{"confirm":"external","internalDomains":"contoso.example"}"#,
            r#"{"confirm":"always","withoutElicitation":"ask"}"#,
        ] {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_access_identity_connects_the_account_of_its_own_address() {
        let strict = Policy::default();
        let own = ["Alice@Contoso.example".to_owned(), "alice@corp.example".to_owned()];
        for email in ["alice@contoso.example", "ALICE@CORP.EXAMPLE"] {
            assert!(strict.may_connect(Some(email), &own), "{email}");
        }
        for email in [None, Some(""), Some("bob@contoso.example"), Some("alice@contoso.example.evil.example")]
        {
            assert!(!strict.may_connect(email, &own), "{email:?}");
        }
        assert!(!strict.may_connect(Some(""), &[String::new()]) && !strict.may_connect(None, &[]));
        let any = Policy::parse(r#"{"accessIdentity":"any"}"#).unwrap();
        assert!(any.may_connect(None, &[]) && any.may_connect(Some("bob@contoso.example"), &own));
    }

    #[test]
    fn service_tokens_are_named_by_client_ids() {
        let policy = Policy::parse(r#"{"serviceTokens":["0a1b.access"]}"#).unwrap();
        assert!(policy.service_tokens.contains("0a1b.access"));
        for bad in
            [r#"{"serviceTokens":[""]}"#, r#"{"serviceTokens":[".access"]}"#, r#"{"serviceTokens":["0a1b"]}"#]
        {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
        assert!(Policy::parse(r#"{"accessIdentity":"never"}"#).is_err());
    }

    #[test]
    fn a_domain_is_internal_by_its_whole_name_only() {
        let policy =
            Policy::parse(r#"{"confirm":"external","internalDomains":["contoso.example"]}"#).unwrap();
        let demands = |addresses: &[&str]| policy.demands_for_mail(addresses.iter().copied());
        assert!(!demands(&["bob@contoso.example", "Eve@CONTOSO.Example"]));
        for outside in
            ["x@fabrikam.example", "x@mail.contoso.example", "x@notcontoso.example", "contoso.example"]
        {
            assert!(demands(&["bob@contoso.example", outside]), "{outside}");
        }
        assert!(!policy.demands_for_teams());
    }
}
