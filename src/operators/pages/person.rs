//! One person: what the object says of itself, or, where it cannot be read, what is known without it.
//!
//! What holds here: what the directory last heard is never shown as what is so now.

use protocol::ids::UserKey;
use protocol::operator::Action;
use protocol::operator::directory::{Person, Report};
use protocol::operator::view::{AccountView, GrantView, LedgerView, Overview, QueueView, SessionView};

use super::chart::{self, Hour};
use super::frame::{Frame, Viewer};
use super::html::{Html, Tone, short};
use super::{links, words};
use crate::reply::Reply;

/// What is known of a person.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Whose object it is.
    pub user: UserKey,
    /// As the directory knows them.
    pub known: Option<&'a Person>,
    /// What the object says; absent where it did not answer.
    pub overview: Option<&'a Overview>,
}

/// The page `/ops/users/{key}`.
#[must_use]
pub fn person(viewer: &Viewer<'_>, subject: Subject<'_>) -> Reply {
    let title = format!("Person {}", short(&subject.user));
    let above = [(links::PEOPLE.to_owned(), "People".to_owned())];
    let frame = Frame { status: 200, title: &title, within: links::PEOPLE, above: &above };
    frame.around(viewer, |html| {
        html.raw("<p>User key ").code(&subject.user.to_string()).raw("</p>");
        warnings(html, viewer, subject);
        html.raw("<div class=\"row\">");
        for (path, label) in [
            (links::ledger(&subject.user), "Ledger of requests"),
            (links::trail(None, Some(subject.user)), "What operators did here"),
        ] {
            html.raw("<a class=\"button quiet\" href=\"").plain(&path).raw("\">").raw(label).raw("</a>");
        }
        html.raw("</div>");
        match (subject.overview, subject.known.and_then(|known| known.report.as_ref())) {
            (Some(overview), _) => whole(html, viewer, overview),
            (None, Some(report)) => reported(html, viewer, report),
            (None, None) => {}
        }
        actions(html, subject);
        exports(html, &subject.user);
    })
}

fn warnings(html: &mut Html, viewer: &Viewer<'_>, subject: Subject<'_>) {
    let fault = subject.known.and_then(|known| known.fault.as_ref());
    if let Some(fault) = fault {
        html.banner(Tone::Bad).raw(
            "<strong>This object cannot be read.</strong> Its calls are answered 503 and nothing \
                                    is written over its rows. Found ",
        );
        html.time(fault.at_ms, viewer.now).raw(": ").code(&fault.fault).raw("</p>");
    } else if subject.overview.is_none() {
        html.banner(Tone::Bad).raw(
            "<strong>The object did not answer.</strong> What stands below is what it reported \
                                    before. Load the page again in a few seconds.</p>",
        );
    }
    if let Some(paused) = subject.overview.and_then(|overview| overview.paused.as_ref()) {
        html.banner(Tone::Warn).raw("<strong>Paused</strong> by ").text(&paused.by).raw(", ");
        html.time(paused.since_ms, viewer.now).raw(". No call leaves until it is resumed.</p>");
    }
    let reasons = subject.known.map(|known| known.attention.as_slice()).unwrap_or_default();
    if !reasons.is_empty() {
        html.raw("<h2>Why this needs attention</h2><ul class=\"plain acts\">");
        for reason in reasons {
            html.raw("<li><div>");
            words::reasons(html, &[*reason]);
            html.raw("</div><span>").raw(words::advice(*reason)).raw("</span></li>");
        }
        html.raw("</ul>");
    }
}

/// What the object says now.
fn whole(html: &mut Html, viewer: &Viewer<'_>, overview: &Overview) {
    html.raw("<div class=\"cards\">");
    account(html, viewer, "Microsoft account", &overview.microsoft);
    if let Some(access) = &overview.access {
        account(html, viewer, "Cloudflare Access", access);
    }
    queue(html, viewer, overview);
    ledger(html, &overview.ledger);
    wakes(html, viewer, overview);
    html.raw("</div>");
    lanes(html, viewer, &overview.queue);
    html.raw("<h2>Calls of the last 24 hours</h2>");
    if overview.hours_are_cut {
        html.raw("<p>There were more calls than are looked through: the oldest are not counted.</p>");
    }
    let hours: Vec<Hour> = overview
        .hours
        .iter()
        .map(|hour| Hour {
            from: hour.from_ms,
            settled: hour.succeeded.saturating_add(hour.failed),
            failed: hour.failed,
        })
        .collect();
    chart::hours(html, "Calls of this person, by hour", &hours, 24, viewer.now);
    grants(html, viewer, overview);
    sessions(html, viewer, overview);
}

