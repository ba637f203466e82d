//! An answer or a trouble as a page, or as JSON for a program.

use super::api::{self, Answer, Deployment, Trouble};
use super::pages::{self, Directory, Subject, Viewer};
use super::request::Form;
use crate::access::Refused;
use crate::reply::Reply;

/// How an operator without Access gets a credential.
pub const CREDENTIAL_COMMAND: &str = "npm run operator -- your-name";

/// What pages and the API say beside an answer.
#[derive(Clone, Copy)]
pub struct Around<'a> {
    /// Whom it is for.
    pub form: Form,
    /// Who looks.
    pub viewer: Viewer<'a>,
    /// What the mode of access lacks.
    pub lacks: &'a [&'a str],
    /// Where the gateway shows its logs.
    pub gateway_logs_url: Option<&'a str>,
}

impl Around<'_> {
    /// An answer.
    #[must_use]
    pub fn answer(&self, answer: &Answer) -> Reply {
        match self.form {
            Form::Api => {
                let access_mode = self.viewer.access_mode.name();
                let deployment =
                    Deployment { version: env!("CARGO_PKG_VERSION"), access_mode, lacks: self.lacks };
                api::reply(answer, &deployment)
            }
            Form::Page => self.page(answer),
        }
    }

    fn page(&self, answer: &Answer) -> Reply {
        let viewer = &self.viewer;
        match answer {
            Answer::Fleet { fleet, attention, shards_silent } => {
                let (shards_silent, lacks) = (*shards_silent, self.lacks);
                pages::fleet(viewer, &Directory { fleet, attention, shards_silent, lacks })
            }
            Answer::People { page, after, attention } => pages::people(viewer, page, *after, *attention),
            Answer::Person { person, overview } => {
                let (user, overview) = (person.user, overview.as_deref());
                pages::person(viewer, Subject { user, known: Some(person), overview })
            }
            Answer::Ledger { user, query, page } => pages::ledger(viewer, user, query, page),
            Answer::Request(request) => pages::request(viewer, request, self.gateway_logs_url),
            Answer::Trail { user, before, page } => pages::trail(viewer, page, *before, *user),
            Answer::Found { request: Some(request), .. } => {
                pages::request(viewer, request, self.gateway_logs_url)
            }
            Answer::Found { people, .. } if people.is_empty() => pages::Trouble::NothingFound.page(viewer),
            Answer::Found { people, .. } => pages::found(viewer, people),
            Answer::Asked { user, action, client, confirmation } => {
                pages::confirm(viewer, user, *action, client.as_deref(), confirmation)
            }
            Answer::Done { user, acted } => pages::done(viewer, user, acted),
            Answer::Checks(checks) => pages::self_test(viewer, checks.as_deref()),
            // A key is for a program or a file; a page would put it on a screen.
            Answer::VerificationKey(key) => Reply::text(200, &format!("{}\n", key.key))
                .with("content-disposition", "attachment".to_owned()),
        }
    }

    /// Why there is no answer.
    #[must_use]
    pub fn trouble(&self, trouble: Trouble) -> Reply {
        let shown = match (self.form, trouble) {
            (Form::Api, _) | (_, Trouble::WrongMethod(_) | Trouble::Malformed) => return trouble.reply(),
            (_, Trouble::NotFound) => pages::Trouble::NotFound,
            (_, Trouble::NotConfirmed) => pages::Trouble::ConfirmationOver,
            (_, Trouble::Unavailable) => pages::Trouble::DirectorySilent,
            (_, Trouble::ObjectSilent) => pages::Trouble::ObjectSilent,
        };
        shown.page(&self.viewer)
    }

    /// What whoever is no operator is told. It is the same for every path.
    #[must_use]
    pub fn refusal(&self, refused: Refused) -> Reply {
        match (self.form, refused) {
            (Form::Api, _) => refused.reply(),
            (Form::Page, Refused::NotAnOperator) => pages::Trouble::NotAnOperator.page(&self.viewer),
            (Form::Page, _) => refused.page(),
        }
    }

    /// What whoever brings no credential is told.
    #[must_use]
    pub fn sign_in(&self, refused: Option<&str>) -> Reply {
        match self.form {
            Form::Api => api::sign_in_first(),
            Form::Page => pages::sign_in(&self.viewer, CREDENTIAL_COMMAND, refused),
        }
    }
}
