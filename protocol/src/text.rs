//! Text of other people: what of it is seen, how it is cut, and where the history of a conversation begins.
//!
//! What holds here: characters that nobody sees never pass, because they carry instructions that only a model reads;
//! nothing is cut inside a character.

use crate::html::QUOTE_MARK;

/// Whether a character shows nothing, or changes the order of others (Unicode 15, UAX #9 and the block Tags).
#[must_use]
pub const fn is_hidden_character(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}'
        | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a text has characters that nobody sees. Most have none that is beyond ASCII, and are looked at byte by byte.
#[must_use]
pub fn has_hidden_characters(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| is_hidden_character(char::from(byte)));
    }
    text.chars().any(is_hidden_character)
}

/// A text without the characters that nobody sees. The mark of quoted history stays, for [`folded`].
#[must_use]
pub fn without_hidden_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(QUOTE_MARK) {
        out.extend(before.chars().filter(|c| !is_hidden_character(*c)));
        out.push_str(QUOTE_MARK);
        rest = after;
    }
    out.extend(rest.chars().filter(|c| !is_hidden_character(*c)));
    out
}

/// The beginning of a text, at most so many bytes, cut between characters.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// A text without the history that it quotes, and how many characters that history has. A message that is nothing but a
/// quotation stays whole.
#[must_use]
pub fn folded(text: &str) -> (String, usize) {
    let lines: Vec<&str> = text.lines().collect();
    let begins = (0..lines.len()).find(|at| is_history(lines.get(*at..).unwrap_or_default()));
    let own = lines.get(..begins.unwrap_or(lines.len())).unwrap_or_default().join("\n");
    let own = own.trim_end();
    if begins.is_none() || own.is_empty() {
        return (unmarked(text), 0);
    }
    let history = lines.get(begins.unwrap_or_default()..).unwrap_or_default().join("\n");
    (own.to_owned(), unmarked(&history).chars().count())
}

/// A text without the marks that [`crate::html::visible_text`] left.
#[must_use]
pub fn unmarked(text: &str) -> String {
    text.replace(&format!("{QUOTE_MARK}\n"), "").replace(QUOTE_MARK, "")
}

/// Whether quoted history begins with the first of these lines.
fn is_history(lines: &[&str]) -> bool {
    let line = |at: usize| lines.get(at).map_or("", |line| line.trim());
    let first = line(0);
    let is_header = |line: &str, names: &[&str]| names.iter().any(|name| line.starts_with(name));
    first == QUOTE_MARK
        || (first.starts_with("-----") && first.ends_with("-----") && first.contains("Message"))
        || (first.starts_with("-----") && first.ends_with("-----") && first.contains("Nachricht"))
        || (first.ends_with("wrote:") && first.starts_with("On "))
        || (first.ends_with("schrieb:") && first.starts_with("Am "))
        || (is_header(first, &["From: ", "Von: "]) && is_header(line(1), &["Sent: ", "Date: ", "Gesendet: ", "To: "]))
        // One line may quote what it answers; the rest of a message below is history.
        || (first.starts_with('>') && lines.iter().all(|line| line.starts_with('>') || line.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_nobody_sees_do_not_pass() {
        let hidden = "a\u{200b}b\u{e0041}\u{e0042}c\u{202e}d\u{feff}e\u{ad}f\u{fe0f}g\u{0}h";
        assert_eq!(without_hidden_characters(hidden), "abcdefgh");
        assert_eq!(without_hidden_characters("Zürich – 你好\n\tx"), "Zürich – 你好\n\tx");
    }

    #[test]
    fn history_is_folded_and_counted() {
        for text in [
            "Yes.\n\nOn Mon, 2 Jan 2026 at 10:00, Bob <b@x.example> wrote:\n> Shall we?",
            "Yes.\n\n-----Original Message-----\nFrom: Bob\nShall we?",
            "Yes.\n\nFrom: Bob\nSent: Monday\nTo: Ann\nSubject: Plan\n\nShall we?",
            "Yes.\n> Shall we?\n>\n> Bob",
            "Yes.\n\u{1}quoted\nShall we?",
        ] {
            let (own, count) = folded(text);
            assert_eq!(own, "Yes.", "{text}");
            assert!(count > 8, "{text}");
        }
    }

    #[test]
    fn what_is_no_history_stays() {
        for text in ["> quoted\nand answered below", "From: here\nwe go", "On time wrote:", ""] {
            assert_eq!(folded(text), (text.to_owned(), 0));
        }
        assert_eq!(folded("\u{1}quoted\nonly this"), ("only this".to_owned(), 0));
    }

    #[test]
    fn nothing_is_cut_inside_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
