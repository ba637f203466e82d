//! Routes: which handler serves a method and a path.
//!
//! What holds here: an unknown path is a clean 404 and a wrong verb a 405 that names the right ones, because MCP portals
//! and clients probe with both and fall back on nothing else.

use protocol::access::sign_in::CALLBACK_PATH;
use protocol::config::AccessMode;
use protocol::notification::PATH_PREFIX;

/// Where the operators' pages and their API begin.
pub const OPERATORS_PATH: &str = "/ops";

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// An MCP message.
    McpPost,
    /// The end of an MCP session.
    McpDelete,
    /// The opening or resumption of an MCP stream.
    McpGet,
    /// Another verb at the MCP endpoint. Who asks is established first: clients probe with any verb to learn how to
    /// sign in.
    McpOther,
    /// The health of this deployment.
    Health,
    /// The page that tells a person what this is.
    Landing,
    /// The link that connects a Microsoft account.
    Connect,
    /// The way back from Microsoft.
    Callback,
    /// The protected resource's document.
    ResourceMetadata,
    /// The authorization server's document.
    ServerMetadata,
    /// Registration of a client.
    Register,
    /// A client's request for authorization.
    Authorize,
    /// The person's decision about it.
    Decide,
    /// Codes and refresh tokens become tokens.
    Token,
    /// A client gives a token back.
    Revoke,
    /// Microsoft tells of a change.
    Notification,
    /// The way back from the sign-in through Access.
    AccessCallback,
    /// The operators' pages and their API.
    Operators,
    /// A browser asks whether a page of another origin may call.
    Preflight,
    /// No such page.
    NotFound,
    /// The page exists, but not for this verb.
    WrongMethod {
        /// The verbs that it has, as the `Allow` header lists them.
        allow: &'static str,
    },
}

impl Route {
    /// Whether pages of other origins may call: documents and endpoints that look at no cookie.
    #[must_use]
    pub const fn is_open_to_any_origin(self) -> bool {
        matches!(
            self,
            Self::ResourceMetadata
                | Self::ServerMetadata
                | Self::Register
                | Self::Token
                | Self::Revoke
                | Self::Preflight
        )
    }
}

/// The paths of this server's own authorization server.
const AUTHORIZATION: [&str; 8] = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/register",
    "/authorize",
    "/token",
    "/revoke",
];

/// The route of a request in a mode: what a mode does not have does not exist there.
#[must_use]
pub fn route_in(mode: &AccessMode, method: &str, path: &str) -> Route {
    let exists = match path {
        CALLBACK_PATH => mode.sign_in().is_some(),
        _ => !(mode.is_perimeter() && AUTHORIZATION.contains(&path)),
    };
    if exists { route(method, path) } else { Route::NotFound }
}

/// The route of a request. `HEAD` is served like `GET`; the platform drops the body.
#[must_use]
pub fn route(method: &str, path: &str) -> Route {
    let reads = matches!(method, "GET" | "HEAD");
    let page = |route: Route| if reads { route } else { Route::WrongMethod { allow: "GET, HEAD" } };
    let open_page = |route: Route| match method {
        "GET" | "HEAD" => route,
        "OPTIONS" => Route::Preflight,
        _ => Route::WrongMethod { allow: "GET, HEAD, OPTIONS" },
    };
    let open_form = |route: Route| match method {
        "POST" => route,
        "OPTIONS" => Route::Preflight,
        _ => Route::WrongMethod { allow: "POST, OPTIONS" },
    };
    match path {
        "/mcp" => match method {
            "POST" => Route::McpPost,
            "DELETE" => Route::McpDelete,
            "GET" => Route::McpGet,
            _ => Route::McpOther,
        },
        "/.well-known/oauth-protected-resource" | "/.well-known/oauth-protected-resource/mcp" => {
            open_page(Route::ResourceMetadata)
        }
        "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
            open_page(Route::ServerMetadata)
        }
        "/register" => open_form(Route::Register),
        "/token" => open_form(Route::Token),
        "/revoke" => open_form(Route::Revoke),
        "/authorize" => match method {
            "GET" | "HEAD" => Route::Authorize,
            "POST" => Route::Decide,
            _ => Route::WrongMethod { allow: "GET, HEAD, POST" },
        },
        "/healthz" => page(Route::Health),
        "/" => page(Route::Landing),
        "/connect" => page(Route::Connect),
        "/callback" => page(Route::Callback),
        CALLBACK_PATH => page(Route::AccessCallback),
        // Who asks is established before a verb or a path is looked at.
        _ if is_of_operators(path) => Route::Operators,
        _ if is_notification_address(path) => match method {
            "POST" => Route::Notification,
            _ => Route::WrongMethod { allow: "POST" },
        },
        _ => Route::NotFound,
    }
}

fn is_of_operators(path: &str) -> bool {
    path.strip_prefix(OPERATORS_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a path is one segment below that of notifications. Whose it is, if anybody's, is found out later.
fn is_notification_address(path: &str) -> bool {
    path.strip_prefix(PATH_PREFIX).is_some_and(|address| !address.is_empty() && !address.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_its_own_paths() {
        let with = |settings: &[(&str, &str)]| crate::health::tests::config_with(settings).access_mode;
        let (team, aud) = (("ACCESS_TEAM_DOMAIN", "x.cloudflareaccess.com"), ("ACCESS_AUD", "a"));
        let (id, secret) = (("ACCESS_CLIENT_ID", "c"), ("ACCESS_CLIENT_SECRET", "s"));
        let modes = [
            with(&[("ACCESS_MODE", "open")]),
            with(&[("ACCESS_MODE", "perimeter"), team, aud]),
            with(&[("ACCESS_MODE", "oauth"), team, aud]),
            with(&[("ACCESS_MODE", "oauth"), team, id, secret]),
        ];
        let exists = |path: &str| {
            let found = modes.each_ref().map(|mode| route_in(mode, "GET", path) != Route::NotFound);
            let other = modes.each_ref().map(|mode| route_in(mode, "PUT", path) != Route::NotFound);
            assert_eq!(found, other, "{path}");
            found
        };
        for path in AUTHORIZATION {
            assert_eq!(exists(path), [true, false, true, true], "{path}");
        }
        assert_eq!(exists("/callback/access"), [false, false, false, true]);
        for path in ["/mcp", "/ops", "/ops/users", "/connect", "/callback", "/healthz", "/"] {
            assert_eq!(exists(path), [true; 4], "{path}");
        }
    }

    #[test]
    fn paths_are_exact_and_wrong_verbs_name_the_right_ones() {
        assert_eq!(route("POST", "/mcp"), Route::McpPost);
        assert_eq!(route("DELETE", "/mcp"), Route::McpDelete);
        assert_eq!(route("GET", "/mcp"), Route::McpGet);
        assert_eq!(route("HEAD", "/mcp"), Route::McpOther);
        assert_eq!(route("HEAD", "/healthz"), Route::Health);
        assert_eq!(route("POST", "/healthz"), Route::WrongMethod { allow: "GET, HEAD" });
        assert_eq!(route("POST", "/notifications/x"), Route::Notification);
        assert_eq!(route("GET", "/notifications/x"), Route::WrongMethod { allow: "POST" });
        for path in ["/notifications", "/notifications/", "/notifications/x/y"] {
            assert_eq!(route("POST", path), Route::NotFound, "{path}");
        }
        for path in ["/mcp/", "/MCP", "//mcp", "/sse", "/.env", "", "/mcp/../healthz"] {
            assert_eq!(route("GET", path), Route::NotFound, "{path}");
        }
    }
}
