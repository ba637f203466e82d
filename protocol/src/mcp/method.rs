//! The methods of both eras, and where each is answered.
//!
//! What holds here: a method that one era lacks does not exist there, even if the other has it.

/// A method that this server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `initialize`, in sessions only.
    Initialize,
    /// `ping`, in sessions only.
    Ping,
    /// `server/discover`, without sessions only.
    Discover,
    /// `tools/list`
    ListTools,
    /// `tools/call`
    CallTool,
    /// `resources/list`
    ListResources,
    /// `resources/templates/list`
    ListResourceTemplates,
    /// `resources/read`
    ReadResource,
    /// `prompts/list`
    ListPrompts,
    /// `prompts/get`
    GetPrompt,
    /// `completion/complete`
    Complete,
    /// `logging/setLevel`, in sessions of the fixture build only.
    #[cfg(feature = "conformance")]
    SetLogLevel,
    /// `resources/subscribe`, in sessions only.
    Subscribe,
    /// `resources/unsubscribe`, in sessions only.
    Unsubscribe,
    /// `subscriptions/listen`, without sessions only.
    Listen,
    /// `tasks/get`, without sessions only.
    GetTask,
    /// `tasks/update`, without sessions only.
    UpdateTask,
    /// `tasks/cancel`, without sessions only.
    CancelTask,
}

/// What both eras have.
const SHARED: [(&str, Method); 8] = [
    ("tools/list", Method::ListTools),
    ("tools/call", Method::CallTool),
    ("resources/list", Method::ListResources),
    ("resources/templates/list", Method::ListResourceTemplates),
    ("resources/read", Method::ReadResource),
    ("prompts/list", Method::ListPrompts),
    ("prompts/get", Method::GetPrompt),
    ("completion/complete", Method::Complete),
];

impl Method {
    fn shared(name: &str) -> Option<Self> {
        SHARED.into_iter().find(|(known, _)| *known == name).map(|(_, method)| method)
    }

    /// The method of a wire name in the revisions with sessions.
    #[must_use]
    pub fn in_session(name: &str) -> Option<Self> {
        match name {
            "initialize" => Some(Self::Initialize),
            "ping" => Some(Self::Ping),
            #[cfg(feature = "conformance")]
            "logging/setLevel" => Some(Self::SetLogLevel),
            "resources/subscribe" => Some(Self::Subscribe),
            "resources/unsubscribe" => Some(Self::Unsubscribe),
            _ => Self::shared(name),
        }
    }

    /// The method of a wire name in the revision without sessions.
    #[must_use]
    pub fn stateless(name: &str) -> Option<Self> {
        match name {
            "server/discover" => Some(Self::Discover),
            "subscriptions/listen" => Some(Self::Listen),
            "tasks/get" => Some(Self::GetTask),
            "tasks/update" => Some(Self::UpdateTask),
            "tasks/cancel" => Some(Self::CancelTask),
            _ => Self::shared(name),
        }
    }

    /// Whether the answer is the same for everybody and needs no object.
    #[must_use]
    pub const fn is_a_list(self) -> bool {
        matches!(
            self,
            Self::Discover
                | Self::ListTools
                | Self::ListResources
                | Self::ListResourceTemplates
                | Self::ListPrompts
        )
    }

    /// The member of `params` that the header `Mcp-Name` repeats (MCP 2026-07-28, basic/transports, "Standard Request
    /// Headers").
    #[must_use]
    pub const fn named_by(self) -> Option<&'static str> {
        match self {
            Self::CallTool | Self::GetPrompt => Some("name"),
            Self::ReadResource => Some("uri"),
            Self::GetTask | Self::UpdateTask | Self::CancelTask => Some("taskId"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_era_has_methods_of_its_own() {
        for name in ["initialize", "ping", "resources/subscribe", "resources/unsubscribe"] {
            assert!(Method::in_session(name).is_some() && Method::stateless(name).is_none(), "{name}");
        }
        assert!(Method::in_session("server/discover").is_none());
        assert!(Method::in_session("subscriptions/listen").is_none());
        assert_eq!(Method::stateless("server/discover"), Some(Method::Discover));
        assert_eq!(Method::stateless("subscriptions/listen"), Some(Method::Listen));
        for name in ["tasks/get", "tasks/update", "tasks/cancel"] {
            assert!(Method::in_session(name).is_none() && Method::stateless(name).is_some(), "{name}");
        }
        for name in ["logging/setLevel", "tasks/list", "tasks/result", "TOOLS/LIST"] {
            assert_eq!(Method::stateless(name), None, "{name}");
        }
        for (name, method) in SHARED {
            assert_eq!((Method::in_session(name), Method::stateless(name)), (Some(method), Some(method)));
        }
    }
}
