//! The zone in which a person's local times are meant and shown: the one that was asked for, else the mailbox's own.

use serde_json::Value;

use super::Surroundings;
use super::arguments::Arguments;
use super::collection::{read, text};
use super::error::{Fault, ToolError};
use crate::graph::query;
use crate::outbound::{Answer, GraphCall, Lane, Method};
use crate::zones::{Zone, Zones};

/// The permissions of which one suffices to read the mailbox's zone.
const SETTINGS_READ: [&str; 2] = ["MailboxSettings.Read", "MailboxSettings.ReadWrite"];

/// Finds the zone by the arguments alone; `None` means that the mailbox has to be asked.
///
/// # Errors
/// The argument names no zone, or the mailbox's is needed and may not be read.
pub(super) fn choose(
    arguments: &Arguments<'_>,
    around: Surroundings<'_>,
    is_needed: bool,
) -> Result<Option<Zone>, ToolError> {
    if let Some(name) = arguments.optional_text("timeZone", 64)? {
        let zone = around.zones.zone(name);
        return zone.map(Some).ok_or_else(|| {
            arguments.must_be("timeZone", "a zone such as Europe/Zurich or W. Europe Standard Time")
        });
    }
    match around.require(&SETTINGS_READ) {
        Ok(()) => Ok(around.mailbox_zone.cloned()),
        Err(_) if !is_needed => Ok(Some(Zone::utc())),
        Err(mut missing) => {
            missing.message.push_str(" Or give the argument `timeZone`.");
            Err(missing)
        }
    }
}

/// The mailbox's zone, where a call asked for it, alone or among other settings.
#[must_use]
pub fn learnt(call: &GraphCall, answer: &Answer, zones: Zones) -> Option<Zone> {
    let asks = call.method == Method::Get && call.path.starts_with(&self::call().path);
    (asks && answer.status == 200).then(|| answered(answer, zones).ok())?
}

/// The call that asks the mailbox.
pub(super) fn call() -> GraphCall {
    let parameters = query(&[("$select", "timeZone")]);
    GraphCall::get(Lane::Mailbox, format!("/me/mailboxSettings{parameters}"))
}

/// Reads its answer.
///
/// # Errors
/// The mailbox has a zone of its own making, whose rules nobody else knows.
pub(super) fn answered(answer: &Answer, zones: Zones) -> Result<Zone, ToolError> {
    let settings: Value = read(answer)?;
    // A mailbox that was never opened has no zone yet, and Outlook shows it in UTC.
    let Some(name) = text(&settings, "/timeZone") else { return Ok(Zone::utc()) };
    zones.zone(name).ok_or_else(|| {
        ToolError::new(
            Fault::Caller,
            "zone_unknown",
            "The time zone of this mailbox is not one that this server knows. Give the argument `timeZone`, such \
             as Europe/Zurich.",
        )
    })
}
