//! The operators' policy: which messages a person has to confirm before they leave.
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
        }
        let setting: Setting = serde_json::from_str(text).map_err(|_| {
            "must be a JSON object with the members `confirm` (never, external or always), `internalDomains` (a list) \
             and `withoutElicitation` (refuse or send), each of them optional"
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
        Ok(Self { confirm, without_elicitation: setting.without_elicitation.unwrap_or_default() })
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
