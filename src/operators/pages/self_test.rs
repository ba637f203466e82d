//! The self-test: what this server found out about itself and what it needs.
//!
//! What holds here: what cannot be told is not told as good.

use super::frame::{Frame, Viewer};
use super::html::Tone;
use super::links;
use crate::operators::self_test::{Check, Verdict};
use crate::reply::Reply;

/// The page `/ops/self-test`: before the test was run, or with its results.
#[must_use]
pub fn self_test(viewer: &Viewer<'_>, results: Option<&[Check]>) -> Reply {
    let frame = Frame { status: 200, title: "Self-test", within: links::SELF_TEST, above: &[] };
    frame.around(viewer, |html| {
        html.raw("<p>It sends one call of each kind by the configured way through AI Gateway, each with a token that is none, \
                  so that Microsoft refuses it. It changes nothing and touches nobody's mailbox.</p>");
        html.raw("<form method=\"post\" action=\"").raw(links::SELF_TEST).raw("\"><div class=\"row\"><button>");
        html.raw(if results.is_some() { "Run it again" } else { "Run the self-test" }).raw("</button></div></form>");
        let Some(results) = results else { return };
        let failed = results.iter().filter(|check| check.verdict == Verdict::Failed).count();
        html.banner(if failed > 0 { Tone::Bad } else { Tone::Good });
        if failed > 0 {
            html.number(failed as u64).raw(" of ").number(results.len() as u64).raw(" checks failed.</p>");
        } else {
            html.raw("No check failed.</p>");
        }
        html.table("Results", &["Check", "Result", "What was seen"]);
        for check in results {
            let (tone, verdict) = match check.verdict {
                Verdict::Passed => (Tone::Good, "ok"),
                Verdict::Failed => (Tone::Bad, "failed"),
                Verdict::CannotTell => (Tone::Quiet, "cannot tell"),
            };
            html.row().cell().text(&check.name).cell().badge(tone, verdict).cell().text(&check.detail);
        }
        html.end_table();
    })
}
