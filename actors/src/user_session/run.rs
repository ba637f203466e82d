//! A request at work: what it does, who waits for it, and until when.
//!
//! What holds here: a run is memory only. What must survive the object is in its ledger entry, which is written before a
//! call leaves.

use protocol::ids::{GrantId, RequestId, SessionId};
use protocol::jsonrpc::Id;
use protocol::limits::{REQUEST_DEADLINE, UPLOAD_DEADLINE};
use protocol::object::Connect;
use protocol::operator::revoke_sign_ins;
use protocol::outbound::{GraphCall, Lane};
use protocol::stream::{EventId, StreamKey};
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::{Plan, Target, ToolError, WriteIntent, mailbox_zone};

use super::apps::Calling;
use super::mcp::inquiry::Inquiry;
use super::watching::Subscribing;
use crate::ledger::{Entry, EntryState, Purpose};
use crate::queue::{Job, Priority};
use crate::turn::ReplyTo;
use crate::vault::Slot;

/// What a run does.
#[derive(Debug)]
pub(super) enum Work {
    /// A tool call or the reading of a resource.
    Tool { target: Target, plan: Box<Plan> },
    /// A call to a linked app.
    App(Box<Calling>),
    /// A question to the client of a session, without whose answer nothing leaves.
    Ask(Box<Inquiry>),
    /// A refresh of an access token.
    Refresh(Slot),
    /// The redemption of an authorization code.
    Connect(Box<Connect>),
    /// The making or renewal of a subscription to changes.
    Watch(Box<Subscribing>),
    /// The end of all of the person's sign-ins with Microsoft.
    RevokeSignIns,
    /// What a fixture of the conformance suite does, which no queue knows.
    #[cfg(feature = "conformance")]
    Talk(Box<super::talking::Talking>),
}

/// Within what a client asks one thing after another. What it says next there shows that it heard an earlier answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Conversation {
    /// A session of the older revisions.
    Session(SessionId),
    /// Requests without a session, under one grant.
    Grant(GrantId),
}

impl Conversation {
    /// The session, if it is one.
    pub const fn session(self) -> Option<SessionId> {
        match self {
            Self::Session(session) => Some(session),
            Self::Grant(_) => None,
        }
    }
}

/// Who waits for a run, and in which form the answer is wanted.
#[derive(Clone, Debug)]
pub(super) struct Waiter {
    /// The connection; none while a stream that will carry the answer is not open.
    pub to: Option<ReplyTo>,
    /// Whether the connection is a stream.
    pub is_stream: bool,
    /// How the client wants to be told of progress, if it does.
    pub progress: Option<Progress>,
    /// The JSON-RPC id of the request; none for the edge's own requests.
    pub id: Option<Id>,
    /// Where it was asked; none for the edge's own requests.
    pub conversation: Option<Conversation>,
    /// The resource that was asked for.
    pub uri: Option<String>,
    /// When it was asked.
    pub asked_at: UnixMs,
    /// From which level on log messages are wanted, where there is no session that says so.
    #[cfg(feature = "conformance")]
    pub log_level: Option<protocol::mcp::envelope::LogLevel>,
}

/// A client's wish to be told of progress.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    /// The token that it chose.
    pub token: Id,
    /// What it was told so far; each notification has the next number.
    pub told: u32,
}

impl Waiter {
    /// Somebody who waits on a connection.
    pub const fn new(
        to: ReplyTo,
        id: Option<Id>,
        conversation: Option<Conversation>,
        asked_at: UnixMs,
    ) -> Self {
        Self {
            to: Some(to),
            is_stream: false,
            progress: None,
            id,
            conversation,
            uri: None,
            asked_at,
            #[cfg(feature = "conformance")]
            log_level: None,
        }
    }

    /// The edge itself, which wants no JSON-RPC.
    pub const fn of_the_edge(to: ReplyTo, asked_at: UnixMs) -> Self {
        Self::new(to, None, None, asked_at)
    }

    /// The session in which it was asked.
    pub fn session(&self) -> Option<SessionId> {
        self.conversation.and_then(Conversation::session)
    }

    /// Whether the answer is due in the form of the revision without sessions.
    pub const fn is_stateless(&self) -> bool {
        matches!(self.conversation, Some(Conversation::Grant(_)))
    }

    /// The same, where the connection is a stream.
    pub fn on_stream(self) -> Self {
        Self { is_stream: true, ..self }
    }

    /// The ID of the event that carries the answer; streams can be resumed only where there are sessions.
    pub fn answer_event(&self, request: RequestId) -> Option<EventId> {
        let id = self.id.clone().filter(|_| self.is_stream && self.session().is_some())?;
        Some(EventId::Answered(StreamKey { request, id }))
    }
}

