//! The way of one request as lines over time.
//!
//! What holds here: places are percentages of the drawing's width and texts keep their size, so that it can be read on a
//! phone; the page's table says the same in words.

use protocol::time::UnixMs;

use super::html::{Html, duration};

/// The height of one line with its text.
const LINE_PX: usize = 34;

/// One line.
pub(super) struct Line {
    pub(super) label: String,
    pub(super) from: UnixMs,
    /// A point in time where there is none.
    pub(super) to: Option<UnixMs>,
    /// How it is drawn: a class of the style sheet.
    pub(super) class: &'static str,
}

/// Draws lines from a beginning to an end.
pub(super) fn timeline(html: &mut Html, lines: &[Line], begin: UnixMs, end: UnixMs) {
    let height = lines.len() * LINE_PX + 22;
    html.raw("<svg class=\"lines\" role=\"img\" aria-label=\"The way of the request as lines over time. The table below says the same.\" height=\"");
    html.plain(&height.to_string()).raw("\">");
    for (place, line) in lines.iter().enumerate() {
        let top = place * LINE_PX;
        let from = share(line.from, begin, end);
        let to = line.to.map(|to| share(to, begin, end));
        html.raw("<text y=\"").plain(&(top + 14).to_string());
        // A label stands above its line and goes on where there is more room.
        if from <= 5_000 {
            html.raw("\" x=\"").plain(&percent(from));
        } else {
            html.raw("\" text-anchor=\"end\" x=\"").plain(&percent(to.unwrap_or(from)));
        }
        html.raw("\">").plain(&line.label).raw("</text>");
        match to {
            Some(to) => {
                // A call of a moment within a request of minutes can be seen too.
                let width = to.saturating_sub(from).clamp(60, 10_000);
                html.raw("<rect class=\"").raw(line.class).raw("\" rx=\"2\" height=\"9\" y=\"");
                html.plain(&(top + 20).to_string()).raw("\" x=\"").plain(&percent(from.min(10_000 - width)));
                html.raw("\" width=\"").plain(&percent(width)).raw("\"/>");
            }
            None => {
                html.raw("<circle class=\"").raw(line.class).raw("\" r=\"5\" cy=\"");
                html.plain(&(top + 24).to_string()).raw("\" cx=\"");
                // Half of a point would be cut off at either end.
                html.plain(&percent(from.clamp(150, 9_850))).raw("\"/>");
            }
        }
    }
    let bottom = (height - 5).to_string();
    html.raw("<text class=\"axis\" x=\"0\" y=\"").plain(&bottom).raw("\">0</text>");
    html.raw("<text class=\"axis\" x=\"100%\" text-anchor=\"end\" y=\"").plain(&bottom).raw("\">");
    html.plain(&duration(begin, end)).raw("</text></svg>");
}

/// Where a point in time lies, in hundredths of a percent.
fn share(at: UnixMs, begin: UnixMs, end: UnixMs) -> u64 {
    let (part, whole) = (u128::from(at.since(begin).0), u128::from(end.since(begin).0));
    let share = (part * 10_000).checked_div(whole).unwrap_or_default();
    u64::try_from(share).unwrap_or(10_000).min(10_000)
}

fn percent(hundredths: u64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_shares_of_the_whole_and_stay_within_it() {
        let share = |at| share(UnixMs(at), UnixMs(100), UnixMs(200));
        assert_eq!([share(0), share(100), share(150), share(199), share(999)], [0, 0, 5_000, 9_900, 10_000]);
        assert_eq!(super::share(UnixMs(5), UnixMs(5), UnixMs(5)), 0, "nothing took any time");
        assert_eq!(percent(205), "2.05%");
    }

    #[test]
    fn a_line_at_the_very_end_is_drawn_within() {
        let mut html = Html::default();
        let line = Line { label: "<x>".into(), from: UnixMs(200), to: Some(UnixMs(200)), class: "ok" };
        timeline(&mut html, &[line], UnixMs(100), UnixMs(200));
        let text = html.into_text();
        assert!(text.contains("x=\"99.40%\" width=\"0.60%\"") && text.contains("&lt;x&gt;"), "{text}");
    }
}
