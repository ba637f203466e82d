//! What operators are answered, and its form as JSON for programs. `openapi.json` describes it.
//!
//! What holds here: an answer is the same for a page and for the API; an error says whose fault it is and what to do
//! next; whatever is unknown is answered alike, whether it never was or is gone.

use protocol::ids::{RequestId, UserKey};
use protocol::operator::directory::{AuditPage, Fleet, Person, PersonPage};
use protocol::operator::record::VerificationKey;
use protocol::operator::view::{Acted, Overview, RequestPage, RequestView};
use protocol::operator::{Action, RequestQuery};
use serde::Serialize;
use serde_json::json;

use super::self_test::Check;
use crate::reply::Reply;

/// The document that describes the API (OpenAPI 3.1).
pub const DOCUMENT: &str = include_str!("openapi.json");

/// What an operator is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// All people together, and those to look at first.
    Fleet {
        /// The numbers.
        fleet: Fleet,
        /// People to look at.
        attention: PersonPage,
        /// Shards of the directory that did not answer, and that the numbers lack.
        shards_silent: u8,
    },
    /// A list of people.
    People {
        /// The people.
        page: PersonPage,
        /// Where the page begins.
        after: Option<UserKey>,
        /// Whether only those are listed whom operators should look at.
        attention: bool,
    },
    /// One person; without an overview where the object cannot be read.
    Person {
        /// What the directory knows.
        person: Person,
        /// What the object says.
        overview: Option<Box<Overview>>,
    },
    /// A person's ledger.
    Ledger {
        /// Whose.
        user: UserKey,
        /// What was asked for.
        query: RequestQuery,
        /// The entries.
        page: RequestPage,
    },
    /// One request.
    Request(Box<RequestView>),
    /// The trail.
    Trail {
        /// About whom alone.
        user: Option<UserKey>,
        /// Where the page begins.
        before: Option<RequestId>,
        /// The lines.
        page: AuditPage,
    },
    /// What a search found.
    Found {
        /// People.
        people: Vec<Person>,
        /// The request.
        request: Option<Box<RequestView>>,
    },
    /// What an action would do, and how it is confirmed.
    Asked {
        /// To whom.
        user: UserKey,
        /// What.
        action: Action,
        /// The client that would be cut off.
        client: Option<String>,
        /// What has to be sent back.
        confirmation: String,
    },
    /// What an action did.
    Done {
        /// To whom.
        user: UserKey,
        /// What.
        acted: Acted,
    },
    /// How the gateway was found; none where it was not asked.
    Checks(Option<Vec<Check>>),
    /// The key with which exports are verified.
    VerificationKey(VerificationKey),
}

/// Why an operator is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no such page, person or request.
    NotFound,
    /// The body is not what is expected.
    Malformed,
    /// The confirmation is not one for this, or too old.
    NotConfirmed,
    /// The directory does not answer, or no line could be added to the trail.
    Unavailable,
    /// A person's object does not answer.
    ObjectSilent,
    /// The path has other verbs.
    WrongMethod(&'static str),
}

impl Trouble {
    /// Status, code and one sentence.
    #[must_use]
    pub const fn told(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotFound => (404, "not_found", "There is nothing under this address, or not any more."),
            Self::Malformed => {
                (400, "malformed", "The body is not what this address takes. Nothing was done; see /ops/api.")
            }
            Self::NotConfirmed => (
                409,
                "not_confirmed",
                "This was not confirmed, or longer ago than ten minutes. Nothing was done; ask again what it does.",
            ),
            Self::Unavailable => (
                503,
                "unavailable",
                "The directory does not answer. Nothing was done; try again, and if it goes on, look into the log.",
            ),
            Self::ObjectSilent => (
                503,
                "object_unavailable",
                "This person's object does not answer. Try again; if it goes on, look into the log.",
            ),
            Self::WrongMethod(_) => (405, "wrong_method", "This address takes other methods; see Allow."),
        }
    }

    /// What a program is told.
    #[must_use]
    pub fn reply(self) -> Reply {
        let (status, code, description) = self.told();
        let reply = Reply::json(status, &json!({ "error": code, "error_description": description }));
        match self {
            Self::WrongMethod(allow) => reply.with("allow", allow.to_owned()),
            _ => reply,
        }
    }
}

/// Nobody is signed in where a credential is needed (RFC 6750, section 3).
#[must_use]
pub fn sign_in_first() -> Reply {
    let text = "This is for operators. Send a credential as a bearer token; `npm run operator` makes one.";
    let body = json!({ "error": "invalid_token", "error_description": text });
    Reply::json(401, &body).with("www-authenticate", "Bearer realm=\"operators\"".to_owned())
}

/// What a deployment is, beside the numbers.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment<'a> {
    /// The version of this program.
    pub version: &'a str,
    /// How Access takes part.
    pub access_mode: &'a str,
    /// What that mode lacks.
    pub lacks: &'a [&'a str],
}

/// An answer for a program.
#[must_use]
pub fn reply(answer: &Answer, deployment: &Deployment<'_>) -> Reply {
    let body = match answer {
        Answer::Fleet { fleet, attention, shards_silent } => json!({
            "deployment": deployment, "fleet": fleet, "attention": attention, "shardsSilent": shards_silent,
        }),
        Answer::People { page, .. } => json!(page),
        Answer::Person { person, overview } => json!({ "person": person, "overview": overview }),
        Answer::Ledger { page, .. } => json!(page),
        Answer::Request(request) => json!(request),
        Answer::Trail { page, .. } => json!(page),
        Answer::Found { people, request } => json!({ "people": people, "request": request }),
        Answer::Asked { user, action, confirmation, .. } => json!({
            "user": user, "action": action.name(), "consequence": action.consequence(),
            "confirmation": confirmation,
        }),
        Answer::Done { user, acted } => json!({ "user": user, "acted": acted }),
        Answer::Checks(checks) => json!({ "checks": checks }),
        Answer::VerificationKey(key) => json!(key),
    };
    Reply::json(200, &body)
}
