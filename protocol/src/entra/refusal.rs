//! Why Microsoft issued no tokens, and what has to happen next: the table of the token endpoint's errors.
//!
//! What holds here: `error`, `suberror` and the presence of `claims` decide, because Microsoft warns that numbers and texts
//! change. A number only tells apart what `invalid_grant` alone lumps together, and each number that is not known falls
//! back to "sign in again", which is always safe. Texts are never looked at and never repeated.

use serde::Deserialize;

use super::claims::ClaimsChallenge;
use crate::outbound::Answer;
use crate::time::DurationMs;

/// Why there are no tokens, by what has to happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The refresh token or the code is dead: sign in again.
    SignInAgain,
    /// Microsoft wants more of the person, such as a second factor: sign in again, with these claims if there are any.
    StepUp(Option<ClaimsChallenge>),
    /// A permission was not consented to, by the person or by an administrator: sign in again and agree.
    ConsentMissing,
    /// The organisation does not let this account use the application. Signing in again does not help; the tokens are not
    /// dead.
    NotAllowed,
    /// This deployment's own credential is wrong or expired: operators must act, users cannot.
    OwnCredential,
    /// An outage or a throttle: try again later with the same token.
    Transient {
        /// How long Microsoft asked to wait.
        retry_after: Option<DurationMs>,
    },
    /// Microsoft noticed the same request again and again: stop for a long time.
    ClientLoop,
    /// An answer that none of the above covers.
    Unexpected,
}

impl Denied {
    /// The code for ledger and log.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SignInAgain => "sign_in_again",
            Self::StepUp(_) => "step_up",
            Self::ConsentMissing => "consent_missing",
            Self::NotAllowed => "not_allowed",
            Self::OwnCredential => "own_credential",
            Self::Transient { .. } => "microsoft_down",
            Self::ClientLoop => "client_loop",
            Self::Unexpected => "unexpected_answer",
        }
    }
}

/// A refusal of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What has to happen next.
    pub denied: Denied,
    /// What operators need in order to ask Microsoft about it.
    pub details: Box<Details>,
}

/// Identifiers of a refusal, cut down to what identifiers consist of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The OAuth error; empty when there was none.
    pub error: String,
    /// Microsoft's finer distinction.
    pub suberror: String,
    /// The AADSTS numbers.
    pub numbers: Vec<u64>,
    /// Microsoft's name of the request.
    pub trace_id: String,
    /// The name that joins several requests.
    pub correlation_id: String,
}

/// The part of the token endpoint's answer that says why not.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody {
    error: String,
    suberror: Option<String>,
    claims: Option<String>,
    error_codes: Option<Vec<u64>>,
    trace_id: Option<String>,
    correlation_id: Option<String>,
}

const NUMBERS_MAX: usize = 8;

impl Refusal {
    fn of(denied: Denied) -> Self {
        Self { denied, details: Box::default() }
    }

    /// A refusal that is told by the status alone: Microsoft is out, or asks to be left alone for a while.
    pub(super) fn by_status(answer: &Answer) -> Option<Self> {
        let is_transient = answer.status == 429 || answer.status >= 500;
        is_transient.then(|| Self {
            details: serde_json::from_slice(&answer.body).map(ErrorBody::details).unwrap_or_default().into(),
            denied: Denied::Transient { retry_after: answer.retry_after },
        })
    }

    /// An answer without the form of an answer.
    pub(super) fn unexpected() -> Self {
        Self::of(Denied::Unexpected)
    }

    pub(super) fn read(body: ErrorBody, retry_after: Option<DurationMs>) -> Self {
        let demanded = body.claims.as_deref().and_then(ClaimsChallenge::parse);
        let details = body.details();
        let denied = match (details.error.as_str(), details.suberror.as_str()) {
            (_, "consent_required") | ("consent_required", _) => Denied::ConsentMissing,
            ("interaction_required", _) | ("invalid_grant", "basic_action" | "additional_action") => {
                Denied::StepUp(demanded)
            }
            ("invalid_client" | "unauthorized_client", _) => Denied::OwnCredential,
            ("temporarily_unavailable" | "server_error", _) => Denied::Transient { retry_after },
            ("login_required", _) => Denied::SignInAgain,
            ("invalid_grant", _) if demanded.is_some() => Denied::StepUp(demanded),
            ("invalid_grant", _) => by_number(&details.numbers, retry_after).unwrap_or(Denied::SignInAgain),
            _ => by_number(&details.numbers, retry_after).unwrap_or(Denied::Unexpected),
        };
        Self { denied, details: Box::new(details) }
    }
}

/// What a number adds to an error that says too little.
fn by_number(numbers: &[u64], retry_after: Option<DurationMs>) -> Option<Denied> {
    numbers.iter().find_map(|number| {
        Some(match number {
            50_076 | 50_078 | 50_079 | 50_158 | 53_000 | 53_003 | 530_032 => Denied::StepUp(None),
            65_001 | 90_094 | 90_095 => Denied::ConsentMissing,
            50_020 | 50_105 | 500_011 => Denied::NotAllowed,
            90_006 | 90_033 => Denied::Transient { retry_after },
            50_196 => Denied::ClientLoop,
            _ => return None,
        })
    })
}

