//! How Cloudflare Access takes part: one mode, and the settings that belong to it.
//!
//! What holds here: a mode has all that it needs and nothing that it does not use, because a setting without effect would
//! let an operator believe in a protection that does not exist.

use super::{Reader, is_base_url};
use crate::secret::Secret;

const MODE: &str = "ACCESS_MODE";
const TEAM: &str = "ACCESS_TEAM_DOMAIN";
const AUDIENCE: &str = "ACCESS_AUD";
const CLIENT_ID: &str = "ACCESS_CLIENT_ID";
const CLIENT_SECRET: &str = "ACCESS_CLIENT_SECRET";
const OPERATORS_AUDIENCE: &str = "OPS_AUD";

/// How Cloudflare Access takes part (see `docs/architecture.md`, "The edge").
#[derive(Debug)]
pub enum AccessMode {
    /// No Access: the server's own authorization and Microsoft sign-in alone.
    Open,
    /// Access stands in front of everything and is the authorization server for clients.
    Perimeter(Application),
    /// The server's own authorization. At least one of the two is there.
    OAuth {
        /// Access stands in front of `/authorize` and `/ops`.
        application: Option<Application>,
        /// People sign in through Access before they go to Microsoft.
        sign_in: Option<SignInApplication>,
    },
}

/// A self-hosted application of Access: whose assertions count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The team's URL, which is the issuer, without a slash at the end.
    pub team_url: String,
    /// The application's audience tag.
    pub audience: String,
}

/// An Access for SaaS application with OpenID Connect.
#[derive(Debug)]
pub struct SignInApplication {
    /// The team's URL, without a slash at the end.
    pub team_url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret<String>,
}

impl AccessMode {
    /// The application whose assertions count, where there is one.
    #[must_use]
    pub const fn application(&self) -> Option<&Application> {
        match self {
            Self::Open => None,
            Self::Perimeter(application) => Some(application),
            Self::OAuth { application, .. } => application.as_ref(),
        }
    }

    /// The application through which people sign in first, where there is one.
    #[must_use]
    pub const fn sign_in(&self) -> Option<&SignInApplication> {
        match self {
            Self::OAuth { sign_in, .. } => sign_in.as_ref(),
            Self::Open | Self::Perimeter(_) => None,
        }
    }

    /// The team's URL, where Access takes part.
    #[must_use]
    pub fn team_url(&self) -> Option<&str> {
        let of_application = self.application().map(|application| application.team_url.as_str());
        of_application.or_else(|| self.sign_in().map(|application| application.team_url.as_str()))
    }

    /// Whether Access stands in front of everything.
    #[must_use]
    pub const fn is_perimeter(&self) -> bool {
        matches!(self, Self::Perimeter(_))
    }

    /// The mode's name, as the setting has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Perimeter(_) => "perimeter",
            Self::OAuth { .. } => "oauth",
        }
    }
}

#[derive(Clone, Copy)]
enum Chosen {
    Open,
    Perimeter,
    OAuth,
}

/// Reads the mode and what belongs to it.
pub(super) fn read<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<AccessMode> {
    let modes = [("open", Chosen::Open), ("perimeter", Chosen::Perimeter), ("oauth", Chosen::OAuth)];
    match reader.one_of(MODE, &modes)? {
        Chosen::Open => {
            let foreign = [TEAM, AUDIENCE, CLIENT_ID, CLIENT_SECRET];
            refuse(reader, &foreign, "must not be set: ACCESS_MODE is open, in which Access plays no part")
                .then_some(AccessMode::Open)
        }
        Chosen::Perimeter => {
            let foreign = [CLIENT_ID, CLIENT_SECRET];
            let reason =
                "must not be set: ACCESS_MODE is perimeter, in which nobody signs in through Access for SaaS";
            let is_clean = refuse(reader, &foreign, reason);
            let team_url = read_team(reader);
            let audience = reader.identifier(AUDIENCE);
            let application = Application { team_url: team_url?, audience: audience? };
            is_clean.then_some(AccessMode::Perimeter(application))
        }
        Chosen::OAuth => read_oauth(reader),
    }
}

