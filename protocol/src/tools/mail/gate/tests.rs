//! Which folders are found, which mails and folders are let through, and what is not known.

use super::*;
use crate::tools::gated::Gate as _;
use crate::tools::testing::{NOW, answer, body_of, operation};
use serde_json::json;

fn rules(names: &[&str]) -> FolderRules {
    let text = json!({ "denyFolders": names }).to_string();
    crate::policy::Policy::parse(&text).unwrap().folders
}

fn gate(names: &[&str], named: Named, known: &[(FoldersOff, UnixMs)]) -> Result<Gate, ToolError> {
    Gate::new(&rules(names), Mailbox::own(), named, operation(), (known, NOW))
}

fn found(ids: &[&str]) -> Answer {
    answer(200, &json!({"value": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>()}))
}

fn batched(steps: &[(u16, Value)]) -> Answer {
    let one = |(id, (status, body)): (usize, &(u16, Value))| json!({"id": id.to_string(), "status": status, "body": body});
    answer(200, &json!({"responses": steps.iter().enumerate().map(one).collect::<Vec<_>>()}))
}

fn urls(call: &GraphCall) -> Vec<String> {
    assert_eq!((call.path.as_str(), call.safety), (crate::graph::BATCH, Safety::Read));
    let body = body_of(call);
    let steps = body["requests"].as_array().unwrap().iter();
    steps.map(|step| step["url"].as_str().unwrap().split('?').next().unwrap().to_owned()).collect()
}

/// What is known after `A=` and `B=` below it were found.
fn known() -> Vec<(FoldersOff, UnixMs)> {
    let ids = ["A=".to_owned(), "B=".to_owned()].into();
    vec![(FoldersOff { root: "/me".to_owned(), ids }, NOW)]
}

fn mails(ids: &[&str]) -> Named {
    Named { mails: ids.iter().map(|id| (*id).to_owned()).collect(), ..Named::default() }
}

#[test]
fn all_folders_below_a_folder_are_found_level_by_level() {
    let mut gate = gate(&["archive"], Named::default(), &[]).unwrap();
    assert_eq!(gate.call().unwrap().path, "/me/mailFolders/archive?$select=id");
    gate.answered(&answer(200, &json!({"id": "A="}))).unwrap();
    let path = gate.call().unwrap().path;
    assert_eq!(
        path, "/me/mailFolders/A=/childFolders?$select=id&$top=100&includeHiddenFolders=true",
        "hidden ones too"
    );
    assert_eq!(gate.learnt(), None);
    // A page that goes on, and two folders.
    let more = json!({"value": [{"id": "B="}, {"id": "C="}],
                      "@odata.nextLink": "https://x/v1.0/me/mailFolders/A=/childFolders?$skip=2"});
    gate.answered(&answer(200, &more)).unwrap();
    let paths = ["A=", "B=", "C="].map(|id| format!("/me/mailFolders/{id}/childFolders"));
    let mut asked = urls(&gate.call().unwrap());
    asked.sort();
    assert_eq!(asked, paths);
    let nothing = json!({"value": []});
    let gone = json!({"error": {"code": "ErrorItemNotFound"}});
    // A folder that lies in itself ends nothing.
    let loops = json!({"value": [{"id": "A="}]});
    gate.answered(&batched(&[(200, loops), (200, nothing), (404, gone)])).unwrap();
    assert_eq!(gate.call(), None);
    let ids: Vec<String> = gate.learnt().unwrap().ids.into_iter().collect();
    assert_eq!((ids, gate.learnt()), (["A=", "B=", "C="].map(str::to_owned).to_vec(), None));
}

