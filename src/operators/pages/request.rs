//! One request on its whole way: received, waiting, each call to Microsoft, settled, delivered.
//!
//! What holds here: the drawing and the table are written from one list of steps; every identifier by which another
//! system knows the request can be selected as text.

use protocol::operator::view::{AttemptView, RequestView};
use protocol::time::UnixMs;

use super::frame::{Frame, Viewer};
use super::html::{Html, Tone, duration, short};
use super::ledger::client;
use super::timeline::{Line, timeline};
use super::{links, words};
use crate::reply::Reply;

/// The page `/ops/requests/{id}`. `gateway_logs_url` is where the gateway's logs are shown; one of them
/// is looked up there by its ID, because Cloudflare documents no address of a single one.
#[must_use]
pub fn request(viewer: &Viewer<'_>, request: &RequestView, gateway_logs_url: Option<&str>) -> Reply {
    let above = [
        (links::PEOPLE.to_owned(), "People".to_owned()),
        (links::person(&request.user), format!("Person {}", short(&request.user))),
        (links::ledger(&request.user), "Requests".to_owned()),
    ];
    // Whoever set another scheme gets no link.
    let logs = gateway_logs_url.filter(|url| url.starts_with("https://"));
    let frame = Frame { status: 200, title: "Request", within: links::PEOPLE, above: &above };
    frame.around(viewer, |html| {
        html.raw("<p>").code(&request.id.to_string()).raw("</p><p>").code(&request.tool).raw(" is ");
        html.badge(words::state(&request.state), &request.state);
        if let Some(outcome) = &request.outcome {
            html.raw(" with the outcome ").code(outcome);
        }
        html.raw("</p>");
        if request.state == "unknown" {
            html.banner(Tone::Warn).raw(
                "Whether Microsoft did this could not be found out. It is not sent again; look at \
                                         Microsoft before you do it by hand.</p>",
            );
        }
        way(html, viewer, request);
        html.raw("<div class=\"cards\">");
        facts(html, viewer, request);
        identifiers(html, request, logs);
        html.raw("</div>");
    })
}

/// A step on the way of a request.
struct Step<'a> {
    name: &'static str,
    from: UnixMs,
    /// Where the step takes time: when it ended, or now.
    to: Option<UnixMs>,
    is_over: bool,
    class: &'static str,
    attempt: Option<&'a AttemptView>,
}

/// The steps in order of time. `end` is when the request ended, or now.
fn steps(request: &RequestView, end: UnixMs) -> Vec<Step<'_>> {
    let received = request.received_at_ms;
    let point = |name, at, class| Step { name, from: at, to: None, is_over: true, class, attempt: None };
    let mut steps = vec![
        point("Received by the edge", received, "ok"),
        Step {
            name: "Waited",
            from: received,
            to: Some(request.sent_at_ms.unwrap_or(end)),
            is_over: request.sent_at_ms.or(request.settled_at_ms).is_some(),
            class: "wait",
            attempt: None,
        },
    ];
    steps.extend(request.attempts.iter().map(|attempt| Step {
        name: "Call",
        from: attempt.sent_at_ms,
        to: Some(attempt.ended_at_ms.unwrap_or(end)),
        is_over: attempt.ended_at_ms.is_some(),
        class: if attempt.result.as_deref().is_none_or(|result| result.starts_with('2')) {
            "ok"
        } else {
            "ko"
        },
        attempt: Some(attempt),
    }));
    if let Some(settled) = request.settled_at_ms {
        steps.push(point("Settled", settled, "end"));
    }
    steps
}

fn way(html: &mut Html, viewer: &Viewer<'_>, request: &RequestView) {
    let begin = request.received_at_ms;
    let ends = request.attempts.iter().filter_map(|attempt| attempt.ended_at_ms).chain(request.settled_at_ms);
    let end = if request.settled_at_ms.is_some() { ends.max() } else { ends.chain([viewer.now]).max() };
    let end = end.unwrap_or(begin).max(begin);
    let steps = steps(request, end);
    html.raw("<h2>Its way</h2><figure><figcaption>");
    html.raw(if request.settled_at_ms.is_some() { "It took " } else { "It has been open for " });
    html.plain(&duration(begin, end))
        .raw(", with ")
        .count(request.calls.into(), "call", "calls")
        .raw(" to Microsoft.");
    let kept = u64::try_from(request.attempts.len()).unwrap_or_default();
    if u64::from(request.calls) > kept {
        html.raw(" Only the latest ").number(kept).raw(" of them are kept.");
    }
    html.raw("</figcaption><div class=\"card\">");
    let lines: Vec<Line> = steps.iter().map(|step| line(request, step)).collect();
    timeline(html, &lines, begin, end);
    html.raw("</div></figure><h3>The same in words</h3>");
    html.table(
        "The way of the request",
        &["Step", "Since receipt", "At (UTC)", "Took", "Result", "Identifiers"],
    );
    for step in &steps {
        row(html, request, step);
    }
    html.end_table();
    html.raw("<p>");
    html.raw(match (request.settled_at_ms.is_some(), request.writes, request.is_delivered) {
        (false, ..) => "It is not settled yet.",
        (true, true, true) => "The client's side took the answer.",
        (true, true, false) => {
            "The client's side has not taken the answer. An equal call joins this request and gets its outcome."
        }
        (true, false, _) => "Whether the client's side took the answer is known of writes only.",
    });
    html.raw("</p>");
}