fn read_oauth<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<AccessMode> {
    let team_url = read_team(reader);
    let has = |reader: &Reader<L>, name| reader.optional(name).is_some();
    let (has_id, has_secret) = (has(reader, CLIENT_ID), has(reader, CLIENT_SECRET));
    let has_audience = has(reader, AUDIENCE);
    if !has_audience && !has_id && !has_secret {
        reader.refuse(
            MODE,
            "is oauth, which needs ACCESS_AUD or ACCESS_CLIENT_ID with ACCESS_CLIENT_SECRET; without Access it is open",
        );
        return None;
    }
    let audience = if has_audience { Some(reader.identifier(AUDIENCE)?) } else { None };
    let application = audience.map(|audience| Some(Application { team_url: team_url.clone()?, audience }));
    match (has_id, has_secret) {
        (true, false) => {
            reader.refuse(CLIENT_SECRET, "is missing: ACCESS_CLIENT_ID is of no use without it");
            return None;
        }
        (false, true) => {
            reader.refuse(CLIENT_ID, "is missing: ACCESS_CLIENT_SECRET is of no use without it");
            return None;
        }
        _ => {}
    }
    let sign_in = if has_id {
        let client_id = reader.identifier(CLIENT_ID)?;
        let client_secret = Secret::new(reader.required(CLIENT_SECRET)?);
        Some(SignInApplication { team_url: team_url.clone()?, client_id, client_secret })
    } else {
        None
    };
    team_url?;
    Some(AccessMode::OAuth { application: application.flatten(), sign_in })
}

/// The application of operators' own, in front of `/ops` alone: whoever Access lets through there is an operator.
pub(super) fn read_operators<L: Fn(&str) -> Option<String>>(
    reader: &mut Reader<L>,
    mode: Option<&AccessMode>,
) -> Option<Application> {
    reader.optional(OPERATORS_AUDIENCE)?;
    let audience = reader.identifier(OPERATORS_AUDIENCE)?;
    let mode = mode?;
    let Some(team_url) = mode.team_url() else {
        reader.refuse(
            OPERATORS_AUDIENCE,
            "must not be set: ACCESS_MODE is open, in which Access plays no part",
        );
        return None;
    };
    // One audience for both would make an operator of everybody.
    if mode.application().is_some_and(|application| application.audience == audience) {
        reader.refuse(OPERATORS_AUDIENCE, "must be the audience of another application than ACCESS_AUD");
        return None;
    }
    Some(Application { team_url: team_url.to_owned(), audience })
}

