//! The frame of every page: the way around, who looks, and how the server stands to Access.
//!
//! What holds here: the title is the one heading of the first level; whoever uses a keyboard or a screen reader reaches
//! the content with one key; that nothing stands in front of the console is said on each page.

use protocol::config::AccessMode;
use protocol::time::UnixMs;

use super::html::{Html, Tone};
use super::links;
use super::style::STYLE;
use crate::operators::Guard;
use crate::reply::Reply;

/// Who looks at a page, when, and in which mode of access.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    /// The operator, as the audit trail names them; absent before they signed in.
    pub operator: Option<&'a str>,
    /// How the server stands to Cloudflare Access.
    pub access_mode: &'a AccessMode,
    /// What stands in front of the console.
    pub guard: Guard<'a>,
    /// The time.
    pub now: UnixMs,
}

impl Viewer<'_> {
    /// Whether operators sign in here, because no Access stands in front of the console.
    pub(super) const fn signs_in_here(&self) -> bool {
        matches!(self.guard, Guard::Credential)
    }
}

/// What a page is in the console.
pub(super) struct Frame<'a> {
    pub(super) status: u16,
    pub(super) title: &'a str,
    /// The address of the page in the navigation to which this one belongs.
    pub(super) within: &'static str,
    /// The pages above this one, below the one in the navigation: addresses and titles.
    pub(super) above: &'a [(String, String)],
}

const NAVIGATION: [(&str, &str); 4] = [
    (links::FLEET, "Fleet"),
    (links::PEOPLE, "People"),
    (links::TRAIL, "Audit trail"),
    (links::SELF_TEST, "Self-test"),
];

impl Frame<'_> {
    /// The page with its content.
    pub(super) fn around(&self, viewer: &Viewer<'_>, content: impl FnOnce(&mut Html)) -> Reply {
        let mut html = Html::default();
        self.begin(&mut html, viewer);
        content(&mut html);
        end(&mut html, viewer);
        // Browsers hold the redirects that follow a form against this list too: to Access, where its session is over.
        let mut targets = "'self'".to_owned();
        if let Guard::Own(application) | Guard::Shared(application) = viewer.guard {
            targets.push(' ');
            targets.push_str(&application.team_url);
        }
        Reply::form_page(self.status, html.into_text(), &targets)
    }

    fn begin(&self, html: &mut Html, viewer: &Viewer<'_>) {
        html.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">")
            .raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>")
            .plain(self.title)
            .raw(" \u{b7} Operators</title><style>")
            .raw(STYLE)
            .raw("</style></head><body><a class=\"skip\" href=\"#main\">Skip to the content</a><header><div>")
            .raw("<strong>Microsoft 365 MCP</strong>");
        if let Some(operator) = viewer.operator {
            self.navigation(html);
            html.raw("<div class=\"who\"><span>Signed in as ").text(operator).raw("</span>");
            if viewer.signs_in_here() {
                html.raw("<form method=\"post\" action=\"").raw(links::SIGN_OUT);
                html.raw("\"><button class=\"quiet\">Sign out</button></form>");
            }
            html.raw("</div>");
        }
        html.raw("</div></header><main id=\"main\" tabindex=\"-1\">");
        if viewer.signs_in_here() {
            html.banner(Tone::Warn).raw(
                "<strong>No Cloudflare Access stands in front of this console.</strong> Whoever has an operator's \
                 credential gets in from anywhere.</p>",
            );
        }
        if !self.above.is_empty() {
            html.raw("<nav class=\"crumbs\" aria-label=\"Above this page\">");
            for (path, title) in self.above {
                html.link(path, title).raw(" <span aria-hidden=\"true\">/</span> ");
            }
            html.raw("</nav>");
        }
        html.raw("<h1>").plain(self.title).raw("</h1>");
    }

    fn navigation(&self, html: &mut Html) {
        html.raw("<nav aria-label=\"Console\">");
        for (path, title) in NAVIGATION {
            html.raw("<a href=\"").raw(path).raw("\"");
            if path == self.within {
                // A page below is in this section, without being its first page (WAI-ARIA 1.2, aria-current).
                html.raw(if self.above.is_empty() {
                    " aria-current=\"page\""
                } else {
                    " aria-current=\"true\""
                });
            }
            html.raw(">").raw(title).raw("</a>");
        }
        html.raw("</nav>");
    }
}

fn end(html: &mut Html, viewer: &Viewer<'_>) {
    html.raw("</main><footer><div><span>Version ").raw(env!("CARGO_PKG_VERSION"));
    html.raw(", access mode ").raw(viewer.access_mode.name()).raw("</span><span>As of ");
    html.exact_time(viewer.now).raw("</span>");
    if viewer.operator.is_some() {
        html.link(links::METRICS, "Metrics").link(links::API, "The API");
    }
    html.raw("</div></footer></body></html>");
}
