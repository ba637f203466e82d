//! What to do after a tool's call came back: go on, wait, renew the token, look into it, or end.
//!
//! What holds here: a write is sent again only when it certainly had no effect (401, 429), after a look showed that it
//! had none, or when Microsoft recognises the repeat; a read is repeated after 429, 502, 503, 504 and a lost answer,
//! within its attempts and its deadline. Whoever is asked to wait waits, whatever the next call is: the same again, or a
//! look. Where several calls were made in one, what is left of them decides. The rules are those of Graph's throttling guidance.

use protocol::entra::ClaimsChallenge;
use protocol::gateway::{Refuser, read_refusal};
use protocol::limits::{
    ATTEMPTS_MAX, BACKOFF_BASE, CALL_TIMEOUT, LANE_CLOSED_MAX, RECONCILE_EVERY, RECONCILE_FOR,
    RETRY_AFTER_MAX,
};
use protocol::outbound::{Answer, CallResult, GraphCall, Lane, Lost, Safety};
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::{Fault as Blame, Found, Plan, Step, ToolError};

use super::run::{Run, Work};
use super::settle::Settled;
use crate::ledger::{EntryEvent, Transition};
use crate::planted::{self, Bug};
use crate::queue::Queue;
use crate::refresher::Refresher;
use crate::turn::{Entropy, Fault};

/// AI Gateway's number for an answer that a policy withheld. Microsoft acted before the policy did.
const ANSWER_WITHHELD: &str = "2030";

/// What happens to a run next.
#[derive(Debug)]
pub(super) enum Next {
    /// Its next call waits for a place, not before a time.
    Call { not_before: UnixMs },
    /// It is over.
    Settle(EntryEvent, Settled),
}

/// The machines that a verdict may inform, and the facts of the turn.
pub(super) struct Surroundings<'a> {
    pub now: UnixMs,
    pub entropy: &'a mut Entropy,
    pub queue: &'a mut Queue,
    pub refresher: &'a mut Refresher,
}

/// Decides about a tool call after one of its calls ended.
///
/// # Errors
/// A broken invariant of the entry's state.
pub(super) fn after_tool_call(
    mut around: Surroundings<'_>,
    run: &mut Run,
    result: CallResult,
) -> Result<Next, Fault> {
    let Some(call) = run.called.clone() else { return Err(Fault::Invariant("not a tool call")) };
    if run.zone_first {
        return after_zone(&mut around, run, &call, &result);
    }
    if call.lane == Lane::Model {
        // One question, one answer: whoever asks a model can do without, and a person would wait for each repeat.
        let step = plan(run)?.heard_of_model(&result);
        let step = step.ok_or(Fault::Invariant("a model answered a plan that asked none"))?;
        return go_on_with(&mut around, run, Ok(step));
    }
    let result = match result {
        CallResult::Answered(answer) => CallResult::Answered(plan(run)?.opened(answer)),
        CallResult::Lost(_) => result,
    };
    if let CallResult::Answered(Answer { status: 429 | 500.., retry_after: Some(asked), .. }) = &result {
        let asked = with_jitter((*asked).min(LANE_CLOSED_MAX), around.entropy);
        run.asked_to_wait_until = around.now.plus(asked);
    }
    match result {
        CallResult::Answered(answer) => match answer.status {
            200..300 => success(&mut around, run, &answer),
            // An address of storage that is over says nothing about the token, which it never saw.
            401 if call.storage.is_none() && read_refusal(&answer.body).refuser != Refuser::Gateway => {
                unauthorized(&mut around, run, &answer)
            }
            429 => throttled(&mut around, run, &call, &answer),
            500.. => no_clear_answer(&mut around, run, &call, Unclear::Outage(answer)),
            _ => refused(&mut around, run, &call, &answer),
        },
        CallResult::Lost(lost) => no_clear_answer(&mut around, run, &call, Unclear::Lost(lost)),
    }
}

