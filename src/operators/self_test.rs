//! The self-test: what the configured way through AI Gateway lets pass, without anybody's account.
//!
//! What holds here: each probe carries a token that is none, so that nothing can be read or changed by it; Microsoft's
//! own refusal (401 with its request ID) is the proof that a probe arrived as it was sent.

use protocol::outbound::{CallResult, GraphCall, Lane, Lost, Method};
use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// What.
    pub name: String,
    /// How it was found.
    pub verdict: Verdict,
    /// One sentence: what was seen and, if it is not well, what to do.
    pub detail: String,
}

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// As it should be.
    Passed,
    /// Not so.
    Failed,
    /// It cannot be told.
    CannotTell,
}

/// What stands in a token's place.
pub const NO_TOKEN: &str = "self-test";

/// The probes: each verb that tools use, on paths that need a token.
#[must_use]
pub fn probes() -> Vec<(&'static str, GraphCall)> {
    let lane = Lane::Other;
    let with = |method: Method, body: Option<&str>| GraphCall {
        method,
        body: body.map(str::to_owned),
        ..GraphCall::get(lane, "/me/messages/self-test".to_owned())
    };
    vec![
        ("Reading (GET)", GraphCall::get(lane, "/me".to_owned())),
        (
            "Creating (POST)",
            GraphCall {
                body: Some("{}".to_owned()),
                method: Method::Post,
                ..GraphCall::get(lane, "/me/messages".to_owned())
            },
        ),
        ("Changing (PATCH)", with(Method::Patch, Some("{\"isRead\":true}"))),
        ("Removing (DELETE)", with(Method::Delete, None)),
    ]
}

/// What the end of a probe says.
#[must_use]
pub fn judge(name: &str, result: &CallResult) -> Vec<Check> {
    let check = |what: &str, verdict: Verdict, detail: String| Check {
        name: if what.is_empty() { name.to_owned() } else { format!("{name}: {what}") },
        verdict,
        detail,
    };
    let answer = match result {
        CallResult::Answered(answer) => answer,
        CallResult::Lost(lost) => {
            let why = match lost {
                Lost::Timeout => "no answer came in time",
                _ => "the connection failed or broke",
            };
            let detail = format!(
                "The gateway did not answer: {why}. Look at its status and at EGRESS and its settings."
            );
            return vec![check("", Verdict::Failed, detail)];
        }
    };
    let microsoft = answer.graph_request_id.as_deref();
    let arrival = match (answer.status, microsoft) {
        (401, Some(_)) => check(
            "",
            Verdict::Passed,
            "It reached Microsoft Graph, which refused the token that is none, as it should.".to_owned(),
        ),
        (200..=299, _) => check(
            "",
            Verdict::Failed,
            format!(
                "Something answered {} to a token that is none. That is not Microsoft Graph.",
                answer.status
            ),
        ),
        (status @ (400 | 404 | 405), None) => check(
            "",
            Verdict::Failed,
            format!(
                "The gateway refused with {status}: this way cannot carry Graph calls. Compare EGRESS, GATEWAY_ID and GATEWAY_BASE_URL with docs/operations.md."
            ),
        ),
        (status @ (401 | 403), None) => check(
            "",
            Verdict::Failed,
            format!(
                "The gateway itself refused with {status}. Set AI_GATEWAY_SERVICE_TOKEN, or look at the gateway's own authentication and rules."
            ),
        ),
        (status, _) => check(
            "",
            Verdict::CannotTell,
            format!("The answer was {status}. Try again; if it stays, look into the gateway's log."),
        ),
    };
    let logged = match &answer.gateway_log_id {
        Some(id) => check("gateway log", Verdict::Passed, format!("The gateway logged it as {id}.")),
        None => check(
            "gateway log",
            Verdict::CannotTell,
            "No log ID came back. Switch logging on in the gateway, or calls cannot be traced there."
                .to_owned(),
        ),
    };
    vec![arrival, logged]
}

#[cfg(test)]
mod tests {
    use protocol::outbound::Answer;

    use super::*;

    fn answer(status: u16, microsoft: Option<&str>, log: Option<&str>) -> CallResult {
        CallResult::Answered(Answer {
            status,
            retry_after: None,
            graph_request_id: microsoft.map(str::to_owned),
            gateway_log_id: log.map(str::to_owned),
            challenge: None,
            content_type: None,
            body: Vec::new(),
        })
    }

    #[test]
    fn microsofts_own_refusal_alone_is_a_pass() {
        let verdict = |result: &CallResult| judge("x", result)[0].verdict;
        assert_eq!(verdict(&answer(401, Some("m"), Some("g"))), Verdict::Passed);
        for (status, microsoft) in [(200, Some("m")), (404, None), (401, None), (403, None)] {
            assert_eq!(verdict(&answer(status, microsoft, None)), Verdict::Failed, "{status}");
        }
        assert_eq!(verdict(&answer(503, None, None)), Verdict::CannotTell);
        assert_eq!(verdict(&CallResult::Lost(Lost::Timeout)), Verdict::Failed);
        assert_eq!(judge("x", &answer(401, Some("m"), None))[1].verdict, Verdict::CannotTell);
    }

    #[test]
    fn every_verb_that_tools_use_is_probed() {
        let verbs: Vec<&str> = probes().iter().map(|(_, call)| call.method.as_str()).collect();
        assert_eq!(verbs, ["GET", "POST", "PATCH", "DELETE"]);
    }
}
