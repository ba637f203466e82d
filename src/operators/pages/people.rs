//! The list of people, and what a search found.
//!
//! What holds here: a person is known by the user key; what is shown is what the object last reported.

use protocol::ids::UserKey;
use protocol::operator::directory::{Person, PersonPage};

use super::frame::{Frame, Viewer};
use super::html::{Html, Tone};
use super::{links, words};
use crate::reply::Reply;

/// The page `/ops/users`. `after` is where the page before ended; `attention` leaves out who needs none.
#[must_use]
pub fn people(viewer: &Viewer<'_>, page: &PersonPage, after: Option<UserKey>, attention: bool) -> Reply {
    let frame = Frame { status: 200, title: "People", within: links::PEOPLE, above: &[] };
    frame.around(viewer, |html| {
        search_form(html);
        html.raw("<p>");
        if attention {
            html.raw("Only who needs attention. ").link(links::PEOPLE, "Show everybody");
        } else {
            html.raw("Everybody, by user key. ").link(&links::people(None, true), "Show only who needs attention");
        }
        html.raw("</p>");
        if page.people.is_empty() {
            html.raw(match (after, attention) {
                (Some(_), _) => "<p>There is nobody behind this page.</p>",
                (None, true) => "<p>Nobody needs attention.</p>",
                (None, false) => {
                    "<p>Nobody has signed in yet. A person appears here within a minute of their first call.</p>"
                }
            });
        } else {
            table(html, viewer, &page.people);
        }
        let first = after.map(|_| links::people(None, attention));
        let next = page.next.map(|next| links::people(Some(next), attention));
        html.pager(first.as_deref(), next.as_deref());
    })
}

/// What a search found, where it is more than one person.
#[must_use]
pub fn found(viewer: &Viewer<'_>, people: &[Person]) -> Reply {
    let frame = Frame { status: 200, title: "Found people", within: links::PEOPLE, above: &[] };
    frame.around(viewer, |html| {
        html.raw("<p>")
            .count(people.len() as u64, "person has", "people have")
            .raw(" what you searched for.</p>");
        table(html, viewer, people);
        search_form(html);
    })
}

/// One box for whatever an operator has in hand. It is sent by POST, because it may be an address.
pub(super) fn search_form(html: &mut Html) {
    html.raw("<form class=\"line\" role=\"search\" method=\"post\" action=\"").raw(links::SEARCH);
    html.raw(
        "\"><div class=\"field wide\"><label for=\"q\">User key, its beginning, e-mail address or request ID</label>\
         <input id=\"q\" name=\"q\" type=\"text\" required maxlength=\"320\" autocomplete=\"off\" autocapitalize=\"off\" \
         spellcheck=\"false\"></div><button>Search</button></form>",
    );
}

/// Who needs attention, and why.
pub(super) fn attention_table(html: &mut Html, viewer: &Viewer<'_>, people: &[Person]) {
    html.table("People who need attention", &["Person", "Reasons", "Last active", "#Failed this hour"]);
    for person in people {
        html.row().cell().person(&person.user).cell();
        words::reasons(html, &person.attention);
        if let Some(fault) = &person.fault {
            html.code(&fault.fault);
        }
        let last = person.report.as_ref().and_then(|report| report.last_activity_at_ms);
        html.cell().time_or(last, viewer.now, "never").cell();
        html.number(person.this_hour.failed).raw(" of ").number(person.this_hour.settled);
    }
    html.end_table();
}

fn table(html: &mut Html, viewer: &Viewer<'_>, people: &[Person]) {
    html.table(
        "People",
        &[
            "Person",
            "Standing",
            "Attention",
            "Last active",
            "Reported",
            "Token ends",
            "#Calls this hour",
            "#Failed",
            "#Sessions",
            "#Streams",
            "#Waiting",
        ],
    );
    for person in people {
        html.row().cell().person(&person.user).cell();
        match &person.report {
            Some(report) => {
                let (tone, standing) = words::standing(report.standing);
                html.badge(tone, standing)
            }
            None => html.badge(Tone::Bad, "Never read"),
        };
        html.cell();
        words::reasons(html, &person.attention);
        let report = person.report.as_ref();
        html.cell().time_or(report.and_then(|report| report.last_activity_at_ms), viewer.now, "not known");
        html.cell().time_or(report.map(|report| report.at_ms), viewer.now, "never");
        html.cell().time_or(report.and_then(|report| report.token_expires_at_ms), viewer.now, "none known");
        html.cell().number(person.this_hour.settled).cell().number(person.this_hour.failed);
        match report {
            Some(report) => {
                for number in [report.sessions, report.streams, report.waiting] {
                    html.cell().number(number.into());
                }
            }
            None => {
                for _ in 0..3 {
                    html.cell().none("?");
                }
            }
        }
    }
    html.end_table();
}
