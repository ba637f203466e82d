//! The table of Microsoft's refusals, row by row: what the person is told, what leaves, and what the next sign-in mends.
//!
//! What holds here: a token's life is an hour, and the alarm renews it after 48 minutes; Microsoft's answers are given in
//! the form of its documentation.

use protocol::ids::AddressMark;
use protocol::object::{Listen, Redeem, Renew, STEP_UP, SignIn};

use super::*;
use crate::refresher::Access;
use crate::refresher::{Need, TokenRow};

const MAIL: &[&str] = &["User.Read", "Mail.Read"];
const CLAIMS: &str = r#"{"access_token":{"capolids":{"essential":true,"values":["c0ffee"]}}}"#;
const TOO_OLD_S: u64 = 60 * 60;

impl Object {
    fn field(&self, name: &str) -> &str {
        let (_, form) = self.forms.last().unwrap();
        let found = form.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")));
        found.unwrap_or_default()
    }

    /// The token endpoint answers the form that left last.
    fn entra_answers(&mut self, answer: Answer) {
        let op = self.forms.last().unwrap().0;
        self.turn(Input::CallDone { op, result: CallResult::Answered(answer) });
    }

    fn entra_says(&mut self, status: u16, body: &Value) {
        self.entra_answers(Answer { status, body: body.to_string().into_bytes(), ..Answer::default() });
    }

    fn entra_refuses(&mut self, error: &str, suberror: &str, number: u64) {
        let status = if error == "invalid_client" { 401 } else { 400 };
        let trace = "11111111-2222-4333-8444-555555555555";
        let body = json!({
            "error": error, "suberror": suberror, "error_codes": [number], "trace_id": trace,
            "error_description": format!("AADSTS{number}: CANARY text")
        });
        self.entra_says(status, &body);
    }

    fn entra_demands(&mut self) {
        let body = json!({
            "error": "interaction_required", "suberror": "basic_action", "error_codes": [50_076], "claims": CLAIMS
        });
        self.entra_says(400, &body);
    }

    fn entra_issues(&mut self, access: &str, refresh: &str) {
        let body = json!({
            "token_type": "Bearer", "expires_in": 3_600, "scope": "User.Read Mail.Read",
            "access_token": access, "refresh_token": refresh
        });
        self.entra_says(200, &body);
    }

    /// Graph's answer of continuous access evaluation to the call that left last.
    fn graph_demands(&mut self) {
        // Microsoft writes base64 with padding; either form is read.
        let claims = protocol::digest::to_base64url(CLAIMS.as_bytes());
        let challenge = format!("Bearer realm=\"\", claims=\"{claims}\", error=\"insufficient_claims\"");
        let body = json!({"error": {"code": "InvalidAuthenticationToken", "message": "m"}}).to_string();
        let answer =
            Answer { status: 401, challenge: Some(challenge), body: body.into_bytes(), ..Answer::default() };
        self.ends(CallResult::Answered(answer));
    }

    /// Hours in which the alarm rings as it was asked to, and nobody asks for anything.
    fn hours_pass(&mut self, hours: u64) {
        for _ in 0..hours * 4 {
            self.wait(15 * 60);
        }
    }

