//! What can be watched, and the messages of those who watch.
//!
//! What holds here: a change says which resource changed and nothing of its content; a message of a subscription names
//! the subscription that asked for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::params::params;
use crate::jsonrpc::{self, Id, RpcError};
use crate::limits::WATCHED_URIS_MAX;
use crate::tools::Resource;
use crate::tools::catalogue::{CALENDARS_READ, MAIL_READ};

/// What a client can ask to be told about when it changes. Each is a resource that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Watched {
    /// The newest mail of the inbox.
    #[serde(rename = "m")]
    Inbox,
    /// The events of the coming days.
    #[serde(rename = "c")]
    Calendar,
}

impl Watched {
    /// Everything that can be watched.
    pub const ALL: [Self; 2] = [Self::Inbox, Self::Calendar];

    /// The resource that changes.
    #[must_use]
    pub const fn resource(self) -> Resource {
        match self {
            Self::Inbox => Resource::Inbox,
            Self::Calendar => Resource::Upcoming,
        }
    }

    /// The resource's URI.
    #[must_use]
    pub const fn uri(self) -> &'static str {
        self.resource().uri()
    }

    /// The Graph permissions of which one suffices to hear of changes.
    #[must_use]
    pub const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Inbox => &MAIL_READ,
            Self::Calendar => &CALENDARS_READ,
        }
    }

    /// What a URI names, if it can be watched.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        // The suite watches a resource of its own.
        #[cfg(feature = "conformance")]
        if uri == "test://watched-resource" {
            return Some(Self::Inbox);
        }
        Self::ALL.into_iter().find(|watched| watched.uri() == uri)
    }
}

/// Reads the parameters of `resources/subscribe` and `resources/unsubscribe`.
///
/// # Errors
/// `-32602` when there is no URI or one that cannot be watched.
pub fn read_watched(method: &str, raw: Option<&RawValue>) -> Result<Watched, RpcError> {
    #[derive(Deserialize)]
    struct Subscribe {
        uri: String,
    }
    let Subscribe { uri } = params(method, raw)?;
    Watched::from_uri(&uri).ok_or_else(|| {
        let all = Watched::ALL.map(Watched::uri).join(" and ");
        RpcError::invalid_params(format!("This resource cannot be watched. {all} can."))
    })
}

/// The notification that a resource has changed; `subscription` names the one that asked, in MCP 2026-07-28.
#[must_use]
pub fn resource_updated(uri: &str, subscription: Option<&Id>) -> String {
    let params = match subscription {
        Some(id) => json!({ "uri": uri, "_meta": { SUBSCRIPTION_ID: id } }),
        None => json!({ "uri": uri }),
    };
    notification("notifications/resources/updated", params)
}

/// The first message of a subscription: what of it is honoured, `lists` being those whose changes are told (only those
/// of fixtures change) (MCP 2026-07-28, basic/utilities/subscriptions).
#[must_use]
pub fn subscription_acknowledged(id: &Id, watched: &BTreeSet<Watched>, lists: &[&str]) -> String {
    let uris: Vec<&str> = watched.iter().map(|watched| watched.uri()).collect();
    let mut honoured = serde_json::Map::new();
    if !uris.is_empty() {
        honoured.insert("resourceSubscriptions".to_owned(), uris.into());
    }
    honoured.extend(lists.iter().map(|list| ((*list).to_owned(), true.into())));
    let params = json!({ "_meta": { SUBSCRIPTION_ID: id }, "notifications": honoured });
    notification("notifications/subscriptions/acknowledged", params)
}

const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A notification.
pub(crate) fn notification(method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string()
}

/// Reads the parameters of `subscriptions/listen`: the resources whose changes are asked for.
///
/// # Errors
/// `-32602` when there is no filter, or one with too many resources.
pub fn read_listen(raw: Option<&RawValue>) -> Result<Vec<String>, RpcError> {
    #[derive(Deserialize)]
    struct Listen {
        notifications: Filter,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Filter {
        #[serde(default)]
        resource_subscriptions: Vec<String>,
        #[cfg(feature = "conformance")]
        #[serde(flatten)]
        lists: std::collections::BTreeMap<String, Value>,
    }
    let Listen { notifications } = params("subscriptions/listen", raw)?;
    if notifications.resource_subscriptions.len() > WATCHED_URIS_MAX {
        let message = format!("A subscription names at most {WATCHED_URIS_MAX} resources.");
        return Err(RpcError::invalid_params(message));
    }
    // What cannot be watched is left out of the acknowledgement, which is how a client learns of it.
    let is_watched = |uri: &String| Watched::from_uri(uri).is_some();
    let uris = notifications.resource_subscriptions.into_iter().filter(is_watched);
    #[cfg(feature = "conformance")]
    let uris =
        uris.chain(notifications.lists.into_iter().filter(|(_, wish)| *wish == true).map(|(list, _)| list));
    Ok(uris.collect())
}

/// The end of a subscription in good order: its own result (MCP 2026-07-28, basic/utilities/subscriptions).
#[must_use]
pub fn subscription_ended(id: &Id) -> String {
    let result = json!({ "resultType": "complete", "_meta": { SUBSCRIPTION_ID: id } });
    jsonrpc::success(id, &result)
}

#[cfg(all(test, feature = "conformance"))]
mod tests {
    use super::*;

    #[test]
    fn the_lists_that_are_listened_for_are_named() {
        let params = json!({"notifications": {"toolsListChanged": true, "promptsListChanged": false}});
        let raw = RawValue::from_string(params.to_string()).unwrap();
        assert_eq!(read_listen(Some(&raw)).unwrap(), ["toolsListChanged"]);
    }
}
