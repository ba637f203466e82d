//! Contacts, people, the directory and the profile, and which calls count against a mailbox.

use super::*;

async fn names(rig: &Rig, token: &str, target: &str) -> Vec<String> {
    let list = rig.graph(token, "GET", target, Value::Null).await.value();
    let items = list["value"].as_array().unwrap_or_else(|| panic!("{target} {list}"));
    items.iter().map(|e| e["displayName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn contacts_are_filtered_sorted_and_paged() {
    let rig = Rig::new();
    let token = rig.token("alice", &["Contacts.Read"]).await;
    assert_eq!(names(&rig, &token, "/me/contacts").await.len(), 9);
    let starts = "/me/contacts?$filter=startswith(displayName,'Nina')&$orderby=displayName%20desc";
    assert_eq!(names(&rig, &token, starts).await, ["Nina O'Neil", "Nina Novak"]);
    let by_mail =
        "/me/contacts?$filter=emailAddresses/any(a:a/address%20eq%20'omar@home.example')&$select=displayName";
    assert_eq!(names(&rig, &token, by_mail).await, ["Omar Okafor"]);
    let page = rig.graph(&token, "GET", "/me/contacts?$top=4&$skip=4", Value::Null).await.value();
    assert!(page["@odata.nextLink"].as_str().unwrap().contains("%24skip=8"));
    for bad in [
        "$search=%22nina%22",
        "$filter=mobilePhone%20eq%20'1'",
        "$orderby=mobilePhone",
        "$top=0",
        "$expand=x",
    ] {
        let reply = rig.graph(&token, "GET", &format!("/me/contacts?{bad}"), Value::Null).await;
        assert_eq!(reply.status, 400, "{bad}");
    }
    let one = page["value"][0]["id"].as_str().unwrap();
    assert_eq!(rig.graph(&token, "GET", &format!("/me/contacts/{one}"), Value::Null).await.status, 200);
    assert_eq!(rig.graph(&token, "GET", "/me/contacts/short", Value::Null).await.status, 400);
    let other = rig.token("alice", &["People.Read"]).await;
    assert_eq!(rig.graph(&other, "GET", "/me/contacts", Value::Null).await.status, 403);
    assert_eq!(names(&rig, &other, "/me/people?$search=%22baker%22").await, ["Bob Baker"]);
    assert_eq!(names(&rig, &other, "/me/people?$search=nin&$top=1").await, ["Nina Novak"]);
    assert_eq!(rig.graph(&other, "GET", "/me/people?$search=%22baker", Value::Null).await.status, 400);
}

#[tokio::test]
async fn the_directory_is_searched_with_consistency() {
    let rig = Rig::new();
    let token = rig.token("bob", &["User.ReadBasic.All"]).await;
    let bearer = format!("Bearer {token}");
    let search = "/graph/v1.0/users?$search=%22displayName:ali%22%20OR%20%22mail:carol%22&$count=true";
    let auth = ("authorization", bearer.as_str());
    let plain = rig.call("GET", search, &[auth], b"").await;
    assert_eq!((plain.status, code(&plain).as_str()), (400, "Request_UnsupportedQuery"));
    let eventual = ("consistencylevel", "eventual");
    let found = rig.call("GET", search, &[auth, eventual], b"").await.value();
    assert_eq!(
        (&found["@odata.count"], &found["value"][1]["mail"]),
        (&json!(2), &json!("carol@contoso.example"))
    );
    assert!(found["value"][0]["jobTitle"].is_null(), "basic rights show names and addresses alone");
    let unquoted = "/graph/v1.0/users?$search=displayName:ali";
    assert_eq!(rig.call("GET", unquoted, &[auth, eventual], b"").await.status, 400);
    let filter = "/users?$filter=startswith(displayName,'D')&$select=id,displayName&$top=1";
    assert_eq!(names(&rig, &token, filter).await, ["Dave Diaz"]);
    assert_eq!(rig.graph(&token, "GET", "/users?$skip=1", Value::Null).await.status, 400);
    let page = rig.graph(&token, "GET", "/users?$top=3", Value::Null).await.value();
    let link =
        page["@odata.nextLink"].as_str().unwrap().strip_prefix("http://127.0.0.1:1/graph/v1.0").unwrap();
    assert_eq!(names(&rig, &token, link).await, ["Dave Diaz"]);
    let denied = rig.graph(&token, "GET", "/me/manager", Value::Null).await;
    assert_eq!((denied.status, code(&denied).as_str()), (403, "Authorization_RequestDenied"));
    let full = rig.token("bob", &["User.Read.All"]).await;
    let manager = rig.graph(&full, "GET", "/me/manager", Value::Null).await.value();
    assert_eq!(manager["displayName"], "Alice Archer");
    let top = rig.token("alice", &["User.Read.All", "User.Read"]).await;
    assert_eq!(rig.graph(&top, "GET", "/me/manager", Value::Null).await.status, 404);
    assert_eq!(names(&rig, &top, "/me/directReports").await.len(), 3);
    assert_eq!(rig.graph(&full, "GET", "/users/nobody@contoso.example", Value::Null).await.status, 404);
}

#[tokio::test]
async fn a_user_is_expanded_by_one_relation_and_with_an_administrators_right() {
    let rig = Rig::new();
    let basic = rig.token("bob", &["User.ReadBasic.All", "User.Read"]).await;
    let full = rig.token("bob", &["User.Read.All"]).await;
    let ask = async |token: &str, target: &str| rig.graph(token, "GET", target, Value::Null).await;
    let manager = "/users/bob@contoso.example?$select=id&$expand=manager($select=displayName)";
    assert_eq!(ask(&basic, manager).await.status, 403);
    let bob = ask(&full, manager).await.value();
    assert_eq!(
        bob["manager"],
        json!({"@odata.type": "#microsoft.graph.user", "displayName": "Alice Archer"})
    );
    assert_eq!(ask(&full, "/me?$expand=manager").await.value()["manager"]["displayName"], "Alice Archer");
    let alice = ask(&full, "/users/alice@contoso.example?$expand=manager").await;
    assert_eq!((alice.status, alice.value().get("manager")), (200, None));
    let reports = ask(&full, "/users/alice@contoso.example?$expand=directReports($select=id)").await.value();
    assert_eq!(reports["directReports"].as_array().unwrap().len(), 3);
    for bad in
        ["manager,directReports", "memberOf", "manager($levels=2)", "manager($select=nothing)", "manager("]
    {
        assert_eq!(
            ask(&full, &format!("/users/alice@contoso.example?$expand={bad}")).await.status,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_profile_has_everything_and_zones_differ() {
    let rig = Rig::new();
    let mut zones = std::collections::BTreeSet::new();
    for user in ["alice", "bob", "carol", "dave"] {
        let token = rig.token(user, &["User.Read", "MailboxSettings.Read"]).await;
        let wanted = "id,displayName,givenName,surname,mail,userPrincipalName,jobTitle,department,companyName,\
                      officeLocation,mobilePhone,businessPhones,preferredLanguage,city,userType";
        let me = rig.graph(&token, "GET", &format!("/me?$select={wanted}"), Value::Null).await.value();
        for name in wanted.split(',') {
            assert!(!me[name].is_null(), "{user} {name}");
        }
        let settings = rig.graph(&token, "GET", "/me/mailboxSettings", Value::Null).await.value();
        zones.insert(settings["timeZone"].as_str().unwrap().to_owned());
    }
    assert_eq!(zones.len(), 4);
}

#[tokio::test]
async fn calendars_and_contacts_count_against_the_mailbox_and_teams_do_not() {
    let rig = Rig::new();
    rig.control("POST", "/settings", json!({ "mailboxConcurrency": 0 })).await;
    let token =
        rig.token("alice", &["Calendars.Read", "Contacts.Read", "Team.ReadBasic.All", "User.Read"]).await;
    for (target, status) in [
        ("/me/calendars", 429),
        ("/me/contacts", 429),
        ("/me/events", 429),
        ("/me/joinedTeams", 200),
        ("/me", 200),
        ("/teams/00000000-0000-4000-8000-000000000000/channels/x/messages", 403),
    ] {
        assert_eq!(rig.graph(&token, "GET", target, Value::Null).await.status, status, "{target}");
    }
}