fn account(html: &mut Html, viewer: &Viewer<'_>, title: &'static str, account: &AccountView) {
    let now = viewer.now;
    html.raw("<section class=\"card\"><h2>").raw(title).raw("</h2><dl class=\"facts\">");
    let (tone, standing) = words::standing(account.standing);
    html.fact("Standing").badge(tone, standing).end_fact();
    html.fact("Token ends").time_or(account.expires_at_ms, now, "no token").end_fact();
    html.fact("Renewal due").time_or(account.refresh_due_at_ms, now, "never");
    if account.is_refreshing {
        html.raw(" ").badge(Tone::Quiet, "under way");
    }
    html.end_fact();
    html.fact("Token from").time_or(account.obtained_at_ms, now, "no token").end_fact();
    html.fact("Tokens so far").number(account.generation).end_fact();
    html.fact("Permissions").codes(&account.permissions, "none").end_fact().raw("</dl></section>");
}

fn queue(html: &mut Html, viewer: &Viewer<'_>, overview: &Overview) {
    let queue = &overview.queue;
    html.raw("<section class=\"card\"><h2>Now</h2><dl class=\"facts\">");
    html.fact("Last active").time_or(overview.last_activity_at_ms, viewer.now, "never").end_fact();
    html.fact("Waiting").count(queue.waiting, "call", "calls").end_fact();
    html.fact("In flight").count(queue.in_flight, "call", "calls").end_fact();
    html.fact("Oldest open").time_or(queue.oldest_open_at_ms, viewer.now, "nothing is open").end_fact();
    html.fact("Gateway breaker");
    let tone = if queue.gateway == "closed" { Tone::Good } else { Tone::Bad };
    html.badge(tone, &queue.gateway);
    if let Some(at) = queue.gateway_opens_at_ms {
        html.raw(" next try ").time(at, viewer.now);
    }
    html.end_fact();
    html.fact("Open streams").number(overview.streams).end_fact().raw("</dl></section>");
}

fn ledger(html: &mut Html, ledger: &LedgerView) {
    html.raw("<section class=\"card\"><h2>Ledger</h2><dl class=\"facts\">");
    for (name, number) in [
        ("Entries kept", ledger.entries),
        ("Not settled", ledger.open),
        ("Settled in all", ledger.settled),
        ("Of them failed", ledger.failed),
        ("Outcome unknown", ledger.unknown),
        ("Links in the chain", ledger.sequence),
    ] {
        html.fact(name).number(number).end_fact();
    }
    html.fact("Sealed under").code(&ledger.sealed_under);
    if ledger.is_resealing {
        html.raw(" ").badge(Tone::Quiet, "moving to a newer key");
    }
    html.end_fact().raw("</dl></section>");
}

fn wakes(html: &mut Html, viewer: &Viewer<'_>, overview: &Overview) {
    html.raw("<section class=\"card\"><h2>Timers</h2><dl class=\"facts\">");
    html.fact("Next alarm").time_or(overview.next_alarm_at_ms, viewer.now, "none is set").end_fact();
    for timer in &overview.timers {
        html.raw("<div><dt>").code(&timer.name).raw("</dt><dd>").time(timer.due_at_ms, viewer.now).end_fact();
    }
    html.raw("</dl></section>");
}

fn lanes(html: &mut Html, viewer: &Viewer<'_>, queue: &QueueView) {
    html.raw("<h2>Queue by lane</h2>");
    if queue.lanes.is_empty() {
        html.raw("<p>No lane is in use.</p>");
        return;
    }
    html.table(
        "Lanes of the queue",
        &["Lane", "#Waiting", "#In flight", "#At most", "Microsoft asks to wait"],
    );
    for lane in &queue.lanes {
        html.row().cell().code(&lane.name);
        html.cell().number(lane.waiting).cell().number(lane.in_flight).cell().number(lane.limit);
        html.cell().time_or(lane.throttled_until_ms, viewer.now, "no");
    }
    html.end_table();
}

fn grants(html: &mut Html, viewer: &Viewer<'_>, overview: &Overview) {
    html.raw("<h2>Clients and what they may do</h2>");
    let is_perimeter = viewer.access_mode.is_perimeter();
    if is_perimeter {
        html.raw("<p>Access is the authorization server here: a single client cannot be revoked.</p>");
    }
    if overview.grants.is_empty() {
        html.raw("<p>No client has a grant.</p>");
        return;
    }
    html.table("Grants", &["Client", "Grant", "Scopes", "Agreed", "Tokens", "Access identity", "Revoke"]);
    for grant in &overview.grants {
        grant_row(html, viewer, &overview.user, grant, is_perimeter);
    }
    html.end_table();
}

