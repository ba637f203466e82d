//! How much an answer may hold, and how it goes on where it was cut.
//!
//! What holds here: an answer is cut between two items and never silently; the place where it was cut is a plain
//! [`Continuation`] for the tools, which the object seals into a cursor (`cursor`).

use compute::json;
use serde_json::Value;

use super::Surroundings;
use super::arguments::Arguments;
use super::collection::Page;
use super::error::ToolError;
use super::mailbox_zone;
use crate::graph::resumed;
use crate::limits::{ANSWER_TOKENS_DEFAULT, ANSWER_TOKENS_MAX, ANSWER_TOKENS_MIN, BYTES_PER_TOKEN};
use crate::text::cut;

/// What belongs to a query and not to what is asked: how much of it is shown, from where on, and under which name.
pub const OUTSIDE_OF_QUERY: [&str; 3] = ["cursor", "maxTokens", "idempotencyKey"];

/// Where an answer goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Continuation {
    /// The digest of the tool and its arguments, for which alone the continuation counts.
    pub query: [u8; 32],
    /// The query of Graph's page, as Graph named it; empty for the first one.
    pub page: String,
    /// What of the page was shown: items, or bytes of a text.
    pub offset: u64,
}

/// The room in one answer, and what was left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    query: [u8; 32],
    bytes: usize,
    used: usize,
    /// From where on.
    pub from: Continuation,
}

/// What stands around the items of an answer: the two marks with their sentence (some 200 bytes), members such as a
/// range in two zones (some 250), and the cursor, which carries the query of a page (up to some 450).
const FRAME_BYTES: usize = 1_000;

/// Bytes of a text that are shown in any case.
const LEAST: usize = 200;

impl Budget {
    /// Reads `maxTokens`, and takes over the continuation that `cursor` stands for.
    pub(super) fn read(arguments: &Arguments<'_>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        Self::read_or(arguments, around, ANSWER_TOKENS_DEFAULT)
    }

    /// The same, for answers that are usually of another length.
    pub(super) fn read_or(
        arguments: &Arguments<'_>,
        around: Surroundings<'_>,
        usual: u64,
    ) -> Result<Self, ToolError> {
        let range = ANSWER_TOKENS_MIN..=ANSWER_TOKENS_MAX;
        let tokens = arguments.integer("maxTokens", range, usual)?;
        let bytes = usize::try_from(tokens).unwrap_or(usize::MAX).saturating_mul(BYTES_PER_TOKEN);
        let from = around.resume.cloned().unwrap_or_default();
        Ok(Self { query: around.query, bytes, used: FRAME_BYTES, from })
    }

    /// The path to begin at: the first page, or the one that the cursor names.
    pub(super) fn path(&self, first: String) -> String {
        if self.from.page.is_empty() { first } else { resumed(&first, &self.from.page) }
    }

    /// Whether an item still fits. The first one always does, so that every answer brings the reader on.
    pub(super) fn admits(&mut self, item: &Value, is_first: bool) -> bool {
        let bytes = shown_bytes(item) + 1;
        let fits = is_first || self.used + bytes <= self.bytes;
        if fits {
            self.used += bytes;
        }
        fits
    }

    /// The items of a page that fit, as they are shown, and where the list goes on. `is_first` says that nothing is shown
    /// before them.
    pub(super) fn page(
        &mut self,
        page: &Page,
        path: &str,
        shown: impl Fn(&Value) -> Option<Value>,
        is_first: bool,
    ) -> (Vec<Value>, Option<Continuation>) {
        let skipped = usize::try_from(self.from.offset).unwrap_or(usize::MAX);
        let mut items: Vec<Value> = Vec::new();
        for (at, item) in page.value.iter().enumerate().skip(skipped) {
            let Some(item) = shown(item) else { continue };
            if !self.admits(&item, is_first && items.is_empty()) {
                return (items, Some(self.goes_on(path, u64::try_from(at).unwrap_or_default())));
            }
            items.push(item);
        }
        (items, page.next(path).map(|next| self.goes_on(&next, 0)))
    }

    /// Bytes that are left.
    pub(super) const fn left(&self) -> usize {
        self.bytes.saturating_sub(self.used)
    }

    /// Where to go on: `path` is that of the page, of which `offset` was shown.
    pub(super) fn goes_on(&self, path: &str, offset: u64) -> Continuation {
        let page = path.split_once('?').map(|(_, query)| query.to_owned()).unwrap_or_default();
        Continuation { query: self.query, page, offset }
    }
}

