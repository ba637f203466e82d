//! Claims challenges: what Microsoft wants a token to prove before it goes on (continuous access evaluation and
//! conditional access).
//!
//! What holds here: a challenge is a bounded JSON object and is handed on as it is, since only Microsoft knows its
//! meaning; whatever is asked for, this client's own capability is declared beside it, because `claims` is one parameter.

use serde_json::{Map, Value, json};

use crate::digest::from_base64url;
use crate::limits::CLAIMS_BYTES_MAX;

/// Claims that Microsoft demands. It tells of an organisation's policies and is therefore kept out of debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimsChallenge(Map<String, Value>);

impl std::fmt::Debug for ClaimsChallenge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ClaimsChallenge(hidden)")
    }
}

impl ClaimsChallenge {
    /// Reads a challenge from its JSON text; `None` unless it is an object of objects within the bound.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CLAIMS_BYTES_MAX {
            return None;
        }
        let members: Map<String, Value> = serde_json::from_str(text).ok()?;
        (!members.is_empty() && members.values().all(Value::is_object)).then_some(Self(members))
    }

    /// Reads the challenge in a `WWW-Authenticate` header: the Bearer challenge whose error is `insufficient_claims`.
    ///
    /// There may be several challenges, and parameters come in any order (RFC 9110, section 11.6.1).
    #[must_use]
    pub fn from_header(header: &str) -> Option<Self> {
        let challenge = challenges(header).into_iter().find(|challenge| {
            challenge.scheme.eq_ignore_ascii_case("bearer")
                && challenge.parameter("error") == Some("insufficient_claims")
        })?;
        let encoded = challenge.parameter("claims")?;
        let encoded = encoded.trim_end_matches('=').replace('+', "-").replace('/', "_");
        Self::parse(&String::from_utf8(from_base64url(&encoded)?).ok()?)
    }

    /// The challenge as JSON text.
    #[must_use]
    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// The `claims` parameter of a request to Microsoft: this client understands claims challenges (`cp1`), so that access can
/// be revoked at once, and what Microsoft demanded last.
#[must_use]
pub fn claims_parameter(demanded: Option<&ClaimsChallenge>) -> String {
    let mut claims = demanded.map_or_else(Map::new, |challenge| challenge.0.clone());
    let access_token = claims.entry("access_token").or_insert_with(|| Value::Object(Map::new()));
    if let Some(members) = access_token.as_object_mut() {
        members.insert("xms_cc".to_owned(), json!({ "values": ["cp1"] }));
    }
    Value::Object(claims).to_string()
}

#[derive(Default)]
struct Challenge {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }
}

/// Takes a header apart. Whatever has no name is ignored.
fn challenges(header: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    for piece in pieces(header) {
        let (head, value) = piece.split_once('=').map_or((piece, None), |(head, value)| (head, Some(value)));
        // A new challenge begins with its scheme and a space; a parameter may have spaces around its sign.
        let (scheme, name) = match (head.trim().split_once(' '), value) {
            (Some((scheme, name)), _) => (Some(scheme), name.trim()),
            (None, None) => (Some(head.trim()), ""),
            (None, Some(_)) => (None, head.trim()),
        };
        if let Some(scheme) = scheme {
            found.push(Challenge { scheme: scheme.to_owned(), parameters: Vec::new() });
        }
        if let (Some(challenge), Some(value)) = (found.last_mut(), value)
            && !name.is_empty()
        {
            challenge.parameters.push((name.to_owned(), unquoted(value.trim())));
        }
    }
    found
}

/// Splits at the commas outside of quoted strings.
fn pieces(header: &str) -> Vec<&str> {
    let (mut pieces, mut from, mut in_quotes, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, character) in header.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if in_quotes => is_escaped = true,
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                pieces.extend(header.get(from..at));
                from = at + 1;
            }
            _ => {}
        }
    }
    pieces.extend(header.get(from..));
    pieces.into_iter().map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

/// The value of a token or of a quoted string (RFC 9110, section 5.6.4).
fn unquoted(value: &str) -> String {
    let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inside.len());
    let mut is_escaped = false;
    for character in inside.chars() {
        if character == '\\' && !is_escaped {
            is_escaped = true;
        } else {
            is_escaped = false;
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const DEMAND: &str = r#"{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}"#;

    fn from_header(header: &str) -> Option<String> {
        ClaimsChallenge::from_header(header).map(|challenge| challenge.text())
    }

    #[test]
    fn a_challenge_is_found_among_others_and_in_any_order() {
        let claims = STANDARD.encode(DEMAND);
        let bare = claims.trim_end_matches('=');
        for header in [
            format!(
                r#"Bearer realm="", authorization_uri="https://a.example/x,y", error="insufficient_claims", claims="{claims}""#
            ),
            format!(r#"Bearer claims="{claims}", client_id="c", error="insufficient_claims""#),
            format!(r#"Negotiate, Bearer error=insufficient_claims, claims={bare}"#),
            format!(
                r#"Bearer realm="x", error="invalid_token", Bearer realm="a\", b", error = "insufficient_claims", claims = "{claims}""#
            ),
        ] {
            assert_eq!(from_header(&header).as_deref(), Some(DEMAND), "{header}");
        }
        for header in [
            String::new(),
            "Bearer".to_owned(),
            format!(r#"Bearer error="invalid_token", claims="{claims}""#),
            format!(r#"PoP error="insufficient_claims", claims="{claims}""#),
            r#"Bearer error="insufficient_claims", claims="%%%""#.to_owned(),
            r#"Bearer error="insufficient_claims""#.to_owned(),
        ] {
            assert_eq!(from_header(&header), None, "{header}");
        }
    }

    #[test]
    fn only_a_bounded_object_of_objects_is_a_challenge() {
        assert!(ClaimsChallenge::parse(DEMAND).is_some());
        let long = format!(r#"{{"access_token":{{"x":"{}"}}}}"#, "y".repeat(CLAIMS_BYTES_MAX));
        for not in ["", "{}", "[]", "null", "\"x\"", r#"{"access_token":"x"}"#, "{", long.as_str()] {
            assert!(ClaimsChallenge::parse(not).is_none(), "{not}");
        }
        let hidden = format!("{:?}", ClaimsChallenge::parse(DEMAND).unwrap());
        assert!(!hidden.contains("nbf"), "{hidden}");
    }

    #[test]
    fn the_capability_stands_beside_what_was_demanded() {
        assert_eq!(claims_parameter(None), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        let challenge = ClaimsChallenge::parse(DEMAND).unwrap();
        let merged: Value = serde_json::from_str(&claims_parameter(Some(&challenge))).unwrap();
        assert_eq!(merged["access_token"]["nbf"]["value"], "1700000000");
        assert_eq!(merged["access_token"]["xms_cc"]["values"][0], "cp1");
        let about_id = ClaimsChallenge::parse(r#"{"id_token":{"acr":{"essential":true}}}"#).unwrap();
        let merged: Value = serde_json::from_str(&claims_parameter(Some(&about_id))).unwrap();
        assert_eq!(merged["access_token"]["xms_cc"]["values"][0], "cp1");
        assert_eq!(merged["id_token"]["acr"]["essential"], true);
    }
}
