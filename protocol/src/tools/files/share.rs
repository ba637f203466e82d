//! `shareFile`: a link to a file or folder.
//!
//! What holds here: a link is for the organisation unless something else is asked for, and for everybody who has it only
//! where the policy lets it. Microsoft gives the link that is there already, so that doing it again changes nothing.

use serde_json::{Map, Value, json};

use super::{FILES_WRITE, named};
use crate::civil::{Civil, When, utc_text};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::policy::Policy;
use crate::time::UnixMs;
use crate::tools::arguments::Arguments;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, read, shown, text};
use crate::tools::error::{Fault, ToolError};
use crate::tools::plan::Writing;
use crate::tools::{Finished, Found, Step, Surroundings, WriteIntent, confirm, mailbox_zone};
use crate::zones::{Zone, Zones};

const KNOWN: [&str; 6] = ["driveId", "id", "type", "scope", "expires", "idempotencyKey"];

const SHOWN: [Field; 4] = [
    ("link", "/link/webUrl", Kind::Text),
    ("type", "/link/type", Kind::Text),
    ("scope", "/link/scope", Kind::Text),
    ("expires", "/expirationDateTime", Kind::Text),
];

/// The tool at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ShareFile {
    path: String,
    body: Value,
    /// When the link ends, by the clock of a zone that is not known yet.
    ends: Option<Civil>,
    zones: Zones,
    now: UnixMs,
}

impl ShareFile {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ShareFile, values, &KNOWN)?;
        around.require(&FILES_WRITE)?;
        arguments.check_idempotency_key()?;
        let path = named(&arguments)?;
        let kind = arguments.choice("type", &[("view", "view"), ("edit", "edit")], "view")?;
        let scopes = [("organization", "organization"), ("people", "users"), ("anonymous", "anonymous")];
        let scope = arguments.choice("scope", &scopes, "organization")?;
        if scope == "anonymous" && !around.policy.files.anonymous_links {
            return Err(ToolError::new(
                Fault::Account,
                "link_not_allowed",
                "Links that work for everybody who has them are not allowed by the operators of this server. Nothing \
                 was shared.",
            ));
        }
        let body = json!({"type": kind, "scope": scope});
        let mut plan = Self { path, body, ends: None, zones: around.zones, now: around.now };
        match arguments.when("expires")? {
            Some(When::Instant(at)) => plan.end_at(Some(at))?,
            Some(When::Local(clock)) => match mailbox_zone::of_mailbox(around)? {
                Some(zone) => plan.end_at(zone.instant(clock))?,
                None => plan.ends = Some(clock),
            },
            Some(When::Day(_)) => return Err(no_end()),
            None => {}
        }
        Ok(plan)
    }

    fn end_at(&mut self, at: Option<UnixMs>) -> Result<(), ToolError> {
        let at = at.filter(|at| *at > self.now).ok_or_else(no_end)?;
        if let Some(members) = self.body.as_object_mut() {
            members.insert("expirationDateTime".to_owned(), utc_text(at).into());
        }
        Ok(())
    }

    fn finished(answer: &Answer) -> Finished {
        let permission: Value = read(answer).unwrap_or_default();
        let mut out = shown(&permission, &SHOWN);
        out.insert("status".to_owned(), "shared".into());
        Finished::new(Value::Object(out))
    }
}

fn no_end() -> ToolError {
    ToolError::argument("`expires` must be a later time, such as 2030-01-31T12:00. Nothing was shared.")
}

impl Writing for ShareFile {
    fn call(&self) -> GraphCall {
        if self.ends.is_some() {
            return mailbox_zone::call();
        }
        let path = format!("{}/createLink", self.path);
        GraphCall::post_repeatable(Lane::Other, path, self.body.to_string())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        if let Some(clock) = self.ends.take() {
            let zone: Zone = mailbox_zone::answered(answer, self.zones)?;
            self.end_at(zone.instant(clock))?;
            return Ok(Step::Call(self.call()));
        }
        Ok(Step::Done(Self::finished(answer)))
    }

    fn intent(&self) -> Option<WriteIntent> {
        self.ends.is_none().then_some(WriteIntent::ChangeItem)
    }

    /// The same again: Microsoft answers with the link that is there, or makes it now.
    fn look_into(&mut self) -> Found {
        Found::Look(self.call())
    }

    fn look_again(&mut self, still_wanted: bool) -> Found {
        if still_wanted { Found::Look(self.call()) } else { Found::NeverKnown }
    }

    fn looked(&mut self, answer: &Answer) -> Found {
        match answer.status {
            200..300 => Found::Happened(Self::finished(answer)),
            400 | 403 | 404 => Found::NeverKnown,
            _ => Found::NotYetKnown,
        }
    }

    fn outcome_unknown(&self) -> ToolError {
        ToolError::outcome_unknown("sharing this file", "at its links")
    }

