//! `listTeams`: the teams that the person belongs to, or the channels or members of one.

use serde_json::{Map, Value, json};

use crate::graph::query;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::Tool;
use crate::tools::collection::{Field, Kind, Page, list, shown};
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
        let arguments =
            Arguments::of(Tool::ListTeams, values, &["teamId", "members", "maxTokens", "cursor"])?;
        let wants_members = arguments.flag("members")?.unwrap_or(false);
        let budget = Budget::read(&arguments, around)?;
        let (path, name) = match arguments.identifier("teamId")? {
            // An administrator grants it, so that nobody is asked for it at the sign-in.
            Some(team) if wants_members => {
                around.require(&["TeamMember.Read.All"])?;
                (format!("/teams/{team}/members"), "members")
            }
            None if wants_members => return Err(arguments.must_be("teamId", "given with `members`")),
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
        let wants_members = self.name == "members";
        let show = |item: &Value| if wants_members { member(item) } else { place(item) };
        let by = match wants_members {
            true => "names, as people and organisations write them",
            false => "names, given by the teams' owners",
        };
        let (items, goes_on) = self.budget.page(&page, &self.path, show, true);
        let finished = Finished::from_outside(json!({ self.name: items }), by);
        Ok(Step::Done(finished.going_on(goes_on)))
    }
}

/// A team or channel; none without an identifier.
fn place(item: &Value) -> Option<Value> {
    let out = shown(item, &SHOWN);
    out.contains_key("id").then_some(Value::Object(out))
}

/// A member by name and address; none of whom nothing is known.
fn member(item: &Value) -> Option<Value> {
    let fields: [Field; 2] = [("name", "/displayName", Kind::Text), ("address", "/email", Kind::Text)];
    let mut out = shown(item, &fields);
    if out.is_empty() {
        return None;
    }
    if list(item, "/roles").iter().any(|role| role == "owner") {
        out.insert("isOwner".to_owned(), true.into());
    }
    Some(out.into())
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

    #[test]
    fn members_of_a_team_are_named_where_an_administrator_lets_it() {
        let asked = json!({"teamId": "T1", "members": true});
        let mut members = plan(asked.clone(), &["TeamMember.Read.All"]).unwrap();
        assert_eq!(members.call().path, "/teams/T1/members");
        let page = json!({"value": [
            {"id": "M1", "displayName": "Ann", "email": "ann@x.example", "roles": ["owner"], "userId": "U1"},
            {"id": "M2", "displayName": "Ben", "email": null, "roles": []}, {"id": "M3"},
        ], "@odata.nextLink": "https://graph.microsoft.com/v1.0/teams/T1/members?$skiptoken=x"});
        let Step::Done(done) = members.answered(&answer(200, &page)).unwrap() else { panic!() };
        let expected = json!([{"name": "Ann", "address": "ann@x.example", "isOwner": true}, {"name": "Ben"}]);
        assert_eq!(done.structured["members"], expected);
        assert!(done.written_by.is_some() && done.goes_on.is_some());
        assert_conforms(Tool::ListTeams, &done);
        let refused = plan(asked, &["Team.ReadBasic.All", "Channel.ReadBasic.All"]).unwrap_err();
        assert!(refused.message.contains("TeamMember.Read.All"), "{refused}");
        let unnamed = plan(json!({"members": true}), &["TeamMember.Read.All"]).unwrap_err();
        assert!(unnamed.message.contains("`teamId`"), "{unnamed}");
    }
}
