//! A write to a file or a task of which a crash left nothing but that there was one.
//!
//! What holds here: it is never sent again. Names and titles are content, which is not kept, so that there is nothing to
//! look for either.

use super::error::ToolError;
use super::plan::Writing;
use super::{Found, Step, WriteIntent};
use crate::outbound::{Answer, GraphCall, Lane};

/// Such a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forgotten;

impl Writing for Forgotten {
    /// Never sent, because a look ends as unknown before.
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Other, "/me".to_owned())
    }

    fn answered(&mut self, _answer: &Answer) -> Result<Step, ToolError> {
        Err(self.outcome_unknown())
    }

    fn intent(&self) -> Option<WriteIntent> {
        Some(WriteIntent::ChangeItem)
    }

    fn look_into(&mut self) -> Found {
        Found::NeverKnown
    }

    fn look_again(&mut self, _still_wanted: bool) -> Found {
        Found::NeverKnown
    }

    fn looked(&mut self, _answer: &Answer) -> Found {
        Found::NeverKnown
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("changing this file or task", "at it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_never_sent_and_stays_unknown() {
        let mut plan = Forgotten;
        assert_eq!(plan.look_into(), Found::NeverKnown);
        assert_eq!(plan.look_again(true), Found::NeverKnown);
        assert_eq!(plan.looked(&Answer { status: 200, ..Answer::default() }), Found::NeverKnown);
        assert_eq!(plan.outcome_unknown().code, "outcome_unknown");
    }
}
