//! HTML as a person would see it: text, without markup and without what is hidden.
//!
//! What holds here: one pass over the bytes with a bounded stack; nothing is fetched and nothing is executed. What a
//! browser would not show (hidden elements, comments, scripts, styles, invisible characters) does not come through, since
//! text that a person cannot see is how instructions are smuggled to a model. Anything malformed becomes text or
//! nothing, never an error. A full parser of the standard is not needed for that: decision 0022 says what was measured.

mod entities;
mod hiding;
mod tokens;

use hiding::{Colour, Sheet, Style};
use tokens::{Tag, Token, Tokens};

/// Elements that may be open at once; deeper ones are read as part of the last.
const DEPTH_MAX: usize = 256;

/// The longest address of a link that is shown, in bytes. Those of trackers are longer and say nothing.
const LINK_BYTES_MAX: usize = 200;

/// Elements whose content is never shown.
const NEVER_SHOWN: [&str; 14] = [
    "script", "style", "head", "title", "template", "noscript", "iframe", "object", "svg", "math", "select",
    "audio", "video", "canvas",
];

/// Elements that have no content and no end.
const VOID: [&str; 11] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"];

/// Elements that begin and end a line.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "header",
    "li",
    "ol",
    "section",
    "table",
    "tr",
    "ul",
];

struct Open {
    name: String,
    is_hidden: bool,
    is_preformatted: bool,
    colour: Option<Colour>,
    background: Option<Colour>,
    link: Option<String>,
}

struct Reader<'a> {
    sheet: Sheet,
    open: Vec<Open>,
    out: String,
    input: &'a str,
}

/// The text of an HTML document or fragment, as a person would see it.
#[must_use]
pub fn visible_text(html: &str) -> String {
    let sheet = Sheet::of(html);
    let reader = Reader { sheet, open: Vec::new(), out: String::new(), input: html };
    tidy(&reader.read())
}

impl Reader<'_> {
    fn read(mut self) -> String {
        for token in Tokens::of(self.input) {
            match token {
                Token::Text(text) => self.text(text),
                Token::Start(tag) => self.start(&tag),
                Token::End(name) => self.end(&name),
            }
        }
        self.out
    }

    fn is_hidden(&self) -> bool {
        self.open.last().is_some_and(|open| open.is_hidden)
    }

    fn text(&mut self, text: &str) {
        let Some(open) = self.open.last() else { return self.words(text, false) };
        let is_unreadable = match (open.colour, open.background) {
            (Some(colour), Some(background)) => colour == background,
            // Paper is white.
            (Some(colour), None) => colour.is_white(),
            (None, _) => false,
        };
        if !open.is_hidden && !is_unreadable {
            let is_preformatted = open.is_preformatted;
            self.words(text, is_preformatted);
        }
    }

    fn words(&mut self, text: &str, is_preformatted: bool) {
        let decoded = entities::decoded(text);
        for character in decoded.chars() {
            if character == '\u{a0}' || (character.is_whitespace() && !is_preformatted) {
                if !self.out.ends_with([' ', '\n', '\t']) {
                    self.out.push(' ');
                }
            } else {
                self.out.push(character);
            }
        }
    }

    fn new_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        // Many mails leave these open; the next one ends the last (HTML standard, 13.1.2.4).
        if matches!(name, "li" | "td" | "th" | "tr" | "p" | "option")
            && self.open.last().is_some_and(|open| open.name == name)
        {
            self.end(name);
        }
        let style = Style::of(tag, &self.sheet);
        let is_hidden = self.is_hidden() || style.is_hidden || NEVER_SHOWN.contains(&name);
        if !is_hidden {
            self.shown_start(name, tag);
        }
        if VOID.contains(&name) || tag.is_closed || self.open.len() >= DEPTH_MAX {
            return;
        }
        let outer = self.open.last();
        let open = Open {
            is_hidden,
            is_preformatted: name == "pre" || outer.is_some_and(|outer| outer.is_preformatted),
            colour: style.colour.or(outer.and_then(|outer| outer.colour)),
            background: style.background.or(outer.and_then(|outer| outer.background)),
            link: (name == "a" && !is_hidden).then(|| tag.attribute("href")).flatten(),
            name: name.to_owned(),
        };
        self.open.push(open);
    }

    fn shown_start(&mut self, name: &str, tag: &Tag<'_>) {
        match name {
            "br" => self.out.push('\n'),
            "p" | "h1" | "h2" | "h3" | "h4" | "hr" => {
                self.new_line();
                self.out.push('\n');
            }
            "li" => {
                self.new_line();
                self.out.push_str("- ");
            }
            "td" | "th" if !self.out.ends_with(['\n', '\t']) && !self.out.is_empty() => self.out.push('\t'),
            "img" => {
                if let Some(alt) = tag.attribute("alt").filter(|alt| !alt.trim().is_empty()) {
                    self.words(&format!("[image: {}]", alt.trim()), false);
                }
            }
            "blockquote" => {
                self.new_line();
                self.out.push_str(QUOTE_MARK);
                self.out.push('\n');
            }
            _ if is_quote_begin(tag) => {
                self.new_line();
                self.out.push_str(QUOTE_MARK);
                self.out.push('\n');
            }
            _ if BLOCKS.contains(&name) => self.new_line(),
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        let Some(position) = self.open.iter().rposition(|open| open.name == name) else { return };
        for open in self.open.split_off(position).into_iter().rev() {
            if open.is_hidden {
                continue;
            }
            if let Some(link) = &open.link {
                self.link(link);
            }
            if open.name == "p" || BLOCKS.contains(&open.name.as_str()) {
                self.new_line();
            }
        }
    }

    /// Where a link leads, unless its text says so already.
    fn link(&mut self, href: &str) {
        let href = href.trim();
        let lower = href.to_ascii_lowercase();
        if !["https://", "http://", "mailto:"].iter().any(|scheme| lower.starts_with(scheme)) {
            return;
        }
        let bare = href.trim_start_matches("mailto:").trim_end_matches('/');
        if self.out.trim_end().ends_with(bare) {
            return;
        }
        let shown = crate::text::cut(href, LINK_BYTES_MAX);
        let more = if shown.len() < href.len() { "…" } else { "" };
        self.out.push_str(&format!(" <{shown}{more}>"));
    }
}

/// Stands on a line of its own where markup says that older messages begin; people cannot type it.
pub(crate) const QUOTE_MARK: &str = "\u{1}quoted";

/// Whether an element holds the history of a conversation: marks of Outlook, Gmail and Apple Mail.
fn is_quote_begin(tag: &Tag<'_>) -> bool {
    let id = tag.attribute("id").unwrap_or_default();
    let class = tag.attribute("class").unwrap_or_default();
    id.ends_with("divRplyFwdMsg")
        || id.ends_with("appendonsend")
        || class.split_whitespace().any(|name| matches!(name, "gmail_quote" | "yahoo_quoted"))
}

/// Lines without spaces at their ends, and at most one empty line between two others.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut empty = 0;
    for line in text.lines().map(str::trim) {
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 && !(line.is_empty() && out.is_empty()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    crate::text::without_hidden_characters(out.trim_end())
}

/// A text as HTML that shows it as it is, line by line.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("<br>"),
            '\r' => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
