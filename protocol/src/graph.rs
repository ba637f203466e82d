//! Microsoft Graph's URLs and values: the one place where a path, a query or an OData literal is written.
//!
//! What holds here: whatever a person or a model supplied is either encoded so that it stays inside its place or
//! refused; no caller pastes text into a path. Identifiers keep their `=` padding, which Graph does not accept
//! encoded.

/// `Prefer` value that makes identifiers survive a move between folders.
pub const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";

/// `Prefer` value for the times of events in UTC, from which every other zone is computed.
pub const UTC_TIMES: &str = "outlook.timezone=\"UTC\"";

/// The header without which the directory refuses to search ("Advanced query capabilities on directory objects").
pub const EVENTUAL: (&str, &str) = ("consistencylevel", "eventual");

/// Where several calls go in one ("Combine multiple HTTP requests using JSON batching").
pub const BATCH: &str = "/$batch";

/// The extended property under which a mail or an event carries the identifier of the request that made it. The GUID is this
/// product's own namespace.
pub const OPERATION_PROPERTY: &str = "String {6d2a5f5e-93c1-4b0e-8f4e-2f6f0d3c7a11} Name M365McpOperation";

/// The segments of paths that are Graph's own words: the only ones that [`route`] repeats.
const WORDS: [&str; 57] = [
    "$batch",
    "accept",
    "attachments",
    "calendar",
    "calendarView",
    "calendars",
    "cancel",
    "channels",
    "chats",
    "childFolders",
    "children",
    "contacts",
    "content",
    "createForward",
    "createLink",
    "createOrGet",
    "createReply",
    "createReplyAll",
    "createUploadSession",
    "decline",
    "directReports",
    "drive",
    "drives",
    "events",
    "findMeetingTimes",
    "forward",
    "getMailTips",
    "getSchedule",
    "items",
    "joinedTeams",
    "lists",
    "mailFolders",
    "mailboxSettings",
    "me",
    "members",
    "messages",
    "microsoft.graph.room",
    "move",
    "onlineMeetings",
    "people",
    "places",
    "query",
    "replies",
    "reply",
    "replyAll",
    "revokeSignInSessions",
    "root",
    "search",
    "send",
    "sendMail",
    "sites",
    "subscriptions",
    "tasks",
    "teams",
    "tentativelyAccept",
    "todo",
    "users",
];

/// An identifier that cannot stand in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsafeIdentifier;

const IDENTIFIER_BYTES_MAX: usize = 1_024;

/// Encodes an identifier as one path segment.
///
/// # Errors
/// [`UnsafeIdentifier`] for an empty or overlong text, for `.` and `..`, for `/`, `\`, `?`, `#`, `%` and control
/// characters, and for `$`, quotes and brackets, by which OData names functions and keys inside of a segment. None of
/// them occurs in an identifier of Graph. They are refused and not encoded, because a proxy on the way may decode them
/// again.
pub fn segment(identifier: &str) -> Result<String, UnsafeIdentifier> {
    let refused = |character: char| {
        character.is_control()
            || character.is_whitespace()
            || matches!(character, '/' | '\\' | '?' | '#' | '%' | '$' | '\'' | '"' | '(' | ')')
    };
    if identifier.is_empty()
        || identifier.len() > IDENTIFIER_BYTES_MAX
        || identifier == "."
        || identifier == ".."
        || identifier.chars().any(refused)
    {
        return Err(UnsafeIdentifier);
    }
    Ok(percent_encode(identifier, b"-._~=!*,;:@"))
}

/// Encodes the name of a file as one path segment, in which it may stand between colons.
///
/// # Errors
/// [`UnsafeIdentifier`] for what SharePoint refuses ("Restrictions and limitations in OneDrive and SharePoint"), and for
/// `%` and `#`, which a proxy on the way might decode.
pub fn file_name(name: &str) -> Result<String, UnsafeIdentifier> {
    const NAME_CHARS_MAX: usize = 255;
    let refused = |character: char| character.is_control() || "\"*:<>?/\\|%#".contains(character);
    let is_refused = name.trim() != name
        || name.is_empty()
        || name.ends_with('.')
        || name.chars().count() > NAME_CHARS_MAX
        || name.chars().any(refused);
    if is_refused { Err(UnsafeIdentifier) } else { Ok(percent_encode(name, b"-._~")) }
}

/// The template of a path, for logs: Graph's own words as they are, `{}` for every other segment, and no query. Identifiers,
/// addresses, names of folders and of files are other segments.
#[must_use]
pub fn route(path: &str) -> String {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').skip(1).fold(String::new(), |route, segment| {
        route + "/" + if WORDS.binary_search(&segment).is_ok() { segment } else { "{}" }
    })
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

/// A text as one side of a `$search`: in double quotes, with those inside and the backslash escaped. The result still has
/// to pass through [`query`].
#[must_use]
pub fn search_text(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        // A line break or a null would end the clause early in some parsers and means nothing in a search.
        out.push(if character.is_control() { ' ' } else { character });
    }
    out.push('"');
    out
}

