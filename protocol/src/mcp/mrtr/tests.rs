//! What the rounds of a request prove: who may go on, with what, and for how long.

use super::*;

const KEY: &str = "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NOW: UnixMs = UnixMs(1_000_000);

fn keys() -> KeyRing {
    KeyRing::parse(KEY).unwrap()
}

fn bound(user: u8, request: &[u8]) -> Binding<'_> {
    Binding { user: UserKey::from_bytes([user; 16]), request }
}

fn sealed() -> String {
    let mut state = RequestState::new([9; 16]);
    state.answers = answers(json!({"a": {"action": "decline"}}));
    state.seal(&keys(), bound(1, b"send"), NOW, [3; 12]).unwrap()
}

fn answers(value: Value) -> Answers {
    serde_json::from_value(value).unwrap()
}

fn form() -> Question {
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]});
    Question::Form { message: "Send it?".into(), schema }
}

#[test]
fn a_state_goes_on_where_it_was() {
    let state = RequestState::open(&keys(), bound(1, b"send"), &sealed(), NOW).unwrap();
    assert_eq!((state.id, state.round), ([9; 16], 1));
    assert_eq!(state.answers.form("a"), Some(Filled::Declined));
    let next = state.seal(&keys(), bound(1, b"send"), NOW, [4; 12]).unwrap();
    assert_eq!(RequestState::open(&keys(), bound(1, b"send"), &next, NOW).unwrap().round, 2);
}

#[test]
fn nobody_else_and_nothing_else_opens_it() {
    let text = sealed();
    for (binding, why) in [(bound(2, b"send"), "another person"), (bound(1, b"post"), "another request")] {
        assert_eq!(RequestState::open(&keys(), binding, &text, NOW).unwrap_err().code, -32602, "{why}");
    }
    for changed in [format!("{text}-TAMPERED"), text[1..].to_owned(), String::new(), "x".repeat(200_000)] {
        assert_eq!(RequestState::open(&keys(), bound(1, b"send"), &changed, NOW).unwrap_err().code, -32602);
    }
    let late = NOW.plus(REQUEST_STATE_LIFETIME);
    assert_eq!(RequestState::open(&keys(), bound(1, b"send"), &text, late).unwrap_err().code, -32602);
    assert!(!text.contains("decline"), "answers are not readable");
}

#[test]
fn the_rounds_are_bounded() {
    let mut state = RequestState::new([9; 16]);
    state.round = INPUT_ROUNDS_MAX;
    assert_eq!(state.seal(&keys(), bound(1, b"send"), NOW, [3; 12]).unwrap_err().code, -32602);
}

#[test]
fn only_answers_of_the_right_form_count() {
    for (answer, counts) in [
        (json!({"action": "accept", "content": {"ok": true}}), true),
        (json!({"action": "accept", "content": {"ok": true, "more": 1}}), true),
        (json!({"action": "decline"}), true),
        (json!({"action": "cancel"}), true),
        (json!({"action": "accept", "content": {"ok": "yes"}}), false),
        (json!({"action": "accept", "content": {}}), false),
        (json!({"action": "accept"}), false),
        (json!({"action": "perhaps"}), false),
        (json!(12345), false),
        (json!(null), false),
    ] {
        let known = answers(json!({"confirm": answer, "unknown": 1}));
        assert_eq!(known.unanswered(vec![("confirm", form())]).is_empty(), counts, "{answer}");
    }
    let other = answers(json!({"s": {"content": {"type": "text"}}, "r": {"roots": []}}));
    assert!(other.unanswered(vec![("s", Question::Sample(json!({}))), ("r", Question::Roots)]).is_empty());
    let nothing = answers(json!({"s": {"content": 1}, "r": {"roots": {}}}));
    assert_eq!(nothing.unanswered(vec![("s", Question::Sample(json!({}))), ("r", Question::Roots)]).len(), 2);
}

#[test]
fn a_client_is_asked_for_what_it_declared() {
    let client = ClientCapabilities { sampling: true, ..ClientCapabilities::default() };
    assert!(!form().may_be_asked(client) && Question::Sample(json!({})).may_be_asked(client));
    assert!(!Question::Roots.may_be_asked(client));
    let link_only = ClientCapabilities { links: true, ..ClientCapabilities::default() };
    assert!(!form().may_be_asked(link_only));
}

#[test]
fn the_members_of_a_round_are_read_and_checked() {
    let read_text = |text: &str| read(Some(&RawValue::from_string(text.to_owned()).unwrap()));
    let found =
        read_text(r#"{"name":"x","inputResponses":{"a":{"action":"cancel"}},"requestState":"s"}"#).unwrap();
    assert_eq!(found.state.as_deref(), Some("s"));
    assert_eq!(found.answers.form("a"), Some(Filled::Cancelled));
    assert_eq!(read_text("{}"), Ok(Resumption::default()));
    assert_eq!(read(None), Ok(Resumption::default()));
    let long = format!(r#"{{"inputResponses":{{"a":"{}"}}}}"#, "x".repeat(INPUT_RESPONSES_BYTES_MAX));
    for bad in [r#"{"inputResponses":7}"#, r#"{"inputResponses":[]}"#, r#"{"requestState":7}"#, &long] {
        assert_eq!(read_text(bad).unwrap_err().code, -32602, "{}", &bad[..30.min(bad.len())]);
    }
}

#[test]
fn the_result_asks_and_has_no_cache_hint() {
    let asked = input_required(&vec![("confirm", form())], "state");
    assert_eq!(asked["resultType"], "input_required");
    assert_eq!(asked["inputRequests"]["confirm"]["method"], "elicitation/create");
    assert_eq!(asked["requestState"], "state");
    assert!(asked.get("ttlMs").is_none());
}