fn grant_row(html: &mut Html, viewer: &Viewer<'_>, user: &UserKey, grant: &GrantView, is_perimeter: bool) {
    html.row().cell().text(&grant.client).cell().code(&grant.id.to_string());
    html.cell().codes(&grant.scopes, "none").cell().time(grant.agreed_at_ms, viewer.now).cell();
    match (grant.is_redeemed, grant.renewed_at_ms) {
        (false, _) => html.none("not fetched yet"),
        (true, None) => html.raw("fetched"),
        (true, Some(at)) => html.raw("renewed ").time(at, viewer.now),
    };
    html.cell();
    match &grant.access_identity {
        Some(identity) => html.code(identity),
        None => html.none("none"),
    };
    html.cell();
    if is_perimeter {
        html.none("not in this mode");
        return;
    }
    // Several links that read alike lead to different places: each says to whom it applies (WCAG 2.2, 2.4.4).
    let action = Action::RevokeClient { grant: grant.id };
    html.raw("<a href=\"").plain(&links::action(user, action)).raw("\" aria-label=\"Revoke ");
    html.plain(&grant.client).raw("\">Revoke</a>");
}

fn sessions(html: &mut Html, viewer: &Viewer<'_>, overview: &Overview) {
    html.raw("<h2>MCP sessions</h2>");
    if overview.sessions.is_empty() {
        html.raw("<p>No session is open. Clients of the newest revision have none.</p>");
        return;
    }
    let shown = u64::try_from(overview.sessions.len()).unwrap_or_default();
    if overview.sessions_in_all > shown {
        html.raw("<p>The ")
            .number(shown)
            .raw(" most recently used of ")
            .number(overview.sessions_in_all)
            .raw(".</p>");
    }
    html.table("MCP sessions", &["Client", "Session", "Revision", "Opened", "Used", "#Watches", "Grant"]);
    for session in &overview.sessions {
        session_row(html, viewer, session);
    }
    html.end_table();
}

fn session_row(html: &mut Html, viewer: &Viewer<'_>, session: &SessionView) {
    html.row().cell().text(&session.client).cell().code(&session.id.to_string());
    html.cell().badge(Tone::Quiet, &session.revision).cell().time(session.opened_at_ms, viewer.now);
    html.cell().time(session.used_at_ms, viewer.now).cell().number(session.watches);
    html.cell().code(&session.grant.to_string());
}

/// What the directory last heard.
fn reported(html: &mut Html, viewer: &Viewer<'_>, report: &Report) {
    let now = viewer.now;
    html.raw("<section class=\"card\"><h2>As last reported</h2><dl class=\"facts\">");
    html.fact("Reported").time(report.at_ms, now).end_fact();
    let (tone, standing) = words::standing(report.standing);
    html.fact("Standing").badge(tone, standing).end_fact();
    html.fact("Last active").time_or(report.last_activity_at_ms, now, "never").end_fact();
    html.fact("Token ends").time_or(report.token_expires_at_ms, now, "no token").end_fact();
    html.fact("Renewal due").time_or(report.refresh_due_at_ms, now, "never").end_fact();
    html.fact("Next alarm").time_or(report.next_alarm_at_ms, now, "none is set").end_fact();
    html.fact("Oldest open").time_or(report.oldest_open_at_ms, now, "nothing was open").end_fact();
    for (name, number) in [
        ("Grants", report.grants.into()),
        ("Sessions", report.sessions.into()),
        ("Streams", report.streams.into()),
        ("Waiting", report.waiting.into()),
        ("In flight", report.in_flight.into()),
        ("Settled in all", report.tally.settled),
        ("Of them failed", report.tally.failed),
        ("Outcome unknown", report.tally.unknown),
    ] {
        html.fact(name).number(number).end_fact();
    }
    html.fact("Sealed under").code(&report.sealed_under).end_fact().raw("</dl></section>");
}

fn actions(html: &mut Html, subject: Subject<'_>) {
    let paused = subject.overview.map(|overview| overview.paused.is_some());
    html.raw("<h2>What you can do</h2><p class=\"soft\">Each asks you first, and is written into the audit trail.</p>");
    html.raw("<ul class=\"plain acts card\">");
    for action in Action::PLAIN {
        // What is so already is not offered; where that is not known, everything is.
        if matches!((action, paused), (Action::Pause, Some(true)) | (Action::Resume, Some(false))) {
            continue;
        }
        html.raw("<li>").link(&links::action(&subject.user, action), words::action(action));
        html.raw("<span>").raw(action.consequence()).raw("</span></li>");
    }
    html.raw("</ul>");
}

fn exports(html: &mut Html, user: &UserKey) {
    html.raw("<h2>Export of the ledger</h2><p>Every settled request, chained, for an investigation. ")
        .raw("The verification key proves that nothing was removed or changed; whoever has it could also make up another \
              ledger, so keep it apart from the export. Each download is written into the audit trail.</p><div class=\"row\">");
    for (path, label) in [
        (links::export(user, "ndjson"), "Export as NDJSON"),
        (links::export(user, "cbor"), "Export as CBOR"),
        (links::verification_key(user), "Verification key"),
    ] {
        html.raw("<a class=\"button quiet\" download href=\"").plain(&path).raw("\">").raw(label).raw("</a>");
    }
    html.raw("</div>");
}
