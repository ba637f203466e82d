//! Signing in where no Access stands in front of the console.
//!
//! What holds here: a credential is typed as a password is, sent by POST, and never shown again.

use super::frame::{Frame, Viewer};
use super::html::Tone;
use super::links;
use crate::reply::Reply;

/// The page `/ops/sign-in`. `command` makes a credential; `refused` says why the last one was not taken.
#[must_use]
pub fn sign_in(viewer: &Viewer<'_>, command: &str, refused: Option<&str>) -> Reply {
    let status = if refused.is_some() { 401 } else { 200 };
    let frame = Frame { status, title: "Sign in as an operator", within: links::SIGN_IN, above: &[] };
    let viewer = Viewer { operator: None, ..*viewer };
    frame.around(&viewer, |html| {
        if let Some(reason) = refused {
            html.raw("<div role=\"alert\">").banner(Tone::Bad).plain(reason).raw("</p></div>");
        }
        html.raw("<form method=\"post\" action=\"").raw(links::SIGN_IN);
        html.raw("\"><div class=\"field wide\"><label for=\"credential\">Operator's credential</label>\
                  <input id=\"credential\" name=\"credential\" type=\"password\" required autocomplete=\"off\" \
                  autocapitalize=\"off\" spellcheck=\"false\"></div><div class=\"row\"><button>Sign in</button></div></form>");
        html.raw("<h2>How to get one</h2><p>Whoever holds this server's encryption key makes a credential, which ends by \
                  itself, on their own computer:</p><p class=\"card\">");
        html.code(command).raw("</p><p>The name in it is what the audit trail calls you. To let people in by name without \
                               credentials, put Cloudflare Access in front of this path.</p>");
    })
}
