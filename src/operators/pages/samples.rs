//! Data as a server might have it, and every page written from it.
//!
//! What holds here: each text from outside goes through [`Voice::say`], so that the same pages can be written with what an
//! attacker would say in its place.

use protocol::config::AccessMode;
use protocol::ids::{AddressMark, ChainMark, GrantId, RequestId, SessionId, UserKey};
use protocol::operator::directory::{
    Attention, AuditLine, AuditPage, FaultView, Fleet, HourCount, Person, PersonPage, Report, Tally,
};
use protocol::operator::record::Link;
use protocol::operator::view::{
    AccountView, Acted, AttemptView, GrantView, HourView, LaneView, LedgerView, Overview, PausedView,
    QueueView, RequestPage, RequestView, SessionView, Standing, TimerView,
};
use protocol::operator::{Action, RequestQuery};
use protocol::time::UnixMs;

use super::*;
use crate::operators::Guard;
use crate::operators::self_test::{Check, Verdict};
use crate::reply::Reply;

/// The time at which all pages are looked at.
pub(super) const NOW: UnixMs = UnixMs(1_795_456_805_006);
const MINUTE_MS: u64 = 60_000;

/// Who speaks in the places of texts from outside.
#[derive(Clone, Copy)]
pub(super) enum Voice {
    /// What is usual there.
    Usual,
    /// An attacker, who says in each place which one it is.
    Hostile,
}

impl Voice {
    /// The text of a place.
    pub(super) fn say(self, place: &str, usual: &str) -> String {
        match self {
            Self::Usual => usual.to_owned(),
            Self::Hostile => hostile(place),
        }
    }
}

/// What an attacker says in a place.
pub(super) fn hostile(place: &str) -> String {
    format!("'\"><script>{place}</script>&\u{202e}\u{5d0}\u{0}\u{7}")
}

pub(super) fn key(number: usize) -> UserKey {
    UserKey::from_microsoft("tenant", &number.to_string())
}

fn before(minutes: u64) -> UnixMs {
    UnixMs(NOW.0 - minutes * MINUTE_MS)
}

fn after(minutes: u64) -> UnixMs {
    UnixMs(NOW.0 + minutes * MINUTE_MS)
}

pub(super) fn request_id(user: &UserKey, minutes_ago: u64) -> RequestId {
    RequestId::new(before(minutes_ago), user, [9, 8, 7, 6, minutes_ago as u8])
}

fn report(voice: Voice, number: usize) -> Report {
    let standing = match number % 23 {
        3 => Standing::SignInAgain,
        8 => Standing::NotConnected,
        13 => Standing::ConsentNeeded,
        19 => Standing::StepUp,
        _ => Standing::Connected,
    };
    let has_token = standing != Standing::NotConnected;
    Report {
        user: key(number),
        at_ms: before(1),
        standing,
        addresses: vec![AddressMark::from_bytes([1; 16])],
        last_activity_at_ms: has_token.then(|| before((number as u64 * 37) % 3_000)),
        token_expires_at_ms: has_token.then(|| after(number as u64 % 60)),
        refresh_due_at_ms: has_token.then(|| after(40)),
        next_alarm_at_ms: Some(after(12)),
        grants: 2,
        sessions: (number % 4) as u32,
        streams: (number % 3) as u32,
        waiting: if number % 11 == 5 { 12 } else { 0 },
        in_flight: 1,
        oldest_open_at_ms: None,
        gateway_down_until_ms: None,
        throttled_until_ms: None,
        is_paused: number % 17 == 9,
        sealed_under: voice.say("sealed_under", "k2026"),
        tally: Tally { settled: 18_233, failed: 71, unknown: 2 },
    }
}

fn somebody(voice: Voice, number: usize) -> Person {
    let attention = match number % 23 {
        3 | 13 | 19 => vec![Attention::PersonMustAct],
        5 => vec![Attention::Stuck, Attention::Failing],
        9 => vec![Attention::Paused],
        11 => vec![Attention::Overdue, Attention::NotRenewed, Attention::GatewayDown],
        _ => vec![],
    };
    Person {
        first_seen_at_ms: before(90_000),
        report: Some(report(voice, number)),
        user: key(number),
        fault: None,
        this_hour: HourCount {
            from_ms: before(30),
            settled: (number as u64 * 13) % 90,
            failed: if number % 23 == 5 { (number as u64 * 13) % 90 * 2 / 3 } else { 0 },
        },
        attention,
    }
}

