//! Whether an element is hidden, and in which colours it stands: from its attributes, its style and simple style sheets.
//!
//! What holds here: only what certainly hides counts, because a rule that is taken for hiding takes text away from its
//! reader. Of style sheets the selectors of one class, one identifier or one element are understood; rules for another
//! medium than the screen are not looked at.

use super::tokens::Tag;

/// A colour as red, green and blue.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(u32);

impl Colour {
    pub(super) const fn is_white(self) -> bool {
        self.0 == 0xff_ff_ff
    }

    /// `#rgb`, `#rrggbb`, `rgb(r,g,b)` and the names that are used to hide.
    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        match text {
            "white" => return Some(Self(0xff_ff_ff)),
            "black" => return Some(Self(0)),
            _ => {}
        }
        if let Some(digits) = text.strip_prefix('#') {
            let value = u32::from_str_radix(digits, 16).ok()?;
            return match digits.len() {
                6 => Some(Self(value)),
                3 => Some(Self(
                    (((value >> 8) * 0x11) << 16) | (((value >> 4 & 15) * 0x11) << 8) | ((value & 15) * 0x11),
                )),
                _ => None,
            };
        }
        let parts = text.strip_prefix("rgb(")?.strip_suffix(')')?;
        parts
            .split(',')
            .try_fold(0_u32, |sum, part| {
                part.trim().parse::<u8>().ok().map(|part| (sum << 8) | u32::from(part))
            })
            .filter(|_| parts.split(',').count() == 3)
            .map(Self)
    }
}

/// What is known of an element's look.
#[derive(Default)]
pub(super) struct Style {
    pub is_hidden: bool,
    pub colour: Option<Colour>,
    pub background: Option<Colour>,
}

impl Style {
    pub(super) fn of(tag: &Tag<'_>, sheet: &Sheet) -> Self {
        let mut style = sheet.style_of(tag);
        if let Some(inline) = tag.attribute("style") {
            style.add(&inline);
        }
        if let Some(colour) =
            tag.attribute("bgcolor").and_then(|text| Colour::read(&text.to_ascii_lowercase()))
        {
            style.background = Some(colour);
        }
        if tag.name == "font"
            && let Some(colour) = tag.attribute("color")
        {
            style.colour = Colour::read(&colour.to_ascii_lowercase());
        }
        style.is_hidden |= tag.attribute("hidden").is_some();
        style
    }

    fn add(&mut self, declarations: &str) {
        let declarations = without_comments(&declarations.to_ascii_lowercase());
        let pairs: Vec<(&str, &str)> = declarations
            .split(';')
            .filter_map(|one| one.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim().trim_end_matches("!important").trim()))
            .collect();
        let of = |wanted: &str| pairs.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        let is_nothing = |name: &str| of(name).is_some_and(is_zero);
        let clips = matches!(of("overflow"), Some("hidden" | "clip"));
        self.is_hidden |= of("display") == Some("none")
            || matches!(of("visibility"), Some("hidden" | "collapse"))
            || of("mso-hide") == Some("all")
            || is_nothing("opacity")
            || is_nothing("font-size")
            || of("color") == Some("transparent")
            || (clips && ["max-height", "height", "max-width", "width"].into_iter().any(is_nothing))
            || of("text-indent").is_some_and(is_far_out)
            || (matches!(of("position"), Some("absolute" | "fixed"))
                && ["left", "top", "right"].into_iter().any(|side| of(side).is_some_and(is_far_out)));
        if let Some(colour) = of("color") {
            self.colour = Colour::read(colour);
        }
        for name in ["background", "background-color"] {
            if let Some(colour) =
                of(name).and_then(|value| value.split_whitespace().next()).and_then(Colour::read)
            {
                self.background = Some(colour);
            } else if of(name).is_some_and(|value| value.contains("url(")) {
                // A picture may have any colour, so that nothing on it counts as unreadable.
                self.colour = None;
            }
        }
    }
}

fn number(value: &str) -> Option<f32> {
    let end =
        value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    value.get(..end)?.parse().ok()
}

fn is_zero(value: &str) -> bool {
    // A pixel or less of type is nothing that a person reads.
    number(value).is_some_and(|number| number.abs() < 0.05 || (value.ends_with("px") && number <= 1.0))
}

fn is_far_out(value: &str) -> bool {
    number(value).is_some_and(|number| number <= -500.0)
}

fn without_comments(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    out
}

/// Rules of a document's style sheets that set what is looked at here.
#[derive(Default)]
pub(super) struct Sheet {
    rules: Vec<(String, String)>,
}

/// Rules that are looked at; a mail has some dozens.
const RULES_MAX: usize = 500;

impl Sheet {
    pub(super) fn of(html: &str) -> Self {
        let mut sheet = Self::default();
        let mut rest = html;
        while let Some(at) = find_ignoring_case(rest, "<style") {
            let after = rest.get(at..).unwrap_or_default();
            let inside = after.split_once('>').map_or("", |(_, inside)| inside);
            let end = find_ignoring_case(inside, "</style").unwrap_or(inside.len());
            sheet.read(inside.get(..end).unwrap_or_default());
            rest = inside.get(end..).unwrap_or_default();
        }
        sheet
    }

    fn read(&mut self, css: &str) {
        let css = without_comments(css).replace("<!--", " ").replace("-->", " ");
        let mut rest = css.as_str();
        while let Some((selectors, after)) = rest.split_once('{') {
            if self.rules.len() >= RULES_MAX {
                return;
            }
            if selectors.trim_start().starts_with('@') {
                rest = after_block(after);
                continue;
            }
            let (declarations, after) = after.split_once('}').unwrap_or((after, ""));
            rest = after;
            for selector in selectors.split(',').map(str::trim) {
                let name = selector.trim_start_matches(['.', '#']);
                let is_simple =
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
                if is_simple && !name.is_empty() {
                    self.rules.push((selector.to_owned(), declarations.to_owned()));
                }
            }
        }
    }

    fn style_of(&self, tag: &Tag<'_>) -> Style {
        let mut style = Style::default();
        if self.rules.is_empty() {
            return style;
        }
        let class = tag.attribute("class").unwrap_or_default();
        let id = tag.attribute("id").unwrap_or_default();
        for (selector, declarations) in &self.rules {
            let fits = match selector.split_at_checked(1) {
                Some((".", name)) => class.split_whitespace().any(|one| one == name),
                Some(("#", name)) => id == name,
                _ => selector.eq_ignore_ascii_case(&tag.name),
            };
            if fits {
                style.add(declarations);
            }
        }
        style
    }
}

/// What follows a block with blocks inside.
fn after_block(text: &str) -> &str {
    let mut depth = 1_u32;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    let bytes = wanted.as_bytes();
    text.as_bytes().windows(bytes.len()).position(|window| window.eq_ignore_ascii_case(bytes))
}
