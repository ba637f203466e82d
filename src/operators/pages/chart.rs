//! Calls and failures per hour, as bars and as the same numbers in a table.
//!
//! What holds here: bars and table are written from one list, which has one place for every hour.

use protocol::time::UnixMs;

use super::html::Html;

const HOUR_MS: u64 = 3_600_000;
/// The height of the tallest bar, in the units of the drawing.
const HEIGHT: u64 = 100;

/// What happened within an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) from: UnixMs,
    /// Requests that were settled, however they ended.
    pub(super) settled: u64,
    /// Those of them that failed.
    pub(super) failed: u64,
}

/// Draws the latest hours, `places` of them.
pub(super) fn hours(html: &mut Html, what: &str, known: &[Hour], places: u64, now: UnixMs) {
    let hours = in_order(known, places, now);
    let most = hours.iter().map(|hour| hour.settled).max().unwrap_or_default();
    let settled = hours.iter().fold(0_u64, |sum, hour| sum.saturating_add(hour.settled));
    let failed = hours.iter().fold(0_u64, |sum, hour| sum.saturating_add(hour.failed));
    html.raw("<figure class=\"card\"><figcaption>").plain(what).raw(": ").count(settled, "call", "calls");
    html.raw(", ").number(failed).raw(" failed");
    if most == 0 {
        html.raw(".</figcaption></figure>");
        return;
    }
    html.raw(". <span class=\"soft\">Most in an hour: ").number(most);
    html.raw(".<span class=\"key okay\"></span>settled well <span class=\"key kaput\"></span>failed</span></figcaption>");
    bars(html, what, &hours, most);
    html.raw("<div class=\"ticks\" aria-hidden=\"true\">");
    let quarter = hours.len() / 4;
    for hour in hours.iter().step_by(quarter.max(1)).take(4) {
        html.raw("<span>").plain(&clock(hour.from)).raw("</span>");
    }
    html.raw("<span>now</span></div>");
    html.raw("<details><summary>The same as a table</summary><table><thead><tr><th scope=\"col\">Hour from (UTC)</th>")
        .raw("<th scope=\"col\" class=\"n\">Calls</th><th scope=\"col\" class=\"n\">Failed</th></tr></thead><tbody>");
    for hour in &hours {
        html.raw("<tr><th scope=\"row\">").plain(&clock(hour.from)).raw("</th><td class=\"n\">");
        html.number(hour.settled).raw("</td><td class=\"n\">").number(hour.failed).raw("</td></tr>");
    }
    html.raw("</tbody></table></details></figure>");
}

fn bars(html: &mut Html, what: &str, hours: &[Hour], most: u64) {
    let width = 10 * hours.len();
    html.raw("<svg class=\"chart\" role=\"img\" preserveAspectRatio=\"none\" shape-rendering=\"crispEdges\" viewBox=\"0 0 ");
    html.plain(&format!("{width} {HEIGHT}")).raw("\" aria-label=\"").plain(what);
    html.raw(", as bars. The table below has the same numbers.\">");
    for (place, hour) in hours.iter().enumerate() {
        let left = 10 * place;
        let failed = height(hour.failed, most);
        let well = height(hour.settled.saturating_sub(hour.failed), most).min(HEIGHT - failed);
        html.raw("<g class=\"hour\"><title>").plain(&clock(hour.from)).raw(" UTC: ");
        html.count(hour.settled, "call", "calls").raw(", ").number(hour.failed).raw(" failed</title>");
        html.raw("<rect class=\"hit\" y=\"0\" width=\"10\" height=\"100\" x=\"")
            .plain(&left.to_string())
            .raw("\"/>");
        for (class, top, height) in [("ok", HEIGHT - failed - well, well), ("ko", HEIGHT - failed, failed)] {
            if height > 0 {
                html.raw("<rect class=\"").raw(class);
                html.raw("\" width=\"8\" x=\"").plain(&(left + 1).to_string()).raw("\" y=\"");
                html.plain(&top.to_string()).raw("\" height=\"").plain(&height.to_string()).raw("\"/>");
            }
        }
        html.raw("</g>");
    }
    html.raw("</svg>");
}

