//! The first page: how everybody is, and who needs attention.
//!
//! What holds here: what could not be asked is said, so that numbers are never taken for all when they are not.

use protocol::operator::directory::{Fleet, PersonPage, SHARDS};

use super::chart::{self, Hour};
use super::frame::{Frame, Viewer};
use super::html::{Html, Tone};
use super::{links, people};
use crate::reply::Reply;

/// What the directory answered.
pub struct Directory<'a> {
    /// All shards that answered, in numbers.
    pub fleet: &'a Fleet,
    /// The people who need attention, the first page of them.
    pub attention: &'a PersonPage,
    /// How many shards did not answer.
    pub shards_silent: u8,
    /// What the mode of access lacks, in a few words each.
    pub lacks: &'a [&'a str],
}

/// The page `/ops`.
#[must_use]
pub fn fleet(viewer: &Viewer<'_>, directory: &Directory<'_>) -> Reply {
    let frame = Frame { status: 200, title: "Fleet", within: links::FLEET, above: &[] };
    frame.around(viewer, |html| {
        if directory.shards_silent > 0 {
            html.banner(Tone::Bad).number(directory.shards_silent.into()).raw(" of ").number(SHARDS.into());
            html.raw(" parts of the directory did not answer. The numbers here are those of the others.</p>");
        }
        if directory.fleet.people == 0 && directory.shards_silent == 0 {
            nobody(html);
        } else {
            everybody(html, viewer, directory);
        }
        html.raw("<h2>This server</h2><p>Its mode of access is <strong>");
        html.raw(viewer.access_mode.name()).raw("</strong>.");
        for (place, lack) in directory.lacks.iter().enumerate() {
            html.raw(if place == 0 { " This mode lacks: " } else { ", " }).plain(lack);
        }
        html.raw(if directory.lacks.is_empty() { "</p>" } else { ".</p>" });
    })
}

/// What a new server shows.
fn nobody(html: &mut Html) {
    html.raw("<section class=\"card\"><h2>Nobody has signed in yet</h2>")
        .raw("<p>A person appears here within a minute of their first call. Until then:</p><ol><li>")
        .link(links::SELF_TEST, "Run the self-test")
        .raw(": it says whether this server reaches what it needs.</li>")
        .raw(
            "<li>Give people the address of the server, which <a href=\"/\">its landing page</a> shows.</li>",
        )
        .raw("<li>Whoever is refused while signing in is in the Worker's log, not here.</li></ol></section>");
}

fn everybody(html: &mut Html, viewer: &Viewer<'_>, directory: &Directory<'_>) {
    let fleet = directory.fleet;
    html.raw("<dl class=\"tiles\">");
    for (name, number) in [
        ("People", fleet.people),
        ("Connected", fleet.connected),
        ("Have to act", fleet.must_act),
        ("Not connected", fleet.not_connected),
        ("Paused", fleet.paused),
        ("Unreadable", fleet.unreadable),
        ("Sessions", fleet.sessions),
        ("Open streams", fleet.streams),
        ("Calls waiting", fleet.waiting),
    ] {
        html.fact(name).number(number).end_fact();
    }
    html.raw(
        "</dl><p class=\"soft\">How people stand, pauses and failures are reported within a minute. Counts, sessions and \
         streams are as of each person's latest report: about an hour old while somebody works, a few hours otherwise.</p>",
    );
    people::search_form(html);
    html.raw("<h2>What needs attention first</h2>");
    if directory.attention.people.is_empty() {
        html.raw("<p>Nothing does.</p>");
    } else {
        people::attention_table(html, viewer, &directory.attention.people);
        let shown = u64::try_from(directory.attention.people.len()).unwrap_or_default();
        if directory.attention.next.is_some() || fleet.attention > shown {
            html.raw("<p>These are ").number(shown).raw(" of ").number(fleet.attention).raw(". ");
            html.link(&links::people(None, true), "Everybody who needs attention").raw("</p>");
        }
    }
    html.raw("<h2>Calls of the last 48 hours</h2>");
    let hours: Vec<Hour> = fleet
        .hours
        .iter()
        .map(|hour| Hour { from: hour.from_ms, settled: hour.settled, failed: hour.failed })
        .collect();
    chart::hours(html, "Calls of everybody, by hour", &hours, 48, viewer.now);
    html.raw("<p class=\"soft\">Since the directory began to count, ").count(
        fleet.tally.settled,
        "call was",
        "calls were",
    );
    html.raw(" settled; ").number(fleet.tally.failed).raw(" failed, and the outcome of ");
    html.number(fleet.tally.unknown).raw(" could not be found out.</p>");
}
