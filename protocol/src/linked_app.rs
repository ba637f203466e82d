//! Linked apps: internal applications that operators list, and that a tool calls as the person.
//!
//! What holds here: nothing that a model or a person says changes scheme, host or port of a call, or leaves the paths that
//! operators allowed. Paths are compared by whole segments, and whatever somebody on the way may read in another way
//! (encoded, dotted, doubled) is refused and never encoded. A setting is complete or refused as a whole, and a refusal
//! says which item and which member is wrong and never repeats a value.

use serde::Deserialize;

use crate::config::is_base_url;
use crate::graph::form;
use crate::limits::{
    LINKED_APP_DESCRIPTION_CHARS_MAX, LINKED_APP_NAME_BYTES_MAX, LINKED_APP_PATH_BYTES_MAX,
    LINKED_APP_PATHS_MAX, LINKED_APP_QUERY_BYTES_MAX, LINKED_APPS_MAX,
};
use crate::outbound::Method;

/// An application that the tool may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedApp {
    /// The name by which clients choose it.
    pub name: String,
    /// What it is for, in words for the model.
    pub description: String,
    /// The methods that are allowed.
    pub methods: Vec<Method>,
    /// The paths below which everything is allowed, without a slash at the end.
    pub paths: Vec<String>,
    base_url: String,
}

/// One call to a linked app, before a credential is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCall {
    /// The application's name.
    pub app: String,
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: String,
    /// The JSON body.
    pub body: Option<String>,
}

impl AppCall {
    /// Whether it can have an effect, so that it must not be sent a second time.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.method != Method::Get
    }

    /// Bytes that the call holds while it waits.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.url.len() + self.body.as_ref().map_or(0, String::len)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Item {
    name: String,
    base_url: String,
    paths: Vec<String>,
    methods: Vec<String>,
    description: String,
}

/// Reads the setting.
///
/// # Errors
/// What is wrong with it, by the number of the item and the name of the member.
pub fn parse(text: &str) -> Result<Vec<LinkedApp>, String> {
    const SHAPE: &str = "must be a JSON list of objects with the members `name`, `baseUrl`, `paths` (a list), `methods` (a \
         list) and `description`, and no others";
    let items: Vec<Item> = serde_json::from_str(text).map_err(|_| SHAPE.to_owned())?;
    if items.is_empty() || items.len() > LINKED_APPS_MAX {
        return Err(format!("must list 1 to {LINKED_APPS_MAX} applications"));
    }
    let mut apps: Vec<LinkedApp> = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        let wrong = |(member, expected): (&str, String)| format!("item {}: `{member}` {expected}", index + 1);
        let app = read_item(item).map_err(wrong)?;
        if apps.iter().any(|other| other.name == app.name) {
            return Err(wrong(("name", "is that of an earlier item".to_owned())));
        }
        apps.push(app);
    }
    Ok(apps)
}

