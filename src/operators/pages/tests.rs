//! What holds of every page, whatever it shows.

use std::collections::BTreeSet;

use protocol::config::{AccessMode, Application};

use super::samples::{NOW, Voice, hostile, key, pages};
use crate::reply::Reply;

fn perimeter() -> AccessMode {
    let team_url = "https://contoso.cloudflareaccess.com".to_owned();
    AccessMode::Perimeter(Application { team_url, audience: "a0b1".into() })
}

fn everything(voice: Voice) -> Vec<(&'static str, Reply)> {
    let mut all = pages(voice, &AccessMode::Open);
    all.extend(pages(voice, &perimeter()));
    all
}

fn page(name: &str, mode: &AccessMode) -> String {
    pages(Voice::Usual, mode).into_iter().find(|(known, _)| *known == name).unwrap().1.body
}

/// The attribute of each element of a page, without what makes it a text.
fn attributes(body: &str, name: &str) -> Vec<String> {
    let opening = format!(" {name}=\"");
    body.split(&opening).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

/// Opens the page's elements and closes them, and fails where one is closed that was not opened last.
fn assert_well_formed(name: &str, body: &str) {
    const EMPTY: [&str; 6] = ["!doctype", "meta", "input", "rect", "circle", "br"];
    let mut open: Vec<&str> = Vec::new();
    for rest in body.split('<').skip(1) {
        let (tag, _) = rest.split_once('>').unwrap_or_else(|| panic!("{name}: {rest}"));
        let element = tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/');
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{name}: after {open:?}"),
            None if EMPTY.contains(&element) => {}
            None => open.push(element),
        }
    }
    assert!(open.is_empty(), "{name}: {open:?} are left open");
}

/// `PAGES_FOLDER` names a folder into which the pages are written, to look at them in a browser.
#[test]
fn every_page_is_well_formed_and_has_one_title_a_language_and_a_way_around_itself() {
    let folder = std::env::var_os("PAGES_FOLDER").map(std::path::PathBuf::from);
    for (mode, access_mode) in [("", &AccessMode::Open), ("perimeter-", &perimeter())] {
        for (name, reply) in pages(Voice::Usual, access_mode) {
            let body = &reply.body;
            assert_well_formed(name, body);
            assert!(body.starts_with("<!doctype html><html lang=\"en\">"), "{name}");
            assert_eq!(body.matches("<h1>").count(), 1, "{name}");
            assert_eq!(body.matches("<main id=\"main\"").count(), 1, "{name}");
            assert!(body.contains("href=\"#main\""), "{name}");
            let ids = attributes(body, "id");
            let apart: BTreeSet<&String> = ids.iter().collect();
            assert_eq!(apart.len(), ids.len(), "{name}: {ids:?}");
            for named in attributes(body, "for") {
                assert!(apart.contains(&named), "{name}: the label of {named} belongs to no field");
            }
            if let Some(folder) = &folder {
                std::fs::write(folder.join(format!("{mode}{name}.html")), body).unwrap();
            }
        }
    }
}