fn plan(run: &mut Run) -> Result<&mut Plan, Fault> {
    match &mut run.work {
        Work::Tool { plan, .. } => Ok(plan),
        _ => Err(Fault::Invariant("not a tool call")),
    }
}

/// Goes on after the mailbox was asked for its zone, however that ended: without it the result says its times in UTC. Whoever
/// was asked to wait waits, if the next call goes to the mailbox too.
fn after_zone(
    around: &mut Surroundings<'_>,
    run: &mut Run,
    call: &GraphCall,
    result: &CallResult,
) -> Result<Next, Fault> {
    match result {
        CallResult::Answered(answer)
            if answer.status == 401 && read_refusal(&answer.body).refuser != Refuser::Gateway =>
        {
            return unauthorized(around, run, answer);
        }
        CallResult::Answered(answer @ Answer { status: 429 | 503, .. }) => {
            run.zone_first = false;
            let goes_there = plan(run)?.call().lane == call.lane;
            match answer.retry_after {
                Some(_) if goes_there => return throttled(around, run, call, answer),
                Some(asked) => around.queue.throttled(call.lane, around.now, asked),
                None => {}
            }
        }
        _ => run.zone_first = false,
    }
    wait_until(run, around.now)
}

pub(super) fn success(around: &mut Surroundings<'_>, run: &mut Run, answer: &Answer) -> Result<Next, Fault> {
    if run.looking {
        let found = plan(run)?.looked(answer);
        return act_on(around, run, found);
    }
    run.tries = 0;
    let step = plan(run)?.answered(answer);
    go_on_with(around, run, step)
}

fn go_on_with(
    around: &mut Surroundings<'_>,
    run: &mut Run,
    step: Result<Step, ToolError>,
) -> Result<Next, Fault> {
    match step {
        Ok(Step::Done(finished)) => Ok(Next::Settle(EntryEvent::Succeeded, Settled::Result(finished))),
        Ok(Step::Call(_)) => {
            advance(run, EntryEvent::Requeued)?;
            Ok(Next::Call { not_before: around.now })
        }
        Err(error) => Ok(Next::Settle(EntryEvent::Refused, Settled::Error(error))),
    }
}

fn refused(
    around: &mut Surroundings<'_>,
    run: &mut Run,
    call: &GraphCall,
    answer: &Answer,
) -> Result<Next, Fault> {
    let refusal = read_refusal(&answer.body);
    if run.looking {
        // Only Microsoft knows what became of a mail: a 404 of the gateway does not mean that the draft is gone.
        if refusal.refuser != Refuser::Graph {
            return look_again(around, run);
        }
        let found = plan(run)?.looked(answer);
        return act_on(around, run, found);
    }
    let is_withheld = refusal.refuser == Refuser::Gateway && refusal.code == ANSWER_WITHHELD;
    if is_withheld && call.safety != Safety::Read {
        let found = plan(run)?.look_into();
        return act_on(around, run, found);
    }
    if (refusal.refuser == Refuser::Graph || call.storage.is_some())
        && let Some(step) = plan(run)?.took_refusal(answer)
    {
        run.tries = 0;
        return go_on_with(around, run, Ok(step));
    }
    match plan(run)?.refused() {
        Some(found) => act_on(around, run, found),
        None => Ok(Next::Settle(EntryEvent::Refused, Settled::Error(ToolError::from_refusal(answer)))),
    }
}

/// A 401 proves that nothing was executed. One fresh token is tried, with the claims that Graph demands; a second refusal
/// means that the person has to sign in again.
fn unauthorized(around: &mut Surroundings<'_>, run: &mut Run, answer: &Answer) -> Result<Next, Fault> {
    let demanded = answer.challenge.as_deref().and_then(ClaimsChallenge::from_header);
    let token_is_current = run.token_generation == around.refresher.generation();
    if token_is_current && run.token_was_renewed {
        if let Some(demanded) = demanded {
            around.refresher.cannot_meet(demanded);
        }
        return if run.looking {
            look_again(around, run)
        } else {
            Ok(Next::Settle(EntryEvent::Refused, Settled::Error(ToolError::sign_in_again())))
        };
    }
    if token_is_current {
        around.refresher.refused_by_graph(demanded);
        run.token_was_renewed = true;
    }
    wait_until(run, around.now)
}

