//! The operators' policy: which messages a person has to confirm before they leave, what does not leave at all, and what
//! an Access identity may.
//!
//! What holds here: a policy is complete or refused as a whole, and a refusal never repeats a value. A domain counts as
//! internal only where it is listed letter for letter, without regard to case: a subdomain is another domain.

mod files;
mod folders;
mod sites;

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::tools::{Fault, ToolError};
pub use files::FileRules;
pub use folders::FolderRules;
pub use sites::SiteRules;

/// What the setting `POLICY` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which messages a person has to confirm.
    pub confirm: Confirm,
    /// What becomes of such a message where the client cannot ask its person.
    pub without_elicitation: WithoutElicitation,
    /// To whom messages and invitations may go, and with what.
    pub mail: MailRules,
    /// How many messages one person may send in an hour.
    pub sends_per_hour: Option<u32>,
    /// Folders of mail that are out of reach.
    pub folders: FolderRules,
    /// What becomes of files.
    pub files: FileRules,
    /// Sites and libraries that are out of reach.
    pub sites: SiteRules,
    /// What becomes of messages to channels where lists say to whom messages may go.
    pub channel_messages: ChannelMessages,
    /// Which Microsoft accounts an Access identity may connect.
    pub access_identity: AccessIdentity,
    /// The service tokens that may use the operators' API, by their client ids.
    pub service_tokens: BTreeSet<String>,
    /// The people who may use it, by the addresses that Access vouches for, in lower case.
    pub operators: BTreeSet<String>,
}

/// To whom messages and invitations may go, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailRules {
    /// Addresses and domains that may be written to; all, where there is no such list.
    allow: Option<BTreeSet<String>>,
    /// Addresses and domains that may not be written to.
    deny: BTreeSet<String>,
    /// The domains outside of which nothing goes; anywhere, where there is no such list.
    only_internal: Option<BTreeSet<String>>,
    /// Endings of names of files that may not be attached, in lower case and without the dot.
    attachment_types_off: BTreeSet<String>,
    /// The most bytes of all attachments of one mail.
    attachment_bytes_max: Option<u64>,
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

/// Which messages, as the setting says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Which {
    Never,
    External,
    Always,
}

/// The setting as it is written.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Setting {
    confirm: Option<Which>,
    internal_domains: Vec<String>,
    without_elicitation: WithoutElicitation,
    allow_recipients: Option<Vec<String>>,
    deny_recipients: Vec<String>,
    sends_per_hour: Option<u32>,
    deny_attachment_types: Vec<String>,
    attachment_bytes_max: Option<u64>,
    deny_folders: Vec<String>,
    file_hosts: Vec<String>,
    anonymous_links: bool,
    deny_sites: BTreeSet<String>,
    channel_messages: ChannelMessages,
    access_identity: AccessIdentity,
    service_tokens: BTreeSet<String>,
    operators: Vec<String>,
}

/// What becomes of a message to a channel where lists say to whom messages may go: who reads a channel cannot be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChannelMessages {
    /// It is not sent.
    #[default]
    Refuse,
    /// It is sent.
    Send,
}

/// An entry that nobody can have would let nobody in and be noticed by nobody.
fn check_operators(service_tokens: &BTreeSet<String>, people: &BTreeSet<String>) -> Result<(), &'static str> {
    if !service_tokens.iter().all(|id| id.len() > ".access".len() && id.ends_with(".access")) {
        return Err(
            "has a member of `serviceTokens` that is no client id of a service token, such as 0a1b.access",
        );
    }
    let is_address =
        |name: &String| name.split_once('@').is_some_and(|(who, at)| !who.is_empty() && is_domain(at));
    if people.iter().all(is_address) { Ok(()) } else { Err("has a member of `operators` that is no address") }
}

