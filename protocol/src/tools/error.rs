//! The one vocabulary of tool errors: whose fault, what to do, whether waiting helps.
//!
//! What holds here: a message is one or two sentences for a person and a model; it never repeats a token, an
//! address or Microsoft's own text, which may quote content.

use crate::gateway::{Refuser, read_refusal};
use crate::outbound::{Answer, Lost};
use crate::time::DurationMs;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The arguments of the call.
    Caller,
    /// The person's account: not connected, a permission missing.
    Account,
    /// Microsoft.
    Microsoft,
    /// A linked app, by outage or limit.
    Application,
    /// AI Gateway, by outage, limit or policy.
    Gateway,
    /// The deployment's configuration: an operator must act.
    Operator,
    /// This server.
    Server,
}

/// An error that a tool call ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    /// Whose fault it is.
    pub fault: Fault,
    /// A stable code for ledger and logs.
    pub code: &'static str,
    /// What happened and what to do.
    pub message: String,
    /// What became of the call's effect, as sentences of their own; a plan that left something behind says what.
    pub ending: &'static str,
    /// How long to wait before trying again, where waiting helps.
    pub retry_after: Option<DurationMs>,
    /// The permission that Microsoft has not granted, where that is what lacks.
    pub permission: Option<&'static str>,
}

impl ToolError {
    /// An error that waiting does not help.
    pub fn new(fault: Fault, code: &'static str, message: impl Into<String>) -> Self {
        Self { fault, code, message: message.into(), ending: "", retry_after: None, permission: None }
    }

    /// A wrong argument; the message says what to change.
    pub fn argument(message: impl Into<String>) -> Self {
        Self::new(Fault::Caller, "bad_argument", message)
    }

