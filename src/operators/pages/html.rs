//! Markup, written into one text.
//!
//! What holds here: what is written as markup is a literal of this program, by its type; everything else goes through
//! [`Html::plain`], which escapes it. Characters that nobody sees or that turn the order of others are spelt out, because
//! an investigator has to see them and must not be misled by them.

use protocol::ids::UserKey;
use protocol::text::is_hidden_character;
use protocol::time::UnixMs;

use super::links;

/// A growing text of HTML.
#[derive(Default)]
pub(super) struct Html {
    out: String,
    /// The headings of the table that is being written. One that begins with `#` heads a column of numbers.
    heads: &'static [&'static str],
    column: usize,
}

impl Html {
    pub(super) fn into_text(self) -> String {
        self.out
    }

    /// Markup of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Any text, escaped so that it can stand in an element or in a quoted attribute.
    pub(super) fn plain(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                _ if is_hidden_character(c) => self.out.extend(c.escape_unicode()),
                _ => self.out.push(c),
            }
        }
        self
    }

    /// Somebody else's text: its direction of writing ends with it.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.raw("<bdi>").plain(text).raw("</bdi>")
    }

    /// A name of a machine: an identifier, a code, a name in logs.
    pub(super) fn code(&mut self, text: &str) -> &mut Self {
        self.raw("<code>").text(text).raw("</code>")
    }

    /// A number with its thousands set apart.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        let digits = number.to_string();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                self.out.push(',');
            }
            self.out.push(digit);
        }
        self
    }

    /// How many of something there are.
    pub(super) fn count(&mut self, number: u64, one: &'static str, more: &'static str) -> &mut Self {
        self.number(number).raw(" ").raw(if number == 1 { one } else { more })
    }

    /// A link within the console.
    pub(super) fn link(&mut self, path: &str, label: &str) -> &mut Self {
        self.raw("<a href=\"").plain(path).raw("\">").plain(label).raw("</a>")
    }

    /// A link to a person, by the beginning of the user key.
    pub(super) fn person(&mut self, user: &UserKey) -> &mut Self {
        let key = user.to_string();
        self.raw("<a href=\"").plain(&links::person(user)).raw("\" title=\"").plain(&key);
        self.raw("\"><code>").plain(&short(user)).raw("</code></a>")
    }

    /// A short text that stands out.
    pub(super) fn badge(&mut self, tone: Tone, text: &str) -> &mut Self {
        self.raw("<span class=\"badge ").raw(tone.class()).raw("\">").text(text).raw("</span>")
    }

    /// A sentence that nobody should overlook.
    pub(super) fn banner(&mut self, tone: Tone) -> &mut Self {
        self.raw("<p class=\"banner ").raw(tone.class()).raw("\">")
    }

    /// A point in time, in words and in UTC.
    pub(super) fn time(&mut self, at: UnixMs, now: UnixMs) -> &mut Self {
        self.stamp(at, Some(now), 19)
    }

    /// The same, where there is one; `otherwise` where there is none.
    pub(super) fn time_or(&mut self, at: Option<UnixMs>, now: UnixMs, otherwise: &'static str) -> &mut Self {
        match at {
            Some(at) => self.time(at, now),
            None => self.none(otherwise),
        }
    }

    /// A point in time in UTC, to the millisecond.
    pub(super) fn exact_time(&mut self, at: UnixMs) -> &mut Self {
        self.stamp(at, None, 23)
    }

    fn stamp(&mut self, at: UnixMs, now: Option<UnixMs>, characters: usize) -> &mut Self {
        let iso = at.to_iso8601();
        // A year of more than four digits is nobody's, and no value of the attribute `datetime`.
        if iso.len() != 24 {
            return self.none("beyond all calendars");
        }
        self.raw("<time datetime=\"").plain(&iso).raw("\">");
        if let Some(now) = now {
            self.raw("<b>").plain(&relative(at, now)).raw("</b> ");
        }
        let shown = iso.get(..characters).unwrap_or(&iso).replace('T', " ");
        self.raw("<span>").plain(&shown).raw(" UTC</span></time>")
    }

    /// What stands where there is nothing.
    pub(super) fn none(&mut self, words: &'static str) -> &mut Self {
        self.raw("<span class=\"none\">").raw(words).raw("</span>")
    }

    /// Texts of others in a row, or a word where there are none.
    pub(super) fn codes(&mut self, texts: &[String], otherwise: &'static str) -> &mut Self {
        if texts.is_empty() {
            return self.none(otherwise);
        }
        for text in texts {
            self.code(text).raw(" ");
        }
        self
    }

    /// Begins a table, which becomes a row of blocks where it is narrow.
    pub(super) fn table(&mut self, label: &'static str, heads: &'static [&'static str]) -> &mut Self {
        (self.heads, self.column) = (heads, 0);
        self.raw("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"").raw(label);
        self.raw("\"><table role=\"table\"><thead><tr role=\"row\">");
        for head in heads {
            let name = head.strip_prefix('#');
            self.raw("<th role=\"columnheader\" scope=\"col\"").raw(if name.is_some() {
                " class=\"n\">"
            } else {
                ">"
            });
            self.raw(name.unwrap_or(head)).raw("</th>");
        }
        self.raw("</tr></thead><tbody>")
    }

    /// Begins a row.
    pub(super) fn row(&mut self) -> &mut Self {
        self.end_row().raw("<tr role=\"row\">")
    }

    /// Begins the next cell of the row. The first one heads it.
    pub(super) fn cell(&mut self) -> &mut Self {
        self.end_cell();
        let head = self.heads.get(self.column).copied().unwrap_or_default();
        let opening = match self.column {
            0 => "<th scope=\"row\" role=\"rowheader\" data-label=\"",
            _ if head.starts_with('#') => "<td class=\"n\" role=\"cell\" data-label=\"",
            _ => "<td role=\"cell\" data-label=\"",
        };
        self.column += 1;
        // The block keeps what stands in a cell together where label and value stand side by side.
        self.raw(opening).raw(head.trim_start_matches('#')).raw("\"><div>")
    }

    fn end_cell(&mut self) -> &mut Self {
        self.raw(match self.column {
            0 => "",
            1 => "</div></th>",
            _ => "</div></td>",
        })
    }

    fn end_row(&mut self) -> &mut Self {
        if self.column > 0 {
            self.end_cell().raw("</tr>");
            self.column = 0;
        }
        self
    }

    /// Ends the table.
    pub(super) fn end_table(&mut self) -> &mut Self {
        self.end_row().raw("</tbody></table></div>")
    }

    /// Begins one fact of a list of facts.
    pub(super) fn fact(&mut self, name: &'static str) -> &mut Self {
        self.raw("<div><dt>").raw(name).raw("</dt><dd>")
    }

    /// Ends it.
    pub(super) fn end_fact(&mut self) -> &mut Self {
        self.raw("</dd></div>")
    }

    /// Links to the first and to the next page of a list.
    pub(super) fn pager(&mut self, first: Option<&str>, next: Option<&str>) -> &mut Self {
        if first.is_none() && next.is_none() {
            return self;
        }
        self.raw("<nav class=\"pager\" aria-label=\"Pages\">");
        if let Some(path) = first {
            self.link(path, "First page");
        }
        if let Some(path) = next {
            self.link(path, "Next page");
        }
        self.raw("</nav>")
    }
}

/// How urgent something looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Warn,
    Good,
    Quiet,
}

