//! What operators did, the newest first.
//!
//! What holds here: what was searched for is in no line and so on no page.

use protocol::ids::{RequestId, UserKey};
use protocol::operator::directory::AuditPage;

use super::frame::{Frame, Viewer};
use super::html::{Html, short};
use super::links;
use crate::reply::Reply;

/// The page `/ops/audit`. `before` is where the page before ended, `user` the one person it is about.
#[must_use]
pub fn trail(
    viewer: &Viewer<'_>,
    page: &AuditPage,
    before: Option<RequestId>,
    user: Option<UserKey>,
) -> Reply {
    let frame = Frame { status: 200, title: "Audit trail", within: links::TRAIL, above: &[] };
    frame.around(viewer, |html| {
        html.raw("<p>Every look, search, export and action of operators. Nothing here can be removed.</p>");
        html.raw("<form class=\"line\" method=\"get\" action=\"").raw(links::TRAIL);
        html.raw("\"><div class=\"field wide\"><label for=\"user\">About one person: the whole user key</label>\
                  <input id=\"user\" name=\"user\" type=\"text\" pattern=\"[0-9a-f]{32}\" autocomplete=\"off\" value=\"");
        html.plain(&user.map(|user| user.to_string()).unwrap_or_default()).raw("\"></div><button>Filter</button>");
        if let Some(user) = user {
            html.link(links::TRAIL, "Show everything");
            html.link(&links::person(&user), &format!("Person {}", short(&user)));
        }
        html.raw("</form>");
        if page.lines.is_empty() {
            html.raw(if page.next.is_some() { "<p>Nothing on this page.</p>" } else { "<p>There is nothing further.</p>" });
        } else {
            lines(html, viewer, page);
        }
        let first = before.map(|_| links::trail(None, user));
        let next = page.next.map(|next| links::trail(Some(next), user));
        html.pager(first.as_deref(), next.as_deref());
    })
}

fn lines(html: &mut Html, viewer: &Viewer<'_>, page: &AuditPage) {
    html.table("Audit trail", &["When", "Operator", "What", "Person", "Detail", "Outcome", "Line"]);
    for line in &page.lines {
        html.row().cell().time(line.at_ms, viewer.now).cell().text(&line.operator).cell().code(&line.what);
        html.cell();
        match &line.user {
            Some(user) => html.person(user),
            None => html.none("nobody"),
        };
        html.cell();
        match &line.detail {
            Some(detail) => html.code(detail),
            None => html.none("none"),
        };
        html.cell().code(&line.outcome).cell().code(&line.id.to_string());
    }
    html.end_table();
}
