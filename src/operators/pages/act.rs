//! The question before an action, and what became of it.
//!
//! What holds here: the question is answered by a form with a confirmation that was made for this action, this person and
//! this operator; the way back is a link, so that leaving does nothing.

use protocol::ids::UserKey;
use protocol::operator::Action;
use protocol::operator::view::Acted;

use super::frame::{Frame, Viewer};
use super::html::{Tone, short};
use super::{links, words};
use crate::reply::Reply;

/// Asks whether an action should be done. `client` is the name of the client that it is about, `confirmation` what the form
/// brings back.
#[must_use]
pub fn confirm(
    viewer: &Viewer<'_>,
    user: &UserKey,
    action: Action,
    client: Option<&str>,
    confirmation: &str,
) -> Reply {
    let title = format!("{}?", words::action(action));
    let frame = Frame { status: 200, title: &title, within: links::PEOPLE, above: &above(user) };
    frame.around(viewer, |html| {
        html.banner(if words::is_grave(action) { Tone::Bad } else { Tone::Warn });
        html.raw(action.consequence()).raw("</p><dl class=\"facts card\">");
        html.fact("Person").code(&user.to_string()).end_fact();
        if let Some(client) = client {
            html.fact("Client").text(client).end_fact();
        }
        if let Action::RevokeClient { grant } = action {
            html.fact("Grant").code(&grant.to_string()).end_fact();
        }
        html.fact("Written down as").text(viewer.operator.unwrap_or("nobody")).end_fact().raw("</dl>");
        html.raw("<form method=\"post\" action=\"").plain(&links::action(user, action));
        html.raw("\"><input type=\"hidden\" name=\"confirmation\" value=\"").plain(confirmation);
        html.raw("\"><div class=\"row\"><button").raw(if words::is_grave(action) {
            " class=\"bad\">"
        } else {
            ">"
        });
        html.raw(words::action(action))
            .raw("</button><a class=\"button quiet\" href=\"")
            .plain(&links::person(user));
        html.raw("\">Cancel</a></div></form>");
    })
}

/// What became of an action.
#[must_use]
pub fn done(viewer: &Viewer<'_>, user: &UserKey, acted: &Acted) -> Reply {
    let title = if acted.changed { "Done" } else { "It was so already" };
    let frame = Frame { status: 200, title, within: links::PEOPLE, above: &above(user) };
    frame.around(viewer, |html| {
        html.banner(if acted.changed { Tone::Good } else { Tone::Quiet }).text(&acted.detail).raw("</p>");
        html.raw("<dl class=\"facts card\">").fact("Action").code(&acted.action).end_fact();
        html.fact("Person").code(&user.to_string()).end_fact();
        if let Some(request) = &acted.request {
            html.fact("Goes on as").link(&links::request(request), &request.to_string()).end_fact();
        }
        html.raw("</dl><div class=\"row\"><a class=\"button\" href=\"").plain(&links::person(user));
        html.raw("\">Back to the person</a><a class=\"button quiet\" href=\"")
            .plain(&links::trail(None, Some(*user)));
        html.raw("\">What operators did here</a></div>");
    })
}

fn above(user: &UserKey) -> [(String, String); 2] {
    [
        (links::PEOPLE.to_owned(), "People".to_owned()),
        (links::person(user), format!("Person {}", short(user))),
    ]
}