/// Refuses settings that the mode does not use; whether there was none.
fn refuse<L: Fn(&str) -> Option<String>>(
    reader: &mut Reader<L>,
    settings: &[&'static str],
    reason: &str,
) -> bool {
    let set: Vec<&'static str> =
        settings.iter().copied().filter(|name| reader.optional(name).is_some()).collect();
    for setting in &set {
        reader.refuse(setting, reason);
    }
    set.is_empty()
}

/// The team's domain becomes its URL, which is the issuer of its tokens. An emulator on this machine is named by its URL.
fn read_team<L: Fn(&str) -> Option<String>>(reader: &mut Reader<L>) -> Option<String> {
    let value = reader.required(TEAM)?;
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if value.strip_suffix(".cloudflareaccess.com").is_some_and(is_label) {
        return Some(format!("https://{value}"));
    }
    let url = value.trim_end_matches('/');
    if url.starts_with("http://") && is_base_url(url) {
        return Some(url.to_owned());
    }
    reader.refuse(
        TEAM,
        "must be the team's domain, such as example.cloudflareaccess.com, in lower case without a scheme",
    );
    None
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn config(access: &[(&str, &str)]) -> Result<Config, Vec<&'static str>> {
        let base = [
            ("PUBLIC_URL", "https://mcp.example.com"),
            ("GRAPH_API_VERSION", "v1.0"),
            ("MICROSOFT_CLIENT_ID", "x"),
            ("MICROSOFT_CLIENT_SECRET", "x"),
            ("MICROSOFT_TENANT_ID", "x"),
            ("EGRESS", "ai_run"),
            ("GATEWAY_ID", "x"),
        ];
        let key = "5e".repeat(32);
        let read = Config::from_settings(|name| {
            let pairs = base.iter().chain(access);
            let found =
                pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            found.or_else(|| {
                matches!(name, "ENCRYPTION_KEY" | "COOKIE_ENCRYPTION_KEY" | "COOKIE_SECRET")
                    .then(|| key.clone())
            })
        });
        read.map_err(|problems| problems.iter().map(|problem| problem.setting).collect())
    }

    const TEAM_SET: (&str, &str) = (TEAM, "contoso.cloudflareaccess.com");
    const AUD_SET: (&str, &str) = (AUDIENCE, "a0b1");
    const ID_SET: (&str, &str) = (CLIENT_ID, "client");
    const SECRET_SET: (&str, &str) = (CLIENT_SECRET, "hidden");

    #[test]
    fn each_mode_has_what_it_needs_and_nothing_else() {
        let with = |mode: &'static str, more: &[(&'static str, &'static str)]| {
            config(&[&[(MODE, mode)], more].concat())
        };
        let refused = |mode, more: &[(&'static str, &'static str)]| with(mode, more).unwrap_err();
        assert_eq!(with("open", &[]).unwrap().access_mode.name(), "open");
        assert_eq!(refused("open", &[TEAM_SET]), [TEAM]);
        let all = [TEAM_SET, AUD_SET, ID_SET, SECRET_SET];
        assert_eq!(refused("open", &all), [TEAM, AUDIENCE, CLIENT_ID, CLIENT_SECRET]);
        let perimeter = with("perimeter", &[TEAM_SET, AUD_SET]).unwrap().access_mode;
        let application = perimeter.application().unwrap();
        assert_eq!(application.team_url, "https://contoso.cloudflareaccess.com");
        assert!(perimeter.is_perimeter() && perimeter.sign_in().is_none());
        assert_eq!(refused("perimeter", &[]), [TEAM, AUDIENCE]);
        assert_eq!(refused("perimeter", &[TEAM_SET]), [AUDIENCE]);
        assert_eq!(refused("perimeter", &[AUD_SET]), [TEAM]);
        assert_eq!(refused("perimeter", &all), [CLIENT_ID, CLIENT_SECRET]);
        for more in [&all[..], &[TEAM_SET, AUD_SET], &[TEAM_SET, ID_SET, SECRET_SET]] {
            let mode = with("oauth", more).unwrap().access_mode;
            assert_eq!(mode.application().is_some(), more.contains(&AUD_SET));
            assert_eq!(mode.sign_in().is_some(), more.contains(&ID_SET));
        }
        assert_eq!(refused("oauth", &[TEAM_SET]), [MODE]);
        assert_eq!(refused("oauth", &[]), [TEAM, MODE]);
        assert_eq!(refused("oauth", &[AUD_SET]), [TEAM]);
        assert_eq!(refused("oauth", &[TEAM_SET, ID_SET]), [CLIENT_SECRET]);
        assert_eq!(refused("oauth", &[TEAM_SET, AUD_SET, SECRET_SET]), [CLIENT_ID]);
        assert_eq!(refused("Perimeter", &all), [MODE]);
        assert_eq!(config(&[]).unwrap_err(), [MODE]);
    }

    #[test]
    fn a_team_is_named_by_its_domain() {
        let with = |team| config(&[(MODE, "perimeter"), (TEAM, team), AUD_SET]);
        let url = |team| with(team).unwrap().access_mode.application().unwrap().team_url.clone();
        assert_eq!(url("http://127.0.0.1:9000/access/"), "http://127.0.0.1:9000/access");
        for bad in [
            "contoso",
            "https://contoso.cloudflareaccess.com",
            "contoso.cloudflareaccess.com/",
            ".cloudflareaccess.com",
            "a.b.cloudflareaccess.com",
            "Contoso.cloudflareaccess.com",
            "contoso.cloudflareaccess.com.evil.example",
            "evil.example#.cloudflareaccess.com",
            "http://evil.example",
            "https://127.0.0.1",
        ] {
            assert_eq!(with(bad).unwrap_err(), [TEAM], "{bad}");
        }
    }
}
