//! Splits HTML into tags and text (HTML standard, 13.2.5, as far as it matters to what is seen).
//!
//! What holds here: every byte is looked at once and every step goes forward, so that the time is linear in the length.

use super::entities;

/// A piece of a document.
pub(super) enum Token<'a> {
    /// Text as it is written, its references not decoded.
    Text(&'a str),
    /// A start tag.
    Start(Tag<'a>),
    /// An end tag's name, in lower case.
    End(String),
}

/// A start tag.
pub(super) struct Tag<'a> {
    /// The name in lower case.
    pub name: String,
    /// Whether it ends itself.
    pub is_closed: bool,
    attributes: &'a str,
}

/// Elements whose content is text up to their own end tag.
const RAW: [&str; 7] = ["script", "style", "title", "textarea", "xmp", "noscript", "iframe"];

pub(super) struct Tokens<'a> {
    rest: &'a str,
    raw: Option<String>,
}

impl<'a> Tokens<'a> {
    pub(super) const fn of(html: &'a str) -> Self {
        Self { rest: html, raw: None }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Text up to the next tag, or to the end.
    fn text(&mut self, from: usize) -> &'a str {
        let next = self.rest.get(from..).and_then(|rest| rest.find('<'));
        self.take(next.map_or(self.rest.len(), |at| at + from))
    }

    /// The text of a raw element, without its end tag.
    fn raw_text(&mut self, name: &str) -> &'a str {
        let mut from = 0;
        while let Some(at) = self.rest.get(from..).and_then(|rest| rest.find("</")).map(|at| at + from) {
            let after = self.rest.get(at + 2..).unwrap_or_default();
            let is_end = after.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name));
            if is_end {
                return self.take(at);
            }
            from = at + 2;
        }
        self.take(self.rest.len())
    }

    /// Skips a comment, a declaration or a processing instruction. Conditional comments are comments everywhere but in
    /// Word, and what they hold is not seen elsewhere.
    fn skip_markup(&mut self) {
        let end = match self.rest.strip_prefix("<!--") {
            // `<!-->` is a whole comment (13.2.5.43).
            Some(inside) if inside.starts_with('>') => Some(5),
            Some(_) => self.rest.find("-->").map(|at| at + 3),
            None => self.rest.find('>').map(|at| at + 1),
        };
        self.take(end.unwrap_or(self.rest.len()));
    }

    /// The end of a tag that begins here, behind its `>`: one in quotes does not count.
    fn tag_end(&self) -> Option<usize> {
        let mut quote = None;
        let mut is_value = false;
        for (at, byte) in self.rest.bytes().enumerate().skip(1) {
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'>') => return Some(at + 1),
                (None, b'"' | b'\'') if is_value => quote = Some(byte),
                (None, b'=') => is_value = true,
                (None, byte) if !byte.is_ascii_whitespace() => is_value = false,
                (None, _) => {}
            }
        }
        None
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if let Some(name) = self.raw.take() {
                let text = self.raw_text(&name);
                if !text.is_empty() {
                    return Some(Token::Text(text));
                }
                continue;
            }
            let mut ahead = self.rest.bytes();
            match (ahead.next(), ahead.next()) {
                (Some(b'<'), Some(b'!' | b'?')) => self.skip_markup(),
                (Some(b'<'), Some(b'/')) => {
                    let end = self.rest.find('>').map_or(self.rest.len(), |at| at + 1);
                    let inside = self.take(end).trim_start_matches("</").trim_end_matches('>');
                    let name = inside.split(|c: char| c.is_whitespace() || c == '/').next();
                    return Some(Token::End(name.unwrap_or_default().to_ascii_lowercase()));
                }
                (Some(b'<'), Some(letter)) if letter.is_ascii_alphabetic() => {
                    // A tag that never ends is not shown by browsers either.
                    let end = self.tag_end().unwrap_or(self.rest.len());
                    let inside = self.take(end).trim_start_matches('<').trim_end_matches('>');
                    let is_closed = inside.ends_with('/');
                    let inside = inside.trim_end_matches('/');
                    let name_end =
                        inside.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(inside.len());
                    let (name, attributes) = inside.split_at_checked(name_end).unwrap_or((inside, ""));
                    let name = name.to_ascii_lowercase();
                    if RAW.contains(&name.as_str()) {
                        self.raw = Some(name.clone());
                    }
                    return Some(Token::Start(Tag { name, is_closed, attributes }));
                }
                (Some(b'<'), _) => return Some(Token::Text(self.text(1))),
                _ => return Some(Token::Text(self.text(0))),
            }
        }
    }
}

impl Tag<'_> {
    /// The value of an attribute, decoded; empty for one without a value. The first one of a name counts.
    pub(super) fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '/').unwrap_or(rest.len());
            // An attribute's name has at least one character, even if it is an equals sign.
            let (name, after) = rest.split_at_checked(end.max(1)).unwrap_or((rest, ""));
            let (value, after) = value(after.trim_start());
            if name.eq_ignore_ascii_case(wanted) {
                return Some(entities::decoded(value).into_owned());
            }
            rest = after;
        }
    }
}

/// The value behind an attribute's name, and what follows it.
fn value(text: &str) -> (&str, &str) {
    let Some(text) = text.strip_prefix('=').map(str::trim_start) else { return ("", text) };
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inside = text.get(1..).unwrap_or_default();
            inside.split_once(quote).unwrap_or((inside, ""))
        }
        _ => {
            let end = text.find(char::is_whitespace).unwrap_or(text.len());
            text.split_at_checked(end).unwrap_or((text, ""))
        }
    }
}
