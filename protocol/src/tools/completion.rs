//! Completion: what a person may mean while typing an argument of a prompt or a template.
//!
//! What holds here: a completion is one read of the person's own names, filtered here, and passes the same queue and
//! ledger as a tool; what is known without Microsoft is answered at once. At most a hundred values are given (MCP
//! 2026-07-28, server/utilities/completion).

use serde_json::{Map, Value, json};

use super::catalogue::CALENDARS_READ;
use super::collection::{Page, text};
use super::error::ToolError;
use super::plan::Reading;
use super::{Finished, Step, Surroundings};
use crate::civil::utc_text;
use crate::graph::{UTC_TIMES, query, segment};
use crate::outbound::{Answer, GraphCall, Lane};
use crate::time::DurationMs;

const VALUES_MAX: usize = 100;
const LOOKS_AHEAD: DurationMs = DurationMs::from_secs(7 * 24 * 60 * 60);

/// What can be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Folders that every mailbox has.
    Folders,
    /// Ways to name a week.
    Weeks,
    /// Names of calendars.
    Calendars,
    /// Subjects of meetings of the next days.
    Meetings,
    /// Identifiers of teams, found by name too.
    Teams,
    /// Identifiers of a team's channels, found by name too.
    Channels,
    /// What nobody can type ahead, such as the identifier of a mail.
    Nothing,
}

impl Completion {
    /// Every completion.
    pub const ALL: [Self; 7] = [
        Self::Folders,
        Self::Weeks,
        Self::Calendars,
        Self::Meetings,
        Self::Teams,
        Self::Channels,
        Self::Nothing,
    ];

    /// What completes a variable of a resource template; none if there is no such variable.
    #[must_use]
    pub fn of_template(template: &str, variable: &str) -> Option<Self> {
        match (template, variable) {
            ("microsoft://mail/messages/{id}" | "microsoft://calendar/events/{id}", "id") => {
                Some(Self::Nothing)
            }
            ("microsoft://teams/{teamId}" | "microsoft://teams/{teamId}/channels/{channelId}", "teamId") => {
                Some(Self::Teams)
            }
            ("microsoft://teams/{teamId}/channels/{channelId}", "channelId") => Some(Self::Channels),
            _ => None,
        }
    }

    /// The name in ledger, logs and the gateway's metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folders => "completion:folders",
            Self::Weeks => "completion:weeks",
            Self::Calendars => "completion:calendars",
            Self::Meetings => "completion:meetings",
            Self::Teams => "completion:teams",
            Self::Channels => "completion:channels",
            Self::Nothing => "completion:nothing",
        }
    }

    /// The scope that an access token needs.
    #[must_use]
    pub const fn scope(self) -> Option<&'static str> {
        match self {
            Self::Folders | Self::Weeks | Self::Nothing => None,
            Self::Calendars | Self::Meetings => Some("calendar.read"),
            Self::Teams | Self::Channels => Some("teams.read"),
        }
    }

    const fn known(self) -> &'static [&'static str] {
        match self {
            Self::Folders => &["inbox", "sentitems", "drafts", "archive", "junkemail", "deleteditems"],
            Self::Weeks => &["this week", "last week", "next week"],
            _ => &[],
        }
    }
}

/// The result of `completion/complete`.
#[must_use]
pub fn completed(values: Vec<Value>, has_more: bool) -> Value {
    json!({ "completion": { "values": values, "hasMore": has_more } })
}

/// A completion at work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    completion: Completion,
    /// In small letters.
    typed: String,
    path: String,
}

/// What became of a wish for completion.
pub(super) enum Completing {
    /// Microsoft has to be asked.
    Ask(Complete),
    /// It is known already.
    Known(Finished),
}

impl Complete {
    /// `arguments` has what was `typed`, and what was `chosen` for the other arguments.
    pub(super) fn begin(
        completion: Completion,
        arguments: &Map<String, Value>,
        around: Surroundings<'_>,
    ) -> Result<Completing, ToolError> {
        let typed = arguments.get("typed").and_then(Value::as_str).unwrap_or_default().to_lowercase();
        let may_be_named =
            |value: &str| completion != Completion::Folders || around.policy.folders.check(value).is_ok();
        let known = |values: &[&str]| {
            let fits = |value: &&&str| value.contains(&typed) && may_be_named(value);
            let values = values.iter().filter(fits).map(|value| (*value).into()).collect();
            Completing::Known(Finished::new(completed(values, false)))
        };
        let path = match completion {
            Completion::Folders | Completion::Weeks | Completion::Nothing => {
                return Ok(known(completion.known()));
            }
            Completion::Calendars => {
                around.require(&CALENDARS_READ)?;
                format!("/me/calendars{}", query(&[("$select", "id,name"), ("$top", "50")]))
            }
            Completion::Meetings => {
                around.require(&CALENDARS_READ)?;
                let parameters = query(&[
                    ("startDateTime", &utc_text(around.now)),
                    ("endDateTime", &utc_text(around.now.plus(LOOKS_AHEAD))),
                    ("$select", "id,subject"),
                    ("$orderby", "start/dateTime"),
                    ("$top", "100"),
                ]);
                format!("/me/calendarView{parameters}")
            }
            Completion::Teams => {
                around.require(&["Team.ReadBasic.All"])?;
                "/me/joinedTeams".to_owned()
            }
            Completion::Channels => {
                around.require(&["Channel.ReadBasic.All"])?;
                let team = arguments.get("chosen").and_then(|chosen| text(chosen, "/teamId")).map(segment);
                // Without its team a channel cannot be found, and that is no error while somebody types.
                let Some(Ok(team)) = team else { return Ok(known(&[])) };
                format!("/teams/{team}/channels{}", query(&[("$select", "id,displayName")]))
            }
        };
        Ok(Completing::Ask(Self { completion, typed, path }))
    }
}

