//! One Graph request after the parts that every workload shares: the path split strictly, the query
//! decoded, the `Prefer` header read, the token checked. Workloads get a `Context` and never parse these
//! themselves, so that no workload is more lenient than another.

use super::error::GraphError;
use crate::entra::policy;
use crate::tenant::User;
use crate::wire::{Call, duplicate, pair, parse_pairs, percent_decode};
use crate::world::World;
use crate::zones;
use serde_json::Value;

/// How long a query may be; it also bounds how deep a filter can become.
const QUERY_LIMIT: usize = 16 * 1024;

/// The `Prefer` values that were understood.
#[derive(Clone, Debug, Default)]
pub struct Prefer {
    /// `IdType="ImmutableId"`.
    pub immutable_ids: bool,
    /// `outlook.body-content-type="text"`.
    pub text_bodies: bool,
    /// `outlook.timezone`.
    pub time_zone: Option<String>,
    /// What `Preference-Applied` echoes.
    pub applied: Vec<String>,
}

/// One request, ready for a workload.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The request.
    pub call: &'a Call,
    /// `v1.0` or `beta`.
    pub version: String,
    /// The decoded path segments after the version.
    pub segments: Vec<String>,
    /// The segments by which workloads are chosen: what belongs to a person begins with `me`, whosever it is.
    pub resource: Vec<String>,
    /// The decoded query.
    pub query: Vec<(String, String)>,
    /// The preferences.
    pub prefer: Prefer,
    /// Who calls.
    pub user: &'static User,
    /// Whose mailbox, calendar or drive is meant; the caller's own where the path does not say.
    pub owner: &'static User,
    /// Whether the mailbox is somebody else's, which takes scopes of its own.
    pub is_shared: bool,
    /// What the token allows.
    pub scopes: Vec<String>,
}

/// Splits a raw path into version and decoded segments, refusing every trick.
pub fn split_path(path: &str) -> Result<(String, Vec<String>), GraphError> {
    let malformed = || GraphError::bad_request("The request URI is not valid.");
    let mut segments = Vec::new();
    for raw in path.strip_prefix('/').ok_or_else(malformed)?.split('/') {
        let lower = raw.to_ascii_lowercase();
        // An id with an encoded `=` is not found by the real service, so it must not be found here.
        if lower.contains("%3d") {
            return Err(GraphError::item_not_found());
        }
        if ["%2f", "%5c", "%00", "%2e"].iter().any(|trick| lower.contains(trick)) || raw.contains('\\') {
            return Err(malformed());
        }
        let segment = percent_decode(raw).ok_or_else(malformed)?;
        if matches!(segment.as_str(), "" | "." | "..") || segment.chars().any(char::is_control) {
            return Err(malformed());
        }
        segments.push(segment);
    }
    let version = if segments.is_empty() { String::new() } else { segments.remove(0) };
    if !matches!(version.as_str(), "v1.0" | "beta") {
        return Err(GraphError::bad_request(format!("Invalid version: {version}.")));
    }
    if segments.is_empty() {
        return Err(GraphError::bad_request("The request has no resource."));
    }
    Ok((version, segments))
}

/// Reads `Prefer`; unknown preferences are ignored, as HTTP demands.
fn read_prefer(call: &Call) -> Result<Prefer, GraphError> {
    let mut prefer = Prefer::default();
    for item in call.headers.joined("prefer").split(',').map(str::trim) {
        let (name, value) = item.split_once('=').unwrap_or((item, ""));
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "idtype" if value.eq_ignore_ascii_case("ImmutableId") => {
                prefer.immutable_ids = true;
                prefer.applied.push("IdType=\"ImmutableId\"".into());
            }
            "outlook.body-content-type" if matches!(value, "text" | "html") => {
                prefer.text_bodies = value == "text";
                prefer.applied.push(format!("outlook.body-content-type=\"{value}\""));
            }
            "outlook.timezone" => {
                if zones::zone(value).is_none() {
                    let message = "The specified time zone isn't supported.";
                    return Err(GraphError::bad("TimeZoneNotSupportedException", message));
                }
                prefer.time_zone = Some(value.into());
                prefer.applied.push(format!("outlook.timezone=\"{value}\""));
            }
            _ => {}
        }
    }
    Ok(prefer)
}