#[test]
fn what_is_known_is_not_asked_again_for_an_hour_and_is_of_one_mailbox() {
    assert_eq!(gate(&["archive"], Named::default(), &known()).unwrap().call(), None);
    let mut old = known();
    old[0].1 = NOW.minus(FOLDERS_KEPT_FOR);
    assert!(gate(&["archive"], Named::default(), &old).unwrap().call().is_some());
    let shared = Mailbox { root: "/users/team".to_owned(), lane: crate::outbound::Lane::OtherMailbox };
    let other =
        Gate::new(&rules(&["archive"]), shared, Named::default(), operation(), (&known(), NOW)).unwrap();
    assert_eq!(other.call().unwrap().path, "/users/team/mailFolders/archive?$select=id");
    let mut all = Vec::new();
    for number in 0..20 {
        FoldersOff { root: number.to_string(), ids: BTreeSet::new() }.remember(&mut all, NOW);
    }
    known().remove(0).0.remember(&mut all, NOW);
    assert_eq!((all.len(), all.last().map(|(off, _)| off.root.as_str())), (8, Some("/me")));
}

#[test]
fn a_folder_that_a_mailbox_lacks_keeps_nothing_back() {
    let mut gate = gate(&["archive"], mails(&["M="]), &[]).unwrap();
    assert!(!gate.took_refusal(&answer(403, &json!({}))), "it may be there");
    assert!(gate.took_refusal(&answer(404, &json!({}))));
    assert_eq!(gate.call().unwrap().path, "/me/messages/M=?$select=id%2CparentFolderId");
    gate.answered(&answer(200, &json!({"id": "M=", "parentFolderId": "Z="}))).unwrap();
    assert_eq!(gate.call(), None);
}

#[test]
fn folders_that_cannot_all_be_found_let_nothing_through() {
    let asked = || {
        let mut gate = gate(&["archive"], Named::default(), &[]).unwrap();
        gate.answered(&answer(200, &json!({"id": "A="}))).unwrap();
        gate
    };
    let elsewhere = json!({"value": [], "@odata.nextLink": "https://x/v1.0/users/y/messages?$skip=2"});
    let many: Vec<Value> = (0..=FOLDERS_OFF_MAX).map(|number| json!({"id": format!("F{number}=")})).collect();
    for bad in [
        elsewhere,
        json!({"value": [{"x": 1}]}),
        json!({"value": [{"id": "../x"}]}),
        json!({ "value": many }),
    ] {
        assert_eq!(asked().answered(&answer(200, &bad)).unwrap_err().code, "folders_not_known");
    }
    let mut unnamed = gate(&["archive"], Named::default(), &[]).unwrap();
    assert_eq!(unnamed.answered(&answer(200, &json!({}))).unwrap_err().code, "folders_not_known");
}

#[test]
fn a_mail_out_of_reach_is_refused_and_so_is_one_that_does_not_say_where_it_lies() {
    for (mail, expected) in [
        (json!({"id": "M=", "parentFolderId": "Z="}), None),
        (json!({"id": "M=", "parentFolderId": "B="}), Some("folder_not_allowed")),
        (json!({"id": "M="}), Some("folder_not_allowed")),
    ] {
        let mut one = gate(&["archive"], mails(&["M="]), &known()).unwrap();
        assert_eq!(one.answered(&answer(200, &mail)).err().map(|error| error.code), expected, "{mail}");
        let mut several = gate(&["archive"], mails(&["L=", "M="]), &known()).unwrap();
        assert_eq!(urls(&several.call().unwrap()), ["/me/messages/L=", "/me/messages/M="]);
        let both = batched(&[(404, json!({})), (200, mail.clone())]);
        let both = several.opened(both);
        assert_eq!(several.answered(&both).err().map(|error| error.code), expected, "{mail}");
        let read = answer(200, &mail);
        let seen = several.let_through("/me/messages/M=?$select=id", &read);
        assert_eq!(seen.err().map(|error| error.code), expected, "{mail}");
    }
}

#[test]
fn several_mails_are_asked_for_again_where_one_was_put_off() {
    let gate = gate(&["archive"], mails(&["L=", "M="]), &known()).unwrap();
    let mail = json!({"id": "L=", "parentFolderId": "Z="});
    assert_eq!(gate.opened(batched(&[(200, mail.clone()), (429, json!({}))])).status, 429);
    assert_eq!(gate.opened(batched(&[(200, mail.clone())])).status, 502, "one is missing");
    assert_eq!(gate.opened(batched(&[(200, mail), (400, json!({}))])).status, 200);
}