fn unreadable(voice: Voice, report: Option<Report>) -> Person {
    let fault = FaultView { at_ms: before(4), fault: voice.say("fault", "ledger: a row does not open") };
    Person { fault: Some(fault), report, attention: vec![Attention::Unreadable], ..somebody(voice, 49) }
}

/// A page of people, in the middle of many.
fn many(voice: Voice) -> PersonPage {
    let mut people: Vec<Person> = (0..49).map(|number| somebody(voice, number)).collect();
    people.push(unreadable(voice, None));
    people.sort_by_key(|person| person.user);
    PersonPage { next: people.last().map(|person| person.user), people }
}

fn whole_fleet() -> Fleet {
    let hour_ms = 60 * MINUTE_MS;
    let hours = (0..48)
        .map(|ago: u64| {
            let settled = [812, 1_904, 3_377, 4_210, 2_766, 940, 122, 31][(ago / 3 % 8) as usize] + ago * 7;
            let failed = if ago == 6 { 700 } else { settled / 180 };
            HourCount { from_ms: UnixMs((NOW.0 / hour_ms - (47 - ago)) * hour_ms), settled, failed }
        })
        .collect();
    Fleet {
        people: 5_000,
        connected: 4_411,
        must_act: 388,
        not_connected: 201,
        unreadable: 1,
        paused: 3,
        attention: 397,
        sessions: 6_120,
        streams: 2_004,
        waiting: 57,
        tally: Tally { settled: 18_233_410, failed: 71_002, unknown: 12 },
        hours,
    }
}

fn account(voice: Voice, standing: Standing) -> AccountView {
    let permissions =
        ["Mail.ReadWrite", "Mail.Send", "Calendars.ReadWrite", "Chat.Read", "Files.ReadWrite.All"];
    AccountView {
        standing,
        obtained_at_ms: Some(before(22)),
        expires_at_ms: Some(after(48)),
        refresh_due_at_ms: Some(after(34)),
        is_refreshing: true,
        generation: 1_204,
        permissions: permissions.map(|name| voice.say("permission", name)).to_vec(),
    }
}

fn overview(voice: Voice, user: UserKey) -> Overview {
    let grant = |seed: u8, client: &str| GrantView {
        id: GrantId::from_bytes([seed; 16]),
        client: voice.say("grant.client", client),
        scopes: ["profile", "mail.read", "mail.send", "calendar.read"]
            .map(|name| voice.say("scope", name))
            .to_vec(),
        agreed_at_ms: before(40_000),
        is_redeemed: seed != 3,
        renewed_at_ms: (seed == 1).then(|| before(7)),
        access_identity: (seed == 1).then(|| voice.say("grant.access_identity", "7f1c-44")),
    };
    let session = |seed: u8| SessionView {
        id: SessionId::from_bytes([seed; 16]),
        client: voice.say("session.client", "Claude Code"),
        revision: voice.say("revision", "2025-11-25"),
        grant: GrantId::from_bytes([1; 16]),
        opened_at_ms: before(800),
        used_at_ms: before(3),
        watches: 2,
    };
    let hour_ms = 60 * MINUTE_MS;
    Overview {
        user,
        at_ms: NOW,
        microsoft: account(voice, Standing::Connected),
        access: Some(account(voice, Standing::SignInAgain)),
        last_activity_at_ms: Some(before(3)),
        paused: Some(PausedView { since_ms: before(130), by: voice.say("paused.by", "ada@break-glass") }),
        next_alarm_at_ms: Some(after(2)),
        timers: [("queue", 2), ("refresh", 34), ("session_expiry", 900)]
            .map(|(name, minutes)| TimerView { name: voice.say("timer", name), due_at_ms: after(minutes) })
            .to_vec(),
        grants: vec![
            grant(1, "Claude Code"),
            grant(2, "A client with quite a long name that does not fit the line of a phone"),
            grant(3, "Inspector"),
        ],
        sessions: vec![session(1), session(2)],
        sessions_in_all: 140,
        streams: 2,
        queue: queue(voice),
        ledger: LedgerView {
            entries: 18_240,
            open: 7,
            sealed_under: voice.say("ledger.sealed_under", "k2026"),
            is_resealing: true,
            sequence: 18_233,
            settled: 18_233,
            failed: 71,
            unknown: 2,
        },
        hours: (0..24_u64)
            .map(|place| HourView {
                from_ms: UnixMs((NOW.0 / hour_ms - 23 + place) * hour_ms),
                succeeded: place * place % 37,
                failed: if place > 20 { 30 } else { place % 3 / 2 },
            })
            .collect(),
        hours_are_cut: true,
    }
}