/// A request that is not settled.
#[derive(Debug)]
pub(super) struct Run {
    pub work: Work,
    pub entry: Entry,
    pub waiters: Vec<Waiter>,
    pub priority: Priority,
    /// The call in flight is given up at this time; `None` while nothing is in flight.
    pub in_flight_until: Option<UnixMs>,
    /// Whether the mailbox's zone is asked for before the first call of the plan, because the result shows times.
    pub zone_first: bool,
    /// Whether a lost answer to a write is being looked into.
    pub looking: bool,
    /// Looks so far.
    pub looks: u32,
    /// Attempts of the current step.
    pub tries: u32,
    /// When waiting clients are answered at the latest.
    pub deadline: UnixMs,
    /// The latest call of Graph or of a model, without its body: to put a body together anew costs as much as to send it.
    pub called: Option<GraphCall>,
    /// Bytes that Microsoft has taken of an upload.
    pub uploaded_bytes: u64,
    /// When looking ends without a result.
    pub give_up_at: Option<UnixMs>,
    /// When the latest call left.
    pub left_at: UnixMs,
    /// A send whose answer was lost may still take effect until then: it can be under way although nobody listens any
    /// more. A look before then proves that a mail left, but not that it will not leave.
    pub may_act_until: UnixMs,
    /// Whoever answered last asked to be left alone until then.
    pub asked_to_wait_until: UnixMs,
    /// The generation of the token that the call in flight carries.
    pub token_generation: u64,
    /// Whether a 401 was answered with a fresh token once already.
    pub token_was_renewed: bool,
    /// The number of the latest call, by which its end is recognised. It goes on from call to call within one life of
    /// the core and begins elsewhere in the next one, because calls of a core that is gone may still come back.
    pub sequence: u32,
    /// What the stored entry says about a write under way.
    pub stored: Option<(EntryState, Option<WriteIntent>)>,
    /// The time before which the next call must not leave.
    pub not_before: UnixMs,
    /// What held the run up last, in words for the client.
    pub held_up_by: Option<&'static str>,
    /// The turn in which the entry was inserted; further changes in it cost no row.
    pub inserted_in_turn: u64,
}

impl Run {
    pub fn new(work: Work, entry: Entry, priority: Priority, deadline: UnixMs) -> Self {
        Self {
            work,
            entry,
            waiters: Vec::new(),
            priority,
            in_flight_until: None,
            zone_first: false,
            looking: false,
            looks: 0,
            tries: 0,
            deadline,
            called: None,
            uploaded_bytes: 0,
            give_up_at: None,
            left_at: UnixMs(0),
            may_act_until: UnixMs(0),
            asked_to_wait_until: UnixMs(0),
            token_generation: 0,
            token_was_renewed: false,
            sequence: 0,
            stored: None,
            not_before: UnixMs(0),
            held_up_by: None,
            inserted_in_turn: 0,
        }
    }

    /// The Graph call that the run wants to make.
    pub fn graph_call(&self) -> Option<GraphCall> {
        match &self.work {
            Work::Tool { .. } if self.zone_first => Some(mailbox_zone::call()),
            Work::Tool { plan, .. } => Some(plan.call()),
            Work::Watch(subscribing) => Some(subscribing.call.clone()),
            Work::RevokeSignIns => Some(revoke_sign_ins()),
            _ => None,
        }
    }

    /// Whether its next call, or the one in flight, asks a model and not Microsoft.
    pub fn asks_model(&self) -> bool {
        matches!(self.work, Work::Tool { .. })
            && self.graph_call().is_some_and(|call| call.lane == Lane::Model)
    }

    /// The concurrency limit that holds for a call of this run.
    pub fn lane(&self, call: Option<&GraphCall>) -> Lane {
        match &self.work {
            Work::App(_) => Lane::LinkedApp,
            Work::Refresh(Slot::Access) => Lane::AccessIdentity,
            _ => call.map_or(Lane::Identity, |call| call.lane),
        }
    }

    /// What must be durable before the next call leaves.
    pub fn intent(&self) -> Option<WriteIntent> {
        match &self.work {
            Work::Tool { .. } if self.zone_first => None,
            Work::Tool { plan, .. } => plan.intent(),
            Work::App(calling) => calling.call.writes().then_some(WriteIntent::CallApp),
            _ => None,
        }
    }