impl Policy {
    /// Reads the setting.
    ///
    /// # Errors
    /// What it must look like, without anything of what it is.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let members: Option<Map<String, Value>> = serde_json::from_str(text).ok();
        let setting = members.and_then(|members| Setting::deserialize(Value::Object(members)).ok());
        let setting = setting.ok_or({
            "must be a JSON object with the members `confirm` (never, external or always), `internalDomains` (a list), \
             `withoutElicitation` (refuse or send), `allowRecipients`, `denyRecipients`, `denyAttachmentTypes`, \
             `denyFolders`, `denySites`, `fileHosts` (lists), `channelMessages` (refuse or send), `sendsPerHour`, \
             `attachmentBytesMax` (numbers), `anonymousLinks` (true or false), `accessIdentity` (must_match or any), \
             `serviceTokens` and `operators` (lists), each of them optional"
        })?;
        let lower = |list: Vec<String>| -> BTreeSet<String> {
            list.into_iter().map(|item| item.to_ascii_lowercase()).collect()
        };
        let domains = lower(setting.internal_domains);
        if !domains.iter().all(|domain| is_domain(domain)) {
            return Err("has a member of `internalDomains` that is no domain such as example.com");
        }
        let confirm = match setting.confirm {
            Some(Which::External) if domains.is_empty() => {
                return Err("lacks `internalDomains`, without which nothing is external");
            }
            Some(Which::External) => Confirm::External(domains.clone()),
            Some(Which::Always) => Confirm::Always,
            Some(Which::Never) | None => Confirm::Never,
        };
        let allow = setting.allow_recipients.map(lower);
        let mut deny = lower(setting.deny_recipients);
        let no_external = deny.remove("external");
        if no_external && domains.is_empty() {
            return Err("lacks `internalDomains`, without which nothing is external");
        }
        let is_named = |name: &String| is_domain(name.rsplit_once('@').map_or(name, |(_, domain)| domain));
        if !allow.iter().flatten().chain(&deny).all(is_named) {
            return Err(
                "has a member of `allowRecipients` or `denyRecipients` that is no address and no domain",
            );
        }
        let mail = MailRules {
            allow,
            deny,
            only_internal: no_external.then_some(domains),
            attachment_types_off: lower(setting.deny_attachment_types),
            attachment_bytes_max: setting.attachment_bytes_max,
        };
        let folders = FolderRules::read(setting.deny_folders).ok_or(
            "has a member of `denyFolders` that is neither a well-known name nor an identifier of a folder",
        )?;
        let operators = lower(setting.operators);
        check_operators(&setting.service_tokens, &operators)?;
        Ok(Self {
            confirm,
            without_elicitation: setting.without_elicitation,
            mail,
            sends_per_hour: setting.sends_per_hour,
            folders,
            files: FileRules::new(lower(setting.file_hosts), setting.anonymous_links),
            sites: SiteRules { off: setting.deny_sites },
            channel_messages: setting.channel_messages,
            access_identity: setting.access_identity,
            service_tokens: setting.service_tokens,
            operators,
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

    /// Whether a link to a file has to be confirmed; `is_anonymous` says that it is good for whoever has it.
    #[must_use]
    pub const fn demands_for_link(&self, is_anonymous: bool) -> bool {
        match self.confirm {
            Confirm::Never => false,
            Confirm::External(_) => is_anonymous,
            Confirm::Always => true,
        }
    }

    /// Refuses a message to a channel where operators limit to whom messages go.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says so.
    pub fn check_channel(&self) -> Result<(), ToolError> {
        if self.mail.limits_recipients() && self.channel_messages == ChannelMessages::Refuse {
            let what = "Messages may go to certain recipients alone, and who reads a channel cannot be seen";
            return Err(refused("recipient_not_allowed", what));
        }
        Ok(())
    }

    /// Whether a message to Teams has to be confirmed. Who reads a conversation is not known here, so that it counts as
    /// internal.
    #[must_use]
    pub const fn demands_for_teams(&self) -> bool {
        matches!(self.confirm, Confirm::Always)
    }
}

impl MailRules {
    /// Whether it matters to whom mail goes.
    #[must_use]
    pub fn limits_recipients(&self) -> bool {
        self.allow.is_some() || !self.deny.is_empty() || self.only_internal.is_some()
    }

    /// Whether it matters what is attached.
    #[must_use]
    pub fn limits_attachments(&self) -> bool {
        !self.attachment_types_off.is_empty() || self.attachment_bytes_max.is_some()
    }

    /// Refuses recipients to whom operators let no mail go.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says so without repeating an address.
    pub fn check_recipients<'a>(
        &self,
        mut addresses: impl Iterator<Item = &'a str>,
    ) -> Result<(), ToolError> {
        let is_refused = |address: &str| {
            if address.is_empty() {
                return self.limits_recipients();
            }
            let address = address.to_ascii_lowercase();
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            let is_in = |list: &BTreeSet<String>| list.contains(&address) || list.contains(domain);
            is_in(&self.deny)
                || self.allow.as_ref().is_some_and(|allow| !is_in(allow))
                || self.only_internal.as_ref().is_some_and(|internal| !internal.contains(domain))
        };
        if addresses.any(is_refused) {
            return Err(refused("recipient_not_allowed", "Nothing may be sent to one of these recipients"));
        }
        Ok(())
    }

    /// Refuses attachments, by their names and sizes in bytes, that operators do not let out.
    ///
    /// # Errors
    /// A [`ToolError`] of the account that says so.
    pub fn check_attachments<'a>(
        &self,
        attachments: impl Iterator<Item = (&'a str, u64)>,
    ) -> Result<(), ToolError> {
        let mut bytes = 0_u64;
        for (name, size) in attachments {
            let name = name.to_ascii_lowercase();
            // Windows ignores dots and spaces at the end of a name.
            let ending = name.trim_end_matches(['.', ' ']).rsplit_once('.').map_or("", |(_, ending)| ending);
            if self.attachment_types_off.contains(ending) {
                return Err(refused("attachment_not_allowed", "Files of this type must not be attached"));
            }
            bytes = bytes.saturating_add(size);
        }
        if self.attachment_bytes_max.is_some_and(|most| bytes > most) {
            return Err(refused("attachment_not_allowed", "The attachments are too large"));
        }
        Ok(())
    }
}

fn refused(code: &'static str, what: &str) -> ToolError {
    let message = format!("{what}: the operators of this server do not allow it. Nothing was sent.");
    ToolError::new(Fault::Account, code, message)
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
            r#"{"denyFolders":["archives"]}"#,
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

    #[test]
    fn recipients_are_allowed_and_denied_by_address_and_by_domain() {
        let rules = |text: &str| Policy::parse(text).unwrap().mail;
        let allows = |rules: &MailRules, address: &str| rules.check_recipients([address].into_iter()).is_ok();
        let free = rules("{}");
        assert!(!free.limits_recipients() && allows(&free, "x@y.example"));
        let denied = rules(r#"{"denyRecipients":["Rival.Example","boss@contoso.example"]}"#);
        assert!(denied.limits_recipients() && allows(&denied, "bob@contoso.example"));
        assert!(!allows(&denied, "x@rival.example") && !allows(&denied, "BOSS@contoso.example"));
        let listed =
            rules(r#"{"allowRecipients":["contoso.example"],"denyRecipients":["boss@contoso.example"]}"#);
        assert!(allows(&listed, "bob@contoso.example") && !allows(&listed, "boss@contoso.example"));
        assert!(!allows(&listed, "x@mail.contoso.example") && !allows(&listed, ""));
        let inside = rules(r#"{"internalDomains":["contoso.example"],"denyRecipients":["external"]}"#);
        assert!(allows(&inside, "bob@contoso.example") && !allows(&inside, "x@y.example"));
        for bad in [
            r#"{"denyRecipients":["external"]}"#,
            r#"{"allowRecipients":["contoso"]}"#,
            r#"{"sendsPerHour":-1}"#,
        ] {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn attachments_and_folders_are_held_against_the_policy() {
        let text = r#"{"denyAttachmentTypes":["EXE"],"attachmentBytesMax":6,"denyFolders":["Archive"]}"#;
        let policy = Policy::parse(text).unwrap();
        let check = |name: &str, size: u64| {
            policy.mail.check_attachments([(name, size)].into_iter()).map_err(|error| error.code)
        };
        assert_eq!(check("a.txt", 6), Ok(()));
        for (name, size) in [("a.exe", 0), ("a.ExE. ", 0), ("a.txt", 7)] {
            assert_eq!(check(name, size), Err("attachment_not_allowed"), "{name}");
        }
        let two = [("a.txt", 4), ("b.txt", 4)];
        assert!(policy.mail.check_attachments(two.into_iter()).is_err(), "together");
        assert!(policy.folders.check("archive").is_err() && policy.folders.check("inbox").is_ok());
    }
}
