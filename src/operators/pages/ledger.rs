//! A person's ledger: requests, the newest first, under a filter.
//!
//! What holds here: the filter is in the page's address, holds names of this program and times, and stays with each page.

use protocol::ids::UserKey;
use protocol::operator::RequestQuery;
use protocol::operator::view::{RequestPage, RequestView};
use protocol::time::UnixMs;

use super::frame::{Frame, Viewer};
use super::html::{Html, duration, short};
use super::{links, words};
use crate::reply::Reply;

/// The states of a request, by their names in logs.
const STATES: [&str; 8] =
    ["queued", "asking", "in_flight", "reconciling", "done", "failed", "unknown", "cancelled"];

/// The page `/ops/users/{key}/requests`. `query` is what was asked for, as it came from the form: `from` and `to` are local
/// times of HTML without a zone and mean UTC.
#[must_use]
pub fn ledger(viewer: &Viewer<'_>, user: &UserKey, query: &RequestQuery, page: &RequestPage) -> Reply {
    let above = [
        (links::PEOPLE.to_owned(), "People".to_owned()),
        (links::person(user), format!("Person {}", short(user))),
    ];
    let title = format!("Requests of {}", short(user));
    let frame = Frame { status: 200, title: &title, within: links::PEOPLE, above: &above };
    frame.around(viewer, |html| {
        filter(html, user, query);
        let is_filtered = *query
            != RequestQuery { before: query.before, limit: query.limit, ..RequestQuery::default() };
        if !page.requests.is_empty() {
            table(html, viewer, &page.requests);
        } else if page.next.is_some() {
            html.raw("<p>Nothing on this page: a filter looks through a bounded number of entries at a time. The next page \
                      goes on from there.</p>");
        } else if is_filtered || query.before.is_some() {
            html.raw("<p>No more entries match.</p>");
        } else {
            html.raw("<p>This ledger has no entries. Calls appear here as soon as they arrive; lists of tools have none.</p>");
        }
        let first = query.before.map(|_| links::ledger_page(user, query, None));
        let next = page.next.map(|next| links::ledger_page(user, query, Some(next)));
        html.pager(first.as_deref(), next.as_deref());
    })
}

fn filter(html: &mut Html, user: &UserKey, query: &RequestQuery) {
    html.raw("<form class=\"line\" method=\"get\" action=\"").plain(&links::ledger(user));
    html.raw("\"><div class=\"field\"><label for=\"state\">State</label><select id=\"state\" name=\"state\"><option value=\"\">any</option>");
    let chosen = query.state.as_deref();
    // A state that no select has was asked for by hand. It is shown all the same, because it filters.
    for state in STATES.into_iter().chain(chosen.filter(|state| !STATES.contains(state))) {
        html.raw(if chosen == Some(state) { "<option selected>" } else { "<option>" }).plain(state);
        html.raw("</option>");
    }
    html.raw("</select></div>");
    for (name, label, kind, value) in [
        ("tool", "Tool", "text", query.tool.clone()),
        ("client", "Client", "text", query.client.clone()),
        ("outcome", "Outcome", "text", query.outcome.clone()),
        ("from", "From (UTC)", "datetime-local", query.from.map(minute)),
        ("to", "Before (UTC)", "datetime-local", query.to.map(minute)),
    ] {
        html.raw(if kind == "text" { "<div class=\"field\">" } else { "<div class=\"field day\">" });
        html.raw("<label for=\"").raw(name).raw("\">").raw(label).raw("</label><input id=\"");
        html.raw(name).raw("\" name=\"").raw(name).raw("\" type=\"").raw(kind).raw("\" value=\"");
        html.plain(&value.unwrap_or_default()).raw("\"></div>");
    }
    html.raw("<button>Filter</button>").link(&links::ledger(user), "Show all").raw("</form>");
}

fn table(html: &mut Html, viewer: &Viewer<'_>, requests: &[RequestView]) {
    html.table("Requests", &["Request", "Received", "Tool", "State", "Outcome", "Client", "#Took", "#Calls"]);
    for request in requests {
        html.row().cell().raw("<a href=\"").plain(&links::request(&request.id)).raw("\">");
        html.code(&request.id.to_string()).raw("</a>").cell().time(request.received_at_ms, viewer.now);
        html.cell().code(&request.tool).cell().badge(words::state(&request.state), &request.state).cell();
        match &request.outcome {
            Some(outcome) => html.code(outcome),
            None => html.none("not yet"),
        };
        html.cell();
        client(html, &request.client);
        html.cell();
        match request.settled_at_ms {
            Some(settled) => html.plain(&duration(request.received_at_ms, settled)),
            None => html.none("open"),
        };
        html.cell().number(request.calls.into());
    }
    html.end_table();
}

/// Who asked.
pub(super) fn client(html: &mut Html, client: &str) {
    if client.is_empty() {
        html.none("the object itself")
    } else {
        html.text(client)
    };
}

/// A point in time as a form's field of the type `datetime-local` has it, in UTC (HTML standard, "local date and time").
pub(super) fn minute(at: UnixMs) -> String {
    at.to_iso8601().get(..16).unwrap_or_default().to_owned()
}
