//! What the resources ask for and show, and that no answer leads them elsewhere.

use super::*;
use crate::tools::testing::{answer, with_granted};

fn plan(resource: Resource, granted: &[&str]) -> Result<ReadResource, ToolError> {
    with_granted(granted, |around| ReadResource::new(resource, around))
}

fn done(step: Step) -> Value {
    match step {
        Step::Done(finished) => finished.structured,
        Step::Call(call) => panic!("{}", call.path),
    }
}

fn next(step: Step) -> String {
    match step {
        Step::Call(call) => call.path,
        Step::Done(finished) => panic!("{:?}", finished.structured),
    }
}

#[test]
fn the_profile_has_the_mailboxs_zone_where_it_may_be_read() {
    let me = answer(200, &json!({"id": "1", "displayName": "A", "mail": "a@x.example", "jobTitle": null}));
    let settings =
        json!({"timeZone": "UTC", "workingHours": {"daysOfWeek": ["monday"], "startTime": "08:00:00"}});
    let mut plan = plan(Resource::Profile, &["User.Read", "MailboxSettings.Read"]).unwrap();
    assert!(plan.call().path.starts_with("/me?$select=id%2CdisplayName%2Cmail%2C"));
    let path = next(plan.answered(&me).unwrap());
    assert_eq!(path, "/me/mailboxSettings?$select=timeZone%2CworkingHours%2Clanguage");
    assert_eq!(
        done(plan.answered(&answer(200, &settings)).unwrap()),
        json!({"id": "1", "name": "A", "address": "a@x.example", "timeZone": "UTC",
               "workingDays": ["monday"], "workingFrom": "08:00:00"})
    );
    let mut less =
        with_granted(&["User.Read"], |around| ReadResource::new(Resource::Profile, around)).unwrap();
    assert_eq!(done(less.answered(&me).unwrap())["name"], "A");
}

#[test]
fn calendars_are_listed_over_all_pages() {
    let mut plan = plan(Resource::Calendars, &["Calendars.Read"]).unwrap();
    let calendar = json!({"id": "C=", "name": "Calendar", "isDefaultCalendar": true,
                          "owner": {"name": "A", "address": "a@x.example"}});
    let link = "https://graph.microsoft.com/v1.0/me/calendars?$skip=1";
    let page = json!({"value": [calendar], "@odata.nextLink": link});
    assert_eq!(next(plan.answered(&answer(200, &page)).unwrap()), "/me/calendars?$skip=1");
    let hostile = json!({"value": [], "@odata.nextLink": "https://graph.microsoft.com/v1.0/users?$skip=1"});
    assert_eq!(
        done(plan.answered(&answer(200, &hostile)).unwrap()),
        json!({"calendars": [{"id": "C=", "name": "Calendar", "isDefault": true,
                              "owner": {"name": "A", "address": "a@x.example"}}], "more": true})
    );
}

#[test]
fn teams_come_with_their_channels() {
    let mut plan = plan(Resource::Teams, &["Team.ReadBasic.All", "Channel.ReadBasic.All"]).unwrap();
    assert_eq!(plan.call().path, "/me/joinedTeams");
    let teams = json!({"value": [{"id": "x/../../me/sendMail?a=", "displayName": "Odd"},
                                 {"id": "t-1", "displayName": "Team", "description": ""}]});
    let path = next(plan.answered(&answer(200, &teams)).unwrap());
    assert_eq!(path, "/teams/t-1/channels?$select=id%2CdisplayName%2CmembershipType");
    let channels = json!({"value": [{"id": "19:c", "displayName": "General", "membershipType": "standard"}]});
    let shown = done(plan.answered(&answer(200, &channels)).unwrap());
    assert_eq!(
        shown["teams"][1],
        json!({"id": "t-1", "name": "Team",
               "channels": [{"id": "19:c", "name": "General", "membership": "standard"}]})
    );
    assert_eq!(shown["more"], false);
}

#[test]
fn the_missing_permission_is_named_and_contents_are_json() {
    for (resource, permission) in [
        (Resource::Profile, "User.Read "),
        (Resource::Calendars, "Calendars.Read "),
        (Resource::Teams, "Team.ReadBasic.All "),
    ] {
        let error = plan(resource, &["Mail.Read"]).unwrap_err();
        assert!(error.message.contains(permission), "{error}");
    }
    let finished = Finished::new(json!({"teams": []}));
    assert_eq!(
        Value::Object(contents(Resource::Teams, &finished)),
        json!({"contents": [{"uri": "microsoft://teams", "mimeType": "application/json", "text": "{\"teams\":[]}"}]})
    );
}
