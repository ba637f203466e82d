//! Routes: which handler serves a method and a path.
//!
//! What holds here: an unknown path is a clean 404 and a wrong verb a 405 that names the right ones, because MCP portals
//! and clients probe with both and fall back on nothing else.

use protocol::notification::PATH_PREFIX;

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
        _ if is_notification_address(path) => match method {
            "POST" => Route::Notification,
            _ => Route::WrongMethod { allow: "POST" },
        },
        _ => Route::NotFound,
    }
}

/// Whether a path is one segment below that of notifications. Whose it is, if anybody's, is found out later.
fn is_notification_address(path: &str) -> bool {
    path.strip_prefix(PATH_PREFIX).is_some_and(|address| !address.is_empty() && !address.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

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