fn queue(voice: Voice) -> QueueView {
    QueueView {
        waiting: 12,
        in_flight: 4,
        oldest_open_at_ms: Some(before(2)),
        lanes: ["interactive", "teams", "background"]
            .map(|name| LaneView {
                name: voice.say("lane", name),
                waiting: 4,
                in_flight: 1,
                limit: 4,
                throttled_until_ms: (name == "teams").then(|| after(1)),
            })
            .to_vec(),
        gateway: voice.say("gateway", "half_open"),
        gateway_opens_at_ms: Some(after(1)),
    }
}

/// A request that left so many times.
fn call(voice: Voice, user: UserKey, minutes_ago: u64, attempts: usize) -> RequestView {
    let received = before(minutes_ago);
    let at = |ms: u64| UnixMs(received.0 + ms);
    let attempt = |number: usize| {
        let start = 340 + number as u64 * 2_000;
        let is_last = number + 1 == attempts;
        AttemptView {
            purpose: voice.say("purpose", if number == 2 { "reconcile" } else { "call" }),
            sent_at_ms: at(start),
            ended_at_ms: Some(at(start + 180 + number as u64 * 90)),
            result: Some(voice.say("result", if is_last { "200" } else { "503" })),
            gateway_log_id: Some(voice.say("attempt.log", &format!("01KABCDEFGHJKMNPQRSTVWX{number:03}"))),
            graph_request_id: Some(voice.say("attempt.graph", "8f2b7c1e-9f0a-4a52-b6a1-0d6f3a1c2b77")),
        }
    };
    let last = 340 + attempts as u64 * 2_000 + 300;
    RequestView {
        id: request_id(&user, minutes_ago),
        user,
        tool: voice.say("tool", "sendEmail"),
        state: voice.say("state", "done"),
        outcome: Some(voice.say("outcome", "ok")),
        writes: true,
        client: voice.say("request.client", "Claude Code"),
        grant: Some(GrantId::from_bytes([1; 16])),
        session: Some(SessionId::from_bytes([2; 16])),
        access_identity: Some(voice.say("request.access_identity", "7f1c-44")),
        trace_id: Some(voice.say("trace", "4bf92f3577b34da6a3ce929d0e0e4736")),
        parent_span_id: Some(voice.say("span", "00f067aa0ba902b7")),
        received_at_ms: received,
        sent_at_ms: Some(at(340)),
        settled_at_ms: Some(at(last)),
        calls: attempts as u32 + 1,
        attempts: (0..attempts).map(attempt).collect(),
        gateway_log_ids: vec![voice.say("log", "01KABCDEFGHJKMNPQRSTVWX000")],
        graph_request_ids: vec![voice.say("graph", "8f2b7c1e-9f0a-4a52-b6a1-0d6f3a1c2b77")],
        intent: Some(voice.say("intent", "SendDraft")),
        is_delivered: true,
        keeps_answer: false,
        is_task: false,
        joined: 1,
        chain: Some(Link { sequence: 18_233, link: ChainMark::from_bytes([7; 16]) }),
    }
}