fn read_item(item: Item) -> Result<LinkedApp, (&'static str, String)> {
    let is_name = (1..=LINKED_APP_NAME_BYTES_MAX).contains(&item.name.len())
        && item.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_name {
        let expected = format!("must be 1 to {LINKED_APP_NAME_BYTES_MAX} lower-case letters, digits or `-`");
        return Err(("name", expected));
    }
    let base_url = item.base_url.trim_end_matches('/').to_owned();
    let path = base_url.splitn(4, '/').nth(3).map_or(String::new(), |path| format!("/{path}"));
    if !is_base_url(&base_url) || !(path.is_empty() || is_plain_path(&path)) {
        let expected =
            "must be an https URL (http for a loopback address) of a host, with a plain path at most";
        return Err(("baseUrl", expected.to_owned()));
    }
    let paths: Vec<String> = item.paths.iter().map(|path| path.trim_end_matches('/').to_owned()).collect();
    let is_prefix = |(path, given): (&String, &String)| {
        given.starts_with('/') && (path.is_empty() || is_plain_path(path)) && !given.ends_with("//")
    };
    let is_bounded = (1..=LINKED_APP_PATHS_MAX).contains(&paths.len());
    if !is_bounded || !paths.iter().zip(&item.paths).all(is_prefix) {
        let expected = format!(
            "must be 1 to {LINKED_APP_PATHS_MAX} paths that begin with a slash, of letters, digits and -._~!*,:@=+&"
        );
        return Err(("paths", expected));
    }
    let methods: Option<Vec<Method>> = item.methods.iter().map(|name| Method::from_wire(name)).collect();
    let Some(methods) = methods.filter(|methods| !methods.is_empty()) else {
        return Err((
            "methods",
            "must be a list of GET, POST, PUT, PATCH and DELETE, one at least".to_owned(),
        ));
    };
    let description = item.description.trim().to_owned();
    let is_readable = !description.is_empty()
        && description.chars().count() <= LINKED_APP_DESCRIPTION_CHARS_MAX
        && !description.chars().any(char::is_control);
    if !is_readable {
        let expected = format!("must be one line of 1 to {LINKED_APP_DESCRIPTION_CHARS_MAX} characters");
        return Err(("description", expected));
    }
    Ok(LinkedApp { name: item.name, description, methods, paths, base_url })
}

impl LinkedApp {
    /// The URL of a path below the base, with a query.
    ///
    /// # Errors
    /// What the path or the query must be instead.
    pub fn url(&self, path: &str, query: &[(&str, &str)]) -> Result<String, String> {
        if !is_plain_path(path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path))
            && path != "/"
        {
            return Err("a path such as /orders/17: it begins with a slash and has segments of letters, digits and \
                        -._~!*,:@=+&, none of them empty, `.` or `..`; nothing is encoded, and a query stands in \
                        the argument `query`"
                .to_owned());
        }
        let is_below = |prefix: &String| {
            path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if !self.paths.iter().any(is_below) {
            let allowed: Vec<&str> =
                self.paths.iter().map(|path| if path.is_empty() { "/" } else { path }).collect();
            return Err(format!("below one of the paths that are allowed: {}", allowed.join(", ")));
        }
        let query = form(query);
        if query.len() > LINKED_APP_QUERY_BYTES_MAX {
            return Err(format!("shorter: with its query it may have {LINKED_APP_QUERY_BYTES_MAX} bytes"));
        }
        let separator = if query.is_empty() { "" } else { "?" };
        Ok(format!("{}{path}{separator}{query}", self.base_url))
    }
}

