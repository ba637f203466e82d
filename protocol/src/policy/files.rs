//! From where the bytes of files come, and with whom files are shared.

use std::collections::BTreeSet;

use crate::outbound::StorageUrl;

/// From where the bytes of files come, and with whom files are shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRules {
    /// Hosts of Microsoft's storage that may be asked outside of the gateway, in lower case; none without the setting.
    hosts: BTreeSet<String>,
    /// Whether a link may be good for whoever has it.
    pub anonymous_links: bool,
}

impl FileRules {
    pub(super) const fn new(hosts: BTreeSet<String>, anonymous_links: bool) -> Self {
        Self { hosts, anonymous_links }
    }

    /// Whether any host may be asked.
    #[must_use]
    pub fn allows_any(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// An address that Microsoft named for the bytes of a file, if its host is listed letter for letter. It must be
    /// encrypted, unless it leads to this very machine.
    #[must_use]
    pub fn storage(&self, url: &str) -> Option<StorageUrl> {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?.to_ascii_lowercase();
        let is_loopback = matches!(host.split(':').next(), Some("127.0.0.1" | "localhost"));
        let is_safe = scheme == "https" || (scheme == "http" && is_loopback);
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
        (is_safe && is_plain && self.hosts.contains(&host)).then(|| StorageUrl::new(url.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;

    #[test]
    fn bytes_come_from_listed_hosts_alone() {
        let rules =
            Policy::parse(r#"{"fileHosts":["Contoso-my.SharePoint.com","127.0.0.1:99"]}"#).unwrap().files;
        for good in ["https://contoso-my.sharepoint.com/x?tempauth=a", "http://127.0.0.1:99/storage"] {
            assert_eq!(rules.storage(good).unwrap().expose(), good);
        }
        for bad in [
            "http://contoso-my.sharepoint.com/x",
            "https://contoso-my.sharepoint.com.evil.example/x",
            "https://contoso-my.sharepoint.com@evil.example/x",
            "https://evil.example/contoso-my.sharepoint.com",
            "https://evil.example\\contoso-my.sharepoint.com/",
            "https://contoso-my.sharepoint.com:8443/",
            "https://contoso-my.sharepoint.com/a b",
            "ftp://127.0.0.1:99/",
            "//contoso-my.sharepoint.com/x",
            "",
        ] {
            assert!(rules.storage(bad).is_none(), "{bad}");
        }
        assert!(Policy::default().files.storage("https://contoso-my.sharepoint.com/x").is_none());
        assert!(!rules.anonymous_links);
    }
}
