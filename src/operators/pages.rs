//! The operators' console: pages for whoever runs this server, written from what objects and directory answer.
//!
//! What holds here: each page is a pure function of what it shows, of who looks and of the time; it runs no script, loads
//! nothing from elsewhere and works on a phone; what came from outside is text, never markup ([`html`]); no address of a
//! page holds an e-mail address ([`links`]).
//!
//! A page must never do anything: what changes something is a form that is sent by POST, with a confirmation that was
//! made for it.

mod act;
mod chart;
mod fleet;
mod frame;
mod html;
mod ledger;
pub mod links;
mod people;
mod person;
mod request;
mod self_test;
mod sign_in;
mod style;
mod timeline;
mod trail;
mod trouble;
mod words;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use act::{confirm, done};
pub use fleet::{Directory, fleet};
pub use frame::Viewer;
pub use ledger::ledger;
pub use people::{found, people};
pub use person::{Subject, person};
pub use request::request;
pub use self_test::self_test;
pub use sign_in::sign_in;
pub use trail::trail;
pub use trouble::Trouble;
