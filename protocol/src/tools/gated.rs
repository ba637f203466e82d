//! A plan behind what has to be found out before any of it may leave.
//!
//! What holds here: until its gate is open a plan sends nothing, intends nothing and takes no refusal; from then on it is as
//! if there were no gate. A gate reads and never writes.

use serde_json::{Map, Value};

use super::mail::FoldersOff;
use super::plan::{Progress, Writing};
use super::{Found, Step, ToolError, WriteIntent};
use crate::outbound::{Answer, GraphCall};
use crate::policy::Policy;

/// What is found out first.
pub(super) trait Gate: std::fmt::Debug {
    /// The call that it waits for; none once it is open.
    fn call(&self) -> Option<GraphCall>;

    /// Reads the answer of the call.
    ///
    /// # Errors
    /// A [`ToolError`] that says why the plan must not leave.
    fn answered(&mut self, answer: &Answer) -> Result<(), ToolError>;

    /// Whether a refusal of the call is an answer too.
    fn took_refusal(&mut self, _refusal: &Answer) -> bool {
        false
    }

    /// Reads an answer in which there are several, as [`Writing::opened`].
    fn opened(&self, answer: Answer) -> Answer {
        answer
    }

    /// What others can do with what was found, as [`Writing::learnt`].
    fn learnt(&mut self) -> Option<FoldersOff> {
        None
    }
}

/// A plan behind its gate.
#[derive(Debug)]
pub(super) struct Gated<G, P> {
    /// What is found out first.
    pub gate: G,
    /// What leaves then.
    pub plan: P,
}

impl<G: Gate> Writing for Gated<G, Box<dyn Writing>> {
    fn call(&self) -> GraphCall {
        self.gate.call().unwrap_or_else(|| self.plan.call())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if self.gate.call().is_none() {
            return self.plan.answered(answer);
        }
        self.gate.answered(answer)?;
        Ok(Step::Call(self.call()))
    }

    fn took_refusal(&mut self, refusal: &Answer) -> Option<Step> {
        if self.gate.call().is_none() {
            return self.plan.took_refusal(refusal);
        }
        self.gate.took_refusal(refusal).then(|| Step::Call(self.call()))
    }

    fn opened(&mut self, answer: Answer) -> Answer {
        if self.gate.call().is_some() { self.gate.opened(answer) } else { self.plan.opened(answer) }
    }

    fn learnt(&mut self) -> Option<FoldersOff> {
        self.gate.learnt()
    }

    fn intent(&self) -> Option<WriteIntent> {
        if self.gate.call().is_some() { None } else { self.plan.intent() }
    }

    fn held_bytes(&self) -> usize {
        self.plan.held_bytes()
    }

    fn look_into(&mut self) -> Found {
        self.plan.look_into()
    }

    fn look_again(&mut self, still_wanted: bool) -> Found {
        self.plan.look_again(still_wanted)
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        self.plan.looked(answer)
    }

    fn refused(&mut self) -> Option<Found> {
        if self.gate.call().is_some() { None } else { self.plan.refused() }
    }

    fn left_behind(&self) -> Option<&'static str> {
        self.plan.left_behind()
    }

    fn progress(&self) -> Option<Progress> {
        self.plan.progress()
    }

    fn outcome_unknown(&self) -> ToolError {
        self.plan.outcome_unknown()
    }

    fn to_confirm(&self, policy: &Policy, arguments: &Map<String, Value>) -> Option<String> {
        self.plan.to_confirm(policy, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Lane;

    /// A gate that one answer opens.
    #[derive(Debug)]
    struct Door(bool);

    impl Gate for Door {
        fn call(&self) -> Option<GraphCall> {
            (!self.0).then(|| GraphCall::get(Lane::Other, "/door".into()))
        }

        fn answered(&mut self, _answer: &Answer) -> Result<(), ToolError> {
            self.0 = true;
            Ok(())
        }
    }

    /// An upload that is half done.
    #[derive(Debug)]
    struct Upload;

    const HALF: Progress = Progress { done_bytes: 1, total_bytes: 2 };

    impl Writing for Upload {
        fn call(&self) -> GraphCall {
            GraphCall::get(Lane::Other, "/upload".into())
        }

        fn answered(&mut self, _answer: &Answer) -> Result<Step, ToolError> {
            Ok(Step::Call(self.call()))
        }

        fn intent(&self) -> Option<WriteIntent> {
            Some(WriteIntent::FillDraft)
        }

        fn look_into(&mut self) -> Found {
            Found::NeverKnown
        }

        fn looked(&mut self, _answer: &Answer) -> Found {
            Found::NeverKnown
        }

        fn left_behind(&self) -> Option<&'static str> {
            Some("A draft is left.")
        }

        fn progress(&self) -> Option<Progress> {
            Some(HALF)
        }

        fn outcome_unknown(&self) -> ToolError {
            ToolError::cancelled()
        }
    }

    #[test]
    fn a_plan_intends_nothing_before_its_gate_is_open_and_is_heard_through_it() {
        let mut plan: Gated<Door, Box<dyn Writing>> = Gated { gate: Door(false), plan: Box::new(Upload) };
        assert_eq!((plan.call().path.as_str(), plan.intent()), ("/door", None));
        assert!(matches!(plan.answered(&Answer::default()), Ok(Step::Call(call)) if call.path == "/upload"));
        assert_eq!(plan.intent(), Some(WriteIntent::FillDraft));
        // An upload that tells nobody how far it has come gets no more time than any other call.
        assert_eq!((plan.progress(), plan.left_behind()), (Some(HALF), Some("A draft is left.")));
    }
}
