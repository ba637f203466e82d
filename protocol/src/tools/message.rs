//! A mail in a list, as `getEmails` and `searchEmails` show it.

use serde_json::Value;

use super::collection::{Field, Kind, person, shown};

/// What is asked of Graph for each mail.
pub(super) const FIELDS: &str = "id,subject,from,receivedDateTime,isRead,hasAttachments,bodyPreview";

const SHOWN: [Field; 6] = [
    ("id", "/id", Kind::Text),
    ("subject", "/subject", Kind::Text),
    ("receivedAt", "/receivedDateTime", Kind::Text),
    ("isRead", "/isRead", Kind::Flag),
    ("hasAttachments", "/hasAttachments", Kind::Flag),
    ("preview", "/bodyPreview", Kind::Text),
];

/// The mails of a page that have an identifier, at most `count`.
pub(super) fn list(items: &[Value], count: u64) -> Vec<Value> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    items
        .iter()
        .filter_map(|item| {
            let mut out = shown(item, &SHOWN);
            if let Some(from) = person(item.get("from")) {
                out.insert("from".to_owned(), from);
            }
            out.contains_key("id").then_some(Value::Object(out))
        })
        .take(count)
        .collect()
}