fn line(request: &RequestView, step: &Step<'_>) -> Line {
    let mut label = step.name.to_owned();
    if let Some(attempt) = step.attempt {
        label.clone_from(&attempt.purpose);
    }
    if let Some(to) = step.to {
        label.push_str(", ");
        label.push_str(&duration(step.from, to));
    }
    let result = step.attempt.and_then(|attempt| attempt.result.as_deref());
    if let Some(result) = result.or(request.outcome.as_deref().filter(|_| step.name == "Settled")) {
        label.push_str(": ");
        label.push_str(result);
    } else if !step.is_over {
        label.push_str(" so far");
    }
    Line { label, from: step.from, to: step.to, class: step.class }
}

fn row(html: &mut Html, request: &RequestView, step: &Step<'_>) {
    html.row().cell().raw(step.name);
    if let Some(attempt) = step.attempt {
        html.raw(": ").code(&attempt.purpose);
    }
    html.cell().raw("+").plain(&duration(request.received_at_ms, step.from));
    html.cell().exact_time(step.from).cell();
    match step.to {
        Some(to) => html.plain(&duration(step.from, to)).raw(if step.is_over { "" } else { " so far" }),
        None => html.none("a moment"),
    };
    html.cell();
    let Some(attempt) = step.attempt else {
        match &request.outcome {
            Some(outcome) if step.name == "Settled" => html.code(&request.state).raw(" ").code(outcome),
            None if step.name == "Settled" => html.code(&request.state),
            _ => html.none("none"),
        };
        html.cell().none("none");
        return;
    };
    match &attempt.result {
        Some(result) => html.code(result),
        None => html.none("no answer yet"),
    };
    html.cell();
    if let Some(id) = &attempt.gateway_log_id {
        html.raw("<div>Gateway ").code(id).raw("</div>");
    }
    if let Some(id) = &attempt.graph_request_id {
        html.raw("<div>Microsoft ").code(id).raw("</div>");
    }
    if attempt.gateway_log_id.is_none() && attempt.graph_request_id.is_none() {
        html.none("none");
    }
}

fn facts(html: &mut Html, viewer: &Viewer<'_>, request: &RequestView) {
    let yes = |is: bool| if is { "yes" } else { "no" };
    html.raw("<section class=\"card\"><h2>What it was</h2><dl class=\"facts\">");
    html.fact("Person").person(&request.user).end_fact();
    html.fact("Client");
    client(html, &request.client);
    html.end_fact();
    html.fact("Received").time(request.received_at_ms, viewer.now).end_fact();
    html.fact("Left first").time_or(request.sent_at_ms, viewer.now, "nothing left").end_fact();
    html.fact("Settled").time_or(request.settled_at_ms, viewer.now, "not yet").end_fact();
    html.fact("Changes something").raw(yes(request.writes)).end_fact();
    html.fact("Under way at Microsoft");
    match &request.intent {
        Some(intent) => html.code(intent),
        None => html.none("nothing"),
    };
    html.end_fact();
    html.fact("Answer kept").raw(yes(request.keeps_answer)).end_fact();
    html.fact("Goes on as a task").raw(yes(request.is_task)).end_fact();
    html.fact("Joined by").count(request.joined, "other request", "other requests").end_fact();
    html.raw("</dl></section>");
}

fn identifiers(html: &mut Html, request: &RequestView, logs: Option<&str>) {
    html.raw("<section class=\"card\"><h2>Identifiers</h2><dl class=\"facts\">");
    let (id, user) = (request.id.to_string(), request.user.to_string());
    let (grant, session) = (request.grant.map(|id| id.to_string()), request.session.map(|id| id.to_string()));
    let link = request.chain.map(|chain| chain.link.to_string());
    for (name, value) in [
        ("Request", Some(&id)),
        ("User key", Some(&user)),
        ("Grant", grant.as_ref()),
        ("Session", session.as_ref()),
        ("Access identity", request.access_identity.as_ref()),
        ("Trace", request.trace_id.as_ref()),
        ("Span that asked", request.parent_span_id.as_ref()),
        ("Link of the chain", link.as_ref()),
    ] {
        html.fact(name);
        match value {
            Some(value) => html.code(value),
            None => html.none("none"),
        };
        html.end_fact();
    }
    html.fact("Place in the chain");
    match &request.chain {
        Some(chain) => html.number(chain.sequence),
        None => html.none("none yet"),
    };
    html.end_fact();
    html.fact("Gateway's logs");
    html.codes(&request.gateway_log_ids, "none");
    if let Some(url) = logs {
        html.raw("<div><a rel=\"noreferrer\" href=\"")
            .plain(url)
            .raw("\">Look them up at Cloudflare</a></div>");
    }
    html.end_fact();
    html.fact("Microsoft's requests").codes(&request.graph_request_ids, "none").end_fact();
    html.raw("</dl></section>");
}
