//! Fault rules: which requests go wrong, and how. A rule is matched in the order given, skips the first
//! `skip` matches and then applies `times` times. Rules are validated when they are set; a rule that can
//! never match because it is misspelt must be refused, or a test would prove nothing.

use crate::wire::Reply;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An answer given in place of the service's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canned {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// The body: text as it is, anything else as JSON.
    #[serde(default)]
    pub body: Value,
}

/// What happens to a request that a rule matches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Answers without executing.
    Respond(Canned),
    /// Waits, then executes.
    DelayMs(u64),
    /// Closes the connection without executing.
    DropBefore(bool),
    /// Executes, then closes the connection without an answer.
    DropAfter(bool),
    /// Neither executes nor answers, until the client goes.
    Hang(bool),
    /// Executes, and cuts the answer's body after so many bytes.
    Truncate(usize),
    /// Executes, but answers with this.
    RespondAfter(Canned),
    /// 429 with `Retry-After`; the value is the number of seconds.
    Throttle429(u64),
    /// 503 without executing.
    Outage503(bool),
    /// 401 that asks for a token with other claims.
    InsufficientClaims(bool),
}

/// One rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// `graph`, `gateway`, `model`, `entra`, `access` or `documents`.
    pub service: String,
    /// The verb; absent means any.
    #[serde(default)]
    pub method: Option<String>,
    /// Part of path and query; absent means any.
    #[serde(default)]
    pub path_contains: Option<String>,
    /// How many matches pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// How many matches go wrong; absent means all of them.
    #[serde(default)]
    pub times: Option<u64>,
    /// What goes wrong.
    pub action: Action,
    /// How often the rule has applied; output only.
    #[serde(default, skip_deserializing)]
    pub applied: u64,
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

impl Canned {
    /// The answer on the wire.
    pub fn reply(&self) -> Reply {
        let mut reply = match &self.body {
            Value::Null => Reply::empty(self.status),
            Value::String(text) => Reply::text(self.status, "text/plain; charset=utf-8", text.clone()),
            other => Reply::json(self.status, other),
        };
        for (name, value) in &self.headers {
            reply.headers.set(name, value.clone());
        }
        reply
    }
}

impl Faults {
    /// Adds rules; says what is wrong with the first bad one.
    pub fn add(&mut self, rules: Vec<Rule>) -> Result<(), String> {
        for rule in &rules {
            if !matches!(
                rule.service.as_str(),
                "graph" | "gateway" | "model" | "entra" | "access" | "app" | "documents"
            ) {
                return Err(format!("unknown service {:?}", rule.service));
            }
            if rule.method.as_ref().is_some_and(|m| m.chars().any(|c| !c.is_ascii_uppercase())) {
                return Err("method must be upper case".into());
            }
            let statuses = match &rule.action {
                Action::Respond(canned) | Action::RespondAfter(canned) => canned.status,
                _ => 200,
            };
            if !(200..=599).contains(&statuses) {
                return Err(format!("status {statuses} is not one that HTTP allows here"));
            }
        }
        self.rules.extend(rules);
        Ok(())
    }

    /// Removes all rules.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules with their counts.
    pub fn to_json(&self) -> Value {
        json!({ "faults": self.rules })
    }

    /// The action for a request, if a rule wants it. `targets` are the verbs and paths under which the
    /// request is known: the binding's own and the one that it carries.
    pub fn take(&mut self, service: &str, targets: &[(String, String)]) -> Option<Action> {
        for rule in &mut self.rules {
            let hit = rule.service == service
                && targets.iter().any(|(method, path)| {
                    rule.method.as_ref().is_none_or(|m| m == method)
                        && rule.path_contains.as_ref().is_none_or(|part| path.contains(part.as_str()))
                });
            if !hit || rule.times == Some(0) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times = rule.times.map(|left| left - 1);
            rule.applied += 1;
            return Some(rule.action.clone());
        }
        None
    }
}

/// The answer of a named shortcut, in the shape of the service that it strikes.
pub fn shortcut_reply(service: &str, action: &Action, request_id: &str, now_ms: u64) -> Option<Reply> {
    let graph_error = |status, code: &str, message: &str| {
        let inner = json!({ "date": crate::clock::iso_bare(now_ms), "request-id": request_id, "client-request-id": request_id });
        Reply::json(status, &json!({ "error": { "code": code, "message": message, "innerError": inner } }))
            .with("request-id", request_id)
    };
    let gateway_error = |status, code, message: &str| crate::gateway::errors::array(status, code, message);
    let reply = match (action, service) {
        (Action::Throttle429(s), "graph") => {
            let message = "Too many requests";
            graph_error(429, "TooManyRequests", message).with("retry-after", s.to_string())
        }
        (Action::Throttle429(s), "gateway") => {
            gateway_error(429, 2003, "Rate limited").with("retry-after", s.to_string())
        }
        (Action::Throttle429(s), _) => {
            Reply::json(429, &json!({ "error": "temporarily_unavailable", "error_codes": [90_055] }))
                .with("retry-after", s.to_string())
        }
        (Action::Outage503(_), "graph") => {
            graph_error(503, "ServiceUnavailable", "The service is temporarily unavailable.")
        }
        (Action::Outage503(_), "gateway") => gateway_error(503, 7013, "Service unavailable"),
        (Action::Outage503(_), _) => {
            Reply::json(503, &json!({ "error": "temporarily_unavailable", "error_codes": [90_033] }))
        }
        (Action::InsufficientClaims(_), _) => {
            let claims = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;
            let claims = base64::engine::general_purpose::STANDARD.encode(claims);
            let challenge = format!(
                "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", \
                 client_id=\"00000003-0000-0000-c000-000000000000\", error=\"insufficient_claims\", \
                 claims=\"{claims}\""
            );
            let message =
                "Continuous access evaluation resulted in challenge with result: InteractionRequired";
            graph_error(401, "InvalidAuthenticationToken", message).with("www-authenticate", challenge)
        }
        _ => return None,
    };
    Some(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn skip_and_times_count_matches_only() {
        let mut faults = Faults::default();
        let text = r#"{"service":"graph","method":"POST","pathContains":"/send","skip":1,"times":1,"action":{"dropAfter":true}}"#;
        faults.add(vec![rule(text)]).unwrap();
        let send = [("POST".to_owned(), "/v1.0/me/messages/x/send".to_owned())];
        let other = [("GET".to_owned(), "/v1.0/me".to_owned())];
        assert!(faults.take("graph", &other).is_none());
        assert!(faults.take("graph", &send).is_none());
        assert!(matches!(faults.take("graph", &send), Some(Action::DropAfter(true))));
        assert!(faults.take("graph", &send).is_none());
        assert_eq!(faults.to_json()["faults"][0]["applied"], 1);
    }

    #[test]
    fn misspelt_rules_are_refused() {
        let unknown = r#"{"service":"graph","path":"/x","action":{"hang":true}}"#;
        assert!(serde_json::from_str::<Rule>(unknown).is_err());
        let mut faults = Faults::default();
        assert!(faults.add(vec![rule(r#"{"service":"mail","action":{"hang":true}}"#)]).is_err());
    }
}
