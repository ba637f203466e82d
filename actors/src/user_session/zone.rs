//! The zone of the person's mailbox: read once, kept in the object's own row, and shared by all who need it.
//!
//! What holds here: while one call asks for the zone, no other does. Whoever needs it to understand arguments waits for that
//! call; whoever needs it to show times waits only while none is known at all. What Microsoft does not tell holds nobody up
//! and is not asked for again for a while. The row is written when the zone is new or changed, and at most once a day besides.

use protocol::limits::{MAILBOX_ZONE_KEPT_FOR, MAILBOX_ZONE_PAUSE, MAILBOX_ZONE_STORED_FOR};
use protocol::outbound::{CallResult, Lane};
use protocol::time::{DurationMs, UnixMs};
use protocol::tools::mailbox_zone::{self, Heard};
use protocol::zones::{Zone, Zones};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::run::{Run, Work};
use super::verdict::{self, Next};
use super::{Txn, UserSession};
use crate::ledger::{EntryEvent, Transition};
use crate::turn::{Fault, Turn};

/// The zone as it lies in the object's own row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptZone {
    /// Its name, as Microsoft says it.
    #[serde(rename = "n")]
    pub name: String,
    /// When it was read, to within a day.
    #[serde(rename = "r")]
    pub read_at: UnixMs,
}

/// What the object knows of the zone.
#[derive(Debug, Default)]
pub(super) struct MailboxZone {
    kept: Option<KeptZone>,
    /// The zone, if this platform knows the kept name.
    zone: Option<Zone>,
    read_at: UnixMs,
    /// From when on the next result with times has it read anew.
    due_at: UnixMs,
    /// Why the latest reading yielded none.
    failed: Option<&'static str>,
}

impl MailboxZone {
    /// What a row says. Its zone serves for a day, or as long as one that was just read, whichever is less: an object that
    /// often loses its memory must not ask each time, and one that lives on notices a change as soon as any.
    pub(super) fn recover(kept: Option<KeptZone>, now: UnixMs) -> Self {
        let read_at = kept.as_ref().map_or(UnixMs(0), |kept| kept.read_at);
        let due_at = read_at.plus(MAILBOX_ZONE_STORED_FOR).min(now.plus(MAILBOX_ZONE_KEPT_FOR));
        let mut recovered = Self { kept, read_at, due_at, ..Self::default() };
        recovered.resolve(Zones::UTC_ONLY);
        recovered
    }

    /// Finds the zone of the kept name by a platform's rules. Without rules for it the mailbox has to be asked.
    pub(super) fn resolve(&mut self, zones: Zones) {
        self.zone = self.kept.as_ref().and_then(|kept| zones.zone(&kept.name));
    }

    /// What the row has to say.
    pub(super) const fn kept(&self) -> Option<&KeptZone> {
        self.kept.as_ref()
    }

    /// The zone, if it was read so lately that what a person asks for may be understood by it.
    pub(super) fn read_lately(&self, now: UnixMs) -> Option<&Zone> {
        self.zone.as_ref().filter(|_| is_within(self.read_at, MAILBOX_ZONE_KEPT_FOR, now))
    }

    /// Whether the mailbox was asked a moment ago and did not tell.
    pub(super) fn failed_lately(&self, now: UnixMs) -> bool {
        self.failed.is_some() && now < self.due_at
    }

    /// Whether the mailbox is to be asked before times are shown.
    fn is_due(&self, now: UnixMs) -> bool {
        now >= self.due_at || (self.zone.is_none() && self.failed.is_none())
    }

    /// Takes note of what the mailbox said; says whether the row has to follow.
    fn hear(&mut self, heard: Heard, now: UnixMs) -> bool {
        let why = match heard {
            Heard::Zone(zone) => {
                (self.read_at, self.due_at, self.failed) = (now, now.plus(MAILBOX_ZONE_KEPT_FOR), None);
                let is_kept = self.kept.as_ref().is_some_and(|kept| {
                    kept.name == zone.name() && is_within(kept.read_at, MAILBOX_ZONE_STORED_FOR, now)
                });
                if !is_kept {
                    self.kept = Some(KeptZone { name: zone.name().to_owned(), read_at: now });
                }
                self.zone = Some(zone);
                return !is_kept;
            }
            Heard::Unknown => "The time zone of this mailbox is not one that this server knows.",
            Heard::Refused => "Microsoft does not tell the time zone of this mailbox.",
            Heard::Nothing => "The time zone of this mailbox could not be read just now.",
        };
        (self.due_at, self.failed) = (now.plus(MAILBOX_ZONE_PAUSE), Some(why));
        // Another one than before, which would be wrong. What is merely not told is still what it was.
        let is_gone = heard == Heard::Unknown && self.kept.is_some();
        if is_gone {
            (self.kept, self.zone) = (None, None);
        }
        is_gone
    }
}