/// A 429 proves that nothing was executed. The lane is narrowed for all calls; this one waits its turn.
fn throttled(
    around: &mut Surroundings<'_>,
    run: &mut Run,
    call: &GraphCall,
    answer: &Answer,
) -> Result<Next, Fault> {
    run.tries += 1;
    let by_gateway = read_refusal(&answer.body).refuser == Refuser::Gateway;
    run.held_up_by =
        Some(if by_gateway { "Held back by the gateway's limit" } else { "Throttled by Microsoft" });
    let asked = answer.retry_after.unwrap_or_else(|| backoff(run.tries));
    let wait = with_jitter(asked, around.entropy);
    around.queue.throttled(call.lane, around.now, asked);
    if run.looking {
        return look_again(around, run);
    }
    if may_try_again(around.now, run, wait) {
        return wait_until(run, around.now.plus(wait));
    }
    let error = ToolError::from_refusal(answer).after(asked);
    Ok(Next::Settle(EntryEvent::Refused, Settled::Error(error)))
}

enum Unclear {
    Outage(Answer),
    Lost(Lost),
}

/// No answer, or one that does not say whether anything was executed.
fn no_clear_answer(
    around: &mut Surroundings<'_>,
    run: &mut Run,
    call: &GraphCall,
    unclear: Unclear,
) -> Result<Next, Fault> {
    if run.looking {
        return look_again(around, run);
    }
    if planted::has(Bug::BlindRepeat) && call.safety != Safety::Read {
        return wait_until(run, around.now);
    }
    if call.safety != Safety::Read {
        // An error that Microsoft itself answered ends the call. Without an answer of its own it may still act.
        let has_ended = match &unclear {
            Unclear::Outage(answer) => read_refusal(&answer.body).refuser == Refuser::Graph,
            Unclear::Lost(_) => false,
        };
        if !has_ended {
            run.may_act_until = run.left_at.plus(CALL_TIMEOUT);
        }
        let found = plan(run)?.look_into();
        return act_on(around, run, found);
    }
    run.tries += 1;
    run.held_up_by = Some("Microsoft or the gateway could not serve this call");
    let asked = match &unclear {
        Unclear::Outage(answer) => answer.retry_after,
        Unclear::Lost(_) => None,
    };
    let wait = with_jitter(asked.unwrap_or_else(|| backoff(run.tries)), around.entropy);
    let pointless = match &unclear {
        Unclear::Outage(answer) => !is_passing(answer.status),
        Unclear::Lost(lost) => *lost == Lost::TooLarge,
    };
    if !pointless && may_try_again(around.now, run, wait) {
        return wait_until(run, around.now.plus(wait));
    }
    let error = match unclear {
        Unclear::Outage(answer) => ToolError::from_refusal(&answer),
        Unclear::Lost(lost) => ToolError::lost_read(lost),
    };
    Ok(Next::Settle(EntryEvent::Refused, Settled::Error(error)))
}