/// Bytes of an item as it leaves: its times are then said in the mailbox's zone too.
pub(super) fn shown_bytes(item: &Value) -> usize {
    json::text_bytes(item) + mailbox_zone::local_bytes(item)
}

/// As much of base64 as fits. Nothing in it would be escaped, and each part is whole base64 by itself.
pub(super) fn fitting_base64(text: &str, bytes: usize) -> &str {
    cut(text, bytes.max(LEAST) / 4 * 4)
}

/// As much of a text as fits when it is written as JSON, cut at the end of a line where one is near. Something always
/// fits, so that every answer brings the reader on.
pub(super) fn fitting(text: &str, bytes: usize) -> &str {
    let bytes = bytes.max(LEAST);
    let mut part = cut(text, bytes);
    while part.len() > LEAST && json::string_bytes(part) > bytes {
        part = cut(part, part.len() * 9 / 10);
    }
    if part.len() == text.len() {
        return part;
    }
    match part.rfind('\n') {
        Some(end) if end > part.len() / 2 => text.get(..=end).unwrap_or(part),
        _ => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::query;
    use crate::ids::UserKey;
    use crate::seal::KeyRing;
    use crate::time::UnixMs;
    use crate::tools::Tool;
    use crate::tools::cursor::seal;
    use crate::tools::testing::around;
    use crate::tools::untrusted::fence;
    use serde_json::{Map, json};

    fn budget(arguments: Value) -> Result<Budget, ToolError> {
        let values: Map<String, Value> = arguments.as_object().cloned().unwrap();
        let arguments = Arguments::of(Tool::GetEmails, &values, &["maxTokens"]).unwrap();
        Budget::read(&arguments, around(&[]))
    }

    #[test]
    fn items_fit_until_the_room_is_used_up_and_the_first_always() {
        let mut budget = budget(json!({"maxTokens": 500})).unwrap();
        assert!(budget.admits(&json!("x".repeat(10_000)), true));
        assert!(!budget.admits(&json!("y"), false));
        assert!(self::budget(json!({"maxTokens": 100})).is_err());
        assert!(self::budget(json!({"maxTokens": 1_000_000})).is_err());
    }

    #[test]
    fn a_text_fits_as_it_is_written_and_not_as_it_is_read() {
        let text = "a \"quoted\" line\r\n".repeat(500);
        let part = fitting(&text, 2_000);
        let written = serde_json::to_string(part).unwrap().len();
        assert!((1_000..=2_002).contains(&written), "{written}");
        assert!(text.starts_with(part) && part.ends_with('\n'));
        assert_eq!(fitting("short", 0), "short");
        assert_eq!(fitting_base64(&"A".repeat(5_000), 1_602).len(), 1_600);
    }

    #[test]
    fn what_stands_around_the_items_has_its_room() {
        let keys = KeyRing::parse(&"2b".repeat(32)).unwrap();
        let at = "2026-01-31T14:30:00+01:00";
        // A view of a calendar asks for the most: a range and some 140 characters of names.
        let names = "displayName,".repeat(12);
        let range = [("startDateTime", at), ("endDateTime", at)];
        let asked =
            [range.as_slice(), &[("$select", names.as_str()), ("$top", "100"), ("$skip", "100")]].concat();
        let place = Continuation { query: [1; 32], page: query(&asked), offset: 99 };
        let cursor = seal(&keys, UserKey::from_bytes([1; 16]), &place, UnixMs(1 << 40), [7; 12]).unwrap();
        let (moment, provenance) = (json!({"local": at, "utc": at}), "events, written by their organisers");
        let frame = json!({
            "events": [], "more": true, "nextCursor": cursor, "range": {"start": moment, "end": moment},
            "timeZone": "America/Argentina/Buenos_Aires", "truncated": true, "untrusted": provenance,
        });
        let (begin, end) = fence([0xab; 8], provenance);
        let bytes = begin.len() + frame.to_string().len() + end.len();
        assert!((FRAME_BYTES - 200..=FRAME_BYTES).contains(&bytes), "{bytes}");
    }

    #[test]
    fn a_place_is_a_page_and_an_offset() {
        let budget = budget(json!({})).unwrap();
        let place = budget.goes_on("/me/messages?$top=5&$skip=5", 3);
        assert_eq!((place.page.as_str(), place.offset), ("$top=5&$skip=5", 3));
        let resumed = Budget { from: place, ..budget };
        assert_eq!(resumed.path("/me/messages?$top=5".to_owned()), "/me/messages?$top=5&$skip=5");
    }
}