/// A request that waits, and has never left.
fn waiting(voice: Voice, user: UserKey) -> RequestView {
    RequestView {
        state: voice.say("state", "queued"),
        outcome: None,
        sent_at_ms: None,
        settled_at_ms: None,
        calls: 0,
        attempts: vec![],
        gateway_log_ids: vec![],
        graph_request_ids: vec![],
        intent: None,
        is_delivered: false,
        chain: None,
        client: String::new(),
        ..call(voice, user, 1, 0)
    }
}

fn audit(voice: Voice) -> AuditPage {
    let line = |number: usize| {
        let what = ["look", "search", "export", "disconnect", "list"][number % 5];
        AuditLine {
            id: request_id(&key(number), number as u64),
            at_ms: before(number as u64 * 11),
            operator: voice.say("operator", "7f1c44e0-2b7c-4d51-9d3e-aa71"),
            what: voice.say("what", what),
            user: (what != "list").then(|| key(number % 3)),
            detail: (what == "search").then(|| voice.say("detail", "by address")),
            outcome: voice.say("audit.outcome", "done"),
        }
    };
    AuditPage { lines: (0..25).map(line).collect(), next: Some(request_id(&key(1), 300)) }
}

fn ledgers(voice: Voice, user: UserKey) -> [(&'static str, RequestQuery, RequestPage); 3] {
    let mut requests: Vec<RequestView> =
        (1..40).map(|ago| call(voice, user, ago * 3, 1 + ago as usize % 3)).collect();
    requests.insert(0, waiting(voice, user));
    for (place, request) in requests.iter_mut().enumerate().filter(|(place, _)| place % 7 == 4) {
        request.state = voice.say("state", if place % 2 == 0 { "failed" } else { "unknown" });
        request.outcome = Some(voice.say("outcome", "permission_missing"));
    }
    let filter = RequestQuery {
        before: Some(request_id(&user, 1)),
        limit: 50,
        state: Some(voice.say("query.state", "failed")),
        tool: Some(voice.say("query.tool", "sendEmail")),
        client: Some(voice.say("query.client", "Claude Code")),
        outcome: Some(voice.say("query.outcome", "not_sent")),
        from: Some(before(3_000)),
        to: Some(NOW),
    };
    let next = Some(request_id(&user, 120));
    [
        ("ledger", RequestQuery::default(), RequestPage { requests: requests.clone(), next }),
        ("ledger-filtered", filter.clone(), RequestPage { requests: vec![], next }),
        ("ledger-empty", RequestQuery::default(), RequestPage { requests: vec![], next: None }),
    ]
}

fn checks(voice: Voice) -> Vec<Check> {
    [
        ("Directory", Verdict::Passed, "16 of 16 parts answered within 40 ms."),
        (
            "AI Gateway",
            Verdict::Failed,
            "It answered 404: no gateway of this name. Make it, or correct GATEWAY_ID.",
        ),
        (
            "Payload logs",
            Verdict::CannotTell,
            "Whether the gateway honours the switch is not visible from here.",
        ),
    ]
    .map(|(name, verdict, detail)| Check {
        name: voice.say("check", name),
        verdict,
        detail: voice.say("check.detail", detail),
    })
    .to_vec()
}

/// Every page, by a name for its file.
pub(super) fn pages(voice: Voice, access_mode: &AccessMode) -> Vec<(&'static str, Reply)> {
    let operator = voice.say("viewer", "ada@break-glass");
    let guard = access_mode.application().map_or(Guard::Credential, Guard::Shared);
    let viewer = Viewer { operator: Some(&operator), access_mode, guard, now: NOW };
    let mut pages = directory_pages(voice, &viewer);
    pages.extend(person_pages(voice, &viewer));
    for (name, query, page) in ledgers(voice, key(7)) {
        pages.push((name, ledger(&viewer, &key(7), &query, &page)));
    }
    let logs = voice.say("logs", "https://dash.cloudflare.example/gateway/logs");
    for (name, shown) in [
        ("request", call(voice, key(7), 6, 1)),
        ("request-long", call(voice, key(7), 6, 12)),
        ("request-waiting", waiting(voice, key(7))),
        (
            "request-unknown",
            RequestView { state: "unknown".into(), is_delivered: false, ..call(voice, key(7), 9, 3) },
        ),
    ] {
        pages.push((name, request(&viewer, &shown, Some(&logs))));
    }
    pages.extend([
        ("trail", trail(&viewer, &audit(voice), Some(request_id(&key(1), 5)), Some(key(1)))),
        ("trail-empty", trail(&viewer, &AuditPage::default(), None, None)),
        ("self-test", self_test(&viewer, None)),
        ("self-test-ran", self_test(&viewer, Some(&checks(voice)))),
        ("sign-in", sign_in(&viewer, "npm run operator -- --name ada", None)),
        (
            "sign-in-refused",
            sign_in(&viewer, "npm run operator", Some(&voice.say("refused", "It has ended."))),
        ),
    ]);
    let names = "not-found nothing-found cannot-search not-an-operator object-silent directory-silent \
                 confirmation-over not-from-here";
    pages.extend(
        names.split_whitespace().zip(Trouble::ALL).map(|(name, trouble)| (name, trouble.page(&viewer))),
    );
    pages
}

fn directory_pages(voice: Voice, viewer: &Viewer<'_>) -> Vec<(&'static str, Reply)> {
    let lack = voice.say("lack", "withdrawal of a single client");
    let (nobody, everybody, none) = (Fleet::default(), whole_fleet(), PersonPage::default());
    let mut attention = many(voice);
    attention.people.retain(|person| !person.attention.is_empty());
    attention.people.sort_by_key(|person| person.attention.clone());
    let one = Fleet { people: 1, connected: 1, sessions: 1, ..Fleet::default() };
    let page = |fleet, attention, shards_silent, lacks| {
        super::fleet(viewer, &Directory { fleet, attention, shards_silent, lacks })
    };
    vec![
        ("fleet-empty", page(&nobody, &none, 0, &[])),
        ("fleet-one", page(&one, &none, 0, &[])),
        ("fleet", page(&everybody, &attention, 2, &[&lack, "consent for a single client"])),
        ("people-empty", people(viewer, &none, None, false)),
        ("people", people(viewer, &many(voice), Some(key(3)), false)),
        ("people-attention", people(viewer, &attention, None, true)),
        ("found", found(viewer, &many(voice).people[..3])),
    ]
}

fn person_pages(voice: Voice, viewer: &Viewer<'_>) -> Vec<(&'static str, Reply)> {
    let user = key(7);
    let overview = overview(voice, user);
    let calm = Overview {
        paused: None,
        access: None,
        grants: vec![],
        sessions: vec![],
        sessions_in_all: 0,
        hours: vec![],
        hours_are_cut: false,
        timers: vec![],
        queue: QueueView {
            lanes: vec![],
            gateway: "closed".into(),
            gateway_opens_at_ms: None,
            ..queue(voice)
        },
        ..overview.clone()
    };
    let failing = Person {
        attention: vec![Attention::Overdue, Attention::Stuck, Attention::NotRenewed, Attention::Failing],
        ..somebody(voice, 7)
    };
    let (broken, silent) = (unreadable(voice, None), unreadable(voice, Some(report(voice, 7))));
    let asked = |known, overview| person(viewer, Subject { user, known, overview });
    let acted = |changed| Acted {
        action: voice.say("action", "refresh"),
        changed,
        detail: voice.say("acted", "Microsoft is being asked for new tokens."),
        request: Some(request_id(&user, 0)),
    };
    let (client, grant) = (voice.say("confirm.client", "Claude Code"), GrantId::from_bytes([1; 16]));
    let confirmation = voice.say("confirmation", "c29tZXRoaW5nIHNlYWxlZA");
    vec![
        ("person", asked(Some(&failing), Some(&overview))),
        ("person-calm", asked(None, Some(&calm))),
        ("person-unreadable", asked(Some(&broken), None)),
        ("person-silent", asked(Some(&silent), None)),
        (
            "confirm-revoke",
            confirm(viewer, &user, Action::RevokeClient { grant }, Some(&client), &confirmation),
        ),
        ("confirm-pause", confirm(viewer, &user, Action::Pause, None, &confirmation)),
        ("done", done(viewer, &user, &acted(true))),
        ("done-already", done(viewer, &user, &acted(false))),
    ]
}