/// Checks the bearer token.
pub fn authenticate(world: &World, call: &Call) -> Result<(&'static User, Vec<String>), GraphError> {
    if call.headers.get("authorization").is_none() {
        return Err(GraphError::unauthenticated("Access token is empty."));
    }
    let malformed = "IDX14100: JWT is not well formed, there are no dots (.).";
    let token = call.headers.bearer("authorization").ok_or_else(|| GraphError::unauthenticated(malformed))?;
    let entry =
        world.grants.access.get(token).ok_or_else(|| GraphError::unauthenticated("Invalid access token."))?;
    if entry.expires_ms <= world.now_ms() {
        let message = "Lifetime validation failed, the token is expired.";
        return Err(GraphError::unauthenticated(message));
    }
    if entry.revoked {
        return Err(GraphError::unauthenticated("The token was revoked."));
    }
    let user = world
        .directory
        .by_oid(entry.oid)
        .ok_or_else(|| GraphError::unauthenticated("The user of the token does not exist."))?;
    // Only who declared the capability is challenged; everybody else's token is good until it ends.
    let is_demanded = world.settings.lists(&world.settings.graph_step_up, user.address);
    if is_demanded && entry.takes_challenges && !entry.stepped_up {
        return Err(GraphError::insufficient_claims(&policy::demanded()));
    }
    Ok((user, entry.scopes.clone()))
}

/// Whether what stands behind `me` or a user is kept in the mailbox.
pub fn in_mailbox(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    ["message", "mail", "sendmail", "calendar", "event", "contact", "outlook", "getmailtips", "findmeeting"]
        .iter()
        .any(|start| lower.starts_with(start))
}

/// What else is there for any user; everything else behind a user is refused.
const PERSONAL: [&str; 5] = ["manager", "directReports", "drive", "drives", "presence"];

/// Whose it is, and the path as if it were the caller's own: `users/{id}/messages` is `me/messages` of
/// somebody.
fn addressed(
    world: &World,
    user: &'static User,
    segments: &[String],
) -> Result<(&'static User, Vec<String>), GraphError> {
    let [first, id, rest @ ..] = segments else { return Ok((user, segments.to_vec())) };
    let ours = |part: &String| in_mailbox(part) || PERSONAL.contains(&part.as_str());
    if first != "users" || !rest.first().is_some_and(ours) {
        return Ok((user, segments.to_vec()));
    }
    let owner = world.directory.find(id).ok_or_else(|| {
        let of_mailbox = rest.first().is_some_and(|part| in_mailbox(part));
        let code = if of_mailbox { "ErrorInvalidUser" } else { "Request_ResourceNotFound" };
        GraphError::new(404, code, format!("The requested user '{id}' is invalid."))
    })?;
    let own = std::iter::once("me".to_owned()).chain(rest.iter().cloned());
    Ok((owner, own.collect()))
}

/// What Exchange lets somebody else do in a mailbox: everything for delegates, reading of the calendar for those
/// whom it is shared with, free and busy for all.
fn check_rights(call: &Call, resource: &[String], owner: &User, user: &User) -> Result<(), GraphError> {
    let reads = call.method == "GET";
    let part = resource.get(1).map(String::as_str).unwrap_or_default();
    let of_calendar = part.starts_with("calendar") || part == "events";
    let free_busy = resource.last().is_some_and(|last| last == "getSchedule");
    let granted = owner.lets_in(user) || free_busy || (of_calendar && reads && owner.shows_calendar_to(user));
    if granted { Ok(()) } else { Err(GraphError::access_denied()) }
}