/// Whether a path means the same to everybody who reads it. `%` and `\` are refused because somebody may decode or turn
/// them, `;` because some servers cut segments there, everything beyond ASCII because some fold it into ASCII.
fn is_plain_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!*,:@=+&".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    path.len() <= LINKED_APP_PATH_BYTES_MAX
        && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_segment))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn item() -> Value {
        json!({
            "name": "orders", "baseUrl": "https://orders.corp.example/v2/", "paths": ["/api/orders/", "/status"],
            "methods": ["GET", "POST"], "description": "Orders of customers.",
        })
    }

    fn app() -> LinkedApp {
        parse(&json!([item()]).to_string()).unwrap().remove(0)
    }

    #[test]
    fn a_setting_is_read_as_a_whole_or_refused_by_item_and_member() {
        assert_eq!(app().paths, ["/api/orders", "/status"]);
        let long = "x".repeat(5_000);
        for (member, value) in [
            ("name", json!("")),
            ("name", json!("Orders")),
            ("name", json!("a b")),
            ("name", json!(long)),
            ("baseUrl", json!("http://orders.corp.example")),
            ("baseUrl", json!("https://user@orders.corp.example")),
            ("baseUrl", json!("https://orders.corp.example/?q=1")),
            ("baseUrl", json!("https://orders.corp.example/a/../b")),
            ("baseUrl", json!("https://orders.corp.example/a%2fb")),
            ("baseUrl", json!("ftp://orders.corp.example")),
            ("paths", json!([])),
            ("paths", json!(["api"])),
            ("paths", json!(["/api/../admin"])),
            ("paths", json!(["/api//x"])),
            ("paths", json!(["//"])),
            ("paths", json!(["/a%2e"])),
            ("paths", json!([""])),
            ("paths", json!(vec!["/a"; 17])),
            ("methods", json!([])),
            ("methods", json!(["TRACE"])),
            ("methods", json!(["get"])),
            ("description", json!("  ")),
            ("description", json!("two\nlines")),
            ("description", json!(long)),
        ] {
            let mut wrong = item();
            wrong[member] = value;
            let reason = parse(&json!([item_named("first"), wrong]).to_string()).unwrap_err();
            assert!(reason.starts_with(&format!("item 2: `{member}`")), "{reason}");
            assert!(!reason.contains("xxx"), "{reason}");
        }
        for text in [
            "",
            "{}",
            "[]",
            "[{}]",
            "[1]",
            &format!("[{},{{}}]", item()),
            &json!(vec![item(); 17]).to_string(),
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&json!([item(), item()]).to_string()).unwrap_err().starts_with("item 2: `name`"));
        let mut surplus = item();
        surplus["headers"] = json!({});
        assert!(parse(&json!([surplus]).to_string()).is_err());
    }

    fn item_named(name: &str) -> Value {
        let mut item = item();
        item["name"] = name.into();
        item
    }

    #[test]
    fn a_call_stays_below_the_allowed_paths() {
        let app = app();
        let url = |path: &str| app.url(path, &[]);
        assert_eq!(url("/api/orders").unwrap(), "https://orders.corp.example/v2/api/orders");
        assert_eq!(url("/api/orders/").unwrap(), "https://orders.corp.example/v2/api/orders/");
        assert_eq!(
            url("/api/orders/17:approve").unwrap(),
            "https://orders.corp.example/v2/api/orders/17:approve"
        );
        assert_eq!(
            app.url("/status", &[("q", "a&b=c#d"), ("n&", "1")]).unwrap(),
            "https://orders.corp.example/v2/status?q=a%26b%3Dc%23d&n%26=1"
        );
        for path in [
            "",
            "/",
            "//",
            "api/orders",
            "/api",
            "/api/ordersx",
            "/API/orders",
            "/statusx",
            "//evil.example/api/orders",
            "/api/orders/..",
            "/api/orders/../../admin",
            "/api/orders/.",
            "/api/orders/./x",
            "/api/orders//x",
            "/api/orders//",
            "/api/orders/%2e%2e/admin",
            "/api/orders/%2E%2E",
            "/api/orders/..%2fadmin",
            "/api/orders/%252e%252e/",
            "/api/orders\\..\\admin",
            "/api/orders/..;/admin",
            "/api/orders;x",
            "/api/orders?x=1",
            "/api/orders#x",
            "/api/orders/x y",
            "/api/orders/\u{ff0e}\u{ff0e}/x",
            "/api/orders/ä",
            "/api/orders/\r\nHost: evil.example",
            "/api/orders/\0",
            "@evil.example/api/orders",
            "https://evil.example/api/orders",
            "/api/orders/'",
            "/api/orders/<x>",
        ] {
            assert!(url(path).is_err(), "{path:?}");
        }
        assert!(url(&format!("/status/{}", "x".repeat(1_024))).is_err());
        assert!(app.url("/status", &[("q", &"x".repeat(5_000))]).is_err());
        let everything = LinkedApp { paths: vec![String::new()], ..app.clone() };
        assert!(everything.url("/anything", &[]).is_ok() && everything.url("/", &[]).is_ok());
        assert!(everything.url("//evil.example", &[]).is_err() && everything.url("/..", &[]).is_err());
    }
}