#[test]
fn what_others_say_is_text_on_every_page() {
    let mut places: BTreeSet<String> = BTreeSet::new();
    for (name, reply) in everything(Voice::Hostile) {
        assert_well_formed(name, &reply.body);
        assert!(!reply.body.contains("<script"), "{name}");
        for hidden in ['\u{202e}', '\u{0}', '\u{7}'] {
            assert!(!reply.body.contains(hidden), "{name}");
        }
        for said in reply.body.split("&#39;&quot;&gt;&lt;script&gt;").skip(1) {
            let (place, rest) = said.split_once("&lt;/script&gt;&amp;\\u{202e}").unwrap();
            assert!(rest.starts_with("\u{5d0}\\u{0}\\u{7}"), "{name}: {place}");
            places.insert(place.to_owned());
        }
    }
    // Everything that comes from outside is on some page: no sample leaves a place out.
    let expected = [
        "acted",
        "action",
        "attempt.graph",
        "attempt.log",
        "audit.outcome",
        "check",
        "check.detail",
        "confirm.client",
        "confirmation",
        "detail",
        "fault",
        "gateway",
        "grant.access_identity",
        "grant.client",
        "graph",
        "intent",
        "lack",
        "lane",
        "ledger.sealed_under",
        "log",
        "operator",
        "outcome",
        "paused.by",
        "permission",
        "purpose",
        "query.client",
        "query.outcome",
        "query.state",
        "query.tool",
        "refused",
        "request.access_identity",
        "request.client",
        "result",
        "revision",
        "scope",
        "sealed_under",
        "session.client",
        "span",
        "state",
        "timer",
        "tool",
        "trace",
        "viewer",
        "what",
    ];
    assert_eq!(places.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    assert!(hostile("x").contains("<script>x</script>"));
}

#[test]
fn a_link_leads_to_the_console_itself_or_to_the_gateways_logs() {
    for voice in [Voice::Usual, Voice::Hostile] {
        for (name, reply) in everything(voice) {
            for target in attributes(&reply.body, "href").into_iter().chain(attributes(&reply.body, "action"))
            {
                let is_ours = target.starts_with("/ops") || ["/", "#main"].contains(&target.as_str());
                let is_log = target == "https://dash.cloudflare.example/gateway/logs";
                assert!(is_ours || is_log, "{name}: {target}");
                assert!(!target.contains('@') && !target.contains("%40"), "{name}: {target}");
            }
        }
    }
    let logs = page("request", &AccessMode::Open);
    assert!(logs.contains("<a rel=\"noreferrer\" href=\"https://dash.cloudflare.example/gateway/logs\""));
}

#[test]
fn pages_hold_their_forms_to_the_server_and_to_access() {
    let policy = |reply: &Reply| {
        let known = reply.headers.iter().find(|(name, _)| *name == "content-security-policy");
        known.unwrap().1.clone()
    };
    for (name, reply) in pages(Voice::Usual, &AccessMode::Open) {
        assert!(policy(&reply).contains("form-action 'self';"), "{name}");
        assert!(policy(&reply).contains("default-src 'none'"), "{name}");
    }
    for (_, reply) in pages(Voice::Usual, &perimeter()) {
        assert!(policy(&reply).contains("form-action 'self' https://contoso.cloudflareaccess.com;"));
    }
}

#[test]
fn that_nothing_stands_in_front_is_said_on_every_page_and_only_then() {
    let warning = "No Cloudflare Access stands in front of this console";
    assert!(pages(Voice::Usual, &AccessMode::Open).iter().all(|(_, reply)| reply.body.contains(warning)));
    for (name, reply) in pages(Voice::Usual, &perimeter()) {
        assert!(!reply.body.contains(warning) && !reply.body.contains("/ops/sign-out"), "{name}");
    }
    let sign_out = |name| page(name, &AccessMode::Open).contains("action=\"/ops/sign-out\"");
    assert!(sign_out("fleet") && !sign_out("sign-in") && !sign_out("not-an-operator"));
}

#[test]
fn an_empty_tenant_is_told_what_comes_next() {
    let page = page("fleet-empty", &AccessMode::Open);
    assert!(page.contains("Nobody has signed in yet") && page.contains("/ops/self-test"));
    assert!(!page.contains("<table") && !page.contains("<svg"));
}

#[test]
fn a_list_goes_on_where_it_ended_and_under_the_same_filter() {
    let people = page("people", &AccessMode::Open);
    let last = people.split("<tr role=\"row\">").last().unwrap();
    let shown = last.split("href=\"/ops/users/").nth(1).unwrap().split('"').next().unwrap();
    assert!(last.contains(&format!("<a href=\"/ops/users?after={shown}\">Next page</a>")), "{last}");
    assert!(last.contains("<a href=\"/ops/users\">First page</a>"));
    let page_of = |name| page(name, &AccessMode::Open);
    assert!(page_of("people-attention").contains("href=\"/ops/users?attention=1&amp;after="));
    let filtered = page_of("ledger-filtered");
    let next = attributes(&filtered, "href").into_iter().rfind(|link| link.contains("before=")).unwrap();
    for field in [
        "state=failed",
        "tool=sendEmail",
        "client=Claude%20Code",
        "outcome=not_sent",
        "from=2026-",
        "to=2026-",
    ] {
        assert!(next.contains(field), "{next}");
    }
    assert!(page_of("trail").contains(&format!("user={}&amp;before=", key(1))));
    for name in ["people-empty", "ledger-empty", "trail-empty"] {
        assert!(!page_of(name).contains("class=\"pager\""), "{name}");
    }
}

#[test]
fn a_client_is_revoked_one_by_one_except_where_access_stands_for_all() {
    let link = "/actions/revoke-client?grant=01010101010101010101010101010101";
    assert!(page("person", &AccessMode::Open).contains(link));
    let without = page("person", &perimeter());
    assert!(!without.contains(link) && without.contains("a single client cannot be revoked"));
}

#[test]
fn who_is_paused_can_be_resumed_and_the_other_way_round() {
    let offers = |name, action: &str| page(name, &AccessMode::Open).contains(&format!("/actions/{action}\""));
    assert!(offers("person", "resume") && !offers("person", "pause"));
    assert!(!offers("person-calm", "resume") && offers("person-calm", "pause"));
    assert!(
        offers("person-unreadable", "resume") && offers("person-unreadable", "pause"),
        "what is not known"
    );
}

#[test]
fn the_way_of_a_request_is_drawn_and_told_from_the_same_steps() {
    let page = page("request-long", &AccessMode::Open);
    // The edge, the wait, twelve calls, the end.
    assert_eq!(page.matches("<rect class=").count() + page.matches("<circle class=").count(), 15);
    let table =
        page.split("aria-label=\"The way of the request\"").nth(1).unwrap().split("</table>").next().unwrap();
    assert_eq!(table.matches("<tr role=\"row\">").count(), 16, "and the headings");
    assert!(page.contains("Only the latest 12 of them are kept"));
}

#[test]
fn an_action_is_done_by_a_form_and_left_by_a_link() {
    let page = page("confirm-revoke", &AccessMode::Open);
    let form = page.split("<form method=\"post\" action=\"/ops/users/").last().unwrap();
    assert!(form.contains("name=\"confirmation\" value=\"c29tZXRoaW5nIHNlYWxlZA\""));
    assert!(form.contains(&format!("href=\"/ops/users/{}\">Cancel</a>", key(7))));
    assert!(page.contains("Claude Code") && page.contains("This client is cut off within a moment"));
    assert!(NOW.to_iso8601().starts_with("2026-11-2"));
}