impl<'a> Context<'a> {
    /// Everything about a request that all workloads share.
    pub fn read(world: &World, call: &'a Call, path: &str) -> Result<Self, GraphError> {
        let (user, scopes) = authenticate(world, call)?;
        let (version, segments) = split_path(path)?;
        if call.query.len() > QUERY_LIMIT {
            return Err(GraphError::new(414, "RequestUriTooLong", "The request URI is too long."));
        }
        let (owner, resource) = addressed(world, user, &segments)?;
        let is_shared = owner.oid != user.oid && resource.get(1).is_some_and(|part| in_mailbox(part));
        if is_shared {
            check_rights(call, &resource, owner, user)?;
        }
        let query = parse_pairs(&call.query)
            .ok_or_else(|| GraphError::bad_request("The query string is not valid."))?;
        if let Some(name) = duplicate(&query) {
            let message =
                format!("Query parameter '{name}' is specified, but it should be specified exactly once.");
            return Err(GraphError::bad_request(message));
        }
        let prefer = read_prefer(call)?;
        Ok(Self { call, version, segments, resource, query, prefer, user, owner, is_shared, scopes })
    }

    /// The segments by which workloads are chosen, as text slices.
    pub fn path(&self) -> Vec<&str> {
        self.resource.iter().map(String::as_str).collect()
    }

    /// A query option.
    pub fn option(&self, name: &str) -> Option<&str> {
        pair(&self.query, name)
    }

    /// Refuses query options that an operation does not have.
    pub fn allow_options(&self, allowed: &[&str]) -> Result<(), GraphError> {
        for (name, _) in &self.query {
            if !allowed.contains(&name.as_str()) {
                let message = if name.starts_with('$') {
                    format!("The query parameter '{name}' is not supported.")
                } else {
                    format!("The query parameter '{name}' is not recognized.")
                };
                return Err(GraphError::bad_request(message));
            }
        }
        Ok(())
    }

    /// Whether the token carries a scope. For somebody else's mailbox it must be the shared one of the same name.
    pub fn has_scope(&self, scope: &str) -> bool {
        let wanted = if self.is_shared && !scope.ends_with(".Shared") {
            format!("{scope}.Shared")
        } else {
            scope.to_owned()
        };
        self.scopes.contains(&wanted)
    }

    /// Demands one of some scopes.
    pub fn require_scope(&self, any_of: &[&str]) -> Result<(), GraphError> {
        if any_of.iter().any(|scope| self.has_scope(scope)) {
            return Ok(());
        }
        Err(GraphError::access_denied())
    }

    /// The JSON body of a write.
    pub fn json_body(&self) -> Result<Value, GraphError> {
        match self.call.media_type().as_deref() {
            Some("application/json") => {}
            None => {
                let message =
                    "Write requests (excluding DELETE) must contain the Content-Type header declaration.";
                return Err(GraphError::bad_request(message));
            }
            Some(other) => {
                let message = format!("The media type '{other}' is not supported for this request.");
                return Err(GraphError::new(415, "UnsupportedMediaType", message));
            }
        }
        if self.call.body.is_empty() {
            return Err(GraphError::bad_request("Empty Payload. JSON content expected."));
        }
        serde_json::from_slice(&self.call.body)
            .map_err(|_| GraphError::bad_request("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format."))
    }

    /// Demands an empty body, for actions without parameters; an empty object is the same.
    pub fn no_body(&self) -> Result<(), GraphError> {
        let empty = self.call.body.is_empty() || self.call.body.trim_ascii() == b"{}";
        if empty {
            return Ok(());
        }
        Err(GraphError::bad_request("The request must not have a body."))
    }

    /// The address of this request's resource, for `@odata.context` and next links.
    pub fn origin(&self, world: &World) -> String {
        let graph = world.options.graph_origin.clone().unwrap_or_else(|| format!("{}/graph", world.base));
        format!("{graph}/{}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_tricks_are_refused() {
        for bad in
            ["/v1.0/me/../x", "/v1.0/me/%2e%2e/x", "/v1.0/me%2fmessages", "/v1.0//me", "/v2/me", "/v1.0/a%zz"]
        {
            assert!(split_path(bad).is_err(), "{bad}");
        }
        assert_eq!(split_path("/v1.0/me/messages/AA%3D").unwrap_err().status, 404);
        let (version, segments) = split_path("/beta/me/messages/AA-_=").unwrap();
        assert_eq!((version.as_str(), segments.len()), ("beta", 3));
    }
}
