//! `listTeams`: the teams that the person belongs to, or the channels of one.

use serde_json::{Map, Value, json};

use crate::graph::query;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, Page, shown};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const SHOWN: [Field; 4] = [
    ("id", "/id", Kind::Text),
    ("name", "/displayName", Kind::Text),
    ("description", "/description", Kind::Text),
    ("membership", "/membershipType", Kind::Text),
];

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListTeams {
    path: String,
    name: &'static str,
    budget: Budget,
}

impl ListTeams {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ListTeams, values, &["teamId", "maxTokens", "cursor"])?;
        let budget = Budget::read(&arguments, around)?;
        let (path, name) = match arguments.identifier("teamId")? {
            Some(team) => {
                around.require(&["Channel.ReadBasic.All"])?;
                let parameters = query(&[("$select", "id,displayName,description,membershipType")]);
                (format!("/teams/{team}/channels{parameters}"), "channels")
            }
            None => {
                around.require(&["Team.ReadBasic.All"])?;
                // It takes no parameters (Graph, "List joinedTeams").
                ("/me/joinedTeams".to_owned(), "teams")
            }
        };
        Ok(Self { path: budget.path(path), name, budget })
    }
}

impl Reading for ListTeams {
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Teams, self.path.clone())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let one = |item: &Value| {
            let out = shown(item, &SHOWN);
            out.contains_key("id").then_some(Value::Object(out))
        };
        let (items, goes_on) = self.budget.page(&page, &self.path, one, true);
        let finished =
            Finished::from_outside(json!({ self.name: items }), "names, given by the teams' owners");
        Ok(Step::Done(finished.going_on(goes_on)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    fn plan(arguments: Value, granted: &[&str]) -> Result<ListTeams, ToolError> {
        with_granted(granted, |around| ListTeams::new(arguments.as_object().unwrap(), around))
    }

    #[test]
    fn teams_are_listed_and_the_channels_of_one() {
        let granted = ["Team.ReadBasic.All", "Channel.ReadBasic.All"];
        let mut teams = plan(json!({}), &granted).unwrap();
        assert_eq!((teams.call().path.as_str(), teams.call().lane), ("/me/joinedTeams", Lane::Teams));
        let body =
            json!({"value": [{"id": "t-1", "displayName": "A", "webUrl": null}, {"displayName": "no id"}]});
        let Step::Done(done) = teams.answered(&answer(200, &body)).unwrap() else { panic!() };
        assert_eq!(done.structured, json!({"teams": [{"id": "t-1", "name": "A"}]}));
        assert_conforms(Tool::ListTeams, &done);
        let mut channels = plan(json!({"teamId": "t-1"}), &granted).unwrap();
        assert!(channels.call().path.starts_with("/teams/t-1/channels?$select=id%2CdisplayName"));
        let body = json!({"value": [{"id": "19:a@thread.tacv2", "displayName": "General", "membershipType": "standard"}]});
        let Step::Done(done) = channels.answered(&answer(200, &body)).unwrap() else { panic!() };
        assert_eq!(done.structured["channels"][0]["membership"], "standard");
        assert_conforms(Tool::ListTeams, &done);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (arguments, granted, expected) in [
            (json!({}), "Channel.ReadBasic.All", "Team.ReadBasic.All "),
            (json!({"teamId": "t"}), "Team.ReadBasic.All", "Channel.ReadBasic.All "),
            (json!({"teamId": "../x"}), "Channel.ReadBasic.All", "`teamId`"),
        ] {
            let error = plan(arguments, &[granted]).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