impl ErrorBody {
    fn details(self) -> Details {
        let word = |text: Option<String>| {
            let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            text.unwrap_or_default().chars().filter(is_plain).take(64).collect::<String>()
        };
        let mut numbers = self.error_codes.unwrap_or_default();
        numbers.truncate(NUMBERS_MAX);
        Details {
            error: word(Some(self.error)),
            suberror: word(self.suberror),
            numbers,
            trace_id: word(self.trace_id),
            correlation_id: word(self.correlation_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read_tokens;
    use super::*;

    fn refusal(status: u16, body: &str) -> Refusal {
        let answer = Answer { status, body: body.into(), ..Answer::default() };
        read_tokens(&answer).unwrap_err()
    }

    fn denied(error: &str, suberror: &str, number: u64) -> Denied {
        let body = format!(r#"{{"error":"{error}","suberror":"{suberror}","error_codes":[{number}]}}"#);
        refusal(400, &body).denied
    }

    #[test]
    fn a_dead_refresh_token_is_every_invalid_grant_that_says_nothing_else() {
        for number in [70_000, 70_008, 700_082, 50_173, 70_043, 50_034, 50_057, 54_005, 1] {
            for suberror in ["", "bad_token", "token_expired", "something_new"] {
                assert_eq!(denied("invalid_grant", suberror, number), Denied::SignInAgain, "{number}");
            }
        }
        assert_eq!(denied("login_required", "", 50_058), Denied::SignInAgain);
    }

    #[test]
    fn a_step_up_is_known_by_its_error_its_suberror_its_claims_or_its_number() {
        let claims = r#"{"access_token":{"capolids":{"essential":true,"values":["p"]}}}"#;
        let with_claims = |error: &str, suberror: &str| {
            let body = serde_json::json!({"error": error, "suberror": suberror, "claims": claims});
            refusal(400, &body.to_string()).denied
        };
        let demanded = Denied::StepUp(ClaimsChallenge::parse(claims));
        assert_eq!(with_claims("interaction_required", "basic_action"), demanded);
        assert_eq!(with_claims("invalid_grant", "additional_action"), demanded);
        assert_eq!(with_claims("invalid_grant", ""), demanded);
        for number in [50_076, 50_078, 50_079, 53_000, 53_003, 530_032, 50_158] {
            assert_eq!(denied("invalid_grant", "", number), Denied::StepUp(None), "{number}");
            assert_eq!(denied("interaction_required", "", number), Denied::StepUp(None), "{number}");
        }
        let bad = r#"{"error":"interaction_required","claims":"not JSON"}"#;
        assert_eq!(refusal(400, bad).denied, Denied::StepUp(None));
    }

    #[test]
    fn missing_consent_is_no_dead_token() {
        assert_eq!(denied("invalid_grant", "consent_required", 65_001), Denied::ConsentMissing);
        assert_eq!(denied("consent_required", "", 0), Denied::ConsentMissing);
        for number in [65_001, 90_094, 90_095] {
            assert_eq!(denied("invalid_grant", "", number), Denied::ConsentMissing, "{number}");
        }
    }

    #[test]
    fn our_own_credential_is_nobody_elses_fault() {
        for number in [7_000_215, 7_000_222, 700_027, 700_024] {
            assert_eq!(denied("invalid_client", "", number), Denied::OwnCredential, "{number}");
        }
        assert_eq!(denied("unauthorized_client", "", 700_016), Denied::OwnCredential);
    }

    #[test]
    fn a_policy_is_told_from_a_dead_token() {
        for number in [50_105, 50_020, 500_011] {
            assert_eq!(denied("invalid_grant", "", number), Denied::NotAllowed, "{number}");
        }
        assert_eq!(denied("invalid_resource", "", 500_011), Denied::NotAllowed);
    }

    #[test]
    fn an_outage_keeps_the_token_and_a_loop_is_a_loop() {
        let transient = Denied::Transient { retry_after: None };
        assert_eq!(denied("temporarily_unavailable", "", 90_033), transient);
        assert_eq!(denied("server_error", "", 90_006), transient);
        assert_eq!(denied("invalid_grant", "", 90_033), transient);
        for (status, body) in [(500, "<html>"), (503, r#"{"error":"invalid_grant"}"#), (504, "")] {
            assert_eq!(refusal(status, body).denied, transient, "{status}");
        }
        let retry_after = Some(DurationMs(7_000));
        let limited = Answer { status: 429, retry_after, ..Answer::default() };
        assert_eq!(read_tokens(&limited).unwrap_err().denied, Denied::Transient { retry_after });
        assert_eq!(denied("invalid_grant", "", 50_196), Denied::ClientLoop);
        assert_eq!(refusal(200, "{}").denied, Denied::Unexpected);
        assert_eq!(refusal(200, "[]").denied, Denied::Unexpected);
        assert_eq!(denied("invalid_request", "", 900_144), Denied::Unexpected);
    }

    #[test]
    fn details_are_identifiers_and_nothing_else() {
        let body = serde_json::json!({
            "error": "invalid_grant", "suberror": "bad token\n", "error_codes": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            "trace_id": "a".repeat(500), "correlation_id": "c-1", "error_description": "AADSTS1: alice@x.example"
        });
        let Details { error, suberror, numbers, trace_id, correlation_id } =
            *refusal(400, &body.to_string()).details;
        assert_eq!((error.as_str(), suberror.as_str()), ("invalid_grant", "badtoken"));
        assert_eq!((numbers.len(), trace_id.len(), correlation_id.as_str()), (8, 64, "c-1"));
    }
}