/// Whether a time is past and no longer ago than a span. A clock that was put back makes no reading last.
fn is_within(read_at: UnixMs, span: DurationMs, now: UnixMs) -> bool {
    (read_at..read_at.plus(span)).contains(&now)
}

impl UserSession {
    /// The zone in which times are shown, or why they are in UTC.
    pub(super) fn zone_to_show(&self, now: UnixMs) -> Result<&Zone, &'static str> {
        self.mailbox_zone.zone.as_ref().ok_or_else(|| match self.mailbox_zone.failed {
            Some(why) => why,
            None if self.may_read_zone(now) => "The time zone of this mailbox could not be read just now.",
            None => "The mailbox's time zone takes the permission MailboxSettings.Read.",
        })
    }

    fn may_read_zone(&self, now: UnixMs) -> bool {
        self.refresher.granted(now).is_some_and(mailbox_zone::may_be_read)
    }

    /// Whether the mailbox is asked for its zone before a call that shows times.
    pub(super) fn asks_zone_first(&self, now: UnixMs, run: &Run, arguments: &Map<String, Value>) -> bool {
        let Work::Tool { target, plan } = &run.work else { return false };
        let may_ask = target.shows_times() && self.is_zone_awaited(now) && self.may_read_zone(now);
        // Whoever names a zone is answered in that one, and whoever needs the mailbox's asks by itself.
        may_ask && !arguments.contains_key("timeZone") && !mailbox_zone::is_asked_by(&plan.call())
    }

    /// Whether it is worth while to wait for the mailbox to tell its zone. While it is being asked, and while Microsoft wants
    /// no call about it, the zone that was known before will do, or none.
    fn is_zone_awaited(&self, now: UnixMs) -> bool {
        let is_known = self.mailbox_zone.zone.is_some();
        self.mailbox_zone.is_due(now)
            && !(is_known && self.queue.reads_zone())
            && self.queue.closed_for(Lane::Mailbox, now) == DurationMs(0)
    }

    /// Remembers the zone of the mailbox, or that it is not told, where a call asked for it.
    pub(super) fn hear_of_zone(
        &mut self,
        now: UnixMs,
        txn: &mut Txn<'_>,
        run: &Run,
        result: &CallResult,
    ) -> Result<(), Fault> {
        // A call that can have an effect asks for nothing.
        if !matches!(run.work, Work::Tool { .. }) || run.intent().is_some() {
            return Ok(());
        }
        let called = run.called.as_ref();
        let Some(heard) = called.and_then(|call| mailbox_zone::heard(call, result, self.zones)) else {
            return Ok(());
        };
        if self.mailbox_zone.hear(heard, now) { self.put_meta(txn) } else { Ok(()) }
    }

    /// Lets those go on who wait to ask for the zone and need not ask any more: it is known by now, or not worth waiting for.
    pub(super) fn go_on_with_zone(&mut self, turn: &mut Turn, txn: &mut Txn<'_>) -> Result<(), Fault> {
        for request in self.queue.asking_zone() {
            let is_awaited = self.is_zone_awaited(turn.now);
            let told = self.mailbox_zone.read_lately(turn.now).map(mailbox_zone::told);
            let goes_on = |run: &Run| if run.zone_first { !is_awaited } else { told.is_some() };
            let Some(mut run) = self.runs.remove(&request) else { continue };
            if !goes_on(&run) {
                self.runs.insert(request, run);
                continue;
            }
            self.queue.withdraw(&request);
            // Whoever was asked to wait goes on waiting.
            let mut next = Next::Call { not_before: run.not_before };
            if run.zone_first {
                run.zone_first = false;
            } else if let Some(answer) = told {
                if run.entry.apply(EntryEvent::Sent) == Transition::Illegal {
                    return Err(Fault::Invariant("a call that waits cannot go on"));
                }
                match verdict::success(&mut self.surroundings(turn), &mut run, &answer)? {
                    Next::Call { .. } => {}
                    ends @ Next::Settle(..) => next = ends,
                }
            }
            self.go_on(turn, txn, request, run, next)?;
        }
        Ok(())
    }
}