    /// What the next call is for.
    pub const fn purpose(&self) -> Purpose {
        match self.work {
            _ if self.looking => Purpose::Reconcile,
            Work::Refresh(_) | Work::Connect(_) => Purpose::Token,
            Work::Watch(_) => Purpose::Watch,
            _ => Purpose::Call,
        }
    }

    /// Whether it waits for its client's answer to a question.
    pub const fn is_asking(&self) -> bool {
        matches!(self.work, Work::Ask(_))
    }

    /// Takes in one more who waits. Where nobody waited any more, the time that somebody will wait begins now.
    pub fn join(&mut self, waiter: Waiter) {
        if self.waiters.is_empty() {
            self.deadline = self.deadline.max(waiter.asked_at.plus(REQUEST_DEADLINE));
        }
        self.waiters.push(waiter);
    }

    /// Takes note of how far an upload has come. What went on may go on, within limits; a word for those who wait, if it
    /// went on.
    pub fn note_progress(&mut self, request: RequestId, now: UnixMs) -> Option<String> {
        let Work::Tool { plan, .. } = &self.work else { return None };
        let progress = plan.progress().filter(|progress| progress.done_bytes > self.uploaded_bytes)?;
        self.uploaded_bytes = progress.done_bytes;
        let most = request.created_at().plus(UPLOAD_DEADLINE);
        self.deadline = self.deadline.max(now.plus(REQUEST_DEADLINE).min(most));
        let megabytes = |bytes: u64| bytes / 1_000_000;
        Some(format!(
            "{} of {} MB are uploaded.",
            megabytes(progress.done_bytes),
            megabytes(progress.total_bytes)
        ))
    }

    /// Whether an upload is to end here, half-way. While it is found out what became of a part, another rule ends it.
    pub fn is_stuck_upload(&self, now: UnixMs) -> bool {
        let uploads = matches!(&self.work, Work::Tool { plan, .. } if plan.progress().is_some());
        uploads && !self.looking && now >= self.deadline
    }

    /// Whether nothing has been committed to yet: whatever left was read, so that the run can end as if it had never been.
    pub fn has_no_intent(&self) -> bool {
        let is_a_clients =
            !matches!(self.work, Work::Refresh(_) | Work::Connect(_) | Work::Watch(_) | Work::RevokeSignIns);
        is_a_clients && !self.looking && self.entry.intent.is_none()
    }

    /// Whether a send may still be under way, so that it is too early to say that nothing was sent.
    pub fn may_still_send(&self, now: UnixMs) -> bool {
        now < self.may_act_until
            && matches!(
                self.entry.intent,
                Some(
                    WriteIntent::SendDraft { .. }
                        | WriteIntent::FillDraft
                        | WriteIntent::CreateEvent { .. }
                        | WriteIntent::ChangeEvent { .. }
                        | WriteIntent::ChangeItem
                )
            )
    }

    /// What those who wait are told when the time is over, while the outcome is still being found out. From then on a
    /// look must not bring about what it looks for.
    pub fn give_up_waiting(&mut self) -> ToolError {
        match &mut self.work {
            Work::Tool { plan, .. } => {
                // A call in flight is left to end; what is decided after it knows that nobody waits any more.
                if self.in_flight_until.is_none() {
                    let _next_look = plan.look_again(false);
                }
                plan.outcome_unknown()
            }
            _ => ToolError::deadline(DurationMs(0)),
        }
    }

    /// The place in the queue that the next call needs.
    pub fn job(&self, request: RequestId, not_before: UnixMs) -> Job {
        let call = self.graph_call();
        Job {
            request,
            lane: self.lane(call.as_ref()),
            client: self.entry.client.clone(),
            priority: if self.looking { Priority::Background } else { self.priority },
            not_before,
            bytes: match &self.work {
                Work::Tool { plan, .. } => plan.held_bytes(),
                Work::App(calling) => calling.call.held_bytes(),
                _ => 0,
            },
            asks_zone: !self.looking && call.is_some_and(|call| mailbox_zone::is_asked_by(&call)),
        }
    }

    /// When the call in flight counts as lost.
    pub const fn call_due(&self) -> Option<UnixMs> {
        self.in_flight_until
    }

    /// When the run has to be looked at although nothing comes in: at the deadline while somebody waits for it or it
    /// has not left, and at the end of looking.
    pub fn next_deadline(&self) -> Option<UnixMs> {
        let somebody_waits = !self.waiters.is_empty() || !self.looking;
        // A deadline that passed while a call is in flight is met when that call ends or is given up.
        let deadline =
            (somebody_waits && (self.looking || self.in_flight_until.is_none())).then_some(self.deadline);
        [deadline, self.give_up_at].into_iter().flatten().min()
    }
}