/// The height of a bar. What is there at all can be seen.
fn height(count: u64, most: u64) -> u64 {
    match (u128::from(count) * u128::from(HEIGHT)).checked_div(u128::from(most)) {
        Some(height) if count > 0 => u64::try_from(height).unwrap_or(HEIGHT).clamp(2, HEIGHT),
        _ => 0,
    }
}

/// One place for each hour up to this one, or up to the latest that is known if a clock is ahead.
fn in_order(known: &[Hour], places: u64, now: UnixMs) -> Vec<Hour> {
    let of = |at: UnixMs| at.0 / HOUR_MS;
    // A clock that is ahead by more than an hour would show nothing else.
    let latest = known.iter().map(|hour| of(hour.from)).filter(|hour| *hour <= of(now) + 1).max();
    let last = latest.unwrap_or_default().max(of(now));
    let first = (last + 1).saturating_sub(places);
    (first..=last)
        .map(|place| {
            let empty = Hour { from: UnixMs(place * HOUR_MS), settled: 0, failed: 0 };
            known.iter().filter(|hour| of(hour.from) == place).fold(empty, |sum, hour| Hour {
                settled: sum.settled.saturating_add(hour.settled),
                failed: sum.failed.saturating_add(hour.failed),
                ..sum
            })
        })
        .collect()
}

/// Month, day and hour of an instant in UTC.
fn clock(at: UnixMs) -> String {
    at.to_iso8601().get(5..16).unwrap_or_default().replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMs = UnixMs(1_767_323_045_006);

    fn hour(ago: u64, settled: u64, failed: u64) -> Hour {
        Hour { from: UnixMs((NOW.0 / HOUR_MS - ago) * HOUR_MS), settled, failed }
    }

    fn drawn(known: &[Hour]) -> String {
        let mut html = Html::default();
        hours(&mut html, "Calls", known, 48, NOW);
        html.into_text()
    }

    /// What stands between two texts, each time.
    fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
    }

    #[test]
    fn bars_and_table_have_the_same_numbers() {
        let page = drawn(&[hour(47, 1_200, 0), hour(3, 40, 40), hour(0, 600, 6)]);
        let (bars, table) = page.split_once("<details>").unwrap();
        let titles = between(bars, "<title>", "</title>");
        let rows: Vec<String> = between(table, "<tr><th scope=\"row\">", "</tr>")
            .into_iter()
            .map(|row| {
                let cells: Vec<&str> = between(row, "<td class=\"n\">", "</td>");
                format!("{} UTC: {} calls, {} failed", row.split('<').next().unwrap(), cells[0], cells[1])
            })
            .collect();
        assert_eq!(titles.len(), 48);
        assert_eq!(titles, rows);
        assert_eq!(titles[0], "12-31 04:00 UTC: 1,200 calls, 0 failed");
        assert!(page.contains("1,840 calls, 46 failed"));
        let heights = |class: &str| between(bars, class, "/>").len();
        assert_eq!(
            (heights("class=\"ok\""), heights("class=\"ko\"")),
            (2, 2),
            "nothing is drawn for nothing"
        );
    }

    #[test]
    fn bars_are_as_tall_as_their_numbers_and_never_taller_than_the_drawing() {
        assert_eq!([height(0, 9), height(9, 9), height(1, 1_000_000), height(5, 10)], [0, 100, 2, 50]);
        assert_eq!(height(u64::MAX, u64::MAX), 100);
        let page = drawn(&[hour(1, 1, u64::MAX), hour(1, u64::MAX, 1)]);
        assert!(page.contains("height=\"100\"") && !page.contains("y=\"-"));
    }

    #[test]
    fn hours_that_are_not_shown_are_not_counted_and_no_hours_are_no_drawing() {
        let page = drawn(&[hour(48, 5, 5)]);
        assert!(page.contains("Calls: 0 calls, 0 failed.") && !page.contains("<svg"), "{page}");
        assert_eq!(in_order(&[], 24, UnixMs(0)).len(), 1, "there is no hour before the first");
    }
}