/// Acts on what is known of a lost write.
fn act_on(around: &mut Surroundings<'_>, run: &mut Run, found: Found) -> Result<Next, Fault> {
    let now = around.now;
    if matches!(found, Found::Resume(_) | Found::DidNotHappen(_)) && run.may_still_send(now) {
        let _same_look = plan(run)?.look_into();
        return Ok(Next::Call { not_before: run.may_act_until.max(run.asked_to_wait_until) });
    }
    match found {
        Found::Look(_) => {
            run.looking = true;
            run.give_up_at.get_or_insert(now.plus(RECONCILE_FOR));
            advance(run, EntryEvent::AnswerLost)?;
            Ok(Next::Call { not_before: now.max(run.asked_to_wait_until) })
        }
        Found::Resume(_) if !run.waiters.is_empty() && may_try_again(now, run, backoff(run.tries + 1)) => {
            run.tries += 1;
            let wait = with_jitter(backoff(run.tries), around.entropy);
            run.looking = false;
            run.give_up_at = None;
            advance(run, EntryEvent::Requeued)?;
            Ok(Next::Call { not_before: now.plus(wait).max(run.asked_to_wait_until) })
        }
        // It was tried often enough, or nobody waits any more, or they were told already that the outcome is unknown:
        // sending now would surprise.
        Found::Resume(_) => {
            let error = ToolError::new(
                Blame::Microsoft,
                "not_sent",
                "Microsoft did not take the call in time. Call again.",
            )
            .ending("It had no effect.");
            Ok(Next::Settle(EntryEvent::Refused, Settled::Error(error)))
        }
        Found::Happened(finished) => Ok(Next::Settle(EntryEvent::Succeeded, Settled::Result(finished))),
        Found::DidNotHappen(error) => Ok(Next::Settle(EntryEvent::Refused, Settled::Error(error))),
        Found::NotYetKnown => look_again(around, run),
        Found::NeverKnown => {
            let error = plan(run)?.outcome_unknown();
            Ok(Next::Settle(EntryEvent::GaveUp, Settled::Error(error)))
        }
    }
}

/// The next look: soon at first, because somebody may wait, and then at long intervals.
fn look_again(around: &mut Surroundings<'_>, run: &mut Run) -> Result<Next, Fault> {
    let now = around.now;
    if run.give_up_at.is_some_and(|at| at <= now) {
        let error = plan(run)?.outcome_unknown();
        return Ok(Next::Settle(EntryEvent::GaveUp, Settled::Error(error)));
    }
    let still_wanted = !run.waiters.is_empty() && now < run.deadline;
    if plan(run)?.look_again(still_wanted) == Found::NeverKnown {
        let error = plan(run)?.outcome_unknown();
        return Ok(Next::Settle(EntryEvent::GaveUp, Settled::Error(error)));
    }
    run.looks += 1;
    let wait = with_jitter(backoff(run.looks).min(RECONCILE_EVERY), around.entropy);
    Ok(Next::Call { not_before: now.plus(wait).max(run.asked_to_wait_until) })
}

fn wait_until(run: &mut Run, not_before: UnixMs) -> Result<Next, Fault> {
    if !run.looking {
        advance(run, EntryEvent::Requeued)?;
    }
    Ok(Next::Call { not_before })
}

/// Whether the same read may well be answered a moment later: the service or the way to it is out, for which 502 is the
/// word of whoever stands before it. Any other 5xx is an error in the service that the same call meets again.
const fn is_passing(status: u16) -> bool {
    matches!(status, 502..=504)
}

fn may_try_again(now: UnixMs, run: &Run, wait: DurationMs) -> bool {
    run.tries < ATTEMPTS_MAX && wait <= RETRY_AFTER_MAX && now.plus(wait) < run.deadline
}

fn advance(run: &mut Run, event: EntryEvent) -> Result<(), Fault> {
    match run.entry.apply(event) {
        Transition::To(_) | Transition::Already => Ok(()),
        Transition::Illegal => Err(Fault::Invariant("an entry was moved against its transition table")),
    }
}

fn backoff(tries: u32) -> DurationMs {
    DurationMs(BACKOFF_BASE.0.saturating_mul(1 << tries.saturating_sub(1).min(6)))
}

/// Up to a quarter more, so that callers who were refused together do not come back together. Never less: Microsoft
/// counts calls that come too early.
pub(super) fn with_jitter(wait: DurationMs, entropy: &mut Entropy) -> DurationMs {
    entropy.lengthen(wait)
}
