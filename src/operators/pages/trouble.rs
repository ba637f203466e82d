//! Pages for what did not work.
//!
//! What holds here: a page says whose fault it is and what to do, and repeats nothing that was asked for.

use super::frame::{Frame, Viewer};
use super::{links, people};
use crate::reply::Reply;

/// What did not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such page, person or request.
    NotFound,
    /// A search found nobody.
    NothingFound,
    /// What was searched for is no user key, no beginning of one, no address and no request ID.
    CannotSearch,
    /// Whoever asks is known and is no operator.
    NotAnOperator,
    /// A person's object did not answer.
    ObjectSilent,
    /// The directory did not answer.
    DirectorySilent,
    /// A confirmation was not made for this, or has ended.
    ConfirmationOver,
    /// The form came from another site, or the browser does not say from where.
    NotFromHere,
}

impl Trouble {
    /// Every kind, for tests and lists.
    pub const ALL: [Self; 8] = [
        Self::NotFound,
        Self::NothingFound,
        Self::CannotSearch,
        Self::NotAnOperator,
        Self::ObjectSilent,
        Self::DirectorySilent,
        Self::ConfirmationOver,
        Self::NotFromHere,
    ];

    /// Status, title and advice.
    const fn words(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (
                404,
                "There is nothing here",
                "No page, person or request has this address. Requests are removed when their retention ends, and people \
                 when they are erased.",
            ),
            Self::NothingFound => (
                404,
                "Nothing was found",
                "Nobody known here has this. A user key or its beginning is in hexadecimal digits, an address has to be \
                 whole, and a person appears within a minute of their first call. A request is found as long as its \
                 ledger entry is kept.",
            ),
            Self::CannotSearch => (
                400,
                "This cannot be searched for",
                "It is no user key, no beginning of one with at least four digits, no e-mail address and no request ID.",
            ),
            Self::NotAnOperator => (
                403,
                "You are not an operator",
                "You are signed in, but the policy of this server does not name you as an operator. Whoever deploys it \
                 can add you.",
            ),
            Self::ObjectSilent => (
                503,
                "The person's object did not answer",
                "Nothing was done. Load the page again in a few seconds; if that does not help, the Worker's log says why.",
            ),
            Self::DirectorySilent => (
                503,
                "The directory did not answer",
                "Nothing was done. Load the page again in a few seconds; people are served all the same.",
            ),
            Self::ConfirmationOver => (
                409,
                "This confirmation does not work any more",
                "Nothing was done. A confirmation works for a few minutes, for one action on one person, and only for the \
                 operator whom it asked. Go back to the person and begin again.",
            ),
            Self::NotFromHere => (
                403,
                "This form was not sent from here",
                "Nothing was done. Forms of this console are taken from its own pages only.",
            ),
        }
    }

    /// The page.
    #[must_use]
    pub fn page(self, viewer: &Viewer<'_>) -> Reply {
        let (status, title, advice) = self.words();
        // Who is no operator is not shown around.
        let operator = if self == Self::NotAnOperator { None } else { viewer.operator };
        let viewer = Viewer { operator, ..*viewer };
        let frame = Frame { status, title, within: "", above: &[] };
        let reply = frame.around(&viewer, |html| {
            html.raw("<p>").raw(advice).raw("</p>");
            match self {
                Self::NothingFound | Self::CannotSearch => people::search_form(html),
                Self::NotAnOperator => {}
                _ => {
                    html.raw("<p>").link(links::FLEET, "Back to the fleet").raw("</p>");
                }
            }
        });
        if status == 503 { reply.with("retry-after", "2".to_owned()) } else { reply }
    }
}
