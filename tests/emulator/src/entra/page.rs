//! The sign-in page: one button per demo person, readable on a phone and by a screen reader. No script,
//! no outside resource; nothing from the request may get onto the page unescaped.

use crate::tenant::Directory;
use crate::wire::{Reply, html_escape};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f3f4f6;color:#111827}\
main{max-width:26rem;margin:8vh auto;padding:1.5rem;background:#fff;border:1px solid #d1d5db;border-radius:.5rem}\
h1{font-size:1.25rem;margin:0 0 .75rem}button{display:block;width:100%;padding:.7rem 1rem;margin:.5rem 0;\
text-align:left;font:inherit;color:#111827;background:#fff;border:1px solid #6b7280;border-radius:.4rem;cursor:pointer}\
button:hover,button:focus-visible{background:#e0e7ff;outline:2px solid #3730a3}button small{display:block;color:#4b5563}\
.quiet{border-color:transparent;color:#3730a3;text-align:center}p{overflow-wrap:anywhere}";

/// A whole page.
pub fn document(status: u16, title: &str, content: &str) -> Reply {
    let title = html_escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main><h1>{title}</h1>{content}</main></body></html>"
    );
    Reply::text(status, "text/html; charset=utf-8", html)
        .with("cache-control", "no-store")
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
}

/// The account picker; `query` is the authorize request, carried through the form unchanged.
pub fn picker(directory: Directory, (action, query): (&str, &str), application: &str) -> Reply {
    let request = html_escape(query);
    let mut buttons = String::new();
    for user in directory.people() {
        buttons.push_str(&format!(
            "<button type=\"submit\" name=\"user\" value=\"{0}\">{1}<small>{0}</small></button>",
            html_escape(user.address),
            html_escape(user.display_name)
        ));
    }
    let content = format!(
        "<p>This is the emulated Microsoft sign-in. Pick a demo account to continue to <strong>{}</strong>.</p>\
         <form method=\"post\" action=\"{}\"><input type=\"hidden\" name=\"request\" value=\"{request}\">{buttons}\
         <button class=\"quiet\" type=\"submit\" name=\"user\" value=\"\">Cancel</button></form>",
        html_escape(application),
        html_escape(action)
    );
    document(200, "Pick an account", &content)
}