impl Tone {
    const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Good => "good",
            Self::Quiet => "quiet",
        }
    }
}

/// The beginning of a user key, which tells people apart to the eye.
pub(super) fn short(user: &UserKey) -> String {
    let key = user.to_string();
    format!("{}\u{2026}", key.get(..8).unwrap_or(&key))
}

/// A point in time as seen from now, in words.
pub(super) fn relative(at: UnixMs, now: UnixMs) -> String {
    let (ahead, behind) = (at.since(now).0, now.since(at).0);
    match (ahead / 1_000, behind / 1_000) {
        (0, 0) => "just now".to_owned(),
        (0, _) => format!("{} ago", rough(behind)),
        (..) => format!("in {}", rough(ahead)),
    }
}

/// A span of milliseconds in its largest unit.
fn rough(span_ms: u64) -> String {
    let seconds = span_ms / 1_000;
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5_400 => format!("{} min", seconds / 60),
        5_400..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A span as it was measured.
pub(super) fn duration(from: UnixMs, to: UnixMs) -> String {
    let span_ms = to.since(from).0;
    match span_ms {
        0..1_000 => format!("{span_ms} ms"),
        1_000..90_000 => format!("{}.{} s", span_ms / 1_000, span_ms % 1_000 / 100),
        _ => rough(span_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Html)) -> String {
        let mut html = Html::default();
        write(&mut html);
        html.into_text()
    }

    #[test]
    fn what_others_wrote_is_text_and_what_nobody_sees_is_spelt_out() {
        let text = written(|html| {
            html.text("<a href='x'>&\"\u{202e}\u{0}\u{200b}\u{e0041}");
        });
        assert_eq!(
            text,
            "<bdi>&lt;a href=&#39;x&#39;&gt;&amp;&quot;\\u{202e}\\u{0}\\u{200b}\\u{e0041}</bdi>"
        );
    }

    #[test]
    fn times_are_told_from_now_and_in_utc() {
        let now = UnixMs(1_767_323_045_006);
        for (span_ms, words) in [
            (999, "just now"),
            (89_999, "89 s ago"),
            (90_000, "1 min ago"),
            (5_400_000, "1 h ago"),
            (172_799_999, "47 h ago"),
            (172_800_000, "2 days ago"),
        ] {
            assert_eq!(relative(UnixMs(now.0 - span_ms), now), words);
        }
        assert_eq!(relative(UnixMs(now.0 + 60_000), now), "in 60 s");
        let shown = written(|html| {
            html.time(now, now);
        });
        assert_eq!(
            shown,
            "<time datetime=\"2026-01-02T03:04:05.006Z\"><b>just now</b> <span>2026-01-02 03:04:05 UTC</span></time>"
        );
        let endless = written(|html| {
            html.time(UnixMs(u64::MAX), now).time(UnixMs(300_000_000_000_000), now);
        });
        assert!(!endless.contains("<time"), "{endless}");
    }

    #[test]
    fn numbers_and_spans_are_readable() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(
                written(|html| {
                    html.number(number);
                }),
                text
            );
        }
        for (span_ms, text) in [(7, "7 ms"), (1_250, "1.2 s"), (600_000, "10 min")] {
            assert_eq!(duration(UnixMs(5), UnixMs(5 + span_ms)), text);
        }
        assert_eq!(duration(UnixMs(5), UnixMs(1)), "0 ms", "a clock that stepped back");
    }

    #[test]
    fn a_table_closes_what_it_opens() {
        let text = written(|html| {
            html.table("T", &["A", "#B"]);
            for _ in 0..2 {
                html.row().cell().raw("x").cell().number(1);
            }
            html.end_table();
        });
        for (open, close, times) in
            [("<tr", "</tr>", 3), ("<td", "</td>", 2), ("<th ", "</th>", 4), ("<div", "</div>", 5)]
        {
            assert_eq!(text.matches(open).count(), times, "{open}");
            assert_eq!(text.matches(close).count(), times, "{close}");
        }
        assert!(text.contains("<td class=\"n\" role=\"cell\" data-label=\"B\"><div>1</div></td>"));
    }
}
