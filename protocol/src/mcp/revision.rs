//! The protocol's revisions: those with a handshake, and the one without.
//!
//! What holds here: the two kinds never meet in one type, because a revision without sessions must never be named in an
//! answer to `initialize`: some clients would switch protocols in the middle of the session.

use serde::{Deserialize, Serialize};

/// The revision without sessions, which carries everything in each request (MCP 2026-07-28, basic/lifecycle).
pub const STATELESS: &str = "2026-07-28";

/// The revisions that `server/discover` and errors of version negotiation name, newest first.
pub const SUPPORTED: [&str; 4] = [STATELESS, "2025-11-25", "2025-06-18", "2025-03-26"];

/// A protocol revision that has the `initialize` handshake, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Revision {
    /// 2024-11-05, whose messages some clients still speak over the later transport.
    #[serde(rename = "2024-11-05")]
    November2024,
    /// 2025-03-26, the only one with batches.
    #[serde(rename = "2025-03-26")]
    March2025,
    /// 2025-06-18.
    #[serde(rename = "2025-06-18")]
    June2025,
    /// 2025-11-25, the last one with the handshake.
    #[serde(rename = "2025-11-25")]
    November2025,
}

impl Revision {
    /// The newest revision with a handshake, offered when a client asks for one that is not served.
    pub const LATEST: Self = Self::November2025;

    const ALL: [Self; 4] = [Self::November2024, Self::March2025, Self::June2025, Self::November2025];

    /// The revision's date, as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::November2024 => "2024-11-05",
            Self::March2025 => "2025-03-26",
            Self::June2025 => "2025-06-18",
            Self::November2025 => "2025-11-25",
        }
    }

    /// The revision of a wire name, if it is served here.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// The answer to a client's wish: the wish if it is served, else the latest (MCP 2025-11-25, lifecycle).
    #[must_use]
    pub fn negotiate(wished: &str) -> Self {
        Self::from_wire(wished).unwrap_or(Self::LATEST)
    }

    /// Whether a body may be an array of messages, which 2025-06-18 took out again.
    #[must_use]
    pub const fn has_batches(self) -> bool {
        matches!(self, Self::March2025)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_a_revision_without_handshake_is_answered_with_the_latest_that_has_one() {
        assert_eq!(Revision::negotiate(STATELESS), Revision::November2025);
        assert_eq!(Revision::negotiate("2025-06-18"), Revision::June2025);
        assert_eq!(Revision::negotiate("nonsense"), Revision::November2025);
    }

    #[test]
    fn every_revision_that_is_named_is_served() {
        for name in SUPPORTED {
            assert!(name == STATELESS || Revision::from_wire(name).is_some(), "{name}");
        }
    }
}