    /// What was named is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Fault::Caller, "not_found", message)
    }

    /// The same error with the advice to wait.
    #[must_use]
    pub const fn after(mut self, wait: DurationMs) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same error that says this of the call's effect, instead of what it said of it.
    #[must_use]
    pub const fn ending(mut self, ending: &'static str) -> Self {
        self.ending = ending;
        self
    }

    /// Whether it would help to connect the Microsoft account, or to connect it again.
    #[must_use]
    pub fn is_mended_by_connecting(&self) -> bool {
        matches!(self.code, "sign_in_again" | "permission_missing")
    }

    /// The same error with the link under which the person connects the account.
    #[must_use]
    pub fn with_link(mut self, link: &str) -> Self {
        self.message.push_str(&format!(
            " Ask the person to open this link within ten minutes, in a browser that is signed in to the organisation: \
             {link}"
        ));
        self
    }

    /// The queue of this person is full.
    #[must_use]
    pub fn busy(wait: DurationMs) -> Self {
        Self::new(Fault::Caller, "busy", "Too many calls of this account are waiting already.").after(wait)
    }

    /// Operators limit how many messages a person sends in an hour.
    #[must_use]
    pub fn too_many_messages(wait: DurationMs) -> Self {
        let message = "This account has sent as many messages within an hour as the operators of this server allow. \
                       Nothing was sent.";
        Self::new(Fault::Account, "too_many_messages", message).after(wait)
    }

    /// The gateway does not answer, so nothing is sent to it for a while.
    #[must_use]
    pub fn gateway_is_down(wait: DurationMs) -> Self {
        Self::new(Fault::Gateway, "gateway_down", "The AI Gateway is down. Nothing was sent.").after(wait)
    }

    /// Microsoft asked to be left alone for longer than a call may wait.
    #[must_use]
    pub fn throttled(wait: DurationMs) -> Self {
        Self::of_graph(429, "").after(wait)
    }

    /// No Microsoft account is connected, or Microsoft wants the person to sign in again.
    #[must_use]
    pub fn sign_in_again() -> Self {
        Self::new(
            Fault::Account,
            "sign_in_again",
            "Microsoft wants this person to sign in again. Connect the account again in the client.",
        )
    }

    /// Access took no part in this sign-in, so that no linked app would know whose call it is.
    #[must_use]
    pub fn no_access_identity() -> Self {
        Self::new(
            Fault::Account,
            "access_sign_in_again",
            "Cloudflare Access wants this person to sign in again before linked apps can be called. Connect the account \
             again in the client. Everything else works.",
        )
    }

    /// The deployment's own credential with Access does not work.
    #[must_use]
    pub fn own_access_credential() -> Self {
        Self::new(
            Fault::Operator,
            "own_access_credential",
            "Cloudflare Access does not accept this server's own credential. Nothing is wrong with your account; the \
             operators of this server have to renew ACCESS_CLIENT_SECRET.",
        )
    }

    /// Access cannot renew what linked apps are called with.
    #[must_use]
    pub fn access_is_down(wait: DurationMs) -> Self {
        Self::new(Fault::Application, "access_down", "Cloudflare Access does not answer. Nothing was sent.")
            .after(wait)
    }

    /// A permission that Microsoft has not granted.
    #[must_use]
    pub fn permission_missing(permission: &'static str) -> Self {
        let error = Self::new(
            Fault::Account,
            "permission_missing",
            format!(
                "Microsoft has not granted this server the permission {permission} for your account. Connect the \
                 account again and agree to it, or ask your administrators."
            ),
        );
        Self { permission: Some(permission), ..error }
    }

    /// The deployment's own credential with Microsoft does not work.
    #[must_use]
    pub fn own_credential() -> Self {
        Self::new(
            Fault::Operator,
            "own_credential",
            "This server's own credential with Microsoft is not accepted. Nothing is wrong with your account; \
             the operators of this server have to renew the credential.",
        )
    }

    /// The organisation does not let this account use this server.
    #[must_use]
    pub fn not_allowed() -> Self {
        Self::new(
            Fault::Account,
            "not_allowed",
            "Your organisation does not let this account use this server. Signing in again does not help; ask your \
             administrators to assign you to its application.",
        )
    }

    /// Microsoft's sign-in service asks to be left alone for longer than a call can wait.
    #[must_use]
    pub fn sign_in_service_down(wait: DurationMs) -> Self {
        Self::new(
            Fault::Microsoft,
            "microsoft_down",
            "Microsoft's sign-in service is not available at the moment. Nothing is wrong with your account.",
        )
        .ending("Nothing happened.")
        .after(wait)
    }

    /// The object was stopped before the call left.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(
            Fault::Server,
            "interrupted",
            "The server was restarted before this call was sent. Nothing happened; call again.",
        )
    }

    /// The operators let nothing leave for this account.
    #[must_use]
    pub fn paused() -> Self {
        Self::new(
            Fault::Operator,
            "paused",
            "The operators of this server paused this account, so that nothing is sent to Microsoft for it. Nothing \
             happened; call again once they have resumed it.",
        )
    }

    /// The operators cut the account or the client off while the call waited.
    #[must_use]
    pub fn cut_off() -> Self {
        Self::new(
            Fault::Operator,
            "cut_off",
            "The operators of this server disconnected this account or this client while the call waited. It was not \
             sent. Sign in again to go on.",
        )
    }

    /// The client gave up on a call that had not left yet.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(
            Fault::Caller,
            "cancelled",
            "The client cancelled this call before it could have an effect.",
        )
    }

    /// The deadline passed while the call waited.
    #[must_use]
    pub fn deadline(wait: DurationMs) -> Self {
        Self::new(
            Fault::Microsoft,
            "deadline",
            "The call could not be sent in time because earlier calls or Microsoft's limits held it up.",
        )
        .ending("Nothing happened.")
        .after(wait)
    }

    /// An upload came to no end.
    #[must_use]
    pub fn upload_deadline() -> Self {
        Self::new(
            Fault::Microsoft,
            "deadline",
            "Uploading took longer than five minutes, or more than a minute and a half for one part. Give less at once, \
             or share a link with shareFile.",
        )
    }

    /// A read got no answer.
    #[must_use]
    pub fn lost_read(lost: Lost) -> Self {
        match lost {
            Lost::TooLarge => Self::new(
                Fault::Caller,
                "answer_too_large",
                "Microsoft's answer is larger than this server accepts. Ask for fewer items, or open a large one where it is.",
            ),
            Lost::Connection | Lost::Timeout | Lost::Interrupted => Self::new(
                Fault::Microsoft,
                "no_answer",
                "Microsoft did not answer. Nothing was changed; try again.",
            )
            .after(DurationMs::from_secs(5)),
        }
    }

    /// A write's outcome could not be found out.
    #[must_use]
    pub fn outcome_unknown(what: &str, where_to_look: &str) -> Self {
        Self::new(
            Fault::Microsoft,
            "outcome_unknown",
            format!(
                "The answer to {what} was lost, and it could not be found out whether it took effect. It was \
                 not repeated. Look {where_to_look} before you do it again."
            ),
        )
    }

    /// Turns an answer that is no success into an error.
    #[must_use]
    pub fn from_refusal(answer: &Answer) -> Self {
        let refusal = read_refusal(&answer.body);
        let error = match refusal.refuser {
            Refuser::Gateway => Self::of_gateway(answer.status, &refusal.code),
            Refuser::Graph => Self::of_graph(answer.status, &refusal.code),
            Refuser::Unrecognised => Self::of_unrecognised(answer.status),
        };
        match answer.retry_after {
            Some(wait) => error.after(wait),
            None => error,
        }
    }

    fn of_gateway(status: u16, code: &str) -> Self {
        match (status, code) {
            (_, "2001") | (404, _) => Self::new(
                Fault::Operator,
                "gateway_has_no_handler",
                "The AI Gateway of this server has no handler for Microsoft Graph. An operator has to set \
                 EGRESS to custom_provider, or to bind a compatible handler.",
            ),
            (_, "2009") | (401, _) => Self::new(
                Fault::Operator,
                "gateway_credential",
                "The AI Gateway does not accept this server's credential. An operator has to renew \
                 AI_GATEWAY_SERVICE_TOKEN.",
            ),
            (_, "2029" | "2030") => Self::new(
                Fault::Gateway,
                "blocked_by_dlp",
                "Your organisation's data loss prevention policy blocked this call. Remove the sensitive \
                 content or ask your administrators.",
            ),
            (_, "2016" | "2017") | (403, _) => Self::new(
                Fault::Gateway,
                "blocked_by_policy",
                "Your organisation's gateway policy blocked this call. Ask your administrators.",
            ),
            (429, _) => Self::new(
                Fault::Gateway,
                "gateway_limit",
                "Your organisation's gateway limit is reached. Try again later.",
            )
            .after(DurationMs::from_secs(60)),
            (500.., _) => Self::new(Fault::Gateway, "gateway_down", "The AI Gateway is not available.")
                .after(DurationMs::from_secs(30)),
            _ => Self::new(
                Fault::Operator,
                "gateway_refused",
                format!("The AI Gateway refused the call (status {status}, code {}).", printable(code)),
            ),
        }
    }

    fn of_graph(status: u16, code: &str) -> Self {
        let code = printable(code);
        match status {
            401 => Self::sign_in_again(),
            403 => Self::new(
                Fault::Account,
                "permission_missing",
                format!("Microsoft does not allow this account to do that ({code})."),
            ),
            404 => Self::new(
                Fault::Caller,
                "not_found",
                format!("Microsoft found no such item ({code}). Check the identifier or the folder."),
            ),
            409 if code == "nameAlreadyExists" => Self::new(
                Fault::Caller,
                "name_taken",
                "There is a file or folder of this name already. Nothing was written. Choose another name, or say \
                 with `onConflict` what shall happen.",
            ),
            409 | 412 => Self::new(
                Fault::Caller,
                "conflict",
                format!("The item was changed in the meantime ({code}). Read it again first."),
            ),
            413 => Self::new(Fault::Caller, "too_large", "Microsoft refuses a request of this size."),
            429 => Self::new(
                Fault::Microsoft,
                "throttled",
                "Microsoft is limiting calls to this account at the moment.",
            ),
            500.. => Self::new(Fault::Microsoft, "microsoft_down", "Microsoft Graph is not available.")
                .after(DurationMs::from_secs(30)),
            _ => Self::new(
                Fault::Caller,
                "refused",
                format!("Microsoft refused the request ({code}). Check the arguments."),
            ),
        }
    }

    fn of_unrecognised(status: u16) -> Self {
        match status {
            429 => Self::of_graph(status, ""),
            500.. => Self::new(
                Fault::Gateway,
                "upstream_down",
                format!("The way to Microsoft is not available (status {status})."),
            )
            .after(DurationMs::from_secs(30)),
            _ => Self::new(
                Fault::Server,
                "unexpected_answer",
                format!("An answer came back that this server does not understand (status {status})."),
            ),
        }
    }
}