#[test]
fn mails_go_into_no_folder_out_of_reach_however_it_is_named() {
    let into = |folder: &str| Named { goes_to: Some(folder.to_owned()), ..mails(&["M="]) };
    for (id, expected) in [("B=", Some("folder_not_allowed")), ("Z=", None)] {
        let mut gate = gate(&["archive"], into("junkemail"), &known()).unwrap();
        gate.answered(&answer(200, &json!({"id": "M=", "parentFolderId": "Z="}))).unwrap();
        assert_eq!(gate.call().unwrap().path, "/me/mailFolders/junkemail?$select=id");
        let answered = gate.answered(&answer(200, &json!({ "id": id })));
        assert_eq!(answered.err().map(|error| error.code), expected);
    }
}

#[test]
fn a_folder_that_is_listed_is_refused_as_soon_as_it_is_known_to_be_below() {
    let listed = |folder: &str| Named { listed: Some(folder.to_owned()), ..Named::default() };
    assert_eq!(gate(&["archive"], listed("B="), &known()).unwrap_err().code, "folder_not_allowed");
    assert!(gate(&["archive"], listed("Z="), &known()).is_ok());
    let mut unknown = gate(&["archive"], listed("B="), &[]).unwrap();
    unknown.answered(&answer(200, &json!({"id": "A="}))).unwrap();
    unknown.answered(&found(&["B="])).unwrap();
    assert_eq!(unknown.answered(&found(&[])).unwrap_err().code, "folder_not_allowed");
}

#[test]
fn lists_are_let_through_without_what_is_out_of_reach() {
    let gate = gate(&["archive"], Named::default(), &known()).unwrap();
    let through = |path: &str, items: Value| {
        let given = answer(200, &json!({"value": items, "@odata.nextLink": "x"}));
        let seen: Value = read(&gate.let_through(path, &given).unwrap()).unwrap();
        assert_eq!(seen["@odata.nextLink"], "x");
        seen["value"].clone()
    };
    let mails =
        json!([{"id": "1", "parentFolderId": "Z="}, {"id": "2", "parentFolderId": "B="}, {"id": "3"}]);
    for path in ["/me/messages?$search=x", "/me/mailFolders/inbox/messages?$top=1"] {
        assert_eq!(through(path, mails.clone()), json!([{"id": "1", "parentFolderId": "Z="}]), "{path}");
    }
    let folders = json!([{"id": "A="}, {"id": "Z="}, {"x": 1}]);
    for path in ["/me/mailFolders?$top=1", "/me/mailFolders/Z=/childFolders?$top=1"] {
        assert_eq!(through(path, folders.clone()), json!([{"id": "Z="}]), "{path}");
    }
    let zone = answer(200, &json!({"timeZone": "UTC"}));
    assert_eq!(*gate.let_through("/me/mailboxSettings?$select=timeZone", &zone).unwrap(), zone);
}

#[test]
fn attachments_that_leave_with_a_mail_are_held_against_the_rules() {
    let policy =
        crate::policy::Policy::parse(r#"{"denyAttachmentTypes":["exe"],"attachmentBytesMax":9}"#).unwrap();
    let check = |attachments: Value| {
        let named = Named { attached: Some(policy.mail.clone()), ..mails(&["M="]) };
        let mut gate = gate(&[], named, &[]).unwrap();
        let path = gate.call().unwrap().path;
        assert!(path.ends_with("&$expand=attachments%28%24select%3Dname%2Csize%29"), "{path}");
        let mail = json!({"id": "M=", "parentFolderId": "Z=", "attachments": attachments});
        let answered = gate.answered(&answer(200, &mail));
        assert_eq!(gate.learnt(), None);
        answered.err().map(|error| error.code)
    };
    assert_eq!(check(json!([{"name": "a.txt", "size": 9}])), None);
    for bad in [json!([{"name": "a.EXE", "size": 1}]), json!([{"name": "a.txt", "size": 10}])] {
        assert_eq!(check(bad), Some("attachment_not_allowed"));
    }
}