    fn to_confirm(&self, policy: &Policy, arguments: &Map<String, Value>) -> Option<String> {
        let is_anonymous = text(&self.body, "/scope") == Some("anonymous");
        policy.demands_for_link(is_anonymous).then(|| confirm::link(&self.body, arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Safety;
    use crate::tools::testing::{answer, around, assert_conforms, body_of};

    fn plan_under(policy: &str, arguments: Value) -> Result<ShareFile, ToolError> {
        let granted = ["Files.ReadWrite.All", "MailboxSettings.Read"].map(str::to_owned);
        let policy = Policy::parse(policy).unwrap();
        let around = Surroundings { policy: &policy, ..around(&granted) };
        ShareFile::new(arguments.as_object().unwrap(), around)
    }

    fn plan(arguments: Value) -> Result<ShareFile, ToolError> {
        plan_under("{}", arguments)
    }

    fn asked(scope: &str) -> Value {
        json!({"driveId": "b!D", "id": "F1", "type": "edit", "scope": scope})
    }

    #[test]
    fn a_link_is_for_the_organisation_unless_asked_otherwise() {
        let mut plan = plan(json!({"driveId": "b!D", "id": "F1"})).unwrap();
        let call = plan.call();
        assert_eq!(
            (call.path.as_str(), call.safety),
            ("/drives/b!D/items/F1/createLink", Safety::Repeatable)
        );
        assert_eq!(body_of(&call), json!({"type": "view", "scope": "organization"}));
        let permission = json!({"id": "1", "link": {"type": "view", "scope": "organization",
                                "webUrl": "https://x.example/l"}});
        let Step::Done(done) = plan.answered(&answer(201, &permission)).unwrap() else { panic!() };
        assert_eq!(
            done.structured,
            json!({"status": "shared", "link": "https://x.example/l", "type": "view", "scope": "organization"})
        );
        assert_conforms(Tool::ShareFile, &done);
        assert_eq!(body_of(&self::plan(asked("people")).unwrap().call())["scope"], "users");
    }

    #[test]
    fn a_link_for_everybody_needs_the_policy_and_perhaps_a_person() {
        assert_eq!(plan(asked("anonymous")).unwrap_err().code, "link_not_allowed");
        let open = r#"{"anonymousLinks":true}"#;
        assert!(plan_under(open, asked("anonymous")).is_ok());
        let strict = r#"{"anonymousLinks":true,"confirm":"external","internalDomains":["x.example"]}"#;
        let policy = Policy::parse(strict).unwrap();
        let shown = |scope: &str| {
            let arguments = asked(scope);
            plan_under(strict, arguments.clone()).unwrap().to_confirm(&policy, arguments.as_object().unwrap())
        };
        assert_eq!(shown("organization"), None);
        let text = shown("anonymous").unwrap();
        assert!(
            text.contains("everybody who has the link") && text.contains("F1") && text.contains("edit"),
            "{text}"
        );
    }

    #[test]
    fn a_lost_answer_is_found_out_by_asking_for_the_link_again() {
        let mut plan = plan(asked("organization")).unwrap();
        assert_eq!(plan.intent(), Some(WriteIntent::ChangeItem));
        assert!(matches!(plan.look_into(), Found::Look(call) if call.path.ends_with("/createLink")));
        assert_eq!(plan.looked(&answer(502, &json!({}))), Found::NotYetKnown);
        assert!(matches!(plan.looked(&answer(200, &json!({}))), Found::Happened(_)));
        assert_eq!(plan.look_again(false), Found::NeverKnown);
    }

    #[test]
    fn an_end_lies_in_the_future() {
        let mut arguments = asked("organization");
        arguments["expires"] = "2026-02-01T00:00:00+01:00".into();
        let body = body_of(&plan(arguments.clone()).unwrap().call());
        assert_eq!(body["expirationDateTime"], "2026-01-31T23:00:00Z");
        for bad in ["2026-01-01T00:00:00Z", "2026-02-01"] {
            arguments["expires"] = bad.into();
            assert!(plan(arguments.clone()).unwrap_err().message.contains("`expires`"), "{bad}");
        }
    }

    #[test]
    fn an_end_by_the_clock_is_one_of_the_mailboxs_zone() {
        let zurich = crate::zones::testing::ZONES.zone("Europe/Zurich").unwrap();
        let granted = ["Files.ReadWrite.All", "MailboxSettings.Read"].map(str::to_owned);
        let begun = |ends: &str, granted: &[String], zone: Option<&Zone>| {
            let mut arguments = asked("organization");
            arguments["expires"] = ends.into();
            let zones = crate::zones::testing::ZONES;
            let around = Surroundings { mailbox_zone: zone, zones, ..around(granted) };
            ShareFile::new(arguments.as_object().unwrap(), around)
        };
        let known = begun("2026-02-01T00:00", &granted, Some(&zurich)).unwrap();
        assert_eq!(body_of(&known.call())["expirationDateTime"], "2026-01-31T23:00:00Z");
        let mut unknown = begun("2026-02-01T00:00", &granted, None).unwrap();
        assert_eq!((mailbox_zone::is_asked_by(&unknown.call()), unknown.intent()), (true, None));
        let Ok(Step::Call(call)) = unknown.answered(&mailbox_zone::told(&zurich)) else { panic!() };
        assert_eq!(body_of(&call)["expirationDateTime"], "2026-01-31T23:00:00Z");
        assert_eq!(unknown.intent(), Some(WriteIntent::ChangeItem));
        let mut past = begun("2026-01-01T00:00", &granted, None).unwrap();
        assert!(past.answered(&mailbox_zone::told(&zurich)).unwrap_err().message.contains("`expires`"));
        let refused = begun("2026-02-01T00:00", &granted[..1], None).unwrap_err();
        assert_eq!(refused.permission, Some("MailboxSettings.Read"));
    }
}