/// The path of a `@odata.nextLink` to go on with, if it continues `path`.
///
/// The link comes from outside, so only its query is taken over: host and version stay ours, and a link to another
/// resource is not followed at all.
#[must_use]
pub fn continuation(path: &str, next_link: &str) -> Option<String> {
    const LINK_BYTES_MAX: usize = 8 * 1024;
    let ours = path.split('?').next()?;
    let (_, rest) = next_link.split_once("://")?;
    let (theirs, parameters) = rest.split_once('?')?;
    let (_, theirs) = ["/v1.0/", "/beta/"].iter().find_map(|version| theirs.split_once(version))?;
    // Graph encodes what may stand in a segment as it is: the padding of an identifier, and the signs in those of Teams.
    let plain = |text: &str| {
        let pairs = [("%3D", "="), ("%3d", "="), ("%3A", ":"), ("%3a", ":"), ("%40", "@")];
        pairs.iter().fold(text.to_owned(), |text, (encoded, sign)| text.replace(encoded, sign))
    };
    let is_same = plain(theirs) == plain(ours.strip_prefix('/')?);
    let is_query = next_link.len() <= LINK_BYTES_MAX
        && parameters.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\');
    (is_same && is_query).then(|| format!("{ours}?{parameters}"))
}

/// The path of a page of a list, whose first page is at `path`, from the query that [`continuation`] took over earlier.
#[must_use]
pub fn resumed(path: &str, page: &str) -> String {
    let resource = path.split('?').next().unwrap_or_default();
    format!("{resource}?{page}")
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
pub(crate) fn percent_encode(text: &str, unreserved: &[u8]) -> String {
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
    fn a_route_says_what_was_asked_and_never_of_what_or_whom() {
        assert!(WORDS.is_sorted());
        for (path, template) in [
            ("/me/messages?$search=%22secret%22", "/me/messages"),
            ("/me/messages/AAMkAGI1-_==/move", "/me/messages/{}/move"),
            ("/users/ada%40contoso.example/sendMail", "/users/{}/sendMail"),
            ("/me/mailFolders/Clients/messages", "/me/mailFolders/{}/messages"),
            (
                "/drives/b!D/items/root:/salaries.xlsx:/createUploadSession",
                "/drives/{}/items/{}/{}/createUploadSession",
            ),
            (
                "/teams/t/channels/19:x@thread.tacv2/messages/17/replies",
                "/teams/{}/channels/{}/messages/{}/replies",
            ),
            (BATCH, BATCH),
        ] {
            assert_eq!(route(path), template);
        }
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
            "$value",
            "delta()",
            "('x')",
        ];
        for trick in tricks {
            assert_eq!(segment(trick), Err(UnsafeIdentifier), "{trick:?}");
        }
        assert_eq!(segment(&"a".repeat(1_025)), Err(UnsafeIdentifier));
    }

    #[test]
    fn the_name_of_a_file_stays_one_name() {
        assert_eq!(file_name("Q3 (final) é.txt").as_deref(), Ok("Q3%20%28final%29%20%C3%A9.txt"));
        for bad in ["", ".", "..", "a/b", "a\\b", "a:b", " a", "a.", "a%2fb", "a#b", "a?b", "a\nb"] {
            assert_eq!(file_name(bad), Err(UnsafeIdentifier), "{bad:?}");
        }
        assert!(file_name(&"a".repeat(256)).is_err());
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
    fn a_search_cannot_leave_its_quotes() {
        assert_eq!(search_text(r#"a"b\c"#), r#""a\"b\\c""#);
        assert_eq!(
            query(&[("$search", &search_text("x\" &$top=9"))]),
            "?$search=%22x%5C%22%20%26%24top%3D9%22"
        );
        assert_eq!(search_text("a\nb"), "\"a b\"");
    }

    #[test]
    fn only_the_same_list_is_continued_and_only_here() {
        let path = "/me/calendars/AA=/calendarView?$top=5";
        let link = |link: &str| continuation(path, link);
        let right = "https://graph.microsoft.com/v1.0/me/calendars/AA%3d/calendarView?$top=5&$skip=5";
        assert_eq!(link(right).as_deref(), Some("/me/calendars/AA=/calendarView?$top=5&$skip=5"));
        // Whatever host the link names, the call goes where all calls go.
        assert!(link("https://evil.example/v1.0/me/calendars/AA=/calendarView?$skip=5").is_some());
        for bad in [
            "https://graph.microsoft.com/v1.0/me/messages?$skip=5",
            "https://graph.microsoft.com/v1.0/me/calendars/AA=/calendarView/../../../users?$skip=5",
            "https://graph.microsoft.com/v1.0/me/calendars/AA=/calendarView",
            "https://graph.microsoft.com/v1.0/me/calendars/AA=/calendarView?$skip=5#x",
            "https://graph.microsoft.com/v1.0/me/calendars/AA=/calendarView?$skip=5 HTTP/1.1\r\nx: y",
            "/me/calendars/AA=/calendarView?$skip=5",
            "",
        ] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }

    #[test]
    fn literals_and_forms_are_quoted() {
        assert_eq!(odata_text("O'Neil"), "'O''Neil'");
        assert_eq!(form(&[("code", "a+b&c"), ("x", "ü")]), "code=a%2Bb%26c&x=%C3%BC");
    }
}
