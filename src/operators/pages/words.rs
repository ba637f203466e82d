//! What names and states are called in pages.

use protocol::operator::Action;
use protocol::operator::directory::Attention;
use protocol::operator::view::Standing;

use super::html::{Html, Tone};

pub(super) const fn standing(standing: Standing) -> (Tone, &'static str) {
    match standing {
        Standing::Connected => (Tone::Good, "Connected"),
        Standing::NotConnected => (Tone::Quiet, "Not connected"),
        Standing::SignInAgain => (Tone::Warn, "Has to sign in again"),
        Standing::ConsentNeeded => (Tone::Warn, "Has to consent"),
        Standing::StepUp => (Tone::Warn, "Has to prove more"),
    }
}

const fn attention(attention: Attention) -> (Tone, &'static str) {
    match attention {
        Attention::Unreadable => (Tone::Bad, "Cannot be read"),
        Attention::Overdue => (Tone::Bad, "Did not wake"),
        Attention::Stuck => (Tone::Bad, "A request is stuck"),
        Attention::NotRenewed => (Tone::Bad, "Token not renewed"),
        Attention::Failing => (Tone::Bad, "Most calls fail"),
        Attention::GatewayDown => (Tone::Warn, "Gateway is down"),
        Attention::PersonMustAct => (Tone::Warn, "Person must act"),
        Attention::Paused => (Tone::Quiet, "Paused"),
    }
}

/// What to do about a reason to look at a person.
pub(super) const fn advice(attention: Attention) -> &'static str {
    match attention {
        Attention::Unreadable => {
            "The object's rows do not decode or do not open, and its calls are answered 503. Look at the fault below; \
             the key ring may lack the key under which it was sealed."
        }
        Attention::Overdue => {
            "The object should have woken by itself and did not. The next request wakes it; renewing the tokens does too."
        }
        Attention::Stuck => {
            "A request has been open for longer than any should be. Its page in the ledger says where it stands."
        }
        Attention::NotRenewed => {
            "The access token has ended although it should have been renewed. The ledger's newest refresh says why."
        }
        Attention::Failing => "More than half of the latest requests failed. The ledger says how they ended.",
        Attention::GatewayDown => {
            "Calls wait until the gateway answers again. If more than one person has this, look at the gateway first."
        }
        Attention::PersonMustAct => {
            "Nothing works before the person signs in, agrees to a permission or proves more. Their client tells them so."
        }
        Attention::Paused => "An operator paused this account. Nothing leaves until it is resumed.",
    }
}

/// Reasons to look at a person, as badges.
pub(super) fn reasons(html: &mut Html, reasons: &[Attention]) {
    if reasons.is_empty() {
        html.none("none");
    }
    for reason in reasons {
        let (tone, words) = attention(*reason);
        html.badge(tone, words).raw(" ");
    }
}

/// How urgent the state of a request looks.
pub(super) fn state(state: &str) -> Tone {
    match state {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        "unknown" | "reconciling" => Tone::Warn,
        _ => Tone::Quiet,
    }
}

/// An action as the label of a link or a button.
pub(super) const fn action(action: Action) -> &'static str {
    match action {
        Action::RefreshNow => "Renew tokens",
        Action::DropSessions => "End sessions",
        Action::RevokeClient { .. } => "Revoke client",
        Action::Disconnect => "Disconnect",
        Action::RevokeSignIns => "End all sign-ins",
        Action::Erase => "Erase everything",
        Action::Pause => "Pause",
        Action::Drain => "Pause and drain",
        Action::Resume => "Resume",
        Action::Reseal => "Seal anew",
    }
}

/// Whether an action takes something away that only the person can bring back, or nobody.
pub(super) const fn is_grave(action: Action) -> bool {
    matches!(action, Action::RevokeClient { .. } | Action::Disconnect | Action::RevokeSignIns | Action::Erase)
}