impl Reading for Complete {
    fn call(&self) -> GraphCall {
        match self.completion {
            Completion::Teams | Completion::Channels => GraphCall::get(Lane::Teams, self.path.clone()),
            _ => GraphCall::get(Lane::Mailbox, self.path.clone()).preferring(&[UTC_TIMES]),
        }
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let (value, label) = match self.completion {
            Completion::Meetings => ("/subject", "/subject"),
            Completion::Teams | Completion::Channels => ("/id", "/displayName"),
            _ => ("/name", "/name"),
        };
        let mut values: Vec<Value> = Vec::new();
        let mut is_cut = page.has_more();
        for item in &page.value {
            let Some(found) = text(item, value) else { continue };
            let fits = [value, label].iter().any(|pointer| {
                text(item, pointer).is_some_and(|text| text.to_lowercase().contains(&self.typed))
            });
            let found = Value::from(found);
            if !fits || values.contains(&found) {
                continue;
            }
            if values.len() == VALUES_MAX {
                is_cut = true;
                break;
            }
            values.push(found);
        }
        Ok(Step::Done(Finished::new(completed(values, is_cut))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, with_granted};

    fn begin(completion: Completion, arguments: Value) -> Completing {
        let granted = ["Calendars.Read", "Team.ReadBasic.All", "Channel.ReadBasic.All"];
        with_granted(&granted, |around| Complete::begin(completion, arguments.as_object().unwrap(), around))
            .unwrap()
    }

    fn asked(completion: Completion, arguments: Value) -> Complete {
        match begin(completion, arguments) {
            Completing::Ask(plan) => plan,
            Completing::Known(finished) => panic!("{:?}", finished.structured),
        }
    }

    fn values(plan: &mut Complete, items: Value) -> Value {
        match plan.answered(&answer(200, &json!({ "value": items }))).unwrap() {
            Step::Done(finished) => finished.structured["completion"].clone(),
            Step::Call(call) => panic!("{}", call.path),
        }
    }

    #[test]
    fn what_is_known_is_answered_at_once() {
        for (completion, arguments, expected) in [
            (Completion::Weeks, json!({"typed": "LAST"}), json!(["last week"])),
            (Completion::Folders, json!({"typed": "item"}), json!(["sentitems", "deleteditems"])),
            (Completion::Channels, json!({"typed": ""}), json!([])),
            (Completion::Channels, json!({"typed": "", "chosen": {"teamId": "../me"}}), json!([])),
        ] {
            let Completing::Known(finished) = begin(completion, arguments) else { panic!("{completion:?}") };
            assert_eq!(finished.structured["completion"]["values"], expected);
        }
    }

    #[test]
    fn names_are_found_by_any_part_and_once() {
        let mut calendars = asked(Completion::Calendars, json!({"typed": "an"}));
        assert_eq!(calendars.call().path, "/me/calendars?$select=id%2Cname&$top=50");
        let items =
            json!([{"name": "Plans"}, {"name": "plans"}, {"name": "Plans"}, {"name": "Other"}, {"id": "x"}]);
        assert_eq!(values(&mut calendars, items)["values"], json!(["Plans", "plans"]));
    }

    #[test]
    fn identifiers_are_found_by_name() {
        let mut channels = asked(Completion::Channels, json!({"typed": "gen", "chosen": {"teamId": "T"}}));
        assert_eq!(channels.call().path, "/teams/T/channels?$select=id%2CdisplayName");
        let items = json!([{"id": "19:a", "displayName": "General"}, {"id": "19:b", "displayName": "Other"}]);
        assert_eq!(values(&mut channels, items)["values"], json!(["19:a"]));
    }

    #[test]
    fn no_more_than_a_hundred_values_are_given() {
        let items: Vec<Value> = (0..150).map(|n| json!({"subject": format!("Meeting {n}")})).collect();
        let found = values(&mut asked(Completion::Meetings, json!({"typed": "meet"})), items.into());
        assert_eq!(found["values"].as_array().unwrap().len(), 100);
        assert_eq!(found["hasMore"], true);
    }
}