/// A code of somebody else's, cut down to what a code consists of.
fn printable(code: &str) -> String {
    let text: String =
        code.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')).take(64).collect();
    if text.is_empty() { "no code".to_owned() } else { text }
}

impl std::fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)?;
        if !self.ending.is_empty() {
            write!(formatter, " {}", self.ending)?;
        }
        match self.retry_after {
            Some(wait) => write!(formatter, " Try again in {} s.", wait.as_secs_rounded_up()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, body: &str) -> ToolError {
        ToolError::from_refusal(&Answer { status, body: body.into(), ..Answer::default() })
    }

    #[test]
    fn refusals_say_whose_fault_they_are() {
        let graph =
            |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"quotes alice@x.example"}}}}"#);
        let not_found = refused(404, &graph("ErrorItemNotFound"));
        assert_eq!((not_found.fault, not_found.code), (Fault::Caller, "not_found"));
        assert!(!not_found.message.contains("alice"));
        assert_eq!(refused(403, &graph("ErrorAccessDenied")).fault, Fault::Account);
        assert_eq!(refused(429, &graph("ApplicationThrottled")).code, "throttled");
        let gateway = |code: i32| format!(r#"{{"error":[{{"code":{code},"message":"m"}}]}}"#);
        assert_eq!(refused(401, &gateway(2009)).fault, Fault::Operator);
        assert_eq!(refused(400, &gateway(2029)).code, "blocked_by_dlp");
        assert_eq!(refused(424, &gateway(2016)).code, "blocked_by_policy");
        assert_eq!(refused(404, &gateway(7000)).code, "gateway_has_no_handler");
        assert_eq!(refused(503, &gateway(7013)).code, "gateway_down");
        assert_eq!(refused(502, "<html>").fault, Fault::Gateway);
        assert_eq!(refused(400, "<html>").fault, Fault::Server);
    }

    #[test]
    fn waiting_is_told_in_seconds() {
        let error = ToolError::busy(DurationMs(1_500));
        assert!(error.to_string().ends_with("Try again in 2 s."), "{error}");
    }
}
