//! `listCalendars`: the calendars of the person, their own and those that others shared.

use serde_json::{Map, Value, json};

use crate::graph::query;
use crate::outbound::{Answer, GraphCall, Lane};
use crate::tools::arguments::Arguments;
use crate::tools::budget::Budget;
use crate::tools::catalogue::{CALENDARS_READ, Tool};
use crate::tools::collection::{Field, Kind, Page, shown};
use crate::tools::error::ToolError;
use crate::tools::plan::Reading;
use crate::tools::{Finished, Step, Surroundings};

const FIELDS: &str = "id,name,canEdit,isDefaultCalendar,owner";

const SHOWN: [Field; 5] = [
    ("id", "/id", Kind::Text),
    ("name", "/name", Kind::Text),
    ("canEdit", "/canEdit", Kind::Flag),
    ("isDefault", "/isDefaultCalendar", Kind::Flag),
    ("owner", "/owner/address", Kind::Text),
];

/// The tool at work.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ListCalendars {
    path: String,
    budget: Budget,
}

impl ListCalendars {
    pub(super) fn new(values: &Map<String, Value>, around: Surroundings<'_>) -> Result<Self, ToolError> {
        let arguments = Arguments::of(Tool::ListCalendars, values, &["maxTokens", "cursor"])?;
        around.require(&CALENDARS_READ)?;
        let budget = Budget::read(&arguments, around)?;
        let path = format!("/me/calendars{}", query(&[("$select", FIELDS), ("$top", "100")]));
        Ok(Self { path: budget.path(path), budget })
    }
}

impl Reading for ListCalendars {
    fn call(&self) -> GraphCall {
        GraphCall::get(Lane::Mailbox, self.path.clone())
    }

    fn answered(&mut self, answer: &Answer) -> Result<Step, ToolError> {
        let page = Page::read(answer)?;
        let one = |item: &Value| {
            let out = shown(item, &SHOWN);
            out.contains_key("id").then_some(Value::Object(out))
        };
        let (calendars, goes_on) = self.budget.page(&page, &self.path, one, true);
        let structured = json!({ "calendars": calendars });
        Ok(Step::Done(
            Finished::from_outside(structured, "names of calendars, given by their owners").going_on(goes_on),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::testing::{answer, assert_conforms, with_granted};

    #[test]
    fn calendars_are_listed_with_what_may_be_done_to_them() {
        let mut plan =
            with_granted(&["Calendars.ReadWrite"], |around| ListCalendars::new(&Map::new(), around).unwrap());
        assert!(plan.call().path.starts_with("/me/calendars?$select=id%2Cname%2CcanEdit"));
        let body = json!({"value": [
            {"id": "A=", "name": "Calendar", "canEdit": true, "isDefaultCalendar": true,
             "owner": {"name": "A", "address": "a@x.example"}, "color": "auto"},
            {"name": "no id"},
        ]});
        let Step::Done(done) = plan.answered(&answer(200, &body)).unwrap() else { panic!() };
        assert_eq!(
            done.structured["calendars"],
            json!([{"id": "A=", "name": "Calendar", "canEdit": true, "isDefault": true, "owner": "a@x.example"}])
        );
        assert_conforms(Tool::ListCalendars, &done);
        let refused = with_granted(&[], |around| ListCalendars::new(&Map::new(), around)).unwrap_err();
        assert!(refused.message.contains("Calendars.Read "), "{refused}");
    }
}