    /// A call of a tool and the text of its error.
    fn error_of(&mut self, id: u64) -> String {
        let told = self.call(id, "getEmails", json!({}));
        assert_eq!(told["result"]["isError"], true, "{told}");
        told["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }

    fn sign_in(&mut self, stepped_up: bool) -> u16 {
        self.command(Command::SignIn(Box::new(SignIn {
            client_digest: vec![7; 32],
            code_challenge: "challenge".into(),
            redirect_uri: "https://app.example/cb".into(),
            access_token: "signed-in".into(),
            refresh_token: "r-signed-in".into(),
            lives_for: DurationMs::from_secs(3_600),
            granted: MAIL.iter().map(|scope| (*scope).to_owned()).collect(),
            stepped_up,
            access: None,
            addresses: vec![AddressMark::from_bytes([7; 16])],
        })));
        self.replies.last().unwrap().status
    }

    /// The person comes by a client that can sign people in: its code is redeemed and a session is open.
    fn with_client(mut self) -> Self {
        assert_eq!(self.sign_in(false), 204);
        let redeem = Redeem { client_digest: vec![7; 32], challenge: "challenge".into(), redirect_uri: None };
        self.command(Command::Redeem(redeem));
        assert_eq!(self.replies.last().unwrap().status, 200);
        self
    }

    fn renew(&mut self) -> u16 {
        self.command(Command::Renew(Renew { client_digest: vec![7; 32], generation: 1, scopes: None }));
        self.replies.last().unwrap().status
    }

    fn row(&self) -> TokenRow {
        Txn::new(&self.rows).get(b"microsoft").unwrap().unwrap()
    }

    fn reads_mail(&mut self, id: u64) {
        assert_eq!(self.call(id, "getEmails", json!({})), Value::Null);
        self.answers(200, &json!({"value": []}));
        assert_eq!(self.last()["result"]["isError"], false, "{}", self.last());
    }

    fn log_line(&self, event: &str) -> Option<&String> {
        self.log.iter().find(|line| line.contains(&format!("\"event\":\"{event}\"")))
    }
}

/// An object whose alarm has just sent a refresh.
fn refreshing() -> Object {
    let mut object = Object::with(Some(MAIL));
    object.reads_mail(1);
    object.wait(49 * 60);
    assert_eq!((object.forms.len(), object.field("grant_type")), (1, "refresh_token"));
    object
}

#[test]
fn dead_refresh_token_is_deleted_told_and_never_tried_again() {
    for number in [70_000, 70_008, 700_082, 50_173, 70_043, 50_034, 50_057] {
        let mut object = refreshing();
        object.entra_refuses("invalid_grant", "bad_token", number);
        assert_eq!((object.row().needs, object.row().sealed), (Some(Need::SignIn), None));
        assert!(object.error_of(2).contains("sign in again"));
        let status = object.call(3, "authenticate", json!({}));
        assert_eq!(status["result"]["structuredContent"]["connected"], false);
        object.hours_pass(48);
        assert_eq!((object.forms.len(), object.core.load().open), (1, 0), "{number}");
        let line = object.log_line("token_refused").unwrap();
        assert!(line.contains(&number.to_string()) && line.contains("sign_in_again"), "{line}");
        assert!(!object.log.join("\n").contains("CANARY"));
        // A new sign-in, by whichever client, mends it.
        assert_eq!(object.sign_in(false), 204);
        assert_eq!((object.row().needs, object.row().sealed.is_some()), (None, true));
    }
}

#[test]
fn dead_refresh_token_sends_a_client_that_can_sign_people_in_to_do_so() {
    let mut object = Object::with(Some(MAIL)).with_client();
    object.wait(49 * 60);
    object.entra_refuses("invalid_grant", "", 700_082);
    let entries = object.log.len();
    object.call(2, "getEmails", json!({}));
    let refused = object.replies.last().unwrap().clone();
    assert_eq!((refused.status, refused.challenge), (401, Some(protocol::object::Challenge::SignInAgain)));
    assert_eq!((object.log.len(), object.core.load().open), (entries, 0));
    // Its refresh token does not help it either, or it would be refused in a circle; and nothing is withdrawn.
    assert_eq!(object.renew(), 400);
    assert!(object.core.grants.standing(&GRANT).is_some());
    let status = object.call(3, "authenticate", json!({}));
    assert_eq!(status["result"]["structuredContent"]["connected"], false);
    let again = object.with_client();
    assert!(matches!(again.core.refresher.access(again.now), Access::Ready(_)));
}

#[test]
fn dead_refresh_token_ends_the_calls_that_waited_for_it() {
    let mut object = Object::with(Some(MAIL));
    object.wait(30 * 60 * 60);
    assert_eq!(object.forms.len(), 0, "nobody was active for a day");
    assert_eq!(object.call(1, "getEmails", json!({})), Value::Null);
    assert_eq!((object.forms.len(), object.sent.len()), (1, 0));
    object.entra_refuses("invalid_grant", "", 70_008);
    assert!(object.last()["result"]["content"][0]["text"].as_str().unwrap().contains("sign in again"));
    assert_eq!(object.core.load().open, 0);
}

#[test]
fn step_up_demanded_by_the_token_endpoint_is_carried_to_the_next_sign_in() {
    for number in [50_076, 50_078, 50_079, 53_000, 53_003, 530_032, 50_158] {
        let mut object = refreshing();
        object.entra_refuses("invalid_grant", "", number);
        assert_eq!(object.row().needs, Some(Need::StepUp), "{number}");
    }
    let mut object = refreshing();
    object.entra_demands();
    // What there is goes on until it ends; nothing is tried in the meantime.
    object.reads_mail(2);
    object.wait(TOO_OLD_S);
    assert!(object.error_of(3).contains("sign in again"));
    object.hours_pass(48);
    assert_eq!(object.forms.len(), 1);
    // The demand outlives the object, and nothing of it lies in clear.
    object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
    let stored: Vec<u8> = object.rows.rows.values().flatten().copied().collect();
    assert!(!stored.windows(6).any(|window| window == b"c0ffee"));
    // A sign-in that did not carry it is sent to Microsoft once more, and nothing of it is stored.
    assert_eq!(object.sign_in(false), STEP_UP);
    assert_eq!(object.last()["claims"], CLAIMS);
    assert_eq!(object.row().needs, Some(Need::StepUp));
    assert!(object.log.last().unwrap().contains("\"outcome\":\"step_up\""));
    assert_eq!(object.sign_in(true), 204);
    assert_eq!(object.row().needs, None);
    assert_eq!(object.sign_in(false), 204, "the demand was met once and for all");
}

#[test]
fn step_up_demanded_by_graph_is_first_tried_in_silence() {
    let mut object = Object::with(Some(MAIL));
    object.call(1, "getEmails", json!({}));
    object.graph_demands();
    assert_eq!(object.forms.len(), 1);
    let claims = object.field("claims");
    assert!(claims.contains("c0ffee") && claims.contains("cp1"), "{claims}");
    object.entra_issues("a2", "r2");
    assert_eq!(object.sent.len(), 2);
    object.answers(200, &json!({"value": []}));
    assert_eq!(object.last()["result"]["isError"], false);
    // It was met: neither the next refresh nor the next sign-in carries it.
    object.wait(49 * 60);
    assert!(!object.field("claims").contains("c0ffee") && object.field("claims").contains("cp1"));
    assert_eq!(object.sign_in(false), 204);
}

#[test]
fn step_up_demanded_by_graph_and_refused_in_silence_asks_for_the_person() {
    let mut object = Object::with(Some(MAIL));
    object.call(1, "getEmails", json!({}));
    object.graph_demands();
    // Microsoft repeats no claims here: Graph's own stay.
    object.entra_refuses("interaction_required", "", 50_076);
    assert!(object.last()["result"]["content"][0]["text"].as_str().unwrap().contains("sign in again"));
    assert!(object.error_of(2).contains("sign in again"));
    object.hours_pass(2);
    object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
    assert!(object.error_of(3).contains("sign in again"));
    assert_eq!((object.forms.len(), object.sent.len()), (1, 1));
    assert_eq!(object.sign_in(false), STEP_UP);
    assert_eq!(object.last()["claims"], CLAIMS);
}

#[test]
fn step_up_that_graph_repeats_after_a_refresh_does_not_go_round() {
    let mut object = Object::with(Some(MAIL));
    object.call(1, "getEmails", json!({}));
    object.graph_demands();
    object.entra_issues("a2", "r2");
    object.graph_demands();
    assert!(object.last()["result"]["content"][0]["text"].as_str().unwrap().contains("sign in again"));
    assert_eq!(object.row().needs, Some(Need::StepUp));
    assert!(object.error_of(2).contains("sign in again"));
    assert_eq!((object.forms.len(), object.sent.len()), (1, 2));
    object.core = UserSession::recover(Rc::new(config()), &object.rows, object.now).unwrap();
    assert_eq!(object.sign_in(false), STEP_UP);
}

#[test]
fn consent_missing_names_the_permission_and_keeps_what_there_is() {
    for (error, suberror, number) in [
        ("invalid_grant", "consent_required", 65_001),
        ("invalid_grant", "", 90_094),
        ("invalid_grant", "", 90_095),
    ] {
        let mut object = refreshing();
        object.entra_refuses(error, suberror, number);
        object.reads_mail(2);
        object.wait(TOO_OLD_S);
        let told = object.error_of(3);
        assert!(told.contains("the permission Mail.Read "), "{told}");
        object.hours_pass(24);
        assert_eq!(object.forms.len(), 1);
        assert_eq!(object.sign_in(false), 204);
        object.wait(49 * 60);
        assert_eq!(object.forms.len(), 2);
    }
}

#[test]
fn a_refresh_asks_for_what_was_granted_so_that_a_new_version_does_not_end_it() {
    let object = refreshing();
    assert_eq!(object.field("scope"), "openid%20profile%20offline_access%20User.Read%20Mail.Read");
}

#[test]
fn own_credential_is_the_operators_business_and_costs_nobody_a_sign_in() {
    for (error, number) in [
        ("invalid_client", 7_000_215),
        ("invalid_client", 7_000_222),
        ("invalid_client", 700_027),
        ("unauthorized_client", 700_016),
    ] {
        let mut object = refreshing();
        object.entra_refuses(error, "", number);
        let line = object.log_line("own_credential_refused").unwrap();
        assert!(line.contains(&number.to_string()) && line.contains("traceId"), "{line}");
        assert!(object.row().sealed.is_some() && object.row().needs.is_none());
        object.wait(TOO_OLD_S);
        object.entra_refuses(error, "", number);
        let told = object.error_of(2);
        assert!(told.contains("operators") && !told.contains("sign in"), "{told}");
        // It is tried again, less and less often; an hour has a bounded number of attempts.
        let before = object.forms.len();
        for _ in 0..360 {
            object.wait(10);
            if object.forms.len() > before {
                object.entra_refuses(error, "", number);
            }
        }
        let attempts = object.forms.len() - before;
        assert!((10..=40).contains(&attempts), "{attempts}");
        object.wait(10 * 60);
        object.entra_issues("a2", "r2");
        object.reads_mail(3);
    }
}

#[test]
fn an_account_that_may_not_is_told_so_and_keeps_its_tokens() {
    for number in [50_105, 50_020, 500_011] {
        let mut object = refreshing();
        object.entra_refuses("invalid_grant", "", number);
        object.wait(TOO_OLD_S);
        object.entra_refuses("invalid_grant", "", number);
        let told = object.error_of(2);
        assert!(told.contains("administrators") && told.contains("does not help"), "{told}");
        assert!(object.row().sealed.is_some() && object.row().needs.is_none());
    }
}

#[test]
fn transient_refusals_keep_the_token_and_are_tried_again() {
    let down = |status: u16, body: &Value, wait: Option<u64>| Answer {
        status,
        retry_after: wait.map(DurationMs::from_secs),
        body: body.to_string().into_bytes(),
        ..Answer::default()
    };
    for (answer, soonest_s) in [
        (down(400, &json!({"error": "temporarily_unavailable", "error_codes": [90_033]}), None), 1),
        (down(400, &json!({"error": "server_error", "error_codes": [90_006]}), None), 1),
        (down(503, &json!("<html>"), None), 1),
        (down(429, &json!({"error": "temporarily_unavailable"}), Some(20)), 20),
    ] {
        let mut object = Object::with(Some(MAIL));
        object.wait(30 * 60 * 60);
        object.call(1, "getEmails", json!({}));
        object.entra_answers(answer);
        object.wait(soonest_s - 1);
        assert_eq!(object.forms.len(), 1);
        object.wait(soonest_s / 4 + 2);
        assert_eq!((object.forms.len(), object.field("refresh_token")), (2, "refresh"));
        object.entra_issues("a2", "r2");
        object.answers(200, &json!({"value": []}));
        assert_eq!(object.last()["result"]["isError"], false, "the client saw nothing of it");
    }
}

#[test]
fn a_lost_refresh_answer_leaves_the_old_token_to_be_tried_again() {
    let mut object = refreshing();
    let op = object.forms.last().unwrap().0;
    object.turn(Input::CallDone { op, result: CallResult::Lost(Lost::Timeout) });
    object.wait(2);
    assert_eq!((object.forms.len(), object.field("refresh_token")), (2, "refresh"));
    object.entra_issues("a2", "r2");
    // The answer that was lost comes after all: it is nobody's any more.
    let body = json!({"expires_in": 3_600, "access_token": "late", "refresh_token": "r-late", "scope": ""});
    let late = Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() };
    object.turn(Input::CallDone { op, result: CallResult::Answered(late) });
    object.wait(49 * 60);
    assert_eq!(object.field("refresh_token"), "r2");
}

#[test]
fn a_long_outage_is_told_and_not_waited_for() {
    let mut object = refreshing();
    object.entra_refuses("invalid_grant", "", 50_196);
    object.wait(15 * 60);
    let told = object.error_of(2);
    assert!(told.contains("Nothing is wrong with your account") && told.contains("Try again in"), "{told}");
    object.wait(30 * 60);
    assert_eq!(object.forms.len(), 1, "a loop that Microsoft noticed is not gone on with");
    object.wait(60 * 60);
    assert_eq!(object.forms.len(), 2);
}

#[test]
fn an_open_stream_counts_as_use() {
    let renewals_of_the_third_day = |is_open: bool| {
        let mut object = Object::with(Some(MAIL));
        if is_open {
            let session = object.session.clone().unwrap();
            object.command(Command::Listen(Listen::Session { session, after: None, is_restored: false }));
        }
        let mut renewals = 0;
        for step in 0..288 {
            let before = object.forms.len();
            object.wait(15 * 60);
            if object.forms.len() > before {
                object.entra_issues("a", &format!("r{step}"));
                renewals += u32::from(step >= 192);
            }
        }
        renewals
    };
    assert_eq!(renewals_of_the_third_day(false), 0);
    assert!(renewals_of_the_third_day(true) >= 23);
}
