//! Microsoft Graph's URLs and values: the one place where a path, a query or an OData literal is written.
//!
//! What holds here: whatever a person or a model supplied is either encoded so that it stays inside its place or
//! refused; no caller pastes text into a path. Identifiers keep their `=` padding, which Graph does not accept
//! encoded.

/// `Prefer` value that makes identifiers survive a move between folders.
pub const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";

/// `Prefer` value for bodies as plain text.
pub const TEXT_BODIES: &str = "outlook.body-content-type=\"text\"";

/// The extended property under which a mail carries the identifier of the request that sent it. The GUID is this
/// product's own namespace.
pub const OPERATION_PROPERTY: &str = "String {6d2a5f5e-93c1-4b0e-8f4e-2f6f0d3c7a11} Name M365McpOperation";

/// An identifier that cannot stand in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsafeIdentifier;

const IDENTIFIER_BYTES_MAX: usize = 1_024;

/// Encodes an identifier as one path segment.
///
/// # Errors
/// [`UnsafeIdentifier`] for an empty or overlong text, for `.` and `..`, and for `/`, `\`, `?`, `#`, `%` and control
/// characters, none of which occurs in an identifier of Graph. They are refused and not encoded, because a proxy on
/// the way may decode them again.
pub fn segment(identifier: &str) -> Result<String, UnsafeIdentifier> {
    let refused = |character: char| {
        character.is_control()
            || character.is_whitespace()
            || matches!(character, '/' | '\\' | '?' | '#' | '%')
    };
    if identifier.is_empty()
        || identifier.len() > IDENTIFIER_BYTES_MAX
        || identifier == "."
        || identifier == ".."
        || identifier.chars().any(refused)
    {
        return Err(UnsafeIdentifier);
    }
    Ok(percent_encode(identifier, b"-._~=!$'()*,;:@"))
}

/// A query string from names of ours and values of anyone's, beginning with `?`; empty without parameters.
#[must_use]
pub fn query(parameters: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (name, value) in parameters {
        out.push(if out.is_empty() { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        out.push_str(&percent_encode(value, b"-._~"));
    }
    out
}

/// A text as an OData string literal, its quotes doubled (OData 4.01 URL conventions, section 5.1.1.6.2).
#[must_use]
pub fn odata_text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Fields of an `application/x-www-form-urlencoded` body.
#[must_use]
pub fn form(fields: &[(&str, &str)]) -> String {
    let encoded: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name, b"-._~"), percent_encode(value, b"-._~")))
        .collect();
    encoded.join("&")
}

/// Percent-encodes everything but letters, digits and `unreserved` (RFC 3986, section 2.1).
fn percent_encode(text: &str, unreserved: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || unreserved.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::digest::to_hex(&[byte]).to_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_their_padding() {
        assert_eq!(segment("AAMkAGI1-_=="), Ok("AAMkAGI1-_==".into()));
        assert_eq!(segment("Ärger"), Ok("%C3%84rger".into()));
    }

    #[test]
    fn every_way_out_of_a_segment_is_refused() {
        let tricks = [
            "",
            ".",
            "..",
            "a/b",
            "x/../../../users?$top=1&a=",
            "a?b",
            "a#b",
            "a\\b",
            "a%2fb",
            "%2e%2e",
            "a b",
            "a\nb",
            "a\u{0}b",
        ];
        for trick in tricks {
            assert_eq!(segment(trick), Err(UnsafeIdentifier), "{trick:?}");
        }
        assert_eq!(segment(&"a".repeat(1_025)), Err(UnsafeIdentifier));
    }

    #[test]
    fn query_values_cannot_add_parameters() {
        assert_eq!(
            query(&[("$top", "5"), ("$filter", "subject eq 'a&b=c'")]),
            "?$top=5&$filter=subject%20eq%20%27a%26b%3Dc%27"
        );
        assert_eq!(query(&[]), "");
    }

    #[test]
    fn literals_and_forms_are_quoted() {
        assert_eq!(odata_text("O'Neil"), "'O''Neil'");
        assert_eq!(form(&[("code", "a+b&c"), ("x", "ü")]), "code=a%2Bb%26c&x=%C3%BC");
    }
}
